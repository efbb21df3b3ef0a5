"""The truth about course_utils.signal.window_resolution."""

import numpy as np
import pytest
import scipy.signal
import torch

from course_utils.signal import make_tone, stft, window_resolution


@pytest.mark.parametrize(
    ("window", "bins"),
    [("rectangular", 1.21), ("hann", 2.00), ("hamming", 1.81), ("blackman", 2.30)],
)
@pytest.mark.parametrize("win_length", [256, 1000, 1023])
def test_bandwidth_equals_scipy_and_the_literature(window, bins, win_length):
    """F. J. Harris, 1978, table 1, has 1.21, 2.00 and 1.81; its 2.35 for Blackman is 2.30 here."""
    _, width_hz = window_resolution(window, win_length, sample_rate=16000)
    assert width_hz * win_length / 16000 == pytest.approx(bins, abs=0.01)
    weights = scipy.signal.get_window("boxcar" if window == "rectangular" else window, win_length)
    freqs = np.linspace(0, 4, 4001) * 2 * np.pi / win_length
    _, lobe = scipy.signal.freqz(weights, worN=freqs)
    half = freqs[np.argmax(np.abs(lobe) < 0.5 * np.abs(lobe[0]))] / (2 * np.pi) * 16000
    assert width_hz == pytest.approx(2 * half, rel=0.003)


@pytest.mark.parametrize("win_length", [100, 256, 400, 1024, 1600])
def test_hann_looks_half_its_length_and_time_times_frequency_is_one(win_length):
    """Two of its samples lie at just half its height: with 400, rounding once took in both."""
    width_s, width_hz = window_resolution("hann", win_length, sample_rate=16000)
    assert width_s == win_length / 2 / 16000
    assert width_hz == 2.0 * 16000 / win_length
    assert width_s * width_hz == pytest.approx(1.0)


def test_rectangle_looks_its_whole_length():
    width_s, _ = window_resolution("rectangular", 400, sample_rate=8000)
    assert width_s == pytest.approx(0.05)


@pytest.mark.parametrize(("factor", "humps"), [(0.7, 1), (1.6, 2)])
def test_two_tones_show_as_two_beyond_the_resolution(factor, humps):
    _, width_hz = window_resolution("hann", 1024, sample_rate=16000)
    apart = factor * width_hz
    sound = make_tone(3000.0 - apart / 2) + make_tone(3000.0 + apart / 2, phase=torch.pi / 2)
    padded = {"n_fft": 16384, "win_length": 1024, "hop_length": 512, "center": False}
    column = stft(torch.nn.functional.pad(sound, (8000, 8000)), **padded).abs()[:, 15]
    peaks = (column[1:-1] > column[:-2]) & (column[1:-1] > column[2:])
    assert int((peaks & (column[1:-1] > 0.5 * column.max())).sum()) == humps


@pytest.mark.parametrize(
    ("args", "sample_rate", "match"),
    [
        (("kaiser", 8), 16000, "window='kaiser'"),
        (("hann", 0), 16000, "win_length=0"),
        (("hann", 8), 0, "sample_rate=0 must be a positive number"),
    ],
)
def test_names_the_bad_argument(args, sample_rate, match):
    with pytest.raises(ValueError, match=match):
        window_resolution(*args, sample_rate=sample_rate)
