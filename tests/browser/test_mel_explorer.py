"""The Mel explorer's own parts under a real hand: filterbank, area norm, the rebuilt sound."""

from __future__ import annotations

import re

import numpy as np
import pytest

from course_utils.signal import hz_to_mel, mel_band_edges_hz
from tests.browser import sounds
from tests.browser.test_sound_view import SPY, hear

MEL = "ex = explore_mel(y, sr, n_mels=40, hop_length=256)\nview = ex.view\nex"
EMPTY = "ex = explore_mel(y, sr, n_fft=400, n_mels=128, freq_axis='log')\nview = ex.view\nex"


def point_at_frequency(view, freq_hz: float, place: float) -> dict:
    """Point at a place (0 to 1) of the filterbank's frequency axis; returns what the view says."""
    canvas = view.lane("filterbank")
    canvas.scroll_into_view_if_needed()
    box, g = canvas.bounding_box(), view.ask("geometry", "filterbank")
    x = g["left"] + place * (g["width"] - g["left"] - g["right"])
    view.page.mouse.move(box["x"] + x, box["y"] + 30)
    view.wait(f"state => Math.abs(state.hover?.freq_hz - {freq_hz}) < 0.02 * {freq_hz} + 10")
    return view.state()["hover"]


def accent_rows(view, lane: str) -> list[float]:
    """Heights (0 bottom, 1 top) of the accent-coloured lines in the middle of a lane's overlay."""
    height = view.ask("geometry", lane)["height"]
    x = view.ask("xOf", 1.0)
    found = view.root.evaluate(
        """(root, [lane, x, height]) => {
            const look = lookAt(root), accent = root.soundView.colours.accent;
            const [r, g, b] = accent.match(/\\w\\w/g).map(hex => parseInt(hex, 16));
            return [...Array(height).keys()].filter(y => {
                const p = look.pixel(lane, x, y, 'overlay');
                const apart = Math.abs(p[0] - r) + Math.abs(p[1] - g) + Math.abs(p[2] - b);
                return apart < 60 && p[3] > 90;
            });
        }""",
        [lane, x, height],
    )
    return [1 - (y + 0.5) / height for y in found]


def test_pointing_at_a_triangle_lights_it_and_its_row(show):
    view = show(MEL)
    edges_hz = mel_band_edges_hz(n_mels=40, sample_rate=sounds.SAMPLE_RATE).tolist()
    for band in (12, 30):
        centre_hz = edges_hz[band + 1]
        hover = point_at_frequency(view, centre_hz, centre_hz / 8000)
        assert hover["band"] == band
        count = sum(edges_hz[band] < k * 15.625 < edges_hz[band + 2] for k in range(513))
        assert re.search(rf"band {band} \(.* Hz\): {count} bins", view.text("hover"))
        x0, x1, *_ = view.ask("overlayBox", "filterbank", view.ask("colour", "accent"), 40)
        g = view.ask("geometry", "filterbank")
        width = g["width"] - g["left"] - g["right"]
        lit_hz = [(x - g["left"]) / width * 8000 for x in (x0, x1)]
        np.testing.assert_allclose(lit_hz, [edges_hz[band], edges_hz[band + 2]], atol=40)
        rows = accent_rows(view, "mel")
        assert rows, "no row lit"
        assert min(rows) == pytest.approx(band / 40, abs=0.02)
        assert max(rows) == pytest.approx((band + 1) / 40, abs=0.02)


def test_pointing_into_a_picture_lights_the_triangle(show):
    view = show(MEL)
    hover = view.hover("mel", 1.0, 20.5 / 40)
    assert hover["band"] == 20
    assert view.ask("overlayBox", "filterbank", view.ask("colour", "accent"), 40)
    hover = view.hover("spectrogram", 1.0, 0.25)  # 2000 Hz
    mel_step = hz_to_mel(8000.0) / 41
    assert hover["band"] == round(hz_to_mel(2000.0) / mel_step) - 1
    view.page.mouse.move(5, 5)
    view.wait("state => state.hover === null")
    assert view.ask("overlayBox", "filterbank", view.ask("colour", "accent"), 40) is None


