"""explore_your_sound: any sound through the whole chain, and what the word network hears in it."""

from __future__ import annotations

import copy
import dataclasses
import io
import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets as widgets
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.data.recordings import course_folder
from course_utils.explorers.base import Explorer, _mono, _sentence
from course_utils.explorers.clips import N_BITS, NO_NOISE, shifted
from course_utils.explorers.controls import make_menu, make_slider
from course_utils.explorers.live import LiveChain
from course_utils.explorers.network_pictures import NetworkPictures
from course_utils.explorers.waveform import _Stages
from course_utils.models.confidence import (
    MOST_CLIPPED,
    SILENT_BELOW_DBFS,
    Confidence,
    count_clipped,
)
from course_utils.models.explain import PATCH, occlusion
from course_utils.models.features import centre_by_energy
from course_utils.models.features_file import write_features
from course_utils.models.word_model import WordModel, WordModelError, load_word_model
from course_utils.signal import (
    db_to_amplitude,
    peak_dbfs,
    power_to_db,
    quantize,
    resample,
    rms_dbfs,
)
from course_utils.small_png import small_png
from course_utils.sound_view import Axis, Chart, Lane, Line, Picture

MODEL = Path("audio_samples", "words", "word_model.pt")  # what lesson 06 trained
LOUDEST, BY_HAND = "most energy", "by hand"
SNR_DB = (NO_NOISE, 40, 30, 25, 20, 15, 10, 5, 0, -5, -10)
SHIFT_MS = tuple(range(-500, 525, 25))
SPEED = tuple(n / 100 for n in range(50, 205, 5))
GAIN_DB = tuple(range(-60, 45, 5))
_LIMITS = {
    "snr_db": (-20, NO_NOISE), "shift_ms": (-500, 500), "speed": (0.5, 2.0), "gain_db": (-100, 60),
}  # fmt: skip
_STEP_S = 0.01  # of the start: the page rounds to it, so the kernel does, too
_EXACT_S = 30  # seconds in which the loudest second is found to the sample
_MOST_BLOCKS = 400  # of the line that shows a whole sound
_FLOOR_DB = -80.0
_WIDTH = "265px"  # four sliders side by side
_DOT = " \u00b7 "


class Heard(NamedTuple):
    """One second as the sliders made it.

    Attributes:
        waveform: What is played, and what the network gets, ``(time,)``.
        n_cut: How many samples the gain pushed beyond full scale, where they were cut off.
        n_clipped: How many samples at full scale the second had before that.
    """

    waveform: Tensor
    n_cut: int
    n_clipped: int


