"""explore_waveform: sample rate, bit depth and channels under the hand, down to single samples."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import ipywidgets as widgets
import numpy as np
import torch
from torch import Tensor

from course_utils.explorers.base import Explorer
from course_utils.explorers.controls import make_menu, make_slider
from course_utils.explorers.live import LiveChain
from course_utils.signal import (
    alias_freq_hz,
    db_to_amplitude,
    downsample,
    interpolate,
    match_level,
    peak_dbfs,
    power_spectrogram,
    quantization_snr_db,
    quantize,
    resample,
    rms_dbfs,
    signal_to_noise_db,
    to_mono,
)
from course_utils.signal.stft import fft_freqs_hz, get_window
from course_utils.sound_view import Axis, Chart, Curve, Lane, Line, Picture

MAX_DURATION_S = 8.0
MAX_SAMPLES = 200_000  # of each channel: what is longer is cut, so that a slider never waits
KEEP_EVERY = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20)
N_BITS = tuple(range(1, 17))
GAIN_DB = (0, -6, -12, -20, -30, -40, -50, -60)
CHOICES = {
    "anti_alias": ("on", "off"),
    "dither": ("off", "triangular"),
    "channels": ("both", "left", "right", "mono"),
    "hear": ("result", "original", "difference"),
}
_LOWEST_HZ = 800  # no sample rate below this on the slider
_MOST_DOTS = 1200  # samples in view; more are drawn as their envelope
_MOST_SMOOTH = 300  # samples in view with the curve through them
_MOST_STEPS = 33  # levels of the quantiser in view that are drawn
_MARGIN = 64  # samples beside the view that shape a curve in it
_SPECTRUM_FRAMES = 60
_FLOOR_DB = -120.0


class Sampled(NamedTuple):
    """What the settings made of a sound; all but ``kept`` at the original sample rate.

    Attributes:
        source: The channels that are listened to, ``(n_channels, time)``.
        exact: The samples that were kept, before rounding, ``(n_channels, kept)``.
        kept: The same, rounded to ``n_bits``.
        curve: The one band-limited curve through ``kept``, ``(n_channels, time)``.
        heard: What is played, ``(n_channels, time)``.
    """

    source: Tensor
    exact: Tensor
    kept: Tensor
    curve: Tensor
    heard: Tensor


class _Stages:
    """What each step made last, so that a step whose settings did not change is not taken again."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Hashable, Any]] = {}

    def __call__(self, stage: str, key: Hashable, make: Callable[[], Any]) -> Any:
        kept = self._kept.get(stage)
        if kept is None or kept[0] != key:
            self._kept[stage] = kept = (key, make())
        return kept[1]


