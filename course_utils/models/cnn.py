"""The network of lesson 06: a picture of a word goes in, one score for each word comes out."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.signal._checks import check_float_tensor, check_positive_int

CHANNELS = (16, 32, 64, 64)
HEAD_SIZE = (4, 2)  # mel bands x frames that are left when the last stage has looked


def conv_stage(n_in: int, n_out: int) -> nn.Sequential:
    """Make one stage: look at 3 x 3 neighbours, keep what is positive, halve the picture.

    ``(batch, n_in, n_mels, time)`` becomes ``(batch, n_out, n_mels / 2, time / 2)``, rounded up.
    """
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, kernel_size=3, padding=1, bias=False),  # batch norm has its own
        nn.BatchNorm2d(n_out),
        nn.ReLU(),
        nn.MaxPool2d(2, ceil_mode=True),  # rounded up: no picture is too small
    )


class WordCNN(nn.Module):
    """Read a word from its log-mel spectrogram, with about 65 000 parameters.

    Four stages of convolution, batch norm, ReLU and pooling; what is left, 64 channels of
    4 x 2, goes into one linear layer. ``network.stages`` are the stages, in order, and
    ``network.head`` is the rest, so that their insides can be looked at.

    Args:
        n_classes: How many words.
        n_mels: How many mel bands a picture has.
        channels: How many patterns each stage looks for; as many stages as numbers.
        dropout: Share of the head's inputs that is silenced at random while training.
        seed: Seed of the first weights; the global random numbers are left alone.

    Raises:
        ValueError: If a number is not a positive integer, or ``dropout`` is not in [0, 1).

    Notebook: 06_cnn.ipynb.
    """

    def __init__(
        self,
        n_classes: int = 10,
        n_mels: int = 64,
        channels: Sequence[int] = CHANNELS,
        *,
        dropout: float = 0.2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_classes = check_positive_int(n_classes, "n_classes", minimum=2)
        self.n_mels = check_positive_int(n_mels, "n_mels")
        self.channels = tuple(check_positive_int(n, "channels") for n in channels)
        if not self.channels:
            raise ValueError("channels=() must name at least one stage")
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"dropout={dropout} must be at least 0 and below 1")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            pairs = zip((1, *self.channels), self.channels, strict=False)
            self.stages = nn.ModuleList(conv_stage(n_in, n_out) for n_in, n_out in pairs)
            self.head = nn.Sequential(
                nn.AdaptiveAvgPool2d(HEAD_SIZE),
                nn.Flatten(),
                nn.Dropout(dropout),
                nn.Linear(self.channels[-1] * HEAD_SIZE[0] * HEAD_SIZE[1], self.n_classes),
            )

    def forward(self, pictures: Tensor) -> Tensor:
        """Score each word.

        Args:
            pictures: Log-mel spectrograms, shape ``(batch, 1, n_mels, time)``.

        Returns:
            Logits, shape ``(batch, n_classes)``; their softmax are probabilities.

        Raises:
            ValueError: If the shape is another one.
        """
        check_float_tensor(pictures, "pictures")
        if pictures.ndim != 4 or pictures.shape[1:3] != (1, self.n_mels):
            raise ValueError(
                f"pictures must have shape (batch, 1, n_mels={self.n_mels}, time), "
                f"got {tuple(pictures.shape)}"
            )
        for stage in self.stages:
            pictures = stage(pictures)
        return self.head(pictures)  # (batch, n_classes)

    @torch.no_grad()
    def probabilities(self, pictures: Tensor) -> Tensor:
        """Say how likely each word is, ``(batch, n_classes)``; each row adds up to 1."""
        return F.softmax(self(pictures), dim=-1)


def count_parameters(network: nn.Module) -> int:
    """Count the numbers that training moves."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
