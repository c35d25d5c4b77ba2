"""A run over one host or many. Hosts that belong together end the same (`opslib.run.together`); otherwise each is for
itself, and what goes wrong on one is no other's concern."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from queue import Empty, SimpleQueue

from opslib.errors import Cancelled, OpsError
from opslib.run.host_run import HostRun
from opslib.run.record import HostRecord, Record, failed, now, unforeseen
from opslib.run.step import Run
from opslib.run.task import Task
from opslib.run.together import all_or_none
from opslib.run.workers import AT_ONCE, MANY, Interrupt, each, interruptible
from opslib.target.base import Target


def carry_out(task: Task, targets: Sequence[Target], *, beside: Sequence[Target] = ()) -> Record:
    """Carry the task out on the targets and say how it ended; never raises an OpsError.

    `beside` are further targets that steps use (this machine, for a build): an interruption reaches them too.
    """
    record = Record(task.name, now())
    began = time.monotonic()
    groups = [list(targets)] if task.together else [[target] for target in targets]
    hosts = [_runs(task, group) for group in groups]
    interrupts = [Interrupt([*group, *beside]) for group in groups]
    with interruptible(interrupts):
        errors = each(list(zip(hosts, interrupts, strict=True)), lambda pair: all_or_none(task, *pair))
    for runs, error in zip(hosts, errors, strict=True):
        _note(runs[0].record, error, alone=len(groups) == 1)
        record.hosts += [one.record for one in runs]
    record.seconds = time.monotonic() - began
    return record


def look_on(
    name: str, targets: Sequence[Target], look: Callable[[Run], object], *, beside: Sequence[Target] = ()
) -> Record:
    """The same for what only reads: no lock, no log, no journal. `look` fills the run's `result`."""
    record = Record(name, now())
    began = time.monotonic()
    record.hosts = [HostRecord(target.host.name) for target in targets]

    def work(pair: tuple[Target, HostRecord]) -> None:
        target, entry = pair
        run, since = Run(new_id(), name, target, ()), time.monotonic()
        entry.result = run.result
        try:
            look(run)
        finally:
            entry.seconds = round(time.monotonic() - since, 3)
            entry.round_trips = target.round_trips

    with interruptible([Interrupt([*targets, *beside])]):
        errors = each(list(zip(targets, record.hosts, strict=True)), work)
    for entry, error in zip(record.hosts, errors, strict=True):
        _note(entry, error, alone=len(targets) == 1)
    record.seconds = time.monotonic() - began
    return record


def look_as_reached(
    name: str, hosts: Mapping[str, str], reach: Callable[[str], Target], look: Callable[[Run], object], *,
    beside: Sequence[Target] = (),
) -> Record:  # fmt: skip
    """The same for hosts that are still to be reached: each is looked at as soon as it is. `hosts` says of each which
    machine is dialled for it, which may be the same for several; of these a few are reached at a time. What `reach`
    raises is that host's error."""
    record = Record(name, now())
    began = time.monotonic()
    record.hosts = [HostRecord(host) for host in hosts]
    targets = [*beside]
    interrupt = Interrupt(targets)
    doors = {machine: threading.BoundedSemaphore(AT_ONCE) for machine in hosts.values()}

    def work(entry: HostRecord) -> None:
        since = time.monotonic()
        try:
            with doors[hosts[entry.host]]:
                target = _reached(entry.host, reach, interrupt)
            targets.append(target)
            if interrupt.happened():  # it came while this one was being reached
                target.cancel()
            run = Run(new_id(), name, target, ())
            entry.result = run.result
            try:
                look(run)
            finally:
                entry.round_trips = target.round_trips
        finally:
            entry.seconds = round(time.monotonic() - since, 3)

    with interruptible([interrupt]):
        errors = each(record.hosts, work, MANY)
    for entry, error in zip(record.hosts, errors, strict=True):
        _note(entry, error, alone=len(hosts) == 1)
    record.seconds = time.monotonic() - began
    return record


def _reached(host: str, reach: Callable[[str], Target], interrupt: Interrupt) -> Target:
    """Reach the host. Whoever interrupts need not wait for one that does not answer."""
    came: SimpleQueue[Target | BaseException] = SimpleQueue()

    def go() -> None:
        try:
            came.put(reach(host))
        except BaseException as error:
            came.put(error)

    threading.Thread(target=go, daemon=True).start()
    while not interrupt.happened():
        with contextlib.suppress(Empty):
            found = came.get(timeout=0.1)
            if isinstance(found, BaseException):
                raise found
            return found
    raise Cancelled("interrupted", host=host)


def new_id() -> str:
    """A run's id: the time in UTC and four random digits, so that ids sort by time."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H%M%SZ-") + secrets.token_hex(2)


def _runs(task: Task, group: Sequence[Target]) -> list[HostRun]:
    """Hosts that belong together are of one run, and know of each other where they end the same. Each of the others has
    an id of its own, as they may share a machine."""
    ident, names = new_id(), tuple(target.host.name for target in group)
    return [
        HostRun(
            Run(ident, task.name, target, (target.host.name,) if task.rollout.apart else names, task.plan),
            onward=task.onward,
        )
        for target in group
    ]


def _note(entry: HostRecord, error: BaseException | None, *, alone: bool) -> None:
    """Write an error into the record of the host that it is of. A mistake of opslib's own is raised where nobody else's
    result would be lost."""
    if error is None:
        return
    if isinstance(error, OpsError):
        if entry.error is None:
            failed(entry, error)
    elif alone or not isinstance(error, Exception):
        raise error
    else:
        failed(entry, unforeseen(error, entry.host))
