"""TrainingView without a browser: what it says at each moment, and a real training under it."""

import io
import math
import re
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

from course_utils.explorers import TrainingView, training
from course_utils.models.augment import Augmentation
from course_utils.models.train import TrainingSettings, fit
from course_utils.models.word_model import WordModel

WORDS = ("yes", "no")


@dataclass
class Seen:
    """The complete epochs of a training that is only told about."""

    train_loss: list = field(default_factory=list)
    train_accuracy: list = field(default_factory=list)
    validation_loss: list = field(default_factory=list)
    validation_accuracy: list = field(default_factory=list)


def progress(seen, place, n_epochs=10, *, validation=0.8, seconds=4.0):
    """News at ``place`` epochs; a whole number is the end of an epoch."""
    if place == int(place):
        seen.train_loss.append(1.0 / place)
        seen.train_accuracy.append(1.0 - 0.5 / place)
        seen.validation_loss.append(2.0 / place if validation is not None else math.nan)
        seen.validation_accuracy.append(validation if validation is not None else math.nan)
    ended = place == int(place)
    return SimpleNamespace(
        epoch=math.ceil(place), n_epochs=n_epochs, share_done=place / n_epochs, seconds=seconds,
        seconds_left=seconds * (n_epochs - place) / place, train_loss=1.0 / place,
        train_accuracy=1.0 - 0.5 / place, validation_loss=2.0 / place if ended else None,
        validation_accuracy=validation if ended else None, history=seen,
    )  # fmt: skip


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when a test says so."""
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(training.time, "monotonic", lambda: now.s)
    return now


def click_stop(view):
    view._handle_custom_msg({"type": "stop"}, [])


def tones(n_clips, seed):
    """Two «words» that a network tells apart at once."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n_clips) % 2
    times_s = torch.arange(16000) / 16000
    freqs_hz = torch.where(labels == 0, 400.0, 1500.0)[:, None]
    tone = torch.sin(2 * torch.pi * freqs_hz * times_s) * torch.exp(-(((times_s - 0.5) / 0.1) ** 2))
    noise = 0.05 * torch.randn(n_clips, 16000, generator=generator)
    return SimpleNamespace(waveforms=0.5 * tone + noise, labels=labels)


SETTINGS = TrainingSettings(n_epochs=3, batch_size=8, augmentation=Augmentation.none())


def test_it_waits_says_so_and_shows_a_picture_without_numbers():
    view = TrainingView()
    assert view.phase == "waiting"
    assert "run the cell that trains" in view.state["text"]
    assert repr(view) == "TrainingView: loss and accuracy of each epoch"
    data, metadata = view._repr_mimebundle_()
    assert data["text/plain"] == repr(view) == metadata["image/png"]["alt"]
    assert "application/vnd.jupyter.widget-view+json" in data
    assert Image.open(io.BytesIO(view.png())).width == 640


def test_news_become_curves_and_words(clock):
    view, seen = TrainingView(), Seen()
    for place in (0.5, 1, 1.5, 2, 2.5):
        clock.s += 1
        view.report(progress(seen, place))
    assert view.phase == "running"
    assert view.curves["train_loss"] == [1.0, 0.5]
    assert view.curves["validation_accuracy"] == [0.8, 0.8]
    assert view.curves["live"] == {"x": 2.5, "train_loss": 0.4, "train_accuracy": 0.8}
    assert view.state["text"] == "epoch 3 of 10 \u00b7 12 s left"
    assert view.state["details"] == (
        "training: loss 0.400, 80.0 % right \u00b7 validation: loss 1.000, 80.0 % right"
    )
    assert view.state["share"] == pytest.approx(0.25)


def test_the_end_names_the_last_and_the_best_validation(clock):
    view, seen = TrainingView(), Seen()
    for place, share in ((1, 0.7), (2, 0.931), (3, 0.9)):
        view.report(progress(seen, place, 3, validation=share, seconds=41.2))
    assert view.phase == "done"
    assert view.state["text"] == (
        "done: 3 epochs in 41 s, validation 90.0 %, best 93.1 % in epoch 2"
    )
    assert view.state["share"] == 1.0
    assert view.curves["live"] is None
    assert len(view.curves["train_loss"]) == 3


