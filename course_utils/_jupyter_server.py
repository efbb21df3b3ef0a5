"""A switch inside the Jupyter server that makes sliders follow the hand.

The kernel answers a slider with several small messages. Without ``TCP_NODELAY`` the system holds
the second one back until the browser has confirmed the first, and browsers confirm late: 40 ms on
Linux, up to 200 ms on Windows, for every step of every slider (Nagle's algorithm and delayed
acknowledgement). Jupyter's server leaves that switch off; this extension turns it on for kernels.
It changes nothing else, and where the server is built differently it does nothing.

Installing the course switches it on (``jupyter-config/``), so it works in ``course.py lab``, in a
plain ``jupyter lab`` and on Binder. ``jupyter server extension list`` shows it. It imports no
PyTorch: it lives in the server, not in a kernel.
"""

from __future__ import annotations

from typing import Any

NAME = "course_utils._jupyter_server"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": NAME}]


def _load_jupyter_server_extension(server_app: Any) -> None:
    """Take the prompt connection in place of the server's own, if that is the one we know."""
    try:
        from jupyter_server.services.kernels.connection.channels import (
            ZMQChannelsWebsocketConnection as Usual,
        )

        settings = server_app.web_app.settings
        if settings["kernel_websocket_connection_class"] is not Usual:
            server_app.log.info("%s: another kernel connection is in use, left as it is.", NAME)
            return
        settings["kernel_websocket_connection_class"] = prompt_connection(Usual)
    except Exception as problem:  # a faster slider is never worth a broken server
        server_app.log.info("%s: this server is built differently (%r).", NAME, problem)


def prompt_connection(usual: type) -> type:
    """Make a subclass of a kernel connection whose websocket sends small messages at once."""

    class PromptConnection(usual):
        """Jupyter's connection to a kernel, with ``TCP_NODELAY`` on the browser's side."""

        def connect(self) -> Any:
            try:
                self.websocket_handler.set_nodelay(True)
            except Exception as problem:  # slower, but it works
                self.log.debug("%s: TCP_NODELAY could not be set (%r).", NAME, problem)
            return super().connect()

    return PromptConnection
