"""A SoundView in the page, as a test sees it: its state, its pixels, its pointer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from tests.browser.lab import Notebook

LOOK_AT = Path(__file__).with_name("view.js").read_text(encoding="utf-8")


class View:
    """One ``.sound-view`` of a notebook.

    Args:
        notebook: Where it is shown.
        index: Which one of the notebook, from the top.
    """

    def __init__(self, notebook: Notebook, index: int = 0) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.root: Locator = notebook.panel.locator(".sound-view").nth(index)
        self.root.wait_for(state="attached")
        self.root.scroll_into_view_if_needed()
        self.page.evaluate(f"() => {{ {LOOK_AT} }}")
        self.wait("state => state.drawn >= 0 && root.soundView.size.width > 0")

    def ask(self, question: str, *arguments: Any) -> Any:
        """Ask one of the questions of view.js, e.g. ``ask("fingerprint", "mel")``."""
        return self.root.evaluate(
            "(root, [question, arguments_]) => lookAt(root)[question](...arguments_)",
            [question, list(arguments)],
        )

    def state(self) -> dict:
        """``root.soundView.state()``."""
        return self.ask("state")

    def wait(self, predicate: str, *, timeout_s: float = 15) -> None:
        """Wait until ``predicate``, a function of the state (and of ``root``), holds."""
        self.page.wait_for_function(
            f"root => ({predicate})(lookAt(root).state())",
            arg=self.root.element_handle(),
            timeout=timeout_s * 1000,
        )

    def wait_settings(self, lane: str, **settings: Any) -> None:
        """Wait until a lane shows the picture of these settings."""
        self.page.wait_for_function(
            """([root, lane, wanted]) => {
                const {lanes} = lookAt(root).state();
                const {settings} = lanes.find(one => one.id === lane);
                return settings && Object.entries(wanted).every(([k, v]) => settings[k] === v);
            }""",
            arg=[self.root.element_handle(), lane, settings],
            timeout=15_000,
        )

    def wait_pixels(self, lane: str, *, other_than: int) -> int:
        """Wait until a lane's pixels differ from an earlier fingerprint; returns the new one."""
        self.page.wait_for_function(
            "([root, lane, old]) => lookAt(root).fingerprint(lane) !== old",
            arg=[self.root.element_handle(), lane, other_than],
            timeout=15_000,
        )
        return self.fingerprint(lane)

    def fingerprint(self, lane: str) -> int:
        """A number that changes when the data pixels of a lane change."""
        return self.ask("fingerprint", lane)

    def picture(self, lane: str) -> tuple[np.ndarray, dict]:
        """Cells ``(n_rows, n_columns)`` that a lane shows, and what came with them."""
        about = self.ask("cells", lane)
        cells = np.array(about.pop("data"), dtype=np.uint8)
        return cells.reshape(about["n_rows"], about["n_columns"]), about

    def lane(self, lane: str) -> Locator:
        """The canvas of a lane that takes the pointer."""
        return self.root.locator(f'.sv-lane[data-lane="{lane}"] .sv-overlay')

    def point(self, lane: str, time_s: float, place: float = 0.5) -> tuple[float, float]:
        """Window coordinates of a time and a height (0 bottom, 1 top) in a lane."""
        canvas = self.lane(lane)
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        return box["x"] + self.ask("xOf", time_s), box["y"] + (1 - place) * box["height"]

    def hover(self, lane: str, time_s: float, place: float = 0.5) -> dict:
        """Point at a lane and return what the view says is there."""
        self.page.mouse.move(*self.point(lane, time_s, place))
        self.wait(f"state => state.hover?.lane === {lane!r}")
        return self.state()["hover"]

    def click(self, lane: str, time_s: float, place: float = 0.5) -> None:
        """Click into a lane."""
        self.page.mouse.click(*self.point(lane, time_s, place))

    def button(self, name: str) -> Locator:
        """A button by its class, e.g. "play"."""
        return self.root.locator(f".sv-{name}")

    def press(self, key: str) -> None:
        """A key, while the view itself has the focus."""
        self.root.focus()
        self.page.keyboard.press(key)

    def text(self, part: str) -> str:
        """Text of a part, e.g. "hover", "message", "readout".

        Not its ``inner_text``: JupyterLab lets the browser leave out the layout of cells that are
        scrolled away (``content-visibility: auto``), and there that is sometimes empty.
        """
        return self.root.locator(f".sv-{part}").first.text_content()
