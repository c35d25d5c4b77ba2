#!/usr/bin/python3.11
"""mongorestore of the lab: its stand-in for MongoDB's, written on PyMongo. It ends with the same exit codes."""

from __future__ import annotations

import gzip
import re
import signal
import sys
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import bson
from bson import json_util
from bson.raw_bson import RawBSONDocument
from mongolab import (
    CONNECTION,
    CONNECTION_SHORT,
    FLAG,
    LIST,
    OPTIONAL,
    VALUE,
    Failed,
    Reader,
    connect,
    documents,
    log,
    parse,
    quoted,
)
from pymongo import MongoClient
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure

KINDS = {
    **CONNECTION,
    **dict.fromkeys(
        ("dir", "oplogLimit", "writeConcern", "numParallelCollections", "numInsertionWorkersPerCollection"), VALUE
    ),
    **dict.fromkeys(
        ("nsInclude", "nsExclude", "nsFrom", "nsTo", "excludeCollection", "excludeCollectionsWithPrefix"), LIST
    ),
    **dict.fromkeys(("gzip", "drop", "dryRun", "stopOnError", "oplogReplay", "restoreDbUsersAndRoles"), FLAG),
    **dict.fromkeys(("objcheck", "maintainInsertionOrder", "noIndexRestore", "noOptionsRestore"), FLAG),
    "archive": OPTIONAL,
}
SHORT = {**CONNECTION_SHORT, "j": "numParallelCollections"}
AUTHORIZATION = {"system.users": "users", "system.roles": "roles", "system.version": ""}
TEMPORARY = {"users": "tempusers", "roles": "temproles"}


@dataclass
class Collection:
    """One collection of the dump and where it goes."""

    db: str
    name: str
    metadata: dict[str, Any]
    kind: str
    into: tuple[str, str]
    begun: bool = False
    restored: int = 0
    failed: int = 0

    @property
    def target(self) -> str:
        return ".".join(self.into)

    @property
    def authorization(self) -> str | None:
        """ "users", "roles" or "" for the three collections that hold them; None for all others."""
        name = self.name.removeprefix("$admin.")
        return AUTHORIZATION.get(name) if self.db == "admin" or name != self.name else None


