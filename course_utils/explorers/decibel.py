"""explore_decibel: ref, amin, top_db and gain under the hand; a picture and its histogram."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import ipywidgets as widgets
import numpy as np
import torch
from torch import Tensor

from course_utils.explorers.base import Explorer
from course_utils.explorers.controls import TOP_DB, make_menu, make_slider
from course_utils.explorers.live import Frames, LiveChain, _Spec
from course_utils.explorers.own_function import (
    NotWrittenYetError,
    OwnFunction,
    OwnFunctionError,
    TooSlowError,
    _one_line,
)
from course_utils.signal import amplitude_to_db, db_to_amplitude, db_to_power, power_to_db
from course_utils.sound_view import Axis, Chart, Lane, Line, Picture

OFF = 0  # what a slider holds for ``None``
PEAK = "peak"
REF = tuple(10.0**n for n in range(-4, 5))
AMIN = tuple(10.0**n for n in range(-12, 3))
NEIGHBOUR_DB = (10, 20, 30, 40, 50, 60)
RIGHT_FORMULA = "10 log10(power)"
FORMULAS = (
    RIGHT_FORMULA,
    "20 log10(amplitude)",
    "10 log10(amplitude)",
    "20 log10(power)",
    "decibels of decibels",
)
BELOW_PEAK, LOWEST_TO_PEAK, FIXED = "below the peak", "lowest to peak", "-60 to 40 dB"
COLOURS = (BELOW_PEAK, LOWEST_TO_PEAK, FIXED)
AXIS_DB = (-160.0, 120.0)  # of the histogram: it stays while the levels slide along it
BIN_DB = 2.0
_SPEC = _Spec(n_fft=1024, hop_length=256, win_length=1024, window="hann")
_CHAIN = {"n_fft": 1024, "hop_length": 256, "n_mels": 64, "mel_scale": "htk"}
_WRONG = {
    "10 log10(amplitude)": "10 log10 wants a power and got an amplitude: all differences are half "
    "of what they are. Take 20 log10 of an amplitude.",
    "20 log10(power)": "20 log10 wants an amplitude and got a power: all differences are double, "
    "so top_db keeps only half the range that it promises.",
    "decibels of decibels": "The logarithm was taken twice. Negative decibels are no powers: all "
    "of them fell to amin, and the rest is squeezed.",
}


class Levels(NamedTuple):
    """What one setting makes of a sound: what pictures, read-out and notes are made from."""

    before: Tensor  # dB of the whole sound, (n_mels, n_frames), before the clamp
    after: Tensor  # the same, after it
    ref: float  # the power that is 0 dB
    loudest: float  # the largest power of the sound
    n_lifted: int  # cells that amin lifted


class DecibelChain(LiveChain):
    """The Mel spectrogram behind a gain, in decibels and not yet in 8 bits.

    Args:
        waveform: Mono, shape ``(time,)``, float32.
        sample_rate: In Hz.
        own: The student's ``power_to_db`` in place of ours, or ``None``.
    """

    def __init__(
        self, waveform: Tensor, sample_rate: float, *, own: OwnDecibels | None = None
    ) -> None:
        super().__init__(waveform, sample_rate)
        self._own = own

    @property
    def is_own(self) -> bool:
        """Whether a student's function stands in place of ours."""
        return self._own is not None

    @property
    def whole(self) -> Frames:
        """All frames of the sound, or an overview of a long one."""
        return self.frames(_SPEC, (0.0, len(self.waveform) / self.sample_rate))

    def levels(self, settings: dict[str, Any]) -> Levels:
        """Decibels of the whole sound, before and after the clamp."""
        power = self.power(self.whole, settings["gain_db"])
        loudest, amin = float(power.max()), settings["amin"]
        return Levels(
            before=self.decibels(power, settings | {"top_db": None}),
            after=self.decibels(power, settings),
            ref=self._ref(loudest, settings),
            loudest=loudest,
            n_lifted=int((power < amin).sum()),
        )

    def power(self, frames: Frames, gain_db: float) -> Tensor:
        """Mel power of these frames behind the gain, ``(n_mels, count)``."""
        fbank, _empty = self.filterbank(_CHAIN)
        stage = "whole mel" if frames == self.whole else "visible mel"
        mel = self._cached(stage, frames, lambda: fbank.T @ self._new_power(_SPEC, frames))
        return mel * _factor(db_to_power, gain_db)

    def decibels(self, power: Tensor, settings: dict[str, Any]) -> Tensor:
        """Decibels of some columns of the sound, ``(n_mels, count)``.

        The clamp counts from the loudest cell of the whole sound, which may not be visible, or
        of its batch, if it has a louder neighbour. So that one cell goes along as a row.
        """
        loudest = float(self.power(self.whole, settings["gain_db"]).max())
        row = loudest * _factor(db_to_power, settings["neighbour"])
        every = torch.cat([power, power.new_full((1, power.shape[1]), row)])
        return self._convert(every, settings, self._ref(loudest, settings))[:-1]

    def _ref(self, loudest: float, settings: dict[str, Any]) -> float:
        return max(loudest, settings["amin"]) if settings["ref"] == PEAK else settings["ref"]

    def _convert(self, power: Tensor, settings: dict[str, Any], ref: float) -> Tensor:
        formula, amin, top_db = (settings[name] for name in ("formula", "amin", "top_db"))
        roots = {"ref": math.sqrt(ref), "amin": math.sqrt(amin), "top_db": top_db}
        if formula == RIGHT_FORMULA:
            convert = self._own.levels if self._own else power_to_db
            return convert(power, ref=ref, amin=amin, top_db=top_db)
        if formula == "20 log10(amplitude)":
            return amplitude_to_db(power.sqrt(), **roots)
        if formula == "10 log10(amplitude)":  # the mistakes: a function got what it did not want
            return power_to_db(power.sqrt(), **roots)
        if formula == "20 log10(power)":
            return amplitude_to_db(power, ref=ref, amin=amin, top_db=top_db)
        once = power_to_db(power, ref=ref, amin=amin, top_db=None)
        return power_to_db(once, amin=amin, top_db=top_db)

    def picture(self, settings: dict[str, Any], visible: Any, span: tuple[float, float]) -> Picture:
        """The visible stretch in decibels; the colours run over ``span``."""
        frames = self.frames(_SPEC, visible)
        db = self.decibels(self.power(frames, settings["gain_db"]), settings)
        low, high = span
        places = (db - low) * (255.0 / (high - low))
        cells = places.round_().clamp_(0.0, 255.0).to(torch.uint8).numpy()
        y, row = self._bands(_CHAIN["n_mels"], _CHAIN["mel_scale"])
        row = row | {"bin_hz": self.sample_rate / _CHAIN["n_fft"]}
        told = {k: v for k, v in settings.items() if v is not None}
        own = self._own and settings["formula"] == RIGHT_FORMULA
        engine = self._own.name if own else "PyTorch"
        return self._picture(cells, _SPEC, frames, y, row, span, told, engine=engine)


