"""Bytes from the page to the kernel: in small pieces, counted, bounded and never lost in silence.

A Jupyter server drops every message of more than 10 MB without a word. So the JavaScript half
(``bytes_in.js``) sends pieces of a quarter of a megabyte, and each of them is answered here.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets as t

_FOLDER = pathlib.Path(__file__).parent


def module_text(name: str) -> str:
    """The JavaScript of a widget that sends bytes: a module from a blob cannot import another."""
    texts = [(_FOLDER / part).read_text(encoding="utf-8") for part in ("bytes_in.js", name)]
    return "\n".join(texts)


class BytesIn(anywidget.AnyWidget):
    """A widget whose page sends bytes. A subclass says how many, and takes them.

    Attributes:
        said: What the widget tells about the last bytes.
        error: One sentence about what was wrong with them; empty if nothing was.
    """

    said = t.Unicode("").tag(sync=True)
    error = t.Unicode("").tag(sync=True)
    large_type = t.Bool(False).tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        self._transfer: _Transfer | None = None
        super().__init__(**kwargs)
        self.on_msg(self._on_message)

    # ---- what a subclass fills in

    def _most_bytes(self) -> int:
        raise NotImplementedError

    def _take(self, content: bytearray, about: dict[str, Any]) -> str:
        """Use the bytes; returns what to say. A ValueError is shown as it is."""
        raise NotImplementedError

    # ---- the way in

    def _on_message(self, _widget: Any, content: Any, buffers: Any) -> None:
        """One message of the page. Whatever it holds, the worst that comes of it is a sentence."""
        if not isinstance(content, dict) or not isinstance(content.get("id"), int):
            return
        number, kind = content["id"], content.get("type")
        try:
            if kind == "start":
                self.error = ""
                self._transfer = _Transfer(number, content, self._most_bytes())
            elif self._transfer is None or self._transfer.number != number:
                return  # a piece of something that was stopped
            elif kind == "stop":
                self._transfer = None
                return
            elif kind == "piece":
                self._transfer.add(content.get("start"), buffers)
            else:
                return
            self.send({"type": "have", "id": number, "n_bytes": self._transfer.n_there})
            if self._transfer.is_complete:
                transfer, self._transfer = self._transfer, None
                self.said = self._take(transfer.content, transfer.about)
                self.send({"type": "taken", "id": number})
        except Exception as problem:  # whatever it is, the student reads it in the widget
            self._transfer = None
            self.error = one_sentence(problem)
            self.send({"type": "refused", "id": number})


class _Transfer:
    """Bytes that are on their way, in the order in which they were sent."""

    def __init__(self, number: int, start: dict[str, Any], most_bytes: int) -> None:
        n_bytes, about = start.get("n_bytes"), start.get("about")
        if isinstance(n_bytes, bool) or not isinstance(n_bytes, int) or n_bytes < 0:
            raise ValueError("The page did not say how many bytes it has. Please try again.")
        if n_bytes > most_bytes:
            raise ValueError(
                f"The page has {n_bytes / 1e6:.1f} MB, and at most {most_bytes / 1e6:g} MB can be "
                "taken. Cut out the part that you need."
            )
        self.number = number
        self.about = about if isinstance(about, dict) else {}
        self.content = bytearray(n_bytes)
        self.n_there = 0

    @property
    def is_complete(self) -> bool:
        return self.n_there == len(self.content)

    def add(self, start: Any, buffers: Any) -> None:
        """Put the next piece behind those that are there."""
        piece = memoryview(buffers[0]).cast("B") if buffers else memoryview(b"")
        end = self.n_there + len(piece)
        if start != self.n_there or not piece or end > len(self.content):
            raise ValueError("A part of the sound was lost on its way. Please try again.")
        self.content[self.n_there : end] = piece
        self.n_there = end


def call_back(callback: Callable[..., object], *values: Any) -> None:
    """Call a function that somebody gave; what it raises becomes one sentence with its name.

    Raises:
        ValueError: If the function raised.
    """
    try:
        callback(*values)
    except Exception as problem:
        name = getattr(callback, "__name__", "the function")
        raise ValueError(
            f"The sound is here, but {name} raised {type(problem).__name__}: {problem}"
        ) from problem


def one_sentence(problem: BaseException) -> str:
    """An error as one line that begins with a capital and ends with a stop."""
    text = " ".join(str(problem).split()) or type(problem).__name__
    first = text.split()[0]
    text = (first.capitalize() if first.isalpha() and first.islower() else first) + text[
        len(first) :
    ]
    return text if text.endswith((".", "!", "?")) else text + "."
