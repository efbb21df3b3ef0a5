"""explore_normalize: gain and method under the hand; what a network gets, before and after."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_utils.explorers.base import Explorer
from course_utils.explorers.controls import eps_text
from course_utils.explorers.live import Frames, LiveChain, _Spec
from course_utils.explorers.own_function import (
    NotWrittenYetError,
    OwnFunctionError,
    TooSlowError,
    limited,
)
from course_utils.signal import MelParams, peak_dbfs, power_to_db, quantize, standardize, stft
from course_utils.sound_view import Axis, Chart, Lane, Line, Picture

N_BITS = 16  # the sound is stored like this: what lies below one step of it is gone
MAX_HEARD = 1_000_000  # samples; a longer sound is turned down and not rounded to its steps
NEARLY_SILENT_DBFS = -60.0
DB_RANGE = (-100.0, 50.0)  # of the level's colours, whatever the gain
_PARAMS = MelParams()
_SPEC = _Spec(_PARAMS.n_fft, _PARAMS.hop_length, _PARAMS.n_fft, _PARAMS.window)
_FIXED = {
    "n_fft": _PARAMS.n_fft,
    "hop_length": _PARAMS.hop_length,
    "n_mels": _PARAMS.n_mels,
    "top_db": int(_PARAMS.top_db),
    "win_length": None,
    "window": _PARAMS.window,
    "mel_scale": _PARAMS.mel_scale,
}


class _Scale(NamedTuple):
    """In what a normalised picture is counted: its range of colours is fixed for each method."""

    unit: str
    low: float
    high: float
    colours: str
    digits: int


_SIGMAS = _Scale("\u03c3", -3.0, 3.0, "signed", 2)
SCALES = {
    "none": _Scale("dB", *DB_RANGE, "level", 1),
    "per clip": _SIGMAS,
    "per band": _SIGMAS,
    "data set": _SIGMAS,
    "min-max": _Scale("of range", 0.0, 1.0, "level", 2),
}
_MEASURES_ITSELF = ("per clip", "per band", "min-max")


class _Measured(NamedTuple):
    """What the read-out, the notes and the charts say about one setting."""

    before: Tensor  # the whole clip, dB, (n_mels, n_frames), float64
    after: Tensor  # the same, normalised
    centre: Tensor  # what was subtracted, a number or (n_mels, 1)
    scale: Tensor  # what it was divided by, without eps
    peak_dbfs: float


class GainChain(LiveChain):
    """The chain behind a gain and a 16-bit file, in decibels and not yet in 8 bits.

    Args:
        waveform: Mono, shape ``(time,)``, float32.
        sample_rate: In Hz.
        gain_db: Gain in front of the file, in dB.
        like: A chain of the same sound, whose work that has nothing to do with gain is kept.
        own: The student's function behind this chain, or ``None``.
    """

    def __init__(
        self,
        waveform: Tensor,
        sample_rate: float,
        *,
        gain_db: float = 0.0,
        like: GainChain | None = None,
        own: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(waveform, sample_rate)
        self._own = own
        self.gain = 10.0 ** (gain_db / 20.0)
        if like:
            kept = ("mirrored", "fbank", "bands", "loudest")
            self._cache.update({k: v for k, v in like._cache.items() if k in kept})

    @property
    def is_own(self) -> bool:
        """Whether a student's function stands in place of ours."""
        return self._own is not None

    @property
    def peak_dbfs(self) -> float:
        """Peak of the stored sound in dBFS; minus infinity for silence."""
        loudest = self._cached("loudest", None, lambda: self.waveform.abs().max())
        return float(peak_dbfs(self._stored(loudest[None])))

    @property
    def n_clipped(self) -> int:
        """How many samples the file cannot hold."""
        if self.gain <= 1.0:
            return 0  # what was beyond full scale before is said by the view
        return int((self.waveform.abs() * self.gain > 1.0).sum())

    def log_mel(self, frames: Frames) -> Tensor:
        """Decibels of these frames, ``(n_mels, count)``; their floor is that of the whole clip."""
        level = power_to_db(self._mel(frames), top_db=None)
        floor = float(power_to_db(self._mel(self.whole), top_db=None).max()) - _FIXED["top_db"]
        return level.clamp(min=floor)

    @property
    def whole(self) -> Frames:
        """All frames of the clip, or an overview of a long one."""
        return self.frames(_SPEC, (0.0, len(self.waveform) / self.sample_rate))

    def _mel(self, frames: Frames) -> Tensor:
        fbank, _empty = self.filterbank(_FIXED)
        stage = "whole mel" if frames == self.whole else "visible mel"
        return self._cached(stage, frames, lambda: fbank.T @ self._new_power(_SPEC, frames))

    def _new_power(self, s: _Spec, frames: Frames) -> Tensor:
        """Only the frames that are seen go through the gain: long sounds cost no more."""
        pieces = self._stretch(s, frames).unfold(-1, s.n_fft, s.hop_length * frames.step)
        spec = stft(
            self._stored(pieces), n_fft=s.n_fft, hop_length=s.n_fft, window=s.window, center=False
        )
        return spec[..., 0].abs().square().T  # (n_freqs, count)

    def _stored(self, samples: Tensor) -> Tensor:
        return quantize(samples * self.gain, n_bits=N_BITS)

    def picture(
        self,
        values: Tensor,
        frames: Frames,
        *,
        scale: _Scale,
        label: str,
        settings: dict[str, Any],
        engine: str = "PyTorch",
    ) -> Picture:
        """Values of these frames, ``(n_mels, count)``, in the fixed colours of their scale."""
        places = (values - scale.low) / (scale.high - scale.low)
        cells = places.mul(255.0).round().clamp(0.0, 255.0).to(torch.uint8).numpy()
        y, row = self._bands(_FIXED["n_mels"], _FIXED["mel_scale"])
        row = row | {"bin_hz": self.sample_rate / _FIXED["n_fft"]}
        span = (scale.low, scale.high)
        picture = self._picture(cells, _SPEC, frames, y, row, span, settings, engine=engine)
        return dataclasses.replace(
            picture, value_label=label, value_unit=scale.unit, colours=scale.colours
        )

    def before(self, frames: Frames, gain_db: float) -> tuple[Picture, Chart]:
        """Picture and histogram in decibels, which no method of normalising changes."""
        told = {"gain_db": gain_db}

        def make() -> tuple[Picture, Chart]:
            scale, level = SCALES["none"], self.log_mel(frames)
            picture = self.picture(level, frames, scale=scale, label="level", settings=told)
            return picture, _histogram(self.log_mel(self.whole), scale, told)

        return self._cached("before", frames, make)


