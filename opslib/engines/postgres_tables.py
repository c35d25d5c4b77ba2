"""Putting single tables back into a live PostgreSQL database: what hangs on them, and the transaction that does it.

A table that is still defined as in the set keeps its object, and with it everything that knows it: only its rows are
exchanged. One that is gone, or is defined in another way now, is made anew.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from opslib.engines.postgres_restore import conninfo, ident, literal

Name = tuple[str, str]
"""Schema and table."""

DONE = "opslib: done"

_LOOK = """set search_path = '';
with wanted (s, t) as (values {names}),
own as (select c.oid, s, t from wanted join pg_catalog.pg_namespace n on n.nspname = s
 join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t),
keys as (select k.*, (pg_catalog.to_jsonb(k) ->> 'conparentid')::pg_catalog.int8 as above
 from pg_catalog.pg_constraint k where k.contype = 'f'
 and (k.conrelid in (select oid from own) or k.confrelid in (select oid from own)))
select pg_catalog.json_build_object(
'there', (select pg_catalog.json_agg(pg_catalog.json_build_object('name', array[s, t], 'columns',
 (select pg_catalog.json_agg(array[attname, pg_catalog.format_type(atttypid, atttypmod)] order by attname)
 from pg_catalog.pg_attribute where attrelid = own.oid and attnum > 0 and not attisdropped))) from own),
'bytes', (select sum(pg_catalog.pg_total_relation_size(oid)) from own),
'keys', (select pg_catalog.json_agg(pg_catalog.json_build_object('name', conname, 'on', array[n.nspname, c.relname],
 'to', array[fn.nspname, f.relname], 'bound', coalesce(above, 0) <> 0,
 'definition', pg_catalog.pg_get_constraintdef(keys.oid),
 'comment', pg_catalog.obj_description(keys.oid, 'pg_constraint')) order by n.nspname, c.relname, conname)
 from keys join pg_catalog.pg_class c on c.oid = conrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 join pg_catalog.pg_class f on f.oid = confrelid join pg_catalog.pg_namespace fn on fn.oid = f.relnamespace),
'triggers', (select pg_catalog.json_agg(pg_catalog.json_build_object('on', array[s, t], 'name', tgname,
 'enabled', tgenabled)) from pg_catalog.pg_trigger join own on own.oid = tgrelid where not tgisinternal),
'views', (select pg_catalog.json_agg(distinct pg_catalog.format('%I.%I', n.nspname, v.relname)) from own
 join pg_catalog.pg_depend d on d.refobjid = own.oid and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
 join pg_catalog.pg_rewrite r on r.oid = d.objid and d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
 join pg_catalog.pg_class v on v.oid = r.ev_class and v.relkind in ('v', 'm')
 join pg_catalog.pg_namespace n on n.oid = v.relnamespace),
'sequences', (select pg_catalog.json_agg(distinct q.relname) from own
 join pg_catalog.pg_depend d on d.refobjid = own.oid and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
 and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.deptype in ('a', 'i')
 join pg_catalog.pg_class q on q.oid = d.objid and q.relkind = 'S'),
'tables', (select pg_catalog.json_agg(array[n.nspname, c.relname]) from pg_catalog.pg_class c
 join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p')
 and n.nspname not in ('pg_catalog', 'information_schema')));"""


def look(tables: Sequence[Name]) -> str:
    """Prints one line of JSON (null for nothing): which of the tables are `there` with their columns, their `bytes`,
    the foreign `keys` of them and to them, their `triggers`, the `views` on them, the `sequences` that they own; and
    all `tables`."""
    return _LOOK.format(names=", ".join(f"({literal(schema)}, {literal(table)})" for schema, table in tables))


def full(name: Sequence[str]) -> str:
    """The name of a table as SQL writes it."""
    return f"{ident(name[0])}.{ident(name[1])}"


# The words of pg_restore. The archive is read to its end, whatever is wanted of it.
_SOME = 'pg_restore -1 --exit-on-error -w "$@"; e=$?; cat >/dev/null; exit $e'
# A replica checks no foreign keys: the other tables are empty.
_ROWS = f'PGOPTIONS="$PGOPTIONS -c session_replication_role=replica"; export PGOPTIONS; {_SOME}'


def definitions_into(database: str) -> tuple[str, ...]:
    """The program that loads everything but rows from an archive on its standard input."""
    return ("sh", "-c", _SOME, "sh", "-d", conninfo(database), "--schema-only")


def rows_into(database: str, tables: Sequence[Name], sequences: Sequence[str]) -> tuple[str, ...]:
    """The program that loads the rows of some tables, and where their sequences stand. Whatever else has these names is
    loaded too. `always` has kept those triggers from firing that would."""
    names = [f"--table={name}" for name in dict.fromkeys((*(table for _, table in tables), *sequences))]
    schemas = [f"--schema={name}" for name in dict.fromkeys(schema for schema, _ in tables)]
    return ("sh", "-c", _ROWS, "sh", "-d", conninfo(database), "--data-only", *schemas, *names)


def always(triggers: Sequence[Mapping[str, Any]], *, fire: bool) -> str:
    """The SQL that keeps the triggers from firing that do so on a replica too, or lets them again."""
    return "\n".join(
        f"alter table {full(one['on'])} {_ENABLED[one['enabled']] if fire else 'disable'} trigger {ident(one['name'])};"
        for one in triggers if one["enabled"] in "AR"
    )  # fmt: skip


def dump(database: str, tables: Sequence[Name], *more: str) -> tuple[str, ...]:
    """pg_dump of some tables. In quotes, no character of a name is a pattern's."""
    return ("pg_dump", "-w", "-d", conninfo(database), *(f"--table={full(name)}" for name in tables), *more)


