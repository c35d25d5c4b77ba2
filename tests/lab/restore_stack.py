"""A small stack with hostile names, its data, and what it looks like: for the tests of restore."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from opslib.command import bash, command
from opslib.compose.services import up
from opslib.compose.stack import Stack, look
from opslib.compose.wanted import wanted
from opslib.run.fleet import carry_out
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.settings.model import Host
from opslib.settings.units import Address
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.docker import docker, exec_in, mount, run_in
from opslib.target.transfer import put_bytes
from tests.conftest import need_server

DATABASE = """-we "ird" $d=b 'ü'"""
PASSWORD = """p'a"s$s w ör-d"""
USER = "-own er ü"

COMPOSE = """
services:
  app:
    image: ${IMAGES}busybox:1
    command: [sh, -c, "exec sleep 100000"]
    init: true
    stop_grace_period: 1s
    depends_on: {db: {condition: service_healthy}, cache: {condition: service_started}}
    volumes: ["uploads:/uploads", "./up load's:/bind"]
  db:
    image: ${IMAGES}postgres:15
    environment: {POSTGRES_USER: "-own er ü", POSTGRES_PASSWORD: "${PASSWORD}", POSTGRES_DB: first}
    healthcheck: {test: [CMD, pg_isready, -q, -h, 127.0.0.1], interval: 30s, start_period: 99s, start_interval: 1s}
    volumes: ["pg:/var/lib/postgresql/data"]
    configs: [{source: first, target: /docker-entrypoint-initdb.d/first.sh}]
  cache:
    image: ${IMAGES}redis:7
    command: [redis-server, --appendonly, "yes", --requirepass, "${PASSWORD}"]
    volumes: ["cache:/data"]
  plain:
    image: ${IMAGES}redis:7
    command: [redis-server, --appendonly, "no"]
    volumes: ["plain:/data"]
volumes: {uploads: {labels: {owner: "th'em"}}, pg: {}, cache: {}, plain: {}}
configs: {first: {content: "sleep 2"}}  # a first start that takes its time
"""

# Files of all sorts in $1: owners, modes, links, holes, extended attributes, an ACL, odd names.
TREE = r"""
import os, struct, sys
os.chdir(sys.argv[1]); os.chmod(".", 0o751); os.chown(".", 33, 44)
os.makedirs("sub/deep"); os.chmod("sub", 0o2770)
for name in ("-dash", "two words", "quo'te\"s $HOME `x` ü", "line\nbreak", "sub/deep/file"):
    open(name, "w").write(name * 100)
os.chown("two words", 1234, 4321); os.chmod("two words", 0o4640)
os.link("-dash", "hard"); os.symlink("/nowhere/'x'", "dangling"); os.symlink("sub", "to dir")
os.setxattr("two words", b"user.note", b"a\0b'")
os.setxattr("sub/deep/file", b"system.posix_acl_access", struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, perm, ident) for tag, perm, ident in
    ((1, 6, 0xFFFFFFFF), (2, 4, 1234), (4, 4, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF))))
with open("sparse", "wb") as file: file.truncate(64 << 20); file.seek(32 << 20); file.write(b"x")
"""
# A SQLite file among them.
FILL = (
    TREE
    + r"""
import sqlite3
base = sqlite3.connect("app data.db"); base.execute("pragma journal_mode=wal")
base.execute('create table "t a" (x)'); base.executemany('insert into "t a" values (?)', [(i,) for i in range(50)])
base.commit(); base.close(); os.chown("app data.db", 1000, 1000)
"""
)

# What is in $1, as JSON: everything of a file that a restore must bring back.
SEE = r"""
import hashlib, json, os, sqlite3, stat, sys
os.chdir(sys.argv[1]); found, inodes = {}, {}
for folder, dirs, files in os.walk(".", followlinks=False):
    for name in [*dirs, *files] + (["."] if folder == "." else []):
        path = os.path.normpath(os.path.join(folder, name)); s = os.lstat(path)
        if path.endswith(("-wal", "-shm")): continue
        one = [stat.S_IFMT(s.st_mode), oct(s.st_mode & 0o7777), s.st_uid, s.st_gid]
        if stat.S_ISLNK(s.st_mode): one.append(os.readlink(path))
        else: one.append(sorted((k, os.getxattr(path, k).hex()) for k in os.listxattr(path)))
        if stat.S_ISREG(s.st_mode):
            if path.endswith(".db"):
                one += sqlite3.connect(path).execute('select count(*), sum(x) from "t a"').fetchall()
            else: one += [hashlib.sha256(open(path, "rb").read()).hexdigest(), int(s.st_mtime)]
            one += [s.st_nlink, s.st_blocks * 512 * 2 < s.st_size]
            if s.st_nlink > 1: one.append(inodes.setdefault(s.st_ino, len(inodes)))
        found[path] = one
print(json.dumps(found, sort_keys=True))
"""


