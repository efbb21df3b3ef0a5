"""Two engines, one picture: the browser draws while the hand moves, PyTorch when it rests."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from tests.browser import sounds
from tests.browser.test_explorers import mel_db, right_within_one

EXPLORERS = {
    "stft": "two = explore_stft(y, sr)\ntwo",
    "mel": "two = explore_mel(drum, 16000, n_mels=40)\ntwo",
    "road": "two = explore_road(drum, 16000)\ntwo",
    "decibel": "two = explore_decibel(drum, 16000)\ntwo",
    "normalize": "two = explore_normalize(y, sr, statistics=(-40.0, 20.0))\ntwo",
}
IMPORTS = (
    "from course_utils.explorers import explore_decibel, explore_normalize\n"
    "drum, _ = load_audio('../audio_samples/quiet_voice_loud_drum.flac')\n"
)
# What the preview said last, before PyTorch's words replaced it.
WATCH_WORDS = """root => {
    const view = root.soundView, {text} = view;
    view.text = () => {
        if (view.preview.said) window.lastSaid = view.preview.said;
        text.call(view);
    };
}"""


@pytest.fixture
def explorer(show):
    """Show an explorer, ``two`` in the kernel: its View, once both engines run."""

    def show_it(kind: str):
        view = show(IMPORTS + EXPLORERS[kind])
        view.root.locator(".sv-who").wait_for()
        return view

    return show_it


def choose(view, engine: str) -> None:
    """Move the menu that says who draws."""
    view.root.locator(".sv-who").select_option(engine)
    view.notebook.expect("two.view.engine", engine)


def settled(view, *, previews: int) -> dict:
    """The view's state once PyTorch's picture stands where more than ``previews`` were drawn."""
    view.wait(
        f"state => state.drawnBy.preview > {previews} && state.atRest && state.difference !== null"
    )
    return view.state()


def move(notebook, name: str) -> None:
    """One step of a slider, or of a menu."""
    label = notebook.page.locator(".widget-label").filter(has_text=re.compile(rf"^{name}$"))
    menu = notebook.panel.locator(".widget-dropdown").filter(has=label).locator("select")
    if menu.count():
        n_options = menu.locator("option").count()
        place = menu.first.evaluate("menu => menu.selectedIndex")
        menu.first.select_option(index=(place + 1) % n_options)
        return
    slider = notebook.slider(name)
    before = slider.text()
    slider.press("ArrowLeft")
    if slider.text() == before:
        slider.press("ArrowRight")


def in_kernel(notebook, expression: str):
    """An expression of the kernel, through JSON."""
    return json.loads(notebook.execute(f"import json; print(json.dumps({expression}))"))


@pytest.mark.parametrize("kind", EXPLORERS)
def test_every_control_is_previewed_and_pytorch_stands_there_at_rest(explorer, notebook, kind):
    view = explorer(kind)
    view.root.evaluate(WATCH_WORDS)
    for name in in_kernel(notebook, "list(two.sliders)"):
        before = view.state()["drawnBy"]["preview"]
        notebook.page.evaluate("() => { window.lastSaid = null; }")
        move(notebook, name)
        state = settled(view, previews=before)
        assert state["difference"]["steps"] <= 1, name
        assert state["engine"] == "PyTorch"
        held = in_kernel(notebook, "[two.settings, two.view.readout, two.view.notes, two.error]")
        for lane in state["lanes"]:
            if lane["settings"] and lane["kind"] == "picture":
                wrong = {k: v for k, v in lane["settings"].items() if held[0][k] != v}
                assert not wrong, (name, lane["id"])
        said = notebook.page.evaluate("() => window.lastSaid")
        assert said["readout"] == held[1], name
        assert said["notes"] == held[2], name
        assert said["error"] == held[3] == "", name


def test_a_cheap_step_is_drawn_before_the_key_s_event_ends(explorer, notebook):
    """The picture stands in the frame in which the slider moves: no way to a Worker and back."""
    view = explorer("mel")
    view.page.wait_for_function(
        "root => root.soundView.preview.engine.near.isReady", arg=view.root.element_handle()
    )
    view.root.evaluate(
        """root => document.addEventListener("keydown", () => {
            window.drawnInEvent = root.soundView.state().drawnBy.preview;
        })"""
    )
    for place in (1, 2, 3):
        # whatever else this machine does: the next step is taken for a cheap one
        view.root.evaluate("root => { root.soundView.preview.engine.cost = {ms: 1, fullMs: 1}; }")
        before = view.state()["drawnBy"]["preview"]
        notebook.slider("n_mels").press("ArrowLeft")
        drawn = notebook.page.evaluate("() => window.drawnInEvent")
        assert drawn > before, place
        assert settled(view, previews=before)["difference"]["steps"] <= 1


def test_a_picture_says_who_drew_it_and_how_far_the_preview_was(explorer, notebook):
    view = explorer("mel")
    badge = view.root.locator('[data-lane="mel"] .sv-engine')
    assert badge.text_content() == "PyTorch"
    with busy_kernel(notebook):
        notebook.slider("n_mels").press("ArrowLeft")
        view.wait("state => state.engine === 'preview'")
        assert badge.text_content() == "preview"
    settled(view, previews=0)
    assert badge.text_content() == "PyTorch"
    told = view.root.locator('[data-lane="mel"] .sv-difference').text_content()
    assert told in ("preview was the same", "preview was off by 1 of 255 steps (0.31 dB)")


def test_a_picture_that_is_not_the_preview_s_is_marked_and_logged(explorer, notebook, lab):
    """The alarm itself: a preview is spoilt on its way."""
    view = explorer("mel")
    view.root.evaluate(
        """root => {
            const {view} = root.soundView.preview, {show} = view;
            view.show = pictures => {
                if (pictures.mel) pictures.mel.data[40] ^= 64;
                show.call(view, pictures);
            };
        }"""
    )
    notebook.slider("n_mels").press("ArrowLeft")
    state = settled(view, previews=0)
    assert 60 <= state["difference"]["steps"] <= 66
    assert view.root.locator('[data-lane="mel"] .sv-differs').count() == 1
    assert view.root.locator('[data-lane="spectrogram"] .sv-differs').count() == 0
    assert any("Preview and PyTorch differ" in text for text in lab.traffic.console)
    lab.traffic.console.clear()


# ---------------------------------------------------------------- while the hand moves


class busy_kernel:
    """The kernel is in a long cell, which ends when the block ends."""

    def __init__(self, notebook) -> None:
        self.notebook = notebook

    def __enter__(self) -> None:
        flag = self.notebook.lab.root_dir / "still_busy"
        flag.write_text("", encoding="utf-8")
        self.flag = flag
        code = f"""
