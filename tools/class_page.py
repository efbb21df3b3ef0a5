"""The page docs/scaling.md, made of what ``tools/class_load.py`` measured."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

BUSY = 0.75  # a level says what a student costs only while the processor was free this far
CLASSES = (30, 300)
SYSTEM_MB = 1500  # assumed for the operating system; not measured here
AT_ONCE = 0.25  # assumed: share of a class that moves a slider at the same moment
GOOD_MS = 100.0  # a picture that comes later than this is felt as late
NEED_CORES = ("servers", "kernels")  # what grows with the students, each by itself
SHARED = ("hub", "proxy", "culler", "other")  # one process for all of them

Line = dict[str, Any]

HOW = """\
## How it is measured

A real JupyterHub with configurable-http-proxy on 127.0.0.1, with the settings of
`class_server/jupyterhub_config.py` but for what `class_server/load_test_config.py` says: everybody
may come in with one password, servers are plain processes, and nothing limits their memory.

- **A student** logs in with the form, waits for the server, follows the nbgitpuller link (it clones
  a real git repository), opens `00_start.ipynb` with a kernel, and runs all its code cells. The new
  students of a row all begin at the same moment. Then all move sliders at the same time.
- **The hand** makes strokes: eight steps of one slider in 0.8 s, then a look of 1.2 s. That is four
  steps a second on average, for every student, all the time: more than a class keeps up.
- **The way of a step** is the front end's: one message in flight for each slider, the newest
  position wins, over JupyterLab's websocket protocol, through the proxy, into the kernel's
  subshell.
- **Kernel draws each step**: the time runs from the step of the hand to the arrival of the picture
  with exactly these settings. A step that a newer one overtook has no picture.
- **Browser draws, kernel at rest**: while the hand moves, the page draws by itself (which costs the
  server nothing, and is not in this table). 0.15 s after the last step it asks the kernel for the
  picture that counts; the time runs from that question to the picture.
- **Memory** is PSS: a page that several processes share, such as PyTorch's code, counts for each
  of them by its share. Read after the moving. Beside it stands what the whole machine has less free
  than before the first student, which is the same thing seen from outside: other programs move it.
- **Cores** are CPU seconds of the processes in a second of moving.

