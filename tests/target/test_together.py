"""Fleets: hosts that take turns, some of which may fail, and a controller that dies in the middle. They are folders of
this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from opslib.command import bash
from opslib.errors import OpsError
from opslib.run.fleet import carry_out
from opslib.run.log import path
from opslib.run.record import Record
from opslib.run.rollout import Rollout
from opslib.run.step import AnyStep, Run, Step, recoveries
from opslib.run.task import Task
from opslib.settings.model import Host
from opslib.state import journal
from opslib.target.base import Target
from opslib.target.local import Local
from opslib.target.lock import locked
from opslib.target.transfer import read_file
from tests.conftest import ROOT

NAMES = "abcde"
_WRITE = 'printf %s "$2" >"$1"'


class Steps:
    """Three steps on each host: one ahead, one that switches, one at the end. `bad` hosts fail in their switch, `refused`
    ones beforehand. `order` is what happened, in order."""

    def __init__(self, bad: str = "", refused: str = "") -> None:
        self.bad, self.refused = bad, refused
        self.order: list[str] = []
        self.at_once = self.most = 0
        self._guard = threading.Lock()

    def __call__(self, run: Run) -> list[AnyStep]:
        if run.host in self.refused:
            raise OpsError("it cannot go well")
        return [self._step("ahead"), self._step("switch", switches=True), self._step("last", final=True)]

    def _step(self, name: str, **more: Any) -> Step[dict[str, str]]:
        def do(run: Run, memo: dict[str, str]) -> None:
            with self._guard:
                self.order.append(f"{name} {run.host}")
                self.at_once += 1
                self.most = max(self.most, self.at_once if name == "switch" else 0)
            if name == "switch" and run.host in self.bad:
                self.at_once -= 1
                raise OpsError("it does not work")
            run.target.run(bash(_WRITE, f"{run.target.root}/{name}", "new"))
            with self._guard:
                self.at_once -= 1

        def undo(run: Run, memo: dict[str, str]) -> None:
            run.target.run(bash(_WRITE, f"{run.target.root}/{name}", memo["was"]))
            self.order.append(f"undo {name} {run.host}")

        return Step(name, lambda run: {"was": "old"}, do, undo, **more)

    def said(self, what: str) -> list[str]:
        return [line.split()[-1] for line in self.order if line.startswith(what)]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[list[Target]]:
    targets = hosts(tmp_path)
    for target in targets:
        for name in ("ahead", "switch"):
            target.run(bash(_WRITE, f"{target.root}/{name}", "old"))
    yield targets
    for target in targets:
        target.close()


def hosts(folder: Path) -> list[Target]:
    return [Local(Host(name=name, path=str(folder / name))) for name in NAMES]


def go(targets: Sequence[Target], steps: Steps, **rollout: Any) -> Record:
    known = recoveries(*Steps()(Run("", "", targets[0], ())))
    return carry_out(Task("test", steps, known, wait=60, rollout=Rollout(**rollout)), targets)


def state(targets: Sequence[Target]) -> str:
    """Of each host `n` or `o`; `?` where it is half."""
    found = []
    for target in targets:
        text = {Path(target.root, name).read_text() for name in ("ahead", "switch")}
        found.append({("new",): "n", ("old",): "o"}.get(tuple(text), "?"))
    return "".join(found)


def errors(record: Record) -> dict[str, str]:
    return {host.host: host.error["what"] or "" for host in record.hosts if host.error}


def test_ahead_all_at_once_then_one_alone_then_batches(fleet: list[Target]) -> None:
    steps = Steps()
    record = go(fleet, steps, batch=2)
    assert (record.exit, state(fleet)) == (0, "nnnnn")
    assert set(steps.order[:5]) == {f"ahead {name}" for name in NAMES}
    assert [steps.order[5], set(steps.order[6:8]), set(steps.order[8:10])] == [
        "switch a", {"switch b", "switch c"}, {"switch d", "switch e"},
    ]  # fmt: skip
    assert sorted(steps.said("last")) == list(NAMES)
    assert steps.most <= 2
    assert all(read_file(target, path(target)) is None for target in fleet)


def test_one_that_fails_puts_all_back(fleet: list[Target]) -> None:
    steps = Steps(bad="d")
    record = go(fleet, steps, batch=2)
    assert (record.exit, state(fleet)) == (1, "ooooo")
    assert sorted(steps.said("undo switch")) == list(NAMES), "also those of the batch that went well"
    assert errors(record) == {"d": "it does not work", **dict.fromkeys("abce", "undone because d failed")}
    assert steps.order.index("undo switch d") < steps.order.index("undo switch a"), "it does not wait for the others"


def test_what_the_first_cannot_do_is_tried_on_no_other(fleet: list[Target]) -> None:
    steps = Steps(bad="a")
    go(fleet, steps, batch=4)
    assert (steps.said("switch"), state(fleet)) == (["a"], "ooooo")


def test_so_many_may_fail(fleet: list[Target]) -> None:
    steps = Steps(bad="ac", refused="e")
    record = go(fleet, steps, batch=3, failures=3)
    assert (record.exit, state(fleet)) == (1, "onono")
    assert errors(record) == {"a": "it does not work", "c": "it does not work", "e": "it cannot go well"}
    assert steps.order[4:6] == ["switch a", "undo switch a"], "one alone, until one has gone well"
    assert steps.order.index("switch b") < steps.order.index("switch c")
    assert [entry["ok"] for target in fleet for entry in journal.read(target)] == [False, True, False, True, False]


def test_one_too_many(fleet: list[Target]) -> None:
    record = go(fleet, Steps(bad="ce"), batch=2, failures=1)
    assert (record.exit, state(fleet)) == (1, "ooooo")
    assert errors(record)["b"] == "undone because c, e failed"


def test_each_for_itself(fleet: list[Target]) -> None:
    steps = Steps(bad="bd")
    record = go(fleet, steps, batch=2, failures=None)
    assert (record.exit, state(fleet)) == (1, "nonon")
    assert errors(record).keys() == {"b", "d"}
    assert steps.order.index("last a") < steps.order.index("switch c"), "it is done, whatever comes"
    assert [entry["hosts"] for target in fleet for entry in journal.read(target)] == [[name] for name in NAMES]


def test_an_interruption_of_each_for_itself_leaves_what_was_done(fleet: list[Target]) -> None:
    steps = Steps()

    def interrupted(run: Run) -> list[AnyStep]:
        def do(run: Run, memo: object) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            run.target.run(bash("sleep 60"))

        first, *rest = steps(run)
        return [first, Step("hang", lambda run: {}, do, switches=True), *rest] if run.host == "c" else [first, *rest]

    known = recoveries(*steps(Run("", "", fleet[0], ())))
    record = carry_out(Task("test", interrupted, known, rollout=Rollout(1, None)), fleet)
    assert (record.exit, state(fleet)) == (130, "nnooo")
    assert set(errors(record)) == {"c", "d", "e"}


def test_an_interruption_does_not_reach_a_host_that_is_being_put_back(fleet: list[Target]) -> None:
    steps = Steps()

    def failing(run: Run) -> list[AnyStep]:
        def do(run: Run, memo: object) -> None:
            raise OpsError("it does not work")

        def undo(run: Run, memo: object) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            while not fleet[0].cancelled:
                threading.Event().wait(0.01)
            run.target.run(bash(_WRITE, f"{run.target.root}/undone", "yes"))

        made = steps(run)
        return [*made[:2], Step("fail", lambda run: {}, do, undo)] if run.host == "c" else made

    record = carry_out(Task("test", failing, recoveries(*steps(Run("", "", fleet[0], ()))), rollout=Rollout(5)), fleet)
    assert state(fleet) == "ooooo"
    assert Path(fleet[2].root, "undone").read_text() == "yes"
    assert errors(record)["c"] == "it does not work"
    assert {one.code for one in record.hosts if one.host != "c"} == {130}


def test_a_mistake_of_ours_puts_all_back(fleet: list[Target]) -> None:
    steps = Steps()

    def clumsy(run: Run) -> list[AnyStep]:
        made = steps(run)

        def do(run: Run, memo: object) -> None:
            raise KeyError("x")

        return [*made[:2], Step("clumsy", lambda run: {}, do)] if run.host == "c" else made

    record = carry_out(Task("test", clumsy, rollout=Rollout(2)), fleet)
    assert (record.exit, state(fleet)) == (1, "ooooo")
    assert "unexpected KeyError" in errors(record)["c"]


def test_who_has_nothing_to_do_has_no_turn(fleet: list[Target]) -> None:
    steps = Steps()

    def some(run: Run) -> list[AnyStep]:
        return steps(run) if run.host in "bd" else []

    planned = carry_out(Task("test", some, plan=True, rollout=Rollout(2)), fleet)
    assert [host.result.get("turn") for host in planned.hosts] == [None, 1, None, 2, None]
    record = carry_out(Task("test", some, rollout=Rollout(2)), fleet)
    assert (record.exit, state(fleet), steps.said("switch")) == (0, "onono", ["b", "d"])


# -- the locks


def test_a_host_that_is_held_is_named_and_nothing_begins(fleet: list[Target]) -> None:
    steps = Steps()
    with locked(hosts(Path(fleet[0].root).parent)[3], run="x", holder="anna@desk: deploy"):
        known = recoveries(*steps(Run("", "", fleet[0], ())))
        record = carry_out(Task("test", steps, known), fleet)
        assert (record.exit, steps.order) == (4, [])
        assert "anna@desk" in errors(record)["d"]
        assert errors(record)["a"] == "not begun because d failed"
        record = carry_out(Task("test", steps, known, rollout=Rollout(failures=1)), fleet)
        assert (record.exit, state(fleet)) == (4, "nnnon")


def test_two_runs_that_want_the_same_hosts_take_turns(tmp_path: Path, fleet: list[Target]) -> None:
    """Whatever order they name them in, and however much of it they share."""
    sets = [fleet, hosts(tmp_path)[::-1], hosts(tmp_path)[1:4]]
    records: list[Record] = []

    def run(targets: list[Target]) -> None:
        records.append(go(targets, Steps(), batch=2))

    threads = [threading.Thread(target=run, args=(one,)) for one in sets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [record.exit for record in records] == [0, 0, 0], [errors(record) for record in records]
    runs = {name: [entry["run"] for entry in journal.read(target)] for name, target in zip(NAMES, fleet, strict=True)}
    assert [len(runs[name]) for name in NAMES] == [2, 3, 3, 3, 2]
    assert runs["b"] == runs["c"] == runs["d"], "the order is the same everywhere"


# -- the controller is killed

_KILLED = """
import os, pathlib, signal, sys, threading
from opslib.target.base import Target
from tests.target.test_together import Steps, go, hosts
folder, what, count = pathlib.Path(sys.argv[1]), sys.argv[2].encode(), int(sys.argv[3])
start, guard, seen = Target.start, threading.Lock(), 0

