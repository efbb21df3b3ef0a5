"""Measure every row of docs/results.md again.

    python tools/measure_words.py exam               # one row; several may be named
    python tools/measure_words.py all --seeds 3      # everything, about an hour of one core
    python tools/measure_words.py fsdd --speakers theo lucas
    python tools/measure_words.py page               # measure nothing, only write the page
    python tools/measure_words.py model              # train the model that comes with the course

Each training writes one line into docs/results.jsonl as soon as it is done, and what is there
already is not measured again: break off and go on whenever you like. A line counts only for the
recipe that made it (settings, features, network and clips), so a changed recipe is measured anew.
Rows that need recordings of people are left out where there are none, and say so.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import platform
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from course_utils.data.bundled_words import load_bundled_words
from course_utils.data.fsdd import load_fsdd
from course_utils.data.recordings import find_recordings
from course_utils.data.speech_commands import load_speech_commands
from course_utils.data.spoken_words import (
    SpokenWords,
    speaker_folds,
    split_at_random,
    split_by_speaker,
)
from course_utils.models.augment import Augmentation
from course_utils.models.cnn import WordCNN, count_parameters
from course_utils.models.evaluate import mean_and_spread
from course_utils.models.features import WordFeatures
from course_utils.models.train import TrainingSettings, fit
from course_utils.models.word_model import WordModel

DOCS = Path(__file__).resolve().parents[1] / "docs"
RESULTS, PAGE = DOCS / "results.jsonl", DOCS / "results.md"
MODEL = DOCS.parent / "audio_samples" / "words" / "word_model.pt"
START, END = "<!-- measured: start -->", "<!-- measured: end -->"
N_FOLDS = 5
QUIETER_DB = -40.0
BUDGET_STEPS = 1200  # of one training on recordings: as many as on the bundled set


class MissingDataError(RuntimeError):
    """Recordings that a row needs and that are not here."""


# ------------------------------------------------------------------------------ variants


@dataclasses.dataclass(frozen=True)
class Variant:
    """The recipe, or the recipe with one thing changed."""

    name: str
    features: dict[str, object] = dataclasses.field(default_factory=dict)
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)

    def new_model(self, label_names: tuple[str, ...], seed: int) -> WordModel:
        """Make an untrained model."""
        return WordModel(label_names, features=WordFeatures(**self.features), seed=seed)

    def settings(self, seed: int, n_epochs: int | None = None) -> TrainingSettings:
        """Make the settings of its training."""
        settings = TrainingSettings(seed=seed, augmentation=self.augmentation)
        return settings if n_epochs is None else dataclasses.replace(settings, n_epochs=n_epochs)


def without(**off: object) -> Augmentation:
    """The recipe's augmentation with some parts switched off."""
    return dataclasses.replace(Augmentation(), **off)


RECIPE = Variant("the recipe")
NO_AUGMENTATION = Variant("no augmentation at all", augmentation=Augmentation.none())
ABLATIONS = (
    NO_AUGMENTATION,
    Variant("power instead of decibels", {"scale": "power"}),
    Variant("magnitude instead of decibels", {"scale": "magnitude"}),
    Variant("no normalisation", {"normalize": "none"}),
    Variant("normalised by the data set", {"normalize": "data set"}),
    Variant("not centred by energy", {"centre": False}),
    Variant("without time shift", augmentation=without(shift_s=0.0)),
    Variant("without stretch and mel warp", augmentation=without(stretch=0.0, mel_warp=0.0)),
    Variant("without equaliser", augmentation=without(equalise_db=0.0)),
    Variant("without noise", augmentation=without(noise_share=0.0)),
    Variant("without room", augmentation=without(room_share=0.0)),
    Variant("without masks", augmentation=without(mask_time=0.0, mask_mels=0.0)),
)


# ------------------------------------------------------------------------------ the data


@cache
def bundled(split: str | None = None) -> SpokenWords:
    """The synthetic voices of the course."""
    return load_bundled_words(split)


@cache
def people() -> SpokenWords:
    """Real people saying the ten words: the exam."""
    return load_speech_commands(_recordings("speech_commands"))


@cache
def digits() -> SpokenWords:
    """Real people saying digits."""
    return load_fsdd(_recordings("fsdd"))


