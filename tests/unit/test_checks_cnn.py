"""The checks of lesson 06 know every mistake they claim to know, and every right way."""

import random

import numpy as np
import pytest
import torch

from course_utils.checks import cnn as checks


@pytest.fixture
def line(capsys):
    """Run a check and return the one line that it prints."""

    def run(check, *args):
        capsys.readouterr()
        assert check(*args) is None
        (printed,) = capsys.readouterr().out.splitlines()
        return printed

    return run


# ---- conv_size


def size_by_formula(size, kernel_size, stride, padding):
    return (size + 2 * padding - kernel_size) // stride + 1


def size_by_torch(size, kernel_size, stride, padding):
    layer = torch.nn.Conv1d(1, 1, kernel_size, stride=stride, padding=padding)
    return layer(torch.zeros(1, 1, size)).shape[-1]


def size_by_walking(size, kernel_size, stride, padding):
    return len(range(0, size + 2 * padding - kernel_size + 1, stride))


@pytest.mark.parametrize("function", [size_by_formula, size_by_torch, size_by_walking])
def test_every_right_way_to_count_places_is_right(line, function):
    assert line(checks.check_conv_size, function).startswith("✓ conv_size: right")


@pytest.mark.parametrize("says", checks.CONV_SIZE_MISTAKES)
def test_every_known_mistake_of_conv_size_is_named(line, says):
    wrong = checks.CONV_SIZE_MISTAKES[says]
    assert line(checks.check_conv_size, wrong) == f"✗ conv_size: {says}"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (None, "not tried yet"),
        (lambda *a, **k: None, "not tried yet"),
        (lambda *a, **k: 64, "for (32, kernel_size=2, stride=2, padding=0) you return 64"),
        (lambda *a, **k: 1 / 0, "raised ZeroDivisionError"),
        (lambda *a, **k: "many", "a number or a tensor is wanted"),
        (17, "give the function itself"),
    ],
)
def test_a_faulty_conv_size_is_told_what_is_wrong(line, function, words):
    assert words in line(checks.check_conv_size, function)


# ---- confusion


def confusion_one_by_one(labels, predicted, n_words):
    matrix = torch.zeros(n_words, n_words)
    for said, heard in zip(labels, predicted, strict=True):
        matrix[said, heard] += 1
    return matrix / matrix.sum(1, keepdim=True).clamp(min=1)


def confusion_by_bincount(labels, predicted, n_words):
    counts = torch.bincount(labels * n_words + predicted, minlength=n_words**2)
    counts = counts.reshape(n_words, n_words)
    return torch.nan_to_num(counts / counts.sum(1, keepdim=True))


def confusion_by_lists(labels, predicted, n_words):
    pairs = list(zip(labels.tolist(), predicted.tolist(), strict=True))
    said = [labels.tolist().count(i) or 1 for i in range(n_words)]
    return [[pairs.count((i, j)) / said[i] for j in range(n_words)] for i in range(n_words)]


def confusion_by_numpy(labels, predicted, n_words):
    matrix = np.zeros((n_words, n_words))
    np.add.at(matrix, (labels.numpy(), predicted.numpy()), 1)
    return matrix / np.maximum(matrix.sum(1, keepdims=True), 1)


@pytest.mark.parametrize(
    "function",
    [confusion_one_by_one, confusion_by_bincount, confusion_by_lists, confusion_by_numpy],
)
def test_every_right_way_to_a_confusion_matrix_is_right(line, function):
    assert line(checks.check_confusion, function).startswith("✓ confusion: right")


@pytest.mark.parametrize("says", checks.CONFUSION_MISTAKES)
def test_every_known_mistake_of_the_confusion_matrix_is_named(line, says):
    wrong = checks.CONFUSION_MISTAKES[says]
    assert line(checks.check_confusion, wrong) == f"✗ confusion: {says}"


def confusion_with_nan(labels, predicted, n_words):
    matrix = torch.zeros(n_words, n_words)
    matrix.index_put_((labels, predicted), torch.ones(len(labels)), accumulate=True)
    return matrix / matrix.sum(1, keepdim=True)


def confusion_written_once(labels, predicted, n_words):
    matrix = torch.zeros(n_words, n_words)
    matrix[labels, predicted] += 1
    return matrix / matrix.sum(1, keepdim=True)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (None, "not tried yet"),
        (lambda s, h, n: None, "not tried yet"),
        (confusion_with_nan, "0 / 0: its row should be zeros"),
        (confusion_written_once, "writes each cell once"),
        (lambda s, h, n: (s == h).double().mean(), "this is one number"),
        (lambda s, h, n: confusion_by_bincount(s, h, n).diag(), "one number for each word"),
        (lambda s, h, n: torch.zeros(n, n + 1), "the shape is (4, 5)"),
        (lambda s, h, n: confusion_by_bincount(s, h, 4), "a word nobody said has a row too"),
        (lambda s, h, n: confusion_by_bincount(s, h, n) + 0.1, "the first row adds up to 1.4"),
        (lambda s, h, n: torch.eye(n), "the cells differ from what the clips say"),
        (lambda s, h, n: confusion_by_bincount(s.mul_(1).add_(0), h.zero_(), n), "changes"),
        (lambda s, h, n: s / 0 * h[:2], "raised RuntimeError"),
        (lambda s, h, n: {}, "a number or a tensor is wanted"),
        (torch.eye(4), "give the function itself"),
    ],
)
def test_a_faulty_confusion_matrix_is_told_what_is_wrong(line, function, words):
    assert words in line(checks.check_confusion, function)


