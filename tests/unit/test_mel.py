"""The truth about course_utils.signal.mel: the scale, the triangles, there and back."""

import itertools
import math

import librosa
import numpy as np
import pytest
import torch
import torchaudio

from course_utils.signal import (
    apply_mel_filterbank,
    db_to_power,
    empty_mel_bands,
    hz_to_mel,
    invert_mel,
    mel_band_edges_hz,
    mel_band_heights,
    mel_filterbank,
    mel_spectrogram,
    mel_to_hz,
    power_spectrogram,
    power_to_db,
)
from tests.unit.compare import assert_batch_independent, assert_leading_dims, assert_near

SCALES = ("htk", "slaney")
NORMS = (None, "slaney")
FREQS = torch.cat([torch.linspace(0, 24000, 997, dtype=torch.float64), torch.tensor([1000.0])])

# ---------------------------------------------------------------- hz_to_mel, mel_to_hz


@pytest.mark.parametrize("mel_scale", SCALES)
def test_scales_equal_librosa(mel_scale):
    htk = mel_scale == "htk"
    mels = hz_to_mel(FREQS, mel_scale=mel_scale)
    assert_near(mels, librosa.hz_to_mel(FREQS.numpy(), htk=htk), relative=1e-12)
    freqs = mel_to_hz(mels, mel_scale=mel_scale)
    assert_near(freqs, librosa.mel_to_hz(mels.numpy(), htk=htk), relative=1e-12)
    assert_near(hz_to_mel(FREQS.float(), mel_scale=mel_scale), mels, relative=1e-6)


@pytest.mark.parametrize("mel_scale", SCALES)
def test_hz_to_mel_and_back(mel_scale):
    back = mel_to_hz(hz_to_mel(FREQS, mel_scale=mel_scale), mel_scale=mel_scale)
    assert_near(back, FREQS, relative=1e-12)


def test_the_formula_of_the_course():
    assert hz_to_mel(1000.0) == pytest.approx(2595 * math.log10(1 + 1000 / 700), abs=1e-9)
    assert hz_to_mel(1000.0) == pytest.approx(1000.0, abs=0.02)  # the scale was made so
    assert hz_to_mel(0) == 0.0
    assert mel_to_hz(0.0) == 0.0
    assert hz_to_mel(1000.0, mel_scale="slaney") == pytest.approx(15.0)


def test_mel_default_is_htk():
    assert torch.equal(hz_to_mel(FREQS), hz_to_mel(FREQS, mel_scale="htk"))
    assert torch.equal(mel_to_hz(FREQS), mel_to_hz(FREQS, mel_scale="htk"))


@pytest.mark.parametrize("convert", [hz_to_mel, mel_to_hz])
@pytest.mark.parametrize("mel_scale", SCALES)
def test_scales_keep_shape_dtype_and_gradient(convert, mel_scale):
    values = torch.tensor([[0.0, 5.0, 14.0], [16.0, 100.0, 3000.0]])
    assert convert(values, mel_scale=mel_scale).shape == (2, 3)
    assert convert(values, mel_scale=mel_scale).dtype == torch.float32
    assert isinstance(convert(5, mel_scale=mel_scale), float)
    smooth = (values.double() + 0.5).requires_grad_()  # off the ends and the break
    assert torch.autograd.gradcheck(lambda x: convert(x, mel_scale=mel_scale), smooth)


@pytest.mark.parametrize("convert", [hz_to_mel, mel_to_hz])
def test_scales_name_the_bad_argument(convert):
    with pytest.raises(ValueError, match="mel_scale='bark' is not known; choose one of 'htk'"):
        convert(100.0, mel_scale="bark")
    with pytest.raises(ValueError, match="must be >= 0, got -3"):
        convert(torch.tensor([1.0, -3.0]))


# ---------------------------------------------------------------- mel_band_edges_hz


@pytest.mark.parametrize("mel_scale", SCALES)
@pytest.mark.parametrize(("f_min", "f_max"), [(0.0, None), (80.0, 7600.0)])
def test_edges_equal_librosa(mel_scale, f_min, f_max):
    ours = mel_band_edges_hz(
        n_mels=40, sample_rate=16000, f_min=f_min, f_max=f_max, mel_scale=mel_scale
    )
    theirs = librosa.mel_frequencies(
        n_mels=42, fmin=f_min, fmax=f_max or 8000.0, htk=mel_scale == "htk"
    )
    assert_near(ours, theirs, relative=1e-12)


