"""`inv env.rotate` as the list of its steps."""

from __future__ import annotations

from typing import Any

from opslib.deploy import again
from opslib.deploy.env_push import file_step, restart_steps
from opslib.deploy.release_steps import prune_step, seal_step
from opslib.deploy.rotate.change import back, change_step, refuse_other
from opslib.deploy.rotate.here import taken_over
from opslib.deploy.rotate.look import Options, Rotation, survey
from opslib.run.record import holder, now
from opslib.run.step import AnyStep, Recovery, Run, Step
from opslib.state import rotated
from opslib.state.rotated import Former

Memo = dict[str, Any]


def steps(run: Run, options: Options) -> list[AnyStep]:
    """What gives the variable a new value wherever it is: kept, in the env file, in the database whose password it is,
    in what runs, and in the env file on this machine. Raises as `survey`."""
    what = survey(run, options)
    refuse_other(run, what)
    users = [str(one) for one in what.accounts]
    run.result.update(key=what.key, file=what.name, variables=list(what.names), users=users,
                      restarted=sorted(what.seen.recreate))  # fmt: skip
    if not what.seen.recreate:
        run.note(f"no service uses {what.key}: only the env file changes", warning=True)
    switch = _with_database(what) if what.accounts else _with_services(run, what, options)
    return [
        _kept(what),
        file_step(what.path, what.content, f"changed: {', '.join(what.names)}"),
        *switch[:-1],
        _here(what, options),
        *switch[-1:],  # clearing away comes last
    ]


def _with_database(what: Rotation) -> list[AnyStep]:
    """Nothing of it can be doubled: a database has one password."""
    what.seen.strategy = "recreate"
    seen = what.seen
    return [again.record_step(seen, what.content, what.names), change_step(what), seal_step(seen), prune_step(seen)]


def _with_services(run: Run, what: Rotation, options: Options) -> list[AnyStep]:
    return restart_steps(run, what.seen, what.content, options.here, what.names)


def _kept(what: Rotation) -> Step[Memo]:
    """Keep the old value, to go back to."""

    def look(run: Run) -> Memo | None:
        return {"key": what.key, "run": run.id}

    def do(run: Run, memo: Memo) -> None:
        former = Former(was=what.old, run=run.id, at=now(), by=holder("").split(":")[0])
        rotated.remember(run.target, what.key, former, what.new)

    return Step("old value", look, do, _never_was, show=lambda memo: f"keep that of {memo['key']} for --undo")


def _never_was(run: Run, memo: Memo) -> None:
    rotated.forget(run.target, memo["run"])


def _here(what: Rotation, options: Options) -> Step[Memo]:
    """When every host has committed: the env file on this machine gets the new values, and the intent goes."""

    def look(run: Run) -> Memo | None:
        root = None if what.local else str(options.root.resolve())
        return {"root": root, "file": what.name, "key": what.key, "names": list(what.names)}

    return Step("env file here", look, taken_over, final=True, show=lambda memo: memo["file"] if memo["root"] else "")


RECOVERIES: dict[str, Recovery] = {
    "old value": Recovery(undo=_never_was),
    "rotate": Recovery(undo=back),
    "env file here": Recovery(finish=taken_over),
}
