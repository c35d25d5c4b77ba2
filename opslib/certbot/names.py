"""The addresses that the world finds behind a name."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from opslib.errors import OpsError

if TYPE_CHECKING:
    from opslib.settings.model import Host

SECONDS = 5.0


def addresses(host: Host, name: str) -> list[str]:
    """IPv4 and then IPv6 addresses of a name, as the host file's `resolver` says, else this machine's; none where it
    has none. Raises OpsError where nobody answers."""
    if host.certbot.resolver is None:
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError:
            return []
        return _sorted(str(one[4][0]) for one in found)
    return _sorted(_asked(host, name, host.certbot.resolver))


def _asked(host: Host, name: str, at: tuple[str, int]) -> list[str]:
    import dns.exception
    import dns.resolver

    asking = dns.resolver.Resolver(configure=False)
    asking.nameservers, asking.port = [at[0]], at[1]
    found: list[str] = []
    for kind in ("A", "AAAA"):
        try:
            found += [one.to_text() for one in asking.resolve(f"{name}.", kind, lifetime=SECONDS)]
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            continue
        except dns.exception.DNSException as error:
            raise OpsError(f"the name server {at[0]} does not say where {name} is: {str(error)[:120]}", host=host.name,
                           left="everything", next="`certbot: resolver:` with one that answers") from None  # fmt: skip
    return found


def _sorted(found: Iterable[str]) -> list[str]:
    return sorted(dict.fromkeys(found), key=lambda one: (":" in one, one))
