"""Runs on real targets: whatever interrupts one, the next look finds all old or all new."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from opslib.command import bash, quote
from opslib.errors import OpsError
from opslib.run import watchdog
from opslib.run.fleet import carry_out
from opslib.run.log import Log, path
from opslib.run.record import Record
from opslib.run.step import AnyStep, Recovery, Run, Step, recoveries
from opslib.run.task import Task
from opslib.state import journal
from opslib.target import lock
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.transfer import read_file
from tests.conftest import Place

_WRITE = 'printf %s "$2" >"$1"'


def steps(run: Run, mode: str = "") -> list[AnyStep]:
    """Two steps that write new over old, something that goes wrong, and a final step."""

    def write(name: str) -> Step[dict[str, Any]]:
        def put(run: Run, value: str) -> None:
            run.target.run(bash(_WRITE, f"{run.target.root}/{name}", value))

        return Step(
            f"write {name}",
            look=lambda run: {"was": "old"},
            do=lambda run, memo: put(run, "new"),
            undo=lambda run, memo: put(run, memo["was"]),
        )

    def trouble(run: Run, memo: object) -> None:
        watchdog.arm(run, f"echo back >> {quote(run.target.state)}/served")
        print("ready", flush=True)
        if mode == "fail":
            raise OpsError("it does not work", next="mend it")
        if mode == "hang":
            run.target.run(bash("sleep 600", limit=700))
        watchdog.disarm(run.target, run.id)

    def calm(run: Run, memo: object) -> None:
        watchdog.disarm(run.target, run.id)

    def tidy(run: Run, memo: object) -> None:
        run.target.run(bash(_WRITE, f"{run.target.root}/tidied", "yes"))

    return [
        write("a"),
        Step("trouble", look=lambda run: {}, do=trouble, undo=calm),
        write("b"),
        Step("tidy", look=lambda run: {}, do=tidy, final=True),
    ]


def known() -> dict[str, Recovery]:
    return recoveries(*steps(None))  # type: ignore[arg-type]


def carry(target: Target, mode: str = "", **options: Any) -> Record:
    return carry_out(Task("test", lambda run: steps(run, mode), known(), wait=90, **options), [target])


def contents(target: Target) -> str:
    out = target.run(bash('cd "$1"; for f in a b; do [[ -e $f ]] && cat $f || printf -; printf " "; done', target.root))
    return out.text.strip()


@pytest.fixture
def prepared(target: Target) -> Target:
    for name in "ab":
        target.run(bash(_WRITE, f"{target.root}/{name}", "old"))
    return target


def controller(place: Place, mode: str) -> subprocess.Popen[str]:
    """The same run in a process of its own, begun."""
    code = (
        "import sys, json; from tests.target.test_run import carry; from opslib.target.connect import connect\n"
        "from opslib.settings.model import Host; from opslib.settings.units import Address\n"
        "kind, path, mode = sys.argv[1:]\n"
        "host = Host(name='one' if kind == 'ssh' else 'local', path=path, "
        "address=Address('one') if kind == 'ssh' else None)\n"
        "record = carry(connect(host), mode); print(json.dumps(record.as_json())); sys.exit(record.exit)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, place.kind, place.host.path, mode],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent.parent,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def held(target: Target, done: list[str]) -> None:
    """A run that has left something standing."""
    hold: Step[str] = Step("hold", lambda run: "first", lambda run, memo: done.append("begun"), stays=lambda run: True)
    record = carry_out(Task("test", lambda run: [*steps(run), hold], known(), wait=90), [target])
    assert (record.ok, contents(target)) == (True, "new new")
    assert read_file(target, path(target)) is not None


def ends(done: list[str], mine: str | None = None) -> dict[str, Recovery]:
    return {
        **known(),
        "hold": Recovery(
            undo=lambda run, memo: done.append(f"undone {memo}"), finish=lambda run, memo: done.append(f"ended {memo}"),
            take_over=lambda run, memo: mine,
        ),
    }  # fmt: skip


def test_what_stays_is_ended_by_the_next_run(prepared: Target) -> None:
    done: list[str] = []
    held(prepared, done)
    assert carry_out(Task("other", lambda run: [], ends(done), wait=90), [prepared]).ok
    assert (done, read_file(prepared, path(prepared))) == (["begun", "ended first"], None)


def test_what_stays_is_undone_where_the_run_fails_after_it(prepared: Target) -> None:
    done: list[str] = []
    hold: Step[str] = Step(
        "hold", lambda run: "mine", lambda run, memo: done.append("begun"),
        lambda run, memo: done.append(f"undone {memo}"), stays=lambda run: True,
    )  # fmt: skip
    task = Task("test", lambda run: [hold, *steps(run, "fail")], known(), wait=90)
    assert carry_out(task, [prepared]).exit == 1
    assert (done, read_file(prepared, path(prepared))) == (["begun", "undone mine"], None)


def test_what_stays_is_taken_over_when_a_step_begins(prepared: Target) -> None:
    """And is in the log at each moment: nothing that is refused or killed loses it."""
    done: list[str] = []
    held(prepared, done)
    before = read_file(prepared, path(prepared))

    def refuse(run: Run) -> list[AnyStep]:
        raise OpsError("no")

    for nothing in (refuse, lambda run: []):
        carry_out(Task("other", nothing, ends(done, "mine"), wait=90), [prepared])
        assert (done, read_file(prepared, path(prepared))) == (["begun"], before)
    assert carry_out(Task("other", lambda run: steps(run, "fail"), ends(done, "mine"), wait=90), [prepared]).exit == 1
    assert (done, read_file(prepared, path(prepared))) == (["begun", "undone mine"], None)
    held(prepared, done)
    assert carry_out(Task("other", steps, ends(done, "mine"), wait=90), [prepared]).ok
    assert (done[2:], read_file(prepared, path(prepared))) == (["begun"], None), "a step of the run ended it"


def test_what_was_taken_over_is_undone_or_ended_when_that_run_was_killed(prepared: Target) -> None:
    for committed, end in ((False, "undone mine"), (True, "ended mine")):
        done: list[str] = []
        log = Log(prepared, {"run": "r2", "task": "other", "hosts": []})
        log.take_over("hold", "mine")
        log.write({"step": "write a", "memo": {"was": "old"}})
        if committed:
            log.write({"commit": True})
        assert carry_out(Task("third", lambda run: [], ends(done), wait=90), [prepared]).ok
        assert (done, read_file(prepared, path(prepared))) == ([end], None)


def test_a_watchdog_that_waits_acts_at_once_when_it_is_started_anew(target: Target) -> None:
    run = Run("R1", "test", target, (target.host.name,))
    served = f"{target.state}/served"
    assert not watchdog.arm(run, f"echo back >> {quote(served)}", after=600), "no container without an image"
    assert read_file(target, served) is None
    words = [f"{target.state}/watchdog.bash", target.state, "R1", "600"]
    target.run(bash('timeout 60 bash "$@"', *words, limit=70))
    assert read_file(target, served) == b"back\n"
    watchdog.disarm(target, "R1")


# $1 the .opslib folder: the shell that holds its lock
_KEEPER = """for fd in /proc/[0-9]*/fd/8; do
  [[ $fd -ef $1/lock ]] || continue
  p=${fd#/proc/}; p=${p%%/*}
  tr '\\0' ' ' </proc/$p/cmdline | grep -q watchdog || kill -9 "$p"
done"""


@pytest.mark.parametrize("fate", ["killed", "silent"])
def test_a_run_that_the_server_took_for_gone_goes_no_further(
    prepared: Target, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    """Its line comes back before it has noticed anything, and the watchdog has been there: it must not end as done."""
    monkeypatch.setattr(lock, "BEAT", 1000.0)

    def out_of_reach(run: Run, memo: object) -> None:
        if fate == "killed":
            outside = connect(prepared.host)
            outside.run(bash(_KEEPER, run.target.state))
            outside.close()
        deadline = time.monotonic() + 60
        while read_file(observer, f"{run.target.state}/served") is None:
            assert time.monotonic() < deadline, "the watchdog did not act"
            time.sleep(0.5)

    def more(run: Run) -> list[AnyStep]:
        *first, last, tidy = steps(run)
        first[1] = Step("trouble", lambda run: {}, lambda run, memo: armed(run), lambda run, memo: disarm(run))
        return [*first, Step("away", lambda run: {}, out_of_reach), last, tidy]

    def armed(run: Run) -> None:
        watchdog.arm(run, f"echo back >> {quote(run.target.state)}/served")

    def disarm(run: Run) -> None:
        watchdog.disarm(run.target, run.id)

    observer = connect(prepared.host)
    try:
        record = carry_out(Task("test", more, known(), wait=90), [prepared])
    finally:
        observer.close()
    assert not record.ok
    assert "gave the lock up" in str(record.hosts[0].error), record.hosts[0].error
    assert contents(prepared) == "old old"
    assert read_file(prepared, path(prepared)) is None
    assert carry(prepared).ok


def test_forward_commit_finish(prepared: Target) -> None:
    record = carry(prepared)
    assert record.ok
    assert [step.status for step in record.hosts[0].steps] == ["done"] * 4
    assert contents(prepared) == "new new"
    assert read_file(prepared, f"{prepared.root}/tidied") == b"yes"
    assert read_file(prepared, path(prepared)) is None
    entry = journal.read(prepared)[-1]
    assert entry["ok"]
    assert entry["committed"]
    assert prepared.run(bash('ls "$1"', prepared.state)).lines == [
        "busy", "journal.jsonl", "lock", "procs", "watchdog.bash",
    ]  # fmt: skip


def test_a_failure_undoes_in_reverse(prepared: Target) -> None:
    record = carry(prepared, "fail")
    assert record.exit == 1
    assert [(step.name, step.status) for step in record.hosts[0].steps] == [
        ("write a", "done"), ("trouble", "failed"), ("trouble", "undone"), ("write a", "undone"),
    ]  # fmt: skip
    assert record.hosts[0].error == {"what": "it does not work", "left": None, "next": "mend it"}
    assert contents(prepared) == "old old"
    assert read_file(prepared, path(prepared)) is None
    assert not journal.read(prepared)[-1]["ok"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_undoes_and_exits_130(place: Place, prepared: Target, number: signal.Signals) -> None:
    process = controller(place, "hang")
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out)["exit"] == 130
    assert contents(prepared) == "old old"
    assert read_file(prepared, path(prepared)) is None
    assert read_file(prepared, f"{prepared.state}/served") is None


def test_after_kill_9_the_server_helps_itself_and_the_next_run_undoes(place: Place, prepared: Target) -> None:
    process = controller(place, "hang")
    process.kill()
    process.wait()
    script = "for ((i=0;i<600;i++)); do [[ -s $1 ]] && exit 0; sleep .1; done; exit 1"
    prepared.run(bash(script, f"{prepared.state}/served", limit=70.0))
    record = carry(prepared, "fail")  # recovery comes first, and this one fails too: everything must be old
    assert [step.name for step in record.hosts[0].steps if step.status == "undone"][:2] == ["trouble", "write a"]
    assert contents(prepared) == "old old"
    record = carry(prepared)
    assert record.ok
    assert contents(prepared) == "new new"


def test_a_commit_left_behind_is_finished(prepared: Target) -> None:
    from opslib.state import lines

    head = {"run": "dead", "task": "test", "hosts": ["x"]}
    lines.append(prepared, path(prepared), head, {"step": "write a", "memo": {"was": "old"}}, {"commit": True})
    lines.append(prepared, path(prepared), {"step": "tidy", "memo": {}, "final": True})
    record = carry_out(Task("test", lambda run: [], known()), [prepared])
    assert record.ok
    assert read_file(prepared, f"{prepared.root}/tidied") == b"yes"
    assert read_file(prepared, path(prepared)) is None


def test_what_goes_on_whatever_comes_is_never_undone(prepared: Target, place: Place) -> None:
    """A run that is `onward`: what it has done stays when it fails, and when it was killed; the next one says so."""
    failed = carry_out(Task("make", lambda run: steps(run, "fail")[:2], known(), wait=90, onward=True), [prepared])
    assert failed.exit == 1
    assert contents(prepared).startswith("old"), "a step with an undo is undone as ever"
    Log(prepared, {"run": "r1", "task": "make", "hosts": [], "onward": True}).write(
        {"step": "write a", "memo": {"was": "older"}}
    )
    place.events.clear()
    assert carry_out(Task("other", lambda run: [], known(), wait=90), [prepared]).ok
    assert "older" not in contents(prepared)
    assert "make r1 was interrupted; what it had done stays" in str(place.events)
    assert read_file(prepared, path(prepared)) is None


def test_a_failed_undo_blocks_until_it_works(prepared: Target) -> None:
    from opslib.state import lines

    head = {"run": "dead", "task": "test", "hosts": ["x"]}
    lines.append(prepared, path(prepared), head, {"step": "stubborn", "memo": {}})
    broken = [True]

    def undo(run: Run, memo: object) -> None:
        if broken:
            raise OpsError("still broken", next="repair it")

    task = Task("test", lambda run: steps(run), {**known(), "stubborn": Recovery(undo)})
    record = carry_out(task, [prepared])
    assert record.exit == 1
    assert record.hosts[0].error is not None
    assert "still broken" in str(record.hosts[0].error["what"])
    assert contents(prepared) == "old old"
    broken.clear()
    assert carry_out(task, [prepared]).ok
    assert contents(prepared) == "new new"


def test_nothing_to_do_writes_nothing(prepared: Target) -> None:
    record = carry_out(Task("test", lambda run: [Step("x", lambda run: None, lambda run, memo: None)]), [prepared])
    assert record.ok
    assert not record.hosts[0].changed
    assert journal.read(prepared) == []


def test_plan_touches_nothing(prepared: Target) -> None:
    record = carry(prepared, plan=True)
    assert record.ok
    assert [entry["step"] for entry in record.hosts[0].result["plan"]] == ["write a", "trouble", "write b", "tidy"]
    assert contents(prepared) == "old old"
    assert read_file(prepared, f"{prepared.state}/lock") is None


def two(tmp_path: Path) -> list[Target]:
    from opslib.settings.model import Host
    from opslib.target.local import Local

    found: list[Target] = []
    for name in ("east", "west"):
        target = Local(Host(name=name, path=str(tmp_path / name)))
        for file in "ab":
            target.run(bash(_WRITE, f"{target.root}/{file}", "old"))
        found.append(target)
    return found


def test_a_fleet_commits_together_or_not_at_all(tmp_path: Path) -> None:
    targets = two(tmp_path)

    def mixed(run: Run) -> list[AnyStep]:
        return steps(run, "fail" if run.host == "west" else "")

    record = carry_out(Task("test", mixed, known()), targets)
    assert record.exit == 1
    assert [contents(target) for target in targets] == ["old old", "old old"]
    assert record.hosts[0].error == {
        "what": "undone because west failed", "left": "everything: what was begun has been undone", "next": None,
    }  # fmt: skip
    record = carry_out(Task("test", steps, known()), targets)
    assert record.ok
    assert [contents(target) for target in targets] == ["new new", "new new"]


def test_what_one_host_refuses_keeps_the_other_from_beginning(tmp_path: Path) -> None:
    targets = two(tmp_path)

    def picky(run: Run) -> list[AnyStep]:
        if run.host == "west":
            raise OpsError("the port is taken", host=run.host)
        return steps(run)

    record = carry_out(Task("test", picky, known()), targets)
    assert [host.steps for host in record.hosts] == [[], []]
    assert [host.error["what"] for host in record.hosts if host.error] == [
        "not begun because west failed", "the port is taken",
    ]  # fmt: skip
    assert [contents(target) for target in targets] == ["old old", "old old"]


def test_each_for_itself(tmp_path: Path) -> None:
    targets = two(tmp_path)

    def mixed(run: Run) -> list[AnyStep]:
        return steps(run, "fail" if run.host == "west" else "")

    record = carry_out(Task("test", mixed, known(), together=False), targets)
    assert record.exit == 1
    assert [host.ok for host in record.hosts] == [True, False]
    assert [contents(target) for target in targets] == ["new new", "old old"]
    assert [[entry["hosts"] for entry in journal.read(target)] for target in targets] == [[["east"]], [["west"]]]


def test_an_interruption_ends_those_that_are_not_done(tmp_path: Path) -> None:
    targets = two(tmp_path)
    hangs = threading.Event()

    def hang(run: Run, memo: object) -> None:
        hangs.set()
        run.target.run(bash("sleep 600", limit=700))

    def mixed(run: Run) -> list[AnyStep]:
        made = steps(run)
        return made if run.host == "east" else [made[0], Step("hang", lambda run: {}, hang)]

    def interrupt() -> None:
        hangs.wait(20)
        while not Path(targets[0].state, "journal.jsonl").exists():  # the last that is written
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    record = carry_out(Task("test", mixed, known(), together=False), targets)
    assert [host.code for host in record.hosts] == [0, 130]
    assert record.hosts[0].seconds < record.hosts[1].seconds, "of each its own"
    assert record.exit == 130
    assert [contents(target) for target in targets] == ["new new", "old old"]
    assert read_file(targets[1], path(targets[1])) is None


def test_a_host_that_missed_the_commit_learns_it_from_the_others(tmp_path: Path) -> None:
    from opslib.state import lines

    east, west = two(tmp_path)
    head = {"run": "dead", "task": "test", "hosts": ["east", "west"]}
    ready = {"ready": ["east", "west"]}
    for target in (east, west):
        target.run(bash(_WRITE, f"{target.root}/a", "new"))
        lines.append(target, path(target), head, {"step": "write a", "memo": {"was": "old"}}, ready)
    lines.append(east, path(east), {"commit": True})
    task = Task("test", lambda run: [], known(), peer=lambda name: {"east": east}.get(name))
    assert carry_out(task, [west]).ok
    assert contents(west).split()[0] == "new"
    assert any(entry["run"] == "dead" and entry["committed"] for entry in journal.read(west)), "it can be asked, too"
    # and when one of them was not ready, nobody had committed, and it goes back
    lines.append(west, path(west), {**head, "run": "dead2"}, {"step": "write a", "memo": {"was": "old"}}, ready)
    assert carry_out(task, [west]).ok
    assert contents(west).split()[0] == "old"


def test_a_lost_line_is_taken_up_again_to_undo(place: Place, prepared: Target) -> None:
    if place.kind == "local":
        prepared.lose()
        prepared.reconnect()
    lost = threading.Event()

    def lose(run: Run, memo: object) -> None:
        threading.Timer(0.5, run.target.lose).start()
        lost.set()
        run.target.run(bash("sleep 600", limit=700))

    def go(run: Run) -> list[AnyStep]:
        return [steps(run)[0], Step("lose", lambda run: {}, lose)]

    record = carry_out(Task("test", go, known()), [prepared])
    assert lost.is_set()
    assert record.exit == 1
    assert contents(prepared) == "old old"
    assert read_file(prepared, path(prepared)) is None