def test_edges_are_equally_far_apart_in_mels():
    steps = hz_to_mel(mel_band_edges_hz(n_mels=64, sample_rate=16000)).diff()
    assert steps.shape == (65,)
    step = torch.tensor(hz_to_mel(8000.0) / 65, dtype=torch.float64)
    assert_near(steps, step.expand(65), relative=1e-10)


# ---------------------------------------------------------------- mel_filterbank


@pytest.mark.parametrize(("mel_scale", "norm"), list(itertools.product(SCALES, NORMS)))
@pytest.mark.parametrize(
    ("n_fft", "n_mels", "sample_rate", "f_min", "f_max"),
    [
        (1024, 64, 16000, 0.0, None),
        (400, 128, 16000, 0.0, 8000.0),
        (512, 40, 22050, 60.0, 7600.0),
        (2048, 1, 44100, 0.0, None),
        (1023, 64, 16000, 0.0, None),
        (401, 23, 11025, 20.0, 5000.0),
    ],
)
@pytest.mark.filterwarnings("ignore:Empty filters detected", "ignore:At least one mel filterbank")
def test_filterbank_equals_librosa_and_torchaudio(
    n_fft, n_mels, sample_rate, f_min, f_max, mel_scale, norm
):
    ours = mel_filterbank(
        n_freqs=n_fft // 2 + 1,
        n_mels=n_mels,
        sample_rate=sample_rate,
        f_min=f_min,
        f_max=f_max,
        mel_scale=mel_scale,
        norm=norm,
        n_fft=n_fft,
        dtype=torch.float64,
    )
    theirs = librosa.filters.mel(
        sr=sample_rate,
        n_fft=n_fft,
        n_mels=n_mels,
        fmin=f_min,
        fmax=f_max,
        htk=mel_scale == "htk",
        norm=norm,
        dtype=np.float64,
    )
    assert_near(ours, theirs.T, relative=1e-10)
    if n_fft % 2 == 0 and sample_rate % 2 == 0:  # torchaudio knows no odd n_fft
        theirs = torchaudio.functional.melscale_fbanks(
            n_freqs=n_fft // 2 + 1,
            f_min=f_min,
            f_max=f_max or sample_rate / 2,
            n_mels=n_mels,
            sample_rate=sample_rate,
            norm=norm,
            mel_scale=mel_scale,
        )
        assert_near(ours.float(), theirs, relative=1e-4)


def test_filterbank_defaults():
    ours = mel_filterbank(n_freqs=513, n_mels=64, sample_rate=16000)
    assert ours.shape == (513, 64)
    assert ours.dtype == torch.float32
    explicit = mel_filterbank(
        n_freqs=513,
        n_mels=64,
        sample_rate=16000,
        f_min=0.0,
        f_max=8000.0,
        mel_scale="htk",
        norm=None,
        n_fft=1024,
        dtype=torch.float32,
    )
    assert torch.equal(ours, explicit)


def test_triangles_hand_over_to_each_other():
    """Between the first and the last centre, the weights of a row add up to 1."""
    fbank = mel_filterbank(n_freqs=513, n_mels=40, sample_rate=16000, dtype=torch.float64)
    centres = mel_band_edges_hz(n_mels=40, sample_rate=16000)[1:-1]
    freqs = torch.linspace(0, 8000, 513, dtype=torch.float64)
    between = (freqs >= centres[0]) & (freqs <= centres[-1])
    assert_near(fbank[between].sum(1), torch.ones(int(between.sum())), relative=1e-12)
    assert (fbank >= 0).all()


def test_area_norm_makes_every_area_one():
    """Two triangles of a fine filterbank, measured with a ruler."""
    fbank = mel_filterbank(
        n_freqs=100_001, n_mels=10, sample_rate=16000, norm="slaney", dtype=torch.float64
    )
    areas = fbank.sum(0) * (8000 / 100_000)
    assert_near(areas, torch.ones(10), relative=1e-5)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"n_freqs": 1}, "n_freqs=1 must be an integer of at least 2"),
        ({"n_mels": 0}, "n_mels=0 must be a positive integer"),
        ({"sample_rate": 0}, "sample_rate=0"),
        ({"f_min": -1.0}, "f_min=-1.0 Hz must be at least 0"),
        ({"f_min": 4000.0, "f_max": 4000.0}, "f_min=4000.0 Hz.*below f_max=4000.0"),
        ({"f_max": 8001.0}, "f_max=8001.0 Hz must not be above half the sample rate, 8000.0"),
        ({"mel_scale": "mel"}, "mel_scale='mel'"),
        ({"norm": "area"}, "norm='area' is not known; choose one of None, 'slaney'"),
        ({"n_fft": 1000}, "n_fft=1000 has n_fft // 2 \\+ 1 = 501 rows, not 513"),
        ({"dtype": torch.int32}, "dtype=torch.int32"),
    ],
)
def test_filterbank_names_the_bad_argument(kwargs, match):
    with pytest.raises(ValueError, match=match):
        mel_filterbank(**({"n_freqs": 513, "n_mels": 64, "sample_rate": 16000} | kwargs))


