"""Sounds whose answer is known: tones, chirps, clicks, noise.

``level_dbfs`` is everywhere the level of the peak: 0 dBFS reaches from -1 to 1,
-6.02 dBFS is half of that. Nothing is normalised, so two sounds of -12 dBFS can be
mixed without clipping.
"""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.signal._checks import (
    check_choice,
    check_number,
    check_positive,
    check_positive_int,
    check_real_dtype,
    check_waveform,
)

ChirpMethod = Literal["linear", "exponential"]
NoiseColour = Literal["white", "pink"]


def _amplitude(level_dbfs: float) -> float:
    """Turn a peak level in dBFS, at most 0, into an amplitude."""
    if check_number(level_dbfs, "level_dbfs") > 0:
        raise ValueError(f"level_dbfs={level_dbfs} must be at most 0 dBFS, or the sound clips")
    return 10.0 ** (level_dbfs / 20.0)


def _times_s(sample_rate: int, duration_s: float) -> Tensor:
    """Make the times of the samples in seconds, float64, shape ``(time,)``."""
    sample_rate = check_positive_int(sample_rate, "sample_rate")
    n_samples = round(check_positive(duration_s, "duration_s") * sample_rate)
    if n_samples < 1:
        raise ValueError(f"duration_s={duration_s} is shorter than one sample")
    return torch.arange(n_samples, dtype=torch.float64) / sample_rate


def _check_below_nyquist(freq_hz: float, name: str, sample_rate: int) -> float:
    """Return a frequency if the sample rate can carry it."""
    nyquist = check_positive_int(sample_rate, "sample_rate") / 2
    if not 0 <= check_number(freq_hz, name) < nyquist:
        raise ValueError(
            f"{name}={freq_hz} Hz must be at least 0 and below half the sample rate, {nyquist} Hz"
        )
    return float(freq_hz)


