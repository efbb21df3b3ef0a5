"""Make every sound in ``audio_samples/`` from a score, a text or a formula written here.

    python tools/make_audio_samples.py                 # make all sounds and the table
    python tools/make_audio_samples.py --only chirp    # make one (repeat --only for more)
    python tools/make_audio_samples.py --check         # make, write nothing, compare

Needs numpy, scipy and soundfile (the course has them).  Six of the sounds also need Debian's

    apt-get install festival festvox-us-slt-hts flite fluidsynth fluid-soundfont-gm

The same input gives the same samples: noise is seeded, and the programs above are run with
nothing random in them.  Another version of such a program may give slightly other samples.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy import signal

Array = np.ndarray

SAMPLES_FOLDER = Path(__file__).resolve().parents[1] / "audio_samples"
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
SLT_VOICE = Path("/usr/share/festival/voices/us/cmu_us_slt_arctic_hts")
TABLE_START, TABLE_END = "<!-- table: start -->", "<!-- table: end -->"
LONGEST_TOOL_RUN_S = 120
FULL_SCALE = 32767  # the largest 16-bit sample


class MissingToolError(RuntimeError):
    """A program, voice or soundfont that a sound needs is not installed."""


# --- Needed from outside ---------------------------------------------------------------


@dataclass(frozen=True)
class Tool:
    """Something that a sound needs: a program on the PATH or a file, and its Debian package."""

    name: str
    package: str
    file: Path | None = None

    def is_missing(self) -> bool:
        """Say whether the program or file is absent."""
        return not self.file.exists() if self.file else shutil.which(self.name) is None


FESTIVAL = (
    Tool("text2wave", "festival"),
    Tool("the voice cmu_us_slt_arctic_hts", "festvox-us-slt-hts", SLT_VOICE),
)
FLITE = (Tool("flite", "flite"),)
FLUIDSYNTH = (
    Tool("fluidsynth", "fluidsynth"),
    Tool("the soundfont FluidR3_GM.sf2", "fluid-soundfont-gm", SOUNDFONT),
)


def require_tools(tools: Iterable[Tool]) -> None:
    """Raise MissingToolError, naming everything absent and the command that installs it."""
    missing = list(dict.fromkeys(tool for tool in tools if tool.is_missing()))
    if missing:
        packages = " ".join(sorted({tool.package for tool in missing}))
        names = ", ".join(tool.name for tool in missing)
        raise MissingToolError(f"missing: {names}\nOn Debian:  apt-get install {packages}")


def run_tool(*command: str, text: str | None = None) -> None:
    """Run a program quietly; raise RuntimeError with its last words when it fails."""
    done = subprocess.run(
        command, input=text, text=True, capture_output=True, timeout=LONGEST_TOOL_RUN_S
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {done.stderr[-500:]}")


# --- Levels, edges, time ---------------------------------------------------------------


def dbfs_to_amplitude(level_dbfs: float) -> float:
    """Turn dB relative to full scale into an amplitude: 0 dBFS is 1.0."""
    return 10.0 ** (level_dbfs / 20.0)


def scale_to_peak(waveform: Array, *, peak_dbfs: float) -> Array:
    """Scale a waveform ``(..., time)`` so that its largest absolute sample is ``peak_dbfs``."""
    return waveform * (dbfs_to_amplitude(peak_dbfs) / np.abs(waveform).max())


def fade_edges(waveform: Array, *, sample_rate: int, fade_s: float) -> Array:
    """Fade in and out with half a cosine; the first and the last sample become 0."""
    n_fade = round(fade_s * sample_rate)
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(n_fade) / n_fade)
    faded = waveform.copy()
    faded[..., :n_fade] *= ramp
    faded[..., -n_fade:] *= ramp[::-1]
    return faded


def remove_dc(waveform: Array, *, sample_rate: int, cutoff_hz: float = 25.0) -> Array:
    """High-pass ``(..., time)``: take away the mean and rumble too deep to hear."""
    sos = signal.butter(2, cutoff_hz, "highpass", fs=sample_rate, output="sos")
    return signal.sosfilt(sos, waveform)


def change_rate(waveform: Array, *, old_rate: int, sample_rate: int) -> Array:
    """Resample a waveform ``(time,)`` with a polyphase low-pass filter."""
    return signal.resample_poly(waveform, sample_rate, old_rate)


def trim_silence(waveform: Array, *, sample_rate: int, floor_db: float, margin_s: float) -> Array:
    """Cut both ends where ``(time,)`` stays ``floor_db`` under its peak; keep a margin."""
    loud = np.flatnonzero(np.abs(waveform) > np.abs(waveform).max() * 10 ** (floor_db / 20))
    n_margin = round(margin_s * sample_rate)
    return waveform[max(0, loud[0] - n_margin) : loud[-1] + 1 + n_margin]


def fit_length(waveform: Array, *, n_samples: int, start: int = 0) -> Array:
    """Place a waveform ``(time,)`` at sample ``start`` of ``n_samples`` zeros, cutting its end."""
    placed = np.zeros(n_samples)
    part = waveform[: n_samples - start]
    placed[start : start + len(part)] = part
    return placed


def to_int16(waveform: Array) -> Array:
    """Round a float waveform in [-1, 1] to 16-bit samples, without dither: 0 stays 0."""
    return np.round(waveform * FULL_SCALE).astype(np.int16)


# --- Speech ----------------------------------------------------------------------------


def speak_with_festival(text: str, *, sample_rate: int) -> Array:
    """Let the woman's voice cmu_us_slt_arctic_hts say a text; returns ``(time,)``."""
    require_tools(FESTIVAL)
    with tempfile.TemporaryDirectory() as folder:
        wav = str(Path(folder, "speech.wav"))
        run_tool("text2wave", "-eval", "(voice_cmu_us_slt_arctic_hts)", "-o", wav, text=text)
        waveform, rate = soundfile.read(wav)
    return change_rate(waveform, old_rate=rate, sample_rate=sample_rate)


