"""The server extension that lets small messages leave at once (see docs/benchmarks.md)."""

import json
import logging
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from course_utils import _jupyter_server

channels = pytest.importorskip("jupyter_server.services.kernels.connection.channels")
Usual = channels.ZMQChannelsWebsocketConnection

REAL_SERVER = """
import asyncio, json, socket
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.websocket import websocket_connect

async def look(app):
    kernel_id = await app.kernel_manager.start_kernel(kernel_name="python3")
    url = f"ws://127.0.0.1:{app.port}/api/kernels/{kernel_id}/channels?token=secret"
    browser = await asyncio.wait_for(websocket_connect(url), 30)
    handler = next(iter(ZMQChannelsWebsocketConnection._open_sockets)).websocket_handler
    option = handler.ws_connection.stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    browser.close()
    await app.kernel_manager.shutdown_kernel(kernel_id, now=True)
    print("ANSWER", json.dumps(bool(option)), flush=True)

app = ServerApp()
app.initialize(["--IdentityProvider.token=secret", "--ServerApp.ip=127.0.0.1", "--port=0",
                "--ServerApp.open_browser=False", "--allow-root", *%r])
app.io_loop.add_callback(app.io_loop.stop)
app.start_app()
app.io_loop.start()
asyncio.get_event_loop().run_until_complete(look(app))
"""


def server_app(**settings):
    return SimpleNamespace(
        web_app=SimpleNamespace(settings=settings), log=logging.getLogger("server")
    )


def test_the_usual_connection_is_replaced_by_a_prompt_one():
    app = server_app(kernel_websocket_connection_class=Usual)
    _jupyter_server._load_jupyter_server_extension(app)
    taken = app.web_app.settings["kernel_websocket_connection_class"]
    assert taken is not Usual
    assert issubclass(taken, Usual)


def test_another_connection_class_is_left_as_it_is():
    class Gateway(Usual):
        pass

    app = server_app(kernel_websocket_connection_class=Gateway)
    _jupyter_server._load_jupyter_server_extension(app)
    assert app.web_app.settings["kernel_websocket_connection_class"] is Gateway


def test_a_server_that_is_built_differently_is_left_alone_and_one_line_says_so(caplog):
    with caplog.at_level(logging.INFO):
        _jupyter_server._load_jupyter_server_extension(server_app())
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "built differently" in caplog.text


def test_a_connection_works_where_the_switch_cannot_be_set():
    class Connection:
        log = logging.getLogger("connection")
        websocket_handler = SimpleNamespace()  # has no set_nodelay

        def connect(self):
            return "connected"

    assert _jupyter_server.prompt_connection(Connection)().connect() == "connected"


def test_the_server_does_not_import_pytorch():
    """The extension lives in the server, which 200 MB of PyTorch would only slow down."""
    code = (
        "import sys; from course_utils import _jupyter_server\n"
        "print([name for name in ('torch', 'numpy', 'librosa') if name in sys.modules])"
    )
    reply = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert reply.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param([], True, id="as installed"),
        pytest.param(
            ["--ServerApp.jpserver_extensions={'course_utils._jupyter_server': False}"],
            False,
            id="switched off",
        ),
    ],
)
def test_the_socket_of_a_real_server(options, expected, tmp_path):
    """Installing the course is enough: nobody has to switch the extension on."""
    folders = {
        f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")
    }
    reply = subprocess.run(
        [sys.executable, "-c", REAL_SERVER % options],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, **folders, "IPYTHONDIR": str(tmp_path / "ipython")},
    )
    answers = [line[7:] for line in reply.stdout.splitlines() if line.startswith("ANSWER ")]
    assert answers, reply.stderr[-3000:]
    assert json.loads(answers[0]) is expected
