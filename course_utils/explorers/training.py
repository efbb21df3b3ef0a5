"""A training that can be watched: curves, progress with the time left, and a button that stops it.

    view = TrainingView()       # shown in a cell of its own
    fit(model, train, validation, report=view.report, should_stop=view.should_stop)

The view is told what to show and trains nothing. While the training cell runs, JupyterLab and the
kernel pass the click on the button through a thread of its own.
"""

from __future__ import annotations

import io
import math
import pathlib
import threading
import time
from typing import Any, Protocol

import anywidget
import traitlets as t
from IPython import get_ipython
from IPython.display import DisplayHandle, display

from course_utils.small_png import small_png
from course_utils.sound_view.view import with_static_picture

BETWEEN_NEWS_S = 0.2  # more often only fills the line to the browser, and the eye sees no more
CURVES = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
_STATIC = pathlib.Path(__file__).parent / "static"
_NO_CURVES: dict[str, Any] = {name: [] for name in CURVES} | {"live": None}
_READY = "Not started yet: run the cell that trains."
_DOT = " \u00b7 "


class History(Protocol):
    """The complete epochs of a training: one number of each kind per epoch."""

    train_loss: list[float]
    train_accuracy: list[float]
    validation_loss: list[float]
    validation_accuracy: list[float]


class Progress(Protocol):
    """Where a training is, as ``course_utils.models.train.fit`` reports it."""

    epoch: int
    n_epochs: int
    share_done: float
    seconds: float
    seconds_left: float
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    history: History


class TrainingView(anywidget.AnyWidget):
    """Loss and accuracy of a training while it runs, and a button that stops it.

    Show it in a cell before the one that trains. It can be used for one training after the other.

    Attributes:
        phase: "waiting", "running", "stopping", "done", "stopped" or "failed".
        seconds_spent: Time that the training spent on telling this view, in seconds.

    Notebook: 06_cnn.ipynb.
    """

    _esm = _STATIC / "training.js"
    _css = _STATIC / "training.css"

    curves = t.Dict().tag(sync=True)  # a list for each name of CURVES, and where the live epoch is
    state = t.Dict().tag(sync=True)  # phase, share, n_epochs, text, details
    large_type = t.Bool(False).tag(sync=True)

    def __init__(self) -> None:
        self._lock = threading.RLock()  # the button is heard in another thread than the training
        self._last: Progress | None = None
        self._told_at = -math.inf
        self._shown: list[DisplayHandle] = []
        self._hooked = False
        self.seconds_spent = 0.0
        super().__init__(curves=dict(_NO_CURVES), state=_state("waiting", text=_READY))
        self.on_msg(self._on_message)
        _hear_beside_cells(self.comm)

    @property
    def phase(self) -> str:
        """What is going on; see the attributes of this class."""
        return self.state["phase"]

    # ---- what the training calls

    def report(self, progress: Progress) -> None:
        """Show where the training is; give it to ``fit`` as ``report``.

        What comes faster than five times a second is shown with the next news.
        """
        began = time.perf_counter()
        with self._lock:
            if self.phase not in ("running", "stopping"):
                self._begin()
            self._last = progress
            done = progress.share_done >= 1.0
            if done or time.monotonic() - self._told_at >= BETWEEN_NEWS_S:
                self._tell("done" if done else self.phase)
            self.seconds_spent += time.perf_counter() - began

    def should_stop(self) -> bool:
        """Say whether the button was clicked; give it to ``fit`` as ``should_stop``.

        The training has to end at the first ``True``.
        """
        if self.phase == "running":  # asked before each step: one look, and on
            return False
        with self._lock:
            if self.phase == "stopping":
                self._tell("stopped")
                return True
            self._begin()
            return False

    def finish(self, failed: bool = False) -> None:
        """Say that the training has ended, also if something interrupted it.

        In a notebook this happens by itself at the end of the training cell.
        """
        with self._lock:
            if self.phase in ("running", "stopping"):
                self._tell("failed" if failed else "stopped")

    # ---- inside

    def _begin(self) -> None:
        """A training starts: whatever an earlier one drew goes away."""
        self._last, self._told_at, self.seconds_spent = None, -math.inf, 0.0
        with self.hold_sync():
            self.curves = dict(_NO_CURVES)
            self.state = _state("running", text="The training begins \u2026")
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
        """Send all that there is to see, in one message."""
        self._told_at = time.monotonic()
        with self.hold_sync():
            if self._last is not None:
                self.curves = _curves(self._last, live=phase in ("running", "stopping"))
            self.state = _told(phase, self._last)

    # ---- where no widget lives

    def png(self) -> bytes:
        """Both charts as a static picture."""
        return _draw_png(self.curves, self.state["n_epochs"])

    def __repr__(self) -> str:
        return "TrainingView: loss and accuracy of each epoch"

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


