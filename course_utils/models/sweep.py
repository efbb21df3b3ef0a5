"""Try many settings with many seeds: in parallel, resumable, and with an error bar at the end.

    settings = grid(n_fft=[512, 1024], hop_length=[256, 512])
    sweep = run_sweep(settings, range(3), train, test, results="sweep.jsonl", n_jobs=2)
    table = summarise(sweep.records)

Every run trains one network with one setting and one seed, in one thread, and depends on nothing
else: in this process, in others or on a cluster it gives the same accuracy, bit for bit, as long
as the kind of processor and the versions are the same.
"""

import contextlib
import dataclasses
import hashlib
import importlib.util
import json
import math
import os
import platform
import queue
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.models.cnn import CHANNELS, WordCNN, count_parameters
from course_utils.models.evaluate import Words
from course_utils.models.sweep_results import (
    Record,
    Results,
    Setting,
    Summary,
    append_result,
    grid,
    pareto,
    read_results,
    summarise,
)
from course_utils.models.train import TrainingSettings, fit
from course_utils.models.word_model import WordModel
from course_utils.signal._checks import check_choice, check_positive_int

Backend = Literal["dask"] | None
Tests = Words | Mapping[str, Words]

_POLL_S = 0.1  # how often a sweep with other processes looks whether it shall stop
_TICK_S = 1.0  # how often it says how much time is left
_WATCH_S = 0.5  # how often a process looks whether its sweep is still there
_IDLE_S = 20  # after which processes without work end and give their memory back
_N_TIMED, _N_WARM_UP = 15, 3  # single clips that are read to measure how long one takes
_FIXED_CELLS = 1500  # what a run costs besides its cells, in cells: for the time left
_ONE_AT_A_TIME = threading.Lock()  # training borrows this process's random numbers


class SweepError(RuntimeError):
    """A sweep that cannot go on; one sentence says why. What was finished is in the file."""


class SweepProgress(NamedTuple):
    """Where a sweep is; given to ``report``."""

    n_done: int  # runs that have ended, with those from before
    n_runs: int
    n_before: int  # runs that were in the file already
    n_failed: int  # runs that ended with an error
    share_done: float  # of the whole work, 0 to 1; a large picture is more work
    seconds: float  # since this call began
    seconds_left: float | None  # if it goes on like this; None before the first run has ended
    record: Record | None  # of the run that has just ended
    notes: tuple[str, ...]  # sentences about damaged lines in the file


@dataclasses.dataclass
class Sweep:
    """What a sweep has measured."""

    records: list[Record]  # of this plan, in its order, with those from before
    n_runs: int
    stopped: bool  # before the last run
    seconds: float
    notes: tuple[str, ...]

    @property
    def errors(self) -> list[str]:
        """A sentence for each run that failed."""
        return [
            f"{Setting(**record['setting'])}, seed {record['seed']}: {record['error']}"
            for record in self.records
            if "error" in record
        ]


# -------------------------------------------------------------------------------- one run


def run_one(
    setting: Setting,
    seed: int,
    train: Words,
    test: Tests,
    *,
    training: TrainingSettings | None = None,
    channels: Sequence[int] = CHANNELS,
) -> Record:
    """Train one network with one setting and one seed, and measure what it gives and costs.

    Args:
        setting: How pictures are made.
        seed: Seed of the first weights and of everything random in the training.
        train: Clips to learn from. Its ``label_names``, if it has them, name the words.
        test: Clips to be judged by; or several sets by their names, the first counts.
        training: The numbers of the training; its own seed is not used.
        channels: Those of the network.

    Returns:
        A record that JSON can hold: ``accuracy`` and ``loss`` on the first test set,
        ``accuracies`` on all by name, ``train_seconds`` (of the processor, features included:
        the clock depends on what else runs), ``inference_ms`` (one clip from samples to scores,
        median of several), ``n_cells`` and ``picture`` (bands, frames), ``n_parameters``, and
        where, when and with which versions that was.

    Raises:
        ValueError: If clips and labels do not fit each other, or the setting the clips.

    Notebook: 07_tuning.ipynb.
    """
    tests = _named(test)
    recipe = _Recipe.of(train, tests, training, channels)
    return _measure(_Run(setting, _check_seed(seed), recipe), train, tests)


