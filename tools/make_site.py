"""Builds the lessons as web pages that need no server, no network and no Python to be read.

    python3 course.py site                     into build/site; open index.html there
    python3 course.py site --out ~/lessons     into another folder
    python3 course.py site 00 02               only these lessons (their links to others stay out)

The lessons are run first, each in a fresh kernel, and what does not change is not run again. The
explorers and players in the pages are alive: the browser computes their pictures itself.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup

from tools.pages import collect
from tools.pages.check import site_problems
from tools.pages.maths import font_css
from tools.pages.render import Place, cells_html, frame, static, title_of
from tools.pages.text import Heading, PageText

PROJECT = Path(__file__).resolve().parents[1]
CACHE = PROJECT / "build" / "executed"
DOCS = ("pitfalls", "results", "benchmarks", "scaling", "teaching")
FOOTER = (
    "Seeing Sound. Lessons under CC BY 4.0, code under MIT. To change a cell and run it: "
    "<code>python3 course.py lab</code>"
)


@dataclass
class Page:
    """One page of the site.

    Args:
        file: Its name.
        label: Its name in lists.
        article: Its HTML, without the frame.
        headings: For its contents.
        apart: Whether lists show a line before it.
    """

    file: str
    label: str
    article: str
    headings: list[Heading]
    apart: bool = False


def build(notebooks: list[Path], out: Path, *, cache: Path = CACHE, docs: bool = True) -> list[str]:
    """Write the site.

    Args:
        notebooks: The lessons, in order.
        out: Folder to write into; made if it is not there.
        cache: Folder that keeps what the lessons computed.
        docs: Whether the pages of docs/ belong to it.

    Returns:
        What is wrong with the result, one sentence each.
    """
    sources = [PROJECT / "docs" / f"{name}.md" for name in DOCS] if docs else []
    sources = [source for source in sources if source.exists()]
    names = {f"notebooks/{path.name}": f"{path.stem}.html" for path in notebooks}
    names |= {f"docs/{source.name}": f"{source.stem}.html" for source in sources}
    run = collect.executed(notebooks, cache)
    pages = [lesson_page(path.stem, run[path], names) for path in notebooks]
    pages += [document_page(source, names) for source in sources]
    for page in pages[len(notebooks) : len(notebooks) + 1]:
        page.apart = True
    write(out, [index_page(pages, len(notebooks)), *pages])
    return site_problems(out)


def lesson_page(stem: str, notebook: Any, names: dict[str, str]) -> Page:
    """An executed notebook as a page."""
    text = PageText("notebooks", names)
    article = cells_html(notebook, text, [place(cell, notebook) for cell in notebook.cells])
    return Page(f"{stem}.html", title_of(notebook), article, text.headings)


def place(cell: Any, notebook: Any) -> Place:
    """How a page shows a cell: predictions stand out, imports and remarks to teachers step back."""
    first_code = next((c for c in notebook.cells if c.cell_type == "code"), None)
    if cell is first_code and cell.source.startswith(("import ", "from ")):
        return Place(fold="Imports")
    if cell.metadata.get("slideshow", {}).get("slide_type") == "notes":
        return Place(kind="teacher")
    if cell.cell_type == "markdown" and cell.source.startswith("**Predict:**"):
        return Place(kind="predict")
    return Place()


def document_page(source: Path, names: dict[str, str]) -> Page:
    """A Markdown file as a page."""
    text = PageText(source.parent.name, names)
    article = f'<div class="page">{text.to_html(source.read_text("utf-8"))}</div>'
    title = text.headings[0].text if text.headings else source.stem
    return Page(f"{source.stem}.html", title, article, text.headings)


def index_page(pages: list[Page], n_lessons: int) -> Page:
    """The first page: what this is, and a card for each lesson."""
    cards = "".join(_card(page) for page in pages[:n_lessons])
    links = "".join(f'<li><a href="{p.file}">{p.label}</a></li>' for p in pages[n_lessons:])
    more = f"<h2 id='more'>Beside the lessons</h2><ul>{links}</ul>" if links else ""
    return Page("index.html", "Seeing Sound", frame("index.html.j2", cards=cards, more=more), [])


def _card(page: Page) -> str:
    name, _, question = page.label.partition(": ")
    minutes = re.search(r"<strong>Time:</strong> (about \d+ minutes)", page.article)
    told = ". ".join([question[:1].upper() + question[1:], *([minutes[1]] if minutes else [])])
    told = told.replace("?.", "?").replace("? about", "? About").replace(". about", ". About")
    return f'<li><a href="{page.file}"><strong>{name}</strong><small>{told}</small></a></li>'


def write(out: Path, pages: list[Page]) -> None:
    """Write all pages and what they share."""
    assets = out / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    others = pages[1:]
    for before, page, after in zip([None, *pages], pages, [*others, None], strict=False):
        turn = {"before": before, "after": after}
        (out / page.file).write_text(_framed(page, pages, turn), "utf-8", newline="\n")
    style = static("common.css") + static("site.css")
    shared = {
        "site.css": font_css(page.article for page in pages) + style + quiz_style(),
        "theme.js": static("theme.js"),
        "site.js": static("site.js"),
        "widgets.js": widgets_script(),
        "search-index.js": search_index(others),
    }
    for name, content in shared.items():
        (assets / name).write_text(content, "utf-8", newline="\n")


def _framed(page: Page, pages: list[Page], turn: dict[str, Page | None]) -> str:
    return frame(
        "page.html.j2",
        title=page.label,
        is_index=page is pages[0],
        file=page.file,
        head=explorer_head(page.article),
        entries=[
            {"file": p.file, "label": "Overview" if p is pages[0] else p.label, "apart": p.apart}
            for p in pages
        ],
        article=page.article,
        headings=[h for h in page.headings if h.level in (2, 3)],
        footer=FOOTER,
        **turn,
    )


def explorer_head(article: str) -> str:
    """Style and script of the explorers, where a page has one."""
    if 'class="sp-explorer"' not in article:
        return ""
    from course_utils.explorers.page import page_head

    return page_head()


def widgets_script() -> str:
    """The quiz of the notebooks, and the host that gives it a model in a page."""
    quiz = (PROJECT / "course_utils" / "quiz.js").read_text("utf-8")
    quiz = re.sub(r"^export default (.*);$", r"return \1;", quiz, flags=re.MULTILINE)
    quiz = re.sub(r"^export ", "", quiz, flags=re.MULTILINE)
    return f"const quizWidget = (() => {{\n{quiz}}})();\n\n{static('widgets.js')}"


def quiz_style() -> str:
    """The look of the quiz, from the notebooks."""
    return (PROJECT / "course_utils" / "quiz.css").read_text("utf-8")


def search_index(pages: list[Page]) -> str:
    """A script with the text of every section: ``{page, title, to, text}``."""
    sections = [section for page in pages for section in _sections(page)]
    data = json.dumps(sections, ensure_ascii=False, separators=(",", ":"))
    return f"window.SEARCH_INDEX = {data};\n"


def _sections(page: Page) -> list[dict[str, str]]:
    """The text under each heading of a page, without code that is folded away and without data."""
    bare = re.sub(r"<script.*?</script>|<img[^>]*>|<svg.*?</svg>", " ", page.article, flags=re.S)
    soup = BeautifulSoup(bare, "html.parser")
    for tag in soup.select(".anchor, details.fold, noscript"):
        tag.decompose()
    for formula in soup.find_all("math"):
        formula.replace_with(f" {formula.get('alttext', '')} ")
    sections: list[dict[str, Any]] = []
    for piece in soup.find_all(string=True):
        heading = piece.find_parent(re.compile("^h[1-6]$"))
        if heading is not None and heading.get("id"):
            to = f"{page.file}#{heading['id']}"
            if not sections or sections[-1]["to"] != to:
                title = " ".join(heading.get_text().split())
                sections.append({"page": page.label, "title": title, "to": to, "text": []})
        elif sections:
            sections[-1]["text"].append(str(piece))
    return [one | {"text": " ".join(" ".join(one["text"]).split())} for one in sections]


def chosen(wanted: list[str]) -> list[Path]:
    """The lessons, or those whose name begins with one of ``wanted``."""
    lessons = sorted((PROJECT / "notebooks").glob("*.ipynb"))
    return [path for path in lessons if not wanted or path.stem.startswith(tuple(wanted))]


def main(arguments: list[str] | None = None) -> int:
    """Build the site and return the exit code."""
    parser = argparse.ArgumentParser(prog="course.py site", description=__doc__.split("\n")[0])
    parser.add_argument("lessons", nargs="*", help="only these, like 00 02_stft")
    parser.add_argument("--out", type=Path, default=PROJECT / "build" / "site", help="folder")
    options = parser.parse_args(arguments)
    lessons = chosen(options.lessons)
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
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{len(lessons)} lessons, {size / 1e6:.0f} MB. Open {out / 'index.html'} in a browser.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