class OwnDecibels(OwnFunction):
    """The student's ``power_to_db``, called with those of ``ref, amin, top_db`` that it takes."""

    def levels(self, power: Tensor, **settings: Any) -> Tensor:
        """Decibels of the shape of ``power``, checked."""
        try:
            result = self._function(power.clone(), **self._asked_for(settings))
        except TooSlowError as problem:
            raise OwnFunctionError(f"{self.name} {problem}") from problem
        except Exception as problem:
            raise OwnFunctionError(f"{self.name} raised {_one_line(problem)}") from problem
        if result is None:
            raise NotWrittenYetError(
                f"{self.name} returns None: the picture is the course's until it returns one."
            )
        if not isinstance(result, Tensor) or result.shape != power.shape:
            kind = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise OwnFunctionError(
                f"{self.name} returned {kind}; a tensor of the same shape as the power is needed"
            )
        result = result.detach().to(torch.float32)
        if not torch.isfinite(result).all():
            raise OwnFunctionError(
                f"{self.name} returned NaN or infinity: is there a logarithm of zero"
            )
        return result


class DecibelExplorer(Explorer):
    """Waveform, picture in decibels and its histogram; see :func:`explore_decibel`."""

    title = "Decibel explorer"
    kind = "decibel"
    lanes = (
        Lane("waveform", "waveform", "waveform", height=50),
        Lane("decibel", "picture", "Mel spectrogram in dB", height=170),
        Lane("histogram", "chart", "histogram of all cells", height=125),
    )
    zero_is_none = ("top_db",)  # nothing is clamped
    defaults = {
        "top_db": 80,
        "amin": 1e-10,
        "ref": 1.0,
        "gain_db": 0,
        "neighbour": OFF,
        "formula": RIGHT_FORMULA,
        "colours": BELOW_PEAK,
    }
    presets = {
        "0 dB at the peak": {"ref": PEAK},
        "voice clamped away": {"top_db": 30},
        "loud neighbour": {"neighbour": 50},
        "amin too high": {"amin": 1.0},
        "amplitude as power": {"formula": "10 log10(amplitude)"},
        "power as amplitude": {"formula": "20 log10(power)"},
        "decibels twice": {"formula": "decibels of decibels"},
    }

    def __init__(
        self,
        waveform: Any,
        sample_rate: float,
        *,
        power_to_db: Callable[..., Any] | None = None,
        start: dict[str, Any],
    ) -> None:
        self._own = OwnDecibels(power_to_db) if power_to_db is not None else None
        super().__init__(waveform, sample_rate, start=start)

    def _make_control(self, name: str, value: Any) -> widgets.Widget:
        if name in _CONTROLS:
            return _CONTROLS[name](value)
        return super()._make_control(name, value)

    def _make_chain(self, waveform: Tensor, sample_rate: float) -> DecibelChain:
        return DecibelChain(waveform, sample_rate, own=self._own)

    def _course_pictures(self, settings: dict[str, Any]) -> dict[str, Picture]:
        return self._pictures(DecibelChain(self.chain.waveform, self.chain.sample_rate), settings)

    def _preset(self, values: dict[str, Any]) -> dict[str, Any]:
        return self.defaults | values  # a preset shows one thing at a time

    def _live(self) -> dict[str, Any]:
        return super()._live() | {"gain": "factor"}

    # ---- from settings to what is seen

    def _pictures(self, chain: DecibelChain, settings: dict[str, Any]) -> dict[str, Any]:
        levels = chain.levels(settings)
        picture = chain.picture(settings, tuple(self.view.visible), colour_span(levels, settings))
        self._levels = levels
        return {"decibel": picture, "histogram": histogram(levels, settings, chain)}

    def _show(self, pictures: dict[str, Any], settings: dict[str, Any], notes: list[str]) -> None:
        with self.view.hold_sync():
            self.view.gain = min(_factor(db_to_amplitude, settings["gain_db"]), self.view.most_gain)
            super()._show(pictures, settings, notes)

    def _notes(self, settings: dict[str, Any]) -> list[str]:
        levels, told = self._levels, self.readout
        notes = [_WRONG[settings["formula"]]] if settings["formula"] in _WRONG else []
        if _factor(db_to_amplitude, settings["gain_db"]) > self.view.most_gain:
            notes.append("Heard softer than shown: with this gain a sound card would clip.")
        if levels.loudest < settings["amin"]:
            notes.append("amin lies above the loudest cell: every cell is the same.")
        elif told["amin_share"] > 0.2:
            notes.append(
                f"amin lifts {_percent(told['amin_share'])} of the cells: what is quieter than "
                f"{_db(told['amin_db'])} is gone, whatever top_db says."
            )
        if settings["neighbour"] and settings["top_db"]:
            notes.append(
                f"The clamp counts from a neighbour that is {settings['neighbour']} dB louder: of "
                f"{settings['top_db']} dB this sound keeps "
                f"{max(0, settings['top_db'] - settings['neighbour'])}."
            )
        if told["clamped_share"] > 0.9 and levels.loudest > settings["amin"]:
            notes.append(
                f"{_percent(told['clamped_share'])} of the cells were clamped to one level."
            )
        return notes

    def _readout(self, settings: dict[str, Any]) -> dict[str, Any]:
        levels = self._levels
        peak, floor = float(levels.after.max()), float(levels.after.min())
        return {
            "peak_db": peak,
            "floor_db": floor,
            "range_db": peak - floor,
            "mean_db": float(levels.after.mean()),
            "ref": levels.ref,
            "amin_db": float(levels.before.min()) if levels.n_lifted else None,
            "amin_share": levels.n_lifted / levels.before.numel(),
            "clamped_share": float((levels.after > levels.before + 1e-3).float().mean()),
        }

    def _readout_texts(self, readout: dict[str, Any]) -> dict[str, str]:
        return {
            "0 dB is the power": f"{readout['ref']:.4g}",
            "loudest cell": _db(readout["peak_db"]),
            "lowest cell": _db(readout["floor_db"]),
            "range": _db(readout["range_db"]),
            "mean": _db(readout["mean_db"]),
            "lifted by amin": _percent(readout["amin_share"]),
            "lifted by the clamp": _percent(readout["clamped_share"]),
        }


