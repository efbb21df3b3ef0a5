"""Checks of notebook 07_tuning; how checks work is said in :mod:`course_utils.checks`."""

from __future__ import annotations

import copy
import dataclasses
import math
import random
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from course_utils.checks._core import (
    EMPTY_BODY,
    NOT_TRIED_YET,
    RIGHT,
    WRONG,
    Stop,
    Verdict,
    call,
    judge_integer_function,
    need_function,
    one_line,
)

CHOOSE_BY, REPORT_ON = "people to choose by", "other people"

# --- exercise 1: how many cells a picture has -----------------------------------------------------


def _n_cells(n_samples: float, *, hop_length: int, n_mels: int) -> int:
    return n_mels * (1 + int(n_samples) // hop_length)


#: what to say -> the wrong version that computes it
N_CELLS_MISTAKES: dict[str, Callable[..., float]] = {
    "one frame is missing: the first one is centred on sample 0": (
        lambda n, hop_length, n_mels: n_mels * (n // hop_length)
    ),
    "the bands are missing: this is the number of frames": (
        lambda n, hop_length, n_mels: 1 + n // hop_length
    ),
    "half a frame does not exist: // divides and rounds down": (
        lambda n, hop_length, n_mels: n_mels * (1 + n / hop_length)
    ),
    "one cell too many is not one frame too many: the 1 belongs into the brackets": (
        lambda n, hop_length, n_mels: 1 + n_mels * (n // hop_length)
    ),
    "rounded up: the last frame is the last whole hop": (
        lambda n, hop_length, n_mels: n_mels * (1 + math.ceil(n / hop_length))
    ),
    "frames and bands are added: each frame has all the bands": (
        lambda n, hop_length, n_mels: n_mels + 1 + n // hop_length
    ),
}
_N_CELLS_CASES = [
    (16000, {"hop_length": 512, "n_mels": 64}),
    (16000, {"hop_length": 160, "n_mels": 40}),
    (8000, {"hop_length": 300, "n_mels": 8}),
    (4096, {"hop_length": 1024, "n_mels": 16}),
]


@one_line("n_cells")
def check_n_cells(function: Any) -> Verdict:
    """Judge ``n_cells(n_samples, hop_length, n_mels)``."""
    return judge_integer_function(
        function, right=_n_cells, mistakes=N_CELLS_MISTAKES, cases=_N_CELLS_CASES
    )


# --- exercise 2: the cheapest within one standard deviation of the best ---------------------------

Row = dict[str, Any]
Rule = Callable[[Sequence[Row]], Row]


def _mean(row: Row) -> float:
    return statistics.mean(row["scores"])


def _deviation(row: Row) -> float:
    return statistics.stdev(row["scores"])


def _most_accurate(rows: Iterable[Row]) -> Row:
    return max(rows, key=_mean)


def _cheapest(rows: Iterable[Row]) -> Row:
    """The cheapest; of several the most accurate."""
    return min(rows, key=lambda row: (row["n_cells"], -_mean(row)))


def _sensible(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if not row["problem"]]


def _within(rows: Sequence[Row], width: Callable[[Row], float]) -> list[Row]:
    """Those that are no farther below the best than its ``width``."""
    best = _most_accurate(rows)
    lowest = _mean(best) - width(best)
    return [row for row in rows if _mean(row) >= lowest - 1e-12]


def _right_rule(rows: Sequence[Row]) -> Row:
    return _cheapest(_within(_sensible(rows), _deviation))


def _standard_error(row: Row) -> float:
    return _deviation(row) / math.sqrt(len(row["scores"]))


def _by_report(rows: Sequence[Row]) -> Row:
    swapped = [row | {"scores": row["report"]} for row in _sensible(rows)]
    return _cheapest(_within(swapped, _deviation))


def _own_deviation(rows: Sequence[Row]) -> Row:
    rows = _sensible(rows)
    best = _mean(_most_accurate(rows))
    return _cheapest(row for row in rows if _mean(row) + _deviation(row) >= best)


def _worse_of_equals(rows: Sequence[Row]) -> Row:
    good = _within(_sensible(rows), _deviation)
    return min(good, key=lambda row: (row["n_cells"], _mean(row)))


_TWINS = "two rows cost the same: of these the more accurate one is wanted"
#: what to say -> the wrong rule that chooses so
CHEAPEST_MISTAKES: dict[str, Rule] = {
    "a setting that makes no sense was chosen: leave out rows with a problem": (
        lambda rows: _cheapest(_within(rows, _deviation))
    ),
    "this is the most accurate one: which ones are nearly as good, and cost less?": (
        lambda rows: _most_accurate(_sensible(rows))
    ),
    "this is the cheapest of all, however bad it is": lambda rows: _cheapest(_sensible(rows)),
    "chosen by row['report']: those people are there to report on. Choose by row['scores']": (
        _by_report
    ),
    "this is the standard error (divided by the root of the number of seeds): it says how well "
    "the mean is known. Wanted is how far single runs lie apart": (
        lambda rows: _cheapest(_within(_sensible(rows), _standard_error))
    ),
    "this deviation divides by n: with five seeds n - 1 belongs there, as in "
    "statistics.stdev": lambda rows: _cheapest(
        _within(_sensible(rows), lambda row: statistics.pstdev(row["scores"]))
    ),
    "two standard deviations: one is wanted": lambda rows: _cheapest(
        _within(_sensible(rows), lambda row: 2.0 * _deviation(row))
    ),
    "each row gets its own deviation, so the shakiest ones win: wanted is that of the best row": (
        _own_deviation
    ),
    "this row has the best single run: a mean of all seeds is wanted": lambda rows: max(
        _sensible(rows), key=lambda row: max(row["scores"])
    ),
    _TWINS: _worse_of_equals,
}

_PATTERN = (0.0, 2.0, -1.0, 1.0, -2.0)  # mean 0: five seeds around a mean
_ROWS = [  # name, mean, half the distance of the outer seeds, cells, mean on the others, problem
    ("A", 0.900, 0.010, 4000, 0.850, ""),
    ("B", 0.895, 0.005, 2000, 0.842, ""),  # within one standard error
    ("C", 0.890, 0.005, 1000, 0.841, ""),  # within one deviation, also if it divides by n
    ("D", 0.885, 0.010, 800, 0.840, ""),  # within one deviation
    ("E", 0.875, 0.010, 400, 0.839, ""),  # within two
    ("F", 0.866, 0.030, 300, 0.838, ""),  # within one of its own
    ("G", 0.862, 0.036, 600, 0.836, ""),  # with the best single run
    ("H", 0.860, 0.010, 500, 0.870, ""),  # the best on the others
    ("I", 0.600, 0.010, 50, 0.600, ""),
    ("J", 0.899, 0.010, 100, 0.850, "hop_length is longer than the window"),
]


def _table(*, twin: bool) -> list[Row]:
    """Rows for a student's function; with a twin that costs as much and is a little worse."""
    rows = [
        {
            "name": name,
            "scores": [mean + step * way for way in _PATTERN],
            "report": [other + 0.01 * way for way in _PATTERN],
            "n_cells": n_cells,
            "problem": problem,
        }
        for name, mean, step, n_cells, other, problem in _ROWS
    ]
    if twin:
        d = next(row for row in rows if row["name"] == "D")
        rows.append(d | {"name": "K", "scores": [score - 0.0004 for score in d["scores"]]})
    random.Random(7).shuffle(rows)
    return rows


@one_line("cheapest_good")
def check_cheapest_good(function: Any) -> Verdict:
    """Judge ``cheapest_good(rows)``: the name of the row that it chooses."""
    need_function(function)
    tables = [_table(twin=False), _table(twin=True), _table(twin=True)[::-1]]
    got = []
    for rows in tables:
        given = copy.deepcopy(rows)
        chosen = call(function, given)
        if chosen is None:
            return EMPTY_BODY
        if given != rows:
            return WRONG, "your function changes the rows that it is given: sorted() makes a list"
        got.append(_need_name(chosen, rows))
    if got == [_right_rule(rows)["name"] for rows in tables]:
        return RIGHT, "right for three tables: good enough, and nothing as good costs less"
    if got[0] == "D" and set(got) <= {"D", "K"}:  # right but for the twins, whichever came first
        return WRONG, _TWINS
    for says, rule in CHEAPEST_MISTAKES.items():
        if got == [rule(rows)["name"] for rows in tables]:
            return WRONG, says
    return WRONG, _say_row(got[0], tables[0])


def _need_name(chosen: Any, rows: Sequence[Row]) -> str:
    """The student's answer as the name of a row."""
    if isinstance(chosen, Mapping):
        chosen = chosen.get("name")
    if isinstance(chosen, Sequence) and not isinstance(chosen, str):
        text = f"these are {len(chosen)} rows: wanted is the name of one"
        raise Stop((WRONG, text))
    if chosen not in [row["name"] for row in rows]:
        raise Stop((WRONG, f"{chosen!r} is the name of no row: return row['name']"))
    return chosen


def _say_row(name: str, rows: Sequence[Row]) -> str:
    row = next(row for row in rows if row["name"] == name)
    best = _most_accurate(_sensible(rows))
    below = 100.0 * (_mean(best) - _mean(row))
    return (
        f"{name} was chosen: {below:.1f} points below the best, whose standard deviation is "
        f"{100 * _deviation(best):.1f} points, with {row['n_cells']} cells"
    )


# --- exercise 3: the same in the measured results -------------------------------------------------


def rows_of(records: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Rows for :func:`check_cheapest_good` from records of a sweep: one for each setting.

    Args:
        records: Records of a sweep.

    Returns:
        ``name`` (the setting in few words), ``scores`` on the people to choose by (one for each
        seed, 0 to 1), ``report`` on the other people, ``n_cells``, ``problem`` and ``setting``.
    """
    rows: dict[str, Row] = {}
    for record in records:
        if "error" in record:
            continue
        setting = dict(record["setting"])
        name = _name(setting)
        row = rows.setdefault(
            name,
            {
                "name": name, "scores": [], "report": [], "n_cells": record["n_cells"],
                "problem": record["problem"], "setting": setting,
            },
        )  # fmt: skip
        row["scores"].append(record["accuracies"][CHOOSE_BY])
        row["report"].append(record["accuracies"][REPORT_ON])
    return list(rows.values())


def _name(setting: Mapping[str, Any]) -> str:
    """«1024/512/64», and what else differs from the course's setting."""
    usual = {"frequency_axis": "mel", "scale": "db", "normalize": "per clip"}
    other = [str(setting[key]) for key, value in usual.items() if setting[key] != value]
    numbers = f"{setting['n_fft']}/{setting['hop_length']}/{setting['n_mels']}"
    return " ".join([numbers, *other])


@one_line("choice")
def check_choice(answer: Any, records: Iterable[Mapping[str, Any]]) -> Verdict:
    """Judge a setting: is it the cheapest within one standard deviation of the best?

    Args:
        answer: A ``Setting``, or the three numbers n_fft, hop_length and n_mels.
        records: What was measured.
    """
    if answer is None or answer is Ellipsis:
        return NOT_TRIED_YET
    rows = rows_of(records)
    if min((len(row["scores"]) for row in rows), default=0) < 2:
        return WRONG, "these results have one seed: without a second one there is no deviation"
    row = _row_of(answer, rows)
    right = _right_rule(rows)
    if row is right:
        return RIGHT, _defended(right, rows)
    if row is _most_accurate(rows):
        return WRONG, "this is the most accurate one: something within its deviation costs less"
    if row["name"] == _by_report(rows)["name"]:
        return WRONG, "this is what the other people would choose: they are there to report on"
    good = _within(rows, _deviation)
    if row in good:
        if row["n_cells"] == right["n_cells"]:
            return WRONG, "another one costs the same and is more accurate"
        return WRONG, _too_dear(row, rows)
    return WRONG, _too_far(row, rows)


def _too_dear(row: Row, rows: Sequence[Row]) -> str:
    if row is _cheapest(_within(rows, _standard_error)):
        return (
            "the cheapest within one standard error: that says how well the mean is known. Within "
            "one standard deviation there is a cheaper one"
        )
    return "it is within one standard deviation of the best, but another one there costs less"


def _too_far(row: Row, rows: Sequence[Row]) -> str:
    best = _most_accurate(rows)
    below, width = 100.0 * (_mean(best) - _mean(row)), 100.0 * _deviation(best)
    if row["name"] == max(rows, key=lambda each: max(each["scores"]))["name"]:
        return "this one had the best single run: on average over its seeds it is too far below"
    if row["name"] == _own_deviation(rows)["name"]:
        return (
            "this one is within its own deviation of the best: wanted is the deviation of the best"
        )
    return (
        f"it is {below:.1f} points below the best on the people to choose by, and the best's "
        f"standard deviation is {width:.1f} points"
    )


def _row_of(answer: Any, rows: Sequence[Row]) -> Row:
    """The measured row of the student's setting."""
    fields = ("n_fft", "hop_length", "n_mels")
    usual = {"frequency_axis": "mel", "scale": "db", "normalize": "per clip"}
    problem = ""
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        problem = answer.problem() if hasattr(answer, "problem") else ""
        answer = dataclasses.asdict(answer)
    if isinstance(answer, Sequence) and not isinstance(answer, str) and len(answer) == 3:
        answer = dict(zip(fields, answer, strict=True))
    if not isinstance(answer, Mapping):
        text = "wanted is a setting: Setting(n_fft=..., hop_length=..., n_mels=...)"
        raise Stop((WRONG, f"{text}, this is a {type(answer).__name__}"))
    if missing := [name for name in fields if name not in answer]:
        raise Stop((WRONG, f"{missing[0]} is missing in your setting"))
    if answer["hop_length"] > answer["n_fft"]:
        raise Stop((WRONG, "this makes no sense: hop_length is longer than the window, n_fft"))
    if problem:
        raise Stop((WRONG, f"this makes no sense: {problem}"))
    name = _name(usual | dict(answer))
    found = next((row for row in rows if row["name"] == name), None)
    if found is None:
        raise Stop((WRONG, f"{name} was not measured: choose a setting of the map"))
    return found


def _defended(row: Row, rows: Sequence[Row]) -> str:
    best = _most_accurate(rows)
    share = row["n_cells"] / best["n_cells"]
    return (
        f"right: {100 * (_mean(best) - _mean(row)):.1f} points below the best, less than its "
        f"deviation of {100 * _deviation(best):.1f}, with {100 * share:.0f} % of its cells"
    )


# --- exercise 4: what may be reported -------------------------------------------------------------

_HONEST = "C"
_WHY_NOT = {
    "A": "one run out of many, and the luckiest: run it again, and it will most probably be less",
    "B": "these people chose the setting, and the best of many is best by luck, too: nobody who "
    "is new had a say",
    "D": "the seed was chosen by the people that it is reported on: that is choosing, once more",
}


def reports(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Four sentences about the most accurate setting, with measured numbers.

    Args:
        records: What was measured.

    Returns:
        Sentences by letter; one of them may be published.
    """
    rows = rows_of(records)
    best = _most_accurate(rows)
    n_seeds = len(best["scores"])
    chosen, other = (
        f"{100 * statistics.mean(best[key]):.1f} \u00b1 {100 * statistics.stdev(best[key]):.1f} %"
        for key in ("scores", "report")
    )
    luckiest = max(score for row in rows for score in row["scores"])
    return {
        "A": f"{100 * luckiest:.1f} %: our best run",
        "B": f"{chosen}: mean of {n_seeds} seeds; tested on the people who chose the setting",
        "C": f"{other}: mean of {n_seeds} seeds; setting chosen on some people, tested on others",
        "D": f"{100 * max(best['report']):.1f} %: setting chosen on some people, tested on others, "
        f"the best of {n_seeds} seeds",
    }


@one_line("report")
def check_report(answer: Any) -> Verdict:
    """Judge which of :func:`reports` may be published: a letter."""
    if answer is None or answer is Ellipsis:
        return NOT_TRIED_YET
    if not isinstance(answer, str):
        return WRONG, f"answer with a letter in quotes, this is a {type(answer).__name__}"
    letter = answer.strip().upper()
    if letter == _HONEST:
        return RIGHT, "right: nothing that was chosen was chosen by those who are reported on"
    if letter in _WHY_NOT:
        return WRONG, _WHY_NOT[letter]
    return WRONG, f"{answer!r} is none of the reports: answer 'A', 'B', 'C' or 'D'"