import os, time
end = time.monotonic() + 20
while os.path.exists({str(flag)!r}) and time.monotonic() < end:
    time.sleep(0.02)
"""
        self.notebook.page.evaluate(
            """async code => {
                const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                window.longCell = kernel.requestExecute({code, store_history: false});
                await new Promise(go => { longCell.onIOPub = ({header, content}) =>
                    content.execution_state === 'busy' && go(); });
            }""",
            code,
        )

    def __exit__(self, *_problem) -> None:
        self.flag.unlink()
        self.notebook.page.evaluate("() => longCell.done.then(() => null)")


def test_while_a_long_cell_runs_every_step_is_shown(explorer, notebook):
    view = explorer("mel")
    before = view.state()["drawnBy"]
    with busy_kernel(notebook):
        for n_mels in (32, 24, 20):
            notebook.slider("n_mels").press("ArrowLeft")
            view.wait_settings("mel", n_mels=n_mels)
        state = view.state()
        assert state["engine"] == "preview"
        assert state["drawnBy"]["PyTorch"] == before["PyTorch"]
    state = settled(view, previews=before["preview"])
    assert state["difference"]["steps"] <= 1
    notebook.expect("two.settings['n_mels']", 20)


def test_a_fast_drag_shows_its_steps_in_order_and_ends_right(explorer, notebook):
    view = explorer("normalize")
    view.root.evaluate(
        """root => {
            window.gains = [];
            root.addEventListener('soundview:drawn', ({detail}) =>
                detail.lane === 'after' && gains.push([detail.settings.gain_db, detail.engine]));
        }"""
    )
    slider = notebook.slider("gain_db")
    slider.drag_to(0.0)
    settled(view, previews=0)
    notebook.page.evaluate("() => { gains.length = 0; }")
    slider.drag_to(1.0, steps=60)
    view.wait_settings("after", gain_db=20)
    state = settled(view, previews=0)
    assert state["difference"]["steps"] <= 1
    seen = notebook.page.evaluate("() => gains")
    steps = [gain for gain, _ in seen]
    assert steps == sorted(steps)
    assert steps[-1] == 20
    assert len(set(steps)) >= 20
    assert seen[-1][1] == "PyTorch"
    notebook.expect("two.settings['gain_db']", 20)
    notebook.expect("two.view.picture('after')['settings']['gain_db']", 20)


def test_the_waveform_follows_the_gain_before_the_kernel_has_it(explorer, notebook):
    view = explorer("normalize")
    high = np.array(view.ask("waveHeights", "waveform"))
    with busy_kernel(notebook):
        notebook.slider("gain_db").press("ArrowLeft", 20)
        view.wait_settings("after", gain_db=-20)
        low = np.array(view.ask("waveHeights", "waveform"))
    assert low.max() < 0.2 * high.max()
    view.wait("state => state.atRest && !state.waitsForSound")
    assert (np.array(view.ask("waveHeights", "waveform")) == low).all()
    notebook.slider("gain_db").press("ArrowRight", 20)
    view.wait("state => state.atRest && !state.waitsForSound")
    assert (np.array(view.ask("waveHeights", "waveform")) == high).all()


def test_what_is_played_in_the_same_moment_is_behind_the_gain(explorer, notebook):
    view = explorer("normalize")
    with busy_kernel(notebook):
        notebook.slider("gain_db").press("ArrowLeft", 20)
        view.wait_settings("after", gain_db=-20)
        view.button("play").click()
        view.wait("state => state.playing")
        buffer = "root => Array.from(root.soundView.player.buffer.getChannelData(0))"
        heard = np.array(view.root.evaluate(buffer))
    np.testing.assert_allclose(heard, 0.1 * sounds.tone_and_click(), atol=0.6 / 32768)
    view.button("play").click()


def test_zooming_is_previewed_too(explorer, notebook):
    view = explorer("mel")
    whole = view.state()["lanes"][2]["shape"][1]
    with busy_kernel(notebook):
        view.press("+")
        view.press("+")
        view.wait("state => state.engine === 'preview'")
        view.wait(f"state => state.lanes[2].shape[1] < {whole / 3}")
    state = settled(view, previews=0)
    assert state["difference"]["steps"] <= 1


def test_an_impossible_setting_is_said_at_once_and_by_python_in_the_same_words(
    explorer, notebook, show
):
    view = show("two = explore_stft(y, sr, win_length=1024)\ntwo")
    view.root.locator(".sv-who").wait_for()
    good = view.fingerprint("spectrogram")
    with busy_kernel(notebook):
        notebook.slider("n_fft").press("ArrowLeft")
        view.wait("state => state.error.includes('win_length')")
        said = view.state()["error"]
    view.wait("state => state.atRest")
    assert view.state()["error"] == said == in_kernel(notebook, "two.error")
    assert view.fingerprint("spectrogram") == good


# ---------------------------------------------------------------- Python beside previews


def test_what_a_cell_reads_is_never_stale(explorer, notebook):
    view = explorer("mel")
    notebook.expect("two.view.previews", True)
    notebook.slider("n_mels").press("ArrowLeft", 2)
    notebook.expect("two.settings['n_mels']", 24)
    assert notebook.execute("print(two.readout['shape'][0])").strip() == "24"
    notebook.slider("n_mels").press("ArrowLeft")
    notebook.expect("two.settings['n_mels']", 20)
    assert notebook.execute("print(two.view.picture('mel')['n_rows'])").strip() == "20"
    assert settled(view, previews=0)["difference"]["steps"] <= 1


def test_a_cell_moves_sliders_and_the_page_follows(explorer, notebook):
    view = explorer("mel")
    notebook.execute("two.set(n_fft=512, hop_length=256, n_mels=32)\nshape = two.readout['shape']")
    view.wait_settings("mel", n_fft=512, hop_length=256, n_mels=32)
    view.wait("state => state.atRest && state.engine === 'PyTorch'")
    assert view.state()["lanes"][2]["shape"] == in_kernel(notebook, "shape")
    notebook.execute("two.sliders['n_mels'].value = 16")
    view.wait_settings("mel", n_mels=16)
    view.wait("state => state.atRest && state.engine === 'PyTorch'")
    notebook.expect("two.view.picture('mel')['n_rows']", 16)


def test_pin_keeps_the_step_that_was_just_made(explorer, notebook):
    view = explorer("mel")
    notebook.slider("n_mels").press("ArrowLeft", 2)
    view.button("pin").click()
    view.wait("state => state.pinned")
    pinned = view.root.locator('[data-lane="pinned"] .sv-lane-title').text_content()
    assert "n_mels 24" in pinned
    assert "PyTorch" not in pinned


def test_a_rebuilt_sound_is_previewed_as_it_is(show, notebook):
    """The engine in the browser gets the sound that the chain has now."""
    view = show("two = explore_mel(sounds.short(), sr, n_mels=20)\ntwo")
    view.root.locator(".sv-who").wait_for()
    notebook.execute("two.rebuild()")
    view.wait("state => state.atRest && !state.waitsForSound")
    assert "you hear 20 bands" in view.text("readout")
    move(notebook, "n_mels")
    state = settled(view, previews=0)
    assert state["difference"]["steps"] <= 1
    before = state["drawnBy"]["preview"]
    notebook.panel.get_by_role("button", name="original", exact=True).click()
    view.wait("state => state.atRest && !state.waitsForSound")
    move(notebook, "n_mels")
    assert settled(view, previews=before)["difference"]["steps"] <= 1


# ---------------------------------------------------------------- one engine alone


def test_pytorch_alone_draws_every_step_in_the_kernel(explorer, notebook):
    view = explorer("mel")
    choose(view, "PyTorch")
    before = view.state()["drawnBy"]
    for n_mels in (32, 24):
        notebook.slider("n_mels").press("ArrowLeft")
        view.wait_settings("mel", n_mels=n_mels)
    after = view.state()
    assert after["drawnBy"]["preview"] == before["preview"]
    assert after["drawnBy"]["PyTorch"] >= before["PyTorch"] + 2
    assert after["engine"] == "PyTorch"


def test_the_browser_alone_draws_and_python_still_knows(explorer, notebook):
    view = explorer("mel")
    choose(view, "browser")
    view.wait("state => state.engine === 'preview'")
    before = view.state()["drawnBy"]["PyTorch"]
    notebook.slider("n_mels").press("ArrowLeft", 3)
    view.wait_settings("mel", n_mels=20)
    notebook.expect("two.settings['n_mels']", 20)
    notebook.expect("two.readout['shape'][0]", 20)  # now PyTorch has drawn it, too
    assert view.state()["drawnBy"]["PyTorch"] == before
    assert view.state()["engine"] == "preview"
    choose(view, "auto")
    state = settled(view, previews=0)
    assert state["engine"] == "PyTorch"
    assert state["difference"]["steps"] <= 1


def test_the_students_own_function_is_drawn_by_the_kernel_alone(show, notebook):
    view = show(
        "def my_stft(waveform, n_fft, hop_length):\n"
        "    window = torch.hann_window(n_fft)\n"
        "    return torch.stft(waveform, n_fft, hop_length, window=window, return_complex=True)\n"
        "two = explore_stft(y, sr, stft=my_stft)\ntwo"
    )
    notebook.slider("hop_length").press("ArrowLeft")
    view.wait_settings("spectrogram", hop_length=384)
    assert view.state()["drawnBy"]["preview"] == 0
    assert not view.root.locator(".sv-who").is_visible()
    assert "my_stft" in view.root.locator(".sv-engine").first.text_content()
    notebook.expect("(two.view.live, two.view.previews)", ({}, False))


def test_when_the_worker_breaks_the_kernel_draws(explorer, notebook):
    view = explorer("mel")
    view.root.evaluate("root => root.soundView.preview.engine.port.postMessage(null)")
    view.page.wait_for_function(
        "root => root.soundView.preview.engine?.place !== 'worker'",
        arg=view.root.element_handle(),
    )
    notebook.slider("n_mels").press("ArrowLeft")
    notebook.expect("two.view.previews", False)
    view.wait_settings("mel", n_mels=32)
    before = view.state()["drawnBy"]
    notebook.slider("n_mels").press("ArrowLeft")
    view.wait_settings("mel", n_mels=24)
    after = view.state()
    assert after["engine"] == "PyTorch"
    assert after["error"] == ""
    assert after["drawnBy"]["preview"] == before["preview"]
    assert not view.root.locator(".sv-who").is_visible()


def test_two_displays_preview_and_settle_alike(show, notebook):
    code = "from IPython.display import display\ntwo = explore_mel(y, sr)\ndisplay(two, two)"
    first = show(code)
    second = type(first)(notebook, 1)
    second.root.locator(".sv-who").wait_for()
    notebook.slider("n_mels").press("ArrowLeft", 2)
    for view in (first, second):
        view.wait_settings("mel", n_mels=40)
        assert settled(view, previews=0)["difference"]["steps"] <= 1
    assert first.fingerprint("mel") == second.fingerprint("mel")
    right_within_one(first.picture("mel")[0], mel_db(sounds.tone_and_click(), n_mels=40))
