"""Sound files and bytes -> waveform, bounded and safe; waveform -> sound file.

Every file that a student brings goes through :func:`load_audio`. It reads regular
files only, never more of them than the bounds below, and answers whatever is wrong
with one sentence that names the file, the problem and the next step.
"""

import io
import math
import os
import re
import stat
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from course_utils.signal import resample

MAX_FILE_BYTES = 64_000_000
MAX_DURATION_S = 15 * 60
MAX_SAMPLES = 30_000_000  # kept: 120 MB
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 4_000, 384_000  # Hz
MAX_CHANNELS = 16
MAX_DECODED = 120_000_000  # samples of all channels together: half a second of decoding

_BLOCK_FRAMES = 65_536
_SAID_FROM_DB = 0.5  # a sound that is turned down by less is not worth a warning
# How the kinds of file begin that are given to the decoder (. stands for any byte); it knows
# twenty more, which no student has and which are the less tested part of it.
_KINDS = (
    rb"RIFF....WAVE|RIFX....WAVE|RF64....WAVE|riff\x2e\x91\xcf\x11"  # WAV and its large relatives
    rb"|FORM....AIF[FC]|\.snd|caff|fLaC|OggS|ID3|\xff[\xe2-\xff]"  # the last two are MP3
)
_OTHER_KINDS = {rb"....ftyp": "an MP4 or M4A file", rb"\x1a\x45\xdf\xa3": "a WebM file"}
_FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}
_SUBTYPES = {16: "PCM_16", 24: "PCM_24"}


class AudioError(ValueError):
    """A sound that cannot be read or written: one sentence with the next step."""


class AudioWarning(UserWarning):
    """A sound that was read, but not quite as it is: cut, mended or turned down."""


def load_audio(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    sample_rate: int | None = None,
    mono: bool = True,
    name: str | None = None,
) -> tuple[Tensor, int]:
    """Read a sound file (WAV, FLAC, OGG, MP3, AIFF and others) into a waveform.

    At most 64 MB of file, 15 minutes and 30 million samples are read; what is cut
    off, mended or turned down is said in an :class:`AudioWarning`. The level stays
    as it is, unless the sound goes beyond full scale.

    Args:
        source: Path of a regular file, or the bytes of one (an upload).
        sample_rate: Rate wanted, in Hz; ``None`` keeps the file's.
        mono: Average the channels; otherwise they come as the first dimension.
        name: What to call the bytes in a message.

    Returns:
        Waveform in [-1, 1], float32, shape ``(time,)``, or ``(n_channels, time)``
        with ``mono=False``; and its sample rate in Hz.

    Raises:
        AudioError: If the sound cannot be read, or not at ``sample_rate``.

    Notebook: 01_waveform.ipynb, 08_your_sound.ipynb.
    """
    if sample_rate is not None:
        sample_rate = _check_wanted_rate(sample_rate)
    shown = _shown_name(source, name)
    content = _read_bytes(source, shown)
    _check_kind(content, shown)
    try:
        samples, file_rate, notes = _decode(content, shown, sample_rate, mono)
    except AudioError:
        raise
    except Exception as error:  # the decoder raises seven kinds, MemoryError among them
        raise AudioError(
            f"{shown} is damaged, or of a kind that cannot be read here ({_reason(error)}); "
            "save it again as WAV, FLAC, OGG or MP3"
        ) from error
    samples, more_notes = _mend(samples)
    for note in notes + more_notes:
        warnings.warn(f"{shown} {note}", AudioWarning, stacklevel=2)
    waveform = torch.from_numpy(samples)
    if sample_rate is None or sample_rate == file_rate:
        return waveform, file_rate
    resampled = resample(waveform, sample_rate=file_rate, new_sample_rate=sample_rate)
    return resampled.clamp_(-1.0, 1.0), sample_rate  # the filter may overshoot a little


def _check_wanted_rate(sample_rate: int) -> int:
    """Return the sample rate that was asked for, if it is one."""
    is_integer = isinstance(sample_rate, (int, np.integer)) and not isinstance(sample_rate, bool)
    if not is_integer or not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"sample_rate={sample_rate!r} must be an integer from {MIN_SAMPLE_RATE} to "
            f"{MAX_SAMPLE_RATE} Hz; 16000 suits speech"
        )
    return int(sample_rate)


def _shown_name(source: object, name: str | None) -> str:
    """Say what to call the sound in a message: a short printable name, no folders."""
    if name is None and isinstance(source, (str, os.PathLike)):
        name = os.path.basename(os.fspath(source)) or os.fspath(source)
    name = "".join(letter if letter.isprintable() else "?" for letter in str(name or ""))
    if not name:
        return "the uploaded sound"
    return f"«{name}»" if len(name) <= 60 else f"«{name[:40]}...{name[-15:]}»"


def _reason(error: Exception) -> str:
    """Shorten an error of the decoder to its last few words."""
    text = " ".join(str(error).split()).rpartition(">: ")[2].rstrip(". ")
    if "not a regular file" in text:  # what it says of bytes in which it finds no sound
        text = "no sound was found in it"
    return (text or type(error).__name__)[:80]


