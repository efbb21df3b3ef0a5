"""The scripts behind ``course.py test`` and ``course.py notebooks``, and the check of .ci/run."""

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import browser_tests_ran, run_notebooks, run_tests

# ------------------------------------------------------------------------------ course.py test


@pytest.fixture
def project(tmp_path):
    """A small course: two tests, a lesson and its solution."""
    project = tmp_path / "sound ü test"
    (project / "tests" / "unit").mkdir(parents=True)
    (project / "tests" / "unit" / "test_small.py").write_text(
        "def test_mel(): pass\ndef test_stft(): pass\n", "utf-8"
    )
    write(project / "notebooks" / "02_stft.ipynb", code("print(6 * 7)"))
    write(project / "notebooks" / "solutions" / "02_stft.ipynb", code("print(1)"))
    return project


def code(source, outputs=None, **metadata):
    outputs = [output(o) if isinstance(o, str) else o for o in outputs] if outputs else outputs
    if outputs is None and source.startswith("print("):
        outputs = [new_output("stream", name="stdout", text=f"{eval(source[6:-1])}\n")]
    return new_code_cell(source, outputs=outputs or [], execution_count=1, metadata=metadata)


def write(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    notebook = new_notebook(cells=list(cells))
    run_notebooks.clean(notebook)
    path.write_text(run_notebooks.as_text(notebook), "utf-8")
    return path


def parts(arguments, project, here=None):
    found = run_tests.test_parts(arguments, here or project, project, project / "reports")
    return dict(found)


def test_both_parts_get_the_arguments(project):
    both = parts(["-k", "mel"], project)
    assert both["the code"][1:] == ["tests", "-k", "mel"]
    assert both["the lessons"][-3:] == ["notebooks", "-k", "mel"]
    assert {"--nbval", "--nbval-current-env"} < set(both["the lessons"])


def test_everything_is_run_in_three_parts_and_nothing_twice(project):
    (project / "tests" / "browser").mkdir()
    all_parts = parts([], project)
    assert list(all_parts) == ["browser and server", "the code", "the lessons"]
    assert all_parts["browser and server"][1:] == ["tests/browser"]
    assert all_parts["the code"][1:] == ["tests", "--ignore=tests/browser"]
    reports = [arguments[0] for arguments in all_parts.values()]
    assert len(set(reports)) == 3, "no report may overwrite another one"
    for folder in run_tests.DRIVING:
        assert (run_tests.PROJECT / folder).is_dir()


def test_path_limits_the_run_to_its_part(project):
    unit = project / "tests" / "unit"
    assert parts(["tests/unit"], project) == {
        "the code": [f"--junitxml={project / 'reports' / 'tests.xml'}", str(unit)]
    }
    here = parts(["test_small.py::test_mel", "-q"], project, here=unit)
    assert here["the code"][1:] == [f"{unit / 'test_small.py'}::test_mel", "-q"]
    for lesson in ("notebooks/02_stft.ipynb", "notebooks/solutions", "notebooks"):
        assert list(parts([lesson], project)) == ["the lessons"]


def test_word_after_k_is_no_path(project):
    assert list(parts(["-k", "tests"], project)) == ["the code", "the lessons"]


SAYS = "(what pytest says)"


def codes(monkeypatch, *answers):
    """Let pytest answer with these codes, for the code and for the lessons; returns the calls."""
    calls = []

    def run_pytest(arguments, project, output=None):
        calls.append(arguments)
        print(SAYS, file=output)
        return answers["--nbval" in arguments]

    monkeypatch.setattr(run_tests, "run_pytest", run_pytest)
    return calls


@pytest.mark.parametrize(
    ("arguments", "answers", "expected"),
    [
        ([], (0, 0), 0),
        ([], (1, 0), 1),
        ([], (0, 1), 1),
        ([], (2, 1), 2),
        ([], (0, 5), 5),  # without arguments a part without tests is a mistake
        (["-k", "mel"], (0, 5), 0),
        (["-k", "mel"], (5, 0), 0),
        (["-k", "mel"], (5, 5), 5),
        (["-k", "mel"], (5, 1), 1),
    ],
)
def test_one_exit_code_for_both_parts(project, monkeypatch, arguments, answers, expected):
    codes(monkeypatch, *answers)
    assert run_tests.main(arguments, project, project, project / "reports") == expected


def test_what_the_lessons_said_comes_after_the_code(project, capsys, monkeypatch):
    (project / "tests" / "browser").mkdir()
    codes(monkeypatch, 0, 0)
    run_tests.main([], project, project, project / "reports")
    said = [line for line in capsys.readouterr().out.splitlines() if line]
    titles = ["browser and server", "the code", "the lessons"]
    assert said == [line for title in titles for line in (f"== {title} ==", SAYS)]


def test_first_failure_ends_it_if_asked(project, monkeypatch):
    calls = codes(monkeypatch, 1, 0)
    assert run_tests.main(["-x"], project, project, project / "reports") == 1
    assert len(calls) == 1


def test_real_run_counts_both_parts_and_compares_outputs(project, capfd):
    write(project / "notebooks" / "solutions" / "02_stft.ipynb", code("print(6 * 7)", ["41\n"]))
    assert run_tests.main(["-k", "stft"], project, project, project / "reports") == 1
    said = capfd.readouterr().out
    assert said.rstrip().endswith("together: 2 passed, 1 failed, 0 skipped")
    assert "1 deselected" in said
    assert "41" in said


# -------------------------------------------------------------------------------------- .ci/run


def report(tmp_path, *cases):
    path = tmp_path / "tests.xml"
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>", "utf-8")
    return path


RAN = '<testcase classname="tests.browser.test_start" name="test_hover"/>'
SKIPPED = (
    '<testcase classname="tests.browser.test_start" name="test_pin">'
    '<skipped message="no chromium"/></testcase>'
)
OTHER = '<testcase classname="tests.unit.test_mel" name="a"><skipped message="x"/></testcase>'


def test_browser_tests_that_ran_are_enough(tmp_path):
    assert browser_tests_ran.complaint(report(tmp_path, RAN, OTHER)) == ""


def test_skipped_browser_test_is_named(tmp_path):
    complaint = browser_tests_ran.complaint(report(tmp_path, RAN, SKIPPED))
    assert "test_pin: no chromium" in complaint
    assert "1 of 2" in complaint


def test_recordings_may_be_missing_but_not_ignored(tmp_path):
    skipped = SKIPPED.replace("no chromium", browser_tests_ran.WITHOUT_RECORDINGS)
    path = report(tmp_path, RAN, skipped)
    assert browser_tests_ran.complaint(path, tmp_path / "missing") == ""
    assert "test_pin" in browser_tests_ran.complaint(path, tmp_path)


def test_reason_without_recordings_is_the_one_that_the_test_gives():
    source = (run_tests.PROJECT / "tests" / "browser" / "test_explorers.py").read_text("utf-8")
    assert browser_tests_ran.WITHOUT_RECORDINGS in source


def test_no_browser_test_at_all_is_a_failure(tmp_path):
    assert browser_tests_ran.complaint(report(tmp_path, OTHER)) == "No browser test ran."
    assert browser_tests_ran.complaint(report(tmp_path, SKIPPED)) == "No browser test ran."
    assert "did not run" in browser_tests_ran.complaint(tmp_path / "missing.xml")


# --------------------------------------------------------------------------- course.py notebooks


def output(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def data(**kinds):
    names = {
        "plain": "text/plain",
        "png": "image/png",
        "view": "application/vnd.jupyter.widget-view+json",
    }
    return new_output("display_data", data={names[k]: v for k, v in kinds.items()})


def cleaned(*cells, project=Path("/nowhere/sound"), **metadata):
    notebook = new_notebook(cells=list(cells), metadata=metadata)
    run_notebooks.clean(notebook, project)
    return notebook


def test_metadata_that_a_lesson_needs_stays():
    cell = code(
        "1",
        tags=["raises-exception"],
        slideshow={"slide_type": "slide"},
        execution={"iopub.execute_input": "2026"},
        scrolled=True,
    )
    notebook = cleaned(
        cell,
        widgets={"state": {}},
        title="STFT",
        kernelspec={"name": "mine", "display_name": "Mine"},
        vscode={},
    )
    assert set(notebook.cells[0].metadata) == {"tags", "slideshow"}
    assert set(notebook.metadata) == {"title", "kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert "version" not in notebook.metadata.language_info


def test_picture_beside_a_widget_stays_and_the_view_goes():
    notebook = cleaned(code("1", [data(view={"model_id": "a1"}, png="iVBOR", plain="a view")]))
    assert set(notebook.cells[0].outputs[0].data) == {"image/png", "text/plain"}


def test_pieces_of_one_print_are_joined():
    notebook = cleaned(code("1", [output("a\n"), output("b\n"), output("c", "stderr")]))
    assert [o.text for o in notebook.cells[0].outputs] == ["a\nb\n", "c"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/nowhere/sound/notebooks/a.py", "seeing-sound/notebooks/a.py"),
        ("/tmp/ipykernel_4711/123.py:3: UserWarning", "<cell>:3: UserWarning"),
        (r"C:\Temp\ipykernel_4711\123.py:3", "<cell>:3"),
        ("10/3 and a/b stay", "10/3 and a/b stay"),
        (os.path.join(os.path.expanduser("~"), "x.wav"), os.path.join("~", "x.wav")),
    ],
)
def test_folders_of_this_computer_go(text, expected):
    assert run_notebooks.without_folders(text, Path("/nowhere/sound")) == expected


def problems_of(*cells):
    notebook = cleaned(*cells)
    return run_notebooks.problems(notebook, run_notebooks.as_text(notebook), Path("/nowhere/sound"))


def test_clean_notebook_has_no_problems():
    assert problems_of(new_markdown_cell("# STFT"), code("print(3)")) == []


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (code("1", [output("warn\n", "stderr")]), "red text: warn"),
        (code("1", [output("<object at 0x7f00aa11bb22>")]), "memory address"),
        (code("1", [new_output("error", ename="ValueError", evalue="", traceback=[])]), "error"),
        (new_code_cell("1"), "not run"),
        (code("1", [data(png="A" * 1_100_000)]), "cell 1 alone has 1.1 MB"),
    ],
    ids=["stderr", "address", "error", "not run", "large"],
)
def test_problem_is_named(cell, words):
    assert words in " ".join(problems_of(cell))


