"""``course.py class``: the student's set holds no solution, and each set works where it lies."""

import functools
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tools import make_class

PROJECT = Path(__file__).resolve().parents[2]
LESSONS = sorted(path.name for path in (PROJECT / "notebooks").glob("*.ipynb"))
SOLVED = sorted(path.name for path in (PROJECT / "notebooks" / "solutions").glob("*.ipynb"))
READ = {".ipynb", ".md", ".py", ".toml", ".json", ".jsonl", ".csv", ".txt", ".yml"}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Both sets, in a folder whose name has a space and a letter that is not ASCII."""
    out = tmp_path_factory.mktemp("class") / "for the Übung"
    return dict(zip(make_class.SETS, make_class.make_sets(PROJECT, out), strict=True))


@pytest.fixture
def student(sets):
    return sets["student"]


@pytest.fixture
def teacher(sets):
    return sets["teacher"]


def cells_of(path):
    return json.loads(path.read_text("utf-8"))["cells"]


def squeezed(text):
    """Text without any white space, so that no indent or line end hides it."""
    return re.sub(r"\s+", "", text)


@functools.cache
def solution_texts():
    """What only the solutions say: their own cells, and the bodies of their functions."""
    texts = set()
    for name in SOLVED:
        lesson = source_of(PROJECT / "notebooks" / name)
        for cell in cells_of(PROJECT / "notebooks" / "solutions" / name):
            source = "".join(cell["source"])
            if cell["cell_type"] == "code":
                pieces = [source, *re.findall(r'"""\n(.+?)\n\n\n', source, re.DOTALL)]
                texts |= {piece for piece in map(squeezed, pieces) if piece not in lesson}
    return {text for text in texts if len(text) > 30}


def source_of(path):
    """All cells of a notebook, squeezed."""
    return squeezed("".join("".join(cell["source"]) for cell in cells_of(path)))


def solutions_in(folder):
    """Solution texts that a lesson or a text of a folder holds.

    The package is not searched: the course's own functions compute what the exercises ask for.
    """
    found = set()
    for path in folder.rglob("*"):
        if path.suffix in READ and folder / "course_utils" not in path.parents:
            read = (
                source_of if path.suffix == ".ipynb" else lambda p: squeezed(p.read_text("utf-8"))
            )
            text = read(path)
            found |= {solution for solution in solution_texts() if solution in text}
    return found


def test_student_set_holds_no_solution(student):
    assert not (student / "notebooks" / "solutions").exists()
    assert solutions_in(student) == set()


def test_a_solution_would_be_found(teacher):
    """The teacher's set has every one of them, which shows that the search above can find them."""
    assert len(solution_texts()) >= 2 * len(SOLVED)
    assert solutions_in(teacher) == solution_texts()


def test_student_set_has_no_exam_no_remark_and_no_test(student, teacher):
    assert not (student / "docs" / "teaching.md").exists()
    assert (teacher / "docs" / "teaching.md").is_file()
    assert not (student / "tests").exists()
    remarks = [cell for name in LESSONS for cell in cells_of(student / "notebooks" / name)]
    assert not any("For the teacher" in "".join(cell["source"]) for cell in remarks)


def test_lessons_are_as_they_are(student, teacher):
    """Code and outputs are those of the course, in both sets; the teacher's are the same bytes."""
    for name in LESSONS:
        mine = [c for c in cells_of(PROJECT / "notebooks" / name) if c["cell_type"] == "code"]
        theirs = [c for c in cells_of(student / "notebooks" / name) if c["cell_type"] == "code"]
        assert mine == theirs, name
        original = (PROJECT / "notebooks" / name).read_bytes()
        assert (teacher / "notebooks" / name).read_bytes() == original, name


def texts_of(folder):
    """Every Markdown text of a set: ``(file, text)``."""
    for path in folder.rglob("*.md"):
        yield path, path.read_text("utf-8")
    for path in folder.rglob("*.ipynb"):
        for cell in cells_of(path):
            if cell["cell_type"] == "markdown":
                yield path, "".join(cell["source"])


def dead_links(folder):
    found = []
    for path, text in texts_of(folder):
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" not in target and not target.startswith(("#", "mailto:")):
                place = path.parent / target.partition("#")[0]
                if not place.exists():
                    found.append(f"{path.relative_to(folder)}: {target}")
    return found


@pytest.mark.parametrize("name", make_class.SETS)
def test_every_link_leads_somewhere(sets, name):
    assert dead_links(sets[name]) == []


def test_a_dead_link_would_be_found(sets, tmp_path):
    shutil.copytree(sets["teacher"] / "notebooks", tmp_path / "notebooks")
    shutil.rmtree(tmp_path / "notebooks" / "solutions")
    assert any("solutions/02_stft.ipynb" in link for link in dead_links(tmp_path))


