"""Checks of 04_decibel: a power_to_db, the reference behind a picture, doubled decibels.

Every ``check_*`` function prints one line and never raises; see :mod:`course_utils.checks`.
Notebook: 04_decibel.ipynb.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.checks._core import (
    EMPTY_BODY,
    NOT_TRIED_YET,
    RIGHT,
    WRONG,
    Stop,
    Verdict,
    call,
    need_function,
    one_line,
    to_array,
)
from course_utils.signal import amplitude_to_db, power_to_db

# --- 04_decibel, exercise 1: power_to_db ------------------------------------------------------

_SETTINGS: list[dict[str, Any]] = [
    {"ref": 1.0, "amin": 1e-10, "top_db": 80.0},
    {"ref": 0.01, "amin": 1e-10, "top_db": 30.0},
    {"ref": 100.0, "amin": 1e-6, "top_db": None},
]
_RIGHT_STEPS = {
    "value": "power",
    "amin": "larger",
    "log": "log10",
    "factor": "10",
    "ref": "divide",
    "clamp": "own peak",
}

#: (step of the formula, wrong choice) -> what to say. ``_variant`` can make each of them.
DB_MISTAKES: dict[tuple[str, str], str] = {
    ("log", "ln"): "this is the natural logarithm, the formula has log10",
    ("log", "log2"): "this is log2, the formula has log10",
    ("factor", "20"): "20 log10 is for an amplitude, and this is a power already",
    ("factor", "1"): "the factor 10 is missing: this is in bel, a decibel is a tenth of it",
    ("value", "root"): "you took the square root first: a power goes into the logarithm as it is",
    ("value", "square"): "you squared first: a power is the square of an amplitude already",
    ("ref", "none"): "ref is not used",
    ("ref", "multiply"): "ref has the wrong sign: the power is divided by it, not multiplied",
    ("ref", "subtract"): "you subtract ref itself: it is a power, and has to go into the logarithm",
    ("ref", "peak"): "0 dB is each picture's own peak here, wanted is the ref that is given",
    ("amin", "none"): "amin is not used: a power of zero becomes minus infinity",
    ("amin", "add"): "you add amin to the power, wanted is the larger of the two",
    ("amin", "smaller"): "you take the smaller of power and amin: amin lifts what is too small",
    ("amin", "of dB"): "amin is a power and no level: it belongs before the logarithm",
    ("amin", "after ref"): "amin is a power: compare it with the power, before ref comes in",
    ("clamp", "none"): "top_db is not used: nothing is lifted to the floor",
    ("clamp", "zero"): "your floor lies top_db below 0 dB, wanted is top_db below the peak",
    ("clamp", "batch"): "your peak is that of the whole batch: one loud clip changes the others",
    ("clamp", "frame"): "you take the peak of every frame, wanted is one peak for a clip",
    ("clamp", "band"): "you take the peak of every band, wanted is one peak for a clip",
    ("clamp", "subtract"): "you subtract top_db from every level: it says where the floor is",
    ("clamp", "ceiling"): "you cut off what is loud: the clamp lifts what is too low (maximum)",
    ("clamp", "of power"): "top_db is in decibels: clamp after the logarithm, not before",
}


def _test_power() -> Tensor:
    """Three clips of very different level, with a cell of silence each, (clip=3, freq, time)."""
    generator = torch.Generator().manual_seed(4)
    exponents = 9.0 * torch.rand(3, 5, 7, generator=generator) - 7.0
    power = 10.0**exponents * torch.tensor([1.0, 1e4, 1e-2])[:, None, None]
    power[:, 0, 0] = 0.0
    return power


def _variant(
    power: Tensor, setting: Mapping[str, Any], wrong: Mapping[str, str] | None = None
) -> Tensor:
    """The conversion with the steps that ``wrong`` names done wrongly; right without any."""
    how = _RIGHT_STEPS | dict(wrong or {})
    ref, amin, top_db = setting["ref"], setting["amin"], setting["top_db"]
    power = power.double() ** {"root": 0.5, "square": 2.0}.get(how["value"], 1.0)
    if how["clamp"] == "of power" and top_db is not None:
        power = torch.maximum(power, power.amax(dim=(-2, -1), keepdim=True) / top_db)
    power = _with_amin(power, ref, amin, how["amin"])
    log = {"ln": torch.log, "log2": torch.log2}.get(how["log"], torch.log10)
    factor = float(how["factor"])
    db = factor * log(power)
    ref_db = factor * log(torch.tensor(ref, dtype=torch.float64))
    shift = {
        "none": 0.0,
        "multiply": ref_db,
        "subtract": -ref,
        "peak": -db.amax(dim=(-2, -1), keepdim=True),
    }
    db = db + shift.get(how["ref"], -ref_db)
    if how["amin"] == "of dB":
        db = db.clamp(min=amin)
    return _clamped(db, top_db, how["clamp"])


def _with_amin(power: Tensor, ref: float, amin: float, how: str) -> Tensor:
    if how in ("none", "of dB"):
        return power
    if how == "add":
        return power + amin
    if how == "smaller":
        return power.clamp(max=amin)
    return power.clamp(min=amin * ref if how == "after ref" else amin)


def _clamped(db: Tensor, top_db: float | None, how: str) -> Tensor:
    if top_db is None or how in ("none", "of power"):
        return db
    if how == "subtract":
        return db - top_db
    if how == "ceiling":
        return torch.minimum(db, db.amax(dim=(-2, -1), keepdim=True) - top_db)
    peaks = {
        "own peak": lambda: db.amax(dim=(-2, -1), keepdim=True),
        "zero": lambda: torch.zeros(()),
        "batch": lambda: db.max(),
        "frame": lambda: db.amax(dim=-2, keepdim=True),
        "band": lambda: db.amax(dim=-1, keepdim=True),
    }
    return torch.maximum(db, peaks[how]() - top_db)


def _same_db(got: np.ndarray, want: np.ndarray) -> bool:
    """Same shape, infinite in the same places, elsewhere less than a hundredth of a dB apart."""
    if got.shape != want.shape or not np.array_equal(np.isfinite(got), np.isfinite(want)):
        return False
    finite = np.isfinite(want)
    return bool(np.all(np.abs(got[finite] - want[finite]) < 0.01))


def _name_mistake(got: list[np.ndarray], powers: list[Tensor]) -> str | None:
    """Find the one or two wrong steps that give what the student's function gave."""
    known = list(DB_MISTAKES)
    pairs = ((a, b) for a, b in itertools.combinations(known, 2) if a[0] != b[0])
    for steps in itertools.chain(((step,) for step in known), pairs):
        variants = (
            _variant(power, setting, dict(steps)).numpy()
            for power, setting in zip(powers, _SETTINGS, strict=True)
        )
        if all(_same_db(g, v) for g, v in zip(got, variants, strict=True)):
            more = " (and that is not all)" if len(steps) > 1 else ""
            return DB_MISTAKES[steps[0]] + more
    return None


