"""Makes two sets of the course from this one source: one for students, one for the teacher.

    python3 course.py class                    writes into build/class
    python3 course.py class --out ~/autumn     writes there

Each set is a folder and a zip of it. The student's set has no solutions, no remarks for the
teacher and no tests; the teacher's has the solutions, docs/teaching.md and, if they were built, the
slides. Both start with ``course.py lab``, both are made from the files that lie here: what you
change in a lesson is in the next set.

Only the standard library is needed, so this works before anything is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from pathlib import Path, PurePosixPath

PROJECT = Path(__file__).resolve().parents[1]
SETS = ("student", "teacher")

# What a lesson, course.py and its installation need.
KEPT = (
    "LICENSE",
    "course.py",
    "pyproject.toml",
    "constraints.txt",
    "environment.yml",
    "audio_samples",
    "course_utils",
    "docs",
    "jupyter-config",
    "notebooks",
    "tools/__init__.py",
    "tools/doctor.py",
)
IN_NO_SET = ("docs/benchmarks.md", "docs/class-server.md", "docs/scaling.md", "docs/images")
ONLY_FOR_TEACHERS = ("docs/teaching.md", "notebooks/solutions")
SLIDES = "build/slides"  # where "course.py slides" writes
LEFTOVERS = re.compile(r"^(\..*|__pycache__|Untitled.*\.ipynb|.*\.pyc)$")

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
SOLUTIONS = re.compile(r"Solutions: \[[^\]]*\]\(solutions/[^)]*\)\.")
ASK_THE_TEACHER = "Solutions: your teacher has them."

README = """# Seeing Sound: the {name}'s set

**How does a sound become a picture that a neural network can read?**

## Start

    python3 course.py lab

You need Python 3.11 to 3.14 (on Windows: `py course.py lab`). The first start makes a folder
`.venv` here and installs what the course needs, which takes a few minutes and a network; later
starts need neither. If something does not work, `python3 course.py doctor` says what and why.

## The lessons

{lessons}

Predict before you look. Do the exercises: each check says *which* mistake you made.
{more}
The licences of texts, code and sounds are in [LICENSE](LICENSE).
"""
MORE = {
    "student": """
The [classical mistakes](docs/pitfalls.md) of the field have a page of their own.
""",
    "teacher": """
## For you

- [The guide for teachers](docs/teaching.md): goals, minutes, questions, mistakes, exams, plans.
- [The solutions](notebooks/solutions): every exercise, solved.
- `python3 course.py lab --lecture 02` opens lesson 02 in large type, with nothing beside it.
- The [classical mistakes](docs/pitfalls.md) of the field, with the cell that shows each.
""",
}
SLIDES_LINE = "- [The slides](slides), each a file of its own that any browser opens.\n"


class Trouble(Exception):
    """Something that the person at the keyboard has to know."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="course.py class", description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="build/class", help="folder for both sets")
    options = parser.parse_args(arguments)
    out = Path(options.out).expanduser()
    try:
        made = make_sets(PROJECT, out if out.is_absolute() else Path.cwd() / out)
    except Trouble as trouble:
        print(trouble)
        return 1
    for folder in made:
        n_files = sum(path.is_file() for path in folder.rglob("*"))
        print(f"{folder}  ({n_files} files, and {folder.name}.zip)")
    return 0


def make_sets(project: Path, out: Path) -> list[Path]:
    """Write both sets into ``out``, as folders and as zips.

    Raises:
        Trouble: If ``out`` lies where it would be copied into itself, or holds something else.
    """
    out = out.resolve()
    for name in KEPT:
        if project / name in (out, *out.parents):
            raise Trouble(f"{out} is a part of the course itself: choose another folder with --out")
    return [make_set(project, out, name) for name in SETS]


