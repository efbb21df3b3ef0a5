"""Clips in front of a network: do they fit the model, and what do noise, level and shift make."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.models.features import centre_by_energy
from course_utils.models.word_model import WordModel
from course_utils.signal import db_to_amplitude, peak_dbfs, quantize

NO_NOISE = math.inf
N_BITS = 16  # what is heard is what a file holds, and what the network gets


class Words(Protocol):
    """Clips with their words, such as ``course_utils.data`` gives."""

    waveforms: Tensor  # (n_clips, time)
    labels: Tensor  # (n_clips,)
    speakers: tuple[str, ...]
    names: tuple[str, ...]
    label_names: tuple[str, ...]
    sample_rate: int


class Heard(NamedTuple):
    """A clip as the sliders made it.

    Attributes:
        waveform: What is played, and what the network gets, ``(time,)``.
        turned_down_db: By how much all of it was turned down so that nothing clips.
    """

    waveform: Tensor
    turned_down_db: float


def check_fits(model: WordModel, words: Words) -> None:
    """Raise unless the clips are some, of the model's words, at its sample rate."""
    if len(words.labels) == 0:
        raise ValueError("words holds no clip: choose a split that is not empty")
    if tuple(model.label_names) != tuple(words.label_names):
        raise ValueError(
            f"the model knows the words {', '.join(model.label_names)}, and the clips are of "
            f"{', '.join(words.label_names)}: both must be the same, in the same order"
        )
    if model.features.params.sample_rate != words.sample_rate:
        raise ValueError(
            f"the clips have {words.sample_rate} Hz, and the model was made for "
            f"{model.features.params.sample_rate} Hz: resample the clips first"
        )


def disturb(
    clip: Tensor, *, shift: int, noise: Tensor, snr_db: float, gain_db: float, centre: bool
) -> Heard:
    """Shift, noise, level, 16 bits, centre: in this order.

    Args:
        clip: Samples, shape ``(time,)``.
        shift: How many samples later; silence fills the gap.
        noise: Shape ``(time,)``, of any level.
        snr_db: Level of the clip over the noise, both over their whole length, in dB; infinity
            for no noise.
        gain_db: Gain in front of the 16 bits, in dB, at most 0.
        centre: Whether the sound is then moved into the middle of the clip, as the network does.
    """
    clip = shifted(clip, shift)
    if snr_db != NO_NOISE:
        clip_rms, noise_rms = (x.square().mean().sqrt() for x in (clip, noise))
        clip = clip + noise * (clip_rms / noise_rms) * 10.0 ** (-snr_db / 20.0)
    clip = clip * db_to_amplitude(torch.tensor(float(gain_db)))
    over_db = max(0.0, peak_dbfs(clip).item())
    clip = quantize(clip * 10.0 ** (-over_db / 20.0), n_bits=N_BITS)
    return Heard(centre_by_energy(clip) if centre else clip, over_db)


def shifted(waveform: Tensor, by: int) -> Tensor:
    """Move a waveform ``(..., time)`` later by samples (earlier if negative); silence fills."""
    if by >= 0:
        return F.pad(waveform, (by, 0))[..., : waveform.shape[-1]]
    return F.pad(waveform, (0, -by))[..., -by:]
