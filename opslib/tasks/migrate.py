"""`inv migrate.…`: the schema of the release that is live, by the project's own commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.migrate.steps import Kind
    from opslib.run.record import Record
    from opslib.tasks._call import Call

_RELEASE = "Run it in the image of this release; default: the one that is live"


@task("migrate.up", changes=True, together=True, default=True)
def up(call: Call) -> Record:
    """Run the migrations of the release that is live."""
    return _run(call, "up")


@task("migrate.status", help={"release": _RELEASE})
def status(call: Call, release: str | None = None) -> Record:
    """Say where the schema is, and what is pending."""
    from opslib.migrate import steps
    from opslib.tasks._show import schema

    options = steps.Options(call.root, release=release)
    return call.look(lambda run: steps.status(run, options), show=schema)


@task(
    "migrate.down",
    changes=True,
    help={"to": "Where to go back to: a revision, or what the tool takes for one", "release": _RELEASE},
)
def down(call: Call, to: str | None = None, release: str | None = None) -> Record:
    """Turn the schema back, after a question."""
    call.destructive()
    return _run(call, "down", to, release)


@task("migrate.seed", changes=True)
def seed(call: Call) -> Record:
    """Fill the database with the project's first data."""
    return _run(call, "seed")


def _run(call: Call, kind: Kind, to: str | None = None, release: str | None = None) -> Record:
    from opslib.migrate import steps
    from opslib.tasks._rollout import rollout
    from opslib.tasks._show import migrated
    from opslib.tasks.deploy import backup_first

    options = steps.Options(call.root, kind, to, release, backup_first(call), call.confirm)
    order = rollout(call, None, None, False, turns=True)  # a database that hosts share is migrated by one of them
    return call.carry_out(lambda run: steps.steps(run, options), show=migrated, rollout=order)


TASKS = (up, status, down, seed)
