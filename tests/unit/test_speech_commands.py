"""Speech Commands: the folder that somebody brings, its official split, and the mini archive."""

import hashlib
import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from course_utils.audio_io import AudioWarning, save_audio
from course_utils.data import clip_files, recordings, speech_commands
from course_utils.data.clip_files import RecordingsError
from course_utils.data.download import DownloadError
from course_utils.data.recordings import find_recordings
from course_utils.data.speech_commands import (
    download_speech_commands_mini,
    load_speech_commands,
    official_split,
)
from course_utils.data.spoken_words import WORDS
from course_utils.signal import make_tone
from tests.unit import test_download

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = ROOT.parent / "shared" / "data" / "speech_commands"

served = test_download.served  # the fixture: a server on this computer

# One real speaker of each part.
SPEAKERS = {"train": "0a7c2a8d", "validation": "8b775397", "test": "022cd682"}


def write_clip(path, *, seconds=1.0, sample_rate=16000, hz=440.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = make_tone(hz, duration_s=seconds, sample_rate=sample_rate, level_dbfs=-12.0)
    return save_audio(path, tone, sample_rate=sample_rate)


@pytest.fixture
def folder(tmp_path):
    """Two words of three speakers, WAV and FLAC, and a folder that is no word."""
    for speaker in ("aaaa0000", "bbbb1111", "cccc2222"):
        for take in range(2):
            write_clip(tmp_path / "yes" / f"{speaker}_nohash_{take}.wav")
            write_clip(tmp_path / "no" / f"{speaker}_nohash_{take}.flac", hz=880.0)
    write_clip(tmp_path / "_background_noise_" / "hum.wav", seconds=40.0)
    return tmp_path


def test_folder_becomes_words(folder):
    words = load_speech_commands(folder)
    assert words.waveforms.shape == (12, 16000)
    assert words.label_names == WORDS
    assert words.labels.tolist() == [0] * 6 + [1] * 6
    assert words.speaker_names == ("aaaa0000", "bbbb1111", "cccc2222")
    assert words.names[0] == "yes/aaaa0000_nohash_0.wav"
    assert words.skipped == ()
    assert "CC BY 4.0" in words.origin
    peak_hz = torch.fft.rfft(words.waveforms).abs().argmax(dim=-1)
    assert torch.equal(peak_hz, 440 + 440 * words.labels)


def test_words_may_be_chosen_in_any_order(folder):
    words = load_speech_commands(folder, words=("no", "yes"))
    assert words.label_names == ("no", "yes")
    assert words.labels.tolist() == [0] * 6 + [1] * 6
    assert words.names[0].startswith("no/")


@pytest.mark.parametrize("outer", ["mini_speech_commands", "SpeechCommands/speech_commands_v0.02"])
def test_folder_further_down_is_found(tmp_path, outer):
    write_clip(tmp_path / outer / "go" / "aaaa0000_nohash_0.wav")
    (tmp_path / "__MACOSX" / "go").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "go" / "._aaaa0000_nohash_0.wav").write_bytes(b"a note of macOS")
    words = load_speech_commands(tmp_path)
    assert words.names == ("go/aaaa0000_nohash_0.wav",)
    assert words.labels.tolist() == [9]
    assert load_speech_commands(str(tmp_path)).names == words.names


def test_clips_of_other_lengths_and_rates_become_seconds(tmp_path):
    write_clip(tmp_path / "up" / "a_nohash_0.wav", seconds=0.3)
    write_clip(tmp_path / "up" / "b_nohash_0.wav", seconds=2.5)
    write_clip(tmp_path / "up" / "c_nohash_0.wav", seconds=1.0, sample_rate=48000)
    words = load_speech_commands(tmp_path)
    assert words.waveforms.shape == (3, 16000)
    assert words.waveforms[0].nonzero()[0] >= 5600  # the short one in the middle
    peak_hz = torch.fft.rfft(words.waveforms[1:]).abs().argmax(dim=-1)
    assert peak_hz.tolist() == [440, 440]


# ---------------------------------------------------------------- the official split


