"""explore_decibel without a browser: what moves the numbers, and what moves the picture."""

import numpy as np
import pytest
import torch
from traitlets import TraitError

from course_utils.explorers import explore_decibel
from course_utils.signal import mel_spectrogram, power_to_db

SAMPLE_RATE = 16000
PEAK_ROWS = {"n_fft": 1024, "hop_length": 256, "n_mels": 64}


@pytest.fixture
def waveform():
    """A loud tone, then the same 40 dB softer, over a little noise."""
    times_s = torch.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    level = torch.where(times_s < 1.0, 0.5, 0.005)
    noise = torch.randn(2 * SAMPLE_RATE, generator=torch.Generator().manual_seed(4))
    return level * torch.sin(2 * torch.pi * 1000 * times_s) + 1e-5 * noise


@pytest.fixture
def explorer(waveform):
    return explore_decibel(waveform, SAMPLE_RATE)


def cells(explorer):
    state = explorer.view.picture("decibel")
    return np.frombuffer(state["data"], np.uint8).reshape(state["n_rows"], state["n_columns"])


def shown_db(explorer):
    """The decibels that the picture shows, read back from its 8 bits."""
    state = explorer.view.picture("decibel")
    span = state["value_max"] - state["value_min"]
    return state["value_min"] + cells(explorer) * (span / 255.0)


def lines(explorer):
    """x, and y before and after the clamp, of the histogram."""
    state = explorer.view.picture("histogram")
    numbers = np.frombuffer(state["data"], "<f4").reshape(2, 2, -1)
    return numbers[0, 0], numbers[0, 1], numbers[1, 1]


# ---- the picture is the course's ----------------------------------------------------------------


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"ref": 0.01, "top_db": 50},
        {"amin": 1e-4, "top_db": None},
        {"ref": 100.0, "amin": 1e-3},
    ],
    ids=str,
)
def test_picture_is_power_to_db_of_the_mel_spectrogram(explorer, waveform, setting):
    explorer.set(**setting)
    mel = mel_spectrogram(waveform, sample_rate=SAMPLE_RATE, **PEAK_ROWS)
    used = {"ref": 1.0, "amin": 1e-10, "top_db": 80} | setting
    want = power_to_db(mel, **used).numpy()
    assert np.abs(shown_db(explorer) - want.clip(min=want.max() - 100)).max() < 0.5
    assert explorer.readout["peak_db"] == pytest.approx(want.max(), abs=1e-3)
    assert explorer.readout["floor_db"] == pytest.approx(want.min(), abs=1e-3)
    assert explorer.readout["mean_db"] == pytest.approx(want.mean(), abs=1e-3)


@pytest.mark.parametrize(
    ("moved", "by_db"), [({"ref": 100.0}, -20.0), ({"gain_db": -35}, -35.0)], ids=["ref", "gain"]
)
def test_ref_and_gain_move_all_numbers_and_leave_the_picture(explorer, moved, by_db):
    before, peak_db, mean_db = (
        cells(explorer),
        *[explorer.readout[k] for k in ("peak_db", "mean_db")],
    )
    x, _, after = lines(explorer)
    explorer.set(**moved)
    assert np.abs(cells(explorer).astype(int) - before).max() <= 1
    assert explorer.readout["peak_db"] == pytest.approx(peak_db + by_db, abs=1e-3)
    assert explorer.readout["mean_db"] == pytest.approx(mean_db + by_db, abs=1e-3)
    x2, _, after2 = lines(explorer)
    np.testing.assert_array_equal(x, x2)  # the axis stays, the histogram slides along it
    assert (after2 * x2).sum() / 100 == pytest.approx((after * x).sum() / 100 + by_db, abs=1.0)


def test_with_fixed_colours_a_softer_sound_is_darker(explorer):
    explorer.set(colours="-60 to 40 dB")
    before = cells(explorer).astype(int)
    explorer.set(gain_db=-20)
    assert cells(explorer).mean() < before.mean() - 10
    assert explorer.view.picture("decibel")["value_max"] == 40.0


def test_the_clamp_lifts_what_is_too_low_and_says_how_much(explorer):
    explorer.set(top_db=30, colours="lowest to peak")
    state = explorer.view.picture("decibel")
    assert state["value_max"] - state["value_min"] == pytest.approx(30.0, abs=1e-3)
    assert explorer.readout["range_db"] == pytest.approx(30.0, abs=1e-3)
    assert explorer.readout["clamped_share"] > 0.9
    assert any("clamped to one level" in note for note in explorer.view.notes)


