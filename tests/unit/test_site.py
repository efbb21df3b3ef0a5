"""The lessons as pages and as slides: whole, readable by a screen reader, off the net.

A small notebook made here holds one of everything; the real lessons 00 and 02 are built, too.
"""

from __future__ import annotations

import io
import json
import re
from base64 import b64decode
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import make_site, make_slides
from tools.pages import check, collect, maths, text

PROJECT = Path(__file__).resolve().parents[2]
LESSONS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
PAIR = [path for path in LESSONS if path.stem in ("00_start", "02_stft")]
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", re.DOTALL)


IMPORTS = """
import matplotlib.pyplot as plt
from course_utils import plots
from course_utils.explorers import explore_stft, explore_waveform
from course_utils.quiz import quiz
from course_utils.signal import make_tone
from course_utils.sound_view import listen
"""
TONE = "tone = make_tone(440.0, sample_rate=8000, duration_s=0.2)\nprint('a < b & c')"
FIGURE = """
fig, ax = plt.subplots()
ax.plot(tone[:50])
ax.set(xlabel="sample", ylabel="amplitude")
plots.show_figure('Five and a half "periods" of a sine.')
"""
FORMULA_AND_LINK = (
    "## Twice\n\n$$L = 10 \\log_{10} \\frac{P}{P_\\text{ref}}$$\n\nand [back](#twice-2)"
)
TABLE = "## Twice\n\n| a | |\n|---|---|\n| $x$ | [a file](../README.md) |"
SMALL = [  # slide type, kind of cell, source
    ("slide", "markdown", "# 99 Small: does it all arrive?\n\n**Time:** about 1 minutes"),
    ("skip", "code", IMPORTS.strip()),
    ("slide", "markdown", FORMULA_AND_LINK),
    ("fragment", "code", TONE),
    ("fragment", "code", "listen(tone, 8000, title='a tone')"),
    ("subslide", "markdown", TABLE),
    ("subslide", "code", "explore_stft(tone, 8000, n_fft=256, hop_length=64)"),
    ("subslide", "code", "explore_waveform(tone, 8000)"),
    ("fragment", "code", FIGURE.strip()),
    ("notes", "markdown", "For the teacher: a remark."),
    ("slide", "code", "quiz('00_start')"),
]


def small_notebook():
    """One of everything that a lesson has, in a second of computing."""
    make = {"markdown": new_markdown_cell, "code": new_code_cell}
    place = [{"slideshow": {"slide_type": slide_type}} for slide_type, _, _ in SMALL]
    cells = [make[kind](source) for _, kind, source in SMALL]
    for cell, metadata in zip(cells, place, strict=True):
        cell.metadata.update(metadata)
    return new_notebook(cells=cells)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The small notebook as a site and as a deck: ``(site, deck)``."""
    folder = tmp_path_factory.mktemp("small")
    path = folder / "99_small.ipynb"
    nbformat.write(small_notebook(), path)
    site_problems = make_site.build([path], folder / "site", cache=folder / "cache", docs=False)
    deck_problems = make_slides.build([path], folder / "slides", cache=folder / "cache")
    assert site_problems == deck_problems == []
    return folder / "site", folder / "slides"


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Lessons 00 and 02 as a site and as decks."""
    folder = tmp_path_factory.mktemp("real")
    assert make_site.build(PAIR, folder / "site") == []
    assert make_slides.build(PAIR, folder / "slides") == []
    return folder / "site", folder / "slides"


def soup(folder, name="99_small.html"):
    return BeautifulSoup((folder / name).read_text("utf-8"), "html.parser")


# ---- formulas -----------------------------------------------------------------------------------


def lesson_formulas():
    """``(TeX, on a line of its own)`` of every formula in the lessons."""
    found = set()
    for path in LESSONS:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                found |= {(m[1] or m[2], bool(m[1])) for m in FORMULA.finditer(cell.source)}
    return sorted(found)


def test_every_formula_of_the_lessons_becomes_mathml_in_a_font_that_has_its_letters():
    formulas = [maths.to_mathml(tex, block=block) for tex, block in lesson_formulas()]
    assert len(formulas) > 80
    assert all(
        one.startswith("<math ") and "\\" not in re.sub('alttext="[^"]*"', "", one)
        for one in formulas
    )
    packed = re.search(r"base64,([^)]+)\)", maths.font_css(formulas))[1]
    font = TTFont(io.BytesIO(b64decode(packed)))
    letters = set("".join(BeautifulSoup(one, "html.parser").get_text() for one in formulas))
    assert "MATH" in font  # without that table brackets and roots do not grow
    assert [
        x
        for x in letters
        if x.isprintable() and not x.isspace() and ord(x) not in font.getBestCmap()
    ] == []
    assert len(packed) < 150_000


