"""A real JupyterLab in a real Chromium, for the browser tests and the benchmark.

Nothing of it touches the user's own Jupyter: configuration, data, runtime files, settings and
workspaces live in a temporary folder that goes away with the server. Every wait is a wait for a
state of the page or of the server.

In a test::

    with Lab() as lab:
        notebook = lab.open_notebook("notebooks/00_start.ipynb")
        notebook.run_all()
        assert notebook.complaints() == []

At a terminal, to look at a widget (cells are separated by ``# %%``)::

    python -m tests.browser.lab --cells cells.py --shot out.png --theme dark --size 1280x720
    python -m tests.browser.lab --notebook notebooks/00_start.ipynb --shot out.png
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit

import nbformat
import psutil
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ("notebooks", "audio_samples")  # what a lesson finds around itself
LOCAL_HOSTS = {"127.0.0.1", "localhost"}
WIDGET = "application/vnd.jupyter.widget-view+json"
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=document-user-activation-required",
]
OVERRIDES = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosaveInterval": 100_000},
}

# Resolves when the notebook can run: without each of these, running all cells hangs.
READY_JS = """async () => {
    const app = window.jupyterapp;
    if (!app) throw new Error('JupyterLab was started without --expose-app-in-browser');
    await app.restored;
    const panel = app.shell.currentWidget;
    await panel.context.ready;
    await panel.sessionContext.ready;
    const kernel = panel.sessionContext.session.kernel;
    await kernel.info;
    if (window.seenKernel !== kernel.id) {
        // What observers of sliders print or raise reaches no cell: listen to the kernel itself.
        window.seenKernel = kernel.id;
        window.callbackComplaints = [];
        kernel.iopubMessage.connect((_, {header, parent_header: parent, content}) => {
            if (parent.msg_type === 'execute_request') return;  // in the cell's outputs
            if (header.msg_type === 'error')
                window.callbackComplaints.push(`${content.ename}: ${content.evalue}`);
            // A front end may name comms that the kernel has not opened yet; nobody sees that.
            if (header.msg_type === 'stream' && content.name === 'stderr'
                    && !content.text.startsWith('No such comm'))
                window.callbackComplaints.push(`stderr: ${content.text}`);
        });
    }
}"""

OUTPUTS_JS = """() => {
    const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
    const result = [];
    for (let i = 0; i < cells.length; i++) {
        const model = cells.get(i);
        if (model.type !== 'code') continue;
        result.push({index: i, tags: model.getMetadata('tags') ?? [],
                     count: model.executionCount, outputs: model.outputs.toJSON()});
    }
    return result;
}"""


class NoBrowser(RuntimeError):
    """There is no Chromium on this machine."""


def find_chromium() -> str | None:
    """Path of a Chromium that is already installed, or ``None``."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        path = shutil.which(name)
        if path:
            return path
    with contextlib.suppress(Exception), sync_playwright() as playwright:
        path = playwright.chromium.executable_path
        return path if Path(path).is_file() else None
    return None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def notebook_of(cells: list[str]) -> nbformat.NotebookNode:
    """A notebook whose code cells hold ``cells``."""
    node = nbformat.v4.new_notebook()
    node.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    node.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    return node


def split_cells(text: str) -> list[str]:
    """The cells of a script, separated by lines that start with ``# %%``."""
    parts = re.split(r"(?m)^# %%.*\n?", text)
    return [part.strip("\n") for part in parts if part.strip()]


