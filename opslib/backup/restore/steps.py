"""A restore as steps: fetched, services stopped, a safety copy, loaded and proven beside the live data, swapped in,
services started, the old removed.

Up to the swap everything live is as it was, and a watchdog would start the services if this machine were gone. From the
swap on services stay down until the data under them are proven wholly new (the run goes on, by the watchdog if need be)
or wholly old (it is undone, by this run or the next).
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from opslib.backup import services
from opslib.backup.pack import LONG
from opslib.backup.restore import check, cold, fetch, only, packed, runkey, safety, single, space, standstill
from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.context import Context, from_memo
from opslib.backup.restore.locate import locate
from opslib.backup.restore.options import Options
from opslib.backup.restore.parts import AnyPart
from opslib.backup.restore.plan import plan, roles
from opslib.backup.restore.preview import describe, kept_running
from opslib.backup.restore.workbench import Workbench
from opslib.command import bash, quote
from opslib.errors import Cancelled, HostLost, OpsError
from opslib.events import Progress
from opslib.run import watchdog
from opslib.run.log import path
from opslib.run.step import AnyStep, Recovery, Run, Step
from opslib.target.base import Target

Memo = dict[str, Any]
REMOVE = "remove the old"


def steps(run: Run, options: Options) -> list[AnyStep]:
    """The steps of one restore. Everything that can be known before is checked here, and refused before anything is
    touched."""
    target = run.target
    chosen = locate(target, options)
    if options.only is None:
        check.verify(target, chosen)
    ctx = make_context(target, options)
    ctx.identities += check.identities(chosen, options)
    if options.only is not None:
        chosen = only.narrow(ctx, chosen, options)
        check.verify(target, chosen)
    if ctx.tools and not run.plan:
        ctx.workbench = Workbench(target, ctx.tools, [one.name for one in ctx.stack().all_volumes])
    if chosen.single and ctx.tools:
        chosen = single.opened(ctx, chosen)
        if chosen.seen is not None and chosen.seen.kind == "set":
            chosen = packed.opened(ctx, chosen, options)
            ctx.identities += check.identities(chosen, options)
    folder = f"{target.state}/restore-{run.id}" if chosen.sent else chosen.folder
    cold_ones = cold.look(ctx, chosen) if ctx.tools else {}
    parts = plan(ctx, chosen, options, run.id, folder, cold_ones)
    space.refuse_if_short(ctx, chosen, parts)
    run.result["restore"] = describe(ctx, chosen, parts, options).as_json()
    room, copy = safety.steps(ctx, run, parts, list(cold_ones.values()), options)
    return [
        fetch.step(chosen, folder, ctx), *room, *_still(ctx, parts, options), *copy, *cold.step(ctx, cold_ones),
        _load(ctx, chosen, options, folder), _swap(ctx), standstill.start(ctx), clean(ctx),
    ]  # fmt: skip


def _still(ctx: Context, parts: list[AnyPart], options: Options) -> list[AnyStep]:
    """Where nothing is overwritten, everything goes on running."""
    return [] if options.into is not None else [standstill.stop(ctx, kept_running(parts))]


def make_context(target: Target, options: Options) -> Context:
    """The machine, its tools image (made if it is missing) and the project. Without a compose file on this machine
    no engine is asked: SQLite files and folders need none."""
    if target.host.is_local and not target.host.compose:
        return Context(target, "", target.host.project or target.root.rsplit("/", 1)[-1])
    from opslib.compose.engine import look_at_engine
    from opslib.compose.recognise import recognise_project
    from opslib.images.tools import ensure_tools

    look_at_engine(target)
    project = recognise_project(target, target.host)
    return Context(target, ensure_tools(target, options.here), project, options.here)


def parts_of(memo: Memo) -> list[AnyPart]:
    return msgspec.convert(memo["parts"], list[AnyPart])


# -- load and swap


def _load(ctx: Context, chosen: Chosen, options: Options, folder: str) -> AnyStep:
    def look(run: Run) -> Memo:
        return look_again(ctx, run, chosen, options, folder)

    def do(run: Run, memo: Memo) -> str:
        load(ctx, run)
        return f"{len(memo['parts'])} loaded and proven beside the live data"

    return Step("load", look, do, _unload, show=lambda memo: "; ".join(part.what for part in parts_of(memo)))


def look_again(ctx: Context, run: Run, chosen: Chosen, options: Options, folder: str) -> Memo:
    """What will be loaded, looked at once more: nobody writes any longer, so these are the counts that an undo must
    find again."""
    parts = plan(ctx, chosen, options, run.id, folder)
    if not run.plan:
        parts = roles(ctx, parts)
    run.facts["parts"] = parts
    return memo_of(ctx, run, parts)


def load(ctx: Context, run: Run) -> None:
    """Load every part beside what is live, and prove it."""
    for part in run.facts["parts"]:
        run.target.tell(Progress(run.host, part.what, 0, part.raw_bytes or None))
        part.load(ctx)
        run.target.tell(Progress(run.host, part.what, part.raw_bytes, part.raw_bytes or None))


def swap(ctx: Context, run: Run) -> None:
    """Put every part in the place of what is live, and say what was there and is there."""
    for part in run.facts["parts"]:
        part.swap(ctx)
    run.result["restored"] = [
        {"part": part.what, "of": part.title, "before": part.replaced, "after": part.counts or part.holds(ctx) or {}}
        for part in run.facts["parts"]
    ]


def memo_of(ctx: Context, run: Run, parts: list[AnyPart]) -> Memo:
    """What undoing needs; a database's settings, among which there may be secrets, it does not."""
    kept = msgspec.to_builtins(parts)
    for part in kept:
        part.pop("properties", None)
        part.pop("settings", None)
    return {
        "project": ctx.project,
        "tools": ctx.tools,
        "run": run.id,
        "parts": kept,
        "stopped": run.facts.get("stopped") or [],
        runkey.KEY: run.facts.get(runkey.KEY, ""),
    }


