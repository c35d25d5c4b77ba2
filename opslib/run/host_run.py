"""One host's part of a run, phase by phase: ahead, switch, ready, commit, finish, close; or undo."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opslib.errors import Cancelled, HostLost, OpsError
from opslib.events import StepEnded, StepStarted
from opslib.run import watchdog
from opslib.run.log import Left, Log, left_behind, path, remove
from opslib.run.record import HostRecord, StepRecord
from opslib.run.step import AnyStep, NotYet, Recovery, Run
from opslib.state import lines

Undo = Callable[[Run, Any], None]

_BROKEN: dict[type[OpsError], str] = {Cancelled: "interrupted", HostLost: "the connection broke"}


class HostRun:
    """Carries steps out on one host. Used by one thread at a time; the phases are called in order."""

    def __init__(self, run: Run, *, onward: bool = False) -> None:
        self.run = run
        self.record = HostRecord(run.host)
        self._steps: list[AnyStep] = []
        self._switching = 0  # the first step that is done in turn
        self._begun: list[tuple[str, Undo | None, Any]] = []  # step, how it is undone, its memo
        self._taken: tuple[str, Undo | None, Any] | None = None  # the same of an earlier run's step that stays
        self._started = time.monotonic()
        self._stays = self.committed = False
        head = {"run": run.id, "task": run.task, "hosts": list(run.hosts), **({"onward": True} if onward else {})}
        self._log = Log(run.target, head)

    def start(self) -> None:
        """Its time counts from here."""
        self._started = time.monotonic()

    def seconds(self) -> float:
        """How long this host's part has taken so far."""
        return round(time.monotonic() - self._started, 3)

    # -- phases

    def plan(self, steps: list[AnyStep]) -> None:
        """Look at each step and write down what it would do."""
        planned = []
        for step in steps:
            try:
                memo = step.look(self.run)
                what = None if memo is None else (step.show(memo) if step.show else "")
            except NotYet as unknown:
                what = f"known only later: {unknown}"
            if what is not None:
                planned.append({"step": step.name, "what": what})
        self.run.result["plan"] = planned
        self.record.result = self.run.result

    def prepare(self, steps: list[AnyStep]) -> None:
        """Take the steps to be done. What can be refused beforehand was refused while they were made."""
        self._steps = steps
        self._switching = next((at for at, step in enumerate(steps) if step.switches), len(steps))

    @property
    def waits(self) -> bool:
        """Whether there are steps for which it has to wait for its turn."""
        return any(not step.final for step in self._steps[self._switching :])

    @property
    def begun(self) -> bool:
        """Whether there is something to undo."""
        return self._log.begun

    def ahead(self) -> None:
        """Look at and do each step before the first that switches, but the final ones, in order."""
        self._forward(self._steps[: self._switching])

    def switch(self) -> None:
        """The same for the others, when its turn has come."""
        self._forward(self._steps[self._switching :])

    def ready(self, hosts: Sequence[str]) -> None:
        """Say on the disk that all of it is done, and which hosts are to commit together with this one."""
        self._log.write({"ready": list(hosts)})

    def commit(self) -> None:
        """Say on the disk that this run goes forward from here, whatever happens."""
        if self._log.begun:
            self._log.write({"commit": True})
            self.committed = True

    def finish(self) -> None:
        """Do the final steps."""
        for step in self._steps:
            if step.final:
                self._do(step)
        self.record.changed = self.run.changed

    def close(self) -> None:
        """Remove the log, unless a step stays. The journal has been written: other hosts may ask for it."""
        if self._log.begun and not self._stays:
            self._log.remove()

    def undo(self) -> None:
        """Undo what was begun, in reverse. A failed undo stays in the log and blocks the next run."""
        if self._log.begun:
            self._log.write({"undoing": True})
        for name, undo, memo in reversed(self._begun):
            if undo is None:
                continue
            began = time.monotonic()
            try:
                undo(self.run, memo)
            except OpsError as error:
                self._ended(name, "undo-failed", began, error.what)
                self._log.write({"stuck": name, "why": error.what})
                raise
            self._log.write({"undone": name})
            self._ended(name, "undone", began)
        if self._log.begun:
            self._log.remove()
        self._begun.clear()
        self.record.changed = False

    # -- recovery

    def left(self) -> Left | None:
        """What an earlier run left behind here."""
        return left_behind(lines.read(self.run.target, path(self.run.target)))

    def recover(self, left: Left, known: Mapping[str, Recovery], *, forward: bool) -> None:
        """Finish (`forward`) or undo what an earlier run left behind here. What stays, and this run goes on with, is
        left as it is, and so is its log, until a step begins.

        Raises OpsError when an undo fails, or failed before and still does.
        """
        if left.onward:
            pass
        elif forward:
            self._finish_left(left, known)
            if self._taken is not None:
                return
        else:
            self._undo_left(left, known)
        watchdog.disarm(self.run.target, left.run)
        remove(self.run.target)
        if left.onward:
            self.run.note(f"{left.task} {left.run} was interrupted; what it had done stays", warning=True)
        elif not forward:
            self.run.note(f"undid what {left.task} {left.run} had left half done", warning=True)
        elif left.stays and not left.fired:
            self.run.note(f"ended the {left.stays[0][0]} of {left.task} {left.run}")
        elif not left.fired:  # else the server has done it by itself
            self.run.note(f"did what {left.task} {left.run} had left to do", warning=True)

    def _finish_left(self, left: Left, known: Mapping[str, Recovery]) -> None:
        for name, memo in dict([*left.stays, *left.finals]).items():
            recovery = known.get(name, Recovery())
            mine = recovery.take_over(self.run, memo) if recovery.take_over is not None else None
            if mine is not None:
                self._taken = (name, recovery.undo, mine)
            elif name not in left.finished and recovery.finish is not None:
                recovery.finish(self.run, memo)

    def _undo_left(self, left: Left, known: Mapping[str, Recovery]) -> None:
        if left.ready:
            lines.append(self.run.target, path(self.run.target), {"undoing": True})
        for name, memo in reversed(left.steps):
            recovery = known.get(name)
            if name in left.undone or recovery is None or recovery.undo is None:
                continue
            began = time.monotonic()
            try:
                recovery.undo(self.run, memo)
            except OpsError as error:
                lines.append(self.run.target, path(self.run.target), {"stuck": name, "why": error.what})
                raise OpsError(
                    f"an earlier {left.task} ({left.run}) is half done and its step {name!r} cannot be undone: "
                    f"{error.what}",
                    host=self.run.host,
                    left="everything since",
                    next=error.next or f"look at {path(self.run.target)}; mend it and run again",
                ) from error
            lines.append(self.run.target, path(self.run.target), {"undone": name})
            self._ended(name, "undone", began)

    # -- one step

    def _forward(self, steps: Sequence[AnyStep]) -> None:
        for step in steps:
            if not step.final:
                self._do(step)

    def _do(self, step: AnyStep) -> None:
        began = time.monotonic()
        memo = step.look(self.run)
        if memo is None:
            self._ended(step.name, "skipped", began)
            return
        self.run.target.tell(StepStarted(self.run.host, step.name))
        if self._taken is not None:
            self._log.take_over(self._taken[0], self._taken[2])
            self._begun.append(self._taken)
            self._taken = None
        self._log.write({"step": step.name, "memo": memo, **({"final": True} if step.final else {})})
        if not step.final:
            self._begun.append((step.name, step.undo, memo))
        try:
            note = step.do(self.run, memo)
        except (Cancelled, HostLost) as error:
            self._ended(step.name, "failed", began, _BROKEN[type(error)])
            raise
        except OpsError as error:
            self._ended(step.name, "failed", began, error.what)
            raise
        if step.stays is not None and step.stays(self.run):
            self._log.write({"stays": step.name})
            self._stays = True
        elif step.final:
            self._log.write({"finished": step.name})
        self.run.changed = True
        self._ended(step.name, "done", began, note if isinstance(note, str) else "")

    def _ended(self, name: str, status: Any, began: float, note: str = "") -> None:
        seconds = round(time.monotonic() - began, 3)
        first = note.split("\n", 1)[0]
        self.record.steps.append(StepRecord(name, status, seconds, first))
        self.run.target.tell(StepEnded(self.run.host, name, status, seconds, first))
