"""What a host file says of sites that nginx serves, and of their certificates."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from msgspec import Struct, field

from opslib.settings import units
from opslib.settings.units import Parse, Scalar

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_DOMAIN = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})+")
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

Seconds = Annotated[float, Parse(units.seconds)]


def domain(value: Scalar) -> str:
    """`example.com`, `www.example.com`, `*.example.com`, in lower case; names beyond ASCII in their `xn--` form."""
    text = value.lower().rstrip(".") if isinstance(value, str) else ""
    if not _DOMAIN.fullmatch(text) or len(text) > 253 or text.rsplit(".", 1)[-1].isdigit():
        raise ValueError("expected a domain name like www.example.com or *.example.com (xn--… beyond ASCII)")
    return text


def email(value: Scalar) -> str:
    """An address of mail."""
    if not isinstance(value, str) or not _EMAIL.fullmatch(value):
        raise ValueError("expected an address like ops@example.com")
    return value


def resolver(value: Scalar) -> tuple[str, int]:
    """`1.1.1.1`, `127.0.0.1:8053`, `[2606:4700::1111]:53`: address and port of a name server."""
    found = re.fullmatch(r"\[([0-9a-f:]+)\](?::(\d{1,5}))?|([0-9.]+)(?::(\d{1,5}))?", str(value))
    try:
        if found is None:
            raise ValueError
        return str(ipaddress.ip_address(found[1] or found[3])), int(found[2] or found[4] or 53)
    except ValueError:
        raise ValueError("expected the address of a name server like 1.1.1.1 or 127.0.0.1:8053") from None


def directory(value: Scalar) -> str:
    """An absolute folder; without `:`, which Docker would take for the end of it."""
    text = units.absolute_path(value)
    if ":" in text:
        raise ValueError("expected an absolute folder without a colon in its name")
    return text


Domain = Annotated[str, Parse(domain)]


class Site(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What nginx serves under `domains`, of which the first names site and certificate. Requests go to `service`, those
    below one of `paths` to its service. `body`: bytes that a request may have; `timeout`: how long a service may say
    nothing. `headers` are added to each answer. `http`: what becomes of requests without TLS. `hsts`: for so long
    browsers will ask with TLS alone."""

    domains: tuple[Domain, ...]
    service: str
    paths: dict[str, str] = field(default_factory=dict)
    websockets: bool = False
    body: Annotated[int, Parse(units.size)] = 10_000_000
    timeout: Seconds = 60.0
    headers: dict[str, str] = field(default_factory=dict)
    http: Literal["redirect", "serve"] = "redirect"
    hsts: Seconds | None = None

    def __post_init__(self) -> None:
        if not self.domains:
            raise ValueError("name at least one of `domains`")
        for path in self.paths:
            if not re.fullmatch(r"/[A-Za-z0-9._~/-]*", path):
                raise ValueError(f"`paths`: expected a path like /api/, found {path!r}")
        for name in self.headers:
            if not _HEADER.fullmatch(name):
                raise ValueError(f"`headers`: {name!r} is no name of a header")

    @property
    def name(self) -> str:
        """What it is called, and its certificate."""
        return named(self.domains)


def named(domains: tuple[str, ...]) -> str:
    """The name of a certificate for these: the first, without the star."""
    return domains[0].removeprefix("*.")


class Certbot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How certificates are got. `domains` are those of one more certificate, beside those of the sites. `challenge`:
    `webroot`, `standalone`, or certbot's own words for another way. `command` is a certbot of the host; None: that of
    `image`. `directory` has the certificates on the host, `webroot` (below the project's folder, or absolute) what the
    ACME server asks for. `server`: another than Let's Encrypt's. `ca`: a file on this machine with the CA that signs
    there, where no browser knows it. `resolver` is asked for addresses in place of this machine's. `reload`: what has a
    proxy that is not in `deploy: proxy:` take a new certificate. `options` are given to certbot as they are."""

    email: Annotated[str, Parse(email)] | None = None
    domains: tuple[Domain, ...] = ()
    challenge: Annotated[tuple[str, ...], Parse(units.words)] = ("webroot",)
    command: Annotated[tuple[str, ...], Parse(units.words)] | None = None
    image: str = "certbot/certbot:latest"
    directory: Annotated[str, Parse(directory)] = "/etc/letsencrypt"
    webroot: str = "acme"
    key: Literal["ecdsa", "rsa"] = "ecdsa"
    server: Annotated[str, Parse(units.url)] | None = None
    ca: str | None = None
    resolver: Annotated[tuple[str, int], Parse(resolver)] | None = None
    reload: Annotated[tuple[str, ...], Parse(units.words)] | None = None
    options: Annotated[tuple[str, ...], Parse(units.words)] = ()

    def __post_init__(self) -> None:
        if self.challenge not in (("webroot",), ("standalone",)) and not self.challenge[0].startswith("--"):
            raise ValueError("`challenge`: expected webroot, standalone, or certbot's own words like --dns-route53")
        if self.command is not None and "certbot" not in self.command[-1]:
            raise ValueError("`command`: its last word is the program certbot, like [sudo, -n, /usr/bin/certbot]")
        if ":" in self.webroot:
            raise ValueError("`webroot`: expected a folder without a colon in its name")

    @property
    def by_http(self) -> bool:
        """Whether the ACME server asks on port 80."""
        return self.challenge[0] in ("webroot", "standalone")
