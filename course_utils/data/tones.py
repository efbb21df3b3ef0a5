"""A toy data set that is made by formula: five kinds of sound at many levels.

It is small, exact and needs no file: good for measuring what one step of the chain does
to a network, and for nothing else. A network that is right here has learned nothing about
the sounds of the world.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from course_utils.signal import fade, make_chirp, make_clicks, make_noise, make_tone, mix

CLASS_NAMES = ("tone", "rising", "falling", "clicks", "noise")
SAMPLE_RATE = 16000
ROOM_DBFS = -75.0  # peak of the hiss that every microphone adds, also to silence


class Clips(NamedTuple):
    """Sounds of one second with the number of their class."""

    waveforms: Tensor
    labels: Tensor

    def louder(self, gain_db: float) -> "Clips":
        """The same clips, all made louder by ``gain_db`` (negative: quieter), hiss and all."""
        return Clips(self.waveforms * 10.0 ** (gain_db / 20.0), self.labels)


def make_clips(
    n_clips: int, *, seed: int, level_dbfs: tuple[float, float] = (-26.0, -6.0)
) -> Clips:
    """Make clips of one second at 16 kHz, equally many of each class, in random order.

    Pitch, place and length are drawn at random, and so is the level: it says nothing about
    the class. Under every clip lies the same faint hiss, as in a real recording.

    Args:
        n_clips: How many, at least one.
        seed: Seed of everything random; other seeds make other clips.
        level_dbfs: Lowest and highest level of the peak, in dBFS.

    Returns:
        Waveforms ``(n_clips, 16000)`` and labels ``(n_clips,)``, numbers into ``CLASS_NAMES``.

    Raises:
        ValueError: If there is no clip to make, or a level is above 0 dBFS.

    Notebook: 05_normalize.ipynb.
    """
    if n_clips < 1:
        raise ValueError(f"n_clips={n_clips} must be at least 1")
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(n_clips) % len(CLASS_NAMES)
    labels = labels[torch.randperm(n_clips, generator=rng)]
    waveforms = [_make_clip(CLASS_NAMES[label], rng, level_dbfs) for label in labels.tolist()]
    return Clips(torch.stack(waveforms), labels)


def make_room(*, seed: int = 0) -> Tensor:
    """Make the hiss of an empty room, which is under every clip: what «silence» really is.

    Args:
        seed: Seed of the noise.

    Returns:
        Waveform ``(16000,)``, one second at 16 kHz with a peak of ``ROOM_DBFS``.
    """
    return make_noise(sample_rate=SAMPLE_RATE, level_dbfs=ROOM_DBFS, seed=seed)


def _make_clip(name: str, rng: torch.Generator, level_dbfs: tuple[float, float]) -> Tensor:
    """One clip of a class, ``(16000,)``."""
    settings = {"level_dbfs": _draw(rng, *level_dbfs), "sample_rate": SAMPLE_RATE}
    low_hz = _draw(rng, 200.0, 2000.0)
    high_hz = low_hz * _draw(rng, 1.3, 3.0)
    if name == "clicks":
        times_s = [_draw(rng, 0.0, 0.99) for _ in range(6)]
        sound = make_clicks(times_s, **settings)
    elif name == "noise":
        sound = make_noise(seed=_draw_seed(rng), **settings)
    elif name == "tone":
        sound = make_tone(low_hz, **settings)
    else:
        ends_hz = (low_hz, high_hz) if name == "rising" else (high_hz, low_hz)
        sound = make_chirp(*ends_hz, **settings)
    if name != "clicks":
        sound = fade(sound, fade_in_s=_draw(rng, 0.01, 0.4), fade_out_s=_draw(rng, 0.01, 0.4))
    return mix(sound, make_room(seed=_draw_seed(rng)))


def _draw(rng: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand(1, generator=rng).item()


def _draw_seed(rng: torch.Generator) -> int:
    return int(torch.randint(2**31, (1,), generator=rng).item())
