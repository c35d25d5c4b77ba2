"""The tasks of a host in this machine's schedule, a crontab or systemd's timers: put there, shown, removed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opslib.cron import alone, clock, wanted
from opslib.cron.crontab import Crontab
from opslib.cron.held import Held
from opslib.cron.timers import Timers
from opslib.errors import BadSettings, OpsError
from opslib.events import Note, Tell
from opslib.settings.load import load_host
from opslib.signals.check import check

if TYPE_CHECKING:
    from opslib.settings.model import Host


def install(root: Path, host: Host, tell: Tell, *, plan: bool) -> tuple[bool, dict[str, Any]]:
    """Put the host's jobs into the crontab or systemd's timers, and take them out of the other; whether that changed
    anything, and what stands there.

    Raises OpsError where they could not run: nobody is there at night to type a passphrase or to set a variable.
    """
    crontab, timers = _ways(root)
    chosen, other = (timers, crontab) if _scheduler(host, crontab, timers) == timers.name else (crontab, timers)
    jobs, catch_up = wanted.jobs(root, host, os.environ), host.backup.catch_up
    alone.check(root, host)
    check(host.backup.signals, host.name)
    changed = chosen.install(host.name, jobs, catch_up=catch_up, plan=plan)
    moved = other.remove(host.name, plan=plan)
    if not plan:
        chosen.warn(host.name, tell)
    held = chosen.wanted(host.name, jobs, catch_up=catch_up) if plan else chosen.held()[host.name]
    return (changed or moved) and not plan, _result([held], changed=changed or moved)


def show(root: Path, name: str, tell: Tell) -> tuple[bool, dict[str, Any]]:
    """What is installed of the host; a warning where its file says otherwise by now."""
    ways = _ways(root)
    found = [(way, held) for way in ways if (held := way.held().get(name))]
    with suppress(BadSettings):  # the file may be gone
        host = load_host(root, name)
        jobs, named = wanted.jobs(root, host, os.environ), host.backup.scheduler
        for way, held in found:
            new = way.wanted(name, jobs, catch_up=host.backup.catch_up)
            if (held.says(), held.catch_up) != (new.says(), new.catch_up) or named not in (None, way.name):
                tell(Note(name, f"the host file says otherwise by now: inv cron.install --host {name}", warning=True))
    return False, _result([held for _, held in found])


def remove(root: Path, host: str, *, plan: bool) -> tuple[bool, dict[str, Any]]:
    """Take the host's jobs out of the crontab and of systemd's timers."""
    ways = _ways(root)
    before = [held for way in ways if (held := way.held().get(host))]
    changed = [way.remove(host, plan=plan) for way in ways]
    return any(changed) and not plan, _result(before, changed=any(changed))


def names(root: Path) -> list[str]:
    """The hosts that something is installed of, for this project."""
    return sorted({name for way in _ways(root) for name in way.held()})


def _ways(root: Path) -> tuple[Crontab, Timers]:
    return Crontab(str(root), lambda host: wanted.log_file(root, host)), Timers(str(root))


def _scheduler(host: Host, crontab: Crontab, timers: Timers) -> str:
    """What the host file names; else the crontab, where there is one. Raises OpsError."""
    named = host.backup.scheduler
    if named == timers.name and not timers.there():
        raise OpsError(
            "systemd does not run this machine, and `backup: scheduler:` asks for it",
            host=host.name, left="everything", next="leave `scheduler:` away, or set it to crontab",
        )  # fmt: skip
    if named is None and not crontab.there() and timers.there():
        return timers.name
    return named or crontab.name


def _result(held: Sequence[Held], **more: Any) -> dict[str, Any]:
    """`schedule` and `line` are those of the first task."""
    told = [
        {"task": line.task, "schedule": line.schedule, "delay": line.delay, "line": line.text, "unit": line.unit,
         "next": line.next.isoformat() if line.next is not None else None}
        for one in held
        for line in one.lines
    ]  # fmt: skip
    first = told[0] if told else {"schedule": None, "line": None}
    return {
        "installed": bool(held), "scheduler": ", ".join(one.scheduler for one in held) or None,
        "schedule": first["schedule"], "line": first["line"], "catch_up": any(one.catch_up for one in held),
        "log": held[0].log if held else None, "zone": clock.zone()[0], "jobs": told, **more,
    }  # fmt: skip
