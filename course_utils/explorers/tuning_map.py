"""What was measured, laid out: which settings belong side by side, and where in a map they lie."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple, get_args

from course_utils.data.recordings import course_folder
from course_utils.models.evaluate import MeanAndSpread
from course_utils.models.features import Normalize, Scale
from course_utils.models.sweep_results import (
    FrequencyAxis,
    Setting,
    Summary,
    read_results,
    summarise,
)

#: what is compared -> the parameters that differ; all others are the course's
COMPARISONS = {
    "n_fft, hop_length, n_mels": ("n_fft", "hop_length", "n_mels"),
    "mel or linear": ("n_mels", "frequency_axis"),
    "scale and normalising": ("normalize", "scale"),
}
_CHOICES = {
    "frequency_axis": get_args(FrequencyAxis),
    "scale": get_args(Scale),
    "normalize": get_args(Normalize),
}
COURSE = Setting()


class Place(NamedTuple):
    """A setting of a comparison, and what was measured with it.

    Attributes:
        setting: How pictures are made.
        summary: All its seeds together; ``None`` if it was not measured.
        problem: Why the setting makes no sense; empty if it does.
    """

    setting: Setting
    summary: Summary | None
    problem: str


class Slice(NamedTuple):
    """Two parameters that are moved, and a third one that stands still.

    Attributes:
        columns: The parameter from left to right.
        rows: The parameter from top to bottom.
        fixed: The third one; empty where there are two only.
    """

    columns: str
    rows: str
    fixed: str

    def __str__(self) -> str:
        return f"{self.columns} \u00d7 {self.rows}"


class Comparison:
    """All settings that differ in a few parameters only, measured or not.

    Args:
        fields: Names of the parameters of :class:`Setting`.
        summaries: What was measured; what differs in other parameters is left out.
        base: A setting with the values of all other parameters.

    Attributes:
        values: The values of each parameter, in their order.
        places: Every combination of them.
    """

    def __init__(self, fields: tuple[str, ...], summaries: list[Summary], base: Setting) -> None:
        self.fields = fields
        found = {
            summary.setting: summary
            for summary in summaries
            if dataclasses.replace(summary.setting, **_values(base, fields)) == base
        }
        self.values = {name: _spanning(name, list(found)) for name in fields}
        settings = [
            dataclasses.replace(base, **dict(zip(fields, each, strict=True)))
            for each in itertools.product(*self.values.values())
        ]
        self.places = [Place(s, found.get(s), _problem(s)) for s in settings]
        self.measured = [i for i, place in enumerate(self.places) if place.summary is not None]

    @property
    def slices(self) -> dict[str, Slice]:
        """The maps that can be drawn, by name."""
        pairs = itertools.combinations(self.fields, 2)
        made = [Slice(*pair, "".join({*self.fields} - {*pair})) for pair in pairs]
        return {str(one): one for one in made}

    def index(self, **values: object) -> int:
        """Number of the place with these values of all parameters."""
        wanted = [values[name] for name in self.fields]
        return next(
            i
            for i, place in enumerate(self.places)
            if [getattr(place.setting, name) for name in self.fields] == wanted
        )

    def start(self) -> int:
        """Number of the course's own setting; without it, of the most accurate one."""
        for i in self.measured:
            if self.places[i].setting == COURSE:
                return i
        return max(self.measured, key=lambda i: self.places[i].summary.accuracy.mean)


def _values(setting: Setting, fields: Iterable[str]) -> dict[str, object]:
    return {name: getattr(setting, name) for name in fields}


def _spanning(name: str, settings: list[Setting]) -> list:
    """The values of a parameter in their order; one that is nearly alone spans no map."""
    counts = Counter(getattr(setting, name) for setting in settings)
    most = max(counts.values(), default=0)
    order = _CHOICES.get(name)
    kept = [value for value, count in counts.items() if 4 * count >= most]
    return sorted(kept, key=order.index if order else None)


@cache
def _problem(setting: Setting) -> str:
    return setting.problem()


def comparisons(summaries: list[Summary]) -> dict[str, Comparison]:
    """Sort what was measured into the comparisons that it allows, by name.

    Raises:
        ValueError: If nothing was measured.
    """
    if not summaries:
        raise ValueError(
            "results hold no measured setting: run a sweep first, or leave results=None for the "
            "course's own"
        )
    settings = [summary.setting for summary in summaries]
    base = COURSE if COURSE in settings else settings[0]
    made = {name: Comparison(fields, summaries, base) for name, fields in COMPARISONS.items()}
    several = {name: one for name, one in made.items() if len(one.measured) > 1}
    return several or dict(itertools.islice(made.items(), 1))


def load_summaries(results: object = None) -> tuple[list[Summary], list[str]]:
    """Read or take what was measured.

    Args:
        results: A file of results, records of a sweep, summaries, or ``None`` for what comes with
            the course.

    Returns:
        Summaries, and sentences about lines that could not be read.

    Raises:
        ValueError: If there is no such file, or it holds something else.
    """
    if results is None:
        results = course_folder() / "docs" / "sweep.jsonl"
    if isinstance(results, str | os.PathLike):
        path = Path(results)
        if not path.is_file():
            raise ValueError(
                f"{path.name} is not there: run_sweep(..., results='{path.name}') writes it, "
                "and docs/sweep.jsonl comes with the course"
            )
        read = read_results(path)
        return summarise(read.records), read.notes
    if not isinstance(results, Iterable):
        raise ValueError(f"results={results!r} must be a file, or records of a sweep")
    listed = list(results)
    if all(isinstance(each, Summary) for each in listed):
        return listed, []
    if all(isinstance(each, Mapping) for each in listed):
        return summarise(listed), []
    raise ValueError("results must hold records of a sweep, such as run_sweep(...).records")


def judged_by(summaries: Iterable[Summary], test_set: str) -> list[Summary]:
    """The same settings with the accuracy on another test set; those without it are left out."""
    return [
        summary._replace(accuracy=summary.accuracies[test_set])
        for summary in summaries
        if test_set in summary.accuracies
    ]


def test_sets(summaries: Iterable[Summary]) -> list[str]:
    """Names of all test sets, the one that choices are made on first."""
    return list(dict.fromkeys(name for summary in summaries for name in summary.accuracies))


# ---- words


def percent(accuracy: MeanAndSpread) -> str:
    """Mean and standard deviation as text: "86.4 ± 0.8 %"; one seed has no deviation."""
    mean, spread = (100.0 * value for value in accuracy)
    return f"{mean:.1f} %" if math.isnan(spread) else f"{mean:.1f} \u00b1 {spread:.1f} %"


def seeds_text(n_seeds: int) -> str:
    """How many seeds, in words."""
    return f"{n_seeds} seed{'' if n_seeds == 1 else 's'}"


def value_text(name: str, value: object, sample_rate: float) -> str:
    """A value with its unit, as the head of a row or column."""
    if name in ("n_fft", "hop_length"):
        ms = 1000.0 * value / sample_rate
        return f"{value} \u00b7 {ms:.0f} ms"
    if name == "n_mels":
        return f"{value} bands"
    return "dB" if value == "db" else str(value)


def short_name(setting: Setting) -> str:
    """A setting in few words: what differs from the course's is said, and the three numbers."""
    parts = [f"{setting.n_fft}/{setting.hop_length}/{setting.n_mels}"]
    parts += [
        str(getattr(setting, name))
        for name in _CHOICES
        if getattr(setting, name) != getattr(COURSE, name)
    ]
    return " ".join(parts)
