"""The form of the lessons: what style.md asks of every notebook, looked at cell by cell."""

import ast
import itertools
import re
import statistics
from pathlib import Path

import nbformat
import pytest

PROJECT = Path(__file__).resolve().parents[2]
NOTEBOOKS = PROJECT / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))
SOLUTIONS = sorted((NOTEBOOKS / "solutions").glob("*.ipynb"))
ALL = LESSONS + SOLUTIONS

SLIDE_TYPES = {"slide", "subslide", "fragment", "skip", "notes", "-"}
KNOWN_TAGS = {"nbval-ignore-output", "nbval-skip", "raises-exception"}
WIDGETS = re.compile(r"\b(explore_\w+|listen|SoundView|SweepView|TrainingView)\(")
MAY_DIFFER = re.compile(
    r"version\(|^quiz\(|^#.* differs? .*from computer to computer|find_recordings\("
)
MAX_BYTES = 1_000_000


def name(path):
    return path.relative_to(NOTEBOOKS).with_suffix("").as_posix()


every_notebook = pytest.mark.parametrize("path", ALL, ids=name)
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=name)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def text_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "markdown"]


def code_lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def prose(cell):
    """Text without code blocks, formulas, link targets and table rules: what a reader reads."""
    text = re.sub(r"\||-{3,}|```.*?```|\$\$.*?\$\$|\$[^$]*\$", " ", cell.source, flags=re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", text)


def headings(path):
    """(level, text) of every heading, outside of code blocks."""
    found = []
    for cell in text_cells(path):
        text = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
        found += [(len(m[1]), m[2]) for m in re.finditer(r"^(#{1,6}) (.+)$", text, re.MULTILINE)]
    return found


def test_there_are_lessons_to_look_at():
    assert {"00_start", "02_stft"} <= {path.stem for path in LESSONS}
    assert {path.stem for path in SOLUTIONS} <= {path.stem for path in LESSONS}


# ---- code cells ---------------------------------------------------------------------------------


@every_notebook
def test_all_imports_are_in_the_first_code_cell(path):
    first, *others = [ast.parse(cell.source) for cell in code_cells(path)]
    assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in first.body)
    late = [
        ast.unparse(node)
        for tree in others
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert late == []


@every_notebook
def test_code_cells_are_short(path):
    lengths = [len(code_lines(cell)) for cell in code_cells(path)]
    assert statistics.median(lengths) <= 5
    assert max(lengths) <= 20
    assert sum(length > 12 for length in lengths) <= 0.1 * len(lengths)


@every_notebook
def test_code_fits_on_a_projector(path):
    too_wide = [line for cell in code_cells(path) for line in code_lines(cell) if len(line) > 100]
    assert too_wide == []


@every_notebook
def test_no_cell_reaches_for_the_network_the_shell_or_a_fixed_folder(path):
    source = "\n".join(cell.source for cell in code_cells(path))
    assert not re.search(r"^\s*[!%]|https?://|\bpip\b|sys\.path|urllib|requests", source, re.M)
    assert not re.search(r"[\"'](?:/(?:home|root|Users|tmp)\b|[A-Z]:\\)", source)


# ---- text cells ---------------------------------------------------------------------------------


@every_notebook
def test_text_cells_are_short(path):
    words = [len(prose(cell).split()) for cell in text_cells(path)]
    assert max(words) <= 150
    assert statistics.median(words) <= 60


@every_notebook
def test_headings_nest(path):
    levels = [level for level, _ in headings(path)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    steps = [(a, b) for a, b in itertools.pairwise(levels) if b > a + 1]
    assert steps == []


@every_notebook
def test_headings_differ(path):
    texts = [text for _, text in headings(path)]
    assert len(texts) == len(set(texts)), "a link to a heading must lead to one place"


@every_lesson
def test_lesson_says_first_what_for_and_how_long(path):
    first = read(path).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith(f"# {path.stem[:2]} ")
    assert "**You will be able to**" in first.source
    assert len(re.findall(r"^- ", first.source, re.MULTILINE)) >= 3
    assert re.search(r"\*\*Time:\*\* about \d+ minutes", first.source)


@every_lesson
def test_lesson_ends_with_a_summary_five_questions_and_the_next_step(path):
    last = {cell.source.splitlines()[0]: cell.source for cell in text_cells(path)[-3:]}
    assert list(last) == ["## Summary", "## Five questions", "## Next"]
    assert 3 <= len(re.findall(r"^- ", last["## Summary"], re.MULTILINE)) <= 6
    if code_cells(path)[-1].source == f'quiz("{path.stem}")':
        return  # five of them, all explained: tests/unit/test_quiz.py
    numbers = re.findall(r"^(\d+)\. ", last["## Five questions"], re.MULTILINE)
    assert numbers == ["1", "2", "3", "4", "5"]


@every_lesson
def test_a_prediction_stands_before_each_explorer_and_an_answer_after_it(path):
    cells = read(path).cells
    places = [i for i, c in enumerate(cells) if c.cell_type == "code" and "explore_" in c.source]
    for place in places[1:]:  # the first one is the import
        if "stft=my_stft" in cells[place].source:  # an exercise: the check is the answer
            continue
        before = "".join(c.source for c in cells[max(0, place - 2) : place])
        after = "".join(c.source for c in cells[place + 1 : place + 5])
        assert "**Predict:**" in before
        assert sum(c.cell_type == "markdown" for c in cells[place + 1 : place + 5]) >= 1
        assert len(after) > 200


@every_notebook
def test_links_lead_somewhere(path):
    titles = {re.sub(r"[^\w -]", "", text).replace(" ", "-") for _, text in headings(path)}
    for cell in text_cells(path):
        for target in re.findall(r"\]\(([^)]+)\)", cell.source):
            file, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue  # a web address: nothing in a lesson may depend on it
            assert not file or (path.parent / file).exists(), target
            assert not anchor or file or anchor in titles, target


@every_notebook
def test_lesson_that_does_not_exist_yet_is_called_coming(path):
    stems = {lesson.stem[:2] for lesson in LESSONS}
    for cell in text_cells(path):
        for line in cell.source.splitlines():
            for number in re.findall(r"\|\s*\[?\**(\d\d)\b", line):
                assert ("coming" in line) == (number not in stems), line


# ---- numbers ------------------------------------------------------------------------------------


def numbers_in(text):
    """Numbers of two digits or more, or with decimals, as text without group marks."""
    text = re.sub(r"(?<=\d)[ _\u202f](?=\d{3}\b)", "", text)
    found = re.findall(r"(?<![\w.])(?!0\d)\d+(?:\.\d+)?(?!\w|\.\d)", text)  # not 02: a lesson
    return {f"{float(n):g}" for n in found if len(n) > 1}


@every_notebook
def test_every_number_in_the_prose_stands_in_a_cell_or_its_output(path):
    """So a number that changes with the code cannot stay behind in the text.

    nbval holds the outputs to the code; this holds the text to code and outputs.
    """
    known = set()
    for cell in code_cells(path):
        known |= numbers_in(cell.source)
        for output in cell.outputs:
            known |= numbers_in(
                output.get("text", "") + output.get("data", {}).get("text/plain", "")
            )
    for cell in text_cells(path):
        text = re.sub(r"\*\*Time:\*\*.*|^\d+\. |\$\$.*?\$\$", "", cell.source, flags=re.M | re.S)
        missing = numbers_in(text) - known
        assert not missing, f"{sorted(missing)} in: {cell.source[:120]}"


# ---- slides, outputs, metadata ------------------------------------------------------------------


@every_notebook
def test_every_cell_knows_its_place_in_the_slides(path):
    cells = read(path).cells
    types = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in cells]
    assert set(types) <= SLIDE_TYPES
    assert types[0] == "slide"
    assert types.count("slide") >= 4
    first_code = next(i for i, cell in enumerate(cells) if cell.cell_type == "code")
    assert types[first_code] == "skip"
    tops = [t for c, t in zip(cells, types, strict=True) if c.source.startswith("## ")]
    assert set(tops) <= {"slide", "subslide", "skip"}


@every_notebook
def test_only_widgets_and_versions_are_exempt_from_comparison(path):
    for cell in code_cells(path):
        tags = set(cell.metadata.get("tags", []))
        assert tags <= KNOWN_TAGS
        if WIDGETS.search(cell.source):
            assert "nbval-ignore-output" in tags, cell.source
        elif tags:
            assert MAY_DIFFER.search(cell.source), cell.source


@every_notebook
def test_what_a_cell_prints_is_compared(path):
    """nbval skips all outputs of a tagged cell: a number belongs into a cell of its own."""
    for cell in code_cells(path):
        if "nbval-ignore-output" in cell.metadata.get("tags", []) and WIDGETS.search(cell.source):
            assert "print(" not in cell.source, cell.source


@every_notebook
def test_saved_notebook_is_small_and_clean(path):
    notebook = read(path)
    assert path.stat().st_size < MAX_BYTES
    assert "widgets" not in notebook.metadata
    assert notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


@every_notebook
def test_saved_outputs_are_free_of_red_and_of_this_computer(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            assert output.output_type != "error", output.get("evalue")
            assert output.get("name") != "stderr", output.get("text")
            text = output.get("text", "") + str(output.get("data", {}).get("text/plain", ""))
            assert not re.search(r"0x[0-9a-f]{6,}|[\"' (]/\w+/\w+/|[A-Z]:\\|Traceback", text), text


@every_notebook
def test_every_picture_has_a_text_in_its_place(path):
    """``show_figure`` gives one and refuses axes without labels; a bare figure has none."""
    for cell in code_cells(path):
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                assert "<Figure" not in data["text/plain"], cell.source
            assert "application/vnd.jupyter.widget-view+json" not in data
        if "subplots(" in cell.source:
            assert "show_figure(" in cell.source


@every_notebook
def test_explorers_and_players_leave_a_picture_for_places_without_a_kernel(path):
    for cell in code_cells(path)[1:]:
        if WIDGETS.search(cell.source):
            assert any("image/png" in output.get("data", {}) for output in cell.outputs), (
                cell.source
            )