def test_intended_error_and_skipped_cell_are_fine():
    error = new_output("error", ename="ValueError", evalue="", traceback=[])
    skipped = new_code_cell("record()", metadata={"tags": ["nbval-skip"]})
    assert problems_of(code("1", [error], tags=["raises-exception"]), skipped) == []


def test_file_that_was_saved_by_an_editor_is_noticed(project):
    path = project / "notebooks" / "02_stft.ipynb"
    assert run_notebooks.check(path, project) == []
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].metadata["scrolled"] = True
    path.write_text(run_notebooks.as_text(notebook), "utf-8")
    assert "clean form" in run_notebooks.check(path, project)[0]


def test_chapters_come_before_solutions_and_names_choose(project):
    names = [p.relative_to(project).as_posix() for p in run_notebooks.find(project, [])]
    assert names == ["notebooks/02_stft.ipynb", "notebooks/solutions/02_stft.ipynb"]
    assert len(run_notebooks.find(project, ["solutions/"])) == 1
    hidden = project / "notebooks" / ".ipynb_checkpoints" / "02_stft-checkpoint.ipynb"
    write(hidden, code("1"))
    assert len(run_notebooks.find(project, [])) == 2


def test_file_stays_as_it_was_if_the_new_outputs_are_not_clean(project, monkeypatch):
    path = project / "notebooks" / "02_stft.ipynb"
    before = path.read_text("utf-8")

    def execute(notebook, folder):
        notebook.cells[0].outputs = [output("a warning", "stderr")]

    monkeypatch.setattr(run_notebooks, "execute", execute)
    assert "red text: a warning" in run_notebooks.renew(path, project)[0]
    assert path.read_text("utf-8") == before


