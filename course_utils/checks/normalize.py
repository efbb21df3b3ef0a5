"""Checks of notebook 05_normalize; how checks work is said in :mod:`course_utils.checks`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.checks._core import (
    EMPTY_BODY,
    NOT_TRIED,
    RIGHT,
    WRONG,
    Stop,
    Verdict,
    agree,
    call,
    need_function,
    one_line,
    to_array,
)
from course_utils.signal import (
    LogMelSpectrogram,
    make_click,
    make_noise,
    make_silence,
    make_tone,
    mix,
    standardize,
)

SILENT_BELOW_DBFS = -60.0


def _random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _pictures() -> Tensor:
    """Log-mel pictures of different level, contrast and slope over the bands, (4, 6, 10)."""
    levels = torch.tensor([-10.0, -35.0, -60.0, -42.0], dtype=torch.float64)[:, None, None]
    contrasts = torch.tensor([20.0, 6.0, 12.0, 3.0], dtype=torch.float64)[:, None, None]
    slope = -2.0 * torch.arange(6, dtype=torch.float64)[:, None]
    return levels + slope + contrasts * _random(4, 6, 10, seed=5)


def _name(
    got: list[np.ndarray],
    given: list[tuple[Any, ...]],
    mistakes: Mapping[str, Callable[..., Any]],
) -> str | None:
    """The sentence whose wrong version gives what the student's function gave, in every case."""
    for says, wrong in mistakes.items():
        values = [np.asarray(to_array(wrong(*arguments))) for arguments in given]
        if all(agree(g, v, 1e-5) for g, v in zip(got, values, strict=True)):
            return says
    return None


def _unchanged(before: Tensor, after: Tensor, what: str) -> None:
    if not torch.equal(before, after):
        text = f"your function changes the {what} that it is given (an in-place -= or /= ?)"
        raise Stop((WRONG, text))


# --- exercise 1: standardize each clip ----------------------------------------------------------

_CLIP = (-2, -1)


def _moments(x: Tensor, dim: Any = _CLIP, correction: int = 0) -> tuple[Tensor, Tensor]:
    return x.mean(dim, keepdim=True), x.std(dim, correction=correction, keepdim=True)


def _z(x: Tensor, eps: float, dim: Any = _CLIP, correction: int = 0) -> Tensor:
    mean, std = _moments(x, dim, correction)
    return (x - mean) / (std + eps)


def _min_max(x: Tensor, eps: float) -> Tensor:
    low, high = x.amin(_CLIP, keepdim=True), x.amax(_CLIP, keepdim=True)
    return (x - low) / (high - low + eps)


def _all(x: Tensor) -> tuple[int, ...]:
    return tuple(range(x.ndim))


#: what to say -> the wrong version that computes it, called with (log_mel_spec, eps)
STANDARDIZE_MISTAKES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "you divided by the variance, the formula has its square root": lambda x, eps: (
        (x - _moments(x)[0]) / (_moments(x)[1] ** 2 + eps)
    ),
    "torch's std divides by N - 1 unless told otherwise: correction=0 divides by N": (
        lambda x, eps: _z(x, eps, correction=1)
    ),
    "one mean and one std for the whole batch: each clip wants its own, mind dim and keepdim": (
        lambda x, eps: _z(x, eps, dim=_all(x))
    ),
    "one mean and one std for the whole batch, and N - 1: mind dim, keepdim and correction": (
        lambda x, eps: _z(x, eps, dim=_all(x), correction=1)
    ),
    "this is per band: each row has its own mean. Per clip means all cells of a picture together": (
        lambda x, eps: _z(x, eps, dim=-1)
    ),
    "this is per band, and with N - 1: a clip's cells belong together, correction=0": (
        lambda x, eps: _z(x, eps, dim=-1, correction=1)
    ),
    "this is per frame: each column has its own mean, so loud and quiet moments look alike": (
        lambda x, eps: _z(x, eps, dim=-2)
    ),
    "you did not subtract the mean": lambda x, eps: x / (_moments(x)[1] + eps),
    "you did not divide: the mean is 0, but the standard deviation is what it was": lambda x, eps: (
        x - _moments(x)[0]
    ),
    "brackets: this divides only the mean, x - (mean / (std + eps))": lambda x, eps: (
        x - _moments(x)[0] / (_moments(x)[1] + eps)
    ),
    "eps stands outside: it is added to the result, not to the standard deviation": (
        lambda x, eps: (x - _moments(x)[0]) / _moments(x)[1] + eps
    ),
    "eps is subtracted": lambda x, eps: (x - _moments(x)[0]) / (_moments(x)[1] - eps),
    "eps stands under the root, beside the variance: there it acts as its own square root": (
        lambda x, eps: (x - _moments(x)[0]) / (_moments(x)[1] ** 2 + eps).sqrt()
    ),
    "this is min-max: it ends at 0 and 1, wanted are mean 0 and standard deviation 1": _min_max,
    "you divided by the largest value, not by the standard deviation": lambda x, eps: (
        (x - _moments(x)[0]) / (x.abs().amax(_CLIP, keepdim=True) + eps)
    ),
    "this is min-max over the whole batch: wanted are mean 0 and standard deviation 1 per clip": (
        lambda x, eps: (x - x.min()) / (x.max() - x.min() + eps)
    ),
    "dim 0 is the batch (for a single clip: the bands). A clip's cells are the last two dims": (
        lambda x, eps: (x - x.mean(0)) / (x.std(0, correction=0) + eps)
    ),
    "the sign is turned round: mean - x instead of x - mean": lambda x, eps: -_z(x, eps),
}


