"""What the engines' tools print, and the scripts that need no engine."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
from pathlib import Path

import pytest

from opslib.engines import postgres, redis, sqlite, tree

ODD = "-a 'b' \"c\" $d é\n"


def test_postgres_counts() -> None:
    assert postgres.counts_from(['public."a|b"|3', "s.t|0", ""]) == {'public."a|b"': 3, "s.t": 0}


KEYSPACE = ["# Keyspace", "db0:keys=3,expires=1,avg_ttl=0\r", "db2:keys=1,expires=0,avg_ttl=0\r"]


def test_redis_keyspace() -> None:
    assert redis.keyspace(KEYSPACE) == {
        "db0": {"keys": 3, "persistent": 2},
        "db2": {"keys": 1, "persistent": 1},
    }


def run(script: str, *args: str, told: int | None = None) -> subprocess.CompletedProcess[bytes]:
    shell = f"exec 4>&{told}; {script}" if told is not None else script
    pass_fds = (told,) if told is not None else ()
    return subprocess.run(["bash", "-c", shell, "t", *args], capture_output=True, pass_fds=pass_fds, timeout=60)


def test_a_tree_is_packed_and_counted_alike(tmp_path: Path) -> None:
    folder = tmp_path / "src"
    (folder / ODD).mkdir(parents=True)
    (folder / ODD / ODD).write_bytes(b"data\n")
    os.link(folder / ODD / ODD, folder / "hard")
    (folder / "link").symlink_to("nowhere")
    (folder / "app.db").write_bytes(b"x" * 100)
    (folder / "app.db-wal").write_bytes(b"x")
    (folder / "sub").mkdir()
    (folder / "sub" / "app.db").write_bytes(b"y" * 10)
    with open(folder / "sparse", "wb") as file:
        file.truncate(50_000_000)
    read, write = os.pipe()
    done = run(tree.PACK, str(folder), "", "", "./app.db", "./app.db-wal", "--", ".", told=write)
    os.close(write)
    counts = tree.counts_from(os.fdopen(read).read().splitlines())
    assert done.returncode == 0, done.stderr
    assert counts == {"files": 4, "dirs": 3, "links": 1, "bytes": 5 + 10 + 50_000_000}
    assert len(done.stdout) < 100_000, "the hole was written out"
    (folder / "app.db").unlink()
    (folder / "app.db-wal").unlink()
    assert tree.counts_from(run(tree.COUNT, str(folder), ".").stdout.decode().splitlines()) == counts
    archive = tmp_path / "a.tar"
    archive.write_bytes(done.stdout)
    with tarfile.open(archive) as packed:
        assert f"./{ODD}/{ODD}" in packed.getnames()


def test_a_file_that_cannot_be_read_fails_the_pack(tmp_path: Path) -> None:
    read, write = os.pipe()
    done = run(tree.PACK, str(tmp_path), "", "", "--", "./not there", told=write)
    os.close(write)
    os.close(read)
    assert done.returncode != 0
    assert b"not there" in done.stderr


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="no sqlite3 program here")
def test_sqlite_counts_by_its_own_program(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as base:
        base.execute('create table "o\'dd ""x" (a)')
        base.execute("create table t (a integer primary key autoincrement)")
        base.executemany("insert into t values (?)", [(1,), (2,)])
    done = subprocess.run(["sqlite3", "-batch", path, sqlite.COUNT], capture_output=True, text=True, check=True)
    lines = subprocess.run(["sqlite3", path], input=done.stdout, capture_output=True, text=True, check=True).stdout
    assert sqlite.counts_from([f"count {line}" for line in lines.splitlines()]) == {"o'dd \"x": 0, "t": 2}


def test_sqlite_facts() -> None:
    lines = ["fact owner 1:2", "fact integrity ok", f"count {json.dumps({'t': 'x', 'n': 3})}", "fact journal_mode wal"]
    assert sqlite.facts_from(lines) == {"owner": "1:2", "integrity": "ok", "journal_mode": "wal"}
    assert sqlite.counts_from(lines) == {"x": 3}
