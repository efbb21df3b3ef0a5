"""The truth about course_utils.signal.stft: frames, DFT, STFT and the ways back."""

import math

import librosa
import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import torch
import torchaudio

from course_utils.signal import (
    dft_matrix,
    fft_freqs_hz,
    frame,
    frame_times_s,
    get_window,
    griffin_lim,
    istft,
    make_click,
    make_tone,
    n_frames,
    power_spectrogram,
    stft,
)
from tests.unit.compare import assert_batch_independent, assert_leading_dims, assert_near

TORCH_WINDOWS = {
    "hann": torch.hann_window,
    "hamming": torch.hamming_window,
    "blackman": torch.blackman_window,
    "rectangular": lambda length, periodic, dtype: torch.ones(length, dtype=dtype),
}
SCIPY_NAMES = {name: name for name in TORCH_WINDOWS} | {"rectangular": "boxcar"}
LIBROSA_PADDING = {"reflect": "reflect", "constant": "constant", "replicate": "edge"}

# n_fft, hop_length, win_length, window, center, pad_mode
SETTINGS = [
    pytest.param((1024, 512, 1024, "hann", True, "reflect"), id="the course's"),
    pytest.param((1024, 256, 400, "hann", True, "reflect"), id="win_length < n_fft"),
    pytest.param((1024, 100, 401, "hann", False, "reflect"), id="odd win_length, not centred"),
    pytest.param((1023, 300, 1023, "hann", True, "reflect"), id="odd n_fft"),
    pytest.param((1023, 300, 800, "hamming", False, "reflect"), id="odd n_fft, not centred"),
    pytest.param((400, 160, 400, "blackman", True, "constant"), id="zeros at the ends"),
    pytest.param((997, 250, 640, "rectangular", True, "replicate"), id="prime n_fft"),
    pytest.param((512, 700, 512, "hann", True, "reflect"), id="hop > window"),
    pytest.param((8, 3, 6, "hann", True, "reflect"), id="tiny"),
    pytest.param((16000, 4000, 16000, "hann", False, "reflect"), id="one frame"),
]


def as_kwargs(settings):
    names = ("n_fft", "hop_length", "win_length", "window", "center", "pad_mode")
    return dict(zip(names, settings, strict=True))


def torch_stft(waveform, settings):
    n_fft, hop_length, win_length, window, center, pad_mode = settings
    return torch.stft(
        waveform,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=TORCH_WINDOWS[window](win_length, periodic=True, dtype=waveform.dtype),
        center=center,
        pad_mode=pad_mode,
        normalized=False,
        onesided=True,
        return_complex=True,
    )


# ---------------------------------------------------------------- get_window


@pytest.mark.parametrize("window", TORCH_WINDOWS)
@pytest.mark.parametrize("win_length", [1, 2, 3, 400, 1023, 1024])
def test_window_equals_torch_and_scipy(window, win_length):
    ours = get_window(window, win_length, dtype=torch.float64)
    assert ours.shape == (win_length,)
    expected = TORCH_WINDOWS[window](win_length, periodic=True, dtype=torch.float64)
    assert_near(ours, expected, relative=1e-12)
    assert_near(
        ours, scipy.signal.get_window(SCIPY_NAMES[window], win_length, fftbins=True), relative=1e-12
    )
    assert get_window(window, win_length).dtype == torch.float32


@pytest.mark.parametrize(("window", "overlap"), [("hann", 2), ("hamming", 2), ("blackman", 3)])
def test_shifted_windows_add_up_to_a_constant(window, overlap):
    """COLA: that is why overlapping frames can be put together again."""
    length = 96
    weights = get_window(window, length, dtype=torch.float64)
    hop_length = length // overlap
    added = sum(weights.roll(k * hop_length) for k in range(overlap))
    assert added.max() - added.min() < 1e-12


