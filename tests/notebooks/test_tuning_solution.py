"""The solution of lesson 07 with one thing spoiled: the check says which thing it was."""

import pytest

from tests.notebooks.test_solutions import assert_spoiled_is_told

SPOILED = [  # check, what the solution has, what stands there in its place, what the line must say
    ("n_cells", "(1 + n_samples //", "(n_samples //", "one frame is missing"),
    ("n_cells", "n_mels * (1 +", "(1 +", "the bands are missing"),
    ("n_cells", "// hop_length", "/ hop_length", "half a frame does not exist"),
    ("n_cells", "n_mels * (1 + n_samples // hop_length)", "n_mels * n_samples // hop_length + 1",
     "too"),
    ("cheapest_good", 'if not row["problem"]', "", "makes no sense was chosen"),
    ("cheapest_good", 'row["scores"])', 'row["report"])', "row['report']"),
    ("cheapest_good", "statistics.stdev", "statistics.pstdev", "divides by n"),
    ("cheapest_good", 'stdev(best["scores"])', 'stdev(best["scores"]) / 5**0.5',
     "standard error"),
    ("cheapest_good", "- statistics.stdev(", "- 2 * statistics.stdev(", "two standard deviations"),
    ("cheapest_good", '- statistics.stdev(best["scores"])', "", "the most accurate one"),
    ("cheapest_good", ', -means[row["name"]])', ")", "two rows cost the same"),
    ("report", '"C"', '"A"', "the luckiest"),
    ("report", '"C"', '"B"', "these people chose the setting"),
    ("report", '"C"', '"D"', "the seed was chosen"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "right", "wrong", "says"), SPOILED, ids=[f"{c}: {s}" for c, _, _, s in SPOILED]
)
def test_spoiled_solution_is_told_what_is_wrong(check, right, wrong, says):
    assert_spoiled_is_told("07_tuning", check, right, wrong, says)
