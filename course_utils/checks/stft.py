"""Checks of 02_stft: the bin of a frequency, the number of frames, a whole STFT, two settings.

Every ``check_*`` function prints one line and never raises; see :mod:`course_utils.checks`.
Notebook: 02_stft.ipynb.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.checks._core import (
    EMPTY_BODY,
    NOT_TRIED_YET,
    RIGHT,
    WRONG,
    Stop,
    Verdict,
    agree,
    call,
    judge_integer_function,
    need_function,
    one_line,
    to_array,
)
from course_utils.signal import stft

# --- 02_stft, exercise 1: the bin of a frequency ----------------------------------------------

_BIN_CASES = [
    (1000.0, {"n_fft": 1024, "sample_rate": 16_000}),
    (440.0, {"n_fft": 1024, "sample_rate": 16_000}),
    (441.0, {"n_fft": 512, "sample_rate": 16_000}),
    (3000.0, {"n_fft": 2048, "sample_rate": 22_050}),
    (8000.0, {"n_fft": 256, "sample_rate": 44_100}),
    (0.0, {"n_fft": 400, "sample_rate": 8_000}),
]


def _right_bin(freq_hz: float, *, n_fft: int, sample_rate: int) -> int:
    return round(freq_hz * n_fft / sample_rate)


BIN_MISTAKES: dict[str, Callable[..., float]] = {
    "bins are counted from 0: bin 0 is 0 Hz": lambda f, n_fft, sample_rate: (
        round(f * n_fft / sample_rate) + 1
    ),
    "this is the place between the bins, not yet the nearest bin: round it": (
        lambda f, n_fft, sample_rate: f * n_fft / sample_rate
    ),
    "you cut the decimals off, the nearest bin may be the one above": (
        lambda f, n_fft, sample_rate: int(f * n_fft / sample_rate)
    ),
    "you always round up, the nearest bin may be the one below": (
        lambda f, n_fft, sample_rate: math.ceil(f * n_fft / sample_rate)
    ),
    "n_fft bins share the whole sample_rate, you shared only half of it (up to Nyquist)": (
        lambda f, n_fft, sample_rate: round(f * n_fft / (sample_rate / 2))
    ),
    "the bins that are kept, n_fft // 2 + 1, end at half the sample_rate: "
    "they are not spread over all of it": (
        lambda f, n_fft, sample_rate: round(f * (n_fft // 2 + 1) / sample_rate)
    ),
    "close, but n_fft // 2 + 1 bins have only n_fft // 2 gaps between them": (
        lambda f, n_fft, sample_rate: round(f * (n_fft // 2 + 1) / (sample_rate / 2))
    ),
    "this is upside down: that is how you turn a bin into a frequency": (
        lambda f, n_fft, sample_rate: round(f * sample_rate / n_fft)
    ),
    "n_fft is not used: this fits only n_fft=1024": lambda f, n_fft, sample_rate: round(
        f * 1024 / sample_rate
    ),
    "sample_rate is not used: this fits only 16 000 Hz": lambda f, n_fft, sample_rate: round(
        f * n_fft / 16_000
    ),
    "both settings are ignored: this fits only n_fft=1024 and 16 000 Hz": (
        lambda f, n_fft, sample_rate: round(f * 1024 / 16_000)
    ),
}


@one_line("bin_of")
def check_bin_of(function: Any) -> Verdict:
    """Judge ``bin_of(freq_hz, *, n_fft, sample_rate)``: the bin nearest to a frequency in Hz."""
    return judge_integer_function(
        function, right=_right_bin, mistakes=BIN_MISTAKES, cases=_BIN_CASES
    )


# --- 02_stft, exercise 2: the number of frames ------------------------------------------------

_FRAME_CASES = [
    (16_000, {"n_fft": 1024, "hop_length": 512}),
    (16_000, {"n_fft": 512, "hop_length": 160}),
    (16_384, {"n_fft": 2048, "hop_length": 512}),
    (22_050, {"n_fft": 1024, "hop_length": 700}),
    (1_000, {"n_fft": 256, "hop_length": 64}),
]


def _right_n_frames(n_samples: float, *, n_fft: int, hop_length: int) -> int:
    return 1 + int(n_samples) // hop_length


FRAME_MISTAKES: dict[str, Callable[..., float]] = {
    "one frame is missing: the first one is centred on sample 0 (fence posts and gaps)": (
        lambda n, n_fft, hop_length: n // hop_length
    ),
    "one frame too many": lambda n, n_fft, hop_length: n // hop_length + 2,
    "your frames are not centred: with padding the first one starts n_fft // 2 before the sound": (
        lambda n, n_fft, hop_length: 1 + (n - n_fft) // hop_length
    ),
    "your frames are not centred, and one is missing": (
        lambda n, n_fft, hop_length: (n - n_fft) // hop_length
    ),
    "n_fft samples too many: pad n_fft // 2 at each end, and the last frame must fit as a whole": (
        lambda n, n_fft, hop_length: 1 + (n + n_fft) // hop_length
    ),
    "you padded one end only, both need n_fft // 2 samples": (
        lambda n, n_fft, hop_length: 1 + (n - n_fft // 2) // hop_length
    ),
    "you rounded up: right only when hop_length does not divide n_samples": (
        lambda n, n_fft, hop_length: math.ceil(n / hop_length)
    ),
    "a frame centred behind the last sample is not made: round down": (
        lambda n, n_fft, hop_length: 1 + math.ceil(n / hop_length)
    ),
    "round down, not to the nearest": lambda n, n_fft, hop_length: 1 + round(n / hop_length),
    "a number of frames is a whole number: // divides and rounds down": (
        lambda n, n_fft, hop_length: 1 + n / hop_length
    ),
    "frames advance by hop_length, not by n_fft": lambda n, n_fft, hop_length: 1 + n // n_fft,
    "hop_length is not used: you took n_fft // 2": lambda n, n_fft, hop_length: (
        1 + n // (n_fft // 2)
    ),
    "hop_length is not used: you took n_fft // 4": lambda n, n_fft, hop_length: (
        1 + n // (n_fft // 4)
    ),
    "this is right for one sound and one setting only": lambda n, n_fft, hop_length: 32,
}


@one_line("count_frames")
def check_count_frames(function: Any) -> Verdict:
    """Judge ``count_frames(n_samples, *, n_fft, hop_length)``: centred frames, even n_fft."""
    return judge_integer_function(
        function, right=_right_n_frames, mistakes=FRAME_MISTAKES, cases=_FRAME_CASES
    )


# --- 02_stft, exercise 3: a whole STFT --------------------------------------------------------

_STFT_SETTINGS = [{"n_fft": 64, "hop_length": 24}, {"n_fft": 128, "hop_length": 50}]
_STFT_RIGHT = {
    "window": "hann",
    "padding": "reflect",
    "hop": "hop_length",
    "frames": "all",
    "bins": "half",
    "value": "complex",
    "scale": "none",
    "axes": "freq, time",
}

#: (step of the STFT, wrong choice) -> what to say. ``_stft_variant`` can make each of them.
STFT_MISTAKES: dict[tuple[str, str], str] = {
    ("value", "power"): "these are squared magnitudes, keep the complex numbers",
    ("value", "magnitude"): "these are magnitudes, keep the complex numbers",
    ("value", "real"): "only the real part is left, keep the complex numbers",
    ("value", "decibel"): "these are decibels, keep the complex numbers",
    ("value", "conjugate"): "the sign in the exponent is wrong: this is e^{+j...}, the conjugate",
    ("axes", "time, freq"): "the axes are swapped: frequency comes first, then time",
    ("bins", "all"): "this is the full FFT: for real samples its upper half is a mirror, drop it",
    ("bins", "no nyquist"): "the last bin is missing: bin n_fft // 2 (Nyquist) belongs to it",
    ("window", "none"): "the window is missing: each frame is cut out with hard edges",
    ("window", "symmetric"): "this is a symmetric Hann window, the STFT takes the periodic one",
    ("window", "squared"): "the window is applied twice",
    ("window", "hamming"): "this is a Hamming window, wanted is Hann",
    ("padding", "not centred"): "the frames are not centred: pad n_fft // 2 at both ends first",
    ("padding", "zeros"): "you padded with zeros, wanted are mirrored samples (reflect)",
    ("padding", "n_fft"): "you padded by n_fft at each end, centring needs n_fft // 2",
    ("hop", "n_fft // 4"): "hop_length is not used: your frames advance by n_fft // 4",
    ("hop", "n_fft // 2"): "hop_length is not used: your frames advance by n_fft // 2",
    ("hop", "n_fft"): "hop_length is not used: your frames advance by n_fft",
    ("hop", "1"): "hop_length is not used: your frames advance by one sample",
    ("frames", "one short"): "the last frame is missing",
    ("frames", "no first"): "the first frame is missing",
    ("scale", "1 / n_fft"): "everything is divided by n_fft, the formula has no such factor",
    ("scale", "1 / sqrt(n_fft)"): "everything is divided by the square root of n_fft",
    ("scale", "1 / sum(window)"): "everything is divided by the sum of the window",
}


def _stft_frames(waveform: Tensor, n_fft: int, hop_length: int, how: Mapping[str, str]) -> Tensor:
    """Cut frames, (n_frames, n_fft), with the padding and the hop that ``how`` names."""
    pad = {"not centred": 0, "n_fft": n_fft}.get(how["padding"], n_fft // 2)
    mode = "constant" if how["padding"] == "zeros" else "reflect"
    padded = torch.nn.functional.pad(waveform[None], (pad, pad), mode=mode)[0] if pad else waveform
    steps = {"n_fft // 4": n_fft // 4, "n_fft // 2": n_fft // 2, "n_fft": n_fft, "1": 1}
    frames = padded.unfold(-1, n_fft, steps.get(how["hop"], hop_length))
    return {"one short": frames[:-1], "no first": frames[1:]}.get(how["frames"], frames)


def _stft_window(n_fft: int, how: str) -> Tensor:
    hann = torch.hann_window(n_fft, dtype=torch.float64)
    return {
        "hann": hann,
        "none": torch.ones(n_fft, dtype=torch.float64),
        "symmetric": torch.hann_window(n_fft, periodic=False, dtype=torch.float64),
        "squared": hann**2,
        "hamming": torch.hamming_window(n_fft, dtype=torch.float64),
    }[how]


def _stft_variant(waveform: Tensor, *, n_fft: int, hop_length: int, **wrong: str) -> Tensor:
    """An STFT with named mistakes; without any it is the course's own (a test holds that)."""
    how = {**_STFT_RIGHT, **wrong}
    window = _stft_window(n_fft, how["window"])
    frames = _stft_frames(waveform.double(), n_fft, hop_length, how) * window
    spec = torch.fft.fft(frames).mT
    kept = {"all": n_fft, "no nyquist": n_fft // 2}.get(how["bins"], n_fft // 2 + 1)
    divisors = {"1 / n_fft": n_fft, "1 / sqrt(n_fft)": n_fft**0.5, "1 / sum(window)": window.sum()}
    spec = spec[:kept] / divisors.get(how["scale"], 1.0)
    values = {
        "power": lambda z: z.abs() ** 2,
        "magnitude": lambda z: z.abs(),
        "real": lambda z: z.real,
        "decibel": lambda z: 20 * torch.log10(z.abs()),
        "conjugate": lambda z: z.conj().resolve_conj(),
    }
    spec = values.get(how["value"], lambda z: z)(spec)
    return spec.mT if how["axes"] == "time, freq" else spec


def _name_stft_mistake(got: list[np.ndarray], waveform: Tensor) -> str | None:
    """Find the one or two wrong steps that give what the student's function gave."""
    known = list(STFT_MISTAKES)
    pairs = ((a, b) for a, b in itertools.combinations(known, 2) if a[0] != b[0])
    for steps in itertools.chain(((step,) for step in known), pairs):
        variants = (
            _stft_variant(waveform, **setting, **dict(steps)).numpy() for setting in _STFT_SETTINGS
        )
        if all(
            agree(g, v.astype(np.complex128), 1e-4) for g, v in zip(got, variants, strict=False)
        ):
            more = " (and that is not all)" if len(steps) > 1 else ""
            return STFT_MISTAKES[steps[0]] + more
    return None


@one_line("my_stft")
def check_my_stft(function: Any) -> Verdict:
    """Judge ``my_stft(waveform, *, n_fft, hop_length)``: periodic Hann, centred, reflect, complex.

    The answer must have the shape (n_fft // 2 + 1, n_frames), like ``course_utils.signal.stft``.
    """
    need_function(function)
    waveform = torch.randn(1000, generator=torch.Generator().manual_seed(2)) * 0.1
    got = []
    for setting in _STFT_SETTINGS:
        given = waveform.clone()
        spec = call(function, given, **setting)
        if spec is None:
            return EMPTY_BODY
        if not torch.equal(given, waveform):
            return WRONG, "your function changes the waveform that it is given (an in-place *= ?)"
        got.append(to_array(spec))
    want = [stft(waveform.double(), **setting).numpy() for setting in _STFT_SETTINGS]
    if all(agree(g, w, 1e-4) for g, w in zip(got, want, strict=True)):
        return RIGHT, "right, it agrees with the course's stft to 0.01 % of the peak"
    mistake = _name_stft_mistake(got, waveform)
    if mistake:
        return WRONG, mistake
    if got[0].shape != want[0].shape:
        n_fft, hop_length = _STFT_SETTINGS[0].values()
        text = f"1000 samples, n_fft={n_fft}, hop_length={hop_length}: "
        return WRONG, text + f"wanted is the shape {want[0].shape}, yours is {got[0].shape}"
    worst = max(
        float(np.max(np.abs(g - w)) / np.max(np.abs(w))) for g, w in zip(got, want, strict=True)
    )
    return WRONG, f"the shape is right, the values are up to {100 * worst:.0f} % of the peak off"


# --- 02_stft, exercise 4: a setting for two tones, a setting for two clicks -------------------

_VALLEY_DB = 6.0
_LOBE_BINS = {"hann": 4, "hamming": 4, "blackman": 6, "rectangular": 2}


def _need_setting(setting: Any, n_samples: int) -> dict[str, Any]:
    """Complete a dict of settings as the course does, or say what is wrong with it."""
    if setting is None or setting is Ellipsis:
        raise Stop(NOT_TRIED_YET)
    if not isinstance(setting, Mapping):
        raise Stop((WRONG, "a dict is wanted, with n_fft and hop_length in it"))
    extra = set(setting) - {"n_fft", "hop_length", "win_length", "window"}
    if extra or "n_fft" not in setting:
        text = f"the name {min(map(str, extra))} is unknown" if extra else "n_fft is missing"
        raise Stop((WRONG, f"{text}: use n_fft, hop_length, win_length, window"))
    full = dict(setting)
    full["win_length"] = full.get("win_length") or full["n_fft"]
    full["hop_length"] = full.get("hop_length") or full["win_length"] // 2
    full.setdefault("window", "hann")
    for key in ("n_fft", "hop_length", "win_length"):
        if not isinstance(full[key], int) or full[key] < 1:
            raise Stop((WRONG, f"{key}={full[key]!r} must be a positive whole number of samples"))
    if full["window"] not in _LOBE_BINS:
        raise Stop((WRONG, f"window={full['window']!r} is none of {', '.join(_LOBE_BINS)}"))
    if full["win_length"] > full["n_fft"]:
        raise Stop((WRONG, "win_length is longer than n_fft: the window does not fit"))
    if full["n_fft"] > n_samples:
        raise Stop((WRONG, "n_fft is longer than the whole sound"))
    if full["hop_length"] > full["win_length"]:
        raise Stop((WRONG, "hop_length is longer than the window: some samples are never seen"))
    return full


def _power_spec(waveform: Tensor, setting: dict[str, Any]) -> Tensor:
    return stft(waveform.double(), **setting).abs() ** 2  # (freq, time)


def _depth(depth_db: float) -> str:
    return "more than 80 dB" if depth_db > 80 else f"{depth_db:.0f} dB"


def _valley_db(curve: Tensor, first: int, second: int) -> float:
    """How far the lowest point between two places lies below the lower of the two, in dB."""
    if second - first < 2:
        return 0.0
    ends = min(float(curve[first]), float(curve[second]))
    lowest = float(curve[first + 1 : second].min())
    return 10 * math.log10(max(ends, 1e-20) / max(lowest, 1e-20))


def _two_peaks_db(curve: Tensor, first: float, second: float) -> float:
    """Depth of the valley between the peaks next to two places that are known beforehand, in dB."""
    reach = max((second - first) / 4, 0.5)
    peaks = []
    for place in (first, second):
        low, high = max(math.ceil(place - reach), 0), math.floor(place + reach)
        peaks.append(low + int(curve[low : high + 1].argmax()))
    return _valley_db(curve, *peaks)


@one_line("two tones")
def check_separates_tones(
    setting: Any, waveform: Tensor, sample_rate: int, *, freqs_hz: tuple[float, float]
) -> Verdict:
    """Judge a setting: does the spectrogram show two ridges at ``freqs_hz``, 6 dB valley or more?

    Args:
        setting: A dict with ``n_fft``, ``hop_length``, ``win_length``, ``window``; the last three
            may be left out.
        waveform: Samples of two steady tones, shape ``(time,)``.
        sample_rate: In Hz.
        freqs_hz: The two frequencies in Hz, the lower one first.
    """
    full = _need_setting(setting, waveform.shape[-1])
    mean_power = _power_spec(waveform, full).mean(dim=-1)  # (freq,): no beats left
    places = [freq_hz * full["n_fft"] / sample_rate for freq_hz in freqs_hz]
    depth_db = _two_peaks_db(mean_power, *places)
    if depth_db >= _VALLEY_DB:
        return RIGHT, f"two ridges, the valley between them is {_depth(depth_db)} deep"
    lobe_hz = _LOBE_BINS[full["window"]] * sample_rate / full["win_length"]
    gap_hz = freqs_hz[1] - freqs_hz[0]
    if full["n_fft"] > full["win_length"]:
        return WRONG, (
            f"one ridge: n_fft is long, but the window is {full['win_length']} samples. "
            "Zero padding draws the same hump with more points"
        )
    if full["hop_length"] < full["win_length"] // 2:
        return WRONG, (
            "one ridge: a small hop_length makes more columns, each as blurred as before. "
            f"A tone is {lobe_hz:.0f} Hz wide at its foot here"
        )
    return WRONG, (
        f"one ridge: a window of {1000 * full['win_length'] / sample_rate:.0f} ms makes each tone "
        f"{lobe_hz:.0f} Hz wide at its foot, the tones are {gap_hz:.0f} Hz apart"
    )


@one_line("two clicks")
def check_separates_clicks(
    setting: Any, waveform: Tensor, sample_rate: int, *, times_s: tuple[float, float]
) -> Verdict:
    """Judge a setting: does the spectrogram show two lines at ``times_s``, 6 dB valley or more?

    Args:
        setting: As in :func:`check_separates_tones`.
        waveform: Samples of two clicks, shape ``(time,)``.
        sample_rate: In Hz.
        times_s: The two times in seconds, the earlier one first.
    """
    full = _need_setting(setting, waveform.shape[-1])
    power_per_frame = _power_spec(waveform, full).sum(dim=0)  # (time,)
    places = [time_s * sample_rate / full["hop_length"] for time_s in times_s]
    depth_db = _two_peaks_db(power_per_frame, *places)
    if depth_db >= _VALLEY_DB:
        return RIGHT, f"two lines, the valley between them is {_depth(depth_db)} deep"
    window_ms = 1000 * full["win_length"] / sample_rate
    gap_ms = 1000 * (times_s[1] - times_s[0])
    hop_ms = 1000 * full["hop_length"] / sample_rate
    if window_ms > gap_ms and full["hop_length"] < full["win_length"] // 2:
        return WRONG, (
            f"one line: a small hop_length makes more columns, but a window of {window_ms:.1f} ms "
            f"still hears both clicks, they are {gap_ms:.0f} ms apart"
        )
    if window_ms > gap_ms:
        return WRONG, (
            f"one line: a window of {window_ms:.1f} ms hears both clicks at once, "
            f"they are {gap_ms:.0f} ms apart"
        )
    return WRONG, (
        f"one line: the window is short enough, but with a hop of {hop_ms:.1f} ms "
        "no frame lies between the clicks"
    )
