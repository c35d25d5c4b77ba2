"""The step that puts the project's files and the env file in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opslib.deploy import place
from opslib.deploy.seen import Seen
from opslib.run.step import Run, Step

Memo = dict[str, Any]


def staging(run: Run) -> str:
    """The run's staging folder."""
    return f"{run.target.state}/staging/{run.id}"


def files_step(seen: Seen) -> Step[Memo]:
    """Send what differs into a staging folder, then rename it into place file by file."""

    def look(run: Run) -> Memo | None:
        if not seen.files and seen.env.write is None:
            return None
        env = seen.env.name if seen.env.write is not None else None
        return {"stage": staging(run), "write": len(seen.files.write), "remove": len(seen.files.removed), "env": env}

    def do(run: Run, memo: Memo) -> str:
        send: dict[str, tuple[int, Path | bytes]] = {
            path: (seen.sources[path].mode, seen.root / path) for path in seen.files.write
        }
        digests = {path: seen.sources[path].sha256 for path in send if not (seen.root / path).is_symlink()}
        total = sum(seen.sources[path].size for path in send)
        if seen.env.write is not None and seen.env.name:
            send[seen.env.name] = (0o600, seen.env.write)
        place.send(
            run.target, memo["stage"], send, write=sorted(send), remove=seen.files.removed, digests=digests,
            total=total,
        )  # fmt: skip
        place.apply(run.target, memo["stage"])
        return show(memo)

    return Step("files", look, do, put_back, show=show)


def put_back(run: Run, memo: Memo) -> None:
    """The undo: every file as it was, then the staging folder goes."""
    place.back(run.target, memo["stage"])
    place.discard(run.target, memo["stage"])


def show(memo: Memo) -> str:
    """What is written and removed, in a few words."""
    words = [f"{memo['write']} written"] if memo["write"] else []
    words += [f"{memo['remove']} removed"] if memo["remove"] else []
    words += [f"env file {memo['env']}"] if memo["env"] else []
    return ", ".join(words)
