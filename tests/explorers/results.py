"""Results of a sweep that nobody measured: for tests of what shows them, with known numbers."""

from __future__ import annotations

import dataclasses

from course_utils.models.sweep_results import Setting, grid

MAP = {"n_fft": [256, 512, 1024], "hop_length": [128, 256, 512], "n_mels": [16, 64]}


def record(setting, seed, accuracy, **other):
    """A line as a sweep writes it; people to report on are understood two points worse."""
    cells = setting.n_cells()
    return {
        "setting": dataclasses.asdict(setting),
        "seed": seed,
        "recipe": "r",
        "data": "d",
        "identity": f"{setting} {seed}",
        "problem": setting.problem(),
        "accuracy": accuracy,
        "loss": 0.5,
        "accuracies": {"people to choose by": accuracy, "other people": accuracy - 0.02},
        "train_seconds": 5.0 + cells / 100,
        "inference_ms": 0.5 + cells / 2000,
        "n_cells": cells,
        "picture": list(setting.shape()),
        "n_parameters": 65530,
        **other,
    }


def level(setting):
    """More bands and shorter hops are better here; 64 bands with hop 512 are not."""
    known = {
        (128, 16): 0.85,
        (128, 64): 0.88,
        (256, 16): 0.86,
        (512, 16): 0.80,
        (256, 64): 0.90,
        (512, 64): 0.78,
    }
    return known.get((setting.hop_length, setting.n_mels), 0.7) + setting.n_fft / 1e6


def make_records(n_seeds=3):
    """A map of 18 cells of which 14 make sense, six of mel against linear, six of scales.

    The seeds lie one point apart: their standard deviation is one point for three of them.
    """
    settings = [
        *grid(**MAP),
        *grid(n_mels=[16, 64, 128], frequency_axis=["mel", "linear"]),
        *grid(scale=["db", "power"], normalize=["per clip", "data set", "none"]),
    ]
    return [
        record(setting, seed, level(setting) + 0.01 * (seed - (n_seeds - 1) / 2))
        for setting in dict.fromkeys(settings)
        for seed in range(n_seeds)
    ]


COURSE = Setting()
