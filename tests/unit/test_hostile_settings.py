"""Every explorer under random hands: a picture or one sentence, and never an error that escapes.

Sliders are moved to random combinations, the visible stretch to impossible ones, sounds are as
odd as sounds can be, and the student's own function does what it should not.
"""

from __future__ import annotations

import _thread
import contextvars
import functools
import math
import sys
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_utils.explorers import (
    controls,
    explore_decibel,
    explore_mel,
    explore_normalize,
    explore_road,
    explore_stft,
    explore_waveform,
    own_function,
)

SAMPLE_RATE = 16_000
EXPLORERS = {
    "waveform": explore_waveform,
    "stft": explore_stft,
    "mel": explore_mel,
    "road": explore_road,
    "decibel": explore_decibel,
    "normalize": functools.partial(explore_normalize, statistics=(-20.0, 15.0)),
}
# Until the explorers' controls bound what an explorer may start with (MAX_N_MELS and others).
bounded_starts = pytest.mark.skipif(
    not hasattr(controls, "MAX_N_MELS"), reason="the controls take any start value"
)
OWN = {"stft": "stft", "mel": "mel_spectrogram", "decibel": "power_to_db", "normalize": "normalize"}


def noise(n_samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(n_samples, generator=torch.Generator().manual_seed(1))


def click() -> torch.Tensor:
    sound = torch.zeros(SAMPLE_RATE)
    sound[5000] = 1.0
    return sound


SOUNDS = {
    "noise": lambda: (noise(SAMPLE_RATE), SAMPLE_RATE),
    "silence": lambda: (torch.zeros(8000), SAMPLE_RATE),
    "one click": lambda: (click(), SAMPLE_RATE),
    "full scale": lambda: (torch.tensor([1.0, -1.0]).repeat(4000), SAMPLE_RATE),
    "beyond full scale": lambda: (100.0 * noise(8000), SAMPLE_RATE),
    "hardly anything": lambda: (1e-30 * noise(8000), SAMPLE_RATE),
    "a constant": lambda: (torch.full((8000,), 0.5), SAMPLE_RATE),
    "one sample": lambda: (torch.ones(1), SAMPLE_RATE),
    "two samples": lambda: (torch.tensor([0.5, -0.5]), SAMPLE_RATE),
    "40 samples": lambda: (noise(40), SAMPLE_RATE),
    "513 samples": lambda: (noise(513), SAMPLE_RATE),
    "4 kHz": lambda: (noise(4000), 4000),
    "384 kHz": lambda: (noise(100_000), 384_000),
    "a rate with a fraction": lambda: (noise(8000), 11_025.5),
    "two channels": lambda: (noise(16_000).reshape(2, 8000), SAMPLE_RATE),
    "64-bit numbers": lambda: (noise(8000).double(), SAMPLE_RATE),
    "ten minutes": lambda: (noise(600 * SAMPLE_RATE), SAMPLE_RATE),
}
# The other end of a slider may cost ten times the middle of it: few examples, always the same.
bounded = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@functools.cache
def explorer(name: str, sound: str):
    """An explorer of a sound, or the sentence with which it was refused. Made once."""
    try:
        return EXPLORERS[name](*SOUNDS[sound]())
    except (ValueError, TypeError) as problem:
        return problem


def values_of(control) -> list:
    return [option[1] if isinstance(option, tuple) else option for option in control.options]


def check_shown(made) -> None:
    """Whatever was set: whole pictures, one-line texts, and no half of anything."""
    view = made.view
    check_sentence(view.error)
    for lane in view.lanes:
        if lane["kind"] == "waveform":
            continue
        state = view.picture(lane["id"])
        if not state:
            assert view.error, f"no picture and no reason, in {lane['id']}"
        elif lane["kind"] == "picture":
            assert len(state["data"]) == state["n_rows"] * state["n_columns"]
            assert state["value_min"] <= state["value_max"]
            assert all(map(math.isfinite, (state["value_min"], state["value_max"])))
            assert math.isfinite(state["t0_s"])
            assert state["dt_s"] > 0
        else:
            assert len(state["data"]) % 4 == 0
            assert np.isfinite(np.frombuffer(state["data"], "<f4")).all()
    for text in [*view.notes, *(part for pair in view.readout for part in pair)]:
        assert "\n" not in text
        assert "nan" not in text.lower().split(), text


def check_sentence(text: str) -> None:
    if not text:
        return
    assert "\n" not in text
    assert len(text) < 500, text
    assert text.endswith((".", "!", "?")), text
    assert "Traceback" not in text
    assert "0x" not in text, text


# ---------------------------------------------------------------- controls


@pytest.mark.parametrize("name", EXPLORERS)
@bounded
@given(data=st.data())
def test_random_settings(name, data):
    made = explorer(name, data.draw(st.sampled_from(list(SOUNDS))))
    if isinstance(made, Exception):
        return  # test_odd_sounds reads why
    with_values = {k: st.sampled_from(values_of(c)) for k, c in made.sliders.items()}
    made.set(**data.draw(st.fixed_dictionaries({}, optional=with_values)))
    check_shown(made)


@pytest.mark.parametrize("name", EXPLORERS)
@pytest.mark.parametrize("sound", SOUNDS)
def test_odd_sounds(name, sound):
    """The ends of all sliders at once, for every sound; a refusal is a sentence."""
    made = explorer(name, sound)
    if isinstance(made, Exception):
        assert 20 < len(str(made)) < 300
        return
    for end in (0, -1):
        made.set(**{key: values_of(control)[end] for key, control in made.sliders.items()})
        check_shown(made)


anywhere = st.floats() | st.floats(-1.0, 2.0) | st.sampled_from([0.0, 0.5, 1.0])


@pytest.mark.parametrize("name", EXPLORERS)
@bounded
@given(start=anywhere, end=anywhere, sound=st.sampled_from(["noise", "513 samples", "4 kHz"]))
def test_random_stretches(name, start, end, sound):
    """The page says which stretch is visible; here it says anything that a number can be."""
    made = explorer(name, sound)
    made.set(**made._start)
    made.view.visible = [start, end]
    try:
        check_shown(made)
    finally:
        made.view.visible = [0.0, made.view.duration_s]


@pytest.mark.parametrize("name", EXPLORERS)
def test_a_value_that_no_slider_has_is_refused_and_nothing_breaks(name):
    made = explorer(name, "noise")
    for key, control in made.sliders.items():
        for wrong in ("nonsense", -7.5, 10**9, [1], {}):
            with pytest.raises(Exception, match=r"[Ii]nvalid selection|not found|unhashable"):
                made.set(**{key: wrong})
        with pytest.raises(Exception, match="out of bounds"):
            control.index = 10**6
        check_shown(made)
        assert control.value in values_of(control)


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
)


