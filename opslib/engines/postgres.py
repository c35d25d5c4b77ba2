"""Asking and dumping PostgreSQL: SQL texts, a session that holds a snapshot, and what it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opslib.command import Command, Secret
from opslib.engines.engine import Engine, Facts, first
from opslib.engines.instance import Instance, Login
from opslib.errors import CommandFailed, OpsError

if TYPE_CHECKING:
    from opslib.compose.stack import Container
    from opslib.settings.model import Host
    from opslib.target.base import Target
    from opslib.target.process import Process

# Row security filters counts silently; off, it raises instead. No limit of the server's may end a long dump.
_OPTIONS = (
    "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c row_security=off "
    "-c client_min_messages=warning"
)
# A backend that waits for a lock, or works on a long statement, does not see by itself that its client is gone.
_CHECKING = " -c client_connection_check_interval=500ms"
COUNTING = 6 * 3600.0  # seconds
LARGE = "large objects"  # what they are counted under, which is the name of no table
DOOR = "postgres"  # the database to connect to when none is meant: every server has it


def session(at: Instance) -> dict[str, str | Secret]:
    """The variables of every session of ours: no limit ends it, and it ends when its client does."""
    checking = _CHECKING if major(at) >= 14 else ""
    return {"PGOPTIONS": _OPTIONS + checking, "PGAPPNAME": "opslib"}


def major(at: Instance) -> int:
    """The server's major version."""
    return major_of(at.version)


def major_of(version: str) -> int:
    """`15.18 (Debian 15.18-1)` is 15."""
    found = re.match(r"\d+", version)
    return int(found[0]) if found else 0


# Extensions' own tables come back with CREATE EXTENSION, not with the dump.
OWN = """from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema')
and n.nspname !~ '^pg_(toast|temp)' and not exists (select from pg_catalog.pg_depend d
where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')"""
TABLES = f"{OWN} and c.relkind = 'r'"
# What a dump reads the contents of: tables (it locks partitioned ones), sequences.
_READ = f"(select coalesce(json_agg(format('%I.%I', n.nspname, c.relname)), '[]') {OWN} and c.relkind in"

COUNT = f"""select format('select %L, count(*) from only %I.%I', format('%I.%I', n.nspname, c.relname),
n.nspname, c.relname) {TABLES} order by 1 \\gexec
select '{LARGE}', count(*) from pg_catalog.pg_largeobject_metadata having count(*) > 0;
"""
"""Prints `quoted.name|rows` for each table, partitions and children each for itself; and how many large objects there
are, if any."""

PROPERTIES = f"""select json_build_object('size', pg_database_size(d.oid),
'properties', json_build_object('owner', pg_get_userbyid(d.datdba), 'encoding', pg_encoding_to_char(d.encoding),
 'collate', d.datcollate, 'ctype', d.datctype, 'provider', coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'),
 'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
 'tablespace', (select spcname from pg_tablespace t where t.oid = d.dattablespace),
 'connection_limit', d.datconnlimit, 'is_template', d.datistemplate, 'acl', d.datacl::text[],
 'comment', shobj_description(d.oid, 'pg_database')),
'settings', coalesce((select json_agg(json_build_object('role', case when s.setrole = 0 then null
 else pg_get_userbyid(s.setrole) end, 'config', s.setconfig)) from pg_db_role_setting s
 where s.setdatabase = d.oid), '[]'),
'extensions', coalesce((select json_object_agg(extname, extversion) from pg_extension), '{{}}'),
'denied', {_READ} ('r', 'p', 'S')
 and not (has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'))),
'hidden', {_READ} ('r', 'p') and row_security_active(c.oid)),
'server', current_setting('server_version')) from pg_database d where d.datname = current_database();
"""
"""Prints one line of JSON: the facts of the database that is connected to; and which tables the user may not read
(`denied`), or only in part (`hidden`)."""

