"""Looks at a finished site or deck as files: whether it needs anything that is not in it."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

_LOADS = {"img": "src", "script": "src", "audio": "src", "source": "src", "iframe": "src"}


def site_problems(folder: Path) -> list[str]:
    """All problems of all pages, one sentence each; empty if the site stands on its own.

    Args:
        folder: With the HTML files, no folders of pages below it.
    """
    pages = {path.name: _soup(path) for path in sorted(folder.glob("*.html"))}
    ids = {name: Counter(t["id"] for t in soup.find_all(id=True)) for name, soup in pages.items()}
    found = []
    for name, soup in pages.items():
        problems = [
            *_doubled_ids(ids[name]),
            *_missing_alternatives(soup),
            *_loads_from_elsewhere(soup, folder),
            *_broken_links(soup, name, folder, ids),
        ]
        found += [f"{name}: {problem}" for problem in problems]
    for style in sorted(folder.rglob("*.css")):
        found += [f"{style.name}: {one}" for one in _style_problems(style.read_text("utf-8"))]
    return found


def _soup(path: Path) -> BeautifulSoup:
    """A page without the long data in it, which no check reads."""
    text = re.sub(r"(data:[\w/+.-]+;base64,)[A-Za-z0-9+/=]+", r"\1", path.read_text("utf-8"))
    text = re.sub(r'(type="application/json"[^>]*>).*?(</script>)', r"\1\2", text, flags=re.DOTALL)
    return BeautifulSoup(text, "html.parser")


def _doubled_ids(ids: Counter) -> Iterator[str]:
    for name, count in ids.items():
        if count > 1:
            yield f"{count} elements have the id {name}"


def _missing_alternatives(soup: BeautifulSoup) -> Iterator[str]:
    for image in soup.find_all("img"):
        if not (image.get("alt") or "").strip():
            yield f"a picture has no alternative text ({_place(image)})"


def _loads_from_elsewhere(soup: BeautifulSoup, folder: Path) -> Iterator[str]:
    """What the page would load by itself has to lie beside it, or in it."""
    for tag in soup.find_all([*_LOADS, "link"]):
        target = tag.get("href" if tag.name == "link" else _LOADS[tag.name])
        if not target or target.startswith("data:"):
            continue
        if urlsplit(target).scheme or target.startswith("//"):
            yield f"it loads {target} from elsewhere"
        elif not (folder / target).is_file():
            yield f"it loads {target}, which is not there"
    for style in soup.find_all("style"):
        yield from _style_problems(style.string or "")


def _style_problems(text: str) -> Iterator[str]:
    for target in re.findall(r"url\(\s*['\"]?([^)'\"]+)|@import\s+['\"]([^'\"]+)", text):
        if not "".join(target).startswith(("data:", "#")):
            yield f"its style loads {''.join(target)}"


def _broken_links(
    soup: BeautifulSoup, name: str, folder: Path, ids: dict[str, Counter]
) -> Iterator[str]:
    for link in soup.find_all("a", href=True):
        parts = urlsplit(link["href"])
        if parts.scheme:
            continue  # a web address that a reader may follow; nothing depends on it
        page = posixpath.normpath(parts.path) if parts.path else name
        if not (folder / page).is_file():
            yield f"a link leads to {link['href']}, which is not there"
        elif parts.fragment and unquote(parts.fragment) not in ids.get(page, {}):
            yield f"a link leads to {link['href']}, and that page has no such place"


def _place(tag: Tag) -> str:
    above = tag.find_parent(id=True)
    return f"in {above['id']}" if above else "outside of any cell"
