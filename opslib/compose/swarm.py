"""One look at a machine's Swarm: is there one, who is in it, and what of a stack it runs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opslib.command import Command
from opslib.compose.script import docker_script, read_all, sections
from opslib.compose.stack import STACK

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

# $1 the stack. `_up-to-date` leaves out the tasks of a service's earlier version, as Docker's own client does it.
_LOOK = """printf '# info\\n'
docker info --format '[{{json .Swarm.LocalNodeState}},{{json .Swarm.ControlAvailable}},{{json .LiveRestoreEnabled}}]'
printf '# nodes\\n'; docker node ls --format '{{json .}}' 2>/dev/null || exit 0
printf '# services\\n'
ids=$(docker service ls -q --filter "label=@STACK@=$1") || exit
[ -z "$ids" ] || docker service inspect --format '{{json .}}' $ids || exit
printf '# counts\\n'; docker service ls --filter "label=@STACK@=$1" --format '{{json .}}' || exit
printf '# tasks\\n'
[ -z "$ids" ] || docker service ps --no-trunc --filter _up-to-date=true --format '{{json .}}' $ids || exit
printf '# secrets\\n'; docker secret ls --format ' {{.Name}}' || exit
printf '# configs\\n'; docker config ls --format ' {{.Name}}'""".replace("@STACK@", STACK)

FAILED = ("paused", "rollback_started", "rollback_paused", "rollback_completed")
"""The states of an update that did not come to a good end."""
_NANO = 1e9  # a second, as the engine counts


@dataclass(frozen=True, slots=True)
class Task:
    """A task as the Swarm sees it: `wanted` and `state` are its words (running, shutdown, failed, …)."""

    id: str
    name: str
    service: str
    node: str
    wanted: str
    state: str
    error: str


@dataclass(frozen=True, slots=True)
class Service:
    """A service by its name in the compose files. `digest` is that of all that it is made from. `update` is the state
    of its last update ("" for none), which began at `began`; `wanted` counts its tasks, and for a `job` those that are
    to complete. `monitor`: the seconds that a new task is watched for, and waited for before the next."""

    name: str
    id: str
    image: str
    digest: str
    version: int
    update: str
    message: str
    began: str
    job: bool
    wanted: int
    monitor: float
    ports: frozenset[tuple[int, str]]
    tasks: tuple[Task, ...]

    @property
    def good(self) -> int:
        """How many tasks of its present version run, or, of a job, have completed."""
        state = "complete" if self.job else "running"
        return sum(one.state == state and (self.job or one.wanted == "running") for one in self.tasks)


@dataclass(frozen=True, slots=True)
class Swarm:
    """`state` is the machine's own ("inactive" outside of any), `manager` whether it decides; nodes by their names.
    `secrets` and `configs` are the names of all that there are."""

    state: str
    manager: bool
    live_restore: bool
    nodes: tuple[str, ...] = ()
    services: Mapping[str, Service] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    configs: frozenset[str] = frozenset()


def look_command(host: Host, stack: str) -> Command:
    """The one round trip of `look`."""
    return docker_script(host, _LOOK, stack)


def look(target: Target, stack: str) -> Swarm:
    """The Swarm, and what it runs of a stack now. One round trip. Raises CommandFailed when docker fails."""
    return parse(stack, read_all(target, look_command(target.host, stack)))


def parse(stack: str, text: str) -> Swarm:
    """The Swarm from what `look_command` printed."""
    parts = sections(text)
    state, manager, live = json.loads(parts["info"][0])
    tasks: dict[str, list[Task]] = {}
    for line in parts.get("tasks", []):
        task = _task(stack, json.loads(line))
        tasks.setdefault(task.service, []).append(task)
    counts = {one["Name"]: one["Replicas"] for one in map(json.loads, parts.get("counts", []))}
    found = {}
    for line in parts.get("services", []):
        seen = json.loads(line)
        name = seen["Spec"]["Name"].removeprefix(f"{stack}_")
        found[name] = _service(name, seen, _count(counts.get(seen["Spec"]["Name"], "")), tuple(tasks.get(name, ())))
    return Swarm(
        state, bool(manager), bool(live),
        tuple(json.loads(line)["Hostname"] for line in parts.get("nodes", [])), found,
        *(frozenset(line.strip() for line in parts.get(kind, [])) for kind in ("secrets", "configs")),
    )  # fmt: skip


def _task(stack: str, seen: Mapping[str, str]) -> Task:
    name = seen["Name"].removeprefix("\\_ ").strip()
    service = name.rsplit(".", 1)[0].removeprefix(f"{stack}_")
    state = seen["CurrentState"].split(" ", 1)[0].lower()
    return Task(seen["ID"], name, service, seen["Node"], seen["DesiredState"].lower(), state, seen["Error"].strip('"'))


def _count(text: str) -> int:
    """How many there are to be: from `1/2`, `1/2 (max 1 per node)` or, of a job, `0/1 (1/3 completed)`."""
    found = re.search(r"\(\d+/(\d+) completed\)", text) or re.match(r"\d+/(\d+)", text)
    return int(found[1]) if found else 0


def _service(name: str, seen: Mapping[str, Any], wanted: int, tasks: tuple[Task, ...]) -> Service:
    spec, status = seen["Spec"], seen.get("UpdateStatus") or {}
    update = spec.get("UpdateConfig") or {}
    ports = (seen.get("Endpoint") or {}).get("Ports") or []
    return Service(
        name=name,
        id=seen["ID"],
        image=spec["TaskTemplate"]["ContainerSpec"]["Image"],
        digest=hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16],
        version=int(seen["Version"]["Index"]),
        update=status.get("State") or "",
        message=status.get("Message") or "",
        began=status.get("StartedAt") or "",
        job=any(key.endswith("Job") for key in spec.get("Mode") or {}),
        wanted=wanted,
        monitor=(update.get("Monitor", 5 * _NANO) + update.get("Delay", 0)) / _NANO,
        ports=frozenset((one["PublishedPort"], one["Protocol"]) for one in ports if one.get("PublishedPort")),
        tasks=tasks,
    )
