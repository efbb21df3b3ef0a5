"""The waveform: pressure over time, as numbers. Levels, sample rates, channels, bits."""

import math
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.signal._checks import (
    check_float_tensor,
    check_number,
    check_positive,
    check_positive_int,
    check_waveform,
)

_MAX_KERNEL_CELLS = 4_000_000  # of the resampling filter: 32 MB in float64
_FFT_BLOCK = 500_000  # samples that are resampled at once by the other way
_CURVE_GUARD = 64  # samples of silence between the end of a sound and its beginning
_FFT_GUARD = 256  # samples, at the lower rate, that such a block sees of its neighbours


def rms_dbfs(waveform: Tensor, *, dim: int = -1) -> Tensor:
    r"""Measure the average level, :math:`20 \log_{10} \sqrt{\overline{x^2}}`, in dBFS.

    dBFS is decibels relative to full scale: a square wave between -1 and 1 has
    0 dBFS, a sine of amplitude 1 has -3.01 dBFS.

    Args:
        waveform: Samples, shape ``(..., time)``.
        dim: Dimension that is time.

    Returns:
        Level in dBFS without the time dimension; ``-inf`` for silence.

    Raises:
        ValueError: If there is no sample.

    Source: the definition.  Notebook: 01_waveform.ipynb.
    """
    _check_has_samples(waveform, dim)
    peak = waveform.detach().abs().amax(dim=dim, keepdim=True).clamp(min=1e-30)
    mean_square = (waveform / peak).square().mean(dim=dim)  # by the peak: tiny squares survive
    return 10.0 * torch.log10(mean_square) + 20.0 * torch.log10(peak.squeeze(dim))


def peak_dbfs(waveform: Tensor, *, dim: int = -1) -> Tensor:
    r"""Measure the highest level, :math:`20 \log_{10} \max |x|`, in dBFS.

    Args:
        waveform: Samples, shape ``(..., time)``.
        dim: Dimension that is time.

    Returns:
        Level in dBFS without the time dimension; 0 for a peak of 1, ``-inf`` for silence.

    Raises:
        ValueError: If there is no sample.

    Source: the definition.  Notebook: 01_waveform.ipynb.
    """
    _check_has_samples(waveform, dim)
    return 20.0 * torch.log10(waveform.abs().amax(dim=dim))


def match_level(waveform: Tensor, *, reference: Tensor, max_peak: float = 1.0) -> Tensor:
    """Give a waveform the RMS level of another one, so that two sounds compare fairly.

    Args:
        waveform: Samples, shape ``(..., time)``.
        reference: The sound whose level is wanted, shape ``(..., time)``; its length may differ.
        max_peak: No sample becomes larger: where the level would need it, the result is
            quieter than ``reference``.

    Returns:
        The waveform times one number per item, same shape; silence stays silence.

    Raises:
        ValueError: If one of the two has no sample, or ``max_peak`` is not positive.

    Source: the definition of RMS.  Notebook: 03_mel.ipynb.
    """
    max_peak = check_positive(max_peak, "max_peak")
    change_db = rms_dbfs(reference) - rms_dbfs(waveform)  # inf where the waveform is silent
    loudest = waveform.abs().amax(dim=-1)
    gain = (10.0 ** (change_db / 20.0)).nan_to_num(nan=0.0, posinf=0.0)
    gain = torch.minimum(gain, max_peak / loudest.clamp(min=1e-30))
    return waveform * gain[..., None]


def _check_has_samples(waveform: Tensor, dim: int) -> None:
    """Raise if there is nothing to measure along ``dim``."""
    check_waveform(waveform)
    if not -waveform.ndim <= dim < waveform.ndim:
        raise ValueError(f"dim={dim} does not fit a waveform of shape {tuple(waveform.shape)}")
    if waveform.shape[dim] == 0:
        raise ValueError("waveform is empty: there is no level to measure")


def to_mono(waveform: Tensor) -> Tensor:
    """Average the channels.

    Args:
        waveform: Samples, shape ``(..., n_channels, time)``.

    Returns:
        One channel, shape ``(..., time)``. Averaging cannot exceed the peak that was
        there; opposite channels cancel.

    Raises:
        ValueError: If there is no channel dimension, or no channel.

    Source: same as librosa.to_mono.  Notebook: 01_waveform.ipynb.
    """
    check_float_tensor(waveform, "waveform", min_dims=2, shape="(..., n_channels, time)")
    if waveform.shape[-2] == 0:
        raise ValueError(f"waveform has no channel: shape {tuple(waveform.shape)}")
    return waveform.mean(dim=-2)


