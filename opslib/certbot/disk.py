"""What certbot has on a host: certificates, how each is renewed, accounts. One round trip."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING

from opslib.certbot.certificate import Certificate, from_pem
from opslib.certbot.run import shell
from opslib.compose.script import read_all, sections
from opslib.errors import CommandFailed, OpsError
from opslib.target.docker import whole

if TYPE_CHECKING:
    from opslib.target.base import Target


@dataclass(frozen=True, slots=True)
class Kept:
    """A certificate by its name: None where its files cannot be read. `renewal`: what certbot will be told again."""

    name: str
    certificate: Certificate | None
    renewal: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Disk:
    """All of it. `now`: the host's clock; `free`: KiB that are free; `accounts`: the folders of the accounts."""

    now: float
    free: int
    kept: Mapping[str, Kept]
    accounts: tuple[str, ...]

    def certificate(self, name: str) -> Certificate | None:
        """The certificate of that name, where there is one."""
        found = self.kept.get(name)
        return found.certificate if found else None

    def twins(self, name: str) -> list[str]:
        """Certificates that certbot made beside it because it was once called without a name."""
        return [one for one in self.kept if re.fullmatch(rf"{re.escape(name)}-\d{{4}}", one)]


def look(target: Target) -> Disk:
    """Read what is there. Raises OpsError where it may not be read."""
    text = resources.files("opslib.certbot").joinpath("look.sh").read_text(encoding="utf-8")
    try:
        said = read_all(target, shell(target.host, text, target.host.certbot.directory))
    except CommandFailed as error:
        spec, last = target.host.certbot, (error.stderr.strip().splitlines() or [error.what])[-1]
        do = f"let the login user call {' '.join(spec.command[:-1])} sh there" if spec.command else (
            f"docker pull {spec.image} there, or `certbot: image:` with one that is there")  # fmt: skip
        raise OpsError(f"{spec.directory} cannot be read: {last}", host=target.host.name, left="everything",
                       next=do) from None  # fmt: skip
    parts = sections(said)
    whole(target, parts.get("end", []))
    return read(parts)


def read(parts: Mapping[str, Sequence[str]]) -> Disk:
    """What `look.sh` printed."""
    texts = {name: "".join(f"{line[1:]}\n" for line in lines) for name, lines in parts.items()}
    names = [name.partition(" ")[2] for name in parts if name.startswith(("live ", "renewal "))]
    kept = {
        name: Kept(name, from_pem(texts.get(f"live {name}", "")), settings(texts.get(f"renewal {name}", "")))
        for name in sorted(set(names))
    }
    free = (parts.get("free") or ["0"])[0]
    return Disk(float(parts["now"][0]), int(free) if free.isdigit() else 0, kept, tuple(parts.get("accounts", [])))


def settings(text: str) -> dict[str, str]:
    """The lines `key = value` of a renewal file."""
    return {found[1]: found[2].strip() for found in re.finditer(r"(?m)^([a-z0-9_]+) *= *(.*)$", text)}
