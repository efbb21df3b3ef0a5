"""What a sweep measures and what it writes down: settings, lines of results, tables of them.

Reading results trains nothing, so that a lesson can show at once what took an hour to measure.
"""

import contextlib
import dataclasses
import itertools
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, get_args

from torch import Tensor

from course_utils.models.evaluate import MeanAndSpread, mean_and_spread
from course_utils.models.features import (
    FrequencyAxis,
    Normalize,
    Scale,
    WordFeatures,
    linear_filterbank,
)
from course_utils.signal import MelParams, empty_mel_bands
from course_utils.signal._checks import check_choice

try:
    import fcntl  # Linux and macOS
except ImportError:
    fcntl = None
    import msvcrt  # Windows

Cost = Literal["inference_ms", "train_seconds", "n_cells"]
Record = dict[str, object]

N_SAMPLES = 16000  # of a clip: one second at 16 kHz
_MEASURED = {
    "recipe", "data", "accuracy", "accuracies", "train_seconds", "inference_ms", "n_cells",
    "n_parameters", "problem",
}  # fmt: skip
_LOCKED_BYTE = 1 << 40  # far behind the end of every file: only Windows locks bytes


# ---------------------------------------------------------------------------- the settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """One way of making pictures of sounds; without arguments it is the course's.

    Attributes:
        n_fft: Length of window and DFT, in samples.
        hop_length: Samples from frame to frame.
        n_mels: How many bands, also where they are linear: pictures of equal size.
        frequency_axis: "mel", or "linear" for bands that are equally wide in Hz.
        scale: "db", "magnitude" or "power".
        normalize: "per clip", "data set" or "none".

    Raises:
        ValueError: If a value is out of range; the message names it.

    Notebook: 07_tuning.ipynb.
    """

    n_fft: int = 1024
    hop_length: int = 512
    n_mels: int = 64
    frequency_axis: FrequencyAxis = "mel"
    scale: Scale = "db"
    normalize: Normalize = "per clip"

    def __post_init__(self) -> None:
        self.params()  # checks the three numbers
        check_choice(self.frequency_axis, "frequency_axis", get_args(FrequencyAxis))
        check_choice(self.scale, "scale", get_args(Scale))
        check_choice(self.normalize, "normalize", get_args(Normalize))

    def params(self) -> MelParams:
        """The settings of the spectrogram; on a linear axis ``n_mels`` counts linear bands."""
        return MelParams(n_fft=self.n_fft, hop_length=self.hop_length, n_mels=self.n_mels)

    def features(self) -> WordFeatures:
        """Make the module that turns waveforms into these pictures."""
        return WordFeatures(
            self.params(),
            frequency_axis=self.frequency_axis,
            scale=self.scale,
            normalize=self.normalize,
        )

    def shape(self, n_samples: int = N_SAMPLES) -> tuple[int, int]:
        """Bands and frames of a picture of ``n_samples`` samples."""
        return self.n_mels, self.params().n_frames(n_samples)

    def n_cells(self, n_samples: int = N_SAMPLES) -> int:
        """How many numbers a picture has: what must be computed, kept and read."""
        return math.prod(self.shape(n_samples))

    def problem(self, n_samples: int = N_SAMPLES) -> str:
        """Say in a sentence why this setting makes no sense; empty if it does."""
        n_fft, hop_length = self.n_fft, self.hop_length
        if n_fft // 2 >= n_samples:
            return (
                f"n_fft={n_fft} needs more than {n_fft // 2} samples, a clip has {n_samples}; "
                "take a shorter n_fft"
            )
        if hop_length > n_fft:
            return (
                f"hop_length={hop_length} is longer than the window of {n_fft} samples: no frame "
                f"sees {hop_length - n_fft} of every {hop_length} samples; take a shorter hop"
            )
        empty = empty_mel_bands(_filterbank(self)).nonzero()[:, 0].tolist()
        if empty:
            names = ", ".join(map(str, empty[:8])) + (", …" if len(empty) > 8 else "")
            return (
                f"n_mels={self.n_mels} leaves {len(empty)} {self.frequency_axis} "
                f"band{'' if len(empty) == 1 else 's'} empty ({names}): no frequency bin of "
                f"n_fft={n_fft} falls into them; take a longer n_fft or fewer bands"
            )
        return ""

    def __str__(self) -> str:
        bands = f"{self.n_mels} {self.frequency_axis} bands"
        return (
            f"n_fft {self.n_fft}, hop {self.hop_length}, {bands}, {self.scale}, "
            f"normalised: {self.normalize}"
        )


def grid(
    *,
    n_fft: Iterable[int] = (1024,),
    hop_length: Iterable[int] = (512,),
    n_mels: Iterable[int] = (64,),
    frequency_axis: Iterable[FrequencyAxis] = ("mel",),
    scale: Iterable[Scale] = ("db",),
    normalize: Iterable[Normalize] = ("per clip",),
    keep_useless: bool = False,
) -> list[Setting]:
    """Make every combination of these values.

    Args:
        n_fft: The lengths to try; likewise the other names of :class:`Setting`.
        keep_useless: Whether settings with a :meth:`Setting.problem` stay in the list.

    Returns:
        The settings; the last name changes fastest.

    Raises:
        ValueError: If a value is out of range, or no setting is left.

    Notebook: 07_tuning.ipynb.
    """
    values = {
        "n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels,
        "frequency_axis": frequency_axis, "scale": scale, "normalize": normalize,
    }  # fmt: skip
    for name, of_name in values.items():
        if isinstance(of_name, str) or not isinstance(of_name, Iterable):
            raise ValueError(f"{name}={of_name!r} must be a list of values, such as [{of_name!r}]")
    combinations = itertools.product(*values.values())
    made = [Setting(**dict(zip(values, each, strict=True))) for each in combinations]
    kept = [setting for setting in made if keep_useless or not setting.problem()]
    if not kept:
        why = f": {made[0].problem()}" if made else ""
        raise ValueError(f"grid() has no setting that makes sense{why}")
    return kept


def _filterbank(setting: Setting) -> Tensor:
    params = setting.params()
    linear = setting.frequency_axis == "linear"
    return linear_filterbank(params) if linear else params.mel_filterbank()


# ------------------------------------------------------------------------ lines in a file


class Results(NamedTuple):
    """What a file of results holds."""

    records: list[Record]  # in the order of the file; of the same run only the last
    notes: list[str]  # a sentence for every line that could not be read


def read_results(path: str | os.PathLike[str]) -> Results:
    """Read the lines that a sweep wrote; what a crash cut off is passed over and named.

    Args:
        path: The file; one that is not there holds nothing.

    Returns:
        Records and notes. The file is not changed.

    Raises:
        ValueError: If the file holds something else than results.

    Notebook: 07_tuning.ipynb.
    """
    path = Path(path)
    if not path.exists():
        return Results([], [])
    found: dict[object, Record] = {}
    wrong = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        record = _parse(line)
        if record is None:
            wrong.append(number)
        elif "error" not in record or "error" in found.get(record["identity"], record):
            found[record["identity"]] = record  # an error never replaces a measurement
    if len(wrong) > 1 and not found:
        raise ValueError(
            f"{path.name} holds no results of a sweep, so nothing is added to it; "
            "name another file, or one that is not there yet"
        )
    notes = [
        f"line {number} of {path.name} is damaged and was passed over; it stays in the file, "
        "and its run is done again"
        for number in wrong
    ]
    return Results(list(found.values()), notes)


def append_result(path: str | os.PathLike[str], record: Mapping[str, object]) -> None:
    """Add one line, all of it or nothing but a damaged last line that reading passes over.

    Other processes may write to the same file at the same time. A line that a crash cut off
    keeps its place: the new one begins below it.

    Args:
        path: The file; it is made if it is not there.
        record: What :func:`course_utils.models.sweep.run_one` returned.

    Raises:
        OSError: If the disk is full or the file may not be written.
    """
    line = _line(record)
    with open(path, "a+b", buffering=0) as file, _locked(file):
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = b"\n" + line
        if file.write(line) != len(line):
            raise OSError("the line was not written completely: is the disk full?")
        os.fsync(file.fileno())


def _line(record: Mapping[str, object]) -> bytes:
    return (json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n").encode()


@contextlib.contextmanager
def _locked(file: BinaryIO) -> Iterator[None]:
    """Keep other processes from writing, until the end of the block."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)  # closing the file gives it back, and so does dying
        yield
        return
    file.seek(_LOCKED_BYTE)
    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
    try:
        yield
    finally:
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)


