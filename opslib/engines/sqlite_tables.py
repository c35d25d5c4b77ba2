"""Puts single tables of a SQLite file into a copy of another one: for restoring some of them.

It runs where the files are: as the text of `python3 -c`, or as a program, with the standard library alone.

    put LIVE SET NEW TABLE…      NEW becomes a copy of LIVE with these tables as SET has them: rows, indexes, triggers.
                                 Prints `count {"t": table, "n": rows}` for every table of NEW, as a backup does.
    hang LIVE TABLE…             a line of JSON for what names the tables and stays: ["foreign key", table],
                                 ["view", name], ["trigger", name]

It ends with 1 and a reason where foreign keys would point at rows that are not there.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator


def quoted(name: str) -> str:
    """An identifier."""
    return '"' + name.replace('"', '""') + '"'


def put(live: str, given: str, new: str, *tables: str) -> None:
    """Make NEW of LIVE and SET."""
    made = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    told = os.stat(live)
    os.fchmod(made, told.st_mode & 0o7777)
    if os.geteuid() == 0:
        os.fchown(made, told.st_uid, told.st_gid)
    os.close(made)
    source, base = sqlite3.connect(live, timeout=60), sqlite3.connect(new, isolation_level=None)
    source.backup(base)
    source.close()
    # In WAL mode the rows would lie beside the file until it is closed; the mode itself stays in its header.
    mode = base.execute("pragma journal_mode").fetchone()[0]
    base.execute("pragma journal_mode = delete")
    base.execute("attach ? as given", (given,))
    base.execute("pragma foreign_keys = off")
    before = broken(base)
    base.execute("begin")
    for table in tables:
        _put(base, table)
    worse = broken(base) - before
    if worse:
        (child, parent), rows = next(iter(worse.items()))
        raise OSError(f"{rows} rows of {child} would point at rows of {parent} that are not there")
    base.execute("commit")
    base.execute("detach given")
    said = base.execute("pragma integrity_check(1)").fetchone()[0]
    if said != "ok":
        raise OSError(f"it is damaged: {said}")
    for name in names(base):
        rows = base.execute(f"select count(*) from {quoted(name)}").fetchone()[0]
        print("count " + json.dumps({"t": name, "n": rows}))
    base.execute(f"pragma journal_mode = {mode}")
    base.close()


def _put(base: sqlite3.Connection, table: str) -> None:
    found = base.execute("select sql from given.sqlite_master where type = 'table' and name = ?", (table,)).fetchone()
    if found is None:
        raise OSError(f"there is no table {table} in the set")
    if re.match(r"\s*create\s+virtual", found[0], re.IGNORECASE):
        raise OSError(f"{table} is a virtual table, which lives in others")
    name = quoted(table)
    base.execute(f"drop table if exists main.{name}")
    base.execute(found[0])  # SQLite keeps the text without the name of a database: it is made in `main`
    columns = [
        quoted(column) for _, column, *_, hidden in base.execute(f"pragma main.table_xinfo({name})") if not hidden
    ]
    if not re.search(r"without\s+rowid", found[0][found[0].rfind(")") :], re.IGNORECASE):
        rowid = next((one for one in ("rowid", "_rowid_", "oid") if quoted(one) not in map(str.lower, columns)), None)
        columns = [*([rowid] if rowid else []), *columns]
    listed = ", ".join(columns)
    base.execute(f"insert into main.{name} ({listed}) select {listed} from given.{name}")
    with_it = """select sql from given.sqlite_master where tbl_name = ? and type in ('index', 'trigger')
      and sql is not null order by type, rowid"""
    for (text,) in base.execute(with_it, (table,)).fetchall():
        base.execute(text)
    if base.execute("select 1 from given.sqlite_master where name = 'sqlite_sequence'").fetchone():
        last = base.execute("select seq from given.sqlite_sequence where name = ?", (table,)).fetchone()
        if (
            last is not None
            and base.execute("select 1 from main.sqlite_master where name = 'sqlite_sequence'").fetchone()
        ):
            base.execute("delete from main.sqlite_sequence where name = ?", (table,))
            base.execute("insert into main.sqlite_sequence (name, seq) values (?, ?)", (table, last[0]))


def broken(base: sqlite3.Connection) -> Counter[tuple[str, str]]:
    """How many rows of which table point at which table in vain."""
    found: Counter[tuple[str, str]] = Counter()
    for name in names(base):
        try:
            rows = base.execute(f"pragma main.foreign_key_check({quoted(name)})")
            found.update((str(child), str(parent)) for child, _, parent, _ in rows)
        except sqlite3.OperationalError as error:  # a key whose other side has no such columns
            found[name, str(error)] += 1
    return found


def names(base: sqlite3.Connection) -> list[str]:
    """The tables that hold rows."""
    return [name for (name,) in base.execute(
        "select name from main.sqlite_master where type = 'table' and rootpage > 0 "
        "and name not like 'sqlite\\_%' escape '\\' order by name"
    )]  # fmt: skip


def hang(live: str, *tables: str) -> Iterator[list[str]]:
    """What names the tables in the live file."""
    base = sqlite3.connect(live, timeout=60)
    wanted = {table.lower() for table in tables}
    for name in names(base):
        keys = base.execute(f"pragma foreign_key_list({quoted(name)})").fetchall()
        if name.lower() not in wanted and any(str(key[2]).lower() in wanted for key in keys):
            yield ["foreign key", name]
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, tables)) + r")(?!\w)", re.IGNORECASE)
    rest = "select type, name, sql from sqlite_master where type in ('view', 'trigger') and lower(tbl_name) not in ({})"
    for kind, name, text in base.execute(rest.format(",".join("?" * len(wanted))), tuple(wanted)):
        if pattern.search(text or ""):
            yield [kind, name]
    base.close()


def main(what: str, *words: str) -> int:
    """The exit code."""
    try:
        if what == "put":
            put(*words)
        else:
            for line in hang(*words):
                print(json.dumps(line))
    except (OSError, sqlite3.Error) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
