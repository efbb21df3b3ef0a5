"""The browser engine says what Python's explorers say: read-outs and notes, word for word.

Both get the same samples: the browser once in 16 bits, as the view plays them, and once as the
waveform, in 32-bit floats.
"""

from __future__ import annotations

import json
import math
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from course_utils.explorers.base import Explorer
from course_utils.explorers.controls import (
    EPS,
    GAIN_DB,
    HOP_LENGTH,
    METHODS,
    N_FFT,
    N_MELS,
    TOP_DB,
    WINDOWS,
    eps_text,
)
from course_utils.explorers.decibel import NEIGHBOUR_DB, OFF, DecibelExplorer
from course_utils.explorers.mel import MelExplorer
from course_utils.explorers.normalize import NormalizeExplorer
from course_utils.explorers.road import RoadExplorer
from course_utils.explorers.stft import StftExplorer, readout_texts, stft_readout
from tests.unit.test_engine_parity import (
    DECIBEL_CHOICES,
    MEL_CHOICES,
    ROOT,
    _computed,
    _draw,
    _node,
    to_int16,
)

SAY = Path(__file__).parent / "js" / "engine" / "say.mjs"
KINDS: dict[str, type[Explorer]] = {
    "stft": StftExplorer,
    "mel": MelExplorer,
    "road": RoadExplorer,
    "decibel": DecibelExplorer,
    "normalize": NormalizeExplorer,
}
BAND = np.arange(64)
STATISTICS = {
    "numbers": (-30.0, 18.0),
    "one for each band": (-20.0 - 0.5 * BAND, 12.0 + 0.1 * BAND),
}
SILENT_ALIKE = {"gain_db": -100, "eps": 0.0}  # 0 / 0: both refuse


# ---- sounds and settings


@cache
def sounds() -> dict[str, tuple[np.ndarray, int]]:
    """Samples ``(time, channels)`` and the sample rate, by name; all but one in 16 bits."""
    generator = np.random.default_rng(11)
    noise = generator.standard_normal((16000, 1))
    made = {
        "silence": (np.zeros((8000, 1)), 16000),
        "full-scale noise": (2.0 * noise[:8000], 22050),
        "quiet noise": (1e-4 * noise, 16000),
        "one sample": (0.5 * np.ones((1, 1)), 16000),
        "300 samples": (0.2 * noise[:300], 16000),
        "700 samples": (0.2 * noise[:700], 8000),
        "44.1 kHz": (0.1 * noise[:9000], 44100),
        "48 kHz": (0.05 * (noise[:9000] + noise[1:9001]), 48000),
        # 25 frames of 64 bands: parts of 1600 cells lie half-way between two per cents
        "11.025 kHz": (np.sin(np.arange(6200) ** 2 / 1e4)[:, None], 11025),
    }
    files = {"speech": "spoken_sentence.flac", "music": "piano_phrase.flac"}
    files |= {"stereo": "stereo_walk.flac"}
    read = {
        name: soundfile.read(ROOT / "audio_samples" / file, always_2d=True)
        for name, file in files.items()
    }
    rounded = {name: (to_int16(samples), rate) for name, (samples, rate) in (made | read).items()}
    return rounded | {"computed": (_computed()[:, None], 16000)}


COMMON = (
    "speech", "full-scale noise", "silence", "music", "quiet noise", "stereo", "700 samples",
    "computed", "44.1 kHz", "48 kHz", "11.025 kHz", "300 samples",
)  # fmt: skip
COUNTS = {"stft": 60, "mel": 90, "road": 40, "decibel": 110, "normalize": 110}
CHOICES: dict[str, dict[str, tuple]] = {
    "stft": {k: MEL_CHOICES[k] for k in StftExplorer.defaults},
    "mel": MEL_CHOICES,
    "road": {"n_fft": N_FFT, "hop_length": HOP_LENGTH, "n_mels": N_MELS},
    "decibel": DECIBEL_CHOICES | {"gain_db": GAIN_DB},
    "normalize": {"gain_db": GAIN_DB, "method": METHODS, "eps": EPS},
}


@dataclass
class Job:
    """One setting of one explorer: what Python says, and the browser with both kinds of samples."""

    sound: str
    kind: str
    settings: dict[str, Any]
    statistics: str = "numbers"
    complete: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    python: dict[str, Any] = field(default_factory=dict)
    browser: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind} of {self.sound}: {self.settings}"


def _jobs() -> list[Job]:
    generator = np.random.default_rng(13)
    found = []
    for kind, count in COUNTS.items():
        for i in range(count):
            settings = _draw(generator, CHOICES[kind])
            if i % 12:  # some stay impossible
                settings["n_fft"] = max(settings.get("n_fft", 0), settings.get("win_length") or 0)
            settings = {name: settings[name] for name in CHOICES[kind]}
            statistics = list(STATISTICS)[i % 2]
            found.append(Job(COMMON[i % len(COMMON)], kind, settings, statistics))
    for kind, explorer in KINDS.items():
        found += [Job(sound, kind, {}) for sound in sounds()]
        found += [Job("speech", kind, explorer.presets[name]) for name in explorer.presets]
    quiet = [{"gain_db": db, "eps": eps} for db in GAIN_DB[::20] for eps in EPS]
    found += [Job("quiet noise", "normalize", settings) for settings in quiet]
    found += [Job("music", "normalize", {"gain_db": db, "method": "min-max"}) for db in (-80, 20)]
    found += [Job("speech", "normalize", SILENT_ALIKE | {"method": m}) for m in METHODS]
    return found + _sweeps()


