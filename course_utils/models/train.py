"""Teach a word model: a loop that can be watched, stopped, resumed and repeated exactly."""

import dataclasses
import hashlib
import json
import math
import os
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.augment import Augmentation
from course_utils.models.evaluate import Words
from course_utils.models.word_model import WordModel
from course_utils.signal._checks import check_number, check_positive, check_positive_int

_CHUNK = 256  # clips whose features are computed at once
_REPORTS_PER_EPOCH = 5
_WARM_UP = 0.25  # share of the training in which the steps grow


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Every number that a training depends on; the same numbers give the same weights.

    Attributes:
        n_epochs: How often each clip is seen.
        batch_size: Clips in a step.
        learning_rate: Longest step; steps begin and end much shorter.
        weight_decay: How strongly weights are drawn towards 0.
        label_smoothing: Share of certainty that the right answer gives away to the others.
        average: Share of the old in the running mean of the weights, which is what remains
            after training; 0 keeps the last weights.
        augmentation: How pictures are changed; ``Augmentation.none()`` leaves them alone.
        seed: Seed of everything random in the training (the first weights are the network's).

    Raises:
        ValueError: If a value is out of range; the message names it.
    """

    n_epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    average: float = 0.99
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    seed: int = 0

    def __post_init__(self) -> None:
        check_positive_int(self.n_epochs, "n_epochs")
        check_positive_int(self.batch_size, "batch_size", minimum=2)  # batch norm compares clips
        check_positive_int(self.seed, "seed", minimum=0)
        check_positive(self.learning_rate, "learning_rate")
        if check_number(self.weight_decay, "weight_decay") < 0:
            raise ValueError(f"weight_decay={self.weight_decay} must be at least 0")
        for name in ("label_smoothing", "average"):
            if not 0.0 <= check_number(getattr(self, name), name) < 1.0:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 0 and below 1")
        if not isinstance(self.augmentation, Augmentation):
            raise ValueError(
                f"augmentation={self.augmentation!r} must be an Augmentation; "
                "Augmentation.none() changes nothing"
            )


@dataclasses.dataclass
class History:
    """What each epoch of a training measured; all lists are equally long.

    The training figures are means over the epoch, of augmented clips and changing weights; the
    validation figures are of the weights that remain, on clips as they are.
    """

    train_loss: list[float] = dataclasses.field(default_factory=list)
    train_accuracy: list[float] = dataclasses.field(default_factory=list)
    validation_loss: list[float] = dataclasses.field(default_factory=list)
    validation_accuracy: list[float] = dataclasses.field(default_factory=list)
    stopped: bool = False  # before its last epoch
    seconds: float = 0.0  # spent training, also before a break

    @property
    def n_epochs(self) -> int:
        """How many epochs are complete."""
        return len(self.train_loss)


class Progress(NamedTuple):
    """Where a training is; given to ``report``."""

    epoch: int  # the running one, from 1
    n_epochs: int
    share_done: float  # of the whole training, 0 to 1
    seconds: float  # spent so far
    seconds_left: float  # if it goes on like this
    train_loss: float  # of this epoch so far
    train_accuracy: float
    validation_loss: float | None  # None between the ends of epochs
    validation_accuracy: float | None
    history: History  # the complete epochs


class CheckpointError(ValueError):
    """A checkpoint that cannot be resumed from; one sentence says why."""


def fit(
    model: WordModel,
    train: Words,
    validation: Words | None,
    *,
    settings: TrainingSettings | None = None,
    report: Callable[[Progress], object] | None = None,
    should_stop: Callable[[], bool] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> History:
    """Train the model's network, in place.

    The features of all clips are computed once; each epoch augments them anew. AdamW, a
    learning rate that rises and falls once, and a running mean of the weights.

    Same model, clips and settings give the same weights, bit for bit, on the same machine. The
    global random numbers are neither used nor changed. It runs on one thread, which is twice as
    fast as two for pictures of this size, and rounds alike wherever it is called.

    Args:
        model: What is trained. Its labels are the clips' class numbers.
        train: Clips to learn from: ``waveforms`` (n_clips, time) and ``labels`` (n_clips,).
        validation: Clips to be judged by after each epoch, never learned from; ``None``
            judges nothing, and the history's validation figures are NaN.
        settings: The numbers of the training; ``None`` takes the course's.
        report: Called some times in each epoch, and at its end.
        should_stop: Asked before every step; ``True`` ends the training.
        checkpoint: A file that is written after each epoch. If it is there already, the
            training goes on where it was, and ends with the weights it would have had without
            the break.

    Returns:
        The history. Stopped, also by the keyboard's interrupt, it holds the complete epochs, and
        the model is usable as it is.

    Raises:
        ValueError: If clips and labels do not fit each other or the model.
        CheckpointError: If the checkpoint is damaged, or of another training.

    Source: AdamW, Loshchilov and Hutter (2019); one cycle, Smith and Topin (2018).
    Notebook: 06_cnn.ipynb.
    """
    settings = TrainingSettings() if settings is None else settings
    with _one_thread():
        training = _Training(model, train, validation, settings)
        file = None if checkpoint is None else Path(checkpoint)
        return _run(training, report, should_stop or _never, file)


def _run(
    training: "_Training",
    report: Callable[[Progress], object] | None,
    should_stop: Callable[[], bool],
    checkpoint: Path | None,
) -> History:
    """Go through the epochs that are left, and leave a usable model however that ends."""
    if checkpoint is not None and checkpoint.exists():
        training.load(checkpoint)
    history = training.history
    try:
        for epoch in range(history.n_epochs, training.settings.n_epochs):
            if not training.run_epoch(epoch, report, should_stop):
                history.stopped = True
                break
            if checkpoint is not None:
                training.save(checkpoint)
    except KeyboardInterrupt:
        history.stopped = True
    finally:
        training.finish()
    return history


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute on one thread, and give back afterwards what was set."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def learning_rate_at(step: int, *, n_steps: int, highest: float) -> float:
    """Say how long a step is: rising for a quarter of the training, then falling.

    Args:
        step: Number of the step, from 0.
        n_steps: How many there are.
        highest: The longest.

    Returns:
        The learning rate, from a hundredth of ``highest`` and back to it; both ways follow half
        a period of a cosine.

    Source: one cycle, Smith and Topin (2018).
    """
    top = _WARM_UP * n_steps
    turn = step / top if step < top else 1.0 - (step - top) / (n_steps - top)
    return highest * (0.5 - 0.5 * math.cos(math.pi * turn)) * 0.99 + highest * 0.01


class _Training:
    """The state of one training: what :func:`fit` moves forward, saves and loads."""

    def __init__(
        self, model: WordModel, train: Words, validation: Words | None, settings: TrainingSettings
    ) -> None:
        for name, words in (("train", train), ("validation", validation)):
            if words is not None:
                _check_words(model, words, name)
        if len(train.labels) < 2:
            raise ValueError(f"train has {len(train.labels)} clips, batch norm needs two or more")
        self.model, self.settings, self.history = model, settings, History()
        self.labels = train.labels
        self.mel_power = _mel_power(model, train.waveforms)  # (n_clips, n_mels, n_frames)
        if model.features.normalize == "data set":
            model.features.measure(self.mel_power)
        self.validation = None
        if validation is not None:
            pictures = model.features.picture(_mel_power(model, validation.waveforms))
            self.validation = (pictures, validation.labels)
        # channels last: the order in which convolutions on a CPU are quickest
        self.network = model.network.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=1.0, weight_decay=settings.weight_decay
        )
        self.mean_weights = _copy(self.network)
        self.began = time.perf_counter()
        self.seconds_before = 0.0

    # ----------------------------------------------------------------------------- one epoch

    def run_epoch(
        self,
        epoch: int,
        report: Callable[[Progress], object] | None,
        should_stop: Callable[[], bool],
    ) -> bool:
        """Show each clip once; return whether the epoch was completed."""
        order = torch.randperm(len(self.labels), generator=self._random(epoch, 0))
        batches = _batches(order, self.settings.batch_size)
        every = math.ceil(len(batches) / _REPORTS_PER_EPOCH)
        tally = _Tally()
        for number, batch in enumerate(batches):
            if should_stop():
                return False
            self._step(batch, epoch * len(batches) + number, len(batches), tally)
            last = number + 1 == len(batches)
            if report and not last and (number + 1) % every == 0:
                report(self._progress(epoch, (number + 1) / len(batches), tally))
        self._end_epoch(tally)
        if report:
            report(self._progress(epoch, 1.0, tally))
        return True

    def _step(self, batch: Tensor, step: int, steps_per_epoch: int, tally: "_Tally") -> None:
        """Learn from one batch of clip numbers."""
        settings, network = self.settings, self.network
        generator = self._random(step, 1)
        with torch.no_grad():
            mel_power = settings.augmentation(self.mel_power[batch], generator=generator)
            pictures = self.model.features.picture(mel_power)[:, None]  # (batch, 1, mels, frames)
        network.train()
        with torch.random.fork_rng(devices=[]):  # dropout knows the global numbers only
            torch.manual_seed(generator.initial_seed())
            logits = network(pictures.contiguous(memory_format=torch.channels_last))
        labels = self.labels[batch]
        loss = F.cross_entropy(logits, labels, label_smoothing=settings.label_smoothing)
        n_steps = settings.n_epochs * steps_per_epoch
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(step, n_steps=n_steps, highest=settings.learning_rate)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self._follow(step)
        tally.add(loss.item(), (logits.argmax(1) == labels).sum().item(), len(batch))

    @torch.no_grad()
    def _follow(self, step: int) -> None:
        """Move the running mean of the weights; early on it is a plain mean of few steps."""
        share = min(self.settings.average, step / (step + 10.0))
        for name, value in self.network.state_dict().items():
            mean = self.mean_weights[name]
            if value.is_floating_point():
                mean.lerp_(value, 1.0 - share)
            else:
                mean.copy_(value)  # batch norm's count of batches

    @torch.no_grad()
    def _end_epoch(self, tally: "_Tally") -> None:
        """Judge the mean weights, and write the history."""
        loss = accuracy = math.nan
        if self.validation is not None:
            pictures, labels = self.validation
            moving = _copy(self.network)
            self.network.load_state_dict(self.mean_weights)
            logits = self.model.read(pictures)
            self.network.load_state_dict(moving)
            loss = F.cross_entropy(logits, labels).item()
            accuracy = (logits.argmax(1) == labels).double().mean().item()
        self.history.train_loss.append(tally.loss)
        self.history.train_accuracy.append(tally.accuracy)
        self.history.validation_loss.append(loss)
        self.history.validation_accuracy.append(accuracy)
        self.history.seconds = self._seconds()

    def _progress(self, epoch: int, share_of_epoch: float, tally: "_Tally") -> Progress:
        history, n_epochs = self.history, self.settings.n_epochs
        ended = share_of_epoch == 1.0
        share = (epoch + share_of_epoch) / n_epochs
        seconds = self._seconds()
        return Progress(
            epoch=epoch + 1,
            n_epochs=n_epochs,
            share_done=share,
            seconds=seconds,
            seconds_left=seconds * (1.0 - share) / share,
            train_loss=tally.loss,
            train_accuracy=tally.accuracy,
            validation_loss=history.validation_loss[-1] if ended else None,
            validation_accuracy=history.validation_accuracy[-1] if ended else None,
            history=history,
        )

    def finish(self) -> None:
        """Leave the mean weights in the network, ready to predict and to be saved."""
        self.network.load_state_dict(self.mean_weights)
        self.network.to(memory_format=torch.contiguous_format)  # as a loaded one: same rounding
        self.network.eval()
        self.history.seconds = self._seconds()

    def _seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.began

    def _random(self, number: int, purpose: int) -> torch.Generator:
        """Make the random numbers of one step or epoch: they depend on nothing before it."""
        text = f"{self.settings.seed} {number} {purpose}".encode()
        seed = int.from_bytes(hashlib.sha256(text).digest()[:7], "big")
        return torch.Generator().manual_seed(seed)

    # ------------------------------------------------------------------------- the checkpoint

    def _identity(self) -> str:
        """Condense what makes this training this one: settings, labels, features and network."""
        digest = hashlib.sha256(json.dumps(dataclasses.asdict(self.settings)).encode())
        features = self.model.features
        digest.update(repr((features.params, features.settings())).encode())
        digest.update(repr((self.model.label_names, self.model.network)).encode())
        digest.update(self.labels.numpy().tobytes())
        digest.update(self.mel_power.numpy().tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write everything that the next epoch depends on; complete or not at all."""
        part = path.with_name(path.name + ".part")
        content = {
            "identity": self._identity(),
            "network": self.network.state_dict(),
            "mean_weights": self.mean_weights,
            "optimizer": self.optimizer.state_dict(),
            "history": dataclasses.asdict(self.history),
        }
        torch.save(content, part)
        os.replace(part, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same training."""
        again = f"delete {path.name} to begin anew"
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            if content["identity"] != self._identity():
                raise CheckpointError(
                    f"{path.name} belongs to a training with other settings or clips; {again}"
                )
            self.network.load_state_dict(content["network"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.mean_weights = {
                name: value.clone() for name, value in content["mean_weights"].items()
            }
            self.history.__dict__.update(content["history"], stopped=False)
        except CheckpointError:
            raise
        except (
            pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, ValueError,
            AttributeError, OSError,
        ) as problem:  # fmt: skip
            raise CheckpointError(f"{path.name} is damaged; {again}") from problem
        self.seconds_before = self.history.seconds


class _Tally:
    """Losses and right answers of an epoch so far."""

    def __init__(self) -> None:
        self.n_clips, self.loss_sum, self.n_right = 0, 0.0, 0

    def add(self, loss: float, n_right: int, n_clips: int) -> None:
        self.n_clips += n_clips
        self.loss_sum += loss * n_clips
        self.n_right += n_right

    @property
    def loss(self) -> float:
        return self.loss_sum / self.n_clips

    @property
    def accuracy(self) -> float:
        return self.n_right / self.n_clips


def _never() -> bool:
    return False


def _batches(order: Tensor, batch_size: int) -> list[Tensor]:
    """Cut clip numbers into batches; a last single clip, which batch norm cannot use, joins."""
    batches = list(order.split(batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


@torch.no_grad()
def _mel_power(model: WordModel, waveforms: Tensor) -> Tensor:
    """Compute the mel power of all clips, ``(n_clips, n_mels, n_frames)``."""
    return torch.cat([model.features.mel_power(chunk) for chunk in waveforms.split(_CHUNK)])


def _check_words(model: WordModel, words: Words, name: str) -> None:
    """Raise if clips and labels do not fit each other, or the model."""
    waveforms, labels = words.waveforms, words.labels
    if waveforms.ndim != 2 or labels.shape != waveforms.shape[:1]:
        raise ValueError(
            f"{name} must have waveforms (n_clips, time) and labels (n_clips,), "
            f"got {tuple(waveforms.shape)} and {tuple(labels.shape)}"
        )
    n_classes = len(model.label_names)
    if len(labels) == 0 or not (labels.min() >= 0 and labels.max() < n_classes):
        raise ValueError(
            f"{name} must have at least one clip, and labels from 0 to {n_classes - 1}, "
            "as many as the model has words"
        )
