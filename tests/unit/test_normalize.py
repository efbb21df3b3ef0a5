"""The truth about course_utils.signal.standardize."""

import numpy as np
import pytest
import scipy.stats
import torch

from course_utils.signal import mel_spectrogram, power_to_db, standardize
from tests.unit.compare import assert_batch_independent, assert_leading_dims, assert_near


@pytest.fixture
def log_mel_spec(noise):
    return power_to_db(mel_spectrogram(noise, sample_rate=16000))


def test_standardize_equals_scipy(sound):
    spec = power_to_db(mel_spectrogram(sound, sample_rate=16000))
    theirs = scipy.stats.zscore(spec.numpy(), axis=None, ddof=0)
    assert_near(standardize(spec, eps=0.0), theirs, relative=1e-10)
    theirs = scipy.stats.zscore(spec.numpy(), axis=1, ddof=0)
    assert_near(standardize(spec, dim=-1, eps=0.0), theirs, relative=1e-10)


def test_standardize_equals_torch_layer_norm(log_mel_spec):
    """Layer norm puts its eps beside the variance; with eps = 0 they are the same."""
    batch = torch.stack([log_mel_spec, 3 * log_mel_spec])
    theirs = torch.nn.functional.layer_norm(batch, (64, 32), eps=0.0)
    assert_near(standardize(batch, eps=0.0), theirs, relative=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("offset", [0.0, -50.0, 1e4])
def test_mean_is_zero_and_deviation_is_one(log_mel_spec, dtype, scale, offset):
    """Also far from zero, where the mean in single precision is not exact."""
    unit = (log_mel_spec - log_mel_spec.mean()) / log_mel_spec.std()
    result = standardize((unit * scale + offset).to(dtype))
    assert result.dtype == dtype
    assert abs(result.double().mean()) < 1e-6
    assert abs(result.double().std(correction=0) - 1) < 1e-4


def test_standardizing_twice_changes_nothing(log_mel_spec):
    once = standardize(log_mel_spec)
    assert_near(standardize(once), once, relative=1e-7)


def test_level_and_contrast_are_forgotten(log_mel_spec):
    assert_near(standardize(7 * log_mel_spec - 40), standardize(log_mel_spec), relative=1e-8)


def test_per_band(log_mel_spec):
    result = standardize(log_mel_spec, dim=-1)
    assert result.mean(-1).abs().max() < 1e-12
    assert (result.std(-1, correction=0) - 1).abs().max() < 1e-6


def test_given_statistics_are_used_as_they_are(log_mel_spec):
    result = standardize(log_mel_spec, mean=-20.0, std=4.0, eps=0.0)
    assert_near(result, (log_mel_spec + 20) / 4, relative=1e-12)
    mean, std = log_mel_spec.mean(-1, keepdim=True), log_mel_spec.std(-1, keepdim=True)
    expected = (log_mel_spec - mean) / (std + 1e-8)
    assert_near(standardize(log_mel_spec, mean=mean, std=std), expected, relative=1e-12)


@pytest.mark.parametrize("level", [0.0, -100.0, -33.3, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_silence_becomes_zeros_and_not_noise(level, dtype):
    """In single precision the mean of 2048 equal numbers is not always that number.

    Dividing what is left by a deviation of zero would blow it up a million times.
    """
    silence = torch.full((64, 32), level, dtype=dtype, requires_grad=True)
    result = standardize(silence)
    assert result.abs().max() < 1e-3
    result.sum().backward()
    assert torch.isfinite(silence.grad).all()


def test_shapes(log_mel_spec):
    assert assert_leading_dims(standardize, log_mel_spec).shape == (64, 32)
    assert standardize(log_mel_spec.expand(0, -1, -1)).shape == (0, 64, 32)


def test_loud_item_does_not_change_a_quiet_one(log_mel_spec):
    assert_batch_independent(standardize, log_mel_spec)


def test_gradient():
    values = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(standardize, values)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"mean": 1.0}, "mean and std belong together"),
        ({"std": 1.0}, "mean and std belong together"),
        ({"mean": 0.0, "std": -1.0}, "std=-1.0 must be at least 0"),
        ({"mean": 0.0, "std": torch.tensor([1.0, -2.0, 3.0])}, "std=-2.0"),
        ({"eps": -1e-8}, "eps=-1e-08 must be at least 0"),
        ({"dim": 2}, "dim=2 does not fit a tensor with 2 dimensions"),
        ({"dim": ()}, r"dim=\(\)"),
    ],
)
def test_names_the_bad_argument(kwargs, match):
    with pytest.raises(ValueError, match=match):
        standardize(torch.ones(2, 3), **kwargs)


def test_names_the_bad_tensor():
    with pytest.raises(TypeError, match=r"log_mel_spec must be a torch\.Tensor, got ndarray"):
        standardize(np.ones((2, 3)))
    with pytest.raises(TypeError, match="log_mel_spec must be a floating-point tensor"):
        standardize(torch.ones(2, 3, dtype=torch.int16))