@dataclasses.dataclass(frozen=True)
class _Recipe:
    """What all runs of a sweep share, and a result depends on."""

    training: TrainingSettings
    channels: tuple[int, ...]
    label_names: tuple[str, ...]
    architecture: str
    data: str  # fingerprint of all clips

    @classmethod
    def of(
        cls,
        train: Words,
        tests: Mapping[str, Words],
        training: TrainingSettings | None,
        channels: Sequence[int],
    ) -> "_Recipe":
        training = dataclasses.replace(training or TrainingSettings(), seed=0)
        if len(train.labels) == 0:
            raise ValueError("train has no clip to learn from")
        n_classes = 1 + max(int(words.labels.max()) for words in (train, *tests.values()))
        names = getattr(train, "label_names", None) or map(str, range(max(2, n_classes)))
        label_names = tuple(names)
        if n_classes > len(label_names):
            raise ValueError(
                f"label {n_classes - 1} has no name among the {len(label_names)} words"
            )
        network = WordCNN(len(label_names), channels=channels)
        data = _fingerprint(train, tests)
        return cls(training, network.channels, label_names, str(network), data)

    def name(self) -> str:
        """Condense everything but the clips."""
        parts = (dataclasses.asdict(self.training), self.label_names, self.architecture)
        return _condensed(parts)


class _Clips(NamedTuple):
    """Clips without names."""

    waveforms: Tensor
    labels: Tensor


class _Run(NamedTuple):
    """One line of the table that is to be measured."""

    setting: Setting
    seed: int
    recipe: _Recipe

    def head(self) -> Record:
        """What tells this run from all others."""
        setting, recipe = dataclasses.asdict(self.setting), self.recipe.name()
        return {
            "setting": setting,
            "seed": self.seed,
            "recipe": recipe,
            "data": self.recipe.data,
            "identity": _condensed((setting, self.seed, recipe, self.recipe.data)),
            "problem": self.setting.problem(),
        }

    def work(self) -> int:
        """Estimate the work, in cells of a picture."""
        return self.setting.n_cells() + _FIXED_CELLS


def _measure(run: _Run, train: Words, tests: Mapping[str, Words]) -> Record:
    """Train and judge; see :func:`run_one`."""
    settings = dataclasses.replace(run.recipe.training, seed=run.seed)
    with _ONE_AT_A_TIME, _one_thread():
        _warm_up()
        began = time.perf_counter()
        model = _new_model(run)
        cpu = time.process_time()
        history = fit(model, train, None, settings=settings)
        if history.stopped:  # fit took the keyboard's interrupt for itself
            raise KeyboardInterrupt
        cpu = time.process_time() - cpu
        judged = {name: _judge(model, words) for name, words in tests.items()}
        inference_ms = _inference_ms(model, next(iter(tests.values())).waveforms)
    accuracy, loss = next(iter(judged.values()))
    picture = run.setting.shape(train.waveforms.shape[-1])
    return {
        **run.head(),
        "accuracy": accuracy,
        "loss": loss if math.isfinite(loss) else None,  # a training can run away
        "accuracies": {name: right for name, (right, _) in judged.items()},
        "train_seconds": round(cpu, 3),
        "inference_ms": round(inference_ms, 4),
        "n_cells": math.prod(picture),
        "picture": list(picture),
        "n_parameters": count_parameters(model.network),
        "n_train": len(train.labels),
        "n_tests": {name: len(words.labels) for name, words in tests.items()},
        "seconds": round(time.perf_counter() - began, 3),
        **_origin(),
    }


def _failed(run: _Run, problem: Exception) -> Record:
    """Make the record of a run that ended with an error."""
    text = " ".join(str(problem).split())
    sentence = f"{type(problem).__name__}: {text}" if text else type(problem).__name__
    return {**run.head(), "error": sentence, **_origin()}


def _new_model(run: _Run) -> WordModel:
    names = run.recipe.label_names
    network = WordCNN(len(names), run.setting.n_mels, run.recipe.channels, seed=run.seed)
    return WordModel(names, features=run.setting.features(), network=network)


