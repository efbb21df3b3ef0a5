"""What lesson 06 says about its measured tables is what stands in them.

The lesson prints tables of docs/results.md and draws conclusions in words. Whoever measures again
hears here whether a sentence is no longer true; the cells are named in the tests.
"""

from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results.md"


def table(title):
    """The table of a section: {first cell: {head of the column: mean}}."""
    section = PAGE.read_text("utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {
        row[0]: {name: float(cell.split()[0]) for name, cell in zip(head[1:], row[1:], strict=True)}
        for row in rows
    }


@pytest.fixture
def exam():
    return {
        name: row["% right"]
        for name, row in table("The exam: from synthetic voices to real people").items()
    }


@pytest.fixture
def changed():
    return table("One thing changed")


def test_people_are_understood_worse_than_any_synthetic_voice_and_far_from_guessing(exam):
    """Cell exam-answer."""
    voices = [value for name, value in exam.items() if "voices" in name]
    assert 50 < exam["real people"] < min(voices)


def test_the_lie_of_a_random_split_is_larger_for_digits(exam):
    """Cell break-table-read: hardly any mistakes are promised, about one in ten comes."""
    leak = table("The leak: who is in the test")
    lies = {name: row["random split"] - row["split by speaker"] for name, row in leak.items()}
    assert lies["fsdd"] > lies["bundled"] > 0
    assert leak["fsdd"]["random split"] > 99
    assert 7 < 100 - leak["fsdd"]["split by speaker"] < 14


def test_augmentation_is_the_biggest_step_and_only_people_show_it(changed):
    """Cell ablation-answer."""
    recipe, without = changed["the recipe"], changed["no augmentation at all"]
    people = {name: row["real people"] for name, row in changed.items()}
    assert min(people, key=people.get) == "no augmentation at all"
    assert recipe["real people"] - without["real people"] > 5
    assert abs(recipe["test voices"] - without["test voices"]) < 4


def test_power_costs_most_of_the_rest_and_magnitudes_do_about_as_well(changed):
    """Cell ablation-answer."""
    people = {name: row["real people"] for name, row in changed.items()}
    del people["no augmentation at all"]
    assert min(people, key=people.get) == "power instead of decibels"
    assert abs(people["the recipe"] - people["magnitude instead of decibels"]) < 3


@pytest.mark.parametrize("name", ["no normalisation", "normalised by the data set"])
def test_normalising_per_clip_shows_on_quieter_clips_only(changed, name):
    """Cell ablation-answer."""
    recipe, other = changed["the recipe"], changed[name]
    assert abs(recipe["real people"] - other["real people"]) < 4
    quieter = "real people, 40 dB quieter"
    assert recipe[quieter] - other[quieter] > 5


def test_without_noise_validation_voices_are_better_and_people_worse(changed):
    """Cell ablation-noise."""
    recipe, without = changed["the recipe"], changed["without noise"]
    assert without["validation voices"] > recipe["validation voices"] + 1
    assert without["real people"] < recipe["real people"] - 1
