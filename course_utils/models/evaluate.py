"""How good a model is: right answers, who is taken for whom, and how far to believe a number."""

import math
import statistics
from collections.abc import Iterable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from course_utils.models.word_model import WordModel
from course_utils.signal._checks import check_positive_int


class Words(Protocol):
    """Clips with the number of their word, such as ``course_utils.data`` gives."""

    @property
    def waveforms(self) -> Tensor:
        """Samples, shape ``(n_clips, time)``."""

    @property
    def labels(self) -> Tensor:
        """Class numbers, shape ``(n_clips,)``."""


class MeanAndSpread(NamedTuple):
    """Several measurements of one thing, in two numbers."""

    mean: float
    spread: float  # standard deviation; nan where there is only one measurement

    def __str__(self) -> str:
        if math.isnan(self.spread):
            return f"{self.mean:.1f} (one measurement)"
        return f"{self.mean:.1f} ± {self.spread:.1f}"


def predictions(model: WordModel, words: Words) -> Tensor:
    """Say how likely each word is for each clip.

    Args:
        model: What hears.
        words: What is heard.

    Returns:
        Probabilities, shape ``(n_clips, n_classes)``; each row adds up to 1.

    Notebook: 06_cnn.ipynb.
    """
    return model.logits(words.waveforms).softmax(dim=-1)


def accuracy(model: WordModel, words: Words) -> float:
    """Share of the clips whose word the model names, 0 to 1.

    Raises:
        ValueError: If there is no clip.

    Notebook: 06_cnn.ipynb.
    """
    if len(words.labels) == 0:
        raise ValueError("words: there is no clip to score")
    named = predictions(model, words).argmax(dim=-1)
    return (named == words.labels).double().mean().item()


def confusion_matrix(labels: Tensor, predicted: Tensor, n_classes: int) -> Tensor:
    """Count which word was taken for which.

    Args:
        labels: What was said, class numbers, shape ``(n_clips,)``.
        predicted: What the model heard, shape ``(n_clips,)``.
        n_classes: How many words there are.

    Returns:
        Counts, int64, shape ``(n_classes, n_classes)``: rows are said, columns are heard.

    Raises:
        ValueError: If the shapes differ, or a number is not a class.

    Notebook: 06_cnn.ipynb.
    """
    n_classes = check_positive_int(n_classes, "n_classes")
    if labels.ndim != 1 or labels.shape != predicted.shape:
        raise ValueError(
            f"labels and predicted must both have shape (n_clips,), "
            f"got {tuple(labels.shape)} and {tuple(predicted.shape)}"
        )
    for name, numbers in (("labels", labels), ("predicted", predicted)):
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < n_classes):
            raise ValueError(f"{name} must be numbers from 0 to {n_classes - 1}")
    cells = torch.bincount(labels * n_classes + predicted, minlength=n_classes**2)
    return cells.reshape(n_classes, n_classes)


def mean_and_spread(values: Iterable[float]) -> MeanAndSpread:
    r"""Condense measurements into mean and standard deviation, :math:`n - 1` below the root.

    Raises:
        ValueError: If there is no value.
    """
    values = [float(value) for value in values]
    if not values:
        raise ValueError("values: there is nothing to take a mean of")
    spread = statistics.stdev(values) if len(values) > 1 else float("nan")
    return MeanAndSpread(statistics.fmean(values), spread)
