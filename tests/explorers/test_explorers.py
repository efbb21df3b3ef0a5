"""The explorers without a browser: sliders move pictures, and nothing that is wrong breaks them."""

import threading

import pytest
import torch

from course_utils.explorers import explore_mel, explore_road, explore_stft
from course_utils.signal import mel_spectrogram, stft

SAMPLE_RATE = 16000
EXPLORERS = [explore_stft, explore_mel, explore_road]


@pytest.fixture
def waveform():
    return 0.1 * torch.randn(SAMPLE_RATE, generator=torch.Generator().manual_seed(3))


def shown(explorer, lane="spectrogram"):
    return explorer.view.picture(lane)


@pytest.mark.parametrize("explore", EXPLORERS)
def test_every_control_moves_the_picture(explore, waveform):
    explorer = explore(waveform, SAMPLE_RATE)
    for name, slider in explorer.sliders.items():
        before = {lane["id"]: shown(explorer, lane["id"]) for lane in explorer.view.lanes[1:]}
        values = [value for value in _values(slider) if value != slider.value]
        slider.value = values[0]
        after = {lane: shown(explorer, lane) for lane in before}
        changed = [k for k in before if before[k]["data"] != after[k]["data"]]
        assert changed, name
        assert explorer.error == ""
        explorer._apply(explorer._start)


def _values(slider):
    return [option[1] if isinstance(option, tuple) else option for option in slider.options]


@pytest.mark.parametrize("explore", EXPLORERS)
def test_every_preset_is_a_good_setting(explore, waveform):
    explorer = explore(waveform, SAMPLE_RATE)
    for name, values in explorer.presets.items():
        explorer._apply(values)
        assert explorer.error == "", name
        assert explorer.view.notes == [], name
        assert explorer.settings | values == explorer.settings, name


def test_start_values_reach_the_sliders_and_the_picture(waveform):
    explorer = explore_stft(waveform, SAMPLE_RATE, n_fft=300, hop_length=100, freq_axis="log")
    assert explorer.settings["n_fft"] == 300
    assert shown(explorer)["settings"]["freq_axis"] == "log"


def test_an_unknown_start_value_is_named(waveform):
    with pytest.raises(TypeError, match="no setting n_ftt; it has n_fft"):
        explore_stft(waveform, SAMPLE_RATE, n_ftt=512)


@pytest.mark.parametrize("value", [0, -3, 2.5, True, "512"])
def test_a_start_value_that_is_no_length_is_refused(waveform, value):
    with pytest.raises(ValueError, match="positive integer"):
        explore_stft(waveform, SAMPLE_RATE, n_fft=value)


def test_readout_of_the_defaults(waveform):
    readout = explore_stft(waveform, SAMPLE_RATE).readout
    assert readout["shape"] == (513, 32)
    assert readout["time_resolution_ms"] == pytest.approx(32.0, abs=0.1)
    assert readout["freq_resolution_hz"] == pytest.approx(31.25, abs=0.1)
    assert readout["overlap"] == 0.5
    assert explore_mel(waveform, SAMPLE_RATE).readout["shape"] == (64, 32)


def test_a_window_longer_than_the_transform_is_explained_and_the_picture_kept(waveform):
    explorer = explore_stft(waveform, SAMPLE_RATE)
    before = shown(explorer)["data"]
    explorer.set(win_length=2048)
    assert "win_length 2048 is longer than n_fft 1024" in explorer.error
    assert "last good" in explorer.error
    assert shown(explorer)["data"] == before
    explorer.set(n_fft=2048)
    assert explorer.error == ""


def test_a_hop_beyond_the_window_is_noted(waveform):
    explorer = explore_stft(waveform, SAMPLE_RATE, n_fft=256, hop_length=1024)
    assert "no frame sees 768 of every 1024 samples" in explorer.view.notes[0]


def test_empty_bands_are_named(waveform):
    explorer = explore_mel(waveform, SAMPLE_RATE, n_fft=256, hop_length=128, n_mels=128)
    empty = explorer.readout["empty_bands"]
    assert f"{len(empty)} of 128 Mel bands are empty" in explorer.view.notes[0]


def test_set_moves_several_sliders_and_draws_once(waveform):
    explorer = explore_stft(waveform, SAMPLE_RATE)
    serial = shown(explorer)["serial"]
    explorer.set(n_fft=512, hop_length=128, window="blackman")
    assert shown(explorer)["serial"] == serial + 1


# ---- the student's own function


def test_own_function_is_what_the_sliders_move(waveform):
    seen = []

    def my_stft(waveform, *, n_fft, hop_length):
        seen.append((n_fft, hop_length))
        return stft(waveform, n_fft=n_fft, hop_length=hop_length)

    explorer = explore_stft(waveform, SAMPLE_RATE, stft=my_stft)
    explorer.set(n_fft=512)
    assert seen == [(1024, 512), (512, 512)]
    assert shown(explorer)["engine"] == "your my_stft"
    assert shown(explorer)["data"] == shown(explore_stft(waveform, SAMPLE_RATE, n_fft=512))["data"]


