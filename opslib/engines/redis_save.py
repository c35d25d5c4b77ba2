"""Making Redis save, and counting what a saved file holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslib.command import Command
from opslib.engines.redis import Counts, Functions, ask, fields, functions_of, said
from opslib.errors import OpsError

if TYPE_CHECKING:
    from opslib.engines.instance import Instance
    from opslib.settings.model import Host
    from opslib.target.base import Target

SAVING = 3600  # seconds that it may take, what the server is busy with before it included

# Saves and waits until the file of exactly this save is there. The time of the last save counts whole seconds, so one
# in the same second as the one before could not be told apart: it waits for the next. Nothing is begun beside another
# child. $1 the port, $2 the seconds. Prints the function libraries before and after the save began.
_SAVE = r"""port=$1; end=$(($(date +%s) + $2))
cli() { redis-cli -p "$port" ${REDIS_USER:+--user "$REDIS_USER"} "$@"; }
fail() { printf '%s\n' "$1" >&2; exit 1; }
pause() { [ "$(date +%s)" -lt "$end" ] || fail "it is still busy $1, and was waited for long enough"; sleep 0.2; }
look() { seen=$(cli info persistence | tr -d '\r'); case $seen in *rdb_last_save_time:*) ;; *) fail "$seen" ;; esac; }
of() { printf '%s\n' "$seen" | sed -n "s/^$1://p"; }
functions() { printf 'functions %s\n' "$(cli --json function list 2>&1 | tr '\n' ' ')"; }
while look; do
  if [ "$(of loading)" != 0 ]; then pause 'loading its data'; continue; fi
  if [ "$(of rdb_bgsave_in_progress)$(of aof_rewrite_in_progress)" != 00 ]; then pause 'with another save'; continue; fi
  if [ "$(date +%s)" -le "$(of rdb_last_save_time)" ]; then pause 'with time'; continue; fi
  before=$(of rdb_last_save_time); libraries=$(functions)
  answer=$(cli bgsave)
  case $answer in *'already in progress'*|*scheduled*|*AOF*) pause 'with another save' ;; *) break ;; esac
done
case $answer in *'saving started'*) ;; *) fail "$answer" ;; esac
printf '%s\n' "$libraries"; functions
while look; [ "$(of rdb_bgsave_in_progress)" != 0 ]; do pause saving; done
[ "$(of rdb_last_bgsave_status)" = ok ] ||
  fail 'the background save failed: may it write to its folder, is there room, is there memory? Its log says why'
[ "$(of rdb_last_save_time)" -gt "$before" ] || fail 'Redis did not save' """


@dataclass(frozen=True, slots=True)
class Saved:
    """`functions` are those of the file; None where that is not known, and why."""

    functions: Functions | None
    why: str = ""


def save_command(host: Host, at: Instance, seconds: int = SAVING) -> Command:
    """Make the server save in the background, and wait for the file."""
    return at.tool(host, "sh", "-c", _SAVE, "sh", str(at.port), str(seconds), limit=seconds + 60.0)


def save(target: Target, at: Instance) -> Saved:
    """Save, once whatever else it saves or rewrites is done. Raises OpsError when it could not, or is busy for an
    hour."""
    return saved(said(target, at, save_command(target.host, at)))


def saved(lines: Sequence[str]) -> Saved:
    """What was said of a save."""
    told = [line.partition(" ")[2] for line in lines if line.startswith("functions ")]
    before, after = (functions_of(text) for text in told)
    if any("NOPERM" in text for text in told):
        return Saved(None, "the user may not list functions (the right +function|list): a restore cannot compare them")
    return Saved(before) if before == after else Saved(None, "functions were changed while it was saved")


def settle(target: Target, at: Instance, *, left: str) -> None:
    """Have what is in memory in the file too: a server that saves only when it is asked to would lose it when it is
    stopped."""
    if fields(ask(target, at, "info", "persistence", left=left)).get("rdb_changes_since_last_save") != "0":
        said(target, at, save_command(target.host, at), left=left)


def counts_of_file(told: Sequence[str]) -> Counts:
    """The counts of a saved file: what it says of each database itself (`db N HEX`, the bytes behind the mark of a
    database), where that adds up to the keys that redis-check-rdb read; else the sums alone."""
    keys, expires = _sum(told, "keys read"), _sum(told, "expires")
    found: Counts = {}
    for line in told:
        words = line.split()
        sizes = _sizes(bytes.fromhex(words[2])) if len(words) == 3 and words[0] == "db" else None
        if sizes is not None:
            found[f"db{words[1]}"] = {"keys": sizes[0], "persistent": sizes[0] - sizes[1]}
    total = {"keys": keys, "persistent": keys - expires}
    if all(sum(one[name] for one in found.values()) == number for name, number in total.items()):
        return found
    return {"all": total}


def _sizes(data: bytes) -> tuple[int, int] | None:
    """How many keys a database has, and how many of them expire: RDB_OPCODE_RESIZEDB and two lengths (rdb.h)."""
    if data[:1] != b"\xfb":
        return None
    first, rest = _length(data[1:])
    second, _ = _length(rest)
    return (first, second) if first >= 0 and second >= 0 else None


def _length(data: bytes) -> tuple[int, bytes]:
    kind = data[0] >> 6 if data else 3
    if kind == 0:
        return data[0] & 63, data[1:]
    if kind == 1:
        return int.from_bytes(data[:2], "big") & 0x3FFF, data[2:]
    wide = {0x80: 5, 0x81: 9}.get(data[0]) if data else None
    return (int.from_bytes(data[1:wide], "big"), data[wide:]) if wide else (-1, b"")


def _sum(told: Sequence[str], what: str) -> int:
    for line in told:
        found = re.fullmatch(rf"\[info\] (\d+) {what}", line.strip())
        if found:
            return int(found[1])
    raise OpsError(f"redis-check-rdb does not say how many {what}")