def _sweeps() -> list[Job]:
    """Fine steps across the levels at which a note begins, and many parts of the same cells."""
    clamped = [{"top_db": db, "neighbour": n} for db in TOP_DB for n in (OFF, *NEIGHBOUR_DB)]
    # 1432 of 1600 cells are 89.5 %: in 32 bits a little less, so 89; the even one would be 90
    clamped.append({"formula": "decibels of decibels", "top_db": 20, "gain_db": -20})
    loud = [{"gain_db": db, "method": "data set"} for db in range(-60, 21)]
    return [
        *(Job("speech", "decibel", {"gain_db": db, "amin": 1e-6}) for db in range(-60, 1)),
        *(Job("11.025 kHz", "decibel", settings) for settings in clamped),
        *(Job("speech", "normalize", settings) for settings in loud),
    ]


# ---- both sides


def _waveform(sound: str) -> torch.Tensor:
    samples = sounds()[sound][0]
    full_scale = 32768 if samples.dtype == np.int16 else 1
    waveform = torch.from_numpy(samples.T.astype(np.float32) / np.float32(full_scale))
    return waveform if len(waveform) == 2 else waveform[0]


@cache
def _explorer(kind: str, sound: str, statistics: str) -> Explorer:
    more = {"statistics": STATISTICS[statistics]} if kind == "normalize" else {}
    return KINDS[kind](_waveform(sound), float(sounds()[sound][1]), start={}, **more)


def _ask_python(job: Job) -> None:
    """Move the sliders, and read what the explorer says."""
    explorer = _explorer(job.kind, job.sound, job.statistics if job.kind == "normalize" else "")
    explorer.set(**(explorer.defaults | job.settings))
    job.complete = dict(explorer.settings)
    if job.kind == "normalize":
        job.complete["statistics"] = [np.asarray(v).tolist() for v in STATISTICS[job.statistics]]
    most_gain = explorer.view.most_gain
    job.facts = {"mostGain": most_gain if math.isfinite(most_gain) else None}
    if explorer.error:
        job.python = {"error": explorer.error}
        return
    texts = explorer._readout_texts(explorer.readout)
    job.python = {
        "readout": [[name, text] for name, text in texts.items()],
        "notes": explorer._notes(explorer.settings),
    }
    assert explorer.view.readout == job.python["readout"]