@pytest.mark.parametrize(
    ("args", "match"),
    [
        (("hanning", 8), r"window='hanning'.*'hann'.*'rectangular'"),
        (("hann", 0), "win_length=0 must be a positive integer"),
        (("hann", 8.0), "win_length=8.0"),
        (("hann", True), "win_length=True"),
    ],
)
def test_window_names_the_bad_argument(args, match):
    with pytest.raises(ValueError, match=match):
        get_window(*args)


def test_window_refuses_a_dtype_without_fractions():
    with pytest.raises(ValueError, match=r"dtype=torch\.int64"):
        get_window("hann", 8, dtype=torch.int64)


# ---------------------------------------------------------------- frame


@pytest.mark.parametrize(("frame_length", "hop_length"), [(4, 2), (5, 3), (7, 11), (16000, 1)])
def test_frame_equals_librosa(sound, frame_length, hop_length):
    ours = frame(sound, frame_length=frame_length, hop_length=hop_length)
    theirs = librosa.util.frame(sound.numpy(), frame_length=frame_length, hop_length=hop_length)
    assert torch.equal(ours, torch.from_numpy(theirs.T.copy()))


def test_frame_shapes(noise):
    alone = assert_leading_dims(lambda x: frame(x, frame_length=400, hop_length=160), noise)
    assert alone.shape == (98, 400)


def test_frame_batch(noise):
    assert_batch_independent(lambda x: frame(x, frame_length=400, hop_length=160), noise)


def test_frames_side_by_side_are_the_waveform_again():
    waveform = torch.arange(12.0)
    assert torch.equal(frame(waveform, frame_length=4, hop_length=4).flatten(), waveform)
    assert frame(waveform, frame_length=5, hop_length=3)[2].tolist() == [6, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"frame_length": 0, "hop_length": 1}, "frame_length=0"),
        ({"frame_length": 4, "hop_length": -2}, "hop_length=-2 must be a positive integer"),
        ({"frame_length": 4, "hop_length": 2.5}, "hop_length=2.5"),
        ({"frame_length": 11, "hop_length": 2}, "frame_length=11 is longer.*10 samples"),
    ],
)
def test_frame_names_the_bad_argument(kwargs, match):
    with pytest.raises(ValueError, match=match):
        frame(torch.zeros(10), **kwargs)


# ---------------------------------------------------------------- dft_matrix


