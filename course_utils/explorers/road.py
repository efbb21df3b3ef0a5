"""explore_road: the whole road of one sound on one screen, with three sliders."""

from __future__ import annotations

from typing import Any

from course_utils.explorers.mel import MelPictures


class RoadExplorer(MelPictures):
    """Both pictures with the three sliders that matter most; see :func:`explore_road`."""

    title = "The road of a sound"
    kind = "road"
    defaults = {"n_fft": 1024, "hop_length": 512, "n_mels": 64}
    fixed = {
        "win_length": None,
        "window": "hann",
        "freq_axis": "linear",
        "mel_scale": "htk",
        "norm": None,
        "top_db": 80,
    }
    presets = {}

    @property
    def settings(self) -> dict[str, Any]:
        """The three sliders, and what stays fixed."""
        return super().settings | self.fixed

    def _live_fixed(self) -> dict[str, Any]:
        return dict(self.fixed)


def explore_road(waveform: Any, sample_rate: float, **start: Any) -> RoadExplorer:
    """See a sound as waveform, spectrogram and Mel spectrogram at once.

    Args:
        waveform: ``(time,)`` or ``(channels, time)``, in [-1, 1].
        sample_rate: In Hz.
        **start: First values: ``n_fft, hop_length, n_mels``.

    Returns:
        An explorer that shows itself when it stands last in a cell.

    Notebook: 00_start.ipynb.
    """
    return RoadExplorer(waveform, sample_rate, start=start)