class Server:
    """``python -m jupyterlab`` on a free port of 127.0.0.1, with all its folders in ``home``."""

    def __init__(
        self,
        root_dir: Path,
        home: Path,
        *,
        overrides: dict | None = None,
        options: list[str] | None = None,
    ) -> None:
        self.root_dir, self.home, self.options = root_dir, home, options or []
        self.token = secrets.token_hex(16)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = home / "jupyterlab.log"
        self._write_overrides({**OVERRIDES, **(overrides or {})})
        self._process = self._start()
        self._wait_until_it_answers()

    def _write_overrides(self, overrides: dict) -> None:
        folder = self.home / "config" / "labconfig"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "default_setting_overrides.json").write_text(json.dumps(overrides))

    def _environment(self) -> dict[str, str]:
        """This process's environment with every Jupyter folder moved into ``home``."""
        home = self.home
        folders = {
            "JUPYTER_CONFIG_DIR": home / "config",
            "JUPYTER_DATA_DIR": home / "data",
            "JUPYTER_RUNTIME_DIR": home / "runtime",
            "JUPYTERLAB_SETTINGS_DIR": home / "settings",
            "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
            "IPYTHONDIR": home / "ipython",
        }
        search = [str(PROJECT), os.environ.get("PYTHONPATH", "")]
        return {
            **os.environ,
            **{name: str(path) for name, path in folders.items()},
            "PYTHONPATH": os.pathsep.join(part for part in search if part),
        }

    def _start(self) -> subprocess.Popen:
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser"]
        command += [f"--ServerApp.port={self.port}", "--ServerApp.ip=127.0.0.1"]
        command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={self.token}"]
        command += [f"--ServerApp.root_dir={self.root_dir}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--allow-root")
        command += self.options
        with self.log_path.open("wb") as log:
            return subprocess.Popen(
                command, env=self._environment(), cwd=self.root_dir, stdout=log, stderr=log
            )

    def api(self, path: str, *, method: str = "GET") -> object:
        """Ask the server's REST interface; ``None`` for an empty answer."""
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method)
        request.add_header("Authorization", f"token {self.token}")
        with urllib.request.urlopen(request, timeout=20) as reply:
            body = reply.read()
        return json.loads(body) if body else None

    def _wait_until_it_answers(self, timeout_s: float = 90) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                self.api("status")
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        log = self.log_path.read_text(errors="replace")[-3000:]
        self.stop()
        raise RuntimeError(f"JupyterLab did not start:\n{log}")

    def kernels(self) -> list[psutil.Process]:
        """The kernel processes of this server."""
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._process.pid).children(recursive=True)
            return [child for child in children if _is_kernel(child)]
        return []

    def stop(self) -> None:
        """End the server and every process it started, and nothing else."""
        family: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self._process.pid)
            family = [*parent.children(recursive=True), parent]
        if self._process.poll() is None:
            self._process.terminate()
        _, alive = psutil.wait_procs(family, timeout=15)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)


def _is_kernel(process: psutil.Process) -> bool:
    try:
        return "ipykernel_launcher" in " ".join(process.cmdline())
    except psutil.Error:
        return False


@dataclass
class Traffic:
    """Everything a browser context asked for, and what its pages complained about."""

    urls: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    page_errors: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        context.on("request", lambda request: self.urls.append(request.url))
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.page_errors.append(str(error.error)))
        context.on("page", self.watch_page)

    def watch_page(self, page: Page) -> None:
        page.on("websocket", lambda socket_: self.urls.append(socket_.url))

    def _on_console(self, message) -> None:
        if message.type == "error":
            self.console.append(message.text)

    def external(self) -> list[str]:
        """Addresses outside this machine."""
        parts = ((url, urlsplit(url)) for url in self.urls)
        return [url for url, part in parts if part.hostname and part.hostname not in LOCAL_HOSTS]

    def clear(self) -> None:
        self.urls.clear(), self.console.clear(), self.page_errors.clear()


