"""explore_tuning: what was measured for many settings, and how a word looks with each of them."""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anywidget
import ipywidgets as widgets
import torch
import traitlets as t
from torch import Tensor

from course_utils.data.bundled_words import load_bundled_words
from course_utils.explorers.base import Explorer
from course_utils.explorers.clips import Words
from course_utils.explorers.controls import make_menu
from course_utils.explorers.live import LiveChain, _rounded
from course_utils.explorers.network_pictures import NetworkPictures
from course_utils.explorers.tuning_map import (
    COURSE,
    Comparison,
    Place,
    Slice,
    comparisons,
    judged_by,
    load_summaries,
    percent,
    seeds_text,
    short_name,
    test_sets,
    value_text,
)
from course_utils.explorers.tuning_picture import draw_png
from course_utils.explorers.waveform import _Stages
from course_utils.models.features import WordFeatures, centre_by_energy
from course_utils.models.sweep_results import Setting, Summary, pareto
from course_utils.signal import empty_mel_bands
from course_utils.signal.resolution import window_resolution
from course_utils.sound_view import Axis, Lane, Picture
from course_utils.sound_view.view import with_static_picture

_STATIC = pathlib.Path(__file__).parent / "static"
#: what a cost is called in the menu -> its name in a summary, and its axis
COSTS = {
    "training time": ("train_seconds", "training time (processor s)"),
    "time per clip": ("inference_ms", "time per clip (ms)"),
    "picture size": ("n_cells", "picture size (cells)"),
}
NOBODY = -1
_WIDTHS = {"compare": "330px", "map": "270px", "at": "210px", "test_set": "330px", "cost": "270px"}
_LONG = ("compare", "map", "test_set")  # their choices need more room in large type


class TuningMap(anywidget.AnyWidget):
    """The accuracy map and, beside it, accuracy against cost.

    Attributes:
        chosen: Number of the setting that was clicked or moved to with the keys.
        pointed: Number of the one under the pointer, or -1.
    """

    _esm = _STATIC / "tuning.js"
    _css = _STATIC / "tuning.css"

    # answered by Python, only read by the view
    table = t.Dict().tag(sync=True)  # heads of rows and columns, and the cells
    chart = t.Dict().tag(sync=True)  # axes and points
    n_places = t.Int(1).tag(sync=True)
    # set by the hand
    chosen = t.Int(0).tag(sync=True)
    pointed = t.Int(NOBODY).tag(sync=True)
    large_type = t.Bool(False).tag(sync=True)

    @t.validate("chosen", "pointed")
    def _check_place(self, proposal: Any) -> int:
        lowest = NOBODY if proposal.trait.name == "pointed" else 0
        if not lowest <= proposal.value < self.n_places:
            raise t.TraitError(
                f"{proposal.trait.name}={proposal.value} must be from {lowest} to "
                f"{self.n_places - 1}"
            )
        return proposal.value


