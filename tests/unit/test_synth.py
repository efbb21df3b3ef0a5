"""The truth about course_utils.signal.synth: sounds whose answer is known."""

import itertools
import math

import numpy as np
import pytest
import scipy.signal
import torch

from course_utils.signal import (
    fade,
    fft_freqs_hz,
    make_chirp,
    make_click,
    make_clicks,
    make_noise,
    make_silence,
    make_tone,
    mix,
    peak_dbfs,
    set_peak,
)
from tests.unit.compare import assert_batch_independent, assert_leading_dims, assert_near

MAKERS = {
    "tone": lambda **kw: make_tone(440.0, **kw),
    "linear chirp": lambda **kw: make_chirp(100.0, 3000.0, **kw),
    "exponential chirp": lambda **kw: make_chirp(100.0, 3000.0, method="exponential", **kw),
    "click": lambda **kw: make_click(0.1, **kw),
    "clicks": lambda **kw: make_clicks([0.1, 0.15], **kw),
    "white noise": lambda **kw: make_noise(**kw),
    "pink noise": lambda **kw: make_noise(colour="pink", **kw),
    "silence": lambda **kw: make_silence(**kw),
}


# ---------------------------------------------------------------- every maker


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_shape_and_dtype(make):
    assert make().shape == (16000,)
    assert make().dtype == torch.float32
    assert make(sample_rate=8000, duration_s=0.25).shape == (2000,)
    assert make(dtype=torch.float64).dtype == torch.float64


@pytest.mark.parametrize(
    "make", [m for name, m in MAKERS.items() if name != "silence"], ids=[*MAKERS][:-1]
)
@pytest.mark.parametrize("level_dbfs", [0.0, -12.0, -60.0])
def test_level_is_the_level_of_the_peak(make, level_dbfs):
    waveform = make(level_dbfs=level_dbfs, dtype=torch.float64)
    assert peak_dbfs(waveform).item() == pytest.approx(level_dbfs, abs=0.05)
    assert waveform.abs().max() <= 1.0


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_made_twice_is_the_same(make):
    assert torch.equal(make(), make())


def test_two_sounds_at_the_default_level_do_not_clip():
    for make in MAKERS.values():
        assert mix(make_tone(441.0), make()).abs().max() < 1.0


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"sample_rate": 0}, "sample_rate=0"),
        ({"sample_rate": 8000.5}, r"sample_rate=8000\.5 must be a positive integer"),
        ({"duration_s": 0}, "duration_s=0 must be a positive number"),
        ({"duration_s": 1e-9}, "duration_s=1e-09 is shorter than one sample"),
        ({"dtype": torch.int16}, r"dtype=torch\.int16"),
    ],
)
def test_makers_name_the_bad_argument(make, kwargs, match):
    with pytest.raises(ValueError, match=match):
        make(**kwargs)


@pytest.mark.parametrize(
    "make", [m for name, m in MAKERS.items() if name != "silence"], ids=[*MAKERS][:-1]
)
def test_makers_refuse_to_clip(make):
    with pytest.raises(ValueError, match=r"level_dbfs=0\.1 must be at most 0 dBFS"):
        make(level_dbfs=0.1)


# ---------------------------------------------------------------- tone


@pytest.mark.parametrize("freq_hz", [0.0, 440.0, 7999.0])
@pytest.mark.parametrize("phase", [0.0, 1.3])
def test_tone_equals_the_formula(freq_hz, phase):
    ours = make_tone(freq_hz, level_dbfs=-20.0, phase=phase, dtype=torch.float64)
    time_s = np.arange(16000) / 16000
    assert_near(ours + 1, 0.1 * np.sin(2 * np.pi * freq_hz * time_s + phase) + 1, relative=1e-10)


def test_long_tone_stays_exact_in_single_precision():
    """A phase counted in float32 is wrong by whole periods after a minute."""
    long = make_tone(4000.0, duration_s=60.0, level_dbfs=0.0, phase=math.pi / 2)
    assert_near(long[-4:], torch.tensor([1.0, 0.0, -1.0, 0.0]), relative=1e-6)


@pytest.mark.parametrize("freq_hz", [8000.0, -1.0, math.nan])
def test_tone_names_the_frequency_that_does_not_fit(freq_hz):
    with pytest.raises(ValueError, match="freq_hz="):
        make_tone(freq_hz)


def test_tone_names_the_bad_phase():
    with pytest.raises(ValueError, match="phase=inf must be a finite number"):
        make_tone(440.0, phase=math.inf)


# ---------------------------------------------------------------- chirp


@pytest.mark.parametrize(("method", "theirs"), [("linear", "linear"), ("exponential", "log")])
@pytest.mark.parametrize(("start", "end"), [(100.0, 7000.0), (5000.0, 50.0), (300.0, 300.0)])
def test_chirp_equals_scipy(method, theirs, start, end):
    ours = make_chirp(
        start, end, duration_s=2.0, level_dbfs=0.0, method=method, dtype=torch.float64
    )
    time_s = np.arange(32000) / 16000
    expected = scipy.signal.chirp(time_s, f0=start, t1=2.0, f1=end, method=theirs, phi=-90)
    assert_near(ours, expected, relative=1e-8)


def test_linear_chirp_is_half_way_at_half_time():
    chirp = make_chirp(1000.0, 3000.0, duration_s=1.0, dtype=torch.float64)
    middle = chirp[8000 - 400 : 8000 + 400] * torch.hann_window(800)
    freqs = fft_freqs_hz(16000, sample_rate=16000)
    assert freqs[torch.fft.rfft(middle, n=16000).abs().argmax()].item() == pytest.approx(
        2000.0, abs=10.0
    )


