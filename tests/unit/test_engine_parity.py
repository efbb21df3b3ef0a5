"""The browser engine draws what PyTorch draws: over the explorers' whole range, sound by sound.

The kernel computes with the waveform, the browser with the 16-bit samples that the view plays. So
both get sounds that are already rounded to 16 bits here, but for one, «computed»: that one the
browser gets as a waveform, too. What rounding it would change is told by
``test_16_bits_are_seen_in_a_computed_sound_with_quiet_parts``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from course_utils.explorers.controls import (
    EPS,
    FREQ_AXES,
    GAIN_DB,
    HOP_LENGTH,
    MEL_SCALES,
    METHODS,
    N_FFT,
    N_MELS,
    TOP_DB,
    WINDOWS,
)
from course_utils.explorers.decibel import (
    AMIN,
    COLOURS,
    FORMULAS,
    NEIGHBOUR_DB,
    OFF,
    PEAK,
    REF,
    DecibelExplorer,
)
from course_utils.explorers.live import LiveChain
from course_utils.explorers.normalize import NormalizeExplorer

ROOT = Path(__file__).resolve().parents[2]
DRAW = Path(__file__).parent / "js" / "engine" / "draw.mjs"
SAMPLE_RATE = 16000
STATISTICS = (-30.0, 18.0)
LINES = {"one sample": 1, "300 samples": 300, "700 samples": 700}


# ---- sounds and settings


def to_int16(samples: np.ndarray) -> np.ndarray:
    """As the view rounds."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2")


def _file(name: str) -> tuple[np.ndarray, int]:
    samples, sample_rate = soundfile.read(ROOT / "audio_samples" / name, always_2d=True)
    return to_int16(samples), sample_rate


def _long() -> np.ndarray:
    """Ten minutes: noise whose level and colour change slowly."""
    generator = np.random.default_rng(3)
    noise = generator.standard_normal(600 * SAMPLE_RATE, dtype=np.float32)
    noise[1:] += 0.9 * noise[:-1]
    return noise * np.repeat(10.0 ** generator.uniform(-3, -1, 600), SAMPLE_RATE).astype("f4")


def _computed() -> np.ndarray:
    """Noise that rises out of silence and falls back into it, never above -34 dBFS; float32."""
    noise = 0.005 * np.random.default_rng(5).standard_normal(SAMPLE_RATE)
    return (noise * np.hanning(SAMPLE_RATE)).astype(np.float32)


@cache
def sounds() -> dict[str, tuple[np.ndarray, int]]:
    """Samples ``(time, channels)`` and the sample rate, by name; all but one in 16 bits."""
    times_s = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    noise = np.random.default_rng(1).standard_normal((SAMPLE_RATE, 1))
    click = np.zeros((5000, 1))
    click[1700] = 1.0
    made = {
        "silence": np.zeros((SAMPLE_RATE, 1)),
        "full-scale noise": 2.0 * noise,
        "quiet noise": 1e-3 * noise,
        "chirp": 0.5 * np.sin(np.pi * 3900 * times_s**2 / 2)[:, None],
        "tone": 0.9 * np.sin(2 * np.pi * 1000 * times_s)[:, None],
        "click": click,
        "ten minutes": _long()[:, None],
    } | {name: 0.2 * noise[:count] for name, count in LINES.items()}
    named = {name: (to_int16(samples), SAMPLE_RATE) for name, samples in made.items()}
    return named | {
        "computed": (_computed()[:, None], SAMPLE_RATE),
        "speech": _file("spoken_sentence.flac"),
        "music": _file("piano_phrase.flac"),
        "stereo": _file("stereo_walk.flac"),
    }


@dataclass
class Job:
    """One picture: what both engines are asked for, and what they answered."""

    sound: str
    lane: str
    settings: dict[str, Any]
    visible: tuple[float, float]
    kernel: dict[str, Any] = field(default_factory=dict)
    browser: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.lane} of {self.sound} {self.visible}: {self.settings}"


def _draw(generator: np.random.Generator, choices: dict[str, tuple]) -> dict[str, Any]:
    return {name: values[generator.integers(len(values))] for name, values in choices.items()}