class Lab:
    """One JupyterLab server and one Chromium.

    Args:
        root_dir: The folder that JupyterLab shows; a temporary copy of the project's notebooks
            and sounds by default.
        windowing: JupyterLab's windowingMode; ``None`` keeps what a student has, ``"none"``
            keeps every cell drawn (for screenshots).
        size: Width and height of the window, in CSS pixels.
        chromium_args: Extra arguments, for instance a fake microphone.
    """

    def __init__(
        self,
        root_dir: Path | str | None = None,
        *,
        windowing: str | None = None,
        size: tuple[int, int] = (1280, 900),
        chromium_args: list[str] | None = None,
    ) -> None:
        executable = find_chromium()
        if executable is None:
            raise NoBrowser("No Chromium found: install the system package `chromium`.")
        self.traffic = Traffic()
        self._cleanup = contextlib.ExitStack()
        try:
            if root_dir is None:
                root_dir = self._cleanup.enter_context(_temporary_folder("lab-root-"))
                copy_project(root_dir)
            self.root_dir = Path(root_dir)
            home = self._cleanup.enter_context(_temporary_folder("lab-home-"))
            overrides = None
            if windowing:
                mode = {"windowingMode": windowing, "scrollPastEnd": windowing != "none"}
                overrides = {"@jupyterlab/notebook-extension:tracker": mode}
            self.server = Server(self.root_dir, home, overrides=overrides)
            self._cleanup.callback(self.server.stop)
            self._playwright = self._cleanup.enter_context(sync_playwright())
            self._executable, self._size = executable, size
            self.context = self.second_browser(chromium_args or [])
            self.browser: Browser = self.context.browser
        except BaseException:
            self._cleanup.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the browser, end the server and its kernels, remove the temporary folders."""
        self._cleanup.close()

    def write_notebook(self, cells: list[str], name: str = "notebooks/adhoc.ipynb") -> str:
        """Put a notebook made of code cells under the root folder and return its path there."""
        path = self.root_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook_of(cells), path)
        return name

    def second_server(self, options: list[str]) -> Server:
        """One more server on the same folder, with options of its own; it ends with the lab."""
        home = self._cleanup.enter_context(_temporary_folder("lab-home-"))
        server = Server(self.root_dir, home, options=options)
        self._cleanup.callback(server.stop)
        return server

    def second_browser(
        self, chromium_args: list[str], *, permissions: list[str] | None = None
    ) -> BrowserContext:
        """One more Chromium on the same server, for instance with a fake microphone.

        Args:
            chromium_args: What it is started with, besides ``CHROMIUM_ARGS``.
            permissions: What every page of it may do, for instance ``["microphone"]``.

        Returns:
            Its window; ``open_notebook(path, page=context.new_page())`` opens a notebook there.
        """
        browser = self._playwright.chromium.launch(
            executable_path=self._executable, args=[*CHROMIUM_ARGS, *chromium_args]
        )
        self._cleanup.callback(browser.close)
        width, height = self._size
        context = browser.new_context(
            viewport={"width": width, "height": height}, permissions=permissions
        )
        self.traffic.watch(context)
        return context

    def open_notebook(
        self, path: str, *, page: Page | None = None, server: Server | None = None
    ) -> Notebook:
        """Open a notebook (path under the root folder) and wait until it can run.

        Args:
            path: Path under ``root_dir``, with forward slashes.
            page: A page to use again; its own new page by default.
            server: Another server than the lab's own.
        """
        page, server = page or self.context.new_page(), server or self.server
        page.goto(f"{server.url}/lab/tree/{quote(path)}?reset&token={server.token}")
        page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook", timeout=90_000)
        page.evaluate(READY_JS)
        notebook = Notebook(self, page, path)
        notebook.hide_sidebar()
        return notebook

    def run_cells(self, cells: list[str], name: str = "notebooks/adhoc.ipynb") -> Notebook:
        """Write an ad-hoc notebook, open it and run it."""
        notebook = self.open_notebook(self.write_notebook(cells, name))
        notebook.run_all()
        return notebook


class Notebook:
    """One notebook, open in one page of the browser."""

    def __init__(self, lab: Lab, page: Page, path: str) -> None:
        self.lab, self.page, self.path = lab, page, path

    @property
    def panel(self) -> Locator:
        """The notebook panel that is in front."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def command(self, name: str, **args) -> None:
        """Run one of JupyterLab's commands and wait until it is done."""
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => null)",
            [name, args],
        )

    def hide_sidebar(self) -> None:
        """Give the notebook the whole width."""
        self.page.evaluate(
            "() => { jupyterapp.shell.collapseLeft(); jupyterapp.shell.collapseRight(); }"
        )

    def run_all(self, *, timeout_s: float = 180) -> None:
        """Run every cell and wait until all are done (or one has failed)."""
        self._start("notebook:run-all-cells")
        self._finish(timeout_s)

    def show(self, code: str, *, timeout_s: float = 60) -> None:
        """Make ``code`` the first cell and run it; what it showed before goes away."""
        self.page.evaluate(
            """code => {
                const {content} = window.jupyterapp.shell.currentWidget;
                content.activeCellIndex = 0;
                content.model.cells.get(0).sharedModel.setSource(code);
            }""",
            code,
        )
        self._start("notebook:run-cell")
        self._finish(timeout_s)

    def restart_and_run_all(self, *, timeout_s: float = 180) -> None:
        """Restart the kernel, then :meth:`run_all`."""
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()"
        )
        self.page.evaluate(READY_JS)
        self.run_all(timeout_s=timeout_s)

    def _start(self, command: str) -> None:
        self.page.evaluate(
            """command => {
                window.runState = 'running';
                window.jupyterapp.commands.execute(command).then(
                    () => { window.runState = 'done'; },
                    error => { window.runState = `failed: ${error}`; });
            }""",
            command,
        )

    def _finish(self, timeout_s: float) -> None:
        self.page.wait_for_function(
            "() => window.runState !== 'running'", timeout=timeout_s * 1000, polling=50
        )
        state = self.page.evaluate("() => window.runState")
        if state != "done":
            raise RuntimeError(f"{self.path}: {state}")

    def wait_widgets(self, *, timeout_s: float = 60) -> int:
        """Wait until every widget that a cell shows is drawn; returns how many there are."""
        outputs = [output for cell in self.cells() for output in cell["outputs"]]
        count = sum(WIDGET in output.get("data", {}) for output in outputs)
        self.page.wait_for_function(
            """count => document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) '
                + '.jp-OutputArea-output.lm-Panel > .lm-Widget').length >= count""",
            arg=count,
            timeout=timeout_s * 1000,
        )
        return count

    def execute(self, code: str) -> str:
        """Run code in the notebook's kernel, outside any cell, and return what it printed.

        Raises:
            RuntimeError: If the code raised.
        """
        reply = self.page.evaluate(
            """async code => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const future = kernel.requestExecute({code, store_history: false});
                let text = '', error = '';
                future.onIOPub = ({header, content}) => {
                    if (header.msg_type === 'stream') text += content.text;
                    if (header.msg_type === 'error') error = `${content.ename}: ${content.evalue}`;
                };
                await future.done;
                return {text, error};
            }""",
            code,
        )
        if reply["error"]:
            raise RuntimeError(reply["error"])
        return reply["text"]

    def slider(self, name: str) -> Slider:
        """The first slider that is labelled ``name``, e.g. "n_fft"."""
        label = self.page.locator(".widget-label").filter(has_text=re.compile(rf"^\s*{name}\b"))
        return Slider(self.panel.locator(".widget-slider").filter(has=label).first)

    def expect(self, expression: str, value: object, *, timeout_s: float = 15) -> None:
        """Wait until an expression of the kernel equals ``value`` (compared by their ``repr``)."""
        deadline = time.monotonic() + timeout_s
        while (found := self.execute(f"print(repr({expression}))").strip()) != repr(value):
            if time.monotonic() > deadline:
                raise AssertionError(f"{expression} is {found}, expected {value!r}")

    def kernel_process(self) -> psutil.Process:
        """The process of this notebook's kernel."""
        return psutil.Process(int(self.execute("import os; print(os.getpid())")))

    def cells(self) -> list[dict]:
        """Code cells as ``{index, tags, count, outputs}``, read from the notebook's model."""
        return self.page.evaluate(OUTPUTS_JS)

    def complaints(self) -> list[str]:
        """What a student would see in red: errors, stderr, widgets that could not be shown.

        A cell tagged ``raises-exception`` may raise. Errors of slider callbacks, which no cell
        shows, are included.
        """
        self.wait_widgets()
        found: list[str] = []
        for cell in self.cells():
            allowed = "raises-exception" in cell["tags"]
            for output in cell["outputs"]:
                text = _complaint_of(output)
                if text and not (allowed and output["output_type"] == "error"):
                    found.append(f"cell {cell['index']}: {text}")
        callbacks = self.page.evaluate("() => window.callbackComplaints")
        found += [f"callback: {text}" for text in callbacks]
        broken = self.panel.locator(".jupyter-widgets-error-widget, .jp-RenderedJavaScript-error")
        found += [f"broken widget: {text}" for text in broken.all_inner_texts()]
        missing = self.panel.get_by_text(
            re.compile("Error displaying widget|Loading widget\\.\\.\\.")
        )
        return found + [f"no widget: {text}" for text in missing.all_inner_texts()]

    def theme(self, name: str) -> None:
        """Switch JupyterLab's theme, e.g. "JupyterLab Dark", and wait until it is there.

        Each switch shows a splash for a moment. Two switches that overlap remove the same splash
        twice, which is an error of the page; so this waits until the splash has gone, too.
        """
        self.page.evaluate(
            "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})"
            ".then(() => null)",
            name,
        )
        self.page.wait_for_function(
            "name => document.body.dataset.jpThemeName === name"
            " && !document.getElementById('jupyterlab-splash')",
            arg=name,
            timeout=30_000,
        )

    def fit_height(self, *, limit: int = 6_000) -> int:
        """Make the window so tall that the whole notebook is visible, or ``limit`` pixels of it.

        Returns:
            Height of the whole notebook in CSS pixels.
        """
        size = self.page.viewport_size
        for _ in range(3):  # taller windows may lay out taller cells
            needed = self._outer().evaluate(
                """outer => {
                    outer.scrollTop = 0;
                    const cells = [...outer.querySelectorAll('.jp-Cell')];
                    const bottom = Math.max(...cells.map(c => c.getBoundingClientRect().bottom));
                    return Math.ceil(bottom - outer.getBoundingClientRect().top) + 20;
                }"""
            )
            around = self.page.viewport_size["height"] - self._outer().bounding_box()["height"]
            height = int(min(limit, needed) + around)
            if height <= self.page.viewport_size["height"]:
                break
            self.page.set_viewport_size({"width": size["width"], "height": height})
        return needed

    def _outer(self) -> Locator:
        """The part of the notebook that scrolls."""
        return self.panel.locator(".jp-WindowedPanel-outer").first

    def screenshot(self, path: str | Path, what: str | Locator | None = None) -> list[Path]:
        """Save a picture of the whole notebook, or of one element.

        Args:
            path: PNG file to write. A very long notebook gives several: name.png, name_2.png, ...
            what: A locator or CSS selector; the notebook in full height by default.

        Returns:
            The files that were written.
        """
        path = Path(path)
        if what is not None:
            target = self.panel.locator(what).first if isinstance(what, str) else what
            self._painted()
            target.screenshot(path=path)
            return [path]
        written: list[Path] = []
        whole, outer = self.fit_height(), self._outer()
        step = outer.bounding_box()["height"]
        while len(written) * step < whole:
            outer.evaluate("(outer, top) => { outer.scrollTop = top; }", len(written) * step)
            self._painted()
            number = f"_{len(written) + 1}" if written else ""
            written.append(path.with_stem(path.stem + number))
            outer.screenshot(path=written[-1])
        return written

    def _painted(self) -> None:
        """Wait two frames: what was just changed is painted."""
        self.page.evaluate(
            "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r())))"
        )

    def save(self) -> None:
        """Save the notebook as JupyterLab would."""
        self.command("docmanager:save")

    def close(self) -> None:
        """Shut the kernel down and close the page."""
        with contextlib.suppress(Exception):
            self.page.evaluate(
                "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"
            )
        self.page.close()


