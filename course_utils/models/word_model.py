"""A network together with what it needs to hear: transform, statistics and the words."""

import dataclasses
import hashlib
import json
import math
import os
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils.models.cnn import WordCNN
from course_utils.models.features import Normalize, Scale, WordFeatures
from course_utils.signal import MelParams, resample
from course_utils.signal._checks import check_positive_int, check_waveform

FORMAT, VERSION = "seeing-sound word model", 1
MAX_BYTES = 20_000_000  # of a file, also when unpacked: ours has 0.3 MB
N_SAMPLES = 16000  # one second: what the network was shown
_CHUNK = 256  # clips that are read at once
_KEYS = {
    "format", "version", "label_names", "params", "features", "statistics", "network", "weights",
    "versions", "fingerprint",
}  # fmt: skip


class WordModelError(ValueError):
    """A file that is not a word model of this course, or not the one that was expected."""


class Prediction(NamedTuple):
    """What the model says about one sound."""

    label: str
    probabilities: dict[str, float]  # most likely first; they add up to 1
    picture: Tensor  # what the network saw, (n_mels, n_frames)

    def top(self, n: int = 3) -> list[tuple[str, float]]:
        """The ``n`` most likely words with their probabilities, most likely first."""
        return list(self.probabilities.items())[: check_positive_int(n, "n")]


