"""The old containers of a blue-green deploy: kept beside the new ones for a while, to go back to at once.

The step stays in the recovery log. The server ends it when its time is over; any run before that ends it first, except
a rollback to the release before, which takes it over.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from opslib.command import bash
from opslib.compose.stack import Stack, look
from opslib.deploy.strategies import roll
from opslib.errors import Cancelled, CommandFailed, HostLost, OpsError
from opslib.images.tools import ensure_tools
from opslib.run import watchdog
from opslib.run.log import left_behind, path
from opslib.run.step import Recovery, Run, Step
from opslib.state import lines
from opslib.target.base import Target

Memo = dict[str, Any]

NAME = "hold"
NOT_KEPT = (
    "the old containers are not kept: no container of the tools image can run there, which would take them away later"
)
_KEPT = "kept"  # a fact of the run: the roll whose old containers stay, and the tools image
_TAKEN = "taken over"  # a fact of the run: what an earlier one keeps, and this one goes back to
_IDS = """shopt -s nullglob; [[ -e $1/hold ]] || exit 0; for f in "$1"/*/old; do echo "$(<"$f")"; done"""


def begin(run: Run, wanted: Memo, tools: str) -> None:
    """From now on the old containers of this roll stay, watched by a container of the tools image."""
    run.facts[_KEPT] = (wanted, tools)


def begun(run: Run) -> bool:
    """Whether old containers stay."""
    return _KEPT in run.facts


def kept(run: Run) -> frozenset[str]:
    """The ids of the old containers that stay beside those of the release."""
    old: dict[str, list[str]] = run.facts[_KEPT][0]["old"] if begun(run) else {}
    return frozenset(id for ids in old.values() for id in ids)


def tools_for(run: Run, here: Target | None) -> str | None:
    """The tools image, which may come from `here`; None, with a warning, where the server cannot have it."""
    try:
        return ensure_tools(run.target, here)
    except (Cancelled, HostLost):
        raise
    except OpsError as error:
        run.note(error.what, warning=True)
        return None


def step(project: str, previous: str | None) -> Step[Memo]:
    """Have the server end it. Until the run has committed its undo goes back."""

    def look(run: Run) -> Memo | None:
        if not begun(run):
            return None
        return {"project": project, "previous": previous, "roll": run.facts[_KEPT][0], "watch": f"{run.id}.hold"}

    def do(run: Run, memo: Memo) -> str:
        seconds, name = run.target.host.deploy.hold, memo["roll"]["proxy"]["name"]
        roll.note(run.target, {"hold": run.id})
        script = roll.script(run.target, project, memo["roll"], "end")
        kept = watchdog.arm(run, script, run.facts[_KEPT][1], seconds, memo["watch"])
        if not kept:  # it is no longer so, though one has just watched over the roll
            del run.facts[_KEPT]
            _end(run, memo, "end")
        watchdog.disarm(run.target, run.id)  # which would have gone back
        if not kept:
            run.note(NOT_KEPT, warning=True)
            return "the old ones are gone"
        return f"the old ones stay for {seconds:.0f} s: until then inv rollback is one word to {name}"

    return Step(NAME, look, do, undo, stays=begun)


def undo(run: Run, memo: Memo) -> None:
    """It never was: the old containers serve again; idempotent. One that was taken over ends."""
    _end(run, memo, "end" if memo.get("taken") else "back")


def finish(run: Run, memo: Memo) -> None:
    """The old containers go; idempotent. A proxy that somebody has broken meanwhile keeps no run from its work."""
    try:
        _end(run, memo, "end")
    except CommandFailed as error:
        said = (error.stderr.strip().splitlines() or [error.what])[-1]
        deploy = memo["watch"].removesuffix(".hold")
        run.note(f"the hold of deploy {deploy} could not be ended: {said}; the next deploy does it", warning=True)
        watchdog.disarm(run.target, memo["watch"])


def go_back(run: Run, memo: Memo) -> float:
    """The old containers serve again, and then the new ones go. Returns the seconds until nginx had taken over."""
    began = time.monotonic()
    roll.settle(run.target, "turn", memo["project"], memo["roll"])
    seconds = time.monotonic() - began
    run.note(f"release {memo['previous']} serves again")
    _end(run, memo, "back")
    return seconds


def _end(run: Run, memo: Memo, what: str) -> None:
    for one in (what, "close"):
        roll.settle(run.target, one, memo["project"], memo["roll"])
    watchdog.disarm(run.target, memo["watch"])


# -- a rollback


def taken_over(wanted: Callable[[Run], str | None]) -> Recovery:
    """What a rollback to the release `wanted` (None: it will be refused) does with a hold: nothing yet, where that
    release's containers are all there. Otherwise the hold ends."""

    def take_over(run: Run, memo: Memo) -> Memo | None:
        other = wanted(run) not in (None, memo["previous"])
        if other or not _whole(look(run.target, memo["project"]), memo):
            return None
        run.facts[_TAKEN] = memo
        return {**memo, "taken": True}

    return Recovery(undo=undo, finish=finish, take_over=take_over)


def to(run: Run, release: str, stack: Stack) -> Memo | None:
    """What is kept of the release, to go back to at once; None where nothing is."""
    memo: Memo | None = _standing(run.target) if run.plan else run.facts.get(_TAKEN)
    return memo if memo is not None and memo["previous"] == release and _whole(stack, memo) else None


def gone_back(stack: Stack, memo: Memo) -> Stack:
    """The stack as it is when the old containers serve again, and the new ones are gone."""
    old: dict[str, list[str]] = memo["roll"]["old"]
    stay = [one for one in stack.containers if one.one_off or one.id in old.get(one.service, [one.id])]
    left = {one.service for one in stay}  # what nginx is not told of was not kept
    return dataclasses.replace(
        stack, containers=tuple(one for one in stack.containers if one in stay or one.service not in left)
    )


def without_kept(target: Target, stack: Stack) -> Stack:
    """The stack without old containers on hold, for what only looks: a run would have ended that first."""
    ids = target.run(bash(_IDS, roll.folder(target))).text.split()
    return dataclasses.replace(stack, containers=tuple(one for one in stack.containers if one.id not in ids))


def _standing(target: Target) -> Memo | None:
    """The hold that an earlier run has left standing."""
    left = left_behind(lines.read(target, path(target)))
    found = [memo for name, memo in left.stays if name == NAME] if left and left.committed else []
    return found[0] if found and watchdog.armed(target, found[0]["watch"]) else None


def _whole(stack: Stack, memo: Memo) -> bool:
    """Whether all old containers of at least one service are there and run, and no service has only some."""
    well = {one.id for one in stack.containers if one.state == "running" and one.health != "unhealthy"}
    there = {one.id for one in stack.containers}
    kept = [ids for ids in memo["roll"]["old"].values() if there.intersection(ids)]
    return bool(kept) and all(well.issuperset(ids) for ids in kept)
