"""A stack that writes the same number to PostgreSQL, a file and SQLite, as fast as it can: only at one point in time are
all three the same."""

from __future__ import annotations

import json
from typing import Any

from opslib.images.tools import ensure_tools, tools_tag
from opslib.settings.model import Host
from opslib.target.local import Local
from tests.lab.site import Site
from tests.lab.stacks import SOON
from tests.lab.still_stack import tools

# Speaks with PostgreSQL by itself: the image has no client. One that is told to stop ends with all three written.
_WRITER = """import os, signal, socket, sqlite3, struct
over = []
signal.signal(signal.SIGTERM, lambda *_: over.append(True))
db = socket.create_connection(("db", 5432)).makefile("rwb")
def send(kind, body):
    db.write(kind + struct.pack("!i", len(body) + 4) + body); db.flush()
    while True:
        kind, length = struct.unpack("!ci", db.read(5)); said = db.read(length - 4)
        assert kind != b"E", said
        if kind == b"Z": return
def sql(text): send(b"Q", text.encode() + bytes(1))
send(b"", struct.pack("!i", 196608) + bytes(1).join([b"user", b"postgres", b"database", b"app", b"", b""]))
lite = sqlite3.connect("/data/n.db", isolation_level=None, timeout=60)
for each in (sql, lite.execute):
    each("create table if not exists t (n bigint)"); each("delete from t"); each("insert into t values (0)")
n = int(open("/data/n").read()) if os.path.exists("/data/n") else 0
while not over:
    n += 1
    sql(f"update t set n = {n}")
    with open("/data/.n", "w") as file: file.write(str(n))
    os.replace("/data/.n", "/data/n")
    lite.execute(f"update t set n = {n}")
"""


def compose(images: str) -> str:
    """The compose file; a doubled dollar is a dollar."""
    ready = ["CMD", "pg_isready", "-h", "127.0.0.1", "-d", "app"]
    services: dict[str, Any] = {
        "db": {
            "image": f"{images}postgres:15", "volumes": ["pg:/var/lib/postgresql/data"],
            "environment": {"POSTGRES_HOST_AUTH_METHOD": "trust", "POSTGRES_DB": "app"},
            "healthcheck": {"test": ready, **SOON},
        },
        "writer": {
            "image": tools_tag(), "command": ["python3", "-c", _WRITER.replace("$", "$$")], "volumes": ["data:/data"],
            "stop_grace_period": "5s", "depends_on": {"db": {"condition": "service_healthy"}},
            "healthcheck": {"test": ["CMD", "test", "-s", "/data/n"], **SOON},
        },
        "web": {"image": f"{images}busybox:1", "command": ["sleep", "100000"], "init": True, "depends_on": ["writer"]},
    }  # fmt: skip
    return json.dumps({"services": services, "volumes": {"pg": {}, "data": {}}})


def prepare(site: Site) -> None:
    """Have it run, with a SQLite file that nobody writes to beside the others."""
    base = {"OPSLIB_TOOLS_BASE": f"{site.images}debian:bookworm-slim"}
    ensure_tools(site.target, Local(Host(name="local", path=".")), base)
    site.inv("deploy")
    tools(site, "sqlite3 /data/app.db 'create table t (x); insert into t values (1)'")


def numbers(site: Site, name: str) -> tuple[int, int, int]:
    """What a set has of the number: in the dump, the file, and the SQLite file."""
    packed = f"docker run --rm -v {site.folder}/backups/{name}:/set:ro {tools_tag()} bash -c"
    restore = f"docker exec -i {site.container('db')} pg_restore -f - --data-only --table=t"
    dump = site.inside(f"{packed} 'zstd -dcq /set/postgres.db.app.dump.zst' | {restore} | grep -x '[0-9]*'")
    file = site.inside(f"{packed} 'zstd -dcq /set/volume.data.tar.zst | tar -xOf - ./n'")
    lite = "zstd -dcq /set/sqlite.data.n%2Edb.db.zst >/tmp/n && sqlite3 /tmp/n 'select n from t'"
    return int(dump), int(file), int(site.inside(f'{packed} "{lite}"'))
