"""A SQLite file in a volume under the contract."""

from __future__ import annotations

from typing import Any

from opslib.target.docker import mount
from tests.lab.contract.subject import Subject

FILE = "-s q'l $i é.db"
_FILL = """pragma journal_mode = wal; create table t(a, b); create table "o'dd ""x"(a); create view v as select a from t;
insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
select i, hex(i) || 'é' from n; pragma user_version = 7;"""


class SqliteSubject(Subject):
    kind = "sqlite"
    volume = ("ledger", "/ledger")
    name = f"ledger/{FILE}"
    counts = {name: {"o'dd \"x": 0, "t": 3000}}
    read = "sqlite"
    into = "copied $i é.db"

    def _in(self, place: str, text: str) -> str:
        """What a bash text prints; `$1` is the file."""
        ours = place == self.name
        where = (
            mount("volume", f"{self.project.name}_ledger", "/v")
            if ours
            else mount("bind", self.project.target.root, "/v")
        )
        return self.project.inside(where, "bash", "-euc", text, "x", f"/v/{FILE if ours else place}")

    def fill(self) -> None:
        self._in(self.name, f"""sqlite3 "$1" <<'END'\n{_FILL}\nEND\nchown 1234:1234 "$1"; chmod 640 "$1" """)

    def ruin(self) -> None:
        self._in(
            self.name, 'sqlite3 "$1" "delete from t where a > 5; create table intruder(a); drop view v"; chmod 600 "$1"'
        )

    def content(self, place: str) -> Any:
        """The rows, and whose file it is."""
        return self._in(place, 'sqlite3 "$1" .dump "pragma user_version" | sha256sum; stat -c "%u:%g %a" "$1"').split(
            "\n"
        )

    def forget(self, place: str) -> None:
        self._in(place, 'rm -f "$1" "$1"-wal "$1"-shm')
