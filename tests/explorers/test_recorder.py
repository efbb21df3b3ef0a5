"""Recorder, upload and list without a browser: what the page may send, and what comes of it."""

import io
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import bytes_in, your_sound
from course_utils.audio_io import AudioError, load_audio
from course_utils.recorder import Recorder
from course_utils.signal import make_tone, peak_dbfs, resample
from course_utils.your_sound import SoundFolders, SoundPicker, YourSound, clean_name, pick_sound


class Page:
    """What the page's half does: sends bytes in pieces, and waits for the answers."""

    def __init__(self, widget, piece_bytes=100_000):
        self.widget, self.piece_bytes, self.answers, self.number = widget, piece_bytes, [], 0
        widget.send = lambda content, buffers=None: self.answers.append(content)

    def say(self, content, buffers=()):
        self.widget._on_message(self.widget, content, list(buffers))

    def send(self, content, **about):
        self.number += 1
        self.say({"type": "start", "id": self.number, "n_bytes": len(content), "about": about})
        for start in range(0, len(content), self.piece_bytes):
            piece = memoryview(content[start : start + self.piece_bytes])
            self.say({"type": "piece", "id": self.number, "start": start}, [piece])
        return self.answers[-1]["type"] if self.answers else None


def sine(n_samples=16_000, rate=16_000):
    return (0.25 * np.sin(2 * np.pi * 440 * np.arange(n_samples) / rate)).astype("<f4")


def encode(samples, fmt="WAV", rate=16_000, subtype=None):
    file = io.BytesIO()
    soundfile.write(file, np.asarray(samples), rate, format=fmt, subtype=subtype)
    return file.getvalue()


# ---------------------------------------------------------------- recorder