def colour_span(levels: Levels, settings: dict[str, Any]) -> tuple[float, float]:
    """Which decibels are black and white: tied to the picture's peak, or fixed."""
    if settings["colours"] == FIXED:
        return -60.0, 40.0
    high = float(levels.after.max())
    if settings["colours"] == BELOW_PEAK:
        return high - 100.0, high
    return min(float(levels.after.min()), high - 1.0), high


def histogram(levels: Levels, settings: dict[str, Any], chain: DecibelChain) -> Chart:
    """How many cells have which level, before and after the clamp, over an axis that stays."""
    before, after = levels.before.numpy().ravel(), levels.after.numpy().ravel()
    low = min(AXIS_DB[0], 40.0 * math.floor(before.min() / 40.0))
    loudest = max(before.max(), after.max())  # a loud neighbour's clamp lifts cells above all
    high = max(AXIS_DB[1], 40.0 * math.ceil(loudest / 40.0))
    n_bins = round((high - low) / BIN_DB)
    centres = low + BIN_DB * (np.arange(n_bins) + 0.5)
    shares = [
        100.0 * np.histogram(values, bins=n_bins, range=(low, high))[0] / values.size
        for values in (before, after)
    ]
    step = chain.whole.step
    return Chart(
        x=Axis("level", "dB", low, high),
        y=Axis("share of cells", "%", 0.0, _top(shares[0], centres, levels)),
        lines=(
            Line(centres, shares[0], "before the clamp", "area"),
            Line(centres, shares[1], "after the clamp", "bars"),
        ),
        marks=_marks(levels, settings),
        settings={k: v for k, v in settings.items() if v is not None},
        notes=(f"of 1 in every {step} frames",) if step > 1 else (),
    )