def _judge(model: WordModel, words: Words) -> tuple[float, float]:
    """Share of right answers, and mean cross-entropy."""
    logits = model.logits(words.waveforms)
    right = (logits.argmax(dim=-1) == words.labels).double().mean().item()
    return right, F.cross_entropy(logits.double(), words.labels).item()


@cache
def _warm_up() -> None:
    """Train on two clips of noise: what a process does only once is no part of a run's time."""
    noise = torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
    model = WordModel(("a", "b"), network=WordCNN(2, channels=(2,)))
    fit(model, _Clips(noise, torch.tensor([0, 1])), None, settings=TrainingSettings(n_epochs=1))


def time_setting(
    setting: Setting, waveforms: Tensor, *, n_classes: int = 10, channels: Sequence[int] = CHANNELS
) -> float:
    """Measure again how long one clip takes, for the table of a sweep on a busy computer.

    The time does not depend on the weights, so nothing is trained.

    Args:
        setting: How pictures are made.
        waveforms: Clips, shape ``(n_clips, time)``.
        n_classes: How many words the network tells apart.
        channels: Those of the network.

    Returns:
        Milliseconds from samples to scores in one thread, the median of several clips.
    """
    names = [str(label) for label in range(n_classes)]
    network = WordCNN(n_classes, setting.n_mels, channels)
    with _ONE_AT_A_TIME, _one_thread():
        model = WordModel(names, features=setting.features(), network=network)
        if setting.normalize == "data set":
            model.features.measure(model.features.mel_power(waveforms))
        return _inference_ms(model, waveforms)


def _inference_ms(model: WordModel, waveforms: Tensor) -> float:
    """Measure how long one clip takes from samples to scores: the median of several."""
    spent_ms = []
    for number in range(_N_WARM_UP + _N_TIMED):
        clip = waveforms[number % len(waveforms)][None]  # (1, time)
        began = time.perf_counter()
        model.logits(clip)
        spent_ms.append(1000.0 * (time.perf_counter() - began))
    return statistics.median(spent_ms[_N_WARM_UP:])


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for the block: as fast for small pictures, and always the same numbers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def _origin() -> Record:
    """Say where, when and with what a run was measured."""
    versions = {"python": platform.python_version(), "torch": str(torch.__version__)}
    machine = f"{_processor()}, {os.cpu_count()} cores, {platform.system()}"
    return {"versions": versions, "machine": machine, "date": date.today().isoformat()}


