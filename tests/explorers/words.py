"""A small model that knows two «words», and clips of them: for tests of what shows a network."""

import torch

from course_utils.data.spoken_words import SpokenWords
from course_utils.models.augment import Augmentation
from course_utils.models.train import TrainingSettings, fit
from course_utils.models.word_model import WordModel

LABELS = ("low", "high", "noise")


def make_clips(n_clips: int, *, seed: int) -> SpokenWords:
    """Low tones, high tones and hiss, each somewhere in its second, by two «speakers»."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n_clips) % len(LABELS)
    times_s = torch.arange(16000) / 16000
    middle_s = 0.5 + 0.15 * (2 * torch.rand(n_clips, 1, generator=generator) - 1)
    shape = torch.exp(-(((times_s - middle_s) / 0.1) ** 2))
    freqs_hz = torch.tensor([350.0, 1800.0, 0.0])[labels][:, None]
    tone = torch.sin(2 * torch.pi * freqs_hz * times_s)
    hiss = 0.4 * torch.randn(n_clips, 16000, generator=generator)
    sound = torch.where(labels[:, None] == 2, hiss, tone)
    background = 0.003 * torch.randn(n_clips, 16000, generator=generator)
    return SpokenWords(
        waveforms=(0.5 * shape * sound + background).clamp(-1.0, 1.0),
        labels=labels,
        speakers=tuple(f"voice {i % 2}" for i in range(n_clips)),
        names=tuple(f"{LABELS[i % 3]}/{i:02d}.flac" for i in range(n_clips)),
        label_names=LABELS,
        origin="tones and hiss, made by a test",
    )


def make_model(words: SpokenWords) -> WordModel:
    """A model that tells these three apart, trained in about a second."""
    model = WordModel(LABELS)
    settings = TrainingSettings(n_epochs=6, batch_size=8, augmentation=Augmentation.none())
    fit(model, words, None, settings=settings)
    return model
