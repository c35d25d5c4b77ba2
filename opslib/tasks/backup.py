"""`inv backup.…`: backup sets, made and looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.run.record import Record
    from opslib.tasks._call import Call

_SET = {"set": "A set's id; default: the newest"}


@task("backup.all", changes=True, needs="data", default=True)
def all_(call: Call) -> Record:
    """Back up everything that is found: one set."""
    raise NotImplementedError


@task("backup.postgres", changes=True, needs="data")
def postgres(call: Call) -> Record:
    """Back up the PostgreSQL databases."""
    raise NotImplementedError


@task("backup.redis", changes=True, needs="data")
def redis(call: Call) -> Record:
    """Back up Redis."""
    raise NotImplementedError


@task("backup.sqlite", changes=True, needs="data")
def sqlite(call: Call) -> Record:
    """Back up the SQLite files."""
    raise NotImplementedError


@task("backup.volumes", changes=True, needs="data")
def volumes(call: Call) -> Record:
    """Back up the volumes."""
    raise NotImplementedError


@task("backup.files", changes=True, needs="data")
def files(call: Call) -> Record:
    """Back up files and folders of the project."""
    raise NotImplementedError


@task("backup.list", needs="data")
def list_(call: Call) -> Record:
    """List the sets."""
    raise NotImplementedError


@task("backup.show", needs="data", help=_SET)
def show(call: Call, set: str | None = None) -> Record:
    """Show what a set holds, and how to restore it by hand."""
    raise NotImplementedError


@task("backup.verify", needs="data", help=_SET)
def verify(call: Call, set: str | None = None) -> Record:
    """Read a set to its end: lengths, digests, formats."""
    raise NotImplementedError


TASKS = (all_, postgres, redis, sqlite, volumes, files, list_, show, verify)