def _unload(run: Run, memo: Memo) -> None:
    ctx = from_memo(run.target, memo)
    for part in reversed(parts_of(memo)):
        part.unload(ctx)


def _swap(ctx: Context) -> AnyStep:
    def look(run: Run) -> Memo:
        return memo_of(ctx, run, run.facts["parts"])

    def do(run: Run, memo: Memo) -> str:
        watchdog.disarm(run.target, run.id)
        swap(ctx, run)
        if ctx.tools:
            watchdog.arm(run, _forward_script(ctx, run), ctx.tools)
        return f"{len(memo['parts'])} swapped in and compared"

    return Step("swap", look, do, _swap_back, show=_how)


def _how(memo: Memo) -> str:
    over = sum(part["part"] in ("reload", "postgres-in-place") for part in memo["parts"])
    return f"{len(memo['parts'])} parts, " + (f"{over} of them loaded over what is live" if over else "by renames")


def _forward_script(ctx: Context, run: Run) -> str:
    """What the watchdog does when the run ends here, all data being proven new: it commits, starts the services, and
    leaves the rest to the next run."""
    entries = [{"step": REMOVE, "memo": clean_memo(ctx, run), "final": True}, {"commit": True}]
    text = "".join(f"\n{json.dumps(entry, ensure_ascii=False)}" for entry in entries)
    log = quote(path(run.target))
    names = run.facts.get("stopped") or []
    return f"printf '%s\\n' {quote(text)} >>{log} && sync {log} || exit\n" + services.start_script(
        run.target.host, ctx.stack(), names
    )


def _swap_back(run: Run, memo: Memo) -> None:
    ctx = from_memo(run.target, memo)
    watchdog.disarm(run.target, memo["run"])
    if memo["stopped"]:  # after a reboot some may run again
        services.stop(run.target, ctx.stack(), memo["stopped"])
    for part in reversed(parts_of(memo)):
        try:
            part.back(ctx)
        except (Cancelled, HostLost):
            raise
        except OpsError as error:
            raise OpsError(
                f"{part.title} is neither wholly old nor wholly new, and the services stay down: {error.what}",
                host=run.host,
                left="what the safety copy holds",
                next=error.next or f"mend that and run again; the safety copy is named in {run.target.state}/run.log",
            ) from error


def clean(ctx: Context) -> AnyStep:
    def look(run: Run) -> Memo:
        return clean_memo(ctx, run)

    return Step(REMOVE, look, lambda run, memo: _remove(run, memo, ctx), final=True)


def clean_memo(ctx: Context, run: Run) -> Memo:
    return {**memo_of(ctx, run, run.facts["parts"]), "fetched": run.facts.get("fetched", ""), "mark": cold.mark(run)}


def _remove(run: Run, memo: Memo, ctx: Context | None = None) -> str:
    ctx = ctx or from_memo(run.target, memo)
    for part in parts_of(memo):
        part.clean(ctx)
    cold.forget(run, memo["mark"])
    if memo["fetched"]:
        run.target.run(bash('rm -rf -- "$1"', memo["fetched"], limit=LONG))
    runkey.remove(run, memo)
    watchdog.disarm(run.target, memo["run"])
    return "what was moved aside"


RECOVERIES: dict[str, Recovery] = {
    "fetch": Recovery(undo=fetch.remove),
    "safety key": Recovery(undo=runkey.remove),
    "stop services": Recovery(undo=standstill.start_again),
    "new data folder": Recovery(undo=cold.put_back),
    "load": Recovery(undo=_unload),
    "swap": Recovery(undo=_swap_back),
    "start services": Recovery(finish=standstill.start_later),
    REMOVE: Recovery(finish=_remove),
}
"""What the next run does with the steps of a restore that was killed."""
