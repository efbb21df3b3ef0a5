"""Lesson 07 under a real hand: the accuracy map with its chart and menus, and a sweep stopped."""

from __future__ import annotations

import pytest

from tests.browser.test_waveform_explorer import menu

TUNING = """
from course_utils.explorers import explore_tuning
from tests.explorers.results import make_records
from tests.explorers.words import make_clips
tuning_ex = explore_tuning(make_records(), make_clips(24, seed=2))
tuning_ex"""
PLACES = "root => root.tuningMap.places.map(({id, px, py}) => [id, px, py])"


@pytest.fixture
def tuning_map(show, notebook):
    """The explorer's view, and its map."""
    view = show(TUNING)
    root = notebook.panel.locator(".tuning-map")
    root.wait_for()
    notebook.page.wait_for_function(
        "root => root.tuningMap.places?.length > 0", arg=root.element_handle()
    )
    return view, root


def cell_at(root, row, column):
    return root.locator(f'.tm-cell[data-row="{row}"][data-column="{column}"]')


def reading(root, text):
    root.locator(".tm-reading", has_text=text).wait_for()


def test_the_cell_under_the_mouse_shows_its_picture_and_numbers(tuning_map, notebook):
    view, root = tuning_map
    view.wait_settings("picture", n_fft=1024, hop_length=512, n_mels=64)
    before, cells_before = view.fingerprint("picture"), view.picture("picture")[0].shape
    cell_at(root, 1, 1).hover()
    view.wait_settings("picture", n_fft=512, hop_length=256, n_mels=64)
    view.wait_pixels("picture", other_than=before)
    assert (cells_before, view.picture("picture")[0].shape) == ((64, 32), (64, 63))
    reading(root, "512/256/64: 90.1 \u00b1 1.0 %, 3 seeds; 45.3 s, 2.52 ms per clip, 4032 cells")
    assert cell_at(root, 1, 1).inner_text().split("\n") == ["90.1", "\u00b1 1.0"]
    text = view.text("readout").replace("\n", " ")
    assert "90.1 \u00b1 1.0 %, 3 seeds" in text
    assert "45.3 s of the processor" in text
    assert "16 ms" in text
    assert "62.5 Hz" in text
    notebook.page.mouse.move(5, 5)  # away from the map: what was chosen comes back
    view.wait_settings("picture", n_fft=1024, hop_length=512, n_mels=64)
    reading(root, "1024/512/64, the course's setting")


def test_a_click_and_the_arrow_keys_choose(tuning_map, notebook):
    view, root = tuning_map
    page = notebook.page
    cell_at(root, 0, 1).click()
    page.mouse.move(5, 5)
    view.wait_settings("picture", n_fft=512, hop_length=128)
    assert cell_at(root, 0, 1).get_attribute("aria-selected") == "true"
    for key, n_fft, hop_length in [
        ("ArrowDown", 512, 256), ("ArrowRight", 1024, 256), ("ArrowDown", 1024, 512),
        ("Home", 256, 512), ("End", 1024, 512), ("ArrowUp", 1024, 256),
    ]:  # fmt: skip
        page.keyboard.press(key)
        view.wait_settings("picture", n_fft=n_fft, hop_length=hop_length)
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')").startswith(
        "1024/256/64: 90.1 \u00b1 1.0 %"
    )
    notebook.expect("str(tuning_ex.place.setting)[:22]", "n_fft 1024, hop 256, 6")


def test_what_makes_no_sense_is_hatched_and_says_why(tuning_map, notebook):
    view, root = tuning_map
    useless = cell_at(root, 2, 0)
    assert useless.get_attribute("data-kind") == "useless"
    assert "gradient" in useless.evaluate("cell => getComputedStyle(cell).backgroundImage")
    useless.click()
    reading(root, "no frame sees 256 of every 512 samples")
    view.wait("state => state.notes[0]?.startsWith('This setting makes no sense')")
    assert "not measured" in view.text("notes")


def test_the_chart_is_walked_by_mouse_and_keys(tuning_map, notebook):
    view, root = tuning_map
    page, chart = notebook.page, root.locator(".tm-chart")
    chart.scroll_into_view_if_needed()
    box, places = chart.bounding_box(), root.evaluate(PLACES)
    assert len(places) == 14
    one, px, py = next(p for p in places if p[0] == places[0][0])
    page.mouse.move(box["x"] + px, box["y"] + py)
    notebook.expect("tuning_ex.map.pointed", one)
    page.mouse.click(box["x"] + px, box["y"] + py)
    notebook.expect("(tuning_ex.map.chosen, tuning_ex.map.pointed)", (one, -1))
    page.mouse.move(5, 5)
    notebook.expect("tuning_ex.map.pointed", -1)
    notebook.expect("tuning_ex.settings['at']", 16)  # the cheapest one lies in the other map
    chart.focus()
    page.keyboard.press("End")
    notebook.expect("tuning_ex.map.chosen", places[-1][0])
    assert chart.get_attribute("aria-valuenow") == "14"
    assert "8064 cells" in chart.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowLeft")
    notebook.expect("tuning_ex.map.chosen", places[-2][0])
    assert root.locator('.tm-point[data-front="yes"]').count() >= 2
    # a step of the front reaches up to the right, never down
    path = root.locator(".tm-front").get_attribute("d")
    heights = [float(v.split("H")[0]) for v in path.split("V")[1:]]
    assert heights == sorted(heights, reverse=True)


