"""Feedback for the exercises of 01_waveform.ipynb: one line each, the mistake that was made."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.checks._core import (
    EMPTY_BODY,
    RIGHT,
    WRONG,
    Stop,
    Verdict,
    agree,
    call,
    need_function,
    one_line,
    to_array,
)
from course_utils.signal import alias_freq_hz, make_tone, quantize

_MORE = " (and that is not all)"
Case = tuple[tuple[Any, ...], dict[str, Any]]


def _answers(function: Any, cases: Sequence[Case]) -> list[np.ndarray] | None:
    """What the student's function returns for all cases; ``None`` if it is not written yet."""
    need_function(function)
    got = []
    for args, settings in cases:
        given = [arg.clone() if isinstance(arg, Tensor) else arg for arg in args]
        answer = call(function, *given, **settings)
        got.append(answer)
        for before, after in zip(args, given, strict=True):
            if isinstance(before, Tensor) and not torch.equal(before, after):
                text = "your function changes the waveform that it is given (an in-place *= ?)"
                raise Stop((WRONG, text))
    if all(answer is None for answer in got):
        return None
    for answer, (args, settings) in zip(got, cases, strict=True):
        if answer is None:
            text = f"for ({_shown(args, settings)}) you return None: is a return missing?"
            raise Stop((WRONG, text))
    return [to_array(answer) for answer in got]


def _all_agree(got: list[np.ndarray], want: Sequence[Any], rtol: float = 1e-4) -> bool:
    return all(agree(g, to_array(w), rtol) for g, w in zip(got, want, strict=True))


def _judge(
    function: Any,
    *,
    cases: Sequence[Case],
    right: Callable[..., Any],
    mistakes: Iterable[tuple[str, Callable[..., Any]]],
    praise: str,
    unit: str = "",
    mistake_rtol: float = 1e-3,
) -> Verdict:
    """Judge a function by what it returns for all cases, and name a mistake by what it computes."""
    got = _answers(function, cases)
    if got is None:
        return EMPTY_BODY
    want = [to_array(right(*args, **settings)) for args, settings in cases]
    if _all_agree(got, want):
        return RIGHT, praise
    for says, wrong in mistakes:
        if _all_agree(got, [wrong(*args, **settings) for args, settings in cases], mistake_rtol):
            return WRONG, says
    for g, w, (args, settings) in zip(got, want, cases, strict=True):
        shown = _shown(args, settings)
        if g.shape != w.shape:
            return WRONG, f"for ({shown}) wanted is the shape {w.shape}, yours is {g.shape}"
        if not np.isfinite(g).all():
            return WRONG, f"for ({shown}) there are values that are not finite (inf or nan)"
        if not agree(g, w, 1e-4):
            off = float(np.max(np.abs(g - w)))
            far = f"{off:.3g}" if off < 1000 else f"{off:.0f}"
            return WRONG, f"for ({shown}) you are {far}{unit} away"
    return WRONG, "not right yet"


def _shown(args: tuple[Any, ...], settings: dict[str, Any]) -> str:
    words = ["a waveform" if isinstance(arg, Tensor) else f"{arg:g}" for arg in args]
    return ", ".join(words + [f"{key}={value}" for key, value in settings.items()])


# --- exercise 1: a tone -----------------------------------------------------------------------

_TONE_CASES: list[Case] = [
    ((100.3,), {"sample_rate": 8000, "duration_s": 0.005, "level_dbfs": -6.0}),
    ((57.7,), {"sample_rate": 22_050, "duration_s": 0.002, "level_dbfs": -20.0}),
]

#: (part of the tone, wrong choice) -> what to say. ``_tone_variant`` can make each of them.
TONE_MISTAKES: dict[tuple[str, str], str] = {
    ("wave", "cosine"): "it starts at its peak: this is a cosine, wanted is a sine",
    ("wave", "upside down"): "it begins by going down: the sign is turned round",
    ("wave", "no 2 pi"): "the frequency is too low by 2 pi: one turn is 2 pi, not 1",
    ("wave", "pi"): "half the frequency: one turn is 2 pi, not pi",
    ("wave", "degrees"): "this counts a turn as 360 degrees, torch.sin wants radians",
    ("level", "power"): "the level is halved in dB: amplitudes go with 20 in dB, powers with 10",
    ("level", "ignored"): "level_dbfs is not used: the peak is 1",
    ("level", "half"): "half the amplitude: the level is that of the peak, from 0 up",
    ("level", "as amplitude"): "level_dbfs is used as the amplitude, it is a level in dB",
    ("level", "rms"): "this sets the RMS to level_dbfs, wanted is the peak",
    ("level", "e"): "the level is converted with e, decibels go with powers of 10",
    ("level", "upside down"): "the sign of the level is lost: negative dBFS is below full scale",
    ("time", "to the end"): "the last sample lies at duration_s: there the next one would be",
    ("time", "one more"): "there is one sample too many: sample duration_s belongs to what follows",
    ("time", "from 1"): "the first sample is not 0: n begins at 0",
    ("time", "samples"): "time runs in samples, not in seconds: divide n by sample_rate",
    ("time", "16000"): "sample_rate is not used in the times: this fits 16 000 Hz only",
    ("time", "duration"): "duration_s is not used: this lasts one second",
}


