"""The sliders that explorers share: the same name, steps and units everywhere."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

# powers of two and the steps half-way between, and 400 samples (25 ms at 16 kHz, as in speech)
N_FFT = (64, 96, 128, 192, 256, 384, 400, 512, 768, 1024, 1536, 2048, 3072, 4096)
# the same, and 160 samples (10 ms at 16 kHz)
HOP_LENGTH = (16, 32, 48, 64, 96, 128, 160, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096)
N_MELS = (4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256)
MAX_N_MELS = 2048
TOP_DB = (20, 30, 40, 50, 60, 70, 80, 90, 100, 120)
AS_N_FFT = 0  # what the win_length slider holds for «as n_fft»: a slider cannot hold None
WINDOWS = ("hann", "hamming", "blackman", "rectangular")
FREQ_AXES = ("linear", "log", "mel")
MEL_SCALES = ("htk", "slaney")
GAIN_DB = tuple(range(-100, 21))
METHODS = ("none", "per clip", "per band", "data set", "min-max")
EPS = (0.0, 1e-8, 1e-3, 0.1, 1.0, 10.0)
NO_NORM = 0  # what the norm menu holds for ``None``, as win_length does
NORMS = (("none: height 1", NO_NORM), ("slaney: area 1", "slaney"))

_STYLE = {"description_width": "86px"}
_WIDE = {"width": "350px"}
_NARROW = {"width": "220px"}


def make_control(name: str, value: Any, *, sample_rate: float) -> widgets.Widget:
    """Make the slider or menu of one parameter, with its unit beside the value.

    Args:
        name: A parameter of the signal chain, for example ``"n_fft"``.
        value: Its first value; one that is not among the steps is added to them.
        sample_rate: In Hz; turns samples into milliseconds.

    Raises:
        ValueError: If the name or the value is not known.
    """
    if name in ("n_fft", "hop_length", "win_length"):
        return _lengths(name, value, sample_rate)
    if name == "n_mels":
        if isinstance(value, int) and value > MAX_N_MELS:
            raise ValueError(f"n_mels={value} must be at most {MAX_N_MELS}")
        return _slider(name, [(f"{n} bands", n) for n in _with(N_MELS, value)], value)
    if name == "top_db":
        return _slider(name, [(f"{n} dB", n) for n in _with(TOP_DB, value)], value)
    if name == "norm":
        return _norm(value)
    if name == "gain_db":
        _check_number(name, value, -200.0, 200.0)
        return _slider(name, [(f"{n} dB", n) for n in sorted({*GAIN_DB, value})], value)
    if name == "eps":
        _check_number(name, value, 0.0, 1e6)
        return _slider(name, [(eps_text(n), n) for n in sorted({*EPS, value})], value)
    choices = {
        "window": WINDOWS,
        "freq_axis": FREQ_AXES,
        "mel_scale": MEL_SCALES,
        "method": METHODS,
    }
    if name not in choices:
        raise ValueError(f"there is no slider for {name!r}")
    if value not in choices[name]:
        raise ValueError(f"{name} must be one of {', '.join(choices[name])}, got {value!r}")
    return widgets.Dropdown(
        options=choices[name], value=value, description=name, style=_STYLE, layout=_NARROW
    )


def make_slider(name: str, options: list[tuple[str, Any]], value: Any) -> widgets.SelectionSlider:
    """A slider over named steps, in the look of all others; for a parameter of one explorer."""
    return _slider(name, options, value)


def make_menu(name: str, options: list[Any], value: Any, *, width: str = "") -> widgets.Dropdown:
    """A menu in the look of all others; for a parameter of one explorer."""
    layout = {"width": width} if width else _NARROW
    return widgets.Dropdown(
        options=options, value=value, description=name, style=_STYLE, layout=layout
    )


def _norm(value: str | None) -> widgets.Dropdown:
    held = NO_NORM if value is None else value
    if held not in dict(NORMS).values():
        raise ValueError(f"norm must be None or 'slaney', got {value!r}")
    return widgets.Dropdown(
        options=NORMS, value=held, description="norm", style=_STYLE, layout=_NARROW
    )


def _lengths(name: str, value: int | None, sample_rate: float) -> widgets.SelectionSlider:
    steps = {"n_fft": N_FFT, "hop_length": HOP_LENGTH, "win_length": N_FFT}[name]
    if name != "win_length" or value is not None:
        steps = _with(steps, value)
    options = [(f"{n} \u00b7 {_ms(n, sample_rate)}", n) for n in steps]
    if name == "win_length":
        options.insert(0, ("as n_fft", AS_N_FFT))
    return _slider(name, options, value or AS_N_FFT)


def _slider(name: str, options: list[tuple[str, Any]], value: Any) -> widgets.SelectionSlider:
    return widgets.SelectionSlider(
        options=options,
        value=value,
        description=name,
        continuous_update=True,
        style=_STYLE,
        layout=_WIDE,
    )


def _with(steps: tuple[int, ...], value: int) -> list[int]:
    """The steps, and the value if it is not among them."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"a slider needs a positive integer, got {value!r}")
    return sorted({*steps, value})


def _check_number(name: str, value: Any, low: float, high: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise ValueError(f"{name}={value!r} must be a number from {low:g} to {high:g}")


def _ms(n_samples: int, sample_rate: float) -> str:
    ms = 1000.0 * n_samples / sample_rate
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def eps_text(eps: float) -> str:
    """A small number as short text: "1e-8", "0.001"."""
    return f"{eps:g}".replace("e-0", "e-")
