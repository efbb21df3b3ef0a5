"""explore_tuning without a browser: numbers, costs, front and picture of every setting."""

import io
import json
import math
import re

import numpy as np
import pytest
import torch
import traitlets as t
from PIL import Image

from course_utils.explorers import explore_tuning, tuning
from course_utils.explorers.page import fragment
from course_utils.explorers.tuning_map import percent
from course_utils.models.evaluate import MeanAndSpread
from course_utils.models.features import centre_by_energy
from course_utils.models.sweep_results import Setting, append_result, pareto, summarise
from course_utils.signal import mel_spectrogram, power_to_db, standardize
from tests.explorers.results import COURSE, level, make_records, record
from tests.explorers.test_cnn import assert_shows
from tests.explorers.words import LABELS, make_clips

RECORDS = make_records()


@pytest.fixture(scope="module")
def words():
    return make_clips(24, seed=2)


@pytest.fixture
def explorer(words):
    return explore_tuning(RECORDS, words)


def cell(explorer, **values):
    """The cell of the map with these values."""
    wanted = explorer.comparison.index(**values)
    return next(c for row in explorer.map.table["cells"] for c in row if c["id"] == wanted)


def point(explorer, setting):
    """The point of the chart with this setting."""
    places = explorer.comparison.places
    return next(p for p in explorer.map.chart["points"] if places[p["id"]].setting == setting)


# ---- the map


def test_it_starts_at_the_course_s_setting_on_the_people_to_choose_by(explorer):
    assert explorer.place.setting == COURSE
    assert explorer.settings["test_set"] == "people to choose by"
    assert explorer.error == ""
    here = cell(explorer, n_fft=1024, hop_length=512, n_mels=64)
    assert here["is_course"]
    assert (here["mean"], here["spread"]) == (f"{100 * level(COURSE):.1f}", "\u00b1 1.0")


def test_every_cell_holds_mean_and_deviation_of_its_seeds(explorer):
    assert explorer.map.table["column_heads"] == ["256 \u00b7 16 ms", "512 \u00b7 32 ms",
                                                  "1024 \u00b7 64 ms"]  # fmt: skip
    assert explorer.map.table["row_heads"] == [
        "128 \u00b7 8 ms",
        "256 \u00b7 16 ms",
        "512 \u00b7 32 ms",
    ]
    for n_fft in (512, 1024):
        for hop_length in (256, 512):
            setting = Setting(n_fft=n_fft, hop_length=hop_length)
            here = cell(explorer, n_fft=n_fft, hop_length=hop_length, n_mels=64)
            assert here["kind"] == "measured"
            assert here["mean"] == f"{100 * level(setting):.1f}"
            assert here["spread"] == "\u00b1 1.0"


def test_colours_run_from_the_worst_to_the_best_of_the_whole_comparison(explorer):
    def shares():
        cells = [c for row in explorer.map.table["cells"] for c in row]
        return {c["id"]: c["share"] for c in cells if c["kind"] == "measured"}

    at_64 = shares()
    explorer.set(at=16)
    both = at_64 | shares()
    assert min(both.values()) == 0.0
    assert max(both.values()) == 1.0
    means = {i: explorer.comparison.places[i].summary.accuracy.mean for i in both}
    assert sorted(both, key=both.get) == sorted(means, key=means.get)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"n_fft": 256, "hop_length": 512, "n_mels": 16}, "longer than the window"),
        ({"n_fft": 256, "hop_length": 256, "n_mels": 64}, "No frequency bin|no frequency bin"),
    ],
)
def test_what_makes_no_sense_is_hatched_and_explained(explorer, values, why):
    explorer.set(at=values["n_mels"])
    here = cell(explorer, **values)
    assert here["kind"] == "useless"
    assert re.search(why, here["told"])
    explorer.choose(Setting(**values))
    assert re.search(why, explorer.view.notes[0])
    assert explorer.error == ""
    assert "accuracy" not in dict(explorer.view.readout)
    empty = bool(explorer.view.picture("picture")["marks"])
    assert empty == ("bin" in why)


