"""The checks of lesson 07 know every mistake they claim to know, and every right way."""

import statistics

import pytest

from course_utils.checks import tuning as checks
from course_utils.models.sweep_results import Setting
from tests.explorers.results import record


@pytest.fixture
def line(capsys):
    """Run a check and return the one line that it prints."""

    def run(check, *args):
        capsys.readouterr()
        assert check(*args) is None
        (printed,) = capsys.readouterr().out.splitlines()
        return printed

    return run


# ---- n_cells


def cells_by_formula(n_samples, hop_length, n_mels):
    return n_mels * (1 + n_samples // hop_length)


def cells_by_setting(n_samples, hop_length, n_mels):
    return Setting(n_fft=64, hop_length=hop_length, n_mels=n_mels).n_cells(n_samples)


def cells_by_walking(n_samples, hop_length, n_mels):
    return sum(n_mels for _ in range(0, n_samples + 1, hop_length))


@pytest.mark.parametrize("function", [cells_by_formula, cells_by_setting, cells_by_walking])
def test_every_right_way_to_count_cells_is_right(line, function):
    assert line(checks.check_n_cells, function).startswith("✓ n_cells: right")


@pytest.mark.parametrize("says", checks.N_CELLS_MISTAKES)
def test_every_known_mistake_of_n_cells_is_named(line, says):
    assert line(checks.check_n_cells, checks.N_CELLS_MISTAKES[says]) == f"✗ n_cells: {says}"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (None, "not tried yet"),
        (lambda *a, **k: None, "not tried yet"),
        (lambda *a, **k: 1 / 0, "raised ZeroDivisionError"),
        (17, "give the function itself"),
    ],
)
def test_a_faulty_n_cells_is_told_what_is_wrong(line, function, words):
    assert words in line(checks.check_n_cells, function)


# ---- cheapest_good


def by_loops(rows):
    rows = [row for row in rows if not row["problem"]]
    best = max(rows, key=lambda row: statistics.mean(row["scores"]))
    lowest = statistics.mean(best["scores"]) - statistics.stdev(best["scores"])
    good = [row for row in rows if statistics.mean(row["scores"]) >= lowest]
    return min(good, key=lambda row: (row["n_cells"], -statistics.mean(row["scores"])))["name"]


def by_sorting(rows):
    sensible = sorted(
        (row for row in rows if row["problem"] == ""),
        key=lambda row: sum(row["scores"]) / len(row["scores"]), reverse=True,
    )  # fmt: skip
    best = sensible[0]["scores"]
    mean = sum(best) / len(best)
    deviation = (sum((x - mean) ** 2 for x in best) / (len(best) - 1)) ** 0.5
    good = [r for r in sensible if sum(r["scores"]) / len(r["scores"]) >= mean - deviation]
    return sorted(good, key=lambda row: row["n_cells"])[0]  # a row, and stable for equals


@pytest.mark.parametrize("function", [by_loops, by_sorting])
def test_every_right_rule_is_right(line, function):
    assert line(checks.check_cheapest_good, function).startswith("✓ cheapest_good: right")


@pytest.mark.parametrize("says", checks.CHEAPEST_MISTAKES)
def test_every_known_mistake_of_the_rule_is_named(line, says):
    rule = checks.CHEAPEST_MISTAKES[says]
    said = line(checks.check_cheapest_good, lambda rows: rule(rows)["name"])
    assert said == f"✗ cheapest_good: {says}"


def test_every_mistake_chooses_another_row():
    rows = checks._table(twin=True)
    chosen = [rule(rows)["name"] for rule in checks.CHEAPEST_MISTAKES.values()]
    assert len(set(chosen)) == len(chosen)
    assert checks._right_rule(rows)["name"] not in chosen


def first_of_equals(rows):
    good = checks._within(checks._sensible(rows), checks._deviation)
    return min(good, key=lambda row: row["n_cells"])["name"]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (None, "not tried yet"),
        (lambda rows: None, "not tried yet"),
        (first_of_equals, "two rows cost the same"),
        (lambda rows: "Z", "'Z' is the name of no row"),
        (lambda rows: rows[:2], "these are 2 rows"),
        (lambda rows: 3, "3 is the name of no row"),
        (lambda rows: "E", "two standard deviations"),
        (lambda rows: by_loops(rows.sort(key=lambda r: r["name"]) or rows), "changes the rows"),
        (lambda rows: rows["x"], "raised TypeError"),
        (3, "give the function itself"),
    ],
)
def test_a_faulty_rule_is_told_what_is_wrong(line, function, words):
    assert words in line(checks.check_cheapest_good, function)


