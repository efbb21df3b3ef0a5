"""The kernel engine: its pictures are the course's chain, also when only a stretch is computed."""

import numpy as np
import pytest
import torch

from course_utils.explorers.live import MAX_COLUMNS, LiveChain, _Spec
from course_utils.signal import mel_filterbank, mel_spectrogram, power_spectrogram, power_to_db

SETTINGS = {
    "n_fft": 1024, "hop_length": 512, "win_length": None, "window": "hann",
    "freq_axis": "linear", "top_db": 80, "n_mels": 64, "mel_scale": "htk",
}  # fmt: skip
SAMPLE_RATE = 16000


@pytest.fixture
def waveform():
    noise = torch.randn(SAMPLE_RATE, generator=torch.Generator().manual_seed(1))
    return noise * torch.linspace(0.001, 0.3, SAMPLE_RATE)


def stft_settings(settings):
    names = ("n_fft", "hop_length", "win_length", "window")
    return {name: settings[name] for name in names}


def assert_shows(picture, db, top_db=80):
    """Within one of 255 steps of the course's decibels."""
    step = (picture.value_max - picture.value_min) / 255
    shown = torch.from_numpy(picture.cells) * step + picture.value_min
    torch.testing.assert_close(shown, db.to(shown.dtype), atol=0.51 * step, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"n_fft": 512, "win_length": 400, "hop_length": 160},
        {"n_fft": 64, "hop_length": 64},
        {"window": "blackman", "top_db": 40},
        {"hop_length": 2048},
    ],
    ids=lambda change: ",".join(f"{k}={v}" for k, v in change.items()) or "defaults",
)
def test_a_spectrogram_picture_is_the_chain_in_8_bits(waveform, change):
    settings = SETTINGS | change
    picture = LiveChain(waveform, SAMPLE_RATE).spectrogram(settings, (0.0, 1.0))
    power = power_spectrogram(waveform, **stft_settings(settings))
    assert_shows(picture, power_to_db(power, top_db=settings["top_db"]))


@pytest.mark.parametrize("mel_scale", ["htk", "slaney"])
@pytest.mark.parametrize("n_mels", [20, 64])
def test_a_mel_picture_is_the_chain_in_8_bits(waveform, mel_scale, n_mels):
    settings = SETTINGS | {"mel_scale": mel_scale, "n_mels": n_mels}
    picture = LiveChain(waveform, SAMPLE_RATE).mel(settings, (0.0, 1.0))
    mel_spec = mel_spectrogram(
        waveform, sample_rate=SAMPLE_RATE, n_fft=1024, hop_length=512, n_mels=n_mels,
        mel_scale=mel_scale,
    )  # fmt: skip
    assert_shows(picture, power_to_db(mel_spec, top_db=80.0))


def test_the_default_picture_of_one_second_is_64_by_32():
    picture = LiveChain(torch.randn(16000), SAMPLE_RATE).mel(SETTINGS, (0.0, 1.0))
    assert picture.cells.shape == (64, 32)


@pytest.mark.parametrize("visible", [(0.0, 1.0), (0.4, 0.6), (0.0, 0.01), (0.98, 1.0), (0.5, 0.5)])
@pytest.mark.parametrize("n_fft", [64, 1024, 4096])
def test_a_stretch_shows_the_same_frames_as_the_whole(waveform, visible, n_fft):
    s = _Spec(n_fft, 128, n_fft, "hann")
    chain = LiveChain(waveform, SAMPLE_RATE)
    frames = chain.frames(s, visible)
    whole = power_spectrogram(waveform, n_fft=n_fft, hop_length=128)
    expected = whole[:, frames.first : frames.first + frames.count]
    torch.testing.assert_close(chain._power(s, frames), expected, rtol=1e-4, atol=1e-6)


def test_a_stretch_covers_all_that_is_visible(waveform):
    picture = LiveChain(waveform, SAMPLE_RATE).spectrogram(SETTINGS, (0.31, 0.52))
    assert picture.t0_s <= 0.31
    assert picture.t0_s + picture.dt_s * picture.cells.shape[1] >= 0.52


