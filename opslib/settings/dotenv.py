"""Env files: `NAME=value` lines, read as Docker Compose v2 reads them, with errors that name the line.

Readers differ over `$`, quotes and comments. A value that opslib itself uses is read a second time by python-dotenv;
where the two disagree it is an error, because the app's containers and opslib would log in with different passwords.
No error shows a value, nor a piece of a line that could be one.
"""

from __future__ import annotations

import bisect
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import parse_stream
from dotenv.variables import parse_variables

from opslib.errors import BadSettings
from opslib.settings.textfile import read_text

_DEEPEST = 20
_BLANK = " \t\v\f\r\x85\xa0"
_NAME = re.compile(r"[\w.\-\[\]]+")
_ESCAPE = re.compile(r'\\(?:([abfnrtv"\\])|(\$)|0([0-9]{0,3}))')
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}
_VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|(\{))")
_BRACED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment: the value as Compose v2 reads it, and its first and last line."""

    name: str
    value: str
    line: int
    last: int


class EnvFile:
    """The assignments of an env file, `all` of them in their order; later ones win. `shown` is its name in errors."""

    def __init__(self, text: str, shown: str) -> None:
        self.shown = shown
        self.text = text
        self.all = list(_Reader(text, shown).entries())
        self._entries = {entry.name: entry for entry in self.all}
        self._other: dict[str, str | None] | None = None

    @classmethod
    def read(cls, path: Path, shown: str) -> EnvFile:
        """The file's assignments; none where there is no such file. Raises BadSettings."""
        try:
            return cls(read_text(path, shown), shown)
        except FileNotFoundError:
            return cls("", shown)

    def values(self) -> dict[str, str]:
        """Every name with its value as Compose v2 reads it."""
        return {name: entry.value for name, entry in self._entries.items()}

    def beside(self, names: Collection[str]) -> dict[str, str]:
        """The assignments of other names as they are written, by name, to be put into a file that has those `names`."""
        lines = self.text.split("\n")
        ends = [*(entry.line - 1 for entry in self.all[1:]), len(lines)]
        return {
            entry.name: "\n".join(lines[entry.line - 1 : end]).rstrip() + "\n"
            for entry, end in zip(self.all, ends, strict=True)
            if entry.name not in names
        }

    def place(self, name: str) -> str:
        """`file:line` of the assignment that counts."""
        return f"{self.shown}:{self._entries[name].line}"

    def last_line(self, name: str) -> int:
        """The last line of the assignment that counts."""
        return self._entries[name].last

    def get(self, name: str) -> str | None:
        """The value, None where it is not set; raises BadSettings for one that readers understand differently."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        if self._other is None:
            self._other = by_python_dotenv(self.text)
        if self._other.get(name) != entry.value:
            raise BadSettings(
                f"{self.place(name)}: readers of env files understand the value of {name} differently",
                next="write it in single quotes; it cannot hold ${, ' or \\ there",
            )
        return entry.value


def read_env_file(source: Path | str, shown: str | None = None) -> dict[str, str]:
    """The assignments of a file (a Path) or of a text (a str) as Docker Compose v2 reads them, in order.

    Variables refer to earlier lines of the same file only. Raises BadSettings naming file (`shown`) and line for a line
    without `=`, a bad name, a quote that is not closed, and a file that cannot be read or is not there.
    """
    if isinstance(source, str):
        return EnvFile(source, shown or "env file").values()
    shown = shown or str(source)
    try:
        return EnvFile(read_text(source, shown), shown).values()
    except FileNotFoundError:
        raise BadSettings(f"{shown}: no such file") from None


class _Reader:
    """The grammar of Compose v2's reader, without the parts that only hide mistakes (`NAME: value`, a bare `NAME`)."""

    def __init__(self, text: str, shown: str) -> None:
        self.text, self.shown = text, shown
        self.at = 0
        self.breaks = [match.start() for match in re.finditer("\n", text)]
        self.known: dict[str, str] = {}

    def entries(self) -> Iterator[Entry]:
        while self.skip_blank():
            end = self.line_end()
            if self.text[self.at] != "#":
                entry = self.entry(end)
                self.known[entry.name] = entry.value
                yield entry
            else:
                self.at = end

    def entry(self, end: int) -> Entry:
        start = self.at
        name, equals, _ = self.text[start:end].partition("=")
        if not equals:
            raise self.error(start, "expected NAME=value")
        self.at += len(name) + 1
        name = re.sub(r"\Aexport\s+", "", name).rstrip()
        if not _NAME.fullmatch(name):
            raise self.error(start, "expected a name of letters, digits and _ before the =")
        while self.at < end and self.text[self.at] in _BLANK:
            self.at += 1
        if self.text[self.at : self.at + 1] in ("'", '"'):
            value = self.quoted(start, name)
        else:
            value = self.text[self.at : end].partition(" #")[0].rstrip()
            value = self.expand(value, start)
            self.at = end
        return Entry(name, value, self.line(start), self.line(max(start, self.at - 1)))

    def quoted(self, start: int, name: str) -> str:
        quote = self.text[self.at]
        match = re.compile(rf"{quote}((?:\\.|[^\\{quote}])*){quote}", re.DOTALL).match(self.text, self.at)
        if not match:
            raise self.error(start, f"the quote of {name}'s value is not closed")
        self.at = match.end()
        rest = self.text[self.at : self.line_end()].strip()
        if rest and not rest.startswith("#"):
            raise self.error(self.at, f"text behind the closing quote of {name}'s value")
        value = match[1].replace(f"\\{quote}", quote)
        if quote == "'":
            return value
        return self.expand(_ESCAPE.sub(_unescaped, value), start)

    def expand(self, value: str, start: int, depth: int = 0) -> str:
        """`$NAME`, `${NAME}` and the shell's `:-`, `-`, `:+`, `+`, `:?`, `?`; any other `$` is itself."""
        if depth > _DEEPEST:
            raise self.error(start, "variables nested too deeply")
        parts, at = [], 0
        while match := _VARIABLE.search(value, at):
            parts.append(value[at : match.start()])
            at = match.end()
            if match[1]:
                parts.append("$")
            elif match[2]:
                parts.append(self.known.get(match[2], ""))
            else:
                close = _closing(value, at)
                parts.append(self.braced(value[at:close] if close >= 0 else "", start, depth))
                at = close + 1
        return "".join([*parts, value[at:]])

    def braced(self, text: str, start: int, depth: int) -> str:
        match = _BRACED.fullmatch(text)
        if not match:
            raise self.error(start, "expected a variable like ${NAME} or ${NAME:-default}")
        name, how, word = match[1], match[2] or "", match[3] or ""
        value = self.known.get(name)
        there = bool(value) if how.startswith(":") else value is not None
        if how.endswith("?") and not there:
            raise self.error(start, f"the variable {name} is required and not set on an earlier line")
        if (how.endswith("-") and not there) or (how.endswith("+") and there):
            return self.expand(word, start, depth + 1)
        return value or ""

    def skip_blank(self) -> bool:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.at < len(self.text)

    def line_end(self) -> int:
        end = self.text.find("\n", self.at)
        return len(self.text) if end < 0 else end

    def line(self, at: int) -> int:
        return bisect.bisect_left(self.breaks, at) + 1

    def error(self, at: int, what: str) -> BadSettings:
        return BadSettings(f"{self.shown}:{self.line(at)}: {what}")


def _closing(value: str, at: int) -> int:
    """Where the brace that was opened before `at` closes; -1 where it does not."""
    depth = 1
    for i in range(at, len(value)):
        depth += {"{": 1, "}": -1}.get(value[i], 0)
        if depth == 0:
            return i
    return -1


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        return _ESCAPES[match[1]]
    if match[2]:
        return "$$"
    octal = re.fullmatch("[0-3][0-7]{2}", match[3])
    return chr(int(match[3], 8)) if octal else f"\\{match[3]}"


def by_python_dotenv(text: str) -> dict[str, str | None]:
    """The assignments as python-dotenv reads them, without the process's own environment."""
    values: dict[str, str | None] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.key is not None and binding.value is not None:
            values[binding.key] = "".join(atom.resolve(values) for atom in parse_variables(binding.value))
    return values
