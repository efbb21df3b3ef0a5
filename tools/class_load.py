"""How many students does one server carry? A JupyterHub, filled with students, measured.

    python tools/class_load.py                             # 1, 5, 10, 30, as many as memory allows
    python tools/class_load.py --students 1 2 --seconds 5  # a small one
    python tools/class_load.py --lessons                   # one student runs every lesson
    python tools/class_load.py --page                      # measure nothing, only write the page

It really starts JupyterHub with configurable-http-proxy on 127.0.0.1 and, for each student, a
server and a kernel. Each logs in, follows the teacher's nbgitpuller link, runs all cells of
00_start and then moves the sliders of its explorer. One line for each number of students goes into
docs/scaling.jsonl, and docs/scaling.md is made from them.

Linux only. It needs the extra «class» of the course (``pip install -c constraints.txt ".[class]"``)
and the proxy, which npm brings; where one is missing, it says the command.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shlex
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

import psutil

from tools.class_hub import (
    COURSE,
    PROJECT,
    Hub,
    NoHubError,
    available_mb,
    cores_between,
    cpu_now,
    cpu_s,
    find_proxy,
    peak_mb,
    pss_mb,
)
from tools.class_link import FIRST_PAGE, pull_link
from tools.class_page import page, students
from tools.class_student import (
    STEP_S,
    STROKE_STEPS,
    Engine,
    Front,
    Moves,
    Student,
    StudentError,
    code_cells,
    strokes,
)

DOCS = PROJECT / "docs"
RESULTS, PAGE = "scaling.jsonl", "scaling.md"
MOST = "max"  # in place of a number: as many as memory allows
LEVELS = ("1", "5", "10", "30", MOST)
SPARE_MB = 3000  # memory that stays free
TOO_LITTLE_MB = 1000  # the measurement is broken off before the computer runs out of memory
PACKAGES = (
    "jupyterhub",
    "jupyterlab",
    "jupyter-server",
    "ipykernel",
    "ipywidgets",
    "anywidget",
    "nbgitpuller",
    "torch",
)


# ------------------------------------------------------------------------------ one level


class Classroom:
    """A hub and the students in it, some more for each level."""

    def __init__(self, hub: Hub) -> None:
        self.hub, self.students = hub, []
        self._link = pull_link(hub.url, hub.course_repository())
        self._cells = code_cells(PROJECT / FIRST_PAGE)
        self._free_mb = available_mb()

    def room_for(self, *, spare_mb: float = SPARE_MB) -> int:
        """How many students there may be, with those who are here."""
        here = len(self.students)
        used_mb = self._free_mb - available_mb()
        per_student_mb = max(used_mb, self._pss_mb()) / here
        return largest_class(here, available_mb(), per_student_mb, spare_mb=spare_mb)

    def fill(self, count: int) -> dict[str, Any]:
        """Let students come until there are ``count``; all new ones at the same moment."""
        first = len(self.students) + 1
        new = [
            Student(f"student{number:03}", self.hub.url, self.hub.password)
            for number in range(first, count + 1)
        ]
        before = cpu_now(self.hub)
        with ThreadPoolExecutor(max(1, len(new))) as pool:
            times = list(pool.map(self._arrive, new))
        after = cpu_now(self.hub)
        cores = cores_between(before, after)
        own = sum(share for kind, share in cores.items() if kind not in NOT_SERVER)
        self.students += new
        return {
            "new": len(new),
            "all_ready_s": round(after.at - before.at, 1),
            "start_cpu_s": round(own * (after.at - before.at) / max(1, len(new)), 2),
            **{
                f"{step}_s": [round(t[step], 2) for t in times if step in t]
                for step in ("log_in", "server", "course", "kernel", "lesson")
            },
        }

    def _arrive(self, student: Student) -> dict[str, float]:
        """From the log-in to the last cell of the lesson; seconds of each step."""
        times: dict[str, float] = {}
        steps: dict[str, Callable[[], object]] = {
            "log_in": student.log_in,
            "server": student.start_server,
            "course": lambda: student.follow(self._link),
            "kernel": lambda: student.open_notebook(f"{COURSE}/{FIRST_PAGE}"),
            "lesson": lambda: [student.kernel.run_cell(cell) for cell in self._cells],
            "subshell": lambda: student.kernel.open_subshell(),
        }
        for name, step in steps.items():
            began = time.monotonic()
            try:
                step()
            except Exception as problem:  # whatever it is: this student has no lesson
                student.failures.append(f"{student.name}, {name}: {problem}")
                break
            times[name] = time.monotonic() - began
        return times

    def move(self, engine: Engine, seconds: float) -> dict[str, Any]:
        """Let all move their sliders at the same time."""
        able = [student for student in self.students if not student.failures]
        with ThreadPoolExecutor(max(1, len(able))) as pool:
            before = cpu_now(self.hub)
            jobs = [
                pool.submit(_move, student, engine, seconds, seed=number)
                for number, student in enumerate(able)
            ]
            moves = [job.result() for job in jobs]
            after = cpu_now(self.hub)
        latency_ms = [ms for each in moves for ms in each.latency_ms]
        return {
            "moving": len(able),
            "steps": sum(each.steps for each in moves),
            "sent": sum(each.sent for each in moves),
            "asked": sum(each.asked for each in moves),
            "shown": len(latency_ms),
            "latency_ms": quantiles(latency_ms),
            "cores": {k: round(v, 3) for k, v in cores_between(before, after).items()},
            "failures": [text for each in moves for text in each.failures],
        }

    def memory(self) -> dict[str, float]:
        """Memory in MB: a student's server and kernel on average, the rest, and what is left."""
        groups = self.hub.groups()
        of = {kind: pss_mb(group) for kind, group in groups.items()}
        count = max(1, len(self.students))
        return {
            "server_mb": round(of.pop("servers", 0.0) / count, 1),
            "kernel_mb": round(of.pop("kernels", 0.0) / count, 1),
            "hub_mb": round(sum(of.values()), 1),
            "less_available_mb": round((self._free_mb - available_mb()) / count, 1),
            "available_mb": round(available_mb()),
        }

    def _pss_mb(self) -> float:
        groups = self.hub.groups()
        return pss_mb(groups.get("servers", [])) + pss_mb(groups.get("kernels", []))

    def failures(self) -> list[str]:
        """What went wrong before the sliders."""
        return [text for student in self.students for text in student.failures]


