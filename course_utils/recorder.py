"""A recorder in the browser: your own sound, as a waveform in the kernel, at its own level.

    recorder = Recorder(seconds=1.0)
    recorder                    # a click asks for the microphone; «Keep» brings the sound here
    recorder.waveform, recorder.sample_rate

The page records with the browser's own sample rate and with echo cancellation, noise suppression
and automatic gain switched off: what arrives is what the microphone heard.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import traitlets as t
from torch import Tensor

from course_utils.bytes_in import _FOLDER, BytesIn, call_back, module_text
from course_utils.signal import peak_dbfs, resample, rms_dbfs

MAX_SECONDS = 30.0
SAMPLE_RATES = (4_000, 384_000)  # of a browser, in Hz
_MOST_FRAMES = int(MAX_SECONDS * SAMPLE_RATES[1])
_QUIET_DBFS = -40.0  # a peak below this is worth a hint
_FULL_SCALE = 0.999
_SHORT_S = 0.05

OnKeep = Callable[[Tensor, int], object]


class Recorder(BytesIn):
    """Record in the browser, listen, and keep what should go to the kernel.

    Args:
        seconds: Longest recording; 1.0 suits a single word, at most 30.
        sample_rate: What the waveform is resampled to, in Hz.
        countdown_s: Whole seconds from the click to the recording, 0 to 10.
        on_keep: Called with ``waveform`` and ``sample_rate`` after each recording that is kept.

    Attributes:
        waveform: What was kept last, float32, shape ``(time,)``; ``None`` before that.
        sample_rate: Of ``waveform``, in Hz.
        original: The same as it came from the browser, not resampled.
        browser_sample_rate: Of ``original``, in Hz.

    Raises:
        ValueError: If an argument cannot be used.

    Notebook: 08_your_sound.ipynb.
    """

    _esm = module_text("recorder.js")
    _css = _FOLDER / "recorder.css"

    seconds = t.Float(1.0).tag(sync=True)
    countdown_s = t.Int(3).tag(sync=True)

    def __init__(
        self,
        *,
        seconds: float = 1.0,
        sample_rate: int = 16_000,
        countdown_s: int = 3,
        on_keep: OnKeep | None = None,
    ) -> None:
        self._callbacks: list[OnKeep] = []
        self.waveform: Tensor | None = None
        self.original: Tensor | None = None
        self.browser_sample_rate: int | None = None
        self.sample_rate = _check_rate(sample_rate)
        if on_keep is not None:
            self.on_keep(on_keep)
        super().__init__(seconds=_check_seconds(seconds), countdown_s=_check_countdown(countdown_s))

    def on_keep(self, callback: OnKeep) -> None:
        """Call ``callback(waveform, sample_rate)`` after each recording that is kept.

        Raises:
            TypeError: If it cannot be called.
        """
        if not callable(callback):
            raise TypeError(f"on_keep needs a function, got {type(callback).__name__}")
        self._callbacks.append(callback)

    # ---- what comes from the page

    def _most_bytes(self) -> int:
        return 4 * _MOST_FRAMES

    def _take(self, content: bytearray, about: dict[str, Any]) -> str:
        rate = about.get("sample_rate")
        is_number = isinstance(rate, (int, float)) and not isinstance(rate, bool)
        if not is_number or not SAMPLE_RATES[0] <= rate <= SAMPLE_RATES[1]:
            raise ValueError(
                f"The browser says that it recorded at {rate!r} Hz, which cannot be. "
                "Try another browser, or upload a recording"
            )
        if len(content) < 4 or len(content) % 4:
            raise ValueError("The recording is empty. Please record again")
        samples = np.frombuffer(content, "<f4").astype(np.float32)  # a copy that can be written
        rate = round(rate)
        samples = samples[: round(MAX_SECONDS * rate)]
        good = np.isfinite(samples)
        samples[~good] = 0.0
        np.clip(samples, -1.0, 1.0, out=samples)
        original = torch.from_numpy(samples)
        waveform = resample(original, sample_rate=rate, new_sample_rate=self.sample_rate)
        self.original, self.browser_sample_rate = original, rate
        self.waveform = waveform.clamp(-1.0, 1.0)  # the filter may overshoot a little
        self.said = _told(original, rate, self.sample_rate, int((~good).sum()))
        for callback in self._callbacks:
            call_back(callback, self.waveform, self.sample_rate)
        return self.said

    # ---- where no widget lives

    def __repr__(self) -> str:
        return f"Recorder(seconds={self.seconds:g}, sample_rate={self.sample_rate})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        bundle = super()._repr_mimebundle_(**kwargs)
        data = dict(bundle[0] if isinstance(bundle, tuple) else bundle or {})
        text = f"*A recorder for up to {self.seconds:g} s of sound: run this cell to use it.*"
        return data | {"text/plain": repr(self), "text/markdown": text}, {}


def _told(original: Tensor, rate: int, sample_rate: int, n_bad: int) -> str:
    """What arrived, in numbers, and a hint where the recording could be better."""
    peak, rms = float(peak_dbfs(original)), float(rms_dbfs(original))
    n_clipped = int((original.abs() >= _FULL_SCALE).sum())
    way = f"recorded at {rate} Hz"
    if rate != sample_rate:
        way += f", resampled to {sample_rate} Hz"
    level = "no sound at all"
    if math.isfinite(peak):
        level = f"peak {dbfs_text(peak)}, RMS {dbfs_text(rms)}"
    text = f"Kept: {len(original) / rate:.2f} s, {way}, {level}."
    hints = []
    if n_bad:
        hints.append(f"{n_bad} samples were not numbers: they became silence.")
    if not math.isfinite(peak):
        hints.append("Every sample is zero: is the microphone muted?")
    elif peak < _QUIET_DBFS:
        hints.append("That is very quiet: go closer to the microphone.")
    if n_clipped > 3:
        hints.append(f"{n_clipped} samples are at full scale: it was too loud and clips.")
    if len(original) < _SHORT_S * rate:
        hints.append("That is very short.")
    return " ".join([text, *hints])


def dbfs_text(level: float) -> str:
    """A level as text, with a real minus and no minus zero: «−12.3 dBFS»."""
    return f"{round(level, 1) + 0.0:.1f} dBFS".replace("-", "\u2212")


def _check_seconds(seconds: float) -> float:
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or not 0.1 <= seconds <= MAX_SECONDS:
        raise ValueError(
            f"seconds={seconds!r} must be a number from 0.1 to {MAX_SECONDS:g}; 1.0 suits a word"
        )
    return float(seconds)


def _check_rate(sample_rate: int) -> int:
    is_integer = isinstance(sample_rate, (int, np.integer)) and not isinstance(sample_rate, bool)
    if not is_integer or not SAMPLE_RATES[0] <= sample_rate <= SAMPLE_RATES[1]:
        raise ValueError(
            f"sample_rate={sample_rate!r} must be an integer from {SAMPLE_RATES[0]} to "
            f"{SAMPLE_RATES[1]} Hz; 16000 suits speech"
        )
    return int(sample_rate)


def _check_countdown(countdown_s: int) -> int:
    is_integer = isinstance(countdown_s, int) and not isinstance(countdown_s, bool)
    if not is_integer or not 0 <= countdown_s <= 10:
        raise ValueError(f"countdown_s={countdown_s!r} must be a whole number from 0 to 10")
    return countdown_s
