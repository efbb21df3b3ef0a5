"""The truth about course_utils.signal.waveform: levels, rates, channels, bits."""

import math

import librosa
import numpy as np
import pytest
import scipy.signal
import torch
import torchaudio

from course_utils.signal import (
    alias_freq_hz,
    downsample,
    fade,
    fft_freqs_hz,
    interpolate,
    make_tone,
    peak_dbfs,
    quantization_snr_db,
    quantize,
    resample,
    rms_dbfs,
    signal_to_noise_db,
    to_mono,
)
from tests.unit.compare import assert_batch_independent, assert_leading_dims, assert_near

# ---------------------------------------------------------------- levels


def test_levels_of_a_sine_and_a_square():
    sine = make_tone(1000.0, level_dbfs=0.0, phase=math.pi / 2, dtype=torch.float64)
    assert peak_dbfs(sine).item() == pytest.approx(0.0, abs=1e-9)
    assert rms_dbfs(sine).item() == pytest.approx(-3.0103, abs=1e-4)
    square = sine.sign() + (sine == 0)
    assert rms_dbfs(square).item() == pytest.approx(0.0, abs=1e-9)
    assert peak_dbfs(0.5 * square).item() == pytest.approx(-6.0206, abs=1e-4)


def test_levels_equal_numpy(sound):
    samples = sound.numpy()
    assert rms_dbfs(sound).item() == pytest.approx(10 * np.log10(np.mean(samples**2)), rel=1e-10)
    assert peak_dbfs(sound).item() == pytest.approx(20 * np.log10(np.abs(samples).max()), rel=1e-10)


@pytest.mark.parametrize("level", [rms_dbfs, peak_dbfs])
def test_level_shapes_batches_and_dims(noise, level):
    assert assert_leading_dims(level, noise).shape == ()
    assert_batch_independent(level, noise)
    stereo = torch.stack([noise, 0.5 * noise], dim=-1)  # (time, channel)
    assert_near(level(stereo, dim=-2), level(stereo.T), relative=1e-12)


@pytest.mark.parametrize("level", [rms_dbfs, peak_dbfs])
def test_half_the_amplitude_is_six_decibels_less(noise, level):
    assert (level(noise) - level(0.5 * noise)).item() == pytest.approx(6.0206, abs=1e-4)
    tiny = 1e-25 * noise.float()  # its squares are below what float32 holds
    assert (level(noise) - level(tiny)).item() == pytest.approx(500.0, abs=1e-3)


@pytest.mark.parametrize("level", [rms_dbfs, peak_dbfs])
def test_silence_has_no_level(level):
    assert level(torch.zeros(10)).item() == -math.inf


@pytest.mark.parametrize("level", [rms_dbfs, peak_dbfs])
def test_levels_name_the_bad_argument(level):
    with pytest.raises(ValueError, match="waveform is empty"):
        level(torch.zeros(2, 0))
    with pytest.raises(ValueError, match=r"dim=1 does not fit a waveform of shape \(5,\)"):
        level(torch.zeros(5), dim=1)
    with pytest.raises(TypeError, match="waveform must be a floating-point tensor"):
        level(torch.zeros(5, dtype=torch.int16))


# ---------------------------------------------------------------- to_mono


def test_mono_equals_librosa(noise):
    stereo = torch.stack([noise, noise.flip(0), 0.3 * noise])
    assert_near(to_mono(stereo), librosa.to_mono(stereo.numpy()), relative=1e-12)
    assert torch.equal(to_mono(noise[None]), noise)


def test_mono_shapes_and_batch(noise):
    stereo = torch.stack([noise, noise.flip(0)])
    assert assert_leading_dims(to_mono, stereo).shape == (16000,)
    assert_batch_independent(to_mono, stereo)


def test_opposite_channels_cancel(noise):
    assert to_mono(torch.stack([noise, -noise])).abs().max() == 0


def test_mono_names_the_bad_argument():
    with pytest.raises(ValueError, match=r"shape \(\.\.\., n_channels, time\), got \(9,\)"):
        to_mono(torch.zeros(9))
    with pytest.raises(ValueError, match="waveform has no channel"):
        to_mono(torch.zeros(0, 9))


# ---------------------------------------------------------------- resample


@pytest.mark.parametrize(("rate", "new"), [(16000, 8000), (44100, 16000), (8000, 48000)])
def test_resample_equals_torchaudio(noise, rate, new):
    ours = resample(noise, sample_rate=rate, new_sample_rate=new, lowpass_filter_width=16)
    theirs = torchaudio.functional.resample(
        noise,
        orig_freq=rate,
        new_freq=new,
        lowpass_filter_width=16,
        rolloff=0.99,
        resampling_method="sinc_interp_hann",
        beta=None,
    )
    assert_near(ours, theirs, relative=1e-12)