def make_tone(
    freq_hz: float,
    *,
    sample_rate: int = 16000,
    duration_s: float = 1.0,
    level_dbfs: float = -12.0,
    phase: float = 0.0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    r"""Make a tone, :math:`a \sin(2 \pi f t + \varphi)`.

    Args:
        freq_hz: Frequency in Hz, below half the sample rate.
        sample_rate: Samples per second, in Hz.
        duration_s: Length in seconds.
        level_dbfs: Peak level, at most 0 dBFS.
        phase: Phase at the first sample, in radians; ``math.pi / 2`` makes a cosine.
        dtype: Floating-point type of the result.

    Returns:
        Waveform, shape ``(time,)``. It starts and ends abruptly: see :func:`fade`.

    Raises:
        ValueError: If a frequency, length or level is out of range.

    Source: the definition.  Notebook: 01_waveform.ipynb.
    """
    check_real_dtype(dtype)
    freq_hz = _check_below_nyquist(freq_hz, "freq_hz", sample_rate)
    turns = freq_hz * _times_s(sample_rate, duration_s)
    angle = 2.0 * math.pi * turns + check_number(phase, "phase")
    return (_amplitude(level_dbfs) * torch.sin(angle)).to(dtype)


def make_chirp(
    f_start_hz: float,
    f_end_hz: float,
    *,
    sample_rate: int = 16000,
    duration_s: float = 1.0,
    level_dbfs: float = -12.0,
    method: ChirpMethod = "linear",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    r"""Make a tone that glides from one frequency to another.

    "linear" moves by equally many Hz each second, "exponential" by equally many
    octaves (and needs both frequencies above 0).

    Args:
        f_start_hz: Frequency at the first sample, in Hz.
        f_end_hz: Frequency at ``duration_s``, in Hz.
        sample_rate: Samples per second, in Hz.
        duration_s: Length in seconds.
        level_dbfs: Peak level, at most 0 dBFS.
        method: "linear" or "exponential".
        dtype: Floating-point type of the result.

    Returns:
        Waveform, shape ``(time,)``.

    Raises:
        ValueError: If a frequency, length or level is out of range.

    Source: same as scipy.signal.chirp with phi=-90.  Notebook: 02_stft.ipynb.
    """
    check_real_dtype(dtype)
    check_choice(method, "method", get_args(ChirpMethod))
    start = _check_below_nyquist(f_start_hz, "f_start_hz", sample_rate)
    end = _check_below_nyquist(f_end_hz, "f_end_hz", sample_rate)
    times = _times_s(sample_rate, duration_s)
    if method == "linear":
        turns = start * times + (end - start) * times**2 / (2.0 * duration_s)
    else:
        check_positive(start, "f_start_hz")
        octaves_per_s = math.log(check_positive(end, "f_end_hz") / start) / duration_s
        turns = start * times
        if octaves_per_s:
            turns = start * torch.expm1(octaves_per_s * times) / octaves_per_s
    return (_amplitude(level_dbfs) * torch.sin(2.0 * math.pi * turns)).to(dtype)


def make_clicks(
    times_s: Sequence[float],
    *,
    sample_rate: int = 16000,
    duration_s: float = 1.0,
    level_dbfs: float = -12.0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Make clicks: silence with single samples that stand out.

    Args:
        times_s: When, in seconds; each goes to the nearest sample.
        sample_rate: Samples per second, in Hz.
        duration_s: Length in seconds.
        level_dbfs: Peak level, at most 0 dBFS.
        dtype: Floating-point type of the result.

    Returns:
        Waveform, shape ``(time,)``.

    Raises:
        ValueError: If a time lies outside the sound, or a level is out of range.

    Source: the unit impulse.  Notebook: 02_stft.ipynb.
    """
    check_real_dtype(dtype)
    waveform = torch.zeros(len(_times_s(sample_rate, duration_s)), dtype=dtype)
    for time_s in times_s:
        sample = round(check_number(time_s, "times_s") * sample_rate)
        if not 0 <= sample < len(waveform):
            raise ValueError(f"times_s={time_s} s lies outside the sound of {duration_s} s")
        waveform[sample] = _amplitude(level_dbfs)
    return waveform


def make_click(
    time_s: float = 0.5,
    *,
    sample_rate: int = 16000,
    duration_s: float = 1.0,
    level_dbfs: float = -12.0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Make one click: see :func:`make_clicks`, of which this is the case of one time.

    Args:
        time_s: When, in seconds.
        sample_rate: Samples per second, in Hz.
        duration_s: Length in seconds.
        level_dbfs: Peak level, at most 0 dBFS.
        dtype: Floating-point type of the result.

    Returns:
        Waveform, shape ``(time,)``.

    Raises:
        ValueError: If the time lies outside the sound.
    """
    return make_clicks(
        [time_s],
        sample_rate=sample_rate,
        duration_s=duration_s,
        level_dbfs=level_dbfs,
        dtype=dtype,
    )


def make_noise(
    *,
    sample_rate: int = 16000,
    duration_s: float = 1.0,
    level_dbfs: float = -12.0,
    colour: NoiseColour = "white",
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Make noise: the same seed makes the same noise.

    "white" has equal power in equal steps of Hz, "pink" in equal steps of octaves.

    Args:
        sample_rate: Samples per second, in Hz.
        duration_s: Length in seconds.
        level_dbfs: Peak level, at most 0 dBFS; the RMS lies about 12 dB below.
        colour: "white" or "pink".
        seed: Seed of the random numbers.
        dtype: Floating-point type of the result.

    Returns:
        Waveform, shape ``(time,)``.

    Raises:
        ValueError: If a length, level or colour is out of range.

    Source: Gaussian noise; pink by dividing the spectrum by sqrt(f).
    Notebook: 01_waveform.ipynb.
    """
    check_real_dtype(dtype)
    check_choice(colour, "colour", get_args(NoiseColour))
    n_samples = len(_times_s(sample_rate, duration_s))
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n_samples, dtype=torch.float64, generator=generator)
    if colour == "pink":
        spectrum = torch.fft.rfft(noise)
        bins = torch.arange(len(spectrum), dtype=torch.float64).clamp(min=1.0)
        noise = torch.fft.irfft(spectrum / bins.sqrt(), n=n_samples)
    return set_peak(noise, level_dbfs=level_dbfs).to(dtype)


def make_silence(
    *, sample_rate: int = 16000, duration_s: float = 1.0, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Make silence: zeros.

    Args:
        sample_rate: Samples per second, in Hz.
        duration_s: Length in seconds.
        dtype: Floating-point type of the result.

    Returns:
        Waveform, shape ``(time,)``.

    Raises:
        ValueError: If a length is out of range.
    """
    check_real_dtype(dtype)
    return torch.zeros(len(_times_s(sample_rate, duration_s)), dtype=dtype)


def set_peak(waveform: Tensor, *, level_dbfs: float) -> Tensor:
    """Scale each waveform so that its peak has the given level; silence stays silence.

    Args:
        waveform: Samples, shape ``(..., time)``.
        level_dbfs: Peak level wanted, at most 0 dBFS.

    Returns:
        Waveform, same shape.

    Raises:
        ValueError: If ``level_dbfs`` is above 0 or the waveform is empty.

    Notebook: 01_waveform.ipynb.
    """
    check_waveform(waveform)
    if waveform.shape[-1] == 0:
        raise ValueError("waveform is empty: there is no peak to set")
    peak = waveform.abs().amax(dim=-1, keepdim=True)  # (..., 1)
    return waveform / torch.where(peak > 0, peak, 1.0) * _amplitude(level_dbfs)


def mix(*waveforms: Tensor) -> Tensor:
    """Add waveforms sample by sample; shorter ones end in silence.

    Args:
        *waveforms: Samples, shapes ``(..., time)`` whose leading dimensions broadcast.

    Returns:
        Sum, shape ``(..., longest time)``. Nothing is scaled: mind the peak.

    Raises:
        ValueError: If there is no waveform.

    Notebook: 01_waveform.ipynb.
    """
    if not waveforms:
        raise ValueError("waveforms: at least one is needed")
    for waveform in waveforms:
        check_waveform(waveform)
    longest = max(waveform.shape[-1] for waveform in waveforms)
    return sum(F.pad(waveform, (0, longest - waveform.shape[-1])) for waveform in waveforms)


def fade(
    waveform: Tensor, *, sample_rate: int = 16000, fade_in_s: float = 0.01, fade_out_s: float = 0.01
) -> Tensor:
    """Let a sound begin and end softly, so that its edges do not click.

    Args:
        waveform: Samples, shape ``(..., time)``.
        sample_rate: Samples per second, in Hz.
        fade_in_s: Time from silence to full level, in seconds, >= 0.
        fade_out_s: Time from full level to silence, in seconds, >= 0.

    Returns:
        Waveform, same shape; its first and last sample are zero where it fades.

    Raises:
        ValueError: If a time is negative, or longer than the sound.

    Source: half a period of a cosine.  Notebook: 01_waveform.ipynb.
    """
    check_waveform(waveform)
    sample_rate = check_positive_int(sample_rate, "sample_rate")
    n_samples = waveform.shape[-1]
    rise = _fade_curve(fade_in_s, "fade_in_s", sample_rate, n_samples)
    fall = _fade_curve(fade_out_s, "fade_out_s", sample_rate, n_samples).flip(0)
    gain = (rise * fall).to(dtype=waveform.dtype, device=waveform.device)
    return waveform * gain


def _fade_curve(fade_s: float, name: str, sample_rate: int, n_samples: int) -> Tensor:
    """Make gains that rise from 0 to 1 within ``fade_s`` and stay there, ``(n_samples,)``."""
    length = round(check_number(fade_s, name) * sample_rate)
    if not 0 <= length <= n_samples:
        raise ValueError(f"{name}={fade_s} s must lie between 0 and the length of the sound")
    curve = torch.ones(n_samples, dtype=torch.float64)
    turn = torch.arange(length, dtype=torch.float64) / max(1, length)  # half a turn in all
    curve[:length] = 0.5 - 0.5 * torch.cos(math.pi * turn)
    return curve
