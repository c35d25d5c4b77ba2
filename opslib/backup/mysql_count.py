"""Counts what a dump of mariadb-dump or mysqldump holds, from its own bytes, and demands that it has its end. Rows that
stand on lines of their own, as MariaDB writes them, are hashed too, and so is what makes the tables: sums of check sums
of lines, so that their order does not count.

This text runs in the tools container (`python3 -c`), so it uses the standard library alone. `pass` copies the dump from
its input to its output and tells the counts on descriptor 4, and on descriptor 9 when the first table has come; `read`
prints the counts: a JSON list of two a line, and then the hashes, an object.
"""

from __future__ import annotations

import json
import os
import re
import sys
from zlib import crc32

_NAME = rb"`(?:[^`]|``)*`"
_INSERT = re.compile(
    rb"(?:INSERT|REPLACE)(?: (?:IGNORE|DELAYED|LOW_PRIORITY))* INTO (" + _NAME + rb")(?: \((?:" + _NAME +
    rb"(?:, ?)?)*\))? VALUES ?(?=[^ ])"
)  # fmt: skip
_CREATE = re.compile(rb"CREATE (TABLE|SEQUENCE)(?: IF NOT EXISTS)? (" + _NAME + rb")")
_STORED = re.compile(rb"(?:/\*!\d{5,6} )?CREATE\b")
_DEFINER = re.compile(rb"DEFINER\s*=\s*(?:" + _NAME + rb"|[^\s@]+)@(?:" + _NAME + rb"|\S+)", re.IGNORECASE)
_KIND = re.compile(rb"\b(trigger|procedure|function|event|package body|package)\b", re.IGNORECASE)
_LONGEST = 1 << 20  # bytes of a line's beginning that are waited for: thousands of column names fit in
_HEAD = 4096  # and of a `CREATE`, with one name
_CHUNK = 1 << 18
_NEXT = re.compile(rb" AUTO_INCREMENT=\d+")  # the next number: a restore may find one that is closer
_END = b"-- Dump completed"


