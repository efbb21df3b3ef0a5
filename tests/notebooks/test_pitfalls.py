"""docs/pitfalls.md names lessons and cells: every one of them must exist."""

import pathlib
import re

import nbformat
import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / "docs" / "pitfalls.md"
LINK = re.compile(r"\[(\d\d)\]\(\.\./(notebooks/[^)]+\.ipynb)\)((?:,? `[a-z0-9-]+`)+)")


def rows():
    text = PAGE.read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.startswith("| ") and "mistake" not in line]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.split("|")[1].strip())
def test_each_mistake_is_shown_where_the_page_says(row):
    links = LINK.findall(row.split("|")[3])
    assert links, "names no cell"
    assert row.count("`", row.rindex("ipynb")) % 2 == 0
    for number, file, names in links:
        cells = {cell.id for cell in nbformat.read(ROOT / file, 4).cells}
        assert pathlib.Path(file).name.startswith(number)
        missing = set(re.findall(r"`([a-z0-9-]+)`", names)) - cells
        assert not missing, f"{file} has no cell {missing}"


def test_the_page_knows_more_than_twenty_mistakes():
    assert len(rows()) > 20
