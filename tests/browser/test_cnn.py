"""Lesson 06 under a real hand: a training that is stopped, clips, sliders, saliency, confusion."""

from __future__ import annotations

import numpy as np
import pytest

from tests.browser.test_sound_view import SPY, hear
from tests.browser.test_waveform_explorer import menu

TRAINING = """
from types import SimpleNamespace
from course_utils.explorers import TrainingView
from course_utils.models.train import TrainingSettings, fit
from course_utils.models.word_model import WordModel

def tones(n_clips, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n_clips) % 4
    times_s = torch.arange(16000) / 16000
    freqs_hz = (300.0 * 1.6 ** labels)[:, None] + 60 * torch.randn(n_clips, 1, generator=generator)
    tone = torch.sin(2 * torch.pi * freqs_hz * times_s) * torch.exp(-((times_s - 0.5) / 0.15) ** 2)
    noise = 0.3 * torch.randn(n_clips, 16000, generator=generator)
    return SimpleNamespace(waveforms=0.3 * tone + noise, labels=labels)

train, validation = tones(200, 0), tones(80, 1)
model = WordModel(("low", "middle", "high", "highest"))
training = TrainingView()
training"""
FIT = """history = fit(model, train, validation, settings=TrainingSettings(n_epochs={}),
              report=training.report, should_stop=training.should_stop)
print("epochs", history.n_epochs, history.stopped)"""
PHASE = "([root, wanted]) => root.dataset.phase === wanted"
EPOCHS = "root => root.trainingView.curves.train_loss.length >= 2"


@pytest.fixture(scope="module")
def training_page(lab):
    """A notebook of its own: the view in one cell, the training in the next."""
    notebook = lab.open_notebook(
        lab.write_notebook(["import torch\n" + TRAINING, FIT.format(200)], "notebooks/fit.ipynb")
    )
    yield notebook
    notebook.close()


def run_cell(notebook, index):
    """Run a cell and do not wait for it."""
    notebook.page.evaluate(
        "index => { jupyterapp.shell.currentWidget.content.activeCellIndex = index; }", index
    )
    notebook._start("notebook:run-cell")


def test_the_stop_button_is_heard_while_the_training_cell_runs(training_page):
    """The training blocks the kernel's main thread; the click takes another one."""
    notebook, page = training_page, training_page.page
    run_cell(notebook, 0)
    notebook._finish(60)
    root = notebook.panel.locator(".training-view")
    root.wait_for()
    stop, text = root.locator(".tv-stop"), root.locator(".tv-text")
    assert stop.is_disabled()
    assert "run the cell that trains" in text.text_content()
    run_cell(notebook, 1)
    handle = root.element_handle()
    page.wait_for_function(PHASE, arg=[handle, "running"], timeout=30_000)
    page.wait_for_function(EPOCHS, arg=handle, timeout=30_000)
    assert "left" in text.text_content()
    stop.click()
    notebook._finish(15)
    # the picture beside the widget was exchanged, and with it the view was made again
    root.and_(page.locator("[data-phase=stopped]")).wait_for()
    assert "what was learned is kept" in root.locator(".tv-text").inner_text()
    printed = notebook.cells()[1]["outputs"][0]["text"]
    assert printed.startswith("epochs ")
    assert printed.strip().endswith("True")
    assert notebook.complaints() == []


def test_curves_follow_the_pointer_the_keys_and_the_large_type(training_page):
    """After the training of the test before: what was drawn can be read."""
    page = training_page.page
    root = training_page.panel.locator(".training-view")
    chart = root.locator('[data-chart="accuracy"]')
    assert "validation accuracy" in chart.get_attribute("aria-label")
    last = int(training_page.execute("print(history.n_epochs)"))
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 40, box["y"] + 60)
    root.locator(".tv-reading", has_text=f"epoch {last} ").wait_for()
    chart.focus()
    page.keyboard.press("ArrowLeft")
    root.locator(".tv-reading", has_text=f"epoch {last - 1} ").wait_for()
    before = root.evaluate("root => root.trainingView.drawn")
    root.locator(".tv-large").click()
    page.wait_for_function(
        "([root, n]) => root.trainingView.drawn > n", arg=[root.element_handle(), before]
    )
    assert "tv-large-type" in root.get_attribute("class")
    try:
        training_page.theme("JupyterLab Dark")
        root.and_(page.locator("[data-theme=dark]")).wait_for()
        inside = root.evaluate(
            """root => [...root.querySelectorAll('canvas, button')].every(node =>
                node.getBoundingClientRect().right <= root.getBoundingClientRect().right + 1)"""
        )
        assert inside
    finally:
        training_page.theme("JupyterLab Light")


# ---------------------------------------------------------------- explore_cnn


