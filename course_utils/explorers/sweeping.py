"""A sweep that can be watched: how far it is, the time left, and a button that stops it.

    view = SweepView()       # shown in a cell of its own
    run_sweep(settings, seeds, train, test, report=view.report, should_stop=view.should_stop)

The view is told what to show and measures nothing.
"""

from __future__ import annotations

import io
import math
import pathlib
import threading
from typing import Any, Protocol

import anywidget
import traitlets as t
from IPython import get_ipython
from IPython.display import DisplayHandle, display

from course_utils.explorers.training import _duration, _hear_beside_cells
from course_utils.explorers.tuning_map import short_name
from course_utils.models.sweep_results import Setting
from course_utils.small_png import small_png
from course_utils.sound_view.view import with_static_picture

_STATIC = pathlib.Path(__file__).parent / "static"
_READY = "Not started yet: run the cell with run_sweep."
_MOST_SHOWN = 12  # runs in the list; the file holds all


class Progress(Protocol):
    """Where a sweep is, as ``course_utils.models.sweep.run_sweep`` reports it."""

    n_done: int
    n_runs: int
    n_before: int
    n_failed: int
    share_done: float
    seconds: float
    seconds_left: float | None
    record: dict[str, object] | None
    notes: tuple[str, ...]


class SweepView(anywidget.AnyWidget):
    """How far a sweep is, what it has measured, and a button that ends it.

    Show it in a cell before the one that runs the sweep. It can be used for one after the other.

    Attributes:
        phase: "waiting", "running", "stopping", "done", "stopped" or "failed".

    Notebook: 07_tuning.ipynb.
    """

    _esm = _STATIC / "sweeping.js"
    _css = _STATIC / "training.css"  # the look of a training: bar, button, lines of text

    state = t.Dict().tag(sync=True)  # phase, share, text, details
    runs = t.List(t.Dict()).tag(sync=True)  # name and result of the last runs, newest first
    large_type = t.Bool(False).tag(sync=True)

    def __init__(self) -> None:
        self._lock = threading.RLock()  # the button is heard in another thread than the sweep
        self._last: Progress | None = None
        self._shown: list[DisplayHandle] = []
        self._hooked = False
        super().__init__(state=_state("waiting", _READY))
        self.on_msg(self._on_message)
        _hear_beside_cells(self.comm)

    @property
    def phase(self) -> str:
        """What is going on; see the attributes of this class."""
        return self.state["phase"]

    # ---- what the sweep calls

    def report(self, progress: Progress) -> None:
        """Show where the sweep is; give it to ``run_sweep`` as ``report``."""
        with self._lock:
            if self.phase not in ("running", "stopping"):
                self._begin()
            self._last = progress
            with self.hold_sync():
                if progress.record is not None:
                    self.runs = [_run(progress.record), *self.runs][:_MOST_SHOWN]
                done = progress.n_done == progress.n_runs
                self._tell("done" if done else self.phase)

    def should_stop(self) -> bool:
        """Say whether the button was clicked; give it to ``run_sweep`` as ``should_stop``."""
        with self._lock:
            return self.phase == "stopping"

    def finish(self, failed: bool = False) -> None:
        """Say that the sweep has ended, also if something interrupted it.

        In a notebook this happens by itself at the end of the cell.
        """
        with self._lock:
            if self.phase in ("running", "stopping"):
                self._tell("failed" if failed else "stopped")

    # ---- inside

    def _begin(self) -> None:
        with self.hold_sync():
            self.runs = []
            self.state = _state("running", "The sweep begins \u2026")
        shell = get_ipython()
        if shell is not None and not self._hooked:
            shell.events.register("post_run_cell", self._on_cell_end)
            self._hooked = True

    def _on_cell_end(self, result: Any) -> None:
        get_ipython().events.unregister("post_run_cell", self._on_cell_end)
        self._hooked = False
        self.finish(failed=result is not None and not result.success)
        self._update_pictures()

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if not isinstance(content, dict) or content.get("type") != "stop":
            return
        with self._lock:
            if self.phase == "running":
                self.state = self.state | {"phase": "stopping"}

    def _tell(self, phase: str) -> None:
        self.state = _told(phase, self._last)

    # ---- where no widget lives

    def png(self) -> bytes:
        """The runs of this sweep as a static picture."""
        return _draw_png(self.runs, self.state["text"])

    def __repr__(self) -> str:
        return "SweepView: the runs of a sweep"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle or {}
        return with_static_picture(dict(data), self.png(), repr(self))

    def _ipython_display_(self) -> None:
        """Shown like any output, but the picture beside the widget is drawn anew at the end."""
        data, metadata = self._repr_mimebundle_()
        self._shown.append(display(data, metadata=metadata, raw=True, display_id=True))

    def _update_pictures(self) -> None:
        if self._shown:
            data, metadata = self._repr_mimebundle_()
            for handle in self._shown:
                handle.update(data, metadata=metadata, raw=True)


