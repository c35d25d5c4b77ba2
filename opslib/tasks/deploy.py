"""`inv deploy` and what belongs to it: `inv deploy.…`, and the tasks without a namespace."""

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

_STRATEGY = "recreate, rolling, blue-green, canary or swarm"
_BACK = "recreate, rolling or blue-green"
_INSTEAD = ", in place of the host file's"
_FAILURES = {
    "max_failures": "So many hosts may fail, and are undone, without ending the others. Default: 0",
    "keep_going": "Go on with every host, whatever fails: each is for itself",
}
_ENV = "When the env file was changed on the server: here or there, whose counts"


@task(
    "deploy",
    changes=True,
    together=True,
    default=True,
    within="up",
    settings={
        "weight": "Of a canary: the percentage of requests that it gets",
        "hold": "How long a canary is watched, or the old ones of blue-green stay, like 5m",
    },
    help={
        "redeploy": "Recreate also what has not changed",
        "build": "Build also images whose sources have not changed",
        "env": _ENV,
        "strategy": _STRATEGY + _INSTEAD,
        "orphan": "Volumes, folders or services whose data may be left unseen (commas between)",
        "ignore": "Rules of inv lint that the compose files break on purpose (commas between)",
        "anyway": "Also outside of the window of the host file, and on a frozen host",
        "accept": "Of what fails the scan: ids that may go live (commas between); all, also unscanned",
        "freeze": "Deploy nothing, and let nobody else, for this reason",
        "unfreeze": "Deploy nothing, and let others do it again",
        "batch": "How many hosts switch at once, a number or 25%, in place of the host files'",
        **_FAILURES,
    },
)
def deploy(
    call: Call,
    redeploy: bool = False,
    build: bool = False,
    env: str | None = None,
    strategy: str | None = None,
    orphan: str | None = None,
    ignore: str | None = None,
    anyway: bool = False,
    accept: str | None = None,
    freeze: str | None = None,
    unfreeze: bool = False,
    batch: str | None = None,
    max_failures: str | None = None,
    keep_going: bool = False,
) -> Record:
    """Bring what is here live; a failure puts the old back.

    Preflight, backup (where the host file asks for one), files, images, migration, the new containers, health. What
    goes wrong on the way puts the release before back. Where nothing has changed nothing is done. Of several hosts one
    switches alone, then the others do in batches; what goes wrong on one puts the release before back on all.
    """
    from opslib.deploy import gate
    from opslib.deploy.history import live
    from opslib.deploy.options import DeployOptions
    from opslib.deploy.steps import RECOVERIES, steps
    from opslib.errors import BadSettings
    from opslib.tasks._hooks import hooked
    from opslib.tasks._rollout import rollout
    from opslib.tasks._show import released

    if freeze is not None and (unfreeze or not freeze.strip()):
        raise BadSettings("--freeze takes a reason, and no --unfreeze", left="everything")
    if freeze is not None:
        return call.carry_out(lambda run: gate.freeze_steps(freeze))
    if unfreeze:
        return call.carry_out(lambda run: gate.unfreeze_steps())
    meant = _meant(ignore)
    how = _strategy(strategy, _STRATEGY)
    _used(call, how)
    order = rollout(call, batch, max_failures, keep_going, turns=True)
    here = call.this_machine()
    given_up = tuple(orphan.split(",")) if orphan is not None else ()
    options = DeployOptions(
        call.root, here, redeploy, build, _env(env), given_up, anyway, _accepted(call, accept),
        backup=backup_first(call), strategy=how, ignore=meant,
    )  # fmt: skip
    wanted = hooked(call, lambda run: steps(run, options), RECOVERIES)
    return call.carry_out(wanted, show=released, rollout=order, live=live)


@task("deploy.promote")
def promote(call: Call) -> Record:
    """Go on with the canary that is being watched."""
    return _answer(call, "promote")


@task("deploy.abort")
def abort(call: Call) -> Record:
    """Go back from the canary that is being watched."""
    return _answer(call, "abort")


