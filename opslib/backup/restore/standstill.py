"""Services stand still while their data are replaced: the steps that stop and start them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opslib.backup import services
from opslib.backup.restore.context import Context, from_memo
from opslib.errors import Cancelled, HostLost, OpsError
from opslib.run.step import AnyStep, Run, Step

Memo = dict[str, Any]


def stop(ctx: Context, keep: Collection[str]) -> AnyStep:
    def look(run: Run) -> Memo | None:
        if not ctx.tools:
            return None
        stopping = services.to_stop(ctx.stack(fresh=True), keep)
        run.facts["stopped"] = [one.name for one in stopping]
        if not stopping:
            return None
        return {
            "project": ctx.project, "tools": ctx.tools, "run": run.id, "containers": [one.name for one in stopping],
            "services": sorted({one.service for one in stopping}),
        }  # fmt: skip

    def do(run: Run, memo: Memo) -> str:
        services.hold(run, ctx.stack(), ctx.tools, memo["containers"])
        return f"stopped: {', '.join(memo['services'])}"

    return Step("stop services", look, do, start_again, show=lambda memo: f"stop {', '.join(memo['services'])}")


def start_again(run: Run, memo: Memo) -> None:
    """The data are wholly old when this is called: every step after it has been undone and proven."""
    ctx = from_memo(run.target, memo)
    services.let_go(run.target, memo["run"], ctx.stack(), memo["containers"])


def start(ctx: Context) -> AnyStep:
    def look(run: Run) -> Memo | None:
        stopped = run.facts.get("stopped") or []
        return {"project": ctx.project, "tools": ctx.tools, "containers": stopped} if stopped else None

    def do(run: Run, memo: Memo) -> str:
        stack = ctx.stack(fresh=True)
        try:
            started = services.start(run.target, stack, memo["containers"])
            services.healthy(run.target, stack, memo["containers"])
        except (Cancelled, HostLost):
            raise
        except OpsError as error:
            raise OpsError(
                f"the data are restored and proven, but not every service came up: {error.what}",
                host=run.host,
                left="the restored data",
                next=error.next,
            ) from error
        return f"running: {', '.join(started)}"

    return Step("start services", look, do, final=True)


def start_later(run: Run, memo: Memo) -> None:
    """In a later run: what does not start must not keep that run from mending it."""
    try:
        services.start(run.target, from_memo(run.target, memo).stack(), memo["containers"])
    except OpsError as error:
        run.note(f"after the restore not every service came up: {error.what}", warning=True)
