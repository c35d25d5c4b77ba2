"""`inv cron.…`: backups by the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.run.record import Record
    from opslib.run.step import Run
    from opslib.tasks._call import Call


_THERE = {"there": "On the host itself: nothing depends on this machine then"}


@task("cron.install", options=("plan", "yes"), needs="data", help=_THERE)
def install(call: Call, there: bool = False) -> Record:
    """Let crontab or timers run the host's schedule."""
    if there:
        from opslib.cron.there.install import install

        here = call.this_machine()
        return _there(call, lambda run: install(run, call.root, here, plan=call.plan))
    from opslib.cron import jobs
    from opslib.tasks._show import cron_job

    return call.here(
        lambda name: jobs.install(call.root, call.settings(name), call.ui.tell, plan=call.plan), show=cron_job
    )


@task("cron.show", needs="nothing", help=_THERE)
def show(call: Call, there: bool = False) -> Record:
    """Show what crontab and timers hold of this project."""
    if there:
        from opslib.cron.there.install import show

        return _there(call, lambda run: show(run, call.root))
    from opslib.cron import jobs
    from opslib.tasks._show import cron_job

    return call.here(lambda name: jobs.show(call.root, name, call.ui.tell), names=_installed(call), show=cron_job)


@task("cron.remove", options=("plan", "yes"), needs="nothing", help=_THERE)
def remove(call: Call, there: bool = False) -> Record:
    """Take the host's tasks out of crontab and timers."""
    if there:
        from opslib.cron.there.install import remove

        call.confirm(f"{', '.join(call.names)} will not be backed up by the clock there any more. Go on?")
        return _there(call, lambda run: remove(run, call.root, plan=call.plan))
    from opslib.cron import jobs
    from opslib.tasks._show import cron_job

    held = jobs.names(call.root)
    names = _installed(call) if call.host else call.names
    if any(name in held for name in names):
        call.confirm(f"{', '.join(names)} will not be backed up by the clock any more. Go on?")
    return call.here(lambda name: jobs.remove(call.root, name, plan=call.plan), names=names, show=cron_job)


@task("cron.catchup", options=("plan",), needs="nothing")
def catchup(call: Call) -> Record:
    """Run what was due while this machine was off."""
    from opslib.cron import wanted
    from opslib.cron.catchup import CatchUp
    from opslib.tasks._show import caught_up

    def work(name: str) -> tuple[bool, dict[str, Any]]:
        return CatchUp(call.root, name, wanted.log_file(call.root, name), call.ui.tell).run(plan=call.plan)

    return call.here(work, names=_installed(call), show=caught_up if call.plan else None)


def _there(call: Call, work: Callable[[Run], None]) -> Record:
    from opslib.tasks._show import cron_there

    record = call.look(work, show=cron_there)
    for host in record.hosts:
        host.changed = bool(host.result.get("changed")) and not call.plan
    return record


def _installed(call: Call) -> list[str]:
    """The hosts that are meant, or else all that something is installed of; also one whose file is gone."""
    from opslib.cron import jobs

    held = jobs.names(call.root)
    return [call.host] if call.host in held else call.names if call.host else held or call.names


TASKS = (install, show, remove, catchup)
