"""explore_cnn: a clip on its way through the network, and what moves the word that comes out."""

from __future__ import annotations

import copy
import math
from typing import Any

import ipywidgets as widgets
import torch
from torch import Tensor, nn

from course_utils.explorers.base import Explorer
from course_utils.explorers.clips import NO_NOISE, Heard, Words, check_fits, disturb
from course_utils.explorers.cnn_controls import (
    ALL,
    PREDICTED,
    WEIGHTS,
    channel_options,
    make_channel_slider,
    make_cnn_control,
)
from course_utils.explorers.live import LiveChain
from course_utils.explorers.network_pictures import NetworkPictures, probability_chart
from course_utils.explorers.waveform import _Stages
from course_utils.models.evaluate import predictions
from course_utils.models.explain import (
    PATCH,
    feature_maps,
    grad_cam,
    occlusion,
    rank_correlation,
    with_random_weights,
)
from course_utils.models.word_model import WordModel
from course_utils.signal import rms_dbfs
from course_utils.sound_view import Chart, Lane, Picture

_RANDOM_SEED = 1
_ALIKE = 0.7  # rank correlation above which two saliency maps show the same
_DOT = " \u00b7 "


class CnnExplorer(Explorer):
    """A clip, its picture, saliency, feature maps and probabilities; see :func:`explore_cnn`.

    Attributes:
        index: Number of the clip that is shown.
    """

    title = "CNN explorer"
    lanes = (
        Lane("waveform", "waveform", "what the network hears", height=56),
        Lane("picture", "picture", "what the network sees", height=128),
        Lane("saliency", "picture", "saliency", height=112),
        Lane("feature_map", "picture", "feature map", height=112),
        Lane("probabilities", "chart", "probability of each word", height=128),
    )

    def __init__(
        self, model: WordModel, words: Words, *, index: int | None = None, start: dict[str, Any]
    ) -> None:
        check_fits(model, words)
        if index is not None and not 0 <= index < len(words.labels):
            raise ValueError(f"index={index} must be from 0 to {len(words.labels) - 1}")
        # a copy: what is trained on in another cell is neither changed nor shown half-way
        self._models = {"trained": copy.deepcopy(model), "random": copy.copy(model)}
        self._models["random"].network = with_random_weights(model.network, seed=_RANDOM_SEED)
        self._models["random"].features = self._models["trained"].features
        for one in self._models.values():
            one.network.eval()
        self._words = words
        heard = predictions(self._models["trained"], words).argmax(-1)  # (n_clips,)
        self._is_right = heard == words.labels
        self._pictures_of = NetworkPictures(
            model.features.params, n_samples=words.waveforms.shape[-1]
        )
        generator = torch.Generator().manual_seed(0)
        self._noise = torch.randn(words.waveforms.shape[-1], generator=generator)
        self._kept = _Stages()
        self._heard_key: Any = None
        self.index = _loudest(words, self._is_right) if index is None else index
        self.defaults = {
            "show": ALL,
            "word": ALL,
            "gain_db": 0,
            "snr_db": NO_NOISE,
            "shift_ms": 0,
            "centre": "on" if model.features.centre else "off",
            "saliency": "occlusion",
            "target": PREDICTED,
            "stage": min(2, len(model.network.stages)),
            "channel": 0,
            "weights": "trained",
        }
        super().__init__(words.waveforms[self.index], words.sample_rate, start=start)
        self.view.pin_lane = "saliency"

    # ---- controls

    def _make_control(self, name: str, value: Any) -> widgets.Widget:
        if name == "channel":
            stage = self._start["stage"]
            return make_channel_slider(stage, self._n_channels(stage), value)
        n_stages = len(self._models["trained"].network.stages)
        names = tuple(self._words.label_names)
        control = make_cnn_control(name, value, label_names=names, n_stages=n_stages)
        if name == "stage":
            control.observe(self._fit_channels, names="value")
        return control

    def _n_channels(self, stage: int) -> int:
        def make() -> int:
            picture = self._models["trained"].features(self._words.waveforms[self.index])
            return len(feature_maps(self._models["trained"].network, picture, stage=stage - 1))

        return self._kept(f"channels of {stage}", None, make)

    def _fit_channels(self, change: Any) -> None:
        """Another stage has another number of channels."""
        slider = self.sliders["channel"]
        n_channels = self._n_channels(change.new)
        value = min(slider.value, n_channels - 1)
        quiet, self._quiet = self._quiet, True
        try:
            slider.options = channel_options(change.new, n_channels, value)
            slider.value = value
        finally:
            self._quiet = quiet

    def _control_rows(self) -> list[widgets.Widget]:
        self._back = widgets.Button(tooltip="previous clip", icon="chevron-left")
        self._next = widgets.Button(tooltip="next clip", icon="chevron-right")
        for button, by in ((self._back, -1), (self._next, 1)):
            button.layout.width = "44px"
            button.on_click(lambda _button, by=by: self.step(by))
        self._place = widgets.Label("", layout={"min_width": "260px"})
        rows = (
            ("show", "word", self._back, self._next, self._place),
            ("gain_db", "snr_db", "shift_ms", "centre"),
            ("saliency", "target", "stage", "channel", "weights"),
        )
        return [
            widgets.HBox(
                [self.sliders[one] if isinstance(one, str) else one for one in row],
                layout={"flex_flow": "row wrap", "align_items": "center"},
            )
            for row in rows
        ]

    def set(self, **values: Any) -> None:
        """Move several controls and redraw once; see :meth:`Explorer.set`."""
        super().set(**dict(sorted(values.items(), key=lambda item: item[0] != "stage")))

    # ---- which clip

    @property
    def found(self) -> list[int]:
        """Numbers of the clips that the menus «show» and «word» leave."""
        settings = self.settings
        chosen = torch.ones_like(self._is_right)
        if settings["show"] != ALL:
            chosen &= self._is_right == (settings["show"] == "right")
        if settings["word"] != ALL:
            chosen &= self._words.labels == self._words.label_names.index(settings["word"])
        return chosen.nonzero()[:, 0].tolist()

    def step(self, by: int) -> None:
        """Go to the next clip (1) or the previous one (-1) of those that are shown; in a ring."""
        found = self.found
        if found:
            at = found.index(self.index) if self.index in found else -1
            self.show_clip(found[(at + by) % len(found)])

    def show_clip(self, index: int) -> None:
        """Show a clip by its number in the set.

        Raises:
            IndexError: If there is no such clip.
        """
        if not 0 <= index < len(self._words.labels):
            raise IndexError(f"index={index} must be from 0 to {len(self._words.labels) - 1}")
        self.index = index
        self.render()

    def render(self) -> None:
        """Compute and show everything; an error is said in the widget, the last picture kept."""
        with self._lock:
            found = self.found
            if found and self.index not in found:
                self.index = found[0]
            self._say_place(found)
            super().render()

    def _say_place(self, found: list[int]) -> None:
        place = f"clip {found.index(self.index) + 1} of {len(found)}" if found else "no such clip"
        self._place.value = f"{place}{_DOT}{self._words.names[self.index]}"
        self._back.disabled = self._next.disabled = len(found) < 2

    # ---- the way of the clip

    def _make_chain(self, waveform: Tensor, sample_rate: float) -> LiveChain:
        return LiveChain(waveform, sample_rate)

    def _heard(self, settings: dict[str, Any]) -> Heard:
        names = ("shift_ms", "snr_db", "gain_db", "centre")
        rate = self._words.sample_rate
        return self._kept(
            "heard",
            (self.index, *(settings[name] for name in names)),
            lambda: disturb(
                self._words.waveforms[self.index],
                shift=round(settings["shift_ms"] * rate / 1000),
                noise=self._noise,
                snr_db=settings["snr_db"],
                gain_db=settings["gain_db"],
                centre=settings["centre"] == "on",
            ),
        )

    def _seen(self, settings: dict[str, Any]) -> Tensor:
        """What the network gets, ``(n_mels, n_frames)``."""
        heard = self._heard(settings).waveform
        features = self._models["trained"].features

        def make() -> Tensor:
            with torch.no_grad():
                # the waveform is centred already where it should be
                return features.picture(features.log_mel.mel_spectrogram(heard))

        return self._kept("seen", id(heard), make)

    def _network(self, settings: dict[str, Any]) -> nn.Module:
        return self._models[settings["weights"]].network

    def _class_of(self, settings: dict[str, Any]) -> int:
        if settings["target"] == PREDICTED:
            return int(self._shares(settings).argmax())
        return self._words.label_names.index(settings["target"])

    def _shares(self, settings: dict[str, Any]) -> Tensor:
        """Probability of each word, ``(n_classes,)``."""
        seen, model = self._seen(settings), self._models[settings["weights"]]
        key = (id(seen), settings["weights"])
        return self._kept("shares", key, lambda: model.read(seen[None])[0].softmax(-1))

    def _saliency(self, settings: dict[str, Any], weights: str, class_index: int) -> Tensor:
        seen, network = self._seen(settings), self._models[weights].network
        how, stage = settings["saliency"], settings["stage"]
        key = (id(seen), how, class_index, stage if how == "Grad-CAM" else None)

        def make() -> Tensor:
            if how == "Grad-CAM":
                return grad_cam(network, seen, class_index, stage=stage - 1)
            return occlusion(network, seen, class_index, step=PATCH)  # each cell is covered once

        return self._kept(f"saliency {weights}", key, make)

    def _maps(self, settings: dict[str, Any]) -> Tensor:
        """All channels of the stage that was chosen, ``(channels, rows, columns)``."""
        seen, network, stage = self._seen(settings), self._network(settings), settings["stage"]
        key = (id(seen), settings["weights"], stage)
        return self._kept("maps", key, lambda: feature_maps(network, seen, stage=stage - 1))

    # ---- what is shown

    def _pictures(self, chain: LiveChain, settings: dict[str, Any]) -> dict[str, Picture | Chart]:
        seen, shares = self._seen(settings), self._shares(settings)
        weights, class_index = settings["weights"], self._class_of(settings)
        saliency = self._saliency(settings, weights, class_index)
        maps, features = self._maps(settings), self._models["trained"].features
        shown = ("index", "gain_db", "snr_db", "shift_ms", "centre", "weights")
        about = {name: _told(value) for name, value in ({"index": self.index} | settings).items()}
        base = {name: about[name] for name in shown}
        word = self._words.label_names[class_index]
        of_saliency = (
            base
            | {"saliency": settings["saliency"], "target": word}
            | {name: about[name] for name in ("stage",) if settings["saliency"] == "Grad-CAM"}
        )
        of_map = base | {"stage": about["stage"], "channel": about["channel"]}
        new = {
            "picture": (base, lambda: self._pictures_of.seen(seen, features, settings=base)),
            "saliency": (
                of_saliency,
                lambda: self._saliency_picture(saliency, word, settings=of_saliency),
            ),
            "feature_map": (of_map, lambda: self._map_picture(maps, settings=of_map)),
            "probabilities": (base, lambda: self._chart(shares, settings=base)),
        }
        return {
            lane: self._kept(f"picture of {lane}", tuple(key.items()), make)
            for lane, (key, make) in new.items()
        }

    def _saliency_picture(self, saliency: Tensor, word: str, **about: Any) -> Picture:
        settings = about["settings"]
        if settings["saliency"] == "Grad-CAM":
            note = f"for \u00ab{word}\u00bb: Grad-CAM of stage {settings['stage']}"
            return self._pictures_of.saliency(saliency, signed=False, notes=(note,), **about)
        note = (
            f"for \u00ab{word}\u00bb: {PATCH[0]} bands \u00d7 {PATCH[1]} frames covered change its "
            f"score by up to {saliency.abs().max().item():.2g} logits"
        )
        return self._pictures_of.saliency(saliency, signed=True, notes=(note,), **about)

    def _map_picture(self, maps: Tensor, **about: Any) -> Picture:
        settings = about["settings"]
        about["notes"] = (
            f"stage {settings['stage']}, channel {settings['channel']} of {len(maps)}: "
            f"{maps.shape[1]} \u00d7 {maps.shape[2]} units",
        )
        return self._pictures_of.feature_map(
            maps[settings["channel"]],
            self._models["trained"].network,
            stage=settings["stage"] - 1,
            top=maps.max().item(),
            **about,
        )

    def _chart(self, shares: Tensor, **about: Any) -> Chart:
        said = int(self._words.labels[self.index])
        return probability_chart(shares, said, self._words.label_names, **about)

    def _show(self, pictures: dict[str, Any], settings: dict[str, Any], notes: list[str]) -> None:
        heard = self._heard(settings).waveform
        with self.view.hold_sync():
            if self._heard_key != id(heard):
                self.view.set_sound(heard)
                self._heard_key = id(heard)
            super()._show(pictures, settings, notes)

    # ---- what is said

    def _readout(self, settings: dict[str, Any]) -> dict[str, Any]:
        names, shares = self._words.label_names, self._shares(settings)
        order = shares.argsort(descending=True, stable=True).tolist()
        said = names[int(self._words.labels[self.index])]
        readout = {
            "said": said,
            "heard": names[order[0]],
            "right": names[order[0]] == said,
            "probabilities": {names[i]: shares[i].item() for i in order},
            "speaker": self._words.speakers[self.index],
            "level_dbfs": rms_dbfs(self._heard(settings).waveform).item(),
        }
        if settings["weights"] == "random":
            class_index = self._class_of(settings)
            maps = [self._saliency(settings, weights, class_index) for weights in WEIGHTS]
            readout["saliency_correlation"] = rank_correlation(*maps)
        return readout

    def _readout_texts(self, readout: dict[str, Any]) -> dict[str, str]:
        three = list(readout["probabilities"].items())[:3]
        texts = {
            "said:": readout["said"],
            "heard:": _DOT.join(f"{name} {100 * share:.1f} %" for name, share in three)
            + (" \u2713" if readout["right"] else " \u2717"),
            "voice:": readout["speaker"],
            "level:": _dbfs(readout["level_dbfs"]),
        }
        if "saliency_correlation" in readout:
            value = readout["saliency_correlation"]
            texts["saliency beside the trained network's:"] = (
                "one of them is empty" if math.isnan(value) else f"rank correlation {_two(value)}"
            )
        return texts

    def _notes(self, settings: dict[str, Any]) -> list[str]:
        notes, heard = [], self._heard(settings)
        if not self.found:
            notes.append(_nothing_found(settings))
        if heard.turned_down_db > 0.05:
            notes.append(
                f"Clip and noise together would go beyond full scale: all of it is turned down by "
                f"{heard.turned_down_db:.1f} dB, so that nothing clips."
            )
        if settings["shift_ms"] and settings["centre"] == "on":
            notes.append(
                "The network moves every word into the middle of its clip first, so it undoes the "
                "shift: only what was pushed out of the clip is missing. Switch centre off to see "
                "the shift."
            )
        if settings["weights"] == "random":
            notes.append(_random_note(self.readout["saliency_correlation"]))
        elif not self._saliency(settings, settings["weights"], self._class_of(settings)).any():
            notes.append(
                "Nothing in this stage speaks for the word: Grad-CAM shows only what does. Try "
                "another stage, or occlusion."
            )
        if not self._maps(settings)[settings["channel"]].any():
            notes.append(
                f"Channel {settings['channel']} of stage {settings['stage']} is silent for this "
                "clip: what it looks for is not there."
            )
        return notes

    def __repr__(self) -> str:
        n_clips = len(self._words.labels)
        return f"{self.title}: {n_clips} clips, {len(self._words.label_names)} words"