@pytest.mark.parametrize(("split", "speaker"), SPEAKERS.items())
def test_rule_puts_known_speakers_where_they_belong(split, speaker):
    assert official_split(speaker) == split
    assert official_split(f"yes/{speaker}_nohash_3.flac") == split
    assert official_split(f"{speaker}_nohash_0.wav") == split


def test_rule_gives_a_tenth_each_to_validation_and_test():
    parts = [official_split(f"{number:08x}") for number in range(20_000)]
    for part, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        assert abs(parts.count(part) / len(parts) - share) < 0.01


def test_rule_agrees_with_the_authors_on_validation_speakers():
    """These speakers stand in the official validation_list.txt."""
    listed = "8b775397 2643992f 060cd039 f5e5e8b0 dbb40d24 d57febf0 16db1582 171b56dc 66cff190"
    assert {official_split(speaker) for speaker in listed.split()} == {"validation"}


@pytest.mark.skipif(not PEOPLE.is_dir(), reason="no recordings of people here")
def test_rule_agrees_with_the_authors_on_118_speakers():
    """These files are from the official test set: the rule, written anew here, must say so."""
    names = [path.name for path in PEOPLE.glob("*/*.flac")]
    assert len(names) == 1903
    assert {official_split(name) for name in names} == {"test"}


def test_split_without_lists_follows_the_rule(tmp_path):
    for speaker in SPEAKERS.values():
        write_clip(tmp_path / "yes" / f"{speaker}_nohash_0.wav")
    for split, speaker in SPEAKERS.items():
        assert load_speech_commands(tmp_path, split=split).speaker_names == (speaker,)
    assert len(load_speech_commands(tmp_path)) == 3


def test_lists_are_believed_before_the_rule(folder):
    """They name .wav files also where the folder holds FLAC."""
    (folder / "validation_list.txt").write_text("no/bbbb1111_nohash_0.wav\n", "utf-8")
    (folder / "testing_list.txt").write_text(
        "no/cccc2222_nohash_0.wav\nyes/cccc2222_nohash_0.wav\nbed/other_nohash_0.wav\n\n", "utf-8"
    )
    assert load_speech_commands(folder, split="validation").names == ("no/bbbb1111_nohash_0.flac",)
    assert load_speech_commands(folder, split="test").names == (
        "yes/cccc2222_nohash_0.wav",
        "no/cccc2222_nohash_0.flac",
    )
    assert len(load_speech_commands(folder, split="train")) == 9


def test_split_that_is_not_there_is_named(tmp_path):
    write_clip(tmp_path / "yes" / f"{SPEAKERS['test']}_nohash_0.wav")
    with pytest.raises(RecordingsError, match="no clip of the official split 'train', only of tes"):
        load_speech_commands(tmp_path, split="train")


# ---------------------------------------------------------------- limit


def test_limit_takes_equally_many_of_each_word(folder):
    for limit, counts in ((1, [1, 0]), (6, [3, 3]), (7, [4, 3]), (12, [6, 6]), (99, [6, 6])):
        words = load_speech_commands(folder, words=("yes", "no"), limit=limit)
        assert torch.bincount(words.labels, minlength=2).tolist() == counts
        assert list(words.names) == [
            name
            for name in load_speech_commands(folder, words=("yes", "no")).names
            if name in words.names
        ]  # in their order
    assert words.names == load_speech_commands(folder, words=("yes", "no"), limit=99).names


def test_too_many_for_the_memory_are_refused_with_what_helps(folder, monkeypatch):
    monkeypatch.setattr(clip_files, "MAX_CLIPS", 11)
    with pytest.raises(RecordingsError, match=r"12 clips would need 0\.0 GB .* limit=5, or one sp"):
        load_speech_commands(folder)
    assert len(load_speech_commands(folder, limit=12)) == 12


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "10"])
def test_limit_that_makes_no_sense_is_named(folder, limit):
    with pytest.raises(ValueError, match=f"limit={limit!r} must be a positive number of clips"):
        load_speech_commands(folder, limit=limit)


# ---------------------------------------------------------------- what is wrong


