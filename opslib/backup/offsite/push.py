"""Sending sets to stores: what the host has whole, a store's own rules would keep, and is not there yet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opslib.backup.manifest import FILE
from opslib.backup.offsite import remove
from opslib.backup.offsite.place import Offsite, chosen
from opslib.backup.pack import LONG
from opslib.backup.retention import verdicts
from opslib.backup.sets import SetInfo, choose, list_sets, oldest_first
from opslib.command import Command, bash
from opslib.errors import Cancelled, HostLost, OpsError
from opslib.run.record import HostRecord, failed
from opslib.run.step import AnyStep, NotYet, Recovery, Run, Step
from opslib.stores.store import Content, Store, StoreFailed

if TYPE_CHECKING:
    from opslib.settings.keep import Keep
    from opslib.settings.stores import StoreSpec

Memo = dict[str, Any]


@dataclass(slots=True)
class Todo:
    """What goes to a store, oldest first; and, by set, what is there in its place and stays as it is."""

    sets: list[SetInfo] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)


def decide(here: Sequence[SetInfo], there: Sequence[SetInfo], keep: Keep) -> Todo:
    """What is to be sent of what the host has. A set that the store's rules would remove at once is not; safety copies
    stay on their host."""
    known = {one.id: one for one in there if one.manifest is not None}
    mine = [one for one in here if one.whole and not one.safety]
    new = [one for one in mine if one.id not in known]
    history = oldest_first([*(one for one in there if one.whole), *new])
    kept = {one.set.id for one in verdicts(history, keep) if one.keep}
    return Todo([one for one in new if one.id in kept], {one.id: why for one in mine if (why := differs(one, known))})


def differs(one: SetInfo, there: dict[str, SetInfo]) -> str:
    """Why what the store has under the set's id is not the set ("": it is, or there is nothing)."""
    other = there.get(one.id)
    if other is None:
        return ""
    if other.manifest != one.manifest:
        return "another set has its name there"
    return other.wrong or (f"it is damaged there: {other.damaged}" if other.damaged else "")


def steps(run: Run, wanted: str | None, store: str | None) -> list[AnyStep]:
    """The step of `backup.push`: one set, or all that are missing; to one store, or all. Raises OpsError."""
    specs = chosen(run.target.host, store)
    one = _named(run, wanted) if wanted is not None else None

    def look(run: Run) -> Memo | None:
        here = list_sets(run.target)
        todo = {spec.called: planned for spec in specs if (planned := _planned(run, spec, here, one))}
        return {"stores": todo, "host": "" if run.target.host.is_local else run.host} if todo else None

    def do(run: Run, memo: Memo) -> str:
        results = [_fill(run, spec, one, prune=False) for spec in specs if spec.called in memo["stores"]]
        run.result["stores"] = results
        if error := not_there(run.host, results):
            raise error
        return f"{sum(len(one['sent']) for one in results)} sets"

    return [Step("backup.push", look, do, show=_show)]


def after_backup() -> AnyStep:
    """A last step of a backup: what is missing goes to each store, and what is outdated there goes. An error is in the
    result (`judge`): the set on the host is whole all the same."""

    def look(run: Run) -> Memo:
        names = [spec.called for spec in run.target.host.backup.stores]
        if run.plan:
            way = "" if run.target.host.is_local else ", through this machine"
            raise NotYet(f"the new set, and what is missing there, goes to {', '.join(names)}{way}")
        return {"stores": names}

    def do(run: Run, memo: Memo) -> str:
        specs = run.target.host.backup.stores
        run.result["stores"] = results = [_fill(run, spec, None, prune=True) for spec in specs]
        return f"{sum(not one['error'] for one in results)} of {len(results)} stores have it"

    return Step("backup.push", look, do, final=True)


def _later(run: Run, memo: Memo) -> None:
    """The next run, of whatever task, does not wait for a store: the next backup sends what is missing."""
    run.note(f"not every store may have every set; to send them now: inv backup.push --host {run.host}", warning=True)


RECOVERIES: dict[str, Recovery] = {"backup.push": Recovery(finish=_later)}
"""What the next run does with a push that was killed: it says so. What a store lacks goes there with the next set."""


def judge(host: HostRecord) -> None:
    """Turn a set that is not in every store into an error."""
    error = not_there(host.host, host.result.get("stores") or []) if host.ok else None
    if error:
        failed(host, error)


def not_there(host: str, results: Sequence[dict[str, Any]]) -> OpsError | None:
    """The error for stores that did not get all that they should have."""
    wrong = [one for one in results if one["error"]]
    if not wrong:
        return None
    return OpsError(
        "\n    ".join(one["error"]["what"] for one in wrong),
        host=host,
        left="the sets on the host; what has arrived whole is not sent again",
        next=wrong[0]["error"]["next"] or f"inv backup.push --host {host}",
    )


