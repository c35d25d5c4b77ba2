"""What the scripts that are replaced have left: files and folders of every kind, here and on the server, put back by the
same `restore --file`; and what is refused before anything is touched, with what was seen."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import sqlite3
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.backup.restore.options import Options
from opslib.backup.restore.steps import steps
from opslib.command import bash
from opslib.engines import qdrant
from opslib.engines.find import find_instances
from opslib.images.ship import ship
from opslib.run.record import Record
from opslib.target.docker import exec_in, mount, run_in
from opslib.target.transfer import put_bytes
from tests.lab.restore_stack import DATABASE, Trial, brought_up, ident

pytestmark = pytest.mark.lab

COMPOSE = """
services:
  db:
    image: ${IMAGES}postgres:15
    environment: {POSTGRES_USER: app, POSTGRES_PASSWORD: "${PASSWORD}", POSTGRES_DB: first}
    healthcheck: {test: [CMD, pg_isready, -q, -h, 127.0.0.1], interval: 30s, start_period: 99s, start_interval: 1s}
    volumes: ["pg:/var/lib/postgresql/data"]
  shop:
    image: ${IMAGES}mariadb:10.11
    environment: {MARIADB_ROOT_PASSWORD: "${PASSWORD}", MARIADB_DATABASE: shop}
    healthcheck: {test: [CMD, healthcheck.sh, --connect, --innodb_initialized], interval: 30s, start_period: 99s, start_interval: 1s}
    volumes: ["shop:/var/lib/mysql"]
  mongo:
    image: ${IMAGES}mongo:7
    environment: {MONGO_INITDB_ROOT_USERNAME: root, MONGO_INITDB_ROOT_PASSWORD: "${PASSWORD}"}
    healthcheck: {test: [CMD, mongosh, --quiet, --eval, "EJSON.stringify(db.adminCommand({ping: 1}))"], interval: 30s, start_period: 99s, start_interval: 1s}
    volumes: ["mongo:/data/db"]
  vectors:
    image: ${IMAGES}qdrant:v1.15.4
    healthcheck: {test: [CMD, bash, -c, "exec 3<>/dev/tcp/127.0.0.1/6333"], interval: 30s, start_period: 99s, start_interval: 1s}
    volumes: ["vectors:/qdrant/storage"]
  cache:
    image: ${IMAGES}redis:7
    command: [redis-server, --appendonly, "yes"]
    volumes: ["cache:/data"]
  app:
    image: ${IMAGES}busybox:1
    command: [sh, -c, "exec sleep 100000"]
    init: true
    stop_grace_period: 1s
    depends_on:
      db: {condition: service_healthy}
      shop: {condition: service_healthy}
      mongo: {condition: service_healthy}
      vectors: {condition: service_healthy}
    volumes: ["uploads:/uploads"]
volumes: {pg: {}, shop: {}, mongo: {}, vectors: {}, cache: {}, uploads: {}}
"""
PASSWORD = """p'a"s$s w ör-d"""
ODD = "a/b 'c' é"

MONGO = """import json, os, sys, pymongo, bson
client = pymongo.MongoClient("127.0.0.1", username="root", password=os.environ["P"], directConnection=True)
"""
FILL = f"""
client.shop.orders.insert_many([{{"n": n, "text": "é" * (n % 50)}} for n in range(1500)])
client.shop.orders.create_index([("n", 1)], unique=True, name="by n")
client.shop[{ODD!r}].insert_many([{{"_id": n}} for n in range(7)])
client.shop.create_collection("empty"); client.shop.create_collection("few", viewOn="orders", pipeline=[])
client.blog.posts.insert_many([{{"_id": n, "body": "x" * 500}} for n in range(300)])
"""
SEE = """
print(json.dumps({f"{name}.{one}": [client[name][one].count_documents({}), sorted(client[name][one].index_information())
    if one != "few" else 0] for name in ("shop", "blog", "other") for one in client[name].list_collection_names()},
    sort_keys=True))
"""
RUIN = (
    'client.shop.orders.delete_many({}); client.shop.extra.insert_one({}); client.blog.posts.insert_one({"_id": "x"})'
)