def test_every_menu_changes_map_or_chart(tuning_map, notebook):
    view, root = tuning_map
    title, heads = root.locator(".tm-title"), root.locator("th[role=columnheader]")
    menu(notebook, "test_set").select_option("other people")
    root.locator(".tm-title", has_text="other people").wait_for()
    menu(notebook, "at").select_option("n_mels 16")
    root.locator(".tm-title", has_text="n_mels 16").wait_for()
    view.wait_settings("picture", n_mels=16)
    menu(notebook, "cost").select_option("picture size")
    root.locator(".tm-chart text", has_text="picture size (cells)").wait_for()
    menu(notebook, "map").select_option("n_fft \u00d7 n_mels")
    root.locator(".tm-corner", has_text="n_mels").wait_for()
    menu(notebook, "compare").select_option("mel or linear")
    root.locator(".tm-corner", has_text="frequency_axis").wait_for()
    assert heads.all_inner_texts() == ["16 bands", "64 bands", "128 bands"]
    cell_at(root, 1, 0).click()
    view.wait_settings("picture", n_mels=16, frequency_axis="linear")
    menu(notebook, "compare").select_option("scale and normalising")
    root.locator(".tm-corner", has_text="normalize").wait_for()
    cell_at(root, 1, 2).click()
    view.wait_settings("picture", scale="power", normalize="none")
    menu(notebook, "word").select_option("noise")
    view.wait_settings("picture", word="noise")
    assert "other people" in title.inner_text()


def test_large_type_and_the_dark_theme_keep_everything_inside_the_map(tuning_map, notebook):
    view, root = tuning_map
    try:
        root.locator(".tm-button").click()
        view.wait("state => state.large")
        notebook.theme("JupyterLab Dark")
        root.and_(notebook.page.locator("[data-theme=dark]")).wait_for()
        outside = root.evaluate(
            """root => [...root.closest('.jp-OutputArea-output').querySelectorAll(
                    'button, canvas, select, td, th, svg text, .tm-legend span, .tm-reading')]
                .filter(node => node.getBoundingClientRect().right
                    > root.getBoundingClientRect().right + 1).map(node => node.textContent)"""
        )
        assert outside == []
        clipped = root.evaluate(
            """root => {
                const pen = document.createElement('canvas').getContext('2d');
                const output = root.closest('.jp-OutputArea-output');
                return [...output.querySelectorAll('.widget-dropdown select')].filter(menu => {
                    pen.font = getComputedStyle(menu).font;
                    const longest = Math.max(...[...menu.options].map(
                        option => pen.measureText(option.text).width));
                    return longest > menu.clientWidth - 24;
                }).map(menu => menu.textContent);
            }"""
        )
        assert clipped == []
    finally:
        notebook.theme("JupyterLab Light")


# ---------------------------------------------------------------- SweepView


SWEEP = """
from course_utils.explorers import SweepView
from course_utils.models.augment import Augmentation
from course_utils.models.sweep import grid, run_sweep
from course_utils.models.train import TrainingSettings
from tests.explorers.words import make_clips
sweep_view = SweepView()
sweep_view"""
RUN = """sweep_clips = make_clips(240, seed=1)
sweep = run_sweep(grid(n_mels=[8, 16], hop_length=[512, 1024]), range(8), sweep_clips,
                  {"the same": sweep_clips}, results="watched.jsonl", channels=(4, 4),
                  training=TrainingSettings(n_epochs=2, augmentation=Augmentation.none()),
                  report=sweep_view.report, should_stop=sweep_view.should_stop)
print(len(sweep.records), sweep.stopped)"""


def run_cell(notebook, index):
    """Run a cell and do not wait for it."""
    notebook.page.evaluate(
        "index => { jupyterapp.shell.currentWidget.content.activeCellIndex = index; }", index
    )
    notebook._start("notebook:run-cell")


def test_a_sweep_is_stopped_by_its_button_and_goes_on_where_it_was(lab):
    notebook = lab.open_notebook(lab.write_notebook([SWEEP, RUN], "notebooks/sweep.ipynb"))
    try:
        run_cell(notebook, 0)
        notebook._finish(60)
        root = notebook.panel.locator(".sweep-view")
        root.wait_for()
        assert root.locator(".tv-stop").is_disabled()
        run_cell(notebook, 1)
        root.locator(".tv-text", has_text="left").wait_for(timeout=60_000)
        root.locator(".tv-stop").click()
        notebook._finish(60)
        root.and_(notebook.page.locator("[data-phase=stopped]")).wait_for()
        assert "what was measured is kept" in root.locator(".tv-text").text_content()
        assert root.locator("li").count() >= 1
        n_done, stopped = notebook.cells()[1]["outputs"][0]["text"].split()
        assert 1 <= int(n_done) < 32
        assert stopped == "True"
        run_cell(notebook, 1)
        notebook._finish(120)
        root.and_(notebook.page.locator("[data-phase=done]")).wait_for()
        assert f"{n_done} were in the file already" in root.locator(".tv-details").text_content()
        assert notebook.cells()[1]["outputs"][0]["text"] == "32 False\n"
        assert notebook.complaints() == []
    finally:
        notebook.close()