class Slider:
    """One ipywidgets slider of a notebook, moved as a person moves it: by keys and pointer."""

    def __init__(self, root: Locator) -> None:
        self.root, self.page = root, root.page
        self.handle = root.locator(".noUi-handle").first
        self.readout = root.locator(".widget-readout").first

    def text(self) -> str:
        """The value as it is written beside the slider."""
        return self.readout.text_content().strip()

    def press(self, key: str = "ArrowRight", times: int = 1) -> None:
        """Focus the handle and press a key."""
        self.handle.focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def grab(self) -> tuple[float, float, float, float]:
        """Put the pointer down on the handle; returns (x, y, left end, right end) in pixels."""
        self.handle.scroll_into_view_if_needed()
        handle = self.handle.bounding_box()
        track = self.root.locator(".noUi-target, .slider").first.bounding_box()
        x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        return x, y, track["x"], track["x"] + track["width"]

    def drag_to(self, share: float, *, steps: int = 20) -> None:
        """Drag the handle to a share (0 to 1) of its track."""
        _, y, left, right = self.grab()
        self.page.mouse.move(left + share * (right - left), y, steps=steps)
        self.page.mouse.up()


def _complaint_of(output: dict) -> str:
    """Text of an output that shows in red, or an empty string."""
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    if output["output_type"] == "stream" and output.get("name") == "stderr":
        text = output["text"]
        return "stderr: " + (text if isinstance(text, str) else "".join(text)).strip()
    return ""