def test_the_soft_tone_is_gone_with_30_db_and_there_with_50(explorer):
    soft_row, column = cells(explorer)[:, 30].argmax(), 100  # 1000 Hz, in the second second
    for top_db, there in [(50, True), (30, False)]:
        explorer.set(top_db=top_db)
        assert (cells(explorer)[soft_row, column] > cells(explorer).min()) == there


def test_amin_is_a_floor_whatever_top_db_says(explorer):
    explorer.set(amin=1e-2, top_db=None)
    assert explorer.readout["floor_db"] == pytest.approx(-20.0, abs=1e-3)
    assert explorer.readout["amin_share"] > 0.2
    assert any("amin lifts" in note for note in explorer.view.notes)


def test_a_louder_neighbour_takes_from_the_range(explorer):
    explorer.set(neighbour=50)
    assert explorer.readout["range_db"] == pytest.approx(30.0, abs=1e-3)
    assert any("50 dB louder: of 80 dB this sound keeps 30." in n for n in explorer.view.notes)
    peak_db = explorer.readout["peak_db"]
    explorer.set(neighbour=None)
    assert explorer.readout["peak_db"] == pytest.approx(peak_db)
    assert explorer.view.notes == []


@pytest.mark.parametrize(
    ("formula", "factor"),
    [("20 log10(amplitude)", 1.0), ("10 log10(amplitude)", 0.5), ("20 log10(power)", 2.0)],
)
def test_formula_keeps_halves_or_doubles_all_differences(explorer, formula, factor):
    explorer.set(top_db=None, ref="peak")
    db = explorer._levels.after
    explorer.set(formula=formula)
    torch.testing.assert_close(explorer._levels.after, factor * db, atol=2e-3, rtol=1e-4)
    assert bool(explorer.view.notes) == (factor != 1.0)


def test_ref_peak_puts_0_db_at_the_peak(explorer):
    explorer.set(ref="peak", gain_db=-20)
    assert explorer.readout["peak_db"] == pytest.approx(0.0, abs=1e-4)


# ---- the histogram ------------------------------------------------------------------------------


def test_histogram_counts_every_cell_before_and_after(explorer):
    for setting in ({}, {"ref": 1e4}, {"gain_db": -100}, {"formula": "20 log10(power)"}):
        explorer._apply(setting)
        _, before, after = lines(explorer)
        assert before.sum() == pytest.approx(100.0, abs=0.01)
        assert after.sum() == pytest.approx(100.0, abs=0.01)


def test_marks_stand_at_0_db_at_amin_and_at_the_clamp(explorer):
    explorer.set(ref=0.1)
    marks = explorer.view.picture("histogram")["marks"]
    assert marks[0] == [0.0, "0 dB: power 0.1"]
    assert marks[1] == [pytest.approx(-90.0), "amin"]
    assert marks[2][0] == pytest.approx(explorer.readout["peak_db"] - 80, abs=1e-3)
    assert marks[2][1].startswith("clamp: ")


# ---- every control, every preset ----------------------------------------------------------------


def test_every_control_moves_something(explorer):
    for name, slider in explorer.sliders.items():
        states = set()
        values = [o[1] if isinstance(o, tuple) else o for o in slider.options]
        for value in values:
            slider.value = value
            assert explorer.error == "", (name, value)
            told = tuple(tuple(pair) for pair in explorer.view.readout)
            picture = explorer.view.picture("decibel")
            states.add((told, picture["data"], picture["value_min"]))
        assert len(states) >= len(values) / 2, name
        explorer._apply({})


def test_every_preset_is_what_it_says_and_only_that(explorer):
    for values in explorer.presets.values():
        explorer._apply(values)
        assert explorer.error == ""
        assert explorer.settings == explorer.defaults | values


def test_what_is_not_known_is_named(waveform):
    with pytest.raises(TypeError, match="no setting n_fft; it has top_db"):
        explore_decibel(waveform, SAMPLE_RATE, n_fft=512)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ref", 0.0),
        ("ref", "median"),
        ("amin", -1.0),
        ("top_db", -3),
        ("neighbour", 2.5),
        ("formula", "ln"),
        ("colours", "jet"),
    ],
)
def test_start_value_that_cannot_be_used_is_named(waveform, name, value):
    with pytest.raises(ValueError, match=name):
        explore_decibel(waveform, SAMPLE_RATE, **{name: value})


