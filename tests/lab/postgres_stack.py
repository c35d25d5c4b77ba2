"""A small stack of PostgreSQL with several databases of everything that a database can hold, and what they look like:
for the tests of its backup and restore."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from opslib.command import Secret, command
from opslib.settings.kinds import Postgres
from opslib.settings.model import Backup
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.docker import exec_in
from opslib.target.transfer import put_bytes
from tests.lab.restore_stack import PASSWORD, USER, Trial, ident

SWAPPED, IN_PLACE, OWNED = """-we "ird" $d=b 'ü'""", "a.b c-d", "app's"
APP, APP_PASSWORD = "app $x ü", "the app's own"

COMPOSE = """
services:
  app:
    image: ${IMAGES}busybox:1
    command: [sleep, "100000"]
    init: true
    stop_grace_period: 1s
    depends_on: {db: {condition: service_healthy}, tiny: {condition: service_healthy}}
  db:
    image: ${IMAGES}postgres:15
    environment: {POSTGRES_USER: "-own er ü", POSTGRES_PASSWORD: "${PASSWORD}", POSTGRES_DB: first}
    healthcheck: {test: [CMD, pg_isready, -q, -h, 127.0.0.1], interval: 30s, start_period: 99s, start_interval: 1s}
    volumes: ["pg:/var/lib/postgresql/data"]
  tiny:
    image: ${IMAGES}postgres:15
    command: [postgres, -c, max_wal_size=32MB, -c, min_wal_size=32MB, -c, autovacuum=off]
    environment: {POSTGRES_PASSWORD: x, POSTGRES_DB: full}
    healthcheck: {test: [CMD, pg_isready, -q, -h, 127.0.0.1], interval: 30s, start_period: 99s, start_interval: 1s}
    tmpfs: ["/var/lib/postgresql/data:size=180m"]
volumes: {pg: {}}
"""

# One of each that pg_dump knows, so that its text tells when one of them is lost.
RICH = f"""create schema "ex t"; create extension hstore; create extension citext; create extension pg_trgm schema "ex t";
create extension postgres_fdw; create type mood as enum ('so so', 'h''appy'); create domain positive as int check (value > 0);
create table people (id int generated always as identity primary key, name citext unique, tags hstore, mood mood,
 age positive, twice int generated always as (age * 2) stored, born daterange, raw bytea, doc jsonb, many numeric[]);
insert into people (name, tags, mood, age, born, raw, doc, many) select 'N' || i, hstore('k', i::text),
 'so so', i, daterange('2000-01-01', null), decode(md5(i::text), 'hex'), jsonb_build_object('a', i), array['NaN', i]::numeric[]
 from generate_series(1, 2000) i;
insert into people (name) values (E'\\\\. tab\\t line\\n quote'' ü'), (null);
create table odd (x int, f4 float4, f8 float8, m money, tz timestamptz, iv interval, j json, xm xml, texts text[],
 moods mood[], rc regclass, ine inet, bits varbit, pt point, c char(5), tm timetz, q tsquery, v varchar(9));
insert into odd values (1, 0.1, 0.1::float8 + 0.2, 12.34, '2020-06-01 12:00+05:30', '1 year -3 days 04:05:06.7', '{{"a" :1, "a":2}}',
 '<a>x</a>', array['a,b', null, 'c"d', E'\\\\'], array['so so', 'h''appy']::mood[], 'people', '10.0.0.1/8', '101',
 '(1.1,2.2)', 'ab', '12:00+02', 'a & b', 'a'), (2, 'nan', '-infinity', -0.01, '-infinity', '-00:00:01', 'null', '',
 '[0:1]={{1,2}}', '{{}}', 0, '::1', '', null, '', null, null, null);
