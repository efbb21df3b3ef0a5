"""A JupyterHub on 127.0.0.1 for the load test, and what its processes cost.

The hub is the real one, with the settings of the real class (``class_server/``) but for what
``class_server/load_test_config.py`` says. ``tools/class_load.py`` fills it with students.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

PROJECT = Path(__file__).resolve().parents[1]
CONFIG = PROJECT / "class_server" / "load_test_config.py"
PROXY = "configurable-http-proxy"  # its version is in class_server/package.json
GET_PROXY = "npm ci --prefix class_server"
START_S = 60.0  # the hub itself
STOP_S = 10.0
COURSE = "seeing-sound"  # the folder that a student gets
PULLED = ("notebooks", "audio_samples")  # what a lesson needs around itself


class NoHubError(RuntimeError):
    """JupyterHub or its proxy is not installed here; the text says what installs it."""


def find_proxy(folder: Path = PROJECT) -> Path:
    """The program that stands in front of the hub.

    Raises:
        NoHubError: If it is neither in ``class_server/node_modules`` nor on the path.
    """
    own = folder / "class_server" / "node_modules" / ".bin" / PROXY
    found = own if own.exists() else shutil.which(PROXY)
    if not found:
        raise NoHubError(f"JupyterHub's proxy is not installed. This installs it: {GET_PROXY}")
    return Path(found)


def check_hub() -> None:
    """Make sure that JupyterHub is in this environment.

    Raises:
        NoHubError: If it is not.
    """
    try:
        import jupyterhub  # noqa: F401
        import nbgitpuller  # noqa: F401
    except ImportError as problem:
        raise NoHubError(
            f"{problem.name} is not installed. This installs it: "
            'pip install -c constraints.txt ".[class]"'
        ) from None


# ------------------------------------------------------------------------------ the hub


class Hub:
    """A running JupyterHub; use it in a ``with`` block.

    Attributes:
        url: Where students find it, like ``"http://127.0.0.1:49152"``.
        password: The one that this run made.
        state: A temporary folder with its files, deleted at the end.
        log: What hub, proxy and the students' servers printed.
    """

    def __init__(self) -> None:
        check_hub()
        self._proxy = find_proxy()
        self.password = secrets.token_urlsafe(12)
        self.state = Path(tempfile.mkdtemp(prefix="class-load-"))
        self.log = self.state / "hub.log"
        ports = _free_ports(3)
        self.url = f"http://127.0.0.1:{ports[0]}"
        self._environment = {
            "CLASS_LOAD_PASSWORD": self.password,
            "CLASS_LOAD_PORTS": " ".join(map(str, ports)),
            "CLASS_LOAD_PROXY": str(self._proxy),
            "CLASS_STATE": str(self.state),
        }

    def __enter__(self) -> Hub:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(CONFIG)],
                cwd=self.state,
                env=_clean_environment(self.state) | self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the hub; what it started and is still there after that is killed."""
        family = self.processes()  # the culler works in another folder, and may outlive the hub
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self._process.kill()  # before all others: it would start its culler again
        self._process.wait(10)
        left = [*processes_of(self.state), *family]  # also those whose hub died before
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=10)
        shutil.rmtree(self.state, ignore_errors=True)

    def _wait(self) -> None:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            with suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(f"{self.url}/hub/health", timeout=2).close()
                return
            time.sleep(0.1)
        raise RuntimeError(f"JupyterHub did not start. It said:\n{self.said()}")

    def said(self, n_lines: int = 25) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-n_lines:])

    def processes(self) -> list[psutil.Process]:
        """The hub and everything that it started."""
        with suppress(psutil.Error):
            hub = psutil.Process(self._process.pid)
            return [hub, *hub.children(recursive=True)]
        return []

    def groups(self) -> dict[str, list[psutil.Process]]:
        """Its processes by what they are: hub, proxy, culler, servers, kernels."""
        found: dict[str, list[psutil.Process]] = {}
        for process in self.processes():
            with suppress(psutil.Error):
                kind = kind_of(process.cmdline())
                found.setdefault(kind, []).append(process)
        return found

    def course_repository(self) -> str:
        """A git repository with the lessons, for nbgitpuller: its address."""
        folder = self.state / "origin" / COURSE
        if not folder.exists():
            for name in PULLED:
                ignore = shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__")
                shutil.copytree(PROJECT / name, folder / name, ignore=ignore)
            author = ["-c", "user.name=teacher", "-c", "user.email=teacher@localhost"]
            for words in (
                ["init", "--quiet", "--initial-branch=main"],
                ["add", "--all"],
                [*author, "commit", "--quiet", "--no-gpg-sign", "-m", "The lessons"],
            ):
                subprocess.run(["git", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return folder.as_uri()


def processes_of(state: Path) -> list[psutil.Process]:
    """Every process whose environment names this folder: a hub's, and all that it started."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(str(state) in value for value in process.environ().values()):
                found.append(process)
    return found


def kind_of(command: list[str]) -> str:
    """What a process of the hub is, by its command line: proxy, culler, server, kernel, hub."""
    line = " ".join(command)
    signs = {
        PROXY: "proxy",
        "jupyterhub_idle_culler": "culler",
        "jupyterhub-singleuser": "servers",
        "ipykernel_launcher": "kernels",
        "jupyterhub": "hub",
    }
    return next((kind for sign, kind in signs.items() if sign in line), "other")


def _clean_environment(home: Path) -> dict[str, str]:
    """Ours, without what would let settings of this computer's user in."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "PYTHON", "CLASS_", "IPYTHON"))
    }
    return kept | {
        "HOME": str(home),
        "PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", ""),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


# ------------------------------------------------------------------------------ what it costs


class Cpu(NamedTuple):
    """CPU seconds used so far, by kind of process, and by the whole computer."""

    at: float
    used: dict[str, float]
    whole: float


def cpu_now(hub: Hub) -> Cpu:
    """Read the clocks of all processes; those of this one are under ``"students' browsers"``."""
    used = {kind: cpu_s(group) for kind, group in hub.groups().items()}
    used["students' browsers"] = cpu_s([psutil.Process()])
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # guest time is in user time already
    whole = sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return Cpu(time.monotonic(), used, whole)


def cores_between(before: Cpu, after: Cpu) -> dict[str, float]:
    """Cores kept busy on average between two readings, by kind; ``"computer"`` is everything."""
    seconds = after.at - before.at
    cores = {
        kind: max(0.0, used - before.used.get(kind, 0.0)) / seconds
        for kind, used in after.used.items()
    }
    return cores | {"computer": (after.whole - before.whole) / seconds}


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """CPU seconds of processes so far, with those that they started and that have ended."""
    total = 0.0
    for process in processes:
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def pss_mb(processes: Iterable[psutil.Process]) -> float:
    """Memory of processes in MB: a page that n processes share counts for each as 1/n."""
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total / 1e6


def peak_mb(processes: Iterable[psutil.Process]) -> float:
    """The most memory that processes ever held, in MB; pages that others share count fully."""
    total = 0.0
    for process in processes:
        with suppress(OSError):
            status = Path(f"/proc/{process.pid}/status").read_text("utf-8")
            total += next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)
    return total * 1024 / 1e6


def available_mb() -> float:
    """Memory that can still be given out, in MB."""
    return psutil.virtual_memory().available / 1e6
