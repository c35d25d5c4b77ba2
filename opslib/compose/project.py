"""What the compose files want, as Docker Compose itself reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opslib.command import Command
from opslib.compose.environment import Environment
from opslib.target.docker import Env, docker
from opslib.target.process import mask

if TYPE_CHECKING:
    from opslib.settings.model import Host

COMPLETED = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class Port:
    """A published port. `published` is "" for one that the engine picks, and may be a range ("8000-8010")."""

    host_ip: str
    published: str
    target: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Mount:
    """What a service mounts: `type` is "volume" (source: the key in `Project.volumes`, "" when anonymous), "bind",
    "tmpfs", or "config" and "secret" for those that come from a file."""

    type: str
    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Build:
    """How an image is built: its context (a folder or an address), its Dockerfile; `settings` is the whole entry as
    Compose resolved it, `secrets` the top-level secrets that it names."""

    context: str
    dockerfile: str
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def args(self) -> Environment:
        """The build args that have a value."""
        return Environment({key: str(one) for key, one in (self.settings.get("args") or {}).items() if one is not None})


@dataclass(frozen=True, slots=True)
class Service:
    """One service. `healthcheck` is None where the compose files say nothing: the image may bring one. `patience`: the
    seconds after which a health check of the compose files has decided, at the latest."""

    name: str
    image: str
    build: Build | None = None
    ports: tuple[Port, ...] = ()
    mounts: tuple[Mount, ...] = ()
    depends_on: Mapping[str, str] = field(default_factory=dict)
    healthcheck: bool | None = None
    patience: float = 0.0
    restart: str = "no"
    environment: Environment = field(default_factory=Environment)
    command: tuple[str, ...] | None = field(default=None, repr=False)
    networks: tuple[str, ...] = ()
    network_mode: str = ""
    replicas: int = 1
    platform: str = ""
    container_name: str = ""
    hash: str = ""  # Compose's own digest of the service: the label of a container that is up to date


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume: its key in the compose files, its real name on the engine."""

    key: str
    name: str
    external: bool = False


@dataclass(frozen=True, slots=True)
class Project:
    """The whole of it, and how Compose is asked for it (`root`, `files`, `env_file`). `swarm`: the text of the stack as
    `docker stack deploy` takes it, where its containers are tasks of a Swarm."""

    name: str
    services: Mapping[str, Service]
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)  # key -> real name
    root: str = ""
    files: tuple[str, ...] = ()
    env_file: str | None = None
    swarm: bytes | None = field(default=None, repr=False)

    def compose(self, host: Host, *args: str, **options: Any) -> Command:
        """`docker compose ARGS` for this project; options as for `compose_command`."""
        return compose_command(host, self.root, self.name, self.files, self.env_file, *args, **options)

    def volume_name(self, mount: Mount) -> str:
        """The real name of a mounted volume, "" for an anonymous one."""
        volume = self.volumes.get(mount.source) if mount.type == "volume" else None
        return volume.name if volume else ""

    def one_shots(self) -> frozenset[str]:
        """Services that are meant to end: others wait for them to complete."""
        return frozenset(
            name
            for service in self.services.values()
            for name, condition in service.depends_on.items()
            if condition == COMPLETED
        )

    def secrets(self) -> tuple[str, ...]:
        """The values of all services' variables and build args that are to be masked."""
        built = [service.build.args for service in self.services.values() if service.build]
        variables = [*(service.environment for service in self.services.values()), *built]
        return tuple({text for one in variables for text in one.secrets()})

    def masked(self, text: str) -> str:
        """The text without the secrets of any service."""
        return mask(text, self.secrets())


def compose_command(
    host: Host,
    root: str,
    project: str,
    files: Sequence[str],
    env_file: str | None,
    *args: str,
    env: Env | None = None,
    limit: float | None = None,
) -> Command:
    """`docker compose ARGS`, always with the project's name and its folder: a file elsewhere would change both.

    `files` and `env_file` are relative to `root` or absolute. Without files Compose looks for its usual ones in
    `root`, without an env file for `.env` there.
    """
    options = ["--project-name", project, "--project-directory", root]
    for file in files:
        options += ["--file", absolute(root, file)]
    if env_file:
        options += ["--env-file", absolute(root, env_file)]
    return docker(host, "compose", *options, *args, env=env, limit=limit)


def absolute(root: str, path: str) -> str:
    """A path of a host file on the machine: relative ones begin at the project's folder."""
    return path if path.startswith("/") else f"{root.rstrip('/')}/{path}"


