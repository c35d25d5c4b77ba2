"""What a host file wants of the machine itself: what `inv host.provision` makes of a bare server."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from msgspec import Struct, field

from opslib.command import Secret
from opslib.settings import units
from opslib.settings.units import Parse, Scalar

Part = Literal[
    "packages", "clock", "swap", "user", "folder", "daemon", "docker", "textfile", "cron", "firewall", "ssh",
    "fail2ban", "updates",
]  # fmt: skip
"""The parts of a provisioned machine, in the order in which they are made. Updates come last: what they start locks
apt."""

_CRON = re.compile(r"(@[a-z]+|\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+\S.*")


class Opening(str):
    """A port and its protocol, `443/tcp`; in a host file it may be a number."""


class Said(str):
    """What stands behind a keyword of sshd_config; in a host file it may be a number, or yes and no."""


def account(value: Scalar) -> str:
    """The name of an account, as Debian's useradd takes it."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", value):
        raise ValueError("expected a user's name: lower-case letters, digits, - and _")
    return value


def opening(value: Scalar) -> Opening:
    """`443`, `443/tcp` or `443/udp`, as `443/tcp`."""
    number, _, protocol = str(value).partition("/")
    try:
        if protocol in ("", "tcp", "udp") and not isinstance(value, bool):
            return Opening(f"{units.port(number)}/{protocol or 'tcp'}")
    except ValueError:
        pass
    raise ValueError("expected a port like 443 or 443/udp")


def network(value: Scalar) -> str:
    """A network or an address, IPv4 or IPv6."""
    try:
        return str(ipaddress.ip_network(str(value)))
    except ValueError:
        raise ValueError("expected a network like 10.0.0.0/8, or an address") from None


def sshd_value(value: Scalar) -> Said:
    """What stands behind a keyword of sshd_config; YAML's yes and no are sshd's."""
    if isinstance(value, bool):
        return Said("yes" if value else "no")
    if value is None or not str(value).strip():
        raise ValueError("expected a value of sshd_config")
    return Said(str(value).strip())


def package(value: Scalar) -> str:
    """The name of a Debian package."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", value):
        raise ValueError("expected the name of a package")
    return value


def cron_line(value: Scalar) -> str:
    """When, and a command: the five fields of cron or `@daily`, and what stands behind them in a crontab."""
    if not isinstance(value, str) or not _CRON.fullmatch(value):
        raise ValueError("expected five fields of cron and a command, like 30 4 * * 0 docker image prune -f")
    return value


class Provision(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the machine is to be. `login` is whom `host.provision` logs in as: root, or one with sudo. `user` is whom
    all other tasks log in as (None: the one of the address), let in by `keys`: public keys, or files of them on this
    machine (none: those that let `login` in). `daemon` goes into daemon.json, over what is wanted there anyway. `swap`
    in bytes (None: as much as there is memory, 2 GiB at most; where there is swap it stays as it is). `open` may be
    reached from outside beside sshd; `trusted` networks may reach everything. `ssh` are keywords of sshd_config, over
    those that are wanted anyway. `cron` are lines that run as `user`. `apt_wait`: how long another program may keep apt
    locked."""

    login: Annotated[str, Parse(account)] = "root"
    sudo_password: Secret | None = None
    user: Annotated[str, Parse(account)] | None = None
    keys: tuple[str, ...] = ()
    packages: tuple[Annotated[str, Parse(package)], ...] = ()
    docker: Literal["distribution", "docker"] | None = None
    daemon: dict[str, Any] = field(default_factory=dict)
    swap: Annotated[int, Parse(units.size)] | None = None
    firewall: Literal["nftables", "ufw"] | None = None
    open: tuple[Annotated[Opening, Parse(opening)], ...] = (Opening("80/tcp"), Opening("443/tcp"))
    trusted: tuple[Annotated[str, Parse(network)], ...] = ()
    ssh: dict[str, Annotated[Said, Parse(sshd_value)]] = field(default_factory=dict)
    fail2ban: bool = False
    textfile: Annotated[str, Parse(units.absolute_path)] = "/var/lib/prometheus/node-exporter"
    cron: dict[str, Annotated[str, Parse(cron_line)]] = field(default_factory=dict)
    apt_wait: Annotated[float, Parse(units.seconds)] = 600.0
    skip: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        for keyword in self.ssh:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", keyword):
                raise ValueError(f"`ssh`: {keyword!r} is no keyword of sshd_config")
        for name in self.cron:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]*", name):
                raise ValueError(f"`cron`: {name!r} is no name: letters, digits, spaces and -")
