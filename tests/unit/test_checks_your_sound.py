"""The checks of lesson 08 know every mistake they claim to know, and every right way."""

import json

import numpy as np
import pytest
import torch

from course_utils.checks import your_sound as checks


@pytest.fixture
def line(capsys):
    """Run a check and return the one line that it prints."""

    def run(check, *args):
        capsys.readouterr()
        assert check(*args) is None
        (printed,) = capsys.readouterr().out.splitlines()
        return printed

    return run


# ---- loudest_second


def second_by_walking(waveform, sample_rate):
    """In steps of a hundredth of a second, one after the other."""
    starts = range(0, len(waveform) - sample_rate + 1, sample_rate // 100)
    best = max(starts, key=lambda s: waveform[s : s + sample_rate].square().sum().item())
    return waveform[best : best + sample_rate]


def second_by_sums(waveform, sample_rate):
    sums = np.cumsum(np.concatenate([[0.0], waveform.double().numpy() ** 2]))
    start = int(np.argmax(sums[sample_rate:] - sums[:-sample_rate]))
    return waveform[start : start + sample_rate]


@pytest.mark.parametrize("function", [second_by_walking, second_by_sums])
def test_every_right_way_to_the_loudest_second_is_right(line, function):
    assert line(checks.check_loudest_second, function).startswith("✓ loudest_second: right")


@pytest.mark.parametrize("says", checks.SECOND_MISTAKES)
def test_every_known_mistake_of_the_loudest_second_is_named(line, says):
    start = checks.SECOND_MISTAKES[says]

    def wrong(waveform, sample_rate):
        first = start(waveform, sample_rate)
        return waveform[first : first + sample_rate]

    assert line(checks.check_loudest_second, wrong) == f"✗ loudest_second: {says}"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (None, "not tried yet"),
        (lambda waveform, sample_rate: None, "not tried yet"),
        (lambda waveform, sample_rate: 17, "not the place where it begins"),
        (lambda waveform, sample_rate: waveform[:16000], "at 8000 Hz a second has 8000 samples"),
        (lambda waveform, sample_rate: waveform, "a second has 16000 samples"),
        (lambda waveform, sample_rate: 2 * waveform[:sample_rate], "its samples were changed"),
        (lambda waveform, sample_rate: waveform[700 : 700 + sample_rate], "begins at 0.04 s"),
        (lambda waveform, sample_rate: 1 / 0, "raised ZeroDivisionError"),
    ],
)
def test_a_faulty_loudest_second_is_told_what_is_wrong(line, function, words):
    assert words in line(checks.check_loudest_second, function)


# ---- flip_snr


def flip_by_energy(clip, noise, hear, snrs_db):
    clean = hear(clip)
    for snr_db in snrs_db:
        wanted = clip.norm() / 10 ** (snr_db / 20)
        if hear(clip + noise / noise.norm() * wanted) != clean:
            return snr_db
    return None


def flip_or_99(*args):
    snr_db = flip_by_energy(*args)
    return 99 if snr_db is None else snr_db


def test_the_right_way_to_the_flip_is_right(line):
    assert line(checks.check_flip_snr, flip_by_energy).startswith("✓ flip_snr: right")


@pytest.mark.parametrize("says", checks.FLIP_MISTAKES)
def test_every_known_mistake_of_the_flip_is_named(line, says):
    wrong = checks.FLIP_MISTAKES[says]
    assert line(checks.check_flip_snr, wrong) == f"✗ flip_snr: {says}"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (None, "not tried yet"),
        (lambda *a: None, "not tried yet"),
        (lambda *a: 10, "in case 2 you return 10 dB, which is too large"),
        (flip_or_99, "return None and not 99"),
        (lambda *a: [1, 2], "one number is wanted"),
        (lambda *a: 1 / 0, "raised ZeroDivisionError"),
    ],
)
def test_a_faulty_flip_is_told_what_is_wrong(line, function, words):
    assert words in line(checks.check_flip_snr, function)


# ---- hand_over


def hand_over(path, picture, params, numbers=None, text=None, suffix=".json", check=True):
    beside = path.with_suffix(suffix)
    if check and (path.exists() or beside.exists()):
        raise FileExistsError(path.name)
    np.save(path, picture.numpy() if numbers is None else numbers(picture))
    beside.write_text(json.dumps(params) if text is None else text(params))


def test_right_ways_to_hand_over_are_right(line):
    assert line(checks.check_hand_over, hand_over).startswith("✓ hand_over: right")

    def with_a_new_name(path, picture, params):
        while path.exists():
            path = path.with_stem(path.stem + "_again")
        hand_over(path, picture, params)

    assert line(checks.check_hand_over, with_a_new_name).startswith("✓ hand_over: right")


def variant(**changes):
    return lambda path, picture, params: hand_over(path, picture, params, **changes)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (None, "not tried yet"),
        (lambda *a: None, "not tried yet"),
        (lambda *a: "done", "no file was written"),
        (variant(check=False), "overwritten without a word"),
        (variant(numbers=lambda p: p.T.numpy()), "rows and columns are exchanged"),
        (variant(numbers=lambda p: p.numpy().astype(int)), "decimals get lost"),
        (variant(numbers=lambda p: p.numpy() + 1.0), "not those of the picture"),
        (variant(numbers=lambda p: p.flatten().numpy()), "the shape is (15,)"),
        (variant(numbers=lambda p: {"picture": p.numpy()}), "wants a plain array"),
        (variant(text=str), "is no JSON"),
        (variant(text=lambda p: json.dumps(json.dumps(p))), "applied twice"),
        (variant(text=lambda p: json.dumps(list(p))), "must be a dictionary"),
        (variant(text=lambda p: json.dumps({"n_fft": 1024})), "the parameter sample_rate is not"),
        (variant(text=lambda p: json.dumps(p | {"n_fft": "1024"})), "n_fft is '1024'"),
        (variant(suffix=".txt"), "word.json is missing"),
        (
            lambda path, picture, params: np.save(f"{path}.npy", picture.numpy()),
            "a name with two endings",
        ),
        (lambda path, picture, params: torch.zeros(1, 2) @ torch.zeros(1, 2), "raised Runtime"),
    ],
)
def test_a_faulty_file_is_told_what_is_wrong(line, function, words):
    assert words in line(checks.check_hand_over, function)
