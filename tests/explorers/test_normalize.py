"""explore_normalize without a browser: its numbers are the course's, its notes are true."""

import numpy as np
import pytest
import torch

from course_utils.explorers import explore_normalize
from course_utils.explorers.controls import EPS, GAIN_DB, METHODS
from course_utils.signal import (
    LogMelSpectrogram,
    make_noise,
    make_silence,
    make_tone,
    quantize,
    standardize,
)

SAMPLE_RATE = 16000
STATISTICS = (-34.0, 23.0)


@pytest.fixture
def waveform():
    """Noise that grows from silence to loud: levels of all kinds."""
    noise = make_noise(seed=3, level_dbfs=-6.0)
    return noise * torch.linspace(0.001, 1.0, SAMPLE_RATE)


@pytest.fixture
def explorer(waveform):
    return explore_normalize(waveform, SAMPLE_RATE, statistics=STATISTICS)


def shown(explorer, lane="after"):
    """The picture of a lane as numbers, and what came with it."""
    state = explorer.view.picture(lane)
    cells = np.frombuffer(state["data"], np.uint8).reshape(state["n_rows"], state["n_columns"])
    step = (state["value_max"] - state["value_min"]) / 255
    return state["value_min"] + step * cells.astype(float), step, state


def chain(waveform, gain_db=0.0):
    stored = quantize(waveform * 10 ** (gain_db / 20), n_bits=16)
    return LogMelSpectrogram()(stored).double()


BY_HAND = {
    "none": lambda x: x,
    "per clip": standardize,
    "per band": lambda x: standardize(x, dim=-1),
    "data set": lambda x: standardize(x, mean=-34.0, std=23.0),
    "min-max": lambda x: (x - x.min()) / (x.max() - x.min()),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("gain_db", [0, -45])
def test_both_pictures_are_the_course_s_numbers_in_8_bits(explorer, waveform, method, gain_db):
    explorer.set(method=method, gain_db=gain_db)
    assert explorer.error == ""
    before = chain(waveform, gain_db)
    for lane, expected in (("before", before), ("after", BY_HAND[method](before))):
        values, step, state = shown(explorer, lane)
        expected = expected.clamp(state["value_min"], state["value_max"]).numpy()
        assert np.abs(values - expected).max() <= 0.51 * step + 1e-3
        assert np.abs(values - expected).max() > 0  # the comparison compares something


@pytest.mark.parametrize("method", METHODS)
def test_the_readout_is_what_the_numbers_are(explorer, waveform, method):
    explorer.set(method=method, gain_db=-10)
    before = chain(waveform, -10)
    after = BY_HAND[method](before)
    for name, values in (("before", before), ("after", after)):
        assert explorer.readout[f"mean_{name}"] == pytest.approx(values.mean().item(), abs=1e-3)
        assert explorer.readout[f"std_{name}"] == pytest.approx(
            values.std(correction=0).item(), abs=1e-3
        )
        assert explorer.readout[f"min_{name}"] == pytest.approx(values.min().item(), abs=1e-3)
        assert explorer.readout[f"max_{name}"] == pytest.approx(values.max().item(), abs=1e-3)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "none"])
def test_the_printed_formula_gives_its_printed_result(explorer, method):
    explorer.set(method=method)
    (formula,) = [value for name, value in explorer.view.readout if name.startswith("loudest")]
    sum_, result = formula.replace("\u2212", "-").split(" = ")
    assert "1e-8" in sum_
    assert eval(sum_) == pytest.approx(float(result.split()[0]), abs=0.02)  # one decimal is shown


def test_the_floor_lies_80_db_below_the_peak_of_the_whole_clip_also_when_zoomed():
    tone = make_tone(1000.0, level_dbfs=-3.0)
    tone[8000:] = 0.0
    explorer = explore_normalize(tone, SAMPLE_RATE, method="none")
    whole = explorer.readout
    assert whole["min_before"] == pytest.approx(whole["max_before"] - 80.0, abs=1e-3)
    explorer.view.visible = [0.7, 0.9]
    values, step, _ = shown(explorer)
    assert values.max() == pytest.approx(whole["max_before"] - 80.0, abs=step)


def test_the_formula_of_per_band_names_the_band(explorer):
    explorer.set(method="per band")
    names = [name for name, _ in explorer.view.readout]
    assert f"loudest cell (band {explorer.readout['band']}):" in names


