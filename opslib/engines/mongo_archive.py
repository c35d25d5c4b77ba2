"""Reads an archive of `mongodump --archive` to its end, in constant memory, and says what is in it.

It runs where the archive is, in the tools image: as the text of `python3 -c`, with the standard library alone. From
standard input; with the argument `pass` the archive goes on to standard output, and what it says to descriptor 4. It
says lines of JSON:

    {"archive": {"server", "tool"}}
    {"collection": [database, name, type, metadata as JSON text]}   for each that the beginning lists
    {"documents": [database, name, number]}                         at the end of each that has documents
    {"oplog": number of entries, "moving": [namespaces whose number of documents they may change]}
    {"login": "same" | "other" | "absent"}    whether the account MONGO_USER of MONGO_AUTH_DATABASE, as the archive
                                              holds it, takes the password MONGO_PASSWORD; where these are set
    {"whole": true}

and exits with 1 and a reason for whatever is cut, changed, joined, or no archive. Only the digest of a set covers the
list at the beginning: the format has no check sum for it.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import hmac
import json
import os
import struct
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any, BinaryIO, TextIO

MAGIC = 0x6DE29981
TERMINATOR = -1
LARGEST = 16 * 1024 * 1024 + 16 * 1024  # bytes of a document of the server's own
CHUNK = 1 << 20
DEEPEST = 200  # the server allows 100 levels


class Bad(Exception):
    """The archive is not what mongodump wrote."""


def load_crc64() -> Any:
    """CRC-64 of liblzma, which is Go's crc64.ECMA: `crc64(buffer, length, before)`."""
    function = ctypes.CDLL("liblzma.so.5").lzma_crc64
    function.restype = ctypes.c_uint64
    function.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    return function


# -- BSON: enough to read names, numbers and texts; lengths are believed only within the document they stand in

_FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}


