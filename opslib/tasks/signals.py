"""`inv signals.…`: whoever is told how scheduled tasks end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.run.record import Record
    from opslib.tasks._call import Call


@task("signals.test", needs="nothing")
def test(call: Call) -> Record:
    """Try the host's signals; nobody is alarmed.

    Exits with 3 when one of them fails.
    """
    from opslib.signals import trial
    from opslib.tasks._show import tried

    record = call.here(lambda name: (False, trial.attempt(call.root, call.settings(name))), show=tried)
    trial.judge(record)
    return record


TASKS = (test,)
