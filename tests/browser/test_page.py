"""An explorer's page, opened from disk with the network cut: it does all that the notebook does.

The explorer that wrote the page lives on in the test's own process. Whatever is moved in the page
is moved there, too, and PyTorch's picture, read-out and notes are the truth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Locator, Page

from course_utils.audio_io import load_audio
from course_utils.explorers import (
    explore_decibel,
    explore_mel,
    explore_normalize,
    explore_road,
    explore_stft,
    page,
)
from course_utils.explorers.base import Explorer
from course_utils.sound_view import listen
from tests.browser import sounds
from tests.browser.lab import PROJECT, Traffic
from tests.browser.view import View

EXPLORERS = [explore_stft, explore_mel, explore_road, explore_decibel, explore_normalize]
WIDE, PHONE = {"width": 1280, "height": 1000}, {"width": 375, "height": 600}
NARROW = {"width": 320, "height": 600}  # what a page must bear that somebody enlarges four times


@dataclass
class Opened:
    """A page as ``View`` wants a notebook."""

    page: Page

    @property
    def panel(self) -> Locator:
        """Where views are looked for."""
        return self.page.locator("body")


class Living(View):
    """One explorer of a page, and beside it the one in Python that wrote it."""

    def __init__(self, opened: Page, explorer: Explorer, index: int = 0) -> None:
        super().__init__(Opened(opened), index)
        self.explorer = explorer
        self.place = opened.locator(".sp-explorer").nth(index)
        self.settle()

    def settle(self) -> None:
        """Wait until the picture of the controls as they are is drawn."""
        self.wait("""() => {
            const {preview} = root.soundView;
            return preview.drawn?.key === preview.key && !preview.engine.flying;
        }""")

    def control(self, name: str) -> Locator:
        """The slider or menu of a parameter, found as a screen reader finds it."""
        role = (
            "slider"
            if self.place.get_by_role("slider", name=name, exact=True).count()
            else "combobox"
        )
        return self.place.get_by_role(role, name=name, exact=True)

    def label(self, name: str) -> str:
        """What stands beside a slider, or in a menu."""
        box = self.place.locator(f'.sp-control[data-name="{name}"]')
        if box.locator("select").count():
            return box.locator("select").evaluate("menu => menu.selectedOptions[0].text")
        return box.locator(".sp-value").inner_text()

    def move(self, name: str, index: int) -> None:
        """Move a control to a step, here and in Python, and wait for the picture."""
        control = self.control(name)
        if control.evaluate("one => one.tagName") == "SELECT":
            control.select_option(index=index)
        else:
            control.fill(str(index))
        self.explorer.sliders[name].index = index
        self.settle()

    def is_right(self) -> None:
        """Assert that labels, pictures, charts, read-out, notes and error are those of Python."""
        view = self.explorer.view
        for name, slider in self.explorer.sliders.items():
            assert self.label(name) == slider._options_labels[slider.index]
        for lane in view.lanes:
            if lane["kind"] == "picture":
                self.has_the_picture(lane["id"], view.picture(lane["id"]))
            elif lane["kind"] == "chart":
                self.has_the_chart(lane["id"], view.picture(lane["id"]))
        said = self.root.locator(".sv-readout > span").all_inner_texts()
        assert said == [f"{name} {value}" for name, value in view.readout]
        assert self.state()["notes"] == view.notes
        assert self.state()["error"] == view.error

    def is_heard(self) -> None:
        """Assert that the samples are Python's, but for those half-way between two steps."""
        heard = np.array(self.root.evaluate("root => [...root.soundView.heard]"))
        wanted = np.frombuffer(self.explorer.view.sound, "<i2").astype(int)
        assert heard.shape == wanted.shape
        assert np.abs(heard - wanted).max() <= 1
        assert np.count_nonzero(heard != wanted) <= 1e-3 * len(wanted)

    def picture_sum(self) -> int:
        """A number that changes when any drawn lane changes."""
        lanes = [lane["id"] for lane in self.explorer.view.lanes if lane["kind"] != "waveform"]
        return hash(tuple(self.fingerprint(lane) for lane in lanes))

    def has_the_picture(self, lane: str, truth: dict) -> None:
        """Assert that a lane shows a picture, up to one of 255 steps."""
        cells, about = self.picture(lane)
        wanted = np.frombuffer(truth["data"], np.uint8).reshape(truth["n_rows"], truth["n_columns"])
        assert cells.shape == wanted.shape
        assert np.abs(cells.astype(int) - wanted).max() <= 1
        assert with_window(about["settings"]) == with_window(truth["settings"])
        assert about["value_min"] == pytest.approx(truth["value_min"], abs=0.05)
        assert about["value_max"] == pytest.approx(truth["value_max"], abs=0.05)
        assert about["engine"] == "computed in this page"

    def has_the_chart(self, lane: str, truth: dict) -> None:
        """Assert that a chart has the same lines, up to a cell at the edge of a bar."""
        lines = self.root.evaluate(
            "(root, id) => root.soundView.lanes.find(one => one.spec.id === id).picture.lines"
            ".map(line => [...line.x, ...line.y])",
            lane,
        )
        wanted = np.frombuffer(truth["data"], "<f4")
        drawn = np.concatenate(lines)
        assert drawn.shape == wanted.shape
        assert np.abs(drawn - wanted).max() <= 2e-3 * max(1.0, np.abs(wanted).max())