def _hear_beside_cells(comm: Any) -> None:
    """Let clicks reach the kernel while a cell runs.

    JupyterLab sends them to a thread of their own (a subshell), but ipykernel from 7.4 on moves
    them to where the widget's last news came from: the main thread, which is busy training.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, wanted: wanted


# ---- words and numbers


def _state(
    phase: str, *, text: str, share: float = 0.0, n_epochs: int = 0, details: str = ""
) -> dict[str, Any]:
    return {
        "phase": phase, "share": share, "n_epochs": n_epochs, "text": text, "details": details,
    }  # fmt: skip


def _curves(progress: Progress, *, live: bool) -> dict[str, Any]:
    """The numbers of all complete epochs, and those of the running one; NaN becomes ``None``."""
    curves: dict[str, Any] = {
        name: [_finite(value) for value in getattr(progress.history, name)] for name in CURVES
    }
    complete = len(curves["train_loss"])
    place = progress.share_done * progress.n_epochs
    curves["live"] = None
    if live and place > complete:
        curves["live"] = {
            "x": place,
            "train_loss": _finite(progress.train_loss),
            "train_accuracy": _finite(progress.train_accuracy),
        }
    return curves


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _told(phase: str, progress: Progress | None) -> dict[str, Any]:
    """What is said in a phase of the training."""
    if progress is None:
        text = {
            "running": "The training begins \u2026",
            "failed": "An error ended the training before its first epoch.",
        }.get(phase, "Stopped before the first epoch.")
        return _state(phase, text=text)
    n_complete = len(progress.history.train_loss)
    epochs = f"{n_complete} epoch{'' if n_complete == 1 else 's'}"
    text = {
        "done": f"done: {epochs} in {_duration(progress.seconds)}{_best(progress.history)}",
        "stopped": f"stopped after {epochs}: what was learned is kept",
        "failed": f"an error ended the training after {epochs}: the cell that trains says which",
    }.get(
        phase,
        f"epoch {progress.epoch} of {progress.n_epochs}{_DOT}"
        f"{_duration(progress.seconds_left)} left",
    )
    return _state(
        phase,
        text=text,
        share=float(progress.share_done),
        n_epochs=int(progress.n_epochs),
        details=_details(progress),
    )


def _best(history: History) -> str:
    """Validation accuracy of the last epoch, which is what is kept, and the best one."""
    values = [value for value in history.validation_accuracy if math.isfinite(value)]
    if not values:
        return ""
    best = max(values)
    epoch = history.validation_accuracy.index(best) + 1
    return f", validation {100 * values[-1]:.1f} %, best {100 * best:.1f} % in epoch {epoch}"


def _details(progress: Progress) -> str:
    """The latest numbers: training of this epoch so far, validation of the last complete one."""
    parts = [
        f"training: loss {progress.train_loss:.3f}, {100 * progress.train_accuracy:.1f} % right"
    ]
    history = progress.history
    if history.validation_loss and math.isfinite(history.validation_loss[-1]):
        share = 100 * history.validation_accuracy[-1]
        parts.append(f"validation: loss {history.validation_loss[-1]:.3f}, {share:.1f} % right")
    return _DOT.join(parts)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 9.5 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


# ---- the static picture


def _draw_png(curves: dict[str, Any], n_epochs: int) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # only where a picture is needed
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8.0, 2.8), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    last = max(n_epochs, len(curves["train_loss"]), 1)
    for ax, (key, label, factor) in zip(
        figure.subplots(1, 2),
        (("loss", "loss", 1.0), ("accuracy", "accuracy (%)", 100.0)),
        strict=True,
    ):
        for kind, name, marker in (("train", "training", "o"), ("validation", "validation", "s")):
            values = [math.nan if v is None else factor * v for v in curves[f"{kind}_{key}"]]
            places = range(1, len(values) + 1)
            ax.plot(places, values, marker=marker, markersize=3, lw=1.3, label=name)
        ax.set(xlabel="epoch", ylabel=label, xlim=(0, last))
        ax.set_ylim(bottom=0, top=100 if key == "accuracy" else None)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    figure.clear()
    return small_png(buffer.getvalue())