@pytest.mark.parametrize("n_fft", [1, 2, 3, 8, 101, 512])
def test_dft_matrix_equals_the_fast_transform(n_fft):
    matrix = dft_matrix(n_fft, dtype=torch.complex128)
    assert_near(matrix, scipy.linalg.dft(n_fft), relative=1e-11)
    signal = torch.randn(5, n_fft, dtype=torch.float64)
    by_hand = signal.to(torch.complex128) @ matrix.T
    assert_near(by_hand, torch.fft.fft(signal), relative=1e-11)
    assert_near(by_hand[:, : n_fft // 2 + 1], torch.fft.rfft(signal), relative=1e-11)


def test_dft_matrix_undone_by_its_conjugate():
    matrix = dft_matrix(64, dtype=torch.complex128)
    assert_near(matrix.conj() @ matrix / 64, torch.eye(64, dtype=torch.complex128), relative=1e-12)


def test_dft_matrix_is_exact_in_single_precision():
    """Angles of large n * f must not lose their fraction."""
    assert_near(dft_matrix(1500), dft_matrix(1500, dtype=torch.complex128), relative=1e-7)
    assert dft_matrix(8).dtype == torch.complex64


@pytest.mark.parametrize(
    ("n_fft", "dtype", "match"),
    [
        (0, torch.complex64, "n_fft=0"),
        (2.0, torch.complex64, "n_fft=2.0"),
        (4, torch.float32, "dtype=torch.float32 is not known; choose one of torch.complex64"),
    ],
)
def test_dft_matrix_names_the_bad_argument(n_fft, dtype, match):
    with pytest.raises(ValueError, match=match):
        dft_matrix(n_fft, dtype=dtype)


# ---------------------------------------------------------------- stft


@pytest.mark.parametrize("settings", SETTINGS)
def test_stft_equals_torch_and_librosa(sound, settings):
    ours = stft(sound, **as_kwargs(settings))
    assert_near(ours, torch_stft(sound, settings), relative=1e-10)
    n_fft, hop_length, win_length, window, center, pad_mode = settings
    theirs = librosa.stft(
        sound.numpy(),
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=SCIPY_NAMES[window],
        center=center,
        pad_mode=LIBROSA_PADDING[pad_mode],
        dtype=np.complex128,
    )
    assert_near(ours, theirs, relative=1e-10)


@pytest.mark.parametrize("settings", SETTINGS)
def test_stft_in_single_precision(sound, settings):
    ours = stft(sound.float(), **as_kwargs(settings))
    assert ours.dtype == torch.complex64
    assert_near(ours, torch_stft(sound, settings), relative=1e-6)
    assert_near(ours, torch_stft(sound.float(), settings), relative=1e-6)


def test_stft_equals_frames_times_window_times_dft_matrix(noise):
    """The sum of the formula, written out."""
    frames = frame(noise, frame_length=128, hop_length=32)
    weighted = (frames * get_window("hann", 128, dtype=torch.float64)).to(torch.complex128)
    by_hand = (weighted @ dft_matrix(128, dtype=torch.complex128)[:65].T).T
    assert_near(stft(noise, n_fft=128, hop_length=32, center=False), by_hand, relative=1e-11)


def test_stft_shapes(noise):
    alone = assert_leading_dims(lambda x: stft(x, n_fft=512, hop_length=100), noise)
    assert alone.shape == (257, 161)


def test_stft_batch(noise):
    assert_batch_independent(stft, noise)
    assert_batch_independent(stft, noise.float(), relative=1e-6)


def test_stft_defaults_are_half_a_window_apart(noise):
    explicit = stft(
        noise,
        n_fft=1024,
        hop_length=512,
        win_length=1024,
        window="hann",
        center=True,
        pad_mode="reflect",
    )
    assert torch.equal(stft(noise), explicit)
    assert torch.equal(
        stft(noise, n_fft=512, win_length=300),
        stft(noise, n_fft=512, win_length=300, hop_length=150),
    )


def test_energy_of_a_frame_is_energy_of_its_spectrum(sound):
    """Parseval: what the spectrum holds is what the weighted frame held."""
    n_fft = 256
    power = stft(sound, n_fft=n_fft, hop_length=64, center=False).abs() ** 2
    twice = torch.full((n_fft // 2 + 1, 1), 2.0, dtype=torch.float64)
    twice[0] = twice[-1] = 1.0  # 0 Hz and the Nyquist frequency have no mirror image
    frames = frame(sound, frame_length=n_fft, hop_length=64)
    frames = frames * get_window("hann", n_fft, dtype=torch.float64)
    assert_near((twice * power).sum(0) / n_fft, (frames**2).sum(-1), relative=1e-11)


def test_tone_peaks_in_its_row_and_click_in_its_frame():
    spec = stft(make_tone(1000.0, dtype=torch.float64), n_fft=1024, hop_length=256).abs()
    freqs = fft_freqs_hz(1024, sample_rate=16000)
    assert freqs[spec[:, 30].argmax()] == 1000.0
    spec = stft(make_click(0.5), n_fft=1024, hop_length=256).abs()
    times = frame_times_s(spec.shape[-1], sample_rate=16000, hop_length=256)
    assert abs(times[spec.sum(0).argmax()] - 0.5) <= 128 / 16000


def test_stft_follows_a_gradient():
    waveform = torch.randn(2, 40, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: stft(x, n_fft=16, hop_length=5), waveform)


def test_stft_leaves_the_waveform_as_it_was(noise):
    before = noise.clone()
    spec = stft(noise, center=False)
    spec *= 0
    assert torch.equal(noise, before)


def test_stft_takes_a_waveform_with_gaps_in_memory(noise):
    """A channel of an interleaved file, and every second sample, are such views."""
    stereo = torch.stack([noise, -noise], dim=-1)
    assert torch.equal(stft(stereo.T), stft(torch.stack([noise, -noise])))
    assert torch.equal(stft(noise[::2]), stft(noise[::2].clone()))


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"n_fft": 0}, "n_fft=0 must be a positive integer"),
        ({"n_fft": 64.0}, "n_fft=64.0"),
        ({"n_fft": 64, "hop_length": 0}, "hop_length=0 must be a positive integer"),
        ({"n_fft": 64, "hop_length": "16"}, "hop_length='16'"),
        ({"n_fft": 64, "win_length": 65}, "win_length=65 must not be longer than n_fft=64"),
        ({"n_fft": 64, "win_length": -1}, "win_length=-1"),
        ({"n_fft": 64, "window": "hanning"}, "window='hanning' is not known; choose one of 'hann'"),
        ({"n_fft": 64, "pad_mode": "zeros"}, "pad_mode='zeros' is not known"),
        ({"n_fft": 256}, "n_fft=256 is too long for a waveform of 100 samples.*= 128"),
        ({"n_fft": 128, "center": False}, "n_fft=128 is longer than the waveform of 100 samples"),
    ],
)
def test_stft_names_the_bad_argument(kwargs, match):
    with pytest.raises(ValueError, match=match):
        stft(torch.zeros(100), **kwargs)


