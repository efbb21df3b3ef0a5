"""Checks of notebook 08_your_sound; how checks work is said in :mod:`course_utils.checks`."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.checks._core import (
    EMPTY_BODY,
    RIGHT,
    WRONG,
    Stop,
    Verdict,
    call,
    need_function,
    one_line,
    to_array,
)
from course_utils.signal import make_noise, make_tone

# --- exercise 1: the second with the most energy --------------------------------------------------


def _noise_parts(parts: list[tuple[float, float]], *, sample_rate: int, seed: int) -> Tensor:
    """Pieces of noise in a row: (seconds, amplitude) of each."""
    generator = torch.Generator().manual_seed(seed)
    pieces = [
        amplitude * (2.0 * torch.rand(round(seconds * sample_rate), generator=generator) - 1.0)
        for seconds, amplitude in parts
    ]
    return torch.cat(pieces)


def _second_cases() -> list[tuple[Tensor, int]]:
    click = _noise_parts([(1.3, 0.01), (1.0, 0.4), (1.7, 0.01)], sample_rate=16000, seed=1)
    click[int(3.5 * 16000)] = 1.0  # the highest peak has hardly any energy
    short = _noise_parts(
        [(0.7, 0.05), (1.0, 0.3), (1.6, 0.02), (0.3, 0.9), (1.9, 0.01)], sample_rate=8000, seed=2
    )  # a long middling stretch against a short loud one
    low = _noise_parts([(1.2, 0.02), (1.0, 0.5), (2.1, 0.02)], sample_rate=8000, seed=3)
    low[25000:33000] += 0.25  # much sum, less energy
    return [(click, 16000), (short, 8000), (low, 8000)]


def _sums(values: Tensor, n: int) -> Tensor:
    total = torch.nn.functional.pad(values.double().cumsum(0), (1, 0))
    return total[n:] - total[:-n]


def _loudest(waveform: Tensor, n: int) -> int:
    return int(_sums(waveform.square(), n).argmax())


def _around_peak(waveform: Tensor, n: int) -> int:
    start = int(waveform.abs().argmax()) - n // 2
    return min(max(start, 0), len(waveform) - n)


#: what to say -> where the wrong version begins, called with (waveform, n_samples)
SECOND_MISTAKES: dict[str, Callable[[Tensor, int], int]] = {
    "this is the second around the highest peak: one click decides there, energy is a sum": (
        _around_peak
    ),
    "this is the second that begins at the highest peak: energy is a sum over a whole second": (
        lambda w, n: min(int(w.abs().argmax()), len(w) - n)
    ),
    "the samples are added as they are: plus and minus cancel, energy adds their squares": (
        lambda w, n: int(_sums(w, n).argmax())
    ),
    "you added magnitudes: energy adds squares, which count loud samples for more": (
        lambda w, n: int(_sums(w.abs(), n).argmax())
    ),
    "this is the second with the least energy": lambda w, n: int(_sums(w.square(), n).argmin()),
    "this is always the first second": lambda w, n: 0,
    "this is always the last second": lambda w, n: len(w) - n,
    "this is always the middle of the sound": lambda w, n: (len(w) - n) // 2,
}


@one_line("loudest_second")
def check_loudest_second(function: Any) -> Verdict:
    """Judge ``loudest_second(waveform, sample_rate)``, one second of a longer sound."""
    need_function(function)
    cases = _second_cases()
    results = [call(function, w.clone(), sample_rate=rate) for w, rate in cases]
    if all(result is None for result in results):
        return EMPTY_BODY
    starts = []
    for result, (waveform, rate) in zip(results, cases, strict=True):
        got = to_array(math.nan if result is None else result)
        if got.size == 1:
            return WRONG, "return the second itself, a waveform, not the place where it begins"
        if got.shape != (rate,):
            return WRONG, (
                f"at {rate} Hz a second has {rate} samples, yours has the shape {got.shape}"
            )
        starts.append(_place(got.real, waveform.double().numpy()))
    if None in starts:
        return WRONG, "this is no stretch of the sound: its samples were changed"
    n_all = [rate for _, rate in cases]
    enough = [
        _sums(w.square(), n)[start] >= 0.99 * _sums(w.square(), n).max()
        for start, (w, n) in zip(starts, cases, strict=True)
    ]
    if all(enough):
        return RIGHT, f"right in all {len(cases)} cases"
    for says, wrong in SECOND_MISTAKES.items():
        expected = [wrong(w, n) for w, n in cases]
        near = [abs(a - b) <= 0.01 * n for a, b, n in zip(starts, expected, n_all, strict=True)]
        if all(near):
            return WRONG, says
    place = enough.index(False)
    return WRONG, (
        f"in case {place + 1} of {len(cases)} another second has more energy than the one that "
        f"begins at {starts[place] / n_all[place]:.2f} s"
    )


def _place(piece: np.ndarray, whole: np.ndarray) -> int | None:
    """Where a stretch stands in a sound, or ``None``."""
    for start in np.flatnonzero(np.abs(whole[: len(whole) - len(piece) + 1] - piece[0]) < 1e-7):
        if np.allclose(whole[start : start + len(piece)], piece, rtol=0, atol=1e-6):
            return int(start)
    return None


# --- exercise 2: at which SNR does the guess flip? ------------------------------------------------

_SNRS_DB = [40, 30, 20, 15, 10, 5, 0, -5]


def _rms(x: Tensor) -> float:
    return x.square().mean().sqrt().item()


def _hear(clip: Tensor, flips: Callable[[float], bool]) -> Callable[[Tensor], str]:
    """An ear that hears «yes» in the clip, and «no» where ``flips`` says so of the SNR."""

    def hear(waveform: Tensor) -> str:
        rest = _rms(waveform - clip)
        snr_db = 20.0 * math.log10(_rms(clip) / rest) if rest > 1e-9 else math.inf
        return "no" if flips(snr_db) else "yes"

    return hear


def _flip_cases() -> list[tuple[Tensor, Tensor, Callable[[float], bool]]]:
    clip, loud = make_tone(440.0, level_dbfs=-30.0), make_noise(seed=4, level_dbfs=-6.0)
    quiet = make_noise(seed=5, level_dbfs=-50.0)
    return [
        (clip, loud, lambda snr: snr < 12.0),
        (clip, quiet, lambda snr: snr < 2.0),
        (clip, loud, lambda snr: 8.0 < snr < 12.0 or snr < -2.0),  # right again in between
        (clip, quiet, lambda snr: False),
        (clip, loud, lambda snr: snr < 27.0),
    ]


def _walk(
    clip: Tensor,
    noise: Tensor,
    hear: Callable[[Tensor], str],
    snrs_db: list[int],
    *,
    per_ten: float = 20.0,
    sign: float = 1.0,
    level: bool = True,
) -> list[bool]:
    """For each SNR whether the guess is another one."""
    ratio = _rms(clip) / _rms(noise) if level else 1.0
    clean = hear(clip)
    return [
        hear(clip + noise * ratio * 10.0 ** (-sign * snr / per_ten)) != clean for snr in snrs_db
    ]


def _first(flipped: list[bool], snrs_db: list[int]) -> float:
    return next((snr for snr, yes in zip(snrs_db, flipped, strict=True) if yes), math.nan)


def _last(flipped: list[bool], snrs_db: list[int]) -> float:
    return _first(flipped[::-1], snrs_db[::-1])


def _still_right(flipped: list[bool], snrs_db: list[int]) -> float:
    place = flipped.index(True) if True in flipped else len(flipped)
    return snrs_db[place - 1] if place else math.nan


#: what to say -> the wrong version, called like the student's function; NaN stands for None
FLIP_MISTAKES: dict[str, Callable[..., float]] = {
    "the noise is scaled with 10 ** (-snr_db / 10): that is for powers, samples go with 20": (
        lambda c, n, h, s: _first(_walk(c, n, h, s, per_ten=10.0), s)
    ),
    "the noise comes at its own level: bring it to the RMS of the clip first": (
        lambda c, n, h, s: _first(_walk(c, n, h, s, level=False), s)
    ),
    "the sign is turned round: a large SNR must make the noise small": (
        lambda c, n, h, s: _first(_walk(c, n, h, s, sign=-1.0), s)
    ),
    "this is the last SNR at which the guess still holds, wanted is the first at which it flips": (
        lambda c, n, h, s: _still_right(_walk(c, n, h, s), s)
    ),
    "this is the lowest SNR with another guess, wanted is the highest: where it flips first": (
        lambda c, n, h, s: _last(_walk(c, n, h, s), s)
    ),
    "this is the number of the SNR in the list, wanted is the SNR itself": (
        lambda c, n, h, s: float(
            next((i for i, yes in enumerate(_walk(c, n, h, s)) if yes), math.nan)
        )
    ),
}


@one_line("flip_snr")
def check_flip_snr(function: Any) -> Verdict:
    """Judge ``flip_snr(clip, noise, hear, snrs_db)``: the highest SNR at which the guess flips."""
    need_function(function)
    cases = [(clip, noise, _hear(clip, flips)) for clip, noise, flips in _flip_cases()]
    got = []
    for clip, noise, hear in cases:
        result = call(function, clip.clone(), noise.clone(), hear, list(_SNRS_DB))
        number = to_array(math.nan if result is None else result)
        if number.size != 1:
            return WRONG, f"one number is wanted, this has the shape {number.shape}"
        got.append(float(number.reshape(()).real))
    if all(math.isnan(one) for one in got):
        return EMPTY_BODY
    wanted = [_first(_walk(*case, _SNRS_DB), _SNRS_DB) for case in cases]
    if _same(got, wanted):
        return RIGHT, f"right in all {len(cases)} cases"
    for says, wrong in FLIP_MISTAKES.items():
        if _same(got, [wrong(*case, _SNRS_DB) for case in cases]):
            return WRONG, says
    place = next(i for i in range(len(got)) if not _same(got[i : i + 1], wanted[i : i + 1]))
    if math.isnan(wanted[place]):
        return WRONG, f"where no noise changes the guess, return None and not {got[place]:g}"
    if math.isnan(got[place]):
        return WRONG, f"in case {place + 1} you return None, but the guess flips there"
    side = "large" if got[place] > wanted[place] else "small"
    return WRONG, f"in case {place + 1} you return {got[place]:g} dB, which is too {side}"


def _same(first: list[float], second: list[float]) -> bool:
    pairs = zip(first, second, strict=True)
    return all(abs(a - b) < 1e-6 or (math.isnan(a) and math.isnan(b)) for a, b in pairs)


# --- exercise 3: a file that another program can read ---------------------------------------------

_PARAMS = {
    "sample_rate": 16000,
    "n_fft": 1024,
    "hop_length": 512,
    "mel_scale": "htk",
    "f_max": None,
}


@one_line("hand_over")
def check_hand_over(function: Any) -> Verdict:
    """Judge ``hand_over(path, picture, params)``: numbers as .npy, parameters as .json beside."""
    need_function(function)
    picture = torch.arange(15.0).reshape(3, 5).T  # not contiguous: a view
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "word.npy"
        result = call(function, path, picture, dict(_PARAMS))
        names = sorted(one.name for one in Path(folder).iterdir())
        if not names:
            return EMPTY_BODY if result is None else (WRONG, "no file was written")
        _read_by_another_program(path, picture, names)
        before = path.read_bytes(), path.with_suffix(".json").read_bytes()
        _call_again(function, path, picture)
        if (path.read_bytes(), path.with_suffix(".json").read_bytes()) != before:
            return WRONG, (
                "a file that was there is overwritten without a word: open with the mode «x», or "
                "look first and raise FileExistsError"
            )
    return RIGHT, "right: another program reads both, and nothing is overwritten"


def _read_by_another_program(path: Path, picture: Tensor, names: list[str]) -> None:
    """Read both files as a program would that knows nothing of this one."""
    if not path.exists():
        said = f"there is {names[0]}" + (", a name with two endings" if ".npy." in names[0] else "")
        raise Stop((WRONG, f"the numbers must be in {path.name}; {said}"))
    try:
        numbers = np.load(path, allow_pickle=False)
    except Exception as error:
        text = (
            f"another program cannot read {path.name}: np.save wants a plain array, not a "
            "dictionary or an object"
        )
        raise Stop((WRONG, text)) from error
    if numbers.shape == picture.T.shape:
        raise Stop((WRONG, "rows and columns are exchanged: (n_mels, n_frames) is wanted"))
    if numbers.shape != tuple(picture.shape):
        raise Stop((WRONG, f"the shape is {numbers.shape}, wanted is {tuple(picture.shape)}"))
    if numbers.dtype.kind != "f":
        raise Stop((WRONG, f"the numbers are stored as {numbers.dtype}: decimals get lost"))
    if not np.allclose(numbers, picture.numpy()):
        raise Stop((WRONG, "the numbers in the file are not those of the picture"))
    beside = path.with_suffix(".json")
    if not beside.exists():
        text = f"{beside.name} is missing: numbers without their parameters are a riddle"
        raise Stop((WRONG, text))
    try:
        params = json.loads(beside.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        text = f"{beside.name} is no JSON: json.dumps writes it, str() does not"
        raise Stop((WRONG, text)) from error
    if isinstance(params, str):
        raise Stop((WRONG, "the parameters are one text: json.dumps was applied twice"))
    if not isinstance(params, dict):
        raise Stop((WRONG, "the JSON must be a dictionary of the parameters"))
    missing = [name for name in _PARAMS if name not in params]
    if missing:
        raise Stop((WRONG, f"the parameter {missing[0]} is not in {beside.name}"))
    wrong = [name for name, value in _PARAMS.items() if params[name] != value]
    if wrong:
        name = wrong[0]
        text = f"{name} is {params[name]!r} in {beside.name}, and was {_PARAMS[name]!r}"
        raise Stop((WRONG, text))


def _call_again(function: Any, path: Path, picture: Tensor) -> None:
    """Call it for a file that is there: it may raise FileExistsError."""
    try:
        function(path, picture + 1.0, dict(_PARAMS) | {"n_fft": 512})
    except FileExistsError:
        return
    except Exception as error:
        text = f"where the file is there already, it raised {type(error).__name__}: {error}"
        raise Stop((WRONG, text)) from error


__all__ = ["check_flip_snr", "check_hand_over", "check_loudest_second"]