def main() -> int:
    for number, name in ((signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupt"), (signal.SIGHUP, "hangup")):
        signal.signal(number, lambda *_, name=name: _terminated(name))
    options, others = parse("mongorestore", sys.argv[1:], KINDS, SHORT)
    restore: Restore | None = None
    code = 1
    try:
        client = connect(options, others)
        restore = Restore(client, options, others)
        restore.run()
        code = 0
    except Failed as error:
        log(f"Failed: {error}")
    except OperationFailure as error:
        name = (error.details or {}).get("codeName", "")
        log(f"Failed: restore error: ({name}) {(error.details or {}).get('errmsg', error)}")
    except ConnectionFailure as error:
        log(f"Failed: error restoring: connection(): socket was unexpectedly closed: EOF ({error})")
    except OSError as error:
        log(f"Failed: open {error.filename}: {(error.strerror or str(error)).lower()}")
    if restore is not None:
        done, failed = restore.restored, restore.failed
        log(f"{done} document(s) restored successfully. {failed} document(s) failed to restore.")
    return code


def _terminated(name: str) -> None:
    log(f"signal '{name}' received; attempting to shut down")
    raise Failed("received termination signal")


class Restore:
    """One run: what is chosen, what was done."""

    def __init__(self, client: MongoClient[Any], options: dict[str, Any], others: list[str]) -> None:
        self._client, self._options, self._others = client, options, others
        self._all: dict[tuple[str, str], Collection | None] = {}
        self._authorization: list[Collection] = []
        self._oplog: list[dict[str, Any]] | None = None
        self._where = ""
        self.restored = self.failed = 0
        self._check()

    def run(self) -> None:
        path = self._options.get("archive")
        log("preparing collections to restore from")
        if path is None:
            self._from_folder()
            return
        self._where = f"archive '{path}'" if path not in ("", "-") else "archive on stdin"
        raw: Any = open(path, "rb") if path not in ("", "-") else sys.stdin.buffer  # noqa: SIM115
        stream: BinaryIO = gzip.open(raw) if self._options.get("gzip") else raw  # type: ignore[assignment] # noqa: SIM115
        reader = Reader(stream)
        for entry in reader.collections:
            metadata = json_util.loads(entry["metadata"]) if entry["metadata"] else {}
            self._choose(entry["db"], entry["collection"], metadata, entry.get("type", ""))
        if self._is_dry():
            return
        reader.run(self._take, self._finish)
        self._conclude()

    # --- what is chosen -----------------------------------------------------------------------------------------

    def _check(self) -> None:
        options = self._options
        if options.get("collection") and not options.get("db"):
            raise Failed("cannot restore a collection without a specified database")
        if options.get("restoreDbUsersAndRoles") and not options.get("db"):
            raise Failed("cannot use --restoreDbUsersAndRoles without a specified database")
        if len(options["nsFrom"]) != len(options["nsTo"]):
            raise Failed("--nsFrom and --nsTo arguments must be specified an equal number of times")
        if "archive" in options and self._others:
            raise Failed("cannot specify both --archive and a directory")
        if options.get("oplogReplay"):
            for said, what in (("nsInclude", "includes"), ("nsExclude", "excludes"), ("nsFrom", "namespace renames")):
                if options[said] or (what == "includes" and options.get("db")):
                    raise Failed(f"cannot use --oplogReplay with {what} specified")
        if options.get("db") and "archive" in options:
            log("The --db and --collection flags are deprecated for this use-case. Please use --nsInclude instead, ")
            log('i.e. with --nsInclude="${DATABASE}.${COLLECTION}"')

    def _choose(
        self, db: str, name: str, metadata: dict[str, Any], kind: str, folder_db: str = ""
    ) -> Collection | None:
        """Note a collection of the dump; None where a filter leaves it out."""
        options, data = self._options, f"system.buckets.{name}" if kind == "timeseries" else name
        into, found = self._renamed(db, name), None
        one = Collection(db, name, metadata, kind, into)
        if not db and name == "oplog":
            self._oplog = []
        elif one.authorization is not None:
            if name.startswith("$"):
                wanted = bool(options.get("restoreDbUsersAndRoles")) and options["db"] == db
            else:
                wanted = options.get("db") in (None, "admin") and self._wanted(db, name)
            if wanted:
                found = one
                self._authorization.append(one)
        elif self._wanted(db, name):
            found = one
        self._all[db, data] = found
        if found and db:
            log(f"reading metadata for {quoted(found.target)} from {self._where}")
        return found

    def _wanted(self, db: str, name: str) -> bool:
        options, namespace = self._options, f"{db}.{name}"
        includes = list(options["nsInclude"])
        if options.get("db"):
            includes.append(f"{_plain(options['db'])}.{_plain(options.get('collection') or '') or '*'}")
        if includes and not any(_pattern(one).fullmatch(namespace) for one in includes):
            return False
        if any(name.startswith(prefix) for prefix in options["excludeCollectionsWithPrefix"]):
            return False
        return name not in options["excludeCollection"] and not any(
            _pattern(one).fullmatch(namespace) for one in options["nsExclude"]
        )

    def _renamed(self, db: str, name: str) -> tuple[str, str]:
        """`*` and `$name$` of --nsFrom stand in --nsTo for what they matched."""
        namespace = f"{db}.{name}"
        for before, after in zip(self._options["nsFrom"], self._options["nsTo"], strict=True):
            match = _pattern(before).fullmatch(namespace)
            if match:
                values, named = iter(match.groups()), match.groupdict()
                text = re.sub(r"\$(\w+)\$", lambda found, named=named: named[found[1]], after)
                namespace = re.sub(r"(?<!\\)\*", lambda _, values=values: next(values, ""), text)
        into, _, rest = namespace.partition(".")
        return into, rest

    def _is_dry(self) -> bool:
        if self._options.get("dryRun"):
            log("dry run completed")
        elif self._options.get("oplogReplay") and self._oplog is None:
            raise Failed("no oplog file to replay; make sure you run mongodump with --oplog")
        return bool(self._options.get("dryRun"))

    # --- the documents ------------------------------------------------------------------------------------------

    def _take(self, db: str, name: str, raw: list[bytes]) -> None:
        if not db and name == "oplog":
            if self._oplog is not None and self._options.get("oplogReplay"):
                self._oplog += [bson.decode(one) for one in raw]
            return
        if (db, name) not in self._all:
            raise Failed(f"error demultiplexing archive; no intent for collection in archive: {db}.{name}")
        one = self._all[db, name]
        if one is None:
            return
        if not one.begun:
            self._begin(one)
        if one.authorization is None:
            self._insert(one, raw)
        elif one.authorization:
            self._client.admin[TEMPORARY[one.authorization]].insert_many([RawBSONDocument(each) for each in raw])

    def _insert(self, one: Collection, raw: list[bytes]) -> None:
        stop = bool(self._options.get("stopOnError"))
        into = self._client[one.into[0]][one.into[1]]
        try:
            into.insert_many(
                [RawBSONDocument(each) for each in raw], ordered=stop or "maintainInsertionOrder" in self._options
            )
            one.restored += len(raw)
        except BulkWriteError as error:
            refused = error.details["writeErrors"]
            one.restored += error.details["nInserted"]
            one.failed += len(refused)
            if stop:
                self.failed += one.failed
                text = f"bulk write exception: write errors: [{refused[0]['errmsg']}]"
                raise Failed(f"{one.target}: error restoring from {self._where}: {text}") from None
            for each in refused:
                log(f"continuing through error: {each['errmsg']}")
        except bson.errors.InvalidBSON as error:
            raise Failed(f"{one.target}: error restoring from {self._where}: {error}") from None

    def _begin(self, one: Collection) -> None:
        """Drop when asked to, create when absent."""
        one.begun = True
        if one.authorization is not None:
            if one.authorization:
                log(f"restoring {one.authorization} from {self._where}")
                self._client.admin[TEMPORARY[one.authorization]].drop()
            return
        db, name = self._client[one.into[0]], one.into[1]
        there = bool(list(db.list_collections(filter={"name": name})))
        if there and self._options.get("drop"):
            db.drop_collection(name)
            there = False
        if there:
            log(f"restoring to existing collection {quoted(one.target)} without dropping")
        elif one.metadata:
            extra = {} if self._options.get("noOptionsRestore") else one.metadata.get("options") or {}
            db.command({"create": name, **{key: value for key, value in extra.items() if key != "uuid"}})
        if one.kind != "view":
            log(f"restoring {quoted(one.target)} from {self._where}")

    def _finish(self, db: str, name: str, right: bool) -> None:
        one = self._all.get((db, name))
        if one is None:
            return
        if not one.begun:
            self._begin(one)
        if not right:
            text = f"CRC mismatch for namespace {quoted(f'{db}.{name}')}"
            raise Failed(f"{one.target}: error restoring from {self._where}: {text}")
        if one.authorization is None:
            log(f"finished restoring {quoted(one.target)} ({documents(one.restored)}, {_failures(one.failed)})")
            self.restored += one.restored
            self.failed += one.failed

    # --- what comes after the documents -------------------------------------------------------------------------

    def _conclude(self) -> None:
        chosen = [one for one in self._all.values() if one and one.authorization is None]
        for one in chosen:
            if not one.begun:  # a view has no documents of its own
                self._begin(one)
        self._merge_authorization()
        if self._oplog and self._options.get("oplogReplay"):
            self._replay()
        for one in chosen:
            if not self._options.get("noIndexRestore") and one.kind != "view":
                self._restore_indexes(one)

    def _restore_indexes(self, one: Collection) -> None:
        indexes = [
            {key: value for key, value in index.items() if key != "ns"}
            for index in one.metadata.get("indexes", [])
            if index["name"] != "_id_"
        ]
        if not indexes:
            log(f"no indexes to restore for collection {quoted(one.target)}")
            return
        log(f"restoring indexes for collection {quoted(one.target)} from metadata")
        try:
            self._client[one.into[0]].command({"createIndexes": one.into[1], "indexes": indexes})
        except OperationFailure as error:
            text = (error.details or {}).get("errmsg", error)
            raise Failed(
                f"{one.target}: error creating indexes for {one.target}: createIndex error: "
                f"({(error.details or {}).get('codeName', '')}) {text}"
            ) from None

    def _merge_authorization(self) -> None:
        kinds = {one.authorization for one in self._authorization if one.begun and one.authorization}
        if not kinds:
            return
        command: dict[str, Any] = {"_mergeAuthzCollections": 1}
        for kind, field in (("users", "tempUsersCollection"), ("roles", "tempRolesCollection")):
            if kind in kinds:
                command[field] = f"admin.{TEMPORARY[kind]}"
        try:
            only = str(self._options.get("db") or "") if self._options.get("restoreDbUsersAndRoles") else ""
            self._client.admin.command({**command, "drop": bool(self._options.get("drop")), "db": only})
        finally:
            for kind in sorted(kinds):
                self._client.admin[TEMPORARY[kind]].drop()

    def _replay(self) -> None:
        log("replaying oplog")
        limit = self._options.get("oplogLimit")
        applied = 0
        for entry in self._oplog or []:
            if limit and entry["ts"] >= bson.Timestamp(int(limit.split(":")[0]), int(limit.partition(":")[2] or 0)):
                break
            applied += self._apply(entry)
        log(f"applied {applied} oplog entries")

    def _apply(self, entry: dict[str, Any]) -> bool:
        db, _, name = entry["ns"].partition(".")
        kind, what = entry["op"], entry["o"]
        if kind == "n" or db in ("", "local", "config", "admin"):
            return False
        into = self._client[db][name]
        if kind == "i":
            into.replace_one({"_id": what["_id"]}, what, upsert=True)
        elif kind == "d":
            into.delete_one({"_id": what["_id"]})
        elif kind == "u" and "diff" in what:
            update = _update_of(what["diff"])
            if update:
                into.update_one({"_id": entry["o2"]["_id"]}, update)
        elif kind == "u":
            into.replace_one({"_id": entry["o2"]["_id"]}, what, upsert=True)
        elif kind == "c" and "drop" in what:
            self._client[db].drop_collection(what["drop"])
        elif kind == "c" and "create" in what:
            if not list(self._client[db].list_collections(filter={"name": what["create"]})):
                self._client[db].command({key: value for key, value in what.items() if key != "idIndex"})
        elif kind == "c" and "createIndexes" in what:
            indexes = [{key: one[key] for key in one if key != "entryFormat"} for one in what["indexes"]]
            self._client[db].command({"createIndexes": what["createIndexes"], "indexes": indexes})
        else:
            raise Failed(f"restore error: error applying oplog: the lab's stand-in cannot apply {sorted(what)[:3]}")
        return True

    # --- a folder -----------------------------------------------------------------------------------------------

    def _from_folder(self) -> None:
        """DIR/DB/COLLECTION.bson; with --db DIR is the database's own folder, with --collection too it is the file."""
        root = Path(self._options.get("dir") or (self._others[0] if self._others else "dump"))
        only = self._options.get("db")
        if not root.exists():
            raise Failed(f"mongorestore target '{root}' invalid: stat {root}: no such file or directory")
        if root.is_file() and not only:
            raise Failed(f"mongorestore target '{root}' invalid: a database must be given with a single file")
        files = [root] if root.is_file() else sorted(root.glob("*.*" if only else "*/*.*"))
        names = [Path(str(one).removesuffix(".gz")) for one in files]
        if not only and not root.is_file() and (root / "oplog.bson").exists():
            self._oplog = _read_file(root / "oplog.bson", False)
        views = [one for one in names if one.name.endswith(".metadata.json")]
        data = [one for one in names if one.suffix == ".bson"]
        with_data = {one.with_suffix("") for one in data}
        found = data + [one for one in views if Path(str(one).removesuffix(".metadata.json")) not in with_data]
        todo = []
        for path in found:
            name = urllib.parse.unquote(path.name.removesuffix(".metadata.json").removesuffix(".bson"))
            if root.is_file() and self._options.get("collection"):
                name = self._options["collection"]
            beside = path if path in views else path.with_suffix(".metadata.json")
            metadata = _metadata(beside)
            kind = metadata.get("type") or ("view" if "viewOn" in metadata.get("options", {}) else "collection")
            if name.startswith("system.buckets."):
                continue
            self._where = str(path)
            one = self._choose(only or urllib.parse.unquote(path.parent.name), name, metadata, kind)
            if one:
                todo.append((one, path))
        if self._is_dry():
            return
        for one, path in todo:
            self._where = str(path)
            if one.kind == "view":
                continue
            if one.kind == "timeseries":
                path = path.parent / f"system.buckets.{path.name.removesuffix('.metadata.json')}.bson"
            key = one.db, f"system.buckets.{one.name}" if one.kind == "timeseries" else one.name
            gz = not path.exists()
            everything = [bson.encode(each) for each in _read_file(Path(f"{path}.gz") if gz else path, gz)]
            for start in range(0, len(everything), 1000):
                self._take(*key, everything[start : start + 1000])
            self._finish(*key, True)
        self._conclude()


def _metadata(path: Path) -> dict[str, Any]:
    for one, opener in ((path, open), (Path(f"{path}.gz"), gzip.open)):
        if one.exists():
            with opener(one, "rb") as file:
                found: dict[str, Any] = json_util.loads(file.read().decode())
                return found
    return {}


def _read_file(path: Path, compressed: bool) -> list[dict[str, Any]]:
    with gzip.open(path, "rb") if compressed else path.open("rb") as file:
        try:
            return list(bson.decode_file_iter(file, RAW))  # type: ignore[arg-type]
        except (bson.errors.InvalidBSON, EOFError) as error:
            raise Failed(f"error restoring from {path}: reading bson input: unexpected EOF ({error})") from None


RAW = bson.CodecOptions(document_class=RawBSONDocument)


def _update_of(diff: dict[str, Any]) -> dict[str, Any]:
    """The update that an entry of the server's oplog describes; its form is SecantusDB's, not MongoDB's."""
    found = {
        "$set": dict(diff.get("updatedFields", {})),
        "$unset": dict.fromkeys(diff.get("removedFields", []), ""),
        "$push": {one["field"]: {"$each": [], "$slice": one["newSize"]} for one in diff.get("truncatedArrays", [])},
    }
    return {operator: fields for operator, fields in found.items() if fields}


def _failures(count: int) -> str:
    return f"{count} failure" if count == 1 else f"{count} failures"


def _plain(name: str) -> str:
    return name.replace("\\", "\\\\").replace("*", "\\*")


def _pattern(text: str) -> re.Pattern[str]:
    """`*` is any text, `$name$` a text that --nsTo can use by its name, a backslash takes the meaning away."""
    parts, seen = [], set()
    for one in re.findall(r"\\.|\$\w+\$|.", text, re.DOTALL):
        if one == "*":
            parts.append("(.*)")
        elif len(one) > 2 and one not in seen:
            seen.add(one)
            parts.append(f"(?P<{one.strip('$')}>.*?)")
        elif len(one) > 2:
            parts.append(f"(?P={one.strip('$')})")
        else:
            parts.append(re.escape(one[-1]))
    return re.compile("".join(parts), re.DOTALL)


if __name__ == "__main__":
    sys.exit(main())
