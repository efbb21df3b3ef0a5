r"""Every formula in the prose agrees with the code.

The formulas are read out of the notebooks, ``$$m = 2595\,\log_{10}...$$``, turned into numbers,
and compared with what the course's functions compute. Whoever changes one of the two hears of it.
"""

import math
import re
from pathlib import Path

import nbformat
import pytest
import torch

from course_utils.audio_io import load_audio
from course_utils.signal import (
    alias_freq_hz,
    amplitude_to_db,
    hz_to_mel,
    make_tone,
    mel_band_edges_hz,
    mel_band_heights,
    mel_filterbank,
    mel_spectrogram,
    mel_to_hz,
    peak_dbfs,
    power_spectrogram,
    power_to_db,
    quantization_snr_db,
    quantize,
    rms_dbfs,
    standardize,
)

PROJECT = Path(__file__).resolve().parents[2]
STEMS = ("01_waveform", "03_mel", "04_decibel", "05_normalize")
FUNCTIONS = {
    "log10": lambda x: torch.log10(numbers(x)),
    "ln": lambda x: torch.log(numbers(x)),
    "sin": lambda x: torch.sin(numbers(x)),
    "sqrt": lambda x: torch.sqrt(numbers(x)),
    "round": lambda x: torch.round(numbers(x)),
    "mean": lambda x: numbers(x).mean(),
    "abs": abs,
}


# ---- from TeX to numbers ------------------------------------------------------------------------


def numbers(value):
    return torch.as_tensor(value, dtype=torch.float64)


def braces(text, start):
    """Content of the ``{...}`` (or the single character) at ``start``, and where it ends."""
    if text[start] != "{":
        return text[start], start + 1
    depth = 0
    for end in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return text[start + 1 : end], end + 1
    raise ValueError(f"a brace is not closed in {text}")


def without_fractions(text):
    r"""``\frac{a}{b}`` becomes ``((a)/(b))`` and ``\sqrt{a}`` becomes ``sqrt(a)``."""
    while match := re.search(r"\\t?frac|\\sqrt", text):
        first, end = braces(text, match.end())
        if match[0] == r"\sqrt":
            made = f"sqrt({first})"
        else:
            second, end = braces(text, end)
            made = f"(({first})/({second}))"
        text = text[: match.start()] + made + text[end:]
    return text


def to_python(tex):
    """One side of an equation as a Python expression; symbols lose what is not a letter."""
    text = re.sub(r"\\left\||\\left\\\|", "abs(", tex)
    text = re.sub(r"\\right\|", ")", text)
    text = re.sub(r"\\text\{dB\}", " ", text)
    text = re.sub(r"\\(left|right)\b|\\[,;! ]", " ", text)
    text = re.sub(r"\\(?:text|mathrm)\{([^}]*)\}", lambda m: m[1].replace(r"\_", "_"), text)
    text = re.sub(r"(?<=[A-Za-z])_\{([A-Za-z]+)\}", r"_\1", text)
    text = without_fractions(text)
    text = text.replace("x[n]", "x").replace("x_i", "x").replace(r"\log_{10}", "log10")
    text = re.sub(r"\(\(1\)/\(N\)\)\s*\\sum_\w\s*(.*?)(?=\)$|$)", r"mean(\1)", text)
    text = re.sub(r"\^T\s*\\cdot", ".T @", text).replace(r"\cdot", "*")
    text = re.sub(r"\^\{([^}]*)\}", r"**(\1)", text).replace("^", "**").replace("\\", " ")
    text = re.sub(r"log10\s+(?=\w)([\w*]+)", r"log10(\1)", text)
    return with_products(text)


def with_products(text):
    """Write the multiplication signs that mathematics leaves out."""
    tokens = re.findall(r"\d+\.?\d*|\.T|[A-Za-z_]\w*|\*\*|[-+*/()@]", text)
    made = ""
    for before, token in zip(["", *tokens], tokens, strict=False):
        ends = bool(re.fullmatch(r"\d.*|[A-Za-z_]\w*|\)|\.T", before)) and before not in FUNCTIONS
        begins = bool(re.fullmatch(r"\d.*|[A-Za-z_]\w*|\(", token))
        made += "*" + token if ends and begins else token
    return made


def evaluate(tex, symbols):
    return eval(to_python(tex), {**FUNCTIONS, "pi": math.pi, **symbols})


