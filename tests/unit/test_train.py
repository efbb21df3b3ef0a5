"""Training: it learns, it repeats itself bit for bit, it can be stopped and goes on."""

import dataclasses
import math
from types import SimpleNamespace

import pytest
import torch

from course_utils.data.tones import CLASS_NAMES, make_clips
from course_utils.models.augment import Augmentation
from course_utils.models.cnn import WordCNN
from course_utils.models.evaluate import accuracy
from course_utils.models.features import WordFeatures
from course_utils.models.train import (
    CheckpointError,
    Progress,
    TrainingSettings,
    fit,
    learning_rate_at,
)
from course_utils.models.word_model import WordModel, load_word_model

SHORT = TrainingSettings(n_epochs=3, batch_size=16)


def small_model(seed=0, **features):
    """A network that trains in a second, with everything that the large one has."""
    network = WordCNN(5, 64, (8, 8, 16), seed=seed)
    return WordModel(CLASS_NAMES, features=WordFeatures(**features), network=network)


@pytest.fixture(scope="module")
def train():
    return make_clips(50, seed=1)


@pytest.fixture(scope="module")
def validation():
    return make_clips(30, seed=2)


def same_weights(first, second):
    ours, theirs = first.network.state_dict(), second.network.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def trained(train, validation=None, *, model=None, **arguments):
    model = model or small_model()
    history = fit(model, train, validation, settings=arguments.pop("settings", SHORT), **arguments)
    return model, history


# ------------------------------------------------------------------------------ learning


def test_it_learns(train, validation):
    model = small_model()
    before = accuracy(model, validation)
    settings = TrainingSettings(n_epochs=12, batch_size=10, augmentation=Augmentation.none())
    history = fit(model, train, validation, settings=settings)
    assert before < 0.5
    assert accuracy(model, validation) > 0.8
    assert history.train_loss[-1] < 0.6 * history.train_loss[0]
    assert history.validation_accuracy[-1] == accuracy(model, validation)
    assert not model.network.training


def test_a_trained_model_gives_identical_logits_when_it_is_loaded(train, validation, tmp_path):
    """Weights in another memory order give the same numbers but for the rounding."""
    model = WordModel(CLASS_NAMES)
    fit(model, train, None, settings=TrainingSettings(n_epochs=1))
    loaded = load_word_model(model.save(tmp_path / "model.pt"))
    assert torch.equal(loaded.logits(validation.waveforms), model.logits(validation.waveforms))


def test_it_begins_at_guessing(train):
    _, history = trained(train, settings=TrainingSettings(n_epochs=1, batch_size=50))
    assert history.train_loss[0] == pytest.approx(math.log(5), abs=0.3)


def test_one_batch_can_be_learned_by_heart(train):
    few = SimpleNamespace(waveforms=train.waveforms[:10], labels=torch.arange(10) % 5)
    settings = TrainingSettings(
        n_epochs=60, batch_size=10, augmentation=Augmentation.none(), label_smoothing=0.0
    )
    model, _ = trained(few, settings=settings)
    assert accuracy(model, few) == 1.0, "labels that mean nothing, learned by heart"


def test_augmentation_is_part_of_it(train):
    settings = dataclasses.replace(SHORT, augmentation=Augmentation.none())
    assert not same_weights(trained(train)[0], trained(train, settings=settings)[0])


def test_what_remains_is_the_running_mean_of_the_weights(train, validation):
    """The steps are the same for both: only what is kept of them differs."""
    last = dataclasses.replace(SHORT, average=0.0)
    model, history = trained(train, validation)
    other, other_history = trained(train, validation, settings=last)
    assert history.train_loss == other_history.train_loss
    assert history.validation_loss != other_history.validation_loss
    assert not same_weights(model, other)


@pytest.mark.parametrize("normalize", ["data set", "none"])
def test_statistics_come_from_the_training_clips_only(train, validation, normalize):
    model, _ = trained(train, validation, model=small_model(normalize=normalize))
    expected = WordFeatures(normalize=normalize)
    if normalize == "data set":
        expected.measure(expected.mel_power(train.waveforms))
    torch.testing.assert_close(model.features.mean, expected.mean, equal_nan=True)


# ---------------------------------------------------------------------------- repeating


