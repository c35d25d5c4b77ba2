"""Hosts that end the same, or a single one: ahead everywhere, then the switch in turns, then commit everywhere, then
the final steps.

Whatever interrupts it, each host ends wholly new or wholly old, and all of them the same: a failure before the commit
undoes every host; after it, every host goes forward, if need be in the next run. As many as the rollout bears may fail
without that: they are undone at once, and the others end the same. Where each is for itself it commits in its turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from opslib.errors import Cancelled, HostLost, OpsError
from opslib.run import locks, recovery, told
from opslib.run.host_run import HostRun
from opslib.run.record import failed, holder, unforeseen
from opslib.run.task import Task
from opslib.run.workers import MANY, Interrupt, each
from opslib.target.lock import locked

_RECONNECT = 60.0  # seconds given to get a lost line back, to undo


def all_or_none(task: Task, hosts: list[HostRun], interrupt: Interrupt) -> None:
    """Carry the task out on the hosts, or plan it. How it ended is in their records. Raises what is no OpsError of a
    single host, after its undo."""
    for host in hosts:
        host.start()
    try:
        with ExitStack() as opened:
            group = _Group(task, hosts, interrupt, opened)
            if task.plan:
                group.plan()
            else:
                group.carry_out()
                group.tell_live()
        if group.bug is not None and len(hosts) == 1:
            raise group.bug
    finally:
        interrupt.end()
        for host in hosts:
            host.record.seconds = host.seconds()
            host.record.round_trips = host.run.target.round_trips


class _Group:
    def __init__(self, task: Task, hosts: list[HostRun], interrupt: Interrupt, opened: ExitStack) -> None:
        self._task, self._hosts, self._interrupt = task, hosts, interrupt
        self._locks = {host.run.host: opened.enter_context(ExitStack()) for host in hosts}
        self._going = list(hosts)  # those that have not failed
        self._done: list[HostRun] = []  # those that have ended for themselves
        self._entered: list[HostRun] = []  # those on which the run itself has begun
        self.bug: Exception | None = None

    # -- the phases

    def plan(self) -> None:
        errors = each(self._hosts, lambda host: host.plan(self._task.steps(host.run)), MANY)
        self._note(self._hosts, errors)
        turns = self._task.rollout.turns([host for host in self._going if host.run.result["plan"]])
        for number, turn in enumerate(turns if len(self._hosts) > 1 else (), 1):
            for host in turn:
                host.run.result["turn"] = number

    def carry_out(self) -> None:
        task, bears = self._task, self._task.rollout.failures != 0
        taken = locks.take(self._hosts, self._locks, holder(task.name), task.wait, partly=bears)
        if not self._go_on(self._hosts, [taken.get(host.run.host) for host in self._hosts]):
            self._stop("while waiting for the lock", left="everything")
            return
        going = self._going
        ended = recovery.recover(going, task)
        if not self._go_on(going, [ended.get(host.run.host) for host in going]):
            self._stop("while an earlier run was being undone", next="run it again: it goes on from there")
            return
        self._entered = list(self._going)
        # What one host refuses keeps every other from beginning.
        well = self._all(lambda host: host.prepare(task.steps(host.run))) and self._all(HostRun.ahead)
        if not (well and self._turns() and self._commit(self._going)):
            self._stop()
        else:
            told.in_journals([host for host in self._entered if host not in self._done], task)

    def _all(self, work: Callable[[HostRun], None]) -> bool:
        going = self._going
        return self._go_on(going, each(going, lambda host: self._undoing(work, host), MANY))

    def _turns(self) -> bool:
        """Those that wait switch, one alone first, then in batches."""
        rollout, proven = self._task.rollout, False
        waiting = [host for host in self._going if host.waits]
        several = len(waiting) > 1 and rollout.batch is not None
        while waiting:
            turn = rollout.turn(waiting, proven=proven)
            waiting = waiting[len(turn) :]
            if several:
                names = ", ".join(host.run.host for host in turn)
                turn[0].run.note(f"the turn of {names}" + (f", {len(waiting)} to come" if waiting else ", the last"))
            if not self._go_on(turn, each(turn, lambda host: self._undoing(HostRun.switch, host), MANY)):
                return False
            well = [host for host in turn if host in self._going]
            proven = proven or bool(well) or rollout.apart
            if rollout.apart:
                if not self._commit(well):
                    return False
                self._interrupt.release()
        return True

    def _commit(self, hosts: list[HostRun]) -> bool:
        """All of these are new for good, and a signal is held back; or they are to be undone, and it returns False."""
        self._interrupt.hold("it is about to end")
        if self._interrupt.happened():  # between two commands
            return False
        begun = [host for host in hosts if host.begun]
        names = [host.run.host for host in begun]
        if len(names) > 1 and not self._task.rollout.apart:
            if not self._go_on(begun, each(begun, lambda host: host.ready(names), MANY)):
                return False
            begun = [host for host in begun if host in self._going]
        # From the first commit on everything goes forward: a host that cannot be told now learns it from the others.
        self._note(begun, each(begun, HostRun.commit, MANY))
        self._interrupt.release()
        good = [host for host in hosts if host in self._going]
        self._note(good, each(good, HostRun.finish, MANY))
        self._interrupt.hold("it is about to end")
        told.interrupted(hosts, "when only the cleaning up was left",
                         next="nothing: the next run of any task does the rest")  # fmt: skip
        told.in_journals(hosts, self._task)
        clean = [host for host in good if host in self._going]
        self._note(clean, each(clean, HostRun.close, MANY))
        self._done += hosts
        self._going = [host for host in self._going if host not in hosts]
        return True

    # -- what goes wrong

    def _undoing(self, work: Callable[[HostRun], None], host: HostRun) -> None:
        """Do it; where it fails, undo what was begun on that host at once, and not when all others are done."""
        try:
            work(host)
        except (Cancelled, HostLost):
            raise
        except Exception as error:
            if not self._interrupt.happened():
                self._fail(host, error)
                self._interrupt.spare(host.run.target)
                self._undo(host)
            raise

    def _fail(self, host: HostRun, error: Exception) -> None:
        if host.record.error is not None:
            return
        if not isinstance(error, OpsError):
            self.bug = error
            error = unforeseen(error, host.run.host)
        failed(host.record, error)

    def _note(self, hosts: Sequence[HostRun], errors: Sequence[BaseException | None]) -> None:
        """Write what went wrong into the records."""
        for host, error in zip(hosts, errors, strict=True):
            if isinstance(error, Exception):
                self._fail(host, error)
            elif error is not None:
                raise error
            host.record.result = host.run.result
        self._going = [host for host in self._going if host.record.error is None]

    def _go_on(self, hosts: Sequence[HostRun], errors: Sequence[BaseException | None]) -> bool:
        """Note the errors. Whether there are hosts that go on: those whose line broke are undone then."""
        self._note(hosts, errors)
        bad = [host for host in self._hosts if host.record.error is not None]
        if self._interrupt.happened() or not self._going or not self._task.rollout.bears(len(bad)):
            return not bad and not self._interrupt.happened()
        lost = [host for host in bad if host.begun]
        each(lost, self._undo, MANY)
        return True

    def _stop(self, when: str = "", *, left: str | None = None, next: str | None = None) -> None:
        """Undo all that has not ended, and say so."""
        self._interrupt.hold("what was begun is being undone; please wait, or it stays half done until the next run")
        mine = [host for host in self._hosts if host not in self._done]
        bad = [host for host in mine if host.record.error is not None]
        each(mine, self._undo, MANY)
        if self._interrupt.happened():
            for host in mine:
                if host.record.error is None:
                    failed(host.record, Cancelled("interrupted"))
        told.because_of(bad, mine)
        if self._entered:
            stays = "what was not done yet; what was done stays"
            told.interrupted(mine, left=stays if self._task.onward else "everything: what was begun has been undone")
            told.in_journals([host for host in mine if host in self._entered], self._task)
        else:
            told.interrupted(mine, when, left=left, next=next)

    def _undo(self, host: HostRun) -> None:
        """What is begun on it is undone, over a new line if need be."""
        try:
            if host.record.error is not None and host.run.target.lost and host.begun:
                self._reconnect(host)
            host.undo()
        except HostLost as error:
            if host.record.error is None or host.record.code == Cancelled.exit_code:
                failed(host.record, error)
        except OpsError as error:
            failed(host.record, told.failed_undo(host, error))
        except Exception as error:
            self.bug = error
            failed(host.record, told.failed_undo(host, unforeseen(error, host.run.host)))

    def _reconnect(self, host: HostRun) -> None:
        """Get a lost line back. Raises HostLost when that takes too long: then the next run undoes."""
        target, lock = host.run.target, self._locks[host.run.host]
        deadline = time.monotonic() + _RECONNECT
        lock.close()
        while True:
            try:
                target.reconnect()
                lock.enter_context(locked(target, run=host.run.id, holder=holder(self._task.name), wait=_RECONNECT))
                return
            except OpsError as error:
                if time.monotonic() > deadline:
                    raise HostLost(
                        f"the connection did not come back: {error.what}",
                        next="run again when it answers: the next run undoes what was begun",
                    ) from error
                time.sleep(1)

    def tell_live(self) -> None:
        """What runs where in the end."""
        live = self._task.live
        if live is not None:
            each(self._hosts, lambda host: told.live(host, live), MANY)
