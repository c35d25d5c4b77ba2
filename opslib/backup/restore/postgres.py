"""A PostgreSQL database: loaded into a new one, counted, and swapped with the live one by rename."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from opslib.backup.pack import LONG, beside, inside
from opslib.backup.postgres import environment
from opslib.backup.restore.context import SET, Context, read_artifact
from opslib.backup.restore.part import Part, differing
from opslib.backup.unpack import UNPACK
from opslib.command import Command, Secret
from opslib.engines import postgres_restore as pg
from opslib.engines.instance import Instance
from opslib.engines.postgres import COUNT, DOOR, LARGE, PROPERTIES, counts_from, major, psql, session
from opslib.engines.postgres_inplace import FORGET_SUBSCRIPTIONS
from opslib.engines.sqltext import role_statements, roles_created
from opslib.errors import CommandFailed, OpsError

# $1 the artifact, $2 what is printed behind it if it could be unpacked to its end ("" for nothing), then the loader.
# Both exit codes count: it takes a dead decompressor for the end.
_LOAD = f"""set -o pipefail; {UNPACK}file=$1 end=$2; shift 2
{{ unpack "$file" && {{ [ -z "$end" ] || printf '\\n%s\\n' "$end"; }}; }} | "$@" """


class PostgresPart(Part, frozen=True, kw_only=True, tag="postgres"):
    """`live` is the database, `old_oid` the one that has this name now (None: none has), `form` how it was dumped
    (custom, tar, directory, plain), `globals` the artifact with the roles, `new_roles` those that this server lacks."""

    service: str
    live: str
    old_oid: str | None = None
    connect: bool = True
    form: str = "custom"
    globals: str | None = None
    new_roles: tuple[str, ...] = ()
    properties: dict[str, Any] = {}
    settings: tuple[dict[str, Any], ...] = ()

    @property
    def overwrites(self) -> bool:
        return self.old_oid is not None

    @property
    def new(self) -> str:
        """The database that it is loaded into."""
        return f"opslib_new_{self.id}"

    @property
    def old(self) -> str:
        """What the live database is called once it has been replaced."""
        return f"opslib_old_{self.id}"

    def load(self, ctx: Context) -> None:
        db = ctx.instance(self.service)
        at = pg.maintenance(self.live, oids(ctx, db))
        self.make_roles(ctx, db, at)
        roles, tablespaces = names(ctx, db, at)
        script = pg.create_database(self.new, self.properties, major=major(db), roles=roles, tablespaces=tablespaces)
        run_sql(ctx, db, at, script)
        ctx.target.run(load_command(ctx, db, self.folder, self.file, pg.loader(self.new, self.form)))
        if self.counts is not None:
            seen = count_tables(ctx, db, self.new)
            if not same(self.counts, seen):
                raise differing(self.title, self.counts, seen, ctx.target.host.name)
        run_sql(ctx, db, self.new, "analyze;")
        after = pg.apply_properties(self.new, self.properties, self.settings, roles)
        if after:
            run_sql(ctx, db, at, after)

    def unload(self, ctx: Context) -> None:
        db = ctx.instance(self.service, fresh=True)
        here = oids(ctx, db)
        at = pg.maintenance(self.live, here)
        if self.new in here:  # one with a subscription cannot be dropped; one that was swapped back lets nobody in
            run_sql(ctx, db, at, f"alter database {pg.ident(self.new)} allow_connections true;")
            run_sql(ctx, db, self.new, FORGET_SUBSCRIPTIONS)
        run_sql(ctx, db, at, pg.drop_databases([self.new]))
        self.drop_roles(ctx, db, at)

    def make_roles(self, ctx: Context, db: Instance, at: str) -> None:
        """Make the roles that the server lacks, connected to the database `at`."""
        if self.globals and self.new_roles:
            made = role_statements(read_artifact(ctx, self.folder, self.globals), self.new_roles)
            # psql prints the line of an error unless it is terse, and there are passwords' hashes in these.
            roles_sql = Secret(f"\\set VERBOSITY terse\nbegin;\n{made}commit;\n")
            ctx.target.run(psql(ctx.target.host, db, at, b"").with_(feed=roles_sql))

    def drop_roles(self, ctx: Context, db: Instance, at: str) -> None:
        """Remove them again, all or some or none of which are there."""
        drops = "".join(f"drop role if exists {pg.ident(role)};\n" for role in self.new_roles)
        if drops:
            run_sql(ctx, db, at, drops)

    def swap(self, ctx: Context) -> None:
        db = ctx.instance(self.service)
        here = oids(ctx, db)
        if here.get(self.live) != self.old_oid or self.new not in here:
            raise OpsError(f"{self.title} is no longer what was looked at", host=ctx.target.host.name)
        script = pg.swap(self.live, self.new, self.old if self.old_oid else None)
        run_sql(ctx, db, pg.maintenance(self.live, here), script)
        after = oids(ctx, db)
        if after.get(self.live) != here[self.new] or after.get(self.old) != self.old_oid:
            raise OpsError(f"{self.title} could not be swapped in", host=ctx.target.host.name)

    def back(self, ctx: Context) -> None:
        db = ctx.instance(self.service, fresh=True)
        here = oids(ctx, db)
        script = pg.swap_back(
            self.live, self.new, self.old, old_is=self.old_oid, oids=here, connect=self.connect
        )  # fmt: skip
        if script:
            run_sql(ctx, db, pg.maintenance(self.live, here), script)
        if oids(ctx, db).get(self.live) != self.old_oid:
            raise OpsError(f"the old {self.title} could not be put back", host=ctx.target.host.name)

    def holds(self, ctx: Context) -> dict[str, Any] | None:
        return dict(count_tables(ctx, ctx.instance(self.service), self.live))

    def clean(self, ctx: Context) -> None:
        db = ctx.instance(self.service)
        at = pg.maintenance(self.live, oids(ctx, db))
        run_sql(ctx, db, at, pg.drop_databases([self.old]))


def run_sql(ctx: Context, db: Instance, database: str, script: str, *, limit: float = LONG) -> list[str]:
    """The lines that the SQL answers with. Raises CommandFailed with PostgreSQL's own words."""
    feed = script.encode("utf-8", "surrogateescape")
    return ctx.target.run(psql(ctx.target.host, db, database, feed, limit=limit)).lines