CNN = """
from course_utils.explorers import explore_cnn, explore_confusion
from tests.explorers.words import make_clips, make_model
import dataclasses
if "word_model" not in globals():
    word_model, clips = make_model(make_clips(96, seed=1)), make_clips(24, seed=2)
    wrong = clips.labels.clone()
    wrong[4] = wrong[7] = 0  # two high tones that are called low
    clips = dataclasses.replace(clips, labels=wrong)
"""
EXPLORE = CNN + "ex = explore_cnn(word_model, clips)\nview = ex.view\nex"
CONFUSION = CNN + "conf = explore_confusion(word_model, clips)\nview = conf.view\nconf"


def test_every_slider_moves_what_the_network_hears_and_sees(show, notebook):
    view = show(EXPLORE)
    for name, key, setting in [
        ("gain_db", "Home", {"gain_db": -60}),
        ("snr_db", "End", {"snr_db": 0}),
        ("shift_ms", "End", {"shift_ms": 300}),
    ]:
        before = view.fingerprint("picture")
        notebook.slider(name).press(key)
        view.wait_settings("picture", **setting)
        view.wait_settings("saliency", **setting)
        view.wait_settings("probabilities", **setting)
        view.wait_pixels("picture", other_than=before)
    assert any("undoes the shift" in note for note in view.state()["notes"])
    before = view.fingerprint("picture")
    menu(notebook, "centre").select_option("off")
    view.wait_settings("picture", centre="off")
    view.wait_pixels("picture", other_than=before)
    notebook.expect("(ex.settings['gain_db'], ex.settings['snr_db'], ex.error)", (-60, 0, ""))


def test_what_is_played_is_as_quiet_as_the_slider_says(show, notebook):
    notebook.page.evaluate(SPY)
    view = show(EXPLORE)
    levels = []
    for gain_db in (0, -20):
        notebook.execute(f"ex.set(gain_db={gain_db})")
        view.wait_settings("picture", gain_db=gain_db)
        view.wait("state => !state.waitsForSound")
        view.press("Home")
        view.button("play").click()
        view.wait("state => state.playing")
        levels.append(10 * np.log10(np.mean(hear(notebook.page).astype(float) ** 2)))
        view.button("play").click()
        view.wait("state => !state.playing")
    assert levels[1] - levels[0] == pytest.approx(-20, abs=0.2)


def test_every_menu_of_the_network_changes_its_pictures(show, notebook):
    view = show(EXPLORE)
    for name, choice, lane, setting in [
        ("target", "noise", "saliency", {"target": "noise"}),
        ("saliency", "Grad-CAM", "saliency", {"saliency": "Grad-CAM"}),
        ("stage", "2", "feature_map", {"stage": 2}),
        ("weights", "random", "probabilities", {"weights": "random"}),
    ]:
        menu(notebook, name).select_option(choice)
        view.wait_settings(lane, **setting)
    assert "Sanity check" in view.state()["notes"][0]
    assert "rank correlation" in view.text("readout")
    before = view.fingerprint("feature_map")
    notebook.slider("channel").press("End")
    view.wait_settings("feature_map", channel=31, stage=2)
    view.wait_pixels("feature_map", other_than=before)


def test_clips_are_chosen_by_menus_and_buttons(show, notebook):
    view = show(EXPLORE)
    menu(notebook, "show").select_option("wrong")
    view.wait_settings("picture", index=4)
    place = notebook.panel.locator(".widget-label", has_text="clip 1 of 2")
    place.wait_for()
    assert "said: low" in view.text("readout").replace("\n", " ")
    following, previous = (
        notebook.panel.locator(f"button[title='{name} clip']").first
        for name in ("next", "previous")
    )
    following.click()
    view.wait_settings("picture", index=7)
    following.click()
    view.wait_settings("picture", index=4)
    previous.click()
    view.wait_settings("picture", index=7)
    menu(notebook, "word").select_option("noise")
    view.wait("state => state.notes[0]?.startsWith('No clip of')")
    assert following.is_disabled()


