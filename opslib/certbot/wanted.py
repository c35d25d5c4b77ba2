"""Which certificates a host is to have: one for each site, and one for the domains beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslib.errors import BadSettings
from opslib.settings.sites import named

if TYPE_CHECKING:
    from opslib.settings.model import Host


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate by its name (certbot's `--cert-name`), for these domains; `site`: nginx is to show it there."""

    name: str
    domains: tuple[str, ...]
    site: bool


def all_of(host: Host) -> list[Wanted]:
    """What the host file wants."""
    sites = host.deploy.proxy.sites if host.deploy.proxy else ()
    found = [Wanted(one.name, one.domains, True) for one in sites]
    if host.certbot.domains:
        found.append(Wanted(named(host.certbot.domains), host.certbot.domains, False))
    return found


def chosen(host: Host, domain: str | None) -> list[Wanted]:
    """Those that are meant: all, or those with one of these domains (commas between).

    Raises BadSettings where there is none, and for a wildcard that no challenge of the host file proves.
    """
    every = all_of(host)
    if not every:
        raise BadSettings(
            "the host file names no domain", host=host.name, left="everything",
            next="`deploy: proxy: sites:` for what opslib's nginx serves, or `certbot: domains:` (docs/certbot.md)",
        )  # fmt: skip
    if domain is not None:
        names = [one.strip().lower() for one in domain.split(",") if one.strip()]
        known = {name: one for one in every for name in (one.name, *one.domains)}
        if unknown := [name for name in names if name not in known]:
            raise BadSettings(f"the host file does not name {', '.join(unknown)}", host=host.name, left="everything",
                              next=f"it names {', '.join(sorted(known))}")  # fmt: skip
        every = [one for one in every if any(known[name] is one for name in names)]
    stars = [name for one in every for name in one.domains if name.startswith("*.")]
    if stars and host.certbot.by_http:
        raise BadSettings(
            f"{', '.join(stars)}: only a challenge by DNS proves a name with a star", host=host.name, left="everything",
            next="`certbot: challenge:` with certbot's words for your DNS, like --dns-route53 (docs/certbot.md)",
        )  # fmt: skip
    return every
