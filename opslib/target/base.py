"""The contract of a target, and what is written once on top of it."""

from __future__ import annotations

import textwrap
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslib.command import Command, bash
from opslib.errors import Cancelled, CommandFailed, HostLost, OpsError
from opslib.events import Output, Tell, silent
from opslib.target.leash import leashed
from opslib.target.pipe import Pipe
from opslib.target.process import AFTER_LOSS, Ended, Process, new_nonce

if TYPE_CHECKING:
    from opslib.settings.model import Host

BLOCK = 256 * 1024  # bytes that are read at once
RESULT = 1024 * 1024  # bytes that `run` keeps; more is a stream
QUICK = 60.0  # seconds for a command that nobody gave a limit


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished command printed, and its exit codes."""

    out: bytes
    ended: Ended

    @property
    def text(self) -> str:
        """Standard output as text, without the last newline."""
        return self.out.decode("utf-8", "surrogateescape").rstrip("\n")

    @property
    def lines(self) -> list[str]:
        """Standard output line by line."""
        return self.text.split("\n") if self.text else []


class Target(ABC):
    """A machine. `Local` and `Ssh` differ only in how a shell is opened there."""

    def __init__(self, host: Host, tell: Tell = silent) -> None:
        self.host, self.tell = host, tell
        self._running: set[Process] = set()
        self._guard = threading.Lock()
        self.cancelled = False
        self._lost = False
        self._lock: tuple[str, str] = ("", "")  # folder and run, while a run holds the project's lock
        self._root: str | None = None
        self.round_trips = 0  # commands that were started there

    # -- what differs

    @abstractmethod
    def _open(self) -> Pipe:
        """A fresh shell there that reads its script from standard input."""

    @abstractmethod
    def open_keeper(self) -> Pipe:
        """The same for the keeper, on a connection of its own: heartbeats must not queue behind bulk data."""

    @abstractmethod
    def close(self) -> None:
        """Let the connection go at once; what runs there is ended by its leash. From any thread."""

    # -- processes

    def start(self, cmd: Command) -> Process:
        """Start a command and return at once."""
        if self._lost:
            raise HostLost("the connection is lost", host=self.host.name, next=AFTER_LOSS)
        if self.cancelled:
            raise Cancelled("interrupted", host=self.host.name)
        nonce = new_nonce()
        folder, run = self._lock
        script = leashed(cmd, nonce=nonce, folder=folder, run=run)
        process = Process(self._open(), script, nonce, cmd, self.host.name)
        with self._guard:
            self._running.add(process)
            self.round_trips += 1
        if self.cancelled:  # it came while the process was being started
            process.kill()
        return process

    def finish(self, process: Process) -> Ended:
        """Wait for a started command and forget it. Raises as `Process.wait`."""
        try:
            return process.wait()
        except HostLost:
            self.lose()  # so that whoever undoes gets a line and the lock anew
            raise
        finally:
            process.close()
            with self._guard:
                self._running.discard(process)

    def cancel(self) -> None:
        """Break off whatever runs and refuse to start more. From any thread."""
        self.cancelled = True
        with self._guard:
            running = list(self._running)
        for process in running:
            process.kill()

    def hang_up(self) -> None:
        """End every command's standard input, which its leash takes for a lost controller."""
        with self._guard:
            running = list(self._running)
        for process in running:
            process.kill("the connection was closed")

    def end_rest(self) -> None:
        """Break off the commands that nobody has waited for."""
        with self._guard:
            left = list(self._running)
        for process in left:
            process.kill()
        for process in left:
            self.abandon(process)

    def lose(self, *, silent: bool = False) -> None:
        """Give the line up, `silent` where nothing is heard any more: whatever waits on it raises HostLost. From any
        thread."""
        self._lost = True
        self.close()

    @property
    def lost(self) -> bool:
        """Whether the line was given up."""
        return self._lost

    def reconnect(self) -> None:
        """Open the line again after it was lost."""
        self._lost = False
        self.holding("", "")

    def resume(self) -> None:
        """Allow commands again after `cancel`: what was interrupted is to be undone."""
        self.cancelled = False

    def run(self, cmd: Command, *, check: bool = True) -> Result:
        """Run a command to its end and return what it printed, at most 1 MiB.

        Raises CommandFailed when a stage ends with another code than 0 (unless `check` is false) or prints more,
        HostLost, Cancelled.
        """
        if cmd.limit is None:
            cmd = cmd.with_(limit=QUICK)
        process = self.start(cmd)
        out = bytearray()
        try:
            while got := process.read():
                out += got
                if len(out) > RESULT:
                    process.kill(f"printed more than {RESULT} bytes")
        finally:
            ended = self.finish(process)
        if check and not ended.ok:
            raise self.failure(cmd, ended)
        return Result(bytes(out), ended)

    def lines(self, cmd: Command) -> Generator[str, None, None]:
        """Standard output line by line as it comes. Raises as `run` at the end; closed before, it breaks the command
        off."""
        for line in self.raw_lines(cmd):
            yield line.decode("utf-8", "replace").rstrip("\r")

    def raw_lines(self, cmd: Command) -> Generator[bytes, None, None]:
        """The same as bytes, without the ends of lines."""
        rest = b""
        with closing(self.blocks(cmd)) as blocks:
            try:
                for got in blocks:
                    *whole, rest = (rest + got).split(b"\n")
                    yield from whole
            except CommandFailed:
                if rest:  # perhaps it says why
                    yield rest
                raise
        if rest:
            yield rest

    def blocks(self, cmd: Command) -> Generator[bytes, None, None]:
        """Standard output block by block as it comes, 256 KiB at most. Raises as `run` at the end; to stop before it,
        close it."""
        process = self.start(cmd)
        try:
            while got := process.read(BLOCK):
                yield got
        except BaseException:
            self.abandon(process)
            raise
        ended = self.finish(process)
        if not ended.ok:
            raise self.failure(cmd, ended)

    def show(self, cmd: Command) -> list[str]:
        """Run a long command whose lines people want to see as they come; returns the last 40."""
        last: list[str] = []
        for line in self.lines(cmd):
            self.tell(Output(self.host.name, line))
            last = [*last[-39:], line]
        return last

    def failure(self, cmd: Command, ended: Ended) -> CommandFailed:
        """The error for a command that ended badly: its last line on stderr, its codes, what it was."""
        said = ended.stderr.strip().splitlines()
        codes = " ".join(map(str, ended.codes)) or str(ended.code)
        what = "\n    ".join(said[-5:]) if said else "it printed nothing on stderr"
        return CommandFailed(
            f"{textwrap.shorten(cmd.masked(), 160, placeholder='…')} ended with {codes}:\n    {what}",
            codes=ended.codes or (ended.code,),
            stderr=ended.stderr,
            host=self.host.name,
        )

    def abandon(self, process: Process) -> None:
        """Break a command off because of an error here, which is the one to be raised."""
        process.kill()
        try:
            self.finish(process)
        except OpsError:
            pass

    # -- where the project lives there

    @property
    def root(self) -> str:
        """The project's folder there as an absolute path (made when it is not there). One round trip, once."""
        if self._root is None:
            script = 'cd && mkdir -p -- "$1" && cd -- "$1" && pwd -P'
            try:
                self._root = self.run(bash(script, str(self.host.path))).text
            except CommandFailed as error:
                raise OpsError(
                    f"the project's folder {self.host.path} cannot be made or entered: {error.stderr}",
                    host=self.host.name,
                    next="set `path:` in the host file to a folder that this user may write",
                ) from None
        return self._root

    @property
    def state(self) -> str:
        """The `.opslib` folder there."""
        return f"{self.root}/.opslib"

    def holding(self, folder: str, run: str) -> None:
        """From now on commands run only while `run` holds the lock in `folder` (empty: no lock)."""
        self._lock = (folder, run)
