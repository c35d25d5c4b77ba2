"""What one look at the engine saw of a project: its containers, volumes and networks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opslib.command import Command
from opslib.compose.environment import Environment
from opslib.compose.project import Port
from opslib.compose.script import docker_script, read_all, sections

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

LABEL = "com.docker.compose."
STACK = "com.docker.stack.namespace"
"""The label of what belongs to a stack of a Swarm: its name, which is the project's."""
SWARM = "com.docker.swarm."

# $1 the project. Of a Swarm's tasks only those that run: ended ones stay there beside those in their place.
IDS = """{ docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$1" \\
    --filter label=com.docker.compose.oneoff &&
  docker ps -q --no-trunc --filter "label=com.docker.stack.namespace=$1"; }"""

# $1 the project. A container may go between the list and the look at it: then everything is looked at once more. An
# image that Compose has built has the labels of project and service too, and so has whatever `docker run` makes of it:
# only Compose's own containers say whether they are one-off.
_LOOK = """users='[{{json .ID}},{{json .Mounts}},{{json (.Label "com.docker.compose.project")}}'
users+=',{{json (.Label "com.docker.compose.project.working_dir")}},{{json (.Label "opslib")}}]'
look() {
  local ids volumes; printf '# begin\\n# containers\\n'
  ids=$(@IDS@) || return
  [ -z "$ids" ] || docker inspect --type container --format '{{json .}}' $ids || return
  printf '# volumes\\n'; volumes=$(docker volume ls -q) || return
  [ -z "$volumes" ] || docker volume inspect --format '{{json .}}' $volumes || return
  printf '# networks\\n'
  docker network ls --filter "label=com.docker.compose.project=$1" --format '{{json .Name}}' || return
  printf '# users\\n'
  docker ps -a --no-trunc --format "$users"
}
look "$1" 2>/dev/null || { printf '\\n'; look "$1" 2>/dev/null; } || { printf '\\n'; look "$1"; }""".replace(
    "@IDS@", IDS
)


@dataclass(frozen=True, slots=True)
class Mounted:
    """A mount of a container: `name` is the volume's, "" for a bind mount, whose path is `source`."""

    type: str
    name: str
    source: str
    destination: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Container:
    """A container as it was seen. `state` is Docker's word, `health` "" where there is no health check, `exit_code`
    that of the last end; times are Docker's own text (RFC 3339). Commands may hold passwords and are not shown."""

    id: str
    name: str
    service: str
    number: int
    image: str
    image_id: str
    state: str
    health: str
    exit_code: int
    started_at: str
    restart_count: int
    oom_killed: bool
    restart_policy: str
    stop_timeout: int
    labels: Mapping[str, str] = field(repr=False)
    mounts: tuple[Mounted, ...]
    env: Environment
    ports: tuple[Port, ...]
    networks: Mapping[str, str]  # name -> address, "" while it does not run
    network_mode: str
    user: str
    health_output: str = field(default="", repr=False)
    entrypoint: tuple[str, ...] = field(default=(), repr=False)
    command: tuple[str, ...] = field(default=(), repr=False)
    read_only: bool = False  # its root
    health_test: tuple[str, ...] = field(default=(), repr=False)

    @property
    def running(self) -> bool:
        """Whether its process is there: it serves, or is paused or about to be restarted."""
        return self.state in ("running", "paused", "restarting")

    @property
    def config_hash(self) -> str:
        """Compose's digest of the service that this container was made from."""
        return self.labels.get(f"{LABEL}config-hash", "")

    @property
    def working_dir(self) -> str:
        """The project's folder when it was made."""
        return self.labels.get(f"{LABEL}project.working_dir", "")

    @property
    def one_off(self) -> bool:
        """Made by `docker compose run`, so no part of the service."""
        return self.labels.get(f"{LABEL}oneoff", "False").lower() == "true"

    @property
    def task(self) -> str:
        """The id of the Swarm's task that it is, "" for a container of Compose. A Swarm starts another in the place of
        one that is stopped."""
        return self.labels.get(f"{SWARM}task.id", "")


@dataclass(frozen=True, slots=True)
class SeenVolume:
    """A volume on the engine. `mounted_by` are the ids of containers of any project, running or not, without opslib's
    own tools; `owners` the folders that those containers' projects were started from."""

    name: str
    labels: Mapping[str, str]
    driver: str
    mounted_by: tuple[str, ...] = ()
    owners: frozenset[str] = frozenset()

    @property
    def project(self) -> str:
        """The project that made it, "" for a volume that neither Compose nor a stack of a Swarm made."""
        return self.labels.get(f"{LABEL}project") or self.labels.get(STACK, "")

    @property
    def key(self) -> str:
        """Its key in the compose files that made it."""
        default = self.name.removeprefix(f"{self.labels[STACK]}_") if STACK in self.labels else ""
        return self.labels.get(f"{LABEL}volume") or default


@dataclass(frozen=True, slots=True)
class Stack:
    """One look. `volumes` are the project's own and those that its containers mount, `all_volumes` the engine's;
    `folders` says which folders each project on the engine was started from."""

    project: str
    containers: tuple[Container, ...] = ()
    volumes: tuple[SeenVolume, ...] = ()
    all_volumes: tuple[SeenVolume, ...] = ()
    networks: tuple[str, ...] = ()
    folders: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def service(self, name: str) -> list[Container]:
        """The containers of a service by their number, without those of `docker compose run`."""
        found = [c for c in self.containers if c.service == name and not c.one_off]
        return sorted(found, key=lambda container: (container.number, container.id))

    @property
    def running(self) -> list[Container]:
        """The containers that run."""
        return [container for container in self.containers if container.running]

    def volume(self, name: str) -> SeenVolume | None:
        """A volume of the engine by its real name."""
        return next((volume for volume in self.all_volumes if volume.name == name), None)


