"""explore_waveform under a real hand: every control, the sound card, single samples."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.browser import sounds
from tests.browser.test_sound_view import SPY, hear

TONE = (
    "from course_utils.explorers import explore_waveform\n"
    "from course_utils.signal import make_tone\n"
    "ex = explore_waveform(make_tone(3500.0), sr, keep_every=4, anti_alias='off')\nview = ex.view\n"
)
SPEECH = (
    "from course_utils.explorers import explore_waveform\n"
    "ex = explore_waveform(y, sr)\nview = ex.view\nex"
)
STEREO = (
    "from course_utils.explorers import explore_waveform\n"
    "pair, rate = load_audio('../audio_samples/stereo_walk.flac', mono=False)\n"
    "ex = explore_waveform(pair, rate)\nview = ex.view\nex"
)

WATCH_OUTLINE = """root => {
    const look = lookAt(root), watch = () => {
        if (root.soundView.state().waitsForSound) window.outlined = look.waveHeights("waveform");
        requestAnimationFrame(watch);
    };
    watch();
}"""


def menu(notebook, name):
    label = notebook.page.locator(".widget-label").filter(has_text=re.compile(rf"^{name}$"))
    return notebook.panel.locator(".widget-dropdown").filter(has=label).locator("select")


def peak_hz(samples, rate=sounds.SAMPLE_RATE):
    spectrum = np.abs(np.fft.rfft(samples))
    return spectrum.argmax() * rate / len(samples)


def test_every_slider_moves_the_samples(show, notebook):
    view = show(SPEECH)
    for name, key in [("keep_every", "ArrowRight"), ("n_bits", "Home"), ("gain_db", "ArrowRight")]:
        before = view.fingerprint("samples")
        slider = notebook.slider(name)
        text = slider.text()
        slider.press(key, 2 if key != "Home" else 1)
        slider.readout.filter(has_not_text=text).wait_for()
        view.wait_pixels("samples", other_than=before)
    view.wait_settings("samples", keep_every=3, n_bits=1, gain_db=-12)
    notebook.expect("(ex.settings['keep_every'], ex.settings['n_bits'])", (3, 1))
    assert "One bit keeps the sign only" in view.state()["notes"][0]


def test_every_menu_and_every_preset_moves_the_picture(show, notebook):
    view = show(SPEECH)
    notebook.execute("ex.set(keep_every=4, n_bits=4)")
    view.wait_settings("spectrogram", keep_every=4, n_bits=4)
    for name, choice in [("anti_alias", "off"), ("dither", "triangular")]:
        before = view.fingerprint("spectrogram")
        menu(notebook, name).select_option(choice)
        view.wait_settings("spectrogram", **{name: choice})
        view.wait_pixels("spectrogram", other_than=before)
    presets = {"telephone": 8, "skip without a filter": 16, "4 bits": 4, "1 bit": 1}
    for preset, n_bits in presets.items():
        notebook.panel.get_by_role("button", name=preset, exact=True).click()
        view.wait_settings("samples", n_bits=n_bits)
    notebook.panel.get_by_role("button", name="as at the start", exact=True).click()
    view.wait_settings("samples", keep_every=1, n_bits=16)


def test_the_alias_is_what_the_sound_card_gets(show, notebook):
    notebook.page.evaluate(SPY)
    view = show(TONE + "ex")
    view.button("loop").click()
    view.button("play").click()
    view.wait("state => state.playing")
    heard = hear(notebook.page)
    assert peak_hz(heard) == pytest.approx(500, abs=1)
    assert np.abs(heard).max() <= 1.0
    # one click on «original» while it plays: the sound goes on, and it is the other one
    notebook.panel.get_by_role("button", name="original", exact=True).click()
    view.wait_settings("spectrogram", hear="original")
    notebook.page.wait_for_function("() => spied.buffers.length >= 2")
    view.wait("state => state.playing && !state.waitsForSound")
    original = hear(notebook.page)
    assert peak_hz(original) == pytest.approx(3500, abs=1)
    assert np.sqrt(np.mean(original**2)) == pytest.approx(np.sqrt(np.mean(heard**2)), rel=0.01)
    view.button("play").click()
    notebook.panel.get_by_role("button", name="difference", exact=True).click()
    view.wait_settings("spectrogram", hear="difference")


def test_a_new_sound_is_seen_at_once_and_heard_when_the_hand_rests(show, notebook):
    notebook.page.evaluate(SPY)
    view = show(TONE + "ex")
    view.root.evaluate(WATCH_OUTLINE)
    before = np.array(view.ask("waveHeights", "waveform"))
    notebook.panel.get_by_role("button", name="difference", exact=True).click()
    view.wait_settings("spectrogram", hear="difference")
    view.wait("state => !state.waitsForSound")
    outlined = np.array(notebook.page.evaluate("() => outlined"))
    whole = np.array(view.ask("waveHeights", "waveform"))
    assert np.abs(outlined - whole).mean() < 0.1 * whole.max()  # its blocks are not the pixels
    assert np.abs(before - whole).mean() > 0.2 * whole.max()
    # pressed in the same moment, «play» waits for the sound that the last step made
    notebook.panel.get_by_role("button", name="original", exact=True).click()
    view.button("play").click()
    view.wait("state => state.playing && !state.waitsForSound")
    assert peak_hz(hear(notebook.page)) == pytest.approx(3500, abs=1)


def test_a_new_sound_leaves_the_stretch_in_view_alone(show, notebook):
    view = show(TONE + "view.visible = [0.5, 0.51]\nex")
    notebook.panel.get_by_role("button", name="difference", exact=True).click()
    view.wait_settings("spectrogram", hear="difference")
    view.wait("state => !state.waitsForSound")
    assert view.state()["visible"] == pytest.approx([0.5, 0.51])
    notebook.expect("ex.view.sound_serial", 2)


def test_nyquist_is_drawn_and_the_loudest_row_lies_below_it(show, notebook):
    view = show(TONE + "ex")
    cells, _ = view.picture("spectrogram")
    row = cells.mean(axis=1).argmax()
    assert row * 8000 / (len(cells) - 1) == pytest.approx(500, abs=40)
    geometry = view.ask("geometry", "spectrogram")
    place = (2000 - geometry["min"]) / (geometry["max"] - geometry["min"])
    y = round((1 - place) * geometry["height"])
    accent = view.ask("colour", "accent")
    wanted = np.array([int(accent[i : i + 2], 16) for i in (1, 3, 5)])

    def distance(row):
        columns = range(geometry["left"] + 10, geometry["left"] + 60, 3)
        pixels = [view.ask("pixel", "spectrogram", x, row)[:3] for x in columns]
        return min(np.abs(np.array(p) - wanted).max() for p in pixels)

    assert min(distance(y + d) for d in (-1, 0, 1)) < 40
    assert distance(y + 12) > 100
    label = view.root.locator('.sv-lane[data-lane="spectrogram"] .sv-base')
    assert "keep_every 4" in label.get_attribute("aria-label")


def test_zooming_in_shows_dots_that_both_curves_meet(show, notebook):
    view = show(TONE + "ex")
    view.click("samples", 0.5)
    view.wait("state => Math.abs(state.playhead_s - 0.5) < 0.01")
    for _ in range(8):
        view.press("+")
    view.wait("state => state.visible[1] - state.visible[0] < 0.005")
    names = view.root.locator('.sv-lane[data-lane="samples"] .sv-line-name')
    names.nth(1).wait_for()
    assert [n.strip("\u2501 ") for n in names.all_inner_texts()] == [
        "original",
        "through the samples",
    ]
    start, end = view.state()["visible"]
    n = round((start + end) / 2 * 4000)  # a kept sample in the middle of the view
    value = 10 ** (-12 / 20) * np.sin(2 * np.pi * 3500 * n / 4000)
    g = view.ask("geometry", "samples")
    y = (1 - (value - g["min"]) / (g["max"] - g["min"])) * g["height"]
    pixel = np.array(view.ask("pixel", "samples", view.ask("xOf", n / 4000), y)[:3])
    wave = view.ask("colour", "wave")
    assert np.abs(pixel - [int(wave[i : i + 2], 16) for i in (1, 3, 5)]).max() < 30
    said = view.hover("samples", n / 4000)
    assert said["lane"] == "samples"
    assert "amplitude" in view.text("hover")


def test_two_channels_share_the_lane_and_can_be_chosen(show, notebook):
    view = show(STEREO)
    start, end = (view.ask("xOf", t) for t in (0.05, 0.12))  # the first step, at the left ear
    g = view.ask("geometry", "waveform")

    def reach(top, bottom):
        wave = view.ask("colour", "wave")
        colour = np.array([int(wave[i : i + 2], 16) for i in (1, 3, 5)])
        x = round((start + end) / 2)
        pixels = [view.ask("pixel", "waveform", x, y)[:3] for y in range(top, bottom)]
        return sum(np.abs(np.array(p) - colour).max() < 12 for p in pixels)

    half = round(g["height"] / 2)
    assert reach(3, half) > 2 * reach(half, round(g["height"]) - 3)
    view.hover("waveform", 0.08)
    assert re.search(r"left .*dBFS.*right .*dBFS", view.text("hover"))
    before = view.fingerprint("samples")
    menu(notebook, "channels").select_option("left")
    view.wait_settings("samples", channels="left")
    view.wait_pixels("samples", other_than=before)
    notebook.expect("view.n_channels", 1)


def test_large_type_and_the_dark_theme_keep_everything_inside(show, notebook):
    view = show(STEREO)
    page = notebook.page
    try:
        page.set_viewport_size({"width": 1280, "height": 720})
        view.button("large").click()
        view.wait("state => state.large")
        notebook.theme("JupyterLab Dark")
        view.wait("state => state.theme === 'dark'")
        outside = view.root.evaluate(
            """root => [...root.closest('.jp-OutputArea-output').querySelectorAll(
                    'button, canvas, select, .widget-readout, .sv-readout span')]
                .filter(node => node.getBoundingClientRect().right
                    > root.getBoundingClientRect().right + 1).map(node => node.className)"""
        )
        assert outside == []
    finally:
        notebook.theme("JupyterLab Light")
        page.set_viewport_size({"width": 1280, "height": 1000})
