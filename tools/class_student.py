"""One student of the load test: what a browser does with a JupyterHub, without the browser.

Log in, follow the teacher's link, run a lesson, move its sliders. Everything goes through the hub's
proxy as the pages of JupyterHub, nbgitpuller and JupyterLab send it: the same forms, addresses,
websocket protocol, and the same rule for sliders (one message in flight, the newest value wins).
What a browser computes for itself, pixels above all, is not here: it is the student's own computer
that does that.
"""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

import requests
import websocket
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)

Engine = Literal["kernel", "browser"]
SLIDERS = ("n_fft", "hop_length", "n_mels")  # of the explorer in 00_start
PICTURES = {"spectrogram": ("n_fft", "hop_length"), "mel": SLIDERS}  # lane: what it depends on
PROTOCOL = "v1.kernel.websocket.jupyter.org"
ANSWER_S = 300.0  # longest wait for a page or a cell
PICTURE_S = 20.0  # a picture that takes longer is a failure
STROKE_STEPS, STEP_S, LOOK_S = 8, 0.1, 1.2  # eight steps in 0.8 s, then a look: 4 steps a second
REST_S = 0.15  # the hand rests: the view asks the kernel for the truth


class StudentError(RuntimeError):
    """Something that a student would have seen as a failure."""


# ------------------------------------------------------------------------------ the hand


class Step(NamedTuple):
    """The hand puts one slider on one position."""

    at_s: float
    slider: str
    index: int


def strokes(
    start: dict[str, int], counts: dict[str, int], *, seconds: float, random: Random
) -> list[Step]:
    """What a hand does with some sliders: strokes of eight steps, with a look after each.

    Args:
        start: Position of each slider.
        counts: Number of positions of each slider.
        seconds: How long; a stroke that would end later is not begun.
        random: Chooses slider and direction; the first look has a random length, so that the
            students of a class do not move in step.
    """
    places, steps = dict(start), []
    now = random.uniform(0.0, LOOK_S)
    while now + STROKE_STEPS * STEP_S <= seconds:
        name = random.choice(sorted(places))
        direction = random.choice((-1, 1))
        for _ in range(STROKE_STEPS):
            if not 0 <= places[name] + direction < counts[name]:
                direction = -direction  # to and fro at the end of the track
            places[name] += direction
            steps.append(Step(now, name, places[name]))
            now += STEP_S
        now += LOOK_S
    return steps


@dataclass
class Moves:
    """What came of it.

    Attributes:
        steps: Steps of the hand.
        sent: Slider messages that the front end sent: the newest position each time.
        asked: Pictures that were waited for: with the kernel's engine one for each message, with
            the browser's one for each stroke.
        latency_ms: From the hand's step (or, in the browser's engine, from the question of the
            view at rest) to the arrival of the picture with these settings.
        failures: One sentence each.
    """

    steps: int = 0
    sent: int = 0
    asked: int = 0
    latency_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


# ------------------------------------------------------------------------------ the student


