"""docs/teaching.md says nothing about a lesson that is not so, and no exam has a wrong number."""

import ast
import functools
import importlib
import math
import re
from pathlib import Path

import nbformat
import pytest
import torch

from course_utils import explorers
from course_utils.data.bundled_words import load_bundled_words
from course_utils.explorers.decibel import DecibelExplorer
from course_utils.explorers.mel import MelExplorer
from course_utils.explorers.normalize import NormalizeExplorer
from course_utils.explorers.stft import StftExplorer
from course_utils.explorers.waveform import WaveformExplorer
from course_utils.signal import (
    alias_freq_hz,
    hz_to_mel,
    make_tone,
    mel_to_hz,
    peak_dbfs,
    power_to_db,
    quantize,
    rms_dbfs,
    standardize,
    stft,
)
from course_utils.signal.mel import mel_band_edges_hz
from course_utils.signal.resolution import window_resolution
from course_utils.signal.stft import dft_matrix
from course_utils.signal.waveform import signal_to_noise_db

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "teaching.md").read_text("utf-8")
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RATE = 16_000

NUMBER = re.compile(r"(?<![\w.])(?:\d{1,3}(?:[ _]\d{3})+|\d+(?:\.\d+)?)(?![\d_])")
TABLE_ROW = re.compile(r"^\| (?!part \||---)(.+) \|$", re.MULTILINE)
MISTAKE = re.compile(r"^- `([^`]+)`: «([^»]+)»", re.MULTILINE)
QUESTION = re.compile(
    r"^\*\*E(\d\d\.\d) · (\w+)\.\*\* (.+?)\n\*Answer:\* (.+?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL
)
QUESTIONS = {name: (kind, ask, answer) for name, kind, ask, answer in QUESTION.findall(GUIDE)}

every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def chapter(title):
    """The text below a heading of the guide, up to the next one of the same level."""
    return GUIDE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def about(path):
    return chapter(f"Lesson {path.name[:2]}")


def rows(path):
    """The table of a lesson: ``[(part, minutes, ask, they say, then)]``."""
    return [[cell.strip() for cell in row.split(" | ")] for row in TABLE_ROW.findall(about(path))]


@functools.cache
def cells_of(path):
    return nbformat.read(path, 4).cells


@functools.cache
def headings(path):
    sources = [cell.source for cell in cells_of(path) if cell.cell_type == "markdown"]
    return {line.lstrip("# ") for text in sources for line in text.splitlines() if line[:1] == "#"}


@functools.cache
def text_of(path):
    """Everything that a notebook says and prints."""
    parts = []
    for cell in cells_of(path):
        parts.append(cell.source)
        for output in cell.get("outputs", []):
            parts += [output.get("text", ""), str(output.get("data", {}).get("text/plain", ""))]
    return "\n".join(parts)


@functools.cache
def stated_minutes(path):
    """What the lesson's first cell says: minutes, and minutes for the exercises."""
    found = re.search(r"about (\d+) minutes(?:, and (\d+) more)?", cells_of(path)[0].source)
    return int(found[1]), int(found[2] or 0)


def lesson(number):
    return next(path for path in LESSONS if path.name.startswith(number))


def value(token):
    return float(re.sub("[ _]", "", token))


def numbers(text):
    return {value(token) for token in NUMBER.findall(text.replace("\u00a0", " "))}


# ------------------------------------------------------------------------- what is in a lesson


@every_lesson
def test_every_lesson_has_its_chapter(path):
    assert f"(../notebooks/{path.name})" in about(path)
    assert "**Afterwards they**" in about(path)
    assert f"(#lesson-{path.name[:2]})" in GUIDE


@every_lesson
def test_parts_are_headings_of_the_notebook_in_their_order(path):
    parts = [row[0] for row in rows(path)]
    assert set(parts) <= headings(path)
    assert len(rows(path)[0]) == 5
    text = text_of(path)
    places = [text.index(f"# {part}\n") for part in parts]
    assert places == sorted(places)


@every_lesson
def test_what_is_set_in_italics_in_the_table_is_a_heading(path):
    for row in rows(path):
        for name in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", " ".join(row)):
            assert name in headings(path), name


@every_lesson
def test_minutes_add_up_to_what_the_lesson_says(path):
    minutes, exercises = stated_minutes(path)
    assert sum(int(row[1]) for row in rows(path)) == minutes
    found = re.search(r"\*\*Exercises, (\d+) min\.\*\*", about(path))
    assert int(found[1] if found else 0) == exercises


