"""Checks of 03_mel: each classical mistake is fed in, and its diagnosis must come out."""

import math

import numpy as np
import pytest
import torch

from course_utils.checks import mel as checks
from course_utils.signal import mel_band_edges_hz, mel_filterbank


@pytest.fixture
def line(capsys):
    """Run a check and return the one line that it printed."""

    def run(check, *args):
        assert check(*args) is None
        out, err = capsys.readouterr()
        assert err == ""
        assert out.endswith("\n")
        assert out.count("\n") == 1, f"one line is promised, got {out!r}"
        assert len(out) < 240
        return out.strip()

    return run


def triangle(freqs_hz, *, low_hz, centre_hz, high_hz):
    rising = (freqs_hz - low_hz) / (centre_hz - low_hz)
    falling = (high_hz - freqs_hz) / (high_hz - centre_hz)
    return torch.minimum(rising, falling).clamp(min=0)


def triangle_by_loop(freqs_hz, low_hz, centre_hz, high_hz):
    weights = []
    for f in freqs_hz.tolist():
        if f <= low_hz or f >= high_hz:
            weights.append(0.0)
        elif f <= centre_hz:
            weights.append((f - low_hz) / (centre_hz - low_hz))
        else:
            weights.append((high_hz - f) / (high_hz - centre_hz))
    return weights


