"""PostgreSQL as a source: each database in a snapshot that is counted too, and what belongs to the whole server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, ClassVar

from opslib.backup.byhand import decompress, docker_words, joined
from opslib.backup.database import Database, Missed, Read, Reading
from opslib.backup.manifest import Artifact, Fingerprint, Kind, file_name
from opslib.backup.pack import beside, inside, pack, pack_command, script
from opslib.backup.source import finished
from opslib.engines import postgres
from opslib.engines import postgres_fingerprint as fingerprint
from opslib.engines.postgres_restore import split_name
from opslib.errors import BadSettings, OpsError
from opslib.events import Note
from opslib.settings import kinds

if TYPE_CHECKING:
    from opslib.backup.source import Begun, Source, Stage
    from opslib.command import Command, Secret
    from opslib.engines.instance import Instance
    from opslib.settings.kinds import SourceSpec
    from opslib.target.base import Target

# $1 the program that counts, then the one that prints what is counted.
_COUNTED = 'set -o pipefail; text=$1; shift; "$@" | python3 -c "$text"'


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """One database. `size` is what it takes in the server, indexes and all: its dump is smaller."""

    kind: ClassVar[Kind] = "postgres"
    at: Instance
    database: str
    size: int
    tool: str

    @property
    def title(self) -> str:
        return f"postgres {self.at.service}/{self.database}"

    @property
    def stem(self) -> str:
        return file_name("postgres", self.at.service, self.database, suffix=".dump")

    @property
    def file(self) -> str:
        """The artifact's file."""
        return f"{self.stem}.zst"

    def take(self, stage: Stage) -> list[Artifact]:
        """Dump and count it."""
        return finished(self.begin(stage))

    def begin(self, stage: Stage) -> Begun:
        """Open the session that has the snapshot."""
        snapshot = postgres.Snapshot.take(stage.target, self.at, self.database)
        try:
            self._refuse_unreadable(stage, snapshot.facts.pop("denied"), snapshot.facts.pop("hidden"))
        except BaseException:
            snapshot.close()
            raise
        return _Dump(self, stage, snapshot)

    def _refuse_unreadable(self, stage: Stage, denied: Sequence[str], hidden: Sequence[str]) -> None:
        user = str(self.at.env["PGUSER"])
        if denied:
            lacks, give = "SELECT", "grant pg_read_all_data to it (PostgreSQL 14 and later)"
        elif hidden:
            lacks, give = "BYPASSRLS, and row-level security hides rows from it,", "alter role … bypassrls"
        else:
            return
        named = ", ".join([*(denied or hidden)][:5]) + (", …" if len(denied or hidden) > 5 else "")
        raise OpsError(
            f"{self.title} could not be backed up: user {user} lacks {lacks} on {named}", host=stage.target.host.name,
            left="everything: no backup set was made, nothing was pruned",
            next=f"{give}, or name another user under `backup: sources:`",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Dump:
    source: PostgresDatabase
    stage: Stage
    snapshot: postgres.Snapshot

    def finish(self) -> list[Artifact]:
        """Dump and count the same state: the count runs in the session whose snapshot the dump uses."""
        source, at, snapshot = self.source, self.source.at, self.snapshot
        snapshot.begin_count(fingerprint.sql() if postgres.major(at) >= fingerprint.SINCE else "")
        packed = pack(self.stage, source.title, source.file, dump_command(self.stage, source, snapshot.id))
        counts, printed = snapshot.counts()
        return [
            Artifact(
                file=source.file, kind=source.kind, name=source.database, service=at.service, image=at.image,
                container=at.container, bytes=packed.bytes, raw_bytes=packed.raw_bytes, sha256=packed.sha256,
                counts=dict(counts), fingerprint=_fingerprint(printed), by_hand=_by_hand(self.stage, source),
                facts={"part": "database", "database": source.database, "tool": source.tool, **snapshot.facts},
            )
        ]  # fmt: skip

    def close(self) -> None:
        """End the session."""
        self.snapshot.close()


@dataclass(frozen=True, slots=True)
class PostgresGlobals:
    """Roles and tablespaces: without them a database's owners and grants are lost."""

    kind: ClassVar[Kind] = "postgres"
    at: Instance
    tool: str
    size: int = 0

    @property
    def title(self) -> str:
        return f"postgres {self.at.service}, roles"

    @property
    def stem(self) -> str:
        return file_name("postgres", self.at.service, suffix=".globals.sql")

    @property
    def file(self) -> str:
        """The artifact's file."""
        return f"{self.stem}.zst"

    def take(self, stage: Stage) -> list[Artifact]:
        """Dump the globals."""
        facts = postgres.globals_facts(stage.target, self.at)
        options = [] if facts["passwords"] else ["--no-role-passwords"]
        if options:
            facts["warnings"] = [f"user {self.at.env['PGUSER']} may not read pg_authid: no role's password is in it"]
        program = inside(self.at, "pg_dumpall", "--globals-only", "-w", *options)
        cmd = pack_command(stage, self.file, program, options=beside(self.at), env=environment(self.at, postgres.DOOR))
        packed = pack(stage, self.title, self.file, cmd)
        at = self.at
        psql = ("psql", "-X", "-U", str(at.env["PGUSER"]), "-d", postgres.DOOR)
        hand = joined(decompress(stage, self.file), docker_words(stage, "exec", "-i", at.container, *psql))
        return [
            Artifact(
                file=self.file, kind=self.kind, name="globals", service=at.service, image=at.image,
                container=at.container, bytes=packed.bytes, raw_bytes=packed.raw_bytes, sha256=packed.sha256,
                facts={"part": "globals", "tool": self.tool, **facts}, by_hand=(hand,),
            )
        ]  # fmt: skip


def dump_command(stage: Stage, source: PostgresDatabase, snapshot: str) -> Command:
    """pg_dump of the server's own image, beside its container. Uncompressed inside: zstd does that better."""
    program = inside(source.at, "pg_dump", "--format=custom", "--compress=0", "--no-password", f"--snapshot={snapshot}")
    env = environment(source.at, source.database)
    return pack_command(stage, source.file, program, options=beside(source.at), env=env)


def find(target: Target, at: Instance, specs: Sequence[SourceSpec]) -> tuple[list[Source], list[Missed]]:
    """The roles, and each database that holds something; and those that the user may not connect to, which are also
    told of. Raises BadSettings for a database of the host file that is not there, or out of reach."""
    sizes = postgres.databases(target, at)
    closed = [name for name, size in sizes.items() if size is None]
    for spec in specs:
        if isinstance(spec, kinds.Postgres) and spec.database not in (None, *sizes):
            raise BadSettings(f"there is no database {spec.database!r} in service {at.service}", host=target.host.name)
        if isinstance(spec, kinds.Postgres) and spec.database in closed:
            raise BadSettings(f"user {at.env['PGUSER']} lacks CONNECT on database {spec.database!r} of {at.service}",
                              host=target.host.name)  # fmt: skip
    if closed:
        text = f"user {at.env['PGUSER']} lacks CONNECT on {', '.join(closed)} of {at.service}: they are in no backup"
        target.tell(Note(target.host.name, text, warning=True))
    # Half: a dump leaves the indexes out, and what is left shrinks.
    each = [PostgresDatabase(at, name, size // 2, at.client) for name, size in sizes.items() if size is not None]
    user = at.env["PGUSER"]
    missed = [
        Missed(f"postgres {at.service}/{name}", f"user {user} lacks CONNECT on it",
               f"grant it to {user}, or name another user under `backup: sources:`")
        for name in closed
    ]  # fmt: skip
    return [PostgresGlobals(at, at.client), *each], missed


def _reading(target: Target, at: Instance | None, artifact: Artifact, read: Read) -> Reading | None:
    if artifact.facts.get("part") == "globals":
        return Reading("end", read(["bash", "-c", "tail -n 5 | grep -q 'cluster dump complete'"], []))
    if at is None:
        return None
    if postgres.major(at) < 12:  # they know no `-f -`
        return Reading("pg_restore", read(inside(at, "pg_restore", "-f", "/dev/null"), beside(at)))
    text = resources.files("opslib.backup").joinpath("postgres_count.py").read_text(encoding="utf-8")
    program = script(_COUNTED, text, *inside(at, "pg_restore", "--data-only", "-f", "-"))

    def counts(lines: Sequence[str]) -> dict[str, int]:
        """What the manifest counted, as the dump has it. Not counted again are large objects, and tables whose names
        stand in the dump in another encoding than UTF-8."""
        rows = {(schema, table): number for schema, table, number in map(json.loads, lines)}
        utf8 = artifact.facts.get("properties", {}).get("encoding") in ("UTF8", "SQL_ASCII", None)
        skipped = {name for name in artifact.counts if name == postgres.LARGE or not (utf8 or name.isascii())}
        told = artifact.counts.items()
        return {name: was if name in skipped else rows.get(split_name(name), 0) for name, was in told}

    return Reading("pg_restore", read(program, beside(at)), counts)


def _fingerprint(printed: Sequence[str]) -> Fingerprint | None:
    found = fingerprint.printed(printed)
    if not found.definitions:
        return None
    return Fingerprint(contents=found.contents, definitions=found.definitions, left_out=tuple(found.left_out))


def _again(target: Target, at: Instance, artifact: Artifact, tools: str) -> Fingerprint | None:
    if artifact.fingerprint is None or postgres.major_of(str(artifact.facts["server"])) != postgres.major(at):
        return None
    asked = fingerprint.sql(artifact.fingerprint.contents)
    script = f"begin isolation level repeatable read read only;\n{asked}commit;\n"
    return _fingerprint(postgres.ask(target, at, artifact.name, script, limit=postgres.COUNTING))


DATABASE = Database("postgres", find, _reading, again=_again)


def environment(at: Instance, database: str) -> dict[str, str | Secret]:
    """The variables of a program that runs beside the server and is logged in to the database."""
    variables = {name: value for name, value in at.env.items() if name != "PATH"}
    return {**variables, "PGDATABASE": database, **postgres.session(at)}


def _by_hand(stage: Stage, source: PostgresDatabase) -> tuple[str, ...]:
    at, user = source.at, str(source.at.env["PGUSER"])
    new = source.database[:50] + "_restored"
    conninfo = "dbname='" + new.replace("\\", "\\\\").replace("'", "\\'") + "'"
    exec_ = ("exec", "-i", at.container)
    return (
        docker_words(stage, *exec_, "createdb", "-U", user, "-T", "template0", "--", new),
        joined(decompress(stage, source.file),
               docker_words(stage, *exec_, "pg_restore", "-U", user, "-1", "--exit-on-error", "-d", conninfo)),
    )  # fmt: skip