class TuningExplorer(Explorer):
    """Accuracy, cost and picture of every setting that was measured; see :func:`explore_tuning`.

    Attributes:
        map: The accuracy map with its chart.
        place: The setting that is shown: under the pointer, or the one that was chosen.
    """

    title = "Tuning explorer"
    view_is_all = False  # the map says the most
    lanes = (
        Lane("waveform", "waveform", "what the network hears", height=56),
        Lane("picture", "picture", "what the network sees with these settings", height=150),
    )

    def __init__(self, results: Any, words: Words | None, *, start: dict[str, Any]) -> None:
        self._summaries, self._unread = load_summaries(results)
        self._comparisons = comparisons(self._summaries)
        self._words = load_bundled_words("validation") if words is None else words
        if len(self._words.labels) == 0:
            raise ValueError("words hold no clip to be shown")
        self._kept = _Stages()
        self._heard_word = ""
        self._fitting = False  # the explorer itself moves a menu
        first = next(iter(self._comparisons))
        compare = start.get("compare", first)
        one = self._comparisons.get(compare, self._comparisons[first])
        self.map = TuningMap(n_places=len(one.places), chosen=one.start())
        self.defaults = self._defaults(first, one, start)
        super().__init__(self._clip(0), self._words.sample_rate, start={"compare": compare} | start)
        self.view.pin_lane = "picture"
        self.map.observe(self._on_chosen, names="chosen")
        self.map.observe(self._on_change, names="pointed")
        t.link((self.view, "large_type"), (self.map, "large_type"))

    def _defaults(self, compare: str, one: Comparison, start: dict[str, Any]) -> dict[str, Any]:
        wanted = start.get("map")
        a_map = wanted if wanted in one.slices else next(iter(one.slices))
        fixed = one.slices[a_map].fixed
        if fixed and start.get("at") in one.values[fixed]:  # the same cell of that map
            chosen = one.places[self.map.chosen].setting
            values = {name: getattr(chosen, name) for name in one.fields}
            self.map.chosen = one.index(**values | {fixed: start["at"]})
        at = getattr(one.places[self.map.chosen].setting, fixed) if fixed else None
        return {
            "compare": compare,
            "map": a_map,
            "at": at,
            "test_set": test_sets(self._summaries)[0],
            "cost": next(iter(COSTS)),
            "word": self._labels()[0],
        }

    # ---- controls

    def _make_control(self, name: str, value: Any) -> widgets.Widget:
        one = self._comparisons.get(self._start["compare"])
        options = {
            "compare": lambda: list(self._comparisons),
            "map": lambda: list(one.slices),
            "at": lambda: _at_options(one, self._start["map"]),
            "test_set": lambda: test_sets(self._summaries),
            "cost": lambda: list(COSTS),
            "word": self._labels,
        }[name]()
        values = [option[1] if isinstance(option, tuple) else option for option in options]
        if value not in values:
            known = ", ".join(str(choice) for choice in values)
            raise ValueError(f"{name} must be one of {known}, got {value!r}")
        menu = make_menu(name, options, value, width=_WIDTHS.get(name, ""))
        menu.disabled = len(options) < 2
        if name in _LONG:
            menu.add_class("tm-long-menu")
        fit = {"compare": self._fit_comparison, "map": self._fit_map, "at": self._fit_at}.get(name)
        if fit is not None:
            menu.observe(fit, names="value")
        return menu

    def _control_rows(self) -> list[widgets.Widget]:
        rows = ("compare", "map", "at"), ("test_set", "cost", "word")
        menus = [
            widgets.HBox([self.sliders[name] for name in row], layout={"flex_flow": "row wrap"})
            for row in rows
        ]
        return [*menus, self.map]

    def set(self, **values: Any) -> None:
        """Move several menus and redraw once; see :meth:`Explorer.set`."""
        # what decides over the other menus' choices comes first
        first = {name: values[name] for name in ("compare", "map", "at") if name in values}
        super().set(**first | values)

    def choose(self, setting: Setting) -> None:
        """Show a setting of the comparison, as a click on its cell does.

        Raises:
            ValueError: If the comparison does not hold it.
        """
        for i, place in enumerate(self.comparison.places):
            if place.setting == setting:
                self.map.pointed = NOBODY
                self.map.chosen = i
                return
        raise ValueError(f"{setting} is not part of \u00ab{self.settings['compare']}\u00bb")

    # ---- which place

    @property
    def comparison(self) -> Comparison:
        """The settings that are compared."""
        return self._comparisons[self.sliders["compare"].value]

    @property
    def slice(self) -> Slice:
        """What runs across the map, what down, and what stands still."""
        return self.comparison.slices[self.sliders["map"].value]

    @property
    def place(self) -> Place:
        """The setting that is shown, and what was measured with it."""
        shown = self.map.chosen if self.map.pointed == NOBODY else self.map.pointed
        return self.comparison.places[shown]

    def _fit_comparison(self, _change: Any) -> None:
        """Another comparison has other maps and other settings."""
        if self._fitting:
            return
        one = self.comparison
        with self._silently():
            self._offer("map", list(one.slices), next(iter(one.slices)))
            self.map.pointed = NOBODY
            if one.start() >= self.map.n_places:
                self.map.n_places = len(one.places)
            self.map.chosen = one.start()
            self.map.n_places = len(one.places)
            self._offer_values()

    def _fit_map(self, _change: Any) -> None:
        """Another map has another parameter that stands still: at the value of the chosen one."""
        if self._fitting:
            return
        with self._silently():
            self._offer_values()

    def _offer_values(self) -> None:
        options = _at_options(self.comparison, self.sliders["map"].value)
        chosen = self.comparison.places[self.map.chosen].setting
        fixed = self.slice.fixed
        self._offer("at", options, getattr(chosen, fixed) if fixed else None)

    def _fit_at(self, change: Any) -> None:
        """The chosen cell stays where it is in the map, and gets the new value."""
        if self._fitting:
            return
        fixed, one = self.slice.fixed, self.comparison
        if fixed and change.new is not None:
            chosen = one.places[self.map.chosen].setting
            values = {name: getattr(chosen, name) for name in one.fields} | {fixed: change.new}
            with self._silently():
                self.map.chosen = one.index(**values)

    def _on_chosen(self, change: Any) -> None:
        """A point of the chart may lie in another map: then that one is shown."""
        if self._quiet:
            return
        with self._lock:
            fixed = self.slice.fixed
            if fixed:
                with self._silently():
                    value = getattr(self.comparison.places[change.new].setting, fixed)
                    self.sliders["at"].value = value
                    self.map.chosen = change.new
            self.render()

    def _offer(self, name: str, options: list[Any], value: Any) -> None:
        menu = self.sliders[name]
        menu.options = options
        menu.value = value
        menu.disabled = len(options) < 2

    @contextmanager
    def _silently(self) -> Iterator[None]:
        """Menus and map may be moved inside of the block without a redraw."""
        before = self._quiet
        self._quiet = self._fitting = True
        try:
            yield
        finally:
            self._quiet, self._fitting = before, False

    # ---- the word

    def _labels(self) -> list[str]:
        names = self._words.label_names
        return [names[i] for i in sorted(set(self._words.labels.tolist()))]

    def _clip(self, number: int) -> Tensor:
        """The loudest clip of a word, ``(time,)``."""
        label = self._words.label_names.index(self._labels()[number])
        level = self._words.waveforms.square().mean(-1)  # (n_clips,)
        return self._words.waveforms[int(level.where(self._words.labels == label, -1.0).argmax())]

    def _heard(self, settings: dict[str, Any]) -> Tensor:
        """The clip, moved into the middle of its second, as every network here gets it."""
        number = self._labels().index(settings["word"])
        return self._kept("heard", number, lambda: centre_by_energy(self._clip(number)))

    # ---- what is shown

    def _make_chain(self, waveform: Tensor, sample_rate: float) -> LiveChain:
        return LiveChain(waveform, sample_rate)

    def _pictures(self, chain: LiveChain, settings: dict[str, Any]) -> dict[str, Picture]:
        setting, heard = self.place.setting, self._heard(settings)
        key = (settings["word"], setting)
        return {"picture": self._kept("picture", key, lambda: self._picture(setting, heard, key))}

    def _picture(self, setting: Setting, heard: Tensor, key: tuple[str, Setting]) -> Picture:
        features = setting.features()
        with torch.no_grad():
            if setting.normalize == "data set":
                features.measure(features.mel_power(self._words.waveforms))
            # the waveform is centred already
            seen = features.picture(features.log_mel.mel_spectrogram(heard))
        about = {"settings": {"word": key[0]} | dataclasses.asdict(setting)}
        picture = _pictures_of(setting, len(heard)).seen(seen, features, **about)
        time_s, freq_hz = self._resolution(setting)
        return dataclasses.replace(
            picture, box={"dt_s": time_s, "df_hz": freq_hz}, marks=_empty_bands(features)
        )

    def _resolution(self, setting: Setting) -> tuple[float, float]:
        return window_resolution("hann", setting.n_fft, sample_rate=self._words.sample_rate)

    def _show(self, pictures: dict[str, Any], settings: dict[str, Any], notes: list[str]) -> None:
        with self.view.hold_sync(), self.map.hold_sync():
            if self._heard_word != settings["word"]:
                self.view.set_sound(self._heard(settings))
                self._heard_word = settings["word"]
            self._show_map(settings)
            super()._show(pictures, settings, notes)

    def _show_map(self, settings: dict[str, Any]) -> None:
        """Table and chart; they stay as they are while only the pointer moves."""
        key = tuple(settings[name] for name in ("compare", "map", "at", "test_set", "cost"))

        def make() -> tuple[dict[str, Any], dict[str, Any]]:
            judged = {s.setting: s for s in judged_by(self._measured(), settings["test_set"])}
            return self._table(settings, judged), self._chart(settings, judged)

        table, chart = self._kept("map", key, make)
        if self.map.table != table:
            self.map.table = table
        if self.map.chart != chart:
            self.map.chart = chart

    def _measured(self) -> list[Summary]:
        one = self.comparison
        return [one.places[i].summary for i in one.measured]

    def _table(self, settings: dict[str, Any], judged: dict[Setting, Summary]) -> dict[str, Any]:
        one, cut = self.comparison, self.slice
        means = [summary.accuracy.mean for summary in judged.values()]
        low, high = min(means, default=0.0), max(means, default=1.0)
        still = {cut.fixed: settings["at"]} if cut.fixed else {}
        cells = [
            [
                self._cell(one.index(**{cut.rows: row, cut.columns: column} | still), judged,
                           low, high)
                for column in one.values[cut.columns]
            ]
            for row in one.values[cut.rows]
        ]  # fmt: skip
        heads = {
            name: [value_text(field, value, self.view.sample_rate) for value in one.values[field]]
            for name, field in (("column_heads", cut.columns), ("row_heads", cut.rows))
        }
        told = f"{cut.fixed} {settings['at']}, " if cut.fixed else ""
        return heads | {
            "columns": cut.columns,
            "rows": cut.rows,
            "cells": cells,
            "title": f"Accuracy (%): {told}{settings['test_set']}",
            "low": f"{100 * low:.1f} %",
            "high": f"{100 * high:.1f} %",
        }

    def _cell(
        self, index: int, judged: dict[Setting, Summary], low: float, high: float
    ) -> dict[str, Any]:
        place = self.comparison.places[index]
        summary = judged.get(place.setting)
        cell = {"id": index, "is_course": place.setting == COURSE, "told": _told(place, summary)}
        if summary is None:
            return cell | {"kind": "useless" if place.problem else "missing"}
        mean, spread = summary.accuracy
        return cell | {
            "kind": "measured",
            "mean": f"{100 * mean:.1f}",
            "spread": "" if math.isnan(spread) else f"\u00b1 {100 * spread:.1f}",
            "share": (mean - low) / (high - low) if high > low else 1.0,
        }

    def _chart(self, settings: dict[str, Any], judged: dict[Setting, Summary]) -> dict[str, Any]:
        one, cut = self.comparison, self.slice
        cost, label = COSTS[settings["cost"]]
        front = {summary.setting for summary in pareto(judged.values(), cost=cost)}
        points = [
            {
                "id": i,
                "x": float(getattr(judged[place.setting], cost)),
                "y": 100.0 * judged[place.setting].accuracy.mean,
                "spread": _or_zero(100.0 * judged[place.setting].accuracy.spread),
                "is_front": place.setting in front,
                "is_course": place.setting == COURSE,
                "in_map": not cut.fixed or getattr(place.setting, cut.fixed) == settings["at"],
                "told": _told(place, judged[place.setting]),
            }
            for i, place in enumerate(one.places)
            if place.setting in judged
        ]
        return {
            "points": sorted(points, key=lambda point: (point["x"], point["y"])),
            "x_label": label,
            "y_label": f"accuracy (%), {settings['test_set']}",
            "bars": _bars_text({summary.n_seeds for summary in judged.values()}),
        }

    # ---- what is said

    def _readout(self, settings: dict[str, Any]) -> dict[str, Any]:
        place, setting = self.place, self.place.setting
        summary = place.summary
        if summary is not None and settings["test_set"] in summary.accuracies:
            accuracy = summary.accuracies[settings["test_set"]]
        else:
            accuracy = None
        time_s, freq_hz = self._resolution(setting)
        return {
            "setting": dataclasses.asdict(setting),
            "accuracy": None if accuracy is None else accuracy.mean,
            "spread": None if accuracy is None else accuracy.spread,
            "n_seeds": summary.n_seeds if summary else 0,
            "train_seconds": summary.train_seconds if summary else None,
            "inference_ms": summary.inference_ms if summary else None,
            "shape": setting.shape(self.view.n_samples),
            "n_cells": setting.n_cells(self.view.n_samples),
            "time_resolution_ms": 1000.0 * time_s,
            "freq_resolution_hz": freq_hz,
            "hop_ms": 1000.0 * setting.hop_length / self.view.sample_rate,
            "problem": place.problem,
        }

    def _readout_texts(self, readout: dict[str, Any]) -> dict[str, str]:
        place, summary = self.place, self.place.summary
        n_bands, n_frames = readout["shape"]
        texts = {"setting": str(place.setting)}
        if readout["accuracy"] is not None:
            accuracy = summary.accuracies[self.settings["test_set"]]
            texts["accuracy"] = f"{percent(accuracy)}, {seeds_text(summary.n_seeds)}"
        if summary is not None:
            texts["training"] = f"{summary.train_seconds:.1f} s of the processor"
            texts["per clip"] = f"{summary.inference_ms:.2f} ms"
        return texts | {
            "picture": f"{n_bands} \u00d7 {n_frames} = {readout['n_cells']} cells",
            "time resolution": f"{readout['time_resolution_ms']:.0f} ms",
            "frequency resolution": f"{readout['freq_resolution_hz']:.1f} Hz",
            "frames every": f"{readout['hop_ms']:.0f} ms",
        }

    def _notes(self, settings: dict[str, Any]) -> list[str]:
        place = self.place
        notes = []
        if place.problem:
            notes.append(f"This setting makes no sense, so it was not measured: {place.problem}.")
        elif place.summary is None:
            notes.append("This setting was not measured.")
        if place.setting.normalize == "data set":
            notes.append(
                "Normalised by mean and spread of all clips that this explorer was given; each "
                "network was trained with those of its training set."
            )
        return notes + self._unread

    def png(self) -> bytes:
        """Map and chart as a static picture."""
        return draw_png(self.map.table, self.map.chart, self.map.chosen)

    def __repr__(self) -> str:
        what = ", ".join(f"{name} {len(one.measured)}" for name, one in self._comparisons.items())
        return f"{self.title}: settings measured: {what}"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        data = dict(self.widget._repr_mimebundle_(**kwargs) or {})
        return with_static_picture(data, self.png(), repr(self))