def counted(self, cmd):
    global seen
    with guard:
        feed = cmd.feed if isinstance(cmd.feed, bytes) else b""
        seen += what in feed
        if seen == count:
            os.kill(os.getpid(), signal.SIGKILL)
    return start(self, cmd)

Target.start = counted
go(hosts(folder), Steps(), batch=2)
"""


@pytest.mark.parametrize(
    ("what", "count", "apart", "ends"),
    [
        ('"step":"switch"', 3, False, "ooooo"),  # one is new, two begin
        ('"ready":', 1, False, "ooooo"),
        ('"ready":', 4, True, "ooooo"),
        ('"commit":', 1, False, "nnnnn"),  # none has committed, and all are ready
        ('"commit":', 3, True, "nnnnn"),
        ('"finished":', 3, False, "nnnnn"),
        ('"committed":', 4, True, "nnnnn"),  # the journal
    ],
)
def test_a_controller_that_is_killed(
    tmp_path: Path, fleet: list[Target], what: str, count: int, apart: bool, ends: str
) -> None:
    """`apart`: the next runs come to one host after the other."""
    process = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), what, str(count)], cwd=ROOT, check=False)
    assert process.returncode == -signal.SIGKILL
    by_name = {target.host.name: target for target in hosts(tmp_path)}
    known = recoveries(*Steps()(Run("", "", fleet[0], ())))
    nothing = Task("other", lambda run: [], known, wait=60, peer=by_name.get)
    began = time.monotonic()
    for group in [[target] for target in fleet] if apart else [fleet]:
        record = carry_out(nothing, group)
        assert record.ok, errors(record)
    assert time.monotonic() - began < 60
    assert state(fleet) == ends
    assert all(read_file(target, path(target)) is None for target in fleet)


def test_a_host_that_cannot_be_asked_keeps_no_other_from_its_end(tmp_path: Path, fleet: list[Target]) -> None:
    """It may have committed: the others were all ready. When it comes back it asks them."""
    words = [sys.executable, "-c", _KILLED, str(tmp_path), '"commit":', "2"]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    known = recoveries(*Steps()(Run("", "", fleet[0], ())))
    for group in (fleet[:4], fleet[4:]):
        others = {target.host.name: target for target in hosts(tmp_path) if target.host.name in NAMES[:4]}
        record = carry_out(Task("other", lambda run: [], known, wait=60, peer=others.get), group)
        assert record.ok, errors(record)
    assert state(fleet) == "nnnnn"
