"""One JupyterLab and one Chromium for all browser tests."""

from __future__ import annotations

import os

import pytest

from tests.browser.lab import Lab, NoBrowser, Notebook
from tests.browser.view import View

PRELUDE = """
import numpy as np
import torch
from course_utils.audio_io import load_audio
from course_utils.explorers import explore_mel, explore_road, explore_stft
from course_utils.sound_view import SoundView, listen
from tests.browser import sounds
sr = sounds.SAMPLE_RATE
y = sounds.tone_and_click()
"""


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/browser/" in item.nodeid.replace("\\", "/"):
            item.add_marker(pytest.mark.browser)


# Of the package, not of the session: Playwright keeps an event loop running as long as it lives.
@pytest.fixture(scope="package")
def lab():
    """JupyterLab on a temporary copy of the notebooks and sounds, with a Chromium beside it.

    Without a Chromium the test is skipped; where ``SEEING_SOUND_REQUIRE_BROWSER=1`` it fails.
    """
    try:
        started = Lab(size=(1280, 1000))
    except NoBrowser as problem:
        if os.environ.get("SEEING_SOUND_REQUIRE_BROWSER") == "1":
            pytest.fail(str(problem))
        pytest.skip(str(problem))
    with started:
        yield started
    assert started.traffic.external() == [], "a page asked for something outside this machine"


@pytest.fixture(scope="package")
def warm_notebook(lab) -> Notebook:
    """A notebook whose kernel has imported the course."""
    notebook = lab.open_notebook(lab.write_notebook(["", PRELUDE], "notebooks/tests.ipynb"))
    notebook.run_all()
    return notebook


@pytest.fixture
def notebook(lab, warm_notebook) -> Notebook:
    """The warm notebook, brought to the front; nothing red may appear while a test has it."""
    page = warm_notebook.page
    page.bring_to_front()
    page.mouse.move(5, 5)
    lab.traffic.console.clear()
    lab.traffic.page_errors.clear()
    yield warm_notebook
    assert warm_notebook.complaints() == []
    assert lab.traffic.page_errors == []
    assert lab.traffic.console == []


@pytest.fixture
def show(notebook):
    """Show a widget in the notebook: ``show("ex = explore_stft(y, sr)\\nex")`` is its View."""

    def show_it(code: str, index: int = 0) -> View:
        notebook.show(code)
        return View(notebook, index)

    return show_it
