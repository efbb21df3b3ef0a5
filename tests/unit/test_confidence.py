"""The rule that says how far a guess can be trusted: measured, and honest about what it is not."""

import math
from types import SimpleNamespace

import pytest
import torch

from course_utils.models.confidence import Confidence, calibrate, count_clipped
from course_utils.signal import make_noise, make_silence
from tests.explorers.words import make_clips, make_model

RULE = Confidence(
    familiar_from=0.4, share=0.05, n_classes=10, n_clips=100, n_right=90,
    right_above=0.97, right_below=0.5,
)  # fmt: skip
LOUD = make_noise(level_dbfs=-12.0)


def shares(first):
    """Ten probabilities whose largest is ``first``."""
    return torch.tensor([(1.0 - first) / 9] * 9 + [first])


@pytest.fixture(scope="module")
def model():
    return make_model(make_clips(96, seed=1))


@pytest.fixture(scope="module")
def clips():
    return make_clips(60, seed=3)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_the_limit_is_what_that_share_of_the_right_guesses_stays_below(model, clips, share):
    rule = calibrate(model, clips, share=share)
    first, guess = model.logits(clips.waveforms).softmax(-1).max(-1)
    right = guess == clips.labels
    below = (first[right] < rule.familiar_from).double().mean().item()
    assert below == pytest.approx(share, abs=1.5 / int(right.sum()))
    assert (rule.n_clips, rule.n_right) == (60, int(right.sum()))
    above = first >= rule.familiar_from
    assert rule.right_above == pytest.approx(right[above].double().mean().item())
    assert rule.right_below == pytest.approx(right[~above].double().mean().item())


def test_wrong_guesses_do_not_move_the_limit(model, clips):
    """Only words that are heard right say how sure it is of those."""
    labels = clips.labels.clone()
    labels[:6] = (labels[:6] + 1) % 3
    spoiled = SimpleNamespace(waveforms=clips.waveforms, labels=labels)
    kept = SimpleNamespace(waveforms=clips.waveforms[6:], labels=clips.labels[6:])
    limits = [calibrate(model, words).familiar_from for words in (spoiled, kept)]
    assert limits[0] == pytest.approx(limits[1])


@pytest.mark.parametrize(
    ("first", "waveform", "kind", "words"),
    [
        (0.39, LOUD, "doubtful", "39 % is less than 40 %, which 95 % of the words"),
        (0.41, LOUD, "familiar", "That is no proof."),
        (0.19, LOUD, "chance", "19 % is near the 10 % of blind guessing"),
        (0.99, make_silence(), "silent", "every sample is zero"),
        (
            0.99,
            make_noise(level_dbfs=-80.0),
            "silent",
            "There is nothing to hear (its peak is \u2212",
        ),
    ],
)
def test_each_kind_of_guess_gets_its_sentence(first, waveform, kind, words):
    verdict = RULE.judge(shares(first), waveform)
    assert verdict.kind == kind
    assert words in verdict.sentence
    assert "no answer «none of these»" in verdict.sentence


def test_familiar_is_the_same_for_a_batch_and_for_one():
    batch = torch.stack([shares(first) for first in (0.39, 0.41, 0.19)])
    assert RULE.is_familiar(batch).tolist() == [False, True, False]
    one_by_one = [RULE.judge(row, LOUD).kind == "familiar" for row in batch]
    assert one_by_one == RULE.is_familiar(batch).tolist()


def test_nothing_near_chance_is_familiar_however_low_the_limit_is():
    unsure = Confidence(0.12, 0.05, 10, 100, 20, 0.2, 0.1)
    assert not unsure.is_familiar(shares(0.15))
    assert unsure.judge(shares(0.15), LOUD).kind == "chance"


def test_what_cannot_be_measured_is_refused(model, clips):
    nobody = SimpleNamespace(waveforms=clips.waveforms[:0], labels=clips.labels[:0])
    with pytest.raises(ValueError, match="words holds no clip"):
        calibrate(model, nobody)
    with pytest.raises(ValueError, match=r"share=1.5 must lie between 0 and 1"):
        calibrate(model, clips, share=1.5)
    guess = model.logits(clips.waveforms).argmax(-1)
    wrong = SimpleNamespace(waveforms=clips.waveforms, labels=(guess + 1) % 3)
    with pytest.raises(ValueError, match="hears none of these clips right"):
        calibrate(model, wrong)


def test_clipped_samples_are_counted():
    assert count_clipped(torch.tensor([0.2, 1.0, -1.0, 0.998])) == 2
    assert math.isfinite(count_clipped(LOUD))
