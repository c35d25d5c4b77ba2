"""What is proven before anything is touched: artifacts whole, plain SQL harmless, disks large enough."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from opslib.backup.restore.context import LONG, SET, Context, unpacked
from opslib.backup.restore.locate import Chosen
from opslib.backup.verify import digests
from opslib.engines.instance import Instance
from opslib.engines.sqltext import leaves_its_database
from opslib.errors import OpsError
from opslib.target.base import Target
from opslib.target.docker import mount, run_in
from opslib.target.transfer import sha256


def verify(target: Target, chosen: Chosen) -> None:
    """Compare length and SHA-256 of every chosen artifact with the manifest. Raises OpsError for the first that is
    not what it was."""
    there = chosen.origin or target
    wrong = _wrong_here(chosen) if chosen.here else digests(there, chosen.folder, chosen.artifacts)
    for file, why in wrong.items():
        if why:
            raise OpsError(
                f"{chosen.folder}/{file}: {why}",
                host=there.host.name,
                left="everything",
                next=f"inv backup.verify --host {there.host.name}, and restore another set",
            )


def _wrong_here(chosen: Chosen) -> dict[str, str]:
    """The same as `digests`, of files on this machine."""
    found = {}
    for artifact in chosen.artifacts:
        path, why = Path(chosen.folder) / artifact.file, ""
        try:
            if not path.is_file():
                why = "is missing"
            elif path.stat().st_size != artifact.bytes:
                why = f"has {path.stat().st_size} bytes, the manifest says {artifact.bytes}"
            elif sha256(path) != artifact.sha256:
                why = "has another SHA-256 than the manifest says"
        except OSError as error:
            raise OpsError(f"cannot read {error.filename}: {error.strerror}", left="everything") from None
        found[artifact.file] = why
    return found


# $1 the file. The lines by which plain SQL might leave its database are looked for there; only when there is one is
# the text read as psql reads it.
_PLAIN = """set -o pipefail; export LC_ALL=C
unpack() { case $1 in *.gz) gzip -dc -- "$1" ;; *) cat -- "$1" ;; esac; }
raw=$(unpack "$1" | wc -c) || exit; printf 'raw %s\\n' "$raw"
set +o pipefail  # who is looking for one line does not read to the end
unpack "$1" | head -n 200 | grep -aq '^\\\\restrict ' && echo restrict
unpack "$1" | head -n 20 | grep -aq '^-- PostgreSQL database dump' && echo dump
unpack "$1" | tail -c 4096 | grep -aq '^-- PostgreSQL database dump complete' && echo complete
harmless='^-- (PostgreSQL database dump|Dumped from database version)[^;]*$'
unpack "$1" | grep -aiE '\\\\c|database' | grep -avE "$harmless" | head -n 1 | grep -aq . && echo suspect
exit 0"""


def plain_sql(ctx: Context, chosen: Chosen) -> int:
    """Look through plain SQL; returns its length uncompressed. Raises OpsError for a file that is cut off, and for one
    that would write into another database than the one it is loaded into."""
    path = f"{chosen.folder}/{chosen.plain}"
    if chosen.here:
        raw, facts = _plain_here(Path(path))
        lines: Iterator[bytes] = _lines_here(Path(path))
    else:
        mounts = [mount("bind", chosen.folder, SET, readonly=True)]
        inside = f"{SET}/{chosen.plain}"
        said = ctx.target.run(
            run_in(ctx.target.host, ctx.tools, "bash", "-c", _PLAIN, "opslib", inside, mounts=mounts, limit=LONG)
        ).lines
        raw, facts = int(said[0].split()[1]), set(said[1:])
        lines = _lines_there(ctx, chosen) if "suspect" in facts else iter(())
    host = ctx.target.host.name
    if "dump" in facts and "complete" not in facts:
        raise OpsError(f"{path} is cut off: its last line is not there", host=host, left="everything")
    found = leaves_its_database(lines)
    if found is not None:
        raise OpsError(
            f"{path} would leave its database and write elsewhere, perhaps into the live one: {found}",
            host=host,
            left="everything",
            next="make the dump without --create (pg_dump, not pg_dumpall), or take that line out",
        )
    return raw


def restricted(ctx: Context, chosen: Chosen) -> bool:
    """Whether plain SQL begins with `\\restrict`, which only a new psql understands."""
    if chosen.here:
        return "restrict" in _plain_here(Path(chosen.folder) / chosen.plain, head=True)[1]
    script = """case $1 in *.gz) gzip -dc -- "$1" ;; *) cat -- "$1" ;; esac |
      head -n 200 | grep -aq '^\\\\restrict ' && echo restrict; exit 0"""
    mounts = [mount("bind", chosen.folder, SET, readonly=True)]
    cmd = run_in(ctx.target.host, ctx.tools, "bash", "-c", script, "opslib", f"{SET}/{chosen.plain}", mounts=mounts)
    return ctx.target.run(cmd).text == "restrict"


_FIRST_WITH_RESTRICT = {17: 6, 16: 10, 15: 14, 14: 19, 13: 22}


def knows_restrict(version: str) -> bool:
    """Whether a psql of this version (as `psql --version` prints it) understands `\\restrict`."""
    found = re.search(r"(\d+)(?:\.(\d+))?", version)
    if not found:
        return False
    major, minor = int(found[1]), int(found[2] or 0)
    return major >= 18 or minor >= _FIRST_WITH_RESTRICT.get(major, 1 << 30)


def refuse_old_psql(ctx: Context, chosen: Chosen, db: Instance) -> None:
    """Raise OpsError where the container's psql does not understand what the file begins with."""
    if not restricted(ctx, chosen):
        return
    version = ctx.target.run(db.tool(ctx.target.host, "psql", "--version")).text
    if not knows_restrict(version):
        raise OpsError(
            f"{chosen.plain} contains \\restrict, which the psql of service {db.service} does not know ({version})",
            host=ctx.target.host.name,
            left="everything",
            next="update the database's image to its last minor version, or take out \\restrict and \\unrestrict",
        )


def _lines_here(path: Path) -> Iterator[bytes]:
    with _opened(path) as file:
        yield from file


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else open(path, "rb")


def _plain_here(path: Path, *, head: bool = False) -> tuple[int, set[str]]:
    raw, facts, last = 0, set(), b""
    try:
        for number, line in enumerate(_lines_here(path)):
            raw += len(line)
            last = line if line.strip() else last
            if number < 200 and line.startswith(b"\\restrict "):
                facts.add("restrict")
            if number < 20 and line.startswith(b"-- PostgreSQL database dump"):
                facts.add("dump")
            if line.startswith(b"-- PostgreSQL database dump complete"):
                facts.add("complete")
            if head and number >= 200:
                break
    except (EOFError, gzip.BadGzipFile) as error:
        raise OpsError(f"{path} is damaged or cut off: {error}", left="everything") from None
    return raw, facts


def _lines_there(ctx: Context, chosen: Chosen) -> Iterator[bytes]:
    """The file's lines, read here: rare, because only what looks like trouble is read closely."""
    cmd = unpacked(ctx, chosen.folder, chosen.plain)
    process = ctx.target.start(cmd)
    rest = b""
    try:
        while got := process.read():
            *whole, rest = (rest + got).split(b"\n")
            for line in whole:
                yield line + b"\n"
        yield rest
    except BaseException:
        ctx.target.abandon(process)
        raise
    ended = ctx.target.finish(process)
    if not ended.ok:
        raise ctx.target.failure(cmd, ended)