def _read_bytes(source: object, shown: str) -> bytes:
    """Return the whole content of a file, or of bytes, if it is regular and not too large."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        content = bytes(memoryview(source)[: MAX_FILE_BYTES + 1])
    elif isinstance(source, (str, os.PathLike)):
        content = _read_regular_file(os.fspath(source), shown)
    else:
        raise AudioError(
            f"load_audio was given a {type(source).__name__}, not a sound; "
            "give it the path of a file, or the bytes of one"
        )
    if len(content) > MAX_FILE_BYTES:
        raise AudioError(
            f"{shown} is larger than {MAX_FILE_BYTES // 10**6} MB; "
            "cut out the part you need, or save it as FLAC or MP3"
        )
    if not content:
        raise AudioError(f"{shown} is empty (0 bytes); save or record it again")
    return content


def _read_regular_file(path: str, shown: str) -> bytes:
    """Read at most the bound, and never wait for a pipe or a device."""
    flags = os.O_RDONLY
    for flag in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, flag, 0)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # first: opening a device may do something
            raise AudioError(f"{shown} is a folder or a device, not a file; name a sound file")
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise AudioError(f"{shown} is not a regular file; name a sound file")
            return file.read(MAX_FILE_BYTES + 1)
    except AudioError:
        raise
    except FileNotFoundError as error:
        raise AudioError(
            f"{shown} was not found; look at the spelling, and at the folder it should be in"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(
            f"{shown} cannot be opened ({reason}); look at its name and its permissions"
        ) from error


def _check_kind(content: bytes, shown: str) -> None:
    """Raise unless the first bytes are those of a common kind of sound file."""
    if re.match(_KINDS, content, re.DOTALL):
        return
    named = [kind for start, kind in _OTHER_KINDS.items() if re.match(start, content, re.DOTALL)]
    raise AudioError(
        f"{shown} is {named[0] if named else 'not a sound file of a known kind'}, which cannot be "
        "read here; convert it to WAV, FLAC, OGG or MP3 and try again"
    )


class _Memory(io.BytesIO):
    """Bytes that answer a damaged file's seek to nowhere without an error on the screen."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


class _Stream(soundfile.SoundFile):
    """A sound file read from front to end: a header that lies about the end is no matter."""

    def seekable(self) -> bool:
        return False


def _decode(
    content: bytes, shown: str, wanted_rate: int | None, mono: bool
) -> tuple[np.ndarray, int, list[str]]:
    """Decode block by block up to the bounds: samples, sample rate and what to say."""
    notes: list[str] = []
    with _Stream(_Memory(content)) as file:
        rate = _check_header(file, shown)
        growth = max(1.0, (wanted_rate or rate) / rate)  # resampling may make more of them
        per_frame = growth if mono else growth * file.channels
        most = int(min(MAX_DURATION_S * rate, MAX_SAMPLES / per_frame, MAX_DECODED / file.channels))
        # Room for the longest: what is not written to takes no memory, and nothing is copied.
        room = np.empty((most,) if mono else (file.channels, most), np.float32)
        n_read = 0
        for block in _blocks(file, most + 1, mono, notes):
            part = block[..., : max(0, most - n_read)]
            room[..., n_read : n_read + part.shape[-1]] = part
            n_read += block.shape[-1]
    if not n_read:
        raise AudioError(f"{shown} holds no sound (0 samples); record or save it again")
    if n_read > most:
        notes.append(f"is too long: only its first {_minutes(most / rate)} were read")
    samples = room[..., :n_read]
    is_most = samples.flags.c_contiguous and 2 * n_read > most
    return samples if is_most else samples.copy(), rate, notes


def _check_header(file: soundfile.SoundFile, shown: str) -> int:
    """Return the sample rate if the file claims one, and channels, that are plausible."""
    if not MIN_SAMPLE_RATE <= file.samplerate <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"{shown} claims a sample rate of {file.samplerate} Hz, outside of {MIN_SAMPLE_RATE} "
            f"to {MAX_SAMPLE_RATE} Hz; save it again, for instance at 44100 Hz"
        )
    if not 1 <= file.channels <= MAX_CHANNELS:
        raise AudioError(
            f"{shown} has {file.channels} channels, more than {MAX_CHANNELS}; save it as stereo"
        )
    return file.samplerate