def same_text(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two dumps of definitions say the same: comments and psql's own commands aside."""
    return _told(one) == _told(other)


def _told(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line and not line.startswith(("--", "\\"))]


# -- the transaction

LOCKS = "1min"  # how long somebody else's lock is waited for: after it nothing has been changed


def begin(mark: str, kept: Sequence[Name], anew: Sequence[Name], live: Mapping[str, Any]) -> str:
    """The SQL in front of the rows: `kept` tables are emptied, those made `anew` go. No foreign key holds them, and no
    trigger fires. What hangs on a table that goes, beside foreign keys, ends it."""
    there = {tuple(one["name"]) for one in live["there"] or ()}
    lines = ["begin;", f"set local lock_timeout = '{LOCKS}';", f"create schema {ident(mark)};"]
    lines += [f"alter table {full(key['on'])} drop constraint {ident(key['name'])};" for key in live["keys"] or ()]
    lines += [f"alter table {full(name)} disable trigger user;\ntruncate only {full(name)};" for name in kept]
    gone = ", ".join(full(name) for name in anew if name in there)
    return "\n".join([*lines, f"drop table {gone};" if gone else ""])


def end(keys: Sequence[Mapping[str, Any]], triggers: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> str:
    """The SQL behind them: triggers and foreign keys are what they were, and hold; the rows are counted (`counts` by
    the tables' names as SQL writes them); and only then it is committed."""
    lines = [f"alter table {full(one['on'])} {_ENABLED[one['enabled']]} trigger {ident(one['name'])};"
             for one in triggers]  # fmt: skip
    for key in keys:
        lines.append(f"alter table {full(key['on'])} add constraint {ident(key['name'])} {key['definition']};")
        if key["comment"]:
            lines.append(
                f"comment on constraint {ident(key['name'])} on {full(key['on'])} is {literal(key['comment'])};"
            )
    for name, rows in counts.items():
        wrong = literal(f"{name} has other rows than the set says")
        lines.append(f"do $opslib$ begin if (select pg_catalog.count(*) from only {name}) <> {rows} then "
                     f"raise exception using message = {wrong}; end if; end $opslib$;")  # fmt: skip
    return "\n".join([*lines, "commit;", f"select {literal(DONE)};"])


_ENABLED = {"O": "enable", "D": "disable", "R": "enable replica", "A": "enable always"}


def put(first: str, last: str, *programs: Sequence[str]) -> tuple[str, ...]:
    """The program that runs the transaction in the session's own database, with what the programs print between its
    beginning and its end. psql is told to commit only when all of them have ended well: what breaks off leaves the
    transaction open. It says DONE when it is committed."""
    rows = " && ".join(shlex.join(program) for program in programs)
    script = f"""{{ printf '%s\\n' "$1" && {rows} && printf '%s\\n' "$2"; }} | psql -XqAtw -v ON_ERROR_STOP=1"""
    return ("sh", "-c", script, "sh", first, last)
