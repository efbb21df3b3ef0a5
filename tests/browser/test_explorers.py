"""The explorers under a real hand: every control moves pixels, and what they say is true.

What PyTorch computes here, in the test's own process and without the course's signal chain, is
the truth that the page is held to.
"""

from __future__ import annotations

import json
import re
import wave

import numpy as np
import pytest
import torch

from course_utils.audio_io import load_audio
from course_utils.signal import mel_filterbank
from tests.browser import sounds
from tests.browser.lab import PROJECT

STFT = "ex = explore_stft(y, sr)\nview = ex.view\nex"
MEL = "ex = explore_mel(y, sr)\nview = ex.view\nex"
ROAD = "ex = explore_road(y, sr)\nview = ex.view\nex"
RECORDINGS = PROJECT.parent / "shared" / "data" / "speech_commands"


def power_db(waveform, *, n_fft=1024, hop_length=512, win_length=None) -> np.ndarray:
    """Power spectrogram in dB by torch.stft: ``(n_freqs, n_frames)``."""
    win_length = win_length or n_fft
    spec = torch.stft(
        torch.as_tensor(waveform),
        n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=torch.hann_window(win_length),
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    return 10 * np.log10(np.maximum(spec.abs().numpy() ** 2, 1e-10))


def mel_db(waveform, *, n_mels=64, sample_rate=sounds.SAMPLE_RATE, **stft) -> np.ndarray:
    """Mel spectrogram in dB: ``(n_mels, n_frames)``."""
    power = 10 ** (power_db(waveform, **stft) / 10)
    fbank = mel_filterbank(n_freqs=len(power), n_mels=n_mels, sample_rate=sample_rate)
    return 10 * np.log10(np.maximum(fbank.numpy().T @ power, 1e-10))


def as_cells(db: np.ndarray, top_db: float = 80.0) -> np.ndarray:
    """Decibels as the 8 bits that are drawn: 255 is the peak, 0 is ``top_db`` below it."""
    return np.clip(np.round((db - (db.max() - top_db)) * 255 / top_db), 0, 255)


def right_within_one(cells: np.ndarray, db: np.ndarray, top_db: float = 80.0) -> None:
    """Assert that drawn cells are those of ``db``, up to one of 255 steps."""
    expected = as_cells(db, top_db)
    assert cells.shape == expected.shape
    assert np.abs(cells - expected).max() <= 1


# ---------------------------------------------------------------- the picture is the right one


def test_the_spectrogram_is_the_one_of_pytorch(show):
    cells, about = show(STFT).picture("spectrogram")
    db = power_db(sounds.tone_and_click())
    right_within_one(cells, db)
    assert about["value_max"] == pytest.approx(db.max(), abs=0.01)
    assert about["engine"] == "PyTorch"


def test_the_mel_spectrogram_is_the_one_of_pytorch(show):
    cells, _ = show(MEL).picture("mel")
    right_within_one(cells, mel_db(sounds.tone_and_click()))


def test_after_a_slider_the_picture_is_the_right_one_again(show, notebook):
    view = show(MEL)
    notebook.slider("n_fft").press("ArrowLeft")
    notebook.slider("hop_length").press("ArrowLeft", 2)
    notebook.slider("n_mels").press("ArrowLeft", 3)
    n_mels = int(notebook.slider("n_mels").text().split()[0])
    n_fft = int(notebook.slider("n_fft").text().split()[0])
    hop_length = int(notebook.slider("hop_length").text().split()[0])
    assert (n_fft, hop_length, n_mels) != (1024, 512, 64)
    view.wait_settings("mel", n_fft=n_fft, hop_length=hop_length, n_mels=n_mels)
    cells, _ = view.picture("mel")
    expected = mel_db(sounds.tone_and_click(), n_fft=n_fft, hop_length=hop_length, n_mels=n_mels)
    right_within_one(cells, expected)


# ---------------------------------------------------------------- every control

SLIDERS = [
    *[(STFT, "spectrogram", name) for name in ("n_fft", "hop_length", "win_length", "top_db")],
    *[(MEL, "mel", name) for name in ("n_fft", "hop_length", "n_mels", "win_length", "top_db")],
    *[(ROAD, "mel", name) for name in ("n_fft", "hop_length", "n_mels")],
]


@pytest.mark.parametrize(
    ("code", "lane", "name"),
    SLIDERS,
    ids=[f"{code.split('(')[0].split('explore_')[1]}-{name}" for code, _, name in SLIDERS],
)
def test_every_slider_moves_the_picture(show, notebook, code, lane, name):
    view = show(code)
    before = view.fingerprint(lane)
    slider = notebook.slider(name)
    text = slider.text()
    slider.press("ArrowRight" if name == "win_length" else "ArrowLeft", 2)
    slider.readout.filter(has_not_text=text).wait_for()
    value = int(slider.text().split()[0])
    if name != "top_db" or lane != "mel":
        view.wait_settings(lane, **{name: value})
    view.wait_pixels(lane, other_than=before)
    notebook.expect(f"ex.settings[{name!r}]", value)


MENUS = [
    (STFT, "spectrogram", "window", "rectangular"),
    (STFT, "spectrogram", "freq_axis", "mel"),
    (STFT, "spectrogram", "freq_axis", "log"),
    (MEL, "mel", "window", "blackman"),
    (MEL, "spectrogram", "freq_axis", "log"),
    (MEL, "mel", "mel_scale", "slaney"),
]


@pytest.mark.parametrize(
    ("code", "lane", "name", "choice"),
    MENUS,
    ids=[f"{lane}-{name}-{choice}" for _, lane, name, choice in MENUS],
)
def test_every_menu_moves_the_picture(show, notebook, code, lane, name, choice):
    view = show(code)
    before = view.fingerprint(lane)
    label = notebook.page.locator(".widget-label").filter(has_text=re.compile(rf"^{name}$"))
    menu = notebook.panel.locator(".widget-dropdown").filter(has=label).locator("select")
    menu.select_option(choice)
    view.wait_settings(lane, **{name: choice})
    view.wait_pixels(lane, other_than=before)


def test_a_drag_shows_pictures_on_the_way_and_ends_on_the_right_one(show, notebook):
    view = show(MEL)
    view.root.evaluate(
        """root => {
            window.onTheWay = [];
            root.addEventListener('soundview:drawn', ({detail}) =>
                detail.lane === 'mel' && onTheWay.push(detail.settings.n_mels));
        }"""
    )
    slider = notebook.slider("n_mels")
    slider.drag_to(0.0)
    slider.readout.filter(has_text=re.compile(r"^\s*4 ")).wait_for()
    view.wait_settings("mel", n_mels=4)
    slider.drag_to(1.0, steps=60)
    view.wait_settings("mel", n_mels=256)
    seen = view.page.evaluate("() => onTheWay")
    assert seen == [*sorted(seen[: seen.index(4)], reverse=True), *sorted(seen[seen.index(4) :])]
    assert len(set(seen)) >= 6, "the picture waits until the hand lets go"
    cells, _ = view.picture("mel")
    right_within_one(cells, mel_db(sounds.tone_and_click(), n_mels=256))


@pytest.mark.parametrize(
    ("preset", "n_fft", "hop_length"),
    [("speech", 512, 160), ("music", 2048, 512), ("too blurred in time", 4096, None),
     ("too blurred in frequency", 128, None)],
)  # fmt: skip
def test_presets_set_the_sliders_and_the_picture(show, notebook, preset, n_fft, hop_length):
    view = show(STFT)
    before = view.fingerprint("spectrogram")
    notebook.panel.get_by_role("button", name=preset, exact=True).click()
    view.wait_settings("spectrogram", n_fft=n_fft)
    view.wait_pixels("spectrogram", other_than=before)
    assert notebook.slider("n_fft").text().startswith(f"{n_fft} ")
    if hop_length:
        assert notebook.slider("hop_length").text().startswith(f"{hop_length} ")
    notebook.panel.get_by_role("button", name="as at the start", exact=True).click()
    view.wait_settings("spectrogram", n_fft=1024, hop_length=512)
    assert view.fingerprint("spectrogram") == before


def test_the_read_outs_are_those_of_the_picture(show, notebook):
    view = show(STFT)
    notebook.execute("ex.set(n_fft=2048, hop_length=512, win_length=1024)")
    view.wait_settings("spectrogram", n_fft=2048)
    shape = power_db(sounds.tone_and_click(), n_fft=2048, hop_length=512).shape
    text = view.text("readout")
    assert f"{shape[0]}, {shape[1]}" in text
    assert re.search(r"overlap\s+50 %", text)
    assert re.search(r"time resolution\s+32\.0 ms", text)  # half of 1024 samples
    assert re.search(r"frequency resolution\s+31\.\d Hz", text)  # two bins of 16000 / 1024
    notebook.expect("ex.readout['shape']", shape)


def test_two_displays_of_one_explorer_agree(show, notebook):
    first = show("from IPython.display import display\nex = explore_stft(y, sr)\ndisplay(ex, ex)")
    second = type(first)(notebook, 1)
    notebook.slider("n_fft").press("ArrowLeft")
    first.wait_settings("spectrogram", n_fft=768)
    second.wait_settings("spectrogram", n_fft=768)
    assert first.fingerprint("spectrogram") == second.fingerprint("spectrogram")


# ---------------------------------------------------------------- hover


@pytest.mark.parametrize(
    ("time_s", "place"), [(1.003, 0.125), (0.31, 0.4), (1.752, 0.8), (0.5, 0.126)]
)
def test_hover_in_the_spectrogram_says_what_pytorch_computed(show, time_s, place):
    view = show(STFT)
    hover = view.hover("spectrogram", time_s, place)
    db = power_db(sounds.tone_and_click())
    assert hover["time_s"] == pytest.approx(time_s, abs=0.002)  # about one pixel
    assert hover["frame"] == round(hover["time_s"] * sounds.SAMPLE_RATE / 512)
    assert hover["freq_hz"] == pytest.approx(place * 8000, abs=40)
    assert hover["bin"] == round(hover["freq_hz"] / 15.625)
    expected = max(db[hover["bin"], hover["frame"]], db.max() - 80)
    assert hover["db"] == pytest.approx(expected, abs=80 / 255)
    text = view.text("hover")
    assert f"bin {hover['bin']}" in text
    assert f"frame {hover['frame']}" in text
    assert f"{abs(hover['db']):.1f} dB" in text


def test_hover_on_the_tone_says_its_frequency(show):
    view = show(STFT)
    cells, _ = view.picture("spectrogram")
    loudest = int(cells[:, round(1.0 * sounds.SAMPLE_RATE / 512)].argmax())
    hover = view.hover("spectrogram", 1.0, (loudest + 0.5) / len(cells))
    assert hover["freq_hz"] == pytest.approx(sounds.TONE_HZ, abs=8)
    assert hover["mel"] == pytest.approx(2595 * np.log10(1 + sounds.TONE_HZ / 700), abs=10)
    # a sine of amplitude 0.5 through a periodic Hann window: |X| = 0.5 / 2 * sum(window)
    expected = 20 * np.log10(0.5 / 2 * 1024 / 2)
    assert hover["db"] == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize("axis", ["log", "mel"])
def test_hover_says_the_same_frequency_on_other_axes(show, axis):
    view = show(f"ex = explore_stft(y, sr, freq_axis={axis!r})\nex")
    cells, _ = view.picture("spectrogram")
    column = cells[:, round(1.0 * sounds.SAMPLE_RATE / 512)].astype(int)
    bright = np.flatnonzero(column == column.max())
    hover = view.hover("spectrogram", 1.0, (bright.mean() + 0.5) / len(cells))
    assert hover["freq_hz"] == pytest.approx(sounds.TONE_HZ, rel=0.02)


@pytest.mark.parametrize(("time_s", "band"), [(1.0, 22), (0.9, 50), (1.752, 5)])
def test_hover_in_the_mel_lane_says_band_and_decibels(show, time_s, band):
    view = show(MEL)
    hover = view.hover("mel", time_s, (band + 0.5) / 64)
    db = mel_db(sounds.tone_and_click())
    assert hover["band"] == band
    step = 2595 * np.log10(1 + 8000 / 700) / 65
    assert hover["mel"] == pytest.approx((band + 1) * step, abs=step / 2)
    expected = max(db[band, hover["frame"]], db.max() - 80)
    assert hover["db"] == pytest.approx(expected, abs=80 / 255)
    assert f"band {band}" in view.text("hover")


def test_hover_in_the_waveform_says_sample_and_amplitude(show):
    view = show(STFT)
    hover = view.hover("waveform", 1.00025)  # a quarter of a period: the top of the tone
    assert hover["amplitude"] == pytest.approx(0.5, abs=0.01)
    sound = sounds.tone_and_click()
    assert hover["sample"] == round(hover["time_s"] * sounds.SAMPLE_RATE)
    assert hover["amplitude"] == pytest.approx(sound[hover["sample"]], abs=1 / 32768)
    assert hover["frame"] == round(hover["time_s"] * sounds.SAMPLE_RATE / 512)
    assert "amplitude" in view.text("hover")


def test_hover_lights_up_the_samples_of_the_frame_and_its_box(show, notebook):
    view = show(
        "ex = explore_stft(y, sr, n_fft=1024, hop_length=512, win_length=64)\nview = ex.view\nex"
    )
    notebook.execute("view.visible = [0.9, 1.1]")
    view.wait("state => Math.abs(state.visible[0] - 0.9) < 1e-9")
    hover = view.hover("spectrogram", 0.985, 0.5)  # beside the centre
    centre = hover["frame"] * 512
    assert hover["samples"] == [centre - 32, centre + 32]  # what the window saw, not n_fft
    a, b = (view.ask("xOf", n / sounds.SAMPLE_RATE) for n in hover["samples"])
    left, right, _, _ = view.ask("overlayBox", "waveform", view.ask("colour", "seen"))
    assert (left, right) == (pytest.approx(a, abs=2), pytest.approx(b, abs=2))

    # the box in the spectrogram: half the window long, two bins of the window high
    height = view.ask("geometry", "spectrogram")["height"]
    x0, x1 = (view.ask("xOf", centre / sounds.SAMPLE_RATE + dt) for dt in (-0.001, 0.001))
    half_high = 0.5 * (2 * sounds.SAMPLE_RATE / 64) / 8000 * height
    middle = (x0 + x1) / 2, height / 2
    for x, y in [(x, height / 2 + sign * half_high) for x in (x0, x1) for sign in (-1, 1)]:

        def white(along_x: float, along_y: float, x=x, y=y) -> bool:
            """Is it white at these multiples of the way from the middle to the corner?"""
            at = middle[0] + along_x * (x - middle[0]), middle[1] + along_y * (y - middle[1])
            *rgb, alpha = view.ask("pixel", "spectrogram", *at, "overlay")
            return alpha > 100 and min(rgb) > 150

        assert white(1.0, 0.6), "no box where the frame was measured"
        assert not white(1.0, 1.8), "the box is too high"
        assert not white(1.8, 0.6), "the box is too long"


def test_hover_goes_away_with_the_pointer(show):
    view = show(STFT)
    view.hover("spectrogram", 1.0)
    view.page.mouse.move(5, 5)
    view.wait("state => state.hover === null")
    assert view.ask("overlayBox", "waveform", view.ask("colour", "seen")) is None


# ---------------------------------------------------------------- pin


def test_pin_keeps_the_picture_while_the_live_one_moves(show, notebook):
    view = show(STFT)
    view.button("pin").click()
    view.wait("state => state.pinned")
    before = view.fingerprint("spectrogram")
    assert view.fingerprint("pinned") == before
    notebook.slider("n_fft").press("ArrowLeft", 3)
    view.wait_pixels("spectrogram", other_than=before)
    assert view.fingerprint("pinned") == before
    assert "n_fft 1024" in view.root.locator('[data-lane="pinned"] .sv-lane-title').text_content()
    hover = view.hover("pinned", 1.0, 0.125)
    assert hover["frame"] == round(hover["time_s"] * sounds.SAMPLE_RATE / 512)
    view.press("p")
    view.wait("state => !state.pinned")


def test_a_new_pin_replaces_the_old_one(show, notebook):
    view = show(MEL)
    view.press("p")
    view.wait("state => state.pinned")
    old = view.fingerprint("pinned")
    view.press("p")
    view.wait("state => !state.pinned")
    notebook.slider("n_mels").press("ArrowLeft", 3)
    view.wait_pixels("mel", other_than=old)
    view.press("p")
    view.wait("state => state.pinned")
    assert view.fingerprint("pinned") != old


# ---------------------------------------------------------------- useless and impossible settings


def test_a_hop_longer_than_the_window_is_named(show, notebook):
    view = show(STFT)
    assert view.state()["notes"] == []
    notebook.slider("hop_length").press("End")
    view.wait("state => state.notes.some(note => note.includes('hop_length'))")
    assert "no frame sees" in view.text("notes")
    notebook.slider("hop_length").press("Home")
    view.wait("state => state.notes.length === 0")


def test_empty_mel_bands_are_named_and_hatched(show, notebook):
    view = show(MEL)
    notebook.execute("ex.set(n_fft=128, hop_length=64, n_mels=64)")
    view.wait_settings("mel", n_fft=128, n_mels=64)
    fbank = mel_filterbank(n_freqs=65, n_mels=64, sample_rate=sounds.SAMPLE_RATE)
    empty = (fbank.sum(0) == 0).nonzero()[:, 0].tolist()
    assert empty
    assert re.search(rf"{len(empty)} of 64 Mel bands are empty", view.text("notes"))
    height = view.ask("geometry", "mel")["height"]
    y = height - (empty[-1] + 0.5) * height / 64
    row = np.array([view.ask("pixel", "mel", x, y)[:3] for x in range(200, 240)])
    assert np.ptp(row, axis=1).max() < 25, "a colour in a band that holds nothing"
    assert row.min() > 60, "an empty band looks like a silent one"
    assert np.ptp(row[:, 0]) > 60, "no hatching"


def test_an_impossible_setting_is_explained_and_the_last_picture_stays(show, notebook):
    view = show("ex = explore_stft(y, sr, win_length=1024)\nview = ex.view\nex")
    good = view.fingerprint("spectrogram")
    notebook.slider("n_fft").press("ArrowLeft", 3)
    view.wait("state => state.error.includes('win_length')")
    assert view.root.locator(".sv-message").is_visible()
    assert "\n" not in view.text("message")
    assert view.fingerprint("spectrogram") == good
    notebook.slider("n_fft").press("ArrowRight", 4)
    view.wait("state => state.error === ''")
    view.wait_pixels("spectrogram", other_than=good)


# ---------------------------------------------------------------- the student's own function

OWN = """
def my_stft(waveform, n_fft, hop_length):
    if n_fft == 768:
        raise RuntimeError("my window is broken")
    window = torch.hann_window(n_fft)
    return torch.stft(waveform, n_fft, hop_length, window=window, return_complex=True)

ex = explore_stft(y, sr, stft=my_stft)
view = ex.view
ex
"""


def test_the_sliders_move_the_students_own_function(show, notebook):
    view = show(OWN)
    cells, about = view.picture("spectrogram")
    assert "my_stft" in about["engine"]
    right_within_one(cells, power_db(sounds.tone_and_click()))
    notebook.slider("hop_length").press("ArrowLeft")
    view.wait_settings("spectrogram", hop_length=384)
    cells, _ = view.picture("spectrogram")
    right_within_one(cells, power_db(sounds.tone_and_click(), hop_length=384))


def test_an_error_of_the_own_function_is_one_line_and_the_picture_stays(show, notebook):
    view = show(OWN)
    good = view.fingerprint("spectrogram")
    notebook.slider("n_fft").press("ArrowLeft")  # 768
    view.wait("state => state.error.includes('my window is broken')")
    message = view.text("message")
    assert "my_stft" in message
    assert "RuntimeError" in message
    assert "\n" not in message
    assert view.fingerprint("spectrogram") == good
    notebook.slider("n_fft").press("ArrowLeft")  # 512
    view.wait_settings("spectrogram", n_fft=512)
    assert view.state()["error"] == ""
    assert view.fingerprint("spectrogram") != good


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return None", "None|not written|NoneType"),
        ("return torch.zeros(3, 4)", r"\(3, 4\)"),
        ("return torch.full((n_fft // 2 + 1, 5), float('nan'))", "NaN"),
        ("return waveform.no_such_thing()", "no_such_thing"),
    ],
    ids=["nothing", "wrong shape", "nan", "typo"],
)
def test_a_half_written_function_gets_a_sentence_and_a_picture(show, body, said):
    view = show(f"def mine(waveform, n_fft):\n    {body}\nex = explore_stft(y, sr, stft=mine)\nex")
    state = view.state()
    assert re.search(said, " ".join([state["error"], *state["notes"]]))
    assert view.picture("spectrogram")[0].any()


