"""`inv cron.…`: backups by the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.run.record import Record
    from opslib.tasks._call import Call


@task("cron.install", options=("plan", "yes"), needs="data")
def install(call: Call) -> Record:
    """Let this machine's crontab run the host's schedule."""
    from opslib.cron import jobs
    from opslib.tasks._show import cron_job

    return call.here(
        lambda name: jobs.install(call.root, call.settings(name), call.ui.tell, plan=call.plan), show=cron_job
    )


@task("cron.show", needs="nothing")
def show(call: Call) -> Record:
    """Show what the crontab holds of this project."""
    from opslib.cron import jobs
    from opslib.tasks._show import cron_job

    names = call.names if call.host else jobs.names(call.root) or call.names
    return call.here(lambda name: jobs.show(call.root, name, call.ui.tell), names=names, show=cron_job)


@task("cron.remove", options=("plan", "yes"), needs="nothing")
def remove(call: Call) -> Record:
    """Take the host's tasks out of the crontab."""
    from opslib.cron import jobs
    from opslib.tasks._show import cron_job

    held = jobs.names(call.root)
    names = [call.host] if call.host in held else call.names  # also of a host whose file is gone
    if any(name in held for name in names):
        call.confirm(f"{', '.join(names)} will not be backed up by cron any more. Go on?")
    return call.here(lambda name: jobs.remove(call.root, name, plan=call.plan), names=names, show=cron_job)


TASKS = (install, show, remove)
