"""The Mel explorer's own parts: filterbank, area norm, and the sound rebuilt in the background."""

import threading
import time

import numpy as np
import pytest
import torch

from course_utils.explorers import explore_mel, explore_road
from course_utils.explorers import mel as mel_module
from course_utils.explorers.filterbank import LOWEST_LOG_HZ, filterbank_chart
from course_utils.explorers.rebuild import ORIGINAL, Background, rebuild_sound
from course_utils.signal import (
    empty_mel_bands,
    hz_to_mel,
    mel_band_edges_hz,
    mel_filterbank,
    mel_spectrogram,
    power_to_db,
    rms_dbfs,
)

SAMPLE_RATE = 16000
SETTINGS = {
    "n_fft": 1024, "hop_length": 256, "win_length": None, "window": "hann", "n_mels": 40,
    "mel_scale": "htk", "norm": None, "freq_axis": "linear",
}  # fmt: skip


@pytest.fixture
def waveform():
    """A second of a buzz at 125 Hz with harmonics, growing louder."""
    times_s = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    tones = [torch.sin(2 * torch.pi * 125 * k * times_s) / k for k in range(1, 30)]
    return 0.2 * sum(tones) * torch.linspace(0.2, 1.0, SAMPLE_RATE)


@pytest.fixture
def explorer(waveform):
    return explore_mel(waveform, SAMPLE_RATE, n_fft=512, hop_length=128, n_mels=32)


def chart(**change):
    settings = SETTINGS | change
    fbank = mel_filterbank(
        n_freqs=settings["n_fft"] // 2 + 1, n_mels=settings["n_mels"], sample_rate=SAMPLE_RATE,
        mel_scale=settings["mel_scale"],
    )  # fmt: skip
    empty = empty_mel_bands(fbank).nonzero()[:, 0].tolist()
    return filterbank_chart(settings, sample_rate=SAMPLE_RATE, empty=empty), empty


def bands_of(drawn):
    return [line for line in drawn.lines if not line.label]


# ---- the filterbank


@pytest.mark.parametrize("mel_scale", ["htk", "slaney"])
@pytest.mark.parametrize("norm", [None, "slaney"])
@pytest.mark.parametrize("freq_axis", ["linear", "mel"])
def test_the_drawn_triangles_are_the_filterbank(mel_scale, norm, freq_axis):
    drawn, _ = chart(mel_scale=mel_scale, norm=norm, freq_axis=freq_axis)
    fbank = mel_filterbank(
        n_freqs=513, n_mels=40, sample_rate=SAMPLE_RATE, mel_scale=mel_scale, norm=norm
    )
    bins_hz = np.arange(513) * SAMPLE_RATE / 1024
    assert len(bands_of(drawn)) == 40
    for band, line in enumerate(bands_of(drawn)):
        at_bins = np.interp(bins_hz, line.x, line.y, left=0, right=0)
        np.testing.assert_allclose(at_bins, fbank[:, band], atol=1e-3 * float(fbank.max()))
    assert drawn.y.max >= max(line.y.max() for line in drawn.lines)
    assert drawn.bin_hz == SAMPLE_RATE / 1024


def test_empty_bands_are_dashed_and_said():
    drawn, empty = chart(n_fft=400, n_mels=128)
    assert empty == [0, 3, 6, 13]
    assert [i for i, line in enumerate(bands_of(drawn)) if line.style == "dashed"] == empty
    assert "dashed: empty bands" in drawn.notes
    drawn, empty = chart()
    assert empty == []
    assert len(drawn.notes) == 1


def test_both_scales_lie_over_the_triangles():
    drawn, _ = chart(mel_scale="slaney")
    curves = {line.label: line for line in drawn.lines if line.label}
    assert list(curves) == ["HTK mel", "Slaney mel"]
    for label, scale in (("HTK mel", "htk"), ("Slaney mel", "slaney")):
        share = hz_to_mel(torch.from_numpy(curves[label].x), mel_scale=scale)
        np.testing.assert_allclose(curves[label].y, share / hz_to_mel(8000.0, mel_scale=scale))


def test_no_point_lies_outside_of_a_logarithmic_axis():
    drawn, _ = chart(freq_axis="log", n_mels=128)
    assert min(line.x.min() for line in drawn.lines) == LOWEST_LOG_HZ == drawn.x.min
    assert all((np.diff(line.x) >= 0).all() for line in drawn.lines)


