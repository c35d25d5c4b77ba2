"""What containers mount: how it is called, whose it is, and what of it can be data."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from opslib.backup.found import Found, Wishes
from opslib.backup.scan import Place
from opslib.settings import globs, kinds

if TYPE_CHECKING:
    from opslib.compose.stack import Container, Mounted, SeenVolume, Stack

# Folders of the machine's own, which a container may mount to look at.
_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var/lib/docker",
           "/var/log", "/var/run")  # fmt: skip


def place_of(one: Mounted) -> Place:
    """Where what is mounted lies."""
    return Place("volume", one.name) if one.type == "volume" else Place("bind", one.source)


def writable(container: Container) -> set[Place]:
    """The volumes and folders that a container may write to."""
    return {place_of(one) for one in container.mounts if one.type in ("volume", "bind") and not one.read_only}


def holding(container: Container, data: str) -> set[Place]:
    """The mounts that an engine's data folder is in, or that are in it."""
    return {
        place_of(one)
        for one in container.mounts
        if one.type in ("volume", "bind")
        and (f"{data}/".startswith(f"{one.destination.rstrip('/')}/") or one.destination.startswith(f"{data}/"))
    }


def services(stack: Stack, place: Place) -> tuple[str, ...]:
    """The services whose containers mount a volume, or a folder of the machine."""
    found = (container.service for container in stack.containers for one in container.mounts if place_of(one) == place)
    return tuple(dict.fromkeys(found))


def title(wishes: Wishes, place: Place) -> str:
    """How people call a volume, or a folder or file of the machine: `volume uploads`, `folder up/`."""
    if place.kind != "volume":
        below = f"{place.source}/".startswith(f"{wishes.root.rstrip('/')}/")
        return f"folder {posixpath.relpath(place.source, wishes.root) if below else place.source}"
    volume = wishes.volume(place.source)
    if volume is None or not unnamed(volume):
        return f"volume {volume.key or volume.name if volume else place.source}"
    mounts = ((container, one) for container in wishes.stack.containers for one in container.mounts)
    where = (f"of service {container.service}, at {one.destination}" for container, one in mounts
             if one.name == volume.name)  # fmt: skip
    return f"an unnamed volume {next(where, volume.name)}"


def unnamed(volume: SeenVolume) -> bool:
    """Whether it is one that nobody gave a name, of a single container."""
    random = len(volume.name) == 64 and all(character in "0123456789abcdef" for character in volume.name)
    return not volume.key and (random or "com.docker.volume.anonymous" in volume.labels)


def folders(stack: Stack, wishes: Wishes, ours: Collection[Place], found: Found,
            ) -> tuple[dict[Place, bool], dict[Place, Place]]:  # fmt: skip
    """The folders and files of the machine that containers may write to, and those that the host file names (True);
    and by place what is mounted beside these and is a part of one. What else is mounted is told to `found`, but for
    `ours`, the places of engines."""
    seen: dict[str, str] = {}  # by path, why it is no data: "" where it is
    for container in stack.containers:
        for one in container.mounts:
            if one.type == "bind":
                why = _no_data(container, one, wishes)
                seen[one.source] = min(why, seen.get(one.source, why), key=_WHYS.index)
            elif one.type == "tmpfs":
                found.skip(
                    f"memory at {one.destination}", (container.service,), "no data", "it is gone with the container"
                )
    named = [
        posixpath.normpath(posixpath.join(wishes.root, path))
        for spec in wishes.host.backup.sources
        if isinstance(spec, kinds.Files) and not any(map(globs.is_glob, spec.paths))
        for path in spec.paths
    ]
    wanted = [*(path for path, why in seen.items() if not why), *named]
    outer = {one: one in named for one in wanted if not _above(one, wanted)}
    inner: dict[Place, Place] = {}
    for path, why in seen.items():
        place, above = Place("bind", path), _above(path, outer)
        if above:
            inner[place] = Place("bind", above)
        elif path not in outer and place not in ours:
            found.skip(title(wishes, place), services(stack, place), "excluded" if why == EXCLUDED else "no data", why)
    return {Place("bind", path): name for path, name in outer.items()}, inner


EXCLUDED = "the host file excludes it"
_OWN = "it is the machine's own"
_ONE_OFF = "only docker compose run mounts it"
_READ_ONLY = "it is mounted read-only"
_WHYS = ("", EXCLUDED, _OWN, _ONE_OFF, _READ_ONLY)  # of several containers that mount it, the first counts


def _no_data(container: Container, one: Mounted, wishes: Wishes) -> str:
    """Why a folder that a container mounts is no data that is backed up, "" where it is."""
    if wishes.out(container.service) or wishes.out_path(one.source):
        return EXCLUDED
    ours = one.source.startswith(f"{wishes.root.rstrip('/')}/")  # a project may stand in /tmp
    if not ours and (one.source == "/" or any(f"{one.source}/".startswith(f"{own}/") for own in _SYSTEM)):
        return _OWN
    if container.one_off:
        return _ONE_OFF
    return _READ_ONLY if one.read_only else ""


def _above(path: str, others: Iterable[str]) -> str:
    """The one of the others that a path is below, "" for none."""
    return next((one for one in others if one != path and path.startswith(f"{one}/")), "")
