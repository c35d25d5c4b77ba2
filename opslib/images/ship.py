"""Sending images from this machine's engine to another one over the line, without a registry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from opslib.command import Command, bash, command, pipe
from opslib.errors import CommandFailed, OpsError
from opslib.events import Note, Progress
from opslib.images.info import ImageInfo, images_of
from opslib.target.base import BLOCK
from opslib.target.docker import docker
from opslib.target.transfer import stream_in

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target
    from opslib.target.process import Process

LIMIT = 6 * 3600.0  # seconds for one transfer: gigabytes over a slow line


def save_command(host: Host, refs: Iterable[str], *, zstd: bool) -> Command:
    """The images as one compressed stream; `docker load` undoes gzip by itself."""
    packed = command("zstd", "-q", "-3", "-T0", "-c") if zstd else command("gzip", "-1", "-c")
    return pipe(docker(host, "image", "save", *refs, limit=LIMIT), packed)


def load_command(host: Host, *, zstd: bool) -> Command:
    """The other end of `save_command`."""
    load = docker(host, "image", "load", "--quiet", limit=LIMIT)
    return pipe(command("zstd", "-q", "-d", "-c"), load) if zstd else load


def missing(here: dict[str, ImageInfo], there: dict[str, ImageInfo], refs: Iterable[str]) -> list[str]:
    """The references whose image there is absent, another one, or not whole."""
    return [
        ref
        for ref in dict.fromkeys(refs)
        if ref not in there or not there[ref].listed or there[ref].content != here[ref].content
    ]


def ship(here: Target, target: Target, refs: Iterable[str]) -> list[str]:
    """Bring the images of these tags to the target's engine, unless it has them; returns those that were sent.

    Every image is compared afterwards by its layers and settings, and must be listed. Raises OpsError (absent here,
    disk full there, not the same afterwards), HostLost, Cancelled.
    """
    refs = list(dict.fromkeys(refs))
    if same_engine(here, target) or not refs:
        return []
    mine = images_of(here, refs)
    absent = [ref for ref in refs if ref not in mine]
    if absent:
        raise OpsError(f"this machine has no image {', '.join(absent)} to send to {target.host.name}")
    send = missing(mine, images_of(target, refs), refs)
    if not send:
        return []
    _send(here, target, send, sum({mine[ref].id: mine[ref].size for ref in send}.values()))
    broken = missing(mine, images_of(target, send), send)
    if broken:
        raise OpsError(
            f"{', '.join(broken)}: the engine loaded the stream, but the image there is not the one that was sent",
            host=target.host.name,
            next=f"docker image rm {' '.join(broken)} there, and run this again",
        )
    return send


def _send(here: Target, target: Target, refs: list[str], size: int) -> None:
    name = ", ".join(refs)
    host = target.host.name
    target.tell(Note(host, f"sending {name}: {size / 1e6:.0f} MB before compression"))
    zstd = _has_zstd(here) and _has_zstd(target)
    source = Reader(here, save_command(here.host, refs, zstd=zstd))
    try:
        stream_in(
            target,
            load_command(target.host, zstd=zstd),
            source,  # type: ignore[arg-type]
            lambda done: target.tell(Progress(host, f"send {name}", done)),
        )
    except OpsError as error:
        if source.failed is not None:
            raise source.failed from None
        if isinstance(error, CommandFailed):
            raise _load_failed(target, name, error) from None
        raise
    finally:
        source.close()


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


def same_engine(here: Target, target: Target) -> bool:
    """Whether both are this machine and the same engine on it."""
    return here.host.is_local and target.host.is_local and here.host.docker == target.host.docker


def _has_zstd(target: Target) -> bool:
    return target.run(bash("command -v zstd >/dev/null"), check=False).ended.ok


def _load_failed(target: Target, name: str, error: CommandFailed) -> OpsError:
    said = error.stderr.lower()
    if "no space left" in said:
        return OpsError(
            f"the disk of the Docker engine is full: {name} was not loaded",
            host=target.host.name,
            next="docker system df there, then `docker image prune` (it leaves images that are in use)",
        )
    return OpsError(f"{name} was not loaded: {error.what}", host=target.host.name)
