"""The static PNG beside the live widget: what a code host or a printed page shows."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from PIL import Image

from course_utils.small_png import small_png

if TYPE_CHECKING:
    from course_utils.sound_view.view import SoundView

_WIDTH_INCHES = 8.0
_DPI = 80
_MOST_STEMS = 150  # samples that a static curve has room for
_COLOURS = {"level": "magma", "signed": "RdBu_r"}
_NICE_HZ = (50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000)


def draw_png(view: SoundView, pcm: np.ndarray) -> bytes:
    """Draw all lanes of ``view`` under each other and return the bytes of a PNG.

    Args:
        view: The view, with the state to draw.
        pcm: Its sound, int16, shape ``(channels, time)``.
    """
    lanes = [lane for lane in view.lanes if lane["kind"] == "waveform" or view.picture(lane["id"])]
    charts = [lane for lane in lanes if lane["kind"] == "chart"]
    lanes = [lane for lane in lanes if lane["kind"] != "chart"]
    height = 0.45 + sum(lane["height"] for lane in lanes + charts) / 75 + 0.4 * len(charts)
    figure = Figure(figsize=(_WIDTH_INCHES, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = _place(figure, [lane["height"] for lane in lanes], [lane["height"] for lane in charts])
    for lane, ax in zip(lanes + charts, axes, strict=True):
        state = {} if lane["kind"] == "waveform" else view.picture(lane["id"])
        if lane["kind"] == "waveform":
            _draw_waveform(ax, view, pcm)
        elif lane["kind"] == "curve":
            _draw_curve(ax, state)
        elif lane["kind"] == "chart":
            _draw_chart(ax, state)
        else:
            bar = figure.colorbar(_draw_picture(ax, state), ax=ax, pad=0.01)
            unit = f" ({state['value_unit']})" if state["value_unit"] else ""
            bar.set_label(state["value_label"] + unit)
        ax.set_title(lane["title"], loc="left", fontsize=9)
    axes[len(lanes) - 1].set_xlabel("time (s)")
    axes[0].set_xlim(*view.visible)
    figure.canvas.draw()
    pixels = Image.fromarray(np.asarray(figure.canvas.buffer_rgba()))
    figure.clear()  # a figure is a ring of references: without this it stays until a collection
    return small_png(pixels)


def _place(figure: Figure, heights: list[int], chart_heights: list[int]) -> list[Any]:
    """Axes under each other: the lanes share their time axis, each chart has its own."""
    grid = figure.add_gridspec(
        len(heights) + len(chart_heights), 1, height_ratios=heights + chart_heights
    )
    axes: list[Any] = []
    for row in range(len(heights)):
        axes.append(figure.add_subplot(grid[row], sharex=axes[0] if axes else None))
        axes[-1].tick_params(labelbottom=row == len(heights) - 1)
    return axes + [figure.add_subplot(grid[len(heights) + i]) for i in range(len(chart_heights))]


def _draw_waveform(ax: Any, view: SoundView, pcm: np.ndarray) -> None:
    ax.set_ylabel("amplitude")
    if len(pcm) == 1:
        _draw_channel(ax, view, pcm[0])
        ax.set_ylim(-1.05, 1.05)  # full scale, so that a quiet sound looks quiet
        return
    for channel, middle in zip(pcm, (1.0, -1.0), strict=True):
        _draw_channel(ax, view, channel, middle)
    ax.set_ylim(-2.1, 2.1)
    ax.set_yticks([1.0, -1.0], ["left", "right"])


def _draw_channel(ax: Any, view: SoundView, samples: np.ndarray, middle: float = 0.0) -> None:
    start = max(0, int(view.visible[0] * view.sample_rate))
    stop = min(view.n_samples, int(np.ceil(view.visible[1] * view.sample_rate)) + 1)
    shown = middle + samples[start:stop].astype(np.float32) / 32768.0 * view.gain
    block = max(1, len(shown) // 1500)
    if block == 1:
        ax.plot(np.arange(start, start + len(shown)) / view.sample_rate, shown, "C0", lw=0.7)
    else:
        usable = shown[: len(shown) // block * block].reshape(-1, block)
        times_s = (start + block * (np.arange(len(usable)) + 0.5)) / view.sample_rate
        ax.fill_between(times_s, usable.min(1), usable.max(1), lw=0.4, fc="C0", ec="C0")


def _draw_curve(ax: Any, state: dict) -> None:
    numbers = np.frombuffer(state["data"], dtype="<f4")
    values, start = numbers[: state["n_values"]], state["n_values"]
    times_s = state["t0_s"] + state["dt_s"] * np.arange(len(values))
    for value, name in state["y_marks"]:
        ax.axhline(value, color="0.85", lw=0.8, label=name or None)
    for i, line in enumerate(state["lines"]):
        x, y = numbers[start : start + 2 * line["n"]].reshape(2, -1)
        start += 2 * line["n"]
        dash = "--" if line["style"] == "dashed" else "-"
        ax.plot(state["t0_s"] + x, y, dash, lw=1, color=f"C{i + 1}", label=line["label"] or None)
    if state["stems"] and len(values) <= _MOST_STEMS:
        ax.stem(times_s, values, linefmt="C0-", markerfmt="C0.", basefmt=" ")
    if state["joined"] or not state["stems"] or len(values) > _MOST_STEMS:
        ax.plot(times_s, values, lw=1)
    if any(line["label"] for line in state["lines"]):
        ax.legend(fontsize=8, loc="upper right")
    ax.set_ylim(state["y"]["min"], state["y"]["max"])
    ax.set_ylabel(_axis_label(state["y"]))


def _draw_chart(ax: Any, state: dict) -> None:
    numbers, start = np.frombuffer(state["data"], dtype="<f4"), 0
    areas: dict[tuple[str, str], list[np.ndarray]] = {}  # one artist for all triangles of a colour
    for i, line in enumerate(state["lines"]):
        colour = _line_colour(state, i)
        x, y = numbers[start : start + 2 * line["n"]].reshape(2, -1)
        start += 2 * line["n"]
        floor = state["y"]["min"]
        if line["style"] == "area":
            outline = np.stack([np.r_[x[0], x, x[-1]], np.r_[floor, y, floor]], axis=1)
            areas.setdefault((colour, line["label"]), []).append(outline)
        elif line["style"] == "bars":
            ax.fill_between(x, y, floor, alpha=0.4, step="mid", color=colour, label=line["label"])
        else:
            dash = "--" if line["style"] == "dashed" else "-"
            ax.plot(x, y, dash, lw=1, color=colour, label=line["label"] or None)
    for (colour, label), outlines in areas.items():
        artist = PolyCollection(outlines, alpha=0.4, color=colour, label=label or None)
        ax.add_collection(artist)
    for value, name in state["marks"]:
        ax.axvline(value, color="0.3", lw=1, ls=":", label=name)
    for set_scale, set_limits, set_label, axis in (
        (ax.set_xscale, ax.set_xlim, ax.set_xlabel, state["x"]),
        (ax.set_yscale, ax.set_ylim, ax.set_ylabel, state["y"]),
    ):
        if axis["scale"] == "table":
            positions = np.linspace(0.0, 1.0, len(axis["table"]))
            there = functools.partial(np.interp, xp=axis["table"], fp=positions)
            back = functools.partial(np.interp, xp=positions, fp=axis["table"])
            set_scale("function", functions=(there, back))
        else:
            set_scale(axis["scale"])
        if axis["names"]:
            ax.set_xticks(range(len(axis["names"])), axis["names"])
        if axis["scale"] != "linear":  # only a horizontal axis can be one
            ax.xaxis.set_major_locator(FixedLocator(_ticks(axis)))
            ax.xaxis.set_major_formatter("{x:g}")
            ax.xaxis.set_minor_locator(NullLocator())
        set_limits(axis["min"], axis["max"])
        set_label(f"{axis['label']} ({axis['unit']})" if axis["unit"] else axis["label"])
    if any(line["label"] for line in state["lines"]) or state["marks"]:
        ax.legend(fontsize=8, loc="upper right")


def _line_colour(state: dict, i: int) -> str:
    """As in the live view: bands take two colours in turn, an empty one red, named lines others."""
    line = state["lines"][i]
    if not state["bands"]:
        return f"C{i}"
    if not line["label"]:
        return "C3" if line["style"] == "dashed" else f"C{i % 2}"
    return ("C2", "C4", "C7")[sum(bool(before["label"]) for before in state["lines"][:i]) % 3]


def _draw_picture(ax: Any, state: dict) -> Any:
    cells = np.frombuffer(state["data"], dtype=np.uint8)
    cells = cells.reshape(state["n_rows"], state["n_columns"])
    span = state["value_max"] - state["value_min"]
    t1_s = state["t0_s"] + state["dt_s"] * state["n_columns"]
    artist = ax.imshow(
        state["value_min"] + cells * (span / 255.0),
        origin="lower",
        aspect="auto",
        cmap=_COLOURS[state["colours"]],
        extent=(state["t0_s"], t1_s, 0.0, 1.0),
        vmin=state["value_min"],
        vmax=state["value_max"],
        interpolation="nearest",
    )
    y = state["y"]
    ticks = {axis_position(y, value): f"{value:g}" for value in _ticks(y)}
    ax.yaxis.set_major_locator(FixedLocator(list(ticks)))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda position, _i: ticks.get(position, "")))
    ax.set_ylabel(_axis_label(y))
    for value, name in state["y_marks"]:
        at = axis_position(y, value)
        ax.axhline(at, color="#00d5ff", lw=1.2, ls="--")
        below = at > 0.85
        ax.annotate(
            name, (1, at), (-4, -3 if below else 3), xycoords="axes fraction",
            textcoords="offset points", color="w", fontsize=8, ha="right",
            va="top" if below else "bottom",
        )  # fmt: skip
    return artist


def _ticks(y: dict) -> list[float]:
    """Round values for a frequency axis, with room for their labels."""
    if y["scale"] == "linear":
        values = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(max(0.0, y["min"]), y["max"])
        return [v for v in values if y["min"] <= v <= y["max"]]
    kept: list[float] = []
    for hz in reversed([hz for hz in _NICE_HZ if y["min"] <= hz <= y["max"]]):
        if not kept or axis_position(y, kept[-1]) - axis_position(y, hz) > 0.08:
            kept.append(hz)
    return kept


def axis_position(y: dict, value: float) -> float:
    """Position of ``value`` on an axis state, 0 at the bottom and 1 at the top."""
    if y["scale"] == "log":
        return float(np.log(value / y["min"]) / np.log(y["max"] / y["min"]))
    if y["scale"] == "table":
        return float(np.interp(value, y["table"], np.linspace(0.0, 1.0, len(y["table"]))))
    return float((value - y["min"]) / (y["max"] - y["min"]))


def _axis_label(axis: dict) -> str:
    return f"{axis['label']} ({axis['unit']})" if axis["unit"] else axis["label"]
