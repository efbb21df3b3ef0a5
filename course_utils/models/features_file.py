"""Features in a file that another program can read: the numbers, and how they were made."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from course_utils.signal._checks import check_choice

FORMAT, VERSION = "seeing-sound features", 1
Kind = Literal["npy", "pt"]
_MOST = 1000  # files of one name


class FeaturesFileError(ValueError):
    """Features that cannot be written or read; one sentence says why."""


def write_features(
    folder: str | os.PathLike[str],
    name: str,
    picture: Tensor,
    about: dict[str, Any],
    *,
    kind: Kind = "npy",
    png: bytes | None = None,
) -> list[Path]:
    """Write a picture with its parameters; a file that is there is never touched.

    ``kind="npy"`` makes two files, ``name.npy`` with the numbers and ``name.json`` with
    everything about them; ``kind="pt"`` makes one for PyTorch. A name that is taken gets a
    number: ``name_2``.

    Args:
        folder: Where to; it is made if it is not there.
        name: Without a suffix; what a file system forbids is replaced.
        picture: Shape ``(n_mels, n_frames)``.
        about: How it was made; only numbers, texts, lists and dictionaries.
        kind: "npy" or "pt".
        png: The picture for the eye, written beside them as ``name.png``.

    Returns:
        What was written.

    Raises:
        FeaturesFileError: If the folder cannot be written to.
        ValueError: If the kind is unknown.

    Notebook: 08_your_sound.ipynb.
    """
    check_choice(kind, "kind", get_args(Kind))
    cells = picture.detach().to("cpu", torch.float32).contiguous()
    about = {"format": FORMAT, "version": VERSION, "shape": list(cells.shape)} | about
    text = json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    parts: dict[str, Callable[[Any], object]] = {}
    if kind == "npy":
        parts[".npy"] = lambda file: np.save(file, cells.numpy(), allow_pickle=False)
        parts[".json"] = lambda file: file.write(text.encode())
    else:
        parts[".pt"] = lambda file: torch.save({"picture": cells, "about": text}, file)
    if png is not None:
        parts[".png"] = lambda file: file.write(png)
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _write_new(folder, _clean(name), parts)
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        raise FeaturesFileError(
            f"nothing can be written into {folder.name}/ ({reason}); choose another folder"
        ) from problem


def read_features(path: str | os.PathLike[str]) -> tuple[Tensor, dict[str, Any]]:
    """Read what :func:`write_features` wrote. No code in the file is ever run.

    Args:
        path: The ``.npy`` or the ``.pt`` file.

    Returns:
        The picture ``(n_mels, n_frames)`` and everything about it.

    Raises:
        FeaturesFileError: If it is not there or is something else.

    Notebook: 08_your_sound.ipynb.
    """
    path = Path(path)
    try:
        if path.suffix == ".pt":
            content = torch.load(path, map_location="cpu", weights_only=True)
            cells, text = content["picture"], content["about"]
        else:
            cells = torch.from_numpy(np.load(path, allow_pickle=False))
            text = path.with_suffix(".json").read_text(encoding="utf-8")
        about = json.loads(text)
        if about["format"] != FORMAT or list(cells.shape) != about["shape"]:
            raise ValueError("the numbers and what is said about them do not fit together")
    except FileNotFoundError as problem:
        missing = Path(problem.filename or path).name
        raise FeaturesFileError(f"{missing} is not there; export the features again") from None
    except Exception as problem:  # numpy, torch and json have a dozen kinds
        raise FeaturesFileError(
            f"{path.name} holds no features of this course, or is damaged; export them again"
        ) from problem
    return cells, about


def _write_new(folder: Path, name: str, parts: dict[str, Callable[[Any], object]]) -> list[Path]:
    """Write all parts under the first name of which no file is there."""
    for number in range(1, _MOST):
        stem = name if number == 1 else f"{name}_{number}"
        paths = [folder / f"{stem}{suffix}" for suffix in parts]
        if any(os.path.lexists(path) for path in paths):
            continue
        for path, write in zip(paths, parts.values(), strict=True):
            with path.open("xb") as file:  # «x»: somebody else's file would be an error
                write(file)
        return paths
    raise FeaturesFileError(f"there are {_MOST} files called {name} already; choose another name")


def _clean(name: str) -> str:
    """Letters, digits, - and _ of a name: nothing that leads into another folder."""
    return re.sub(r"[^\w-]+", "_", str(name)).strip("_")[:60] or "sound"
