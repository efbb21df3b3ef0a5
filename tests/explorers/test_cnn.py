"""explore_cnn and explore_confusion without a browser: their numbers are the model's own."""

import dataclasses
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.explorers import explore_cnn, explore_confusion
from course_utils.explorers.clips import shifted
from course_utils.explorers.cnn_controls import GAIN_DB, SHIFT_MS, SNR_DB
from course_utils.explorers.network_pictures import NetworkPictures, to_cells
from course_utils.models.explain import grad_cam, occlusion, receptive_field
from course_utils.models.features import WordFeatures, centre_by_energy
from course_utils.models.word_model import WordModel
from course_utils.signal import MelParams, rms_dbfs
from tests.explorers.words import LABELS, make_clips, make_model


@pytest.fixture(scope="module")
def words():
    """Clips of which one has the wrong word: the model cannot help but be wrong there."""
    clips = make_clips(24, seed=2)
    labels = clips.labels.clone()
    labels[4] = 0  # a high tone that is called low
    return dataclasses.replace(clips, labels=labels)


@pytest.fixture(scope="module")
def model():
    return make_model(make_clips(96, seed=1))


@pytest.fixture
def explorer(model, words):
    return explore_cnn(model, words)


@pytest.fixture
def confusion(model, words):
    return explore_confusion(model, words)


def shown(view, lane):
    """Numbers that a lane shows, and half of what 8 bits cannot tell apart."""
    state = view.picture(lane)
    cells = np.frombuffer(state["data"], np.uint8).reshape(state["n_rows"], state["n_columns"])
    step = (state["value_max"] - state["value_min"]) / 255
    return torch.from_numpy(state["value_min"] + step * cells.astype(float)), 0.51 * step


def assert_shows(view, lane, expected, *, also=1e-4):
    values, atol = shown(view, lane)
    state = view.picture(lane)
    expected = expected.double().clamp(state["value_min"], state["value_max"])
    torch.testing.assert_close(values, expected, atol=atol + also, rtol=0)


def played(view):
    """What the view plays, as float."""
    return torch.from_numpy(np.frombuffer(view.sound, "<i2").astype(np.float32) / 32768)


# ---- the way of a clip


def test_at_the_start_all_is_the_model_s_own(explorer, model, words):
    prediction = model.predict(words.waveforms[explorer.index])
    assert explorer.error == ""
    assert explorer.readout["heard"] == prediction.label == explorer.readout["said"]
    levels = rms_dbfs(words.waveforms)
    levels[4] = -100.0  # this one is heard wrong
    assert explorer.index == int(levels.argmax())
    for word, share in prediction.probabilities.items():
        assert explorer.readout["probabilities"][word] == pytest.approx(share, abs=0.02)
    picture = model.features(played(explorer.view))
    assert_shows(explorer.view, "picture", picture)


def test_what_is_played_is_what_the_network_gets(explorer, model):
    """Under every slider: the pictures and probabilities are those of the sound itself."""
    explorer.set(gain_db=-25, snr_db=10, shift_ms=125, centre="off")
    sound = played(explorer.view)
    features = WordFeatures(centre=False)
    seen = features(sound)
    assert_shows(explorer.view, "picture", seen)
    shares = model.read(seen[None])[0].softmax(-1)
    for number, word in enumerate(LABELS):
        assert explorer.readout["probabilities"][word] == pytest.approx(
            shares[number].item(), abs=1e-3
        )


@pytest.mark.parametrize("gain_db", [-20, -60])
def test_gain_is_heard(explorer, words, gain_db):
    before = rms_dbfs(played(explorer.view)).item()
    explorer.set(gain_db=gain_db)
    assert rms_dbfs(played(explorer.view)).item() == pytest.approx(before + gain_db, abs=1.0)
    assert explorer.readout["level_dbfs"] == pytest.approx(before + gain_db, abs=1.0)


def test_noise_has_the_snr_that_is_said_and_is_always_the_same(explorer):
    explorer.set(centre="off")
    clean = played(explorer.view)
    explorer.set(snr_db=20)
    first = played(explorer.view)
    ratio_db = 20 * math.log10((clean.norm() / (first - clean).norm()).item())
    assert ratio_db == pytest.approx(20, abs=0.1)
    explorer.set(snr_db=0)
    explorer.set(snr_db=20)
    assert torch.equal(played(explorer.view), first)