class Trial:
    """The stack on one target, in a folder of its own."""

    compose = COMPOSE

    def __init__(self, kind: str, images: str, server: str = "one") -> None:
        self.kind, self.images = kind, images
        self.name = f"rst-{uuid.uuid4().hex[:8]}"
        self.here = connect(Host(name="local", path=f"/tmp/{self.name}-here"))
        address = Address(server) if kind == "ssh" else None
        path = f"{self.name}/a 'b' $c" if kind == "ssh" else f"/tmp/{self.name}/a 'b' $c"
        self.host = Host(
            name=server if kind == "ssh" else "local", path=path, address=address, project=self.name,
            compose=("compose.yml",), env_file=".env",
        )  # fmt: skip
        self.events: list[Any] = []
        self.target = self.connect()

    def connect(self) -> Target:
        return connect(self.host, self.events.append)

    # -- the stack

    def up(self) -> None:
        root = self.target.root
        put_bytes(self.target, self.compose.encode(), f"{root}/compose.yml")
        put_bytes(self.target, self.env.encode(), f"{root}/.env")
        self.target.run(command("mkdir", "-p", f"{root}/up load's"))
        self.bring_up()
        self.fill()

    @property
    def env(self) -> str:
        """The env file."""
        quoted = PASSWORD.replace("'", "\\'")
        return f"IMAGES={self.images}\nPASSWORD='{quoted}'\n"

    def fill(self) -> None:
        """Something of everything."""
        root = self.target.root
        self.sql("postgres", f"create role \"re'ader $\" login password 'x'; create database {ident(DATABASE)};")
        self.sql(
            DATABASE,
            f"""create schema "Sch""ema"; create table "Sch""ema"."ta ble" (id serial primary key, x text);
            insert into "Sch""ema"."ta ble" (x) select md5(i::text) from generate_series(1, 3000) i;
            create table empty (id int); grant select on empty to "re'ader $";
            create table facts as select generate_series(1, 500) n;
            alter database {ident(DATABASE)} set search_path to "Sch""ema", public;
            alter role "re'ader $" in database {ident(DATABASE)} set work_mem to '7MB';
            grant connect on database {ident(DATABASE)} to "re'ader $";
            comment on database {ident(DATABASE)} is 'it''s mine';""",
        )
        for service in ("cache", "plain"):
            keys = (f"set key:{i} value\n" for i in range(300))
            self.redis(service, *keys, "setex gone 3600 x\n", "select 3\n", "set a b\n")
        self.python(FILL, volume=f"{self.name}_uploads")
        self.python(FILL, folder=f"{root}/up load's")

    def bring_up(self) -> None:
        up(self.target, wanted(self.target, self.name, ["compose.yml"], ".env"))

    def plan(self, file: str) -> dict[str, Any]:
        from opslib.backup.restore.options import Options
        from opslib.backup.restore.steps import steps

        wanted = Options(file=file, here=self.here)
        record = carry_out(Task("restore.all", lambda run: steps(run, wanted), plan=True), [self.target])
        assert record.ok, record.hosts[0].error
        return record.hosts[0].result

    def look(self) -> Stack:
        return look(self.target, self.name)

    def running(self) -> list[str]:
        return sorted({one.service for one in self.look().running})

    def container(self, service: str) -> str:
        return f"{self.name}-{service}-1"

    def sql(self, database: str, text: str) -> list[str]:
        env = {"PGUSER": USER, "PGDATABASE": database}
        words = ("psql", "-XqAt", "-v", "ON_ERROR_STOP=1")
        return self.target.run(exec_in(self.host, self.container("db"), *words, env=env, feed=text.encode())).lines

    def redis(self, service: str, *lines: str) -> list[str]:
        env = {"REDISCLI_AUTH": PASSWORD} if service == "cache" else {}
        cmd = exec_in(self.host, self.container(service), "redis-cli", env=env, feed="".join(lines).encode())
        return self.target.run(cmd).lines

    def python(self, program: str, *, volume: str = "", folder: str = "") -> str:
        place = mount("volume", volume, "/x") if volume else mount("bind", folder, "/x")
        cmd = run_in(self.host, f"{self.images}python:3.11-slim", "python3", "-c", program, "/x", mounts=[place])
        return self.target.run(cmd).text

    # -- what it holds

    def rows(self) -> list[str]:
        return self.sql(DATABASE, """select md5(string_agg(t::text, ',' order by id)) from "Sch""ema"."ta ble" t;
            select count(*), sum(n) from facts;""")  # fmt: skip

    def seen(self) -> dict[str, Any]:
        """Everything that a restore must bring back."""
        rows = self.rows() + self.sql(DATABASE, """select relacl::text from pg_class where relname = 'empty';
            show search_path; select nextval('"Sch""ema"."ta ble_id_seq"') > 3000;""")  # fmt: skip
        about = self.sql("postgres", f"""select pg_get_userbyid(datdba), datcollate, datacl::text,
            shobj_description(oid, 'pg_database') from pg_database where datname = {literal(DATABASE)};
            select setconfig::text from pg_db_role_setting s join pg_database d on d.oid = setdatabase
            where datname = {literal(DATABASE)} order by 1; select datname from pg_database order by 1;""")  # fmt: skip
        return {
            "rows": rows, "about": about,
            **{s: [self.redis(s, "dbsize\n", "get key:7\n", "select 3\n", "get a\n")] for s in ("cache", "plain")},
            "volume": json.loads(self.python(SEE, volume=f"{self.name}_uploads")),
            "bind": json.loads(self.python(SEE, folder=f"{self.target.root}/up load's")),
        }  # fmt: skip

    def ruin(self) -> None:
        """Change and lose something of everything."""
        self.sql(DATABASE, 'truncate facts; drop table "Sch""ema"."ta ble" cascade; create table intruder (x int);')
        name = ident(DATABASE)
        self.sql("postgres", f"alter database {name} reset all; comment on database {name} is null;")
        for service in ("cache", "plain"):
            self.redis(service, "flushall\n", "set intruder 1\n")
        ruin = 'cd /x && rm -rf sub hard "two words" && echo no > -dash && mkdir sub && : > intruder && chmod 700 .'
        bind = mount("bind", f"{self.target.root}/up load's", "/x")
        for place in (mount("volume", f"{self.name}_uploads", "/x"), bind):
            self.target.run(run_in(self.host, f"{self.images}busybox:1", "sh", "-c", ruin, mounts=[place]))

    # -- runs

    def restore(self, file: str | None, target: Target | None = None, **options: Any) -> Record:
        from opslib.backup.restore.options import Options
        from opslib.backup.restore.steps import steps

        wanted = Options(file=file, here=self.here, **options)
        return self.carry_out("restore.all", lambda run: steps(run, wanted), target)

    def backup(self, **options: Any) -> str:
        from opslib.backup import take

        record = self.carry_out("backup.all", lambda run: take.steps(run, take.Options(here=self.here, **options)))
        assert record.ok, record.hosts[0].error
        return str(record.hosts[0].result["set"])

    def carry_out(self, name: str, steps: Any, target: Target | None = None) -> Record:
        from opslib.backup.restore.steps import RECOVERIES as restoring
        from opslib.backup.take import RECOVERIES as taking

        task = Task(name, steps, known={**taking, **restoring}, wait=60.0)
        return carry_out(task, [target or self.target])

    def path(self, found: str, file: str = "") -> str:
        return f"{self.target.root}/backups/{found}" + (f"/{file}" if file else "")

    def wait_until(self, what: Any, seconds: float) -> None:
        """Wait for something that happens by itself. Fails when it does not."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.2)

    def down(self) -> None:
        script = """l=label=com.docker.compose.project=$1
