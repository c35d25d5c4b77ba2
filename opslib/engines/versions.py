"""Whether what one server's version wrote can be read by another's: older into newer works, newer into older is
refused. Pure; a version that is not known refuses nothing, because the engine itself has the last word.

Where the rules come from:
- PostgreSQL: pg_dump's manual, "Notes": its output loads into newer versions; into an older major it is not guaranteed.
- MySQL: Reference Manual, "Downgrading MySQL": from 8.0 to 5.7 is not supported, nor between release series.
- MariaDB: release notes of 11.4.5 (aliases for MySQL's utf8mb4_0900 collations); the manual's page on mariadb-dump
  (the line that enables sandbox mode, which older clients and MySQL's do not understand).
- MongoDB: Database Tools, "mongorestore Behavior, Access, and Usage": same major or feature version; BSON also into
  newer ones, which is not guaranteed for metadata and archives.
- Redis: RDB_VERSION in src/rdb.h of each release. Valkey: RDB_VERSION_MAP and the reserved range 12 to 79 in its
  src/rdb.h: 11 is the last that both write.
- Qdrant: documentation, "Version compatibility": storage is compatible with the next minor version only.
- SQLite: "Database File Format": every version 3 reads what any other wrote.
"""

from __future__ import annotations

import re

Version = tuple[int, ...]

# (server, the RDB version that it writes and the newest that it reads), oldest first
_REDIS: tuple[tuple[Version, int], ...] = (
    ((2, 6), 6), ((3, 2), 7), ((4, 0), 8), ((5, 0), 9), ((7, 0), 10), ((7, 2), 11), ((7, 4), 12), ((8, 6), 13),
    ((8, 8), 14),
)  # fmt: skip
_VALKEY: tuple[tuple[Version, int], ...] = (((7, 2), 11), ((9, 0), 80), ((9, 2), 81))
_LAST_SHARED = 11
_MAGIC = re.compile(r"(REDIS|VALKEY)(\d+)")


def refusal(kind: str, made_by: str, server: str) -> str | None:
    """Why a server cannot take an artifact, naming both versions; None where nothing speaks against it.

    `made_by` and `server` are versions as the servers call themselves (`15.3 (Debian …)`, `10.11.4-MariaDB`); Valkey's
    with `valkey ` in front. For redis `made_by` may also be the magic of the RDB file (`REDIS0011`, `VALKEY080`).
    """
    if kind == "redis":
        return _redis(made_by, server)
    old, new = _version(server), _version(made_by)
    if not old or not new:
        return None
    title = {"postgres": "PostgreSQL", "mongo": "MongoDB", "qdrant": "Qdrant"}.get(kind, kind)
    if kind == "postgres":
        return _newer(title, made_by, server) if _series(new) > _series(old) else None
    if kind == "mysql":
        if _is_maria(made_by) != _is_maria(server):
            return None  # nothing that holds for all their versions: see caution()
        name = "MariaDB" if _is_maria(server) else "MySQL"
        return _newer(name, made_by, server) if new[:2] > old[:2] else None
    if kind == "mongo":
        return _newer(title, made_by, server) if new[:2] > old[:2] else None
    if kind == "qdrant":
        return _qdrant(new, old, made_by, server)
    return None


def caution(kind: str, made_by: str, server: str) -> str | None:
    """What may go wrong although nothing forbids it: to be said before the question."""
    old, new = _version(server), _version(made_by)
    if not old or not new:
        return None
    if kind == "mysql" and _is_maria(made_by) != _is_maria(server):
        if _is_maria(made_by):
            return (
                f"made by MariaDB {_short(made_by)}, loaded into MySQL {_short(server)}: what only MariaDB has"
                " (sequences, system versioning, its uuid and inet6 types) stops it"
            )
        if new >= (8, 0) and old < (11, 4, 5):
            return (
                f"made by MySQL {_short(made_by)}, loaded into MariaDB {_short(server)}: the collation"
                " utf8mb4_0900_ai_ci, MySQL's default, is known from MariaDB 11.4.5 on and stops it"
            )
        return f"made by MySQL {_short(made_by)}, loaded into MariaDB {_short(server)}: their SQL differs in parts"
    if kind == "mongo" and new[0] < old[0]:
        return (
            f"made by MongoDB {_short(made_by)}, loaded into {_short(server)}: MongoDB promises that only within one"
            " major version; check the indexes and the collections' options afterwards"
        )
    return None


def rdb_version(text: str) -> int | None:
    """The RDB version of a file's magic (`REDIS0011`), or the one that a server of this version writes."""
    magic = _MAGIC.fullmatch(text)
    if magic:
        return int(magic[2])
    version, table = _version(text), _VALKEY if _is_valkey(text) else _REDIS
    return next((rdb for since, rdb in reversed(table) if version >= since), None) if version else None


def _redis(made_by: str, server: str) -> str | None:
    wrote, reads = rdb_version(made_by), rdb_version(server)
    if wrote is None or reads is None:
        return None
    title = "Valkey" if _is_valkey(server) else "Redis"
    known = (_VALKEY if _is_valkey(server) else _REDIS)[-1]
    source = _rdb_source(made_by, wrote)
    if wrote > _LAST_SHARED and _is_valkey(made_by) != _is_valkey(server):
        return f"made by {source}, which no {title} reads; the server is {title} {_short(server)}"
    if wrote <= reads or _version(server)[:2] > known[0]:
        return None
    return f"made by {source}, newer than {title} {_short(server)}, which reads RDB up to {reads}"


def _rdb_source(made_by: str, rdb: int) -> str:
    title = "Valkey" if _is_valkey(made_by) else "Redis"
    if not _MAGIC.fullmatch(made_by):
        return f"{title} {_short(made_by)} (RDB {rdb})"
    table = _VALKEY if _is_valkey(made_by) else _REDIS
    since = next((".".join(map(str, version)) for version, number in table if number == rdb), "")
    return f"{title} {since or 'of an unknown version'}{' or later' if since else ''} (RDB {rdb})"


def _qdrant(new: Version, old: Version, made_by: str, server: str) -> str | None:
    if new[:2] > old[:2]:
        return _newer("Qdrant", made_by, server)
    if new[0] != old[0] or (len(new) > 1 and len(old) > 1 and old[1] - new[1] > 1):
        return (
            f"made by Qdrant {_short(made_by)}, too old for Qdrant {_short(server)}: a snapshot is read by the same and"
            " the next minor version; restore it there and go up one minor version at a time"
        )
    return None


def _newer(title: str, made_by: str, server: str) -> str:
    return f"made by {title} {_short(made_by)}, newer than the server, {title} {_short(server)}"


def _series(version: Version) -> Version:
    """PostgreSQL's major version: two numbers before 10."""
    return version[:1] if version[0] >= 10 else version[:2]


def _version(text: str) -> Version:
    found = re.search(r"\d+(?:\.\d+)*", text.removeprefix("5.5.5-"))  # MariaDB's, for clients that know MySQL only
    return tuple(int(part[:9]) for part in found[0].split(".")) if found else ()


def _short(text: str) -> str:
    found = re.search(r"\d+(?:\.\d+)*", text.removeprefix("5.5.5-"))
    return found[0] if found else text


def _is_maria(text: str) -> bool:
    return "mariadb" in text.lower()


def _is_valkey(text: str) -> bool:
    return text.lower().startswith("valkey")