@pytest.mark.parametrize(
    ("args", "kwargs", "match"),
    [
        ((8000.0, 100.0), {}, "f_start_hz=8000.0"),
        ((100.0, 9000.0), {}, "f_end_hz=9000.0"),
        ((0.0, 100.0), {"method": "exponential"}, "f_start_hz=0.0 must be a positive number"),
        ((100.0, 0.0), {"method": "exponential"}, "f_end_hz=0.0 must be a positive number"),
        ((1.0, 2.0), {"method": "log"}, "method='log' is not known; choose one of 'linear'"),
    ],
)
def test_chirp_names_the_bad_argument(args, kwargs, match):
    with pytest.raises(ValueError, match=match):
        make_chirp(*args, **kwargs)


# ---------------------------------------------------------------- clicks, noise, silence


def test_clicks_are_single_samples_where_they_should_be():
    clicks = make_clicks([0.0, 0.25, 0.99], level_dbfs=0.0)
    assert clicks.nonzero().flatten().tolist() == [0, 4000, 15840]
    assert clicks.sum() == 3.0
    assert torch.equal(make_click(0.25), make_clicks([0.25]))
    assert torch.equal(make_clicks([]), make_silence())


@pytest.mark.parametrize("time_s", [-0.1, 1.0, math.nan])
def test_clicks_name_the_bad_time(time_s):
    with pytest.raises(ValueError, match=f"times_s={time_s}"):
        make_clicks([time_s])


def test_white_noise_is_flat_and_pink_noise_falls_three_decibels_per_octave():
    for colour, slope_db in (("white", 0.0), ("pink", -3.01)):
        noise = make_noise(duration_s=20.0, colour=colour, dtype=torch.float64)
        power = torch.fft.rfft(noise).abs() ** 2
        octaves = [power[20 * f : 40 * f].mean() for f in (125, 250, 500, 1000, 2000)]
        steps = [10 * math.log10(b / a) for a, b in itertools.pairwise(octaves)]
        assert steps == pytest.approx([slope_db] * 4, abs=0.4)


def test_noise_follows_its_seed_and_leaves_the_others_alone():
    assert not torch.equal(make_noise(seed=0), make_noise(seed=1))
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    make_noise(seed=9)
    assert torch.equal(torch.rand(1), before)


def test_noise_names_the_bad_colour():
    with pytest.raises(ValueError, match="colour='red' is not known; choose one of 'white'"):
        make_noise(colour="red")


def test_silence_is_silent():
    assert make_silence(duration_s=0.5).abs().sum() == 0


# ---------------------------------------------------------------- set_peak, mix, fade


def test_set_peak_sets_each_item_and_keeps_silence(noise):
    batch = set_peak(torch.stack([noise, 1e-9 * noise, 0 * noise]), level_dbfs=-6.0)
    assert peak_dbfs(batch)[:2].tolist() == pytest.approx([-6.0, -6.0], abs=1e-9)
    assert batch[2].abs().max() == 0
    assert_near(set_peak(batch, level_dbfs=-6.0), batch, relative=1e-12)


def test_set_peak_shapes_and_batch(noise):
    assert_leading_dims(lambda x: set_peak(x, level_dbfs=-3.0), noise)
    assert_batch_independent(lambda x: set_peak(x, level_dbfs=-3.0), noise)


def test_set_peak_names_the_bad_argument():
    with pytest.raises(ValueError, match="level_dbfs=1 must be at most 0 dBFS"):
        set_peak(torch.ones(3), level_dbfs=1)
    with pytest.raises(ValueError, match="waveform is empty"):
        set_peak(torch.ones(2, 0), level_dbfs=-1)


def test_mix_adds_and_fills_up_with_silence(noise):
    assert torch.equal(mix(torch.ones(3), torch.full((5,), 2.0)), torch.tensor([3.0, 3, 3, 2, 2]))
    assert torch.equal(mix(noise, -noise), 0 * noise)
    assert_leading_dims(lambda x: mix(x, noise[:100]), noise)
    assert_batch_independent(lambda x: mix(x, noise[:100]), noise)


def test_mix_names_the_bad_argument():
    with pytest.raises(ValueError, match="waveforms: at least one is needed"):
        mix()
    with pytest.raises(TypeError, match=r"waveform must be a torch\.Tensor, got float"):
        mix(torch.zeros(3), 0.5)


def test_fade_equals_half_a_window(noise):
    faded = fade(noise, fade_in_s=0.01, fade_out_s=0.02)
    rise = torch.hann_window(320, dtype=torch.float64)[:160]
    assert_near(faded[:160], noise[:160] * rise, relative=1e-12)
    fall = torch.hann_window(640, dtype=torch.float64)[:320].flip(0)
    assert_near(faded[-320:], noise[-320:] * fall, relative=1e-12)
    assert torch.equal(faded[160:-320], noise[160:-320])
    assert faded[0] == faded[-1] == 0


def test_fade_of_nothing_changes_nothing(noise):
    assert torch.equal(fade(noise, fade_in_s=0, fade_out_s=0), noise)


def test_fade_shapes_and_batch(noise):
    assert_leading_dims(fade, noise)
    assert_batch_independent(fade, noise)


@pytest.mark.parametrize("name", ["fade_in_s", "fade_out_s"])
@pytest.mark.parametrize("value", [-0.1, 1.1, math.inf])
def test_fade_names_the_bad_argument(noise, name, value):
    with pytest.raises(ValueError, match=f"{name}={value}"):
        fade(noise, **{name: value})