@bounded_starts
@pytest.mark.parametrize("name", EXPLORERS)
@bounded
@given(data=st.data())
def test_random_start_values(name, data):
    """An explorer, or a ValueError or TypeError with a sentence."""
    keys = list(explorer(name, "noise")._start)
    start = data.draw(st.dictionaries(st.sampled_from(keys), anything, min_size=1, max_size=3))
    try:
        made = EXPLORERS[name](noise(4000), SAMPLE_RATE, **start)
    except (ValueError, TypeError) as problem:
        check_refusal(str(problem))
    else:
        check_shown(made)


@bounded_starts
@pytest.mark.parametrize("name", EXPLORERS)
@bounded
@given(
    waveform=anything
    | st.lists(st.floats(-1, 1), max_size=30)
    | st.sampled_from(
        [
            torch.zeros(0), torch.zeros(3, 100), torch.zeros(2, 2, 50), torch.full((99,), np.nan),
            torch.full((99,), np.inf), torch.zeros(99, dtype=torch.int16), np.array("sound"),
            torch.zeros(99, dtype=torch.complex64), np.array([object()] * 9), torch.tensor(0.5),
        ]
    ),
    sample_rate=st.just(SAMPLE_RATE) | anything,
)  # fmt: skip
def test_random_sounds(name, waveform, sample_rate):
    try:
        made = EXPLORERS[name](waveform, sample_rate)
    except (ValueError, TypeError) as problem:
        check_refusal(str(problem))
    else:
        check_shown(made)


def check_refusal(text: str) -> None:
    assert text
    assert len(text) < 600


# ---------------------------------------------------------------- the student's own function


def run_for_ever(x):
    while True:
        time.sleep(0.001)


def swallow_everything(x):
    began = time.monotonic()
    while time.monotonic() - began < 0.4:
        try:  # noqa: SIM105
            time.sleep(0.001)
        except:  # noqa: E722  as students write it
            pass
    return x


def recurse(x):
    return recurse(x)


def not_a_result(x):
    yield x


