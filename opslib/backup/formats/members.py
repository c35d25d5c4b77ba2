"""What a folder or a tar archive is, by the names in it and the first bytes of those that tell."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, field
from typing import Literal

from opslib.backup.formats import headers
from opslib.backup.formats.look import Report


@dataclass(frozen=True, slots=True)
class Found:
    """`root` is the folder in which it lies, without a slash at its end; "" for the top."""

    kind: Literal["postgres", "mongo", "qdrant", "set"]
    form: str
    root: str = ""
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """Known, and not for a restore: what it is, and what to do instead."""

    what: str
    next: str


def recognise(seen: Report) -> Found | Refused | None:
    """None for a folder or an archive of anything."""
    names = {_tidy(name): name for name in seen.names}
    names.update({_tidy(name): name for name in seen.inner})
    names.pop("", None)
    inner = {_tidy(name): data for name, data in seen.inner.items()}
    return (
        _set(names, inner, seen)
        or _docker_image(names)
        or _pg_dump(names, inner, seen)
        or _mongodump(names, inner, seen)
        or (_qdrant(names, inner) if seen.kind == "file" else None)
    )


def _tidy(name: str) -> str:
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return "" if name == "." else name


_SET = re.compile(rb'\s*\{\s*"version"\s*:\s*\d+\s*,.*"opslib"\s*:\s*"', re.DOTALL)
_SET_FACTS = re.compile(rb'"(id|created|host|project)"\s*:\s*"([^"\\]*)"')


def _set(names: dict[str, str], inner: dict[str, bytes], seen: Report) -> Found | Refused | None:
    """A set's folder, or one set in a tar archive: its files at the top or in one folder."""
    deep = 1 if seen.kind == "file" else 0
    found = []
    for name, data in inner.items():
        root, _, last = name.rpartition("/")
        if last == "manifest.json" and name.count("/") <= deep and _SET.match(data):
            head = data.partition(b'"artifacts"')[0]
            facts = {key.decode(): value.decode("utf-8", "replace") for key, value in _SET_FACTS.findall(head)}
            found.append(Found("set", "set", _root(names, name, root), facts))
    if len(found) > 1:
        held = ", ".join(one.root or "one at its top" for one in found)
        return Refused(f"an archive of {len(found)} sets: {held}", "unpack it and name one set's folder")
    return found[0] if found else None


def _root(names: dict[str, str], tidy: str, root: str) -> str:
    """The root as it is spelt in the archive: `./` in front is part of a member's name."""
    spelt = names.get(tidy, tidy)
    return spelt[: len(spelt) - len(tidy)] + root if root else ""


def _docker_image(names: dict[str, str]) -> Refused | None:
    if "manifest.json" in names and ("oci-layout" in names or "repositories" in names):
        return Refused("a Docker image (docker save)", "docker load -i FILE")
    return None


_DATA = re.compile(r"(?:\d+|blob_\d+)\.dat(?:\.gz|\.lz4|\.zst)?|(?:blobs(?:_\d+)?\.)?toc(?:\.dat)?|restore\.sql")


def _pg_dump(names: dict[str, str], inner: dict[str, bytes], seen: Report) -> Found | None:
    """A table of contents with pg_dump's magic, and beside it nothing but data: a volume may hold such a folder."""
    for name, data in inner.items():
        root, _, last = name.rpartition("/")
        if last != "toc.dat" or not data.startswith(headers.PG_MAGIC):
            continue
        beside = [other for other in names if not other.endswith("/")]
        prefix = f"{root}/" if root else ""
        if all(other.startswith(prefix) and _DATA.fullmatch(other[len(prefix) :]) for other in beside):
            # only what pg_dump packed itself goes to pg_restore as it is: restore.sql is in no folder of its making
            own = seen.kind == "file" and not root and "restore.sql" in names
            return Found("postgres", "tar" if own else "directory", _root(names, name, root), headers.pg_dump(data))
    return None


