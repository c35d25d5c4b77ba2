"""Single tables, collections, files and folders put back into what is live and newer, here and over SSH."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from opslib.command import bash
from opslib.images.ship import same_engine, ship
from opslib.run.record import Record
from opslib.target.docker import exec_in
from tests.conftest import missing
from tests.lab.restore_stack import COMPOSE, DATABASE, PASSWORD, SEE, USER, Trial, docker_says

ALL = ["app", "cache", "db", "mo", "my", "plain"]
pytestmark = pytest.mark.lab

SQL = """create table parent (id int primary key, x text); insert into parent select g, 'old ' || g from generate_series(1, 50) g;
create table child (id int primary key, p int constraint "its parent" references parent on delete cascade deferrable);
comment on constraint "its parent" on child is 'it''s'; insert into child select g, g from generate_series(1, 20) g;
create table log (id int); create view old_ones as select * from parent where x like 'old%';
create function noted() returns trigger language plpgsql as $$ begin insert into public.log values (new.id);
 return new; end $$;
create trigger note after insert on parent for each row execute function noted();
alter table parent enable always trigger note; create index "by x" on parent (x); grant select on parent to "re'ader $";
"""


MORE = """  my:
    image: ${IMAGES}mariadb:10.11
    environment: {MARIADB_ROOT_PASSWORD: "${PASSWORD}"}
    healthcheck: {test: [CMD, healthcheck.sh, --connect, --innodb_initialized], interval: 30s, start_period: 99s, start_interval: 1s}
    volumes: ["my:/var/lib/mysql"]
  mo:
    image: ${IMAGES}mongo:7
    environment: {MONGO_INITDB_ROOT_USERNAME: root, MONGO_INITDB_ROOT_PASSWORD: "${PASSWORD}"}
    healthcheck:
      test: [CMD, mongosh, --quiet, --eval, "EJSON.stringify(db.adminCommand({ping: 1}))"]
      interval: 30s
      start_period: 99s
      start_interval: 1s
    volumes: ["mo:/data/db"]
