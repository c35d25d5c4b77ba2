"""Files on this machine, or on another host, are sent to a folder of the host that only its user can read, and removed
at the end."""

from __future__ import annotations

import posixpath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from opslib.backup.restore.locate import Chosen
from opslib.command import bash
from opslib.events import Progress
from opslib.run.step import AnyStep, Run, Step
from opslib.target.transfer import get, put

if TYPE_CHECKING:
    from opslib.target.base import Target

Memo = dict[str, Any]


def step(chosen: Chosen, folder: str) -> AnyStep:
    names = [chosen.single] if chosen.single else [artifact.file for artifact in chosen.artifacts]

    def look(run: Run) -> Memo | None:
        where = chosen.origin.host.name if chosen.origin else "this machine"
        return {"folder": folder, "files": names, "from": where} if chosen.sent else None

    def do(run: Run, memo: Memo) -> str:
        run.target.run(bash('umask 077; mkdir -p -- "$1" && chmod 700 -- "$1"', folder))
        for name in names:
            if chosen.origin is None:
                _send(run, Path(chosen.folder) / name, f"{folder}/{name}")
            else:
                _pass_on(run, chosen.origin, f"{chosen.folder}/{name}", f"{folder}/{name}")
        run.facts["fetched"] = folder
        return f"{len(names)} files sent"

    return Step("fetch", look, do, remove, show=_shown)


def _shown(memo: Memo) -> str:
    way = "" if memo["from"] == "this machine" else f" from {memo['from']}, through this machine,"
    return f"send {', '.join(memo['files'])}{way} to {memo['folder']}"


def _send(run: Run, source: Path, path: str) -> None:
    total = source.stat().st_size
    put(run.target, source, path, moved=lambda done: run.target.tell(Progress(run.host, source.name, done, total)))


def _pass_on(run: Run, origin: Target, source: str, path: str) -> None:
    """From another host, one file at a time: this machine needs room for the largest."""
    with TemporaryDirectory(prefix="opslib-") as here:
        copy = Path(here) / posixpath.basename(source)
        get(origin, source, copy, moved=lambda done: run.target.tell(Progress(run.host, f"{copy.name}, down", done)))
        _send(run, copy, path)


def remove(run: Run, memo: Memo) -> None:
    run.target.run(bash('rm -rf -- "$1"', memo["folder"], limit=600))
