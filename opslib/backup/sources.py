"""What there is to back up: engines in running containers, SQLite files, volumes, folders; and what nothing covers."""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from typing import TYPE_CHECKING

from opslib.backup import certificates, chosen, mounts
from opslib.backup.databases import DATABASES
from opslib.backup.found import Decision, Found, Server, Wishes, logins
from opslib.backup.manifest import Kind
from opslib.backup.scan import Place
from opslib.backup.sqlite import SqliteFile
from opslib.backup.tree import Files
from opslib.backup.trees import find_trees
from opslib.engines import others
from opslib.engines.find import Seen, look_inside
from opslib.engines.known import ENGINES, stopped_kind
from opslib.errors import BadSettings, Cancelled, HostLost, OpsError
from opslib.settings import globs, kinds

if TYPE_CHECKING:
    from opslib.backup.database import Missed
    from opslib.backup.source import Source
    from opslib.compose.stack import Container, Stack
    from opslib.engines.instance import Instance
    from opslib.target.base import Target


def find(target: Target, stack: Stack, tools: str, kinds: Collection[Kind]) -> Found:
    """What of the stack is to be backed up, of these kinds, with what the host file adds and excludes.

    Raises OpsError where a database that has to be backed up cannot be asked, BadSettings for a source of the host
    file that is not there.
    """
    return _whole(survey(target, stack, tools, kinds))


def survey(target: Target, stack: Stack, tools: str, kinds: Collection[Kind]) -> Found:
    """The same, with what stands in the way of a backup among what was found. Raises BadSettings as `find`."""
    return _Finder(target, stack, tools, kinds).find()


def _whole(found: Found) -> Found:
    if found.refused:
        raise found.refused[0]
    return found


def find_here(target: Target) -> Found:
    """What the host file names, where the project has no compose file and no engine is needed: SQLite files and
    files. Raises BadSettings for other sources, OpsError for a pattern that matches nothing."""
    return _whole(survey_here(target))


def survey_here(target: Target) -> Found:
    """The same, with what stands in the way of a backup among what was found. Raises BadSettings as `find_here`."""
    found = Found()
    picked: list[Files] = []
    for spec in target.host.backup.sources:
        if isinstance(spec, kinds.Sqlite) and not (spec.service or spec.volume):
            one = _in_project(target.root, spec.path)
            found.cover(one.title, (), one)
        elif isinstance(spec, kinds.Files):
            picked += _files(target, spec, found)
        else:
            raise BadSettings(
                f"a {type(spec).__name__.lower()} source needs a compose file",
                host=target.host.name,
                next="set `compose:` in the host file",
            )
    chosen.apart(target, picked)
    for each in picked:
        found.cover(each.title, (), each)
    return found


def _files(target: Target, spec: kinds.Files, found: Found) -> list[Files]:
    if any(map(globs.is_glob, spec.paths)):
        return chosen.find_or_refuse(target, "", spec, found)
    exclude = tuple(pattern for path in spec.paths for pattern in globs.below(spec.exclude, path))
    name = ", ".join(spec.paths)
    return [Files(target.root, spec.paths, tuple(chosen.own(target.host)), name, 0, (), exclude)]


