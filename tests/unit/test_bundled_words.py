"""The bundled words: the table says everything, and what is damaged is named."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from course_utils.audio_io import save_audio
from course_utils.data.bundled_words import load_bundled_words
from course_utils.data.clip_files import RecordingsError
from course_utils.data.spoken_words import WORDS
from course_utils.signal import make_tone

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "audio_samples" / "words"
COLUMNS = ["file", "word", "engine", "voice", "split", "tempo", "pitch", "gain_db", "start_ms"]
VOICES = [("flite", "slt", "train"), ("espeak", "en-gb", "validation"), ("pico", "us", "test")]


def table_of(folder):
    with (folder / "words.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_table(folder, rows, columns=COLUMNS):
    with (folder / "words.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def folder(tmp_path):
    """A set like the bundled one, of three voices: each clip a tone that tells its word."""
    rows = []
    for label, word in enumerate(WORDS):
        (tmp_path / word).mkdir()
        tone = make_tone(300.0 + 100.0 * label, sample_rate=16000, level_dbfs=-12.0)
        for engine, voice, split in VOICES:
            name = f"{word}/{engine}_{voice}_00.flac"
            save_audio(tmp_path / name, tone, sample_rate=16000)
            rows.append(dict.fromkeys(COLUMNS, "0"))
            rows[-1].update(file=name, word=word, engine=engine, voice=voice, split=split)
    write_table(tmp_path, rows)
    return tmp_path


def test_table_becomes_words(folder):
    words = load_bundled_words(folder=folder)
    assert words.waveforms.shape == (30, 16000)
    assert words.waveforms.dtype == torch.float32
    assert words.label_names == WORDS
    assert words.names[0] == "yes/flite_slt_00.flac"
    assert words.speaker_names == ("espeak/en-gb", "flite/slt", "pico/us")
    assert words.labels.tolist() == [label for label in range(10) for _ in VOICES]
    peak_hz = torch.fft.rfft(words.waveforms).abs().argmax(dim=-1)  # one second: bins are Hz
    assert torch.equal(peak_hz, 300 + 100 * words.labels)
    assert words.skipped == ()


@pytest.mark.parametrize(("split", "speaker"), [(s, f"{e}/{v}") for e, v, s in VOICES])
def test_split_is_the_one_of_the_table(folder, split, speaker):
    words = load_bundled_words(split, folder=folder)
    assert len(words) == 10
    assert words.speaker_names == (speaker,)


def test_it_is_said_that_nobody_speaks(folder):
    origin = load_bundled_words(folder=folder).origin
    assert origin == "synthetic voices of espeak, flite, pico; no human speaks"


def test_unknown_split_is_named(folder):
    with pytest.raises(ValueError, match="split='testing' must be one of train, validation, test"):
        load_bundled_words("testing", folder=folder)


def test_split_without_a_clip_is_named(folder):
    write_table(folder, [row for row in table_of(folder) if row["split"] != "test"])
    with pytest.raises(RecordingsError, match=r"words\.csv has no clip of the split test"):
        load_bundled_words("test", folder=folder)


def test_missing_folder_and_table_are_named(tmp_path):
    with pytest.raises(RecordingsError, match=r"«.*nowhere» was not found; expected is the"):
        load_bundled_words(folder=tmp_path / "nowhere")
    with pytest.raises(RecordingsError, match=r"words\.csv cannot be read \(No such file"):
        load_bundled_words(folder=tmp_path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"word": "maybe"}, "line 4 of words.csv: word='maybe' is none of the ten words"),
        ({"split": "exam"}, "line 4 of words.csv: split='exam' must be one of"),
        ({"engine": ""}, "line 4 of words.csv: engine is empty"),
        ({"file": "../../secret.flac"}, "must be a path below the folder"),
        ({"file": "/etc/secret.flac"}, "must be a path below the folder"),
        ({"file": "C:\\secret.flac"}, "must be a path below the folder"),
        ({"file": "yes/nothing.flac"}, "«nothing.flac» was not found"),
    ],
    ids=lambda value: "".join(value.values()) if isinstance(value, dict) else "",
)
def test_wrong_cell_is_named(folder, change, match):
    rows = table_of(folder)
    rows[2].update(change)
    write_table(folder, rows)
    with pytest.raises(RecordingsError, match=match) as error:
        load_bundled_words(folder=folder)
    assert "\n" not in str(error.value)


def test_missing_column_is_named(folder):
    write_table(folder, table_of(folder), [name for name in COLUMNS if name != "voice"])
    with pytest.raises(RecordingsError, match=r"words\.csv has no column 'voice'; get the course"):
        load_bundled_words(folder=folder)


def test_table_that_is_no_text_is_named(folder):
    (folder / "words.csv").write_bytes(b"file,word\n\xff\xfe\x00")
    with pytest.raises(RecordingsError, match=r"words\.csv cannot be read"):
        load_bundled_words(folder=folder)


def test_damaged_clip_is_named(folder):
    (folder / "no" / "flite_slt_00.flac").write_bytes(b"fLaC" + bytes(50))
    with pytest.raises(RecordingsError, match=r"«flite_slt_00\.flac» is damaged"):
        load_bundled_words(folder=folder)


def test_bundled_words_are_whole_and_their_voices_disjoint():
    words = load_bundled_words()
    parts = {split: load_bundled_words(split) for split in ("train", "validation", "test")}
    assert sum(len(part) for part in parts.values()) == len(words) == len(set(words.names))
    voices = [set(part.speaker_names) for part in parts.values()]
    assert sum(len(part) for part in voices) == len(set.union(*voices))
    engines = {
        split: {n.split("/")[0] for n in part.speaker_names} for split, part in parts.items()
    }
    assert engines["test"] - engines["train"] == {"hibari", "pico"}  # whole engines held out
    assert "rhvoice" in engines["validation"] - engines["train"] - engines["test"]
    for part in (words, *parts.values()):
        counts = torch.bincount(part.labels, minlength=len(WORDS))
        assert counts.min() > 0.8 * counts.max()  # no word is much rarer than another
    assert torch.isfinite(words.waveforms).all()
    assert (words.waveforms.abs().amax(dim=-1) > 0.005).all()  # none is silent


def test_installed_package_finds_the_words_beside_the_notebooks(folder, tmp_path_factory):
    """Without the editable install, the package does not lie beside audio_samples."""
    site, course = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "course_utils", site / "course_utils")
    (course / "audio_samples").mkdir()
    (course / "notebooks").mkdir()
    shutil.copytree(folder, course / "audio_samples" / "words")
    code = (
        "import course_utils; from course_utils.data.bundled_words import load_bundled_words;"
        "print(len(load_bundled_words()), course_utils.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=course / "notebooks",
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["30", str(site / "course_utils" / "__init__.py")]
