#!/usr/bin/env python3
"""Sets up the course "Seeing Sound" and starts its parts.

    python3 course.py lab          opens the course in JupyterLab (--lecture: for a projector)
    python3 course.py test         runs every test
    python3 course.py doctor       says in plain words what works here
    python3 course.py notebooks    runs all notebooks again and saves them clean
    python3 course.py class        makes a set for students and one for the teacher
    python3 course.py site         builds the lessons as web pages that need no server
    python3 course.py slides       builds slides from the lessons, each a file of its own
    python3 course.py bench        measures how fast a slider moves a picture

The first call makes the folder .venv beside this file and installs everything into it; nothing
else on the computer is changed, and deleting .venv undoes it. Later calls start at once, because a
stamp in .venv says that nothing changed. Further arguments are handed on:
"course.py test -k mel", "course.py lab --no-browser".

Only the standard library is used here, and only syntax that Python 3.6 can read: an old Python has
to get far enough to say which one it needs.
"""

import contextlib
import glob
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import struct
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 14)

PROJECT = Path(__file__).resolve().parent
VENV = PROJECT / ".venv"
STAMP = VENV / "seeing-sound.json"  # what is installed; written when an installation is complete
UNFINISHED = VENV / "seeing-sound.unfinished"  # there while an installation runs
LECTURE = VENV / "lecture"  # JupyterLab's settings for a lecture, apart from everybody's own

FIRST_PAGE = "notebooks/00_start.ipynb"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"

# JupyterLab as the course wants it. No pop-up that asks about news (and needs a network), and
# uploads of up to 64 MB: the default of 10 MB drops a larger file without a word.
LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "checkForUpdates": False,
        "fetchNews": "false",
    },
}
SERVER_SETTINGS = {
    "LanguageServerManager": {"autodetect": False},  # it looks for npm at every start
    "ServerApp": {"tornado_settings": {"websocket_max_message_size": 100 * 1024 * 1024}},
}

# SEEING_SOUND_UNLOCKED=1 takes the newest version of everything that pyproject.toml allows, to see
# early what will break; a computer that sets it should set it for every command.
UNLOCKED = os.environ.get("SEEING_SOUND_UNLOCKED") == "1"

START = "py course.py" if os.name == "nt" else "python3 course.py"  # how a person starts this

COMMANDS = {}  # name -> (function, one line about it), in the order of the help
IN_A_SET = ("lab", "doctor")  # what works in a set for a class (tools/make_class.py), too


class Problem(Exception):
    """Something that the person at the keyboard has to know; its text says what to do."""


def command(name, summary):
    """Register a function ``(options, arguments) -> exit code`` under a name."""

    def register(function):
        COMMANDS[name] = (function, summary)
        return function

    return register


# ------------------------------------------------------------------ which Python, which computer


def python_problem(version=None, build=None, macos=None):
    """Say in plain words why the course cannot run on this Python, or return ``""``.

    Without arguments (they are for the tests) the running Python is judged.

    Args:
        version: Like ``sys.version_info``.
        build: What this Python was made for, like "linux-x86_64", "win-arm64", "darwin-x86_64".
        macos: Version of macOS, like "14.5", or "" on another system.
    """
    version = tuple(version or sys.version_info)[:3]
    build = build or python_build()
    macos = platform.mac_ver()[0] if macos is None else macos
    wanted = "3.%d to 3.%d" % (OLDEST[1], NEWEST[1])
    this = "This is Python %s (%s)." % (".".join(map(str, version)), sys.executable or "unknown")
    if version[:2] < OLDEST:
        return "The course needs Python %s, and this one is too old. %s" % (wanted, this)
    if version[:2] > NEWEST:
        reason = "this one is too new: PyTorch may not have a build for it yet."
        return "The course needs Python %s, and %s %s" % (wanted, reason, this)
    if build == "darwin-x86_64":
        return (
            "PyTorch has no build for Macs with an Intel processor any more. Open the course in "
            "the browser through its Binder link instead (see README.md). On a Mac with an Apple "
            "chip, this message means that Python itself was made for Intel: install the one from "
            "python.org, and start again."
        )
    if build.startswith("darwin") and 11 <= int(macos.split(".")[0] or 0) < 14:
        return (
            "PyTorch needs macOS 14 or newer, and this is macOS %s. Open the course in the browser "
            "through its Binder link instead (see README.md)." % macos
        )
    if build.startswith("win") and build != "win-amd64":
        return (
            "PyTorch has no build for this kind of Python (%s). Install the one that python.org "
            "calls 'Windows installer (64-bit)', and start again. %s" % (build, this)
        )
    if build.startswith("linux") and struct.calcsize("P") != 8:
        return "The course needs a 64-bit Python, because PyTorch has no other build. " + this
    return ""