def with_window(settings: dict) -> dict:
    """Settings with the window's length: one that is n_fft long makes the picture of «as n_fft»."""
    if "n_fft" not in settings:
        return settings
    return settings | {"win_length": settings.get("win_length") or settings["n_fft"]}


# ---------------------------------------------------------------- fixtures


@pytest.fixture(scope="module")
def cut_off(lab) -> BrowserContext:
    """A window of the browser without a network; its pages may read files and nothing else."""
    context = lab.second_browser([])
    context.set_offline(True)
    return context


@pytest.fixture(scope="module")
def traffic(cut_off) -> Traffic:
    """What the pages of that window ask for; the notebooks' own windows go on asking meanwhile."""
    seen = Traffic()
    seen.watch(cut_off)
    return seen


@pytest.fixture
def browser_page(cut_off, traffic):
    """An empty page; whatever is loaded into it may ask for nothing, and nothing may go wrong."""
    traffic.clear()
    opened = cut_off.new_page()
    opened.set_viewport_size(WIDE)
    yield opened
    opened.close()
    asked = [url for url in traffic.urls if not url.startswith(("file:", "blob:", "data:"))]
    assert asked == []
    assert traffic.page_errors == []
    assert traffic.console == []


@pytest.fixture(scope="module")
def recording():
    """A spoken word, as a 16-bit file holds it."""
    return load_audio(PROJECT / "audio_samples" / "spoken_word.flac")


@pytest.fixture
def live(browser_page, recording, tmp_path):
    """Write an explorer's page and open it: ``live(explore_stft, n_fft=512)``."""

    def open_it(explore, *, sound=recording, **start) -> Living:
        explorer = explore(*sound, **start)
        browser_page.goto(explorer.to_html(tmp_path / "page.html").as_uri())
        return Living(browser_page, explorer)

    return open_it


# ---------------------------------------------------------------- the pictures


@pytest.mark.parametrize("explore", EXPLORERS)
def test_page_starts_with_the_picture_of_pytorch(explore, live):
    """A computed sound: its samples travel as they are, and not rounded to 16 bits."""
    sound = (sounds.tone_and_click(), sounds.SAMPLE_RATE)
    view = live(explore, sound=sound)
    view.is_right()
    view.is_heard()


