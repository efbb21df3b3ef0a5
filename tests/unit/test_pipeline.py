"""The truth about course_utils.signal.pipeline: the whole chain, its settings and its bounds."""

import dataclasses
import io
import itertools
import warnings

import librosa
import numpy as np
import pytest
import torch

from course_utils.signal import (
    MAX_CELLS,
    LogMelSpectrogram,
    MelParams,
    amplitude_to_db,
    check_cells,
    fitting_hop_length,
    mel_filterbank,
    mel_spectrogram,
    n_frames,
    power_to_db,
    standardize,
    stft,
)
from tests.unit.compare import assert_batch_independent, assert_leading_dims, assert_near

SETTINGS = [
    pytest.param({}, id="defaults"),
    pytest.param({"win_length": 400, "hop_length": 160, "n_mels": 40}, id="win_length < n_fft"),
    pytest.param({"n_fft": 1023, "hop_length": 300}, id="odd n_fft"),
    pytest.param({"center": False, "window": "hamming", "top_db": None}, id="not centred"),
    pytest.param({"power": 1.0, "f_min": 80.0, "f_max": 7600.0}, id="magnitude"),
    pytest.param({"sample_rate": 11025, "n_fft": 512, "n_mels": 128}, id="odd rate, empty bands"),
]


# ---------------------------------------------------------------- the defaults of the course


def test_one_second_becomes_64_by_32_and_is_standardised():
    """16 000 samples -> (64, 32); mean 0 within 1e-6, standard deviation 1 within 1e-4."""
    waveform = 0.1 * torch.randn(16000)
    log_mel_spec = LogMelSpectrogram()(waveform)
    assert log_mel_spec.shape == (64, 32)
    normalised = standardize(log_mel_spec)
    assert abs(normalised.mean().item()) < 1e-6
    assert abs(normalised.std(correction=0).item() - 1) < 1e-4
    assert LogMelSpectrogram()(waveform[None, None]).shape == (1, 1, 64, 32)  # as a CNN wants it


def test_the_settings_of_the_course():
    assert dataclasses.asdict(MelParams()) == {
        "sample_rate": 16000,
        "n_fft": 1024,
        "hop_length": 512,
        "win_length": None,
        "window": "hann",
        "n_mels": 64,
        "f_min": 0.0,
        "f_max": None,
        "mel_scale": "htk",
        "norm": None,
        "power": 2.0,
        "center": True,
        "top_db": 80.0,
    }
    assert MelParams().n_freqs == 513
    assert MelParams().n_frames(16000) == 32


# ---------------------------------------------------------------- LogMelSpectrogram


@pytest.mark.parametrize(("mel_scale", "norm"), [("htk", None), ("slaney", "slaney")])
@pytest.mark.parametrize("settings", SETTINGS)
def test_module_equals_the_chain_written_out(sound, settings, mel_scale, norm):
    params = MelParams(mel_scale=mel_scale, norm=norm, **settings)
    theirs = dataclasses.asdict(params)
    top_db = theirs.pop("top_db")
    mel_spec = mel_spectrogram(sound, **theirs)
    to_db = power_to_db if params.power == 2.0 else amplitude_to_db
    ours = LogMelSpectrogram(params)(sound.float())
    assert ours.dtype == torch.float32
    assert_near(ours, to_db(mel_spec, top_db=top_db), relative=1e-4)
    assert ours.shape == (params.n_mels, params.n_frames(len(sound)))
    in_double = LogMelSpectrogram(params).double()(sound)
    assert_near(in_double, to_db(mel_spec, top_db=top_db), relative=1e-4)


@pytest.mark.parametrize(
    ("mel_scale", "norm"), list(itertools.product(("htk", "slaney"), (None, "slaney")))
)
def test_module_equals_librosa(sound, mel_scale, norm):
    params = MelParams(mel_scale=mel_scale, norm=norm)
    mel_spec = librosa.feature.melspectrogram(
        y=sound.numpy(),
        sr=16000,
        n_fft=1024,
        hop_length=512,
        win_length=1024,
        window="hann",
        center=True,
        pad_mode="reflect",
        power=2.0,
        n_mels=64,
        fmin=0.0,
        fmax=8000.0,
        htk=mel_scale == "htk",
        norm=norm,
        dtype=np.float64,
    )
    theirs = librosa.power_to_db(mel_spec, ref=1.0, amin=1e-10, top_db=80.0)
    assert_near(LogMelSpectrogram(params)(sound.float()), theirs, relative=1e-4)


def test_module_shapes(noise):
    assert assert_leading_dims(LogMelSpectrogram().double(), noise).shape == (64, 32)


def test_loud_clip_does_not_lift_a_quiet_one(noise):
    """The clamp of torchaudio's AmplitudeToDB would: see test_decibel."""
    assert_batch_independent(LogMelSpectrogram().double(), noise, relative=1e-9)
    assert_batch_independent(LogMelSpectrogram(), noise.float(), relative=1e-5)


def test_twice_the_level_is_six_decibels_more(noise):
    module = LogMelSpectrogram(MelParams(top_db=None)).double()
    step = module(2 * noise) - module(noise)
    assert_near(step, torch.full_like(step, 20 * np.log10(2)), relative=1e-9)


def test_module_follows_a_gradient(noise):
    waveform = noise.float().requires_grad_()
    LogMelSpectrogram()(waveform).mean().backward()
    assert torch.isfinite(waveform.grad).all()
    assert waveform.grad.abs().max() > 0