def python_build():
    """What this Python was made for: "linux-x86_64", "darwin-arm64", "win-amd64", ..."""
    if os.name == "nt":
        return sysconfig.get_platform()  # platform.machine() would name the processor
    return "%s-%s" % (platform.system().lower(), platform.machine().lower())


def other_pythons():
    """Commands on this computer that start a Python which fits, newest first."""
    found = []
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        if os.name == "nt":
            candidate = ["py", "-3.%d" % minor]
        else:
            candidate = ["python3.%d" % minor]
        if shutil.which(candidate[0]) is None:
            continue
        try:  # a name alone proves nothing: version managers put empty shells on the path
            subprocess.check_call(
                [*candidate, "-c", "pass"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=10,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        found.append(" ".join(candidate))
    return found


def require_a_fitting_python():
    """Raise Problem with one plain message if this Python cannot run the course."""
    problem = python_problem()
    if not problem:
        return
    others = other_pythons() if not OLDEST <= sys.version_info[:2] <= NEWEST else []
    if others:
        again = " ".join([others[0], "course.py", *(sys.argv[1:] or ["lab"])])
        problem += "\nThere is one that fits here. Start the course with it:\n\n    " + again
    elif sys.version_info[:2] < OLDEST:
        problem += "\nInstall a newer one, for instance from python.org, and start again with it."
    raise Problem(problem)


# --------------------------------------------------------------------------------- running things


def say(*lines):
    """Print at once, so that our sentences and pip's lines keep their order."""
    for line in lines:
        print(line, flush=True)


def venv_python():
    """Path of the Python inside .venv, whether it is there or not."""
    if os.name == "nt":
        return VENV / "Scripts" / "python.exe"
    return VENV / "bin" / "python"


def child_environment():
    """The environment for everything that runs inside .venv.

    Every setting is inherited, the PIP_* ones too, but for those that would let packages from
    elsewhere in: PYTHONHOME and PYTHONPATH.
    """
    env = dict(os.environ)
    for name in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"):
        env.pop(name, None)
    env["VIRTUAL_ENV"] = str(VENV)
    env["PATH"] = str(venv_python().parent) + os.pathsep + env.get("PATH", "")
    env["PYTHONNOUSERSITE"] = "1"
    env["JUPYTER_PREFER_ENV_PATH"] = "1"  # our kernel and settings before those in the home folder
    return env


def run(arguments, **options):
    """Run the Python of .venv with these arguments and return its exit code.

    Ctrl-C reaches the child as well. It may tidy up in its own time; then KeyboardInterrupt is
    raised here.
    """
    sys.stdout.flush()
    options.setdefault("cwd", str(PROJECT))
    process = subprocess.Popen(
        [str(venv_python())] + [str(a) for a in arguments], env=child_environment(), **options
    )
    interrupted = False
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return code if code >= 0 else 128 - code


def become(arguments):
    """Run the Python of .venv in place of this process, where the system can do that."""
    if os.name == "nt":
        return run(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(str(PROJECT))
    program = str(venv_python())
    return os.execve(program, [program] + [str(a) for a in arguments], child_environment())


def ask_venv(code):
    """What a line of Python prints inside .venv, or ``None`` if that Python does not run."""
    try:
        answer = subprocess.run(
            [str(venv_python()), "-c", code],
            cwd=str(PROJECT),
            env=child_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.decode("utf-8", "replace").strip()


# ------------------------------------------------------------------------------ the folder .venv


# What an installation that was killed may leave: a package with some of its files. pip takes it for
# a whole one. (A package without its last file, RECORD, is one that pip installs again by itself,
# unless it has the METADATA already.)
LIST_TORN_PACKAGES = """
import csv, pathlib, sysconfig
site = pathlib.Path(sysconfig.get_path("purelib"))
def torn(info):
    record = info / "RECORD"
    if not record.is_file():
        return True
    rows = csv.reader(record.read_text("utf-8").splitlines())
    return any(not (site / row[0]).exists() for row in rows if row and not row[0].endswith(".pyc"))
print([ascii(info.name) for info in site.glob("[!~]*.dist-info") if torn(info)])
"""


def venv_state():
    """What is at .venv.

    Returns:
        "none" (nothing, or an empty folder), "foreign" (files that no venv has: not ours to
        delete), "broken" (half-made, or its Python is gone, or an interrupted installation), or
        the Python version of a working one, like "3.12".
    """
    if not os.path.lexists(str(VENV)) or (VENV.is_dir() and not any(VENV.iterdir())):
        return "none"
    if not (VENV / "pyvenv.cfg").is_file():
        half_made = VENV.is_dir() and not any(files for _, _, files in os.walk(str(VENV)))
        return "broken" if half_made else "foreign"
    if UNFINISHED.exists() and ask_venv(LIST_TORN_PACKAGES) != "[]":
        return "broken"
    # Asking costs 40 ms and finds what a look at the files cannot: a Python that was updated or
    # removed under the environment, or an environment without pip. The answer is plain ASCII.
    answer = ask_venv(
        "import importlib.util as u, os, sys;"
        "print(os.path.samefile(sys.prefix, %s), u.find_spec('pip') is not None,"
        " '%%d.%%d' %% sys.version_info[:2])" % ascii(str(VENV))
    )
    match = re.match(r"^True True (3\.\d+)$", answer or "")
    recorded = re.search(
        r"^version(?:_info)?\s*=\s*(3\.\d+)", (VENV / "pyvenv.cfg").read_text("utf-8"), re.MULTILINE
    )
    if not match or not recorded or match.group(1) != recorded.group(1):
        return "broken"
    version = match.group(1)
    fits = OLDEST <= tuple(int(part) for part in version.split(".")) <= NEWEST
    return version if fits else "broken"


def make_venv():
    """Make .venv anew; whatever venv was there before is cleared.

    Raises:
        Problem: If .venv is not a virtual environment, or if it cannot be made.
    """
    if venv_state() == "foreign":
        raise Problem(
            "There is something called .venv here that is not a Python environment:\n\n    %s\n\n"
            "Rename or delete it, and start again." % VENV
        )
    if importlib.util.find_spec("ensurepip") is None:
        raise Problem(
            "This Python cannot make environments: its module 'venv' is not complete. On Debian "
            "and Ubuntu this helps, then start again:\n\n    sudo apt install python3-venv"
        )
    if os.pathsep in str(PROJECT):
        raise Problem(
            "The name of this folder contains '%s', which Python's environments cannot handle. "
            "Rename it, and start again:\n\n    %s" % (os.pathsep, PROJECT)
        )
    say("Making the environment .venv with Python %s ..." % platform.python_version())
    made = subprocess.call([sys.executable, "-m", "venv", "--clear", str(VENV)], cwd=str(PROJECT))
    if made != 0 or venv_state() in ("none", "foreign", "broken"):
        raise Problem(
            "The environment could not be made in\n\n    %s\n\nClose every program that may still "
            "use it (JupyterLab, an editor), delete the folder .venv, and start again." % VENV
        )


def environment_key(python):
    """Hash of all that an installation depends on: two requirement files, Python, this folder."""
    digest = hashlib.sha256()
    for part in (
        (PROJECT / "pyproject.toml").read_bytes(),
        b"unlocked" if UNLOCKED else (PROJECT / "constraints.txt").read_bytes(),
        python.encode("ascii"),
        platform.machine().encode("utf-8"),
        os.fsencode(str(PROJECT)),  # an installation knows where the course is: moving changes it
    ):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def read_stamp():
    """What the last complete installation wrote, or ``{}``."""
    try:
        stamp = json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def prepare(extras=(), gpu=False):
    """Make sure that .venv is there and complete; do nothing when the stamp says it is.

    Extras and the choice of ``--gpu`` are remembered: an environment that has the test tools keeps
    them, and "lab" after "test" installs nothing.

    Raises:
        Problem: With the next step in plain words, if something failed.
    """
    with alone():
        state, stamp = venv_state(), read_stamp()
        extras = sorted(set(extras) | set(stamp.get("extras", ())))
        torch = "default" if gpu or stamp.get("torch") == "default" else "preferred"
        if state in ("none", "foreign", "broken"):
            if state == "broken":
                say("The environment .venv is incomplete or its Python is gone: it is made anew.")
            make_venv()
            state, stamp = venv_state(), {}
        wanted = {"key": environment_key(state), "extras": extras, "torch": torch}
        if stamp != wanted:
            install(wanted, stamp)
            write_json(STAMP, wanted)
        write_settings()


def write_settings():
    """Put the course's settings for JupyterLab into .venv, where they touch nobody else's."""
    write_json(VENV / "share" / "jupyter" / "lab" / "settings" / "overrides.json", LAB_SETTINGS)
    write_json(VENV / "etc" / "jupyter" / "jupyter_server_config.json", SERVER_SETTINGS)


@contextlib.contextmanager
def alone():
    """Hold a lock, so that a second start waits while the first one installs.

    The lock is on this file, needs no other one, and ends with the process however that ends.
    """
    with open(__file__, "rb") as file:
        if not lock(file):
            say("Another start of the course is at work in this folder. Waiting for it ...")
            while not lock(file):
                time.sleep(0.5)
        yield


def lock(file):
    """Lock an open file until it is closed; ``False`` if somebody else holds the lock."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(2**30)  # a place behind the end: locked bytes cannot be read by others
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True  # a file system without locks: go on without one
    return True


def write_json(path, content):
    """Write a small JSON file if it does not say this already."""
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    if not path.is_file() or path.read_text("utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


# ------------------------------------------------------------------------------------ installing


def pip_install(*arguments):
    """The arguments that make the Python of .venv install the course."""
    return [
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-warn-script-location",
        "--no-user",  # "user = true" in somebody's pip settings cannot work in a venv
        *(["--upgrade", "--upgrade-strategy=eager"] if UNLOCKED else ["-c", "constraints.txt"]),
        *arguments,
    ]


def install(wanted, stamp):
    """Install the course into .venv, with as little network as possible.

    Args:
        wanted: ``{"key", "extras", "torch"}``, what the stamp will say.
        stamp: What the last complete installation wrote, ``{}`` for none.
    """
    editable = ".[%s]" % ",".join(wanted["extras"]) if wanted["extras"] else "."
    what = ["-e", editable, "hatchling"]  # hatchling: with it the next lines need no network
    new_torch = wanted["torch"] == "default" and stamp.get("torch") != "default"
    if stamp and stamp["extras"] == wanted["extras"] and not new_torch and not UNLOCKED:
        say("The course changed since the last start, or its folder was moved. Looking at it ...")
        offline = pip_install("--quiet", "--no-index", "--no-build-isolation", *what)
        if run(offline, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
            finish_installing()
            say("Nothing had to be downloaded.")
            return
    keep_torch = has_pinned_torch() and not new_torch and not UNLOCKED
    source = "none" if keep_torch else torch_source(wanted["torch"])
    say(*introduction(source, fresh=not stamp))
    index = ["--extra-index-url", CPU_INDEX] if source == "cpu" else []
    UNFINISHED.touch()
    code = 0
    if new_torch and has_pinned_torch():
        # "torch==2.13.0" is true of the CPU build as well, so pip would leave it there.
        code = run(pip_install("--force-reinstall", "--no-deps", "torch", "torchaudio"))
    code = code or run(pip_install(*(index + what)))
    if code != 0:
        raise Problem(after_a_failure(code))
    finish_installing()
    say("", "Everything is installed.", "")


def finish_installing():
    """What remains to be done after pip."""
    mend_the_path_file()
    if UNFINISHED.exists():
        UNFINISHED.unlink()


def introduction(source, fresh):
    """Lines that say what pip is going to do, how much it loads, and how long that takes.

    Args:
        source: What torch_source() found, or "none": PyTorch is there already.
        fresh: Whether this is the first installation.

    Raises:
        Problem: If the disk is too full for it.
    """
    if source == "none" or (source != "default" and not fresh):
        return ["", "pip now adds to %s what is new or missing." % VENV, ""]
    download, disk_gb = {
        "cpu": ("about 410 MB", 1.8),
        "default": ("up to 3 GB, most of it libraries for NVIDIA graphics cards", 6.5),
        "only": ("about 340 MB", 1.8),
    }[source]
    free_gb = shutil.disk_usage(str(PROJECT)).free / 1e9
    if free_gb < 1.8:
        raise Problem(
            "The course needs about %.1f GB of disk space, and only %.1f GB are free here:\n\n"
            "    %s\n\nMake some room, and start again." % (disk_gb, free_gb, PROJECT)
        )
    lines = [
        "",
        "Setting up the course in %s" % VENV,
        "pip now downloads what it needs (PyTorch, JupyterLab and what belongs to them): %s."
        % download,
        "That happens only once. On a usual connection it takes a few minutes; the lines below",
        "show where it is. Ctrl-C stops it, and the next start uses what is downloaded by then.",
        "",
    ]
    if source == "default" and free_gb < disk_gb:
        lines.insert(3, "(With those libraries it needs 6.5 GB of disk; %.1f are free.)" % free_gb)
    return lines


def has_pinned_torch():
    """Whether .venv has the PyTorch that the constraints name, in whichever build."""
    constraints = (PROJECT / "constraints.txt").read_text("utf-8")
    pin = re.search(r"^torch==([\w.]+)", constraints, re.MULTILINE)
    there = ask_venv("import importlib.metadata as m; print(m.version('torch'))")
    return bool(pin and there and there.split("+")[0] == pin.group(1))


def torch_source(choice):
    """Which build of PyTorch pip will find.

    Args:
        choice: "default" takes pip's own choice, "preferred" the small build where there is one.

    Returns:
        "cpu": there is a small build for this computer and its index answers.
        "default": Linux without that index: pip takes the build with libraries for GPUs.
        "only": there is just one build for this system.
    """
    if python_build() not in ("linux-x86_64", "linux-aarch64"):
        return "only"
    if choice == "default" or os.environ.get("PIP_NO_INDEX", "0").lower() in ("1", "true", "yes"):
        return "default"
    if answers(CPU_INDEX + "/torch/"):
        return "cpu"
    say(
        "The small build of PyTorch (%s) does not answer, so pip looks elsewhere." % CPU_INDEX,
    )
    return "default"


def answers(url, seconds=3.0):
    """Whether an address answers in time. Never raises, never takes longer than ``seconds``.

    pip itself would wait for minutes behind a firewall that drops packets, hence this question
    first. It runs in a thread because looking up a name has no time limit of its own.
    """
    found = []

    def ask():
        try:
            import ssl
            import urllib.request

            certificates = os.environ.get("PIP_CERT") or None
            context = ssl.create_default_context(cafile=certificates)
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=seconds, context=context).close()
            found.append(True)
        except Exception:
            pass  # whatever it was: no answer

    thread = threading.Thread(target=ask)
    thread.daemon = True
    thread.start()
    thread.join(seconds)
    return bool(found)


def mend_the_path_file():
    """Make the course importable from a folder whose name is not plain ASCII.

    An editable installation writes the folder into a .pth file, as UTF-8. Python 3.11 and 3.12 read
    it in the system's own encoding, which on Windows is another one: the folder is not found, or
    Python does not start at all. The same file can say it in ASCII.
    """
    if all(ord(letter) < 128 for letter in str(PROJECT)):
        return
    if os.name == "nt":
        packages = VENV / "Lib" / "site-packages"
    else:
        packages = VENV / "lib" / "python*" / "site-packages"
    pattern = glob.escape(str(VENV)) + str(packages)[len(str(VENV)) :]
    for path in glob.glob(os.path.join(pattern, "*seeing_sound*.pth")):
        # .venv is inside the project, so the folder above it is the one to add.
        line = "import os, sys; sys.path.append(os.path.dirname(sys.prefix))\n"
        Path(path).write_text(line, "ascii")


def after_a_failure(code):
    """What to do when pip could not finish."""
    lines = [
        "The installation did not finish (pip ended with code %d; its last lines above say why)."
        % code,
        "Nothing else on this computer was changed. What helps, in this order:",
        "  1. Check the network connection, and run the same command again. What is already",
        "     downloaded is kept.",
        "  2. Behind a proxy, tell pip so: set HTTPS_PROXY, and run the same command again.",
        "  3. Delete the folder .venv, and run the same command again.",
    ]
    if os.name == "nt":
        lines.append(
            "  4. If pip speaks of a path that is too long: move the course to a folder with a "
            "short name, such as C:\\course."
        )
    return "\n".join(lines)


# -------------------------------------------------------------------------------------- commands


@command("lab", "opens the course in JupyterLab (--lecture 02: lesson 02 for a projector)")
def lab(options, arguments):
    """Start JupyterLab on the first lesson, or on one of them in the manner of a lecture."""
    lecture, page, arguments = lecture_wanted(arguments)
    prepare(gpu=options["gpu"])
    settings = ["--ServerApp.root_dir=%s" % PROJECT]
    if (PROJECT / page).is_file():
        # «doc» is JupyterLab's simple interface: one document, nothing beside it.
        settings.append("--LabApp.default_url=/%s/tree/%s" % ("doc" if lecture else "lab", page))
    if lecture:
        settings += lecture_settings()
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        settings.append("--allow-root")  # in a container everybody is root, and Jupyter would stop
    say("Starting JupyterLab. Leave this window open; Ctrl-C in it ends the course.", "")
    return become(["-m", "jupyterlab", *settings, *arguments])


def lecture_wanted(arguments):
    """Whether ``--lecture`` is there, the notebook to open, and all other arguments.

    Raises:
        Problem: If no lesson has the name behind ``--lecture``.
    """
    if "--lecture" not in arguments:
        return False, FIRST_PAGE, arguments
    place = arguments.index("--lecture")
    before, after = arguments[:place], arguments[place + 1 :]
    if not after or after[0].startswith("-"):
        return True, FIRST_PAGE, before + after
    lessons = sorted(path.name for path in (PROJECT / "notebooks").glob("*.ipynb"))
    found = [name for name in lessons if name.startswith(after[0])]
    if not found:
        names = ", ".join(name[: -len(".ipynb")] for name in lessons)
        raise Problem("No lesson begins with '%s'. There are: %s." % (after[0], names))
    return True, "notebooks/" + found[0], before + after[1:]


def lecture_settings():
    """Lay out JupyterLab's settings for a lecture, fresh at every start.

    A settings folder of its own: what is changed during the lecture is gone at the next one, and
    the settings of the person (and of "course.py lab") are neither read nor written.

    Returns:
        The options that JupyterLab needs for it.
    """
    shutil.rmtree(str(LECTURE), ignore_errors=True)
    shutil.copytree(str(PROJECT / "jupyter-config" / "lecture"), str(LECTURE))
    os.environ["JUPYTER_CONFIG_DIR"] = str(LECTURE)  # for custom.css
    os.environ["SEEING_SOUND_LARGE_TYPE"] = "1"  # every player and explorer begins in large type
    return [
        "--LabApp.user_settings_dir=%s" % (LECTURE / "lab" / "user-settings"),
        "--LabApp.workspaces_dir=%s" % (LECTURE / "lab" / "workspaces"),
        "--LabApp.custom_css=True",
    ]


@command("test", "runs every test (-k mel: those whose name contains mel)")
def test(options, arguments):
    """Hand over to tools/run_tests.py."""
    prepare(extras=["dev"], gpu=options["gpu"])
    # From the folder of the person: the arguments may hold paths.
    return run([PROJECT / "tools" / "run_tests.py", *arguments], cwd=os.getcwd())


def is_in_this_python():
    """Whether the running Python has this course: with conda and on Binder there is no .venv."""
    try:
        from importlib.metadata import distribution

        source = distribution("seeing-sound").read_text("direct_url.json")  # what pip noted
    except ImportError:  # an older Python, or no such package: both are errors of this kind
        return False
    return json.loads(source or "{}").get("url") == PROJECT.as_uri()


@command("doctor", "says in plain words what works on this computer")
def doctor(options, arguments):
    """Look at everything and change nothing."""
    say("Python     %s, %s" % (platform.python_version(), sys.executable))
    say("computer   %s on %s" % (platform.platform(), platform.machine()))
    say("folder     %s" % PROJECT)
    say("disk       %.1f GB free" % (shutil.disk_usage(str(PROJECT)).free / 1e9))
    problem = python_problem()
    if problem:
        say("", problem)
        return 1
    state = venv_state()
    if state == "none" and is_in_this_python():
        say("set-up     in this Python, as with conda or on Binder")
        return subprocess.call([sys.executable, "tools/doctor.py", *arguments], cwd=str(PROJECT))
    if state == "none":
        say("", "The course is not set up yet. This does it:", "", "    %s lab" % START)
        return 0
    if state in ("foreign", "broken"):
        say("", "The environment .venv does not work; the next start of the course mends it.")
        return 1
    stamp = read_stamp()
    if not stamp:
        say("set-up     not finished: '%s lab' goes on with it" % START)
    elif stamp.get("key") != environment_key(state):
        say("set-up     something changed since: the next start looks at it")
    else:
        tools = " with the test tools" if "dev" in stamp.get("extras", ()) else ""
        say("set-up     complete%s, Python %s in .venv" % (tools, state))
    return run(["tools/doctor.py", *arguments])


@command("notebooks", "runs all notebooks again and saves them clean (--check only looks)")
def notebooks(options, arguments):
    """Hand over to tools/run_notebooks.py."""
    prepare(gpu=options["gpu"])
    return run(["tools/run_notebooks.py", *arguments])


@command("class", "makes a set for students, without solutions, and one for the teacher")
def make_class(options, arguments):
    """Run tools/make_class.py with this Python: it needs nothing that would be installed."""
    return subprocess.call([sys.executable, str(PROJECT / "tools" / "make_class.py"), *arguments])


@command("site", "builds the lessons as web pages that need no server (--out FOLDER)")
def site(options, arguments):
    """Hand over to tools/make_site.py."""
    prepare(gpu=options["gpu"])
    return run([PROJECT / "tools" / "make_site.py", *arguments], cwd=os.getcwd())


@command("slides", "builds slides from the lessons (02: from lesson 02), each a file of its own")
def slides(options, arguments):
    """Hand over to tools/make_slides.py."""
    prepare(gpu=options["gpu"])
    return run([PROJECT / "tools" / "make_slides.py", *arguments], cwd=os.getcwd())


@command("bench", "measures how fast a slider moves a picture, in a real browser")
def bench(options, arguments):
    """Hand over to tests/benchmarks/slider_to_pixels.py."""
    prepare(extras=["dev"], gpu=options["gpu"])
    return run(["-m", "tests.benchmarks.slider_to_pixels", *arguments])


@command("binder-check", "rebuilds Binder's environment and runs lessons in it (Linux)")
def binder_check(options, arguments):
    """Hand over to tools/binder_check.py."""
    prepare(extras=["dev"], gpu=options["gpu"])
    return run(["-m", "tools.binder_check", *arguments])


def is_left_out(name):
    """Whether this is a set for a class, which has no files for this command."""
    tools = PROJECT / "tools"
    return tools.is_dir() and not (tools / "make_class.py").is_file() and name not in IN_A_SET


def help_text():
    """The usage, made from the table of commands."""
    lines = ["usage: " + START + " COMMAND [--gpu] [further arguments]", "", "commands:"]
    there = {name: COMMANDS[name] for name in COMMANDS if not is_left_out(name)}
    lines += ["  %-12s %s" % (name, summary) for name, (_, summary) in there.items()]
    lines += [
        "",
        "  --gpu      takes PyTorch's build for NVIDIA graphics cards (Linux: 3 GB to download);",
        "             that choice stays until the folder .venv is deleted",
        "",
        "Further arguments go to what is started: JupyterLab, pytest, the benchmark.",
    ]
    return "\n".join(lines)


def main(arguments):
    """Run one command and return the exit code."""
    name, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if name in ("-h", "--help", "help"):
        say(help_text())
        return 0 if arguments else 2
    if name not in COMMANDS:
        say("There is no command '%s'." % name, "", help_text())
        return 2
    if is_left_out(name):
        say("This is a set for a class; '%s' is only in the whole course." % name, "", help_text())
        return 2
    options = {"gpu": "--gpu" in rest}
    rest = [argument for argument in rest if argument != "--gpu"]
    try:
        if name != "doctor":
            require_a_fitting_python()
        return COMMANDS[name][0](options, rest)
    except Problem as problem:
        say("", str(problem))
        return 1
    except KeyboardInterrupt:
        say("", "Stopped.")
        return 128 + signal.SIGINT


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without ü must not stop the course
            stream.reconfigure(errors="replace")
    sys.exit(main(sys.argv[1:]))
