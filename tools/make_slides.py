"""Builds slides from the lessons: one file each, with everything in it, for a room off the net.

    python3 course.py slides               all lessons, into build/slides
    python3 course.py slides 02_stft       one of them
    python3 course.py slides 02 --out ~    into another folder

Open the file in a browser. Arrows turn the slides, F fills the screen, and the button «Keys» tells
the rest. What is a slide, a step of it, or no slide at all stands in the notebooks: the slide type
in JupyterLab's property inspector. The same explorers as in the lessons are alive in them.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import sys
from pathlib import Path
from typing import Any

from tools import make_site
from tools.pages import collect
from tools.pages.check import site_problems
from tools.pages.maths import font_css
from tools.pages.render import Place, cells_html, frame, static, title_of
from tools.pages.text import PageText

PROJECT = Path(__file__).resolve().parents[1]
BEGINS = ("slide", "subslide")
EXPLORER = re.compile(r'(<script type="application/json" class="sp-state">)(.*?)(</script>)', re.S)
ROOM = 590  # px for an explorer on a screen of 1280 x 720, under a heading
ROOM_AROUND, ROOM_AROUND_A_LANE = 170, 26  # of them: transport and read-out, title and axis


def build(notebooks: list[Path], out: Path, *, cache: Path = make_site.CACHE) -> list[str]:
    """Write one deck for each lesson.

    Args:
        notebooks: The lessons.
        out: Folder to write into; made if it is not there.
        cache: Folder that keeps what the lessons computed.

    Returns:
        What is wrong with the result, one sentence each.
    """
    out.mkdir(parents=True, exist_ok=True)
    names = {f"notebooks/{path.name}": f"{path.stem}.html" for path in notebooks}
    for path, notebook in collect.executed(notebooks, cache).items():
        (out / f"{path.stem}.html").write_text(deck_html(notebook, names), "utf-8", newline="\n")
    return site_problems(out)


def deck_html(notebook: Any, names: dict[str, str]) -> str:
    """An executed notebook as a deck of slides in one page."""
    slides = cells_html(notebook, PageText("notebooks", names), places(notebook))
    slides = EXPLORER.sub(_with_lower_lanes, slides)
    style = [font_css([slides]), static("common.css"), make_site.quiz_style(), static("deck.css")]
    script = f"{make_site.widgets_script()}\n{static('deck.js')}"
    return frame(
        "deck.html.j2",
        title=title_of(notebook),
        slides=slides,
        style="\n".join(style),
        theme=static("theme.js"),
        head=make_site.explorer_head(slides),
        script=script.replace("</script", r"<\/script"),
    )


def _with_lower_lanes(match: re.Match) -> str:
    """An explorer whose lanes are as high as a slide has room for."""
    state = json.loads(match[2])
    lanes = state["traits"]["lanes"]
    room = ROOM - ROOM_AROUND - ROOM_AROUND_A_LANE * len(lanes)
    factor = min(1.0, max(0.4, room / sum(lane["height"] for lane in lanes)))
    for lane in lanes:
        lane["height"] = round(factor * lane["height"])
    text = json.dumps(state, separators=(",", ":")).replace("<", r"\u003c")
    return match[1] + text + match[3]


def places(notebook: Any) -> list[Place]:
    """What the deck does with each cell, by its slide type."""
    found: list[Place] = []
    title = "Slide"
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "-")
        place = Place(shown=kind != "skip", kind=_kind(cell, kind))
        heading = re.search(r"^#{1,3} (.+)$", cell.source, re.MULTILINE)
        is_headed = cell.cell_type == "markdown" and heading is not None
        if is_headed and kind != "skip":
            title = re.sub(r"[*`$]", "", heading[1]).strip()
        if kind in BEGINS:
            is_first = not any(place.before for place in found)
            place.before = _opening(title, kind, is_first=is_first, is_headed=is_headed)
        found.append(place)
    _close(found)
    return found


def _kind(cell: Any, slide_type: str) -> str:
    """Classes of a cell: a step, a note, a prediction, code that steps back behind its picture."""
    data = [output.get("data", {}) for output in cell.get("outputs", [])]
    shows_picture = any({"image/png", "text/html"} & set(kinds) for kinds in data)
    classes = {
        "step": slide_type == "fragment",
        "notes": slide_type == "notes",
        "predict": cell.source.startswith("**Predict:**"),
        "quiet": shows_picture,
    }
    return " ".join(name for name, wanted in classes.items() if wanted)


def _opening(title: str, kind: str, *, is_first: bool, is_headed: bool) -> str:
    running = "" if is_headed else f'<p class="running">{html.escape(title)}</p>'
    classes = "slide" + (" sub" if kind == "subslide" else "") + (" now" if is_first else "")
    name = html.escape(title)
    return (
        f'<section class="{classes}" data-title="{name}" aria-label="{name}" tabindex="-1">'
        f'<div class="inner">\n{running}'
    )


def _close(found: list[Place]) -> None:
    """End each slide before the next one begins."""
    begun = [place for place in found if place.before]
    for place in begun[1:]:
        place.before = "</div></section>\n" + place.before
    if begun:
        found[-1].after = "</div></section>"


def main(arguments: list[str] | None = None) -> int:
    """Build the chosen decks and return the exit code."""
    parser = argparse.ArgumentParser(prog="course.py slides", description=__doc__.split("\n")[0])
    parser.add_argument("lessons", nargs="*", help="only these, like 02 or 03_mel")
    parser.add_argument("--out", type=Path, default=PROJECT / "build" / "slides", help="folder")
    options = parser.parse_args(arguments)
    lessons = make_site.chosen(options.lessons)
    if not lessons:
        print("No lesson begins with:", *options.lessons)
        return 2
    out = options.out.expanduser()
    try:
        problems = build(lessons, out)
    except collect.LessonFailedError as error:
        print(error)
        return 1
    for problem in problems:
        print(problem)
    for path in lessons:
        file = out / f"{path.stem}.html"
        print(f"{file}  {file.stat().st_size / 1e6:.1f} MB")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
