"""Comparisons that the unit tests share."""

from collections.abc import Callable

import torch
from torch import Tensor


def assert_near(ours: object, theirs: object, *, relative: float) -> None:
    """Compare shapes, and the largest difference with the largest value."""
    ours, theirs = torch.as_tensor(ours), torch.as_tensor(theirs)
    assert ours.shape == theirs.shape, f"{tuple(ours.shape)} against {tuple(theirs.shape)}"
    assert torch.isfinite(theirs.abs()).all()
    largest = theirs.abs().max().item()
    wide = torch.complex128 if ours.is_complex() else torch.float64
    difference = (ours.to(wide) - theirs.to(wide)).abs().max().item()
    assert difference <= relative * largest, f"differ by {difference:.3g} of {largest:.3g}"


def assert_leading_dims(function: Callable[[Tensor], Tensor], item: Tensor) -> Tensor:
    """Item, batch and batch+channel have the same trailing shape and the same numbers."""
    alone = function(item)
    batch = torch.stack([item, 0.5 * item, item.flip(-1)])
    assert function(batch).shape == (3, *alone.shape)
    assert function(batch[:, None]).shape == (3, 1, *alone.shape)
    assert_near(function(batch)[0], alone, relative=1e-12)
    assert_near(function(batch[:, None])[0, 0], alone, relative=1e-12)
    return alone


def assert_batch_independent(
    function: Callable[[Tensor], Tensor], item: Tensor, *, relative: float = 1e-12
) -> None:
    """An item is the same alone and beside one that is 1e8 times louder."""
    quiet, loud = item, 1e8 * item.flip(-1)
    batch = function(torch.stack([loud, quiet, loud]))
    assert_near(batch[1], function(quiet), relative=relative)
    assert_near(batch[0], function(loud), relative=relative)
