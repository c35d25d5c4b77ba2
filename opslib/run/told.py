"""What the hosts of a run are told at its end, in their records and their journals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from opslib.errors import Cancelled, OpsError
from opslib.run.host_run import HostRun
from opslib.run.log import path
from opslib.run.record import holder, now
from opslib.run.step import Run
from opslib.run.task import Task
from opslib.run.workers import MANY, each
from opslib.state import journal


def interrupted(hosts: Sequence[HostRun], when: str = "", *, left: str | None = None, next: str | None = None) -> None:
    """Say of the hosts that were interrupted what that means; the command that was broken off means nothing to a
    person."""
    for host in hosts:
        if host.record.code == Cancelled.exit_code:
            failed_in = [step.name for step in host.record.steps if step.status == "failed"]
            place = f"in step {failed_in[-1]}" if failed_in else ""
            what = " ".join(word for word in ("interrupted", place, when) if word)
            host.record.error = {"what": what, "left": left, "next": next}


def because_of(bad: Sequence[HostRun], hosts: Sequence[HostRun]) -> None:
    """Those of the hosts without an error of their own were undone, or never begun, because of the others."""
    names = [host.run.host for host in bad]
    named = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    codes = {host.record.code for host in bad}
    code = codes.pop() if len(codes) == 1 else 1
    for host in hosts:
        if host.record.error is None:
            begun = bool(host.record.steps)
            what, left = (
                ("undone", "everything: what was begun has been undone") if begun else ("not begun", "everything")
            )
            host.record.ok, host.record.code = False, code
            host.record.error = {"what": f"{what} because {named} failed", "left": left, "next": None}


def failed_undo(host: HostRun, error: OpsError) -> OpsError:
    """The error of a host on which something failed, and then its undo."""
    first = host.record.error["what"] if host.record.error else ""
    return OpsError(
        f"{first}\nand undoing it failed: {error.what}",
        left="what was begun, half done",
        next=error.next or f"mend the cause and run again: {path(host.run.target)} says what is to be undone",
    )


def live(host: HostRun, look: Callable[[Run], dict[str, Any]]) -> None:
    """Write into its result what runs on a host now, as its records say, and how that came."""
    found: dict[str, Any] = {"state": _state(host)}
    try:
        if not host.run.target.lost:
            found.update(look(host.run))
    except OpsError:  # it cannot be asked
        found["state"] = "unknown"
    host.record.result = host.run.result
    host.run.result["live"] = found


def _state(host: HostRun) -> str:
    if host.run.target.lost:
        return "unknown"
    if host.begun and not host.committed:
        return "half done"
    return "new" if host.committed else "as before"


def in_journals(hosts: Sequence[HostRun], task: Task) -> None:
    """One line in the journal of each host where something was done or failed."""

    def write(host: HostRun) -> None:
        if not host.run.changed and host.record.ok:
            return
        journal.append(
            host.run.target,
            {
                "run": host.run.id, "task": task.name, "at": now(), "by": holder(task.name).split(":")[0],
                "ok": host.record.ok, "committed": host.committed, "changed": host.record.changed,
                "seconds": host.seconds(), "hosts": list(host.run.hosts),
                "steps": [[step.name, step.status, step.seconds] for step in host.record.steps],
                "error": host.record.error, **task.detail, **host.run.journal,
            },
        )  # fmt: skip

    for host, error in zip(hosts, each(hosts, write, MANY), strict=True):
        if isinstance(error, OpsError) and host.record.ok:
            host.run.note(f"the journal could not be written: {error.what}", warning=True)