class WordModel:
    """From a waveform to a word, with everything in between.

    Args:
        label_names: The words, in the order of the network's scores.
        features: Waveform -> picture; ``None`` takes the course's.
        network: Picture -> scores; ``None`` takes an untrained one.
        seed: Seed of that untrained network.

    Raises:
        ValueError: If the words are not as many as the scores, or one is there twice.

    Notebook: 06_cnn.ipynb.
    """

    def __init__(
        self,
        label_names: Sequence[str],
        *,
        features: WordFeatures | None = None,
        network: WordCNN | None = None,
        seed: int = 0,
    ) -> None:
        self.label_names = _check_label_names(label_names)
        n_classes = len(self.label_names)
        self.features = WordFeatures() if features is None else features
        n_mels = self.features.params.n_mels
        self.network = WordCNN(n_classes, n_mels, seed=seed) if network is None else network
        if (self.network.n_classes, self.network.n_mels) != (n_classes, n_mels):
            raise ValueError(
                f"the network gives {self.network.n_classes} scores for {self.network.n_mels} mel "
                f"bands, but there are {n_classes} words and {n_mels} bands"
            )

    @torch.no_grad()
    def logits(self, waveforms: Tensor) -> Tensor:
        """Score seconds of sound, ``(n_clips, time)``, with ``(n_clips, n_classes)``.

        A clip's scores do not depend on the others. Nothing is learned here.
        """
        check_waveform(waveforms)
        if waveforms.ndim != 2:
            raise ValueError(f"waveforms must have shape (n_clips, time), {_got(waveforms)}")
        pictures = [self.features(chunk) for chunk in waveforms.split(_CHUNK)]
        return self.read(torch.cat(pictures))

    @torch.no_grad()
    def read(self, pictures: Tensor) -> Tensor:
        """Score pictures ``(n_clips, n_mels, n_frames)`` that :attr:`features` made."""
        was_training = self.network.training
        self.network.eval()
        scores = [self.network(chunk[:, None]) for chunk in pictures.split(_CHUNK)]
        self.network.train(was_training)
        return torch.cat(scores)

    def predict(self, waveform: Tensor, sample_rate: int = 16000) -> Prediction:
        """Say which word one sound is.

        Another sample rate is converted, and a sound that is not one second long is padded or
        cut around the middle of its energy.

        Args:
            waveform: Samples of one channel, shape ``(time,)``.
            sample_rate: Samples per second, in Hz.

        Returns:
            The word, the probabilities of all words, and the picture that was read.

        Raises:
            ValueError: If there is no sample, or more than one channel.
        """
        check_waveform(waveform)
        if waveform.ndim != 1 or waveform.shape[0] == 0:
            raise ValueError(f"waveform must have shape (time,), {_got(waveform)}")
        rate = self.features.params.sample_rate
        second = resample(waveform.float(), sample_rate=sample_rate, new_sample_rate=rate)
        picture = self.features(_one_second(second))
        shares = self.read(picture[None])[0].softmax(-1)  # (n_classes,)
        order = shares.argsort(descending=True, stable=True).tolist()
        probabilities = {self.label_names[i]: shares[i].item() for i in order}
        return Prediction(self.label_names[order[0]], probabilities, picture)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model into one file: weights, settings, statistics, words and versions.

        The file is complete or not there: a crash leaves the one that was there before.
        """
        content = self._content()
        content["fingerprint"] = _fingerprint(content)
        content["versions"] = {"torch": str(torch.__version__)}
        path = Path(path)
        part = path.with_name(path.name + ".part")
        torch.save(content, part)
        os.replace(part, path)
        return path

    def _content(self) -> dict[str, object]:
        features, network = self.features, self.network
        return {
            "format": FORMAT,
            "version": VERSION,
            "label_names": list(self.label_names),
            "params": dataclasses.asdict(features.params),
            "features": features.settings(),
            "statistics": {"mean": features.mean.item(), "std": features.std.item()},
            "network": {"channels": list(network.channels)},
            "weights": {k: v.detach().clone() for k, v in network.state_dict().items()},
        }


def load_word_model(
    path: str | os.PathLike[str],
    *,
    params: MelParams | None = None,
    label_names: Sequence[str] | None = None,
) -> WordModel:
    """Read a model that :meth:`WordModel.save` wrote, and believe nothing in the file.

    No code in the file is ever run, and every part is checked: the settings, the words, each
    weight's name and shape, and that they belong together.

    Args:
        path: The file.
        params: If given, the model must hear with exactly these settings.
        label_names: If given, the model must know exactly these words, in this order.

    Returns:
        The model, with the network ready to predict.

    Raises:
        WordModelError: If anything is not as it should be; one sentence says what.

    Notebook: 06_cnn.ipynb.
    """
    name = Path(path).name
    try:
        content = _read(Path(path))
        model = _rebuild(content)
        _check_expected(model, params, label_names)
    except WordModelError as problem:
        raise WordModelError(f"{name} {problem}") from None
    return model


def _read(path: Path) -> dict[str, object]:
    """Unpack a file of bounded size without running anything in it."""
    _check_file(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as problem:  # torch raises whatever a broken pickle makes it raise
        raise WordModelError(
            "is damaged or holds more than numbers and names, so it was not opened; "
            "train the model again, or take the file from where it came once more"
        ) from problem
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise WordModelError("is not a word model of this course; WordModel.save writes one")
    if content.get("version") != VERSION:
        raise WordModelError(
            f"has version {content.get('version')!r}, this course reads version {VERSION}; "
            "train the model again"
        )
    if set(content) != _KEYS:
        wrong = sorted(map(str, set(content) ^ _KEYS))
        raise WordModelError(f"lacks or adds {', '.join(wrong)}; train the model again")
    return content


def _check_file(path: Path) -> None:
    """Raise unless ``path`` is a plain zip file that stays small when it is unpacked."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise WordModelError("is not a file; give the path that WordModel.save returned")
        with zipfile.ZipFile(path) as archive:
            size = max(path.stat().st_size, sum(entry.file_size for entry in archive.infolist()))
    except FileNotFoundError:
        raise WordModelError(
            "is not there; train a model and save it, or look for a typing error"
        ) from None
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as problem:
        if isinstance(problem, WordModelError):
            raise
        raise WordModelError(
            "is damaged, or no word model at all; WordModel.save writes one"
        ) from None
    if size > MAX_BYTES:
        raise WordModelError(f"holds {size:,} bytes, a word model has at most {MAX_BYTES:,}")


def _rebuild(content: dict[str, object]) -> WordModel:
    """Make the model that the content describes, and check every part on the way."""
    try:
        features = WordFeatures(MelParams(**content["params"]), **content["features"])
        label_names = _check_label_names(content["label_names"])
        channels = _check_channels(content["network"]["channels"])
        network = WordCNN(len(label_names), features.params.n_mels, channels)
        mean, std = (float(content["statistics"][key]) for key in ("mean", "std"))
    except (TypeError, ValueError, KeyError, AttributeError) as problem:
        raise WordModelError(
            f"has settings that fit no model ({problem}); train the model again"
        ) from None
    if features.normalize == "data set" and not (math.isfinite(mean) and std >= 0):
        raise WordModelError("lacks the data set's mean and std; train the model again")
    features.mean.fill_(mean)
    features.std.fill_(std)
    _load_weights(network, content["weights"])
    if content["fingerprint"] != _fingerprint(content):
        raise WordModelError(
            "was changed: its settings do not belong to its weights; train the model again"
        )
    network.eval()
    return WordModel(label_names, features=features, network=network)


