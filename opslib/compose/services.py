"""Starting and stopping services in the order of their dependencies, and an `up` that survives a killed one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from opslib.command import Command
from opslib.compose.checks import Check
from opslib.compose.health import explain, wait_healthy
from opslib.compose.project import COMPLETED, Project
from opslib.compose.script import docker_script
from opslib.compose.stack import Container, look
from opslib.errors import CommandFailed, OpsError

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

UP = 900.0  # seconds for `up`, which waits for dependencies
_MARGIN = 30.0  # seconds on top of the containers' own stop timeouts

_STOP = 'for ids in "$@"; do docker stop $ids >/dev/null || exit; done'
_START = "docker start $1 >/dev/null"
# What the killed client had asked for may still happen: a container that was listed is started, or removed, meanwhile.
_CREATED = """label=com.docker.compose.project=$1
created() { docker ps -aq --no-trunc --filter "label=$label" --filter status=created; }
for i in 1 2 3 4 5; do
  ids=$(created) || exit
  [ -n "$ids" ] || exit 0
  docker rm $ids >/dev/null 2>&1 || sleep 0.2
done
ids=$(created) && [ -z "$ids" ] || docker rm $ids"""

# An answer that a second try would get again.
_FINAL = re.compile(
    r"unhealthy|didn't complete|exited \(|already allocated|address already in use|No such image|pull access denied"
    r"|manifest unknown|no such service",
    re.IGNORECASE,
)

_PROGRESS = ("Container ", "Network ", "Volume ", "Image ")


def start_order(project: Project) -> list[tuple[str, ...]]:
    """The services in steps: each step needs only those before it. Compose has refused circles already."""
    left = {
        name: {on for on in service.depends_on if on in project.services} for name, service in project.services.items()
    }
    steps: list[tuple[str, ...]] = []
    while left:
        ready = tuple(sorted(name for name, needs in left.items() if not needs & left.keys()))
        if not ready:
            raise OpsError(f"services depend on each other in a circle: {', '.join(sorted(left))}")
        steps.append(ready)
        for name in ready:
            del left[name]
    return steps


def in_order(project: Project, containers: Iterable[Container]) -> list[list[Container]]:
    """The containers in the steps of `start_order`; those of services that the project does not know come first, as
    nothing is known to need less."""
    steps = start_order(project)
    place = {name: at for at, step in enumerate(steps, 1) for name in step}
    found: dict[int, list[Container]] = {}
    for container in containers:
        found.setdefault(place.get(container.service, 0), []).append(container)
    return [found[at] for at in sorted(found)]


def stop_command(host: Host, steps: Sequence[Sequence[Container]]) -> Command:
    """Stop the containers step by step, those of a step at once, each with its own stop timeout."""
    limit = sum(max(c.stop_timeout for c in step) + _MARGIN for step in steps)
    return docker_script(host, _STOP, *(" ".join(c.id for c in step) for step in steps), limit=limit)


def refuse_tasks(host: str, stack: str, containers: Iterable[Container]) -> None:
    """Raises OpsError for tasks of a Swarm: it starts another in the place of each that is stopped."""
    names = sorted({one.service for one in containers if one.task})
    if names:
        zero = " ".join(f"{stack}_{name}=0" for name in names)
        raise OpsError(
            f"{', '.join(names)} would have to stand still, and a Swarm starts a new task for each that is stopped",
            host=host,
            left="everything",
            next=f"docker service scale {zero} there, run this again, then inv deploy brings them back",
        )


def stop(target: Target, project: Project, containers: Iterable[Container]) -> None:
    """Stop the containers, dependents before what they need. Raises CommandFailed, and OpsError as `refuse_tasks`."""
    containers = list(containers)
    refuse_tasks(target.host.name, project.name, containers)
    steps = in_order(project, containers)[::-1]
    if steps:
        target.run(stop_command(target.host, steps))


def start_command(host: Host, containers: Sequence[Container]) -> Command:
    """Start the containers of one step."""
    return docker_script(host, _START, " ".join(c.id for c in containers), limit=120.0)


def start(
    target: Target,
    project: Project,
    containers: Iterable[Container],
    *,
    checks: Mapping[str, Check] = {},
    stable: float = 5.0,
    timeout: float = 120.0,
) -> None:
    """Start the containers that `stop` stopped, in the order of their dependencies: a service that waits for another
    to be healthy or complete is started after it is. Health at the end is the caller's to wait for.

    Raises CommandFailed, or OpsError as `wait_healthy`.
    """
    steps = in_order(project, containers)
    started = {c.service for step in steps for c in step}
    for step in steps:
        target.run(start_command(target.host, step))
        needed = {c.service for c in step} & _awaited(project, started)
        wait_healthy(target, project, sorted(needed), checks=checks, stable=stable, timeout=timeout)


def _awaited(project: Project, services: Iterable[str]) -> set[str]:
    """What the services wait for to be healthy or complete."""
    return {
        on
        for name in services
        if name in project.services
        for on, condition in project.services[name].depends_on.items()
        if condition in ("service_healthy", COMPLETED)
    }


def remove_created_command(host: Host, project: str) -> Command:
    """Remove the project's containers that were created and never started; volumes stay."""
    return docker_script(host, _CREATED, project)