def test_files_that_cannot_be_read_are_left_out_and_said(folder):
    (folder / "yes" / "dddd_nohash_0.wav").write_bytes(b"not a sound")
    (folder / "yes" / "eeee_nohash_0.wav").write_bytes(b"")
    write_clip(folder / "yes" / "ffff_nohash_0.wav", seconds=31.0)
    write_clip(folder / "yes" / "nobody.wav")
    (folder / "yes" / ".hidden_nohash_0.wav").write_bytes(b"a note of macOS")
    (folder / "yes" / "README.txt").write_text("no clip")
    words = load_speech_commands(folder)
    assert len(words) == 12
    assert len(words.skipped) == 4
    for name, reason in (
        ("yes/nobody.wav", "does not say who speaks"),
        ("dddd_nohash_0.wav", "not a sound file of a known kind"),
        ("eeee_nohash_0.wav", "is empty"),
        ("ffff_nohash_0.wav", "lasts 31 s, more than 30 s"),
    ):
        assert [s for s in words.skipped if f"«{name}»" in s and reason in s], name
    assert "left out: 4 files; «yes/nobody.wav»" in words.describe()
    assert words[:3].skipped == ()


def test_clips_that_had_to_be_mended_are_said_in_one_warning(folder):
    for speaker in ("dddd", "eeee"):
        samples = np.full(16000, 2.0, np.float32)
        soundfile.write(folder / "yes" / f"{speaker}_nohash_0.wav", samples, 16000, "FLOAT")
    with pytest.warns(AudioWarning, match="of 14 clips, 2 were read but not quite") as said:
        words = load_speech_commands(folder)
    assert len(said) == 1
    assert len(words) == 14
    assert words.waveforms.abs().max() <= 1.0


