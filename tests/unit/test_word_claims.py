"""What lesson 06 claims, measured again in small: the direction of each claim must hold.

docs/results.md has the whole measurement. Here a quarter of the bundled training voices trains for
ten epochs, which takes two seconds, and is tested on engines that it never heard.
"""

import dataclasses

import pytest
import torch

from course_utils.data.bundled_words import load_bundled_words
from course_utils.data.spoken_words import split_at_random, split_by_speaker
from course_utils.models.augment import Augmentation, add_noise, add_room
from course_utils.models.evaluate import accuracy
from course_utils.models.features import WordFeatures
from course_utils.models.train import TrainingSettings, fit
from course_utils.models.word_model import WordModel

N_EPOCHS = 10
HELD_OUT = ("pico", "rhvoice")


@pytest.fixture(scope="module")
def bundled():
    return load_bundled_words()


@pytest.fixture(scope="module")
def held_out(bundled):
    """Clips of engines that are not in the training voices."""
    return of_engines(bundled, HELD_OUT)


def of_engines(words, engines):
    return words[torch.tensor([name.partition("/")[0] in engines for name in words.speakers])]


def trained(words, augmentation=None, **features):
    model = WordModel(words.label_names, features=WordFeatures(**features), seed=0)
    augmentation = Augmentation.none() if augmentation is None else augmentation
    fit(model, words, None, settings=TrainingSettings(n_epochs=N_EPOCHS, augmentation=augmentation))
    return model


@pytest.fixture(scope="module")
def few():
    return load_bundled_words("train")[::4]


@pytest.fixture(scope="module")
def plain(few):
    """Trained on decibels, standardised clip by clip, without augmentation."""
    return trained(few)


def test_held_out_engines_are_held_out(few):
    assert not {name.partition("/")[0] for name in few.speakers} & set(HELD_OUT)


def test_decibels_beat_raw_power(few, plain, held_out):
    power = trained(few, scale="power")
    assert accuracy(plain, held_out) > accuracy(power, held_out) + 0.2


def test_a_quieter_clip_is_lost_without_normalisation_and_heard_with_it(few, plain, held_out):
    quieter = dataclasses.replace(held_out, waveforms=0.01 * held_out.waveforms)  # 40 dB
    unnormalised = trained(few, normalize="none")
    assert accuracy(unnormalised, quieter) < accuracy(unnormalised, held_out) - 0.15
    assert accuracy(plain, quieter) > accuracy(plain, held_out) - 0.1


def test_augmentation_helps_where_the_room_and_the_noise_are_new(few, plain, held_out):
    generator = torch.Generator().manual_seed(1)
    waveforms = add_room(held_out.waveforms, generator=generator)
    waveforms = add_noise(waveforms, snr_db=(0.0, 15.0), generator=generator)
    elsewhere = dataclasses.replace(held_out, waveforms=waveforms)
    augmented = trained(few, Augmentation())
    assert accuracy(augmented, elsewhere) > accuracy(plain, elsewhere) + 0.03


def test_a_random_split_flatters(bundled):
    """The same clips, counts, network and budget: only whose voices are in the test differs."""
    words = of_engines(bundled, ("flite", "festival", "hibari", *HELD_OUT))

    def score(split):
        train, _, test = split(words, shares=(0.6, 0.0, 0.4), seed=0)
        return accuracy(trained(train), test)

    assert score(split_at_random) > score(split_by_speaker) + 0.05
