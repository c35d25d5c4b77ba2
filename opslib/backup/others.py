"""Containers outside the project that write to its volumes: nobody holds them while these are copied."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from opslib.backup.tree import NamedVolume
from opslib.compose.script import docker_script
from opslib.compose.stack import LABEL, Container, Stack, parse_container

if TYPE_CHECKING:
    from opslib.backup.source import Source
    from opslib.target.base import Target

_INSPECT = "docker inspect --type container --format '{{json .}}' $1"
_HELD = {"pause": "; it is not paused: only this project's containers are",
         "stop": "; it is not stopped: only this project's containers are"}  # fmt: skip


def writing(target: Target, stack: Stack, sources: Iterable[Source]) -> list[str]:
    """A warning for each running container outside the project that may write to one of the volumes."""
    volumes = [one for one in sources if isinstance(one, NamedVolume)]
    seen = _look(target, stack, {one.volume for one in volumes})
    return [
        f"{one.title} is also written to by container {other.name}{_of(other)}{_HELD.get(one.consistency, '')}"
        for one in volumes
        for other in seen
        if other.running and writes(other, one.volume)
    ]


def writes(container: Container, volume: str) -> bool:
    """Whether the container has the volume mounted so that it may write to it."""
    return any(one.type == "volume" and one.name == volume and not one.read_only for one in container.mounts)


def _look(target: Target, stack: Stack, volumes: set[str]) -> Sequence[Container]:
    """The containers outside the project that have one of the volumes mounted."""
    ours = {one.id for one in stack.containers}
    ids = {ident for one in stack.all_volumes if one.name in volumes for ident in one.mounted_by} - ours
    if not ids:
        return []
    # One may end between the two looks: the others are printed all the same.
    said = target.run(docker_script(target.host, _INSPECT, " ".join(sorted(ids))), check=False).lines
    return [parse_container(json.loads(line)) for line in said if line.startswith("{")]


def _of(container: Container) -> str:
    project = container.labels.get(f"{LABEL}project", "")
    return f" of project {project}" if project else ", which belongs to no project"
