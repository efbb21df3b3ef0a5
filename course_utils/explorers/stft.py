"""explore_stft: n_fft, hop_length, win_length and window under the hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from course_utils.explorers.base import Explorer
from course_utils.explorers.live import LiveChain
from course_utils.explorers.own_function import OwnFunction
from course_utils.signal.resolution import window_resolution
from course_utils.signal.stft import n_frames
from course_utils.sound_view import Lane, Picture

STFT_PRESETS = {
    "speech": {"n_fft": 512, "hop_length": 160, "win_length": 400, "window": "hann"},
    "music": {"n_fft": 2048, "hop_length": 512, "win_length": None, "window": "hann"},
    "too blurred in time": {"n_fft": 4096, "hop_length": 256, "win_length": None, "window": "hann"},
    "too blurred in frequency": {
        "n_fft": 128,
        "hop_length": 64,
        "win_length": None,
        "window": "hann",
    },
}


class StftExplorer(Explorer):
    """Waveform and spectrogram over one time axis; see :func:`explore_stft`."""

    title = "STFT explorer"
    kind = "stft"
    lanes = (
        Lane("waveform", "waveform", "waveform", height=80),
        Lane("spectrogram", "picture", "spectrogram", height=240),
    )
    defaults = {
        "n_fft": 1024,
        "hop_length": 512,
        "win_length": None,
        "window": "hann",
        "freq_axis": "linear",
        "top_db": 80,
    }
    presets = STFT_PRESETS

    def __init__(
        self,
        waveform: Any,
        sample_rate: float,
        *,
        stft: Callable[..., Any] | None = None,
        start: dict[str, Any],
    ) -> None:
        self._own = OwnFunction(stft) if stft is not None else None
        super().__init__(waveform, sample_rate, start=start)

    def _make_chain(self, waveform: Tensor, sample_rate: float) -> LiveChain:
        return LiveChain(waveform, sample_rate, own_stft=self._own)

    def _pictures(self, chain: LiveChain, settings: dict[str, Any]) -> dict[str, Picture]:
        return {"spectrogram": chain.spectrogram(settings, tuple(self.view.visible))}

    def _readout(self, settings: dict[str, Any]) -> dict[str, Any]:
        return stft_readout(settings, self.view.n_samples, self.view.sample_rate)

    def _readout_texts(self, readout: dict[str, Any]) -> dict[str, str]:
        return readout_texts(readout, "tensor (n_freqs, n_frames)")


def stft_readout(settings: dict[str, Any], n_samples: int, sample_rate: float) -> dict[str, Any]:
    """Numbers that follow from the settings: resolution, frames, shape, overlap."""
    n_fft, hop_length = settings["n_fft"], settings["hop_length"]
    win_length = settings.get("win_length") or n_fft
    window = settings.get("window", "hann")
    time_s, freq_hz = window_resolution(window, win_length, sample_rate=sample_rate)
    count = n_frames(n_samples, n_fft=n_fft, hop_length=hop_length)
    return {
        "time_resolution_ms": 1000.0 * time_s,
        "freq_resolution_hz": freq_hz,
        "bin_spacing_hz": sample_rate / n_fft,
        "hop_ms": 1000.0 * hop_length / sample_rate,
        "n_frames": count,
        "shape": (n_fft // 2 + 1, count),
        "overlap": max(0.0, 1.0 - hop_length / win_length),
    }


def readout_texts(readout: dict[str, Any], shape_name: str) -> dict[str, str]:
    """The read-out as text with units."""
    return {
        "time resolution": f"{readout['time_resolution_ms']:.1f} ms",
        "frequency resolution": f"{readout['freq_resolution_hz']:.1f} Hz",
        "bins every": f"{readout['bin_spacing_hz']:.1f} Hz",
        "frames every": f"{readout['hop_ms']:.1f} ms",
        "frames": str(readout["n_frames"]),
        "overlap": f"{100 * readout['overlap']:.0f} %",
        shape_name: str(readout["shape"]),
    }


def explore_stft(
    waveform: Any, sample_rate: float, *, stft: Callable[..., Any] | None = None, **start: Any
) -> StftExplorer:
    """Move the settings of the STFT and watch the spectrogram.

    Args:
        waveform: ``(time,)`` or ``(channels, time)``, in [-1, 1].
        sample_rate: In Hz.
        stft: Your own function in place of ours. It gets the waveform ``(time,)`` and those of
            ``n_fft, hop_length, win_length, window, sample_rate`` that it has as parameters, and
            returns a complex or a power spectrogram ``(n_freqs, n_frames)``.
        **start: First values: ``n_fft, hop_length, win_length, window, freq_axis, top_db``.

    Returns:
        An explorer that shows itself when it stands last in a cell.

    Raises:
        TypeError: If a start value names no slider.
        ValueError: If the waveform or a start value cannot be used.

    Notebook: 02_stft.ipynb.
    """
    return StftExplorer(waveform, sample_rate, stft=stft, start=start)
