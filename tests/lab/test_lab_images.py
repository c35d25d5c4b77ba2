"""The lab's images of MongoDB, MariaDB and Qdrant: what the sources of backups rely on, in the real thing or its stand-in."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing

pytestmark = pytest.mark.lab

PASSWORD = 'it\'s a "secret" \\ $x'
Run = Callable[..., str]


def docker(*words: str, data: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["docker", *words], input=data, capture_output=True, check=check)


@pytest.fixture(scope="module")
def run(lab: dict[str, Any]) -> Iterator[Run]:
    """Starts a container of one of the lab's images and gives its name; all are removed in the end."""
    names = []

    def start(image: str, *words: str) -> str:
        ref = f"{lab['images_prefix']}{image}"
        if ref not in lab["images"]:
            missing(f"the lab has no {ref}: run scripts/lab up")
        names.append(f"labimg-{image.partition(':')[0]}-{uuid.uuid4().hex[:8]}")
        docker("run", "-d", "--name", names[-1], *words, ref)
        return names[-1]

    yield start
    for name in names:
        docker("rm", "-f", "-v", name)


def wait_until(answers: Callable[[], bool], seconds: float = 40) -> None:
    give_up = time.monotonic() + seconds
    while not answers():
        assert time.monotonic() < give_up, "it does not answer"
        time.sleep(0.2)


def process(name: str) -> list[str]:
    """The first process of the container: its name and its user."""
    return docker("exec", name, "bash", "-c", "cat /proc/1/comm; stat -c %u /proc/1").stdout.decode().split()


# --- mongo ---------------------------------------------------------------------------------------------------------


class Mongo:
    def __init__(self, name: str) -> None:
        self.name = name
        docker("exec", "-i", name, "bash", "-c", "cat >/tmp/c", data=f"password: {json.dumps(PASSWORD)}\n".encode())

    def tool(self, *words: str, data: bytes = b"", config: str = "/tmp/c") -> subprocess.CompletedProcess[bytes]:
        login = ["--config", config, "--username", "root", "--authenticationDatabase", "admin"]
        return docker("exec", "-i", self.name, words[0], *login, *words[1:], data=data, check=False)

    def eval(self, *commands: dict[str, Any], user: str = "root", password: str = PASSWORD, db: str = "admin") -> Any:
        """The last command's answer; each is for the database `shop`."""
        script = ";".join(f'EJSON.stringify(db.getSiblingDB("shop").runCommand({json.dumps(one)}))' for one in commands)
        login = ["-u", user, "-p", password, "--authenticationDatabase", db]
        return json.loads(docker("exec", self.name, "mongosh", "--quiet", *login, "--eval", script).stdout)


@pytest.fixture(scope="module")
def mongo(run: Run) -> Mongo:
    name = run("mongo:7", "-e", "MONGO_INITDB_ROOT_USERNAME=root", "-e", f"MONGO_INITDB_ROOT_PASSWORD={PASSWORD}")
    ping = ["exec", name, "mongosh", "--quiet", "--eval", "db.adminCommand('ping').ok"]
    wait_until(lambda: docker(*ping, check=False).stdout == b"1\n")
    server = Mongo(name)
    orders = [{"_id": number, "note": "x" * 100} for number in range(300)]
    server.eval(
        {"insert": "orders", "documents": orders},
        {"insert": "clients", "documents": [{"mail": f"{number}@example.org"} for number in range(7)]},
        {"insert": "sessions", "documents": [{"a": 1}]},
        {"createIndexes": "clients", "indexes": [{"key": {"mail": 1}, "name": "mail", "unique": True}]},
        {"createIndexes": "sessions", "indexes": [{"key": {"at": 1}, "name": "at", "expireAfterSeconds": 3600}]},
        {"createUser": "app", "pwd": "app", "roles": ["readWrite"]},
    )
    return server