def _recordings(name: str) -> Path:
    folder = find_recordings().get(name)
    if folder is None:
        raise MissingDataError(
            f"recordings «{name}» are not here; put them into ./data/{name} "
            "or set SEEING_SOUND_DATA to the folder that holds them"
        )
    return folder


def engine_of(speaker: str) -> str:
    """The engine of a bundled voice: «flite/slt» is a voice of flite."""
    return speaker.partition("/")[0]


def of_engines(words: SpokenWords, keep: Callable[[str], bool]) -> SpokenWords:
    """The clips whose engine is kept."""
    return words[torch.tensor([keep(engine_of(name)) for name in words.speakers])]


def louder(words: SpokenWords, gain_db: float) -> SpokenWords:
    """The same clips at another level."""
    return dataclasses.replace(words, waveforms=words.waveforms * 10.0 ** (gain_db / 20.0))


# --------------------------------------------------------------------------- one training


class Job(NamedTuple):
    """One training and the sets that it is judged by."""

    row: str
    variant: Variant
    part: str  # which fold, speaker or engine is left out
    seed: int
    train: Callable[[], SpokenWords]
    tests: Callable[[], dict[str, SpokenWords]]
    n_epochs: int | None = None  # None: the recipe's

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells this job from all others."""
        return (self.row, self.variant.name, self.part, self.seed)


def run(job: Job) -> dict[str, object]:
    """Train, judge, and return what is written down."""
    train = job.train()
    model = job.variant.new_model(train.label_names, job.seed)
    wall, cpu = time.perf_counter(), time.process_time()
    fit(model, train, None, settings=job.variant.settings(job.seed, job.n_epochs))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    right = {name: _n_right(model, words) for name, words in job.tests().items()}
    return {
        "row": job.row,
        "variant": job.variant.name,
        "part": job.part,
        "seed": job.seed,
        "right": right,  # {test set: [right answers, clips]}
        "n_train": len(train),
        "cpu_seconds": round(cpu, 1),
        "wall_seconds": round(wall, 1),
        "recipe": recipe_of(job),
        "date": date.today().isoformat(),
        "torch": torch.__version__,
    }


def _n_right(model: WordModel, words: SpokenWords) -> list[int]:
    named = model.logits(words.waveforms).argmax(dim=-1)
    return [int((named == words.labels).sum()), len(words)]


def recipe_of(job: Job) -> str:
    """Condense what a result depends on: a line of another recipe does not count."""
    settings = job.variant.settings(0, job.n_epochs)
    parts = (settings, *_architecture(tuple(job.variant.features.items())), checksum(job.row))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


@cache
def _architecture(features: tuple[tuple[str, object], ...]) -> tuple[object, ...]:
    """What decides how a picture is made and read, but for the weights."""
    model = WordModel(("a", "b"), features=WordFeatures(**dict(features)))
    return model.features.params, model.features.settings(), str(model.network)


@cache
def checksum(row: str) -> int:
    """Condense the clips that a row works with."""
    total = 0
    of_row = {"fsdd": [digits], "leak:fsdd": [digits], "folds": [people]}
    both = [bundled, people] if row in ("exam", "ablations") else [bundled]
    for words in of_row.get(row, both):
        total = zlib.crc32(words().waveforms.numpy().tobytes(), total)
    return total


# ------------------------------------------------------------------------------ the rows


def exam(seeds: Iterable[int], _: argparse.Namespace) -> Iterator[Job]:
    """Trained on the bundled training voices, tested on other voices, other engines and people."""
    for seed in seeds:
        yield _on_bundled("exam", RECIPE, seed)


def ablations(seeds: Iterable[int], _: argparse.Namespace) -> Iterator[Job]:
    """As in the exam, with one thing changed in features or augmentation."""
    for seed in seeds:
        for variant in ABLATIONS:
            yield _on_bundled("ablations", variant, seed)


def _on_bundled(row: str, variant: Variant, seed: int) -> Job:
    def tests() -> dict[str, SpokenWords]:
        sets = {"validation voices": bundled("validation"), "test voices": bundled("test")}
        for name in sorted({engine_of(speaker) for speaker in bundled("test").speaker_names}):
            sets[f"test voices of {name}"] = of_engines(bundled("test"), lambda e, n=name: e == n)
        sets["real people"] = people()
        sets["real people, 40 dB quieter"] = louder(people(), QUIETER_DB)
        return sets

    return Job(row, variant, "", seed, lambda: bundled("train"), tests)


def engines(seeds: Iterable[int], _: argparse.Namespace) -> Iterator[Job]:
    """Trained on all bundled voices but those of one engine, tested on that engine."""
    for seed in seeds:
        for name in sorted({engine_of(speaker) for speaker in bundled().speaker_names}):
            yield Job(
                "engines", RECIPE, name, seed,
                lambda n=name: of_engines(bundled(), lambda e: e != n),
                lambda n=name: {"left out": of_engines(bundled(), lambda e: e == n)},
            )  # fmt: skip


def folds(seeds: Iterable[int], _: argparse.Namespace) -> Iterator[Job]:
    """Every clip is tested once, by a network that never heard its speaker."""
    for seed in seeds:
        pairs = speaker_folds(people(), n_folds=N_FOLDS, seed=seed)
        for number in range(N_FOLDS):
            yield Job(
                "folds", RECIPE, str(number), seed,
                lambda p=pairs, n=number: p[n][0], lambda p=pairs, n=number: {"left out": p[n][1]},
                n_epochs_for(len(people()) * (N_FOLDS - 1) // N_FOLDS),
            )  # fmt: skip


def fsdd(seeds: Iterable[int], arguments: argparse.Namespace) -> Iterator[Job]:
    """FSDD, six men: trained on five, tested on the sixth, with augmentation and without."""
    for seed in seeds:
        for variant in (RECIPE, NO_AUGMENTATION):
            for name in arguments.speakers or digits().speaker_names:
                others = [other for other in digits().speaker_names if other != name]
                yield Job(
                    "fsdd", variant, name, seed,
                    lambda o=others: digits().of_speakers(o),
                    lambda n=name: {"left out": digits().of_speakers([n])},
                    n_epochs_for(len(digits()) * 5 // 6),
                )  # fmt: skip


def leak(seeds: Iterable[int], _: argparse.Namespace) -> Iterator[Job]:
    """Same clips, network and budget, no augmentation; only whose clips are in the test differs."""
    ways = {"random split": split_at_random, "split by speaker": split_by_speaker}
    for name, words in (("fsdd: digits of people", digits), ("bundled: synthetic", bundled)):
        for seed in seeds:
            for way, split in ways.items():
                yield Job(
                    f"leak:{name.partition(':')[0]}", NO_AUGMENTATION, way, seed,
                    lambda w=words, s=split, k=seed: s(w(), shares=(0.8, 0.0, 0.2), seed=k)[0],
                    lambda w=words, s=split, k=seed: {
                        "left out": s(w(), shares=(0.8, 0.0, 0.2), seed=k)[2]
                    },
                    n_epochs_for(len(words()) * 4 // 5),
                )  # fmt: skip


ROWS = {
    "exam": exam, "engines": engines, "folds": folds, "fsdd": fsdd, "leak": leak,
    "ablations": ablations,
}  # fmt: skip


def n_epochs_for(n_clips: int) -> int:
    """How many epochs make a training of about ``BUDGET_STEPS`` steps."""
    return max(1, round(BUDGET_STEPS * TrainingSettings().batch_size / n_clips))


# ----------------------------------------------------------------- lines that are kept


def read_results(path: Path) -> list[dict[str, object]]:
    """Read what was measured before; a line that was cut off by a crash is passed over."""
    if not path.exists():
        return []
    results = []
    for line in path.read_text("utf-8").splitlines():
        try:
            results.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"{path.name}: passed over a broken line")
    return results


def append_result(path: Path, result: dict[str, object]) -> None:
    """Add one line in one piece, so that a crash cannot mix two."""
    line = (json.dumps(result, ensure_ascii=False) + "\n").encode()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, line)
        os.fsync(file)
    finally:
        os.close(file)


def measure(jobs: Iterable[Job], path: Path) -> list[dict[str, object]]:
    """Run the jobs that are not in the file yet; return the results of all."""
    known = {
        (r["row"], r["variant"], r["part"], r["seed"], r["recipe"]): r for r in read_results(path)
    }
    results = []
    for job in jobs:
        result = known.get((*job.key, recipe_of(job)))
        if result is None:
            result = run(job)
            append_result(path, result)
            print(f"  {describe(result)}", flush=True)
        results.append(result)
    return results


def describe(result: dict[str, object]) -> str:
    """One line about one training, for the terminal."""
    scores = ", ".join(
        f"{name} {100 * right / n:.1f}" for name, (right, n) in result["right"].items()
    )
    what = " · ".join(str(result[k]) for k in ("row", "variant", "part") if result[k])
    return f"{what} · seed {result['seed']}: {scores} ({result['cpu_seconds']} CPU s)"


def per_seed(results: list[dict[str, object]], test: str) -> list[float]:
    """The score of each seed in percent: right answers over clips, all parts together."""
    counts: dict[int, list[int]] = {}
    for result in results:
        if test in result["right"]:
            right, n = result["right"][test]
            total = counts.setdefault(result["seed"], [0, 0])
            total[0] += right
            total[1] += n
    return [100.0 * right / n for right, n in counts.values()]


# ----------------------------------------------------------------------------- the page


def score(results: list[dict[str, object]], test: str) -> str:
    """A cell of a table: mean ± standard deviation over the seeds."""
    values = per_seed(results, test)
    return str(mean_and_spread(values)) if values else "–"


def table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    """Lines of a markdown table."""
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def in_order(results: list[dict[str, object]], key: str) -> list[str]:
    """The different values of one key, as they first come."""
    return list(dict.fromkeys(str(result[key]) for result in results))


def where(results: list[dict[str, object]], **wanted: object) -> list[dict[str, object]]:
    """The results that have these values."""
    return [r for r in results if all(r[key] == value for key, value in wanted.items())]


def exam_table(results: list[dict[str, object]]) -> list[str]:
    """One row for each set that the recipe was judged by."""
    tests = list(dict.fromkeys(name for r in results for name in r["right"]))
    rows = [[t, score(results, t), str(max(r["right"][t][1] for r in results))] for t in tests]
    return table(["tested on", "% right", "clips"], rows)


def parts_table(results: list[dict[str, object]], head: str) -> list[str]:
    """One row for each part that was left out, one column for each variant."""
    variants, parts = in_order(results, "variant"), in_order(results, "part")
    rows = [
        [part, *(score(where(results, part=part, variant=v), "left out") for v in variants)]
        for part in parts
    ]
    every = [f"**{score(where(results, variant=v), 'left out')}**" for v in variants]
    return table([head, *variants], [*rows, ["**all together**", *every]])


def folds_table(results: list[dict[str, object]]) -> list[str]:
    """One row for each seed, which also draws who comes into which fold."""
    rows = []
    for seed in sorted({result["seed"] for result in results}):
        own = where(results, seed=seed)
        single = [per_seed([result], "left out")[0] for result in own]
        bounds = [f"{min(single):.1f}", f"{max(single):.1f}"]
        rows.append([str(seed), f"{per_seed(own, 'left out')[0]:.1f}", str(len(own)), *bounds])
    every = ["**all**", f"**{score(results, 'left out')}**", "", "", ""]
    return table(["seed", "% right", "folds", "worst fold", "best fold"], [*rows, every])


def leak_table(results: list[dict[str, object]]) -> list[str]:
    """One row for each set, the two ways to split it beside each other."""
    ways = in_order(results, "part")
    rows = [
        [row.partition(":")[2], *(score(where(results, row=row, part=w), "left out") for w in ways)]
        for row in in_order(results, "row")
    ]
    return table(["set", *ways], rows)


def ablation_table(results: list[dict[str, object]]) -> list[str]:
    """One row for each variant, the recipe first."""
    tests = ["validation voices", "test voices", "real people", "real people, 40 dB quieter"]
    rows = [
        [
            name,
            str(len(where(results, variant=name))),
            *(score(where(results, variant=name), test) for test in tests),
        ]
        for name in in_order(results, "variant")
    ]
    return table(["variant", "seeds", *tests], rows)


TABLES = {
    "exam": exam_table,
    "engines": lambda results: parts_table(results, "engine that was left out"),
    "folds": folds_table,
    "fsdd": lambda results: parts_table(results, "speaker who was left out"),
    "leak": leak_table,
    "ablations": ablation_table,
}
TITLES = {
    "exam": "The exam: from synthetic voices to real people",
    "engines": "Leave one engine out",
    "folds": "Trained on real people, five folds by speaker",
    "fsdd": "Digits, leave one speaker out",
    "leak": "The leak: who is in the test",
    "ablations": "One thing changed",
}
AIMS = {
    "exam": "The aim was at least 82 % of real people; a prototype had reached 79.6 ± 0.4.",
    "folds": "The aim was at least 90 %.",
    "fsdd": "The aim was at least 88 % with augmentation; a prototype had reached 86.1 ± 1.6.",
}


def section(row: str, results: list[dict[str, object]]) -> list[str]:
    """Heading, table, and how to measure it again."""
    days = sorted({str(result["date"]) for result in results})
    seconds = mean_and_spread([float(result["cpu_seconds"]) for result in results])
    seeds = ", ".join(map(str, sorted({result["seed"] for result in results})))
    when = " to ".join(dict.fromkeys((days[0], days[-1])))
    return [
        f"## {TITLES[row]}",
        "",
        f"{ROWS[row].__doc__.strip()} {AIMS.get(row, '')}".strip(),
        "",
        *TABLES[row](results),
        "",
        f"Seeds {seeds}; {len(results)} trainings of {seconds.mean:.0f} CPU seconds; {when}. "
        f"Again: `python tools/measure_words.py {row}`",
        "",
    ]


def head() -> list[str]:
    """What all rows have in common."""
    n_parameters = count_parameters(WordCNN())
    return [
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"{os.cpu_count()} cores, no GPU, one thread. Network of {n_parameters:,} parameters; "
        "all numbers are percent of clips named rightly, mean ± standard deviation over the seeds "
        "(of one seed: all left-out parts together). The settings are the defaults of "
        "`TrainingSettings`, `Augmentation`, `WordFeatures` and `WordCNN`.",
        "",
    ]


def write_page(page: Path, measured: dict[str, list[dict[str, object]]]) -> None:
    """Put the tables between the markers; what a person wrote around them stays."""
    before, _, rest = page.read_text("utf-8").partition(START)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{page} lacks the markers {START} and {END}")
    lines = head() + [line for row, results in measured.items() for line in section(row, results)]
    part = page.with_name(page.name + ".part")
    part.write_text(f"{before}{START}\n\n" + "\n".join(lines) + f"\n{END}{after}", "utf-8")
    os.replace(part, page)


def known_results(path: Path, arguments: argparse.Namespace) -> dict[str, list[dict]]:
    """All results of the present recipe that are in the file, row by row."""
    lines = {(r["row"], r["variant"], r["part"], r["seed"], r["recipe"]): r
             for r in read_results(path)}  # fmt: skip
    seeds = range(1 + max((int(r["seed"]) for r in lines.values()), default=-1))
    measured = {}
    for row, jobs in ROWS.items():
        try:
            found = [lines.get((*job.key, recipe_of(job))) for job in jobs(seeds, arguments)]
        except MissingDataError:
            continue
        found = [result for result in found if result]
        if row == "ablations" and found:
            found = measured.get("exam", []) + found
        if found:
            measured[row] = found
    return measured


def make_model(path: Path) -> None:
    """Train the model that comes with the course: the recipe, the bundled voices, seed 0."""
    train = bundled("train")
    model = RECIPE.new_model(train.label_names, 0)
    fit(model, train, None, settings=RECIPE.settings(0))
    print(f"{model.save(path)}: {path.stat().st_size:,} bytes")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="+", choices=[*ROWS, "all", "page", "model"])
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds (default: 3)")
    parser.add_argument("--speakers", nargs="*", help="only these speakers of fsdd")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of measured lines")
    parser.add_argument("--page", type=Path, default=PAGE, help="page with the tables")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure the rows that are asked for, and write the page."""
    asked = parse(arguments)
    torch.set_num_threads(1)  # two cores are slower than one for pictures of this size
    if "model" in asked.rows:
        make_model(MODEL)
    for row in ROWS if "all" in asked.rows else [row for row in ROWS if row in asked.rows]:
        try:
            results = measure(ROWS[row](range(asked.seeds), asked), asked.results)
        except MissingDataError as problem:
            print(f"{row}: left out, {problem}")
            continue
        print(f"{TITLES[row]}\n" + "\n".join(TABLES[row](results)))
    write_page(asked.page, known_results(asked.results, asked))
    return 0


if __name__ == "__main__":
    sys.exit(main())