class Student:
    """A student at a hub.

    Args:
        name: Account at the hub.
        hub_url: Like ``"http://127.0.0.1:8000"``.
        password: The hub's.
    """

    def __init__(self, name: str, hub_url: str, password: str) -> None:
        self.name, self._hub, self._password = name, hub_url, password
        self._web = requests.Session()
        self._server = f"{hub_url}/user/{name}/"
        self._session = ""
        self.kernel: Kernel | None = None
        self.failures: list[str] = []

    def log_in(self) -> None:
        """Send the log-in form.

        Raises:
            StudentError: If the hub does not let the student in.
        """
        page = f"{self._hub}/hub/login"
        self._get(page)
        form = {
            "username": self.name,
            "password": self._password,
            "_xsrf": self._cookie("_xsrf", "/hub/"),
        }
        answer = self._web.post(page, data=form, timeout=ANSWER_S, allow_redirects=False)
        if answer.status_code != 302:
            raise StudentError(f"the hub refused the log-in ({answer.status_code})")

    def start_server(self) -> None:
        """Ask for a server and watch its progress bar to the end.

        Raises:
            StudentError: If the server does not start.
        """
        # the answer to a browser is a page that listens to this stream
        self._get(f"{self._hub}/hub/spawn/{self.name}", allow_redirects=False)
        progress = f"{self._hub}/hub/api/users/{self.name}/server/progress"
        ticket = {"_xsrf": self._cookie("_xsrf", "/hub/")}
        said = ""
        for event in self._events(progress, ticket):
            said = event.get("message", said)
            if event.get("ready"):
                self._get(self._server + "lab")  # the log-in travels to the new server
                return
            if event.get("failed"):
                break
        raise StudentError(f"the server did not start: {said or 'no word from the hub'}")

    def follow(self, link: str) -> None:
        """Follow an nbgitpuller link, as ``tools/class_link.py`` makes it.

        Raises:
            StudentError: If the course does not arrive.
        """
        self._get(link)  # through the hub's «user-redirect» to the student's own server
        asked = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        wanted = {"repo": asked["repo"], "targetpath": asked["repo"].rsplit("/", 1)[-1]}
        if "branch" in asked:
            wanted["branch"] = asked["branch"]
        for event in self._events(self._server + "git-pull/api", wanted):
            if event.get("phase") == "finished":
                return
            if event.get("phase") == "error":
                raise StudentError(f"the course did not arrive: {event.get('message')}")
        raise StudentError("the course did not arrive: no word from nbgitpuller")

    def open_notebook(self, path: str) -> float:
        """Open a notebook with a kernel; returns seconds until the kernel answers.

        Raises:
            StudentError: If there is no kernel.
        """
        began = time.monotonic()
        wish = {"path": path, "type": "notebook", "name": "", "kernel": {"name": "python3"}}
        ticket = {"X-XSRFToken": self._cookie("_xsrf", f"/user/{self.name}/")}
        address = self._server + "api/sessions"
        answer = self._web.post(address, json=wish, headers=ticket, timeout=ANSWER_S)
        if not answer.ok:
            raise StudentError(f"no kernel ({answer.status_code}): {answer.text[:200]}")
        self._session = answer.json()["id"]
        self.kernel = Kernel(self._server, answer.json()["kernel"]["id"], self._web)
        self.kernel.ask("kernel_info_request", {})
        return time.monotonic() - began

    def shut_kernel_down(self) -> None:
        """Close the notebook and end its kernel."""
        self.kernel.close()
        ticket = {"X-XSRFToken": self._cookie("_xsrf", f"/user/{self.name}/")}
        address = self._server + "api/sessions/" + self._session
        self._web.delete(address, headers=ticket, timeout=ANSWER_S).raise_for_status()

    def close(self) -> None:
        """Leave, as one who closes the laptop: the server stays."""
        if self.kernel:
            self.kernel.close()
        self._web.close()

    def _get(self, address: str, **options: Any) -> requests.Response:
        try:
            answer = self._web.get(address, timeout=ANSWER_S, **options)
        except requests.RequestException as problem:
            raise StudentError(f"{urlsplit(address).path}: {problem}") from problem
        if not answer.ok:
            raise StudentError(f"{urlsplit(address).path} answered {answer.status_code}")
        return answer

    def _events(self, address: str, parameters: dict[str, str]) -> Any:
        """The messages of an event stream, as dictionaries."""
        with self._web.get(address, params=parameters, stream=True, timeout=ANSWER_S) as answer:
            if not answer.ok:
                raise StudentError(f"{urlsplit(address).path} answered {answer.status_code}")
            for line in answer.iter_lines():
                if line.startswith(b"data:"):
                    yield json.loads(line.removeprefix(b"data:"))

    def _cookie(self, name: str, path: str) -> str:
        return next((c.value for c in self._web.cookies if (c.name, c.path) == (name, path)), "")


# ------------------------------------------------------------------------------ its kernel


class Message(NamedTuple):
    """A message from the kernel, and when it arrived (``time.monotonic``)."""

    at: float
    channel: str
    kind: str
    parent: str
    content: dict[str, Any]


