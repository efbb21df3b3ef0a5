"""explore_confusion: who is taken for whom, and how these clips sound."""

from __future__ import annotations

import copy
import io
import pathlib
import threading
from typing import Any

import anywidget
import ipywidgets as widgets
import torch
import traitlets as t
from torch import Tensor

from course_utils.explorers.clips import Words, check_fits
from course_utils.explorers.network_pictures import NetworkPictures, probability_chart
from course_utils.models.evaluate import confusion_matrix, predictions
from course_utils.models.features import centre_by_energy
from course_utils.models.word_model import WordModel
from course_utils.small_png import small_png
from course_utils.sound_view import Lane, SoundView
from course_utils.sound_view.view import with_static_picture

_STATIC = pathlib.Path(__file__).parent / "static"


class ConfusionGrid(anywidget.AnyWidget):
    """The matrix and the list of a cell's clips.

    Args:
        counts: Clips, ``(n_classes, n_classes)``: rows were said, columns were heard.
        label_names: The words.
        summary: One line about all of it.
    """

    _esm = _STATIC / "confusion.js"
    _css = _STATIC / "confusion.css"

    counts = t.List(t.List(t.Int())).tag(sync=True)
    label_names = t.List(t.Unicode()).tag(sync=True)
    summary = t.Unicode("").tag(sync=True)
    headline = t.Unicode("").tag(sync=True)
    clips = t.List(t.Unicode()).tag(sync=True)  # what each clip of the cell is called
    # set by the hand on the matrix
    cell = t.List(t.Int()).tag(sync=True)  # row and column of the cell whose clips are listed
    chosen = t.Int(0).tag(sync=True)  # which of them is shown
    large_type = t.Bool(False).tag(sync=True)

    @t.validate("cell")
    def _check_cell(self, proposal: Any) -> list[int]:
        n_words = len(self.label_names)
        if len(proposal.value) != 2 or not all(0 <= place < n_words for place in proposal.value):
            raise t.TraitError(f"cell={proposal.value} must be a row and a column below {n_words}")
        return proposal.value

    @t.validate("chosen")
    def _check_chosen(self, proposal: Any) -> int:
        if not 0 <= proposal.value < max(1, len(self.clips)):
            raise t.TraitError(f"chosen={proposal.value} must be from 0 to {len(self.clips) - 1}")
        return proposal.value


