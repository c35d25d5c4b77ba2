"""What `docker image save` wrote: an image's configuration and its layers, whatever the engine's store and age."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

BLOCK = 1024 * 1024


class NotUnderstood(Exception):
    """An archive that is not as expected; its text says in what."""


class Saved:
    """An archive of one image, open until `close`. Raises NotUnderstood, OSError."""

    def __init__(self, path: Path, diff_ids: Sequence[str]) -> None:
        try:
            self._tar = tarfile.open(path, "r:")  # noqa: SIM115  # until close
        except tarfile.TarError as error:
            raise NotUnderstood(f"what docker image save wrote is not understood ({error})") from None
        try:
            self._look(diff_ids)
        except BaseException:
            self.close()
            raise

    def _look(self, diff_ids: Sequence[str]) -> None:
        try:
            (entry,) = json.loads(self._read("manifest.json"))
            self.config = self._read(entry["Config"])
            found = json.loads(self.config)["rootfs"]["diff_ids"]
            self._members = dict(zip(found, entry["Layers"], strict=True))
        except (tarfile.TarError, KeyError, TypeError, ValueError) as error:
            raise NotUnderstood(f"what docker image save wrote is not understood ({error})") from None
        if tuple(found) != tuple(diff_ids):
            raise NotUnderstood("what docker image save wrote is another image")

    def close(self) -> None:
        """Let the file go."""
        self._tar.close()

    def layer(self, diff_id: str) -> Iterator[bytes]:
        """A layer's bytes, uncompressed."""
        with self._open(self._members[diff_id]) as file:
            yield from unpacked(file)

    def size(self, diff_id: str) -> int:
        """How many bytes `layer` gives."""
        with self._open(self._members[diff_id]) as file:
            return unpacked_size(file)

    def _open(self, name: str) -> IO[bytes]:
        file = self._tar.extractfile(name)  # follows the links of old archives
        if file is None:
            raise NotUnderstood(f"what docker image save wrote has no file {name}")
        return file

    def _read(self, name: str) -> bytes:
        with self._open(name) as file:
            return file.read()


_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def unpacked(file: IO[bytes]) -> Iterator[bytes]:
    """A layer as it is stored, uncompressed. Raises NotUnderstood where it cannot be; whether it is whole its digest
    says."""
    start = file.read(4)
    file.seek(0)
    source: Any = file
    broken: tuple[type[Exception], ...] = (tarfile.TarError, EOFError, zlib.error)
    if start.startswith(_GZIP):
        source = gzip.GzipFile(fileobj=file)
    elif start.startswith(_ZSTD):
        import zstandard

        source = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        broken = (*broken, zstandard.ZstdError)
    try:
        while block := source.read(BLOCK):
            yield block
    except broken as error:
        raise NotUnderstood(f"a layer cannot be read ({error})") from None


def unpacked_size(file: IO[bytes]) -> int:
    """How many bytes `unpacked` gives."""
    if file.read(4).startswith((_GZIP, _ZSTD)):
        file.seek(0)
        return sum(len(block) for block in unpacked(file))
    return file.seek(0, os.SEEK_END)
