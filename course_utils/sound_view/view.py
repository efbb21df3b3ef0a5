"""SoundView, Python half: what the JavaScript half draws, as traits.

A lane's picture has a *source*. Here the source is the kernel: ``show`` sends a
finished 8-bit picture, and the view paints it. The view does not care who made
the picture, so the engine in the browser delivers the same object: while a hand
moves a slider, its previews are shown, and at rest the kernel's picture is. What
it needs for that (``live``, ``live_sound``, ``shown_for``) an explorer gives.
"""

from __future__ import annotations

import json
import os
import pathlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import anywidget
import numpy as np
import traitlets as t

_STATIC = pathlib.Path(__file__).parent / "static"
_ON_REQUEST = {"sound", "n_samples", "n_channels", "sound_serial"}  # sent together, when asked for
_LARGE_TYPE = os.environ.get("SEEING_SOUND_LARGE_TYPE") == "1"  # set by "course.py lab --lecture"
_FULL_SCALE = 32768.0  # 16-bit files count like this: k stands for k / 32768
_OUTLINED = 3000  # samples of an outline, or blocks where there are more: some for each pixel


def joined_parts() -> str:
    """The JavaScript half as one module: a widget's module cannot import files beside it."""
    parts = _STATIC / "parts"  # the two of the engine lie above: node's tests import them alone
    order = json.loads((parts / "order.json").read_text(encoding="utf-8"))
    return "\n".join((parts / f"{name}.js").read_text(encoding="utf-8") for name in order)


