"""What all checks are made of: verdicts, one printed line, the student's numbers and functions."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

NOT_TRIED, WRONG, RIGHT = "○", "✗", "✓"
Verdict = tuple[str, str]
NOT_TRIED_YET: Verdict = (NOT_TRIED, "not tried yet, replace None by your answer")
EMPTY_BODY: Verdict = (NOT_TRIED, "not tried yet, the function returns None: fill in its body")


#: What PyTorch or Python say, and what a beginner most probably did.
HINTS = {
    "for ^": "a power is written **, and ^ is something else",
    "bitwise_xor": "a power is written **, and ^ is something else",
    "Boolean value of Tensor": "if, min, max take one number; torch.where, torch.minimum a tensor",
    "only one element tensors": "functions of math take one number, those of torch a whole tensor",
    "must match the size of tensor": "did a mean or a peak lose its dimension? keepdim=True keeps "
    "its place",
    "Dimension out of range": "count the dimensions from the end, -2 and -1, then a single clip "
    "works too",
}


class Stop(Exception):
    """Carries a verdict out of the depth of a check."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict[1])
        self.verdict = verdict


def say(name: str, verdict: Verdict) -> None:
    """Print one line, also where the output cannot show the marks (a plain Windows console)."""
    line = " ".join(f"{verdict[0]} {name}: {verdict[1]}".split())
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(line.encode(encoding, errors="replace").decode(encoding))


def one_line(name: str) -> Callable[[Callable[..., Verdict]], Callable[..., None]]:
    """Turn a function that returns a verdict into a check: it prints the verdict, never raises."""

    def decorate(judge: Callable[..., Verdict]) -> Callable[..., None]:
        @functools.wraps(judge)
        def check(*args: Any, **kwargs: Any) -> None:
            label = kwargs.get("name") or name
            try:
                verdict = judge(*args, **kwargs)
            except Stop as stop:
                verdict = stop.verdict
            except Exception as error:  # the promise: a check never raises
                verdict = (WRONG, f"this could not be checked: {type(error).__name__}: {error}")
            say(label, verdict)

        return check

    return decorate


def to_array(answer: Any) -> np.ndarray:
    """Student's answer -> complex128 array; says so when it holds no numbers."""
    try:
        if isinstance(answer, Tensor):
            answer = answer.detach().cpu().resolve_conj().numpy()
        return np.asarray(answer).astype(np.complex128)
    except (TypeError, ValueError) as error:
        kind = type(answer).__name__
        raise Stop((WRONG, f"a number or a tensor is wanted here, this is a {kind}")) from error


def agree(a: np.ndarray, b: np.ndarray, rtol: float) -> bool:
    """Same shape and nowhere further apart than ``rtol`` times the largest value of ``b``."""
    if a.shape != b.shape:
        return False
    if b.size == 0:
        return True
    return bool(np.max(np.abs(a - b)) <= rtol * max(float(np.max(np.abs(b))), 1e-12))


def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the student's function; an error in it becomes a verdict."""
    try:
        return function(*args, **kwargs)
    except NotImplementedError as error:
        if "not implemented for" not in str(error):  # else it is PyTorch that says so
            return None
        raise Stop((WRONG, _raised(error, kwargs))) from error
    except Exception as error:  # whatever the student's code does
        raise Stop((WRONG, _raised(error, kwargs))) from error


def _raised(error: Exception, settings: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{key}={value}" for key, value in settings.items())
    text = f"your function raised {type(error).__name__} for {shown}: {error}"
    hints = [hint for words, hint in HINTS.items() if words in str(error)]
    return f"{text} ({hints[0]})" if hints else text


def need_function(answer: Any) -> None:
    if answer is None or answer is Ellipsis:
        raise Stop(NOT_TRIED_YET)
    if not callable(answer):
        text = f"give the function itself, without brackets; this is a {type(answer).__name__}"
        raise Stop((WRONG, text))


# --- a number or a tensor ---------------------------------------------------------------------


@one_line("answer")
def check_close(
    answer: Any,
    expected: Any,
    *,
    name: str = "answer",
    rtol: float = 1e-4,
    mistakes: Mapping[str, Any] | None = None,
) -> Verdict:
    """Compare a number or a tensor with what is expected.

    Args:
        answer: The student's number, array or tensor; ``None`` means not tried yet.
        expected: The right value.
        name: What the line is called.
        rtol: Allowed difference, as a part of the largest expected value.
        mistakes: For each classical mistake a sentence, and the value that it leads to.
    """
    if answer is None or answer is Ellipsis:
        return NOT_TRIED_YET
    got, want = to_array(answer), to_array(expected)
    if agree(got, want, rtol):
        return RIGHT, "right"
    for says, value in (mistakes or {}).items():
        if agree(got, to_array(value), rtol):
            return WRONG, says
    if got.shape != want.shape:
        return WRONG, f"the shape is {got.shape}, wanted is {want.shape}"
    if not np.isfinite(got).all():
        return WRONG, "there are values in it that are not finite (inf or nan)"
    return WRONG, f"the largest difference is {np.max(np.abs(got - want)):.3g}"


def judge_integer_function(
    function: Any,
    *,
    right: Callable[..., int],
    mistakes: Mapping[str, Callable[..., float]],
    cases: Sequence[tuple[float, dict[str, int]]],
) -> Verdict:
    """Judge a function that returns a whole number, by what it returns for all ``cases``."""
    need_function(function)
    returned = [call(function, first, **settings) for first, settings in cases]
    if all(value is None for value in returned):
        return EMPTY_BODY
    arrays = [to_array(math.nan if value is None else value) for value in returned]
    if any(array.size != 1 for array in arrays):
        return WRONG, f"one number is wanted, this has the shape {arrays[0].shape}"
    got = [complex(array.reshape(())) for array in arrays]
    want = [right(first, **settings) for first, settings in cases]
    if got == [complex(value) for value in want]:
        return RIGHT, f"right in all {len(cases)} cases"
    for says, wrong in mistakes.items():
        wrong_values = [wrong(first, **settings) for first, settings in cases]
        if all(
            abs(a - b) <= 1e-6 * max(1.0, abs(b)) for a, b in zip(got, wrong_values, strict=True)
        ):
            return WRONG, says
    if any(math.isnan(value.real) or value.imag or value.real % 1 for value in got):
        return WRONG, "a whole number is wanted for every case"
    place = next(i for i, value in enumerate(got) if value != want[i])
    first, settings = cases[place]
    shown = ", ".join([f"{first:g}"] + [f"{key}={value}" for key, value in settings.items()])
    side = "large" if got[place].real > want[place] else "small"
    return WRONG, f"for ({shown}) you return {got[place].real:g}, which is too {side}"
