"""The steps that record a release: what was found running, what is about to run, and that it ran well."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from opslib.deploy import keep, switch
from opslib.deploy.adopt import adopt
from opslib.deploy.files_step import staging
from opslib.deploy.render import to_text
from opslib.deploy.seen import Seen
from opslib.deploy.strategies import hold
from opslib.deploy.swarm import steps as swarm_steps
from opslib.run.record import holder, now
from opslib.run.step import Run, Step
from opslib.state import releases
from opslib.state.releases import Release
from opslib.target.transfer import put_bytes

Memo = dict[str, Any]


def adopt_step(seen: Seen) -> Step[Memo]:
    """Make release 0 of a stack that somebody started by hand."""

    def look(run: Run) -> Memo | None:
        return {"project": seen.name} if seen.adopts else None

    def do(run: Run, memo: Memo) -> str:
        return adopt(run, seen.stack, replaced=seen.files.replaced, private=seen.private, in_place=seen.in_place)

    return Step("adopt", look, do, show=lambda memo: f"record what runs as release {releases.ADOPTED}")


def record_step(seen: Seen) -> Step[Memo]:
    """Write the release's folder, still pending: going live reads it, and so does the way back."""

    def look(run: Run) -> Memo | None:
        return {"release": run.id}

    def do(run: Run, memo: Memo) -> None:
        target, env = run.target, seen.env
        keep.folder(target, run.id, seen.written, seen.tree, env.name)
        keep.replaced(target, run.id, staging(run), (*seen.files.edited, *seen.files.replaced))
        put_bytes(target, to_text(seen.pinned(run.id)), releases.stack_file(target, run.id))
        if seen.swarm is not None:
            swarm_steps.record(target, seen.pinned(run.id), run.id)
        images = {name: seen.images.pins[one.image] for name, one in seen.project.services.items()}
        git = seen.git
        releases.write(target, Release(
            id=run.id, at=now(), by=holder("").split(":")[0], project=seen.name,
            strategy=seen.strategy, commit=git.commit if git else None,
            dirty=git.dirty if git else False, in_place=seen.in_place, images=images, builds=seen.builds,
            env_file=env.name, env=env.there, env_here=env.here, private=seen.private,
            backup=run.result.get("set"),
        ))  # fmt: skip

    return Step("record", look, do, keep.failed, show=lambda memo: f"release {memo['release']}")


def seal_step(seen: Seen) -> Step[Memo]:
    """Compare what runs with what the release says, and call it good."""

    def look(run: Run) -> Memo | None:
        return {"release": run.id}

    def do(run: Run, memo: Memo) -> str:
        if seen.swarm is not None:
            hashes = swarm_steps.sealed(run.target, seen.name, seen.pinned(run.id))
        else:
            hashes = switch.verified(run.target, switch.released(run.target, seen.name, run.id), hold.kept(run))
        seconds = round(time.monotonic() - seen.began, 1)
        before = seen.last.revision if seen.last else None
        pending = keep.read_one(run.target, run.id)
        assert pending is not None, "recorded by an earlier step"
        record = msgspec.structs.replace(
            pending, outcome="good", hashes=hashes, migration=seen.migration,
            revision=seen.migration["after"] if seen.migration else before, seconds=seconds, gap=round(seen.gap, 1),
        )  # fmt: skip
        releases.write(run.target, record)
        run.result.update(release=run.id, previous=seen.previous, migration=seen.migration, gap_seconds=record.gap)
        return f"release {run.id}"

    return Step("seal", look, do, show=lambda memo: f"release {memo['release']} is live")


def prune_step(seen: Seen) -> Step[Memo]:
    """When every host has committed: clear away the oldest releases."""

    def look(run: Run) -> Memo | None:
        return {"project": seen.name, "keep": run.target.host.deploy.keep_releases}

    return Step("prune", look, keep.prune, final=True, show=lambda memo: f"releases beyond {memo['keep']}")
