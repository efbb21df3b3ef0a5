"""Speech Commands: more than two thousand people who say single words, collected by Google.

One folder for each word, one file for each clip; the eight letters before ``_nohash_`` say who
speaks. The recordings are not part of the course: the loader reads a folder that somebody has.

Source: P. Warden, «Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition»,
arXiv:1804.03209, 2018; licence CC BY 4.0.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from course_utils.data.clip_files import (
    ClipFile,
    RecordingsError,
    check_folder,
    choose_evenly,
    folders_from,
    read_clips,
    sound_files,
)
from course_utils.data.download import (
    DownloadError,
    Report,
    download_file,
    print_progress,
    unpack,
)
from course_utils.data.spoken_words import WORDS, SpokenWords

Split = Literal["train", "validation", "test"]
SPLITS = ("train", "validation", "test")
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
VALIDATION_PERCENT, TEST_PERCENT = 10.0, 10.0  # of the speakers, in the official split

_MAX_NUM_WAVS_PER_CLASS = 2**27 - 1  # the name that the data set's authors gave it
_NAME = re.compile(r"(?P<speaker>.+?)_nohash_.*", re.DOTALL)
_MAX_LIST_BYTES = 20_000_000

# The «mini» archive: 1 000 clips of each of eight words. Its checksum and size stand in several
# public repositories that use it, each written by other people.
_MINI_URL = "https://storage.googleapis.com/download.tensorflow.org/data/mini_speech_commands.zip"
_MINI_SHA256 = "49650f2341b26d886b46b3f4fb8fed59e30300b17550f1ee4a768b3106cf93a0"
_MINI_BYTES = 182_082_353
_MINI_CLIPS = 8_000
_MINI_MAX_FILES = 40_000  # in the archive, which also holds notes of macOS
_MINI_MAX_BYTES = 400_000_000  # unpacked: 8 000 clips of 32 kB are 256 MB
_ORIGIN = "Speech Commands (P. Warden, Google, CC BY 4.0): volunteers at their own microphones"


def load_speech_commands(
    folder: str | Path,
    *,
    words: Sequence[str] = WORDS,
    split: Split | None = None,
    limit: int | None = None,
) -> SpokenWords:
    """Load Speech Commands, or the «mini» archive of it, from a folder.

    The folder holds one folder for each word, with WAV or FLAC files in it, directly or up to
    two folders further down. Words that it lacks have no clips («mini» lacks «on» and «off»).

    Args:
        folder: Where the recordings are.
        words: Which words, in the order of their labels.
        split: Which part of the official split by speaker; ``None`` takes all. It is read
            from ``validation_list.txt`` and ``testing_list.txt``, or where these are absent
            computed as :func:`official_split` does.
        limit: At most so many clips, equally many of each word as far as there are.

    Returns:
        Clips of one second at 16 kHz, sorted by word and name. Files that cannot be read are
        left out and counted in ``skipped``.

    Raises:
        RecordingsError: If the folder holds none of the words, or too many for the memory.
        ValueError: If an argument makes no sense.

    Notebook: 06_cnn.ipynb.
    """
    words = _check_words(words)
    if split is not None and split not in SPLITS:
        raise ValueError(f"split={split!r} must be one of {', '.join(SPLITS)}, or None for all")
    expected = f"one folder for each word ({', '.join(words[:3])}, ...) with WAV or FLAC files"
    root = find_speech_commands(check_folder(folder, expected=expected), words=words)
    if root is None:
        raise RecordingsError(
            f"the folder «{folder}» holds none of the words; expected is {expected}"
        )
    files, skipped = _clip_files(root, words)
    files = _of_split(files, root, split)
    files = choose_evenly(files, limit)
    return read_clips(files, label_names=words, origin=_ORIGIN, skipped=skipped)


def official_split(name: str) -> Split:
    """Say into which part of the official split a clip belongs, by its speaker alone.

    The speaker's name is hashed with SHA-1 and the hash made a percentage: it stays what it is
    when recordings are added, and all clips of a speaker share it.

    Args:
        name: File name or speaker: what follows ``_nohash_`` does not count.

    Returns:
        ``"validation"`` below 10 %, ``"test"`` below 20 %, otherwise ``"train"``.

    Source: the data set's README and paper (Warden 2018, arXiv:1804.03209).
    """
    speaker = name.rpartition("/")[2].partition("_nohash_")[0]
    number = int(hashlib.sha1(speaker.encode("utf-8")).hexdigest(), 16)
    percent = number % (_MAX_NUM_WAVS_PER_CLASS + 1) * (100.0 / _MAX_NUM_WAVS_PER_CLASS)
    if percent < VALIDATION_PERCENT:
        return "validation"
    return "test" if percent < VALIDATION_PERCENT + TEST_PERCENT else "train"


def find_speech_commands(folder: Path, *, words: Sequence[str] = WORDS) -> Path | None:
    """Find the folder that holds folders of these words: this one, or one or two further down."""
    for place in folders_from(folder):
        for word in words:
            if (place / word).is_dir() and sound_files(place / word):
                return place
    return None


def _check_words(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words if they are names of folders, each once."""
    good = not isinstance(words, str) and len(words) > 0
    good = good and all(isinstance(word, str) and re.fullmatch(r"\w+", word) for word in words)
    if not good or len(set(words)) != len(words):
        raise ValueError(
            f"words={words!r} must be different words, each the name of a folder, such as "
            '("yes", "no")'
        )
    return tuple(words)


