"""Writes binder/requirements.txt, the exact versions that Binder installs, from constraints.txt.

Usage::

    python -m tools.binder_requirements            # writes the file
    python -m tools.binder_requirements --check    # only says whether it is what it should be

``constraints.txt`` serves every system, every Python and the test tools. Binder is one system and
one Python, and runs lessons only, so its list is a part: what ``pyproject.toml`` asks for outside
of its extras, the tool that installs the course itself, and whatever those need in turn. Who needs
whom stands in the comments («via») of the constraints.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course import CPU_INDEX

PROJECT = Path(__file__).resolve().parents[1]
TARGET = PROJECT / "binder" / "requirements.txt"

THE_COURSE = "seeing-sound (pyproject.toml)"  # how constraints.txt calls the course itself
FOR_GPUS = ("nvidia-", "cuda-", "triton")  # only the large build of PyTorch needs these
SMALL_BUILD = {"torch": "+cpu"}  # exactly this build: the other one is 3 GB to download

# Not for the course: Binder's image brings a notebook 7.4, whose part inside JupyterLab is made for
# JupyterLab 4.4. This one fits ours ("course.py binder-check" asks pip whether it still does).
FOR_THE_IMAGE = {"notebook": "7.6.5"}

HEADER = f"""\
# What Binder installs, before it copies the course: so a change in a lesson costs no new download.
# Written by tools/binder_requirements.py from constraints.txt; make it again after a change there:
#     python -m tools.binder_requirements
# There must be no line with -e, -r or -c: with one, every commit would download PyTorch anew.
--extra-index-url {CPU_INDEX}
"""


def runtime(project: Path = PROJECT) -> str:
    """The Python that Binder uses, like "3.12", from ``binder/runtime.txt``.

    Raises:
        ValueError: If the file does not say it as Binder reads it.
    """
    text = (project / "binder" / "runtime.txt").read_text("utf-8")
    match = re.fullmatch(r"python-(3\.\d+)\n", text)
    if not match:
        raise ValueError(f"binder/runtime.txt says {text!r}; wanted is a line like 'python-3.12'.")
    return match.group(1)


def read_constraints(text: str) -> list[tuple[Requirement, set[str]]]:
    """Read constraints as uv writes them.

    Returns:
        A pin and the names of those that need it, in the order of the file. A package that has
        different versions for different Pythons comes once for each.
    """
    pins: list[tuple[Requirement, set[str]]] = []
    for line in text.splitlines():
        if line and not line.startswith((" ", "#")):
            pins.append((Requirement(line), set()))
        elif pins and line.strip() not in ("#", "# via"):
            needed_by = re.sub(r"^#\s+(via\s+)?", "", line.strip())
            pins[-1][1].add(needed_by if needed_by == THE_COURSE else canonicalize_name(needed_by))
    return pins


def binder_pins(project: Path = PROJECT, python: str | None = None) -> dict[str, str]:
    """The versions that Binder needs, ``{name: version}``, sorted by name.

    Args:
        project: Folder of the course.
        python: Version of Python like "3.12"; ``None`` means the one of ``binder/runtime.txt``.

    Raises:
        ValueError: If the constraints lack something that ``pyproject.toml`` asks for.
    """
    python = python or runtime(project)
    system = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.9",  # any late one: markers ask for 3.11.5 at most
        "python_version": python,
        "sys_platform": "linux",
    }
    wanted = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    asked_for = wanted["project"]["dependencies"] + wanted["build-system"]["requires"]
    names = {canonicalize_name(Requirement(line).name) for line in asked_for}
    fitting = [
        (pin, needed_by)
        for pin, needed_by in read_constraints((project / "constraints.txt").read_text("utf-8"))
        if _holds(pin.marker, system) and not pin.name.startswith(FOR_GPUS)
    ]
    missing = names - {canonicalize_name(pin.name) for pin, _ in fitting}
    if missing:
        raise ValueError(
            f"constraints.txt lacks {', '.join(sorted(missing))}: make it again (CONTRIBUTING.md)."
        )
    while True:  # until nothing new is needed
        new = {canonicalize_name(pin.name) for pin, needed_by in fitting if needed_by & names}
        if new <= names:
            break
        names |= new
    chosen = [pin for pin, _ in fitting if canonicalize_name(pin.name) in names]
    versions = {pin.name: next(iter(pin.specifier)).version for pin in chosen}
    return dict(sorted((versions | FOR_THE_IMAGE).items()))


def _holds(marker: Marker | None, system: dict[str, str]) -> bool:
    return marker is None or marker.evaluate(system)


def as_text(pins: dict[str, str]) -> str:
    """The file binder/requirements.txt."""
    lines = [f"{name}=={version}{SMALL_BUILD.get(name, '')}\n" for name, version in pins.items()]
    return HEADER + "".join(lines)


def main(arguments: list[str]) -> int:
    """Write the file, or with ``--check`` only compare; 1 if it is not what it should be."""
    try:
        text = as_text(binder_pins())
    except ValueError as problem:
        print(problem)
        return 1
    if "--check" not in arguments:
        TARGET.write_text(text, "utf-8", newline="\n")
        print(f"{TARGET.relative_to(PROJECT)}: {text.count('==')} pins for Python {runtime()}")
        return 0
    if TARGET.is_file() and TARGET.read_text("utf-8") == text:
        return 0
    print("binder/requirements.txt does not fit constraints.txt. This makes it again:")
    print("\n    python -m tools.binder_requirements")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
