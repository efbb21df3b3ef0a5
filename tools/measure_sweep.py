"""Measure what n_fft, hop_length, n_mels and their companions cost and give, for lesson 07.

    python tools/measure_sweep.py estimate             # a few short runs: how long will it take?
    python tools/measure_sweep.py run --jobs 2         # every part of the grid, five seeds
    python tools/measure_sweep.py run axis scale --seeds 3
    python tools/measure_sweep.py run --dask ADDRESS   # on a cluster; without ADDRESS one here
    python tools/measure_sweep.py clock                # time single clips again, on a quiet machine
    python tools/measure_sweep.py table                # what is there, and the best for its cost

A line for each run goes into docs/sweep.jsonl as soon as it is done, and what is there already
is not measured again: break off with Ctrl-C (the runs in flight still end) and go on whenever
you like.
"""

import argparse
import contextlib
import dataclasses
import itertools
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from course_utils.data.bundled_words import load_bundled_words
from course_utils.data.recordings import find_recordings
from course_utils.data.speech_commands import load_speech_commands
from course_utils.data.spoken_words import SpokenWords, split_by_speaker
from course_utils.models.sweep import (
    Setting,
    Summary,
    SweepError,
    SweepProgress,
    grid,
    pareto,
    read_results,
    run_one,
    run_sweep,
    summarise,
    time_setting,
)
from course_utils.models.sweep_results import replace_results
from course_utils.models.train import TrainingSettings

QUIETER_DB = -40.0
N_ROUNDS = 5  # in which every setting is timed
RESULTS = Path(__file__).resolve().parents[1] / "docs" / "sweep.jsonl"
PARTS = {
    # where a picture's rows and columns come from
    "map": grid(
        n_fft=[256, 512, 1024, 2048], hop_length=[128, 256, 512, 1024], n_mels=[8, 16, 32, 64]
    ),
    # mel against linear, at equal size
    "axis": grid(n_mels=[8, 16, 32, 64, 128], frequency_axis=["mel", "linear"]),
    # what stands between power and the network
    "scale": grid(scale=["db", "magnitude", "power"], normalize=["per clip", "data set", "none"]),
}


def settings_of(parts: list[str]) -> list[Setting]:
    """The settings of these parts, none twice."""
    return list(dict.fromkeys(setting for part in parts for setting in PARTS[part]))


def clips(limit: int | None = None) -> tuple[SpokenWords, dict[str, SpokenWords]]:
    """Synthetic voices to learn from; people to choose by, and other people to report on.

    The first test set is the one that choices are made on; the others are looked at afterwards.
    Without recordings of people it is the synthetic validation voices.
    """
    train = load_bundled_words("train")
    tests = {"validation voices": load_bundled_words("validation")}
    tests["test voices"] = load_bundled_words("test")
    folder = find_recordings().get("speech_commands")
    if folder is not None:
        people = load_speech_commands(folder)
        _, chosen_by, others = split_by_speaker(people, shares=(0.0, 0.5, 0.5))
        quieter = others.waveforms * 10.0 ** (QUIETER_DB / 20.0)
        tests = {
            "people to choose by": chosen_by,
            "other people": others,
            "other people, 40 dB quieter": dataclasses.replace(others, waveforms=quieter),
            **tests,
        }
    if limit is None:
        return train, tests
    return some(train, limit), {name: some(words, limit) for name, words in tests.items()}


def some(words: SpokenWords, n_clips: int) -> SpokenWords:
    """A few clips at random, always the same."""
    order = torch.randperm(len(words), generator=torch.Generator().manual_seed(0))
    return words[order[:n_clips]]


# ------------------------------------------------------------------------------- commands