def test_function_names_have_air_around_them_but_not_before_a_bracket():
    level = maths.to_mathml(r"20 \log_{10} a")
    assert level.count(f'<mspace width="{maths.THIN_SPACE}" />') == 2
    sine = maths.to_mathml(r"\sin(x)")
    assert "mspace" not in sine


def test_a_minus_that_is_a_sign_stands_close_to_its_number():
    assert 'form="prefix"' in maths.to_mathml("X[2] = -4j")
    assert 'form="prefix"' not in maths.to_mathml("N - 1")


def test_words_in_a_formula_are_words():
    assert '<mi mathvariant="normal">heard</mi>' in maths.to_mathml("f_{heard}")
    assert (
        "mel_spec" in BeautifulSoup(maths.to_mathml(r"\text{mel\_spec}"), "html.parser").get_text()
    )


def test_formula_that_cannot_be_converted_is_named():
    with pytest.raises(ValueError, match=r"\\unknown"):
        maths.to_mathml(r"\unknown + 1")


# ---- text ---------------------------------------------------------------------------------------


def test_headings_that_say_the_same_have_anchors_of_their_own():
    page = text.PageText("notebooks", {})
    page.to_html("# A `b` c\n\n## Twice\n\n## Twice\n\n## Twice 2")
    assert [one.anchor for one in page.headings] == ["a-b-c", "twice", "twice-2", "twice-2-2"]


def test_links_follow_their_lesson_and_names_of_cells_lead_to_the_cells():
    page = text.PageText("docs", {"notebooks/02_stft.ipynb": "02_stft.html"})
    cells = page.to_html("[02](../notebooks/02_stft.ipynb) `leak-numbers`, `periodic-code`")
    assert re.findall('href="([^"]*)"', cells) == [
        "02_stft.html",
        "02_stft.html#cell-leak-numbers",
        "02_stft.html#cell-periodic-code",
    ]
    assert 'href="02_stft.html#the-window"' in page.to_html(
        "[w](../notebooks/02_stft.ipynb#The-window)"
    )
    nowhere = page.to_html("[r](../README.md)")
    assert "<a" not in nowhere
    assert "README.md" in nowhere


# ---- the small notebook -------------------------------------------------------------------------


def test_page_has_all_cells_and_says_what_each_picture_shows(small):
    page = soup(small[0])
    assert len(page.select("main .cell")) == 11
    figure = page.select_one("figure img")
    assert figure["alt"] == 'Five and a half "periods" of a sine.'
    assert int(figure["width"]) > 100
    assert page.select_one(".printed").get_text().strip() == "a < b & c"
    assert page.select_one("details.fold summary").get_text() == "Imports"
    assert page.select_one(".cell.teacher").get_text().strip().startswith("For the teacher")
    assert page.find("math", display="block") is not None
    assert [a["href"] for a in page.select(".contents a")] == ["#twice", "#twice-2"]


def test_explorers_players_and_quiz_come_with_all_they_need(small):
    page = soup(small[0])
    assert [n > 0 for n in n_controls(page)] == [False, True, False]
    needy = [one.find_previous("section")["aria-label"] for one in page.select(".needs")]
    assert needy == ["Waveform explorer"]
    quiz = json.loads(page.select_one(".quiz-place script").string)
    assert len(quiz["questions"]) == 5
    n_answers = sum(len(question["answers"]) for question in quiz["questions"])
    assert len(page.select(".quiz-place details")) == n_answers


def test_search_finds_the_words_of_a_section_and_leads_there(small):
    script = (small[0] / "assets" / "search-index.js").read_text("utf-8")
    index = json.loads(re.fullmatch(r"window\.SEARCH_INDEX = (.*);\n", script)[1])
    places = [one["to"] for one in index if "frac" in one["text"]]
    assert places == ["99_small.html#twice"]
    assert not any("import matplotlib" in one["text"] for one in index)


