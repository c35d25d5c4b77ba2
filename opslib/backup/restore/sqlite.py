"""A SQLite file: put beside the live one, checked and counted, and swapped with it and its journals by rename."""

from __future__ import annotations

import json
from collections.abc import Sequence

from msgspec.structs import replace

from opslib.backup.restore import exchange
from opslib.backup.restore.context import Context, Place
from opslib.backup.restore.files import TreePart, present
from opslib.backup.restore.part import Part, differing
from opslib.backup.unpack import UNPACK
from opslib.engines import program
from opslib.engines.sqlite import BESIDE, COUNT, counts_from
from opslib.errors import CommandFailed, OpsError

# $1 the folder, $2 the id, $3 the artifact, $4 the path, $5 owner, $6 mode, $7 the count's text, $8 "" or "in" for a
# new folder that another part has made: there the name may be a link to the live file, which must not be written to.
# $9 the first folder on the way to the path that is not there yet ("": all are): those are like the one they come into.
# What is checked has a plain name: an immutable URI makes no journal beside it.
LOAD = (
    UNPACK
    + """set -euo pipefail; umask 077; cd -- "$1"; new=.opslib-new-$2
[ -n "$8" ] || rm -rf -- "$new"
mkdir -p -- "$(dirname -- "$new/$4")"; rm -f -- "$new/$4" "$new/$4"-{wal,shm,journal}; unpack "$3" >"$new/$4"
[ -z "$9" ] || (cd -- "$new"; d=$4; while [ "$d" != "$9" ]; do d=${d%/*}
  chown --reference=.. -- "./$d"; chmod --reference=.. -- "./$d"; done)
chown -- "$5" "$new/$4"; chmod -- "$6" "$new/$4"
ln -- "$new/$4" "$new/.check"; db="file:$new/.check?immutable=1"
said=$(sqlite3 -batch -bail "$db" 'pragma integrity_check(1)' 2>&1) && [ "$said" = ok ] ||
  { echo "it is damaged: $said" >&2; exit 1; }
sqlite3 -batch -bail "$db" "$7" | sqlite3 -batch -bail "$db" | sed 's/^/count /'
rm -- "$new/.check"; sync -f ."""
)

# $1 the folder, $2 the id, $3 the artifact, $4 the path, $5 the Python, $6 its text, then the tables
LOAD_ONLY = (
    UNPACK
    + """set -euo pipefail; umask 077; cd -- "$1"; new=.opslib-new-$2 path=$4 python=$5 text=$6; rm -rf -- "$new"
mkdir -p -- "$(dirname -- "$new/$path")"; unpack "$3" >"$new/.opslib-set"; shift 6
"$python" -c "$text" put "./$path" "$new/.opslib-set" "$new/$path" "$@"; rm -f -- "$new"/.opslib-set*; sync -f ."""
)

HANG = """cd -- "$1" && path=$2 python=$3 text=$4 && shift 4 && exec "$python" -c "$text" hang "./$path" "$@" """

NOW = """set -euo pipefail; cd -- "$1"
sqlite3 -batch -bail "./$2" "$3" | sqlite3 -batch -bail "./$2" | sed 's/^/count /'"""