class WaveformExplorer(Explorer):
    """Samples, their spectrum and their sound; see :func:`explore_waveform`."""

    title = "Waveform explorer"
    lanes = (
        Lane("waveform", "waveform", "what you hear", height=84),
        Lane("samples", "curve", "the samples that are kept", height=110),
        Lane("spectrogram", "picture", "spectrogram of what you hear", height=130),
        Lane("spectrum", "chart", "spectrum of the stretch in view", height=150),
    )
    defaults = {
        "keep_every": 1,
        "n_bits": 16,
        "gain_db": 0,
        "anti_alias": "on",
        "dither": "off",
        "channels": "both",
        "hear": "result",
    }

    def __init__(self, waveform: Any, sample_rate: float, *, start: dict[str, Any]) -> None:
        if not sample_rate > 0:
            raise ValueError(f"sample_rate must be positive, in Hz, got {sample_rate}")
        if not isinstance(waveform, Tensor):
            waveform = np.asarray(waveform)
        self._whole_s = waveform.shape[-1] / sample_rate if waveform.ndim else 0.0
        self._longest = min(MAX_SAMPLES, round(MAX_DURATION_S * sample_rate))
        self._rate = float(sample_rate)
        self._stages = _Stages()
        self._heard_key: Hashable = None
        if waveform.ndim in (1, 2):
            waveform = waveform[..., : self._longest]
        self._is_stereo = waveform.ndim == 2 and waveform.shape[0] == 2
        if not self._is_stereo and "channels" not in start:
            self.defaults = {k: v for k, v in self.defaults.items() if k != "channels"}
        elif not self._is_stereo:
            raise ValueError("channels is a choice for sounds with two channels, this one has one")
        self.presets = _presets(self._rate)
        self._sound = _as_channels(waveform)
        super().__init__(waveform, sample_rate, start=start)

    def _make_control(self, name: str, value: Any) -> widgets.Widget:
        if name in CHOICES:
            return _choice(name, value)
        sample_rate = self._rate
        steps = {"keep_every": _kept_rates(sample_rate), "n_bits": N_BITS, "gain_db": GAIN_DB}[name]
        _check_step(name, value)
        texts = {
            "keep_every": lambda k: f"{k} \u00b7 {_grouped(sample_rate / k)} Hz",
            "n_bits": lambda b: f"{b} bits" if b > 1 else "1 bit",
            "gain_db": lambda g: f"{_signed(g)} dB",
        }
        options = sorted({*steps, value}, reverse=name == "gain_db")
        return make_slider(name, [(texts[name](step), step) for step in options], value)

    # ---- the way of the sound

    def sampled(self, settings: dict[str, Any]) -> Sampled:
        """Keep every so-many-th sample, round it, and draw the curve through what is left."""
        k, bits, dither = settings["keep_every"], settings["n_bits"], settings["dither"]
        source_key = (settings.get("channels", "mono"),)
        kept_key = (*source_key, k, settings["anti_alias"], settings["gain_db"])
        round_key = (*kept_key, bits, dither)
        source = self._stages("source", source_key, lambda: self._source(*source_key))
        exact = self._stages("exact", kept_key, lambda: _keep(source, settings))
        seed = 0 if dither == "triangular" else None
        kept = self._stages(
            "kept", round_key, lambda: quantize(exact, n_bits=bits, dither_seed=seed)
        )
        curve = self._stages(
            "curve", round_key, lambda: interpolate(kept, factor=k)[..., : source.shape[-1]]
        )
        hear_key = (*round_key, settings["hear"])
        heard = self._stages(
            "heard", hear_key, lambda: _hear(settings["hear"], source, curve, settings["gain_db"])
        )
        return Sampled(source, exact, kept, curve, heard)

    def _source(self, channels: str) -> Tensor:
        if not self._is_stereo or channels == "both":
            return self._sound
        if channels == "mono":
            return to_mono(self._sound)[None]
        return self._sound[:1] if channels == "left" else self._sound[1:]

    # ---- what is shown

    def _pictures(self, chain: LiveChain, settings: dict[str, Any]) -> dict[str, Any]:
        sampled = self.sampled(settings)
        key = tuple(settings.values())
        visible = tuple(self.view.visible)
        chain = self._stages("chain", key, lambda: LiveChain(to_mono(sampled.heard), self._rate))
        spectrogram = self._stages(
            "spectrogram", (key, visible), lambda: self._spectrogram(chain, settings, visible)
        )
        return {
            "samples": self._samples(sampled, settings, visible),
            "spectrogram": spectrogram,
            "spectrum": self._spectrum(sampled, settings, visible),
        }

    def _show(self, pictures: dict[str, Any], settings: dict[str, Any], notes: list[str]) -> None:
        sampled = self.sampled(settings)
        with self.view.hold_sync():
            if self._heard_key != tuple(settings.values()):
                self.view.set_sound(sampled.heard)
                self._heard_key = tuple(settings.values())
            super()._show(pictures, settings, notes)

    def _spectrogram(
        self, chain: LiveChain, settings: dict[str, Any], visible: tuple[float, float]
    ) -> Picture:
        n_fft = 2 ** round(math.log2(0.032 * self._rate))
        n_fft = max(16, min(n_fft, 2 ** int(math.log2(max(16, 2 * len(chain.waveform) - 2)))))
        fixed = {
            "n_fft": n_fft,
            "hop_length": n_fft // 4 if visible[1] - visible[0] < 2.0 else n_fft // 2,
            "win_length": None,
            "window": "hann",
        }
        picture = chain.spectrogram(fixed | {"freq_axis": "linear", "top_db": 80}, visible)
        nyquist = self._rate / settings["keep_every"] / 2
        marks = (
            ((nyquist, f"Nyquist {_grouped(nyquist)} Hz"),) if settings["keep_every"] > 1 else ()
        )
        notes = self._remarks(settings) + picture.notes
        return dataclasses.replace(picture, settings=settings, y_marks=marks, notes=notes)

    def _remarks(self, settings: dict[str, Any]) -> tuple[str, ...]:
        return ("mean of both channels",) if settings.get("channels") == "both" else ()

    def _samples(
        self, sampled: Sampled, settings: dict[str, Any], visible: tuple[float, float]
    ) -> Curve:
        k, kept = settings["keep_every"], to_mono(sampled.kept)
        spacing_s = k / self._rate
        first = max(0, math.floor(visible[0] / spacing_s))
        last = min(len(kept), math.ceil(visible[1] / spacing_s) + 1)
        shown = kept[first:last].numpy()
        source = to_mono(sampled.source) * db_to_amplitude(torch.tensor(float(settings["gain_db"])))
        behind = source[first * k : last * k].numpy()
        lines = ()
        if len(shown) <= _MOST_SMOOTH:
            curve, stretch = to_mono(sampled.curve), (first * k, min(last * k, len(source)))
            lines = (
                _smooth(source, stretch, self._rate, "original"),
                _smooth(curve, stretch, self._rate, "through the samples"),
            )
        seen = [shown, behind, *(line.y for line in lines)]  # a curve overshoots its samples
        top = 1.1 * max(0.6 * 2.0 / 2 ** settings["n_bits"], *(np.abs(x).max() for x in seen))
        y, marks = Axis("amplitude", "", -top, top), _step_marks(settings["n_bits"], top)
        if len(shown) > _MOST_DOTS:
            values, block = _envelope(shown)
            dt_s = 0.5 * block * spacing_s
            notes = (*self._remarks(settings), "zoom in to see single samples")
            return Curve(values, first * spacing_s + dt_s / 2, dt_s, y, settings=settings,
                         y_marks=marks, notes=notes)  # fmt: skip
        return Curve(shown, first * spacing_s, spacing_s, y, stems=True, joined=not lines,
                     lines=lines, settings=settings, y_marks=marks)  # fmt: skip

    def _spectrum(
        self, sampled: Sampled, settings: dict[str, Any], visible: tuple[float, float]
    ) -> Chart:
        a, b = (round(t * self._rate) for t in visible)
        freqs_hz, heard_power = _mean_power(to_mono(sampled.heard)[a:b], self._rate)
        key = (settings.get("channels", "mono"), a, b)
        _, source_power = self._stages(
            "source power",
            key,
            lambda: _mean_power(to_mono(sampled.source)[a:b], self._rate),
        )
        lines = [
            Line(freqs_hz, _to_db(heard_power), "what you hear"),
            Line(freqs_hz, _to_db(source_power), "original", style="area"),
        ]
        marks = ()
        if (k := settings["keep_every"]) > 1:
            nyquist = self._rate / k / 2
            marks = ((nyquist, f"Nyquist {_grouped(nyquist)} Hz"),)
            if settings["anti_alias"] == "off":
                lines.append(_folded(freqs_hz, source_power, 2 * nyquist))
        return Chart(
            x=Axis("frequency", "Hz", 0.0, self._rate / 2),
            y=Axis("level", "dBFS", _FLOOR_DB, 0.0),
            lines=tuple(lines),
            marks=marks,
            settings=settings,
        )

    # ---- what is said

    def _readout(self, settings: dict[str, Any]) -> dict[str, Any]:
        source, exact, kept, _curve, heard = (x.flatten() for x in self.sampled(settings))
        level_dbfs = rms_dbfs(exact).item()
        rate = self._rate / settings["keep_every"]
        readout = {
            "sample_rate_hz": rate,
            "nyquist_hz": rate / 2,
            "n_samples": self.sampled(settings).kept.shape[-1],
            "kbit_per_s": rate * settings["n_bits"] * len(self.sampled(settings).kept) / 1000,
            "peak_dbfs": peak_dbfs(source).item(),
            "rms_dbfs": rms_dbfs(source).item(),
            "kept_peak_dbfs": peak_dbfs(kept).item(),
            "kept_rms_dbfs": rms_dbfs(kept).item(),
            "snr_db": signal_to_noise_db(exact, kept).item(),
            "full_scale_snr_db": quantization_snr_db(settings["n_bits"]),
            "expected_snr_db": -math.inf,
            "heard_dbfs": rms_dbfs(heard).item(),
        }
        if math.isfinite(level_dbfs):
            readout["expected_snr_db"] = quantization_snr_db(
                settings["n_bits"], level_dbfs=level_dbfs
            )
        return readout | self._aliases(settings)

    def _aliases(self, settings: dict[str, Any]) -> dict[str, float]:
        """The loudest frequency above the new Nyquist frequency, and where it is heard."""
        source = self.sampled(settings).source
        key = settings.get("channels", "mono")
        freqs_hz, power = self._stages(
            "whole spectrum", key, lambda: _mean_power(to_mono(source), self._rate)
        )
        rate = self._rate / settings["keep_every"]
        above = freqs_hz > rate / 2
        if settings["keep_every"] == 1 or not above.any() or not power.sum():
            return {"above_db": -math.inf}
        share_db = 10 * math.log10(max(power[above].sum() / power.sum(), 1e-12))
        loudest_hz = float(freqs_hz[above][power[above].argmax()])
        alias_hz = alias_freq_hz(loudest_hz, sample_rate=rate)
        return {"above_db": share_db, "loudest_above_hz": loudest_hz, "alias_hz": alias_hz}

    def _readout_texts(self, readout: dict[str, Any]) -> dict[str, str]:
        played_db = readout["heard_dbfs"] - readout["rms_dbfs"]
        return {
            "Nyquist": f"{_grouped(readout['nyquist_hz'])} Hz",
            "samples": _grouped(readout["n_samples"]),
            "data": f"{_grouped(readout['kbit_per_s'])} kbit/s",
            "original peak, RMS": _levels(readout["peak_dbfs"], readout["rms_dbfs"]),
            "kept": _levels(readout["kept_peak_dbfs"], readout["kept_rms_dbfs"]),
            "SNR measured": "nothing was rounded"
            if readout["snr_db"] == math.inf
            else f"{_signed(readout['snr_db'], 1)} dB",
            "expected": f"{_signed(readout['expected_snr_db'], 1)} dB",
            "6.02 b + 1.76": f"{readout['full_scale_snr_db']:.1f} dB",
            "played": "level matched"
            if abs(played_db) < 0.05
            else f"{_signed(played_db, 1)} dB beside the original",
        }

    def _notes(self, settings: dict[str, Any]) -> list[str]:
        notes, readout = [], self.readout
        kept = self.sampled(settings).kept
        if self._whole_s * self._rate > self._longest + 0.5:
            notes.append(
                f"Only the first {self._longest / self._rate:.0f} of {self._whole_s:.0f} s are "
                "here. For another stretch give explore_waveform a slice of the waveform."
            )
        if settings["anti_alias"] == "off" and readout["above_db"] > -80.0:
            notes.append(
                f"No filter: what lies above {_grouped(readout['nyquist_hz'])} Hz folds back. The "
                f"loudest of it, {_grouped(readout['loudest_above_hz'])} Hz, is now heard at "
                f"{_grouped(readout['alias_hz'])} Hz."
            )
        if settings["n_bits"] == 1:
            notes.append("One bit keeps the sign only: its two levels are \u22121/2 and 1/2.")
        elif not kept.any() and self.sampled(settings).source.any():
            notes.append(
                "Silence: no sample reaches half a step, so all are rounded to 0. "
                "More bits, more gain or dither brings the sound back."
            )
        return notes


