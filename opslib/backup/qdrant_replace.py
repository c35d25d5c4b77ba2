"""A snapshot of Qdrant in the place of a collection, with the aliases and payload indexes that were kept beside it.

Qdrant overwrites a collection with what a snapshot holds, and makes it where it is not there. Only one with other
vectors or another number of shards it refuses to overwrite ("Snapshot is not compatible with existing collection"):
that is deleted first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opslib.backup.pack import LONG
from opslib.command import pipe
from opslib.engines import qdrant, versions
from opslib.errors import CommandFailed, OpsError
from opslib.events import Note

if TYPE_CHECKING:
    from opslib.backup.source import Source
    from opslib.command import Command
    from opslib.engines.instance import Instance
    from opslib.target.base import Target

_SHAPE = ("vectors", "sparse_vectors", "shard_number")
"""What a snapshot and the collection that it overwrites have to have in common."""


@dataclass(frozen=True, slots=True)
class QdrantReplace:
    """`make` makes the source of a collection with its size."""

    make: Callable[[Instance, str, int], Source]

    def names(self, target: Target, at: Instance) -> list[str]:
        """The collections and the aliases: neither can be the name of a new collection."""
        there = qdrant.present(target, at)
        return [*there.collections, *there.aliases]

    def count(self, target: Target, at: Instance, name: str) -> dict[str, Any] | None:
        """The points of a collection; an alias is none."""
        points = qdrant.count(target, at, name)
        return None if points is None else {"points": points}

    def source(self, target: Target, at: Instance, name: str) -> Source:
        """The safety copy."""
        return self.make(at, name, qdrant.sizes(target, at).get(name, 0))

    def drop(self, target: Target, at: Instance, name: str) -> None:
        """Delete the collection; its aliases go with it."""
        if name in qdrant.collections(target, at):
            qdrant.ask(target, at, ("DELETE", qdrant.path(name)))

    def load(self, target: Target, at: Instance, raw: Command, name: str, facts: Mapping[str, Any]) -> None:
        """Upload the snapshot, which the server compares with its digest; then indexes and aliases."""
        why = versions.refusal("qdrant", str(facts.get("server") or ""), at.version)
        if why:
            raise OpsError(f"qdrant {at.service}/{name}: {why}", host=target.host.name, left="everything")
        before = qdrant.present(target, at, name)
        if name in before.aliases:
            raise OpsError(
                f"qdrant {at.service}/{name}: {name} is an alias of collection {before.aliases[name]} now",
                host=target.host.name, left="everything",
                next="delete the alias, or restore the collection --into another name",
            )  # fmt: skip
        if before.info and "config" in facts and _shape(before.info.get("config")) != _shape(facts["config"]):
            self.drop(target, at, name)
        words = qdrant.words(at, "upload", qdrant.path(name), str(facts.get("checksum") or ""))
        try:
            target.run(pipe(raw, at.tool(target.host, *words, streams=True, limit=LONG)))
        except CommandFailed as error:
            said = (error.stderr or error.what).strip()
            raise OpsError(f"qdrant {at.service}/{name} could not be loaded: {said}", host=target.host.name) from None
        if "indexes" not in facts:
            return
        after = qdrant.present(target, at, name)
        requests = _indexes(name, facts["indexes"], qdrant.indexes(after.info))
        if name == facts["collection"]:
            requests += _aliases(target, before, after, name, facts["aliases"])
        qdrant.ask(target, at, *requests)
        _tell_kept(target, at, name, facts, after.info.get("config") or {})


def _shape(config: Mapping[str, Any] | None) -> list[Any]:
    params = (config or {}).get("params") or {}
    return [params.get(key) for key in _SHAPE]


def _indexes(name: str, wanted: Mapping[str, Any], there: Mapping[str, Any]) -> list[qdrant.Request]:
    """What makes the payload indexes those of the snapshot: a collection that was there may have kept its own."""
    gone = [field for field in there if there[field] != wanted.get(field)]
    made = [
        {"field_name": field, "field_schema": wanted[field]} for field in wanted if there.get(field) != wanted[field]
    ]
    return [
        *(("DELETE", qdrant.path(name, "index", field, wait=True)) for field in gone),
        *(("PUT", qdrant.path(name, "index", wait=True), one) for one in made),
    ]


def _tell_kept(target: Target, at: Instance, name: str, facts: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Say which settings a collection that was there has kept. Another version describes them in other words."""
    kept = [key for key, value in facts["config"].items() if config.get(key) != value]
    if kept and facts.get("server") == at.version:
        text = f"collection {name} has kept its own {', '.join(kept)}: the snapshot's are in the set's manifest"
        target.tell(Note(target.host.name, text, warning=True))


def _aliases(
    target: Target, before: qdrant.Present, after: qdrant.Present, name: str, then: Mapping[str, str]
) -> list[qdrant.Request]:
    """What makes the collection's aliases those of then. One that it has only now goes back to the collection that it
    stood for then, where that is there: so a restore that took it from there can be undone. A collection that was not
    there has no safety copy to tell where an alias came from, so it takes none from another."""
    actions: list[dict[str, Any]] = []
    for alias in sorted({*before.aliases, *then}):
        now, new = after.aliases.get(alias), then.get(alias)
        if name not in (before.aliases.get(alias), new) or now == new:
            continue
        if now not in (None, name) and not before.info:
            text = f"alias {alias} stays with collection {now}: in the backup it was one of {name}"
            target.tell(Note(target.host.name, text, warning=True))
            continue
        if now is not None:
            actions.append({"delete_alias": {"alias_name": alias}})
        if new in after.collections:
            actions.append({"create_alias": {"alias_name": alias, "collection_name": new}})
    return [("POST", "/collections/aliases", {"actions": actions})] if actions else []
