"""A plain «import torchaudio» works after «import course_utils», and its numbers are right."""

import os
import subprocess
import sys
import textwrap
from importlib.machinery import PathFinder
from importlib.util import find_spec
from types import ModuleType

import pytest

from course_utils import _torchaudio_mend

# Each line of a script runs in a Python of its own, where nothing was imported before.
NUMBERS = """
    import torch
    waveform = torch.sin(torch.arange(16000) * 0.3) + 0.1 * torch.cos(torch.arange(16000) * 1.1)
    power = torch.stft(
        waveform, n_fft=1024, hop_length=512, win_length=1024, window=torch.hann_window(1024),
        center=True, pad_mode="reflect", normalized=False, onesided=True, return_complex=True,
    ).abs() ** 2
    mel = lambda f: 2595 * torch.log10(1 + f / 700)
    freqs = torch.linspace(0, 8000, 513, dtype=torch.float64)
    points = torch.linspace(0, mel(torch.tensor(8000.0)).item(), 66, dtype=torch.float64)
    edges = 700 * (10 ** (points / 2595) - 1)
    rise = (freqs[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - freqs[:, None]) / (edges[2:] - edges[1:-1])
    expected = torch.minimum(rise, fall).clamp(min=0).T @ power.double()
    theirs = torchaudio.transforms.MelSpectrogram(
        sample_rate=16000, n_fft=1024, win_length=1024, hop_length=512, f_min=0.0, f_max=8000.0,
        pad=0, n_mels=64, window_fn=torch.hann_window, power=2.0, normalized=False, center=True,
        pad_mode="reflect", norm=None, mel_scale="htk",
    )(waveform)
    assert theirs.shape == (64, 32), theirs.shape
    largest = (theirs.double() - expected).abs().max() / expected.max()
    assert largest < 1e-4, largest
    assert theirs.max() > 100
    resampled = torchaudio.functional.resample(waveform, 16000, 8000)
    assert (resampled[100:200] - waveform[200:400:2]).abs().max() < 0.01
    print("the numbers are right")
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def script(first: str, then: str = NUMBERS) -> str:
    return textwrap.dedent(first) + textwrap.dedent(then)


def test_torchaudio_gives_the_right_numbers_after_course_utils():
    result = run(script("import course_utils\nimport torchaudio\n"))
    assert result.returncode == 0, result.stderr
    assert "the numbers are right" in result.stdout


def test_torchaudio_works_also_where_it_failed_before():
    """A student runs «import torchaudio» first, sees it fail, then imports the course."""
    first = """
        try:
            import torchaudio
        except OSError:
            pass
        import course_utils
        import torchaudio
    """
    result = run(script(first))
    assert result.returncode == 0, result.stderr


def test_what_needs_the_native_part_says_so():
    """The native library is made to fail here, also on a machine where it would work."""
    first = """
        import torch
        def load_library(path):
            raise RuntimeError("PyTorch has CUDA version 13.2 whereas TorchAudio has 13.0")
        torch.ops.load_library = load_library
        import course_utils
        import torchaudio
    """
    then = """
        from course_utils._torchaudio_mend import native_part
        print(native_part())
        try:
            torchaudio.functional.forced_align(None, None)
        except RuntimeError as error:
            print(error)
    """
    result = run(script(first) + textwrap.dedent(then))
    assert result.returncode == 0, result.stderr
    right, said, lost = result.stdout.splitlines()
    assert right == "the numbers are right"
    assert said.startswith("no, and the course does not need it (RuntimeError: PyTorch has CUDA")
    assert "forced_align needs torchaudio's native part" in lost


class FailingLoader:
    """Stands for the loader of torchaudio._extension on a machine where that fails."""

    def __init__(self, error):
        self.error = error

    def exec_module(self, module):
        module._IS_TORCHAUDIO_EXT_AVAILABLE = True  # it had come so far
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        OSError("libc10_cuda.so: cannot open shared object file"),
        RuntimeError("PyTorch has CUDA version 13.2 whereas TorchAudio has CUDA version 13.0"),
        ImportError("DLL load failed"),
    ],
    ids=["CPU-only torch", "another CUDA", "Windows"],
)
def test_every_kind_of_failure_is_mended(error):
    module = ModuleType("torchaudio._extension")
    _torchaudio_mend._MendingLoader(FailingLoader(error)).exec_module(module)
    assert module._IS_TORCHAUDIO_EXT_AVAILABLE is False
    assert module._IS_ALIGN_AVAILABLE is False
    assert str(error) in module._mended_because
    with pytest.raises(RuntimeError, match="str needs torchaudio's native part"):
        module.fail_if_no_align(str)()


@pytest.mark.parametrize("error", [ModuleNotFoundError("No module named 'torch'"), KeyError("x")])
def test_a_missing_package_and_a_bug_are_not_hidden(error):
    """ModuleNotFoundError is an ImportError, but nothing that this can mend."""
    loader = _torchaudio_mend._MendingLoader(FailingLoader(error))
    with pytest.raises(type(error)):
        loader.exec_module(ModuleType("torchaudio._extension"))


def test_finder_finds_nothing_else():
    finder = _torchaudio_mend._MendingFinder()
    assert finder.find_spec("torchaudio", None) is None
    inside = [
        os.path.join(p, "_extension") for p in find_spec("torchaudio").submodule_search_locations
    ]
    assert PathFinder.find_spec("torchaudio._extension.utils", inside) is not None
    assert finder.find_spec("torchaudio._extension.utils", inside) is None
    assert finder.find_spec("torchaudio._extension", []) is None  # torchaudio is not installed


def test_a_torchaudio_that_works_is_not_touched():
    """With a native part that loads, its own switches stay as it set them."""
    first = """
        import torch, types
        torch.ops.load_library = lambda path: None
        torch.ops._torchaudio = types.SimpleNamespace(
            is_align_available=lambda: True, cuda_version=lambda: None)
        torch.ops.torchaudio = types.SimpleNamespace(
            _lfilter_core_loop=None, _overdrive_core_loop=None)
        import course_utils, torchaudio
        extension = torchaudio._extension
        assert extension._IS_TORCHAUDIO_EXT_AVAILABLE is True
        assert extension._IS_ALIGN_AVAILABLE is True
        assert not hasattr(extension, "_mended_because")
        from course_utils._torchaudio_mend import native_part
        assert native_part() == "yes"
    """
    result = run(textwrap.dedent(first))
    assert result.returncode == 0, result.stderr


def test_importing_the_course_is_light():
    """No torch before it is needed, never librosa; and installing twice is once."""
    first = """
        import sys
        import course_utils
        assert "torch" not in sys.modules, "torch"
        from course_utils import _torchaudio_mend
        count = len(sys.meta_path)
        _torchaudio_mend.install()
        assert len(sys.meta_path) == count
        import course_utils.signal, course_utils.audio_io
        assert "librosa" not in sys.modules, "librosa"
        assert "numba" not in sys.modules, "numba"
        assert course_utils.__version__
    """
    result = run(textwrap.dedent(first))
    assert result.returncode == 0, result.stderr
