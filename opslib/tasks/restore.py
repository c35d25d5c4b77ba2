"""`inv restore.…`: data put back from a backup set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.run.record import Record
    from opslib.tasks._call import Call

_OPTIONS = {
    "file": "A set's id, latest, a set's folder, or one file of it, here or there",
    "no_safety_copy": "Overwrite without keeping a copy of what is there",
}


@task("restore.all", changes=True, needs="data", one_host=True, default=True, help=_OPTIONS)
def all_(call: Call, file: str | None = None, no_safety_copy: bool = False) -> Record:
    """Put back all that a backup holds."""
    raise NotImplementedError


TASKS = (all_,)