@pytest.fixture(scope="module")
def archive(mongo: Mongo) -> bytes:
    dumped = mongo.tool("mongodump", "--archive")
    assert dumped.returncode == 0, dumped.stderr
    assert b"\tdone dumping `shop.orders` (300 documents)\n" in dumped.stderr
    assert dumped.stdout[:4] == bytes.fromhex("8199e26d")
    return dumped.stdout


def test_mongo_runs_as_its_own_user(mongo: Mongo) -> None:
    assert process(mongo.name) == ["mongod", "999"]


def test_mongo_users_documents_and_indexes_come_back(mongo: Mongo, archive: bytes) -> None:
    mongo.eval({"dropUser": "app"}, {"dropDatabase": 1})
    restored = mongo.tool("mongorestore", "--archive", "--drop", "--stopOnError", data=archive)
    assert restored.returncode == 0, restored.stderr
    assert b"\tfinished restoring `shop.orders` (300 documents, 0 failures)\n" in restored.stderr
    assert restored.stderr.endswith(b"308 document(s) restored successfully. 0 document(s) failed to restore.\n")
    counted = mongo.eval({"count": "orders"}, user="app", password="app", db="shop")
    assert counted["n"] == 300
    for collection, option in (("clients", {"unique": True}), ("sessions", {"expireAfterSeconds": 3600})):
        (_, index) = mongo.eval({"listIndexes": collection})["cursor"]["firstBatch"]
        assert option.items() <= index.items()