def _tone_variant(
    freq_hz: float,
    *,
    sample_rate: int,
    duration_s: float,
    level_dbfs: float,
    wave: str = "",
    level: str = "",
    time: str = "",
) -> Tensor:
    """Make the tone with the mistakes that are named."""
    n_samples = sample_rate if time == "duration" else round(sample_rate * duration_s)
    n = torch.arange(n_samples + (time == "one more"), dtype=torch.float64)
    times_s = {
        "samples": n,
        "16000": n / 16_000,
        "from 1": (n + 1) / sample_rate,
        "to the end": n * duration_s / (n_samples - 1),
    }.get(time, n / sample_rate)
    turn = {"no 2 pi": 1.0, "pi": math.pi, "degrees": 360.0}.get(wave, 2 * math.pi)
    amplitude = {
        "power": 10 ** (level_dbfs / 10),
        "ignored": 1.0,
        "half": 0.5 * 10 ** (level_dbfs / 20),
        "as amplitude": level_dbfs,
        "rms": math.sqrt(2) * 10 ** (level_dbfs / 20),
        "e": math.exp(level_dbfs / 20),
        "upside down": 10 ** (-level_dbfs / 20),
    }.get(level, 10 ** (level_dbfs / 20))
    angle = turn * freq_hz * times_s
    if wave == "upside down":
        return -amplitude * torch.sin(angle)
    return amplitude * (torch.cos(angle) if wave == "cosine" else torch.sin(angle))


def _tone_mistakes() -> Iterator[tuple[str, Callable[..., Tensor]]]:
    """All single mistakes, then all pairs of different parts."""
    for step, says in TONE_MISTAKES.items():
        yield says, functools.partial(_tone_variant, **dict([step]))
    for first, second in itertools.combinations(TONE_MISTAKES, 2):
        if first[0] != second[0]:
            yield (
                TONE_MISTAKES[first] + _MORE,
                functools.partial(_tone_variant, **dict([first, second])),
            )


@one_line("my_tone")
def check_my_tone(function: Any) -> Verdict:
    """Judge ``my_tone(freq_hz, *, sample_rate, duration_s, level_dbfs)``: a sine, peak in dBFS."""
    return _judge(
        function,
        cases=_TONE_CASES,
        right=lambda freq_hz, **settings: make_tone(freq_hz, **settings),
        mistakes=_tone_mistakes(),
        praise="right, it agrees with the course's make_tone",
        mistake_rtol=5e-3,  # float32 is coarse where time runs in samples
    )


# --- exercise 2: an alias, predicted and measured ---------------------------------------------

_ALIAS_CASES: list[Case] = [
    ((freq_hz,), {"sample_rate": sample_rate})
    for freq_hz, sample_rate in [
        (300.0, 4000),
        (2600.0, 4000),
        (3900.0, 4000),
        (5200.0, 4000),
        (7000.0, 4000),
        (9100.0, 8000),
        (15_000.0, 44_100),
    ]
]

ALIAS_MISTAKES: dict[str, Callable[..., float]] = {
    "nothing folds: this is the frequency itself": lambda f, sample_rate: f,
    "a remainder is not a mirror: some answers lie above half the sample rate": (
        lambda f, sample_rate: f % sample_rate
    ),
    "you start again at 0 behind Nyquist: the way back is a mirror, it comes down": (
        lambda f, sample_rate: f % (sample_rate / 2)
    ),
    "it does not stop at Nyquist: what is above comes back": lambda f, sample_rate: min(
        f, sample_rate / 2
    ),
    "a mirror at sample_rate for all: what is below Nyquist stays where it is": (
        lambda f, sample_rate: abs(sample_rate - f)
    ),
    "a mirror at sample_rate once: far above, the way goes up and down again": (
        lambda f, sample_rate: f if f <= sample_rate / 2 else abs(sample_rate - f)
    ),
    "you mirror at Nyquist once: far above, the way goes up and down again": (
        lambda f, sample_rate: f if f <= sample_rate / 2 else sample_rate - f
    ),
    "you mirror at sample_rate, the mirror stands at half of it": lambda f, sample_rate: (
        alias_freq_hz(f, sample_rate=2 * sample_rate)
    ),
    "you mirror at a quarter of sample_rate, the mirror stands at half of it": (
        lambda f, sample_rate: alias_freq_hz(f, sample_rate=sample_rate / 2)
    ),
    "the sign is left: no ear tells -300 Hz from 300 Hz": lambda f, sample_rate: (
        f - sample_rate * round(f / sample_rate)
    ),
    "the sign is turned: no ear tells -300 Hz from 300 Hz": lambda f, sample_rate: (
        sample_rate * round(f / sample_rate) - f
    ),
    "sample_rate is not used: this fits 4000 Hz only": lambda f, sample_rate: alias_freq_hz(
        f, sample_rate=4000
    ),
}


