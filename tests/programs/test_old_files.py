"""What is read to its end before anything is touched: archives of files, RDB files, SQL."""

from __future__ import annotations

import gzip
import io
import os
import random
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from opslib.backup.formats import joined
from opslib.backup.formats.recognise import Format
from opslib.backup.formats.tarred import wrong
from opslib.backup.mongo import WHOLE
from opslib.backup.mysql_section import section
from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.context import Context
from opslib.backup.restore.old import around
from opslib.backup.restore.old_mongo import databases, place
from opslib.backup.restore.options import Options
from opslib.backup.restore.single import opened, refuse_leaving
from opslib.backup.unpack import UNPACK
from opslib.engines import mysqltext
from opslib.engines.instance import Instance
from opslib.engines.mongo_bson import program
from opslib.engines.mongo_inventory import contents
from opslib.engines.redis_restore import LOAD
from opslib.errors import BadSettings, OpsError
from opslib.settings.model import Host
from opslib.target.local import Local
from tests.programs.test_mongo_archive import META, ORDERS, beginning, block, end
from tests.programs.test_mongo_archive import WHOLE as SERVER
from tests.programs.test_mongo_folder import tarred, written

SAMPLES = Path(__file__).parent / "formats/samples"


def tar(*names: str, size: int = 3000, form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = size
            archive.addfile(entry, io.BytesIO(os.urandom(size - 1) + b"x"))
    return out.getvalue()


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_a_whole_tar_archive(form: int) -> None:
    assert wrong(io.BytesIO(tar("a", "b/ü", form=form))) == ""
    assert wrong(io.BytesIO(tar())) == ""


def test_a_tar_archive_that_is_cut_anywhere() -> None:
    whole = tar("a", "b", "c")
    end = 3 * (512 + 3072)
    for cut in [*random.Random(1).sample(range(1, end), 48), 512 + 3072, end]:
        assert wrong(io.BytesIO(whole[:cut])), cut


def test_a_tar_archive_with_a_damaged_head() -> None:
    """tar takes it for the end, where it is not the first."""
    for number in range(3):
        data = bytearray(tar("a", "b", "c"))
        data[number * (512 + 3072) + 5] ^= 1
        assert wrong(io.BytesIO(bytes(data)))


def test_two_tar_archives_joined() -> None:
    assert "two archives are joined" in wrong(io.BytesIO(tar("a") + tar("b")))


def chosen(path: Path) -> tuple[Context, Chosen]:
    here = Local(Host(name="local", path=str(path.parent)))
    return Context(here, "", "x", here), Chosen(str(path.parent), True, single=path.name)


def refused(path: Path) -> str:
    with pytest.raises(OpsError) as raised:
        opened(*chosen(path))
    return raised.value.what


def test_a_file_on_this_machine_is_read_here(tmp_path: Path) -> None:
    volume = tmp_path / "it's $a volume"
    volume.write_bytes(gzip.compress(tar("v/a", "v/b")))
    found = opened(*chosen(volume)).seen
    assert found is not None
    assert (found.kind, around(found.names)) == ("volume", "v")
    volume.write_bytes(gzip.compress(tar("a") + tar("b")))
    assert "two archives are joined" in refused(volume)
    volume.write_bytes(tar("a")[:2000])
    assert "its end is not there" in refused(volume)


@pytest.mark.parametrize("packed", [False, True])
def test_sql(tmp_path: Path, packed: bool) -> None:
    def read(data: bytes) -> tuple[Context, Chosen]:
        (tmp_path / "x.txt").write_bytes(gzip.compress(data) if packed else data)
        ctx, one = chosen(tmp_path / "x.txt")
        return ctx, opened(ctx, one)

    for name in ("pg-plain.sql", "mariadb-app.sql", "mariadb-databases.sql"):
        data = (SAMPLES / name).read_bytes()
        found = read(data)
        assert found[1].sql is not None
        assert found[1].sql.bytes == len(data)
        with pytest.raises(OpsError, match="last line of a dump 2 times"):
            read(data + data)
    found = read(data)
    assert found[1].sql is not None
    assert found[1].sql.holds == ("app",)
    with pytest.raises(OpsError, match="CREATE DATABASE"):
        refuse_leaving(*found, mysqltext.leaves_its_database)
    refuse_leaving(*found, mysqltext.leaves_its_database, "app")


def test_one_database_of_a_mysqldump_of_several() -> None:
    one = (SAMPLES / "mariadb-databases.sql").read_bytes()
    first = one.index(b"--\n-- Current Database")
    head, body, last = one[:first], one[first : one.index(b"/*!40103 SET TIME_ZONE=@OLD")], b"-- Dump completed on x\n"
    other = body.replace(b"`app`", b"`o``x`").replace(b"INSERT", b"REPLACE")
    lines = (head + body + other + last).splitlines(keepends=True)
    mine, theirs = (b"".join(section(lines, name)) for name in (b"app", b"o`x"))
    assert b"INSERT INTO" in mine and b"REPLACE INTO" not in mine
    assert b"REPLACE INTO" in theirs and b"INSERT INTO" not in theirs
    for text in (mine, theirs):
        assert text.startswith(head) and text.endswith(last)
        assert mysqltext.leaves_its_database(text.splitlines(keepends=True)) is None
        assert text.count(b"/*!50001 VIEW `v`") == 1
    assert b"".join(section(lines, b"no")) == head + b"--\n" + last  # begins the comment of the first


def loaded(folder: Path, data: bytes) -> subprocess.CompletedProcess[str]:
    (folder / "x").write_bytes(data)
    words = [str(folder), "id", str(folder / "x"), "dump.rdb", "aof", "a", f"{os.getuid()}:{os.getgid()}", "line"]
    return subprocess.run(["bash", "-c", UNPACK + LOAD, "opslib", *words], capture_output=True, text=True, check=False)


def test_an_rdb_file_whatever_packs_it(tmp_path: Path) -> None:
    data = (SAMPLES / "redis.rdb").read_bytes()
    for one in (data, gzip.compress(data)):
        assert loaded(tmp_path, one).returncode == 0
        assert (tmp_path / ".opslib-new-id/dump.rdb").read_bytes() == data
        assert (tmp_path / ".opslib-new-id/aof/a.1.base.rdb").read_bytes() == data


def test_the_mark_of_redis_cli_is_taken_off(tmp_path: Path) -> None:
    data = (SAMPLES / "redis-cli.rdb").read_bytes()
    assert loaded(tmp_path, data).returncode == 0
    assert (tmp_path / ".opslib-new-id/dump.rdb").read_bytes() == data[:-40]


@pytest.mark.parametrize(
    "kind, data",
    [
        ("postgres", (SAMPLES / "pg-custom").read_bytes()), ("redis", (SAMPLES / "redis.rdb").read_bytes()),
        ("redis", (SAMPLES / "redis-cli.rdb").read_bytes()),
        ("redis", b"VALKEY080\xfa\x0avalkey-ver\x059.0.1\xfe\x00\xff" + b"\x01" * 8),
    ],
)  # fmt: skip
def test_dumps_that_are_joined(kind: str, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "CHUNK", 5000)
    assert joined.wrong(io.BytesIO(data), kind) == ""
    assert f"after {len(data):,} bytes" in joined.wrong(io.BytesIO(data * 2), kind)
    for gap in range(-len(data) - 20, -len(data) + 20):  # at the seam of two chunks
        long = data + b"x" * (joined.CHUNK + gap)
        assert joined.wrong(io.BytesIO(long), kind) == ""
        assert f"after {len(long):,} bytes" in joined.wrong(io.BytesIO(long + data), kind)


def test_what_is_no_rdb_file(tmp_path: Path) -> None:
    assert "no RDB file" in loaded(tmp_path, b"select 1;").stderr


# -- what mongodump wrote


def test_an_archive_on_this_machine_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "it's called dump.sql"
    path.write_bytes(gzip.compress(SERVER))
    held = opened(*chosen(path)).held
    assert held is not None
    assert held.inventory.counts == {"shop.orders": 400, "shop.empty": 0}
    for cut in random.Random(4).sample(range(20, len(SERVER)), 5):
        path.write_bytes(SERVER[:cut])
        assert refused(path)
    path.write_bytes(SERVER + SERVER)
    assert "something else follows" in refused(path)
    whole = gzip.compress(SERVER)
    path.write_bytes(whole[:-30] + bytes([whole[-30] ^ 8]) + whole[-29:])
    assert refused(path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_mongodump_on_this_machine(tmp_path: Path, packed: bool) -> None:
    folder = written(tmp_path / "d ü")
    path = tarred(folder, tmp_path / "x.png", "w:gz", "d ü") if packed else folder
    found = opened(*chosen(path))
    assert found.seen is not None and found.held is not None
    assert found.seen.size > 1000
    assert databases(found.held) == ["shop"]


def placed(data: bytes, **options: str) -> tuple[str, dict[str, int], dict[str, Any]]:
    said = subprocess.run([sys.executable, "-c", program("mongo_archive")], input=data, capture_output=True, check=True)
    here = Local(Host(name="local", path="."))
    one = Chosen(
        "/", True, single="x", seen=Format("mongo", "archive"), held=contents(said.stdout.decode().splitlines())
    )
    instance = Instance("mongo", "db", "c", "i", "7", "", 0, "", 0)
    return place(Context(here, "", "x"), instance, one, Options("x", **options))


SHOP = (
    beginning(("shop", "orders", "collection", META))
    + block("shop", "orders", *ORDERS)
    + end("shop", "orders", *ORDERS)
)
TWO = (
    beginning(("shop", "orders", "collection", META), ("blog", "posts", "collection", META))
    + block("shop", "orders", *ORDERS) + end("shop", "orders", *ORDERS) + end("blog", "posts")
)  # fmt: skip


def test_where_the_databases_of_a_dump_go() -> None:
    name, counts, facts = placed(SHOP)
    assert (name, counts, facts["part"], facts["database"]) == ("shop", {"orders": 400}, "database", "shop")
    assert placed(SHOP, database="other")[0] == "other"
    assert placed(SHOP, into="other")[0] == "shop"
    name, counts, facts = placed(TWO)
    assert (name, counts, facts["only"]) == (WHOLE, {"shop.orders": 400, "blog.posts": 0}, ["blog", "shop"])
    assert placed(TWO, database="blog")[:2] == ("blog", {"posts": 0})
    for options in ({"database": "other"}, {"into": "other"}):
        with pytest.raises(BadSettings, match="holds the databases blog, shop"):
            placed(TWO, **options)
    assert placed(SERVER)[0] == WHOLE  # with its users


def test_a_dump_of_nothing_is_refused() -> None:
    """mongodump ends well for a database that is not there; restoring that would leave nothing."""
    with pytest.raises(OpsError, match="holds no database"):
        placed(beginning())
