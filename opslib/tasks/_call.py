"""One call of a task: its hosts, the connections to them, and how it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opslib.errors import BadSettings, NeedsYes, OpsError
from opslib.run.record import HostRecord, Record, failed, now
from opslib.settings.load import load_host, select_hosts
from opslib.ui import Ui

if TYPE_CHECKING:
    from opslib.run.fleet import Steps
    from opslib.run.step import Run
    from opslib.settings.model import Host
    from opslib.target.base import Target
    from opslib.tasks._task import Need, Spec

Show = Callable[[Ui, HostRecord], None]
"""Prints a host's result for a person."""


@dataclass
class Call:
    """What a task's body works with: where the project is, which hosts, which of the shared options."""

    spec: Spec
    root: Path
    ui: Ui
    host: str | None = None
    plan: bool = False
    yes: bool = False
    wait: str | None = None
    signal: bool = False
    json: bool = False
    debug: bool = False
    started: str = field(default_factory=now)
    show: Show | None = None
    _began: float = field(default_factory=time.monotonic)
    _settings: dict[str, Host] = field(default_factory=dict)
    _open: list[Target] = field(default_factory=list)
    _beside: list[Target] = field(default_factory=list)

    @property
    def task(self) -> str:
        """The task's name."""
        return self.spec.name

    @cached_property
    def names(self) -> list[str]:
        """The names of the hosts. Raises BadSettings."""
        names = select_hosts(self.root, self.host)
        if not self.spec.one_host:
            return names
        if self.host is None and names != ["local"]:
            raise BadSettings(
                f"{self.task} does not take its host from OPSLIB_HOST ({', '.join(names)})",
                left="everything",
                next=f"name it: inv {self.task} --host {names[0]} …, or --host local for this machine",
            )
        if len(names) > 1:
            raise BadSettings(f"{self.task} takes one host, not {len(names)}: {', '.join(names)}", left="everything")
        return names

    @cached_property
    def hosts(self) -> list[Host]:
        """The settings of the hosts. Raises BadSettings."""
        return [self.settings(name) for name in self.names]

    def settings(self, name: str) -> Host:
        """A host's settings. Raises BadSettings, also where there is nothing that the task could work on."""
        if name not in self._settings:
            overrides = {"wait": self.wait} if self.wait is not None else {}
            host = self._settings[name] = load_host(self.root, name, overrides)
            _require(self.root, host, self.spec.needs)
        return self._settings[name]

    @property
    def prompt(self) -> Callable[[str], str] | None:
        """Asks a person for a passphrase; None where there is nobody."""
        return self.ui.ask_secret if self.ui.can_ask else None

    # -- the three ways to work on the hosts

    def carry_out(
        self, steps: Steps, *, detail: Mapping[str, object] | None = None, show: Show | None = None
    ) -> Record:
        """Carry steps out on all hosts, or plan them; nothing begins unless every host can be reached."""
        from opslib.run.fleet import Task, carry_out
        from opslib.tasks._recovery import Recoveries

        self.show = show
        targets, unreached = self.connect()
        if unreached:
            return self._not_begun(unreached)
        self.ui.begin(f"{self.task} on {', '.join(self.names)}" + (", as a plan" if self.plan else ""), self.names)
        task = Task(
            self.task, steps, known=Recoveries(), peer=self._peer, plan=self.plan, detail=detail or {},
            wait=max(host.wait for host in self.hosts),
        )  # fmt: skip
        return carry_out(task, targets, beside=self._beside)

    def look(self, look: Callable[[Run], object], *, show: Show | None = None) -> Record:
        """Look at all hosts that can be reached; those that cannot are in the record."""
        from opslib.run.fleet import look_on

        self.show = show
        targets, unreached = self.connect()
        self.ui.begin("", self.names)
        record = look_on(self.task, targets, look) if targets else Record(self.task, self.started)
        entries = {entry.host: entry for entry in (*record.hosts, *unreached)}
        record.hosts = [entries[name] for name in self.names]
        record.started, record.seconds = self.started, self._seconds()
        return record

    def here(
        self,
        work: Callable[[str], tuple[bool, dict[str, Any]]],
        *,
        names: Sequence[str] | None = None,
        show: Show | None = None,
    ) -> Record:
        """Work on this machine alone, once for each host (or name), one after the other; `work` returns whether it
        changed something, and the result."""
        self.show = show
        record = Record(self.task, self.started)
        for name in names if names is not None else [host.name for host in self.hosts]:
            began = time.monotonic()
            entry = HostRecord(name)
            try:
                entry.changed, entry.result = work(name)
            except OpsError as error:
                self.ui.trace(error)
                failed(entry, error)
            entry.seconds = round(time.monotonic() - began, 3)
            record.hosts.append(entry)
        record.seconds = self._seconds()
        return record

    # -- questions

    def destructive(self) -> None:
        """To be called before anything else where `confirm` will ask. Raises NeedsYes where nobody can answer."""
        if not (self.yes or self.plan or self.ui.can_ask):
            raise NeedsYes(
                f"{self.task} asks before it goes on, and there is no terminal to answer on",
                left="everything",
                next="look at it with --plan, then run it with --yes",
            )

    def confirm(self, question: str, target: Target | None = None) -> None:
        """Go on only when a person agrees; where `target` is cancelled meanwhile nobody has to answer any more.

        Raises NeedsYes, Cancelled.
        """
        self.destructive()
        if self.yes or self.plan:
            return
        if not self.ui.ask(question, stop=lambda: target is not None and target.cancelled):
            raise NeedsYes("not confirmed", left="everything")

    # -- connections

    def connect(self) -> tuple[list[Target], list[HostRecord]]:
        """Open targets, one after the other so that each can ask for its passphrase; and the hosts not reached."""
        unreached: list[HostRecord] = []
        if not self._open:
            for host in self.hosts:
                began = time.monotonic()
                try:
                    self._open.append(self._connected(host))
                except OpsError as error:
                    self.ui.trace(error)
                    entry = HostRecord(host.name, seconds=round(time.monotonic() - began, 3))
                    failed(entry, error)
                    unreached.append(entry)
        return self._open, unreached

    def this_machine(self) -> Target:
        """This machine beside the hosts: for git, builds, and images that are sent."""
        return self.another("local")

    def another(self, name: str) -> Target:
        """A host beside those that the task works on: what is on it is only read."""
        for target in self._beside:
            if target.host.name == name:
                return target
        self._beside.append(self._connected(load_host(self.root, name)))
        return self._beside[-1]

    def close(self) -> None:
        """Let all connections go."""
        for target in (*self._open, *self._beside):
            target.close()

    def _connected(self, host: Host) -> Target:
        from opslib.target.connect import connect

        target = connect(host, self.ui.tell, prompt=self.prompt)
        if self.debug:
            _trace_commands(target, self.ui)
        return target

    def _peer(self, name: str) -> Target | None:
        try:
            target = self._connected(load_host(self.root, name))
        except OpsError:
            return None
        self._open.append(target)
        return target

    # -- endings

    def ended(self, error: OpsError) -> Record:
        """The record of a call that ended before any host had one."""
        entry = HostRecord(error.host or self.host or os.environ.get("OPSLIB_HOST") or "local", seconds=self._seconds())
        failed(entry, error)
        return Record(self.task, self.started, self._seconds(), [entry])

    def _not_begun(self, unreached: Sequence[HostRecord]) -> Record:
        entries = {entry.host: entry for entry in unreached}
        others = OpsError(f"not begun, because {', '.join(entries)} could not be reached", left="everything")
        for name in self.names:
            if name not in entries:
                entries[name] = HostRecord(name)
                failed(entries[name], others)
        return Record(self.task, self.started, self._seconds(), [entries[name] for name in self.names])

    def _seconds(self) -> float:
        return round(time.monotonic() - self._began, 3)


def _require(root: Path, host: Host, needs: Need) -> None:
    """Raise BadSettings where nothing says what the task could work on."""
    if needs == "nothing" or host.compose or (needs == "data" and host.backup.sources):
        return
    examples = sorted(path.parent.name for path in root.glob("examples/*/tasks.py"))
    raise BadSettings(
        f"no stack here: {root} has no compose file, and no host file names one",
        next=f"cd examples/{examples[0]}" if examples else "cd to the project, or set `compose:` in its host file",
    )


def _trace_commands(target: Target, ui: Ui) -> None:
    start = target.start

    def traced(cmd: Any) -> Any:
        ui.command(target.host.name, cmd.masked())
        return start(cmd)

    setattr(target, "start", traced)  # noqa: B010  # mypy refuses the plain assignment