def test_long_sounds_are_thinned_to_true_frames():
    waveform = torch.randn(60 * SAMPLE_RATE, generator=torch.Generator().manual_seed(2))
    settings = SETTINGS | {"hop_length": 64, "n_fft": 256}
    picture = LiveChain(waveform, SAMPLE_RATE).spectrogram(settings, (0.0, 60.0))
    step, n_columns = picture.frames["step"], picture.cells.shape[1]
    assert n_columns <= MAX_COLUMNS
    assert step > 1
    assert f"1 of every {step} frames" in picture.notes[0]
    power = power_spectrogram(waveform, n_fft=256, hop_length=64)[:, ::step]
    assert_shows(picture, power_to_db(power[:, :n_columns], top_db=80.0))


def test_colours_stay_when_the_view_is_zoomed(waveform):
    chain = LiveChain(waveform, SAMPLE_RATE)
    whole = chain.spectrogram(SETTINGS, (0.0, 1.0))
    quiet = chain.spectrogram(SETTINGS, (0.0, 0.1))
    assert (quiet.value_min, quiet.value_max) == (whole.value_min, whole.value_max)


def test_many_bins_share_rows_and_the_loudest_is_seen():
    times_s = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = 0.5 * torch.sin(2 * torch.pi * 3000 * times_s)
    for freq_axis in ("linear", "log", "mel"):
        settings = SETTINGS | {"n_fft": 4096, "freq_axis": freq_axis}
        picture = LiveChain(tone, SAMPLE_RATE).spectrogram(settings, (0.0, 1.0))
        assert picture.cells.shape[0] <= 513
        assert picture.cells.max() == 255


@pytest.mark.parametrize("n_fft", [798, 1024])
@pytest.mark.parametrize("freq_axis", ["log", "mel"])
def test_a_warped_axis_puts_a_tone_in_its_row(freq_axis, n_fft):
    """With n_fft 798 there are as many bins as rows: they must be warped all the same."""
    times_s = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = 0.5 * torch.sin(2 * torch.pi * 1000 * times_s)
    settings = SETTINGS | {"freq_axis": freq_axis, "n_fft": n_fft}
    picture = LiveChain(tone, SAMPLE_RATE).spectrogram(settings, (0.0, 1.0))
    n_rows = picture.cells.shape[0]
    loudest = float(np.median(picture.cells[:, 10].argsort(kind="stable")[-3:])) + 0.5
    freq_hz = np.interp(loudest / n_rows, np.linspace(0, 1, len(picture.y.table)), picture.y.table)
    assert freq_hz == pytest.approx(1000, abs=20)


def test_an_odd_n_fft_has_its_own_bins():
    settings = SETTINGS | {"n_fft": 1023}
    fbank, _ = LiveChain(torch.zeros(SAMPLE_RATE), SAMPLE_RATE).filterbank(settings)
    ours = mel_filterbank(
        n_freqs=512, n_mels=settings["n_mels"], sample_rate=SAMPLE_RATE, n_fft=1023
    )
    torch.testing.assert_close(fbank, ours)


def test_silence_is_dark():
    picture = LiveChain(torch.zeros(SAMPLE_RATE), SAMPLE_RATE).spectrogram(SETTINGS, (0.0, 1.0))
    assert picture.cells.max() == 0


def test_empty_bands_are_marked():
    settings = SETTINGS | {"n_fft": 256, "n_mels": 128}
    picture = LiveChain(torch.randn(SAMPLE_RATE), SAMPLE_RATE).mel(settings, (0.0, 1.0))
    assert len(picture.marks) > 5
    assert picture.cells[list(picture.marks)].max() == 0


def test_a_new_number_of_bands_computes_no_new_stft(waveform, monkeypatch):
    chain = LiveChain(waveform, SAMPLE_RATE)
    chain.mel(SETTINGS, (0.0, 1.0))
    monkeypatch.setattr(chain, "_new_power", lambda *_: pytest.fail("the STFT ran again"))
    chain.mel(SETTINGS | {"n_mels": 40}, (0.0, 1.0))


def test_a_sound_shorter_than_half_a_window_is_explained():
    with pytest.raises(ValueError, match="n_fft=1024 needs a sound of more than 512 samples"):
        LiveChain(torch.zeros(300), SAMPLE_RATE).spectrogram(SETTINGS, (0.0, 0.01))
