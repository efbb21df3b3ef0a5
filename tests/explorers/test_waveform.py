"""explore_waveform without a browser: what is kept, seen, said and played."""

import math
import time

import numpy as np
import pytest
import torch

from course_utils.audio_io import load_audio
from course_utils.explorers import explore_waveform
from course_utils.signal import interpolate, make_chirp, make_noise, make_tone, rms_dbfs
from tests.unit.conftest import ROOT

RATE = 16_000


@pytest.fixture
def speech():
    waveform, _ = load_audio(ROOT / "audio_samples" / "spoken_sentence.flac")
    return waveform


@pytest.fixture
def walk():
    waveform, rate = load_audio(ROOT / "audio_samples" / "stereo_walk.flac", mono=False)
    assert rate == 22_050
    return waveform


def heard(explorer):
    """What is played, as the view holds it: float ``(n_channels, time)``."""
    view = explorer.view
    return np.frombuffer(view.sound, "<i2").reshape(-1, view.n_channels).T / 32768.0


def curve_values(explorer):
    state = explorer.view.picture("samples")
    return np.frombuffer(state["data"], "<f4")[: state["n_values"]]


def chart_lines(explorer):
    """Lines of the spectrum by name: ``(x, y)``."""
    state, start, lines = explorer.view.picture("spectrum"), 0, {}
    numbers = np.frombuffer(state["data"], "<f4")
    for line in state["lines"]:
        lines[line["label"]] = numbers[start : start + 2 * line["n"]].reshape(2, -1)
        start += 2 * line["n"]
    return lines


def peak_hz(line):
    return line[0][line[1].argmax()]


# ---- every control


def test_every_control_moves_something(walk):
    explorer = explore_waveform(walk, 22_050, keep_every=2, n_bits=5, anti_alias="off")
    view = explorer.view
    for name, slider in explorer.sliders.items():
        before = [view.sound, *(view.picture(i)["data"] for i in ("samples", "spectrogram"))]
        options = [o[1] if isinstance(o, tuple) else o for o in slider.options]
        for value in [o for o in options if o != slider.value][-2:]:
            slider.value = value
            assert explorer.error == "", (name, value)
        after = [view.sound, *(view.picture(i)["data"] for i in ("samples", "spectrogram"))]
        assert before != after, name
        assert view.picture("samples")["settings"][name] == slider.value
        explorer._apply(explorer._start)


def test_every_preset_is_a_good_setting(speech):
    explorer = explore_waveform(speech, RATE)
    for name, values in explorer.presets.items():
        explorer._apply(values)
        assert explorer.error == "", name
        assert explorer.settings | values == explorer.settings, name
    assert explorer.presets["telephone"]["keep_every"] == 2


@pytest.mark.parametrize("rate", [4000, 22_050, 44_100, 96_000])
def test_presets_suit_other_sample_rates(rate):
    explorer = explore_waveform(make_noise(sample_rate=rate, duration_s=0.2), rate)
    for values in explorer.presets.values():
        explorer._apply(values)
        assert explorer.error == ""


# ---- what is kept and what is heard


@pytest.mark.parametrize("anti_alias", ["on", "off"])
@pytest.mark.parametrize("keep_every", [2, 3, 8])
def test_what_is_heard_goes_through_the_samples_that_are_kept(speech, keep_every, anti_alias):
    explorer = explore_waveform(speech, RATE, keep_every=keep_every, anti_alias=anti_alias)
    sampled = explorer.sampled(explorer.settings)
    assert sampled.kept.shape[-1] == math.ceil(len(speech) / keep_every)
    torch.testing.assert_close(
        sampled.curve[..., ::keep_every], sampled.kept[..., : sampled.curve.shape[-1]],
        atol=1e-5, rtol=0,
    )  # fmt: skip
    gain = heard(explorer)[0].std() / sampled.curve.numpy().std()
    np.testing.assert_allclose(heard(explorer)[0], gain * sampled.curve[0], atol=1e-3)


def test_a_tone_above_nyquist_moves_where_the_mirror_puts_it():
    tone = make_tone(3500.0, level_dbfs=-6.0)
    explorer = explore_waveform(tone, RATE, keep_every=4, anti_alias="off")
    lines = chart_lines(explorer)
    assert peak_hz(lines["original"]) == pytest.approx(3500, abs=8)
    assert peak_hz(lines["what you hear"]) == pytest.approx(500, abs=8)
    assert peak_hz(lines["folded back"]) == pytest.approx(500, abs=8)
    assert lines["what you hear"][1].max() == pytest.approx(-6.0, abs=0.3)  # a sine in dBFS
    spectrum = np.abs(np.fft.rfft(heard(explorer)[0]))
    assert spectrum.argmax() == 500
    assert "3\u202f500 Hz, is now heard at 500 Hz" in explorer.view.notes[0]
    assert explorer.readout["alias_hz"] == pytest.approx(500, abs=8)


