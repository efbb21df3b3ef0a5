"""Checks of 01_waveform: each known mistake gets its sentence, whatever it is written like."""

import math

import numpy as np
import pytest
import torch

from course_utils.checks import waveform as checks
from course_utils.signal import alias_freq_hz, make_tone, quantize, signal_to_noise_db

CHECKS = [
    checks.check_my_tone,
    checks.check_heard_at,
    checks.check_loudest_hz,
    checks.check_my_quantize,
    checks.check_my_snr_db,
]


@pytest.fixture
def line(capsys):
    """Run a check and return the one line that it printed."""

    def run(check, answer):
        assert check(answer) is None
        out, err = capsys.readouterr()
        assert err == ""
        assert out.count("\n") == 1, f"one line is promised, got {out!r}"
        assert len(out) < 240
        return out.strip()

    return run


# ---- right answers, as students write them ----------------------------------------------------


def tone_in_numpy(freq_hz, sample_rate, duration_s, level_dbfs):
    n = np.arange(round(duration_s * sample_rate))
    return 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * freq_hz * n / sample_rate)


def mirror(freq_hz, sample_rate):
    rest = freq_hz % sample_rate
    return min(rest, sample_rate - rest)


def loudest_with_window(waveform, sample_rate):
    n = len(waveform)
    power = np.abs(np.fft.rfft(waveform.numpy() * np.hanning(n))) ** 2
    return np.fft.rfftfreq(n, 1 / sample_rate)[power.argmax()]


def loudest_with_zeros(waveform, sample_rate):
    spectrum = torch.fft.rfft(waveform, n=4 * len(waveform)).abs()
    return spectrum.argmax() * sample_rate / (4 * len(waveform))


def quantize_in_numpy(waveform, n_bits):
    step = 2 / 2**n_bits
    return np.clip(np.round(waveform.numpy() / step) * step, -1, 1 - step)


def snr_by_rms(clean, noisy):
    noise = noisy - clean
    return 20 * torch.log10(clean.square().mean().sqrt() / noise.square().mean().sqrt())


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (checks.check_my_tone, make_tone),
        (checks.check_my_tone, tone_in_numpy),
        (checks.check_heard_at, alias_freq_hz),
        (checks.check_heard_at, mirror),
        (checks.check_loudest_hz, loudest_with_window),
        (checks.check_loudest_hz, loudest_with_zeros),
        (checks.check_my_quantize, quantize),
        (checks.check_my_quantize, quantize_in_numpy),
        (checks.check_my_snr_db, snr_by_rms),
        (checks.check_my_snr_db, signal_to_noise_db),
    ],
)
def test_right_answers_are_right(line, check, answer):
    assert line(check, answer).startswith("✓")


# ---- mistakes -----------------------------------------------------------------------------------


def says(line, check, answer, words):
    text = line(check, answer)
    assert text.startswith("✗"), text
    assert " ".join(words.split()) in text, text


@pytest.mark.parametrize("step", checks.TONE_MISTAKES, ids=": ".join)
def test_each_mistake_in_a_tone_is_named(line, step):
    def wrong(freq_hz, **settings):
        return checks._tone_variant(freq_hz, **settings, **dict([step]))

    says(line, checks.check_my_tone, wrong, checks.TONE_MISTAKES[step])


def test_two_mistakes_in_a_tone_are_told_one_after_the_other(line):
    def wrong(freq_hz, *, sample_rate, duration_s, level_dbfs):
        n = torch.arange(round(sample_rate * duration_s))
        return 10 ** (level_dbfs / 10) * torch.cos(2 * math.pi * freq_hz * n / sample_rate)

    text = line(checks.check_my_tone, wrong)
    assert "this is a cosine" in text
    assert "that is not all" in text


@pytest.mark.parametrize(
    ("check", "mistakes"),
    [
        (checks.check_heard_at, checks.ALIAS_MISTAKES),
        (checks.check_loudest_hz, checks.PEAK_MISTAKES),
        (checks.check_my_quantize, checks.QUANTIZE_MISTAKES),
        (checks.check_my_snr_db, checks.SNR_MISTAKES),
    ],
    ids=["alias", "peak", "quantize", "snr"],
)
def test_each_known_mistake_is_named(line, check, mistakes):
    assert len(mistakes) >= 3
    for words, wrong in mistakes.items():
        says(line, check, wrong, words)


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (checks.check_my_tone, lambda f, sample_rate, duration_s, level_dbfs: torch.zeros(7), "sh"),
        (checks.check_heard_at, lambda f, sample_rate: 17.0, "Hz away"),
        (checks.check_heard_at, lambda f, sample_rate: sample_rate - f, "you are 3400 Hz away"),
        (
            checks.check_heard_at,
            lambda f, sample_rate: f if f < sample_rate / 2 else None,
            "for (2600, sample_rate=4000) you return None",
        ),
        (
            checks.check_loudest_hz,
            lambda w, sample_rate: int(torch.fft.rfft(w).abs().argmax()) * (sample_rate // len(w)),
            "Hz off",
        ),
        (checks.check_loudest_hz, lambda w, sample_rate: 17.0, "Hz off"),
        (checks.check_loudest_hz, lambda w, sample_rate: w, "one number is wanted"),
        (checks.check_my_quantize, lambda w, n_bits: w * float("nan"), "not finite"),
        (checks.check_my_quantize, lambda w, n_bits: w.mul_(2), "changes the waveform"),
        (checks.check_my_snr_db, lambda clean, noisy: 1 / 0, "raised ZeroDivisionError"),
        (checks.check_my_snr_db, lambda clean, noisy: "loud", "a number or a tensor is wanted"),
    ],
)
def test_other_wrong_answers_get_a_line_too(line, check, answer, words):
    says(line, check, answer, words)


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_tried_is_no_mistake(line, check):
    assert line(check, None).startswith("○")
    assert line(check, lambda *args, **settings: None).startswith("○")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("answer", [3, "text", torch.zeros(3), lambda: 1, lambda *a, **k: {}])
def test_a_check_never_raises(line, check, answer):
    assert line(check, answer).startswith("✗")


def test_no_line_gives_the_answer_away():
    told = [*checks.TONE_MISTAKES.values(), *checks.ALIAS_MISTAKES, *checks.QUANTIZE_MISTAKES]
    for text in told:
        for answer in ("abs(", "round(freq", "% sample_rate", "10 ** (level_dbfs / 20)", "clamp("):
            assert answer not in text
