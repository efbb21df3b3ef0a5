"""An explorer as a page, without a browser: what stands in the file, and what must not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zlib
from base64 import b64decode
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from course_utils.explorers import (
    explore_decibel,
    explore_mel,
    explore_normalize,
    explore_road,
    explore_stft,
    explore_waveform,
    page,
)
from course_utils.sound_view import SoundView, listen
from course_utils.sound_view.view import _STATIC, joined_parts

SAMPLE_RATE = 16_000
EXPLORERS = [explore_stft, explore_mel, explore_road, explore_decibel, explore_normalize]


class Parts(HTMLParser):
    """Every element of a page as ``(tag, attributes, text)``."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[list] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append([tag, dict(attributes), ""])

    def handle_data(self, data):
        if self.elements:
            self.elements[-1][2] += data.rstrip("\n")

    def of(self, tag: str) -> list[list]:
        return [element for element in self.elements if element[0] == tag]

    @property
    def state(self) -> dict:
        """The state that ``page.js`` starts from."""
        [state] = [text for _, about, text in self.of("script") if about.get("class") == "sp-state"]
        return json.loads(state)


def unpacked(packed: dict) -> bytes:
    """Bytes from text: what ``unpackBytes`` of page.js does."""
    planes = np.frombuffer(zlib.decompress(b64decode(packed["packed"])), np.uint8)
    return planes.reshape(packed["stride"], -1).T.tobytes()


