"""Single tables of a PostgreSQL database: loaded into a scratch database, counted, and put into the live one in one
transaction, in which what hangs on them is made to hold again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opslib.backup.restore import postgres
from opslib.backup.restore.part import differing
from opslib.backup.restore.postgres import PostgresPart
from opslib.backup.restore.postgres_inplace import PostgresInPlace
from opslib.engines import postgres_restore as pg
from opslib.engines import postgres_tables as tables
from opslib.engines.instance import Instance
from opslib.engines.postgres import major
from opslib.engines.postgres_tables import Name
from opslib.errors import CommandFailed, OpsError

if TYPE_CHECKING:
    from opslib.backup.restore.context import Context


class PostgresTables(PostgresInPlace, frozen=True, kw_only=True, tag="postgres-tables"):
    """`only` are the tables as a manifest's counts name them. Once the transaction is committed, its mark says so, and
    what was there comes back from the safety copy."""

    @property
    def names(self) -> list[Name]:
        """Schema and table of each."""
        return [pg.split_name(one) for one in self.only]

    def load(self, ctx: Context) -> None:
        """Into a scratch database: all definitions, and the rows of these tables."""
        db = ctx.instance(self.service)
        at = pg.maintenance(self.live, postgres.oids(ctx, db))
        self.make_roles(ctx, db, at)
        roles, tablespaces = postgres.names(ctx, db, at)
        script = pg.create_database(self.new, self.properties, major=major(db), roles=roles, tablespaces=tablespaces)
        postgres.run_sql(ctx, db, at, script)
        self._read(ctx, db, tables.definitions_into(self.new))
        made = look(ctx, db, self.new, self.names)
        postgres.run_sql(ctx, db, self.new, tables.always(made["triggers"] or (), fire=False))
        self._read(ctx, db, tables.rows_into(self.new, self.names, made["sequences"] or ()))
        postgres.run_sql(ctx, db, self.new, tables.always(made["triggers"] or (), fire=True))
        seen = {name: rows for name, rows in postgres.count_tables(ctx, db, self.new).items() if name in self.only}
        if self.counts is not None and seen != self.counts:
            raise differing(self.what, self.counts, seen, ctx.target.host.name)

    def unload(self, ctx: Context) -> None:
        PostgresPart.unload(self, ctx)

    def swap(self, ctx: Context) -> None:
        db = ctx.instance(self.service)
        live, given = look(ctx, db, self.live, self.names), look(ctx, db, self.new, self.names)
        kept = [name for name in self.names if self._stays(ctx, db, name, live, given)]
        anew = [name for name in self.names if name not in kept]
        keys = [key for key in live["keys"] or () if tuple(key["on"]) not in anew]
        keys += lost_keys(live, given)
        triggers = [one for one in live["triggers"] or () if tuple(one["on"]) in kept]
        programs = [tables.dump(self.new, kept, "--data-only")] if kept else []
        programs += [tables.dump(self.new, anew)] if anew else []
        program = tables.put(
            tables.begin(self.mark, kept, anew, live), tables.end(keys, triggers, self.counts or {}), *programs
        )
        env = {**postgres.loader_env(db), "PGDATABASE": self.live}
        try:
            said = ctx.target.run(db.tool(ctx.target.host, *program, env=env))
        except CommandFailed as error:
            raise self._refused(ctx, error.stderr or error.what) from None
        if tables.DONE not in said.lines:
            raise self._refused(ctx, said.ended.stderr)
        postgres.run_sql(ctx, db, self.live, "".join(f"analyze {tables.full(name)};\n" for name in self.names))

    def back(self, ctx: Context) -> None:
        self.bring_back(ctx)
        PostgresInPlace.clean(self, ctx)  # the roles go with the scratch database, in which they own something

    def clean(self, ctx: Context) -> None:
        PostgresInPlace.clean(self, ctx)
        db = ctx.instance(self.service)
        at = pg.maintenance(self.live, postgres.oids(ctx, db))
        postgres.run_sql(ctx, db, at, pg.drop_databases([self.new]))

    def _read(self, ctx: Context, db: Instance, program: Sequence[str]) -> None:
        ctx.target.run(postgres.load_command(ctx, db, self.folder, self.file, program))

    def _refused(self, ctx: Context, said: str) -> OpsError:
        return OpsError(
            f"{self.what} could not be put back: {said.strip()}", host=ctx.target.host.name,
            next="mend what it says, or restore the whole database, with --into beside the live one",
        )  # fmt: skip

    def _stays(self, ctx: Context, db: Instance, name: Name, live: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
        """Whether the live table keeps its object: it is there, and defined as in the set; or has its columns and is
        read by views, which hold it."""
        now, then = columns(live, name), columns(given, name)
        if now is None:
            return False
        env = postgres.loader_env(db)
        there, here = (ctx.target.run(db.tool(ctx.target.host, *tables.dump(base, [name], "--schema-only"), env=env))
                       for base in (self.live, self.new))  # fmt: skip
        return tables.same_text(there.lines, here.lines) or (bool(live["views"]) and now == then)


def look(ctx: Context, db: Instance, database: str, names: Sequence[Name]) -> dict[str, Any]:
    """What a database says of the tables."""
    found: dict[str, Any] = json.loads("".join(postgres.run_sql(ctx, db, database, tables.look(names))))
    return found


def columns(seen: Mapping[str, Any], name: Name) -> list[Any] | None:
    """The columns of a table, with their types; None where it is not there."""
    return next((one["columns"] for one in seen["there"] or () if tuple(one["name"]) == name), None)


def lost_keys(live: Mapping[str, Any], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The foreign keys of other tables that went with a table, and come back with it: those of the set whose own table
    is there."""
    there = {tuple(one["name"]) for one in live["there"] or ()}
    own = {tuple(one["name"]) for one in given["there"] or ()}
    others = {tuple(one) for one in live["tables"] or ()}
    return [key for key in given["keys"] or ()
            if tuple(key["to"]) not in there and tuple(key["on"]) in others - own]  # fmt: skip