def test_real_run_saves_fresh_outputs_and_keeps_the_file_if_a_cell_fails(project, capsys):
    lesson = write(
        project / "notebooks" / "02_stft.ipynb",
        code("import os, sys; print(os.path.basename(os.getcwd()))", ["old\n"]),
        code("raise SystemError('skipped')", tags=["nbval-skip"]),
        code("1 / 0", tags=["raises-exception"]),
        code("print(__import__('course_utils').__name__)", ["old\n"]),
    )
    solution = project / "notebooks" / "solutions" / "02_stft.ipynb"
    write(solution, code("print(1); unknown_name", ["old\n"]))
    before = solution.read_text("utf-8")
    assert run_notebooks.main([], project) == 1
    assert "NameError: name 'unknown_name'" in capsys.readouterr().out
    assert solution.read_text("utf-8") == before

    saved = nbformat.read(lesson, as_version=4)
    texts = ["".join(o.get("text", o.get("ename", "")) for o in c.outputs) for c in saved.cells]
    assert texts == ["notebooks\n", "", "ZeroDivisionError", "course_utils\n"]
    assert [c.execution_count for c in saved.cells] == [1, None, 2, 3]
    assert run_notebooks.check(lesson, project) == []
    assert sys.prefix not in lesson.read_text("utf-8")
