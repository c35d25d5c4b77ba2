"""A SQLite file as a source: a copy of one state of it, whatever others write meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from opslib.backup.byhand import decompress, in_tools
from opslib.backup.manifest import Artifact, Kind, file_name
from opslib.backup.pack import Packed, embedded_command, pack, pack_command, script
from opslib.command import quote
from opslib.engines import sqlite
from opslib.target.docker import mount

if TYPE_CHECKING:
    from opslib.backup.source import Stage
    from opslib.command import Command


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """`place` says where (see `opslib.backup.source`): facts of the artifact. `path` is relative to `source`, the
    real name of a volume or an absolute folder."""

    kind: ClassVar[Kind] = "sqlite"
    volume: bool
    source: str
    path: str
    place: dict[str, Any] = field(default_factory=dict)
    service: str | None = None
    size: int = 0

    @property
    def name(self) -> str:
        """`VOLUME/PATH`, or the path in the project."""
        folder = str(self.place.get("key") or self.place.get("folder") or "")
        return f"{folder.rsplit('/', 1)[-1]}/{self.path}" if folder else self.path

    @property
    def title(self) -> str:
        return f"sqlite {self.name}"

    @property
    def stem(self) -> str:
        where = str(self.place.get("key") or self.place.get("folder") or "project")
        return file_name("sqlite", where.strip("/"), self.path, suffix=".db")

    def file(self, stage: Stage) -> str:
        """The artifact's file."""
        return f"{self.stem}.zst" if stage.tools else f"{self.stem}.gz"

    def take(self, stage: Stage) -> list[Artifact]:
        """Copy and count it."""
        file = self.file(stage)
        packed = pack(stage, self.title, file, self._command(stage, file))
        facts = sqlite.facts_from(packed.told)
        return [
            Artifact(
                file=file, kind=self.kind, name=self.name, service=self.service, bytes=packed.bytes,
                raw_bytes=packed.raw_bytes, sha256=packed.sha256, counts=dict(sqlite.counts_from(packed.told)),
                facts={**self.place, "path": self.path, **facts, "user_version": int(facts.get("user_version") or 0),
                       "warnings": list(self._warnings(packed, facts))},
                by_hand=(self._by_hand(stage, file),),
            )
        ]  # fmt: skip

    def _command(self, stage: Stage, file: str) -> Command:
        if not stage.tools:
            return embedded_command(stage, file, "sqlite", f"{self.source}/{self.path}")
        # Writable: SQLite keeps its locks in files beside; as root it gives those the owner of the database.
        place = mount("volume" if self.volume else "bind", self.source, "/src")
        scratch = "/tmp" if stage.recipients else "/stage"  # where a copy in clear may be; the stage has the room
        program = script(sqlite.COPY, f"/src/{self.path}", sqlite.COUNT, scratch)
        return pack_command(stage, file, program, mounts=[place])

    def _warnings(self, packed: Packed, facts: dict[str, str]) -> list[str]:
        broken = [] if facts.get("integrity") == "ok" else [f"it is damaged: {facts.get('integrity')}"]
        return [*broken, *packed.warnings]

    def _by_hand(self, stage: Stage, file: str) -> str:
        if not stage.tools:
            return f"{decompress(stage, file)} > {quote(f'{self.source}/{self.path}')}"
        place = mount("volume" if self.volume else "bind", self.source, "/dst")
        text = '> "/dst/$1" && rm -f "/dst/$1-wal" "/dst/$1-shm" "/dst/$1-journal"'
        return in_tools(stage, file, text, self.path, mounts=(place,))
