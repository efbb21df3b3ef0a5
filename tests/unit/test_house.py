"""The order of the house: which part may import which, and what an installation contains."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "course_utils"

# Each part of course_utils, and the parts that it may import besides itself. Imports point one
# way: from what shows to what computes. A new part needs its line here, and a thought.
MAY_IMPORT = {
    "_torchaudio_mend": set(),
    "_jupyter_server": set(),
    "signal": set(),
    "small_png": set(),
    "quiz": set(),
    "sound_view": {"small_png"},  # shows numbers, and knows nothing of where they come from
    "audio_io": {"signal"},
    "bytes_in": set(),  # from the page to the kernel, whatever the bytes mean
    "recorder": {"bytes_in", "signal"},
    "your_sound": {"audio_io", "bytes_in", "recorder", "signal", "sound_view"},
    "models": {"signal"},
    "data": {"signal", "audio_io"},
    "plots": {"signal", "small_png"},
    "checks": {"signal"},
    "explorers": {"signal", "audio_io", "models", "data", "plots", "sound_view", "small_png"},
    "__init__": {"_torchaudio_mend"},
}
SCREEN = {"matplotlib", "IPython", "ipywidgets", "anywidget", "traitlets", "ipykernel"}
FORBIDDEN = {  # packages from elsewhere, and who must not know them
    "signal": SCREEN | {"soundfile", "librosa", "scipy"},
    "models": SCREEN | {"librosa"},
    "sound_view": {"torch", "torchaudio", "librosa", "scipy", "soundfile"},
    "_jupyter_server": {"torch", "torchaudio", "librosa"},  # it lives in the server
}


def part_of(path):
    """The part of course_utils that a file belongs to: its first folder, or its own name."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Every module that a file imports, anywhere in it: ``[(line, full name, level)]``.

    ``from a import b`` counts as ``a.b``, because b may be a module; imports that are only for the
    type checker count too.
    """
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [
                (node.lineno, f"{node.module or ''}.{alias.name}", node.level)
                for alias in node.names
            ]
    return found


def python_files(*folders):
    """All Python files below these folders."""
    return [path for folder in folders for path in sorted((PROJECT / folder).rglob("*.py"))]


def wrong_imports(part, names):
    """Those of a part's imports that point the wrong way."""
    wrong = []
    for name in names:
        top, _, rest = name.partition(".")
        if top == "course_utils":
            target = rest.split(".")[0]
            if target in MAY_IMPORT and target != part and target not in MAY_IMPORT[part]:
                wrong.append(name)
        elif top in FORBIDDEN.get(part, set()) | {"tests", "tools", "course"}:
            wrong.append(name)
    return wrong


def test_every_part_has_its_place_in_the_table():
    parts = {part_of(path) for path in python_files("course_utils")}
    assert parts <= set(MAY_IMPORT), f"no line in MAY_IMPORT: {parts - set(MAY_IMPORT)}"


def test_table_has_no_circle():
    done = []
    while len(done) < len(MAY_IMPORT):
        free = [part for part, needs in MAY_IMPORT.items() if part not in done and needs <= {*done}]
        assert free, f"these import each other in a circle: {set(MAY_IMPORT) - {*done}}"
        done += free


@pytest.mark.parametrize("path", python_files("course_utils"), ids=lambda p: p.stem)
def test_imports_point_one_way(path):
    wrong = wrong_imports(part_of(path), [name for _, name, _ in imports(path)])
    assert wrong == [], f"{path.relative_to(PROJECT)} must not import {wrong}"


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("signal", "course_utils.explorers.stft"),
        ("signal", "course_utils.plots"),
        ("signal", "ipywidgets"),
        ("signal", "matplotlib.pyplot"),
        ("sound_view", "course_utils.signal.stft"),
        ("sound_view", "torch.nn"),
        ("checks", "course_utils.explorers.own_function"),
        ("signal", "course_utils.checks.mel"),
        ("plots", "tests.unit.conftest"),
    ],
)
def test_wrong_way_is_noticed(part, name):
    assert wrong_imports(part, [name]) == [name]


@pytest.mark.parametrize("path", python_files("course_utils/explorers"), ids=lambda p: p.stem)
def test_explorers_never_train(path):
    names = [name for _, name, _ in imports(path)]
    trains = ("course_utils.models.train", "torch.optim", "torch.autograd")
    assert [name for name in names if name.startswith(trains)] == []