def test_a_recording_arrives_as_the_browser_made_it():
    recorder, samples = Recorder(), sine(48_000, 48_000)
    assert recorder.waveform is None
    assert Page(recorder).send(samples.tobytes(), sample_rate=48_000) == "taken"
    assert torch.equal(recorder.original, torch.from_numpy(samples))
    assert recorder.browser_sample_rate == 48_000
    assert recorder.error == ""
    assert "Kept: 1.00 s, recorded at 48000 Hz, resampled to 16000 Hz, peak −12.0" in recorder.said


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100, 48_000, 96_000, 384_000])
def test_a_second_of_any_browser_is_a_second_at_the_course_s_rate(rate):
    tone = make_tone(440.0, sample_rate=rate, level_dbfs=-20.0)
    recorder = Recorder(sample_rate=16_000)
    Page(recorder).send(tone.numpy().astype("<f4").tobytes(), sample_rate=float(rate))
    assert recorder.waveform.shape == (16_000,)
    assert recorder.waveform.dtype == torch.float32
    expected = resample(tone.float(), sample_rate=rate, new_sample_rate=16_000)
    torch.testing.assert_close(recorder.waveform, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("level", [1e-4, 0.01, 0.25, 1.0])
def test_nothing_is_normalised(level):
    recorder = Recorder()
    Page(recorder).send((level * 4 * sine()).tobytes(), sample_rate=16_000)
    assert float(peak_dbfs(recorder.waveform)) == pytest.approx(20 * np.log10(level), abs=0.01)


@pytest.mark.parametrize(
    ("samples", "hint"),
    [
        (
            np.zeros(16_000, "<f4"),
            "no sound at all. Every sample is zero: is the microphone muted?",
        ),
        (0.001 * sine(), "That is very quiet: go closer to the microphone."),
        ((8 * sine()).clip(-1, 1), "samples are at full scale: it was too loud and clips."),
        (sine(100), "That is very short."),
        (np.where(np.arange(16_000) < 3, np.nan, sine()), "3 samples were not numbers"),
    ],
    ids=["silent", "quiet", "clipped", "short", "NaN"],
)
def test_a_recording_that_could_be_better_is_told_so(samples, hint):
    recorder = Recorder()
    assert Page(recorder).send(samples.astype("<f4").tobytes(), sample_rate=16_000) == "taken"
    assert hint in recorder.said
    assert torch.isfinite(recorder.waveform).all()
    assert recorder.waveform.abs().max() <= 1.0


def test_the_callbacks_get_the_waveform_and_its_rate():
    kept = []
    recorder = Recorder(sample_rate=8000, on_keep=lambda *sound: kept.append(sound))
    recorder.on_keep(lambda waveform, rate: kept.append(rate))
    Page(recorder).send(sine().tobytes(), sample_rate=16_000)
    (waveform, rate), second = kept
    assert torch.equal(waveform, recorder.waveform)
    assert rate == second == recorder.sample_rate == 8000
    with pytest.raises(TypeError, match="on_keep needs a function, got int"):
        recorder.on_keep(3)


def test_an_error_in_a_callback_is_said_in_the_widget_and_the_recording_is_there():
    def explore(waveform, sample_rate):
        raise RuntimeError("no idea\nwhat to do")

    recorder = Recorder(on_keep=explore)
    assert Page(recorder).send(sine().tobytes(), sample_rate=16_000) == "refused"
    assert (
        recorder.error == "The sound is here, but explore raised RuntimeError: no idea what to do."
    )
    assert recorder.waveform.shape == (16_000,)


def test_thirty_seconds_at_the_highest_rate_fit_and_more_is_refused():
    recorder = Recorder(seconds=30.0)
    assert recorder._most_bytes() == 4 * 30 * 384_000
    page = Page(recorder)
    page.say({"type": "start", "id": 1, "n_bytes": recorder._most_bytes() + 1, "about": {}})
    assert page.answers[-1]["type"] == "refused"
    assert "at most 46.08 MB can be taken" in recorder.error


@pytest.mark.parametrize("start", [0, 2000, None], ids=["twice", "one is missing", "no place"])
def test_a_piece_that_was_lost_is_noticed(start):
    recorder = Recorder()
    page = Page(recorder)
    page.say({"type": "start", "id": 1, "n_bytes": 3000, "about": {"sample_rate": 16_000}})
    page.say({"type": "piece", "id": 1, "start": 0}, [bytes(1000)])
    page.say({"type": "piece", "id": 1, "start": start}, [bytes(1000)])
    assert page.answers[-1]["type"] == "refused"
    assert recorder.error == "A part of the sound was lost on its way. Please try again."
    assert recorder.waveform is None


def test_a_new_recording_takes_the_place_of_one_that_was_stopped():
    recorder = Recorder()
    page = Page(recorder)
    page.say({"type": "start", "id": 90, "n_bytes": 64_000, "about": {"sample_rate": 16_000}})
    page.say({"type": "piece", "id": 90, "start": 0}, [b"1" * 1000])
    assert page.send(sine().tobytes(), sample_rate=16_000) == "taken"
    n_answers = len(page.answers)
    page.say({"type": "piece", "id": 90, "start": 1000}, [b"1" * 1000])  # late
    assert len(page.answers) == n_answers
    assert torch.equal(recorder.waveform, torch.from_numpy(sine()))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"seconds": 0}, "seconds=0 must be a number from 0.1 to 30"),
        ({"seconds": 31.0}, "seconds=31.0 must be"),
        ({"seconds": float("nan")}, "seconds=nan must be"),
        ({"seconds": "1"}, "seconds='1' must be"),
        ({"sample_rate": 100}, "sample_rate=100 must be an integer from 4000 to 384000 Hz"),
        ({"sample_rate": 16_000.0}, "sample_rate=16000.0 must be"),
        ({"countdown_s": -1}, "countdown_s=-1 must be a whole number from 0 to 10"),
        ({"countdown_s": 1.5}, "countdown_s=1.5 must be"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named(arguments, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        Recorder(**arguments)


def test_where_no_widget_lives_there_is_a_fixed_text():
    (data, _), (again, _) = (Recorder(seconds=5.0)._repr_mimebundle_() for _ in range(2))
    assert data["text/plain"] == again["text/plain"] == "Recorder(seconds=5, sample_rate=16000)"
    assert "run this cell" in data["text/markdown"]


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([]),
    st.dictionaries(st.sampled_from(["sample_rate", "name"]), st.floats() | st.text(max_size=9)),
)  # fmt: skip
messages = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["start", "piece", "stop", "look", "have", "", None]),
        "id": st.integers(1, 2) | anything,
        "n_bytes": st.integers(-5, 100) | st.just(10**15) | anything,
        "start": st.integers(-5, 100) | anything,
        "about": st.just({"sample_rate": 16_000}) | anything,
    },
)
buffers = st.lists(st.binary(max_size=60) | st.none(), max_size=2)


