"""What a host file says of a service's health: an address, a port or a command that is asked."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from opslib.settings import units
from opslib.settings.units import Address, Parse, Scalar

Status = Annotated[int, Meta(ge=100, le=599)]


def as_tcp(value: Scalar) -> Address:
    """A port of the service, or `host:port`."""
    match = re.fullmatch(r"(?:([\w.-]+|\[[0-9a-fA-F:.%]+\]):)?([0-9]{1,5})", str(value), re.ASCII)
    if isinstance(value, bool) or not match or not 1 <= int(match[2]) <= 65535:
        raise ValueError("expected a port like 5432, or an address like 10.0.0.5:5432")
    return Address((match[1] or "localhost").strip("[]"), port=int(match[2]))


def as_status(value: Scalar) -> tuple[int, ...]:
    """One status of HTTP."""
    if isinstance(value, bool) or not isinstance(value, int) or not 100 <= value <= 599:
        raise ValueError("expected a status of HTTP like 200, or a list of them")
    return (value,)


def as_header(value: Scalar) -> str:
    """`Name: what its value has in it`; the name alone: any value. The name comes back in small letters."""
    name, _, text = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name.strip()):
        raise ValueError("expected a header like 'X-Ready: yes'")
    return f"{name.strip().lower()}:{text.strip()}"


class HealthSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A check of a service, within `seconds` (None: the deploy's timeout). Made from the server: `url` answers with one
    of `status` (none: any 2xx), has `header` (`name:` and what its value has in it), and `body` in what it says; or
    `tcp` accepts a connection. Or, in the service's container, `command` ends with 0."""

    short: ClassVar[str] = "url"

    url: Annotated[str, Parse(units.url)] | None = None
    tcp: Annotated[Address, Parse(as_tcp)] | None = None
    command: Annotated[tuple[str, ...], Parse(units.words)] | None = None
    status: Annotated[tuple[Status, ...], Parse(as_status)] = ()
    header: Annotated[str, Parse(as_header)] | None = None
    body: str = ""
    seconds: Annotated[float, Parse(units.seconds)] | None = None

    def __post_init__(self) -> None:
        if sum(one is not None for one in (self.url, self.tcp, self.command)) != 1:
            raise ValueError("give one of url, tcp and command")
        if self.url is None and (self.status or self.header or self.body):
            raise ValueError("status, header and body go with url")
