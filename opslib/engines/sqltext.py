"""Reading plain SQL as psql does, as far as is needed to tell statements, psql's own commands and data apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

KEPT = 256 * 1024  # bytes of a statement that are kept; a longer one is cut: only its beginning says what it is

_NORMAL = re.compile(rb"--|/\*|'|\"|\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$|;|\\")
_COMMENT = re.compile(rb"/\*|\*/")
_ESCAPED = re.compile(rb"\\.|''|'", re.DOTALL)
_QUOTED = re.compile(rb"''|'")
_NAMED = re.compile(rb'""|"')
_COPY = re.compile(rb"\s*copy\b.*\bfrom\s+stdin\b", re.IGNORECASE | re.DOTALL)
_WORD = re.compile(rb"[\w\x80-\xff$]")


def statements(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Each statement without its comments and `;`, and each of psql's commands from its backslash to the end of the
    line. `lines` end in newlines; the data of a COPY are left out."""
    reader = _Reader()
    for line in lines:
        yield from reader.line(line)
    yield from reader.rest()


class _Reader:
    def __init__(self) -> None:
        self._kept = bytearray()
        self._state = ""  # "", "copy", "comment", "'", "e" (a string with escapes), '"', or a dollar quote
        self._tag = b""
        self._depth = 0

    def line(self, line: bytes) -> Iterator[bytes]:
        if self._state == "copy":
            if line.rstrip(b"\r\n") == b"\\.":
                self._state = ""
            return
        at = 0
        while at < len(line):
            if self._state:
                at = self._inside(line, at)
                continue
            found = _NORMAL.search(line, at)
            if not found:
                self._keep(line[at:])
                return
            token = found.group()
            self._keep(line[at : found.start()])
            at = found.end()
            if token == b"--":
                self._keep(b"\n")
                return
            if token == b"\\":
                yield b"\\" + line[at:].rstrip(b"\r\n")
                return
            if token == b";":
                statement = self._take()
                if statement:
                    yield statement
                if _COPY.match(statement):
                    self._state = "copy"
                    return
                continue
            self._enter(token, line, found.start())

    def rest(self) -> Iterator[bytes]:
        statement = self._take()
        if statement:
            yield statement

    def _enter(self, token: bytes, line: bytes, start: int) -> None:
        before = line[start - 1 : start]
        if token == b"/*":
            self._state, self._depth = "comment", 1
            self._keep(b" ")
            return
        self._keep(token)
        if token == b'"':
            self._state = '"'
        elif token == b"'":
            prefixed = before in (b"e", b"E") and not _WORD.match(line[start - 2 : start - 1] if start > 1 else b"")
            self._state = "e" if prefixed else "'"
        elif not _WORD.match(before):  # `a$b$` is a name
            self._state, self._tag = "$", token

    def _inside(self, line: bytes, at: int) -> int:
        if self._state == "$":
            end = line.find(self._tag, at)
            return self._leave(line, at, len(line) if end < 0 else end + len(self._tag), closed=end >= 0)
        if self._state == "comment":
            found = _COMMENT.search(line, at)
            if not found:
                return len(line)
            self._depth += 1 if found.group() == b"/*" else -1
            if not self._depth:
                self._state = ""
            return found.end()
        pattern = {"'": _QUOTED, "e": _ESCAPED, '"': _NAMED}[self._state]
        closing = b'"' if self._state == '"' else b"'"
        for found in pattern.finditer(line, at):
            if found.group() == closing:
                return self._leave(line, at, found.end(), closed=True)
        return self._leave(line, at, len(line), closed=False)

    def _leave(self, line: bytes, start: int, end: int, *, closed: bool) -> int:
        self._keep(line[start:end])
        if closed:
            self._state = ""
        return end

    def _keep(self, text: bytes) -> None:
        if len(self._kept) < KEPT:
            self._kept += text[: KEPT - len(self._kept)]

    def _take(self) -> bytes:
        text = bytes(self._kept).strip()
        self._kept.clear()
        return text


_LEAVES = re.compile(rb"\\c(?:onnect)?(?![a-z])|(?:create|drop|alter)\s+database\b", re.IGNORECASE)
# Lines of every dump that hold the word and say nothing.
_HARMLESS = re.compile(rb"-- (?:PostgreSQL database dump(?: complete)?|Dumped from database version [^;'\"]*)\s*\Z")


def leaves_its_database(lines: Iterable[bytes]) -> str | None:
    """The first statement by which plain SQL would write into another database than the one it is loaded into."""
    for statement in statements(line for line in lines if not _HARMLESS.match(line)):
        if _LEAVES.match(statement):
            return b" ".join(statement.split())[:120].decode("utf-8", "replace")
    return None


_ROLE = rb'("(?:[^"]|"")*"|[^\s";]+)'
_ABOUT = re.compile(rb"(?:CREATE|ALTER|COMMENT ON) ROLE " + _ROLE + rb"(?! IN DATABASE)")
_GRANT = re.compile(rb"GRANT " + _ROLE + rb" TO " + _ROLE)


def role_statements(globals_sql: bytes, missing: Iterable[str]) -> str:
    """The statements of `pg_dumpall --globals-only` that make the missing roles, their settings and memberships."""
    wanted = set(missing)
    chosen = []
    for statement in statements(globals_sql.splitlines(keepends=True)):
        about, grant = _ABOUT.match(statement), _GRANT.match(statement)
        names = {_unquoted(name) for name in (about.groups() if about else grant.groups() if grant else ())}
        if names & wanted:
            chosen.append(statement.decode("utf-8", "surrogateescape") + ";\n")
    return "".join(chosen)


def roles_created(globals_sql: bytes) -> list[str]:
    """The roles that `pg_dumpall --globals-only` makes."""
    found = []
    for statement in statements(globals_sql.splitlines(keepends=True)):
        about = _ABOUT.match(statement)
        if about and statement.startswith(b"CREATE"):
            found.append(_unquoted(about.group(1)))
    return found


def _unquoted(name: bytes) -> str:
    text = name.decode("utf-8", "surrogateescape")
    return text[1:-1].replace('""', '"') if text.startswith('"') else text