def test_a_sum_beyond_full_scale_is_turned_down_and_said(model, words):
    loud = dataclasses.replace(words, waveforms=(4 * words.waveforms).clamp(-1.0, 1.0))
    explorer = explore_cnn(model, loud, snr_db=0)
    assert played(explorer.view).abs().max() <= 1.0
    assert "turned down by" in " ".join(explorer.view.notes)
    assert "beyond full scale (" not in " ".join(explorer.view.notes)  # the view has nothing to add


def test_a_shift_moves_the_sound_only_where_nothing_centres_it(explorer, words):
    clip = words.waveforms[explorer.index]
    explorer.set(shift_ms=100)
    assert "Switch centre off" in " ".join(explorer.view.notes)
    torch.testing.assert_close(
        played(explorer.view), centre_by_energy(shifted(clip, 1600)), atol=1e-4, rtol=0
    )
    explorer.set(centre="off")
    torch.testing.assert_close(played(explorer.view), shifted(clip, 1600), atol=1e-4, rtol=0)
    assert explorer.view.notes == []


def test_shifted_fills_with_silence():
    assert shifted(torch.tensor([1.0, 2.0, 3.0]), 1).tolist() == [0.0, 1.0, 2.0]
    assert shifted(torch.tensor([1.0, 2.0, 3.0]), -2).tolist() == [3.0, 0.0, 0.0]
    assert shifted(torch.tensor([1.0, 2.0, 3.0]), 0).tolist() == [1.0, 2.0, 3.0]


# ---- inside the network


def test_saliency_is_that_of_the_word_that_was_chosen(explorer, model):
    sound = played(explorer.view)
    seen = model.features(sound)
    for number, word in enumerate(LABELS):
        explorer.set(saliency="occlusion", target=word)
        fall = occlusion(model.network, seen, number, step=(8, 4))
        assert_shows(explorer.view, "saliency", 100 * fall / fall.abs().max(), also=0.2)
        note = explorer.view.picture("saliency")["notes"][0]
        assert f"up to {fall.abs().max():.2g} logits" in note
        explorer.set(saliency="Grad-CAM", stage=2)
        cam = grad_cam(model.network, seen, number, stage=1)
        assert_shows(explorer.view, "saliency", 100 * cam / (cam.max() or 1.0), also=0.2)
        assert f"\u00ab{word}\u00bb" in explorer.view.picture("saliency")["notes"][0]


def test_every_stage_and_channel_shows_its_own_map(explorer, model):
    seen = model.features(played(explorer.view))[None, None]
    with torch.no_grad():
        for stage, block in enumerate(model.network.stages, start=1):
            seen = block(seen)
            channel = 3 * stage
            explorer.set(stage=stage, channel=channel)
            assert explorer.error == ""
            assert_shows(explorer.view, "feature_map", seen[0, channel])
            assert len(explorer.sliders["channel"].options) == seen.shape[1]


def test_a_lower_stage_with_fewer_channels_takes_its_last_one(explorer):
    explorer.set(stage=3, channel=60)
    explorer.sliders["stage"].value = 1
    assert explorer.settings["channel"] == 15
    assert explorer.error == ""


def test_pointing_at_a_unit_says_its_receptive_field(explorer, model):
    explorer.set(stage=2)
    state = explorer.view.picture("feature_map")
    fields = state["frames"]["fields"]
    for row, column in ((0, 0), (7, 3), (15, 7)):
        field = receptive_field(model.network, stage=1, unit=(row, column))
        seen_rows, seen_columns = fields["rows"][row], fields["columns"][column]
        assert (seen_rows["low_hz"], seen_rows["high_hz"]) == field.freqs_hz
        assert seen_rows["count"] == field.bands[1] - field.bands[0] + 1
        times_ms = (1000 * seen_columns["start_s"], 1000 * seen_columns["end_s"])
        assert times_ms == pytest.approx(field.times_ms)
        assert seen_columns["count"] == field.frames[1] - field.frames[0] + 1
        # the box in the picture ends where its cells end
        assert seen_columns["from"] == pytest.approx((field.frames[0] - 0.5) * 0.032)
        assert seen_columns["to"] == pytest.approx((field.frames[1] + 0.5) * 0.032)
    assert len(fields["rows"]) == state["n_rows"]
    assert len(fields["columns"]) == state["n_columns"]


