"""The static picture of explore_tuning: what a page without a kernel shows."""

from __future__ import annotations

import io
from typing import Any

from course_utils.small_png import small_png

_CMAP = "Blues"
_PALE = 0.85  # of the colour map: the darkest of it would hide the marks


def draw_png(table: dict[str, Any], chart: dict[str, Any], chosen: int) -> bytes:
    """Draw the accuracy map, and accuracy against cost, side by side.

    Args:
        table: Heads and cells of the map.
        chart: Axes and points of the chart.
        chosen: Number of the setting that is framed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # only where a picture is needed
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 3.9), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1.0))
    _draw_map(left, table, chosen)
    _draw_chart(right, chart, chosen)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    figure.clear()
    return small_png(buffer.getvalue())


def _draw_map(ax: Any, table: dict[str, Any], chosen: int) -> None:
    import matplotlib as mpl
    from matplotlib.patches import Rectangle

    colours = mpl.colormaps[_CMAP]
    for row, cells in enumerate(table["cells"]):
        for column, cell in enumerate(cells):
            corner = (column - 0.5, row - 0.5)
            if cell["kind"] == "measured":
                share = 0.05 + _PALE * cell["share"]
                ax.add_patch(Rectangle(corner, 1, 1, facecolor=colours(share), edgecolor="white"))
                ink = "white" if share > 0.55 else "black"
                star = " \u25c6" if cell["is_course"] else ""
                text = f"{cell['mean']}{star}\n{cell['spread']}".strip()
                ax.text(column, row, text, ha="center", va="center", color=ink, fontsize=9)
            else:
                hatch = "////" if cell["kind"] == "useless" else None
                ax.add_patch(
                    Rectangle(corner, 1, 1, facecolor="0.95", edgecolor="0.6", hatch=hatch, lw=0)
                )
            if cell["id"] == chosen:
                ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="black", lw=2, zorder=3))
    ax.set(xlim=(-0.5, len(table["cells"][0]) - 0.5), ylim=(len(table["cells"]) - 0.5, -0.5))
    ax.set_xticks(range(len(table["column_heads"])), table["column_heads"], fontsize=8)
    ax.set_yticks(range(len(table["row_heads"])), table["row_heads"], fontsize=8)
    ax.set(xlabel=table["columns"], ylabel=table["rows"])
    ax.set_title(table["title"], fontsize=9, loc="left")


def _draw_chart(ax: Any, chart: dict[str, Any], chosen: int) -> None:
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    front = [point for point in chart["points"] if point["is_front"]]
    ax.step([p["x"] for p in front], [p["y"] for p in front], where="post", color="C1", lw=1.5)
    for point in chart["points"]:
        marker = "D" if point["is_course"] else "o"
        colour = "C1" if point["is_front"] else "C0"
        ax.errorbar(
            point["x"], point["y"], point["spread"] or None, fmt=marker, ms=6, color=colour,
            mfc=colour if point["is_front"] else "white", elinewidth=1,
            alpha=1.0 if point["in_map"] or point["is_front"] else 0.45,
        )  # fmt: skip
        if point["id"] == chosen:
            ax.plot(point["x"], point["y"], "o", ms=13, mfc="none", mec="black", mew=1.5)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ticks = log_ticks(*_ends(chart["points"]))
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set(xlabel=chart["x_label"], ylabel=chart["y_label"])
    ax.grid(alpha=0.3)
    told = "filled: not beaten; \u25c6 the course's setting\n" + chart["bars"]
    ax.set_title(told, fontsize=8, loc="left")


def _ends(points: list[dict[str, Any]]) -> tuple[float, float]:
    values = [point["x"] for point in points] or [1.0]
    return min(values), max(values)


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers from ``low`` to ``high`` for a logarithmic axis."""
    steps = (1.0, 2.0, 5.0) if high > 6 * low else (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)
    every = [step * 10.0**power for power in range(-4, 7) for step in steps]
    return [tick for tick in every if 0.9 * low <= tick <= 1.1 * high]
