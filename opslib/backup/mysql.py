"""MySQL and MariaDB as a source: each database as SQL that is counted while it passes, and the server's accounts.

A dump names no database, so that it can be loaded into any; it is loaded over the live one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from opslib.backup import mysql_accounts
from opslib.backup.byhand import decompress, docker_words, joined
from opslib.backup.database import Counts, Database, Missed, Read, Reading
from opslib.backup.manifest import Artifact, Kind, file_name
from opslib.backup.mysql_replace import Accounts, Replacing
from opslib.backup.mysql_tables import Tables
from opslib.backup.pack import beside, inside, pack, pack_command, script
from opslib.engines import mysql
from opslib.errors import BadSettings, OpsError
from opslib.events import Note
from opslib.settings import model

if TYPE_CHECKING:
    from opslib.backup.source import Source, Stage
    from opslib.command import Command, Secret
    from opslib.engines.instance import Instance
    from opslib.settings.model import SourceSpec
    from opslib.target.base import Target

_OPTIONS = (
    "--single-transaction", "--quick", "--triggers", "--routines", "--events", "--hex-blob", "--no-tablespaces",
)  # fmt: skip

# The clients look for stored programs under the database's name as it is escaped in a string (mariadb-dump 10.11.18).
_ESCAPED = re.compile(r"""['"\\\n\r\x1a]""")

# $1 a Python text, $2 its argument, then the program whose output it reads.
_THROUGH = 'set -o pipefail; text=$1 how=$2; shift 2; "$@" | python3 -c "$text" "$how"'
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
        """Dump in one transaction, and count the rows as they pass."""
        at = self.at
        seen = mysql.facts(stage.target, at, self.database)
        packed = pack(stage, self.title, self.file, dump_command(stage, self, programs=self._programs(stage, seen)))
        facts = {
            "part": "database", "database": self.database, "server": at.version, "flavour": mysql.flavour(at),
            "tool": at.client, "size": self.size, "datadir": at.data,
            **{name: seen[name] for name in ("charset", "collation", "tables")},
            "warnings": [*_warnings(at, seen), *packed.warnings],
        }  # fmt: skip
        return [
            Artifact(
                file=self.file, kind=self.kind, name=self.database, service=at.service, image=at.image,
                container=at.container, bytes=packed.bytes, raw_bytes=packed.raw_bytes, sha256=packed.sha256,
                counts=_counts(packed.told), facts=facts, by_hand=_by_hand(stage, self, facts),
            )
        ]  # fmt: skip

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
        program = script(_THROUGH, _program("mysql_accounts"), "", *sh)
        packed = pack(stage, self.title, self.file, pack_command(stage, self.file, program, options=beside(at),
                                                                 env=_env(at)))  # fmt: skip
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


def dump_command(stage: Stage, source: MysqlDatabase, *, programs: bool = True) -> Command:
    """The dump program of the server's own image, beside its container, read by the counter on its way. `programs`:
    with the routines and events."""
    at = source.at
    options = [one for one in _OPTIONS if programs or one not in ("--routines", "--events")]
    if "MariaDB" not in at.client:
        options.append("--set-gtid-purged=OFF")
        found = re.search(r"Distrib (\d+)", at.client) or re.search(r"Ver (\d+)", at.client)
        options += ["--column-statistics=0"] if found and int(found[1]) >= 8 else []
    dump = inside(at, *mysql.words(at, "dump"), *options, "--", source.database)
    program = script(_THROUGH, _program("mysql_count"), "pass", *dump)
    return pack_command(stage, source.file, program, options=beside(at), env=_env(at))


def find(target: Target, at: Instance, specs: Sequence[SourceSpec]) -> tuple[list[Source], list[Missed]]:
    """The accounts, where the user may see them, and each database. Raises BadSettings for a database of the host file
    that is not there."""
    sizes = mysql.databases(target, at)
    for spec in specs:
        if isinstance(spec, model.Mysql) and spec.database not in (None, *sizes):
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
    return Reading("count", read(["python3", "-c", _program("mysql_count"), "read"], []), _counts)


_REPLACING = Replacing(MysqlDatabase)
DATABASE = Database("mysql", find, _reading, _REPLACING, Accounts(), Tables(_REPLACING))


def _counts(lines: Sequence[str]) -> Counts:
    return dict(map(msgspec.json.decode, lines))


def _program(name: str) -> str:
    return resources.files("opslib.backup").joinpath(f"{name}.py").read_text(encoding="utf-8")


def _env(at: Instance) -> dict[str, str | Secret]:
    return {name: value for name, value in at.env.items() if name != "PATH"}


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
