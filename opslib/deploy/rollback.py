"""`inv rollback` as the list of its steps: an earlier release's files, variables and images, health-gated, recorded as
a release of its own. Migrations are named and not undone; data stay as they are."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import msgspec

from opslib.command import bash
from opslib.deploy import keep, place, switch
from opslib.deploy.files_step import put_back, show, staging
from opslib.deploy.options import RollbackOptions
from opslib.deploy.render import to_text
from opslib.deploy.rollback_look import Back, survey, target_of
from opslib.deploy.strategies import hold, roll
from opslib.deploy.strategies.steps import check, chosen, early, gap, looked, rolled, stop_first
from opslib.deploy.strategies.steps import show as show_roll
from opslib.deploy.swarm import steps as swarm
from opslib.deploy.swarm.look import ways as swarm_ways
from opslib.deploy.switch_steps import shown
from opslib.errors import BadSettings
from opslib.run import watchdog
from opslib.run.record import holder, now
from opslib.run.step import AnyStep, Recovery, Run, Step
from opslib.state import releases
from opslib.state.releases import Release
from opslib.target.transfer import put_bytes

Memo = dict[str, Any]

# $1 the old release's folder, $2 the staging folder: its files, as if they had been sent.
_STAGE = """set -eu; umask 007; mkdir -p -- "${2%/*}"; umask 077; rm -rf -- "$2"; mkdir -p -- "$2/new"
cd -- "$1/compose"; mapfile -d '' -t files; for f in "${files[@]}"; do cp -a --parents -- "./$f" "$2/new/"; done
[ -z "$3" ] || { mkdir -p -- "$(dirname -- "$2/new/$3")"; install -m 600 -- "$1/env" "$2/new/$3"; files+=("$3"); }
: >"$2/remove"; : >"$2/write"; for f in "${files[@]}"; do printf '%s\\0' "$f" >>"$2/write"; done; sync"""


def steps(run: Run, options: RollbackOptions) -> list[AnyStep]:
    """What brings the release `options.to` (None: the good one before the current) back on the run's host."""
    back = survey(run, options)
    run.result.update(project=back.current.project, release=back.current.id, to=back.old.id)
    if not (back.recreate or back.files or back.env_write or back.orphans or back.held):
        run.note(f"release {back.current.id} is the same as {back.old.id}: nothing to do")
        return []
    if back.swarm is not None:
        back.strategy = "swarm"
        run.result.update(strategy=swarm_ways(back.stack, back.recreate, back.swarm))
    else:
        back.strategy = chosen(run, options.strategy, back=True)
        check(run, back.strategy, back.project, back.seen, back.recreate)
        run.result.update(strategy=back.ways(run).as_json(back.strategy))
    _ask_about_migrations(run, back, options)
    # Where the old containers have never stopped there is nothing to wait for.
    wanted = run.target.host.deploy.backup_first and options.backup is not None and back.held is None
    return [
        _switch(back),
        *(options.backup(run) if wanted and options.backup is not None else []),
        _files(back),
        _record(back),
        *([_up(back), _roll(back), hold.step(back.current.project, back.current.id)]
          if back.swarm is None else [swarm.back_step(back)]),
        _seal(back),
        _prune(back),
        *([swarm.unused_step(back.current.project)] if back.swarm is not None else []),
    ]  # fmt: skip


def instead(options: RollbackOptions) -> dict[str, Recovery]:
    """What a rollback does with what an earlier deploy left standing: it goes back to it."""

    def wanted(run: Run) -> str | None:
        try:
            return target_of(run, options.to)[2].id
        except BadSettings:  # the survey says so
            return None

    return {hold.NAME: hold.taken_over(wanted)}


def _ask_about_migrations(run: Run, back: Back, options: RollbackOptions) -> None:
    """A schema is never turned back by itself: older code would meet the newer one, which a person has to want."""
    crossed = migrations_between(back.known, back.old, back.current)
    if not crossed and back.old.revision == back.current.revision:
        return
    how = "; ".join(f"release {one.id}: {_revisions(one)}" for one in crossed)
    run.result["crosses"] = [{"release": one.id, "migration": one.migration} for one in crossed]
    run.note(
        f"the schema stays at {back.current.revision or 'an unknown revision'}; release {back.old.id} was made with "
        f"{back.old.revision or 'an unknown one'}: migrations are not undone{f' ({how})' if how else ''}",
        warning=True,
    )
    if options.confirm is not None:
        question = f"Start the code of {back.old.id} on {run.host} with the newer schema?"
        options.confirm(question, run.target)


def _revisions(release: Release) -> str:
    before, after = ((release.migration or {}).get(key) or "unknown" for key in ("before", "after"))
    return f"{before} → {after}"


def migrations_between(known: Iterable[Release], old: Release, current: Release) -> list[Release]:
    """The releases since `old` that migrated, where the schema that runs is not known to be that of `old`."""
    if old.revision is not None and old.revision == current.revision:
        return []
    return [
        one
        for one in known
        if one.outcome == "good" and one.id > (old.restored or old.id) and one.id <= current.id and one.migration
        and (one.migration["after"] is None or one.migration["after"] != one.migration["before"])
    ]  # fmt: skip


# -- the steps


