"""The data of the lab's Qdrant: one SQLite file in storage/, and snapshots as tar archives in snapshots/."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import io
import json
import math
import os
import shutil
import sqlite3
import struct
import tarfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VERSION = "1.15.4"
_TABLES = """
CREATE TABLE IF NOT EXISTS collections (name TEXT PRIMARY KEY, config TEXT NOT NULL, indexes TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS points (
    collection TEXT, kind INTEGER, id TEXT, number INTEGER, vector TEXT NOT NULL, payload TEXT NOT NULL,
    PRIMARY KEY (collection, id));
CREATE INDEX IF NOT EXISTS ordered ON points (collection, kind, number, id);
CREATE TABLE IF NOT EXISTS aliases (alias TEXT PRIMARY KEY, collection TEXT NOT NULL);
"""
Json = dict[str, Any]


class Refused(Exception):
    """An answer that is not 200: its HTTP status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Store:
    """All collections. One lock for everything: this is a lab."""

    def __init__(self, root: Path) -> None:
        self._storage, self._snapshots = root / "storage", root / "snapshots"
        for folder in (self._storage, self._snapshots):
            folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(self._storage / "lab.sqlite", check_same_thread=False)
        self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + _TABLES)
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone."""
        with self._lock, self._database:
            yield self._database

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(query, values).fetchall()

    # --- collections and aliases --------------------------------------------------------------------------------

    def names(self) -> list[str]:
        return [name for (name,) in self.rows("SELECT name FROM collections ORDER BY name")]

    def real(self, name: str) -> str:
        """The collection that a name or alias means; Refused 404."""
        for (collection,) in self.rows("SELECT collection FROM aliases WHERE alias = ?", name):
            return str(collection)
        if not self.rows("SELECT 1 FROM collections WHERE name = ?", name):
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return name

    def create(self, name: str, config: Json) -> None:
        if self.rows("SELECT 1 FROM collections WHERE name = ?", name):
            raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
        with self.change() as database:
            database.execute("INSERT INTO collections VALUES (?, ?, '{}')", (name, json.dumps(config)))

    def delete(self, name: str) -> bool:
        with self.change() as database:
            for table in ("points", "aliases"):
                database.execute(f"DELETE FROM {table} WHERE collection = ?", (name,))
            gone = database.execute("DELETE FROM collections WHERE name = ?", (name,)).rowcount
        shutil.rmtree(self._snapshots / name, ignore_errors=True)
        return bool(gone)

    def config(self, name: str) -> tuple[Json, Json]:
        """Its parameters and its payload indexes."""
        ((config, indexes),) = self.rows("SELECT config, indexes FROM collections WHERE name = ?", self.real(name))
        return json.loads(config), json.loads(indexes)

    def index(self, name: str, field: str, schema: Any) -> None:
        """Note a payload index; None takes it away."""
        name, indexes = self.real(name), self.config(name)[1]
        indexes.pop(field, None)
        if schema is not None:
            indexes[field] = schema
        with self.change() as database:
            database.execute("UPDATE collections SET indexes = ? WHERE name = ?", (json.dumps(indexes), name))

    def aliases(self, name: str | None = None) -> list[Json]:
        rows = self.rows("SELECT alias, collection FROM aliases ORDER BY alias")
        return [{"alias_name": alias, "collection_name": one} for alias, one in rows if name in (None, one)]

    def change_aliases(self, actions: list[Json]) -> None:
        with self.change() as database:
            for action in actions:
                ((kind, what),) = action.items()
                if kind == "create_alias":
                    row = what["alias_name"], self.real(what["collection_name"])
                    if row[0] in self.names():
                        raise Refused(409, f"Wrong input: Collection `{row[0]}` already exists!")
                    database.execute("INSERT OR REPLACE INTO aliases VALUES (?, ?)", row)
                elif kind == "delete_alias":
                    database.execute("DELETE FROM aliases WHERE alias = ?", (what["alias_name"],))
                elif kind == "rename_alias":
                    row = what["new_alias_name"], what["old_alias_name"]
                    if not database.execute("UPDATE aliases SET alias = ? WHERE alias = ?", row).rowcount:
                        raise Refused(404, f"Not found: Alias {row[1]} does not exists!")
                else:
                    raise Refused(400, f"Format error in JSON body: unknown variant `{kind}`")

    # --- points -------------------------------------------------------------------------------------------------

    def put(self, name: str, points: list[Json]) -> None:
        name, (config, _) = self.real(name), self.config(name)
        rows = []
        for point in points:
            vector = _stored(config["params"].get("vectors") or {}, point.get("vector", {}))
            rows.append((name, *_key(point["id"]), json.dumps(vector), json.dumps(point.get("payload") or {})))
        with self.change() as database:
            database.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?, ?)", rows)

    def remove(self, name: str, ids: list[Any]) -> None:
        rows = [(self.real(name), _key(one)[1]) for one in ids]
        with self.change() as database:
            database.executemany("DELETE FROM points WHERE collection = ? AND id = ?", rows)

    def count(self, name: str) -> int:
        ((count,),) = self.rows("SELECT count(*) FROM points WHERE collection = ?", self.real(name))
        return int(count)

    def points(self, name: str, offset: Any = None, limit: int | None = None) -> list[Json]:
        """In the order of their ids: numbers, then UUIDs. `offset` is the first id."""
        query, values = "SELECT kind, id, vector, payload FROM points WHERE collection = ?", [self.real(name)]
        if offset is not None:
            kind, text, number = _key(offset)
            query += " AND (kind, number, id) >= (?, ?, ?)"
            values += [kind, number, text]
        query += " ORDER BY kind, number, id" + (f" LIMIT {int(limit)}" if limit is not None else "")
        return [
            {"id": text if kind else int(text), "vector": json.loads(vector), "payload": json.loads(payload)}
            for kind, text, vector, payload in self.rows(query, *values)
        ]

    # --- snapshots ----------------------------------------------------------------------------------------------

    def snapshot(self, name: str) -> Json:
        """A tar with the configuration and the points; it gets its name when it is whole."""
        name = self.real(name)
        now = datetime.datetime.now(datetime.timezone.utc)
        path = self._snapshots / name / f"{name}-{os.getpid()}{now:%f}-{now:%Y-%m-%d-%H-%M-%S}.snapshot"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with self._lock, tarfile.open(part, "w") as tar:
            config, indexes = self.config(name)
            lines = "".join(json.dumps(point) + "\n" for point in self.points(name))
            for file, text in (
                ("config.json", json.dumps(config)),
                ("version.info", VERSION),
                ("0/payload_index.json", json.dumps(indexes)),
                ("0/points.jsonl", lines),
            ):
                info = tarfile.TarInfo(file)
                info.size, info.mtime = len(text.encode()), int(now.timestamp())
                tar.addfile(info, io.BytesIO(text.encode()))
        digest = sha256(part)
        path.with_name(f"{path.name}.checksum").write_text(digest)
        part.rename(path)
        return self._described(path)

    def snapshots(self, name: str) -> list[Json]:
        return [self._described(path) for path in sorted((self._snapshots / self.real(name)).glob("*.snapshot"))]

    def snapshot_path(self, name: str, snapshot: str) -> Path:
        path = self._snapshots / self.real(name) / snapshot
        if "/" in snapshot or not path.is_file():
            raise Refused(404, f"Not found: Snapshot {snapshot} not found")
        return path

    def delete_snapshot(self, name: str, snapshot: str) -> None:
        path = self.snapshot_path(name, snapshot)
        path.unlink()
        path.with_name(f"{snapshot}.checksum").unlink(missing_ok=True)

    def allowed(self, path: str) -> Path:
        """A file of the snapshots folder, the only ones that may be recovered from."""
        found = Path(path).resolve()
        if not found.is_relative_to(self._snapshots.resolve()) or not found.is_file():
            raise Refused(400, f"Wrong input: Snapshot file {path} does not exist")
        return found

    def recover(self, name: str, path: Path, checksum: str | None) -> None:
        """Replace the collection by what the snapshot holds, or make it."""
        if checksum and checksum.lower() != (actual := sha256(path)):
            raise Refused(400, f"Bad request: Checksum mismatch: expected: {checksum}, actual: {actual}")
        try:
            with tarfile.open(path) as tar:
                config, indexes, lines = (
                    tar.extractfile(file).read().decode()  # type: ignore[union-attr]
                    for file in ("config.json", "0/payload_index.json", "0/points.jsonl")
                )
        except (tarfile.TarError, KeyError, EOFError) as error:
            raise Refused(500, f"Service internal error: failed to unpack snapshot: {error}") from None
        with self.change() as database:
            for (there,) in self.rows("SELECT config FROM collections WHERE name = ?", name):
                if json.loads(there)["params"].get("vectors") != json.loads(config)["params"].get("vectors"):
                    text = f"Collection config: {there} Snapshot config: {config}"
                    raise Refused(400, f"Wrong input: Snapshot is not compatible with existing collection: {text}")
            database.execute("DELETE FROM points WHERE collection = ?", (name,))
            database.execute("INSERT OR REPLACE INTO collections VALUES (?, ?, ?)", (name, config, indexes))
            for line in lines.splitlines():
                point = json.loads(line)
                row = name, *_key(point["id"]), json.dumps(point["vector"]), json.dumps(point["payload"])
                database.execute("INSERT INTO points VALUES (?, ?, ?, ?, ?, ?)", row)

    @staticmethod
    def _described(path: Path) -> Json:
        made = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.timezone.utc)
        checksum = path.with_name(f"{path.name}.checksum")
        return {
            "name": path.name,
            "creation_time": f"{made:%Y-%m-%dT%H:%M:%S}",
            "size": path.stat().st_size,
            "checksum": checksum.read_text() if checksum.exists() else None,
        }


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def score(distance: str, one: list[float], other: list[float]) -> float:
    """How near two vectors are, as the distance of their collection measures it."""
    if distance == "Euclid":
        return math.dist(one, other)
    if distance == "Manhattan":
        return sum(abs(a - b) for a, b in zip(one, other, strict=True))
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / (math.hypot(*one) * math.hypot(*other) or 1) if distance == "Cosine" else dot


def _key(point_id: Any) -> tuple[int, str, int]:
    """(kind, text, number) of an id: an unsigned number or a UUID; Refused otherwise."""
    if isinstance(point_id, int) and not isinstance(point_id, bool) and 0 <= point_id < 1 << 63:
        return 0, str(point_id), point_id
    try:
        return 1, str(uuid.UUID(point_id)), 0
    except (ValueError, AttributeError, TypeError):
        text = f"value {point_id} is not a valid point ID, valid values are either an unsigned integer or a UUID"
        raise Refused(400, f"Format error in JSON body: {text}") from None


def _stored(described: Json, vector: Any) -> Any:
    """A vector as it is kept: 32-bit floats, of length 1 where the distance is Cosine."""
    if isinstance(vector, dict):
        unknown = [name for name in vector if name not in described]
        if unknown:
            raise Refused(400, f"Wrong input: Not existing vector name error: {unknown[0]}")
        return {name: _stored(described[name], one) for name, one in vector.items()}
    if "size" not in described:
        raise Refused(400, "Wrong input: Not existing vector name error: ")
    if len(vector) != described["size"]:
        text = f"expected dim: {described['size']}, got {len(vector)}"
        raise Refused(400, f"Wrong input: Vector dimension error: {text}")
    length = math.hypot(*vector) if described.get("distance") == "Cosine" else 0
    values = [value / length for value in vector] if length else vector
    return list(struct.unpack(f"{len(values)}f", struct.pack(f"{len(values)}f", *values)))