@every_lesson
def test_numbers_in_the_table_are_those_of_the_lesson(path):
    """Single digits aside: every number is in the notebook, in its text or in what it prints."""
    there = numbers(text_of(path))
    for part, _minutes, *cells in rows(path):
        for token in NUMBER.findall(" | ".join(cells)):
            if len(token) > 1:
                assert value(token) in there, f"{part}: {token}"


PRESETS = {
    "explore_stft": StftExplorer,
    "explore_mel": MelExplorer,
    "explore_decibel": DecibelExplorer,
    "explore_normalize": NormalizeExplorer,
    "explore_waveform": WaveformExplorer,
}


@every_lesson
def test_explorers_and_presets_are_in_the_notebook(path):
    names = set(re.findall(r"`(explore_\w+)`", about(path)))
    assert names <= set(re.findall(r"\b(explore_\w+)\(", text_of(path)))
    assert names <= set(dir(explorers))
    wanted = set(re.findall(r"preset «([^»]+)»", about(path)))
    sound = make_tone(440.0, sample_rate=RATE, duration_s=0.1)
    there = set()
    for name in names & set(PRESETS):
        there |= set(getattr(explorers, name)(sound, RATE).presets)
    assert wanted <= there


def said_by_checks(path):
    """Every string in the checks of a lesson, and the names of their lines."""
    module = importlib.import_module(f"course_utils.checks.{path.stem[3:]}")
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@every_lesson
def test_wrong_answers_are_those_that_the_checks_name(path):
    mistakes = MISTAKE.findall(about(path))
    if not stated_minutes(path)[1]:
        assert mistakes == []
        return
    assert len(mistakes) >= 5
    strings = said_by_checks(path)
    for check, sentence in mistakes:
        assert check in strings, check
        assert any(sentence in text for text in strings), sentence


# ------------------------------------------------------------------------------------ the plans


def plan(title, n_columns):
    text = chapter("Plans").partition(f"### {title}")[2].partition("\n### ")[0]
    found = [row.split("|") for row in re.findall(r"^\|(.+)\|$", text, re.MULTILINE)]
    table = [[cell.strip() for cell in row] for row in found[2:]]
    assert table
    assert all(len(row) == n_columns for row in table)
    return table


def test_one_lecture_has_ninety_minutes_and_real_parts():
    table = plan("One lecture", 3)
    assert sum(int(minutes) for _, _, minutes in table) == 90
    for number, parts, _ in table:
        assert set(parts.split("; ")) <= headings(lesson(number)), number


def test_three_lectures_have_ninety_minutes_each_and_real_parts():
    table, total = plan("Three lectures", 4), {}
    for name, number, parts, minutes in table:
        current = name or current  # noqa: F821  (the first row has a name)
        total[current] = total.get(current, 0) + int(minutes)
        assert set(parts.split("; ")) <= headings(lesson(number)), number
    assert list(total.values()) == [90, 90, 90]


def test_a_week_gives_each_lesson_the_minutes_it_says():
    clause = re.compile(r"(\d\d)(?: and (\d\d))?(, (?:first|second) half)?, (\d+) min")
    wanted, given = {}, {}
    for _day, *parts in plan("A week", 4):
        for kind, part in zip((0, 1, 0), parts, strict=True):
            for first, second, half, minutes in clause.findall(part):
                names = tuple(name for name in (first, second) if name)
                stated = sum(stated_minutes(lesson(name))[kind] for name in names)
                wanted[names, kind] = stated
                given[names, kind] = given.get((names, kind), 0) + int(minutes)
                assert half or int(minutes) == stated, part
    assert given == wanted
    mornings = {name for names, kind in given for name in names if kind == 0}
    assert mornings == {path.name[:2] for path in LESSONS}


def test_preparation_says_what_the_lessons_say():
    text = chapter("Before the lesson")
    assert "drum at −2 dBFS and its voice at −36" in text
    assert "peak: drum -2 dBFS, voice -36 dBFS" in text_of(lesson("04"))
    assert "trains 120 small" in text
    assert "120 trainings" in text_of(lesson("05"))
    for command in re.findall(r"`python3 course\.py (\w+)", GUIDE):
        assert f'@command("{command}"' in (ROOT / "course.py").read_text("utf-8"), command
    model = re.search(r'load_word_model\("\.\./([^"]+)"\)', GUIDE)[1]
    assert (ROOT / model).is_file()


def test_links_of_the_guide_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)\)", GUIDE)
    assert targets
    assert [target for target in targets if not (ROOT / "docs" / target).exists()] == []


# ------------------------------------------------------------------------------------ the exams