def resample(
    waveform: Tensor,
    *,
    sample_rate: int,
    new_sample_rate: int,
    lowpass_filter_width: int = 16,
) -> Tensor:
    """Change the sample rate; what the new rate cannot carry is filtered out first.

    Rates without a large common divisor (44 101 and 16 000) would need a filter of
    gigabytes; they go through the spectrum instead, in blocks of some seconds.

    Args:
        waveform: Samples, shape ``(..., time)``.
        sample_rate: Samples per second now, in Hz, an integer.
        new_sample_rate: Samples per second wanted, in Hz, an integer.
        lowpass_filter_width: Zero crossings of the filter on each side; more is steeper.

    Returns:
        Waveform, shape ``(..., ceil(time * new_sample_rate / sample_rate))``.

    Raises:
        ValueError: If a rate is not a positive integer.

    Source: torchaudio.functional.resample (windowed sinc).  Notebook: 01_waveform.ipynb.
    """
    check_waveform(waveform)
    sample_rate = check_positive_int(sample_rate, "sample_rate")
    new_sample_rate = check_positive_int(new_sample_rate, "new_sample_rate")
    width = check_positive_int(lowpass_filter_width, "lowpass_filter_width")
    if sample_rate == new_sample_rate or waveform.shape[-1] == 0:
        return waveform.clone()
    ratio = Fraction(new_sample_rate, sample_rate)
    if ratio.numerator * ratio.denominator > _MAX_KERNEL_CELLS:
        return _resample_by_fft(waveform, ratio)
    from torchaudio.functional import resample as windowed_sinc_resample  # only when needed

    return windowed_sinc_resample(
        waveform, ratio.denominator, ratio.numerator, lowpass_filter_width=width
    )


def _resample_by_fft(waveform: Tensor, ratio: Fraction) -> Tensor:
    """Resample by any ratio, block by block, through the spectrum of each block.

    ``k * denominator`` samples become exactly ``k * numerator``, so blocks of that
    length fit together; each sees some of its neighbours, so that no seam is heard.
    """
    unit, n_samples = ratio.denominator, waveform.shape[-1]
    guard = math.ceil(_FFT_GUARD / min(1, ratio) / unit) * unit
    block = min(math.ceil(_FFT_BLOCK / unit), math.ceil(n_samples / unit)) * unit
    n_blocks = math.ceil(n_samples / block)
    padded = F.pad(waveform, (guard, n_blocks * block - n_samples + guard))
    pieces = padded.unfold(-1, block + 2 * guard, block)  # (..., n_blocks, block + 2 guard)
    skip, keep = int(guard * ratio), int(block * ratio)
    resampled = [
        _stretch_spectrum(piece, ratio)[..., skip : skip + keep] for piece in pieces.unbind(-2)
    ]
    return torch.cat(resampled, dim=-1)[..., : math.ceil(n_samples * ratio)]


def _stretch_spectrum(piece: Tensor, ratio: Fraction) -> Tensor:
    """Cut or extend the spectrum of a piece; its last 5 % fade out instead of ringing."""
    n_after = int(piece.shape[-1] * ratio)
    n_kept = min(piece.shape[-1], n_after) // 2 + 1
    bins = torch.arange(n_kept, dtype=torch.float64)
    fade = ((1.0 - bins / n_kept) / 0.05).clamp(max=1.0)  # 1, then down to 0 at the edge
    gain = (0.5 - 0.5 * torch.cos(math.pi * fade)).to(dtype=piece.dtype, device=piece.device)
    return torch.fft.irfft(torch.fft.rfft(piece)[..., :n_kept] * gain, n=n_after) * float(ratio)


def downsample(waveform: Tensor, *, factor: int) -> Tensor:
    """Keep every ``factor``-th sample and filter nothing: this aliases.

    Whatever lies above half the new sample rate comes back at a wrong frequency,
    see :func:`alias_freq_hz`. :func:`resample` is the way that sounds right.

    Args:
        waveform: Samples, shape ``(..., time)``.
        factor: Keep one sample of so many.

    Returns:
        Waveform, shape ``(..., ceil(time / factor))``.

    Raises:
        ValueError: If ``factor`` is not a positive integer.

    Source: the definition, ``waveform[..., ::factor]``.  Notebook: 01_waveform.ipynb.
    """
    check_waveform(waveform)
    return waveform[..., :: check_positive_int(factor, "factor")]


def interpolate(waveform: Tensor, *, factor: int) -> Tensor:
    r"""Draw the curve through the samples: ``factor - 1`` values between every two of them.

    There is only one curve through all samples that holds nothing at or above half the
    sample rate, :math:`x(t) = \sum_n x[n]\, \mathrm{sinc}(t f_s - n)`, and this is it, with
    silence before and after the sound. It is what a player makes of the samples.

    Args:
        waveform: Samples, shape ``(..., time)``.
        factor: How many times as many values.

    Returns:
        Waveform, shape ``(..., time * factor)``; each ``factor``-th value is a sample.

    Raises:
        ValueError: If ``factor`` is not a positive integer.

    Source: the sampling theorem, by a longer spectrum.  Notebook: 01_waveform.ipynb.
    """
    check_waveform(waveform)
    n_samples = waveform.shape[-1]
    if check_positive_int(factor, "factor") == 1 or n_samples == 0:
        return waveform.clone()
    length = _fast_length(n_samples + _CURVE_GUARD)
    spectrum = torch.fft.rfft(waveform, n=length)
    spectrum[..., -1] *= 0.5  # this bin stands for two in the longer spectrum
    curve = torch.fft.irfft(spectrum, n=length * factor)[..., : n_samples * factor]
    return curve * float(factor)