@one_line("heard_at")
def check_heard_at(function: Any) -> Verdict:
    """Judge ``heard_at(freq_hz, *, sample_rate)``: where a tone is heard that was not filtered."""
    return _judge(
        function,
        cases=_ALIAS_CASES,
        right=lambda freq_hz, *, sample_rate: alias_freq_hz(freq_hz, sample_rate=sample_rate),
        mistakes=ALIAS_MISTAKES.items(),
        praise=f"right in all {len(_ALIAS_CASES)} cases",
        unit=" Hz",
    )


_PEAK_TONES = [(3750.0, 8000, 1600), (410.0, 4000, 1600), (3000.0, 22_050, 2205)]


def _two_tones(freq_hz: float, sample_rate: int, n_samples: int) -> Tensor:
    """The tone that is to be found, and a softer one far below it."""
    settings = {"sample_rate": sample_rate, "duration_s": n_samples / sample_rate}
    return make_tone(freq_hz, **settings) + make_tone(0.2 * freq_hz, level_dbfs=-30.0, **settings)


_PEAK_CASES: list[Case] = [
    ((_two_tones(f, rate, n),), {"sample_rate": rate}) for f, rate, n in _PEAK_TONES
]


def _peak_bin(waveform: Tensor) -> int:
    return int(torch.fft.rfft(waveform).abs().argmax())


def _mean_bin(waveform: Tensor) -> float:
    magnitude = torch.fft.rfft(waveform.double()).abs()
    return float((magnitude * torch.arange(len(magnitude))).sum() / magnitude.sum())


