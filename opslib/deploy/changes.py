"""What a deploy would change, computed purely from what is wanted, what was released and what runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opslib.compose.project import Project
from opslib.compose.stack import Container, Stack
from opslib.compose.swarm import Service, Swarm
from opslib.deploy.env import EnvKeys
from opslib.deploy.files import FileChanges
from opslib.deploy.render import Config, differences, with_dependents
from opslib.state.releases import Release


@dataclass(frozen=True, slots=True)
class Changes:
    """`recreate`: service -> why. `remove`: services that run and are no longer wanted. `build` and `fetch` are
    images, with the bytes that they had so far. `env` is None where the env file stays. `gap`: the seconds that the
    last switch took, None where none is known."""

    recreate: Mapping[str, list[str]]
    remove: tuple[str, ...] = ()
    files: FileChanges = field(default_factory=FileChanges)
    env: EnvKeys | None = None
    build: Mapping[str, int] = field(default_factory=dict)
    fetch: tuple[str, ...] = ()
    gap: float | None = None

    def __bool__(self) -> bool:
        return bool(self.recreate or self.remove or self.files or self.env is not None or self.build or self.fetch)

    def as_json(self) -> dict[str, Any]:
        """For `--json` and for the screen; names of variables, never values."""
        files = {name: list(getattr(self.files, name)) for name in FileChanges.__dataclass_fields__}
        return {
            "recreate": {name: "; ".join(words) for name, words in self.recreate.items()},
            "remove": list(self.remove),
            "files": {name: paths for name, paths in files.items() if paths},
            "env": None if self.env is None else {"added": list(self.env.added), "changed": list(self.env.changed),
                                                  "removed": list(self.env.removed)},
            "build": dict(self.build),
            "fetch": list(self.fetch),
            "gap_seconds": self.gap,
        }  # fmt: skip


def to_recreate(
    project: Project,
    stack: Stack,
    new: Config,
    old: Config | None,
    last: Release | None,
    unknown: Collection[str],
    *,
    everything: bool = False,
    swarm: Swarm | None = None,
) -> dict[str, list[str]]:
    """Each service whose containers are not those of `new`, with the reasons, and what has to go along. `swarm`: what
    it runs of the stack, where its tasks count in place of containers."""
    found: dict[str, list[str]] = {}
    one_shots = project.one_shots()
    for name, service in project.services.items():
        words = differences(old, new, name) if old is not None else ["new"]
        if service.image in unknown:
            words = [*(word for word in words if word != "image"), "image: known after the build"]
        digest = last.hashes.get(name) if last else None
        if not words and swarm is not None:
            words = drifted_tasks(swarm.services.get(name), digest)
        elif not words:
            words = drifted(stack.service(name), service.replicas, digest, one_shot=name in one_shots)
        if everything and not words:
            words = ["asked for"]
        if words:
            found[name] = words
    return with_dependents(new, found)


def drifted(containers: list[Container], replicas: int, digest: str | None, *, one_shot: bool) -> list[str]:
    """What is wrong with containers whose service has not changed."""
    if len(containers) != replicas:
        return [f"{len(containers)} of {replicas} containers are there"]
    for container in containers:
        completed = container.state == "exited" and container.exit_code == 0
        ends = one_shot or (container.restart_policy in ("no", "on-failure") and not container.ports)
        if container.state != "running" and not (completed and ends):
            return [f"it is {container.state}"]
        if container.health == "unhealthy":
            return ["it is unhealthy"]
        if digest is not None and container.config_hash != digest:
            return ["recreated by somebody else since"]
    return []


def drifted_tasks(service: Service | None, digest: str | None) -> list[str]:
    """The same of a service of a Swarm."""
    if service is None:
        return ["it is not in the Swarm"]
    if service.good < service.wanted:
        return [f"{service.good} of {service.wanted} tasks are there"]
    return ["changed by somebody else since"] if digest not in (None, service.digest) else []


def orphans(project: Project, containers: Iterable[Container]) -> list[Container]:
    """Containers of services that the project no longer has."""
    return [one for one in containers if one.service not in project.services and not one.one_off]