def oids(ctx: Context, db: Instance) -> dict[str, str]:
    """The databases of the server and their oids."""
    return {entry["name"]: entry["oid"] for entry in databases(ctx, db)}


def databases(ctx: Context, db: Instance) -> list[dict[str, Any]]:
    """Name, oid, size and whether it takes connections, of each database."""
    try:
        lines = run_sql(ctx, db, "postgres", pg.DATABASES)
    except CommandFailed:  # it is the one that is being swapped, or was dropped
        lines = run_sql(ctx, db, "template1", pg.DATABASES)
    found: list[dict[str, Any]] = json.loads("".join(lines))
    return found


def names(ctx: Context, db: Instance, at: str) -> tuple[list[str], list[str]]:
    """The roles and the tablespaces of the server."""
    script = "select json_agg(rolname) from pg_roles;\nselect json_agg(spcname) from pg_tablespace;"
    roles, tablespaces = run_sql(ctx, db, at, script)
    return json.loads(roles), json.loads(tablespaces)


def missing_roles(ctx: Context, db: Instance, folder: str, file: str) -> tuple[str, ...]:
    """The roles of a globals artifact that the server does not have."""
    present = set(names(ctx, db, "template1")[0])
    return tuple(role for role in roles_created(read_artifact(ctx, folder, file)) if role not in present)


def facts_now(ctx: Context, db: Instance, database: str) -> dict[str, Any]:
    """`properties` and `settings` of a database that is there, as a manifest has them."""
    facts: dict[str, Any] = json.loads("".join(run_sql(ctx, db, database, PROPERTIES)))
    return facts


def loader_env(db: Instance) -> dict[str, str | Secret]:
    """The variables of a program that loads."""
    return {**session(db), "PGCLIENTENCODING": "UTF8"}


def load_command(ctx: Context, db: Instance, folder: str, file: str, program: Sequence[str], *, database: str = DOOR,
                 end: str = "") -> Command:  # fmt: skip
    """The artifact, unpacked, into a program of the engine's own image, which runs beside its container as a dump does:
    what passes the stream of `docker exec` is slower than PostgreSQL. `database` is what it connects to where its words
    do not say it."""
    words = ("bash", "-c", _LOAD, "opslib", f"{SET}/{file}", end, *inside(db, *program))
    options = ["--security-opt", "label=disable", "--env", "TINI_SUBREAPER=1", *beside(db)]
    env = {**environment(db, database), "PGCLIENTENCODING": "UTF8"}
    return ctx.reading(folder, *words, options=options, env=env)


def count_tables(ctx: Context, db: Instance, database: str) -> dict[str, int]:
    """Rows of each table, named as the manifest names them."""
    return counts_from(run_sql(ctx, db, database, COUNT))


def same(wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Whether the counts are those of the set. An older set does not count large objects."""
    return {**wanted, LARGE: wanted.get(LARGE, seen.get(LARGE))} == {**seen, LARGE: seen.get(LARGE)}


def database_now(ctx: Context, db: Instance, database: str) -> tuple[dict[str, Any], dict[str, int] | None]:
    """What a part must know of the database that has this name now, and its rows (None where there is none)."""
    for entry in databases(ctx, db):
        if entry["name"] == database:
            counts = count_tables(ctx, db, database) if entry["connect"] else None
            return {"old_oid": entry["oid"], "connect": entry["connect"]}, counts
    return {"old_oid": None, "connect": True}, None
