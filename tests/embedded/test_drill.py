"""Drills of SQLite files and folders on this machine, without a Docker engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from opslib.backup import keys, take
from opslib.backup.drill import steps as drill
from opslib.backup.drill.scratch import project, redirected, servers
from opslib.backup.manifest import Artifact, seal
from opslib.backup.restore.steps import RECOVERIES
from opslib.errors import BadSettings
from opslib.run.fleet import carry_out
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.settings.kinds import Files, Sqlite
from opslib.settings.model import Backup, Host
from opslib.state import journal
from opslib.target.connect import connect
from tests.embedded.test_restore import DB, fill, rows


@pytest.fixture
def target(tmp_path: Path) -> Any:
    root = tmp_path / "it's $a"
    (root / "up").mkdir(parents=True)
    (root / "da ta").mkdir()
    (root / "up/x").write_text("old")
    fill(root / DB, 5)
    backup = Backup(sources=(Sqlite(path=DB), Files(paths=("up",))))
    found = connect(Host(name="local", path=str(root), backup=backup))
    yield found
    found.close()


def run(target: Any, steps: Any, *, plan: bool = False) -> Record:
    known = {**take.RECOVERIES, **RECOVERIES, **drill.RECOVERIES}
    return carry_out(Task("backup.drill", steps, known=known, plan=plan), [target])


def backup(target: Any) -> Path:
    record = run(target, lambda run: take.steps(run, take.Options()))
    assert record.ok, record.hosts[0].error
    return Path(record.hosts[0].result["folder"])


def drilled(target: Any, **options: Any) -> Record:
    return run(target, lambda run: drill.steps(run, drill.Options(**options)))


def left(root: Path) -> list[str]:
    return sorted(path.name for path in (root / ".opslib").iterdir() if path.name not in ("lock", "busy", "procs"))


def test_a_set_is_restored_beside_what_is_live(target: Any) -> None:
    root = Path(target.root)
    made = backup(target)
    (root / "up/x").write_text("new")
    fill(root / DB, 99)
    record = drilled(target)
    assert record.ok, record.hosts[0].error
    found = record.hosts[0].result["drill"]
    assert found["set"] == made.name
    assert {one["title"]: one["counts"] for one in found["restored"]} == {
        f"sqlite {DB}": {'t"a': 5},
        "files up": {"files": 1, "dirs": 1, "links": 0, "bytes": 3},
    }
    assert 0 < max(one["seconds"] for one in found["restored"]) <= found["seconds"]
    assert (root / "up/x").read_text() == "new"
    assert rows(root / DB) == 99
    assert left(root) == ["journal.jsonl"]
    line = journal.read(target)[-1]
    assert (line["task"], line["ok"], line["drill"]["set"]) == ("backup.drill", True, made.name)
    assert line["drill"]["restored"] == [one["title"] for one in found["restored"]]


def test_one_source_alone(target: Any) -> None:
    backup(target)
    (one,) = drilled(target, source="sqlite").hosts[0].result["drill"]["restored"]
    assert one["title"] == f"sqlite {DB}"
    error = drilled(target, source="postgres").hosts[0].error or {}
    assert f"no source 'postgres': it holds sqlite {DB}, files up" in str(error["what"])


def test_what_is_not_what_the_set_says_is_an_error_and_nothing_of_it_is_left(target: Any) -> None:
    root = Path(target.root)
    made = backup(target)
    manifest = made / "manifest.json"
    text = manifest.read_text()
    manifest.chmod(0o600)
    lie = text.replace('"t\\"a": 5', '"t\\"a": 6')
    assert lie != text
    manifest.write_bytes(seal(lie.encode()))
    record = drilled(target)
    assert not record.ok
    assert "5 restored" in str((record.hosts[0].error or {})["what"])
    assert left(root) == ["journal.jsonl"]
    assert rows(root / DB) == 5


def test_any_set_and_none(target: Any) -> None:
    assert "there is no whole backup set" in str((drilled(target, any_set=True).hosts[0].error or {})["what"])
    made = backup(target)
    assert drilled(target, any_set=True).hosts[0].result["drill"]["set"] == made.name


ARTIFACT = Artifact(
    file="x.zst", kind="postgres", name="app", service="db", image="postgres:15", bytes=1, raw_bytes=1, sha256="0" * 64
)


def test_every_place_of_a_set_is_in_the_scratch_project() -> None:
    volume = replace(ARTIFACT, kind="volume", facts={"volume": "live_data", "key": "data", "labels": {"a": "b"}})
    moved = redirected(volume, 3, "p", "/s")
    assert moved.facts["volume"] == "p_3"
    assert moved.facts["labels"] == {"com.docker.compose.project": "p"}
    assert redirected(replace(ARTIFACT, kind="files", facts={"base": "/srv"}), 4, "p", "/s").facts["base"] == "/s/4"
    inside = replace(ARTIFACT, kind="sqlite", facts={"place": "volume", "volume": "live_data", "path": "a.db"})
    assert redirected(inside, 5, "p", "/s").facts | {"volume": ""} == {
        "place": "bind", "folder": "/s/5", "path": "a.db", "volume": "",
    }  # fmt: skip
    assert project("2026-11-22T020000Z-7F3A") == "opslib-drill-2026-11-22t020000z-7f3a"


def test_a_server_for_each_service() -> None:
    redis = replace(ARTIFACT, kind="redis", service="cache", image="redis:7", facts={"dir": "/data"})
    found = servers([ARTIFACT, replace(ARTIFACT, name="other"), redis])
    assert [(one.service, one.image, one.at) for one in found] == [
        ("db", "postgres:15", ""),
        ("cache", "redis:7", "/data"),
    ]


def test_an_encrypted_set_needs_the_key(target: Any) -> None:
    mine, public = keys.make()
    settings = Backup(sources=target.host.backup.sources, encrypt_to=(public,))
    sealed = connect(Host(name="local", path=target.root, backup=settings))
    backup(sealed)
    assert "no identity is there" in str((drilled(sealed).hosts[0].error or {})["what"])
    assert drilled(sealed, identity=lambda to, what: keys.fitting([mine], to, what)).ok
    sealed.close()


def test_which_sources_are_meant() -> None:
    roles = replace(ARTIFACT, name="globals", facts={"part": "globals"})
    other = replace(ARTIFACT, service="two", name="x")
    every = (ARTIFACT, roles, other)
    assert drill.choose(every, "app", "i") == (ARTIFACT, roles)
    assert drill.choose(every, "two", "i") == (other,)
    assert drill.choose(every, "postgres", "i") == every
    with pytest.raises(BadSettings, match="no source 'globals'"):
        drill.choose(every, "globals", "i")
