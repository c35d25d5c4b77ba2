"""What a MySQL or MariaDB server says of its databases: which there are, what a manifest says of one, what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opslib.engines.mysql import OWN, Row, ask, literal, name, refused, same

if TYPE_CHECKING:
    from opslib.engines.instance import Instance
    from opslib.target.base import Target

COUNTING = 6 * 3600.0  # seconds


def databases(target: Target, at: Instance) -> dict[str, int]:
    """The databases, without the server's own, and the bytes of their data (MySQL 8 would say those of yesterday;
    MariaDB does not read that line)."""
    own = ", ".join(f"'{one}'" for one in OWN)
    sql = f"""/*!80000 set session information_schema_stats_expiry = 0 */;
select s.schema_name, coalesce(sum(t.data_length), 0) from information_schema.schemata s
left join information_schema.tables t on t.table_schema = s.schema_name
where lower(s.schema_name) not in ({own}) group by s.schema_name order by s.schema_name;"""
    return {database: int(float(size)) for database, size in ask(target, at, sql)}


def facts(target: Target, at: Instance, database: str) -> dict[str, Any]:
    """What a manifest says of a database: `charset`, `collation`, `tables` with their engines; and for the dump
    `plain` (tables that no transaction protects), `versioned` (with rows that are history), `programs` (how many
    routines and events), `triggers` (whether the user has the right to see them)."""
    db = literal(database)
    sql = f"""select 'database', default_character_set_name, default_collation_name from information_schema.schemata
 where {same("schema_name", database)};
select 'engine', engine from information_schema.engines where transactions = 'YES';
select 'table', table_name, engine, table_type from information_schema.tables
 where {same("table_schema", database)} and table_type <> 'VIEW';
select 'program', specific_name from information_schema.routines where {same("routine_schema", database)};
select 'program', event_name from information_schema.events where {same("event_schema", database)};
select 'right', privilege_type from information_schema.user_privileges where privilege_type = 'TRIGGER'
 and grantee = {_GRANTEE};
select 'right', privilege_type from information_schema.schema_privileges where privilege_type = 'TRIGGER'
 and grantee = {_GRANTEE} and {db} like table_schema;"""
    rows = ask(target, at, sql)
    by: dict[str, list[Row]] = {}
    for kind, *rest in rows:
        by.setdefault(kind, []).append(rest)
    if "database" not in by:
        raise refused(target, at, f"the database {database!r} is not there any more")
    ((charset, collation),) = by["database"]
    safe = {engine for (engine,) in by.get("engine", ())}
    tables = {table: engine for table, engine, _ in by.get("table", ())}
    return {
        "charset": charset, "collation": collation, "tables": tables,
        "plain": sorted(table for table, engine in tables.items() if engine not in safe),
        "versioned": sorted(table for table, _, kind in by.get("table", ()) if kind == "SYSTEM VERSIONED"),
        "programs": len(by.get("program", ())), "triggers": bool(by.get("right")),
    }  # fmt: skip


_HOST = "substring_index(current_user(), '@', -1)"
_GRANTEE = (
    "concat('''', left(current_user(), char_length(current_user()) - char_length("
    f"{_HOST}) - 1), '''@''', {_HOST}, '''')"
)


def count(target: Target, at: Instance, database: str) -> dict[str, int] | None:
    """The rows of each table now, and how many there are of everything else, as a dump is counted; None where there
    is no such database."""
    sql = f"""select 'database' from information_schema.schemata where {same("schema_name", database)};
select 'table', table_name, table_type from information_schema.tables where {same("table_schema", database)};
select lower(routine_type), specific_name from information_schema.routines where {same("routine_schema", database)};
select 'trigger', trigger_name from information_schema.triggers where {same("trigger_schema", database)};
select 'event', event_name from information_schema.events where {same("event_schema", database)};"""
    rows = ask(target, at, sql)
    if ["database"] not in rows:
        return None
    tables, counts = [], dict[str, int]()
    for kind, *rest in rows:
        what = {"VIEW": "views", "SEQUENCE": "sequences"}.get(rest[1], "") if kind == "table" else f"{kind}s"
        if kind == "table" and not what:
            tables.append(rest[0])
        elif kind != "database":
            counts[what] = counts.get(what, 0) + 1
    if tables:
        each = "".join(f"select count(*) from {name(table)};\n" for table in tables)
        found = ask(target, at, each, database, limit=COUNTING)
        counts |= {name(table): int(rows) for table, (rows,) in zip(tables, found, strict=True)}
    return counts
