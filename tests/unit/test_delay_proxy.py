"""The far server of the benchmark: the same bytes, later."""

import socket
import threading
import time

import pytest

from tests.benchmarks.delay_proxy import DelayProxy

DELAY_S = 0.05


@pytest.fixture
def echo():
    """A server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(timeout=5)


def test_the_same_bytes_come_back_and_later(echo):
    sent = bytes(range(256)) * 4000  # many pieces
    with (
        DelayProxy(echo, delay_s=DELAY_S) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as near,
    ):
        began = time.perf_counter()
        threading.Thread(target=near.sendall, args=(sent,), daemon=True).start()
        got = near.recv(1)
        first_s = time.perf_counter() - began
        while len(got) < len(sent):
            got += near.recv(1 << 16)
    assert got == sent
    assert first_s >= 2 * DELAY_S, "there and back"
