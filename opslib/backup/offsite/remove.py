"""Removing outdated sets from a store, by the store's own rules."""

from __future__ import annotations

from typing import Any

from opslib.backup.manifest import FILE
from opslib.backup.offsite.place import Offsite, only_one
from opslib.backup.prune import agree, judged, smaller
from opslib.backup.retention import Verdict
from opslib.backup.sets import SetInfo, list_sets
from opslib.errors import BadSettings, Cancelled, HostLost, OpsError
from opslib.run.step import AnyStep, Recovery, Run, Step


def steps(run: Run, store: str) -> list[AnyStep]:
    """The steps of `backup.prune --store`; the result is that of `backup.prune`. Also what is left of sets without a
    manifest goes, where the host does not have the set, to finish it from. Raises OpsError."""
    spec = only_one(run.target.host, store)
    if spec.append_only:
        raise BadSettings(
            f"store {spec.called} is append_only: nothing is removed there from here",
            host=run.host,
            left="everything",
            next="run it on a machine whose host file does not say so, with credentials that may delete",
        )
    with Offsite(run, spec) as place:
        there = place.sets()
        mine = {one.id for one in list_sets(run.target)}
        found = [_left_over(one, mine) for one in _judged(place, there)]
    less = smaller(run.target, there)
    run.result.update(store=spec.called, sets=[one.as_json() for one in found], shrunk=[one.as_json() for one in less])
    gone = [one.set.id for one in found if not one.keep]

    look = {"store": spec.called, "gone": gone} if gone else None
    return [
        agree(less),
        Step("backup.prune.store", lambda run: look, _go, final=True, show=lambda m: ", ".join(m["gone"])),
    ]


def _go(run: Run, memo: dict[str, Any]) -> str:
    """Remove what was decided on, also where an earlier run had begun to."""
    with Offsite(run, only_one(run.target.host, memo["store"])) as place:
        for set_id in memo["gone"]:
            _remove(place, set_id)
    run.result["pruned"] = memo["gone"]
    return f"{len(memo['gone'])} sets"


def outdated(place: Offsite) -> list[str]:
    """Remove what no rule keeps, after a backup; the ids of what went. Nothing goes where something has become much
    smaller."""
    there = place.sets()
    less = smaller(place.run.target, there)
    if less:
        again = f"inv backup.prune --store {place.called} --host {place.run.host}"
        place.run.note(f"{less[0].title} is much smaller than it was in {place.called}: {again}", warning=True)
        return []
    gone = [one.set.id for one in _judged(place, there) if not one.keep]
    for set_id in gone:
        _remove(place, set_id)
    return gone


def _judged(place: Offsite, there: list[SetInfo]) -> list[Verdict]:
    target = place.run.target
    return judged(target, there, place.spec.keep or target.host.backup.keep)


def _left_over(one: Verdict, mine: set[str]) -> Verdict:
    if one.set.manifest is None and one.set.wrong == f"there is no {FILE}" and one.set.id not in mine:
        return Verdict(one.set, False, "it has no manifest, and the host has no such set to finish it from")
    return one


def _remove(place: Offsite, set_id: str) -> None:
    """The manifest first: without it there is no set."""
    files = place.ask(lambda store: store.files(f"{place.folder}/{set_id}"))
    for file in sorted(files, key=lambda file: file != FILE):
        _delete(place, place.key(set_id, file))


def _delete(place: Offsite, key: str) -> None:
    place.ask(lambda store: store.delete(key))


def _finish(run: Run, memo: dict[str, Any]) -> None:
    """A store that is not there, or does not answer, keeps no later run of any task from its work."""
    try:
        _go(run, memo)
    except (Cancelled, HostLost):
        raise
    except OpsError as error:
        again = f"inv backup.prune --store {memo['store']} --host {run.host}"
        run.note(f"{error.what}; sets may be half removed there, to finish it: {again}", warning=True)


RECOVERIES: dict[str, Recovery] = {"backup.prune.store": Recovery(finish=_finish)}
"""What the next run does with a removal that was killed: it goes on, where it can."""
