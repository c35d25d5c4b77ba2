"""Putting an RDB file where a Redis server finds it at its next start, with and without an append-only file.

Measured with 7.0: `dump.rdb` alone under `appendonly yes` gives an empty server, whose next save overwrites the file.
So the same RDB is put there as the base of the append-only file and as `dump.rdb`; before 7.0 the append-only file is
one file, which may begin with an RDB.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Needs `unpack FILE`. $1 the data folder, $2 the id, $3 the artifact, $4 dump file, $5 append-only folder ("": one
# file), $6 append-only file, $7 owner, $8 the manifest's line
LOAD = """set -euo pipefail; umask 077; cd -- "$1"; new=.opslib-new-$2
rm -rf -- "$new"; mkdir -- "$new"; unpack "$3" >"$new/$4"
case $(head -c 5 -- "$new/$4") in REDIS | VALKE) ;; *) echo "the artifact holds no RDB file" >&2; exit 1 ;; esac
# redis-cli --rdb leaves a mark behind the end, which the server refuses in an append-only file
if tail -c 40 -- "$new/$4" | LC_ALL=C grep -aqxE '[0-9a-f]{40}' &&
  [ "$(tail -c 49 -- "$new/$4" | head -c 1 | od -An -tx1)" = ' ff' ]; then truncate -s -40 -- "$new/$4"; fi
if [ -n "$5" ]; then
  mkdir -- "$new/$5"; ln -- "$new/$4" "$new/$5/$6.1.base.rdb"
  printf '%s\\n' "$8" >"$new/$5/$6.manifest"
else cp -- "$new/$4" "$new/$6"; fi  # a link would let the server append to both
chown -R -- "$7" "$new"; sync -f ."""


# $1 the data folder, $2 what is in it
FORGET = 'cd -- "$1" && rm -rf -- "./$2"'


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a server keeps its data: names as its configuration has them. `appenddirname` is "" before 7.0."""

    dir: str
    dbfilename: str
    appenddirname: str
    appendfilename: str
    appendonly: bool


def layout(config: Mapping[str, str]) -> Layout:
    """The layout from the server's configuration, whose older names it may lack."""
    return Layout(
        dir=config["dir"] or "/data",
        dbfilename=config["dbfilename"] or "dump.rdb",
        appenddirname=config["appenddirname"],
        appendfilename=config["appendfilename"] or "appendonly.aof",
        appendonly=config["appendonly"] == "yes",
    )


def manifest_line(appendfilename: str) -> str:
    """The line of the append-only manifest that names the base file, quoted as the server quotes it."""
    name = f"{appendfilename}.1.base.rdb"
    if not re.fullmatch(r"[\w.@+-]+", name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"file {name} seq 1 type b"


def persistent(counts: dict[str, Any]) -> dict[str, int]:
    """Keys without expiry by database: only these must be the same later. Empty databases are left out."""
    found = {name: int(entry.get("persistent", 0)) for name, entry in counts.items()}
    return {name: keys for name, keys in found.items() if keys}


def same(wanted: dict[str, Any], seen: dict[str, Any]) -> bool:
    """Whether as many keys without expiry are there. `{"all": …}` knows only the sum."""
    first, second = persistent(wanted), persistent(seen)
    if "all" in wanted or "all" in seen:
        return sum(first.values()) == sum(second.values())
    return first == second


def too_many(counts: dict[str, Any], databases: int) -> str:
    """The database of a set that a server with so many of them has not ("" for none): it would not start on it."""
    found = [int(name[2:]) for name in counts if name.startswith("db")]
    return f"db{max(found)}" if found and max(found) >= databases else ""
