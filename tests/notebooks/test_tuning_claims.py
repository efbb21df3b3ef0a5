"""What lesson 07 says about the measured settings is what stands in docs/sweep.jsonl.

The cells of the lesson print the numbers; the sentences beside them draw conclusions. Whoever
measures again hears here whether a sentence is no longer true; the cells are named in the tests.
"""

import itertools
import statistics
from pathlib import Path

import pytest

from course_utils.models.sweep import Setting, grid, pareto, read_results, summarise
from tools.measure_sweep import PARTS

PROJECT = Path(__file__).resolve().parents[2]
COURSE = Setting()
CHOOSE, OTHERS, QUIETER = "people to choose by", "other people", "other people, 40 dB quieter"


@pytest.fixture(scope="module")
def records():
    return read_results(PROJECT / "docs" / "sweep.jsonl").records


@pytest.fixture(scope="module")
def by(records):
    return {summary.setting: summary for summary in summarise(records)}


def points(by, setting, test_set=CHOOSE):
    return 100 * by[setting].accuracies[test_set].mean


def spread(by, setting):
    return 100 * by[setting].accuracy.spread


def in_map(by):
    return [setting for setting in by if setting in PARTS["map"]]


def reach(by, name):
    """For each value of a parameter the best that the other two can make of it."""
    best = {}
    for setting in in_map(by):
        value = getattr(setting, name)
        best[value] = max(best.get(value, 0.0), points(by, setting))
    return best


# ---- the file


def test_the_file_holds_the_whole_grid_with_the_same_seeds_and_one_recipe(records, by):
    """Cells data and data-origin."""
    assert set(by) == {setting for part in PARTS.values() for setting in part}
    assert {(Setting(**r["setting"]), r["seed"]) for r in records} == set(
        itertools.product(by, {record["seed"] for record in records})
    )
    n_seeds = len({record["seed"] for record in records})
    assert n_seeds >= 3, "a standard deviation of two is none"
    assert len(records) == n_seeds * len(by)
    assert not any("error" in r for r in records)
    assert len({(r["recipe"], r["data"]) for r in records}) == 1
    assert next(iter(records[0]["accuracies"])) == CHOOSE
    assert all(r["accuracy"] == r["accuracies"][CHOOSE] for r in records)
    n_tests = records[0]["n_tests"]
    assert abs(n_tests[CHOOSE] - n_tests[OTHERS]) < 0.05 * n_tests[OTHERS]  # cell data: half


# ---- the four pictures


def test_the_small_first_picture_is_best_and_the_mosaic_worst(by):
    """Cell answer-text."""
    a = points(by, Setting(n_fft=256, hop_length=256, n_mels=32))
    b = points(by, COURSE)
    c = points(by, Setting(n_fft=2048, hop_length=128))
    d = points(by, Setting(n_fft=1024, hop_length=1024, n_mels=8))
    assert a > max(b, c)
    assert d < min(b, c) - 5


# ---- seeds


def misleads(by, records, low, high):
    runs = {}
    for record in records:
        runs.setdefault(Setting(**record["setting"]), {})[record["seed"]] = record["accuracy"]
    pairs = [
        (a, b)
        for a, b in itertools.permutations(by, 2)
        if low < points(by, a) - points(by, b) <= high
    ]
    return statistics.mean(runs[a][seed] <= runs[b][seed] for a, b in pairs for seed in runs[a])


def test_one_run_hardly_tells_close_settings_apart_but_throws_out_bad_ones(by, records):
    """Cell seeds-answer: a coin is not much worse; for several points one is enough."""
    assert 0.25 < misleads(by, records, 0, 1) < 0.55
    assert misleads(by, records, 3, 100) < 0.05


def test_single_runs_have_several_winners_whose_numbers_are_too_high_on_average(by, records):
    """Cells seeds-winners and seeds-winners-answer."""
    winners, gains = set(), []
    for seed in {record["seed"] for record in records}:
        best = max((r for r in records if r["seed"] == seed), key=lambda r: r["accuracy"])
        setting = Setting(**best["setting"])
        winners.add(setting)
        gains.append(best["accuracy"] - by[setting].accuracy.mean)
    assert len(winners) >= 2
    assert statistics.mean(gains) > 0


# ---- what surprised us


def test_hop_matters_most_then_bands_and_n_fft_hardly(by):
    """Cells surprise-n-fft, surprise-hop and summary."""
    ranges = {
        name: max(best.values()) - min(best.values())
        for name in ("n_fft", "hop_length", "n_mels")
        for best in [reach(by, name)]
    }
    assert ranges["hop_length"] > ranges["n_mels"] > ranges["n_fft"]
    assert ranges["n_fft"] < 1.5
    assert ranges["hop_length"] > 4


def test_long_hops_cost_most_and_the_shortest_is_not_the_best_with_64_bands(by):
    """Cell surprise-hop-answer."""
    for n_mels in (32, 64):
        scores = [points(by, s) for s in grid(hop_length=[128, 256, 512, 1024], n_mels=[n_mels])]
        assert scores[1] > scores[2] > scores[3]
        steps = [scores[1] - scores[2], scores[2] - scores[3]]
        assert max(steps) == steps[1]
    shortest, next_one = Setting(hop_length=128), Setting(hop_length=256)
    assert points(by, shortest) < points(by, next_one)
    cells = [s.n_cells() for s in grid(hop_length=[128, 256, 512, 1024], n_mels=[64])]
    assert max(cells) == shortest.n_cells()
    longest = max(by, key=lambda setting: by[setting].train_seconds)
    assert longest.n_cells() == shortest.n_cells()


