"""Sliders on the signal chain: each explorer is sliders, one SoundView and the chain.

Importing this package sets PyTorch to one thread: pictures of this size are two to
three times faster without the hand-over between threads.
"""

import torch

from course_utils.explorers.cnn import CnnExplorer, explore_cnn
from course_utils.explorers.confusion import ConfusionExplorer, explore_confusion
from course_utils.explorers.decibel import DecibelExplorer, explore_decibel
from course_utils.explorers.mel import MelExplorer, explore_mel
from course_utils.explorers.normalize import NormalizeExplorer, explore_normalize
from course_utils.explorers.road import RoadExplorer, explore_road
from course_utils.explorers.stft import StftExplorer, explore_stft
from course_utils.explorers.training import TrainingView
from course_utils.explorers.waveform import WaveformExplorer, explore_waveform

torch.set_num_threads(1)

__all__ = [
    "CnnExplorer",
    "ConfusionExplorer",
    "DecibelExplorer",
    "MelExplorer",
    "NormalizeExplorer",
    "RoadExplorer",
    "StftExplorer",
    "TrainingView",
    "WaveformExplorer",
    "explore_cnn",
    "explore_confusion",
    "explore_decibel",
    "explore_mel",
    "explore_normalize",
    "explore_road",
    "explore_stft",
    "explore_waveform",
]
