"""Whatever file a student brings: a waveform within bounds, or one sentence that helps."""

import contextlib
import io
import os
import random
import socket
import struct
import threading
import time
import warnings

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import audio_io
from course_utils.audio_io import AudioError, AudioWarning, load_audio, save_audio
from course_utils.signal import make_noise, make_tone
from tests.unit.compare import assert_near
from tests.unit.conftest import recording_path


def encode(samples, sample_rate=16000, fmt="WAV", subtype=None):
    file = io.BytesIO()
    soundfile.write(file, np.asarray(samples), sample_rate, format=fmt, subtype=subtype)
    return file.getvalue()


def sine(n_samples=4000):
    return (0.5 * np.sin(np.arange(n_samples) * 0.1)).astype(np.float32)


def assert_one_helpful_sentence(error, name):
    """The file, the problem, the next step; one line that fits a widget."""
    text = str(error.value)
    assert isinstance(error.value, ValueError)
    assert name in text
    assert "\n" not in text
    assert 20 < len(text) < 250
    assert "Traceback" not in text


# ---------------------------------------------------------------- good files


@pytest.mark.parametrize(
    ("fmt", "subtype", "relative"),
    [
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "FLOAT", 0),
        ("WAV", "PCM_U8", 0.02),
        ("WAVEX", "PCM_16", 1e-4),
        ("RF64", "PCM_16", 1e-4),
        ("W64", "PCM_16", 1e-4),
        ("AIFF", "PCM_16", 1e-4),
        ("AU", "PCM_16", 1e-4),
        ("CAF", "PCM_16", 1e-4),
        ("FLAC", "PCM_16", 1e-4),
        ("FLAC", "PCM_24", 1e-6),
        ("OGG", "VORBIS", 0.1),
        ("MP3", "MPEG_LAYER_III", None),
    ],
)
def test_common_kinds_are_read(tmp_path, fmt, subtype, relative):
    content = encode(sine(), fmt=fmt, subtype=subtype)
    path = tmp_path / "a sound, ünïcode «名前».bin"
    path.write_bytes(content)
    for source in (content, bytearray(content), memoryview(content), path, str(path)):
        waveform, sample_rate = load_audio(source)
        assert sample_rate == 16000
        assert waveform.dtype == torch.float32
        assert waveform.ndim == 1
        if relative is not None:
            assert_near(waveform, sine(), relative=relative)
    assert abs(len(waveform) - 4000) < 2500  # MP3 adds silence at its ends


def test_recording_of_a_person_is_read_as_soundfile_reads_it():
    path = recording_path()
    if path is None:
        pytest.skip("no recording here")
    expected, rate = soundfile.read(path, dtype="float32", always_2d=True)
    waveform, sample_rate = load_audio(path)
    assert sample_rate == rate
    assert torch.equal(waveform, torch.from_numpy(expected[:, 0].copy()))


def test_channels_are_averaged_or_kept():
    left, right = sine(), 0.25 * sine()[::-1]
    content = encode(np.stack([left, right], axis=1), subtype="FLOAT")
    waveform, _ = load_audio(content)
    assert_near(waveform, (left + right) / 2, relative=1e-6)
    waveform, _ = load_audio(content, mono=False)
    assert waveform.shape == (2, 4000)
    assert torch.equal(waveform, torch.from_numpy(np.stack([left, right])))
    assert waveform.is_contiguous()


def test_blocks_fit_together(monkeypatch):
    monkeypatch.setattr(audio_io, "_BLOCK_FRAMES", 333)
    for mono, shape in ((True, (4000,)), (False, (1, 4000))):
        waveform, _ = load_audio(encode(sine(), subtype="FLOAT"), mono=mono)
        assert torch.equal(waveform, torch.from_numpy(sine()).reshape(shape))


