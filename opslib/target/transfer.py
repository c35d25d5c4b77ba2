"""Bytes to and from a machine: files that are whole or absent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from opslib.command import Command, bash
from opslib.errors import CommandFailed, OpsError
from opslib.target.base import BLOCK, Target
from opslib.target.process import Process

Moved = Callable[[int], None]


def _nothing(done: int) -> None:
    pass


def stream_in(target: Target, cmd: Command, source: BinaryIO, moved: Moved = _nothing) -> bytes:
    """Send everything that `source` has to the command's standard input; returns what it prints (1 MiB at most).

    `moved` is called with the bytes sent so far. Raises CommandFailed, HostLost, Cancelled.
    """
    process = target.start(cmd.with_(streams=True))
    out, done = bytearray(), 0
    try:
        while block := source.read(BLOCK):
            process.write(block)
            done += len(block)
            moved(done)
        process.end_input()
        while got := process.read():
            out += got
    except BaseException:
        target.abandon(process)
        raise
    ended = target.finish(process)
    if not ended.ok:
        raise target.failure(cmd, ended)
    return bytes(out)


def stream_out(target: Target, cmd: Command, sink: Callable[[bytes], object], moved: Moved = _nothing) -> int:
    """Give everything that the command prints to `sink`, block by block; returns the number of bytes."""
    done = 0
    with closing(target.blocks(cmd)) as blocks:
        for got in blocks:
            sink(got)
            done += len(got)
            moved(done)
    return done


def relay(source: Target, cmd: Command, target: Target, into: Command, moved: Moved = _nothing) -> None:
    """What a command prints on one machine goes to the standard input of a command on another. Both must end well."""
    fill(target, into, lambda write: stream_out(source, cmd, write, moved))


def fill(target: Target, into: Command, give: Callable[[Callable[[bytes], None]], object]) -> None:
    """What `give` hands to the function that it is called with goes to a command's standard input, and ends when `give`
    returns. Raises CommandFailed, HostLost, Cancelled; when `give` raises, the command is broken off."""
    talk(target, into, lambda process: give(process.write))


def talk(target: Target, into: Command, give: Callable[[Process], object]) -> None:
    """The same where `give` also reads what the command answers."""
    process = target.start(into.with_(streams=True))
    try:
        give(process)
        process.end_input()
        while process.read():
            pass
    except BaseException:
        target.abandon(process)
        raise
    ended = target.finish(process)
    if not ended.ok:
        raise target.failure(into, ended)


# $1 path, $2 mode, $3 length, $4 digest: compared with what was written, read back.
_PUT = """set -eu; umask 077; part=$1.$$.part; trap 'rm -f -- "$part"' EXIT
mkdir -p -- "$(dirname -- "$1")"; cat >"$part"; chmod -- "$2" "$part"
[ "$(stat -c %s -- "$part")" = "$3" ] || { echo "$1 arrived with another length" >&2; exit 74; }
[ "$(sha256sum <"$part")" = "$4  -" ] || { echo "$1 arrived damaged" >&2; exit 74; }
sync -- "$part"; mv -fT -- "$part" "$1"; sync -- "$(dirname -- "$1")"; trap - EXIT"""


def put_bytes(target: Target, data: bytes, path: str, *, mode: int = 0o600) -> None:
    """Write a small file there: 0600 from the moment it exists, checked, fsynced, renamed into place."""
    digest = hashlib.sha256(data).hexdigest()
    target.run(bash(_PUT, path, f"{mode:o}", str(len(data)), digest, feed=data))


def put(target: Target, source: Path, path: str, *, mode: int = 0o600, moved: Moved = _nothing) -> None:
    """Copy a file there, of any size: it is whole under its name or not there at all.

    Raises OpsError when the file here cannot be read or changes while it is sent.
    """
    try:
        size, digest = os.path.getsize(source), sha256(source)
        with open(source, "rb") as file:
            cmd = bash(_PUT, path, f"{mode:o}", str(size), digest)
            stream_in(target, cmd, file, moved)
    except OSError as error:
        raise OpsError(f"cannot read {source}: {error.strerror}") from error


def get(target: Target, path: str, destination: Path, *, moved: Moved = _nothing) -> None:
    """Copy a file from there: length and SHA-256 compared, fsynced, renamed into place, 0600.

    Raises CommandFailed when it cannot be read there, OpsError when it arrived damaged or cannot be written here.
    """
    part = destination.with_name(f"{destination.name}.{os.getpid()}.part")
    digest = hashlib.sha256()
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:

            def keep(block: bytes) -> None:
                digest.update(block)
                file.write(block)

            stream_out(target, bash('cat -- "$1"', path), keep, moved)
            file.flush()
            os.fsync(file.fileno())
        theirs = target.run(bash('sha256sum <"$1"', path, limit=3600)).text.split()[0]
        if theirs != digest.hexdigest():
            raise OpsError(f"{path} arrived damaged", host=target.host.name, left=str(destination))
        os.replace(part, destination)
    except OSError as error:
        raise OpsError(f"cannot write {destination}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def read_file(target: Target, path: str) -> bytes | None:
    """A small file's bytes (1 MiB at most), or None when there is none."""
    result = target.run(bash('[ -e "$1" ] || exit 44; cat -- "$1"', path), check=False)
    if result.ended.codes == (44,):
        return None
    if not result.ended.ok:
        raise CommandFailed(f"cannot read {path}: {result.ended.stderr}", host=target.host.name)
    return result.out


def sha256(path: Path) -> str:
    """The SHA-256 of a file here, as hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1024 * 1024):
            digest.update(block)
    return digest.hexdigest()