def test_random_weights_are_guessing_and_their_saliency_is_another_one(explorer, model):
    before, _ = shown(explorer.view, "saliency")
    explorer.set(weights="random")
    assert max(explorer.readout["probabilities"].values()) < 0.6
    assert not torch.equal(shown(explorer.view, "saliency")[0], before)
    assert abs(explorer.readout["saliency_correlation"]) < 0.7
    assert "Sanity check" in explorer.view.notes[0]
    explorer.set(weights="trained")
    torch.testing.assert_close(shown(explorer.view, "saliency")[0], before)


def test_the_explorer_has_a_copy_of_the_model(words):
    model = make_model(make_clips(48, seed=3))
    explorer = explore_cnn(model, words)
    before = dict(explorer.readout["probabilities"])
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.zero_()
    model.network.train()
    explorer.set(gain_db=-5)
    explorer.set(gain_db=0)
    assert explorer.readout["probabilities"] == pytest.approx(before)


# ---- which clip


def test_menus_and_buttons_choose_clips(explorer, words):
    assert len(explorer.found) == 24
    explorer.set(show="wrong")
    assert explorer.found == [4]
    assert explorer.index == 4
    assert explorer.readout["right"] is False
    assert ("said:", "low") in [tuple(pair) for pair in explorer.view.readout]
    explorer.set(show="right", word="low")
    assert explorer.found == [0, 3, 6, 9, 12, 15, 18, 21]
    explorer.step(1)
    first = explorer.index
    explorer._next.click()
    assert explorer.index == explorer.found[explorer.found.index(first) + 1]
    explorer._back.click()
    explorer._back.click()
    assert explorer.index == explorer.found[explorer.found.index(first) - 1]
    assert words.names[explorer.index] in explorer._place.value


def test_a_choice_without_clips_keeps_the_last_one(explorer):
    explorer.set(word="high", show="wrong")
    assert explorer.found == []
    assert explorer.view.notes == [
        "No clip of \u00abhigh\u00bb was heard wrong: the last one stays."
    ]
    assert explorer._next.disabled
    assert explorer.error == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [("gain_db", v) for v in GAIN_DB[::4]]
    + [("snr_db", v) for v in SNR_DB[::3]]
    + [("shift_ms", v) for v in SHIFT_MS[::6]],
)
def test_no_step_of_a_slider_fails(explorer, name, value):
    explorer.set(**{name: value})
    assert explorer.error == ""
    assert played(explorer.view).abs().max() <= 1.0


def test_a_silent_clip_is_shown_too(model, words):
    silent = dataclasses.replace(words, waveforms=torch.zeros_like(words.waveforms))
    explorer = explore_cnn(model, silent, snr_db=10)
    assert explorer.error == ""
    assert explorer.view.readout[-1] == ["level:", "silence"]


def test_an_error_is_one_sentence_in_the_widget(explorer, monkeypatch):
    before, _ = shown(explorer.view, "picture")

    def broken(*_args, **_kwargs):
        raise RuntimeError("no memory for this")

    monkeypatch.setattr("course_utils.explorers.cnn.occlusion", broken)
    explorer.set(gain_db=-30)
    assert explorer.error == "no memory for this. The picture is still the last good one."
    assert torch.equal(shown(explorer.view, "picture")[0], before)


@pytest.mark.parametrize(
    ("settings", "unit"),
    [
        ({"normalize": "none"}, "dB"),
        ({"normalize": "none", "scale": "power"}, "power"),
        ({}, "\u03c3"),
    ],
)
def test_the_picture_has_the_unit_of_the_model(words, settings, unit):
    features = WordFeatures(**settings)
    explorer = explore_cnn(WordModel(LABELS, features=features), words)
    assert explorer.view.picture("picture")["value_unit"] == unit
    assert explorer.error == ""


def test_what_is_shown_where_no_widget_lives(explorer):
    assert repr(explorer) == "CNN explorer: 24 clips, 3 words"
    data, _metadata = explorer._repr_mimebundle_()
    assert data["text/plain"] == repr(explorer)
    assert Image.open(io.BytesIO(explorer.view.png())).width == 640


@pytest.mark.parametrize(
    ("start", "words_of_error"),
    [
        ({"saliency": "guess"}, "saliency must be one of occlusion, Grad-CAM, got 'guess'"),
        ({"stage": 5}, "stage must be one of 1, 2, 3, 4, got 5"),
        ({"channel": 32}, "channel=32 must be from 0 to 31: stage 2 has 32 channels"),
        ({"gain_db": 3}, "gain_db=3 must be a number from -100 to 0"),
        ({"word": "maybe"}, "word must be one of all, low, high, noise"),
        ({"index": 24}, "index=24 must be from 0 to 23"),
    ],
)
def test_bad_start_values_are_named(model, words, start, words_of_error):
    with pytest.raises(ValueError, match=words_of_error):
        explore_cnn(model, words, **start)


