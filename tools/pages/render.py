"""Cells of a notebook as HTML, through nbconvert with the template ``templates/cells``."""

from __future__ import annotations

import base64
import html
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from nbconvert.exporters import TemplateExporter
from nbconvert.filters import Highlight2HTML
from traitlets.config import Config

from tools.pages.text import PageText
from tools.run_notebooks import WIDGET_VIEW

HERE = Path(__file__).parent
PRIORITY = ["text/html", "image/png", "text/markdown", "text/plain"]
_FRAME = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
)


@dataclass
class Place:
    """What a page does with one cell.

    Args:
        shown: Whether the cell is there at all.
        before: HTML before it.
        after: HTML after it.
        kind: A further class.
        attributes: Further attributes, beginning with a space.
        fold: If not empty, the code is folded away behind this line.
    """

    shown: bool = True
    before: str = ""
    after: str = ""
    kind: str = ""
    attributes: str = ""
    fold: str = ""


def cells_html(notebook: Any, text: PageText, places: list[Place]) -> str:
    """All cells of an executed notebook as HTML; ``text`` notes the headings.

    Args:
        notebook: With outputs.
        text: Converts its Markdown.
        places: What to do with each cell, in order.
    """
    for cell, place in zip(notebook.cells, places, strict=True):
        cell.metadata["page"] = place.__dict__
    config = Config(NbConvertBase={"display_data_priority": PRIORITY})
    exporter = TemplateExporter(
        template_name="cells",
        extra_template_basedirs=[str(HERE / "templates")],
        file_extension=".html",
        config=config,
    )
    filters = {
        "markdown2html": text.to_html,
        "highlight_code": Highlight2HTML(pygments_lexer="ipython3"),
        "alternative_text": alternative_text,
        "image_size": image_size,
        "is_widget": is_widget,
    }
    for name, function in filters.items():
        exporter.register_filter(name, function)
    body, _ = exporter.from_notebook_node(notebook)
    return body


def frame(template: str, **values: Any) -> str:
    """A whole page around its parts; see ``templates/*.html.j2``."""
    return _FRAME.get_template(template).render(**values)


def static(name: str) -> str:
    """The text of a file in ``static/``."""
    return (HERE / "static" / name).read_text(encoding="utf-8")


def alternative_text(output: Any) -> str:
    """What a picture shows, in words, as the lessons give them beside each picture."""
    return html.escape(output.data.get("text/plain", "").strip("'\""))


def is_widget(output: Any) -> bool:
    """Whether an output is the picture of something that would live in a notebook."""
    return WIDGET_VIEW in output.data


def image_size(output: Any) -> str:
    """Width and height as attributes, so that the page does not jump when a picture arrives."""
    head = base64.b64decode(output.data["image/png"][:64].replace("\n", ""))[:24]
    if not head.startswith(b"\x89PNG"):
        return ""
    width, height = struct.unpack(">II", head[16:24])
    return f' width="{width}" height="{height}"'


def title_of(notebook: Any) -> str:
    """The first heading of a notebook, without its mark."""
    found = re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)
    return found[1].strip() if found else "Untitled"
