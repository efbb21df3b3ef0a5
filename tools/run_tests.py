"""Runs the tests of the code and of the lessons; ``course.py test`` starts it in ``.venv``.

Two runs of pytest: over ``tests/``, and with nbval over ``notebooks/`` (solutions inside), where
every cell is a test: it must run, and its output must be the one that is saved. One exit code and
one line of totals for all. A run of everything makes a third one of the tests that drive a browser
or a server: they wait often, so the others run beside them, and what these said is shown at the
end.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

PROJECT = Path(__file__).resolve().parents[1]
REPORTS = PROJECT / ".venv" / "reports"  # JUnit XML of the last run; .ci/run reads it
CELL_TIMEOUT_S = 120  # nbval's own default would wait for 2000 s
NO_TESTS = 5  # pytest's exit code when nothing was chosen
DRIVING = ["tests/browser", "tests/class_server"]  # what drives a browser or a server
TAKES_A_WORD = {"-k", "-m", "-p", "-c", "-o", "-W", "-n", "-r", "--junitxml", "--deselect"}


def test_parts(
    arguments: list[str], here: Path, project: Path, reports: Path
) -> list[tuple[str, list[str]]]:
    """What to run, as ``(title, arguments for pytest)``.

    A path among the arguments limits the run to the part that it belongs to; everything else goes
    to all parts. Without arguments the tests that drive something are a part of their own.

    Args:
        arguments: As typed after ``course.py test``.
        here: Folder in which they were typed.
        project: Folder of the course.
        reports: Folder for the reports.
    """
    others, paths = split_paths(arguments, [here, project])
    lessons = project / "notebooks"
    in_lessons = [
        path
        for path in paths
        if path.split("::")[0].endswith(".ipynb") or lessons in [Path(path), *Path(path).parents]
    ]
    in_tests = [path for path in paths if path not in in_lessons]
    parts = []
    if not arguments:
        driving = [folder for folder in DRIVING if (project / folder).is_dir()]
        if driving:
            parts.append(("browser and server", [_report(reports, "browser"), *driving]))
        leave = [f"--ignore={folder}" for folder in driving]
        parts.append(("the code", [_report(reports, "tests"), "tests", *leave]))
    elif in_tests or not paths:
        report = _report(reports, "tests")
        parts.append(("the code", [report, *(in_tests or ["tests"]), *others]))
    if in_lessons or not paths:
        report = _report(reports, "notebooks")
        nbval = ["--nbval", "--nbval-current-env", f"--nbval-cell-timeout={CELL_TIMEOUT_S}"]
        parts.append(("the lessons", [report, *nbval, *(in_lessons or ["notebooks"]), *others]))
    return parts


def _report(reports: Path, name: str) -> str:
    return f"--junitxml={reports / name}.xml"


def split_paths(arguments: list[str], folders: list[Path]) -> tuple[list[str], list[str]]:
    """Take the paths out of pytest's arguments: ``(all others, absolute paths)``.

    The word after ``-k`` and the like is no path, even if a folder happens to have that name.
    """
    others, paths, previous = [], [], ""
    for argument in arguments:
        name, colons, test_name = argument.partition("::")
        places = [folder / name for folder in folders if (folder / name).exists()]
        if places and previous not in TAKES_A_WORD and not argument.startswith("-"):
            paths.append(f"{places[0].resolve()}{colons}{test_name}")
        else:
            others.append(argument)
        previous = argument
    return others, paths


def run_pytest(arguments: list[str], project: Path, output: IO[str] | None = None) -> int:
    """Run pytest in its own process, perhaps into a file, and return its exit code."""
    sys.stdout.flush()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=project,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
    )
    interrupted = False
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:  # pytest got it too: let it stop the browser and say what it did
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return code


def run_parts(
    parts: list[tuple[str, list[str]]], project: Path, *, side_by_side: bool
) -> Iterator[int]:
    """Run the parts and give the exit code of each, in order.

    Side by side, all but the first one run beside it, one after the other, and write into files
    that are shown when their turn comes: the first waits often, for a browser, and leaves room.
    """
    utf8 = {"encoding": "utf-8", "errors": "replace"}
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        beside: dict[str, tuple[Future[int], IO[str]]] = {}
        for title, arguments in parts[1:] if side_by_side else []:
            told = stack.enter_context(tempfile.TemporaryFile("w+", **utf8))
            beside[title] = pool.submit(run_pytest, arguments, project, told), told
        for title, arguments in parts:
            print(f"\n== {title} ==", flush=True)
            if title not in beside:
                yield run_pytest(arguments, project)
                continue
            running, told = beside[title]
            code = running.result()
            told.seek(0)
            print(told.read(), end="", flush=True)
            yield code


def count_results(reports: Path) -> dict[str, int]:
    """Add up all reports in a folder: how many tests ``passed``, ``failed``, were ``skipped``."""
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for report in sorted(reports.glob("*.xml")):
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            n_failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            n_skipped = int(suite.get("skipped", 0))
            total["failed"] += n_failed
            total["skipped"] += n_skipped
            total["passed"] += int(suite.get("tests", 0)) - n_failed - n_skipped
    return total


def main(
    arguments: list[str], here: Path | None = None, project: Path = PROJECT, reports: Path = REPORTS
) -> int:
    """Run all parts.

    Returns:
        0 if everything passed, else the exit code of the first part that failed. A part without
        tests is fine when the arguments choose some and another part has them.
    """
    for old in reports.glob("*.xml"):
        old.unlink()
    failed, empty = 0, 0
    parts = test_parts(arguments, here or Path.cwd(), project, reports)
    for code in run_parts(parts, project, side_by_side=not arguments):
        if code == NO_TESTS and arguments:
            empty += 1
        elif code != 0:
            failed = failed or code
            if "-x" in arguments or "--exitfirst" in arguments:
                break
    if not failed and empty == len(parts):
        print(f"\nNo test fits these arguments: {' '.join(arguments)}", flush=True)
        return NO_TESTS
    total = count_results(reports)
    if any(total.values()):
        counts = ", ".join(f"{count} {what}" for what, count in total.items())
        print(f"\ntogether: {counts}", flush=True)
    return failed


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
