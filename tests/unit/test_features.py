"""What the network sees: 64 x 32, centred, in decibels, standardised."""

import pytest
import torch

from course_utils.models.features import (
    WordFeatures,
    centre_by_energy,
    energy_centre,
    roll_samples,
)
from course_utils.signal import LogMelSpectrogram, MelParams, make_click, make_tone, standardize


def word(starts_s=0.1):
    """A short tone in a quiet hiss, shape (16000,)."""
    hiss = 1e-3 * torch.randn(16000, generator=torch.Generator().manual_seed(1))
    start = round(starts_s * 16000)
    hiss[start : start + 4000] += make_tone(700.0, duration_s=0.25)
    return hiss


# --------------------------------------------------------------------------- the centre


@pytest.mark.parametrize("place_s", [0.0, 0.2, 0.9])
def test_the_energy_of_a_click_is_where_it_is(place_s):
    assert energy_centre(make_click(place_s)).item() == pytest.approx(place_s * 16000, abs=0.1)


def test_the_middle_of_two_clicks_is_drawn_to_the_louder_one():
    waveform = torch.zeros(1000)
    waveform[100], waveform[500] = 1.0, 2.0  # energies 1 and 4
    assert energy_centre(waveform).item() == pytest.approx((100 * 1 + 500 * 4) / 5)


@pytest.mark.parametrize("scale", [1.0, 1e-15, 1e15])
def test_the_place_does_not_depend_on_the_level(scale):
    waveform = word()
    expected = energy_centre(waveform).item()
    assert energy_centre(scale * waveform).item() == pytest.approx(expected, rel=1e-3)


def test_silence_has_its_middle_in_the_middle():
    assert energy_centre(torch.zeros(1001)).item() == pytest.approx(500.0)
    assert torch.equal(centre_by_energy(torch.zeros(2, 1000)), torch.zeros(2, 1000))


@pytest.mark.parametrize("starts_s", [0.0, 0.3, 0.75])
def test_a_word_comes_to_the_middle_wherever_it_was(starts_s):
    centred = centre_by_energy(word(starts_s))
    assert energy_centre(centred).item() == pytest.approx(7999.5, abs=20)


def test_what_falls_off_comes_back_at_the_other_end():
    numbers = torch.arange(5.0).expand(3, 5)
    rolled = roll_samples(numbers, torch.tensor([0, 2, -1]))
    assert rolled.tolist() == [[0, 1, 2, 3, 4], [3, 4, 0, 1, 2], [1, 2, 3, 4, 0]]
    assert centre_by_energy(word()).sort().values.equal(word().sort().values)


# -------------------------------------------------------------------------- the pictures


@pytest.mark.parametrize("lead", [(), (3,), (2, 1)])
def test_a_second_becomes_64_by_32(lead):
    assert WordFeatures()(torch.randn(*lead, 16000)).shape == (*lead, 64, 32)


def test_the_numbers_are_those_of_the_chain():
    waveform = word()
    expected = standardize(LogMelSpectrogram()(centre_by_energy(waveform)))
    assert torch.equal(WordFeatures()(waveform), expected)
    uncentred = standardize(LogMelSpectrogram()(waveform))
    assert torch.equal(WordFeatures(centre=False)(waveform), uncentred)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("normalize", ["per clip", "data set", "none"])
def test_a_clip_does_not_depend_on_its_batch_mates(training, normalize):
    features = WordFeatures(normalize=normalize).train(training)
    features.measure(features.mel_power(torch.randn(4, 16000)))
    loud = 1e6 * torch.randn(16000)
    together = features(torch.stack([loud, word(), loud]))
    torch.testing.assert_close(together[1], features(word()), rtol=1e-5, atol=1e-5)


def test_per_clip_pictures_do_not_depend_on_the_level():
    features = WordFeatures()
    torch.testing.assert_close(features(0.01 * word()), features(word()), rtol=0, atol=1e-3)
    assert features(word()).mean().abs() < 1e-5
    assert features(word()).std(unbiased=False).item() == pytest.approx(1.0, abs=1e-5)


def test_the_scales_are_those_of_one_power():
    waveform = word()
    power, magnitude, db = (
        WordFeatures(scale=scale, normalize="none")(waveform)
        for scale in ("power", "magnitude", "db")
    )
    torch.testing.assert_close(magnitude**2, power)
    torch.testing.assert_close(db.max(), 10 * power.max().log10())


def test_statistics_of_the_data_set_are_those_of_its_decibels():
    features = WordFeatures(normalize="data set")
    clips = torch.stack([word(), 0.1 * word(0.5)])
    with pytest.raises(ValueError, match="measure"):
        features(clips)
    features.measure(features.mel_power(clips))
    pictures = features(clips)
    assert pictures.mean().abs() < 1e-4
    assert pictures.std(unbiased=False).item() == pytest.approx(1.0, abs=1e-4)
    quieter = WordFeatures(normalize="data set")
    quieter.load_state_dict(features.state_dict())
    assert torch.equal(quieter(clips), pictures)


def test_silence_is_a_picture_without_nan():
    for normalize in ("per clip", "none"):
        assert WordFeatures(normalize=normalize)(torch.zeros(16000)).isfinite().all()


def test_other_settings_give_other_pictures():
    params = MelParams(n_mels=40, hop_length=160, n_fft=400)
    assert WordFeatures(params)(torch.randn(16000)).shape == (40, 101)
    assert WordFeatures().settings() == {"scale": "db", "normalize": "per clip", "centre": True}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"scale": "log"}, "scale='log'"),
        ({"normalize": "batch"}, "normalize='batch'"),
        ({"centre": "yes"}, "centre='yes'"),
        ({"params": MelParams(power=1.0)}, r"power=1\.0"),
    ],
)
def test_an_unknown_setting_is_named(settings, says):
    with pytest.raises(ValueError, match=says):
        WordFeatures(**settings)


def test_too_short_a_sound_and_another_dtype_are_named():
    with pytest.raises(ValueError, match="more than 512 samples"):
        WordFeatures()(torch.randn(512))
    with pytest.raises(TypeError, match="float64"):
        WordFeatures()(torch.randn(16000, dtype=torch.float64))
    with pytest.raises(TypeError, match="mel_power"):
        WordFeatures().picture([1.0])