def test_module_travels_with_a_network(noise):
    """Its window and its triangles are in the state, so a saved model hears the same."""
    params = MelParams(n_mels=40, hop_length=256)
    network = torch.nn.Sequential(LogMelSpectrogram(params), torch.nn.Flatten())
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    again = torch.nn.Sequential(LogMelSpectrogram(params), torch.nn.Flatten())
    again.load_state_dict(torch.load(file, weights_only=True))
    waveform = noise.float()[None]
    assert torch.equal(network(waveform), again(waveform))
    assert LogMelSpectrogram(MelParams(**dataclasses.asdict(params))).params == params
    assert "n_mels=40" in str(network)


def test_module_gives_no_warning_about_empty_bands():
    """torchaudio prints one in red; the course shows them with empty_mel_bands."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogMelSpectrogram(MelParams(n_fft=256, n_mels=128))


@pytest.mark.parametrize("center", [True, False])
def test_module_names_a_waveform_that_is_too_short(center):
    needed = 513 if center else 1024
    module = LogMelSpectrogram(MelParams(center=center))
    assert module(torch.zeros(needed)).shape[-1] >= 1
    with pytest.raises(ValueError, match=f"n_fft=1024 needs at least {needed} samples.*has 300"):
        module(torch.zeros(300))
    with pytest.raises(TypeError, match="waveform must be a floating-point tensor"):
        module(torch.zeros(2000, dtype=torch.int16))
    with pytest.raises(
        TypeError, match=r"waveform is torch\.float64, this module is torch\.float32"
    ):
        module(torch.zeros(2000, dtype=torch.float64))


# ---------------------------------------------------------------- MelParams


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"sample_rate": 0}, "sample_rate=0 must be a positive integer"),
        ({"sample_rate": 16000.5}, r"sample_rate=16000\.5"),
        ({"n_fft": 1}, "n_fft=1 must be an integer of at least 2"),
        ({"n_fft": 512, "win_length": 513}, "win_length=513 must not be longer than n_fft=512"),
        ({"win_length": 0}, "win_length=0"),
        ({"hop_length": -3}, "hop_length=-3"),
        ({"hop_length": None}, "hop_length=None"),
        ({"n_mels": 0}, "n_mels=0"),
        ({"window": "kaiser"}, "window='kaiser' is not known"),
        ({"f_min": -1}, "f_min=-1"),
        ({"f_min": 9000.0}, r"f_min=9000\.0 Hz must be at least 0 and below f_max=8000\.0"),
        ({"f_max": 8001}, "f_max=8001.* half the sample rate"),
        ({"mel_scale": "HTK"}, "mel_scale='HTK' is not known; choose one of 'htk', 'slaney'"),
        ({"norm": "none"}, "norm='none'"),
        ({"power": 3.0}, r"power=3\.0 is not known; choose one of 1\.0, 2\.0"),
        ({"center": 1}, "center=1 must be True or False"),
        ({"top_db": -80}, "top_db=-80"),
    ],
)
def test_params_name_the_bad_value(kwargs, match):
    with pytest.raises(ValueError, match=match):
        MelParams(**kwargs)


def test_params_are_a_key_and_cannot_be_changed():
    first, second = MelParams(n_mels=40), dataclasses.replace(MelParams(), n_mels=40)
    assert first == second
    assert {first: "cached"}[second] == "cached"
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.n_mels = 64


def test_params_make_their_filterbank():
    params = MelParams(n_fft=401, n_mels=23, mel_scale="slaney", norm="slaney", f_min=50.0)
    expected = mel_filterbank(
        n_freqs=201,
        n_mels=23,
        sample_rate=16000,
        f_min=50.0,
        mel_scale="slaney",
        norm="slaney",
        n_fft=401,
    )
    assert torch.equal(params.mel_filterbank(), expected)


# ---------------------------------------------------------------- the bound on the size


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("n_samples", [1025, 16000, 80_001, 9_600_000])
@pytest.mark.parametrize("n_fft", [64, 1023, 1024])
@pytest.mark.parametrize("max_cells", [2000, MAX_CELLS])
def test_fitting_hop_is_the_shortest_that_fits(n_samples, n_fft, center, max_cells):
    sizes = {"n_fft": n_fft, "center": center}
    hop_length = fitting_hop_length(n_samples, **sizes, max_cells=max_cells)
    cells = check_cells(n_samples, **sizes, hop_length=hop_length, max_cells=max_cells)
    frames = n_frames(n_samples, **sizes, hop_length=hop_length)
    assert cells == (n_fft // 2 + 1) * frames <= max_cells
    if hop_length > 1:
        with pytest.raises(ValueError, match=f"hop_length={hop_length} fits"):
            check_cells(n_samples, **sizes, hop_length=hop_length - 1, max_cells=max_cells)


def test_cells_are_those_of_the_spectrogram(noise):
    assert (
        check_cells(16000, n_fft=512, hop_length=100)
        == stft(noise, n_fft=512, hop_length=100)[...].numel()
    )


def test_ten_minutes_at_a_hop_of_one_are_refused_with_the_number():
    with pytest.raises(ValueError, match=r"hop_length=1 would make 4,924,800,513 cells.*fits"):
        check_cells(9_600_000, n_fft=1024, hop_length=1)
    with pytest.raises(ValueError, match="n_fft=64 gives 33 rows, more than max_cells=32"):
        fitting_hop_length(1000, n_fft=64, max_cells=32)
