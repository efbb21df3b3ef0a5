"""explore_mel: the spectrogram, its Mel bands, their triangles and what they still know."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import torch
from torch import Tensor

from course_utils.explorers.base import Explorer, _mono, empty_band_notes, hop_notes
from course_utils.explorers.live import LiveChain
from course_utils.explorers.own_function import NotWrittenYetError, OwnFunction
from course_utils.explorers.rebuild import (
    LONGEST_S,
    ORIGINAL,
    RebuildPanel,
    ShareDone,
    rebuild_sound,
)
from course_utils.explorers.stft import STFT_PRESETS, readout_texts, stft_readout
from course_utils.signal import mel_band_edges_hz, mel_band_heights
from course_utils.sound_view import Chart, Lane, Picture

_BANDS = {"speech": 80, "music": 128, "too blurred in time": 64, "too blurred in frequency": 20}


class MelPictures(Explorer):
    """Waveform, spectrogram and Mel spectrogram over one time axis."""

    lanes = (
        Lane("waveform", "waveform", "waveform", height=64),
        Lane("spectrogram", "picture", "spectrogram", height=170),
        Lane("mel", "picture", "Mel spectrogram", height=170),
    )

    def __init__(self, waveform: Any, sample_rate: float, *, start: dict[str, Any]) -> None:
        super().__init__(waveform, sample_rate, start=start)
        self.view.pin_lane = "mel"

    def _pictures(self, chain: LiveChain, settings: dict[str, Any]) -> dict[str, Picture | Chart]:
        visible = tuple(self.view.visible)
        return {
            "spectrogram": chain.spectrogram(settings, visible),
            "mel": chain.mel(settings, visible),
        }

    def _notes(self, settings: dict[str, Any]) -> list[str]:
        _fbank, empty = self.chain.filterbank(settings)
        return hop_notes(settings) + empty_band_notes(settings, empty)

    def _readout(self, settings: dict[str, Any]) -> dict[str, Any]:
        readout = stft_readout(settings, self.view.n_samples, self.view.sample_rate)
        readout["shape"] = (settings["n_mels"], readout["n_frames"])
        readout["empty_bands"] = self.chain.filterbank(settings)[1]
        return readout

    def _readout_texts(self, readout: dict[str, Any]) -> dict[str, str]:
        return readout_texts(readout, "tensor (n_mels, n_frames)")


class MelExplorer(MelPictures):
    """Both pictures, the filterbank, and the sound rebuilt from the bands; see :func:`explore_mel`.

    Attributes:
        heard: Name of the sound that is played and shown: "original", or a rebuilt one's.
    """

    title = "Mel explorer"
    kind = "mel"
    lanes = (*MelPictures.lanes, Lane("filterbank", "chart", "filterbank", height=128))
    defaults = {
        "n_fft": 1024,
        "hop_length": 512,
        "n_mels": 64,
        "win_length": None,
        "top_db": 80,
        "window": "hann",
        "freq_axis": "linear",
        "mel_scale": "htk",
        "norm": None,
    }
    presets = {name: values | {"n_mels": _BANDS[name]} for name, values in STFT_PRESETS.items()}

    def __init__(
        self,
        waveform: Any,
        sample_rate: float,
        *,
        mel_spectrogram: Callable[..., Any] | None = None,
        start: dict[str, Any],
    ) -> None:
        self._own = OwnFunction(mel_spectrogram) if mel_spectrogram is not None else None
        self._original = waveform
        self.heard = ORIGINAL
        self._panel = RebuildPanel(self._job, self.hear)
        super().__init__(waveform, sample_rate, start=start)

    def _make_chain(self, waveform: Tensor, sample_rate: float) -> LiveChain:
        return LiveChain(waveform, sample_rate, own_mel=self._own)

    def _pictures(self, chain: LiveChain, settings: dict[str, Any]) -> dict[str, Picture | Chart]:
        triangles = {"filterbank": chain.filterbank_chart(settings)}
        return super()._pictures(chain, settings) | triangles

    def _readout(self, settings: dict[str, Any]) -> dict[str, Any]:
        edges_hz = mel_band_edges_hz(
            n_mels=settings["n_mels"],
            sample_rate=self.view.sample_rate,
            mel_scale=settings["mel_scale"],
        )
        heights = mel_band_heights(edges_hz, norm=settings["norm"])
        steps_hz = edges_hz.diff()
        return super()._readout(settings) | {
            "band_steps_hz": (float(steps_hz[0]), float(steps_hz[-1])),
            "norm_tilt_db": 10.0 * math.log10(float(heights[-1] / heights[0])),
        }

    def _readout_texts(self, readout: dict[str, Any]) -> dict[str, str]:
        first, last = readout["band_steps_hz"]
        tilt_db = readout["norm_tilt_db"]
        texts = super()._readout_texts(readout) | {
            "bands every": f"{first:.0f} to {last:.0f} Hz",
            "area norm": f"tilts by \u2212{-tilt_db:.1f} dB, lowest to highest band"
            if tilt_db
            else "off, no tilt",
        }
        return ({"you hear": self.heard} if self._panel.sounds else {}) | texts

    def _control_rows(self) -> list[widgets.Widget]:
        return [*super()._control_rows(), self._panel.widget]

    # ---- what the bands still know

    def rebuild(self, *, timeout_s: float | None = None) -> None:
        """Rebuild the sound from the bands of this moment, as the button does, and wait for it."""
        self._panel.start()
        self._panel.background.wait(timeout_s)

    @property
    def rebuilt(self) -> dict[str, Tensor]:
        """The rebuilt sounds by name, oldest first; each ``(time,)``."""
        return dict(self._panel.sounds)

    def hear(self, name: str) -> None:
        """Play and show the original, or one of the rebuilt sounds, from where the playhead is.

        Raises:
            KeyError: If there is no such sound.
        """
        sound = self._original if name == ORIGINAL else self._panel.sounds[name]
        with self._lock:
            self.heard = name
            self.chain = self._make_chain(_mono(sound), self.view.sample_rate)
            self.view.set_sound(sound)
            if self.view.live:
                self.view.set_live_sound(self.chain.waveform)
            self.render()

    def _job(self) -> tuple[str, Callable[[ShareDone], tuple[Tensor, Tensor]]]:
        settings, sample_rate = self.settings, self.view.sample_rate
        whole = _mono(self._original)
        first, last = _stretch(len(whole), sample_rate, self.view.visible)
        scale = "" if settings["mel_scale"] == "htk" else f"{settings['mel_scale']} "

        def compute(on_share: ShareDone) -> tuple[Tensor, Tensor]:
            original = whole[first:last]
            sound = rebuild_sound(
                self._band_power(original, settings),
                settings=settings,
                sample_rate=sample_rate,
                length=len(original),
                on_share=on_share,
            )
            missing = (first, len(whole) - last)
            return tuple(torch.nn.functional.pad(s, missing) for s in (sound, original))

        return f"{settings['n_mels']} {scale}bands", compute

    def _band_power(self, waveform: Tensor, settings: dict[str, Any]) -> Tensor:
        chain = self._make_chain(waveform, self.view.sample_rate)
        try:
            return chain.mel_power(settings)
        except NotWrittenYetError:
            return LiveChain(waveform, self.view.sample_rate).mel_power(settings)


def _stretch(n_samples: int, sample_rate: float, visible: list[float]) -> tuple[int, int]:
    """First and last sample of what is rebuilt: all, or of a long sound what is visible."""
    longest = int(LONGEST_S * sample_rate)
    if n_samples <= longest:
        return 0, n_samples
    first, last = (round(t * sample_rate) for t in visible)
    first = max(0, min(first, n_samples - 1))
    return first, min(max(last, first + 1), first + longest, n_samples)


def explore_mel(
    waveform: Any,
    sample_rate: float,
    *,
    mel_spectrogram: Callable[..., Any] | None = None,
    **start: Any,
) -> MelExplorer:
    """Move the settings of the Mel spectrogram and watch both pictures.

    Args:
        waveform: ``(time,)`` or ``(channels, time)``, in [-1, 1].
        sample_rate: In Hz.
        mel_spectrogram: Your own function in place of ours. It gets the waveform ``(time,)`` and
            those of ``sample_rate, n_fft, hop_length, win_length, window, n_mels, mel_scale, norm``
            that it has as parameters, and returns Mel power ``(n_mels, n_frames)``.
        **start: First values: ``n_fft, hop_length, n_mels, win_length, top_db, window, freq_axis,
            mel_scale, norm``.

    Returns:
        An explorer that shows itself when it stands last in a cell.

    Raises:
        TypeError: If a start value names no slider.
        ValueError: If the waveform or a start value cannot be used.

    Notebook: 03_mel.ipynb.
    """
    return MelExplorer(waveform, sample_rate, mel_spectrogram=mel_spectrogram, start=start)