def _ask_browser(jobs: list[Job], numbers: list[float], folder: Path) -> list[list[str]]:
    """Fill in what the browser engine says; returns its texts of some numbers."""
    listed, place = [], {}
    for name, (samples, sample_rate) in sounds().items():
        for dtype in {samples.dtype.name, "float32"}:
            place[name, dtype] = len(listed)
            file = f"{len(listed)}.pcm"
            waveform = _waveform(name).numpy()
            kept = samples if dtype == "int16" else np.atleast_2d(waveform).T
            (folder / file).write_bytes(np.ascontiguousarray(kept).tobytes())
            sound = {"file": file, "type": dtype, "n_channels": samples.shape[1]}
            listed.append(sound | {"sample_rate": sample_rate})
    asked = [
        (job, dtype)
        for job in jobs
        for dtype in ("int16", "float32")
        if (job.sound, dtype) in place
    ]
    requests = [
        {
            "sound": place[job.sound, dtype],
            "kind": job.kind,
            "lanes": [lane.id for lane in KINDS[job.kind].lanes if lane.kind != "waveform"],
            "settings": job.complete,
            "facts": job.facts,
        }
        for job, dtype in asked
    ]
    text = json.dumps({"sounds": listed, "jobs": requests, "numbers": numbers})
    (folder / "jobs.json").write_text(text)
    command = [_node(), str(SAY), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads((folder / "said.json").read_text())
    for (job, dtype), answer in zip(asked, said["answers"], strict=True):
        job.browser[dtype] = answer
    return said["texts"]


def _numbers() -> list[float]:
    """Numbers of all sizes, and many that lie half-way between two texts."""
    generator = np.random.default_rng(17)
    halves = [(k + 0.5) * 2.0**-n for k in range(-300, 300) for n in range(5)]
    sizes = 10.0 ** generator.uniform(-13, 13, 1000) * generator.choice([-1, 1], 1000)
    exact = [10.0**n for n in range(-12, 12)] + [12345.0, 9999.5, 99995.0, 9.9995, 0.0, -0.0, 1e22]
    near = [k / 100 for k in range(-250, 250)]
    return [*halves, *sizes.tolist(), *exact, *near]


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> tuple[list[Job], list[list[str]]]:
    """Every setting said by both, and the texts of the numbers by JavaScript."""
    jobs = _jobs()
    for job in jobs:
        _ask_python(job)
    texts = _ask_browser(jobs, _numbers(), tmp_path_factory.mktemp("words"))
    return jobs, texts


# ---- comparisons


def test_numbers_become_the_same_text_as_in_python(said):
    numbers = _numbers()
    assert len(numbers) > 4000
    for value, texts in zip(numbers, said[1], strict=True):
        plain = [f"{value:.0f}", f"{value:.1f}", f"{value:.2f}", f"{value:.4g}", f"{value:g}"]
        assert texts == [*plain, f"{100 * value:.0f} %"], value


def test_read_outs_and_notes_are_the_same_word_for_word(said):
    seen: dict[str, int] = dict.fromkeys(KINDS, 0)
    wrong = []
    for job in said[0]:
        for dtype, answer in job.browser.items():
            if "error" in job.python or "error" in answer:
                continue
            seen[job.kind] += 1
            if answer != job.python:
                wrong.append(f"{dtype} {job}\n{_difference(job.python, answer)}")
    print(f"compared: {seen}")
    assert sum(seen.values()) >= 700
    assert min(seen.values()) >= 70
    assert not wrong, f"{len(wrong)} differ\n" + "\n".join(wrong[:9])


def _difference(python: dict[str, Any], browser: dict[str, Any]) -> str:
    """The lines that are not the same."""
    lines = []
    for part in ("readout", "notes"):
        theirs, ours = (list(map(str, said[part])) for said in (python, browser))
        lines += [f"  Python:  {line}" for line in theirs if line not in ours]
        lines += [f"  browser: {line}" for line in ours if line not in theirs]
    return "\n".join(lines)


def test_both_refuse_the_same_settings_with_the_same_words(said):
    refused = [
        (job, answer)
        for job in said[0]
        for answer in job.browser.values()
        if "error" in job.python or "error" in answer
    ]
    assert len(refused) >= 20
    for job, answer in refused:
        theirs, ours = job.python.get("error", "said"), answer.get("error", "said")
        assert theirs.startswith(ours), f"{job}\n{theirs}\n{ours}"


def test_every_note_of_every_explorer_was_compared(said):
    """A note that never comes is a note that nobody compared."""
    notes = {note for job in said[0] for note in job.python.get("notes", [])}
    for part in (
        "No frequency bin of n_fft",
        "Mel band is empty",
        "A click can hide there",
        "\u2026. No frequency bin",
        "10 log10 wants a power and got an amplitude",
        "20 log10 wants an amplitude and got a power",
        "The logarithm was taken twice",
        "Heard softer than shown",
        "amin lies above the loudest cell",
        "whatever top_db says",
        "The clamp counts from a neighbour",
        "of the cells were clamped to one level",
        "no normalising brings them back",
        "and its picture says so",
        "lie beyond the colours",
        "Digital silence: every cell is",
        "silence became noise. The level left with the mean",
        "silence became noise. The level left with the minimum",
        "holds its noise down",
        "is not small beside a standard deviation",
        "is not small beside a range",
    ):
        assert any(part in note for note in notes), part


def test_what_follows_from_the_settings_alone_is_the_same_for_all_of_them(tmp_path):
    """Resolution and overlap over a wide grid: here two roundings may meet half-way."""
    generator = np.random.default_rng(19)
    jobs = []
    for sound in ("silence", "full-scale noise", "700 samples", "44.1 kHz", "48 kHz", "11.025 kHz"):
        for window in WINDOWS:
            for win_length in (None, *N_FFT):
                n_fft = int(generator.choice([n for n in N_FFT if n >= (win_length or 0)]))
                hop_length = int(generator.choice(HOP_LENGTH))
                lengths = {"n_fft": n_fft, "hop_length": hop_length, "win_length": win_length}
                jobs.append(Job(sound, "stft", {}, complete=lengths | {"window": window}))
    _ask_browser_for_words_only(jobs, tmp_path)
    assert len(jobs) == 360
    for job in jobs:
        samples, sample_rate = sounds()[job.sound]
        numbers = stft_readout(job.complete, len(samples), float(sample_rate))
        texts = readout_texts(numbers, "tensor (n_freqs, n_frames)")
        for answer in job.browser.values():
            assert dict(answer["readout"]) == texts, job.complete


def _ask_browser_for_words_only(jobs: list[Job], folder: Path) -> None:
    """The words of settings without any picture."""
    lanes = KINDS["stft"].lanes
    try:
        KINDS["stft"].lanes = ()
        _ask_browser(jobs, [], folder)
    finally:
        KINDS["stft"].lanes = lanes


def test_eps_is_written_as_on_its_slider():
    assert [eps_text(eps) for eps in EPS] == ["0", "1e-8", "0.001", "0.1", "1", "10"]