PEAK_MISTAKES: dict[str, Callable[..., float]] = {
    "this is the number of the bin, not yet a frequency in Hz": lambda w, sample_rate: _peak_bin(w),
    "half of it: n samples give bins that lie sample_rate / n apart": lambda w, sample_rate: (
        _peak_bin(w) * sample_rate / len(w) / 2
    ),
    "twice as much: n samples give bins that lie sample_rate / n apart": (
        lambda w, sample_rate: _peak_bin(w) * sample_rate / len(w) * 2
    ),
    "the bins that rfft keeps end at Nyquist, they are not spread over sample_rate": (
        lambda w, sample_rate: _peak_bin(w) * sample_rate / (len(w) // 2 + 1)
    ),
    "close, but n // 2 + 1 bins have only n // 2 gaps between them": lambda w, sample_rate: (
        _peak_bin(w) * sample_rate / 2 / (len(w) // 2 + 1)
    ),
    "the n // 2 + 1 bins end at Nyquist: you spread them over the whole sample_rate": (
        lambda w, sample_rate: _peak_bin(w) * sample_rate / (len(w) // 2)
    ),
    "you took the real part only: how large a complex number is, abs() says": (
        lambda w, sample_rate: int(torch.fft.rfft(w).real.argmax()) * sample_rate / len(w)
    ),
    "this is the mean of all frequencies, wanted is the one of the highest peak": (
        lambda w, sample_rate: _mean_bin(w) * sample_rate / len(w)
    ),
    "sample_rate is not used: this fits 16 000 Hz only": lambda w, sample_rate: (
        _peak_bin(w) * 16_000 / len(w)
    ),
    "bins are counted from 0: this is one bin too high": lambda w, sample_rate: (
        (_peak_bin(w) + 1) * sample_rate / len(w)
    ),
    "this is the largest magnitude; wanted is where it stands (argmax)": lambda w, sample_rate: (
        float(torch.fft.rfft(w).abs().max())
    ),
    "you turned the largest magnitude into Hz; wanted is where it stands (argmax)": (
        lambda w, sample_rate: float(torch.fft.rfft(w).abs().max()) * sample_rate / len(w)
    ),
    "this is the loudest moment, not the loudest frequency: transform first": (
        lambda w, sample_rate: int(w.abs().argmax()) / sample_rate
    ),
}


@one_line("loudest_hz")
def check_loudest_hz(function: Any) -> Verdict:
    """Judge ``loudest_hz(waveform, *, sample_rate)``: the frequency of the highest peak in Hz."""
    got = _answers(function, _PEAK_CASES)
    if got and all(g.size == 1 for g in got):
        off_hz = [abs(g.reshape(()) - f) for g, (f, _, _) in zip(got, _PEAK_TONES, strict=True)]
        bins_hz = [rate / n for _, rate, n in _PEAK_TONES]
        if all(off < 0.5 * bin_hz for off, bin_hz in zip(off_hz, bins_hz, strict=True)):
            return RIGHT, "right, for three tones at three sample rates"
        got = [g.reshape(()) for g in got]
        for says, wrong in PEAK_MISTAKES.items():
            if _all_agree(got, [wrong(*args, **settings) for args, settings in _PEAK_CASES]):
                return WRONG, says
        worst = int(np.argmax(off_hz))
        f, rate, _ = _PEAK_TONES[worst]
        if math.isfinite(off_hz[worst]):
            off = f"{off_hz[worst]:.0f} Hz off"
            return WRONG, f"for a tone at a sample_rate of {rate} Hz you are {off}"
        return WRONG, "this is not a number"
    if got is None:
        return EMPTY_BODY
    return WRONG, f"one number is wanted, this has the shape {got[0].shape}"


# --- exercise 3: rounding to b bits, and its noise --------------------------------------------

_RAMP = torch.linspace(-1.0, 1.0, 997)
_QUANTIZE_CASES: list[Case] = [((_RAMP,), {"n_bits": 3}), ((_RAMP,), {"n_bits": 5})]


def _levels(n_bits: int) -> int:
    return 2 ** (n_bits - 1)


QUANTIZE_MISTAKES: dict[str, Callable[..., Tensor]] = {
    "you always round down: the error is half a step too low on average": lambda w, n_bits: (
        (w * _levels(n_bits)).floor().clamp(-_levels(n_bits), _levels(n_bits) - 1) / _levels(n_bits)
    ),
    "decimals are cut off towards 0 (int?): the step around 0 is twice as wide": (
        lambda w, n_bits: (
            (w * _levels(n_bits)).trunc().clamp(-_levels(n_bits), _levels(n_bits) - 1)
            / _levels(n_bits)
        )
    ),
    "1.0 is not among the levels: 0 takes one of the upper half, the highest is a step lower": (
        lambda w, n_bits: (w * _levels(n_bits)).round() / _levels(n_bits)
    ),
    "you cut decimals off towards 0, and 1.0 is not among the levels": lambda w, n_bits: (
        (w * _levels(n_bits)).trunc() / _levels(n_bits)
    ),
    "you always round down, and 1.0 is not among the levels": lambda w, n_bits: (
        (w * _levels(n_bits)).floor() / _levels(n_bits)
    ),
    "-1.0 is missing: the lower half has one level more than the upper": lambda w, n_bits: (
        (w * _levels(n_bits)).round().clamp(1 - _levels(n_bits), _levels(n_bits) - 1)
        / _levels(n_bits)
    ),
    "you always round up: the error is half a step too high on average": lambda w, n_bits: (
        (w * _levels(n_bits)).ceil().clamp(-_levels(n_bits), _levels(n_bits) - 1) / _levels(n_bits)
    ),
    "these are whole numbers, cut off towards 0: round, then scale back to [-1, 1]": (
        lambda w, n_bits: (w * _levels(n_bits)).trunc()
    ),
    "these are whole numbers: scale them back to [-1, 1]": lambda w, n_bits: (
        (w * _levels(n_bits)).round().clamp(-_levels(n_bits), _levels(n_bits) - 1)
    ),
    "one bit too many: 2 ** n_bits steps must do for -1 to 1, not for 0 to 1": lambda w, n_bits: (
        quantize(w, n_bits=n_bits + 1)
    ),
    "one bit too many, and 1.0 is not among the levels": lambda w, n_bits: (
        (w * 2**n_bits).round() / 2**n_bits
    ),
    "one bit too few: there are 2 ** n_bits levels": lambda w, n_bits: quantize(
        w, n_bits=n_bits - 1
    ),
    "your step is 1 / (2 ** (n_bits - 1) - 1): a little too wide": lambda w, n_bits: (
        (w * (_levels(n_bits) - 1)).round() / (_levels(n_bits) - 1)
    ),
    "your step is 1 / (2 ** n_bits - 1): from -1 to 1 that is twice as many levels": (
        lambda w, n_bits: (w * (2**n_bits - 1)).round() / (2**n_bits - 1)
    ),
    "your step is 2 / (2 ** n_bits - 1), so that 0 is no level: silence would become a hum": (
        lambda w, n_bits: ((w + 1) / 2 * (2**n_bits - 1)).round() / (2**n_bits - 1) * 2 - 1
    ),
    "your levels lie half a step beside 0 (mid-rise): silence would not stay silent": (
        lambda w, n_bits: (
            ((w * _levels(n_bits)).floor() + 0.5).clamp(-_levels(n_bits), _levels(n_bits) - 0.5)
            / _levels(n_bits)
        )
    ),
    "n_bits is not used: this is 8 bits": lambda w, n_bits: quantize(w, n_bits=8),
    "hardly anything is rounded: n_bits counts bits, not decimals": lambda w, n_bits: w,
}


@one_line("my_quantize")
def check_my_quantize(function: Any) -> Verdict:
    """Judge ``my_quantize(waveform, *, n_bits)``: mid-tread, ``2 ** n_bits`` levels, from -1 on."""
    return _judge(
        function,
        cases=_QUANTIZE_CASES,
        right=lambda waveform, *, n_bits: quantize(waveform, n_bits=n_bits),
        mistakes=QUANTIZE_MISTAKES.items(),
        praise="right, it agrees with the course's quantize, also at both ends",
    )


def _noisy_pair(level: float, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    clean = 0.3 * torch.randn(2000, generator=generator) + 0.2  # the mean must not be 0
    return clean, clean + level * torch.randn(2000, generator=generator)


_SNR_CASES: list[Case] = [(_noisy_pair(0.1, 1), {}), (_noisy_pair(0.004, 2), {})]


def _power(waveform: Tensor) -> float:
    return float(waveform.double().square().mean())


SNR_MISTAKES: dict[str, Callable[..., float]] = {
    "half of it: 10 log10 belongs to powers, a ratio of amplitudes (RMS) takes 20": (
        lambda clean, noisy: 5 * math.log10(_power(clean) / _power(noisy - clean))
    ),
    "twice as much: 20 log10 belongs to amplitudes, a ratio of powers takes 10": (
        lambda clean, noisy: 20 * math.log10(_power(clean) / _power(noisy - clean))
    ),
    "this is ln, the formula has log10": lambda clean, noisy: (
        10 * math.log(_power(clean) / _power(noisy - clean))
    ),
    "upside down: signal over noise": lambda clean, noisy: (
        10 * math.log10(_power(noisy - clean) / _power(clean))
    ),
    "the noise is what was added: noisy - clean, not noisy itself": lambda clean, noisy: (
        10 * math.log10(_power(clean) / _power(noisy))
    ),
    "the signal is clean, you took noisy for it": lambda clean, noisy: (
        10 * math.log10(_power(noisy) / _power(noisy - clean))
    ),
    "half of it: a ratio of stds takes 20, as amplitudes do (and std takes the mean away first)": (
        lambda clean, noisy: 10 * math.log10(float(clean.std()) / float((noisy - clean).std()))
    ),
    "std takes the mean away first: a mean square (or RMS) keeps it": lambda clean, noisy: (
        20 * math.log10(float(clean.std()) / float((noisy - clean).std()))
    ),
    "this compares mean absolute values, the ratio is one of mean squares": lambda clean, noisy: (
        20 * math.log10(float(clean.abs().mean()) / float((noisy - clean).abs().mean()))
    ),
    "this compares peaks, the ratio is one of mean squares (or of RMS)": lambda clean, noisy: (
        20 * math.log10(float(clean.abs().max()) / float((noisy - clean).abs().max()))
    ),
    "this is the ratio of the powers, not yet in dB": lambda clean, noisy: (
        _power(clean) / _power(noisy - clean)
    ),
    "this is the ratio of the RMS values, not yet in dB": lambda clean, noisy: math.sqrt(
        _power(clean) / _power(noisy - clean)
    ),
}


@one_line("my_snr_db")
def check_my_snr_db(function: Any) -> Verdict:
    """Judge ``my_snr_db(clean, noisy)``: level of the signal over the level of what was added."""
    return _judge(
        function,
        cases=_SNR_CASES,
        right=lambda clean, noisy: 10 * math.log10(_power(clean) / _power(noisy - clean)),
        mistakes=SNR_MISTAKES.items(),
        praise="right",
        unit=" dB",
    )
