"""`inv deploy` and what belongs to it: the tasks without a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.run.record import Record
    from opslib.tasks._call import Call


@task("deploy", changes=True)
def deploy(call: Call) -> Record:
    """Bring what is here live; on failure the old release returns."""
    from opslib.deploy.steps import steps

    return call.carry_out(lambda run: steps(run))


@task("build", changes=True)
def build(call: Call) -> Record:
    """Build the images, and have them where they will run."""
    raise NotImplementedError


@task("migrate", changes=True)
def migrate(call: Call) -> Record:
    """Run the migrations of the release that is live."""
    raise NotImplementedError


@task("releases", help={"show": "A release's id: print the docker commands that bring it back"})
def releases(call: Call, show: str | None = None) -> Record:
    """List the releases, or show one."""
    raise NotImplementedError


@task("rollback", changes=True, help={"to": "A release's id; default: the one before the one that is live"})
def rollback(call: Call, to: str | None = None) -> Record:
    """Go back to an earlier release."""
    raise NotImplementedError


@task("ps")
def ps(call: Call) -> Record:
    """Show the services: state, health, image, ports."""
    raise NotImplementedError


@task("logs", help={"service": "Only this service", "follow": "Go on until Ctrl-C", "since": "Only what is newer: 1h"})
def logs(call: Call, service: str | None = None, follow: bool = False, since: str | None = None) -> Record:
    """Show what the services print."""
    raise NotImplementedError


TASKS = (deploy, build, migrate, releases, rollback, ps, logs)
