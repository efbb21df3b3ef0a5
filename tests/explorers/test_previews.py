"""The kernel's side of previews: what the browser is told, and that nothing read is ever stale."""

import json

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
)
from course_utils.explorers.normalize import MAX_HEARD

RATE = 16000
EXPLORERS = {
    "stft": explore_stft,
    "mel": explore_mel,
    "road": explore_road,
    "decibel": explore_decibel,
    "normalize": explore_normalize,
}


@pytest.fixture
def waveform():
    return 0.1 * torch.randn(RATE, generator=torch.Generator().manual_seed(4))


@pytest.fixture
def stored(waveform):
    """The same as a 16-bit file has it."""
    return (waveform * 32768).round() / 32768


def counted(explorer, monkeypatch):
    """How often pictures are computed from now on: a list that grows."""
    calls, pictures = [], explorer._pictures
    monkeypatch.setattr(
        explorer, "_pictures", lambda *given: (calls.append(given[1]), pictures(*given))[1]
    )
    return calls


def step(explorer, name="n_mels"):
    """Move a slider by one step, as the front end does; returns its value."""
    slider = explorer.sliders[name]
    slider.index += 1 if slider.index + 1 < len(slider.options) else -1
    return slider.value


def rest(explorer, **others):
    """The message of a view whose hand rests on these settings (default: those of the sliders)."""
    held = {name: explorer.settings[name] for name in explorer.sliders}
    visible = list(explorer.view.visible)
    message = json.loads(
        json.dumps({"type": "rest", "settings": held | others} | {"visible": visible})
    )
    explorer._on_message(explorer.view, message, [])


# ---------------------------------------------------------------- what the browser is told


@pytest.mark.parametrize("kind", EXPLORERS)
def test_live_names_every_lane_and_every_control_with_its_steps(waveform, kind):
    explorer = EXPLORERS[kind](waveform, RATE)
    live = json.loads(json.dumps(explorer.view.live, allow_nan=False))
    assert live["kind"] == kind
    assert live["lanes"] == [
        lane["id"] for lane in explorer.view.lanes if lane["kind"] != "waveform"
    ]
    assert [one["name"] for one in live["controls"]] == list(explorer.sliders)
    for one, slider in zip(live["controls"], explorer.sliders.values(), strict=True):
        assert one["model"] == f"IPY_MODEL_{slider.model_id}"
        assert one["values"][slider.index] == slider.value
        assert one["labels"] == [str(o[0] if isinstance(o, tuple) else o) for o in slider.options]
    found = {
        one["name"]: one["values"][explorer.sliders[one["name"]].index] for one in live["controls"]
    }
    for name in live["zero_is_none"]:
        if name in found:
            found[name] = found[name] or None
    statistics = {"statistics": None} if kind == "normalize" else {}
    assert found | live["fixed"] == explorer.settings | statistics


@pytest.mark.parametrize("kind", EXPLORERS)
def test_live_presets_are_what_the_buttons_set(waveform, kind):
    explorer = EXPLORERS[kind](waveform, RATE)
    assert list(explorer.view.live["presets"]) == (
        [*explorer.presets, "as at the start"] if explorer.presets else []
    )
    for name, values in explorer.view.live["presets"].items():
        shaken = {control: step(explorer, control) for control in explorer.sliders}
        explorer._apply(explorer.presets.get(name, explorer._start))
        by_button = explorer.settings
        explorer.set(**shaken)
        explorer.set(**values)
        assert explorer.settings == by_button


def test_a_16_bit_sound_is_not_sent_twice(stored, waveform):
    assert explore_stft(stored, RATE).view.live_sound == {"serial": 1, "kind": "heard", "sound": 0}
    pair = torch.stack([stored, stored.roll(5)])
    assert explore_stft(pair, RATE).view.live_sound["kind"] == "heard"
    told = explore_stft(waveform, RATE).view.live_sound
    assert (told["kind"], told["n_channels"]) == ("float32", 1)
    np.testing.assert_array_equal(np.frombuffer(told["data"], "<f4"), waveform.numpy())


def test_a_sound_beyond_full_scale_is_sent_as_it_is(stored):
    loud = stored * 16
    assert loud.abs().max() > 1
    assert explore_stft(loud, RATE).view.live_sound["kind"] == "float32"


def test_behind_a_file_the_browser_gets_the_sound_in_front_of_it(stored, monkeypatch):
    explorer = explore_normalize(torch.stack([stored, -stored]), RATE, gain_db=-20)
    assert explorer.view.live["gain"] == "file"
    told = explorer.view.live_sound
    assert (told["kind"], told["n_channels"]) == ("float32", 2)
    data = np.frombuffer(told["data"], "<f4").reshape(-1, 2).T
    np.testing.assert_array_equal(data, torch.stack([stored, -stored]).numpy())
    assert MAX_HEARD > 100_000
    assert explore_normalize(stored, RATE).view.live_sound["kind"] == "float32"
    monkeypatch.setattr("course_utils.explorers.normalize.MAX_HEARD", 100)
    longer = explore_normalize(stored, RATE)
    assert (longer.view.live["gain"], longer.view.live_sound["kind"]) == ("factor", "heard")


def test_statistics_go_along_as_numbers(waveform):
    one = explore_normalize(waveform, RATE, statistics=(-40.0, 20.0)).view.live["fixed"]
    assert one == {"statistics": [-40.0, 20.0]}
    means = torch.linspace(-60, -20, 64)
    given = explore_normalize(waveform, RATE, statistics=(means, 20.0)).view.live["fixed"]
    assert given["statistics"][0] == pytest.approx(means.tolist())


