"""Which variables compose files use, and where: `${NAME}`, `${NAME:-default}`, `${NAME:?message}`, `$NAME`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_USE = re.compile(r"\$(?:(?P<escaped>\$)|(?P<bare>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?P<how>:?[-?+])?)")


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a variable. `how` is the operator behind its name: "" needs a value, `-` and `:-` have a default, `?`
    and `:?` refuse to start without one, `+` and `:+` say what takes its place where it is set."""

    name: str
    file: str
    line: int
    how: str = ""

    @property
    def needed(self) -> bool:
        """Whether something is wrong where it is not set."""
        return self.how in ("", "?", ":?")

    @property
    def nonempty(self) -> bool:
        """Whether an empty value is as good as none."""
        return self.how == ":?"


def uses(text: str, file: str) -> list[Use]:
    """All of a compose file, in its order; those in comments do not count."""
    return [use for number, line in enumerate(text.split("\n"), 1) for use in _in_line(line, file, number)]


def _in_line(line: str, file: str, number: int) -> Iterator[Use]:
    if "$" not in line:
        return
    for match in _USE.finditer(_code(line)):
        if match["escaped"] is None:
            yield Use(match["bare"] or match["name"], file, number, match["how"] or "")


def _code(line: str) -> str:
    """The line without its comment; a `#` within quotes begins none."""
    quote = ""
    for at, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"" and (at == 0 or not line[at - 1].isalnum()):
            quote = char
        elif char == "#" and (at == 0 or line[at - 1].isspace()):
            return line[:at]
    return line