def _fast_length(at_least: int) -> int:
    """Return an even number that a fast Fourier transform likes: only factors of 2, 3 and 5."""
    best = 2 ** math.ceil(math.log2(max(2, at_least)))
    for odd in (3, 5, 9, 15, 25, 27, 45, 75, 81, 125):
        best = min(best, odd * 2 ** max(1, math.ceil(math.log2(at_least / odd))))
    return best


def alias_freq_hz(freq_hz: float, *, sample_rate: float) -> float:
    """Say at which frequency a tone is heard after sampling without a filter.

    Args:
        freq_hz: Frequency of the tone, in Hz, >= 0.
        sample_rate: Samples per second, in Hz.

    Returns:
        Frequency in Hz, between 0 and half the sample rate; ``freq_hz`` itself if
        that is where it lies.

    Raises:
        ValueError: If ``freq_hz`` is negative or ``sample_rate`` not positive.

    Source: folding about multiples of the Nyquist frequency.  Notebook: 01_waveform.ipynb.
    """
    sample_rate = check_positive(sample_rate, "sample_rate")
    if check_number(freq_hz, "freq_hz") < 0:
        raise ValueError(f"freq_hz={freq_hz} must be at least 0")
    return abs(freq_hz - sample_rate * round(freq_hz / sample_rate))


def quantize(waveform: Tensor, *, n_bits: int, dither_seed: int | None = None) -> Tensor:
    """Round every sample to the nearest of ``2 ** n_bits`` levels, as a converter does.

    Zero is one of the levels ("mid-tread"). With a single bit there is no room for that:
    the two levels are -1/2 and 1/2, and only the sign of each sample is kept.

    Args:
        waveform: Samples in [-1, 1], shape ``(..., time)``.
        n_bits: Bits per sample, 1 to 24.
        dither_seed: Seed of a noise of triangular distribution, up to one step, that is added
            before rounding, the same for every item; ``None`` adds nothing.

    Returns:
        Waveform, same shape, values ``k / 2 ** (n_bits - 1)`` from -1 to just below 1.

    Raises:
        ValueError: If ``n_bits`` is not an integer from 1 to 24.

    Source: linear PCM.  Notebook: 01_waveform.ipynb.
    """
    check_waveform(waveform)
    n_bits = check_positive_int(n_bits, "n_bits")
    if n_bits > 24:
        raise ValueError(f"n_bits={n_bits} must be at most 24, float32 holds no more")
    half = 2 ** (n_bits - 1)
    steps = waveform * half  # one step is 1
    if dither_seed is not None:
        steps = steps + _triangular_noise(waveform, dither_seed)
    if n_bits == 1:
        return torch.where(steps >= 0, 0.5, -0.5).to(waveform.dtype)
    return steps.round().clamp(-half, half - 1) / half


def _triangular_noise(waveform: Tensor, seed: int) -> Tensor:
    """Make the difference of two even noises, between -1 and 1, shape ``(time,)``."""
    generator = torch.Generator().manual_seed(seed)
    pair = torch.rand(2, waveform.shape[-1], dtype=torch.float64, generator=generator)
    return (pair[0] - pair[1]).to(dtype=waveform.dtype, device=waveform.device)


def signal_to_noise_db(clean: Tensor, noisy: Tensor, *, dim: int = -1) -> Tensor:
    r"""Compare a waveform with what was added to it: level of ``clean`` over ``noisy - clean``.

    Args:
        clean: Samples as they should be, shape ``(..., time)``.
        noisy: Samples as they are, same shape.
        dim: Dimension that is time.

    Returns:
        Ratio in dB without the time dimension; ``inf`` if both are equal, ``nan`` if both are
        silent.

    Raises:
        ValueError: If the shapes differ or there is no sample.

    Source: the definition.  Notebook: 01_waveform.ipynb.
    """
    check_waveform(noisy)
    if clean.shape != noisy.shape:
        raise ValueError(
            f"noisy must have the shape of clean, {tuple(clean.shape)}, got {tuple(noisy.shape)}"
        )
    return rms_dbfs(clean, dim=dim) - rms_dbfs(noisy - clean, dim=dim)


def quantization_snr_db(n_bits: int, *, level_dbfs: float = 10.0 * math.log10(0.5)) -> float:
    r"""Say how far rounding noise lies below a sound: :math:`6.02\,b + 1.76` dB for a sine.

    The error is spread evenly over a step of :math:`2 / 2^b`, so its power is a twelfth of
    the step's square.

    Args:
        n_bits: Bits per sample.
        level_dbfs: RMS of the sound in dBFS; default: a sine from -1 to 1.

    Returns:
        Ratio in dB. Sounds of a few steps only do not follow it.

    Raises:
        ValueError: If ``n_bits`` is not a positive integer, or the level not a number.

    Source: W. R. Bennett, Spectra of quantized signals (1948).  Notebook: 01_waveform.ipynb.
    """
    step = 2.0 / 2 ** check_positive_int(n_bits, "n_bits")
    return check_number(level_dbfs, "level_dbfs") - 10.0 * math.log10(step**2 / 12.0)
