"""Reads a tar archive, unpacked on standard input, to its end, and exits with 1 and a reason where it is cut, damaged,
or followed by something else: tar itself takes the first damaged or empty block behind a member for the end.

Run as `python3 -c TEXT`, with the standard library alone.
"""

from __future__ import annotations

import sys
import tarfile
from typing import BinaryIO

CHUNK = 1 << 20


class Counted:
    """A stream that knows how much was read of it, and where its last byte is that is not zero."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.length, self.last = stream, 0, 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        kept = len(data.rstrip(b"\0"))
        self.last = self.length + kept if kept else self.last
        self.length += len(data)
        return data


def wrong(source: BinaryIO) -> str:
    """What is wrong with it ("": nothing)."""
    stream = Counted(source)
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as tar:  # type: ignore[call-overload]
            while tar.next() is not None:
                tar.members = []
            end = tar.offset
    except (tarfile.TarError, EOFError, ValueError) as error:
        return f"it is damaged or cut off: {error}"
    while stream.read(CHUNK):
        pass
    if stream.last > end:
        return f"it is damaged, or two archives are joined: after {end:,} bytes something else follows"
    return "" if stream.length > end else "it is cut off: the mark of its end is not there"


if __name__ == "__main__":
    sys.exit(wrong(sys.stdin.buffer) or 0)