class _Finder:
    def __init__(self, target: Target, stack: Stack, tools: str, kinds: Collection[Kind]) -> None:
        self.target, self.stack, self.tools, self.kinds = target, stack, tools, kinds
        self.wishes = Wishes(target.host, stack, target.root)
        self.found = Found()
        self.engines: dict[Place, Server] = {}  # where a database keeps its data: never copied file by file
        self.served: dict[str, str] = {}  # by service, the kind of the engine that is backed up
        self.near: dict[Place, Server] = {}  # what else its container may write to: tablespaces, say

    def find(self) -> Found:
        seen = {one.container.id: one for one in look_inside(self.target, self.stack, logins(self.target.host))}
        self.found.engines = {one.container.name for one in seen.values() if one.instance is not None}
        for container in self.stack.containers:
            if not container.one_off:
                act = self._excluded if self.wishes.out(container.service) else self._container
                act(container, seen.get(container.id))
        if not {"sqlite", "volume", "files"}.isdisjoint(self.kinds):
            find_trees(self.target, self.stack, self.tools, self.wishes, self.engines, self.near, self.found)
        for spec in self.target.host.backup.sources:
            self._named(spec)
        if "files" in self.kinds:
            certificates.find(self.target, self.wishes, self.found)
        return self.found

    def _excluded(self, container: Container, seen: Seen | None) -> None:
        if seen is not None and seen.instance is not None:
            kind = seen.instance.kind
        else:
            kind = stopped_kind(container.image) or others.recognise(container.image, seen.processes if seen else ())
        if kind:
            self.found.skip(f"{kind} {container.service}", (container.service,), "excluded", mounts.EXCLUDED)

    def _container(self, container: Container, seen: Seen | None) -> None:
        service = container.service
        if seen is not None and seen.instance is not None:
            data, kind = seen.instance.data, seen.instance.kind
            places = mounts.holding(container, data) if data else mounts.writable(container)
            decided = self._engine(seen.instance, seen) if kind in self.kinds else Decision(kind, (service,), "copied")
            self.engines |= dict.fromkeys(places, Server(kind, decided))
            self.near |= dict.fromkeys(mounts.writable(container), Server(kind, decided))
            return
        places = mounts.writable(container)
        kind = stopped_kind(container.image)
        if kind and container.state != "running":
            decided = Decision(kind, (service,), "copied")
            if kind in self.kinds:
                self.served.setdefault(service, kind)
                decided = self.found.refuse(f"{kind} {service}", (service,), self._stopped(container, kind))
            self.engines |= dict.fromkeys(places, Server(kind, decided))
            return
        kind = others.recognise(container.image, seen.processes if seen else ())
        if kind and any(self.wishes.asked(place) for place in places):
            # What the host file does not name beside its volume lacks a copy all the same, if anything is in it.
            self.engines |= dict.fromkeys(places, Server(kind, Decision(kind, (service,), "uncovered")))
        elif kind:
            decided = self.found.leave((service,), f"{kind} in service {service}", service, "opslib has no dump for it")
            self.engines |= dict.fromkeys(places, Server(kind, decided))

    def _engine(self, at: Instance, seen: Seen) -> Decision:
        """Add its sources; what becomes of the data on its volumes."""
        mine = (at.service,)
        if at.service in self.served:
            what = f"{at.kind} in container {at.container}, a second one"
            return self.found.leave(mine, what, at.service, "one server of a service is backed up")
        self.served[at.service] = at.kind
        specs = [one for one in self.target.host.backup.sources if getattr(one, "service", None) == at.service]
        try:
            at = ENGINES[at.kind].log_in(self.target, at, seen.passwords)
            sources, missed = DATABASES[at.kind].find(self.target, at, specs)
        except (BadSettings, Cancelled, HostLost):
            raise
        except OpsError as error:
            return self.found.refuse(f"{at.kind} {at.service}", mine, error)
        return self._decide(f"{at.kind} {at.service}", mine, sources, missed)

    def _decide(self, what: str, mine: tuple[str, ...], sources: list[Source], missed: list[Missed]) -> Decision:
        """Add the sources that the host file does not exclude by their titles."""
        kept = tuple(one for one in sources if not self.wishes.out(one.title))
        for one in sources:
            if one in kept:
                self.found.cover(one.title, mine, one)
            else:
                self.found.skip(one.title, mine, "excluded", mounts.EXCLUDED)
        for other in missed:
            if other.meant or self.wishes.out(other.what):
                self.found.skip(other.what, mine, "excluded", other.why)
            else:
                do = f"{other.do}, or put {other.what!r} under `backup: exclude:`"
                self.found.skip(other.what, mine, "uncovered", other.why, do)
        if sources and not kept:
            return Decision(what, mine, "excluded", why=mounts.EXCLUDED)
        server = Decision(what, mine, "copied", kept, empty=not kept)
        if not kept and not missed:
            self.found.decide(server)
        return server

    def _stopped(self, container: Container, kind: str) -> OpsError:
        return OpsError(
            f"{kind} in service {container.service} does not run ({container.state}), so it cannot be backed up",
            host=self.target.host.name,
            left="everything: no backup set was made, nothing was pruned",
            next=f"docker start {container.name}, or put {container.service} under `backup: exclude:`",
        )

    # -- what the host file names

    def _named(self, spec: kinds.SourceSpec) -> None:
        name = self.target.host.name
        if isinstance(spec, kinds.Sqlite) and "sqlite" in self.kinds:
            one = self._sqlite(spec)
            have = [(each.source, each.path) for each in self.found.sources if isinstance(each, SqliteFile)]
            if (one.source, one.path) not in have:
                self.found.cover(one.title, (one.service,) if one.service else (), one)
        elif isinstance(spec, kinds.Volume) and self.wishes.volume(spec.name) is None:
            raise BadSettings(f"there is no volume {spec.name!r} in the project", host=name)
        elif isinstance(spec, kinds.DatabaseSpec) and spec.kind in self.kinds and not self.wishes.out(spec.service):
            self._serving(spec)

    def _serving(self, spec: kinds.DatabaseSpec) -> None:
        if self.served.get(spec.service) != spec.kind:
            error = OpsError(
                f"no {spec.kind} server runs in service {spec.service}",
                host=self.target.host.name,
                left="everything: no backup set was made",
                next=f"docker compose up -d {spec.service}",
            )
            self.found.refuse(f"{spec.kind} {spec.service}", (spec.service,), error)

    def _sqlite(self, spec: kinds.Sqlite) -> SqliteFile:
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


def _in_project(root: str, path: str) -> SqliteFile:
    return SqliteFile(False, root, posixpath.normpath(path), {"place": "project"})
