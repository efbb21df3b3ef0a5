"""The words that come with the course: synthetic voices, in ``audio_samples/words``.

No human speaks in them. ``tools/make_word_samples.py`` makes them again from several speech
engines; ``words.csv`` says engine, voice and split of each clip.
"""

import csv
from pathlib import Path, PurePosixPath
from typing import Literal

from course_utils.data.clip_files import ClipFile, RecordingsError, check_folder, read_clips
from course_utils.data.recordings import course_folder
from course_utils.data.spoken_words import WORDS, SpokenWords

Split = Literal["train", "validation", "test"]
SPLITS = ("train", "validation", "test")
TABLE = "words.csv"
COLUMNS = ("file", "word", "engine", "voice", "split")  # those that are read here

_AGAIN = "get the course again, or make it with tools/make_word_samples.py"


def load_bundled_words(
    split: Split | None = None, *, folder: str | Path | None = None
) -> SpokenWords:
    """Load the synthetic voices that come with the course.

    The table splits them by voice: no voice is in two of the three splits, and whole speech
    engines are in the test only.

    Args:
        split: Which part; ``None`` takes all.
        folder: Where ``words.csv`` lies; ``None`` finds it in the course.

    Returns:
        Clips of the ten words; the speakers look like ``"flite/slt"``: engine and voice.

    Raises:
        RecordingsError: If the words or their table are missing or damaged.
        ValueError: If the split is unknown.

    Notebook: 06_cnn.ipynb.
    """
    if split is not None and split not in SPLITS:
        raise ValueError(f"split={split!r} must be one of {', '.join(SPLITS)}, or None for all")
    if folder is None:
        folder = course_folder() / "audio_samples" / "words"
    folder = check_folder(folder, expected=f"the bundled words with their table {TABLE}: {_AGAIN}")
    rows = [row for row in _read_table(folder / TABLE) if split in (None, row["split"])]
    if not rows:
        raise RecordingsError(f"{TABLE} has no clip of the split {split or 'train'}; {_AGAIN}")
    files = [
        ClipFile(
            folder / row["file"],
            row["file"],
            WORDS.index(row["word"]),
            f"{row['engine']}/{row['voice']}",
        )
        for row in rows
    ]
    engines = sorted({row["engine"] for row in rows})
    origin = f"synthetic voices of {', '.join(engines)}; no human speaks"
    return read_clips(files, label_names=WORDS, origin=origin, must_read=True)


def _read_table(path: Path) -> list[dict[str, str]]:
    """Read the table: one row for each clip, every cell checked that the loader needs."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
            columns = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecordingsError(f"{TABLE} cannot be read ({reason}); {_AGAIN}") from error
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise RecordingsError(f"{TABLE} has no column {missing[0]!r}; {_AGAIN}")
    for number, row in enumerate(rows, start=2):
        wrong = _wrong_cell(row)
        if wrong:
            raise RecordingsError(f"line {number} of {TABLE}: {wrong}; {_AGAIN}")
    return rows


def _wrong_cell(row: dict[str, str | None]) -> str | None:
    """Say which cell of a row cannot be right, if one cannot."""
    empty = [column for column in COLUMNS if not row[column]]
    if empty:
        return f"{empty[0]} is empty"
    place = PurePosixPath(row["file"])
    if place.is_absolute() or ".." in place.parts or "\\" in row["file"] or ":" in row["file"]:
        return f"file={row['file']!r} must be a path below the folder of the words"
    if row["word"] not in WORDS:
        return f"word={row['word']!r} is none of the ten words"
    if row["split"] not in SPLITS:
        return f"split={row['split']!r} must be one of {', '.join(SPLITS)}"
    return None
