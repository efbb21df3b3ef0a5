"""The controls of explore_cnn: their steps, their units, and what cannot be chosen."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from course_utils.explorers.clips import NO_NOISE
from course_utils.explorers.controls import make_menu, make_slider

ALL, PREDICTED = "all", "heard word"
SHOWN = (ALL, "right", "wrong")
SALIENCIES = ("occlusion", "Grad-CAM")
WEIGHTS = ("trained", "random")
GAIN_DB = tuple(range(-60, 5, 5))
SNR_DB = (NO_NOISE, 40, 30, 25, 20, 15, 10, 5, 0)
SHIFT_MS = tuple(range(-300, 325, 25))
_LIMITS = {"gain_db": (-100, 0), "snr_db": (-20, NO_NOISE), "shift_ms": (-500, 500)}
_MENU_WIDTH, _SLIDER_WIDTH = "195px", "300px"  # five controls side by side


def make_cnn_control(
    name: str, value: Any, *, label_names: tuple[str, ...], n_stages: int
) -> widgets.Widget:
    """Make any control of the explorer but the one of the channel.

    Args:
        name: A setting of the explorer, for example ``"gain_db"``.
        value: Its first value; a number that is not among the steps is added to them.
        label_names: The words.
        n_stages: How many stages the network has.

    Raises:
        ValueError: If the value cannot be chosen.
    """
    menus = {
        "show": SHOWN,
        "word": (ALL, *label_names),
        "centre": ("on", "off"),
        "saliency": SALIENCIES,
        "target": (PREDICTED, *label_names),
        "stage": tuple(range(1, n_stages + 1)),
        "weights": WEIGHTS,
    }
    if name in menus:
        if value not in menus[name]:
            known = ", ".join(str(choice) for choice in menus[name])
            raise ValueError(f"{name} must be one of {known}, got {value!r}")
        return make_menu(name, list(menus[name]), value, width=_MENU_WIDTH)
    steps, text = {
        "gain_db": (GAIN_DB, _decibel),
        "snr_db": (SNR_DB, lambda snr: "no noise" if snr == NO_NOISE else _decibel(snr)),
        "shift_ms": (SHIFT_MS, lambda ms: f"{_signed(ms)} ms"),
    }[name]
    _check_number(name, value)
    ordered = sorted({*steps, value}, reverse=name == "snr_db")
    return _narrow_slider(name, [(text(step), step) for step in ordered], value)


def make_channel_slider(stage: int, n_channels: int, value: int) -> widgets.SelectionSlider:
    """Make the slider of the channel.

    Raises:
        ValueError: If the stage has no such channel.
    """
    return _narrow_slider("channel", channel_options(stage, n_channels, value), value)


def channel_options(stage: int, n_channels: int, value: int) -> list[tuple[str, int]]:
    """The steps of that slider; raise if ``value`` is none of them."""
    if value not in range(n_channels):
        raise ValueError(
            f"channel={value!r} must be from 0 to {n_channels - 1}: stage {stage} has "
            f"{n_channels} channels"
        )
    return [(f"{i} of {n_channels}", i) for i in range(n_channels)]


def _narrow_slider(name: str, options: list[tuple[str, Any]], value: Any) -> widgets.Widget:
    slider = make_slider(name, options, value)
    slider.layout.width = _SLIDER_WIDTH
    return slider


def _check_number(name: str, value: Any) -> None:
    low, high = _LIMITS[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        top = "infinity (no noise)" if high == NO_NOISE else high
        raise ValueError(f"{name}={value!r} must be a number from {low} to {top}")


def _signed(value: float) -> str:
    return f"\u2212{-value:g}" if value < 0 else f"{value:g}"


def _decibel(value: float) -> str:
    return f"{_signed(value)} dB"
