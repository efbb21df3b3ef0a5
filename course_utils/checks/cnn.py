"""Checks of notebook 06_cnn; how checks work is said in :mod:`course_utils.checks`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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

# --- exercise 1: how many cells come out of a layer ----------------------------------------------


def _conv_size(size: float, *, kernel_size: int, stride: int, padding: int) -> int:
    return (int(size) + 2 * padding - kernel_size) // stride + 1


#: what to say -> the wrong version that computes it
CONV_SIZE_MISTAKES: dict[str, Callable[..., float]] = {
    "padding stands at both ends: it counts twice": lambda n, kernel_size, stride, padding: (
        (n + padding - kernel_size) // stride + 1
    ),
    "the padding is left out": lambda n, kernel_size, stride, padding: (
        (n - kernel_size) // stride + 1
    ),
    "one place is missing: the kernel that has not moved yet is a place too": (
        lambda n, kernel_size, stride, padding: (n + 2 * padding - kernel_size) // stride
    ),
    "the stride is left out: the kernel moves on by stride cells": (
        lambda n, kernel_size, stride, padding: n + 2 * padding - kernel_size + 1
    ),
    "half a place does not exist: // divides and rounds down": (
        lambda n, kernel_size, stride, padding: (n + 2 * padding - kernel_size) / stride + 1
    ),
    "rounded up: a kernel that does not fit any more at the end has no place there": (
        lambda n, kernel_size, stride, padding: (
            math.ceil((n + 2 * padding - kernel_size) / stride) + 1
        )
    ),
    "round() goes up from a half: a kernel that does not fit at the end has no place there": (
        lambda n, kernel_size, stride, padding: (
            math.floor((n + 2 * padding - kernel_size) / stride + 0.5) + 1
        )
    ),
    "the 1 is inside the division: the first place is there whatever the stride is": (
        lambda n, kernel_size, stride, padding: (n + 2 * padding - kernel_size + 1) // stride
    ),
    "the kernel is left out: it has to fit in whole": lambda n, kernel_size, stride, padding: (
        (n + 2 * padding) // stride
    ),
    "half a kernel is left out: it has to fit in whole, not only its middle": (
        lambda n, kernel_size, stride, padding: (n + 2 * padding - kernel_size // 2) // stride + 1
    ),
}
_CONV_CASES = [
    (64, {"kernel_size": 3, "stride": 1, "padding": 1}),
    (32, {"kernel_size": 2, "stride": 2, "padding": 0}),
    (10, {"kernel_size": 3, "stride": 2, "padding": 1}),
    (8, {"kernel_size": 3, "stride": 1, "padding": 0}),
    (12, {"kernel_size": 5, "stride": 3, "padding": 2}),
    (20, {"kernel_size": 3, "stride": 4, "padding": 0}),
    (40, {"kernel_size": 7, "stride": 2, "padding": 0}),
]


@one_line("conv_size")
def check_conv_size(function: Any) -> Verdict:
    """Judge ``conv_size(size, kernel_size, stride, padding)``, along one axis."""
    return judge_integer_function(
        function, right=_conv_size, mistakes=CONV_SIZE_MISTAKES, cases=_CONV_CASES
    )


# --- exercise 2: the confusion matrix in shares ---------------------------------------------------


def _shares(counts: Tensor, dim: int = 1) -> Tensor:
    """Counts divided by their sums along ``dim``; a sum of 0 gives shares of 0."""
    return counts / counts.sum(dim, keepdim=True).clamp(min=1.0)


def _counts(labels: Tensor, predicted: Tensor, n_words: int) -> Tensor:
    pairs = torch.bincount(labels * n_words + predicted, minlength=n_words**2)
    return pairs.reshape(n_words, n_words).double()


def _right_shares(labels: Tensor, predicted: Tensor, n_words: int) -> Tensor:
    return _shares(_counts(labels, predicted, n_words))


def _seen_once(labels: Tensor, predicted: Tensor, n_words: int) -> Tensor:
    """What ``matrix[labels, predicted] += 1`` makes: every cell is written once."""
    return _counts(labels, predicted, n_words).clamp(max=1.0)


#: what to say -> the wrong version, called with (labels, predicted, n_words)
CONFUSION_MISTAKES: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "rows and columns are exchanged: the word that was said chooses the row": (
        lambda said, heard, n: _right_shares(said, heard, n).T
    ),
    "rows are what was heard, and add up to 1: the word that was said chooses the row": (
        lambda said, heard, n: _right_shares(heard, said, n)
    ),
    "each column adds up to 1: that says how far to trust an answer. Wanted is what becomes of "
    "each word that was said, so each row": lambda said, heard, n: _shares(
        _counts(said, heard, n), dim=0
    ),
    "all cells together add up to 1: a word that was said more often weighs more. Divide each row "
    "by its own sum": lambda said, heard, n: _counts(said, heard, n) / len(said),
    "these are counts: divide each row by its sum": _counts,
    "these are counts, with rows and columns exchanged": lambda said, heard, n: _counts(
        heard, said, n
    ),
    "per cent? Wanted are shares, so that each row adds up to 1": lambda said, heard, n: (
        100.0 * _right_shares(said, heard, n)
    ),
    "matrix[labels, predicted] += 1 writes each cell once, however many clips fall into it: "
    "count them one by one, or with torch.bincount": lambda said, heard, n: _shares(
        _seen_once(said, heard, n)
    ),
    "matrix[labels, predicted] += 1 writes each cell once, however many clips fall into it; and "
    "the rows do not add up to 1": _seen_once,
    "the sums lost their dimension: row sums stand in a column, sum(1, keepdim=True)": (
        lambda said, heard, n: _counts(said, heard, n) / _counts(said, heard, n).sum(1)
    ),
    "each row is divided by its largest cell, not by its sum": lambda said, heard, n: (
        _counts(said, heard, n) / _counts(said, heard, n).amax(1, keepdim=True).clamp(min=1.0)
    ),
    "only right answers are counted: where do the wrong ones go?": lambda said, heard, n: (
        torch.diag(_right_shares(said, heard, n).diag())
    ),
}


def _answers() -> list[tuple[Tensor, Tensor, int]]:
    """Said and heard words, unevenly many; in the second case nobody says word 2."""
    said = torch.tensor([0] * 8 + [1] * 5 + [2] * 4 + [3] * 3)
    heard = torch.tensor([0] * 5 + [1] * 2 + [3] + [1] * 3 + [2] * 2 + [2] * 3 + [0] + [3, 3, 1])
    order = torch.randperm(len(said), generator=torch.Generator().manual_seed(6))
    said, heard = said[order], heard[order]
    keep = said != 2
    return [(said, heard, 4), (said[keep], heard[keep], 5)]


@one_line("confusion")
def check_confusion(function: Any) -> Verdict:
    """Judge ``confusion(labels, predicted, n_words)``: shares, rows said, columns heard."""
    need_function(function)
    cases = _answers()
    got = []
    for said, heard, n_words in cases:
        given = said.clone(), heard.clone()
        result = call(function, *given, n_words)
        if result is None:
            return EMPTY_BODY
        if not (torch.equal(given[0], said) and torch.equal(given[1], heard)):
            return WRONG, "your function changes the labels or the answers that it is given"
        got.append(to_array(result))
    want = [to_array(_right_shares(*case)) for case in cases]
    if not agree(got[0], want[0], 1e-5):
        return _confusion_mistake(got[0], want[0], cases[0])
    if not np.isfinite(got[1]).all():
        return WRONG, "a word that nobody said gives 0 / 0: its row should be zeros, not NaN"
    if got[1].shape != want[1].shape:
        return WRONG, f"with 5 words the shape is {got[1].shape}: a word nobody said has a row too"
    if not agree(got[1], want[1], 1e-5):
        return WRONG, "right when every word was said; wrong when one was not: its row is zeros"
    return RIGHT, "right, also for a word that nobody said"


def _confusion_mistake(
    got: np.ndarray, want: np.ndarray, case: tuple[Tensor, Tensor, int]
) -> Verdict:
    if got.size == 1:
        return WRONG, "this is one number: wanted is one for each pair of words, (4, 4)"
    if got.size == 4:
        return WRONG, "this is one number for each word: wanted is one for each pair, (4, 4)"
    if got.shape != want.shape:
        return WRONG, f"the shape is {got.shape}, wanted is (n_words, n_words) = (4, 4)"
    if not np.isfinite(got).all():
        return WRONG, "there are values in it that are not finite (inf or nan)"
    for says, wrong in CONFUSION_MISTAKES.items():
        if agree(got, to_array(wrong(*case)), 1e-5):
            return WRONG, says
    sums = got.sum(1).real
    if np.allclose(sums, 1.0):
        return WRONG, "each row adds up to 1, but the cells differ from what the clips say"
    return WRONG, f"the first row adds up to {sums[0]:.3g}, wanted is 1"


# --- exercise 3: split by speaker -----------------------------------------------------------------

_N_SEEDS = 40


class _Name(str):
    """A name whose place in a ``set`` depends on ``salt``, as that of a name on each new start."""

    salt = 0

    def __hash__(self) -> int:
        return hash((self.salt, str(self)))


def _speakers() -> list[str]:
    """Who says each clip: 10 voices of two engines, 2 to 6 clips each, in the order of names."""
    names = [f"{engine}/{voice}" for engine in ("flite", "pico") for voice in "abcde"]
    return [name for i, name in enumerate(names) for _ in range(2 + (3 * i) % 5)]


@one_line("split_speakers")
def check_split_speakers(function: Any) -> Verdict:
    """Judge ``split_speakers(speakers, n_test, seed)``: True for each clip of the test."""
    need_function(function)
    speakers, n_test = _speakers(), 3
    masks = []
    for seed in range(_N_SEEDS):
        result = call(function, list(speakers), n_test=n_test, seed=seed)
        if result is None:
            return EMPTY_BODY
        masks.append(_need_mask(result, speakers))
        _judge_mask(masks[-1], speakers, n_test, seed)
    again = _need_mask(call(function, list(speakers), n_test=n_test, seed=0), speakers)
    if not np.array_equal(again, masks[0]):
        return WRONG, (
            "the same seed gives another split: nobody could repeat your number. Make the random "
            "numbers from the seed"
        )
    if all(np.array_equal(mask, masks[0]) for mask in masks):
        return WRONG, _always_the_same(masks[0], speakers)
    never = [name for name in dict.fromkeys(speakers) if not _ever(name, masks, speakers)]
    if never:
        return WRONG, f"{never[0]} is in the test for none of {_N_SEEDS} seeds: draw from all names"
    other = _need_mask(call(function, list(speakers), n_test=5, seed=0), speakers)
    _judge_mask(other, speakers, 5, 0)
    if _depends_on_sets(function, speakers):
        return WRONG, (
            "a set has another order whenever Python starts, so the same seed will give another "
            "split tomorrow: sorted(set(speakers)) has one order"
        )
    return RIGHT, f"right for {_N_SEEDS} seeds: nobody is in both, and a seed can be repeated"


def _need_mask(result: Any, speakers: Sequence[str]) -> np.ndarray:
    """The student's answer as True or False for each clip."""
    if isinstance(result, tuple) and len(result) == 2:
        raise Stop((WRONG, "return one thing: True or False for each clip"))
    if isinstance(result, list | tuple | set) and any(isinstance(x, str) for x in result):
        raise Stop((WRONG, "these are names: wanted is True or False for each clip"))
    array = to_array(list(result) if isinstance(result, set) else result)
    if array.shape != (len(speakers),):
        text = f"the shape is {array.shape}, wanted is one True or False for each of the clips"
        raise Stop((WRONG, f"{text}, ({len(speakers)},)"))
    if not np.isin(array, [0, 1]).all():
        raise Stop((WRONG, "these look like places or names: wanted is True or False for each"))
    return array.real.astype(bool)