class Kernel:
    """A kernel behind its websocket. A thread reads, so that a message's time is its arrival."""

    def __init__(self, server: str, kernel_id: str, web: requests.Session) -> None:
        self._session = uuid.uuid4().hex
        address = f"{server}api/kernels/{kernel_id}/channels?session_id={self._session}"
        self._socket = websocket.create_connection(
            address.replace("http", "ws", 1),
            subprotocols=[PROTOCOL],
            cookie=_cookie_line(web, server),
            origin="{0.scheme}://{0.netloc}".format(urlsplit(server)),
            timeout=ANSWER_S,
        )
        if self._socket.subprotocol != PROTOCOL:
            raise StudentError(f"the server does not speak {PROTOCOL}")
        self._socket.settimeout(None)
        self._sent = threading.Lock()
        self._messages: queue.Queue[Message] = queue.Queue()
        self.widgets: dict[str, dict[str, Any]] = {}  # by comm id: the state as it is now
        self.subshell: str | None = None
        threading.Thread(target=self._read, daemon=True).start()

    def close(self) -> None:
        """End the connection; the kernel goes on."""
        with suppress(OSError, websocket.WebSocketException):
            self._socket.close(timeout=1)

    def send(
        self, kind: str, content: dict[str, Any], *, channel: str = "shell", subshell: bool = False
    ) -> str:
        """Send a message and return its id.

        Raises:
            StudentError: If the connection has ended.
        """
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": self._session,
            "username": "",
            "date": datetime.now(UTC).isoformat(),
            "version": "5.4",
        }
        if subshell and self.subshell:
            header["subshell_id"] = self.subshell
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        packed = serialize_msg_to_ws_v1(message, channel, pack=lambda x: json.dumps(x).encode())
        try:
            with self._sent:
                self._socket.send_binary(packed)
        except (OSError, websocket.WebSocketException) as problem:
            raise StudentError(f"the connection to the kernel ended: {problem}") from problem
        return header["msg_id"]

    def receive(self, timeout_s: float) -> Message | None:
        """The next message, or ``None`` if none comes in time.

        Raises:
            StudentError: If the connection has ended.
        """
        try:
            message = self._messages.get(timeout=max(timeout_s, 0.0))
        except queue.Empty:
            return None
        if message.kind == "closed":
            raise StudentError("the connection to the kernel ended")
        return message

    def ask(self, kind: str, content: dict[str, Any], *, channel: str = "shell") -> dict[str, Any]:
        """Send a request and wait for the reply and for the kernel to be idle again.

        Raises:
            StudentError: If no reply comes.
        """
        request, reply, idle = self.send(kind, content, channel=channel), None, False
        end = time.monotonic() + ANSWER_S
        while reply is None or not idle:
            message = self.receive(end - time.monotonic())
            if message is None:
                raise StudentError(f"no answer to {kind} within {ANSWER_S:.0f} s")
            if message.parent != request:
                continue
            if message.kind.endswith("_reply"):
                reply = message.content
            idle = idle or is_idle(message)
        return reply

    def run_cell(self, cell: Cell) -> None:
        """Run a cell to its end.

        Raises:
            StudentError: If it raises and is not meant to.
        """
        wish = {
            "code": cell.source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        reply = self.ask("execute_request", wish)
        if reply["status"] != "ok" and not cell.may_raise:
            raise StudentError(f"a cell raised {reply.get('ename')}: {reply.get('evalue')}")

    def open_subshell(self) -> None:
        """Give the widgets a line of their own into the kernel, as JupyterLab does."""
        reply = self.ask("create_subshell_request", {}, channel="control")
        self.subshell = reply.get("subshell_id")

    def _read(self) -> None:
        try:
            while True:
                data = self._socket.recv()
                if not isinstance(data, bytes) or not data:
                    break
                message = _unpack(data, time.monotonic())
                self._keep_state(message)
                self._messages.put(message)
        except (OSError, websocket.WebSocketException):
            pass
        self._messages.put(Message(time.monotonic(), "", "closed", "", {}))

    def _keep_state(self, message: Message) -> None:
        """What a front end knows about widgets: their state, and every change of it."""
        if message.kind in ("comm_open", "comm_msg"):
            state = message.content["data"].get("state", {})
            self.widgets.setdefault(message.content["comm_id"], {}).update(state)


def _unpack(data: bytes, at: float) -> Message:
    channel, (header, parent, _metadata, content, *_buffers) = deserialize_msg_from_ws_v1(data)
    kind, parent_id = json.loads(header)["msg_type"], json.loads(parent).get("msg_id", "")
    return Message(at, channel, kind, parent_id, json.loads(content))


def _cookie_line(web: requests.Session, address: str) -> str:
    """The cookies that belong to an address, as one header."""
    request = requests.Request("GET", address, cookies=web.cookies).prepare()
    return request.headers.get("Cookie", "")


def is_idle(message: Message) -> bool:
    """Whether the kernel says that it has finished a request."""
    return message.kind == "status" and message.content.get("execution_state") == "idle"


class Cell(NamedTuple):
    """A code cell; some show an error on purpose."""

    source: str
    may_raise: bool


def code_cells(path: Path) -> list[Cell]:
    """A notebook's code cells, without those that wait for a person (a microphone)."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    tags = [cell["metadata"].get("tags", []) for cell in cells]
    return [
        Cell("".join(cell["source"]), "raises-exception" in own)
        for cell, own in zip(cells, tags, strict=True)
        if cell["cell_type"] == "code" and "nbval-skip" not in own
    ]


# ------------------------------------------------------------------------------ the explorer


class Front:
    """The front end's half of an explorer: its sliders and the pictures that arrived.

    Args:
        kernel: A kernel that has shown an explorer with the sliders of ``SLIDERS``.
        engine: ``"kernel"``: it draws every step. ``"browser"``: the view previews by itself, and
            asks the kernel when the hand rests.

    Attributes:
        places: Position of each slider, as it was last sent.
        counts: Number of positions of each slider.

    Raises:
        StudentError: If no such explorer was shown.
    """

    def __init__(self, kernel: Kernel, engine: Engine) -> None:
        self._kernel, self._engine = kernel, engine
        self._view, self._state = self._find(lambda state: "picture_mel" in state)
        found = {name: self._find(_is_slider(name)) for name in SLIDERS}
        self._sliders = {name: comm for name, (comm, _) in found.items()}
        self._labels = {name: state["_options_labels"] for name, (_, state) in found.items()}
        self.counts = {name: len(labels) for name, labels in self._labels.items()}
        self.places = {name: state["index"] for name, (_, state) in found.items()}
        self.shown = {lane: self._state[f"picture_{lane}"]["settings"] for lane in PICTURES}
        self._tell(self._view, {"previews": engine == "browser"})

    def _reset(self) -> None:
        self._hand = dict(self.places)  # where the hand is, before the messages
        self._wanted: dict[str, tuple[int, float]] = {}  # slider: position, time of the hand
        self._in_flight: dict[str, tuple[str, float]] = {}  # message: slider, time it was sent
        self._open: list[tuple[float, dict[str, int]]] = []  # pictures waited for
        self._moved_at: float | None = None  # until the view has asked for the truth

    def move(self, steps: list[Step]) -> Moves:
        """Move the sliders and time the pictures."""
        self._reset()
        moves, began, waiting = Moves(steps=len(steps)), time.monotonic(), list(steps)
        while waiting or not self._finished():
            now = time.monotonic()
            while waiting and began + waiting[0].at_s <= now:
                step = waiting.pop(0)
                self._hand[step.slider] = step.index
                self._moved_at = began + step.at_s
                self._wanted[step.slider] = (step.index, self._moved_at)
            self._send(moves)
            self._ask_at_rest(moves)
            self._give_up(moves)
            next_s = began + waiting[0].at_s - time.monotonic() if waiting else 0.05
            message = self._kernel.receive(min(next_s, 0.05))
            if message:
                self._take(message, moves)
        return moves

    def _finished(self) -> bool:
        return not (self._wanted or self._in_flight or self._open or self._moved_at)

    def _send(self, moves: Moves) -> None:
        """Send the newest position of each slider that has nothing in flight."""
        busy = {name for name, _ in self._in_flight.values()}
        for name in [n for n in self._wanted if n not in busy]:
            index, at = self._wanted.pop(name)
            if index == self.places[name]:
                continue  # there and back while the last message was on its way
            self.places[name] = index
            moves.sent += 1
            message_id = self._tell(self._sliders[name], {"index": index})
            self._in_flight[message_id] = (name, time.monotonic())
            if self._engine == "kernel":
                self._wait_for(at, self._values(self.places), moves)

    def _ask_at_rest(self, moves: Moves) -> None:
        if self._moved_at is None or time.monotonic() < self._moved_at + REST_S:
            return
        self._moved_at = None
        if self._engine == "browser":
            wanted = self._values(self._hand)
            rest = {"type": "rest", "settings": wanted, "visible": self._state["visible"]}
            data = {"method": "custom", "content": rest}
            self._kernel.send("comm_msg", {"comm_id": self._view, "data": data}, subshell=True)
            self._wait_for(time.monotonic(), wanted, moves)

    def _wait_for(self, at: float, wanted: dict[str, int], moves: Moves) -> None:
        if not self._is_shown(wanted):  # a stroke to and fro may end where it began
            moves.asked += 1
            self._open.append((at, wanted))

    def _values(self, places: dict[str, int]) -> dict[str, int]:
        """What the sliders say at these positions: «1024 · 64 ms», «64 bands»."""
        return {name: int(self._labels[name][place].split()[0]) for name, place in places.items()}

    def _take(self, message: Message, moves: Moves) -> None:
        if is_idle(message):
            self._in_flight.pop(message.parent, None)
        if message.kind != "comm_msg" or message.content["comm_id"] != self._view:
            return
        if message.content["data"].get("method") != "update":
            return
        state = message.content["data"]["state"]
        for lane in PICTURES:
            if f"picture_{lane}" in state:
                self.shown[lane] = state[f"picture_{lane}"]["settings"]
        if state.get("error"):
            moves.failures.append(f"the explorer said: {state['error']}")
        arrived = [at for at, wanted in self._open if self._is_shown(wanted)]
        if arrived:
            moves.latency_ms += [1000.0 * (message.at - at) for at in arrived]
            self._open = [o for o in self._open if not self._is_shown(o[1])]

    def _is_shown(self, wanted: dict[str, int]) -> bool:
        """Whether every lane shows a picture with these settings."""
        return all(
            self.shown[lane].get(name) == wanted[name]
            for lane, names in PICTURES.items()
            for name in names
        )

    def _give_up(self, moves: Moves) -> None:
        too_old = time.monotonic() - PICTURE_S
        for at, wanted in [o for o in self._open if o[0] < too_old]:
            moves.failures.append(f"no picture of {wanted} within {PICTURE_S:.0f} s")
            self._open.remove((at, wanted))
        for message_id, (name, at) in list(self._in_flight.items()):
            if at < too_old:  # a message without an answer holds nothing back for ever
                moves.failures.append(f"no answer to {name} within {PICTURE_S:.0f} s")
                del self._in_flight[message_id]

    def _tell(self, comm: str, state: dict[str, Any]) -> str:
        """Send a change of a widget's state to the kernel, as ipywidgets does."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        return self._kernel.send("comm_msg", {"comm_id": comm, "data": data}, subshell=True)

    def _find(self, fits: Any) -> tuple[str, dict[str, Any]]:
        for comm, state in list(self._kernel.widgets.items()):
            if fits(state):
                return comm, state
        raise StudentError("the lesson showed no explorer with the sliders " + ", ".join(SLIDERS))


def _is_slider(name: str) -> Any:
    return lambda s: s.get("_model_name") == "SelectionSliderModel" and s["description"] == name
