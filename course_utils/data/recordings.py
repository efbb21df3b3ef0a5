"""Where sounds lie that are not part of the package: the course's folder, real recordings."""

import os
from pathlib import Path

from course_utils.data.fsdd import find_fsdd
from course_utils.data.speech_commands import find_speech_commands

VARIABLE = "SEEING_SOUND_DATA"  # an environment variable with the folder of the recordings


def course_folder() -> Path:
    """Find the folder of the course, which holds ``notebooks`` and ``audio_samples``.

    It is the one that this package lies in, or, where the package was installed apart from it,
    the working folder or one above it: a notebook works in the folder that it lies in.
    """
    home = Path(__file__).resolve().parents[2]
    here = Path.cwd()
    for folder in (home, here, *here.parents):
        if (folder / "audio_samples").is_dir():
            return folder
    return home


def find_recordings() -> dict[str, Path]:
    """Find real recordings, if there are any on this computer.

    Looked for in ``data`` in the course's folder and in ``shared/data`` beside it; if the
    environment variable ``SEEING_SOUND_DATA`` names a folder, then only there.

    Returns:
        Folders by the name of the set: ``"speech_commands"`` and ``"fsdd"``, each only if it
        is there. They suit ``load_speech_commands`` and ``load_fsdd``.

    Notebook: 06_cnn.ipynb.
    """
    course = course_folder()
    places = [course / "data", course.parent / "shared" / "data"]
    if os.environ.get(VARIABLE):
        places = [Path(os.environ[VARIABLE]).expanduser()]
    found: dict[str, Path] = {}
    for place in places:
        for name, find in (("speech_commands", find_speech_commands), ("fsdd", find_fsdd)):
            folder = _look_into(place, find)
            if folder is not None:
                found.setdefault(name, folder)
    return found


def _look_into(place: Path, find) -> Path | None:
    """Look for a set in a folder; one that may not be read holds none."""
    try:
        return find(place) if place.is_dir() else None
    except (OSError, ValueError):
        return None