def _top(shares: np.ndarray, centres: np.ndarray, levels: Levels) -> float:
    """End of the vertical axis: the hump fills it, the bars of amin and clamp may leave it."""
    hump = shares[centres > float(levels.before.min()) + BIN_DB]
    tallest = float(hump.max()) if hump.size else 4.0
    return max(4.0, 2.0 * math.ceil(0.55 * tallest))


def _marks(levels: Levels, settings: dict[str, Any]) -> tuple[tuple[float, str], ...]:
    """0 dB, the floor that amin makes, and where the clamp stands."""
    clamped = levels.after > levels.before + 1e-3
    marks = [(0.0, f"0 dB: power {levels.ref:.4g}")]
    if levels.n_lifted:
        marks.append((float(levels.before.min()), "amin"))
    elif settings["formula"] == RIGHT_FORMULA:
        amin = 10.0 * math.log10(settings["amin"] / levels.ref)
        marks.append((amin, "amin"))
    if clamped.any():
        share = float(clamped.float().mean())
        marks.append((float(levels.after.min()), f"clamp: {_percent(share)} of all cells"))
    return tuple(marks)


def _ref_control(value: Any) -> widgets.Widget:
    if value != PEAK:
        value = _positive("ref", value)
    numbers = sorted({*REF, value} - {PEAK})
    return make_slider("ref", [("peak", PEAK), *((f"{n:g}", n) for n in numbers)], value)


