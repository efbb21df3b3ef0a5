r"""From decibels to what a network likes: :math:`(x - \mu) / \sigma`."""

from collections.abc import Sequence

import torch
from torch import Tensor

from course_utils.signal._checks import check_float_tensor, check_number


def standardize(
    log_mel_spec: Tensor,
    *,
    mean: Tensor | float | None = None,
    std: Tensor | float | None = None,
    dim: int | Sequence[int] = (-2, -1),
    eps: float = 1e-8,
) -> Tensor:
    r"""Shift and scale to zero mean and unit variance, :math:`(x - \mu) / (\sigma + eps)`.

    Without ``mean`` and ``std`` each item is measured by itself, over ``dim``:
    ``(-2, -1)`` is one mean per item, ``-1`` is one per band. With them, they are
    used as they are: statistics of a training set.

    Args:
        log_mel_spec: Usually decibels, shape ``(..., n_mels, time)``.
        mean: Mean to subtract, a number or a tensor that broadcasts, such as ``(n_mels, 1)``.
        std: Standard deviation to divide by, likewise; give both or none.
        dim: Dimensions that are measured together.
        eps: Added to the standard deviation, so that silence is not divided by zero.

    Returns:
        No unit, same shape and dtype. A constant item becomes zeros.

    Raises:
        ValueError: If only one of ``mean`` and ``std`` is given, a ``std`` is
            negative, ``eps`` is negative, or ``dim`` does not exist.

    Source: the z-score, with the population's (biased) variance.  Notebook: 05_normalize.ipynb.
    """
    check_float_tensor(log_mel_spec, "log_mel_spec")
    if check_number(eps, "eps") < 0:
        raise ValueError(f"eps={eps} must be at least 0")
    if (mean is None) != (std is None):
        raise ValueError("mean and std belong together: give both or none")
    if mean is not None:
        return (log_mel_spec - mean) / (_check_std(std) + eps)
    dims = _check_dims(dim, log_mel_spec.ndim)
    centred = log_mel_spec - log_mel_spec.mean(dim=dims, keepdim=True)
    centred = centred - centred.mean(dim=dims, keepdim=True)  # what rounding left of the mean
    variance = centred.square().mean(dim=dims, keepdim=True)
    tiny = torch.finfo(variance.dtype).tiny  # the slope of a square root at 0 is infinite
    return centred / (variance.clamp(min=tiny).sqrt() + eps)


def _check_std(std: Tensor | float) -> Tensor | float:
    """Return ``std`` if no value in it is negative."""
    smallest = std.min().item() if isinstance(std, Tensor) else check_number(std, "std")
    if not smallest >= 0:
        raise ValueError(f"std={smallest} must be at least 0")
    return std


def _check_dims(dim: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return ``dim`` as a tuple if all its dimensions exist."""
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if not dims or any(not -ndim <= d < ndim for d in dims):
        raise ValueError(f"dim={dim} does not fit a tensor with {ndim} dimensions")
    return dims
