"""Whether a deploy is welcome now: the host file's window, and a freeze. A rollback always is."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from opslib.deploy.options import DeployOptions
from opslib.errors import OpsError
from opslib.run.record import holder, now
from opslib.run.step import AnyStep, Recovery, Run, Step
from opslib.state import freeze
from opslib.state.freeze import Freeze

Memo = dict[str, Any]


def refuse(run: Run, options: DeployOptions, at: datetime | None = None) -> None:
    """Raises OpsError outside of every window, and on a frozen host; a plan, and who deploys `anyway`, are only told.
    `at`: now, if it is not given."""
    why = _why(run, at or datetime.now(timezone.utc))
    if why is None:
        return
    what, then = why
    if run.plan or options.anyway:
        run.note(what, warning=True)
        return
    raise OpsError(
        what, host=run.host, left="everything",
        next=f"{then}; or inv deploy --host {run.host} --anyway. inv rollback is always open",
    )  # fmt: skip


def _why(run: Run, at: datetime) -> tuple[str, str] | None:
    found, windows = freeze.read(run.target), run.target.host.deploy.window
    if found is not None:
        what = f"{run.host} is frozen by {found.by} since {found.at}: {found.why}"
        return what, f"inv deploy --host {run.host} --unfreeze, when that is over"
    if windows and not any(window.holds(at) for window in windows):
        times = ", ".join(map(str, windows))
        return f"no deploys to {run.host} now: its window is {times}", "wait for the window"
    return None


def freeze_steps(why: str) -> list[AnyStep]:
    """Freeze the host."""

    def look(run: Run) -> Memo:
        return {"why": why, "was": freeze.text(run.target)}

    def do(run: Run, memo: Memo) -> str:
        freeze.write(run.target, Freeze(by=holder("").split(":")[0], at=now(), why=memo["why"]))
        return why

    return [Step("freeze", look, do, _as_it_was, show=lambda memo: memo["why"])]


def unfreeze_steps() -> list[AnyStep]:
    """Let deploys change the host again, also where the note of the freeze cannot be read."""

    def look(run: Run) -> Memo | None:
        was = freeze.text(run.target)
        return {"was": was} if was is not None else None

    def do(run: Run, memo: Memo) -> None:
        freeze.put(run.target, None)

    return [Step("unfreeze", look, do, _as_it_was, show=lambda memo: f"it was: {memo['was'].strip()}")]


def _as_it_was(run: Run, memo: Memo) -> None:
    freeze.put(run.target, memo["was"])


RECOVERIES: dict[str, Recovery] = {"freeze": Recovery(undo=_as_it_was), "unfreeze": Recovery(undo=_as_it_was)}