def _presets(sample_rate: float) -> dict[str, dict[str, Any]]:
    """Settings with a name; the slider's nearest sample rates."""
    plain = {"n_bits": 16, "gain_db": 0, "anti_alias": "on", "dither": "off"}
    steps = _kept_rates(sample_rate)

    def nearest(rate_hz: float) -> int:
        return min(steps, key=lambda k: abs(math.log(sample_rate / k / rate_hz)))

    return {
        "telephone": plain | {"keep_every": nearest(8000.0), "n_bits": 8},
        "skip without a filter": plain | {"keep_every": nearest(4000.0), "anti_alias": "off"},
        "the same, filtered": plain | {"keep_every": nearest(4000.0)},
        "4 bits": plain | {"keep_every": 1, "n_bits": 4},
        "4 bits, dither": plain | {"keep_every": 1, "n_bits": 4, "dither": "triangular"},
        "1 bit": plain | {"keep_every": 1, "n_bits": 1},
    }


def _as_channels(waveform: Any) -> Tensor:
    """Any waveform as float32 ``(n_channels, time)``; the view says what is wrong with it."""
    try:
        waveform = torch.as_tensor(waveform).detach().to("cpu", torch.float32)
    except (TypeError, ValueError, RuntimeError):
        return torch.zeros(1, 1)
    return waveform[None] if waveform.ndim == 1 else waveform