def _amin_control(value: Any) -> widgets.Widget:
    value = _positive("amin", value)
    return make_slider("amin", [(f"{n:g}", n) for n in sorted({*AMIN, value})], value)


def _db_control(name: str, off: str, steps: tuple[int, ...], value: Any) -> widgets.Widget:
    value = OFF if value is None else value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 200:
        raise ValueError(f"{name} must be a whole number of dB up to 200, or None, got {value!r}")
    options = [(f"{n} dB", n) for n in sorted({*steps, value} - {OFF})]
    place = 0 if name == "neighbour" else len(options)  # off is where nothing happens
    options.insert(place, (off, OFF))
    return make_slider(name, options, value)


def _menu_control(name: str, options: tuple[str, ...], value: Any) -> widgets.Widget:
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(options)}, got {value!r}")
    return make_menu(name, list(options), value, width="350px")


_CONTROLS: dict[str, Callable[[Any], widgets.Widget]] = {
    "ref": _ref_control,
    "amin": _amin_control,
    "top_db": lambda value: _db_control("top_db", "off", TOP_DB, value),
    "neighbour": lambda value: _db_control("neighbour", "none", NEIGHBOUR_DB, value),
    "formula": lambda value: _menu_control("formula", FORMULAS, value),
    "colours": lambda value: _menu_control("colours", COLOURS, value),
}


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1e-30 < value < 1e30:
        raise ValueError(f"{name} must be a power between 1e-30 and 1e30, got {value!r}")
    return float(value)


def _factor(convert: Callable[[Tensor], Tensor], db: float) -> float:
    """Decibels as a factor on powers or on amplitudes."""
    return float(convert(torch.tensor(float(db), dtype=torch.float64)))


def _db(value: float) -> str:
    text = f"{value:.1f} dB".replace("-", "\u2212")
    return text.lstrip("\u2212") if text == "\u22120.0 dB" else text  # there is no minus zero


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def explore_decibel(
    waveform: Any,
    sample_rate: float,
    *,
    power_to_db: Callable[..., Any] | None = None,
    **start: Any,
) -> DecibelExplorer:
    """Move what turns a power into decibels, and watch the picture and its histogram.

    The colours run from the picture's own peak to 100 dB below it, so that ``ref`` and the gain
    move all numbers and leave the picture as it is, until ``amin`` or the clamp get in the way.

    Args:
        waveform: ``(time,)`` or ``(channels, time)``, in [-1, 1].
        sample_rate: In Hz.
        power_to_db: Your own function in place of ours. It gets the power ``(n_mels, n_frames)``
            and those of ``ref, amin, top_db`` that it has as parameters (``top_db`` may be
            ``None``), and returns decibels of the same shape.
        **start: First values: ``gain_db, formula, ref, amin, top_db, neighbour, colours``.
            ``ref`` is a power or ``"peak"``; ``neighbour`` is how many dB louder another clip of
            the same batch is, from whose peak the clamp is then taken.

    Returns:
        An explorer that shows itself when it stands last in a cell.

    Raises:
        TypeError: If a start value names no slider.
        ValueError: If the waveform or a start value cannot be used.

    Notebook: 04_decibel.ipynb.
    """
    return DecibelExplorer(waveform, sample_rate, power_to_db=power_to_db, start=start)