@dataclass(frozen=True)
class Axis:
    """A vertical axis: what it shows and how positions become values.

    Args:
        label: What is measured, for example ``"frequency"``.
        unit: Its unit, for example ``"Hz"``.
        min: Value at the bottom.
        max: Value at the top.
        scale: ``"linear"``, ``"log"``, or ``"table"`` (then ``table`` holds the value
            at equally spaced positions from bottom to top).
        table: See ``scale``.
        mel_table: Mel at equally spaced positions, for the read-out under the pointer.
        names: Names in place of numbers at 0, 1, 2, ...: for the horizontal axis of a chart.
    """

    label: str
    unit: str
    min: float
    max: float
    scale: Literal["linear", "log", "table"] = "linear"
    table: tuple[float, ...] = ()
    mel_table: tuple[float, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lane:
    """A horizontal strip of the view. ``height`` is in CSS pixels at normal type size."""

    id: str
    kind: Literal["waveform", "picture", "curve", "chart"]
    title: str
    height: int = 170


@dataclass(frozen=True)
class Picture:
    """An 8-bit picture of numbers over time, and what is needed to read it.

    Args:
        cells: uint8, shape ``(n_rows, n_columns)``; row 0 is the bottom of ``y``.
        t0_s: Time at the left edge of the first column, in seconds.
        dt_s: Width of a column, in seconds.
        y: The vertical axis.
        value_label: What the colour means, for example ``"power"``.
        value_unit: Its unit, for example ``"dB"``.
        value_min: Value of cell 0.
        value_max: Value of cell 255.
        frames: How columns map to frames: ``first``, ``step``, ``hop_s``, ``centre0_s`` (centre
            of frame 0), ``before_s`` and ``after_s`` (reach of the window around the centre),
            ``window`` (its shape, a few numbers from 0 to 1).
        rows: What a row is: ``{"kind": "bin", "spacing_hz": …, "count": …}`` or
            ``{"kind": "band", "low": […], "centre": […], "high": […]}`` in Hz.
        box: Resolution of one cell's measurement: ``{"dt_s": …, "df_hz": …}``.
        marks: Rows to hatch, for example empty Mel bands.
        y_marks: Horizontal lines with a name: ``((value, name), …)``.
        settings: The parameters that made this picture.
        notes: Short remarks shown beside the title.
        engine: Who computed it: ``"PyTorch"``, ``"your function"``.
        colours: "level" from dark to bright, or "signed": white in the middle of the range.
    """

    cells: np.ndarray
    t0_s: float
    dt_s: float
    y: Axis
    value_label: str = "power"
    value_unit: str = "dB"
    value_min: float = -80.0
    value_max: float = 0.0
    frames: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, Any] = field(default_factory=dict)
    box: dict[str, float] = field(default_factory=dict)
    marks: tuple[int, ...] = ()
    y_marks: tuple[tuple[float, str], ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    engine: str = "PyTorch"
    colours: Literal["level", "signed"] = "level"

    def __post_init__(self) -> None:
        if self.cells.dtype != np.uint8 or self.cells.ndim != 2 or 0 in self.cells.shape:
            raise ValueError(
                f"cells must be uint8 of shape (n_rows, n_columns), got {self.cells.dtype} "
                f"of shape {tuple(self.cells.shape)}"
            )

    def as_state(self, serial: int) -> dict[str, Any]:
        """The picture as one trait value: data and shape travel together."""
        state = {k: v for k, v in self.__dict__.items() if k not in ("cells", "y")}
        state["y"] = dict(self.y.__dict__)  # asdict would copy the tables number by number
        state["data"] = np.ascontiguousarray(self.cells).tobytes()
        state["n_rows"], state["n_columns"] = self.cells.shape
        state["serial"] = serial
        return state


@dataclass(frozen=True)
class Curve:
    """Values over the time axis, for a lane of kind "curve".

    Args:
        values: float32, shape ``(n,)``.
        t0_s: Time of the first value, in seconds.
        dt_s: Time from value to value, in seconds.
        y: The vertical axis.
        stems: Draw each value as a sample, with a stem, where there is room.
        joined: Whether samples drawn with stems are joined by straight lines, too.
        lines: Other curves behind the values; their ``x`` counts in seconds from ``t0_s``.
        y_marks: Horizontal lines, perhaps with a name: ``((value, name), …)``.
        settings: The parameters that made this curve.
        notes: Short remarks shown beside the title.
        engine: Who computed it.
    """

    values: np.ndarray
    t0_s: float
    dt_s: float
    y: Axis
    stems: bool = False
    joined: bool = True
    lines: tuple[Line, ...] = ()
    y_marks: tuple[tuple[float, str], ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    engine: str = "PyTorch"

    def as_state(self, serial: int) -> dict[str, Any]:
        """The curve as one trait value: its values first, then those of the other lines."""
        state = dict(self.__dict__) | {"kind": "curve", "y": dict(self.y.__dict__)}
        state["n_values"] = len(self.values)
        state["lines"] = _line_states(self.lines)
        state["y_marks"] = [list(mark) for mark in self.y_marks]
        state["data"] = _numbers(state.pop("values"), *_line_numbers(self.lines))
        return state | {"serial": serial}


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Args:
        x: Shape ``(n,)``, in the unit of the chart's horizontal axis.
        y: Shape ``(n,)``, in the unit of its vertical axis.
        label: Name in the legend; empty for none.
        style: "line", "dashed", "area" (filled down to the axis) or "bars".
    """

    x: np.ndarray
    y: np.ndarray
    label: str = ""
    style: Literal["line", "dashed", "area", "bars"] = "line"


def _line_states(lines: tuple[Line, ...]) -> list[dict[str, Any]]:
    return [{"label": line.label, "style": line.style, "n": len(line.x)} for line in lines]


def _line_numbers(lines: tuple[Line, ...]) -> list[np.ndarray]:
    return [values for line in lines for values in (line.x, line.y)]


def _numbers(*arrays: Any) -> bytes:
    """All numbers in one block of float32, one array after the other."""
    blocks = [np.asarray(array, "<f4").ravel() for array in arrays]
    return np.concatenate(blocks).tobytes() if blocks else b""


@dataclass(frozen=True)
class Chart:
    """Lines over an axis of their own, for a lane of kind "chart" beneath the time axis.

    A chart whose horizontal axis is a frequency in Hz follows the pointer in the pictures and
    moves theirs; one in the unit of the pictures' colour (dB) shows the level under the pointer.

    Args:
        x: The horizontal axis, linear or logarithmic.
        y: The vertical axis, linear.
        lines: What is drawn.
        bands: Whether line i belongs to Mel band i; then pointing at one lights both. Lines with
            a label are no bands and come after them.
        bin_hz: Distance of the frequency bins that the bands weigh, in Hz; then those under the
            band that is pointed at are drawn as dots on its line.
        marks: Vertical lines with a name: ``((value, name), …)``.
        settings: The parameters that made it.
        notes: Short remarks shown beside the title.
        engine: Who computed it.
    """

    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    bands: bool = False
    bin_hz: float = 0.0
    marks: tuple[tuple[float, str], ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    engine: str = "PyTorch"

    def as_state(self, serial: int) -> dict[str, Any]:
        """The chart as one trait value: all numbers in one block, lines as lengths into it."""
        state = dict(self.__dict__) | {"kind": "chart"}
        state["x"], state["y"] = dict(self.x.__dict__), dict(self.y.__dict__)
        state["lines"] = _line_states(self.lines)
        state["data"] = _numbers(*_line_numbers(self.lines))
        return state | {"serial": serial, "marks": [list(mark) for mark in self.marks]}


class SoundView(anywidget.AnyWidget):
    """Lanes over one time axis with one transport and one playhead.

    Args:
        waveform: ``(time,)`` or ``(channels, time)`` with at most two channels; a tensor or an
            array in [-1, 1]. It is played and drawn as it is: never normalised. Samples beyond
            full scale are counted and said, because a sound card would clip them.
        sample_rate: In Hz.
        lanes: Top to bottom. Default: one waveform lane.
        label: What a screen reader says first.

    Raises:
        ValueError: If the waveform is empty, not finite, or has another shape.
    """

    _esm = joined_parts()
    _css = _STATIC / "sound_view.css"

    # answered by Python, only read by the view
    sound = t.Bytes(b"").tag(sync=True)  # int16, little endian, channels interleaved
    n_samples = t.Int(0).tag(sync=True)
    n_channels = t.Int(1).tag(sync=True)
    sound_serial = t.Int(0).tag(sync=True)  # which sound the three above are
    outline = t.Dict().tag(sync=True)  # the look of a newer one; the view asks for it at rest
    sample_rate = t.Float(16000.0).tag(sync=True)
    lanes = t.List(t.Dict()).tag(sync=True)
    label = t.Unicode("").tag(sync=True)
    readout = t.List(t.List(t.Unicode())).tag(sync=True)  # pairs: name, value with unit
    notes = t.List(t.Unicode()).tag(sync=True)  # a useless setting, explained
    sound_notes = t.List(t.Unicode()).tag(sync=True)  # those of the notes that are about the sound
    error = t.Unicode("").tag(sync=True)  # one readable line; the last good picture stays
    pinned = t.Dict().tag(sync=True)  # {} or {"lane": id, "picture": state}
    gain = t.Float(1.0).tag(sync=True)  # factor on the samples, heard and drawn
    pin_lane = t.Unicode(None, allow_none=True).tag(sync=True)  # the lane that «pin» keeps
    # for the engine in the browser; {} where only the kernel can draw
    live = t.Dict().tag(sync=True)  # which pictures, which controls move them: Explorer._live
    live_sound = t.Dict().tag(sync=True)  # the waveform that the chain has: set_live_sound
    shown_for = t.Dict().tag(sync=True)  # settings, visible and sound of the pictures above
    kernel = t.Bool(True).tag(sync=True)  # a page without one says False
    # set by the hand on the view
    visible = t.List(t.Float()).tag(sync=True)  # start and end of the stretch shown, in seconds
    playhead_s = t.Float(0.0).tag(sync=True)  # where the playhead rests
    large_type = t.Bool(_LARGE_TYPE).tag(sync=True)
    theme = t.Enum(["auto", "light", "dark"], default_value="auto").tag(sync=True)
    # who draws: previews while the hand moves and PyTorch at rest, or only one of the two
    engine = t.Enum(["auto", "PyTorch", "browser"], default_value="auto").tag(sync=True)
    previews = t.Bool(False).tag(sync=True)  # whether a view with a working engine is alive

    def __init__(
        self,
        waveform: Any,
        sample_rate: float,
        *,
        lanes: list[Lane] | None = None,
        label: str = "Sound",
        **kwargs: Any,
    ) -> None:
        self._serial = 0
        self.catch_up: Callable[[], None] = lambda: None  # before anything is read: an explorer's
        self._shown: dict[str, Picture | Curve | Chart] = {}
        if not sample_rate > 0:
            raise ValueError(f"sample_rate must be positive, in Hz, got {sample_rate}")
        lanes = lanes or [Lane("waveform", "waveform", "waveform", height=90)]
        pictures = {f"picture_{lane.id}": t.Dict().tag(sync=True) for lane in lanes}
        self.add_traits(**pictures)
        sound = self._sound_state(waveform)
        super().__init__(
            **sound,
            sample_rate=float(sample_rate),
            lanes=[asdict(lane) for lane in lanes],
            label=label,
            notes=self._own_notes,
            sound_notes=self._own_notes,
            visible=[0.0, sound["n_samples"] / float(sample_rate)],
            **kwargs,
        )
        pictures = [lane.id for lane in lanes if lane.kind == "picture"]
        self.pin_lane = pictures[0] if pictures else None
        self.on_msg(self._on_message)

    def _sound_state(self, waveform: Any) -> dict[str, Any]:
        samples = _as_samples(waveform)
        self._pcm = _to_int16(samples)
        self._loudest = max(int(self._pcm.max()), -int(self._pcm.min()))
        self._own_notes = [n for n in [_overload_note(samples)] if n]
        n_channels, n_samples = samples.shape
        sound = self._pcm.T.tobytes()
        return {"sound": sound, "n_samples": n_samples, "n_channels": n_channels}

    def set_sound(self, waveform: Any) -> None:
        """Exchange the sound for another one at the same sample rate; what plays goes on playing.

        While the hand moves, only the outline travels: a hundredth of the bytes. The view asks
        for the sound itself when the hand rests, or when it is to be played.

        Args:
            waveform: As for the view itself.
        """
        state = self._sound_state(waveform)
        with self.hold_sync():
            if state["sound"] != self.sound or state["n_channels"] != self.n_channels:
                for name, value in state.items():
                    setattr(self, name, value)
                self.sound_serial += 1
                self.outline = self._make_outline()
            self.notes = self.sound_notes = self._own_notes

    def set_live_sound(self, waveform: Any, *, is_played: bool = True) -> None:
        """Tell the browser's engine the waveform that the chain has.

        Where that is just what the view plays (k / 32768, of two channels their mean), this sends
        nothing but that it is so.

        Args:
            waveform: Float32, ``(time,)`` or ``(channels, time)``.
            is_played: False if the view plays something else that is made from it.
        """
        samples = _as_samples(waveform)
        serial = self.live_sound.get("serial", 0) + 1
        if is_played and len(samples) == 1 and _is_mean_of(self._pcm, samples[0]):
            self.live_sound = {"serial": serial, "kind": "heard", "sound": self.sound_serial}
            return
        data = np.ascontiguousarray(samples.T, "<f4").tobytes()
        state = {"kind": "float32", "n_channels": len(samples), "data": data}
        self.live_sound = {"serial": serial} | state

    def _should_send_property(self, key: str, value: Any) -> bool:
        return key not in _ON_REQUEST and super()._should_send_property(key, value)

    def _make_outline(self) -> dict[str, Any]:
        """The visible samples, or smallest and largest of each block where they are many."""
        first, last = (round(t_s * self.sample_rate) for t_s in self.visible)
        seen = self._pcm[:, max(0, first - 2) : last + 2]
        block = -(-seen.shape[1] // _OUTLINED)
        if block > 1:
            seen = np.pad(seen, ((0, 0), (0, -seen.shape[1] % block)), mode="edge")
            seen = seen.reshape(len(seen), -1, block)
            seen = np.concatenate([seen.min(-1), seen.max(-1)], axis=1)
        return {
            "serial": self.sound_serial,
            "first": max(0, first - 2),
            "block": block,
            "n_channels": self.n_channels,
            "data": np.ascontiguousarray(seen).tobytes(),
        }

    @t.validate("gain")
    def _check_gain(self, proposal: Any) -> float:
        if not 0.0 <= proposal.value <= self.most_gain * (1.0 + 1e-9):
            raise t.TraitError(f"gain={proposal.value:g} must keep the sound within full scale")
        return proposal.value

    @property
    def most_gain(self) -> float:
        """The largest gain that keeps the sound within full scale; infinite for silence."""
        return max(1.0, _FULL_SCALE / self._loudest) if self._loudest else float("inf")

    @property
    def duration_s(self) -> float:
        """Length of the sound in seconds."""
        return self.n_samples / self.sample_rate

    def picture(self, lane_id: str) -> dict[str, Any]:
        """State of the picture that a lane shows now (``{}`` before the first)."""
        self.catch_up()
        return getattr(self, f"picture_{lane_id}")

    def show(
        self,
        pictures: dict[str, Picture | Curve | Chart],
        *,
        readout: dict[str, str] | None = None,
        notes: list[str] | None = None,
    ) -> None:
        """Show pictures, curves and charts by lane id, with read-out and notes, in one message."""
        with self.hold_sync():
            for lane_id, picture in pictures.items():
                if self._shown.get(lane_id) is picture:
                    continue  # the same picture need not travel again
                self._shown[lane_id] = picture
                self._serial += 1
                setattr(self, f"picture_{lane_id}", picture.as_state(self._serial))
            if readout is not None:
                self.readout = [[name, value] for name, value in readout.items()]
            if notes is not None:
                self.notes = self._own_notes + notes
            self.error = ""

    def pin(self) -> None:
        """Keep the current picture in a lane of its own, to compare with the live one."""
        if self.pin_lane and self.picture(self.pin_lane):
            self.pinned = {"lane": self.pin_lane, "picture": self.picture(self.pin_lane)}

    def unpin(self) -> None:
        """Remove the pinned picture."""
        self.pinned = {}

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        wish = content.get("type") if isinstance(content, dict) else None
        if wish == "pin":
            self.unpin() if self.pinned else self.pin()
        elif wish == "sound":
            self.send_state(_ON_REQUEST)

    def png(self) -> bytes:
        """The view as a static picture, for places where no widget lives."""
        from course_utils.sound_view.static_picture import draw_png  # matplotlib only when needed

        self.catch_up()
        return draw_png(self, self._pcm)

    def __repr__(self) -> str:
        return f"SoundView({self.label})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle or {}
        return with_static_picture(dict(data), self.png(), repr(self))


def with_static_picture(data: dict, png: bytes, text: str) -> tuple[dict, dict]:
    """Add a PNG and a fixed text to a widget's mime bundle: what a page without a kernel shows.

    Returns:
        Data and metadata of the bundle; the text is also the picture's alternative text.
    """
    data["image/png"] = b64encode(png).decode("ascii")
    data["text/plain"] = text
    return data, {"image/png": {"alt": text}}


def listen(waveform: Any, sample_rate: float, *, title: str = "waveform") -> SoundView:
    """A small player: the waveform, a playhead, and the sound at its own level.

    Args:
        waveform: ``(time,)`` or ``(channels, time)`` in [-1, 1].
        sample_rate: In Hz.
        title: What is heard, shown above the lane.

    Returns:
        A SoundView with one waveform lane. Unlike many players it never normalises.
    """
    lane = Lane("waveform", "waveform", title, height=64)
    return SoundView(waveform, sample_rate, lanes=[lane], label=title)


def _as_samples(waveform: Any) -> np.ndarray:
    """Any waveform as float32 ``(channels, time)``; a clear error for everything else."""
    if hasattr(waveform, "detach"):
        waveform = waveform.detach().cpu().numpy()
    samples = np.asarray(waveform)
    if samples.ndim == 1:
        samples = samples[None]
    if samples.ndim != 2 or samples.shape[0] not in (1, 2) or samples.shape[1] == 0:
        raise ValueError(
            "waveform must have shape (time,) or (channels, time) with 1 or 2 channels and at "
            f"least one sample, got shape {tuple(np.shape(waveform))}"
        )
    if samples.dtype.kind not in "fiu":
        raise ValueError(f"waveform must hold real numbers, got dtype {samples.dtype}")
    if samples.dtype.kind in "iu":
        raise ValueError(
            f"waveform must be floating point in [-1, 1], got {samples.dtype}: "
            "divide by the largest value of the integer type first"
        )
    if not np.isfinite(samples).all():
        raise ValueError("waveform must be finite, but it holds NaN or infinity")
    return samples.astype(np.float32, copy=False)


def _to_int16(samples: np.ndarray) -> np.ndarray:
    # clipping in place of wrapping around: beyond full scale is also said in a note
    scaled = np.multiply(samples, _FULL_SCALE)
    return np.clip(np.rint(scaled, out=scaled), -32768, 32767, out=scaled).astype("<i2")


def _is_mean_of(pcm: np.ndarray, samples: np.ndarray) -> bool:
    """Whether a waveform is exactly the mean of 16-bit channels."""
    mean = pcm[0] if len(pcm) == 1 else 0.5 * (pcm[0].astype(np.float32) + pcm[1])
    return bool(np.array_equal(samples * np.float32(_FULL_SCALE), mean))


def _overload_note(samples: np.ndarray) -> str:
    over = int(np.count_nonzero(np.abs(samples) > 1.0))
    if not over:
        return ""
    return (
        f"{over} of {samples.size} samples lie beyond full scale (±1). They are clipped when "
        "played; the pictures show the waveform as it is."
    )
