"""The truth about match_level: two sounds at one RMS level, and no sample beyond full scale."""

import pytest
import torch

from course_utils.signal import match_level, peak_dbfs, rms_dbfs
from tests.unit.compare import assert_batch_independent, assert_leading_dims, assert_near


def test_the_level_is_the_reference_s(sound, noise):
    matched = match_level(sound, reference=0.3 * noise)
    assert rms_dbfs(matched).item() == pytest.approx(rms_dbfs(0.3 * noise).item(), abs=1e-9)
    assert_near(matched / matched.abs().max(), sound / sound.abs().max(), relative=1e-12)


def test_one_s_own_level_changes_nothing(sound):
    assert_near(match_level(sound, reference=sound), sound, relative=1e-12)


def test_match_level_shapes_and_batch(noise):
    alone = assert_leading_dims(lambda x: match_level(x, reference=0.1 * noise), noise)
    assert alone.shape == noise.shape
    assert_batch_independent(lambda x: match_level(x, reference=0.1 * noise), noise)


def test_each_item_gets_its_own_reference(noise):
    reference = torch.stack([0.1 * noise, 0.01 * noise])
    matched = match_level(torch.stack([noise, noise]), reference=reference)
    assert_near(matched, reference, relative=1e-12)


def test_no_sample_goes_beyond_full_scale(noise):
    spiky = 0.001 * noise
    spiky[8000] = 0.5
    matched = match_level(spiky, reference=noise)
    assert peak_dbfs(matched).item() == pytest.approx(0.0, abs=1e-9)
    assert rms_dbfs(matched) < rms_dbfs(noise)
    assert match_level(spiky, reference=noise, max_peak=0.5).abs().max() == 0.5


def test_silence_stays_silence(noise):
    silence = torch.zeros_like(noise)
    for waveform, reference in [(silence, noise), (noise, silence), (silence, silence)]:
        assert torch.equal(match_level(waveform, reference=reference), silence)


@pytest.mark.parametrize(
    ("waveform", "settings", "match"),
    [
        (torch.zeros(0), {"reference": torch.ones(4)}, "empty"),
        (torch.ones(4), {"reference": torch.zeros(0)}, "empty"),
        (torch.ones(4), {"reference": torch.ones(4), "max_peak": 0.0}, "max_peak"),
    ],
)
def test_match_level_names_the_bad_argument(waveform, settings, match):
    with pytest.raises(ValueError, match=match):
        match_level(waveform, **settings)