def _judge_mask(mask: np.ndarray, speakers: Sequence[str], n_test: int, seed: int) -> None:
    """Stop with what is wrong about one split."""
    n_all = len(set(speakers))
    in_test = {name for name, is_test in zip(speakers, mask, strict=True) if is_test}
    in_training = {name for name, is_test in zip(speakers, mask, strict=True) if not is_test}
    both = len(in_test & in_training)
    if not in_test or not in_training:
        raise Stop((WRONG, f"for seed={seed} one of the two is empty: nobody is in it"))
    if both:
        text = f"for seed={seed}, {both} of {n_all} speakers are in training and test"
        raise Stop((WRONG, f"{text}: draw speakers, not clips"))
    if len(in_test) == n_all - n_test and n_test * 2 != n_all:
        raise Stop((WRONG, "turned round: the speakers that should be tested are those trained on"))
    if len(in_test) < n_test:
        text = f"for n_test={n_test}, seed={seed} only {len(in_test)} speakers are in the test"
        hint = "are some drawn twice? randint and choices may, randperm and sample do not"
        raise Stop((WRONG, f"{text}: {hint}"))
    if len(in_test) > n_test:
        text = f"for n_test={n_test}, seed={seed} there are {len(in_test)} speakers in the test"
        raise Stop((WRONG, text))


