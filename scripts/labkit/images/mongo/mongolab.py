"""What the lab's stand-ins for mongodump, mongorestore and mongosh share: options, connection, log, archive format.

They are the lab's own, written on PyMongo after how the real tools behave, their lying exit codes included.
LAB_MONGO_TOOLS_VERSION=100.13.0 makes them write namespaces as the tools before 100.16 do: without backticks.
"""

from __future__ import annotations

import ctypes
import datetime
import json
import os
import re
import sys
import urllib.parse
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NoReturn

import bson
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, InvalidURI, OperationFailure, ServerSelectionTimeoutError

VERSION = os.environ.get("LAB_MONGO_TOOLS_VERSION") or "100.16.0"
STAND_IN = "The lab's stand-in, written on PyMongo; not a program of MongoDB's."
MAGIC = (0x6DE29981).to_bytes(4, "little")
TERMINATOR = b"\xff\xff\xff\xff"
LARGEST = 16 * 1024 * 1024 + 16 * 1024
_crc64 = ctypes.CDLL("liblzma.so.5").lzma_crc64
_crc64.restype = ctypes.c_uint64
_crc64.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]


class Failed(Exception):
    """Ends the tool with `Failed: …` and exit code 1."""


def log(text: str) -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    sys.stderr.write(f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}+0000\t{text}\n")
    sys.stderr.flush()


def quoted(namespace: str) -> str:
    """As the log writes a namespace: in backticks since 100.16."""
    new = tuple(int(part) for part in VERSION.split(".")[:2]) >= (100, 16)
    return f"`{namespace}`" if new else namespace


def documents(count: int) -> str:
    return f"{count} document" if count == 1 else f"{count} documents"


def crc64(data: bytes, before: int = 0) -> int:
    """CRC-64 (ECMA), reflected, as Go's hash/crc64 and xz compute it."""
    return int(_crc64(data, len(data), before))


# --- the command line ------------------------------------------------------------------------------------------------

FLAG, VALUE, LIST, OPTIONAL = "flag", "value", "list", "optional"
CONNECTION = {
    **dict.fromkeys(("host", "port", "username", "authenticationDatabase", "authenticationMechanism", "uri"), VALUE),
    **dict.fromkeys(("config", "db", "collection", "readPreference"), VALUE),
    **dict.fromkeys(("password", "verbose"), OPTIONAL),
    **dict.fromkeys(("quiet", "version", "help", "ssl"), FLAG),
}
CONNECTION_SHORT = {"h": "host", "u": "username", "p": "password", "d": "db", "c": "collection", "v": "verbose"}


