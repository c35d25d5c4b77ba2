"""What is asked of a restore, and what it will do, in front of the question."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.backup.keys import Find
from opslib.backup.manifest import Kind

if TYPE_CHECKING:
    from opslib.target.base import Target


@dataclass(frozen=True, slots=True)
class Options:
    """`file` is a set's id or the beginning of one, `latest`, a set's folder, one artifact of a set, or a file or a
    folder that some script made, on the host or on this machine; None: the newest safety copy, for an undo.
    `kinds` (empty: all) and, for databases, `service` and `database` choose among what a set holds; for a file
    that is of no set they, and `volume`, say where it goes. `into` names another database, volume, folder or file to
    restore to, which is not there yet. `only` names tables, collections or paths of one artifact. `origin` is another
    host whose set is restored: the data go through this machine. `here` is this machine's engine, for the tools image;
    `identity` finds who can read a set that is encrypted; `root` the project's folder on this machine, on which
    relative paths are anchored."""

    file: str | None
    kinds: tuple[Kind, ...] = ()
    service: str | None = None
    database: str | None = None
    volume: str | None = None
    into: str | None = None
    only: str | None = None
    no_safety_copy: bool = False
    here: Target | None = None
    origin: Target | None = None
    identity: Find | None = None
    root: Path = field(default_factory=Path.cwd)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is overwritten: what is there now (None: nothing) and what comes, in words with counts."""

    title: str
    now: str | None
    then: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a restore will overwrite, which services it stops meanwhile, and what becomes of the old data."""

    source: str
    items: tuple[Item, ...]
    stops: tuple[str, ...]
    safety: str
    warnings: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For the terminal, before the question."""
        shown = [f"restore from {self.source}"]
        shown += [f"  {item.title}: {item.now or 'nothing'}  ->  {item.then}" for item in self.items]
        if self.stops:
            shown.append(f"  stopped meanwhile: {', '.join(self.stops)}")
        shown.append(f"  safety copy: {self.safety}")
        return shown + [f"  note: {warning}" for warning in self.warnings]

    def as_json(self) -> dict[str, object]:
        """For the record's result."""
        return {
            "source": self.source,
            "items": [{"title": item.title, "now": item.now, "then": item.then} for item in self.items],
            "stops": list(self.stops), "safety": self.safety, "warnings": list(self.warnings),
        }  # fmt: skip
