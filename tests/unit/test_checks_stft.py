"""Checks of exercises: one line, never an exception, the mistake that was made, no answer given."""

import io
import math
import re
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_utils.checks import check_close
from course_utils.checks import stft as checks
from course_utils.signal import frame, get_window, make_clicks, make_tone, stft

SAMPLE_RATE = 16_000


@pytest.fixture
def line(capsys):
    """Run a check and return the one line that it printed."""

    def run(check, *args, **kwargs):
        assert check(*args, **kwargs) is None
        out, err = capsys.readouterr()
        assert err == ""
        assert out.endswith("\n")
        assert out.count("\n") == 1, f"one line is promised, got {out!r}"
        assert len(out) < 240
        return out.strip()

    return run


@pytest.fixture(scope="module")
def tones():
    two = [make_tone(f, sample_rate=SAMPLE_RATE, duration_s=1.0) for f in (1000.0, 1040.0)]
    return sum(two)


@pytest.fixture(scope="module")
def clicks():
    return make_clicks([0.5, 0.508], sample_rate=SAMPLE_RATE, duration_s=1.0)


# ---- right answers, as students write them ----------------------------------------------------


def right_stft(waveform, *, n_fft, hop_length):
    padded = F.pad(waveform[None], (n_fft // 2, n_fft // 2), mode="reflect")[0]
    frames = frame(padded, frame_length=n_fft, hop_length=hop_length)
    return torch.fft.rfft(frames * get_window("hann", n_fft)).T


def stft_by_loop(waveform, *, n_fft, hop_length):
    padded = np.pad(waveform.numpy(), n_fft // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    columns = []
    for t in range(1 + len(waveform) // hop_length):
        piece = padded[t * hop_length : t * hop_length + n_fft]
        columns.append(np.fft.rfft(piece * window))
    return np.stack(columns, axis=1)


def stft_by_torch(waveform, **settings):
    window = torch.hann_window(settings["n_fft"])
    return torch.stft(waveform, window=window, return_complex=True, **settings)


@pytest.mark.parametrize("function", [right_stft, stft_by_loop, stft_by_torch])
def test_every_right_way_to_write_an_stft_is_right(line, function):
    assert line(checks.check_my_stft, function).startswith("✓ my_stft: right")


@pytest.mark.parametrize(
    ("check", "function"),
    [
        (checks.check_bin_of, lambda f, *, n_fft, sample_rate: round(f / (sample_rate / n_fft))),
        (
            checks.check_bin_of,
            lambda f, *, n_fft, sample_rate: torch.tensor(f * n_fft / sample_rate).round(),
        ),
        (checks.check_bin_of, lambda f, *, n_fft, sample_rate: int(f * n_fft / sample_rate + 0.5)),
        (checks.check_count_frames, lambda n, *, n_fft, hop_length: n // hop_length + 1),
        (
            checks.check_count_frames,
            lambda n, *, n_fft, hop_length: (n + 2 * (n_fft // 2) - n_fft) // hop_length + 1,
        ),
        (
            checks.check_count_frames,
            lambda n, *, n_fft, hop_length: stft(
                torch.zeros(n), n_fft=n_fft, hop_length=hop_length
            ).shape[1],
        ),
    ],
)
def test_every_right_way_to_write_a_formula_is_right(line, check, function):
    assert line(check, function).startswith("✓")


# ---- the classical mistakes, as students write them --------------------------------------------


def wrong_stft(body):
    """Make a function of the source of its return value; ``x`` is the waveform."""

    def function(waveform, *, n_fft, hop_length):
        x = F.pad(waveform[None], (n_fft // 2, n_fft // 2), mode="reflect")[0]
        names = {
            "torch": torch,
            "F": F,
            "waveform": waveform,
            "x": x,
            "n": n_fft,
            "hop": hop_length,
        }
        names |= {
            "frame": frame,
            "hann": torch.hann_window(n_fft),
            "stft": stft,
            "get_window": get_window,
        }
        return eval(body, names)

    return function


FRAMES = "frame(x, frame_length=n, hop_length=hop)"


@pytest.mark.parametrize(
    ("body", "diagnosis"),
    [
        (f"torch.fft.rfft({FRAMES}).T", "window is missing"),
        (f"torch.fft.rfft({FRAMES} * torch.hann_window(n, periodic=False)).T", "symmetric Hann"),
        (f"torch.fft.rfft({FRAMES} * torch.hamming_window(n)).T", "Hamming"),
        (f"torch.fft.rfft({FRAMES} * hann * hann).T", "applied twice"),
        ("torch.fft.rfft(waveform.unfold(0, n, hop) * hann).T", "not centred"),
        ("stft(waveform, n_fft=n, hop_length=hop, center=False)", "not centred"),
        ("stft(waveform, n_fft=n, hop_length=hop, pad_mode='constant')", "padded with zeros"),
        ("stft(waveform, n_fft=n, hop_length=n // 4)", "advance by n_fft // 4"),
        ("stft(waveform, n_fft=n)", "advance by n_fft // 2"),
        ("stft(waveform, n_fft=n, hop_length=n)", "advance by n_fft"),
        (f"torch.fft.fft({FRAMES} * hann).T", "full FFT"),
        (f"torch.fft.fft({FRAMES} * hann).T[: n // 2]", "last bin is missing"),
        (f"torch.fft.rfft({FRAMES} * hann)", "axes are swapped"),
        (f"torch.fft.rfft({FRAMES} * hann).T.abs()", "these are magnitudes"),
        (f"torch.fft.rfft({FRAMES} * hann).T.abs() ** 2", "squared magnitudes"),
        (f"torch.fft.rfft({FRAMES} * hann).T.real", "only the real part"),
        (f"20 * torch.log10(torch.fft.rfft({FRAMES} * hann).T.abs())", "these are decibels"),
        (f"torch.fft.ifft({FRAMES} * hann).T[: n // 2 + 1] * n", "sign in the exponent"),
        (f"torch.fft.rfft({FRAMES} * hann, norm='forward').T", "divided by n_fft"),
        (f"torch.fft.rfft({FRAMES} * hann, norm='ortho').T", "square root of n_fft"),
        (f"torch.fft.rfft({FRAMES} * hann / hann.sum()).T", "sum of the window"),
        (f"torch.fft.rfft({FRAMES} * hann).T[:, :-1]", "last frame is missing"),
        (f"torch.fft.rfft({FRAMES} * hann).T[:, 1:]", "first frame is missing"),
        (
            "torch.fft.rfft(F.pad(waveform[None], (n, n), mode='reflect')[0].unfold(0, n, hop)"
            " * hann).T",
            "padded by n_fft at each end",
        ),
        ("torch.fft.rfft(x.unfold(0, n, 1) * hann).T", "advance by one sample"),
        (
            "torch.stft(waveform, n, hop, window=torch.ones(n), return_complex=True).abs()",
            "these are magnitudes, keep the complex numbers (and that is not all)",
        ),
        ("torch.fft.rfft(waveform.unfold(0, n, hop)).T", "(and that is not all)"),
        (f"torch.fft.rfft({FRAMES} * hann).T * 3", "values are up to"),
        (f"torch.fft.rfft({FRAMES} * hann).T[None]", "the shape (33, 42), yours is (1, 33, 42)"),
    ],
)
def test_stft_mistake_is_named(line, body, diagnosis):
    answer = line(checks.check_my_stft, wrong_stft(body))
    assert answer.startswith("✗ my_stft: ")
    assert diagnosis in answer


def test_stft_that_changes_its_input_is_named(line):
    """``frames *= window`` on a view of the samples weighs each sample several times."""

    def in_place(waveform, *, n_fft, hop_length):
        waveform *= 0.5
        return right_stft(waveform, n_fft=n_fft, hop_length=hop_length)

    assert "changes the waveform" in line(checks.check_my_stft, in_place)


@pytest.mark.parametrize(
    ("function", "diagnosis"),
    [
        (lambda f, *, n_fft, sample_rate: round(f * n_fft / sample_rate) + 1, "counted from 0"),
        (lambda f, *, n_fft, sample_rate: f * n_fft / sample_rate, "round it"),
        (lambda f, *, n_fft, sample_rate: int(f * n_fft / sample_rate), "cut the decimals off"),
        (lambda f, *, n_fft, sample_rate: f * n_fft // sample_rate, "cut the decimals off"),
        (lambda f, *, n_fft, sample_rate: math.ceil(f * n_fft / sample_rate), "round up"),
        (lambda f, *, n_fft, sample_rate: round(2 * f * n_fft / sample_rate), "only half of it"),
        (
            lambda f, *, n_fft, sample_rate: round(f / sample_rate * (n_fft // 2 + 1)),
            "end at half the sample_rate",
        ),
        (
            lambda f, *, n_fft, sample_rate: round(f / (sample_rate / 2) * (n_fft // 2 + 1)),
            "gaps",
        ),
        (lambda f, *, n_fft, sample_rate: round(f * sample_rate / n_fft), "upside down"),
        (lambda f, *, n_fft, sample_rate: round(f / 15.625), "both settings are ignored"),
        (lambda f, *, n_fft, sample_rate: round(f * 1024 / sample_rate), "n_fft is not used"),
        (lambda f, *, n_fft, sample_rate: round(f * n_fft / 16000), "sample_rate is not used"),
        (lambda f, *, n_fft, sample_rate: 64, "too large"),
        (lambda f, *, n_fft, sample_rate: 0.3, "a whole number"),
    ],
)
def test_bin_mistake_is_named(line, function, diagnosis):
    answer = line(checks.check_bin_of, function)
    assert answer.startswith("✗ bin_of: ")
    assert diagnosis in answer


@pytest.mark.parametrize(
    ("function", "diagnosis"),
    [
        (lambda n, *, n_fft, hop_length: n // hop_length, "one frame is missing"),
        (lambda n, *, n_fft, hop_length: n // hop_length + 2, "too many"),
        (lambda n, *, n_fft, hop_length: 1 + (n - n_fft) // hop_length, "not centred"),
        (lambda n, *, n_fft, hop_length: (n - n_fft) // hop_length, "and one is missing"),
        (lambda n, *, n_fft, hop_length: 1 + (n + n_fft) // hop_length, "fit as a whole"),
        (lambda n, *, n_fft, hop_length: 1 + (n - n_fft // 2) // hop_length, "one end only"),
        (lambda n, *, n_fft, hop_length: -(-n // hop_length), "rounded up"),
        (lambda n, *, n_fft, hop_length: 1 + math.ceil(n / hop_length), "round down"),
        (lambda n, *, n_fft, hop_length: 1 + round(n / hop_length), "not to the nearest"),
        (lambda n, *, n_fft, hop_length: 1 + n / hop_length, "a whole number"),
        (lambda n, *, n_fft, hop_length: 1 + n // n_fft, "advance by hop_length"),
        (lambda n, *, n_fft, hop_length: 1 + n // (n_fft // 2), "you took n_fft // 2"),
        (lambda n, *, n_fft, hop_length: 1 + n // (n_fft // 4), "you took n_fft // 4"),
        (lambda n, *, n_fft, hop_length: 32, "one setting only"),
        (lambda n, *, n_fft, hop_length: 7, "too small"),
        (lambda n, *, n_fft, hop_length: torch.ones(2), "one number is wanted"),
    ],
)
def test_frame_count_mistake_is_named(line, function, diagnosis):
    answer = line(checks.check_count_frames, function)
    assert answer.startswith("✗ count_frames: ")
    assert diagnosis in answer


@pytest.mark.parametrize(
    ("setting", "diagnosis"),
    [
        ({"n_fft": 512, "hop_length": 256}, "125 Hz wide"),
        ({"n_fft": 4096, "hop_length": 256, "win_length": 512}, "Zero padding"),
        ({"n_fft": 512, "hop_length": 16}, "a small hop_length makes more columns"),
        ({"n_fft": 256, "hop_length": 512}, "never seen"),
        ({"n_fft": 16_384}, "longer than the whole sound"),
        ({"n_fft": 512, "win_length": 1024}, "does not fit"),
        ({"n_fft": 512.0}, "must be a positive whole number"),
        ({"n_fft": True}, "must be a positive whole number"),
        ({"n_fft": 512, "window": "triangle"}, "is none of"),
        ({"n_fft": 512, "hop": 16}, "the name hop is unknown"),
        ({"hop_length": 16}, "n_fft is missing"),
        ((512, 256), "a dict is wanted"),
    ],
)
def test_setting_for_two_tones_that_fails_says_why(line, tones, setting, diagnosis):
    answer = line(
        checks.check_separates_tones, setting, tones, SAMPLE_RATE, freqs_hz=(1000.0, 1040.0)
    )
    assert answer.startswith("✗ two tones: ")
    assert diagnosis in answer


@pytest.mark.parametrize(
    ("setting", "diagnosis"),
    [
        ({"n_fft": 1024, "hop_length": 512}, "hears both clicks at once"),
        ({"n_fft": 1024, "hop_length": 16}, "a small hop_length makes more columns"),
        ({"n_fft": 128, "hop_length": 128}, "no frame lies between"),
        ({"n_fft": 64, "hop_length": 256}, "never seen"),
    ],
)
def test_setting_for_two_clicks_that_fails_says_why(line, clicks, setting, diagnosis):
    answer = line(checks.check_separates_clicks, setting, clicks, SAMPLE_RATE, times_s=(0.5, 0.508))
    assert answer.startswith("✗ two clicks: ")
    assert diagnosis in answer


def test_settings_that_separate_are_right_and_none_does_both(line, tones, clicks):
    def marks(setting):
        for_tones = line(
            checks.check_separates_tones, setting, tones, SAMPLE_RATE, freqs_hz=(1000.0, 1040.0)
        )
        for_clicks = line(
            checks.check_separates_clicks, setting, clicks, SAMPLE_RATE, times_s=(0.5, 0.508)
        )
        return for_tones[0] + for_clicks[0]

    assert marks({"n_fft": 4096, "hop_length": 1024}) == "✓✗"
    assert marks({"n_fft": 128, "hop_length": 32}) == "✗✓"
    for window in ("hann", "hamming", "blackman", "rectangular"):
        for n_fft in range(64, 2049, 64):
            assert marks({"n_fft": n_fft, "hop_length": 16, "window": window}) != "✓✓"


# ---- the tables: every sentence can be reached, and no other one comes before it ----------------


@pytest.mark.parametrize("says", checks.BIN_MISTAKES)
def test_each_sentence_about_bins_is_reached(line, says):
    assert says in line(checks.check_bin_of, checks.BIN_MISTAKES[says])


@pytest.mark.parametrize("says", checks.FRAME_MISTAKES)
def test_each_sentence_about_frames_is_reached(line, says):
    assert says in line(checks.check_count_frames, checks.FRAME_MISTAKES[says])


@pytest.mark.parametrize("step", checks.STFT_MISTAKES, ids=": ".join)
def test_each_sentence_about_the_stft_is_reached(line, step):
    def wrong(waveform, *, n_fft, hop_length):
        setting = {"n_fft": n_fft, "hop_length": hop_length}
        return checks._stft_variant(waveform, **setting, **dict([step]))

    assert line(checks.check_my_stft, wrong) == f"✗ my_stft: {checks.STFT_MISTAKES[step]}"


def test_variant_without_a_mistake_is_the_course_s_stft():
    waveform = torch.randn(700, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours = stft(waveform, n_fft=96, hop_length=31)
    torch.testing.assert_close(checks._stft_variant(waveform, n_fft=96, hop_length=31), ours)


# ---- not tried, nonsense, and the promises ------------------------------------------------------


def empty(*_args, **_kwargs):
    return None


def not_written(*_args, **_kwargs):
    raise NotImplementedError


@pytest.mark.parametrize(
    "check", [checks.check_bin_of, checks.check_count_frames, checks.check_my_stft]
)
@pytest.mark.parametrize("answer", [None, ..., empty, not_written])
def test_function_that_is_not_written_yet_is_no_mistake(line, check, answer):
    assert "not tried yet" in line(check, answer)
    assert line(check, answer).startswith("○")


def test_setting_or_number_that_is_not_given_yet_is_no_mistake(line, tones, clicks):
    given = [
        line(checks.check_separates_tones, None, tones, SAMPLE_RATE, freqs_hz=(1000, 1040)),
        line(checks.check_separates_clicks, None, clicks, SAMPLE_RATE, times_s=(0.5, 0.508)),
        line(check_close, None, 3.0),
    ]
    assert all(text.startswith("○") and "not tried yet" in text for text in given)


class Odd:
    """An object that breaks whatever touches it."""

    def __array__(self, *_args, **_kwargs):
        raise RuntimeError("no array for you\nin two lines")

    def __eq__(self, _other):
        raise RuntimeError("not comparable")

    __hash__ = None


def raises(*_args, **_kwargs):
    raise IndexError("list index\nout of range")


NONSENSE = [
    3, "a string", [], [[1, 2], [3]], {}, {1: 2}, Odd(), float("nan"), torch.zeros(0),
    torch.full((2, 2), math.nan), np.array(["x"]), object(), lambda: 1, print, raises,
    lambda *a, **k: Odd(), lambda *a, **k: "text", lambda *a, **k: torch.zeros(0),
    lambda *a, **k: torch.tensor(math.inf), lambda *a, **k: [None, 1],
    lambda *a, **k: [[1], [1, 2]],
]  # fmt: skip


@pytest.mark.parametrize("answer", NONSENSE, ids=lambda a: f"{type(a).__name__}")
def test_no_answer_makes_a_check_raise_or_print_two_lines(line, tones, clicks, answer):
    lines = [
        line(checks.check_bin_of, answer),
        line(checks.check_count_frames, answer),
        line(checks.check_my_stft, answer),
        line(checks.check_separates_tones, answer, tones, SAMPLE_RATE, freqs_hz=(1000, 1040)),
        line(checks.check_separates_clicks, answer, clicks, SAMPLE_RATE, times_s=(0.5, 0.508)),
        line(check_close, answer, torch.ones(3)),
    ]
    assert not any(text.startswith("✓") for text in lines)


def test_function_that_raises_is_told_which_call_failed(line):
    text = line(checks.check_my_stft, raises)
    assert "IndexError" in text
    assert "n_fft=64, hop_length=24" in text


def test_function_with_other_arguments_is_told_their_names(line):
    assert "unexpected keyword argument 'n_fft'" in line(checks.check_my_stft, lambda waveform: 1)


def test_check_close_says_what_differs(line):
    want = torch.tensor([1.0, 2.0, 4.0])
    assert line(check_close, [1, 2, 4], want) == "✓ answer: right"
    assert "shape is (2,), wanted is (3,)" in line(check_close, [1, 2], want)
    assert "largest difference is 0.5" in line(check_close, [1, 2, 4.5], want)
    assert "not finite" in line(check_close, [1, 2, math.inf], want)
    known = {"you took ln in place of log10": [2.3, 4.6, 9.2]}
    text = line(check_close, [2.3, 4.6, 9.2], want, name="level", mistakes=known)
    assert text == "✗ level: you took ln in place of log10"


def test_no_line_gives_the_answer_away(line):
    """The line for an unknown mistake names a case and a direction, not the right number."""
    too_large = line(checks.check_bin_of, lambda f, *, n_fft, sample_rate: 500)
    too_small = line(checks.check_count_frames, lambda n, *, n_fft, hop_length: 5)
    assert too_large.endswith("you return 500, which is too large")
    assert too_small.endswith("you return 5, which is too small")
    assert not re.search(r"\b64\b", too_large)
    assert not re.search(r"\b32\b", too_small)
    for says in [*checks.BIN_MISTAKES, *checks.FRAME_MISTAKES, *checks.STFT_MISTAKES.values()]:
        assert "freq_hz * n_fft" not in says
        assert "1 + n" not in says


def test_line_is_printed_where_the_marks_cannot_be(monkeypatch):
    """A plain Windows console knows neither ✓ nor ○."""
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="cp1252"))
    check_close(1.0, 1.0)
    sys.stdout.flush()
    assert buffer.getvalue().rstrip() == b"? answer: right"