@pytest.mark.parametrize("wanted", [8000, 16000, 44100])
@pytest.mark.parametrize("rate", [16000, 44100, 44101])
def test_resampled_to_the_rate_that_is_wanted(rate, wanted):
    tone = make_tone(440.0, sample_rate=rate, level_dbfs=-6.0)
    waveform, sample_rate = load_audio(encode(tone, rate, subtype="FLOAT"), sample_rate=wanted)
    assert sample_rate == wanted
    expected = make_tone(440.0, sample_rate=wanted, level_dbfs=-6.0)
    middle = slice(wanted // 10, -wanted // 10)
    assert_near(waveform[middle], expected[middle], relative=1e-3)


def test_level_is_kept():
    """Nothing is normalised: a whisper stays a whisper."""
    quiet = 1e-3 * sine()
    assert_near(load_audio(encode(quiet, subtype="FLOAT"))[0], quiet, relative=1e-6)
    silence, _ = load_audio(encode(np.zeros(100, np.float32)))
    assert silence.abs().max() == 0


def test_symbolic_link_to_a_file_is_a_file(tmp_path):
    (tmp_path / "real.wav").write_bytes(encode(sine()))
    (tmp_path / "link.wav").symlink_to(tmp_path / "real.wav")
    assert load_audio(tmp_path / "link.wav")[0].shape == (4000,)


def test_good_file_is_read_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_audio(encode(sine()), sample_rate=8000)


# ---------------------------------------------------------------- files that cannot be read


def wav(n_channels=1, sample_rate=16000, data=b"\0\0" * 100, data_size=None, bits=16, tag=1):
    """Write a WAV file by hand, so that its header can lie."""
    block = n_channels * bits // 8 & 0xFFFF
    size = len(data) if data_size is None else data_size
    header = struct.pack(
        "<HHIIHH", tag, n_channels, sample_rate, sample_rate * block & 0xFFFFFFFF, block, bits
    )
    riff = b"WAVEfmt " + struct.pack("<I", 16) + header + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", len(riff)) + riff


def flac_claiming(n_frames, n_samples=100):
    """Make a FLAC file whose header claims another length than it has."""
    content = bytearray(encode(sine(n_samples), fmt="FLAC"))
    content[21] = (content[21] & 0xF0) | (n_frames >> 32 & 0x0F)
    content[22:26] = struct.pack(">I", n_frames & 0xFFFFFFFF)
    return bytes(content)


HOSTILE = {
    "empty": (b"", "is empty"),
    "text": (b"I am not a sound. " * 20, "not a sound file of a known kind"),
    "web page": (b"<!DOCTYPE html><html>", "not a sound file of a known kind"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a sound file of a known kind"),
    "M4A": (b"\0\0\0\x20ftypM4A " + bytes(100), "an MP4 or M4A file"),
    "WebM": (b"\x1aE\xdf\xa3" + bytes(100), "a WebM file"),
    "zeros": (bytes(1000), "not a sound file of a known kind"),
    "only a beginning": (b"RIFF\x24\0\0\0WAVE", "damaged"),
    "no data": (wav(data=b""), "holds no sound"),
    "half a header": (encode(sine())[:30], "damaged"),
    "FLAC cut in the header": (encode(sine(), fmt="FLAC")[:40], "damaged|holds no sound"),
    "rubbish after the first bytes": (b"OggS" + random.Random(0).randbytes(5000), "damaged"),
    "rubbish MP3": (b"ID3" + bytes(5000), "damaged"),
    "1 Hz": (wav(sample_rate=1), "sample rate of 1 Hz, outside of 4000 to 384000"),
    "3999 Hz": (encode(sine(), 3999), "sample rate of 3999 Hz"),
    "400 kHz": (encode(sine(), 400_000), "sample rate of 400000 Hz"),
    "17 channels": (encode(np.zeros((50, 17))), "17 channels, more than 16"),
    "1024 channels": (encode(np.zeros((50, 1024))), "1024 channels"),
    "no channels": (wav(n_channels=0), "damaged"),
    "unknown codec": (wav(tag=0x55AA), "damaged"),
}


@pytest.mark.parametrize(("content", "match"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_named(tmp_path, content, match):
    path = tmp_path / "my song.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=match) as error:
        load_audio(path)
    assert_one_helpful_sentence(error, "«my song.wav»")
    assert str(tmp_path) not in str(error.value)
    with pytest.raises(AudioError, match=match) as error:
        load_audio(content)
    assert_one_helpful_sentence(error, "the uploaded sound")
    with pytest.raises(AudioError, match=match) as error:
        load_audio(content, name="upload.mp3")
    assert_one_helpful_sentence(error, "«upload.mp3»")


@pytest.mark.parametrize("suffix", [".raw", ".gsm", ".vox", ""])
def test_suffix_does_not_matter(tmp_path, suffix):
    """soundfile takes *.raw for headerless samples, and raises a TypeError."""
    path = tmp_path / f"sound{suffix}"
    path.write_bytes(b"\1\2" * 500)
    with pytest.raises(AudioError, match="not a sound file"):
        load_audio(path)
    path.write_bytes(encode(sine()))
    assert load_audio(path)[0].shape == (4000,)


def test_things_that_are_not_files_are_named(tmp_path):
    with pytest.raises(AudioError, match="was not found") as error:
        load_audio(tmp_path / "nowhere.wav")
    assert_one_helpful_sentence(error, "«nowhere.wav»")
    with pytest.raises(AudioError, match="is a folder or a device") as error:
        load_audio(tmp_path)
    assert_one_helpful_sentence(error, f"«{tmp_path.name}»")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for path in ("zero\0byte.wav", "", "x" * 5000, tmp_path / "circle", "https://a.b/c.wav"):
        with pytest.raises(AudioError) as error:
            load_audio(path)
        assert_one_helpful_sentence(error, "»" if path else "")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name on this system")
def test_pipe_does_not_block(tmp_path):
    """A named pipe that nobody writes to blocks an ordinary open() for ever."""
    os.mkfifo(tmp_path / "pipe.wav")
    result = []

    def load():
        try:
            load_audio(tmp_path / "pipe.wav")
        except AudioError as error:
            result.append(str(error))

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert "is a folder or a device, not a file" in result[0]


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no devices with a name here")
def test_device_and_socket_are_not_read(tmp_path):
    (tmp_path / "endless.wav").symlink_to("/dev/zero")
    with pytest.raises(AudioError, match=r"«endless\.wav» is a folder or a device"):
        load_audio(tmp_path / "endless.wav")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        with pytest.raises(AudioError, match="is a folder or a device"):
            load_audio(tmp_path / "s")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_file_without_permission_is_named(tmp_path):
    path = tmp_path / "secret.wav"
    path.write_bytes(encode(sine()))
    path.chmod(0)
    with pytest.raises(AudioError, match=r"«secret\.wav» cannot be opened \(Permission denied\)"):
        load_audio(path)


def test_file_that_is_too_large_is_refused_at_once(tmp_path):
    path = tmp_path / "huge.wav"
    with path.open("wb") as file:
        file.write(encode(sine()))
        file.truncate(64_000_001)  # the rest is a hole
    began = time.perf_counter()
    with pytest.raises(AudioError, match="larger than 64 MB") as error:
        load_audio(path)
    assert time.perf_counter() - began < 5
    assert_one_helpful_sentence(error, "«huge.wav»")


@pytest.mark.parametrize("source", [None, 3, 1.5, ["a.wav"], np.zeros(5), torch.zeros(5), open])
def test_something_that_is_no_source_is_named(source):
    with pytest.raises(AudioError, match=f"was given a {type(source).__name__}, not a sound"):
        load_audio(source)


@pytest.mark.parametrize("rate", [0, 3999, 384_001, 16000.0, "16000", True, -8000])
def test_sample_rate_that_makes_no_sense_is_named(rate):
    with pytest.raises(AudioError, match=f"sample_rate={rate!r} must be an integer from 4000"):
        load_audio(encode(sine()), sample_rate=rate)


def test_name_in_a_message_is_short_and_printable():
    with pytest.raises(AudioError) as error:
        load_audio(b"x", name="a\n\x1b[31m" + "b" * 300 + ".wav")
    assert_one_helpful_sentence(error, "«a??[31mbbb")
    assert "bbb.wav»" in str(error.value)


# ---------------------------------------------------------------- files that are mended or cut


def test_samples_that_are_not_numbers_become_silence():
    samples = sine()
    samples[[5, 6]] = np.nan
    samples[[100, 3999]] = np.inf, -np.inf
    with pytest.warns(AudioWarning, match="has 4 samples that are not numbers: they became sil"):
        waveform, _ = load_audio(encode(samples, subtype="FLOAT"))
    assert waveform[[5, 6, 100, 3999]].abs().max() == 0
    kept = np.isfinite(samples)
    assert np.array_equal(waveform.numpy()[kept], samples[kept])


def test_a_broken_channel_does_not_silence_the_other():
    samples = np.stack([sine(), np.full(4000, np.nan, np.float32)], axis=1)
    with pytest.warns(AudioWarning, match="has 4000 samples"):
        waveform, _ = load_audio(encode(samples, subtype="FLOAT"))
    assert_near(waveform, sine() / 2, relative=1e-6)


@pytest.mark.parametrize("peak", [2.0, 1e30, 3e38])
def test_sound_beyond_full_scale_is_turned_down_and_said(peak):
    samples = (sine() / np.abs(sine()).max()).astype(np.float32)
    loud = np.stack([samples, samples], axis=1) * np.float32(peak)
    decibels = f"{20 * np.log10(peak):.1f} dB"
    with pytest.warns(AudioWarning, match=f"goes beyond full scale.*turned down by {decibels}"):
        waveform, _ = load_audio(encode(loud, subtype="FLOAT"), sample_rate=8000)
    assert waveform.abs().max() <= 1.0
    assert waveform.abs().max() > 0.95
    assert torch.isfinite(waveform).all()


def test_a_hair_beyond_full_scale_is_not_worth_a_warning():
    """Most loud MP3 files overshoot a little."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        waveform, _ = load_audio(encode(2.05 * sine(), subtype="FLOAT"))
    assert waveform.abs().max() <= 1.0


def test_resampling_does_not_overshoot_full_scale():
    """The filter rounds the corners of a square wave upwards, by a tenth."""
    square = np.sign(sine()).astype(np.float32)
    waveform, _ = load_audio(encode(square, subtype="FLOAT"), sample_rate=44100)
    assert waveform.abs().max() == 1.0


def test_damaged_file_prints_no_traceback():
    """soundfile asks for negative places of some damaged files; what that raises is printed."""
    memory = audio_io._Memory(b"abcdef")
    assert memory.seek(2) == 2
    assert memory.seek(-1) == 2
    assert memory.seek(2**70) == 2
    assert memory.seek(-1, io.SEEK_END) == 5


def test_numbers_beyond_single_precision():
    samples = sine().astype(np.float64)
    samples[7] = 1e300
    with pytest.warns(AudioWarning):
        waveform, _ = load_audio(encode(samples, subtype="DOUBLE"))
    assert torch.isfinite(waveform).all()
    assert_near(waveform[8:], sine()[8:], relative=1e-6)


def test_long_sound_is_cut_and_the_cut_is_said():
    rate, seconds = 4000, 16 * 60
    content = encode(np.zeros(rate * seconds, np.int16), rate, "FLAC")
    with pytest.warns(AudioWarning, match="is too long: only its first 15 min 0 s were read"):
        waveform, _ = load_audio(content)
    assert len(waveform) == rate * 15 * 60


@pytest.mark.parametrize(
    ("kwargs", "n_kept"),
    [
        ({}, 1000),
        ({"mono": False}, 500),
        ({"sample_rate": 32000}, 500),
        ({"sample_rate": 8000}, 1000),
    ],
)
def test_bound_on_the_samples_holds_for_what_is_returned(monkeypatch, kwargs, n_kept):
    monkeypatch.setattr(audio_io, "MAX_SAMPLES", 1000)
    stereo = np.stack([sine(), sine()], axis=1)
    with pytest.warns(AudioWarning, match=f"only its first {n_kept / 16000:.3g} s"):
        waveform, rate = load_audio(encode(stereo, subtype="FLOAT"), **kwargs)
    assert waveform.numel() <= 1000
    assert waveform.shape[-1] == n_kept * rate // 16000
    monkeypatch.setattr(audio_io, "MAX_SAMPLES", 16000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_audio(encode(stereo, subtype="FLOAT"), **kwargs)


@pytest.mark.parametrize("claimed", [2**36 - 1, 2**31, 5000])
def test_header_that_claims_too_much_is_not_believed(claimed):
    """soundfile.read asks for 275 GB and dies of a MemoryError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AudioWarning)
        waveform, _ = load_audio(flac_claiming(claimed))
    assert_near(waveform[:100], sine(100), relative=1e-3)
    assert len(waveform) <= 5000


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFF0, 1000])
def test_wav_that_was_never_finished_is_read(size):
    """A recorder that was unplugged leaves a wrong length behind."""
    data = (sine(300) * 32767).astype("<i2").tobytes()
    waveform, _ = load_audio(wav(data=data, data_size=size))
    assert_near(waveform, sine(300), relative=1e-3)


def test_file_that_breaks_off_keeps_what_came_before():
    content = encode(make_noise(duration_s=20.0).numpy(), fmt="FLAC")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        waveform, _ = load_audio(content[: len(content) // 2])
    whole, _ = load_audio(content)
    assert 0 < len(waveform) <= len(whole)
    good = 65_536
    assert torch.equal(waveform[:good], whole[:good])
    assert any("is damaged after" in str(warning.message) for warning in said)


def test_many_frames_in_few_bytes_stay_within_bounds():
    """A quarter of a megabyte of FLAC that holds 20 minutes of eight channels."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 8000, 8, format="FLAC") as sound:
        for _ in range(150):
            sound.write(np.zeros((65_536, 8), np.int16))
    began = time.perf_counter()
    with pytest.warns(AudioWarning, match="first 7 min 48 s"):
        waveform, _ = load_audio(file.getvalue(), mono=False)
    assert waveform.numel() <= audio_io.MAX_SAMPLES
    assert time.perf_counter() - began < 20


SEEDS = [
    encode(np.stack([sine(600), -sine(600)], axis=1), fmt=fmt, subtype=subtype)
    for fmt, subtype in (
        ("WAV", "PCM_16"),
        ("WAV", "MS_ADPCM"),
        ("WAV", "FLOAT"),
        ("AIFF", None),
        ("AU", None),
        ("CAF", "ALAC_16"),
        ("W64", None),
        ("FLAC", None),
        ("OGG", "VORBIS"),
        ("MP3", None),
    )
]


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    content=st.sampled_from(SEEDS),
    edits=st.lists(
        st.tuples(st.integers(0, 4000), st.binary(min_size=0, max_size=8)), min_size=1, max_size=8
    ),
    length=st.integers(4, 5000),
)
def test_no_damage_gets_through(content, edits, length):
    """Bytes overwritten and cut at random: a waveform within its contract, or an AudioError."""
    damaged = bytearray(content)
    for place, new in edits:
        place %= len(content)
        damaged[place : place + len(new)] = new
    with warnings.catch_warnings(), contextlib.suppress(AudioError):
        warnings.simplefilter("ignore", AudioWarning)
        waveform, sample_rate = load_audio(bytes(damaged[:length]))
        assert waveform.ndim == 1
        assert len(waveform) > 0
        assert waveform.abs().max() <= 1.0  # NaN would fail this too
        assert 4000 <= sample_rate <= 384_000


# ---------------------------------------------------------------- save_audio


@pytest.mark.parametrize(
    ("suffix", "n_bits", "largest"),
    [(".wav", 16, 2**-15), (".WAV", 24, 2**-23), (".flac", 16, 2**-15), (".flac", 24, 2**-23)],
)
@pytest.mark.parametrize("shape", [(4000,), (1, 4000), (2, 2000)])
def test_saved_sound_is_the_same_again(tmp_path, suffix, n_bits, largest, shape):
    waveform = torch.from_numpy(sine()).reshape(shape)
    path = save_audio(tmp_path / f"out{suffix}", waveform, sample_rate=22050, n_bits=n_bits)
    assert path == tmp_path / f"out{suffix}"
    again, sample_rate = load_audio(path, mono=False)
    assert sample_rate == 22050
    assert again.shape == (2, 2000) if len(shape) == 2 and shape[0] == 2 else (1, 4000)
    assert (again - waveform.reshape(again.shape)).abs().max() <= largest
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # nothing left lying about


def test_saved_ogg_is_nearly_the_same(tmp_path):
    path = save_audio(tmp_path / "out.ogg", torch.from_numpy(sine()), sample_rate=16000)
    assert soundfile.info(path).subtype == "VORBIS"
    assert_near(load_audio(path)[0], sine(), relative=0.1)


def test_long_ogg_is_written_in_blocks(tmp_path):
    """One soundfile.write of five million frames to OGG ends the process."""
    path = save_audio(tmp_path / "long.ogg", torch.zeros(5_500_000), sample_rate=48000)
    assert soundfile.info(path).frames == 5_500_000


def test_saving_never_normalises_and_full_scale_does_not_wrap_around(tmp_path):
    quiet = 0.01 * torch.from_numpy(sine())
    again, _ = load_audio(save_audio(tmp_path / "q.wav", quiet, sample_rate=16000))
    assert (again - quiet).abs().max() <= 2**-15
    full = torch.tensor([1.0, -1.0] * 50, dtype=torch.float64, requires_grad=True)
    again, _ = load_audio(save_audio(tmp_path / "f.wav", full, sample_rate=16000))
    assert (again - full).abs().max() <= 2**-15


BAD_SAVES = {
    "clips": (torch.tensor([0.0, 1.01]), {}, "has a peak of 1.01 and would clip.*set_peak"),
    "NaN": (torch.tensor([0.0, torch.nan]), {}, "samples that are not numbers"),
    "inf": (torch.tensor([0.0, -torch.inf]), {}, "samples that are not numbers"),
    "numpy": (np.zeros(5), {}, "waveform must be a floating-point tensor"),
    "integers": (torch.zeros(5, dtype=torch.int16), {}, "must be a floating-point tensor"),
    "batch": (torch.zeros(2, 2, 5), {}, r"shape \(time,\) or \(n_channels, time\), got \(2, 2, 5"),
    "empty": (torch.zeros(0), {}, r"got \(0,\)"),
    "turned": (torch.zeros(500, 2), {}, r"500 channels.*not \(time, n_channels\)"),
    "rate": (torch.zeros(5), {"sample_rate": 100}, "sample_rate=100"),
    "bits": (torch.zeros(5), {"n_bits": 8}, "n_bits=8 must be 16 or 24"),
}


@pytest.mark.parametrize(("waveform", "kwargs", "match"), BAD_SAVES.values(), ids=BAD_SAVES)
def test_bad_save_is_named_and_leaves_the_old_file(tmp_path, waveform, kwargs, match):
    path = tmp_path / "mine.wav"
    path.write_bytes(b"precious")
    with pytest.raises(AudioError, match=match):
        save_audio(path, waveform, **({"sample_rate": 16000} | kwargs))
    assert path.read_bytes() == b"precious"
    assert len(list(tmp_path.iterdir())) == 1


def test_bad_place_is_named(tmp_path):
    silence = torch.zeros(5)
    with pytest.raises(AudioError, match=r"«x\.mp3» must end in \.wav, \.flac or \.ogg"):
        save_audio(tmp_path / "x.mp3", silence, sample_rate=16000)
    with pytest.raises(AudioError, match=r"«x\.wav» cannot be written"):
        save_audio(tmp_path / "nowhere" / "x.wav", silence, sample_rate=16000)
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(AudioError, match=r"«folder\.wav» exists and is not a file"):
        save_audio(tmp_path / "folder.wav", silence, sample_rate=16000)


def test_save_that_fails_half_way_leaves_the_old_file(tmp_path):
    """FLAC has eight channels at most; the error comes when the file is already open."""
    path = tmp_path / "mine.flac"
    path.write_bytes(b"precious")
    with pytest.raises(AudioError, match=r"«mine\.flac»"):
        save_audio(path, torch.zeros(16, 10), sample_rate=16000)
    assert path.read_bytes() == b"precious"
    assert len(list(tmp_path.iterdir())) == 1