volumes: {my: {}, mo: {}, """

SHOP = "s h;op é"
MYSQL = r"""create database `s h;op é`; use `s h;op é`; create table `par``ent` (id int primary key, x text);
create table child (id int primary key, p int, constraint `its parent` foreign key (p) references `par``ent` (id));
create table log (id int); create table `line
break` (b blob) engine=MyISAM; insert into `line
break` values (x'00ff0a27'); create view seen as select count(*) as n from `par``ent`;
insert into `par``ent` select seq, concat('old ', seq, '\n-- Table structure for table `log`') from seq_1_to_500;
insert into child select seq, seq from seq_1_to_20;
delimiter ;;
create trigger noted after insert on `par``ent` for each row insert into log values (new.id);;
create event later on schedule every 1 day starts '2037-01-01' do delete from log;;
delimiter ;
"""
MONGO = """
shop.orders.insert_many([{"_id": n, "text": "é" * (n % 50)} for n in range(300)])
shop.orders.create_index([("text", 1)], name="by 'text'", sparse=True)
shop.create_collection("ring", capped=True, size=4096, max=10)
shop.ring.insert_one({"a": 1})
shop["-o'd.d c"].insert_one({"_id": 1})
shop.create_collection("few", viewOn="orders", pipeline=[{"$match": {"_id": {"$lt": 3}}}])
client.blog.orders.insert_one({"_id": 7})
"""


class Every(Trial):
    """The stack with MariaDB and MongoDB too."""

    compose = MORE.join(COMPOSE.rsplit("volumes: {", 1))

    def mysql(self, text: str, database: str = SHOP) -> list[str]:
        words = ("mariadb", "--user=root", "--batch", "--skip-column-names", "--default-character-set=utf8mb4",
                 f"--database={database}")  # fmt: skip
        cmd = exec_in(self.host, self.container("my"), *words, env={"MYSQL_PWD": PASSWORD}, feed=text.encode())
        return self.target.run(cmd).lines

    def mysql_answers(self) -> bool:
        words = ("mariadb", "--user=root", "--execute=select 1")
        cmd = exec_in(self.host, self.container("my"), *words, env={"MYSQL_PWD": PASSWORD})
        return self.target.run(cmd, check=False).ended.ok

    def mongo(self, text: str) -> str:
        head = """import os, pymongo
own = {"username": "root", "password": os.environ["MONGO_INITDB_ROOT_PASSWORD"]}
client = pymongo.MongoClient("127.0.0.1", directConnection=True, **own); shop = client["s-h'op"]
"""
        return self.target.run(exec_in(self.host, self.container("mo"), "python3", "-c", head + text)).text

    def mysql_held(self) -> list[str]:
        """The whole database as text."""
        words = ("mariadb-dump", "--user=root", "--routines", "--events", "--hex-blob", "--skip-dump-date", SHOP)
        cmd = exec_in(self.host, self.container("my"), *words, env={"MYSQL_PWD": PASSWORD})
        return self.target.run(cmd).lines

    def mongo_held(self) -> str:
        return self.mongo("""
import bson
for name in sorted(set(client.list_database_names()) - {"admin", "local", "config"}):
    for info in sorted(client[name].list_collections(), key=lambda one: one["name"]):
        coll = client[name][info["name"]]
        kinds = [] if info["type"] == "view" else sorted(str(one) for one in coll.list_indexes())
        options = {key: value for key, value in info["options"].items() if key != "uuid"}
        print(name, info["name"], options, kinds, [bson.encode(one) for one in coll.find().sort("_id")])
""")


@pytest.fixture(scope="module", params=["local", "ssh"])
def trial(request: pytest.FixtureRequest, lab: dict[str, Any]) -> Iterator[Every]:
    if request.param == "ssh":
        request.getfixturevalue("ssh_config")
        if not any(server["name"] == "one" for server in lab["servers"]):
            missing("the lab has no server `one`: run scripts/lab up")
    found = Every(request.param, lab["images_prefix"])
    try:
        if not same_engine(found.here, found.target):
            ship(found.here, found.target, [f"{found.images}{one}" for one in ("mariadb:10.11", "mongo:7")])
        found.up()
        found.sql(DATABASE, f"set search_path = public; {SQL}")
        found.wait_until(found.mysql_answers, 60)  # the image's first server, which is no other's, is healthy too
        found.mysql(MYSQL, "")
        found.mongo(MONGO)
        yield found
    finally:
        found.down()


@pytest.fixture(scope="module")
def made(trial: Every) -> str:
    return trial.backup()


def worked(record: Record) -> dict[str, Any]:
    assert record.ok, record.hosts[0].error
    return record.hosts[0].result


def refused(record: Record) -> str:
    """What a restore says that has touched nothing."""
    assert not record.ok
    assert record.hosts[0].steps == []
    return str(record.hosts[0].error)


def undone(record: Record) -> str:
    assert not record.ok
    assert "undo-failed" not in [step.status for step in record.hosts[0].steps], record.hosts[0].error
    return str(record.hosts[0].error)


def dump(trial: Every) -> list[str]:
    """The whole database as text."""
    env = {"PGUSER": USER, "PGDATABASE": DATABASE}
    lines = trial.target.run(exec_in(trial.host, trial.container("db"), "pg_dump", env=env)).lines
    return [line for line in lines if not line.startswith(("\\restrict", "\\unrestrict"))]


def held(trial: Every) -> Any:
    """Everything in the volume and the folder."""
    return [json.loads(trial.python(SEE, volume=f"{trial.name}_uploads")),
            json.loads(trial.python(SEE, folder=f"{trial.target.root}/up load's"))]  # fmt: skip


def test_rows_that_are_lost_come_back_and_everything_beside_them_stays(trial: Every, made: str) -> None:
    good = dump(trial)
    trial.sql(DATABASE, "delete from public.child where id > 15; insert into facts values (4711)")
    newer = dump(trial)
    trial.sql(
        DATABASE,
        """delete from public.parent where id > 10; update public.parent set x = 'changed';
                           insert into public.parent values (99, 'new')""",
    )
    bad = dump(trial)
    files = held(trial)
    result = worked(trial.restore(made, only="public.parent", kinds=("postgres",)))
    (item,) = result["restore"]["items"]
    assert (item["title"], item["now"]) == (f"public.parent of postgres db/{DATABASE}", "1 tables, 11 rows")
    assert item["then"].startswith("1 tables, 50 rows")
    notes = " ".join(result["restore"]["warnings"])
    assert "foreign key its parent of" in notes
    assert "view public.old_ones reads it" in notes
    # children went with their parents and are not asked for; the log has what the trigger wrote before, and no more
    assert trial.sql(DATABASE, "select count(*) from public.log") == ["1"]
    trial.sql(DATABASE, "insert into public.child select g, g from generate_series(11, 15) g; delete from public.log")
    assert sorted(dump(trial)) == sorted(newer)
    assert trial.sql("postgres", "select datname from pg_database where datname like 'opslib%'") == []
    worked(trial.restore(None))
    assert dump(trial) == bad
    worked(trial.restore(None))
    worked(trial.restore(made, kinds=("postgres",), database=DATABASE))
    assert dump(trial) == good
    assert held(trial) == files
    assert trial.running() == ALL


def test_a_table_that_is_gone_comes_back_with_what_pointed_at_it(trial: Every, made: str) -> None:
    good = dump(trial)
    view = trial.sql(DATABASE, "select pg_get_viewdef('public.old_ones')")
    trial.sql(DATABASE, "drop table public.parent cascade")
    result = worked(trial.restore(made, only="parent", database=DATABASE))
    assert "is gone: foreign keys of other tables" in " ".join(result["restore"]["warnings"])
    trial.sql(DATABASE, f"set search_path = public; create view old_ones as {' '.join(view)}")
    assert dump(trial) == good


def test_what_would_not_hold_is_refused_with_its_name(trial: Every, made: str) -> None:
    trial.sql(DATABASE, """insert into public.parent values (51, 'new'); insert into public.child values (51, 51)""")
    before = dump(trial)
    error = undone(trial.restore(made, only="public.parent", database=DATABASE))
    assert "its parent" in error
    assert "(51)" in error
    assert dump(trial) == before
    assert trial.running() == ALL
    worked(trial.restore(made, only='public.parent, "child"', database=DATABASE))
    assert trial.sql(DATABASE, "select count(*) from public.parent; select count(*) from public.child") == ["50", "20"]

    trial.sql(
        DATABASE, "alter table public.parent add y int default 3"
    )  # the view holds it, and its columns are others
    before = dump(trial)
    assert "old_ones" in undone(trial.restore(made, only="public.parent", database=DATABASE))
    assert dump(trial) == before
    trial.sql(DATABASE, "drop view public.old_ones")
    worked(trial.restore(made, only="public.parent", database=DATABASE))
    worked(trial.restore(made, kinds=("postgres",), database=DATABASE))


def test_nothing_is_touched_where_a_name_is_not_clear(trial: Every, made: str) -> None:
    before, files = dump(trial), held(trial)
    for name, options, words in (
        ("public.parnet", {}, "did you mean public.parent"), ("sub/nothing", {"kinds": ("volume",)}, "no table, collection"),
         ("key:7", {"kinds": ("redis",)}, "loads its file whole"),
        ("t a", {}, "in several: sqlite"), ("app data.db", {"kinds": ("volume", "sqlite")}, "artifact of its own"),
        ("facts", {"into": "x"}, "cannot go elsewhere alone"),
    ):  # fmt: skip
        assert words in refused(trial.restore(made, only=name, **options))
    assert dump(trial) == before
    assert held(trial) == files


def test_files_and_folders(trial: Every, made: str) -> None:
    folder = f"{trial.target.root}/up load's"
    good = held(trial)
    ruin = """import os, shutil, sys; os.chdir(sys.argv[1]); shutil.rmtree("sub"); os.remove("hard")
open("new", "w").write("newer"); os.chmod("two words", 0o600); os.chown("new", 7, 8)"""
    trial.python(ruin, volume=f"{trial.name}_uploads")
    trial.python(ruin, folder=folder)
    bad = held(trial)
    result = worked(trial.restore(made, only="sub/deep, hard", kinds=("volume",)))
    assert result["restored"][0]["after"] == {"files": 2, "dirs": 1, "links": 0, "bytes": 1800}
    now, there = held(trial)
    assert there == bad[1]
    assert now == {
        **bad[0],
        # a link to a file that stays as it is comes back as a file
        "hard": [*good[0]["hard"][:7], 1, good[0]["hard"][8]], "sub": good[0]["sub"],
        "sub/deep": good[0]["sub/deep"], "sub/deep/file": good[0]["sub/deep/file"],
    }  # fmt: skip
    worked(trial.restore(None))
    assert held(trial) == bad
    worked(trial.restore(made, only=f"{folder}/sub,up load's/two words", kinds=("files",)))
    now = held(trial)[1]
    for name in ("sub", "sub/deep", "sub/deep/file", "two words"):
        assert now[name] == good[1][name]
    assert now["new"] == bad[1]["new"]
    worked(trial.restore(made, only="sub/deep/file", kinds=("volume",), into=f"{trial.name}_other"))
    assert trial.python("import os; print(sorted(os.listdir('/x')), os.listdir('/x/sub/deep'))",
                        volume=f"{trial.name}_other") == "['sub'] ['file']"  # fmt: skip
    docker_says(trial, "volume", "rm", f"{trial.name}_other")
    worked(trial.restore(made, kinds=("volume", "files", "sqlite")))
    assert held(trial) == good


def test_a_table_of_a_file(trial: Every, made: str) -> None:
    change = """import os, sqlite3, sys; base = sqlite3.connect(sys.argv[1] + "/app data.db"); base.executescript(
'create table later (x); insert into later values (7); delete from "t a" where x > 3; create view v as select * from "t a"')"""
    trial.python(change, volume=f"{trial.name}_uploads")
    before = held(trial)
    result = worked(trial.restore(trial.path(made, sqlite_file(trial, made)), only="t a"))
    assert result["restore"]["warnings"] == ["view v reads it, and stays"]
    now = held(trial)
    assert now[0]["app data.db"][5] == [50, 1225]
    assert {**now[0], "app data.db": 0, ".": 0} == {**before[0], "app data.db": 0, ".": 0}
    assert now[1] == before[1]
    see = "import sqlite3; print(sqlite3.connect('/x/app data.db').execute('select * from later').fetchall())"
    assert trial.python(see, volume=f"{trial.name}_uploads") == "[(7,)]"


def sqlite_file(trial: Every, made: str) -> str:
    names = trial.target.run(bash('ls "$1"', trial.path(made))).lines
    return next(name for name in names if name.startswith("sqlite.uploads"))


@pytest.mark.full
def test_tables_of_mariadb(trial: Every, made: str) -> None:
    trial.mysql("insert into log values (4711)")
    newer = trial.mysql_held()
    trial.mysql("set foreign_key_checks = 0; drop table `par``ent`; create table `par``ent` (other int)")
    trial.mysql("delete from `line\nbreak`")
    bad = trial.mysql_held()
    result = worked(trial.restore(made, only="par`ent, `line\nbreak`", kinds=("mysql",)))
    notes = " ".join(result["restore"]["warnings"])
    assert "foreign key its parent of `child`" in notes
    assert "view `seen` reads it" in notes
    assert trial.mysql_held() == newer
    assert trial.mysql("show databases like 'opslib%'") == []
    worked(trial.restore(None))
    assert trial.mysql_held() == bad
    worked(trial.restore(None))
    trial.mysql("insert into `par``ent` values (501, 'new'); insert into child values (21, 501)")
    before = trial.mysql_held()
    error = undone(trial.restore(made, only="par`ent", kinds=("mysql",)))
    assert "foreign key its parent: 1 rows of `child` would point at" in error
    assert trial.mysql_held() == before
    worked(trial.restore(made, only="child", kinds=("mysql",)))
    worked(trial.restore(made, only="par`ent", kinds=("mysql",)))
    assert "did you mean" in refused(trial.restore(made, only="chidl"))
    assert trial.running() == ALL


@pytest.mark.full
def test_collections(trial: Every, made: str) -> None:
    good = trial.mongo_held()
    trial.mongo("""client.blog.orders.insert_one({"_id": 8}); shop["-o'd.d c"].insert_one({"_id": 2})""")
    newer = trial.mongo_held()
    trial.mongo("shop.orders.drop(); shop.orders.insert_one({'other': 1}); shop.orders.create_index('other')")
    bad = trial.mongo_held()
    assert "orders of mongo mo/all databases may be" in refused(trial.restore(made, only="orders"))
    result = worked(trial.restore(made, only="s-h'op.orders,s-h'op.ring"))
    assert result["restore"]["warnings"] == ["view s-h'op.few reads it, and stays"]
    assert trial.mongo_held() == newer
    worked(trial.restore(None))
    assert trial.mongo_held() == bad
    worked(trial.restore(made, only="s-h'op.orders,s-h'op.-o'd.d c,blog.orders"))
    assert trial.mongo_held() == good
    assert trial.running() == ALL