def _show(memo: Memo) -> str:
    way = f", from {memo['host']} through this machine" if memo["host"] else ""
    parts = []
    for name, one in memo["stores"].items():
        if one["sets"]:
            parts.append(f"{' '.join(one['sets'])} to {name}{way}, {one['bytes']} bytes")
        parts += one["wrong"]
    return "; ".join(parts)


# -- sending


def _named(run: Run, wanted: str) -> SetInfo:
    one = choose(list_sets(run.target), wanted, run.host)
    if not one.whole:
        why = one.wrong or one.damaged
        raise OpsError(f"{one.id} is no whole set: {why}", host=run.host, next=f"inv backup.list --host {run.host}")
    return one


def _planned(run: Run, spec: StoreSpec, here: list[SetInfo], one: SetInfo | None) -> Memo | None:
    """What would be done for a store; a store that does not answer keeps no other from being filled."""
    try:
        with Offsite(run, spec) as place:
            todo = _todo(place, here, one)
    except (Cancelled, HostLost):
        raise
    except OpsError as error:
        return {"sets": [], "bytes": 0, "wrong": [error.what]}
    size = sum(each.manifest.bytes for each in todo.sets if each.manifest)
    wrong = [f"store {spec.called}: {set_id}: {why}" for set_id, why in todo.wrong.items()]
    return {"sets": [each.id for each in todo.sets], "bytes": size, "wrong": wrong} if todo.sets or wrong else None


def _todo(place: Offsite, here: list[SetInfo], one: SetInfo | None) -> Todo:
    there = place.sets()
    if one is None:
        return decide(here, there, place.spec.keep or place.run.target.host.backup.keep)
    known = {other.id: other for other in there if other.manifest is not None}
    why = differs(one, known)
    return Todo([] if one.id in known else [one], {one.id: why} if why else {})


def _fill(run: Run, spec: StoreSpec, wanted: SetInfo | None, *, prune: bool) -> dict[str, Any]:
    """Send to a store what it is to get; its error is in what is returned, and keeps no other from being filled."""
    result: dict[str, Any] = {"store": spec.called, "sent": [], "bytes": 0, "pruned": [], "error": None}
    try:
        with Offsite(run, spec) as place:
            todo = _todo(place, list_sets(run.target), wanted)
            for one in todo.sets:
                result["bytes"] += send(place, one)
                result["sent"].append(one.id)
            if todo.wrong:
                what = "; ".join(f"{set_id}: {why}" for set_id, why in todo.wrong.items())
                again = f"look at it in {place.url}; when it is gone from there: inv backup.push --host {run.host}"
                raise OpsError(f"store {place.called}: {what}", next=again)
            if prune and not spec.append_only:
                result["pruned"] = remove.outdated(place)
    except (Cancelled, HostLost):
        raise
    except OpsError as error:
        run.note(error.what, warning=True)
        result["error"] = {"what": error.what, "left": error.left, "next": error.next}
    return result


def send(place: Offsite, one: SetInfo) -> int:
    """Send a set, its manifest last; returns the bytes that went. What is there already stays. Raises OpsError."""
    assert one.manifest is not None
    went = 0
    for artifact in one.manifest.artifacts:
        went += _send(place, one, artifact.file, Content(artifact.bytes, artifact.sha256))
    text = b"".join(place.run.target.blocks(_read(one, FILE)))
    return went + _send(place, one, FILE, Content(len(text), hashlib.sha256(text).hexdigest()))


def _read(one: SetInfo, file: str) -> Command:
    return bash('cat -- "$1"', f"{one.folder}/{file}", limit=LONG)


def _send(place: Offsite, one: SetInfo, file: str, content: Content) -> int:
    key = place.key(one.id, file)

    def work(store: Store) -> int:
        there, went = store.look(key), 0
        if there is None:
            passing = place.passing(file, content.bytes)
            with closing(place.run.target.blocks(_read(one, file))) as blocks:
                store.put(key, passing.through(blocks, content, f"{one.folder}/{file}"), content)
            there, went = store.look(key), passing.bytes
        if there is None or there.bytes != content.bytes or there.sha256 not in (None, content.sha256):
            said = f"{there.bytes} bytes of {content.bytes}, or another digest" if there else "nothing"
            raise StoreFailed(f"{place.url}/{one.id}/{file} has {said}", next="look at it there, and remove it")
        return went

    return place.ask(work)