def test_only_what_changed_is_run_again(tmp_path, monkeypatch):
    path = tmp_path / "98_tiny.ipynb"
    runs = []
    monkeypatch.setattr(collect, "run_for_page", lambda p: runs.append(p) or nbformat.read(p, 4))
    for source in ["1", "1", "2"]:
        nbformat.write(new_notebook(cells=[new_code_cell(source, id="one")]), path)
        collect.executed([path], tmp_path / "cache")
    assert len(runs) == 2
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_lesson_that_fails_is_named_with_the_next_step(tmp_path):
    path = tmp_path / "97_broken.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1 / 0")]), path)
    with pytest.raises(collect.LessonFailedError, match=r"97_broken.*ZeroDivision.*notebooks 97"):
        make_site.build([path], tmp_path / "site", cache=tmp_path / "cache", docs=False)
    assert not (tmp_path / "site").exists()


# ---- slides -------------------------------------------------------------------------------------


def test_slides_follow_the_slide_types(small):
    deck = soup(small[1])
    slides = deck.select("#stage > .slide")
    assert [one["data-title"] for one in slides] == [
        "99 Small: does it all arrive?",
        "Twice",
        "Twice",
        "Twice",
        "Twice",
        "Twice",
    ]
    assert [len(one.select(".step")) for one in slides] == [0, 2, 0, 0, 1, 0]
    assert len(deck.select("#stage .cell")) == 10  # without the imports
    assert len(deck.select(".notes")) == 1
    assert [len(one.select(".running")) for one in slides] == [0, 0, 0, 1, 1, 1]


def test_code_steps_back_behind_its_picture(small):
    deck = soup(small[1])
    quiet = deck.select(".quiet")
    assert all(cell.select_one("figure, .alive") for cell in quiet)
    assert len(quiet) == 5
    assert "quiet" not in deck.select_one(".printed").parent["class"]


def test_a_deck_is_one_file(small):
    deck = soup(small[1])
    assert deck.select("link[rel=stylesheet], script[src]") == []
    assert [path.name for path in small[1].iterdir()] == ["99_small.html"]


# ---- the checks can fail ------------------------------------------------------------------------

BROKEN = {
    "alternative text": ('alt="Five and a half', 'alt="" title="Five'),
    "two elements have one id": ('id="twice-2"', 'id="twice"'),
    "from elsewhere": ('src="assets/site.js"', 'src="https://example.org/site.js"'),
    "not there": ('src="assets/site.js"', 'src="assets/sight.js"'),
    "no such place": ('href="#twice-2"', 'href="#thrice"'),
    "link to nowhere": ('href="index.html"', 'href="front.html"'),
    "style loads": ("<body>", "<style>@import 'https://example.org/a.css';</style><body>"),
}


@pytest.mark.parametrize(("old", "new"), BROKEN.values(), ids=BROKEN)
def test_a_broken_page_is_noticed(small, tmp_path, old, new):
    for path in small[0].rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(small[0])
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(path.read_bytes())
    page = tmp_path / "99_small.html"
    whole = page.read_text("utf-8")
    assert old in whole
    page.write_text(whole.replace(old, new, 1), "utf-8")
    assert check.site_problems(tmp_path) != []


# ---- the real lessons ---------------------------------------------------------------------------


def test_real_lessons_are_whole(real):
    for path in PAIR:
        n_cells = len(nbformat.read(path, as_version=4).cells)
        page = soup(real[0], f"{path.stem}.html")
        assert len(page.select("main .cell")) == n_cells
        assert page.select_one("h1").get_text().startswith(path.stem[:2])
        assert (real[0] / f"{path.stem}.html").stat().st_size < 6e6


def n_controls(page):
    """How many sliders and menus each explorer and player of a page has."""
    return [len(json.loads(one.string)["controls"]) for one in page.select(".sp-explorer script")]


def test_explorers_of_the_real_lessons_have_their_sliders(real):
    road = n_controls(soup(real[0], "00_start.html"))
    assert road == [0, 3]  # the player of one word, and the whole road with its three sliders
    stft = n_controls(soup(real[0], "02_stft.html"))
    assert sum(n >= 5 for n in stft) >= 2


def test_names_of_cells_on_the_page_of_mistakes_lead_to_the_lessons(real):
    page = soup(real[0], "pitfalls.html")
    assert page.select('a[href^="02_stft.html#cell-"]')


def test_every_slide_of_the_real_lessons_has_a_name(real):
    for path in PAIR:
        names = [one["aria-label"] for one in soup(real[1], f"{path.stem}.html").select(".slide")]
        assert len(names) > 5
        assert all(names)
