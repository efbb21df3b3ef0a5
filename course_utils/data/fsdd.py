"""The Free Spoken Digit Dataset: six people who say the digits 0 to 9 fifty times each.

It is small and its split matters more than anything: tested on the voices that it was trained
on, almost every network is perfect. The recordings are not part of the course: the loader reads
a folder that somebody has.

Source: Z. Jackson and others, the public repository Jakobovski/free-spoken-digit-dataset;
licence CC BY-SA 4.0.
"""

import hashlib
import re
import shutil
from pathlib import Path

from course_utils.audio_io import AudioError, load_audio
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
from course_utils.data.spoken_words import SpokenWords

DIGITS = tuple("0123456789")

_NAME = re.compile(r"(?P<digit>[0-9])_(?P<speaker>[^_]+)_(?P<take>[0-9]+)")

# The state of the repository that is downloaded. Archives that are packed on demand have no
# lasting checksum, so the recordings themselves are verified: the digest of all their samples
# was computed from a lossless copy of this state (3 000 recordings, sample by sample the same).
_COMMIT = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
_URL = f"https://codeload.github.com/Jakobovski/free-spoken-digit-dataset/zip/{_COMMIT}"
_SAMPLES_SHA256 = "349ae062749a285dbc0386a3f91ea06e19f0d189ea1b2ec8f2bbabf6ec26c157"
_MAX_ARCHIVE_BYTES = 100_000_000
_MAX_FILES = 5_000
_MAX_BYTES = 150_000_000
_EXPECTED = "recordings/<digit>_<speaker>_<number>.wav (or .flac), such as 7_jackson_32.wav"
_ORIGIN = "Free Spoken Digit Dataset (Z. Jackson and others, CC BY-SA 4.0): six men, 8 kHz"


def load_fsdd(folder: str | Path, *, limit: int | None = None) -> SpokenWords:
    """Load the Free Spoken Digit Dataset from a folder.

    The recordings have 8 kHz and the length of the word; they come as seconds at 16 kHz, the
    word in the middle of silence and nothing above 4 kHz. The data set's own split puts the
    same six voices into training and test, so it is not offered here: split by speaker.

    Args:
        folder: Where the recordings are: their folder, or one up to two further up.
        limit: At most so many clips, equally many of each digit.

    Returns:
        Clips with the labels 0 to 9, sorted by name. Files that cannot be read are left out
        and counted in ``skipped``.

    Raises:
        RecordingsError: If the folder holds no such recording.
        ValueError: If ``limit`` makes no sense.

    Notebook: 06_cnn.ipynb.
    """
    root = find_fsdd(check_folder(folder, expected=_EXPECTED))
    if root is None:
        raise RecordingsError(
            f"the folder «{folder}» holds no spoken digits; expected is {_EXPECTED}"
        )
    files, skipped = [], []
    for path in sound_files(root):
        name = _NAME.fullmatch(path.stem)
        if name is None:
            skipped.append(f"«{path.name}» is not named like 7_jackson_32.wav")
            continue
        files.append(ClipFile(path, path.name, int(name["digit"]), name["speaker"]))
    files = choose_evenly(files, limit)
    return read_clips(files, label_names=DIGITS, origin=_ORIGIN, skipped=skipped)


def find_fsdd(folder: Path) -> Path | None:
    """Find the folder with the recordings: this one, or one or two further down."""
    for place in folders_from(folder):
        if any(_NAME.fullmatch(path.stem) for path in sound_files(place)):
            return place
    return None


def download_fsdd(
    folder: str | Path, *, report: Report | None = print_progress, keep_archive: bool = False
) -> Path:
    """Download the Free Spoken Digit Dataset: 3 000 clips, 21 MB unpacked.

    A call after an interrupted one goes on where that ended, as far as the server allows; what
    is complete is not downloaded again. Whether the recordings are the right ones is seen from
    their samples, all of which are read.

    Args:
        folder: Where to: the recordings come into ``free-spoken-digit-dataset-...`` in it.
        report: Called with the progress; ``None`` is silent.
        keep_archive: Keep the archive beside the recordings.

    Returns:
        The folder for :func:`load_fsdd`.

    Raises:
        DownloadError: If it cannot be downloaded or unpacked, or holds other recordings: one
            sentence; the lesson goes on with the bundled words.

    Notebook: 06_cnn.ipynb.
    """
    folder = Path(folder).expanduser()
    home = folder / f"free-spoken-digit-dataset-{_COMMIT}"
    recordings = home / "recordings"
    if recordings.is_dir() and _samples_sha256(recordings) == _SAMPLES_SHA256:
        return recordings
    was_there = home.exists()
    archive = download_file(_URL, folder / "fsdd.zip", max_bytes=_MAX_ARCHIVE_BYTES, report=report)
    unpack(archive, folder, max_files=_MAX_FILES, max_bytes=_MAX_BYTES, wanted=_is_wanted)
    if not recordings.is_dir() or _samples_sha256(recordings) != _SAMPLES_SHA256:
        archive.unlink()
        what_next = f"delete «{home}», then try again"
        if not was_there:  # what lay there before is not ours to delete
            shutil.rmtree(home, ignore_errors=True)
            what_next = "it was thrown away, try again"
        raise DownloadError(
            f"the recordings from {archive.name} are not those that are known: {what_next}; the "
            "lesson goes on with the bundled words"
        )
    if not keep_archive:
        archive.unlink()
    return recordings


def _is_wanted(name: str) -> bool:
    """Whether a file of the archive is a recording, or says what the recordings are."""
    inside = name.partition("/")[2]
    is_recording = inside.startswith("recordings/") and inside.endswith(".wav")
    return is_recording or inside in ("README.md", "LICENSE", "LICENSE.md", "metadata.py")


def _samples_sha256(recordings: Path) -> str:
    """One checksum for all samples of all recordings, whatever the kind of file."""
    digest = hashlib.sha256()
    for path in sorted(sound_files(recordings), key=lambda path: path.stem):
        try:
            waveform, _ = load_audio(path)
        except AudioError:
            return "damaged"
        samples = (waveform * 2**15).round().numpy().astype("<i2")  # 16 bit: nothing is lost
        digest.update(f"{path.stem}\n".encode())
        digest.update(samples.tobytes())
    return digest.hexdigest()
