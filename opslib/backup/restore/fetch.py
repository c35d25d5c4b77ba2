"""Files on this machine are sent to a folder of the host that only its user can read, and removed at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opslib.backup.restore.locate import Chosen
from opslib.command import bash
from opslib.events import Progress
from opslib.run.step import AnyStep, Run, Step
from opslib.target.transfer import put

Memo = dict[str, Any]


def step(chosen: Chosen, folder: str) -> AnyStep:
    names = [chosen.plain] if chosen.plain else [artifact.file for artifact in chosen.artifacts]

    def look(run: Run) -> Memo | None:
        return {"folder": folder, "files": names} if chosen.here else None

    def do(run: Run, memo: Memo) -> str:
        run.target.run(bash('umask 077; mkdir -p -- "$1" && chmod 700 -- "$1"', folder))
        for name in names:
            source = Path(chosen.folder) / name
            total = source.stat().st_size

            def moved(done: int, name: str = name, total: int = total) -> None:
                run.target.tell(Progress(run.host, name, done, total))

            put(run.target, source, f"{folder}/{name}", moved=moved)
        run.facts["fetched"] = folder
        return f"{len(names)} files sent"

    return Step("fetch", look, do, remove, show=lambda memo: f"send {', '.join(memo['files'])} to {memo['folder']}")


def remove(run: Run, memo: Memo) -> None:
    run.target.run(bash('rm -rf -- "$1"', memo["folder"], limit=600))
