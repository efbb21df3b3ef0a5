"""The sounds in ``audio_samples/``: what the table says, and what each is there to show."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "audio_samples"
LARGEST_FOLDER_BYTES = 3_000_000
LARGEST_PEAK_DBFS = -1.0
QUIET_EDGE = 1e-3  # -60 dBFS
FORMULA_STEMS = (
    "vowel_glide",
    "chirp",
    "two_close_tones",
    "two_close_clicks",
    "bird_whistle",
    "stereo_walk",
)


def read_table() -> dict[str, dict[str, str]]:
    """Return the table of the README: row by file name, cell by column name."""
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    header, _, *body = rows
    return {row[0].strip("`"): dict(zip(header, row, strict=True)) for row in body}


def read_sound(stem: str) -> tuple[np.ndarray, int]:
    """Return a sound as ``(time,)`` or ``(time, channels)`` and its sample rate."""
    return soundfile.read(FOLDER / f"{stem}.flac")


def power_spectrogram(waveform: np.ndarray, *, n_fft: int, hop_length: int) -> np.ndarray:
    """Return |STFT|^2 ``(freq, time)``, periodic Hann window, frame t centred on t * hop."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(waveform, n_fft // 2), n_fft)
    spec = np.fft.rfft(frames[::hop_length] * signal.get_window("hann", n_fft), axis=-1)
    return np.abs(spec.T) ** 2


def peaks_of(curve: np.ndarray, *, smallest_db: float) -> np.ndarray:
    """Return where a power curve has a local maximum, at most ``smallest_db`` under its largest."""
    inner = curve[1:-1]
    higher = (inner > curve[:-2] * (1 + 1e-9)) & (inner >= curve[2:])
    return 1 + np.flatnonzero(higher & (inner >= curve.max() * 10 ** (smallest_db / 10)))