# Its templates are made with every server; any other is somebody's.
_LIST = """select json_build_object('name', datname, 'size', case when has_database_privilege(oid, 'connect')
then pg_database_size(oid) end) from pg_database
where datallowconn and datname not in ('template0', 'template1') order by datname;
"""
_ROLES = """select json_build_object('roles', (select coalesce(json_agg(rolname order by rolname), '[]') from pg_roles
where rolname !~ '^pg_'), 'tablespaces', (select coalesce(json_agg(spcname order by spcname), '[]') from pg_tablespace
where spcname !~ '^pg_'), 'server', current_setting('server_version'),
'passwords', has_table_privilege('pg_catalog.pg_authid', 'select'));
"""


def psql(host: Host, at: Instance, database: str, script: bytes | None, *, limit: float | None = None) -> Command:
    """A psql session in a database; its script, or what is written to it, comes on standard input. The database is
    named by a variable: an argument with `=` in it would be taken for connection settings, one with a dash for an
    option."""
    env = {**session(at), "PGDATABASE": database, "PGCLIENTENCODING": "UTF8"}
    return at.tool(host, "psql", "-XqAtw", "-v", "ON_ERROR_STOP=1", env=env, feed=script, streams=script is None,
                   limit=limit)  # fmt: skip


def ask(target: Target, at: Instance, database: str, sql: str, *, limit: float = 120.0) -> list[str]:
    """The lines that the SQL answers with. Raises OpsError naming the service, with PostgreSQL's own words."""
    try:
        return target.run(psql(target.host, at, database, sql.encode(), limit=limit)).lines
    except CommandFailed as error:
        raise refused(target, at, database, error.stderr or error.what) from None


def databases(target: Target, at: Instance) -> dict[str, int | None]:
    """The databases that hold something, and their sizes in bytes: None for one that the user may not connect to.
    `postgres`, which every server has, counts only where somebody made a table in it."""
    tables, *lines = ask(target, at, DOOR, f"select count(*) {TABLES};\n{_LIST}")
    found = {one["name"]: one["size"] for one in map(json.loads, lines)}
    if tables == "0" and len(found) > 1:
        found.pop(DOOR, None)
    return found


def globals_facts(target: Target, at: Instance) -> dict[str, Any]:
    """The roles and tablespaces of the server, its version, and whether the user may read the roles' passwords."""
    found: dict[str, Any] = json.loads(ask(target, at, DOOR, _ROLES)[0])
    return found


def count(target: Target, at: Instance, database: str) -> dict[str, int]:
    """The rows of each table of a database, now."""
    return counts_from(ask(target, at, database, COUNT, limit=COUNTING))


def counts_from(lines: list[str]) -> dict[str, int]:
    """The counts from what `COUNT` printed."""
    return {name: int(rows) for name, _, rows in (line.rpartition("|") for line in lines if line)}


def refused(target: Target, at: Instance, database: str, said: str) -> OpsError:
    """The error for a server that did not do what it was asked."""
    return OpsError(
        f"PostgreSQL in service {at.service} (database {database}): {said.strip() or 'the session ended'}",
        host=target.host.name,
        left="everything: no backup set was made",
        next=f"docker logs --tail 50 {at.container}; user and password can stand under `backup: sources:`",
    )


# A postmaster's working folder is its data folder (root may not see it without SYS_PTRACE, then the variable says it),
# and the first line of postmaster.pid there is its process id; then come folder, start, port, socket folder, address.
_INSIDE = r"""
    d=$(readlink "$p/cwd") || d=$PGDATA
    [ "$(sed -n 1p "$d/postmaster.pid")" = "${p#/proc/}" ] || continue
    command -v pg_dump >&2 && command -v psql >&2 || { missing; continue; }
    printf 'data %s\n' "$d"
    printf 'port %s\nsocket %s\naddress %s\n' \
      "$(sed -n 4p "$d/postmaster.pid")" "$(sed -n 5p "$d/postmaster.pid")" "$(sed -n 6p "$d/postmaster.pid")"
    printf 'version %s\nowner %s\nclient %s\n' \
      "$(cat "$d/PG_VERSION")" "$(stat -c %u:%g "$d")" "$(pg_dump --version)"
"""