def test_moving_another_slider_sends_no_new_filterbank(explorer):
    before = explorer.view.picture("filterbank")["serial"]
    explorer.set(hop_length=64, top_db=60, window="hamming")
    assert explorer.view.picture("filterbank")["serial"] == before
    explorer.set(n_mels=20)
    assert explorer.view.picture("filterbank")["serial"] > before


# ---- area norm


def test_area_norm_tilts_the_picture_by_what_the_readout_says(waveform):
    noise = 0.1 * torch.randn(SAMPLE_RATE, generator=torch.Generator().manual_seed(1))
    explorer = explore_mel(noise, SAMPLE_RATE)
    assert explorer.readout["norm_tilt_db"] == 0.0
    assert ["area norm", "off, no tilt"] in explorer.view.readout
    flat = explorer.view.picture("mel")["data"]
    explorer.set(norm="slaney")
    edges_hz = mel_band_edges_hz(n_mels=64, sample_rate=SAMPLE_RATE)
    widths_hz = edges_hz[2:] - edges_hz[:-2]
    tilt_db = float(10 * torch.log10(widths_hz[0] / widths_hz[-1]))
    assert explorer.readout["norm_tilt_db"] == pytest.approx(tilt_db)
    assert ["area norm", "tilts by −10.6 dB, lowest to highest band"] in explorer.view.readout
    assert explorer.view.picture("mel")["data"] != flat
    assert explorer.view.picture("mel")["settings"]["norm"] == "slaney"
    explorer.set(norm=None)
    assert explorer.view.picture("mel")["data"] == flat


@pytest.mark.parametrize("norm", [None, "slaney"])
def test_the_picture_is_the_chain_with_this_norm(waveform, norm):
    picture = explore_mel(waveform, SAMPLE_RATE, norm=norm).view.picture("mel")
    mel_spec = mel_spectrogram(
        waveform, sample_rate=SAMPLE_RATE, n_fft=1024, hop_length=512, n_mels=64, norm=norm
    )
    db = power_to_db(mel_spec)
    cells = np.frombuffer(picture["data"], np.uint8).reshape(64, -1)
    shown = picture["value_min"] + cells / 255 * (picture["value_max"] - picture["value_min"])
    np.testing.assert_allclose(shown, db, atol=0.51 * 80 / 255)


def test_an_unknown_norm_is_refused(waveform):
    with pytest.raises(ValueError, match="norm must be None or 'slaney', got 'htk'"):
        explore_mel(waveform, SAMPLE_RATE, norm="htk")