class SqlitePart(Part, frozen=True, kw_only=True, tag="sqlite"):
    """`path` is the file's below `place`; owner (`uid:gid`) and mode (octal) are those that it had. `within` is the id
    of the volume or folder that is restored around it: it is put into that one's new folder and comes and goes with
    it. `way` is the first folder on the way to it that is not there yet ("": all are)."""

    place: Place
    path: str
    owner: str
    mode: str
    within: str = ""
    way: str = ""

    @property
    def _paths(self) -> list[str]:
        if self.way:
            return [self.way]
        return [self.path, *(f"{self.path}{end}" for end in BESIDE)]

    def load(self, ctx: Context) -> None:
        if self.only:
            self._load_only(ctx)
            return
        words = [self.within or self.id, ctx.set_path(self.folder, self.file), self.path, self.owner, self.mode]
        within = "in" if self.within else ""
        if ctx.tools:
            cmd = ctx.script(LOAD, self.place, *words, COUNT, within, self.way, set_folder=self.folder)
        else:
            cmd = ctx.embedded("sqlite", self.place, *words, within)
        lines = ctx.target.run(cmd).lines
        seen = counts_from(lines)
        if self.counts is not None and seen != self.counts:
            raise differing(self.title, self.counts, seen, ctx.target.host.name)

    def _load_only(self, ctx: Context) -> None:
        """A copy of the live file, with these tables as they are in the set: every other is what it was."""
        words = [self.id, ctx.set_path(self.folder, self.file), self.path, ctx.python, program("sqlite_tables")]
        cmd = ctx.script(LOAD_ONLY, self.place, *words, *self.only, set_folder=self.folder)
        seen = counts_from(ctx.target.run(cmd).lines)
        wanted = {**(self.before or {}), **(self.counts or {})}
        if seen != wanted:
            raise differing(self.title, wanted, seen, ctx.target.host.name)

    def unload(self, ctx: Context) -> None:
        if not self.within:
            ctx.target.run(ctx.script(exchange.DISCARD, self.place, self.id))

    def swap(self, ctx: Context) -> None:
        if not self.within:
            ctx.target.run(ctx.script(exchange.SWAP, self.place, self.id, *self._paths))

    def back(self, ctx: Context) -> None:
        if not self.within:
            ctx.target.run(ctx.script(exchange.BACK, self.place, self.id, *self._paths))

    def clean(self, ctx: Context) -> None:
        if not self.within:
            ctx.target.run(ctx.script(exchange.CLEAN, self.place, self.id))


def nested(part: SqlitePart, trees: Sequence[TreePart]) -> SqlitePart:
    """The same part, put into the volume or folder that is restored around it, if one is."""
    for tree in trees:
        if tree.place.kind != part.place.kind:
            continue
        full = f"{part.place.source.rstrip('/')}/{part.path}"
        for path in tree.paths or ("",):
            around = f"{tree.place.source.rstrip('/')}/{path}".rstrip("/")
            if full.startswith(f"{around}/"):
                below = full[len(tree.place.source.rstrip("/")) + 1 :]
                return replace(part, place=tree.place, path=below, within=tree.id)
    return part


def some(ctx: Context, part: SqlitePart, tables: tuple[str, ...]) -> SqlitePart:
    """The same part for some tables of it. Raises OpsError where there is no file that they could go to."""
    if not part.before:
        raise OpsError(f"{part.title} is not there, or cannot be read: it has no place for a table", left="everything",
                       host=ctx.target.host.name, next="restore it whole, without --only")  # fmt: skip
    words = [part.path, ctx.python, program("sqlite_tables"), *tables]
    hanging = [json.loads(line) for line in ctx.answer(HANG, part.place, *words).split("\n") if line]
    said = {
        "foreign key": "a foreign key of {} points at it: every row of it must find its own, or nothing is changed",
        "view": "view {} reads it, and stays", "trigger": "trigger {} works on it, and stays",
    }  # fmt: skip
    counts = {name: number for name, number in (part.counts or {}).items() if name in tables}
    notes = tuple(said[kind].format(name) for kind, name in hanging)
    return replace(part, only=tables, counts=counts, notes=notes)


def count_now(ctx: Context, place: Place, path: str) -> dict[str, int] | None:
    """Rows of each table of the file that is there; {} where SQLite cannot read it, None where there is none."""
    if not present(ctx, place, [path]):
        return None
    try:
        cmd = ctx.script(NOW, place, path, COUNT) if ctx.tools else ctx.embedded("now", place, path)
        return counts_from(ctx.target.run(cmd).lines)
    except CommandFailed:
        return {}
