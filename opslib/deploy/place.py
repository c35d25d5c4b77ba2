"""Files on the server: what is there, sending the new ones, putting them in place whole, and putting the old back."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import BinaryIO

from opslib.command import Command, bash
from opslib.deploy.files import There
from opslib.errors import OpsError
from opslib.events import Progress
from opslib.state.sums import sums
from opslib.target.base import BLOCK, Target
from opslib.target.transfer import stream_in, stream_out

_THERE = """cd -- "$1" || exit; mapfile -d '' -t files
for f in "${files[@]}"; do
  [[ ! -x $f ]] || printf 'x %s\\0' "$f"
  [[ ! -f $f || ! -r $f ]] || { present+=("./$f"); continue; }
  [[ ! -e $f && ! -L $f ]] || printf '? %s\\0' "$f"
done
for ((i = 0; i < ${#present[@]}; i += 500)); do sha256sum -z -- "${present[@]:i:500}" 2>/dev/null; done; true"""
# -m: a file that is written is new, also to a build that tells by time and size whether it has changed.
_STAGE = """set -eu; umask 007; mkdir -p -- "${1%/*}"; umask 077; rm -rf -- "$1"; mkdir -- "$1"
tar -x -p -m -f - -C "$1"; cd -- "$1"; mkdir -p new
[ ! -s sums ] || (cd new && sha256sum -c --quiet --strict ../sums >&2); sync"""


def there(target: Target, root: str, paths: Iterable[str]) -> dict[str, There]:
    """What the server has of the paths below `root`. One round trip."""
    feed = b"".join(os.fsencode(path) + b"\0" for path in paths)
    out = bytearray()
    stream_out(target, bash(_THERE, root, limit=600, feed=feed), out.extend)
    digests: dict[str, str] = {}
    executable: set[str] = set()
    for entry in bytes(out).split(b"\0"):
        if entry.startswith(b"x "):
            executable.add(os.fsdecode(entry[2:]))
        elif entry.startswith(b"? "):  # there, and no file or not to be read
            digests.setdefault(os.fsdecode(entry[2:]), "")
        elif entry:
            digest, name = entry.split(b"  ./", 1)
            digests[os.fsdecode(name)] = digest.decode()
    return {path: There(digest, path in executable) for path, digest in digests.items()}


class Tar:
    """A tar as a file to read from, made while it is read: what it holds is never in memory whole."""

    def __init__(self, entries: Iterable[tuple[str, int, Path | bytes]]) -> None:
        self._chunks = self._all(entries)

    def read(self, n: int = BLOCK) -> bytes:
        """The next bytes; empty at the end. Raises OpsError for a file that cannot be read or has changed."""
        return next((chunk for chunk in self._chunks if chunk), b"")

    def _all(self, entries: Iterable[tuple[str, int, Path | bytes]]) -> Iterator[bytes]:
        for name, mode, source in entries:
            info = tarfile.TarInfo(name)
            info.mode = mode
            try:
                yield from self._one(info, source)
            except OSError as error:
                raise OpsError(f"cannot read {source!s}: {error.strerror}", left="everything") from error
        yield b"\0" * 1024

    def _one(self, info: tarfile.TarInfo, source: Path | bytes) -> Iterator[bytes]:
        if isinstance(source, bytes):
            info.size = len(source)
            yield _header(info) + source
        elif source.is_symlink():
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(source)
            yield _header(info)
        else:
            with open(source, "rb") as file:
                info.size = left = os.fstat(file.fileno()).st_size
                yield _header(info)
                while left and (block := file.read(min(left, BLOCK))):
                    left -= len(block)
                    yield block
            if left:
                raise OpsError(f"{source} became shorter while it was sent", left="everything", next="run it again")
        yield b"\0" * (-info.size % 512)


def _header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def send(
    target: Target,
    stage: str,
    files: Mapping[str, tuple[int, Path | bytes]],
    *,
    write: Iterable[str] = (),
    remove: Iterable[str] = (),
    digests: Mapping[str, str] | None = None,
    total: int | None = None,
) -> None:
    """Send files (path -> mode and where its content comes from) into a fresh staging folder, with the lists of what
    is to be written and removed. `digests` are compared there with what has arrived."""

    def entries() -> Iterator[tuple[str, int, Path | bytes]]:
        for name, paths in (("write", write), ("remove", remove)):
            yield name, 0o600, b"".join(os.fsencode(path) + b"\0" for path in paths)
        yield "sums", 0o600, os.fsencode(sums(digests or {}))
        for path, (mode, source) in files.items():
            yield f"new/{path}", mode, source

    def moved(done: int) -> None:
        target.tell(Progress(target.host.name, "files", done, total))

    source: BinaryIO = Tar(entries())  # type: ignore[assignment]
    stream_in(target, bash(_STAGE, stage, limit=6 * 3600), source, moved if total else lambda done: None)


def apply(target: Target, stage: str) -> None:
    """Put the staged files in place. What they replace is kept in the staging folder."""
    target.run(_place(target.root, stage, "apply"))


def back_command(root: str, stage: str) -> Command:
    """Put back what `apply` replaced; nothing where it had not begun. Idempotent."""
    return _place(root, stage, "back")


def back(target: Target, stage: str) -> None:
    """Put back what `apply` replaced."""
    target.run(back_command(target.root, stage))


def discard(target: Target, stage: str) -> None:
    """Remove a staging folder."""
    target.run(bash('rm -rf -- "$1"', stage))


def _place(root: str, stage: str, what: str) -> Command:
    text = resources.files("opslib.deploy").joinpath("place.bash").read_text(encoding="utf-8")
    return bash(text, root, stage, what, limit=600)
