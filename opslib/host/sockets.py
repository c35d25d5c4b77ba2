"""What listens on a machine, and who it is, from what ss(8) says, or the kernel's own tables where there is no ss."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address


@dataclass(frozen=True, slots=True)
class Socket:
    """An open port: `address` is the one that it listens on (`0.0.0.0` and `::`: each of them), `program` who does, ""
    where that was not seen."""

    protocol: str
    address: str
    port: int
    program: str

    @property
    def loopback(self) -> bool:
        """Whether only the machine itself can come to it."""
        return ip_address(self.address).is_loopback


def sockets_of(parts: Mapping[str, Sequence[str]]) -> Iterator[Socket]:
    """From the sections of the look."""
    for line in parts.get("sockets", ()):
        words = line.split(None, 6)
        if len(words) > 4 and (found := re.fullmatch(r"(.*):(\d+)", words[4])):
            users = re.search(r'\(\("([^"]*)"', words[6]) if len(words) > 6 else None
            yield Socket(words[0], _address(found[1]), int(found[2]), users[1] if users else "")
    for line in parts.get("kernel-sockets", ()):
        protocol, local = line.split()
        address, port = local.split(":")
        yield Socket(protocol.rstrip("6"), _from_kernel(address), int(port, 16), "")


def _address(text: str) -> str:
    plain = text.strip("[]").partition("%")[0]
    return {"*": "::"}.get(plain, plain)


def _from_kernel(text: str) -> str:
    """proc(5): an address in words of four bytes, each in the machine's own order; which is little-endian on all that
    Docker is made for but s390x."""
    raw = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    address = ip_address(raw)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
