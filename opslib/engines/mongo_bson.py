"""Enough of BSON, and of the archives of mongodump, for the programs that read and write them.

They run where the data are, in the tools image: `program` joins this module and theirs to one text for `python3 -c`,
so all of them use the standard library alone.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

MAGIC = 0x6DE29981
TERMINATOR = -1
END = struct.pack("<i", TERMINATOR)
LARGEST = 16 * 1024 * 1024 + 16 * 1024  # bytes of a document of the server's own
CHUNK = 1 << 20
DEEPEST = 200  # the server allows 100 levels


class Bad(Exception):
    """The archive is not what mongodump wrote."""


def load_crc64(*, needed: bool = True) -> Any:
    """CRC-64 of liblzma, which is Go's crc64.ECMA: `crc64(buffer, length, before)`. Where there is no such library:
    None, or OSError if it is `needed`."""
    try:
        function = ctypes.CDLL("liblzma.so.5").lzma_crc64
    except OSError:
        if needed:
            raise
        return None
    function.restype = ctypes.c_uint64
    function.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    return function


def program(name: str) -> str:
    """The text of one of the programs, with this module in it."""
    from importlib import resources

    own, shared = (
        resources.files("opslib.engines").joinpath(f"{one}.py").read_text(encoding="utf-8")
        for one in (name, "mongo_bson")
    )
    return (
        "import sys, types\n"
        "module = sys.modules['opslib.engines.mongo_bson'] = types.ModuleType('opslib.engines.mongo_bson')\n"
        f"exec({shared!r}, module.__dict__)\nexec({own!r}, {{'__name__': '__main__'}})\n"
    )


# -- BSON: enough to read names, numbers and texts; lengths are believed only within the document they stand in

_FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}


def fields(data: bytes, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The fields of a document in their order; a value is None for a type that nobody here asks for."""
    end = len(data) - 1
    if depth > DEEPEST or end < 4 or struct.unpack_from("<i", data)[0] != len(data) or data[end]:
        raise Bad("a document's length is wrong")
    at = 4
    while at < end:
        kind = data[at]
        stop = data.find(b"\0", at + 1, end)
        if stop < 0:
            raise Bad("a field's name has no end")
        name = _text(data[at + 1 : stop])
        at = stop + 1
        size = _size(kind, data, at, end)
        if at + size > end:
            raise Bad("a field is longer than its document")
        yield name, _value(kind, data[at : at + size], depth)
        at += size


def _size(kind: int, data: bytes, at: int, end: int) -> int:
    if kind in _FIXED:
        return _FIXED[kind]
    if kind == 0x0B:  # a regular expression: two texts that end with zero
        first = data.find(b"\0", at, end)
        second = data.find(b"\0", first + 1, end) if first >= 0 else -1
        if second < 0:
            raise Bad("a regular expression has no end")
        return second + 1 - at
    if at + 4 > end:
        raise Bad("a field is longer than its document")
    length = struct.unpack_from("<i", data, at)[0]
    least = {0x03: 5, 0x04: 5, 0x0F: 14, 0x02: 1, 0x0D: 1, 0x0E: 1, 0x0C: 1, 0x05: 0}.get(kind)
    if least is None:
        raise Bad(f"a field has the type {kind}, which is none")
    if length < least:
        raise Bad("a field's length is wrong")
    return int(length) + {0x03: 0, 0x04: 0, 0x0F: 0, 0x05: 5, 0x0C: 16}.get(kind, 4)


def _value(kind: int, data: bytes, depth: int) -> Any:
    if kind in (0x02, 0x0D, 0x0E):
        if data[-1]:
            raise Bad("a text has no end")
        return _text(data[4:-1])
    if kind == 0x03:
        return dict(fields(data, depth + 1))
    if kind == 0x04:
        return [value for _, value in fields(data, depth + 1)]
    if kind == 0x08:
        if data[0] > 1:
            raise Bad("a truth value is neither true nor false")
        return data[0] == 1
    if kind in (0x10, 0x12):
        return struct.unpack("<i" if kind == 0x10 else "<q", data)[0]
    return struct.unpack("<d", data)[0] if kind == 0x01 else None


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Bad("a text is not UTF-8") from None


def encoded(document: dict[str, Any]) -> bytes:
    """A document of texts, truth values, and numbers: of 64 bits only the CRC."""
    body = b""
    for name, value in document.items():
        key = name.encode() + b"\0"
        if isinstance(value, bool):
            body += b"\x08" + key + bytes([value])
        elif isinstance(value, int):
            wide = name == "CRC"
            body += (b"\x12" if wide else b"\x10") + key + struct.pack("<q" if wide else "<i", value)
        else:
            text = value.encode() + b"\0"
            body += b"\x02" + key + struct.pack("<i", len(text)) + text
    return struct.pack("<i", len(body) + 5) + body + b"\0"


# -- the stream


class Stream:
    """Bytes of the archive as they come, copied on where there is a copy; a chunk and a document are in memory."""

    def __init__(self, source: BinaryIO, copy: BinaryIO | None) -> None:
        self.source, self.copy = source, copy
        self.data, self.at = b"", 0

    def has(self, count: int) -> bool:
        """Whether so many bytes follow; if so they are in `data` from `at` on."""
        have = len(self.data) - self.at
        if have >= count:
            return True
        parts = [self.data[self.at :]]
        while have < count:
            chunk = self.source.read(CHUNK)
            if not chunk:
                break
            if self.copy is not None:
                self.copy.write(chunk)
            parts.append(chunk)
            have += len(chunk)
        self.data, self.at = b"".join(parts), 0
        return have >= count

    def number(self) -> int:
        """The number that follows, which stays."""
        if not self.has(4):
            raise Bad("it is cut")
        return int(struct.unpack_from("<i", self.data, self.at)[0])

    def size(self) -> int:
        """The length of the document that follows, whole in `data`; 0 for the end of a block, which is taken."""
        number = self.number()
        if number == TERMINATOR:
            self.at += 4
            return 0
        if not 5 <= number <= LARGEST:
            raise Bad(f"{number} is no length of a document: it is damaged, or something else follows")
        if not self.has(number):
            raise Bad("it is cut")
        if self.data[self.at + number - 1]:
            raise Bad("a document has no end")
        return number

    def run(self, look: Callable[[bytes], None] | None = None) -> tuple[bytes, int]:
        """The documents that follow, as many as lie in memory together, and how many these are: none at the end of a
        block, which is taken. `look` is given each."""
        size = self.size()
        start, data, at, length, count = self.at, self.data, self.at, len(self.data), 0
        while size:
            if look is not None:
                look(data[at : at + size])
            at += size
            count += 1
            if at + 4 > length:
                break
            (size,) = struct.unpack_from("<i", data, at)
            if not 5 <= size <= LARGEST or at + size > length:
                break
            if data[at + size - 1]:
                raise Bad("a document has no end")
        self.at = at
        return (data[start:at] if count else b""), count

    def document(self) -> bytes | None:
        """The document that follows, None at the end of a block."""
        size = self.size()
        self.at += size
        return self.data[self.at - size : self.at] if size else None
