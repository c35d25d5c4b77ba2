"""Looks for secrets in the arguments of processes."""

from __future__ import annotations

import threading
from pathlib import Path


class Watch:
    """Reads every process's arguments on this machine, which the lab's servers and containers are a part of."""

    def __init__(self, *secrets: str) -> None:
        self.needles = [secret.encode() for secret in secrets]
        self.seen: set[bytes] = set()
        self.looks = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()

    def _look(self) -> None:
        while not self.done.wait(0.002):
            self.looks += 1
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    text = path.read_bytes()
                except OSError:
                    continue
                self.seen.update(text for needle in self.needles if needle in text)
