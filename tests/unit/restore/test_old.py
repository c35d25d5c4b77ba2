"""What is read to its end before anything is touched: archives of files, RDB files, SQL."""

from __future__ import annotations

import gzip
import io
import os
import random
import subprocess
import tarfile
from pathlib import Path

import pytest

from opslib.backup.formats import joined
from opslib.backup.formats.tarred import wrong
from opslib.backup.mysql_section import section
from opslib.backup.restore.context import Context
from opslib.backup.restore.locate import Chosen
from opslib.backup.restore.old import around
from opslib.backup.restore.single import opened, refuse_leaving
from opslib.backup.unpack import UNPACK
from opslib.engines import mysqltext
from opslib.engines.redis_restore import LOAD
from opslib.errors import OpsError
from opslib.settings.model import Host
from opslib.target.local import Local

SAMPLES = Path(__file__).parents[1] / "backup/formats/samples"


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
def test_dumps_that_are_joined(kind: str, data: bytes) -> None:
    assert joined.wrong(io.BytesIO(data), kind) == ""
    assert f"after {len(data):,} bytes" in joined.wrong(io.BytesIO(data * 2), kind)
    for gap in range(-len(data) - 20, -len(data) + 20):  # at the seam of two chunks
        long = data + b"x" * (joined.CHUNK + gap)
        assert joined.wrong(io.BytesIO(long), kind) == ""
        assert f"after {len(long):,} bytes" in joined.wrong(io.BytesIO(long + data), kind)


def test_what_is_no_rdb_file(tmp_path: Path) -> None:
    assert "no RDB file" in loaded(tmp_path, b"select 1;").stderr