def test_own_function_is_told_the_norm(waveform):
    told = []

    def my_mel(waveform, norm, n_mels, hop_length):
        told.append(norm)
        return torch.ones(n_mels, 1 + len(waveform) // hop_length)

    explorer = explore_mel(waveform, SAMPLE_RATE, mel_spectrogram=my_mel)
    explorer.set(norm="slaney")
    assert told == [None, "slaney"]


# ---- the rebuilt sound


def test_a_rebuilt_sound_has_the_bands_the_level_and_no_clipping(explorer, waveform):
    explorer.rebuild()
    (sound,) = explorer.rebuilt.values()
    assert sound.shape == waveform.shape
    assert float(sound.abs().max()) <= 1.0
    assert float(rms_dbfs(sound) - rms_dbfs(waveform)) == pytest.approx(0.0, abs=0.01)
    settings = {"sample_rate": SAMPLE_RATE, "n_fft": 512, "hop_length": 128, "n_mels": 32}
    before, after = (
        power_to_db(mel_spectrogram(s, **settings), top_db=40) for s in (waveform, sound)
    )
    assert (after - before).abs().mean() < 2.0
    assert "as loud as the original" in explorer._panel.status.value


def test_a_level_that_would_clip_is_lowered_and_said(waveform):
    explorer = explore_mel(waveform / waveform.abs().max(), SAMPLE_RATE, n_mels=8)
    explorer.rebuild()
    (sound,) = explorer.rebuilt.values()
    assert float(sound.abs().max()) == pytest.approx(1.0, abs=1e-5)
    assert "dB below the original, because more would clip" in explorer._panel.status.value


def test_the_switch_changes_sound_and_pictures_and_comes_back(explorer):
    original = {"sound": explorer.view.sound, "mel": explorer.view.picture("mel")["data"],
                "spectrogram": explorer.view.picture("spectrogram")["data"]}  # fmt: skip
    explorer.rebuild()
    assert explorer.heard == "32 bands" == explorer._panel.heard.value
    assert explorer.view.readout[0] == ["you hear", "32 bands"]
    assert explorer.view.sound != original["sound"]
    assert explorer.view.picture("spectrogram")["data"] != original["spectrogram"]
    explorer._panel.heard.value = ORIGINAL
    assert explorer.view.readout[0] == ["you hear", ORIGINAL]
    assert explorer.view.sound == original["sound"]
    for lane in ("spectrogram", "mel"):
        assert explorer.view.picture(lane)["data"] == original[lane]


def test_the_newest_three_stay_to_compare_and_the_original_is_what_is_rebuilt(explorer):
    sounds = []
    for n_mels in (64, 40, 16, 8):
        explorer.set(n_mels=n_mels)
        explorer.rebuild()
        sounds.append(explorer.rebuilt[f"{n_mels} bands"])
    assert list(explorer.rebuilt) == ["40 bands", "16 bands", "8 bands"]
    assert explorer._panel.heard.options == (ORIGINAL, "40 bands", "16 bands", "8 bands")
    explorer.set(n_mels=64)  # while 8 bands are heard
    explorer.rebuild()
    torch.testing.assert_close(explorer.rebuilt["64 bands"], sounds[0])


def test_scale_and_norm_are_those_of_the_controls(explorer):
    explorer.set(mel_scale="slaney")
    explorer.rebuild()
    assert list(explorer.rebuilt) == ["32 slaney bands"]
    plain = explorer.rebuilt["32 slaney bands"]
    explorer.set(norm="slaney")
    explorer.rebuild()  # the tilt of area norm is undone on the way back
    coarse_db = [
        power_to_db(mel_spectrogram(s, sample_rate=SAMPLE_RATE, n_mels=16).mean(dim=-1), top_db=60)
        for s in (plain, explorer.rebuilt["32 slaney bands"])
    ]
    assert (coarse_db[0] - coarse_db[1]).abs().max() < 1.0


def test_a_hop_that_cannot_be_undone_is_explained(explorer):
    explorer.set(hop_length=2048)
    explorer.rebuild()
    assert "take a shorter hop_length" in explorer._panel.status.value
    assert explorer.rebuilt == {}
    assert explorer._panel.bar.layout.display == "none"


def test_a_setting_that_fails_is_explained_there_too(explorer):
    explorer.set(win_length=1024)  # longer than n_fft 512
    explorer.rebuild()
    assert "win_length 1024 is longer than n_fft 512" in explorer._panel.status.value


def test_of_a_long_sound_the_visible_part_is_rebuilt(monkeypatch, waveform):
    monkeypatch.setattr(mel_module, "LONGEST_S", 0.4)
    explorer = explore_mel(waveform, SAMPLE_RATE, n_fft=512, hop_length=128)
    explorer.view.visible = [0.25, 0.95]
    explorer.rebuild()
    (sound,) = explorer.rebuilt.values()
    assert sound.shape == waveform.shape
    heard = sound.nonzero()[:, 0]
    assert heard.min() >= 4000
    assert heard.max() < 4000 + 6400
    assert len(heard) > 6000
    part = slice(4000, 10400)
    assert float(rms_dbfs(sound[part]) - rms_dbfs(waveform[part])) == pytest.approx(0, abs=0.01)


def test_stereo_is_rebuilt_from_the_mean_and_comes_back_as_stereo(waveform):
    explorer = explore_mel(torch.stack([waveform, 0.5 * waveform]), SAMPLE_RATE)
    explorer.rebuild()
    assert explorer.view.n_channels == 1
    explorer.hear(ORIGINAL)
    assert explorer.view.n_channels == 2


def test_silence_stays_silence():
    explorer = explore_mel(torch.zeros(8000), SAMPLE_RATE)
    explorer.rebuild()
    (sound,) = explorer.rebuilt.values()
    assert not sound.any()


def test_own_bands_are_what_is_rebuilt(waveform):
    def only_low(waveform, n_fft, hop_length, n_mels):
        mel_spec = mel_spectrogram(
            waveform, sample_rate=SAMPLE_RATE, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels
        )
        mel_spec[8:] = 0
        return mel_spec

    explorer = explore_mel(waveform, SAMPLE_RATE, mel_spectrogram=only_low, n_mels=40)
    explorer.rebuild()
    (sound,) = explorer.rebuilt.values()
    power = torch.fft.rfft(sound).abs() ** 2
    edges_hz = mel_band_edges_hz(n_mels=40, sample_rate=SAMPLE_RATE)
    above = int(edges_hz[9]) + 50  # in Hz, which are bins of one second
    assert power[above:].sum() < 0.01 * power.sum()


def test_a_function_that_is_not_written_yet_does_not_stop_the_button(waveform):
    explorer = explore_mel(waveform, SAMPLE_RATE, mel_spectrogram=lambda waveform: None)
    explorer.rebuild()
    assert len(explorer.rebuilt) == 1


def test_frames_that_are_not_centred_are_explained(waveform):
    def uncentred(waveform, n_mels, n_fft, hop_length):
        return torch.ones(n_mels, 1 + (len(waveform) - n_fft) // hop_length)

    explorer = explore_mel(waveform, SAMPLE_RATE, mel_spectrogram=uncentred)
    explorer.rebuild()
    assert "30 frames, and 32 centred ones" in explorer._panel.status.value


def test_progress_goes_from_nothing_to_all():
    shares = []
    mel_power = torch.rand(40, 20, generator=torch.Generator().manual_seed(0))
    rebuild_sound(
        mel_power, settings=SETTINGS, sample_rate=SAMPLE_RATE, length=4900, on_share=shares.append
    )
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.01
    assert shares[-1] == pytest.approx(1.0)


def test_the_road_has_no_filterbank_and_no_button(waveform):
    road = explore_road(waveform, SAMPLE_RATE)
    assert [lane["id"] for lane in road.view.lanes] == ["waveform", "spectrogram", "mel"]
    assert len(road.widget.children) == 2


# ---- the background


class Gate:
    """Makes the rebuilding wait where a test wants it, without a clock."""

    def __init__(self, monkeypatch):
        self.begun, self.go = threading.Semaphore(0), threading.Event()
        real = rebuild_sound

        def gated(mel_power, *, on_share, **settings):
            self.begun.release()
            assert self.go.wait(20)
            return real(mel_power, on_share=on_share, **settings)

        monkeypatch.setattr(mel_module, "rebuild_sound", gated)


def test_sliders_move_pictures_while_a_sound_is_rebuilt(monkeypatch, explorer):
    gate = Gate(monkeypatch)
    explorer._panel.button.click()
    assert gate.begun.acquire(timeout=20)
    before = explorer.view.picture("mel")["data"]
    explorer.set(n_mels=12)
    assert explorer.view.picture("mel")["data"] != before
    assert explorer._panel.bar.layout.display is None  # shown
    gate.go.set()
    explorer._panel.background.wait(20)
    assert list(explorer.rebuilt) == ["32 bands"]  # what the sliders said at the click
    assert explorer._panel.bar.layout.display == "none"


def test_a_second_click_replaces_the_first(monkeypatch, explorer):
    gate = Gate(monkeypatch)
    explorer._panel.button.click()
    first = explorer._panel.background._thread
    assert gate.begun.acquire(timeout=20)
    explorer.set(n_mels=12)
    explorer._panel.button.click()
    assert gate.begun.acquire(timeout=20)
    gate.go.set()
    explorer._panel.background.wait(20)
    first.join(20)
    assert list(explorer.rebuilt) == ["12 bands"]


def test_stop_gives_it_up(monkeypatch, explorer):
    gate = Gate(monkeypatch)
    explorer._panel.button.click()
    assert gate.begun.acquire(timeout=20)
    explorer._panel.cancel.click()
    gate.go.set()
    explorer._panel.background.wait(20)
    assert explorer.rebuilt == {}
    assert explorer._panel.status.value == "stopped"
    assert explorer.heard == ORIGINAL


def test_a_replaced_job_ends_at_its_next_sign_of_life():
    background, log, go = Background(), [], threading.Event()

    def endless(alive):
        go.set()
        while True:
            alive()
            time.sleep(0.001)

    background.start(endless)
    first = background._thread
    assert go.wait(10)
    background.start(lambda alive: log.append("second"))
    first.join(10)
    background.wait(10)
    assert not first.is_alive()
    assert log == ["second"]
