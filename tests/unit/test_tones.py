"""The toy data set: balanced, repeatable, and its level says nothing about its class."""

import pytest
import torch

from course_utils.data.tones import CLASS_NAMES, ROOM_DBFS, make_clips, make_room
from course_utils.signal import peak_dbfs


def test_clips_are_seconds_of_all_classes_equally_often():
    clips = make_clips(50, seed=3)
    assert clips.waveforms.shape == (50, 16000)
    assert clips.waveforms.dtype == torch.float32
    assert clips.labels.bincount().tolist() == [10] * len(CLASS_NAMES)


def test_a_seed_makes_the_same_clips_and_another_one_makes_others():
    once, again, other = make_clips(5, seed=3), make_clips(5, seed=3), make_clips(5, seed=4)
    assert torch.equal(once.waveforms, again.waveforms)
    assert torch.equal(once.labels, again.labels)
    assert not torch.equal(once.waveforms, other.waveforms)


def test_training_and_test_share_no_clip():
    training, test = make_clips(50, seed=1).waveforms, make_clips(50, seed=2).waveforms
    closest = torch.cdist(training, test).min()
    assert closest > 0.1


def test_levels_lie_where_asked_and_do_not_depend_on_the_class():
    clips = make_clips(100, seed=3, level_dbfs=(-26.0, -6.0))
    levels = peak_dbfs(clips.waveforms)
    assert levels.min() > -27
    assert levels.max() < -5
    assert levels.std() > 4
    means = torch.stack([levels[clips.labels == label].mean() for label in range(5)])
    assert (means - levels.mean()).abs().max() < 4


def test_the_order_is_random():
    labels = make_clips(100, seed=3).labels
    assert (labels[1:] != labels[:-1]).sum() > 50
    assert labels[:10].tolist() != [0, 1, 2, 3, 4] * 2


def test_louder_changes_the_level_and_nothing_else():
    clips = make_clips(5, seed=3)
    quieter = clips.louder(-40)
    torch.testing.assert_close(quieter.waveforms, clips.waveforms / 100)
    assert torch.equal(quieter.labels, clips.labels)


def test_the_hiss_of_a_room_is_under_every_clip():
    clips = make_clips(20, seed=3)
    clicks = clips.waveforms[clips.labels == CLASS_NAMES.index("clicks")]
    assert (clicks == 0).double().mean() < 0.01
    assert make_room(seed=1).shape == (16000,)
    assert peak_dbfs(make_room(seed=1)).item() == pytest.approx(ROOM_DBFS, abs=0.01)
    assert not torch.equal(make_room(seed=1), make_room(seed=2))


@pytest.mark.parametrize("n_clips", [0, -3])
def test_no_clip_is_refused(n_clips):
    with pytest.raises(ValueError, match="n_clips"):
        make_clips(n_clips, seed=0)


def test_a_level_above_full_scale_is_refused():
    with pytest.raises(ValueError, match="level_dbfs"):
        make_clips(5, seed=0, level_dbfs=(3.0, 4.0))
