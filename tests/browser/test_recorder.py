"""The recorder in a real JupyterLab: a fake microphone plays a file of the course into it.

What arrives in the kernel is compared with the file itself.
"""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Locator

from course_utils.audio_io import load_audio
from tests.browser.lab import PROJECT, Notebook

SOUND = PROJECT / "audio_samples" / "spoken_word.flac"
FAKE = "--use-fake-device-for-media-stream"
CODE = """
from course_utils.recorder import Recorder
kept = []
recorder = Recorder(seconds={seconds}, countdown_s={countdown_s},
                    on_keep=lambda waveform, rate: kept.append((len(waveform), rate)))
recorder
"""


class Page:
    """The recorder of a notebook, as a test sees it."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.root: Locator = notebook.panel.locator(".snd-recorder").first
        self.root.wait_for()

    def state(self) -> dict:
        return self.root.evaluate("root => root.recorder.state()")

    def wait(self, predicate: str, *, timeout_s: float = 20) -> None:
        """Wait until ``predicate``, a function of the state, holds."""
        self.page.wait_for_function(
            f"root => ({predicate})(root.recorder.state())",
            arg=self.root.element_handle(),
            timeout=timeout_s * 1000,
        )

    def button(self, name: str) -> Locator:
        return self.root.locator(f".snd-{name}")

    def text(self, part: str) -> str:
        return self.root.locator(f".snd-{part}").text_content()

    def record(self) -> None:
        """Record until the time is over."""
        self.button("record").click()
        self.wait("state => state.phase === 'recording'")
        self.wait("state => state.phase === 'recorded'")


def open_recorder(lab, context, *, seconds=1.0, countdown_s=0) -> Page:
    """A new notebook with a recorder, in a browser window of its own."""
    cell = CODE.format(seconds=seconds, countdown_s=countdown_s)
    path = lab.write_notebook([cell], "notebooks/recorder.ipynb")
    notebook = lab.open_notebook(path, page=context.new_page())
    notebook.run_all()
    return Page(notebook)


@pytest.fixture(scope="module")
def word():
    """The sound that is played into the microphone, at its own rate."""
    return load_audio(SOUND)


@pytest.fixture(scope="module")
def microphone(lab, word, tmp_path_factory):
    """A recorder in a browser that may use a microphone, in which the word sounds over and over."""
    waveform, rate = word
    path = tmp_path_factory.mktemp("microphone") / "word.wav"
    soundfile.write(path, waveform.numpy(), rate, subtype="PCM_16")
    arguments = [FAKE, f"--use-file-for-fake-audio-capture={path}"]
    context = lab.second_browser(arguments, permissions=["microphone"])
    made = open_recorder(lab, context, seconds=2.5)
    yield made
    made.notebook.close()
    context.close()


def likeness(heard: np.ndarray, played: np.ndarray) -> float:
    """Correlation of a sound with the stretch of a recording that resembles it most."""
    n = 1 << (len(heard) + len(played)).bit_length()
    products = np.fft.irfft(np.fft.rfft(heard, n) * np.fft.rfft(played, n).conj(), n)
    products = products[: len(heard) - len(played) + 1]
    energies = np.convolve(heard**2, np.ones(len(played)), "valid")
    return float((products / np.sqrt(np.maximum(energies, 1e-9) * (played**2).sum())).max())


def kept_waveform(made: Page, path) -> np.ndarray:
    made.notebook.execute(f"import numpy; numpy.save({str(path)!r}, recorder.waveform.numpy())")
    return np.load(path)


def test_what_is_recorded_is_what_was_played(microphone, word, tmp_path):
    """A machine that is busy makes the fake microphone stumble: then it may try again."""
    played = word[0].numpy()
    for _ in range(6):
        microphone.record()
        microphone.button("keep").click()
        microphone.wait("state => state.phase === 'kept'")
        heard = kept_waveform(microphone, tmp_path / "heard.npy")
        if likeness(heard, played) > 0.99:
            break
    assert likeness(heard, played) > 0.99
    assert heard.shape == (40_000,)
    assert np.abs(heard).max() == pytest.approx(np.abs(played).max(), rel=0.02)  # its own level
    rate = microphone.state()["sampleRate"]
    notebook = microphone.notebook
    notebook.expect("recorder.browser_sample_rate", round(rate))
    notebook.expect("len(recorder.original)", round(2.5 * rate))
    notebook.expect("(recorder.sample_rate, kept[-1])", (16_000, (40_000, 16_000)))
    assert f"Kept: 2.50 s, recorded at {rate:.0f} Hz, resampled to 16000" in microphone.text(
        "status"
    )
    assert microphone.state()["microphone"] is None, "the microphone is let go"
    assert notebook.complaints() == []


def test_the_meter_shows_the_level_and_the_browser_leaves_the_sound_alone(microphone, word):
    microphone.button("mic").click()
    peak = 20 * np.log10(word[0].abs().max().item())
    microphone.wait(f"state => state.phase !== 'asking' && Math.abs(state.levelDb - {peak}) < 2")
    state = microphone.state()["microphone"]
    assert state["way"] == "AudioWorklet"
    for name in ("echoCancellation", "noiseSuppression", "autoGainControl"):
        assert state["settings"][name] is False
    meter = microphone.root.get_by_role("meter")
    assert meter.get_attribute("aria-valuemin") == "-60"
    assert "dBFS" in meter.get_attribute("aria-valuetext")
    assert "dBFS" in microphone.text("level")
    microphone.button("mic").click()
    assert microphone.text("level") == "microphone off"
    assert microphone.state()["levelDb"] == -np.inf


def test_countdown_stop_play_and_record_again(microphone):
    notebook = microphone.notebook
    notebook.execute("recorder.countdown_s = 2")
    microphone.wait("state => state.countdown === 2")
    microphone.root.evaluate(
        """root => {
            const count = root.querySelector('.snd-count');
            root.counted = [];
            new MutationObserver(() => root.counted.push(count.textContent))
                .observe(count, {childList: true, characterData: true, subtree: true});
        }"""
    )
    microphone.button("record").click()
    microphone.wait("state => state.phase === 'counting'")
    assert microphone.button("mic").is_disabled()
    microphone.wait("state => state.phase === 'recording' && state.n > 0.3 * state.sampleRate")
    microphone.button("stop").click()
    counted = [text for text in microphone.root.evaluate("root => root.counted") if text]
    assert counted == ["2", "1", "now"]
    state = microphone.state()
    assert state["phase"] == "recorded"
    assert 0.3 < state["n"] / state["sampleRate"] < 2.5
    assert "Recorded: " in microphone.text("status")
    microphone.button("play").click()
    microphone.button("play").get_by_text("Stop playing").wait_for()
    microphone.root.locator(".snd-play", has_text="Play").wait_for()
    assert "Record again" in microphone.button("record").text_content()
    before = notebook.execute("print(len(kept))")
    microphone.button("record").click()  # and stopped before it began: the old one stays
    microphone.wait("state => state.phase === 'counting'")
    microphone.button("stop").click()
    assert microphone.state()["n"] == state["n"]
    assert notebook.execute("print(len(kept))") == before, "nothing is sent before «Keep»"
    microphone.button("keep").press("Enter")
    microphone.wait("state => state.phase === 'kept'")
    notebook.expect("len(recorder.original)", state["n"])
    notebook.execute("recorder.countdown_s = 0")


def test_a_browser_without_an_audio_thread_records_in_an_older_way(microphone):
    microphone.page.evaluate(
        """() => Object.defineProperty(BaseAudioContext.prototype, 'audioWorklet',
            {value: undefined, configurable: true})"""
    )
    microphone.button("mic").click()
    microphone.root.get_by_role("status").filter(has_text="in an older way").wait_for()
    assert microphone.state()["microphone"]["way"] == "ScriptProcessor"
    microphone.record()
    state = microphone.state()
    assert state["n"] == round(2.5 * state["sampleRate"])
    assert state["peak"] > 0.3
    microphone.page.evaluate("() => { delete BaseAudioContext.prototype.audioWorklet; }")
    microphone.button("mic").click()


def test_a_microphone_that_is_refused_is_explained(microphone):
    context = microphone.page.context
    context.clear_permissions()
    kept = microphone.state()["n"]
    microphone.button("record").click()
    alert = microphone.root.get_by_role("alert").filter(has_text="The microphone was refused.")
    alert.wait_for()
    assert "Or upload a recording instead." in alert.text_content()
    assert microphone.state()["microphone"] is None
    assert microphone.state()["n"] == kept, "the recording before is still there"
    context.grant_permissions(["microphone"])
    microphone.button("mic").click()
    microphone.wait("state => state.microphone && !state.problem")
    microphone.button("mic").click()


def test_no_microphone_and_no_secure_address_are_explained(lab, notebook):
    """A machine without a microphone, and an address that a browser does not trust."""
    notebook.show(CODE.format(seconds=1.0, countdown_s=0))
    made = Page(notebook)
    lab.context.grant_permissions(["microphone"])
    kinds = made.page.evaluate(
        "async () => (await navigator.mediaDevices.enumerateDevices()).map(one => one.kind)"
    )
    if "audioinput" not in kinds:  # a developer's machine may have one
        made.button("mic").click()
        made.root.get_by_role("alert").filter(has_text="No microphone was found.").wait_for()
    made.page.evaluate(
        "() => Object.defineProperty(window, 'isSecureContext', {value: false, configurable: true})"
    )
    made.button("mic").click()
    made.root.get_by_role("alert").filter(has_text="only to pages from https://").wait_for()
    assert "comes from http://127.0.0.1" in made.text("problem")
    made.page.evaluate("() => { delete window.isSecureContext; }")
    lab.context.clear_permissions()