@pytest.mark.parametrize("make", [Recorder, lambda: SoundPicker(start=None)], ids=["rec", "pick"])
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(conversation=st.lists(st.tuples(messages | anything, buffers), max_size=6))
def test_whatever_the_page_says_nothing_breaks(make, conversation, tmp_path_factory):
    widget = make()
    if isinstance(widget, SoundPicker):
        widget.folders = SoundFolders(tmp_path_factory.mktemp("random"))
    page = Page(widget)
    for content, those in conversation:
        page.say(content, those)
    assert "\n" not in widget.error
    assert len(widget.error) < 250
    page.number = 1000
    if isinstance(widget, Recorder):
        assert page.send(sine().tobytes(), sample_rate=16_000) == "taken"
        assert widget.waveform.shape == (16_000,)


# ---------------------------------------------------------------- folders


@pytest.fixture
def folders(tmp_path):
    """Two folders with some sounds, and a secret outside of them."""
    for name in ("audio_samples", "uploads", "elsewhere"):
        (tmp_path / name).mkdir()
    for place in ("audio_samples/spoken_word.flac", "uploads/mine.wav", "elsewhere/secret.wav"):
        fmt = "FLAC" if place.endswith("flac") else "WAV"
        (tmp_path / place).write_bytes(encode(sine(), fmt))
    return SoundFolders(tmp_path)


def test_only_sounds_of_the_two_folders_are_listed(folders, tmp_path):
    uploads = tmp_path / "uploads"
    for name in ("notes.txt", ".hidden.wav", "noise.bin"):
        (uploads / name).write_bytes(b"x")
    (uploads / "deeper.wav").mkdir()
    (uploads / "Another.MP3").write_bytes(b"not read before it is chosen")
    found = folders.listing()
    assert [one["id"] for one in found] == [
        "audio_samples/spoken_word.flac", "uploads/Another.MP3", "uploads/mine.wav",
    ]  # fmt: skip
    assert found[2] == {
        "id": "uploads/mine.wav", "folder": "uploads", "name": "mine.wav", "n_bytes": 32_044,
    }  # fmt: skip


@pytest.mark.parametrize(
    "sound_id",
    [
        "elsewhere/secret.wav", "uploads/../elsewhere/secret.wav", "../x/uploads/mine.wav",
        "/etc/passwd", "uploads", "uploads/", "", "uploads\\mine.wav", "mine.wav", "uploads//etc",
        "uploads/..", "audio_samples/../uploads/mine.wav", "UPLOADS/mine.wav", "uploads/\0.wav",
        "uploads/" + "x" * 5000 + ".wav", None, 3,
    ],
)  # fmt: skip
def test_nothing_outside_can_be_picked(folders, sound_id):
    with pytest.raises(AudioError, match=r"is not a|is not among") as error:
        folders.path(sound_id)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250


def test_a_folder_in_the_folder_is_not_looked_into(folders, tmp_path):
    (tmp_path / "uploads" / "deep").mkdir()
    (tmp_path / "uploads" / "deep" / "x.wav").write_bytes(encode(sine()))
    assert len(folders.listing()) == 2
    with pytest.raises(AudioError, match="is not a file of audio_samples/ or uploads/"):
        folders.path("uploads/deep/x.wav")


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="no links here")
def test_a_link_out_of_the_folder_is_not_followed(folders, tmp_path):
    uploads = tmp_path / "uploads"
    (uploads / "out.wav").symlink_to(tmp_path / "elsewhere" / "secret.wav")
    (uploads / "gone.wav").symlink_to(tmp_path / "nothing.wav")
    (uploads / "circle.wav").symlink_to(uploads / "circle.wav")
    (uploads / "inside.wav").symlink_to(uploads / "mine.wav")
    (uploads / "device.wav").symlink_to("/dev/zero")
    os.mkfifo(uploads / "pipe.wav")
    names = [one["name"] for one in folders.listing()]
    assert names == ["spoken_word.flac", "inside.wav", "mine.wav"]
    for name in ("out", "gone", "circle", "device"):
        with pytest.raises(AudioError, match="is a link to a place outside of uploads/"):
            folders.path(f"uploads/{name}.wav")
    with pytest.raises(AudioError, match="is not among the sounds of uploads/"):
        folders.path("uploads/pipe.wav")