def _visible(generator: np.random.Generator, sound: str) -> tuple[float, float]:
    samples, sample_rate = sounds()[sound]
    duration_s = len(samples) / sample_rate
    if generator.random() < 0.5:
        return 0.0, duration_s
    start, stop = sorted(generator.uniform(0.0, duration_s, 2).tolist())
    return start, stop


MEL_CHOICES = {
    "n_fft": N_FFT,
    "hop_length": HOP_LENGTH,
    "win_length": (None, None, *N_FFT),
    "window": WINDOWS,
    "freq_axis": FREQ_AXES,
    "top_db": TOP_DB,
    "n_mels": N_MELS,
    "mel_scale": MEL_SCALES,
    "norm": (None, "slaney"),
}
DECIBEL_CHOICES = {
    "top_db": (None, *TOP_DB),
    "amin": AMIN,
    "ref": (PEAK, *REF),
    "gain_db": GAIN_DB[::5],
    "neighbour": (OFF, *NEIGHBOUR_DB),
    "formula": FORMULAS,
    "colours": COLOURS,
}
NORMALIZE_CHOICES = {"gain_db": GAIN_DB[::5], "method": METHODS, "eps": EPS}
SHORT = ("silence", "full-scale noise", "quiet noise", "chirp", "tone", "click", "700 samples")
COMMON = (*SHORT, "computed", "speech", "speech", "music", "stereo")
DEFAULTS = {
    "n_fft": 1024, "hop_length": 512, "win_length": None, "window": "hann", "freq_axis": "linear",
    "top_db": 80, "n_mels": 64, "mel_scale": "htk", "norm": None,
}  # fmt: skip


def _random_jobs() -> list[Job]:
    generator = np.random.default_rng(7)
    jobs = []
    for lane, choices, count in (
        ("spectrogram", MEL_CHOICES, 130),
        ("mel", MEL_CHOICES, 130),
        ("decibel", DECIBEL_CHOICES, 70),
        ("before", NORMALIZE_CHOICES | {"method": ("none",)}, 15),
        ("after", NORMALIZE_CHOICES, 60),
        ("filterbank", MEL_CHOICES, 24),
        ("histogram", DECIBEL_CHOICES, 33),
        ("histogram_before", NORMALIZE_CHOICES | {"method": ("none",)}, 11),
        ("histogram_after", NORMALIZE_CHOICES, 33),
    ):
        for i in range(count):
            settings = _draw(generator, choices)
            if "win_length" in settings:
                settings["n_fft"] = max(settings["n_fft"], settings["win_length"] or 0)
            sound = COMMON[i % len(COMMON)]
            jobs.append(Job(sound, lane, settings, _visible(generator, sound)))
    return jobs


def _chosen_jobs() -> list[Job]:
    """What chance might leave out: corners, long sounds, lengths of no slider, refusals."""
    heavy = {"n_fft": 4096, "hop_length": 64, "n_mels": 256}
    found = []
    for visible in [(0.0, 600.0), (300.0, 305.0), (595.0, 600.0), (17.3, 17.3)]:
        for settings in [{}, heavy, {"hop_length": 16, "n_fft": 96}]:
            found += [("ten minutes", lane, settings, visible) for lane in ("spectrogram", "mel")]
    for n_fft in (441, 1000, 1022, 2038, 1021, 2, 1, 30):  # 1022 / 2 = 7 * 73; 1019 and 1021: prime
        found.append(("speech", "spectrogram", {"n_fft": n_fft, "hop_length": 331}, (0.2, 0.6)))
    for n_fft in (1000, 1022, 2038):
        found.append(("speech", "mel", {"n_fft": n_fft, "hop_length": 331}, (0.2, 0.6)))
    for sound in LINES:
        for n_fft in (64, 512, 1024, 4096):
            found.append((sound, "spectrogram", {"n_fft": n_fft, "hop_length": 64}, (0.0, 0.05)))
            found.append((sound, "mel", {"n_fft": n_fft, "hop_length": 4096}, (0.0, 0.05)))
    found.append(("speech", "mel", {"n_fft": 256, "win_length": 400}, (0.0, 1.0)))
    jobs = [Job(sound, lane, DEFAULTS | change, seen) for sound, lane, change, seen in found]
    quiet = {"gain_db": 0, "method": "per clip", "eps": 0.0}
    jobs.append(Job("silence", "after", quiet, (0.0, 1.0)))
    jobs.append(Job("ten minutes", "after", quiet, (300.0, 305.0)))
    return jobs


