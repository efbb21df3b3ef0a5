"""The truth about course_utils.signal.decibel."""

import librosa
import pytest
import torch
import torchaudio

from course_utils.signal import (
    amplitude_to_db,
    db_to_amplitude,
    db_to_power,
    mel_spectrogram,
    power_spectrogram,
    power_to_db,
)
from tests.unit.compare import assert_leading_dims, assert_near

TO_DB = [power_to_db, amplitude_to_db]


# ---------------------------------------------------------------- against the references


@pytest.mark.parametrize("top_db", [80.0, 20.0, 0.0, None])
@pytest.mark.parametrize("ref", [1.0, 3.7, 1e-4])
@pytest.mark.parametrize("amin", [1e-10, 1e-5])
def test_power_to_db_equals_librosa_and_torchaudio(sound, ref, amin, top_db):
    power_spec = power_spectrogram(sound)
    ours = power_to_db(power_spec, ref=ref, amin=amin, top_db=top_db)
    theirs = librosa.power_to_db(power_spec.numpy(), ref=ref, amin=amin, top_db=top_db)
    assert_near(ours, theirs, relative=1e-12)
    theirs = torchaudio.functional.amplitude_to_DB(
        power_spec[None, None],  # 4-D: with three dimensions, one peak for the whole batch
        multiplier=10.0,
        amin=amin,
        db_multiplier=torch.tensor(ref, dtype=torch.float64).log10().item(),
        top_db=top_db,
    )[0, 0]
    assert_near(ours, theirs, relative=1e-6)
    in_single = power_to_db(power_spec.float(), ref=ref, amin=amin, top_db=top_db)
    assert in_single.dtype == torch.float32
    assert_near(in_single, ours, relative=1e-4)


@pytest.mark.parametrize("top_db", [80.0, 20.0, None])
@pytest.mark.parametrize(("ref", "amin"), [(1.0, 1e-5), (2.5, 1e-5), (1e-2, 1e-3)])
def test_amplitude_to_db_equals_librosa(sound, ref, amin, top_db):
    magnitude = power_spectrogram(sound, power=1.0)
    ours = amplitude_to_db(magnitude, ref=ref, amin=amin, top_db=top_db)
    theirs = librosa.amplitude_to_db(magnitude.numpy(), ref=ref, amin=amin, top_db=top_db)
    assert_near(ours, theirs, relative=1e-12)


@pytest.mark.parametrize("ref", [1.0, 3.7])
def test_the_ways_back_equal_librosa(noise, ref):
    db = power_to_db(power_spectrogram(noise), ref=ref, top_db=None)
    assert_near(db_to_power(db, ref=ref), librosa.db_to_power(db.numpy(), ref=ref), relative=1e-12)
    theirs = librosa.db_to_amplitude(db.numpy(), ref=ref)
    assert_near(db_to_amplitude(db, ref=ref), theirs, relative=1e-12)


@pytest.mark.parametrize("to_db", TO_DB)
def test_defaults_are_those_of_librosa(noise, to_db):
    spec = power_spectrogram(noise)
    theirs = getattr(librosa, to_db.__name__)(spec.numpy())
    assert_near(to_db(spec), theirs, relative=1e-12)


# ---------------------------------------------------------------- known answers


def test_ten_times_the_power_is_ten_decibels_and_ten_times_the_amplitude_twenty():
    steps = torch.tensor([1.0, 10.0, 100.0, 0.5], dtype=torch.float64)
    assert_near(power_to_db(steps), torch.tensor([0, 10, 20, -3.010299956639812]), relative=1e-7)
    assert_near(amplitude_to_db(steps), 2 * power_to_db(steps), relative=1e-12)


def test_power_of_an_amplitude_has_the_same_decibels(noise):
    magnitude = power_spectrogram(noise, power=1.0)
    assert_near(amplitude_to_db(magnitude), power_to_db(magnitude**2), relative=1e-12)


def test_zero_becomes_amin_and_the_range_is_kept():
    db = power_to_db(torch.tensor([[0.0, 1.0], [1e-3, 1e-20]]), top_db=None)
    assert db.flatten().tolist() == pytest.approx([-100.0, 0.0, -30.0, -100.0], abs=1e-5)
    db = power_to_db(torch.tensor([[0.0, 1.0], [1e-3, 1e-20]]), top_db=40.0)
    assert db.flatten().tolist() == pytest.approx([-40.0, 0.0, -30.0, -40.0], abs=1e-5)


