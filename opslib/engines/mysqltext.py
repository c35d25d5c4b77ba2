"""Reading a mysqldump as the mysql client does, as far as is needed to find what leaves its database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

KEPT = 4096  # bytes of a statement that are kept: its beginning says what it is

# What changes how the text is read. Whatever a version-dependent comment holds is taken for executed, except by
# 999999, which no server reaches: MariaDB's sandbox line.
_COMMENT_ONLY = rb"/\*M?!999999|/\*(?!M?!)"
_SPECIAL = rb"'|\"|`|--(?=[\s\x00-\x20]|\Z)|#|" + _COMMENT_ONLY + rb"|/\*M?!(?:\d{5,6})?|\*/|\\."
_CLOSES = {b"'": re.compile(rb"\\.|'", re.DOTALL), b'"': re.compile(rb'\\.|"', re.DOTALL), b"`": re.compile(rb"`")}
_COMMAND = re.compile(
    rb"\s*(?:(use|source|system|connect|tee|pager)(?=[\s;]|\Z)|delimiter\s+(\S+))[^\r\n]*", re.IGNORECASE
)
_DATA = re.compile(
    rb"\s*(?:insert|replace)\s[\w\s$]{0,80}(?:`[^`]*`)?[\w\s$]{0,80}(?:\([\w\s,`$]*\)\s*)?values?\b\s*", re.IGNORECASE
)
_ROW_BYTES = bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123)) + b"_ \t\r\n(),.+-"


def statements(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The beginning of each statement, without comments; the client's own commands (`USE`, `source`, `\\u`, …) as they
    stand. `lines` end in newlines."""
    reader = _Reader()
    for line in lines:
        yield from reader.line(line)
    yield from reader.rest()


class _Reader:
    def __init__(self) -> None:
        self._kept = bytearray()
        self._state = b""  # b"", a quote, or "*" in a comment
        self._rows = False  # within an INSERT, of which only rows are to come
        self._delimit(b";")

    def _delimit(self, delimiter: bytes) -> None:
        self._delimiter = delimiter
        self._token = re.compile(re.escape(delimiter) + b"|" + _SPECIAL, re.DOTALL)

    def line(self, line: bytes) -> Iterator[bytes]:
        if not self._state and self._delimiter == b";":
            at = self._data(line)
            if at is not None:
                self._keep(line[:at])
                self._rows = True
                if line.rstrip().endswith(b";"):
                    yield from self._take()
                return
        if not self._state and not self._kept.strip():
            command = _COMMAND.match(line)
            if command:
                if command[2]:
                    self._delimit(command[2])
                else:
                    yield command[0].strip()
                return
        yield from self._read(line)

    def _data(self, line: bytes) -> int | None:
        """For a line of nothing but rows, where they begin: most of a dump, and passed over at full speed."""
        begins = None if self._rows or self._kept.strip() else _DATA.match(line)
        if not self._rows and begins is None:
            return None
        at = begins.end() if begins else 0
        return at if _only_rows(line[at:]) else None

    def _read(self, line: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(line):
            if self._state:
                at = self._inside(line, at)
                continue
            found = self._token.search(line, at)
            if not found:
                self._keep(line[at:])
                return
            token = found.group()
            self._keep(line[at : found.start()])
            at = found.end()
            if token == self._delimiter:
                yield from self._take()
            elif token in (b"--", b"#"):
                self._keep(b"\n")
                return
            elif token in _CLOSES:
                self._state = token
                self._keep(token)
            elif token.startswith(b"\\"):  # a command of the client wherever it stands: \u other, \. file, \! program
                if token in (b"\\u", b"\\.", b"\\!", b"\\r", b"\\T", b"\\P"):
                    yield token + line[at:].rstrip(b"\r\n")
                    return
            elif token == b"*/" or (b"!" in token and not token.endswith(b"999999")):
                self._keep(b" ")
            else:
                self._state = b"*"
                self._keep(b" ")

    def _inside(self, line: bytes, at: int) -> int:
        if self._state == b"*":
            end = line.find(b"*/", at)
            if end < 0:
                return len(line)
            self._state = b""
            return end + 2
        for found in _CLOSES[self._state].finditer(line, at):
            if found.group() == self._state:
                self._keep(line[at : found.end()])
                self._state = b""
                return found.end()
        self._keep(line[at:])
        return len(line)

    def rest(self) -> Iterator[bytes]:
        yield from self._take()

    def _keep(self, text: bytes) -> None:
        if len(self._kept) < KEPT:
            self._kept += text[: KEPT - len(self._kept)]

    def _take(self) -> Iterator[bytes]:
        text = bytes(self._kept).strip()
        self._kept.clear()
        self._rows = False
        if text:
            yield text


def _only_rows(line: bytes) -> bool:
    """Whether what is outside of its strings is numbers, words and brackets, with `;` at the end or without. Escapes
    become bytes that may stand in no row, so that only real quotes are left."""
    if b"\\" in line:
        line = line.replace(b"\\\\", b"\x01").replace(b"\\'", b"\x02")
    parts = line.split(b"'")
    outside = b"".join(parts[::2])
    rest = outside.translate(None, _ROW_BYTES)
    closed = len(parts) % 2 == 1 and b"--" not in outside
    return closed and (not rest or (rest == b";" and line.rstrip().endswith(b";")))


_NAME = rb"(?:`(?:[^`]|``)*`|[\w$\x80-\xff]+)"
_OTHER = _NAME + rb"\s*\.\s*" + _NAME
_SKIPPED = rb"(?:(?:low_priority|delayed|high_priority|quick|ignore|temporary|or\s+replace|if\s+(?:not\s+)?exists)\s+)*"
_DEFINED = rb"(?:(?:algorithm|definer|sql\s+security)\s*=?\s*(?:[^\s`']|`[^`]*`|'[^']*')+\s+)*"
_THING = rb"(?:tables?|view|trigger|procedure|function|event|sequence|aggregate\s+function)"
_LEAVES = re.compile(
    rb"use\b|source\b|system\b|connect\b|\\[u.!r]|(?:create|drop|alter)\s+(?:or\s+replace\s+)?(?:database|schema)\b"
    rb"|(?:insert|replace)\s+" + _SKIPPED + rb"(?:into\s+)?" + _OTHER +
    rb"|(?:update|delete\s+" + _SKIPPED + rb"from)\s+" + _SKIPPED + _OTHER +
    rb"|call\s+" + _OTHER +
    rb"|truncate\s+(?:table\s+)?" + _OTHER +
    rb"|(?:create|drop|alter|rename|lock)\s+" + _SKIPPED + _DEFINED + _THING + rb"\s+" + _SKIPPED + _OTHER,
    re.IGNORECASE,
)  # fmt: skip


def leaves_its_database(lines: Iterable[bytes]) -> str | None:
    """The first statement by which a mysqldump would write into another database than the one it is loaded into: what
    changes databases, makes or drops one, names a table with its database, or runs something outside."""
    for statement in statements(lines):
        if _LEAVES.match(statement):
            return b" ".join(statement.split())[:120].decode("utf-8", "replace")
    return None