class ConfusionExplorer:
    """A confusion matrix whose cells play their clips; see :func:`explore_confusion`.

    Attributes:
        counts: Clips, int64, ``(n_classes, n_classes)``: rows were said, columns were heard.
        grid: The matrix.
        view: The SoundView beneath it.
        index: Number of the clip that is shown.
        widget: What is displayed.
    """

    title = "Confusion matrix"

    def __init__(self, model: WordModel, words: Words, *, cell: tuple[str, str] | None) -> None:
        check_fits(model, words)
        self._words, self._features = words, copy.deepcopy(model.features)
        self._probabilities = predictions(model, words)  # (n_clips, n_classes)
        self._heard = self._probabilities.argmax(-1)
        names = tuple(words.label_names)
        self.counts = confusion_matrix(words.labels, self._heard, len(names))
        self._pictures_of = NetworkPictures(
            model.features.params, n_samples=words.waveforms.shape[-1]
        )
        self.index, self._quiet = -1, False
        self._lock = threading.RLock()  # clicks may arrive in another thread than the cells
        self.grid = ConfusionGrid(
            counts=self.counts.tolist(), label_names=list(names), summary=self._summary()
        )
        place = self._largest() if cell is None else self._place_of(cell)
        self._found: list[int] = []
        lanes = [
            Lane("waveform", "waveform", "what the network hears", height=56),
            Lane("picture", "picture", "what the network sees", height=128),
            Lane("probabilities", "chart", "probability of each word", height=120),
        ]
        self.view = SoundView(
            words.waveforms[0], words.sample_rate, lanes=lanes, label="Clips of a cell"
        )
        self.grid.observe(self._on_cell, names="cell")
        self.grid.observe(self._on_chosen, names="chosen")
        self.grid.observe(lambda change: setattr(self.view, "large_type", change.new), "large_type")
        self.grid.cell = list(place)
        self.widget = widgets.VBox([self.grid, self.view])

    def choose(self, said: str, heard: str) -> list[int]:
        """List the clips of a cell, as a click on it does.

        Returns:
            Their numbers in the set, the surest first.

        Raises:
            ValueError: If there is no such word.
        """
        self.grid.cell = list(self._place_of((said, heard)))
        return list(self._found)

    # ---- inside

    def _place_of(self, cell: tuple[str, str]) -> tuple[int, int]:
        names = list(self._words.label_names)
        for word in cell:
            if word not in names:
                raise ValueError(f"{word!r} is none of the words {', '.join(names)}")
        return names.index(cell[0]), names.index(cell[1])

    def _largest(self) -> tuple[int, int]:
        """The most frequent mistake; without any mistake the first word that was said."""
        wrong = self.counts.clone().fill_diagonal_(0)
        if wrong.any():
            return divmod(int(wrong.argmax()), len(wrong))
        first = int(self._words.labels[0])
        return first, first

    def _summary(self) -> str:
        n_right, n_clips = int(self.counts.diagonal().sum()), int(self.counts.sum())
        return (
            f"{n_right} of {n_clips} clips are heard right: {100 * n_right / n_clips:.1f} %. "
            "Choose a cell to hear its clips."
        )

    def _list(self, cell: list[int]) -> None:
        row, column = cell
        here = (self._words.labels == row) & (self._heard == column)
        surest = self._probabilities[:, column].masked_fill(~here, -1.0)
        order = surest.argsort(descending=True, stable=True)
        self._found = order[: int(here.sum())].tolist()
        with self.grid.hold_sync():
            self.grid.clips = [
                f"{self._words.speakers[i]} {100 * self._probabilities[i, column].item():.0f} %"
                for i in self._found
            ]
            self.grid.headline = self._headline(row, column)
            self._quiet = True
            self.grid.chosen = 0
            self._quiet = False
        self._show(0)

    def _on_cell(self, change: Any) -> None:
        with self._lock:
            self._list(change.new)

    def _on_chosen(self, change: Any) -> None:
        with self._lock:
            if not self._quiet:
                self._show(change.new)

    def _headline(self, row: int, column: int) -> str:
        names, total = self._words.label_names, int(self.counts[row].sum())
        count = int(self.counts[row, column])
        were = "was" if count == 1 else "were"
        how = "right" if row == column else f"as \u00ab{names[column]}\u00bb"
        return f"{count} of {total} clips of \u00ab{names[row]}\u00bb {were} heard {how}."

    def _show(self, chosen: int) -> None:
        """Show a clip of the cell, and what the network says about it."""
        if not self._found:
            return
        self.index = index = self._found[chosen]
        clip, names = self._words.waveforms[index], self._words.label_names
        heard = centre_by_energy(clip) if self._features.centre else clip
        with torch.no_grad():
            seen = self._features(clip)
        shares = self._probabilities[index]
        about = {"settings": {"clip": index}}
        three = [(names[i], 100 * shares[i].item()) for i in shares.argsort(descending=True)[:3]]
        with self.view.hold_sync():
            self.view.set_sound(heard)
            self.view.show(
                {
                    "picture": self._pictures_of.seen(seen, self._features, **about),
                    "probabilities": probability_chart(
                        shares, int(self._words.labels[index]), names, **about
                    ),
                },
                readout={
                    "clip:": f"{chosen + 1} of {len(self._found)}",
                    "said:": names[int(self._words.labels[index])],
                    "heard:": " \u00b7 ".join(f"{name} {share:.1f} %" for name, share in three),
                    "voice:": self._words.speakers[index],
                    "file:": self._words.names[index],
                },
            )

    def png(self) -> bytes:
        """The matrix as a static picture."""
        return _draw_png(self.counts, tuple(self._words.label_names))

    def __repr__(self) -> str:
        return f"{self.title}: {len(self._words.labels)} clips, {len(self.counts)} words"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        data = dict(self.widget._repr_mimebundle_(**kwargs) or {})
        return with_static_picture(data, self.png(), repr(self))


def _draw_png(counts: Tensor, label_names: tuple[str, ...]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # only where a picture is needed
    from matplotlib.figure import Figure

    totals = counts.sum(1, keepdim=True).clamp(min=1)
    shares = (100.0 * counts / totals).numpy()
    figure = Figure(figsize=(6.4, 5.6), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    artist = ax.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    figure.colorbar(artist, ax=ax, label="share of the row (%)", pad=0.02)
    places = range(len(label_names))
    ax.set_xticks(places, label_names, rotation=45)
    ax.set_yticks(places, label_names)
    ax.set(xlabel="heard as", ylabel="said")
    for row in places:
        for column in places:
            if counts[row, column]:
                colour = "white" if shares[row, column] > 55 else "black"
                ax.text(
                    column, row, int(counts[row, column]), ha="center", va="center", color=colour
                )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    figure.clear()
    return small_png(buffer.getvalue())


def explore_confusion(
    model: WordModel, words: Words, *, cell: tuple[str, str] | None = None
) -> ConfusionExplorer:
    """Show which word is taken for which, and let the confused clips be heard.

    Args:
        model: A word model.
        words: Clips with the same words, for example ``load_bundled_words("test")``.
        cell: Said and heard word whose clips are listed first; the most frequent mistake when
            ``None``.

    Returns:
        An explorer that shows itself when it stands last in a cell.

    Raises:
        ValueError: If model and clips do not fit each other, or ``cell`` names no word.

    Notebook: 06_cnn.ipynb.
    """
    return ConfusionExplorer(model, words, cell=cell)
