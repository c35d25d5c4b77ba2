#!/usr/bin/python3.11
"""mongodump of the lab: its stand-in for MongoDB's, written on PyMongo. It ends with the same exit codes."""

from __future__ import annotations

import gzip
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import bson
from bson import json_util
from mongolab import (
    CONNECTION,
    CONNECTION_SHORT,
    FLAG,
    LIST,
    OPTIONAL,
    VALUE,
    VERSION,
    Failed,
    Writer,
    connect,
    documents,
    escaped,
    log,
    parse,
    quoted,
)
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

KINDS = {
    **CONNECTION,
    **dict.fromkeys(("out", "query", "queryFile", "numParallelCollections"), VALUE),
    **dict.fromkeys(("excludeCollection", "excludeCollectionsWithPrefix"), LIST),
    **dict.fromkeys(("gzip", "oplog", "dumpDbUsersAndRoles", "forceTableScan", "viewsAsCollections"), FLAG),
    "archive": OPTIONAL,
}
SHORT = {**CONNECTION_SHORT, "o": "out", "q": "query", "j": "numParallelCollections"}
BATCH = 500  # documents: the server's own batches have 16 MiB, and several collections are read at once
AUTHORIZATION = ("system.users", "system.roles", "system.version")


@dataclass
class Collection:
    """One thing to dump: where its documents are, and under what names they go into the dump."""

    db: str
    name: str
    metadata: str = ""
    kind: str = "collection"
    size: int = 0
    source: tuple[str, str] | None = None  # where it is not db.name
    query: dict[str, Any] | None = None

    @property
    def data(self) -> str:
        """What the documents' own namespace is called: a time series keeps them in buckets."""
        return f"system.buckets.{self.name}" if self.kind == "timeseries" else self.name

    @property
    def namespace(self) -> str:
        return f"{self.db}.{self.data}" if self.db else self.data