# ---------------------------------------------------------------- empty_mel_bands


@pytest.mark.parametrize(
    ("n_fft", "n_mels", "empty"), [(400, 128, [0, 3, 6, 13]), (1024, 128, []), (1024, 64, [])]
)
def test_empty_bands_are_named(n_fft, n_mels, empty):
    fbank = mel_filterbank(n_freqs=n_fft // 2 + 1, n_mels=n_mels, sample_rate=16000)
    found = empty_mel_bands(fbank)
    assert found.shape == (n_mels,)
    assert found.dtype == torch.bool
    assert found.nonzero().flatten().tolist() == empty
    theirs = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=64, htk=True, norm=None)
    assert not empty_mel_bands(torch.from_numpy(theirs.T.copy())).any()


def test_empty_band_stays_zero_whatever_sounds(noise):
    settings = {"sample_rate": 16000, "n_fft": 400, "n_mels": 128}
    mel_spec = mel_spectrogram(noise, **settings)
    silent = (mel_spec == 0).all(dim=-1)
    assert silent.nonzero().flatten().tolist() == [0, 3, 6, 13]


def test_empty_bands_name_the_bad_argument():
    with pytest.raises(ValueError, match=r"mel_fbank must have shape \(n_freqs, n_mels\), got"):
        empty_mel_bands(torch.zeros(3))


# ---------------------------------------------------------------- apply_mel_filterbank


def test_filterbank_applied_equals_torchaudio(noise):
    power_spec = power_spectrogram(noise).float()
    fbank = mel_filterbank(n_freqs=513, n_mels=64, sample_rate=16000)
    scale = torchaudio.transforms.MelScale(
        n_mels=64,
        sample_rate=16000,
        f_min=0.0,
        f_max=8000.0,
        n_stft=513,
        norm=None,
        mel_scale="htk",
    )
    assert_near(apply_mel_filterbank(power_spec, fbank), scale(power_spec), relative=1e-4)
    by_einsum = torch.einsum("ft,fm->mt", power_spec, fbank)
    assert_near(apply_mel_filterbank(power_spec, fbank), by_einsum, relative=1e-6)


def test_filterbank_applied_shapes_and_batch(noise):
    fbank = mel_filterbank(n_freqs=513, n_mels=20, sample_rate=16000, dtype=torch.float64)
    power_spec = power_spectrogram(noise)
    alone = assert_leading_dims(lambda x: apply_mel_filterbank(x, fbank), power_spec)
    assert alone.shape == (20, 32)
    assert_batch_independent(lambda x: apply_mel_filterbank(x, fbank), power_spec)


def test_filterbank_applied_names_the_bad_argument():
    fbank = mel_filterbank(n_freqs=513, n_mels=20, sample_rate=16000)
    with pytest.raises(ValueError, match="power_spec has 512 rows, mel_fbank expects 513"):
        apply_mel_filterbank(torch.ones(512, 3), fbank)
    with pytest.raises(TypeError, match="power_spec must be real"):
        apply_mel_filterbank(torch.ones(513, 3, dtype=torch.complex64), fbank)


# ---------------------------------------------------------------- mel_spectrogram

MEL_SETTINGS = [
    pytest.param(1024, 512, 1024, True, 64, 2.0, id="the course's"),
    pytest.param(1024, 200, 400, True, 40, 2.0, id="win_length < n_fft"),
    pytest.param(1023, 256, 1001, True, 64, 1.0, id="odd n_fft, magnitude"),
    pytest.param(512, 128, 512, False, 32, 2.0, id="not centred"),
]


