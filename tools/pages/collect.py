"""Runs a lesson for a page: the same cells, and explorers that need no kernel afterwards.

A hidden first cell tells IPython how an explorer, a player and a quiz look as HTML. What cannot
live without a kernel (a training, a microphone) has no HTML: then the page shows its picture.
"""

from __future__ import annotations

import copy
import hashlib
import html
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from tools.run_notebooks import SKIP_TAG, execute, merge, tags

PROJECT = Path(__file__).resolve().parents[2]
HOOK = "from tools.pages import collect\ncollect.register()"
N_KERNELS = 2
SLIDERS_NEED_PYTHON = (
    '<p class="needs">You can play and zoom this one here. Its sliders need Python: start the '
    "course with <code>python3 course.py lab</code>, open this lesson and run the cell.</p>"
)
_DEPENDS_ON = ("course_utils", "audio_samples", "tools/pages/collect.py")


class LessonFailedError(RuntimeError):
    """A lesson could not be run to its end; the text says which, and what to do."""


# ---- inside the kernel


def register() -> None:
    """Teach this kernel to give explorers, players and quizzes as HTML. Called in the lesson."""
    from IPython import get_ipython

    from course_utils.explorers.base import Explorer
    from course_utils.quiz import Quiz
    from course_utils.sound_view import SoundView

    formatter = get_ipython().display_formatter.formatters["text/html"]
    formatter.for_type(Explorer, live_html)
    formatter.for_type(SoundView, live_html)
    formatter.for_type(Quiz, quiz_html)


def live_html(shown: Any) -> str | None:
    """An explorer or a player as HTML that lives in a page, or ``None`` if it cannot."""
    from course_utils.explorers.page import fragment

    try:
        alive = fragment(shown)
    except ValueError:  # it needs Python, and fragment() says why: the picture stands in
        return None
    needs_python = hasattr(shown, "sliders") and not shown.view.live
    return alive + SLIDERS_NEED_PYTHON if needs_python else alive


def quiz_html(quiz: Any) -> str:
    """A quiz as HTML: its questions as data for ``quiz.js``, and as text until that has run."""
    state = {"title": quiz.title, "questions": quiz.questions}
    text = json.dumps(state).replace("</", "<\\/")
    return (
        f'<div class="quiz-place">\n<script type="application/json">{text}</script>\n'
        f"{''.join(map(_question_html, quiz.questions))}</div>"
    )


def _question_html(question: dict[str, Any]) -> str:
    answers = "".join(
        f"<details><summary>{html.escape(answer['text'])}</summary>"
        f"<p>{'Right.' if answer['right'] else 'No.'} {html.escape(answer['why'])}</p></details>"
        for answer in question["answers"]
    )
    return f"<p><strong>{html.escape(question['text'])}</strong></p>{answers}"


# ---- outside of it


def executed(paths: Iterable[Path], cache: Path) -> dict[Path, Any]:
    """Run lessons, two at a time, each in a fresh kernel.

    Args:
        paths: Notebooks.
        cache: Folder in which results are kept: what did not change is not run again.

    Returns:
        Path -> notebook with outputs, some of them ``text/html`` that lives without a kernel.

    Raises:
        LessonFailedError: If a cell fails.
    """
    cache.mkdir(parents=True, exist_ok=True)
    paths = list(paths)
    largest_first = sorted(paths, key=lambda path: "cnn" not in path.stem)  # it trains a network
    with ThreadPoolExecutor(N_KERNELS) as pool:
        done = dict(
            zip(largest_first, pool.map(lambda p: _once(p, cache), largest_first), strict=True)
        )
    return {path: done[path] for path in paths}


def _once(path: Path, cache: Path) -> Any:
    """A lesson as it stands now, with the outputs of an earlier run if that had the same code."""
    notebook = nbformat.read(path, as_version=4)
    kept = cache / f"{path.stem}-{_fingerprint(notebook)}.ipynb"
    if not kept.exists():
        print(f"running {path.name} ...", flush=True)
        run = run_for_page(path)
        for old in cache.glob(f"{path.stem}-*.ipynb"):
            old.unlink()
        part = kept.with_suffix(".part")
        nbformat.write(run, part)
        part.replace(kept)
    earlier = nbformat.read(kept, as_version=4)
    for cell, run_cell in zip(_code(notebook), _code(earlier), strict=True):
        cell.outputs = run_cell.outputs
    return notebook


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _fingerprint(notebook: Any) -> str:
    """A hash of all that the outputs of a lesson depend on, within this project."""
    digest = hashlib.sha256()
    for cell in _code(notebook):
        digest.update(f"{cell.source}\0{tags(cell)}\0".encode())
    for name in _DEPENDS_ON:
        place = PROJECT / name
        for file in [place] if place.is_file() else sorted(place.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(str(file.relative_to(PROJECT)).encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def run_for_page(path: Path) -> Any:
    """Run one lesson with the hidden first cell, and take that cell out again."""
    saved = nbformat.read(path, as_version=4)
    notebook = copy.deepcopy(saved)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(HOOK))
    os.environ["SEEING_SOUND_DATA"] = "/nowhere"  # recordings on this computer change the outputs
    try:
        execute(notebook, path.parent)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise LessonFailedError(
            f"{path.name} could not be run, so nothing was written: {lines[-1]}. "
            f"'course.py notebooks {path.stem}' shows the cell."
        ) from error
    del notebook.cells[0]
    for cell, before in zip(notebook.cells, saved.cells, strict=True):
        if cell.cell_type != "code":
            continue
        if SKIP_TAG in tags(cell):
            cell.outputs = before.outputs
        cell.outputs = [o for o in merge(cell.outputs) if o.get("name") != "stderr"]
    return notebook