def _loudest(words: Words, is_right: Tensor) -> int:
    """The loudest clip that is heard right: there is something to hear, and it goes well."""
    level = words.waveforms.square().mean(-1)  # (n_clips,)
    return int((level + 1e-12).where(is_right, 0.0).argmax())


def _told(value: Any) -> Any:
    return "no noise" if value == NO_NOISE else value


def _nothing_found(settings: dict[str, Any]) -> str:
    of_word = "" if settings["word"] == ALL else f" of \u00ab{settings['word']}\u00bb"
    was = {"right": " was heard right", "wrong": " was heard wrong"}.get(settings["show"], "")
    return f"No clip{of_word}{was}: the last one stays."


def _random_note(correlation: float) -> str:
    start = (
        "Sanity check: these weights are random, nothing was learned, so the probabilities are "
        "guesses. "
    )
    if math.isnan(correlation):
        return start + "One of the two saliency maps is empty, so they cannot be compared."
    if abs(correlation) < _ALIKE:
        return start + (
            "The saliency is another one, too: so it depends on what was learned, and not only on "
            "the picture."
        )
    return start + (
        "Yet the saliency is nearly the same: here it shows the picture more than what was learned."
    )


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "\u2212")


def _dbfs(level: float) -> str:
    return f"{level:.1f} dBFS".replace("-", "\u2212") if math.isfinite(level) else "silence"


def explore_cnn(
    model: WordModel, words: Words, *, index: int | None = None, **start: Any
) -> CnnExplorer:
    """Follow clips through a network, and move what it hears until it changes its mind.

    The explorer keeps a copy of the model, as it is now. What is played is exactly what the
    network gets: shifted, with noise, turned down, stored with 16 bits and centred.

    Args:
        model: A word model, trained or not.
        words: Clips with the same words, for example ``load_bundled_words("test")``.
        index: Number of the first clip; the loudest that is heard right when ``None``.
        **start: First values: ``show`` ("all", "right", "wrong"), ``word`` ("all" or a word),
            ``gain_db``, ``snr_db`` (``math.inf`` for no noise), ``shift_ms``, ``centre`` ("on",
            "off"), ``saliency`` ("Grad-CAM", "occlusion"), ``target`` ("heard word" or a word),
            ``stage`` (from 1), ``channel`` (from 0), ``weights`` ("trained", "random").

    Returns:
        An explorer that shows itself when it stands last in a cell.

    Raises:
        TypeError: If a start value names no control.
        ValueError: If model and clips do not fit each other, or a start value cannot be used.

    Notebook: 06_cnn.ipynb.
    """
    return CnnExplorer(model, words, index=index, start=start)
