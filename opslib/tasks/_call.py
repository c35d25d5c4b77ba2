"""One call of a task: its hosts, the connections to them, and how it ends."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opslib.errors import BadSettings, Cancelled, NeedsYes, OpsError
from opslib.run.record import HostRecord, Record, failed, now, unforeseen
from opslib.settings.load import FLAGS, LOCAL, bare_local, load_host
from opslib.settings.select import select_hosts
from opslib.tasks._connections import Connections
from opslib.ui import Show, Ui

if TYPE_CHECKING:
    from invoke.context import Context

    from opslib.run.rollout import Rollout
    from opslib.run.step import Recovery, Run
    from opslib.run.task import Steps
    from opslib.settings.model import Host
    from opslib.target.base import Target
    from opslib.tasks._spec import Spec


@dataclass
class Call:
    """What a task's body works with: where the project is, which hosts, which of the shared options, and (`flags`) of
    those that stand for a key of the host file; and Invoke's context, for hooks."""

    spec: Spec
    root: Path
    ui: Ui
    context: Context
    host: str | None = None
    plan: bool = False
    yes: bool = False
    flags: Mapping[str, str] = field(default_factory=dict)
    signal: bool = False
    json: bool = False
    debug: bool = False
    started: str = field(default_factory=now)
    show: Show | None = None
    adapt: Callable[[Host], Host] | None = None  # what the task makes of a host's settings before it connects
    advise: Callable[[Host, OpsError], None] | None = None  # what the task adds to why a host could not be reached
    _began: float = field(default_factory=time.monotonic)
    _settings: dict[str, Host] = field(default_factory=dict)
    _unusable: list[HostRecord] = field(default_factory=list)  # of hosts whose settings are wrong
    _reached: tuple[list[Target], list[HostRecord]] | None = None
    _leaving: threading.Event = field(default_factory=threading.Event)  # nobody has to answer any more

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
        if self.host is None and names != [LOCAL]:
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
        """The settings of the hosts. Of several that are each for itself, those whose settings can be used.

        Raises BadSettings.
        """
        found = []
        for name in self.names:
            try:
                host = self.settings(name)
                found.append(host if self.adapt is None else self.adapt(host))
            except BadSettings as error:
                if self.spec.together or len(self.names) == 1:
                    raise
                self._unusable.append(self._failed(name, error))
        return found

    def settings(self, name: str) -> Host:
        """A host's settings. Raises BadSettings, also where there is nothing that the task could work on."""
        if name not in self._settings:
            host = load_host(self.root, name, {FLAGS[flag]: text for flag, text in self.flags.items()})
            self.spec.require(self.root, host)
            self._settings[name] = host
        return self._settings[name]

    # -- the three ways to work on the hosts

    def carry_out(
        self, steps: Steps, *, detail: Mapping[str, object] | None = None, show: Show | None = None,
        instead: Mapping[str, Recovery] = {}, rollout: Rollout | None = None,
        live: Callable[[Run], dict[str, Any]] | None = None, onward: bool = False,
    ) -> Record:  # fmt: skip
        """Carry steps out on all hosts, or plan them. Where they belong together nothing begins unless every host can
        be reached, or as many as the `rollout` asks for. `instead`: what is done with steps that an earlier run has
        left, where this task knows better. `live` tells what runs on a host in the end. `onward`: what was done
        stays, whatever comes."""
        from opslib.run.fleet import carry_out
        from opslib.run.rollout import Rollout
        from opslib.run.task import Task
        from opslib.tasks._recovery import Recoveries

        self.show = show
        rollout = rollout or Rollout()
        targets, unreached = self._connect()
        if live is not None:
            for entry in unreached:
                entry.result["live"] = {"state": "unknown"}
        if self.spec.together and not (targets and rollout.bears(len(unreached))):
            return self._not_begun(unreached)
        self.ui.begin(f"{self.task} on {', '.join(self.names)}" + (", as a plan" if self.plan else ""), self.names)
        task = Task(
            self.task, steps, known=Recoveries(instead), peer=self.connections.peer, plan=self.plan,
            detail=detail or {}, onward=onward,
            wait=max((host.wait for host in self.hosts), default=0.0), together=self.spec.together,
            rollout=rollout.after(len(unreached)), live=None if self.plan else live,
        )  # fmt: skip
        return self._whole(carry_out(task, targets, beside=self.connections.beside), unreached)

    def look(self, look: Callable[[Run], object], *, show: Show | None = None) -> Record:
        """Look at all hosts that can be reached; those that cannot are in the record."""
        from opslib.run.fleet import look_on

        self.show = show
        targets, unreached = self._connect()
        self.ui.begin("", self.names)
        return self._whole(look_on(self.task, targets, look, beside=self.connections.beside), unreached)

    def glance(self, look: Callable[[Run], object], *, show: Show | None = None) -> Record:
        """The same where a look only waits for what the host does: at each host as soon as it is reached, at any number
        at once."""
        from opslib.run.fleet import look_as_reached

        self.show = show
        usable = {host.name: host for host in self.hosts}

        def reach(name: str) -> Target:
            try:
                return self.connections.open(usable[name])
            except OpsError as error:
                self.ui.trace(error)
                raise

        self.ui.begin("", self.names)
        dialled = {name: str(host.jump[0] if host.jump else host.address) for name, host in usable.items()}
        record = look_as_reached(self.task, dialled, reach, look, beside=self.connections.beside)
        if record.exit == Cancelled.exit_code:
            self._leaving.set()
            self.ui.person.dismissed()
        return self._whole(record, ())

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
        names = self.names if names is None else names
        for name in names:
            began = time.monotonic()
            entry = HostRecord(name)
            try:
                entry.changed, entry.result = work(name)
                entry.seconds = round(time.monotonic() - began, 3)
            except OpsError as error:
                entry = self._failed(name, error, began)
            except Exception as bug:
                if len(names) == 1:
                    raise
                entry = self._failed(name, unforeseen(bug, name), began)
            record.hosts.append(entry)
        record.seconds = self._seconds()
        return record

    # -- questions

    def destructive(self) -> None:
        """To be called before anything else where `confirm` will ask. Raises NeedsYes where nobody can answer."""
        if not (self.yes or self.plan or self.ui.person.there):
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
        if not self.ui.person.agrees(question, stop=lambda: target is not None and target.cancelled):
            raise NeedsYes("not confirmed", left="everything")

    # -- connections

    @property
    def prompt(self) -> Callable[[str], str] | None:
        """Asks a person for a passphrase; None where there is nobody."""
        return self._secret if self.ui.person.there else None

    def _secret(self, question: str) -> str:
        return self.ui.person.secret(question, stop=self._leaving.is_set)

    @cached_property
    def connections(self) -> Connections:
        """The open ways to machines."""
        return Connections(self.root, self.ui, self.prompt, debug=self.debug)

    def this_machine(self) -> Target:
        """This machine beside the hosts: for git, builds, and images that are sent."""
        return self.another(LOCAL)

    def another(self, name: str) -> Target:
        """A host beside those that the task works on: what is on it is only read."""
        return self.connections.another(name, self._beside)

    def _beside(self, name: str) -> Host:
        """This machine helps the others also where its own file, as one of several hosts', cannot be used."""
        if name == LOCAL and any(entry.host == LOCAL for entry in self._unusable):
            return bare_local(self.root)
        return load_host(self.root, name)

    def _connect(self) -> tuple[list[Target], list[HostRecord]]:
        """The open targets, and the hosts that were not reached. They are opened once, several at a time."""
        if self._reached is None:
            self._reached = self._open_all()
        return self._reached

    def _open_all(self) -> tuple[list[Target], list[HostRecord]]:
        from opslib.run.workers import each

        targets: dict[str, Target] = {}
        unreached: dict[str, HostRecord] = {}

        def open(host: Host) -> None:
            began = time.monotonic()
            try:
                targets[host.name] = self.connections.open(host)
            except OpsError as error:
                if self.advise is not None:
                    self.advise(host, error)
                unreached[host.name] = self._failed(host.name, error, began)

        try:
            errors = each(self.hosts, open)
        except KeyboardInterrupt:
            self._leaving.set()
            self.ui.person.dismissed()
            raise
        for error in errors:
            if error is not None:
                raise error
        names = [host.name for host in self.hosts]
        return [targets[name] for name in names if name in targets], [
            unreached[name] for name in names if name in unreached
        ]

    # -- endings

    def ended(self, error: OpsError) -> Record:
        """The record of a call that ended before any host had one."""
        entry = HostRecord(error.host or self.host or os.environ.get("OPSLIB_HOST") or LOCAL, seconds=self._seconds())
        failed(entry, error)
        return Record(self.task, self.started, self._seconds(), [entry])

    def _not_begun(self, unreached: Sequence[HostRecord]) -> Record:
        names = [entry.host for entry in unreached]
        others = OpsError(f"not begun, because {', '.join(names)} could not be reached", left="everything")
        idle = [self._failed(name, others) for name in self.names if name not in names]
        return self._whole(Record(self.task, self.started, hosts=idle), unreached)

    def _whole(self, record: Record, unreached: Sequence[HostRecord]) -> Record:
        """The record of all hosts, in the order in which they were named, also of those where nothing began."""
        entries = {entry.host: entry for entry in (*record.hosts, *unreached, *self._unusable)}
        record.hosts = [entries[name] for name in self.names]
        record.started, record.seconds = self.started, self._seconds()
        return record

    def _failed(self, name: str, error: OpsError, began: float | None = None) -> HostRecord:
        """The record of a host where something kept the work from beginning, or ended it; `began`: when it did."""
        self.ui.trace(error)
        entry = HostRecord(name, seconds=0.0 if began is None else round(time.monotonic() - began, 3))
        failed(entry, error)
        return entry

    def _seconds(self) -> float:
        return round(time.monotonic() - self._began, 3)
