"""The filterbank as a chart: each triangle over the frequency axis, HTK and Slaney over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.signal import hz_to_mel, mel_band_edges_hz, mel_band_heights, mel_to_hz
from course_utils.sound_view import Axis, Chart, Line

LOWEST_LOG_HZ = 40.0  # where a logarithmic frequency axis begins: it has no zero
_SIDE = 6  # points on each side of a triangle, where the axis bends its straight sides
_CURVE = 129  # points of a curve of mel over Hz
_NAMES = {"htk": "HTK mel", "slaney": "Slaney mel"}


def filterbank_chart(settings: dict[str, Any], *, sample_rate: float, empty: list[int]) -> Chart:
    """Draw the triangles of a Mel filterbank; those of empty bands are dashed.

    Args:
        settings: An explorer's, with ``n_fft, n_mels, mel_scale, norm, freq_axis``.
        sample_rate: In Hz.
        empty: Numbers of the bands without a frequency bin.
    """
    edges_hz = mel_band_edges_hz(
        n_mels=settings["n_mels"], sample_rate=sample_rate, mel_scale=settings["mel_scale"]
    )
    heights = mel_band_heights(edges_hz, norm=settings["norm"]).numpy()
    x = _frequency_axis(settings["freq_axis"], sample_rate / 2)
    shapes = _triangles(edges_hz.numpy(), heights, bent=x.scale != "linear")
    top = 1.05 * float(heights.max())
    lines = [
        Line(freqs_hz.clip(x.min, x.max), weights, style="dashed" if band in empty else "area")
        for band, (freqs_hz, weights) in enumerate(zip(*shapes, strict=True))
    ]
    notes = [f"curves: mel, from 0 to its value at {sample_rate / 2:g} Hz"]
    if empty:
        notes.append("dashed: empty bands")
    return Chart(
        x=x,
        y=Axis("weight", "1/Hz" if settings["norm"] else "", 0.0, top),
        lines=(*lines, *_scale_curves(sample_rate / 2, x, float(heights.max()))),
        bands=True,
        bin_hz=sample_rate / settings["n_fft"],
        settings={k: settings[k] for k in ("n_fft", "n_mels", "mel_scale")}
        | {"norm": settings["norm"] or "none"},
        notes=tuple(notes),
    )


def _frequency_axis(freq_axis: str, nyquist_hz: float) -> Axis:
    """The same three axes as the spectrogram's, lying down."""
    if freq_axis == "linear":
        return Axis("frequency", "Hz", 0.0, nyquist_hz)
    if freq_axis == "log":
        return Axis("frequency", "Hz", LOWEST_LOG_HZ, nyquist_hz, "log")
    mels = torch.linspace(0.0, hz_to_mel(nyquist_hz), 257, dtype=torch.float64)
    table = tuple(np.round(mel_to_hz(mels).numpy(), 2).tolist())
    return Axis("frequency", "Hz", 0.0, nyquist_hz, "table", table)


def _triangles(
    edges_hz: np.ndarray, heights: np.ndarray, *, bent: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Points of all triangles: Hz and weights, shape ``(n_mels, n_points)`` each."""
    rise = np.linspace(0.0, 1.0, _SIDE if bent else 2)
    left, centre, right = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    freqs_hz = np.hstack([left + (centre - left) * rise, centre + (right - centre) * rise[1:]])
    weights = np.concatenate([rise, rise[-2::-1]])
    return freqs_hz, heights[:, None] * weights


def _scale_curves(nyquist_hz: float, x: Axis, height: float) -> list[Line]:
    """Mel over Hz, each scale as a part of its value at the top."""
    freqs_hz = torch.linspace(max(x.min, 0.0), nyquist_hz, _CURVE, dtype=torch.float64)
    if x.scale != "linear":
        freqs_hz = torch.cat([torch.linspace(x.min, 1000.0, _CURVE, dtype=torch.float64), freqs_hz])
        freqs_hz = freqs_hz.sort().values
    return [
        Line(freqs_hz.numpy(), height * _share(freqs_hz, scale), _NAMES[scale], style)
        for scale, style in (("htk", "line"), ("slaney", "dashed"))
    ]


def _share(freqs_hz: Tensor, mel_scale: str) -> np.ndarray:
    mels = hz_to_mel(freqs_hz, mel_scale=mel_scale)
    return (mels / mels[-1]).numpy()
