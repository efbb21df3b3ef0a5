"""A lesson's recall questions as a small quiz that explains every answer, right or wrong.

    quiz("04_decibel")

The questions of a lesson are a table of text, ``quiz_questions/<stem>.toml``; see its neighbours
for the form. Where no widget lives (a code host, a printed page) the questions stand as text.
"""

from __future__ import annotations

import hashlib
import pathlib
import string
import tomllib
from typing import Any

import anywidget
import traitlets as t

_FOLDER = pathlib.Path(__file__).parent
_QUESTIONS = _FOLDER / "quiz_questions"


class Quiz(anywidget.AnyWidget):
    """Questions with three or four answers each; a click says whether it is right, and why.

    Args:
        title: Name of the lesson, said by a screen reader.
        questions: ``{"text": …, "answers": [{"text": …, "right": …, "why": …}, …]}`` each.

    Attributes:
        tried: For each question the answers chosen so far, as indices, in that order.
    """

    _esm = _FOLDER / "quiz.js"
    _css = _FOLDER / "quiz.css"

    title = t.Unicode("").tag(sync=True)
    questions = t.List(t.Dict()).tag(sync=True)
    tried = t.List(t.List(t.Int())).tag(sync=True)

    def __init__(self, title: str, questions: list[dict[str, Any]]) -> None:
        super().__init__(title=title, questions=questions, tried=[[] for _ in questions])

    @property
    def n_right_at_once(self) -> int:
        """How many questions were answered right at the first try."""
        firsts = (tried[0] if tried else None for tried in self.tried)
        return sum(
            first is not None and question["answers"][first]["right"]
            for first, question in zip(firsts, self.questions, strict=True)
        )

    def as_markdown(self) -> str:
        """The questions and their possible answers as text, without saying which is right."""
        lines = []
        for number, question in enumerate(self.questions, start=1):
            lines += [f"**{number}.** {question['text']}", ""]
            lettered = zip(string.ascii_lowercase, question["answers"], strict=False)
            lines += [f"- ({letter}) {answer['text']}" for letter, answer in lettered] + [""]
        return "\n".join([*lines, "*Run this cell to answer: each answer is explained.*"])

    def __repr__(self) -> str:
        return f"Quiz of {self.title}: {len(self.questions)} questions"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        bundle = super()._repr_mimebundle_(**kwargs)
        data = dict(bundle[0] if isinstance(bundle, tuple) else bundle or {})
        return data | {"text/plain": repr(self), "text/markdown": self.as_markdown()}, {}


def quiz(stem: str) -> Quiz:
    """The recall questions of a lesson; shows itself when it stands last in a cell.

    Args:
        stem: The lesson, for example ``"04_decibel"``.

    Raises:
        ValueError: If the lesson has no questions, or a question is not well formed.
    """
    return Quiz(stem, load_questions(stem))


def known_quizzes() -> list[str]:
    """Stems of all lessons that have questions."""
    return sorted(path.stem for path in _QUESTIONS.glob("*.toml"))


def load_questions(stem: str) -> list[dict[str, Any]]:
    """Read and check the questions of a lesson, with the answers in an order that never changes.

    Raises:
        ValueError: If the lesson has no questions, or a question is not well formed.
    """
    if stem not in known_quizzes():
        raise ValueError(f"stem={stem!r} has no questions; there are {', '.join(known_quizzes())}")
    table = tomllib.loads((_QUESTIONS / f"{stem}.toml").read_text(encoding="utf-8"))
    return [
        _question(entry, f"{stem}, question {i}") for i, entry in enumerate(table["question"], 1)
    ]


def _question(entry: dict[str, Any], place: str) -> dict[str, Any]:
    """One entry of the file as text and shuffled answers, or a sentence about what it lacks."""
    missing = [key for key in ("text", "right", "why", "wrong") if not entry.get(key)]
    if missing or set(entry) - {"text", "right", "why", "wrong"}:
        raise ValueError(f"{place}: it needs exactly text, right, why and [question.wrong]")
    answers = [{"text": entry["right"], "right": True, "why": entry["why"]}]
    answers += [{"text": text, "right": False, "why": why} for text, why in entry["wrong"].items()]
    words = [entry["text"], *(a[key] for a in answers for key in ("text", "why"))]
    if not all(isinstance(text, str) and text.strip() for text in words):
        raise ValueError(f"{place}: an answer or an explanation is empty")
    if len({a["text"] for a in answers}) < len(answers):
        raise ValueError(f"{place}: two answers are the same")
    return {"text": entry["text"], "answers": sorted(answers, key=lambda a: _order(entry, a))}


def _order(entry: dict[str, Any], answer: dict[str, Any]) -> bytes:
    """Shuffled, and the same for everybody for ever: by a hash of the words."""
    return hashlib.sha256(f"{entry['text']} {answer['text']}".encode()).digest()
