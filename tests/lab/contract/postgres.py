"""PostgreSQL under the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opslib.command import Command, Secret
from opslib.settings.kinds import Postgres
from opslib.target.docker import exec_in
from tests.lab.contract.subject import PASSWORD, Subject
from tests.lab.site import until
from tests.lab.stacks import DATABASE, SQL

# Each table with a digest of its rows, whatever tables there are.
_ROWS = """select format('%I.%I', schemaname, tablename), (xpath('/row/d/text()', query_to_xml(format(
'select md5(string_agg(t::text, '','' order by t::text)) d from %I.%I t', schemaname, tablename), false, true, '')))[1]
from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1;
select viewname, definition from pg_views where schemaname = 'public';"""
_ABOUT = """select pg_get_userbyid(datdba), shobj_description(oid, 'pg_database') from pg_database
where datname = current_database(); select setconfig from pg_db_role_setting s join pg_database d on d.oid = setdatabase
where datname = current_database() order by 1; select datname from pg_database order by 1;"""


class PostgresSubject(Subject):
    kind = "postgres"
    image = "postgres:15"
    environment = {
        "POSTGRES_PASSWORD": PASSWORD, "PGPASSWORD": PASSWORD, "POSTGRES_DB": DATABASE,
        "POSTGRES_INITDB_ARGS": "--auth-local=scram-sha-256 --auth-host=scram-sha-256",
    }  # fmt: skip
    healthy = ["CMD", "pg_isready", "-q", "-h", "127.0.0.1"]
    volume = ("postgres", "/var/lib/postgresql/data")
    name = grows = DATABASE
    counts = {"globals": {}, DATABASE: {"public.notes": 500, "public.part1": 3, '"s.x"."T \'q\'"': 2}}
    read = "pg_restore"
    into = 'o\'ther "$x" ü'
    wrong = Postgres(service="postgres", password=Secret("not the one"))
    denied = "password authentication failed"

    def client(self, database: str, **options: Any) -> Command:
        env = {"PGPASSWORD": Secret(PASSWORD), "PGDATABASE": database, "PGUSER": "postgres"}
        words = ("psql", "-XqAtw", "-v", "ON_ERROR_STOP=1")
        return exec_in(self.project.host, self.container, *words, env=env, limit=120.0, **options)

    def sql(self, text: str, database: str = DATABASE) -> list[str]:
        return self.run(self.client(database, feed=text.encode()))

    def fill(self) -> None:
        self.sql(SQL)

    def ruin(self) -> None:
        name = '"' + DATABASE.replace('"', '""') + '"'
        self.sql(f"""truncate notes; drop table "s.x"."T 'q'"; create table intruder as select 1 as x;
            alter database {name} reset all; comment on database {name} is null; update public.parts set a = 9 - a;""")  # fmt: skip

    def more(self) -> int:
        self.sql("insert into notes (id, text) select 1000 + count(*), 'more' from notes;")
        return 1

    def less(self) -> None:
        self.sql("delete from notes where id >= 1000;")

    def content(self, place: str) -> Any:
        return self.sql(_ROWS, place)

    def seen(self) -> Any:
        return self.sql(_ROWS + _ABOUT)

    def forget(self, place: str) -> None:
        self.sql('drop database "' + place.replace('"', '""') + '";', "postgres")

    @contextmanager
    def dumping(self) -> Iterator[Callable[[], None]]:
        """It waits for a table that a client has locked."""
        lock = b"begin; lock table notes in access exclusive mode; select 'locked';\n"
        waits = "select pid from pg_stat_activity where wait_event_type = 'Lock' and query ilike 'lock table%';"
        with self.session(self.client(DATABASE, streams=True), lock, b"locked\n"):
            yield lambda: until(lambda: bool(self.sql(waits)), 90, "pg_dump never waited for the lock")