def test_the_same_seed_gives_the_same_weights_whatever_else_draws_numbers(train, validation):
    first, history = trained(train, validation)
    torch.manual_seed(99)
    again, again_history = trained(train, validation, report=lambda _: torch.rand(7))
    assert same_weights(first, again)
    assert first.network.training is again.network.training is False
    assert history.train_loss == again_history.train_loss
    assert history.validation_loss == again_history.validation_loss


def test_the_number_of_threads_changes_nothing_and_is_given_back(train):
    one, _ = trained(train)
    torch.set_num_threads(2)
    try:
        two, _ = trained(train)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert same_weights(one, two)


def test_another_seed_gives_other_weights(train):
    other = dataclasses.replace(SHORT, seed=1)
    assert not same_weights(trained(train)[0], trained(train, settings=other)[0])


def test_the_global_random_numbers_are_left_alone(train, validation):
    before = torch.random.get_rng_state()
    trained(train, validation)
    assert torch.equal(before, torch.random.get_rng_state())


def test_validation_clips_teach_nothing(train, validation):
    assert same_weights(trained(train)[0], trained(train, validation)[0])


def test_the_order_of_the_clips_is_drawn_anew_in_each_epoch(train):
    seen = []

    class Spy(WordCNN):
        def forward(self, pictures):
            if self.training:
                seen.append(pictures.sum().item())
            return super().forward(pictures)

    model = WordModel(CLASS_NAMES, network=Spy(5, 64, (8, 8)))
    settings = TrainingSettings(n_epochs=2, batch_size=25, augmentation=Augmentation.none())
    fit(model, train, None, settings=settings)
    assert len(seen) == 4
    assert seen[:2] != seen[2:]


# ------------------------------------------------------------------------------ watching


def test_reports_say_where_the_training_is(train, validation):
    reports: list[Progress] = []
    _, history = trained(train, validation, report=reports.append)
    shares = [r.share_done for r in reports]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert {r.n_epochs for r in reports} == {3}
    assert sorted({r.epoch for r in reports}) == [1, 2, 3]
    ends = [r for r in reports if r.validation_accuracy is not None]
    assert [r.validation_accuracy for r in ends] == history.validation_accuracy
    assert [r.train_loss for r in ends] == history.train_loss
    assert len(reports) > len(ends), "there is news between the ends of epochs too"
    assert reports[-1].seconds_left == 0.0
    assert reports[0].seconds_left > 0.0
    assert reports[-1].history is history


def test_without_validation_its_figures_are_nan(train):
    _, history = trained(train)
    assert history.n_epochs == 3
    assert all(math.isnan(x) for x in history.validation_loss + history.validation_accuracy)
    assert not history.stopped
    assert history.seconds > 0


# ------------------------------------------------------------------------------ stopping


def stop_after(n_calls):
    """Make a should_stop that says yes at its ``n_calls``-th question."""
    calls = iter(range(1, 10_000))
    return lambda: next(calls) >= n_calls


def test_a_stopped_training_keeps_what_it_has(train, validation):
    model, history = trained(train, validation, should_stop=stop_after(7))  # 4 batches an epoch
    assert history.stopped
    assert history.n_epochs == 1
    assert not model.network.training
    assert model.logits(validation.waveforms).isfinite().all()


def test_a_training_stopped_at_once_changes_nothing(train):
    model, history = trained(train, should_stop=lambda: True)
    assert same_weights(model, small_model())
    assert (history.n_epochs, history.stopped) == (0, True)


