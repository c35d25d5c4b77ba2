"""Files on this machine, on another host or in an archive come to a folder of the host that only its user can read, and
are removed at the end."""

from __future__ import annotations

import posixpath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from opslib.backup.pack import LONG
from opslib.backup.restore import packed
from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.context import Context
from opslib.command import bash
from opslib.events import Progress
from opslib.run.step import AnyStep, Run, Step
from opslib.target.docker import mount, run_in
from opslib.target.transfer import get, put, relay

if TYPE_CHECKING:
    from opslib.target.base import Target

Memo = dict[str, Any]

# $1 the name of a folder that comes on standard input as tar
_UNPACK = """set -e; umask 077; cd /out; mkdir -- "$1"; tar -C "./$1" --no-same-owner -xf -
chown -R --reference=. -- "./$1\""""


def step(chosen: Chosen, folder: str, ctx: Context | None = None) -> AnyStep:
    """`ctx` is needed for a folder of another script's making, and for a set in an archive."""

    names = [chosen.single] if chosen.single else [artifact.file for artifact in chosen.artifacts]

    def look(run: Run) -> Memo | None:
        where = chosen.origin.host.name if chosen.origin else "this machine"
        return {"folder": folder, "files": names, "from": where} if chosen.sent else None

    def do(run: Run, memo: Memo) -> str:
        run.target.run(bash('umask 077; mkdir -p -- "$1" && chmod 700 -- "$1"', folder))
        if chosen.packed is not None and ctx is not None:
            file = chosen.packed.file
            packed.unpack(ctx, chosen, folder, lambda done: run.target.tell(Progress(run.host, file, done)))
        for name in names if chosen.packed is None else ():
            if chosen.origin is None and ctx is not None and (Path(chosen.folder) / name).is_dir():
                _send_folder(ctx, Path(chosen.folder) / name, f"{folder}/{name}")
            elif chosen.origin is None:
                _send(run, Path(chosen.folder) / name, f"{folder}/{name}")
            else:
                _pass_on(run, chosen.origin, f"{chosen.folder}/{name}", f"{folder}/{name}")
        run.facts["fetched"] = folder
        return f"{len(names)} files {'unpacked' if chosen.packed and not chosen.here else 'sent'}"

    return Step("fetch", look, do, remove, show=_shown)


def _shown(memo: Memo) -> str:
    way = "" if memo["from"] == "this machine" else f" from {memo['from']}, through this machine,"
    return f"send {', '.join(memo['files'])}{way} to {memo['folder']}"


def _send(run: Run, source: Path, path: str) -> None:
    total = source.stat().st_size
    put(run.target, source, path, moved=lambda done: run.target.tell(Progress(run.host, source.name, done, total)))


def _send_folder(ctx: Context, source: Path, path: str) -> None:
    """As one stream; there it is unpacked by the tools image, because a host need not have tar."""
    assert ctx.here is not None
    folder, name = posixpath.split(path)
    words = ("bash", "-c", _UNPACK, "opslib", name)
    into = run_in(ctx.target.host, ctx.tools, *words, mounts=[mount("bind", folder, "/out")],
                  options=["-i", "--security-opt", "label=disable"], limit=LONG)  # fmt: skip
    raw = bash('tar -C "$1" -cf - .', str(source), limit=LONG)
    relay(ctx.here, raw, ctx.target, into, lambda done: ctx.target.tell(Progress(ctx.target.host.name, name, done)))


def _pass_on(run: Run, origin: Target, source: str, path: str) -> None:
    """From another host, one file at a time: this machine needs room for the largest."""
    with TemporaryDirectory(prefix="opslib-") as here:
        copy = Path(here) / posixpath.basename(source)
        get(origin, source, copy, moved=lambda done: run.target.tell(Progress(run.host, f"{copy.name}, down", done)))
        _send(run, copy, path)


def remove(run: Run, memo: Memo) -> None:
    run.target.run(bash('rm -rf -- "$1"', memo["folder"], limit=600))