def test_a_setting_that_nobody_measured_is_no_nonsense(words):
    few = [r for r in RECORDS if r["setting"]["n_fft"] != 512 or r["setting"]["n_mels"] != 64]
    explorer = explore_tuning(few, words)
    here = cell(explorer, n_fft=512, hop_length=512, n_mels=64)
    assert here["kind"] == "missing"
    explorer.choose(Setting(n_fft=512))
    assert explorer.view.notes == ["This setting was not measured."]


def test_the_other_maps_hold_the_third_parameter_still(explorer):
    explorer.set(map="n_fft \u00d7 n_mels")
    table = explorer.map.table
    assert (table["columns"], table["rows"]) == ("n_fft", "n_mels")
    assert explorer.settings["at"] == 512  # hop_length of what was chosen
    explorer.set(at=256)
    assert explorer.place.setting == Setting(hop_length=256)
    explorer.set(map="hop_length \u00d7 n_mels", at=512)
    assert explorer.place.setting == Setting(n_fft=512, hop_length=256)


@pytest.mark.parametrize(
    ("compare", "columns", "rows", "n_cells"),
    [
        ("mel or linear", "n_mels", "frequency_axis", 6),
        ("scale and normalising", "normalize", "scale", 6),
    ],
)
def test_the_other_comparisons_have_their_own_maps(explorer, compare, columns, rows, n_cells):
    explorer.set(compare=compare)
    table = explorer.map.table
    assert (table["columns"], table["rows"]) == (columns, rows)
    assert sum(len(row) for row in table["cells"]) == n_cells
    assert explorer.place.setting == COURSE
    assert explorer.sliders["at"].disabled
    for i in explorer.comparison.measured:
        explorer.map.chosen = i
        assert explorer.error == ""
    explorer.set(compare="n_fft, hop_length, n_mels")
    assert explorer.settings["at"] == 64
    assert not explorer.sliders["at"].disabled


def test_another_test_set_changes_map_chart_and_readout(explorer):
    explorer.set(test_set="other people")
    wanted = f"{100 * level(COURSE) - 2:.1f}"
    assert cell(explorer, n_fft=1024, hop_length=512, n_mels=64)["mean"] == wanted
    assert point(explorer, COURSE)["y"] == pytest.approx(100 * level(COURSE) - 2)
    assert dict(explorer.view.readout)["accuracy"] == f"{wanted} \u00b1 1.0 %, 3 seeds"
    assert "other people" in explorer.map.table["title"]


def test_one_seed_has_no_error_bar(words):
    explorer = explore_tuning(make_records(n_seeds=1), words)
    here = cell(explorer, n_fft=1024, hop_length=512, n_mels=64)
    assert here["spread"] == ""
    assert {p["spread"] for p in explorer.map.chart["points"]} == {0.0}
    assert "no error bars" in explorer.map.chart["bars"]
    assert "\u00b1" not in dict(explorer.view.readout)["accuracy"]
    json.dumps([explorer.map.table, explorer.map.chart], allow_nan=False)  # what travels is JSON


# ---- the chart


@pytest.mark.parametrize(
    ("cost", "name"),
    [("training time", "train_seconds"), ("time per clip", "inference_ms"),
     ("picture size", "n_cells")],
)  # fmt: skip
def test_the_chart_shows_cost_and_accuracy_of_all_and_marks_the_front(explorer, cost, name):
    explorer.set(cost=cost)
    one = explorer.comparison
    measured = {one.places[i].setting: one.places[i].summary for i in one.measured}
    front = {summary.setting for summary in pareto(measured.values(), cost=name)}
    points = explorer.map.chart["points"]
    assert len(points) == len(measured)
    for p in points:
        summary = measured[one.places[p["id"]].setting]
        assert p["x"] == pytest.approx(getattr(summary, name))
        assert p["y"] == pytest.approx(100 * summary.accuracy.mean)
        assert p["spread"] == pytest.approx(1.0)
        assert p["is_front"] == (summary.setting in front)
    assert 0 < len(front) < len(points)
    assert [p["x"] for p in points] == sorted(p["x"] for p in points)
    assert [p["is_course"] for p in points].count(True) == 1


