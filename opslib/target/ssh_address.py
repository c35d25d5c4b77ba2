"""An SSH address as people write it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SHELL_CHARACTERS = set("'`\"$\\;&<>|(){}")  # as in OpenSSH: %h and %r end up in a ProxyCommand, which a shell reads


@dataclass(frozen=True, slots=True)
class Address:
    """`user@host:port` as it was written; what was left out is None."""

    host: str
    user: str | None = None
    port: int | None = None


def parse_address(text: str) -> Address:
    """`host`, `user@host:port`, `[v6]:port`, a bare IPv6 address or `ssh://…` into its parts.

    Raises ValueError with a sentence on what is wrong with it.
    """
    user, at, rest = text.removeprefix("ssh://").rstrip("/").rpartition("@")
    port: str | None = None
    if rest.startswith("["):
        match = re.fullmatch(r"\[([^\[\]]+)\](?::(.*))?", rest)
        if not match:
            raise ValueError(f"'{text}': a bracket without its partner")
        host, port = match[1], match[2]
    elif rest.count(":") == 1:
        host, port = rest.split(":")
    else:
        host = rest
    if not _plain(host):
        raise ValueError(f"'{text}' has no usable host name: write user@host or user@host:port")
    if at and not _plain(user):
        raise ValueError(f"'{text}': '{user}' is no user name")
    if port is not None and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"'{text}': '{port}' is no port between 1 and 65535")
    return Address(host, user or None, int(port) if port else None)


def _plain(name: str) -> bool:
    return bool(name) and name[0] != "-" and name.isprintable() and not (_SHELL_CHARACTERS | {" "}) & set(name)