def replace_results(path: str | os.PathLike[str], records: Iterable[Record]) -> None:
    """Write a file of results anew, as a whole or not at all.

    Args:
        path: The file.
        records: All that it shall hold.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    part.write_bytes(b"".join(_line(record) for record in records))
    os.replace(part, path)


def _parse(line: bytes) -> Record | None:
    """Make a record of a line, or nothing if it is none."""
    try:
        record = json.loads(line)
        Setting(**record["setting"])
        known = isinstance(record["identity"], str) and isinstance(record["seed"], int)
        measured = record.keys() >= _MEASURED and 0.0 <= record["accuracy"] <= 1.0
        measured = measured or isinstance(record.get("error"), str)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return record if known and measured else None


# ----------------------------------------------------------------------------- the tables


class Summary(NamedTuple):
    """What all seeds of one setting say together."""

    setting: Setting
    n_seeds: int
    accuracy: MeanAndSpread  # 0 to 1; the spread is nan where there is one seed
    accuracies: dict[str, MeanAndSpread]  # of every test set by its name
    train_seconds: float  # of the fastest seed: what else a computer does only adds
    inference_ms: float  # of one clip, likewise
    n_cells: int
    n_parameters: int
    problem: str  # why the setting makes no sense; empty if it does


def summarise(records: Iterable[Record]) -> list[Summary]:
    """Condense the seeds of each setting into mean and standard deviation.

    Args:
        records: What a sweep measured; runs that failed are left out.

    Returns:
        One summary for each setting, in the order in which the settings first appear.

    Raises:
        ValueError: If the records come from several recipes or data sets: their numbers do not
            belong into one table.

    Notebook: 07_tuning.ipynb.
    """
    of_setting: dict[Setting, dict[int, Record]] = {}
    origins = set()
    for record in records:
        if "error" not in record:
            origins.add((record["recipe"], record["data"]))
            setting = Setting(**record["setting"])
            of_setting.setdefault(setting, {})[record["seed"]] = record
    if len(origins) > 1:
        raise ValueError(
            f"records come from {len(origins)} different recipes or data sets, whose numbers "
            "cannot be compared; keep those with the same record['recipe'] and record['data']"
        )
    return [_summary(setting, list(seeds.values())) for setting, seeds in of_setting.items()]


def _summary(setting: Setting, records: list[Record]) -> Summary:
    first = records[0]
    return Summary(
        setting=setting,
        n_seeds=len(records),
        accuracy=mean_and_spread(record["accuracy"] for record in records),
        accuracies={
            name: mean_and_spread(record["accuracies"][name] for record in records)
            for name in first["accuracies"]
        },
        train_seconds=min(record["train_seconds"] for record in records),
        inference_ms=min(record["inference_ms"] for record in records),
        n_cells=first["n_cells"],
        n_parameters=first["n_parameters"],
        problem=first["problem"],
    )


def pareto(summaries: Iterable[Summary], *, cost: Cost = "inference_ms") -> list[Summary]:
    """Keep the settings that no other beats: none is as good for less, or better for as much.

    Args:
        summaries: From :func:`summarise`.
        cost: "inference_ms", "train_seconds" or "n_cells".

    Returns:
        From the cheapest to the most accurate. Of two with the same cost and accuracy both.

    Raises:
        ValueError: If the cost is not known.

    Notebook: 07_tuning.ipynb.
    """
    check_choice(cost, "cost", get_args(Cost))
    points = [(getattr(summary, cost), -summary.accuracy.mean, summary) for summary in summaries]
    points.sort(key=lambda point: point[:2])
    front: list[tuple[float, float, Summary]] = []
    for point in points:
        if not front or point[1] < front[-1][1] or point[:2] == front[-1][:2]:
            front.append(point)
    return [summary for _, _, summary in front]
