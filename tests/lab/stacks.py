"""A small stack with one of each source, and every name in it hostile: for the tests of backup and restore."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

import msgspec

from opslib.command import Command, Secret, bash
from opslib.compose.stack import Stack, look
from opslib.images.tools import ensure_tools
from opslib.settings.model import Backup, Host
from opslib.target.base import Target
from opslib.target.docker import docker, exec_in, mount, run_in
from opslib.target.local import Local
from opslib.target.transfer import put_bytes

PASSWORD = "-p w'\"$x é\\;"
DATABASE = "-d o'b\" $HOME é=1"
UPLOADS = "-up loads $x é"
ODD = "-a 'b' \"c\" $d é"
SQLITE = "-s q'l $i é.db"

# asked often until it answers, then seldom: each question is a process of the machine that the tests share
SOON = {"interval": "30s", "start_period": "99s", "start_interval": "1s"}
LOOP = "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"
REDIS = r"""password=$(printf %s "$REDIS_PASSWORD" | sed 's/[\\"]/\\&/g')
exec docker-entrypoint.sh redis-server - <<END
requirepass "$password"
dir /data
appendonly yes
END"""

SQL = f"""create role "ow ner" login; alter role "ow ner" set work_mem = '5MB';
create table public.notes (id serial primary key, text text);
insert into notes (text) select 'note ' || g from generate_series(1, 500) g;
create schema "s.x"; create table "s.x"."T 'q'" (a int); insert into "s.x"."T 'q'" values (1), (2);
create view v as select * from notes; create table parts (a int) partition by range (a);
create table part1 partition of parts for values from (0) to (10); insert into parts values (1), (2), (3);
alter database "{DATABASE.replace('"', '""')}" owner to "ow ner";
alter database "{DATABASE.replace('"', '""')}" set search_path to "s.x", public;
comment on database "{DATABASE.replace('"', '""')}" is 'it''s ours';
"""


@dataclass
class Small:
    """The stack on one target. `project` is its Compose project."""

    target: Target
    prefix: str = "opslib-lab/"
    password: str = PASSWORD
    tools: str = ""

    @property
    def host(self) -> Host:
        return self.target.host

    @property
    def project(self) -> str:
        assert self.host.project is not None
        return self.host.project

    def start(self) -> None:
        """Bring it up with data in it."""
        here = Local(Host(name="local", path="."))
        self.tools = ensure_tools(self.target, here, {"OPSLIB_TOOLS_BASE": f"{self.prefix}debian:bookworm-slim"})
        folder = f"{self.target.root}/{UPLOADS}"
        script = 'mkdir -p -- "$1/sub" && echo new >"$1/sub/$2" && ln -s "sub/$2" "$1/link"'
        self.target.run(bash(script, folder, ODD))
        self.compose_file()
        self.up("--wait", "--wait-timeout", "90")
        self.sql(SQL)
        self.redis("set", "ke'y $1", "value")
        self.redis("set", "temporary", "x", "ex", "3600")
        self.in_volume(
            'cd -- "$1"; mkdir "./$2"; echo data >"./$2/$2"; ln "./$2/$2" hard; ln -s -- "$2" soft; '
            'truncate -s 20M sparse; chown -R 1234:1234 "./$2"; chmod 0640 "./$2/$2"; sqlite3 "$1/$3" '
            '"pragma journal_mode = wal; create table t(a); insert into t values (1), (2), (3); '
            'create table \\"o\'dd \\"\\"x\\"(a)" && chown 1234:1234 "$1/$3"',
            ODD, SQLITE,
        )  # fmt: skip

    def compose_file(self) -> None:
        """Write the compose file; JSON is YAML, and a doubled dollar is a dollar."""
        test = ["CMD-SHELL", "pg_isready -q -h 127.0.0.1"]
        ping = ["CMD-SHELL", 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli ping | grep -qx PONG']
        bind = {"type": "bind", "source": f"./{UPLOADS}", "target": "/up"}
        services: dict[str, Any] = {
            "db": {
                "image": f"{self.prefix}postgres:15", "volumes": ["pg:/var/lib/postgresql/data"],
                "environment": {"POSTGRES_PASSWORD": self.password, "PGPASSWORD": self.password,
                                "POSTGRES_DB": DATABASE,
                                "POSTGRES_INITDB_ARGS": "--auth-local=scram-sha-256 --auth-host=scram-sha-256"},
                "healthcheck": {"test": test, **SOON},
            },
            "cache": {
                "image": f"{self.prefix}redis:7", "command": ["sh", "-ec", REDIS], "volumes": ["redis:/data"],
                "environment": {"REDIS_PASSWORD": self.password}, "healthcheck": {"test": ping, **SOON},
            },
            "app": {
                "image": f"{self.prefix}busybox:1", "command": ["sh", "-c", LOOP], "stop_grace_period": "2s",
                "volumes": ["data:/data", bind],
            },
        }  # fmt: skip
        wanted = {"services": services, "volumes": {"pg": {}, "redis": {}, "data": {}}}
        text = json.dumps(wanted, ensure_ascii=False).replace("$", "$$")
        put_bytes(self.target, text.encode(), f"{self.target.root}/compose.yml", mode=0o600)

    def up(self, *words: str) -> None:
        """`docker compose up`."""
        self.target.run(self.compose("up", "-d", *words).with_(limit=180.0))

    def compose(self, *words: str) -> Command:
        """A Docker Compose command of this project."""
        root = self.target.root
        return docker(self.host, "compose", "-p", self.project, "--project-directory", root, "-f",
                      f"{root}/compose.yml", *words, limit=120.0)  # fmt: skip

    def look(self) -> Stack:
        """What runs."""
        return look(self.target, self.project)

    def container(self, service: str) -> str:
        """The name of a service's container."""
        return f"{self.project}-{service}-1"

    def sql(self, text: str, database: str = DATABASE) -> list[str]:
        """Run SQL in a database and return the lines."""
        env = {"PGPASSWORD": Secret(self.password), "PGDATABASE": database, "PGUSER": "postgres"}
        cmd = exec_in(self.host, self.container("db"), "psql", "-XqAtw", "-v", "ON_ERROR_STOP=1", env=env,
                      feed=text.encode(), limit=300.0)  # fmt: skip
        return self.target.run(cmd).lines

    def redis(self, *words: str) -> list[str]:
        """One Redis command."""
        env = {"REDISCLI_AUTH": Secret(self.password)}
        return self.target.run(exec_in(self.host, self.container("cache"), "redis-cli", *words, env=env)).lines

    def in_volume(self, text: str, *words: str, volume: str = "data") -> list[str]:
        """A bash text in the tools container; `$1` is the volume's folder."""
        place = mount("volume", f"{self.project}_{volume}", "/v")
        cmd = run_in(self.host, self.tools, "bash", "-euc", text, "test", "/v", *words, mounts=[place])
        return self.target.run(cmd).lines

    def destroy(self) -> None:
        """Remove every container and volume of it, and what root owns of its files."""
        self.target.resume()
        self.target.run(self.compose("down", "-v", "-t", "0"), check=False)
        if self.tools:
            place = mount("bind", self.target.root, "/v")
            cmd = run_in(self.host, self.tools, "sh", "-c", "rm -rf /v/* /v/.[!.]*", mounts=[place])
            self.target.run(cmd, check=False)
        above = 'cd -- "$1" && cd .. && rm -rf -- "$1" && rmdir -- "$PWD"'
        self.target.run(bash(above, self.target.root), check=False)


def small_host(host: Host, **backup: Any) -> Host:
    """The settings of a small stack on a host."""
    project = f"opslib-small-{uuid.uuid4().hex[:8]}"
    return msgspec.structs.replace(host, project=project, compose=("compose.yml",), backup=Backup(**backup))