def test_silence_has_a_gain_that_json_can_hold():
    assert json.dumps(explore_decibel(torch.zeros(RATE), RATE).view.live, allow_nan=False)


def test_what_only_the_kernel_can_draw_is_not_offered(waveform):
    assert explore_waveform(waveform, RATE).view.live == {}

    def mine(waveform, n_fft, hop_length):
        window = torch.hann_window(n_fft)
        return torch.stft(waveform, n_fft, hop_length, window=window, return_complex=True)

    own = explore_stft(waveform, RATE, stft=mine)
    assert own.view.live == own.view.live_sound == {}


# ---------------------------------------------------------------- who draws when


def test_without_previews_every_step_is_drawn(waveform, monkeypatch):
    explorer = explore_mel(waveform, RATE)
    calls = counted(explorer, monkeypatch)
    step(explorer)
    explorer.view.visible = [0.2, 0.4]
    assert len(calls) == 2


def test_with_previews_the_kernel_draws_when_the_hand_rests(waveform, monkeypatch):
    explorer = explore_mel(waveform, RATE)
    explorer.view.previews = True
    calls = counted(explorer, monkeypatch)
    step(explorer)
    n_mels = step(explorer)
    explorer.view.visible = [0.2, 0.4]
    assert calls == []
    rest(explorer)
    assert [call["n_mels"] for call in calls] == [n_mels]
    told = explorer.view.shown_for
    assert (told["settings"], told["visible"]) == (explorer.settings, [0.2, 0.4])
    rest(explorer)
    assert len(calls) == 1  # it has drawn that already


def test_a_rest_that_comes_before_the_last_step_waits_for_it(waveform, monkeypatch):
    """A slider's message may be held back by the front end; a custom message is not."""
    explorer = explore_mel(waveform, RATE)
    explorer.view.previews = True
    calls = counted(explorer, monkeypatch)
    rest(explorer, n_mels=96)
    assert calls == []
    explorer.sliders["n_mels"].value = 80  # a step on the way
    assert calls == []
    explorer.sliders["n_mels"].value = 96
    assert [call["n_mels"] for call in calls] == [96]


@pytest.mark.parametrize(
    "content",
    [None, "rest", {}, {"type": "rest"}, {"type": "rest", "settings": 3, "visible": None}],
)
def test_a_message_without_sense_does_nothing(waveform, monkeypatch, content):
    explorer = explore_mel(waveform, RATE)
    explorer.view.previews = True
    calls = counted(explorer, monkeypatch)
    step(explorer)
    explorer._on_message(explorer.view, content, [])
    assert calls == []


READS = {
    "readout": lambda ex: ex.readout["shape"][0],
    "picture": lambda ex: ex.view.picture("mel")["n_rows"],
    "pin": lambda ex: (ex.view.pin(), ex.view.pinned["picture"]["n_rows"])[1],
    "png": lambda ex: (ex.view.png(), ex.view.picture_mel["n_rows"])[1],
    "pin button": lambda ex: (
        ex.view._on_message(ex.view, {"type": "pin"}, []),
        ex.view.pinned["picture"]["n_rows"],
    )[1],
    "shown": lambda ex: (ex._repr_mimebundle_(), ex.view.picture_mel["n_rows"])[1],
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_what_python_reads_is_never_stale(waveform, read):
    explorer = explore_mel(waveform, RATE)
    explorer.view.previews = True
    n_mels = step(explorer)
    assert explorer.view.picture_mel["n_rows"] != n_mels  # nobody has asked yet
    assert read(explorer) == n_mels


def test_an_error_is_never_stale_either(waveform):
    explorer = explore_stft(waveform, RATE, win_length=1024)
    explorer.view.previews = True
    explorer.sliders["n_fft"].value = 512
    assert "win_length 1024 is longer" in explorer.error
    assert explorer.view.shown_for["settings"]["n_fft"] == 512  # the page need not wait


def test_set_draws_at_once(waveform, monkeypatch):
    explorer = explore_mel(waveform, RATE)
    explorer.view.previews = True
    calls = counted(explorer, monkeypatch)
    explorer.set(n_mels=32, n_fft=512)
    assert len(calls) == 1
    assert explorer.view.shown_for["settings"]["n_mels"] == 32


@pytest.mark.parametrize("change", [{"engine": "PyTorch"}, {"previews": False}], ids=str)
def test_when_previews_end_the_kernel_catches_up(waveform, monkeypatch, change):
    explorer = explore_mel(waveform, RATE)
    explorer.view.previews = True
    calls = counted(explorer, monkeypatch)
    step(explorer)
    for name, value in change.items():
        setattr(explorer.view, name, value)
    assert len(calls) == 1
    step(explorer)
    assert len(calls) == 2


def test_another_sound_is_told_before_its_pictures(stored):
    explorer = explore_mel(stored, RATE)
    explorer.view.previews = True
    explorer._panel.sounds["soft"] = 0.5 * stored
    explorer.hear("soft")
    assert explorer.view.shown_for["sound"] == explorer.view.live_sound["serial"] == 2
    explorer.hear("original")
    told = explorer.view.live_sound
    assert told == {"serial": 3, "kind": "heard", "sound": explorer.view.sound_serial}
