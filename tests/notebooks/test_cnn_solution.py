"""The solution of lesson 06 with one thing spoiled: the check says which thing it was."""

import pytest

from tests.notebooks.test_solutions import assert_spoiled_is_told

SPOILED = [  # check, what the solution has, what stands there in its place, what the line must say
    ("conv_size", "2 * padding", "padding", "it counts twice"),
    ("conv_size", "// stride + 1", "// stride", "one place is missing"),
    ("conv_size", "// stride", "/ stride", "half a place does not exist"),
    ("conv_size", "- kernel_size) // stride + 1", "- kernel_size + 1) // stride", "1 is inside"),
    ("conv_size", " // stride", "", "the stride is left out"),
    ("confusion", "labels * n_words + predicted", "predicted * n_words + labels", "was heard, and"),
    ("confusion", "counts.sum(1, keepdim=True)", "counts.sum(0)", "each column adds up to 1"),
    ("confusion", "counts.sum(1, keepdim=True)", "counts.sum()", "all cells together"),
    ("confusion", "1, keepdim=True", "1", "lost their dimension"),
    ("confusion", ".clamp(min=1)", "", "0 / 0"),
    ("split_speakers", "sorted(set(speakers))", "list(set(speakers))", "when"),
    ("split_speakers", "sorted(set(speakers))", "speakers", "drawn twice"),
    ("split_speakers", "manual_seed(seed)", "manual_seed(0)", "the seed has no effect"),
    ("split_speakers", "name in chosen", "name not in chosen", "turned round"),
    ("split_speakers", "order[:n_test]", "order[n_test:]", "turned round"),
    ("honest", '"B"', '"A"', "chose the epoch"),
    ("honest", '"B"', '"C"', "copies of the test clips"),
]


@pytest.mark.parametrize(
    ("check", "right", "wrong", "says"), SPOILED, ids=[f"{c}: {s}" for c, _, _, s in SPOILED]
)
def test_spoiled_solution_is_told_what_is_wrong(check, right, wrong, says):
    assert_spoiled_is_told("06_cnn", check, right, wrong, says)
