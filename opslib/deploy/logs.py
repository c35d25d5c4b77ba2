"""What the services print, line by line, for `inv logs`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from opslib.command import Command
from opslib.compose import swarm
from opslib.compose.script import docker_script
from opslib.compose.stack import look
from opslib.deploy.ps import project_name
from opslib.errors import BadSettings
from opslib.settings.model import Host
from opslib.state.releases import SWARM
from opslib.target.base import Target
from opslib.target.docker import docker

# $1 how many services; those; then the options. A service that has just gone has no lines.
_TASKS = """n=$1; shift; for one in "${@:1:n}"; do
  docker service logs --no-task-ids "${@:n + 1}" "$one" 2>&1 &
done; wait"""
_SINCE = re.compile(r"\d+[smhd]([0-9smh]*)|\d{4}-\d\d-\d\d(T[0-9:.]+Z?)?")


def logs(
    target: Target,
    *,
    service: str | None = None,
    follow: bool = False,
    since: str | None = None,
    tail: int | None = None,
) -> Iterator[str]:
    """The lines of one service or of all, each with the container's name in front; with `follow` they go on until
    whoever reads stops. Raises BadSettings for a service that is not there (nearest offered) and for a `since` that
    is no time."""
    if since is not None and not _SINCE.fullmatch(since):
        raise BadSettings(f"--since {since!r}: expected 30s, 10m, 1h, 2d or a date like 2026-11-22T10:00:00")
    name, last = project_name(target)
    swarmed = (last.strategy if last else target.host.deploy.strategy) == SWARM
    if swarmed:
        services = sorted(swarm.look(target, name).services)
    else:
        services = sorted({one.service for one in look(target, name).containers if not one.one_off})
    if service is not None and service not in services:
        raise unknown(service, services, target.host.name)
    if not services:
        raise BadSettings(
            f"nothing of {name} runs", host=target.host.name, next=f"inv deploy --host {target.host.name}"
        )
    chosen = [service] if service is not None else services
    yield from target.lines(
        tasks_command(target.host, name, chosen, follow=follow, since=since, tail=tail)
        if swarmed
        else logs_command(target.host, name, service, follow=follow, since=since, tail=tail)
    )


def logs_command(
    host: Host, project: str, service: str | None, *, follow: bool, since: str | None, tail: int | None
) -> Command:
    """`docker compose logs`; it finds the containers by their labels, so it needs no compose file."""
    words = ["compose", "--project-name", project, "--ansi", "never", "logs", "--no-color"]
    words += ["--follow"] if follow else []
    words += ["--since", _hours(since)] if since is not None else []
    words += ["--tail", str(tail)] if tail is not None else []
    return docker(host, *words, "--", *([service] if service is not None else []))


def tasks_command(
    host: Host, stack: str, services: Sequence[str], *, follow: bool, since: str | None, tail: int | None
) -> Command:
    """`docker service logs` of each service of a stack at once: it has no way to ask for several."""
    words = ["--follow"] if follow else []
    words += ["--since", _hours(since)] if since is not None else []
    words += ["--tail", str(tail)] if tail is not None else []
    names = [f"{stack}_{name}" for name in services]
    return docker_script(host, _TASKS, str(len(names)), *names, *words).with_(limit=None)


def _hours(since: str) -> str:
    """Docker knows no days."""
    days = re.fullmatch(r"(\d+)d", since)
    return f"{int(days[1]) * 24}h" if days else since


def unknown(service: str, services: list[str], host: str) -> BadSettings:
    """The error for a service that is not there."""
    near = difflib.get_close_matches(service, services, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return BadSettings(f"there is no service {service!r}{hint}. There are {', '.join(services) or 'none'}", host=host)