def speak_with_flite(text: str, *, sample_rate: int) -> Array:
    """Let the man's voice "rms" say a text; returns ``(time,)``."""
    require_tools(FLITE)
    with tempfile.TemporaryDirectory() as folder:
        wav = str(Path(folder, "speech.wav"))
        run_tool("flite", "-voice", "rms", "-t", text, "-o", wav)
        waveform, rate = soundfile.read(wav)
    return change_rate(waveform, old_rate=rate, sample_rate=sample_rate)


def clean_speech(waveform: Array, *, sample_rate: int, margin_s: float) -> Array:
    """Take DC and long silences away from speech ``(time,)`` and fade its edges."""
    waveform = remove_dc(waveform, sample_rate=sample_rate, cutoff_hz=60.0)
    waveform = trim_silence(waveform, sample_rate=sample_rate, floor_db=-46, margin_s=margin_s)
    return fade_edges(waveform, sample_rate=sample_rate, fade_s=min(margin_s, 0.03))


def make_spoken_word() -> Array:
    """Make "seven", one second: exactly 16 000 samples, so 64 mel bands x 32 frames."""
    speech = speak_with_festival("seven", sample_rate=16_000)
    speech = clean_speech(speech, sample_rate=16_000, margin_s=0.04)
    start = (16_000 - len(speech)) // 2
    return scale_to_peak(fit_length(speech, n_samples=16_000, start=start), peak_dbfs=-3)


