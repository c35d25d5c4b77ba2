"""A host file for a machine, written from what is found there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.compose.engine import engine_from
from opslib.compose.recognise import Found, gathered, normalised
from opslib.compose.script import read_all
from opslib.errors import BadSettings, DockerNotAllowed, OpsError
from opslib.host.look import Machine, look_command, machine_from
from opslib.images.tools import tools_tag
from opslib.settings import yamlfile
from opslib.settings.load import HOST_NAME, LOCAL
from opslib.settings.model import Host

if TYPE_CHECKING:
    from collections.abc import Callable

    from opslib.target.base import Target

SUDO = ("sudo", "-n", "docker")


@dataclass(frozen=True, slots=True)
class Described:
    """The file's text, and what a person should know of it."""

    text: str
    system: str
    docker: str
    project: str | None
    notes: tuple[str, ...]


def free_name(root: Path, name: str) -> Path:
    """Where the file of a new host will stand. Raises BadSettings for a name that is none, or taken."""
    if not HOST_NAME.fullmatch(name) or name in (LOCAL, "example"):
        raise BadSettings(f"{name[:100]!r} cannot be a host's name", left="everything",
                          next="letters, digits, `.`, - and _; neither local nor example")  # fmt: skip
    path = root / "hosts" / f"{name}.yml"
    if os.path.lexists(path):
        raise BadSettings(f"hosts/{name}.yml is there already", left="everything",
                          next=f"inv host.check --host {name}, or another name")  # fmt: skip
    return path


def describe(host: Host, connect: Callable[[Host], Target], folder: str) -> Described:
    """Look at the machine; `folder` is the name of the project's folder here. One round trip, two where Docker is for
    sudo alone."""
    target = connect(host)
    seen = _look(target, host)
    notes: list[str] = []
    docker: tuple[str, ...] = host.docker
    try:
        told = f"Docker {engine_from(seen.docker_text).version}"
    except OpsError as error:
        again = _by_sudo(target, host) if isinstance(error, DockerNotAllowed) else None
        if again is None:
            told = "no Docker that it may use"
            notes.append(f"{error.what}: {error.next}" if error.next else error.what)
        else:
            seen, docker = again, SUDO
            told = f"Docker {engine_from(seen.docker_text).version}, by sudo"
    projects = gathered(
        ((one.state, one.project, one.folder, one.files) for one in seen.containers if one.project), seen.real_folders
    )
    chosen, others = chosen_of(projects, folder)
    if others:
        notes.append(f"several projects run there: {', '.join(others)}; say which with `path:` and `project:`")
    system = f"{seen.os.get('PRETTY_NAME', 'unknown')}, {seen.arch}"
    return Described(
        text(host, f"{system}, {told}", docker, chosen), system, told, chosen.name if chosen else None, tuple(notes)
    )


def chosen_of(projects: Mapping[str, Found], folder: str) -> tuple[Found | None, Sequence[str]]:
    """The project that is meant: the one that is called like the folder here, else the only one that runs; and, where
    none is clear, the names of all that may be."""
    found = [one for one in projects.values() if one.running and len(one.folders) == 1]
    mine = [one for one in found if one.name == normalised(folder)] or found
    return (mine[0], ()) if len(mine) == 1 else (None, sorted(one.name for one in found))


def text(host: Host, seen: str, docker: Sequence[str], project: Found | None) -> str:
    """The file. JSON's texts are YAML's, too."""
    lines = [f"# {seen}", f"address: {_plain(str(host.address))}"]
    if host.jump is not None:
        lines.append(f"jump: [{', '.join(_plain(str(hop)) for hop in host.jump)}]" if host.jump else "jump: none")
    if project is not None:
        lines += [f"path: {_plain(next(iter(project.folders)))}", f"project: {_plain(project.name)}"]
    if tuple(docker) != ("docker",):
        lines.append(f"docker: [{', '.join(map(_plain, docker))}]")
    return "\n".join([*lines, "# every other key: docs/hosts.md, hosts/example.yml", ""])


def write(path: Path, text: str) -> None:
    """Write a new file; what is there stays. Raises BadSettings."""
    path.parent.mkdir(exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise BadSettings(f"{path.parent.name}/{path.name} is there already", left="everything") from None
    except OSError as error:
        raise OpsError(f"{path} was not written: {error.strerror}") from None


def _plain(value: str) -> str:
    """A text as YAML has it: in quotes where it would be read as something else."""
    plain = value.replace("@", "").replace(".", "").replace("/", "").replace("_", "").replace("-", "")
    return value if plain.isalnum() and plain.isascii() and _read(value) == value else json.dumps(value)


def _read(value: str) -> object:
    found = yamlfile.parse(f"it: {value}", "").value
    return found["it"].value if isinstance(found, dict) else None


def _look(target: Target, host: Host) -> Machine:
    return machine_from(read_all(target, look_command(host, tools_tag())))


def _by_sudo(target: Target, host: Host) -> Machine | None:
    """The same look with Docker by sudo; None where that is not allowed either."""
    from msgspec.structs import replace

    seen = _look(target, replace(host, docker=SUDO))
    try:
        engine_from(seen.docker_text)
    except OpsError:
        return None
    return seen
