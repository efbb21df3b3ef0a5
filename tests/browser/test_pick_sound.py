"""Uploading and picking a sound in a real JupyterLab, with good files and with bad ones."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from tests.browser import sounds

CODE = """
from course_utils.your_sound import pick_sound
heard = []
picker = pick_sound(on_change=lambda waveform, rate: heard.append((len(waveform), rate)))
picker
"""


class Picker:
    """The picker of a notebook, as a test sees it."""

    def __init__(self, notebook, code: str = CODE) -> None:
        notebook.show(code)
        self.notebook, self.page = notebook, notebook.page
        self.root = notebook.panel.locator(".snd-picker").first
        self.root.wait_for(state="attached")

    def upload(self, path) -> None:
        """Choose a file as the dialogue of the system would."""
        with self.page.expect_file_chooser() as chooser:
            self.root.locator(".snd-upload").click()
        chooser.value.set_files(path)

    def told(self, text: str) -> None:
        """Wait until the picker says something."""
        self.root.get_by_role("status").filter(has_text=text).wait_for(timeout=30_000)
        assert self.root.locator(".snd-problem").text_content() == ""

    def warned(self, text: str) -> str:
        """Wait until the picker complains about something; returns the whole sentence."""
        alert = self.root.get_by_role("alert").filter(has_text=text)
        alert.wait_for(timeout=30_000)
        return alert.text_content()

    def names(self) -> list[str]:
        return self.root.locator("option:not([disabled])").all_inner_texts()


@pytest.fixture
def picker(notebook, lab):
    yield Picker(notebook)
    for path in (lab.root_dir / "uploads").glob("*"):
        path.unlink()


def test_picking_from_the_list(picker):
    assert len(picker.names()) >= 12
    picker.told("«spoken_word.flac»: 1.00 s at 16000 Hz")
    picker.root.locator("select").select_option("audio_samples/chirp.flac")
    picker.told("«chirp.flac»: 3.00 s at 16000 Hz")
    picker.notebook.expect("(picker.sound.name, heard)", ("chirp.flac", [(48_000, 16_000)]))


def test_a_file_dragged_into_the_folder_is_found(picker, lab):
    (lab.root_dir / "uploads").mkdir(exist_ok=True)
    soundfile.write(lab.root_dir / "uploads" / "dragged.wav", sounds.short(), sounds.SAMPLE_RATE)
    (lab.root_dir / "uploads" / "out.wav").symlink_to(__file__)
    picker.root.locator(".snd-again").click()
    picker.root.locator("option", has_text="dragged.wav").wait_for(state="attached")
    assert not any("out.wav" in name for name in picker.names())
    picker.root.locator("select").select_option("uploads/dragged.wav")
    picker.told("«dragged.wav»: 0.40 s at 16000 Hz")
    picker.page.evaluate(
        """root => { const select = root.querySelector('select');
            select.append(new Option('secret', 'uploads/../notebooks/tests.ipynb'));
            select.value = 'uploads/../notebooks/tests.ipynb';
            select.dispatchEvent(new Event('change')); }""",
        picker.root.element_handle(),
    )
    picker.warned("is not a file of audio_samples/ or uploads/")
    picker.notebook.expect("picker.sound.name", "dragged.wav")


def test_an_upload_larger_than_a_message_may_be_arrives_whole(picker, tmp_path, lab):
    """A Jupyter server drops messages of more than 10 MB without a word."""
    assert "At most 64 MB and 15 minutes" in picker.root.locator(".snd-limit").text_content()
    samples = np.random.default_rng(0).integers(-9999, 9999, 6_000_000).astype(np.int16)
    soundfile.write(tmp_path / "twelve MB.wav", samples, 44_100)
    picker.upload(tmp_path / "twelve MB.wav")
    picker.told("«twelve MB.wav»: 136.05 s at 44100 Hz")
    expected = (tmp_path / "twelve MB.wav").read_bytes()
    assert (lab.root_dir / "uploads" / "twelve MB.wav").read_bytes() == expected
    picker.notebook.expect("int((picker.waveform * 32768).long().sum())", int(samples.sum()))
    assert picker.root.locator("select").input_value() == "uploads/twelve MB.wav"


def test_files_that_cannot_be_read_are_explained_and_the_sound_before_stays(picker, tmp_path, lab):
    (tmp_path / "large.wav").touch()
    with (tmp_path / "large.wav").open("wb") as file:
        file.truncate(64_000_001)
    (tmp_path / "broken.wav").write_bytes(b"RIFF\x24\0\0\0WAVE")
    (tmp_path / "text.wav").write_text("I am not a sound. " * 100)
    (tmp_path / "empty.wav").touch()
    for name, words in (
        (
            "large.wav",
            "«large.wav» has a little more than 64 MB, and at most 64 MB can be read",
        ),
        ("broken.wav", "«broken.wav» is damaged"),
        ("text.wav", "«text.wav» is not a sound file of a known kind"),
        ("empty.wav", "«empty.wav» is empty (0 bytes)."),
    ):
        picker.upload(tmp_path / name)
        assert picker.warned(words).endswith(".")
    picker.notebook.expect("(picker.sound.name, heard)", ("spoken_word.flac", []))
    assert not list((lab.root_dir / "uploads").glob("*"))


def test_the_content_counts_and_not_the_name(picker, tmp_path):
    path = tmp_path / "a flac.wav"
    soundfile.write(tmp_path / "x.flac", sounds.short(), sounds.SAMPLE_RATE)
    (tmp_path / "x.flac").rename(path)
    picker.upload(path)
    picker.told("«a flac.wav»: 0.40 s at 16000 Hz")
    picker.notebook.expect("heard", [(6400, 16_000)])


def test_a_file_dropped_on_the_widget_is_uploaded(picker):
    picker.page.evaluate(
        """async root => {
            const rate = 16000, n = 8000, view = new DataView(new ArrayBuffer(44 + 2 * n));
            const letter = (at, c) => view.setUint8(at, c.charCodeAt(0));
            const text = (at, s) => [...s].forEach((c, i) => letter(at + i, c));
            text(0, 'RIFF'); view.setUint32(4, 36 + 2 * n, true); text(8, 'WAVEfmt ');
            view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
            view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true);
            view.setUint16(32, 2, true); view.setUint16(34, 16, true); text(36, 'data');
            view.setUint32(40, 2 * n, true);
            const data = new DataTransfer();
            data.items.add(new File([view], 'dropped.wav', {type: 'audio/wav'}));
            const drop = root.querySelector('.snd-drop');
            for (const name of ['dragenter', 'dragover', 'drop'])
                drop.dispatchEvent(new DragEvent(name, {dataTransfer: data, bubbles: true}));
        }""",
        picker.root.element_handle(),
    )
    picker.told("«dropped.wav»: 0.50 s at 16000 Hz, silence: every sample is zero.")


def test_both_in_one_place_with_a_bundled_sound_until_there_is_another(notebook, tmp_path, lab):
    both = Picker(
        notebook, "from course_utils.your_sound import your_sound\nmine = your_sound()\nmine"
    )
    said = notebook.panel.get_by_text(
        "Until there is a sound of yours, this is «spoken_word.flac»."
    )
    said.wait_for()
    assert notebook.panel.locator(".snd-recorder").is_visible()
    notebook.panel.get_by_text("Upload or pick", exact=True).click()
    both.root.locator("select").select_option("audio_samples/bird_whistle.flac")
    said.wait_for(state="detached")
    notebook.expect("(mine.name, mine.is_yours, mine.sample_rate, len(mine.waveform))",
                    ("bird_whistle.flac", True, 16_000, 48_000))  # fmt: skip
    assert notebook.panel.locator(".sound-view").count() == 1
