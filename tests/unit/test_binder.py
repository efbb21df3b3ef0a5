"""What Binder builds from. The real thing, minutes long, is ``course.py binder-check``."""

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import course
from tools import binder_check, binder_requirements, binder_settings

PROJECT = Path(__file__).resolve().parents[2]
BINDER = PROJECT / "binder"
VERSION = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
REQUIREMENTS = (BINDER / "requirements.txt").read_text("utf-8")
PINS = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)(?:\+cpu)?$", REQUIREMENTS, re.MULTILINE)
}

posix = pytest.mark.skipif(os.name == "nt", reason="Binder's scripts run on Linux")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# ------------------------------------------------------------------------------ the versions


def test_list_is_what_the_constraints_give():
    made = binder_requirements.as_text(binder_requirements.binder_pins())
    assert made == REQUIREMENTS, "run: python -m tools.binder_requirements"


def test_change_in_the_constraints_is_noticed(tmp_path):
    for name in ("pyproject.toml", "binder/runtime.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    text = (PROJECT / "constraints.txt").read_text("utf-8")
    newer = text.replace("\nmatplotlib==", "\nmatplotlib==99.")
    (tmp_path / "constraints.txt").write_text(newer, "utf-8")
    assert binder_requirements.as_text(binder_requirements.binder_pins(tmp_path)) != REQUIREMENTS


def test_package_that_the_constraints_lack_is_named(tmp_path):
    for name in ("pyproject.toml", "binder/runtime.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    (tmp_path / "constraints.txt").write_text("torch==2.13.0\n", "utf-8")
    with pytest.raises(ValueError, match=r"constraints\.txt lacks .*matplotlib.*: make it again"):
        binder_requirements.binder_pins(tmp_path)


def test_every_pin_is_one_of_the_constraints():
    """Read here in another way than the tool reads them."""
    text = (PROJECT / "constraints.txt").read_text("utf-8")
    constraints = {
        (canonicalize_name(name), version)
        for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE)
    }
    assert {*PINS.items()} - constraints == {*binder_requirements.FOR_THE_IMAGE.items()}


def test_list_holds_pins_and_the_index_and_nothing_else():
    lines = [line for line in REQUIREMENTS.splitlines() if not line.startswith("#")]
    assert lines[0] == f"--extra-index-url {course.CPU_INDEX}"
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+(\+cpu)?", line) for line in lines[1:])
    assert len(lines) == 1 + len(PINS)
    assert [line for line in lines if line.endswith("+cpu")] == [f"torch=={PINS['torch']}+cpu"]


def test_list_has_no_test_tools_and_nothing_for_graphics_cards():
    unwanted = ("pytest", "nbval", "playwright", "ruff", "hypothesis", "jupyter-repo2docker")
    assert set(unwanted) & set(PINS) == set()
    assert [name for name in PINS if name.startswith(("nvidia", "cuda", "triton"))] == []


@cache
def packages_of_modules():
    return metadata.packages_distributions()


def imported(source):
    """The first words of all imports in a text of Python."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def lesson_code():
    """The code of all lessons, solutions and modules: ``(name, text)``."""
    for path in sorted((PROJECT / "notebooks").rglob("*.ipynb")):
        if ".ipynb_checkpoints" not in path.parts:
            cells = nbformat.read(path, as_version=4).cells
            code = [cell.source for cell in cells if cell.cell_type == "code"]
            yield path.name, "\n".join(re.sub(r"(?m)^\s*[%!].*$", "", text) for text in code)
    for path in sorted((PROJECT / "course_utils").rglob("*.py")):
        yield path.name, path.read_text("utf-8")


def missing_packages(modules, pins):
    """Those modules that come from no package of the pins."""
    return {
        module
        for module in modules
        if module not in sys.stdlib_module_names
        and module not in ("course_utils", "dask", "distributed")  # a cluster: not on Binder
        and not {canonicalize_name(n) for n in packages_of_modules().get(module, [])} & set(pins)
    }


def test_everything_that_lessons_import_is_installed():
    wrong = {name: missing_packages(imported(text), PINS) for name, text in lesson_code()}
    assert {name: modules for name, modules in wrong.items() if modules} == {}


def test_missing_package_is_noticed():
    without = {name: version for name, version in PINS.items() if name != "soundfile"}
    modules = imported("import soundfile, math\nfrom matplotlib import pyplot")
    assert missing_packages(modules, without) == {"soundfile"}


def test_what_the_packages_need_is_there_too():
    """Asked of the packages themselves; the tool reads it from comments of the constraints."""
    python = binder_requirements.runtime()
    system = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
        "extra": "",
    }
    problems, looked_at = [], 0
    for name in PINS:
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # not for the Python of these tests
        looked_at += 1
        for need in map(Requirement, needs):
            other = canonicalize_name(need.name)
            if need.marker and not need.marker.evaluate(system):
                continue
            if other.startswith(binder_requirements.FOR_GPUS):
                continue
            if other not in PINS or not need.specifier.contains(PINS[other], prereleases=True):
                problems.append(f"{name} needs {need}, and here is {PINS.get(other)}")
    assert looked_at > 100
    assert problems == []


def test_runtime_is_a_python_that_the_course_takes():
    version = tuple(map(int, binder_requirements.runtime().split(".")))
    assert course.OLDEST <= version <= course.NEWEST


def test_runtime_that_binder_would_misread_is_refused(tmp_path):
    (tmp_path / "binder").mkdir()
    (tmp_path / "binder" / "runtime.txt").write_text("python>=3.12\n", "ascii")
    with pytest.raises(ValueError, match=r"wanted is a line like 'python-3\.12'"):
        binder_requirements.runtime(tmp_path)


# ---------------------------------------------------------------------- the image, without Docker


def dockerfile_of(folder):
    """What repo2docker would build: ``(exit code, Dockerfile)``."""
    options = ["--no-build", "--Repo2Docker.default_buildpack=None"]
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", *options, "."],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def binder_folder(tmp_path_factory):
    """Only what decides about the image: environment.yml in the root must not matter."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(BINDER, folder / "binder")
    for name in ("pyproject.toml", "environment.yml"):
        shutil.copy(PROJECT / name, folder)
    return folder


@posix
def test_image_has_the_packages_before_the_course_and_our_scripts(binder_folder):
    pytest.importorskip("repo2docker")
    code, dockerfile = dockerfile_of(binder_folder)
    assert code == 0, dockerfile
    assert f"Building conda environment for python={binder_requirements.runtime()}" in dockerfile
    steps = [
        '/bin/pip install --no-cache-dir -r "binder/requirements.txt"',
        " src/ ${REPO_DIR}/",
        "RUN ./binder/postBuild",
        'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"',
    ]
    places = [dockerfile.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places), "a change in a lesson would download everything anew"


@posix
def test_python_that_binder_does_not_have_is_noticed(binder_folder, tmp_path):
    pytest.importorskip("repo2docker")
    shutil.copytree(binder_folder, tmp_path / "course")
    (tmp_path / "course" / "binder" / "runtime.txt").write_text("python-3.99\n", "ascii")
    code, said = dockerfile_of(tmp_path / "course")
    assert code != 0
    assert "3.99" in said


@posix
def test_line_that_would_load_pytorch_for_every_commit_is_noticed(binder_folder, tmp_path):
    """The order above is not the same with any list."""
    pytest.importorskip("repo2docker")
    shutil.copytree(binder_folder, tmp_path / "course")
    with (tmp_path / "course" / "binder" / "requirements.txt").open("a") as file:
        file.write("-e .\n")
    _, dockerfile = dockerfile_of(tmp_path / "course")
    assert dockerfile.find(" src/ ${REPO_DIR}/") < dockerfile.find("/bin/pip install")


# ------------------------------------------------------------------------------ the scripts


@posix
@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_can_be_run_and_stop_at_the_first_error(name):
    assert os.access(BINDER / name, os.X_OK)
    assert (BINDER / name).read_text("utf-8").startswith("#!/bin/bash\n")
    assert "\nset -euo pipefail\n" in (BINDER / name).read_text("utf-8")
    subprocess.run(["bash", "-n", BINDER / name], check=True)


@posix
def test_start_limits_the_threads_and_hands_the_command_on():
    asks = 'echo "$OMP_NUM_THREADS"; printf "<%s>" "$@"'
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [BINDER / "start", "bash", "-c", asks, "bash", "--ip=*", "two words", ""],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n<--ip=*><two words><>"


def test_course_is_installed_without_a_download():
    script = (BINDER / "postBuild").read_text("utf-8")
    line = next(line for line in script.splitlines() if "pip install" in line)
    assert {"--no-index", "--no-deps", "--no-build-isolation"} <= set(line.split())
    backend = Requirement("hatchling>=1.27")
    assert str(backend) in (PROJECT / "pyproject.toml").read_text("utf-8")
    assert backend.name in PINS


# ------------------------------------------------------------------------------ the settings


def test_binder_gets_the_settings_of_course_lab(tmp_path):
    binder_settings.main(tmp_path)
    lab = tmp_path / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    server = tmp_path / "etc" / "jupyter" / "jupyter_server_config.json"
    assert json.loads(lab.read_text("utf-8")) == course.LAB_SETTINGS
    assert json.loads(server.read_text("utf-8")) == course.SERVER_SETTINGS
    limit = course.SERVER_SETTINGS["ServerApp"]["tornado_settings"]["websocket_max_message_size"]
    assert limit > binder_check.UPLOAD_BYTES


def test_settings_of_others_stay(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"ServerApp": {"a": 1, "b": 2}, "Other": {"c": 3}}', "utf-8")
    ours = {"ServerApp": {"b": 5, "tornado_settings": {"d": 4}}}
    binder_settings.add_settings(path, ours)
    assert json.loads(path.read_text("utf-8")) == {
        "ServerApp": {"a": 1, "b": 5, "tornado_settings": {"d": 4}},
        "Other": {"c": 3},
    }
    assert ours == {"ServerApp": {"b": 5, "tornado_settings": {"d": 4}}}


def test_doctor_finds_a_course_that_has_no_venv(tmp_path):
    """On Binder and with conda the course is in the Python that runs ``course.py doctor``."""
    shutil.copy(PROJECT / "course.py", tmp_path)
    spec = importlib.util.spec_from_file_location("elsewhere", tmp_path / "course.py")
    elsewhere = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(elsewhere)
    assert course.is_in_this_python()
    assert not elsewhere.is_in_this_python(), "that folder's course is not installed anywhere"


# --------------------------------------------------------------------- tools/binder_check.py


def test_image_packages_come_from_the_lock_of_repo2docker():
    pytest.importorskip("repo2docker")
    found = {r.name: r for r in map(Requirement, binder_check.image_packages("3.12"))}
    assert set(found) == set(binder_check.IN_THE_IMAGE.values())
    assert Version("4") < Version(next(iter(found["jupyterlab"].specifier)).version) < Version("5")


def test_list_is_taken_as_it_is_where_the_index_answers(monkeypatch):
    monkeypatch.setattr(course, "answers", lambda url: True)
    assert binder_check.requirements_for(binder_requirements.runtime()) == REQUIREMENTS


def test_list_can_be_had_without_the_index(monkeypatch, capsys):
    monkeypatch.setattr(course, "answers", lambda url: False)
    text = binder_check.requirements_for(binder_requirements.runtime())
    assert f"\ntorch=={PINS['torch']}\n" in text
    assert "://" not in text
    assert "does not answer" in capsys.readouterr().out


def test_another_python_gets_its_own_pins(monkeypatch, capsys):
    monkeypatch.setattr(course, "answers", lambda url: True)
    text = binder_check.requirements_for("3.11")
    assert "\noverrides==" in text, "which jupyter-server needs on 3.11 only"
    assert "overrides" not in PINS
    assert "3.11, in place of" in capsys.readouterr().out


@linux
def test_memory_is_added_up_over_children():
    eat = "x = bytearray(60_000_000); x[::4096] = b'1' * len(x[::4096]); input()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {eat!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE)
    with binder_check.Watch(limit=2**31) as watch:
        watch.add(process.pid)
        while watch.peak < 60_000_000:
            assert process.poll() is None
        process.communicate(b"\n")
    assert not watch.exceeded
    assert process.returncode == 0


@linux
def test_too_much_memory_is_ended():
    eat = "x = bytearray(200_000_000); x[::4096] = b'1' * len(x[::4096]); input()"
    process = subprocess.Popen([sys.executable, "-c", eat], stdin=subprocess.PIPE)
    with binder_check.Watch(limit=100_000_000) as watch:
        watch.add(process.pid)
        while watch.peak < 100_000_000 and process.poll() is None:
            pass
    process.communicate(b"\n")  # one that still runs ends by itself
    assert watch.exceeded
    assert process.returncode < 0, "killed, as Binder kills"


@linux
def test_lessons_get_one_processor_and_what_follows_gets_all():
    before = os.sched_getaffinity(0)
    asks = "import os; print(len(os.sched_getaffinity(0)))"
    with binder_check.one_processor():
        done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True)
    assert done.stdout == "1\n"
    assert os.sched_getaffinity(0) == before


