"""More voices and rooms than were recorded: clips and pictures, each changed a little at random.

First the changes that can be heard, on waveforms ``(..., time)``; then those that training
uses, on mel power ``(n_clips, n_mels, time)``, where the same changes cost a hundredth of the
time: what is added to a sound adds its power, and what filters it multiplies its power.

Every function takes a ``torch.Generator``: the same seed makes the same changes, and the global
random numbers are left alone. Each item draws its own numbers.
"""

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.models.features import roll_samples
from course_utils.signal import db_to_power, power_to_db, resample, rms_dbfs
from course_utils.signal._checks import (
    check_number,
    check_positive_int,
    check_waveform,
)

Range = tuple[float, float]

CLIP_S = 1.0  # how long a picture is: every clip of lesson 06 is one second
_ROOM_S = 1.0  # longest echo that is made
_AMIN = 1e-10  # smallest power that is kept, as in power_to_db


# ------------------------------------------------------------------- waveforms: to be heard


def shift_time(
    waveform: Tensor, *, max_s: float = 0.1, sample_rate: int = 16000, generator: torch.Generator
) -> Tensor:
    """Move each sound by up to ``max_s`` seconds, earlier or later; silence fills the gap.

    Args:
        waveform: Samples, shape ``(..., time)``.
        max_s: Longest way in seconds, at least 0 and at most the length of the sound.
        sample_rate: Samples per second, in Hz.
        generator: Where the random numbers come from.

    Returns:
        Waveform, same shape.

    Raises:
        ValueError: If ``max_s`` is negative or longer than the sound.

    Notebook: 06_cnn.ipynb.
    """
    check_waveform(waveform)
    most = round(check_number(max_s, "max_s") * check_positive_int(sample_rate, "sample_rate"))
    if not 0 <= most <= waveform.shape[-1]:
        raise ValueError(f"max_s={max_s} s must lie between 0 and the length of the sound")
    by = torch.randint(-most, most + 1, waveform.shape[:-1], generator=generator)
    places = torch.arange(waveform.shape[-1]) - by[..., None]  # (..., time): where it comes from
    inside = (places >= 0) & (places < waveform.shape[-1])
    return roll_samples(waveform, by) * inside


def change_speed(
    waveform: Tensor, *, factors: Range = (0.85, 1.15), generator: torch.Generator
) -> Tensor:
    """Play each sound faster or slower, as a tape would: length and pitch change together.

    Args:
        waveform: Samples, shape ``(..., time)``.
        factors: Lowest and highest speed, between 0.5 and 2; drawn in steps of 0.01.
        generator: Where the random numbers come from.

    Returns:
        Waveform, same shape: around the middle, padded with silence or cut.

    Raises:
        ValueError: If a factor is not between 0.5 and 2.

    Notebook: 06_cnn.ipynb.
    """
    check_waveform(waveform)
    _check_range(factors, "factors", 0.5, 2.0)
    items = waveform.reshape(-1, waveform.shape[-1])
    percent = (100.0 * _draw(factors, (len(items),), generator)).round().int().tolist()
    played = [
        _fit(resample(item, sample_rate=p, new_sample_rate=100), waveform.shape[-1])
        for item, p in zip(items, percent, strict=True)
    ]
    return torch.stack(played).reshape(waveform.shape)