class Stand(Trial):
    """One of each engine, small."""

    def up(self) -> None:
        images = [
            "postgres:15",
            "mariadb:10.11",
            "mongo:7",
            "qdrant:v1.15.4",
            "redis:7",
            "busybox:1",
            "debian:bookworm-slim",
        ]
        ship(self.here, self.target, [f"{self.images}{name}" for name in images])
        root = self.target.root
        quoted = PASSWORD.replace("'", "\\'")
        put_bytes(self.target, COMPOSE.encode(), f"{root}/compose.yml")
        put_bytes(self.target, f"IMAGES={self.images}\nPASSWORD='{quoted}'\n".encode(), f"{root}/.env")
        self.bring_up()
        self.pg(f"create database {ident(DATABASE)}", "first")
        self.pg("create table facts as select g as n, md5(g::text) as t from generate_series(1, 500) g;")
        self.maria("create table goods (id int primary key, t text); insert into goods select seq, concat(seq, ';\\n') "
                   "from seq_1_to_400; create database other; create table other.t (a int);")  # fmt: skip
        self.mongo(FILL)
        self.redis("cache", *(f"set key:{number} value\n" for number in range(50)))
        points = [{"id": n, "vector": [n, 1], "payload": {"n": n}} for n in range(1, 21)]
        self.qdrant(("PUT", qdrant.path("docs"), {"vectors": {"size": 2, "distance": "Dot"}}),
                    ("PUT", qdrant.path("docs", "points", wait=True), {"points": points}))  # fmt: skip
        self.uploads("mkdir -p sub; echo one >a; echo two >'sub/b c'; chmod 640 a; chown 33:44 a")

    def inside(self, service: str, script: str, *words: str, **env: str) -> bytes:
        cmd = exec_in(self.host, self.container(service), "sh", "-euc", script, "sh", *words,
                      env={"P": PASSWORD, "MYSQL_PWD": PASSWORD, **env})  # fmt: skip
        return self.target.run(cmd).out

    def pg(self, text: str, database: str = DATABASE) -> list[str]:
        words = 'psql -XqAt -v ON_ERROR_STOP=1 -U app -c "$1"'
        return self.inside("db", words, text, PGDATABASE=database).decode().split()

    def maria(self, text: str, database: str = "shop") -> list[str]:
        words = 'mariadb -uroot --batch --skip-column-names -D"$2" -e "$1"'
        return self.inside("shop", words, text, database).decode().split()

    def mongo(self, text: str) -> Any:
        said = self.inside("mongo", 'python3 -c "$1"', MONGO + text).decode()
        return json.loads(said) if said else None

    def qdrant(self, *requests: Any) -> list[Any]:
        if not hasattr(self, "_vectors"):
            found = find_instances(self.target, self.look())
            self._vectors = next(one for one in found if one.kind == "qdrant")
        return qdrant.ask(self.target, self._vectors, *requests)

    def uploads(self, script: str) -> bytes:
        """By `docker exec`: `docker run` may lose what is printed."""
        return self.inside("app", f"cd /uploads; {script}")

    def seen(self) -> dict[str, Any]:
        """Everything that the tests change."""
        return {
            "pg": self.pg("select count(*), md5(string_agg(t, ',' order by n)) from facts"),
            "maria": self.maria("select count(*), md5(group_concat(t order by id)) from goods"),
            "mongo": self.mongo(SEE), "redis": self.redis("cache", "dbsize\n", "get key:7\n"),
            "qdrant": self.qdrant(("POST", qdrant.path("docs", "points", "count"), {"exact": True})),
            "uploads": self.uploads("find . -type f -exec md5sum {} + | sort; stat -c '%a %u %g' a"),
        }  # fmt: skip

    def there(self, name: str, data: bytes) -> str:
        """A file in the project's folder on the target."""
        put_bytes(self.target, data, f"{self.target.root}/{name}")
        return f"./{name}"

    def back(self, file: str | Path, **options: Any) -> Record:
        """Restored without a safety copy: what failed must have touched nothing."""
        wanted = Options(str(file), here=self.here, no_safety_copy=True, **options)
        record = self.carry_out("restore.all", lambda run: steps(run, wanted))
        assert record.ok, record.hosts[0].error
        return record

    def no(self, file: str | Path, **options: Any) -> str:
        """What is said of a file that is refused before anything is begun."""
        record = self.restore(str(file), **options)
        assert not record.ok
        assert record.hosts[0].steps == []
        assert record.hosts[0].error is not None
        return f"{record.hosts[0].error['what']} | {record.hosts[0].error['next']}"

    def undone(self, file: str | Path, **options: Any) -> str:
        """The same of one that is found out before anything is overwritten."""
        record = self.restore(str(file), **options)
        assert not record.ok
        assert {one.status for one in record.hosts[0].steps} <= {"done", "failed", "undone", "skipped"}
        assert "swap" not in [one.name for one in record.hosts[0].steps]
        assert record.hosts[0].error is not None
        return str(record.hosts[0].error["what"])


