"""Slider to pixels: how long after the hand does the picture follow, in a real JupyterLab?

Run with ``python course.py bench`` or ``python -m tests.benchmarks.slider_to_pixels [--quick]``.
The notebook way (``interact`` + librosa + matplotlib) and the explorers, with the kernel's engine
and with the browser's, are measured in turns in the same run, because times on a busy machine only
mean something beside each other. The result is printed and written to ``docs/benchmarks.md``.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import functools
import itertools
import math
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.benchmarks.delay_proxy import DelayProxy
from tests.browser.lab import PROJECT, Lab, Notebook, Server, Slider

PROBE = Path(__file__).with_name("probe.js").read_text(encoding="utf-8")
REPORT = PROJECT / "docs" / "benchmarks.md"
WAIT_MS = 30_000
DELAY_S = 0.15  # of the far server, in each direction
FRAMES_PER_S = 60  # of the page, as Chromium draws it without a screen
FRAME_MS = 50  # no task of the page may keep a frame waiting for longer
EXTENSION_OFF = "--ServerApp.jpserver_extensions={'course_utils._jupyter_server': False}"

SOUND = """
import soundfile as sf
import numpy as np
y, sr = sf.read("../audio_samples/piano_phrase.flac", dtype="float32")  # 5 s at 22.05 kHz
y = np.resize(y, int({seconds} * sr))
"""

# Written as most notebooks write it. The first call, which compiles for many seconds, is not
# counted: measuring starts after the first picture.
BASELINE = """
import librosa
import librosa.display
import matplotlib.pyplot as plt
from ipywidgets import interact

@interact(n_fft=(512, 4096, 16), hop_length=(64, 1024, 16), n_mels=(16, 128))
def show(n_fft=2048, hop_length=512, n_mels=64):
    S = librosa.feature.melspectrogram(
        y=y, sr=sr, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels)
    S_db = librosa.power_to_db(S, ref=np.max)
    plt.figure(figsize=(9, 4))
    librosa.display.specshow(S_db, sr=sr, hop_length=hop_length, x_axis="time", y_axis="mel")
    plt.colorbar(format="%+2.0f dB")
    plt.title("Mel spectrogram")
    plt.tight_layout()
    plt.show()
"""
# The same for a linear spectrogram. Its slider starts at 64: at 16 specshow would take a minute.
BASELINE_STFT = """
import librosa
import librosa.display
import matplotlib.pyplot as plt
from ipywidgets import interact

@interact(n_fft=(512, 4096, 16), hop_length=(64, 1024, 16))
def show(n_fft=2048, hop_length=512):
    S = np.abs(librosa.stft(y, n_fft=n_fft, hop_length=hop_length))
    S_db = librosa.amplitude_to_db(S, ref=np.max)
    plt.figure(figsize=(9, 4))
    librosa.display.specshow(S_db, sr=sr, hop_length=hop_length, x_axis="time", y_axis="linear")
    plt.colorbar(format="%+2.0f dB")
    plt.title("Spectrogram")
    plt.tight_layout()
    plt.show()
"""
# What explore_normalize shows: the clip before and after, and a histogram of each.
BASELINE_NORMALIZE = """
import librosa
import librosa.display
import matplotlib.pyplot as plt
from ipywidgets import interact

@interact(gain_db=(-100, 20))
def show(gain_db=0):
    S = librosa.feature.melspectrogram(
        y=np.clip(y * 10 ** (gain_db / 20), -1, 1), sr=sr, n_fft=1024, hop_length=512, n_mels=64)
    before = librosa.power_to_db(S)
    after = (before - before.mean()) / before.std()
    fig, axes = plt.subplots(2, 2, figsize=(9, 4), width_ratios=[3, 1])
    for row, picture in zip(axes, (before, after)):
        librosa.display.specshow(
            picture, sr=sr, hop_length=512, x_axis="time", y_axis="mel", ax=row[0])
        row[1].hist(picture.ravel(), bins=80)
    plt.tight_layout()
    plt.show()
