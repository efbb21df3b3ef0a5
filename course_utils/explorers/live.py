"""The kernel engine: PyTorch's pictures of the stretch that is visible.

Every stage is cached on what it depends on, so moving ``n_mels`` computes no
new STFT. Only the frames that the picture has columns for are computed, so ten
minutes of sound cost what five seconds cost.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.explorers.filterbank import LOWEST_LOG_HZ, filterbank_chart
from course_utils.explorers.own_function import OwnFunction
from course_utils.signal import empty_mel_bands, hz_to_mel, mel_filterbank, mel_to_hz, stft
from course_utils.signal.resolution import window_resolution
from course_utils.signal.stft import get_window, n_frames
from course_utils.sound_view import Axis, Chart, Picture

AMIN = 1e-10  # smallest power before the log, as in power_to_db
MAX_COLUMNS = 1200  # a picture with more columns than a wide screen has pixels is thinned:
THINNED_COLUMNS = 640  # then it is an overview, and half the pixels are enough
MAX_ROWS = 513
THINNED_ROWS = 257
_WARPED_ROWS = 400  # rows of a picture whose frequency axis is not linear
MAX_HALF = 2048  # half of the longest n_fft on the sliders
_TABLE = 257  # points of an axis table


class Frames(NamedTuple):
    """Which frames a picture shows: every ``step``-th from ``first``, ``count`` of them."""

    first: int
    step: int
    count: int


class LiveChain:
    """waveform -> STFT -> mel -> dB -> 8 bits, for the visible stretch.

    Args:
        waveform: Mono, shape ``(time,)``, float32.
        sample_rate: In Hz.
        own_stft: The student's function in place of ours, or ``None``.
        own_mel: The student's Mel spectrogram in place of ours, or ``None``.
    """

    def __init__(
        self,
        waveform: Tensor,
        sample_rate: float,
        *,
        own_stft: OwnFunction | None = None,
        own_mel: OwnFunction | None = None,
    ) -> None:
        self.waveform = waveform
        self.sample_rate = sample_rate
        self._own_stft = own_stft
        self._own_mel = own_mel
        self._cache: dict[str, tuple[Any, Any]] = {}

    @property
    def is_own(self) -> bool:
        """Whether a student's function stands in place of ours."""
        return bool(self._own_stft or self._own_mel)

    # ---- pictures

    def spectrogram(self, settings: dict[str, Any], visible: tuple[float, float]) -> Picture:
        """Picture of the power spectrogram in dB, on the frequency axis that is set."""
        s = _Spec.of(settings)
        frames, axis, top_db = self.frames(s, visible), settings["freq_axis"], settings["top_db"]

        def make() -> Picture:
            y, row, starts = self._frequency_rows(axis, s.n_fft, thinned=frames.step > 1)
            rows = self._cached(
                "rows", (s, frames, axis), lambda: _loudest(self._power(s, frames), starts)
            )
            cells, low, high = _to_cells(rows, top_db, self._peak(s))
            made_by = _without_none(settings, "n_mels", "mel_scale", "norm")
            engine = self._own_stft.name if self._own_stft else "PyTorch"
            return self._picture(cells, s, frames, y, row, (low, high), made_by, engine=engine)

        return self._cached("spectrogram", (s, frames, axis, top_db), make)

    def mel(self, settings: dict[str, Any], visible: tuple[float, float]) -> Picture:
        """Picture of the Mel spectrogram in dB: one row for each band."""
        s = _Spec.of(settings)
        frames, top_db = self.frames(s, visible), settings["top_db"]
        n_mels, scale, norm = settings["n_mels"], settings["mel_scale"], settings.get("norm")

        def make() -> Picture:
            fbank, empty = self.filterbank(settings)
            key = (s, frames, n_mels, scale, norm)
            rows = self._cached("mel", key, lambda: self._mel_power(settings, frames, fbank))
            cells, low, high = _to_cells(rows, top_db, self._mel_peak(settings, s, fbank))
            y, row = self._bands(n_mels, scale)
            row = row | {"bin_hz": self.sample_rate / s.n_fft}
            made_by = _without_none(settings, "freq_axis")
            engine = self._own_mel.name if self._own_mel else "PyTorch"
            marks = () if self._own_mel else tuple(empty)
            return self._picture(
                cells, s, frames, y, row, (low, high), made_by, engine=engine, marks=marks
            )

        return self._cached("mel picture", (s, frames, n_mels, scale, norm, top_db), make)

    def filterbank(self, settings: dict[str, Any]) -> tuple[Tensor, list[int]]:
        """The filterbank ``(n_freqs, n_mels)`` of these settings, and its empty bands."""
        n_freqs, n_mels = settings["n_fft"] // 2 + 1, settings["n_mels"]
        scale, norm = settings["mel_scale"], settings.get("norm")

        def make() -> tuple[Tensor, list[int]]:
            fbank = mel_filterbank(
                n_freqs=n_freqs,
                n_mels=n_mels,
                sample_rate=self.sample_rate,
                mel_scale=scale,
                norm=norm,
                n_fft=settings["n_fft"],
            )
            return fbank, empty_mel_bands(fbank).nonzero()[:, 0].tolist()

        return self._cached("fbank", (n_freqs, n_mels, scale, norm), make)

    def filterbank_chart(self, settings: dict[str, Any]) -> Chart:
        """The triangles of these settings over the frequency axis."""
        shown = ("n_fft", "n_mels", "mel_scale", "norm", "freq_axis")
        empty = self.filterbank(settings)[1]
        return self._cached(
            "triangles",
            tuple(settings[name] for name in shown),
            lambda: filterbank_chart(settings, sample_rate=self.sample_rate, empty=empty),
        )

    def mel_power(self, settings: dict[str, Any]) -> Tensor:
        """Power of all bands in all frames of the whole sound, ``(n_mels, n_frames)``."""
        s = _Spec.of(settings)
        total = max(1, n_frames(len(self.waveform), n_fft=s.n_fft, hop_length=s.hop_length))
        return self._mel_power(settings, Frames(0, 1, total), self.filterbank(settings)[0])

    # ---- stages

    def frames(self, s: _Spec, visible: tuple[float, float]) -> Frames:
        """The frames whose columns are visible, thinned to at most ``MAX_COLUMNS``."""
        total = max(1, n_frames(len(self.waveform), n_fft=s.n_fft, hop_length=s.hop_length))
        hop_s = s.hop_length / self.sample_rate
        first = max(0, math.floor(visible[0] / hop_s + 0.5))
        last = min(total - 1, math.ceil(visible[1] / hop_s - 0.5))
        first = min(first, last)
        count = last - first + 1
        step = 1 if count <= MAX_COLUMNS else math.ceil(count / THINNED_COLUMNS)
        first -= first % step  # the same frames stay in the picture while it is moved
        return Frames(first, step, (last - first) // step + 1)

    def _power(self, s: _Spec, frames: Frames) -> Tensor:
        return self._cached("power", (s, frames), lambda: self._new_power(s, frames))

    def _new_power(self, s: _Spec, frames: Frames) -> Tensor:
        if self._own_stft:
            every = self._cached("own stft", s, lambda: self._own_stft.spectrogram(self, s))
            return _thinned(every, frames)
        spec = stft(
            self._stretch(s, frames),
            n_fft=s.n_fft,
            hop_length=s.hop_length * frames.step,
            win_length=s.win_length,
            window=s.window,
            center=False,
        )
        return spec.real**2 + spec.imag**2

    def _stretch(self, s: _Spec, frames: Frames) -> Tensor:
        """The samples that these frames see; only the true ends of the sound are mirrored."""
        half, total = s.n_fft // 2, len(self.waveform)
        if total <= half:
            raise ValueError(
                f"n_fft={s.n_fft} needs a sound of more than {half} samples, and this one has "
                f"{total}: take a shorter n_fft"
            )
        margin = min(total - 1, MAX_HALF if half <= MAX_HALF else half)
        mirrored = self._cached("mirrored", margin, lambda: self._mirrored(margin))
        start = frames.first * s.hop_length - half + margin
        return mirrored[start : start + (frames.count - 1) * frames.step * s.hop_length + s.n_fft]

    def _mirrored(self, margin: int) -> Tensor:
        """The whole sound with mirrored ends; made once, so that a stretch of it is only a view."""
        return F.pad(self.waveform[None], (margin, margin), mode="reflect")[0]

    def _mel_power(self, settings: dict[str, Any], frames: Frames, fbank: Tensor) -> Tensor:
        s = _Spec.of(settings)
        if self._own_mel:
            key = (s, settings["n_mels"], settings["mel_scale"], settings.get("norm"))
            every = self._cached(
                "own mel", key, lambda: self._own_mel.mel_spectrogram(self, s, settings)
            )
            return _thinned(every, frames)
        return fbank.T @ self._power(s, frames)

    def _peak(self, s: _Spec) -> float:
        """Loudest power of the whole sound: the colours stay when the view is zoomed."""
        return self._cached("peak", s, lambda: float(self._overview(s).max()))

    def _mel_peak(self, settings: dict[str, Any], s: _Spec, fbank: Tensor) -> float:
        def make() -> float:
            if self._own_mel:
                whole = self.frames(s, (0.0, len(self.waveform) / self.sample_rate))
                return float(self._mel_power(settings, whole, fbank).max())
            return float((fbank.T @ self._overview(s)).max())

        key = (s, settings["n_mels"], settings["mel_scale"], settings.get("norm"))
        return self._cached("mel peak", key, make)

    def _overview(self, s: _Spec) -> Tensor:
        whole = self.frames(s, (0.0, len(self.waveform) / self.sample_rate))
        power, cached = self._cache.get("power"), None
        if power and power[0] == (s, whole):
            cached = power[1]
        return self._cached(
            "overview", s, lambda: cached if cached is not None else self._new_power(s, whole)
        )

    def _cached(self, stage: str, key: Any, make: Callable[[], Any]) -> Any:
        kept = self._cache.get(stage)
        if kept is None or kept[0] != key:
            self._cache[stage] = kept = (key, make())
        return kept[1]

    # ---- from numbers to a picture

    def _picture(
        self,
        cells: np.ndarray,
        s: _Spec,
        frames: Frames,
        y: Axis,
        row: dict[str, Any],
        span: tuple[float, float],
        settings: dict[str, Any],
        *,
        engine: str,
        marks: tuple[int, ...] = (),
    ) -> Picture:
        hop_s = s.hop_length / self.sample_rate
        dt_s, df_hz = window_resolution(s.window, s.win_length, sample_rate=self.sample_rate)
        before = s.win_length // 2
        notes = ()
        if frames.step > 1:
            notes = (f"1 of every {frames.step} frames is drawn: zoom in to see all",)
        return Picture(
            cells=cells,
            t0_s=(frames.first - 0.5 * frames.step) * hop_s,
            dt_s=frames.step * hop_s,
            y=y,
            value_min=span[0],
            value_max=span[1],
            frames={
                "first": frames.first,
                "step": frames.step,
                "hop_s": hop_s,
                "centre0_s": 0.0,
                "before_s": before / self.sample_rate,
                "after_s": (s.win_length - before) / self.sample_rate,
                "window": _window_shape(s.window),
            },
            rows=row,
            box={"dt_s": dt_s, "df_hz": df_hz},
            marks=marks,
            settings=settings,
            notes=notes,
            engine=engine,
        )

    # ---- vertical axes

    def _frequency_rows(
        self, axis: str, n_fft: int, *, thinned: bool
    ) -> tuple[Axis, dict[str, Any], np.ndarray]:
        """The frequency axis, what its rows are, and the first bin of each row."""
        nyquist, n_freqs, spacing_hz = (
            self.sample_rate / 2,
            n_fft // 2 + 1,
            self.sample_rate / n_fft,
        )
        if axis == "linear":
            per_row = math.ceil(n_freqs / (THINNED_ROWS if thinned else MAX_ROWS))
            starts = np.arange(0, n_freqs, per_row)
            low, high = -spacing_hz / 2, (len(starts) * per_row - 0.5) * spacing_hz
            mels = _mels(np.linspace(low, high, _TABLE).clip(0.0))
            y = Axis("frequency", "Hz", low, high, "linear", (), mels)
        else:
            per_row, edges = 0, _warped(axis, nyquist, _WARPED_ROWS + 1)
            starts = np.floor(edges[:-1] / spacing_hz + 0.5).astype(int).clip(0, n_freqs - 1)
            table = _warped(axis, nyquist, _TABLE)
            scale = "log" if axis == "log" else "table"
            y = Axis("frequency", "Hz", table[0], nyquist, scale, _rounded(table), _mels(table))
        row = {"kind": "bin", "spacing_hz": spacing_hz, "count": n_freqs, "per_row": per_row}
        return y, row, starts

    def _bands(self, n_mels: int, scale: str) -> tuple[Axis, dict[str, Any]]:
        """The axis of a Mel picture: row m reaches half a step to both sides of its centre."""

        def make() -> tuple[Axis, dict[str, Any]]:
            top = float(
                hz_to_mel(torch.tensor(self.sample_rate / 2, dtype=torch.float64), mel_scale=scale)
            )
            step = top / (n_mels + 1)  # n_mels + 2 points make n_mels triangles
            points = _to_hz(np.linspace(0.0, top, n_mels + 2), scale)
            places = np.linspace(0.5 * step, top - 0.5 * step, _TABLE)
            table = _to_hz(places, scale)
            y = Axis(
                "band centre",
                "Hz",
                float(table[0]),
                float(table[-1]),
                "table",
                _rounded(table),
                _rounded(places),
            )
            row = {
                "kind": "band",
                "low": _rounded(points[:-2]),
                "centre": _rounded(points[1:-1]),
                "high": _rounded(points[2:]),
            }
            return y, row

        return self._cached("bands", (n_mels, scale), make)


class _Spec(NamedTuple):
    """What the STFT depends on; hashable, so that a cache can hold it."""

    n_fft: int
    hop_length: int
    win_length: int
    window: str

    @classmethod
    def of(cls, settings: dict[str, Any]) -> _Spec:
        """The STFT's part of an explorer's settings; ``win_length`` None means ``n_fft``."""
        n_fft = settings["n_fft"]
        win_length = settings["win_length"] or n_fft
        if win_length > n_fft:
            raise ValueError(
                f"win_length {win_length} is longer than n_fft {n_fft}: the window has to fit "
                "into the transform. Take a longer n_fft or a shorter win_length"
            )
        return cls(n_fft, settings["hop_length"], win_length, settings["window"])


def _to_cells(rows: Tensor, top_db: float, peak: float) -> tuple[np.ndarray, float, float]:
    """Power to 8 bits: 255 is the peak of the sound, 0 is ``top_db`` below it."""
    high = 10.0 * math.log10(max(peak, AMIN))
    low = high - top_db if peak > AMIN else high  # silence is dark, not bright
    db = rows.clamp(min=AMIN).log10_().mul_(10.0)
    cells = db.sub_(low).mul_(255.0 / top_db).round_().clamp_(0.0, 255.0).to(torch.uint8)
    return cells.numpy(), low, low + top_db


def _without_none(settings: dict[str, Any], *others: str) -> dict[str, Any]:
    """The settings that made a picture, without those that do not touch it."""
    return {k: v for k, v in settings.items() if v is not None and k not in others}


def _loudest(power: Tensor, starts: np.ndarray) -> Tensor:
    """The loudest bin of each row of the picture: a thin line never vanishes between pixels."""
    if np.array_equal(starts, np.arange(power.shape[0])):
        return power.clone()
    columns = power.T.contiguous().numpy()  # (n_frames, freq): a row's bins lie side by side
    return torch.from_numpy(np.maximum.reduceat(columns, starts, axis=1).T.copy())


def _thinned(every: Tensor, frames: Frames) -> Tensor:
    """The frames of a picture out of all frames; missing ones at the end are left out."""
    shown = every[:, frames.first :: frames.step][:, : frames.count]
    if not shown.shape[1]:
        raise ValueError(
            f"your function returned {every.shape[1]} frames; none lies in the visible stretch"
        )
    return shown


def _to_hz(mels: np.ndarray, scale: str = "htk") -> np.ndarray:
    return mel_to_hz(torch.from_numpy(mels), mel_scale=scale).numpy()


def _mels(freqs_hz: np.ndarray) -> tuple[float, ...]:
    return _rounded(hz_to_mel(torch.from_numpy(np.asarray(freqs_hz)), mel_scale="htk").numpy())


def _warped(axis: str, nyquist: float, count: int) -> np.ndarray:
    """Frequencies that are equally spaced on a log or Mel axis."""
    if axis == "log":
        return np.geomspace(LOWEST_LOG_HZ, nyquist, count)
    top = float(hz_to_mel(torch.tensor(nyquist, dtype=torch.float64), mel_scale="htk"))
    return _to_hz(np.linspace(0.0, top, count))


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(np.round(values, 2).tolist())


@functools.cache
def _window_shape(window: str) -> tuple[float, ...]:
    """The window as a few points for the eye."""
    weights = get_window(window, 64).tolist()
    return tuple(round(v, 3) for v in [*weights, weights[0]])  # the eye wants both edges
