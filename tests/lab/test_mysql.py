"""MariaDB backed up and restored, on this machine and over SSH; and what goes wrong."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opslib.backup import sets, take, verify
from opslib.backup.databases import DATABASES
from opslib.backup.restore.options import Options
from opslib.backup.restore.steps import RECOVERIES, steps
from opslib.command import Command, Secret, bash
from opslib.compose.stack import look
from opslib.engines.find import find_instances
from opslib.events import Note
from opslib.images.ship import ship
from opslib.images.tools import ensure_tools
from opslib.run.fleet import Task, carry_out, look_on
from opslib.run.record import Record
from opslib.settings.model import Backup, Host, Keep, Mysql
from opslib.settings.units import Address
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.docker import docker, exec_in, mount, run_in
from opslib.target.transfer import put_bytes
from tests.lab.test_backup import Watch

pytestmark = pytest.mark.lab

PASSWORD = "-p w'\"$x é\\;`"
SHOP, QUOTED = "-s h;op $d é=1", "quo'te\"d"
TABLE = '-t `a\' "b" $c é\nnew'
USER = "us'er $x"

SQL = f"""create database `{SHOP}` character set latin1 collate latin1_swedish_ci; use `{SHOP}`;
create table `{TABLE.replace("`", "``")}` (id int primary key auto_increment, t text character set utf8mb4, b longblob,
 twice int as (id * 2) virtual, j json, g point, bits bit(9), f double) character set utf8mb4;
insert into `{TABLE.replace("`", "``")}` (t, b, j, g, bits, f) values
 ('),(\\n(1);\\n-- Dump completed', 0x00ff0d0a1a27, '{{"a": [1, "),("]}}', point(1, 2), b'101', 0.1),
 ('INSERT INTO `x` VALUES (1);', '', null, null, null, -1e300), ('q''uo"te\\\\', null, '[]', null, b'0', null);