def fields(data: bytes, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The fields of a document in their order; a value is None for a type that nobody here asks for."""
    end = len(data) - 1
    if depth > DEEPEST or end < 4 or struct.unpack_from("<i", data)[0] != len(data) or data[end]:
        raise Bad("a document's length is wrong")
    at = 4
    while at < end:
        kind = data[at]
        stop = data.find(b"\0", at + 1, end)
        if stop < 0:
            raise Bad("a field's name has no end")
        name = _text(data[at + 1 : stop])
        at = stop + 1
        size = _size(kind, data, at, end)
        if at + size > end:
            raise Bad("a field is longer than its document")
        yield name, _value(kind, data[at : at + size], depth)
        at += size


def _size(kind: int, data: bytes, at: int, end: int) -> int:
    if kind in _FIXED:
        return _FIXED[kind]
    if kind == 0x0B:  # a regular expression: two texts that end with zero
        first = data.find(b"\0", at, end)
        second = data.find(b"\0", first + 1, end) if first >= 0 else -1
        if second < 0:
            raise Bad("a regular expression has no end")
        return second + 1 - at
    if at + 4 > end:
        raise Bad("a field is longer than its document")
    length = struct.unpack_from("<i", data, at)[0]
    least = {0x03: 5, 0x04: 5, 0x0F: 14, 0x02: 1, 0x0D: 1, 0x0E: 1, 0x0C: 1, 0x05: 0}.get(kind)
    if least is None:
        raise Bad(f"a field has the type {kind}, which is none")
    if length < least:
        raise Bad("a field's length is wrong")
    return int(length) + {0x03: 0, 0x04: 0, 0x0F: 0, 0x05: 5, 0x0C: 16}.get(kind, 4)


def _value(kind: int, data: bytes, depth: int) -> Any:
    if kind in (0x02, 0x0D, 0x0E):
        if data[-1]:
            raise Bad("a text has no end")
        return _text(data[4:-1])
    if kind == 0x03:
        return dict(fields(data, depth + 1))
    if kind == 0x04:
        return [value for _, value in fields(data, depth + 1)]
    if kind == 0x08:
        if data[0] > 1:
            raise Bad("a truth value is neither true nor false")
        return data[0] == 1
    if kind in (0x10, 0x12):
        return struct.unpack("<i" if kind == 0x10 else "<q", data)[0]
    return struct.unpack("<d", data)[0] if kind == 0x01 else None


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Bad("a text is not UTF-8") from None


# -- the stream


class Stream:
    """Bytes of the archive as they come, copied on where there is a copy; a chunk and a document are in memory."""

    def __init__(self, source: BinaryIO, copy: BinaryIO | None) -> None:
        self.source, self.copy = source, copy
        self.data, self.at = b"", 0

    def has(self, count: int) -> bool:
        """Whether so many bytes follow; if so they are in `data` from `at` on."""
        have = len(self.data) - self.at
        if have >= count:
            return True
        parts = [self.data[self.at :]]
        while have < count:
            chunk = self.source.read(CHUNK)
            if not chunk:
                break
            if self.copy is not None:
                self.copy.write(chunk)
            parts.append(chunk)
            have += len(chunk)
        self.data, self.at = b"".join(parts), 0
        return have >= count

    def number(self) -> int:
        """The number that follows, which stays."""
        if not self.has(4):
            raise Bad("it is cut")
        return int(struct.unpack_from("<i", self.data, self.at)[0])

    def size(self) -> int:
        """The length of the document that follows, whole in `data`; 0 for the end of a block, which is taken."""
        number = self.number()
        if number == TERMINATOR:
            self.at += 4
            return 0
        if not 5 <= number <= LARGEST:
            raise Bad(f"{number} is no length of a document: it is damaged, or something else follows")
        if not self.has(number):
            raise Bad("it is cut")
        if self.data[self.at + number - 1]:
            raise Bad("a document has no end")
        return number

    def document(self) -> bytes | None:
        """The document that follows, None at the end of a block."""
        size = self.size()
        self.at += size
        return self.data[self.at - size : self.at] if size else None


class Archive:
    """One reading. `say` is given what is found; `login` are user, database and password to look for."""

    def __init__(self, stream: Stream, say: Any, login: tuple[str, str, str] | None = None) -> None:
        self.stream, self.say, self.login = stream, say, login
        self.crc64 = load_crc64()
        self.open: dict[tuple[str, str], list[int]] = {}  # number of documents, CRC
        self.done: set[tuple[str, str]] = set()
        self.moving: set[str] = set()
        self.answer = "absent"

    def read(self) -> None:
        """To the end. Raises Bad."""
        views = self._beginning()
        while self.stream.has(1):
            self._block()
        missing = sorted(".".join(key) for key in self.open.keys() - views)
        if missing:
            raise Bad(f"it is cut: the end of {missing[0]} is not there")
        if self.login is not None:
            self.say({"login": self.answer})
        self.say({"whole": True})

    def _beginning(self) -> set[tuple[str, str]]:
        if self.stream.number() & 0xFFFFFFFF != MAGIC:
            raise Bad("it does not begin as an archive of mongodump does")
        self.stream.at += 4
        header = dict(fields(self._must()))
        self.say({"archive": {"server": header.get("server_version", ""), "tool": header.get("tool_version", "")}})
        views = set()
        while (document := self.stream.document()) is not None:
            one = dict(fields(document))
            database, name, kind = one.get("db"), one.get("collection"), one.get("type") or ""
            metadata = one.get("metadata") or ""
            if not all(isinstance(text, str) for text in (database, name, kind, metadata)):
                raise Bad("the list of collections is damaged")
            try:
                options = (json.loads(metadata).get("options") or {}) if metadata else {}
            except (ValueError, AttributeError):
                raise Bad(f"the metadata of {database}.{name} are damaged") from None
            kind = kind or ("view" if "viewOn" in options else "timeseries" if "timeseries" in options else "")
            self.say({"collection": [database, name, kind, metadata]})
            # A time series has its documents in buckets, up to server 8.2 under a name of their own.
            keys = [(database, name)] + [(database, f"system.buckets.{name}")] * (kind == "timeseries")
            if any(key in self.open for key in keys):
                raise Bad(f"{database}.{name} is listed twice")
            self.open.update({key: [0, 0] for key in keys})
            if kind == "view":
                views.add(keys[0])
        return views

    def _must(self) -> bytes:
        document = self.stream.document()
        if document is None:
            raise Bad("a header is missing")
        return document

    def _block(self) -> None:
        header = dict(fields(self._must()))
        key = header.get("db"), header.get("collection")
        end, wanted = header.get("EOF"), header.get("CRC")
        if not (isinstance(key[0], str) and isinstance(key[1], str) and isinstance(end, bool)
                and isinstance(wanted, int) and not isinstance(wanted, bool)):  # fmt: skip
            raise Bad("the head of a block is damaged")
        namespace = f"{key[0]}.{key[1]}"
        if key in self.done:
            raise Bad(f"{namespace} goes on after its end")
        if key not in self.open:
            raise Bad(f"it holds {namespace}, which it does not list")
        state = self.open[key]
        if not end:
            if wanted:
                raise Bad(f"the head of a block of {namespace} is damaged")
            self._documents(key, state)
            return
        if self.stream.size():
            raise Bad(f"documents follow the end of {namespace}")
        if state[1] != wanted % (1 << 64):
            raise Bad(f"the documents of {namespace} are damaged: their check sum is another")
        self._close(key, state[0])

    def _close(self, key: tuple[str, str], count: int) -> None:
        del self.open[key]
        self.done.add(key)
        database, name = key
        buckets = name[len("system.buckets.") :] if name.startswith("system.buckets.") else f"system.buckets.{name}"
        self.open.pop((database, buckets), None)  # documents came under one of the two names
        if key == ("", "oplog"):
            self.say({"oplog": count, "moving": sorted(self.moving)})
        else:
            self.say({"documents": [database, name, count]})

    def _documents(self, key: tuple[str, str], state: list[int]) -> None:
        """One block. Documents that lie in memory together are summed together."""
        look = self._look_at(key)
        stream = self.stream
        while (size := stream.size()) != 0:
            start, data, at, length = stream.at, stream.data, stream.at, len(stream.data)
            while True:
                if look is not None:
                    look(data[at : at + size])
                at += size
                state[0] += 1
                if at + 4 > length:
                    break
                (size,) = struct.unpack_from("<i", data, at)
                if not 5 <= size <= LARGEST or at + size > length:
                    break
                if data[at + size - 1]:
                    raise Bad("a document has no end")
            run = data[start:at]
            state[1] = self.crc64(run, len(run), state[1])
            stream.at = at

    def _look_at(self, key: tuple[str, str]) -> Any:
        if key == ("", "oplog"):
            return self._oplog
        return self._user if self.login is not None and key[1].endswith("system.users") else None

    # -- what is looked at inside

    def _oplog(self, document: bytes) -> None:
        self._entry(dict(fields(document)))

    def _entry(self, entry: dict[str, Any]) -> None:
        """Which numbers of documents an entry may change: all of a database's where a command is not known."""
        namespace, what = entry.get("ns"), entry.get("o")
        if not isinstance(namespace, str) or not isinstance(what, dict):
            raise Bad("the oplog is damaged")
        database = namespace.partition(".")[0]
        if entry.get("op") in ("i", "d", "u"):
            self.moving.add(namespace)
        elif entry.get("op") == "c":
            command = next(iter(what), "")
            if command == "applyOps" and isinstance(what["applyOps"], list):
                for one in what["applyOps"]:
                    self._entry(one if isinstance(one, dict) else {})
            elif command in ("create", "drop", "convertToCapped", "emptycapped") and isinstance(what[command], str):
                self.moving.add(f"{database}.{what[command]}")
            elif command not in ("createIndexes", "dropIndexes", "startIndexBuild", "commitIndexBuild",
                                 "abortIndexBuild", "collMod", "commitTransaction", "abortTransaction"):  # fmt: skip
                self.moving.add(f"{database}.")

    def _user(self, document: bytes) -> None:
        assert self.login is not None
        name, database, password = self.login
        one = dict(fields(document))
        if (one.get("user"), one.get("db")) == (name, database):
            self.answer = "same" if takes(one.get("credentials"), name, password) else "other"


def takes(credentials: Any, name: str, password: str) -> bool:
    """Whether what the server keeps of a password (SCRAM) is this one's."""
    ways = (
        ("SCRAM-SHA-256", "sha256", unicodedata.normalize("NFKC", password)),
        ("SCRAM-SHA-1", "sha1", hashlib.md5(f"{name}:mongo:{password}".encode(), usedforsecurity=False).hexdigest()),
    )
    for mechanism, digest, text in ways:
        kept = credentials.get(mechanism) if isinstance(credentials, dict) else None
        if not isinstance(kept, dict):
            continue
        try:
            salt, rounds = base64.b64decode(kept["salt"]), kept["iterationCount"]
            salted = hashlib.pbkdf2_hmac(digest, text.encode(), salt, rounds)
            stored = hashlib.new(digest, hmac.digest(salted, b"Client Key", digest)).digest()
            if base64.b64decode(kept["storedKey"]) == stored:
                return True
        except (KeyError, TypeError, ValueError):
            continue
    return False


def main(argv: list[str], environ: dict[str, str]) -> int:
    """The program."""
    passing = argv == ["pass"]
    out: TextIO = open(4, "w", encoding="ascii") if passing else sys.stdout  # noqa: SIM115

    def say(what: dict[str, Any]) -> None:
        out.write(json.dumps(what) + "\n")

    login = None
    if environ.get("MONGO_USER") and not passing:
        login = (environ["MONGO_USER"], environ.get("MONGO_AUTH_DATABASE", "admin"), environ.get("MONGO_PASSWORD", ""))
    try:
        Archive(Stream(sys.stdin.buffer, sys.stdout.buffer if passing else None), say, login).read()
        sys.stdout.flush()
        out.flush()
    except Bad as wrong:
        print(f"the archive of mongodump is damaged: {wrong}", file=sys.stderr)
    except OSError as error:
        print(f"the archive cannot be passed on: {error.strerror}", file=sys.stderr)
    else:
        return 0
    os._exit(1)  # without the rest of what is passed on


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], dict(os.environ)))
