"""What a window can tell apart: how long it looks, and how finely it hears."""

import functools

import torch
from torch import Tensor

from course_utils.signal._checks import check_positive
from course_utils.signal.stft import WindowName, get_window

_OVERSAMPLING = 64  # points between two DFT bins: the width is right to about 1/100 bin
_ROUNDING = 1e-9  # of the weights: what is nearer is the same height


def window_resolution(
    window: WindowName = "hann", win_length: int = 1024, *, sample_rate: float
) -> tuple[float, float]:
    """Say how far apart two clicks, or two tones, must be to show as two.

    Both widths are taken where the window, or its spectrum, has fallen to half its
    height (-6 dB): two equal neighbours nearer than that melt into one hump. For a
    Hann window the time is half its length and the frequency 2.00 bins of
    ``sample_rate / win_length``; their product is 1.

    Args:
        window: Name of the window.
        win_length: Length in samples. Zero padding to a longer ``n_fft`` changes nothing.
        sample_rate: Samples per second, in Hz.

    Returns:
        Time resolution in seconds and frequency resolution in Hz.

    Raises:
        ValueError: If the window is not known or a number is not positive.

    Source: the -6 dB bandwidth of Harris, 1978, table 1.  Notebook: 02_stft.ipynb.
    """
    check_positive(sample_rate, "sample_rate")
    weights = get_window(window, win_length, dtype=torch.float64)
    over = weights - 0.5 * weights.max()
    # A sample that lies on half the height, but for rounding, lies half outside.
    samples = float((over > _ROUNDING).sum()) + 0.5 * float((over.abs() <= _ROUNDING).sum())
    return samples / sample_rate, _width_in_bins(window) * sample_rate / win_length


@functools.cache
def _width_in_bins(window: WindowName, length: int = 1024) -> float:
    """Full width of the main lobe at half its height, in bins of a window-long DFT."""
    weights: Tensor = get_window(window, length, dtype=torch.float64)
    lobe = torch.fft.rfft(weights, n=length * _OVERSAMPLING).abs()
    below = int((lobe < 0.5 * lobe[0]).nonzero()[0])  # first point under half height
    high, low = lobe[below - 1], lobe[below]
    crossing = below - 1 + float((high - 0.5 * lobe[0]) / (high - low))
    return round(2.0 * crossing / _OVERSAMPLING, 9)  # Hann: 2 bins, whatever the last digits are