# ---- both engines


def _waveform(sound: str, dtype: type = np.float32) -> torch.Tensor:
    """What the samples stand for, ``(channels, time)``."""
    samples = sounds()[sound][0]
    full_scale = 32768 if samples.dtype == np.int16 else 1
    return torch.from_numpy(samples.T.astype(dtype) / dtype(full_scale))


class Kernel:
    """The explorers' own pictures, each sound's chain and explorers made once."""

    def __init__(self) -> None:
        self.chain = cache(lambda sound: LiveChain(_waveform(sound).mean(0), self.rate(sound)))
        self.explorer = cache(self._explorer)

    def rate(self, sound: str) -> float:
        return float(sounds()[sound][1])

    def _explorer(self, kind: type, sound: str) -> Any:
        waveform = _waveform(sound)
        waveform = waveform if len(waveform) == 2 else waveform[0]
        more = {"statistics": STATISTICS} if kind is NormalizeExplorer else {}
        return kind(waveform, self.rate(sound), start={}, **more)

    def draw(self, job: Job) -> dict[str, Any]:
        """The picture's state, its cells, and the values behind them, ``(n_rows, n_columns)``."""
        if job.lane in ("spectrogram", "mel"):
            return self._live(job)
        if job.lane == "filterbank":
            state = self.chain(job.sound).filterbank_chart(job.settings).as_state(0)
            return {"state": state, "numbers": np.frombuffer(state["data"], "<f4")}
        kind = DecibelExplorer if job.lane in ("decibel", "histogram") else NormalizeExplorer
        explorer = self.explorer(kind, job.sound)
        explorer.view.visible = list(job.visible)
        explorer.set(**job.settings)
        if explorer.error:
            return {"error": explorer.error}
        state = explorer.view.picture(job.lane)
        if state.get("kind") == "chart":
            return {"state": state, "numbers": np.frombuffer(state["data"], "<f4")}
        cells = np.frombuffer(state["data"], np.uint8).reshape(state["n_rows"], -1)
        return {"state": state, "cells": cells}

    def _live(self, job: Job) -> dict[str, Any]:
        chain = self.chain(job.sound)
        try:
            picture = getattr(chain, job.lane)(job.settings, job.visible)
        except ValueError as problem:
            return {"error": str(problem)}
        rows = chain._cache["rows" if job.lane == "spectrogram" else "mel"][1]
        return {"state": picture.as_state(0), "cells": picture.cells, "power": rows.numpy()}