@pytest.mark.parametrize(("mel_scale", "norm"), list(itertools.product(SCALES, NORMS)))
@pytest.mark.parametrize(
    ("n_fft", "hop_length", "win_length", "center", "n_mels", "power"), MEL_SETTINGS
)
def test_mel_spectrogram_equals_librosa_and_torchaudio(
    sound, n_fft, hop_length, win_length, center, n_mels, power, mel_scale, norm
):
    common = {"n_fft": n_fft, "hop_length": hop_length, "win_length": win_length, "n_mels": n_mels}
    ours = mel_spectrogram(
        sound,
        sample_rate=16000,
        **common,
        window="hann",
        center=center,
        pad_mode="reflect",
        power=power,
        f_min=20.0,
        f_max=7600.0,
        mel_scale=mel_scale,
        norm=norm,
    )
    theirs = librosa.feature.melspectrogram(
        y=sound.numpy(),
        sr=16000,
        **common,
        window="hann",
        center=center,
        pad_mode="reflect",
        power=power,
        fmin=20.0,
        fmax=7600.0,
        htk=mel_scale == "htk",
        norm=norm,
        dtype=np.float64,
    )
    assert_near(ours, theirs, relative=1e-9)
    in_single = mel_spectrogram(
        sound.float(),
        sample_rate=16000,
        **common,
        center=center,
        power=power,
        f_min=20.0,
        f_max=7600.0,
        mel_scale=mel_scale,
        norm=norm,
    )
    assert in_single.dtype == torch.float32
    assert_near(in_single, theirs, relative=1e-5)
    if n_fft % 2 == 0:
        theirs = torchaudio.transforms.MelSpectrogram(
            sample_rate=16000,
            **common,
            f_min=20.0,
            f_max=7600.0,
            pad=0,
            window_fn=torch.hann_window,
            power=power,
            normalized=False,
            center=center,
            pad_mode="reflect",
            norm=norm,
            mel_scale=mel_scale,
        )(sound.float())
        assert_near(in_single, theirs, relative=1e-4)


def test_mel_spectrogram_shapes(noise):
    alone = assert_leading_dims(lambda x: mel_spectrogram(x, sample_rate=16000), noise)
    assert alone.shape == (64, 32)


def test_mel_spectrogram_batch(noise):
    assert_batch_independent(lambda x: mel_spectrogram(x, sample_rate=16000), noise)
    assert_batch_independent(
        lambda x: mel_spectrogram(x, sample_rate=16000), noise.float(), relative=1e-5
    )


def test_mel_spectrogram_of_two_sounds_apart_in_time_adds_up(noise):
    first, second = noise.clone(), noise.clone()
    first[7000:], second[:9500] = 0, 0  # no frame of 1024 sees both
    mel = [mel_spectrogram(x, sample_rate=16000) for x in (first, second, first + second)]
    assert_near(mel[0] + mel[1], mel[2], relative=1e-12)


def test_mel_spectrogram_follows_a_gradient():
    waveform = torch.randn(100, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: mel_spectrogram(x, sample_rate=16000, n_fft=32, n_mels=5), waveform
    )


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"sample_rate": -16000}, "sample_rate=-16000"),
        ({"n_mels": 2.5}, "n_mels=2.5"),
        ({"hop_length": 0}, "hop_length=0"),
        ({"f_max": 9000.0}, "f_max=9000.0"),
        ({"norm": 1}, "norm=1"),
    ],
)
def test_mel_spectrogram_names_the_bad_argument(kwargs, match):
    with pytest.raises(ValueError, match=match):
        mel_spectrogram(torch.zeros(2000), **({"sample_rate": 16000} | kwargs))


# ---------------------------------------------------------------- invert_mel


@pytest.mark.parametrize(("mel_scale", "norm"), list(itertools.product(SCALES, NORMS)))
@pytest.mark.parametrize("n_mels", [128, 40, 16])
def test_invert_mel_has_nearly_the_same_mel_bands(recording, n_mels, mel_scale, norm):
    fbank = mel_filterbank(
        n_freqs=513, n_mels=n_mels, sample_rate=16000, mel_scale=mel_scale, norm=norm
    )
    mel_spec = apply_mel_filterbank(power_spectrogram(recording).float(), fbank)
    guess = invert_mel(mel_spec, mel_fbank=fbank)
    assert guess.shape == (513, mel_spec.shape[-1])
    assert (guess >= 0).all()
    again = apply_mel_filterbank(guess, fbank)
    assert (again - mel_spec).norm() / mel_spec.norm() < 0.05
    worst_db = (power_to_db(again, top_db=40) - power_to_db(mel_spec, top_db=40)).abs().mean()
    assert worst_db < 1.0


def test_invert_mel_is_no_worse_than_librosa(recording):
    fbank = mel_filterbank(n_freqs=257, n_mels=40, sample_rate=16000, dtype=torch.float64)
    mel_spec = apply_mel_filterbank(power_spectrogram(recording[4000:8000], n_fft=512), fbank)
    theirs = librosa.feature.inverse.mel_to_stft(
        mel_spec.numpy(), sr=16000, n_fft=512, power=1.0, htk=True, norm=None
    )
    theirs = apply_mel_filterbank(torch.from_numpy(theirs).double(), fbank)
    ours = apply_mel_filterbank(invert_mel(mel_spec, mel_fbank=fbank, n_iter=500), fbank)
    error, their_error = ((x - mel_spec).norm() / mel_spec.norm() for x in (ours, theirs))
    assert error < max(5e-3, 1.5 * their_error)


