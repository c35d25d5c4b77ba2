"""What a variable may hold, as a comment of the example says it: `# type: int 1..65535`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from opslib.errors import BadSettings

_RANGE = re.compile(r"(-?\d+)?\.\.(-?\d+)?")
_BOOLS = {"true", "false", "yes", "no", "on", "off", "1", "0"}
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?")
_DURATION = re.compile(r"(\d+(\.\d+)?(ms|s|m|h|d))+")


@dataclass(frozen=True, slots=True)
class Kind:
    """A type. `told` is how the example says it; `wrong` says in a few words what a value is not, or "" where it is
    right. It never repeats the value."""

    told: str
    wrong: Callable[[str], str]


def kind(told: str, place: str) -> Kind:
    """From the words behind `type:`. Raises BadSettings naming `place`, the example's file and line."""
    name, *rest = told.split()
    if name in ("int", "float"):
        return Kind(told, _number(name, rest, place))
    if name in ("enum", "one-of") and rest:
        return Kind(told, lambda value: "" if value in rest else f"expected one of {', '.join(rest)}")
    if name in _SIMPLE and not rest:
        return Kind(told, _SIMPLE[name])
    raise BadSettings(
        f"{place}: unknown type {told!r}", left="everything",
        next=f"write `# type: int 1..65535`, float, enum a b c, {', '.join(_SIMPLE)}",
    )  # fmt: skip


def _number(name: str, rest: list[str], place: str) -> Callable[[str], str]:
    match = _RANGE.fullmatch(rest[0]) if len(rest) == 1 else None
    if rest and (match is None or rest[0] == ".."):
        raise BadSettings(f"{place}: expected a range like 1..65535 behind {name}", left="everything")
    low, high = (None if text is None else int(text) for text in (match.groups() if match else (None, None)))
    article = "a whole number" if name == "int" else "a number"

    def wrong(value: str) -> str:
        try:
            number = int(value) if name == "int" else float(value)
        except ValueError:
            return f"expected {article}"
        inside = (low is None or number >= low) and (high is None or number <= high)  # also false for `nan`
        return "" if inside else f"expected {article} within {rest[0]}" if rest else f"expected {article}"

    return wrong


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return "expected an address like https://example.com"
    return "" if parts.scheme and parts.netloc else "expected an address like https://example.com"


def _port(value: str) -> str:
    good = value.isascii() and value.isdecimal() and 1 <= int(value) <= 65535
    return "" if good else "expected a port, 1 to 65535"


def _fits(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    return lambda value: "" if pattern.fullmatch(value) else f"expected {what}"


_SIMPLE: dict[str, Callable[[str], str]] = {
    "bool": lambda value: "" if value.lower() in _BOOLS else "expected true or false",
    "url": _url,
    "port": _port,
    "host": _fits(_HOST, "the name or address of a host"),
    "email": _fits(re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"), "an e-mail address"),
    "duration": _fits(_DURATION, "a duration like 30s or 1h30m"),
    "path": lambda value: "" if value.startswith(("/", "./", "../", "~/")) else "expected a path",
}
