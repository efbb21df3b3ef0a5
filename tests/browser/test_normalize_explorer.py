"""explore_normalize under a real hand: every control, the colours, the charts, the notes."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps

CODE = """from course_utils.explorers import explore_normalize
ex = explore_normalize(y, sr, statistics=(-40.0, 20.0))
view = ex.view
ex"""
CHART = "root => root.querySelector('.sv-lane[data-lane=\"{}\"] .sv-base').toDataURL()"
OVERLAY = CHART.replace(".sv-base", ".sv-overlay")


def chart(view, lane="histogram_after"):
    return view.root.evaluate(CHART.format(lane))


def test_gain_moves_the_level_and_not_what_per_clip_gives(show, notebook):
    view = show(CODE)
    (before, _), (after, _) = view.picture("before"), view.picture("after")
    notebook.slider("gain_db").press("ArrowLeft", 20)
    view.wait_settings("before", gain_db=-20)
    view.wait_settings("after", gain_db=-20)
    assert view.picture("before")[0].mean() < before.mean() - 10
    assert np.abs(view.picture("after")[0].astype(int) - after).mean() < 12
    assert "-23" not in view.text("readout")  # a real minus
    notebook.expect("ex.error", "")


def test_every_method_gives_another_picture_and_histogram(show, notebook):
    view = show(CODE)
    menu = notebook.panel.locator(".widget-dropdown", has_text="method").locator("select")
    pictures, charts = {view.fingerprint("after")}, {chart(view)}
    for method in ("none", "per band", "data set", "min-max"):
        menu.select_option(method)
        view.wait_settings("after", method=method)
        pictures.add(view.fingerprint("after"))
        charts.add(chart(view))
        assert view.state()["error"] == ""
    assert len(pictures) == 5
    assert len(charts) == 5


def test_eps_fades_the_picture_and_the_note_says_why(show, notebook):
    view = show(CODE)
    before = view.fingerprint("after")
    notebook.slider("eps").press("End")
    view.wait_settings("after", eps=10)
    view.wait_pixels("after", other_than=before)
    assert any("not small beside" in note for note in view.state()["notes"])


def test_signed_pictures_have_the_colours_of_their_numbers(show):
    """Red above the mean, blue below it, white at it: pixels against the colormap."""
    view = show(CODE)
    cells, _ = view.picture("after")
    g = view.ask("geometry", "after")
    for column, row in ((2, 40), (30, 8), (30, 60)):
        x = view.ask("xOf", column * 512 / 16000)
        r, gr, b, _ = view.ask(
            "pixel", "after", x, (1 - (row + 0.5) / cells.shape[0]) * g["height"]
        )
        expected = np.array(colormaps["RdBu_r"](int(cells[row, column]))[:3]) * 255
        assert np.abs(np.array([r, gr, b]) - expected).max() <= 6, (column, row)


def test_pointing_at_a_cell_marks_both_histograms_in_their_own_unit(show):
    view = show(CODE)
    blank = view.root.evaluate(OVERLAY.format("histogram_after"))
    hover = view.hover("after", 1.0, 0.4)
    assert set(hover["levels"]) == {"dB", "\u03c3"}
    assert hover["levels"]["\u03c3"] == hover["db"]
    assert -100 <= hover["levels"]["dB"] <= 50
    assert view.text("hover").endswith("\u03c3")
    assert view.root.evaluate(OVERLAY.format("histogram_after")) != blank


def test_presets_set_the_gain_and_the_notes(show, notebook):
    view = show(CODE)
    for preset, gain_db, words in (
        ("quiet", -40, ""),
        ("nearly silent", -80, "silence became noise"),
        ("digital silence", -100, "0 / 0"),
    ):
        notebook.panel.get_by_role("button", name=preset, exact=True).click()
        view.wait_settings("after", gain_db=gain_db)
        notebook.expect("ex.settings['gain_db']", gain_db)
        assert words in " ".join(view.state()["notes"])
        heights = np.array(view.ask("waveHeights", "waveform"))
        assert heights.max() <= 3  # the ear and the eye get the same quiet sound


def test_nothing_by_nothing_is_one_readable_line(show, notebook):
    view = show(CODE)
    notebook.panel.get_by_role("button", name="digital silence", exact=True).click()
    view.wait_settings("after", gain_db=-100)
    kept = view.fingerprint("after")
    notebook.slider("eps").press("Home")
    view.wait("state => state.error.startsWith('0 / 0')")
    assert view.fingerprint("after") == kept
    notebook.slider("eps").press("ArrowRight")
    view.wait("state => state.error === ''")