def test_the_keyboard_interrupt_ends_tidily(train, validation):
    def interrupt(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    model, history = trained(train, validation, report=interrupt)
    assert history.stopped
    assert history.n_epochs == 1
    assert not model.network.training
    lengths = {len(v) for v in dataclasses.asdict(history).values() if isinstance(v, list)}
    assert lengths == {1}


def test_a_failing_report_is_not_hidden(train):
    def fail(progress):
        raise RuntimeError("broken view")

    model = small_model()
    with pytest.raises(RuntimeError, match="broken view"):
        fit(model, train, None, settings=SHORT, report=fail)
    assert not model.network.training, "the model is usable all the same"


# ------------------------------------------------------------------------------ resuming


@pytest.mark.parametrize("n_calls", [2, 5, 8, 12])
def test_a_resumed_training_ends_with_the_same_weights(train, validation, tmp_path, n_calls):
    whole, history = trained(train, validation)
    path = tmp_path / "training.pt"
    _, first = trained(train, validation, checkpoint=path, should_stop=stop_after(n_calls))
    assert first.stopped
    resumed, second = trained(train, validation, checkpoint=path, model=small_model())
    assert same_weights(whole, resumed)
    assert second.train_loss == history.train_loss
    assert second.validation_accuracy == history.validation_accuracy
    assert not second.stopped
    assert [p.name for p in tmp_path.iterdir()] == ["training.pt"]


def test_a_finished_checkpoint_gives_the_finished_model(train, tmp_path):
    path = tmp_path / "training.pt"
    whole, _ = trained(train, checkpoint=path)
    reports = []
    again, history = trained(train, checkpoint=path, report=reports.append)
    assert same_weights(whole, again)
    assert history.n_epochs == 3
    assert reports == []


@pytest.mark.parametrize("change", ["settings", "clips", "labels", "features", "network"])
def test_a_checkpoint_of_another_training_is_refused(train, tmp_path, change):
    path = tmp_path / "training.pt"
    trained(train, checkpoint=path)
    clips, settings, model = train, SHORT, small_model()
    if change == "settings":
        settings = dataclasses.replace(SHORT, learning_rate=1e-3)
    elif change == "clips":
        clips = make_clips(50, seed=7)
    elif change == "labels":
        clips = SimpleNamespace(waveforms=train.waveforms, labels=train.labels.flip(0))
    elif change == "features":
        model = small_model(scale="power")
    else:
        model = WordModel(CLASS_NAMES, network=WordCNN(5, 64, (8, 16, 16)))
    with pytest.raises(CheckpointError, match=r"other settings or clips; delete training\.pt"):
        fit(model, clips, None, settings=settings, checkpoint=path)


@pytest.mark.parametrize("content", [b"", b"nothing", None], ids=["empty", "text", "code"])
def test_a_damaged_checkpoint_is_refused(train, tmp_path, content):
    path = tmp_path / "training.pt"
    if content is None:
        torch.save({"identity": print}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"training\.pt is damaged; delete"):
        trained(train, checkpoint=path)


# ------------------------------------------------------------------------------ settings


def test_steps_rise_fall_and_end_short():
    rates = [learning_rate_at(s, n_steps=100, highest=2.0) for s in range(100)]
    top = rates.index(max(rates))
    assert top == 25
    assert rates[top] == pytest.approx(2.0)
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)
    assert rates[0] < 0.05
    assert rates[-1] < 0.05


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"n_epochs": 0}, "n_epochs=0"),
        ({"batch_size": 1}, "batch_size=1"),
        ({"learning_rate": 0.0}, r"learning_rate=0\.0"),
        ({"weight_decay": -1.0}, r"weight_decay=-1\.0"),
        ({"label_smoothing": 1.0}, r"label_smoothing=1\.0"),
        ({"average": 1.0}, r"average=1\.0"),
        ({"seed": -1}, "seed=-1"),
        ({"augmentation": None}, "augmentation=None"),
    ],
)
def test_a_wrong_setting_is_named(settings, says):
    with pytest.raises(ValueError, match=says):
        TrainingSettings(**settings)


@pytest.mark.parametrize(
    ("waveforms", "labels", "says"),
    [
        (torch.randn(4, 16000), torch.zeros(3).long(), r"train must have waveforms"),
        (torch.randn(16000), torch.zeros(1).long(), r"train must have waveforms"),
        (torch.randn(2, 16000), torch.tensor([0, 5]), "labels from 0 to 4"),
        (torch.randn(0, 16000), torch.zeros(0).long(), "at least one clip"),
        (torch.randn(1, 16000), torch.tensor([0]), "two or more"),
    ],
)
def test_clips_that_do_not_fit_are_named(waveforms, labels, says):
    with pytest.raises(ValueError, match=says):
        trained(SimpleNamespace(waveforms=waveforms, labels=labels))


def test_a_last_single_clip_joins_the_batch_before_it():
    clips = make_clips(17, seed=1)
    settings = dataclasses.replace(SHORT, batch_size=8)
    _, history = trained(clips, settings=settings)
    assert history.n_epochs == 3