def _clip_files(root: Path, words: Sequence[str]) -> tuple[list[ClipFile], list[str]]:
    """List the clips of the words, and say which files are none by their name."""
    files, skipped = [], []
    for label, word in enumerate(words):
        if not (root / word).is_dir():
            continue
        for path in sound_files(root / word):
            name = _NAME.fullmatch(path.stem)
            if name is None:
                skipped.append(
                    f"«{word}/{path.name}» does not say who speaks: its name must look like "
                    "anna_nohash_0.wav"
                )
                continue
            files.append(ClipFile(path, f"{word}/{path.name}", label, name["speaker"]))
    if not files:
        raise RecordingsError(f"no file in «{root.name}» is a clip; the first: {skipped[0]}")
    return files, skipped


def _of_split(files: list[ClipFile], root: Path, split: Split | None) -> list[ClipFile]:
    """Keep the clips of one part of the official split."""
    if split is None:
        return files
    lists = {part: _read_list(root / name) for part, name in LISTS.items()}
    if None in lists.values():
        part_of = {file.name: official_split(file.name) for file in files}
    else:
        listed = {stem: part for part, stems in lists.items() for stem in stems}
        part_of = {file.name: listed.get(_stem(file.name), "train") for file in files}
    kept = [file for file in files if part_of[file.name] == split]
    if not kept:
        others = ", ".join(sorted(set(part_of.values())))
        raise RecordingsError(
            f"«{root.name}» holds no clip of the official split {split!r}, only of {others}; "
            "split=None takes all, and split_by_speaker splits what is there"
        )
    return kept


def _read_list(path: Path) -> set[str] | None:
    """Read an official list: ``{"yes/004ae714_nohash_0", ...}``, or None if there is none."""
    if not path.is_file() or path.stat().st_size > _MAX_LIST_BYTES:
        return None
    lines = path.read_text("utf-8", errors="replace").splitlines()
    return {_stem(line.strip()) for line in lines if line.strip()}


def _stem(name: str) -> str:
    """A name without its suffix: the lists say .wav also where the files are FLAC."""
    return name.rpartition(".")[0] or name


def download_speech_commands_mini(
    folder: str | Path, *, report: Report | None = print_progress, keep_archive: bool = False
) -> Path:
    """Download the «mini» archive of Speech Commands: 8 words, 8 000 clips, 182 MB.

    Unpacked it has 256 MB; while it is unpacked both are on the disk. A call after an
    interrupted one goes on where that ended; what is complete is not downloaded again.

    Args:
        folder: Where to: the clips come into ``mini_speech_commands`` in it.
        report: Called with the progress; ``None`` is silent.
        keep_archive: Keep the archive beside the clips.

    Returns:
        The folder for :func:`load_speech_commands`.

    Raises:
        DownloadError: If it cannot be downloaded, is not the archive that is known, or cannot
            be unpacked: one sentence; the lesson goes on with the bundled words.

    Notebook: 06_cnn.ipynb.
    """
    folder = Path(folder).expanduser()
    clips = folder / "mini_speech_commands"
    if _n_clips(clips) == _MINI_CLIPS:
        return clips
    archive = download_file(
        _MINI_URL,
        folder / "mini_speech_commands.zip",
        max_bytes=_MINI_BYTES,
        sha256=_MINI_SHA256,
        n_bytes=_MINI_BYTES,
        report=report,
    )
    unpack(archive, folder, max_files=_MINI_MAX_FILES, max_bytes=_MINI_MAX_BYTES, wanted=_of_mini)
    if _n_clips(clips) != _MINI_CLIPS:
        raise DownloadError(
            f"{_n_clips(clips)} clips came out of {archive.name}, not {_MINI_CLIPS}: look into "
            f"«{clips}» and delete what is not from the archive"
        )
    if not keep_archive:
        archive.unlink()
    return clips


def _of_mini(name: str) -> bool:
    """Whether a file of the archive is a clip, or says what the clips are."""
    return name.startswith("mini_speech_commands/") and name.endswith((".wav", "README.md"))


def _n_clips(folder: Path) -> int:
    """How many clips lie in the folders of a folder."""
    if not folder.is_dir():
        return 0
    return sum(len(sound_files(inner)) for inner in folder.iterdir() if inner.is_dir())
