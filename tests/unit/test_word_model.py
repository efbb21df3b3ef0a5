"""A model and its file: predictions, safe loading, and every way in which a file can be wrong."""

import pickle
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch

from course_utils.models.cnn import WordCNN
from course_utils.models.features import WordFeatures
from course_utils.models.word_model import WordModel, WordModelError, load_word_model
from course_utils.signal import MelParams, make_chirp, make_tone, resample

PROJECT = Path(__file__).resolve().parents[2]
NAMES = ("yes", "no", "up")


@pytest.fixture
def model():
    """A model whose batch norms have seen something, so that they are not the identity."""
    model = WordModel(NAMES, seed=3)
    model.network.train()
    with torch.no_grad():
        model.network(torch.randn(16, 1, 64, 32))
    model.network.eval()
    return model


@pytest.fixture
def clips():
    return 0.1 * torch.randn(5, 16000, generator=torch.Generator().manual_seed(2))


# ---------------------------------------------------------------------------- predicting


def test_logits_are_those_of_the_network_on_the_pictures(model, clips):
    with torch.no_grad():
        expected = model.network(model.features(clips)[:, None])
    torch.testing.assert_close(model.logits(clips), expected)


def test_nothing_is_learned_while_predicting(model, clips):
    model.network.train()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    model.logits(clips)
    after = model.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model.network.training, "left as it was found"
    assert not model.logits(clips).requires_grad


def test_a_clip_does_not_depend_on_the_others(model, clips):
    loud = torch.cat([1e6 * clips[:2], clips[2:3], 1e6 * clips[3:]])
    torch.testing.assert_close(model.logits(loud)[2:3], model.logits(clips[2:3]))


def test_many_clips_are_read_in_chunks(model):
    many = 0.1 * torch.randn(300, 16000)
    torch.testing.assert_close(model.logits(many)[290:], model.logits(many[290:]))


def test_a_prediction_says_everything_once(model, clips):
    prediction = model.predict(clips[0])
    shares = model.logits(clips[:1])[0].softmax(-1)
    assert prediction.label == NAMES[shares.argmax()]
    assert set(prediction.probabilities) == set(NAMES)
    assert sum(prediction.probabilities.values()) == pytest.approx(1.0, abs=1e-5)
    assert prediction.top(2) == list(prediction.probabilities.items())[:2]
    assert sorted(prediction.probabilities.values(), reverse=True) == [
        p for _, p in prediction.top(99)
    ]
    assert prediction.picture.shape == (64, 32)


def test_another_sample_rate_is_converted(model):
    chirp = make_chirp(300.0, 2500.0)
    faster = resample(chirp, sample_rate=16000, new_sample_rate=44100)
    ours, theirs = model.predict(chirp), model.predict(faster, 44100)
    assert list(ours.probabilities) == list(theirs.probabilities)
    assert ours.probabilities == pytest.approx(theirs.probabilities, abs=0.02)


@pytest.mark.parametrize("n_samples", [1, 700, 16000, 50000])
def test_a_sound_of_any_length_becomes_one_second(model, n_samples):
    assert model.predict(0.1 * torch.randn(n_samples)).picture.shape == (64, 32)


def test_the_word_is_found_in_a_long_sound(model):
    word = make_chirp(300.0, 2500.0, duration_s=0.4)
    hiss = 1e-4 * torch.randn(5 * 16000)
    hiss[60000 : 60000 + len(word)] += word
    alone = model.predict(torch.nn.functional.pad(word, (3000, 3000))).picture
    found = model.predict(hiss).picture
    similar = torch.corrcoef(torch.stack([alone.flatten(), found.flatten()]))[0, 1]
    assert similar > 0.8


@pytest.mark.parametrize("shape", [(0,), (2, 16000)])
def test_another_shape_is_named(model, shape):
    with pytest.raises(ValueError, match=r"shape \(time,\)"):
        model.predict(torch.zeros(shape))
    with pytest.raises(ValueError, match=r"\(n_clips, time\)"):
        model.logits(torch.zeros(16000))


