"""What is recognised, with the facts from its header, whatever its name and however it is packed."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from opslib.backup.formats.recognise import Format

Look = Callable[[str | bytes | Path], Format]
V15 = "15.18 (Debian 15.18-0+deb12u1)"


def tar(path: Path, files: dict[str, bytes], mode: str = "w", *, folders: tuple[str, ...] = ()) -> Path:
    with tarfile.open(path, mode, errors="surrogateescape") as archive:
        for name in folders:
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def packed(path: Path, how: str, into: Path) -> Path:
    """The same bytes packed, under a name that says nothing."""
    if how == "zstd" and shutil.which("zstd") is None:
        pytest.fail("these tests need zstd: apt-get install zstd")
    program = {"": ["cat"], "gzip": ["gzip", "-c"], "zstd": ["zstd", "-qc"]}[how]
    with open(path, "rb") as source, open(into / "thing", "wb") as out:
        subprocess.run(program, stdin=source, stdout=out, check=True)
    return into / "thing"


EVERY = pytest.mark.parametrize("how", ["", "gzip", "zstd"])


# -- PostgreSQL


@EVERY
def test_plain_sql_of_pg_dump(look: Look, samples: Path, tmp_path: Path, how: str) -> None:
    found = look(packed(samples / "pg-plain.sql", how, tmp_path))
    assert found == Format(
        "postgres", "plain", how, complete=True, facts={"server_version": "15.18", "pg_dump_version": "15.18"}
    )


def test_plain_sql_through_windows(look: Look, samples: Path, tmp_path: Path) -> None:
    text = (samples / "pg-plain.sql").read_bytes()
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    found = look(tmp_path / "x")
    assert (found.kind, found.complete, found.facts["server_version"]) == ("postgres", True, "15.18")


@EVERY
def test_plain_sql_that_is_cut_off(look: Look, samples: Path, tmp_path: Path, how: str) -> None:
    (tmp_path / "cut").write_bytes((samples / "pg-plain.sql").read_bytes()[:-120])
    assert look(packed(tmp_path / "cut", how, tmp_path)).complete is False


def test_a_dump_behind_whose_end_something_else_begins_is_not_complete(
    look: Look, samples: Path, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes((samples / "pg-plain.sql").read_bytes() + b"CREATE TABLE a (")
    assert look(tmp_path / "x").complete is False


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_packing_that_is_cut_off(look: Look, samples: Path, tmp_path: Path, how: str) -> None:
    text = (samples / "pg-plain.sql").read_bytes()
    (tmp_path / "long").write_bytes(text + b"-- " + os.urandom(400_000).hex().encode() + b"\n" + text)
    whole = packed(tmp_path / "long", how, tmp_path)
    assert look(whole).complete is True
    whole.write_bytes(whole.read_bytes()[:-6])
    assert look(whole).complete is False


def test_the_roles_of_a_server(look: Look, samples: Path) -> None:
    assert look(samples / "pg-globals.sql") == Format("postgres", "globals", complete=True)


@EVERY
def test_pg_dump_custom(look: Look, samples: Path, tmp_path: Path, how: str) -> None:
    found = look(packed(samples / "pg-custom", how, tmp_path))
    assert (found.kind, found.form, found.compression, found.complete) == ("postgres", "custom", how, None)
    assert found.facts == {
        "archive_version": "1.14-0", "compression": "gzip", "database": "shop été", "server_version": V15,
        "pg_dump_version": V15,
    }  # fmt: skip


def test_pg_dump_custom_of_version_16_says_how_it_is_compressed(look: Look, tmp_path: Path) -> None:
    number = lambda n: b"\0" + struct.pack("<I", n)  # noqa: E731
    text = lambda t: number(len(t)) + t  # noqa: E731
    head = b"PGDMP\x01\x0f\x00\x04\x08\x01\x03" + number(1) * 7 + text(b"db") + text(b"16.2") + text(b"17.0")
    (tmp_path / "x").write_bytes(head + b"\0" * 50)
    assert look(tmp_path / "x").facts == {
        "archive_version": "1.15-0", "compression": "zstd", "database": "db", "server_version": "16.2",
        "pg_dump_version": "17.0",
    }  # fmt: skip


@EVERY
def test_pg_dump_tar(look: Look, samples: Path, tmp_path: Path, how: str) -> None:
    (tmp_path / "t").write_bytes(gzip.decompress((samples / "pg-tar.gz").read_bytes()))
    found = look(packed(tmp_path / "t", how, tmp_path))
    assert (found.kind, found.form, found.compression, found.tar, found.complete) == (
        "postgres",
        "tar",
        how,
        False,
        True,
    )
    assert found.facts["database"] == "shop été"


def test_pg_dump_directory(look: Look, samples: Path) -> None:
    found = look(samples / "pg-directory")
    assert (found.kind, found.form, found.tar, found.root) == ("postgres", "directory", False, "")
    assert found.facts["server_version"] == V15


@pytest.mark.parametrize("top", ["", "./", "backup/", "./février \udce9/"])
def test_pg_dump_directory_packed_as_tar(look: Look, samples: Path, tmp_path: Path, top: str) -> None:
    files = {top + file.name: file.read_bytes() for file in (samples / "pg-directory").iterdir()}
    found = look(tar(tmp_path / "x", files, "w:gz"))
    assert (found.kind, found.form, found.compression, found.tar) == ("postgres", "directory", "gzip", True)
    assert found.root == (top.rstrip("/") if top != "./" else "")
    assert found.facts["database"] == "shop été"


@pytest.mark.parametrize("as_tar", [True, False])
def test_pg_dump_directory_of_many_tables(look: Look, samples: Path, tmp_path: Path, as_tar: bool) -> None:
    files = {f"d/{number}.dat.gz": b"x" for number in range(3000, 3500)}
    files["d/toc.dat"] = (samples / "pg-directory/toc.dat").read_bytes()
    found = look(tar(tmp_path / "x", files) if as_tar else folder(tmp_path, files) / "d")
    assert (found.kind, found.form, found.facts["server_version"]) == ("postgres", "directory", V15)


def test_a_volume_with_a_dump_in_it_is_a_volume(look: Look, samples: Path, tmp_path: Path) -> None:
    toc = (samples / "pg-directory/toc.dat").read_bytes()
    found = look(tar(tmp_path / "x", {"./backup/toc.dat": toc, "./backup/1.dat": b"", "./uploads/a.png": b""}))
    assert (found.kind, found.form) == ("volume", "tar")


# -- MySQL and MariaDB


@EVERY
def test_mariadb_dump(look: Look, samples: Path, tmp_path: Path, how: str) -> None:
    found = look(packed(samples / "mariadb-app.sql", how, tmp_path))
    assert (found.kind, found.form, found.compression, found.complete) == ("mysql", "mysqldump", how, True)
    assert found.facts == {
        "tool": "MariaDB dump 10.19", "server_version": "10.11.18-MariaDB-0+deb12u1", "flavour": "mariadb",
        "host": "localhost", "database": "app", "sandbox": "1",
    }  # fmt: skip


def test_mariadb_dump_of_databases(look: Look, samples: Path) -> None:
    assert look(samples / "mariadb-databases.sql").facts["names_databases"] == "1"


def test_mariadb_dump_without_comments(look: Look, samples: Path) -> None:
    found = look(samples / "mariadb-compact.sql")
    assert (found.kind, found.facts, found.complete) == ("mysql", {"flavour": "mariadb", "sandbox": "1"}, None)


MYSQL = """-- MySQL dump 10.13  Distrib 8.0.33, for Linux (x86_64)
--
-- Host: 127.0.0.1    Database: my shop
-- ------------------------------------------------------
-- Server version\t8.0.33-0ubuntu0.22.04.2

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
"""


@pytest.mark.parametrize(
    "end, complete", [("-- Dump completed on 2024-01-02  3:04:05\n", True), ("-- Dump completed\n", True), ("", False)]
)
def test_mysqldump(look: Look, tmp_path: Path, end: str, complete: bool) -> None:
    (tmp_path / "x").write_text(MYSQL + end)
    found = look(tmp_path / "x")
    assert (found.kind, found.form, found.complete) == ("mysql", "mysqldump", complete)
    assert found.facts == {
        "tool": "MySQL dump 10.13", "server_version": "8.0.33-0ubuntu0.22.04.2", "flavour": "mysql",
        "host": "127.0.0.1", "database": "my shop",
    }  # fmt: skip


@pytest.mark.parametrize(
    "first",
    [
        "-- MariaDB dump 10.19-11.4.2-MariaDB, for debian-linux-gnu (x86_64)\n--\n-- Host: db    Database: \n",
        "-- MySQL dump 10.16  Distrib 10.1.48-MariaDB, for debian-linux-gnu (x86_64)\n--\n",
        "/*!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib 10.6.18-MariaDB, for Linux (x86_64)\n",
    ],
)
def test_the_flavour_of_older_and_newer_dumps(look: Look, tmp_path: Path, first: str) -> None:
    (tmp_path / "x").write_text(first)
    found = look(tmp_path / "x")
    assert (found.kind, found.facts["flavour"], "database" in found.facts) == ("mysql", "mariadb", False)


def test_phpmyadmin(look: Look, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(
        "-- phpMyAdmin SQL Dump\n-- version 5.2.1\n--\n-- Hôte : 127.0.0.1:3306\n-- Généré le : ven. 05 jan. 2024 à 10:00\n"
        '-- Version du serveur : 10.4.28-MariaDB\n-- Version de PHP : 8.2.4\n\nSET SQL_MODE = "";\n'
    )
    found = look(tmp_path / "x")
    assert found.facts == {"tool": "phpMyAdmin", "server_version": "10.4.28-MariaDB", "flavour": "mariadb"}


# -- SQL of unknown origin


@pytest.mark.parametrize(
    "text, like",
    [
        ("CREATE TABLE t (id int);\nINSERT INTO t VALUES (1);\n", {}),
        ("/* by hand */\n-- and so on\n\n  begin;\nselect 1;\n", {}),
        ("SET search_path = public;\nCREATE TABLE t (id bigserial);\n", {"looks_like": "postgres"}),
        ("CREATE TABLE `t` (id int) ENGINE=InnoDB;\n", {"looks_like": "mysql"}),
    ],
)
def test_sql_that_does_not_say_whose_it_is(look: Look, tmp_path: Path, text: str, like: dict[str, str]) -> None:
    (tmp_path / "x.txt").write_text(text)
    assert look(tmp_path / "x.txt") == Format("sql", "plain", facts=like)


# -- MongoDB


def bson(**texts: str | int) -> bytes:
    body = b""
    for key, value in texts.items():
        if isinstance(value, int):
            body += b"\x10" + key.encode() + b"\0" + struct.pack("<i", value)
        else:
            body += b"\x02" + key.encode() + b"\0" + struct.pack("<i", len(value.encode()) + 1) + value.encode() + b"\0"
    return struct.pack("<i", len(body) + 5) + body + b"\0"


ARCHIVE = (
    struct.pack("<I", 0x6DE29981)
    + bson(concurrent_collections=4, version="0.1", server_version="7.0.14", tool_version="100.13.0")
    + bson(db="shop", collection="orders", metadata="{}", size=0, type="collection")
    + b"\xff\xff\xff\xff"
)


@EVERY
def test_mongodump_archive(look: Look, tmp_path: Path, how: str) -> None:
    (tmp_path / "a").write_bytes(ARCHIVE)
    assert look(packed(tmp_path / "a", how, tmp_path)) == Format(
        "mongo", "archive", how,
        facts={"archive_version": "0.1", "server_version": "7.0.14", "tool_version": "100.13.0"},
    )  # fmt: skip


def test_mongodump_archive_that_is_cut_off(look: Look, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(ARCHIVE[:-2])
    assert look(tmp_path / "a").complete is False


DUMP = {
    "shop/orders.bson": bson(_id="1"), "shop/orders.metadata.json": b"{}", "shop/by_month.metadata.json": b"{}",
    "users/people.bson": b"", "users/people.metadata.json": b"{}",
}  # fmt: skip


@pytest.mark.parametrize("top", ["", "dump/"])
def test_mongodump_folder(look: Look, tmp_path: Path, top: str) -> None:
    found = look(folder(tmp_path, {top + name: data for name, data in DUMP.items()}))
    assert (found.kind, found.form, found.tar, found.root) == ("mongo", "dump-folder", False, top.rstrip("/"))
    assert json.loads(found.facts["databases"]) == ["shop", "users"]


@pytest.mark.parametrize("top", ["", "./", "dump/", "./dump/", "2024-01-02/dump/"])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_mongodump_folder_packed_as_tar(look: Look, tmp_path: Path, top: str, mode: str) -> None:
    found = look(tar(tmp_path / "x", {top + name: data for name, data in DUMP.items()}, mode))
    assert (found.kind, found.form, found.tar, found.complete) == ("mongo", "dump-folder", True, True)
    assert found.root == (top.rstrip("/") if top != "./" else "")
    assert found.facts == {"databases": '["shop", "users"]'}


def test_mongodump_folder_with_versions_oplog_and_packed_members(look: Look, tmp_path: Path) -> None:
    prelude = gzip.compress(b'{"ServerVersion":"8.0.4","ToolVersion":"100.13.0"}')
    files = {name + ".gz": gzip.compress(data) for name, data in DUMP.items()}
    found = look(folder(tmp_path, {**files, "shop/prelude.json.gz": prelude, "oplog.bson": b""}))
    assert found.facts == {
        "members": "gzip", "server_version": "8.0.4", "tool_version": "100.13.0", "oplog": "1",
        "databases": '["shop", "users"]',
    }  # fmt: skip


def test_the_folder_of_one_database(look: Look, tmp_path: Path) -> None:
    found = look(folder(tmp_path, DUMP) / "shop")
    assert (found.kind, found.root, found.facts) == ("mongo", "", {"layout": "database"})


def test_a_volume_with_bson_and_other_files_in_it_is_a_volume(look: Look, tmp_path: Path) -> None:
    assert look(tar(tmp_path / "x", {**DUMP, "readme.txt": b""})).kind == "volume"


# -- Redis


@EVERY
def test_rdb(look: Look, samples: Path, tmp_path: Path, how: str) -> None:
    found = look(packed(samples / "redis.rdb", how, tmp_path))
    assert found == Format(
        "redis", "rdb", how, complete=True,
        facts={"rdb": "REDIS0010", "server_version": "7.0.15", "aof_base": "0"},
    )  # fmt: skip


def test_rdb_with_the_mark_of_redis_cli_behind_it(look: Look, samples: Path) -> None:
    found = look(samples / "redis-cli.rdb")
    assert (found.facts["trailer"], found.complete) == ("40", True)


@EVERY
def test_rdb_that_is_cut_off(look: Look, samples: Path, tmp_path: Path, how: str) -> None:
    (tmp_path / "cut").write_bytes((samples / "redis.rdb").read_bytes()[:-3])
    assert look(packed(tmp_path / "cut", how, tmp_path)).complete is False


def test_rdb_of_valkey(look: Look, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"VALKEY080\xfa\x0avalkey-ver\x059.0.1\xfe\x00\xff" + b"\x01" * 8)
    found = look(tmp_path / "x")
    assert (found.facts, found.complete) == ({"rdb": "VALKEY080", "server_version": "valkey 9.0.1"}, True)


# -- SQLite


def test_sqlite(look: Look, tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "x")
    base.execute("pragma journal_mode = wal")
    base.execute("create table t (a)")
    base.execute("pragma user_version = 7")
    base.commit()
    base.execute("pragma wal_checkpoint(truncate)")
    base.close()
    found = look(tmp_path / "x")
    assert (found.kind, found.form, found.complete) == ("sqlite", "file", True)
    assert found.facts == {"user_version": "7", "journal": "wal", "sqlite_version": sqlite3.sqlite_version}
    os.truncate(tmp_path / "x", 4096)
    assert look(tmp_path / "x").complete is False


# -- Qdrant

SEGMENT = "0/segments/6e3f9c2a-1b7d-4c55-9c1e-8b0f5a2d7e11"


@pytest.mark.parametrize("segments", [{f"{SEGMENT}.tar": b""}, {f"{SEGMENT}/segment.json": b"{}"}])
def test_a_snapshot_of_a_collection(look: Look, tmp_path: Path, segments: dict[str, bytes]) -> None:
    files = {
        "0/wal/open-1": b"", **segments, "1/shard_config.json": b"{}", "1/wal/open-1": b"", "version.info": b"0.4.2",
        "config.json": b'{"params":{"vectors":{"size":4,"distance":"Dot"}}}',
    }  # fmt: skip
    found = look(tar(tmp_path / "x", files))
    assert (found.kind, found.form, found.facts) == ("qdrant", "snapshot", {"shards": "2"})


def test_a_snapshot_whose_configuration_comes_late(look: Look, tmp_path: Path) -> None:
    files = {f"{SEGMENT}/files/{number}": b"" for number in range(300)}
    found = look(tar(tmp_path / "x", {**files, "config.json": b"{}"}))
    assert (found.kind, found.form, found.complete) == ("qdrant", "snapshot", None)


def test_a_snapshot_of_all_collections(look: Look, tmp_path: Path) -> None:
    config = b'{"collections_mapping":{"docs":"docs-1.snapshot"},"collections_aliases":{}}'
    assert look(tar(tmp_path / "x", {"docs-1.snapshot": b"", "config.json": config})).form == "full"


def test_the_storage_of_qdrant_is_a_volume(look: Look, tmp_path: Path) -> None:
    found = look(tar(tmp_path / "x", {f"./collections/docs/{SEGMENT}/segment.json": b"", "./raft_state.json": b""}))
    assert found.kind == "volume"


# -- volumes and sets


@EVERY
def test_a_volume(look: Look, tmp_path: Path, how: str) -> None:
    names = {"./a.png": b"x", "./n\nl\\": b"", "./\udce9t\udce9 'x'": b"", "./ü": b""}
    archive = tar(tmp_path / "v", names, folders=("./", "./sub/"))
    found = look(packed(archive, how, tmp_path))
    assert found == Format("volume", "tar", how, complete=True, names=("./", "./sub/", *names))


@EVERY
def test_a_volume_that_is_cut_off(look: Look, tmp_path: Path, how: str) -> None:
    archive = tar(tmp_path / "v", {"./a": b"x" * 5000, "./b": b"y" * 5000})
    os.truncate(archive, 7000)
    assert look(packed(archive, how, tmp_path)).complete is False


def test_a_volume_of_many_files_is_not_read_to_its_end(look: Look, tmp_path: Path) -> None:
    found = look(tar(tmp_path / "v", {f"./{number}": b"" for number in range(500)}, "w:gz"))
    assert (found.kind, len(found.names), found.complete) == ("volume", 200, None)


def test_a_large_hole_in_an_archive_is_skipped(look: Look, tmp_path: Path) -> None:
    entry = tarfile.TarInfo("v/huge")
    entry.size = 50 << 30
    with open(tmp_path / "x", "wb") as file:
        file.write(entry.tobuf(tarfile.GNU_FORMAT))
        file.seek(entry.size, os.SEEK_CUR)
        file.write(tarfile.TarInfo("v/after").tobuf() + b"\0" * 10240)
    assert look(tmp_path / "x").names == ("v/huge", "v/after")


MANIFEST = json.dumps(
    {
        "version": 1, "id": "2024-01-02T030405Z-ab12", "created": "2024-01-02T03:04:05Z", "host": "prod",
        "project": "shop", "by": "me", "opslib": "0.1.0", "seconds": 1.0, "artifacts": [{"host": "no"}],
    },
    indent=2,
).encode()  # fmt: skip
SET = {"id": "2024-01-02T030405Z-ab12", "created": "2024-01-02T03:04:05Z", "host": "prod", "project": "shop"}


def test_the_folder_of_a_set(look: Look, tmp_path: Path) -> None:
    found = look(folder(tmp_path, {"manifest.json": MANIFEST, "postgres.db.app.dump.zst": b"x"}))
    assert (found.kind, found.form, found.root, found.facts) == ("set", "set", "", SET)


@pytest.mark.parametrize("top", ["", "./", "2024-01-02T030405Z-ab12/"])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_set_packed_as_tar(look: Look, tmp_path: Path, top: str, mode: str) -> None:
    found = look(tar(tmp_path / "x", {f"{top}volume.data.tar.zst": b"x" * 9999, f"{top}manifest.json": MANIFEST}, mode))
    assert (found.kind, found.tar, found.root, found.facts) == (
        "set",
        True,
        top.rstrip("/") if top != "./" else "",
        SET,
    )


def test_the_set_is_found_among_other_manifests(look: Look, tmp_path: Path) -> None:
    others = {f"./set/a/b{number}/manifest.json": b"{}" for number in range(50)}
    found = look(tar(tmp_path / "x", {**others, "./set/manifest.json": MANIFEST}))
    assert (found.kind, found.root, found.facts) == ("set", "./set", SET)


def test_a_volume_with_a_manifest_of_its_own_is_a_volume(look: Look, tmp_path: Path) -> None:
    found = look(tar(tmp_path / "x", {"./manifest.json": b'{"name":"app","version":1}', "./index.html": b""}))
    assert found.kind == "volume"


# -- names


@pytest.mark.parametrize("name", [b"caf\xe9 'x' $(touch y).gz", b"-rf", b"new\nline.png", b"host:file"])
def test_the_name_does_not_matter(look: Look, samples: Path, tmp_path: Path, name: bytes) -> None:
    path = os.fsencode(tmp_path) + b"/" + name
    shutil.copy(os.fsencode(samples / "pg-custom"), path)
    assert look(path).form == "custom"
    volume = tar(tmp_path / "v", {"a": b"x"})
    os.rename(volume, path)
    assert look(path).kind == "volume"


def test_a_name_in_the_working_folder(look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tar(tmp_path / "-x", {"a": b"x"})
    assert look("-x").kind == "volume"
