"""MySQL and MariaDB as a source: each database as SQL that is counted while it passes, and the server's accounts.

A dump names no database, so that it can be loaded into any; it is loaded over the live one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from opslib.backup import mysql_accounts, mysql_dump
from opslib.backup.byhand import decompress, docker_words, joined
from opslib.backup.database import Database, Missed, Read, Reading
from opslib.backup.manifest import Artifact, Kind, file_name
from opslib.backup.mysql_replace import Accounts, Replacing
from opslib.backup.mysql_tables import Tables
from opslib.backup.pack import Packing, beside, inside, pack, pack_command, script
from opslib.backup.source import finished
from opslib.engines import mysql, mysql_facts
from opslib.errors import BadSettings, OpsError
from opslib.events import Note
from opslib.settings import kinds

if TYPE_CHECKING:
    from opslib.backup.source import Begun, Source, Stage
    from opslib.engines.instance import Instance
    from opslib.settings.kinds import SourceSpec
    from opslib.target.base import Target

# The clients look for stored programs under the database's name as it is escaped in a string (mariadb-dump 10.11.18).
_ESCAPED = re.compile(r"""['"\\\n\r\x1a]""")

# $1 the SQL that prints SQL, then the client.
_ACCOUNTS = 'list=$1; shift; "$@" --raw --execute="$list" | "$@"'


@dataclass(frozen=True, slots=True)
class MysqlDatabase:
    """One database. `size` is the bytes of its rows in the server."""

    kind: ClassVar[Kind] = "mysql"
    at: Instance
    database: str
    size: int

    @property
    def title(self) -> str:
        return f"mysql {self.at.service}/{self.database}"

    @property
    def stem(self) -> str:
        return file_name("mysql", self.at.service, self.database, suffix=".sql")

    @property
    def file(self) -> str:
        """The artifact's file."""
        return f"{self.stem}.zst"

    def take(self, stage: Stage) -> list[Artifact]:
        """Dump it, and count the rows as they pass."""
        return finished(self.begin(stage))

    def begin(self, stage: Stage) -> Begun:
        """Start the dump: it has its transaction when the first table comes."""
        seen = mysql_facts.facts(stage.target, self.at, self.database)
        programs = self._programs(stage, seen)
        command = mysql_dump.command(stage, self.at, self.database, self.file, programs=programs)
        packing = Packing(stage, self.title, command)
        while packing.begun() and seen["plain"]:  # no transaction protects these: until the end
            pass
        return _Dump(self, stage, seen, packing)

    def _programs(self, stage: Stage, seen: Mapping[str, Any]) -> bool:
        if not _ESCAPED.search(self.database):
            return True
        if seen["programs"]:
            raise OpsError(
                f"{self.title} has routines or events, and {self.at.client.split()[0]} cannot dump those of a database "
                "with a quote, a backslash or a line break in its name",
                host=stage.target.host.name, left="everything: no backup set was made",
                next="give the database another name",
            )  # fmt: skip
        return False


@dataclass(frozen=True, slots=True)
class _Dump:
    source: MysqlDatabase
    stage: Stage
    seen: Mapping[str, Any]
    packing: Packing

    def finish(self) -> list[Artifact]:
        """Wait for its end."""
        source, at, packed = self.source, self.source.at, self.packing.packed()
        facts = {
            "part": "database", "database": source.database, "server": at.version, "flavour": mysql.flavour(at),
            "tool": at.client, "size": source.size, "datadir": at.data,
            **{name: self.seen[name] for name in ("charset", "collation", "tables")},
            "warnings": [*_warnings(at, self.seen), *packed.warnings],
        }  # fmt: skip
        return [
            Artifact(
                file=source.file, kind=source.kind, name=source.database, service=at.service, image=at.image,
                container=at.container, bytes=packed.bytes, raw_bytes=packed.raw_bytes, sha256=packed.sha256,
                counts=mysql_dump.counts(packed.told), facts=facts, by_hand=_by_hand(self.stage, source, facts),
                fingerprint=mysql_dump.fingerprint(packed.told, self.seen["versioned"]),
            )
        ]  # fmt: skip

    def close(self) -> None:
        """Break it off."""
        self.packing.close()


@dataclass(frozen=True, slots=True)
class MysqlAccounts:
    """Users and roles with their passwords' hashes and their grants."""

    kind: ClassVar[Kind] = "mysql"
    at: Instance
    size: int = 0

    @property
    def title(self) -> str:
        return f"mysql {self.at.service}, accounts"

    @property
    def stem(self) -> str:  # without `.sql`, which every database's has, whatever it is called
        return file_name("mysql", self.at.service, suffix=".accounts")

    @property
    def file(self) -> str:
        """The artifact's file."""
        return f"{self.stem}.zst"

    def take(self, stage: Stage) -> list[Artifact]:
        """Write down the accounts."""
        at = self.at
        show = [*mysql.words(at, "client"), "--batch", "--skip-column-names"]
        sh = inside(at, "sh", "-c", _ACCOUNTS, "sh", mysql_accounts.listing(mysql.flavour(at)), *show)
        program = script(mysql_dump.THROUGH, mysql_dump.program("mysql_accounts"), "", *sh)
        packed = pack(stage, self.title, self.file, pack_command(stage, self.file, program, options=beside(at),
                                                                 env=mysql_dump.env(at)))  # fmt: skip
        facts = {
            "part": "globals",
            "server": at.version,
            "flavour": mysql.flavour(at),
            "warnings": list(packed.warnings),
        }
        hand = (_PASSWORD, joined(decompress(stage, self.file), _client_by_hand(stage, at, "--force")))
        return [
            Artifact(
                file=self.file, kind=self.kind, name="accounts", service=at.service, image=at.image,
                container=at.container, bytes=packed.bytes, raw_bytes=packed.raw_bytes, sha256=packed.sha256,
                facts=facts, by_hand=hand,
            )
        ]  # fmt: skip


def find(target: Target, at: Instance, specs: Sequence[SourceSpec]) -> tuple[list[Source], list[Missed]]:
    """The accounts, where the user may see them, and each database. Raises BadSettings for a database of the host file
    that is not there."""
    sizes = mysql_facts.databases(target, at)
    for spec in specs:
        if isinstance(spec, kinds.Mysql) and spec.database not in (None, *sizes):
            raise BadSettings(f"there is no database {spec.database!r} in service {at.service}", host=target.host.name)
    each = [MysqlDatabase(at, name, size) for name, size in sizes.items()]
    accounts = MysqlAccounts(at)
    if _sees_accounts(target, at):
        return [accounts, *each], []
    user = at.env["MYSQL_USER"]
    why, do = f"user {user} may not read them", f"grant SELECT on mysql.* to {user}, or name root in the host file"
    return [*each], [Missed(accounts.title, why, do)]


def _sees_accounts(target: Target, at: Instance) -> bool:
    try:
        mysql.ask(target, at, "select count(*) from mysql.user;")
    except mysql.ServerSaid as error:
        if "denied" not in error.what:
            raise
        text = f"user {at.env['MYSQL_USER']} may not read the accounts of {at.service}: they are in no backup"
        target.tell(Note(target.host.name, text, warning=True))
        return False
    return True


def _warnings(at: Instance, seen: Mapping[str, Any]) -> Iterator[str]:
    if seen["plain"]:
        yield f"no transaction protects {', '.join(seen['plain'])}: who writes there meanwhile is half in the dump"
    if seen["versioned"]:
        yield f"only the current rows of {', '.join(seen['versioned'])} are in it, not their history"
    if not seen["triggers"]:
        yield f"user {at.env['MYSQL_USER']} has no TRIGGER right of its own here: triggers may be missing"


def _reading(target: Target, at: Instance | None, artifact: Artifact, read: Read) -> Reading | None:
    if artifact.facts.get("ended") is False:  # of a program, or with options, that leave the last line out
        return None
    if artifact.facts.get("part") == "globals":
        return Reading("end", read(["bash", "-c", f"tail -n 1 | grep -qx -e {mysql_accounts.END!r}"], []))
    return Reading("count", read(["python3", "-c", mysql_dump.program("mysql_count"), "read"], []), mysql_dump.counts)


_REPLACING = Replacing(MysqlDatabase)
DATABASE = Database("mysql", find, _reading, _REPLACING, Accounts(), Tables(_REPLACING), mysql_dump.again)


_PASSWORD = "read -rsp 'password: ' MYSQL_PWD && export MYSQL_PWD"


def _client_by_hand(stage: Stage, at: Instance, *options: str) -> str:
    return docker_words(stage, "exec", "-i", "-e", "MYSQL_PWD", at.container, *mysql.words(at, "client"), *options)


def _by_hand(stage: Stage, source: MysqlDatabase, facts: Mapping[str, Any]) -> tuple[str, ...]:
    new = source.database[:50] + "_restored"
    made = f"create database {mysql.name(new)} character set {facts['charset']} collate {facts['collation']}"
    return (
        _PASSWORD,
        _client_by_hand(stage, source.at, f"--execute={made}"),
        joined(decompress(stage, source.file), _client_by_hand(stage, source.at, "--binary-mode", f"--database={new}")),
    )