def test_students_are_told_who_has_the_solutions(student):
    for name in SOLVED:
        text = "".join("".join(cell["source"]) for cell in cells_of(student / "notebooks" / name))
        assert make_class.ASK_THE_TEACHER in text, name


@pytest.mark.parametrize("name", make_class.SETS)
def test_zip_holds_the_same_files(sets, name):
    folder = sets[name]
    with zipfile.ZipFile(f"{folder}.zip") as archive:
        zipped = {one for one in archive.namelist() if not one.endswith("/")}
    there = {path.relative_to(folder.parent).as_posix() for path in folder.rglob("*")}
    assert zipped == {one for one in there if (folder.parent / one).is_file()}
    assert not any("__pycache__" in one or "/." in one for one in zipped)


def test_lessons_find_what_they_open(student):
    for name in LESSONS:
        code = "".join("".join(c["source"]) for c in cells_of(student / "notebooks" / name))
        for file in re.findall(r'samples / "([\w.]+)"', code):
            assert (student / "audio_samples" / file).is_file(), (name, file)
        for file in re.findall(r'"docs" / "([\w.]+)"', code):
            assert (student / "docs" / file).is_file(), (name, file)


def test_set_can_be_installed(student, tmp_path):
    """Every file that pyproject.toml names is there, and the package is whole."""
    pyproject = tomllib.loads((student / "pyproject.toml").read_text("utf-8"))
    for file in [pyproject["project"]["readme"], *pyproject["project"]["license-files"]]:
        assert (student / file).is_file(), file
    copied = tmp_path / "set"
    shutil.copytree(student, copied, ignore=shutil.ignore_patterns("words"))
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=copied, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert "course_utils/checks/stft.py" in wheel.namelist()


def test_doctor_of_the_set_finds_everything(student):
    """The real program, on the set's own package."""
    env = {**os.environ, "PYTHONPATH": str(student), "PYTHONDONTWRITEBYTECODE": "1"}
    doctor = [sys.executable, str(student / "tools" / "doctor.py")]
    done = subprocess.run(doctor, cwd=student, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything that the course needs works." in done.stdout
    assert re.search(r"^course +loads in", done.stdout, re.MULTILINE)


def course_of(folder):
    spec = importlib.util.spec_from_file_location("course_of_a_set", folder / "course.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", make_class.SETS)
def test_course_py_offers_what_works_here(sets, name, capsys):
    course = course_of(sets[name])
    offered = course.help_text()
    for command in ("lab", "doctor"):
        assert re.search(rf"^  {command} ", offered, re.MULTILINE)
    for command in set(course.COMMANDS) - {"lab", "doctor"}:
        assert not re.search(rf"^  {command} ", offered, re.MULTILINE)
        assert course.main([command]) == 2
        assert f"'{command}' is only in the whole course" in capsys.readouterr().out


def test_whole_course_offers_everything():
    offered = course_of(PROJECT).help_text()
    for command in course_of(PROJECT).COMMANDS:
        assert re.search(rf"^  {command} ", offered, re.MULTILINE)


# ------------------------------------------------------------------- on a small course of its own


@pytest.fixture
def small(tmp_path):
    """A course of one lesson, with what must not go along."""
    project = tmp_path / "course"

    def write(file, text):
        path = project / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def notebook(*cells):
        return json.dumps(
            {
                "cells": [
                    {
                        "cell_type": "markdown",
                        "metadata": {},
                        "source": cell.splitlines(keepends=True),
                    }
                    for cell in cells
                ]
            }
        )

    lesson = ["# 01 One", "Solutions: [01](solutions/01_one.ipynb).", "[map](00_start.ipynb#a)"]
    write("notebooks/01_one.ipynb", notebook(*lesson, "See [x](solutions/01_one.ipynb), please"))
    write("notebooks/solutions/01_one.ipynb", notebook("# 01 One", "[back](../01_one.ipynb)"))
    write("notebooks/.ipynb_checkpoints/01_one.ipynb", notebook("# old"))
    write("notebooks/Untitled3.ipynb", notebook("# mine"))
    write("uploads/my_voice.wav", "private")
    write("tools/doctor.py", "")
    write("LICENSE", "free")
    return project


def test_private_and_left_over_files_stay_at_home(small, tmp_path):
    folder = make_class.make_sets(small, tmp_path / "out")[0]
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"LICENSE", "README.md", "notebooks/01_one.ipynb", "tools/doctor.py"}


def test_links_to_what_is_left_out_become_words(small, tmp_path):
    folder = make_class.make_sets(small, tmp_path / "out")[0]
    texts = ["".join(cell["source"]) for cell in cells_of(folder / "notebooks" / "01_one.ipynb")]
    assert texts == [
        "# 01 One",
        make_class.ASK_THE_TEACHER,
        "map",
        "See x (your teacher has it), please",
    ]


