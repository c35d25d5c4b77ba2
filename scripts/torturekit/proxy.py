"""A way to the S3 server that does not go well: errors, a slow line, a clock that is wrong."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
# What S3 answers to a request whose time is more than 15 minutes from its own.
_SKEWED = b"""<?xml version="1.0" encoding="UTF-8"?><Error><Code>RequestTimeTooSkewed</Code><Message>The difference \
between the request time and the current time is too large.</Message></Error>"""
_HEAD = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
SKEWED = _HEAD % len(_SKEWED) + _SKEWED


class Proxy:
    """Passes on what comes, at most `rate` bytes in a second; the next `errors` requests are answered with 500, and all
    with `answer` where there is one."""

    def __init__(self, goal: int, *, errors: int = 0, rate: int | None = None, answer: bytes = b"") -> None:
        self.goal, self.errors, self.rate, self.answer = goal, errors, rate, answer
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    def serve(self) -> None:
        """Until it is closed."""
        with suppress(OSError):
            while True:
                line, _ = self._socket.accept()
                threading.Thread(target=self._take, args=(line,), daemon=True).start()

    def close(self) -> None:
        """No more lines are taken."""
        self._socket.close()

    def _take(self, line: socket.socket) -> None:
        with suppress(OSError):
            answer = self.answer or self._stumble()
            if answer:
                line.settimeout(1)
                with suppress(TimeoutError):
                    while b"\r\n\r\n" not in line.recv(65536):
                        pass
                line.sendall(answer)
                line.close()
                return
            goal = socket.create_connection(("127.0.0.1", self.goal))
            for source, sink in ((line, goal), (goal, line)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _stumble(self) -> bytes:
        with self._lock:
            self.errors -= 1
            return _ERROR if self.errors >= 0 else b""

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(16384):
                sink.sendall(data)
                if self.rate:
                    time.sleep(len(data) / self.rate)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxy(goal: int, *, errors: int = 0, rate: int | None = None, answer: bytes = b"") -> Iterator[int]:
    """A proxy that runs; its port."""
    running = Proxy(goal, errors=errors, rate=rate, answer=answer)
    threading.Thread(target=running.serve, daemon=True).start()
    try:
        yield running.port
    finally:
        running.close()