OWN_FUNCTIONS = {
    "raises": lambda x: 1 / 0,
    "raises without words": lambda x: [][0:0].pop(),
    "raises many lines": lambda x: (_ for _ in ()).throw(ValueError("a\nb\n" * 500)),
    "recurses": recurse,
    "exits": lambda x: sys.exit(3),
    "interrupts": lambda x: (_ for _ in ()).throw(KeyboardInterrupt()),
    "asks for memory": lambda x: torch.zeros(10**13),
    "returns nothing": lambda x: None,
    "returns text": lambda x: "spectrogram",
    "returns a number": lambda x: 3.0,
    "returns a list": lambda x: [[1.0, 2.0]],
    "returns itself": lambda x: OWN_FUNCTIONS,
    "returns a generator": not_a_result,
    "returns words": lambda x: np.array([["a", "b"]]),
    "returns objects": lambda x: np.array([[object()]]),
    "returns times": lambda x: np.zeros((513, 4), "datetime64[s]"),
    "one axis": lambda x: torch.zeros(5),
    "no axis": lambda x: torch.tensor(1.0),
    "three axes": lambda x: torch.zeros(1, 513, 32),
    "no frames": lambda x: torch.zeros(513, 0),
    "exchanged": lambda x: torch.zeros(32, 513),
    "NaN": lambda x: torch.full((513, 32), torch.nan),
    "infinity": lambda x: torch.full((513, 32), torch.inf),
    "negative": lambda x: -torch.ones(513, 32),
    "integers": lambda x: torch.ones(513, 32, dtype=torch.int64),
    "yes and no": lambda x: torch.ones(513, 32, dtype=torch.bool),
    "sparse": lambda x: torch.ones(513, 32).to_sparse(),
    "half precision": lambda x: torch.ones(513, 32, dtype=torch.float16),
    "1e30": lambda x: torch.full((513, 32), 1e30),
    "needs more": lambda x, y: x,
    "takes nothing": lambda: 1,
    "changes what it got": lambda x: x.zero_(),
    "a class": dict,
    "built in": print,
}


@pytest.mark.parametrize("kind", OWN_FUNCTIONS)
@pytest.mark.parametrize("name", OWN)
def test_own_function_that_does_what_it_should_not(name, kind):
    if kind in ("exits", "interrupts"):
        ready(name)
    sound = noise(SAMPLE_RATE)
    made = EXPLORERS[name](sound.clone(), SAMPLE_RATE, **{OWN[name]: OWN_FUNCTIONS[kind]})
    check_shown(made)
    assert made.view.picture(made.view.pin_lane or made.view.lanes[1]["id"])
    key, control = next(iter(made.sliders.items()))
    made.set(**{key: values_of(control)[0]})
    check_shown(made)


def ready(name: str) -> None:
    """The explorers whose own functions are bounded; every one should be."""
    if name == "normalize" and "limited" not in vars(sys.modules[explore_normalize.__module__]):
        pytest.xfail("explore_normalize calls the student's function without a limit")


@pytest.mark.parametrize("name", OWN)
def test_function_that_never_ends_is_ended_and_named_with_its_line(name, monkeypatch):
    ready(name)
    monkeypatch.setattr(own_function, "TIME_LIMIT_S", 0.3)
    before = threading.active_count()
    began = time.monotonic()
    made = EXPLORERS[name](noise(4000), SAMPLE_RATE, **{OWN[name]: run_for_ever})
    assert time.monotonic() - began < 5.0
    assert "gave no result within 0.3 s, so it was ended (line " in made.error
    assert "of run_for_ever)" in made.error
    assert made.error.endswith("The picture is the course's.")
    check_shown(made)
    assert threading.active_count() == before, "it still runs"


def test_function_that_cannot_be_ended_is_left_behind(monkeypatch):
    """Nothing in Python ends a thread against its will: then a restart is the way, and said."""
    monkeypatch.setattr(own_function, "TIME_LIMIT_S", 0.1)
    monkeypatch.setattr(own_function, "_TRIES_TO_END", 2)
    made = explore_stft(noise(4000), SAMPLE_RATE, stft=swallow_everything)
    assert "could not be ended: it still runs. Restart the kernel (menu Kernel)" in made.error
    check_shown(made)


def test_interrupt_of_the_kernel_ends_the_function(monkeypatch):
    """The stop button, while a cell waits for the student's function in another thread."""
    seen = []

    def slow(x):
        seen.append(threading.current_thread())
        while True:
            time.sleep(0.001)

    threading.Timer(0.5, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        explore_stft(noise(4000), SAMPLE_RATE, stft=slow)
    seen[0].join(2.0)
    assert not seen[0].is_alive()


def test_function_prints_where_the_caller_prints(capsys):
    """Kernels route what is printed by the context of the thread."""
    place = contextvars.ContextVar("place", default="nowhere")
    place.set("cell 3")
    assert own_function.limited(lambda: place.get())() == "cell 3"


def test_function_that_is_fast_costs_hardly_anything():
    call = own_function.limited(lambda x: x)
    began = time.process_time()
    for _ in range(100):
        call(1)
    assert (time.process_time() - began) / 100 < 2e-3