def test_a_thousand_files_are_not_all_listed(folders, tmp_path):
    for number in range(300):
        (tmp_path / "uploads" / f"{number:03}.wav").write_bytes(b"x")
    assert len(folders.listing()) == 1 + your_sound.MOST_LISTED


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_no_text_is_left_out(folders, tmp_path):
    (tmp_path / "uploads" / "new\nline.wav").write_bytes(b"x")
    try:
        path = os.fsencode(tmp_path / "uploads") + b"/\xff\xfe.wav"
        with open(path, "wb") as file:
            file.write(b"x")
    except OSError:
        pass  # a file system that takes only text
    names = [one["name"] for one in folders.listing()]
    assert names == ["spoken_word.flac", "mine.wav"]
    json.dumps(names, ensure_ascii=False).encode()  # as the message to the page is made


def test_there_is_a_folder_to_drag_sounds_into(folders, tmp_path):
    shutil.rmtree(tmp_path / "uploads")
    SoundPicker(folders=folders)
    assert (tmp_path / "uploads").is_dir()


def test_without_the_folders_the_list_is_empty(tmp_path):
    assert SoundFolders(tmp_path / "nowhere").listing() == []
    picker = SoundPicker(start=None, folders=SoundFolders(tmp_path))
    assert (picker.sounds, picker.waveform, picker.sample_rate) == ([], None, None)


@pytest.mark.parametrize(
    ("name", "content", "clean"),
    [
        ("dog.wav", b"", "dog.wav"),
        ("../../etc/cron.d/dog.wav", b"", "dog.wav"),
        ("C:\\Users\\me\\dog.wav", b"", "dog.wav"),
        ("ein Tön 名前.flac", b"", "ein Tön 名前.flac"),
        ("a<b>:c|d?*\0\n.wav", b"", "abcd.wav"),
        ("...", b"fLaC", "upload.flac"),
        ("", b"RIFF", "upload.wav"),
        (None, b"", "upload.mp3"),
        ("CON.wav", b"", "_CON.wav"),
        ("sound.exe", b"OggS", "sound.exe.ogg"),
        ("x" * 300 + ".wav", b"", "x" * 76 + ".wav"),
        ("名" * 300 + ".wav", b"", "名" * 66 + ".wav"),
        (".hidden.wav", b"", "hidden.wav"),
    ],
)
def test_names_of_uploads_are_cleaned(name, content, clean):
    assert clean_name(name, content) == clean


# ---------------------------------------------------------------- picker


@pytest.fixture
def picker(folders):
    return SoundPicker(start="audio_samples/spoken_word.flac", folders=folders)


def test_the_first_sound_is_the_bundled_one(picker):
    assert picker.chosen == "audio_samples/spoken_word.flac"
    assert picker.sample_rate == 16_000
    assert picker.said == "«spoken_word.flac»: 1.00 s at 16000 Hz, peak −12.0 dBFS."


def test_what_is_chosen_in_the_list_is_loaded(picker):
    picker.chosen = "uploads/mine.wav"
    assert (picker.sound.name, picker.error) == ("mine.wav", "")
    torch.testing.assert_close(picker.waveform, torch.from_numpy(sine()), atol=1e-4, rtol=0)


def test_a_sound_that_cannot_be_read_is_said_and_the_one_before_stays(picker, tmp_path):
    (tmp_path / "uploads" / "broken.wav").write_bytes(b"RIFF\x24\0\0\0WAVE")
    (tmp_path / "uploads" / "gone.wav").write_bytes(encode(sine()))
    picker.refresh()
    (tmp_path / "uploads" / "gone.wav").unlink()
    for sound_id, words in (
        ("uploads/broken.wav", "«broken.wav» is damaged"),
        ("uploads/gone.wav", "«gone.wav» is not among the sounds of uploads/ any more"),
        ("../secret", "«../secret» is not a file of audio_samples/ or uploads/"),
    ):
        picker.chosen = sound_id
        assert words in picker.error
        assert picker.error.endswith(".")
        assert picker.chosen == "audio_samples/spoken_word.flac"
        assert picker.sound.name == "spoken_word.flac"
        with pytest.raises(AudioError):
            picker.pick(sound_id)
    picker.chosen = "uploads/mine.wav"
    assert picker.error == ""


