"""What a person types: one module per namespace, each task a thin function over the package that does the work.

Listing the tasks imports these modules and no others: whatever a task needs is imported inside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.collection import Collection

from opslib.tasks.backup import TASKS as BACKUP
from opslib.tasks.build import TASKS as BUILD
from opslib.tasks.certbot import TASKS as CERTBOT
from opslib.tasks.cron import TASKS as CRON
from opslib.tasks.deploy import OTHERS
from opslib.tasks.deploy import TASKS as DEPLOY
from opslib.tasks.env import TASKS as ENV
from opslib.tasks.host import TASKS as HOST
from opslib.tasks.lint import TASKS as LINT
from opslib.tasks.migrate import TASKS as MIGRATE
from opslib.tasks.restore import TASKS as RESTORE
from opslib.tasks.scan import TASKS as SCAN
from opslib.tasks.signals import TASKS as SIGNALS

if TYPE_CHECKING:
    from opslib import Hooks

_GROUPS = {
    "deploy": DEPLOY, "env": ENV, "build": BUILD, "scan": SCAN, "migrate": MIGRATE, "backup": BACKUP,
    "restore": RESTORE, "certbot": CERTBOT, "cron": CRON, "host": HOST, "signals": SIGNALS,
}  # fmt: skip


def collection(root: str, hooks: Hooks | None = None) -> Collection:
    """All tasks for the project in the folder `root`; `hooks` as `opslib.namespace` takes them."""
    ns = Collection(*OTHERS, *LINT)
    for name, tasks in _GROUPS.items():
        ns.add_collection(Collection(name, *tasks))
    # A tuple: Invoke would copy a map key by key.
    ns.configure({"opslib": {"root": root, "hooks": tuple((hooks or {}).items())}})
    return ns
