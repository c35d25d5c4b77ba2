"""Which services stand still during a restore, and in which order they come back: read from the containers' labels, so
that no compose file is needed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from opslib.compose import services
from opslib.compose.health import wait_healthy
from opslib.compose.project import Project, Service
from opslib.compose.stack import LABEL, Container, Stack

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target


def project_of(stack: Stack) -> Project:
    """The project as the labels of its containers tell it: services and what they wait for."""
    found: dict[str, Service] = {}
    for container in stack.containers:
        if container.service and not container.one_off:
            label = container.labels.get(f"{LABEL}depends_on", "")
            found[container.service] = Service(container.service, container.image, depends_on=_depends_on(label))
    counted = {name: len(stack.service(name)) for name in found}
    known = {
        name: Service(name, one.image, replicas=counted[name],
                      depends_on={on: how for on, how in one.depends_on.items() if on in found})
        for name, one in found.items()
    }  # fmt: skip
    return Project(stack.project, known)


def _depends_on(label: str) -> dict[str, str]:
    """`db:service_healthy:false,cache:service_started:false`"""
    pairs = (entry.split(":") for entry in label.split(",") if entry)
    return {parts[0]: parts[1] if len(parts) > 1 else "service_started" for parts in pairs}


def to_stop(stack: Stack, keep: Iterable[str]) -> list[Container]:
    """The running containers but those of the services to keep."""
    kept = set(keep)
    return [one for one in stack.running if one.service not in kept]


def stop(target: Target, stack: Stack, names: Sequence[str]) -> None:
    """Stop the named containers, those that need others first."""
    services.stop(target, project_of(stack), [one for one in stack.containers if one.name in names])


def start(target: Target, stack: Stack, names: Sequence[str]) -> list[str]:
    """Start the named containers, as far as they are still there, after what they need; returns their services."""
    chosen = [one for one in stack.containers if one.name in names]
    services.start(target, project_of(stack), chosen)
    return sorted({one.service for one in chosen})


def healthy(target: Target, stack: Stack, names: Sequence[str]) -> None:
    """Wait until the named containers' services are healthy. Raises OpsError as `wait_healthy`."""
    project = project_of(stack)
    wanted = sorted({one.service for one in stack.containers if one.name in names and one.service in project.services})
    deploy = target.host.deploy
    wait_healthy(target, project, wanted, checks={}, stable=deploy.stable, timeout=deploy.timeout)


def start_script(host: Host, stack: Stack, names: Sequence[str]) -> str:
    """Bash text that starts the named containers in their order, whatever fails."""
    steps = services.in_order(project_of(stack), [one for one in stack.containers if one.name in names])
    lines = [shlex.join([*host.docker, "start", *(one.name for one in step)]) for step in steps]
    return "e=0\n" + "".join(f"{line} || e=1\n" for line in lines) + "exit $e\n"