@pytest.mark.parametrize(
    ("waveform", "error", "match"),
    [
        (np.zeros(2000), TypeError, "waveform must be a torch.Tensor, got ndarray"),
        (torch.zeros(2000, dtype=torch.int16), TypeError, "torch.int16.*32768"),
        (torch.zeros(2000, dtype=torch.complex64), TypeError, "waveform must be real"),
        (torch.tensor(1.0), ValueError, r"shape \(\.\.\., time\)"),
        (torch.zeros(3, 0), ValueError, "waveform of 0 samples"),
    ],
)
def test_stft_names_the_bad_waveform(waveform, error, match):
    with pytest.raises(error, match=match):
        stft(waveform)


# ---------------------------------------------------------------- n_frames and the axes


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("n_fft", [64, 65, 100])
def test_n_frames_counts_what_stft_makes(n_fft, center):
    for n_samples in range(110, 180, 7):
        for hop_length in (1, 16, 63, 200):
            settings = {"n_fft": n_fft, "hop_length": hop_length, "center": center}
            made = stft(torch.zeros(n_samples), **settings).shape[-1]
            assert n_frames(n_samples, **settings) == made


def test_n_frames_of_the_course():
    assert n_frames(16000, n_fft=1024, hop_length=512) == 32 == 1 + 16000 // 512
    assert n_frames(16000, n_fft=1024, hop_length=512, center=False) == 30
    assert n_frames(100, n_fft=1024, hop_length=512, center=False) == 0


@pytest.mark.parametrize("name", ["n_samples", "n_fft", "hop_length"])
def test_n_frames_names_the_bad_argument(name):
    arguments = {"n_samples": 100, "n_fft": 16, "hop_length": 8} | {name: -1}
    with pytest.raises(ValueError, match=f"{name}=-1"):
        n_frames(arguments.pop("n_samples"), **arguments)


@pytest.mark.parametrize("n_fft", [1, 16, 17, 1024])
def test_freqs_equal_librosa(n_fft):
    theirs = librosa.fft_frequencies(sr=22050, n_fft=n_fft)
    assert_near(fft_freqs_hz(n_fft, sample_rate=22050), theirs, relative=1e-12)


