"""Checks of 04_decibel: every known mistake is told by its name, the right answer is right."""

import itertools
import math

import numpy as np
import pytest
import torch

from course_utils.checks import NOT_TRIED, RIGHT, WRONG
from course_utils.checks import decibel as checks
from course_utils.signal import amplitude_to_db, power_to_db


def said(capsys, check, *args):
    """What a check prints: exactly one line, and nothing is returned or raised."""
    assert check(*args) is None
    (line,) = capsys.readouterr().out.splitlines()
    return line


def test_variant_without_a_mistake_is_the_course_s_own():
    power = checks._test_power()
    for setting in checks._SETTINGS:
        want = power_to_db(power.double(), **setting)
        torch.testing.assert_close(checks._variant(power, setting), want)


# ---- exercise 1 -----------------------------------------------------------------------------

OWN = {  # what a student may write, and a piece of the line
    "natural logarithm": lambda p, ref, amin, top_db: clamp(
        10 * torch.log(p.clamp(min=amin) / ref), top_db
    ),
    "20 log10 is for": lambda p, ref, amin, top_db: clamp(
        20 * torch.log10(p.clamp(min=amin) / ref), top_db
    ),
    "factor 10 is missing": lambda p, ref, amin, top_db: clamp(
        torch.log10(p.clamp(min=amin) / ref), top_db
    ),
    "square root first": lambda p, ref, amin, top_db: clamp(
        10 * torch.log10(p.sqrt().clamp(min=amin) / ref), top_db
    ),
    "ref is not used": lambda p, ref, amin, top_db: clamp(
        10 * torch.log10(p.clamp(min=amin)), top_db
    ),
    "ref has the wrong sign": lambda p, ref, amin, top_db: clamp(
        10 * torch.log10(p.clamp(min=amin) * ref), top_db
    ),
    "subtract ref itself": lambda p, ref, amin, top_db: clamp(
        10 * torch.log10(p.clamp(min=amin)) - ref, top_db
    ),
    "own peak here": lambda p, ref, amin, top_db: clamp(
        10 * torch.log10(p.clamp(min=amin) / p.amax(dim=(-2, -1), keepdim=True)), top_db
    ),
    "amin is not used": lambda p, ref, amin, top_db: clamp(10 * torch.log10(p / ref), top_db),
    "you add amin": lambda p, ref, amin, top_db: clamp(10 * torch.log10((p + amin) / ref), top_db),
    "before ref comes in": lambda p, ref, amin, top_db: clamp(
        10 * torch.log10((p / ref).clamp(min=amin)), top_db
    ),
    "top_db is not used": lambda p, ref, amin, top_db: plain(p, ref, amin),
    "below 0 dB": lambda p, ref, amin, top_db: (
        plain(p, ref, amin) if top_db is None else plain(p, ref, amin).clamp(min=-top_db)
    ),
    "whole batch": lambda p, ref, amin, top_db: (
        plain(p, ref, amin)
        if top_db is None
        else plain(p, ref, amin).clamp(min=float(plain(p, ref, amin).max()) - top_db)
    ),
    "every frame": lambda p, ref, amin, top_db: clamp(plain(p, ref, amin), top_db, dim=(-2,)),
    "every band": lambda p, ref, amin, top_db: clamp(plain(p, ref, amin), top_db, dim=(-1,)),
    "cut off what is loud": lambda p, ref, amin, top_db: (
        plain(p, ref, amin)
        if top_db is None
        else torch.minimum(
            plain(p, ref, amin), plain(p, ref, amin).amax(dim=(-2, -1), keepdim=True) - top_db
        )
    ),
    "then nothing is clamped": lambda p, ref, amin, top_db: torch.maximum(
        plain(p, ref, amin), plain(p, ref, amin).amax(dim=(-2, -1), keepdim=True) - top_db
    ),
    "in-place": lambda p, ref, amin, top_db: clamp(plain(p.mul_(2), ref, amin), top_db),
    "the shape is": lambda p, ref, amin, top_db: plain(p, ref, amin).mT,
    "your function raised": lambda p, ref, amin, top_db: p / None,
}


def plain(power, ref, amin):
    return 10 * torch.log10(power.clamp(min=amin) / ref)


def clamp(db, top_db, dim=(-2, -1)):
    return db if top_db is None else torch.maximum(db, db.amax(dim=dim, keepdim=True) - top_db)


@pytest.mark.parametrize(("piece", "function"), OWN.items(), ids=OWN)
def test_mistake_in_power_to_db_is_named_however_it_is_written(capsys, piece, function):
    def mine(power_spec, *, ref=1.0, amin=1e-10, top_db=80.0):
        return function(power_spec, ref, amin, top_db)

    line = said(capsys, checks.check_my_power_to_db, mine)
    assert line.startswith(f"{WRONG} my_power_to_db: ")
    assert piece in line


@pytest.mark.parametrize("step", checks.DB_MISTAKES, ids=lambda s: f"{s[0]}: {s[1]}")
def test_every_mistake_of_the_list_is_told_apart_from_all_others(capsys, step):
    def mine(power_spec, **setting):
        return checks._variant(power_spec, setting, dict([step])).float()

    assert checks.DB_MISTAKES[step] in said(capsys, checks.check_my_power_to_db, mine)


def test_two_mistakes_at_once_are_told_one_after_the_other(capsys):
    def mine(power_spec, **setting):
        return checks._variant(power_spec, setting, {"log": "ln", "ref": "none"})

    line = said(capsys, checks.check_my_power_to_db, mine)
    assert "natural logarithm" in line
    assert "(and that is not all)" in line