def test_bands_pay_up_to_32_and_128_are_worse(by):
    """Cell surprise-mels-answer."""
    for hop_length in (256, 512):
        scores = [points(by, s) for s in grid(hop_length=[hop_length], n_mels=[8, 16, 32, 64])]
        assert scores[0] < scores[1] < scores[2]
        assert scores[3] < scores[2] + 0.5
    assert points(by, Setting(n_mels=128)) < points(by, Setting(n_mels=32)) - 1


def test_the_best_hop_does_not_depend_on_n_fft(by):
    """Cell surprise-balance-answer: 128 or 256, and the two lie within the luck of the seeds."""
    for n_fft in (256, 512, 1024, 2048):
        same = [s for s in in_map(by) if s.n_fft == n_fft and s.n_mels == 32]
        assert max(same, key=lambda s: points(by, s)).hop_length in (128, 256)


def test_the_course_s_setting_is_beaten_by_smaller_ones(by):
    """Cell surprise-course-answer."""
    better = [
        s
        for s in by
        if s.n_cells() <= COURSE.n_cells()
        and points(by, s) > points(by, COURSE) + spread(by, COURSE)
    ]
    assert len(better) >= 4
    for cost in ("n_cells", "inference_ms", "train_seconds"):
        assert COURSE not in [summary.setting for summary in pareto(by.values(), cost=cost)]


# ---- axis and scale


def gap(by, n_mels):
    mel, linear = grid(n_mels=[n_mels], frequency_axis=["mel", "linear"])
    return points(by, mel) - points(by, linear)


def test_mel_pays_where_bands_are_few_and_hardly_where_there_are_many(by):
    """Cell axis-answer: with 8 bands more than any of the three numbers, with 128 nothing."""
    gaps = {n_mels: gap(by, n_mels) for n_mels in (8, 16, 32, 64, 128)}
    knobs = [
        max(best.values()) - min(best.values())
        for name in ("n_fft", "hop_length", "n_mels")
        for best in [reach(by, name)]
    ]
    assert gaps[8] > max(knobs)
    assert gaps[8] > gaps[16] > max(gaps[64], gaps[128])
    assert abs(gaps[128]) < 2


def test_power_is_worst_and_magnitudes_per_clip_come_close_to_decibels(by):
    """Cell scale-answer."""
    for normalize in ("per clip", "data set", "none"):
        scores = {s: points(by, Setting(scale=s, normalize=normalize)) for s in
                  ("db", "magnitude", "power")}  # fmt: skip
        assert min(scores, key=scores.get) == "power"
    assert abs(points(by, COURSE) - points(by, Setting(scale="magnitude"))) < 3
    power = [points(by, Setting(scale="power", normalize=n)) for n in ("per clip", "none")]
    assert power[0] > power[1] + 5
    three = [points(by, Setting(normalize=n)) for n in ("per clip", "data set", "none")]
    assert max(three) - min(three) < 3


@pytest.mark.parametrize("scale", ["db", "magnitude", "power"])
def test_only_per_clip_does_not_hear_that_people_are_quieter(by, scale):
    """Cell scale-answer: decibels lose some, magnitudes about half, power all but guessing."""

    def kept(normalize):
        setting = Setting(scale=scale, normalize=normalize)
        return points(by, setting, QUIETER) / points(by, setting, OTHERS)

    assert kept("per clip") > 0.99
    for normalize in ("data set", "none"):
        if scale == "db":
            assert 0.75 < kept(normalize) < 0.95
        elif scale == "magnitude":
            assert 0.35 < kept(normalize) < 0.65
        else:
            quieter = points(by, Setting(scale=scale, normalize=normalize), QUIETER)
            assert quieter < 15


# ---- honest


def test_the_winner_s_number_falls_and_its_choice_holds(by):
    """Cells honest-answer and summary; quiz: the others are harder, and would choose alike."""
    ranked = sorted(by, key=lambda setting: -points(by, setting))
    winner = ranked[0]
    drop = points(by, winner) - points(by, winner, OTHERS)
    assert drop > 2
    ten = [points(by, s) - points(by, s, OTHERS) for s in ranked[:10]]
    assert abs(drop - statistics.mean(ten)) < 1.5
    favourite = max(points(by, setting, OTHERS) for setting in by)
    assert favourite < points(by, winner) - 2
    assert favourite - points(by, winner, OTHERS) < drop / 2
    assert sum(points(by, s, OTHERS) > points(by, winner, OTHERS) for s in by) < 10


def test_the_front_is_steep_first_and_then_flat(by):
    """Cell cost-answer: past about 2000 cells nothing is larger than the error bars."""
    front = pareto(by.values(), cost="n_cells")
    assert [s.n_cells for s in front] == sorted(s.n_cells for s in front)
    small = max(
        (s for s in by.values() if s.n_cells <= 2100), key=lambda summary: summary.accuracy.mean
    )
    best = max(by.values(), key=lambda summary: summary.accuracy.mean)
    assert best.accuracy.mean - small.accuracy.mean <= max(
        best.accuracy.spread, small.accuracy.spread
    )
    smallest, middle = (
        front[0].accuracy.mean,
        max(s.accuracy.mean for s in by.values() if s.n_cells <= 1100),
    )
    assert 100 * (middle - smallest) > 5


# ---- the lesson


def test_the_corner_that_is_measured_live_is_part_of_the_file(by):
    """Cell live-run: small pictures, quick to train."""
    corner = grid(hop_length=[256, 512, 1024], n_mels=[8])
    assert set(corner) <= set(by)
    assert sum(by[setting].train_seconds for setting in corner) < 45
