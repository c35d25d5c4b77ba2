"""`inv restore.…`: data put back from a backup set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.backup.manifest import Kind
    from opslib.run.record import Record
    from opslib.run.step import AnyStep, Run
    from opslib.tasks._call import Call

_FILE = {
    "file": "A set's id, latest, a folder, or one file of a set; there or here",
    "no_safety_copy": "Keep no copy of what is overwritten",
}
_DATABASE = {
    **_FILE,
    "file": "A set's id, latest, a folder, a dump, or plain .sql[.gz]; there or here",
    "service": "Only this service's; for plain SQL: where it goes",
    "database": "Only this database; for plain SQL: where it goes",
}


def _restore(
    call: Call,
    kinds: tuple[Kind, ...],
    file: str | None,
    no_safety_copy: bool,
    service: str | None = None,
    database: str | None = None,
) -> Record:
    from opslib.backup.restore.options import Options
    from opslib.backup.restore.steps import steps
    from opslib.errors import BadSettings
    from opslib.tasks._show import restored, will_be_overwritten

    if file is None:
        raise BadSettings(
            f"{call.task} needs --file: a set's id, latest, a folder, or one file of a set",
            left="everything",
            next=f"inv backup.list --host {call.names[0]}",
        )
    call.destructive()
    here = call.this_machine()
    options = Options(file, kinds, service, database, no_safety_copy=no_safety_copy, here=here, root=call.root)

    def ask(run: Run) -> list[AnyStep]:
        """Under the lock: what is shown is what will be done."""
        made = steps(run, options)
        will_be_overwritten(call.ui, run)
        call.confirm(f"Overwrite this on {run.host}?", run.target)
        return made

    return call.carry_out(ask, show=restored)


@task("restore.all", changes=True, needs="data", one_host=True, default=True, help=_DATABASE)
def all_(
    call: Call,
    file: str | None = None,
    service: str | None = None,
    database: str | None = None,
    no_safety_copy: bool = False,
) -> Record:
    """Put back all that a set or a file holds.

    Verified first; then what will be overwritten is shown, and asked for. A safety copy of it is made, everything is
    loaded beside the live data, compared, and swapped in. The last line says how to go back.
    """
    return _restore(call, (), file, no_safety_copy, service, database)


@task("restore.postgres", changes=True, needs="data", one_host=True, help=_DATABASE)
def postgres(
    call: Call,
    file: str | None = None,
    service: str | None = None,
    database: str | None = None,
    no_safety_copy: bool = False,
) -> Record:
    """Put back PostgreSQL databases only."""
    return _restore(call, ("postgres",), file, no_safety_copy, service, database)


@task("restore.redis", changes=True, needs="data", one_host=True, help=_FILE)
def redis(call: Call, file: str | None = None, no_safety_copy: bool = False) -> Record:
    """Put back Redis only."""
    return _restore(call, ("redis",), file, no_safety_copy)


@task("restore.sqlite", changes=True, needs="data", one_host=True, help=_FILE)
def sqlite(call: Call, file: str | None = None, no_safety_copy: bool = False) -> Record:
    """Put back SQLite files only."""
    return _restore(call, ("sqlite",), file, no_safety_copy)


@task("restore.volumes", changes=True, needs="data", one_host=True, help=_FILE)
def volumes(call: Call, file: str | None = None, no_safety_copy: bool = False) -> Record:
    """Put back volumes only."""
    return _restore(call, ("volume",), file, no_safety_copy)


@task("restore.files", changes=True, needs="data", one_host=True, help=_FILE)
def files(call: Call, file: str | None = None, no_safety_copy: bool = False) -> Record:
    """Put back files and folders of the project only."""
    return _restore(call, ("files",), file, no_safety_copy)


TASKS = (all_, postgres, redis, sqlite, volumes, files)