def test_start_values_reach_the_picture(waveform):
    explorer = explore_decibel(waveform, SAMPLE_RATE, ref=0.5, top_db=None, amin=3e-9)
    assert explorer.settings["ref"] == 0.5
    assert explorer.settings["top_db"] is None
    assert explorer.readout["ref"] == 0.5


# ---- what is heard ------------------------------------------------------------------------------


def test_gain_is_heard_and_never_clips(explorer):
    explorer.set(gain_db=-20)
    assert explorer.view.gain == pytest.approx(0.1)
    explorer.set(gain_db=20)
    assert explorer.view.gain == pytest.approx(1 / 0.5, rel=1e-3)
    assert any("a sound card would clip" in note for note in explorer.view.notes)
    with pytest.raises(TraitError, match="within full scale"):
        explorer.view.gain = 10.0


# ---- odd sounds ---------------------------------------------------------------------------------


def test_silence_is_amin_everywhere_and_said():
    explorer = explore_decibel(torch.zeros(SAMPLE_RATE), SAMPLE_RATE)
    assert explorer.error == ""
    assert explorer.readout["peak_db"] == explorer.readout["floor_db"] == pytest.approx(-100.0)
    assert any("every cell is the same" in note for note in explorer.view.notes)
    explorer.set(ref="peak")
    assert explorer.error == ""


def test_ten_minutes_are_thinned_and_the_clamp_still_counts_from_the_loudest(waveform):
    long = torch.zeros(600 * SAMPLE_RATE)
    long[: len(waveform)] = waveform
    explorer = explore_decibel(long, SAMPLE_RATE)
    assert explorer.view.picture("decibel")["n_columns"] <= 1200
    explorer.view.visible = [1.2, 1.8]  # only the soft tone is seen: the clamp must not follow it
    peak_db = float(
        power_to_db(mel_spectrogram(waveform, sample_rate=SAMPLE_RATE, **PEAK_ROWS)).max()
    )
    assert explorer.readout["floor_db"] == pytest.approx(peak_db - 80.0, abs=0.5)
    assert shown_db(explorer).max() < peak_db - 35.0
    assert shown_db(explorer).min() == pytest.approx(peak_db - 80.0, abs=0.5)


# ---- the student's own function -----------------------------------------------------------------


def test_own_function_is_what_the_sliders_move(waveform):
    def my_power_to_db(power_spec, *, ref=1.0, amin=1e-10, top_db=80.0):
        return power_to_db(power_spec, ref=ref, amin=amin, top_db=top_db) + 7.0

    explorer = explore_decibel(waveform, SAMPLE_RATE, power_to_db=my_power_to_db)
    assert explorer.view.picture("decibel")["engine"] == "your my_power_to_db"
    ours = explore_decibel(waveform, SAMPLE_RATE)
    assert explorer.readout["peak_db"] == pytest.approx(ours.readout["peak_db"] + 7.0, abs=1e-3)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda power_spec: power_spec.log10() - power_spec.log10(), None),
        (lambda power_spec: [1.0], "returned list"),
        (lambda power_spec: power_spec.mT, "a tensor of the same shape"),
        (lambda power_spec: torch.log10(0 * power_spec), "a logarithm of zero"),
        (lambda power_spec: 1 / 0, "raised ZeroDivisionError"),
    ],
    ids=["a flat picture", "a list", "turned", "minus infinity", "an error"],
)
def test_own_function_that_fails_is_one_line_beside_the_course_s_picture(waveform, function, says):
    explorer = explore_decibel(waveform, SAMPLE_RATE, power_to_db=function)
    assert (says in explorer.error) if says else (explorer.error == "")
    assert "\n" not in explorer.error
    if says:
        assert "The picture is the course's." in explorer.error
        assert explorer.view.picture("decibel")["engine"] == "PyTorch"


def test_own_function_that_is_not_written_yet_is_a_note(waveform):
    def my_power_to_db(power_spec, *, ref=1.0, amin=1e-10, top_db=80.0):
        return None

    explorer = explore_decibel(waveform, SAMPLE_RATE, power_to_db=my_power_to_db)
    assert explorer.error == ""
    assert "returns None" in explorer.view.notes[0]


def test_static_picture_and_fixed_text(explorer):
    data, metadata = explorer._repr_mimebundle_()
    assert data["text/plain"] == "Decibel explorer: 2.000 s at 16000 Hz"
    assert len(data["image/png"]) < 150_000
    assert metadata["image/png"]["alt"]
