"""``course.py lab --lecture``: large type, nothing beside the lesson, nobody's settings touched.

The real command is started, on a copy of the lessons and with a home folder of its own.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psutil
import pytest

from tests.browser.lab import PROJECT, READY_JS, free_port

# course.py of the copy, with the environment that is here already: nothing is installed.
START = """
import sys
sys.path.insert(0, {root!r})
import course
course.prepare = lambda **options: None
course.venv_python = lambda: course.Path({python!r})
course.LECTURE = course.Path({home!r}) / "lecture"
sys.exit(course.main(["lab", "--lecture", "02", "--no-browser", *sys.argv[1:]]))
"""
SIZE_JS = "selector => getComputedStyle(document.querySelector(selector)).fontSize"
TO_CELL_JS = """id => {
    const {content} = jupyterapp.shell.currentWidget;
    content.activeCellIndex = content.widgets.findIndex(cell => cell.model.id === id);
    return content.scrollToItem(content.activeCellIndex, 'start').then(() => null);
}"""


class Lecture:
    """The running command, and its address."""

    def __init__(self, folder):
        self.root, self.home = folder / "course", folder / "home"
        self.home.mkdir()
        shutil.copytree(PROJECT / "jupyter-config", self.root / "jupyter-config")
        shutil.copy(PROJECT / "course.py", self.root)
        (self.root / "notebooks").mkdir()
        for name in ("00_start.ipynb", "02_stft.ipynb"):
            shutil.copy(PROJECT / "notebooks" / name, self.root / "notebooks")
        shutil.copytree(
            PROJECT / "audio_samples",
            self.root / "audio_samples",
            ignore=shutil.ignore_patterns("words"),
        )
        self.log, self.token, port = folder / "log", secrets.token_hex(16), free_port()
        self.url = f"http://127.0.0.1:{port}"
        code = START.format(root=str(self.root), python=sys.executable, home=str(self.home))
        options = [
            f"--ServerApp.port={port}",
            "--ServerApp.ip=127.0.0.1",
            "--expose-app-in-browser",
        ]
        options += [f"--IdentityProvider.token={self.token}"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, *options],
                env=self._environment(),
                cwd=self.root,
                stdout=log,
                stderr=log,
            )

    def _environment(self):
        kept = {name: value for name, value in os.environ.items() if "JUPYTER" not in name}
        return {**kept, "HOME": str(self.home), "USERPROFILE": str(self.home)}

    def wait(self, timeout_s=90):
        """Wait until the server answers."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            request = urllib.request.Request(f"{self.url}/api/status")
            request.add_header("Authorization", f"token {self.token}")
            try:
                urllib.request.urlopen(request, timeout=20).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(self.log.read_text(errors="replace")[-3000:])

    def stop(self):
        """End the command and every process that it started."""
        parent = psutil.Process(self.process.pid)
        family = [*parent.children(recursive=True), parent]
        self.process.terminate()
        _, alive = psutil.wait_procs(family, timeout=15)
        for process in alive:
            process.kill()
        self.process.wait(timeout=5)


@pytest.fixture(scope="module")
def lecture(tmp_path_factory):
    started = Lecture(tmp_path_factory.mktemp("lecture"))
    try:
        started.wait()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def page(lab, lecture):
    """The page that the command opens, at the size of a projector, in a window of its own."""
    context = lab.browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.goto(f"{lecture.url}/?token={lecture.token}")
    page.wait_for_selector(".jp-NotebookPanel .jp-Notebook", timeout=90_000)
    page.evaluate(READY_JS)
    yield page
    context.close()


def test_the_lesson_that_was_named_fills_the_screen(page):
    assert page.evaluate("jupyterapp.shell.currentWidget.context.path") == "notebooks/02_stft.ipynb"
    assert page.evaluate("jupyterapp.shell.mode") == "single-document"
    box = page.locator(".jp-Notebook").bounding_box()
    assert box["width"] >= 1270
    assert box["height"] >= 640
    for distraction in ("#jp-main-statusbar", ".jp-SideBar", "#jp-title-panel-title"):
        assert page.locator(f"{distraction}:visible").count() == 0, distraction


def test_type_is_large_and_the_buttons_for_editing_are_gone(page):
    assert page.evaluate(SIZE_JS, ".jp-Notebook .cm-content") == "18px"
    assert page.evaluate(SIZE_JS, ".jp-RenderedMarkdown p") == "20px"
    names = page.locator(".jp-NotebookPanel-toolbar .jp-Toolbar-item:visible").evaluate_all(
        "items => items.map(item => item.dataset.jpItemName)"
    )
    assert {"run", "interrupt", "restart", "restart-and-run", "kernelName"} <= set(names)
    assert not {"save", "cut", "paste", "cellType", "debugger-icon"} & set(names)
    assert page.locator(".jp-cell-toolbar:visible").count() == 0


def test_players_and_explorers_begin_in_large_type(page):
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells').then(() => null)")
    page.evaluate(TO_CELL_JS, "explore-code")
    view = page.locator(".jp-Notebook .sv-large-controls .sound-view.sv-large").first
    view.wait_for(timeout=60_000)
    slider = page.locator(".sv-large-controls .widget-label:visible").first
    assert slider.evaluate("label => getComputedStyle(label).fontSize") == "18px"
    number = page.locator(".jp-Cell.jp-mod-active .jp-InputPrompt").first  # «[36]:», not «[36…»
    assert number.evaluate("prompt => prompt.scrollWidth <= prompt.clientWidth")
    page.evaluate(TO_CELL_JS, "listen-up")
    page.locator(".jp-Notebook .sound-view.sv-large:not(.sv-large-controls *)").first.wait_for()


def test_settings_of_the_person_are_not_touched(page, lecture):
    """What is changed during a lecture lands in its own folder, and is gone the next time."""
    page.evaluate("jupyterapp.commands.execute('statusbar:toggle').then(() => null)")
    page.locator("#jp-main-statusbar").wait_for()
    changed = lecture.home / "lecture" / "lab" / "user-settings"
    deadline = time.monotonic() + 30
    while "true" not in next(changed.rglob("statusbar*/plugin*")).read_text("utf-8"):
        assert time.monotonic() < deadline, "the change was not stored"
        time.sleep(0.1)
    assert not (lecture.home / ".jupyter").exists()  # where a person's settings are