def _always_the_same(mask: np.ndarray, speakers: Sequence[str]) -> str:
    names = list(dict.fromkeys(speakers))
    in_test = {name for name, is_test in zip(speakers, mask, strict=True) if is_test}
    if in_test in ({*names[: len(in_test)]}, {*names[-len(in_test) :]}):
        return (
            "these are neighbours in the list of names, for every seed: names of one engine stand "
            "together, so the test would hear one engine only. Draw at random"
        )
    return "every seed gives the same split: the seed has no effect"


def _ever(name: str, masks: Sequence[np.ndarray], speakers: Sequence[str]) -> bool:
    first = list(speakers).index(name)
    return any(mask[first] for mask in masks)


def _depends_on_sets(function: Callable[..., Any], speakers: Sequence[str]) -> bool:
    """Whether another order inside of sets makes another, equally good split."""
    found = []
    try:
        for salt in range(1, 6):
            kind = type("Name", (_Name,), {"salt": salt})
            names = [kind(name) for name in speakers]
            mask = _need_mask(call(function, names, n_test=3, seed=0), speakers)
            _judge_mask(mask, speakers, 3, 0)
            found.append(mask)
    except Stop:  # such names did not suit this function: nothing can be said
        return False
    return any(not np.array_equal(mask, found[0]) for mask in found)


