"""`inv backup.…`: backup sets, made and looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._backup_proof import SET
from opslib.tasks._backup_proof import TASKS as PROOFS
from opslib.tasks._backup_stores import STORE
from opslib.tasks._backup_stores import TASKS as STORES
from opslib.tasks._task import OpsTask, task

if TYPE_CHECKING:
    from opslib.backup.manifest import Kind
    from opslib.run.record import Record
    from opslib.run.step import AnyStep, Run
    from opslib.tasks._call import Call

ENGINES: dict[Kind, str] = {
    "postgres": "PostgreSQL databases", "mysql": "MySQL and MariaDB", "mongo": "MongoDB", "qdrant": "Qdrant",
    "redis": "Redis",
}  # fmt: skip
"""The kinds of databases, and how the tasks call them. Named here too: a list of tasks must not import the engines."""


def _take(call: Call, *kinds: Kind, consistent: bool = False) -> Record:
    from opslib.backup.take import Options, judge, steps
    from opslib.tasks._show_backup import made

    options = Options(kinds=kinds, here=call.this_machine(), consistent=consistent)
    record = call.carry_out(lambda run: steps(run, options), show=made)
    judge(record)
    return record


_ALL = {"consistent": "All of one point in time: the services but the databases stop until it is copied"}


@task("backup.all", changes=True, needs="data", signals=True, default=True, help=_ALL)
def all_(call: Call, consistent: bool = False) -> Record:
    """Back up all that is found, as one set.

    Databases, Redis, SQLite files, volumes and files of the project. Exits with 3 when some data are covered by
    nothing: the set is made, and what is missing is named.
    """
    return _take(call, consistent=consistent)


def _one_kind(name: str, kind: Kind, called: str) -> OpsTask:
    def backup(call: Call) -> Record:
        return _take(call, kind)

    backup.__doc__ = f"Back up {called}."
    return task(f"backup.{name}", changes=True, needs="data", signals=True)(backup)


@task("backup.list", needs="data")
def list_(call: Call) -> Record:
    """List the backup sets and where each is, oldest first."""
    from opslib.backup.offsite.look import show_list
    from opslib.tasks._show_backup import sets

    return call.look(show_list, show=sets)


@task("backup.show", needs="data", help=SET)
def show(call: Call, set: str | None = None) -> Record:
    """Show a set, and how to restore it by hand."""
    from opslib.backup import sets
    from opslib.tasks._show_backup import one_set

    return call.look(lambda run: sets.show(run, set or "latest"), show=one_set)


@task("backup.prune", changes=True, needs="data", help={"store": f"{STORE}: remove them there"})
def prune(call: Call, store: str | None = None) -> Record:
    """Remove the sets that no rule keeps.

    `backup.all` does it by itself; --plan shows what becomes of each set and by which rule. Where something has become
    much smaller than it was, nothing is removed until you agree here.
    """
    from opslib.backup.offsite import remove
    from opslib.backup.prune import steps
    from opslib.tasks._show_backup import pruned, will_be_pruned

    call.destructive()

    def ask(run: Run) -> list[AnyStep]:
        """Under the lock: what is shown is what will be done."""
        made = steps(run) if store is None else remove.steps(run, store)
        if will_be_pruned(call.ui, run):
            call.confirm(f"Go on with this on {run.host}?", run.target)
        return made

    return call.carry_out(ask, show=pruned)


@task("backup.key", options=(), needs="nothing", help={"out": "Write the private key to this new file, mode 0600"})
def key(call: Call, out: str | None = None) -> Record:
    """Make a pair of keys to encrypt backup sets with.

    The public one goes into the host file, the private one is needed to restore, and is nowhere but with you.
    """
    from opslib.backup.keys import new_pair
    from opslib.errors import BadSettings
    from opslib.tasks._show_backup import new_key

    if call.host is not None:
        raise BadSettings("keys are made on this machine, and for any host", left="everything", next="leave --host out")
    return call.here(lambda _: new_pair(call.root, out), names=["local"], show=new_key)


TASKS = (
    all_, *(_one_kind(kind, kind, called) for kind, called in ENGINES.items()),
    _one_kind("sqlite", "sqlite", "the SQLite files"), _one_kind("volumes", "volume", "the volumes"),
    _one_kind("files", "files", "files and folders of the project"), list_, show, prune, key, *PROOFS, *STORES,
)  # fmt: skip
