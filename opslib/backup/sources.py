"""What there is to back up: engines in running containers, SQLite files, volumes, folders; and what nothing covers."""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from typing import TYPE_CHECKING

from opslib.backup import chosen
from opslib.backup.databases import DATABASES
from opslib.backup.found import Found, Wishes, logins
from opslib.backup.manifest import Kind
from opslib.backup.scan import Place
from opslib.backup.sqlite import SqliteFile
from opslib.backup.tree import Files
from opslib.backup.trees import find_trees
from opslib.engines import others
from opslib.engines.find import Seen, look_inside
from opslib.engines.known import ENGINES, stopped_kind
from opslib.errors import BadSettings, OpsError
from opslib.settings import globs, model

if TYPE_CHECKING:
    from opslib.compose.stack import Container, Stack
    from opslib.engines.instance import Instance
    from opslib.target.base import Target


def find(target: Target, stack: Stack, tools: str, kinds: Collection[Kind]) -> Found:
    """What of the stack is to be backed up, of these kinds, with what the host file adds and excludes.

    Raises OpsError where a database that has to be backed up cannot be asked, BadSettings for a source of the host
    file that is not there.
    """
    return _Finder(target, stack, tools, kinds).find()


def find_here(target: Target) -> Found:
    """What the host file names, where the project has no compose file and no engine is needed: SQLite files and
    files. Raises BadSettings for other sources."""
    found = Found()
    picked: list[Files] = []
    for spec in target.host.backup.sources:
        if isinstance(spec, model.Sqlite) and not (spec.service or spec.volume):
            found.sources.append(_in_project(target.root, spec.path))
        elif isinstance(spec, model.Files):
            picked.append(_files(target, spec))
        else:
            raise BadSettings(
                f"a {type(spec).__name__.lower()} source needs a compose file",
                host=target.host.name,
                next="set `compose:` in the host file",
            )
    chosen.apart(target, picked)
    found.sources += picked
    return found


def _files(target: Target, spec: model.Files) -> Files:
    if any(map(globs.is_glob, spec.paths)):
        return chosen.find(target, "", spec)
    exclude = tuple(pattern for path in spec.paths for pattern in globs.below(spec.exclude, path))
    name = ", ".join(spec.paths)
    return Files(target.root, spec.paths, tuple(chosen.own(target.host)), name, 0, (), exclude)


