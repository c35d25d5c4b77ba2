"""Drills of every kind of source against real engines, here and over SSH."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from opslib.backup import coverage, sets
from opslib.backup.drill import steps as drill
from opslib.command import bash
from opslib.run.fleet import carry_out, look_on
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.tasks._recovery import Recoveries
from tests.lab.contract import SUBJECTS, Ground, on_ground
from tests.lab.contract.subject import Subject
from tests.lab.project import why, worked

pytestmark = pytest.mark.lab
each_kind = pytest.mark.parametrize("subject", SUBJECTS, indirect=True)

KILLED = """
import os, pickle, signal, sys
from opslib.backup.drill import steps as drill
from opslib.events import StepStarted
from opslib.run.fleet import carry_out
from opslib.run.task import Task
from opslib.settings.model import Host
from opslib.target.connect import connect
host, made = pickle.loads(bytes.fromhex(sys.argv[1]))
def tell(event):
    if isinstance(event, StepStarted) and event.step == "restore there":
        os.kill(os.getpid(), signal.SIGKILL)
options = drill.Options(set=made, source="redis", here=connect(Host(name="local", path=".")))
carry_out(Task("backup.drill", lambda run: drill.steps(run, options)), [connect(host, tell)])
"""


@dataclass
class Drilled:
    """A set of everything on a project, and what a drill of it found."""

    ground: Ground
    made: str
    good: dict[str, Any]
    began: dict[str, str]
    found: dict[str, Any]


def carried_out(ground: Ground, **options: Any) -> Record:
    wanted = drill.Options(here=ground.here, **options)
    task = Task("backup.drill", lambda run: drill.steps(run, wanted), known=Recoveries(), wait=60.0)
    return carry_out(task, [ground.target])


def running(ground: Ground) -> dict[str, str]:
    return {one.name: one.started_at for one in ground.look().containers}


def left(ground: Ground) -> list[str]:
    """What there is of drills on the engine and in the state folder."""
    text = """docker ps -a --format '{{.Names}}' | grep opslib-drill; docker volume ls -q | grep opslib-drill
ls -A -- "$1" | grep -e drill- -e run.log -e reloading -e users; true"""
    return ground.target.run(bash(text, ground.target.state)).lines


@pytest.fixture(scope="module", params=["local", "ssh"])
def drilled(request: pytest.FixtureRequest) -> Iterator[Drilled]:
    chosen = {item.callspec.params.get("subject") for item in request.session.items if item.path == request.path}
    kinds = [kind for kind in SUBJECTS if kind in {*chosen, "redis"}]
    with on_ground(request, *kinds) as ground:
        made, good, began = worked(ground.backup())["set"], ground.seen(), running(ground)
        yield Drilled(ground, made, good, began, worked(carried_out(ground, set=made))["drill"])


@pytest.fixture
def subject(request: pytest.FixtureRequest, drilled: Drilled) -> Subject:
    return drilled.ground.subjects[request.param]


@each_kind
def test_each_is_restored_and_counted(drilled: Drilled, subject: Subject) -> None:
    mine = {one.file: one for one in drilled.ground.artifacts(drilled.made) if one.kind == subject.kind}
    restored = {one["file"]: one for one in drilled.found["restored"] if one["file"] in mine}
    wanted = {file: one.counts for file, one in mine.items() if one.facts.get("part") != "globals"}
    assert wanted
    assert {file: one["counts"] for file, one in restored.items()} == wanted
    assert all(one["seconds"] > 0 for one in restored.values())
    compared = [one["compared"] for one in restored.values()]
    assert all(one["counts"] for one in compared)
    assert all(one["bytes"] for one in compared) == (subject.kind in ("sqlite", "volume", "files"))
    assert all(one["contents"] and one["definitions"] for one in compared) == (subject.kind in ("postgres", "mysql"))


def test_coverage_tells_that_all_of_it_was_drilled(drilled: Drilled) -> None:
    ground = drilled.ground
    record = look_on("backup.coverage", [ground.target], lambda run: coverage.coverage(run, ground.here))
    held = {one["what"]: one["drill"] for one in record.hosts[0].result["coverage"] if one["set"]}
    assert held
    assert [what for what, age in held.items() if age is None] == []


def test_what_runs_is_as_it_was_and_nothing_is_left(drilled: Drilled) -> None:
    ground = drilled.ground
    assert running(ground) == drilled.began
    assert ground.seen() == drilled.good
    assert left(ground) == []
    assert drilled.found["seconds"] >= max(one["seconds"] for one in drilled.found["restored"])


def test_a_set_that_cannot_be_restored_is_found_out(drilled: Drilled) -> None:
    """Every digest is right; its counts are not."""
    ground = drilled.ground
    redis = ground.subjects["redis"]
    file = ground.file(drilled.made, "redis", redis.name)
    lie = {"db0": {"keys": 7777, "persistent": 7777}}
    doctored = ground.doctored(file, counts=lie)
    said = why(carried_out(ground, set=doctored.rpartition("/")[0]))
    assert "7777 in the set" in said
    assert left(ground) == []
    assert running(ground) == drilled.began


@pytest.mark.parametrize("subject", ["postgres"], indirect=True)
def test_rows_that_are_others_are_found_out_by_their_hash(drilled: Drilled, subject: Subject) -> None:
    """They are as many as the set says."""
    ground = drilled.ground
    (made,) = [one for one in ground.artifacts(drilled.made) if one.name == subject.name]
    assert made.fingerprint is not None
    lie = replace(made.fingerprint, contents={**made.fingerprint.contents, "public.notes": "7"})
    doctored = ground.doctored(ground.file(drilled.made, "postgres", subject.name), fingerprint=lie)
    said = why(carried_out(ground, set=doctored.rpartition("/")[0]))
    assert "public.notes: other contents" in said
    assert left(ground) == []


def test_what_a_killed_drill_left_the_next_run_takes_away(drilled: Drilled) -> None:
    ground = drilled.ground
    given = pickle.dumps((ground.host, drilled.made)).hex()
    done = subprocess.run([sys.executable, "-c", KILLED, given], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, (done.returncode, done.stdout, done.stderr)
    assert [one for one in left(ground) if one.startswith("opslib-drill")]
    before = sets.list_sets(ground.target)
    worked(carried_out(ground, set=drilled.made, source="redis"))
    assert left(ground) == []
    assert sets.list_sets(ground.target) == before
    assert running(ground) == drilled.began