def test_looking_again_finds_what_was_dragged_into_the_folder(picker, tmp_path):
    (tmp_path / "uploads" / "new.wav").write_bytes(encode(sine()))
    Page(picker).say({"type": "look"})
    assert "uploads/new.wav" in [one["id"] for one in picker.sounds]


def test_every_sound_is_resampled_where_that_is_asked_for(folders):
    picker = SoundPicker(folders=folders, sample_rate=8000)
    assert (picker.sample_rate, len(picker.waveform)) == (8000, 8000)


def test_what_was_cut_or_mended_is_said(picker, tmp_path):
    (tmp_path / "uploads" / "loud.wav").write_bytes(encode(40 * sine(), subtype="FLOAT"))
    picker.pick("uploads/loud.wav")
    assert "«loud.wav» goes beyond full scale: it was turned down by 20.0 dB." in picker.said


@pytest.mark.parametrize("fmt", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_an_uploaded_sound_is_loaded_and_kept(picker, tmp_path, fmt):
    content = encode(sine(), fmt)
    assert Page(picker, 1000).send(content, name=f"my {fmt}.{fmt.lower()}") == "taken"
    assert picker.sound.name == f"my {fmt}.{fmt.lower()}"
    assert picker.chosen == f"uploads/my {fmt}.{fmt.lower()}"
    assert (tmp_path / picker.chosen).read_bytes() == content
    assert torch.equal(picker.waveform, load_audio(content)[0])
    assert picker.chosen in [one["id"] for one in picker.sounds]


def test_the_same_upload_is_kept_once_and_another_never_overwrites_it(picker, tmp_path):
    page = Page(picker)
    for samples in (sine(), sine(), 0.5 * sine()):
        page.send(encode(samples), name="mine.wav")
    names = sorted(path.name for path in (tmp_path / "uploads").iterdir())
    assert names == ["mine (2).wav", "mine.wav"]
    assert picker.chosen == "uploads/mine (2).wav"


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "empty.wav", "«empty.wav» is empty (0 bytes)"),
        (b"I am no sound", "song.wav", "«song.wav» is not a sound file of a known kind"),
        (b"\0\0\0\x20ftypM4A " + bytes(50), "voice.m4a", "«voice.m4a» is an MP4 or M4A file"),
        (encode(sine())[:40], "half.wav", "«half.wav»"),
        (b"x", "../../out.wav", "«../../out.wav» is not a sound file"),
        (b"x", None, "the uploaded sound is not a sound file"),
    ],
    ids=["empty", "text", "M4A", "broken", "path", "no name"],
)
def test_a_bad_upload_is_said_and_nothing_is_kept(picker, tmp_path, content, name, words):
    before = sorted(tmp_path.rglob("*"))
    assert Page(picker).send(content, name=name) == "refused"
    assert words.lower() in picker.error.lower()
    assert picker.error.endswith(".")
    assert picker.sound.name == "spoken_word.flac"
    assert sorted(tmp_path.rglob("*")) == before


def test_an_upload_that_is_too_large_is_refused_before_it_is_sent(picker):
    page = Page(picker)
    page.say({"type": "start", "id": 5, "n_bytes": picker.most_bytes + 1, "about": {}})
    assert page.answers == [{"type": "refused", "id": 5}]
    assert "at most 64 MB can be taken" in picker.error


def test_a_sound_that_cannot_be_kept_is_used_all_the_same(picker, tmp_path):
    shutil.rmtree(tmp_path / "uploads")
    (tmp_path / "uploads").write_text("a file in the way")
    assert Page(picker).send(encode(sine()), name="mine.wav") == "taken"
    assert picker.sound.name == "mine.wav"
    assert "It could not be kept in uploads/ (" in picker.said


def test_an_error_of_the_lesson_s_function_is_said(folders):
    def explore(waveform, rate):
        raise KeyError("x")

    picker = SoundPicker(folders=folders, on_change=explore)
    assert picker.error == ""  # the first sound is nobody's choice
    picker.chosen = "uploads/mine.wav"
    assert "explore raised KeyError" in picker.error
    assert picker.sound.name == "mine.wav"
    with pytest.raises(TypeError, match="on_change needs a function, got str"):
        SoundPicker(folders=folders, on_change="explore")


