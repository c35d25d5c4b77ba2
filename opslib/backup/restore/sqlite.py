"""A SQLite file: put beside the live one, checked and counted, and swapped with it and its journals by rename."""

from __future__ import annotations

from opslib.backup.restore import exchange
from opslib.backup.restore.context import Context, Place
from opslib.backup.restore.files import present
from opslib.backup.restore.part import Part, differing
from opslib.backup.unpack import UNPACK
from opslib.engines.sqlite import BESIDE, COUNT, counts_from
from opslib.errors import CommandFailed

# $1 the folder, $2 the id, $3 the artifact, $4 the path, $5 owner, $6 mode, $7 the count's text, $8 "" or "in" for a
# new folder that another part has made: there the name may be a link to the live file, which must not be written to.
# What is checked has a plain name: an immutable URI makes no journal beside it.
LOAD = (
    UNPACK
    + """set -euo pipefail; umask 077; cd -- "$1"; new=.opslib-new-$2
[ -n "$8" ] || rm -rf -- "$new"
mkdir -p -- "$(dirname -- "$new/$4")"; rm -f -- "$new/$4" "$new/$4"-{wal,shm,journal}; unpack "$3" >"$new/$4"
chown -- "$5" "$new/$4"; chmod -- "$6" "$new/$4"
ln -- "$new/$4" "$new/.check"; db="file:$new/.check?immutable=1"
said=$(sqlite3 -batch -bail "$db" 'pragma integrity_check(1)' 2>&1) && [ "$said" = ok ] ||
  { echo "it is damaged: $said" >&2; exit 1; }
sqlite3 -batch -bail "$db" "$7" | sqlite3 -batch -bail "$db" | sed 's/^/count /'
rm -- "$new/.check"; sync -f ."""
)

NOW = """set -euo pipefail; cd -- "$1"
sqlite3 -batch -bail -- "./$2" "$3" | sqlite3 -batch -bail -- "./$2" | sed 's/^/count /'"""


class SqlitePart(Part, frozen=True, kw_only=True, tag="sqlite"):
    """`path` is the file's below `place`; owner (`uid:gid`) and mode (octal) are those that it had. `within` is the id
    of the volume or folder that is restored around it: it is put into that one's new folder and comes and goes with
    it."""

    place: Place
    path: str
    owner: str
    mode: str
    within: str = ""

    @property
    def _paths(self) -> list[str]:
        return [self.path, *(f"{self.path}{end}" for end in BESIDE)]

    def load(self, ctx: Context) -> None:
        words = [self.within or self.id, ctx.set_path(self.folder, self.file), self.path, self.owner, self.mode]
        within = "in" if self.within else ""
        if ctx.tools:
            cmd = ctx.script(LOAD, self.place, *words, COUNT, within, set_folder=self.folder)
        else:
            cmd = ctx.embedded("sqlite", self.place, *words, within)
        lines = ctx.target.run(cmd).lines
        seen = counts_from(lines)
        if self.counts is not None and seen != self.counts:
            raise differing(self.title, self.counts, seen, ctx.target.host.name)

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


def count_now(ctx: Context, place: Place, path: str) -> dict[str, int] | None:
    """Rows of each table of the file that is there; {} where SQLite cannot read it, None where there is none."""
    if not present(ctx, place, [path]):
        return None
    try:
        cmd = ctx.script(NOW, place, path, COUNT) if ctx.tools else ctx.embedded("now", place, path)
        return counts_from(ctx.target.run(cmd).lines)
    except CommandFailed:
        return {}