What is not in it: the pixels and the JavaScript, which are the student's own computer; the way
through a network; the files of JupyterLab's pages, which each browser loads once (some tens of
megabytes a class should load before the lesson); HTTPS. The simulated students run on the same
computer and take some of its time: their share is in the table.
"""


def page(lines: list[Line]) -> str:
    """The whole page as Markdown.

    Args:
        lines: The run, one line for each number of students, one for each lesson.
    """
    run = next(line for line in lines if line["what"] == "run")
    levels = [line for line in lines if line["what"] == "level"]
    peaks = [line for line in lines if line["what"] == "lesson"]
    parts = [
        "# A class on one server",
        "This page is written by `python tools/class_load.py`. How to set such a server up is in "
        "[class-server.md](class-server.md).",
        about(run),
        "## What was measured",
        findings(run, levels),
        "### Coming in, and memory",
        coming_in(levels),
        "### Moving sliders, all students at the same time",
        moving(levels),
        failures(levels),
        lesson_peaks(peaks),
        meaning(run, levels, peaks),
        HOW.strip(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def about(run: Line) -> str:
    """Date, computer, versions and command."""
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    rows = [
        f"Date: {run['date']}",
        f"Machine: {run['processor']}, {run['cores']} cores, {run['memory_mb'] / 1000:.0f} GB, "
        f"{run['system']}",
        f"Free when it began: {run['available_mb'] / 1000:.1f} GB; load average {run['load']}",
        f"Versions: {versions}",
        f"Command: `{run['command']}`",
    ]
    return "  \n".join(rows)


def findings(run: Line, levels: list[Line]) -> str:
    """The most important numbers in words."""
    last = levels[-1]
    said = [
        f"The largest class here was **{students(last['students'])}**, on {run['cores']} cores."
        + (" More would not have left 3 GB of memory free." if last["wanted"] == "max" else "")
    ]
    for engine, name in ENGINES.items():
        measured = [line for line in levels if line["moves"].get(engine, {}).get("latency_ms")]
        good = []
        for line in measured:
            if line["moves"][engine]["latency_ms"]["p95"] > GOOD_MS:
                break
            good.append(line["students"])
        if measured:
            most = f"up to {students(good[-1])}" if good else "in no row"
            said.append(f"{name}: 95 of 100 pictures came within {GOOD_MS:.0f} ms {most}.")
    return " ".join(said)


ENGINES = {"kernel": "Kernel draws each step", "browser": "Browser draws, kernel at rest"}


def coming_in(levels: list[Line]) -> str:
    """Table: how long it took to come in, and what a student costs in memory."""
    head = (
        "students",
        "new in this row",
        "server ready s",
        "course there s",
        "kernel answers s",
        "00_start run s",
        "all ready s",
        "CPU s for each",
        "MB each: server + kernel",
        "less free MB each",
        "hub and proxy MB",
        "failures",
    )
    rows = []
    for line in levels:
        memory = line["memory"]
        rows.append(
            (
                line["students"],
                line["new"],
                *(_range(line[f"{step}_s"]) for step in ("server", "course", "kernel", "lesson")),
                f"{line['all_ready_s']:.0f}",
                f"{line['start_cpu_s']:.1f}",
                f"{memory['server_mb']:.0f} + {memory['kernel_mb']:.0f}",
                f"{memory['less_available_mb']:.0f}",
                f"{memory['hub_mb']:.0f}",
                len(line["failures"]),
            )
        )
    return table(head, rows) + "\n\nTimes: median, and in brackets the longest."


def moving(levels: list[Line]) -> str:
    """Table: latency and cores while all move their sliders."""
    head = (
        "students",
        "who draws",
        "steps of the hand",
        "pictures asked for, come",
        "median ms",
        "p95 ms",
        "longest ms",
        "cores: servers + kernels",
        "hub + proxy",
        "simulated students",
        "whole machine",
        "failures",
    )
    rows = []
    for line in levels:
        for engine, moves in line["moves"].items():
            cores, times = moves["cores"], moves["latency_ms"]
            rows.append(
                (
                    line["students"],
                    ENGINES[engine],
                    moves["steps"],
                    f"{moves['asked']}, {moves['shown']}",
                    *(f"{times[n]:.0f}" if times else "–" for n in ("median", "p95", "largest")),
                    f"{_sum(cores, NEED_CORES):.2f}",
                    f"{_sum(cores, SHARED):.2f}",
                    # a test of this program itself, not of the server
                    f"{cores.get(BROWSERS, 0.0):.2f}",
                    f"{cores['computer']:.2f}",
                    len(moves["failures"]),
                )
            )
    return table(head, rows)


BROWSERS = "students' browsers"


def failures(levels: list[Line]) -> str:
    """What went wrong, in full: at most ten of each row."""
    told = []
    for line in levels:
        every = list(line["failures"])
        for engine, moves in line["moves"].items():
            every += [f"{ENGINES[engine]}: {text}" for text in moves["failures"]]
        told += [f"- {students(line['students'])}: {text}" for text in every[:10]]
        if len(every) > 10:
            told.append(f"- {students(line['students'])}: and {len(every) - 10} more")
    return "\n".join(["### Failures", "", *told]) if told else "No student met a failure."


def lesson_peaks(peaks: list[Line]) -> str:
    """Table: the most memory that the kernel of each lesson held."""
    if not peaks:
        return ""
    rows = [
        (line["lesson"], line["peak_mb"], f"{line['cpu_s']:.0f}", len(line["failures"]))
        for line in peaks
    ]
    return "\n\n".join(
        [
            "### What each lesson's kernel takes",
            "One student runs all cells, each lesson in a kernel of its own "
            "(`python tools/class_load.py --lessons`). The memory is the peak of the resident set, "
            "in which shared pages count fully: what a limit has to allow, besides the server.",
            table(("lesson", "peak MB", "CPU s", "failures"), rows),
        ]
    )


# ------------------------------------------------------------------------------ for larger classes


class Cost(NamedTuple):
    """What one student costs, and from which rows that is known."""

    memory_mb: float
    memory_from: int  # students of the row
    start_cpu_s: float
    cores: dict[str, float]  # engine: cores of a student who moves, server and kernel
    shared: dict[str, float]  # engine: cores of hub and proxy for each student who moves
    cores_from: dict[str, int]
    crowded: bool  # in every row the processor was too full to say it


def cost_of_one(run: Line, levels: list[Line]) -> Cost:
    """Divide the measured rows by their students.

    Memory and start come from the largest class. Cores come from the largest one that left a
    quarter of the processor free: a full processor hides what would have been needed.
    """
    last = levels[-1]
    memory = last["memory"]
    cores, shared, source, crowded = {}, {}, {}, False
    for engine in ENGINES:
        rows = [line for line in levels if line["moves"].get(engine, {}).get("moving")]
        if not rows:
            continue
        free = [
            line
            for line in rows
            if line["moves"][engine]["cores"]["computer"] <= BUSY * run["cores"]
        ]
        row = (free or rows[:1])[-1]
        crowded = crowded or not free
        moves = row["moves"][engine]
        cores[engine] = _sum(moves["cores"], NEED_CORES) / moves["moving"]
        shared[engine] = _sum(moves["cores"], SHARED) / moves["moving"]
        source[engine] = row["students"]
    each_mb = memory["server_mb"] + memory["kernel_mb"]
    return Cost(each_mb, last["students"], last["start_cpu_s"], cores, shared, source, crowded)


CROWDED = (
    "**Read the cores with care**: while these rows were measured less than a quarter of the "
    "processor was free, whether students or other programs took it. Measure on a quiet machine."
)


def memory_need_gb(count: int, each_mb: float, hub_mb: float) -> float:
    """Memory of a server for a class, in GB."""
    return (SYSTEM_MB + hub_mb + count * each_mb) / 1000


def meaning(run: Line, levels: list[Line], peaks: list[Line]) -> str:
    """What the numbers mean for a class of 30 and for 300 students, with the arithmetic."""
    cost, last = cost_of_one(run, levels), levels[-1]
    text = [
        "## What it means for 30 and for 300 students",
        "**Calculated from the rows above, not measured.** Assumed, and not measured either: "
        f"{SYSTEM_MB} MB for the operating system, and {100 * AT_ONCE:.0f} of 100 students with a "
        "slider in the hand at the same moment.",
        f"One student takes {cost.memory_mb:.0f} MB (row of {students(cost.memory_from)}) and "
        f"{cost.start_cpu_s:.1f} CPU seconds to come in. "
        + " ".join(
            f"One who moves takes {cost.cores[e]:.3f} cores and {cost.shared[e]:.4f} of hub and "
            f"proxy while the {'kernel draws each step' if e == 'kernel' else 'browser draws'} "
            f"(row of {students(cost.cores_from[e])})."
            for e in cost.cores
        ),
        *([CROWDED] if cost.crowded else []),
        *(_for(count, cost, last["memory"], peaks) for count in CLASSES),
        _in_words(run, cost, last),
    ]
    return "\n\n".join(text)


def _for(count: int, cost: Cost, memory: dict[str, float], peaks: list[Line]) -> str:
    hub_mb, needs = memory["hub_mb"], [("00_start", cost.memory_mb)]
    if peaks:
        hungriest = max(peaks, key=lambda line: line["peak_mb"])
        name = f"all at the peak of {hungriest['lesson']} at the same moment"
        needs.append((name, hungriest["peak_mb"] + memory["server_mb"]))
    rows = [
        f"- memory, {what}: {SYSTEM_MB} + {hub_mb:.0f} + {count} × {each_mb:.0f} MB = "
        f"**{memory_need_gb(count, each_mb, hub_mb):.0f} GB**"
        for what, each_mb in needs
    ]
    for engine, cores in cost.cores.items():
        every, some = count * cores, AT_ONCE * count * cores
        rows.append(
            f"- {ENGINES[engine].lower()}: {count} × {cores:.3f} = **{every:.1f} cores** if all "
            f"move at once, {AT_ONCE} × {every:.1f} = {some:.1f} if one in four does; hub and "
            f"proxy {count} × {cost.shared[engine]:.4f} = {count * cost.shared[engine]:.2f} of one"
        )
    rows.append(_all_at_once("all come in", count, cost.start_cpu_s))
    if peaks:
        busiest = max(peaks, key=lambda line: line["cpu_s"])
        rows.append(_all_at_once(f"all run {busiest['lesson']}", count, busiest["cpu_s"]))
    return "\n".join([f"### {count} students", "", *rows])


def _all_at_once(what: str, count: int, cpu_s: float) -> str:
    """How long some cores work on what all want at the same moment."""
    seconds = count * cpu_s
    times = ", ".join(f"{seconds / cores:.0f} s on {cores} cores" for cores in (4, 8, 16))
    return f"- {what} at the same moment: {count} × {cpu_s:.1f} s: {times}"


def _in_words(run: Line, cost: Cost, last: Line) -> str:
    """Advice that follows from the numbers."""
    few, many = CLASSES
    said = []
    if last["students"] >= few:
        said.append(
            f"A class of {few} was measured, on {run['cores']} cores: what the rows say holds for "
            "it without any calculation."
        )
    else:
        said.append(
            f"A class of {few} was not measured: the largest had {students(last['students'])}."
        )
    said.append(
        "The memory grows with the students, whether they do something or not, and it is what a "
        "server runs out of. Cores are needed in the minute in which all come in, and when all "
        "train a network; a lesson with sliders needs few."
    )
    shared = max(cost.shared.values(), default=0.0)
    if shared:
        said.append(
            f"For {many}, hub and proxy are the same two processes for all, and the proxy uses one "
            f"core at most. By the numbers above they would be busy for {many * shared:.2f} cores "
            "if all moved at once"
            + (": that is too much for one. " if many * shared > 0.7 else ": that fits. ")
            + f"The memory of {many} is more than one usual server has: take several servers of "
            "30 to 60 students each, one for each class, or JupyterHub on Kubernetes, which "
            "spreads them over machines."
        )
    return " ".join(said)


# ------------------------------------------------------------------------------ small things


def table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def students(count: int) -> str:
    """«1 student», «5 students»."""
    return f"{count} student" + ("" if count == 1 else "s")


def _range(seconds: list[float]) -> str:
    """Median, and the longest in brackets."""
    if not seconds:
        return "–"
    return f"{statistics.median(seconds):.1f} ({max(seconds):.1f})"


def _sum(cores: dict[str, float], kinds: tuple[str, ...]) -> float:
    return sum(cores.get(kind, 0.0) for kind in kinds)
