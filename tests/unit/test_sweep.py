"""A sweep: killed, stopped, resumed, in other processes or on a cluster, always the same table."""

import dataclasses
import json
import math
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
import torchaudio

from course_utils.data.tones import CLASS_NAMES, make_clips
from course_utils.models import sweep as engine
from course_utils.models.cnn import WordCNN
from course_utils.models.evaluate import accuracy
from course_utils.models.features import WordFeatures, linear_filterbank
from course_utils.models.sweep import (
    Setting,
    SweepError,
    grid,
    pareto,
    read_results,
    run_one,
    run_sweep,
    summarise,
    time_setting,
)
from course_utils.models.sweep_results import append_result
from course_utils.models.train import TrainingSettings, fit
from course_utils.models.word_model import WordModel
from course_utils.signal import MelParams
from tests.unit.sweep_worker import CHANNELS, SEEDS, SETTINGS, TRAINING, sweep
from tools import measure_sweep as tool

ROOT = Path(__file__).resolve().parents[2]
TIMES = {"train_seconds", "inference_ms", "seconds", "date"}
N_RUNS = len(SETTINGS) * len(SEEDS)


def table(records):
    """Everything that two sweeps must agree on, to the last bit."""
    return [{key: record[key] for key in record.keys() - TIMES} for record in records]