def test_the_filter_takes_it_out():
    both = make_tone(3500.0) + make_tone(700.0)
    explorer = explore_waveform(both, RATE, keep_every=4)
    assert explorer.view.notes == []
    assert "folded back" not in chart_lines(explorer)
    spectrum = np.abs(np.fft.rfft(heard(explorer)[0]))
    assert spectrum.argmax() == 700
    assert spectrum[500] < 1e-3 * spectrum[700]


def test_the_new_nyquist_frequency_is_marked(speech):
    explorer = explore_waveform(speech, RATE, keep_every=4)
    assert explorer.view.picture("spectrogram")["y_marks"] == ((2000.0, "Nyquist 2\u202f000 Hz"),)
    assert explorer.view.picture("spectrum")["marks"] == [[2000.0, "Nyquist 2\u202f000 Hz"]]
    explorer.set(keep_every=1)
    assert explorer.view.picture("spectrogram")["y_marks"] == ()


@pytest.mark.parametrize(
    "settings",
    [{"keep_every": 8}, {"n_bits": 3}, {"gain_db": -40, "n_bits": 8}, {"n_bits": 1}],
    ids=str,
)
def test_the_result_is_as_loud_as_the_original_and_never_clips(speech, settings):
    explorer = explore_waveform(speech, RATE, **settings)
    assert np.abs(heard(explorer)).max() <= 1.0
    assert rms_dbfs(torch.tensor(heard(explorer)[0])).item() == pytest.approx(
        rms_dbfs(speech).item(), abs=0.05
    )
    assert dict(explorer.view.readout)["played"] == "level matched"
    assert not any("full scale" in note for note in explorer.view.notes)


def test_what_cannot_be_matched_is_said():
    square = torch.sign(make_tone(437.0))  # its RMS is its peak: without its edges it must clip
    explorer = explore_waveform(square, RATE, keep_every=8)
    assert np.abs(heard(explorer)).max() == pytest.approx(1.0, abs=1e-4)
    assert explorer.readout["heard_dbfs"] < explorer.readout["rms_dbfs"] - 1
    assert "dB beside the original" in dict(explorer.view.readout)["played"]
    assert not any("full scale" in note for note in explorer.view.notes)


def test_original_and_difference_can_be_heard(speech):
    explorer = explore_waveform(speech, RATE, n_bits=4)
    explorer.set(hear="original")
    np.testing.assert_allclose(heard(explorer)[0], speech, atol=1e-4)
    explorer.set(hear="difference")
    sampled = explorer.sampled(explorer.settings)
    np.testing.assert_allclose(heard(explorer)[0], sampled.curve[0] - speech, atol=1e-4)


def test_the_sound_does_not_travel_again_when_the_view_is_zoomed(speech, monkeypatch):
    explorer = explore_waveform(speech, RATE, keep_every=2)
    sounds = []
    monkeypatch.setattr(explorer.view, "set_sound", sounds.append)
    explorer.view.visible = [1.0, 1.5]
    assert sounds == []
    explorer.set(keep_every=3)
    assert len(sounds) == 1


# ---- rounding


@pytest.mark.parametrize("n_bits", [6, 8, 10, 12])
def test_measured_and_expected_noise_of_a_full_sine_agree(n_bits):
    level_dbfs = 20 * math.log10(1 - 2.0 ** (1 - n_bits))
    explorer = explore_waveform(make_tone(997.0, level_dbfs=level_dbfs), RATE, n_bits=n_bits)
    readout = explorer.readout
    assert readout["snr_db"] == pytest.approx(6.02 * n_bits + 1.76, abs=0.15)
    assert readout["full_scale_snr_db"] == pytest.approx(6.02 * n_bits + 1.76, abs=0.02)
    assert dict(explorer.view.readout)["SNR measured"] == f"{readout['snr_db']:.1f} dB"


def test_less_gain_costs_as_many_decibels(speech):
    explorer = explore_waveform(speech, RATE, n_bits=10)
    before = explorer.readout
    explorer.set(gain_db=-20)
    after = explorer.readout
    assert before["expected_snr_db"] - after["expected_snr_db"] == pytest.approx(20, abs=0.01)
    assert before["snr_db"] - after["snr_db"] == pytest.approx(20, abs=1)
    assert before["full_scale_snr_db"] == after["full_scale_snr_db"]


