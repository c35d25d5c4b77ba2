"""Which Compose project a host's folder stands for: the name comes from what runs, not from the folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslib.command import Command
from opslib.compose.script import docker_script, read_all, sections
from opslib.errors import BadSettings

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

# Folders are compared as the kernel sees them: a label may name a symlink.
_FIND = """l=com.docker.compose.project; one='[{{json .State}},{{json (.Label "com.docker.compose.project")}}'
one+=',{{json (.Label "com.docker.compose.project.working_dir")}}'
one+=',{{json (.Label "com.docker.compose.project.config_files")}}]'; s=com.docker.stack.namespace
printf '# containers\\n'; docker ps -a --filter "label=$l" --format "$one"; code=$?
docker ps --filter "label=$s" --format "${one/$l/$s}" || code=$?
printf '\\n# folders\\n'
docker ps -a --filter "label=$l.working_dir" --format '{{.Label "com.docker.compose.project.working_dir"}}' | sort -u |
  while IFS= read -r folder; do [ -z "$folder" ] || printf ' %s\\n %s\\n' "$folder" "$(realpath -m -- "$folder")"; done
exit "$code" """


@dataclass(frozen=True, slots=True)
class Found:
    """A project on the engine: the folders (resolved) that it was started from, its compose files, whether any
    container runs."""

    name: str
    folders: frozenset[str]
    files: frozenset[str]
    running: bool


def find_command(host: Host) -> Command:
    """The one round trip of `find_projects`."""
    return docker_script(host, _FIND)


def find_projects(target: Target) -> dict[str, Found]:
    """The Compose projects that have containers on the engine. One round trip."""
    return parse_found(read_all(target, find_command(target.host)))


def parse_found(text: str) -> dict[str, Found]:
    """The projects from what `find_command` printed."""
    parts = sections(text)
    pairs = [line[1:] for line in parts.get("folders", [])]
    resolved = dict(zip(pairs[::2], pairs[1::2], strict=False))
    return gathered((json.loads(line) for line in parts.get("containers", [])), resolved)


def gathered(containers: Iterable[Sequence[str]], resolved: Mapping[str, str]) -> dict[str, Found]:
    """The projects of containers, each told as state, project, folder and compose files joined by commas."""
    found: dict[str, Found] = {}
    for state, name, folder, files in containers:
        old = found.get(name, Found(name, frozenset(), frozenset(), False))
        found[name] = Found(
            name,
            old.folders | {resolved.get(folder, folder)} - {""},
            old.files | set(files.split(",")) - {""},
            old.running or state in ("running", "restarting", "paused"),
        )
    return found


def recognise_project(target: Target, host: Host, named: str | None = None) -> str:
    """The project's name: the host file's, else that of the containers started from this folder (running ones
    first), else `named` (what the compose files call it, where the caller knows), else the folder's name.

    Raises BadSettings where several projects run from the folder, or the folder's name makes none.
    """
    if host.project:
        return host.project
    try:
        return choose(find_projects(target), target.root, named)
    except BadSettings as error:
        raise error.on(host.name) from None


def choose(found: Mapping[str, Found], root: str, named: str | None = None) -> str:
    """The pure part of `recognise_project`."""
    default = named or normalised(root.rstrip("/").rsplit("/", 1)[-1])
    here = [one for one in found.values() if _from(one, root)]
    candidates = [one.name for one in here if one.running] or [one.name for one in here]
    if len(candidates) > 1 and default not in candidates:
        raise BadSettings(
            f"several projects were started from {root}: {', '.join(sorted(candidates))}",
            next="say which one with `project:` in the host file",
        )
    name = default if default in candidates or not candidates else candidates[0]
    if not name:
        raise BadSettings(f"the folder's name {root} makes no project name", next="set `project:` in the host file")
    return name


def _from(project: Found, root: str) -> bool:
    return root in project.folders or any(file.startswith(f"{root}/") for file in project.files)


def normalised(name: str) -> str:
    """A folder's name as Compose makes a project's name of it."""
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-")