def _ask_browser_engine(jobs: list[Job], folder: Path) -> None:
    named = list(sounds())
    listed = []
    for i, (samples, sample_rate) in enumerate(sounds().values()):
        (folder / f"{i}.pcm").write_bytes(samples.tobytes())
        sound = {"file": f"{i}.pcm", "type": str(samples.dtype), "n_channels": samples.shape[1]}
        listed.append(sound | {"sample_rate": sample_rate})
    asked = [
        {
            "sound": named.index(job.sound),
            "lane": job.lane,
            "settings": job.settings | _statistics(job),
            "visible": job.visible,
        }
        for job in jobs
    ]
    (folder / "jobs.json").write_text(json.dumps({"sounds": listed, "jobs": asked}))
    done = subprocess.run(
        [_node(), str(DRAW), str(folder)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    cells = np.fromfile(folder / "cells.bin", np.uint8)
    values = np.fromfile(folder / "values.bin", np.float32)
    for job, answer in zip(jobs, json.loads((folder / "answers.json").read_text()), strict=True):
        job.browser = answer
        if "nNumbers" in answer:
            n = answer["nNumbers"]
            answer["numbers"], values = values[:n], values[n:]
        elif "error" not in answer:
            shape = answer["nRows"], answer["nColumns"]
            n = shape[0] * shape[1]
            answer["cells"], cells = cells[:n].reshape(shape), cells[n:]
            answer["values"], values = values[:n].reshape(shape[::-1]).T, values[n:]
    assert not cells.size
    assert not values.size


def _statistics(job: Job) -> dict[str, Any]:
    """What the explorer was given when it was made: no slider moves it."""
    return {"statistics": STATISTICS} if job.lane in ("after", "histogram_after") else {}


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        if os.environ.get("SEEING_SOUND_REQUIRE_BROWSER"):
            pytest.fail("node is not installed")
        pytest.skip("node is not installed")
    return node


@pytest.fixture(scope="module")
def jobs(tmp_path_factory) -> list[Job]:
    """Every picture, drawn by both engines."""
    every = _random_jobs() + _chosen_jobs()
    _ask_browser_engine(every, tmp_path_factory.mktemp("engine"))
    kernel = Kernel()
    for job in every:
        job.kernel = kernel.draw(job)
    return every


@pytest.fixture
def pictures(jobs) -> list[Job]:
    """Those that both engines drew."""
    return [job for job in jobs if "cells" in job.kernel and "cells" in job.browser]


# ---- comparisons


def test_the_grid_is_wide_enough(pictures):
    assert len(pictures) >= 400
    for choices in (MEL_CHOICES, DECIBEL_CHOICES, NORMALIZE_CHOICES):
        for name, values in choices.items():
            seen = {job.settings.get(name, "absent") for job in pictures}
            assert set(values) <= seen, f"{name}: {set(values) - seen}"
    assert {job.sound for job in pictures} >= set(COMMON) | {"ten minutes", "300 samples"}


def test_both_refuse_the_same_settings_with_the_same_words(jobs):
    refused = [job for job in jobs if "error" in job.kernel or "error" in job.browser]
    assert len(refused) >= 8
    for job in refused:
        theirs, ours = job.kernel.get("error", "drawn"), job.browser.get("error", "drawn")
        assert theirs.startswith(ours), f"{job}\n{theirs}\n{ours}"


def test_no_cell_differs_by_more_than_one_step(pictures):
    worst = []
    for job in pictures:
        ours, theirs = job.browser["cells"], job.kernel["cells"]
        assert ours.shape == theirs.shape, job
        steps = np.abs(ours.astype(int) - theirs.astype(int))
        worst.append((int(steps.max()), float((steps > 0).mean()), job))
    worst.sort(key=lambda entry: entry[:2], reverse=True)
    differing = np.mean([share for _, share, _ in worst])
    print(f"{len(worst)} pictures; cells one step off: {100 * differing:.3f} %")
    assert worst[0][0] <= 1, "\n".join(
        f"{steps} {share:.4f} {job}" for steps, share, job in worst[:9]
    )


def test_no_power_above_the_floor_differs_by_more_than_a_twentieth_of_a_decibel(pictures):
    """Far below a loud tone PyTorch's 32 bits are off themselves: there its 64 bits decide."""
    powers = [job for job in pictures if job.lane in ("spectrogram", "mel")]
    apart = [(_difference_db(job, job.kernel["power"]), job) for job in powers]
    doubtful = [(db, job) for db, job in apart if db > 0.05]
    certain = max(db for db, _ in apart if db <= 0.05)
    decided = [(_difference_db(job, Exact.power(job)), job) for _, job in doubtful]
    print(f"{len(powers)} pictures: at most {certain:.4f} dB apart; of {len(doubtful)} more, all ")
    print(f"at {[job.settings['top_db'] for _, job in doubtful]} dB: {[db for db, _ in doubtful]},")
    print(f"from 64 bits at most {max(db for db, _ in decided):.6f} dB")
    assert all(job.settings["top_db"] >= 100 for _, job in doubtful)
    assert len(doubtful) < 0.05 * len(powers)
    assert all(db <= 1e-5 for db, _ in decided), decided


def _difference_db(job: Job, power: np.ndarray) -> float:
    """Largest difference of the browser's powers from these, where both are above the floor."""
    floor = max(10.0 ** (job.kernel["state"]["value_min"] / 10.0), 1e-10)
    ours, seen = job.browser["values"].astype(np.float64), power > floor
    if not seen.any():
        return 0.0
    return float(np.abs(10.0 * np.log10(ours[seen] / power[seen].astype(np.float64))).max())


class Exact(LiveChain):
    """The kernel's chain with 64 bits."""

    def filterbank(self, settings):
        fbank, empty = super().filterbank(settings)
        return fbank.double(), empty

    @classmethod
    def power(cls, job: Job) -> np.ndarray:
        chain = cls(_waveform(job.sound, np.float64).mean(0), float(sounds()[job.sound][1]))
        getattr(chain, job.lane)(job.settings, job.visible)
        return chain._cache["rows" if job.lane == "spectrogram" else "mel"][1].numpy()


def test_the_same_axes_rows_and_words_come_with_each_picture(pictures):
    for job in pictures:
        theirs, ours = dict(job.kernel["state"]), dict(job.browser["meta"])
        for end in ("value_min", "value_max"):
            assert ours.pop(end) == pytest.approx(theirs.pop(end), abs=1e-4), job
        assert ours.pop("box") == theirs.pop("box"), job  # to the last digit: it is a text, too
        assert theirs.pop("engine") == "PyTorch"
        assert ours.pop("engine") == "JavaScript"
        for name in ("data", "n_rows", "n_columns", "serial"):
            del theirs[name]
        _assert_alike(ours, theirs, str(job))


def test_charts_show_the_same_lines_marks_and_words(jobs):
    charts = [job for job in jobs if "numbers" in job.kernel and "numbers" in job.browser]
    assert len(charts) >= 80
    moved = []
    for job in charts:
        theirs, ours = dict(job.kernel["state"]), dict(job.browser["meta"])
        theirs.pop("data")
        theirs.pop("serial")
        assert (theirs.pop("engine"), ours.pop("engine")) == ("PyTorch", "JavaScript")
        _assert_same_marks(ours.pop("marks"), theirs.pop("marks"), job)
        _assert_alike(ours, theirs, str(job))
        assert job.browser["numbers"].shape == job.kernel["numbers"].shape, job
        difference = np.abs(job.browser["numbers"] - job.kernel["numbers"])
        if job.lane == "filterbank":
            ours, theirs = job.browser["numbers"], job.kernel["numbers"]
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=str(job))
        else:
            moved.append((float(difference.sum()), job))
    moved.sort(key=lambda entry: entry[0], reverse=True)
    print([round(share, 3) for share, _ in moved[:9]])
    assert moved[0][0] <= 0.5, moved[0]  # per cent of the cells, some on the edge of a bar


def _assert_same_marks(ours: list, theirs: list, job: Job) -> None:
    assert [name for _, name in ours] == [name for _, name in theirs], job
    places = [[place for place, _ in marks] for marks in (ours, theirs)]
    np.testing.assert_allclose(*places, atol=2e-3, err_msg=str(job))


def _assert_alike(ours: Any, theirs: Any, where: str) -> None:
    """Equal words and shapes; numbers as near as the hundredths of a table or a float32 allow."""
    if isinstance(theirs, dict):
        left_out = [value for key, value in theirs.items() if key not in ours]
        assert not any(left_out), where  # only what is empty may be left out
        for key, value in ours.items():
            _assert_alike(value, theirs[key], f"{where} / {key}")
    elif isinstance(theirs, list | tuple) and all(isinstance(v, int | float) for v in theirs):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=0.0101, err_msg=where)
    elif isinstance(theirs, list | tuple):
        assert list(ours) == list(theirs), where
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=2e-6, abs=1e-9), where
    else:
        assert ours == theirs, where


def test_16_bits_are_seen_in_a_computed_sound_with_quiet_parts():
    """Why such a sound has to reach the browser as a waveform: both would draw another picture."""
    waveform = _computed()
    rounded = to_int16(waveform) / np.float32(32768)
    chains = [LiveChain(torch.from_numpy(w), SAMPLE_RATE) for w in (waveform, rounded)]
    cells = [chain.spectrogram(DEFAULTS, (0.0, 1.0)).cells.astype(int) for chain in chains]
    assert np.abs(cells[0] - cells[1]).max() > 20