def test_mongo_tools_end_with_the_real_ones_codes(mongo: Mongo, archive: bytes) -> None:
    renamed = ["mongorestore", "--archive", "--nsInclude", "shop.*", "--nsFrom", "shop.*", "--nsTo", "drill.*"]
    cut = mongo.tool(*renamed, "--drop", data=archive[: len(archive) // 2])
    assert (cut.returncode, b"unexpected EOF" in cut.stderr or b"demultiplexing" in cut.stderr) == (1, True)
    place = archive.index(b"x" * 100) + 5
    flipped = mongo.tool(*renamed, "--drop", data=archive[:place] + b"y" + archive[place + 1 :])
    assert (flipped.returncode, b"CRC mismatch for namespace `shop.orders`" in flipped.stderr) == (1, True)
    nothing = mongo.tool("mongodump", "--db", "nope", "--archive")
    assert (nothing.returncode, len(nothing.stdout) < 200) == (0, True)
    again = mongo.tool("mongorestore", "--archive", "--nsInclude", "shop.*", data=archive)
    assert (again.returncode, b"continuing through error: E11000" in again.stderr) == (0, True)
    refused = mongo.tool("mongodump", "--archive", config="/dev/stdin", data=b"password: wrong\n")
    assert (refused.returncode, b"auth error: " in refused.stderr) == (1, True)
    standalone = mongo.tool("mongodump", "--oplog", "--archive")
    assert standalone.returncode == 1


# --- mariadb -------------------------------------------------------------------------------------------------------


def test_mariadb_first_start(run: Run, tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2);")
    (tmp_path / "root").write_text(PASSWORD + "\n")
    given = {"ROOT_PASSWORD_FILE": "/run/secrets/root", "DATABASE": "my_app", "USER": "app", "PASSWORD": PASSWORD}
    words = [word for name, value in given.items() for word in ("-e", f"MARIADB_{name}={value}")]
    mounts = (
        "-v",
        f"{tmp_path}/1.sql:/docker-entrypoint-initdb.d/1.sql:ro",
        "-v",
        f"{tmp_path}/root:/run/secrets/root:ro",
    )
    name = run("mariadb:10.11", *words, *mounts)
    check = ["exec", name, "healthcheck.sh", "--connect", "--innodb_initialized"]
    wait_until(lambda: docker(*check, check=False).returncode == 0)
    assert process(name) == ["mariadbd", "999"]

    def sql(user: str, query: str, password: str = PASSWORD) -> subprocess.CompletedProcess[bytes]:
        client = ["mariadb", "-h127.0.0.1", f"-u{user}", "-Ne", query, "my_app"]
        return docker("exec", "-e", f"MYSQL_PWD={password}", name, *client, check=False)

    assert sql("app", "SELECT sum(a) FROM t").stdout == b"3\n"
    assert sql("root", "SELECT version()").stdout.startswith(b"10.11.")
    assert sql("root", "SELECT 1", "wrong").returncode == 1
    assert sql("app", "SELECT * FROM mysql.user").returncode == 1
    dump = ["exec", "-e", f"MYSQL_PWD={PASSWORD}", name, "mariadb-dump", "-uroot", "--single-transaction", "my_app"]
    assert b"INSERT INTO `t` VALUES\n(1),\n(2);" in docker(*dump).stdout


# --- qdrant --------------------------------------------------------------------------------------------------------


def test_qdrant_snapshot_round_trip(run: Run) -> None:
    name = run("qdrant:v1.15.4", "-e", "QDRANT__SERVICE__API_KEY=key", "-p", "127.0.0.1::6333")

    def call(method: str, path: str, body: Any = None, kind: str = "application/json", key: str = "key") -> Any:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        port = docker("port", name, "6333/tcp").stdout.decode().strip()
        headers = {"Content-Type": kind, **({"api-key": key} if key else {})}
        request = urllib.request.Request(f"http://{port}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            said = answer.read()
        return json.loads(said)["result"] if answer.headers["Content-Type"] == "application/json" else said

    def refused(*words: Any, **others: Any) -> int:
        with pytest.raises(urllib.error.HTTPError) as error:
            call(*words, **others)
        return error.value.code

    def ready() -> bool:
        try:
            return b"ready" in call("GET", "/readyz", key="")
        except OSError:
            return False

    wait_until(ready)
    assert process(name)[0] == "qdrant"
    assert refused("GET", "/collections", key="") == 401
    call("PUT", "/collections/books", {"vectors": {"size": 2, "distance": "Dot"}})
    points = [{"id": number, "vector": [number, 1], "payload": {"n": number}} for number in range(25)]
    call("PUT", "/collections/books/points?wait=true", {"points": points})
    call(
        "POST", "/collections/aliases", {"actions": [{"create_alias": {"collection_name": "books", "alias_name": "a"}}]}
    )
    assert call("GET", "/collections/books/aliases")["aliases"] == [{"alias_name": "a", "collection_name": "books"}]

    def everything() -> tuple[int, Any]:
        wanted = {"limit": 100, "with_payload": True, "with_vector": True}
        found = call("POST", "/collections/books/points/scroll", wanted)["points"]
        return call("POST", "/collections/books/points/count", {"exact": True})["count"], found

    before = everything()
    assert before[0] == len(before[1]) == 25
    made = call("POST", "/collections/books/snapshots?wait=true")
    snapshot = call("GET", f"/collections/books/snapshots/{made['name']}")
    assert (len(snapshot), hashlib.sha256(snapshot).hexdigest()) == (made["size"], made["checksum"])
    assert tarfile.is_tarfile(BytesIO(snapshot))
    call("DELETE", f"/collections/books/snapshots/{made['name']}")
    assert call("GET", "/collections/books/snapshots") == []
    call("DELETE", "/collections/books")

    head = b'--line\r\nContent-Disposition: form-data; name="snapshot"; filename="s"\r\n\r\n'
    form = (head + snapshot + b"\r\n--line--\r\n", "multipart/form-data; boundary=line")
    path = "/collections/books/snapshots/upload?wait=true&priority=snapshot&checksum="
    assert refused("POST", path + "0" * 64, *form) == 400
    call("POST", path + made["checksum"], *form)
    assert everything() == before
    assert call("GET", "/aliases")["aliases"] == []
    docker("restart", name)
    wait_until(ready)
    assert everything() == before
