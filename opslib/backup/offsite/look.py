"""Looking at sets in stores: which set is in which place, and reading one to its end where it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from opslib.backup.manifest import Artifact
from opslib.backup.offsite.place import Offsite, only_one
from opslib.backup.offsite.push import differs
from opslib.backup.sets import DAMAGED, SetInfo, choose, list_sets, oldest_first
from opslib.errors import Cancelled, HostLost, OpsError, Unhealthy
from opslib.run.step import Run
from opslib.stores.store import Content, Store, StoreFailed

HERE = "host"
"""How the host's own folder is called among the places of a set."""


def show_list(run: Run) -> None:
    """Put every set of the host and of its stores into the run's result, each with its `places`: by name what is wrong
    with it there (None: it is whole). Raises Unhealthy, when all the rest is in the result, for a store that cannot be
    asked."""
    found = in_stores(run)
    there = {one.name: one.sets for one in found if one.error is None}
    run.result.update(sets=where_each_is(list_sets(run.target), there), stores=[one.as_json() for one in found])
    if wrong := [one.error for one in found if one.error is not None]:
        what = "\n    ".join(error.what for error in wrong)
        raise Unhealthy(what, host=run.host, left="everything", next=wrong[-1].next)


@dataclass(frozen=True, slots=True)
class InStore:
    """What a store has of the host, or why it could not be asked."""

    name: str
    url: str
    sets: list[SetInfo] = field(default_factory=list)
    error: OpsError | None = None

    def as_json(self) -> dict[str, str | None]:
        """For a record's result."""
        return {"store": self.name, "url": self.url, "error": self.error.what if self.error else None}


def in_stores(run: Run) -> list[InStore]:
    """Ask each store of the host file, once."""
    found = []
    for spec in run.target.host.backup.stores:
        url = str(spec.url)
        try:
            with Offsite(run, spec, pauses=()) as place:
                url = place.url
                found.append(InStore(spec.called, url, place.sets()))
        except (Cancelled, HostLost):
            raise
        except OpsError as error:
            found.append(InStore(spec.called, url, error=error))
    return found


def where_each_is(here: Iterable[SetInfo], there: dict[str, list[SetInfo]]) -> list[dict[str, Any]]:
    """The sets as they are shown, oldest first: those of the host, and those that are in stores alone."""
    known = {one.id: one for one in here}
    places = {one.id: {HERE: one.wrong or one.damaged or None} for one in known.values()}
    for name, sets in there.items():
        for one in sets:
            mine = known.setdefault(one.id, one)
            why = one.wrong or one.damaged if one.manifest is None else differs(mine, {one.id: one})
            places.setdefault(one.id, {})[name] = why or None
    return [{**one.as_json(), "places": places[one.id]} for one in oldest_first(known.values())]


def verify(run: Run, wanted: str, store: str) -> None:
    """Read a set in a store to its end and compare lengths and digests; the result is that of `backup.verify`.

    What is damaged is marked there, so that it no longer counts, and Unhealthy is raised; what is not loses the mark.
    """
    with Offsite(run, only_one(run.target.host, store)) as place:
        one = choose(place.sets(), wanted, run.host)
        run.result.update(set=one.id, folder=one.folder, store=place.called, depth="digest")
        if one.manifest is None:
            raise Unhealthy(f"{one.folder} is no whole set: {one.wrong}", host=run.host, next="inv backup.list")
        checks = [(artifact, _wrong(place, one.id, artifact)) for artifact in one.manifest.artifacts]
        run.result["artifacts"] = [
            {"file": artifact.file, "ok": not why, "content": "", "why": why or None} for artifact, why in checks
        ]
        wrong = [f"{artifact.file}: {why}" for artifact, why in checks if why]
        _mark(place, one, "\n".join(wrong))
    if wrong:
        raise Unhealthy(
            f"the set {one.id} is damaged in {one.folder}: " + "\n    ".join(wrong),
            host=run.host,
            left="every file of it",
            next="inv backup.list shows where else it is",
        )


def _wrong(place: Offsite, set_id: str, artifact: Artifact) -> str:
    """What is wrong with an artifact there ("": nothing)."""
    key = place.key(set_id, artifact.file)

    def work(store: Store) -> str:
        if store.look(key) is None:
            return "is missing"
        passing = place.passing(artifact.file, artifact.bytes)
        store.get(key, passing.take)
        try:
            passing.check(Content(artifact.bytes, artifact.sha256), artifact.file)
        except StoreFailed:
            other = f"has {passing.bytes} bytes, the manifest says {artifact.bytes}"
            return other if passing.bytes != artifact.bytes else "has another SHA-256 than the manifest says"
        return ""

    return place.ask(work)


def _mark(place: Offsite, one: SetInfo, wrong: str) -> None:
    """A mark that is there already stays as it is where the set is still damaged, and where nothing may be removed."""
    key = place.key(one.id, DAMAGED)
    if wrong and not one.damaged:
        data = f"{wrong}\n".encode("utf-8", "replace")
        place.ask(lambda store: store.put(key, [data], Content(len(data), hashlib.sha256(data).hexdigest())))
    elif one.damaged and not wrong and not place.spec.append_only:
        place.ask(lambda store: store.delete(key))