NOT_SERVER = ("students' browsers", "computer")  # what a real class does not run on its server


def _move(student: Student, engine: Engine, seconds: float, *, seed: int) -> Moves:
    """One student's hand; a failure is part of the result."""
    try:
        front = Front(student.kernel, engine)
        hand = strokes(front.places, front.counts, seconds=seconds, random=Random(seed))
        return front.move(hand)
    except Exception as problem:  # whatever it is: this student's sliders do not move
        return Moves(failures=[f"{student.name}: {problem}"])


def largest_class(
    here: int, free_mb: float, per_student_mb: float, *, spare_mb: float = SPARE_MB
) -> int:
    """How many students fit: those who are here and as many as the free memory carries.

    Args:
        here: Students who are here already.
        free_mb: Memory that is free beside them.
        per_student_mb: What one more takes.
        spare_mb: What stays free.
    """
    if per_student_mb <= 0:
        raise ValueError(f"per_student_mb={per_student_mb} must be positive")
    return here + max(0, math.floor((free_mb - spare_mb) / per_student_mb))


def quantiles(values: list[float]) -> dict[str, float]:
    """Median, 95th percentile and largest of some times; ``{}`` of none."""
    if not values:
        return {}
    ordered = sorted(values)
    p95 = ordered[math.ceil(0.95 * len(ordered)) - 1]
    found = {"median": statistics.median(ordered), "p95": p95, "largest": ordered[-1]}
    return {name: round(value, 1) for name, value in found.items()}


class Watch:
    """Looks at the free memory twice a second, and ends the measurement before it is gone."""

    def __init__(self, hub: Hub) -> None:
        self._hub, self._end, self.broke_off = hub, threading.Event(), False
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.5):
            if available_mb() < TOO_LITTLE_MB:
                self.broke_off = True
                for process in self._hub.groups().get("kernels", []):
                    with suppress(psutil.Error):
                        process.kill()
                return


# ------------------------------------------------------------------------------ a run


def measure(
    counts: list[str], engines: list[Engine], seconds: float, folder: Path, command: str
) -> bool:
    """Measure all levels in one hub; a level's line is written as soon as it is done.

    Returns:
        Whether nothing failed.
    """
    kept = [line for line in read(folder) if line["what"] == "lesson"]
    lines = [{"what": "run", **circumstances(), "seconds": seconds, "command": command}, *kept]
    good = True
    with Hub() as hub, Watch(hub) as watch:
        room = Classroom(hub)
        for wanted in counts:
            count = room.room_for() if wanted == MOST else int(wanted)
            if count <= len(room.students):
                print(f"{wanted}: not more than {students(len(room.students))} fit, left out")
                continue
            print(f"{students(count)}: starting ...", flush=True)
            line = {"what": "level", "students": count, "wanted": wanted, **room.fill(count)}
            line["moves"] = {}
            for engine in engines:
                print(f"{students(count)}: moving, {engine} engine ...", flush=True)
                line["moves"][engine] = room.move(engine, seconds)
            line |= {"memory": room.memory(), "failures": room.failures()}
            lines.append(line)
            write(lines, folder)
            good = good and not (line["failures"] or _move_failures(line)) and not watch.broke_off
            print(summary(line), flush=True)
            if watch.broke_off:
                print(f"Less than {TOO_LITTLE_MB} MB of memory were free: broken off.")
                break
        for student in room.students:
            student.close()
        if not good:
            print("The hub said:", hub.said(), sep="\n")
    return good


