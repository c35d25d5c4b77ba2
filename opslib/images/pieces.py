"""An archive in pieces, each compressed on its own: they are kept, sent and resumed one by one, and a decompressor
takes several behind each other for one stream."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

Codec = Literal["zst", "gz"]


@dataclass(frozen=True, slots=True)
class Piece:
    """`size` compressed bytes with the digest `sha256`, in a file or in memory. `raw`: the bytes of the layer in
    it, uncompressed."""

    sha256: str
    size: int
    raw: int = 0
    path: Path | None = None
    data: bytes = b""

    def open(self) -> BinaryIO:
        """Its bytes, as a file. Raises OSError."""
        return open(self.path, "rb") if self.path is not None else io.BytesIO(self.data)


def in_memory(data: bytes, codec: Codec) -> Piece:
    """A small piece."""
    packed = b"".join(compressed([data], codec))
    return Piece(hashlib.sha256(packed).hexdigest(), len(packed), data=packed)


class _Packer(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def compressed(blocks: Iterable[bytes], codec: Codec) -> Iterator[bytes]:
    """The blocks as one frame of zstd or one member of gzip."""
    packer = _packer(codec)
    for block in blocks:
        if packed := packer.compress(block):
            yield packed
    yield packer.flush()


def _packer(codec: Codec) -> _Packer:
    if codec == "gz":
        return zlib.compressobj(1, zlib.DEFLATED, 31)
    import zstandard

    return zstandard.ZstdCompressor(level=3, threads=-1).compressobj()


def member(name: str, size: int, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """A file as a member of a tar archive, the same bytes each time."""
    info = tarfile.TarInfo(name)
    info.size = size
    yield info.tobuf(tarfile.GNU_FORMAT)
    yield from blocks
    yield b"\0" * (-size % tarfile.BLOCKSIZE)


END = b"\0" * (2 * tarfile.BLOCKSIZE)
"""What ends a tar archive."""
