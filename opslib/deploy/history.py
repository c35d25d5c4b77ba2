"""The releases of a host, for `inv releases`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from opslib.errors import BadSettings
from opslib.run.step import Run
from opslib.state import releases
from opslib.state.releases import Release


def history(run: Run) -> None:
    """Fill the run's result: `releases`, newest first, each with id, at, by, strategy, commit, dirty, outcome, current,
    services, images (by service), brought (those services whose image was new), rollback_of, migration, variables
    (those that alone were changed), rotated, backup and seconds."""
    known = releases.read(run.target)
    live = releases.current(known)
    run.result["releases"] = [_row(one, live) for one in reversed(known)]


def live(run: Run) -> dict[str, Any]:
    """What runs on a host, as its releases say: `release`, `strategy`, `commit` and `dirty`, all None where nothing was
    deployed yet."""
    one = releases.current(releases.read(run.target))
    keys = ("release", "strategy", "commit", "dirty")
    values = (one.id, one.strategy, one.commit, one.dirty) if one else (None,) * len(keys)
    return dict(zip(keys, values, strict=True))


def behind(known: Mapping[str, Sequence[Release]]) -> dict[str, str]:
    """The hosts on which a release failed that others run, with that release: to the one before their own they would go
    one further than the others. `known`: the releases of each host."""
    live = {one.id for found in known.values() if (one := releases.current(found))}
    return {
        name: one.id for name, found in known.items() for one in found if one.outcome == "failed" and one.id in live
    }


def show(run: Run, wanted: str) -> None:
    """Fill the run's result: `release`, the whole record, and `by_hand`, the commands that bring it back without
    opslib. Raises BadSettings for what is no good release."""
    known = releases.read(run.target)
    if not known:
        raise BadSettings("nothing was deployed here", host=run.host, next=f"inv deploy --host {run.host}")
    one = releases.find(known, wanted, run.host)
    run.result.update(release=msgspec.to_builtins(one), by_hand=releases.by_hand(run.target, one))


def _row(one: Release, live: Release | None) -> dict[str, Any]:
    return {
        "id": one.id, "at": one.at, "by": one.by, "strategy": one.strategy,
        "commit": one.commit, "dirty": one.dirty, "outcome": one.outcome,
        "current": live is not None and one.id == live.id, "adopted": one.adopted, "services": sorted(one.images),
        "images": {name: pin.tag for name, pin in sorted(one.images.items())},
        "brought": sorted(name for name, pin in one.images.items() if f":opslib-{one.id}" in pin.tag),
        "rollback_of": one.rollback_of, "restored": one.restored, "migration": one.migration,
        "revision": one.revision,
        "variables": list(one.variables), "rotated": list(one.rotated),
        "backup": one.backup, "seconds": one.seconds, "gap_seconds": one.gap,
    }  # fmt: skip