def test_sixteen_bits_change_nothing_in_a_file_of_sixteen(speech):
    explorer = explore_waveform(speech, RATE)
    assert explorer.readout["snr_db"] == math.inf
    assert dict(explorer.view.readout)["SNR measured"] == "nothing was rounded"
    np.testing.assert_allclose(heard(explorer)[0], speech, atol=1e-4)


def test_silence_by_rounding_is_explained_and_dither_mends_it():
    explorer = explore_waveform(make_tone(500.0, level_dbfs=-30.0), RATE, n_bits=4)
    assert explorer.view.notes[0].startswith("Silence: no sample reaches half a step")
    assert heard(explorer).max() == 0.0
    explorer.set(dither="triangular")
    assert explorer.view.notes == []
    assert np.abs(np.fft.rfft(heard(explorer)[0])).argmax() == 500


def test_one_bit_is_explained(speech):
    explorer = explore_waveform(speech, RATE, n_bits=1)
    assert explorer.view.notes[0].startswith("One bit keeps the sign only")
    assert set(curve_values(explorer)) == {-0.5, 0.5}


def test_silence_is_no_error():
    explorer = explore_waveform(torch.zeros(RATE), RATE)
    for settings in ({"keep_every": 4}, {"anti_alias": "off"}, {"n_bits": 3}, {"gain_db": -20}):
        explorer.set(**settings)
        assert explorer.error == ""
        assert explorer.view.notes == []
    assert not any("nan" in value for _, value in explorer.view.readout)


# ---- down to single samples


def test_zooming_in_shows_the_samples_and_the_curves_through_them():
    tone = make_tone(3000.0, level_dbfs=-6.0)
    explorer = explore_waveform(tone, RATE, keep_every=4, anti_alias="off", n_bits=16)
    explorer.view.visible = [0.5, 0.504]
    state = explorer.view.picture("samples")
    assert state["stems"]
    assert not state["joined"]
    first = round(state["t0_s"] * 4000)
    values = curve_values(explorer)
    np.testing.assert_allclose(values, tone[4 * first :: 4][: len(values)], atol=1e-4)
    numbers = np.frombuffer(state["data"], "<f4")[state["n_values"] :]
    original, through = state["lines"]
    assert (original["label"], through["label"]) == ("original", "through the samples")
    x, y = numbers[: 2 * original["n"]].reshape(2, -1)
    truth = 10 ** (-6 / 20) * np.sin(2 * np.pi * 3000 * (state["t0_s"] + x))
    assert np.abs(y - truth).max() < 0.02
    x, y = numbers[2 * original["n"] :].reshape(2, -1)
    alias = -(10 ** (-6 / 20)) * np.sin(2 * np.pi * 1000 * (state["t0_s"] + x))  # 4000 - 3000 Hz
    assert np.abs(y - alias).max() < 0.02


def test_zoomed_out_the_envelope_holds_the_extremes():
    waveform = torch.zeros(RATE)
    waveform[5000], waveform[5001] = 0.8, -0.6
    explorer = explore_waveform(waveform, RATE)
    values = curve_values(explorer)
    assert len(values) <= 1200
    assert values.max() == pytest.approx(0.8, abs=1e-4)
    assert values.min() == pytest.approx(-0.6, abs=1e-4)
    state = explorer.view.picture("samples")
    at_s = state["t0_s"] + values.argmax() * state["dt_s"]
    assert at_s == pytest.approx(5000 / RATE, abs=2 / 600)


def test_few_levels_are_drawn_and_many_are_not(speech):
    explorer = explore_waveform(speech, RATE, n_bits=3)
    marks = [value for value, _ in explorer.view.picture("samples")["y_marks"]]
    assert marks
    assert all(value * 4 == round(value * 4) for value in marks)
    explorer.set(n_bits=12)
    assert explorer.view.picture("samples")["y_marks"] == []


@pytest.mark.parametrize("n_samples", [1, 2, 20, 400])
def test_very_short_sounds_work(n_samples):
    explorer = explore_waveform(0.1 * torch.ones(n_samples), RATE)
    explorer.set(keep_every=4, anti_alias="off")
    explorer.set(n_bits=3)
    if n_samples > 20:
        assert explorer.error == ""
    assert "Traceback" not in explorer.error


# ---- two channels


