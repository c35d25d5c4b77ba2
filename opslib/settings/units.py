"""Parsers of the small values of a host file: `5m`, `350MB`, `10%`, a line of words, an address.

Each takes what stood in the file and raises ValueError with what was *expected*; what was found is added by the caller,
who knows whether it may be shown.
"""

from __future__ import annotations

import ipaddress
import math
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Scalar = str | int | float | bool | None

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4} | {
    "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parse:
    """In `Annotated[T, Parse(f)]`: a scalar of this key becomes a T through `f`."""

    function: Callable[[Scalar], Any]


@dataclass(frozen=True, slots=True)
class Address:
    """Where ssh goes: a name, alias or IP address; user and port when the file gives them (ssh_config may, too)."""

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user + '@' if self.user else ''}{host}{f':{self.port}' if self.port else ''}"


@dataclass(frozen=True, slots=True)
class Reserve:
    """Free space to leave alone: a fraction of the disk (0.1 is 10%) or a number of bytes."""

    fraction: float = 0.0
    size: int = 0

    def of(self, disk: int) -> int:
        """Bytes to leave free on a disk of `disk` bytes."""
        return max(self.size, math.ceil(disk * self.fraction))


def seconds(value: Scalar) -> float:
    """`90`, `90s`, `5m`, `1h30m`, `2d`, `500ms` in seconds."""
    expected = "expected a duration like 30s, 5m or 1h30m"
    text = _number_or_text(value, expected)
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text):
        return float(text)
    if not re.fullmatch(r"([0-9]{1,12}(\.[0-9]{1,6})?(ms|s|m|h|d))+", text):
        raise ValueError(expected)
    return sum(float(number) * _SECONDS[unit] for number, unit in re.findall(r"([0-9.]+)(ms|s|m|h|d)", text))


def size(value: Scalar) -> int:
    """`350MB` (thousands) or `2GiB` (1024s) in bytes."""
    expected = "expected a size like 350MB or 2GiB"
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([A-Za-z]+)", _number_or_text(value, expected))
    if not match or match[2] not in _BYTES:
        raise ValueError(expected)
    return int(float(match[1]) * _BYTES[match[2]])


def rate(value: Scalar) -> int:
    """`10MB/s` in bytes a second."""
    expected = "expected a rate like 10MB/s"
    text = _number_or_text(value, expected).replace(" ", "")
    try:
        found = size(text.removesuffix("/s")) if text.endswith("/s") else 0
    except ValueError:
        found = 0
    if found < 1:
        raise ValueError(expected)
    return found


def percent(value: Scalar) -> float:
    """`10%` as a fraction, 0.1; from 0% up to, not including, 100%."""
    expected = "expected a percentage like 10%"
    match = re.fullmatch(r"([0-9]{1,2}(?:\.[0-9]{1,6})?) ?%", _number_or_text(value, expected))
    if not match:
        raise ValueError(expected)
    return float(match[1]) / 100


def weight(value: Scalar) -> int:
    """`10` or `10%` as the number of percent, from 1 to 99."""
    expected = "expected a share of the requests in percent, 1 to 99"
    match = re.fullmatch(r"([0-9]{1,2}) ?%?", _number_or_text(value, expected))
    if not match or int(match[1]) < 1:
        raise ValueError(expected)
    return int(match[1])


def factor(value: Scalar) -> float:
    """`2` or `1.5`: how many times as much, at least 1."""
    expected = "expected a number like 1.5, at least 1"
    text = _number_or_text(value, expected)
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) or float(text) < 1:
        raise ValueError(expected)
    return float(text)


def reserve(value: Scalar) -> Reserve:
    """A percentage of the disk or a size."""
    try:
        if isinstance(value, str) and "%" in value:
            return Reserve(fraction=percent(value))
        return Reserve(size=size(value))
    except ValueError:
        raise ValueError("expected a percentage like 10% or a size like 2GB") from None


def words(value: Scalar) -> tuple[str, ...]:
    """A command line as words; quotes group them, nothing in it is expanded."""
    expected = "expected a command as one line or as a list of words"
    if not isinstance(value, str):
        raise ValueError(expected)
    try:
        parts = tuple(shlex.split(value))
    except ValueError:
        raise ValueError("expected a command, and a quote in it is not closed") from None
    if not parts or not parts[0]:
        raise ValueError(expected)
    return parts