def _converted(function: Any, power: Tensor, setting: Mapping[str, Any]) -> np.ndarray:
    """What the student's function makes of a power, as an array."""
    given = power.clone()
    try:
        db = call(function, given, **setting)
    except Stop:
        if setting["top_db"] is None:  # it works with a number, or this line is not reached
            raise Stop((WRONG, "top_db may be None: then nothing is clamped")) from None
        raise
    if db is None:
        raise Stop(EMPTY_BODY)
    if not torch.equal(given, power):
        raise Stop((WRONG, "your function changes the power that it is given (an in-place *= ?)"))
    return to_array(db).real


@one_line("my_power_to_db")
def check_my_power_to_db(function: Any) -> Verdict:
    """Judge ``my_power_to_db(power_spec, *, ref, amin, top_db)`` on one clip and on a batch."""
    need_function(function)
    batch = _test_power()
    single = [_converted(function, batch[0], setting) for setting in _SETTINGS]
    want = [_variant(batch[0], setting).numpy() for setting in _SETTINGS]
    if not all(_same_db(g, w) for g, w in zip(single, want, strict=True)):
        return WRONG, _name_mistake(single, [batch[0]] * len(_SETTINGS)) or _difference(
            single, want
        )
    got = [_converted(function, batch, setting) for setting in _SETTINGS]
    want = [_variant(batch, setting).numpy() for setting in _SETTINGS]
    if all(_same_db(g, w) for g, w in zip(got, want, strict=True)):
        return RIGHT, "right, for one clip and for a batch, with and without a clamp"
    mistake = _name_mistake(got, [batch] * len(_SETTINGS))
    return (
        WRONG,
        mistake or "right for one clip, but a batch (clip, freq, time) comes out different",
    )


def _difference(got: list[np.ndarray], want: list[np.ndarray]) -> str:
    for g, w, setting in zip(got, want, _SETTINGS, strict=True):
        shown = ", ".join(f"{name}={value}" for name, value in setting.items())
        if g.shape != w.shape:
            return f"the shape is {g.shape}, wanted is {w.shape}"
        if not np.isfinite(g).all():
            return f"there are values that are not finite (inf or nan) with {shown}"
        if not _same_db(g, w):
            return f"with {shown} levels are up to {np.max(np.abs(g - w)):.3g} dB off"
    return "not right yet"


# --- 04_decibel, exercise 2: the reference behind a picture -----------------------------------

_HIDDEN_REF = (1024 / 4) ** 2


def hidden_reference_db(power_spec: Tensor) -> Tensor:
    """Decibels against a reference that is not told: reading it back is the exercise.

    Args:
        power_spec: Power, shape ``(..., freq, time)``.

    Returns:
        Decibels of the same shape, clamped 80 dB below the peak.
    """
    return power_to_db(power_spec, ref=_HIDDEN_REF)


