"""What an earlier run has left on the hosts of this one: all of its hosts end the same, whoever is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from opslib.run.host_run import HostRun
from opslib.run.log import Left, left_behind, path
from opslib.run.record import now
from opslib.run.task import Task
from opslib.run.workers import MANY, each
from opslib.state import journal, lines
from opslib.target.base import Target

Answer = Literal["committed", "ready", "neither", "unknown"]
Errors = dict[str, BaseException | None]


def recover(hosts: Sequence[HostRun], task: Task) -> Errors:
    """Finish or undo what was left on each; by host, what went wrong with that. It is decided for all of them before
    anything is done on one."""
    found: dict[str, Left | None] = {}

    def read(host: HostRun) -> None:
        found[host.run.host] = host.left()

    errors = _by_name(hosts, each(hosts, read, MANY))
    doubtful = {left.run: host for host in hosts if (left := found.get(host.run.host)) and _in_doubt(left)}
    forward = {run for run, host in doubtful.items() if _forward(host, hosts, found, task)}

    def end(host: HostRun) -> None:
        left = found[host.run.host]
        if left is None:
            return
        onward = left.committed or left.run in forward
        if onward and left.ready:
            _remember(host.run.target, left)
        host.recover(left, task.known, forward=onward)

    read_well = [host for host in hosts if host.run.host in found]
    return errors | _by_name(read_well, each(read_well, end, MANY))


def decided(answers: Sequence[Answer]) -> bool:
    """Whether a run went forward, from what its hosts say of it. None commits before all are ready: where one is not,
    none has. Where one cannot be asked and all others are ready, it may have, and going forward is what they can do."""
    return "committed" in answers or "neither" not in answers


def _in_doubt(left: Left) -> bool:
    return bool(left.ready) and not left.committed


def _forward(host: HostRun, hosts: Sequence[HostRun], found: Mapping[str, Left | None], task: Task) -> bool:
    """Ask every host that was to commit together with this one."""
    left = found[host.run.host]
    assert left is not None
    mine = {one.run.host: one for one in hosts}
    answers: dict[str, Answer] = {}

    def ask(name: str) -> None:
        seen = found.get(name)
        if seen is not None and seen.run == left.run:
            answers[name] = _said(seen)
            return
        target = mine[name].run.target if name in mine else task.peer(name)
        answers[name] = "unknown" if target is None else _asked(target, left.run)

    for name, error in zip(left.ready, each(left.ready, ask), strict=True):
        if error is not None or answers[name] == "unknown":
            answers[name] = "unknown"
            host.run.note(f"{name} took part in {left.task} {left.run} and cannot be asked now", warning=True)
    return decided(list(answers.values()))


def _said(left: Left) -> Answer:
    return "committed" if left.committed else "ready" if left.ready else "neither"


def _asked(target: Target, run: str) -> Answer:
    """What a host's log says of a run, or, where that is over there, its journal."""
    left = left_behind(lines.read(target, path(target)))
    if left is not None and left.run == run:
        return _said(left)
    return "committed" if _journaled(target, run) else "neither"


def _remember(target: Target, left: Left) -> None:
    """Before the log goes: others may ask how the run ended."""
    if _journaled(target, left.run):
        return
    journal.append(target, {"run": left.run, "task": left.task, "at": now(), "ok": True, "committed": True,
                            "changed": True, "hosts": list(left.ready), "recovered": True})  # fmt: skip


def _journaled(target: Target, run: str) -> bool:
    return any(entry.get("run") == run and entry.get("committed") for entry in journal.read(target))


def _by_name(hosts: Sequence[HostRun], errors: Sequence[BaseException | None]) -> Errors:
    return {host.run.host: error for host, error in zip(hosts, errors, strict=True)}
