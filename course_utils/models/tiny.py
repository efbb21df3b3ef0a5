"""A network small enough to be trained many times in a lesson, and the loop that trains it."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def tiny_cnn(*, n_classes: int, batch_norm: bool, seed: int = 0) -> nn.Sequential:
    """Make a network of two convolutions for pictures ``(batch, 1, n_mels, time)``.

    Args:
        n_classes: How many numbers come out for each picture.
        batch_norm: Whether each convolution is followed by batch normalisation.
        seed: Seed of the first weights.

    Returns:
        A network: pictures in, one score for each class out, ``(batch, n_classes)``.

    Notebook: 05_normalize.ipynb.
    """
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for n_in, n_out, kernel_size, stride in ((1, 8, 5, (4, 2)), (8, 16, 3, (2, 2))):
        layers.append(nn.Conv2d(n_in, n_out, kernel_size, stride=stride, padding=kernel_size // 2))
        layers += [nn.BatchNorm2d(n_out)] if batch_norm else []
        layers.append(nn.ReLU())
    layers += [nn.AdaptiveAvgPool2d((4, 4)), nn.Flatten(), nn.Linear(16 * 4 * 4, n_classes)]
    return nn.Sequential(*layers)


class Run(NamedTuple):
    """What one training left behind."""

    losses: list[float]  # before each step, on that step's batch: losses[0] is the untrained one
    network: nn.Sequential

    @property
    def first_loss(self) -> float:
        """Loss of the untrained network."""
        return self.losses[0]

    @property
    def last_loss(self) -> float:
        """Mean of the last five losses; at most 99, also where the training ended in NaN."""
        mean = sum(self.losses[-5:]) / len(self.losses[-5:])
        return mean if mean < 99.0 else 99.0  # NaN is not smaller


def train(
    network: nn.Sequential,
    pictures: Tensor,
    labels: Tensor,
    *,
    n_steps: int = 20,
    batch_size: int = 32,
    learning_rate: float = 0.1,
    seed: int = 0,
    remeasure: bool = True,
) -> Run:
    """Train by plain stochastic gradient descent on the cross-entropy.

    The averages that batch norm uses afterwards trail behind the weights, and after a few
    long steps they are far behind. So they are measured once more, with the final weights.

    Args:
        network: What is trained, in place.
        pictures: Shape ``(n_clips, n_mels, time)``.
        labels: Class numbers, shape ``(n_clips,)``.
        n_steps: How many batches.
        batch_size: Pictures in a batch, drawn at random.
        learning_rate: Length of a step.
        seed: Seed of the drawing.
        remeasure: Whether batch norm's averages are measured once more at the end.

    Returns:
        The loss before each step, and the network.

    Notebook: 05_normalize.ipynb.
    """
    rng = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate)
    network.train()
    losses = []
    for _ in range(n_steps):
        batch = torch.randint(len(pictures), (batch_size,), generator=rng)
        loss = F.cross_entropy(network(pictures[batch, None]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    if remeasure:
        remeasure_batch_norm(network, pictures)
    network.eval()
    return Run(losses, network)


@torch.no_grad()
def remeasure_batch_norm(network: nn.Module, pictures: Tensor) -> None:
    """Measure the averages of all batch norms anew, on ``(n_clips, n_mels, time)``, in place.

    Source: «precise batch norm», for example Wu and Johnson, Rethinking "Batch" in BatchNorm.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over what follows
    network.train()
    if norms:
        network(pictures[:, None])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


@torch.no_grad()
def accuracy(network: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    """Share of the pictures ``(n_clips, n_mels, time)`` whose class the network names, 0 to 1."""
    network.eval()
    return (network(pictures[:, None]).argmax(1) == labels).double().mean().item()
