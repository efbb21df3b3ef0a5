"""SoundView without a browser: what its traits hold, what it refuses, and its static picture."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.sound_view import Axis, Curve, Lane, Line, Picture, SoundView, listen
from course_utils.sound_view.static_picture import axis_position

Y = Axis("frequency", "Hz", 0.0, 8000.0)


def make_picture(n_rows=4, n_columns=5, **extra):
    cells = np.arange(n_rows * n_columns, dtype=np.uint8).reshape(n_rows, n_columns)
    return Picture(cells=cells, t0_s=0.0, dt_s=0.1, y=Y, **extra)


def make_view(**extra):
    kinds = {"waveform": "waveform", "spectrogram": "picture"}
    lanes = [Lane(name, kind, name) for name, kind in kinds.items()]
    return SoundView(torch.zeros(8000), 16000, lanes=lanes, label="test", **extra)


def test_sound_travels_as_int16_at_its_own_level():
    view = listen(torch.tensor([0.0, 0.25, -0.5, 1.0]), 8000)
    assert np.frombuffer(view.sound, "<i2").tolist() == [0, 8192, -16384, 32767]
    assert (view.n_samples, view.n_channels, view.duration_s) == (4, 1, 0.0005)


def test_quiet_sound_is_not_made_louder():
    view = listen(0.001 * torch.ones(100), 8000)
    assert np.frombuffer(view.sound, "<i2").max() == 33


def test_samples_beyond_full_scale_are_clipped_and_said():
    view = listen(torch.tensor([0.0, 1.5, -2.0]), 8000)
    assert np.frombuffer(view.sound, "<i2").tolist() == [0, 32767, -32768]
    assert "2 of 3 samples lie beyond full scale" in view.notes[0]


def test_channels_are_interleaved():
    view = listen(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), 8000)
    assert np.frombuffer(view.sound, "<i2").tolist() == [0, 32767, 0, 32767]
    assert view.n_channels == 2


class Wire:
    """A comm that keeps what is sent over it."""

    comm_id = "wire"

    def __init__(self):
        self.sent = []

    def on_msg(self, _callback):
        pass

    def send(self, data=None, buffers=None):
        self.sent.append(
            data["state"] | dict(zip(map(tuple, data["buffer_paths"]), buffers, strict=True))
        )


def test_a_new_sound_sends_its_outline_and_itself_only_when_asked_for():
    view = listen(torch.zeros(100_000), 16000)
    view.comm = wire = Wire()
    view.set_sound(torch.linspace(-1.0, 1.0, 100_000))
    assert len(wire.sent) == 1
    assert not {"sound", "sound_serial", "n_samples", "n_channels"} & set(wire.sent[0])
    outline = np.frombuffer(wire.sent[0][("outline", "data")], "<i2").reshape(2, -1)
    assert outline.nbytes <= 12_000
    assert (outline[0] <= outline[1]).all()
    assert (outline.min(), outline.max()) == (-32768, 32767)
    view._on_message(view, {"type": "sound"}, [])
    assert bytes(wire.sent[1][("sound",)]) == view.sound
    assert wire.sent[1]["sound_serial"] == wire.sent[0]["outline"]["serial"] == 1


def test_an_outline_of_few_samples_holds_each_of_them_of_both_channels():
    view = SoundView(torch.zeros(2, 50_000), 1000)
    view.visible = [20.0, 20.5]
    pair = torch.stack([torch.linspace(0.0, 1.0, 50_000), torch.linspace(0.0, -1.0, 50_000)])
    view.set_sound(pair)
    seen = np.frombuffer(view.outline["data"], "<i2").reshape(2, -1)
    first = view.outline["first"]
    assert (view.outline["block"], view.outline["n_channels"], first) == (1, 2, 19_998)
    expected = np.round(pair[:, first : first + 504].numpy() * 32768)
    np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize(
    ("waveform", "words"),
    [
        (torch.zeros(0), "at least one sample"),
        (torch.zeros(3, 10), "1 or 2 channels"),
        (torch.zeros(10, dtype=torch.int16), "floating point"),
        (torch.tensor([0.0, float("nan")]), "NaN"),
        (torch.zeros(4, dtype=torch.complex64), "real numbers"),
    ],
    ids=["empty", "three channels", "integers", "nan", "complex"],
)
def test_a_waveform_that_cannot_be_played_is_refused(waveform, words):
    with pytest.raises(ValueError, match=words):
        SoundView(waveform, 8000)


def test_a_sample_rate_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="sample_rate must be positive"):
        SoundView(torch.zeros(10), 0)


def test_cells_must_be_bytes():
    with pytest.raises(ValueError, match="cells must be uint8"):
        Picture(cells=np.zeros((2, 2)), t0_s=0.0, dt_s=0.1, y=Y)


def test_data_and_shape_of_a_picture_travel_in_one_trait():
    view = make_view()
    view.show({"spectrogram": make_picture(3, 7)})
    state = view.picture("spectrogram")
    assert len(state["data"]) == state["n_rows"] * state["n_columns"] == 21
    assert state["data"][:7] == bytes(range(7))  # row 0 first: the lowest frequency


def test_the_same_picture_does_not_travel_twice():
    view, picture = make_view(), make_picture()
    view.show({"spectrogram": picture})
    serial = view.picture("spectrogram")["serial"]
    view.show({"spectrogram": picture}, notes=["new"])
    assert view.picture("spectrogram")["serial"] == serial
    assert view.notes == ["new"]


def test_a_good_picture_clears_the_error():
    view = make_view()
    view.error = "something failed"
    view.show({"spectrogram": make_picture()})
    assert view.error == ""


def test_pin_keeps_the_picture_and_unpin_forgets_it():
    view = make_view()
    view._on_message(view, {"type": "pin"}, [])
    assert view.pinned == {}  # there is no picture yet
    view.show({"spectrogram": make_picture(settings={"n_fft": 512})})
    view._on_message(view, {"type": "pin"}, [])
    view.show({"spectrogram": make_picture(settings={"n_fft": 2048})})
    assert view.pinned["picture"]["settings"] == {"n_fft": 512}
    view._on_message(view, {"type": "pin"}, [])
    assert view.pinned == {}


def test_two_views_do_not_share_lanes():
    view, other = make_view(), make_view()
    view.show({"spectrogram": make_picture()})
    assert other.picture("spectrogram") == {}


def test_the_mime_bundle_holds_widget_picture_and_fixed_text():
    view = make_view()
    view.show({"spectrogram": make_picture()})
    data, metadata = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == repr(view) == "SoundView(test)"
    assert metadata["image/png"]["alt"] == "SoundView(test)"
    assert data["image/png"].startswith("iVBOR")


def test_the_static_picture_shows_the_cells_in_place():
    cells = np.zeros((10, 20), np.uint8)
    cells[8:, :10] = 255  # loud at the top left
    view = SoundView(torch.zeros(8000), 16000, lanes=[Lane("a", "picture", "a", height=300)])
    view.show({"a": Picture(cells=cells, t0_s=0.0, dt_s=0.025, y=Y)})
    pixels = np.asarray(Image.open(io.BytesIO(view.png())).convert("L")).astype(float)
    inside = np.argwhere(pixels < 10)  # the dark floor of the picture
    (top, left), (bottom, right) = inside.min(0), inside.max(0)
    height, width = bottom - top, right - left
    middle = pixels[top + height // 2, left + width // 2]
    corner = pixels[top + height // 12, left + width // 4]
    assert middle < 10
    assert corner > 200


@pytest.mark.parametrize("scale", ["linear", "log", "table"])
def test_axis_positions_run_from_bottom_to_top(scale):
    y = {"scale": scale, "min": 40.0, "max": 8000.0, "table": [40.0, 1000.0, 8000.0]}
    assert axis_position(y, 40.0) == pytest.approx(0.0)
    assert axis_position(y, 8000.0) == pytest.approx(1.0)
    assert 0.0 < axis_position(y, 1000.0) < 1.0


# ---- curves with lines beside them, horizontal marks, two channels


def make_curve(**extra):
    y = Axis("amplitude", "", -1.0, 1.0)
    return Curve(np.array([0.1, -0.2, 0.3]), 0.0, 0.1, y, stems=True, **extra)


def test_a_curve_and_the_lines_beside_it_travel_in_one_block():
    view = SoundView(torch.zeros(8000), 16000, lanes=[Lane("c", "curve", "c")])
    line = Line(np.array([0.0, 0.05]), np.array([1.0, 2.0]), "original")
    view.show({"c": make_curve(lines=(line,), y_marks=((0.5, ""),))})
    state = view.picture("c")
    numbers = np.frombuffer(state["data"], "<f4")
    assert state["n_values"] == 3
    assert state["lines"] == [{"label": "original", "style": "line", "n": 2}]
    np.testing.assert_allclose(numbers, [0.1, -0.2, 0.3, 0.0, 0.05, 1.0, 2.0], rtol=1e-6)
    assert state["y_marks"] == [[0.5, ""]]


def pixels_of(view):
    return np.asarray(Image.open(io.BytesIO(view.png())).convert("RGB")).astype(int)


def count(pixels, colour, tolerance=40):
    return int((np.abs(pixels - colour).max(axis=-1) < tolerance).sum())


def test_the_static_picture_shows_the_lines_beside_a_curve():
    view = SoundView(torch.zeros(8000), 16000, lanes=[Lane("c", "curve", "c", height=200)])
    orange = (255, 127, 14)
    view.show({"c": make_curve(joined=False)})
    assert count(pixels_of(view), orange) == 0
    line = Line(np.linspace(0, 0.2, 50), np.linspace(-1, 1, 50), "original")
    view.show({"c": make_curve(joined=False, lines=(line,))})
    assert count(pixels_of(view), orange) > 100


def test_the_static_picture_shows_horizontal_marks():
    view = make_view()
    view.show({"spectrogram": make_picture()})
    before = count(pixels_of(view), (0, 213, 255))
    view.show({"spectrogram": make_picture(y_marks=((3000.0, "Nyquist"),))})
    assert count(pixels_of(view), (0, 213, 255)) > before + 50


def test_the_static_picture_shows_both_channels():
    loud = torch.sin(torch.arange(8000) * 0.1)
    blue = (31, 119, 180)
    dark = [
        count(pixels_of(listen(pair, 8000)), blue)
        for pair in (torch.zeros(2, 8000), torch.stack([loud, 0 * loud]), torch.stack([loud, loud]))
    ]
    assert dark[0] < dark[1] < dark[2]