@pytest.fixture
def computed():
    """Half a second that no 16-bit file holds."""
    return 0.1 * torch.randn(SAMPLE_RATE // 2, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def recorded(computed):
    """The same as a 16-bit file holds it."""
    return (computed * 32768).round() / 32768


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize("explore", EXPLORERS)
def test_page_is_one_file_that_asks_for_nothing(explore, recorded, tmp_path):
    path = explore(recorded, SAMPLE_RATE).to_html(tmp_path / "page.html")
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
    parts = Parts(path.read_text("utf-8"))
    for tag, about, _ in parts.elements:
        wanted = [about.get("src", "data:"), about.get("href", "data:")]
        assert all(address.startswith("data:") for address in wanted), tag
    [policy] = [
        about["content"]
        for _, about, _ in parts.of("meta")
        if about.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert "*" not in policy


def test_page_can_be_read_without_seeing_it(recorded, tmp_path):
    explorer = explore_stft(recorded, SAMPLE_RATE, n_fft=256)
    parts = Parts(explorer.to_html(tmp_path / "page.html").read_text("utf-8"))
    assert parts.of("html")[0][1] == {"lang": "en"}
    assert parts.of("title")[0][2] == parts.of("h1")[0][2] == "STFT explorer"
    assert len(parts.of("main")) == 1
    [image] = parts.of("img")
    assert "waveform, spectrogram" in image[1]["alt"]
    assert "n_fft 256 · 16 ms" in image[1]["alt"]
    assert parts.of("noscript")


def test_page_says_what_needs_python(recorded, tmp_path):
    told = {}
    for explore in EXPLORERS:
        text = explore(recorded, SAMPLE_RATE).to_html(tmp_path / "page.html").read_text("utf-8")
        told[explore] = "".join(
            text for _, about, text in Parts(text).of("p") if about.get("class") == "sp-about"
        )
    assert "PyTorch" in told.pop(explore_mel)
    assert set(told.values()) == {"Everything is computed in this page."}


def test_older_page_stays_when_a_new_one_cannot_be_made(recorded, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("the older page")

    def broken(*_args, **_kwargs):
        raise OSError("the disk is full")

    monkeypatch.setattr("pathlib.Path.replace", broken)
    with pytest.raises(OSError, match="disk is full"):
        explore_road(recorded, SAMPLE_RATE).to_html(path)
    assert path.read_text() == "the older page"
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_missing_folder_is_named(recorded, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*lost: make it first"):
        explore_road(recorded, SAMPLE_RATE).to_html(tmp_path / "lost" / "page.html")


def test_own_function_cannot_go_along(recorded, tmp_path):
    explorer = explore_stft(recorded, SAMPLE_RATE, stft=lambda w, **_k: torch.ones(9, 4))
    with pytest.raises(ValueError, match=r"your own function .* without your function"):
        explorer.to_html(tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_explorer_that_cannot_live_says_which_can(recorded, tmp_path):
    with pytest.raises(ValueError, match=r"WaveformExplorer cannot .*explore_stft, explore_mel"):
        page.to_html(explore_waveform(recorded, SAMPLE_RATE), tmp_path / "page.html")
    for name in page.CAN_LIVE:
        assert name in [explore.__name__ for explore in EXPLORERS]


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
def test_five_seconds_stay_below_one_and_a_half_megabytes(rate, tmp_path):
    """Noise, of which no packing makes less; the longest page is that of the Mel explorer."""
    noise = 0.1 * torch.randn(5 * rate, generator=torch.Generator().manual_seed(3))
    size = explore_mel(noise, rate).to_html(tmp_path / "page.html").stat().st_size
    print(f"{size} bytes for 5 s of noise at {rate} Hz")
    assert size < 1_500_000


# ---------------------------------------------------------------- the state


@pytest.mark.parametrize("explore", EXPLORERS)
def test_controls_and_presets_are_those_of_the_notebook(explore, recorded):
    explorer = explore(recorded, SAMPLE_RATE)
    state = Parts(page.fragment(explorer)).state
    assert [one["name"] for one in state["controls"]] == list(explorer.sliders)
    for one, slider in zip(state["controls"], explorer.sliders.values(), strict=True):
        assert one["labels"] == list(slider._options_labels)
        assert slider._options_values[one["index"]] == slider.value
        assert one["model"] == f"IPY_MODEL_{slider.model_id}"
    buttons = explorer._preset_buttons() if explorer.presets else []
    assert [one["name"] for one in state["presets"]] == [one.description for one in buttons]
    assert [one["tooltip"] for one in state["presets"]] == [one.tooltip for one in buttons]
    for one, button in zip(state["presets"], buttons, strict=True):
        button.click()
        index = {name: slider.index for name, slider in explorer.sliders.items()}
        assert index | one["steps"] == index, one["name"]


def test_page_starts_where_the_sliders_are(recorded):
    explorer = explore_stft(recorded, SAMPLE_RATE)
    explorer.set(n_fft=256, win_length=None)
    explorer.view.visible = [0.1, 0.3]
    state = Parts(page.fragment(explorer)).state
    labels = {one["name"]: one["labels"][one["index"]] for one in state["controls"]}
    assert labels["n_fft"] == "256 · 16 ms"
    assert labels["win_length"] == "as n_fft"
    assert state["traits"]["visible"] == [0.1, 0.3]
    assert state["traits"]["readout"] == explorer.view.readout
    assert state["traits"]["kernel"] is False


def test_recorded_sound_travels_once_as_16_bits(recorded):
    explorer = explore_mel(recorded, SAMPLE_RATE)
    sounds = Parts(page.fragment(explorer)).state["sounds"]
    assert set(sounds) == {"live", "heard"}
    assert unpacked(sounds["heard"]) == explorer.view.sound


def test_computed_sound_travels_once_as_it_was_computed(computed):
    explorer = explore_mel(computed, SAMPLE_RATE)
    sounds = Parts(page.fragment(explorer)).state["sounds"]
    assert set(sounds) == {"live", "samples"}
    assert unpacked(sounds["samples"]) == computed.numpy().tobytes()
    assert sounds["live"]["kind"] == "float32"
    assert "data" not in sounds["live"]


def test_gain_that_is_heard_is_not_computed_twice(recorded):
    """The engine puts the gain in front of the sound: it must get the one without it."""
    explorer = explore_normalize(recorded, SAMPLE_RATE)
    explorer.set(gain_db=-40)
    sounds = Parts(page.fragment(explorer)).state["sounds"]
    samples = np.frombuffer(unpacked(sounds["samples"]), "<f4")
    np.testing.assert_array_equal(samples, recorded.numpy())


def test_computed_stereo_is_heard_in_stereo():
    waveform = 0.1 * torch.randn(2, 4000, generator=torch.Generator().manual_seed(3))
    explorer = explore_stft(waveform, SAMPLE_RATE)
    sounds = Parts(page.fragment(explorer)).state["sounds"]
    assert unpacked(sounds["heard"]) == explorer.view.sound
    samples = np.frombuffer(unpacked(sounds["samples"]), "<f4")
    np.testing.assert_array_equal(samples, waveform.mean(0).numpy())


def test_silence_has_a_page(tmp_path):
    """Its largest gain is infinite, and JSON has no infinity."""
    for explore in EXPLORERS:
        explore(torch.zeros(4000), SAMPLE_RATE).to_html(tmp_path / "page.html")


# ---------------------------------------------------------------- several on one page


def test_fragments_stand_side_by_side(recorded):
    explorers = [explore(recorded, SAMPLE_RATE) for explore in EXPLORERS]
    parts = Parts(page.page_head() + "".join(page.fragment(one) for one in explorers))
    assert [about["aria-label"] for _, about, _ in parts.of("section")] == [
        explorer.title for explorer in explorers
    ]
    assert not [about for _, about, _ in parts.elements if "id" in about]
    assert len(parts.of("style")) == 1
    assert len([about for _, about, _ in parts.of("script") if about.get("type") == "module"]) == 1


def test_text_cannot_leave_its_place(recorded):
    nasty = "</script><script>alert(1)</script><!--<img src=x>\u2028\u2029&quot;\"'"
    explorer = explore_stft(recorded, SAMPLE_RATE)
    explorer.view.label = nasty
    explorer.view.notes = [nasty]
    text = page.fragment(explorer)
    parts = Parts(text)
    assert len(parts.of("script")) == 1
    assert len(parts.of("img")) == 1
    assert parts.of("section")[0][1]["aria-label"] == nasty
    assert nasty in parts.of("img")[0][1]["alt"]
    assert parts.state["traits"]["notes"] == [nasty]
    assert "\u2028" not in re.search('"sp-state">(.*?)</script>', text, re.S)[1]


def test_what_cannot_be_drawn_in_the_page_brings_its_picture(recorded):
    own = explore_stft(recorded, SAMPLE_RATE, stft=lambda w, **_k: torch.ones(513, 16))
    for shown in (listen(recorded, SAMPLE_RATE), explore_waveform(recorded, SAMPLE_RATE), own):
        view: SoundView = getattr(shown, "view", shown)
        state = Parts(page.fragment(shown)).state
        assert state["controls"] == state["presets"] == []
        assert unpacked(state["sounds"]["heard"]) == view.sound
        for lane in view.lanes:
            picture = getattr(view, f"picture_{lane['id']}")
            if "data" in picture:
                baked = state["traits"][f"picture_{lane['id']}"]["data"]
                assert unpacked(baked) == picture["data"]


# ---------------------------------------------------------------- the script


def need_node() -> None:
    """Skip where there is no node; fail where there must be one."""
    if shutil.which("node") is None:
        if os.environ.get("SEEING_SOUND_REQUIRE_BROWSER"):
            pytest.fail("node is not installed")
        pytest.skip("node is not installed")


def node(code: str) -> str:
    """What a piece of JavaScript prints that has everything of page.js."""
    need_node()
    script = f"import * as page from {json.dumps((_STATIC / 'page.js').as_uri())};\n{code}"
    run = subprocess.run(
        ["node", "--input-type=module"], input=script, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_script_is_one_module_without_two_things_of_one_name(tmp_path):
    need_node()
    [script] = [t for _, about, t in Parts(page.page_head()).of("script") if about]
    assert len(script) > len(joined_parts())
    (tmp_path / "page.mjs").write_text(script, encoding="utf-8")
    run = subprocess.run(
        ["node", "--check", str(tmp_path / "page.mjs")], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr


def test_model_tells_of_changes_after_all_are_made():
    printed = node("""
        const model = new page.PageModel({ a: 1, b: [0, 1] });
        const heard = [];
        for (const name of ["a", "b"])
            model.on(`change:${name}`, () => heard.push([name, model.get("a"), model.get("b")]));
        model.set({ a: 2, b: [0, 1] });
        model.set({ a: 3, b: [0, 2] });
        model.off("change:a");
        model.set("a", 4);
        console.log(JSON.stringify(heard));
    """)
    assert json.loads(printed) == [["a", 2, [0, 1]], ["a", 3, [0, 2]], ["b", 3, [0, 2]]]


def test_packed_bytes_are_unpacked(computed):
    packed = page._pack(computed.numpy().tobytes(), stride=4)
    printed = node(
        f"const view = await page.unpackValue({{ deep: [{json.dumps(packed)}] }});"
        "console.log(JSON.stringify([...new Float32Array(view.deep[0].buffer)]))"
    )
    np.testing.assert_array_equal(np.array(json.loads(printed), np.float32), computed.numpy())