def test_every_cost_has_its_own_front(words):
    """Here what is small takes long, and a long window is slow."""
    records = [
        one | {"train_seconds": 100.0 - one["n_cells"] / 100,
               "inference_ms": one["setting"]["n_fft"] / 1000}
        for one in RECORDS
    ]  # fmt: skip
    explorer, fronts = explore_tuning(records, words), []
    for cost, name in [("picture size", "n_cells"), ("training time", "train_seconds"),
                       ("time per clip", "inference_ms")]:  # fmt: skip
        explorer.set(cost=cost)
        measured = [explorer.comparison.places[i].summary for i in explorer.comparison.measured]
        front = {summary.setting for summary in pareto(measured, cost=name)}
        shown = [p["id"] for p in explorer.map.chart["points"] if p["is_front"]]
        assert {explorer.comparison.places[i].setting for i in shown} == front
        fronts.append(frozenset(front))
    assert len(set(fronts)) == 3


def test_the_front_is_that_of_the_test_set(words):
    """Whoever is best on one set need not be on the other."""
    records = make_records()
    for one in records:
        if one["setting"]["n_mels"] == 64:
            one["accuracies"]["other people"] = 0.3
    explorer = explore_tuning(records, words, test_set="other people", cost="picture size")
    judged = [s._replace(accuracy=s.accuracies["other people"]) for s in summarise(records)]
    front = {s.setting for s in pareto(judged, cost="n_cells")}
    shown = {explorer.comparison.places[p["id"]].setting
             for p in explorer.map.chart["points"] if p["is_front"]}  # fmt: skip
    assert shown <= front
    assert not any(s.n_mels == 64 for s in shown)


def test_a_point_of_another_map_brings_its_map(explorer):
    other = Setting(n_fft=512, hop_length=256, n_mels=16)
    assert not point(explorer, other)["in_map"]
    explorer.map.chosen = point(explorer, other)["id"]
    assert explorer.settings["at"] == 16
    assert explorer.place.setting == other
    assert point(explorer, other)["in_map"]
    assert cell(explorer, n_fft=512, hop_length=256, n_mels=16)["kind"] == "measured"


# ---- the picture


def test_the_picture_is_what_a_network_with_these_settings_gets(explorer, words):
    explorer.set(word="high")
    explorer.choose(Setting(n_fft=512, hop_length=256))
    clips = words.waveforms[words.labels == LABELS.index("high")]
    loudest = clips[clips.square().mean(-1).argmax()]
    power = mel_spectrogram(
        centre_by_energy(loudest), sample_rate=16000, n_fft=512, hop_length=256, n_mels=64
    )
    assert_shows(explorer.view, "picture", standardize(power_to_db(power)), also=2e-3)
    assert explorer.readout["shape"] == (64, 63)


@pytest.mark.parametrize(
    "values",
    [{"scale": "power", "normalize": "none"}, {"scale": "power", "normalize": "data set"},
     {"scale": "db", "normalize": "none"}],
    ids=str,
)  # fmt: skip
def test_scales_and_normalisations_are_shown_as_they_are(explorer, words, values):
    explorer.set(compare="scale and normalising")
    setting = Setting(**values)
    explorer.choose(setting)
    features = setting.features()
    with torch.no_grad():
        features.measure(features.mel_power(words.waveforms))
        clip = words.waveforms[0:24:3]  # all «low»: the first word
        clip = clip[clip.square().mean(-1).argmax()]
        expected = features(clip)
    state = explorer.view.picture("picture")
    also = 1e-4 * (state["value_max"] - state["value_min"]) + 1e-6
    assert_shows(explorer.view, "picture", expected, also=also)
    of_words = [note for note in explorer.view.notes if "this explorer was given" in note]
    assert bool(of_words) == (values["normalize"] == "data set")


