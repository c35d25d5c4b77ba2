"""A database of MySQL or MariaDB put in the place of the live one, and the accounts that a server lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opslib.backup import mysql_accounts
from opslib.backup.database import Counts
from opslib.backup.pack import LONG
from opslib.command import Secret, pipe
from opslib.engines import mysql, mysql_facts, versions
from opslib.errors import CommandFailed, OpsError
from opslib.events import Note

if TYPE_CHECKING:
    from opslib.backup.source import Source
    from opslib.command import Command
    from opslib.engines.instance import Instance
    from opslib.target.base import Target

_PACKET = 1 << 30  # bytes: the longest statement that any server takes

# MariaDB's dumps begin with a line that only its newer clients understand. They take it as an option too, which
# keeps any dump from running programs or reading files. The client, then its options.
_LOAD = r"""client=$1; shift
if "$client" --help 2>/dev/null | grep -q -e --sandbox; then set -- "$@" --sandbox; fi
{
  IFS= read -r line; case $line in '/*M!999999\- '*) ;; *) printf '%s\n' "$line" ;; esac
  exec cat
} | "$client" "$@" """


@dataclass(frozen=True, slots=True)
class Replacing:
    """A database that is dropped, made anew and loaded. `dump` makes the source of one with its size."""

    dump: Callable[[Instance, str, int], Source]

    def names(self, target: Target, at: Instance) -> list[str]:
        """The databases."""
        return list(mysql_facts.databases(target, at))

    def count(self, target: Target, at: Instance, name: str) -> Counts | None:
        """Rows by table, and how many there are of everything else."""
        return mysql_facts.count(target, at, name)

    def load(self, target: Target, at: Instance, raw: Command, name: str, facts: Mapping[str, Any]) -> None:
        """Drop, make, load. Accounts that views and routines run as, and that are missing, are named: the restore goes
        on, as it does for the clients' own users."""
        made_by = str(facts.get("server") or "")
        why = versions.refusal("mysql", made_by, at.version)
        if why:
            raise OpsError(f"mysql {at.service}/{name}: {why}", host=target.host.name, left="everything")
        risk = versions.caution("mysql", made_by, at.version)
        if risk:
            target.tell(Note(target.host.name, risk, warning=True))
        _ask(target, at, f"set foreign_key_checks = 0; drop database if exists {mysql.name(name)}; "
                         f"create database {mysql.name(name)}{_charset(target, at, name, facts)};")  # fmt: skip
        self.run(target, at, raw, name)
        missing = _missing_definers(target, at, name)
        if missing:
            text = f"accounts that views or routines of {name} run as are missing: {', '.join(missing)}"
            target.tell(Note(target.host.name, text, warning=True))

    def run(self, target: Target, at: Instance, raw: Command, name: str) -> None:
        """Run a dump in a database that is there; the first error ends it."""
        client, *options = mysql.words(at, "client")
        options += ["--binary-mode", f"--database={name}"]
        into = at.tool(target.host, "sh", "-c", _LOAD, "sh", client, *options, streams=True, limit=LONG)
        with _large_packets(target, at):
            try:
                target.run(pipe(raw, into))
            except CommandFailed as error:
                raise OpsError(f"mysql {at.service}/{name} could not be loaded: {mysql.said(error)}",
                               host=target.host.name) from None  # fmt: skip

    def drop(self, target: Target, at: Instance, name: str) -> None:
        """Drop the database."""
        _ask(target, at, f"set foreign_key_checks = 0; drop database if exists {mysql.name(name)};")

    def source(self, target: Target, at: Instance, name: str) -> Source:
        """Its dump."""
        return self.dump(at, name, mysql_facts.databases(target, at).get(name, 0))