def _switch(back: Back) -> Step[Memo]:
    """Where the old release's containers are still there: they serve again, before anything else is done."""

    def look(run: Run) -> Memo | None:
        if back.held is None:
            return None
        before = switch.memo(back.current.project, run.id, back.current.id, None, None)
        return {**before, "roll": {**back.held["roll"], "at once": False}}

    def do(run: Run, memo: Memo) -> str:
        assert back.held is not None
        seconds = hold.go_back(run, back.held)
        run.result.update(switch_seconds=round(seconds, 3))
        return f"{memo['roll']['proxy']['name']} passed requests to release {back.old.id} again after {seconds:.1f} s"

    def show(memo: Memo) -> str:
        name = memo["roll"]["proxy"]["name"]
        return f"{name} is told: the containers of {back.old.id} are still there, and serve again"

    return Step("switch", look, do, roll.back, switches=back.held is not None, show=show)


def _files(back: Back) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        if not back.files and not back.env_write:
            return None
        env = back.old.env_file if back.env_write else None
        return {"stage": staging(run), "write": len(back.files.write), "remove": 0, "env": env}

    def do(run: Run, memo: Memo) -> str:
        feed = b"".join(path.encode(errors="surrogateescape") + b"\0" for path in back.files.write)
        folder = releases.folder(run.target, back.old.id)
        run.target.run(bash(_STAGE, folder, memo["stage"], memo["env"] or "", feed=feed, limit=600))
        place.apply(run.target, memo["stage"])
        return show(memo)

    return Step("files", look, do, put_back, show=show)


def _record(back: Back) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        return {"release": run.id}

    def do(run: Run, memo: Memo) -> None:
        target, old = run.target, back.old
        if back.in_place:
            keep.copy_folder(target, old.id, run.id)
        else:
            keep.folder(target, run.id, back.written, back.tree, old.env_file)
            keep.replaced(target, run.id, staging(run), (*back.files.edited, *back.files.replaced))
        put_bytes(target, to_text(back.stack), releases.stack_file(target, run.id))
        if back.swarm is not None:
            swarm.record(target, back.stack, run.id)
        releases.write(target, msgspec.structs.replace(
            old, id=run.id, at=now(), by=holder("").split(":")[0], outcome="pending", adopted=False,
            in_place=back.in_place, rollback_of=back.current.id, restored=old.restored or old.id, env=back.env_there,
            env_here=back.env_there if back.env_write else back.current.env_here,  # the next deploy brings the one here
            migration=None, revision=back.current.revision, seconds=0.0, gap=0.0,
            strategy=back.strategy, variables=(), rotated=(), backup=run.result.get("set"),
        ))  # fmt: skip

    return Step("record", look, do, keep.failed, show=lambda memo: f"as release {memo['release']}")


def _up(back: Back) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        ways = back.ways(run)
        services, orphans = [name for name in back.recreate if name in ways.stopped], early(back.orphans, ways)
        if not services and not orphans:
            return None
        return {**_way_back(run, back), "services": services, "remove": sorted({one.service for one in orphans}),
                "why": {name: stop_first(ways, name, back.recreate[name]) for name in services},
                "gap": gap(back.strategy, back.seen, services, back.current)}  # fmt: skip

    def do(run: Run, memo: Memo) -> str:
        began = time.monotonic()
        project = switch.released(run.target, memo["project"], run.id)
        orphans = early(back.orphans, back.ways(run))
        switch.forward(run, project, memo["services"], orphans, before=memo, tools=back.tools)
        switch.healthy(run.target, project)
        watchdog.disarm(run.target, run.id)
        back.gap = time.monotonic() - began
        return ", ".join(memo["services"])

    return Step("up", look, do, switch.back, switches=True, show=shown)


def _way_back(run: Run, back: Back) -> Memo:
    stage = staging(run) if back.files or back.env_write else None
    return switch.memo(back.current.project, run.id, back.current.id, stage, None)


def _roll(back: Back) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        return looked(run, back.strategy, back.ways(run), back.project, back.seen, _way_back(run, back), back.orphans)

    def do(run: Run, memo: Memo) -> str:
        back.gap += rolled(run, memo, back.orphans, back.tools)
        return ", ".join(memo["why"])

    return Step("roll", look, do, roll.back, show=show_roll)


def _seal(back: Back) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        return {"release": run.id}

    def do(run: Run, memo: Memo) -> str:
        if back.swarm is not None:
            hashes = swarm.sealed(run.target, back.current.project, back.stack)
        else:
            released = switch.released(run.target, back.current.project, run.id)
            hashes = switch.verified(run.target, released, hold.kept(run))
        pending = keep.read_one(run.target, run.id)
        assert pending is not None, "recorded by an earlier step"
        seconds = round(time.monotonic() - back.began, 1)
        releases.write(run.target, msgspec.structs.replace(
            pending, outcome="good", hashes=hashes, seconds=seconds, gap=round(back.gap, 1)
        ))  # fmt: skip
        run.result.update(release=run.id, previous=back.current.id, gap_seconds=round(back.gap, 1))
        return f"release {run.id}, as {back.old.id} was"

    return Step("seal", look, do, show=lambda memo: f"release {memo['release']} is live, as {back.old.id} was")


def _prune(back: Back) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        return {"project": back.current.project, "keep": run.target.host.deploy.keep_releases}

    return Step("prune", look, keep.prune, final=True, show=lambda memo: f"releases beyond {memo['keep']}")
