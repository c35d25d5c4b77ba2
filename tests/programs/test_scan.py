"""The look into volumes and folders, by the program's own text."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opslib.backup import scan
from opslib.backup.scan import Inside, Place, parse, scan_command
from opslib.settings.model import Host


def looked(top: Path, *places: str, released: dict[int, list[str]] | None = None, bound: int = 0) -> list[Inside]:
    """What the command's own program says of `places` below `top`."""
    cmd = scan_command(Host(name="x", path="."), "tools", [Place("bind", one) for one in places], released or {})
    *_, python, dash_c, text, _ = cmd.stages[0].argv
    assert (python, dash_c) == ("python3", "-c")
    feed = cmd.feed
    assert isinstance(feed, bytes)
    asked: dict[str, Any] = json.loads(feed)
    asked["bound"] = bound or asked["bound"]
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    words = [sys.executable, "-c", text, str(top)]
    done = subprocess.run(
        words, input=json.dumps(asked), capture_output=True, env=env, text=True, timeout=30, check=True
    )
    *lines, end = done.stdout.splitlines()
    assert end == "end"
    return [parse(line) for line in lines]


def sqlite(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as file:
        file.execute("create table t (a)")


def test_sqlite_files_by_what_they_begin_with(tmp_path: Path) -> None:
    at = tmp_path / "0"
    for name in ("a.DB", "deep/er/no ending", "new\nline", "é.sqlite3"):
        sqlite(at / name)
    (at / "a.DB-wal").write_bytes(b"SQLite format 3\0")  # belongs to the one without
    (at / "b.db").write_bytes(b"\0" * 100)
    (at / "c.db").write_bytes(b"SQLite format")
    (at / "link.db").symlink_to("a.DB")
    os.mkfifo(at / "pipe.db")
    os.rename(at / "é.sqlite3", os.fsencode(at) + b"/\xe9.sqlite3")
    (seen,) = looked(tmp_path, "/x")
    assert sorted(seen.sqlite) == ["a.DB", "deep/er/no ending", "new\nline", "\udce9.sqlite3"]
    assert (seen.type, seen.marks, seen.many) == ("dir", set(), False)


def test_of_many_files_those_with_a_telling_name_are_looked_into(tmp_path: Path) -> None:
    for name in ("plain", "other", "x.db", "y.db"):
        sqlite(tmp_path / "0" / name)
    assert (len(looked(tmp_path, "/x", bound=2)[0].sqlite), looked(tmp_path, "/x", bound=2)[0].many) == (4, False)
    (seen,) = looked(tmp_path, "/x", bound=1)
    assert seen.many
    assert len(seen.sqlite) == 3


def test_the_size_is_what_du_says(tmp_path: Path) -> None:
    at = tmp_path / "0"
    (at / "sub").mkdir(parents=True)
    (at / "a").write_bytes(bytes(100_000))
    os.link(at / "a", at / "sub/b")
    with (at / "hole").open("wb") as file:
        file.truncate(10**9)
    said = subprocess.run(["du", "-sB1", at], capture_output=True, text=True, check=True)
    assert looked(tmp_path, "/x")[0].size == int(said.stdout.split()[0])


@pytest.mark.parametrize(
    "path, mark", [("PG_VERSION", "postgres"), ("a/b/dump.rdb", "redis"), ("a/b/c/ibdata1", ""), ("xPG_VERSION", "")]
)
def test_traces_of_databases_are_near_the_top(tmp_path: Path, path: str, mark: str) -> None:
    (tmp_path / "0" / path).parent.mkdir(parents=True)
    (tmp_path / "0" / path).touch()
    assert looked(tmp_path, "/x")[0].marks == ({mark} if mark else set())


def test_what_no_release_wrote(tmp_path: Path) -> None:
    for number in range(11):
        (tmp_path / str(number)).mkdir()
        (tmp_path / f"{number}/new\nline").touch()
    (tmp_path / "2/more").touch()
    released = {2: ["new\nline"], 10: ["new\nline"]}
    assert [one.unreleased for one in looked(tmp_path, *"abcdefghijk", released=released)] == [True] * 10 + [False]


def test_a_file_and_what_is_neither(tmp_path: Path) -> None:
    sqlite(tmp_path / "0")
    (tmp_path / "1").write_text("x")
    os.mkfifo(tmp_path / "2")
    file, plain, pipe = looked(tmp_path, "/x", "/y", "/z", released={1: [""]})
    assert (file.type, file.sqlite, file.unreleased) == ("file", [""], True)
    assert (plain.type, plain.sqlite, plain.unreleased) == ("file", [], False)
    assert pipe == Inside()


def test_no_place_has_no_look() -> None:
    assert scan.scan(None, "tools", [], {}) == {}  # type: ignore[arg-type]