docker ps -aq --filter "$l" | xargs -r docker rm -fv; docker volume ls -q --filter "$l" | xargs -r docker volume rm -f
docker network ls -q --filter "$l" | xargs -r docker network rm"""
        self.target.run(bash(script, self.name, limit=120), check=False)
        place = mount("bind", self.target.root.rsplit("/", 1)[0], "/x")
        wipe = run_in(self.host, f"{self.images}busybox:1", "sh", "-c", "rm -rf /x/*", mounts=[place])
        self.target.run(wipe, check=False)
        self.target.run(bash('rm -rf -- "$1"', self.target.root.rsplit("/", 1)[0]), check=False)
        self.target.close()
        self.here.close()


def ident(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def docker_says(trial: Trial, *words: str) -> str:
    return trial.target.run(docker(trial.host, *words)).text


Stands = TypeVar("Stands", bound=Trial)


def brought_up(request: pytest.FixtureRequest, make: Callable[[str, str], Stands]) -> Iterator[Stands]:
    """A stack on the target that a fixture's parameter names, `local` or `ssh`; taken away in the end."""
    if request.param == "ssh":
        need_server(request)
    found = make(request.param, request.getfixturevalue("lab")["images_prefix"])
    try:
        found.up()
        yield found
    finally:
        found.down()
