"""The sound that Mel bands still know: rebuilt in the background, heard beside the original."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
from torch import Tensor

from course_utils.signal import (
    griffin_lim,
    invert_mel,
    match_level,
    mel_filterbank,
    rms_dbfs,
)

ORIGINAL = "original"
LONGEST_S = 20.0  # of a longer sound only this much is rebuilt, from what is visible
_KEPT = 3  # rebuilt sounds to compare
_BAND_ROUNDS, _PHASE_ROUNDS = 50, 32
_BAND_SHARE = 0.1  # of the time that the first step takes
_BETWEEN_NEWS_S = 0.1  # a bar that moves more often only fills the line to the browser

ShareDone = Callable[[float], object]


def rebuild_sound(
    mel_power: Tensor,
    *,
    settings: dict[str, Any],
    sample_rate: float,
    length: int,
    on_share: ShareDone = lambda share: None,
) -> Tensor:
    """Guess the waveform of a Mel spectrogram: first the rows in each band, then the phases.

    Args:
        mel_power: Shape ``(n_mels, n_frames)``.
        settings: What made it: ``n_fft, hop_length, win_length, window, n_mels, mel_scale, norm``.
        sample_rate: In Hz.
        length: Samples to return.
        on_share: Called after each round with the part that is done, 0 to 1; it may raise.

    Returns:
        Waveform, shape ``(length,)``, at whatever level came out.

    Raises:
        ValueError: If the hop leaves samples that no frame has seen, or the number of frames is
            not that of a centred STFT.
    """
    n_frames = 1 + length // settings["hop_length"]
    if mel_power.shape[-1] != n_frames:
        raise ValueError(
            f"the bands have {mel_power.shape[-1]} frames, and {n_frames} centred ones make this "
            "sound: pad n_fft // 2 samples at both ends"
        )
    lengths = {name: settings[name] for name in ("n_fft", "hop_length", "win_length", "window")}
    fbank = mel_filterbank(
        n_freqs=settings["n_fft"] // 2 + 1,
        n_mels=settings["n_mels"],
        sample_rate=sample_rate,
        mel_scale=settings["mel_scale"],
        norm=settings["norm"],
    )
    power_spec = invert_mel(
        mel_power,
        mel_fbank=fbank,
        n_iter=_BAND_ROUNDS,
        on_round=lambda done: on_share(_BAND_SHARE * done / _BAND_ROUNDS),
    )
    return griffin_lim(
        power_spec,
        **lengths,
        n_iter=_PHASE_ROUNDS,
        length=length,
        on_round=lambda done: on_share(_BAND_SHARE + (1 - _BAND_SHARE) * done / _PHASE_ROUNDS),
    )


class _Replaced(Exception):
    """Ends a job whose result nobody wants any more."""


class Background:
    """One job at a time in a thread of its own; a newer one replaces the one that runs."""

    def __init__(self) -> None:
        self._newest = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, job: Callable[[Callable[[], None]], object]) -> None:
        """Run ``job(alive)``; it calls ``alive()`` now and then, which ends a replaced job."""
        with self._lock:
            self._newest += 1
            number = self._newest

        def alive() -> None:
            if number != self._newest:
                raise _Replaced

        def run() -> None:
            try:
                job(alive)
            except _Replaced:
                return

        self._thread = threading.Thread(target=run, daemon=True, name="rebuild")
        self._thread.start()

    def stop(self) -> None:
        """Let the running job end at its next ``alive()``."""
        with self._lock:
            self._newest += 1

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait for the newest job to end."""
        if self._thread is not None:
            self._thread.join(timeout_s)


class RebuildPanel:
    """A button, a progress bar, and a switch between the original and the rebuilt sounds.

    Args:
        make: Gives the name of the sound that the settings of this moment would make, and a
            function that computes it, ``(on_share) -> (sound, original)``. Called at a click.
        hear: Called with the name of the sound to play, when the switch is moved.

    Attributes:
        sounds: The rebuilt sounds by name, oldest first.
        widget: What is displayed.
    """

    def __init__(
        self,
        make: Callable[[], tuple[str, Callable[[ShareDone], tuple[Tensor, Tensor]]]],
        hear: Callable[[str], None],
    ) -> None:
        self.sounds: dict[str, Tensor] = {}
        self.background = Background()
        self._make, self._hear = make, hear
        self._quiet = False
        wide = {"width": "auto"}
        self.button = widgets.Button(
            description="Rebuild the sound from these bands", icon="refresh", layout=wide
        )
        self.cancel = widgets.Button(description="Stop", layout={"width": "auto"})
        self.bar = widgets.FloatProgress(
            min=0.0, max=1.0, layout={"width": "160px"}, tooltip="how much is computed"
        )
        self.heard = widgets.ToggleButtons(options=[ORIGINAL], style={"button_width": "auto"})
        self.status = widgets.Label("", layout={"flex": "1 1 200px", "min_width": "200px"})
        row = [self.button, self.heard, self.bar, self.cancel, self.status]
        self.widget = widgets.HBox(row, layout={"flex_flow": "row wrap", "align_items": "center"})
        self.button.on_click(lambda _button: self.start())
        self.cancel.on_click(lambda _button: self.stop())
        self.heard.observe(self._on_heard, names="value")
        _show(self.heard, False)
        self._running(False)

    def start(self) -> None:
        """Rebuild with the settings of this moment; what is still running is given up."""
        name, compute = self._make()
        self._running(True)
        self.status.value = f"rebuilding from {name} \u2026"

        def job(alive: Callable[[], None]) -> None:
            began = told = time.monotonic()

            def on_share(share: float) -> None:
                nonlocal told
                alive()
                if time.monotonic() - told > _BETWEEN_NEWS_S:
                    told = time.monotonic()
                    self.bar.value = share

            try:
                sound, original = compute(on_share)
                alive()
                sound = match_level(sound, reference=original)
            except _Replaced:
                raise
            except Exception as problem:  # whatever it is, the student reads it here
                alive()
                return self._failed(problem)
            self._finished(name, sound, original, time.monotonic() - began)

        self.background.start(job)

    def stop(self) -> None:
        """Give up the sound that is being rebuilt."""
        self.background.stop()
        self._running(False)
        self.status.value = "stopped"

    def _failed(self, problem: Exception) -> None:
        self._running(False)
        self.status.value = " ".join(str(problem).split()) or type(problem).__name__

    def _finished(self, name: str, sound: Tensor, original: Tensor, seconds: float) -> None:
        self.sounds.pop(name, None)
        self.sounds[name] = sound
        for old in list(self.sounds)[:-_KEPT]:
            del self.sounds[old]
        self._running(False)
        self.status.value = f"rebuilt in {seconds:.1f} s, {_level(sound, original)}"
        self._offer(name)

    def _offer(self, name: str) -> None:
        self._quiet = True
        try:
            self.heard.options = [ORIGINAL, *self.sounds]
            self.heard.value = name
        finally:
            self._quiet = False
        _show(self.heard, True)
        self._hear(name)

    def _on_heard(self, change: Any) -> None:
        if not self._quiet:
            self._hear(change.new)

    def _running(self, running: bool) -> None:
        self.bar.value = 0.0
        _show(self.bar, running)
        _show(self.cancel, running)


def _show(widget: widgets.Widget, shown: bool) -> None:
    widget.layout.display = None if shown else "none"


def _level(sound: Tensor, original: Tensor) -> str:
    change_db = float(rms_dbfs(sound) - rms_dbfs(original))
    if not change_db < -0.05:  # also the NaN of two silences
        return "as loud as the original (RMS)"
    return f"{-change_db:.1f} dB below the original, because more would clip"
