"""Markdown of a lesson as HTML: formulas as MathML, headings with anchors, links that fit."""

from __future__ import annotations

import html
import itertools
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from tools.pages.maths import to_mathml

_CELLS_OF = re.compile(r"\]\(([^)]*?(\d\d_\w+)\.ipynb)\)((?:,? `[a-z][a-z0-9-]*`)+)")


@dataclass
class Heading:
    """A heading of a page: its level (1 to 6), its text without marks, and its anchor."""

    level: int
    text: str
    anchor: str


@dataclass
class PageText:
    """Converts the Markdown of one page, and notes its headings while it does.

    Args:
        folder: Where the source stands, from the project's root, like ``"notebooks"``.
        pages: Source path -> file name in the site, like ``"docs/pitfalls.md": "pitfalls.html"``.
    """

    folder: str
    pages: dict[str, str]
    headings: list[Heading] = field(default_factory=list)

    def to_html(self, source: str) -> str:
        """One piece of Markdown as HTML."""
        renderer = _Renderer(self.heading_anchor, self.link)
        return MarkdownWithMath(renderer=renderer).render(_with_cell_links(source))

    def heading_anchor(self, level: int, marked: str) -> str:
        """An anchor that no other heading of this page has."""
        text = html.unescape(re.sub(r"<[^>]+>", "", marked))
        taken = {heading.anchor for heading in self.headings}
        anchors = itertools.chain([slug(text)], (f"{slug(text)}-{n}" for n in itertools.count(2)))
        anchor = next(one for one in anchors if one not in taken)
        self.headings.append(Heading(level, text, anchor))
        return anchor

    def link(self, target: str) -> str | None:
        """Where a link leads in the site: ``None`` if what it names is no part of it."""
        if re.match(r"[a-z]+:", target):
            return target
        file, _, anchor = target.partition("#")
        anchor = f"#{anchor if anchor.startswith('cell-') else slug(anchor)}" if anchor else ""
        if not file:
            return anchor
        page = self.pages.get(posixpath.normpath(posixpath.join(self.folder, file)))
        return page + anchor if page else None


def slug(text: str) -> str:
    """A heading as an anchor: lower case, hyphens between words."""
    return re.sub(r"[^\w]+", "-", text.lower()).strip("-") or "part"


def _with_cell_links(source: str) -> str:
    """In a table like docs/pitfalls.md, make names of cells behind a lesson links to the cells."""

    def linked(match: re.Match) -> str:
        cells = re.sub(r"`([a-z0-9-]+)`", rf"[`\1`]({match[1]}#cell-\1)", match[3])
        return f"]({match[1]}){cells}"

    return _CELLS_OF.sub(linked, source)


class _Renderer(IPythonRenderer):
    """nbconvert's, with our headings, links, tables and formulas."""

    def __init__(
        self, anchor_of: Callable[[int, str], str], link_of: Callable[[str], str | None]
    ) -> None:
        super().__init__(escape=False)
        self._anchor_of, self._link_of = anchor_of, link_of

    def heading(self, text: str, level: int, **attrs: object) -> str:
        anchor = self._anchor_of(level, text)
        mark = f'<a class="anchor" href="#{anchor}" aria-label="Link to this heading">#</a>'
        return f'<h{level} id="{anchor}">{text} {mark}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        target = self._link_of(url)
        if target is None:  # a file of the course that is no page: say where it is
            where = html.escape(re.sub(r"^(\.\./)+", "", url))
            return f'<span class="file" title="in the folder of the course: {where}">{text}</span>'
        return super().link(text, html.escape(target), title)

    def table(self, text: str) -> str:
        return f'<div class="table" data-label="table">\n<table>{text}</table></div>\n'

    def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
        tag = "th" if head and text.strip() else "td"  # an empty header cell heads nothing
        style = f' style="text-align:{align}"' if align else ""
        scope = ' scope="col"' if tag == "th" else ""
        return f"<{tag}{scope}{style}>{text}</{tag}>\n"

    def block_math(self, body: str) -> str:
        return f'<span class="formula">{to_mathml(body, block=True)}</span>'

    def multiline_math(self, text: str) -> str:
        return self.block_math(text.strip().strip("$"))

    def inline_math(self, body: str) -> str:
        return to_mathml(body)