def estimate(arguments: argparse.Namespace) -> None:
    """Measure the smallest, the middle and the largest picture for one and three epochs."""
    train, tests = clips()
    settings = sorted(settings_of(arguments.parts), key=Setting.n_cells)
    chosen = list(dict.fromkeys([settings[0], settings[len(settings) // 2], settings[-1]]))
    few = some(train, arguments.clips or 384)
    _short_run_s(chosen[0], few, tests, 1)  # the first one is slow
    spent_s = []
    for setting in chosen:
        first_s, third_s = (_short_run_s(setting, few, tests, n) for n in (1, 3))
        epoch_s = (third_s - first_s) / 2
        all_epochs_s = TrainingSettings().n_epochs * epoch_s * len(train) / len(few)
        spent_s.append(max(0.0, first_s - epoch_s) + all_epochs_s)
        print(f"{setting}: {setting.n_cells()} cells, about {spent_s[-1]:.0f} CPU s", flush=True)
    total_s = sum(_between(setting, chosen, spent_s) for setting in settings) * arguments.seeds
    print(
        f"{len(settings)} settings x {arguments.seeds} seeds = {len(settings) * arguments.seeds} "
        f"runs, about {total_s / 3600:.1f} CPU hours, {total_s / 60 / arguments.jobs:.0f} minutes "
        f"on {arguments.jobs} free cores"
    )


def _short_run_s(
    setting: Setting, train: SpokenWords, tests: dict[str, SpokenWords], n_epochs: int
) -> float:
    """Do one run, and count the seconds of the processor: the clock depends on what else runs."""
    began = time.process_time()
    run_one(setting, 0, train, tests, training=TrainingSettings(n_epochs=n_epochs))
    return time.process_time() - began


def _between(setting: Setting, chosen: list[Setting], spent_s: list[float]) -> float:
    """The time of a setting, on straight lines between those that were measured."""
    points = list(zip([c.n_cells() for c in chosen], spent_s, strict=True))
    cells = setting.n_cells()
    for (low, low_s), (high, high_s) in itertools.pairwise(points):
        if low <= cells <= high and low < high:
            return low_s + (high_s - low_s) * (cells - low) / (high - low)
    return spent_s[0]


def run(arguments: argparse.Namespace) -> int:
    """Measure what is not in the file yet."""
    train, tests = clips(arguments.clips)
    training = TrainingSettings()
    if arguments.epochs is not None:
        training = dataclasses.replace(training, n_epochs=arguments.epochs)
    with cluster(arguments) as backend:
        sweep = run_sweep(
            settings_of(arguments.parts),
            range(arguments.seeds),
            train,
            tests,
            results=arguments.results,
            training=training,
            n_jobs=arguments.jobs,
            backend=backend,
            report=Report(),
        )
    print()
    for sentence in (*sweep.notes, *sweep.errors):
        print(sentence)
    n_done = len(sweep.records)
    if sweep.stopped:
        print(f"stopped after {n_done} of {sweep.n_runs} runs; the same command goes on")
    return int(sweep.stopped or bool(sweep.errors))


@contextlib.contextmanager
def cluster(arguments: argparse.Namespace) -> Iterator[str | None]:
    """Connect to a cluster, or make one of local processes, if one is asked for."""
    if arguments.dask is None:
        yield None
        return
    from dask.distributed import Client, LocalCluster

    if arguments.dask:
        with Client(arguments.dask):
            yield "dask"
        return
    with (
        LocalCluster(
            n_workers=arguments.jobs, threads_per_worker=1, dashboard_address=None
        ) as local,
        Client(local),
    ):
        yield "dask"


class Report:
    """A line that counts, and one that stays for every run; in a file only the latter."""

    def __call__(self, progress: SweepProgress) -> None:
        if progress.record is not None:
            print(f"\r{describe(progress.record)}".ljust(100))
        left = progress.seconds_left
        time_left = "" if left is None else f", {left // 60:.0f} min {left % 60:.0f} s left"
        failed = f", {progress.n_failed} failed" if progress.n_failed else ""
        line = f"{progress.n_done} of {progress.n_runs} runs{failed}{time_left}"
        if sys.stdout.isatty() or progress.record is not None:
            print(f"\r{line}".ljust(80), end="" if sys.stdout.isatty() else "\n", flush=True)


def describe(record: dict[str, object]) -> str:
    """One line about one run."""
    what = f"{Setting(**record['setting'])} · seed {record['seed']}"
    if "error" in record:
        return f"{what}: {record['error']}"
    scores = ", ".join(f"{name} {100 * v:.1f} %" for name, v in record["accuracies"].items())
    return f"{what}: {scores} ({record['train_seconds']:.0f} CPU s)"


def clock(arguments: argparse.Namespace) -> None:
    """Replace the time of a single clip in every line, all settings measured in turns.

    It depends on nothing that was trained, but on what else the computer is doing.
    """
    records = read_results(arguments.results).records
    waveforms = load_bundled_words("validation").waveforms
    rounds: dict[Setting, list[float]] = {Setting(**r["setting"]): [] for r in records}
    for _ in range(N_ROUNDS):
        for setting, times_ms in rounds.items():
            times_ms.append(time_setting(setting, waveforms))
    again = [
        record | {"inference_ms": round(statistics.median(rounds[Setting(**record["setting"])]), 4)}
        for record in records
    ]
    replace_results(arguments.results, again)
    print(f"timed {len(rounds)} settings, one clip each")


def table(arguments: argparse.Namespace) -> None:
    """Show the mean of every setting, and which of them no other beats."""
    results = read_results(arguments.results)
    for note in results.notes:
        print(note)
    summaries = summarise(results.records)
    print("accuracy ± spread (seeds)  train s  ms/clip  cells   setting")
    for summary in summaries:
        print(_row(summary))
    for cost in ("inference_ms", "train_seconds", "n_cells"):
        print(f"\nnot beaten, by {cost}:")
        for summary in pareto(summaries, cost=cost):
            print(_row(summary))


def _row(summary: Summary) -> str:
    mean, spread = (100 * value for value in summary.accuracy)
    return (
        f"{mean:6.1f} ± {'   –' if summary.n_seeds == 1 else f'{spread:4.1f}'} % "
        f"({summary.n_seeds})"
        f"{summary.train_seconds:15.1f}{summary.inference_ms:9.2f}{summary.n_cells:7d}   "
        f"{summary.setting}"
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "estimate", "clock", "table"):
        command = commands.add_parser(name)
        command.add_argument("--results", type=Path, default=RESULTS, help="file of the results")
        if name in ("clock", "table"):
            continue
        command.add_argument(
            "parts", nargs="*", metavar="PART", help=f"of the grid: {', '.join(PARTS)}; none is all"
        )
        command.add_argument("--seeds", type=int, default=5, help="how many seeds (5)")
        command.add_argument("--clips", type=int, help="only so many clips of each set: a trial")
        command.add_argument(
            "--jobs", type=int, default=os.cpu_count() or 1, help="how many processes (all cores)"
        )
        if name == "run":
            command.add_argument("--epochs", type=int, help="instead of the recipe's")
            command.add_argument(
                "--dask", nargs="?", const="", metavar="ADDRESS", help="of a cluster's scheduler"
            )
    parsed = parser.parse_args(arguments)
    if parsed.command in ("run", "estimate"):
        unknown = [part for part in parsed.parts if part not in PARTS]
        if unknown:
            parser.error(f"part {unknown[0]!r} is not known; choose from {', '.join(PARTS)}")
        parsed.parts = parsed.parts or list(PARTS)
    return parsed


def main(arguments: list[str] | None = None) -> int:
    parsed = parse(arguments)
    torch.set_num_threads(1)
    command = {"run": run, "estimate": estimate, "clock": clock, "table": table}[parsed.command]
    try:
        return command(parsed) or 0
    except (SweepError, ValueError) as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":  # a cluster's workers import this file
    sys.exit(main())
