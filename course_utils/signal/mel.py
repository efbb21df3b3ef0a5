r"""From equal steps in Hz to steps that sound equal: the mel scale and its filters.

.. math:: m = 2595 \log_{10}(1 + f / 700)

is the HTK formula; the Slaney formula is a line up to 1000 Hz and a logarithm above.
"""

import math
from collections.abc import Callable
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor

from course_utils.signal._checks import (
    check_choice,
    check_float_tensor,
    check_number,
    check_positive,
    check_positive_int,
    check_real_dtype,
)
from course_utils.signal.stft import PadMode, WindowName, fft_freqs_hz, power_spectrogram

MelScale = Literal["htk", "slaney"]
MelNorm = Literal["slaney"] | None
Numbers = TypeVar("Numbers", float, Tensor)

_SLANEY_HZ_PER_MEL = 200.0 / 3.0  # below the break
_SLANEY_BREAK_HZ = 1000.0
_SLANEY_BREAK_MEL = _SLANEY_BREAK_HZ / _SLANEY_HZ_PER_MEL  # 15
_SLANEY_LOG_STEP = math.log(6.4) / 27.0  # above the break, per mel


def _as_float_tensor(values: Numbers, name: str) -> Tensor:
    """Return values as a floating-point tensor; negative ones are an error."""
    tensor = values if isinstance(values, Tensor) else torch.as_tensor(values, dtype=torch.float64)
    tensor = tensor if tensor.is_floating_point() else tensor.to(torch.float64)
    if bool((tensor < 0).any()):
        raise ValueError(f"{name} must be >= 0, got {tensor.min().item():g}")
    return tensor


def hz_to_mel(freqs_hz: Numbers, *, mel_scale: MelScale = "htk") -> Numbers:
    r"""Convert frequencies to mels.

    "htk": :math:`m = 2595 \log_{10}(1 + f / 700)`. "slaney": :math:`m = 3 f / 200`
    up to 1000 Hz, then 27 mels for every factor of 6.4.

    Args:
        freqs_hz: Frequencies in Hz, any shape or a plain number, >= 0.
        mel_scale: "htk" or "slaney".

    Returns:
        Mels, same shape; a plain number for a plain number.

    Raises:
        ValueError: If a frequency is negative or the scale is not known.

    Source: HTK Book, 2006; Slaney, Auditory Toolbox, 1998; same as librosa.hz_to_mel.
    Notebook: 03_mel.ipynb.
    """
    check_choice(mel_scale, "mel_scale", get_args(MelScale))
    freqs = _as_float_tensor(freqs_hz, "freqs_hz")
    if mel_scale == "htk":
        mels = 2595.0 * torch.log10(1.0 + freqs / 700.0)
    else:
        above = torch.log(freqs.clamp(min=_SLANEY_BREAK_HZ) / _SLANEY_BREAK_HZ) / _SLANEY_LOG_STEP
        mels = torch.where(
            freqs < _SLANEY_BREAK_HZ, freqs / _SLANEY_HZ_PER_MEL, _SLANEY_BREAK_MEL + above
        )
    return mels.item() if isinstance(freqs_hz, (int, float)) else mels


def mel_to_hz(mels: Numbers, *, mel_scale: MelScale = "htk") -> Numbers:
    r"""Convert mels to frequencies; undoes :func:`hz_to_mel`.

    "htk": :math:`f = 700 (10^{m / 2595} - 1)`.

    Args:
        mels: Mels, any shape or a plain number, >= 0.
        mel_scale: "htk" or "slaney".

    Returns:
        Frequencies in Hz, same shape; a plain number for a plain number.

    Raises:
        ValueError: If a mel is negative or the scale is not known.

    Source: as :func:`hz_to_mel`; same as librosa.mel_to_hz.  Notebook: 03_mel.ipynb.
    """
    check_choice(mel_scale, "mel_scale", get_args(MelScale))
    values = _as_float_tensor(mels, "mels")
    if mel_scale == "htk":
        freqs = 700.0 * (10.0 ** (values / 2595.0) - 1.0)
    else:
        above = _SLANEY_BREAK_HZ * torch.exp(
            _SLANEY_LOG_STEP * (values - _SLANEY_BREAK_MEL).clamp(min=0.0)
        )
        freqs = torch.where(values < _SLANEY_BREAK_MEL, values * _SLANEY_HZ_PER_MEL, above)
    return freqs.item() if isinstance(mels, (int, float)) else freqs


