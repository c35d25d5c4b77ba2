"""The locks of all hosts of a run, taken so that two runs never wait for each other."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from opslib.errors import Locked
from opslib.run.host_run import HostRun
from opslib.run.workers import each
from opslib.target.lock import locked

Errors = dict[str, BaseException | None]
Opened = Mapping[str, ExitStack]
"""By host: what holds its lock."""


def take(hosts: Sequence[HostRun], opened: Opened, holder: str, wait: float, *, partly: bool) -> Errors:
    """Take each host's lock, within `wait` seconds; by host, the error of those where it was not to be had.

    Of runs that want the same hosts the first host by name lets one through. Nobody waits with a lock in his hand: what
    was taken is given back until the one that was missing is free. `partly`: some may be enough.
    """
    gate, *others = sorted(hosts, key=lambda host: host.run.host)
    deadline = time.monotonic() + wait

    def left() -> float:
        return max(round(deadline - time.monotonic(), 1), 0.0)

    def attempt(some: Sequence[HostRun], patience: float) -> Errors:
        def hold(host: HostRun) -> None:
            lock = locked(host.run.target, run=host.run.id, holder=holder, wait=patience)
            opened[host.run.host].enter_context(lock)

        errors = each(some, hold)
        return {host.run.host: error for host, error in zip(some, errors, strict=True)}

    while True:
        errors = attempt([gate], left())
        if partly or not any(errors.values()):
            errors |= attempt(others, 0)
        held = next((host for host in others if isinstance(errors.get(host.run.host), Locked)), None)
        if held is None or not left():
            return errors
        for host in hosts:
            opened[host.run.host].close()
        waited = attempt([held], left())
        if any(waited.values()):
            return waited
        opened[held.run.host].close()
