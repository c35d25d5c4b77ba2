"""MariaDB under the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opslib.command import Command, Secret
from opslib.settings.kinds import Mysql
from opslib.target.docker import exec_in
from tests.lab.contract.subject import PASSWORD, Subject
from tests.lab.site import until

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

_ROWS = """select concat('checksum table ', group_concat('`', replace(table_name, '`', '``'), '`' order by table_name))
into @text from information_schema.tables where table_schema = database() and table_type = 'BASE TABLE';
execute immediate @text;"""
_SCHEMA = """select table_name, column_name, column_type, character_set_name, is_nullable, generation_expression
from information_schema.columns where table_schema = database() order by table_name, ordinal_position;
select table_name, table_type, engine,
if(table_type = 'SEQUENCE', '', table_collation) from information_schema.tables where table_schema = database()
order by 1; select routine_name, routine_type, definer, sql_mode, routine_definition from information_schema.routines
where routine_schema = database() order by 1; select trigger_name, event_object_table, definer, action_statement
from information_schema.triggers where trigger_schema = database() order by 1; select event_name, definer, starts,
event_definition from information_schema.events where event_schema = database() order by 1;
select default_collation_name from information_schema.schemata where schema_name = database();"""


class MysqlSubject(Subject):
    kind = "mysql"
    image = "mariadb:10.11"
    environment = {"MARIADB_ROOT_PASSWORD": PASSWORD}
    healthy = ["CMD", "healthcheck.sh", "--connect", "--innodb_initialized"]
    volume = ("mysql", "/var/lib/mysql")
    name = SHOP
    grows = QUOTED  # the other has a table that no transaction protects: until its dump is over nobody may write
    counts = {"accounts": {}, SHOP: COUNTS, QUOTED: {"`t`": 1}}
    read = "count"
    over = True
    into = "other é"
    wrong = Mysql(service="mysql", password=Secret("not the one"))
    denied = "Access denied"
    # half of it is loaded by then
    spoil = "sed 's/^-- Final view structure.*/insert into nowhere values (1);/'"

    def client(self, database: str, user: str = "root", password: str = PASSWORD, **options: Any) -> Command:
        words = ("mariadb", f"--user={user}", "-BNn", "--default-character-set=utf8mb4", "--max-allowed-packet=64M",
                 f"--database={database}")  # fmt: skip
        env = {"MYSQL_PWD": Secret(password)}
        return exec_in(self.project.host, self.container, *words, env=env, limit=120.0, **options)

    def sql(self, text: str, database: str = "", user: str = "root", password: str = PASSWORD) -> list[str]:
        return self.run(self.client(database, user, password, feed=text.encode()))

    def fill(self) -> None:
        self.sql(SQL)

    def ruin(self) -> None:
        self.sql("""set foreign_key_checks = 0; truncate parent; delete from child where id > 7; drop table big;
            drop view seen; create table intruder (a int); drop procedure fill;
            alter database character set utf8mb4; insert into old values (3);""", SHOP)  # fmt: skip

    def more(self) -> int:
        """So many that the dump has not ended when it has begun."""
        self.sql("insert into t select seq from seq_2_to_200001;", QUOTED)
        return 200000

    def less(self) -> None:
        self.sql("delete from t where a > 1;", QUOTED)

    def content(self, place: str) -> Any:
        return [one.removeprefix(f"{place}.") for one in self.sql(_ROWS + _SCHEMA, place)]

    def seen(self) -> Any:
        return [*self.content(SHOP), *self.sql("select * from t;", QUOTED)]

    def forget(self, place: str) -> None:
        self.sql(f"drop database `{place}`;")

    @contextmanager
    def dumping(self) -> Iterator[Callable[[], None]]:
        """It waits for a table that a client has locked."""
        lock = b"lock tables parent write; select 'locked';\n"
        waits = "select id from information_schema.processlist where state like 'Waiting for table%' and info like '%parent%';"
        with self.session(self.client(SHOP, streams=True), lock, b"locked\n"):
            yield lambda: until(lambda: bool(self.sql(waits)), 90, "the dump never waited for the lock")