class Counter:
    """Fed with a dump in pieces of any length. Both programs escape the line breaks in their strings, so a line never
    begins within one."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.rows: dict[str, int] = {}
        self.tables: dict[str, int] = {}
        self._making = ""  # the table whose `CREATE` is being read
        self._crc = 0  # of the beginning of a row that is too long to be kept
        self._rest = b""
        self._last = b""
        self._table = ""  # whose rows are being read
        self._flat = False  # MySQL writes all rows of an INSERT on one line, MariaDB a line for each
        self._quoted = False
        self._held = b""  # a backslash at the end of a piece
        self._mid = False  # the rest does not begin a line
        self._stored = False  # between DELIMITER ;; and DELIMITER ;, where stored programs are
        self._fresh = False  # and a statement begins

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """The next piece."""
        buf, at = self._rest + data, 0
        while at < len(buf):
            begin = at
            if self._table and self._flat:
                at = self._one_line(buf, at)
            elif self._table:
                at = self._row_lines(buf, at)
            else:
                at = self._line(buf, at, final)
            if at == begin:
                break
        self._rest = buf[at:]
        if len(self._rest) > _LONGEST:  # a line that long is a row, of which only the end is still of interest
            if self._table and not self._mid and self._rest.startswith(b"("):
                self._add(self._table, 1)
            self._crc = crc32(self._rest[:-2], self._crc)
            self._mid, self._rest = True, self._rest[-2:]

    def end(self) -> bool:
        """Whether the dump is whole. Nothing may be fed any more."""
        self.feed(b"\n", final=True)
        return self._last.startswith(_END) and not self._table

    def _add(self, what: str, number: int) -> None:
        self.counts[what] = self.counts.get(what, 0) + number

    def _row_lines(self, buf: bytes, at: int) -> int:
        end = buf.find(b");\n", at)
        stop = end + 3 if end >= 0 else buf.rfind(b"\n", at) + 1
        if stop <= at:
            return at
        first = 0 if self._mid else int(buf.startswith(b"(", at))
        self._add(self._table, first + buf.count(b"\n(", at, stop - 1))
        # which row ends a statement depends on the lengths of those before it
        lines = buf[at:stop].replace(b");\n", b"),\n").split(b"\n")[:-1]
        self.rows[self._table] = self.rows.get(self._table, 0) + crc32(lines[0], self._crc) + sum(map(crc32, lines[1:]))
        self._mid, self._crc = False, 0
        if end >= 0:
            self._table = ""
        return stop

    def _one_line(self, buf: bytes, at: int) -> int:
        """Rows are the brackets outside of strings."""
        end = buf.find(b"\n", at)
        piece = self._held + buf[at : end if end >= 0 else len(buf)]
        self._held = b""
        if end < 0 and (len(piece) - len(piece.rstrip(b"\\"))) % 2:
            piece, self._held = piece[:-1], b"\\"
        parts = piece.replace(b"\\\\", b"").replace(b"\\'", b"").split(b"'")
        self._add(self._table, b"".join(parts[1::2] if self._quoted else parts[::2]).count(b"("))
        self._quoted ^= len(parts) % 2 == 0
        if end < 0:
            return len(buf)
        self._table, self._quoted = "", False
        return end + 1

    def _line(self, buf: bytes, at: int, final: bool) -> int:
        end = buf.find(b"\n", at)
        if not self._mid and not self._stored:
            taken = self._head(buf, at, final)
            if taken is not None:
                return taken
        if end < 0:
            return at
        line = buf[at:end].rstrip()
        if self._mid:
            self._mid, self._crc = False, 0
        elif self._making:
            self._make(line)
        elif self._stored:
            self._stored_line(line)
        elif line.startswith(b"DELIMITER "):
            self._stored = self._fresh = line != b"DELIMITER ;"
        elif line.startswith(b"/*!50001 VIEW "):
            self._add("views", 1)
        self._last = line or self._last
        return end + 1

    def _head(self, buf: bytes, at: int, final: bool) -> int | None:
        """Behind the beginning of an INSERT, `at` where more of it must be seen, None for any other line. A name may
        hold a line break."""
        left = len(buf) - at
        if buf.startswith((b"INSERT ", b"REPLACE "), at):
            found = _INSERT.match(buf, at)
            if not found:
                return at if left < _LONGEST and not final else None
            self._table = found[1].decode("utf-8", "surrogateescape")
            self._flat = buf[found.end() : found.end() + 1] != b"\n"
            return found.end() + (0 if self._flat else 1)
        if buf.startswith(b"CREATE ", at):
            if left < _HEAD and not final:
                return at
            found = _CREATE.match(buf, at)
            if found and found[1] == b"SEQUENCE":
                self._add("sequences", 1)
            elif found:
                self._making = found[2].decode("utf-8", "surrogateescape")
                self._add(self._making, 0)
        return None

    def _make(self, line: bytes) -> None:
        """A line of a `CREATE TABLE`, of which the last begins with a bracket, or is the only one."""
        last = line.startswith(b")") or line.endswith(b";")
        known = self.tables.get(self._making, 0)
        self.tables[self._making] = known + crc32(_NEXT.sub(b"", line) if last else line.rstrip(b","))
        if last:
            self._making = ""

    def _stored_line(self, line: bytes) -> None:
        if line == b"DELIMITER ;":
            self._stored = False
        elif self._fresh and line and _STORED.match(line):
            found = _KIND.search(_DEFINER.sub(b"", line))
            self._add(f"{found[1].decode().lower()}s" if found else "programs", 1)
        if line:
            self._fresh = line.endswith(b";;")


def main(how: str) -> int:
    """Read standard input; the exit code."""
    counter, begun = Counter(), how != "pass"
    while chunk := os.read(0, _CHUNK):
        if how == "pass":
            sys.stdout.buffer.write(chunk)
        counter.feed(chunk)
        if counter.counts and not begun:
            begun = os.write(9, b"begun\n") > 0
    sys.stdout.flush()
    if not counter.end():
        print("the dump ends without its last line, `-- Dump completed`", file=sys.stderr)
        return 1
    with os.fdopen(4 if how == "pass" else 1, "w", closefd=False) as told:
        told.writelines(f"{json.dumps(list(one))}\n" for one in sorted(counter.counts.items()))
        told.write(f"{json.dumps({'rows': counter.rows, 'tables': counter.tables})}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