class NormalizeExplorer(Explorer):
    """Log-mel picture and histogram, before and after; see :func:`explore_normalize`."""

    title = "Normalize explorer"
    kind = "normalize"
    lanes = (
        Lane("waveform", "waveform", "waveform", height=56),
        Lane("before", "picture", "log-mel spectrogram: before", height=128),
        Lane("after", "picture", "what the network gets: after", height=128),
        Lane("histogram_before", "chart", "histogram before", height=118),
        Lane("histogram_after", "chart", "histogram after", height=118),
    )
    defaults = {"gain_db": 0, "method": "per clip", "eps": 1e-8}
    presets = {
        "as recorded": {"gain_db": 0},
        "quiet": {"gain_db": -40},
        "nearly silent": {"gain_db": -80},
        "digital silence": {"gain_db": -100},
    }

    def __init__(
        self,
        waveform: Any,
        sample_rate: float,
        *,
        statistics: tuple[Any, Any] | None = None,
        normalize: Callable[..., Any] | None = None,
        start: dict[str, Any],
    ) -> None:
        if normalize is not None and not callable(normalize):
            raise TypeError(f"a function is needed, got {type(normalize).__name__}")
        self._statistics = None if statistics is None else _statistics(statistics)
        self._own = normalize
        try:
            self._sound = torch.as_tensor(waveform)
        except (TypeError, ValueError, RuntimeError):
            self._sound = torch.zeros(1)  # the view says what is wrong with it
        self._heard_db = 0
        super().__init__(waveform, sample_rate, start=start)
        self.view.pin_lane = "after"

    def _make_chain(self, waveform: Tensor, sample_rate: float) -> LiveChain:
        return GainChain(waveform, sample_rate, own=self._own)

    @property
    def _is_stored(self) -> bool:
        """Whether the view plays what the file holds; a long sound is only turned down."""
        return self.view.n_samples <= MAX_HEARD

    def _live(self) -> dict[str, Any]:
        return super()._live() | {"gain": "file" if self._is_stored else "factor"}

    def _live_waveform(self) -> Tensor:
        return self._sound if self._is_stored else self.chain.waveform  # with both its channels

    def _live_fixed(self) -> dict[str, Any]:
        given = self._statistics
        return {"statistics": given and [value.squeeze().tolist() for value in given]}

    # ---- from settings to pictures

    def _pictures(self, chain: LiveChain, settings: dict[str, Any]) -> dict[str, Any]:
        return self._compute(settings, own=self._own)

    def _course_pictures(self, settings: dict[str, Any]) -> dict[str, Any]:
        return self._compute(settings, own=None)

    def _compute(self, settings: dict[str, Any], *, own: Callable | None) -> dict[str, Any]:
        chain = self._at_gain(settings["gain_db"])
        shown = chain.frames(_SPEC, tuple(self.view.visible))
        whole, seen = chain.log_mel(chain.whole).double(), chain.log_mel(shown).double()
        method, eps = settings["method"], settings["eps"]
        centre, scale = _centre_and_scale(whole, method, self._statistics)
        if own and method == "per clip":
            after = _call_own(own, whole, eps)
            seen_after = _cut(after, chain.whole, shown)
        elif method == "none":
            after, seen_after = whole, seen
        else:
            after = standardize(whole, mean=centre, std=scale, eps=eps)
            seen_after = standardize(seen, mean=centre, std=scale, eps=eps)
        if not torch.isfinite(after).all():
            raise ValueError(
                "0 / 0: all cells are alike, so the standard deviation is 0, and eps is 0 too. "
                "The result is NaN, and one NaN makes every weight of a network NaN"
            )
        self._measured = _Measured(whole, after, centre, scale, chain.peak_dbfs)
        self._n_clipped = chain.n_clipped
        self._let_hear(settings["gain_db"])
        is_own = own and method == "per clip"
        engine = f"your {getattr(own, '__name__', 'function')}" if is_own else "PyTorch"
        before, histogram_before = chain.before(shown, settings["gain_db"])
        how: dict[str, Any] = {"settings": _told(settings), "engine": engine}
        return {
            "before": before,
            "after": chain.picture(
                seen_after, shown, scale=SCALES[method], label="normalised", **how
            ),
            "histogram_before": histogram_before,
            "histogram_after": _histogram(after, SCALES[method], **how),
        }

    def _at_gain(self, gain_db: float) -> GainChain:
        kept = getattr(self, "_gained", None)
        if kept is None or kept[0] != gain_db:
            like = kept[1] if kept else None
            waveform, rate = self.chain.waveform, self.chain.sample_rate
            self._gained = (gain_db, GainChain(waveform, rate, gain_db=gain_db, like=like))
        return self._gained[1]

    def _let_hear(self, gain_db: float) -> None:
        """What the file holds; sending a long sound again would take long."""
        if gain_db == self._heard_db:
            return
        self._heard_db = gain_db
        factor = 10.0 ** (gain_db / 20.0)
        if self._is_stored:
            self.view.set_sound((self._sound * factor).clamp(-1.0, 1.0))
        else:
            self.view.gain = min(factor, self.view.most_gain)

    # ---- words

    def _readout(self, settings: dict[str, Any]) -> dict[str, Any]:
        m = self._measured
        loudest = int(m.before.argmax())
        band = loudest // m.before.shape[1]
        readout = {"peak_dbfs": m.peak_dbfs, "shape": tuple(m.before.shape)}
        for name, values in (("before", m.before), ("after", m.after)):
            readout |= {
                f"mean_{name}": values.mean().item(),
                f"std_{name}": values.std(correction=0).item(),
                f"min_{name}": values.min().item(),
                f"max_{name}": values.max().item(),
            }
        return readout | {
            "unit_after": SCALES[settings["method"]].unit,
            "method": settings["method"],
            "eps": settings["eps"],
            "band": band,
            "x": m.before.flatten()[loudest].item(),
            "centre": m.centre.expand(m.before.shape[0], 1)[band].item(),
            "scale": m.scale.expand(m.before.shape[0], 1)[band].item(),
            "result": m.after.flatten()[loudest].item(),
        }

    def _readout_texts(self, readout: dict[str, Any]) -> dict[str, str]:
        digits = SCALES[readout["method"]].digits
        return {
            "stored peak": _dbfs(readout["peak_dbfs"]),
            "before:": _four(readout, "before", "dB", 1),
            "after:": _four(readout, "after", readout["unit_after"], digits),
            _cell(readout): _formula(readout),
        }

    def _notes(self, settings: dict[str, Any]) -> list[str]:
        m, method = self._measured, settings["method"]
        notes = []
        if self._n_clipped:
            notes.append(
                f"{self._n_clipped} of {self.view.n_samples} samples went beyond full scale: the "
                "file clips them, and no normalising brings them back."
            )
        if method in _MEASURES_ITSELF:
            notes += _silence_notes(m, method, settings["eps"])
        if method == "data set" and m.peak_dbfs < NEARLY_SILENT_DBFS:
            notes.append(
                f"This clip is {_quiet(m.peak_dbfs)}, and its picture says so: "
                f"the mean is {_number(m.after.mean(), 1)} \u03c3. Fixed numbers keep the level."
            )
        scale = SCALES[method]
        outside = ((m.after < scale.low) | (m.after > scale.high)).double().mean().item()
        if outside > 0.05:
            notes.append(
                f"{100 * outside:.0f} % of the cells lie beyond the colours, which end at "
                f"{_number(scale.low)} and {_number(scale.high)} {scale.unit}."
            )
        return notes