# --- exercise 4: which number may be believed -----------------------------------------------------

REPORTS = {
    "A": "97.2 %: voices disjoint; the best of 200 epochs, found by scoring the test voices "
    "after each",
    "B": "88.9 %: voices disjoint; settings chosen on other voices; the test voices were scored "
    "at the end, mean of 3 seeds",
    "C": "98.6 %: from each clip five were made, with other noise; a random fifth of all was put "
    "aside, and scored once",
}
_HONEST = "B"
_WHY_NOT = {
    "A": "the test voices chose the epoch: 200 tickets, and only the winning one is shown. What "
    "chooses is no test any more",
    "C": "copies of the test clips are in the training, with other noise: the network has met "
    "every clip, and every voice",
}


@one_line("honest")
def check_honest(answer: Any) -> Verdict:
    """Judge which of :data:`REPORTS` will hold for a new voice: a letter."""
    if answer is None or answer is Ellipsis:
        return NOT_TRIED_YET
    if not isinstance(answer, str):
        return WRONG, f"answer with a letter in quotes, this is a {type(answer).__name__}"
    letter = answer.strip().upper()
    if letter == _HONEST:
        return RIGHT, "right: nothing that was tested had a part in how the network came about"
    if letter in _WHY_NOT:
        return WRONG, _WHY_NOT[letter]
    return WRONG, f"{answer!r} is none of the reports: answer {', '.join(map(repr, REPORTS))}"