@pytest.fixture(scope="module", params=["local", "ssh"])
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    yield from brought_up(request, Stand)


@pytest.fixture(scope="module")
def good(stand: Stand) -> dict[str, Any]:
    """What the stack held at the beginning; every test leaves it so."""
    return stand.seen()


@pytest.fixture(scope="module")
def dumps(stand: Stand) -> dict[str, bytes]:
    """What old scripts would have written, by their kind."""
    tar = "tar -C /tmp -c d; rm -rf /tmp/d"
    login = '--username=root --authenticationDatabase=admin --password="$P"'
    return {
        "sql": stand.inside("db", "pg_dump -U app", PGDATABASE=DATABASE),
        "custom": stand.inside("db", "pg_dump -U app -Fc", PGDATABASE=DATABASE),
        "directory": stand.inside("db", f"pg_dump -U app -Fd -f /tmp/d; {tar}", PGDATABASE=DATABASE),
        "mysqldump": stand.inside("shop", "mariadb-dump -uroot shop"),
        "databases": stand.inside("shop", "mariadb-dump -uroot --databases shop other"),
        "archive": stand.inside("mongo", f"mongodump --archive {login}"),
        "one": stand.inside("mongo", f"mongodump --archive --db=blog {login}"),
        "none": stand.inside("mongo", f"mongodump --archive --db=nope {login}"),
        "dump": stand.inside("mongo", f"mongodump --out=/tmp/d {login} >&2; {tar}"),
        "packed": stand.inside("mongo", f"mongodump --out=/tmp/d --db=blog --gzip {login} >&2; {tar}"),
        "rdb": stand.inside("cache", "redis-cli save >/dev/null; cat dump.rdb"),
        "volume": stand.uploads("tar -C / -cz uploads"),
    }