@pytest.mark.parametrize("center", [True, False])
def test_frame_times_equal_librosa(center):
    theirs = librosa.frames_to_time(
        np.arange(7), sr=22050, hop_length=160, n_fft=None if center else 401
    )
    ours = frame_times_s(7, sample_rate=22050, hop_length=160, n_fft=401, center=center)
    assert_near(ours, theirs, relative=1e-12)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: fft_freqs_hz(0, sample_rate=1), "n_fft=0"),
        (lambda: fft_freqs_hz(8, sample_rate=0), "sample_rate=0 must be a positive number"),
        (lambda: fft_freqs_hz(8, sample_rate=math.nan), "sample_rate=nan"),
        (lambda: frame_times_s(3, sample_rate=8000, hop_length=0), "hop_length=0"),
        (lambda: frame_times_s(3, sample_rate=-1, hop_length=1), "sample_rate=-1"),
        (lambda: frame_times_s(3, sample_rate=8000, hop_length=1, center=False), "n_fft=0"),
    ],
)
def test_axes_name_the_bad_argument(make, match):
    with pytest.raises(ValueError, match=match):
        make()


# ---------------------------------------------------------------- istft

REVERSIBLE = [p for p in SETTINGS if p.id not in ("hop > window", "one frame")]


@pytest.mark.parametrize("settings", REVERSIBLE)
def test_istft_undoes_stft(sound, settings):
    kwargs = as_kwargs(settings)
    spec = stft(sound, **kwargs)
    kwargs.pop("pad_mode")
    back = istft(spec, **kwargs, length=len(sound))
    covered = slice(None) if kwargs["center"] else slice(1024, len(sound) - 1500)
    assert back.shape == sound.shape
    assert_near(back[covered], sound[covered], relative=1e-10)


@pytest.mark.parametrize("length", [None, 15000, 16000])
@pytest.mark.parametrize("settings", [p for p in REVERSIBLE if p.values[0][4]])
def test_istft_equals_torch_and_librosa(noise, settings, length):
    """On a spectrogram that is no waveform's STFT: both then give the nearest waveform."""
    n_fft, hop_length, win_length, window, center, _ = settings
    spec = torch_stft(noise, settings)
    spec = spec * torch.rand(spec.shape, dtype=torch.float64)
    spec[0], spec[-1] = spec[0].real + 0j, spec[-1].real + 0j if n_fft % 2 == 0 else spec[-1]
    ours = istft(
        spec,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=window,
        center=center,
        length=length,
    )
    theirs = torch.istft(
        spec,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=TORCH_WINDOWS[window](win_length, periodic=True, dtype=torch.float64),
        center=center,
        normalized=False,
        onesided=True,
        length=length,
        return_complex=False,
    )
    if n_fft % 2 == 0:  # torch.istft(length=None) cuts an odd n_fft one sample shorter
        assert_near(ours, theirs, relative=1e-10)
    else:
        shorter = min(len(ours), len(theirs))
        assert_near(ours[:shorter], theirs[:shorter], relative=1e-10)
    if length == 15000:  # librosa 0.11 fails where the length leaves no whole last frame
        return
    theirs = librosa.istft(
        spec.numpy(),
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=SCIPY_NAMES[window],
        center=center,
        length=len(ours),
        dtype=np.float64,
    )
    assert_near(ours, theirs, relative=1e-10)


def test_istft_shapes(noise):
    batch = torch.stack([noise, -noise])
    spec = stft(batch[:, None], n_fft=512)
    assert istft(spec, n_fft=512).shape == (2, 1, 15872)  # 62 hops of 256: what frames cover
    assert istft(spec, n_fft=512, length=16000).shape == (2, 1, 16000)
    assert istft(spec, n_fft=512, length=17000).shape == (2, 1, 17000)
    assert istft(spec[0, 0], n_fft=512, length=100).shape == (100,)