_BSON = re.compile(r"(?P<stem>.+?)\.(?P<what>bson|metadata\.json)(?P<gz>\.gz)?")
_BESIDE = re.compile(r"(?:prelude\.json|oplog\.bson)(?:\.gz)?")


def _mongodump(names: dict[str, str], inner: dict[str, bytes], seen: Report) -> Found | None:
    """Collections, each with its metadata beside it (a view has only these), in a folder for each database; or those
    of one database alone. Nothing else may lie there, or it is a volume in which somebody left a dump."""
    files = [name for name in names if not name.endswith("/")]
    pairs: dict[str, set[str]] = {}
    packed = False
    for name in files:
        parts = _BSON.fullmatch(name.rpartition("/")[2])
        if _BESIDE.fullmatch(name.rpartition("/")[2]):
            continue
        if parts is None:
            return None
        packed = packed or bool(parts["gz"])
        pairs.setdefault(name.rpartition("/")[0] + "/" + parts["stem"], set()).add(parts["what"])
    if not any(len(found) == 2 for found in pairs.values()):
        return None
    folders = sorted({pair.rpartition("/")[0] for pair in pairs})
    parents = {folder.rpartition("/")[0] for folder in folders}
    if len(parents) > 1 or ("" in folders and len(folders) > 1):
        return None
    facts = {"members": "gzip"} if packed else {}
    facts.update(_prelude(inner))
    if any(re.fullmatch(r"(?:.*/)?oplog\.bson(?:\.gz)?", name) for name in files):
        facts["oplog"] = "1"
    root = parents.pop()
    if folders == [""]:
        facts["layout"] = "database"  # mongorestore must be told its name
    elif not seen.more:
        facts["databases"] = json.dumps([folder.rpartition("/")[2] for folder in folders])
    some = next(name for name in files if name.startswith(root))
    return Found("mongo", "dump-folder", _root(names, some, root), facts)


def _prelude(inner: dict[str, bytes]) -> dict[str, str]:
    """The versions that mongodump 100.12 and later notes beside the collections."""
    for name, data in inner.items():
        if not name.rpartition("/")[2].startswith("prelude.json"):
            continue
        try:
            if name.endswith(".gz"):
                data = zlib.decompressobj(31).decompress(data, 65536)
            said = json.loads(data)
        except (ValueError, zlib.error, RecursionError):
            continue
        if isinstance(said, dict):
            keys = {"ServerVersion": "server_version", "ToolVersion": "tool_version"}
            return {ours: str(said[key]) for key, ours in keys.items() if key in said}
    return {}


# Collection::create_snapshot of Qdrant's lib/collection: a folder for each shard, then the collection's own files
_SHARD = re.compile(
    r"\d+/(?:segments/[0-9a-f]{8}-[0-9a-f-]{27}(?:\.tar|/.*)|wal/.*|shard_config\.json|replica_state\.json)"
)
_ONE_SHARD = re.compile(r"segments/[0-9a-f]{8}-[0-9a-f-]{27}(?:\.tar|/.*)")


def _qdrant(names: dict[str, str], inner: dict[str, bytes]) -> Found | Refused | None:
    config = inner.get("config.json", b"")
    if b'"collections_mapping"' in config and any(name.endswith(".snapshot") for name in names):
        return Found("qdrant", "full")
    shards = {name.partition("/")[0] for name in names if _SHARD.fullmatch(name)}
    segments = any("/segments/" in name and _SHARD.fullmatch(name) for name in names)
    if shards and (segments or b'"params"' in config):
        return Found("qdrant", "snapshot", "", {"shards": str(len(shards))})
    if any(_ONE_SHARD.fullmatch(name) for name in names) and ("replica_state.json" in names or "wal/" in names):
        return Refused(
            "the snapshot of one shard of a Qdrant collection",
            "make one of the collection: POST /collections/C/snapshots",
        )
    return None