def make_spoken_sentence() -> Array:
    """Make a sentence of about three seconds."""
    text = "Every sound has a shape that you can learn to read."
    speech = speak_with_festival(text, sample_rate=16_000)
    speech = clean_speech(speech, sample_rate=16_000, margin_s=0.06)
    n_samples = -(-len(speech) // 1600) * 1600  # whole tenths of a second
    return scale_to_peak(fit_length(speech, n_samples=n_samples), peak_dbfs=-3)


# (time_s, F1, F2, F3) in Hz: where the vocal tract resonates, from "ah" to "ee" to "oo" to "ah"
VOWELS = (
    (0.0, 730, 1090, 2440),
    (0.4, 730, 1090, 2440),
    (1.0, 270, 2290, 3010),
    (1.6, 300, 870, 2240),
    (2.2, 730, 1090, 2440),
    (4.0, 730, 1090, 2440),
)
HIGH_FORMANTS_HZ = (3500.0, 4500.0)  # hardly move from vowel to vowel
FORMANT_BANDWIDTHS_HZ = (70.0, 90.0, 130.0, 180.0, 250.0)
# (time_s, pitch_hz): the pitch stays while the vowel moves, then moves while the vowel stays
VOWEL_PITCH = ((0.0, 125), (2.2, 125), (3.4, 250), (4.0, 250))


def resonate(waveform: Array, *, freqs_hz: Array, bandwidth_hz: float, sample_rate: int) -> Array:
    """Filter ``(time,)`` with one resonance whose frequency ``(time,)`` moves.

    ``y[n] = g x[n] + 2 r cos(w) y[n-1] - r^2 y[n-2]``, with ``g`` so that 0 Hz passes at 1.
    """
    radius = np.exp(-np.pi * bandwidth_hz / sample_rate)
    b = 2 * radius * np.cos(2 * np.pi * freqs_hz / sample_rate)
    c = -radius * radius
    filtered = np.zeros(len(waveform))
    last = before = 0.0
    for n, sample in enumerate(waveform):
        last, before = (1 - b[n] - c) * sample + b[n] * last + c * before, last
        filtered[n] = last
    return filtered


def make_voice_pulses(pitch_hz: Array, *, sample_rate: int) -> Array:
    """Add all harmonics under Nyquist, falling 6 dB per octave, for a pitch ``(time,)``."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / sample_rate
    pulses = np.zeros(len(pitch_hz))
    for k in range(1, int(sample_rate / 2 / pitch_hz.min()) + 1):
        # each harmonic goes out softly before it would alias
        audible = np.clip((0.95 * sample_rate / 2 - k * pitch_hz) / 200.0, 0.0, 1.0)
        pulses += audible * np.cos(k * phase) / k
    return pulses


def even_out_level(waveform: Array, *, n_smooth: int) -> Array:
    """Divide ``(time,)`` by its own slowly moving RMS (a Hann window of ``n_smooth`` samples)."""
    window = signal.get_window("hann", n_smooth)
    mean_square = signal.fftconvolve(waveform**2, window / window.sum(), mode="same")
    weight = signal.fftconvolve(np.ones(len(waveform)), window / window.sum(), mode="same")
    return waveform / np.sqrt(mean_square / weight)


def make_vowel_glide() -> Array:
    """Make ah-ee-oo-ah on one pitch, then one ah whose pitch climbs an octave."""
    sample_rate, seconds = 16_000, 4.0
    times_s = np.arange(round(seconds * sample_rate)) / sample_rate
    pitch_hz = np.interp(times_s, *np.transpose(VOWEL_PITCH))
    waveform = make_voice_pulses(pitch_hz, sample_rate=sample_rate)
    vowel_times, *formants = np.transpose(VOWELS)
    tracks_hz = [np.interp(times_s, vowel_times, formant) for formant in formants]
    tracks_hz += [np.full(len(times_s), freq_hz) for freq_hz in HIGH_FORMANTS_HZ]
    for freqs_hz, bandwidth_hz in zip(tracks_hz, FORMANT_BANDWIDTHS_HZ, strict=True):
        waveform = resonate(
            waveform, freqs_hz=freqs_hz, bandwidth_hz=bandwidth_hz, sample_rate=sample_rate
        )
    waveform = even_out_level(remove_dc(waveform, sample_rate=sample_rate), n_smooth=3200)
    waveform = fade_edges(waveform, sample_rate=sample_rate, fade_s=0.08)
    return scale_to_peak(waveform, peak_dbfs=-3)


# --- Instruments -----------------------------------------------------------------------

TICKS_PER_SECOND = 960
PIANO, VIOLIN = 0, 40  # General MIDI programs, counted from 0
DRUM_CHANNEL = 9  # General MIDI keeps channel 10 (9 counted from 0) for drums
KICK, SNARE, CLOSED_HAT, OPEN_HAT, LOW_TOM = 36, 38, 42, 46, 41


@dataclass(frozen=True)
class Note:
    """One note of a score: MIDI pitch (69 is A4, 440 Hz) and how hard it is struck, 1 to 127."""

    start_s: float
    duration_s: float
    pitch: int
    velocity: int


def encode_varint(value: int) -> bytes:
    """Write a number the way MIDI files do: seven bits a byte, the highest first."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append((value & 0x7F) | 0x80)
    return bytes(reversed(groups))


def encode_midi_file(events: Iterable[tuple[float, bytes]]) -> bytes:
    """Write (time_s, message) pairs as a MIDI file of one track, 960 ticks a second."""
    track, last_tick = bytearray(), 0
    for time_s, message in sorted(events, key=lambda event: event[0]):
        tick = round(time_s * TICKS_PER_SECOND)
        track += encode_varint(tick - last_tick) + message
        last_tick = tick
    track += b"\x00\xff\x2f\x00"  # end of track
    # 480 ticks a quarter note, and MIDI's usual 120 quarter notes a minute
    header = b"MThd\x00\x00\x00\x06\x00\x00\x00\x01" + (TICKS_PER_SECOND // 2).to_bytes(2, "big")
    return header + b"MTrk" + len(track).to_bytes(4, "big") + bytes(track)


def score_events(notes: Iterable[Note], *, program: int, channel: int) -> list:
    """Turn notes into MIDI messages with their times in seconds."""
    events = [(0.0, bytes([0xC0 | channel, program]))]
    for note in notes:
        events.append((note.start_s, bytes([0x90 | channel, note.pitch, note.velocity])))
        events.append((note.start_s + note.duration_s, bytes([0x80 | channel, note.pitch, 0])))
    return events


def vibrato_events(*, start_s: float, end_s: float, rate_hz: float, depth_cents: float) -> list:
    """Bend the pitch of channel 0 up and down; the vibrato grows over its first half second."""
    times_s = np.arange(start_s, end_s, 0.01)
    growth = np.clip((times_s - start_s) / 0.5, 0.0, 1.0)
    cents = depth_cents * growth * np.sin(2 * np.pi * rate_hz * (times_s - start_s))
    bends = np.round(8192 + 8192 * cents / 200.0).astype(int)  # full bend: two semitones
    messages = [bytes([0xE0, int(bend) & 0x7F, int(bend) >> 7]) for bend in bends]
    return list(zip(times_s, messages, strict=True))


def render_midi(events: list, *, sample_rate: int, seconds: float, gain: float = 0.4) -> Array:
    """Play MIDI events with the FluidR3 soundfont, no reverb, no chorus; returns ``(time,)``."""
    require_tools(FLUIDSYNTH)
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder, "score.mid"), Path(folder, "sound.wav")
        midi.write_bytes(encode_midi_file(events))
        options = ["-ni", "-q", "-R", "0", "-C", "0", "-g", str(gain), "-r", str(sample_rate)]
        options += ["-T", "wav", "-O", "float", "-F", str(wav)]
        run_tool("fluidsynth", *options, str(SOUNDFONT), str(midi))
        waveform, _ = soundfile.read(wav)
    waveform = fit_length(waveform.mean(axis=1), n_samples=round(seconds * sample_rate))
    return remove_dc(waveform, sample_rate=sample_rate)


# (start_s, duration_s, pitch, velocity): a melody in A minor over two slow chords
PIANO_SCORE = (
    Note(0.02, 1.90, 45, 62),  # A2
    Note(0.02, 0.45, 69, 84),  # A4
    Note(0.45, 0.45, 72, 78),  # C5
    Note(0.88, 0.45, 76, 88),  # E5
    Note(1.31, 0.65, 74, 70),  # D5
    Note(1.96, 1.90, 41, 62),  # F2
    Note(1.96, 0.45, 72, 80),  # C5
    Note(2.39, 0.45, 69, 66),  # A4
    Note(2.82, 0.80, 67, 74),  # G4
    Note(3.66, 1.20, 45, 70),  # A2
    Note(3.66, 1.20, 64, 72),  # E4
    Note(3.66, 1.20, 69, 84),  # A4
)


def make_piano_phrase() -> Array:
    """Make a piano melody of five seconds."""
    sample_rate = 22_050
    events = score_events(PIANO_SCORE, program=PIANO, channel=0)
    waveform = render_midi(events, sample_rate=sample_rate, seconds=5.0)
    waveform = fade_edges(waveform, sample_rate=sample_rate, fade_s=0.015)
    return scale_to_peak(waveform, peak_dbfs=-3)


VIOLIN_SCORE = (
    Note(0.02, 0.62, 69, 84),  # A4
    Note(0.62, 0.42, 71, 88),  # B4
    Note(1.02, 0.62, 74, 92),  # D5
    Note(1.62, 2.45, 76, 100),  # E5, held: 659.3 Hz, with vibrato
)
VIBRATO = {"start_s": 2.0, "end_s": 4.2, "rate_hz": 5.5, "depth_cents": 40.0}


def make_violin_phrase() -> Array:
    """Make a violin line whose long last note has a vibrato that grows."""
    sample_rate = 22_050
    events = score_events(VIOLIN_SCORE, program=VIOLIN, channel=0) + vibrato_events(**VIBRATO)
    waveform = render_midi(events, sample_rate=sample_rate, seconds=4.4)
    waveform = fade_edges(waveform, sample_rate=sample_rate, fade_s=0.015)
    return scale_to_peak(waveform, peak_dbfs=-3)


def drum_score() -> list[Note]:
    """Write one bar of 4/4 at 100 beats a minute, and the first beat of the next."""
    eighth_s, first_s = 0.3, 0.02
    bar = {KICK: (0, 3, 4, 8), SNARE: (2, 6), CLOSED_HAT: (0, 1, 2, 3, 4, 5, 6, 8), OPEN_HAT: (7,)}
    loudness = {KICK: 112, SNARE: 104, CLOSED_HAT: 84, OPEN_HAT: 88}
    return [
        Note(first_s + eighth_s * position, 0.25, drum, loudness[drum])
        for drum, positions in bar.items()
        for position in positions
    ]


def make_drum_bar() -> Array:
    """Make one bar of kick, snare and hi-hat at 44 100 Hz: the hi-hat needs it."""
    sample_rate = 44_100
    events = score_events(drum_score(), program=0, channel=DRUM_CHANNEL)
    waveform = render_midi(events, sample_rate=sample_rate, seconds=2.9)
    waveform = fade_edges(waveform, sample_rate=sample_rate, fade_s=0.01)
    return scale_to_peak(waveform, peak_dbfs=-2)


def make_quiet_voice_loud_drum() -> Array:
    """Make two loud drum strokes, a voice 34 dB under them, and another stroke."""
    sample_rate, seconds = 16_000, 4.4
    strokes = [Note(t, 0.3, drum, 120) for t in (0.02, 0.36, 3.6) for drum in (KICK, LOW_TOM)]
    events = score_events(strokes, program=0, channel=DRUM_CHANNEL)
    drum = render_midi(events, sample_rate=sample_rate, seconds=seconds)
    speech = speak_with_flite("I am still here. Can you see me?", sample_rate=sample_rate)
    speech = clean_speech(speech, sample_rate=sample_rate, margin_s=0.04)
    speech = fit_length(speech, n_samples=len(drum), start=round(1.25 * sample_rate))
    waveform = scale_to_peak(drum, peak_dbfs=-2) + scale_to_peak(speech, peak_dbfs=-36)
    return fade_edges(waveform, sample_rate=sample_rate, fade_s=0.015)


# --- Test signals ----------------------------------------------------------------------

CHIRP_START_HZ, CHIRP_END_HZ, CHIRP_S = 200.0, 7400.0, 3.0
TONES_HZ = (1000.0, 1040.0)
CLICK_GROUPS_S = ((0.256, 0.0), (0.768, 0.016), (1.28, 0.008), (1.792, 0.004))  # (time, spacing)


def make_chirp() -> Array:
    """Make a tone that climbs 2 400 Hz a second: a straight line on a frequency axis in Hz."""
    sample_rate = 16_000
    times_s = np.arange(round(CHIRP_S * sample_rate)) / sample_rate
    slope = (CHIRP_END_HZ - CHIRP_START_HZ) / CHIRP_S
    waveform = np.sin(2 * np.pi * (CHIRP_START_HZ * times_s + slope * times_s**2 / 2))
    waveform = fade_edges(waveform, sample_rate=sample_rate, fade_s=0.03)
    return scale_to_peak(waveform, peak_dbfs=-12)


def make_two_close_tones() -> Array:
    """Add two tones of one level, 40 Hz apart: they beat 40 times a second."""
    sample_rate, seconds = 16_000, 2.0
    times_s = np.arange(round(seconds * sample_rate)) / sample_rate
    waveform = sum(np.sin(2 * np.pi * freq_hz * times_s) for freq_hz in TONES_HZ)
    waveform = fade_edges(waveform, sample_rate=sample_rate, fade_s=0.03)
    return scale_to_peak(waveform, peak_dbfs=-9)


def make_two_close_clicks() -> Array:
    """Make one click, then pairs of clicks 16, 8 and 4 ms apart; all else is exactly 0."""
    sample_rate, n_samples = 16_000, 32_768
    waveform = np.zeros(n_samples)
    for time_s, spacing_s in CLICK_GROUPS_S:
        first = round((time_s - spacing_s / 2) * sample_rate)
        waveform[[first, first + round(spacing_s * sample_rate)]] = 1.0
    return scale_to_peak(waveform, peak_dbfs=-2)


# (start_s, duration_s, first_hz, last_hz, trill_hz, trill_depth_hz)
BIRD_SONG = (
    (0.05, 0.28, 2600, 3900, 0, 0),
    (0.42, 0.28, 2600, 3900, 0, 0),
    (0.82, 0.50, 4700, 2900, 0, 0),
    (1.45, 0.70, 3600, 3600, 18, 700),
    (2.25, 0.07, 5600, 4400, 0, 0),
    (2.36, 0.07, 5600, 4400, 0, 0),
    (2.47, 0.07, 5600, 4400, 0, 0),
    (2.58, 0.34, 4400, 3200, 0, 0),
)


def make_whistle(syllable: tuple, *, sample_rate: int) -> Array:
    """Make one syllable of the bird's song ``(time,)``: a gliding tone and its soft octave."""
    _, duration_s, first_hz, last_hz, trill_hz, trill_depth_hz = syllable
    times_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    freqs_hz = first_hz + (last_hz - first_hz) * times_s / duration_s
    freqs_hz = freqs_hz + trill_depth_hz * np.sin(2 * np.pi * trill_hz * times_s)
    phase = 2 * np.pi * np.cumsum(freqs_hz) / sample_rate
    envelope = np.sin(np.pi * times_s / duration_s) ** 0.7
    return envelope * (np.sin(phase) + 0.08 * np.sin(2 * phase))


def make_bird_whistle() -> Array:
    """Make a song of glides and a trill over very soft wind (seeded noise)."""
    sample_rate, seconds = 32_000, 3.0
    wind = np.random.default_rng(2).standard_normal(round(seconds * sample_rate))
    sos = signal.butter(2, (200, 1500), "bandpass", fs=sample_rate, output="sos")
    waveform = 0.003 * signal.sosfilt(sos, wind)
    for syllable in BIRD_SONG:
        whistle = make_whistle(syllable, sample_rate=sample_rate)
        start = round(syllable[0] * sample_rate)
        waveform[start : start + len(whistle)] += whistle
    waveform = fade_edges(waveform, sample_rate=sample_rate, fade_s=0.03)
    return scale_to_peak(waveform, peak_dbfs=-12)


N_STEPS, STEP_EVERY_S, LARGEST_DELAY_S = 8, 0.45, 0.0006


def make_footstep(random: np.random.Generator, *, sample_rate: int) -> Array:
    """Make one step on gravel ``(time,)``: a thump and grains of noise that die away."""
    times_s = np.arange(round(0.25 * sample_rate)) / sample_rate
    thump = np.sin(2 * np.pi * 90 * times_s) * np.exp(-times_s / 0.03)
    grains = random.standard_normal(len(times_s)) * (random.random(len(times_s)) < 0.12)
    sos = signal.butter(2, (800, 6000), "bandpass", fs=sample_rate, output="sos")
    attack = 1 - np.exp(-times_s / 0.004)
    return attack * (0.5 * thump + signal.sosfilt(sos, grains) * np.exp(-times_s / 0.05))


def place_in_stereo(waveform: Array, *, position: float, sample_rate: int) -> Array:
    """Put ``(time,)`` between left (-1) and right (+1); returns ``(2, time)``.

    The far ear hears it softer (constant power) and up to 0.6 ms later, as a head makes it.
    """
    angle = (position + 1) * np.pi / 4
    delay = round(abs(position) * LARGEST_DELAY_S * sample_rate)
    late, early = np.pad(waveform, (delay, 0)), np.pad(waveform, (0, delay))
    left, right = (late, early) if position > 0 else (early, late)
    return np.stack([np.cos(angle) * left, np.sin(angle) * right])


def make_stereo_walk() -> Array:
    """Make eight footsteps that walk from the left ear to the right: ``(2, time)``."""
    sample_rate, random = 22_050, np.random.default_rng(8)
    waveform = np.zeros((2, round((0.1 + N_STEPS * STEP_EVERY_S) * sample_rate)))
    for step, position in enumerate(np.linspace(-0.9, 0.9, N_STEPS)):
        footstep = make_footstep(random, sample_rate=sample_rate)
        placed = place_in_stereo(footstep, position=position, sample_rate=sample_rate)
        start = round((0.05 + step * STEP_EVERY_S) * sample_rate)
        waveform[:, start : start + placed.shape[1]] += placed
    waveform = remove_dc(waveform, sample_rate=sample_rate)
    waveform = fade_edges(waveform, sample_rate=sample_rate, fade_s=0.02)
    return scale_to_peak(waveform, peak_dbfs=-3)


# --- The list --------------------------------------------------------------------------


@dataclass(frozen=True)
class Sound:
    """One file of ``audio_samples/``: its maker, and the words of its row in the table."""

    stem: str
    make: Callable[[], Array]
    sample_rate: int
    heard: str
    made: str
    licence: str = "CC0-1.0"
    tools: tuple[Tool, ...] = ()


WITH_SOUNDFONT = "CC0-1.0; the instrument samples in it: MIT (FluidR3)"

SOUNDS = (
    Sound(
        "spoken_word",
        make_spoken_word,
        16_000,
        'A woman\'s synthetic voice says "seven", in exactly 16 000 samples: hiss (s), vowel, '
        "buzz (v), hum (n)",
        "Festival, voice `cmu_us_slt_arctic_hts`, resampled from 32 kHz",
        tools=FESTIVAL,
    ),
    Sound(
        "spoken_sentence",
        make_spoken_sentence,
        16_000,
        'The same voice: "Every sound has a shape that you can learn to read."',
        "Festival, voice `cmu_us_slt_arctic_hts`, resampled from 32 kHz",
        tools=FESTIVAL,
    ),
    Sound(
        "vowel_glide",
        make_vowel_glide,
        16_000,
        "ah-ee-oo-ah on one pitch (125 Hz): the formants move, the harmonics stay. "
        "After 2.2 s one ah climbs to 250 Hz: the harmonics move, the formants stay",
        "Formula: harmonics of a pitch through three moving resonances",
    ),
    Sound(
        "piano_phrase",
        make_piano_phrase,
        22_050,
        "A slow piano melody in A minor: sharp starts, harmonics that fade one by one",
        "Score in the script, FluidSynth, FluidR3 piano, no reverb",
        WITH_SOUNDFONT,
        FLUIDSYNTH,
    ),
    Sound(
        "violin_phrase",
        make_violin_phrase,
        22_050,
        "Three notes and a long E5 (659 Hz) whose vibrato grows: 5.5 swings a second, "
        "wider in every higher harmonic",
        "Score in the script, FluidSynth, FluidR3 violin, pitch bend for the vibrato, no reverb",
        WITH_SOUNDFONT,
        FLUIDSYNTH,
    ),
    Sound(
        "drum_bar",
        make_drum_bar,
        44_100,
        "One bar at 100 beats a minute: kick (95 % of its energy under 200 Hz), snare (wide), "
        "closed hi-hat (three quarters of its energy above 6 kHz)",
        "Score in the script, FluidSynth, FluidR3 drums, no reverb",
        WITH_SOUNDFONT,
        FLUIDSYNTH,
    ),
    Sound(
        "quiet_voice_loud_drum",
        make_quiet_voice_loud_drum,
        16_000,
        "Two loud drum strokes, then a man's synthetic voice says "
        '"I am still here. Can you see me?" '
        "with a peak 34 dB under theirs, then a third stroke. Mind your ears: do not turn it up "
        "for the voice",
        "Flite, voice `rms`; FluidSynth, FluidR3 drums, no reverb",
        WITH_SOUNDFONT,
        FLITE + FLUIDSYNTH,
    ),
    Sound(
        "chirp",
        make_chirp,
        16_000,
        "A tone that climbs from 200 to 7 400 Hz, 2 400 Hz a second",
        "Formula",
    ),
    Sound(
        "two_close_tones",
        make_two_close_tones,
        16_000,
        "1 000 Hz and 1 040 Hz together, rough: they beat 40 times a second. "
        "n_fft 512 shows one line, 4096 two",
        "Formula",
    ),
    Sound(
        "two_close_clicks",
        make_two_close_clicks,
        16_000,
        "One click at 0.256 s, then pairs around 0.768, 1.280 and 1.792 s: 16, 8 and 4 ms "
        "apart. n_fft 2048 shows each pair as one, 128 as two",
        "Formula: single samples in exact silence",
    ),
    Sound(
        "bird_whistle",
        make_bird_whistle,
        32_000,
        "A bird-like whistle, 2.6 to 5.6 kHz: rises, a fall, a trill (18 swings a second), "
        "three short notes; soft wind under it. No real bird",
        "Formula and seeded noise",
    ),
    Sound(
        "stereo_walk",
        make_stereo_walk,
        22_050,
        "Eight footsteps on gravel, from the left ear to the right (two channels): the far ear "
        "hears each softer and up to 0.5 ms later",
        "Formula and seeded noise",
    ),
)


# --- Files and table -------------------------------------------------------------------


def table_row(sound: Sound, samples: Array) -> str:
    """Write a sound's row of the table from its 16-bit samples ``(..., time)``."""
    seconds = samples.shape[-1] / sound.sample_rate
    cells = (f"`{sound.stem}.flac`", sound.heard, f"{sound.sample_rate}", f"{seconds:.3f}")
    return f"| {' | '.join((*cells, sound.made, sound.licence))} |"


def table_rows(readme_text: str) -> dict[str, str]:
    """Return the rows between the table's two marks, by file stem."""
    table = readme_text.split(TABLE_START)[1].split(TABLE_END)[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    return {row.split("`")[1].removesuffix(".flac"): row for row in rows}


def update_table(readme: Path, new_rows: dict[str, str]) -> None:
    """Replace rows of the table in the README, in the order of SOUNDS."""
    text = readme.read_text(encoding="utf-8")
    rows = table_rows(text) | new_rows
    lines = [
        "| file | what is heard | sample_rate (Hz) | seconds | how it was made | licence |",
        "|---|---|---:|---:|---|---|",
        *(rows[sound.stem] for sound in SOUNDS if sound.stem in rows),
    ]
    before, after = text.split(TABLE_START)[0], text.split(TABLE_END)[1]
    table = "\n".join((TABLE_START, *lines, TABLE_END))
    readme.write_text(f"{before}{table}{after}", encoding="utf-8")


def largest_difference(sound: Sound, samples: Array) -> float:
    """Compare new 16-bit samples with the file, in 16-bit steps; inf if the shapes differ."""
    stored, sample_rate = soundfile.read(SAMPLES_FOLDER / f"{sound.stem}.flac", dtype="int16")
    if stored.T.shape != samples.shape or sample_rate != sound.sample_rate:
        return float("inf")
    return float(np.abs(stored.T.astype(int) - samples.astype(int)).max())


def make_samples(sound: Sound) -> Array:
    """Make a sound as 16-bit samples, ``(time,)`` or ``(2, time)``."""
    return to_int16(sound.make())


def write_sounds(sounds: Iterable[Sound]) -> int:
    """Make and write sounds and their rows; returns the exit status."""
    rows = {}
    for sound in sounds:
        samples = make_samples(sound)
        file = SAMPLES_FOLDER / f"{sound.stem}.flac"
        soundfile.write(file, samples.T, sound.sample_rate, subtype="PCM_16", format="FLAC")
        rows[sound.stem] = table_row(sound, samples)
        print(f"{file.name:28} {file.stat().st_size / 1000:7.1f} kB")
    update_table(SAMPLES_FOLDER / "README.md", rows)
    return 0


def check_sounds(sounds: Iterable[Sound]) -> int:
    """Make sounds and compare them with the files; returns 1 if one differs audibly."""
    status = 0
    for sound in sounds:
        difference = largest_difference(sound, make_samples(sound))
        same = difference <= 1
        status = status if same else 1
        words = "same" if same else f"DIFFERS by up to {difference:g} of {FULL_SCALE}"
        print(f"{sound.stem + '.flac':28} {words}")
    return status


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Make the sounds of audio_samples/.")
    stems = [sound.stem for sound in SOUNDS]
    parser.add_argument("--only", action="append", choices=stems, metavar="NAME", help=str(stems))
    parser.add_argument("--check", action="store_true", help="compare with the files, write none")
    options = parser.parse_args(arguments)
    sounds = [sound for sound in SOUNDS if not options.only or sound.stem in options.only]
    try:
        require_tools(tool for sound in sounds for tool in sound.tools)
    except MissingToolError as error:
        print(error, file=sys.stderr)
        return 1
    return check_sounds(sounds) if options.check else write_sounds(sounds)


if __name__ == "__main__":
    sys.exit(main())