def _instance(
    container: Container, facts: Facts, env: Mapping[str, str], login: Login
) -> tuple[Instance, tuple[Secret, ...]]:
    user = login.user or env.get("POSTGRES_USER") or env.get("POSTGRESQL_USERNAME") or "postgres"
    password = login.password or Secret(env.get("POSTGRES_PASSWORD") or env.get("POSTGRESQL_PASSWORD") or "")
    port, socket, address = (first(facts, name) for name in ("port", "socket", "address"))
    address = address.split(",")[0].strip()
    variables: dict[str, str | Secret] = {"PATH": first(facts, "path"), "PGUSER": user, "PGPORT": port}
    variables["PGHOST"] = socket or ("127.0.0.1" if address in ("*", "0.0.0.0", "") else address)
    if password:
        variables["PGPASSWORD"] = password
    return Instance(
        kind="postgres", service=container.service, container=container.name, image=container.image,
        version=first(facts, "version"), data=first(facts, "data"), pid=int(first(facts, "pid") or 0),
        user=first(facts, "owner"), port=int(port), id=container.id, client=first(facts, "client"),
        network=not socket, env=variables,
    ), ()  # fmt: skip


ENGINE = Engine(
    kind="postgres", images="postgres|postgis|pgvector|timescale", processes=("postgres", "postmaster"),
    inside=_INSIDE, marks=("PG_VERSION",),
    secrets=("POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "POSTGRESQL_USERNAME", "POSTGRESQL_PASSWORD"),
    instance=_instance, ready=lambda at: ("pg_isready", "-q"),
    data=lambda container, facts: container.env.get("PGDATA", "/var/lib/postgresql/data"), sets_up=True,
    passwords=("POSTGRES_PASSWORD",),
)  # fmt: skip


@dataclass(slots=True)
class Snapshot:
    """A session that keeps one state of a database in view: what is dumped and what is counted are the same rows."""

    id: str
    facts: dict[str, Any]
    _target: Target
    _process: Process
    _at: Instance
    _database: str
    _rest: bytes = b""

    @classmethod
    def take(cls, target: Target, at: Instance, database: str) -> Snapshot:
        """Open the session. Raises OpsError where PostgreSQL refuses. To be closed."""
        process = target.start(psql(target.host, at, database, None))
        self = cls("", {}, target, process, at, database)
        try:
            process.write(b"begin isolation level repeatable read read only;\nselect pg_export_snapshot();\n")
            process.write(PROPERTIES.encode())
            self.id = self._line()
            self.facts = json.loads(self._line())
        except BaseException:
            self.close()
            raise
        return self

    def begin_count(self, more: str = "") -> None:
        """Start to count, and then to ask `more`, SQL that prints JSON, an object a line; it goes on while the dump
        runs, and the transaction stays open until `counts`."""
        self._process.write((COUNT + more).encode())

    def counts(self) -> tuple[dict[str, int], list[str]]:
        """The rows of each table, once all are counted, and what `more` printed."""
        self._process.write(b"commit;\n\\q\n")
        self._process.end_input()
        printed = bytearray(self._rest)
        while got := self._process.read():
            printed += got
        ended = self._target.finish(self._process)
        if not ended.ok:
            raise refused(self._target, self._at, self._database, ended.stderr)
        lines = printed.decode().split("\n")
        counted = [line for line in lines if not line.startswith("{")]  # a table's name that begins so is in quotes
        return counts_from(counted), [line for line in lines if line.startswith("{")]

    def close(self) -> None:
        """End the session, wherever it is."""
        self._process.kill()
        try:
            self._target.finish(self._process)
        except OpsError:
            pass

    def _line(self) -> str:
        while b"\n" not in self._rest:
            got = self._process.read()
            if not got:
                ended = self._target.finish(self._process)
                raise refused(self._target, self._at, self._database, ended.stderr)
            self._rest += got
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()
