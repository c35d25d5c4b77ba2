"""A way to a server on the loopback that is disturbed."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Way:
    """The first requests to the port are answered with 500, `errors` of them; then a line is cut, `cuts` times, when `after`
    bytes have passed on it. As a context manager it is the port to take; at its end all of that must have been."""

    def __init__(self, port: int, *, errors: int = 0, cuts: int = 0, after: int = 1_000_000) -> None:
        self._goal, self._errors, self._cuts, self._after = port, errors, cuts, after
        self._socket = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        threading.Thread(target=self._serve, daemon=True).start()
        return int(self._socket.getsockname()[1])

    def __exit__(self, *args: object) -> None:
        self._socket.close()
        assert (self._errors, self._cuts) == (0, 0), "it was in nobody's way"

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        if self._errors > 0:
            self._errors -= 1
            line.recv(65536)
            line.sendall(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            line.close()
            return
        goal = socket.create_connection(("127.0.0.1", self._goal))
        threading.Thread(target=self._pass_on, args=(goal, line), daemon=True).start()
        self._pass_on(line, goal, self._after)

    def _pass_on(self, source: socket.socket, sink: socket.socket, limit: int = 0) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(65536):
                passed += len(data)
                if self._cuts > 0 and 0 < limit <= passed:
                    self._cuts -= 1
                    source.close()
                    sink.close()
                    return
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