def test_pointing_at_a_unit_shows_what_it_sees(show, notebook):
    """The box in the picture and the samples in the waveform, in pixels of the page."""
    view = show(EXPLORE)
    notebook.execute("ex.set(stage=2)")
    view.wait_settings("feature_map", stage=2)
    # row 4 and column 3 of 16 x 8; a unit of stage 2 sees 10 x 10 cells, 3 of them before its own
    hover = view.hover("feature_map", 3.5 / 8 * 1.0, 4.5 / 16)
    text = view.text("hover")
    assert "unit in row 4, column 3" in text
    assert "sees 10 bands \u00d7 10 frames" in text
    assert "256 to 608 ms" in text  # frames 9 to 18, each with 32 ms to both sides
    assert hover["samples"] == [4096, 9728]
    left, right, top, bottom = view.ask("overlayBox", "picture", "#ffffff", 0)
    geometry = view.ask("geometry", "picture")
    x0, x1 = (view.ask("xOf", frame * 0.032) for frame in (8.5, 18.5))
    assert left == pytest.approx(x0, abs=3)
    assert right == pytest.approx(x1, abs=3)
    rows = geometry["height"] / 64
    assert top == pytest.approx(geometry["height"] - 23 * rows, abs=3)
    assert bottom == pytest.approx(geometry["height"] - 13 * rows, abs=3)


def test_bars_have_the_names_of_their_words(show, notebook):
    view = show(EXPLORE)
    canvas = view.lane("probabilities")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    g = view.ask("geometry", "probabilities")
    share = notebook.execute("print(100 * ex.readout['probabilities']['noise'])")
    x = g["left"] + (2 + 0.625) / 3.25 * (g["width"] - g["left"] - g["right"])
    notebook.page.mouse.move(box["x"] + x, box["y"] + 20)
    view.wait("state => state.hover?.lane === 'probabilities'")
    assert view.text("hover") == f"noise: {float(share):.1f} %"


# ---------------------------------------------------------------- explore_confusion


def test_a_click_on_a_cell_lists_its_clips_and_plays_the_surest(show, notebook):
    page = notebook.page
    page.evaluate(SPY)
    view = show(CONFUSION)
    grid = notebook.panel.locator(".confusion")
    assert (
        grid.locator(".cf-headline")
        .inner_text()
        .startswith("2 of 10 clips of \u00ablow\u00bb were")
    )
    cell = grid.locator('.cf-cell[data-row="2"][data-column="2"]')
    assert cell.get_attribute("aria-label") == "said noise, heard noise: 8 of 8 clips, 100 %"
    cell.click()
    grid.locator(".cf-headline", has_text="8 of 8 clips").wait_for()
    view.wait("state => state.playing")
    first = hear(page)
    assert grid.locator(".cf-clip").count() == 8
    grid.locator(".cf-next").click()
    grid.locator('.cf-clip:nth-of-type(4)[aria-pressed="true"]').wait_for()
    notebook.expect("conf.grid.chosen", 1)
    page.wait_for_function("() => spied.buffers.length >= 2")
    view.wait("state => state.playing && !state.waitsForSound")
    assert not np.array_equal(hear(page), first)
    grid.locator(".cf-previous").click()
    notebook.expect("conf.grid.chosen", 0)
    grid.locator(".cf-clip").nth(5).click()
    notebook.expect("conf.index == conf._found[5]", True)


def test_the_matrix_is_walked_by_keys(show, notebook):
    view = show(CONFUSION)
    page, grid = notebook.page, notebook.panel.locator(".confusion")
    grid.locator('.cf-cell[tabindex="0"]').focus()  # where Tab arrives: the cell that is listed
    for key, row, column in [
        ("ArrowDown", 1, 1), ("ArrowLeft", 1, 0), ("End", 1, 2), ("Home", 1, 0),
        ("ArrowRight", 1, 1),
    ]:  # fmt: skip
        page.keyboard.press(key)
        at = page.evaluate(
            "() => [document.activeElement.dataset.row, document.activeElement.dataset.column]"
        )
        assert at == [str(row), str(column)]
    page.keyboard.press("Enter")
    grid.locator(".cf-headline", has_text="\u00abhigh\u00bb were heard right").wait_for()
    notebook.expect("conf.grid.cell", [1, 1])
    view.wait("state => state.playing")
    view.button("play").click()


@pytest.mark.parametrize("code", [EXPLORE, CONFUSION], ids=["explore_cnn", "explore_confusion"])
def test_large_type_and_the_dark_theme_keep_everything_inside(show, notebook, code):
    view = show(code)
    page = notebook.page
    button = (
        view.button("large")
        if code == EXPLORE
        else notebook.panel.locator(".confusion .cf-button").first
    )
    try:
        button.click()
        view.wait("state => state.large")
        notebook.theme("JupyterLab Dark")
        view.wait("state => state.theme === 'dark'")
        outside = view.root.evaluate(
            """root => [...root.closest('.jp-OutputArea-output').querySelectorAll(
                    'button, canvas, select, td, th, .widget-readout, .sv-readout span')]
                .filter(node => node.getBoundingClientRect().right
                    > root.getBoundingClientRect().right + 1).map(node => node.className)"""
        )
        assert outside == []
    finally:
        notebook.theme("JupyterLab Light")
        page.set_viewport_size({"width": 1280, "height": 1000})
