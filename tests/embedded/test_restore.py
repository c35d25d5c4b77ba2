"""Without a Docker engine: SQLite files and folders of this machine, by Python alone."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opslib.backup import take, verify
from opslib.backup.manifest import FILE, seal
from opslib.backup.restore.options import Options
from opslib.backup.restore.steps import RECOVERIES, steps
from opslib.run.fleet import carry_out, look_on
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.settings.kinds import Files, Sqlite
from opslib.settings.model import Backup, Host
from opslib.target.base import Target
from opslib.target.connect import connect

DB = "da ta/-a 'b' $c.db"


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    root = tmp_path / "a 'b' $c"
    (root / 'up "l"/sub').mkdir(parents=True)
    (root / "da ta").mkdir()
    (root / 'up "l"/sub/x').write_text("old")
    os.link(root / 'up "l"/sub/x', root / 'up "l"/hard')
    os.symlink("no where", root / 'up "l"/link')
    fill(root / DB, 5)
    sources = (Sqlite(path=DB), Files(paths=('up "l"',)))
    found = connect(Host(name="local", path=str(root), backup=Backup(sources=sources)))
    yield found
    found.close()


def fill(path: Path, rows: int) -> None:
    base = sqlite3.connect(path)
    base.execute("pragma journal_mode=wal")
    base.execute('create table if not exists "t""a" (x)')
    base.execute('delete from "t""a"')
    base.executemany('insert into "t""a" values (?)', [(i,) for i in range(rows)])
    base.commit()
    base.close()


def rows(path: Path) -> int:
    base = sqlite3.connect(path)
    try:
        return int(base.execute('select count(*) from "t""a"').fetchone()[0])
    finally:
        base.close()


def run(target: Target, what: Any) -> Record:
    return carry_out(Task("test", what, known={**take.RECOVERIES, **RECOVERIES}), [target])


def backup(target: Target) -> str:
    record = run(target, lambda run: take.steps(run, take.Options()))
    assert record.ok, record.hosts[0].error
    return str(record.hosts[0].result["set"])


def restore(target: Target, file: str, **options: Any) -> Record:
    return run(target, lambda run: steps(run, Options(file, root=Path(target.root), **options)))


def ruin(root: Path) -> None:
    fill(root / DB, 99)
    (root / 'up "l"/sub/x').unlink()
    (root / 'up "l"/intruder').write_text("x")


def look(root: Path) -> Any:
    up = root / 'up "l"'
    return rows(root / DB), sorted(str(path.relative_to(up)) for path in up.rglob("*"))


def test_there_and_back(target: Target) -> None:
    root = Path(target.root)
    good, made = look(root), backup(target)
    ruin(root)
    bad = look(root)
    record = restore(target, "latest")
    assert record.ok, record.hosts[0].error
    items = record.hosts[0].result["restore"]["items"]
    assert [(item["now"], item["then"]) for item in items] == [
        ("2 files, 4 B", "2 files, 3 B"),
        ("1 tables, 99 rows", "1 tables, 5 rows"),
    ]
    assert look(root) == good
    assert os.stat(root / 'up "l"/hard').st_ino == os.stat(root / 'up "l"/sub/x').st_ino
    assert not [name for name in os.listdir(root) if name.startswith(".opslib-")]

    safety = record.hosts[0].result["safety_copy"]
    assert safety != made
    record = restore(target, safety)
    assert record.ok, record.hosts[0].error
    assert look(root) == bad
    assert restore(target, "latest").ok  # a safety copy is never the latest
    assert look(root) == good


def test_one_artifact_by_its_path(target: Target) -> None:
    root = Path(target.root)
    good, made = look(root), backup(target)
    ruin(root)
    bad = look(root)
    (file,) = [path for path in (root / "backups" / made).iterdir() if path.name.startswith("sqlite")]
    record = restore(target, str(file))
    assert record.ok, record.hosts[0].error
    assert look(root) == (good[0], bad[1])


def test_what_is_not_whole_is_refused(target: Target) -> None:
    root = Path(target.root)
    made = root / "backups" / backup(target)
    ruin(root)
    before = look(root)
    file = next(path for path in made.iterdir() if path.name.startswith("files"))
    for path in (made / FILE, file):
        path.chmod(0o600)
    data, manifest = file.read_bytes(), (made / FILE).read_text()

    def refused(why: str) -> None:
        record = restore(target, str(made))
        assert not record.ok
        assert record.hosts[0].steps == []
        assert record.hosts[0].error
        assert why in str(record.hosts[0].error["what"])
        assert record.hosts[0].error["next"]
        file.write_bytes(data)
        (made / FILE).write_text(manifest)

    file.write_bytes(bytes([*data[:50], data[50] ^ 1, *data[51:]]))
    refused("SHA-256")
    file.write_bytes(data[:-1])
    refused("bytes, the manifest says")
    file.unlink()
    refused("missing")
    (made / FILE).unlink()
    refused("manifest")
    (made / FILE).write_text(manifest.replace('"version": 2', '"version": 99'))
    refused("version 99")
    (made / FILE).write_text(manifest[:-20])
    refused("cannot be read")
    (made / FILE).write_text(manifest.replace(file.name, "../../x"))
    refused("../../x")
    assert look(root) == before


def test_what_fails_is_undone(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(target.root)
    made = root / "backups" / backup(target)
    ruin(root)
    before = look(root)
    text = (made / FILE).read_text()
    (made / FILE).chmod(0o600)
    lie = text.replace('"t\\"a": 5', '"t\\"a": 6')
    assert lie != text
    (made / FILE).write_bytes(seal(lie.encode()))  # a set that lies about its rows
    record = restore(target, str(made))
    assert not record.ok
    assert record.hosts[0].error
    assert "6 in the set, 5 restored" in str(record.hosts[0].error["what"])
    assert look(root) == before
    assert not [name for name in os.listdir(root) if name.startswith(".opslib-")]
    assert not (root / ".opslib/run.log").exists()


def test_nothing_of_that_name(target: Target) -> None:
    backup(target)
    record = restore(target, "nothing")
    assert record.exit == 2
    record = restore(target, "latest", kinds=("postgres",))
    assert record.exit == 2


def test_patterns_bring_back_what_they_match_and_leave_all_else(target: Target) -> None:
    """By patterns and with an exclude: what was left out is live, and stays live, with its owners and modes."""
    root = Path(target.root)
    for name in ("data/a/1.pdf", "data/a/1.txt", "data/b/2.pdf", "data/b/cache/3.pdf", "x.yml", "data/raw/r"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("old")
    (root / "data/b").chmod(0o751)
    sources = (Files(paths=("data/**/*.pdf", "*.yml", "data/raw"), exclude=("cache/",)),)
    before = connect(msgspec.structs.replace(target.host, backup=Backup(sources=sources)))
    made = run(before, lambda run: take.steps(run, take.Options()))
    assert made.ok, made.hosts[0].error
    artifact = made.hosts[0].result["artifacts"][0]
    assert artifact["counts"]["files"] == 4
    assert run_verify(before)

    (root / "data/a/1.pdf").write_text("new")
    (root / "data/a/1.txt").write_text("new")  # never backed up
    (root / "data/b/2.pdf").unlink()
    (root / "data/b/cache/3.pdf").write_text("new")  # left out
    (root / "data/b").chmod(0o700)
    for name in ("data/new/4.pdf", "data/new/4.txt", "y.yml", "x.env"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("new")
    (root / "data/new").chmod(0o711)
    inode = (root / "data/a/1.txt").stat().st_ino
    record = restore(before, "latest")
    assert record.ok, record.hosts[0].error
    data = {str(path.relative_to(root / "data")): path.read_text() for path in root.glob("data/**/*") if path.is_file()}
    assert data == {
        "a/1.pdf": "old", "a/1.txt": "new", "b/2.pdf": "old", "b/cache/3.pdf": "new", "new/4.txt": "new", "raw/r": "old",
    }  # fmt: skip
    assert (root / "x.yml").read_text() == "old"
    assert not (root / "y.yml").exists(), "it matches, and was not there"
    assert (root / "x.env").read_text() == "new"
    assert oct((root / "data/b").stat().st_mode & 0o777) == "0o751"
    assert oct((root / "data/new").stat().st_mode & 0o777) == "0o711"
    assert (root / "data/a/1.txt").stat().st_ino == inode, "what is left out is not copied"

    record = restore(before, str(record.hosts[0].result["safety_copy"]))
    assert record.ok, record.hosts[0].error
    assert (root / "data/new/4.pdf").read_text() == "new"
    assert (root / "y.yml").read_text() == "new"
    assert not (root / "data/b/2.pdf").exists()
    before.close()


def run_verify(target: Target) -> bool:
    return look_on("backup.verify", [target], lambda run: verify.verify(run)).ok


def test_a_file_or_a_folder_alone(target: Target) -> None:
    root = Path(target.root)
    up = root / 'up "l"'
    made = backup(target)
    os.utime(up / "sub", (1, 1))
    (up / "sub/x").unlink()
    (up / "sub").rmdir()
    (up / "hard").write_text("newer")
    before = look(root)
    record = restore(target, made, only='up "l"/sub/x')  # its folder is gone too
    assert record.ok, record.hosts[0].error
    assert (up / "sub/x").read_text() == "old"
    assert (up / "hard").read_text() == "newer"
    (item,) = record.hosts[0].result["restore"]["items"]
    assert (item["now"], item["then"]) == (None, "1 files, 3 B")
    assert restore(target, record.hosts[0].result["safety_copy"]).ok
    assert look(root) == before

    (up / "sub").write_text("in the way")
    for name, why in (('up "l"/sub/x', "is no folder now"), ('up "l"/sub/y', "no table, collection or path"),
                      ("../x", "no table"), (".", "no table"), (",", "needs the name")):  # fmt: skip
        record = restore(target, made, only=name)
        assert not record.ok
        assert record.hosts[0].steps == []
        assert record.hosts[0].error
        assert why in str(record.hosts[0].error["what"])
    assert (up / "sub").read_text() == "in the way"
    record = restore(target, made, kinds=("files",), only=f"{up}/sub", into="copy")
    assert record.ok, record.hosts[0].error
    assert sorted(str(one.relative_to(root)) for one in (root / "copy").rglob("*")) == [
        'copy/up "l"', 'copy/up "l"/sub', 'copy/up "l"/sub/x']  # fmt: skip


def test_a_table_alone(target: Target) -> None:
    root = Path(target.root)
    base = sqlite3.connect(root / DB)
    base.executescript("create table other(x); insert into other values ('old'); create view v as select * from other;")
    base.close()
    made = backup(target)
    base = sqlite3.connect(root / DB)
    base.executescript("""insert into other values ('newer'); drop table "t""a"; create table later (y);""")
    base.close()
    record = restore(target, made, only='t"a')
    assert record.ok, record.hosts[0].error
    assert rows(root / DB) == 5
    base = sqlite3.connect(root / DB)
    assert base.execute("select * from other").fetchall() == [("old",), ("newer",)]
    assert base.execute("select count(*) from later").fetchall() == [(0,)]
    assert base.execute("pragma journal_mode").fetchall() == [("wal",)]
    base.close()
    record = restore(target, made, only='other, "t""a"')
    assert record.ok, record.hosts[0].error
    assert record.hosts[0].result["restore"]["warnings"] == ["view v reads it, and stays"]
    assert "did you mean other?" in str(restore(target, made, only="othr").hosts[0].error)
    assert "cannot go elsewhere" in str(restore(target, made, only="other", into="x").hosts[0].error)
