"""Who else has to do with certificates on a host: what renews them, and proxies that get their own. One round trip."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from opslib.compose.script import docker_script, read_all, sections
from opslib.errors import OpsError

if TYPE_CHECKING:
    from opslib.certbot.wanted import Wanted
    from opslib.settings.model import Host
    from opslib.target.base import Target

MARK = "# opslib certbot "
"""At the end of the line of a crontab that is opslib's, before the project's name."""
_IMAGE = re.compile(r"(?:^|/)(traefik|caddy)[^/]*$")
_RULE = re.compile(r"Host\(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Renewer:
    """What renews: a timer, a line of cron, a container; `mine`: it is opslib's own."""

    what: str
    mine: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """`crontab`: the login user's own lines, None where there is no such program. `proxies`: by what it is called
    (`traefik in container web-traefik-1`) the domains that it says it serves, and whether it has the ports 80 or
    443."""

    renewers: tuple[Renewer, ...]
    crontab: tuple[str, ...] | None
    proxies: Mapping[str, tuple[tuple[str, ...], bool]]

    def others(self) -> list[str]:
        """Who renews beside opslib."""
        return [one.what for one in self.renewers if not one.mine]

    def as_json(self) -> dict[str, Any]:
        """As it stands in a record."""
        return {"renewed_by": [one.what for one in self.renewers], "own_acme": sorted(self.proxies)}


def look(target: Target, project: str) -> Around:
    """See what is there. Of crontabs the login user's own and those of the system: root's own is nobody else's to
    read."""
    text = resources.files("opslib.certbot").joinpath("around.bash").read_text(encoding="utf-8")
    return read(sections(read_all(target, docker_script(target.host, text))), target.host, project)


def read(parts: Mapping[str, Sequence[str]], host: Host, project: str) -> Around:
    """What `around.bash` printed."""
    usual, found = host.certbot.directory == "/etc/letsencrypt", []
    containers = [line[1:].split("\t") for line in parts.get("containers", [])]
    for line in parts.get("timers", []) if usual else ():
        unit = re.search(r"\S+\.timer", line)
        found.append(Renewer(f"systemd's {unit[0] if unit else 'timer'}"))
    for line in parts.get("cron", []) if usual else ():
        file, text = line[1:].split("|", 1)
        # Debian's own line does nothing where systemd is, which has a timer for it.
        if not ("/run/systemd/system" in text and parts.get("systemd")) and "renew" in text:
            found.append(Renewer(f"cron, by {file}"))
    lines = [line[1:] for line in parts.get("crontab", []) if line.startswith("|")]
    for line in lines:
        if line.endswith(f"{MARK}{project}"):
            found.append(Renewer("cron, by opslib's line", mine=True))
        elif re.match(r"\s*[^#].*certbot.*renew", line) and MARK not in line:
            found.append(Renewer("cron, by a line of the login user"))
    for name, image, _, command, *_ in (one for one in containers if len(one) > 4):
        if "certbot" in image and "renew" in command:
            found.append(Renewer(f"container {name}"))
    there = "there" in parts.get("crontab", [])
    return Around(tuple(dict.fromkeys(found)), tuple(lines) if there else None, _proxies(containers, parts))


def _proxies(containers: Sequence[Sequence[str]],
             parts: Mapping[str, Sequence[str]]) -> dict[str, tuple[tuple[str, ...], bool]]:  # fmt: skip
    found: dict[str, tuple[tuple[str, ...], bool]] = {}
    labels = " ".join(one[4] for one in containers if len(one) > 4)
    domains = tuple(dict.fromkeys(re.findall(r"[a-z0-9.-]+\.[a-z0-9-]+", " ".join(_RULE.findall(labels)))))
    for name, image, ports, *_ in (one for one in containers if len(one) > 4):
        kind = _IMAGE.search(image.rsplit("@", 1)[0].rsplit(":", 1)[0])
        if kind:
            mine = domains if kind[1] == "traefik" else ()
            found[f"{kind[1]} in container {name}"] = (mine, bool(re.search(r":(80|443)->", ports)))
    for program in parts.get("programs", []):
        if program in ("caddy", "traefik") and not any(name.startswith(program) for name in found):
            found[program] = ((), True)
    return found


def refuse(around: Around, wanted: Sequence[Wanted], host: Host) -> None:
    """Raises OpsError where a proxy that gets its own certificates has the ports that the ACME server asks."""
    for what, (_, ports) in around.proxies.items():
        if ports and host.certbot.by_http:
            raise OpsError(
                f"{what} has the ports 80 and 443, and gets its certificates by itself: it is left alone",
                host=host.name, left="everything",
                next=f"inv certbot.status --host {host.name} watches what it serves; take {wanted[0].name} out of it "
                "first if nginx is to have it",
            )  # fmt: skip