def test_stereo_keeps_its_balance(walk):
    explorer = explore_waveform(walk, 22_050, keep_every=2, n_bits=6)
    assert explorer.view.n_channels == 2
    first = heard(explorer)[:, : 22_050 // 4]
    left_db, right_db = rms_dbfs(torch.tensor(first.copy())).tolist()
    assert left_db - right_db == pytest.approx(22, abs=1.5)


@pytest.mark.parametrize(("channels", "rows"), [("left", [0]), ("right", [1]), ("mono", [0, 1])])
def test_one_channel_can_be_chosen(walk, channels, rows):
    explorer = explore_waveform(walk, 22_050, channels=channels)
    assert explorer.view.n_channels == 1
    np.testing.assert_allclose(heard(explorer)[0], walk[rows].mean(0), atol=2e-4)
    assert "mean of both channels" not in explorer.view.picture("spectrogram")["notes"]
    explorer.set(channels="both")
    assert explorer.view.n_channels == 2
    assert "mean of both channels" in explorer.view.picture("spectrogram")["notes"]


def test_mono_sounds_have_no_choice_of_channels(speech):
    assert "channels" not in explore_waveform(speech, RATE).sliders
    with pytest.raises(ValueError, match="two channels"):
        explore_waveform(speech, RATE, channels="left")


# ---- bounds and bad input


def test_a_long_sound_is_cut_and_that_is_said():
    explorer = explore_waveform(0.1 * torch.randn(120 * RATE), RATE)
    assert explorer.view.duration_s == 8.0
    assert "Only the first 8 of 120 s" in explorer.view.notes[0]


def test_ten_minutes_cost_little_more_than_ten_seconds():
    noise = 0.1 * torch.randn(600 * RATE)
    took = {}
    for seconds in (10, 600):
        explorer = explore_waveform(noise[: seconds * RATE], RATE)
        times = []
        for value in (2, 3, 4, 2, 3, 4):
            start = time.perf_counter()
            explorer.set(keep_every=value)
            times.append(time.perf_counter() - start)
        took[seconds] = min(times)
    assert took[600] < 10 * took[10] + 0.1


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ({"n_bits": 0}, "n_bits=0 must lie between 1 and 16"),
        ({"n_bits": 2.5}, "whole number"),
        ({"keep_every": True}, "whole number"),
        ({"gain_db": 6}, "between -90 and 0"),
        ({"hear": "noise"}, "hear must be one of result, original, difference"),
        ({"anti_alias": True}, "anti_alias must be one of on, off"),
    ],
    ids=str,
)
def test_a_bad_start_value_is_named(speech, start, words):
    with pytest.raises(ValueError, match=words):
        explore_waveform(speech, RATE, **start)


def test_an_unknown_start_value_is_named(speech):
    with pytest.raises(TypeError, match="no setting bits; it has keep_every, n_bits"):
        explore_waveform(speech, RATE, bits=3)


@pytest.mark.parametrize(
    "waveform", [torch.zeros(0), torch.zeros(3, 9), torch.zeros(9, dtype=torch.int16), "sound"]
)
def test_what_is_no_sound_is_refused_in_one_sentence(waveform):
    with pytest.raises(ValueError, match="waveform must"):
        explore_waveform(waveform, RATE)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_sample_rate_that_is_none_is_refused(speech, rate):
    with pytest.raises(ValueError, match="sample_rate must be positive"):
        explore_waveform(speech, rate)


def test_arrays_and_lists_are_sounds_too(speech):
    for waveform in (speech.numpy(), speech[:200].tolist()):
        assert explore_waveform(waveform, RATE).error == ""


def test_start_values_that_are_no_steps_are_added(speech):
    explorer = explore_waveform(speech, RATE, keep_every=7, gain_db=-7)
    assert explorer.settings["keep_every"] == 7
    assert explorer.settings["gain_db"] == -7


def test_it_shows_itself_with_a_picture_and_a_fixed_text(speech):
    explorer = explore_waveform(speech, RATE, keep_every=4, n_bits=4)
    explorer.view.visible = [1.0, 1.01]
    data, metadata = explorer._repr_mimebundle_()
    assert data["image/png"].startswith("iVBOR")
    assert repr(explorer) == "Waveform explorer: 3.000 s at 16000 Hz"
    assert metadata["image/png"]["alt"]


def test_the_way_of_the_chirp_is_the_folded_strip_of_paper():
    """What the lesson says: it turns where the chirp reaches multiples of 2000 Hz."""
    chirp = make_chirp(200.0, 7400.0, duration_s=3.0)
    explorer = explore_waveform(chirp, RATE, keep_every=4, anti_alias="off")
    sound = heard(explorer)[0]
    for time_s, hz in [(0.5, 1400), (1.0, 1400), (2.0, 1000), (2.8, 1080)]:
        piece = sound[int(time_s * RATE) - 400 : int(time_s * RATE) + 400] * np.hanning(800)
        spectrum = np.abs(np.fft.rfft(piece, 16_000))
        assert spectrum.argmax() == pytest.approx(hz, abs=30)
    assert interpolate(chirp[::4], factor=4).shape == chirp.shape