def _kept_rates(sample_rate: float) -> tuple[int, ...]:
    return tuple(k for k in KEEP_EVERY if k == 1 or sample_rate / k >= _LOWEST_HZ)


def _choice(name: str, value: Any) -> widgets.Widget:
    """A menu; for what is heard a row of buttons, because comparing wants one click."""
    choices = CHOICES[name]
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    if name != "hear":
        return make_menu(name, list(choices), value)
    style = {"description_width": "60px", "button_width": "auto"}
    layout = {"width": "390px", "display": "flex", "align_items": "center", "padding": "0 0 0 16px"}
    return widgets.ToggleButtons(
        options=choices, value=value, description=name, style=style, layout=layout
    )


def _check_step(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name}={value!r} must be a whole number")
    low, high = {"keep_every": (1, 100), "n_bits": (1, 16), "gain_db": (-90, 0)}[name]
    if not low <= value <= high:
        raise ValueError(f"{name}={value} must lie between {low} and {high}")


def _keep(source: Tensor, settings: dict[str, Any]) -> Tensor:
    """Every so-many-th sample, with or without the filter before it, at the level that is set."""
    factor = settings["keep_every"]
    if settings["anti_alias"] == "on":
        kept = resample(source, sample_rate=factor, new_sample_rate=1)
    else:
        kept = downsample(source, factor=factor)
    return kept * db_to_amplitude(torch.tensor(float(settings["gain_db"])))


