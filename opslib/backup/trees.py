"""The volumes and mounted folders of a project that are data, and the SQLite files in them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from opslib.backup import chosen, mounts, others, within
from opslib.backup.found import Becomes, Decision, Found, Server, Wishes
from opslib.backup.scan import Inside, Place, scan
from opslib.backup.sqlite import SqliteFile
from opslib.backup.tree import Files, NamedVolume
from opslib.command import bash
from opslib.engines.known import ENGINES
from opslib.errors import BadSettings, OpsError
from opslib.settings import globs

if TYPE_CHECKING:
    from opslib.compose.stack import SeenVolume, Stack
    from opslib.target.base import Target

_RELEASED = 'for f in "$1"/releases/*/files.sha256; do [ -r "$f" ] && cut -c67- -- "$f"; done; true'


def find_trees(target: Target, stack: Stack, tools: str, wishes: Wishes, engines: Mapping[Place, Server],
               near: Mapping[Place, Server], found: Found) -> None:  # fmt: skip
    """Add what is to be backed up file by file to `found`, and what becomes of each volume and folder that is mounted.
    `engines` are the places of databases, whose files are not copied, `near` what else their containers may write to.

    Raises BadSettings where the host file asks for a copy of the files of an engine that runs.
    """
    writable = {place for container in stack.containers for place in mounts.writable(container)}
    ours = [one for one, server in engines.items()
            if server.kind in ENGINES and (one.kind == "volume" or one in writable)]  # fmt: skip
    folders, inner = mounts.folders(stack, wishes, ours, found)
    picked = chosen.picked(target, tools, folders, found)
    volumes = {Place("volume", one.name): one for one in stack.volumes if not wishes.out_volume(one)}
    places = [place for place in [*volumes, *folders] if place not in engines or wishes.asked(place)]
    _refuse_engines(target, places, engines)
    strange = [one for one in [*volumes, *folders] if one in engines and one not in places and one not in ours]
    released = _released(target, folders)
    below = {Place("bind", f"{target.root.rstrip('/')}/{path}"): one for one in picked for path in one.paths}
    seen = scan(target, tools, [*places, *strange, *below], released)
    for one in picked:
        chosen.pick(one, {place: seen[place] for place, of in below.items() if of is one}, folders, found)
    decide = _Deciding(target, wishes, found)
    for place in places:
        server, inside = near.get(place), seen[place]
        if server is not None and server.kind in inside.marks:
            decide.served(place, server)
        elif place in volumes:
            decide.volume(place, volumes[place], inside)
        elif folders[place] or inside.unreleased or not released[place]:  # also an empty folder is data
            decide.folder(place, inside, empty=not (inside.unreleased or released[place]))
        else:
            decide.skip(place, "no data", "a release wrote all of it")
    for place in ours:
        decide.served(place, engines[place])
    for place in strange:
        decide.strange(place, engines[place], seen[place])
    for volume in stack.volumes:
        place = Place("volume", volume.name)
        if place not in volumes and place not in ours:
            decide.skip(place, "excluded", mounts.EXCLUDED)
    for place, outer in inner.items():
        if place not in ours:
            decide.part(place, outer)
    found.warnings += others.writing(target, stack, found.sources)


def _refuse_engines(target: Target, places: Iterable[Place], engines: Mapping[Place, Server]) -> None:
    for place in places:
        if place in engines and engines[place].kind in ENGINES:
            raise BadSettings(
                f"volume {place.source} is the data folder of {engines[place].kind}, which runs: a copy of its files "
                "would be broken, and a dump backs it up",
                host=target.host.name,
                next="take it out of `backup: sources:`",
            )


class _Deciding:
    """What becomes of one place after the other."""

    def __init__(self, target: Target, wishes: Wishes, found: Found) -> None:
        self.target, self.wishes, self.found = target, wishes, found
        self.decided: dict[Place, Decision] = {}

    def _called(self, place: Place) -> tuple[str, tuple[str, ...]]:
        return mounts.title(self.wishes, place), mounts.services(self.wishes.stack, place)

    def skip(self, place: Place, becomes: Becomes, why: str) -> None:
        """It is left as it is."""
        self.decided[place] = self.found.skip(*self._called(place), becomes, why)

    def served(self, place: Place, server: Server) -> None:
        """It has the data of a server: whatever becomes of that."""
        what, services = self._called(place)
        if server.data.becomes != "copied" and self.wishes.out_place(place):
            self.skip(place, "excluded", mounts.EXCLUDED)
        else:
            self.decided[place] = self.found.decide(replace(server.data, what=what, services=services))

    def strange(self, place: Place, server: Server, inside: Inside) -> None:
        """It belongs to a server that opslib has no dump for, and the host file does not name it."""
        what, services = self._called(place)
        if not inside.unreleased:
            self.decided[place] = self.found.cover(what, services, empty=True)
        elif server.data.do:  # the server was named as a whole
            self.served(place, server)
        else:
            name = place.source if place.kind != "volume" else what.removeprefix("volume ")
            whose = f"{what} (of {server.kind} in service {services[0]})"
            self.decided[place] = self.found.leave(services, whose, name)

    def part(self, place: Place, outer: Place) -> None:
        """It is mounted beside a folder that it is in."""
        above, root = self.decided[outer], self.target.root
        names = posixpath.relpath(place.source, root).split("/")
        matcher = globs.matcher(chosen.excluded(self.target.host, root, outer.source))
        paths = ["/".join(names[: at + 1]) for at in range(len(names))]
        what, services = self._called(place)
        if any(globs.matches(matcher, path) for path in [*paths, f"{paths[-1]}/x"]):
            self.found.skip(what, services, "excluded", mounts.EXCLUDED)
        else:
            self.found.decide(replace(above, what=what, services=services, why=f"it is in {above.what}"))

    def volume(self, place: Place, volume: SeenVolume, inside: Inside) -> None:
        """A volume that is no running engine's."""
        found, asked, name = self.found, self.wishes.named(volume), volume.key or volume.name
        what, services = self._called(place)
        ours = inside.marks & ENGINES.keys()
        if ours and not asked:
            kinds = " and ".join(sorted(ours))
            found.refuse(what, services, OpsError(
                f"{what} holds {kinds} data, and no such server of the project runs on it",
                host=self.target.host.name,
                left="everything: no backup set was made, nothing was pruned",
                next=f"start its service, or put {name} under `backup: exclude:`",
            ))  # fmt: skip
        elif inside.marks and not asked:
            found.leave(services, f"{what} ({', '.join(sorted(inside.marks))} data)", name)
        elif mounts.unnamed(volume) and not asked:
            if inside.unreleased:
                found.leave(services, what, services[0] if services else name, "it is gone with its container")
            else:
                found.cover(what, services, empty=True)
        else:
            exclude = globs.below(asked.exclude) if asked else ()
            within.own(inside, what, found, left_out=globs.matcher(exclude))
            where = {"place": "volume", "volume": volume.name, "key": volume.key}
            for path in inside.sqlite:
                one = SqliteFile(True, volume.name, path, where, services[0] if services else None)
                found.cover(one.title, services, one)
            tar = NamedVolume(
                volume.name, volume.key, dict(volume.labels), volume.driver, within.beside(inside.sqlite), inside.size,
                asked.consistency if asked else "live", exclude,
            )  # fmt: skip
            found.cover(what, services, tar, empty=not inside.unreleased)

    def folder(self, place: Place, inside: Inside, *, empty: bool) -> None:
        """A folder or file of the machine."""
        what, services = self._called(place)
        if inside.type == "other":
            self.skip(place, "no data", "it is no file and no folder")
        elif inside.marks:
            kinds = ", ".join(sorted(inside.marks))
            self.decided[place] = self.found.leave((), f"{what} ({kinds} data)", what.removeprefix("folder "))
        else:
            self.decided[place] = self._folder(place, inside, what, services, empty=empty)

    def _folder(self, place: Place, inside: Inside, what: str, services: tuple[str, ...], *, empty: bool) -> Decision:
        root, found = self.target.root, self.found
        below = f"{place.source}/".startswith(f"{root.rstrip('/')}/")
        base = root if below else posixpath.dirname(place.source)
        path = posixpath.relpath(place.source, base)
        exclude = chosen.excluded(self.target.host, root, place.source)
        within.own(inside, what, found, left_out=globs.matcher(exclude), above="" if path == "." else path)
        if inside.type == "file" and inside.sqlite:
            folder, name = posixpath.split(place.source)
            return found.cover(what, services, SqliteFile(False, folder, name, {"place": "bind", "folder": folder}))
        where = {"place": "bind", "folder": place.source}
        for name in inside.sqlite:
            one = SqliteFile(False, place.source, name, where)
            found.cover(one.title, services, one)
        without = [posixpath.normpath(posixpath.join(path, one)) for one in within.beside(inside.sqlite)]
        left = [*chosen.own(self.target.host), *without] if base == root else without
        name = path if below else place.source
        tree = Files(base, (path,), tuple(left), name, inside.size, (), exclude)
        return found.cover(what, services, tree, empty=empty)


def _released(target: Target, folders: Iterable[Place]) -> dict[Place, list[str]]:
    """The files in the folders that a release wrote; "" for a place that is such a file itself."""
    lines = target.run(bash(_RELEASED, target.state)).lines
    released = {posixpath.normpath(posixpath.join(target.root, path)) for path in lines if path}
    return {
        place: [""] if place.source in released
        else [one[len(place.source) + 1 :] for one in released if one.startswith(f"{place.source}/")]
        for place in folders
    }  # fmt: skip
