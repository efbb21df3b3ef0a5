"""The spoken words in ``audio_samples/words/``: what the table says is what lies there."""

import csv
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tools import make_word_samples as script

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "audio_samples" / "words"
WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
COLUMNS = ["file", "word", "engine", "voice", "split", "tempo", "pitch", "gain_db", "start_ms"]
LARGEST_BYTES = 12_000_000
TEST_ENGINES = {"pico", "hibari"}
VALIDATION_ENGINES = {"rhvoice"}


def read_rows() -> list[dict[str, str]]:
    """Return the rows of words.csv."""
    with (FOLDER / "words.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def rows():
    return read_rows()


@pytest.fixture(scope="module")
def samples(rows):
    """Every clip's 16-bit samples ``(16000,)`` by file name."""
    return {row["file"]: soundfile.read(FOLDER / row["file"], dtype="int16")[0] for row in rows}


def word_of(clip: np.ndarray) -> np.ndarray:
    """Cut the digital silence around a word ``(time,)`` away."""
    sounding = np.flatnonzero(clip)
    return clip[sounding[0] : sounding[-1] + 1]


def test_table_names_exactly_the_files_of_the_folder(rows):
    files = sorted(str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*.flac"))
    assert [row["file"] for row in rows] == files
    assert list(rows[0]) == COLUMNS
    other = {file.name for file in FOLDER.rglob("*") if file.is_file()} - {
        Path(f).name for f in files
    }
    assert other == {"README.md", "word_model.pt", "words.csv"}


def test_rows_agree_with_file_names(rows):
    for row in rows:
        word, name = row["file"].split("/")
        assert word == row["word"]
        assert name.startswith(f"{row['engine']}_{row['voice']}_")


def test_every_clip_is_one_second_of_16_bit_mono_at_16_khz(rows):
    for row in rows:
        info = soundfile.info(FOLDER / row["file"])
        found = (info.samplerate, info.frames, info.channels, info.format, info.subtype)
        assert found == (16_000, 16_000, 1, "FLAC", "PCM_16"), row["file"]


def test_words_are_balanced_in_every_split(rows):
    counts = defaultdict(Counter)
    for row in rows:
        counts[row["split"]][row["word"]] += 1
    assert set(counts) == {"train", "validation", "test"}
    for split, by_word in counts.items():
        assert set(by_word) == set(WORDS)
        assert max(by_word.values()) <= 1.1 * min(by_word.values()), split


def test_most_clips_are_for_training(rows):
    splits = Counter(row["split"] for row in rows)
    assert 1_200 <= len(rows) <= 1_800
    assert 0.7 <= splits["train"] / len(rows) <= 0.85
    assert min(splits.values()) >= 100


def test_no_voice_is_in_two_splits(rows):
    splits = defaultdict(set)
    for row in rows:
        for part in people_behind(row):
            splits[part].add(row["split"])
    shared = {voice: found for voice, found in splits.items() if len(found) > 1}
    assert not shared


def people_behind(row: dict[str, str]) -> list[str]:
    """Name the people behind a clip: two for a mixture; one for a voice that two engines have."""
    if row["engine"] == "kokoro":
        return [f"kokoro/{part}" for part in row["voice"].split("-")]
    if row["engine"] == "hibari":
        return ["kokoro/af_heart"]  # Hibari learned from it
    if row["voice"] in ("kal", "slt", "slt-hts"):
        return [row["voice"].removesuffix("-hts")]
    return [f"{row['engine']}/{row['voice']}"]


def test_whole_engines_are_held_out(rows):
    splits = defaultdict(set)
    for row in rows:
        splits[row["engine"]].add(row["split"])
    assert {engine for engine, found in splits.items() if found == {"test"}} == TEST_ENGINES
    validation = {engine for engine, found in splits.items() if found == {"validation"}}
    assert validation == VALIDATION_ENGINES


def test_readme_counts_the_clips_of_every_engine(rows):
    table = (FOLDER / "README.md").read_text(encoding="utf-8").split("<!-- table: end -->")[0]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    counts = {cells[0]: int(cells[3]) for cells in lines[1:]}
    assert counts == Counter(row["engine"] for row in rows)


def test_set_is_under_12_megabytes():
    assert sum(file.stat().st_size for file in FOLDER.rglob("*")) < LARGEST_BYTES


def test_levels_and_places_are_those_of_the_table(rows, samples):
    for row in rows:
        clip = samples[row["file"]]
        peak_dbfs = 20 * np.log10(np.abs(clip.astype(int)).max() / 32767)
        assert peak_dbfs == pytest.approx(float(row["gain_db"]), abs=0.05), row["file"]
        first_ms = np.flatnonzero(clip)[0] / 16
        fade_ms = 60  # a soft start is rounded to zero at first
        assert 0 <= first_ms - int(row["start_ms"]) < fade_ms, row["file"]


def test_levels_places_tempo_and_pitch_vary(rows):
    spread = {
        name: np.ptp([float(row[name]) for row in rows])
        for name in ("gain_db", "start_ms", "tempo", "pitch")
    }
    assert spread["gain_db"] > 24
    assert spread["start_ms"] > 600
    assert spread["tempo"] > 0.4
    assert spread["pitch"] > 0.3


def test_every_clip_holds_one_whole_word(rows, samples):
    for row in rows:
        word = word_of(samples[row["file"]]).astype(float)
        assert 0.18 <= len(word) / 16_000 <= 0.9, row["file"]
        end = np.abs(word[-80:]).max()  # 5 ms; a start may be as sudden as a "d"
        assert end <= 0.2 * np.abs(word).max(), f"{row['file']}: cut off"
        assert samples[row["file"]][0] == 0 == samples[row["file"]][-1], row["file"]
        assert longest_hole_s(word) <= 0.2, f"{row['file']}: two pieces"


def longest_hole_s(word: np.ndarray) -> float:
    """Return the longest time between two sounding frames of 10 ms (42 dB under the loudest)."""
    frames = np.lib.stride_tricks.sliding_window_view(word, 160)[::80]
    power = np.mean(frames**2, axis=1)
    loud = np.flatnonzero(power > power.max() * 10**-4.2)
    return float(np.diff(loud).max(initial=0)) * 0.005


def test_no_two_clips_are_nearly_the_same(rows, samples):
    """The same voice, tempo and pitch twice would be one recording counted twice."""
    for word in WORDS:
        files = [row["file"] for row in rows if row["word"] == word]
        cut = np.zeros((len(files), 16_000), dtype=np.float32)
        for place, file in zip(cut, files, strict=True):
            sound = word_of(samples[file])
            place[: len(sound)] = sound
        cut /= np.linalg.norm(cut, axis=1, keepdims=True)
        alike = np.abs(cut @ cut.T) - 2 * np.eye(len(files))
        first, second = np.unravel_index(alike.argmax(), alike.shape)
        assert alike.max() < 0.95, f"{files[first]} and {files[second]}"


# --- The script ------------------------------------------------------------------------


def test_script_plans_exactly_the_clips_of_the_table(rows):
    planned = {
        (clip.file, clip.engine, clip.voice, clip.split)
        for engine in script.ENGINES
        for clip in script.planned_clips(engine)
    }
    found = {(row["file"], row["engine"], row["voice"], row["split"]) for row in rows}
    assert found == planned


def test_same_plan_gives_the_same_draws():
    engine = script.ENGINES[0]
    planned = next(script.planned_clips(engine))
    first = script.draw_clip(planned, engine, attempt=0)
    assert first == script.draw_clip(planned, engine, attempt=0)
    assert first != script.draw_clip(planned, engine, attempt=1)


def test_a_breath_after_the_word_is_dropped_and_a_second_word_is_refused():
    sample_rate = 16_000
    random = np.random.default_rng(0)
    waveform = np.zeros(sample_rate)
    waveform[4_000:8_000] = random.standard_normal(4_000)
    waveform[11_200:12_800] = 0.02 * random.standard_normal(1_600)
    word = script.find_word(waveform, sample_rate=sample_rate)
    assert 3_600 <= word.start <= 4_000
    assert 8_000 <= word.stop <= 8_400
    waveform[11_200:12_800] *= 30
    assert script.find_word(waveform, sample_rate=sample_rate) is None


def test_script_names_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert script.main(["--only", "flite", "--check"]) == 1
    message = capsys.readouterr().err
    assert "flite" in message
    assert "apt-get install" in message


def test_script_names_missing_packages(monkeypatch, capsys):
    monkeypatch.setattr(script, "find_spec", lambda name: None)
    assert script.main(["--only", "hibari", "--check"]) == 1
    message = capsys.readouterr().err
    assert "onnxruntime" in message
    assert "pip install" in message


def test_espeak_makes_the_same_samples_again():
    engine = script.ENGINES[0]
    if any(tool.is_missing() for tool in engine.tools):
        pytest.skip("espeak-ng is not installed")
    planned = next(script.planned_clips(engine))
    clip, first, start_ms = script.make_clip(planned, engine)
    again, second, start_again_ms = script.make_clip(planned, engine)
    assert (clip, start_ms) == (again, start_again_ms)
    np.testing.assert_array_equal(first, second)
