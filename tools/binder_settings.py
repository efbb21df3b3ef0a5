"""Gives the JupyterLab of this Python the course's settings; ``binder/postBuild`` runs it.

``course.py lab`` writes the same settings into ``.venv``. On Binder the environment belongs to
somebody else, so settings that are there stay, and ours are added.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from course import LAB_SETTINGS, SERVER_SETTINGS


def joined(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Two nested tables as one; where both say something, ours holds. Neither is changed."""
    both = theirs | ours
    for key in theirs.keys() & ours.keys():
        if isinstance(theirs[key], dict) and isinstance(ours[key], dict):
            both[key] = joined(theirs[key], ours[key])
    return both


def add_settings(path: Path, ours: dict[str, Any]) -> None:
    """Add settings to a JSON file, which need not be there yet."""
    theirs = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(joined(theirs, ours), indent=2, sort_keys=True) + "\n", "utf-8")


def main(prefix: Path) -> None:
    """Write both files below the folder of a Python, like ``sys.prefix``.

    The second one must have this very name: the limit for uploads is not taken from a file in the
    folder ``jupyter_server_config.d`` beside it.
    """
    add_settings(prefix / "share" / "jupyter" / "lab" / "settings" / "overrides.json", LAB_SETTINGS)
    add_settings(prefix / "etc" / "jupyter" / "jupyter_server_config.json", SERVER_SETTINGS)


if __name__ == "__main__":
    main(Path(sys.prefix))
