"""Backup of SQLite files and folders on this machine, without a Docker engine: a whole run."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import socket
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest

from opslib.backup import coverage, prune, sets, take, verify
from opslib.backup.manifest import seal
from opslib.run.fleet import carry_out, look_on
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.settings.kinds import Files, Postgres, Sqlite
from opslib.settings.model import Backup, Host, Keep
from opslib.settings.units import Reserve
from opslib.target.local import Local

pytestmark = pytest.mark.skipif(shutil.which("flock") is None, reason="no flock here: install util-linux")
ODD = "-a 'b' $c é.db"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "pro 'ject' $x"
    (folder / "up loads").mkdir(parents=True)
    (folder / "up loads" / "a").write_text("one")
    (folder / "up loads" / "link").symlink_to("a")
    with sqlite3.connect(folder / ODD) as base:
        base.execute("pragma journal_mode = wal")
        base.execute("create table notes (text)")
        base.executemany("insert into notes values (?)", [("a",), ("b",), ("c",)])
    return folder


def local(root: Path, **backup: Any) -> Local:
    sources = (Sqlite(path=ODD), Files(paths=("up loads/",)))
    return Local(Host(name="local", path=str(root), backup=Backup(**{"sources": sources, **backup})))


def backup(target: Local, **options: Any) -> Record:
    return carry_out(
        Task("backup.all", lambda run: take.steps(run, take.Options(**options)), take.RECOVERIES), [target]
    )


def result(record: Record) -> dict[str, Any]:
    assert record.ok, record.as_json()
    return record.hosts[0].result


def test_backup_list_and_verify(root: Path) -> None:
    target = local(root)
    made = result(backup(target))
    folder = Path(made["folder"])
    assert sorted(os.listdir(folder)) == sorted(["manifest.json", *(one["file"] for one in made["artifacts"])])
    assert {one["kind"]: one["counts"] for one in made["artifacts"]} == {
        "sqlite": {"notes": 3}, "files": {"files": 1, "dirs": 1, "links": 1, "bytes": 3},
    }  # fmt: skip
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o440"}
    with tarfile.open(folder / "files.up%20loads%2F.tar.gz") as archive:
        assert sorted(archive.getnames()) == ["./up loads", "./up loads/a", "./up loads/link"]
    copy = root / "copy.db"
    copy.write_bytes(gzip.decompress(next(folder.glob("sqlite.*")).read_bytes()))
    with sqlite3.connect(copy) as base:
        assert base.execute("select count(*) from notes").fetchone() == (3,)
    (one,) = sets.list_sets(target)
    assert one.whole
    assert one.manifest is not None
    assert one.manifest.engine is None
    seen = look_on("backup.verify", [target], lambda run: verify.verify(run))
    assert [each["content"] for each in result(seen)["artifacts"]] == ["python", "python"]


@pytest.mark.parametrize("how", ["truncated", "flipped"])
def test_verify_finds_damage_and_a_damaged_set_does_not_count(root: Path, how: str) -> None:
    target = local(root, keep=Keep(last=1))
    folder = Path(result(backup(target))["folder"])
    path = next(folder.glob("files.*"))
    data = bytearray(path.read_bytes())
    if how == "truncated":
        del data[-1:]
    else:
        data[len(data) // 2] ^= 1
    path.chmod(0o640)
    path.write_bytes(data)
    record = look_on("backup.verify", [target], lambda run: verify.verify(run, folder.name))
    assert record.exit == 3
    assert path.name in (record.hosts[0].error or {})["what"]
    assert not sets.list_sets(target)[0].whole
    assert "pruned" not in result(backup(target)), "the damaged set is left for a person to look at"


def test_prune_keeps_the_last_ones(root: Path) -> None:
    target = local(root, keep=Keep(last=1), sources=(Sqlite(path=ODD),))
    made = [result(backup(target))["set"] for _ in range(2)]
    assert [one.id for one in sets.list_sets(target)] == made[-1:]


def test_what_shrank_stops_the_removal_until_somebody_agrees(root: Path) -> None:
    target = local(root, keep=Keep(last=1), sources=(Files(paths=("up loads/",)),))
    (root / "up loads/a").write_bytes(os.urandom(1 << 20))
    first = result(backup(target))["set"]
    (root / "up loads/a").write_text("lost")
    made = [result(backup(target)) for _ in range(2)]
    assert all(one["shrunk"][0]["was_in"] == first for one in made)
    assert len(sets.list_sets(target)) == 3, "nothing is removed"
    agreed = result(carry_out(Task("backup.prune", prune.steps, take.RECOVERIES), [target]))
    assert [one["keep"] for one in agreed["sets"]] == [False, False, True]
    assert [one.id for one in sets.list_sets(target)] == [made[-1]["set"]]
    (root / "up loads/a").write_bytes(os.urandom(1 << 20))
    assert "shrunk" not in result(backup(target))
    (root / "up loads/a").write_text("lost again")
    assert result(backup(target))["shrunk"]


def test_one_kind_alone(root: Path) -> None:
    made = result(backup(local(root), kinds=("sqlite",)))
    assert [one["kind"] for one in made["artifacts"]] == ["sqlite"]


def assert_no_set(root: Path, record: Record, code: int, what: str) -> None:
    assert record.exit == code
    assert what in (record.hosts[0].error or {})["what"]
    folder = root / "backups"
    assert not folder.exists() or not list(folder.iterdir())
    assert not (root / ".opslib" / "run.log").exists()


def test_a_file_that_is_not_there_makes_no_set(root: Path) -> None:
    (root / ODD).unlink()
    assert_no_set(root, backup(local(root)), 1, "there is no file")


def test_a_file_that_is_no_database_makes_no_set(root: Path) -> None:
    for path in root.glob(f"{ODD}*"):
        path.unlink()
    (root / ODD).write_bytes(b"no database" * 1000)
    assert_no_set(root, backup(local(root)), 1, "not a database")


def test_a_disk_too_full_is_refused(root: Path) -> None:
    assert_no_set(root, backup(local(root, reserve=Reserve(size=10**17))), 1, "too little space")


def test_a_database_server_needs_a_compose_file(root: Path) -> None:
    assert_no_set(root, backup(local(root, sources=(Postgres(service="db"),))), 2, "needs a compose file")


def test_what_an_earlier_run_left_half_done_goes(root: Path) -> None:
    target = local(root)
    left = root / "backups" / ".2026-01-01T000000Z-0000.part"
    left.mkdir(parents=True)
    (left / "x").write_text("half")
    result(backup(target))
    assert not left.exists()


def test_a_plan_makes_nothing(root: Path) -> None:
    target = local(root)
    record = carry_out(Task("backup.all", lambda run: take.steps(run), take.RECOVERIES, plan=True), [target])
    planned = {one["step"]: one["what"] for one in result(record)["plan"]}
    assert planned["backup.sqlite"] == f"sqlite {ODD}"
    assert not (root / "backups").exists()


def test_data_that_nothing_covers_is_a_finding(root: Path) -> None:
    record = backup(local(root))
    record.hosts[0].result["uncovered"] = [{"service": "kafka", "what": "kafka in service kafka", "do": "exclude it"}]
    take.judge(record)
    assert record.exit == 3
    assert "kafka in service kafka" in (record.hosts[0].error or {})["what"]


def test_odd_things_do_not_hang_and_are_said(root: Path) -> None:
    odd = root / "up loads"
    os.mkfifo(odd / "fifo")
    os.link(odd / "a", odd / "hard")
    Path(os.fsdecode(os.fsencode(odd) + b"/caf\xe9")).write_text("x")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(odd / "socket"))
    made = result(backup(local(root), kinds=("files",)))
    assert made["artifacts"][0]["counts"] == {"files": 3, "dirs": 1, "links": 1, "bytes": 4}
    assert [text for text in made["warnings"] if "socket ignored" in text]
    with tarfile.open(Path(made["folder"]) / made["artifacts"][0]["file"]) as archive:
        types = {one.name: (one.isfifo(), one.islnk()) for one in archive}
    assert types["./up loads/fifo"] == (True, False)
    assert types["./up loads/hard"][1] or types["./up loads/a"][1]
    assert any(os.fsencode(name).endswith(b"/caf\xe9") for name in types)
    assert "./up loads/socket" not in types


def test_a_pattern_that_matches_nothing_makes_no_set(root: Path) -> None:
    sources = (Files(paths=("up loads/*", "up loads/*.pdf")),)
    assert_no_set(root, backup(local(root, sources=sources)), 1, "nothing matches up loads/*.pdf")


def covered(target: Local, code: int) -> dict[str, tuple[str, str | None]]:
    """By what the host file names, whether it is protected, and the set that holds it."""
    record = look_on("backup.coverage", [target], coverage.coverage)
    assert record.exit == code, record.as_json()
    return {one["what"]: (one["state"], one["set"]) for one in record.hosts[0].result["coverage"]}


def test_coverage_is_of_what_the_host_file_names(root: Path) -> None:
    target = local(root)
    assert covered(target, 3) == {f"sqlite {ODD}": ("unprotected", None), "files up loads/": ("unprotected", None)}
    one = result(backup(target, kinds=("sqlite",)))["set"]
    assert covered(target, 3) == {f"sqlite {ODD}": ("protected", one), "files up loads/": ("unprotected", None)}
    every = result(backup(target))["set"]
    assert covered(target, 0) == {f"sqlite {ODD}": ("protected", every), "files up loads/": ("protected", every)}
    Path(root, "backups", every, "damaged").write_text("x")
    assert covered(target, 3) == {f"sqlite {ODD}": ("protected", one), "files up loads/": ("unprotected", None)}
    never = local(root, schedule={"all": "0 0 30 2 *"})
    often = local(root, schedule={"all": "* * * * *"})
    (root / "backups" / every / "damaged").unlink()
    manifest = root / "backups" / every / "manifest.json"
    manifest.chmod(0o640)
    aged = re.sub(rb'"created": "[^"]*"', b'"created": "2026-01-01T00:00:00Z"', manifest.read_bytes())
    manifest.write_bytes(seal(aged))
    (root / "backups" / one / "manifest.json").unlink()
    assert set(covered(often, 3).values()) == {("unprotected", every)}, "too old"
    assert set(covered(never, 0).values()) == {("protected", every)}


def test_coverage_names_a_pattern_that_matches_nothing_and_goes_on(root: Path) -> None:
    target = local(root, sources=(Files(paths=("*.pdf",)), Files(paths=("up loads/",))))
    assert covered(target, 3) == {"files *.pdf": ("unprotected", None), "files up loads/": ("unprotected", None)}
    assert_no_set(root, backup(target), 1, "nothing matches *.pdf")


def test_sets_of_another_project_protect_nothing(root: Path) -> None:
    result(backup(local(root)))
    other = Local(Host(name="local", path=str(root), project="other", backup=local(root).host.backup))
    assert {state for state, _ in covered(other, 3).values()} == {"unprotected"}