def parse_project(
    config: Mapping[str, Any],
    *,
    root: str = "",
    files: Sequence[str] = (),
    env_file: str | None = None,
    hashes: Mapping[str, str] | None = None,
) -> Project:
    """The project from the JSON of `docker compose config`, whose doubled dollars are already single."""
    name = config.get("name", "")
    volumes = {
        key: Volume(key, (entry or {}).get("name") or f"{name}_{key}", bool((entry or {}).get("external")))
        for key, entry in (config.get("volumes") or {}).items()
    }
    networks = {
        key: (entry or {}).get("name") or f"{name}_{key}" for key, entry in (config.get("networks") or {}).items()
    }
    services = {
        key: _service(config, name, key, entry, (hashes or {}).get(key, ""))
        for key, entry in (config.get("services") or {}).items()
    }
    return Project(name, services, volumes, networks, root, tuple(files), env_file)


def _service(config: Mapping[str, Any], project: str, name: str, entry: Mapping[str, Any], digest: str) -> Service:
    build, deploy, health = entry.get("build"), entry.get("deploy") or {}, entry.get("healthcheck")
    replicas = deploy.get("replicas", entry.get("scale"))
    command = entry.get("command")
    return Service(
        name=name,
        image=entry.get("image") or f"{project}-{name}",
        build=_build(config, build) if build else None,
        ports=tuple(_port(port) for port in entry.get("ports") or []),
        mounts=tuple(_mounts(config, entry)),
        depends_on={on: how.get("condition", "service_started") for on, how in (entry.get("depends_on") or {}).items()},
        healthcheck=None if health is None else not (health.get("disable") or health.get("test") == ["NONE"]),
        patience=_patience(health or {}),
        restart=_restart(entry),
        environment=Environment({key: str(value) for key, value in (entry.get("environment") or {}).items()
                                 if value is not None}),
        command=tuple(command) if command is not None else None,
        networks=tuple(entry.get("networks") or {}),
        network_mode=entry.get("network_mode", ""),
        replicas=1 if replicas is None else int(replicas),
        platform=entry.get("platform", ""),
        container_name=entry.get("container_name", ""),
        hash=digest,
    )  # fmt: skip


def _build(config: Mapping[str, Any], build: Mapping[str, Any]) -> Build:
    known = config.get("secrets") or {}
    used = {one["source"]: known.get(one["source"]) or {} for one in build.get("secrets") or []}
    return Build(build.get("context", ""), build.get("dockerfile", "Dockerfile"), build, used)


def _restart(entry: Mapping[str, Any]) -> str:
    """The policy without its count; Compose takes `deploy.restart_policy` where `restart` is absent."""
    if entry.get("restart"):
        return str(entry["restart"]).split(":")[0]
    condition = ((entry.get("deploy") or {}).get("restart_policy") or {}).get("condition")
    return {"any": "always", "on-failure": "on-failure"}.get(str(condition), "no")


def _patience(health: Mapping[str, Any]) -> float:
    """Docker's own defaults: every 30 s, and three failures are one too many."""
    retries = health.get("retries")
    return seconds(health.get("start_period"), 0) + seconds(health.get("interval"), 30) * int(retries or 3)


def seconds(text: Any, default: float) -> float:
    """A duration as Compose writes it, like 1m30s; `default` where there is none."""
    if not text:
        return default
    found = re.findall(r"([0-9.]+)(h|ms|m|us|µs|ns|s)", str(text))
    return sum(float(number) * _UNITS[unit] for number, unit in found)


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def _port(port: Mapping[str, Any]) -> Port:
    return Port(
        port.get("host_ip", ""), str(port.get("published", "")), int(port["target"]), port.get("protocol", "tcp")
    )


def _mounts(config: Mapping[str, Any], entry: Mapping[str, Any]) -> Iterator[Mount]:
    for mount in entry.get("volumes") or []:
        yield Mount(mount["type"], mount.get("source", ""), mount["target"], bool(mount.get("read_only")))
    for kind in ("configs", "secrets"):
        for use in entry.get(kind) or []:
            file = ((config.get(kind) or {}).get(use["source"]) or {}).get("file")
            if file:
                default = f"/run/secrets/{use['source']}" if kind == "secrets" else f"/{use['source']}"
                target = use.get("target") or default
                if not target.startswith("/"):
                    target = f"/run/secrets/{target}" if kind == "secrets" else f"/{target}"
                yield Mount(kind[:-1], file, target, read_only=True)
