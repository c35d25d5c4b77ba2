"""What a restore was asked to put back: the artifacts of a set, or a single file, and which parts of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opslib.backup.manifest import Artifact, Manifest
from opslib.errors import BadSettings

if TYPE_CHECKING:
    from opslib.backup.formats.recognise import Format
    from opslib.backup.restore.options import Options
    from opslib.engines.mongo_inventory import Contents
    from opslib.target.base import Target


@dataclass(frozen=True, slots=True)
class Packed:
    """The archive's file, and what stands in it before the names of the set's files."""

    file: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Picked:
    """A path below a volume or folder, and what its archive holds there: `counts` as a manifest has them, `above` the
    folders on the way to it that are in the archive too, `linked` the files elsewhere that its hard links need. `near`
    are names that may have been meant, where it is not there."""

    path: str
    there: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    above: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sql:
    """What was seen of plain SQL when it was read to its end: `bytes` its length unpacked, `restrict` whether it begins
    with `\\restrict`, `suspect` whether a line of it may leave its database, `holds` the databases that a mysqldump of
    several names."""

    bytes: int
    restrict: bool
    suspect: bool
    holds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was found: the artifacts to restore of the set that `manifest` describes, or `single`, a file or folder that
    is no artifact of a set. They lie in `folder`: on this machine when `here`, on another host where `origin` is set.
    `whole`: not just one artifact was named. `seen` is what a single file was found to be, once it was looked into, and
    `held` what one of MongoDB holds, `sql` what plain SQL shows. `packed`: the set is in one archive. `only`
    are the tables or collections that are wanted of the only artifact, as its counts name them (empty: all), `picked`
    the paths."""

    folder: str
    here: bool
    manifest: Manifest | None = None
    artifacts: tuple[Artifact, ...] = ()
    single: str = ""
    seen: Format | None = None
    whole: bool = True
    origin: Target | None = None
    held: Contents | None = None
    sql: Sql | None = None
    packed: Packed | None = None
    only: tuple[str, ...] = ()
    picked: tuple[Picked, ...] = ()

    @property
    def some(self) -> bool:
        """Whether a part of the only artifact is wanted, rather than all of it."""
        return bool(self.only or self.picked)

    @property
    def sent(self) -> bool:
        """Whether the files have to be brought to the host, or out of their archive, first."""
        return self.here or self.origin is not None or self.packed is not None

    @property
    def title(self) -> str:
        """For the preview."""
        where = " on this machine" if self.here else f" on {self.origin.host.name}" if self.origin else ""
        if self.manifest is None:
            return f"{self.folder}/{self.single}{where}"
        packed = f" in {self.folder}/{self.packed.file}" if self.packed else ""
        return f"set {self.manifest.id} of {self.manifest.host}, made {self.manifest.created[:19]}Z{packed}{where}"


def is_globals(artifact: Artifact) -> bool:
    """Whether it holds the accounts of a server rather than data."""
    return artifact.facts.get("part") == "globals"


def choose(manifest: Manifest, options: Options) -> tuple[Artifact, ...]:
    """The artifacts of a set that the options ask for. Raises BadSettings when none is."""
    found = tuple(
        artifact
        for artifact in manifest.artifacts
        if artifact.kind != "project"
        and (not options.kinds or artifact.kind in options.kinds)
        and (options.service is None or artifact.service == options.service)
        and (options.database is None or artifact.name == options.database or is_globals(artifact))
    )
    if not any(not is_globals(artifact) for artifact in found):
        held = ", ".join(artifact.title for artifact in manifest.artifacts) or "nothing"
        raise BadSettings(f"the set {manifest.id} holds nothing of that: it holds {held}")
    return found