def _processor() -> str:
    """Name the processor; Linux says it in a file only."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


# ------------------------------------------------------------------------------ many runs


def run_sweep(
    settings: Iterable[Setting],
    seeds: Iterable[int],
    train: Words,
    test: Tests,
    *,
    results: str | os.PathLike[str] | None = None,
    training: TrainingSettings | None = None,
    channels: Sequence[int] = CHANNELS,
    n_jobs: int = 1,
    backend: Backend = None,
    report: Callable[[SweepProgress], object] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Sweep:
    """Measure every setting with every seed, and write each result down as it comes.

    All settings are measured with the first seed, then all with the second, and so on: a sweep
    that was broken off shows the whole map with fewer seeds. Called again with the same file it
    goes on where it was; what is there already (same setting, seed, clips, training and
    network) is not measured again, and what failed is tried again.

    A run that raises an error is written down with its sentence, and the others go on. The
    keyboard's interrupt ends the sweep after the runs that are in flight; a second one at once.

    Args:
        settings: For instance from :func:`grid`.
        seeds: For instance ``range(3)``.
        train: Clips to learn from, the same for all.
        test: Clips to be judged by, or several sets by their names; see :func:`run_one`.
        results: A file for the results, a line of JSON each; ``None`` keeps them in memory.
        training: The numbers of the training; its own seed is not used.
        channels: Those of the network.
        n_jobs: How many processes of this computer work; 1 takes this process alone, -1 as
            many as there are cores. A cluster brings its own number.
        backend: ``None`` for processes of this computer; "dask" for the cluster whose
            ``dask.distributed.Client`` was made before. Its workers need this course installed,
            and should have one thread each.
        report: Called at the beginning, after each run, and (but with ``n_jobs=1``) every second.
        should_stop: Asked between runs, and with several processes ten times a second;
            ``True`` ends the sweep after the runs in flight.

    Returns:
        The records of this plan, in its order, with those from before.

    Raises:
        ValueError: If an argument is out of range, or the file holds something else.
        SweepError: If a process dies or the file cannot be written.

    Source: joblib's Parallel, with its backends loky and dask.  Notebook: 07_tuning.ipynb.
    """
    check_choice(backend, "backend", (None, "dask"))
    n_jobs = _check_n_jobs(n_jobs)
    tests = _named(test)
    recipe = _Recipe.of(train, tests, training, channels)
    plan = _plan(settings, seeds, recipe)
    ledger = _Ledger(plan, None if results is None else Path(results))
    if backend == "dask":
        workers = _Elsewhere(ledger.todo, train, tests, _dask_settings())
    elif n_jobs > 1:
        # clips lie in a file that all processes read: what is sent is so short that it is sent in
        # one piece, and a worker never waits for the rest of what a killed sweep was sending
        local = {"backend": "loky", "n_jobs": n_jobs, "max_nbytes": "1K"}
        local["idle_worker_timeout"] = _IDLE_S
        workers = _Elsewhere(ledger.todo, train, tests, local)
    else:
        workers = _Here(ledger.todo, train, tests)
    return _follow(ledger, workers, report or _ignore, should_stop or _never)


def _follow(
    ledger: "_Ledger",
    workers: "_Here | _Elsewhere",
    report: Callable[[SweepProgress], object],
    should_stop: Callable[[], bool],
) -> Sweep:
    """Write down what the workers bring, until there is no more."""
    told_at = time.perf_counter()
    working = bool(ledger.todo)
    try:
        report(ledger.progress(None, workers.n_workers))
        while working:
            try:
                if not workers.stopping and should_stop():
                    workers.stop()
                record = workers.next()
                working = record is not _END
                if working and record is not None:
                    ledger.add(record)
                if record is not None or time.perf_counter() - told_at >= _TICK_S:
                    told_at = time.perf_counter()
                    if working:
                        report(ledger.progress(record, workers.n_workers))
            except KeyboardInterrupt:
                if workers.stopping:
                    raise
                workers.stop()
    finally:
        workers.stop()
    ledger.write()
    return ledger.sweep()


def _plan(settings: Iterable[Setting], seeds: Iterable[int], recipe: _Recipe) -> list[_Run]:
    """List the runs, seed by seed, none twice."""
    for name, values, example in (("settings", settings, "grid()"), ("seeds", seeds, "range(3)")):
        if not isinstance(values, Iterable):
            raise ValueError(f"{name}={values!r} must be a list of them, such as {example}")
    settings, seeds = list(dict.fromkeys(settings)), list(dict.fromkeys(seeds))
    for setting in settings:
        if not isinstance(setting, Setting):
            raise ValueError(f"settings holds {setting!r}, which is no Setting; use grid(...)")
    if not settings or not seeds:
        raise ValueError("settings and seeds must each hold at least one: there is nothing to run")
    return [_Run(setting, _check_seed(seed), recipe) for seed in seeds for setting in settings]


class _Ledger:
    """Which runs are wanted, which have ended, and the file where that is written."""

    def __init__(self, plan: list[_Run], path: Path | None) -> None:
        self.began = time.perf_counter()
        self.path = path
        self.runs = {run.head()["identity"]: run for run in plan}
        known = Results([], []) if path is None else read_results(path)
        if path is not None:
            self._writing(lambda: path.open("ab").close())  # now, and not after the first run
        self.notes = tuple(known.notes)
        self.records = {
            record["identity"]: record
            for record in known.records
            if record["identity"] in self.runs and "error" not in record
        }
        self.n_before = len(self.records)
        self.todo = [run for name, run in self.runs.items() if name not in self.records]
        self.last_at = self.began
        self.unwritten: list[Record] = []

    def add(self, record: Record) -> None:
        """Write down the result of a run."""
        self.records[record["identity"]] = record
        self.last_at = time.perf_counter()
        self.unwritten.append(record)
        self.write()

    def write(self) -> None:
        """Write what is not in the file yet: the keyboard can interrupt anything."""
        while self.unwritten:
            if self.path is not None:
                self._writing(lambda: append_result(self.path, self.unwritten[0]))
            del self.unwritten[0]

    def _writing(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as problem:
            raise SweepError(
                f"{self.path} cannot be written ({problem.strerror or problem}); what was measured "
                "before is kept: make room or name another file, and run the sweep again"
            ) from problem

    def progress(self, record: Record | None, n_workers: int) -> SweepProgress:
        """Say where the sweep is."""
        now = time.perf_counter()
        done = [name for name in self.runs if name in self.records]
        all_work = sum(run.work() for run in self.runs.values())
        work_left = all_work - sum(self.runs[name].work() for name in done)
        timed = [name for name in done if "seconds" in self.records[name]]
        left = None
        if timed or not work_left:
            # the pace of each run by itself: it holds whatever is in flight just now
            spent = sum(self.records[name]["seconds"] for name in timed)
            pace = spent / max(1, sum(self.runs[name].work() for name in timed))
            n_workers = max(1, min(n_workers, len(self.runs) - len(done)))
            left = max(0.0, work_left * pace / n_workers - (now - self.last_at))
        return SweepProgress(
            n_done=len(done),
            n_runs=len(self.runs),
            n_before=self.n_before,
            n_failed=sum("error" in self.records[name] for name in done),
            share_done=1.0 - work_left / all_work,
            seconds=now - self.began,
            seconds_left=left,
            record=record,
            notes=self.notes,
        )

    def sweep(self) -> Sweep:
        """Give out everything that was measured."""
        records = [self.records[name] for name in self.runs if name in self.records]
        stopped = len(records) < len(self.runs)
        seconds = time.perf_counter() - self.began
        return Sweep(records, len(self.runs), stopped, seconds, self.notes)


# -------------------------------------------------------------------------- who does the work

_END = {"end": True}  # what ``next`` returns when no record will come any more


class _Here:
    """Runs in this process, one after the other."""

    n_workers = 1

    def __init__(self, runs: list[_Run], train: Words, tests: Mapping[str, Words]) -> None:
        self._runs, self._train, self._tests = iter(runs), train, tests
        self.stopping = False

    def stop(self) -> None:
        """Begin no further run."""
        self.stopping = True

    def next(self) -> Record:
        """Do the next run; the keyboard's interrupt ends it without a record."""
        run = None if self.stopping else next(self._runs, None)
        if run is None:
            return _END
        try:
            return _measure(run, self._train, self._tests)
        except Exception as problem:
            return _failed(run, problem)


