"""What all explorers are: controls, presets, one SoundView, and a render that never breaks."""

from __future__ import annotations

import os
import pathlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import ipywidgets as widgets
import torch
from torch import Tensor

from course_utils.explorers.controls import AS_N_FFT, make_control
from course_utils.explorers.live import LiveChain
from course_utils.explorers.own_function import NotWrittenYetError
from course_utils.sound_view import Lane, Picture, SoundView
from course_utils.sound_view.view import with_static_picture


class Explorer:
    """Sliders and one SoundView over a sound. Subclasses say which, and compute the pictures.

    Args:
        waveform: ``(time,)`` or ``(channels, time)``, in [-1, 1].
        sample_rate: In Hz.
        start: First values of the controls.

    Attributes:
        sliders: The controls by parameter name; setting ``sliders["n_fft"].value`` redraws.
        view: The SoundView.
        widget: What is displayed: controls over view.
    """

    title = "Explorer"
    lanes: tuple[Lane, ...] = ()
    defaults: dict[str, Any] = {}
    presets: dict[str, dict[str, Any]] = {}
    zero_is_none: tuple[str, ...] = ("win_length", "norm")  # a control cannot hold None
    kind: str = ""  # what the browser's engine draws for it; empty where only the kernel can
    view_is_all: bool = True  # False where a widget beside the view says the most

    def __init__(self, waveform: Any, sample_rate: float, *, start: dict[str, Any]) -> None:
        unknown = sorted(set(start) - set(self.defaults))
        if unknown:
            raise TypeError(
                f"{self.title} has no setting {', '.join(unknown)}; "
                f"it has {', '.join(self.defaults)}"
            )
        self._quiet = False
        self._shown = False
        self._stale = False  # whether a control has moved since the last picture
        self._wanted: Any = None  # what the hand rests on: settings, visible
        self._lock = threading.RLock()
        self._start = self.defaults | start
        self.view = SoundView(waveform, sample_rate, lanes=list(self.lanes), label=self.title)
        self.chain = self._make_chain(_mono(waveform), float(sample_rate))
        self.sliders: dict[str, widgets.Widget] = {
            name: self._make_control(name, value) for name, value in self._start.items()
        }
        for slider in self.sliders.values():
            slider.observe(self._on_change, names="value")
        self.view.observe(self._on_change, names="visible")
        self.view.observe(self._on_large_type, names="large_type")
        self.widget = widgets.VBox([*self._control_rows(), self.view])
        if self.view.large_type:  # a lecture begins with it
            self.widget.add_class("sv-large-controls")
        self._let_browser_draw()
        self.render()

    # ---- what a subclass fills in

    def _make_control(self, name: str, value: Any) -> widgets.Widget:
        return make_control(name, value, sample_rate=self.view.sample_rate)

    def _make_chain(self, waveform: Tensor, sample_rate: float) -> LiveChain:
        return LiveChain(waveform, sample_rate)

    def _pictures(self, chain: LiveChain, settings: dict[str, Any]) -> dict[str, Picture]:
        raise NotImplementedError

    def _notes(self, settings: dict[str, Any]) -> list[str]:
        return hop_notes(settings)

    def _readout(self, settings: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def _readout_texts(self, readout: dict[str, Any]) -> dict[str, str]:
        raise NotImplementedError

    # ---- what everybody uses

    @property
    def settings(self) -> dict[str, Any]:
        """The values of all controls; 0 is ``None`` for those named in ``zero_is_none``."""
        held = {name: slider.value for name, slider in self.sliders.items()}
        return held | {name: held[name] or None for name in self.zero_is_none if name in held}

    @property
    def error(self) -> str:
        """The line that the widget shows about a setting that failed; empty if none did."""
        self._catch_up()
        return self.view.error

    def set(self, **values: Any) -> None:
        """Move several sliders and redraw once.

        Raises:
            KeyError: If there is no such slider.
            TraitError: If a slider has no such value.
        """
        with self._together():
            for name, value in values.items():
                self.sliders[name].value = AS_N_FFT if value is None else value

    def to_html(self, path: str | os.PathLike) -> pathlib.Path:
        """Write the explorer as one file that works in a browser, with no network and no kernel.

        Args:
            path: Where to write, for example ``"spectrogram.html"``.

        Returns:
            The path.

        Raises:
            ValueError: If only the kernel can draw it, as with your own function.
        """
        from course_utils.explorers.page import to_html

        return to_html(self, path)

    @property
    def readout(self) -> dict[str, Any]:
        """The numbers of the read-out, for the settings of this moment."""
        self._catch_up()
        return self._numbers

    @readout.setter
    def readout(self, numbers: dict[str, Any]) -> None:
        self._numbers = numbers

    def render(self) -> None:
        """Compute and show the pictures; an error is said in the widget, the last picture kept."""
        with self._lock, self.view.hold_sync():  # messages may run in another thread than cells
            self._stale = False
            settings = self.settings
            self._draw(settings)
            if self.view.live:  # other explorers may hold what JSON cannot: an infinite ratio
                self.view.shown_for = {
                    "settings": settings,
                    "visible": list(self.view.visible),
                    "sound": self.view.live_sound.get("serial", 0),
                }

    def _draw(self, settings: dict[str, Any]) -> None:
        try:
            pictures, notes = self._pictures(self.chain, settings), []
        except NotWrittenYetError as reason:
            pictures, notes = self._course_pictures(settings), [str(reason)]
        except Exception as problem:  # whatever it is, the student reads it here
            return self._say(problem, settings)
        self._show(pictures, settings, notes)

    def _show(
        self, pictures: dict[str, Picture], settings: dict[str, Any], notes: list[str]
    ) -> None:
        self.readout = self._readout(settings)
        texts = self._readout_texts(self.readout)
        self.view.show(pictures, readout=texts, notes=notes + self._notes(settings))
        self._shown = True

    def _say(self, problem: Exception, settings: dict[str, Any]) -> None:
        """One readable line in the widget; before any good picture, the course's stands in."""
        kept = "The picture is still the last good one."
        if not self._shown and self.chain.is_own:
            with suppress(Exception):
                self._show(self._course_pictures(settings), settings, [])
            kept = "The picture is the course's."
        self.view.error = f"{_sentence(problem)} {kept if self._shown else ''}".strip()

    def _course_pictures(self, settings: dict[str, Any]) -> dict[str, Picture]:
        """The pictures without the student's function."""
        return self._pictures(LiveChain(self.chain.waveform, self.chain.sample_rate), settings)

    def _on_change(self, _change: Any) -> None:
        if self._quiet:
            return
        with self._lock:
            self._stale = True
            if not self._is_previewed or self._is_at_rest:
                self._catch_up()

    def _catch_up(self) -> None:
        """Render what previews have left undone; nothing that Python reads is ever stale."""
        with self._lock:
            if self._stale:
                self.render()

    # ---- previews: the browser draws while the hand moves, the kernel when it rests

    @property
    def _is_previewed(self) -> bool:
        return self.view.previews and self.view.engine != "PyTorch"

    @property
    def _is_at_rest(self) -> bool:
        moved = {name: self.settings[name] for name in self.sliders}
        return self._wanted == [moved, list(self.view.visible)]

    def _let_browser_draw(self) -> None:
        """Tell the view all that its engine needs; nothing, where only the kernel can draw."""
        self.view.catch_up = self._catch_up
        if not self.kind or self.chain.is_own:
            return
        live = self._live()
        self.view.set_live_sound(self._live_waveform(), is_played=live.get("gain") != "file")
        self.view.live = live
        self.view.on_msg(self._on_message)
        self.view.observe(self._on_engine, names=["engine", "previews"])

    def _live_waveform(self) -> Tensor:
        return self.chain.waveform

    def _live(self) -> dict[str, Any]:
        """What the browser draws, and from which controls (the trait ``live``)."""
        presets = self.presets and self.presets | {"as at the start": self._start}
        return {
            "kind": self.kind,
            "lanes": [lane.id for lane in self.lanes if lane.kind != "waveform"],
            "controls": [_live_control(*pair) for pair in self.sliders.items()],
            "zero_is_none": list(self.zero_is_none),
            "fixed": self._live_fixed(),
            "presets": {name: _held(self._preset(values)) for name, values in presets.items()},
            "most_gain": min(self.view.most_gain, sys.float_info.max),  # JSON has no infinity
        }

    def _live_fixed(self) -> dict[str, Any]:
        """Settings that no control moves."""
        return {}

    def _on_message(self, _view: Any, content: Any, _buffers: Any) -> None:
        """The hand rests: the picture that counts is wanted, as soon as the last step is here."""
        if not isinstance(content, dict) or content.get("type") != "rest":
            return
        with self._lock:
            self._wanted = [content.get("settings"), content.get("visible")]
            if self._is_at_rest:
                self._catch_up()

    def _on_engine(self, _change: Any) -> None:
        if not self._is_previewed:
            self._catch_up()

    def _on_large_type(self, change: Any) -> None:
        (self.widget.add_class if change.new else self.widget.remove_class)("sv-large-controls")

    @contextmanager
    def _together(self) -> Iterator[None]:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False
        self.render()

    def _control_rows(self) -> list[widgets.Widget]:
        rows = [widgets.HBox(list(self.sliders.values()), layout={"flex_flow": "row wrap"})]
        if self.presets:
            rows.append(widgets.HBox(self._preset_buttons(), layout={"flex_flow": "row wrap"}))
        return rows

    def _preset_buttons(self) -> list[widgets.Widget]:
        buttons = []
        for name, values in (self.presets | {"as at the start": self._start}).items():
            told = ", ".join(f"{k} {v}" for k, v in values.items() if v is not None)
            button = widgets.Button(description=name, tooltip=told, layout={"width": "auto"})
            button.on_click(lambda _b, values=values: self._apply(values))
            buttons.append(button)
        return buttons

    def _apply(self, values: dict[str, Any]) -> None:
        self.set(**self._preset(values))

    def _preset(self, values: dict[str, Any]) -> dict[str, Any]:
        """What a preset sets."""
        return {name: value for name, value in values.items() if name in self.sliders}

    def __repr__(self) -> str:
        return f"{self.title}: {self.view.duration_s:.3f} s at {self.view.sample_rate:g} Hz"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        data = dict(self.widget._repr_mimebundle_(**kwargs) or {})
        return with_static_picture(data, self.view.png(), repr(self))


def _held(values: dict[str, Any]) -> dict[str, Any]:
    """Values as controls hold them."""
    return {name: AS_N_FFT if value is None else value for name, value in values.items()}


def _live_control(name: str, control: widgets.Widget) -> dict[str, Any]:
    """A control as the browser finds it: its model, and what each of its steps means."""
    options = control.options
    pairs = [option if isinstance(option, tuple) else (option, option) for option in options]
    return {
        "name": name,
        "model": f"IPY_MODEL_{control.model_id}",
        "type": "menu" if isinstance(control, widgets.Dropdown) else "slider",
        "labels": [str(label) for label, _ in pairs],
        "values": [value for _, value in pairs],
    }


def hop_notes(settings: dict[str, Any]) -> list[str]:
    """A line about frames that leave samples unseen between them."""
    window = settings.get("win_length") or settings["n_fft"]
    hop_length = settings["hop_length"]
    if hop_length <= window:
        return []
    return [
        f"hop_length {hop_length} is longer than the window of {window} samples: no frame sees "
        f"{hop_length - window} of every {hop_length} samples. A click can hide there."
    ]


def empty_band_notes(settings: dict[str, Any], empty: list[int]) -> list[str]:
    """A line that names the Mel bands without a single frequency bin."""
    if not empty:
        return []
    names = ", ".join(str(band) for band in empty[:12]) + (" \u2026" if len(empty) > 12 else "")
    bands = "band is" if len(empty) == 1 else "bands are"
    return [
        f"{len(empty)} of {settings['n_mels']} Mel {bands} empty (hatched): {names}. No frequency "
        f"bin of n_fft {settings['n_fft']} falls into them. Take a longer n_fft or fewer bands."
    ]


def _mono(waveform: Any) -> Tensor:
    waveform = torch.as_tensor(waveform).detach().to("cpu", torch.float32)
    return waveform.mean(0) if waveform.ndim == 2 else waveform


def _sentence(problem: Exception) -> str:
    text = " ".join(str(problem).split()) or type(problem).__name__
    if len(text) > 400:  # a library that lists all it has
        text = f"{text[:400]} \u2026"
    return text if text.endswith((".", "!", "?")) else text + "."
