"""The volumes and mounted folders of a project that are data, and the SQLite files in them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from re import Pattern
from typing import TYPE_CHECKING

from opslib.backup import chosen, others
from opslib.backup.found import Found, Wishes
from opslib.backup.scan import BOUND, Inside, Place, scan
from opslib.backup.sqlite import SqliteFile
from opslib.backup.tree import Files, NamedVolume
from opslib.command import bash
from opslib.engines.known import ENGINES
from opslib.engines.sqlite import BESIDE
from opslib.errors import BadSettings, OpsError
from opslib.settings import globs, model

if TYPE_CHECKING:
    from opslib.compose.stack import Container, SeenVolume, Stack
    from opslib.settings.model import Host
    from opslib.target.base import Target

# Folders of the machine's own, which a container may mount to look at.
_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var/lib/docker",
           "/var/log", "/var/run")  # fmt: skip
_RELEASED = 'for f in "$1"/releases/*/files.sha256; do [ -r "$f" ] && cut -c67- -- "$f"; done; true'


def find_trees(target: Target, stack: Stack, tools: str, wishes: Wishes, engines: Mapping[Place, str],
               near: Mapping[Place, str], found: Found) -> None:  # fmt: skip
    """Add what is to be backed up file by file to `found`. `engines` are the places of databases, which are not, `near`
    what else their containers may write to; the values say which database.

    Raises OpsError for the data folder of an engine of ours on which no such server of the project runs, BadSettings
    where the host file asks for a copy of the files of one that runs.
    """
    folders = mounted_folders(stack, wishes)
    picked = _picked(target, tools, folders, found)
    volumes = {Place("volume", one.name): one for one in stack.volumes if not wishes.out_volume(one)}
    places = [place for place in [*volumes, *folders] if place not in engines or wishes.asked(place)]
    for place in places:
        if engines.get(place) in ENGINES:
            raise BadSettings(
                f"volume {place.source} is the data folder of {engines[place]}, which runs: a copy of its files would "
                "be broken, and a dump backs it up",
                host=target.host.name,
                next="take it out of `backup: sources:`",
            )
    released = _released(target, folders)
    below = {Place("bind", f"{target.root.rstrip('/')}/{path}"): one for one in picked for path in one.paths}
    seen = scan(target, tools, [*places, *below], released)
    for one in picked:
        _pick(one, {place: seen[place] for place, of in below.items() if of is one}, folders, found)
    for place in places:
        volume, inside = volumes.get(place), seen[place]
        if near.get(place) in inside.marks:
            continue
        if volume is not None:
            users = [one for one in stack.containers if one.id in volume.mounted_by]
            _volume(target.host, volume, inside, users, found, wishes.named(volume))
        elif folders[place] or inside.unreleased or not released[place]:  # also an empty folder is data
            _folder(target, place, inside, found)
    found.warnings += others.writing(target, stack, found.sources)


def mounted_folders(stack: Stack, wishes: Wishes) -> dict[Place, bool]:
    """The folders and files of the machine that containers may write to, and those that the host file names (True).
    One inside another is part of that one."""
    found: dict[str, bool] = {}
    for container in stack.containers:
        for one in container.mounts if not container.one_off and not wishes.out(container.service) else ():
            ours = one.source.startswith(f"{wishes.root.rstrip('/')}/")  # a project may stand in /tmp
            system = one.source == "/" or any(f"{one.source}/".startswith(f"{own}/") for own in _SYSTEM)
            if one.type == "bind" and not one.read_only and (ours or not system) and not wishes.out_path(one.source):
                found[one.source] = False
    for spec in wishes.host.backup.sources:
        if isinstance(spec, model.Files) and not any(map(globs.is_glob, spec.paths)):
            found.update({posixpath.normpath(posixpath.join(wishes.root, path)): True for path in spec.paths})
    outer = [one for one in found if not any(one != other and one.startswith(f"{other}/") for other in found)]
    return {Place("bind", one): found[one] for one in outer}


def _volume(host: Host, volume: SeenVolume, inside: Inside, users: Sequence[Container], found: Found,
            asked: model.Volume | None) -> None:  # fmt: skip
    title = f"volume {volume.key or volume.name}"
    service = users[0].service if users else ""
    ours = inside.marks & ENGINES.keys()
    if ours and not asked:
        raise OpsError(
            f"{title} holds {' and '.join(sorted(ours))} data, and no such server of the project runs on it",
            host=host.name,
            left="everything: no backup set was made, nothing was pruned",
            next=f"start its service, or put {volume.key or volume.name} under `backup: exclude:`",
        )
    if inside.marks and not asked:
        found.leave(service, f"{title} ({', '.join(sorted(inside.marks))} data)", volume.key or volume.name)
    elif _anonymous(volume):
        if inside.unreleased:
            found.leave(service, f"an unnamed volume of service {service}", service)
    else:
        _many(title, inside, found)
        exclude = globs.below(asked.exclude) if asked else ()
        _own(inside, title, found, left_out=globs.matcher(exclude))
        place = {"place": "volume", "volume": volume.name, "key": volume.key}
        found.sources += [SqliteFile(True, volume.name, path, place, service or None) for path in inside.sqlite]
        found.sources.append(NamedVolume(
            volume.name, volume.key, dict(volume.labels), volume.driver, _beside(inside.sqlite), inside.size,
            asked.consistency if asked else "live", exclude,
        ))  # fmt: skip


def _folder(target: Target, place: Place, inside: Inside, found: Found) -> None:
    root = target.root
    below = f"{place.source}/".startswith(f"{root.rstrip('/')}/")
    base = root if below else posixpath.dirname(place.source)
    path = posixpath.relpath(place.source, base)
    name = path if below else place.source
    if inside.type == "other":
        return
    if inside.marks:
        found.leave("", f"folder {name} ({', '.join(sorted(inside.marks))} data)", name)
        return
    _many(f"folder {name}", inside, found)
    exclude = chosen.excluded(target.host, root, place.source)
    _own(inside, f"folder {name}", found, left_out=globs.matcher(exclude), above="" if path == "." else path)
    if inside.type == "file" and inside.sqlite:
        folder, name = posixpath.split(place.source)
        found.sources.append(SqliteFile(False, folder, name, {"place": "bind", "folder": folder}))
        return
    where = {"place": "bind", "folder": place.source}
    found.sources += [SqliteFile(False, place.source, one, where) for one in inside.sqlite]
    without = [posixpath.normpath(posixpath.join(path, one)) for one in _beside(inside.sqlite)]
    left = [*chosen.own(target.host), *without] if base == root else without
    found.sources.append(Files(base, (path,), tuple(left), name, inside.size, (), exclude))


def _picked(target: Target, tools: str, folders: Mapping[Place, bool], found: Found) -> list[Files]:
    """The files that the host file names by patterns, as far as their folders are not backed up whole."""
    picked = []
    for spec in chosen.specs(target.host, patterns=True):
        one = chosen.find(target, tools, spec)
        whole = {path for path in one.paths for folder in folders
                 if f"{target.root.rstrip('/')}/{path}/".startswith(f"{folder.source}/")}  # fmt: skip
        if whole:
            found.warnings.append(f"files {one.name}: {', '.join(sorted(whole))} is backed up whole, by another source")
        if set(one.paths) - whole:
            picked.append(replace(one, paths=tuple(path for path in one.paths if path not in whole)))
    chosen.apart(target, picked)
    return picked


def _pick(one: Files, seen: Mapping[Place, Inside], folders: Mapping[Place, bool], found: Found) -> None:
    """Add chosen files; SQLite files among them, and folders among them that are backed up whole, are artifacts of
    their own."""
    wanted, left_out = globs.matcher(one.globs), globs.matcher(one.exclude)
    root, apart = one.base.rstrip("/"), []
    for place, inside in seen.items():
        path = place.source[len(root) + 1 :]
        _many(f"folder {path}", inside, found)
        _own(inside, f"folder {path}", found, left_out=left_out, wanted=wanted, above=path)
        for name in inside.sqlite:
            folder, file = (place.source, name) if name else posixpath.split(place.source)
            found.sources.append(SqliteFile(False, folder, file, {"place": "bind", "folder": folder}))
            apart.append(posixpath.normpath(posixpath.join(path, name)))
    whole = [folder.source[len(root) + 1 :] for folder in folders
             if any(f"{folder.source}/".startswith(f"{place.source}/") for place in seen)]  # fmt: skip
    size = sum(inside.size for inside in seen.values())
    found.sources.append(replace(one, without=(*one.without, *_beside(apart), *whole), size=size))


def _own(inside: Inside, title: str, found: Found, *, left_out: Pattern[bytes] | None,
         wanted: Pattern[bytes] | None = None, above: str = "") -> None:  # fmt: skip
    """Keep of the SQLite files those that are copied as such: not what is left out, and not one whose name no manifest
    can hold."""
    kept = []
    for name in inside.sqlite:
        path = posixpath.normpath(posixpath.join(above, name))
        if globs.matches(left_out, path) or not (wanted is None or globs.matches(wanted, path)):
            continue
        try:
            name.encode()
        except UnicodeEncodeError:
            shown = name.encode("utf-8", "surrogateescape")
            found.warnings.append(
                f"{title}: the name of SQLite file {shown!r} is not UTF-8: it is copied as a plain file, which may be "
                "in the middle of a transaction; rename it"
            )
            continue
        kept.append(name)
    inside.sqlite[:] = kept


def _released(target: Target, folders: Iterable[Place]) -> dict[Place, list[str]]:
    """The files in the folders that a release wrote; "" for a place that is such a file itself."""
    lines = target.run(bash(_RELEASED, target.state)).lines
    released = {posixpath.normpath(posixpath.join(target.root, path)) for path in lines if path}
    return {
        place: [""] if place.source in released
        else [one[len(place.source) + 1 :] for one in released if one.startswith(f"{place.source}/")]
        for place in folders
    }  # fmt: skip


def _many(title: str, inside: Inside, found: Found) -> None:
    if inside.many:
        found.warnings.append(
            f"{title} has more than {BOUND} files: a SQLite file with an unusual name in it may go unseen; name it "
            "under `backup: sources:`"
        )


def _beside(paths: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{path}{ending}" for path in paths for ending in ("", *BESIDE))


def _anonymous(volume: SeenVolume) -> bool:
    random = len(volume.name) == 64 and all(character in "0123456789abcdef" for character in volume.name)
    return not volume.key and (random or "com.docker.volume.anonymous" in volume.labels)
