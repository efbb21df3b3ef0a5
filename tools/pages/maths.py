r"""Formulas for pages that must work without a network: TeX becomes MathML, with its own font.

Browsers draw MathML themselves, and screen readers read it. What the converter leaves to wish for
is mended here: the space around ``\log``, a minus that is a sign, upright capital Greek. The font
is STIX Two Math (SIL Open Font License), cut down to the characters that the pages use.
"""

from __future__ import annotations

import base64
import html
import importlib.util
import io
import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from fontTools import subset
from fontTools.ttLib import TTFont
from latex2mathml.converter import convert

MATHML = "http://www.w3.org/1998/Math/MathML"
FUNCTIONS = {"log", "ln", "exp", "sin", "cos", "tan", "max", "min"}
THIN_SPACE = "0.167em"
ALWAYS = "0123456789+-−=()[]|√∑∫·×⌊⌋≤≥≈"  # some stand in no text: a root is an element

ElementTree.register_namespace("", MATHML)


def to_mathml(tex: str, *, block: bool = False) -> str:
    """A formula as MathML, with its TeX as ``alttext``.

    Args:
        tex: What stands between the dollar signs.
        block: Whether it stands on a line of its own.

    Raises:
        ValueError: If the converter leaves a part of it as it was.
    """
    root = ElementTree.fromstring(convert(tex, display="block" if block else "inline"))
    _mend(root)
    left = re.findall(r"\\[A-Za-z]+", "".join(root.itertext()))
    if left:
        raise ValueError(f"the formula {tex!r} has {', '.join(left)}, which cannot be converted")
    root.set("alttext", " ".join(tex.split()))
    return ElementTree.tostring(root, encoding="unicode")


def _mend(node: ElementTree.Element) -> None:
    for child in node:
        _mend(child)
    _mend_letters(node)
    _mend_row(node)


def _mend_letters(node: ElementTree.Element) -> None:
    """What concerns one element: escapes, upright Greek, words, widths that are no lengths."""
    text = node.text or ""
    if _name(node) == "mtext":
        node.text = text.replace("\\_", "_")
    elif _name(node) == "mi" and re.fullmatch("[Α-Ω]", text):
        node.set("mathvariant", "normal")
    elif _name(node) == "mo" and text == "/":
        node.attrib.update(lspace="0", rspace="0")
    elif _name(node) == "mspace" and node.get("width") == "negativethinmathspace":
        node.set("width", "-" + THIN_SPACE)
    elif _name(node) == "mrow":
        _join_word(node)


def _join_word(row: ElementTree.Element) -> None:
    """Letters side by side are one word: ``f_{heard}``, ``\\mathrm{round}``."""
    letters = [child.text or "" for child in row]
    same = {_name(child) for child in row} == {"mi"} and all(len(one) == 1 for one in letters)
    if not same or len(letters) < 3:
        return
    for child in list(row):
        row.remove(child)
    word = ElementTree.SubElement(row, f"{{{MATHML}}}mi", mathvariant="normal")
    word.text = "".join(letters)


def _mend_row(node: ElementTree.Element) -> None:
    """What concerns neighbours: the sign of a number, and space around the name of a function."""
    if _name(node) not in ("mrow", "math"):
        return
    children = list(node)
    for before, child in zip([None, *children], children, strict=False):
        if _is_operator(child, "−+") and (before is None or _is_operator(before, "=≈(,")):
            child.set("form", "prefix")
    for place in range(len(children) - 1, -1, -1):
        if not _is_function(children[place]):
            continue
        after = children[place + 1] if place + 1 < len(children) else None
        if after is not None and not _opens(after) and _name(after) != "mspace":
            node.insert(place + 1, _thin_space())
        before = children[place - 1] if place else None
        if before is not None and _name(before) not in ("mo", "mspace"):
            node.insert(place, _thin_space())


def _thin_space() -> ElementTree.Element:
    return ElementTree.Element(f"{{{MATHML}}}mspace", width=THIN_SPACE)


def _name(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]


def _is_operator(node: ElementTree.Element, which: str) -> bool:
    return _name(node) == "mo" and (node.text or "") in tuple(which)


def _is_function(node: ElementTree.Element) -> bool:
    base = node[0] if _name(node) in ("msub", "msup") and len(node) else node
    return _name(base) == "mi" and base.text in FUNCTIONS


def _opens(node: ElementTree.Element) -> bool:
    """Whether something begins with a bracket: then no space stands before it."""
    first = node[0] if _name(node) == "mrow" and len(node) else node
    return _is_operator(first, "([|") or _name(first) == "mo"


def font_css(pages: Iterable[str]) -> str:
    """The style for all formulas: a font with just the characters in these pages, inside.

    Args:
        pages: HTML with MathML in it.
    """
    formulas = "".join("".join(re.findall(r"<math.*?</math>", page, re.DOTALL)) for page in pages)
    letters = set(html.unescape(re.sub(r"<[^>]*>", "", formulas))) | set(ALWAYS)
    packed = base64.b64encode(_font_with(_with_slanted(letters))).decode("ascii")
    return (
        "@font-face { font-family: 'Course Math'; "
        f"src: url(data:font/ttf;base64,{packed}) format('truetype'); }}\n"
        "math { font-family: 'Course Math', math; font-size: 1.08em; }\n"
    )


def _with_slanted(letters: set[str]) -> set[int]:
    """Code points of letters, and of the slanted ones that a browser draws for variables."""
    points = {ord(letter) for letter in letters if letter.isprintable()}
    for first, last, slanted in (("a", "z", 0x1D44E), ("A", "Z", 0x1D434), ("α", "ω", 0x1D6FC)):
        points |= {slanted + ord(x) - ord(first) for x in letters if first <= x <= last}
    special = {"h": 0x210E, "ε": 0x1D700, "ϵ": 0x1D716, "φ": 0x1D711, "ϕ": 0x1D719}
    return points | {point for letter, point in special.items() if letter in letters}


def _font_with(points: set[int]) -> bytes:
    """STIX Two Math with only these characters, and the larger forms that belong to them."""
    package = importlib.util.find_spec("ziamath").submodule_search_locations[0]  # not imported
    font = TTFont(Path(package) / "fonts" / "STIXTwoMath-Regular.ttf")
    options = subset.Options(hinting=False, notdef_outline=True)
    options.layout_features = ["*"]
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=points)
    cutter.subset(font)
    small = io.BytesIO()
    font.save(small)
    return small.getvalue()
