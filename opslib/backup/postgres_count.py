"""Counts the rows of each table in what `pg_restore --data-only` prints of a dump: of the dump's own bytes.

This text runs in the tools container (`python3 -c`), so it uses the standard library alone. It reads its input to the
end and prints a JSON list of schema, table and rows for each table.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable

_PART = rb'("(?:[^"]|"")*"|[^\s".(]+)'
_COPY = re.compile(rb"COPY " + _PART + rb"\." + _PART + rb" .*FROM stdin;\n\Z", re.DOTALL)
_BEGINS = re.compile(rb'COPY (?:"|[^\s".(]+\.)')
_LONGEST = 1 << 20  # bytes of a line with a table's columns


def count(lines: Iterable[bytes]) -> list[tuple[str, str, int]]:
    """The rows of each table. Values are written with their line breaks escaped, so each row is one line; the name of a
    table or column may have one. Raises ValueError where the rows of a table do not end."""
    found = []
    each = iter(lines)
    for line in each:
        head = line if _BEGINS.match(line) else b""
        while head and not head.endswith(b" FROM stdin;\n") and len(head) < _LONGEST:
            head += next(each, b" FROM stdin;\n")
        if table := _COPY.match(head):
            rows = 0
            for row in each:
                if row == b"\\.\n":
                    break
                rows += 1
            else:
                raise ValueError(f"the rows of {_name(table[2])} do not end")
            found.append((_name(table[1]), _name(table[2]), rows))
    return found


def _name(part: bytes) -> str:
    text = part.decode("utf-8", "surrogateescape")
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


if __name__ == "__main__":
    for told in count(sys.stdin.buffer):
        print(json.dumps(told))