class _Elsewhere:
    """Runs in other processes, handed out and collected by joblib in a thread of its own."""

    def __init__(
        self,
        runs: list[_Run],
        train: Words,
        tests: Mapping[str, Words],
        settings: dict[str, object],
    ) -> None:
        self.n_workers = settings.pop("n_workers", settings["n_jobs"])
        self._settings, self._runs = settings, runs
        # a cluster looks after its workers; processes of this computer have to do it themselves
        self._owner = os.getpid() if settings["backend"] == "loky" else None
        # one array per argument: joblib hands each over once, and not with every run
        self._arrays = [
            part.detach().contiguous().numpy()
            for words in (train, *tests.values())
            for part in (words.waveforms, words.labels)
        ]
        self._names = tuple(tests)
        self._stop, self._outcomes = threading.Event(), queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def stopping(self) -> bool:
        """Whether no further run begins."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Begin no further run."""
        self._stop.set()

    def next(self) -> Record | None:
        """Wait a moment for the next record; ``None`` if there is none yet."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="sweep", daemon=True)
            self._thread.start()
        try:
            outcome = self._outcomes.get(timeout=_POLL_S)
        except queue.Empty:
            return None
        if isinstance(outcome, BaseException):
            if self.stopping:
                return _END
            raise SweepError(
                f"the workers gave up ({type(outcome).__name__}); one of them was ended from "
                "outside, or the memory did not suffice: what was measured is kept, run the sweep "
                "again, with fewer jobs if it happens again"
            ) from outcome
        return outcome

    def _work(self) -> None:
        import joblib  # not needed where one process does it all

        try:
            with joblib.parallel_config(**self._settings):
                parallel = joblib.Parallel(
                    return_as="generator_unordered", pre_dispatch="n_jobs", batch_size=1
                )
                for record in parallel(self._calls(joblib.delayed(_work_here))):
                    self._outcomes.put(record)
            self._outcomes.put(_END)
        except BaseException as problem:  # also joblib's own: the sweep must not wait for ever
            self._outcomes.put(problem)

    def _calls(self, call: Callable[..., object]) -> Iterator[object]:
        for run in self._runs:
            if self._stop.is_set():
                return
            yield call(run, self._names, self._owner, *self._arrays)


def _work_here(run: _Run, names: tuple[str, ...], sender: int | None, *arrays: object) -> Record:
    """Do one run in a worker, whatever computer it is on."""
    if sender is not None:
        _belong_to(sender)
    try:
        # a fresh copy, aligned in memory as everywhere: the last bits depend on it
        tensors = [torch.tensor(array) for array in arrays]
        pairs = [_Clips(*pair) for pair in zip(tensors[::2], tensors[1::2], strict=True)]
        return _measure(run, pairs[0], dict(zip(names, pairs[1:], strict=True)))
    except Exception as problem:
        return _failed(run, problem)


@cache
def _belong_to(owner: int) -> None:
    """Let this process live as long as the sweep that started it, even if that is killed."""
    if threading.current_thread() is threading.main_thread():
        # the keyboard interrupts all processes of a terminal: a run in flight may end in peace
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.name != "posix":
        return  # there an idle process ends by itself
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent and _is_alive(owner):
            time.sleep(_WATCH_S)
        os._exit(1)  # what it was doing is of use to nobody: make room for the next sweep

    threading.Thread(target=watch, name="belongs to the sweep", daemon=True).start()


def _is_alive(process: int) -> bool:
    """Whether there is a process with this number."""
    try:
        os.kill(process, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _dask_settings() -> dict[str, object]:
    """Find the cluster that the caller is connected to."""
    if importlib.util.find_spec("distributed") is None:
        raise ValueError(
            "backend='dask' needs the package dask[distributed], which is not here: "
            "install it, or leave backend=None for the processes of this computer"
        )
    from dask.distributed import get_client

    try:
        client = get_client()
    except ValueError:
        raise ValueError(
            "backend='dask' found no cluster: first make one with "
            "client = dask.distributed.Client('address of the scheduler'), or with Client() here"
        ) from None
    n_workers = max(1, len(client.ncores()))
    return {"backend": "dask", "client": client, "n_jobs": -1, "n_workers": n_workers}


# ----------------------------------------------------------------------------- small parts


def _named(test: Tests) -> dict[str, Words]:
    """Give a single test set a name."""
    tests = dict(test) if isinstance(test, Mapping) else {"test": test}
    if not tests:
        raise ValueError("test={} must hold at least one set of clips")
    for name, words in tests.items():
        if len(words.labels) == 0:
            raise ValueError(f"test set {name!r} has no clip to be judged by")
    return tests


def _fingerprint(train: Words, tests: Mapping[str, Words]) -> str:
    """Condense all clips: other clips are another sweep."""
    digest = hashlib.sha256()
    for name, words in {"train": train, **{f"test {k}": w for k, w in tests.items()}}.items():
        waveforms, labels = words.waveforms.contiguous(), words.labels.contiguous()
        digest.update(repr((name, tuple(waveforms.shape), str(waveforms.dtype))).encode())
        digest.update(waveforms.numpy())
        digest.update(labels.numpy())
    return digest.hexdigest()[:16]


def _condensed(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _check_seed(seed: int) -> int:
    return check_positive_int(seed, "seed", minimum=0)


def _check_n_jobs(n_jobs: int) -> int:
    """Return how many processes are meant."""
    if n_jobs == -1:
        return os.cpu_count() or 1
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs < 1:
        raise ValueError(f"n_jobs={n_jobs!r} must be a positive integer, or -1 for all cores")
    return n_jobs


def _ignore(progress: SweepProgress) -> None:
    pass


def _never() -> bool:
    return False


__all__ = [
    "Setting",
    "Summary",
    "Sweep",
    "SweepError",
    "SweepProgress",
    "grid",
    "pareto",
    "read_results",
    "run_one",
    "run_sweep",
    "summarise",
    "time_setting",
]