def test_every_control_moves_the_picture(explorer):
    for name, slider in explorer.sliders.items():
        before = explorer.view.picture("after")["data"]
        slider.value = {"gain_db": -60, "method": "min-max", "eps": 10.0}[name]
        assert explorer.view.picture("after")["data"] != before, name
        assert explorer.error == ""
        explorer._apply(explorer._start)
        assert explorer.view.picture("after")["data"] == before


def test_every_value_of_every_control_can_be_shown(explorer):
    for method in METHODS:
        for gain_db in GAIN_DB[::5]:
            explorer.set(method=method, gain_db=gain_db)
            assert explorer.error == "", (method, gain_db)
    for eps in EPS:
        explorer.set(eps=eps, gain_db=0, method="per clip")
        assert explorer.error == "", eps


def test_per_clip_forgets_the_gain_and_the_data_set_does_not(explorer):
    explorer.set(method="per clip", gain_db=0)
    loud, _, _ = shown(explorer)
    explorer.set(gain_db=-20)
    quiet, step, _ = shown(explorer)
    assert np.abs(loud - quiet).max() < 3 * step
    explorer.set(method="data set", gain_db=0)
    mean = explorer.readout["mean_after"]
    explorer.set(gain_db=-20)
    assert explorer.readout["mean_after"] == pytest.approx(mean - 20 / 23, abs=0.02)


def test_colours_are_fixed_so_that_a_change_is_seen(explorer):
    ranges = set()
    for gain_db in (0, -30, -60):
        explorer.set(gain_db=gain_db)
        state = explorer.view.picture("after")
        ranges.add((state["value_min"], state["value_max"], state["colours"]))
    assert ranges == {(-3.0, 3.0, "signed")}
    explorer.set(method="none")
    assert explorer.view.picture("after")["colours"] == "level"


# ---- histograms


def bars(explorer, lane):
    state = explorer.view.picture(lane)
    (line,) = state["lines"]
    x, y = np.frombuffer(state["data"], "<f4").reshape(2, line["n"])
    return x, y, state


@pytest.mark.parametrize("method", METHODS)
def test_histograms_count_every_cell(explorer, method):
    explorer.set(method=method)
    for lane in ("histogram_before", "histogram_after"):
        x, y, state = bars(explorer, lane)
        assert y.sum() == pytest.approx(100, abs=0.01)
        assert y.max() <= state["y"]["max"] or state["notes"]
        name = lane.split("_")[1]
        spread = explorer.readout[f"std_{name}"]
        assert (x * y).sum() / 100 == pytest.approx(
            explorer.readout[f"mean_{name}"], abs=0.1 * spread
        )


def test_a_bar_that_would_flatten_all_others_leaves_the_chart_and_is_said():
    tone = make_tone(1000.0, level_dbfs=-3.0)
    tone[8000:] = 0.0
    _, y, state = bars(explore_normalize(tone, SAMPLE_RATE), "histogram_before")
    assert y.max() > state["y"]["max"] >= np.sort(y)[-2]
    assert state["notes"] == (f"one bar, {y.max():.0f} % of the cells, leaves the chart",)


def test_the_shape_of_the_histogram_stays(explorer):
    """One shift and one stretch: the third moment of the bars is the same before and after."""

    def skewness(lane):
        x, y, _ = bars(explorer, lane)
        mean = (x * y).sum() / 100
        std = np.sqrt(((x - mean) ** 2 * y).sum() / 100)
        return (((x - mean) / std) ** 3 * y).sum() / 100

    assert skewness("histogram_before") == pytest.approx(skewness("histogram_after"), rel=0.15)


def test_marks_stand_at_mean_and_standard_deviation(explorer):
    marks = {name: place for place, name in explorer.view.picture("histogram_after")["marks"]}
    assert marks["mean"] == pytest.approx(0, abs=1e-6)
    assert marks["+ std"] == pytest.approx(1, abs=1e-6)


# ---- notes: what is useless or impossible is said


def test_a_good_setting_has_no_note(explorer):
    for method in METHODS:
        explorer.set(method=method)
        assert explorer.view.notes == [], method


@pytest.mark.parametrize("method", ["per clip", "per band", "min-max"])
def test_silence_that_becomes_noise_is_said(method):
    room = make_noise(level_dbfs=-75.0, seed=1)
    explorer = explore_normalize(room, SAMPLE_RATE, method=method)
    (note,) = explorer.view.notes
    assert "nearly silent (peak \u221274.7 dBFS)" in note  # 16 bits round the -75 dBFS up
    assert "silence became noise" in note
    assert "eps of 1e-8 is nothing" in note


