"""explore_decibel and the quiz under a real hand."""

from __future__ import annotations

import pytest

CODE = """from course_utils.explorers import explore_decibel
drum, _ = load_audio('../audio_samples/quiet_voice_loud_drum.flac')
ex = explore_decibel(drum, 16000)
view = ex.view
ex"""
QUIZ = "from course_utils.quiz import quiz\nasked = quiz('04_decibel')\nasked"
CHART = "() => document.querySelector('.sv-lane[data-lane=\"histogram\"] .sv-base').toDataURL()"


@pytest.mark.parametrize("name", ["top_db", "amin", "neighbour"])
def test_slider_that_cuts_moves_the_picture(show, notebook, name):
    view = show(CODE)
    before = view.fingerprint("decibel")
    key, times = {"top_db": ("ArrowLeft", 5), "amin": ("ArrowRight", 9)}.get(
        name, ("ArrowRight", 4)
    )
    notebook.slider(name).press(key, times)
    view.wait_pixels("decibel", other_than=before)
    assert notebook.execute("print(ex.error)").strip() == ""


@pytest.mark.parametrize("name", ["ref", "gain_db"])
def test_slider_that_shifts_moves_the_histogram_and_not_the_picture(show, notebook, name):
    view = show(CODE)
    picture, chart = view.picture("decibel")[0], notebook.page.evaluate(CHART)
    notebook.slider(name).press("ArrowLeft", 2)
    view.page.wait_for_function(f"old => ({CHART})() !== old", arg=chart, timeout=15_000)
    assert abs(view.picture("decibel")[0].astype(int) - picture).max() <= 1


def test_gain_makes_the_waveform_flat_and_what_is_heard_softer(show, notebook):
    view = show(CODE)
    high = max(view.ask("waveHeights", "waveform"))
    notebook.slider("gain_db").press("ArrowLeft", 30)
    view.wait("state => root.soundView.player.level < 0.04")
    assert view.root.evaluate("root => root.soundView.player.level") == pytest.approx(10**-1.5)
    assert max(view.ask("waveHeights", "waveform")) < high / 8
    assert view.hover("waveform", 0.05)["amplitude"] is not None


@pytest.mark.parametrize("name", ["formula", "colours"])
def test_menu_moves_the_picture(show, notebook, name):
    view = show(CODE)
    before = view.fingerprint("decibel")
    menu = notebook.panel.locator(".widget-dropdown", has_text=name).locator("select")
    menu.select_option({"formula": "10 log10(amplitude)", "colours": "lowest to peak"}[name])
    view.wait_pixels("decibel", other_than=before)
    if name == "formula":
        assert "all differences are half" in " ".join(view.state()["notes"])


def test_the_level_under_the_pointer_is_told_and_marked_in_the_histogram(show):
    view = show(CODE)
    hover = view.hover("decibel", 0.03, 0.02)
    assert 20 < hover["db"] <= 39.7
    assert hover["levels"]["dB"] == hover["db"]
    assert " dB" in view.text("hover")


def test_quiz_is_answered_with_the_keyboard_and_python_knows(notebook):
    notebook.show(QUIZ)
    quiz = notebook.panel.locator(".quiz")
    quiz.locator(".quiz-answer").first.focus()
    for key in ("Enter", "ArrowDown", "ArrowDown", " "):
        notebook.page.keyboard.press(key)
    first = quiz.locator(".quiz-question").first
    assert first.locator('[data-state="wrong"] .quiz-why').inner_text().startswith("That would be")
    assert first.locator('[data-state="right"] .quiz-why').inner_text().startswith("10 log10(100)")
    assert "1 of 5 solved, 0 at the first try" in quiz.locator(".quiz-score").inner_text()
    notebook.expect("asked.tried[0]", [0, 2])
    quiz.locator(".quiz-again").click()
    assert quiz.locator('[data-state="open"]').count() == 20