create table parent (id int primary key); create table child (id int, foreign key (id) references parent (id));
insert into parent select seq from seq_1_to_3000; insert into child select seq from seq_1_to_500;
create table empty (a int); create table old (a int) engine=MyISAM; insert into old values (1), (2);
create table big (b longblob); insert into big select repeat(x'00ff', 4700000);
create view seen as select count(*) as n from parent; create sequence numbers start with 7; select nextval(numbers);
create table log (t text) engine=InnoDB;
delimiter ;;
create procedure fill(n int) begin
INSERT INTO `old` VALUES (1);
insert into parent values (n); end;;
create function answer() returns int deterministic return 42;;
create trigger noted after insert on child for each row
insert into log values (concat(')', new.id));;
create event later on schedule every 1 day starts '2037-01-01' do delete from log;;
delimiter ;
create database `{QUOTED.replace("`", "``")}`; create table `{QUOTED}`.t (a int); insert into `{QUOTED}`.t values (1);
create role readers; create user '{USER.replace("'", "''")}'@'%' identified by 'it''s';
grant select on `{SHOP}`.parent to readers; grant readers to '{USER.replace("'", "''")}'@'%';
grant all on `{QUOTED}`.* to '{USER.replace("'", "''")}'@'%';
"""  # fmt: skip
COUNTS = {
    "`" + TABLE.replace("`", "``") + "`": 3, "`parent`": 3000, "`child`": 500, "`empty`": 0, "`old`": 2, "`big`": 1,
    "`log`": 0, "views": 1, "sequences": 1, "procedures": 1, "functions": 1, "triggers": 1, "events": 1,
}  # fmt: skip


class Shop:
    """The stack on one target."""

    def __init__(self, kind: str, images: str) -> None:
        self.images, self.name = images, f"mys-{uuid.uuid4().hex[:8]}"
        self.here = connect(Host(name="local", path="."))
        path = f"{self.name}/a 'b' $c" if kind == "ssh" else f"/tmp/{self.name}/a 'b' $c"
        address = Address("one") if kind == "ssh" else None
        self.host = Host(name="one" if address else "local", path=path, address=address, project=self.name,
                         compose=("compose.yml",))  # fmt: skip
        self.events: list[Any] = []
        self.target = connect(self.host, self.events.append)

    def start(self) -> None:
        ship(self.here, self.target, [f"{self.images}mariadb:10.11", f"{self.images}busybox:1"])
        base = {"OPSLIB_TOOLS_BASE": f"{self.images}debian:bookworm-slim"}
        self.tools = ensure_tools(self.target, self.here, base)
        test = ["CMD", "healthcheck.sh", "--connect", "--innodb_initialized"]
        services = {
            "db": {
                "image": f"{self.images}mariadb:10.11", "volumes": ["data:/var/lib/mysql"],
                "environment": {"MARIADB_ROOT_PASSWORD": PASSWORD},
                "healthcheck": {"test": test, "interval": "1s", "retries": 60},
            },
            "app": {"image": f"{self.images}busybox:1", "command": ["sleep", "100000"], "init": True,
                    "stop_grace_period": "1s"},
        }  # fmt: skip
        text = json.dumps({"services": services, "volumes": {"data": {}}}, ensure_ascii=False).replace("$", "$$")
        put_bytes(self.target, text.encode(), f"{self.target.root}/compose.yml", mode=0o600)
        self.up()
        self.sql(SQL)

    def compose(self, *words: str) -> Command:
        root = self.target.root
        return docker(self.host, "compose", "-p", self.name, "--project-directory", root, "-f", f"{root}/compose.yml",
                      *words, limit=180.0)  # fmt: skip

    def up(self) -> None:
        self.target.run(self.compose("up", "-d", "--wait", "--wait-timeout", "120"))

    def sql(self, text: str, database: str = "", user: str = "root", password: str = PASSWORD) -> list[str]:
        (db,) = look(self.target, self.name).service("db")
        words = ("mariadb", f"--user={user}", "--batch", "--skip-column-names", "--default-character-set=utf8mb4",
                 "--max-allowed-packet=64M", f"--database={database}")  # fmt: skip
        env = {"MYSQL_PWD": Secret(password)}
        return self.target.run(exec_in(self.host, db.name, *words, env=env, feed=text.encode(), limit=120)).lines

    def everything(self) -> list[str]:
        """What a restore must bring back."""
        table = "`" + TABLE.replace("`", "``") + "`"
        return self.sql(
            f"""select id, t, hex(b), twice, j, st_astext(g), bits + 0, f from {table} order by id; select * from seen;
            select sum(id), count(*) from child; select * from old; select md5(b) from big; select answer();
            select * from log; show create table child; show create view seen; select event_object_table,
            action_statement, definer from information_schema.triggers where trigger_schema = database();
            select default_collation_name from information_schema.schemata where schema_name = database();
            show create procedure fill; select table_name from information_schema.tables
            where table_schema = database() order by 1; select nextval(numbers) > 7;""", SHOP,
        )  # fmt: skip

    def backup(self, target: Target | None = None, **options: Any) -> Record:
        task = Task("backup.all", lambda run: take.steps(run, take.Options(here=self.here, **options)), take.RECOVERIES)
        return carry_out(task, [target or self.target])

    def restore(self, file: str, **options: Any) -> Record:
        wanted = Options(file=file, here=self.here, **options)
        known = {**take.RECOVERIES, **RECOVERIES}
        return carry_out(Task("restore.mysql", lambda run: steps(run, wanted), known), [self.target])

    def doctored(self, found: str, script: str, **facts: Any) -> str:
        """A copy of a set, whose artifact of the shop went through a bash text; its manifest knows nothing of it."""
        ident = f"{found}-{uuid.uuid4().hex[:4]}"
        new = f"{sets.directory(self.target)}/{ident}"
        one = sets.find(self.target, found)
        assert one.manifest is not None
        (shop,) = [each for each in one.manifest.artifacts if each.name == SHOP]
        text = 'cp -r -- /s/"$1" /s/"$2"; cd /s/"$2"; chmod u+w . ./*; ' + script + \
               '; stat -c %s -- "$3"; sha256sum <"$3" | cut -d" " -f1; chmod a+r ./*'  # fmt: skip
        place = mount("bind", sets.directory(self.target), "/s")
        words = ("bash", "-euc", text, "x", found, ident, shop.file)
        size, digest = self.target.run(run_in(self.host, self.tools, *words, mounts=[place])).lines[-2:]
        now = msgspec.structs.replace(shop, bytes=int(size), sha256=digest, facts={**shop.facts, **facts})
        artifacts = tuple(now if each is shop else each for each in one.manifest.artifacts)
        manifest = msgspec.structs.replace(one.manifest, id=ident, artifacts=artifacts)
        self.target.run(run_in(self.host, self.tools, "sh", "-c", "chmod 777 /s; rm /s/manifest.json",
                               mounts=[mount("bind", new, "/s")]))  # fmt: skip
        put_bytes(self.target, msgspec.json.encode(manifest), f"{new}/manifest.json")
        return ident

    def down(self) -> None:
        self.target.resume()
        self.target.run(self.compose("down", "-v", "-t", "0"), check=False)
        above = self.target.root.rsplit("/", 1)[0]
        wipe = run_in(
            self.host, f"{self.images}busybox:1", "sh", "-c", "rm -rf /x/*", mounts=[mount("bind", above, "/x")]
        )
        self.target.run(wipe, check=False)
        self.target.run(bash('rm -rf -- "$1"', above), check=False)
        self.target.close()
        self.here.close()


@pytest.fixture(scope="module", params=["local", "ssh"])
def shop(request: pytest.FixtureRequest, lab: dict[str, Any], ssh_config: Path) -> Iterator[Shop]:
    found = Shop(request.param, lab["images_prefix"])
    try:
        found.start()
        yield found
    finally:
        found.down()


@pytest.fixture(scope="module")
def saved(shop: Shop) -> tuple[str, list[str]]:
    """A set, and what the shop held when it was made."""
    good = shop.everything()
    return str(worked(shop.backup())["set"]), good


def worked(record: Record) -> dict[str, Any]:
    assert record.ok, record.hosts[0].error
    return record.hosts[0].result


def why(record: Record) -> str:
    assert not record.ok
    return str((record.hosts[0].error or {})["what"])


def assert_no_set(shop: Shop, before: list[Any]) -> None:
    assert sets.list_sets(shop.target) == before
    assert not shop.target.run(bash('ls -A -- "$1" | grep "^\\." || true', sets.directory(shop.target))).lines


def running(shop: Shop) -> set[str]:
    return {one.service for one in look(shop.target, shop.name).running}


def test_everything_is_counted_and_no_password_is_in_any_argument(shop: Shop) -> None:
    with Watch(PASSWORD) as watch:
        made = worked(shop.backup())
    assert watch.looks > 3
    assert not watch.seen
    assert {one["name"]: one["counts"] for one in made["artifacts"]} == {
        "accounts": {},
        SHOP: COUNTS,
        QUOTED: {"`t`": 1},
    }
    assert [text for text in made["warnings"] if "no transaction protects old" in text]
    one = sets.find(shop.target, made["set"])
    assert one.manifest is not None
    facts = next(each.facts for each in one.manifest.artifacts if each.name == SHOP)
    assert (facts["charset"], facts["collation"], facts["flavour"]) == ("latin1", "latin1_swedish_ci", "mariadb")
    assert facts["tables"]["old"] == "MyISAM"
    record = look_on("backup.verify", [shop.target], lambda run: verify.verify(run, made["set"], tools=shop.tools))
    assert {each["content"] for each in worked(record)["artifacts"]} == {"end", "count"}


def test_what_was_destroyed_comes_back(shop: Shop, saved: tuple[str, list[str]]) -> None:
    found, good = saved
    shop.sql(
        f"""set foreign_key_checks = 0; truncate parent; truncate child; drop table big; drop view seen;
        create table intruder (a int); drop procedure fill; alter database character set utf8mb4;
        drop user '{USER.replace("'", "''")}'@'%'; drop role readers;""",
        SHOP,
    )
    shop.sql("drop database `quo'te\"d`;")
    result = worked(shop.restore(found))
    assert {one["part"].split("/")[1]: one["after"] for one in result["restored"]} == {SHOP: COUNTS, QUOTED: {"`t`": 1}}
    assert shop.everything() == good
    assert shop.sql("select * from t;", QUOTED, USER, "it's") == ["1"]
    assert shop.sql(f"set role readers; select count(*) from `{SHOP}`.parent;", QUOTED, USER, "it's") == ["3000"]
    assert running(shop) == {"app", "db"}
    assert result["safety_copy"]


