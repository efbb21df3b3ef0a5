"""Still figures: each function draws into an axes, labels it with units, returns the artist.

Levels have one colour map in the whole course (the one of SoundView), signed values another one
with zero in its middle.
"""

from __future__ import annotations

import io
from base64 import b64encode
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.container import StemContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from course_utils.small_png import small_png

LEVEL_CMAP = "magma"
SIGNED_CMAP = "RdBu_r"


def _numbers(values: Any) -> np.ndarray:
    """Tensor, array or list -> numpy array."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)


def _need_shape(values: np.ndarray, n_dims: int, name: str, wanted: str) -> np.ndarray:
    if values.ndim != n_dims or values.size == 0:
        raise ValueError(f"{name} must have the shape {wanted}, got {values.shape}")
    return values


def plot_waveform(
    waveform: Any, *, sample_rate: float, ax: Axes | None = None, **line: Any
) -> Line2D:
    """Draw a waveform over time in seconds.

    Args:
        waveform: Shape ``(time,)``, in [-1, 1].
        sample_rate: In Hz.
        ax: Where to draw; the current axes when ``None``.
        line: Passed on to ``Axes.plot``.

    Raises:
        ValueError: If ``waveform`` is not one non-empty row of samples.
    """
    ax = ax or plt.gca()
    samples = _need_shape(_numbers(waveform), 1, "waveform", "(time,)")
    times_s = np.arange(len(samples)) / sample_rate
    (artist,) = ax.plot(times_s, samples, **{"linewidth": 0.7, **line})
    ax.set(xlabel="time (s)", ylabel="amplitude", xlim=(0, len(samples) / sample_rate))
    return artist


def plot_samples(samples: Any, *, ax: Axes | None = None, **stem: Any) -> StemContainer:
    """Draw a few samples as stems over their index ``n``: one frame, or a window.

    Args:
        samples: Shape ``(time,)``, real.
        ax: Where to draw; the current axes when ``None``.
        stem: Passed on to ``Axes.stem``.
    """
    ax = ax or plt.gca()
    samples = _need_shape(_numbers(samples), 1, "samples", "(time,)")
    artist = ax.stem(np.arange(len(samples)), samples, **{"basefmt": "0.6", **stem})
    ax.set(xlabel="sample n", ylabel="amplitude")
    return artist


def plot_spectrum(freqs_hz: Any, levels_db: Any, *, ax: Axes | None = None, **line: Any) -> Line2D:
    """Draw levels in dB over frequency in Hz.

    Args:
        freqs_hz: Shape ``(freq,)``.
        levels_db: Shape ``(freq,)``; what 0 dB is belongs into the text beside the figure.
        ax: Where to draw; the current axes when ``None``.
        line: Passed on to ``Axes.plot``.
    """
    ax = ax or plt.gca()
    levels = _need_shape(_numbers(levels_db), 1, "levels_db", "(freq,)")
    (artist,) = ax.plot(_numbers(freqs_hz), levels, **{"linewidth": 1.2, **line})
    ax.set(xlabel="frequency (Hz)", ylabel="level (dB)")
    ax.grid(alpha=0.3)
    return artist


def plot_spectrogram(
    spec_db: Any,
    *,
    sample_rate: float,
    hop_length: int,
    ax: Axes | None = None,
    f_max: float | None = None,
    **image: Any,
) -> AxesImage:
    """Draw a spectrogram of centred frames, with a colour bar in dB.

    Args:
        spec_db: Levels in dB, shape ``(freq, time)``, rows from 0 Hz to half the sample rate.
        sample_rate: In Hz.
        hop_length: In samples. Column ``t`` is drawn around the time ``t * hop_length``.
        ax: Where to draw; the current axes when ``None``.
        f_max: Highest frequency shown, in Hz.
        image: Passed on to ``Axes.imshow``, for example ``vmin`` and ``vmax``.
    """
    ax = ax or plt.gca()
    levels = _need_shape(_numbers(spec_db), 2, "spec_db", "(freq, time)")
    hop_s = hop_length / sample_rate
    half_bin_hz = sample_rate / 2 / max(len(levels) - 1, 1) / 2
    extent = (
        -hop_s / 2,
        (levels.shape[1] - 0.5) * hop_s,
        -half_bin_hz,
        sample_rate / 2 + half_bin_hz,
    )
    style = {"cmap": LEVEL_CMAP, "interpolation": "nearest", **image}
    artist = ax.imshow(levels, origin="lower", aspect="auto", extent=extent, **style)
    ax.set(
        xlabel="time (s)", ylabel="frequency (Hz)", xlim=(0, (levels.shape[1] - 1) * hop_s or hop_s)
    )
    ax.set_ylim(0, f_max or sample_rate / 2)
    ax.figure.colorbar(artist, ax=ax, label="level (dB)", pad=0.01)
    return artist


def plot_mel(
    mel_spec: Any,
    *,
    sample_rate: float,
    hop_length: int,
    ax: Axes | None = None,
    label: str = "level (dB)",
    **image: Any,
) -> AxesImage:
    """Draw a Mel spectrogram of centred frames, one row for each band, with a colour bar.

    Args:
        mel_spec: Levels or powers, shape ``(n_mels, time)``.
        sample_rate: In Hz.
        hop_length: In samples. Column ``t`` is drawn around the time ``t * hop_length``.
        ax: Where to draw; the current axes when ``None``.
        label: What the colours are, with their unit.
        image: Passed on to ``Axes.imshow``, for example ``vmin`` and ``vmax``.
    """
    ax = ax or plt.gca()
    values = _need_shape(_numbers(mel_spec), 2, "mel_spec", "(n_mels, time)")
    hop_s = hop_length / sample_rate
    extent = (-hop_s / 2, (values.shape[1] - 0.5) * hop_s, -0.5, len(values) - 0.5)
    style = {"cmap": LEVEL_CMAP, "interpolation": "nearest", **image}
    artist = ax.imshow(values, origin="lower", aspect="auto", extent=extent, **style)
    ax.set(xlabel="time (s)", ylabel="mel band")
    ax.figure.colorbar(artist, ax=ax, label=label, pad=0.01)
    return artist


def plot_log_mel(
    log_mel_spec: Any, *, ax: Axes | None = None, signed: bool = False, **image: Any
) -> AxesImage:
    """Draw a log-mel picture, or a normalised one, over the number of frame and band.

    Args:
        log_mel_spec: Shape ``(n_mels, time)``: decibels, or standard deviations if ``signed``.
        ax: Where to draw; the current axes when ``None``.
        signed: Whether 0 is the middle of the colours, which then end at 3 standard deviations.
        image: Passed on to ``Axes.imshow``, for example ``vmin`` and ``vmax``.
    """
    ax = ax or plt.gca()
    cells = _need_shape(_numbers(log_mel_spec), 2, "log_mel_spec", "(n_mels, time)")
    style: dict[str, Any] = {"cmap": LEVEL_CMAP}
    if signed:
        style = {"cmap": SIGNED_CMAP, "vmin": -3.0, "vmax": 3.0}
    artist = ax.imshow(cells, origin="lower", aspect="auto", **{**style, **image})
    ax.set(xlabel="frame", ylabel="mel band")
    return artist


def plot_losses(
    learning_rates: Any, means: Any, spreads: Any, *, label: str, top: float, ax: Axes | None = None
) -> Line2D:
    """Draw a loss with its standard deviation over the learning rate.

    Args:
        learning_rates: Shape ``(n,)``.
        means: Mean loss over some runs, shape ``(n,)``.
        spreads: Standard deviation over the runs, shape ``(n,)``.
        label: What was trained.
        top: End of the axis. A mean beyond it becomes a cross there: some run ran away.
        ax: Where to draw; the current axes when ``None``.
    """
    ax = ax or plt.gca()
    rates, means, spreads = (np.asarray(v, dtype=float) for v in (learning_rates, means, spreads))
    inside = means <= top
    line, *_ = ax.errorbar(
        rates, np.where(inside, means, np.nan), spreads, marker="o", capsize=3, label=label
    )
    lost, below = rates[~inside], 0.07 * (len(ax.containers) - 1)  # no cross over another
    place = np.full(len(lost), (0.96 - below) * top)
    ax.plot(lost, place, "x", color=line.get_color(), markersize=8, mew=2)
    ax.set(xscale="log", ylim=(0, top), xlabel="learning rate", ylabel="loss")
    ax.set_xticks(rates, [f"{rate:g}" for rate in rates])
    ax.set_xticks([], minor=True)
    return line


def plot_scores(
    groups: dict[str, dict[str, Any]], *, guessing: float, ax: Axes | None = None
) -> Axes:
    """Draw scores in per cent as bars, with the standard deviation over several runs.

    Args:
        groups: For each group, which has a colour, and each name the scores of its runs.
        guessing: Score of somebody who guesses, drawn as a line.
        ax: Where to draw; the current axes when ``None``.
    """
    ax = ax or plt.gca()
    names, width = list(next(iter(groups.values()))), 0.75 / len(groups)
    for i, (group, scores) in enumerate(groups.items()):
        places = np.arange(len(names)) + (i - (len(groups) - 1) / 2) * width
        values = [np.asarray(scores[name], dtype=float) for name in names]
        means = [v.mean() for v in values]
        spreads = [v.std(ddof=1) if v.size > 1 else 0.0 for v in values]
        ax.barh(places, means, xerr=spreads, height=width * 0.95, capsize=3, label=group)
    ax.axvline(guessing, color="0.5", linestyle=":", label="guessing")
    ax.set(yticks=range(len(names)), yticklabels=names, xlim=(0, 100), xlabel="right (%)")
    ax.invert_yaxis()
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def plot_matrix(matrix: Any, *, ax: Axes | None = None, **image: Any) -> AxesImage:
    """Draw a matrix of signed numbers, with zero in the middle of the colours.

    Args:
        matrix: Shape ``(row, column)``, real.
        ax: Where to draw; the current axes when ``None``.
        image: Passed on to ``Axes.imshow``.
    """
    ax = ax or plt.gca()
    values = _need_shape(_numbers(matrix), 2, "matrix", "(row, column)")
    limit = float(np.abs(values).max()) or 1.0
    style = {
        "cmap": SIGNED_CMAP,
        "vmin": -limit,
        "vmax": limit,
        "interpolation": "nearest",
        **image,
    }
    artist = ax.imshow(values, **style)
    ax.set(xlabel="column", ylabel="row")
    ax.figure.colorbar(artist, ax=ax, pad=0.02, label="value")
    return artist


def plot_filters(
    filters: Any, *, n_columns: int = 8, ax: Axes | None = None, **image: Any
) -> AxesImage:
    """Draw the filters of a convolution beside each other, with zero in the middle of the colours.

    Args:
        filters: Weights, shape ``(channels, rows, columns)``: mel bands from low to high, frames
            from early to late.
        n_columns: How many filters stand in a row.
        ax: Where to draw; the current axes when ``None``.
        image: Passed on to ``Axes.imshow``.

    Raises:
        ValueError: If ``filters`` has another shape.
    """
    ax = ax or plt.gca()
    weights = _need_shape(_numbers(filters), 3, "filters", "(channels, rows, columns)")
    n_filters, height, width = weights.shape
    n_rows = -(-n_filters // n_columns)
    gap = max(height, width) / 3  # room between two filters, and for the number over each
    limit = float(np.abs(weights).max()) or 1.0
    style = {"cmap": SIGNED_CMAP, "vmin": -limit, "vmax": limit, **image}
    for i, one in enumerate(weights):
        left = (i % n_columns) * (width + gap)
        bottom = (n_rows - 1 - i // n_columns) * (height + 2 * gap)
        extent = (left, left + width, bottom, bottom + height)
        artist = ax.imshow(one, origin="lower", extent=extent, **style)
        ax.text(left + width / 2, bottom + height + 0.15 * gap, i, ha="center", va="bottom")
    n_across = min(n_columns, n_filters)
    ax.set_xlim(-gap, n_across * (width + gap))
    ax.set_ylim(-gap, n_rows * (height + 2 * gap))
    ax.set(xlabel=f"{width} frames, early to late", ylabel=f"{height} mel bands, low to high")
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.figure.colorbar(artist, ax=ax, pad=0.02, label="weight")
    return artist


def show_figure(description: str, figure: Figure | None = None, *, dpi: int = 130) -> None:
    """Show the current figure together with a description of what there is to see.

    The description travels with the picture as its alternative text: for a screen reader, and
    wherever pictures are not shown.

    Args:
        description: What a reader should see in the figure, in a sentence or two.
        figure: The figure; the current one when ``None``. It is closed afterwards.
        dpi: Pixels per inch of the picture, which is shown at 100 to the inch.

    Raises:
        ValueError: If an axis has no label, or the description is too short to help anybody.
    """
    figure = figure or plt.gcf()
    if len(description.split()) < 5:
        raise ValueError(f"description={description!r} must say what there is to see")
    for ax in figure.axes:
        is_colorbar = ax.get_label() == "<colorbar>"
        if not (ax.get_ylabel() and (ax.get_xlabel() or is_colorbar)):
            raise ValueError(f"an axis of the figure {ax.get_title()!r} has no label with its unit")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    plt.close(figure)
    width = round(100 * figure.get_size_inches()[0])
    png = b64encode(small_png(buffer.getvalue())).decode("ascii")
    data = {"image/png": png, "text/plain": description}
    display(data, metadata={"image/png": {"alt": description, "width": width}}, raw=True)