def some(ctx: Context, part: PostgresPart, only: tuple[str, ...], copy: str) -> PostgresTables:
    """The same part for some tables of it. Raises OpsError where there is no database that they could go to, or a table
    that cannot be put back alone."""
    if part.old_oid is None or not part.connect:
        raise OpsError(f"{part.title} is not there: it has no place for a table", host=ctx.target.host.name,
                       left="everything", next="restore it whole, without --only")  # fmt: skip
    names = [pg.split_name(one) for one in only]
    seen = look(ctx, ctx.instance(part.service), part.live, names)
    bound = [key for key in seen["keys"] or () if key["bound"]]
    if bound:
        raise OpsError(
            f"{tables.full(bound[0]['on'])} has the foreign key {bound[0]['name']} of the table that it is a part of",
            host=ctx.target.host.name, left="everything", next="restore the whole database, with --into beside it",
        )  # fmt: skip
    notes = [
        f"foreign key {key['name']} of {tables.full(key['on'])} points at it: it must hold, or nothing is changed"
        for key in seen["keys"] or () if tuple(key["on"]) not in names
    ]  # fmt: skip
    notes += [f"view {view} reads it, and stays" for view in seen["views"] or ()]
    gone = "{} is gone: foreign keys of other tables that pointed at it come back with it, views do not"
    notes += [gone.format(tables.full(name)) for name in names if columns(seen, name) is None]
    every = {name: rows for name, rows in (part.counts or {}).items() if "." in name}
    counts = {name: rows for name, rows in every.items() if name in only}
    share = part.needs * sum(counts.values()) // max(1, sum(every.values()))
    kept = {name: getattr(part, name) for name in PostgresPart.__struct_fields__}
    changed = {"only": only, "counts": counts, "notes": tuple(notes), "needs": 2 * max(share, int(seen["bytes"] or 0))}
    return PostgresTables(**{**kept, **changed}, copy=copy)
