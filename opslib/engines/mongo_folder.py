"""Prints the archive that `mongodump --archive` would have made of what a `mongodump --out` wrote: a folder for each
database, in it a `.bson` and a `.metadata.json` for each collection, `--gzip` or not.

So a folder is read to its end, counted and restored as an archive is, and nothing has to be put anywhere. Called as

    PATH ROOT DATABASE

PATH is the folder, or a tar archive that holds it, packed or not; ROOT the folder below it with those of the databases
("": itself). With a DATABASE the collections of that one lie in ROOT. It exits with 1 and a reason for whatever is cut
or missing.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import struct
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, BinaryIO
from urllib.parse import unquote_to_bytes

from opslib.engines.mongo_bson import END, MAGIC, Bad, Stream, encoded, load_crc64

BLOCK = 4 << 20  # bytes of documents after which a new block begins
_BUCKETS = "system.buckets."
_FILE = re.compile(r"(?P<stem>.+)\.(?P<what>bson|metadata\.json)(?:\.gz)?", re.DOTALL)
_BESIDE = re.compile(r"(?:.*/)?prelude\.json(?:\.gz)?", re.DOTALL)
_OPLOG = re.compile(r"oplog\.bson(?:\.gz)?")


# -- where the files are


def files(path: str, root: str) -> Iterator[tuple[str, BinaryIO]]:
    """Name below the root, and content unpacked, of each file."""
    each = _in_folder(os.path.join(path, root)) if os.path.isdir(path) else _in_tar(path, root)
    for name, file in each:
        yield name, gzip.GzipFile(fileobj=file) if name.endswith(".gz") else file  # type: ignore[misc]


def _in_folder(top: str) -> Iterator[tuple[str, BinaryIO]]:
    for folder, inner, names in os.walk(top):
        inner.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                yield os.path.relpath(path, top), file


def _in_tar(path: str, root: str) -> Iterator[tuple[str, BinaryIO]]:
    start = f"{_tidy(root)}/" if _tidy(root) else ""
    with _unpacked(path) as stream, tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 20) as tar:
        for member in tar:
            name = _tidy(member.name)
            if member.isdir() or not name.startswith(start):
                continue
            file = tar.extractfile(member) if member.isreg() else None
            if file is None:
                raise Bad(f"{name} is no file")
            yield name[len(start) :], file  # type: ignore[misc]


def _tidy(name: str) -> str:
    return os.path.normpath(name).lstrip("/") if name and os.path.normpath(name) != "." else ""


@contextmanager
def _unpacked(path: str) -> Iterator[IO[bytes]]:
    with open(path, "rb", buffering=0) as file:
        first = file.read(4)
        file.seek(0)
        tool = "gzip" if first.startswith(b"\x1f\x8b") else "zstd" if first == b"\x28\xb5\x2f\xfd" else ""
        if not tool:
            yield file
            return
        with subprocess.Popen([tool, "-dcq"], stdin=file, stdout=subprocess.PIPE) as unpacking:
            assert unpacking.stdout is not None
            yield unpacking.stdout
            while unpacking.stdout.read(1 << 20):
                pass
        if unpacking.returncode:
            raise Bad("it does not unpack to its end")


# -- what is in them


class Dump:
    """What the folder holds. `of` gives for a `.bson` the namespace that its documents have in the archive."""

    def __init__(self, path: str, root: str, database: str) -> None:
        self.path, self.root, self.database = path, root, database
        self.prelude: dict[str, Any] = {}
        self.collections: list[dict[str, Any]] = []
        self.of: dict[str, tuple[str, str]] = {}
        self.oplog = ""
        self._look()

    def _look(self) -> None:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for name, file in files(self.path, self.root):
            with _named(name):
                if _BESIDE.fullmatch(name):
                    self.prelude = _object(file.read())
                elif not self.database and _OPLOG.fullmatch(name):
                    self.oplog = name
                else:
                    self._note(found, name, file)
        for (database, stem), one in sorted(found.items()):
            self._collection(found, database, stem, one)
        if self.oplog:
            self.collections.append({"db": "", "collection": "oplog", "metadata": "", "size": 0, "type": ""})
            self.of[self.oplog] = ("", "oplog")

    def _note(self, found: dict[tuple[str, str], dict[str, Any]], name: str, file: BinaryIO) -> None:
        folder, _, last = name.rpartition("/")
        parts = _FILE.fullmatch(last)
        if parts is None or "/" in folder or bool(folder) == bool(self.database):
            raise Bad("mongodump writes no such file")
        one = found.setdefault((self.database or folder, parts["stem"]), {})
        if parts["what"] in one:
            raise Bad("it is there twice")
        one[parts["what"]] = name if parts["what"] == "bson" else file.read()

    def _collection(self, found: dict[tuple[str, str], dict[str, Any]], database: str, stem: str, one: Any) -> None:
        with _named(f"{database}/{stem}"):
            if "metadata.json" not in one:
                self._without_metadata(found, database, stem, one["bson"])
                return
            said = _object(one["metadata.json"])
            options = said.get("options") or {}
            name = str(said.get("collectionName") or "") if len(stem) == 238 and "%24" in stem else _unescaped(stem)
            other = "view" if "viewOn" in options else "timeseries" if "timeseries" in options else "collection"
            kind = str(said.get("type") or other)
            data, holds = one.get("bson"), name
            if kind == "timeseries" and data is None:
                data, holds = found.get((database, _BUCKETS + stem), {}).get("bson"), _BUCKETS + name
            if data is None and kind != "view":
                raise Bad("its .bson is missing")
            self._add(database, name, kind, one["metadata.json"].decode())
            if data is not None:
                self.of[data] = (database, holds)

    def _without_metadata(self, found: Any, database: str, stem: str, data: str) -> None:
        """Users and roles have none, and the buckets of a time series; a server before 3.0 kept indexes apart."""
        name = _unescaped(stem)
        if name in ("system.indexes", "system.profile"):
            return
        if name.startswith(_BUCKETS) and "metadata.json" in found.get((database, stem[len(_BUCKETS) :]), {}):
            return
        if not name.startswith("$admin.system.") and (database, name[:7]) != ("admin", "system."):
            raise Bad("its .metadata.json is missing, which holds its indexes and options")
        self._add(database, name, "", "")
        self.of[data] = (database, name)

    def _add(self, database: str, name: str, kind: str, metadata: str) -> None:
        entry = {"db": database, "collection": name, "metadata": metadata, "size": 0, "type": kind}
        self.collections.append(entry)


def _unescaped(stem: str) -> str:
    return unquote_to_bytes(os.fsencode(stem)).decode()


def _object(text: bytes) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise Bad("it is no object of JSON")
    return found


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Whatever is wrong in here is wrong with `name`."""
    try:
        yield
    except Bad as error:
        raise Bad(f"{name}: {error}") from None
    except (ValueError, RecursionError):
        raise Bad(f"{name}: it is no JSON in UTF-8") from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise Bad(f"{name}: it does not unpack to its end") from None