def test_linear_bands_have_linear_places(explorer):
    explorer.set(compare="mel or linear")
    explorer.choose(Setting(n_mels=16, frequency_axis="linear"))
    state = explorer.view.picture("picture")
    assert state["y"]["scale"] == "linear"
    centres = np.array(state["rows"]["centre"])
    assert np.allclose(np.diff(centres), 8000 / 17, atol=0.01)
    rows = state["y"]["min"] + (np.arange(16) + 0.5) / 16 * (state["y"]["max"] - state["y"]["min"])
    assert np.allclose(rows, centres, atol=0.01)  # a row is drawn where its band lies
    explorer.choose(Setting(n_mels=16))
    assert explorer.view.picture("picture")["y"]["scale"] == "table"


def test_what_is_pointed_at_is_shown_and_goes_away_again(explorer):
    before = explorer.view.picture("picture")["settings"]
    explorer.map.pointed = explorer.comparison.index(n_fft=512, hop_length=256, n_mels=64)
    assert explorer.view.picture("picture")["settings"]["hop_length"] == 256
    assert explorer.readout["hop_ms"] == 16.0
    explorer.map.pointed = tuning.NOBODY
    assert explorer.view.picture("picture")["settings"] == before


def test_readout_says_cost_and_resolution(explorer):
    explorer.choose(Setting(n_fft=512, hop_length=256))
    texts = dict(explorer.view.readout)
    assert texts["training"] == "45.3 s of the processor"
    assert texts["per clip"] == "2.52 ms"
    assert texts["picture"] == "64 \u00d7 63 = 4032 cells"
    assert texts["time resolution"] == "16 ms"  # half of a Hann window of 512 samples
    assert texts["frequency resolution"] == "62.5 Hz"  # two bins
    assert explorer.view.picture("picture")["box"] == {
        "dt_s": pytest.approx(0.016, abs=1e-4), "df_hz": pytest.approx(62.5, abs=0.5),
    }  # fmt: skip


def test_the_word_can_be_heard(explorer, words):
    serial = explorer.view.sound_serial
    explorer.set(word="noise")
    assert explorer.view.sound_serial == serial + 1
    explorer.map.pointed = 0
    assert explorer.view.sound_serial == serial + 1  # the same word need not travel again


# ---- input


def test_it_reads_a_file_and_names_a_damaged_line(tmp_path, words):
    path = tmp_path / "mine.jsonl"
    for one in RECORDS:
        append_result(path, one)
    with path.open("a") as file:
        file.write('{"setting": {"n_f')
    explorer = explore_tuning(path, words)
    assert len(explorer.comparison.measured) == 14
    assert "damaged" in explorer.view.notes[0]


def test_without_arguments_it_shows_what_was_measured_for_the_course():
    explorer = explore_tuning()
    assert explorer.place.setting == COURSE
    assert explorer.settings["test_set"] == "people to choose by"
    assert len(explorer.settings) == 6
    assert set(explorer._comparisons) == {
        "n_fft, hop_length, n_mels", "mel or linear", "scale and normalising",
    }  # fmt: skip


def test_a_small_sweep_of_one_s_own_is_enough(words):
    mine = [record(Setting(n_fft=512, n_mels=8), seed, 0.5) for seed in range(2)]
    explorer = explore_tuning(mine, words)
    assert explorer.place.setting == Setting(n_fft=512, n_mels=8)
    assert explorer.png()


