"""One file that is no artifact of a set: looked into, on whichever machine it lies, before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from opslib.backup.formats.look import LOOK
from opslib.backup.formats.recognise import Format, NotRecognised, recognise
from opslib.backup.manifest import FILE
from opslib.backup.restore.context import LONG, SET, UNPACK, Context
from opslib.backup.restore.locate import Chosen
from opslib.command import Command, bash
from opslib.errors import BadSettings, OpsError
from opslib.target.base import Target
from opslib.target.docker import mount, run_in

# The lines by which plain SQL might leave its database are looked for there; only when there is one is the text read
# as its client reads it. $1 the file
_SQL = f"""set -o pipefail; export LC_ALL=C; {UNPACK}raw=$(unpack "$1" | wc -c) || exit; printf 'raw %s\\n' "$raw"
set +o pipefail  # who is looking for one line does not read to the end
unpack "$1" | head -n 200 | grep -aq '^\\\\restrict ' && echo restrict
harmless='^-- ((PostgreSQL|MySQL|MariaDB) (database )?dump|Dumped from database version|Host: .* Database: )[^;]*$'
unpack "$1" | grep -aiE '\\\\|database|use ' | grep -avE "$harmless" | head -n 1 | grep -aq . && echo suspect
exit 0"""


def _reading(ctx: Context, chosen: Chosen, script: str) -> tuple[Target, Command]:
    """A script of ours with the file as `$1`: in the tools container, or on this machine where the file is here."""
    if chosen.here and ctx.here is not None:
        return ctx.here, bash(script, f"{chosen.folder}/{chosen.single}", limit=LONG)
    mounts = [mount("bind", chosen.folder, SET, readonly=True)]
    words = ("bash", "-c", script, "opslib", f"{SET}/{chosen.single}")
    return ctx.target, run_in(ctx.target.host, ctx.tools, *words, mounts=mounts, limit=LONG)


def look(ctx: Context, chosen: Chosen) -> Format:
    """What the file or folder is. Raises NotRecognised with what was seen, OpsError for one that is cut off."""
    target, cmd = _reading(ctx, chosen, LOOK)
    path = f"{chosen.folder}/{chosen.single}"
    try:
        found = recognise(target.run(cmd).text, path)
    except NotRecognised as error:
        raise NotRecognised(f"{error.what}, and no {FILE} is with it", host=ctx.target.host.name, left=error.left,
                            next=error.next) from None  # fmt: skip
    if chosen.here and Path(path).is_dir():
        raise BadSettings(f"{path} is a folder on this machine", host=ctx.target.host.name, left="everything",
                          next=f"send it in one piece: tar -czf dump.tgz -C {path} . and restore dump.tgz")  # fmt: skip
    if found.complete is False:
        raise OpsError(f"{path} is cut off or damaged: its end is not there", host=ctx.target.host.name,
                       left="everything")  # fmt: skip
    return found


def read_sql(ctx: Context, chosen: Chosen, leaves: Callable[[Iterator[bytes]], str | None]) -> tuple[int, bool]:
    """Read plain SQL to its end: its length unpacked, and whether it begins with `\\restrict`. `leaves` finds the
    statement by which it would leave its database. Raises OpsError where there is one."""
    target, cmd = _reading(ctx, chosen, _SQL)
    said = target.run(cmd).lines
    found = leaves(_lines(ctx, chosen)) if "suspect" in said else None
    if found is not None:
        raise OpsError(
            f"{chosen.folder}/{chosen.single} would leave its database and write elsewhere, perhaps into the live one: "
            f"{found}",
            host=ctx.target.host.name,
            left="everything",
            next="make the dump of one database alone (without --create, --databases), or take that line out",
        )
    return int(said[0].split()[1]), "restrict" in said


def _lines(ctx: Context, chosen: Chosen) -> Iterator[bytes]:
    """The file's lines, read here: rare, because only what looks like trouble is read closely."""
    target, cmd = _reading(ctx, chosen, f'{UNPACK}unpack "$1"')
    return (line + b"\n" for line in target.raw_lines(cmd))
