"""A hundred files that nobody should upload: a waveform that is right, or one sentence.

All of them are read in a second process, so that its memory can be measured and its death would
be noticed. The rules of design.md, section 7: under 1 s and 300 MB each, and it lives.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import audio_io
from course_utils.audio_io import (
    MAX_DURATION_S,
    MAX_FILE_BYTES,
    MAX_SAMPLES,
    AudioError,
    AudioWarning,
    load_audio,
)

PROJECT = Path(__file__).resolve().parents[2]
MOST_SECONDS, MOST_MB = 1.0, 300.0
MOST_CLOCK_S = 15.0  # of a machine that does other things too; a pipe would block for ever


# ---------------------------------------------------------------- how files are made


def sine(n_samples: int = 4000) -> np.ndarray:
    return (0.5 * np.sin(np.arange(n_samples) * 0.1)).astype(np.float32)


def encode(samples, fmt="WAV", subtype=None, rate=16_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.asarray(samples), rate, format=fmt, subtype=subtype)
    return file.getvalue()


def wav(n_channels=1, rate=16_000, data=b"\1\0" * 100, size=None, bits=16, tag=1) -> bytes:
    """A WAV file by hand, so that its header can lie."""
    block = n_channels * bits // 8 & 0xFFFF
    size = len(data) if size is None else size
    fmt = struct.pack(
        "<HHIIHH", tag, n_channels & 0xFFFF, rate, rate * block & 0xFFFFFFFF, block, bits
    )
    riff = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", min(len(riff), 0xFFFFFFFF)) + riff


def patched(content: bytes, place: int, new: bytes) -> bytes:
    return content[:place] + new + content[place + len(new) :]


def long_file(minutes, fmt, subtype=None, rate=8000, n_channels=1, level=0.0) -> bytes:
    """Many minutes, written in blocks."""
    noise = level * np.random.default_rng(0).standard_normal((65_536, n_channels))
    block = noise.clip(-1, 1).astype(np.float32)
    n_frames, file = int(minutes * 60 * rate), io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, n_channels, format=fmt, subtype=subtype) as sound:
        for start in range(0, n_frames, len(block)):
            sound.write(block[: n_frames - start])
    return file.getvalue()


def flac_claiming(n_frames: int) -> bytes:
    content = bytearray(encode(sine(100), "FLAC"))
    content[21] = (content[21] & 0xF0) | (n_frames >> 32 & 0x0F)
    content[22:26] = struct.pack(">I", n_frames & 0xFFFFFFFF)
    return bytes(content)


def with_values(*values: float) -> bytes:
    samples = sine().astype(np.float64)
    samples[100 : 100 + len(values)] = values
    return encode(samples, subtype="DOUBLE" if max(map(abs, values)) > 3e38 else "FLOAT")


@cache
def valid(fmt: str) -> bytes:
    """The same short sine in every kind of file."""
    kind, _, subtype = fmt.partition(" ")
    return encode(sine(), kind, subtype or None)


# ---------------------------------------------------------------- what may come of them


class Case(NamedTuple):
    """A file, and what ``load_audio`` has to make of it.

    Attributes:
        make: Its bytes, or a function that makes something at a path.
        says: What the sentence contains; ``None`` if it has to be read.
        frames: How many samples it has to have, at least and at most.
        like: Largest difference of its first samples from the sine; ``None`` is not compared.
        name: Of the file.
        rate: What ``sample_rate`` is asked for.
        warns: What a warning contains.
    """

    make: Callable[..., object]
    says: str | None = None
    frames: tuple[int, int] = (4000, 4000)
    like: float | None = 1e-4
    name: str = "sound.wav"
    rate: int | None = None
    warns: str = ""
    either: bool = False  # a sentence is as good as a waveform


def bad(make, says, **more) -> Case:
    return Case(make if callable(make) else lambda: make, says, **more)


def good(make, frames=4000, like=1e-4, **more) -> Case:
    frames = frames if isinstance(frames, tuple) else (frames, frames)
    return Case(make if callable(make) else lambda: make, None, frames, like, **more)


def either(make, frames=(1, 9000), **more) -> Case:
    return Case(make, None, frames, None, either=True, **more)


UNKNOWN = "not a sound file of a known kind"
CASES = {
    # ---- no sound at all
    "empty": bad(b"", "is empty"),
    "one byte": bad(b"R", UNKNOWN),
    "text": bad(b"I am not a sound. " * 20, UNKNOWN),
    "text in UTF-16": bad("I am not a sound.".encode("utf-16"), "damaged"),  # begins like MP3
    "web page": bad(b"<!DOCTYPE html><html></html>", UNKNOWN),
    "notebook": bad(b'{"cells": [], "nbformat": 4}', UNKNOWN),
    "picture": bad(b"\x89PNG\r\n\x1a\n" + bytes(100), UNKNOWN),
    "zip": bad(b"PK\3\4" + bytes(100), UNKNOWN),
    "pickle": bad(b"\x80\x04cos\nsystem\n(S'true'\ntR.", UNKNOWN),
    "program": bad(b"\x7fELF" + bytes(1000), UNKNOWN),
    "zeros": bad(bytes(10_000), UNKNOWN),
    "random bytes": bad(b"\x01" + random.Random(1).randbytes(10_000), UNKNOWN),
    "M4A": bad(b"\0\0\0\x20ftypM4A " + bytes(100), "an MP4 or M4A file"),
    "WebM": bad(b"\x1aE\xdf\xa3" + bytes(100), "a WebM file"),
    "playlist": bad(b"#EXTM3U\nhttp://a.b/c.mp3\n", UNKNOWN, name="list.m3u"),
    "git LFS pointer": bad(b"version https://git-lfs.github.com/spec/v1\noid sha256:00", UNKNOWN),
    # ---- a good beginning and nothing behind it
    "RIFF and nothing": bad(b"RIFF", UNKNOWN),
    "RIFF WAVE and nothing": bad(b"RIFF\x24\0\0\0WAVE", "damaged"),
    "RIFF of pictures": bad(b"RIFF\x24\0\0\0WEBPVP8 " + bytes(100), UNKNOWN),
    "rubbish after RIFF WAVE": either(
        lambda: b"RIFF\xff\xff\xff\xffWAVE" + random.Random(2).randbytes(9000)
    ),
    "rubbish after fLaC": bad(b"fLaC" + random.Random(3).randbytes(9000), "damaged"),
    "rubbish after OggS": bad(b"OggS" + random.Random(4).randbytes(9000), "damaged"),
    "rubbish after ID3": bad(b"ID3" + bytes(9000), "damaged"),
    "rubbish after an MP3 frame": either(
        lambda: b"\xff\xfb\x90\x00" + random.Random(5).randbytes(9000), frames=(1, 10**6)
    ),
    "rubbish after FORM AIFF": bad(
        b"FORM\0\0\0\x20AIFF" + random.Random(6).randbytes(900), "damaged"
    ),
    # ---- wrong name
    "FLAC called .wav": good(lambda: valid("FLAC")),
    "WAV called .mp3": good(lambda: valid("WAV"), name="sound.mp3"),
    "MP3 called .flac": good(lambda: valid("MP3"), (4000, 7000), None, name="sound.flac"),
    "WAV called .raw": good(lambda: valid("WAV"), name="sound.raw"),
    "WAV called .txt": good(lambda: valid("WAV"), name="sound.txt"),
    "WAV without a suffix": good(lambda: valid("WAV"), name="sound"),
    "a name of all kinds": good(lambda: valid("WAV"), name="ein «Tön» 名前 \U0001f3b5 (1).wav"),
    "a name with a new line": bad(b"no", UNKNOWN, name="two\nlines.wav"),
    "a name with colours": bad(b"no", UNKNOWN, name="\x1b[31mred\x1b[0m.wav"),
    # ---- no samples
    **{
        f"no samples, {fmt}": bad(lambda fmt=fmt: encode([], fmt), "holds no sound|is empty")
        for fmt in ("WAV", "FLAC", "AIFF", "AU", "CAF")
    },
    "no samples, OGG": bad(lambda: encode(np.zeros(0), "OGG"), "holds no sound|damaged"),
    "a single sample": good(lambda: encode(sine(1)), 1),
    # ---- sample rates
    "0 Hz": bad(wav(rate=0), "damaged|sample rate of 0 Hz"),
    "1 Hz": bad(wav(rate=1), "sample rate of 1 Hz, outside of 4000 to 384000"),
    "3999 Hz": bad(lambda: encode(sine(), rate=3999), "sample rate of 3999 Hz"),
    "4 kHz": good(lambda: encode(sine(), rate=4000)),
    "384 kHz": good(lambda: encode(sine(), rate=384_000)),
    "384 001 Hz": bad(lambda: encode(sine(), rate=384_001), "384001 Hz"),
    "10 MHz": bad(wav(rate=10_000_000), "sample rate of 10000000 Hz"),
    "4 GHz": bad(wav(rate=2**32 - 1), "sample rate|damaged"),
    "384 kHz from 4 kHz": good(
        lambda: encode(sine(), rate=4000), 384_000, None, rate=384_000
    ),
    "a rate without a common divisor": good(
        lambda: encode(sine(), rate=44_101), (1452, 1452), None, rate=16_000
    ),
    # ---- channels
    "no channels": bad(wav(n_channels=0), "damaged"),
    "16 channels": good(lambda: encode(np.tile(sine()[:, None], 16))),
    "17 channels": bad(lambda: encode(np.zeros((50, 17))), "17 channels, more than 16"),
    "1024 channels": bad(lambda: encode(np.zeros((50, 1024))), "1024 channels"),
    "65535 channels": bad(wav(n_channels=65_535), "damaged|65535 channels"),
    # ---- values
    "NaN": good(lambda: with_values(np.nan), warns="1 sample that is not a number", like=None),
    "infinity": good(lambda: with_values(np.inf, -np.inf), warns="2 samples", like=None),
    "all NaN": good(
        lambda: encode(np.full(4000, np.nan, np.float32), subtype="FLOAT"),
        warns="4000 samples that are not numbers",
        like=None,
    ),
    "1e30": good(lambda: with_values(1e30), warns="turned down by 600.0 dB", like=None),
    "3e38": good(lambda: with_values(3e38, -3e38), warns="turned down by", like=None),
    "1e300": good(lambda: with_values(1e300), warns="not a number|turned down", like=None),
    "hardly anything": good(lambda: with_values(1e-40, 1e-45), like=None),
    "full scale": good(lambda: encode(np.tile([32767, -32768], 2000).astype(np.int16)), like=None),
    # ---- encodings
    **{
        f"encoding {fmt}": good(lambda fmt=fmt: valid(fmt), like=like)
        for fmt, like in {
            "WAV PCM_U8": 0.01, "WAV PCM_16": 1e-4, "WAV PCM_24": 1e-6, "WAV PCM_32": 1e-7,
            "WAV FLOAT": 0.0, "WAV DOUBLE": 0.0, "WAV ULAW": 0.02, "WAV ALAW": 0.02,
            "WAVEX PCM_24": 1e-6, "RF64 PCM_16": 1e-4, "W64 PCM_16": 1e-4, "AIFF PCM_S8": 0.01,
            "AIFF PCM_24": 1e-6, "AU ULAW": 0.02, "AU FLOAT": 0.0, "CAF PCM_16": 1e-4,
            "CAF ALAC_16": 1e-4, "FLAC PCM_S8": 0.01, "FLAC PCM_16": 1e-4, "FLAC PCM_24": 1e-6,
            "OGG VORBIS": 0.1,
        }.items()
    },
    **{
        f"encoding {fmt}": good(lambda fmt=fmt: valid(fmt), (3900, 7000), None)
        for fmt in ("WAV IMA_ADPCM", "WAV MS_ADPCM", "WAV GSM610", "OGG OPUS", "MP3")
    },
    "unknown codec": bad(wav(tag=0x55AA), "damaged"),
    "0 bits": bad(wav(bits=0), "damaged"),
    "7 bits": either(lambda: wav(bits=7)),
    "64 bits": either(lambda: wav(bits=64)),
    # ---- lengths that lie
    "WAV, length 4 GB": good(
        lambda: wav(data=(sine() * 32767).astype("<i2").tobytes(), size=2**32 - 1)
    ),
    "WAV, length 2 GB": good(
        lambda: wav(data=(sine() * 32767).astype("<i2").tobytes(), size=2**31 - 1)
    ),
    "WAV, too short": good(
        lambda: wav(data=(sine() * 32767).astype("<i2").tobytes(), size=200), (100, 4000)
    ),
    "FLAC, 2^36 frames": good(lambda: flac_claiming(2**36 - 1), (100, 5000), None),
    "FLAC, 2^31 frames": good(lambda: flac_claiming(2**31), (100, 5000), None),
    "AU, length unknown": good(lambda: patched(valid("AU PCM_16"), 8, b"\xff" * 4)),
    "AU, data far away": either(lambda: patched(valid("AU PCM_16"), 4, b"\x7f\xff\xff\xff")),
    "AIFF, 2^32 frames": either(lambda: patched(valid("AIFF"), 22, b"\xff" * 4)),
    "RF64, 2^63 bytes": either(lambda: patched(valid("RF64"), 28, b"\xff" * 7 + b"\x7f")),
    "W64, 2^63 bytes": either(lambda: patched(valid("W64"), 16, b"\xff" * 7 + b"\x7f")),
    # ---- long, large, and large in few bytes
    "10 minutes, WAV": good(lambda: long_file(10, "WAV", "PCM_16", level=0.1), 4_800_000, None),
    "10 minutes, FLAC": good(lambda: long_file(10, "FLAC"), 4_800_000, None),
    "10 minutes, OGG": good(lambda: long_file(10, "OGG"), 4_800_000, None),
    "16 minutes": good(
        lambda: long_file(16, "FLAC"), 15 * 60 * 8000, None, warns="only its first 15 min"
    ),
    "FLAC bomb": good(
        lambda: long_file(11, "FLAC", rate=48_000, n_channels=8), (1, MAX_SAMPLES), None,
        warns="only its first",
    ),
    "FLAC bomb, 384 kHz": good(
        lambda: long_file(1.5, "FLAC", rate=384_000), (1, MAX_SAMPLES), None, warns="only its first"
    ),
    "OGG bomb": good(lambda: long_file(16, "OGG", rate=8000), 7_200_000, None, warns="15 min"),
    "resampling bomb": good(
        lambda: long_file(14, "FLAC", rate=4000), (1, MAX_SAMPLES), None, rate=384_000,
        warns="only its first",
    ),
    "64 MB": good(
        lambda: wav(data=bytes(63_999_000), bits=8, rate=44_100), (1, MAX_SAMPLES), None,
        warns="only its first",
    ),
    # ---- things that are no files: made at the path
    "folder": bad(lambda path: path.mkdir(), "is a folder or a device"),
    "nothing there": bad(lambda path: None, "was not found"),
    "a hole of 64 MB and one byte": bad(
        lambda path: path.open("wb").truncate(MAX_FILE_BYTES + 1), "larger than 64 MB"
    ),
    "a hole of a terabyte": bad(lambda path: _hole(path, 2**40), "larger than 64 MB|No space"),
}  # fmt: skip
if hasattr(os, "mkfifo"):
    CASES |= {
        "pipe": bad(lambda path: os.mkfifo(path), "is a folder or a device"),
        "pipe behind a link": bad(
            lambda path: (os.mkfifo(f"{path}.fifo"), path.symlink_to(f"{path}.fifo")),
            "is a folder or a device",
        ),
        "endless device": bad(lambda path: path.symlink_to("/dev/zero"), "is a folder or a device"),
        "empty device": bad(lambda path: path.symlink_to("/dev/null"), "is a folder or a device"),
        "terminal": bad(lambda path: path.symlink_to("/dev/tty"), "is a folder or a device|cannot"),
        "its own memory": bad(lambda path: path.symlink_to("/proc/self/mem"), UNKNOWN + "|cannot"),
        "link to nothing": bad(lambda path: path.symlink_to(f"{path}.gone"), "was not found"),
        "circle of links": bad(lambda path: path.symlink_to(path), "cannot be opened"),
        "socket": bad(lambda path: _bind(path), "is a folder or a device", name="s"),
    }
for _fmt in ("WAV", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "W64", "RF64", "OGG OPUS"):
    CASES |= {
        f"{_fmt}, 30 bytes of it": either(lambda f=_fmt: valid(f)[:30]),
        f"{_fmt}, half of it": either(lambda f=_fmt: valid(f)[: len(valid(f)) // 2]),
        f"{_fmt}, all but 3 bytes": either(lambda f=_fmt: valid(f)[:-3]),
        f"{_fmt}, damaged header": either(
            lambda f=_fmt: patched(valid(f), 16, random.Random(7).randbytes(24)), (1, 10**6)
        ),
        f"{_fmt}, damaged in the middle": either(
            lambda f=_fmt: patched(valid(f), len(valid(f)) // 2, random.Random(8).randbytes(200))
        ),
    }


def _hole(path: Path, n_bytes: int) -> None:
    with path.open("wb") as file, contextlib.suppress(OSError):  # not every disk can
        file.truncate(n_bytes)


def _bind(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the address of a socket has room for a hundred letters
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


def _put(case: Case, path: Path) -> None:
    """Make the file of a case."""
    if case.make.__code__.co_varnames[: case.make.__code__.co_argcount] == ("path",):
        case.make(path)
    else:
        path.write_bytes(case.make())


# ---------------------------------------------------------------- the tests


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, dict]:
    """What a second process made of every case."""
    folder, cases = tmp_path_factory.mktemp("hostile"), []
    for number, (name, case) in enumerate(CASES.items()):
        path = folder / str(number) / case.name
        path.parent.mkdir()
        _put(case, path)
        cases.append((name, str(path.relative_to(folder)), case.rate))
    (folder / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    command = [sys.executable, "-m", "tests.unit.hostile_audio_worker", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    run = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    return {line["name"]: line for line in lines} | {"stderr": {"text": run.stderr}}


def test_there_are_enough_cases():
    assert len(CASES) > 150


@pytest.mark.parametrize("name", CASES)
def test_hostile_file(results, name):
    case, result = CASES[name], results.get(name)
    assert result, f"the process died here or before: {results['stderr']['text'][-500:]}"
    assert "crash" not in result, result["crash"]
    if name == "FLAC bomb" and not hasattr(audio_io, "MAX_DECODED"):
        pytest.xfail("240 million samples of eight channels take longer than a second")
    assert result["cpu_s"] < MOST_SECONDS
    assert result["clock_s"] < MOST_CLOCK_S
    assert result.get("mb", 0.0) < MOST_MB
    if "error" in result:
        assert case.says or case.either, result["error"]
        check_sentence(result["error"], case.says or "")
    else:
        assert not case.says, "it was read"
        check_waveform(result, case)


MP3_REMARKS = ("Note: ", "Warning: ")


def check_sentence(text: str, says: str) -> None:
    """One line: which sound, what is wrong, what to do next."""
    assert any(part in text for part in says.split("|")), text
    assert "\n" not in text
    assert "\x1b" not in text
    assert 40 < len(text) < 250, text
    assert "«" in text
    assert "; " in text, f"no next step: {text}"
    assert "Traceback" not in text
    assert "0x" not in text


def check_waveform(result: dict, case: Case) -> None:
    """Within its contract, and where the sound is known the right one."""
    assert result["dtype"] == "torch.float32"
    (n_frames,) = result["shape"]
    assert case.frames[0] <= n_frames <= case.frames[1]
    assert result["finite"]
    assert result["peak"] <= 1.0
    assert 4000 <= result["rate"] <= 384_000
    assert case.rate is None or result["rate"] == case.rate
    if case.like is not None:
        found = np.array(result["first"])
        assert np.abs(found - sine(len(found))).max() <= case.like
    said = " ".join(result["said"])
    assert any(part in said for part in case.warns.split("|")), said
    assert said.count("\n") == 0


def test_no_traceback_is_printed_about_damaged_files(results):
    """What a decoder's callback raises would appear in red beneath the cell.

    The MP3 decoder's own remarks do: it writes them past Python, and cannot be told not to.
    """
    lines = results["stderr"]["text"].splitlines()
    ours = [line for line in lines if "mpg123" not in line and not line.startswith(MP3_REMARKS)]
    assert [line for line in ours if line.strip()] == []


def test_the_worker_measures_memory(results):
    """A file of ten minutes costs what its samples cost: the measurement is alive."""
    if "mb" not in results["empty"]:
        pytest.skip("this system does not say how much memory was used")
    assert results["10 minutes, FLAC"]["mb"] > 15  # 4.8 million samples are 19 MB
    assert results["empty"]["mb"] < 5


# ---------------------------------------------------------------- everything else: at random


def check_any(source: object, **parameters: object) -> None:
    """A waveform within its contract or one sentence, and quickly."""
    began = time.process_time()
    waveform, rate, text = load_or_sentence(source, **parameters)
    assert time.process_time() - began < MOST_SECONDS
    if waveform is None:
        assert "\n" not in text
        assert 20 < len(text) < 300
        return
    assert waveform.dtype == torch.float32
    assert waveform.shape[-1] > 0
    assert waveform.numel() <= MAX_SAMPLES
    assert waveform.shape[-1] <= MAX_DURATION_S * rate
    assert waveform.abs().max() <= 1.0  # NaN would fail this too


def load_or_sentence(source, **parameters) -> tuple[torch.Tensor | None, int, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AudioWarning)
        try:
            return *load_audio(source, **parameters), ""
        except AudioError as error:
            return None, 0, str(error)


BEGINNINGS = [
    b"", b"RIFF\xff\xff\0\0WAVE", b"RIFF\xff\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0", b"fLaC\0\0\0\x22",
    b"OggS\0\2", b"\xff\xfb\x90\x64", b"ID3\4\0\0\0\0\0\0", b"FORM\0\0\1\0AIFFCOMM\0\0\0\x12",
    b"FORM\0\0\1\0AIFC", b".snd\0\0\0\x18", b"caff\0\1\0\0desc", b"RF64\xff\xff\xff\xffWAVEds64",
]  # fmt: skip
bounded = settings(max_examples=150, deadline=None, derandomize=True, database=None)


@bounded
@given(beginning=st.sampled_from(BEGINNINGS), content=st.binary(max_size=3000))
def test_random_bytes(beginning, content):
    check_any(beginning + content)


@bounded
@given(
    n_channels=st.integers(0, 65_535) | st.integers(0, 3),
    rate=st.integers(0, 2**32 - 1) | st.sampled_from([8000, 16_000, 44_100]),
    bits=st.integers(0, 65_535) | st.sampled_from([8, 16, 24, 32, 64]),
    tag=st.integers(0, 65_535) | st.sampled_from([1, 2, 3, 6, 7, 17, 49, 85, 65_534]),
    size=st.integers(0, 2**32 - 1) | st.none(),
    data=st.binary(max_size=2000),
)
def test_random_headers(n_channels, rate, bits, tag, size, data):
    check_any(wav(n_channels, rate, data, size, bits, tag))


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary()
)


@bounded
@given(
    fmt=st.sampled_from(["WAV", "FLAC", "OGG", "MP3", "AIFF"]),
    sample_rate=st.none() | st.integers(3000, 400_000) | anything,
    mono=st.booleans(),
    name=st.none() | st.text(max_size=100),
)
def test_random_parameters(fmt, sample_rate, mono, name):
    check_any(valid(fmt), sample_rate=sample_rate, mono=mono, name=name)


@bounded
@given(source=anything | st.lists(st.integers()) | st.dictionaries(st.text(), st.integers()))
def test_random_sources(source):
    check_any(source)


@bounded
@given(
    fmt=st.sampled_from(["WAV", "WAV ULAW", "WAV MS_ADPCM", "FLAC", "OGG", "OGG OPUS", "MP3",
                         "AIFF", "AU", "CAF ALAC_16", "W64", "RF64"]),
    edits=st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=8)), max_size=6),
    cut=st.integers(0, 2**16),
    twice=st.booleans(),
)  # fmt: skip
def test_random_damage(fmt, edits, cut, twice):
    """Bytes overwritten, the end cut off, the whole stuck together twice."""
    content = bytearray(valid(fmt))
    for place, new in edits:
        place %= len(content)
        content[place : place + len(new)] = new
    content = bytes(content[: max(4, cut % (2 * len(content)))])
    check_any(content * 2 if twice else content)
