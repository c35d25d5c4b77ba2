"""One look at a machine's Docker engine: what it is, and whether it can be used."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opslib.command import Command
from opslib.compose.script import docker_script, sections
from opslib.errors import DockerNotAllowed, NoDocker, OpsError

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

_ARCH = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}

_INSTALL_COMPOSE = (
    "sudo apt-get install docker-compose-v2 (Ubuntu), docker-compose (Debian 13), "
    "or docker-compose-plugin (Docker's own packages)"
)

# `info` ends with 0 or 1 without an engine, depending on its version, so what it says is looked at.
# The engine's folder may be closed to this user; the nearest folder above it that is open is on the same disk, mostly.
_LOOK = """exec 3>&1; printf '# info\\n'
err=$(docker info --format '{{json .}}' 2>&1 >&3)
printf '\\n# said\\n %s\\n# compose\\n' "${err//$'\\n'/$'\\n' }"
docker compose version --short 2>/dev/null
printf '\\n# disk\\n'; root=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null)
until df -PB1 -- "${root:-/}" 2>/dev/null || [ -z "$root" ]; do root=${root%/*}; done
printf '# user\\n%s\\n' "$(id -un)" """


@dataclass(frozen=True, slots=True)
class Engine:
    """A usable engine. `store` is the image store: "containerd" or the storage driver ("overlay2", …)."""

    version: str
    compose_version: str
    arch: str
    store: str
    root_dir: str
    free_bytes: int


def look_command(host: Host) -> Command:
    """The one round trip of `look_at_engine`."""
    return docker_script(host, _LOOK)


def look_at_engine(target: Target) -> Engine:
    """What engine is there. One round trip.

    Raises NoDocker, DockerNotAllowed, or OpsError where Docker Compose is missing or older than 2, each with the next
    command to type.
    """
    try:
        return engine_from(target.run(look_command(target.host)).text)
    except OpsError as error:
        raise error.on(target.host.name) from None


def engine_from(text: str) -> Engine:
    """The engine from what `look_command`, or another look with the same sections, printed. Raises as
    `look_at_engine`."""
    parts = sections(text)
    info: dict[str, Any] = next((json.loads(line) for line in parts.get("info", []) if line.startswith("{")), {})
    if not info.get("ServerVersion"):
        said = [line.strip() for line in parts.get("said", [])]
        errors = "\n".join([*said, *(info.get("ServerErrors") or [])]).strip()
        raise _no_engine(errors, user=(parts.get("user") or ["$USER"])[0])
    plugins = (info.get("ClientInfo") or {}).get("Plugins") or []
    plugin = next((one.get("Version", "") for one in plugins if one.get("Name") == "compose"), "")
    compose = (parts.get("compose") or [plugin])[0].strip().lstrip("v")
    major = re.match(r"\d+", compose)
    if not major or int(major[0]) < 2:
        what = f"Docker Compose {compose} is too old, 2 or newer is needed" if compose else "Docker Compose is missing"
        raise OpsError(what, next=_INSTALL_COMPOSE)
    status = dict(pair for pair in info.get("DriverStatus") or [] if len(pair) == 2)
    containerd = str(status.get("driver-type", "")).startswith("io.containerd.snapshotter")
    disk = (parts.get("disk") or [""])[-1].split()
    return Engine(
        version=info["ServerVersion"],
        compose_version=compose,
        arch=_ARCH.get(info.get("Architecture", ""), info.get("Architecture", "")),
        store="containerd" if containerd else info.get("Driver", ""),
        root_dir=info.get("DockerRootDir", ""),
        free_bytes=int(disk[3]) if len(disk) > 5 else 0,
    )


def no_compose(said: str) -> OpsError:
    """The error for a `docker compose` that could not be called at all, from what was said instead."""
    missing = "is not a docker command" in said or "unknown command" in said
    return NoDocker("Docker Compose is missing", next=_INSTALL_COMPOSE) if missing else _no_engine(said, user="$USER")


def _no_engine(said: str, *, user: str) -> OpsError:
    lowered = said.lower()
    if "permission denied" in lowered:
        return DockerNotAllowed(
            f"user {user} may not use Docker there",
            next=f"sudo usermod -aG docker {user}, and log in anew; or `docker: [sudo, -n, docker]` in the host file",
        )
    if "sudo: command not found" in lowered or "sudo: not found" in lowered:
        return DockerNotAllowed("sudo is not installed there", next="set `docker: [docker]` in the host file")
    if "sudo:" in lowered and ("password" in lowered or "not allowed" in lowered or "may not" in lowered):
        return DockerNotAllowed(
            f"user {user} may not call docker by sudo without a password",
            next=f"echo '{user} ALL=(root) NOPASSWD: /usr/bin/docker' | sudo tee /etc/sudoers.d/docker-{user}",
        )
    if "cannot connect" in lowered or "is the docker daemon running" in lowered or "error during connect" in lowered:
        return NoDocker("the Docker engine does not run", next="sudo systemctl enable --now docker")
    if not said or "not found" in lowered or "no such file" in lowered:
        return NoDocker(
            "Docker is not installed there",
            next="sudo apt-get install docker.io docker-compose-v2 (Debian 13: docker.io docker-cli docker-compose)",
        )
    return NoDocker(f"the Docker engine does not answer: {said.splitlines()[-1]}", next="docker info")
