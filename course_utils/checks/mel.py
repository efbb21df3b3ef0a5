"""Checks of 03_mel: the mel formula and its inverse, one triangle, empty bands and their cures.

Every ``check_*`` function prints one line and never raises; see :mod:`course_utils.checks`.
Notebook: 03_mel.ipynb.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
    agree,
    call,
    judge_integer_function,
    need_function,
    one_line,
    to_array,
)
from course_utils.signal import (
    empty_mel_bands,
    hz_to_mel,
    mel_band_edges_hz,
    mel_filterbank,
    mel_to_hz,
)

Formula = Callable[[np.ndarray], np.ndarray]


def _values(function: Any, inputs: np.ndarray) -> tuple[np.ndarray | None, Stop | None]:
    """What a function gives for each number, and the first error that it raised.

    Plain numbers are tried first, then a tensor: both ways to write a formula are right. Where
    only some numbers raise, they are NaN: the others may show which mistake was made.
    """
    returned, problems = [], []
    for x in inputs:
        try:
            returned.append(call(lambda *, value: function(value), value=float(x)))
        except Stop as stop:
            returned.append(math.nan)
            problems.append(stop)
    if len(problems) == len(inputs):
        try:
            together = call(function, torch.from_numpy(inputs))
        except Stop:
            together = None
        if together is None:
            raise problems[0]
        return _shaped(together, inputs), None
    if all(value is None for value in returned):
        return None, None
    arrays = [to_array(math.nan if value is None else value) for value in returned]
    if any(array.size != 1 for array in arrays):
        raise Stop((WRONG, f"one number is wanted for one number, not {arrays[0].shape}"))
    return np.array([array.reshape(()) for array in arrays]), next(iter(problems), None)


def _shaped(returned: Any, inputs: np.ndarray) -> np.ndarray:
    got = to_array(returned)
    if got.shape != inputs.shape:
        raise Stop((WRONG, f"{len(inputs)} numbers went in, {got.shape} came out"))
    return got


def _check_formula(
    function: Any, inputs: np.ndarray, right: Formula, mistakes: Mapping[str, Formula], unit: str
) -> Verdict:
    """Judge a formula by its values at ``inputs``."""
    need_function(function)
    got, problem = _values(function, inputs)
    if got is None:
        return EMPTY_BODY
    want = right(inputs)
    if agree(got, want.astype(np.complex128), 1e-4):  # 1127 ln is the same formula, rounded
        return RIGHT, f"right at all {len(inputs)} values"
    with np.errstate(all="ignore"):
        for says, wrong in mistakes.items():
            values = wrong(inputs)
            known = np.isfinite(values)
            if known.sum() >= 3 and agree(got[known], values[known].astype(np.complex128), 1e-5):
                return WRONG, says
    if problem is not None:
        return problem.verdict
    if not np.isfinite(got).all():
        place = inputs[np.argmin(np.isfinite(got))]
        return WRONG, f"for {place:g} you return a value that is not finite"
    place = int(np.argmax(np.abs(got - want)))
    side = "large" if got[place].real > want[place] else "small"
    return (
        WRONG,
        f"for {inputs[place]:g} you return {got[place].real:.6g}{unit}, which is too {side}",
    )


# --- exercise 1: hertz to mel and back --------------------------------------------------------

_FREQS_HZ = np.array([0.0, 50.0, 440.0, 700.0, 1000.0, 3000.0, 8000.0, 20_000.0])
_MELS = np.array([0.0, 40.0, 300.0, 1000.0, 1700.0, 2595.0, 3800.0])

HZ_TO_MEL_MISTAKES: dict[str, Formula] = {
    "this is ln, the formula has log10 (torch.log and math.log are ln)": (
        lambda f: 2595 * np.log(1 + f / 700)
    ),
    "this is log2, the formula has log10": lambda f: 2595 * np.log2(1 + f / 700),
    "1127 belongs to ln, with log10 the factor is another one": (
        lambda f: 1127 * np.log10(1 + f / 700)
    ),
    "the 1 + is missing: 0 Hz must give 0 mel, and log10(0) is minus infinity": (
        lambda f: 2595 * np.log10(f / 700)
    ),
    "the brackets are wrong: 1 + f comes first here, only f is divided by 700": (
        lambda f: 2595 * np.log10((1 + f) / 700)
    ),
    "f is not divided by 700": lambda f: 2595 * np.log10(1 + f),
    "f is divided by 1000 here, wanted is 700": lambda f: 2595 * np.log10(1 + f / 1000),
    "the factor 2595 is missing": lambda f: np.log10(1 + f / 700),
    "this is upside down: 700 / f": lambda f: 2595 * np.log10(1 + 700 / f),
    "this is the Slaney scale, wanted is HTK's": (
        lambda f: hz_to_mel(torch.from_numpy(f), mel_scale="slaney").numpy()
    ),
    "this is the way back, from mel to hertz": lambda f: 700 * (10 ** (f / 2595) - 1),
}

MEL_TO_HZ_MISTAKES: dict[str, Formula] = {
    "the last step is missing: the formula added 1 before the log, so take 1 away": (
        lambda m: 700 * 10 ** (m / 2595)
    ),
    "take 1 away before you multiply by 700: undo the steps in the opposite order": (
        lambda m: 700 * 10 ** (m / 2595) - 1
    ),
    "this is e to the power, log10 is undone by 10 to the power": (
        lambda m: 700 * (np.exp(m / 2595) - 1)
    ),
    "this is 2 to the power, log10 is undone by 10 to the power": (
        lambda m: 700 * (2 ** (m / 2595) - 1)
    ),
    "1127 belongs to e to the power, with 10 it is 2595": lambda m: 700 * (10 ** (m / 1127) - 1),
    "the factor 700 is missing": lambda m: 10 ** (m / 2595) - 1,
    "divide by 700? The way there divided, so the way back multiplies": (
        lambda m: (10 ** (m / 2595) - 1) / 700
    ),
    "brackets: a power comes before a division, so 10**m / 2595 is (10**m) / 2595": (
        lambda m: 700 * (10**m / 2595 - 1)
    ),
    "the 1 is taken away inside the exponent: there it divides by 10": (
        lambda m: 700 * 10 ** (m / 2595 - 1)
    ),
    "m is not divided by 2595": lambda m: 700 * (10**m - 1),
    "this is 1 divided by the formula: an inverse undoes it, that is something else": (
        lambda m: 1 / (2595 * np.log10(1 + m / 700))
    ),
    "this is the way there, from hertz to mel": lambda m: 2595 * np.log10(1 + m / 700),
    "this undoes the Slaney scale, wanted is HTK's": (
        lambda m: mel_to_hz(torch.from_numpy(m), mel_scale="slaney").numpy()
    ),
}


@one_line("my_hz_to_mel")
def check_hz_to_mel(function: Any) -> Verdict:
    """Judge ``my_hz_to_mel(freq_hz)``: the HTK formula, for numbers or for a tensor."""
    return _check_formula(
        function,
        _FREQS_HZ,
        lambda f: hz_to_mel(torch.from_numpy(f), mel_scale="htk").numpy(),
        HZ_TO_MEL_MISTAKES,
        " mel",
    )


@one_line("my_mel_to_hz")
def check_mel_to_hz(function: Any) -> Verdict:
    """Judge ``my_mel_to_hz(mel)``: the inverse of the HTK formula."""
    return _check_formula(
        function,
        _MELS,
        lambda m: mel_to_hz(torch.from_numpy(m), mel_scale="htk").numpy(),
        MEL_TO_HZ_MISTAKES,
        " Hz",
    )


# --- exercise 2: one triangle -----------------------------------------------------------------

_BINS_HZ = torch.arange(0.0, 4001.0, 62.5, dtype=torch.float64)
_TRIANGLES_HZ = [(300.0, 500.0, 900.0), (1100.0, 1900.0, 3210.0)]
Triangle = Callable[[Tensor, float, float, float], Tensor]


def _slopes(f: Tensor, low: float, centre: float, high: float) -> tuple[Tensor, Tensor]:
    return (f - low) / (centre - low), (high - f) / (high - centre)


def _right_triangle(f: Tensor, low: float, centre: float, high: float) -> Tensor:
    rising, falling = _slopes(f, low, centre, high)
    return torch.minimum(rising, falling).clamp(min=0.0)


def _straight_in_mel(f: Tensor, low: float, centre: float, high: float) -> Tensor:
    low, centre, high = (hz_to_mel(value) for value in (low, centre, high))
    return _right_triangle(hz_to_mel(f), low, centre, high)


def _on_bins(f: Tensor, low: float, centre: float, high: float) -> Tensor:
    step = float(f[1] - f[0])
    return _right_triangle(f, *(step * math.floor(value / step) for value in (low, centre, high)))


TRIANGLE_MISTAKES: dict[str, Triangle] = {
    "negative weights: outside of the triangle they must be 0, clamp them": (
        lambda f, a, b, c: torch.minimum(*_slopes(f, a, b, c))
    ),
    "the larger of the two slopes is taken, wanted is the smaller one": (
        lambda f, a, b, c: torch.maximum(*_slopes(f, a, b, c)).clamp(0.0, 1.0)
    ),
    "the larger of the two slopes is taken (and nothing is cut off above)": (
        lambda f, a, b, c: torch.maximum(*_slopes(f, a, b, c)).clamp(min=0.0)
    ),
    "the two slopes are multiplied, wanted is the smaller one": (
        lambda f, a, b, c: math.prod(_slopes(f, a, b, c)).clamp(min=0.0)
    ),
    "the two slopes are added, wanted is the smaller one": (
        lambda f, a, b, c: sum(slope.clamp(0.0, 1.0) for slope in _slopes(f, a, b, c))
    ),
    "only the rising side: behind the centre the weight must fall to 0 at high_hz": (
        lambda f, a, b, c: _slopes(f, a, b, c)[0].clamp(0.0, 1.0)
    ),
    "only the falling side: before the centre the weight must rise from 0 at low_hz": (
        lambda f, a, b, c: _slopes(f, a, b, c)[1].clamp(0.0, 1.0)
    ),
    "this is a rectangle: every frequency inside weighs the same": (
        lambda f, a, b, c: ((f > a) & (f < c)).to(f.dtype)
    ),
    "both sides have the same width here: the centre is not in the middle of low_hz and high_hz": (
        lambda f, a, b, c: _right_triangle(f, a, (a + c) / 2, c)
    ),
    "both sides take the whole width: divide each by its own, up to the centre": (
        lambda f, a, b, c: torch.minimum((f - a) / (c - a), (c - f) / (c - a)).clamp(min=0.0)
    ),
    "the sides are straight in mel, here they are to be straight in hertz": _straight_in_mel,
    "the three frequencies were moved to bins first: keep them where they are": _on_bins,
    "the area is 1 here, wanted is height 1": (
        lambda f, a, b, c: _right_triangle(f, a, b, c) * 2 / (c - a)
    ),
    "the weights add up to 1 here, wanted is height 1": (
        lambda f, a, b, c: _right_triangle(f, a, b, c) / _right_triangle(f, a, b, c).sum()
    ),
}


@one_line("triangle")
def check_triangle(function: Any) -> Verdict:
    """Judge ``triangle(freqs_hz, *, low_hz, centre_hz, high_hz)``: height 1, straight in hertz."""
    need_function(function)
    got = []
    for low, centre, high in _TRIANGLES_HZ:
        given = _BINS_HZ.clone()
        weights = call(function, given, low_hz=low, centre_hz=centre, high_hz=high)
        if weights is None:
            return EMPTY_BODY
        if not torch.equal(given, _BINS_HZ):
            return WRONG, "your function changes the frequencies that it is given"
        got.append(to_array(weights))
    if got[0].shape != tuple(_BINS_HZ.shape):
        return WRONG, f"one weight per frequency: {len(_BINS_HZ)} went in, {got[0].shape} came out"

    def made_by(version: Triangle) -> bool:
        want = [version(_BINS_HZ, *edges).numpy() for edges in _TRIANGLES_HZ]
        return all(agree(g, w + 0j, 1e-6) for g, w in zip(got, want, strict=True))

    if made_by(_right_triangle):
        return RIGHT, "right for two triangles"
    for says, wrong in TRIANGLE_MISTAKES.items():
        if made_by(wrong):
            return WRONG, says
    return _where_a_triangle_differs(got)


def _where_a_triangle_differs(got: list[np.ndarray]) -> Verdict:
    for weights, edges in zip(got, _TRIANGLES_HZ, strict=True):
        if not np.isfinite(weights).all():
            return WRONG, "there are weights that are not finite: is something divided by 0?"
        off = np.abs(weights - _right_triangle(_BINS_HZ, *edges).numpy())
        place = int(np.argmax(off))
        if off[place] > 1e-6:
            low, centre, high = edges
            side = ["below low_hz", "on the rising side", "on the falling side", "above high_hz"][
                sum(float(_BINS_HZ[place]) > edge for edge in edges)
            ]
            return WRONG, (
                f"low_hz={low:g}, centre_hz={centre:g}, high_hz={high:g}: the largest difference "
                f"is at {float(_BINS_HZ[place]):g} Hz, {side}"
            )
    return WRONG, "this could not be compared"


# --- exercise 3: empty bands, explained and cured ---------------------------------------------

_BAND_CASES = [
    (40.0, {"high_hz": 79.0, "n_fft": 400, "sample_rate": 16_000}),
    (41.0, {"high_hz": 79.0, "n_fft": 400, "sample_rate": 16_000}),
    (0.0, {"high_hz": 31.0, "n_fft": 512, "sample_rate": 16_000}),
    (0.0, {"high_hz": 63.0, "n_fft": 512, "sample_rate": 16_000}),
    (995.0, {"high_hz": 1130.0, "n_fft": 1024, "sample_rate": 16_000}),
    (7000.0, {"high_hz": 7040.0, "n_fft": 1024, "sample_rate": 16_000}),
    (1000.0, {"high_hz": 1350.0, "n_fft": 441, "sample_rate": 22_050}),
    (6000.0, {"high_hz": 6703.0, "n_fft": 256, "sample_rate": 44_100}),
]


def _right_count(low_hz: float, *, high_hz: float, n_fft: int, sample_rate: int) -> int:
    step_hz = sample_rate / n_fft
    return math.ceil(high_hz / step_hz) - math.floor(low_hz / step_hz) - 1


COUNT_MISTAKES: dict[str, Callable[..., float]] = {
    "that is how many bins fit into the width on average: where the band lies counts, too": (
        lambda low, high_hz, n_fft, sample_rate: round((high_hz - low) * n_fft / sample_rate)
    ),
    "that is how many whole steps fit into the width: where the band lies counts, too": (
        lambda low, high_hz, n_fft, sample_rate: int((high_hz - low) * n_fft / sample_rate)
    ),
    "that is the width in bins, not how many bins lie inside: it is no whole number": (
        lambda low, high_hz, n_fft, sample_rate: (high_hz - low) * n_fft / sample_rate
    ),
    "a bin exactly on low_hz or high_hz weighs 0, so it is not inside": (
        lambda low, high_hz, n_fft, sample_rate: (
            math.floor(high_hz * n_fft / sample_rate) - math.ceil(low * n_fft / sample_rate) + 1
        )
    ),
    "a bin exactly on low_hz weighs 0, so it is not inside": (
        lambda low, high_hz, n_fft, sample_rate: (
            math.ceil(high_hz * n_fft / sample_rate) - math.ceil(low * n_fft / sample_rate)
        )
    ),
    "a bin exactly on high_hz weighs 0, so it is not inside": (
        lambda low, high_hz, n_fft, sample_rate: (
            math.floor(high_hz * n_fft / sample_rate) - math.floor(low * n_fft / sample_rate)
        )
    ),
    "the distance of the bins is no whole number: / and not //": (
        lambda low, high_hz, n_fft, sample_rate: _right_count(
            low, high_hz=high_hz, n_fft=1, sample_rate=sample_rate // n_fft
        )
    ),
    "one too many somewhere: count the bins on paper for the first triangle": (
        lambda low, high_hz, n_fft, sample_rate: (
            math.ceil(high_hz * n_fft / sample_rate) - math.floor(low * n_fft / sample_rate)
        )
    ),
    "the bins are sample_rate / n_fft apart, you took half of that": (
        lambda low, high_hz, n_fft, sample_rate: _right_count(
            low, high_hz=high_hz, n_fft=2 * n_fft, sample_rate=sample_rate
        )
    ),
    "the bins are sample_rate / n_fft apart, you took twice that "
    "(the n_fft // 2 + 1 bins that are kept end at half the sample_rate)": (
        lambda low, high_hz, n_fft, sample_rate: _right_count(
            low, high_hz=high_hz, n_fft=n_fft, sample_rate=2 * sample_rate
        )
    ),
    "n_fft is not used: this fits only n_fft=1024": (
        lambda low, high_hz, n_fft, sample_rate: _right_count(
            low, high_hz=high_hz, n_fft=1024, sample_rate=sample_rate
        )
    ),
    "sample_rate is not used: this fits only 16 000 Hz": (
        lambda low, high_hz, n_fft, sample_rate: _right_count(
            low, high_hz=high_hz, n_fft=n_fft, sample_rate=16_000
        )
    ),
}


@one_line("bins_inside")
def check_bins_inside(function: Any) -> Verdict:
    """Judge ``bins_inside(low_hz, *, high_hz, n_fft, sample_rate)``: bins with a weight above 0."""
    return judge_integer_function(
        function, right=_right_count, mistakes=COUNT_MISTAKES, cases=_BAND_CASES
    )


_ILL = {"n_fft": 400, "win_length": 400, "n_mels": 128}
_FEWEST_BANDS = 64


def _need_cure(setting: Any) -> dict[str, int]:
    """Complete a cure with what stays as it was, or say what is wrong with it."""
    if setting is None or setting is Ellipsis:
        raise Stop(NOT_TRIED_YET)
    if not isinstance(setting, Mapping):
        raise Stop((WRONG, "a dict is wanted, in the form that the comment beside it shows"))
    others = sorted(str(name) for name in set(setting) - set(_ILL))
    if others:
        no_help = {
            "hop_length": "hop_length sets how many frames there are, it adds no bin",
            "window": "another window adds no bin",
            "norm": "area norm changes how high a triangle is, it adds no bin to an empty one",
            "mel_scale": "here the scale stays HTK",
        }
        text = no_help.get(others[0], f"the name {others[0]} is unknown here")
        raise Stop((WRONG, f"{text}: use n_fft, win_length and n_mels"))
    full = _ILL | dict(setting)
    full["win_length"] = setting.get("win_length") or full["n_fft"]  # as everywhere in the course
    for name, value in full.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise Stop((WRONG, f"{name}={value!r} must be a positive whole number"))
    if full["n_fft"] % 2:
        raise Stop((WRONG, "take an even n_fft"))
    if full["win_length"] > full["n_fft"]:
        raise Stop((WRONG, "win_length is longer than n_fft: the window does not fit"))
    return full


def _empty_bands(n_fft: int, n_mels: int) -> list[int]:
    fbank = mel_filterbank(n_freqs=n_fft // 2 + 1, n_mels=n_mels, sample_rate=16_000)
    return empty_mel_bands(fbank).nonzero()[:, 0].tolist()


def _still_empty(full: dict[str, int]) -> Verdict | None:
    empty = _empty_bands(full["n_fft"], full["n_mels"])
    if not empty:
        return None
    names = ", ".join(map(str, empty[:6])) + (" ..." if len(empty) > 6 else "")
    edges_hz = mel_band_edges_hz(n_mels=full["n_mels"], sample_rate=16_000)
    worst = empty[0]
    return WRONG, (
        f"{len(empty)} still empty: {names}. Band {worst} reaches from {edges_hz[worst]:.0f} to "
        f"{edges_hz[worst + 2]:.0f} Hz, the bins are {16_000 / full['n_fft']:.1f} Hz apart"
    )


@one_line("more bins")
def check_more_bins(setting: Any) -> Verdict:
    """Judge a cure that keeps 128 bands and the window of 400 samples at 16 kHz."""
    full = _need_cure(setting)
    if full["n_mels"] != _ILL["n_mels"]:
        return WRONG, "this cure keeps all 128 bands: only n_fft may change"
    if full["n_fft"] < _ILL["n_fft"]:
        return WRONG, "a shorter n_fft has fewer bins, this makes it worse"
    if full["win_length"] != _ILL["win_length"]:
        unsaid = "" if "win_length" in setting else ": win_length follows n_fft unless you say it"
        return WRONG, (
            f"the window must stay at 400 samples (25 ms), this one has {full['win_length']}"
            f"{unsaid}"
        )
    if full["n_fft"] == _ILL["n_fft"]:
        return WRONG, "n_fft is still 400: that is the illness"
    return _still_empty(full) or (
        RIGHT,
        f"no band is empty: the bins are {16_000 / full['n_fft']:.1f} Hz apart now "
        f"(the window still resolves no more than before)",
    )


@one_line("fewer bands")
def check_fewer_bands(setting: Any) -> Verdict:
    """Judge a cure that keeps n_fft at 400 at 16 kHz and at least 64 bands."""
    full = _need_cure(setting)
    if full["n_fft"] != _ILL["n_fft"] or full["win_length"] != _ILL["win_length"]:
        return WRONG, "this cure keeps n_fft and the window at 400 samples: only n_mels may change"
    if full["n_mels"] >= _ILL["n_mels"]:
        return WRONG, "fewer bands are wanted: 128 is the illness"
    if full["n_mels"] < _FEWEST_BANDS:
        return WRONG, f"keep at least {_FEWEST_BANDS} bands: a picture of one row has no empty row"
    return _still_empty(full) or (RIGHT, f"{full['n_mels']} bands, and none is empty")