def _load_weights(network: WordCNN, weights: object) -> None:
    """Copy weights whose names, shapes and types are the network's own."""
    wanted = network.state_dict()
    if not isinstance(weights, dict) or set(weights) != set(wanted):
        raise WordModelError("has the weights of another network; train the model again")
    for name, own in wanted.items():
        given = weights[name]
        same = isinstance(given, Tensor) and given.layout == torch.strided
        if not same or given.shape != own.shape or given.dtype != own.dtype:
            raise WordModelError(f"has a wrong weight {name!r}; train the model again")
        if not given.isfinite().all():
            raise WordModelError(f"has NaN or infinity in {name!r}; train the model again")
    network.load_state_dict(weights)


def _check_expected(
    model: WordModel, params: MelParams | None, label_names: Sequence[str] | None
) -> None:
    """Raise if the model hears with other settings, or knows other words, than asked for."""
    if params is not None and model.features.params != params:
        ours, theirs = dataclasses.asdict(params), dataclasses.asdict(model.features.params)
        different = ", ".join(
            f"{key}={theirs[key]!r} instead of {ours[key]!r}"
            for key in ours
            if ours[key] != theirs[key]
        )
        raise WordModelError(
            f"was trained with {different}; load it without params, or train one with yours"
        )
    if label_names is not None and model.label_names != tuple(label_names):
        raise WordModelError(
            f"knows the words {', '.join(model.label_names)} and not {', '.join(label_names)}; "
            "load it without label_names, or train one with yours"
        )


def _check_label_names(label_names: object) -> tuple[str, ...]:
    """Return the words as a tuple if there are at least two, all different and not empty."""
    if isinstance(label_names, str) or not isinstance(label_names, Sequence):
        raise ValueError(f"label_names={label_names!r} must be a list of words")
    names = tuple(label_names)
    if len(names) < 2 or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"label_names={names} must be at least two words")
    if len(set(names)) < len(names):
        raise ValueError(f"label_names={names} must be different from each other")
    return names


def _check_channels(channels: object) -> tuple[int, ...]:
    """Return the channels if they are few and small: a file must not ask for much memory."""
    numbers = tuple(check_positive_int(n, "channels") for n in channels)
    if not 1 <= len(numbers) <= 8 or max(numbers) > 512:
        raise ValueError(f"channels={numbers} must be 1 to 8 numbers of at most 512")
    return numbers


def _fingerprint(content: dict[str, object]) -> str:
    """Condense everything that decides what the model says into 64 letters (SHA-256)."""
    parts = ("version", "label_names", "params", "features", "statistics", "network")
    digest = hashlib.sha256(json.dumps([content[key] for key in parts]).encode())
    for name, weight in sorted(content["weights"].items()):
        digest.update(name.encode())
        digest.update(weight.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _one_second(waveform: Tensor, n_samples: int = N_SAMPLES) -> Tensor:
    """Pad with silence, or cut around the middle of the energy, to ``(n_samples,)``."""
    missing = n_samples - waveform.shape[-1]
    if missing >= 0:
        left = missing // 2
        return torch.nn.functional.pad(waveform, (left, missing - left))
    start = int(_loudest_start(waveform, n_samples))
    return waveform[start : start + n_samples]


def _loudest_start(waveform: Tensor, n_samples: int) -> Tensor:
    """Find where the stretch of ``n_samples`` with the most energy begins."""
    energy = waveform.double().square().cumsum(-1)
    energy = torch.nn.functional.pad(energy, (1, 0))  # energy before each sample
    return (energy[n_samples:] - energy[:-n_samples]).argmax()


def _got(tensor: Tensor) -> str:
    return f"got {tuple(tensor.shape)}"


__all__ = [
    "MelParams",
    "Normalize",
    "Prediction",
    "Scale",
    "WordModel",
    "WordModelError",
    "load_word_model",
]
