r"""From power to decibels: :math:`10 \log_{10}(P / P_{ref})`, the scale on which we hear."""

import math

import torch
from torch import Tensor

from course_utils.signal._checks import check_float_tensor, check_number, check_positive


def power_to_db(
    power_spec: Tensor, *, ref: float = 1.0, amin: float = 1e-10, top_db: float | None = 80.0
) -> Tensor:
    r"""Convert a power spectrogram to decibels.

    Computes :math:`10 \log_{10}(\max(P, a_{min}) / ref)`, then lifts everything
    that is more than ``top_db`` below each item's own peak.

    Args:
        power_spec: Power (magnitude squared), shape ``(..., freq, time)``, >= 0. One
            spectrum ``(freq,)`` or one number is one item.
        ref: Power that maps to 0 dB.
        amin: Smallest power that is kept, before the log.
        top_db: Dynamic range to keep, in dB below the peak; ``None`` keeps all.

    Returns:
        Decibels relative to ``ref``, same shape and dtype.

    Raises:
        TypeError: If ``power_spec`` is not real floating point.
        ValueError: If ``amin`` or ``ref`` is not positive, or ``top_db`` is negative.

    Source: same formula as librosa.power_to_db.  Notebook: 04_decibel.ipynb.
    """
    check_float_tensor(power_spec, "power_spec")
    ref, amin = check_positive(ref, "ref"), check_positive(amin, "amin")
    check_top_db(top_db)
    if amin < torch.finfo(power_spec.dtype).tiny:
        raise ValueError(f"amin={amin} is too small for {power_spec.dtype}: its log is infinite")
    db = 10.0 * torch.log10(power_spec.clamp(min=amin)) - 10.0 * math.log10(ref)
    if top_db is None:
        return db
    last_two = tuple(range(-min(2, db.ndim), 0))
    peak = db.amax(dim=last_two, keepdim=True)  # (..., 1, 1): one peak per item
    return torch.maximum(db, peak - top_db)


def check_top_db(top_db: float | None) -> None:
    """Raise if ``top_db`` is neither ``None`` nor a number of at least 0 dB."""
    if top_db is not None and check_number(top_db, "top_db") < 0:
        raise ValueError(f"top_db={top_db} must be at least 0 dB, or None")


def amplitude_to_db(
    amplitude_spec: Tensor, *, ref: float = 1.0, amin: float = 1e-5, top_db: float | None = 80.0
) -> Tensor:
    r"""Convert an amplitude (magnitude) spectrogram to decibels.

    Computes :math:`20 \log_{10}(\max(A, a_{min}) / ref)`: the power is the square
    of the amplitude, and the logarithm turns the square into a factor of 2.

    Args:
        amplitude_spec: Magnitude, shape ``(..., freq, time)``, >= 0.
        ref: Amplitude that maps to 0 dB.
        amin: Smallest amplitude that is kept, before the log.
        top_db: Dynamic range to keep, in dB below the peak; ``None`` keeps all.

    Returns:
        Decibels relative to ``ref``, same shape and dtype.

    Raises:
        TypeError: If ``amplitude_spec`` is not real floating point.
        ValueError: If ``amin`` or ``ref`` is not positive, or ``top_db`` is negative.

    Source: same formula as librosa.amplitude_to_db.  Notebook: 04_decibel.ipynb.
    """
    check_float_tensor(amplitude_spec, "amplitude_spec")
    ref, amin = check_positive(ref, "ref"), check_positive(amin, "amin")
    return power_to_db(amplitude_spec**2, ref=ref**2, amin=amin**2, top_db=top_db)


def db_to_power(db: Tensor, *, ref: float = 1.0) -> Tensor:
    r"""Convert decibels back to power, :math:`P = ref \cdot 10^{dB / 10}`.

    Args:
        db: Decibels relative to ``ref``, any shape.
        ref: Power that maps to 0 dB.

    Returns:
        Power, same shape and dtype.

    Raises:
        ValueError: If ``ref`` is not positive.

    Source: same formula as librosa.db_to_power.  Notebook: 04_decibel.ipynb.
    """
    check_float_tensor(db, "db")
    return check_positive(ref, "ref") * 10.0 ** (db / 10.0)


def db_to_amplitude(db: Tensor, *, ref: float = 1.0) -> Tensor:
    r"""Convert decibels back to amplitude, :math:`A = ref \cdot 10^{dB / 20}`.

    Args:
        db: Decibels relative to ``ref``, any shape.
        ref: Amplitude that maps to 0 dB.

    Returns:
        Amplitude, same shape and dtype.

    Raises:
        ValueError: If ``ref`` is not positive.

    Source: same formula as librosa.db_to_amplitude.  Notebook: 04_decibel.ipynb.
    """
    check_float_tensor(db, "db")
    return check_positive(ref, "ref") * 10.0 ** (db / 20.0)
