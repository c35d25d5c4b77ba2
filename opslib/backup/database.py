"""What backup and restore need to know of one kind of database beside how it is spoken with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from opslib.backup.manifest import Artifact, Fingerprint, Kind

if TYPE_CHECKING:
    from opslib.backup.source import Source
    from opslib.command import Command
    from opslib.engines.instance import Instance
    from opslib.settings.kinds import SourceSpec
    from opslib.target.base import Target

Counts = dict[str, Any]
Read = Callable[[Sequence[str], Sequence[str]], "Command"]
"""Given a program that reads an artifact's raw bytes on its standard input, and options of the tools container: the
command that runs it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How an artifact's inside is read to its end: by what (a word for people), and the command. `counts` makes the
    counts from the lines that it prints, where it counts."""

    how: str
    command: Command
    counts: Callable[[Sequence[str]], Counts] | None = None


class Replace(Protocol):
    """Restoring by loading over what is there, for a kind whose live data cannot be swapped with others by a rename.
    The archive has been read to its end before, and a safety copy can bring the old data back.

    `name` is what an artifact of the kind stands for ("" where it is the whole server)."""

    def names(self, target: Target, at: Instance) -> list[str]:
        """What there is that could be overwritten."""

    def count(self, target: Target, at: Instance, name: str) -> Counts | None:
        """What is live under the name, counted as the artifacts are; None where nothing is."""

    def load(self, target: Target, at: Instance, raw: Command, name: str, facts: Mapping[str, Any]) -> None:
        """Put the artifact (`raw` prints its bytes, `facts` are its manifest's) in the place of what is live under the
        name, which need not be the one that it was made from. Raises OpsError when it is not wholly there."""

    def drop(self, target: Target, at: Instance, name: str) -> None:
        """Remove what is live under the name, whole or half."""

    def source(self, target: Target, at: Instance, name: str) -> Source:
        """What backs it up: the safety copy."""


class Some(Protocol):
    """Putting back single tables or collections over what is there, beside `Replace`. `only` are their names as the
    counts of a manifest have them, `name` and `raw` are as for `Replace`, `scratch` is a database of ours."""

    def hanging(self, target: Target, at: Instance, name: str, only: Sequence[str]) -> list[str]:
        """What hangs on them, and what becomes of it: sentences for people."""

    def stage(self, target: Target, at: Instance, raw: Command, name: str, artifact: Artifact, only: Sequence[str],
              scratch: str) -> None:  # fmt: skip
        """Prove, with nothing changed, that they can be put back. Raises OpsError when they cannot."""

    def put(self, target: Target, at: Instance, raw: Command, name: str, artifact: Artifact,
            only: Sequence[str]) -> None:  # fmt: skip
        """Put them in the place of what is there. Raises OpsError when they are not wholly there."""

    def discard(self, target: Target, at: Instance, scratch: str) -> None:
        """Remove what `stage` made, whole or half or not at all."""


class Accounts(Protocol):
    """The users and roles of a server, for a kind that has them in an artifact of their own (`part` "globals" in its
    facts; `text` is what is in it). Those that a server has stay as they are."""

    def missing(self, target: Target, at: Instance, text: bytes) -> list[str]:
        """Those of the artifact that the server lacks."""

    def make(self, target: Target, at: Instance, text: bytes, names: Sequence[str]) -> None:
        """Make them, before the first database is loaded."""

    def grant(self, target: Target, at: Instance, text: bytes, names: Sequence[str]) -> None:
        """Give them their rights, after the last database is loaded."""

    def drop(self, target: Target, at: Instance, names: Sequence[str]) -> None:
        """Remove those that were made, all or some or none of which are there."""


@dataclass(frozen=True, slots=True)
class Missed:
    """Something of a server that none of its sources copies: `what` as the title of a source would have it, why, and
    what to do about it. `meant`: the host file wants it so."""

    what: str
    why: str
    do: str = ""
    meant: bool = False


@dataclass(frozen=True, slots=True)
class Database:
    """One kind. `find` gives the sources of a running engine, and what they miss of it, with what the host file says of
    its service; `reading` how one of its artifacts is read, by the running engine's own tools where one runs. `replace`
    None: restore has a way of its own for it. `accounts` where they are an artifact of their own, `some` where single
    tables or collections can be put back too. `again` takes the fingerprint of what was restored from an artifact, with
    the tools image's name at hand; None where its server would make another of the same data."""

    kind: Kind
    find: Callable[[Target, Instance, Sequence[SourceSpec]], tuple[list[Source], list[Missed]]]
    reading: Callable[[Target, Instance | None, Artifact, Read], Reading | None]
    replace: Replace | None = None
    accounts: Accounts | None = None
    some: Some | None = None
    again: Callable[[Target, Instance, Artifact, str], Fingerprint | None] | None = None
