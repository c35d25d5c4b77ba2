"""Copies of sets off the host, on this machine without a Docker engine: whole runs, with a folder as the store."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opslib.backup import coverage, sets, take
from opslib.backup.drill import steps as drill
from opslib.backup.manifest import seal
from opslib.backup.offsite import look, pull, push, remove
from opslib.errors import OpsError
from opslib.events import Event, Note
from opslib.run.fleet import carry_out, look_on
from opslib.run.record import Record
from opslib.run.step import AnyStep, Run
from opslib.run.task import Task
from opslib.settings.keep import Keep
from opslib.settings.kinds import Files
from opslib.settings.model import Backup, Host
from opslib.settings.stores import StoreSpec, store_url
from opslib.state import lines
from opslib.target.local import Local
from tests.cli.conftest import INV

pytestmark = pytest.mark.skipif(shutil.which("flock") is None, reason="no flock here: install util-linux")
FILE = "files.up%20loads%2F.tar.gz"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "pro 'ject' $x"
    (folder / "up loads").mkdir(parents=True)
    (folder / "up loads/a").write_bytes(os.urandom(700_000))
    return folder


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    folder = tmp_path / "n a s"
    folder.mkdir()
    return folder


def store(folder: Path, **more: Any) -> StoreSpec:
    return StoreSpec(url=store_url(str(folder)), name="nas", folder="survey", **more)


def local(root: Path, *stores: StoreSpec, **backup: Any) -> Local:
    settings = Backup(sources=(Files(paths=("up loads/",)),), stores=stores, **backup)
    return Local(Host(name="local", path=str(root), backup=settings))


def run(target: Local, name: str, steps: Callable[[Run], list[AnyStep]], **options: Any) -> Record:
    known = {**take.RECOVERIES, **pull.RECOVERIES}
    record = carry_out(Task(name, steps, known, **options), [target])
    if name == "backup.all":
        take.judge(record)
    return record


def back_up(target: Local) -> Record:
    return run(target, "backup.all", lambda run: take.steps(run))


def push_to(target: Local, wanted: str | None = None, name: str | None = None, **options: Any) -> Record:
    return run(target, "backup.push", lambda run: push.steps(run, wanted, name), **options)


def pull_from(target: Local, wanted: str = "latest", name: str | None = None, **options: Any) -> Record:
    return run(target, "backup.pull", lambda run: pull.steps(run, wanted, name), **options)


def result(record: Record) -> dict[str, Any]:
    assert record.ok, record.as_json()
    return record.hosts[0].result


def error(record: Record, code: int = 1) -> str:
    assert record.exit == code, record.as_json()
    return str((record.hosts[0].error or {})["what"])


def listed(target: Local) -> dict[str, dict[str, str | None]]:
    return {one["id"]: one["places"] for one in result(look_on("backup.list", [target], look.show_list))["sets"]}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o640)
    path.write_bytes(data)


# -- by itself after a backup


def test_a_backup_is_in_two_places_and_comes_back(root: Path, nas: Path) -> None:
    target = local(root, store(nas))
    made = result(back_up(target))
    there = nas / "survey" / made["set"]
    assert made["stores"] == [
        {
            "store": "nas",
            "sent": [made["set"]],
            "bytes": sum(map(len, files(there).values())),
            "pruned": [],
            "error": None,
        }
    ]
    assert files(there) == files(Path(made["folder"]))
    assert listed(target) == {made["set"]: {"host": None, "nas": None}}
    before = files(Path(made["folder"]))
    shutil.rmtree(root / "backups")
    assert listed(target) == {made["set"]: {"nas": None}}
    pulled = result(pull_from(target))
    assert files(Path(pulled["folder"])) == before
    assert {oct(path.stat().st_mode & 0o777) for path in Path(pulled["folder"]).iterdir()} == {"0o440"}
    assert sets.list_sets(target)[0].whole
    assert result(pull_from(target))["set"] == made["set"], "there is nothing to do"


def test_each_place_keeps_by_its_own_rules(root: Path, nas: Path) -> None:
    target = local(root, store(nas, keep=Keep(last=2)), keep=Keep(last=1))
    made = [result(back_up(target))["set"] for _ in range(3)]
    assert [one.id for one in sets.list_sets(target)] == made[2:]
    assert {path.name for path in (nas / "survey").iterdir()} == set(made[1:])


def test_a_store_that_is_gone_fails_the_backup_and_leaves_the_set(root: Path, nas: Path) -> None:
    target = local(root, store(nas))
    first = result(back_up(target))["set"]
    nas.rename(nas.with_name("not mounted"))
    record = back_up(target)
    assert "there is no folder" in error(record)
    assert not nas.exists(), "nothing is written where the disk is not mounted"
    assert len(sets.list_sets(target)) == 2
    assert not (root / ".opslib/run.log").exists()
    nas.with_name("not mounted").rename(nas)
    second = record.hosts[0].result["set"]
    third = result(back_up(target))
    assert third["stores"][0]["sent"] == [second, third["set"]], "what was missed is caught up with"
    assert {path.name for path in (nas / "survey").iterdir()} == {first, second, third["set"]}


def test_one_store_never_hides_another(root: Path, nas: Path, tmp_path: Path) -> None:
    gone = StoreSpec(url=store_url(str(tmp_path / "gone")), name="gone", folder="survey")
    target = local(root, gone, store(nas))
    record = back_up(target)
    assert "store gone" in error(record)
    assert [bool(one["error"]) for one in record.hosts[0].result["stores"]] == [True, False]
    shown = look_on("backup.list", [target], look.show_list)
    assert "store gone" in error(shown, 3)
    assert shown.hosts[0].result["sets"][0]["places"] == {"host": None, "nas": None}


def test_append_only_removes_nothing(root: Path, nas: Path) -> None:
    target = local(root, store(nas, append_only=True), keep=Keep(last=1))
    made = [result(back_up(target))["set"] for _ in range(2)]
    assert {path.name for path in (nas / "survey").iterdir()} == set(made)
    record = run(target, "backup.prune", lambda run: remove.steps(run, "nas"))
    assert "append_only" in error(record, 2)
    freely = local(root, store(nas), keep=Keep(last=1))
    assert result(run(freely, "backup.prune", lambda run: remove.steps(run, "nas")))["pruned"] == made[:1]
    assert {path.name for path in (nas / "survey").iterdir()} == set(made[1:])


def test_coverage_counts_places_and_drills(root: Path, nas: Path, tmp_path: Path) -> None:
    target = local(root, store(nas), StoreSpec(url=store_url(str(tmp_path / "gone")), name="gone", folder="survey"))
    back_up(target)

    def covered() -> tuple[dict[str, Any], list[str | None]]:
        record = look_on("backup.coverage", [target], coverage.coverage)
        (row,) = result(record)["coverage"]
        return row, [one["error"] for one in record.hosts[0].result["stores"]]

    row, errors = covered()
    assert (row["places"], row["drill"]) == (["host", "nas"], None)
    assert errors[0] is None
    assert "there is no folder" in str(errors[1]), "which is said, and no finding"
    result(run(target, "backup.drill", lambda run: drill.steps(run, drill.Options())))
    for _ in range(3):  # a drill counts however much has happened since
        lines.append(target, f"{target.state}/journal.jsonl", *[{"task": "x" * 900}] * 1000)
    row, _ = covered()
    assert 0 <= row["drill"] < 60
    damage(nas / "survey" / row["set"] / FILE)
    look_on("v", [target], lambda run: look.verify(run, "latest", "nas"))
    assert covered()[0]["places"] == ["host"]


# -- push


def test_what_arrived_is_not_sent_again(root: Path, nas: Path) -> None:
    made = result(back_up(local(root)))
    target = local(root, store(nas))
    folder = nas / "survey" / made["set"]
    result(push_to(target))
    (folder / "manifest.json").unlink()
    inode = (folder / FILE).stat().st_ino
    planned = result(push_to(target, plan=True))["plan"]
    assert planned[0]["what"].startswith(f"{made['set']} to nas, ")
    again = result(push_to(target))["stores"][0]
    assert again["sent"] == [made["set"]]
    assert again["bytes"] == (folder / "manifest.json").stat().st_size
    assert (folder / FILE).stat().st_ino == inode
    assert "stores" not in result(push_to(target)), "nothing to do"


def test_a_bad_file_on_the_host_makes_no_set_in_the_store(root: Path, nas: Path) -> None:
    made = result(back_up(local(root)))
    damage(Path(made["folder"]) / FILE)
    assert "is not what the manifest says" in error(push_to(local(root, store(nas))))
    assert files(nas) == {}


def test_what_is_there_and_different_is_never_written_over(root: Path, nas: Path) -> None:
    target = local(root, store(nas))
    made = result(back_up(target))
    there = nas / "survey" / made["set"]
    other = seal((there / "manifest.json").read_bytes().replace(b'"by": "', b'"by": "not '))
    (there / "manifest.json").chmod(0o640)
    (there / "manifest.json").write_bytes(other)
    assert "another set has its name there" in error(push_to(target))
    assert (there / "manifest.json").read_bytes() == other
    assert listed(target)[made["set"]] == {"host": None, "nas": "another set has its name there"}
    damage(there / FILE)
    (there / "manifest.json").unlink()
    before = files(there)
    assert "or another digest" in error(push_to(target))
    assert files(there) == before


def test_a_set_under_another_name_there_is_none(root: Path, nas: Path) -> None:
    target = local(root, store(nas))
    made = result(back_up(target))
    (nas / "survey" / made["set"]).rename(nas / "survey" / "x")
    assert listed(target)["x"] == {"nas": f"its manifest is that of {made['set']}"}
    assert "is no whole set" in error(pull_from(target, "x"))


def test_a_set_that_is_cut_off_there_is_none(root: Path, nas: Path) -> None:
    target = local(root, store(nas))
    made = result(back_up(target))
    cut = nas / "survey" / made["set"] / FILE
    cut.chmod(0o640)
    os.truncate(cut, 10)
    assert "has 10 bytes" in str(listed(target)[made["set"]]["nas"])
    assert "has 10 bytes" in error(push_to(target))
    shutil.rmtree(root / "backups")
    assert "is no whole set" in error(pull_from(target, made["set"]))


def test_only_what_the_stores_rules_keep_is_sent(root: Path, nas: Path) -> None:
    made = [result(back_up(local(root)))["set"] for _ in range(3)]
    sent = result(push_to(local(root, store(nas, keep=Keep(last=2)))))["stores"][0]["sent"]
    assert sent == made[1:]
    assert result(push_to(local(root, store(nas)), made[0]))["stores"][0]["sent"] == made[:1], "unless it is named"


def test_the_rate_is_limited(root: Path, nas: Path) -> None:
    result(back_up(local(root)))
    record = push_to(local(root, store(nas, limit=500_000)))
    assert result(record)["stores"][0]["bytes"] > 700_000
    assert record.seconds > 1.2


def kill_while_it_runs(root: Path, nas: Path, task: str, there: Path, seconds: float) -> None:
    """Run the task as a person would, and kill it so long after something of a set came to `there`."""
    (root / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
    (root / "hosts").mkdir()
    stores = f"[{{url: '{nas}', folder: survey, limit: 150kB/s}}]"
    (root / "hosts/local.yml").write_text(f"backup: {{sources: [files: ['up loads/']], stores: {stores}}}\n")
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    sending = subprocess.Popen([*INV, task], cwd=root, env=environ, stdout=subprocess.DEVNULL)
    while not there.exists() and sending.poll() is None:
        time.sleep(0.01)
    time.sleep(seconds)  # not a wait: the moment of the kill
    sending.kill()
    assert sending.wait() == -9


def test_the_run_after_one_that_was_killed_says_what_is_missing(root: Path, nas: Path) -> None:
    kill_while_it_runs(root, nas, "backup.all", nas / "survey", 0.2)
    target = local(root, store(nas))
    said: list[Event] = []
    target.tell = said.append  # type: ignore[method-assign]
    sent = result(push_to(target, wait=60.0))["stores"][0]["sent"]
    assert sent == [one.id for one in sets.list_sets(target)]
    assert any("inv backup.push --host local" in one.text for one in said if isinstance(one, Note))


@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.0, 1.5])
def test_killed_while_it_is_sent(root: Path, nas: Path, seconds: float) -> None:
    made = result(back_up(local(root)))
    there = nas / "survey" / made["set"]
    kill_while_it_runs(root, nas, "backup.push", there, seconds)
    assert not (there / "manifest.json").exists()
    result(push_to(local(root, store(nas)), wait=60.0))  # until what it started there has ended
    assert files(there) == files(Path(made["folder"]))


# -- pull


def test_a_damaged_set_does_not_come_back(root: Path, nas: Path) -> None:
    target = local(root, store(nas))
    made = result(back_up(target))
    shutil.rmtree(root / "backups")
    damage(nas / "survey" / made["set"] / FILE)
    assert "is not what the manifest says" in error(pull_from(target))
    assert list((root / "backups").iterdir()) == []


def test_a_broken_set_on_the_host_is_not_written_over(root: Path, nas: Path) -> None:
    target = local(root, store(nas))
    made = result(back_up(target))
    (Path(made["folder"]) / FILE).unlink()
    assert "is missing" in error(pull_from(target, made["set"]))
    assert (Path(made["folder"]) / "manifest.json").exists()


def test_a_pull_is_planned(root: Path, nas: Path) -> None:
    target = local(root, store(nas))
    made = result(back_up(target))
    shutil.rmtree(root / "backups")
    assert result(pull_from(target, plan=True))["plan"][0]["what"].startswith(f"{made['set']}, ")
    assert not (root / "backups").exists()


OTHER = "files.first.tar.gz"


def two_artifacts(root: Path, nas: Path) -> tuple[Local, Path, Path]:
    """A set of a small artifact and a large one, in the store alone: the target, the set there, where it comes to."""
    (root / "first").mkdir()
    (root / "first/x").write_bytes(os.urandom(20_000))
    sources = (Files(paths=("first",)), Files(paths=("up loads/",)))
    target = Local(Host(name="local", path=str(root), backup=Backup(sources=sources, stores=(store(nas),))))
    made = result(back_up(target))
    assert [one["file"] for one in made["artifacts"]] == [OTHER, FILE]
    shutil.rmtree(root / "backups")
    return target, nas / "survey" / made["set"], root / "backups" / f".{made['set']}.part"


def test_a_pull_that_was_killed_goes_on_with_what_it_has_whole(root: Path, nas: Path) -> None:
    target, there, stage = two_artifacts(root, nas)
    kill_while_it_runs(root, nas, "backup.pull", stage / f"{FILE}.part", 0.5)
    assert (stage / OTHER).read_bytes() == (there / OTHER).read_bytes()
    assert not (stage / FILE).exists(), "half of it has no name"
    assert [one.whole for one in sets.list_sets(target)] == [False]
    inode = (stage / OTHER).stat().st_ino
    said: list[Event] = []
    target.tell = said.append  # type: ignore[method-assign]
    pulled = result(pull_from(target, wait=60.0))  # until what it started there has ended
    assert pulled["kept"] == [OTHER]
    assert pulled["brought"] == (there / FILE).stat().st_size
    folder = Path(pulled["folder"])
    assert (folder / OTHER).stat().st_ino == inode
    assert files(folder) == files(there)
    assert not stage.exists()
    assert any("1 artifacts that arrived whole wait" in one.text for one in said if isinstance(one, Note))


def test_a_pull_that_failed_goes_on_and_counts_nothing_that_is_damaged(root: Path, nas: Path) -> None:
    target, there, stage = two_artifacts(root, nas)
    good = files(there)
    damage(there / FILE)
    assert "is not what the manifest says" in error(pull_from(target))
    assert [path.name for path in stage.iterdir()] == [OTHER]
    (there / FILE).write_bytes(good[FILE])
    damage(stage / OTHER)
    (stage / "stray").mkdir()
    (stage / "stray/x").write_text("x")
    pulled = result(pull_from(target))
    assert pulled["kept"] == []
    assert files(Path(pulled["folder"])) == good


def test_a_backup_clears_away_what_a_pull_has_left(root: Path, nas: Path) -> None:
    target, there, stage = two_artifacts(root, nas)
    damage(there / FILE)
    error(pull_from(target))
    assert stage.exists()
    back_up(target)
    assert not stage.exists()
    assert [one.whole for one in sets.list_sets(target)] == [True]


@pytest.mark.parametrize("task", ["push", "pull"])
def test_a_store_that_is_not_named_in_the_host_file(root: Path, nas: Path, task: str) -> None:
    target = local(root, store(nas))
    record = push_to(target, name="other") if task == "push" else pull_from(target, name="other")
    assert error(record, 2) == "there is no store 'other'; known: nas"


def test_a_set_in_a_store_alone_is_named_where_it_is_asked_for(root: Path, nas: Path) -> None:
    target = local(root, store(nas))
    made = result(back_up(target))
    shutil.rmtree(root / "backups")
    with pytest.raises(OpsError) as refused:
        sets.find(target, made["set"])
    assert refused.value.next == f"inv backup.pull --set {made['set']} --host local"


# -- verify and prune there


def test_verify_reads_all_of_it_there(root: Path, nas: Path) -> None:
    target = local(root, store(nas))
    made = result(back_up(target))
    there = nas / "survey" / made["set"]

    def verify() -> Record:
        return look_on("backup.verify", [target], lambda run: look.verify(run, "latest", "nas"))

    assert [one["ok"] for one in result(verify())["artifacts"]] == [True]
    good = (there / FILE).read_bytes()
    damage(there / FILE)
    assert "has another SHA-256" in error(look_on("v", [target], lambda run: look.verify(run, made["set"], "nas")), 3)
    assert "it is damaged there" in str(listed(target)[made["set"]]["nas"])
    (there / FILE).write_bytes(good)
    result(look_on("v", [target], lambda run: look.verify(run, made["set"], "nas")))
    assert listed(target)[made["set"]]["nas"] is None


def test_what_shrank_stops_the_removal_there(root: Path, nas: Path) -> None:
    target = local(root, store(nas, keep=Keep(last=1)))
    first = result(back_up(target))["set"]
    (root / "up loads/a").write_text("lost")
    second = result(back_up(target))
    assert second["stores"][0]["pruned"] == []
    assert result(run(target, "backup.prune", lambda run: remove.steps(run, "nas")))["pruned"] == [first]


def test_what_is_left_of_a_set_goes_when_a_person_asks(root: Path, nas: Path) -> None:
    target = local(root, store(nas))
    made = result(back_up(target))["set"]
    (nas / "survey" / "2026-01-01T000000Z-0000").mkdir()
    (nas / "survey" / "2026-01-01T000000Z-0000" / FILE).write_bytes(b"half")
    (nas / "survey" / made / "manifest.json").unlink()
    removed = result(run(target, "backup.prune", lambda run: remove.steps(run, "nas")))["pruned"]
    assert removed == ["2026-01-01T000000Z-0000"], "what the host can finish stays"
    assert [path.name for path in (nas / "survey").iterdir()] == [made]
