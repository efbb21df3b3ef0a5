"""Rebuilds what Binder makes of this course, and runs lessons in it as a student there would.

    python3 course.py binder-check                          lessons 00 and 02
    python3 course.py binder-check notebooks/06_cnn.ipynb   others
    python3 course.py binder-check --python python3.13      with this Python
    python3 course.py binder-check --keep FOLDER            leaves everything there to look at

Without Docker it cannot be the image itself. It is the same Python version, the packages that
Binder's own image starts with, ``binder/requirements.txt``, ``binder/postBuild``, and a JupyterLab
that starts through ``binder/start``, all of it in a fresh copy of the files that git knows. The
lessons get one processor, and are ended when JupyterLab, the tests and the kernel together take
more than 2 GB (each process' share of memory, PSS, added up ten times a second). Linux only; it
downloads about 500 MB, or 3 GB where the index of small builds of PyTorch cannot be reached.
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
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import websocket
from jupyter_server.services.kernels.connection.base import serialize_binary_message

import course
from tools.binder_requirements import as_text, binder_pins, runtime

PROJECT = Path(__file__).resolve().parents[1]
LESSONS = ("notebooks/00_start.ipynb", "notebooks/02_stft.ipynb")
LIMIT_BYTES = 2 * 1024**3  # what mybinder.org gives
LOOK_EVERY_S = 0.1
UPLOAD_BYTES = 64_000_000  # the largest file that a lesson takes
CELL_TIMEOUT_S = 300  # one slow processor

# What Binder's image has before it reads our list, in the versions of its lock: name there -> here.
IN_THE_IMAGE = {
    "jupyterhub-base": "jupyterhub",
    "jupyterlab": "jupyterlab",
    "notebook": "notebook",
    "jupyter-resource-usage": "jupyter-resource-usage",
    "jupyter-offlinenotebook": "jupyter-offlinenotebook",
}


class CheckFailed(Exception):
    """Something does not work as it should on Binder; the text says what."""


def say(what: str, text: str) -> None:
    """One line of the report."""
    print(f"{what:<12} {text}", flush=True)


# ------------------------------------------------------------------------- the environment


def find_python(version: str) -> str:
    """A Python of this version on this computer, or the one that runs this."""
    places = [shutil.which(f"python{version}")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places += [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)]
    for place in filter(None, places):
        if version_of(place).startswith(f"{version}."):
            return place
    return sys.executable


def version_of(python: str) -> str:
    """Like "3.12.1", or "" if it does not start."""
    code = "import platform; print(platform.python_version())"
    try:
        return subprocess.check_output(
            [python, "-c", code], text=True, stderr=subprocess.DEVNULL, timeout=20
        ).strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def copy_course(target: Path) -> None:
    """Copy the files that git knows or would take: what a clone has, and what is being worked on.

    Raises:
        CheckFailed: If this is no clone.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
    )
    if listed.returncode != 0:
        raise CheckFailed("git cannot list the files of this folder: run the check in a clone.")
    for name in listed.stdout.decode("utf-8").split("\0"):
        if name and (PROJECT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, target / name)


def image_packages(python: str) -> list[str]:
    """Requirements for what Binder's image starts with, from the lock of repo2docker."""
    import repo2docker

    folder = Path(repo2docker.__file__).parent / "buildpacks" / "conda"
    lock = (folder / f"environment.py-{python}-linux-64.lock").read_text("utf-8")
    found = dict(re.findall(r"/([\w.-]+)-(\d[\w.]*)-[\w.]+\.(?:conda|tar\.bz2)\b", lock))
    return [f"{here}=={found[there]}" for there, here in IN_THE_IMAGE.items()]


def requirements_for(python: str) -> str:
    """The list that pip gets: binder/requirements.txt, but for what cannot be had here."""
    text = (PROJECT / "binder" / "requirements.txt").read_text("utf-8")
    if python != runtime():
        say("pins", f"those of constraints.txt for Python {python}, in place of {runtime()}")
        text = as_text(binder_pins(python=python))
    if not course.answers(course.CPU_INDEX + "/torch/"):
        say("PyTorch", "the index of small builds does not answer: pip takes what it finds")
        text = re.sub(r"^--extra-index-url.*\n", "", text, flags=re.MULTILINE)
        text = text.replace("+cpu", "")
    return text


