"""The small network of lesson 05, and the loop that trains it."""

import math

import pytest
import torch
from torch import nn

from course_utils.models.tiny import Run, accuracy, remeasure_batch_norm, tiny_cnn, train


@pytest.fixture
def task():
    """Pictures that are bright above or below: easy, and never solved by guessing."""
    labels = torch.arange(60) % 2
    pictures = 0.3 * torch.randn(60, 64, 32)
    pictures[labels == 1, :32] += 1.0
    pictures[labels == 0, 32:] += 1.0
    return pictures, labels


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("shape", [(64, 32), (40, 101), (16, 16)])
def test_pictures_of_any_size_become_one_score_for_each_class(batch_norm, shape):
    network = tiny_cnn(n_classes=5, batch_norm=batch_norm)
    assert network(torch.randn(3, 1, *shape)).shape == (3, 5)
    assert any(isinstance(m, nn.BatchNorm2d) for m in network) == batch_norm


def test_a_seed_makes_the_same_network():
    pairs = [tiny_cnn(n_classes=2, batch_norm=True, seed=s) for s in (4, 4, 5)]
    first, again, other = [next(n.parameters()) for n in pairs]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_training_begins_at_guessing_and_learns(task, batch_norm):
    run = train(tiny_cnn(n_classes=2, batch_norm=batch_norm), *task, n_steps=30)
    assert len(run.losses) == 30
    assert run.losses[0] == pytest.approx(math.log(2), abs=0.25)
    assert run.losses[-1] < 0.5 * run.losses[0]
    assert accuracy(run.network, *task) > 0.9
    assert not run.network.training


def test_the_same_seed_gives_the_same_losses(task):
    def losses(seed):
        return train(tiny_cnn(n_classes=2, batch_norm=True), *task, n_steps=5, seed=seed).losses

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_accuracy_is_the_share_of_right_answers():
    network = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    with torch.no_grad():
        network[2].weight.copy_(torch.tensor([[0.0], [1.0]]))
        network[2].bias.copy_(torch.tensor([0.0, -0.5]))
    pictures = torch.tensor([0.0, 1.0, 1.0, 0.0])[:, None, None].expand(4, 8, 8)
    assert accuracy(network, pictures, torch.tensor([0, 1, 0, 0])) == 0.75


def test_remeasured_averages_are_those_of_the_pictures(task):
    pictures, _ = task
    network = tiny_cnn(n_classes=2, batch_norm=True)
    remeasure_batch_norm(network, pictures - 34.0)
    with torch.no_grad():
        inside = network[0](pictures[:, None] - 34.0)
    torch.testing.assert_close(
        network[1].running_mean, inside.mean((0, 2, 3)), rtol=1e-4, atol=1e-4
    )
    assert network[1].momentum == 0.1


def test_without_remeasuring_raw_decibels_lose_most(task):
    """Running averages trail behind the weights: far from 0 that costs much of the score."""
    pictures, labels = task
    far = 20 * pictures - 34

    def score(remeasure):
        network = tiny_cnn(n_classes=2, batch_norm=True)
        run = train(network, far, labels, learning_rate=0.3, remeasure=remeasure)
        return accuracy(run.network, far, labels)

    assert score(True) >= score(False)
    assert score(True) > 0.9


@pytest.mark.parametrize(
    ("losses", "last"),
    [([9.0, 1, 2, 3, 4, 5], 3.0), ([2.0, math.nan], 99.0), ([2.0, 1e9], 99.0), ([math.inf], 99.0)],
)
def test_the_last_loss_is_a_number_also_where_a_training_ran_away(losses, last):
    run = Run(losses, nn.Sequential())
    assert run.last_loss == last
    assert run.first_loss == losses[0]
