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
from opslib.backup.pack import LONG
from opslib.backup.restore.chosen import Chosen, Sql
from opslib.backup.restore.context import SET, Context
from opslib.backup.unpack import SECTION, UNPACK, section_program
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
unpack "$1" | grep -aE '^-- Current Database: ' | sort -u | head -n 200 | sed 's/^.*: /holds /'
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
        _read(ctx, chosen, _THROUGH, _program("tarred"))
    if seen.form in ("custom", "rdb"):
        _read(ctx, chosen, _THROUGH, _program("joined"), seen.kind)
    if seen.kind == "mongo":
        return replace(chosen, held=_mongo(ctx, chosen, seen))
    return replace(chosen, sql=_sql(ctx, chosen)) if seen.form in ("plain", "mysqldump") else chosen


def _program(name: str) -> str:
    return resources.files("opslib.backup.formats").joinpath(f"{name}.py").read_text(encoding="utf-8")


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


def _sql(ctx: Context, chosen: Chosen) -> Sql:
    """Raises OpsError where dumps are joined in it."""
    target, cmd = reading(ctx, chosen, _SQL)
    said: dict[str, list[str]] = {}
    for line in target.lines(cmd):
        word, _, rest = line.partition(" ")
        said.setdefault(word, []).append(rest)
    path, ends = f"{chosen.folder}/{chosen.single}", int(said["ends"][0])
    if ends > 1:
        raise OpsError(
            f"{path} has the last line of a dump {ends} times: dumps are joined in it",
            host=ctx.target.host.name, left="everything", next="take them apart, and restore one",
        )  # fmt: skip
    holds = (one.strip()[1:-1].replace("``", "`") for one in said.get("holds", ()))
    return Sql(int(said["raw"][0]), "restrict" in said, "suspect" in said, tuple(dict.fromkeys(holds)))


def refuse_leaving(
    ctx: Context, chosen: Chosen, leaves: Callable[[Iterator[bytes]], str | None], section: str = ""
) -> None:
    """Raise OpsError where `leaves` finds a statement by which the SQL, or one database's `section` of it, would leave
    its database. Only what looks like trouble is read so closely."""
    if chosen.sql is None or not chosen.sql.suspect or chosen.single in ctx.proven:
        return
    if section:
        python = sys.executable if chosen.here and ctx.here is not None else "python3"
        target, cmd = reading(ctx, chosen, SECTION, python, section_program(), section)
    else:
        target, cmd = reading(ctx, chosen, f'{UNPACK}unpack "$1"')
    found = leaves(line + b"\n" for line in target.raw_lines(cmd))
    if found is not None:
        raise OpsError(
            f"{chosen.folder}/{chosen.single} would leave its database and write elsewhere, perhaps into the live one: "
            f"{found}",
            host=ctx.target.host.name,
            left="everything",
            next="make the dump of one database alone (without --create, --databases), or take that line out",
        )
    ctx.proven.add(chosen.single)
