"""What is refused before anything is touched: lost data, a full disk, a port that somebody else holds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from opslib.command import Command
from opslib.compose.project import Port, Project
from opslib.compose.script import docker_script, read_all, sections
from opslib.compose.stack import Stack
from opslib.compose.volumes import orphaned_volumes
from opslib.errors import OpsError
from opslib.settings.model import Host
from opslib.target.base import Target

ROOM = 256 * 1024 * 1024  # bytes that stay free on the engine's disk beside what is known to be needed

_LISTENS = """printf '# sockets\\n'; cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 2>/dev/null
printf '# containers\\n'; docker ps --no-trunc \
--format '{{.Names}} {{.Label "com.docker.compose.project"}} {{.Ports}}'"""
# A process is named where this user may see it.
_WHO = """for f in /proc/[0-9]*/fd/*; do
  [[ $(readlink "$f" 2>/dev/null) = "socket:[$1]" ]] && { p=${f#/proc/}; p=${p%%/*}
  printf '%s (process %s)\\n' "$(cat "/proc/$p/comm")" "$p"; exit; }
done; true"""


def refuse_new_volumes(project: Project, stack: Stack, host: str) -> None:
    """Raises OpsError where a first deploy would begin with an empty volume beside one that has its data."""
    found = orphaned_volumes(project, stack, stack.all_volumes)
    if not found:
        return
    pairs = "; ".join(f"{mine} would be new and empty, and {theirs} is there" for mine, theirs in found)
    theirs = ", ".join(dict.fromkeys(existing for _, existing in found))
    names = dict.fromkeys(_project_of(new, existing, project, stack) for new, existing in found)
    raise OpsError(
        f"{pairs}: the services would start without the data of {theirs}",
        host=host,
        left="everything",
        next="set " + " or ".join(f"`project: {name}`" for name in names) + " in the host file to go on with those "
        f"data, or `project: {project.name}` to begin with none",
    )


def _project_of(new: str, existing: str, project: Project, stack: Stack) -> str:
    """The project's name under which `new` would be called `existing`."""
    if existing.endswith(new[len(project.name) :]) and len(existing) > len(new) - len(project.name):
        return existing[: -len(new) + len(project.name)]
    return next((volume.project for volume in stack.all_volumes if volume.name == existing), "") or "its old name"


def refuse_full_disk(free: int, needed: int, host: str) -> None:
    """Raises OpsError where the engine's disk has no room for `needed` bytes and a little more."""
    if free < needed + ROOM:
        raise OpsError(
            f"the disk of the Docker engine has {free / 1e6:.0f} MB free, and this deploy needs about "
            f"{(needed + ROOM) / 1e6:.0f} MB",
            host=host,
            left="everything",
            next="docker system df there shows what could go; `docker image prune` removes images that nothing uses",
        )


def refuse_other_platform(project: Project, services: Iterable[str], built_for: str, arch: str, host: str) -> None:
    """Raises OpsError where an image would be built for another kind of processor than the server's. Where the compose
    files name a platform they are believed: the server may emulate it."""
    names = sorted(name for name in services if not project.services[name].platform)
    if names and built_for.split("/")[1] != arch:
        raise OpsError(
            f"{', '.join(names)} would be built for {built_for}, and the server is linux/{arch}",
            host=host,
            left="everything",
            next=f"`build: {{platform: linux/{arch}}}` in the host file, or `build: {{on: remote}}` to build there",
        )


@dataclass(frozen=True, slots=True)
class Listener:
    """Somebody who listens: `container` "" for a process, whose socket is `inode`."""

    address: str
    port: int
    protocol: str
    inode: str = ""
    container: str = ""
    project: str = ""


def listens_command(host: Host) -> Command:
    """Who listens on which port there. One round trip."""
    return docker_script(host, _LISTENS)


def parse_listeners(text: str) -> list[Listener]:
    """The listeners from what `listens_command` printed: containers first, as their ports show as sockets too."""
    parts = sections(text)
    found: list[Listener] = []
    for line in parts.get("containers", []):
        name, project, ports = [*line.split(" ", 2), "", ""][:3]
        for at, first, last, kind in re.findall(r"(\S*?):(\d+)(?:-(\d+))?->[\d-]+/(\w+)", ports):
            for number in range(int(first), int(last or first) + 1):
                found.append(Listener(at.strip("[]"), number, kind, container=name, project=project))
    protocol = ""
    for line in parts.get("sockets", []):
        words = line.split()
        if words[0] == "sl":
            protocol = "udp" if "drops" in words else "tcp"
            continue
        address, _, port = words[1].partition(":")
        if words[3] == ("0A" if protocol == "tcp" else "07"):
            found.append(Listener(_address(address), int(port, 16), protocol, inode=words[9]))
    return found


def _address(hexed: str) -> str:
    if len(hexed) == 8:
        return ".".join(str(int(hexed[at : at + 2], 16)) for at in (6, 4, 2, 0))
    return "::" if set(hexed) == {"0"} else "::1" if hexed.endswith("01000000") and set(hexed[:-8]) == {"0"} else hexed


def conflict(port: Port, listeners: Iterable[Listener], project: str) -> Listener | None:
    """Who else has the port. What the project itself has goes when its containers are recreated."""
    if not port.published.isdigit():
        return None
    same = [
        one
        for one in listeners
        if one.port == int(port.published) and one.protocol == port.protocol and _overlap(one.address, port.host_ip)
    ]
    if any(one.container and one.project == project for one in same):
        return None
    return same[0] if same else None


def _overlap(one: str, other: str) -> bool:
    everywhere = ("", "0.0.0.0", "::")
    return one == other or one in everywhere or other in everywhere


def refuse_taken_ports(target: Target, project: Project, services: Iterable[str]) -> None:
    """Raises OpsError naming the service, the port and who has it, for the services that will be recreated."""
    ports = [(name, port) for name in services for port in project.services[name].ports]
    if not any(port.published.isdigit() for _, port in ports):
        return
    listeners = parse_listeners(read_all(target, listens_command(target.host)))
    for name, port in ports:
        holder = conflict(port, listeners, project.name)
        if holder is None:
            continue
        who = f"container {holder.container}" if holder.container else _process(target, holder)
        raise OpsError(
            f"service {name} publishes port {port.published}, which {who} has already",
            host=target.host.name,
            left="everything",
            next=f"stop it, or publish another port in the compose file (it says {port.published}:{port.target})",
        )


def _process(target: Target, holder: Listener) -> str:
    found = target.run(docker_script(target.host, _WHO, holder.inode), check=False).text
    return found or "a process of another user"
