"""The lessons as pages and as slides in a browser: opened from disk, with the network cut.

Lessons 00 and 02 stand for all: players, explorers, a quiz, formulas, tables, figures.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.lab import PROJECT, Traffic
from tools import make_site, make_slides

PAIR = [PROJECT / "notebooks" / f"{stem}.ipynb" for stem in ("00_start", "02_stft")]
PAGES = ["index.html", "00_start.html", "02_stft.html", "pitfalls.html", "results.html"]
WIDE, PHONE, SCREEN = (1400, 1000), (375, 740), (1280, 720)
SMALLEST_FIT = 0.75  # of the usual type: what a slide may shrink to before it is too full
ALIVE = """() => [...document.querySelectorAll(".sp-explorer")].every((place) => {
    const view = place.querySelector(".sound-view");
    if (!view) return place.querySelector(".sp-say") !== null;
    const {lanes} = view.soundView.state();
    return !view.clientWidth || lanes.every(({kind, shape}) => kind !== "picture" || shape);
})"""
NEXT_FRAME = "() => new Promise((done) => requestAnimationFrame(() => done(true)))"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with ``site`` and ``slides``."""
    folder = tmp_path_factory.mktemp("pages")
    assert make_site.build(PAIR, folder / "site") == []
    assert make_slides.build(PAIR, folder / "slides") == []
    return folder


class Opened:
    """A page from disk, and all that it asked for and complained about."""

    def __init__(self, lab, path: Path, size: tuple[int, int], theme: str) -> None:
        self.traffic = Traffic()
        width, height = size
        self.context = lab.browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, offline=True
        )
        self.traffic.watch(self.context)
        self.page: Page = self.context.new_page()
        self.page.goto(path.as_uri())
        self.page.wait_for_function(ALIVE)

    def complaints(self) -> list[str]:
        """Errors, and addresses that are not on this disk."""
        asked = [u for u in self.traffic.urls if not u.startswith(("file:", "data:", "blob:"))]
        return [*asked, *self.traffic.console, *self.traffic.page_errors]


@pytest.fixture
def open_page(lab, built):
    """``open_page("site/index.html")``; what a page complains about fails the test."""
    opened = []

    def open_it(name, size=WIDE, theme="light"):
        opened.append(Opened(lab, built / name, size, theme))
        return opened[-1].page

    yield open_it
    for one in opened:
        one.context.close()
        assert one.complaints() == []


def violations(page: Page) -> list[str]:
    """What axe-core finds and calls serious or critical."""
    # preload: axe would fetch the style sheets itself, which a page from disk may not
    options = {"preload": False, "resultTypes": ["violations"]}
    found = Axe().run(page, options=options).response["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}" for one in grave]


