"""A slow line: a port of the loopback that leads to another one with a rate and a delay, and counts what passes.

The kernel's own shaping is not there everywhere; this needs nothing.
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

BLOCK = 16 * 1024


class Line:
    """`rate` in bytes a second and each direction (None: as fast as it goes), `delay` in seconds there and back.

    As a context manager; `port` is where it listens, `passed` the bytes of both directions so far.
    """

    def __init__(self, to: int, rate: float | None = None, delay: float = 0.0) -> None:
        self._to, self._rate, self._delay = to, rate, delay / 2
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.passed = self.port = 0

    def __enter__(self) -> Line:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        """Break off whatever still passes."""
        self._server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0)  # in which what was closed goes away

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._open, "127.0.0.1", 0)

    async def _open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._to)
        try:
            await asyncio.gather(self._carry(reader, ours), self._carry(theirs, writer), return_exceptions=True)
        finally:
            ours.close()
            writer.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """One direction: a block leaves when the line is free and arrives half a delay later."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)

        async def arrive() -> None:
            while True:
                due, block = await under_way.get()
                await asyncio.sleep(due - self._loop.time())
                if not block:
                    sink.close()
                    return
                sink.write(block)
                await sink.drain()

        arriving = asyncio.ensure_future(arrive())
        free = 0.0
        try:
            while block := await source.read(BLOCK):
                self.passed += len(block)
                free = max(free, self._loop.time()) + (len(block) / self._rate if self._rate else 0.0)
                await under_way.put((free + self._delay, block))
        except ConnectionError:
            pass  # closed by one of them: so it is for the other
        await under_way.put((self._loop.time(), b""))
        await arriving