def test_own_mel_function_is_what_the_sliders_move(waveform):
    def my_mel(waveform, sample_rate, n_fft, hop_length, n_mels):
        return mel_spectrogram(
            waveform, sample_rate=sample_rate, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels
        ).numpy()

    explorer = explore_mel(waveform, SAMPLE_RATE, mel_spectrogram=my_mel)
    explorer.set(n_mels=40)
    assert shown(explorer, "mel")["engine"] == "your my_mel"
    assert shown(explorer, "mel")["n_rows"] == 40
    assert (
        shown(explorer, "mel")["data"]
        == shown(explore_mel(waveform, SAMPLE_RATE, n_mels=40), "mel")["data"]
    )


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda w: 1 / 0, "my_stft raised ZeroDivisionError: division by zero (line "),
        (lambda w: torch.zeros(32, 513), "look exchanged"),
        (lambda w: torch.zeros(5), "shape (5,)"),
        (lambda w: torch.full((513, 32), float("nan")), "NaN"),
        (lambda w: -torch.ones(513, 32), "negative"),
        (lambda w: "spectrogram", "returned str"),
    ],
    ids=["raises", "transposed", "one axis", "nan", "decibels", "text"],
)
def test_a_faulty_own_function_is_explained(waveform, result, words):
    faulty = []

    def my_stft(waveform, n_fft, hop_length):
        return result(waveform) if faulty else stft(waveform, n_fft=n_fft, hop_length=hop_length)

    explorer = explore_stft(waveform, SAMPLE_RATE, stft=my_stft)
    before = shown(explorer)["data"]
    faulty.append(True)
    explorer.set(hop_length=256)
    assert words in explorer.error
    assert "\n" not in explorer.error
    assert shown(explorer)["data"] == before


def test_before_the_first_good_picture_the_courses_stands_in(waveform):
    explorer = explore_stft(waveform, SAMPLE_RATE, stft=lambda waveform: 1 / 0)
    assert "ZeroDivisionError" in explorer.error
    assert "course's" in explorer.error
    assert shown(explorer)["engine"] == "PyTorch"


def test_a_function_that_is_not_written_yet_is_no_error(waveform):
    explorer = explore_stft(waveform, SAMPLE_RATE, stft=lambda waveform: None)
    assert explorer.error == ""
    assert "returns None" in explorer.view.notes[0]
    assert shown(explorer)["engine"] == "PyTorch"


def test_own_function_cannot_change_the_sound(waveform):
    def my_stft(waveform, n_fft, hop_length):
        waveform *= 0
        return stft(waveform, n_fft=n_fft, hop_length=hop_length)

    explorer = explore_stft(waveform, SAMPLE_RATE, stft=my_stft)
    assert explorer.chain.waveform.abs().max() > 0


def test_a_spectrogram_too_large_for_an_own_function_is_refused_with_a_hop_that_fits():
    waveform = torch.zeros(120 * SAMPLE_RATE)
    waveform[::1000] = 0.5
    explorer = explore_stft(
        waveform, SAMPLE_RATE, n_fft=4096, hop_length=512,
        stft=lambda waveform, n_fft, hop_length: stft(waveform, n_fft=n_fft, hop_length=hop_length),
    )  # fmt: skip
    assert explorer.error == ""
    explorer.set(hop_length=64)
    assert "hop_length=64 would make 61,472,049 cells" in explorer.error
    fits = int(explorer.error.split("hop_length=")[2].split()[0])
    assert 2049 * (1 + len(waveform) // fits) <= 8_000_000


def test_a_callable_is_needed(waveform):
    with pytest.raises(TypeError, match="a function is needed"):
        explore_stft(waveform, SAMPLE_RATE, stft=3)


# ---- threads, stereo, display


def test_cells_and_messages_may_move_sliders_at_once(waveform):
    explorer = explore_mel(waveform, SAMPLE_RATE)

    def move(name, values):
        for value in values * 10:
            explorer.sliders[name].value = value

    threads = [
        threading.Thread(target=move, args=("n_fft", [512, 1024, 2048])),
        threading.Thread(target=move, args=("n_mels", [16, 40, 64])),
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert explorer.error == ""
    assert shown(explorer)["settings"]["n_fft"] == explorer.settings["n_fft"]
    assert shown(explorer, "mel")["settings"]["n_mels"] == explorer.settings["n_mels"]


def test_stereo_is_played_as_it_is_and_analysed_as_the_mean():
    left = 0.3 * torch.sin(2 * torch.pi * 440 * torch.arange(SAMPLE_RATE) / SAMPLE_RATE)
    explorer = explore_stft(torch.stack([left, torch.zeros_like(left)]), SAMPLE_RATE)
    assert explorer.view.n_channels == 2
    mono = explore_stft(left / 2, SAMPLE_RATE)
    assert shown(explorer)["data"] == shown(mono)["data"]


@pytest.mark.parametrize("explore", EXPLORERS)
def test_an_explorer_shows_itself_with_a_picture_and_a_fixed_text(explore, waveform):
    explorer = explore(waveform, SAMPLE_RATE)
    data, metadata = explorer._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.widget.model_id
    assert data["image/png"].startswith("iVBOR")
    assert data["text/plain"] == repr(explorer)
    assert "1.000 s at 16000 Hz" in repr(explorer)
    assert "0x" not in repr(explorer)
    assert metadata["image/png"]["alt"]


def test_large_type_reaches_the_sliders(waveform):
    explorer = explore_stft(waveform, SAMPLE_RATE)
    explorer.view.large_type = True
    assert "sv-large-controls" in explorer.widget._dom_classes
    explorer.view.large_type = False
    assert "sv-large-controls" not in explorer.widget._dom_classes
