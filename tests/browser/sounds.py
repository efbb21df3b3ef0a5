"""Sounds whose picture is known, for the kernel and for the test process alike."""

from __future__ import annotations

import numpy as np

SAMPLE_RATE = 16_000
TONE_HZ = 1_000.0
TONE_S = (0.5, 1.5)  # where the tone sounds, in seconds
CLICK_S = 1.75


def tone_and_click(duration_s: float = 2.0) -> np.ndarray:
    """Half a second of almost silence, a second of tone, then one click; float32 ``(time,)``."""
    n_samples = round(duration_s * SAMPLE_RATE)
    times_s = np.arange(n_samples) / SAMPLE_RATE
    sound = 1e-4 * np.random.default_rng(0).standard_normal(n_samples)
    sounding = (times_s >= TONE_S[0]) & (times_s < TONE_S[1])
    sound[sounding] += 0.5 * np.sin(2 * np.pi * TONE_HZ * times_s[sounding])
    click = round(CLICK_S * SAMPLE_RATE)
    if click < n_samples:
        sound[click] = 0.8
    return sound.astype(np.float32)


def short(duration_s: float = 0.4) -> np.ndarray:
    """A quiet tone that is over before a test gets impatient."""
    times_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.1 * np.sin(2 * np.pi * 440 * times_s)).astype(np.float32)
