"""Many small sound files -> one :class:`SpokenWords`; used by the loader of every set."""

import hashlib
import itertools
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils.audio_io import AudioError, AudioWarning, load_audio
from course_utils.data.spoken_words import N_SAMPLES, SAMPLE_RATE, SpokenWords, fit_to_second

SUFFIXES = (".wav", ".flac")
MAX_CLIP_S = 30.0  # what lasts longer is not one word
MAX_CLIPS = 10_000  # unless a limit is given: 640 MB as float32
_MAX_FILES = 200_000  # that are listed: Speech Commands has 106 000
_MAX_FOLDERS = 200  # that are looked into to find a set


class RecordingsError(ValueError):
    """A folder without the recordings that were expected: one sentence with the next step."""


class ClipFile(NamedTuple):
    """A file with one word in it."""

    path: Path
    name: str  # relative to the folder of the set, with «/» on every system
    label: int
    speaker: str


def read_clips(
    files: Sequence[ClipFile],
    *,
    label_names: Sequence[str],
    origin: str,
    skipped: Sequence[str] = (),
    must_read: bool = False,
) -> SpokenWords:
    """Read clips, each fitted to one second at 16 kHz.

    A file that cannot be read is left out and said in ``skipped``. What a file needed to be
    readable (cut, mended, turned down) is said once for all, in an ``AudioWarning``.

    Args:
        files: The files, in the order of the set.
        label_names: What their labels mean.
        origin: One line: whose voices these are.
        skipped: What was left out before.
        must_read: Raise instead of leaving a file out.

    Returns:
        The clips that could be read.

    Raises:
        RecordingsError: If a file cannot be read and ``must_read`` is set, or none can.
    """
    waveforms = torch.empty(len(files), N_SAMPLES)  # filled in place: no second copy of the set
    kept: list[ClipFile] = []
    left_out, mended = list(skipped), []
    for file in files:
        try:
            waveforms[len(kept)] = _read_clip(file.path, mended)
        except AudioError as error:
            if must_read:
                raise RecordingsError(
                    f"{error}; every clip of this set is needed: get the set again"
                ) from error
            left_out.append(str(error))
        else:
            kept.append(file)
    if left_out and not kept:
        raise RecordingsError(
            f"none of {len(left_out)} files could be read as a clip; the first: {left_out[0]}"
        )
    if mended:
        warnings.warn(
            f"of {len(kept)} clips, {len(mended)} were read but not quite as they are; "
            f"the first: {mended[0]}",
            AudioWarning,
            stacklevel=3,
        )
    return SpokenWords(
        waveforms=waveforms[: len(kept)],
        labels=torch.tensor([file.label for file in kept], dtype=torch.int64),
        speakers=tuple(file.speaker for file in kept),
        names=tuple(file.name for file in kept),
        label_names=tuple(label_names),
        origin=origin,
        skipped=tuple(left_out),
    )


def _read_clip(path: Path, mended: list[str]) -> Tensor:
    """Read one clip, ``(16000,)``; what had to be mended is added to the list."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", AudioWarning)
        waveform, _ = load_audio(path, sample_rate=SAMPLE_RATE)
    seconds = len(waveform) / SAMPLE_RATE
    if seconds > MAX_CLIP_S:
        raise AudioError(
            f"«{path.name}» lasts {seconds:.0f} s, more than {MAX_CLIP_S:.0f} s: cut the one "
            "word out of it"
        )
    mended += [str(warning.message) for warning in said]
    return fit_to_second(waveform)


def sound_files(folder: Path) -> list[Path]:
    """The WAV and FLAC files in a folder, sorted by name; hidden files are none."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in itertools.islice(entries, _MAX_FILES + 1)]
    except OSError as error:
        raise RecordingsError(
            f"the folder «{folder.name}» cannot be opened ({error.strerror}); look at its "
            "permissions"
        ) from error
    if len(names) > _MAX_FILES:
        raise RecordingsError(
            f"«{folder.name}» holds more than {_MAX_FILES} files; take a folder with fewer"
        )
    is_sound = (os.path.splitext(name)[1].lower() in SUFFIXES for name in names)
    return sorted(
        folder / name
        for name, sounds in zip(names, is_sound, strict=True)
        if sounds and not name.startswith(".")
    )


def folders_from(folder: Path, *, depth: int = 2) -> list[Path]:
    """The folder itself and those in it, nearest first, down to ``depth``, bounded in number."""
    level, found = [folder], [folder]
    for _ in range(depth):
        level = [inner for outer in level for inner in _folders_in(outer)]
        level = level[: _MAX_FOLDERS - len(found)]
        found += level
    return found


def _folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, sorted; one that may not be opened holds none."""
    try:
        with os.scandir(folder) as entries:  # asks of each file nothing that costs time
            names = [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return []
    return [folder / name for name in sorted(names) if not name.startswith((".", "__MACOSX"))]


def check_folder(folder: str | Path, *, expected: str) -> Path:
    """Return the folder as a path if it is one; the error says what was expected in it."""
    path = Path(folder).expanduser()
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "was not found"
        raise RecordingsError(f"the folder «{path}» {what}; expected is {expected}")
    return path


def choose_evenly(files: Sequence[ClipFile], limit: int | None) -> list[ClipFile]:
    """Choose at most ``limit`` files, as many of each word as of another, always the same ones.

    Raises:
        RecordingsError: If there is no limit, and more files than fit well into memory.
        ValueError: If the limit is not a positive integer.
    """
    if limit is None:
        if len(files) > MAX_CLIPS:
            gigabytes = len(files) * N_SAMPLES * 4 / 1e9
            raise RecordingsError(
                f"{len(files)} clips would need {gigabytes:.1f} GB of memory; give a limit, such "
                f"as limit={MAX_CLIPS // 2}, or one split"
            )
        return list(files)
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ValueError(f"limit={limit!r} must be a positive number of clips, or None for all")
    # Within a word in the order of a hash of the name: as good as random, the same everywhere.
    by_hash = sorted(files, key=lambda file: hashlib.sha1(file.name.encode()).digest())
    rank: dict[int, int] = {}
    ranked = []
    for file in by_hash:
        rank[file.label] = rank.get(file.label, 0) + 1
        ranked.append((rank[file.label], file.label, file))
    chosen = {id(file) for *_, file in sorted(ranked, key=lambda item: item[:2])[:limit]}
    return [file for file in files if id(file) in chosen]