def _hear(what: str, source: Tensor, curve: Tensor, gain_db: float) -> Tensor:
    """What is played: one gain for all channels, so that the sides keep their balance."""
    if what == "original":
        return source
    if what == "difference":  # at its own level, unless it would clip
        lost = curve / db_to_amplitude(torch.tensor(float(gain_db))) - source
        return lost / max(1.0, float(lost.abs().max()))
    matched = match_level(curve.flatten(), reference=source.flatten())
    return matched.reshape(curve.shape)


def _envelope(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """Smallest and largest of each block in turn: a curve that fills what the samples fill."""
    block = math.ceil(len(samples) / (_MOST_DOTS // 2))
    edge = np.pad(samples, (0, -len(samples) % block), mode="edge").reshape(-1, block)
    return np.stack([edge.min(1), edge.max(1)], axis=1).ravel(), block


def _smooth(waveform: Tensor, stretch: tuple[int, int], sample_rate: float, label: str) -> Line:
    """The curve through the samples of a stretch, fine enough for the eye."""
    first, last = stretch
    factor = max(1, math.ceil(1200 / max(1, last - first)))
    before = min(_MARGIN, first)
    piece = interpolate(waveform[first - before : last + _MARGIN], factor=factor)
    shown = piece[before * factor : (before + last - first) * factor - factor + 1]
    times_s = np.arange(len(shown)) / factor / sample_rate
    return Line(times_s, shown.numpy(), label)


def _step_marks(n_bits: int, top: float) -> tuple[tuple[float, str], ...]:
    """The levels of the quantiser, where they are few enough to tell apart."""
    step = 2.0 / 2**n_bits
    count = math.floor(top / step)
    if 2 * count + 1 > _MOST_STEPS:
        return ()
    shift = 0.5 if n_bits == 1 else 0.0
    levels = [(i + shift) * step for i in range(-count - 1, count + 1)]
    return tuple((level, "") for level in levels if abs(level) <= top)


def _mean_power(samples: Tensor, sample_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies, and the mean power of some frames; a full-scale sine has power 1."""
    n_fft = 2 ** min(11, max(4, int(math.log2(max(16, len(samples))))))
    samples = torch.nn.functional.pad(samples, (0, max(0, n_fft - len(samples))))
    hop_length = max(n_fft // 2, len(samples) // _SPECTRUM_FRAMES)
    power = power_spectrogram(samples, n_fft=n_fft, hop_length=hop_length, center=False)
    scale = 2.0 / get_window("hann", n_fft).sum()
    freqs_hz = fft_freqs_hz(n_fft, sample_rate=sample_rate)
    return freqs_hz.numpy(), (power.mean(dim=-1) * scale**2).numpy()


def _to_db(power: np.ndarray) -> np.ndarray:
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (_FLOOR_DB / 10.0)))


def _folded(freqs_hz: np.ndarray, power: np.ndarray, sample_rate: float) -> Line:
    """All that lies above half the new sample rate, at the frequency where it is heard."""
    inside = freqs_hz <= sample_rate / 2
    landed = np.abs(freqs_hz - sample_rate * np.round(freqs_hz / sample_rate))[~inside]
    folded = np.zeros(inside.sum())
    places = np.rint(landed / freqs_hz[1]).astype(int).clip(0, len(folded) - 1)
    np.add.at(folded, places, power[~inside])
    return Line(freqs_hz[inside], _to_db(folded), "folded back", style="dashed")


def _grouped(number: float) -> str:
    return f"{number:,.0f}".replace(",", "\u202f")


def _signed(number: float, digits: int = 0) -> str:
    if not math.isfinite(number):
        return "\u221e" if number > 0 else "\u2212\u221e"
    return f"{number:.{digits}f}".replace("-", "\u2212")


def _levels(peak: float, rms: float) -> str:
    return f"{_signed(peak, 1)}, {_signed(rms, 1)} dBFS"


def explore_waveform(waveform: Any, sample_rate: float, **start: Any) -> WaveformExplorer:
    """Keep fewer samples, with fewer bits, and see and hear what is left.

    Zoom in (``+``, Ctrl + wheel) until single samples stand apart. The result is played as loud
    as the original (same RMS, peak at most 1). At most 8 s of a sound are taken.

    Args:
        waveform: ``(time,)`` or ``(channels, time)``, in [-1, 1].
        sample_rate: In Hz.
        **start: First values: ``keep_every`` (one sample of so many), ``n_bits`` (1 to 16),
            ``gain_db`` (before rounding, at most 0), ``anti_alias`` ("on", "off"), ``dither``
            ("off", "triangular"), ``hear`` ("result", "original", "difference") and, for two
            channels, ``channels`` ("both", "left", "right", "mono").

    Returns:
        An explorer that shows itself when it stands last in a cell.

    Raises:
        TypeError: If a start value names no control.
        ValueError: If the waveform or a start value cannot be used.

    Notebook: 01_waveform.ipynb.
    """
    return WaveformExplorer(waveform, sample_rate, start=start)
