"""A fingerprint of a PostgreSQL database that is the same after a restore: hashes of rows, and of what is defined.

Never a false alarm: a row's text is made under settings that are always the same, and rows are summed, so that their
order does not count. Left out are generated columns, which a restore computes anew, and columns of types that
extensions or users have made, whose text may depend on whatever they like. Expressions are not compared: PostgreSQL
writes them otherwise once they have been read again (`x in ('a')` over varchar is the known case).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from opslib.engines.postgres import OWN, TABLES

SINCE = 13
"""The first major version that is asked."""
_LEAST, _SHARE = 8 << 20, 25
# The tables that are hashed, the smallest first: all of so many bytes, or this part of a larger database. To hash costs
# as much as to dump the same rows (measured with 15), and a backup is not to take longer for it.
_SMALLEST = f"total <= greatest({_LEAST}, (select sum(size) from own) / {_SHARE})"

# An error leaves one hash out, and neither the counts of the session nor its snapshot.
_BEGIN = r"""\set ON_ERROR_STOP 0
\set ON_ERROR_ROLLBACK on
set local search_path = pg_catalog; set local timezone = 'UTC'; set local datestyle = 'ISO, YMD';
set local intervalstyle = postgres; set local extra_float_digits = 1; set local bytea_output = hex;
set local lc_monetary = 'C'; set local quote_all_identifiers = off;
"""

_PLAIN = """(t.typnamespace = 'pg_catalog'::regnamespace or t.typtype = 'e'
 or exists (select from pg_type e where e.oid = t.typelem and e.typtype = 'e')
 or (t.typtype = 'd' and (select b.typnamespace from pg_type b where b.oid = t.typbasetype)
 = 'pg_catalog'::regnamespace))"""

# %s: which tables. `x.` before a column, since an alias may be a column's name too.
_CONTENTS = f"""with own as (select c.oid, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname) as name,
 pg_table_size(c.oid) as size {TABLES}),
chosen as (select *, sum(size) over (order by size, oid) as total from own),
columns as (select c.name, a.attname, {_PLAIN} and a.attgenerated = '' as hashed, a.attgenerated <> '' as generated
 from chosen c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 join pg_type t on t.oid = a.atttypid)
"""
_HASH = f"""{_CONTENTS}select format('select json_build_object(''contents'', %L::text, ''is'',
 coalesce(sum(hashtextextended(row(%s)::text, 0)), 0)::text) from only %I.%I x', name,
 (select string_agg(format('x.%I', attname), ',' order by attname collate "C") from columns k
 where k.name = c.name and hashed), nspname, relname) from chosen c where WHICH order by size \\gexec
"""
_LEFT_OUT = f"""{_CONTENTS}select json_build_object('left_out', name) from chosen c where not (WHICH)
union all select json_build_object('left_out', format('%s.%I', c.name, attname)) from columns join chosen c using (name)
where WHICH and not hashed and not generated;
"""

_COLUMNS = """(select string_agg(coalesce(quote_ident(a.attname), '()'), ',' order by k.at)
 from unnest({keys}) with ordinality k(n, at)
 left join pg_attribute a on a.attrelid = {of} and a.attnum = k.n and k.n <> 0)"""
_NOT_OURS = """n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
 and not exists (select from pg_depend d where d.classid = '{catalog}'::regclass and d.objid = {oid}
 and d.deptype = 'e')"""

_DEFINITIONS = f"""with rel as (select c.oid, c.relkind, c.relpersistence, format('%I.%I', n.nspname, c.relname) as name
 {OWN}),
