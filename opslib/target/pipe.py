"""The two raw ways to a started shell: pipes of a local process and a channel of an SSH connection.

Both are driven by one thread through `pump`; `hang_up` may be called from any other.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from paramiko import Channel

CHUNK = 32 * 1024  # 32 KiB sends beat larger ones in paramiko
TAKE = 256 * 1024  # bytes received at once


@dataclass(slots=True)
class Pumped:
    """What one turn moved: bytes sent, bytes received on each stream, and whether both streams have ended."""

    sent: int = 0
    out: bytes = b""
    err: bytes = b""
    ended: bool = False


class Pipe(Protocol):
    """A shell's three streams and its end."""

    def pump(self, data: memoryview | None, timeout: float) -> Pumped:
        """Send some of `data` or receive something, whichever is possible first, within `timeout` seconds."""

    def hang_up(self) -> None:
        """End the shell's standard input; the leash takes that for a lost controller. From any thread."""

    def exit_code(self, timeout: float) -> int | None:
        """The shell's exit code, waiting up to `timeout` seconds; None when there is none (the line broke)."""

    def close(self) -> None:
        """Let go of everything, without waiting."""


class LocalPipe:
    """A shell on this machine, in a session of its own so that the terminal's Ctrl-C does not reach it."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        # A socket and not a pipe for stdin: it can be shut down from another thread without closing a
        # descriptor that this one is polling.
        self._in, theirs = socket.socketpair()
        self._in.setblocking(False)
        with theirs:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                list(argv), stdin=theirs.fileno(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(env),
                start_new_session=True, bufsize=0,
            )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._streams = {self._process.stdout.fileno(): "out", self._process.stderr.fileno(): "err"}

    def pump(self, data: memoryview | None, timeout: float) -> Pumped:
        turn = Pumped()
        if not self._streams:
            turn.ended = True
            return turn
        poll = select.poll()
        for fd in self._streams:
            poll.register(fd, select.POLLIN)
        if data:
            poll.register(self._in.fileno(), select.POLLOUT)
        for fd, _ in poll.poll(timeout * 1000):
            if fd == self._in.fileno():
                try:
                    turn.sent = self._in.send(data) if data else 0
                except BlockingIOError:
                    pass
                except OSError:  # it reads no more: the end of its output will say why
                    turn.sent = len(data) if data else 0
                continue
            got = os.read(fd, 65536)
            name = self._streams[fd]
            if not got:
                del self._streams[fd]
            elif name == "out":
                turn.out = got
            else:
                turn.err = got
        turn.ended = not self._streams
        return turn

    def hang_up(self) -> None:
        try:
            self._in.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it was before

    def exit_code(self, timeout: float) -> int | None:
        try:
            return int(self._process.wait(timeout))
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        self._in.close()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._streams = {}
        if self._process.poll() is None:
            # the leash ends what it started; reap it without making anyone wait
            threading.Thread(target=self._process.wait, daemon=True).start()


class ChannelPipe:
    """A shell behind one channel of an SSH connection."""

    def __init__(self, channel: Channel, on_close: Callable[[], None]) -> None:
        self._channel, self._on_close = channel, on_close
        self._closed = False
        self._arrived = threading.Event()  # one for both: they share the channel's window
        channel.in_buffer.set_event(self._arrived)
        channel.in_stderr_buffer.set_event(self._arrived)
        channel.settimeout(0.0)

    def pump(self, data: memoryview | None, timeout: float) -> Pumped:
        turn = Pumped()
        channel = self._channel
        deadline = time.monotonic() + timeout
        while True:
            if channel.recv_ready():
                turn.out = channel.recv(TAKE)
            if channel.recv_stderr_ready():
                turn.err = channel.recv_stderr(TAKE)
            if turn.out or turn.err:
                return turn
            if channel.eof_received or channel.closed:
                turn.ended = not (channel.recv_ready() or channel.recv_stderr_ready())
                return turn
            left = deadline - time.monotonic()
            if left <= 0:
                return turn
            if not data:
                self._arrived.wait(left)
                continue
            try:
                turn.sent = channel.send(bytes(data[:CHUNK]))
                return turn
            except TimeoutError:  # the window is shut: whoever reads there may wait for us to read
                with channel.out_buffer_cv:
                    if channel.out_window_size == 0:
                        channel.out_buffer_cv.wait(min(left, 0.05))
            except OSError:
                turn.sent, data = len(data), None

    def hang_up(self) -> None:
        try:
            self._channel.shutdown_write()
        except (OSError, EOFError):
            pass

    def exit_code(self, timeout: float) -> int | None:
        self._channel.status_event.wait(timeout)
        code: int = self._channel.exit_status
        return None if code < 0 else code

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self._channel.close()
        except (OSError, EOFError):
            pass
        self._on_close()