# ---------------------------------------------------------------- real input


def through_both_explorers(show, notebook, load: str, waveform, sample_rate: int) -> None:
    """A file goes through load_audio and both explorers; sliders move right pictures."""
    for name, lane in (("stft", "spectrogram"), ("mel", "mel")):
        view = show(
            f"real, rate = {load}\nex = explore_{name}(real, rate, n_fft=512, hop_length=256)\nex"
        )
        cells, _ = view.picture(lane)
        options = {"n_fft": 512, "hop_length": 256}
        if name == "stft":
            right_within_one(cells, power_db(waveform, **options))
        else:
            expected = mel_db(waveform, sample_rate=sample_rate, **options)
            right_within_one(cells, expected)
        before = view.fingerprint(lane)
        notebook.slider("n_fft").press("ArrowRight")
        view.wait_settings(lane, n_fft=768)
        view.wait_pixels(lane, other_than=before)
        view.button("play").click()
        view.wait("state => state.playhead_s > 0.05")
        if view.state()["playing"]:
            view.button("play").click()


def test_a_recording_of_a_person(show, notebook):
    """The main job on real input: a person's word, through load_audio and both explorers."""
    clips = sorted(RECORDINGS.rglob("*.wav")) + sorted(RECORDINGS.rglob("*.flac"))
    if not clips:
        pytest.skip("no recordings beside the project (../shared/data/speech_commands)")
    clip = clips[len(clips) // 2]
    waveform, rate = load_audio(clip)
    load = f"load_audio({json.dumps(str(clip))})"
    through_both_explorers(show, notebook, load, waveform, rate)


def test_a_file_that_somebody_drops_into_the_folder(show, notebook, lab):
    """Stereo, 22.05 kHz, a name with a space and an umlaut: as files are."""
    rate, times_s = 22_050, np.arange(22_050) / 22_050
    left = 0.3 * np.sin(2 * np.pi * (200 * times_s + 1500 * times_s**2))
    pair = np.stack([left, 0.1 * np.random.default_rng(1).standard_normal(rate)], axis=1)
    path = lab.root_dir / "notebooks" / "mein Geräusch.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((pair.clip(-1, 1) * 32767).astype("<i2").tobytes())
    waveform, found = load_audio(path)
    assert found == rate
    through_both_explorers(show, notebook, 'load_audio("mein Geräusch.wav")', waveform, rate)