@task(
    "releases",
    help={
        "show": "A release's id: all about it, and how to bring it back by hand",
        "check": "Say what on the server is not as the live release left it",
    },
)
def releases(call: Call, show: str | None = None, check: bool = False) -> Record:
    """List the releases, newest first; or show one."""
    from opslib.deploy import drift, history
    from opslib.errors import BadSettings
    from opslib.tasks import _show

    if check and show is not None:
        raise BadSettings("--check looks at the live release: give it or --show", left="everything")
    if check:
        return call.look(drift.check, show=_show.drift)
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
        "strategy": _BACK + _INSTEAD,
        "batch": "How many hosts go back at once, a number or 25%. Default: all",
        **_FAILURES,
    },
)
def rollback(
    call: Call,
    to: str | None = None,
    env: str | None = None,
    strategy: str | None = None,
    batch: str | None = None,
    max_failures: str | None = None,
    keep_going: bool = False,
) -> Record:
    """Go back to an earlier release; data stay as they are.

    Where releases since then have migrated the schema it asks, because the schema does not go back. Several hosts go
    back at once, and all or none of them.
    """
    from opslib.deploy.history import live
    from opslib.deploy.options import RollbackOptions
    from opslib.deploy.rollback import instead, steps
    from opslib.deploy.steps import RECOVERIES
    from opslib.tasks._hooks import hooked
    from opslib.tasks._rollout import refuse_behind, rollout
    from opslib.tasks._show import released

    back = _strategy(strategy, _BACK)
    if to is None and len(call.names) > 1:
        refuse_behind(call)
    options = RollbackOptions(call.root, to, _env(env), backup_first(call), back, call.confirm)
    wanted = hooked(call, lambda run: steps(run, options), RECOVERIES)
    order = rollout(call, batch, max_failures, keep_going, turns=False)
    return call.carry_out(wanted, show=released, instead=instead(options), rollout=order, live=live)


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


@task("deploy.proxy", changes=True)
def proxy(call: Call) -> Record:
    """Write nginx's sites from the host file, and reload.

    Tested first; the old ones come back where nginx does not take them. A site of somebody's own is never overwritten:
    the difference is shown.
    """
    from opslib.proxy.site_steps import steps
    from opslib.tasks._show_certbot import proxied

    return call.carry_out(steps, show=proxied)


TASKS = (deploy, promote, abort, proxy)
OTHERS = (releases, rollback, ps, logs)


def _env(given: str | None) -> EnvFrom | None:
    from opslib.errors import BadSettings

    choices: dict[str | None, EnvFrom | None] = {None: None, "here": "here", "there": "there"}
    if given not in choices:
        raise BadSettings(f"--env {given!r}: expected here or there")
    return choices[given]


def _accepted(call: Call, given: str | None) -> tuple[str, ...]:
    """What was typed. Raises BadSettings where no host has a gate that would look at it."""
    from opslib.errors import BadSettings

    if given is None:
        return ()
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    if not names or not any(host.scan.gate for host in call.hosts):
        raise BadSettings("--accept names what fails the scan of `scan: {gate: true}`", left="everything")
    return names


def _strategy(given: str | None, words: str) -> Strategy | None:
    """The strategy that was typed, one of those in `words`."""
    from opslib.errors import BadSettings

    known: tuple[Strategy, ...] = ("recreate", "rolling", "blue-green", "canary", "swarm")
    found = next((one for one in known if one == given and one in words), None)
    if given is not None and found is None:
        raise BadSettings(f"--strategy {given!r}: expected {words}")
    return found


def _used(call: Call, given: Strategy | None) -> None:
    """Raises BadSettings for an option that the strategy would not look at."""
    from opslib.errors import BadSettings

    for host in call.hosts:
        strategy = given or host.deploy.strategy
        for flag, by in (("weight", ("canary",)), ("hold", ("canary", "blue-green"))):
            if flag in call.flags and strategy not in by:
                raise BadSettings(
                    f"--{flag} goes with the strategy {' or '.join(by)}, and it is {strategy}", host=host.name,
                    left="everything",
                )  # fmt: skip


def _meant(given: str | None) -> tuple[str, ...]:
    """The rules of lint that were typed. Raises BadSettings for what is none."""
    from opslib.deploy.look_lint import known_rules

    return known_rules(given.split(",")) if given is not None else ()


def _answer(call: Call, word: str) -> Record:
    from opslib.deploy.strategies.answer import give
    from opslib.tasks._show import answered

    return call.look(lambda run: give(run, word), show=answered)


def backup_first(call: Call) -> Steps:
    """The steps of a backup, for what the host file wants one before."""
    here = call.this_machine()

    def steps(run: Run) -> list[AnyStep]:
        from opslib.backup import take

        return take.steps(run, take.Options(here=here))

    return steps
