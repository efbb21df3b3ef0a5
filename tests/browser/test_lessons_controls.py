"""Every control of the explorers of lessons 01, 03, 04 and 05, found by itself and moved by hand.

The other files say what single controls do. Here nothing is listed: each slider, menu, row of
buttons and preset that an explorer has is moved, so that a new one cannot be forgotten.
"""

from __future__ import annotations

import ast
import re

import pytest

EXPLORERS = {
    "waveform": "explore_waveform(pair, pair_rate)",
    "mel": "explore_mel(y, sr)",
    "decibel": "explore_decibel(y, sr)",
    "normalize": "explore_normalize(y, sr, statistics=(-40.0, 20.0))",
}
CODE = """from course_utils import explorers
pair, pair_rate = load_audio('../audio_samples/stereo_walk.flac', mono=False)
ex = explorers.{}
view = ex.view
ex"""


def ask(notebook, expression: str):
    return ast.literal_eval(notebook.execute(f"print(repr({expression}))").strip())


def control(notebook, kind: str, name: str):
    label = notebook.page.locator(".widget-label").filter(has_text=re.compile(rf"^{name}$"))
    return notebook.panel.locator(f".widget-{kind}").filter(has=label).first


def choose(notebook, name: str, choice: int) -> None:
    """Take a choice of a slider, a menu or a row of buttons, with keys and pointer."""
    kind = ask(notebook, f"type(ex.sliders[{name!r}]).__name__")
    if kind == "SelectionSlider":
        key = "ArrowRight" if choice > ask(notebook, f"ex.sliders[{name!r}].index") else "ArrowLeft"
        notebook.slider(name).press(key)
    elif kind == "Dropdown":
        control(notebook, "dropdown", name).locator("select").select_option(index=choice)
    else:
        assert kind == "ToggleButtons", f"nobody knows how to move {name}, a {kind}"
        control(notebook, "toggle-buttons", name).locator("button").nth(choice).click()


SHOWS = """([root, wanted]) => {
    const told = lookAt(root).state().lanes.map(lane => lane.settings || {});
    return Object.entries(wanted).every(([name, value]) =>
        told.some(settings => settings[name] === value));
}"""


def wait_until_shown(view, settings: dict) -> None:
    """Wait until the pictures say that they were made with these settings."""
    told = {name: value for name, value in settings.items() if value is not None}
    view.page.wait_for_function(SHOWS, arg=[view.root.element_handle(), told], timeout=15_000)


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_slider_menu_and_row_of_buttons_answers_to_the_hand(show, notebook, name):
    view = show(CODE.format(EXPLORERS[name]))
    for slider in ask(notebook, "list(ex.sliders)"):
        at, count, kind = ask(
            notebook,
            f"(lambda s: (s.index, len(s.options), type(s).__name__))(ex.sliders[{slider!r}])",
        )
        every = [choice for choice in range(count) if choice != at]
        if kind == "SelectionSlider":  # one step: each way is the same to the hand
            every = [at + 1 if at + 1 < count else at - 1]
        for choice in every:
            choose(notebook, slider, choice)
            notebook.expect(f"ex.sliders[{slider!r}].index", choice)
            wait_until_shown(view, {slider: ask(notebook, f"ex.settings[{slider!r}]")})
            assert ask(notebook, "ex.error") == "", (slider, choice)
        notebook.execute(f"ex.set(**{{{slider!r}: ex._start[{slider!r}]}})")


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_preset_sets_what_it_says_and_shows_it(show, notebook, name):
    view = show(CODE.format(EXPLORERS[name]))
    start = ask(notebook, "ex.settings")
    for preset, values in ask(notebook, "ex.presets").items():
        if all(start.get(key) == value for key, value in values.items()):
            continue  # it is what stands there: pressing it must be seen from somewhere else
        notebook.panel.get_by_role("button", name=preset, exact=True).click()
        for key, value in values.items():
            notebook.expect(f"ex.settings[{key!r}]", value)
        wait_until_shown(view, values)
        assert ask(notebook, "ex.error") == "", preset
    notebook.panel.get_by_role("button", name="as at the start", exact=True).click()
    notebook.expect("ex.settings", start)


def test_each_mistake_among_the_presets_of_lesson_04_is_named(show, notebook):
    view = show(CODE.format(EXPLORERS["decibel"]))
    for preset, words in {
        "loud neighbour": "louder",
        "amin too high": "amin lifts",
        "amplitude as power": "all differences are half",
        "power as amplitude": "all differences are double",
        "decibels twice": "taken twice",
    }.items():
        notebook.panel.get_by_role("button", name=preset, exact=True).click()
        view.wait(f"state => state.notes.some(note => note.includes({words!r}))")


def test_per_band_and_as_recorded_come_back_to_the_first_picture(show, notebook):
    view = show(CODE.format(EXPLORERS["normalize"]))
    before = view.fingerprint("before")
    notebook.panel.get_by_role("button", name="quiet", exact=True).click()
    view.wait_pixels("before", other_than=before)
    notebook.panel.get_by_role("button", name="as recorded", exact=True).click()
    view.wait_settings("before", gain_db=0)
    assert view.fingerprint("before") == before
