"""What the unit tests share: seeds, and sounds whose answer is known."""

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor

import course_utils  # noqa: F401  before the tests say «import torchaudio»

torch.set_num_threads(1)  # two to three times faster for sounds of this length

ROOT = Path(__file__).resolve().parents[2]
SAMPLE_RATE = 16000


@pytest.fixture(autouse=True)
def seed() -> None:
    """Every test starts from the same random numbers."""
    torch.manual_seed(0)


def recording_path() -> Path | None:
    """A word said by a person; where that data is absent, a sample of the course."""
    people = sorted((ROOT.parent / "shared" / "data" / "speech_commands").glob("*/*.flac"))
    samples = sorted((ROOT / "audio_samples").glob("spoken_*.flac"))
    return next(iter(people + samples), None)


def _recording() -> Tensor:
    path = recording_path()
    if path is None:
        pytest.skip("no recording here")
    samples, _ = soundfile.read(path, dtype="float64", always_2d=True)
    second = torch.zeros(SAMPLE_RATE, dtype=torch.float64)
    samples = torch.from_numpy(samples[:SAMPLE_RATE, 0].copy())
    second[: len(samples)] = samples
    return second


def _tone() -> Tensor:
    time_s = torch.arange(SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE
    return 0.5 * torch.sin(2 * torch.pi * 441.3 * time_s + 0.7)


def _noise() -> Tensor:
    return 0.1 * torch.randn(
        SAMPLE_RATE, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )


SOUNDS: dict[str, Callable[[], Tensor]] = {"tone": _tone, "noise": _noise, "recording": _recording}


@pytest.fixture(params=SOUNDS)
def sound(request: pytest.FixtureRequest) -> Tensor:
    """One second at 16 kHz, float64, shape (16000,): a tone, noise, and a person."""
    return SOUNDS[request.param]()


@pytest.fixture
def noise() -> Tensor:
    """One second of noise at 16 kHz, float64, shape (16000,)."""
    return _noise()


@pytest.fixture
def recording() -> Tensor:
    """One second of a recording, float64, shape (16000,)."""
    return _recording()