@pytest.mark.parametrize(
    "mine",
    [
        power_to_db,
        lambda power_spec, *, ref=1.0, amin=1e-10, top_db=80.0: clamp(
            plain(power_spec, ref, amin), top_db
        ),
        lambda power_spec, *, ref, amin, top_db: power_to_db(
            power_spec.double(), ref=ref, amin=amin, top_db=top_db
        ).numpy(),
    ],
    ids=["the course's", "one's own", "numpy"],
)
def test_right_power_to_db_is_right(capsys, mine):
    assert said(capsys, checks.check_my_power_to_db, mine).startswith(f"{RIGHT} my_power_to_db")


@pytest.mark.parametrize("answer", [None, ..., lambda power_spec, **setting: None])
def test_power_to_db_not_tried_yet(capsys, answer):
    assert said(capsys, checks.check_my_power_to_db, answer).startswith(NOT_TRIED)


@pytest.mark.parametrize("answer", [3, "10 log10", [1.0], torch.ones(3)])
def test_anything_else_than_a_function_is_refused_in_one_line(capsys, answer):
    assert "give the function itself" in said(capsys, checks.check_my_power_to_db, answer)


# ---- exercise 2 -----------------------------------------------------------------------------

POWER = torch.tensor([[7000.0, 3.0], [0.5, 1e-3]])


def test_right_reference_follows_from_the_picture(capsys):
    level_db = checks.hidden_reference_db(POWER).max()
    ref = POWER.max() / 10 ** (level_db / 10)
    for answer in (ref, float(ref), np.float64(ref), float(ref) * 1.2):
        assert said(capsys, checks.check_reference, answer, POWER).startswith(RIGHT)


@pytest.mark.parametrize(
    ("answer", "piece"),
    [
        (lambda p, db: p, "power of the peak"),
        (lambda p, db: p * 10 ** (db / 10), "upside down"),
        (lambda p, db: p / 10 ** (db / 20), "back to an amplitude"),
        (lambda p, db: p / math.exp(db / 10), "not of e"),
        (lambda p, db: p / 10**db, "between bel and decibel"),
        (lambda p, db: -db, "wanted is a power"),
        (lambda p, db: 10 * math.log10(p) - db, "reference in decibels"),
        (lambda p, db: 1.7 * p / 10 ** (db / 10), "read the peak"),
        (lambda p, db: 100 * p / 10 ** (db / 10), "lower than it does"),
        (lambda p, db: 0.001 * p / 10 ** (db / 10), "higher than it does"),
        (lambda p, db: db, "above zero"),
        (lambda p, db: [p, p], "one number"),
        (lambda p, db: "loud", "a number or a tensor"),
    ],
)
def test_mistake_on_the_way_to_the_reference_is_named(capsys, answer, piece):
    level_db = float(checks.hidden_reference_db(POWER).max())
    line = said(capsys, checks.check_reference, answer(float(POWER.max()), level_db), POWER)
    assert line.startswith(WRONG)
    assert piece in line


def test_reference_not_tried_yet(capsys):
    assert said(capsys, checks.check_reference, None, POWER).startswith(NOT_TRIED)


# ---- exercise 3 -----------------------------------------------------------------------------


def falls():
    whole, half = checks.three_pictures(POWER), checks.three_pictures(POWER / 4)
    return {letter: float(whole[letter].max() - half[letter].max()) for letter in "ABC"}


def test_one_picture_of_three_is_doubled():
    rounded = {letter: round(fall, 1) for letter, fall in falls().items()}
    assert sorted(rounded.values()) == [6.0, 6.0, 12.0]
    torch.testing.assert_close(
        checks.three_pictures(POWER)["C"], amplitude_to_db(POWER, ref=1e4), atol=1e-4, rtol=0
    )


def test_the_measured_answer_is_right(capsys):
    letter = max(falls(), key=falls().get)
    assert said(capsys, checks.check_doubled, letter, falls()[letter]).startswith(RIGHT)
    assert said(capsys, checks.check_doubled, letter.lower(), 12).startswith(RIGHT)


@pytest.mark.parametrize(
    ("letter", "fall_db", "piece"),
    [
        ("A", 6.0, "not A"),
        ("B", None, "not B"),
        ("C", None, "may be luck"),
        ("C", 6.02, "a right picture"),
        ("C", -12.04, "positive number"),
        ("C", 3.01, "quarter of the power"),
        ("C", 24.08, "by 16"),
        ("C", 40.0, "does not fall by"),
        ("C", [1, 2], "one number"),
        ("D", 12.0, "the letter"),
        (3, 12.0, "the letter"),
    ],
)
def test_wrong_answer_about_doubled_decibels_is_named(capsys, letter, fall_db, piece):
    line = said(capsys, checks.check_doubled, letter, fall_db)
    assert line.startswith(WRONG)
    assert piece in line


def test_doubled_not_tried_yet(capsys):
    assert said(capsys, checks.check_doubled, None, None).startswith(NOT_TRIED)


# ---- all --------------------------------------------------------------------------------------


def test_no_check_ever_raises(capsys):
    odd = [float("nan"), object(), {}, [], "", b"x", torch.zeros(0), [[1], [2, 3]], print, 1e999]
    for a, b in itertools.product(odd, odd[:4]):
        for check, args in [
            (checks.check_my_power_to_db, (a,)),
            (checks.check_reference, (a, POWER)),
            (checks.check_doubled, (a, b)),
            (checks.check_doubled, ("C", b)),
        ]:
            if a is print and check is checks.check_my_power_to_db:
                continue
            assert not said(capsys, check, *args).startswith(RIGHT)
