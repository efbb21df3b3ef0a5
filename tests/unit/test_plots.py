"""Figures: the artist comes back, axes have labels with units, numbers are where they belong."""

import io
from base64 import b64decode

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from course_utils import plots


@pytest.fixture(autouse=True)
def no_window():
    """Draw into memory, and leave no figure behind."""
    with mpl.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


@pytest.fixture
def shown(monkeypatch):
    """What was displayed: a list of (data, metadata)."""
    seen = []
    monkeypatch.setattr(plots, "display", lambda data, metadata, raw: seen.append((data, metadata)))
    return seen


def test_waveform_is_drawn_over_seconds(ax):
    artist = plots.plot_waveform(torch.tensor([0.0, 0.5, -0.5, 0.25]), sample_rate=2.0, ax=ax)
    np.testing.assert_allclose(artist.get_xdata(), [0.0, 0.5, 1.0, 1.5])
    np.testing.assert_allclose(artist.get_ydata(), [0.0, 0.5, -0.5, 0.25])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (s)", "amplitude")
    assert ax.get_xlim() == (0.0, 2.0)


def test_samples_are_stems_over_their_index(ax):
    artist = plots.plot_samples([1.0, -1.0, 0.5], ax=ax)
    np.testing.assert_allclose(artist.markerline.get_xdata(), [0, 1, 2])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("sample n", "amplitude")


def test_spectrum_is_drawn_over_hertz(ax):
    artist = plots.plot_spectrum([0.0, 100.0], torch.tensor([-3.0, -20.0]), ax=ax, color="red")
    np.testing.assert_allclose(artist.get_ydata(), [-3.0, -20.0])
    assert artist.get_color() == "red"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("frequency (Hz)", "level (dB)")


def test_mel_spectrogram_has_a_row_for_each_band_and_a_named_colour_bar(ax):
    values = torch.arange(6.0).reshape(3, 2)
    artist = plots.plot_mel(values, sample_rate=100, hop_length=50, ax=ax, label="power", vmax=4)
    assert artist.get_extent() == [-0.25, 0.75, -0.5, 2.5]
    assert artist.get_clim() == (0.0, 4.0)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (s)", "mel band")
    assert artist.colorbar.ax.get_ylabel() == "power"
    with pytest.raises(ValueError, match="mel_spec must have the shape"):
        plots.plot_mel(values[0], sample_rate=100, hop_length=50, ax=ax)


def test_spectrogram_puts_each_cell_around_its_time_and_frequency(ax):
    """5 rows from 0 to 4000 Hz are 1000 Hz apart, columns are hop_length / sample_rate apart."""
    spec_db = torch.arange(15.0).reshape(5, 3)
    artist = plots.plot_spectrogram(spec_db, sample_rate=8000, hop_length=800, ax=ax)
    left, right, low, high = artist.get_extent()
    np.testing.assert_allclose((left, right, low, high), (-0.05, 0.25, -500, 4500), rtol=1e-12)
    assert artist.get_cmap().name == plots.LEVEL_CMAP
    assert artist.origin == "lower"
    assert ax.get_ylim() == (0.0, 4000.0)
    assert [a.get_ylabel() for a in ax.figure.axes] == ["frequency (Hz)", "level (dB)"]


def test_spectrogram_can_end_at_a_lower_frequency(ax):
    plots.plot_spectrogram(torch.zeros(5, 3), sample_rate=8000, hop_length=800, ax=ax, f_max=500)
    assert ax.get_ylim() == (0.0, 500.0)


def test_matrix_has_zero_in_the_middle_of_its_colours(ax):
    artist = plots.plot_matrix([[0.0, -2.0], [1.0, 0.5]], ax=ax)
    assert artist.get_clim() == (-2.0, 2.0)
    assert plots.plot_matrix(np.zeros((2, 2)), ax=ax).get_clim() == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda ax: plots.plot_waveform(torch.zeros(2, 4), sample_rate=1, ax=ax), "waveform must"),
        (lambda ax: plots.plot_waveform([], sample_rate=1, ax=ax), r"\(time,\), got \(0,\)"),
        (lambda ax: plots.plot_samples(3.0, ax=ax), "samples must"),
        (lambda ax: plots.plot_spectrum([0.0], [[0.0]], ax=ax), "levels_db must"),
        (
            lambda ax: plots.plot_spectrogram(torch.zeros(3), sample_rate=1, hop_length=1, ax=ax),
            r"spec_db must have the shape \(freq, time\), got \(3,\)",
        ),
        (lambda ax: plots.plot_matrix([1.0], ax=ax), "matrix must"),
    ],
)
def test_wrong_shape_is_named(ax, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(ax)


def test_filters_stand_beside_each_other_with_one_scale_of_colours(ax):
    filters = torch.arange(27.0).reshape(3, 3, 3) - 20.0
    plots.plot_filters(filters, n_columns=2, ax=ax)
    assert len(ax.images) == 3
    for image, one in zip(ax.images, filters, strict=True):
        np.testing.assert_array_equal(image.get_array(), one)
        assert image.get_clim() == (-20.0, 20.0)
    lefts = [image.get_extent()[0] for image in ax.images]
    bottoms = [image.get_extent()[2] for image in ax.images]
    assert lefts[0] == lefts[2] < lefts[1]
    assert bottoms[0] == bottoms[1] > bottoms[2]
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2"]
    assert ax.get_xlabel() == "3 frames, early to late"
    with pytest.raises(ValueError, match="filters must have the shape"):
        plots.plot_filters(filters[0], ax=ax)


def test_shown_figure_carries_its_description(shown):
    figure = Figure(figsize=(4, 2))
    plots.plot_waveform([0.0, 0.1], sample_rate=2.0, ax=figure.subplots())
    text = "Two samples, the second a little higher than the first."
    plots.show_figure(text, figure)
    ((data, metadata),) = shown
    assert data["text/plain"] == text
    assert metadata["image/png"] == {"alt": text, "width": 400}
    picture = Image.open(io.BytesIO(b64decode(data["image/png"])))
    assert picture.size == (520, 260)


def test_current_figure_is_closed_after_it_was_shown(shown):
    """Or the inline backend would show it a second time."""
    plots.plot_waveform([0.0, 0.1], sample_rate=2.0)
    plots.show_figure("Two samples, the second a little higher.")
    assert plt.get_fignums() == []
    assert len(shown) == 1


@pytest.mark.parametrize(
    ("description", "x_label", "message"),
    [
        ("A line rises from left to right.", "", "has no label"),
        ("A line.", "time (s)", "must say what there is to see"),
    ],
)
def test_figure_without_labels_or_description_is_refused(shown, description, x_label, message):
    figure = Figure()
    figure.subplots().set(xlabel=x_label, ylabel="amplitude")
    with pytest.raises(ValueError, match=message):
        plots.show_figure(description, figure)
    assert not shown
