"""SoundView under a real hand: transport, playhead, pointer, keys, themes, labels.

Every wait is for a state; what is compared are states and pixels.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from course_utils.audio_io import load_audio
from tests.browser import sounds
from tests.browser.lab import PROJECT

LISTEN = "view = listen(y, sr)\nview"
MEL = "ex = explore_mel(y, sr)\nview = ex.view\nex"
SHORT = "view = listen(sounds.short(), sr)\nview"

# What the page's sound card is asked to play, without listening to it.
SPY = """() => {
    window.spied = {contexts: [], buffers: []};
    window.RealAudioContext ??= window.AudioContext;
    window.AudioContext = class extends RealAudioContext {
        constructor(...args) { super(...args); spied.contexts.push(this); }
        createBufferSource() {
            const node = super.createBufferSource();
            spied.buffers.push(node);
            return node;
        }
    };
}"""


def hear(page, channel: int = 0) -> np.ndarray:
    """The samples that were given to the sound card last."""
    samples = page.evaluate(
        "channel => [...spied.buffers.at(-1).buffer.getChannelData(channel)]", channel
    )
    return np.array(samples, dtype=np.float32)


def stands_in_every_lane(now: dict) -> None:
    """Assert that the playhead is painted in every lane, where its time is."""
    for lane, columns in now["lanes"].items():
        assert columns, f"no playhead in the lane {lane}"
        assert abs(np.mean(columns) - now["x"]) <= 2, lane


# ---------------------------------------------------------------- drawing


def test_the_waveform_is_high_where_the_sound_is_loud(show):
    heights = np.array(show(LISTEN).ask("waveHeights", "waveform"))
    times_s = np.linspace(0, 2, len(heights))
    quiet = heights[(times_s > 0.05) & (times_s < 0.45)]
    loud = heights[(times_s > 0.55) & (times_s < 1.45)]
    assert quiet.max() <= 3
    assert loud.min() >= 12
    assert heights[(times_s > 1.72) & (times_s < 1.78)].max() >= 8  # one sample, not lost


def test_a_picture_is_drawn_with_the_colour_of_its_number(show):
    """Pixels of the canvas against the colormap: from the byte that came to the screen."""
    from matplotlib import colormaps

    view = show("ex = explore_stft(y, sr, n_fft=256, hop_length=256)\nex")
    cells, _ = view.picture("spectrogram")
    g = view.ask("geometry", "spectrogram")
    magma = np.array(colormaps["magma"].colors) * 255
    for time_s, row in [(1.0, 16), (1.0, 40), (0.2, 16), (1.75, 100)]:
        place = (row + 0.5) / cells.shape[0]
        column = round(time_s * sounds.SAMPLE_RATE / 256)
        x = view.ask("xOf", column * 256 / sounds.SAMPLE_RATE)
        r, gr, b, _ = view.ask("pixel", "spectrogram", x, (1 - place) * g["height"])
        expected = magma[cells[row, column]]
        assert np.abs(np.array([r, gr, b]) - expected).max() <= 6, (time_s, row)


# ---------------------------------------------------------------- playing


def test_the_playhead_moves_over_all_lanes_while_it_plays(show):
    view = show(MEL)
    view.button("play").click()
    seen = []
    for least in (0.2, 0.6):
        view.wait(f"state => state.playing && state.playhead_s > {least}")
        now = view.ask("playheads")
        assert {"waveform", "spectrogram", "mel"} <= set(now["lanes"])
        stands_in_every_lane(now)
        seen.append(now["x"])
    assert seen[1] > seen[0] + 100
    view.button("play").click()
    view.wait("state => !state.playing")


def test_no_sound_before_a_click_and_then_exactly_the_samples(show, notebook):
    notebook.page.evaluate(SPY)
    view = show("quiet = 0.01 * y\nview = listen(quiet, sr)\nview")
    assert notebook.page.evaluate("() => spied.contexts.length") == 0
    view.button("play").click()
    view.wait("state => state.playing")
    expected = 0.01 * sounds.tone_and_click()  # not made louder
    np.testing.assert_allclose(hear(notebook.page), expected, atol=0.6 / 32768)
    view.button("play").click()


def test_stereo_keeps_its_sides(show, notebook):
    notebook.page.evaluate(SPY)
    view = show(
        "pair, rate = load_audio('../audio_samples/stereo_walk.flac', mono=False)\n"
        "view = listen(pair, rate)\nview"
    )
    view.button("play").click()
    view.wait("state => state.playing")
    pair, _ = load_audio(PROJECT / "audio_samples" / "stereo_walk.flac", mono=False)
    for channel in (0, 1):
        heard = hear(notebook.page, channel)
        np.testing.assert_allclose(heard, pair[channel].numpy(), atol=0.6 / 32768)
    view.button("play").click()


def test_the_sound_stops_at_its_end(show):
    view = show(SHORT)
    view.button("play").click()
    view.wait("state => state.playing")
    view.wait("state => !state.playing && state.playhead_s === state.duration_s")


def test_pause_keeps_the_place(show, notebook):
    view = show(LISTEN)
    view.button("play").click()
    view.wait("state => state.playhead_s > 0.1")
    view.button("play").click()
    view.wait("state => !state.playing")
    at = view.state()["playhead_s"]
    assert 0.1 < at < 2.0
    notebook.expect("round(view.playhead_s, 6)", round(at, 6))  # Python knows it too
    view.button("play").click()
    view.wait(f"state => state.playing && state.playhead_s > {at}")
    view.button("play").click()


def test_a_loop_begins_again_and_goes_on(show):
    view = show(SHORT)
    view.button("loop").click()
    assert view.button("loop").get_attribute("aria-pressed") == "true"
    view.button("play").click()
    view.page.evaluate("() => { window.rounds = 0; window.last = 0; }")
    view.wait(  # two turns: the playhead fell back twice and the sound still runs
        """state => {
            if (state.playhead_s < window.last - 0.1) window.rounds += 1;
            window.last = state.playhead_s;
            return window.rounds >= 2 && state.playing;
        }"""
    )
    view.button("loop").click()
    view.wait("state => !state.playing && state.playhead_s === state.duration_s")


def test_a_selection_is_what_loops(show):
    view = show(LISTEN)
    x0, y0 = view.point("waveform", 0.6)
    x1, _ = view.point("waveform", 0.9)
    view.page.mouse.move(x0, y0)
    view.page.mouse.down()
    view.page.mouse.move(x1, y0, steps=5)
    view.page.mouse.up()
    start, end = view.state()["selection"]
    assert (start, end) == (pytest.approx(0.6, abs=0.01), pytest.approx(0.9, abs=0.01))
    view.button("loop").click()
    view.press(" ")
    view.page.evaluate("() => { window.rounds = 0; window.last = 0; window.seen = []; }")
    view.wait(
        """state => {
            if (state.playing) seen.push(state.playhead_s);
            if (state.playhead_s < window.last - 0.1) window.rounds += 1;
            window.last = state.playhead_s;
            return window.rounds >= 1;
        }"""
    )
    seen = view.page.evaluate("() => seen")
    assert min(seen) >= start - 0.01
    assert max(seen) <= end + 0.01
    view.press(" ")
    view.press("Escape")
    assert view.state()["selection"] is None


def test_only_one_view_sounds(show, notebook):
    code = "from IPython.display import display\na, b = listen(y, sr), listen(y, sr)\ndisplay(a, b)"
    first = show(code)
    second = type(first)(notebook, 1)
    first.button("loop").click()  # by itself it would never end
    first.button("play").click()
    first.wait("state => state.playing")
    second.button("play").click()
    second.wait("state => state.playing")
    first.wait("state => !state.playing")
    second.button("play").click()


def test_a_view_that_is_gone_is_silent(show, notebook):
    notebook.page.evaluate(SPY)
    view = show(LISTEN)
    view.button("loop").click()
    view.button("play").click()
    view.wait("state => state.playing")
    notebook.show("print('something else')")
    notebook.page.wait_for_function(
        "() => spied.contexts.length === 1 && spied.contexts[0].state === 'closed'"
    )


# ---------------------------------------------------------------- seeking


@pytest.mark.parametrize("lane", ["waveform", "spectrogram", "mel"])
def test_a_click_in_any_lane_seeks(show, notebook, lane):
    view = show(MEL)
    view.click(lane, 1.25)
    view.wait("state => Math.abs(state.playhead_s - 1.25) < 0.003")
    notebook.expect("abs(view.playhead_s - 1.25) < 0.003", True)
    now = view.ask("playheads")
    stands_in_every_lane(now)


def test_a_click_while_it_plays_goes_on_from_there(show):
    view = show(LISTEN)
    view.button("play").click()
    view.wait("state => state.playing && state.playhead_s > 0.05")
    view.click("waveform", 1.0)
    view.wait("state => state.playing && state.playhead_s > 1.02")
    view.button("play").click()


def test_the_seek_bar_moves_the_playhead(show):
    view = show(LISTEN)
    bar = view.root.locator("input.sv-seek")
    box = bar.bounding_box()
    view.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    view.wait("state => Math.abs(state.playhead_s - 1.0) < 0.02")
    bar.focus()
    view.page.keyboard.press("Home")
    view.wait("state => state.playhead_s === 0")


def test_python_moves_the_playhead(show, notebook):
    view = show(LISTEN)
    notebook.execute("view.playhead_s = 0.75")
    view.wait("state => state.playhead_s === 0.75")
    columns = view.ask("playheadColumns", "waveform")
    assert abs(np.mean(columns) - view.ask("xOf", 0.75)) <= 2


# ---------------------------------------------------------------- keys


def test_the_space_bar_plays_and_pauses(show, notebook):
    view = show(LISTEN)
    view.press(" ")
    view.wait("state => state.playing")
    view.press(" ")
    view.wait("state => !state.playing")
    assert [cell["count"] for cell in notebook.cells()], "the key went to the notebook"


def test_keys_seek_loop_and_read(show, notebook):
    view = show(MEL)
    view.press("End")
    assert view.state()["playhead_s"] == 2.0
    view.press("Home")
    assert view.state()["playhead_s"] == 0.0
    view.press("ArrowRight")
    assert view.state()["playhead_s"] == pytest.approx(512 / 16000)  # one frame
    before = view.state()["hover"]["freq_hz"]
    view.press("ArrowUp")
    assert view.state()["hover"]["freq_hz"] > before
    assert re.search(r"frame 1\b.*Hz.*bin \d+.*dB", view.text("hover"))
    view.press("ArrowLeft")
    assert view.state()["playhead_s"] == 0.0
    view.press("l")
    assert view.state()["loop"] is True
    cells = notebook.page.evaluate(
        "() => jupyterapp.shell.currentWidget.content.model.cells.length"
    )
    assert cells == 2, "a key went to the notebook"


def test_zoom_keys_and_wheel_show_a_shorter_stretch(show, notebook):
    view = show(MEL)
    old = view.fingerprint("mel")
    view.press("+")
    view.wait("state => state.visible[1] - state.visible[0] === 1")
    notebook.expect("view.visible[1] - view.visible[0]", 1.0)
    closer = view.wait_pixels("mel", other_than=old)
    view.press("-")
    view.wait("state => state.visible[1] - state.visible[0] === 2")
    view.page.mouse.move(*view.point("spectrogram", 1.0))
    view.page.keyboard.down("Control")
    view.page.mouse.wheel(0, -100)
    view.page.keyboard.up("Control")
    view.wait("state => state.visible[1] - state.visible[0] < 1.7")
    assert closer != old
    a, b = view.state()["visible"]
    assert a < 1.0 < b  # it zooms around the pointer
    view.press("0")
    view.wait("state => state.visible[0] === 0 && state.visible[1] === 2")


def test_zooming_far_shows_single_samples(show, notebook):
    view = show(LISTEN)
    click = round(sounds.CLICK_S * sounds.SAMPLE_RATE)
    span = [(click - 8) / sounds.SAMPLE_RATE, (click + 8) / sounds.SAMPLE_RATE]
    notebook.execute(f"view.visible = {span}")
    view.wait("state => state.visible[1] - state.visible[0] < 0.002")
    height = view.ask("geometry", "waveform")["height"]
    top = height / 2 - 0.8 * (height / 2 - 4)  # the click is one sample of 0.8
    x = view.ask("xOf", click / sounds.SAMPLE_RATE)
    colour = view.root.evaluate("root => getComputedStyle(root).getPropertyValue('--sv-wave')")
    wave = [int(colour.strip()[i : i + 2], 16) for i in (1, 3, 5)]
    assert np.abs(np.array(view.ask("pixel", "waveform", x, top)[:3]) - wave).max() < 12
    next_x = view.ask("xOf", (click + 1) / sounds.SAMPLE_RATE)
    dot = np.array(view.ask("pixel", "waveform", next_x, height / 2)[:3])
    assert np.abs(dot - wave).max() < 12  # its neighbour lies on the zero line


def test_every_button_can_be_reached_with_tab(show):
    view = show(MEL)
    view.root.focus()
    reached = []
    for _ in range(14):
        view.page.keyboard.press("Tab")
        reached.append(view.page.evaluate("() => document.activeElement.className"))
    names = ["play", "start", "loop", "zoom-out", "zoom-in", "fit", "pin", "large", "help", "seek"]
    for name in names:
        assert any(f"sv-{name}" in classes for classes in reached), name


def test_help_lists_the_keys(show):
    view = show(LISTEN)
    keys = view.root.locator(".sv-keys")
    assert not keys.is_visible()
    view.button("help").click()
    assert keys.is_visible()
    assert "space" in keys.inner_text()
    view.button("help").click()
    assert not keys.is_visible()


# ---------------------------------------------------------------- for every eye and ear


def test_screen_readers_get_a_name_for_everything(show):
    view = show(MEL)
    nameless = view.root.evaluate(
        """root => [...root.querySelectorAll('button, input, canvas, [role]')]
            .filter(node => node.getAttribute('aria-hidden') !== 'true')
            .filter(node => !['status', 'alert'].includes(node.getAttribute('role')))
            .filter(node => !(node.getAttribute('aria-label') ?? '').trim())
            .map(node => node.className)"""
    )
    assert nameless == []
    assert view.root.get_attribute("role") == "group"
    assert view.root.get_attribute("aria-label")
    assert view.root.get_by_role("button", name="Play").count() == 1
    assert view.root.get_by_role("slider", name="Playhead").count() == 1
    label = view.root.locator('.sv-lane[data-lane="mel"] .sv-base').get_attribute("aria-label")
    assert re.search(r"Mel.*Hz.*dB.*n_mels 64", label)


def test_the_spoken_state_follows(show, notebook):
    view = show(MEL)
    assert view.root.get_by_role("button", name="Play").is_visible()
    view.button("play").click()
    view.root.get_by_role("button", name="Pause").wait_for()
    view.button("play").click()
    view.click("waveform", 0.5)
    view.wait("state => Math.abs(state.playhead_s - 0.5) < 0.003")
    spoken = view.root.locator("input.sv-seek").get_attribute("aria-valuetext")
    assert spoken.startswith("0.50 seconds")
    notebook.execute("ex.sliders['n_mels'].value = 40")
    view.wait_settings("mel", n_mels=40)
    label = view.root.locator('.sv-lane[data-lane="mel"] .sv-base').get_attribute("aria-label")
    assert "n_mels 40" in label


def luminance(rgb) -> float:
    """Relative luminance of an sRGB colour (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two CSS colours ``rgb(r, g, b)``."""
    levels = [luminance([int(v) / 255 for v in re.findall(r"\d+", c)[:3]]) for c in (one, other)]
    return (max(levels) + 0.05) / (min(levels) + 0.05)


def test_the_theme_follows_jupyterlab(show, notebook):
    view = show(MEL)
    assert view.state()["theme"] == "light"
    light = view.fingerprint("waveform")
    try:
        notebook.theme("JupyterLab Dark")
        view.wait("state => state.theme === 'dark'")
        assert view.wait_pixels("waveform", other_than=light) != light
        found = view.root.evaluate(
            """root => {
                const notebook = document.querySelector('.jp-Notebook');
                return {text: getComputedStyle(root.querySelector('.sv-readout')).color,
                        back: getComputedStyle(notebook).backgroundColor};
            }"""
        )
        assert contrast(found["text"], found["back"]) > 4.5
        r, g, b, _ = view.ask("pixel", "waveform", view.ask("xOf", 0.2), 5)
        assert max(r, g, b) < 80  # the plot itself is dark
    finally:
        notebook.theme("JupyterLab Light")
    view.wait("state => state.theme === 'light'")
    assert view.fingerprint("waveform") == light


def test_a_theme_of_its_own_wins(show, notebook):
    view = show(LISTEN)
    notebook.execute("view.theme = 'dark'")
    view.wait("state => state.theme === 'dark'")


def test_large_type_fits_a_projector(show, notebook):
    page = notebook.page
    view = show(MEL)
    small = view.root.evaluate("root => parseFloat(getComputedStyle(root).fontSize)")
    canvas_font = view.root.evaluate("root => root.soundView.size.font")
    try:
        page.set_viewport_size({"width": 1280, "height": 720})
        view.button("large").click()
        view.wait("state => state.large")
        assert (
            view.root.evaluate("root => parseFloat(getComputedStyle(root).fontSize)") > 1.4 * small
        )
        assert view.root.evaluate("root => root.soundView.size.font") > 1.4 * canvas_font
        lanes = view.root.locator(".sv-lanes").bounding_box()["height"]
        room = notebook.panel.locator(".jp-WindowedPanel-outer").bounding_box()["height"]
        assert lanes <= room  # all lanes are on the screen at once
        notebook.expect("view.large_type", True)
        assert view.root.evaluate("root => root.scrollWidth <= root.clientWidth")
        outside = view.root.evaluate(
            """root => [...root.querySelectorAll('button, canvas, .sv-readout')]
                .filter(node => node.getBoundingClientRect().right
                    > root.getBoundingClientRect().right + 1).map(node => node.className)"""
        )
        assert outside == []
    finally:
        page.set_viewport_size({"width": 1280, "height": 1000})


def test_a_narrow_window_draws_again(show, notebook):
    page = notebook.page
    view = show(MEL)
    wide = view.lane("mel").bounding_box()["width"]
    try:
        page.set_viewport_size({"width": 800, "height": 900})
        view.wait(f"() => root.soundView.size.width < {wide} - 200")
        assert view.lane("mel").bounding_box()["width"] < wide - 200
        heights = np.array(view.ask("waveHeights", "waveform"))
        assert len(heights) < wide - 200
        middle = len(heights) // 2
        assert heights[middle] > 5 * np.median(heights[: len(heights) // 5])
    finally:
        page.set_viewport_size({"width": 1280, "height": 1000})