def sides(formula):
    """The sides of each equation of a formula, but for a name alone on the left."""
    found = []
    for equation in re.split(r"\\q?quad(?:\\q?quad)?", formula):
        parts = re.split(r"=|\\approx", equation)
        found.append([part.strip() for part in parts[1:]] or [equation.strip()])
        if re.search(r"log|frac", parts[0]):
            found[-1].insert(0, parts[0].strip())
    return found


def text_of(stem, cell_id):
    cells = nbformat.read(PROJECT / "notebooks" / f"{stem}.ipynb", 4).cells
    (cell,) = [cell for cell in cells if cell.id == cell_id]
    return cell.source


def displayed(stem):
    cells = nbformat.read(PROJECT / "notebooks" / f"{stem}.ipynb", 4).cells
    return [
        (cell.id, formula)
        for cell in cells
        if cell.cell_type == "markdown"
        for formula in re.findall(r"\$\$(.+?)\$\$", cell.source, re.DOTALL)
    ]


# ---- what the code says -------------------------------------------------------------------------

NOISE = 0.3 * torch.randn(4000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
EIGHT = numbers([-70.0, -50, -50, -50, -40, -40, -20, 0])  # the cells of lesson 05's pencil
FREQS_HZ = numbers([0.0, 440.0, 700.0, 1000.0, 6300.0, 8000.0])


def case_tone():
    x = make_tone(2000.0, level_dbfs=-6.0, dtype=torch.float64)[:100]
    n = torch.arange(100, dtype=torch.float64)
    return [({"A": 10 ** (-6 / 20), "f": 2000.0, "n": n, "f_s": 16_000.0}, x)]


def case_alias():
    f = [300.0, 3000.0, 5000.0, 7000.0, 9000.0, 30_500.0]
    return [
        ({"f": numbers(f), "f_s": 8000.0}, numbers([alias_freq_hz(x, sample_rate=8000) for x in f]))
    ]


def case_level():
    rms = NOISE.square().mean().sqrt()
    return [({"x": NOISE}, 10 ** (rms_dbfs(NOISE) / 20)), ({"a": rms}, rms_dbfs(NOISE))]


def case_step():
    levels = quantize(torch.linspace(-1, 1, 4001, dtype=torch.float64), n_bits=5).unique()
    return [({"b": 5}, levels.diff().min())]


def case_bits():
    b = torch.arange(1, 25, dtype=torch.float64)
    expected = numbers([quantization_snr_db(int(n)) for n in b])
    return [({"b": b, "Delta": 2 / 2**b}, expected)]


def case_gather():
    settings = {"n_fft": 512, "hop_length": 256}
    power_spec = power_spectrogram(NOISE, **settings)
    fbank = mel_filterbank(n_freqs=257, n_mels=20, sample_rate=16_000, dtype=torch.float64)
    expected = mel_spectrogram(NOISE, sample_rate=16_000, n_mels=20, **settings)
    return [({"fbank": fbank, "power_spec": power_spec}, expected)]


def case_power():
    power = NOISE.square()[None]
    return [({"P": power, "P_ref": 0.01}, power_to_db(power, ref=0.01, amin=1e-30, top_db=None))]


def case_amplitude():
    a = NOISE.abs()[None]
    return [({"A": a, "A_ref": 0.1}, amplitude_to_db(a, ref=0.1, amin=1e-15, top_db=None))]


def case_standardize():
    mu, sigma = EIGHT.mean(), EIGHT.std(correction=0)
    assert (mu, sigma) == (-40, 20)
    symbols = {"x": EIGHT, "mu": mu, "sigma": sigma, "varepsilon": 1e-8}
    return [(symbols, standardize(EIGHT, dim=-1))]


def case_moments():
    z = standardize(EIGHT, dim=-1)
    sigma = (EIGHT[-1] - EIGHT[0]) / (z[-1] - z[0])
    mu = EIGHT[0] - z[0] * sigma
    return [({"x": EIGHT}, mu), ({"x": EIGHT, "mu": mu}, sigma)]


def case_there():
    return [({"f": FREQS_HZ}, hz_to_mel(FREQS_HZ))]


def case_back():
    return [({"m": hz_to_mel(FREQS_HZ)}, mel_to_hz(hz_to_mel(FREQS_HZ)))]


DISPLAYED = {  # (lesson, cell): for each equation its symbols and what the code computes
    ("01_waveform", "tone"): case_tone,
    ("01_waveform", "alias-formula"): case_alias,
    ("01_waveform", "level"): case_level,
    ("01_waveform", "bits"): case_step,
    ("01_waveform", "noise-formula"): case_bits,
    ("03_mel", "formula"): case_there,
    ("03_mel", "formula-read"): case_back,
    ("03_mel", "fbank-apply"): case_gather,
    ("04_decibel", "formula"): case_power,
    ("04_decibel", "amplitude"): case_amplitude,
    ("05_normalize", "formula"): case_standardize,
    ("05_normalize", "symbols"): case_moments,
}


@pytest.mark.parametrize("stem", STEMS)
def test_every_displayed_formula_is_looked_at(stem):
    assert [(stem, cell) for cell, _ in displayed(stem)] == [k for k in DISPLAYED if k[0] == stem]


@pytest.mark.parametrize(("stem", "cell"), DISPLAYED, ids=[f"{s}-{c}" for s, c in DISPLAYED])
def test_displayed_formula_is_what_the_code_computes(stem, cell):
    formula = dict(displayed(stem))[cell]
    cases = DISPLAYED[stem, cell]()
    for equation, (symbols, expected) in zip(sides(formula), cases, strict=True):
        assert equation
        for side in equation:
            rounded = 0.02 if "6.02" in side else 0.0  # the formula itself says «about»
            got = numbers(evaluate(side, symbols))
            torch.testing.assert_close(got, numbers(expected), rtol=1e-6, atol=rounded or 1e-6)


def height_of_area_one():
    edges_hz = mel_band_edges_hz(n_mels=64, sample_rate=16_000)
    symbols = {"f_left": edges_hz[:-2], "f_right": edges_hz[2:]}
    return symbols, mel_band_heights(edges_hz, norm="slaney")


def frequency_of_the_chirp():
    """The loudest frequency around one second of the sound that the lesson plays."""
    chirp, rate = load_audio(PROJECT / "audio_samples" / "chirp.flac")
    piece = chirp[rate - 512 : rate + 512] * torch.hann_window(1024)
    peak = torch.fft.rfft(piece, n=16_384).abs().argmax()
    return {"t": 1.0}, float(peak * rate / 16_384)


def square_of_rounding_errors():
    ramp = torch.linspace(-0.9, 0.9, 100_001, dtype=torch.float64)
    return {"Delta": 2 / 2**6}, (quantize(ramp, n_bits=6) - ramp).square().mean()


def peak_of_half():
    return {"a": numbers(0.5)}, peak_dbfs(numbers([0.5, -0.1]))


INLINE = [  # lesson, cell, formula, its symbols and what the code computes, allowed difference
    ("01_waveform", "explore", r"200 + 2400\,t", frequency_of_the_chirp, 2.0),
    ("01_waveform", "noise-formula", r"\Delta^2 / 12", square_of_rounding_errors, 1e-6),
    ("01_waveform", "ex1", r"L = 20 \log_{10} a", peak_of_half, 1e-6),
    ("03_mel", "norm-read", r"2 / (f_{right} - f_{left})", height_of_area_one, 1e-9),
    ("03_mel", "formula-read", "1 + 6300/700 = 10", lambda: ({}, 10.0), 1e-9),
    ("04_decibel", "pencil", r"\log_{10} 1000 = 3", lambda: ({}, 3.0), 1e-9),
    ("04_decibel", "range", r"20 \log_{10} 2^b", lambda: ({"b": 16}, 96.33), 0.01),
]


@pytest.mark.parametrize(
    ("stem", "cell", "formula", "case", "allowed"), INLINE, ids=[f"{s}-{c}" for s, c, *_ in INLINE]
)
def test_formula_inside_a_sentence_is_what_the_code_computes(stem, cell, formula, case, allowed):
    assert f"${formula}$" in text_of(stem, cell), "the lesson says it in another way now"
    symbols, expected = case()
    for side in formula.split("="):
        if side.strip() != "L":
            got = numbers(evaluate(side, symbols))
            torch.testing.assert_close(got, numbers(expected), rtol=0, atol=allowed)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("2595", "2959"), (r"\log_{10}", r"\ln"), ("1 +", "2 +"), ("700", "1000")],
)
def test_a_wrong_formula_is_seen(right, wrong):
    (side,) = sides(dict(displayed("03_mel"))["formula"])[0]
    assert right in side
    spoiled = evaluate(side.replace(right, wrong), {"f": FREQS_HZ})
    assert (spoiled - hz_to_mel(FREQS_HZ)).abs().max() > 1.0