def make_set(project: Path, out: Path, name: str) -> Path:
    """Write one set, in place of an older one."""
    folder = out / f"seeing-sound-{name}"
    clear(folder)
    files = files_of(project, name)
    written = {*files, "README.md"}
    for file in sorted(files):
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(files[file], target)
        if file.endswith((".ipynb", ".md")):
            adapt(target, file, written, name)
    lessons = [file for file in sorted(files) if PurePosixPath(file).match("notebooks/*.ipynb")]
    more = MORE[name] + (SLIDES_LINE if any(file.startswith("slides/") for file in files) else "")
    text = README.format(name=name, lessons=list_of_lessons(project, lessons), more=more)
    (folder / "README.md").write_text(text, "utf-8")
    shutil.make_archive(str(folder), "zip", root_dir=out, base_dir=folder.name)
    return folder


def clear(folder: Path) -> None:
    """Remove an older set; anything else is left alone.

    Raises:
        Trouble: If the folder is there and is no set.
    """
    if not folder.exists():
        return
    readme = folder / "README.md"
    if not readme.is_file() or not readme.read_text("utf-8").startswith(README[:15]):
        raise Trouble(f"{folder} is there already and is no set of the course: rename or delete it")
    if (folder / ".venv").exists():
        raise Trouble(
            f"somebody works in {folder} (it has a .venv): take another folder with --out, or "
            "delete that set first"
        )
    shutil.rmtree(folder)


def files_of(project: Path, name: str) -> dict[str, Path]:
    """The files of a set: their path in it, with forward slashes, and where each lies here."""
    left_out = IN_NO_SET + (ONLY_FOR_TEACHERS if name == "student" else ())
    found = {}
    for top in KEPT:
        for path in walk(project / top):
            inside = path.relative_to(project).as_posix()
            if not any(inside == one or inside.startswith(one + "/") for one in left_out):
                found[inside] = path
    if name == "teacher" and (project / SLIDES).is_dir():
        for path in walk(project / SLIDES):
            found["slides/" + path.relative_to(project / SLIDES).as_posix()] = path
    return found


def walk(path: Path) -> list[Path]:
    """A file, or all files below a folder but for what programs leave behind."""
    if path.is_file():
        return [path]
    found = []
    for folder, names, files in os.walk(path):
        names[:] = [name for name in names if not LEFTOVERS.match(name)]
        found += [Path(folder) / name for name in files if not LEFTOVERS.match(name)]
    return found


def adapt(target: Path, file: str, written: set[str], name: str) -> None:
    """Make one text of a set fit the set: no link leads to what it does not have."""
    old = target.read_text("utf-8")
    if file.endswith(".md"):
        new = fitting_links(old, file, written)
    else:
        notebook = json.loads(old)
        if name == "student":
            notebook["cells"] = [cell for cell in notebook["cells"] if not is_remark(cell)]
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                text = fitting_links("".join(cell["source"]), file, written)
                cell["source"] = text.splitlines(keepends=True)
        new = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    if new != old:
        target.write_bytes(new.encode("utf-8"))


def is_remark(cell: dict) -> bool:
    """Whether a cell is a remark for the teacher."""
    return cell["metadata"].get("slideshow", {}).get("slide_type") == "notes"


def fitting_links(text: str, file: str, written: set[str]) -> str:
    """The text with a plain word in place of every link to a file that is not in the set."""

    def fit(link: re.Match) -> str:
        words, target = link.groups()
        if "://" in target or target.startswith(("#", "mailto:")):
            return link.group()
        place = os.path.normpath(os.path.join(os.path.dirname(file), target.partition("#")[0]))
        place = place.replace(os.sep, "/")
        if place in written or any(one.startswith(place + "/") for one in written):
            return link.group()
        return f"{words} (your teacher has it)" if "solutions/" in place else words

    if not any(one.startswith("notebooks/solutions/") for one in written):
        text = SOLUTIONS.sub(ASK_THE_TEACHER, text)
    return LINK.sub(fit, text)


def list_of_lessons(project: Path, files: list[str]) -> str:
    """A list of links, each lesson by its own title."""
    lines = []
    for file in files:
        cells = json.loads((project / file).read_text("utf-8"))["cells"]
        title = "".join(cells[0]["source"]).splitlines()[0].lstrip("# ")
        lines.append(f"- [{title}]({file})")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