def unpacked(data: bytes, folder: Path) -> Path:
    """The folder `d` of a tar archive, on this machine."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        tar.extractall(folder)
    return folder / "d"


# -- what comes back


def test_postgres(stand: Stand, good: dict[str, Any], dumps: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "x.rdb").write_bytes(gzip.compress(dumps["sql"]))
    folder = unpacked(dumps["directory"], tmp_path)
    directory = folder if stand.kind == "ssh" else stand.there("a dump", gzip.compress(dumps["directory"]))
    for file in (tmp_path / "x.rdb", stand.there("photo.png", dumps["custom"]), directory):
        stand.pg("truncate facts; create table intruder (a int)")
        plain = {"database": DATABASE} if file == tmp_path / "x.rdb" else {}  # it does not say its name
        stand.back(file, **plain)
        assert stand.pg("select count(*) from pg_tables where schemaname = 'public'") == ["1"]
        assert stand.seen() == good
    assert "--database" in stand.no(tmp_path / "x.rdb")


def test_mysqldump(stand: Stand, good: dict[str, Any], dumps: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "dump.sql").write_bytes(gzip.compress(dumps["mysqldump"]))
    head, last = dumps["mysqldump"].index(b"-- ----"), dumps["mysqldump"].rindex(b"-- Dump completed")
    phpmyadmin = b"-- phpMyAdmin SQL Dump\n" + dumps["mysqldump"][head:last]
    several = stand.there("several", dumps["databases"])
    for file in (tmp_path / "dump.sql", several if stand.kind == "ssh" else stand.there("php.sql", phpmyadmin)):
        stand.maria("truncate goods; create table intruder (a int)")
        stand.back(file, database="shop")
        assert stand.maria("show tables") == ["goods"]
    assert "holds the databases other, shop |" in stand.no(several)
    assert stand.maria("show tables", "other") == ["t"]
    assert stand.seen() == good


@pytest.mark.full
def test_what_mongodump_wrote(stand: Stand, good: dict[str, Any], dumps: dict[str, bytes], tmp_path: Path) -> None:
    """Archives of its own, folders, and archives of these; of all databases and of one."""
    (tmp_path / "x.sql").write_bytes(gzip.compress(dumps["archive"]))
    folder = unpacked(dumps["dump"], tmp_path)
    stand.mongo(RUIN)
    stand.back(tmp_path / "x.sql" if stand.kind == "ssh" else stand.there("dump.tgz", gzip.compress(dumps["dump"])))
    assert stand.mongo(SEE) == good["mongo"]
    stand.mongo(RUIN)
    stand.back(folder, database="shop")
    held = stand.mongo(SEE)
    assert held.pop("blog.posts") != good["mongo"]["blog.posts"]
    assert held == {name: value for name, value in good["mongo"].items() if name != "blog.posts"}
    record = stand.restore(stand.there("one", dumps["one"]))
    assert record.ok, record.hosts[0].error
    assert stand.mongo(SEE) == good["mongo"]
    undo = stand.restore(None)
    assert undo.ok, undo.hosts[0].error
    assert stand.mongo(SEE)["blog.posts"][0] == good["mongo"]["blog.posts"][0] + 1

    packed = unpacked(dumps["packed"], tmp_path / "packed")
    os.rename(packed / "blog", packed / "renamed")
    assert "--database" in stand.no(packed / "renamed")
    stand.back(packed / "renamed", database="blog")
    assert "blog, shop" in stand.no(folder, into="x")
    assert stand.seen() == good
    left = stand.inside("mongo", "ls -A /tmp /dev/shm").decode()
    assert "opslib" not in left and ".bson" not in left


def test_redis_qdrant_and_a_volume(stand: Stand, good: dict[str, Any], dumps: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "x.sql").write_bytes(dumps["rdb"] + b"0123456789" * 4)  # as `redis-cli --rdb -` leaves it
    stand.redis("cache", "flushall\n", "set intruder 1\n")
    stand.back(tmp_path / "x.sql")
    assert stand.seen() == good
    stand.qdrant(("POST", qdrant.path("docs", "snapshots", wait=True)))
    find = 'cat "$(find / -xdev -path "*docs*" -name "*.snapshot" | tail -n 1)"'
    (tmp_path / "snap").write_bytes(as_qdrant(stand.inside("vectors", find)))
    stand.qdrant(("DELETE", qdrant.path("docs")))
    stand.back(tmp_path / "snap", database="docs")
    stand.uploads("rm -rf a sub; echo >intruder")
    stand.back(stand.there("v.sql", dumps["volume"]), volume="uploads")
    assert stand.seen() == good


def test_a_sqlite_file(stand: Stand, good: dict[str, Any], tmp_path: Path) -> None:
    """Over the one of that name in a volume, and to a new path."""
    file = tmp_path / "app.db"
    base = sqlite3.connect(file)
    base.execute("create table t (a)")
    base.commit()
    stand.there("now.db", file.read_bytes())
    base.execute("insert into t values (7)")
    base.commit()
    base.close()
    places = [mount("volume", f"{stand.name}_uploads", "/v"), mount("bind", stand.target.root, "/r")]
    busybox = f"{stand.images}busybox:1"
    stand.target.run(run_in(stand.host, busybox, "cp", "/r/now.db", "/v/app.db", mounts=places))
    stand.back(file)
    stand.back(file, into="new/app.db")
    for path in ("/v/app.db", "/r/new/app.db"):
        found = stand.target.run(run_in(stand.host, busybox, "cat", path, mounts=places)).out
        assert found == file.read_bytes()
    stand.uploads("rm app.db*")
    assert stand.seen() == good


def as_qdrant(data: bytes) -> bytes:
    """What the lab's stand-in puts into a snapshot lacks the shard's own configuration, which Qdrant's has."""
    out = io.BytesIO(data)
    with tarfile.open(fileobj=out, mode="a") as tar:
        if "0/shard_config.json" not in tar.getnames():
            entry = tarfile.TarInfo("0/shard_config.json")
            entry.size = 2
            tar.addfile(entry, io.BytesIO(b"{}"))
    return out.getvalue()


def test_a_whole_set_in_one_archive(stand: Stand, good: dict[str, Any], tmp_path: Path) -> None:
    made = stand.backup(kinds=("postgres", "redis"))
    packing = run_in(stand.host, f"{stand.images}debian:bookworm-slim", "tar", "-C", "/x", "-czf", "-", made,
                     mounts=[mount("bind", f"{stand.target.root}/backups", "/x")])  # fmt: skip
    data = stand.target.run(packing).out
    (tmp_path / "set.tar.gz").write_bytes(data)
    stand.pg("truncate facts")
    stand.redis("cache", "flushall\n")
    record = stand.back(tmp_path / "set.tar.gz")
    assert made in record.hosts[0].result["restore"]["source"]
    assert stand.seen() == good
    stand.redis("cache", "flushall\n")
    stand.back(stand.there("all", data), kinds=("redis",))
    assert stand.seen() == good
    assert "restore-" not in stand.target.run(bash('ls "$1"', f"{stand.target.root}/.opslib")).text

    with tarfile.open(tmp_path / "bad.tar", "w") as bad, tarfile.open(tmp_path / "set.tar.gz") as whole:
        for member in whole:
            file = whole.extractfile(member)
            content = file.read() if file else b""
            if member.name.endswith(".rdb.zst"):
                content = content[:-1] + bytes([content[-1] ^ 1])
            bad.addfile(member, io.BytesIO(content))
    assert "SHA-256" in stand.undone(tmp_path / "bad.tar")
    assert stand.seen() == good