@pytest.mark.parametrize("path", python_files("course_utils"), ids=lambda p: p.stem)
def test_librosa_is_only_imported_where_it_is_compared(path):
    """Its first call compiles for 20 s: it must not come in with a plain import."""
    tree = ast.parse(path.read_text("utf-8"))
    top = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    names = [a.name for n in top if isinstance(n, ast.Import) for a in n.names]
    names += [n.module or "" for n in top if isinstance(n, ast.ImportFrom)]
    assert [name for name in names if name.split(".")[0] == "librosa"] == []


def test_importing_the_course_does_not_import_librosa():
    """Asked of a new Python, because the tests themselves import it."""
    code = (
        "import sys, course_utils, course_utils.signal;"
        "from course_utils.explorers import *;"
        "print('librosa' in sys.modules, 'numba' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


def test_an_explorer_is_imported_when_it_is_asked_for():
    code = (
        "import sys, course_utils.explorers as e; from course_utils.explorers import explore_mel; "
        "print('course_utils.explorers.cnn' in sys.modules, set(e.__all__) == set(e._MODULES), "
        "all(getattr(e, name) for name in e.__all__))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True", "True"]


@pytest.mark.parametrize(
    "path",
    python_files("course_utils", "tests", "tools"),
    ids=lambda p: f"{p.parent.name}-{p.stem}",
)
def test_imports_are_absolute(path):
    relative = [line for line, _, level in imports(path) if level]
    assert relative == [], f"{path.relative_to(PROJECT)}, lines {relative}: write course_utils...."


# --------------------------------------------------------------------------------- installation


@cache
def pyproject():
    return tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))


def requirements():
    """Everything that pyproject.toml asks for."""
    project = pyproject()["project"]
    extras = project["optional-dependencies"].values()
    every = [Requirement(r) for group in (project["dependencies"], *extras) for r in group]
    return [r for r in every if r.name != project["name"]]  # one extra may hold another one


def pins(name):
    """``{package: version}`` of a file of pins."""
    text = (PROJECT / name).read_text("utf-8")
    return dict(re.findall(r"^([\w.-]+)==([\w.+!]+)", text, re.MULTILINE))


def test_constraints_hold_the_pair_of_torch_and_torchaudio():
    """torchaudio names no torch that it needs, so pip cannot know which two fit together."""
    pair, constraints = pins("pins.in"), pins("constraints.txt")
    assert set(pair) == {"torch", "torchaudio"}
    assert {name: constraints[name] for name in pair} == pair


def test_constraints_hold_everything_that_pyproject_asks_for():
    constraints = {re.sub(r"[-_.]+", "-", k).lower(): v for k, v in pins("constraints.txt").items()}
    for requirement in requirements():
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert name in constraints, f"{name}: make constraints.txt again (CONTRIBUTING.md)"
        assert constraints[name] in requirement.specifier, f"{requirement}: {constraints[name]}"


def test_constraints_say_how_they_were_made():
    head = (PROJECT / "constraints.txt").read_text("utf-8").splitlines()[1].lstrip("# ")
    assert head.startswith("uv pip compile --universal")
    assert head in (PROJECT / "CONTRIBUTING.md").read_text("utf-8")


def test_conda_takes_only_python_and_pip():
    text = (PROJECT / "environment.yml").read_text("utf-8")
    packages = re.findall(r"^ {2}- (\S+[^:\s])$", text.split("dependencies:")[1], re.MULTILINE)
    assert packages == ["python=3.12", "pip"]
    assert re.findall(r"^ {6}- (.+)$", text, re.MULTILINE) == ["-c constraints.txt", "-e ."]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The package as it would be installed elsewhere, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_installed_package_has_every_file_of_the_source(wheel):
    """jupyter-scatter once shipped without its style sheet."""
    source = {
        path.relative_to(PROJECT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    static = {name for name in source if name.endswith((".js", ".css"))}
    assert static, "the widget's JavaScript is not where it was"
    names = set(wheel.namelist())
    assert source - names == set()
    assert {name for name in names if not name.startswith("course_utils/")} == {
        name for name in names if ".dist-info/" in name or ".data/" in name
    }


def test_installed_package_carries_its_licences(wheel):
    licences = [name for name in wheel.namelist() if "/licenses/" in name]
    folders = [path.parent.name for path in PROJECT.glob("[!.]*/LICENSE")]
    assert len(licences) == 1 + len(folders), f"not in license-files: one of {folders}"
    for name in licences:
        assert len(wheel.read(name)) > 100, f"{name} is empty"