"""
BASELINE_SLIDERS = "sliders = {child.description: child for child in show.widget.children[:-1]}"

EXPLORER = """
import torch
from course_utils.explorers import explore_{kind}
ex = explore_{kind}(torch.from_numpy(y), sr{settings})
ex
"""

# Each explorer: the slider that is moved, where the key presses begin, the lane that counts.
EXPLORERS = {
    "stft": ("hop_length", 256, "spectrogram"),
    "mel": ("n_mels", 20, "mel"),
    "waveform": ("keep_every", 1, "spectrogram"),
    "decibel": ("gain_db", -40, "decibel"),
    "normalize": ("gain_db", -40, "after"),
}
IN_BROWSER = ("stft", "mel", "decibel", "normalize")  # those that the browser can draw, too
HEAVIEST = ", n_fft=4096, hop_length=96, n_mels=256"  # just not thinned: 1149 frames of 5 s
IS_HEAVIEST = ", heaviest"
KERNEL, BROWSER = "kernel", "browser"
MEL_BASELINE = "interact + librosa + specshow, Mel, 5 s"
STFT_BASELINE = "interact + librosa + specshow, STFT, 5 s"
STFT_30_BASELINE = "interact + librosa + specshow, STFT, 30 s"
NORMALIZE_BASELINE = "interact + librosa + specshow, normalised, 5 s"
LONG_BASELINE = "interact + librosa + specshow, Mel, 10 min"
ENGINES = {KERNEL: "PyTorch", BROWSER: "auto"}

HOW = """\
## How it is measured

A real JupyterLab in a headless Chromium, in turns, so that a busy moment of the machine hits both
ways that are compared.

- **Time** runs from the key event in the page to the first animation frame after the picture with
  the slider's value is in its place: a decoded `<img>` for matplotlib, a painted canvas for the
  explorers. «In place» is the time until then, without the wait for the frame. Every key press
  waits for its picture, and comes at any moment of a frame (16.7 ms here, as on most screens).
- **A drag** moves the pointer over the slider in 60 moves within 2 s, to and fro where the slider
  has fewer than 60 positions. Pictures that differ from the one before are counted beside the
  slider's own steps. «Final» is the time from the last pointer move to the first picture that is
  right, which is checked; «truth» the time until PyTorch's picture of it stands there.
- **Kernel** means that PyTorch in the kernel draws every picture (`view.engine = "PyTorch"`).
  **Browser** is what a student has (`"auto"`): the page draws while the hand moves, and PyTorch's
  picture takes its place when the hand rests for 150 ms.
- **Far away** is the same server behind a proxy on this machine that hands on every byte 150 ms
  later, there and also back, as a server at the other end of a continent would.
- **Longest task** is the longest time that the page's thread was kept by one task during the
  drags, as far as Chromium counts it, which begins at 50 ms.
- **Bytes** are those of the kernel's websocket, counted in a separate pass.
- **Memory** is the kernel's resident set after its first picture.
- **The baselines** are the notebook way to the same picture: `interact`, librosa, decibels,
  `specshow` and `plt.show`, about 900 x 400 pixels, 22.05 kHz, after librosa has compiled itself.
  What shows Mel bands is held against a Mel spectrogram whose `n_mels` moves, of 5 s of sound, and
  of 10 minutes where ours has 10 minutes; what shows a linear spectrogram, against one whose
  `hop_length` moves, of 5 s, and of 30 s where ours has 30 s or 10 minutes (which nobody could wait
  for); explore_normalize with 5 s, against the two pictures and two histograms that it shows, whose
  gain moves. For any other comparison: all times are in the table.
- **In turns** means: a way and its baseline, page beside page and nothing else open, are measured
  one after the other in each round, and «times faster» is the ratio of these neighbours.
- **The bare widget** shows one byte picture of 300 x 64 for each value and computes nothing: the
  price of the way through the kernel and back.