# -- the archive


def write(dump: Dump, out: BinaryIO) -> None:
    """All of it; the oplog last, because mongorestore waits with it."""
    versions = (("server_version", "ServerVersion"), ("tool_version", "ToolVersion"))
    said = {ours: str(dump.prelude.get(theirs) or "0.0.0") for ours, theirs in versions}
    head = {"concurrent_collections": 1, "version": "0.1", **said}
    out.write(struct.pack("<I", MAGIC) + encoded(head) + b"".join(map(encoded, dump.collections)) + END)
    crc64 = load_crc64(needed=False)
    for wanted in (False, True) if dump.oplog else (False,):
        for name, file in files(dump.path, dump.root):
            if name in dump.of and (name == dump.oplog) == wanted:
                with _named(name):
                    _write_documents(out, dump.of[name], Stream(file, None), crc64)


def _write_documents(out: BinaryIO, namespace: tuple[str, str], stream: Stream, crc64: Any) -> None:
    check, left = 0, 0
    while stream.has(1):
        run, count = stream.run()
        if not count:
            raise Bad("-1 is no length of a document")
        if not left:
            out.write(_head(namespace, end=False))
        out.write(run)
        check = crc64(run, len(run), check) if crc64 else 0  # without it nothing but a first look is possible
        left += len(run)
        if left > BLOCK:
            out.write(END)
            left = 0
    out.write((END if left else b"") + _head(namespace, end=True, check=check) + END)


def _head(namespace: tuple[str, str], *, end: bool, check: int = 0) -> bytes:
    signed = check - (1 << 64) if check >> 63 else check
    return encoded({"db": namespace[0], "collection": namespace[1], "EOF": end, "CRC": signed})


def main(path: str, root: str, database: str) -> int:
    """The program."""
    try:
        write(Dump(path, root, database), sys.stdout.buffer)
        sys.stdout.flush()
    except Bad as wrong:
        print(f"the folder of mongodump is damaged: {wrong}", file=sys.stderr)
    except tarfile.TarError as wrong:
        print(f"the folder of mongodump is damaged: its tar archive: {wrong}", file=sys.stderr)
    except OSError as error:
        print(f"the folder of mongodump cannot be read: {error.filename or ''} {error.strerror}", file=sys.stderr)
    else:
        return 0
    os._exit(1)  # without the rest of what is printed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
