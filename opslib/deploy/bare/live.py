"""Going live on proven data: the migration, the services, their health, and the release that is good from then on."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from opslib.compose.services import up
from opslib.deploy import keep, switch
from opslib.deploy.seen import Seen
from opslib.errors import Cancelled, HostLost, OpsError
from opslib.migrate import run as migration
from opslib.run.step import Run, Step
from opslib.state import releases

Memo = dict[str, Any]
NAME = "go live"


def memo(seen: Seen, run: Run) -> Memo:
    """All that going live needs, also in a later run."""
    return {"project": seen.name, "release": run.id, "services": sorted(seen.project.services)}


def step(seen: Seen) -> Step[Memo]:
    """Final: the data are proven, so whatever happens from here on nothing is taken back."""

    def do(run: Run, memo: Memo) -> str:
        try:
            return _go(run, memo, seen.began)
        except (Cancelled, HostLost):
            raise
        except OpsError as error:
            keep.failed(run, memo)
            raise OpsError(
                f"the data are restored and proven, but not every service came up: {error.what}",
                host=run.host,
                left="the restored data, and what runs",
                next=f"mend that, then inv deploy --host {run.host}",
            ) from error

    return Step(NAME, lambda run: memo(seen, run), do, final=True, show=lambda memo: f"{_words(memo)}, until healthy")


def _words(memo: Memo) -> str:
    return ", ".join(memo["services"])


def _go(run: Run, memo: Memo, began: float) -> str:
    target, spec = run.target, run.target.host.migrate
    project = switch.released(target, memo["project"], memo["release"])
    revisions: dict[str, str | None] = {}
    if spec is not None:
        migration.check(project, spec, run.host)
        revisions["before"] = migration.revision(target, project, spec, run.id)
        migration.migrate(run, project, spec, revisions["before"])
        revisions["after"] = migration.revision(target, project, spec, run.id)
    started = time.monotonic()
    switch.ready_proxy(target, project)
    up(target, project, orphans=True)
    switch.healthy(target, project)
    gap = round(time.monotonic() - started, 1)
    pending = keep.read_one(target, memo["release"])
    assert pending is not None, "recorded by an earlier step"
    releases.write(target, msgspec.structs.replace(
        pending, outcome="good", hashes=switch.verified(target, project), migration=revisions or None,
        revision=revisions.get("after"), seconds=round(time.monotonic() - began, 1), gap=gap,
    ))  # fmt: skip
    run.result.update(release=memo["release"], previous=None, migration=revisions or None, gap_seconds=gap)
    return f"release {memo['release']}: {_words(memo)}"


def later(run: Run, memo: Memo) -> None:
    """In a later run: what does not start must not keep that run from mending it."""
    pending = keep.read_one(run.target, memo["release"])
    if pending is None or pending.outcome != "pending":
        return
    try:
        _go(run, memo, time.monotonic())
    except (Cancelled, HostLost):
        raise
    except OpsError as error:
        keep.failed(run, memo)
        run.note(f"the data are restored, but not every service came up: {error.what}", warning=True)