@pytest.mark.parametrize(
    ("results", "words_of_it"),
    [
        ([], "run a sweep first"),
        ("nowhere.jsonl", "nowhere.jsonl is not there"),
        (7, "must be a file, or records"),
        ([1, 2], "must hold records of a sweep"),
        ([RECORDS[0], RECORDS[1] | {"recipe": "another"}], "different recipes"),
        ([RECORDS[0] | {"error": "out of memory"}], "run a sweep first"),
    ],
)
def test_what_holds_no_results_is_told(words, results, words_of_it):
    with pytest.raises(ValueError, match=words_of_it):
        explore_tuning(results, words)


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        ({"cost": "money"}, ValueError, "cost must be one of training time"),
        ({"compare": "all"}, ValueError, "compare must be one of"),
        ({"at": 7}, ValueError, "at must be one of 16, 64"),
        ({"word": "maybe"}, ValueError, "word must be one of low, high"),
        ({"n_fft": 7}, TypeError, "has no setting n_fft"),
    ],
)
def test_a_start_value_that_cannot_be_is_told(words, start, error, message):
    with pytest.raises(error, match=message):
        explore_tuning(RECORDS, words, **start)


def test_start_values_are_taken(words):
    explorer = explore_tuning(
        RECORDS, words, compare="mel or linear", cost="picture size", word="noise"
    )
    assert explorer.settings["compare"] == "mel or linear"
    assert explorer.map.chart["x_label"] == "picture size (cells)"
    explorer = explore_tuning(RECORDS, words, map="hop_length \u00d7 n_mels", at=512)
    assert explorer.settings["at"] == 512
    explorer = explore_tuning(RECORDS, words, at=16)
    assert explorer.place.setting == Setting(n_mels=16)  # the cell that is framed is in the map


def test_what_the_hand_cannot_point_at_is_refused(explorer):
    with pytest.raises(t.TraitError, match="chosen=99 must be from 0"):
        explorer.map.chosen = 99
    with pytest.raises(t.TraitError, match="pointed=-2 must be from -1"):
        explorer.map.pointed = -2
    with pytest.raises(ValueError, match="is not part of"):
        explorer.choose(Setting(n_mels=99))


def test_an_error_is_a_line_in_the_widget_and_the_picture_stays(explorer, monkeypatch):
    before = explorer.view.picture("picture")["serial"]

    def fails(setting):
        raise MemoryError("no room for this picture")

    monkeypatch.setattr(Setting, "features", fails)
    explorer.choose(Setting(n_fft=512))
    assert "no room for this picture. The picture is still the last good one." in explorer.error
    assert explorer.view.picture("picture")["serial"] == before


# ---- where no widget lives


def test_the_static_picture_shows_map_and_chart(explorer):
    data, metadata = explorer._repr_mimebundle_()
    assert data["text/plain"] == repr(explorer)
    assert metadata["image/png"]["alt"] == repr(explorer)
    first = explorer.png()
    picture = Image.open(io.BytesIO(first))
    assert picture.width >= 600
    assert len(first) < 80_000
    assert explorer.png() == first
    explorer.set(at=16)
    assert explorer.png() != first


def test_repr_is_the_same_on_every_run(explorer):
    assert repr(explorer) == (
        "Tuning explorer: settings measured: n_fft, hop_length, n_mels 14, mel or linear 6, "
        "scale and normalising 6"
    )


def test_percent_says_no_deviation_of_one_seed():
    assert percent(MeanAndSpread(0.8642, math.nan)) == "86.4 %"
    assert percent(MeanAndSpread(0.8642, 0.0081)) == "86.4 \u00b1 0.8 %"


@pytest.mark.parametrize("name", ["tuning.js", "tuning.css"])
def test_nothing_is_loaded_from_elsewhere(name):
    text = (tuning._STATIC / name).read_text(encoding="utf-8")
    text = text.replace('"http://www.w3.org/2000/svg"', "")  # a namespace's name, no address
    assert not re.search(r"https?://|\bimport\s*\(|^\s*import\s|@import|url\(", text, re.M)


def test_a_page_shows_the_map_and_not_the_view_alone(explorer):
    with pytest.raises(ValueError, match="more than its view"):
        fragment(explorer)
