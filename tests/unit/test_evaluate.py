"""Scores: right answers, confusions, and a mean with its spread."""

import math
from types import SimpleNamespace

import pytest
import torch

from course_utils.models.evaluate import (
    MeanAndSpread,
    accuracy,
    confusion_matrix,
    mean_and_spread,
    predictions,
)
from course_utils.models.word_model import WordModel


@pytest.fixture
def model():
    return WordModel(["a", "b", "c"], seed=1)


@pytest.fixture
def words():
    waveforms = 0.1 * torch.randn(8, 16000, generator=torch.Generator().manual_seed(1))
    return SimpleNamespace(waveforms=waveforms, labels=torch.arange(8) % 3)


def test_predictions_are_probabilities(model, words):
    shares = predictions(model, words)
    assert shares.shape == (8, 3)
    torch.testing.assert_close(shares.sum(1), torch.ones(8))
    torch.testing.assert_close(shares, model.logits(words.waveforms).softmax(1))


def test_accuracy_is_the_share_of_right_answers(model, words):
    named = model.logits(words.waveforms).argmax(1)
    words.labels = named.clone()
    assert accuracy(model, words) == 1.0
    words.labels[:2] = (named[:2] + 1) % 3
    assert accuracy(model, words) == 0.75


def test_no_clip_is_named(model):
    nothing = SimpleNamespace(waveforms=torch.zeros(0, 16000), labels=torch.zeros(0).long())
    with pytest.raises(ValueError, match="no clip"):
        accuracy(model, nothing)


def test_rows_are_said_and_columns_are_heard():
    said, heard = torch.tensor([0, 0, 1, 2, 2, 2]), torch.tensor([0, 1, 1, 2, 2, 0])
    cells = confusion_matrix(said, heard, 4)
    assert cells.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]
    assert cells.trace() == (said == heard).sum()
    assert confusion_matrix(said[:0], heard[:0], 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("said", "heard", "says"),
    [
        ([0, 1], [0], "same shape|both have shape"),
        ([0, 3], [0, 1], "labels must be numbers from 0 to 2"),
        ([0, 1], [0, -1], "predicted must be numbers from 0 to 2"),
    ],
)
def test_what_is_no_class_is_named(said, heard, says):
    with pytest.raises(ValueError, match=says):
        confusion_matrix(torch.tensor(said), torch.tensor(heard), 3)


def test_spread_is_the_standard_deviation_of_a_sample():
    result = mean_and_spread([80.0, 82.0, 84.0])
    assert result == MeanAndSpread(82.0, 2.0)
    assert str(result) == "82.0 ± 2.0"


def test_one_measurement_has_no_spread():
    assert mean_and_spread([5])[0] == 5.0
    assert math.isnan(mean_and_spread([5])[1])
    assert str(mean_and_spread([5])) == "5.0 (one measurement)"
    with pytest.raises(ValueError, match="nothing"):
        mean_and_spread([])