class _LinearPictures(NetworkPictures):
    """Pictures whose bands are equally wide in Hz."""

    def __init__(self, setting: Setting, *, n_samples: int) -> None:
        params = setting.params()
        super().__init__(params, n_samples=n_samples)
        highest = params.sample_rate / 2.0 if params.f_max is None else params.f_max
        edges_hz = torch.linspace(params.f_min, highest, params.n_mels + 2).numpy()
        self._rows = self._rows | {
            "low": _rounded(edges_hz[:-2]),
            "centre": _rounded(edges_hz[1:-1]),
            "high": _rounded(edges_hz[2:]),
        }
        half = float(edges_hz[1] - edges_hz[0]) / 2  # a row reaches half a step to both sides
        self._y = Axis("band", "Hz", float(edges_hz[0]) + half, float(edges_hz[-1]) - half)


def _pictures_of(setting: Setting, n_samples: int) -> NetworkPictures:
    if setting.frequency_axis == "linear":
        return _LinearPictures(setting, n_samples=n_samples)
    return NetworkPictures(setting.params(), n_samples=n_samples)


def _empty_bands(features: WordFeatures) -> tuple[int, ...]:
    fbank = features.log_mel.mel_spectrogram.mel_scale.fb
    return tuple(empty_mel_bands(fbank).nonzero()[:, 0].tolist())


