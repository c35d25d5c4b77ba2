"""What a person types: one module per namespace, each task a thin function over the package that does the work.

Listing the tasks imports these modules and no others: whatever a task needs is imported inside it.
"""

from __future__ import annotations

from invoke.collection import Collection

from opslib.tasks.backup import TASKS as BACKUP
from opslib.tasks.build import TASKS as BUILD
from opslib.tasks.cron import TASKS as CRON
from opslib.tasks.deploy import TASKS as DEPLOY
from opslib.tasks.host import TASKS as HOST
from opslib.tasks.migrate import TASKS as MIGRATE
from opslib.tasks.restore import TASKS as RESTORE
from opslib.tasks.signals import TASKS as SIGNALS

_GROUPS = {
    "build": BUILD, "migrate": MIGRATE, "backup": BACKUP, "restore": RESTORE, "cron": CRON, "host": HOST,
    "signals": SIGNALS,
}  # fmt: skip


def collection(root: str) -> Collection:
    """All tasks for the project in the folder `root`."""
    ns = Collection(*DEPLOY)
    for name, tasks in _GROUPS.items():
        ns.add_collection(Collection(name, *tasks))
    ns.configure({"opslib": {"root": root}})
    return ns