def mel_band_edges_hz(
    *,
    n_mels: int,
    sample_rate: float,
    f_min: float = 0.0,
    f_max: float | None = None,
    mel_scale: MelScale = "htk",
) -> Tensor:
    """Say where the triangles begin, peak and end: band m uses edges m, m + 1 and m + 2.

    Args:
        n_mels: How many bands.
        sample_rate: Samples per second, in Hz.
        f_min: Lowest frequency, in Hz.
        f_max: Highest frequency, in Hz; ``None`` takes half the sample rate.
        mel_scale: "htk" or "slaney".

    Returns:
        Frequencies in Hz, equally far apart in mels, float64, shape ``(n_mels + 2,)``.
        ``[1:-1]`` are the centres of the bands.

    Raises:
        ValueError: If not ``0 <= f_min < f_max <= sample_rate / 2``, or ``n_mels``
            is not a positive integer.

    Source: same as librosa.mel_frequencies(n_mels + 2).  Notebook: 03_mel.ipynb.
    """
    n_mels = check_positive_int(n_mels, "n_mels")
    f_min, f_max = check_band(f_min, f_max, sample_rate)
    low, high = hz_to_mel(f_min, mel_scale=mel_scale), hz_to_mel(f_max, mel_scale=mel_scale)
    mels = torch.linspace(low, high, n_mels + 2, dtype=torch.float64)
    return mel_to_hz(mels, mel_scale=mel_scale)


def mel_band_heights(edges_hz: Tensor, *, norm: MelNorm = None) -> Tensor:
    """Say how high each triangle is: 1, or whatever makes its area 1.

    Args:
        edges_hz: From :func:`mel_band_edges_hz`, shape ``(n_mels + 2,)``.
        norm: ``None`` for height 1, "slaney" for area 1: height is 2 / width in Hz.

    Returns:
        Heights, shape ``(n_mels,)``. With area 1 the wide bands are low, so the picture
        is tilted, by ``10 * log10(heights[-1] / heights[0])`` dB from the lowest band
        to the highest.

    Raises:
        ValueError: If ``norm`` is not known or there are fewer than three edges.

    Source: as librosa.filters.mel.  Notebook: 03_mel.ipynb.
    """
    check_choice(norm, "norm", (None, "slaney"))
    check_float_tensor(edges_hz, "edges_hz")
    if edges_hz.ndim != 1 or len(edges_hz) < 3:
        raise ValueError(f"edges_hz must have shape (n_mels + 2,), got {tuple(edges_hz.shape)}")
    width_hz = edges_hz[2:] - edges_hz[:-2]
    return 2.0 / width_hz if norm == "slaney" else torch.ones_like(width_hz)


def check_band(f_min: float, f_max: float | None, sample_rate: float) -> tuple[float, float]:
    """Fill in ``f_max`` and raise unless ``0 <= f_min < f_max <= sample_rate / 2``."""
    nyquist = check_positive(sample_rate, "sample_rate") / 2.0
    f_max = nyquist if f_max is None else check_number(f_max, "f_max")
    if not 0.0 <= check_number(f_min, "f_min") < f_max:
        raise ValueError(f"f_min={f_min} Hz must be at least 0 and below f_max={f_max} Hz")
    if f_max > nyquist:
        raise ValueError(f"f_max={f_max} Hz must not be above half the sample rate, {nyquist} Hz")
    return float(f_min), float(f_max)