def test_invert_mel_shapes_and_batch(noise):
    fbank = mel_filterbank(n_freqs=513, n_mels=40, sample_rate=16000, dtype=torch.float64)
    mel_spec = apply_mel_filterbank(power_spectrogram(noise), fbank)
    alone = assert_leading_dims(lambda x: invert_mel(x, mel_fbank=fbank, n_iter=3), mel_spec)
    assert alone.shape == (513, 32)
    assert_batch_independent(
        lambda x: invert_mel(x, mel_fbank=fbank, n_iter=3), mel_spec, relative=1e-9
    )


def test_invert_mel_of_silence_is_silence():
    fbank = mel_filterbank(n_freqs=201, n_mels=128, sample_rate=16000)  # four empty bands too
    assert torch.equal(invert_mel(torch.zeros(128, 5), mel_fbank=fbank), torch.zeros(201, 5))
    assert torch.isfinite(invert_mel(torch.full((128, 5), 1e-30), mel_fbank=fbank)).all()


@pytest.mark.parametrize(
    ("mel_spec", "kwargs", "match"),
    [
        (torch.ones(39, 4), {}, "mel_spec has 39 bands, mel_fbank has 40"),
        (torch.full((40, 4), -20.0), {}, "mel_spec must be >= 0; is it in decibels"),
        (torch.ones(40, 4), {"n_iter": -1}, "n_iter=-1"),
        (torch.ones(40), {}, r"mel_spec must have shape \(\.\.\., n_mels, n_frames\)"),
    ],
)
def test_invert_mel_names_the_bad_argument(mel_spec, kwargs, match):
    fbank = mel_filterbank(n_freqs=513, n_mels=40, sample_rate=16000)
    with pytest.raises(ValueError, match=match):
        invert_mel(mel_spec, mel_fbank=fbank, **kwargs)


def test_decibels_and_back_before_the_inversion(noise):
    mel_spec = mel_spectrogram(noise, sample_rate=16000)
    back = db_to_power(power_to_db(mel_spec, amin=1e-30, top_db=None))
    assert_near(back, mel_spec, relative=1e-12)


class Enough(Exception):
    """Raised by a test in the middle of the rounds."""


def test_invert_mel_counts_its_rounds_and_can_be_stopped():
    fbank = mel_filterbank(n_freqs=65, n_mels=8, sample_rate=16000)
    rounds = []
    with_news = invert_mel(torch.ones(8, 3), mel_fbank=fbank, n_iter=4, on_round=rounds.append)
    assert rounds == [1, 2, 3, 4]
    assert torch.equal(with_news, invert_mel(torch.ones(8, 3), mel_fbank=fbank, n_iter=4))

    def stop(done):
        if done == 2:
            raise Enough

    with pytest.raises(Enough):
        invert_mel(torch.ones(8, 3), mel_fbank=fbank, n_iter=10**9, on_round=stop)


# ---------------------------------------------------------------- mel_band_heights


@pytest.mark.parametrize("mel_scale", SCALES)
def test_heights_make_the_area_one(mel_scale):
    edges_hz = mel_band_edges_hz(n_mels=20, sample_rate=16000, mel_scale=mel_scale)
    assert torch.equal(mel_band_heights(edges_hz), torch.ones(20, dtype=torch.float64))
    heights = mel_band_heights(edges_hz, norm="slaney")
    assert heights.shape == (20,)
    assert_near(heights * (edges_hz[2:] - edges_hz[:-2]) / 2, torch.ones(20), relative=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_heights_are_the_largest_weights_of_a_fine_filterbank(norm):
    fbank = mel_filterbank(n_freqs=2**16 + 1, n_mels=20, sample_rate=16000, norm=norm)
    heights = mel_band_heights(mel_band_edges_hz(n_mels=20, sample_rate=16000), norm=norm)
    assert_near(fbank.amax(dim=0), heights, relative=2e-3)


@pytest.mark.parametrize(
    ("edges_hz", "norm", "match"),
    [
        (torch.tensor([0.0, 1.0, 2.0]), "htk", "norm"),
        (torch.tensor([0.0, 1.0]), None, r"edges_hz must have shape \(n_mels \+ 2,\), got \(2,\)"),
        (torch.zeros(3, 3), None, "edges_hz must have shape"),
    ],
)
def test_heights_name_the_bad_argument(edges_hz, norm, match):
    with pytest.raises(ValueError, match=match):
        mel_band_heights(edges_hz, norm=norm)
