"""Says in plain words what works in the course's environment. Run it as ``course.py doctor``.

Each check stands alone: one that fails says so and the next one goes on.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
LIBRARIES = ("torch", "torchaudio", "numpy", "scipy", "librosa", "soundfile", "matplotlib")
SCREEN = ("jupyterlab", "ipykernel", "ipywidgets", "anywidget")
TEST_TOOLS = ("pytest", "nbval", "playwright")
WIDGET_EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "anywidget")


class Bad(Exception):
    """A check found something that the course cannot do without."""


def versions() -> str:
    """Versions of the packages that matter."""
    lines, missing = [], []
    for name in LIBRARIES + SCREEN + TEST_TOOLS:
        try:
            lines.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            if name not in TEST_TOOLS:
                missing.append(name)
    if missing:
        raise Bad(f"missing: {', '.join(missing)}. The next 'course.py lab' installs them.")
    return ", ".join(lines)


def course_utils() -> str:
    """Whether the course's own package is found here, and how long it takes to load."""
    start = time.perf_counter()
    import course_utils

    place = Path(course_utils.__file__).resolve().parents[1]
    if place != PROJECT:
        raise Bad(f"Python finds the course in {place}, not here. 'course.py lab' mends that.")
    return f"loads in {time.perf_counter() - start:.1f} s"


def torch_works() -> str:
    """PyTorch, its threads, and whether it has a GPU (the course needs none)."""
    import torch

    peak = int(torch.fft.rfft(torch.sin(torch.arange(64) * torch.pi / 4)).abs().argmax())
    if peak != 8:
        raise Bad("PyTorch loads, but a Fourier transform of a tone gives a wrong answer.")
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none (not needed)"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"works on {torch.get_num_threads()} threads of {cores} CPU cores; GPU: {gpu}"


def torchaudio_works() -> str:
    """torchaudio, and whether its native part could be loaded."""
    import torch

    import course_utils  # noqa: F401  (first: it makes torchaudio importable beside a CPU torch)

    # isort: split
    import torchaudio

    shape = tuple(torchaudio.transforms.MelSpectrogram(16000, n_fft=1024)(torch.zeros(16000)).shape)
    native = getattr(torchaudio, "_extension", None)
    if getattr(native, "_IS_TORCHAUDIO_EXT_AVAILABLE", False):
        return f"works, native part: yes; mel spectrogram of a second: {shape}"
    return f"works, native part: no (the course does not need it); mel spectrogram: {shape}"


def sound_files() -> str:
    """Which formats can be written and read back, in memory."""
    import numpy as np
    import soundfile

    tone = np.sin(np.arange(16000) / 10).astype("float32") / 2
    good, bad = [], []
    for name, subtype in (("WAV", None), ("FLAC", None), ("OGG", "VORBIS"), ("MP3", None)):
        try:
            buffer = io.BytesIO()
            soundfile.write(buffer, tone, 16000, format=name, subtype=subtype)
            buffer.seek(0)
            read, sample_rate = soundfile.read(buffer)
            ok = sample_rate == 16000 and len(read) >= 16000
        except (RuntimeError, ValueError, TypeError):
            ok = False
        (good if ok else bad).append(name)
    if "WAV" in bad or "FLAC" in bad:
        raise Bad(f"soundfile cannot handle {', '.join(bad)}; delete .venv and set up again.")
    return f"{', '.join(good)} can be read and written" + (f"; not {', '.join(bad)}" if bad else "")


def own_sounds() -> str:
    """The sounds of the course."""
    folder = PROJECT / "audio_samples"
    files = sorted(folder.glob("*.flac"))
    if not files:
        raise Bad(f"there are no sounds in {folder}; the download of the course is incomplete.")
    return f"{len(files)} in audio_samples"


def memory() -> str:
    """Free memory; a lesson needs up to 900 MB."""
    import psutil

    available = psutil.virtual_memory().available / 1e9
    if available < 1.0:
        raise Bad(
            f"only {available:.1f} GB are free, and a lesson needs up to 0.9. Close programs."
        )
    return f"{available:.1f} GB free (a lesson needs up to 0.9)"


def widgets() -> str:
    """Whether JupyterLab has what shows the sliders and the pictures."""
    from jupyter_core.paths import jupyter_path

    folders = [Path(p) for p in jupyter_path("labextensions")]
    missing = [
        name
        for name in WIDGET_EXTENSIONS
        if not any((folder / name / "package.json").is_file() for folder in folders)
    ]
    if missing:
        raise Bad(f"JupyterLab lacks {', '.join(missing)}; delete .venv and set up again.")
    return "JupyterLab has the extensions for sliders and pictures"


def browser() -> str:
    """Whether the tests in a browser can run. No student needs it."""
    import shutil

    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next((path for path in map(shutil.which, names) if path), None)
    return f"{found} (only the tests use it)" if found else "none found; only the tests need one"


CHECKS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("packages", versions),
    ("course", course_utils),
    ("PyTorch", torch_works),
    ("torchaudio", torchaudio_works),
    ("formats", sound_files),
    ("sounds", own_sounds),
    ("memory", memory),
    ("widgets", widgets),
    ("chromium", browser),
)


def main() -> int:
    """Run every check; the exit code is 1 if one of them found something bad."""
    failed = []
    for name, check in CHECKS:
        try:
            answer = check()
        except Bad as problem:
            answer = f"NOT GOOD: {problem}"
            failed.append(name)
        except Exception as error:  # a doctor does not faint
            answer = f"NOT GOOD: {type(error).__name__}: {error}"
            failed.append(name)
        print(f"{name:<10} {answer}", flush=True)
    print()
    print(
        f"Not good: {', '.join(failed)}." if failed else "Everything that the course needs works."
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