class Accounts:
    """The accounts of an artifact that a server lacks; those that it has stay as they are."""

    def missing(self, target: Target, at: Instance, text: bytes) -> list[str]:
        """Their names."""
        there = {name for (name,) in _ask(target, at, mysql_accounts.names(mysql.flavour(at)))}
        return [name for name in mysql_accounts.accounts(_decoded(text)) if name not in there]

    def make(self, target: Target, at: Instance, text: bytes, names: Sequence[str]) -> None:
        """Create them; what they may do comes after the data, since a right on a table needs the table."""
        found = mysql_accounts.accounts(_decoded(text))
        _ask(target, at, Secret("\n".join(found[name][0] for name in names)))

    def grant(self, target: Target, at: Instance, text: bytes, names: Sequence[str]) -> None:
        """Give them their rights. One that the server refuses is named."""
        found = mysql_accounts.accounts(_decoded(text))
        # MariaDB 10.11 forgets now and then who may grant a role that was made a while ago, until it reads its tables.
        with suppress(mysql.ServerSaid):
            _ask(target, at, "flush privileges;")
        for name in names:
            for statement in found[name][1:]:
                try:
                    _ask(target, at, Secret(statement))
                except mysql.ServerSaid as error:
                    if "ERROR " not in error.what:
                        raise
                    target.tell(Note(target.host.name, f"a right of {name}: {error.what}", warning=True))

    def drop(self, target: Target, at: Instance, names: Sequence[str]) -> None:
        """Remove them again."""
        _ask(target, at, "".join(f"drop {'user' if '@' in name else 'role'} if exists {name};\n" for name in names))


def _ask(target: Target, at: Instance, sql: str | Secret) -> list[mysql.Row]:
    """What restoring asks: no talk of backup sets in its errors."""
    return mysql.ask(target, at, sql, left="what the safety copy holds")


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _charset(target: Target, at: Instance, name: str, facts: Mapping[str, Any]) -> str:
    """Those of the artifact; a file that tells none keeps those that the database has now. Raises OpsError where the
    server does not know the collation."""
    charset, collation = facts.get("charset"), facts.get("collation")
    if not charset or not collation:
        sql = "select default_character_set_name, default_collation_name from information_schema.schemata where "
        now = _ask(target, at, f"{sql}{mysql.same('schema_name', name)};")
        if not now:
            return ""
        ((charset, collation),) = now
    known = f"select count(*) from information_schema.collations where collation_name = {mysql.literal(str(collation))}"
    if _ask(target, at, f"{known};") == [["0"]]:
        raise OpsError(
            f"mysql {at.service}/{name}: {mysql.title(at)} {at.version} does not know the collation {collation}",
            host=target.host.name, left="everything", next="restore it into a server that does",
        )  # fmt: skip
    return f" character set {mysql.name(str(charset))} collate {mysql.name(str(collation))}"


@contextmanager
def _large_packets(target: Target, at: Instance) -> Iterator[None]:
    """A row of bytes is twice as long in a dump, so one that the server took may be refused on its way back. Who may
    not change that goes without."""
    try:
        ((before,),) = _ask(target, at, "select @@global.max_allowed_packet;")
        _ask(target, at, f"set global max_allowed_packet = {_PACKET};")
    except mysql.ServerSaid:
        yield
        return
    try:
        yield
    finally:
        with suppress(mysql.ServerSaid):  # it may be gone; a new start has its own value
            _ask(target, at, f"set global max_allowed_packet = {int(before)};")


def _missing_definers(target: Target, at: Instance, name: str) -> list[str]:
    tables = {"views": "table", "routines": "routine", "triggers": "trigger", "events": "event"}
    each = " union ".join(f"select definer from information_schema.{table} where "
                          f"{mysql.same(f'{prefix}_schema', name)}" for table, prefix in tables.items())  # fmt: skip
    try:
        there = {account for (account,) in _ask(target, at, "select concat(user, '@', host) from mysql.user;")}
    except mysql.ServerSaid:
        return []  # it may not see them
    return sorted(account for (account,) in _ask(target, at, f"{each};") if account not in there)
