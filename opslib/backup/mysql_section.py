"""Copies one database's part of a dump that mysqldump or mariadb-dump made with `--databases` or `--all-databases` from
standard input to standard output, without what makes that database and changes to it.

Run as `python3 -c TEXT NAME`, with the standard library alone.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator

_HEAD = re.compile(rb"-- Current Database: `((?:[^`]|``)*)`\s*\Z")
_LEAVING = (b"CREATE DATABASE ", b"USE `", b"/*!40000 DROP DATABASE ")
_END = b"-- Dump completed"


def section(lines: Iterable[bytes], name: bytes) -> Iterator[bytes]:
    """The lines before the first database, those of this one (its views come in a second part), and the last. Both
    programs escape the line breaks in their strings, so no row begins a line with a comment or a statement."""
    inside = True
    for line in lines:
        head = _HEAD.match(line)
        if head:
            inside = head[1].replace(b"``", b"`") == name
        if line.startswith(_END) or (inside and not line.startswith(_LEAVING)):
            yield line


if __name__ == "__main__":
    sys.stdout.buffer.writelines(section(sys.stdin.buffer, os.fsencode(sys.argv[1])))
