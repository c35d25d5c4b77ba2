"""The old containers of a blue-green deploy: kept beside the new ones for a while, to go back to at once.

The deploy stays open in the recovery log. The server ends it when the time has come; any run before that ends it first,
except a rollback, which goes back.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from opslib.command import bash
from opslib.compose.stack import Stack
from opslib.deploy.strategies import roll
from opslib.errors import Cancelled, HostLost, OpsError
from opslib.images.tools import ensure_tools
from opslib.run import watchdog
from opslib.run.step import Recovery, Run, Step
from opslib.target.base import Target

Memo = dict[str, Any]

NAME = "hold"
KEPT = "kept"  # a fact of the run: the roll whose old containers stay
HELD = "held"  # a fact of the run: whether the server ends it later
WENT = "went back"  # a fact of the run: the release whose containers serve again
_KEPT = """shopt -s nullglob; [[ -e $1/hold ]] || exit 0; for f in "$1"/*/old; do echo "$(<"$f")"; done"""


def kept(run: Run) -> frozenset[str]:
    """The ids of the old containers that stay beside those of the release."""
    old: dict[str, list[str]] = run.facts.get(KEPT, {}).get("old", {})
    return frozenset(id for ids in old.values() for id in ids)


def step(project: str, previous: str | None, here: Target | None) -> Step[Memo]:
    """Final, and it stays: the server ends it, by a container of the tools image, which may come from `here`."""

    def look(run: Run) -> Memo | None:
        if KEPT not in run.facts:
            return None
        return {"project": project, "previous": previous, "roll": run.facts[KEPT], "watch": f"{run.id}.hold"}

    def do(run: Run, memo: Memo) -> str:
        seconds = run.target.host.deploy.hold
        script = roll.script(run.target, project, memo["roll"], "end")
        if not seconds or not watchdog.arm(run, script, _tools(run, here), seconds, memo["watch"]):
            if seconds:
                run.note("the old containers are not kept: no container of the tools image can run there, which would "
                         "take them away later", warning=True)  # fmt: skip
            finish(run, memo)
            return "the old ones are gone"
        roll.note(run.target, {"hold": run.id})
        run.facts[HELD] = True
        return f"the old ones stay for {seconds:.0f} s: until then inv rollback is a reload of nginx"

    return Step(NAME, look, do, final=True, stays=lambda run: bool(run.facts.get(HELD)))


def _tools(run: Run, here: Target | None) -> str | None:
    try:
        return ensure_tools(run.target, here)
    except (Cancelled, HostLost):
        raise
    except OpsError as error:
        run.note(error.what, warning=True)
        return None


def finish(run: Run, memo: Memo) -> None:
    """The old containers go; idempotent."""
    _end(run, memo, "end")


def _end(run: Run, memo: Memo, what: str) -> None:
    for one in (what, "close"):
        roll.settle(run.target, one, memo["project"], memo["roll"])
    watchdog.disarm(run.target, memo["watch"])


def going_back(to: str | None) -> Recovery:
    """What a rollback does with a hold: the old containers serve again. Everything else of that release comes with the
    rollback's own steps. Of another release than the one before it knows nothing, so the hold just ends."""

    def back(run: Run, memo: Memo) -> None:
        if to is not None and to != memo["previous"]:
            finish(run, memo)
            return
        _end(run, memo, "back")
        run.facts[WENT] = memo["previous"]

    return Recovery(finish=back)


def without_kept(target: Target, stack: Stack) -> Stack:
    """The stack without old containers on hold, for a plan: a run would have ended that first."""
    ids = target.run(bash(_KEPT, roll.folder(target))).text.split()
    return dataclasses.replace(stack, containers=tuple(one for one in stack.containers if one.id not in ids))