def test_a_room_normalised_per_clip_is_as_strong_as_a_loud_noise():
    """The note's claim: the same spread, whatever the level."""
    stds = []
    for level_dbfs in (-75.0, -10.0):
        noise = make_noise(level_dbfs=level_dbfs, seed=1)
        readout = explore_normalize(noise, SAMPLE_RATE).readout
        assert readout["std_after"] == pytest.approx(1.0, abs=1e-6)
        stds.append(readout["std_before"])
    assert stds[0] == pytest.approx(stds[1], abs=0.2)


def test_fixed_numbers_leave_silence_dark_and_the_note_says_so():
    room = make_noise(level_dbfs=-75.0, seed=1)
    explorer = explore_normalize(room, SAMPLE_RATE, statistics=STATISTICS, method="data set")
    assert "Fixed numbers keep the level" in explorer.view.notes[0]
    assert explorer.readout["mean_after"] < -0.5


def test_digital_silence_becomes_zeros_thanks_to_eps():
    explorer = explore_normalize(make_silence(), SAMPLE_RATE)
    assert "Only eps keeps this from being 0 / 0" in explorer.view.notes[0]
    assert explorer.readout["max_after"] == explorer.readout["min_after"] == 0.0
    assert dict(explorer.view.readout)["stored peak"] == "digital silence"


def test_without_eps_digital_silence_is_an_error_and_the_picture_stays(explorer):
    explorer.set(gain_db=-100)
    before = explorer.view.picture("after")["data"]
    explorer.set(eps=0.0)
    assert explorer.error.startswith("0 / 0")
    assert "last good" in explorer.error
    assert explorer.view.picture("after")["data"] == before
    explorer.set(eps=1e-8)
    assert explorer.error == ""


def test_an_eps_that_is_not_small_is_said(explorer):
    explorer.set(eps=10.0)
    assert "eps = 10 is not small" in explorer.view.notes[0]
    told = float(explorer.view.notes[0].rsplit(" ", 1)[1].rstrip("."))
    assert told == pytest.approx(explorer.readout["std_after"], abs=0.01)


def test_the_data_set_without_its_numbers_is_explained(waveform):
    explorer = explore_normalize(waveform, SAMPLE_RATE)
    before = explorer.view.picture("after")["data"]
    explorer.set(method="data set")
    assert "statistics=(mean, std)" in explorer.error
    assert explorer.view.picture("after")["data"] == before


def test_clipping_by_the_gain_is_counted(explorer, waveform):
    explorer.set(gain_db=20)
    clipped = int((10 * waveform.abs() > 1).sum())
    assert f"{clipped} of 16000 samples went beyond full scale" in explorer.view.notes[0]


def test_cells_beyond_the_colours_are_said(waveform):
    explorer = explore_normalize(waveform, SAMPLE_RATE, statistics=(-90.0, 5.0), method="data set")
    assert "% of the cells lie beyond the colours" in explorer.view.notes[-1]


# ---- statistics as plain data


def test_statistics_may_be_given_for_each_band(waveform):
    mean, std = torch.linspace(-50, -10, 64), torch.linspace(5, 25, 64)
    for pair in ((mean, std), (mean[:, None], std[:, None])):
        explorer = explore_normalize(waveform, SAMPLE_RATE, statistics=pair, method="data set")
        expected = standardize(chain(waveform), mean=mean[:, None], std=std[:, None])
        assert explorer.readout["mean_after"] == pytest.approx(expected.mean().item(), abs=1e-3)


@pytest.mark.parametrize(
    ("statistics", "words"),
    [
        ((1.0,), "a pair"),
        (("a", "b"), "a pair"),
        ((0.0, -1.0), "at least 0"),
        ((float("nan"), 1.0), "finite"),
        ((torch.zeros(7), 1.0), "64 bands"),
    ],
)
def test_statistics_that_cannot_be_used_are_refused(waveform, statistics, words):
    with pytest.raises(ValueError, match=words):
        explore_normalize(waveform, SAMPLE_RATE, statistics=statistics)


@pytest.mark.parametrize("start", [{"method": "best"}, {"metod": "none"}])
def test_a_start_value_that_is_not_known_is_refused(waveform, start):
    with pytest.raises((ValueError, TypeError), match=r"method|metod"):
        explore_normalize(waveform, SAMPLE_RATE, **start)


# ---- the student's own function