def test_slides_go_along_if_they_were_built(small, tmp_path):
    (small / "build" / "slides").mkdir(parents=True)
    (small / "build" / "slides" / "01_one.html").write_text("<p>", "utf-8")
    student, teacher = make_class.make_sets(small, small / "build" / "class")
    assert (teacher / "slides" / "01_one.html").is_file()
    assert "[The slides](slides)" in (teacher / "README.md").read_text("utf-8")
    assert not (student / "slides").exists()


def test_older_set_is_replaced_and_nothing_else(small, tmp_path, capsys):
    out = tmp_path / "out"
    make_class.make_sets(small, out)
    (out / "my grades.txt").write_text("all fine", "utf-8")
    (small / "notebooks" / "01_one.ipynb").rename(small / "notebooks" / "02_two.ipynb")
    student, _ = make_class.make_sets(small, out)
    assert not (student / "notebooks" / "01_one.ipynb").exists()
    assert (out / "my grades.txt").exists()
    (student / "README.md").write_text("My thesis", "utf-8")
    with pytest.raises(make_class.Trouble, match="is no set of the course"):
        make_class.make_sets(small, out)
    assert (student / "README.md").read_text("utf-8") == "My thesis"


def test_set_in_which_somebody_works_is_left_alone(small, tmp_path):
    student, _ = make_class.make_sets(small, tmp_path / "out")
    (student / ".venv").mkdir()
    with pytest.raises(make_class.Trouble, match=r"has a \.venv"):
        make_class.make_sets(small, tmp_path / "out")


def test_a_set_cannot_be_put_into_a_lesson_folder(small):
    with pytest.raises(make_class.Trouble, match="part of the course itself"):
        make_class.make_sets(small, small / "notebooks" / "class")


def test_command_says_where_the_sets_are(tmp_path, monkeypatch, capsys, small):
    monkeypatch.setattr(make_class, "PROJECT", small)
    monkeypatch.chdir(tmp_path)
    assert make_class.main(["--out", "autumn"]) == 0
    said = capsys.readouterr().out
    assert str(tmp_path / "autumn" / "seeing-sound-student") in said
    assert make_class.main(["--out", str(small / "notebooks")]) == 1
    assert "--out" in capsys.readouterr().out


# -------------------------------------------------------------------------------- in the lecture


@pytest.fixture
def course(tmp_path, monkeypatch):
    """The whole course's course.py, which starts nothing; ``course.started`` is what it would."""
    course = course_of(PROJECT)
    course.started = []
    monkeypatch.setattr(course, "prepare", lambda **options: None)
    monkeypatch.setattr(course, "become", lambda arguments: course.started.append(arguments) or 0)
    monkeypatch.setattr(course, "LECTURE", tmp_path / "lecture")
    for name in ("JUPYTER_CONFIG_DIR", "SEEING_SOUND_LARGE_TYPE"):
        monkeypatch.setenv(name, "as before")  # and so it is again afterwards
    return course


def test_lecture_opens_the_lesson_that_is_named(course):
    assert course.main(["lab", "--lecture", "02", "--no-browser"]) == 0
    (arguments,) = course.started
    assert "--LabApp.default_url=/doc/tree/notebooks/02_stft.ipynb" in arguments
    assert arguments[-1] == "--no-browser"
    assert "02" not in arguments
    assert os.environ["JUPYTER_CONFIG_DIR"] == str(course.LECTURE)
    assert os.environ["SEEING_SOUND_LARGE_TYPE"] == "1"
    settings = course.LECTURE / "lab" / "user-settings" / "@jupyterlab"
    assert "--LabApp.user_settings_dir=" + str(settings.parent) in arguments
    assert (settings / "apputils-extension" / "themes.jupyterlab-settings").is_file()
    assert (course.LECTURE / "custom" / "custom.css").is_file()


def test_lecture_without_a_name_opens_the_first_lesson(course):
    assert course.main(["lab", "--lecture", "--no-browser"]) == 0
    assert "--LabApp.default_url=/doc/tree/notebooks/00_start.ipynb" in course.started[0]
    assert course.started[0][-1] == "--no-browser"


def test_settings_of_the_last_lecture_are_gone(course):
    course.main(["lab", "--lecture"])
    (course.LECTURE / "lab" / "user-settings" / "left.jupyterlab-settings").touch()
    course.main(["lab", "--lecture"])
    assert not (course.LECTURE / "lab" / "user-settings" / "left.jupyterlab-settings").exists()


def test_lab_without_lecture_is_as_before(course):
    course.main(["lab", "--no-browser"])
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start.ipynb" in course.started[0]
    assert not any("settings_dir" in argument for argument in course.started[0])
    assert os.environ["JUPYTER_CONFIG_DIR"] == "as before"
    assert not course.LECTURE.exists()


def test_lesson_that_is_not_there_is_answered_with_those_that_are(course, capsys):
    assert course.main(["lab", "--lecture", "99"]) == 1
    assert "No lesson begins with '99'. There are: 00_start, " in capsys.readouterr().out
    assert course.started == []