def test_istft_batch(noise):
    spec = stft(noise)
    assert_batch_independent(lambda x: istft(x), spec)
    assert_batch_independent(lambda x: istft(x), spec.to(torch.complex64), relative=1e-6)


def test_istft_follows_a_gradient():
    spec = torch.randn(5, 6, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: istft(x, n_fft=8, hop_length=3), spec)


def test_istft_without_centre_gives_silence_where_no_window_looked(noise):
    """A Hann window is 0 at its first sample, so sample 0 of the waveform was never seen."""
    back = istft(stft(noise, center=False), center=False)
    assert back[0] == 0.0
    assert_near(back[1:], noise[1 : len(back)], relative=1e-9)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"n_fft": 512}, "512"),
        ({"n_fft": 1024, "length": -1}, "length=-1"),
        ({"n_fft": 1024, "hop_length": 1025}, "hop_length=1025 is too long for window='hann'"),
        ({"n_fft": 1024, "hop_length": 500, "win_length": 400}, "hop_length=500.*win_length=400"),
        ({"n_fft": 1024, "window": "kaiser"}, "window='kaiser'"),
    ],
)
def test_istft_names_the_bad_argument(kwargs, match):
    with pytest.raises(ValueError, match=match):
        istft(torch.ones(513, 20, dtype=torch.complex64), **kwargs)


def test_istft_of_magnitudes_points_to_griffin_lim():
    with pytest.raises(TypeError, match=r"spec must be a complex tensor.*griffin_lim"):
        istft(torch.ones(513, 4))
    with pytest.raises(ValueError, match=r"spec must have shape .*got \(513,\)"):
        istft(torch.ones(513, dtype=torch.complex64))


# ---------------------------------------------------------------- power_spectrogram


@pytest.mark.parametrize("power", [1.0, 2.0, 0.5, 3.0])
@pytest.mark.parametrize("settings", SETTINGS)
def test_power_spectrogram_equals_torchaudio_and_librosa(noise, settings, power):
    n_fft, hop_length, win_length, window, center, pad_mode = settings
    ours = power_spectrogram(noise, **as_kwargs(settings), power=power)
    theirs = torchaudio.functional.spectrogram(
        noise,
        pad=0,
        window=TORCH_WINDOWS[window](win_length, periodic=True, dtype=torch.float64),
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        power=power,
        normalized=False,
        center=center,
        pad_mode=pad_mode,
        onesided=True,
    )
    assert_near(ours, theirs, relative=1e-10)
    spec = librosa.stft(
        noise.numpy(),
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=SCIPY_NAMES[window],
        center=center,
        pad_mode=LIBROSA_PADDING[pad_mode],
        dtype=np.complex128,
    )
    assert_near(ours, np.abs(spec) ** power, relative=1e-10)


def test_power_spectrogram_shapes(noise):
    alone = assert_leading_dims(lambda x: power_spectrogram(x, n_fft=512, hop_length=100), noise)
    assert alone.shape == (257, 161)
    assert (alone >= 0).all()


def test_power_spectrogram_batch(noise):
    assert_batch_independent(power_spectrogram, noise)


def test_twice_the_amplitude_is_four_times_the_power(sound):
    assert_near(power_spectrogram(2 * sound), 4 * power_spectrogram(sound), relative=1e-12)
    assert_near(
        power_spectrogram(2 * sound, power=1.0),
        2 * power_spectrogram(sound, power=1.0),
        relative=1e-12,
    )


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_gradient_of_silence_is_a_number(power):
    silence = torch.zeros(2000, requires_grad=True)
    power_spectrogram(silence, power=power).sum().backward()
    assert torch.isfinite(silence.grad).all()


@pytest.mark.parametrize("power", [0, -1.0, math.inf, "2"])
def test_power_spectrogram_names_the_bad_argument(power):
    with pytest.raises(ValueError, match=f"power={power!r} must be a positive number"):
        power_spectrogram(torch.zeros(2000), power=power)