# ---- split_speakers


def split_by_randperm(speakers, n_test, seed):
    names = sorted(set(speakers))
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    chosen = [names[i] for i in order[:n_test]]
    return torch.tensor([name in chosen for name in speakers])


def split_by_numpy(speakers, n_test, seed):
    chosen = np.random.default_rng(seed).choice(np.unique(speakers), n_test, replace=False)
    return np.isin(speakers, chosen)


def split_by_numpy_sets(speakers, n_test, seed):
    chosen = set(np.random.default_rng(seed).permutation(np.unique(speakers))[:n_test])
    return [name in chosen for name in speakers]


def split_by_sample(speakers, n_test, seed):
    chosen = random.Random(seed).sample(list(dict.fromkeys(speakers)), n_test)
    return [name in chosen for name in speakers]


@pytest.mark.parametrize(
    "function", [split_by_randperm, split_by_numpy, split_by_numpy_sets, split_by_sample]
)
def test_every_right_way_to_split_is_right(line, function):
    assert line(checks.check_split_speakers, function).startswith("✓ split_speakers: right")


def split_clips(speakers, n_test, seed):
    order = torch.randperm(len(speakers), generator=torch.Generator().manual_seed(seed))
    is_test = torch.zeros(len(speakers), dtype=torch.bool)
    is_test[order[: len(speakers) // 4]] = True
    return is_test


def split_without_order(speakers, n_test, seed):
    chosen = random.Random(seed).sample(list(set(speakers)), n_test)
    return [name in chosen for name in speakers]


def split_with_repeats(speakers, n_test, seed):
    chosen = random.Random(seed).choices(sorted(set(speakers)), k=n_test)
    return [name in chosen for name in speakers]


def split_at_whim(speakers, n_test, seed):
    chosen = random.SystemRandom().sample(sorted(set(speakers)), n_test)
    return [name in chosen for name in speakers]


def split_at_front(speakers, n_test, seed):
    return [name in sorted(set(speakers))[:n_test] for name in speakers]


def split_without_last(speakers, n_test, seed):
    chosen = random.Random(seed).sample(sorted(set(speakers))[:-1], n_test)
    return [name in chosen for name in speakers]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (None, "not tried yet"),
        (lambda s, n_test, seed: None, "not tried yet"),
        (split_clips, "speakers are in training and test: draw speakers, not clips"),
        (split_without_order, "sorted(set(speakers)) has one order"),
        (split_with_repeats, "are some drawn twice?"),
        (split_at_whim, "the same seed gives another split"),
        (split_at_front, "neighbours in the list of names"),
        (lambda s, n_test, seed: split_by_sample(s, n_test, 1), "the seed has no effect"),
        (split_without_last, "pico/e is in the test for none of 40 seeds"),
        (lambda s, n_test, seed: ~split_by_randperm(s, n_test, seed), "turned round"),
        (lambda s, n_test, seed: split_by_randperm(s, 3, seed), "for n_test=5, seed=0 only 3"),
        (lambda s, n_test, seed: split_by_randperm(s, 4, seed), "there are 4 speakers"),
        (lambda s, n_test, seed: [False] * len(s), "one of the two is empty"),
        (lambda s, n_test, seed: sorted(set(s))[:n_test], "these are names"),
        (lambda s, n_test, seed: split_by_randperm(s, n_test, seed)[:5], "the shape is (5,)"),
        (lambda s, n_test, seed: range(len(s)), "places or names"),
        (lambda s, n_test, seed: (s, s), "return one thing"),
        (lambda s, n_test, seed: 1 / 0, "raised ZeroDivisionError"),
        (3, "give the function itself"),
    ],
)
def test_a_faulty_split_is_told_what_is_wrong(line, function, words):
    assert words in line(checks.check_split_speakers, function)


# ---- honest


@pytest.mark.parametrize(
    ("answer", "starts", "words"),
    [
        (None, "○", "not tried yet"),
        ("B", "✓", "right"),
        (" b ", "✓", "right"),
        ("A", "✗", "chose the epoch"),
        ("C", "✗", "copies of the test clips"),
        ("D", "✗", "none of the reports"),
        (2, "✗", "a letter in quotes"),
    ],
)
def test_the_honest_report_is_found(line, answer, starts, words):
    said = line(checks.check_honest, answer)
    assert said.startswith(f"{starts} honest: ")
    assert words in said


def test_every_report_has_a_verdict(line):
    verdicts = [line(checks.check_honest, letter)[0] for letter in checks.REPORTS]
    assert sorted(verdicts) == ["✓", "✗", "✗"]