def lines(path):
    return path.read_bytes().split(b"\n")[:-1]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The table that every other way must arrive at."""
    path = tmp_path_factory.mktemp("sweep") / "whole.jsonl"
    records = sweep(path).records
    assert len(records) == N_RUNS == len(lines(path))
    return path, table(records)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.jsonl"


@pytest.fixture(scope="module")
def train():
    return make_clips(20, seed=1)


@pytest.fixture(scope="module")
def test():
    return make_clips(15, seed=2)


@pytest.fixture
def small(train, test):
    """Two runs in a third of a second."""

    def run(settings=SETTINGS[:2], seeds=(0,), train=train, test=test, **how):
        how = {"training": TRAINING, "channels": CHANNELS, **how}
        return run_sweep(settings, seeds, train, test, **how)

    return run


# ----------------------------------------------------------------------- what can go wrong


def start(*arguments):
    command = [sys.executable, "-m", "tests.unit.sweep_worker", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def wait_for_lines(path, process, n_lines):
    until = time.monotonic() + 120.0
    while not path.exists() or path.read_bytes().count(b"\n") < n_lines:
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < until, "it does not begin"
        time.sleep(0.01)


@pytest.mark.parametrize(("n_jobs", "moment"), [(1, 11), (1, 12), (2, 13)])
def test_a_killed_sweep_goes_on_to_the_same_table(uninterrupted, path, n_jobs, moment):
    """SIGKILL at a random moment: after a random number of lines and a random wait."""
    rng = random.Random(moment)
    n_lines = rng.randrange(N_RUNS // 2)
    run_s = statistics.median(r["seconds"] for r in read_results(uninterrupted[0]).records)
    wait_s = rng.uniform(0.0, 2.0) * run_s
    process = start("sweep", path, n_jobs)
    wait_for_lines(path, process, n_lines)
    time.sleep(wait_s)
    process.send_signal(signal.SIGKILL)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    before = path.read_bytes()
    assert n_lines <= len(lines(path)) < N_RUNS, "it was killed in the middle"
    assert len(lines(path)) >= int(told.split()[-1]), "what had ended was written"
    again = sweep(path)
    assert table(again.records) == uninterrupted[1]
    assert path.read_bytes().startswith(before), "nothing that was there has changed"
    assert len(lines(path)) == N_RUNS + len(again.notes), "nothing was measured twice"


@pytest.mark.parametrize("moment", range(4))
def test_a_line_that_was_cut_off_is_named_and_stays_and_its_run_is_done_again(
    uninterrupted, path, moment
):
    whole = uninterrupted[0].read_bytes()
    ends = [place for place, byte in enumerate(whole) if byte == 10]
    cut = random.Random(moment).randrange(ends[N_RUNS - 4] + 2, ends[N_RUNS - 1] - 1)
    cut += cut in ends  # not just before a line's end: that line is complete
    cut += cut - 1 in ends
    path.write_bytes(whole[:cut])
    again = sweep(path)
    assert table(again.records) == uninterrupted[1]
    assert path.read_bytes().startswith(whole[:cut] + b"\n")
    number = whole[:cut].count(b"\n") + 1
    assert len(again.notes) == 1
    assert again.notes[0].startswith(f"line {number} of results.jsonl is damaged")
    third = sweep(path)
    assert table(third.records) == uninterrupted[1]
    assert third.notes == again.notes
    assert len(lines(path)) == N_RUNS + 1, "nothing more was measured"


def test_a_line_without_its_end_counts_and_the_next_one_begins_below(uninterrupted, path):
    first, second = lines(uninterrupted[0])[:2]
    path.write_bytes(first)
    append_result(path, json.loads(second))
    assert path.read_bytes() == first + b"\n" + second + b"\n"
    assert read_results(path).notes == []


def test_two_processes_can_write_to_one_file(path):
    """Also while a line without its end is waiting for one."""
    path.write_bytes(b'{"setting": {"n_')
    n_lines = 300
    for process in [start("append", path, name, n_lines) for name in "ab"]:
        assert process.wait(timeout=120) == 0
    first, *others = lines(path)
    assert first == b'{"setting": {"n_'
    found = [(r["name"], r["number"]) for r in map(json.loads, others)]
    for name in "ab":
        assert [number for who, number in found if who == name] == list(range(n_lines))


def test_a_line_waits_until_the_other_process_has_written_its_own(path):
    fcntl = pytest.importorskip("fcntl")
    with path.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        writer = threading.Thread(target=append_result, args=(path, {"a": 1}))
        writer.start()
        writer.join(timeout=0.2)
        assert path.read_bytes() == b""
    writer.join(timeout=10)
    assert path.read_bytes() == b'{"a": 1}\n'


def test_a_file_of_something_else_is_left_alone(small, path):
    path.write_text("# My notes\n\nDo not touch.\n", "utf-8")
    with pytest.raises(ValueError, match=r"results.jsonl holds no results of a sweep"):
        small(results=path)
    assert path.read_text("utf-8") == "# My notes\n\nDo not touch.\n"


def test_a_file_that_cannot_be_written_is_said_before_anything_is_measured(small, tmp_path):
    with pytest.raises(SweepError, match="cannot be written"):
        small(results=tmp_path / "no folder" / "results.jsonl", report=pytest.fail)


def test_a_full_disk_ends_the_sweep_with_a_sentence_and_what_was_written_is_kept(
    small, path, monkeypatch
):
    def full(*_):
        raise OSError(28, "No space left on device")

    small(settings=SETTINGS[:1], results=path)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "append_result", full)
        with pytest.raises(SweepError, match=r"No space left on device.*run the sweep again"):
            small(results=path)
    assert len(read_results(path).records) == 1
    assert len(small(results=path).records) == 2


# ------------------------------------------------------------------- in other processes


def test_two_processes_give_the_same_numbers_and_stop_after_what_is_in_flight(uninterrupted, path):
    told = []
    stopped = sweep(path, n_jobs=2, report=told.append, should_stop=lambda: told[-1].n_done >= 3)
    n_before = len(stopped.records)
    assert stopped.stopped
    assert 3 <= n_before <= 3 + 3, "two in flight, and one that began before the question"
    told.clear()
    whole = sweep(path, n_jobs=2, report=told.append)
    assert not whole.stopped
    assert table(whole.records) == uninterrupted[1]
    assert told[0].n_before == told[0].n_done == n_before
    assert len(lines(path)) == N_RUNS


def test_a_dask_cluster_gives_the_same_numbers_seed_by_seed(uninterrupted, path):
    distributed = pytest.importorskip("dask.distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        whole = sweep(path, backend="dask")
        workers = client.run(lambda: None)
    assert len(workers) == 2
    assert table(whole.records) == uninterrupted[1]
    assert len(lines(path)) == N_RUNS


def test_without_a_cluster_dask_is_refused_with_the_next_step(small):
    with pytest.raises(ValueError, match=r"backend='dask'.*Client"):
        small(backend="dask")


# -------------------------------------------------------------------------- a sweep's course


def test_an_error_is_written_down_and_the_others_go_on(small, path):
    too_long = Setting(n_fft=40000, n_mels=8)
    result = small(settings=[SETTINGS[0], too_long, SETTINGS[1]], results=path)
    assert ["error" in record for record in result.records] == [False, True, False]
    assert "n_fft=40000" in result.records[1]["error"]
    assert "take a shorter n_fft" in result.records[1]["problem"]
    assert result.errors[0].startswith("n_fft 40000, hop 512, 8 mel bands, db")
    assert len(summarise(result.records)) == 2
    told = []
    small(settings=[SETTINGS[0], too_long], results=path, report=told.append)
    assert [p.n_failed for p in told] == [0, 1], "what failed is tried again"


def test_an_error_never_takes_the_place_of_a_measurement(small, path):
    (measured,) = small(settings=SETTINGS[:1], results=path).records
    head = {key: measured[key] for key in ("setting", "seed", "identity", "recipe", "data")}
    append_result(path, {**head, "error": "MemoryError"})
    assert read_results(path).records == [measured]


def test_stop_ends_it_and_the_next_call_goes_on(uninterrupted, path):
    asked = []
    stopped = sweep(path, should_stop=lambda: asked.append(0) or len(asked) > 5)
    assert stopped.stopped
    assert len(asked) == 6, "after the first yes it is not asked again"
    assert table(stopped.records) == uninterrupted[1][:5]
    assert table(sweep(path).records) == uninterrupted[1]


def test_the_keyboard_ends_it_tidily(uninterrupted, path):
    def interrupt(progress):
        if progress.n_done == 2:
            signal.raise_signal(signal.SIGINT)

    stopped = sweep(path, report=interrupt)
    assert stopped.stopped
    assert table(stopped.records) == uninterrupted[1][:2]


def test_an_interrupted_run_leaves_no_line(uninterrupted, path, monkeypatch):
    """fit takes the interrupt for itself and returns a network that is not ready."""
    real = engine.fit

    def interrupted(*args, **how):
        return real(*args, **{**how, "should_stop": lambda: True})

    sweep(path, should_stop=lambda: path.read_bytes().count(b"\n") == 3)
    monkeypatch.setattr(engine, "fit", interrupted)
    assert len(sweep(path).records) == 3
    monkeypatch.undo()
    assert table(sweep(path).records) == uninterrupted[1]


def test_progress_says_how_far_it_is_and_how_long_it_takes(path):
    told = []
    sweep(path, report=told.append)
    assert [p.n_done for p in told] == list(range(N_RUNS + 1))
    assert {p.n_runs for p in told} == {N_RUNS}
    shares = [p.share_done for p in told]
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert shares == sorted(set(shares)), "it grows with every run"
    assert told[0].seconds_left is None
    assert told[0].record is None
    assert all(p.seconds_left > 0 for p in told[1:-1])
    assert told[-1].seconds_left == 0.0
    assert told[6].record["setting"] == dataclasses.asdict(SETTINGS[5])
    half = told[len(told) // 2]
    assert half.seconds_left == pytest.approx(half.seconds, rel=4.0), "a guess, not a fantasy"
    told.clear()
    sweep(path, report=told.append)
    assert [(p.n_done, p.n_before, p.share_done) for p in told] == [(N_RUNS, N_RUNS, 1.0)]


def test_every_setting_comes_before_the_second_seed(path):
    order = [(r["seed"], Setting(**r["setting"])) for r in sweep(path).records]
    assert order == [(seed, setting) for seed in SEEDS for setting in SETTINGS]
    written = [json.loads(line) for line in lines(path)]
    assert order == [(r["seed"], Setting(**r["setting"])) for r in written]


@pytest.mark.parametrize("other", ["train", "test", "training", "channels"])
def test_what_depends_on_something_else_is_measured_anew(small, path, train, test, other):
    small(results=path)
    change = {
        "train": {"train": train._replace(waveforms=train.waveforms * 0.5)},
        "test": {"test": test._replace(labels=test.labels.flip(0))},
        "training": {"training": dataclasses.replace(TRAINING, learning_rate=1e-4)},
        "channels": {"channels": (4, 4)},
    }[other]
    assert len({r["identity"] for r in small(results=path, **change).records}) == 2
    records = read_results(path).records
    assert len(records) == 4
    with pytest.raises(ValueError, match="come from 2 different recipes or data sets"):
        summarise(records)


def test_a_result_depends_on_its_seed_and_not_on_the_trainings(small):
    first, second = small(settings=SETTINGS[:1], seeds=(0, 1)).records
    assert first["loss"] != second["loss"]
    again = small(settings=SETTINGS[:1], training=dataclasses.replace(TRAINING, seed=7)).records
    assert table(again) == table([first])


def test_a_sweep_leaves_threads_and_random_numbers_alone(small):
    torch.set_num_threads(2)
    before = torch.random.get_rng_state()
    small()
    assert torch.get_num_threads() == 2
    assert torch.equal(before, torch.random.get_rng_state())
    torch.set_num_threads(1)


def test_a_result_is_written_also_if_the_keyboard_interrupts_the_writing(path, monkeypatch):
    real, interrupted = engine.append_result, []

    def append(*arguments):
        if not interrupted:
            interrupted.append(True)
            signal.raise_signal(signal.SIGINT)
        real(*arguments)

    monkeypatch.setattr(engine, "append_result", append)
    stopped = sweep(path)
    assert stopped.stopped
    assert len(stopped.records) == len(read_results(path).records) == 1


# ----------------------------------------------------------------------------- one run


def test_one_run_says_what_it_gives_and_costs(train, test):
    setting = Setting(n_fft=512, hop_length=256, n_mels=16, frequency_axis="linear")
    tests = {"these": test, "others": make_clips(10, seed=3)}
    record = run_one(setting, 3, train, tests, training=TRAINING)
    assert record["picture"] == [16, 63]
    assert record["n_cells"] == 16 * 63 == setting.n_cells()
    assert record["accuracy"] == record["accuracies"]["these"]
    assert record["n_tests"] == {"these": 15, "others": 10}
    assert record["n_parameters"] > 10_000
    assert record["seconds"] > record["train_seconds"] > 0
    assert record["inference_ms"] > 0
    assert Setting(**record["setting"]) == setting
    assert record["versions"]["torch"] == torch.__version__
    assert record["problem"] == ""
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_one_run_is_what_anybody_would_do_by_hand(train, test):
    setting, seed = Setting(n_fft=512, hop_length=256, n_mels=16, scale="magnitude"), 3
    features = WordFeatures(setting.params(), scale="magnitude")
    network = WordCNN(5, 16, CHANNELS, seed=seed)
    model = WordModel(CLASS_NAMES, features=features, network=network)
    fit(model, train, None, settings=dataclasses.replace(TRAINING, seed=seed))
    ours = run_one(setting, seed, train, test, training=TRAINING, channels=CHANNELS)
    assert ours["accuracy"] == accuracy(model, test)
    logits = model.logits(test.waveforms).double()
    assert ours["loss"] == torch.nn.functional.cross_entropy(logits, test.labels).item()


def test_a_sweep_learns():
    """Not only the same numbers, but numbers that mean something."""
    training = TrainingSettings(n_epochs=10, batch_size=10)
    clips = {"train": make_clips(50, seed=1), "test": make_clips(30, seed=2)}
    assert run_one(Setting(), 0, **clips, training=training)["accuracy"] > 0.7


def test_names_of_the_words_come_from_the_clips(train, test):
    class Named:
        waveforms, labels, label_names = *train, ("a", "b", "c")

    with pytest.raises(ValueError, match=r"label 4 has no name among the 3 words"):
        run_one(Setting(), 0, Named, test, training=TRAINING)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"n_jobs": 0}, "n_jobs=0 must be a positive integer, or -1"),
        ({"n_jobs": True}, "n_jobs=True must be"),
        ({"backend": "spark"}, "backend='spark' is not known; choose one of None, 'dask'"),
        ({"settings": []}, "there is nothing to run"),
        ({"seeds": []}, "there is nothing to run"),
        ({"seeds": 3}, r"seeds=3 must be a list of them, such as range\(3\)"),
        ({"settings": Setting()}, r"settings=Setting\(.*must be a list of them, such as grid"),
        ({"seeds": [-1]}, "seed=-1 must be an integer of at least 0"),
        ({"settings": ["mel"]}, "settings holds 'mel', which is no Setting"),
        ({"test": {}}, "must hold at least one set"),
    ],
)
def test_bad_argument_is_named(small, how, message):
    with pytest.raises(ValueError, match=message):
        small(**how)


def test_no_clips_are_named(small, train):
    none = train._replace(waveforms=train.waveforms[:0], labels=train.labels[:0])
    with pytest.raises(ValueError, match="train has no clip"):
        small(train=none)
    with pytest.raises(ValueError, match="test set 'test' has no clip"):
        small(test=none)


# ------------------------------------------------------------------------- the settings


def test_grid_makes_every_combination_that_makes_sense():
    made = grid(n_fft=[256, 1024], hop_length=[256, 512], n_mels=[16, 64])
    assert [(s.n_fft, s.hop_length, s.n_mels) for s in made] == [
        (256, 256, 16), (1024, 256, 16), (1024, 256, 64), (1024, 512, 16), (1024, 512, 64),
    ]  # fmt: skip
    assert len(grid(n_fft=[256, 1024], hop_length=[256, 512], keep_useless=True)) == 4
    assert grid() == [Setting()]
    assert Setting().shape() == (64, 32)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"n_fft": 256},
            "hop_length=512 is longer than the window of 256 samples: no frame sees 256",
        ),
        ({"n_fft": 40000}, "n_fft=40000 needs more than 20000 samples, a clip has 16000"),
        (
            {"n_fft": 512, "n_mels": 128},
            r"n_mels=128 leaves 1 mel band empty \(\d+\): no frequency bin of n_fft=512",
        ),
        (
            {"n_fft": 512, "n_mels": 600, "frequency_axis": "linear"},
            r"n_mels=600 leaves \d+ linear bands empty \(",
        ),
    ],
)
def test_a_setting_that_makes_no_sense_says_why(values, sentence):
    setting = Setting(**values)
    assert Setting().problem() == ""
    with pytest.raises(ValueError, match=r"grid\(\) has no setting that makes sense: " + sentence):
        grid(**{name: [value] for name, value in values.items()})
    assert grid(**{k: [v] for k, v in values.items()}, keep_useless=True) == [setting]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_fft": 1}, "n_fft=1 must be"),
        ({"n_mels": 6.5}, "n_mels=6.5 must be"),
        ({"frequency_axis": "bark"}, "frequency_axis='bark' is not known"),
        ({"scale": "sone"}, "scale='sone' is not known"),
        ({"normalize": "never"}, "normalize='never' is not known"),
    ],
)
def test_a_value_out_of_range_is_named(values, message):
    with pytest.raises(ValueError, match=message):
        Setting(**values)


def test_a_value_that_is_no_list_is_named():
    with pytest.raises(ValueError, match=r"scale='db' must be a list of values, such as \['db'\]"):
        grid(scale="db")
    with pytest.raises(ValueError, match=r"n_fft=512 must be a list of values, such as \[512\]"):
        grid(n_fft=512)


# ------------------------------------------------------------------------ the linear axis


@pytest.mark.parametrize(("n_fft", "n_mels"), [(1024, 64), (512, 16), (400, 8), (2048, 128)])
def test_linear_bands_are_torchaudios(n_fft, n_mels):
    ours = linear_filterbank(MelParams(n_fft=n_fft, n_mels=n_mels))
    theirs = torchaudio.functional.linear_fbanks(
        n_freqs=n_fft // 2 + 1, f_min=0.0, f_max=8000.0, n_filter=n_mels, sample_rate=16000
    )
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_linear_pictures_have_the_size_of_mel_pictures_and_other_numbers(train):
    mel, linear = WordFeatures(), WordFeatures(frequency_axis="linear")
    assert mel(train.waveforms).shape == linear(train.waveforms).shape == (20, 64, 32)
    assert linear.settings() == mel.settings() | {"frequency_axis": "linear"}
    times = torch.arange(16000) / 16000
    for freq_hz in (500.0, 4000.0, 7000.0):
        tone = torch.sin(2 * math.pi * freq_hz * times)
        row = linear.mel_power(tone).mean(-1).argmax().item()
        assert row == round(freq_hz / (8000 / 65)) - 1, "the row is the frequency, divided"


# ---------------------------------------------------------------------------- the tables


def record(accuracy, *, seed=0, ms=1.0, n_mels=64, **more):
    return {
        "setting": dataclasses.asdict(Setting(n_mels=n_mels)), "seed": seed, "recipe": "r",
        "data": "d", "identity": f"{n_mels} {seed}", "problem": "", "accuracy": accuracy,
        "accuracies": {"test": accuracy, "people": accuracy / 2}, "train_seconds": 10.0 * ms,
        "inference_ms": ms, "n_cells": 32 * n_mels, "n_parameters": 65_000, **more,
    }  # fmt: skip


def test_seeds_become_mean_and_standard_deviation():
    runs = [record(0.8, seed=0, ms=1.0), record(0.9, seed=1, ms=9.0), record(0.7, seed=2, ms=2.0)]
    runs += [record(0.5, n_mels=8), {**record(0.0, seed=9), "error": "MemoryError"}]
    first, second = summarise(runs)
    assert first.setting == Setting()
    assert (first.n_seeds, second.n_seeds) == (3, 1)
    assert first.accuracy.mean == pytest.approx(0.8)
    assert first.accuracy.spread == pytest.approx(0.1)
    assert math.isnan(second.accuracy.spread)
    assert first.accuracies["people"].mean == pytest.approx(0.4)
    assert (first.inference_ms, first.train_seconds) == (1.0, 10.0), "the fastest"
    assert (second.n_cells, second.n_parameters) == (256, 65_000)


def test_pareto_keeps_what_no_other_beats():
    runs = [
        record(0.5, n_mels=8, ms=1.0),
        record(0.9, n_mels=64, ms=3.0),
        record(0.7, n_mels=16, ms=2.0),
        record(0.6, n_mels=24, ms=2.5),  # worse than 16 and dearer
        record(0.9, n_mels=128, ms=4.0),  # as good as 64 and dearer
        record(0.4, n_mels=32, ms=1.0),  # as dear as 8 and worse
    ]
    kept = pareto(summarise(runs), cost="inference_ms")
    assert [summary.setting.n_mels for summary in kept] == [8, 16, 64]
    by_size = pareto(summarise(runs), cost="n_cells")
    assert [summary.setting.n_mels for summary in by_size] == [8, 16, 64]
    with pytest.raises(ValueError, match="cost='money' is not known"):
        pareto([], cost="money")


def test_lines_that_are_no_results_are_passed_over(path):
    append_result(path, record(0.5))
    broken = [
        "[]", "7", '"text"', "{}", json.dumps({**record(0.5), "accuracy": "NaN"}),
        json.dumps({**record(0.5), "accuracy": math.nan}), json.dumps({**record(0.5), "seed": "a"}),
        json.dumps({**record(0.5), "setting": {"n_fft": -1}}), "[" * 5000, "\ufffd\x00",
    ]  # fmt: skip
    with path.open("a", encoding="utf-8") as file:
        file.write("\n".join(broken) + "\n\n")
    append_result(path, record(0.75, seed=1))
    found = read_results(path)
    assert [r["accuracy"] for r in found.records] == [0.5, 0.75]
    assert len(found.notes) == len(broken)
    assert found.notes[0].startswith("line 2 of results.jsonl is damaged")


def test_a_file_that_is_not_there_holds_nothing(path):
    assert read_results(path) == ([], [])
    assert not path.exists()


# ------------------------------------------------------------------------------ the tool


@pytest.fixture
def measure(monkeypatch, train, test, path):
    """The command, with little to do."""
    monkeypatch.setattr(tool, "clips", lambda limit=None: (train, {"other voices": test}))
    monkeypatch.setattr(tool, "PARTS", {"first": SETTINGS[:2], "second": SETTINGS[1:3]})

    def main(command, *arguments):
        return tool.main([command, *arguments, "--results", str(path)])

    return main


def test_the_command_measures_its_parts_and_shows_the_table(measure, path, capsys):
    arguments = ["--epochs", "1", "--jobs", "1"]
    assert measure("run", "first", *arguments, "--seeds", "1") == 0
    assert len(lines(path)) == 2
    assert measure("run", *arguments, "--seeds", "2") == 0
    assert len(lines(path)) == 6, "three settings, two seeds"
    told = capsys.readouterr().out
    assert "seed 1: other voices" in told
    assert "6 of 6 runs" in told
    assert measure("table") == 0
    shown = capsys.readouterr().out
    assert shown.count(f"{SETTINGS[2]}\n") >= 1
    assert "not beaten, by inference_ms" in shown


def test_clips_are_timed_again_and_nothing_else_changes(measure, path, capsys, monkeypatch):
    assert measure("run", "first", "--epochs", "1", "--jobs", "1", "--seeds", "2") == 0
    before = read_results(path).records
    times = iter([9.0, 1.0, 5.0] * 2)
    order = []

    def timed(setting, waveforms):
        order.append(setting)
        return next(times)

    monkeypatch.setattr(tool, "N_ROUNDS", 3)
    monkeypatch.setattr(tool, "time_setting", timed)
    assert measure("clock") == 0
    assert "timed 2 settings" in capsys.readouterr().out
    assert order == SETTINGS[:2] * 3, "in turns: a busy moment hits all alike"
    after = read_results(path).records
    assert [r["inference_ms"] for r in after] == [5.0, 5.0, 5.0, 5.0]
    assert [r | {"inference_ms": 0} for r in after] == [r | {"inference_ms": 0} for r in before]


def test_a_setting_is_timed_without_training(train):
    for setting in (Setting(n_mels=8), Setting(normalize="data set", frequency_axis="linear")):
        assert time_setting(setting, train.waveforms) > 0


def test_the_command_says_what_failed_and_what_it_does_not_know(measure, path, capsys, monkeypatch):
    monkeypatch.setitem(tool.PARTS, "long", [Setting(n_fft=40000, n_mels=8)])
    assert measure("run", "long", "--seeds", "1", "--jobs", "1") == 1
    assert "n_fft 40000, hop 512, 8 mel bands" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        measure("run", "moon")
    assert "part 'moon' is not known; choose from first, second" in capsys.readouterr().err
    path.write_text("a\nb\n")
    assert measure("table") == 2
    assert "holds no results of a sweep" in capsys.readouterr().err


def test_the_real_parts_make_sense():
    assert all(not setting.problem() for part in tool.PARTS.values() for setting in part)
    assert Setting() in tool.settings_of(["map", "axis", "scale"])