@one_line("my_standardize")
def check_my_standardize(function: Any) -> Verdict:
    """Judge ``my_standardize(log_mel_spec, eps)``: per clip, ``(..., n_mels, time)`` in and out."""
    need_function(function)
    batch = _pictures()
    cases = [(batch[0], 1e-8), (batch, 1e-8), (batch, 0.5)]
    got = []
    for spec, eps in cases:
        given = spec.clone()
        result = call(function, given, eps=eps)
        if result is None:
            return EMPTY_BODY
        _unchanged(spec, given, "spectrogram")
        got.append(to_array(result))
    want = [to_array(standardize(spec, eps=eps)) for spec, eps in cases]
    if not all(agree(g, w, 1e-5) for g, w in zip(got, want, strict=True)):
        return _standardize_mistake(got, want, cases)
    flat = to_array(call(function, torch.full((6, 10), -100.0, dtype=torch.float64), eps=1e-8))
    if not np.isfinite(flat).all():
        return WRONG, "a silent clip, all cells alike, becomes NaN: that is what eps is for"
    if np.abs(flat).max() > 1e-6:
        return WRONG, f"a silent clip, all cells alike, becomes {flat.flat[0].real:g} and not 0"
    return RIGHT, "right, for one clip, for a batch, and for silence"


def _standardize_mistake(
    got: list[np.ndarray], want: list[np.ndarray], cases: list[tuple[Tensor, float]]
) -> Verdict:
    says = _name(got, cases, STANDARDIZE_MISTAKES)
    if says:
        return WRONG, says
    for i, name in enumerate(("one clip", "a batch of clips", "a batch of clips")):
        if got[i].shape != want[i].shape:
            return WRONG, f"for {name} the shape is {got[i].shape}, wanted is {want[i].shape}"
    if all(agree(g, w, 1e-5) for g, w in zip(got[:2], want[:2], strict=True)):
        return WRONG, "eps is not added: your result is the same for eps=1e-8 and eps=0.5"
    if agree(got[0], want[0], 1e-5):
        return WRONG, "right for one clip, not for a batch: (-2, -1) are the dimensions of a clip"
    mean, std = round(got[0].mean().real, 2) + 0.0, round(got[0].std(), 2)
    if (mean, std) == (0.0, 1.0):
        return WRONG, "mean 0 and std 1 on the whole, yet other cells: which of them share a mean?"
    return WRONG, f"the result has mean {mean:g} and standard deviation {std:g}"


# --- exercise 2: statistics of the training set, one pair for each band --------------------------

_OVER = (0, 2)  # of (n_clips, n_mels, time): clips and frames together


def _pair(x: Tensor, dim: Any = _OVER, correction: int = 0) -> Tensor:
    """Mean and standard deviation, (2, n_mels), so that they can be compared at once."""
    return torch.stack([x.mean(dim), x.std(dim, correction=correction)])