def test_one_clip_takes_milliseconds(model, clips):
    torch.set_num_threads(1)
    model.predict(clips[0])
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        model.predict(clips[0])
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.02, f"{1000 * min(seconds):.1f} ms"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: WordModel("yes"), "list of words"),
        (lambda: WordModel(["yes"]), "at least two"),
        (lambda: WordModel(["yes", "yes"]), "different"),
        (lambda: WordModel(["yes", 3]), "two words"),
        (lambda: WordModel(NAMES, network=WordCNN(10)), "10 scores"),
        (lambda: WordModel(NAMES, features=WordFeatures(MelParams(n_mels=40)),
                           network=WordCNN(3)), "64 mel bands"),
    ],
)  # fmt: skip
def test_words_and_network_must_fit(make, says):
    with pytest.raises(ValueError, match=says):
        make()


# --------------------------------------------------------------------------- the file


def test_what_is_loaded_gives_identical_logits(model, clips, tmp_path):
    loaded = load_word_model(model.save(tmp_path / "model.pt"))
    assert torch.equal(loaded.logits(clips), model.logits(clips))
    assert loaded.label_names == NAMES
    assert loaded.features.params == model.features.params
    assert not loaded.network.training
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]
    assert (tmp_path / "model.pt").stat().st_size < 400_000


@pytest.mark.parametrize("frequency_axis", ["mel", "linear"])
def test_settings_and_statistics_travel_with_the_weights(clips, tmp_path, frequency_axis):
    features = WordFeatures(
        MelParams(n_mels=40, hop_length=256, top_db=60.0), frequency_axis=frequency_axis,
        scale="magnitude", normalize="data set", centre=False,
    )  # fmt: skip
    features.measure(features.mel_power(clips))
    network = WordCNN(3, 40, (8, 16), seed=1)
    model = WordModel(NAMES, features=features, network=network)
    loaded = load_word_model(model.save(tmp_path / "model.pt"))
    assert torch.equal(loaded.logits(clips), model.logits(clips))
    assert loaded.features.settings() == features.settings()
    assert loaded.features.mean == features.mean


def test_a_fresh_process_gives_identical_logits(model, tmp_path):
    tone = make_tone(440.0)
    model.save(tmp_path / "model.pt")
    code = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from course_utils.models.word_model import load_word_model\n"
        "from course_utils.signal import make_tone\n"
        "model = load_word_model(sys.argv[1])\n"
        "torch.save(model.logits(make_tone(440.0)[None]), sys.argv[2])\n"
    )
    logits = tmp_path / "logits.pt"
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "model.pt", logits], cwd=PROJECT, check=True
    )
    assert torch.equal(torch.load(logits, weights_only=True), model.logits(tone[None]))


# ----------------------------------------------------------------- what must be refused