class YourSoundExplorer(Explorer):
    """A sound, one second of it, and what a network hears there; see :func:`explore_your_sound`.

    Attributes:
        name: Where the sound comes from.
        exported: The files that were written last.
    """

    title = "Your-sound explorer"
    lanes = (
        Lane("waveform", "waveform", "waveform: the second that is heard", height=56),
        Lane("spectrogram", "picture", "spectrogram, in dB", height=96),
        Lane("mel", "picture", "Mel power, in % of the loudest cell", height=72),
        Lane("decibel", "picture", "Mel power in dB", height=88),
        Lane("picture", "picture", "normalised: what the network sees", height=104),
        Lane("saliency", "picture", "saliency: what speaks for its first guess", height=104),
        Lane("probabilities", "chart", "probability of each word", height=112),
        Lane("whole", "chart", "the whole sound, and the second taken from it", height=72),
    )

    def __init__(
        self,
        sound: Any,
        sample_rate: float | None,
        *,
        model: WordModel,
        confidence: Confidence | None,
        start: dict[str, Any],
    ) -> None:
        # a copy: what is trained on in another cell is neither changed nor shown half-way
        self._model = copy.deepcopy(model)
        self._model.network.eval()
        if confidence is not None and confidence.n_classes != len(model.label_names):
            raise ValueError(
                f"confidence was measured with {confidence.n_classes} words, and the model knows "
                f"{len(model.label_names)}: measure it with this model"
            )
        self._confidence = confidence
        self._rate = model.features.params.sample_rate
        self._n_samples = self._rate  # one second: what the network was shown
        self._pictures_of = NetworkPictures(model.features.params, n_samples=self._n_samples)
        self._noise = torch.randn(self._n_samples, generator=torch.Generator().manual_seed(0))
        self._kept = _Stages()
        self._heard_key: Any = None
        self._source = sound
        self._picked: Any = None
        self.exported: list[Path] = []
        waveform, rate, self.name = _read(sound, sample_rate)
        self._sound = self._at_rate(waveform, rate)
        self._loudest_s = self._find_loudest_s()
        if "start_s" in start:
            start = {"stretch": BY_HAND} | start
        self.defaults = {
            "snr_db": NO_NOISE,
            "shift_ms": 0,
            "speed": 1.0,
            "gain_db": 0,
            "stretch": LOUDEST,
            "start_s": self._loudest_s,
        }
        super().__init__(torch.zeros(self._n_samples), self._rate, start=start)
        self.view.pin_lane = "picture"
        self._follow(sound)

    # ---- which sound

    def take(self, waveform: Any, sample_rate: float, name: str = "your sound") -> None:
        """Show another sound, and its loudest second.

        Args:
            waveform: ``(time,)`` or ``(channels, time)``, in [-1, 1].
            sample_rate: In Hz.
            name: Where it comes from.

        Raises:
            ValueError: If it holds no sound.
        """
        sound = self._at_rate(_checked(waveform), sample_rate)
        with self._lock:
            self._sound, self.name = sound, str(name)
            self._loudest_s = self._find_loudest_s()
            self._kept, self._heard_key = _Stages(), None
            quiet, self._quiet = self._quiet, True
            try:
                slider = self.sliders["start_s"]
                slider.value, slider.max = 0.0, max(self._last_start_s, _STEP_S)
                slider.disabled = self._last_start_s <= 0.0
                self.sliders["stretch"].value = LOUDEST
                slider.value = self._loudest_s
            finally:
                self._quiet = quiet
            self.render()

    def _follow(self, source: Any) -> None:
        """Show what is recorded or chosen later, where the sound came from a recorder or a list."""
        recorder, picker = (getattr(source, name, None) for name in ("recorder", "picker"))
        if recorder is not None:
            recorder.on_keep(lambda waveform, rate: self.take(waveform, rate, "your recording"))
        if picker is not None:
            # another file of the same name says the same, and has another id
            picker.observe(lambda _change: self._take_picked(picker), names=["said", "chosen"])

    def _take_picked(self, picker: Any) -> None:
        if picker.sound is not None and picker.sound is not self._picked:
            self._picked = picker.sound
            self.take(*picker.sound[:3])

    def _at_rate(self, waveform: Tensor, sample_rate: float) -> Tensor:
        if isinstance(sample_rate, bool) or not 1000 <= sample_rate <= 400_000:
            raise ValueError(f"sample_rate={sample_rate!r} must be from 1000 to 400000 Hz")
        at_rate = resample(waveform, sample_rate=round(sample_rate), new_sample_rate=self._rate)
        return at_rate.clamp(-1.0, 1.0)  # the filter may overshoot a little

    @property
    def _seconds(self) -> float:
        return len(self._sound) / self._rate

    @property
    def _last_start_s(self) -> float:
        """The latest start, on the slider's steps; 0 where there is no choice."""
        steps = (len(self._sound) - self._n_samples) / (_STEP_S * self._rate)
        return round(max(0, math.floor(steps)) * _STEP_S, 2)

    def _find_loudest_s(self) -> float:
        start_s = loudest_start(self._sound, self._n_samples) / self._rate
        return min(round(round(start_s / _STEP_S) * _STEP_S, 2), self._last_start_s)

    # ---- controls

    def _make_control(self, name: str, value: Any) -> widgets.Widget:
        if name == "stretch":
            if value not in (LOUDEST, BY_HAND):
                raise ValueError(f"stretch must be {LOUDEST!r} or {BY_HAND!r}, got {value!r}")
            return make_menu(name, [LOUDEST, BY_HAND], value)
        if name == "start_s":
            return self._make_start(value)
        steps, text = {
            "snr_db": (SNR_DB, lambda snr: "no noise" if snr == NO_NOISE else _db(snr)),
            "shift_ms": (SHIFT_MS, lambda ms: f"{_signed(ms)} ms"),
            "speed": (SPEED, lambda speed: f"\u00d7 {speed:g}"),
            "gain_db": (GAIN_DB, _db),
        }[name]
        _check_number(name, value, *_LIMITS[name])
        ordered = sorted({*steps, value}, reverse=name == "snr_db")
        slider = make_slider(name, [(text(step), step) for step in ordered], value)
        slider.layout.width = _WIDTH
        return slider

    def _make_start(self, value: Any) -> widgets.FloatSlider:
        _check_number("start_s", value, 0.0, self._last_start_s)
        slider = widgets.FloatSlider(
            value=value, min=0.0, max=max(self._last_start_s, _STEP_S), step=_STEP_S,
            description="start_s", readout_format=".2f", continuous_update=True,
            style={"description_width": "86px"}, layout={"width": _WIDTH},
            disabled=self._last_start_s <= 0.0,
        )  # fmt: skip
        slider.observe(self._on_start_by_hand, names="value")
        return slider

    def _control_rows(self) -> list[widgets.Widget]:
        self._format = make_menu("format", [("npy and json", "npy"), ("pt", "pt")], "npy")
        self._button = widgets.Button(
            description="Export", icon="download", tooltip="picture and features, into uploads/"
        )
        self._button.on_click(lambda _button: self._export_clicked())
        self._said = widgets.Label("")
        rows = (
            ("snr_db", "shift_ms", "speed", "gain_db"),
            ("stretch", "start_s", self._format, self._button, self._said),
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
        if "start_s" in values:
            values = {"stretch": BY_HAND} | values
        super().set(**values)

    def _on_start_by_hand(self, _change: Any) -> None:
        """Whoever moves the start has chosen by hand."""
        if not self._quiet and "stretch" in self.sliders:
            quiet, self._quiet = self._quiet, True
            try:
                self.sliders["stretch"].value = BY_HAND
            finally:
                self._quiet = quiet

    def render(self) -> None:
        """Compute and show everything; an error is said in the widget, the last picture kept."""
        with self._lock:
            if self.settings["stretch"] == LOUDEST:
                quiet, self._quiet = self._quiet, True
                try:
                    self.sliders["start_s"].value = self._loudest_s
                finally:
                    self._quiet = quiet
            super().render()

    # ---- the way of the sound

    def _heard(self, settings: dict[str, Any]) -> Heard:
        key = tuple(settings[name] for name in self.defaults if name != "stretch")
        return self._kept("heard", key, lambda: self._make_heard(settings))

    def _make_heard(self, settings: dict[str, Any]) -> Heard:
        """Cut, speed, shift, noise, gain, 16 bits, centre: in this order."""
        n, speed = self._n_samples, settings["speed"]
        middle = (
            len(self._sound) / 2
            if len(self._sound) <= n
            else round(settings["start_s"] * self._rate) + n / 2
        )
        clip = piece(self._sound, middle, round(n * speed))
        n_clipped = count_clipped(clip)
        if speed != 1.0:
            played = resample(clip, sample_rate=round(100 * speed), new_sample_rate=100)
            clip = piece(played, len(played) / 2, n)
        clip = shifted(clip, round(settings["shift_ms"] * self._rate / 1000))
        if settings["snr_db"] != NO_NOISE:
            clip = add_noise(clip, self._noise, snr_db=settings["snr_db"])
        clip = clip * db_to_amplitude(torch.tensor(float(settings["gain_db"])))
        n_cut = int(torch.count_nonzero(clip.abs() > 1.0))
        clip = quantize(clip.clamp(-1.0, 1.0), n_bits=N_BITS)
        return Heard(
            centre_by_energy(clip) if self._model.features.centre else clip, n_cut, n_clipped
        )

    @torch.no_grad()
    def _mel_power(self, settings: dict[str, Any]) -> Tensor:
        heard = self._heard(settings).waveform
        log_mel = self._model.features.log_mel  # the waveform is centred already where it should be
        return self._kept("mel", id(heard), lambda: log_mel.mel_spectrogram(heard))

    def _seen(self, settings: dict[str, Any]) -> Tensor:
        """What the network gets, ``(n_mels, n_frames)``."""
        mel_power = self._mel_power(settings)
        return self._kept("seen", id(mel_power), lambda: self._model.features.picture(mel_power))

    def _shares(self, settings: dict[str, Any]) -> Tensor:
        """Probability of each word, ``(n_classes,)``."""
        seen = self._seen(settings)
        return self._kept("shares", id(seen), lambda: self._model.read(seen[None])[0].softmax(-1))

    def _saliency(self, settings: dict[str, Any]) -> Tensor:
        seen, guess = self._seen(settings), int(self._shares(settings).argmax())
        make = lambda: occlusion(self._model.network, seen, guess, step=PATCH)  # noqa: E731
        return self._kept("saliency", id(seen), make)

    # ---- what is shown

    def _pictures(self, chain: LiveChain, settings: dict[str, Any]) -> dict[str, Picture | Chart]:
        heard, mel_power = self._heard(settings).waveform, self._mel_power(settings)
        seen, features = self._seen(settings), self._model.features
        about = self._told(settings)
        visible = tuple(self.view.visible)
        key = (id(heard), visible)
        make = {
            "spectrogram": lambda: self._spectrogram(heard, visible, about),
            "mel": lambda: self._mel_picture(mel_power, about),
            "decibel": lambda: self._decibel_picture(mel_power, about),
            "picture": lambda: self._pictures_of.seen(seen, features, settings=about),
            "saliency": lambda: self._saliency_picture(settings, about),
            "probabilities": lambda: self._chart(self._shares(settings), about),
            "whole": lambda: self._whole_chart(settings, about),
        }
        return {
            lane: self._kept(f"picture of {lane}", key if lane == "spectrogram" else key[:1], one)
            for lane, one in make.items()
        }

    def _told(self, settings: dict[str, Any]) -> dict[str, Any]:
        told = dict(settings) | {"start_s": round(settings["start_s"], 2), "sound": self.name}
        return told | {"snr_db": "no noise" if told["snr_db"] == NO_NOISE else told["snr_db"]}

    def _spectrogram(
        self, heard: Tensor, visible: tuple[float, float], about: dict[str, Any]
    ) -> Picture:
        params = self._model.features.params
        settings = {
            "n_fft": params.n_fft, "hop_length": params.hop_length, "win_length": params.win_length,
            "window": params.window, "freq_axis": "linear", "top_db": 80,
        }  # fmt: skip
        picture = LiveChain(heard, self._rate).spectrogram(settings, visible)
        return dataclasses.replace(picture, settings=about)

    def _mel_picture(self, mel_power: Tensor, about: dict[str, Any]) -> Picture:
        percent = 100.0 * mel_power / max(mel_power.max().item(), 1e-30)
        return self._pictures_of._over_frames(
            percent, 0.0, 100.0, value_label="power", value_unit="%",
            rows=self._pictures_of._rows, settings=about,
            notes=(f"{_most_in_few(mel_power)} % of the power is in 1 % of the cells",)
            if mel_power.any() else (),
        )  # fmt: skip

    def _decibel_picture(self, mel_power: Tensor, about: dict[str, Any]) -> Picture:
        top_db = self._model.features.params.top_db or 80.0
        db = power_to_db(mel_power, top_db=top_db)
        high = db.max().item()
        return self._pictures_of._over_frames(
            db, high - top_db, high, value_label="power", value_unit="dB",
            rows=self._pictures_of._rows, settings=about,
        )  # fmt: skip

    def _saliency_picture(self, settings: dict[str, Any], about: dict[str, Any]) -> Picture:
        saliency = self._saliency(settings)
        word = self._model.label_names[int(self._shares(settings).argmax())]
        note = (
            f"for \u00ab{word}\u00bb: {PATCH[0]} bands \u00d7 {PATCH[1]} frames covered change its "
            f"score by up to {saliency.abs().max().item():.2g} logits"
        )
        return self._pictures_of.saliency(saliency, signed=True, notes=(note,), settings=about)

    def _chart(self, shares: Tensor, about: dict[str, Any]) -> Chart:
        """A bar for each word; nobody knows which one is right."""
        names = self._model.label_names
        word = np.arange(len(names)).repeat(4)
        offset = np.tile([-0.25, 0.0, 0.25, 0.5], len(names))
        percent = 100.0 * shares.numpy()[word] * (offset < 0.5)
        lines = [Line(word + offset, percent, "", "bars")]
        ends = np.array([-0.625, len(names) - 0.375])
        if self._confidence is not None:
            limit = np.full(2, 100.0 * self._confidence.familiar_from)
            lines.append(Line(ends, limit, "doubtful below", "dashed"))
        return Chart(
            x=Axis("word", "", *ends.tolist(), names=tuple(names)),
            y=Axis("probability", "%", 0.0, 100.0),
            lines=tuple(lines),
            settings=about,
        )

    def _whole_chart(self, settings: dict[str, Any], about: dict[str, Any]) -> Chart:
        times_s, levels = self._kept("levels", None, lambda: level_line(self._sound, self._rate))
        start_s = settings["start_s"]
        marks = ((start_s, "from"), (start_s + 1.0, "to")) if self._last_start_s else ()
        return Chart(
            x=Axis("time", "s", 0.0, max(self._seconds, 1.0)),
            y=Axis("level", "dBFS", _FLOOR_DB, 0.0),
            lines=(Line(times_s, levels, "", "area"),),
            marks=marks,
            settings=about,
        )

    def _show(self, pictures: dict[str, Any], settings: dict[str, Any], notes: list[str]) -> None:
        heard = self._heard(settings).waveform
        with self.view.hold_sync():
            if self._heard_key != id(heard):
                self.view.set_sound(heard)
                self._heard_key = id(heard)
            super()._show(pictures, settings, notes)

    # ---- what is said

    def _readout(self, settings: dict[str, Any]) -> dict[str, Any]:
        names, shares = self._model.label_names, self._shares(settings)
        order = shares.argsort(descending=True, stable=True).tolist()
        heard = self._heard(settings)
        verdict = self._confidence and self._confidence.judge(shares, heard.waveform)
        return {
            "sound": self.name,
            "seconds": self._seconds,
            "start_s": settings["start_s"],
            "heard": names[order[0]],
            "probabilities": {names[i]: shares[i].item() for i in order},
            "verdict": verdict.kind if verdict else None,
            "sentence": verdict.sentence if verdict else "",
            "level_dbfs": rms_dbfs(heard.waveform).item(),
            "peak_dbfs": peak_dbfs(heard.waveform).item(),
            "n_clipped": heard.n_clipped,
            "n_cut": heard.n_cut,
        }

    def _readout_texts(self, readout: dict[str, Any]) -> dict[str, str]:
        three = list(readout["probabilities"].items())[:3]
        place = f"all of {readout['seconds']:.2f} s"
        if self._last_start_s:
            place = (
                f"{readout['start_s']:.2f} to {readout['start_s'] + 1.0:.2f} s of "
                f"{_duration(readout['seconds'])}"
            )
        texts = {
            "sound:": readout["sound"][:60],
            "heard:": place,
            "guesses:": _DOT.join(f"{name} {100 * share:.0f} %" for name, share in three),
        }
        if readout["verdict"]:
            texts["verdict:"] = _VERDICTS[readout["verdict"]]
        return texts | {"level:": _dbfs(readout["level_dbfs"])}

    def _notes(self, settings: dict[str, Any]) -> list[str]:
        readout, notes = self.readout, []
        if readout["sentence"]:
            notes.append(readout["sentence"])
        if readout["n_clipped"] > MOST_CLIPPED:
            notes.append(
                f"{readout['n_clipped']} samples of this second are at full scale: it was recorded "
                "too loud and is clipped. No step after the recording repairs that."
            )
        if readout["n_cut"]:
            notes.append(
                f"The gain pushes {readout['n_cut']} samples beyond full scale, where they are "
                "cut off, as in a recorder that is turned up too far."
            )
        if self._last_start_s:
            chosen = "with the most energy" if settings["stretch"] == LOUDEST else "that you chose"
            notes.append(
                f"The network hears one second, and this sound lasts {_duration(self._seconds)}: "
                f"it gets the second {chosen}."
            )
        if settings["snr_db"] != NO_NOISE and readout["peak_dbfs"] < SILENT_BELOW_DBFS:
            notes.append("The noise keeps its distance to the sound, and there is hardly any.")
        return notes

    # ---- export

    def export(
        self, folder: str | os.PathLike[str] | None = None, *, kind: str = "npy"
    ) -> list[Path]:
        """Write the picture as PNG and the features with their parameters; overwrite nothing.

        Args:
            folder: Where to; ``uploads/`` of the course when ``None``.
            kind: "npy" for ``.npy`` and ``.json``, "pt" for one file for PyTorch.

        Returns:
            The files that were written.

        Raises:
            FeaturesFileError: If the folder cannot be written to.
            ValueError: If the kind is unknown.
        """
        with self._lock:
            settings = self.settings
            seen, about = self._seen(settings), self._about(settings)
            folder = self._uploads() if folder is None else Path(folder)
            stem = Path(self.name).stem or self.name
            png = self._png(seen)
            self.exported = write_features(folder, stem, seen, about, kind=kind, png=png)
        return self.exported

    def _about(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Everything that somebody needs who wants to make the same numbers again."""
        features = self._model.features
        db = power_to_db(self._mel_power(settings), top_db=features.params.top_db)
        per_clip = features.normalize == "per clip"
        shares = self.readout["probabilities"]
        return {
            "axes": ["mel band, low to high", "frame, early to late"],
            "dtype": "float32",
            "unit": "none" if features.normalize == "none" else "standard deviations",
            "sound": self.name,
            "start_s": round(settings["start_s"], 4),
            "changes": {
                name: self._told(settings)[name]
                for name in ("snr_db", "shift_ms", "speed", "gain_db")
            },
            "mel": dataclasses.asdict(features.params),
            "features": features.settings(),
            "mean_db": db.mean().item() if per_clip else _finite(features.mean),
            "std_db": db.std(correction=0).item() if per_clip else _finite(features.std),
            "guesses": {name: round(share, 6) for name, share in shares.items()},
        }

    def _png(self, seen: Tensor) -> bytes:
        from matplotlib.figure import Figure  # only when needed: it takes a while

        from course_utils.plots import plot_log_mel

        figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
        ax = figure.add_subplot()
        image = plot_log_mel(seen, ax=ax, signed=self._model.features.normalize != "none")
        figure.colorbar(image, ax=ax, label="normalised (std)")
        heard = next(iter(self.readout["probabilities"].items()))
        title = f"{self.name[:40]}: \u00ab{heard[0]}\u00bb, {100 * heard[1]:.0f} %"
        ax.set_title(title.replace("$", r"\$"))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        return small_png(buffer.getvalue())

    def _uploads(self) -> Path:
        """``uploads/`` beside ``audio_samples/``: the folder that the list of sounds shows."""
        folders = getattr(getattr(self._source, "picker", None), "folders", None)
        if folders is not None:
            return Path(folders.root) / "uploads"
        here = Path.cwd()
        places = [here, *here.parents[:3], course_folder()]
        root = next((one for one in places if (one / "audio_samples").is_dir()), here)
        return root / "uploads"

    def _export_clicked(self) -> None:
        try:
            paths = self.export(kind=self._format.value)
            names = ", ".join(path.name for path in paths)
            self._said.value = f"written into {paths[0].parent.name}/: {names}"
        except Exception as problem:  # whatever it is, the student reads it here
            self._said.value = _sentence(problem)

    def __repr__(self) -> str:
        return f"{self.title}: {self._seconds:.3f} s at {self._rate} Hz"


_VERDICTS = {
    "silent": "nothing to hear",
    "chance": "near chance: no answer",
    "doubtful": "doubtful",
    "familiar": "as sure as with words it knows",
}


# ---- sounds


def loudest_start(waveform: Tensor, n_samples: int) -> int:
    """Find where the stretch of ``n_samples`` with the most energy begins, in samples.

    In a long sound it is found to a hundredth of the stretch.
    """
    if len(waveform) <= n_samples:
        return 0
    step = 1 if len(waveform) <= _EXACT_S * n_samples else max(1, n_samples // 100)
    whole = waveform[: len(waveform) // step * step]
    energy = whole.reshape(-1, step).square().sum(-1).double().cumsum(0)
    energy = F.pad(energy, (1, 0))  # energy before each block
    n_blocks = n_samples // step
    return int((energy[n_blocks:] - energy[:-n_blocks]).argmax()) * step


def piece(waveform: Tensor, middle: float, n_samples: int) -> Tensor:
    """Cut ``n_samples`` around a place, with silence where there is nothing, ``(n_samples,)``."""
    first = math.floor(middle - n_samples / 2 + 0.5)
    inside = waveform[max(0, first) : max(0, first + n_samples)]
    before = min(n_samples, max(0, -first))
    return F.pad(inside, (before, n_samples - before - len(inside)))


def add_noise(clip: Tensor, noise: Tensor, *, snr_db: float) -> Tensor:
    """Add noise at a distance from the clip, both RMS over the whole clip; silence stays silent."""
    clip_rms, noise_rms = (x.square().mean().sqrt() for x in (clip, noise))
    return clip + noise * (clip_rms / noise_rms) * 10.0 ** (-snr_db / 20.0)


def level_line(waveform: Tensor, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """RMS of a sound over time: times in s and levels in dBFS, a few hundred of each."""
    block = max(1, math.ceil(len(waveform) / _MOST_BLOCKS))
    padded = F.pad(waveform, (0, -len(waveform) % block)).reshape(-1, block)
    levels = rms_dbfs(padded).clamp(min=_FLOOR_DB).numpy()
    times_s = (np.arange(len(levels)) + 0.5) * block / sample_rate
    return times_s, levels


def _read(sound: Any, sample_rate: float | None) -> tuple[Tensor, float, str]:
    """Waveform, rate and name of a tensor, or of anything that has a waveform."""
    if hasattr(sound, "waveform") and hasattr(sound, "sample_rate"):
        waveform, rate = sound.waveform, sound.sample_rate
        if waveform is None:
            raise ValueError(
                "there is no sound yet: record one and press «Keep this recording», or choose one"
            )
        chosen = getattr(sound, "sound", None)  # of a list of sounds
        name = getattr(sound, "name", None) or getattr(chosen, "name", None) or "your recording"
        return _checked(waveform), rate, str(name)
    if sample_rate is None:
        raise ValueError("sample_rate is missing: give it beside the waveform, in Hz")
    return _checked(sound), sample_rate, "your sound"


def _checked(waveform: Any) -> Tensor:
    """Any sound as mono float32; a clear error for everything else."""
    try:
        mono = _mono(waveform)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise ValueError(f"waveform must be a tensor, got {type(waveform).__name__}") from problem
    if mono.ndim != 1 or len(mono) == 0:
        raise ValueError(
            "waveform must have shape (time,) or (channels, time) and at least one sample, got "
            f"{tuple(torch.as_tensor(waveform).shape)}"
        )
    if not torch.isfinite(mono).all():
        raise ValueError("waveform must be finite, but it holds NaN or infinity")
    return mono


# ---- words


def _most_in_few(mel_power: Tensor) -> int:
    """Which share of all power the loudest hundredth of the cells holds, in %."""
    cells = mel_power.flatten().sort(descending=True).values
    return round(100 * (cells[: max(1, len(cells) // 100)].sum() / cells.sum()).item())


def _check_number(name: str, value: Any, low: float, high: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        top = "infinity (no noise)" if high == NO_NOISE else f"{high:g}"
        raise ValueError(f"{name}={value!r} must be a number from {low:g} to {top}")


def _finite(value: Tensor) -> float | None:
    number = value.item()
    return number if math.isfinite(number) else None


def _signed(value: float) -> str:
    return f"\u2212{-value:g}" if value < 0 else f"{value:g}"


def _db(value: float) -> str:
    return f"{_signed(value)} dB"


def _dbfs(level: float) -> str:
    return f"{level:.1f} dBFS".replace("-", "\u2212") if math.isfinite(level) else "silence"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


# ---- what a notebook calls


def load_course_model(path: str | os.PathLike[str] | None = None) -> WordModel:
    """Load the word model that comes with the course.

    Args:
        path: Another file, for example one that you saved in lesson 06.

    Raises:
        WordModelError: If it is not there or cannot be used; one sentence says what to do.

    Notebook: 08_your_sound.ipynb.
    """
    path = course_folder() / MODEL if path is None else Path(path)
    if not path.exists():
        raise WordModelError(
            f"{path.name} is not there: train a network in lesson 06 and save it with "
            f'model.save("../{MODEL.as_posix()}")'
        )
    return load_word_model(path)


def explore_your_sound(
    sound: Any,
    sample_rate: float | None = None,
    *,
    model: WordModel,
    confidence: Confidence | None = None,
    **start: Any,
) -> YourSoundExplorer:
    """Send a sound through the whole chain, and hear what a network makes of it.

    Of a sound longer than a second the network hears one second: the one with the most energy, or
    one that you choose. What is played is exactly what it gets.

    Args:
        sound: What ``your_sound()``, a recorder or a list of sounds gives (the explorer then
            follows what is recorded or chosen later), or a waveform ``(time,)``.
        sample_rate: Of a waveform, in Hz.
        model: A word model, for example :func:`load_course_model`'s.
        confidence: What :func:`course_utils.models.confidence.calibrate` measured; without it no
            verdict is given.
        **start: First values: ``snr_db`` (``math.inf`` for no noise), ``shift_ms``, ``speed``,
            ``gain_db``, ``stretch`` ("most energy", "by hand"), ``start_s``.

    Returns:
        An explorer that shows itself when it stands last in a cell; ``.export()`` writes the
        picture and its numbers.

    Raises:
        TypeError: If a start value names no control.
        ValueError: If the sound or a start value cannot be used.

    Notebook: 08_your_sound.ipynb.
    """
    return YourSoundExplorer(sound, sample_rate, model=model, confidence=confidence, start=start)
