"""course.py: which Python it takes, when it installs, what it starts.

Every test works on a copy in a folder whose name has a space and letters that are not ASCII.
Nothing is installed: pip is replaced by a recorder. The real thing takes a minute and is what
``.ci/run`` does first.
"""

import ast
import http.server
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = (PROJECT / "course.py").read_text("utf-8")


@pytest.fixture
def folder(tmp_path):
    """A copy of what course.py reads."""
    folder = tmp_path / "sound ü test"
    folder.mkdir()
    for name in ("course.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(PROJECT / name, folder)
    return folder


def load(folder):
    """Import the course.py of a folder."""
    spec = importlib.util.spec_from_file_location("course_under_test", folder / "course.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def course(folder, monkeypatch):
    """The module, with an environment of three small files and a pip that only takes notes.

    ``course.calls`` holds what was handed to the Python of .venv; ``course.pip_code`` is what pip
    answers, ``course.torch_version`` what it finds.
    """
    course = load(folder)
    course.calls, course.pip_code, course.offline_code = [], 0, 0
    course.torch_version, course.torn, course.answer = None, [], "True True 3.12"

    def make_venv():
        course.venv_python().parent.mkdir(parents=True, exist_ok=True)
        course.venv_python().touch()
        (course.VENV / "pyvenv.cfg").write_text("version = 3.12.1\n", "ascii")
        course.UNFINISHED.unlink(missing_ok=True)
        course.STAMP.unlink(missing_ok=True)
        course.calls.append("venv")

    def run(arguments, **options):
        arguments = [str(argument) for argument in arguments]
        course.calls.append(arguments)
        offline = "--no-index" in arguments
        return course.offline_code if offline else course.pip_code

    def ask_venv(code):
        if "version('torch')" in code:
            return course.torch_version
        if code == course.LIST_TORN_PACKAGES:
            return str(course.torn)
        return course.answer if course.venv_python().exists() else None

    monkeypatch.setattr(course, "make_venv", make_venv)
    monkeypatch.setattr(course, "run", run)
    monkeypatch.setattr(course, "ask_venv", ask_venv)
    monkeypatch.setattr(course, "answers", lambda url: True)
    monkeypatch.setattr(course, "python_build", lambda: "linux-x86_64")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    return course


# ------------------------------------------------------------------------------- which Python


def test_source_has_only_syntax_of_python_3_6():
    tree = ast.parse(SOURCE, feature_version=(3, 6))
    futures = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]
    assert "__future__" not in [node.module for node in futures]  # annotations came with 3.7
    annotated = [n for n in ast.walk(tree) if isinstance(n, ast.AnnAssign | ast.NamedExpr)]
    assert annotated == []


def test_only_the_standard_library_is_imported():
    tree = ast.parse(SOURCE)
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("version", "build", "macos", "words"),
    [
        ((3, 6, 15), "linux-x86_64", "", "too old. This is Python 3.6.15"),
        ((3, 10, 13), "linux-x86_64", "", "needs Python 3.11 to 3.14"),
        ((3, 15, 0), "win-amd64", "", "too new"),
        ((3, 12, 1), "darwin-x86_64", "14.5", "Binder"),
        ((3, 12, 1), "darwin-arm64", "13.6", "macOS 14"),
        ((3, 12, 1), "win32", "", "64-bit"),
        ((3, 12, 1), "win-arm64", "", "win-arm64"),
    ],
)
def test_python_that_cannot_run_the_course_is_named(version, build, macos, words, folder):
    assert words in load(folder).python_problem(version, build, macos)


@pytest.mark.parametrize("minor", [11, 12, 13, 14])
@pytest.mark.parametrize(
    ("build", "macos"), [("linux-x86_64", ""), ("darwin-arm64", "15.1"), ("win-amd64", "")]
)
def test_python_that_fits_is_taken(minor, build, macos, folder):
    assert load(folder).python_problem((3, minor, 0), build, macos) == ""


def test_versions_are_those_of_pyproject(folder):
    course = load(folder)
    wanted = f'requires-python = ">=3.{course.OLDEST[1]},<3.{course.NEWEST[1] + 1}"'
    assert wanted in (folder / "pyproject.toml").read_text("utf-8")


