"""One file or folder that is no artifact of a set: looked into, on whichever machine it lies, before anything is
touched."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import resources

from opslib.backup.formats.look import LOOK
from opslib.backup.formats.recognise import Format, NotRecognised, recognise
from opslib.backup.manifest import FILE
from opslib.backup.restore.context import LONG, SET, Context
from opslib.backup.restore.locate import Chosen
from opslib.backup.unpack import UNPACK
from opslib.command import Command, bash
from opslib.engines.mongo_bson import program
from opslib.engines.mongo_inventory import Contents, contents
from opslib.errors import CommandFailed, OpsError
from opslib.target.base import Target
from opslib.target.docker import mount, run_in

DATABASE = "database"
"""What is put for the name of a database whose folder says none."""

# $1 the file, $2 Python, $3 a text for it, then its words
_THROUGH = f'set -o pipefail; {UNPACK}file=$1 python=$2 text=$3; shift 3; unpack "$file" | "$python" -c "$text" "$@"'
# $1 the folder, or an archive of it, $2 Python, $3 the reader of archives, $4 what makes one of a folder, $5 its words
_FOLDER = 'set -o pipefail; "$2" -c "$4" "$1" "$5" "$6" | "$2" -c "$3" look'

# The lines by which plain SQL might leave its database are looked for there; only when there is one is the text read
# as its client reads it. $1 the file
_SQL = f"""set -o pipefail; export LC_ALL=C; {UNPACK}raw=$(unpack "$1" | wc -c) || exit; printf 'raw %s\\n' "$raw"
set +o pipefail  # who is looking for one line does not read to the end
unpack "$1" | head -n 200 | grep -aq '^\\\\restrict ' && echo restrict
harmless='^-- ((PostgreSQL|MySQL|MariaDB) (database )?dump|Dumped from database version|Host: .* Database: )[^;]*$'
unpack "$1" | grep -aiE '\\\\|database|use ' | grep -avE "$harmless" | head -n 1 | grep -aq . && echo suspect
ends='^-- (PostgreSQL database dump complete|Dump completed on [-0-9: ]+)$'
printf 'ends %s\\n' "$(unpack "$1" | tr -d '\\r' | grep -acE "$ends")"
unpack "$1" | grep -aE '^-- Current Database: ' | head -n 50 | sed 's/^.*: /holds /'
exit 0"""


def reading(ctx: Context, chosen: Chosen, script: str, *words: str) -> tuple[Target, Command]:
    """A script of ours with the file as `$1`: in the tools container, or on this machine where the file is here."""
    if chosen.here and ctx.here is not None:
        return ctx.here, bash(script, f"{chosen.folder}/{chosen.single}", *words, limit=LONG)
    mounts = [mount("bind", chosen.folder, SET, readonly=True)]
    argv = ("bash", "-c", script, "opslib", f"{SET}/{chosen.single}", *words)
    return ctx.target, run_in(ctx.target.host, ctx.tools, *argv, mounts=mounts, limit=LONG)


def opened(ctx: Context, chosen: Chosen) -> Chosen:
    """The same with what it is, and what of it can be told from its inside: it is read to its end where its format
    has one. Raises NotRecognised with what was seen, OpsError for one that is not whole."""
    seen = _look(ctx, chosen)
    if seen.form in ("directory", "dump-folder") and not seen.tar:
        target, cmd = reading(ctx, chosen, 'du -sb -- "$1"')
        seen = replace(seen, size=int(target.run(cmd).text.split()[0]))
    chosen = replace(chosen, seen=seen)
    if seen.tar or seen.form == "tar" or seen.kind == "qdrant":
        text = resources.files("opslib.backup.formats").joinpath("tarred.py").read_text(encoding="utf-8")
        _read(ctx, chosen, _THROUGH, text)
    return replace(chosen, held=_mongo(ctx, chosen, seen)) if seen.kind == "mongo" else chosen


def _look(ctx: Context, chosen: Chosen) -> Format:
    target, cmd = reading(ctx, chosen, LOOK)
    path = f"{chosen.folder}/{chosen.single}"
    try:
        found = recognise(target.run(cmd).text, path)
    except NotRecognised as error:
        raise NotRecognised(f"{error.what}, and no {FILE} is with it", host=ctx.target.host.name, left=error.left,
                            next=error.next) from None  # fmt: skip
    if found.complete is False:
        raise OpsError(f"{path} is cut off or damaged: its end is not there", host=ctx.target.host.name,
                       left="everything")  # fmt: skip
    return found


def _mongo(ctx: Context, chosen: Chosen, seen: Format) -> Contents:
    """Every document counted, every check sum compared."""
    archive = program("mongo_archive")
    if seen.form == "archive":
        return contents(_read(ctx, chosen, _THROUGH, archive, "look"))
    own = DATABASE if seen.facts.get("layout") == "database" else ""
    return contents(_read(ctx, chosen, _FOLDER, archive, program("mongo_folder"), seen.root, own))


def _read(ctx: Context, chosen: Chosen, script: str, *words: str) -> list[str]:
    """The lines of a program of ours. Raises OpsError with what it says is wrong with the file."""
    python = sys.executable if chosen.here and ctx.here is not None else "python3"
    target, cmd = reading(ctx, chosen, script, python, *words)
    try:
        return list(target.lines(cmd))
    except CommandFailed as error:
        said = "\n    ".join((error.stderr or error.what).strip().splitlines()[-4:])
        raise OpsError(f"{chosen.folder}/{chosen.single} cannot be restored: {said}", host=ctx.target.host.name,
                       left="everything", next="take another file") from None  # fmt: skip


def read_sql(ctx: Context, chosen: Chosen, leaves: Callable[[Iterator[bytes]], str | None]) -> tuple[int, bool]:
    """Read plain SQL to its end: its length unpacked, and whether it begins with `\\restrict`. `leaves` finds the
    statement by which it would leave its database. Raises OpsError where there is one, or where dumps are joined."""
    path, host = f"{chosen.folder}/{chosen.single}", ctx.target.host.name
    said = _read_lines(ctx, chosen)
    held = list(dict.fromkeys(line.partition(" ")[2] for line in said if line.startswith("holds ")))
    ends = next(int(line.split()[1]) for line in said if line.startswith("ends "))
    if ends > 1:
        raise OpsError(f"{path} has the last line of a dump {ends} times: dumps are joined in it", host=host,
                       left="everything", next="take them apart, and restore one")  # fmt: skip
    found = leaves(_lines(ctx, chosen)) if "suspect" in said else None
    if found is not None:
        holds = f" (it holds {'databases' if len(held) > 1 else 'database'} {', '.join(held)})" if held else ""
        raise OpsError(
            f"{path} would leave its database and write elsewhere, perhaps into the live one: {found}{holds}",
            host=host,
            left="everything",
            next="make the dump of one database alone (without --create, --databases), or take that line out",
        )
    return int(said[0].split()[1]), "restrict" in said


def _read_lines(ctx: Context, chosen: Chosen) -> list[str]:
    target, cmd = reading(ctx, chosen, _SQL)
    return target.run(cmd).lines


def _lines(ctx: Context, chosen: Chosen) -> Iterator[bytes]:
    """The file's lines, read here: rare, because only what looks like trouble is read closely."""
    target, cmd = reading(ctx, chosen, f'{UNPACK}unpack "$1"')
    return (line + b"\n" for line in target.raw_lines(cmd))