# ---------------------------------------------------------------- griffin_lim


@pytest.mark.parametrize("momentum", [0.0, 0.99])
@pytest.mark.parametrize(("n_fft", "hop_length", "win_length"), [(512, 128, 512), (512, 100, 400)])
def test_griffin_lim_equals_torchaudio(sound, n_fft, hop_length, win_length, momentum):
    sizes = {"n_fft": n_fft, "hop_length": hop_length, "win_length": win_length}
    power_spec = power_spectrogram(sound, **sizes)
    ours = griffin_lim(
        power_spec,
        **sizes,
        window="hann",
        power=2.0,
        n_iter=4,
        momentum=momentum,
        length=len(sound),
        random_phase=False,
    )
    theirs = torchaudio.functional.griffinlim(
        power_spec,
        window=torch.hann_window(win_length, periodic=True, dtype=torch.float64),
        **sizes,
        power=2.0,
        n_iter=4,
        momentum=momentum,
        length=len(sound),
        rand_init=False,
    )
    assert_near(ours, theirs, relative=1e-6)


def test_griffin_lim_comes_near_the_spectrogram_and_keeps_the_level(recording):
    power_spec = power_spectrogram(recording, hop_length=256)
    heard = griffin_lim(power_spec, hop_length=256, length=len(recording))
    again = power_spectrogram(heard, hop_length=256)
    error = (again.sqrt() - power_spec.sqrt()).norm() / power_spec.sqrt().norm()
    first = griffin_lim(power_spec, hop_length=256, length=len(recording), n_iter=0)
    first_error = (power_spectrogram(first, hop_length=256).sqrt() - power_spec.sqrt()).norm()
    assert error < 0.2
    assert error < 0.5 * first_error / power_spec.sqrt().norm()
    assert heard.norm() / recording.norm() == pytest.approx(1.0, abs=0.1)


def test_griffin_lim_shapes(noise):
    power_spec = power_spectrogram(noise[:4000], n_fft=256)
    alone = assert_leading_dims(lambda x: griffin_lim(x, n_fft=256, n_iter=2), power_spec)
    assert alone.shape == (128 * (power_spec.shape[-1] - 1),)


def test_griffin_lim_batch(noise):
    power_spec = power_spectrogram(noise[:4000], n_fft=256)
    assert_batch_independent(
        lambda x: griffin_lim(x, n_fft=256, n_iter=3), power_spec, relative=1e-8
    )


def test_griffin_lim_says_the_same_again_unless_the_seed_differs(noise):
    power_spec = power_spectrogram(noise[:4000], n_fft=256)
    first, second = (griffin_lim(power_spec, n_fft=256, n_iter=2, seed=3) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.allclose(first, griffin_lim(power_spec, n_fft=256, n_iter=2, seed=4))


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"n_fft": 64}, "n_fft=64"),
        ({"momentum": 1.0}, "momentum=1.0 must be at least 0 and below 1"),
        ({"momentum": -0.1}, "momentum=-0.1"),
        ({"n_iter": -1}, "n_iter=-1"),
        ({"power": 0}, "power=0"),
    ],
)
def test_griffin_lim_names_the_bad_argument(kwargs, match):
    with pytest.raises(ValueError, match=match):
        griffin_lim(torch.ones(513, 8), **kwargs)


def test_griffin_lim_counts_its_rounds_and_can_be_stopped(noise):
    power_spec = power_spectrogram(noise[:4000], n_fft=256)
    rounds = []
    with_news = griffin_lim(power_spec, n_fft=256, n_iter=3, on_round=rounds.append)
    assert rounds == [1, 2, 3]
    assert torch.equal(with_news, griffin_lim(power_spec, n_fft=256, n_iter=3))

    def stop(done):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        griffin_lim(power_spec, n_fft=256, n_iter=10**9, on_round=stop)