def _blocks(
    file: soundfile.SoundFile, most: int, mono: bool, notes: list[str]
) -> Iterator[np.ndarray]:
    """Yield blocks ``(time,)`` or ``(n_channels, time)``, ``most`` frames in all."""
    buffer = np.empty((_BLOCK_FRAMES, file.channels), dtype=np.float32)
    n_read = n_bad = 0
    while n_read < most:
        try:
            block = file.read(out=buffer[: most - n_read])
        except Exception as error:  # a file that breaks off: keep what came before
            if n_read == 0:
                raise
            notes.append(
                f"is damaged after {_minutes(n_read / file.samplerate)} ({_reason(error)}): "
                "only the part before that was read"
            )
            break
        if len(block) == 0:
            break
        n_read += len(block)
        good = np.isfinite(block)
        if not good.all():
            n_bad += int((~good.all(axis=1)).sum())
            block = np.where(good, block, np.float32(0.0))
        yield block.mean(axis=1, dtype=np.float64).astype(np.float32) if mono else block.T.copy()
    if n_bad:
        one = n_bad == 1
        samples_are = (
            "sample that is not a number: it" if one else "samples that are not numbers: they"
        )
        notes.append(f"has {n_bad} {samples_are} became silence")


def _minutes(seconds: float) -> str:
    """Say a time: «2.5 s», «11 min 20 s»."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def _mend(samples: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Turn a sound down that goes beyond full scale: samples and what to say."""
    peak = float(max(samples.max(), -samples.min()))
    if peak <= 1.0:
        return samples, []
    samples /= np.float32(peak)
    samples.clip(-1.0, 1.0, out=samples)
    down_db = 20.0 * math.log10(peak)
    if down_db <= _SAID_FROM_DB:
        return samples, []
    return samples, [f"goes beyond full scale: it was turned down by {down_db:.1f} dB"]


def save_audio(
    path: str | os.PathLike[str], waveform: Tensor, *, sample_rate: int, n_bits: int = 16
) -> Path:
    """Write a waveform to a WAV, FLAC or OGG file. The level stays as it is.

    The file appears under its name only when it is complete.

    Args:
        path: Where to; the suffix says the format: ``.wav``, ``.flac`` or ``.ogg``.
        waveform: Samples in [-1, 1], shape ``(time,)`` or ``(n_channels, time)``.
        sample_rate: Samples per second, in Hz.
        n_bits: 16 or 24; OGG has its own way.

    Returns:
        The path.

    Raises:
        AudioError: If the peak is above 1, a sample is not a number, or the file
            cannot be written.

    Notebook: 01_waveform.ipynb.
    """
    path = Path(path)
    shown = _shown_name(path, None)
    sample_rate = _check_wanted_rate(sample_rate)
    frames = _check_writable(waveform, shown)  # (time, n_channels)
    audio_format = _FORMATS.get(path.suffix.lower())
    if audio_format is None:
        raise AudioError(f"{shown} must end in .wav, .flac or .ogg, which says the format")
    if n_bits not in _SUBTYPES:
        raise AudioError(f"n_bits={n_bits!r} must be 16 or 24")
    if path.exists() and not path.is_file():
        raise AudioError(f"{shown} exists and is not a file; choose another name")
    subtype = "VORBIS" if audio_format == "OGG" else _SUBTYPES[n_bits]
    try:
        _write_then_rename(path, frames, sample_rate, audio_format, subtype)
    except (OSError, RuntimeError, ValueError) as error:
        raise AudioError(
            f"{shown} cannot be written ({_reason(error)}); look at the folder, its permissions "
            "and the format"
        ) from error
    return path


def _check_writable(waveform: Tensor, shown: str) -> np.ndarray:
    """Return samples as ``(time, n_channels)`` float32 if they can be written unchanged."""
    if not isinstance(waveform, Tensor) or not waveform.is_floating_point():
        raise AudioError(f"{shown}: waveform must be a floating-point tensor")
    if waveform.ndim not in (1, 2) or waveform.numel() == 0:
        raise AudioError(
            f"{shown}: waveform must have shape (time,) or (n_channels, time), "
            f"got {tuple(waveform.shape)}"
        )
    if waveform.ndim == 2 and waveform.shape[0] > MAX_CHANNELS:
        raise AudioError(
            f"{shown}: waveform has {waveform.shape[0]} channels, more than {MAX_CHANNELS}; "
            "its shape must be (n_channels, time), not (time, n_channels)"
        )
    peak = waveform.detach().abs().max().item()
    if not math.isfinite(peak):
        raise AudioError(f"{shown}: waveform has samples that are not numbers; find out why first")
    if peak > 1.0:
        raise AudioError(
            f"{shown}: waveform has a peak of {peak:.4g} and would clip; "
            "turn it down first, for instance with set_peak(waveform, level_dbfs=-1)"
        )
    samples = waveform.detach().to("cpu", torch.float32).numpy()
    return np.atleast_2d(samples).T  # (time, n_channels)


def _write_then_rename(
    path: Path, frames: np.ndarray, sample_rate: int, audio_format: str, subtype: str
) -> None:
    """Write into a new file beside ``path``, in blocks, and give it its name at the end."""
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=".saving-", suffix=path.suffix)
    try:
        with (
            os.fdopen(handle, "w+b") as file,
            soundfile.SoundFile(
                file, "w", sample_rate, frames.shape[1], subtype, format=audio_format
            ) as sound,
        ):
            for start in range(0, len(frames), _BLOCK_FRAMES):
                sound.write(frames[start : start + _BLOCK_FRAMES])
        os.chmod(part, 0o644)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
