"""`inv backup.push`, `backup.pull`: sets on their way to a store and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.run.record import Record
    from opslib.tasks._call import Call

STORE = "A store of the host file, by its name or address"
_SET = "A set's id, its beginning, or latest"


@task(
    "backup.push",
    changes=True,
    needs="data",
    help={"set": f"{_SET}; default: all that are missing there", "store": STORE},
)
def push(call: Call, set: str | None = None, store: str | None = None) -> Record:
    """Send sets to the stores of the host file.

    `backup.all` does it by itself. What has arrived whole is not sent again; the manifest goes last.
    """
    from opslib.backup.offsite.push import steps
    from opslib.tasks._show_backup import pushed

    return call.carry_out(lambda run: steps(run, set, store), show=pushed)


@task(
    "backup.pull",
    changes=True,
    needs="data",
    help={
        "set": f"{_SET} (the default)", "store": f"{STORE}; default: any that has it",
        "hidden": "as it was first sent, also where it has been deleted or written over since (S3 with versions)",
    },
)  # fmt: skip
def pull(call: Call, set: str | None = None, store: str | None = None, hidden: bool = False) -> Record:
    """Bring a set back from a store.

    One that was interrupted goes on: what has arrived whole is not fetched again.
    """
    from opslib.backup.offsite.pull import steps
    from opslib.tasks._show_backup import pulled

    return call.carry_out(lambda run: steps(run, set or "latest", store, hidden=hidden), show=pulled)


TASKS = (push, pull)