def test_pick_sound_finds_the_course_s_folders():
    assert "audio_samples/chirp.flac" in [one["id"] for one in pick_sound().sounds]
    assert repr(pick_sound()) == "SoundPicker(audio_samples/spoken_word.flac)"
    with pytest.raises(AudioError, match="not among the sounds"):
        pick_sound("audio_samples/nothing.wav")


# ---------------------------------------------------------------- both together


@pytest.fixture
def mine(folders):
    heard = []
    made = your_sound.your_sound(folders=folders, on_change=lambda *sound: heard.append(sound))
    made.heard = heard
    return made


def test_before_anything_is_yours_there_is_a_bundled_sound_and_it_says_so(mine):
    assert isinstance(mine, YourSound)
    assert (mine.name, mine.is_yours, mine.sample_rate) == ("spoken_word.flac", False, 16_000)
    assert mine.view.notes == ["Until there is a sound of yours, this is «spoken_word.flac»."]
    assert mine.heard == []
    assert repr(mine) == "YourSound: spoken_word.flac, 1.000 s at 16000 Hz"


def test_a_recording_becomes_the_sound(mine):
    Page(mine.recorder).send(sine(44_100, 44_100).tobytes(), sample_rate=44_100)
    assert (mine.name, mine.is_yours) == ("your recording", True)
    assert torch.equal(mine.waveform, mine.recorder.waveform)
    assert mine.view.n_samples == 16_000
    assert mine.view.notes == []
    assert mine.widget.children[1] is mine.view
    assert [rate for _, rate in mine.heard] == [16_000]


def test_a_choice_and_an_upload_become_the_sound(mine):
    mine.picker.chosen = "uploads/mine.wav"
    assert (mine.name, mine.is_yours) == ("mine.wav", True)
    Page(mine.picker).send(encode(sine(8000), rate=8000), name="new.wav")
    assert (mine.name, mine.sample_rate, len(mine.waveform)) == ("new.wav", 16_000, 16_000)
    assert len(mine.heard) == 2


def test_large_type_of_the_player_is_that_of_all_parts_and_stays(mine):
    mine.view.large_type = True
    mine.picker.chosen = "uploads/mine.wav"
    assert (mine.view.large_type, mine.recorder.large_type, mine.picker.large_type) == (True,) * 3
    mine.view.large_type = False
    assert (mine.recorder.large_type, mine.picker.large_type) == (False, False)


def test_it_shows_itself_with_a_picture(mine):
    data, metadata = mine._repr_mimebundle_()
    assert data["text/plain"] == repr(mine)
    assert len(data["image/png"]) > 1000
    assert metadata["image/png"]["alt"] == repr(mine)


# ---------------------------------------------------------------- JavaScript


@pytest.mark.parametrize("name", ["recorder.js", "your_sound.js"])
def test_a_widget_is_one_module_that_loads_nothing(name):
    text = bytes_in.module_text(name)
    assert text.count("export default") == 1
    assert not re.search(r"\"https?://|\bimport\s*\(|^\s*import\s|@import|url\(", text, re.M)
    assert (bytes_in._FOLDER / "recorder.css").is_file()