@pytest.mark.parametrize("explore", [explore_cnn, explore_confusion])
def test_model_and_clips_must_fit(explore, model, words):
    with pytest.raises(ValueError, match="no clip"):
        explore(model, words[:0])
    with pytest.raises(ValueError, match="knows the words low, high, noise, and the clips are of"):
        explore(model, dataclasses.replace(words, label_names=("a", "b", "c")))
    with pytest.raises(ValueError, match="resample the clips"):
        explore(model, dataclasses.replace(words, sample_rate=8000))
    with pytest.raises(TypeError, match="no setting volume"):
        explore_cnn(model, words, volume=3)


def test_cells_hold_numbers_in_8_bits():
    assert to_cells(torch.tensor([-9.0, -3.0, 0.0, 3.0, 9.0]), -3.0, 3.0).tolist() == [
        0, 0, 128, 255, 255,
    ]  # fmt: skip


def test_the_rows_of_the_picture_are_the_bands():
    pictures = NetworkPictures(MelParams(), n_samples=16000)
    picture = pictures.seen(torch.zeros(64, 32), WordFeatures())
    table, rows = picture.y.table, picture.rows
    for band in (0, 20, 63):
        place = (band + 0.5) / 64
        centre = np.interp(place, np.linspace(0, 1, len(table)), table)
        assert centre == pytest.approx(rows["centre"][band], rel=0.01, abs=1)


# ---- confusion


def test_counts_are_those_of_the_model(confusion, model, words):
    heard = model.logits(words.waveforms).argmax(-1)
    for row in range(3):
        for column in range(3):
            count = int(((words.labels == row) & (heard == column)).sum())
            assert confusion.grid.counts[row][column] == count
    assert confusion.grid.summary.startswith("23 of 24 clips are heard right: 95.8 %")


def test_it_starts_with_the_most_frequent_mistake(confusion):
    assert confusion.grid.cell == [0, 1]
    assert (
        confusion.grid.headline == "1 of 9 clips of \u00ablow\u00bb was heard as \u00abhigh\u00bb."
    )
    assert confusion.index == 4


def test_a_cell_lists_its_clips_the_surest_first_and_plays_them(confusion, model, words):
    found = confusion.choose("noise", "noise")
    assert sorted(found) == list(range(2, 24, 3))
    shares = model.logits(words.waveforms).softmax(-1)[found, 2]
    assert (shares.diff() <= 1e-6).all()
    assert confusion.grid.headline == "8 of 8 clips of \u00abnoise\u00bb were heard right."
    assert len(confusion.grid.clips) == 8
    assert confusion.grid.clips[0].startswith("voice ")
    for number in (0, 3, 7):
        confusion.grid.chosen = number
        assert confusion.index == found[number]
        clip = centre_by_energy(words.waveforms[found[number]])
        torch.testing.assert_close(played(confusion.view), clip, atol=1e-4, rtol=0)
        assert_shows(confusion.view, "picture", model.features(words.waveforms[found[number]]))
        assert ["file:", words.names[found[number]]] in confusion.view.readout


def test_an_empty_cell_keeps_the_clip(confusion):
    before = confusion.index
    assert confusion.choose("high", "low") == []
    assert confusion.grid.clips == []
    assert (
        confusion.grid.headline == "0 of 7 clips of \u00abhigh\u00bb were heard as \u00ablow\u00bb."
    )
    assert confusion.index == before


def test_without_mistakes_it_starts_with_what_is_right(model):
    confusion = explore_confusion(model, make_clips(9, seed=5))
    assert confusion.grid.cell == [0, 0]
    assert len(confusion.grid.clips) == 3


def test_a_cell_must_name_words(model, words):
    with pytest.raises(ValueError, match="'maybe' is none of the words low, high, noise"):
        explore_confusion(model, words, cell=("low", "maybe"))


def test_the_matrix_is_a_picture_where_no_widget_lives(confusion):
    assert repr(confusion) == "Confusion matrix: 24 clips, 3 words"
    data, _metadata = confusion._repr_mimebundle_()
    assert data["text/plain"] == repr(confusion)
    assert "application/vnd.jupyter.widget-view+json" in data
    assert Image.open(io.BytesIO(confusion.png())).height > 300
