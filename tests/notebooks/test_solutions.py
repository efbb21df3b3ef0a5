"""Exercises and their solutions: all solved ones are right, and a spoiled one is told how."""

import contextlib
import io
import os
import re
from pathlib import Path

import matplotlib as mpl
import nbformat
import pytest

from course_utils import checks

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SOLUTIONS = sorted((NOTEBOOKS / "solutions").glob("*.ipynb"))
CHECK = re.compile(r"checks\.(check_\w+)\(")


def code_of(path):
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def run(sources, folder):
    """Run cells one after the other in ``folder`` and return the lines they print."""
    printed, before = io.StringIO(), Path.cwd()
    namespace = {"__name__": "__main__"}
    try:
        os.chdir(folder)
        with contextlib.redirect_stdout(printed), mpl.rc_context({"backend": "agg"}):
            for source in sources:
                exec(compile(source, "<cell>", "exec"), namespace)
    finally:
        os.chdir(before)
    return printed.getvalue().splitlines()


def verdicts(lines):
    marks = (checks.RIGHT, checks.WRONG, checks.NOT_TRIED)
    return [line for line in lines if line.startswith(marks)]


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda p: p.stem)
def test_every_check_of_a_solution_is_right(path):
    sources = code_of(path)
    lines = verdicts(run(sources, path.parent))
    assert len(lines) == len(CHECK.findall("\n".join(sources)))
    assert all(line.startswith(checks.RIGHT) for line in lines), lines


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda p: p.stem)
def test_lesson_has_the_same_checks_and_gives_no_answer(path):
    lesson, solution = NOTEBOOKS / path.name, "\n".join(code_of(path))
    asked = CHECK.findall("\n".join(code_of(lesson)))
    assert sorted(asked) == sorted(CHECK.findall(solution))
    assert 2 <= len(set(asked)) <= 6
    shown = [
        line
        for cell in nbformat.read(lesson, as_version=4).cells
        for output in cell.get("outputs", [])
        for line in output.get("text", "").splitlines()
    ]
    lines = verdicts(shown)
    assert len(lines) == len(asked)
    assert all(line.startswith(checks.NOT_TRIED) and "not tried yet" in line for line in lines)


def test_every_lesson_with_a_check_has_a_solution():
    with_checks = {p.stem for p in NOTEBOOKS.glob("*.ipynb") if CHECK.search("\n".join(code_of(p)))}
    assert with_checks == {path.stem for path in SOLUTIONS}


# ---- the solution with one thing spoiled --------------------------------------------------------

SPOILED = [  # check, what the solution has, what stands there in its place, what the line must say
    ("bin_of", "round(freq_hz * n_fft", "int(freq_hz * n_fft", "cut the decimals off"),
    ("bin_of", "n_fft / sample_rate)", "n_fft / sample_rate) + 1", "counted from 0"),
    ("bin_of", "n_fft / sample_rate", "n_fft / (sample_rate / 2)", "only half of it"),
    ("bin_of", "freq_hz * n_fft", "freq_hz * (n_fft // 2 + 1)", "not spread over all of it"),
    ("count_frames", "1 + n_samples", "n_samples", "one frame is missing"),
    ("count_frames", "n_samples //", "(n_samples - n_fft) //", "not centred"),
    ("count_frames", "// hop_length", "/ hop_length", "a whole number"),
    ("count_frames", "// hop_length", "// n_fft", "advance by hop_length"),
    ("my_stft", "frames * window", "frames", "window is missing"),
    ("my_stft", '"hann"', '"hamming"', "Hamming"),
    (
        "my_stft",
        'get_window("hann", n_fft)',
        "torch.hann_window(n_fft, periodic=False)",
        "symmetric",
    ),
    ("my_stft", 'mode="reflect"', 'mode="constant"', "padded with zeros"),
    ("my_stft", "frame(padded,", "frame(waveform,", "not centred"),
    ("my_stft", "hop_length=hop_length", "hop_length=n_fft // 4", "advance by n_fft // 4"),
    ("my_stft", "fft.rfft", "fft.fft", "full FFT"),
    ("my_stft", "* window).T", "* window)", "axes are swapped"),
    ("my_stft", "* window).T", "* window).T.abs()", "these are magnitudes"),
    ("my_stft", "* window).T", "* window).T.abs() ** 2", "squared magnitudes"),
    ("my_stft", "* window).T", "* window).T.conj()", "sign in the exponent"),
    ("my_stft", "* window).T", "* window).T[:, :-1]", "last frame is missing"),
    ("my_stft", "* window).T", "* window).T / n_fft", "divided by n_fft"),
    ("separates_tones", '4096, "hop_length": 1024', '512, "hop_length": 256', "125 Hz wide"),
    ("separates_tones", '"hop_length": 1024', '"win_length": 512', "Zero padding"),
    ("separates_tones", '4096, "hop_length": 1024', '512, "hop_length": 8', "a small hop_length"),
    ("separates_clicks", '"n_fft": 128', '"n_fft": 1024', "a small hop_length"),
    ("separates_clicks", '"hop_length": 32', '"hop_length": 128', "no frame lies between"),
    ("separates_clicks", '"hop_length": 32', '"hop_length": 512', "never seen"),
]


def assert_spoiled_is_told(stem, check, right, wrong, says):
    """Run a solution with one thing exchanged: its check must say what is wrong."""
    path = NOTEBOOKS / "solutions" / f"{stem}.ipynb"
    imports, parameters, *others = code_of(path)
    (source,) = [s for s in others if f"checks.check_{check}(" in s]
    spoiled = source.replace(right, wrong)
    assert spoiled != source, "the solution has changed: this test spoils nothing any more"
    lines = verdicts(run([imports, parameters, spoiled], path.parent))
    assert any(line.startswith(checks.WRONG) and says in line for line in lines), lines


@pytest.mark.parametrize(
    ("check", "right", "wrong", "says"), SPOILED, ids=[f"{c}: {s}" for c, _, _, s in SPOILED]
)
def test_spoiled_solution_is_told_what_is_wrong(check, right, wrong, says):
    assert_spoiled_is_told("02_stft", check, right, wrong, says)