@linux
def test_high_water_mark_is_that_of_the_system():
    assert binder_check.high_water_mark(os.getpid()) > 50_000_000  # pytest, torch, ...


@linux
def test_step_that_fails_is_told(tmp_path, capsys):
    env = dict(os.environ)
    code = "print('no such wheel'); raise SystemExit(3)"
    with pytest.raises(binder_check.CheckFailed, match="pins ended with code 3"):
        binder_check.timed("pins", [sys.executable, "-c", code], env, tmp_path)
    assert "no such wheel" in capsys.readouterr().out


def test_copy_has_what_git_knows_and_nothing_else(tmp_path):
    binder_check.copy_course(tmp_path)
    assert (tmp_path / "binder" / "postBuild").is_file()
    assert (tmp_path / "notebooks" / "00_start.ipynb").is_file()
    assert not (tmp_path / ".venv").exists()


# ------------------------------------------------------------------------------ the link


def link_problem(link):
    """Why a Binder link does not open lesson 00 of a fixed version, or ``""``."""
    parts = urlsplit(link)
    place = re.fullmatch(r"/v2/gh/[\w.-]+/[\w.-]+/([\w.-]+)", parts.path)
    if not place:
        return "it names no repository and no tag"
    if place.group(1) != f"v{VERSION}":
        return f"it opens {place.group(1)}: a tag like v{VERSION} is built once and starts at once"
    if parse_qs(parts.query).get("urlpath") != [f"lab/tree/{course.FIRST_PAGE}"]:
        return "it does not open lesson 00 in JupyterLab"
    return ""


def test_links_in_the_readme_open_lesson_00_of_this_version():
    text = (PROJECT / "README.md").read_text("utf-8")
    links = re.findall(r"https://mybinder\.org/v2/[^\s)\"]+", text)
    assert {link: link_problem(link) for link in links if link_problem(link)} == {}


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("gh/somebody/sound/v{v}?urlpath=lab%2Ftree%2Fnotebooks%2F00_start.ipynb", ""),
        ("gh/somebody/sound/v{v}?urlpath=lab/tree/notebooks/00_start.ipynb", ""),
        ("gh/somebody/sound/main?urlpath=lab/tree/notebooks/00_start.ipynb", "it opens main"),
        ("gh/somebody/sound/v{v}?filepath=notebooks/00_start.ipynb", "not open lesson 00"),
        ("gh/sound/v{v}", "no repository"),
    ],
)
def test_link_that_opens_something_else_is_noticed(path, complaint):
    problem = link_problem("https://mybinder.org/v2/" + path.format(v=VERSION))
    assert complaint in problem
    assert bool(problem) == bool(complaint)
