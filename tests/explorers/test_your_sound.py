"""explore_your_sound without a browser: what it shows is what the model gets, said honestly."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.audio_io import load_audio, save_audio
from course_utils.explorers import explore_your_sound, load_course_model
from course_utils.explorers.your_sound import GAIN_DB, SHIFT_MS, SNR_DB, SPEED, loudest_start, piece
from course_utils.models.confidence import Confidence, calibrate
from course_utils.models.features_file import FeaturesFileError, read_features
from course_utils.models.word_model import WordModelError
from course_utils.signal import make_noise, make_silence, power_to_db, rms_dbfs
from course_utils.your_sound import SoundFolders, your_sound
from tests.explorers.words import LABELS, make_clips, make_model

RATE = 16000


@pytest.fixture(scope="module")
def model():
    return make_model(make_clips(96, seed=1))


@pytest.fixture(scope="module")
def rule(model):
    return calibrate(model, make_clips(60, seed=3))


@pytest.fixture(scope="module")
def clip():
    return make_clips(3, seed=5).waveforms[1]  # a high tone


@pytest.fixture
def explorer(model, rule, clip):
    return explore_your_sound(clip, RATE, model=model, confidence=rule)


def played(view):
    """What the view plays, as float."""
    return torch.from_numpy(np.frombuffer(view.sound, "<i2").astype(np.float32) / 32768)


def shown(view, lane):
    """Numbers that a lane shows, and half of what 8 bits cannot tell apart."""
    state = view.picture(lane)
    cells = np.frombuffer(state["data"], np.uint8).reshape(state["n_rows"], state["n_columns"])
    step = (state["value_max"] - state["value_min"]) / 255
    return torch.from_numpy(state["value_min"] + step * cells.astype(float)), 0.51 * step


def assert_shows(view, lane, expected, *, also=1e-3):
    values, atol = shown(view, lane)
    state = view.picture(lane)
    expected = expected.double().clamp(state["value_min"], state["value_max"])
    torch.testing.assert_close(values, expected, atol=atol + also, rtol=0)


def notes(explorer):
    return " ".join(explorer.view.notes)


# ---- the way of the sound


def test_at_the_start_it_says_what_the_model_says(explorer, model, clip):
    prediction = model.predict(clip)
    assert explorer.error == ""
    assert explorer.readout["heard"] == prediction.label == "high"
    for word, share in prediction.probabilities.items():
        assert explorer.readout["probabilities"][word] == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    "settings",
    [{}, {"snr_db": 10}, {"shift_ms": 200}, {"speed": 1.3}, {"gain_db": -30}, {"gain_db": 20},
     {"snr_db": 0, "shift_ms": -100, "speed": 0.7, "gain_db": -10}],
    ids=str,
)  # fmt: skip
def test_every_lane_and_every_share_belongs_to_what_is_played(explorer, model, settings):
    explorer.set(**settings)
    sound = played(explorer.view)
    power = model.features.log_mel.mel_spectrogram(sound)
    seen = model.features.picture(power)
    assert_shows(explorer.view, "mel", 100 * power / power.max(), also=0.1)
    assert_shows(explorer.view, "decibel", power_to_db(power, top_db=80.0), also=0.05)
    assert_shows(explorer.view, "picture", seen, also=0.01)
    shares = model.read(seen[None])[0].softmax(-1)
    for number, word in enumerate(LABELS):
        assert explorer.readout["probabilities"][word] == pytest.approx(
            shares[number].item(), abs=2e-3
        )


def test_noise_keeps_its_distance(explorer, model, clip):
    model.features.centre, was = False, model.features.centre
    try:
        plain = explore_your_sound(clip, RATE, model=model)
        clean = played(plain.view)
        plain.set(snr_db=15)
        rest = played(plain.view) - clean
    finally:
        model.features.centre = was
    assert (rms_dbfs(clean) - rms_dbfs(rest)).item() == pytest.approx(15.0, abs=0.1)


def test_speed_moves_the_pitch_and_keeps_the_second(explorer):
    def loudest_hz():
        return torch.fft.rfft(played(explorer.view)).abs().argmax().item()  # one bin is 1 Hz

    before = loudest_hz()
    explorer.set(speed=1.5)
    assert loudest_hz() == pytest.approx(1.5 * before, rel=0.02)
    assert explorer.view.n_samples == RATE


def test_gain_beyond_full_scale_is_cut_and_said(explorer):
    explorer.set(gain_db=30)
    assert played(explorer.view).abs().max() <= 1.0
    assert f"pushes {explorer.readout['n_cut']} samples beyond full scale" in notes(explorer)
    assert explorer.readout["n_cut"] > 100
    explorer.set(gain_db=0)
    assert "beyond full scale" not in notes(explorer)


@pytest.mark.parametrize(
    ("name", "values"),
    [("snr_db", SNR_DB), ("shift_ms", SHIFT_MS), ("speed", SPEED), ("gain_db", GAIN_DB)],
)
def test_no_step_of_a_slider_fails(explorer, name, values):
    for value in values:
        explorer.set(**{name: value})
        assert explorer.error == ""


# ---- which second


@pytest.fixture
def long_sound(clip):
    """Five quiet seconds with the clip at 2.30 s."""
    sound = make_noise(duration_s=5.0, level_dbfs=-70.0)
    sound[36800:52800] += clip
    return sound


def test_the_loudest_second_is_taken_and_said(model, rule, long_sound):
    explorer = explore_your_sound(long_sound, RATE, model=model, confidence=rule)
    assert explorer.readout["start_s"] == pytest.approx(2.3, abs=0.3)
    assert explorer.readout["heard"] == "high"
    assert "this sound lasts 5.00 s: it gets the second with the most energy" in notes(explorer)
    assert [name for _, name in explorer.view.picture("whole")["marks"]] == ["from", "to"]


def test_whoever_moves_the_start_has_chosen_by_hand(model, rule, long_sound):
    explorer = explore_your_sound(long_sound, RATE, model=model, confidence=rule)
    loudest_s = explorer.settings["start_s"]
    explorer.sliders["start_s"].value = 0.5
    assert explorer.settings["stretch"] == "by hand"
    assert explorer.readout["verdict"] == "silent"
    explorer.sliders["stretch"].value = "most energy"
    assert explorer.settings["start_s"] == loudest_s
    explorer.set(start_s=4.0)
    assert explorer.settings["stretch"] == "by hand"
    again = explore_your_sound(long_sound, RATE, model=model, start_s=0.5)
    assert (again.settings["stretch"], again.readout["start_s"]) == ("by hand", 0.5)


def test_the_start_is_a_step_of_its_slider(model, long_sound):
    """The page rounds to steps: a start between them came back as one chosen by hand."""
    for cut in (0, 3, 77, 1234):
        slider = explore_your_sound(long_sound[cut:], RATE, model=model).sliders["start_s"]
        for value in (slider.value, slider.max):
            assert value == pytest.approx(round(value / slider.step) * slider.step, abs=1e-9)


def test_loudest_start_is_exact_and_in_a_long_sound_nearly():
    sound = make_noise(duration_s=40.0, level_dbfs=-60.0)
    sound[123_456 : 123_456 + RATE] = make_noise(seed=9, level_dbfs=-12.0)
    assert loudest_start(sound[: 20 * RATE], RATE) == 123_456
    assert abs(loudest_start(sound, RATE) - 123_456) <= RATE // 100
    assert loudest_start(sound[:100], RATE) == 0


def test_a_piece_has_silence_where_there_is_nothing():
    ones = torch.ones(4)
    assert piece(ones, 2, 4).tolist() == [1, 1, 1, 1]
    assert piece(ones, 0, 4).tolist() == [0, 0, 1, 1]
    assert piece(ones, 4, 4).tolist() == [1, 1, 0, 0]
    assert piece(ones, -9, 4).tolist() == piece(ones, 99, 4).tolist() == [0, 0, 0, 0]


def test_ten_minutes_cost_no_more_than_their_second(model, rule):
    sound = make_noise(duration_s=600.0, level_dbfs=-40.0)
    explorer = explore_your_sound(sound, RATE, model=model, confidence=rule)
    explorer.set(start_s=599.0, snr_db=10)
    assert explorer.error == ""
    assert explorer.view.n_samples == RATE
    assert len(np.frombuffer(explorer.view.picture("whole")["data"], "<f4")) < 1200


# ---- which sound


def test_it_follows_the_recorder_and_the_list(model, rule, clip):
    mine = your_sound()
    explorer = explore_your_sound(mine, model=model, confidence=rule)
    assert explorer.name == mine.name == "spoken_word.flac"
    mine.picker.pick("audio_samples/chirp.flac")
    assert (explorer.name, mine.name) == ("chirp.flac", "chirp.flac")
    content = clip.numpy().astype("<f4").tobytes()
    mine.recorder._take(bytearray(content), {"sample_rate": RATE})
    assert explorer.name == mine.name == "your recording"
    assert explorer.readout["heard"] == "high"
    assert explorer.error == mine.recorder.error == ""


def test_a_second_upload_of_the_same_name_and_look_is_taken(model, rule, tmp_path):
    """An editor exports all words as word.wav, one second long, with the same peak."""
    (tmp_path / "audio_samples").mkdir()
    save_audio(tmp_path / "audio_samples" / "spoken_word.wav", make_noise(), sample_rate=RATE)
    mine = your_sound(
        folders=SoundFolders(tmp_path), start="audio_samples/spoken_word.wav", sample_rate=RATE
    )
    explorer = explore_your_sound(mine, model=model, confidence=rule)
    for number in (1, 2):
        clip = make_clips(3, seed=5).waveforms[number]  # a high tone, then hiss
        file = save_audio(tmp_path / "word.wav", 0.5 * clip / clip.abs().max(), sample_rate=RATE)
        mine.picker.said = mine.picker._take(bytearray(file.read_bytes()), {"name": "word.wav"})
        assert explorer.readout["heard"] == LABELS[number]


def test_another_sound_is_seen_and_heard_at_once(explorer, model):
    """Its tensors may lie where those of the sound before lay."""
    for seed in range(20):
        sound = make_noise(seed=seed, level_dbfs=-20.0)
        explorer.take(sound, RATE)
        power = model.features.log_mel.mel_spectrogram(played(explorer.view))
        assert_shows(explorer.view, "picture", model.features.picture(power), also=0.01)
        assert rms_dbfs(played(explorer.view)).item() == pytest.approx(
            rms_dbfs(sound).item(), abs=0.01
        )


def test_another_sample_rate_and_two_channels_are_welcome(model, clip):
    stereo = torch.stack([clip, clip]).repeat_interleave(3, dim=-1)
    explorer = explore_your_sound(stereo, 3 * RATE, model=model)
    assert explorer.readout["heard"] == "high"
    assert explorer.view.n_samples == RATE


@pytest.mark.parametrize(
    ("sound", "rate", "words"),
    [
        (torch.zeros(0), RATE, "at least one sample"),
        (torch.full((100,), math.nan), RATE, "NaN or infinity"),
        (torch.zeros(2, 3, 4), RATE, r"shape \(time,\)"),
        ("a name", RATE, "must be a tensor, got str"),
        (torch.zeros(100), None, "sample_rate is missing"),
        (torch.zeros(100), 12, "sample_rate=12 must be from 1000"),
    ],
)
def test_what_is_no_sound_is_refused_with_a_sentence(model, sound, rate, words):
    with pytest.raises(ValueError, match=words):
        explore_your_sound(sound, rate, model=model)


@pytest.mark.parametrize(
    ("start", "error", "words"),
    [
        ({"speed": 3.0}, ValueError, "speed=3.0 must be a number from 0.5 to 2"),
        ({"snr_db": "much"}, ValueError, "snr_db='much' must be a number from -20 to infinity"),
        ({"start_s": 2.0}, ValueError, "start_s=2.0 must be a number from 0 to 0"),
        ({"stretch": "best"}, ValueError, "stretch must be 'most energy' or 'by hand'"),
        ({"colour": 1}, TypeError, "has no setting colour"),
    ],
)
def test_wrong_start_values_are_named(model, clip, start, error, words):
    with pytest.raises(error, match=words):
        explore_your_sound(clip, RATE, model=model, **start)


def test_a_sound_of_few_samples_is_shown(model, rule):
    explorer = explore_your_sound(torch.tensor([0.5]), RATE, model=model, confidence=rule)
    assert explorer.error == ""


# ---- what is said


def test_silence_gets_no_trust_whatever_the_network_says(model, rule):
    explorer = explore_your_sound(make_silence(), RATE, model=model, confidence=rule)
    assert explorer.readout["verdict"] == "silent"
    assert "There is nothing to hear (every sample is zero)" in notes(explorer)
    assert "whatever it hears, it names one of its words" in notes(explorer)
    explorer.set(snr_db=10)
    assert explorer.error == ""
    assert "there is hardly any" in notes(explorer)


def test_a_clipped_recording_is_said(model, rule, clip):
    explorer = explore_your_sound((20 * clip).clamp(-1, 1), RATE, model=model, confidence=rule)
    assert "at full scale: it was recorded too loud and is clipped" in notes(explorer)


def test_the_verdict_is_the_rule_s(explorer, rule):
    for settings in ({}, {"snr_db": 0}, {"speed": 2.0}, {"gain_db": -60}):
        explorer.set(**settings)
        shares = torch.tensor([explorer.readout["probabilities"][name] for name in LABELS])
        verdict = rule.judge(shares, played(explorer.view))
        assert explorer.readout["verdict"] == verdict.kind
        assert verdict.sentence in explorer.view.notes


def test_without_a_measured_rule_no_verdict_is_given(model, clip):
    explorer = explore_your_sound(clip, RATE, model=model)
    assert explorer.readout["verdict"] is None
    assert not any(name == "verdict:" for name, _ in explorer.view.readout)


def test_a_rule_of_another_network_is_refused(model, clip):
    other = Confidence(0.4, 0.05, 10, 100, 90, 0.9, 0.5)
    with pytest.raises(ValueError, match="measured with 10 words, and the model knows 3"):
        explore_your_sound(clip, RATE, model=model, confidence=other)


# ---- export


@pytest.mark.parametrize("kind", ["npy", "pt"])
def test_what_is_exported_is_what_the_network_saw_and_how(explorer, model, tmp_path, kind):
    explorer.set(snr_db=20, speed=1.1)
    paths = explorer.export(tmp_path, kind=kind)
    picture, about = read_features(paths[0])
    assert_shows(explorer.view, "picture", picture)
    assert about["changes"] == {"snr_db": 20, "shift_ms": 0, "speed": 1.1, "gain_db": 0}
    assert about["mel"]["n_mels"] == 64
    db = picture * about["std_db"] + about["mean_db"]  # and back to decibels
    assert_shows(explorer.view, "decibel", db, also=0.05)
    with Image.open(paths[-1]) as png:
        assert png.size[0] > 500


def test_export_never_overwrites(explorer, tmp_path):
    first, second = explorer.export(tmp_path), explorer.export(tmp_path)
    assert not {path.name for path in first} & {path.name for path in second}
    assert len(list(tmp_path.iterdir())) == 6


def test_the_button_exports_into_uploads_and_says_so(model, rule, tmp_path, monkeypatch):
    (tmp_path / "audio_samples").mkdir()
    monkeypatch.chdir(tmp_path)
    explorer = explore_your_sound(make_noise(), RATE, model=model, confidence=rule)
    explorer._button.click()
    assert explorer._said.value.startswith("written into uploads/: your_sound.npy")
    assert sorted(p.suffix for p in (tmp_path / "uploads").iterdir()) == [".json", ".npy", ".png"]


def test_a_folder_that_cannot_be_written_to_is_said(explorer, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FeaturesFileError, match="choose another folder"):
        explorer.export(tmp_path / "taken")
    monkeypatch.setattr(explorer, "_uploads", lambda: tmp_path / "taken")
    explorer._button.click()
    assert "nothing can be written into taken/" in explorer._said.value


# ---- the model of the course


def test_a_model_that_is_not_there_is_trained_in_lesson_06(tmp_path):
    with pytest.raises(WordModelError, match=r"train a network in lesson 06 and save it with"):
        load_course_model(tmp_path / "word_model.pt")


def test_the_course_s_model_names_one_of_ten_words_for_a_word_it_does_not_know():
    model = load_course_model()
    word, rate = load_audio("audio_samples/spoken_word.flac")  # «seven»
    explorer = explore_your_sound(word, rate, model=model)
    assert explorer.readout["heard"] in model.label_names
    assert "seven" not in model.label_names
    assert sum(explorer.readout["probabilities"].values()) == pytest.approx(1.0, abs=1e-4)
