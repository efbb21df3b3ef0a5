"""Make docs/images/explorer.png: the Mel explorer in a real JupyterLab, as README shows it.

    .venv/bin/python -m tools.make_screenshot

Needs Chromium, like the browser tests.
"""

from pathlib import Path

from course_utils.small_png import small_png
from tests.browser.lab import Lab

CELL = """
from course_utils.audio_io import load_audio
from course_utils.explorers import explore_mel

waveform, sample_rate = load_audio("../audio_samples/spoken_sentence.flac")
explorer = explore_mel(waveform, sample_rate, n_fft=512, hop_length=128, n_mels=80)
explorer
"""
TARGET = Path(__file__).parents[1] / "docs" / "images" / "explorer.png"


def main() -> None:
    """Run the cell, point at a vowel, and save what is seen."""
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with Lab(size=(1240, 1500)) as lab:
        notebook = lab.run_cells([CELL])
        notebook.wait_widgets()
        view = notebook.panel.locator(".sound-view")
        view.locator(".sv-overlay").first.click(position={"x": 420, "y": 30})
        view.locator('[data-lane="mel"] .sv-overlay').hover(position={"x": 610, "y": 130})
        explorer = notebook.panel.locator(".jp-OutputArea-output .widget-vbox").first
        notebook.screenshot(TARGET, explorer)
    TARGET.write_bytes(small_png(TARGET.read_bytes(), n_colours=256))
    print(f"{TARGET}: {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
