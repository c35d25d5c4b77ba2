"""What a backup makes of a volume, or a folder of the machine, by what lies in it and what the host file says."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from opslib.backup import chosen, mounts, within
from opslib.backup.found import Becomes, Decision, Found, Server, Wishes
from opslib.backup.scan import Inside, Place
from opslib.backup.sqlite import SqliteFile
from opslib.backup.tree import Files, NamedVolume
from opslib.engines.known import ENGINES
from opslib.errors import OpsError
from opslib.settings import globs

if TYPE_CHECKING:
    from opslib.compose.stack import SeenVolume


class Deciding:
    """What becomes of one volume or folder after the other."""

    def __init__(self, wishes: Wishes, found: Found) -> None:
        self.wishes, self.found = wishes, found
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
            volume = self.wishes.volume(place.source) if place.kind == "volume" else None
            whose = f"{what} (of {server.kind} in service {services[0]})"
            self.decided[place] = self.found.leave(services, whose, (volume and volume.key) or place.source)

    def part(self, place: Place, outer: Place) -> None:
        """It is mounted beside a folder that it is in."""
        above, root = self.decided[outer], self.wishes.root
        names = posixpath.relpath(place.source, root).split("/")
        matcher = globs.matcher(chosen.excluded(self.wishes.host, root, outer.source))
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
                host=self.wishes.host.name,
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
            self.decided[place] = self.found.leave(services, f"{what} ({kinds} data)", what.removeprefix("folder "))
        else:
            self.decided[place] = self._folder(place, inside, what, services, empty=empty)

    def _folder(self, place: Place, inside: Inside, what: str, services: tuple[str, ...], *, empty: bool) -> Decision:
        root, found = self.wishes.root, self.found
        below = f"{place.source}/".startswith(f"{root.rstrip('/')}/")
        base = root if below else posixpath.dirname(place.source)
        path = posixpath.relpath(place.source, base)
        exclude = chosen.excluded(self.wishes.host, root, place.source)
        within.own(inside, what, found, left_out=globs.matcher(exclude), above="" if path == "." else path)
        if inside.type == "file" and inside.sqlite:
            folder, name = posixpath.split(place.source)
            return found.cover(what, services, SqliteFile(False, folder, name, {"place": "bind", "folder": folder}))
        where = {"place": "bind", "folder": place.source}
        for name in inside.sqlite:
            one = SqliteFile(False, place.source, name, where)
            found.cover(one.title, services, one)
        without = [posixpath.normpath(posixpath.join(path, one)) for one in within.beside(inside.sqlite)]
        left = [*chosen.own(self.wishes.host), *without] if base == root else without
        name = path if below else place.source
        tree = Files(base, (path,), tuple(left), name, inside.size, (), exclude)
        return found.cover(what, services, tree, empty=empty)
