"""The lessons in a real JupyterLab, as a student runs them: from top to bottom, nothing red."""

from __future__ import annotations

import pytest

from tests.browser.lab import PROJECT, Slider
from tests.browser.view import View

LESSONS = sorted(path.name for path in (PROJECT / "notebooks").glob("[0-9]*.ipynb"))
# The first view with a picture whose output has a control beside it; -1 if there is none. The
# control is a slider, or lesson 07's map.
INDEX_OF_EXPLORER = """() => [...document.querySelectorAll(
        '.jp-NotebookPanel:not(.lm-mod-hidden) .sound-view')]
    .findIndex(view => view.querySelector('.sv-picture')
        && view.closest('.jp-OutputArea-output').querySelector('.widget-slider, .tuning-map'))"""


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_runs_from_top_to_bottom_without_anything_red(lab, name):
    lab.traffic.clear()
    notebook = lab.open_notebook(f"notebooks/{name}")
    try:
        notebook.run_all()
        assert notebook.complaints() == []
        assert all(cell["count"] for cell in notebook.cells()), "a cell did not run"
        views = notebook.panel.locator(".sound-view").count()
        assert views > 0
        for index in range(views):
            view = View(notebook, index)
            for lane in view.state()["lanes"]:
                if lane["kind"] == "picture":
                    assert view.picture(lane["id"])[0].any(), "an empty picture"
        move_a_slider(notebook)
        assert notebook.complaints() == []
        assert lab.traffic.page_errors == []
        assert lab.traffic.console == []
        assert lab.traffic.external() == []
    finally:
        notebook.close()


def move_a_slider(notebook) -> None:
    """The pictures of a lesson's first explorer follow its first slider, or its map."""
    index = notebook.page.evaluate(INDEX_OF_EXPLORER)
    assert index >= 0, "no explorer"
    view = View(notebook, index)
    lanes = [one["id"] for one in view.state()["lanes"] if one["kind"] == "picture"]
    before = {lane: view.fingerprint(lane) for lane in lanes}
    output = view.root.locator("xpath=ancestor::*[contains(@class, 'jp-OutputArea-output')]").last
    if output.locator(".widget-slider").count():
        Slider(output.locator(".widget-slider").first).press("ArrowLeft", 2)
    else:
        output.locator('.tm-cell[data-row="0"][data-column="0"]').first.click()
    view.page.wait_for_function(
        """([root, before]) => Object.entries(before).some(
            ([lane, old]) => lookAt(root).fingerprint(lane) !== old)""",
        arg=[view.root.element_handle(), before],
        timeout=15_000,
    )
