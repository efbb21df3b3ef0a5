"""The whole chain as one module: waveform -> log-mel spectrogram, ready for a network."""

import dataclasses
import math
import warnings
from typing import get_args

import torch
from torch import Tensor, nn

from course_utils.signal._checks import (
    check_choice,
    check_positive_int,
    check_waveform,
)
from course_utils.signal.decibel import amplitude_to_db, check_top_db, power_to_db
from course_utils.signal.mel import MelNorm, MelScale, check_band, mel_filterbank
from course_utils.signal.stft import WindowName, get_window, n_frames

MAX_CELLS = 8_000_000  # of one spectrogram: 64 MB as complex numbers


@dataclasses.dataclass(frozen=True, kw_only=True)
class MelParams:
    """Every number that says how a waveform becomes a log-mel spectrogram.

    Cannot be changed once made, so it can be a key of a cache; ``dataclasses.replace``
    makes a changed copy, ``dataclasses.asdict`` a plain dictionary to save.

    Attributes:
        sample_rate: Samples per second, in Hz.
        n_fft: Length of the DFT, in samples.
        hop_length: Samples from frame to frame.
        win_length: Length of the window, in samples; ``None`` takes ``n_fft``.
        window: "hann", "hamming", "blackman" or "rectangular".
        n_mels: How many mel bands.
        f_min: Lowest frequency, in Hz.
        f_max: Highest frequency, in Hz; ``None`` takes half the sample rate.
        mel_scale: "htk" or "slaney".
        norm: ``None`` for triangles of height 1, "slaney" for area 1.
        power: 2.0 for power, 1.0 for magnitude; the decibels are right for both.
        center: Whether frame t is centred on sample ``t * hop_length``.
        top_db: Dynamic range to keep, in dB below each item's peak; ``None`` keeps all.

    Raises:
        ValueError: If a value is out of range; the message names it.
    """

    sample_rate: int = 16000
    n_fft: int = 1024
    hop_length: int = 512
    win_length: int | None = None
    window: WindowName = "hann"
    n_mels: int = 64
    f_min: float = 0.0
    f_max: float | None = None
    mel_scale: MelScale = "htk"
    norm: MelNorm = None
    power: float = 2.0
    center: bool = True
    top_db: float | None = 80.0

    def __post_init__(self) -> None:
        for name in ("sample_rate", "hop_length", "n_mels"):
            check_positive_int(getattr(self, name), name)
        check_positive_int(self.n_fft, "n_fft", minimum=2)
        if self.win_length is not None:
            check_positive_int(self.win_length, "win_length")
            if self.win_length > self.n_fft:
                raise ValueError(
                    f"win_length={self.win_length} must not be longer than n_fft={self.n_fft}"
                )
        check_choice(self.window, "window", get_args(WindowName))
        check_band(self.f_min, self.f_max, self.sample_rate)
        check_choice(self.mel_scale, "mel_scale", get_args(MelScale))
        check_choice(self.norm, "norm", (None, "slaney"))
        check_choice(self.power, "power", (1.0, 2.0))
        if not isinstance(self.center, bool):
            raise ValueError(f"center={self.center!r} must be True or False")
        check_top_db(self.top_db)

    @property
    def n_freqs(self) -> int:
        """Rows of the spectrogram, ``n_fft // 2 + 1``."""
        return self.n_fft // 2 + 1

    def n_frames(self, n_samples: int) -> int:
        """Count the frames of ``n_samples`` samples."""
        return n_frames(n_samples, n_fft=self.n_fft, hop_length=self.hop_length, center=self.center)

    def mel_filterbank(self, *, dtype: torch.dtype = torch.float32) -> Tensor:
        """Make the mel filterbank, shape ``(n_freqs, n_mels)``."""
        return mel_filterbank(
            n_freqs=self.n_freqs,
            n_mels=self.n_mels,
            sample_rate=self.sample_rate,
            f_min=self.f_min,
            f_max=self.f_max,
            mel_scale=self.mel_scale,
            norm=self.norm,
            n_fft=self.n_fft,
            dtype=dtype,
        )


