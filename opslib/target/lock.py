"""The project's lock on a machine, held by a keeper process there for as long as this one answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opslib.errors import Cancelled, HostLost, Locked, OpsError
from opslib.events import Note
from opslib.target.base import Target
from opslib.target.leash import keeping, packed
from opslib.target.pipe import Pipe
from opslib.target.process import new_nonce

BEAT = 5.0  # seconds between heartbeats
SILENCE = 30.0  # seconds without an echo after which the line counts as lost, here and there


@contextmanager
def locked(target: Target, *, run: str, holder: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the project's lock on `target` for the run `run`; every command started meanwhile belongs to it, and ends
    with it.

    `holder` is one line for whoever is kept waiting: who, what, since. Waits at most `wait` seconds and says for whom.
    Raises Locked when it is not free by then, OpsError when the folder cannot be written.
    """
    keeper = _Keeper(target, run, holder, wait)
    keeper.acquire()
    target.holding(target.state, run)
    try:
        yield
    finally:
        target.end_rest()
        target.holding("", "")
        keeper.release()


class _Keeper:
    def __init__(self, target: Target, run: str, holder: str, wait: float) -> None:
        self._target, self._wait = target, wait
        nonce = new_nonce()
        script = keeping(nonce=nonce, folder=target.state, run=run, holder=holder, wait=wait)
        self._pipe: Pipe = target.open_keeper()
        self._lines = _Lines(self._pipe, nonce)
        self._lines.send(packed(script))
        self._done = threading.Event()

    def acquire(self) -> None:
        deadline = time.monotonic() + self._wait + 90
        name = self._target.host.name
        while True:
            line = self._lines.next(deadline, self._target)
            word, _, rest = line.partition(" ")
            if word == "waiting":
                if self._wait:
                    self._target.tell(Note(name, f"waiting up to {self._wait:g} s for {rest or 'another run'}"))
            elif word == "ready":
                break
            else:
                self._pipe.close()
                raise _refusal(word, rest, name)
        threading.Thread(target=self._beat, daemon=True, name="opslib-keeper").start()

    def release(self) -> None:
        self._done.set()
        try:
            self._lines.send(b"q\n")
            self._pipe.exit_code(5.0)
        finally:
            self._pipe.close()

    def _beat(self) -> None:
        heard = time.monotonic()
        while not self._done.wait(BEAT):
            try:
                self._lines.send(b"h\n")
                if self._lines.poll():
                    heard = time.monotonic()
                lost = self._lines.ended
            except (OSError, EOFError):
                lost = True
            if self._done.is_set():
                return
            if lost or time.monotonic() - heard > SILENCE:
                self._target.lose(silent=not lost)
                return


class _Lines:
    """The talk with the keeper: what it prints, line by line, behind its nonce."""

    def __init__(self, pipe: Pipe, nonce: str) -> None:
        self._pipe, self._nonce = pipe, nonce
        self._rest = b""
        self._queue: list[str] = []
        self._began = self.ended = False

    def next(self, deadline: float, target: Target) -> str:
        while not self._queue:
            if self.ended or time.monotonic() > deadline:
                self._pipe.close()
                raise HostLost("the connection broke while waiting for the lock", host=target.host.name)
            if target.cancelled:
                self._pipe.close()
                raise Cancelled("interrupted while waiting for the lock", host=target.host.name)
            self._read(0.2)
        return self._queue.pop(0)

    def poll(self) -> bool:
        """Whether something was printed since the last call."""
        self._read(0.0)
        heard, self._queue = bool(self._queue), []
        return heard

    def send(self, data: bytes) -> None:
        """Send all of it; what the keeper says meanwhile is kept."""
        view = memoryview(data)
        deadline = time.monotonic() + SILENCE
        while view and not self.ended and time.monotonic() < deadline:
            view = view[self._read(1.0, view) :]

    def _read(self, timeout: float, data: memoryview | None = None) -> int:
        turn = self._pipe.pump(data, timeout)
        self.ended = turn.ended
        *lines, self._rest = (self._rest + turn.out).split(b"\n")
        for raw in lines:
            line = raw.decode("utf-8", "replace")
            if self._began:
                self._queue.append(line)
            elif line == self._nonce:
                self._began = True
        return turn.sent


def _refusal(word: str, rest: str, host: str) -> OpsError:
    if word == "held":
        return Locked(
            f"another run holds the lock: {rest or 'it does not say who'}",
            host=host,
            left="everything",
            next="wait for it, or run again with --wait 10m",
        )
    if word == "busy":
        return Locked(
            "a command of an earlier run still works there after 60 s",
            host=host,
            left="everything",
            next="look at what runs there (ps), then run again",
        )
    return OpsError(
        f"the folder {rest} cannot be written",
        host=host,
        left="everything",
        next="make it group-writable for the users who deploy (chmod -R g+rwX), then run again",
    )
