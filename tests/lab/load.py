"""Requests without a pause, on kept connections and on fresh ones, and what became of each."""

from __future__ import annotations

import http.client
import select
import threading
from collections import Counter


class Load:
    """Asks for `path` on a port, of this machine by default, until it is left. `found` counts the answers by status, and what else
    became of requests; `versions` the bodies. A kept connection that is closed while a request is on its way into it is
    no failure: a client then asks again on a fresh one (RFC 9112, 9.3.1), which `again` counts."""

    def __init__(self, port: int, path: str = "/", kept: int = 2, fresh: int = 2, host: str = "127.0.0.1") -> None:
        self.port, self.path, self.host = port, path, host
        self.found: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self.again = 0
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=[at < kept], daemon=True) for at in range(kept + fresh)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def failed(self) -> dict[str, int]:
        """What was no 200."""
        return {what: count for what, count in self.found.items() if what != "200"}

    def _ask(self, keep: bool) -> None:
        line = http.client.HTTPConnection(self.host, self.port, timeout=20)
        used = False
        while not self._ended.wait(0.01):
            if used and select.select([line.sock], [], [], 0)[0]:  # closed between two requests
                line.close()
                used = False
            try:
                line.request("GET", self.path, headers={} if keep else {"Connection": "close"})
                answer = line.getresponse()
                body = answer.read().decode()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
                line.close()
                if used:
                    used = False
                    self.again += 1
                else:
                    self.found[repr(error)] += 1
                continue
            except Exception as error:
                line.close()
                used = False
                self.found[repr(error)] += 1
                continue
            self.found[str(answer.status)] += 1
            self.versions[body.strip()] += 1
            used = keep and not answer.will_close
            if not used:
                line.close()
