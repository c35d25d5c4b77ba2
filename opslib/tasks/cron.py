"""`inv cron.…`: backups by the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.run.record import Record
    from opslib.tasks._call import Call


@task("cron.install", options=("plan", "yes"), needs="data")
def install(call: Call) -> Record:
    """Let crontab or timers run the host's schedule."""
    from opslib.cron import jobs
    from opslib.tasks._show import cron_job

    return call.here(
        lambda name: jobs.install(call.root, call.settings(name), call.ui.tell, plan=call.plan), show=cron_job
    )


@task("cron.show", needs="nothing")
def show(call: Call) -> Record:
    """Show what crontab and timers hold of this project."""
    from opslib.cron import jobs
    from opslib.tasks._show import cron_job

    return call.here(lambda name: jobs.show(call.root, name, call.ui.tell), names=_installed(call), show=cron_job)


@task("cron.remove", options=("plan", "yes"), needs="nothing")
def remove(call: Call) -> Record:
    """Take the host's tasks out of crontab and timers."""
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


def _installed(call: Call) -> list[str]:
    """The hosts that are meant, or else all that something is installed of; also one whose file is gone."""
    from opslib.cron import jobs

    held = jobs.names(call.root)
    return [call.host] if call.host in held else call.names if call.host else held or call.names


TASKS = (install, show, remove, catchup)
