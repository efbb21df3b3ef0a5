"""Your own sound in a lesson: record it, upload it, or pick it from the course's folders.

    mine = your_sound()
    mine                                # the widget
    mine.waveform, mine.sample_rate     # always a sound: a bundled one until there is yours

Only files of ``audio_samples/`` and ``uploads/`` can be picked, and every byte goes through
:func:`course_utils.audio_io.load_audio`.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets as widgets
import traitlets as t
from torch import Tensor

from course_utils.audio_io import (
    MAX_DURATION_S,
    MAX_FILE_BYTES,
    AudioError,
    AudioWarning,
    load_audio,
)
from course_utils.bytes_in import _FOLDER, BytesIn, call_back, module_text, one_sentence
from course_utils.recorder import Recorder, dbfs_text
from course_utils.signal import peak_dbfs
from course_utils.sound_view import SoundView, listen
from course_utils.sound_view.view import with_static_picture

SAMPLES, UPLOADS = "audio_samples", "uploads"
BUNDLED = "spoken_word.flac"
SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au",
            ".snd", ".caf", ".w64", ".rf64")  # fmt: skip
MOST_LISTED = 200  # of a folder
_LONGEST_NAME = 80
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")  # names that Windows keeps
_BEGINNINGS = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"FORM": ".aiff",
               b".snd": ".au", b"caff": ".caf", b"riff": ".w64", b"RF64": ".wav"}  # fmt: skip

OnChange = Callable[[Tensor, int], object]


class Sound(NamedTuple):
    """A sound that was loaded.

    Attributes:
        waveform: In [-1, 1], float32, shape ``(time,)``.
        sample_rate: In Hz.
        name: Of the file, or "your recording".
        notes: What :func:`load_audio` said about it.
    """

    waveform: Tensor
    sample_rate: int
    name: str
    notes: tuple[str, ...] = ()


class SoundFolders:
    """The sounds of ``audio_samples/`` and ``uploads/``, and nothing outside of them.

    Args:
        root: The folder in which both lie; found from the working folder upwards by default.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self.root = Path(root) if root is not None else _find_root()

    def listing(self) -> list[dict[str, Any]]:
        """What can be picked: ``id`` ("uploads/dog.wav"), ``folder``, ``name`` and ``n_bytes``."""
        found = []
        for folder in (SAMPLES, UPLOADS):
            for name in sorted(self._names(folder), key=str.lower)[:MOST_LISTED]:
                with suppress(OSError):  # it may have gone in the meantime
                    size = (self.root / folder / name).stat().st_size
                    about = {"folder": folder, "name": name, "n_bytes": size}
                    found.append({"id": f"{folder}/{name}"} | about)
        return found

    def _names(self, folder: str) -> list[str]:
        try:
            names = os.listdir(self.root / folder)
        except OSError:
            return []
        return [name for name in names if self._is_sound(folder, name)]

    def _is_sound(self, folder: str, name: str) -> bool:
        """Whether a name can be shown, looks like a sound, and is a file inside the folder."""
        if name.startswith(".") or not name.isprintable() or not name.lower().endswith(SUFFIXES):
            return False
        try:
            path = self.root / folder / name
            return path.is_file() and _is_inside(path, self.root / folder)
        except (OSError, RuntimeError, ValueError):  # a circle of links, a name that is none
            return False

    def path(self, sound_id: str) -> Path:
        """The file behind "folder/name".

        Raises:
            AudioError: If it is not a sound of one of the two folders.
        """
        folder, _, name = str(sound_id).partition("/")
        if folder not in (SAMPLES, UPLOADS) or not name or "/" in name or "\\" in name:
            raise AudioError(
                f"«{str(sound_id)[:80]}» is not a file of {SAMPLES}/ or {UPLOADS}/, such as "
                f"{SAMPLES}/{BUNDLED}; drag your own file into {UPLOADS}/ and pick it there"
            )
        path = self.root / folder / name
        if not self._is_sound(folder, name):
            if os.path.islink(path):
                raise AudioError(
                    f"«{name[:60]}» is a link to a place outside of {folder}/, or to nothing; "
                    f"copy the file itself into {UPLOADS}/"
                )
            raise AudioError(
                f"«{name[:60]}» is not among the sounds of {folder}/ any more, or is none; "
                "press «Look again» and choose another one"
            )
        return path

    def make_uploads(self) -> None:
        """Make the folder to drag sounds into, where the course lies and can be written to."""
        if (self.root / SAMPLES).is_dir():
            with suppress(OSError):
                (self.root / UPLOADS).mkdir(exist_ok=True)

    def keep(self, content: bytes | bytearray, name: str) -> str:
        """Write an uploaded file into ``uploads/`` under a name of its own; returns its id.

        Raises:
            OSError: If it cannot be written.
        """
        folder = self.root / UPLOADS
        folder.mkdir(exist_ok=True)
        clean = clean_name(name, content)
        stem, suffix = os.path.splitext(clean)
        for number in range(1, 1000):
            path = folder / (clean if number == 1 else f"{stem} ({number}){suffix}")
            try:
                with path.open("xb") as file:
                    file.write(content)
                return f"{UPLOADS}/{path.name}"
            except FileExistsError:
                if _has_content(path, content):
                    return f"{UPLOADS}/{path.name}"
        raise OSError(f"there are too many files with the name {clean}")


