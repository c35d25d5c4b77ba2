"""Data that services would lose sight of: what they write to now, against what the new compose files mount.

A deploy never deletes a volume or a folder of data. A service that begins with an empty one in place of its own has
lost its data all the same, for everybody who uses it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from opslib.compose.project import Mount, Project, Service
from opslib.compose.stack import SeenVolume, Stack

_MACHINES_OWN = ("/proc", "/sys", "/dev", "/run", "/var/run", "/etc/localtime")
_NO_DATA = (".gitkeep", ".gitignore", ".keep", "__pycache__", "node_modules", ".DS_Store")


@dataclass(frozen=True, slots=True)
class Held:
    """What a service writes to now, at `at` in its container: a volume by its real name, or a folder or file of the
    machine by its path."""

    service: str
    kind: Literal["volume", "bind"]
    name: str
    at: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A path of the machine: where it really is, what it is, and the names in it. `closed`: nobody may look in."""

    real: str
    what: Literal["file", "folder", "closed", "none"]
    names: tuple[str, ...] = ()

    def holds_data(self, path: str, files: Iterable[str]) -> bool:
        """Whether there is anything that no release wrote; `files` are those that one did, absolute."""
        mine = [one for one in files if os.path.basename(one) not in _NO_DATA]
        if self.what in ("none", "closed"):
            return self.what == "closed"
        if self.what == "file":
            return path not in mine
        return any(
            name not in _NO_DATA and not any(f"{one}/".startswith(f"{path}/{name}/") for one in mine)
            for name in self.names
        )


@dataclass(frozen=True, slots=True)
class Loss:
    """What a service would no longer see, and what it would have instead. `meant`: other data are there already, as
    whoever moved them has left them."""

    held: Held
    instead: str
    meant: bool = False


def held(stack: Stack, released: Project | None) -> list[Held]:
    """What the project's services write to: as their containers say, or the last release of those that have none."""
    found = [
        Held(container.service, mount.type, mount.name or mount.source, mount.destination)  # type: ignore[arg-type]
        for container in stack.containers if not container.one_off
        for mount in container.mounts if not mount.read_only and mount.type in ("volume", "bind")
    ]  # fmt: skip
    there = {container.service for container in stack.containers}
    if released is not None:
        found += [
            Held(name, mount.type, real, mount.target)  # type: ignore[arg-type]
            for name, service in released.services.items() if name not in there
            for mount in service.mounts if not mount.read_only and mount.type in ("volume", "bind")
            if (real := _name(released, mount))
        ]  # fmt: skip
    return list(dict.fromkeys(found))


def gone(released: Project, project: Project, volumes: Mapping[str, SeenVolume]) -> list[Held]:
    """The volumes that the last release had, that the new compose files still mount, and that the engine has no more:
    after `docker compose down -v`, say."""
    wanted = {project.volume_name(mount) for service in project.services.values() for mount in service.mounts}
    return [
        Held(name, "volume", real, mount.target)
        for name, service in released.services.items() if service.replicas
        for mount in service.mounts if (real := released.volume_name(mount)) in wanted and real and real not in volumes
    ]  # fmt: skip


def lost(
    held: Iterable[Held],
    project: Project,
    volumes: Mapping[str, SeenVolume],
    folders: Mapping[str, Folder],
    files: Iterable[str] = (),
) -> list[Loss]:
    """What of it the new project no longer mounts where it was. `volumes` are the engine's by name, `folders` what is
    known of paths (one that nothing is known of counts as data), `files` the absolute paths that a release wrote."""
    files = tuple(files)
    found = []
    for one in held:
        if one.kind == "volume" and one.name not in volumes:
            continue
        if one.kind == "bind" and not _is_data(one.name, folders, files):
            continue
        service = project.services.get(one.service)
        loss = _without(one, project, folders) if service is None else _with(one, project, service, volumes, folders)
        if loss is not None:
            found.append(loss)
    return found


def _is_data(path: str, folders: Mapping[str, Folder], files: tuple[str, ...]) -> bool:
    if any(f"{path}/".startswith(f"{own}/") for own in _MACHINES_OWN) or path == "/":
        return False
    return path not in folders or folders[path].holds_data(path, files)


def _without(one: Held, project: Project, folders: Mapping[str, Folder]) -> Loss | None:
    """The service itself is gone: whoever mounts the place now has the data."""
    mounts = (mount for service in project.services.values() for mount in service.mounts)
    return None if any(_has(one, project, mount, folders) for mount in mounts) else Loss(one, "no service would have")


def _with(
    one: Held, project: Project, service: Service, volumes: Mapping[str, SeenVolume], folders: Mapping[str, Folder]
) -> Loss | None:
    name, mounts = one.service, service.mounts
    there = next((mount for mount in mounts if mount.target.rstrip("/") == one.at.rstrip("/")), None)
    if there is None:
        having = [mount for mount in mounts if _has(one, project, mount, folders)]
        if any(_inside(one, mount) for mount in having):
            return None
        if having:
            return Loss(one, f"{name} would have, at {having[0].target},")
        # Compose hands a volume without a name on to the next container.
        return None if _unnamed(volumes.get(one.name)) else _without(one, project, folders)
    new = _name(project, there)
    if there.type == "volume":
        if new == one.name or (not new and _unnamed(volumes.get(one.name))):
            return None
        if new in volumes:
            return Loss(one, f"{name} would have volume {new}, which is there already, in place of", meant=True)
        return Loss(one, f"{name} would begin with a new, empty volume {new or 'without a name'} in place of")
    if there.type == "bind" and one.kind == "bind" and _real(new, folders) == _real(one.name, folders):
        return None
    folder = folders.get(new)
    if there.type == "bind" and folder is not None and (folder.names or folder.what in ("file", "closed")):
        return Loss(one, f"{name} would have {new}, which is there already, in place of", meant=True)
    return Loss(one, f"{name} would begin with {new or there.type}, which is empty, in place of")


def _real(path: str, folders: Mapping[str, Folder]) -> str:
    return (folders[path].real if path in folders else path).rstrip("/")


def _inside(one: Held, mount: Mount) -> bool:
    """Whether a folder above is mounted so that the place is where it was."""
    below = one.name[len(mount.source.rstrip("/")) :]
    return one.kind == "bind" and bool(below) and f"{mount.target.rstrip('/')}{below}" == one.at.rstrip("/")


def _has(one: Held, project: Project, mount: Mount, folders: Mapping[str, Folder]) -> bool:
    """Whether a mount has the place in it: the volume, the folder, or one above it."""
    if one.kind == "volume":
        return mount.type == "volume" and project.volume_name(mount) == one.name
    if mount.type != "bind":
        return False
    return f"{_real(one.name, folders)}/".startswith(f"{_real(mount.source, folders)}/")


def _name(project: Project, mount: Mount) -> str:
    return project.volume_name(mount) if mount.type == "volume" else mount.source


def _unnamed(volume: SeenVolume | None) -> bool:
    return (
        volume is not None and not volume.key and len(volume.name) == 64 and set(volume.name) <= set("0123456789abcdef")
    )


def called(one: Held, volumes: Mapping[str, SeenVolume]) -> set[str]:
    """All that a person may call it: its name, its key in the compose files, its service."""
    key = volumes[one.name].key if one.kind == "volume" and one.name in volumes else ""
    return {one.service, one.name, os.path.basename(one.name), key} - {""}
