"""What a look for sources gathers, and what the host file has to say about it."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from opslib.backup.scan import Place
from opslib.engines.instance import Login
from opslib.settings import kinds

if TYPE_CHECKING:
    from opslib.backup.source import Source
    from opslib.compose.stack import SeenVolume, Stack
    from opslib.errors import OpsError
    from opslib.settings.model import Host

Becomes = Literal["copied", "uncovered", "refused", "excluded", "no data"]


@dataclass(frozen=True, slots=True)
class Uncovered:
    """Data that no source covers: of which service, in what, and what to write into the host file."""

    service: str
    what: str
    do: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a backup makes of one thing that may hold data: a volume, a folder, a database, whatever a source copies.

    `what` is how people call it, `services` are those that use it. It is "copied", by all of `sources` together
    ("empty": there is no file and no database in it); "uncovered", nothing copies it; "refused", as long as it is so
    no backup set can be made at all; "excluded" by the host file; or "no data". `why` says more, `do` what to do.
    """

    what: str
    services: tuple[str, ...]
    becomes: Becomes
    sources: tuple[Source, ...] = ()
    empty: bool = False
    why: str = ""
    do: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """A database server in a container: its `kind`, one of ours or another, and what becomes of its data wherever they
    lie."""

    kind: str
    data: Decision


@dataclass(slots=True)
class Found:
    """Everything that a look found. `decisions` has each mount and each database of the stack; `refused` are the errors
    because of which no set can be made. `engines` are the names of the containers in which a database of ours runs,
    `outside` says which containers of others write to the volumes."""

    sources: list[Source] = field(default_factory=list)
    uncovered: list[Uncovered] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    refused: list[OpsError] = field(default_factory=list)
    engines: set[str] = field(default_factory=set)
    outside: list[str] = field(default_factory=list)

    def cover(self, what: str, services: tuple[str, ...], *sources: Source, empty: bool = False) -> Decision:
        """Note what is copied, and by which new sources."""
        self.sources += sources
        return self.decide(Decision(what, services, "copied", sources, empty))

    def leave(self, services: tuple[str, ...], what: str, exclude: str, why: str = "nothing copies it") -> Decision:
        """Note data that nothing covers; `exclude` is the name by which the host file may leave it out."""
        do = f"put {exclude!r} under `backup: exclude:` if it needs no backup, or a volume under `backup: sources:`"
        one = Uncovered(services[0] if services else "", what, do)
        if one not in self.uncovered:
            self.uncovered.append(one)
        return self.decide(Decision(what, services, "uncovered", why=why, do=do))

    def refuse(self, what: str, services: tuple[str, ...], error: OpsError) -> Decision:
        """Note why no set can be made."""
        self.refused.append(error)
        return self.decide(Decision(what, services, "refused", why=error.what, do=error.next or ""))

    def skip(self, what: str, services: tuple[str, ...], becomes: Becomes, why: str, do: str = "") -> Decision:
        """Note what is not copied, which is as it should be, or is told elsewhere."""
        return self.decide(Decision(what, services, becomes, why=why, do=do))

    def decide(self, one: Decision) -> Decision:
        """Note it."""
        self.decisions.append(one)
        return one


@dataclass(frozen=True, slots=True)
class Wishes:
    """The host file's `backup: sources:` and `exclude:`, asked about one thing at a time."""

    host: Host
    stack: Stack
    root: str

    def out(self, name: str) -> bool:
        """Whether a service or volume is left out by name."""
        return name in self.host.backup.exclude

    def out_path(self, source: str) -> bool:
        """Whether a folder of the machine is left out by its path."""
        relative = posixpath.relpath(source, self.root)
        return any(posixpath.normpath(one) in (source, relative) for one in self.host.backup.exclude)

    def out_volume(self, volume: SeenVolume) -> bool:
        """Whether a volume is left out by name, or is used by services alone that are."""
        if self.out(volume.key) or self.out(volume.name):
            return True
        users = [one for one in self.stack.containers if one.id in volume.mounted_by]
        return bool(users) and all(self.out(one.service) for one in users)

    def out_place(self, place: Place) -> bool:
        """Whether a volume or a folder of the machine is left out."""
        volume = self.volume(place.source) if place.kind == "volume" else None
        return self.out_volume(volume) if volume else self.out_path(place.source)

    def volume(self, name: str) -> SeenVolume | None:
        """A volume of the project by its name in the compose file, or its real one."""
        return next((one for one in self.stack.volumes if name in (one.key, one.name)), None)

    def asked(self, place: Place) -> bool:
        """Whether the host file asks for a copy of this volume's files, whatever is in them."""
        volume = self.volume(place.source) if place.kind == "volume" else None
        return volume is not None and self.named(volume) is not None

    def named(self, volume: SeenVolume) -> kinds.Volume | None:
        """What the host file says of a volume, if it names it."""
        specs = (spec for spec in self.host.backup.sources if isinstance(spec, kinds.Volume))
        return next((spec for spec in specs if spec.name in (volume.key, volume.name)), None)


def logins(host: Host) -> Mapping[str, Login]:
    """How the host file says to log in, by service."""
    specs = (one for one in host.backup.sources if isinstance(one, kinds.DatabaseSpec))
    return {one.service: Login(one.login, one.secret, *_more(one)) for one in specs}


def _more(spec: kinds.DatabaseSpec) -> tuple[str | None, ...]:
    return (spec.auth_database, spec.tools_image) if isinstance(spec, kinds.Mongo) else ()
