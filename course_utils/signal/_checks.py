"""Checks of arguments, so that every error names the parameter, the rule and the value."""

import math
import operator
from collections.abc import Collection

import torch
from torch import Tensor


def check_positive_int(value: int, name: str, *, minimum: int = 1) -> int:
    """Return ``value`` as an int, or raise a ValueError that names it."""
    rule = "a positive integer" if minimum == 1 else f"an integer of at least {minimum}"
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < minimum:
        raise ValueError(f"{name}={value!r} must be {rule}")
    return number


def check_number(value: float, name: str, *, above: float = -math.inf, rule: str = "") -> float:
    """Return ``value`` as a float if it is finite and larger than ``above``."""
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > above):
        raise ValueError(f"{name}={value!r} must be {rule or 'a finite number'}")
    return number


def check_positive(value: float, name: str) -> float:
    """Return ``value`` as a float if it is finite and larger than zero."""
    return check_number(value, name, above=0.0, rule="a positive number")


def check_choice(value: object, name: str, choices: Collection[object]) -> None:
    """Raise a ValueError that lists the known choices if ``value`` is not one of them."""
    if not any(value is choice or value == choice for choice in choices):
        known = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name}={value!r} is not known; choose one of {known}")


def check_float_tensor(value: Tensor, name: str, *, min_dims: int = 0, shape: str = "") -> None:
    """Raise if ``value`` is not a real floating-point tensor with enough dimensions."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name} must be a torch.Tensor, got {type(value).__name__}; "
            "torch.as_tensor(...) makes one"
        )
    if value.is_complex():
        raise TypeError(f"{name} must be real, got {value.dtype}; did you mean {name}.abs() ** 2?")
    if not value.is_floating_point():
        raise TypeError(
            f"{name} must be a floating-point tensor, got {value.dtype}; "
            "16-bit sound becomes one with x.float() / 32768"
        )
    if value.ndim < min_dims:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(value.shape)}")


def check_waveform(waveform: Tensor) -> None:
    """Raise if ``waveform`` is not a floating-point tensor of shape ``(..., time)``."""
    check_float_tensor(waveform, "waveform", min_dims=1, shape="(..., time)")


def check_real_dtype(dtype: torch.dtype) -> None:
    """Raise if ``dtype`` is not a real floating-point type."""
    if not dtype.is_floating_point:
        raise ValueError(f"dtype={dtype} must be a floating-point type such as torch.float32")
