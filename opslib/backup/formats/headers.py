"""The headers of binary dumps: pg_dump's archives, mongodump's, RDB files, SQLite. Bytes that are cut or nonsense give
fewer facts, never an error."""

from __future__ import annotations

import re
import struct

Facts = dict[str, str]


class _Cut(Exception):
    """The bytes at hand end here, or say something impossible."""


class _Bytes:
    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data, self._at = data, at

    def take(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self._data):
            raise _Cut
        self._at += count
        return self._data[self._at - count : self._at]

    def byte(self) -> int:
        return self.take(1)[0]

    def until_nul(self) -> bytes:
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise _Cut
        text = self.take(end - self._at)
        self._at += 1
        return text


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


# -- PostgreSQL: ReadHead of src/bin/pg_dump/pg_backup_archiver.c

PG_MAGIC = b"PGDMP"
_PG_COMPRESSION = {0: "none", 1: "gzip", 2: "lz4", 3: "zstd"}


def pg_dump(head: bytes) -> Facts:
    """`archive_version`, `database`, `server_version`, `pg_dump_version` of an archive or a `toc.dat`."""
    facts: Facts = {}
    read = _Bytes(head, len(PG_MAGIC))
    try:
        version = (read.byte(), read.byte(), read.byte())
        facts["archive_version"] = f"{version[0]}.{version[1]}-{version[2]}"
        wide, _offset, _format = read.byte(), read.byte(), read.byte()

        def integer() -> int:
            sign = -1 if read.byte() else 1
            return sign * int.from_bytes(read.take(wide), "little")

        def string() -> str:
            length = integer()
            return "" if length < 0 else _text(read.take(length))

        if version >= (1, 15, 0):
            facts["compression"] = _PG_COMPRESSION.get(read.byte(), "unknown")
        else:
            facts["compression"] = "gzip" if integer() else "none"
        for _part_of_the_date in range(7):
            integer()
        for name in ("database", "server_version", "pg_dump_version"):
            facts[name] = string()
    except _Cut:
        pass
    return facts


# -- MongoDB: common/archive of mongo-tools, and the types of bsonspec.org

MONGO_MAGIC = struct.pack("<I", 0x6DE29981)
MONGO_END = b"\xff\xff\xff\xff"


def mongo_archive(head: bytes) -> Facts:
    """`server_version` and `tool_version` of what `mongodump --archive` wrote, and its format's `archive_version`."""
    names = {"server_version": "server_version", "tool_version": "tool_version", "version": "archive_version"}
    return {names[key]: text for key, text in bson_strings(head[len(MONGO_MAGIC) :]).items() if key in names}


def bson_strings(data: bytes) -> Facts:
    """The strings at the top of a BSON document that holds numbers and strings only, as far as it goes."""
    found: Facts = {}
    read = _Bytes(data, 4)
    widths = {0x01: 8, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8}
    try:
        while kind := read.byte():
            key = _text(read.until_nul())
            if kind == 0x02:
                found[key] = _text(read.take(int.from_bytes(read.take(4), "little", signed=True))[:-1])
            elif kind in widths:
                read.take(widths[kind])
            else:
                break
    except _Cut:
        pass
    return found


def is_bson(head: bytes) -> bool:
    """Whether a file begins with a BSON document that has an `_id`: one collection of a dump's folder."""
    return len(head) > 9 and head[5:9] == b"_id\0" and int.from_bytes(head[:4], "little") > 9


# -- Redis and Valkey: rdbSaveInfoAuxFields of src/rdb.c

_RDB = re.compile(rb"(REDIS\d{4}|VALKEY\d{3})")
_RDB_INTEGERS = {0xC0: 1, 0xC1: 2, 0xC2: 4}
_AUX, _END = 0xFA, 0xFF


def rdb(head: bytes) -> Facts | None:
    """None for what is no RDB file. `rdb` is its magic (`REDIS0011`, `VALKEY080`); `server_version` who wrote it, with
    `valkey ` in front where it was one; `aof_base` is `1` for the base of an append-only file."""
    magic = _RDB.match(head)
    if not magic:
        return None
    facts = {"rdb": magic[1].decode()}
    read, aux = _Bytes(head, len(magic[1])), dict[str, str]()
    try:
        while read.byte() == _AUX:
            key = _rdb_string(read)
            aux[key] = _rdb_string(read)
    except _Cut:
        pass
    if "valkey-ver" in aux:
        facts["server_version"] = f"valkey {aux['valkey-ver']}"
    elif "redis-ver" in aux:
        facts["server_version"] = aux["redis-ver"]
    for key in ("aof-base", "aof-preamble"):
        if key in aux:
            facts["aof_base"] = aux[key]
    return facts


def _rdb_string(read: _Bytes) -> str:
    first = read.byte()
    if first < 0x40:
        return _text(read.take(first))
    if first < 0x80:
        return _text(read.take((first & 0x3F) << 8 | read.byte()))
    if first in _RDB_INTEGERS:
        return str(int.from_bytes(read.take(_RDB_INTEGERS[first]), "little", signed=True))
    raise _Cut


def rdb_end(magic: str, tail: bytes) -> tuple[bool | None, int]:
    """Whether an RDB file has its end (0xFF and a checksum, from version 5 on), and the bytes behind it: `redis-cli
    --rdb -` may leave a mark of 40. (None, 0) where that cannot be told."""
    if not tail or (magic.startswith("REDIS") and int(magic[5:]) < 5):
        return None, 0
    if len(tail) >= 49 and tail[-49] == _END and re.fullmatch(rb"[0-9a-f]{40}", tail[-40:]):
        return True, 40
    return len(tail) >= 9 and tail[-9] == _END, 0


# -- SQLite: https://www.sqlite.org/fileformat.html, "The Database Header"

SQLITE_MAGIC = b"SQLite format 3\0"


def sqlite(head: bytes) -> tuple[Facts, int | None]:
    """`user_version`, `journal` (`wal`, where a `-wal` file may hold more) and `sqlite_version`, the library's that
    wrote last; and the length that the file ought to have, None where the header does not say."""
    if len(head) < 100:
        return {}, None
    page, pages = int.from_bytes(head[16:18], "big"), int.from_bytes(head[28:32], "big")
    number = int.from_bytes(head[96:100], "big")
    facts = {
        "user_version": str(int.from_bytes(head[60:64], "big", signed=True)),
        "journal": "wal" if head[18] == 2 else "rollback",
        "sqlite_version": f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}",
    }
    known = pages and head[24:28] == head[92:96]
    return facts, (65536 if page == 1 else page) * pages if known else None