class _Finder:
    def __init__(self, target: Target, stack: Stack, tools: str, kinds: Collection[Kind]) -> None:
        self.target, self.stack, self.tools, self.kinds = target, stack, tools, kinds
        self.wishes = Wishes(target.host, stack, target.root)
        self.found = Found()
        self.engines: dict[Place, str] = {}  # where a database keeps its data: never copied file by file
        self.served: dict[str, str] = {}  # by service, the kind of the engine that is backed up
        self.near: dict[Place, str] = {}  # what else its container may write to: tablespaces, say

    def find(self) -> Found:
        seen = {one.container.id: one for one in look_inside(self.target, self.stack, logins(self.target.host))}
        for container in self.stack.containers:
            if not container.one_off and not self.wishes.out(container.service):
                self._container(container, seen.get(container.id))
        if not {"sqlite", "volume", "files"}.isdisjoint(self.kinds):
            find_trees(self.target, self.stack, self.tools, self.wishes, self.engines, self.near, self.found)
        for spec in self.target.host.backup.sources:
            self._named(spec)
        return self.found

    def _container(self, container: Container, seen: Seen | None) -> None:
        if seen is not None and seen.instance is not None:
            data, served = seen.instance.data, seen.instance.kind
            places = _data_places(container, data) if data else _places(container)
            self.engines |= dict.fromkeys(places, served)
            self.near |= dict.fromkeys(_places(container), served)
            if served in self.kinds:
                self._engine(seen.instance, seen)
            return
        kind = stopped_kind(container.image)
        if kind and container.state != "running":
            self.engines |= dict.fromkeys(_places(container), kind)
            if kind in self.kinds:
                raise self._stopped(container, kind)
            return
        other = others.recognise(container.image, seen.processes if seen else ())
        if other:
            places = _places(container)
            self.engines |= dict.fromkeys(places, other)
            if not any(self.wishes.asked(place) for place in places):
                self.found.leave(container.service, f"{other} in service {container.service}", container.service)

    def _engine(self, at: Instance, seen: Seen) -> None:
        if at.service in self.served:
            self.found.leave(at.service, f"{at.kind} in container {at.container}, a second one", at.service)
            return
        self.served[at.service] = at.kind
        at = ENGINES[at.kind].log_in(self.target, at, seen.passwords)
        specs = [one for one in self.target.host.backup.sources if getattr(one, "service", None) == at.service]
        self.found.sources += DATABASES[at.kind].find(self.target, at, specs)

    def _stopped(self, container: Container, kind: str) -> OpsError:
        return OpsError(
            f"{kind} in service {container.service} does not run ({container.state}), so it cannot be backed up",
            host=self.target.host.name,
            left="everything: no backup set was made, nothing was pruned",
            next=f"docker start {container.name}, or put {container.service} under `backup: exclude:`",
        )

    # -- what the host file names

    def _named(self, spec: model.SourceSpec) -> None:
        name = self.target.host.name
        if isinstance(spec, model.Sqlite) and "sqlite" in self.kinds:
            one = self._sqlite(spec)
            have = [(each.source, each.path) for each in self.found.sources if isinstance(each, SqliteFile)]
            if (one.source, one.path) not in have:
                self.found.sources.append(one)
        elif isinstance(spec, model.Volume) and self.wishes.volume(spec.name) is None:
            raise BadSettings(f"there is no volume {spec.name!r} in the project", host=name)
        elif isinstance(spec, model.DatabaseSpec) and spec.kind in self.kinds and not self.wishes.out(spec.service):
            self._serving(spec)

    def _serving(self, spec: model.DatabaseSpec) -> None:
        if self.served.get(spec.service) != spec.kind:
            raise OpsError(
                f"no {spec.kind} server runs in service {spec.service}",
                host=self.target.host.name,
                left="everything: no backup set was made",
                next=f"docker compose up -d {spec.service}",
            )

    def _sqlite(self, spec: model.Sqlite) -> SqliteFile:
        name = self.target.host.name
        if spec.volume is not None:
            volume = self.wishes.volume(spec.volume)
            if volume is None:
                raise BadSettings(f"there is no volume {spec.volume!r} in the project", host=name)
            place = {"place": "volume", "volume": volume.name, "key": volume.key}
            return SqliteFile(True, volume.name, posixpath.normpath(spec.path), place)
        if spec.service is None:
            return _in_project(self.target.root, spec.path)
        for container in self.stack.service(spec.service):
            for one in sorted(container.mounts, key=lambda mounted: -len(mounted.destination)):
                if spec.path.startswith(f"{one.destination.rstrip('/')}/"):
                    path = posixpath.relpath(spec.path, one.destination)
                    if one.type != "volume":
                        return SqliteFile(False, one.source, path, {"place": "bind", "folder": one.source})
                    volume = self.wishes.volume(one.name)
                    place = {"place": "volume", "volume": one.name, "key": volume.key if volume else ""}
                    return SqliteFile(True, one.name, path, place, spec.service)
        raise BadSettings(
            f"{spec.path} of service {spec.service} is in no volume and no mounted folder",
            host=name,
            next="mount its folder as a volume: it is lost with the container",
        )


def _places(container: Container) -> set[Place]:
    return {_place(one.type, one.name, one.source) for one in container.mounts
            if one.type in ("volume", "bind") and not one.read_only}  # fmt: skip


def _data_places(container: Container, data: str) -> set[Place]:
    """The mounts that an engine's data folder is in, or that are in it."""
    return {
        _place(one.type, one.name, one.source)
        for one in container.mounts
        if f"{data}/".startswith(f"{one.destination.rstrip('/')}/") or one.destination.startswith(f"{data}/")
    }


def _place(type: str, name: str, source: str) -> Place:
    return Place("volume", name) if type == "volume" else Place("bind", source)


def _in_project(root: str, path: str) -> SqliteFile:
    return SqliteFile(False, root, posixpath.normpath(path), {"place": "project"})
