"""The tool that measures docs/results.md: what it writes, what it keeps, what it measures again."""

import json

import pytest
import torch

from course_utils.data.spoken_words import SpokenWords
from course_utils.data.tones import CLASS_NAMES, make_clips
from course_utils.models.augment import Augmentation
from tools import measure_words as tool


def words(seed, n_clips=20):
    clips = make_clips(n_clips, seed=seed)
    names = tuple(f"{seed}_{i}" for i in range(n_clips))
    return SpokenWords(clips.waveforms, clips.labels, names, names, CLASS_NAMES, "made by formula")


@pytest.fixture
def jobs(monkeypatch):
    """Three trainings of a second in all, and how often a training was really run."""
    monkeypatch.setattr(tool, "checksum", lambda row: 1)
    runs = []
    real = tool.run
    monkeypatch.setattr(tool, "run", lambda job: runs.append(job.key) or real(job))

    def make(variant=tool.RECIPE):
        return [
            tool.Job("exam", variant, "", seed, lambda: words(1), lambda: {"left out": words(2)}, 1)
            for seed in range(3)
        ]

    return make, runs


def test_what_is_in_the_file_is_not_measured_again(jobs, tmp_path, capsys):
    make, runs = jobs
    path = tmp_path / "results.jsonl"
    first = tool.measure(make()[:2], path)
    assert len(runs) == 2
    again = tool.measure(make(), path)
    assert len(runs) == 3, "only the third is new"
    assert again[:2] == first
    lines = path.read_text("utf-8").splitlines()
    assert [json.loads(line)["seed"] for line in lines] == [0, 1, 2]
    assert "seed 2" in capsys.readouterr().out


def test_another_recipe_or_other_clips_are_measured_anew(jobs, tmp_path, monkeypatch):
    make, runs = jobs
    path = tmp_path / "results.jsonl"
    tool.measure(make()[:1], path)
    other = tool.Variant("the recipe", augmentation=Augmentation(shift_s=0.05))
    tool.measure(make(other)[:1], path)
    assert len(runs) == 2
    monkeypatch.setattr(tool, "checksum", lambda row: 2)
    tool.measure(make()[:1], path)
    assert len(runs) == 3


def test_a_line_that_was_cut_off_is_passed_over(jobs, tmp_path, capsys):
    make, runs = jobs
    path = tmp_path / "results.jsonl"
    tool.measure(make()[:1], path)
    path.write_text(path.read_text("utf-8") + '{"row": "exam", "va\n', "utf-8")
    tool.measure(make()[:1], path)
    assert len(runs) == 1
    assert "broken line" in capsys.readouterr().out


def test_a_result_says_what_it_depends_on(jobs, tmp_path):
    make, _ = jobs
    (result,) = tool.measure(make()[:1], tmp_path / "results.jsonl")
    right, n = result["right"]["left out"]
    assert n == 20
    assert 0 <= right <= 20
    assert result["n_train"] == 20
    assert result["torch"] == torch.__version__
    assert set(result) >= {"date", "recipe", "cpu_seconds", "wall_seconds", "seed", "variant"}


def fake(row, variant, part, seed, right):
    return {
        "row": row, "variant": variant, "part": part, "seed": seed, "date": "2026-01-02",
        "right": {"left out": [right, 100]}, "cpu_seconds": 3.0,
    }  # fmt: skip


def test_parts_are_added_up_before_the_mean_over_seeds_is_taken():
    results = [fake("fsdd", "a", part, seed, 50 + 10 * seed + 20 * (part == "x"))
               for part in ("x", "y") for seed in (0, 1)]  # fmt: skip
    assert tool.per_seed(results, "left out") == [60.0, 70.0]
    lines = tool.parts_table(results, "speaker")
    assert lines[2] == "| x | 75.0 ± 7.1 |"
    assert lines[-1] == "| **all together** | **65.0 ± 7.1** |"
    assert tool.score(results, "another set") == "–"


def test_folds_are_shown_seed_by_seed_because_each_seed_draws_its_own():
    results = [fake("folds", "a", str(part), seed, 80 + 10 * seed + part)
               for part in range(2) for seed in range(2)]  # fmt: skip
    lines = tool.folds_table(results)
    assert lines[2:] == [
        "| 0 | 80.5 | 2 | 80.0 | 81.0 |",
        "| 1 | 90.5 | 2 | 90.0 | 91.0 |",
        "| **all** | **85.5 ± 7.1** |  |  |  |",
    ]


def test_the_page_keeps_what_a_person_wrote(tmp_path):
    page = tmp_path / "results.md"
    page.write_text(f"# Title\n\n{tool.START}\nold\n{tool.END}\n\nAfter.\n", "utf-8")
    results = [fake("fsdd", "the recipe", "theo", seed, 90 + seed) for seed in range(3)]
    tool.write_page(page, {"fsdd": results})
    text = page.read_text("utf-8")
    assert text.startswith("# Title\n")
    assert text.endswith("After.\n")
    assert "old" not in text
    assert "| theo | 91.0 ± 1.0 |" in text
    assert "python tools/measure_words.py fsdd" in text
    tool.write_page(page, {"fsdd": results})
    assert page.read_text("utf-8") == text, "writing it twice changes nothing"


def test_a_page_without_markers_is_refused(tmp_path):
    page = tmp_path / "results.md"
    page.write_text("nothing", "utf-8")
    with pytest.raises(SystemExit, match="lacks the markers"):
        tool.write_page(page, {})
    assert page.read_text("utf-8") == "nothing"


def test_missing_recordings_are_said(monkeypatch):
    monkeypatch.setattr(tool, "find_recordings", lambda: {})
    tool.digits.cache_clear()
    with pytest.raises(tool.MissingDataError, match="«fsdd» are not here"):
        tool.digits()


def test_every_row_has_a_title_a_table_and_a_sentence():
    assert list(tool.ROWS) == list(tool.TITLES) == list(tool.TABLES)
    assert all(row.__doc__ for row in tool.ROWS.values())
    names = [variant.name for variant in (tool.RECIPE, *tool.ABLATIONS)]
    assert len(set(names)) == len(names)


def test_each_variant_changes_something():
    recipe = (tool.RECIPE.features, tool.RECIPE.augmentation)
    for variant in tool.ABLATIONS:
        assert (variant.features, variant.augmentation) != recipe, variant.name