def copy_project(folder: Path) -> None:
    """Copy what a lesson needs around itself into an empty folder."""
    for name in COPIED:
        if (PROJECT / name).is_dir():
            ignore = shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__")
            shutil.copytree(PROJECT / name, folder / name, ignore=ignore)


@contextlib.contextmanager
def _temporary_folder(prefix: str):
    """A temporary folder; what still holds a file open in it is not an error."""
    path = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.browser.lab",
        description="Run cells or a notebook in a real JupyterLab and look at the result.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--cells", type=Path, help="script whose cells are separated by # %%%%")
    source.add_argument(
        "--notebook", help="a notebook of the project, e.g. notebooks/02_stft.ipynb"
    )
    parser.add_argument("--shot", type=Path, help="PNG of the whole notebook (or of --select)")
    parser.add_argument("--select", help="CSS selector of the element to photograph")
    parser.add_argument("--theme", choices=["light", "dark"], default="light")
    parser.add_argument("--size", default="1280x900", help="window, e.g. 1280x720")
    parser.add_argument(
        "--script",
        type=Path,
        help="Python run after the cells, with lab, notebook and page defined",
    )
    parser.add_argument("--viewport-only", action="store_true", help="photograph the window as is")
    parser.add_argument("--timeout", type=float, default=180, help="seconds for all cells")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run cells, print what went wrong, save a picture; 1 if anything was red."""
    args = _parse(argv)
    width, height = (int(part) for part in args.size.split("x"))
    windowing = None if args.viewport_only else "none"
    with Lab(size=(width, height), windowing=windowing) as lab:
        path = args.notebook or lab.write_notebook(split_cells(args.cells.read_text("utf-8")))
        notebook = lab.open_notebook(path)
        if args.theme == "dark":
            notebook.theme("JupyterLab Dark")
        notebook.run_all(timeout_s=args.timeout)
        if args.script:
            code = compile(args.script.read_text("utf-8"), str(args.script), "exec")
            exec(code, {"lab": lab, "notebook": notebook, "page": notebook.page})
        if args.shot and args.viewport_only:
            notebook.page.screenshot(path=args.shot)
        elif args.shot:
            notebook.screenshot(args.shot, args.select)
        problems = notebook.complaints() + [f"page: {text}" for text in lab.traffic.page_errors]
        problems += [f"console: {text}" for text in lab.traffic.console]
        problems += [f"outside: {url}" for url in lab.traffic.external()]
    print("\n".join(problems) or "nothing in red")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
