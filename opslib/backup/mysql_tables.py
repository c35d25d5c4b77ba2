"""Single tables of MySQL and MariaDB put back: loaded into a scratch database, where foreign keys are tried against the
live one, and then over the live tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslib.backup.mysql_replace import Replacing
from opslib.backup.pack import LONG
from opslib.command import pipe
from opslib.engines import mysql, mysql_facts, program
from opslib.errors import OpsError
from opslib.target.docker import run_in

if TYPE_CHECKING:
    from opslib.backup.manifest import Artifact
    from opslib.command import Command
    from opslib.engines.instance import Instance
    from opslib.target.base import Target

_KEYS = """select k.table_schema, k.table_name, k.constraint_name, k.referenced_table_name, k.column_name,
 k.referenced_column_name from information_schema.key_column_usage k
 where {} order by k.table_schema, k.table_name, k.constraint_name, k.ordinal_position;"""


@dataclass(frozen=True, slots=True)
class Tables:
    """Tables of one database."""

    replacing: Replacing

    def hanging(self, target: Target, at: Instance, name: str, only: Sequence[str]) -> list[str]:
        """Foreign keys, and views."""
        keys = _keys(target, at, _to(name, only))
        found = [f"foreign key {key} of {mysql.name(child)} points at it: it must hold, or nothing is changed"
                 for (_, child, key, _), _ in keys.items() if mysql.name(child) not in only]  # fmt: skip
        views = mysql.ask(target, at, f"""select table_name, view_definition from information_schema.views
 where {mysql.same("table_schema", name)};""")  # fmt: skip
        for view, text in views:
            if any(f"{mysql.name(name)}.{one}" in text for one in only):
                found.append(f"view {mysql.name(view)} reads it, and stays")
        return found

    def stage(self, target: Target, at: Instance, raw: Command, name: str, artifact: Artifact, only: Sequence[str],
              scratch: str) -> None:  # fmt: skip
        """Load them into the scratch database, count them, and look for rows that would point at nothing."""
        self.replacing.load(target, at, _picked(target, raw, only), scratch, artifact.facts)
        seen = mysql_facts.count(target, at, scratch) or {}
        wrong = [one for one in only if seen.get(one) != artifact.counts.get(one)]
        if wrong:
            raise OpsError(f"{wrong[0]} of {artifact.title} has {seen.get(wrong[0], 'no')} rows, and the set says "
                           f"{artifact.counts.get(wrong[0])}", host=target.host.name,
                           next="inv backup.verify, and restore another set")  # fmt: skip
        into = {key: pairs for key, pairs in _keys(target, at, _to(name, only)).items()
                if (key[0], mysql.name(key[1])) not in {(name, one) for one in only}}  # fmt: skip
        for (schema, child, key, parent), pairs in into.items():
            self._hold(target, at, key, (schema, child), (scratch, parent), pairs)
        for (_, child, key, parent), pairs in _keys(target, at, mysql.same("k.table_schema", scratch)).items():
            place = scratch if mysql.name(parent) in only else name
            self._hold(target, at, key, (scratch, child), (place, parent), pairs)

    def put(self, target: Target, at: Instance, raw: Command, name: str, artifact: Artifact,
            only: Sequence[str]) -> None:  # fmt: skip
        """Each is dropped and made anew, by the dump itself; who points at them by name finds them again."""
        self.replacing.run(target, at, _picked(target, raw, only), name)

    def discard(self, target: Target, at: Instance, scratch: str) -> None:
        """Drop the scratch database."""
        self.replacing.drop(target, at, scratch)

    def _hold(self, target: Target, at: Instance, key: str, child: tuple[str, str], parent: tuple[str, str],
              pairs: Sequence[tuple[str, str]]) -> None:  # fmt: skip
        c, p = (".".join(map(mysql.name, one)) for one in (child, parent))
        on = " and ".join(f"c.{mysql.name(a)} = p.{mysql.name(b)}" for a, b in pairs)
        some = " and ".join(f"c.{mysql.name(a)} is not null" for a, _ in pairs)
        sql = (
            f"select count(*) from {c} c left join {p} p on {on} where {some} and p.{mysql.name(pairs[0][1])} is null;"
        )
        ((rows,),) = mysql.ask(target, at, sql, limit=mysql_facts.COUNTING, left="everything")
        if rows != "0":
            raise OpsError(
                f"foreign key {key}: {rows} rows of {mysql.name(child[1])} would point at rows of "
                f"{mysql.name(parent[1])} that are not there", host=target.host.name,
                next="put both tables back, or mend the rows first",
            )  # fmt: skip


def _picked(target: Target, raw: Command, only: Sequence[str]) -> Command:
    from opslib.images.tools import ensure_tools

    words = ("python3", "-c", program("mysql_pick"), *only)
    return pipe(raw, run_in(target.host, ensure_tools(target), *words, options=["-i"], limit=LONG))


def _to(name: str, only: Sequence[str]) -> str:
    """The condition for keys that point at these tables."""
    tables = ", ".join(mysql.literal(one[1:-1].replace("``", "`")) for one in only)
    return f"{mysql.same('k.referenced_table_schema', name)} and k.referenced_table_name in ({tables})"


def _keys(target: Target, at: Instance, where: str) -> dict[tuple[str, str, str, str], list[tuple[str, str]]]:
    """Foreign keys, by schema, table, name and the table that they point at: pairs of columns."""
    found: dict[tuple[str, str, str, str], list[tuple[str, str]]] = {}
    for schema, table, key, parent, column, other in mysql.ask(
        target, at, _KEYS.format(f"{where} and k.referenced_table_name is not null"), left="everything"
    ):
        found.setdefault((schema, table, key, parent), []).append((column, other))
    return found