def test_a_load_that_fails_is_undone(shop: Shop, saved: tuple[str, list[str]]) -> None:
    found, good = saved
    break_ = 'zstd -dcq -- "$3" | sed "s/^-- Final view structure.*/insert into nowhere values (1);/" | zstd -q >x; mv x "$3"'
    broken = shop.doctored(found, break_)
    shop.sql("insert into log values ('kept');", SHOP)
    said = why(shop.restore(broken, database=SHOP))
    assert "nowhere' doesn't exist" in said
    assert "insert into" not in said
    assert shop.sql("select * from log;", SHOP) == ["kept"]
    shop.sql("delete from log;", SHOP)
    assert shop.everything() == good
    assert running(shop) == {"app", "db"}


def test_a_dump_that_is_not_what_the_set_says_is_refused_before_anything_is_overwritten(
    shop: Shop, saved: tuple[str, list[str]]
) -> None:
    found, good = saved
    bad = shop.doctored(found, 'zstd -dcq -- "$3" | head -n -5 | zstd -q >x; mv x "$3"')
    assert "Dump completed" in why(shop.restore(bad, database=SHOP))
    assert shop.everything() == good


def test_a_newer_dump_is_refused_with_both_versions(shop: Shop, saved: tuple[str, list[str]]) -> None:
    newer = shop.doctored(saved[0], "true", server="99.1.2-MariaDB")
    said = why(shop.restore(newer, database=SHOP))
    assert "99.1.2" in said
    assert "10.11" in said


