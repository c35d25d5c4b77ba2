"""A drill as steps: a scratch place is made, a set restored into it and counted, and everything taken away.

Each part proves itself as in any restore: loaded without an error, and counted as the set says. How long it took is
what a restore would take on that machine.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opslib.backup import sets
from opslib.backup.drill import scratch
from opslib.backup.drill.compare import compare
from opslib.backup.found import logins as found_logins
from opslib.backup.manifest import Artifact
from opslib.backup.restore import check
from opslib.backup.restore import options as restoring
from opslib.backup.restore.chosen import Chosen, is_globals
from opslib.backup.restore.context import Context, from_memo
from opslib.backup.restore.plan import plan, roles
from opslib.backup.restore.space import refuse_if_short
from opslib.engines.instance import Login
from opslib.errors import BadSettings, OpsError
from opslib.events import Progress
from opslib.run.step import AnyStep, Recovery, Run, Step

if TYPE_CHECKING:
    from opslib.backup.keys import Find
    from opslib.backup.restore.parts import AnyPart
    from opslib.target.base import Target

Memo = dict[str, Any]
TAKE_AWAY = "take the scratch place away"


@dataclass(frozen=True, slots=True)
class Options:
    """`set` is a set's id, the beginning of one, its folder, or `latest`; `any_set`: any whole one instead, by chance.
    `source` (empty: all) chooses by kind, service, name or title. `here` is this machine's engine, for the tools image,
    `identity` finds who can read a set that is encrypted."""

    set: str = "latest"
    any_set: bool = False
    source: str = ""
    here: Target | None = None
    identity: Find | None = None


def steps(run: Run, options: Options) -> list[AnyStep]:
    """The steps of a drill. What was restored and how long it took stands in the result as `drill`."""
    target = run.target
    found = _set(run, options)
    assert found.manifest is not None
    wanted = choose(found.manifest.artifacts, options.source, found.id)
    chosen = Chosen(found.folder, False, found.manifest, wanted)
    check.verify(target, chosen)
    ctx = _context(run, options)
    ctx.identities += check.identities(chosen, restoring.Options(None, identity=options.identity))
    folder = f"{target.state}/drill-{run.id}"
    there = tuple(scratch.redirected(one, number, ctx.project, folder) for number, one in enumerate(wanted))
    run.result["drill"] = {"set": found.id}
    moved = Chosen(found.folder, False, found.manifest, there)
    memo = {"project": ctx.project, "tools": ctx.tools, "folder": folder, "run": run.id,
            "servers": [f"{one.service} ({one.image})" for one in scratch.servers(there)]}  # fmt: skip
    return [
        _place(ctx, there, memo), _restore(ctx, moved),
        Step(TAKE_AWAY, lambda run: memo, take_away, final=True, show=lambda memo: memo["project"]),
    ]  # fmt: skip


def _set(run: Run, options: Options) -> sets.SetInfo:
    if not options.any_set:
        found = sets.find(run.target, options.set)
        if found.manifest is None:
            raise OpsError(f"{found.folder} is no whole set: {found.wrong}", host=run.host, next="inv backup.list")
        return found
    whole = [one for one in sets.list_sets(run.target) if one.whole and not one.safety]
    if not whole:
        return sets.choose(whole, "latest", run.host)  # which says that there is none
    return random.choice(whole)


def choose(artifacts: tuple[Artifact, ...], source: str, ident: str) -> tuple[Artifact, ...]:
    """The artifacts to restore: those that `source` means, with the accounts of their servers. Raises BadSettings where
    it means none."""
    data = [one for one in artifacts if one.kind != "project"]
    found = [one for one in data if not source or source in (one.kind, one.service, one.name, one.title)]
    kept = [one for one in found if not is_globals(one)]
    if not kept:
        held = ", ".join(one.title for one in data if not is_globals(one)) or "nothing to restore"
        raise BadSettings(f"the set {ident} has no source {source!r}: it holds {held}", left="everything")
    servers = {(one.kind, one.service) for one in kept}
    return tuple(one for one in data if one in kept or (is_globals(one) and (one.kind, one.service) in servers))


def _context(run: Run, options: Options) -> Context:
    name, target = scratch.project(run.id), run.target
    # the servers are new: of what the host file says of theirs only the tools' image is true of them
    logins = {service: Login(tools_image=one.tools_image) for service, one in found_logins(target.host).items()}
    if target.host.is_local and not target.host.compose:
        return Context(target, "", name)
    from opslib.compose.engine import look_at_engine
    from opslib.images.tools import ensure_tools

    look_at_engine(target)
    return Context(target, ensure_tools(target, options.here), name, options.here, logins=logins)


def _place(ctx: Context, artifacts: tuple[Artifact, ...], memo: Memo) -> AnyStep:
    wanted = scratch.servers(artifacts)

    def do(run: Run, memo: Memo) -> str:
        run.facts["began"] = time.monotonic()
        scratch.fetch_images(run.target, wanted)
        scratch.make_folders(run.target, [memo["folder"], *scratch.folders(artifacts)])
        scratch.start(run.target, ctx.project, wanted)
        return f"{', '.join(memo['servers']) or 'a folder'}"

    return Step("scratch place", lambda run: memo, do, take_away,
                show=lambda memo: ", ".join(memo["servers"]) or memo["folder"])  # fmt: skip


def _restore(ctx: Context, chosen: Chosen) -> AnyStep:
    def look(run: Run) -> Memo:
        return {"artifacts": [one.title for one in chosen.artifacts if not is_globals(one)]}

    def do(run: Run, memo: Memo) -> str:
        wanted = restoring.Options(None, no_safety_copy=True)
        parts = plan(ctx, chosen, wanted, run.id, chosen.folder)
        if ctx.tools:
            refuse_if_short(ctx, chosen, parts)
        parts = roles(ctx, parts)
        by_file = {one.file: one for one in chosen.artifacts}
        drilled = [_drilled(run, ctx, part, by_file[part.file]) for part in parts]
        seconds = round(time.monotonic() - run.facts["began"], 3)
        run.result["drill"] |= {"seconds": seconds, "restored": drilled}
        files = [one.file for one in chosen.artifacts]  # with the accounts, which come with the databases
        run.journal["drill"] = {**run.result["drill"], "restored": [one["title"] for one in drilled], "files": files}
        return f"{len(parts)} restored and counted"

    return Step("restore there", look, do, show=lambda memo: ", ".join(memo["artifacts"]))


def _drilled(run: Run, ctx: Context, part: AnyPart, artifact: Artifact) -> dict[str, Any]:
    """Restore a part, and say what it then holds, and what of that was compared with the set."""
    run.target.tell(Progress(run.host, part.what, 0, part.raw_bytes or None))
    began = time.monotonic()
    part.load(ctx)
    part.swap(ctx)
    seconds = round(time.monotonic() - began, 3)
    run.target.tell(Progress(run.host, part.what, part.raw_bytes, part.raw_bytes or None))
    counts = part.counts or part.holds(ctx) or {}
    return {"title": part.title, "file": part.file, "seconds": seconds, "counts": counts,
            "compared": {"counts": part.counts is not None, **compare(ctx, artifact, part)}}  # fmt: skip


def take_away(run: Run, memo: Memo) -> None:
    """Remove the scratch place. Idempotent."""
    ctx = from_memo(run.target, memo)
    scratch.remove(ctx, memo["folder"])
    scratch.leftovers(run.target, memo["run"])


RECOVERIES: dict[str, Recovery] = {
    "scratch place": Recovery(undo=take_away),
    "restore there": Recovery(),
    TAKE_AWAY: Recovery(finish=take_away),
}
"""What the next run does with the steps of a drill that was killed."""