def main() -> int:
    for number, name in ((signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupt"), (signal.SIGHUP, "hangup")):
        signal.signal(number, lambda *_, name=name: _terminated(name))
    options, others = parse("mongodump", sys.argv[1:], KINDS, SHORT)
    try:
        _check(options)
        client = connect(options, others)
        if others:
            raise Failed(f"error parsing positional arguments: {others[0]}")
        _dump(client, options)
    except Failed as error:
        log(f"Failed: {error}")
    except OperationFailure as error:
        name = (error.details or {}).get("codeName", "")
        log(f"Failed: error reading the server: ({name}) {(error.details or {}).get('errmsg', error)}")
    except ConnectionFailure as error:
        log(f"Failed: error reading collection: connection(): socket was unexpectedly closed: EOF ({error})")
    except OSError as error:
        log(f"Failed: error writing data: write {error.filename or '/dev/stdout'}: {(error.strerror or '').lower()}")
    else:
        return 0
    # Python would complain again about an output that is gone.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1


def _terminated(name: str) -> None:
    log(f"signal '{name}' received; forcefully terminating")
    raise Failed("received termination signal")


def _check(options: dict[str, Any]) -> None:
    def refuse(text: str) -> None:
        raise Failed(f"bad option: {text}")

    if "archive" in options and "out" in options:
        refuse("--out not allowed when --archive is specified")
    if options.get("collection") and not options.get("db"):
        refuse("cannot dump a collection without a specified database")
    if options.get("oplog") and options.get("db"):
        refuse("--oplog mode only supported on full dumps")
    if options.get("dumpDbUsersAndRoles") and not options.get("db"):
        refuse("must specify a database when running with dumpDbUsersAndRoles")
    if options.get("dumpDbUsersAndRoles") and options.get("collection"):
        refuse("cannot specify a collection when running with dumpDbUsersAndRoles")
    if options.get("query") and not options.get("collection"):
        refuse("cannot dump using a query without a specified collection")


def _dump(client: MongoClient[Any], options: dict[str, Any]) -> None:
    db, name = options.get("db"), options.get("collection")
    if name and not list(client[db].list_collections(filter={"name": name})):
        log(f"namespace with DB {quoted_name(db)} and collection {quoted_name(name)} does not exist")
        return
    since = _last_of_oplog(client) if options.get("oplog") else None
    found: list[Collection] = []
    for one in [db] if db else sorted(client.list_database_names()):
        if db or one not in ("local", "config"):
            found += _collections(client, one, options)
    found += _authorization(client, db, options)
    if since is not None:
        found.append(Collection("", "oplog", kind="", source=("local", "oplog.rs")))
    version = client.admin.command("buildInfo")["version"]
    if "archive" in options:
        _into_archive(client, found, options, version, since)
    else:
        _into_folder(client, found, options, version, since)


def quoted_name(name: str) -> str:
    return f"`{name}`"


def _collections(client: MongoClient[Any], db: str, options: dict[str, Any]) -> list[Collection]:
    found = []
    for info in sorted(client[db].list_collections(), key=lambda info: str(info["name"])):
        name, kind, extra = info["name"], info["type"], info.get("options", {})
        if options.get("collection", name) != name or name in options["excludeCollection"]:
            continue
        if name.startswith("system.") and name != "system.js":
            continue
        if any(name.startswith(prefix) for prefix in options["excludeCollectionsWithPrefix"]):
            continue
        if options.get("viewsAsCollections") and kind != "view":
            continue
        if kind == "view" and options.get("viewsAsCollections"):
            kind, extra = "collection", {}
        elif "timeseries" in extra:
            kind = "timeseries"
        one = Collection(db, name, kind=kind, query=_query(options))
        indexes = [] if kind == "view" else [dict(index) for index in client[db][name].list_indexes()]
        metadata = {"options": extra, "indexes": indexes}
        if info.get("info", {}).get("uuid"):
            metadata["uuid"] = bytes(info["info"]["uuid"]).hex()
        metadata.update(collectionName=name, type=kind)
        one.metadata = json_util.dumps(
            metadata, json_options=json_util.CANONICAL_JSON_OPTIONS, separators=(",", ":"), ensure_ascii=False
        )
        one.size = 0 if kind == "view" else client[db][name].estimated_document_count()
        found.append(one)
    return found


def _query(options: dict[str, Any]) -> dict[str, Any] | None:
    if options.get("queryFile"):
        options["query"] = Path(options["queryFile"]).read_text()
    return json_util.loads(options["query"]) if options.get("query") else None


def _authorization(client: MongoClient[Any], db: str | None, options: dict[str, Any]) -> list[Collection]:
    """Users and roles: in a full dump those of all databases, otherwise those of one when asked for."""
    if options.get("dumpDbUsersAndRoles"):
        prefix, into, query = "$admin.", str(db), {"db": db}
    elif db in (None, "admin") and "collection" not in options:
        prefix, into, query = "", "admin", {}
    else:
        return []
    found = []
    for name in AUTHORIZATION:
        one = Collection(into, prefix + name, source=("admin", name), query={} if name == "system.version" else query)
        if prefix or client.admin[name].find_one() is not None:
            one.metadata = f'{{"indexes":[],"collectionName":"{name}","type":"collection"}}'
            found.append(one)
    return found


def _last_of_oplog(client: MongoClient[Any]) -> bson.Timestamp:
    """The time of the newest entry; a standalone has none, and the tool says it as its driver does."""
    hello = client.admin.command("hello")
    if "hosts" not in hello:
        raise Failed("error getting oplog start: error getting recent oplog entry: mongo: no documents in result")
    (entry,) = client.local["oplog.rs"].find(sort=[("$natural", -1)], limit=1)
    return entry["ts"]


class _Source:
    """The documents of one collection, a batch at a time, as the bytes that the server sent."""

    def __init__(self, client: MongoClient[Any], one: Collection, since: bson.Timestamp | None) -> None:
        db, name = one.source or (one.db, one.name)
        query = {"ts": {"$gte": since}} if one.name == "oplog" and not one.db else one.query or {}
        self.one, self.count = one, 0
        self._batches = iter(client[db][name].find_raw_batches(query, batch_size=BATCH))

    def batch(self) -> bytes | None:
        data = next(self._batches, None)
        if data is not None:
            offset = 0
            while offset < len(data):
                offset += int.from_bytes(data[offset : offset + 4], "little")
                self.count += 1
        return data

    def done(self) -> None:
        if self.one.db:
            log(f"done dumping {quoted(self.one.namespace)} ({documents(self.count)})")
        else:
            log(f"\tdumped {self.count} oplog {'entry' if self.count == 1 else 'entries'}")


def _into_archive(
    client: MongoClient[Any], found: list[Collection], options: dict[str, Any], version: str, since: Any
) -> None:
    """Four collections at a time, a batch of each in turn: blocks interleave as they do with the real tool."""
    path, at_once = options["archive"], int(options.get("numParallelCollections") or 4)
    where = f"archive '{path}'" if path not in ("", "-") else "archive on stdout"
    # Not unbuffered: what was written before a failure must be there, as a partial archive.
    raw: BinaryIO = open(path, "wb") if path not in ("", "-") else sys.stdout.buffer  # noqa: SIM115
    out: Any = gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) if options.get("gzip") else raw
    header = {
        "concurrent_collections": at_once,
        "version": "0.1",
        "server_version": version,
        "tool_version": VERSION,
    }
    writer = Writer(out, header, [_entry(one) for one in found])
    waiting = [one for one in found if one.kind != "view" and one.db]
    running: list[_Source] = []
    oplog = [one for one in found if not one.db]
    while waiting or running or oplog:
        while waiting and len(running) < at_once:
            log(f"writing {quoted(waiting[0].namespace)} to {where}")
            running.append(_Source(client, waiting.pop(0), since))
        if not running:
            log(f"writing captured oplog to {where}")
            running.append(_Source(client, oplog.pop(), since))
        for source in list(running):
            data = source.batch()
            if data:
                writer.block(source.one.db, source.one.data, data)
            elif data is None:
                writer.end(source.one.db, source.one.data)
                source.done()
                running.remove(source)
    out.close() if out is not raw else out.flush()
    raw.flush()


def _entry(one: Collection) -> dict[str, Any]:
    return {"db": one.db, "collection": one.name, "metadata": one.metadata, "size": one.size, "type": one.kind}


def _into_folder(
    client: MongoClient[Any], found: list[Collection], options: dict[str, Any], version: str, since: Any
) -> None:
    """A folder a database, in it a .bson and a .metadata.json a collection; with --gzip each is compressed."""
    root, end = Path(options.get("out") or "dump"), ".gz" if options.get("gzip") else ""
    to_stdout = str(root) == "-"
    if to_stdout and not options.get("collection"):
        raise Failed("bad option: can only dump a single collection to stdout")

    def create(path: Path) -> Any:
        path.parent.mkdir(parents=True, exist_ok=True)
        return gzip.open(path, "wb") if end else path.open("wb")

    for one in found:
        folder = root / one.db
        if one.metadata and not to_stdout:
            with create(folder / f"{escaped(one.name)}.metadata.json{end}") as file:
                file.write(one.metadata.encode())
        if one.kind == "view":
            continue
        path = folder / f"{escaped(one.data)}.bson{end}"
        log(f"writing {quoted(one.namespace) if one.db else 'captured oplog'} to {'stdout' if to_stdout else path}")
        source = _Source(client, one, since)
        with sys.stdout.buffer if to_stdout else create(path) as file:
            while (data := source.batch()) is not None:
                file.write(data)
        source.done()
    if found and not to_stdout:
        said = json_util.dumps({"ServerVersion": version, "ToolVersion": VERSION})
        with create((root / str(options["db"]) if options.get("db") else root) / f"prelude.json{end}") as file:
            file.write(said.encode())


if __name__ == "__main__":
    sys.exit(main())