def bins_by_loop(low_hz, *, high_hz, n_fft, sample_rate):
    return sum(low_hz < k * sample_rate / n_fft < high_hz for k in range(n_fft // 2 + 1))


RIGHT = [
    (checks.check_hz_to_mel, lambda f: 2595 * math.log10(1 + f / 700)),
    (checks.check_hz_to_mel, lambda f: 2595 * torch.log10(1 + f / 700)),
    (checks.check_hz_to_mel, lambda f: 2595 * np.log10(1 + np.asarray(f) / 700)),
    (checks.check_hz_to_mel, lambda f: 1127 * math.log(1 + f / 700)),
    (checks.check_mel_to_hz, lambda m: 700 * (10 ** (m / 2595) - 1)),
    (checks.check_mel_to_hz, lambda m: 700 * torch.expm1(m / 1126.994)),
    (checks.check_triangle, triangle),
    (checks.check_triangle, triangle_by_loop),
    (checks.check_bins_inside, bins_by_loop),
]


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_every_right_way_to_write_it_is_right(line, check, answer):
    assert line(check, answer).startswith("✓")


@pytest.mark.parametrize("says", checks.HZ_TO_MEL_MISTAKES)
def test_a_wrong_formula_is_told_what_is_wrong(line, says):
    with np.errstate(all="ignore"):
        wrong = checks.HZ_TO_MEL_MISTAKES[says]
        answer = line(checks.check_hz_to_mel, lambda f: float(wrong(np.array([f]))[0]))
    assert answer == f"✗ my_hz_to_mel: {says}"


@pytest.mark.parametrize("says", checks.MEL_TO_HZ_MISTAKES)
def test_a_wrong_inverse_is_told_what_is_wrong(line, says):
    with np.errstate(all="ignore"):
        wrong = checks.MEL_TO_HZ_MISTAKES[says]
        answer = line(checks.check_mel_to_hz, lambda m: float(wrong(np.array([m]))[0]))
    assert answer == f"✗ my_mel_to_hz: {says}"


@pytest.mark.parametrize("says", checks.TRIANGLE_MISTAKES)
def test_a_wrong_triangle_is_told_what_is_wrong(line, says):
    def wrong(freqs_hz, *, low_hz, centre_hz, high_hz):
        return checks.TRIANGLE_MISTAKES[says](freqs_hz, low_hz, centre_hz, high_hz)

    assert line(checks.check_triangle, wrong) == f"✗ triangle: {says}"


@pytest.mark.parametrize("says", checks.COUNT_MISTAKES)
def test_a_wrong_count_is_told_what_is_wrong(line, says):
    assert line(checks.check_bins_inside, checks.COUNT_MISTAKES[says]) == f"✗ bins_inside: {says}"


@pytest.mark.parametrize(
    ("check", "answer", "says"),
    [
        (checks.check_hz_to_mel, lambda f: 2595 * math.log10(f / 700), "the 1 + is missing"),
        (checks.check_hz_to_mel, lambda f: 3 / f, "raised ZeroDivisionError for"),
        (checks.check_hz_to_mel, lambda f: 1 / 0, "raised ZeroDivisionError"),
        (checks.check_mel_to_hz, lambda m: 700 * (10 ^ (m / 2595)), "a power is written **"),
        (checks.check_mel_to_hz, lambda m: 700 * (10 ** (m / 2595) - 1) + (m ^ 1), "is written **"),
        (checks.check_hz_to_mel, lambda f: 2595 * math.log10(1 + f / 701), "which is too small"),
        (checks.check_hz_to_mel, lambda f: float("nan"), "not finite"),
        (checks.check_hz_to_mel, lambda f: "mel", "this is a str"),
        (checks.check_hz_to_mel, 1000.0, "give the function itself"),
        (checks.check_mel_to_hz, lambda m: [m, m], "one number is wanted"),
        (checks.check_triangle, lambda freqs_hz, **edges: torch.zeros(5), "65 went in"),
        (
            checks.check_triangle,
            lambda freqs_hz, **edges: 0.99 * triangle(freqs_hz, **edges),
            "largest difference",
        ),
        (
            checks.check_triangle,
            lambda freqs_hz, **edges: triangle(freqs_hz, **edges) * math.nan,
            "not finite",
        ),
        (
            checks.check_triangle,
            lambda freqs_hz, **edges: triangle(freqs_hz.mul_(2), **edges),
            "changes the frequencies",
        ),
        (
            checks.check_triangle,
            lambda freqs_hz, **edges: min(freqs_hz, 1 - freqs_hz),
            "torch.where, torch.minimum a tensor",
        ),
        (checks.check_bins_inside, lambda low, **settings: 3, "too large"),
        (checks.check_more_bins, 1024, "a dict is wanted"),
        (checks.check_more_bins, {"n_fft": 1024}, "win_length follows n_fft"),
        (checks.check_more_bins, {"n_fft": 1024, "win_length": 200}, "this one has 200"),
        (checks.check_more_bins, {"n_fft": 512, "win_length": 400}, "1 still empty: 0. Band 0"),
        (checks.check_more_bins, {"n_fft": 256}, "makes it worse"),
        (checks.check_more_bins, {"n_fft": 400}, "that is the illness"),
        (checks.check_more_bins, {"n_fft": 1024, "n_mels": 64, "win_length": 400}, "all 128 bands"),
        (checks.check_more_bins, {"n_fft": 400, "hop_length": 64}, "it adds no bin"),
        (checks.check_more_bins, {"n_fft": 400, "norm": "slaney"}, "adds no bin to an empty one"),
        (checks.check_more_bins, {"n_fft": 400.5}, "positive whole number"),
        (checks.check_more_bins, {"n_fft": 1023, "win_length": 400}, "even n_fft"),
        (checks.check_more_bins, {"n_fft": 300, "win_length": 400}, "does not fit"),
        (checks.check_more_bins, {"frames": 3}, "frames is unknown"),
        (checks.check_fewer_bands, {"n_mels": 100}, "still empty"),
        (checks.check_fewer_bands, {"n_mels": 128}, "fewer bands are wanted"),
        (checks.check_fewer_bands, {"n_mels": 8}, "keep at least 64 bands"),
        (checks.check_fewer_bands, {"n_mels": 80, "n_fft": 512}, "only n_mels may change"),
    ],
)
def test_other_answers_get_a_line_that_helps(line, check, answer, says):
    said = line(check, answer)
    assert said.startswith("✗")
    assert says in said


@pytest.mark.parametrize(
    "check",
    [checks.check_hz_to_mel, checks.check_mel_to_hz, checks.check_triangle,
     checks.check_bins_inside, checks.check_more_bins, checks.check_fewer_bands],
)  # fmt: skip
def test_nothing_written_yet_is_no_mistake(line, check):
    assert "○" in line(check, None)
    if check not in (checks.check_more_bins, checks.check_fewer_bands):
        assert "returns None" in line(check, lambda *_args, **_settings: None)


@pytest.mark.parametrize(
    ("check", "cure"),
    [
        (checks.check_more_bins, {"n_fft": 1024, "win_length": 400}),
        (checks.check_more_bins, {"n_fft": 600, "n_mels": 128, "win_length": 400}),
        (checks.check_fewer_bands, {"n_mels": 80}),
        (checks.check_fewer_bands, {"n_fft": 400, "n_mels": 64}),
    ],
)
def test_cures_that_help_are_right(line, check, cure):
    assert line(check, cure).startswith("✓")


def test_a_band_is_empty_exactly_where_no_bin_is_inside():
    """The exercise's count explains what the filterbank shows."""
    edges_hz = mel_band_edges_hz(n_mels=128, sample_rate=16_000)
    fbank = mel_filterbank(n_freqs=201, n_mels=128, sample_rate=16_000)
    for band in range(128):
        inside = checks._right_count(
            float(edges_hz[band]), high_hz=float(edges_hz[band + 2]), n_fft=400, sample_rate=16_000
        )
        assert inside == int((fbank[:, band] > 0).sum()), band


def test_no_answer_stands_in_a_line(line):
    for check, wrong in [
        (checks.check_hz_to_mel, lambda f: 0.5 * f),
        (checks.check_mel_to_hz, lambda m: 2.0 * m),
        (checks.check_more_bins, {"n_fft": 402, "win_length": 400}),
    ]:
        said = line(check, wrong)
        assert "1 + f / 700" not in said
        assert "1024" not in said