insert into odd (x, f4, f8) values (3, '-0', '-0');
insert into odd (f8, f4) select exp(i) / 3, sqrt(i) from generate_series(1, 500) i;
create index on people using gin (name "ex t".gin_trgm_ops); create statistics both_of (dependencies) on age, mood from people;
create table log (at timestamptz not null, what text) partition by range (at);
create table log_old partition of log for values from (minvalue) to ('2020-01-01');
create table log_new partition of log for values from ('2020-01-01') to (maxvalue);
insert into log values ('1999-12-31', 'a'), ('2024-01-01', 'b'), ('infinity', 'c');
create table base (a int); create table child (b int) inherits (base); insert into child values (1, 2);
create unlogged table quick (a int); insert into quick values (1); create sequence tickets start 5 increment 3 cache 2;
select nextval('tickets'), nextval('tickets');
create table secret (id int, who text default current_user); insert into secret values (1, 'me'), (2, 'you');
alter table secret enable row level security; create policy own on secret using (who = current_user);
create view v with (security_barrier) as select * from secret; create materialized view mv as select count(*) n from people;
create unique index on mv (n); comment on column people.name is 'it''s';
create function touched() returns trigger language plpgsql as $$ begin insert into log values (now(), tg_op); return null; end $$;
create trigger touched after update on people for each statement execute function touched();
create rule nothing as on delete to base do instead nothing; create aggregate longest (int) (sfunc = int4larger, stype = int);
create procedure nap() language sql as 'select 1'; create cast (text as mood) with inout as assignment;
create text search configuration plain (copy = simple); create collation german (provider = icu, locale = 'de');
create server far foreign data wrapper postgres_fdw options (host 'nowhere'); create user mapping for public server far;
create foreign table remote (a int) server far; create publication everything for all tables;
create function no_drops() returns event_trigger language plpgsql as $$ begin raise 'nothing is dropped here'; end $$;
select lo_from_bytea(4242, '\\xdeadbeef'), lo_from_bytea(4243, convert_to(repeat('large ', 200000), 'UTF8'));
comment on large object 4242 is 'a picture'; alter large object 4243 owner to {ident(APP)};
grant select on large object 4242 to {ident(APP)}; grant select (id, name) on people to {ident(APP)};
alter table base owner to {ident(APP)}; alter default privileges grant select on tables to {ident(APP)};
alter default privileges in schema "ex t" grant usage on sequences to public;
alter default privileges revoke execute on functions from public; revoke create on schema public from public;
create event trigger no_drops on sql_drop execute function no_drops();
"""


def around(database: str) -> str:
    """What belongs to a database and is in none of its tables."""
    name, app = ident(database), ident(APP)
    return f"""alter database {name} set search_path to "ex t", public; alter database {name} set work_mem to '9MB';
alter role {app} in database {name} set statement_timeout to '7s'; revoke connect on database {name} from public;
grant connect, temporary on database {name} to {app} with grant option; comment on database {name} is 'it''s';
alter database {name} connection limit 50;"""


RUIN = """drop event trigger if exists no_drops; drop publication everything; drop table people cascade; truncate log;
drop extension citext cascade; drop schema "ex t" cascade; select lo_unlink(4242); select lo_from_bytea(1, 'intruder');
select setval('tickets', 1000); create table intruder (x int); create schema more; create table more.x (a int);
create publication intruding for table intruder; alter default privileges grant insert on tables to public;
create function late() returns event_trigger language plpgsql as $$ begin raise 'late'; end $$;
create event trigger late on ddl_command_end execute function late();"""


class Databases(Trial):
    """The stack on one target."""

    def up(self) -> None:
        root, quoted = self.target.root, PASSWORD.replace("'", "\\'")
        put_bytes(self.target, COMPOSE.encode(), f"{root}/compose.yml")
        put_bytes(self.target, f"IMAGES={self.images}\nPASSWORD='{quoted}'\n".encode(), f"{root}/.env")
        self.target.run(command("mkdir", "-p", root))
        self.bring_up()
        made = "".join(f"create database {ident(name)};\n" for name in (SWAPPED, IN_PLACE))
        self.sql(
            "postgres",
            f"""create role {ident(APP)} login password '{APP_PASSWORD.replace("'", "''")}';\n{made}
            create database {ident(OWNED)} owner {ident(APP)}; create table kept (a int); insert into kept values (1);""",
        )
        for name in (SWAPPED, IN_PLACE):
            self.sql(name, RICH)
            self.sql("postgres", around(name))
        self.sql("postgres", f"alter database {ident(SWAPPED)} is_template true;")
        self.sql(IN_PLACE, "create subscription later connection 'dbname=x' publication y with (connect = false);")
        self.sql(
            OWNED,
            f"""set role {ident(APP)}; create extension hstore; create table mine (id serial, h hstore);
            insert into mine (h) select hstore('a', i::text) from generate_series(1, 1000) i;""",
        )

    def look_at(self, *databases: str) -> dict[str, str]:
        """Of each database everything that pg_dump says, what its materialized views and large objects hold."""
        return {name: self._all(name) for name in databases or (SWAPPED, IN_PLACE, OWNED, "postgres", "first")}

    def _all(self, database: str) -> str:
        env = {"PGUSER": USER, "PGDATABASE": database}
        cmd = exec_in(self.host, self.container("db"), "pg_dump", "--create", "--clean", "--if-exists", env=env)
        said = [line for line in self.target.raw_lines(cmd) if not line.startswith((b"\\restrict", b"\\unrestrict"))]
        more = self.sql(database, """select format('select %L, md5(string_agg(t::text, '','')) from %s t', oid::regclass,
            oid::regclass) from pg_class where relkind = 'm' order by 1 \\gexec
            select oid, md5(lo_get(oid)), pg_get_userbyid(lomowner) from pg_largeobject_metadata order by 1;""")  # fmt: skip
        text = b"\n".join(said) + "\n".join(more).encode()
        return hashlib.sha256(text).hexdigest() if len(said) > 10**5 else text.decode()

    def as_app(self, **more: Any) -> Target:
        """A target whose host file logs in as the application's user, who is no superuser."""
        spec = Postgres(service="db", user=APP, password=Secret(APP_PASSWORD), **more)
        host = msgspec.structs.replace(self.host, backup=Backup(sources=(spec,), exclude=("tiny",)))
        return connect(host, self.events.append)