def _at_options(one: Comparison, map_name: str) -> list[tuple[str, Any]]:
    """The values of the parameter that stands still; «nothing» where all are on the axes."""
    fixed = one.slices[map_name].fixed if map_name in one.slices else ""
    return (
        [(f"{fixed} {value}", value) for value in one.values[fixed]]
        if fixed
        else [("\u2013", None)]
    )


def _told(place: Place, summary: Summary | None) -> str:
    """A place in a sentence, for the pointer and for a screen reader."""
    name = short_name(place.setting)
    course = ", the course's setting" if place.setting == COURSE else ""
    if summary is None:
        return f"{name}{course}: {place.problem or 'not measured'}"
    return (
        f"{name}{course}: {percent(summary.accuracy)}, {seeds_text(summary.n_seeds)}; "
        f"{summary.train_seconds:.1f} s, {summary.inference_ms:.2f} ms per clip, "
        f"{summary.n_cells} cells"
    )


def _bars_text(n_seeds: set[int]) -> str:
    """What the error bars are; seeds may still be coming in."""
    most = max(n_seeds, default=0)
    if most < 2:
        return "one seed each: no error bars"
    few = min(n_seeds)
    seeds = f"{most} seeds" if few == most else f"{few} to {most} seeds"
    return f"bars: \u00b1 one standard deviation of {seeds}"


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def explore_tuning(results: Any = None, words: Words | None = None, **start: Any) -> TuningExplorer:
    """Walk through what was measured: accuracy, cost and picture of every setting.

    The map shows mean and standard deviation over the seeds; the chart beside it accuracy against
    cost, with the settings that no other beats. Pointing at a cell or a point, or going to it with
    the arrow keys, shows a word as the network with these settings sees it.

    Args:
        results: A file that ``run_sweep`` wrote, its records, or summaries; ``None`` takes what
            was measured for the course, ``docs/sweep.jsonl``.
        words: Clips to be shown, one for each word; the bundled validation voices when ``None``.
        **start: First values: ``compare`` ("n_fft, hop_length, n_mels", "mel or linear", "scale
            and normalising"), ``map`` ("n_fft \u00d7 hop_length" and so on: across and down),
            ``at`` (value of the third parameter), ``test_set``, ``cost`` ("training time", "time
            per clip", "picture size"), ``word``.

    Returns:
        An explorer that shows itself when it stands last in a cell.

    Raises:
        TypeError: If a start value names no control.
        ValueError: If there are no results, or a start value cannot be used.

    Notebook: 07_tuning.ipynb.
    """
    return TuningExplorer(results, words, start=start)
