"""An explorer as a page: one file with sliders, sound and pictures, and no kernel behind it.

The page holds what the notebook's widget is made of (its JavaScript and style, ``sound_view``),
a host that stands in for ipywidgets (``page.js``), and for every explorer its state as JSON. The
pictures are computed in the page by the browser's engine, so only the sound travels.
"""

from __future__ import annotations

import html
import json
import os
import pathlib
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import numpy as np

from course_utils.sound_view.view import _STATIC, joined_parts

if TYPE_CHECKING:
    from course_utils.explorers.base import Explorer
    from course_utils.sound_view import SoundView

CAN_LIVE = ("explore_stft", "explore_mel", "explore_road", "explore_decibel", "explore_normalize")

# no network at all: what the page needs stands in it
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; worker-src blob:; "
    "style-src 'unsafe-inline'; img-src data: blob:; media-src blob: data:"
)

_NEEDS_PYTHON = {
    "mel": "Rebuilding a sound from its Mel bands needs PyTorch: that works in the notebook."
}
# of the widget and not of the sound; pictures are drawn anew, sounds are packed by _sounds
_NOT_BAKED = {"layout", "tabbable", "tooltip", "outline", "sound", "live_sound", "shown_for"}


def to_html(explorer: Explorer, path: str | os.PathLike) -> pathlib.Path:
    """Write an explorer as one file that a browser opens from disk, with no network and no kernel.

    Args:
        explorer: One of those in ``CAN_LIVE``, with the settings it has now.
        path: Where to write, for example ``"spectrogram.html"``. An older file is replaced.

    Returns:
        The path. The file grows by about 2 bytes for each 16-bit sample, by 4 for a computed one.

    Raises:
        ValueError: If the explorer runs the student's own function, or is not one of these.
        FileNotFoundError: If the folder does not exist.
    """
    _check_that_it_lives(explorer)
    path = pathlib.Path(path)
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}: make it first")
    page = _PAGE.format(
        policy=POLICY,
        title=html.escape(explorer.title),
        head=page_head(),
        explorer=fragment(explorer),
        about=html.escape(_about(explorer)),
    )
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(page, encoding="utf-8", newline="\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def page_head() -> str:
    """Style and script that all explorers of a page share; goes into its ``<head>``, once."""
    style = _static("sound_view.css") + _static("page.css")
    script = f"{joined_parts()}\n{_static('page.js')}"
    return (
        f'<style>\n{style}</style>\n<script type="module">\n{_code_inside_script(script)}</script>'
    )


def fragment(shown: Explorer | SoundView) -> str:
    """One explorer as HTML, for a page that has ``page_head()`` in its head.

    It holds no ids, so a page may hold several. Until the script has run, and where it cannot
    run, the static picture is shown.

    Args:
        shown: An explorer with all its sliders. One that cannot be drawn without a kernel, or a
            plain SoundView, plays, zooms and shows the pictures that it has now, without sliders.

    Raises:
        ValueError: If its view without the widget beside it would say too little.
    """
    if not getattr(shown, "view_is_all", True):
        raise ValueError(
            f"{type(shown).__name__} is more than its view, and the rest needs Python: "
            "show its static picture"
        )
    view = getattr(shown, "view", shown)
    state = json.dumps(_state(shown, view), allow_nan=False, separators=(",", ":"))  # all ASCII
    return _FRAGMENT.format(
        label=html.escape(view.label),
        png=b64encode(view.png()).decode("ascii"),
        alt=html.escape(_alternative(shown, view)),
        state=state.replace("<", r"\u003c"),  # or a text with "</script>" would end it
    )


# ---- the state


def _check_that_it_lives(explorer: Explorer) -> None:
    if getattr(getattr(explorer, "chain", None), "is_own", False):
        raise ValueError(
            "a page cannot take your own function along: it is Python, and a page has no kernel "
            "to run it. Make the explorer without your function, and export that one"
        )
    if not getattr(getattr(explorer, "view", None), "live", None):
        raise ValueError(
            f"{type(explorer).__name__} cannot live in a page without a kernel; "
            f"these can: {', '.join(CAN_LIVE)}"
        )


def _state(shown: Explorer | SoundView, view: SoundView) -> dict[str, Any]:
    """Everything that ``page.js`` needs to start this explorer, bytes packed as text."""
    view.catch_up()  # what Python reads here is never older than the controls
    names = [n for n in view.traits(sync=True) if not n.startswith("_") and n not in _NOT_BAKED]
    if view.live:  # then the page draws them
        names = [name for name in names if not name.startswith("picture_")]
    traits = {name: getattr(view, name) for name in names}
    traits |= {"kernel": False, "previews": False, "theme": "auto", "outline": {}}
    return {
        "traits": _packed(traits),
        "sounds": _sounds(view),
        "controls": [_control(shown, one) for one in view.live.get("controls", ())],
        "presets": _presets(shown) if view.live else [],
    }


def _control(explorer: Explorer, live: dict[str, Any]) -> dict[str, Any]:
    """A slider or menu: what the page draws in place of ipywidgets."""
    slider = explorer.sliders[live["name"]]
    return {
        "model": live["model"],
        "name": slider.description,
        "type": live["type"],
        "labels": list(live["labels"]),
        "index": slider.index,
        "width": slider.layout.width,
    }


def _presets(explorer: Explorer) -> list[dict[str, Any]]:
    """The buttons: name, tooltip, and the step of each control that a press sets."""
    if not explorer.presets:
        return []
    live = explorer.view.live
    values_of = {one["name"]: list(one["values"]) for one in live["controls"]}
    return [
        {
            "name": name,
            "tooltip": _told(explorer.presets.get(name, explorer._start)),
            "steps": {control: values_of[control].index(v) for control, v in values.items()},
        }
        for name, values in live["presets"].items()
    ]


def _told(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)


def _sounds(view: SoundView) -> dict[str, Any]:
    """The sound once: as it is heard, or as it was computed where that is more exact."""
    live, heard = dict(view.live_sound), _pack(view.sound, stride=2)
    if live.get("kind") != "float32":
        return {"live": live, "heard": heard}
    sounds = {"samples": _pack(live.pop("data"), stride=4), "live": live}
    # as many channels: then the page makes the 16 bits of what is heard itself
    return sounds if live["n_channels"] == view.n_channels else sounds | {"heard": heard}


def _packed(value: Any) -> Any:
    """A trait's value as JSON can hold it: bytes become text, wherever they are."""
    if isinstance(value, bytes | bytearray | memoryview):
        return _pack(bytes(value), stride=1)
    if isinstance(value, dict):
        return {str(key): _packed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_packed(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _pack(data: bytes, *, stride: int) -> dict[str, Any]:
    """Bytes as text: first bytes of all numbers, then all second ones, …, deflated, base64.

    The upper bytes of neighbouring samples are alike, so side by side they take little room.
    """
    planes = np.frombuffer(data, np.uint8).reshape(-1, stride).T.tobytes()
    text = b64encode(zlib.compress(planes, 9)).decode("ascii")
    return {"packed": text, "stride": stride}


# ---- the words


def _about(explorer: Explorer) -> str:
    kind = explorer.view.live.get("kind")
    return f"Everything is computed in this page. {_NEEDS_PYTHON.get(kind, '')}".strip()


def _alternative(shown: Explorer | SoundView, view: SoundView) -> str:
    """The static picture in words."""
    lanes = ", ".join(lane["title"] for lane in view.lanes)
    told = f"{view.label}, {view.duration_s:.3f} s. A still picture of: {lanes}."
    controls = [_control(shown, one) for one in view.live.get("controls", ())]
    held = ", ".join(f"{one['name']} {one['labels'][one['index']]}" for one in controls)
    return f"{told} Settings: {held}." if held else told


def _static(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _code_inside_script(text: str) -> str:
    """JavaScript that cannot end its ``<script>`` early; its strings and patterns stay the same."""
    return text.replace("</", r"<\/").replace("<!--", r"<\!--")


_FRAGMENT = """<section class="sp-explorer" aria-label="{label}">
<img class="sp-still" src="data:image/png;base64,{png}" alt="{alt}">
<noscript><p class="sp-say">This picture stands still: sliders and sound need JavaScript.</p>\
</noscript>
<script type="application/json" class="sp-state">{state}</script>
</section>"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
{head}
</head>
<body class="sp-page">
<main>
<h1>{title}</h1>
{explorer}
<p class="sp-about">{about}</p>
</main>
</body>
</html>
"""