def test_without_validation_nothing_is_said_about_it(clock):
    view, seen = TrainingView(), Seen()
    for place in (1, 2):
        view.report(progress(seen, place, 2, validation=None))
    assert view.state["text"] == "done: 2 epochs in 4.0 s"
    assert view.curves["validation_loss"] == [None, None]
    assert "validation" not in view.state["details"]


def test_at_most_five_messages_a_second(clock):
    view, seen = TrainingView(), Seen()
    told = []
    view.observe(lambda change: told.append(change.new), names="state")
    for i in range(1, 101):
        clock.s += 0.05
        view.report(progress(seen, 0.01 * i, 10))
    assert len(told) <= 100 * 0.05 * 5 + 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4 s"), (9.4, "9.4 s"), (9.6, "10 s"), (59.4, "59 s"), (80.2, "1 min 20 s")],
)
def test_durations_are_readable(seconds, text):
    assert training._duration(seconds) == text


def test_a_click_is_heard_in_another_thread_and_asked_for_once():
    view, seen = TrainingView(), Seen()
    assert not view.should_stop()
    view.report(progress(seen, 1))
    thread = threading.Thread(target=click_stop, args=(view,))
    thread.start()
    thread.join()
    assert view.phase == "stopping"
    assert view.should_stop()
    assert view.phase == "stopped"
    assert view.state["text"] == "stopped after 1 epoch: what was learned is kept"


def test_after_a_stop_the_next_training_begins_anew():
    view, seen = TrainingView(), Seen()
    view.report(progress(seen, 1))
    click_stop(view)
    assert view.should_stop()
    assert not view.should_stop()  # the first question of the next training
    assert view.phase == "running"
    assert view.curves["train_loss"] == []
    view.report(progress(Seen(), 1))
    assert view.curves["train_loss"] == [1.0]


def test_a_click_while_nothing_runs_changes_nothing():
    view, seen = TrainingView(), Seen()
    click_stop(view)
    assert view.phase == "waiting"
    view.report(progress(seen, 1, 1))
    click_stop(view)
    assert view.phase == "done"


def test_a_real_training_is_shown_and_hardly_slowed():
    view = TrainingView()
    model = WordModel(WORDS)
    history = fit(
        model, tones(48, 1), tones(16, 2), settings=SETTINGS,
        report=view.report, should_stop=view.should_stop,
    )  # fmt: skip
    assert view.phase == "done"
    assert view.curves["train_loss"] == history.train_loss
    assert view.curves["validation_accuracy"] == history.validation_accuracy
    assert view.seconds_spent < 0.1 * history.seconds + 0.05


def test_a_real_training_ends_at_the_click():
    view = TrainingView()

    def report(progress):
        view.report(progress)
        if progress.epoch == 2:
            click_stop(view)

    history = fit(
        WordModel(WORDS), tones(48, 1), tones(16, 2), settings=SETTINGS,
        report=report, should_stop=view.should_stop,
    )  # fmt: skip
    assert history.stopped
    assert history.n_epochs == 1
    assert view.phase == "stopped"


@pytest.fixture
def shell(monkeypatch):
    """IPython, as a kernel has it."""
    shell = InteractiveShell.instance()
    monkeypatch.setattr(training, "get_ipython", lambda: shell)
    yield shell
    InteractiveShell.clear_instance()


@pytest.mark.parametrize(
    ("code", "phase", "words"),
    [
        ("view.report(news)", "stopped", "stopped after 1 epoch"),
        ("view.report(news); raise ValueError('x')", "failed", "an error ended the training"),
        ("view.report(news); raise KeyboardInterrupt", "failed", "an error ended the training"),
    ],
)
def test_the_end_of_the_cell_is_the_end_of_the_training(shell, capsys, code, phase, words):
    """Whatever ended it: fit after an interrupt, or an error."""
    view = TrainingView()
    shell.push({"view": view, "news": progress(Seen(), 1)})
    shell.run_cell(code)
    assert view.phase == phase
    assert words in view.state["text"]
    shell.run_cell("1 + 1")
    assert view.phase == phase
    capsys.readouterr()


@pytest.mark.parametrize("name", ["training.js", "training.css", "confusion.js", "confusion.css"])
def test_nothing_is_loaded_from_elsewhere(name):
    text = (training._STATIC / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://|\bimport\s*\(|^\s*import\s|@import|url\(", text, re.M)