def recipient(value: Scalar) -> str:
    """A public key of age, as `inv backup.key` prints it."""
    import pyrage

    try:
        return str(pyrage.x25519.Recipient.from_str(value.strip() if isinstance(value, str) else ""))
    except pyrage.RecipientError:
        raise ValueError("expected a public key of age like age1…, as inv backup.key prints it") from None


def recipients(value: Scalar) -> tuple[str, ...]:
    """One public key of age, or `none`."""
    return () if value == "none" else (recipient(value),)


def url(value: Scalar) -> str:
    """An http or https address."""
    expected = "expected an address like http://localhost:8000/health"
    if not isinstance(value, str) or re.search(r"[\s\x00-\x1f\x7f]", value):
        raise ValueError(expected)
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = None
    if not usable:
        raise ValueError(expected)
    return value


def ping_url(value: Scalar) -> str:
    """An http or https address that is called when something has happened."""
    try:
        if url(value).isascii():
            return str(value)
    except ValueError:
        pass
    raise ValueError("expected an address like https://hc-ping.com/UUID")


def apprise_url(value: Scalar) -> str:
    """An address as apprise takes it; whether it knows the service is asked when it is used."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", value):
        raise ValueError("expected an address of apprise, like mailto://USER:PASSWORD@example.com")
    return value


def absolute_path(value: Scalar) -> str:
    """A path from the root of the disk."""
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError("expected an absolute path")
    return value


def project_path(value: Scalar) -> str:
    """A path inside the project's folder, relative to it."""
    if not isinstance(value, str) or value.startswith(("/", "~")) or ".." in value.split("/"):
        raise ValueError("expected a path inside the project, relative to its folder")
    return value


def project_name(value: Scalar) -> str:
    """A Compose project name."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", value):
        raise ValueError("expected a Compose project name: lower-case letters, digits, - and _")
    return value


def platform(value: Scalar) -> str:
    """An image platform."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?", value):
        raise ValueError("expected a platform like linux/amd64")
    return value


def limits(value: Scalar) -> dict[str, int]:
    """One size, for everything."""
    return {"*": size(value)}


def port(value: Scalar) -> int:
    """A TCP port."""
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 65536:
        raise ValueError("expected a port, 1 to 65535")
    return number


def group(value: Scalar) -> str:
    """A group's name, what stands behind the @ of `--host @web`."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value):
        raise ValueError("expected a group's name: letters, digits, - and _, without the @")
    if value == "all":
        raise ValueError("expected a group's name; every host is in @all as it is")
    return value


def address(value: Scalar) -> Address:
    """`host`, `user@host`, `host:port`, `[v6]:port` or an alias of ssh_config."""
    if not isinstance(value, str):
        raise ValueError("expected an address like deploy@example.com:22")
    if "://" in value:
        raise ValueError("expected an address without ssh://, like deploy@example.com:22")
    user, at, rest = value.rpartition("@")
    if at and not re.fullmatch(r"(?!-)[\w.@+-]+", user):
        raise ValueError("expected a user name before the @, as in deploy@example.com")
    host, port = _host_and_port(rest)
    return Address(host, user or None, port)


def hops(value: Scalar) -> tuple[Address, ...]:
    """`user@bastion:22`, several with commas as for `ssh -J`, the nearest first; `none`."""
    if value == "none":
        return ()
    return tuple(address(part.strip() if isinstance(part, str) else part) for part in _parts(value))


def _parts(value: Scalar) -> list[Scalar]:
    return [*value.split(",")] if isinstance(value, str) else [value]


def _host_and_port(text: str) -> tuple[str, int | None]:
    expected = "expected an address like deploy@example.com:22"
    if text.startswith("[") or text.count(":") > 1:
        match = re.fullmatch(r"\[([^\[\]]+)\](?::(.*))?", text)
        if not match:
            raise ValueError("expected an IPv6 address in brackets, like [2001:db8::1]:22")
        host, port = match[1], match[2]
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError("expected an IPv6 address in the brackets, like [2001:db8::1]:22") from None
    else:
        host, colon, rest = text.partition(":")
        port = rest if colon else None
        if not re.fullmatch(r"(?!-)[\w.%+-]+", host):
            raise ValueError(expected)
    if port is None:
        return host, None
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ValueError("expected a port from 1 to 65535 behind the colon")
    return host, int(port)


def _number_or_text(value: Scalar, expected: str) -> str:
    if isinstance(value, bool) or value is None:
        raise ValueError(expected)
    return str(value)