class Malicious:
    """Runs code when it is unpickled in the plain way."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return open, (str(self.trace), "w")


def test_code_in_a_file_is_refused_and_never_runs(tmp_path):
    trace = tmp_path / "trace"
    torch.save({"format": Malicious(trace)}, tmp_path / "bad.pt")
    with pytest.raises(WordModelError, match=r"bad\.pt is damaged or holds more than numbers"):
        load_word_model(tmp_path / "bad.pt")
    assert not trace.exists()
    torch.load(tmp_path / "bad.pt", weights_only=False)
    assert trace.exists(), "the file was harmless: this test proves nothing"


def test_an_old_pickle_with_code_is_refused(tmp_path):
    trace = tmp_path / "trace"
    (tmp_path / "old.pt").write_bytes(pickle.dumps(Malicious(trace)))
    with pytest.raises(WordModelError, match=r"old\.pt is damaged, or no word model"):
        load_word_model(tmp_path / "old.pt")
    assert not trace.exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(model, tmp_path, share):
    path = model.save(tmp_path / "model.pt")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WordModelError, match=r"model\.pt is damaged"):
        load_word_model(path)


def test_a_flipped_byte_in_the_weights_is_noticed(model, tmp_path):
    path = model.save(tmp_path / "model.pt")
    weight = model.network.stages[2][0].weight.detach().numpy().tobytes()
    content = bytearray(path.read_bytes())
    content[content.index(weight) + 1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(WordModelError, match=r"model\.pt (is damaged|was changed)"):
        load_word_model(path)


def test_a_file_that_unpacks_to_gigabytes_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 30_000_000)
    with pytest.raises(WordModelError, match="at most 20,000,000"):
        load_word_model(tmp_path / "bomb.pt")


def test_no_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(WordModelError, match=r"nothing\.pt is not there"):
        load_word_model(tmp_path / "nothing.pt")
    with pytest.raises(WordModelError, match="is not a file"):
        load_word_model(tmp_path)


@pytest.fixture
def changed(model, tmp_path):
    """Save the model, change the content by hand, and give the path."""

    def save(change):
        path = model.save(tmp_path / "model.pt")
        content = torch.load(path, weights_only=True)
        change(content)
        torch.save(content, path)
        return path

    return save


def _halve(content):
    content["weights"]["head.3.weight"] = content["weights"]["head.3.weight"][:, :256]


def _swap(content):
    content["label_names"].reverse()


CHANGES = {
    "format": (lambda c: c.update(format="other"), "not a word model"),
    "version": (lambda c: c.update(version=99), "version 99"),
    "a key too few": (lambda c: c.pop("weights"), "lacks or adds weights"),
    "a key too many": (lambda c: c.update(extra=1), "lacks or adds extra"),
    "unknown parameter": (lambda c: c["params"].update(n_fbt=3), "settings that fit no model"),
    "impossible parameter": (lambda c: c["params"].update(n_mels=-1), "n_mels=-1"),
    "other n_mels": (lambda c: c["params"].update(n_mels=40), "was changed"),
    "other hop_length": (lambda c: c["params"].update(hop_length=256), "was changed"),
    "other scale": (lambda c: c["features"].update(scale="power"), "was changed"),
    "unknown scale": (lambda c: c["features"].update(scale="log"), "scale='log'"),
    "words swapped": (_swap, "was changed"),
    "a word too few": (lambda c: c["label_names"].pop(), "wrong weight 'head"),
    "words that are none": (lambda c: c.update(label_names="yes"), "list of words"),
    "statistics": (lambda c: c["statistics"].update(mean=1.0), "was changed"),
    "no statistics": (lambda c: c["features"].update(normalize="data set"), "lacks the data set"),
    "statistics of text": (lambda c: c["statistics"].update(mean="x"), "fit no model"),
    "channels": (lambda c: c["network"].update(channels=[16]), "weights of another network"),
    "huge channels": (lambda c: c["network"].update(channels=[10**6]), "at most 512"),
    "a weight's name": (lambda c: c["weights"].pop("head.3.bias"), "weights of another network"),
    "a weight's shape": (_halve, "wrong weight 'head.3.weight'"),
    "a weight's type": (lambda c: c["weights"].update({"head.3.bias": 3}), "wrong weight"),
    "a weight is NaN": (lambda c: c["weights"]["head.3.bias"].fill_(torch.nan), "NaN or infinity"),
    "a weight's value": (lambda c: c["weights"]["head.3.bias"].add_(1.0), "was changed"),
    "fingerprint": (lambda c: c.update(fingerprint="0"), "was changed"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_file_is_refused_in_one_sentence(changed, name):
    change, says = CHANGES[name]
    with pytest.raises(WordModelError, match=says) as caught:
        load_word_model(changed(change))
    assert str(caught.value).startswith("model.pt ")
    assert "\n" not in str(caught.value)


def test_other_parameters_and_other_words_than_expected_are_refused(model, tmp_path):
    path = model.save(tmp_path / "model.pt")
    load_word_model(path, params=MelParams(), label_names=list(NAMES))
    with pytest.raises(WordModelError, match="hop_length=512 instead of 256"):
        load_word_model(path, params=MelParams(hop_length=256))
    with pytest.raises(WordModelError, match="knows the words yes, no, up and not no, yes, up"):
        load_word_model(path, label_names=("no", "yes", "up"))
