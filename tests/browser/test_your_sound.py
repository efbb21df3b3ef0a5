"""Lesson 08 under a real hand: record, predict, move the sliders, export; and no microphone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from tests.browser.test_recorder import FAKE
from tests.browser.test_recorder import Page as Recorder
from tests.browser.view import View
from tests.explorers.words import make_clips

MODEL = """
import torch
from course_utils.explorers import explore_your_sound
from course_utils.models.confidence import calibrate
from course_utils.your_sound import your_sound
from tests.explorers.words import make_clips, make_model
if "trained_for_08" not in globals():
    trained_for_08 = make_model(make_clips(96, seed=1))
    rule = calibrate(trained_for_08, make_clips(60, seed=3))
"""
MINE = MODEL + "mine = your_sound(seconds=2.5)\nmine.recorder.countdown_s = 0\nmine"
EXPLORE = "ex = explore_your_sound(mine, model=trained_for_08, confidence=rule)\nex"
LONG = """
sound = 1e-4 * torch.randn(16000 * 20, generator=torch.Generator().manual_seed(0))
sound[200_080:216_080] += make_clips(3, seed=5).waveforms[1]
ex = explore_your_sound(sound, 16000, model=trained_for_08, confidence=rule)
view = ex.view
ex"""
SECOND_VIEW = 1  # the first is the player of your_sound()
OF_MINE = 1  # in the lesson, where another player stands above it


@pytest.fixture(scope="module")
def tone_page(lab, tmp_path_factory):
    """A notebook with a microphone in which a high tone sounds over and over."""
    path = tmp_path_factory.mktemp("microphone") / "tone.wav"
    soundfile.write(path, make_clips(3, seed=5).waveforms[1].numpy(), 16000, subtype="PCM_16")
    arguments = [FAKE, f"--use-file-for-fake-audio-capture={path}"]
    context = lab.second_browser(arguments, permissions=["microphone"])
    written = lab.write_notebook([MINE, EXPLORE], "notebooks/mine.ipynb")
    notebook = lab.open_notebook(written, page=context.new_page())
    notebook.run_all()
    yield notebook
    notebook.close()
    context.close()


def test_record_predict_move_the_sliders_and_export(tone_page, lab):
    notebook, page = tone_page, tone_page.page
    recorder, view = Recorder(notebook), View(notebook, SECOND_VIEW)
    view.wait_settings("picture", sound="spoken_word.flac")  # the bundled one, until there is one
    recorder.record()
    recorder.button("keep").click()
    view.wait_settings("picture", sound="your recording")
    notebook.expect("(mine.name, ex.name)", ("your recording", "your recording"))
    notebook.expect("ex.readout['heard']", "high")
    assert "your recording" in view.text("readout")
    assert "2.50 s" in view.text("readout")
    assert any("no answer" in note for note in view.state()["notes"])

    for name, key, setting in [
        ("snr_db", "End", {"snr_db": -10}),
        ("shift_ms", "Home", {"shift_ms": -500}),
        ("speed", "End", {"speed": 2.0}),
        ("gain_db", "Home", {"gain_db": -60}),
    ]:
        before = view.fingerprint("picture")
        notebook.slider(name).press(key)
        for lane in ("spectrogram", "mel", "decibel", "picture", "saliency", "probabilities"):
            view.wait_settings(lane, **setting)
        view.wait_pixels("picture", other_than=before)
    notebook.expect("ex.error", "")
    notebook.execute("ex.set(snr_db=float('inf'), shift_ms=0, speed=1.0, gain_db=0)")
    view.wait_settings("picture", snr_db="no noise", gain_db=0)

    uploads = lab.root_dir / "uploads"
    button = notebook.panel.locator("button:has-text('Export')").first
    for number in ("", "_2"):
        button.click()
        name = f"your_recording{number}.npy"
        notebook.panel.locator(".widget-label", has_text=name).wait_for()
        numbers = np.load(uploads / name, allow_pickle=False)
        assert numbers.shape == (64, 32)
        about = json.loads((uploads / name).with_suffix(".json").read_text("utf-8"))
        assert about["mel"]["hop_length"] == 512
        assert (uploads / name).with_suffix(".png").stat().st_size > 1000
    page.mouse.move(5, 5)
    assert notebook.complaints() == []


def test_with_the_microphone_refused_everything_goes_on(tone_page):
    """After the test before: what was recorded stays, and a sound of the list takes over."""
    notebook, context = tone_page, tone_page.page.context
    recorder, view = Recorder(notebook), View(notebook, SECOND_VIEW)
    context.clear_permissions()
    recorder.button("record").click()
    alert = recorder.root.get_by_role("alert").filter(has_text="The microphone was refused.")
    alert.wait_for()
    notebook.execute("mine.picker.pick('audio_samples/chirp.flac')")
    view.wait_settings("picture", sound="chirp.flac")
    assert "chirp.flac" in view.text("readout")
    assert any("it gets the second with the most energy" in n for n in view.state()["notes"])
    context.grant_permissions(["microphone"])


def test_the_lesson_teaches_without_a_microphone(lab):
    """From top to bottom in a browser that has none: the bundled sound stands in and says so."""
    notebook = lab.open_notebook("notebooks/08_your_sound.ipynb")
    try:
        notebook.run_all(timeout_s=240)
        assert notebook.complaints() == []
        notes = View(notebook, OF_MINE).state()["notes"]
        assert "Until there is a sound of yours, this is «spoken_word.flac»." in notes
        notebook.expect("(mine.is_yours, explorer.name, explorer.error)",
                        (False, "spoken_word.flac", ""))  # fmt: skip
    finally:
        notebook.close()


def test_the_stretch_stays_where_the_energy_is_until_a_hand_moves_it(show, notebook):
    """The page rounded the start to a step once, and that counted as a choice by hand."""
    notebook.execute(MODEL)
    view = show(LONG)
    view.wait("state => state.notes.some(note => note.includes('most energy'))")
    start_s = float(notebook.execute("print(ex.settings['start_s'])"))
    assert start_s == pytest.approx(12.5, abs=0.4)
    before = view.fingerprint("picture")
    notebook.slider("start_s").press("Home")
    view.wait_settings("picture", start_s=0, stretch="by hand")
    view.wait_pixels("picture", other_than=before)
    notebook.expect("ex.readout['verdict']", "silent")


def test_large_type_and_the_dark_theme_keep_everything_inside(show, notebook):
    notebook.execute(MODEL)
    view = show(LONG)
    try:
        view.button("large").click()
        view.wait("state => state.large")
        notebook.theme("JupyterLab Dark")
        view.wait("state => state.theme === 'dark'")
        outside = view.root.evaluate(
            """root => [...root.closest('.jp-OutputArea-output').querySelectorAll(
                    'button, canvas, select, .widget-readout, .sv-readout span')]
                .filter(node => node.getBoundingClientRect().right
                    > root.getBoundingClientRect().right + 1).map(node => node.className)"""
        )
        assert outside == []
    finally:
        notebook.theme("JupyterLab Light")