@pytest.fixture(scope="module")
def script():
    """Import ``tools/make_audio_samples.py``, which is no part of the package."""
    path = ROOT / "tools" / "make_audio_samples.py"
    spec = importlib.util.spec_from_file_location("make_audio_samples", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


TABLE = read_table()


# --- The table and the files -----------------------------------------------------------


def test_every_file_has_a_row_and_every_row_a_file(script):
    files = {file.name for file in FOLDER.iterdir() if file.is_file()} - {"README.md", "LICENSE"}
    assert files == set(TABLE)
    assert [f"{sound.stem}.flac" for sound in script.SOUNDS] == list(TABLE)
    assert 8 <= len(files) <= 12


@pytest.mark.parametrize("name", TABLE)
def test_row_tells_the_truth_about_its_file(name):
    row, info = TABLE[name], soundfile.info(FOLDER / name)
    assert (info.format, info.subtype) == ("FLAC", "PCM_16")
    assert info.samplerate == int(row["sample_rate (Hz)"]) >= 16_000
    assert info.frames / info.samplerate == pytest.approx(float(row["seconds"]), abs=0.005)
    assert 1.0 <= info.duration <= 6.0
    assert info.channels == (2 if "two channels" in row["what is heard"] else 1)
    assert all(row.values()), "no cell is empty"
    assert ("FluidR3" in row["how it was made"]) == ("MIT" in row["licence"])


@pytest.mark.parametrize("name", TABLE)
def test_level_is_safe_and_edges_are_quiet(name):
    waveform, sample_rate = soundfile.read(FOLDER / name, always_2d=True)  # (time, channels)
    peak = np.abs(waveform).max()
    assert -13 <= 20 * np.log10(peak) <= LARGEST_PEAK_DBFS
    assert np.abs(waveform[[0, -1]]).max() <= QUIET_EDGE
    # a fade, not a step: the outermost half millisecond has hardly begun
    n_edge = sample_rate // 2000
    assert np.abs(np.concatenate([waveform[:n_edge], waveform[-n_edge:]])).max() <= 0.01
    assert np.abs(waveform.mean(axis=0)).max() <= QUIET_EDGE


@pytest.mark.parametrize("name", TABLE)
def test_no_long_silence_at_the_ends(name):
    waveform, sample_rate = soundfile.read(FOLDER / name, always_2d=True)
    loudest = np.abs(waveform).max(axis=1)
    heard = np.flatnonzero(loudest > loudest.max() * 1e-3)
    assert heard[0] / sample_rate <= 0.3
    assert (len(waveform) - heard[-1]) / sample_rate <= 0.3


@pytest.mark.parametrize("name", TABLE)
def test_peak_stays_under_full_scale_at_the_course_sample_rate(name):
    waveform, sample_rate = soundfile.read(FOLDER / name, always_2d=True)
    at_16_khz = signal.resample_poly(waveform, 16_000, sample_rate, axis=0)
    assert np.abs(at_16_khz).max() < 1.0


def test_folder_is_small():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < LARGEST_FOLDER_BYTES


def test_licence_file_holds_both_texts():
    text = (FOLDER / "LICENSE").read_text(encoding="utf-8")
    assert "CC0 1.0 Universal" in text
    assert "Statement of Purpose" in text
    assert "Frank Wen" in text
    assert "OTHER DEALINGS IN THE SOFTWARE" in text
    for name, row in TABLE.items():
        assert ("MIT" not in row["licence"]) or Path(name).stem in text


# --- What each sound is there to show --------------------------------------------------


def test_spoken_word_is_one_second_at_16_khz():
    waveform, sample_rate = read_sound("spoken_word")
    assert (len(waveform), sample_rate) == (16_000, 16_000)


def test_spoken_word_begins_with_a_hiss_and_goes_on_with_a_voice():
    waveform, sample_rate = read_sound("spoken_word")
    power_spec = power_spectrogram(waveform, n_fft=512, hop_length=160)  # 10 ms a frame
    freqs_hz = np.arange(257) * sample_rate / 512
    high = power_spec[freqs_hz > 4000].sum(axis=0) / power_spec.sum(axis=0).clip(1e-9)
    assert high[24:30].min() > 0.9  # 0.24 to 0.30 s: s
    assert high[36:70].max() < 0.1  # 0.36 to 0.70 s: even


def test_vowel_glide_holds_the_pitch_then_climbs_an_octave():
    waveform, sample_rate = read_sound("vowel_glide")
    assert [lowest_harmonic(waveform, sample_rate, at_s=t) for t in (0.2, 1.0, 1.6, 2.1, 3.7)] == (
        pytest.approx([125, 125, 125, 125, 250], abs=2)
    )


def lowest_harmonic(waveform: np.ndarray, sample_rate: int, *, at_s: float) -> float:
    """Return the frequency of the lowest clear peak of the spectrum around a moment, in Hz."""
    n_fft = 16_384
    part = waveform[round((at_s - 0.1) * sample_rate) : round((at_s + 0.1) * sample_rate)]
    power = np.abs(np.fft.rfft(part * signal.get_window("blackman", len(part)), n_fft)) ** 2
    return peaks_of(power, smallest_db=-40)[0] * sample_rate / n_fft


def test_violin_has_a_vibrato_that_short_frames_follow_and_long_ones_smear():
    short, long = vibrato(n_fft=1024), vibrato(n_fft=8192)
    assert short["rate_hz"] == pytest.approx(5.5, abs=0.1)
    assert 70 < short["swing_cents"] < 110  # 40 cents up and 40 down, and the player's own
    assert long["swing_cents"] < 0.5 * short["swing_cents"]


def vibrato(*, n_fft: int) -> dict[str, float]:
    """Follow the fourth harmonic (2637 Hz) of the violin's last note."""
    waveform, sample_rate = read_sound("violin_phrase")
    power_spec = power_spectrogram(waveform, n_fft=n_fft, hop_length=128)
    freqs_hz = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    times_s = np.arange(power_spec.shape[1]) * 128 / sample_rate
    near = np.abs(freqs_hz / 2637 - 1) < 0.06
    held = (times_s > 2.6) & (times_s < 3.9)
    power = power_spec[near][:, held]
    pitch_hz = (power * freqs_hz[near, None]).sum(axis=0) / power.sum(axis=0)
    swing = (pitch_hz - pitch_hz.mean()) * np.hanning(len(pitch_hz))
    spectrum = np.abs(np.fft.rfft(swing, 16 * len(swing)))
    return {
        "rate_hz": spectrum.argmax() * sample_rate / 128 / (16 * len(swing)),
        "swing_cents": 1200 * np.log2(pitch_hz.max() / pitch_hz.min()),
    }


@pytest.mark.parametrize(
    ("start_s", "end_s", "low_hz", "high_hz", "least_share"),
    [
        pytest.param(0.02, 0.30, 0, 200, 0.95, id="kick"),
        pytest.param(0.33, 0.60, 6000, 22_050, 0.74, id="closed hi-hat"),
        pytest.param(0.33, 0.60, 8000, 22_050, 0.66, id="closed hi-hat, lost at 16 kHz"),
    ],
)
def test_drums_lie_where_the_readme_says(start_s, end_s, low_hz, high_hz, least_share):
    waveform, sample_rate = read_sound("drum_bar")
    part = waveform[round(start_s * sample_rate) : round(end_s * sample_rate)]
    power = np.abs(np.fft.rfft(part)) ** 2
    freqs_hz = np.fft.rfftfreq(len(part), 1 / sample_rate)
    inside = (freqs_hz >= low_hz) & (freqs_hz < high_hz)
    assert power[inside].sum() / power.sum() >= least_share


def test_quiet_voice_needs_decibels_and_a_large_top_db():
    waveform, sample_rate = read_sound("quiet_voice_loud_drum")
    voice = waveform[round(1.4 * sample_rate) : round(3.4 * sample_rate)]
    assert 20 * np.log10(np.abs(voice).max() / np.abs(waveform).max()) == pytest.approx(-34, abs=1)
    power_spec = power_spectrogram(waveform, n_fft=1024, hop_length=512)
    voice_db = 10 * np.log10(power_spec[:, 45:106].max(axis=0) / power_spec.max())  # 1.44-3.36 s
    assert voice_db.max() < -30  # top_db 30 hides all of it
    assert np.mean(voice_db > -80) > 0.95  # top_db 80 shows it, but for the pause


def test_chirp_is_where_its_formula_says():
    waveform, sample_rate = read_sound("chirp")
    power_spec = power_spectrogram(waveform, n_fft=512, hop_length=256)
    times_s = np.arange(power_spec.shape[1]) * 256 / sample_rate
    loudest_hz = power_spec.argmax(axis=0) * sample_rate / 512
    np.testing.assert_allclose(loudest_hz[2:-2], 200 + 2400 * times_s[2:-2], atol=16)


def test_two_close_tones_have_the_stated_frequencies_and_one_level():
    waveform, sample_rate = read_sound("two_close_tones")
    middle = waveform[8000:24_000]  # one second: a bin is 1 Hz wide
    power = np.abs(np.fft.rfft(middle * signal.get_window("hann", sample_rate))) ** 2
    assert list(peaks_of(power, smallest_db=-20)) == [1000, 1040]
    assert power[1000] == pytest.approx(power[1040], rel=0.01)


@pytest.mark.parametrize(("n_fft", "n_lines"), [(256, 1), (512, 1), (2048, 2), (4096, 2)])
def test_two_close_tones_become_two_lines_in_long_frames(n_fft, n_lines):
    assert len(peaks_of(mean_tone_spectrum(n_fft), smallest_db=-13)) == n_lines


def test_two_close_tones_still_touch_at_the_default_n_fft():
    power = mean_tone_spectrum(1024)
    first, last = peaks_of(power, smallest_db=-13)
    dip_db = 10 * np.log10(power[first : last + 1].min() / power.max())
    assert dip_db == pytest.approx(-6, abs=0.5)


def mean_tone_spectrum(n_fft: int) -> np.ndarray:
    """Return the mean over time of the two tones' power spectrogram, without its edges."""
    waveform, _ = read_sound("two_close_tones")
    power_spec = power_spectrogram(waveform, n_fft=n_fft, hop_length=n_fft // 4)
    return power_spec[:, 8:-8].mean(axis=1)


CLICK_GROUPS = {0: (4096,), 16: (12_160, 12_416), 8: (20_416, 20_544), 4: (28_640, 28_704)}


def test_two_close_clicks_are_single_samples_in_exact_silence():
    waveform, sample_rate = read_sound("two_close_clicks")
    assert np.flatnonzero(waveform).tolist() == [
        n for group in CLICK_GROUPS.values() for n in group
    ]
    for spacing_ms, group in CLICK_GROUPS.items():
        assert (group[-1] - group[0]) / sample_rate * 1000 == spacing_ms


@pytest.mark.parametrize(
    ("n_fft", "spacings_ms_seen_as_two"),
    [(128, {16, 8, 4}), (256, {16, 8}), (512, {16}), (1024, set()), (2048, set())],
)
def test_two_close_clicks_open_in_frames_up_to_twice_their_spacing(n_fft, spacings_ms_seen_as_two):
    waveform, _ = read_sound("two_close_clicks")
    hop_length = n_fft // 4
    energy = power_spectrogram(waveform, n_fft=n_fft, hop_length=hop_length).sum(axis=0)
    counts = {}
    for spacing_ms, group in CLICK_GROUPS.items():
        around = slice((group[0] - 3072) // hop_length, (group[-1] + 3072) // hop_length)
        counts[spacing_ms] = len(peaks_of(energy[around], smallest_db=-6))
    assert {spacing for spacing, count in counts.items() if count == 2} == spacings_ms_seen_as_two
    assert set(counts.values()) <= {1, 2}
    assert counts[0] == 1


@pytest.mark.parametrize("spacing_ms", [16, 8, 4])
def test_merged_clicks_leave_stripes_one_over_their_spacing_apart(spacing_ms):
    waveform, sample_rate = read_sound("two_close_clicks")
    centre = sum(CLICK_GROUPS[spacing_ms]) // 2
    power = np.abs(np.fft.rfft(waveform[centre - 1024 : centre + 1024])) ** 2
    stripes_hz = np.diff(peaks_of(power, smallest_db=-1)) * sample_rate / 2048
    np.testing.assert_allclose(stripes_hz, 1000 / spacing_ms)


def test_bird_whistles_in_the_stated_range():
    waveform, sample_rate = read_sound("bird_whistle")
    power_spec = power_spectrogram(waveform, n_fft=1024, hop_length=256)
    loud = power_spec.sum(axis=0) > 0.01 * power_spec.sum(axis=0).max()
    loudest_hz = power_spec.argmax(axis=0)[loud] * sample_rate / 1024
    assert 2550 < loudest_hz.min() < 2750
    assert 5400 < loudest_hz.max() < 5650


def test_footsteps_walk_from_left_to_right():
    waveform, sample_rate = read_sound("stereo_walk")
    levels_db, delays_ms = [], []
    for step in range(8):
        start = round((0.05 + 0.45 * step) * sample_rate)
        left, right = waveform[start : start + round(0.3 * sample_rate)].T
        levels_db.append(10 * np.log10((right**2).sum() / (left**2).sum()))
        lag = np.correlate(left, right, "full").argmax() - (len(right) - 1)
        delays_ms.append(1000 * lag / sample_rate)
    assert levels_db == sorted(levels_db)
    assert delays_ms == sorted(delays_ms)
    assert [levels_db[0], levels_db[-1]] == pytest.approx([-22, 22], abs=0.5)
    assert [delays_ms[0], delays_ms[-1]] == pytest.approx([-0.54, 0.54], abs=0.03)


# --- The script ------------------------------------------------------------------------


@pytest.mark.parametrize("stem", FORMULA_STEMS)
def test_script_makes_the_same_samples_again(script, stem):
    sound = next(sound for sound in script.SOUNDS if sound.stem == stem)
    assert not sound.tools, "a formula needs no other program"
    assert script.largest_difference(sound, script.make_samples(sound)) <= 1


def test_script_writes_the_row_that_the_table_has(script):
    rows = script.table_rows((FOLDER / "README.md").read_text(encoding="utf-8"))
    for sound in script.SOUNDS:
        samples, _ = soundfile.read(FOLDER / f"{sound.stem}.flac", dtype="int16")
        assert rows[sound.stem] == script.table_row(sound, samples.T)


def test_check_notices_a_sound_that_is_not_its_formula(script, tmp_path, monkeypatch, capsys):
    samples, sample_rate = soundfile.read(FOLDER / "chirp.flac", dtype="int16")
    samples[24_000] += 9
    soundfile.write(tmp_path / "chirp.flac", samples, sample_rate)
    monkeypatch.setattr(script, "SAMPLES_FOLDER", tmp_path)
    assert script.main(["--only", "chirp", "--check"]) == 1
    assert "DIFFERS by up to 9" in capsys.readouterr().out


def test_script_names_missing_tools_and_their_packages(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script.shutil, "which", lambda name: None)
    monkeypatch.setattr(script, "SAMPLES_FOLDER", tmp_path)
    assert script.main(["--only", "spoken_word", "--only", "quiet_voice_loud_drum"]) == 1
    message = capsys.readouterr().err
    assert "text2wave" in message
    assert "fluidsynth" in message
    assert "flite" in message
    assert "apt-get install" in message
    assert "festival" in message
    assert not list(tmp_path.iterdir()), "nothing was written"


def test_midi_file_counts_time_in_bytes_of_seven_bits(script):
    assert script.encode_varint(0) == b"\x00"
    assert script.encode_varint(0x7F) == b"\x7f"
    assert script.encode_varint(480) == b"\x83\x60"
    midi = script.encode_midi_file([(0.5, b"\x90\x45\x40"), (1.0, b"\x80\x45\x00")])
    assert midi[:14] == b"MThd" + bytes([0, 0, 0, 6, 0, 0, 0, 1, 1, 0xE0])
    assert midi[22:] == b"\x83\x60\x90\x45\x40\x83\x60\x80\x45\x00\x00\xff\x2f\x00"