#: what to say -> the wrong version, called with (log_mel_specs, is_train), -> (2, n_mels)
STATISTICS_MISTAKES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "these numbers have seen the test clips: take only those where is_train is True": (
        lambda x, is_train: _pair(x)
    ),
    "these are the numbers of the test clips: is_train marks the others": lambda x, is_train: _pair(
        x[~is_train]
    ),
    "you set the test clips to 0 dB: they still count. Leave them out, x[is_train]": (
        lambda x, is_train: _pair(x * is_train[:, None, None])
    ),
    "torch's std divides by N - 1 unless told otherwise: correction=0 divides by N": (
        lambda x, is_train: _pair(x[is_train], correction=1)
    ),
    "the test clips are in it, and std divides by N - 1": lambda x, is_train: _pair(
        x, correction=1
    ),
    "the mean is right; but the average of every clip's own std leaves out how clips differ": (
        lambda x, is_train: torch.stack(
            [x[is_train].mean(_OVER), x[is_train].std(-1, correction=0).mean(0)]
        )
    ),
    "the mean is right; but the std of the clips' means leaves out how frames differ": (
        lambda x, is_train: torch.stack(
            [x[is_train].mean(_OVER), x[is_train].mean(-1).std(0, correction=0)]
        )
    ),
    "the mean is right, the second number is the variance: take its root": lambda x, is_train: (
        torch.stack([x[is_train].mean(_OVER), x[is_train].var(_OVER, correction=0)])
    ),
    "mean and std are exchanged: the mean comes first": lambda x, is_train: _pair(x[is_train]).flip(
        0
    ),
}


@one_line("band_statistics")
def check_band_statistics(function: Any) -> Verdict:
    """Judge ``band_statistics(log_mel_specs, is_train)``: mean and std, each ``(n_mels, 1)``."""
    need_function(function)
    specs = torch.cat([_pictures(), _pictures().flip(1) + 9.0, _pictures() * 1.3])  # (12, 6, 10)
    cases = [
        (specs, torch.arange(12) % 3 != 0),
        (specs.flip(0), torch.arange(12) < 5),
    ]
    got = []
    for log_mel_specs, is_train in cases:
        given = log_mel_specs.clone()
        result = call(function, given, is_train.clone())
        if result is None:
            return EMPTY_BODY
        _unchanged(log_mel_specs, given, "spectrograms")
        got.append(_need_pair(result))
    want = [to_array(_pair(x[is_train])) for x, is_train in cases]
    stacked = [_stacked(pair) for pair in got]
    if all(s is not None and agree(s, w, 1e-5) for s, w in zip(stacked, want, strict=True)):
        if got[0][0].shape != (6, 1) or got[0][1].shape != (6, 1):
            return WRONG, (
                f"the numbers are right, but the shape {got[0][0].shape} does not stand beside "
                "(n_mels, time): each band wants a row of its own, (6, 1). keepdim, or [:, None]"
            )
        return RIGHT, "right: one pair for each band, and the test clips were not looked at"
    return _statistics_mistake(got[0], stacked, cases)


def _need_pair(result: Any) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Stop((WRONG, "return two things: mean, std"))
    if any(part is None for part in result):
        raise Stop((NOT_TRIED, "not tried yet, one of the two is still None"))
    return to_array(result[0]), to_array(result[1])


def _stacked(pair: tuple[np.ndarray, np.ndarray]) -> np.ndarray | None:
    """Both as (2, n_mels), if there is one number for each of the 6 bands."""
    if any(part.size != 6 for part in pair):
        return None
    return np.stack([part.reshape(6) for part in pair])


def _statistics_mistake(
    first: tuple[np.ndarray, np.ndarray],
    stacked: list[np.ndarray | None],
    cases: list[tuple[Tensor, Tensor]],
) -> Verdict:
    sizes = {part.size for part in first}
    if sizes == {1}:
        return WRONG, "this is one number for all bands: wanted is one for each of them"
    if sizes == {10}:
        return WRONG, "this is one number for each frame: average over clips and frames, keep bands"
    if len(sizes) == 1 and sizes <= {8, 12}:
        return WRONG, "this is one number for each clip: wanted is one for each band"
    if sizes == {6 * 10}:
        return WRONG, "this is one number for each band and frame: the frames belong together too"
    if len(sizes) == 1 and sizes <= {8 * 6, 12 * 6}:
        return WRONG, "this is one number for each clip and band: the clips belong together too"
    if any(s is None for s in stacked):
        return WRONG, f"the shapes are {first[0].shape} and {first[1].shape}, wanted is (n_mels, 1)"
    says = _name([s for s in stacked if s is not None], cases, STATISTICS_MISTAKES)
    if says:
        return WRONG, says
    want = to_array(_pair(cases[0][0][cases[0][1]]))
    off = np.abs(stacked[0] - want).max(axis=1)
    return WRONG, f"the means are up to {off[0]:.2g} dB off, the stds up to {off[1]:.2g} dB"


# --- exercise 3: a pipeline that normalises silence ----------------------------------------------

_log_mel = LogMelSpectrogram()


def broken_prepare(waveform: Tensor) -> Tensor:
    """The pipeline that exercise 3 starts from: every clip is standardized, silence too."""
    return standardize(_log_mel(waveform))