# ---- choice

SCORES = {  # mean on the people to choose by, half the distance of the outer seeds, on the others
    Setting(n_fft=1024, hop_length=128): (0.900, 0.010, 0.85),  # the best, 8064 cells
    Setting(n_fft=1024, hop_length=256): (0.895, 0.005, 0.84),  # within one error, 4032
    Setting(n_fft=1024, hop_length=256, n_mels=32): (0.885, 0.010, 0.84),  # 2016: right
    Setting(n_fft=512, hop_length=256, n_mels=32): (0.8849, 0.010, 0.84),  # 2016, a little worse
    Setting(n_fft=2048, hop_length=256, n_mels=40): (0.889, 0.005, 0.84),  # 2520: dearer
    Setting(n_mels=16): (0.862, 0.036, 0.83),  # 512: lucky once
    Setting(n_mels=8): (0.860, 0.010, 0.90),  # 256: the other people's
    Setting(n_mels=32): (0.866, 0.026, 0.83),  # 1024: its own deviation is large
    Setting(n_mels=20): (0.7, 0.010, 0.70),
}


@pytest.fixture
def records():
    """Five seeds each; the table of the exercise before, with settings in place of names."""
    made = []
    for setting, (mean, step, other) in SCORES.items():
        for seed, way in enumerate(checks._PATTERN):
            scores = {"people to choose by": mean + step * way, "other people": other + 0.01 * way}
            made.append(record(setting, seed, mean + step * way, accuracies=scores))
    return made


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Setting(hop_length=256, n_mels=32), "✓ choice: right: 1.5 points below the best"),
        ((1024, 256, 32), "✓ choice: right"),
        ({"n_fft": 1024, "hop_length": 256, "n_mels": 32}, "✓ choice: right"),
        (None, "not tried yet"),
        (Setting(hop_length=128), "the most accurate one"),
        (Setting(hop_length=256), "one standard error"),
        (Setting(n_fft=512, hop_length=256, n_mels=32), "costs the same and is more accurate"),
        (Setting(n_fft=2048, hop_length=256, n_mels=40), "another one there costs less"),
        (Setting(n_mels=8), "the other people would choose"),
        (Setting(n_mels=16), "the best single run"),
        (Setting(n_mels=20), "20.0 points below the best"),
        ((256, 512, 64), "hop_length is longer than the window"),
        (Setting(n_fft=256, hop_length=256), "makes no sense: n_mels=64 leaves"),
        (Setting(n_mels=7), "was not measured"),
        (Setting, "wanted is a setting"),
        ("1024/256/32", "wanted is a setting"),
        ({"n_fft": 1024}, "hop_length is missing"),
        (7, "wanted is a setting"),
    ],
)
def test_every_choice_gets_its_verdict(line, records, answer, words):
    assert words in line(checks.check_choice, answer, records)


def test_a_choice_within_its_own_deviation_only_is_told_so(line, records):
    few = [r for r in records if r["setting"]["n_mels"] not in (8, 16)]
    own = Setting(n_mels=32)
    assert "its own deviation" in line(checks.check_choice, own, few)


def test_one_seed_has_no_deviation(line, records):
    few = [r for r in records if r["seed"] == 0]
    assert "one seed" in line(checks.check_choice, (1024, 256, 32), few)


# ---- report


def test_reports_hold_what_was_measured(records):
    said = checks.reports(records)
    assert said["A"].startswith("93.4 %")  # 0.862 + 2 * 0.036
    assert said["B"].startswith("90.0 ± 1.6 %: mean of 5 seeds")
    assert said["C"].startswith("85.0 ± 1.6 %: mean of 5 seeds")
    assert said["D"].startswith("87.0 %")


@pytest.mark.parametrize(
    ("answer", "starts", "words"),
    [
        (None, "○", "not tried yet"),
        ("C", "✓", "right"),
        (" c ", "✓", "right"),
        ("A", "✗", "the luckiest"),
        ("B", "✗", "these people chose the setting"),
        ("D", "✗", "the seed was chosen"),
        ("E", "✗", "none of the reports"),
        (3, "✗", "a letter in quotes"),
    ],
)
def test_the_report_that_may_be_published_is_found(line, answer, starts, words):
    said = line(checks.check_report, answer)
    assert said.startswith(f"{starts} report: ")
    assert words in said
