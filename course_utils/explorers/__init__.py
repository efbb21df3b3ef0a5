"""Sliders on the signal chain: each explorer is sliders, one SoundView and the chain.

An explorer's module is imported when the explorer is first asked for: a kernel that shows a
spectrogram need not hold a network. Importing this package sets PyTorch to one thread: pictures
of this size are two to three times faster without the hand-over between threads.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from course_utils.explorers.cnn import CnnExplorer, explore_cnn
    from course_utils.explorers.confusion import ConfusionExplorer, explore_confusion
    from course_utils.explorers.decibel import DecibelExplorer, explore_decibel
    from course_utils.explorers.mel import MelExplorer, explore_mel
    from course_utils.explorers.normalize import NormalizeExplorer, explore_normalize
    from course_utils.explorers.road import RoadExplorer, explore_road
    from course_utils.explorers.stft import StftExplorer, explore_stft
    from course_utils.explorers.sweeping import SweepView
    from course_utils.explorers.training import TrainingView
    from course_utils.explorers.tuning import TuningExplorer, explore_tuning
    from course_utils.explorers.waveform import WaveformExplorer, explore_waveform
    from course_utils.explorers.your_sound import (
        YourSoundExplorer,
        explore_your_sound,
        load_course_model,
    )

torch.set_num_threads(1)

_HOMES = {
    "cnn": ("CnnExplorer", "explore_cnn"),
    "confusion": ("ConfusionExplorer", "explore_confusion"),
    "decibel": ("DecibelExplorer", "explore_decibel"),
    "mel": ("MelExplorer", "explore_mel"),
    "normalize": ("NormalizeExplorer", "explore_normalize"),
    "road": ("RoadExplorer", "explore_road"),
    "stft": ("StftExplorer", "explore_stft"),
    "sweeping": ("SweepView",),
    "training": ("TrainingView",),
    "tuning": ("TuningExplorer", "explore_tuning"),
    "waveform": ("WaveformExplorer", "explore_waveform"),
    "your_sound": ("YourSoundExplorer", "explore_your_sound", "load_course_model"),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "CnnExplorer",
    "ConfusionExplorer",
    "DecibelExplorer",
    "MelExplorer",
    "NormalizeExplorer",
    "RoadExplorer",
    "StftExplorer",
    "SweepView",
    "TrainingView",
    "TuningExplorer",
    "WaveformExplorer",
    "YourSoundExplorer",
    "explore_cnn",
    "explore_confusion",
    "explore_decibel",
    "explore_mel",
    "explore_normalize",
    "explore_road",
    "explore_stft",
    "explore_tuning",
    "explore_waveform",
    "explore_your_sound",
    "load_course_model",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