def test_own_function_is_what_the_sliders_move(waveform):
    seen = []

    def my_standardize(log_mel_spec, eps):
        seen.append((tuple(log_mel_spec.shape), eps))
        return standardize(log_mel_spec, eps=eps)

    explorer = explore_normalize(waveform, SAMPLE_RATE, normalize=my_standardize)
    explorer.set(eps=1.0)
    assert seen == [((64, 32), 1e-8), ((64, 32), 1.0)]
    assert explorer.view.picture("after")["engine"] == "your my_standardize"
    ours = explore_normalize(waveform, SAMPLE_RATE, eps=1.0)
    assert explorer.view.picture("after")["data"] == ours.view.picture("after")["data"]
    explorer.set(method="per band")
    assert explorer.view.picture("after")["engine"] == "PyTorch"


def test_own_function_on_a_zoomed_view_is_the_same_picture(waveform):
    explorer = explore_normalize(
        waveform, SAMPLE_RATE, normalize=lambda log_mel_spec: standardize(log_mel_spec)
    )
    ours = explore_normalize(waveform, SAMPLE_RATE)
    for one in (explorer, ours):
        one.view.visible = [0.3, 0.6]
    assert explorer.view.picture("after")["n_columns"] < 15
    assert explorer.view.picture("after")["data"] == ours.view.picture("after")["data"]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda x: 1 / 0, "raised ZeroDivisionError"),
        (lambda x: x[:5], "returned (5, 32); a tensor of the shape (64, 32)"),
        (lambda x: 3.0, "returned float"),
        (lambda x: x / 0, "NaN or infinity"),
    ],
)
def test_a_faulty_own_function_is_explained_and_the_course_s_picture_shown(waveform, result, words):
    def mine(log_mel_spec):
        return result(log_mel_spec)

    explorer = explore_normalize(waveform, SAMPLE_RATE, normalize=mine)
    assert words in explorer.error
    assert "course's" in explorer.error
    assert explorer.view.picture("after")["engine"] == "PyTorch"


def test_a_function_that_is_not_written_yet_is_no_error(waveform):
    explorer = explore_normalize(waveform, SAMPLE_RATE, normalize=lambda log_mel_spec: None)
    assert explorer.error == ""
    assert "returns None" in explorer.view.notes[0]


def test_a_callable_is_needed(waveform):
    with pytest.raises(TypeError, match="a function is needed"):
        explore_normalize(waveform, SAMPLE_RATE, normalize=3)


# ---- what is heard, long sounds, display


def test_what_is_heard_has_the_gain(explorer, waveform):
    explorer.set(gain_db=-40)
    heard = np.frombuffer(explorer.view.sound, "<i2") / 32768
    np.testing.assert_allclose(heard, waveform.numpy() / 100, atol=1 / 32768)


def test_the_eye_and_the_ear_lose_the_same(waveform):
    """At -80 dB a few steps of the file are left, in the picture as in the sound."""
    explorer = explore_normalize(waveform, SAMPLE_RATE, gain_db=-80)
    assert len(np.unique(np.frombuffer(explorer.view.sound, "<i2"))) < 10
    ideal = explore_normalize(waveform, SAMPLE_RATE).view.picture("after")["data"]
    assert explorer.view.picture("after")["data"] != ideal


def test_long_sounds_are_turned_down_without_being_sent_again():
    long = 0.1 * torch.randn(120 * SAMPLE_RATE, generator=torch.Generator().manual_seed(1))
    explorer = explore_normalize(long, SAMPLE_RATE)
    sound = explorer.view.sound
    explorer.set(gain_db=-40)
    assert explorer.view.sound is sound
    assert explorer.view.gain == pytest.approx(0.01)
    assert explorer.view.picture("after")["n_columns"] <= 1200
    assert explorer.readout["mean_after"] == pytest.approx(0, abs=1e-6)


def test_a_zoomed_view_shows_the_same_numbers(explorer):
    whole, _, _ = shown(explorer)
    readout = dict(explorer.readout)
    explorer.view.visible = [0.25, 0.5]
    part, _, state = shown(explorer)
    first = state["frames"]["first"]
    np.testing.assert_array_equal(part, whole[:, first : first + part.shape[1]])
    assert explorer.readout == readout  # the statistics are those of the whole clip


def test_stereo_is_heard_in_stereo(waveform):
    explorer = explore_normalize(torch.stack([waveform, 0 * waveform]), SAMPLE_RATE, gain_db=-20)
    assert explorer.error == ""
    assert explorer.view.n_channels == 2


def test_it_shows_itself_with_a_picture_and_a_fixed_text(explorer):
    data, metadata = explorer._repr_mimebundle_()
    assert data["text/plain"] == "Normalize explorer: 1.000 s at 16000 Hz"
    assert data["image/png"].startswith("iVBOR")
    assert metadata["image/png"]["alt"]