@pytest.mark.parametrize("explore", EXPLORERS)
def test_every_control_moves_the_picture_to_the_one_of_pytorch(explore, live):
    view = live(explore)
    for name, slider in view.explorer.sliders.items():
        start, last = slider.index, len(slider._options_values) - 1
        if slider.value in ("per clip",):
            last -= 2  # «data set» needs numbers that nobody gave
        seen = {view.picture_sum()}
        for index in {0, last // 2, last} - {start}:
            view.move(name, index)
            view.is_right()
            if name != "win_length":  # longer than n_fft is an error, which both have
                assert view.state()["error"] == ""
            seen.add(view.picture_sum())
        assert len(seen) > 1, name
        view.move(name, start)


def test_zooming_draws_the_stretch_that_is_seen(live):
    view = live(explore_mel)
    for _ in range(3):
        view.button("zoom-in").click()
    view.settle()
    view.explorer.view.visible = view.state()["visible"]
    assert view.explorer.view.visible[1] < 0.2 * view.explorer.view.duration_s
    view.is_right()


def test_page_starts_where_the_explorer_was(live, recording):
    view = live(
        explore_mel, n_fft=400, hop_length=160, n_mels=40, mel_scale="slaney", norm="slaney"
    )
    assert view.label("n_fft") == "400 · 25 ms"
    view.is_right()


def test_stereo_is_drawn_as_the_mean_of_its_channels(live):
    sound = load_audio(PROJECT / "audio_samples" / "stereo_walk.flac", mono=False)
    view = live(explore_stft, sound=sound)
    view.is_right()
    assert view.root.evaluate("root => root.soundView.nChannels") == 2


def test_every_step_of_a_drag_is_drawn_while_the_hand_holds_the_slider(live):
    view = live(explore_stft, n_fft=64)
    slider = view.control("n_fft")
    steps = [value for _, value in view.explorer.sliders["n_fft"].options]
    box = slider.bounding_box()
    room, middle = box["width"] - 16, box["y"] + box["height"] / 2  # the thumb is 16 wide
    place = [box["x"] + 8 + room * i / (len(steps) - 1) for i in range(len(steps))]
    view.page.mouse.move(place[0], middle)
    view.page.mouse.down()
    for x, n_fft in zip(place, steps, strict=True):
        view.page.mouse.move(x, middle)
        view.wait_settings("spectrogram", n_fft=n_fft)
        assert slider.bounding_box() == box  # its length does not follow the text beside it
    view.page.mouse.up()
    assert view.state()["drawnBy"]["page"] >= len(steps)
    assert view.state()["drawnBy"]["PyTorch"] == 0


# ---------------------------------------------------------------- presets


@pytest.mark.parametrize("explore", [one for one in EXPLORERS if one is not explore_road])
def test_presets_and_the_way_back(explore, live):
    view = live(explore)
    first = view.picture_sum()
    for name, values in view.explorer.presets.items():
        button = view.place.get_by_role("button", name=name, exact=True)
        told = [f"{k} {v}" for k, v in values.items() if v is not None]
        assert button.get_attribute("title") == ", ".join(told)
        button.click()
        view.explorer._apply(values)
        view.settle()
        view.is_right()
    view.place.get_by_role("button", name="as at the start").click()
    view.explorer._apply(view.explorer._start)
    view.settle()
    view.is_right()
    assert view.picture_sum() == first


# ---------------------------------------------------------------- sound, pointer, keys


def test_sound_plays_and_pauses_and_the_playhead_follows(live):
    view = live(explore_stft)
    view.button("play").click()
    view.wait("state => state.playing && state.playhead_s > 0.05")
    heads = view.ask("playheads")
    for lane, columns in heads["lanes"].items():
        assert columns, lane
        assert min(abs(x - heads["x"]) for x in columns) < 30, lane
    view.press(" ")
    view.wait("state => !state.playing")


def test_click_and_slider_and_keys_move_the_playhead(live):
    view = live(explore_mel)
    for lane in ("waveform", "spectrogram", "mel"):
        time_s = view.explorer.view.duration_s * (0.3 if lane == "mel" else 0.6)
        view.click(lane, time_s)
        assert view.state()["playhead_s"] == pytest.approx(time_s, abs=0.01)
    view.press("Home")
    assert view.state()["playhead_s"] == 0
    view.root.get_by_role("slider", name="Playhead in seconds").fill("0.25")
    assert view.state()["playhead_s"] == pytest.approx(0.25, abs=0.01)


def test_hover_reads_time_frequency_and_level(live):
    view = live(explore_mel, sound=(sounds.tone_and_click(), sounds.SAMPLE_RATE))
    bottom, top = 0, sounds.SAMPLE_RATE / 2
    hover = view.hover("spectrogram", 1.0, (sounds.TONE_HZ - bottom) / (top - bottom))
    assert hover["freq_hz"] == pytest.approx(sounds.TONE_HZ, abs=40)
    assert hover["db"] == pytest.approx(
        view.explorer.view.picture("spectrogram")["value_max"], abs=3
    )
    assert re.search(r"time 1\.0\d+ s.*frame \d+.*Hz.*dB", view.text("hover"))


def test_pin_keeps_a_picture_beside_the_live_one(live):
    view = live(explore_stft)
    kept, about = view.picture("spectrogram")
    view.button("pin").click()
    view.move("n_fft", 2)
    pinned, about_pinned = view.picture("pinned")
    np.testing.assert_array_equal(pinned, kept)
    assert about_pinned["settings"] == about["settings"]
    assert view.picture("spectrogram")[1]["settings"]["n_fft"] == 128
    view.button("pin").click()
    assert view.state()["pinned"] is False


def test_gain_of_the_decibel_explorer_is_heard(live):
    view = live(explore_decibel)
    gains = [value for _, value in view.explorer.sliders["gain_db"].options]
    for gain_db in (-40, 20):
        view.move("gain_db", gains.index(gain_db))
        heard = view.root.evaluate("root => root.soundView.gain")
        assert heard == pytest.approx(view.explorer.view.gain, rel=1e-6)


def test_gain_in_front_of_a_file_makes_another_sound(live):
    """What plays goes on with the new sound, as rounded as a 16-bit file has it."""
    view = live(explore_normalize)
    gains = [value for _, value in view.explorer.sliders["gain_db"].options]
    view.button("loop").click()
    view.button("play").click()
    view.wait("state => state.playing")
    for gain_db in (-60, 20, -100, 0):
        view.move("gain_db", gains.index(gain_db))
        view.wait("() => root.soundView.player.samples === root.soundView.heard")
        view.is_heard()
    view.wait("state => state.playing")
    view.press(" ")


# ---------------------------------------------------------------- how it looks, and for whom


@pytest.mark.parametrize("explore", EXPLORERS)
@pytest.mark.parametrize("size", [NARROW, PHONE, WIDE], ids=["narrow", "phone", "wide"])
def test_nothing_is_wider_than_the_window(explore, size, live, browser_page):
    browser_page.set_viewport_size(size)
    view = live(explore)
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    for part in view.place.locator("input, select, button, canvas, .sp-value").all():
        box = part.bounding_box()
        if box:
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= size["width"]


def test_on_a_phone_the_sliders_stay_in_reach(live, browser_page):
    """Below the pictures that they move, wherever the page is scrolled to."""
    browser_page.set_viewport_size(PHONE)
    view = live(explore_mel)
    for lane in ("waveform", "spectrogram", "mel"):
        view.lane(lane).evaluate("one => one.scrollIntoView({block: 'start'})")
        slider, picture = view.control("n_fft").bounding_box(), view.lane(lane).bounding_box()
        assert picture["y"] < slider["y"] < PHONE["height"] - slider["height"]
        assert slider["y"] - max(0, picture["y"]) > 60  # the sliders do not cover it


def test_dark_and_light_follow_the_system(live, browser_page):
    view = live(explore_stft)
    ground = {}
    for theme in ("dark", "light"):
        browser_page.emulate_media(color_scheme=theme)
        view.wait(f"state => state.theme === '{theme}'")
        assert view.place.get_attribute("data-theme") == theme
        colour = browser_page.evaluate("getComputedStyle(document.body).backgroundColor")
        ground[theme] = sum(int(part) for part in re.findall(r"\d+", colour)[:3])
    assert ground["dark"] < 150 < 600 < ground["light"]


def test_every_control_can_be_reached_and_seen_by_keyboard(live, browser_page):
    view = live(explore_decibel)
    reached = []
    for _ in range(len(view.explorer.sliders) + len(view.explorer.presets) + 1):
        browser_page.keyboard.press("Tab")
        about = browser_page.evaluate("""() => {
            const one = document.activeElement;
            const {outlineStyle, outlineWidth} = getComputedStyle(one);
            const name = one.closest('[data-name]')?.dataset.name ?? one.textContent;
            return {name, seen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1};
        }""")
        assert about["seen"], about["name"]
        reached.append(about["name"])
    assert reached == [*view.explorer.sliders, *view.explorer.presets, "as at the start"]


def test_slider_says_its_step_and_not_its_number(live):
    slider = live(explore_stft).control("n_fft")
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "1536 · 96 ms"


def test_large_type_makes_the_controls_large(live):
    view = live(explore_stft)
    before = view.place.locator(".sp-name").first.evaluate("one => getComputedStyle(one).fontSize")
    view.button("large").click()
    after = view.place.locator(".sp-name").first.evaluate("one => getComputedStyle(one).fontSize")
    assert (before, after) == ("13px", "20px")


# ---------------------------------------------------------------- where it cannot live


def test_without_a_script_the_picture_stands_still(cut_off, recording, tmp_path):
    path = explore_stft(*recording).to_html(tmp_path / "page.html")
    context = cut_off.browser.new_context(java_script_enabled=False, offline=True)
    opened = context.new_page()
    opened.goto(path.as_uri())
    image = opened.locator("img.sp-still")
    assert image.is_visible()
    assert image.bounding_box()["width"] > 300
    assert "still picture of: waveform, spectrogram" in image.get_attribute("alt")
    assert "need JavaScript" in opened.locator("section").inner_text()
    context.close()


def test_browser_that_is_too_old_keeps_the_picture_and_says_so(
    browser_page, recording, tmp_path, traffic
):
    browser_page.add_init_script("delete window.DecompressionStream")
    path = explore_stft(*recording).to_html(tmp_path / "page.html")
    browser_page.goto(path.as_uri())
    line = browser_page.get_by_role("alert")
    line.wait_for()
    assert "cannot bring the explorer to life" in line.inner_text()
    assert browser_page.locator("img.sp-still").is_visible()
    traffic.console.clear()  # it is logged, too


def test_browser_that_forbids_workers_computes_in_the_page(browser_page, recording, tmp_path):
    browser_page.add_init_script(
        "window.Worker = class { constructor() { throw new Error('no'); } }"
    )
    explorer = explore_stft(*recording)
    browser_page.goto(explorer.to_html(tmp_path / "page.html").as_uri())
    view = Living(browser_page, explorer)
    assert view.root.evaluate("root => root.soundView.preview.engine.place") == "page"
    view.move("n_fft", 3)
    view.is_right()


def test_policy_of_the_page_forbids_the_network(live, lab, traffic):
    view = live(explore_road)
    broken = view.page.evaluate(
        """async (url) => {
            const seen = new Promise((tell) => document.addEventListener(
                'securitypolicyviolation', (event) => tell(event.violatedDirective)));
            setTimeout(() => document.dispatchEvent(new Event('securitypolicyviolation')), 5000);
            await fetch(url).catch(() => {});
            return seen;
        }""",
        lab.server.url,
    )
    assert broken == "connect-src"
    traffic.console.clear()  # the browser logs what it forbade


# ---------------------------------------------------------------- several on one page


def test_explorers_of_one_page_live_side_by_side(browser_page, recording, tmp_path):
    explorers = [explore_stft(*recording), explore_mel(*recording)]
    player = listen(*recording)
    parts = [page.fragment(one) for one in (*explorers, player)]
    text = f"<!DOCTYPE html><html lang='en'><head>{page.page_head()}</head><body>{''.join(parts)}"
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    browser_page.goto((tmp_path / "page.html").as_uri())
    views = [Living(browser_page, one, index) for index, one in enumerate(explorers)]
    alone = View(Opened(browser_page), 2)
    views[0].move("n_fft", 2)
    for view in views:
        view.is_right()
    assert browser_page.locator("img.sp-still:visible").count() == 0
    views[1].button("play").click()
    views[1].wait("state => state.playing")
    alone.button("play").click()
    alone.wait("state => state.playing")
    views[1].wait("state => !state.playing")
    assert alone.state()["lanes"][0]["kind"] == "waveform"