# ---- words and numbers


def _state(phase: str, text: str, *, share: float = 0.0, details: str = "") -> dict[str, Any]:
    return {"phase": phase, "share": share, "text": text, "details": details}


def _told(phase: str, progress: Progress | None) -> dict[str, Any]:
    """What is said in a phase of the sweep."""
    if progress is None:
        return _state(phase, "An error ended the sweep before its first run.")
    done = f"{progress.n_done} of {progress.n_runs} runs"
    if phase == "done":
        text = f"done: {done}, {_duration(progress.seconds)} this time"
    elif phase == "stopped":
        text = f"stopped after {done}: what was measured is kept, run the cell again to go on"
    elif phase == "failed":
        text = f"an error ended the sweep after {done}: the cell that runs it says which"
    else:
        left = progress.seconds_left
        text = f"{done} \u00b7 " + ("the first one" if left is None else f"{_duration(left)} left")
    parts = []
    if progress.n_before:
        parts.append(f"{progress.n_before} were in the file already")
    if progress.n_failed:
        parts.append(f"{progress.n_failed} ended with an error")
    details = " \u00b7 ".join([*parts, *progress.notes])
    return _state(phase, text, share=float(progress.share_done), details=details)


def _run(record: dict[str, object]) -> dict[str, Any]:
    """Name and result of a run."""
    name = f"{short_name(Setting(**record['setting']))}, seed {record['seed']}"
    if "error" in record:
        return {"name": name, "accuracy": None, "told": str(record["error"])}
    accuracy = 100.0 * record["accuracy"]
    told = f"{accuracy:.1f} % \u00b7 {record['train_seconds']:.1f} s"
    return {"name": name, "accuracy": accuracy, "told": told}


# ---- the static picture


def _draw_png(runs: list[dict[str, Any]], text: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # only where a picture is needed
    from matplotlib.figure import Figure

    height = 1.1 + 0.3 * max(2, len(runs))
    figure = Figure(figsize=(8.0, height), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    values = [run["accuracy"] or 0.0 for run in runs]
    ax.barh(range(len(runs)), values, color="C0", height=0.6)
    ax.set_yticks(range(len(runs)), [run["name"] for run in runs], fontsize=8)
    for place, run in enumerate(runs):
        shown = run["told"] if len(run["told"]) < 60 else run["told"][:60] + " \u2026"
        inside = math.isfinite(values[place]) and values[place] > 40
        ax.text(values[place] - 1 if inside else values[place] + 1, place, shown, va="center",
                ha="right" if inside else "left", color="white" if inside else "black",
                fontsize=8)  # fmt: skip
    ax.set(xlim=(0, 100), xlabel="right answers (%)", ylim=(max(2, len(runs)) - 0.5, -0.5))
    ax.set_title(text, fontsize=9, loc="left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    figure.clear()
    return small_png(buffer.getvalue())
