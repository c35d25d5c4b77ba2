"""A started command: bytes in and out with bounded buffers, every stage's exit code at the end."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass

from opslib.command import Command, Secret
from opslib.errors import Cancelled, CommandFailed, HostLost
from opslib.target.leash import packed
from opslib.target.pipe import Pipe

FRAME = 1024 * 1024
_KEPT = 64 * 1024  # of stderr: its end says why
_POLL = 0.5  # seconds between looks at the limit and at a cancellation
AFTER_LOSS = "look at the host; the next run there finishes or undoes what was begun"
_GRACE = 35.0  # seconds for onbreak (20), TERM (5) and KILL after a hang-up


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: `codes` per stage (empty when it was broken off), its masked standard error."""

    codes: tuple[int, ...]
    code: int
    stderr: str

    @property
    def ok(self) -> bool:
        """Every stage ended with 0."""
        return bool(self.codes) and not any(self.codes)


class Process:
    """One command on a machine. One thread at a time moves its bytes, others wait for it; `kill` may be called from any
    at any time."""

    def __init__(self, pipe: Pipe, script: str, nonce: str, cmd: Command, host: str) -> None:
        self._pipe, self._cmd, self._host = pipe, cmd, host
        self._marker = nonce.encode() + b"\n"
        self._nonce = nonce
        self._began = time.monotonic()
        self._out: deque[bytes] = deque()  # as they came: nothing is copied on the way to the caller
        self._err = bytearray()
        self._heads = {"out": bytearray(), "err": bytearray()}  # what a login shell prints before our first line
        self._finished = False  # both streams have ended
        self._killed: str | None = None
        self._killed_at = 0.0
        self._ended: Ended | None = None
        self._mine = threading.RLock()  # who moves the bytes: a pipe that is closed meanwhile is not to be read
        self._send(packed(script))
        if cmd.feed is not None:
            self.write(cmd.feed.reveal().encode() if isinstance(cmd.feed, Secret) else cmd.feed)
            self.end_input()

    def read(self, n: int = 65536) -> bytes:
        """Up to `n` bytes of standard output as soon as there are any; empty at its end."""
        with self._mine:
            while not self._out and not self._finished:
                self._turn(None)
            if not self._out:
                return b""
            got = self._out.popleft()
            if len(got) > n:
                self._out.appendleft(got[n:])
            return got[:n]

    def write(self, data: bytes) -> None:
        """Send data to the command's standard input; blocks while it does not read."""
        for start in range(0, len(data), FRAME):
            frame = data[start : start + FRAME]
            self._send(b"%d\n" % len(frame))
            self._send(frame)

    def end_input(self) -> None:
        """Say that the data are complete: the only thing that the other side takes for an end."""
        self._send(b"e\n")

    def wait(self) -> Ended:
        """Read on until the command has ended (its output is dropped), and say how.

        Raises HostLost when the line broke before it could say so, Cancelled after `kill`, CommandFailed after the
        command's time limit.
        """
        with self._mine:
            return self._wait()

    def _wait(self) -> Ended:
        if self._ended is None:
            while not self._finished:
                self._turn(None)
                self._out.clear()
            code = self._pipe.exit_code(_GRACE if self._killed else 10.0)
            self._pipe.close()
            stderr, codes, gone = self._report()
            if self._killed == "cancelled":
                raise Cancelled(f"interrupted: {self._cmd.masked()}", host=self._host)
            if self._killed is not None:
                raise CommandFailed(
                    f"{self._killed}: {self._cmd.masked()}", host=self._host, codes=(124,), stderr=stderr
                )
            if gone:
                raise HostLost(
                    f"the server had taken this machine for gone and gave the lock up, so this did not begin: "
                    f"{self._cmd.masked()}",
                    host=self._host,
                    next=AFTER_LOSS,
                )
            if code is None:
                raise HostLost(
                    f"the connection broke while this ran: {self._cmd.masked()}",
                    host=self._host,
                    next=AFTER_LOSS,
                )
            self._ended = Ended(codes, code, stderr)
        return self._ended

    def kill(self, why: str = "cancelled") -> None:
        """Break the command off: what it started inside containers first, then its processes. From any thread."""
        if self._killed is None:
            self._killed, self._killed_at = why, time.monotonic()
        self._pipe.hang_up()

    def close(self) -> None:
        """Let go; a command that still runs is broken off by its leash."""
        with self._mine:
            self._pipe.close()

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        with self._mine:
            while view and not self._finished:
                view = view[self._turn(view) :]

    def _turn(self, data: memoryview | None) -> int:
        """Move bytes once in whatever direction is free; returns the bytes sent."""
        limit = self._cmd.limit
        if limit is not None and self._killed is None and time.monotonic() - self._began > limit:
            self.kill(f"not done after {limit:g} s")
        if self._killed is not None:
            data = None
            if time.monotonic() - self._killed_at > _GRACE:  # the leash itself does not answer: a paused machine
                self._finished = True
                return 1 << 62
        moved = self._pipe.pump(data, _POLL)
        if out := self._behind_head("out", moved.out):
            self._out.append(out)
        self._err += self._behind_head("err", moved.err)
        if len(self._err) > 2 * _KEPT:
            del self._err[:-_KEPT]
        self._finished = moved.ended
        if self._killed is not None:
            self._out.clear()
            return 1 << 62  # nothing of it will be sent any more
        return moved.sent

    def _behind_head(self, stream: str, data: bytes) -> bytes:
        head = self._heads.get(stream)
        if head is None or not data:
            return data
        head += data
        found = head.find(self._marker)
        if found < 0:
            del head[: -len(self._marker) - CHATTER]
            return b""
        del self._heads[stream]
        return bytes(head[found + len(self._marker) :])

    def _report(self) -> tuple[str, tuple[int, ...], bool]:
        """What it said, the exit code of each stage, and whether its run had no lock any more."""
        text = bytes(self._err).decode("utf-8", "replace")
        if "err" in self._heads:  # the shell itself did not come up: what it said is the reason
            text = bytes(self._heads["err"]).decode("utf-8", "replace")
        codes: tuple[int, ...] = ()
        found = re.search(rf"\n{self._nonce}( gone|(?: \d+)+)\n", text)
        gone = found is not None and found.group(1) == " gone"
        if found:
            codes = () if gone else tuple(int(word) for word in found.group(1).split())
            text = text[: found.start()] + text[found.end() :]
        return mask(text, self._cmd.secrets()).strip(), codes, gone


CHATTER = 4096  # bytes kept of what a login shell printed, for the error when nothing else comes


def mask(text: str, found: tuple[str, ...]) -> str:
    """The text without the secrets, longest first, also as a tool may have quoted or encoded them."""
    from urllib.parse import quote as percent

    for secret in sorted(found, key=len, reverse=True):
        for shape in {secret, percent(secret, safe=""), repr(secret)[1:-1]}:
            text = text.replace(shape, "***")
    return text


def new_nonce() -> str:
    """A word that no program prints by chance."""
    return secrets.token_hex(8)