def build(folder: Path, python: str) -> dict[str, str]:
    """Make the environment and the copy of the course below ``folder``.

    Returns:
        The environment variables that everything on Binder sees.

    Raises:
        CheckFailed: If a step fails; its output is on the screen.
    """
    version = ".".join(version_of(python).split(".")[:2])
    prefix, repo = folder / "env", folder / "course"
    copy_course(repo)
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "PYTHON", "VIRTUAL_ENV", "OMP_", "SEEING_SOUND"))
    }
    env |= {
        "HOME": str(repo),  # as on Binder
        "REPO_DIR": str(repo),
        "NB_PYTHON_PREFIX": str(prefix),
        "KERNEL_PYTHON_PREFIX": str(prefix),
        "PATH": f"{prefix / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    (folder / "requirements.txt").write_text(requirements_for(version), "utf-8")
    pip = ["python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    timed("venv", [python, "-m", "venv", prefix], env, folder)
    downloads = env | {"HOME": str(Path.home())}  # with this computer's cache of downloads
    timed("image", [*pip, *image_packages(version)], downloads, folder)
    timed("pins", [*pip, "-r", folder / "requirements.txt"], downloads, folder)
    timed("postBuild", ["./binder/postBuild"], env, repo)
    timed("pip check", ["python", "-m", "pip", "check"], env, repo)
    told = timed("doctor", ["python", "course.py", "doctor"], env, repo)
    if "Everything that the course needs works." not in told:
        raise CheckFailed(f"course.py doctor does not find the course:\n{told}")
    say("size", f"{size_on_disk(prefix) / 1e9:.2f} GB for the packages")
    return env


def timed(what: str, command: list[str | Path], env: dict[str, str], folder: Path) -> str:
    """Run a step and say how long it took. What it prints is returned, and shown if it failed."""
    start = time.monotonic()
    program = shutil.which(str(command[0]), path=env["PATH"]) or str(folder / command[0])
    done = subprocess.run(
        [program, *map(str, command[1:])],
        env=env,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        print(done.stdout)
        raise CheckFailed(f"{what} ended with code {done.returncode}; its output is above.")
    say(what, f"{time.monotonic() - start:.0f} s")
    return done.stdout


def size_on_disk(folder: Path) -> int:
    """Bytes that the files below a folder take on the disk; one with two names counts once."""
    blocks = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        blocks[status.st_dev, status.st_ino] = status.st_blocks
    return 512 * sum(blocks.values())


# ------------------------------------------------------------------------------- memory


class Watch(contextlib.AbstractContextManager):
    """Adds up the memory of processes and all their children, and ends them above a limit.

    PSS is counted: memory that two processes share counts half for each, so the sum is what the
    computer really gives.

    Args:
        limit: In bytes.

    Attributes:
        peak: The largest sum, in bytes.
        kernels: The largest sum of the kernels among them, in bytes.
        at_most: The kernels' own mark of the largest resident memory (VmHWM), in bytes. The system
            keeps it, so nothing between two looks is missed, but it counts what is shared in full.
        exceeded: Whether they were ended.
    """

    def __init__(self, limit: int = LIMIT_BYTES):
        self.limit = limit
        self.peak = self.kernels = self.at_most = 0
        self.exceeded = False
        self._roots: list[psutil.Process] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look_until_done, daemon=True)
        self._thread.start()

    def add(self, pid: int) -> None:
        """Watch this process and its children as well."""
        self._roots = [*self._roots, psutil.Process(pid)]

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look_until_done(self) -> None:
        while not self._done.wait(LOOK_EVERY_S):
            total = kernels = 0
            processes = self._processes()
            for process in processes:
                with contextlib.suppress(psutil.Error, OSError):  # it may end while we look
                    pss = process.memory_full_info().pss
                    total += pss
                    if "ipykernel_launcher" in process.cmdline():
                        kernels += pss
                        self.at_most = max(self.at_most, high_water_mark(process.pid))
            self.peak, self.kernels = max(self.peak, total), max(self.kernels, kernels)
            if total > self.limit:
                self.exceeded = True
                for process in processes:
                    with contextlib.suppress(psutil.Error):
                        process.kill()

    def _processes(self) -> list[psutil.Process]:
        found = []
        for root in self._roots:
            with contextlib.suppress(psutil.Error):
                found += [root, *root.children(recursive=True)]
        return found


def high_water_mark(pid: int) -> int:
    """The largest resident memory that a process ever had, in bytes (Linux: ``VmHWM``)."""
    status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    match = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return 1024 * int(match.group(1)) if match else 0


def megabytes(n_bytes: int) -> str:
    """Like "512 MB"."""
    return f"{n_bytes / 1e6:.0f} MB"


# ------------------------------------------------------------------------ what a student does


@contextlib.contextmanager
def server(env: dict[str, str], watch: Watch) -> Iterator[tuple[str, str]]:
    """Start JupyterLab as Binder does; gives ``(address, token)``.

    Raises:
        CheckFailed: If it does not start, or does not show lesson 00.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    repo, token = Path(env["REPO_DIR"]), secrets.token_hex(16)
    arguments = ["jupyter-lab", "--ip=127.0.0.1", f"--port={port}", "--no-browser"]
    for app in ("NotebookApp", "ServerApp"):  # it says everything twice
        arguments += [f"--{app}.token={token}", f"--{app}.trust_xheaders=True"]
    if os.geteuid() == 0:
        arguments.append("--allow-root")
    log = repo.parent / "server.log"
    start = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            ["./binder/start", *arguments], cwd=repo, env=env, stdout=output, stderr=output
        )
    watch.add(process.pid)
    address = f"http://127.0.0.1:{port}"
    try:
        while not _gets(f"{address}/lab/tree/{course.FIRST_PAGE}?token={token}"):
            if process.poll() is not None or time.monotonic() - start > 120:
                print(log.read_text())
                raise CheckFailed("JupyterLab does not start; what it said is above.")
            time.sleep(0.2)
        say("JupyterLab", f"shows {course.FIRST_PAGE} after {time.monotonic() - start:.1f} s")
        yield address, token
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _gets(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def upload(address: str, token: str, n_bytes: int = UPLOAD_BYTES) -> None:
    """Send a kernel as much as the largest file that a lesson takes, the way a page sends it.

    Raises:
        CheckFailed: If the server hangs up, which it does above its limit.
    """
    start = time.monotonic()
    headers = {"Authorization": f"token {token}"}
    request = urllib.request.Request(f"{address}/api/kernels", b"{}", headers, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        kernel = json.load(answer)["id"]
    url = f"{address.replace('http', 'ws')}/api/kernels/{kernel}/channels?token={token}"
    page = websocket.create_connection(url, timeout=60)
    data = message("comm_msg", {"comm_id": "nobody", "data": {}}, [bytes(n_bytes)])
    try:
        page.send_binary(serialize_binary_message(data))
        question = message("kernel_info_request", {}, [])
        page.send(json.dumps(question | {"buffers": []}))
        while True:
            answer = page.recv()
            answer = json.loads(answer) if isinstance(answer, str) and answer else {}
            if not page.connected:
                raise CheckFailed(f"An upload of {megabytes(n_bytes)} does not arrive.")
            if answer.get("parent_header", {}).get("msg_id") == question["header"]["msg_id"]:
                break
    except (websocket.WebSocketException, OSError) as error:
        raise CheckFailed(f"An upload of {megabytes(n_bytes)} does not arrive: {error}") from None
    finally:
        page.close()
        request = urllib.request.Request(
            f"{address}/api/kernels/{kernel}", headers=headers, method="DELETE"
        )
        urllib.request.urlopen(request, timeout=60).close()
    say("upload", f"{megabytes(n_bytes)} arrive in {time.monotonic() - start:.1f} s")


def message(kind: str, content: dict[str, object], buffers: list[bytes]) -> dict[str, object]:
    """A message to a kernel, as a page writes it."""
    header = {
        "msg_id": secrets.token_hex(16),
        "msg_type": kind,
        "session": secrets.token_hex(8),
        "username": "",
        "version": "5.3",
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    return {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
        "buffers": buffers,
    }


def run_lesson(lesson: str, env: dict[str, str], watch: Watch) -> None:
    """Run a notebook and compare what it prints with what is saved.

    The kernel is Binder's; the test tools, which Binder has not, come from this environment.

    Raises:
        CheckFailed: If a cell fails, prints something else, or takes too much memory.
    """
    kernels, prefix = Path(env["REPO_DIR"]).parent / "jupyter", env["NB_PYTHON_PREFIX"]
    kernel = {
        "argv": [f"{prefix}/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Binder",
        "language": "python",
    }
    (kernels / "kernels" / "on-binder").mkdir(parents=True, exist_ok=True)
    (kernels / "kernels" / "on-binder" / "kernel.json").write_text(json.dumps(kernel), "utf-8")
    start = time.monotonic()
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    nbval = ["--nbval", "--nbval-kernel-name=on-binder", f"--nbval-cell-timeout={CELL_TIMEOUT_S}"]
    process = subprocess.Popen(
        ["./binder/start", *pytest, *nbval, lesson],
        cwd=env["REPO_DIR"],
        env=env | {"JUPYTER_PATH": str(kernels)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watch.add(process.pid)
    told, _ = process.communicate()
    if watch.exceeded:
        raise CheckFailed(f"{lesson} was ended: more than {megabytes(watch.limit)}.")
    if process.returncode != 0:
        print(told)
        raise CheckFailed(f"{lesson} does not run as it is saved; see above.")
    say(
        Path(lesson).stem,
        f"{time.monotonic() - start:.1f} s, peak {megabytes(watch.peak)} with JupyterLab and the "
        f"tests; kernel {megabytes(watch.kernels)}, never more than {megabytes(watch.at_most)}",
    )


@contextlib.contextmanager
def one_processor() -> Iterator[None]:
    """Everything that this thread starts meanwhile gets the same single processor."""
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(every)[-1:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


def check(folder: Path, python: str, lessons: list[str]) -> None:
    """Build, start, upload, run.

    Raises:
        CheckFailed: At the first thing that is wrong.
    """
    if shutil.disk_usage(folder).free < 8e9:
        raise CheckFailed(f"The check needs up to 8 GB of disk, and {folder} has less.")
    version = version_of(python)
    note = (
        "" if version.startswith(f"{runtime()}.") else f" -- Binder has {runtime()}: NOT the same"
    )
    say("Python", f"{version}{note}")
    env = build(folder, python)
    # The thread of the watch starts before the limit to one processor, and may use every one.
    with Watch() as watch, one_processor(), server(env, watch) as (address, token):
        say("", f"JupyterLab alone takes {megabytes(watch.peak)}")
        upload(address, token)
        if watch.exceeded:
            raise CheckFailed("The upload takes more memory than there is on Binder.")
        say("", f"at most {megabytes(watch.peak)} meanwhile")
        for lesson in lessons:
            watch.peak = watch.kernels = watch.at_most = 0
            run_lesson(lesson, env, watch)
    say("", "Binder's environment works." + note)


def main(arguments: list[str]) -> int:
    """Run the check; the exit code is 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="course.py binder-check", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("lessons", nargs="*", default=list(LESSONS), metavar="notebook")
    parser.add_argument("--python", help="the Python to take")
    parser.add_argument("--keep", type=Path, help="a new folder, kept for looking at")
    options = parser.parse_args(arguments)
    if sys.platform != "linux":
        print("This check needs Linux, as Binder does: it reads /proc.")
        return 1
    with contextlib.ExitStack() as stack:
        if options.keep:
            options.keep.mkdir(parents=True)
            folder = options.keep.resolve()
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="binder-")))
        try:
            check(folder, options.python or find_python(runtime()), options.lessons)
        except CheckFailed as problem:
            print(f"\n{problem}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