def look_command(host: Host, project: str) -> Command:
    """The one round trip of `look`."""
    return docker_script(host, _LOOK, project)


def look(target: Target, project: str) -> Stack:
    """What of the project is on the engine now. One round trip. Raises CommandFailed when docker fails."""
    return parse_stack(project, read_all(target, look_command(target.host, project)))


def parse_stack(project: str, text: str) -> Stack:
    """The stack from what `look_command` printed; the last attempt counts."""
    parts = sections("# begin" + text.rsplit("# begin", 1)[-1])
    containers = tuple(parse_containers(parts.get("containers", [])))
    users = [json.loads(line) for line in parts.get("users", [])]
    folders: dict[str, set[str]] = {}
    by_mount: dict[str, list[tuple[str, str]]] = {}
    for container, mounts, owner, folder, tool in users:
        if tool == "1":  # one of ours, which comes and goes
            continue
        if owner:
            folders.setdefault(owner, set()).add(folder)
        for name in mounts.split(","):
            by_mount.setdefault(name, []).append((container, folder))
    volumes = tuple(_volume(json.loads(line), by_mount) for line in parts.get("volumes", []))
    mounted = {mount.name for container in containers for mount in container.mounts if mount.name}
    own = tuple(volume for volume in volumes if volume.project == project or volume.name in mounted)
    networks = tuple(json.loads(line) for line in parts.get("networks", []))
    frozen = {name: frozenset(paths) for name, paths in folders.items()}
    return Stack(project, containers, own, volumes, networks, frozen)


def _volume(seen: Mapping[str, Any], by_mount: Mapping[str, list[tuple[str, str]]]) -> SeenVolume:
    users = by_mount.get(seen["Name"], [])
    return SeenVolume(
        name=seen["Name"],
        labels=seen.get("Labels") or {},
        driver=seen.get("Driver", ""),
        mounted_by=tuple(container for container, _ in users),
        owners=frozenset(folder for _, folder in users if folder),
    )


def parse_containers(lines: Iterable[str]) -> list[Container]:
    """The containers from `docker inspect`, one on a line; a task of a Swarm that ended since it was listed is none."""
    found = [parse_container(json.loads(line)) for line in lines]
    return [one for one in found if one.running or not one.task]


def parse_container(seen: Mapping[str, Any]) -> Container:
    """A container from the JSON of `docker inspect`."""
    state, config, host = seen["State"], seen["Config"], seen["HostConfig"]
    labels = config.get("Labels") or {}
    health = state.get("Health") or {}
    log = health.get("Log") or [{}]
    service, number = _place(labels)
    networks = (seen.get("NetworkSettings") or {}).get("Networks") or {}
    timeout = config.get("StopTimeout")
    return Container(
        id=seen["Id"],
        name=seen["Name"].lstrip("/"),
        service=service,
        number=int(number) if number.isdigit() else 1,
        image=config.get("Image", ""),
        image_id=seen["Image"],
        state=state["Status"],
        health="" if health.get("Status") == "none" else health.get("Status", ""),
        exit_code=state.get("ExitCode", 0),
        started_at=state.get("StartedAt", ""),
        restart_count=seen.get("RestartCount", 0),
        oom_killed=bool(state.get("OOMKilled")),
        restart_policy=(host.get("RestartPolicy") or {}).get("Name") or "no",
        stop_timeout=10 if timeout is None else int(timeout),
        labels=labels,
        mounts=tuple(
            Mounted(m["Type"], m.get("Name", ""), m.get("Source", ""), m["Destination"], not m.get("RW", True))
            for m in seen.get("Mounts") or []
        ),
        env=Environment.from_list(config.get("Env") or []),
        ports=tuple(_ports((seen.get("NetworkSettings") or {}).get("Ports") or {})),
        networks={name: (net or {}).get("IPAddress") or (net or {}).get("GlobalIPv6Address") or ""
                  for name, net in networks.items()},
        network_mode=host.get("NetworkMode", ""),
        user=config.get("User", ""),
        health_output=(log[-1] or {}).get("Output", "").strip(),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        read_only=bool(host.get("ReadonlyRootfs")),
        health_test=tuple((config.get("Healthcheck") or {}).get("Test") or ()),
    )  # fmt: skip


def _place(labels: Mapping[str, str]) -> tuple[str, str]:
    """Which service a container is of, and its number there."""
    # STACK_SERVICE.NUMBER.ID, with a node's id in place of the number in global mode
    task = labels.get(f"{SWARM}task.name", "").rsplit(".", 2)
    service = labels.get(f"{SWARM}service.name", "").removeprefix(f"{labels.get(STACK, '')}_")
    number = task[1] if len(task) == 3 else "1"
    return labels.get(f"{LABEL}service", service), labels.get(f"{LABEL}container-number", number)


def _ports(ports: Mapping[str, Any]) -> Iterable[Port]:
    for inside, outside in ports.items():
        target, _, protocol = inside.partition("/")
        for one in outside or []:
            yield Port(one.get("HostIp", ""), one.get("HostPort", ""), int(target), protocol or "tcp")
