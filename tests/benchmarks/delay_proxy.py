"""A server far away, on this machine: every byte arrives later, in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Self


class DelayProxy:
    """Listens on a free port of 127.0.0.1 and hands on what comes, after a delay.

    Order and bytes stay as they are; nothing is made slower than the delay says.

    Args:
        port: Of the server on 127.0.0.1 that is to be far away.
        delay_s: How much later each byte arrives, there and also back, in seconds.

    Attributes:
        port: Where to connect to.
    """

    def __init__(self, port: int, *, delay_s: float) -> None:
        self._target, self._delay_s = port, delay_s
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info) -> None:
        self.stop()

    def stop(self) -> None:
        """Close every connection."""
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _end(self) -> None:
        self._server.close()
        mine = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not mine]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.gather(
                self._pipe(reader, far_writer),
                self._pipe(far_reader, writer),
            )

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read at once, write later: what is on its way waits in a queue."""
        on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        late = asyncio.create_task(self._write_late(on_its_way, writer))
        try:
            data = b"-"
            while data:
                data = await reader.read(1 << 16)
                await on_its_way.put((self._loop.time() + self._delay_s, data))
            await late
        except OSError:
            pass  # one side hung up: so does the other
        finally:
            late.cancel()
            writer.close()

    async def _write_late(self, on_its_way: asyncio.Queue, writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await on_its_way.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            if not data:
                return
            writer.write(data)
            await writer.drain()
