"""What goes through a network as pictures of a SoundView, all over the clip's own time axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_utils.explorers.live import _rounded, _to_hz, _window_shape
from course_utils.models.explain import bands_hz, frames_ms, unit_extents
from course_utils.models.features import WordFeatures
from course_utils.signal import MelParams, hz_to_mel, mel_band_edges_hz
from course_utils.sound_view import Axis, Chart, Line, Picture

SIGMAS = 3.0  # a standardised picture's colours end here, as in lesson 05
_TABLE = 129  # values of a mel axis


class NetworkPictures:
    """Makes pictures of everything between a clip and its word.

    Args:
        params: How the network's picture is made from samples.
        n_samples: Length of the clips.
    """

    def __init__(self, params: MelParams, *, n_samples: int) -> None:
        self.params, self.n_samples = params, n_samples
        self.n_frames = params.n_frames(n_samples)
        self._hop_s = params.hop_length / params.sample_rate
        self._centre0_s = 0.0 if params.center else params.n_fft / 2 / params.sample_rate
        edges_hz = mel_band_edges_hz(
            n_mels=params.n_mels,
            sample_rate=params.sample_rate,
            f_min=params.f_min,
            f_max=params.f_max,
            mel_scale=params.mel_scale,
        )
        self._rows = {
            "kind": "band",
            "low": _rounded(edges_hz[:-2].numpy()),
            "centre": _rounded(edges_hz[1:-1].numpy()),
            "high": _rounded(edges_hz[2:].numpy()),
            "bin_hz": params.sample_rate / params.n_fft,
        }
        # row m reaches half a step to both sides of its centre
        mels = hz_to_mel(edges_hz, mel_scale=params.mel_scale)
        step = (mels[1] - mels[0]) / 2
        places = np.linspace((mels[0] + step).item(), (mels[-1] - step).item(), _TABLE)
        self._table = _to_hz(places, params.mel_scale)
        self._y = Axis(
            "band", "Hz", float(self._table[0]), float(self._table[-1]), "table",
            _rounded(self._table), _rounded(places),
        )  # fmt: skip

    # ---- over time

    def seen(self, picture: Tensor, features: WordFeatures, **about: Any) -> Picture:
        """What the network gets, ``(n_mels, n_frames)``: standard deviations, or numbers as is."""
        about |= {"rows": self._rows, "value_label": "level"}
        about["notes"] = (f"{picture.shape[0]} \u00d7 {picture.shape[1]}",)
        if features.normalize != "none":
            return self._over_frames(
                picture, -SIGMAS, SIGMAS, colours="signed", value_unit="\u03c3", **about
            )
        unit = {"db": "dB", "power": "power", "magnitude": "amplitude"}[features.scale]
        low, high = picture.min().item(), picture.max().item()
        return self._over_frames(picture, low, max(high, low + 1e-9), value_unit=unit, **about)

    def saliency(self, values: Tensor, *, signed: bool, **about: Any) -> Picture:
        """Which cells matter, ``(n_mels, n_frames)``, in % of what matters most.

        Args:
            values: Red for the word and blue against it if ``signed``; otherwise >= 0.
            signed: Whether there are two sides.
            about: Settings and notes of the picture.
        """
        shares = 100.0 * values / (values.abs().max().item() or 1.0)
        return self._over_frames(
            shares, -100.0 if signed else 0.0, 100.0, value_label="saliency", value_unit="%",
            colours="signed" if signed else "level", **about,
        )  # fmt: skip

    def feature_map(
        self, values: Tensor, network: nn.Module, *, stage: int, top: float, **about: Any
    ) -> Picture:
        """One channel of a stage, ``(rows, columns)``; pointing at a unit shows what it sees."""
        rows, columns = unit_extents(
            network, stage=stage, picture_shape=(self.params.n_mels, self.n_frames)
        )
        n_rows, n_columns = values.shape
        dt_s = self._hop_s * self.n_frames / n_columns
        t0_s = self._centre0_s - 0.5 * self._hop_s
        frames = {
            "first": 0, "step": 1, "hop_s": dt_s, "centre0_s": t0_s + 0.5 * dt_s,
            "before_s": 0.5 * dt_s, "after_s": 0.5 * dt_s, "window": (),
            "fields": {
                "rows": [self._bands_seen(extent) for extent in rows],
                "columns": [self._frames_seen(extent) for extent in columns],
            },
        }  # fmt: skip
        return self._picture(
            values, 0.0, max(top, 1e-6), t0_s=t0_s, dt_s=dt_s, frames=frames, rows={},
            value_label="activation", value_unit="", **about,
        )  # fmt: skip

    def _bands_seen(self, extent: tuple[int, int]) -> dict[str, float]:
        """Edges of these rows in the picture, and the frequencies that they gather, in Hz."""
        first, last = extent
        n_mels = self.params.n_mels
        places = np.array([first / n_mels, (last + 1) / n_mels])
        edges = np.interp(places, np.linspace(0.0, 1.0, _TABLE), self._table)
        low_hz, high_hz = bands_hz(extent, params=self.params)
        return {
            "count": last - first + 1, "from": edges[0].item(), "to": edges[1].item(),
            "low_hz": low_hz, "high_hz": high_hz,
        }  # fmt: skip

    def _frames_seen(self, extent: tuple[int, int]) -> dict[str, float]:
        """Edges of these columns in the picture, and the stretch of sound that they see, in s."""
        first, last = extent
        start_ms, end_ms = frames_ms(extent, params=self.params, n_samples=self.n_samples)
        return {
            "count": last - first + 1,
            "from": self._centre0_s + (first - 0.5) * self._hop_s,
            "to": self._centre0_s + (last + 0.5) * self._hop_s,
            "start_s": start_ms / 1000.0, "end_s": end_ms / 1000.0,
        }  # fmt: skip

    def _over_frames(self, values: Tensor, low: float, high: float, **about: Any) -> Picture:
        """A picture with one column for each frame."""
        params = self.params
        win_length = params.win_length or params.n_fft
        before = win_length // 2
        frames = {
            "first": 0, "step": 1, "hop_s": self._hop_s, "centre0_s": self._centre0_s,
            "before_s": before / params.sample_rate,
            "after_s": (win_length - before) / params.sample_rate,
            "window": _window_shape(params.window),
        }  # fmt: skip
        return self._picture(
            values, low, high, frames=frames, dt_s=self._hop_s,
            t0_s=self._centre0_s - 0.5 * self._hop_s, **about,
        )  # fmt: skip

    def _picture(self, values: Tensor, low: float, high: float, **about: Any) -> Picture:
        return Picture(
            cells=to_cells(values, low, high), y=self._y, value_min=low, value_max=high, **about
        )


def to_cells(values: Tensor, low: float, high: float) -> np.ndarray:
    """Numbers as 8 bits: 0 is ``low`` and below, 255 is ``high`` and above."""
    scaled = (values.detach() - low) * (255.0 / (high - low))
    return scaled.round().clamp(0.0, 255.0).to(torch.uint8).numpy()


def probability_chart(
    probabilities: Tensor, said: int, label_names: tuple[str, ...], **about: Any
) -> Chart:
    """A bar for each word, in per cent; the one that was said has a colour of its own.

    Args:
        probabilities: Shape ``(n_classes,)``.
        said: Number of the true word.
        label_names: All words.
    """
    # four places for each word: three for its bar, and one for the gap after it
    word = np.arange(len(label_names)).repeat(4)
    offset = np.tile([-0.25, 0.0, 0.25, 0.5], len(label_names))
    places, is_said = word + offset, word == said
    percent = 100.0 * probabilities.numpy()[word] * (offset < 0.5)
    return Chart(
        x=Axis("word", "", -0.625, len(label_names) - 0.375, names=tuple(label_names)),
        y=Axis("probability", "%", 0.0, 100.0),
        lines=(
            Line(places, np.where(is_said, percent, 0.0), "the word that was said", "bars"),
            Line(places, np.where(is_said, 0.0, percent), "other words", "bars"),
        ),
        **about,
    )