def test_good_folder_is_read_without_a_warning(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_speech_commands(folder)


def test_folder_in_which_no_file_can_be_read_is_named(tmp_path):
    (tmp_path / "yes").mkdir()
    (tmp_path / "yes" / "a_nohash_0.wav").write_bytes(b"not a sound")
    with pytest.raises(RecordingsError, match=r"none of 1 files .* the first: «a_nohash_0\.wav»"):
        load_speech_commands(tmp_path)
    (tmp_path / "yes" / "a_nohash_0.wav").rename(tmp_path / "yes" / "a.wav")
    with pytest.raises(RecordingsError, match=r"the first: «yes/a\.wav» does not say who"):
        load_speech_commands(tmp_path)


def test_folder_without_the_words_says_what_was_expected(tmp_path):
    with pytest.raises(RecordingsError, match=r"«.*nowhere» was not found; expected is one folder"):
        load_speech_commands(tmp_path / "nowhere")
    write_clip(tmp_path / "maybe" / "a_nohash_0.wav")
    with pytest.raises(RecordingsError, match="holds none of the words; expected is") as error:
        load_speech_commands(tmp_path)
    assert "one folder for each word (yes, no, up, ...) with WAV or FLAC files" in str(error.value)
    with pytest.raises(RecordingsError, match="is not a folder"):
        load_speech_commands(tmp_path / "maybe" / "a_nohash_0.wav")


@pytest.mark.parametrize("words", [(), "yes", ("yes", "yes"), ("../yes",), (3,), ("",)])
def test_words_that_make_no_sense_are_named(folder, words):
    with pytest.raises(ValueError, match="must be different words, each the name of a folder"):
        load_speech_commands(folder, words=words)


def test_unknown_split_is_named(folder):
    with pytest.raises(ValueError, match="split='exam' must be one of train, validation, test"):
        load_speech_commands(folder, split="exam")


# ---------------------------------------------------------------- real people, if they are here


@pytest.mark.skipif(not PEOPLE.is_dir(), reason="no recordings of people here")
def test_recordings_of_people_are_read():
    words = load_speech_commands(PEOPLE, limit=300)
    assert len(words) == 300
    assert torch.bincount(words.labels).tolist() == [30] * 10
    assert len(words.speaker_names) > 80
    assert words.skipped == ()
    samples, rate = soundfile.read(PEOPLE / words.names[0], dtype="float32")
    assert rate == 16000
    if len(samples) == 16000:
        assert torch.equal(words.waveforms[0], torch.from_numpy(samples))


# ---------------------------------------------------------------- find_recordings


@pytest.fixture
def course(tmp_path, monkeypatch):
    """An empty course in an empty folder, and nothing in the environment."""
    monkeypatch.delenv("SEEING_SOUND_DATA", raising=False)
    home = tmp_path / "main"
    (home / "audio_samples").mkdir(parents=True)
    monkeypatch.setattr(recordings, "course_folder", lambda: home)
    return home


def test_recordings_are_found_in_their_order(course, tmp_path, monkeypatch):
    assert find_recordings() == {}
    shared = tmp_path / "shared" / "data"
    write_clip(shared / "speech_commands" / "yes" / "a_nohash_0.wav")
    write_clip(shared / "fsdd" / "recordings" / "7_jackson_0.wav", sample_rate=8000)
    assert find_recordings() == {
        "speech_commands": shared / "speech_commands",
        "fsdd": shared / "fsdd" / "recordings",
    }
    write_clip(course / "data" / "mini_speech_commands" / "yes" / "a_nohash_0.wav")
    assert find_recordings() == {
        "speech_commands": course / "data" / "mini_speech_commands",
        "fsdd": shared / "fsdd" / "recordings",
    }
    mine = tmp_path / "mine"
    write_clip(mine / "no" / "a_nohash_0.flac")
    monkeypatch.setenv("SEEING_SOUND_DATA", str(mine))
    assert find_recordings() == {"speech_commands": mine}
    monkeypatch.setenv("SEEING_SOUND_DATA", str(tmp_path / "nowhere"))
    assert find_recordings() == {}


# ---------------------------------------------------------------- the mini archive


def mini_archive(n_clips=4):
    """An archive like the mini one: clips, a README, and the notes that macOS leaves behind."""
    clip = io.BytesIO()
    soundfile.write(clip, np.full(16000, 0.1, np.float32), 16000, format="WAV")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("mini_speech_commands/README.md", "words")
        for number in range(n_clips):
            name = f"mini_speech_commands/{WORDS[number % 2]}/aaaa_nohash_{number}.wav"
            bundle.writestr(name, clip.getvalue())
            bundle.writestr(f"__MACOSX/{name.replace('aaaa', '._aaaa')}", "a note")
    return archive.getvalue()


def use_server(monkeypatch, served, content):
    served.content = content
    monkeypatch.setattr(speech_commands, "_MINI_URL", served.url)
    monkeypatch.setattr(speech_commands, "_MINI_BYTES", len(content))
    monkeypatch.setattr(speech_commands, "_MINI_SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(speech_commands, "_MINI_CLIPS", 4)


def test_mini_archive_is_downloaded_unpacked_and_loaded(tmp_path, monkeypatch, served):
    use_server(monkeypatch, served, mini_archive())
    clips = download_speech_commands_mini(tmp_path / "data", report=None)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["mini_speech_commands"]
    words = load_speech_commands(clips)
    assert len(words) == 4
    assert words.skipped == ()
    n_before = len(served.requests)
    assert download_speech_commands_mini(tmp_path / "data", report=None) == clips
    assert len(served.requests) == n_before  # it is there: nobody is asked
    (clips / "yes" / "aaaa_nohash_0.wav").unlink()
    download_speech_commands_mini(tmp_path / "data", report=None, keep_archive=True)
    assert len(load_speech_commands(clips)) == 4
    assert (tmp_path / "data" / "mini_speech_commands.zip").is_file()


def test_mini_archive_with_other_contents_is_refused(tmp_path, monkeypatch, served):
    use_server(monkeypatch, served, mini_archive(n_clips=3))
    with pytest.raises(DownloadError, match=r"3 clips came out of mini_speech_commands\.zip"):
        download_speech_commands_mini(tmp_path, report=None)
    use_server(monkeypatch, served, mini_archive())
    monkeypatch.setattr(speech_commands, "_MINI_SHA256", "0" * 64)
    (tmp_path / "mini_speech_commands.zip").unlink()
    with pytest.raises(DownloadError, match="checksum is not the one that is known"):
        download_speech_commands_mini(tmp_path, report=None)