def old_pythons():
    """One Python for each version before 3.11 on this computer that really starts, oldest first."""
    # Version managers keep each Python in a folder of its own, beside the one that runs this; on
    # the path they only have shells.
    versions = Path(sys.base_prefix).parent
    for minor in range(6, 11):
        name = f"python3.{minor}"
        for candidate in [*map(str, versions.glob(f"*/bin/{name}")), shutil.which(name)]:
            if candidate and subprocess.call([candidate, "-c", ""], stderr=subprocess.DEVNULL) == 0:
                yield candidate
                break


def test_old_python_gets_a_plain_sentence(folder):
    candidates = list(old_pythons())
    if not candidates:
        pytest.skip("no Python older than 3.11 here")
    for candidate in {candidates[0], candidates[-1]}:
        done = subprocess.run(
            [candidate, "course.py", "test", "-k", "mel"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output = done.stdout.decode("utf-8")
        assert done.returncode == 1, output
        assert "needs Python 3.11 to 3.14" in output
        assert "Traceback" not in output


def test_another_python_is_suggested_with_the_same_words(course, monkeypatch):
    monkeypatch.setattr(course, "python_problem", lambda: "This one is too old.")
    monkeypatch.setattr(course.sys, "version_info", (3, 9, 0))
    monkeypatch.setattr(course, "other_pythons", lambda: ["python3.12", "python3.11"])
    monkeypatch.setattr(course.sys, "argv", ["course.py", "test", "-k", "mel"])
    with pytest.raises(course.Problem, match=r"python3\.12 course\.py test -k mel"):
        course.require_a_fitting_python()


# --------------------------------------------------------------------------- when it installs


def test_first_start_installs_and_the_second_does_not(course):
    course.prepare()
    assert [call if call == "venv" else call[:3] for call in course.calls] == [
        "venv",
        ["-m", "pip", "install"],
    ]
    assert course.calls[1][course.calls[1].index("-e") + 1] == "."
    assert course.calls[1][course.calls[1].index("-c") + 1] == "constraints.txt"
    course.calls.clear()
    course.prepare()
    assert course.calls == []


def change(name):
    def do(course):
        path = course.PROJECT / name
        path.write_text(path.read_text("utf-8") + "\n# new\n", "utf-8")

    return do


@pytest.mark.parametrize(
    "change", [change("pyproject.toml"), change("constraints.txt")], ids=["pyproject", "pins"]
)
def test_change_is_looked_at_without_network_first(course, change):
    course.prepare()
    course.calls.clear()
    change(course)
    course.prepare()
    assert len(course.calls) == 1
    assert "--no-index" in course.calls[0]
    course.calls.clear()
    course.prepare()
    assert course.calls == []


def test_what_cannot_be_had_without_network_is_installed_with_it(course):
    course.prepare()
    change("pyproject.toml")(course)
    course.calls.clear()
    course.offline_code = 1
    course.prepare()
    assert ["--no-index" in call for call in course.calls] == [True, False]


def test_moved_folder_is_noticed(course, folder):
    key = course.environment_key("3.12")
    moved = folder.rename(folder.with_name("moved"))
    assert load(moved).environment_key("3.12") != key


def test_key_depends_on_python(course):
    assert course.environment_key("3.12") != course.environment_key("3.13")


def test_test_tools_are_added_once_and_stay(course):
    course.prepare()
    course.calls.clear()
    course.prepare(extras=["dev"])
    assert len(course.calls) == 1
    assert ".[dev]" in course.calls[0]
    course.calls.clear()
    course.prepare()  # "lab" after "test"
    course.prepare(extras=["dev"])
    assert course.calls == []
    change("constraints.txt")(course)
    course.prepare()
    assert ".[dev]" in course.calls[0]


def test_failed_installation_says_what_to_do_and_is_tried_again(course, capsys):
    course.pip_code = 2
    assert course.main(["lab"]) == 1
    said = capsys.readouterr().out
    assert "Check the network connection" in said
    assert "Traceback" not in said
    assert not course.STAMP.exists()
    course.pip_code = 0
    course.calls.clear()
    course.prepare()
    assert len([call for call in course.calls if call != "venv"]) == 1


def test_interrupted_installation_is_not_taken_for_a_whole_one(course, monkeypatch):
    real_run = course.run

    def interrupted(arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(course, "run", interrupted)
    assert course.main(["lab"]) == 130
    assert course.UNFINISHED.exists()
    monkeypatch.setattr(course, "run", real_run)
    assert course.venv_state() == "3.12"
    course.torn = ["tornado-6.dist-info"]
    assert course.venv_state() == "broken"
    course.prepare()
    assert course.calls.count("venv") == 2
    assert not course.UNFINISHED.exists()


def test_interrupted_installation_without_torn_packages_goes_on(course):
    course.prepare()
    course.UNFINISHED.touch()
    course.STAMP.unlink()
    course.calls.clear()
    course.prepare()
    assert "venv" not in course.calls
    assert len(course.calls) == 1
    assert not course.UNFINISHED.exists()


def test_environment_whose_python_is_gone_is_made_anew_with_its_extras(course):
    course.prepare(extras=["dev"])
    course.venv_python().unlink()
    course.calls.clear()
    course.prepare()
    assert course.calls[0] == "venv"
    assert ".[dev]" in course.calls[1]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("True True 3.13", id="Python was updated under it"),
        pytest.param("True False 3.12", id="no pip"),
        pytest.param("False True 3.12", id="answers for another folder"),
        pytest.param(None, id="does not start"),
    ],
)
def test_environment_that_answers_wrongly_is_made_anew(course, answer):
    course.prepare()
    course.answer = answer
    assert course.venv_state() == "broken"


def test_environment_of_a_python_that_no_longer_fits_is_made_anew(course):
    course.prepare()
    (course.VENV / "pyvenv.cfg").write_text("version = 3.10.1\n", "ascii")
    course.answer = "True True 3.10"
    assert course.venv_state() == "broken"


def test_full_disk_is_said_before_the_download(course, monkeypatch, capsys):
    full = shutil.disk_usage(PROJECT)._replace(free=500_000_000)
    monkeypatch.setattr(course.shutil, "disk_usage", lambda path: full)
    assert course.main(["lab"]) == 1
    assert "only 0.5 GB are free" in capsys.readouterr().out


def test_settings_for_jupyterlab_stay_inside_the_environment(course):
    course.prepare()
    overrides = course.VENV / "share/jupyter/lab/settings/overrides.json"
    news = json.loads(overrides.read_text("utf-8"))
    assert news["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    server = course.VENV / "etc/jupyter/jupyter_server_config.json"
    limit = json.loads(server.read_text("utf-8"))["ServerApp"]["tornado_settings"]
    assert limit["websocket_max_message_size"] >= 64_000_000 * 4 / 3  # a 64 MB file as base64


def test_second_start_waits_for_the_first(folder):
    program = (
        "import course, sys, time\n"
        "with course.alone():\n"
        "    print(f'in {time.monotonic()}', flush=True)\n"
        "    time.sleep(float(sys.argv[1]))\n"
        "    print(f'out {time.monotonic()}', flush=True)\n"
    )

    def start(seconds):
        command = [sys.executable, "-c", program, seconds]
        return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)

    with start("0.8") as first:
        first.stdout.readline()  # it is in
        with start("0") as second:
            said = second.communicate(timeout=30)[0]
        left = float(first.communicate(timeout=30)[0].split()[1])
    assert "Waiting" in said
    assert float(said.split("in ")[-1].split()[0]) >= left


# ---------------------------------------------------------------------- what lies at .venv


def test_venv_states(folder):
    course = load(folder)
    assert course.venv_state() == "none"
    course.VENV.mkdir()
    assert course.venv_state() == "none"
    (course.VENV / "bin").mkdir()
    assert course.venv_state() == "broken"  # python -m venv was stopped at once
    (course.VENV / "bin" / "my_file").touch()
    assert course.venv_state() == "foreign"
    shutil.rmtree(course.VENV)
    course.VENV.write_text("a file", "utf-8")
    assert course.venv_state() == "foreign"


def test_foreign_folder_is_never_cleared(folder):
    course = load(folder)
    course.VENV.mkdir()
    (course.VENV / "thesis.txt").write_text("months of work", "utf-8")
    with pytest.raises(course.Problem, match="not a Python environment"):
        course.prepare()
    assert (course.VENV / "thesis.txt").read_text("utf-8") == "months of work"


def test_real_venv_works_survives_a_move_and_shows_a_missing_pip(folder):
    """``--without-pip`` keeps this at a tenth of a second; a line stands in for pip."""
    course = load(folder)
    subprocess.check_call([sys.executable, "-m", "venv", "--without-pip", course.VENV])
    assert course.venv_state() == "broken"
    stand_in = "import sysconfig; print(sysconfig.get_path('purelib'))"
    (Path(course.ask_venv(stand_in)) / "pip.py").touch()
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert course.venv_state() == here
    moved = load(folder.rename(folder.with_name("moved ß here")))
    assert moved.venv_state() == here


def test_torn_packages_are_found(folder):
    course = load(folder)
    subprocess.check_call([sys.executable, "-m", "venv", "--without-pip", course.VENV])
    site = Path(course.ask_venv("import sysconfig; print(sysconfig.get_path('purelib'))"))
    for name in ("whole", "torn", "headless"):
        (site / f"{name}-1.dist-info").mkdir(parents=True)
        (site / f"{name}-1.dist-info" / "METADATA").touch()
    (site / "whole.py").touch()
    for name in ("whole", "torn"):
        record = site / f"{name}-1.dist-info" / "RECORD"
        record.write_text(f"{name}.py,,\n__pycache__/{name}.pyc,,\n", "utf-8")
    answer = ast.literal_eval(course.ask_venv(course.LIST_TORN_PACKAGES))
    assert sorted(ast.literal_eval(name) for name in answer) == [
        "headless-1.dist-info",
        "torn-1.dist-info",
    ]


def test_course_is_found_from_a_folder_that_is_not_ascii(folder):
    """The .pth file of an editable install is UTF-8, and older Pythons read it in the system's own
    encoding: in C:\\Users\\Müller the package is missing, or Python does not start."""
    course = load(folder)
    subprocess.check_call([sys.executable, "-m", "venv", "--without-pip", course.VENV])
    site = Path(course.ask_venv("import sysconfig; print(sysconfig.get_path('purelib'))"))
    path_file = site / "_seeing_sound.pth"
    path_file.write_text("somewhere else\n", "utf-8")
    course.mend_the_path_file()
    assert path_file.read_bytes().isascii()
    (folder / "course_utils.py").write_text("here = True\n", "utf-8")
    asked = "import os; os.chdir('/'); import sys; sys.path.pop(0); import course_utils; print(1)"
    assert course.ask_venv(asked) == "1"


# --------------------------------------------------------------------------- which PyTorch


def pip_call(course):
    return next(call for call in course.calls if call[:3] == ["-m", "pip", "install"])


def test_small_build_is_preferred_where_there_is_one(course):
    course.prepare()
    call = pip_call(course)
    assert call[call.index("--extra-index-url") + 1] == course.CPU_INDEX


@pytest.mark.parametrize("build", ["win-amd64", "darwin-arm64"])
def test_other_systems_have_one_build_only(course, monkeypatch, build):
    monkeypatch.setattr(course, "python_build", lambda: build)
    course.prepare()
    assert "--extra-index-url" not in pip_call(course)


def test_index_that_does_not_answer_is_left_out(course, monkeypatch, capsys):
    monkeypatch.setattr(course, "answers", lambda url: False)
    course.prepare()
    assert "--extra-index-url" not in pip_call(course)
    assert "up to 3 GB" in capsys.readouterr().out


def test_gpu_takes_the_default_build_and_is_remembered(course, monkeypatch):
    started = []
    monkeypatch.setattr(course, "become", lambda arguments: started.extend(arguments) or 0)
    assert course.main(["lab", "--gpu", "--no-browser"]) == 0
    assert started[-1] == "--no-browser"
    assert "--gpu" not in started
    assert "--extra-index-url" not in pip_call(course)
    course.calls.clear()
    assert course.main(["lab"]) == 0
    assert course.calls == []


def test_gpu_replaces_a_small_build_that_is_already_there(course):
    course.prepare()
    course.calls.clear()
    course.torch_version = "2.13.0+cpu"
    course.prepare(gpu=True)
    assert "--force-reinstall" in course.calls[0]
    assert "--force-reinstall" not in course.calls[1]


def test_pytorch_that_is_there_already_needs_no_index(course, monkeypatch):
    course.torch_version = "2.13.0+cpu"
    monkeypatch.setattr(course, "answers", lambda url: pytest.fail("asked"))
    course.prepare(extras=["dev"])
    assert "--extra-index-url" not in pip_call(course)


def test_pip_without_index_is_not_given_one(course, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(course, "answers", lambda url: pytest.fail("asked"))
    course.prepare()
    assert "--extra-index-url" not in pip_call(course)


def test_silent_server_is_not_waited_for(folder):
    course = load(folder)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the call and says nothing
        start = time.monotonic()
        assert not course.answers(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.3)
        assert time.monotonic() - start < 2


def test_lookup_of_a_name_that_takes_for_ever_is_not_waited_for(folder, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr("urllib.request.urlopen", lambda *args, **options: release.wait(5))
    start = time.monotonic()
    assert not load(folder).answers("http://127.0.0.1:9/", seconds=0.1)
    assert time.monotonic() - start < 2
    release.set()


def test_server_that_answers_is_heard(folder):
    class Quiet(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert load(folder).answers(f"http://127.0.0.1:{server.server_port}/", seconds=10)


# ----------------------------------------------------------------------------- what it starts


def test_lab_opens_the_first_lesson_and_hands_arguments_on(course, monkeypatch):
    (course.PROJECT / "notebooks").mkdir()
    (course.PROJECT / course.FIRST_PAGE).touch()
    started = []
    monkeypatch.setattr(course, "become", lambda arguments: started.extend(arguments) or 0)
    assert course.main(["lab", "--no-browser", "--port=9000"]) == 0
    assert started[:2] == ["-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={course.PROJECT}" in started
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start.ipynb" in started
    assert started[-2:] == ["--no-browser", "--port=9000"]


@pytest.mark.parametrize(
    ("words", "started"),
    [
        (["notebooks", "--check"], ["tools/run_notebooks.py", "--check"]),
        (["bench", "--quick"], ["-m", "tests.benchmarks.slider_to_pixels", "--quick"]),
        (["test", "-k", "mel"], [str(Path("tools") / "run_tests.py"), "-k", "mel"]),
    ],
    ids=lambda words: words[0],
)
def test_commands_hand_their_arguments_on(course, words, started):
    assert course.main(words) == 0
    call = [argument.replace(str(course.PROJECT) + os.sep, "") for argument in course.calls[-1]]
    assert call == started


def test_exit_code_of_what_was_started_is_handed_back(course):
    course.prepare(extras=["dev"])
    course.pip_code = 3
    assert course.main(["test"]) == 3


def test_environment_of_children(folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "somewhere")
    monkeypatch.setenv("PYTHONHOME", "elsewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "a mirror")
    course = load(folder)
    env = course.child_environment()
    assert "PYTHONPATH" not in env
    assert "PYTHONHOME" not in env
    assert env["PIP_INDEX_URL"] == "a mirror"
    assert env["PATH"].split(os.pathsep)[0] == str(course.venv_python().parent)


def test_doctor_without_an_environment_says_so(folder):
    done = subprocess.run(
        [sys.executable, "course.py", "doctor"], cwd=folder, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert "not set up yet" in done.stdout
    assert str(folder) in done.stdout
    assert not (folder / ".venv").exists()


def test_unknown_command_lists_the_known_ones(course, capsys):
    assert course.main(["lob"]) == 2
    said = capsys.readouterr().out
    assert "no command 'lob'" in said
    assert all(name in said for name in ("lab", "test", "doctor", "notebooks", "bench"))


def test_terminal_without_umlauts_does_not_stop_the_course(folder):
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "course.py", "doctor"], cwd=folder, capture_output=True, env=env
    )
    assert done.returncode == 0, done.stderr