RATES = [
    pytest.param(16000, 8000, id="half"),
    pytest.param(44100, 16000, id="a disc"),
    pytest.param(8000, 44100, id="upwards"),
    pytest.param(44101, 16000, id="no common divisor"),
    pytest.param(15999, 16000, id="nearly the same"),
    pytest.param(4001, 16000, id="upwards without a common divisor"),
    pytest.param(383_999, 8000, id="from far above"),
]


@pytest.mark.parametrize(("rate", "new"), RATES)
def test_resampled_tone_is_the_tone_at_the_new_rate(rate, new):
    """Same frequency, phase and level, to the last second: nothing drifts."""
    there, here = (
        fade(make_tone(440.0, sample_rate=r, duration_s=2.0), sample_rate=r, fade_in_s=0.1)
        for r in (rate, new)
    )
    ours = resample(there, sample_rate=rate, new_sample_rate=new)
    assert len(ours) == math.ceil(len(there) * new / rate)
    middle = slice(new // 10, int(1.9 * new))
    assert_near(ours[middle], here[middle], relative=1e-3)
    theirs = scipy.signal.resample(there.double().numpy(), len(ours))
    assert_near(ours[middle], theirs[middle], relative=1e-3)


@pytest.mark.parametrize("rate", [48000, 47999])
def test_resample_filters_out_what_the_new_rate_cannot_carry(rate):
    low = make_tone(1000.0, sample_rate=rate)
    high = make_tone(12000.0, sample_rate=rate)  # would come back at 4000 Hz
    heard = resample(low + high, sample_rate=rate, new_sample_rate=16000)
    alone = resample(low, sample_rate=rate, new_sample_rate=16000)
    middle = slice(1000, 15000)
    assert (heard - alone)[middle].abs().max() < 1e-3 * alone.abs().max()


@pytest.mark.parametrize("rate", [44100, 44101])
def test_resample_shapes_and_batch(noise, rate):
    def change(x):
        return resample(x, sample_rate=rate, new_sample_rate=16000)

    assert assert_leading_dims(change, noise).shape == (math.ceil(16000 * 16000 / rate),)
    assert_batch_independent(change, noise)


def test_resample_leaves_no_seam_between_blocks(monkeypatch):
    """The way for odd rates works in blocks; long and short blocks give the same sound."""
    waveform = torch.randn(40_000, dtype=torch.float64)
    whole = resample(waveform, sample_rate=16001, new_sample_rate=12000)
    monkeypatch.setattr("course_utils.signal.waveform._FFT_BLOCK", 1)
    in_blocks = resample(waveform, sample_rate=16001, new_sample_rate=12000)
    assert_near(in_blocks, whole, relative=1e-4)


def test_resample_there_and_back(noise):
    once = resample(noise, sample_rate=16000, new_sample_rate=8000)  # nothing left above 4 kHz
    up = resample(once, sample_rate=8000, new_sample_rate=16000)
    again = resample(up, sample_rate=16000, new_sample_rate=8000)
    spectrum, expected = (torch.fft.rfft(x[500:-500]).abs()[:3000] for x in (again, once))
    assert_near(spectrum, expected, relative=0.02)


def test_resample_to_the_same_rate_is_a_copy(noise):
    same = resample(noise, sample_rate=16000, new_sample_rate=16000)
    assert torch.equal(same, noise)
    assert same.data_ptr() != noise.data_ptr()
    assert resample(noise[:0], sample_rate=16000, new_sample_rate=8000).shape == (0,)


def test_resample_follows_a_gradient():
    waveform = torch.randn(60, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: resample(x, sample_rate=3, new_sample_rate=2), waveform
    )


@pytest.mark.parametrize("name", ["sample_rate", "new_sample_rate", "lowpass_filter_width"])
@pytest.mark.parametrize("value", [0, -8000, 8000.5, None])
def test_resample_names_the_bad_argument(name, value):
    kwargs = {"sample_rate": 16000, "new_sample_rate": 8000} | {name: value}
    with pytest.raises(ValueError, match=f"{name}={value} must be a positive integer"):
        resample(torch.zeros(100), **kwargs)


# ---------------------------------------------------------------- downsample, alias_freq_hz


@pytest.mark.parametrize("factor", [1, 2, 3, 7])
def test_downsample_keeps_every_nth_sample(sound, factor):
    assert torch.equal(downsample(sound, factor=factor), sound[::factor])
    assert assert_leading_dims(lambda x: downsample(x, factor=factor), sound[:1000]).shape == (
        math.ceil(1000 / factor),
    )
    assert_batch_independent(lambda x: downsample(x, factor=factor), sound)


@pytest.mark.parametrize("freq_hz", [500.0, 1900.0, 2500.0, 3900.0, 4500.0, 7300.0])
def test_tone_is_heard_where_the_alias_is(freq_hz):
    """Skip samples without a filter, look for the peak."""
    skipped = downsample(make_tone(freq_hz), factor=4)
    freqs = fft_freqs_hz(len(skipped), sample_rate=4000)
    peak_hz = freqs[torch.fft.rfft(skipped).abs().argmax()].item()
    assert peak_hz == pytest.approx(alias_freq_hz(freq_hz, sample_rate=4000), abs=1.0)


def test_alias_stays_between_zero_and_nyquist():
    for freq_hz in np.linspace(0, 100_000, 311):
        assert 0 <= alias_freq_hz(freq_hz, sample_rate=8000) <= 4000
    assert alias_freq_hz(3000, sample_rate=8000) == 3000
    assert alias_freq_hz(5000, sample_rate=8000) == 3000
    assert alias_freq_hz(8000, sample_rate=8000) == 0


def test_skipping_names_the_bad_argument():
    with pytest.raises(ValueError, match="factor=0 must be a positive integer"):
        downsample(torch.zeros(10), factor=0)
    with pytest.raises(ValueError, match="freq_hz=-1 must be at least 0"):
        alias_freq_hz(-1, sample_rate=8000)
    with pytest.raises(ValueError, match="sample_rate=0"):
        alias_freq_hz(1, sample_rate=0)


# ---------------------------------------------------------------- interpolate


@pytest.mark.parametrize("factor", [1, 2, 3, 8])
@pytest.mark.parametrize("n_samples", [1, 5, 1000, 1001])
def test_the_curve_goes_through_every_sample(n_samples, factor):
    waveform = torch.randn(n_samples, dtype=torch.float64)
    curve = interpolate(waveform, factor=factor)
    assert curve.shape == (n_samples * factor,)
    assert_near(curve[::factor], waveform, relative=1e-12)


def test_curve_equals_scipy(sound):
    padded = torch.nn.functional.pad(sound[:900], (0, 100))  # 1000: what 900 samples are padded to
    theirs = scipy.signal.resample(padded.numpy(), 4 * 1000)[: 4 * 900]
    assert_near(interpolate(sound[:900], factor=4), theirs, relative=1e-10)


def test_curve_is_the_sum_of_sines_over_their_argument():
    """The formula of the docstring, far from both ends."""
    waveform = fade(make_tone(1234.5, dtype=torch.float64), fade_in_s=0.2, fade_out_s=0.2)
    curve = interpolate(waveform, factor=5)
    n = torch.arange(len(waveform), dtype=torch.float64)
    for place in (30_001, 41_237, 50_003):
        assert curve[place].item() == pytest.approx(
            (waveform * torch.sinc(place / 5 - n)).sum().item(), abs=1e-6
        )


def test_curve_holds_nothing_above_half_the_sample_rate(noise):
    spectrum = torch.fft.rfft(interpolate(noise, factor=4)).abs()
    inside, outside = spectrum[:7900], spectrum[8200:]
    assert outside.square().mean() < 1e-4 * inside.square().mean()


def test_curve_shapes_and_batch(noise):
    assert assert_leading_dims(lambda x: interpolate(x, factor=3), noise[:500]).shape == (1500,)
    assert_batch_independent(lambda x: interpolate(x, factor=3), noise[:500])


def test_curve_names_the_bad_argument():
    with pytest.raises(ValueError, match="factor=0 must be a positive integer"):
        interpolate(torch.zeros(10), factor=0)
    assert interpolate(torch.zeros(2, 0), factor=3).shape == (2, 0)


# ---------------------------------------------------------------- signal_to_noise_db


def test_ratio_of_two_tones_is_the_difference_of_their_levels():
    clean, added = make_tone(500.0, level_dbfs=-6.0), make_tone(800.0, level_dbfs=-46.0)
    assert signal_to_noise_db(clean, clean + added).item() == pytest.approx(40.0, abs=1e-3)
    assert signal_to_noise_db(clean, clean).item() == math.inf


def test_ratio_equals_the_definition(noise):
    clean, noisy = noise, noise + 0.01 * noise.flip(0)
    theirs = 10 * np.log10(np.sum(clean.numpy() ** 2) / np.sum((noisy - clean).numpy() ** 2))
    assert signal_to_noise_db(clean, noisy).item() == pytest.approx(theirs, abs=1e-9)


def test_ratio_shapes_and_batch(noise):
    def ratio(x):
        return signal_to_noise_db(x, 1.1 * x + 0.001 * x.abs().amax(-1, keepdim=True))

    assert assert_leading_dims(ratio, noise).shape == ()
    assert_batch_independent(ratio, noise)


def test_ratio_names_the_bad_argument():
    with pytest.raises(ValueError, match=r"shape of clean, \(5,\), got \(4,\)"):
        signal_to_noise_db(torch.zeros(5), torch.zeros(4))


# ---------------------------------------------------------------- quantize


@pytest.mark.parametrize("n_bits", [6, 8, 10, 12, 16])
def test_a_full_sine_follows_the_rule_of_six_decibels(n_bits):
    """6.02 b + 1.76 dB, measured: a sine up to the highest level, 997 turns in 16 000 samples."""
    level_dbfs = 20 * math.log10(1 - 2.0 ** (1 - n_bits))
    sine = make_tone(997.0, level_dbfs=level_dbfs, dtype=torch.float64)
    measured = signal_to_noise_db(sine, quantize(sine, n_bits=n_bits)).item()
    assert measured == pytest.approx(quantization_snr_db(n_bits), abs=0.15)
    assert quantization_snr_db(n_bits) == pytest.approx(6.02 * n_bits + 1.76, abs=0.02)
    quiet = 0.25 * sine
    measured = signal_to_noise_db(quiet, quantize(quiet, n_bits=n_bits)).item()
    expected = quantization_snr_db(n_bits, level_dbfs=rms_dbfs(quiet).item())
    assert measured == pytest.approx(expected, abs=0.7)


def test_rule_names_the_bad_argument():
    with pytest.raises(ValueError, match="n_bits=0 must be"):
        quantization_snr_db(0)
    with pytest.raises(ValueError, match="level_dbfs="):
        quantization_snr_db(8, level_dbfs=-math.inf)


def test_one_bit_keeps_the_sign():
    waveform = torch.tensor([-1.0, -0.001, 0.0, 0.001, 1.0])
    assert quantize(waveform, n_bits=1).tolist() == [-0.5, -0.5, 0.5, 0.5, 0.5]


def test_dither_lets_a_tone_below_half_a_step_through():
    """Rounding alone makes silence of it; with dither the mean of many is the tone."""
    tone = make_tone(500.0, level_dbfs=20 * math.log10(0.4 / 8), dtype=torch.float64)
    assert quantize(tone, n_bits=4).abs().max() == 0
    takes = [quantize(tone, n_bits=4, dither_seed=seed) for seed in range(400)]
    error = torch.stack(takes).mean(dim=0) - tone
    assert rms_dbfs(error).item() < rms_dbfs(tone).item() - 10
    assert torch.equal(quantize(tone, n_bits=4, dither_seed=7), takes[7])
    noise_power = (takes[0] - tone).square().mean().item()
    assert noise_power == pytest.approx(3 * (1 / 8) ** 2 / 12, rel=0.05)  # 4.77 dB more


@pytest.mark.parametrize("n_bits", [2, 3, 8, 16, 24])
def test_quantize_equals_integers(sound, n_bits):
    half = 2 ** (n_bits - 1)
    theirs = np.clip(np.rint(sound.numpy() * half), -half, half - 1) / half
    assert torch.equal(quantize(sound, n_bits=n_bits), torch.from_numpy(theirs))
    inside = sound.clamp(max=1 - 1 / half)
    assert (quantize(inside, n_bits=n_bits) - inside).abs().max() <= 0.5 / half


def test_each_bit_is_six_decibels(noise):
    errors = [rms_dbfs(quantize(noise, n_bits=n) - noise).item() for n in (8, 9, 16)]
    assert errors[0] - errors[1] == pytest.approx(6.02, abs=0.2)
    assert errors[0] - errors[2] == pytest.approx(8 * 6.02, abs=0.5)


def test_quantize_twice_changes_nothing_and_stays_in_range(noise):
    once = quantize(100 * noise, n_bits=4)
    assert torch.equal(quantize(once, n_bits=4), once)
    assert once.min() == -1.0
    assert once.max() == 1 - 2**-3
    assert len(once.unique()) == 16


def test_quantize_shapes_and_batch(noise):
    assert assert_leading_dims(lambda x: quantize(x, n_bits=8), noise).shape == (16000,)
    assert_batch_independent(lambda x: quantize(x, n_bits=8), noise)
    assert_batch_independent(lambda x: quantize(x, n_bits=8, dither_seed=3), noise)


@pytest.mark.parametrize("n_bits", [0, -1, 8.0, 25])
def test_quantize_names_the_bad_argument(n_bits):
    with pytest.raises(ValueError, match=f"n_bits={n_bits} must be"):
        quantize(torch.zeros(10), n_bits=n_bits)