@one_line("reference")
def check_reference(answer: Any, power_spec: Tensor) -> Verdict:
    """Judge the power that is 0 dB in the picture of :func:`hidden_reference_db`.

    Args:
        answer: The student's reference, a power; within 1 dB is right.
        power_spec: The power that the picture was made of.
    """
    if answer is None or answer is Ellipsis:
        return NOT_TRIED_YET
    value = to_array(answer)
    if value.size != 1:
        return WRONG, f"one number is wanted, this has the shape {value.shape}"
    ref = float(value.real.reshape(()))
    if not (math.isfinite(ref) and ref > 0):
        return WRONG, "a reference is a power: a finite number above zero"
    off_db = 10.0 * math.log10(ref / _HIDDEN_REF)
    if abs(off_db) <= 1.0:
        return RIGHT, f"right, to {abs(off_db):.1f} dB. A sine at full scale has this power"
    peak = float(power_spec.max())
    for says, wrong in _reference_mistakes(peak, peak / _HIDDEN_REF).items():
        if abs(10.0 * math.log10(ref / wrong)) <= 0.3:
            return WRONG, says
    if abs(off_db) <= 4.0:
        return WRONG, "close: read the peak of the picture more exactly"
    return WRONG, f"with this reference the peak would lie {abs(off_db):.0f} dB " + (
        "lower than it does" if off_db > 0 else "higher than it does"
    )


def _reference_mistakes(peak: float, ratio: float) -> dict[str, float]:
    """What to say, and the number that leads to it; ``ratio`` is the peak over the reference."""
    level_db = 10.0 * math.log10(ratio)
    return {
        "this is the power of the peak: it would be the reference if the peak were at 0 dB": peak,
        "upside down: the peak lies below 0 dB, so it is smaller than the reference": peak * ratio,
        "10^(dB/20) is the way back to an amplitude, this is a power": peak / math.sqrt(ratio),
        "decibels go back with a power of 10, not of e": peak / math.exp(level_db / 10.0),
        "there is a factor 10 between bel and decibel: divide by 10 in the exponent": (
            peak / 10.0 ** max(level_db, -300.0)
        ),
        "this is how far the peak lies from 0 dB, wanted is a power": abs(level_db),
        "this is how many times the reference is the peak, wanted is the reference": 1.0 / ratio,
        "this is how many times the peak is the reference, wanted is the reference": ratio,
        "this is the amplitude of the reference, a power is its square": math.sqrt(_HIDDEN_REF),
        "this is the reference in decibels, wanted is the power": 10.0 * math.log10(_HIDDEN_REF),
    }


# --- 04_decibel, exercise 3: doubled decibels -------------------------------------------------

_DOUBLED, _FALL_DB = "C", 40.0 * math.log10(2.0)


def three_pictures(power_spec: Tensor) -> dict[str, Tensor]:
    """The same power in decibels three times; in one of them every difference is doubled.

    Args:
        power_spec: Power, shape ``(..., freq, time)``.
    """
    return {
        "A": power_to_db(power_spec, ref=1e-6, top_db=40.0),
        "B": power_to_db(power_spec, ref=1e4, top_db=80.0),
        "C": amplitude_to_db(power_spec, ref=1e4, top_db=80.0),
    }


@one_line("doubled")
def check_doubled(letter: Any, fall_db: Any) -> Verdict:
    """Judge which of :func:`three_pictures` is doubled, and by how much its peak falls.

    Args:
        letter: ``"A"``, ``"B"`` or ``"C"``.
        fall_db: By how many decibels its peak falls when the amplitude is halved.
    """
    if letter is None or letter is Ellipsis:
        return NOT_TRIED_YET
    if not isinstance(letter, str) or letter.strip().upper() not in ("A", "B", "C"):
        return WRONG, 'the letter of a picture is wanted: "A", "B" or "C"'
    letter = letter.strip().upper()
    if letter != _DOUBLED:
        return WRONG, (
            f"not {letter}: its peak falls by 6 dB when the amplitude is halved, as it should. "
            "Another reference or another clamp doubles nothing"
        )
    if fall_db is None or fall_db is Ellipsis:
        return WRONG, "the letter alone may be luck: measure fall_db, too"
    value = to_array(fall_db)
    if value.size != 1:
        return WRONG, f"fall_db is one number, this has the shape {value.shape}"
    fall = float(value.real.reshape(()))
    if abs(fall - _FALL_DB) <= 0.1:
        return RIGHT, "right: 20 log10 was taken of something that was a power already"
    mistakes = {
        -_FALL_DB: "the size is right: a fall is counted as a positive number here",
        _FALL_DB / 2: "this is what the peak of a right picture falls by, measure the other one",
        _FALL_DB / 4: "half the amplitude is a quarter of the power, you took half of it",
        _FALL_DB * 2: "you divided the power by 16: half the amplitude is a quarter of the power",
    }
    for wrong, says in mistakes.items():
        if abs(fall - wrong) <= 0.1:
            return WRONG, says
    return WRONG, f"the letter is right, but its peak does not fall by {fall:.3g} dB"
