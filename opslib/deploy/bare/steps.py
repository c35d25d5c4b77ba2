"""`restore --bare` as the list of its steps: the project as a deploy brings it, the data as a restore does.

Until the data are loaded and proven no service but the databases runs, and whatever fails takes away all that the run
has made. From then on nothing is taken away: the services are started, and what keeps them from being healthy is said.
"""

from __future__ import annotations

from typing import Any

from opslib.backup.restore import fetch
from opslib.backup.restore import steps as restore
from opslib.backup.restore.context import from_memo
from opslib.backup.restore.files import TreePart
from opslib.backup.restore.parts import AnyPart
from opslib.backup.restore.sqlite import SqlitePart
from opslib.deploy.bare import live
from opslib.deploy.bare.look import Bare, survey
from opslib.deploy.bare.options import BareOptions
from opslib.deploy.bare.stack import away, create_step, databases_step
from opslib.deploy.files_step import files_step
from opslib.deploy.images import build_step, pin_step, ship_step
from opslib.deploy.release_steps import prune_step, record_step
from opslib.run.log import path
from opslib.run.step import AnyStep, Recovery, Run, Step
from opslib.state import lines

Memo = dict[str, Any]


def steps(run: Run, options: BareOptions) -> list[AnyStep]:
    """What brings a whole set and its project to the run's host. Everything that can be known before is checked here,
    and refused before anything is touched."""
    bare = survey(run, options)
    seen = bare.seen
    run.result["project"] = seen.name
    return [
        files_step(seen),
        build_step(seen, bare.deploy),
        ship_step(seen, bare.deploy),
        pin_step(seen),
        record_step(seen),
        fetch.step(bare.chosen, bare.folder),
        create_step(bare),
        databases_step(bare),
        _load(bare, options),
        _swap(bare),
        restore.clean(bare.ctx),
        live.step(seen),
        prune_step(seen),
    ]


def _load(bare: Bare, options: BareOptions) -> Step[Memo]:
    def look(run: Run) -> Memo:
        if run.plan:  # what is loaded into is not there yet
            run.facts["parts"] = []
            return {"parts": [{"title": one.title} for one in bare.chosen.artifacts]}
        return restore.look_again(bare.ctx, run, bare.chosen, options.restore, bare.folder)

    def do(run: Run, memo: Memo) -> str:
        restore.load(bare.ctx, run)
        return f"{len(memo['parts'])} loaded and proven"

    return Step("load the set", look, do, _unload, show=lambda memo: "; ".join(one["title"] for one in memo["parts"]))


def _unload(run: Run, memo: Memo) -> None:
    ctx = from_memo(run.target, memo)
    for part in _outside(memo):
        part.unload(ctx)


def _outside(memo: Memo) -> list[AnyPart]:
    """The parts that do not go with the volumes that the run has made, the last first."""
    return [part for part in reversed(restore.parts_of(memo)) if isinstance(part, TreePart | SqlitePart)
            and (part.place.kind == "folder" or (isinstance(part, TreePart) and part.create is not None))]  # fmt: skip


def _swap(bare: Bare) -> Step[Memo]:
    def look(run: Run) -> Memo:
        if run.plan:
            return {"parts": bare.chosen.artifacts}
        return restore.memo_of(bare.ctx, run, run.facts["parts"])

    def do(run: Run, memo: Memo) -> str:
        restore.swap(bare.ctx, run)
        # What comes after the commit, for the next run, if this one gets no further than that.
        finals = {restore.REMOVE: restore.clean_memo(bare.ctx, run), live.NAME: live.memo(bare.seen, run)}
        entries = ({"step": name, "memo": one, "final": True} for name, one in finals.items())
        lines.append(run.target, path(run.target), *entries)
        return f"{len(memo['parts'])} in place and compared"

    return Step("put in place", look, do, _back, show=lambda memo: f"{len(memo['parts'])} parts")


def _back(run: Run, memo: Memo) -> None:
    ctx = from_memo(run.target, memo)
    for part in _outside(memo):
        part.back(ctx)


RECOVERIES: dict[str, Recovery] = {
    "create": Recovery(undo=away),
    "start databases": Recovery(),
    "load the set": Recovery(undo=_unload),
    "put in place": Recovery(undo=_back),
    live.NAME: Recovery(finish=live.later),
}
"""What the next run does with the steps of one that was killed; those of a deploy and of a restore are known there."""