def clean_name(name: Any, content: bytes | bytearray = b"") -> str:
    """A file name without folders and without letters that a system forbids."""
    text = re.split(r"[/\\]", str(name or ""))[-1]
    text = "".join(letter for letter in _FORBIDDEN.sub("", text) if letter.isprintable())
    stem, suffix = os.path.splitext(text.strip(" ."))
    if suffix.lower() not in SUFFIXES:
        stem, suffix = stem + suffix, _BEGINNINGS.get(bytes(content[:4]), ".mp3")
    stem = stem[: _LONGEST_NAME - len(suffix)].strip(" .") or "upload"
    while len(stem.encode()) > 200:  # file systems count bytes
        stem = stem[:-1]
    return f"_{stem}{suffix}" if _RESERVED.match(stem + suffix) else stem + suffix


class SoundPicker(BytesIn):
    """Choose a sound of the two folders, or upload one; see :func:`pick_sound`.

    Attributes:
        sound: The :class:`Sound` that was chosen last and could be read, or ``None``.
        chosen: Its id, for example "uploads/dog.wav".
        said: What the widget tells about it.
        error: One sentence about what could not be read; the sound before stays.
    """

    _esm = module_text("your_sound.js")
    _css = _FOLDER / "recorder.css"

    sounds = t.List(t.Dict()).tag(sync=True)
    chosen = t.Unicode("").tag(sync=True)
    most_bytes = t.Int(MAX_FILE_BYTES).tag(sync=True)
    most_minutes = t.Int(MAX_DURATION_S // 60).tag(sync=True)
    kinds = t.Unicode(",".join(("audio/*", *SUFFIXES))).tag(sync=True)

    def __init__(
        self,
        *,
        start: str | None = f"{SAMPLES}/{BUNDLED}",
        sample_rate: int | None = None,
        on_change: OnChange | None = None,
        folders: SoundFolders | None = None,
    ) -> None:
        if on_change is not None and not callable(on_change):
            raise TypeError(f"on_change needs a function, got {type(on_change).__name__}")
        self.folders = folders or SoundFolders()
        self.sound: Sound | None = None
        self._sound_id = ""
        self._sample_rate = sample_rate
        self._callback: OnChange | None = None
        self.folders.make_uploads()
        super().__init__(sounds=self.folders.listing())
        if start:
            self.pick(start)
        self._callback = on_change

    @property
    def waveform(self) -> Tensor | None:
        """Of the sound that was chosen, float32, shape ``(time,)``."""
        return self.sound and self.sound.waveform

    @property
    def sample_rate(self) -> int | None:
        """Of the waveform, in Hz."""
        return self.sound and self.sound.sample_rate

    def pick(self, sound_id: str) -> None:
        """Choose a sound as the list does.

        Args:
            sound_id: Folder and name, for example "audio_samples/chirp.flac".

        Raises:
            AudioError: If it is not a sound of one of the two folders, or cannot be read.
        """
        path = self.folders.path(sound_id)
        self._use(read_sound(path, name=path.name, sample_rate=self._sample_rate), sound_id)

    def refresh(self) -> None:
        """Read the folders again."""
        self.sounds = self.folders.listing()

    # ---- what comes from the page

    @t.observe("chosen")
    def _on_chosen(self, change: Any) -> None:
        if not change.new or change.new == self._sound_id:
            return
        try:
            self.pick(change.new)
        except Exception as problem:  # whatever it is, the student reads it in the widget
            self.error = one_sentence(problem)
            self.chosen = self._sound_id

    def _on_message(self, widget: Any, content: Any, buffers: Any) -> None:
        if isinstance(content, dict) and content.get("type") == "look":
            self.refresh()
        else:
            super()._on_message(widget, content, buffers)

    def _most_bytes(self) -> int:
        return self.most_bytes

    def _take(self, content: bytearray, about: dict[str, Any]) -> str:
        name = str(about.get("name") or "")[:300]
        sound = read_sound(content, name=name, sample_rate=self._sample_rate)
        try:
            sound_id, remark = self.folders.keep(content, name), ""
        except OSError as problem:
            sound_id = ""
            remark = f" It could not be kept in {UPLOADS}/ ({problem.strerror or problem})."
        self.refresh()
        self._use(sound, sound_id)
        return self.said + remark

    def _use(self, sound: Sound, sound_id: str) -> None:
        self.sound, self._sound_id = sound, sound_id
        self.error = ""
        self.said = describe(sound)
        self.chosen = sound_id
        if self._callback:
            call_back(self._callback, sound.waveform, sound.sample_rate)

    # ---- where no widget lives

    def __repr__(self) -> str:
        return f"SoundPicker({self._sound_id or 'nothing chosen'})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        bundle = super()._repr_mimebundle_(**kwargs)
        data = dict(bundle[0] if isinstance(bundle, tuple) else bundle or {})
        text = "*Choose or upload a sound here: run this cell to use it.*"
        return data | {"text/plain": repr(self), "text/markdown": text}, {}


class YourSound:
    """Recorder, upload and list in one place; see :func:`your_sound`.

    Attributes:
        waveform: The sound of this moment, float32, shape ``(time,)``: never ``None``.
        sample_rate: In Hz.
        name: Where it comes from: "your recording", or the name of a file.
        is_yours: Whether it was recorded, uploaded or picked, and is not the bundled one.
        recorder: The :class:`Recorder`.
        picker: The :class:`SoundPicker`.
        view: A player with the waveform.
        widget: What is displayed.
    """

    def __init__(
        self,
        *,
        seconds: float,
        sample_rate: int,
        start: str,
        on_change: OnChange | None,
        folders: SoundFolders | None,
    ) -> None:
        if on_change is not None and not callable(on_change):
            raise TypeError(f"on_change needs a function, got {type(on_change).__name__}")
        self._callback = on_change
        self.is_yours = False
        self.recorder = Recorder(seconds=seconds, sample_rate=sample_rate, on_keep=self._recorded)
        self.picker = SoundPicker(
            start=start, sample_rate=sample_rate, on_change=self._picked, folders=folders
        )
        parts = {"Record": self.recorder, "Upload or pick": self.picker}
        self._tabs = widgets.Tab(list(parts.values()), titles=list(parts))
        self.widget = widgets.VBox([self._tabs])
        self._use(self.picker.sound)

    def _recorded(self, waveform: Tensor, sample_rate: int) -> None:
        self._take(Sound(waveform, sample_rate, "your recording"))

    def _picked(self, _waveform: Tensor, _sample_rate: int) -> None:
        self._take(self.picker.sound)

    def _take(self, sound: Sound) -> None:
        self.is_yours = True
        self._use(sound)
        if self._callback:
            call_back(self._callback, self.waveform, self.sample_rate)

    def _use(self, sound: Sound) -> None:
        old = getattr(self, "view", None)
        self.waveform, self.sample_rate, self.name = sound[:3]
        self.view: SoundView = listen(self.waveform, self.sample_rate, title=self.name)
        if not self.is_yours:
            self.view.show({}, notes=[f"Until there is a sound of yours, this is «{self.name}»."])
        self.view.large_type = self.recorder.large_type
        self.view.observe(self._on_large_type, names="large_type")
        self.widget.children = [self._tabs, self.view]
        if old:
            old.close()

    def _on_large_type(self, change: Any) -> None:
        self.recorder.large_type = self.picker.large_type = change.new

    def __repr__(self) -> str:
        length_s = len(self.waveform) / self.sample_rate
        return f"YourSound: {self.name}, {length_s:.3f} s at {self.sample_rate} Hz"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        data = dict(self.widget._repr_mimebundle_(**kwargs) or {})
        return with_static_picture(data, self.view.png(), repr(self))


def pick_sound(
    start: str | None = f"{SAMPLES}/{BUNDLED}",
    *,
    sample_rate: int | None = None,
    on_change: OnChange | None = None,
) -> SoundPicker:
    """Choose a sound from ``audio_samples/`` or ``uploads/``, or upload one.

    Args:
        start: What is chosen first, as folder and name; ``None`` for nothing.
        sample_rate: Resample every sound to this, in Hz; ``None`` keeps the file's.
        on_change: Called with ``waveform`` and ``sample_rate`` after each choice.

    Returns:
        A widget; ``.waveform`` and ``.sample_rate`` are the sound that is chosen.

    Raises:
        AudioError: If ``start`` cannot be read.

    Notebook: 08_your_sound.ipynb.
    """
    return SoundPicker(start=start, sample_rate=sample_rate, on_change=on_change)


def your_sound(
    *,
    seconds: float = 1.0,
    sample_rate: int = 16_000,
    start: str = f"{SAMPLES}/{BUNDLED}",
    on_change: OnChange | None = None,
    folders: SoundFolders | None = None,
) -> YourSound:
    """Record, upload or pick a sound. Until you do, it is a bundled one, and says so.

    Args:
        seconds: Longest recording, at most 30; 1.0 suits a word.
        sample_rate: Every sound is resampled to this, in Hz.
        start: The bundled sound, as folder and name.
        on_change: Called with ``waveform`` and ``sample_rate`` whenever there is a new sound.
        folders: Where the two folders lie; found by default.

    Returns:
        An object that shows itself; ``.waveform`` and ``.sample_rate`` are always a sound.

    Raises:
        AudioError: If ``start`` cannot be read.
        ValueError: If another argument cannot be used.

    Notebook: 08_your_sound.ipynb.
    """
    return YourSound(
        seconds=seconds, sample_rate=sample_rate, start=start, on_change=on_change, folders=folders
    )


def read_sound(
    source: str | os.PathLike[str] | bytes | bytearray, *, name: str, sample_rate: int | None = None
) -> Sound:
    """Load a sound and keep what :func:`load_audio` warns of as notes.

    Raises:
        AudioError: If it cannot be read.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", AudioWarning)
        waveform, rate = load_audio(source, sample_rate=sample_rate, name=name)
    notes = tuple(str(w.message) for w in said if issubclass(w.category, AudioWarning))
    return Sound(waveform, rate, name, notes)


def describe(sound: Sound) -> str:
    """A sound in one line: name, length, rate, peak, and what was said about it."""
    peak = float(peak_dbfs(sound.waveform))
    level = "silence: every sample is zero"
    if math.isfinite(peak):
        level = f"peak {dbfs_text(peak)}"
    length_s = len(sound.waveform) / sound.sample_rate
    text = f"\u00ab{sound.name[:60]}\u00bb: {length_s:.2f} s at {sound.sample_rate} Hz, {level}."
    return " ".join([text, *(one_sentence(ValueError(note)) for note in sound.notes)])


def _find_root() -> Path:
    """The folder that holds ``audio_samples/``: here, further up, or beside the package."""
    here = Path.cwd()
    places = [here, *here.parents[:3], _FOLDER.parent]
    return next((place for place in places if (place / SAMPLES).is_dir()), here)


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _has_content(path: Path, content: bytes | bytearray) -> bool:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size != len(content):
            return False
        return path.read_bytes() == content
    except OSError:
        return False