def add_noise(
    waveform: Tensor, *, snr_db: Range = (5.0, 30.0), generator: torch.Generator
) -> Tensor:
    r"""Add hiss or rumble at a random distance below each sound.

    The colour is random too: power falls as :math:`1 / f^a`, ``a`` from 0 (white) to 2.

    Args:
        waveform: Samples, shape ``(..., time)``.
        snr_db: Smallest and largest signal-to-noise ratio, in dB.
        generator: Where the random numbers come from.

    Returns:
        Waveform, same shape; silence stays silence. It may pass 1: mind the peak.

    Notebook: 06_cnn.ipynb.
    """
    check_waveform(waveform)
    _check_range(snr_db, "snr_db")
    lead, n_samples = waveform.shape[:-1], waveform.shape[-1]
    noise = torch.randn(waveform.shape, generator=generator, dtype=waveform.dtype)
    bins = torch.arange(n_samples // 2 + 1, dtype=waveform.dtype).clamp(min=1.0)
    slope = _draw((0.0, 2.0), (*lead, 1), generator).to(waveform.dtype)
    noise = torch.fft.irfft(torch.fft.rfft(noise) * bins ** (-slope / 2.0), n=n_samples)
    level_db = rms_dbfs(waveform) - rms_dbfs(noise) - _draw(snr_db, lead, generator)  # (...)
    return waveform + noise * (10.0 ** (level_db / 20.0))[..., None].to(waveform.dtype)


def change_gain(
    waveform: Tensor, *, gain_db: Range = (-20.0, 0.0), generator: torch.Generator
) -> Tensor:
    """Make each sound louder or quieter by a random number of decibels.

    Args:
        waveform: Samples, shape ``(..., time)``.
        gain_db: Smallest and largest gain, in dB.
        generator: Where the random numbers come from.

    Returns:
        Waveform, same shape.

    Notebook: 06_cnn.ipynb.
    """
    check_waveform(waveform)
    _check_range(gain_db, "gain_db")
    drawn = _draw(gain_db, (*waveform.shape[:-1], 1), generator)
    return waveform * (10.0 ** (drawn / 20.0)).to(waveform.dtype)


def add_room(
    waveform: Tensor,
    *,
    reverberation_s: Range = (0.1, 0.6),
    echo_db: Range = (-12.0, 0.0),
    sample_rate: int = 16000,
    generator: torch.Generator,
) -> Tensor:
    """Put each sound into a random room: echoes that fall by 60 dB in the reverberation time.

    Args:
        waveform: Samples, shape ``(..., time)``.
        reverberation_s: Shortest and longest reverberation time (RT60), in seconds.
        echo_db: Power of all echoes together against the direct sound, in dB.
        sample_rate: Samples per second, in Hz.
        generator: Where the random numbers come from.

    Returns:
        Waveform, same shape, at the level (RMS) it had; the echo that is longer is cut.

    Source: a room as decaying noise, J. A. Moorer, About this reverberation business (1979).
    Notebook: 06_cnn.ipynb.
    """
    check_waveform(waveform)
    _check_range(reverberation_s, "reverberation_s", 0.01, 5.0)
    _check_range(echo_db, "echo_db")
    lead, n_samples = waveform.shape[:-1], waveform.shape[-1]
    n_echo = max(1, min(n_samples, round(_ROOM_S * sample_rate)))
    times_s = torch.arange(n_echo) / check_positive_int(sample_rate, "sample_rate")
    seconds = _draw(reverberation_s, (*lead, 1), generator)
    echo = torch.randn(*lead, n_echo, generator=generator) * 10.0 ** (-3.0 * times_s / seconds)
    echo[..., 0] = 0.0
    loudness = echo.square().sum(-1, keepdim=True).clamp(min=1e-30).sqrt()
    echo = echo / loudness * 10.0 ** (_draw(echo_db, (*lead, 1), generator) / 20.0)
    echo[..., 0] = 1.0  # the direct sound
    wet = _convolve(waveform, echo.to(waveform.dtype))
    change_db = (rms_dbfs(waveform) - rms_dbfs(wet)).nan_to_num(0.0, 0.0, 0.0)
    return wet * (10.0 ** (change_db / 20.0))[..., None]


def _convolve(waveform: Tensor, response: Tensor) -> Tensor:
    """Convolve by the spectrum, and keep the first ``time`` samples."""
    n = waveform.shape[-1] + response.shape[-1] - 1
    product = torch.fft.rfft(waveform, n=n) * torch.fft.rfft(response, n=n)
    return torch.fft.irfft(product, n=n)[..., : waveform.shape[-1]]


def _fit(waveform: Tensor, n_samples: int) -> Tensor:
    """Pad with silence, or cut, alike at both ends."""
    missing = n_samples - waveform.shape[-1]
    return F.pad(waveform, (missing // 2, missing - missing // 2))  # negative padding cuts


# --------------------------------------------------------- mel power: what training uses


def bend(
    db: Tensor, *, shift_s: float, stretch: float, mel_warp: float, generator: torch.Generator
) -> Tensor:
    """Move, stretch and warp pictures, all three in one interpolation.

    Earlier or later by up to ``shift_s`` seconds; slower or faster by a share of up to
    ``stretch`` around the middle; formants higher or lower by a share of up to ``mel_warp``, as
    a shorter or longer throat would have them. What comes in from outside repeats the edge.

    Args:
        db: Decibels, shape ``(n_clips, n_mels, time)``.
        shift_s: Largest shift in seconds, for pictures of one second.
        stretch: Largest share, 0 to below 1.
        mel_warp: Largest share, 0 to below 1.
        generator: Where the random numbers come from.

    Returns:
        Decibels, same shape.

    Source: vocal tract length perturbation, Jaitly and Hinton (2013), and linear interpolation.
    """
    n_clips, n_mels, n_frames = db.shape
    column = (n_clips, 1)
    shift = _draw((-1.0, 1.0), column, generator) * 2.0 * shift_s / CLIP_S
    speed = _symmetric(stretch, column, generator)
    warp = _symmetric(mel_warp, column, generator)
    places_t = (_places(n_frames) - shift) * speed  # -1 is the first frame's edge, 1 the last's
    places_m = (_places(n_mels) + 1.0) * warp - 1.0  # 0 mel stays where it is
    grid = torch.stack(
        torch.broadcast_tensors(places_t[:, None, :], places_m[:, :, None]), dim=-1
    )  # (n_clips, n_mels, n_frames, 2)
    bent = F.grid_sample(
        db[:, None], grid.to(db.dtype), mode="bilinear", padding_mode="border", align_corners=False
    )
    return bent[:, 0]


def equalise(db: Tensor, *, most_db: float, n_knots: int = 5, generator: torch.Generator) -> Tensor:
    """Lift and lower the bands along a smooth random curve, as another microphone would.

    Args:
        db: Decibels, shape ``(n_clips, n_mels, time)``.
        most_db: Largest change in dB.
        n_knots: In how many places the curve is drawn at random.
        generator: Where the random numbers come from.

    Returns:
        Decibels, same shape.
    """
    return db + most_db * _smooth_curves(len(db), n_knots, db.shape[1], generator)[:, :, None]


def smear(mel_power: Tensor, *, share: float, generator: torch.Generator) -> Tensor:
    """Let each frame ring on into the next ones, as in a room, in a share of the clips.

    Args:
        mel_power: Power, shape ``(n_clips, n_mels, time)``.
        share: Share of the clips, 0 to 1.
        generator: Where the random numbers come from.

    Returns:
        Power, same shape.
    """
    n_clips, _, n_frames = mel_power.shape
    column = (n_clips, 1, 1)
    seconds = _draw((0.15, 0.8), column, generator)  # reverberation time
    echo = db_to_power(_draw((-20.0, -3.0), column, generator))  # power of the first echo
    echo = echo * (torch.rand(column, generator=generator) < share)
    later = torch.arange(n_frames) - torch.arange(n_frames)[:, None]  # [from, to], in frames
    tail = 10.0 ** (-6.0 * (later - 1.0).clamp(min=0.0) * (CLIP_S / n_frames) / seconds) * (
        later > 0
    )
    return mel_power @ (torch.eye(n_frames) + echo * tail).to(mel_power.dtype)


def add_noise_power(
    mel_power: Tensor, *, share: float, snr_db: Range, generator: torch.Generator
) -> Tensor:
    """Add noise of a random spectrum at a random distance, in a share of the clips.

    Args:
        mel_power: Power, shape ``(n_clips, n_mels, time)``.
        share: Share of the clips, 0 to 1.
        snr_db: Smallest and largest distance from the clip's mean power to the noise, in dB.
        generator: Where the random numbers come from.

    Returns:
        Power, same shape.
    """
    n_clips, n_mels, _ = mel_power.shape
    colour = db_to_power(15.0 * _smooth_curves(n_clips, 5, n_mels, generator))[:, :, None]
    cells = torch.rand(mel_power.shape, generator=generator).clamp(min=1e-6)
    noise = colour * -cells.log()  # the power of Gaussian noise is distributed like this
    level = db_to_power(-_draw(snr_db, (n_clips, 1, 1), generator))
    level = level * (torch.rand(n_clips, 1, 1, generator=generator) < share)
    mean = mel_power.mean(dim=(-2, -1), keepdim=True)
    return mel_power + (mean * level * noise / noise.mean(dim=(-2, -1), keepdim=True))


def mask_time(mel_power: Tensor, *, most: float, generator: torch.Generator) -> Tensor:
    """Hide one stretch of time in each picture, up to a share ``most`` of it.

    What is hidden gets the clip's mean in decibels: for the network, which sees standardised
    decibels, that is 0, neither bright nor dark.

    Args:
        mel_power: Power, shape ``(n_clips, n_mels, time)``.
        most: Longest stretch, as a share of the picture, 0 to 1.
        generator: Where the random numbers come from.

    Returns:
        Power, same shape.

    Source: SpecAugment, Park et al. (2019).  Notebook: 06_cnn.ipynb.
    """
    hidden = _stretches(len(mel_power), mel_power.shape[-1], most, generator)[:, None, :]
    return torch.where(hidden, _middle(mel_power), mel_power)


def mask_mels(mel_power: Tensor, *, most: float, generator: torch.Generator) -> Tensor:
    """Hide some neighbouring mel bands in each picture, up to a share ``most``.

    See :func:`mask_time`, which does the same along time.
    """
    hidden = _stretches(len(mel_power), mel_power.shape[-2], most, generator)[:, :, None]
    return torch.where(hidden, _middle(mel_power), mel_power)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How much each picture is changed before the network sees it; every time differently.

    Attributes:
        shift_s: Largest shift in time, in seconds.
        stretch: Largest change of tempo, as a share.
        mel_warp: Largest change of the formants, as a share.
        equalise_db: Largest change of a band by another microphone, in dB.
        noise_share: Share of the clips that get noise.
        noise_snr_db: Smallest and largest distance from the word to that noise, in dB.
        room_share: Share of the clips that get echoes.
        mask_time: Longest stretch that is hidden, as a share of the picture.
        mask_mels: Most bands that are hidden, as a share of the picture.

    Raises:
        ValueError: If a value is out of range; the message names it.
    """

    shift_s: float = 0.1
    stretch: float = 0.2
    mel_warp: float = 0.15
    equalise_db: float = 6.0
    noise_share: float = 0.8
    noise_snr_db: Range = (-3.0, 30.0)
    room_share: float = 0.4
    mask_time: float = 0.1
    mask_mels: float = 0.1

    def __post_init__(self) -> None:
        for name in ("shift_s", "stretch", "mel_warp", "mask_time", "mask_mels"):
            _check_share(getattr(self, name), name, below_one=True)
        for name in ("noise_share", "room_share"):
            _check_share(getattr(self, name), name)
        if check_number(self.equalise_db, "equalise_db") < 0:
            raise ValueError(f"equalise_db={self.equalise_db} must be at least 0")
        _check_range(self.noise_snr_db, "noise_snr_db")

    @classmethod
    def none(cls) -> "Augmentation":
        """Make the settings that change nothing."""
        return cls(
            shift_s=0.0,
            stretch=0.0,
            mel_warp=0.0,
            equalise_db=0.0,
            noise_share=0.0,
            room_share=0.0,
            mask_time=0.0,
            mask_mels=0.0,
        )

    def __call__(self, mel_power: Tensor, *, generator: torch.Generator) -> Tensor:
        """Change pictures at random.

        Args:
            mel_power: Power, shape ``(n_clips, n_mels, time)``.
            generator: Where the random numbers come from.

        Returns:
            Power, same shape; the same tensor where nothing is to be changed.
        """
        if self == Augmentation.none():
            return mel_power
        db = power_to_db(mel_power, amin=_AMIN, top_db=None)
        db = bend(
            db,
            shift_s=self.shift_s,
            stretch=self.stretch,
            mel_warp=self.mel_warp,
            generator=generator,
        )
        db = equalise(db, most_db=self.equalise_db, generator=generator)
        power = smear(db_to_power(db), share=self.room_share, generator=generator)
        power = add_noise_power(
            power, share=self.noise_share, snr_db=self.noise_snr_db, generator=generator
        )
        if self.mask_time:
            power = mask_time(power, most=self.mask_time, generator=generator)
        if self.mask_mels:
            power = mask_mels(power, most=self.mask_mels, generator=generator)
        return power


# ------------------------------------------------------------------------- random numbers


def _draw(bounds: Range, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw evenly between two bounds."""
    low, high = bounds
    return low + (high - low) * torch.rand(shape, generator=generator)


def _symmetric(share: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw factors from ``1 / (1 + share)`` to ``1 + share``, as often below 1 as above."""
    return torch.exp(math.log1p(share) * _draw((-1.0, 1.0), shape, generator))


def _places(n: int) -> Tensor:
    """Where the middles of ``n`` cells lie between -1 and 1, shape ``(1, n)``."""
    return ((2.0 * torch.arange(n) + 1.0) / n - 1.0)[None]


def _smooth_curves(n_curves: int, n_knots: int, n: int, generator: torch.Generator) -> Tensor:
    """Draw curves between -1 and 1, straight between random knots, shape ``(n_curves, n)``."""
    knots = _draw((-1.0, 1.0), (n_curves, 1, n_knots), generator)
    return F.interpolate(knots, size=n, mode="linear", align_corners=True)[:, 0]


def _stretches(n_clips: int, n: int, most: float, generator: torch.Generator) -> Tensor:
    """Choose one stretch in each row of ``n`` cells, as a mask of shape ``(n_clips, n)``."""
    length = (_draw((0.0, most), (n_clips, 1), generator) * n).round()
    start = (torch.rand(n_clips, 1, generator=generator) * (n + 1 - length)).floor()
    cells = torch.arange(n)
    return (cells >= start) & (cells < start + length)


def _middle(mel_power: Tensor) -> Tensor:
    """Find each clip's mean in decibels, as a power, shape ``(n_clips, 1, 1)``."""
    db = power_to_db(mel_power, amin=_AMIN, top_db=None)
    return db_to_power(db.mean(dim=(-2, -1), keepdim=True))


def _check_range(bounds: Range, name: str, low: float = -math.inf, high: float = math.inf) -> None:
    """Raise if ``bounds`` is not a pair in order, between ``low`` and ``high``."""
    try:
        first, second = bounds
    except (TypeError, ValueError):
        raise ValueError(f"{name}={bounds!r} must be two numbers, lowest and highest") from None
    first, second = check_number(first, name), check_number(second, name)
    if not low <= first <= second <= high:
        between = "" if low == -math.inf else f", between {low} and {high}"
        raise ValueError(f"{name}={bounds!r} must be two numbers, lowest first{between}")


def _check_share(value: float, name: str, *, below_one: bool = False) -> None:
    """Raise if ``value`` is not between 0 and 1."""
    number = check_number(value, name)
    if not 0.0 <= number <= 1.0 or (below_one and number == 1.0):
        rule = "at least 0 and below 1" if below_one else "between 0 and 1"
        raise ValueError(f"{name}={value} must be {rule}")
