"""Hosts that end the same, or a single one: forward everywhere, then commit everywhere, then the final steps.

Whatever interrupts it, each host ends wholly new or wholly old, and all of them the same: a failure before the commit
undoes every host; after it, every host goes forward, if need be in the next run.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

from opslib.errors import Cancelled, HostLost, OpsError
from opslib.run.host_run import HostRun
from opslib.run.log import Left, left_behind, path
from opslib.run.record import failed, holder, now
from opslib.run.task import Task
from opslib.run.workers import Interrupt, each
from opslib.state import journal, lines
from opslib.target.lock import locked

_RECONNECT = 60.0  # seconds given to get a lost line back, to undo


def all_or_none(task: Task, hosts: list[HostRun], interrupt: Interrupt) -> None:
    """Carry the task out on the hosts, or plan it. How it ended is in their records."""
    for host in hosts:
        host.start()
    try:
        with ExitStack() as locks:
            _phases(task, hosts, locks, interrupt)
    finally:
        interrupt.end()
        for host in hosts:
            host.record.seconds = host.seconds()
            host.record.round_trips = host.run.target.round_trips


def _phases(task: Task, hosts: list[HostRun], locks: ExitStack, interrupt: Interrupt) -> None:
    if task.plan:
        _settle(hosts, each(hosts, lambda host: host.plan(task.steps(host.run))))
        return
    opened = [ExitStack() for _ in hosts]
    for stack in opened:
        locks.push(stack)

    def hold(pair: tuple[HostRun, ExitStack]) -> None:
        host, stack = pair
        stack.enter_context(locked(host.run.target, run=host.run.id, holder=holder(task.name), wait=task.wait))

    if not _settle(hosts, each(list(zip(hosts, opened, strict=True)), hold)):
        _interrupted(hosts, "while waiting for the lock", left="everything")
        return
    if not _settle(hosts, each(hosts, lambda host: _recover(host, task))):
        _interrupted(hosts, "while an earlier run was being undone", next="run it again: it goes on from there")
        return
    # What one host refuses keeps every other from beginning.
    done = _settle(hosts, each(hosts, lambda host: host.prepare(task.steps(host.run))))
    done = done and _settle(hosts, each(hosts, lambda host: host.forward()))
    interrupt.hold("it is about to end")
    if done and interrupt.happened():  # between two commands
        done = _settle(hosts, [Cancelled("interrupted") for _ in hosts])
    if not done:
        interrupt.hold("what was begun is being undone; please wait, or it stays half done until the next run")
        _undo(hosts, opened, task)
        _interrupted(hosts, left="everything: what was begun has been undone")
        _journal(hosts, task)
        return
    # From the first commit on everything goes forward: a host that cannot be told now learns it from the others.
    _settle(hosts, each(hosts, lambda host: host.commit()))
    interrupt.release()
    good = [host for host in hosts if host.record.ok]
    _settle(good, each(good, lambda host: host.finish()))
    interrupt.hold("it is about to end")
    _interrupted(hosts, "when only the cleaning up was left", next="nothing: the next run of any task does the rest")
    _journal(hosts, task)


def _interrupted(hosts: list[HostRun], when: str = "", *, left: str | None = None, next: str | None = None) -> None:
    """Say of the hosts that were interrupted what that means; the command that was broken off means nothing to a
    person."""
    for host in hosts:
        if host.record.code == Cancelled.exit_code:
            failed_in = [step.name for step in host.record.steps if step.status == "failed"]
            place = f"in step {failed_in[-1]}" if failed_in else ""
            what = " ".join(word for word in ("interrupted", place, when) if word)
            host.record.error = {"what": what, "left": left, "next": next}


def _settle(hosts: list[HostRun], errors: list[BaseException | None]) -> bool:
    """Write what went wrong into the records; True when nothing did."""
    for host, error in zip(hosts, errors, strict=True):
        if error is not None and not isinstance(error, OpsError):
            raise error
        if error is not None and host.record.error is None:
            failed(host.record, error)
        host.record.result = host.run.result
    return not any(errors)


def _undo(hosts: list[HostRun], opened: list[ExitStack], task: Task) -> None:
    def back(pair: tuple[HostRun, ExitStack]) -> None:
        host, stack = pair
        if host.record.error is not None and host.run.target.lost:
            _reconnect(host, stack, task)
        host.undo()

    errors = each(list(zip(hosts, opened, strict=True)), back)
    for host, error in zip(hosts, errors, strict=True):
        if isinstance(error, HostLost):
            if host.record.error is None or host.record.code == Cancelled.exit_code:
                failed(host.record, error)
        elif isinstance(error, OpsError):
            failed(host.record, _failed_undo(host, error))
        elif error is not None:
            raise error
        if host.record.ok:  # it went well here and was undone because of another
            host.record.ok = False
            host.record.code = 1
            what = "undone" if host.record.steps else "not begun"
            host.record.error = {"what": f"{what} because another host failed", "left": "as before", "next": None}


def _failed_undo(host: HostRun, error: OpsError) -> OpsError:
    first = host.record.error["what"] if host.record.error else ""
    return OpsError(
        f"{first}\nand undoing it failed: {error.what}",
        left="what was begun, half done",
        next=error.next or f"mend the cause and run again: {path(host.run.target)} says what is to be undone",
    )


def _reconnect(host: HostRun, stack: ExitStack, task: Task) -> None:
    """Get a lost line back. Raises HostLost when that takes too long: then the next run undoes."""
    target = host.run.target
    deadline = time.monotonic() + _RECONNECT
    stack.close()
    while True:
        try:
            target.reconnect()
            stack.enter_context(locked(target, run=host.run.id, holder=holder(task.name), wait=_RECONNECT))
            return
        except OpsError as error:
            if time.monotonic() > deadline:
                raise HostLost(
                    f"the connection did not come back: {error.what}",
                    next="run again when it answers: the next run undoes what was begun",
                ) from error
            time.sleep(1)


def _recover(host: HostRun, task: Task) -> None:
    left = host.left()
    if left is not None:
        host.recover(left, task.known, forward=left.committed or _committed_elsewhere(host, left, task))


def _committed_elsewhere(host: HostRun, left: Left, task: Task) -> bool:
    for name in left.hosts:
        if name == host.run.host:
            continue
        peer = task.peer(name)
        if peer is None:
            host.run.note(f"{name} took part in {left.task} {left.run} and cannot be asked now", warning=True)
            continue
        other = left_behind(lines.read(peer, path(peer)))
        if other is not None and other.run == left.run and other.committed:
            return True
        if any(entry.get("run") == left.run and entry.get("committed") for entry in journal.read(peer)):
            return True
    return False


def _journal(hosts: list[HostRun], task: Task) -> None:
    def write(host: HostRun) -> None:
        if not host.run.changed and host.record.ok:
            return
        journal.append(
            host.run.target,
            {
                "run": host.run.id, "task": task.name, "at": now(), "by": holder(task.name).split(":")[0],
                "ok": host.record.ok, "committed": host.record.ok, "changed": host.record.changed,
                "seconds": host.seconds(), "hosts": list(host.run.hosts),
                "steps": [[step.name, step.status, step.seconds] for step in host.record.steps],
                "error": host.record.error, **task.detail, **host.run.journal,
            },
        )  # fmt: skip

    for host, error in zip(hosts, each(hosts, write), strict=True):
        if isinstance(error, OpsError) and host.record.ok:
            host.run.note(f"the journal could not be written: {error.what}", warning=True)
