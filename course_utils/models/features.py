"""What the network sees of a second of sound: 16 000 samples become a picture of 64 x 32."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from course_utils.signal import (
    LogMelSpectrogram,
    MelParams,
    fft_freqs_hz,
    power_to_db,
    standardize,
)
from course_utils.signal._checks import check_choice, check_float_tensor, check_waveform

FrequencyAxis = Literal["mel", "linear"]
Scale = Literal["db", "magnitude", "power"]
Normalize = Literal["per clip", "data set", "none"]


def energy_centre(waveform: Tensor) -> Tensor:
    r"""Find the middle of the energy, :math:`\sum_n n\,x[n]^2 / \sum_n x[n]^2`.

    Args:
        waveform: Samples, shape ``(..., time)``.

    Returns:
        A place in samples, shape ``(...,)``; the middle of the clip where it is silent.

    Source: the centre of mass.  Notebook: 06_cnn.ipynb.
    """
    check_waveform(waveform)
    n_samples = waveform.shape[-1]
    loudest = waveform.abs().amax(dim=-1, keepdim=True)
    energy = (waveform / torch.where(loudest > 0, loudest, 1.0)).square()
    energy = torch.where(loudest > 0, energy, 1.0)  # silence: as much here as there
    places = torch.arange(n_samples, dtype=waveform.dtype, device=waveform.device)
    return (energy * places).sum(-1) / energy.sum(-1)


def roll_samples(waveform: Tensor, by: Tensor) -> Tensor:
    """Move each waveform later by its own number of samples; the end comes back in front.

    Args:
        waveform: Samples, shape ``(..., time)``.
        by: Whole numbers of samples, shape ``(...,)``; negative is earlier.

    Returns:
        Waveform, same shape.
    """
    places = torch.arange(waveform.shape[-1], device=waveform.device)
    source = (places - by[..., None]) % waveform.shape[-1]  # (..., time)
    return waveform.gather(-1, source.expand(waveform.shape))


def centre_by_energy(waveform: Tensor) -> Tensor:
    """Move each word so that the middle of its energy is in the middle of the clip.

    What falls off at one end comes back at the other: the hiss of the room goes on, where
    digital silence would draw an edge into the picture that no word has.

    Args:
        waveform: Samples, shape ``(..., time)``.

    Returns:
        Waveform, same shape.

    Notebook: 06_cnn.ipynb.
    """
    middle = (waveform.shape[-1] - 1) / 2
    return roll_samples(waveform, (middle - energy_centre(waveform)).round().long())


def linear_filterbank(params: MelParams) -> Tensor:
    """Make triangles whose centres are equally far apart in Hz, as many as ``params.n_mels``.

    They have height 1, as the mel triangles have: only their places differ.

    Args:
        params: The settings of the spectrogram.

    Returns:
        Weights, shape ``(n_freqs, n_mels)``, from ``f_min`` to ``f_max``.

    Source: torchaudio.functional.linear_fbanks.  Notebook: 07_tuning.ipynb.
    """
    highest = params.sample_rate / 2.0 if params.f_max is None else params.f_max
    edges = torch.linspace(params.f_min, highest, params.n_mels + 2, dtype=torch.float64)
    freqs = fft_freqs_hz(params.n_fft, sample_rate=params.sample_rate)[:, None]  # (n_freqs, 1)
    step = edges[1] - edges[0]
    distance = (freqs - edges[1:-1]).abs() / step  # (n_freqs, n_mels): 0 at the centre, 1 outside
    return (1.0 - distance).clamp(min=0.0).to(torch.float32)


class WordFeatures(nn.Module):
    """Turn seconds of sound into the pictures that the network reads.

    centre by energy -> mel power -> decibels -> zero mean and unit variance. In the middle,
    between :meth:`mel_power` and :meth:`picture`, augmentation has its place.

    Args:
        params: The settings of the mel spectrogram; ``None`` takes the course's.
        frequency_axis: "mel", or "linear" for as many bands that are equally wide in Hz.
        scale: "db", or "power" or "magnitude" to see what leaving out the decibels costs.
        normalize: "per clip" measures every clip by itself; "data set" uses the two numbers
            that :meth:`measure` found in the training set; "none" leaves the values alone.
        centre: Whether each word is moved into the middle of its clip first.

    Raises:
        ValueError: If a choice is not known, or ``params`` do not ask for power.

    Notebook: 06_cnn.ipynb.
    """

    def __init__(
        self,
        params: MelParams | None = None,
        *,
        frequency_axis: FrequencyAxis = "mel",
        scale: Scale = "db",
        normalize: Normalize = "per clip",
        centre: bool = True,
    ) -> None:
        super().__init__()
        check_choice(frequency_axis, "frequency_axis", get_args(FrequencyAxis))
        check_choice(scale, "scale", get_args(Scale))
        check_choice(normalize, "normalize", get_args(Normalize))
        check_choice(centre, "centre", (True, False))
        self.log_mel = LogMelSpectrogram(params)
        if self.params.power != 2.0:
            raise ValueError(
                f"params.power={self.params.power} must be 2.0: here «scale» says what is seen"
            )
        if frequency_axis == "linear":
            self.log_mel.mel_spectrogram.mel_scale.fb.copy_(linear_filterbank(self.params))
        self.frequency_axis = frequency_axis
        self.scale, self.normalize, self.centre = scale, normalize, bool(centre)
        self.register_buffer("mean", torch.tensor(float("nan")))
        self.register_buffer("std", torch.tensor(float("nan")))

    @property
    def params(self) -> MelParams:
        """The settings of the mel spectrogram."""
        return self.log_mel.params

    def mel_power(self, waveform: Tensor) -> Tensor:
        """Measure the power in each mel band, not yet in decibels.

        Args:
            waveform: Samples, shape ``(..., time)``, float32.

        Returns:
            Power, shape ``(..., n_mels, n_frames)``; 16 000 samples become 64 x 32.

        Raises:
            TypeError: If the waveform is not float32.
            ValueError: If it is too short for ``n_fft``.
        """
        check_waveform(waveform)
        if waveform.shape[-1] <= self.params.n_fft // 2:
            raise ValueError(
                f"n_fft={self.params.n_fft} needs more than {self.params.n_fft // 2} samples, "
                f"the waveform has {waveform.shape[-1]}"
            )
        if waveform.dtype != torch.float32:
            raise TypeError(f"waveform is {waveform.dtype}, the network reads torch.float32")
        if self.centre:
            waveform = centre_by_energy(waveform)
        return self.log_mel.mel_spectrogram(waveform)

    def picture(self, mel_power: Tensor) -> Tensor:
        """Scale and normalise power, shape ``(..., n_mels, n_frames)``, for the network."""
        return self._normalized(self._scaled(mel_power))

    def forward(self, waveform: Tensor) -> Tensor:
        """Turn samples ``(..., time)`` into pictures ``(..., n_mels, n_frames)``."""
        return self.picture(self.mel_power(waveform))

    @torch.no_grad()
    def measure(self, mel_power: Tensor) -> None:
        """Keep mean and standard deviation of a training set ``(n_clips, n_mels, n_frames)``."""
        scaled = self._scaled(mel_power)
        self.mean.copy_(scaled.mean())
        self.std.copy_(scaled.std(unbiased=False))

    def settings(self) -> dict[str, object]:
        """Everything but ``params`` that makes the same features again.

        A mel axis goes without saying: so model files from before there was a choice stay valid.
        """
        axis = {} if self.frequency_axis == "mel" else {"frequency_axis": self.frequency_axis}
        return axis | {"scale": self.scale, "normalize": self.normalize, "centre": self.centre}

    def _scaled(self, mel_power: Tensor) -> Tensor:
        check_float_tensor(mel_power, "mel_power", min_dims=2, shape="(..., n_mels, n_frames)")
        if self.scale == "db":
            return power_to_db(mel_power, top_db=self.params.top_db)
        return mel_power if self.scale == "power" else mel_power.sqrt()

    def _normalized(self, scaled: Tensor) -> Tensor:
        if self.normalize == "none":
            return scaled
        if self.normalize == "per clip":
            return standardize(scaled)
        if self.mean.isnan():
            raise ValueError("normalize='data set' has no numbers yet: call measure() first")
        return standardize(scaled, mean=self.mean, std=self.std)

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        return ", ".join(f"{name}={value!r}" for name, value in self.settings().items())