def test_a_database_goes_elsewhere(shop: Shop, saved: tuple[str, list[str]]) -> None:
    worked(shop.restore(saved[0], database=SHOP, into="other é"))
    assert shop.sql("select count(*), answer() from parent;", "other é") == ["3000\t42"]
    shop.sql("drop database `other é`;")


def test_a_dump_of_other_hands_is_loaded_and_missing_accounts_are_named(shop: Shop) -> None:
    """As an old mysqldump wrote it, with a view of somebody who is gone."""
    text = (
        "-- MySQL dump 10.13\nCREATE TABLE `t` (`a` int);\nINSERT INTO `t` VALUES (1),(2),(3);\n"
        "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`gone`@`%` SQL SECURITY DEFINER */\n"
        "/*!50001 VIEW `v` AS select 1 AS `1` */;\n-- Dump completed\n"
    )
    (at,) = [one for one in find_instances(shop.target, look(shop.target, shop.name)) if one.kind == "mysql"]
    replacing = DATABASES["mysql"].replace
    assert replacing is not None
    replacing.load(shop.target, at, bash('printf %s "$1"', text), "by-hand", {})
    assert replacing.count(shop.target, at, "by-hand") == {"`t`": 3, "views": 1}
    assert any(isinstance(one, Note) and "gone@%" in one.text for one in shop.events)
    replacing.drop(shop.target, at, "by-hand")
    assert replacing.count(shop.target, at, "by-hand") is None


def test_a_wrong_password_makes_no_set(shop: Shop) -> None:
    before = sets.list_sets(shop.target)
    wrong = Mysql(service="db", password=Secret("not the one"))
    target = connect(msgspec.structs.replace(shop.host, backup=Backup(sources=(wrong,), keep=Keep(last=1))))
    record = shop.backup(target)
    target.close()
    assert "Access denied" in why(record)
    assert "not the one" not in str(record.as_json())
    assert_no_set(shop, before)


def test_a_user_of_one_database_backs_up_that_and_is_told_what_is_missing(shop: Shop) -> None:
    user = Mysql(service="db", user=USER, password=Secret("it's"), database=QUOTED)
    told: list[Any] = []
    target = connect(msgspec.structs.replace(shop.host, backup=Backup(sources=(user,))), told.append)
    made = worked(shop.backup(target))
    target.close()
    assert [one["name"] for one in made["artifacts"]] == [QUOTED]
    assert any(isinstance(one, Note) and "may not read the accounts" in one.text for one in told)


def test_a_stopped_engine_makes_no_set(shop: Shop) -> None:
    before = sets.list_sets(shop.target)
    shop.target.run(shop.compose("stop", "db"))
    try:
        assert "does not run" in why(shop.backup())
    finally:
        shop.up()
    assert_no_set(shop, before)


def test_a_server_killed_in_the_middle_of_a_dump_makes_no_set(shop: Shop) -> None:
    before = sets.list_sets(shop.target)
    (db,) = look(shop.target, shop.name).service("db")
    other = connect(shop.host)
    lock = other.start(exec_in(shop.host, db.name, "mariadb", "--user=root", "-BNn", f"--database={SHOP}", streams=True,
                               env={"MYSQL_PWD": Secret(PASSWORD)}))  # fmt: skip
    lock.write(b"lock tables parent write; select 'locked';\n")
    assert lock.read() == b"locked\n"
    records: list[Record] = []
    thread = threading.Thread(target=lambda: records.append(shop.backup()))
    try:
        thread.start()
        waiting = "select id from information_schema.processlist where state like 'Waiting for table%' and info like '%parent%';"
        deadline = time.monotonic() + 60
        while not shop.sql(waiting):
            assert time.monotonic() < deadline, "the dump never waited for the lock"
        shop.target.run(docker(shop.host, "kill", db.id))
        thread.join(90)
    finally:
        other.abandon(lock)
        other.close()
        thread.join(90)
        shop.up()
    assert records
    assert not records[0].ok
    assert_no_set(shop, before)