def _clips() -> dict[str, Tensor]:
    """Clips of a second whose right answer is known; the first two are silence."""
    hiss = make_noise(level_dbfs=-75.0, seed=4)
    return {
        "room": hiss,
        "digital": make_silence(),
        "loud noise": make_noise(level_dbfs=-12.0, seed=5),
        "loud tone": mix(make_tone(440.0, level_dbfs=-12.0), hiss),
        "quiet tone": mix(make_tone(700.0, level_dbfs=-52.0), hiss),
        "quiet click": mix(make_click(0.5, level_dbfs=-45.0), hiss),
    }


@one_line("prepare")
def check_prepare(function: Any) -> Verdict:
    """Judge ``prepare(waveform)``: silence (peak below -60 dBFS) gives zeros, sounds stay."""
    need_function(function)
    clips = _clips()
    got = {}
    for name, waveform in clips.items():
        given = waveform.clone()
        result = _call_prepare(function, given, name)
        _unchanged(waveform, given, "waveform")
        got[name] = result
    if all(result is None for result in got.values()):
        return EMPTY_BODY
    want = {name: to_array(broken_prepare(waveform)) for name, waveform in clips.items()}
    arrays = {name: _need_picture(got[name], want[name].shape, name) for name in clips}
    is_zero = {name: bool(np.abs(arrays[name]).max() < 1e-6) for name in clips}
    is_kept = {name: agree(arrays[name], want[name], 1e-4) for name in clips}
    return _judge_prepare(arrays, is_zero, is_kept)


def _call_prepare(function: Callable[..., Any], waveform: Tensor, name: str) -> Any:
    try:
        return function(waveform)
    except NotImplementedError:
        return None
    except Exception as error:  # whatever the student's code does
        what = {"digital": "digital silence", "room": "the hiss of a room"}.get(name, f"a {name}")
        text = f"your function raised {type(error).__name__} for {what}: {error}"
        raise Stop((WRONG, text)) from error


def _need_picture(result: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    silent = name in ("room", "digital")
    what = "silence" if silent else f"a {name}"
    if result is None:
        raise Stop((WRONG, f"for {what} you return None: the network still wants {shape} numbers"))
    array = to_array(result)
    if not np.isfinite(array).all():
        raise Stop((WRONG, f"for {what} there are values that are not finite: a division by 0?"))
    if array.shape != shape:
        raise Stop((WRONG, f"for {what} the shape is {array.shape}, wanted is {shape}"))
    return array


def _judge_prepare(
    arrays: dict[str, np.ndarray], is_zero: dict[str, bool], is_kept: dict[str, bool]
) -> Verdict:
    sounding = [name for name in arrays if name not in ("room", "digital")]
    if all(is_kept.values()):
        return NOT_TRIED, (
            "not tried yet: the hiss of a room still comes out with standard deviation 1 (if you "
            "did write a condition, it is never true: a room is not all zeros, and -60 is in dBFS)"
        )
    if all(is_zero.values()):
        return WRONG, "now everything is silence: a loud tone comes out as zeros too"
    if all(is_zero[name] for name in sounding):
        return WRONG, "the condition is turned round: sounds become zeros, silence does not"
    if is_zero["loud noise"] and is_kept["loud tone"]:
        return WRONG, (
            "a loud noise is thrown away: its std in dB is as small as that of silence. "
            "Judge the level, not the contrast"
        )
    if is_zero["quiet click"] and is_kept["quiet tone"]:
        return WRONG, (
            "a click is thrown away: its peak is -45 dBFS. It is short, so its RMS, or the mean of "
            "its picture, is low: judge the peak"
        )
    if is_zero["quiet tone"] and is_kept["loud tone"]:
        return WRONG, "a quiet tone is thrown away: its peak is -52 dBFS, and silence begins at -60"
    if not all(is_kept[name] for name in sounding):
        return _changed_sound(arrays)
    if not is_zero["room"] or not is_zero["digital"]:
        name = "room" if not is_zero["room"] else "digital"
        largest = np.abs(arrays[name]).max()
        return WRONG, f"silence still gives numbers of up to {largest:.3g}, wanted are zeros"
    return RIGHT, "right: silence stays silent, and every sound is as before, a quiet one too"


def _changed_sound(arrays: dict[str, np.ndarray]) -> Verdict:
    std = arrays["loud tone"].std()
    if abs(std - 1.0) < 1e-3:
        return (
            WRONG,
            "a loud tone comes out changed, though its std is 1: leave sounds as they were",
        )
    if std > 3.0:
        return WRONG, f"a loud tone is not standardized any more: its std is {std:.3g}, not 1"
    return WRONG, (
        f"a loud tone comes out with std {std:.3g}, not 1: a larger eps (or divisor) holds noise "
        "down, and every sound with it"
    )
