"""The figures of lesson 05: bars, crosses and pictures show the numbers that they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_utils import plots


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_log_mel_picture_has_a_row_for_each_band(ax):
    values = torch.arange(6.0).reshape(2, 3)
    artist = plots.plot_log_mel(values, ax=ax, vmin=-10)
    np.testing.assert_array_equal(artist.get_array(), values)
    assert artist.get_cmap().name == plots.LEVEL_CMAP
    assert artist.get_clim()[0] == -10
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("frame", "mel band")


def test_normalised_picture_has_zero_in_the_middle_of_its_colours(ax):
    artist = plots.plot_log_mel(torch.ones(2, 3), ax=ax, signed=True)
    assert artist.get_cmap().name == plots.SIGNED_CMAP
    assert sum(artist.get_clim()) == 0


def test_scores_are_means_with_the_spread_of_the_runs(ax):
    plots.plot_scores({"a": {"x": [60, 80], "y": [10, 10]}, "b": {"x": [5], "y": [7]}}, guessing=20)
    widths = [bar.get_width() for bars in ax.containers[1::2] for bar in bars]
    assert widths == [70, 10, 5, 7]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["x", "y"]
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"a", "b", "guessing"}


def test_losses_that_ran_away_are_crosses_and_never_over_each_other(ax):
    for label in ("first", "second"):
        line = plots.plot_losses(
            [0.1, 1.0], [0.5, float("nan")], [0.1, float("nan")], label=label, top=2.0, ax=ax
        )
    assert line.get_ydata()[0] == 0.5
    assert np.isnan(line.get_ydata()[1])
    crosses = [one for one in ax.lines if one.get_marker() == "x"]
    assert [one.get_xdata().tolist() for one in crosses] == [[1.0], [1.0]]
    heights = [one.get_ydata()[0] for one in crosses]
    assert 0 < heights[1] < heights[0] < 2.0
    assert ax.get_xlabel() == "learning rate"