def parse(tool: str, argv: list[str], kinds: dict[str, str], short: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Options by their long names and the other words. OPTIONAL ones take a value only after `=`: `--archive=F`."""

    def wrong(text: str) -> NoReturn:
        log(f"error parsing command line options: {text}")
        log(f"try '{tool} --help' for more information")
        sys.exit(1)

    found: dict[str, Any] = {name: [] for name, kind in kinds.items() if kind == LIST}
    others: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            others += words
        elif not word.startswith("-") or word == "-":
            others.append(word)
        else:
            name, equals, value = word.lstrip("-").partition("=")
            given: str | None = value if equals else None
            if not word.startswith("--"):
                name, rest = short.get(word[1], ""), word[2:]
                given = rest.removeprefix("=") if rest else None
                if kinds.get(name) == OPTIONAL and name == "verbose":
                    given = None
            kind = kinds.get(name)
            if kind is None:
                wrong(f"unknown flag `{word.lstrip('-').partition('=')[0]}'")
            elif kind == FLAG:
                found[name] = True
            elif kind == OPTIONAL and (given is not None or name != "password"):
                found[name] = "" if given is None else given
            else:
                given = next(words, None) if given is None else given
                if given is None:
                    wrong(f"expected argument for flag `--{name}'")
                if kind == LIST:
                    found[name].append(given)
                else:
                    found[name] = given
    if found.get("version"):
        print(f"{tool} version: {VERSION}\n{STAND_IN}")
        sys.exit(0)
    if found.get("help"):
        print(f"{tool}: {STAND_IN}\nOptions: {' '.join('--' + name for name in kinds)}")
        sys.exit(0)
    return found, others


def configuration(path: str) -> dict[str, str]:
    """`uri`, `password` and `sslPEMKeyPassword` of the YAML file of --config; anything else is refused."""
    found = {}
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise Failed(f"error opening file with --config: open {path}: {(error.strerror or '').lower()}") from None
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, colon, value = line.partition(":")
        value = value.strip()
        if not colon or key.strip() not in ("uri", "password", "sslPEMKeyPassword"):
            raise Failed(f"error parsing config file {path}: yaml: field {key.strip()} not found")
        if value.startswith('"'):
            value = json.loads(value)
        elif value.startswith("'"):
            value = value[1:-1].replace("''", "'")
        found[key.strip()] = value
    return found


# --- the connection --------------------------------------------------------------------------------------------------


def connect(options: dict[str, Any], others: list[str]) -> MongoClient[Any]:
    """A client whose server has answered and taken the credentials; Failed otherwise."""
    from_file = configuration(options["config"]) if options.get("config") else {}
    given = [word for word in others if re.match(r"mongodb(\+srv)?://", word)]
    for word in given:
        others.remove(word)
    uri = options.get("uri") or from_file.get("uri") or (given[0] if given else "")
    if (options.get("uri") or given) and re.search(r"//[^@/]*:[^@/]*@", uri):
        log("WARNING: On some systems, a password provided directly in a connection string or using --uri may be")
        log("visible to system status programs such as `ps` that may be invoked by other users. Use --config instead.")
    password = options.get("password", from_file.get("password"))
    settings: dict[str, Any] = {"directConnection": True, "retryReads": False, "retryWrites": False}
    if uri:
        target = _check_uri(uri, options)
        if "replicaSet=" in uri:
            del settings["directConnection"]
    else:
        host, port = options.get("host", "localhost"), options.get("port", "27017")
        if "/" in host:
            settings["replicaSet"], host = host.split("/", 1)
            del settings["directConnection"]
        target = "mongodb://" + (host if ":" in host or "," in host else f"{host}:{port}") + "/"
    if options.get("username"):
        settings["username"] = options["username"]
        settings["password"] = _prompted() if password is None else password
        if not uri or "authSource" not in uri:
            settings["authSource"] = options.get("authenticationDatabase") or (not uri and options.get("db")) or "admin"
    elif password is not None and re.search(r"//[^:@/]+@", uri):
        settings["password"] = password
        settings["username"] = urllib.parse.unquote(re.search(r"//([^@/]+)@", uri)[1])  # type: ignore[index]
    shown = re.sub(r"//[^@/]*@", "//", target)
    try:
        client: MongoClient[Any] = MongoClient(target, **settings)
        client.admin.command("ping")
    except ServerSelectionTimeoutError as error:
        text = f"server selection error: server selection timeout, current topology: {error}"
        raise Failed(f"can't create session: failed to connect to {shown}: {text}") from None
    except OperationFailure as error:
        name = (error.details or {}).get("codeName", "AuthenticationFailed")
        raise Failed(
            f"can't create session: failed to connect to {shown}: connection() error occurred during connection "
            'handshake: auth error: sasl conversation error: unable to authenticate using mechanism "SCRAM-SHA-256": '
            f"({name}) Authentication failed."
        ) from None
    except (ConnectionFailure, InvalidURI) as error:
        raise Failed(f"can't create session: failed to connect to {shown}: {error}") from None
    client.close()
    # A server that goes away from here on is not waited for.
    return MongoClient(target, **settings, serverSelectionTimeoutMS=1000)


def _check_uri(uri: str, options: dict[str, Any]) -> str:
    match = re.match(r"mongodb(?:\+srv)?://(?:[^@/]*@)?([^/?]*)(?:/([^?]*))?", uri)
    if match is None:
        raise Failed('error parsing uri: scheme must be "mongodb" or "mongodb+srv"')
    hosts, database = match[1], urllib.parse.unquote(match[2] or "")
    if options.get("host") and options["host"].partition(":")[0] not in [
        one.partition(":")[0] for one in hosts.split(",")
    ]:
        raise Failed("illegal argument combination: cannot specify different host in --host and --uri")
    if database and options.setdefault("db", database) != database:
        raise Failed("illegal argument combination: cannot specify different database in --db and --uri")
    return uri


def _prompted() -> str:
    """A password from the terminal, or the first line of what is piped in, read not a byte further."""
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass("Enter password for mongo user:")
    sys.stderr.write("Enter password for mongo user:\n")
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode()


# --- the archive -----------------------------------------------------------------------------------------------------


class Writer:
    """Writes an archive: the prelude, then blocks of documents of collections in any order, each ended by `end`."""

    def __init__(self, out: BinaryIO, header: dict[str, Any], collections: list[dict[str, Any]]) -> None:
        self._out = out
        self._crc: dict[tuple[str, str], int] = {}
        out.write(MAGIC + bson.encode(header) + b"".join(bson.encode(one) for one in collections) + TERMINATOR)

    def block(self, db: str, collection: str, data: bytes) -> None:
        """`data` is one or more whole documents."""
        self._crc[db, collection] = crc64(data, self._crc.get((db, collection), 0))
        for part in (self._header(db, collection, False, 0), data, TERMINATOR):
            self._out.write(part)

    def end(self, db: str, collection: str) -> None:
        self._out.write(self._header(db, collection, True, self._crc.get((db, collection), 0)) + TERMINATOR)

    @staticmethod
    def _header(db: str, collection: str, eof: bool, crc: int) -> bytes:
        signed = crc - (1 << 64) if crc >> 63 else crc
        return bson.encode({"db": db, "collection": collection, "EOF": eof, "CRC": bson.Int64(signed)})


class Reader:
    """Reads an archive; Failed where it ends early or is not one."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        magic = self._read(4)
        if magic != MAGIC:
            raise Failed("stream or file does not appear to be a mongodump archive")
        self.header = bson.decode(self._must())
        self.collections: list[dict[str, Any]] = []
        while (document := self._document()) is not None:
            self.collections.append(bson.decode(document))

    def run(self, take: Callable[[str, str, list[bytes]], None], finish: Callable[[str, str, bool], None]) -> None:
        """Hand every collection's documents to `take` by the hundred, and to `finish` whether its CRC was right."""
        crcs: dict[tuple[str, str], int] = {}
        done: set[tuple[str, str]] = set()
        while (first := self._read(4, or_end=True)) != b"":
            try:
                header = bson.decode(self._rest(first))
                key = (header["db"], header["collection"])
                if header["EOF"]:
                    if self._document() is not None:
                        raise Failed("corruption found in archive; a document after the end of a collection")
                    done.add(key)
                    finish(*key, crcs.pop(key, 0) == header["CRC"] % (1 << 64))
                    continue
                if key in done:
                    raise Failed(f"unexpected block for closed namespace {'.'.join(key)}")
                for some in self._hundreds():
                    data = b"".join(some)
                    crcs[key] = crc64(data, crcs.get(key, 0))
                    take(*key, some)
            except (bson.errors.InvalidBSON, KeyError) as error:
                raise Failed(f"archive: error demultiplexing archive; corruption found in archive; {error}") from None
        if crcs:
            raise Failed("error demultiplexing archive; demux finishing when there are still outs: unexpected EOF")

    def _hundreds(self) -> Iterator[list[bytes]]:
        some: list[bytes] = []
        while (document := self._document()) is not None:
            some.append(document)
            if len(some) == 100:
                yield some
                some = []
        if some:
            yield some

    def _read(self, count: int, or_end: bool = False) -> bytes:
        try:
            data = self._stream.read(count)
        except EOFError:
            raise Failed("unexpected EOF") from None
        except (OSError, zlib.error) as error:
            raise Failed(f"gzip: {error}") from None
        if len(data) < count and not (or_end and data == b""):
            raise Failed("unexpected EOF")
        return data

    def _document(self) -> bytes | None:
        first = self._read(4)
        return None if first == TERMINATOR else self._rest(first)

    def _must(self) -> bytes:
        document = self._document()
        if document is None:
            raise Failed("corrupt archive: no header")
        return document

    def _rest(self, first: bytes) -> bytes:
        size = int.from_bytes(first, "little", signed=True)
        if not 5 <= size <= LARGEST:
            raise Failed(f"error demultiplexing archive; corruption found in archive; {size} is not a document's size")
        document = first + self._read(size - 4)
        if document[-1:] != b"\0":
            raise Failed("error demultiplexing archive; corruption found in archive; a document does not end in zero")
        return document


def escaped(name: str) -> str:
    """A collection's name as the name of its files."""
    return urllib.parse.quote(name, safe="$&+=@!'()*;, ")
