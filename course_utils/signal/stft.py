r"""From a waveform to a spectrogram: the short-time Fourier transform (STFT).

.. math:: X(t, f) = \sum_n x[n + tH] \, w[n] \, e^{-j 2 \pi f n / N}

with hop :math:`H`, window :math:`w` and DFT length :math:`N`. The steps are
:func:`frame` -> times :func:`get_window` -> DFT (:func:`dft_matrix` says what
that is, ``torch.fft.rfft`` does the same thing fast).
"""

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.signal._checks import (
    check_choice,
    check_float_tensor,
    check_number,
    check_positive,
    check_positive_int,
    check_real_dtype,
    check_waveform,
)

WindowName = Literal["hann", "hamming", "blackman", "rectangular"]
PadMode = Literal["reflect", "constant", "replicate"]

# a0, a1, a2 of  w[n] = a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N)
_COSINE_SUMS: dict[str, tuple[float, float, float]] = {
    "hann": (0.5, 0.5, 0.0),
    "hamming": (0.54, 0.46, 0.0),
    "blackman": (0.42, 0.5, 0.08),
    "rectangular": (1.0, 0.0, 0.0),
}


def get_window(
    window: WindowName = "hann",
    win_length: int = 1024,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    r"""Make a periodic window, the weights of the samples inside one frame.

    Computes :math:`w[n] = a_0 - a_1 \cos(2 \pi n / N) + a_2 \cos(4 \pi n / N)`.
    Periodic means that the first sample is not repeated at the end.

    Args:
        window: "hann", "hamming", "blackman" or "rectangular".
        win_length: Length in samples.
        dtype: Floating-point type of the result.
        device: Where the result lives.

    Returns:
        Weights, shape ``(win_length,)``.

    Raises:
        ValueError: If the window is not known or ``win_length`` is not positive.

    Source: same numbers as ``torch.hann_window`` and its kin.  Notebook: 02_stft.ipynb.
    """
    check_choice(window, "window", get_args(WindowName))
    win_length = check_positive_int(win_length, "win_length")
    check_real_dtype(dtype)
    if win_length == 1:
        return torch.ones(1, dtype=dtype, device=device)
    a0, a1, a2 = _COSINE_SUMS[window]
    angle = torch.arange(win_length, dtype=torch.float64) * (2.0 * math.pi / win_length)
    weights = a0 - a1 * torch.cos(angle) + a2 * torch.cos(2.0 * angle)  # (win_length,)
    return weights.to(dtype=dtype, device=device)


def frame(waveform: Tensor, *, frame_length: int, hop_length: int) -> Tensor:
    """Cut a waveform into overlapping frames; frame t starts at sample ``t * hop_length``.

    Nothing is padded: samples at the end that fill no whole frame are left out.
    The result is a view, so it costs no memory and must not be written to.

    Args:
        waveform: Samples, shape ``(..., time)``.
        frame_length: Samples in one frame.
        hop_length: Samples from the start of one frame to the start of the next.

    Returns:
        One frame per row, shape ``(..., n_frames, frame_length)``.

    Raises:
        ValueError: If a length is not a positive integer, or no whole frame fits.

    Source: librosa.util.frame with the last two axes exchanged.  Notebook: 02_stft.ipynb.
    """
    check_waveform(waveform)
    frame_length = check_positive_int(frame_length, "frame_length")
    hop_length = check_positive_int(hop_length, "hop_length")
    if waveform.shape[-1] < frame_length:
        raise ValueError(
            f"frame_length={frame_length} is longer than the waveform of "
            f"{waveform.shape[-1]} samples; take a shorter frame or pad the waveform"
        )
    return waveform.unfold(-1, frame_length, hop_length)  # (..., n_frames, frame_length)


def dft_matrix(n_fft: int, *, dtype: torch.dtype = torch.complex64) -> Tensor:
    r"""Make the matrix whose product with a frame is the DFT of the frame.

    Row f holds the complex oscillation :math:`e^{-j 2 \pi f n / N}`; row f times
    the frame says how much of that oscillation the frame contains. The first
    ``n_fft // 2 + 1`` rows are all that a real frame needs.

    Args:
        n_fft: Length N of the frame, in samples.
        dtype: ``torch.complex64`` or ``torch.complex128``.

    Returns:
        Complex matrix, shape ``(n_fft, n_fft)``.

    Raises:
        ValueError: If ``n_fft`` is not a positive integer or ``dtype`` is not complex.

    Source: the definition of the DFT; same as scipy.linalg.dft.  Notebook: 02_stft.ipynb.
    """
    n_fft = check_positive_int(n_fft, "n_fft")
    check_choice(dtype, "dtype", (torch.complex64, torch.complex128))
    n = torch.arange(n_fft)
    turns = (n[:, None] * n % n_fft).double() / n_fft  # whole turns left out: exact angles
    angle = -2.0 * math.pi * turns  # (n_fft, n_fft)
    return torch.polar(torch.ones_like(angle), angle).to(dtype)


def n_frames(n_samples: int, *, n_fft: int, hop_length: int, center: bool = True) -> int:
    """Count the frames that :func:`stft` makes of ``n_samples`` samples.

    Args:
        n_samples: Length of the waveform, in samples.
        n_fft: Length of the DFT, in samples.
        hop_length: Samples from frame to frame.
        center: Whether the waveform is padded by ``n_fft // 2`` at both ends.

    Returns:
        Number of frames; 0 if not even one fits. With ``center=True`` and an
        even ``n_fft`` this is ``1 + n_samples // hop_length``.

    Raises:
        ValueError: If a length is not a positive integer.

    Notebook: 02_stft.ipynb.
    """
    n_samples = check_positive_int(n_samples, "n_samples", minimum=0)
    n_fft = check_positive_int(n_fft, "n_fft")
    hop_length = check_positive_int(hop_length, "hop_length")
    padded = n_samples + 2 * (n_fft // 2) if center else n_samples
    return max(0, 1 + (padded - n_fft) // hop_length)


def fft_freqs_hz(n_fft: int, *, sample_rate: float) -> Tensor:
    """Say which frequency each row of a spectrogram stands for.

    Args:
        n_fft: Length of the DFT, in samples.
        sample_rate: Samples per second, in Hz.

    Returns:
        Frequencies in Hz, ``k * sample_rate / n_fft``, float64, shape ``(n_fft // 2 + 1,)``.

    Raises:
        ValueError: If an argument is not positive.

    Source: same as numpy.fft.rfftfreq.  Notebook: 02_stft.ipynb.
    """
    n_fft = check_positive_int(n_fft, "n_fft")
    sample_rate = check_positive(sample_rate, "sample_rate")
    return torch.arange(n_fft // 2 + 1, dtype=torch.float64) * (sample_rate / n_fft)


def frame_times_s(
    n_frames: int, *, sample_rate: float, hop_length: int, n_fft: int = 0, center: bool = True
) -> Tensor:
    """Say at which time the middle of each frame lies.

    Args:
        n_frames: How many frames there are.
        sample_rate: Samples per second, in Hz.
        hop_length: Samples from frame to frame.
        n_fft: Length of the DFT; only needed with ``center=False``.
        center: Whether frame t is centred on sample ``t * hop_length``.

    Returns:
        Times in seconds, float64, shape ``(n_frames,)``.

    Raises:
        ValueError: If an argument is not positive.

    Source: same as librosa.frames_to_time.  Notebook: 02_stft.ipynb.
    """
    n_frames = check_positive_int(n_frames, "n_frames", minimum=0)
    sample_rate = check_positive(sample_rate, "sample_rate")
    hop_length = check_positive_int(hop_length, "hop_length")
    middle = 0 if center else check_positive_int(n_fft, "n_fft") // 2
    samples = torch.arange(n_frames, dtype=torch.float64) * hop_length + middle
    return samples / sample_rate


def _resolve_lengths(
    n_fft: int, hop_length: int | None, win_length: int | None
) -> tuple[int, int, int]:
    """Fill in the defaults and check: n_fft, hop_length, win_length."""
    n_fft = check_positive_int(n_fft, "n_fft")
    win_length = n_fft if win_length is None else check_positive_int(win_length, "win_length")
    if win_length > n_fft:
        raise ValueError(f"win_length={win_length} must not be longer than n_fft={n_fft}")
    if hop_length is None:
        hop_length = max(1, win_length // 2)
    return n_fft, check_positive_int(hop_length, "hop_length"), win_length


def _padded_window(window: WindowName, win_length: int, n_fft: int, like: Tensor) -> Tensor:
    """Make a window of ``win_length`` in the middle of ``n_fft`` samples, zeros around it."""
    weights = get_window(window, win_length, dtype=like.dtype, device=like.device)
    left = (n_fft - win_length) // 2
    return F.pad(weights, (left, n_fft - win_length - left))  # (n_fft,)


def _pad_ends(waveform: Tensor, n_fft: int, pad_mode: PadMode) -> Tensor:
    """Add ``n_fft // 2`` samples at both ends, so that frame 0 is centred on sample 0."""
    check_choice(pad_mode, "pad_mode", get_args(PadMode))
    pad, n_samples = n_fft // 2, waveform.shape[-1]
    if pad_mode == "reflect" and pad >= n_samples:
        raise ValueError(
            f"n_fft={n_fft} is too long for a waveform of {n_samples} samples: "
            f"pad_mode='reflect' needs more than n_fft // 2 = {pad}; "
            "take a shorter n_fft or pad_mode='constant'"
        )
    if n_samples == 0:
        raise ValueError("waveform is empty: shape (..., time) with at least one sample is needed")
    flat = waveform.reshape(-1, n_samples)  # (items, time): F.pad wants two dimensions
    return F.pad(flat, (pad, pad), mode=pad_mode).reshape(*waveform.shape[:-1], -1)


def stft(
    waveform: Tensor,
    *,
    n_fft: int = 1024,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: WindowName = "hann",
    center: bool = True,
    pad_mode: PadMode = "reflect",
) -> Tensor:
    r"""Compute the short-time Fourier transform.

    Frame the waveform, weigh each frame with the window, take its DFT:
    :math:`X(t, f) = \sum_n x[n + tH] \, w[n] \, e^{-j 2 \pi f n / N}`.

    Args:
        waveform: Samples, shape ``(..., time)``, float32 or float64.
        n_fft: Length N of the DFT, in samples.
        hop_length: Samples from frame to frame; ``None`` takes ``win_length // 2``.
        win_length: Length of the window, in samples, at most ``n_fft``; zeros are
            put around a shorter one. ``None`` takes ``n_fft``.
        window: "hann", "hamming", "blackman" or "rectangular".
        center: Whether frame t is centred on sample ``t * hop_length`` (the ends
            are padded by ``n_fft // 2``); otherwise it starts there.
        pad_mode: How the ends are padded: "reflect", "constant" (zeros) or "replicate".

    Returns:
        Complex spectrogram, shape ``(..., n_fft // 2 + 1, n_frames)``.

    Raises:
        TypeError: If the waveform is not a real floating-point tensor.
        ValueError: If a length is not positive, ``win_length > n_fft``, a name is
            not known, or the waveform is too short.

    Source: same numbers as torch.stft(normalized=False).  Notebook: 02_stft.ipynb.
    """
    check_waveform(waveform)
    n_fft, hop_length, win_length = _resolve_lengths(n_fft, hop_length, win_length)
    weights = _padded_window(window, win_length, n_fft, like=waveform)  # (n_fft,)
    if center:
        waveform = _pad_ends(waveform, n_fft, pad_mode)
    elif waveform.shape[-1] < n_fft:
        raise ValueError(
            f"n_fft={n_fft} is longer than the waveform of {waveform.shape[-1]} samples; "
            "take a shorter n_fft or center=True"
        )
    frames = frame(waveform, frame_length=n_fft, hop_length=hop_length)  # (..., n_frames, n_fft)
    return torch.fft.rfft(frames * weights).transpose(-2, -1)  # (..., freq, n_frames)


def _overlap_add(frames: Tensor, hop_length: int) -> Tensor:
    """Add frames ``(..., n_frames, n_fft)`` where they overlap; shape ``(..., time)``."""
    *lead, count, n_fft = frames.shape
    n_samples = n_fft + (count - 1) * hop_length
    columns = frames.reshape(-1, count, n_fft).transpose(-2, -1)  # (items, n_fft, n_frames)
    added = F.fold(columns, (1, n_samples), (1, n_fft), stride=(1, hop_length))
    return added.reshape(*lead, n_samples)


def istft(
    spec: Tensor,
    *,
    n_fft: int = 1024,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: WindowName = "hann",
    center: bool = True,
    length: int | None = None,
) -> Tensor:
    r"""Turn a complex spectrogram back into a waveform.

    Each column goes back to a frame, the frames are weighed with the window once
    more and added where they overlap, and the sum is divided by the sum of the
    squared windows. For the STFT of a waveform this undoes :func:`stft`; for any
    other spectrogram it is the waveform whose STFT is nearest to it.

    Args:
        spec: Complex spectrogram, shape ``(..., n_fft // 2 + 1, n_frames)``.
        n_fft: Length of the DFT that made it, in samples.
        hop_length: Samples from frame to frame; ``None`` takes ``win_length // 2``.
        win_length: Length of the window, in samples; ``None`` takes ``n_fft``.
        window: Name of the window that made it.
        center: Whether the ends were padded; the padding is cut off again.
        length: Samples to return; cut, or filled up with zeros. ``None`` takes all
            that the frames cover.

    Returns:
        Waveform, shape ``(..., length)``. Samples at the very ends that no window
        saw (``center=False``) are zero.

    Raises:
        TypeError: If ``spec`` is not complex.
        ValueError: If the shape does not fit ``n_fft``, or ``hop_length`` leaves
            samples between the frames that no window saw.

    Source: Griffin and Lim, 1984; same numbers as torch.istft.  Notebook: 02_stft.ipynb.
    """
    n_fft, hop_length, win_length = _resolve_lengths(n_fft, hop_length, win_length)
    _check_spec(spec, n_fft)
    if length is not None:
        length = check_positive_int(length, "length", minimum=0)
    frames = torch.fft.irfft(spec.transpose(-2, -1), n=n_fft)  # (..., n_frames, n_fft)
    weights = _padded_window(window, win_length, n_fft, like=frames)
    added = _overlap_add(frames * weights, hop_length)  # (..., time)
    envelope = _overlap_add((weights**2).expand(frames.shape[-2], -1), hop_length)  # (time,)
    start = n_fft // 2 if center else 0
    stop = envelope.shape[-1] - start if length is None else start + length
    added, envelope = added[..., start:stop], envelope[start:stop]
    seen = _check_no_gaps(envelope, window, win_length, hop_length)
    waveform = torch.where(seen, added / torch.where(seen, envelope, 1.0), 0.0)
    missing = 0 if length is None else length - waveform.shape[-1]
    return F.pad(waveform, (0, missing))


def _check_spec(spec: Tensor, n_fft: int) -> None:
    """Raise if ``spec`` is not a complex spectrogram of this ``n_fft``."""
    if not isinstance(spec, Tensor) or not spec.is_complex():
        kind = spec.dtype if isinstance(spec, Tensor) else type(spec).__name__
        raise TypeError(f"spec must be a complex tensor, got {kind}; without phases: griffin_lim")
    if spec.ndim < 2 or spec.shape[-2] != n_fft // 2 + 1 or spec.shape[-1] == 0:
        raise ValueError(
            f"spec must have shape (..., n_fft // 2 + 1 = {n_fft // 2 + 1}, n_frames) "
            f"for n_fft={n_fft}, got {tuple(spec.shape)}"
        )


def _check_no_gaps(envelope: Tensor, window: str, win_length: int, hop_length: int) -> Tensor:
    """Say which samples a window saw; raise if some in the middle were never seen."""
    seen = envelope > 1e-11
    where = seen.nonzero()
    if len(where) and not bool(seen[where[0, 0] : where[-1, 0] + 1].all()):
        raise ValueError(
            f"hop_length={hop_length} is too long for window={window!r} with "
            f"win_length={win_length}: samples between the frames were never seen, "
            "so they cannot be brought back; take a shorter hop_length"
        )
    return seen


def power_spectrogram(
    waveform: Tensor,
    *,
    n_fft: int = 1024,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: WindowName = "hann",
    center: bool = True,
    pad_mode: PadMode = "reflect",
    power: float = 2.0,
) -> Tensor:
    """Compute the magnitude of the STFT to some power: 2.0 is power, 1.0 is magnitude.

    Args:
        waveform: Samples, shape ``(..., time)``.
        n_fft: See :func:`stft`, as for the five that follow.
        hop_length: Samples from frame to frame.
        win_length: Length of the window, in samples.
        window: Name of the window.
        center: Whether frame t is centred on sample ``t * hop_length``.
        pad_mode: How the ends are padded.
        power: Exponent of the magnitude, > 0.

    Returns:
        Real spectrogram, shape ``(..., n_fft // 2 + 1, n_frames)``, >= 0.

    Raises:
        ValueError: If ``power`` is not positive, or as in :func:`stft`.

    Source: same numbers as torchaudio.transforms.Spectrogram.  Notebook: 02_stft.ipynb.
    """
    power = check_positive(power, "power")
    spec = stft(
        waveform,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=window,
        center=center,
        pad_mode=pad_mode,
    )
    if power == 2.0:
        return spec.real**2 + spec.imag**2  # no square root, so also smooth at zero
    return spec.abs() if power == 1.0 else spec.abs() ** power


def griffin_lim(
    power_spec: Tensor,
    *,
    n_fft: int = 1024,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: WindowName = "hann",
    power: float = 2.0,
    n_iter: int = 32,
    momentum: float = 0.99,
    length: int | None = None,
    random_phase: bool = True,
    seed: int = 0,
    on_round: Callable[[int], object] | None = None,
) -> Tensor:
    """Find a waveform for a spectrogram that has lost its phases.

    Goes back and forth between waveform and STFT, keeps the phases that come out
    and puts the given magnitudes back in. The level is kept: nothing is normalised.

    Args:
        power_spec: Magnitude to the power ``power``, shape ``(..., freq, n_frames)``,
            from a centred STFT.
        n_fft: Length of the DFT that made it, in samples.
        hop_length: Samples from frame to frame; ``None`` takes ``win_length // 2``.
        win_length: Length of the window, in samples; ``None`` takes ``n_fft``.
        window: Name of the window.
        power: Exponent of the magnitude: 2.0 for power, 1.0 for magnitude.
        n_iter: Rounds; 0 keeps the first phases.
        momentum: 0 is the method of 1984, up to below 1 is faster.
        length: Samples to return; ``None`` takes what the frames cover.
        random_phase: Start with random phases; otherwise with zeros.
        seed: Seed of the random phases. Every item starts with the same ones.
        on_round: Called with the number of rounds done, after each: to show progress, or
            to stop by raising an exception.

    Returns:
        Waveform, shape ``(..., length)``.

    Raises:
        ValueError: If ``momentum`` is not in [0, 1), or an argument does not fit.

    Source: Griffin and Lim, 1984; Perraudin et al., 2013; same numbers as
    torchaudio.functional.griffinlim.  Notebook: 03_mel.ipynb.
    """
    check_float_tensor(power_spec, "power_spec", min_dims=2, shape="(..., freq, n_frames)")
    power = check_positive(power, "power")
    n_iter = check_positive_int(n_iter, "n_iter", minimum=0)
    if not 0.0 <= check_number(momentum, "momentum") < 1.0:
        raise ValueError(f"momentum={momentum} must be at least 0 and below 1")
    n_fft, hop_length, win_length = _resolve_lengths(n_fft, hop_length, win_length)
    settings = {
        "n_fft": n_fft,
        "hop_length": hop_length,
        "win_length": win_length,
        "window": window,
    }
    magnitude = power_spec.clamp(min=0.0) ** (1.0 / power)
    phase = _first_phase(magnitude, random_phase, seed)  # (freq, n_frames): all items alike
    previous = torch.zeros_like(phase)
    for done in range(1, n_iter + 1):
        rebuilt = stft(istft(magnitude * phase, length=length, **settings), **settings)
        phase = rebuilt - previous * (momentum / (1.0 + momentum))
        phase = phase / (phase.abs() + 1e-16)
        previous = rebuilt
        if on_round is not None:
            on_round(done)
    return istft(magnitude * phase, length=length, **settings)


def _first_phase(magnitude: Tensor, random_phase: bool, seed: int) -> Tensor:
    """Make complex numbers of magnitude one, shape ``(freq, n_frames)``."""
    angle = torch.zeros(magnitude.shape[-2:], dtype=torch.float64)
    if random_phase:
        angle.uniform_(0.0, 2.0 * math.pi, generator=torch.Generator().manual_seed(seed))
    phase = torch.polar(torch.ones_like(angle), angle)
    return phase.to(dtype=magnitude.dtype.to_complex(), device=magnitude.device)
