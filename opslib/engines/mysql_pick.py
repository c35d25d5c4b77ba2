"""Lets some tables out of what `mysqldump` or `mariadb-dump` wrote of a database: their definitions, rows and triggers,
behind the settings that the dump begins with.

It runs beside the dump: as the text of `python3 -c`, with the standard library alone, from standard input to standard
output. The names are those of a backup's counts: "`table`".
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from typing import BinaryIO

# Each section begins with such a line; both programs break no string, so it is never inside of one. A line break in a
# name is followed by `-- `.
_SECTION = re.compile(
    rb"-- (?:(Table structure for table|Dumping data for table) |"
    rb"(?:Sequence structure for|Temporary (?:table|view) structure for|Final view structure for|View structure for|"
    rb"Dumping events for|Dumping routines for) )"
)
_NAME = re.compile(rb"`(?:[^`]|``)*`\n\Z")
_PIECE = 1 << 16  # bytes of a line that are looked at, at a time: an INSERT is one line


def pick(dump: BinaryIO, out: BinaryIO, wanted: Collection[bytes]) -> None:
    """Copy the sections of these tables, and what is before the first of any."""
    passing, begins, stored = True, True, False
    while line := dump.readline(_PIECE):
        if begins and not stored:
            found = _SECTION.match(line)
            if found:
                line = _whole(dump, line, found.end()) if found[1] else line
                passing = bool(found[1]) and line[found.end() : -1].replace(b"\n-- ", b"\n") in wanted
        if begins and line.startswith(b"DELIMITER "):
            stored = line.rstrip() != b"DELIMITER ;"
        begins = line.endswith(b"\n")
        if passing:
            out.write(line)
    out.flush()


def _whole(dump: BinaryIO, line: bytes, at: int) -> bytes:
    """The line with those that its name goes on in."""
    while not _NAME.match(line, at):
        more = dump.readline(_PIECE)
        if not more.startswith(b"-- "):
            return line + more
        line += more
    return line


if __name__ == "__main__":
    pick(sys.stdin.buffer, sys.stdout.buffer, {name.encode("utf-8", "surrogateescape") for name in sys.argv[1:]})