def measure_lessons(folder: Path) -> bool:
    """One student runs each lesson in a kernel of its own: its largest memory, its CPU seconds.

    Returns:
        Whether every cell ran.
    """
    found = []
    with Hub() as hub:
        student = Student("student001", hub.url, hub.password)
        student.log_in()
        student.start_server()
        student.follow(pull_link(hub.url, hub.course_repository()))
        for path in sorted((PROJECT / "notebooks").glob("*.ipynb")):
            line = {"what": "lesson", "lesson": path.stem, "failures": []}
            began = time.monotonic()
            try:
                student.open_notebook(f"{COURSE}/notebooks/{path.name}")
                for cell in code_cells(path):
                    student.kernel.run_cell(cell)
            except StudentError as problem:
                line["failures"].append(str(problem))
            line["seconds"] = round(time.monotonic() - began, 1)
            kernels = hub.groups().get("kernels", [])
            line |= {"peak_mb": round(peak_mb(kernels)), "cpu_s": round(cpu_s(kernels), 1)}
            student.shut_kernel_down()
            found.append(line)
            print(line, flush=True)
        student.close()
    write([line for line in read(folder) if line["what"] != "lesson"] + found, folder)
    return not any(line["failures"] for line in found)


def _move_failures(line: dict[str, Any]) -> list[str]:
    return [text for moves in line["moves"].values() for text in moves["failures"]]


def summary(line: dict[str, Any]) -> str:
    """A level in some lines, for the terminal."""
    memory = line["memory"]
    said = [
        f"{students(line['students'])}: {memory['server_mb'] + memory['kernel_mb']:.0f} MB each, "
        f"all ready in {line['all_ready_s']:.0f} s"
    ]
    for engine, moves in line["moves"].items():
        times = moves["latency_ms"]
        told = f"{times['median']:.0f} ms, p95 {times['p95']:.0f} ms" if times else "no picture"
        said.append(f"  {engine}: {moves['shown']} of {moves['asked']} pictures, {told}")
    said += [f"  FAILED {text}" for text in line["failures"] + _move_failures(line)]
    return "\n".join(said)


def write(lines: list[dict[str, Any]], folder: Path) -> None:
    """Write the lines, and the page that is made of them if a class was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / RESULTS).write_text(text, "utf-8")
    if any(line["what"] == "level" for line in lines):
        (folder / PAGE).write_text(page(lines), "utf-8")


def read(folder: Path) -> list[dict[str, Any]]:
    """The lines of the last run; none if there was none."""
    path = folder / RESULTS
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines]


def circumstances() -> dict[str, Any]:
    """Date, computer and versions."""
    proxy = [str(find_proxy()), "--version"]
    said = subprocess.run(proxy, capture_output=True, text=True, check=True).stdout.strip()
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    return {
        "date": date.today().isoformat(),
        "processor": processor(),
        "cores": psutil.cpu_count(),
        "memory_mb": round(psutil.virtual_memory().total / 1e6),
        "available_mb": round(available_mb()),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.system(),
        "versions": {
            "Python": platform.python_version(),
            "configurable-http-proxy": said,
            "Node": node.stdout.strip().removeprefix("v"),
            **{name: version(name) for name in PACKAGES},
        },
    }


def processor() -> str:
    """Name of the processor."""
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def main(argv: list[str] | None = None) -> int:
    """Measure, or only write the page; 1 if a student met a failure, 2 if something is missing."""
    parser = argparse.ArgumentParser(prog="python tools/class_load.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--students", nargs="+", default=LEVELS, help=f"{' '.join(LEVELS)} (the default)"
    )
    parser.add_argument("--seconds", type=float, default=25.0, help="of moving sliders (25)")
    parser.add_argument(
        "--engine",
        nargs="+",
        choices=["kernel", "browser"],
        default=["kernel", "browser"],
        help="who draws while the hand moves (both, one after the other)",
    )
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of results and page (docs)")
    parser.add_argument("--lessons", action="store_true", help="only what each lesson takes")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    args = parser.parse_args(argv)
    wrong = [text for text in args.students if text != MOST and not text.isdecimal()]
    if wrong or args.students[0] in (MOST, "0"):
        parser.error(f"--students takes numbers from 1, and at the end «{MOST}»")
    if args.seconds < STROKE_STEPS * STEP_S + 2:
        parser.error("--seconds must be at least 3: a shorter one has no whole stroke of a hand")
    if args.page:
        write(read(args.out), args.out)
        return 0
    try:
        words = sys.argv[1:] if argv is None else argv
        command = shlex.join(["python", "tools/class_load.py", *words])
        if args.lessons:
            return 0 if measure_lessons(args.out) else 1
        good = measure(args.students, args.engine, args.seconds, args.out, command)
    except NoHubError as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