@pytest.mark.parametrize(("to_db", "back"), [(TO_DB[0], db_to_power), (TO_DB[1], db_to_amplitude)])
def test_there_and_back(noise, to_db, back):
    spec = power_spectrogram(noise) + 1e-9
    assert_near(back(to_db(spec, ref=0.3, amin=1e-20, top_db=None), ref=0.3), spec, relative=1e-12)


# ---------------------------------------------------------------- shapes and batches


@pytest.mark.parametrize("function", [*TO_DB, db_to_power, db_to_amplitude])
def test_shapes(noise, function):
    spec = mel_spectrogram(noise, sample_rate=16000)
    assert assert_leading_dims(function, spec).shape == (64, 32)
    assert function(spec[:, 0]).shape == (64,)
    assert function(spec[0, 0]).shape == ()


@pytest.mark.parametrize("to_db", TO_DB)
@pytest.mark.parametrize("lead", [(), (1,)], ids=["batch", "batch and channel"])
def test_loud_item_does_not_lift_a_quiet_one(noise, to_db, lead):
    """The clamp to top_db must look at each item's own peak.

    torchaudio's AmplitudeToDB takes one peak over a (batch, freq, time) tensor: beside an
    item 1e8 times louder, a quiet one is lifted to a flat grey 80 dB below the loud one.
    """
    quiet = power_spectrogram(noise).reshape(*lead, 513, 32)
    batch = to_db(torch.stack([1e16 * quiet, quiet]))
    assert torch.equal(batch[1], to_db(quiet))
    assert torch.equal(batch[0], to_db(1e16 * quiet))
    theirs = torchaudio.transforms.AmplitudeToDB(stype="power", top_db=80.0)
    lifted = theirs(torch.stack([1e16 * quiet, quiet]).reshape(2, 513, 32))
    assert (lifted[1] - power_to_db(quiet)[..., :, :]).abs().max() > 40  # the trap is still there


@pytest.mark.parametrize("function", [*TO_DB, db_to_power, db_to_amplitude])
def test_gradient(function):
    values = (torch.rand(3, 4, dtype=torch.float64) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(function, values)


@pytest.mark.parametrize("to_db", TO_DB)
def test_gradient_of_silence_is_a_number(to_db):
    silence = torch.zeros(3, 4, requires_grad=True)
    to_db(silence).sum().backward()
    assert torch.isfinite(silence.grad).all()


# ---------------------------------------------------------------- bad arguments


@pytest.mark.parametrize("to_db", TO_DB)
@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"ref": 0.0}, "ref=0.0 must be a positive number"),
        ({"ref": -1.0}, "ref=-1.0"),
        ({"ref": float("nan")}, "ref=nan"),
        ({"ref": "max"}, "ref='max'"),
        ({"amin": 0}, "amin=0 must be a positive number"),
        ({"amin": 1e-60}, "amin=1e-.*too small for"),
        ({"top_db": -1.0}, r"top_db=-1\.0 must be at least 0 dB, or None"),
        ({"top_db": "80"}, "top_db='80'"),
    ],
)
def test_to_db_names_the_bad_argument(to_db, kwargs, match):
    with pytest.raises(ValueError, match=match):
        to_db(torch.ones(2, 3), **kwargs)


@pytest.mark.parametrize("back", [db_to_power, db_to_amplitude])
def test_the_ways_back_name_the_bad_argument(back):
    with pytest.raises(ValueError, match="ref=0 must be a positive number"):
        back(torch.ones(2, 3), ref=0)
    with pytest.raises(TypeError, match=r"db must be a torch\.Tensor, got float"):
        back(3.0)


@pytest.mark.parametrize("to_db", TO_DB)
def test_to_db_of_a_complex_spectrogram_says_what_to_do(to_db):
    with pytest.raises(TypeError, match=r"must be real.*abs\(\) \*\* 2"):
        to_db(torch.ones(2, 3, dtype=torch.complex64))