def mel_filterbank(
    *,
    n_freqs: int,
    n_mels: int,
    sample_rate: float,
    f_min: float = 0.0,
    f_max: float | None = None,
    mel_scale: MelScale = "htk",
    norm: MelNorm = None,
    n_fft: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Make the triangles that gather the rows of a spectrogram into mel bands.

    Each triangle rises from the centre of the band below to its own centre and
    falls to the centre of the band above.

    Args:
        n_freqs: Rows of the spectrogram, ``n_fft // 2 + 1``.
        n_mels: How many bands.
        sample_rate: Samples per second, in Hz.
        f_min: Lowest frequency, in Hz.
        f_max: Highest frequency, in Hz; ``None`` takes half the sample rate.
        mel_scale: "htk" or "slaney".
        norm: ``None`` gives every triangle height 1; "slaney" gives it area 1
            (height 2 / width in Hz).
        n_fft: Only for an odd ``n_fft``; ``None`` takes ``2 * (n_freqs - 1)``.
        dtype: Floating-point type of the result.

    Returns:
        Weights, shape ``(n_freqs, n_mels)``, >= 0. Too many bands for ``n_fft``
        leave some all zero: see :func:`empty_mel_bands`.

    Raises:
        ValueError: If an argument is out of range or a name is not known.

    Source: same numbers as librosa.filters.mel (transposed) and
    torchaudio.functional.melscale_fbanks.  Notebook: 03_mel.ipynb.
    """
    n_freqs = check_positive_int(n_freqs, "n_freqs", minimum=2)
    check_choice(norm, "norm", (None, "slaney"))
    check_real_dtype(dtype)
    n_fft = 2 * (n_freqs - 1) if n_fft is None else check_positive_int(n_fft, "n_fft")
    if n_fft // 2 + 1 != n_freqs:
        raise ValueError(f"n_fft={n_fft} has n_fft // 2 + 1 = {n_fft // 2 + 1} rows, not {n_freqs}")
    freqs = fft_freqs_hz(n_fft, sample_rate=sample_rate)[:, None]  # (n_freqs, 1)
    edges = mel_band_edges_hz(
        n_mels=n_mels, sample_rate=sample_rate, f_min=f_min, f_max=f_max, mel_scale=mel_scale
    )
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]  # (n_mels,) each
    rising = (freqs - left) / (centre - left)  # (n_freqs, n_mels)
    falling = (right - freqs) / (right - centre)
    triangles = torch.minimum(rising, falling).clamp(min=0.0)
    return (triangles * mel_band_heights(edges, norm=norm)).to(dtype)


def empty_mel_bands(mel_fbank: Tensor) -> Tensor:
    """Say which mel bands are all zero: their triangle lies between two rows.

    Args:
        mel_fbank: Weights, shape ``(n_freqs, n_mels)``.

    Returns:
        Booleans, shape ``(n_mels,)``; ``.nonzero()`` names the bands.

    Raises:
        ValueError: If ``mel_fbank`` has not two dimensions.

    Notebook: 03_mel.ipynb.
    """
    _check_fbank(mel_fbank)
    return (mel_fbank == 0).all(dim=0)


def _check_fbank(mel_fbank: Tensor) -> None:
    """Raise if ``mel_fbank`` is not a matrix of weights."""
    check_float_tensor(mel_fbank, "mel_fbank")
    if mel_fbank.ndim != 2:
        raise ValueError(
            f"mel_fbank must have shape (n_freqs, n_mels), got {tuple(mel_fbank.shape)}"
        )


def apply_mel_filterbank(power_spec: Tensor, mel_fbank: Tensor) -> Tensor:
    """Gather the rows of a spectrogram into mel bands: one matrix product.

    Args:
        power_spec: Spectrogram, shape ``(..., n_freqs, n_frames)``.
        mel_fbank: Weights, shape ``(n_freqs, n_mels)``.

    Returns:
        Mel spectrogram, shape ``(..., n_mels, n_frames)``.

    Raises:
        ValueError: If the numbers of rows differ.

    Source: same numbers as torchaudio.transforms.MelScale.  Notebook: 03_mel.ipynb.
    """
    check_float_tensor(power_spec, "power_spec", min_dims=2, shape="(..., n_freqs, n_frames)")
    _check_fbank(mel_fbank)
    if power_spec.shape[-2] != mel_fbank.shape[0]:
        raise ValueError(
            f"power_spec has {power_spec.shape[-2]} rows, mel_fbank expects {mel_fbank.shape[0]}"
        )
    weights = mel_fbank.to(dtype=power_spec.dtype, device=power_spec.device)
    return (power_spec.transpose(-2, -1) @ weights).transpose(-2, -1)  # (..., n_mels, n_frames)


def mel_spectrogram(
    waveform: Tensor,
    *,
    sample_rate: float,
    n_fft: int = 1024,
    hop_length: int | None = None,
    n_mels: int = 64,
    win_length: int | None = None,
    window: WindowName = "hann",
    center: bool = True,
    pad_mode: PadMode = "reflect",
    power: float = 2.0,
    f_min: float = 0.0,
    f_max: float | None = None,
    mel_scale: MelScale = "htk",
    norm: MelNorm = None,
) -> Tensor:
    """Compute a mel spectrogram: STFT, magnitude to a power, mel filterbank.

    Args:
        waveform: Samples, shape ``(..., time)``.
        sample_rate: Samples per second, in Hz.
        n_fft: Length of the DFT, in samples.
        hop_length: Samples from frame to frame; ``None`` takes ``win_length // 2``.
        n_mels: How many bands.
        win_length: Length of the window, in samples; ``None`` takes ``n_fft``.
        window: "hann", "hamming", "blackman" or "rectangular".
        center: Whether frame t is centred on sample ``t * hop_length``.
        pad_mode: How the ends are padded.
        power: Exponent of the magnitude: 2.0 for power, 1.0 for magnitude.
        f_min: Lowest frequency, in Hz.
        f_max: Highest frequency, in Hz; ``None`` takes half the sample rate.
        mel_scale: "htk" or "slaney".
        norm: ``None`` for triangles of height 1, "slaney" for area 1.

    Returns:
        Mel spectrogram, shape ``(..., n_mels, n_frames)``, >= 0.

    Raises:
        ValueError: As in :func:`course_utils.signal.stft` and :func:`mel_filterbank`.

    Source: same numbers as librosa.feature.melspectrogram and
    torchaudio.transforms.MelSpectrogram.  Notebook: 03_mel.ipynb.
    """
    power_spec = power_spectrogram(
        waveform,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=window,
        center=center,
        pad_mode=pad_mode,
        power=power,
    )
    mel_fbank = mel_filterbank(
        n_freqs=power_spec.shape[-2],
        n_mels=n_mels,
        sample_rate=sample_rate,
        f_min=f_min,
        f_max=f_max,
        mel_scale=mel_scale,
        norm=norm,
        n_fft=n_fft,
        dtype=power_spec.dtype,
    )
    return apply_mel_filterbank(power_spec, mel_fbank)


def invert_mel(
    mel_spec: Tensor,
    *,
    mel_fbank: Tensor,
    n_iter: int = 50,
    on_round: Callable[[int], object] | None = None,
) -> Tensor:
    """Guess the spectrogram that gave a mel spectrogram; the details inside a band are lost.

    Spreads every band over its own triangle, then improves the guess so that its
    mel bands come near the given ones (multiplicative updates, never negative).

    Args:
        mel_spec: Mel spectrogram, not in dB, shape ``(..., n_mels, n_frames)``, >= 0.
        mel_fbank: The weights that made it, shape ``(n_freqs, n_mels)``.
        n_iter: Rounds of improvement.
        on_round: Called with the number of rounds done, after each: to show progress, or
            to stop by raising an exception.

    Returns:
        Spectrogram, shape ``(..., n_freqs, n_frames)``, >= 0; zero in rows that no
        band covers. :func:`course_utils.signal.griffin_lim` makes it a sound.

    Raises:
        ValueError: If the numbers of bands differ or a value is negative (decibels?).

    Source: Lee and Seung, 2001; the same task as librosa.feature.inverse.mel_to_stft.
    Notebook: 03_mel.ipynb.
    """
    check_float_tensor(mel_spec, "mel_spec", min_dims=2, shape="(..., n_mels, n_frames)")
    _check_fbank(mel_fbank)
    n_iter = check_positive_int(n_iter, "n_iter", minimum=0)
    if mel_spec.shape[-2] != mel_fbank.shape[1]:
        raise ValueError(
            f"mel_spec has {mel_spec.shape[-2]} bands, mel_fbank has {mel_fbank.shape[1]}"
        )
    if bool((mel_spec < 0).any()):
        raise ValueError("mel_spec must be >= 0; is it in decibels? db_to_power undoes that")
    fbank = mel_fbank.to(dtype=mel_spec.dtype, device=mel_spec.device)
    tiny = torch.finfo(fbank.dtype).tiny
    target = mel_spec.transpose(-2, -1)  # (..., n_frames, n_mels)
    guess = (target / fbank.sum(dim=0).clamp(min=tiny)) @ fbank.T  # (..., n_frames, n_freqs)
    pull = target @ fbank.T
    for done in range(1, n_iter + 1):
        guess = guess * pull / ((guess @ fbank) @ fbank.T).clamp(min=tiny)
        if on_round is not None:
            on_round(done)
    return guess.transpose(-2, -1)  # (..., n_freqs, n_frames)
