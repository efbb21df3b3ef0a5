"""SweepView without a browser: what it says at each moment, and a real sweep under it."""

import io
import re
import threading

import pytest
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

from course_utils.explorers import SweepView, sweeping
from course_utils.models.augment import Augmentation
from course_utils.models.sweep import Setting, SweepProgress, grid, run_sweep
from course_utils.models.train import TrainingSettings
from tests.explorers.results import record
from tests.explorers.words import make_clips

SETTINGS = grid(n_mels=[8, 16], hop_length=[512, 1024])
QUICK = {
    "training": TrainingSettings(n_epochs=1, augmentation=Augmentation.none()),
    "channels": (4,),
}


def progress(n_done, n_runs=4, **other):
    values = {
        "n_done": n_done, "n_runs": n_runs, "n_before": 0, "n_failed": 0,
        "share_done": n_done / n_runs, "seconds": 12.0,
        "seconds_left": None if n_done == 0 else 8.4,
        "record": record(Setting(n_mels=8), n_done, 0.85) if n_done else None, "notes": (),
    }  # fmt: skip
    return SweepProgress(**values | other)


def click_stop(view):
    view._handle_custom_msg({"type": "stop"}, [])


@pytest.fixture(scope="module")
def clips():
    return make_clips(24, seed=1)


def test_it_waits_says_so_and_shows_a_picture_without_numbers():
    view = SweepView()
    assert view.phase == "waiting"
    assert "run the cell" in view.state["text"]
    data, metadata = view._repr_mimebundle_()
    assert data["text/plain"] == "SweepView: the runs of a sweep"
    assert metadata["image/png"]["alt"] == data["text/plain"]
    assert Image.open(io.BytesIO(view.png())).width > 300


def test_it_says_how_far_it_is_and_how_long_it_takes():
    view = SweepView()
    view.report(progress(0))
    assert view.phase == "running"
    assert view.state["text"] == "0 of 4 runs \u00b7 the first one"
    view.report(progress(1))
    assert view.state["text"] == "1 of 4 runs \u00b7 8.4 s left"
    assert view.state["share"] == 0.25
    assert view.runs == [
        {"name": "1024/512/8, seed 1", "accuracy": 85.0, "told": "85.0 % \u00b7 7.6 s"}
    ]
    view.report(progress(4, seconds=75.2))
    assert view.phase == "done"
    assert view.state["text"] == "done: 4 of 4 runs, 1 min 15 s this time"
    assert [run["name"][-1] for run in view.runs] == ["4", "1"]


def test_news_without_a_run_add_no_line():
    view = SweepView()
    view.report(progress(1))
    view.report(progress(1, record=None, seconds_left=7.0))
    assert len(view.runs) == 1
    assert "7.0 s left" in view.state["text"]


def test_what_was_there_what_failed_and_what_is_damaged_is_said():
    view = SweepView()
    view.report(progress(3, n_before=2, n_failed=1, notes=("line 3 of a.jsonl is damaged",)))
    assert view.state["details"] == (
        "2 were in the file already \u00b7 1 ended with an error \u00b7 "
        "line 3 of a.jsonl is damaged"
    )
    failed = record(Setting(), 0, 0.5) | {"error": "ValueError: no room"}
    view.report(progress(4, record=failed))
    assert view.runs[0]["told"] == "ValueError: no room"
    assert view.png()


def test_the_list_keeps_the_newest_runs():
    view = SweepView()
    for n in range(1, 40):
        view.report(progress(n, 50))
    assert len(view.runs) == 12
    assert view.runs[0]["name"].endswith("seed 39")


def test_the_picture_shows_what_was_measured():
    view = SweepView()
    before = view.png()
    view.report(progress(1))
    assert view.png() != before


def test_a_click_is_heard_in_another_thread():
    view = SweepView()
    assert not view.should_stop()
    view.report(progress(1))
    thread = threading.Thread(target=click_stop, args=(view,))
    thread.start()
    thread.join()
    assert view.phase == "stopping"
    assert view.should_stop()
    view.report(progress(2))  # the run in flight still ends
    assert view.phase == "stopping"
    view.finish()
    assert view.phase == "stopped"
    assert "stopped after 2 of 4 runs: what was measured is kept" in view.state["text"]
    view.report(progress(0))  # the next sweep begins anew
    assert view.phase == "running"
    assert not view.should_stop()
    assert view.runs == []


def test_a_click_while_nothing_runs_changes_nothing():
    view = SweepView()
    click_stop(view)
    assert not view.should_stop()
    view.report(progress(4))
    click_stop(view)
    assert view.phase == "done"
    assert not view.should_stop()


def test_a_real_sweep_is_shown_stopped_and_goes_on(clips, tmp_path):
    view, path = SweepView(), tmp_path / "mine.jsonl"

    def report(news):
        view.report(news)
        if news.n_done == 2:
            click_stop(view)

    first = run_sweep(SETTINGS, [0], clips, clips, results=path, report=report,
                      should_stop=view.should_stop, **QUICK)  # fmt: skip
    view.finish()
    assert (len(first.records), first.stopped, view.phase) == (2, True, "stopped")
    second = run_sweep(SETTINGS, [0], clips, clips, results=path, report=view.report,
                       should_stop=view.should_stop, **QUICK)  # fmt: skip
    assert (len(second.records), second.stopped, view.phase) == (4, False, "done")
    assert "2 were in the file already" in view.state["details"]
    assert [run["accuracy"] for run in view.runs] == [
        100 * one["accuracy"] for one in second.records[:1:-1]
    ]
    run_sweep(SETTINGS, [0], clips, clips, results=path, report=view.report, **QUICK)
    assert view.phase == "done"
    assert "4 were in the file already" in view.state["details"]


@pytest.fixture
def shell(monkeypatch):
    """IPython, as a kernel has it."""
    shell = InteractiveShell.instance()
    monkeypatch.setattr(sweeping, "get_ipython", lambda: shell)
    yield shell
    InteractiveShell.clear_instance()


@pytest.mark.parametrize(
    ("code", "phase", "words"),
    [
        ("view.report(news)", "stopped", "stopped after 1 of 4 runs"),
        ("view.report(news); raise ValueError('x')", "failed", "an error ended the sweep"),
    ],
)
def test_the_end_of_the_cell_is_the_end_of_the_sweep(shell, capsys, code, phase, words):
    view = SweepView()
    shell.push({"view": view, "news": progress(1)})
    shell.run_cell(code)
    assert view.phase == phase
    assert words in view.state["text"]
    shell.run_cell("1 + 1")
    assert view.phase == phase
    capsys.readouterr()


def test_nothing_is_loaded_from_elsewhere():
    text = (sweeping._STATIC / "sweeping.js").read_text(encoding="utf-8")
    assert not re.search(r"https?://|\bimport\s*\(|^\s*import\s|@import|url\(", text, re.M)
