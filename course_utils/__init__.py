"""Seeing Sound: from a sound wave to a spectrogram to a network that hears words."""

from course_utils import _torchaudio_mend

__version__ = "0.1.0"

_torchaudio_mend.install()  # costs nothing until somebody imports torchaudio
