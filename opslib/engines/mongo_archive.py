"""Reads an archive of `mongodump --archive` to its end, in constant memory, and says what is in it.

It runs where the archive is (`mongo_bson` says how), and reads standard input; with the argument `pass` the archive
goes on to standard output, and what it says to descriptor 4; with `look` it goes without the library for the check
sums where there is none. It says lines of JSON:

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
import hashlib
import hmac
import json
import os
import sys
import unicodedata
from typing import Any, TextIO

from opslib.engines.mongo_bson import MAGIC, Bad, Stream, fields, load_crc64


class Archive:
    """One reading. `say` is given what is found; `login` are user, database and password to look for. Without `sums`
    the check sums are compared only where there is a library for it."""

    def __init__(
        self, stream: Stream, say: Any, login: tuple[str, str, str] | None = None, *, sums: bool = True
    ) -> None:
        self.stream, self.say, self.login = stream, say, login
        self.crc64 = load_crc64(needed=sums)
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
        if self.crc64 is not None and state[1] != wanted % (1 << 64):
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
        """One block."""
        look = self._look_at(key)
        while True:
            run, count = self.stream.run(look)
            if not count:
                return
            state[0] += count
            if self.crc64 is not None:
                state[1] = self.crc64(run, len(run), state[1])

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
    looking = argv == ["look"]
    out: TextIO = open(4, "w", encoding="ascii") if passing else sys.stdout  # noqa: SIM115

    def say(what: dict[str, Any]) -> None:
        out.write(json.dumps(what) + "\n")

    login = None
    if environ.get("MONGO_USER") and not passing:
        login = (environ["MONGO_USER"], environ.get("MONGO_AUTH_DATABASE", "admin"), environ.get("MONGO_PASSWORD", ""))
    try:
        copy = sys.stdout.buffer if passing else None
        Archive(Stream(sys.stdin.buffer, copy), say, login, sums=not looking).read()
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
