"""Features in a file: read by another program, never overwritten, never run."""

import json
import pickle

import numpy as np
import pytest
import torch

from course_utils.models.features_file import FeaturesFileError, read_features, write_features

PICTURE = torch.arange(12.0).reshape(3, 4).T  # a view: not contiguous
ABOUT = {"mel": {"n_fft": 1024, "f_max": None}, "sound": "Wörter «ja»"}


@pytest.mark.parametrize("kind", ["npy", "pt"])
def test_what_was_written_is_read(tmp_path, kind):
    paths = write_features(tmp_path / "new", "word", PICTURE, ABOUT, kind=kind)
    picture, about = read_features(paths[0])
    assert torch.equal(picture, PICTURE)
    assert {key: about[key] for key in ABOUT} == ABOUT
    assert about["shape"] == [4, 3]


def test_a_program_that_knows_only_numpy_and_json_can_read_it(tmp_path):
    numbers, text = write_features(tmp_path, "word", PICTURE, ABOUT)
    assert np.load(numbers, allow_pickle=False).tolist() == PICTURE.tolist()
    assert json.loads(text.read_bytes())["mel"] == ABOUT["mel"]


def test_nothing_is_overwritten_and_parts_keep_one_name(tmp_path):
    first = write_features(tmp_path, "word", PICTURE, ABOUT, png=b"png")
    before = [path.read_bytes() for path in first]
    (tmp_path / "word_2.png").write_bytes(b"somebody else's")
    second = write_features(tmp_path, "word", PICTURE + 1, ABOUT, png=b"other")
    assert [path.name for path in second] == ["word_3.npy", "word_3.json", "word_3.png"]
    assert [path.read_bytes() for path in first] == before
    assert (tmp_path / "word_2.png").read_bytes() == b"somebody else's"


@pytest.mark.parametrize("name", ["../../up", "a/b\\c", "", "  ", "con:\x00?", "x" * 500])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    for path in write_features(tmp_path, name, PICTURE, ABOUT):
        assert path.parent == tmp_path
        assert path.exists()
        assert len(path.name) < 80


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FeaturesFileError, match=r"nothing can be written into taken/"):
        write_features(tmp_path / "taken", "word", PICTURE, ABOUT)
    with pytest.raises(ValueError, match=r"kind='wav' is not known"):
        write_features(tmp_path, "word", PICTURE, ABOUT, kind="wav")


def test_what_is_no_feature_file_is_said_and_never_run(tmp_path):
    with pytest.raises(FeaturesFileError, match=r"gone\.npy is not there"):
        read_features(tmp_path / "gone.npy")
    numbers, text = write_features(tmp_path, "word", PICTURE, ABOUT)
    text.unlink()
    with pytest.raises(FeaturesFileError, match=r"word\.json is not there"):
        read_features(numbers)
    text.write_text('{"format": "something else", "shape": [4, 3]}')
    with pytest.raises(FeaturesFileError, match="holds no features of this course"):
        read_features(numbers)

    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "bomb"), "w"))

    for name in ("evil.pt", "evil.npy"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb(), protocol=2))
        with pytest.raises(FeaturesFileError, match="holds no features"):
            read_features(tmp_path / name)
    assert not (tmp_path / "bomb").exists()
