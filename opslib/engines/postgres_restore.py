"""Restoring a PostgreSQL database beside the live one and swapping the two by rename.

Every text here is fed to psql on its standard input: identifiers and literals are quoted, and nothing of it is in an
argument. Names of our own databases are short: PostgreSQL cuts what is longer than 63 bytes with only a notice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any


def ident(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def split_name(name: str) -> tuple[str, str]:
    """Schema and table of `"schema"."table"`, as quote_ident writes them: in quotes only where they need some."""
    schema, table = (quoted or bare for quoted, bare in re.findall(r'"((?:[^"]|"")*)"|([^".]+)', name))
    return schema.replace('""', '"'), table.replace('""', '"')


def literal(text: str) -> str:
    """A quoted literal, whatever `standard_conforming_strings` says."""
    quoted = "'" + text.replace("'", "''").replace("\\", "\\\\") + "'"
    return f" E{quoted}" if "\\" in text else quoted


def conninfo(database: str) -> str:
    """What `-d` takes for exactly this database: a bare name with `=` in it would be read as a connection string."""
    return "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'"


# A dump in directory format comes as a tar archive, which pg_restore cannot read unless it made it.
_DIRECTORY = """d=$(mktemp -d) && trap 'rm -rf -- "$d"' EXIT && tar -C "$d" -xf - && t=$(find "$d" -name toc.dat) &&
"$@" "${t%/toc.dat}" """


def loader(database: str, form: str) -> tuple[str, ...]:
    """The program that loads a dump from standard input in one transaction that the first error ends. `form` is
    custom, tar (pg_dump's own), directory (in a tar archive) or plain."""
    if form == "plain":
        return ("psql", "-Xqw", "-1", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d", conninfo(database))
    restore = ("pg_restore", "-1", "--exit-on-error", "-w", "-d", conninfo(database))
    return ("sh", "-c", _DIRECTORY, "sh", *restore) if form == "directory" else restore


_FIRST_WITH_RESTRICT = {17: 6, 16: 10, 15: 14, 14: 19, 13: 22}


def knows_restrict(version: str) -> bool:
    """Whether a psql of this version (as `psql --version` prints it) understands `\\restrict`."""
    found = re.search(r"(\d+)(?:\.(\d+))?", version)
    if not found:
        return False
    major, minor = int(found[1]), int(found[2] or 0)
    return major >= 18 or minor >= _FIRST_WITH_RESTRICT.get(major, 1 << 30)


# -- looking

DATABASES = """select json_agg(json_build_object('name', datname, 'oid', oid::text, 'connect', datallowconn,
'template', datistemplate)) from pg_database;"""


def maintenance(database: str, present: Collection[str]) -> str:
    """The database to be connected to while `database` is renamed: never that one itself."""
    for name in ("postgres", "template1"):
        if name != database and name in present:
            return name
    return next(name for name in sorted(present) if name not in (database, "template0"))


# -- acting


def create_database(name: str, properties: Mapping[str, Any], *, major: int, roles: Sequence[str],
                    tablespaces: Sequence[str]) -> str:  # fmt: skip
    """Create an empty database from template0 with the recorded encoding and locale. An owner or tablespace that this
    server does not have is left out: the one that restores owns it then."""
    words = [f"create database {ident(name)} template template0"]
    if properties.get("owner") in roles:
        words.append(f"owner {ident(properties['owner'])}")
    if properties.get("encoding"):
        words.append(f"encoding {literal(properties['encoding'])}")
    if properties.get("collate"):
        words.append(f"lc_collate {literal(properties['collate'])}")
    if properties.get("ctype"):
        words.append(f"lc_ctype {literal(properties['ctype'])}")
    provider, locale = properties.get("provider"), properties.get("locale")
    if provider == "i" and locale and major >= 15:
        words.append(f"locale_provider icu icu_locale {literal(locale)}")
    if provider == "b" and locale and major >= 17:
        words.append(f"locale_provider builtin builtin_locale {literal(locale)}")
    tablespace = properties.get("tablespace")
    if tablespace and tablespace != "pg_default" and tablespace in tablespaces:
        words.append(f"tablespace {ident(tablespace)}")
    return " ".join(words) + ";"


def apply_properties(name: str, properties: Mapping[str, Any], settings: Sequence[Mapping[str, Any]],
                     roles: Sequence[str]) -> str:  # fmt: skip
    """What belongs to a database and is in no archive: settings (after the load, whose own search path they would
    change), rights, comment, limit."""
    database = ident(name)
    lines = []
    for entry in settings:
        role = entry.get("role")
        if role is not None and role not in roles:
            continue
        who = f"role {ident(role)} in database {database}" if role is not None else f"database {database}"
        lines += [f"alter {who} set {setting(one)};" for one in entry.get("config") or ()]
    if properties.get("acl") is not None:
        lines.append(f"revoke all on database {database} from public;")
        owner = properties.get("owner")
        if owner is not None and owner in roles:
            lines.append(f"revoke all on database {database} from {ident(owner)};")
        for item in properties["acl"]:
            lines += grants(database, item, roles)
    if properties.get("comment"):
        lines.append(f"comment on database {database} is {literal(properties['comment'])};")
    limit = properties.get("connection_limit")
    if isinstance(limit, int) and limit != -1:
        lines.append(f"alter database {database} connection limit {limit};")
    if properties.get("is_template"):
        lines.append(f"alter database {database} is_template true;")
    return "\n".join(lines)


# Lists of names: quoted whole they would become one schema, and tables would vanish (pg_dump's own list).
_LISTS = {
    "local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries",
    "temp_tablespaces", "unix_socket_directories",
}  # fmt: skip


def setting(config: str) -> str:
    """`name to value` from the server's `name=value`."""
    name, _, value = config.partition("=")
    named = ".".join(ident(part) for part in name.split("."))
    if name.lower() in _LISTS:
        items = split_list(value)
        return f"{named} to {', '.join(literal(item) for item in items) if items else literal('')}"
    return f"{named} to {literal(value)}"


def split_list(value: str) -> list[str]:
    """The items of a list setting as the server writes it: `a, "B c"`."""
    items, item, quoted, was_quoted = [], "", False, False
    position = 0
    while position < len(value):
        char = value[position]
        if char == '"':
            if quoted and value[position + 1 : position + 2] == '"':
                item += '"'
                position += 1
            else:
                quoted, was_quoted = not quoted, True
        elif char == "," and not quoted:
            items.append(item if was_quoted else item.strip())
            item, was_quoted = "", False
        elif quoted or not char.isspace():
            item += char
        position += 1
    if item or was_quoted or items:
        items.append(item)
    return items


_RIGHTS = {"C": "create", "c": "connect", "T": "temporary"}


def grants(database: str, item: str, roles: Sequence[str]) -> list[str]:
    """The statements for one entry of a database's access list (`role=CTc/grantor`)."""
    grantee, rest = role_of(item)
    letters = rest.lstrip("=").split("/", 1)[0]
    if grantee and grantee not in roles:
        return []
    who = ident(grantee) if grantee else "public"
    lines = []
    for letter, right in _RIGHTS.items():
        place = letters.find(letter)
        if place >= 0:
            option = " with grant option" if letters[place + 1 : place + 2] == "*" else ""
            lines.append(f"grant {right} on database {database} to {who}{option};")
    return lines


def role_of(item: str) -> tuple[str, str]:
    """The role at the beginning of an access list's entry, unquoted, and what follows."""
    if not item.startswith('"'):
        name, sign, rest = item.partition("=")
        return name, sign + rest
    position, name = 1, ""
    while position < len(item):
        if item[position] == '"':
            if item[position + 1 : position + 2] != '"':
                break
            position += 1
        name += item[position]
        position += 1
    return name, item[position + 1 :]


# The rename waits five seconds for other sessions and fails: nobody may come in, and who is in is put out.
def _alone(*names: str) -> str:
    listed = ", ".join(literal(name) for name in names)
    return f"""select count(pg_terminate_backend(pid)) from pg_stat_activity
  where datname in ({listed}) and pid <> pg_backend_pid();
do $$ begin
  for i in 1..100 loop
    exit when not exists (select from pg_stat_activity where datname in ({listed}) and pid <> pg_backend_pid());
    perform pg_sleep(0.05); perform pg_stat_clear_snapshot();
  end loop;
end $$;"""


def swap(live: str, new: str, old: str | None) -> str:
    """Put `new` in the place of `live`, which becomes `old` (None: there is no live one)."""
    if old is None:
        return f"{_alone(new)}\nalter database {ident(new)} rename to {ident(live)};"
    return f"""alter database {ident(live)} allow_connections false;
{_alone(live, new)}
begin;
alter database {ident(live)} rename to {ident(old)};
alter database {ident(new)} rename to {ident(live)};
commit;"""


def swap_back(live: str, new: str, old: str, *, old_is: str | None, oids: Mapping[str, str], connect: bool) -> str:
    """The SQL that brings the old database (`old_is`: its oid, None when there was none) back from whatever state the
    databases (`oids`: name to oid) are in; "" when nothing is to be done. `connect`: whether the old one took
    connections. A new database that is live goes back to its own name."""
    steps = []
    renames = []
    if live in oids and oids[live] != old_is:
        steps += [f"alter database {ident(live)} allow_connections false;", _alone(live)]
        renames.append(f"alter database {ident(live)} rename to {ident(new)};")
    if old in oids:
        renames.append(f"alter database {ident(old)} rename to {ident(live)};")
        steps.append(_alone(old))
    if renames:
        steps.append(f"begin; {' '.join(renames)} commit;")
    if old_is is not None and connect:  # the flag follows the rename
        steps.append(f"alter database {ident(live)} allow_connections true;")
    return "\n".join(steps)


def drop_databases(names: Sequence[str]) -> str:
    """Drop databases of ours, whether they are there or not."""
    lines = []
    for name in names:
        lines.append(_alone(name))
        lines.append(
            f"select format('alter database %I is_template false', datname) from pg_database "
            f"where datistemplate and datname = {literal(name)} \\gexec"
        )
        lines.append(f"drop database if exists {ident(name)};")
    return "\n".join(lines)
