"""Whole images as one stream from the engine here to the one there: what the engines themselves write and read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opslib.command import Command, bash, command, pipe
from opslib.errors import CommandFailed, OpsError
from opslib.events import Note, Progress
from opslib.target.base import BLOCK
from opslib.target.docker import docker
from opslib.target.transfer import stream_in

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target
    from opslib.target.process import Process

LIMIT = 6 * 3600.0  # seconds for one transfer: gigabytes over a slow line


def save_command(host: Host, refs: Sequence[str], *, zstd: bool) -> Command:
    """The images as one compressed stream; `docker load` undoes gzip by itself."""
    packed = command("zstd", "-q", "-3", "-T0", "-c") if zstd else command("gzip", "-1", "-c")
    return pipe(docker(host, "image", "save", *refs, limit=LIMIT), packed)


def load_command(host: Host, *, zstd: bool) -> Command:
    """The other end of `save_command`."""
    load = docker(host, "image", "load", "--quiet", limit=LIMIT)
    return pipe(command("zstd", "-q", "-d", "-c"), load) if zstd else load


def stream(here: Target, target: Target, refs: Sequence[str], size: int) -> int:
    """Send the images, `size` bytes unpacked; returns the bytes that went. Raises OpsError, HostLost, Cancelled."""
    name, host, sent = ", ".join(refs), target.host.name, 0
    target.tell(Note(host, f"sending {name} whole: {size / 1e6:.0f} MB before compression"))
    zstd = _has_zstd(here) and _has_zstd(target)
    source = Reader(here, save_command(here.host, refs, zstd=zstd))

    def moved(done: int) -> None:
        nonlocal sent
        sent = done
        target.tell(Progress(host, f"send {name}", done))

    try:
        stream_in(target, load_command(target.host, zstd=zstd), source, moved)  # type: ignore[arg-type]
    except OpsError as error:
        if source.failed is not None:
            raise source.failed from None
        if isinstance(error, CommandFailed):
            raise load_failed(target, name, error) from None
        raise
    finally:
        source.close()
    return sent


class Reader:
    """What a command prints, as a file to read from; a command that fails is an error and never an end of file, which
    the other side would load as whole."""

    def __init__(self, target: Target, cmd: Command) -> None:
        self._target, self._cmd = target, cmd
        self._process: Process | None = target.start(cmd)
        self.failed: OpsError | None = None

    def read(self, n: int = BLOCK) -> bytes:
        """Up to `n` bytes; empty only when the command has ended well. Raises CommandFailed, HostLost, Cancelled."""
        if self._process is None:
            return b""
        got = self._process.read(n)
        if not got:
            process, self._process = self._process, None
            ended = self._target.finish(process)
            if not ended.ok:
                self.failed = OpsError(f"docker image save failed here: {self._target.failure(self._cmd, ended).what}")
                raise self.failed
        return got

    def close(self) -> None:
        """Break the command off if it still runs."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            try:
                self._target.finish(process)
            except OpsError:
                pass


def _has_zstd(target: Target) -> bool:
    return target.run(bash("command -v zstd >/dev/null"), check=False).ended.ok


def load_failed(target: Target, name: str, error: CommandFailed) -> OpsError:
    """The error for images that an engine did not load, from what it said."""
    if no_room(error):
        return OpsError(
            f"the disk of the Docker engine is full: {name} was not loaded",
            host=target.host.name,
            next="docker system df there, then `docker image prune` (it leaves images that are in use)",
        )
    return OpsError(f"{name} was not loaded: {error.what}", host=target.host.name)


def no_room(error: CommandFailed) -> bool:
    """Whether a disk was full."""
    return "no space left" in error.stderr.lower()
