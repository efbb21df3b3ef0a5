"""The network of lesson 06: its shapes, its size, and what it leaves alone."""

import pytest
import torch
from torch import nn

from course_utils.models.cnn import WordCNN, count_parameters


@pytest.mark.parametrize("shape", [(64, 32), (40, 101), (8, 16), (1, 1), (63, 33)])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_pictures_of_any_size_become_one_score_for_each_word(shape, n_classes):
    network = WordCNN(n_classes, shape[0])
    assert network(torch.randn(3, 1, *shape)).shape == (3, n_classes)


def test_each_stage_halves_the_picture():
    network, pictures = WordCNN(), torch.randn(2, 1, 64, 32)
    shapes = []
    for stage in network.stages:
        pictures = stage(pictures)
        shapes.append(tuple(pictures.shape))
    assert shapes == [(2, 16, 32, 16), (2, 32, 16, 8), (2, 64, 8, 4), (2, 64, 4, 2)]
    assert network.head(pictures).shape == (2, 10)


def test_the_network_is_its_stages_and_its_head():
    network, pictures = WordCNN().eval(), torch.randn(2, 1, 64, 32)
    by_hand = pictures
    for stage in network.stages:
        by_hand = stage(by_hand)
    assert torch.equal(network(pictures), network.head(by_hand))
    kinds = [type(part) for part in network.stages[0]]
    assert kinds[:2] == [nn.Conv2d, nn.BatchNorm2d]


def test_it_is_small():
    assert 50_000 < count_parameters(WordCNN()) < 100_000
    assert count_parameters(nn.Linear(3, 2)) == 8


def test_a_seed_makes_the_same_network_and_touches_no_global_number():
    before = torch.random.get_rng_state()
    first, again, other = (WordCNN(seed=s).state_dict() for s in (4, 4, 5))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["stages.0.0.weight"], other["stages.0.0.weight"])


def test_a_clip_does_not_depend_on_the_others_once_training_is_over():
    network = WordCNN().eval()
    quiet, loud = torch.randn(1, 1, 64, 32), 1e4 * torch.randn(1, 1, 64, 32)
    together = network(torch.cat([loud, quiet, loud]))
    torch.testing.assert_close(together[1:2], network(quiet))


def test_every_parameter_learns():
    network = WordCNN()
    network(torch.randn(4, 1, 64, 32)).logsumexp(1).sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_probabilities_add_up_to_one():
    shares = WordCNN(5).eval().probabilities(torch.randn(3, 1, 64, 32))
    torch.testing.assert_close(shares.sum(1), torch.ones(3))


@pytest.mark.parametrize("shape", [(64, 32), (2, 64, 32), (2, 1, 40, 32), (2, 3, 64, 32)])
def test_another_shape_is_named(shape):
    with pytest.raises(ValueError, match=r"pictures must have shape \(batch, 1, n_mels=64, time\)"):
        WordCNN()(torch.randn(shape))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"n_classes": 1}, "n_classes=1"),
        ({"n_mels": 0}, "n_mels=0"),
        ({"channels": ()}, "channels"),
        ({"channels": (16, 0)}, "channels=0"),
        ({"dropout": 1.0}, r"dropout=1\.0"),
    ],
)
def test_a_wrong_setting_is_named(settings, says):
    with pytest.raises(ValueError, match=says):
        WordCNN(**settings)
