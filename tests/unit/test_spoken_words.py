"""Words as data: what indexing gives, how a clip becomes a second, and splits without a leak."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.data.spoken_words import (
    N_SAMPLES,
    WORDS,
    SpokenWords,
    fit_to_second,
    speaker_folds,
    split_at_random,
    split_by_speaker,
)
from course_utils.signal import make_noise, make_tone


def make_words(sizes, *, seed=0):
    """A set whose clips each carry their own number, of speakers with so many clips each."""
    speakers = [f"voice{number:03d}" for number, size in enumerate(sizes) for _ in range(size)]
    order = np.random.default_rng(seed).permutation(len(speakers))
    n_clips = len(speakers)
    waveforms = torch.zeros(n_clips, N_SAMPLES)
    waveforms[:, 0] = torch.arange(n_clips) / max(n_clips, 1)
    return SpokenWords(
        waveforms=waveforms,
        labels=torch.arange(n_clips) % len(WORDS),
        speakers=tuple(speakers[place] for place in order),
        names=tuple(f"clip{number}" for number in range(n_clips)),
        label_names=WORDS,
        origin="numbers",
    )


@pytest.fixture
def words():
    return make_words([4, 6, 10, 5])


def names_of(*parts):
    return [name for part in parts for name in part.names]


# ---------------------------------------------------------------- the set


def test_a_number_takes_one_clip_and_keeps_everything_together(words):
    for place in (0, 7, -1, torch.tensor(7), np.int64(7)):
        one = words[place]
        assert len(one) == 1
        assert torch.equal(one.waveforms[0], words.waveforms[place])
        assert one.labels[0] == words.labels[place]
        assert one.names == (words.names[place],)
        assert one.speakers == (words.speakers[place],)
        assert one.label_names == WORDS
        assert one.origin == "numbers"


@pytest.mark.parametrize(
    ("index", "places"),
    [
        (slice(2, 5), [2, 3, 4]),
        (slice(None, None, -10), [24, 14, 4]),
        ([3, 1, 3], [3, 1, 3]),
        ([-1, 0], [24, 0]),
        (torch.tensor([5, 2]), [5, 2]),
        (np.array([5, 2]), [5, 2]),
        (range(2), [0, 1]),
        ([], []),
        (torch.arange(25) % 10 == 4, [4, 14, 24]),
        ([number == 3 for number in range(25)], [3]),
        (torch.zeros(25, dtype=torch.bool), []),
    ],
    ids=str,
)
def test_many_ways_to_take_several_clips(words, index, places):
    some = words[index]
    assert some.names == tuple(f"clip{place}" for place in places)
    assert torch.equal(some.waveforms, words.waveforms[places])
    assert torch.equal(some.labels, words.labels[places])


@pytest.mark.parametrize(
    ("index", "match"),
    [
        (25, "clip 25 is not there: the set has 25, counted from 0"),
        (-26, "clip -26 is not there"),
        ([0, 99], "clip 99 is not there"),
        (torch.ones(24, dtype=torch.bool), "one True or False for each of 25 clips"),
        (1.0, "clips are chosen by a number"),
        ([[1, 2]], "clips are chosen by a number"),
        ("yes", "clips are chosen by a number"),
        (None, "clips are chosen by a number"),
        ([[1], [2, 3]], "clips are chosen by a number"),
    ],
    ids=lambda value: re.sub(r"\W+", "", str(value))[:20],
)
def test_an_index_that_makes_no_sense_is_named(words, index, match):
    with pytest.raises(IndexError, match=match) as error:
        words[index]
    assert len(str(error.value)) < 200


def test_a_loop_visits_every_clip_once(words):
    assert [one.names[0] for one in words] == list(words.names)


def test_speakers_are_chosen_by_name(words):
    assert words.speaker_names == ("voice000", "voice001", "voice002", "voice003")
    chosen = words.of_speakers(["voice003", "voice000"])
    assert len(chosen) == 9
    assert chosen.speaker_names == ("voice000", "voice003")
    assert list(chosen.names) == [n for n in words.names if n in set(chosen.names)]  # in order
    assert len(words.of_speakers("voice002")) == 10
    assert len(words.of_speakers([])) == 0
    with pytest.raises(ValueError, match="no speaker is called 'nobody'"):
        words.of_speakers(["voice000", "nobody"])


def test_set_describes_itself(words):
    assert words.describe() == (
        "25 clips by 4 speakers\n"
        "clips of each word: yes 3, no 3, up 3, down 3, left 3, right 2, on 2, off 2, stop 2, "
        "go 2\n"
        "voices: numbers"
    )
    assert words[0].describe().startswith("1 clip by 1 speaker\n")
    assert repr(words) == "SpokenWords(25 clips, 4 speakers, 10 words)"


FIELDS = {
    "waveforms": torch.zeros(2, N_SAMPLES),
    "labels": torch.tensor([0, 1]),
    "speakers": ("a", "b"),
    "names": ("x", "y"),
    "label_names": ("yes", "no"),
    "origin": "nobody",
}


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"waveforms": torch.zeros(2, 8000)}, r"waveforms must be float32 .* got .*\(2, 8000\)"),
        ({"waveforms": torch.zeros(2, N_SAMPLES).double()}, "waveforms must be float32"),
        ({"labels": torch.tensor([0])}, r"labels must be int64 of shape \(2,\)"),
        ({"labels": torch.tensor([0.0, 1.0])}, "labels must be int64"),
        ({"labels": torch.tensor([0, 2])}, "numbers from 0 to 1, into label_names, got 0 to 2"),
        ({"labels": torch.tensor([-1, 1])}, "numbers from 0 to 1"),
        ({"speakers": ("a",)}, "got 1 speakers and 2 names"),
        ({"names": ()}, "got 2 speakers and 0 names"),
    ],
)
def test_parts_that_do_not_fit_together_are_named(wrong, match):
    SpokenWords(**FIELDS)
    with pytest.raises(ValueError, match=match):
        SpokenWords(**(FIELDS | wrong))


# ---------------------------------------------------------------- fit_to_second


def test_a_clip_of_one_second_stays_as_it_is():
    noise = make_noise(seed=3)
    assert torch.equal(fit_to_second(noise), noise)


@pytest.mark.parametrize("n_samples", [1, 2, 7999, 8000, 15999])
def test_a_short_clip_comes_into_the_middle_of_silence(n_samples):
    clip = torch.rand(n_samples) + 0.1
    second = fit_to_second(clip)
    assert second.shape == (16000,)
    there = second.nonzero()[:, 0]
    assert torch.equal(second[there], clip)
    before, after = there[0].item(), 15999 - there[-1].item()
    assert after - before in (0, 1)


@pytest.mark.parametrize("start", [0, 5000, 20000, 31999, 40000])
def test_of_a_long_clip_the_word_is_kept(start):
    long = torch.zeros(48000)
    long[start : start + 8000] = make_tone(440.0, duration_s=0.5, sample_rate=16000)
    long += 1e-4 * make_noise(duration_s=3.0, seed=1)
    second = fit_to_second(long)
    assert second.shape == (16000,)
    share = (second**2).sum() / (long**2).sum()
    assert share > 0.999


def test_the_word_comes_to_lie_in_the_middle_of_the_window():
    long = torch.zeros(48000)
    long[20000:24000] = 0.5
    assert torch.equal(fit_to_second(long), fit_to_second(torch.full((4000,), 0.5)))


def test_silence_is_cropped_too():
    assert torch.equal(fit_to_second(torch.zeros(40000)), torch.zeros(16000))


def test_clips_of_a_batch_do_not_know_of_each_other():
    batch = torch.zeros(2, 3, 30000)
    for number in range(6):
        batch[number // 3, number % 3, 4000 * number : 4000 * number + 3000] = 1e8 if number else 1
    fitted = fit_to_second(batch)
    assert fitted.shape == (2, 3, 16000)
    for number in range(6):
        one = fit_to_second(batch[number // 3, number % 3])
        assert torch.equal(fitted[number // 3, number % 3], one)


def test_other_lengths_and_their_errors():
    assert fit_to_second(torch.ones(10), n_samples=4).tolist() == [1] * 4
    assert fit_to_second(torch.ones(3), n_samples=6).tolist() == [0, 1, 1, 1, 0, 0]
    with pytest.raises(ValueError, match="n_samples=0 must be a positive integer"):
        fit_to_second(torch.ones(3), n_samples=0)
    for empty in (torch.zeros(0), torch.tensor(1.0)):
        with pytest.raises(ValueError, match="waveform must have at least one sample"):
            fit_to_second(empty)


# ---------------------------------------------------------------- splits

SIZES = st.lists(st.integers(1, 12), min_size=3, max_size=20)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(sizes=SIZES, seed=st.integers(0, 1000))
def test_no_voice_is_in_two_parts_and_no_clip_is_lost(sizes, seed):
    words = make_words(sizes, seed=seed)
    parts = split_by_speaker(words, seed=seed)
    voices = [set(part.speaker_names) for part in parts]
    assert all(voices)  # no part is empty
    assert sum(len(part) for part in voices) == len(set.union(*voices)) == len(sizes)
    assert sorted(names_of(*parts)) == sorted(words.names)


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(sizes=SIZES, seed=st.integers(0, 1000))
def test_random_split_has_the_same_counts_and_loses_no_clip(sizes, seed):
    words = make_words(sizes, seed=seed)
    parts = split_at_random(words, seed=seed)
    honest = split_by_speaker(words, seed=seed)
    assert [len(part) for part in parts] == [len(part) for part in honest]
    assert sorted(names_of(*parts)) == sorted(words.names)


def test_random_split_leaks():
    """The point of it: almost every test voice is also heard in training."""
    words = make_words([30] * 20)
    training, _, test = split_at_random(words, seed=1)
    assert set(test.speaker_names) <= set(training.speaker_names)


@pytest.mark.parametrize("split", [split_by_speaker, split_at_random])
def test_a_seed_repeats_a_split_and_another_one_makes_another(split):
    words = make_words([3] * 30)
    once, again, other = (names_of(split(words, seed=seed)[2]) for seed in (5, 5, 6))
    assert once == again
    assert once != other


def test_split_does_not_depend_on_the_order_of_the_clips():
    words = make_words([3, 5, 2, 8, 4, 6, 7, 3])
    turned = words[::-1]
    for part, turned_part in zip(split_by_speaker(words), split_by_speaker(turned), strict=True):
        assert part.speaker_names == turned_part.speaker_names


@pytest.mark.parametrize("seed", range(10))
def test_shares_are_met_as_nearly_as_whole_speakers_allow(seed):
    rng = np.random.default_rng(seed)
    words = make_words(rng.integers(1, 40, 60).tolist())
    for part, share in zip(split_by_speaker(words, seed=seed), (0.7, 0.15, 0.15), strict=True):
        assert abs(len(part) / len(words) - share) < 0.005


def test_six_voices_of_one_size_become_four_one_and_one():
    parts = split_by_speaker(make_words([50] * 6))
    assert [len(part.speaker_names) for part in parts] == [4, 1, 1]


def test_a_share_may_be_nothing():
    training, validation, test = split_by_speaker(make_words([5] * 10), shares=(0.8, 0, 0.2))
    assert [len(training), len(validation), len(test)] == [40, 0, 10]
    assert validation.waveforms.shape == (0, 16000)


def test_every_voice_gets_its_turn_in_the_test():
    words = make_words([4] * 10)
    tested = {name for seed in range(40) for name in split_by_speaker(words, seed=seed)[2].speakers}
    assert tested == set(words.speakers)


@pytest.mark.parametrize(
    "shares", [(0.7, 0.3), (0.7, 0.2, 0.2), (1.1, -0.1, 0.0), (float("nan"), 0.5, 0.5), 0.7, "abc"]
)
def test_shares_that_make_no_whole_are_named(shares, words):
    with pytest.raises(ValueError, match=r"shares=.*three numbers from 0 to 1 that add"):
        split_by_speaker(words, shares=shares)


def test_too_few_voices_to_split_are_named():
    with pytest.raises(ValueError, match="2 speakers cannot be split into 3 parts"):
        split_by_speaker(make_words([9, 9]))
    training, validation, test = split_by_speaker(make_words([9, 9]), shares=(0.5, 0, 0.5))
    assert [len(training), len(validation), len(test)] == [9, 0, 9]


# ---------------------------------------------------------------- folds


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(sizes=SIZES, n_folds=st.integers(2, 20), seed=st.integers(0, 1000))
def test_every_clip_is_tested_once_by_those_who_never_heard_it(sizes, n_folds, seed):
    words = make_words(sizes, seed=seed)
    folds = speaker_folds(words, n_folds=min(n_folds, len(sizes)), seed=seed)
    for training, test in folds:
        assert len(test) > 0
        assert not set(training.speakers) & set(test.speakers)
        assert sorted(names_of(training, test)) == sorted(words.names)
    assert sorted(names_of(*[test for _, test in folds])) == sorted(words.names)


def test_folds_are_of_one_size_as_far_as_speakers_allow():
    words = make_words(np.random.default_rng(0).integers(1, 20, 50).tolist())
    counts = [len(test) for _, test in speaker_folds(words, n_folds=5)]
    assert max(counts) - min(counts) <= 3


def test_as_many_folds_as_speakers_leave_one_out_in_their_order(words):
    folds = speaker_folds(words, n_folds=4)
    assert [test.speaker_names for _, test in folds] == [(name,) for name in words.speaker_names]
    assert folds.test_speakers == tuple((name,) for name in words.speaker_names)


def test_folds_are_like_a_list_and_repeatable():
    words = make_words([3] * 12)
    folds, again = (speaker_folds(words, n_folds=4, seed=2) for _ in range(2))
    assert len(folds) == 4
    assert folds[-1][1].names == folds[3][1].names == again[3][1].names
    assert len(list(folds)) == 4
    assert folds.test_speakers != speaker_folds(words, n_folds=4, seed=3).test_speakers
    with pytest.raises(IndexError):
        folds[4]


@pytest.mark.parametrize("n_folds", [0, 1, 5])
def test_number_of_folds_is_bounded(words, n_folds):
    with pytest.raises(ValueError, match=f"n_folds={n_folds} must be from 2 to .* which is 4"):
        speaker_folds(words, n_folds=n_folds)