lines as (
select 'tables' as what, format('%s %s %s', name, relkind, relpersistence) as line from rel
 where relkind in ('r', 'p', 'v', 'm', 'f')
union all select 'columns', format('%s.%I %s %s %s %s', name, attname, case when relkind not in ('v', 'm')
 then format_type(atttypid, atttypmod) end, attnotnull, attidentity, case attgenerated when '' then atthasdef::text
 else 'generated' end) from rel join pg_attribute on attrelid = rel.oid
 where attnum > 0 and not attisdropped and relkind in ('r', 'p', 'v', 'm', 'f', 'c')
union all select 'indexes', format('%I on %s %s %s (%s) (%s) %s %s', x.relname, r.name, am.amname, i.indisunique,
 {_COLUMNS.format(keys="i.indkey", of="i.indrelid")}, (select string_agg(opcname, ',' order by k.at) from
 unnest(i.indclass) with ordinality k(n, at) join pg_opclass o on o.oid = k.n), i.indoption, i.indpred is not null)
 from pg_index i join rel r on r.oid = i.indrelid join pg_class x on x.oid = i.indexrelid join pg_am am
 on am.oid = x.relam where i.indisvalid and i.indisready
union all select 'constraints', format('%I on %s %s (%s) %s (%s) %s', conname, r.name, contype, case when contype <> 'c'
 then {_COLUMNS.format(keys="conkey", of="conrelid")} end, f.name, {_COLUMNS.format(keys="confkey", of="confrelid")},
 case contype when 'f' then format('%s%s', confupdtype, confdeltype) end) from pg_constraint join rel r
 on r.oid = conrelid left join rel f on f.oid = confrelid where contype in ('p', 'u', 'f', 'x', 'c') and conparentid = 0
union all select 'triggers', format('%I on %s %I %s %s', tgname, r.name, proname, tgtype, tgenabled) from pg_trigger
 join rel r on r.oid = tgrelid join pg_proc p on p.oid = tgfoid where not tgisinternal and tgparentid = 0
union all select 'functions', format('%I.%I(%s) %s %s %s', n.nspname, proname,
 pg_get_function_identity_arguments(p.oid), prokind, lanname, hashtextextended(prosrc, 0))
 from pg_proc p join pg_namespace n on n.oid = pronamespace
 join pg_language l on l.oid = prolang where {_NOT_OURS.format(catalog="pg_proc", oid="p.oid")}
union all select 'types', format('%I.%I %s %s', n.nspname, typname, case typtype when 'd' then format_type(typbasetype,
 typtypmod) end, (select string_agg(quote_ident(enumlabel), ',' order by enumsortorder) from pg_enum
 where enumtypid = t.oid)) from pg_type t join pg_namespace n on n.oid = typnamespace
 where typtype in ('d', 'e') and {_NOT_OURS.format(catalog="pg_type", oid="t.oid")}
union all select 'sequences', format('%s %s %s %s %s %s %s', name, format_type(seqtypid, null), seqstart, seqincrement,
 seqmin, seqmax, seqcycle) from rel join pg_sequence on seqrelid = rel.oid)
select json_build_object('definitions', what, 'is', encode(sha256(convert_to(string_agg(line, E'\\n'
 order by line collate "C"), 'UTF8')), 'hex')) from lines group by what;
"""


@dataclass(slots=True)
class Printed:
    """What a fingerprint's SQL printed: hashes by table, by what is defined, and the tables and columns without any."""

    contents: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def sql(tables: Iterable[str] | None = None) -> str:
    """SQL for psql, within a transaction: prints JSON, an object a line, of these tables; None: of the smallest."""
    which = _SMALLEST
    if tables is not None:
        listed = json.dumps(list(tables), ensure_ascii=False).replace("'", "''")
        which = f"c.name in (select json_array_elements_text('{listed}'))"
    return _BEGIN + _DEFINITIONS + (_HASH + _LEFT_OUT).replace("WHICH", which)


def printed(lines: Sequence[str]) -> Printed:
    """What it printed."""
    found = Printed()
    for one in map(json.loads, lines):
        if "left_out" in one:
            found.left_out.append(one["left_out"])
        elif "contents" in one:
            found.contents[one["contents"]] = one["is"]
        else:
            found.definitions[one["definitions"]] = one["is"]
    return found