class LogMelSpectrogram(nn.Module):
    """Turn waveforms into log-mel spectrograms, with torchaudio's transforms.

    It gives the numbers of the chain written out in this package, as one module that
    can stand in front of a network and is saved with it. Decibels come from
    :func:`course_utils.signal.power_to_db` and not from torchaudio's AmplitudeToDB,
    which takes one peak for a whole batch, so that one loud item changes another.

    Args:
        params: The settings; ``None`` takes the course's.

    Source: torchaudio.transforms.MelSpectrogram.  Notebook: 06_cnn.ipynb.
    """

    def __init__(self, params: MelParams | None = None) -> None:
        super().__init__()
        from torchaudio.transforms import MelSpectrogram  # 5 MB that an explorer does not need

        self.params = MelParams() if params is None else params
        p = self.params
        with warnings.catch_warnings():  # empty bands: empty_mel_bands names them
            warnings.filterwarnings("ignore", message=".*all zero values")
            self.mel_spectrogram = MelSpectrogram(
                sample_rate=p.sample_rate,
                n_fft=p.n_fft,
                win_length=p.win_length,
                hop_length=p.hop_length,
                f_min=float(p.f_min),
                f_max=float(p.sample_rate / 2 if p.f_max is None else p.f_max),
                n_mels=p.n_mels,
                window_fn=lambda win_length: get_window(p.window, win_length),
                power=p.power,
                center=p.center,
                pad_mode="reflect",
                norm=p.norm,
                mel_scale=p.mel_scale,
            )
        # torchaudio takes every n_fft for even and rounds sample_rate / 2 down: use our triangles
        self.mel_spectrogram.mel_scale.fb.copy_(p.mel_filterbank())

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute the log-mel spectrogram.

        Args:
            waveform: Samples, shape ``(..., time)``, of the dtype of the module.

        Returns:
            Decibels, shape ``(..., n_mels, n_frames)``.

        Raises:
            TypeError: If the waveform has another dtype than the module.
            ValueError: If the waveform is too short for ``n_fft``.
        """
        check_waveform(waveform)
        needed = self.params.n_fft // 2 + 1 if self.params.center else self.params.n_fft
        if waveform.shape[-1] < needed:
            raise ValueError(
                f"n_fft={self.params.n_fft} needs at least {needed} samples, "
                f"the waveform has {waveform.shape[-1]}"
            )
        dtype = self.mel_spectrogram.mel_scale.fb.dtype
        if waveform.dtype != dtype:
            raise TypeError(
                f"waveform is {waveform.dtype}, this module is {dtype}; use .to({dtype})"
            )
        mel_spec = self.mel_spectrogram(waveform)  # (..., n_mels, n_frames)
        to_db = power_to_db if self.params.power == 2.0 else amplitude_to_db
        return to_db(mel_spec, top_db=self.params.top_db)

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        return str(self.params)


def fitting_hop_length(
    n_samples: int, *, n_fft: int, center: bool = True, max_cells: int = MAX_CELLS
) -> int:
    """Find the shortest hop whose spectrogram has at most ``max_cells`` cells.

    Args:
        n_samples: Length of the waveform, in samples.
        n_fft: Length of the DFT, in samples.
        center: Whether the ends are padded.
        max_cells: Most cells, rows times frames.

    Returns:
        A hop length in samples.

    Raises:
        ValueError: If not even one frame fits.
    """
    rows = check_positive_int(n_fft, "n_fft") // 2 + 1
    frames = check_positive_int(max_cells, "max_cells") // rows
    if frames < 1:
        raise ValueError(f"n_fft={n_fft} gives {rows} rows, more than max_cells={max_cells}")
    samples = check_positive_int(n_samples, "n_samples") - n_fft + (n_fft // 2 * 2 if center else 0)
    return max(1, math.floor(samples / frames) + 1)


def check_cells(
    n_samples: int,
    *,
    n_fft: int,
    hop_length: int,
    center: bool = True,
    max_cells: int = MAX_CELLS,
) -> int:
    """Count the cells of a spectrogram, and refuse one that is too large to handle.

    Args:
        n_samples: Length of the waveform, in samples.
        n_fft: Length of the DFT, in samples.
        hop_length: Samples from frame to frame.
        center: Whether the ends are padded.
        max_cells: Most cells, rows times frames.

    Returns:
        Rows times frames.

    Raises:
        ValueError: If there are more than ``max_cells``; names a hop that fits.
    """
    frames = n_frames(n_samples, n_fft=n_fft, hop_length=hop_length, center=center)
    cells = (n_fft // 2 + 1) * frames
    if cells > max_cells:
        fits = fitting_hop_length(n_samples, n_fft=n_fft, center=center, max_cells=max_cells)
        raise ValueError(
            f"hop_length={hop_length} would make {cells:,} cells, more than {max_cells:,}; "
            f"hop_length={fits} fits"
        )
    return cells
