"""Pictures of numbers on both sides of a middle: other colours, in the widget and in the PNG."""

import io

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from course_utils.sound_view import Axis, Lane, Picture, SoundView


def view_of(colours, cell):
    view = SoundView(np.zeros(1600, np.float32), 16000, lanes=[Lane("one", "picture", "one")])
    cells = np.full((4, 10), cell, np.uint8)
    y = Axis("band", "", 0.0, 4.0)
    how = {} if colours is None else {"colours": colours}
    picture = Picture(cells, 0.0, 0.01, y, value_min=-3.0, value_max=3.0, **how)
    view.show({"one": picture})
    return view


def test_a_picture_is_a_level_unless_said():
    assert view_of(None, 0).picture("one")["colours"] == "level"
    assert view_of("signed", 0).picture("one")["colours"] == "signed"


@pytest.mark.parametrize(("colours", "cmap"), [(None, "magma"), ("signed", "RdBu_r")])
@pytest.mark.parametrize("cell", [40, 128, 230])
def test_the_static_picture_has_the_same_colours(colours, cmap, cell):
    png = Image.open(io.BytesIO(view_of(colours, cell).png())).convert("RGB")
    pixels = np.asarray(png).reshape(-1, 3).astype(int)
    expected = np.array(colormaps[cmap](cell)[:3]) * 255
    near = np.abs(pixels - expected).max(axis=1) <= 4
    assert near.mean() > 0.2  # the area of the picture