HELPERS = """
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
const load = async (name) => {
  const text = ["bytes_in.js", name].map((one) => readFileSync(one, "utf8")).join("\\n");
  return import("data:text/javascript;base64," + Buffer.from(text).toString("base64"));
};
const rec = await load("recorder.js"), pick = await load("your_sound.js");

// levels
assert.equal(rec.dbfs(1), 0);
assert.equal(rec.dbfs(0), -Infinity);
assert.equal(rec.dbText(-12.34), "\\u221212.3 dBFS");
assert.deepEqual([0, -30, -60, -90, -Infinity, 6].map(rec.meterPlace), [1, 0.5, 0, 0, 0, 1]);
assert.equal(rec.peakOf(new Float32Array([0.25, -0.5])), 0.5);
assert.match(rec.hint(0), /zero/);
assert.match(rec.hint(1), /clips/);
assert.match(rec.hint(0.005), /quiet/);
assert.equal(rec.hint(0.3), "");
assert.deepEqual(rec.envelope(new Float32Array([1, -1, 0.5, 0]), 2), [[-1, 1], [0, 0.5]]);
assert.equal(rec.stillOn({ echoCancellation: true, autoGainControl: false }), "echo cancellation");
for (const name of ["echoCancellation", "noiseSuppression", "autoGainControl"])
  assert.equal(rec.CONSTRAINTS[name], false);

// why there is no microphone
const page = { isSecureContext: true, origin: "http://1.2.3.4", hasDevices: true };
assert.equal(rec.whyNoMicrophone(page), "");
const insecure = rec.whyNoMicrophone({ ...page, isSecureContext: false });
assert.match(insecure, /https.*from http:..1.2.3.4/);
assert.match(rec.whyNoMicrophone({ ...page, hasDevices: false }), /cannot record/);
for (const [name, words] of [["NotAllowedError", /refused/], ["NotFoundError", /No microphone/],
    ["NotReadableError", /another program/], ["OverconstrainedError", /OverconstrainedError/]]) {
  const text = rec.microphoneWords({ name });
  assert.match(text, words);
  assert.match(text, /Or upload a recording instead\\.$/);
}
assert.match(rec.microphoneWords(undefined), /unknown reason/);

// files
assert.equal(pick.sizeText(999), "999 bytes");
assert.equal(pick.sizeText(64e6), "64 MB");
assert.equal(pick.sizeText(1.25e6), "1.3 MB");
assert.equal(pick.whyNot({ name: "a.wav", size: 64e6 }, 64e6), "");
assert.match(pick.whyNot({ name: "a.wav", size: 64e6 + 1 }, 64e6), /a\\.wav.*more than 64 MB/);
assert.match(pick.whyNot({ name: "a.wav", size: 0 }, 64e6), /empty/);
const sounds = [{ folder: "b", id: 1 }, { folder: "a", id: 2 }];
assert.deepEqual([...pick.byFolder(sounds).keys()], ["b", "a"]);

// the way to the kernel: pieces in order, few at a time, every one answered
class Model {
  constructor(kernel) { Object.assign(this, { kernel, log: [], most: 0, there: 0, sent: 0 }); }
  on(_, hear) { this.hear = hear; }
  off() { this.hear = null; }
  send(content, _, buffers) {
    this.log.push(content);
    if (content.type === "piece") this.sent += buffers[0].byteLength;
    this.most = Math.max(this.most, this.sent - this.there);
    setTimeout(() => this.kernel(this, content, buffers), 1);
  }
}
const good = (model, content, buffers) => {
  if (content.type === "start") model.all = content.n_bytes;
  if (content.type === "piece") {
    assert.equal(content.start, model.there);
    model.there += buffers[0].byteLength;
  }
  model.hear?.({ type: "have", id: content.id, n_bytes: model.there });
  if (model.there === model.all) model.hear?.({ type: "taken", id: content.id });
};
const bytes = new Uint8Array(3_000_001);
const read = async (a, b) => bytes.slice(a, b).buffer;
const shares = [];
let model = new Model(good);
const onShare = (share) => shares.push(share);
const send = (model, nBytes, how = {}) => rec.sendBytes(model, { nBytes, about: {}, read, ...how });
assert.equal(await send(model, bytes.length, { onShare }).done, true);
assert.equal(model.there, bytes.length);
assert.ok(model.most <= 1024 * 1024, `${model.most} bytes on the way`);
assert.equal(shares.at(-1), 1);
assert.equal(model.hear, null);

model = new Model(good);
assert.equal(await send(model, 0).done, true);

model = new Model((m, { id }) => m.hear?.({ type: "refused", id }));
assert.equal(await send(model, 9).done, false);

model = new Model(good);
const moved = async () => { throw new Error("moved"); };
await assert.rejects(send(model, 9, { read: moved }).done);
assert.equal(model.log.at(-1).type, "stop");

model = new Model(() => {});
const stopped = send(model, 9);
stopped.stop();
assert.equal(await stopped.done, false);
console.log("all right");
"""


def test_helpers_under_node(tmp_path):
    node = shutil.which("node")
    if node is None:
        if os.environ.get("SEEING_SOUND_REQUIRE_BROWSER"):
            pytest.fail("node is not installed")
        pytest.skip("node is not installed")
    (tmp_path / "helpers.mjs").write_text(HELPERS, encoding="utf-8")
    run = subprocess.run(
        [node, tmp_path / "helpers.mjs"],
        cwd=bytes_in._FOLDER, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.stdout.strip() == "all right", run.stderr