# ---- every page ---------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible_and_fits_a_screen(open_page, name, theme):
    page = open_page(f"site/{name}", theme=theme)
    assert page.locator(".sp-say").count() == 0
    assert violations(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_a_phone(open_page, name):
    page = open_page(f"site/{name}", size=PHONE, theme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert violations(page) == []


# ---- what lives in it ---------------------------------------------------------------------------


def view_state(page: Page, index: int) -> dict:
    return page.locator(".sound-view").nth(index).evaluate("root => root.soundView.state()")


def test_slider_moves_the_picture_without_a_kernel(open_page):
    page = open_page("site/00_start.html")
    before = view_state(page, 1)
    slider = page.get_by_role("slider", name="hop_length")
    said = slider.get_attribute("aria-valuetext")
    slider.press("ArrowLeft")
    page.wait_for_function(
        "n => document.querySelectorAll('.sound-view')[1].soundView.state().drawn > n",
        arg=before["drawn"],
    )
    assert slider.get_attribute("aria-valuetext") != said
    lanes = [lane["settings"] for lane in view_state(page, 1)["lanes"] if lane["settings"]]
    assert {lane["hop_length"] for lane in lanes} == {int(slider_value(page))}


def slider_value(page: Page) -> str:
    """The hop_length that stands beside its slider, in samples."""
    text = page.locator('[data-name="hop_length"] .sp-value').inner_text()
    return text.split("·")[0].replace("\u202f", "").strip()


def test_sound_plays_and_a_second_one_stops_the_first(open_page):
    page = open_page("site/02_stft.html")
    views = page.locator(".sound-view")
    for index in (0, 1):
        views.nth(index).get_by_role("button", name="Play").click()
        page.wait_for_function(
            """i => {
                const state = document.querySelectorAll(".sound-view")[i].soundView.state();
                return state.playing && state.playhead_s > 0;
            }""",
            arg=index,
        )
    assert not view_state(page, 0)["playing"]


def test_quiz_explains_an_answer(open_page):
    page = open_page("site/00_start.html")
    block = page.locator(".quiz-question").first
    block.locator(".quiz-answer").first.click()
    assert block.locator(".quiz-why").first.inner_text().strip() != ""
    assert "1 of 5" in page.locator(".quiz-score").inner_text() or "0 of 5" in (
        page.locator(".quiz-score").inner_text()
    )


def test_search_leads_to_the_place(open_page):
    page = open_page("site/index.html")
    page.get_by_role("searchbox").fill("leakage rectangular")
    hit = page.locator("#found a").first
    assert "02" in hit.inner_text()
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url("**/02_stft.html#*")
    anchor = page.url.partition("#")[2]
    assert page.locator(f"[id='{anchor}']").is_visible()


def test_theme_chosen_once_holds_for_explorers_and_the_next_page(open_page):
    page = open_page("site/00_start.html")
    button = page.locator("[data-theme-button]")
    button.click()
    button.click()
    assert button.inner_text() == "Theme: dark"
    assert page.locator(".sound-view").first.get_attribute("data-theme") == "dark"
    page.locator('nav.lessons a[href="02_stft.html"]').click()
    page.wait_for_function(ALIVE)
    assert page.locator("html").get_attribute("data-theme") == "dark"


# ---- slides -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stem", ["00_start", "02_stft"])
def test_every_slide_fits_a_screen(open_page, stem):
    page = open_page(f"slides/{stem}.html", size=SCREEN)
    too_full = []
    for number in range(1, page.locator(".slide").count() + 1):
        page.evaluate("number => { location.hash = `#${number}`; }", number)
        page.wait_for_function(
            "n => document.querySelector('.number').textContent.startsWith(`${n} `)", arg=number
        )
        page.wait_for_function(
            "() => new Promise((done) => requestAnimationFrame(() => done(true)))"
        )
        slide = page.locator(".slide.now")
        fit, over = slide.evaluate("one => [+one.dataset.fit, one.scrollHeight - one.clientHeight]")
        if fit < SMALLEST_FIT or over > 1:
            too_full.append((number, slide.get_attribute("data-title"), fit, over))
    assert too_full == []


def test_keys_turn_slides_but_a_slider_keeps_its_arrows(open_page):
    page = open_page("slides/00_start.html", size=SCREEN)
    number = page.locator(".number")
    page.keyboard.press("PageDown")
    assert number.inner_text().startswith("2 /")
    hidden = page.locator(".slide.now .step:not(.shown)")
    n_hidden = hidden.count()
    assert n_hidden > 0
    page.keyboard.press("ArrowRight")
    assert hidden.count() == n_hidden - 1
    while page.locator(".slide.now .sp-panel input").count() == 0:
        page.keyboard.press("PageDown")
    here = number.inner_text()
    slider = page.locator(".slide.now .sp-panel input").first
    while not slider.is_visible():
        page.keyboard.press("PageDown")
    index = slider.input_value()
    slider.press("ArrowLeft")
    assert slider.input_value() != index
    assert number.inner_text() == here
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    assert number.inner_text() != here


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_slides_are_accessible(open_page, theme):
    page = open_page("slides/00_start.html", size=SCREEN, theme=theme)
    for _ in range(30):
        page.keyboard.press("PageDown")
    assert violations(page) == []