def _centre_and_scale(
    whole: Tensor, method: str, statistics: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor]:
    """What a method subtracts and what it divides by: the only thing in which methods differ."""
    if method == "per clip":
        return whole.mean(), whole.std(correction=0)
    if method == "per band":
        return whole.mean(-1, keepdim=True), whole.std(-1, correction=0, keepdim=True)
    if method == "min-max":
        return whole.min(), whole.max() - whole.min()
    if method == "data set":
        if statistics is None:
            raise ValueError(
                "the method «data set» needs numbers that were measured on a training set: "
                "explore_normalize(..., statistics=(mean, std))"
            )
        return statistics
    return torch.zeros((), dtype=whole.dtype), torch.ones((), dtype=whole.dtype)


def _statistics(given: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation as numbers or as one for each band, ``(n_mels, 1)``."""
    try:
        mean, std = (torch.as_tensor(value, dtype=torch.float64).detach() for value in given)
    except (TypeError, ValueError) as problem:
        raise ValueError(
            "statistics must be a pair of numbers or tensors: (mean, std)"
        ) from problem
    n_mels = _FIXED["n_mels"]
    for name, value in (("mean", mean), ("std", std)):
        if value.numel() not in (1, n_mels) or not torch.isfinite(value).all():
            raise ValueError(
                f"{name} must be one finite number in dB, or one for each of the {n_mels} bands, "
                f"got shape {tuple(value.shape)}"
            )
    if (std < 0).any():
        raise ValueError(f"std={std.min().item()} must be at least 0")
    return tuple(v.reshape(-1, 1) if v.numel() > 1 else v.reshape(()) for v in (mean, std))


# ---- the student's own function


def _call_own(own: Callable[..., Any], whole: Tensor, eps: float) -> Tensor:
    """The student's function on the whole clip, its result checked."""
    name = f"your {getattr(own, '__name__', 'function')}"
    try:
        asked = inspect.signature(own).parameters
        takes_eps = "eps" in asked or any(p.kind is p.VAR_KEYWORD for p in asked.values())
        result = limited(own)(whole.float(), **({"eps": eps} if takes_eps else {}))
    except TooSlowError as problem:
        raise OwnFunctionError(f"{name} {problem}") from problem
    except Exception as problem:
        text = " ".join(str(problem).split())[:200]
        raise OwnFunctionError(f"{name} raised {type(problem).__name__}: {text}") from problem
    if result is None:
        raise NotWrittenYetError(
            f"{name} returns None: the picture is the course's until it returns one."
        )
    if not isinstance(result, Tensor) or result.shape != whole.shape:
        got = tuple(getattr(result, "shape", ())) or type(result).__name__
        raise OwnFunctionError(
            f"{name} returned {got}; a tensor of the shape {tuple(whole.shape)} is needed, "
            "the same as it was given"
        )
    if not torch.isfinite(result).all():
        raise OwnFunctionError(f"{name} returned NaN or infinity")
    return result.detach().double()


def _cut(every: Tensor, whole: Frames, shown: Frames) -> Tensor:
    """The frames that are shown, out of the whole clip that the student's function returned."""
    if whole.step > 1 and shown != whole:
        raise ValueError(
            "your function sees this long sound only as a whole: show all of it, or cut the sound"
        )
    first = shown.first - whole.first
    return every[:, first : first + shown.count] if shown != whole else every


# ---- pictures


def _histogram(
    values: Tensor, scale: _Scale, settings: dict[str, Any], engine: str = "PyTorch"
) -> Chart:
    """How many cells have which value, in per cent; what lies outside is counted at the ends."""
    n_bins = 80
    margin = 0.05 * (scale.high - scale.low) if scale.unit == "of range" else 0.0
    edges = np.linspace(scale.low - margin, scale.high + margin, n_bins + 1)
    inside = values.double().numpy().clip(edges[0], edges[-1]).ravel()
    share = 100.0 * np.histogram(inside, bins=edges)[0] / inside.size
    second, first = np.sort(share)[-2:]
    leaves = second > 0 and first > 2.5 * second  # the floor of top_db would flatten all others
    tallest = second if leaves else first
    top = next(t for t in (2, 5, 10, 20, 50, 100) if tallest <= t + 1e-9)
    notes = (f"one bar, {first:.0f} % of the cells, leaves the chart",) if leaves else ()
    label = "level" if scale.unit == "dB" else "normalised"
    mean, std = values.mean().item(), values.std(correction=0).item()
    marks = [(mean, "mean")]
    if std > 0.04 * (edges[-1] - edges[0]):
        marks += [(mean - std, "\u2212 std"), (mean + std, "+ std")]
    return Chart(
        x=Axis(label, scale.unit, float(edges[0]), float(edges[-1])),
        y=Axis("cells", "%", 0.0, float(top)),
        lines=(Line(0.5 * (edges[:-1] + edges[1:]), share, style="bars"),),
        marks=tuple(mark for mark in marks if edges[0] <= mark[0] <= edges[-1]),
        settings=settings,
        notes=notes,
        engine=engine,
    )


# ---- words


def _silence_notes(m: _Measured, method: str, eps: float) -> list[str]:
    """Silence that becomes noise, and what eps can and cannot do about it."""
    scale = m.scale.min().item()
    name = "range" if method == "min-max" else "standard deviation"
    quiet = f"This clip is {_quiet(m.peak_dbfs)}"
    if m.scale.max().item() == 0.0:
        return [
            f"Digital silence: every cell is {_number(m.before.mean(), 1)} dB, so the {name} is 0. "
            "Only eps keeps this from being 0 / 0; the result is 0 everywhere."
        ]
    eps_is_small = eps < 0.1 * scale
    if m.peak_dbfs < NEARLY_SILENT_DBFS and eps_is_small:
        return [
            f"{quiet}, but its picture is as strong as any: silence became noise. The level left "
            f"with the {_middle(method)}, and beside a {name} of {_number(scale, 1)} dB "
            f"an eps of {eps_text(eps)} is nothing."
        ]
    if m.peak_dbfs < NEARLY_SILENT_DBFS:
        return [
            f"{quiet}. eps = {eps_text(eps)} holds its noise down, and every loud clip with it."
        ]
    if not eps_is_small:
        return [
            f"eps = {eps_text(eps)} is not small beside a {name} of {_number(scale, 1)} dB: "
            f"the result's standard deviation is {_number(m.after.std(correction=0), 2)}."
        ]
    return []


def _quiet(level: float) -> str:
    return f"nearly silent (peak {_dbfs(level)})" if math.isfinite(level) else "digital silence"


def _middle(method: str) -> str:
    return "minimum" if method == "min-max" else "mean"


def _told(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that made the normalised picture."""
    if settings["method"] == "none":
        return {name: settings[name] for name in ("gain_db", "method")}
    return dict(settings)


def _number(value: Any, digits: int = 0) -> str:
    """A number with a real minus and no minus zero."""
    text = f"{float(value):.{digits}f}"
    text = text.lstrip("-") if float(text) == 0 else text
    return text.replace("-", "\u2212")


def _dbfs(level: float) -> str:
    return f"{_number(level, 1)} dBFS" if math.isfinite(level) else "digital silence"


def _four(readout: dict[str, Any], name: str, unit: str, digits: int) -> str:
    parts = [f"{key} {_number(readout[f'{key}_{name}'], digits)}" for key in _FOUR]
    return f"{_DOT.join(parts)} {unit}"


_FOUR = ("mean", "std", "min", "max")
_DOT = " \u00b7 "


def _cell(readout: dict[str, Any]) -> str:
    in_band = f" (band {readout['band']})" if readout["method"] == "per band" else ""
    return f"loudest cell{in_band}:"


def _formula(readout: dict[str, Any]) -> str:
    """The course's formula with the numbers of the loudest cell."""
    x, centre, scale = (_number(readout[key], 1) for key in ("x", "centre", "scale"))
    if readout["method"] == "none":
        return f"{x} dB, as it is"
    centre = f"({centre})" if centre.startswith("\u2212") else centre
    result = f"{_number(readout['result'], 2)} {readout['unit_after']}"
    return f"({x} \u2212 {centre}) / ({scale} + {eps_text(readout['eps'])}) = {result}"


def explore_normalize(
    waveform: Any,
    sample_rate: float,
    *,
    statistics: tuple[Any, Any] | None = None,
    normalize: Callable[..., Any] | None = None,
    **start: Any,
) -> NormalizeExplorer:
    """Move the level of a recording and the way it is normalised; watch what a network gets.

    The gain stands in front of a 16-bit file, as in a recorder: what falls below one step of it
    is lost. The chain is the course's: n_fft 1024, hop_length 512, 64 bands, top_db 80.

    Args:
        waveform: ``(time,)`` or ``(channels, time)``, in [-1, 1].
        sample_rate: In Hz.
        statistics: Mean and standard deviation in dB, measured on a training set, for the method
            «data set»: two numbers, or two tensors with one number for each band.
        normalize: Your own function in place of ours, for the method «per clip». It gets the
            log-mel spectrogram ``(n_mels, n_frames)`` in dB, and ``eps`` if it has that parameter,
            and returns the normalised one.
        **start: First values: ``gain_db, method, eps``. Methods: "none", "per clip", "per band",
            "data set", "min-max".

    Returns:
        An explorer that shows itself when it stands last in a cell.

    Raises:
        TypeError: If a start value names no slider.
        ValueError: If the waveform, the statistics or a start value cannot be used.

    Notebook: 05_normalize.ipynb.
    """
    return NormalizeExplorer(
        waveform, sample_rate, statistics=statistics, normalize=normalize, start=start
    )