# -- what does not


def newer(data: bytes, version: bytes, other: bytes) -> bytes:
    assert version in data
    return data.replace(version, other, 1)


def test_what_is_refused(stand: Stand, good: dict[str, Any], dumps: dict[str, bytes], tmp_path: Path) -> None:
    """Before anything is stopped or touched."""
    cases: dict[str, tuple[bytes, str]] = {
        "empty": (b"", "an empty file"),
        "flipped": (flipped(dumps["archive"]), "their check sum is another"),
        "nothing": (dumps["none"], "holds no database"),
        "two volumes": (gzip.compress(gzip.decompress(dumps["volume"]) * 2), "two archives are joined"),
        "two customs": (dumps["custom"] * 2, "two dumps are joined"),
        "two sql": (dumps["sql"] * 2, "last line of a dump 2 times"),
        "connect": (b"select 1;\n\\connect other\n", "would leave its database"),
        "use": (b"-- MySQL dump 10.13\n\nUSE other;\n-- Dump completed\n", "USE other"),
        "newer pg": (newer(dumps["sql"], b"database version 15", b"database version 99"), "PostgreSQL 99"),
        "newer maria": (newer(dumps["mysqldump"], b"\t10.11", b"\t99.1"), "MariaDB 99.1"),
        "newer mongo": (re.sub(rb"(server_version\0....)\d", rb"\g<1>9", dumps["archive"], count=1, flags=re.DOTALL),
                        "MongoDB 9"),
        "newer rdb": (b"REDIS0099" + dumps["rdb"][9:], "RDB 99"),
    }  # fmt: skip
    for number, (name, (data, said)) in enumerate(cases.items()):
        options = {"connect": {"service": "db"}, "use": {"service": "shop"}}.get(name, {})
        options |= {"database": DATABASE} if "sql" in name or name == "connect" else {}
        file: str | Path = tmp_path / name
        if number % 2:
            file = stand.there(name, data)
        else:
            (tmp_path / name).write_bytes(data)
        found = stand.no(file, **({"volume": "uploads"} if "volume" in name else options))
        assert said in found, name
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/x").write_text("x")
    assert "a folder with 1 entry: x" in stand.no(tmp_path / "folder")
    folder = unpacked(dumps["dump"], tmp_path)
    (posts,) = folder.glob("blog/posts.bson")
    posts.write_bytes(posts.read_bytes()[:-100])
    assert "blog/posts.bson: it is cut" in stand.no(folder)
    posts.unlink()
    assert "its .bson is missing" in stand.no(folder)
    assert stand.seen() == good


def flipped(data: bytes) -> bytes:
    """One bit in the middle of the documents."""
    at = data.index(b"x" * 400) + 50
    return data[:at] + b"y" + data[at + 1 :]


def test_what_is_found_out_beside_the_live_data(
    stand: Stand, good: dict[str, Any], dumps: dict[str, bytes], tmp_path: Path
) -> None:
    cases: dict[str, tuple[bytes, str]] = {
        "cut": (dumps["custom"][:-300], ""),
        "wrong": (b"create table y (a int);\ninsert into nowhere values (1);\n", "nowhere"),
        "flipped rdb": (dumps["rdb"].replace(b"value", b"valve", 1), "redis-check-rdb"),
    }
    for number, (name, (data, said)) in enumerate(cases.items()):
        (tmp_path / name).write_bytes(data)
        options = {"database": DATABASE, "service": "db"} if name == "wrong" else {}
        assert said in stand.undone(stand.there(name, data) if number % 2 else tmp_path / name, **options)
    assert stand.seen() == good
    assert stand.running() == ["app", "cache", "db", "mongo", "shop", "vectors"]
    assert stand.pg("select datname from pg_database where datname like 'opslib%'") == []
