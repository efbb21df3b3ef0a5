"""The spoken digits: 8 kHz become seconds at 16 kHz, and what is downloaded is verified."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from course_utils.data import fsdd
from course_utils.data.clip_files import RecordingsError
from course_utils.data.download import DownloadError
from course_utils.data.fsdd import download_fsdd, load_fsdd
from course_utils.data.spoken_words import fit_to_second
from course_utils.signal import resample
from tests.unit import test_download

served = test_download.served  # the fixture: a server on this computer
PEOPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "fsdd"


def clip(seed, *, seconds=0.4, fmt="WAV"):
    """A noise of 8 kHz that ends at zero, as the bytes of a file of 16 bits."""
    samples = np.random.default_rng(seed).uniform(-9000, 9000, int(8000 * seconds))
    samples = (samples * np.hanning(len(samples))).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, "PCM_16", format=fmt)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Two digits of two speakers, two takes each."""
    place = tmp_path / "free-spoken-digit-dataset" / "recordings"
    place.mkdir(parents=True)
    for digit in (3, 7):
        for speaker in ("george", "theo"):
            for take in (0, 11):
                name = f"{digit}_{speaker}_{take}.wav"
                (place / name).write_bytes(clip(digit * 100 + take))
    return tmp_path


def test_folder_becomes_digits(folder):
    digits = load_fsdd(folder)
    assert digits.waveforms.shape == (8, 16000)
    assert digits.label_names == tuple("0123456789")
    assert digits.labels.tolist() == [3] * 4 + [7] * 4
    assert digits.speakers == ("george", "george", "theo", "theo") * 2
    assert digits.names[1] == "3_george_11.wav"
    assert "CC BY-SA 4.0" in digits.origin
    for place in ("free-spoken-digit-dataset", "free-spoken-digit-dataset/recordings"):
        assert load_fsdd(folder / place).names == digits.names


def test_rate_is_doubled_and_the_word_lies_in_the_middle(folder):
    path = folder / "free-spoken-digit-dataset" / "recordings" / "3_george_0.wav"
    samples, _ = soundfile.read(path, dtype="float32")
    expected = resample(torch.from_numpy(samples), sample_rate=8000, new_sample_rate=16000)
    assert torch.equal(load_fsdd(folder).waveforms[0], fit_to_second(expected))


def test_limit_takes_equally_many_of_each_digit(folder):
    assert load_fsdd(folder, limit=4).labels.tolist() == [3, 3, 7, 7]
    with pytest.raises(ValueError, match="limit=0 must be a positive number"):
        load_fsdd(folder, limit=0)


def test_files_that_are_no_digits_are_left_out_and_said(folder):
    place = folder / "free-spoken-digit-dataset" / "recordings"
    (place / "12_george_0.wav").write_bytes(clip(1))
    (place / "4_george_0.wav").write_bytes(b"not a sound")
    digits = load_fsdd(folder)
    assert len(digits) == 8
    assert digits.skipped[0] == "«12_george_0.wav» is not named like 7_jackson_32.wav"
    assert "«4_george_0.wav» is not a sound file" in digits.skipped[1]


def test_folder_without_digits_says_what_was_expected(tmp_path):
    with pytest.raises(RecordingsError, match="holds no spoken digits; expected is recordings/<di"):
        load_fsdd(tmp_path)
    with pytest.raises(RecordingsError, match=r"was not found; expected is .*7_jackson_32\.wav"):
        load_fsdd(tmp_path / "nowhere")


@pytest.mark.skipif(not PEOPLE.is_dir(), reason="no recordings of people here")
def test_recordings_of_people_are_read():
    digits = load_fsdd(PEOPLE, limit=200)
    assert torch.bincount(digits.labels).tolist() == [20] * 10
    assert digits.speaker_names == ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
    assert digits.skipped == ()


@pytest.mark.skipif(not PEOPLE.is_dir(), reason="no recordings of people here")
def test_checksum_of_the_samples_is_that_of_the_recordings():
    assert fsdd._samples_sha256(PEOPLE / "recordings") == fsdd._SAMPLES_SHA256


# ---------------------------------------------------------------- the download


def archive(seeds=range(4)):
    """An archive like the one of the repository."""
    file = io.BytesIO()
    top = f"free-spoken-digit-dataset-{fsdd._COMMIT}"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr(f"{top}/README.md", "digits")
        bundle.writestr(f"{top}/utils/trimmer.py", "raise SystemExit")
        for seed in seeds:
            bundle.writestr(f"{top}/recordings/{seed}_theo_0.wav", clip(seed))
    return file.getvalue()


def samples_sha256(tmp_path, seeds=range(4)):
    place = tmp_path / "reference"
    place.mkdir()
    for seed in seeds:  # FLAC: the checksum is of the samples, not of the files
        (place / f"{seed}_theo_0.flac").write_bytes(clip(seed, fmt="FLAC"))
    return fsdd._samples_sha256(place)


def test_archive_is_downloaded_verified_and_loaded(tmp_path, monkeypatch, served):
    served.content = archive()
    monkeypatch.setattr(fsdd, "_URL", served.url)
    monkeypatch.setattr(fsdd, "_SAMPLES_SHA256", samples_sha256(tmp_path))
    recordings = download_fsdd(tmp_path / "data", report=None)
    assert load_fsdd(recordings).labels.tolist() == [0, 1, 2, 3]
    assert load_fsdd(tmp_path / "data").labels.tolist() == [0, 1, 2, 3]
    assert not list((tmp_path / "data").rglob("*.py"))
    assert not (tmp_path / "data" / "fsdd.zip").exists()
    n_before = len(served.requests)
    assert download_fsdd(tmp_path / "data", report=None) == recordings
    assert len(served.requests) == n_before


def test_archive_with_other_recordings_is_thrown_away(tmp_path, monkeypatch, served):
    served.content = archive(seeds=(1, 2, 3, 5))
    monkeypatch.setattr(fsdd, "_URL", served.url)
    monkeypatch.setattr(fsdd, "_SAMPLES_SHA256", samples_sha256(tmp_path))
    with pytest.raises(DownloadError, match="are not those that are known: it was thrown away"):
        download_fsdd(tmp_path / "data", report=None)
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []


def test_folder_that_lay_there_before_is_not_deleted(tmp_path, monkeypatch, served):
    served.content = archive()
    monkeypatch.setattr(fsdd, "_URL", served.url)
    monkeypatch.setattr(fsdd, "_SAMPLES_SHA256", samples_sha256(tmp_path))
    mine = tmp_path / f"free-spoken-digit-dataset-{fsdd._COMMIT}" / "recordings" / "9_me_0.wav"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(clip(9))
    with pytest.raises(DownloadError, match=r"delete «.*free-spoken-digit-dataset"):
        download_fsdd(tmp_path, report=None)
    assert mine.read_bytes() == clip(9)