- **The usual Jupyter server** holds back the second of the kernel's small messages until the
  browser confirms the first (Nagle's algorithm and delayed acknowledgement). The course installs
  a server extension, `course_utils/_jupyter_server.py`, that sets `TCP_NODELAY`. The baseline runs
  on the usual server, as most notebooks do, and once more on the course's server, so that what the
  extension gives and what the explorers give can be told apart. The explorers run with it.
"""

# What no way through a kernel can go below: one slider, one message, one picture, no sound.
FLOOR = """
import anywidget, ipywidgets, traitlets
class Floor(anywidget.AnyWidget):
    _esm = '''export default { render({ model, el }) {
        const canvas = document.createElement("canvas");
        canvas.width = 900; canvas.height = 300;
        el.append(canvas);
        const draw = () => {
            const bytes = model.get("picture"), image = new ImageData(300, 64);
            for (let i = 0; i < bytes.byteLength; i++) {
                image.data[4 * i] = bytes.getUint8(i); image.data[4 * i + 3] = 255;
            }
            canvas.getContext("2d").putImageData(image, 0, 0);
            canvas.dispatchEvent(new CustomEvent("soundview:drawn", { bubbles: true,
                detail: { lane: "", settings: { n_mels: model.get("n_mels") } } }));
        };
        model.on("change:picture", draw); draw();
    } }'''
    picture = traitlets.Bytes().tag(sync=True)
    n_mels = traitlets.Int().tag(sync=True)
floor = Floor()
slider = ipywidgets.IntSlider(value=64, min=16, max=128, description="n_mels")
sliders = {"n_mels": slider}
def follow(change):
    with floor.hold_sync():
        floor.n_mels = slider.value
        floor.picture = bytes([slider.value]) * (300 * 64)
slider.observe(follow, "value")
follow(None)
ipywidgets.VBox([slider, floor])
"""


@dataclass(frozen=True)
class Subject:
    """One way from slider to pixels.

    Attributes:
        name: How the table calls it.
        cells: The notebook; subjects with the same one share a page and a kernel.
        slider: The slider that is moved.
        start: Value at which the key presses begin; they turn round at the ends.
        lane: Lane of the SoundView whose pictures count; ``None`` for matplotlib's images.
        engine: Who draws, for an explorer: "kernel" or "browser".
        server: "course", with the course's extension as installed; "usual"; or "far".
        baseline: Name of the way that it is held against; ``None`` for a baseline itself.
        patience: Whether a picture takes so long that only some can be waited for.
    """

    name: str
    cells: tuple[str, ...]
    slider: str
    start: int
    lane: str | None
    engine: str | None = None
    server: str = "course"
    baseline: str | None = MEL_BASELINE
    patience: bool = False

    @property
    def page(self) -> tuple:
        """Subjects with the same one share a page and a kernel."""
        return self.cells, self.server


def subjects(*, long_seconds: float) -> list[Subject]:
    """The ways that are compared; the baselines come first."""
    minutes = f"{long_seconds / 60:g} min"
    lengths = {"5 s": 5.0, "30 s": 30.0, minutes: long_seconds}
    cells, long_cells = (
        (SOUND.format(seconds=seconds), BASELINE, BASELINE_SLIDERS) for seconds in (5, long_seconds)
    )
    stft_cells, stft_30_cells = (
        (SOUND.format(seconds=seconds), BASELINE_STFT, BASELINE_SLIDERS) for seconds in (5, 30)
    )
    normalize_cells = (SOUND.format(seconds=5), BASELINE_NORMALIZE, BASELINE_SLIDERS)
    usual = {"lane": None, "server": "usual", "baseline": None}
    found = [
        Subject(MEL_BASELINE, cells, "n_mels", 20, **usual),
        Subject(STFT_BASELINE, stft_cells, "hop_length", 256, **usual),
        Subject(STFT_30_BASELINE, stft_30_cells, "hop_length", 256, **usual, patience=True),
        Subject(NORMALIZE_BASELINE, normalize_cells, "gain_db", -40, **usual),
        Subject(LONG_BASELINE, long_cells, "n_mels", 20, **usual, patience=True),
        Subject("the first, the course's server", cells, "n_mels", 20, None),
        Subject("the first, far away", cells, "n_mels", 20, None, server="far"),
        Subject("a bare widget, nothing computed", (FLOOR,), "n_mels", 20, ""),
        Subject("the same, usual Jupyter server", (FLOOR,), "n_mels", 20, "", server="usual"),
    ]
    for kind in EXPLORERS:
        found += [_explorer(kind, KERNEL, text, lengths[text]) for text in ("5 s", minutes)]
    for kind in IN_BROWSER:
        lasting = lengths if kind in ("stft", "mel") else ("5 s", minutes)
        found += [_explorer(kind, BROWSER, text, lengths[text]) for text in lasting]
        found.append(_explorer(kind, BROWSER, "5 s", 5.0, server="far"))
    found.append(_explorer("mel", KERNEL, "5 s", 5.0, server="far"))
    found.append(_explorer("mel", BROWSER, "5 s", 5.0, settings=HEAVIEST))
    return found


def _explorer(
    kind: str, engine: str, lasting: str, seconds: float, *, server: str = "course", settings=None
) -> Subject:
    slider, start, lane = EXPLORERS[kind]
    name = f"explore_{kind}, {lasting}, {engine}"
    name += ", far away" if server == "far" else ""
    name += IS_HEAVIEST if settings else ""
    if settings is None:
        settings = ", n_fft=2048, hop_length=512" if kind in ("stft", "mel") else ""
    code = EXPLORER.format(kind=kind, settings=settings)
    cells = (SOUND.format(seconds=seconds), code, "sliders = ex.sliders")
    if lane == "spectrogram":
        baseline = STFT_30_BASELINE if seconds >= 30 else STFT_BASELINE
    elif seconds > 60:
        baseline = LONG_BASELINE
    else:
        baseline = NORMALIZE_BASELINE if kind == "normalize" else MEL_BASELINE
    return Subject(name, cells, slider, start, lane, engine, server, baseline)


@dataclass
class Measured:
    """What was measured of one subject; times in ms."""

    subject: Subject
    baseline: Measured | None = None  # what was measured of it in the same rounds
    placed_ms: list[float] = field(default_factory=list)
    keys_ms: list[float] = field(default_factory=list)
    drags: list[dict] = field(default_factory=list)
    down_kb: float = float("nan")
    up_kb: float = float("nan")
    kernel_mb: float = float("nan")

    @property
    def median_ms(self) -> float:
        return statistics.median(self.keys_ms)

    @property
    def faster(self) -> float:
        return self.baseline.median_ms / self.median_ms if self.baseline else 1.0

    @property
    def p95_ms(self) -> float:
        return statistics.quantiles(self.keys_ms, n=20, method="inclusive")[-1]

    @property
    def pictures(self) -> float:
        return statistics.median(drag["pictures"] for drag in self.drags)

    @property
    def steps(self) -> float:
        return statistics.median(drag["steps"] for drag in self.drags)

    @property
    def final_ms(self) -> float:
        return statistics.median(drag["final_ms"] for drag in self.drags)

    @property
    def truth_ms(self) -> float:
        return statistics.median(drag["truth_ms"] for drag in self.drags)

    @property
    def task_ms(self) -> float:
        return max(drag["task_ms"] for drag in self.drags)

    def add(self, other: Measured) -> None:
        """Take over what was measured of the same way in one more turn."""
        self.placed_ms += other.placed_ms
        self.keys_ms += other.keys_ms
        self.drags += other.drags
        if not math.isfinite(self.kernel_mb):
            self.down_kb, self.up_kb, self.kernel_mb = other.down_kb, other.up_kb, other.kernel_mb


class Bench:
    """One subject in its page, ready to be measured in turns with the others."""

    def __init__(self, lab: Lab, subject: Subject, number: int, like: Bench | None) -> None:
        self.measured = Measured(subject)
        self.subject = subject
        self._frames = {"down": 0, "up": 0}
        self._key = "ArrowRight"
        self._random = random.Random(number)
        self.notebook: Notebook = like.notebook if like else self._open(lab, number)
        self.page = self.notebook.page
        self.measured.kernel_mb = like.measured.kernel_mb if like else self._kernel_mb()
        self.slider: Slider = self.notebook.slider(subject.slider)
        if not like:
            self.slider.root.wait_for()
            self.slider.readout.evaluate("element => probe.follow(element)")

    def _open(self, lab: Lab, number: int) -> Notebook:
        """A page of its own, with all cells run."""
        subject = self.subject
        notebook = lab.open_notebook(
            lab.write_notebook(list(subject.cells), f"notebooks/bench_{number}.ipynb"),
            server={"course": lambda _: None, "usual": usual_server, "far": far_server}[
                subject.server
            ](lab),
        )
        notebook.page.evaluate(PROBE)
        if subject.lane is None:
            notebook.page.evaluate("() => probe.watchImages()")
        else:
            notebook.page.evaluate("lane => probe.watchView(lane)", subject.lane)
        notebook.run_all(timeout_s=300)
        complaints = notebook.complaints()
        if complaints:
            raise RuntimeError(f"{subject.name}: {complaints}")
        notebook.panel.locator("canvas" if subject.lane is not None else "img").first.wait_for()
        return notebook

    def _kernel_mb(self) -> float:
        return self.notebook.kernel_process().memory_info().rss / 1e6

    def begin(self) -> None:
        """Come to the front, with the right engine."""
        self.page.bring_to_front()
        if self.subject.engine:
            engine = ENGINES[self.subject.engine]
            self.notebook.execute(f"ex.view.engine = {engine!r}")

    def settle(self) -> None:
        """Wait until the kernel is idle and no picture has come for a while."""
        self.page.wait_for_function(
            """setting => probe.quietFor() > 1000 && !probe.isWrong(setting)
                && jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'
            """,
            arg=self.subject.slider,
            timeout=WAIT_MS,
            polling=50,
        )

    def set_value(self, value: int) -> None:
        """Move the slider from Python, so that keys start where they should."""
        name = self.subject.slider
        self.notebook.execute(f"sliders[{name!r}].value = {value}")
        self.settle()

    def turn(self, presses: int) -> Measured:
        """Key presses and a drag."""
        measured = self.measured
        self.measured = Measured(self.subject)
        self.press_keys(max(4, presses // 8) if self.subject.patience else presses)
        self.drag()
        latest, self.measured = self.measured, measured
        measured.add(latest)
        return latest

    def press_keys(self, count: int) -> None:
        """Key presses on the focused slider, each waiting for its picture."""
        self.begin()
        self.set_value(self.subject.start)
        self.slider.handle.focus()
        for press in range(count + 2):
            placed, painted = self.press_once()
            if press >= 2:  # the first ones wake things up
                self.measured.placed_ms.append(placed)
                self.measured.keys_ms.append(painted)

    def press_once(self) -> tuple[float, float]:
        """Press an arrow key, wait for its picture: ms until it is in its place, and on screen."""
        before = self.page.evaluate("() => { probe.reset(); return probe.shown(); }")
        time.sleep(self._random.uniform(0.0, 2 / FRAMES_PER_S))  # at any moment of a frame
        self.page.keyboard.press(self._key)
        if self.page.evaluate("() => probe.shown()") == before:  # the end: turn round
            self._key = "ArrowLeft" if self._key == "ArrowRight" else "ArrowRight"
            self.page.keyboard.press(self._key)
        latency = self.page.evaluate(
            "([name, limit]) => probe.keyLatency(name, limit)", [self.subject.slider, WAIT_MS]
        )
        if latency is None:
            raise RuntimeError(f"{self.subject.name}: no picture for a key press")
        return latency

    def drag(self, *, seconds: float = 2.0, moves: int = 60) -> None:
        """Drag the handle to and fro, so that it makes about as many steps as moves."""
        self.begin()
        count, first = self.positions()
        self.set_value(first)
        sweeps = max(1, round(moves / count))
        x, y, _, right = self.slider.grab()
        self.page.evaluate("() => probe.reset()")
        begin = time.perf_counter()
        for move in range(1, moves + 1):
            way = sweeps * move / moves % 2.0
            self.page.mouse.move(x + (right - x) * min(way, 2.0 - way), y)
            pause = begin + seconds * move / moves - time.perf_counter()
            self.page.wait_for_timeout(max(0.0, pause * 1000))
        self.page.mouse.up()
        self.settle()
        self.measured.drags.append(self.page.evaluate("() => probe.drag()"))

    def positions(self) -> tuple[int, int]:
        """How many positions the slider has, and its first value."""
        code = f"""
slider = sliders[{self.subject.slider!r}]
if hasattr(slider, "options"):
    print(len(slider.options), slider.options[0][1])
else:
    print((slider.max - slider.min) // slider.step + 1, slider.min)
"""
        count, first = self.notebook.execute(code).split()
        return int(count), int(first)

    def count_bytes(self, presses: int) -> None:
        """Bytes over the kernel's websocket for one change (not timed: counting costs time)."""
        self.begin()
        self.set_value(self.subject.start)
        session = self.page.context.new_cdp_session(self.page)
        session.send("Network.enable")
        session.on("Network.webSocketFrameReceived", lambda event: self._add("down", event))
        session.on("Network.webSocketFrameSent", lambda event: self._add("up", event))
        self.slider.handle.focus()
        for _ in range(presses):
            self.press_once()
        self.settle()
        session.detach()
        self.measured.down_kb = self._frames["down"] / presses / 1e3
        self.measured.up_kb = self._frames["up"] / presses / 1e3

    def _add(self, way: str, event: dict) -> None:
        response = event["response"]
        data = response["payloadData"]
        binary = response["opcode"] == 2  # base64: 4 characters for 3 bytes
        self._frames[way] += len(data) * 3 // 4 - data[-2:].count("=") if binary else len(data)


@functools.cache
def usual_server(lab: Lab) -> Server:
    """A second server without the course's extension."""
    return lab.second_server([EXTENSION_OFF])


@functools.cache
def far_server(lab: Lab) -> Server:
    """The lab's own server, as it looks from far away; the proxy ends with this process."""
    far = copy.copy(lab.server)
    far.port = DelayProxy(lab.server.port, delay_s=DELAY_S).port
    far.url = f"http://127.0.0.1:{far.port}"
    return far


def import_cost(*, tries: int = 3) -> tuple[float, bool]:
    """Seconds that ``import course_utils`` with an explorer takes (best of some), and whether
    librosa was imported on the way."""
    code = (
        "import sys, time; start = time.perf_counter()\n"
        "import course_utils\nfrom course_utils.explorers import explore_mel\n"
        "print(time.perf_counter() - start, 'librosa' in sys.modules)"
    )
    best, librosa = float("inf"), False
    for _ in range(tries):
        reply = subprocess.run(
            [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
        )
        seconds, seen = reply.stdout.split()
        best, librosa = min(best, float(seconds)), librosa or seen == "True"
    return best, librosa


@dataclass(frozen=True)
class Budget:
    """One promise of the course and what was measured."""

    promise: str
    measured: str
    kept: bool


def budgets(rows: dict[str, Measured], import_s: float, librosa: bool) -> list[Budget]:
    """Hold the measurements to the promises."""
    found: list[Budget] = []
    for kind in EXPLORERS:
        mine = [row for name, row in rows.items() if name.startswith(f"explore_{kind}, ")]
        ours = {engine: [r for r in mine if r.subject.engine == engine] for engine in ENGINES}
        if ours[KERNEL]:
            found += _kernel_budgets(f"explore_{kind}, kernel", ours[KERNEL])
        for row in ours[BROWSER]:
            found += _browser_budgets(row)
    found.append(Budget("importing takes under 3 s", f"{import_s:.2f} s", import_s < 3))
    found.append(Budget("librosa is not imported", "imported" if librosa else "no", not librosa))
    return found


def _kernel_budgets(name: str, rows: list[Measured]) -> list[Budget]:
    """What the kernel's engine promises: for 5 s of sound, and for a long one beside it."""
    row, *others = rows
    faster, more = row.faster, row.pictures / row.baseline.pictures
    found = [
        Budget(f"{name}: at least 5 times faster (median)", f"{faster:.1f}", faster >= 5),
        Budget(f"{name}: p95 under 100 ms", f"{row.p95_ms:.0f} ms", row.p95_ms < 100),
        Budget(f"{name}: at least 5 times the pictures in a drag", f"{more:.1f}", more >= 5),
        Budget(
            f"{name}: final picture within 150 ms of the last move",
            f"{row.final_ms:.0f} ms",
            row.final_ms <= 150,
        ),
        Budget(
            f"{name}: kernel with the first explorer under 330 MB",
            f"{row.kernel_mb:.0f} MB",
            row.kernel_mb < 330,
        ),
    ]
    for other in others:
        if other.subject.server == row.subject.server:
            lasting, ratio = other.subject.name.split(", ")[1], other.median_ms / row.median_ms
            promise = f"{name}: {lasting} within 1.3 times of 5 s"
            found.append(Budget(promise, f"{ratio:.2f}", ratio <= 1.3))
    return found


def _browser_budgets(row: Measured) -> list[Budget]:
    """What the browser's engine promises, wherever the server is and however long the sound."""
    name, faster = row.subject.name, row.faster
    share = row.pictures / row.steps
    task = f"{row.task_ms:.0f} ms" if row.task_ms else "none"
    found = [
        Budget(f"{name}: at least 15 times faster (median)", f"{faster:.1f}", faster >= 15),
        Budget(f"{name}: at least 90 % of the steps shown", f"{100 * share:.0f} %", share >= 0.9),
        Budget(f"{name}: no task of the page over {FRAME_MS} ms", task, row.task_ms <= FRAME_MS),
    ]
    return found[1:] if name.endswith(IS_HEAVIEST) else found  # it shall only not stutter


HEADER = [
    "way",
    "in place, median ms",
    "on screen, median ms",
    "p95 ms",
    "times faster",
    "pictures of steps in a 2 s drag",
    "last move to final picture / truth ms",
    "longest task ms",
    "kB per change down / up",
    "kernel MB",
]


def table(rows: list[Measured]) -> list[list[str]]:
    """The rows of the table, as text."""
    return [
        [
            row.subject.name + f" ({row.subject.slider})",
            f"{statistics.median(row.placed_ms):.1f}",
            f"{row.median_ms:.1f}",
            f"{row.p95_ms:.0f}",
            f"{row.faster:.1f}" if row.baseline else "baseline",
            f"{row.pictures:.0f} of {row.steps:.0f}",
            f"{row.final_ms:.0f} / {row.truth_ms:.0f}",
            f"{row.task_ms:.0f}" if row.task_ms else "< 50",
            f"{row.down_kb:.1f} / {row.up_kb:.1f}",
            f"{row.kernel_mb:.0f}",
        ]
        for row in rows
    ]


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A markdown table."""
    lines = ["| " + " | ".join(cells) + " |" for cells in [header, ["---"] * len(header), *rows]]
    return "\n".join(lines)


def cpu_name() -> str:
    """The processor, as the system names it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def machine(lab: Lab) -> list[str]:
    """What the numbers were measured on."""
    packages = ["jupyterlab", "ipywidgets", "anywidget", "ipykernel", "torch", "librosa"]
    versions = ", ".join(f"{name} {version(name)}" for name in [*packages, "matplotlib"])
    memory_gb = psutil.virtual_memory().total / 1e9
    lines = [
        f"Machine: {cpu_name()}, {os.cpu_count()} cores, {memory_gb:.0f} GB, {platform.system()}",
        f"Versions: Python {platform.python_version()}, Chromium {lab.browser.version}, {versions}",
    ]
    if hasattr(os, "getloadavg"):
        lines.append(f"Load average when it began: {os.getloadavg()[0]:.1f}")
    return lines


def report(
    rows: list[Measured], found: list[Budget], about: list[str], *, how: str, today: str
) -> str:
    """The page docs/benchmarks.md."""
    kept = [[item.promise, item.measured, "yes" if item.kept else "**no**"] for item in found]
    return "\n".join(
        [
            "# Slider to pixels",
            "",
            "This page is written by `python3 course.py bench`. Read the ratios: the times belong",
            "to one machine and one day.",
            "",
            f"Date: {today}  ",
            "  \n".join(about) + "  ",
            how,
            "",
            markdown(HEADER, table(rows)),
            "",
            "## What was promised",
            "",
            markdown(["promise", "measured", "kept"], kept),
            "",
            HOW,
        ]
    )


def measure(lab: Lab, chosen: list[Subject], *, rounds: int, presses: int) -> list[Measured]:
    """Measure each page in turns with its baseline; only these two are open."""
    rows = {subject.name: Measured(subject) for subject in chosen}
    baselines = [subject for subject in chosen if subject.baseline is None]
    numbers = itertools.count()
    for base in baselines:
        pages: dict[tuple, list[Subject]] = {}
        for subject in chosen:
            if subject.baseline == base.name:
                pages.setdefault(subject.page, []).append(subject)
        beside = Bench(lab, base, next(numbers), None)
        for subjects_ in pages.values() or [[]]:
            print(*(subject.name for subject in subjects_), sep=" + ", flush=True)
            benches: list[Bench] = []
            for subject in subjects_:
                like = benches[0] if benches else None
                benches.append(Bench(lab, subject, next(numbers), like))
                benches[-1].measured.baseline = Measured(base)
            for _ in range(rounds):
                neighbour = beside.turn(presses)
                for bench in benches:
                    bench.turn(presses)
                    bench.measured.baseline.add(neighbour)
            for bench in benches:
                bench.count_bytes(min(presses, 10))
                rows[bench.subject.name] = bench.measured
            if benches:
                benches[0].notebook.close()
        beside.count_bytes(4 if base.patience else min(presses, 10))
        rows[base.name] = beside.measured
        beside.notebook.close()
    return [rows[subject.name] for subject in chosen]


def main(argv: list[str] | None = None) -> int:
    """Measure, print and write the report; 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(prog="course.py bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer presses; nothing is written")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each way (2)")
    parser.add_argument(
        "--only", help="measure the ways with this in their name, and their baselines"
    )
    args = parser.parse_args(argv)
    rounds, presses = (1, 15) if args.quick else (args.rounds, 30)
    chosen = subjects(long_seconds=600)
    if args.only:
        wanted = [item for item in chosen if item.baseline and args.only in item.name]
        needed = {item.baseline for item in wanted}
        chosen = [item for item in chosen if item in wanted or item.name in needed]
    with Lab(size=(1280, 1000)) as lab:
        about = machine(lab)
        rows = measure(lab, chosen, rounds=rounds, presses=presses)
    import_s, librosa = import_cost()
    found = budgets({row.subject.name: row for row in rows}, import_s, librosa)
    how = (
        f"{rounds * presses} key presses and {rounds} drags each, and as many of the baseline "
        "beside each page."
    )
    page = report(rows, found, about, how=how, today=datetime.date.today().isoformat())
    print("\n" + page)
    if not args.quick and not args.only:
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(page, encoding="utf-8")
        print(f"written to {REPORT.relative_to(PROJECT)}")
    return 0 if all(item.kept for item in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