def test_an_empty_triangle_has_no_dot_and_its_neighbour_has_one(show):
    view = show(EMPTY)
    assert "0, 3, 6, 13" in view.text("notes")
    edges_hz = mel_band_edges_hz(n_mels=128, sample_rate=sounds.SAMPLE_RATE).tolist()
    dots = {}
    for band in (6, 7):
        centre_hz = edges_hz[band + 1]
        place = np.log(centre_hz / 40) / np.log(8000 / 40)
        assert point_at_frequency(view, centre_hz, place)["band"] == band
        dots[band] = view.ask("overlayBox", "filterbank", view.ask("colour", "strong"), 30)
        assert (": no bins" if band == 6 else ": 1 bin") in view.text("hover")
    assert dots[6] is None
    assert dots[7] is not None


def test_area_norm_moves_both_and_is_said(show, notebook):
    view = show(MEL)
    before = {lane: view.fingerprint(lane) for lane in ("mel", "filterbank")}
    label = notebook.page.locator(".widget-label").filter(has_text=re.compile("^norm$"))
    menu = notebook.panel.locator(".widget-dropdown").filter(has=label).locator("select")
    menu.select_option("slaney: area 1")
    for lane, old in before.items():
        view.wait_pixels(lane, other_than=old)
    assert re.search(r"area norm\s+tilts by −\d+\.\d dB", view.text("readout"))
    menu.select_option("none: height 1")
    view.wait("() => root.querySelector('.sv-readout').innerText.includes('off, no tilt')")


def test_the_filterbank_follows_the_other_controls(show, notebook):
    view = show(MEL)
    seen = {view.fingerprint("filterbank")}
    for change in ("n_mels=16", "mel_scale='slaney'", "freq_axis='mel'", "freq_axis='log'"):
        before = view.fingerprint("filterbank")
        notebook.execute(f"ex.set({change})")
        seen.add(view.wait_pixels("filterbank", other_than=before))
    assert len(seen) == 5


def rebuild(notebook):
    notebook.panel.get_by_role("button", name="Rebuild the sound").click()


def test_the_rebuilt_sound_is_heard_and_shown_and_the_original_comes_back(show, notebook):
    notebook.page.evaluate(SPY)
    view = show(MEL.replace("(y,", "(0.3 * y,"))  # room for the peaks of the guessed phases
    before = {lane: view.fingerprint(lane) for lane in ("waveform", "spectrogram")}
    rebuild(notebook)
    notebook.page.get_by_text("rebuilt in").wait_for()
    switch = notebook.panel.locator(".widget-toggle-buttons")
    assert switch.locator("button.mod-active").inner_text().strip() == "40 bands"
    view.wait("() => root.querySelector('.sv-readout').innerText.includes('40 bands')")
    for lane, old in before.items():
        view.wait_pixels(lane, other_than=old)
    view.button("play").click()
    view.wait("state => state.playing")
    notebook.expect("abs(ex.rebuilt['40 bands']).max().item() <= 1", True)
    rebuilt = hear(notebook.page)
    original = 0.3 * sounds.tone_and_click()
    assert np.sqrt(np.mean(rebuilt**2)) == pytest.approx(np.sqrt(np.mean(original**2)), rel=0.01)
    switch.get_by_role("button", name="original").click()  # while it plays
    view.wait("() => root.querySelector('.sv-readout').innerText.includes('original')")
    view.wait("state => state.playing && !state.waitsForSound")
    np.testing.assert_allclose(hear(notebook.page), original, atol=0.6 / 32768)
    view.button("play").click()
    view.wait("state => !state.playing")
    for lane, picture in before.items():
        assert view.fingerprint(lane) == picture


def test_sliders_answer_while_a_sound_is_rebuilt_and_stop_stops_it(show, notebook):
    view = show("ex = explore_mel(y, sr, n_fft=4096, hop_length=32, n_mels=64)\nview = ex.view\nex")
    stop = notebook.panel.get_by_role("button", name="Stop", exact=True)
    assert not stop.is_visible()
    rebuild(notebook)
    stop.wait_for()
    notebook.slider("n_mels").press("ArrowLeft", 2)
    view.wait_settings("mel", n_mels=40)
    assert stop.is_visible(), "the slider waited for the sound"
    assert notebook.panel.locator(".widget-hprogress, .progress").first.is_visible()
    stop.click()
    notebook.page.get_by_text("stopped").wait_for()
    stop.wait_for(state="hidden")
    notebook.expect("(ex.heard, len(ex.rebuilt))", ("original", 0))
