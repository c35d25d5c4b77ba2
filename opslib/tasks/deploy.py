"""`inv deploy` and what belongs to it: the tasks without a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.deploy.options import EnvFrom
    from opslib.run.record import Record
    from opslib.run.step import AnyStep, Run
    from opslib.run.task import Steps
    from opslib.settings.model import Strategy
    from opslib.tasks._call import Call

_STRATEGY = "recreate, rolling or blue-green, in place of the host file's"
_ENV = "When the env file was changed on the server: here or there, whose counts"


@task(
    "deploy",
    changes=True,
    together=True,
    help={
        "redeploy": "Recreate also what has not changed",
        "build": "Build also images whose sources have not changed",
        "env": _ENV,
        "strategy": _STRATEGY,
    },
)
def deploy(
    call: Call, redeploy: bool = False, build: bool = False, env: str | None = None, strategy: str | None = None
) -> Record:
    """Bring what is here live; a failure puts the old back.

    Preflight, backup (where the host file asks for one), files, images, migration, the new containers, health. What
    goes wrong on the way puts the release before back. Where nothing has changed nothing is done.
    """
    from opslib.deploy.options import DeployOptions
    from opslib.deploy.steps import steps
    from opslib.tasks._show import released

    here = call.this_machine()
    options = DeployOptions(call.root, here, redeploy, build, _env(env), backup=_backup(call),
                            strategy=_strategy(strategy))  # fmt: skip
    return call.carry_out(lambda run: steps(run, options), show=released)


@task("migrate", changes=True, together=True)
def migrate(call: Call) -> Record:
    """Run the migrations of the release that is live."""
    from opslib.migrate.steps import steps
    from opslib.tasks._show import migrated

    return call.carry_out(steps, show=migrated)


@task("releases", help={"show": "A release's id: all about it, and how to bring it back by hand"})
def releases(call: Call, show: str | None = None) -> Record:
    """List the releases, newest first; or show one."""
    from opslib.deploy import history
    from opslib.tasks import _show

    if show is not None:
        return call.look(lambda run: history.show(run, show), show=_show.release)
    return call.look(history.history, show=_show.releases)


@task(
    "rollback",
    changes=True,
    together=True,
    help={
        "to": "A release's id; default: the good one before the one that is live",
        "env": _ENV,
        "strategy": _STRATEGY,
    },
)
def rollback(call: Call, to: str | None = None, env: str | None = None, strategy: str | None = None) -> Record:
    """Go back to an earlier release; data stay as they are."""
    from opslib.deploy.options import RollbackOptions
    from opslib.deploy.rollback import steps
    from opslib.deploy.strategies import hold
    from opslib.tasks._show import released

    options = RollbackOptions(call.root, to, _env(env), _backup(call), _strategy(strategy))
    instead = {hold.NAME: hold.going_back(to)}
    return call.carry_out(lambda run: steps(run, options), show=released, instead=instead)


@task("ps")
def ps(call: Call) -> Record:
    """Show what runs: state, health, image, ports."""
    from opslib.deploy.ps import ps
    from opslib.tasks._show import services

    return call.look(ps, show=services)


@task(
    "logs",
    help={
        "service": "Only this service",
        "follow": "Go on until Ctrl-C",
        "since": "Only what is newer: 30m, 1h, 2d, or a date",
        "tail": "At most so many lines of each container; default: 200, or all that --since asks for",
    },
)
def logs(
    call: Call, service: str | None = None, follow: bool = False, since: str | None = None, tail: str | None = None
) -> Record:
    """Show what the services print."""
    from opslib.deploy.logs import logs
    from opslib.errors import BadSettings
    from opslib.events import Output

    if follow and call.json:
        raise BadSettings("--follow has no end, and --json prints one object at the end: give one of them")
    if tail is not None and not tail.isdecimal():
        raise BadSettings(f"--tail {tail!r}: expected a number of lines")
    most = int(tail) if tail is not None else 200 if since is None else None
    call.ui.raw = True

    def look(run: Run) -> None:
        kept = run.result.setdefault("lines", []) if call.json else None
        for line in logs(run.target, service=service, follow=follow, since=since, tail=most):
            run.target.tell(Output(run.host, line))
            if kept is not None:
                kept.append(line)

    return call.look(look)


TASKS = (deploy, migrate, releases, rollback, ps, logs)


def _env(given: str | None) -> EnvFrom | None:
    from opslib.errors import BadSettings

    choices: dict[str | None, EnvFrom | None] = {None: None, "here": "here", "there": "there"}
    if given not in choices:
        raise BadSettings(f"--env {given!r}: expected here or there")
    return choices[given]


def _strategy(given: str | None) -> Strategy | None:
    from opslib.errors import BadSettings

    known: tuple[Strategy, ...] = ("recreate", "rolling", "blue-green")
    found = next((one for one in known if one == given), None)
    if given is not None and found is None:
        raise BadSettings(f"--strategy {given!r}: expected recreate, rolling or blue-green")
    return found


def _backup(call: Call) -> Steps:
    here = call.this_machine()

    def steps(run: Run) -> list[AnyStep]:
        from opslib.backup import take

        return take.steps(run, take.Options(here=here))

    return steps