def n_columns(n_samples, hop_length, n_fft=1024):
    return stft(torch.zeros(n_samples), n_fft=n_fft, hop_length=hop_length).shape[-1]


def numbers_00_2():
    columns = n_columns(2 * RATE, 512)
    return [1, 2 * RATE, columns, 64 * columns]


def numbers_01_2():
    return [alias_freq_hz(f, sample_rate=RATE) for f in (9500, 21_000)]


def numbers_01_3():
    before, after = (a * make_tone(100.0, level_dbfs=0.0) for a in (0.5, 0.125))
    peak, rms = peak_dbfs(after).item(), rms_dbfs(after).item()
    fall = peak_dbfs(before).item() - peak
    assert fall == pytest.approx(rms_dbfs(before).item() - rms, abs=1e-4)
    return [20, 0.125 / 0.5, fall, peak, peak - rms, rms]


def numbers_01_4():
    """The only tones between Nyquist and the sample rate that are heard there."""
    rate = 8000
    above = range(rate // 2 + 1, rate)
    heard = {alias_freq_hz(f, sample_rate=rate): f for f in above}
    return [heard[3000], heard[1000], rate / 2]


def numbers_01_5():
    bits = next(b for b in range(1, 25) if 6.02 * b + 1.76 >= 60)
    sine = make_tone(997.0, level_dbfs=0.0, dtype=torch.float64)
    assert signal_to_noise_db(sine, quantize(sine, n_bits=bits)) > 60  # measured, too
    rule = [6.02 * b + 1.76 for b in (bits - 1, bits)]
    return [2 * 7000, 16_000, 6.02, 1.76, bits - 1, bits, *rule]


def numbers_02_2():
    rows, columns = stft(torch.zeros(3 * RATE), n_fft=512, hop_length=160).shape
    return [2, 1, 3 * RATE, rows, columns, RATE / 512, 1000 * 160 / RATE]


def numbers_02_3():
    x = torch.tensor([1.0, 0, -1, 0])
    bins = (dft_matrix(4) @ x.to(torch.complex64)).abs()
    assert bins.tolist() == pytest.approx([0, 2, 0, 2], abs=1e-6)
    assert re.search(r"^0, 2, 0, 2\.", QUESTIONS["02.3"][2])
    return [0, 2, *bins.round().nonzero()[:, 0].tolist()]


def numbers_02_4():
    long_s, _ = window_resolution("hann", 512, sample_rate=RATE)
    short = max(
        n for n in range(2, 512, 2) if window_resolution("hann", n, sample_rate=RATE)[0] <= 0.005
    )
    return [1000 * long_s, short, window_resolution("hann", short, sample_rate=RATE)[1], 5]


def numbers_02_5():
    apart_hz = 466 - 440
    shortest = next(
        n for n in range(2, 4000) if window_resolution("hann", n, sample_rate=RATE)[1] <= apart_hz
    )
    time_s, _ = window_resolution("hann", shortest, sample_rate=RATE)
    return [2, apart_hz, shortest, 1000 * shortest / RATE, 1000 * time_s]


def numbers_03_2():
    return [hz_to_mel(6300.0), mel_to_hz(2595.0 / 2), 700, 10, 0.5, 1, 1 + 6300 / 700]


def numbers_03_3():
    inside = {
        n_fft: [k * RATE / n_fft for k in range(20) if 40 < k * RATE / n_fft < 60]
        for n_fft in (512, 1024)
    }
    assert len(inside[1024]) == 1
    return [RATE / 512, 2 * RATE / 512, len(inside[512]), inside[1024][0]]


def numbers_03_4():
    edges_hz = mel_band_edges_hz(n_mels=64, sample_rate=RATE)
    low, high = (edges_hz[2:] - edges_hz[:-2])[[0, -1]].tolist()
    return [low, high, 10 * math.log10(high / low)]


def numbers_03_5():
    ends = []
    for n_mels in (64, 128):
        edges_hz = mel_band_edges_hz(n_mels=n_mels, sample_rate=RATE)
        ends.append(edges_hz[int((edges_hz.diff() > 200 / 2).nonzero()[0])].item())
    return [40, 64, 128, *ends]


def numbers_04_1():
    return [power_to_db(torch.full((1, 1), 3.7), ref=3.7).item()]  # the reference is at 0 dB


def numbers_04_2():
    assert round(10 * math.log10(50)) == 17
    assert round(10 * math.log10(1 / 400)) == -26
    hundred, two, four = (10 * math.log10(ratio) for ratio in (100, 2, 4))
    return [100, hundred, two, hundred - two, four, four + hundred]


def numbers_04_3():
    own, batch = 12 - 60, 30 - 60
    assert own < -40 < batch
    return [abs(own), abs(batch)]


def numbers_04_4():
    power = torch.tensor([[4.0, 1.0]])
    right = power_to_db(power, top_db=None) - power_to_db(power / 4, top_db=None)
    doubled = 20 * torch.log10(power) - 20 * torch.log10(power / 4)
    return [right[0, 0].item(), doubled[0, 0].item(), 20]


def numbers_04_5():
    return [100 / (2**8 - 1), 2**8 - 1, 20 * math.log10(2**8)]


def numbers_05_2():
    x = torch.tensor([-60.0, -40, -40, -20])
    z = standardize(x, dim=-1)
    return [abs(x.mean()), x.std(correction=0), z[-1], x.std(), 1, len(x) - 1]


def numbers_05_3():
    fall_db = 20 * math.log10(10)
    return [fall_db, fall_db / 20]


def numbers_06_2():
    layer = torch.nn.Conv2d(1, 8, kernel_size=5, stride=2, padding=2, bias=False)
    maps, rows, columns = layer(torch.zeros(1, 1, 40, 98)).shape[1:]
    weights = layer.weight.numel()
    return [4, 1, rows, columns, maps, 5 * 5, weights]


def numbers_06_3():
    return [math.log(35), math.exp(-0.105), 100 * math.exp(-0.105)]


def numbers_06_4():
    assert len(load_bundled_words("validation")) == 130
    return [93.6 - 92.8, 100 / 130]


def numbers_06_5():
    return [40 / 5, 40 / 5 * 25]


def numbers_07_2():
    scores = torch.tensor([84.0, 86, 85, 87, 83])
    squares = ((scores - scores.mean()) ** 2).sum()
    error = scores.std() / len(scores) ** 0.5
    return [scores.mean(), squares, len(scores) - 1, squares / 4, scores.std(), len(scores), error]


def numbers_07_3():
    columns = n_columns(RATE, 256, n_fft=512)
    time_s, freq_hz = window_resolution("hann", 512, sample_rate=RATE)
    return [1, columns, 40 * columns, 1000 * time_s, freq_hz]


def numbers_08_1():
    return [100]


def numbers_08_2():
    snr_db = -20 - -35
    louder_db = snr_db - 5
    return [snr_db, louder_db, 10, 20, 10 ** (louder_db / 20)]


def numbers_08_3():
    right = 0.98 * 170 + 0.43 * 30
    return [0.98, 0.43, right, round(right, -1), round(100 * right / 200), 0.43 * 30]


def computed(name):
    """The numbers that an answer holds besides those of its question, each computed."""
    function = globals().get("numbers_" + name.replace(".", "_"))
    return [abs(float(number)) for number in function()] if function else []


def matches(token, number):
    """Whether a printed number is this one, rounded to as many places as it has."""
    places = len(token.partition(".")[2])
    return abs(value(token) - number) <= 0.5 * 10**-places + 1e-6


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_number_of_an_answer_is_right(name):
    _, ask, answer = QUESTIONS[name]
    ask, answer = (" ".join(text.split()) for text in (ask, answer))
    given, right = numbers(ask), computed(name)
    tokens = NUMBER.findall(answer)
    for token in tokens:
        assert value(token) in given or any(matches(token, number) for number in right), token
    for number in right:
        assert any(matches(token, number) for token in tokens), number


def test_a_wrong_number_would_be_found():
    assert matches("1514", mel_to_hz(2595.0 / 2))
    assert not matches("1515", mel_to_hz(2595.0 / 2))
    assert not matches("0.90", math.exp(-0.12))
    assert numbers("1 + 32 000 // 512 = 63") == {1, 32_000, 512, 63}
    assert numbers("20 log10(0.25) of n_fft 16_000") == {20, 0.25, 16_000}


def test_no_computation_is_left_without_its_question():
    functions = [name for name in globals() if re.fullmatch(r"numbers_\d\d_\d", name)]
    assert {name[8:].replace("_", ".") for name in functions} <= set(QUESTIONS)


@every_lesson
def test_exam_of_a_lesson_is_mixed(path):
    asked = {name: kind for name, (kind, _, _) in QUESTIONS.items() if name[:2] == path.name[:2]}
    assert list(asked) == [f"{path.name[:2]}.{n + 1}" for n in range(len(asked))]
    assert {"recall", "computation"} <= set(asked.values())
    if len(asked) > 2:
        assert set(asked.values()) == {"recall", "computation", "picture", "design"}
    assert about(path).count("**E0") == len(asked) == about(path).count("*Answer:*")
