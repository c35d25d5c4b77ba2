"""Reads a dump, unpacked on standard input, to its end, and exits with 1 and a reason where another one begins in it:
the programs that load such a file take the first and say nothing of the rest.

Run as `python3 -c TEXT KIND`, with the standard library alone.
"""

from __future__ import annotations

import re
import sys
from typing import BinaryIO

CHUNK = 1 << 20
OVERLAP = 64  # bytes, more than a beginning has
# What such a file begins with: more of it than chance or a value in it would have.
BEGINNINGS = {
    "postgres": re.compile(rb"PGDMP\x01[\x0a-\x1f]"),
    "redis": re.compile(rb"(?:REDIS|VALKEY)\d{3,4}\xfa(?:\x09redis|\x0avalkey)-ver"),
}


def wrong(source: BinaryIO, kind: str) -> str:
    """What is wrong with it ("": nothing)."""
    kept, at = b"", 0  # the end of what was read, and where it began
    while chunk := source.read(CHUNK):
        data = kept + chunk
        for found in BEGINNINGS[kind].finditer(data):
            if at + found.start():
                return f"two dumps are joined: another one begins after {at + found.start():,} bytes"
        kept = data[-OVERLAP:]
        at += len(data) - len(kept)
    return ""


if __name__ == "__main__":
    sys.exit(wrong(sys.stdin.buffer, sys.argv[1]) or 0)