def remove_created(target: Target, project: str) -> None:
    """Remove what a killed `up` left: its half-made containers would make the next one fail on their names."""
    target.run(remove_created_command(target.host, project))


def up_command(
    host: Host,
    project: Project,
    services: Sequence[str] = (),
    *,
    recreate: bool = False,
    dependencies: bool = True,
    orphans: bool = False,
    beside: int = 0,
) -> Command:
    """`up` that never builds: a missing image would be built from today's tree under a release's name. `recreate`
    also what has not changed; without `dependencies` only the named services; `orphans` removes services that the
    files no longer have. `beside`: the containers of the one service stay, and new ones make it so many."""
    flags = ["--detach", "--no-build"]
    flags += ["--no-recreate", "--scale", f"{services[0]}={beside}"] if beside else []
    flags += ["--force-recreate"] if recreate else []
    flags += [] if dependencies else ["--no-deps"]
    flags += ["--remove-orphans"] if orphans else []
    return project.compose(host, "--ansi", "never", "up", *flags, "--", *services, limit=UP)


def up(
    target: Target,
    project: Project,
    services: Sequence[str] = (),
    *,
    recreate: bool = False,
    dependencies: bool = True,
    orphans: bool = False,
    beside: int = 0,
) -> None:
    """Bring the services up (all of them when none is named), also after an `up` that was killed: what it left is
    removed first, and one failure is tried again. It returns when Compose is content, which is not healthy yet.

    Raises OpsError with Compose's own words and the last log lines of the container that is not well.
    """
    command = up_command(target.host, project, services, recreate=recreate, dependencies=dependencies, orphans=orphans,
                         beside=beside)  # fmt: skip
    remove_created(target, project.name)
    try:
        target.run(command)
    except CommandFailed as first:
        error = first
        if not _FINAL.search(first.stderr):
            remove_created(target, project.name)
            try:
                target.run(command)
            except CommandFailed as second:
                error = second
            else:
                return
        said = project.masked("\n    ".join(compose_errors(error.stderr)) or error.what)
        raise OpsError(
            f"docker compose up failed:\n    {said}{explain(target, look(target, project.name))}",
            host=target.host.name,
            next=f"inv logs --host {target.host.name}",
        ) from None


def create_command(host: Host, project: Project) -> Command:
    """Make the networks, volumes and containers of all services, with Compose's own labels, and start nothing."""
    return project.compose(host, "--ansi", "never", "create", "--no-build", limit=UP)


def create(target: Target, project: Project) -> None:
    """Make everything that `up` would start. Raises OpsError with Compose's own words."""
    remove_created(target, project.name)
    try:
        target.run(create_command(target.host, project))
    except CommandFailed as error:
        said = project.masked("\n    ".join(compose_errors(error.stderr)) or error.what)
        raise OpsError(f"docker compose create failed:\n    {said}", host=target.host.name) from None


def compose_errors(stderr: str) -> list[str]:
    """The lines of Compose's stderr that say what went wrong: its last ones without progress and warnings."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith("time=")]
    return ([line for line in lines if not line.startswith(_PROGRESS)] or lines)[-3:]
