"""What the recovery log and a record say, without any machine."""

from __future__ import annotations

from opslib.errors import Locked, NeedsYes, OpsError, Unhealthy
from opslib.run.log import left_behind
from opslib.run.record import HostRecord, Record, failed

HEAD = {"run": "r1", "task": "deploy", "hosts": ["a", "b"]}


def test_nothing_is_left_of_an_empty_log() -> None:
    assert left_behind([]) is None
    assert left_behind([{"fired": "r1"}]) is None


def test_steps_in_order_with_their_memos() -> None:
    left = left_behind([HEAD, {"step": "x", "memo": 1}, {"step": "y", "memo": {"a": 2}}, {"undone": "y"}])
    assert left is not None
    assert left.hosts == ("a", "b")
    assert left.steps == [("x", 1), ("y", {"a": 2})]
    assert left.undone == {"y"}
    assert not left.committed


def test_a_commit_and_what_was_finished_since() -> None:
    left = left_behind(
        [HEAD, {"step": "x", "memo": 1}, {"commit": True}, {"step": "z", "memo": 3, "final": True}, {"finished": "z"}]
    )
    assert left is not None
    assert left.committed
    assert left.finals == [("z", 3)]
    assert left.finished == {"z"}


def test_a_failed_undo_is_remembered_until_it_is_undone() -> None:
    entries = [HEAD, {"step": "x", "memo": 1}, {"stuck": "x", "why": "disk full"}]
    left = left_behind(entries)
    assert left is not None
    assert left.stuck == "x"
    left = left_behind([*entries, {"undone": "x"}])
    assert left is not None
    assert left.stuck == ""


def record(*errors: OpsError | None) -> Record:
    hosts = []
    for number, error in enumerate(errors):
        host = HostRecord(f"h{number}")
        if error is not None:
            failed(host, error)
        hosts.append(host)
    return Record("deploy", "2026-01-01T00:00:00Z", hosts=hosts)


def test_exit_codes() -> None:
    assert record(None).exit == 0
    assert record(Locked("x")).exit == 4
    assert record(NeedsYes("x")).exit == 5
    assert record(None, OpsError("x")).exit == 1
    assert record(Unhealthy("x"), OpsError("x")).exit == 1
    assert record(Unhealthy("x"), None).exit == 3
    assert record(Locked("x"), Locked("x")).exit == 4


def test_one_shape_for_one_host_and_many() -> None:
    shape = record(OpsError("what", left="left", next="next")).as_json()
    assert list(shape) == ["task", "ok", "exit", "started", "seconds", "hosts"]
    assert list(shape["hosts"][0]) == ["host", "ok", "changed", "seconds", "round_trips", "steps", "result", "error"]
    assert shape["hosts"][0]["error"] == {"what": "what", "left": "left", "next": "next"}


def test_errors_say_all_four_things() -> None:
    error = OpsError("it broke", host="prod", left="everything", next="inv ps --host prod")
    assert str(error) == "prod: it broke\n  left as it was: everything\n  next: inv ps --host prod"
    assert str(OpsError("it broke").on("prod")) == "prod: it broke"
