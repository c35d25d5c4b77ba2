"""A restore as steps: fetched, services stopped, a safety copy, loaded and proven beside the live data, swapped in,
services started, the old removed.

Up to the swap everything live is as it was, and a watchdog would start the services if this machine were gone. From the
swap on services stay down until the data under them are proven wholly new (the run goes on, by the watchdog if need be)
or wholly old (it is undone, by this run or the next).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from opslib.backup.restore import check, cold, safety, services, space
from opslib.backup.restore.context import LONG, Context
from opslib.backup.restore.locate import Chosen, locate
from opslib.backup.restore.options import Options, Preview
from opslib.backup.restore.plan import AnyPart, plan, roles
from opslib.backup.restore.preview import describe, kept_running
from opslib.command import bash, quote
from opslib.errors import Cancelled, HostLost, OpsError
from opslib.events import Progress
from opslib.run import watchdog
from opslib.run.log import path
from opslib.run.step import AnyStep, Recovery, Run, Step
from opslib.target.base import Target
from opslib.target.transfer import put

Memo = dict[str, Any]
REMOVE = "remove the old"


def steps(run: Run, options: Options) -> list[AnyStep]:
    """The steps of one restore. Everything that can be known before is checked here, and refused before anything is
    touched."""
    target = run.target
    chosen = locate(target, options)
    check.verify(target, chosen)
    ctx = make_context(target, options)
    raw = check.plain_sql(ctx, chosen) if chosen.plain else 0
    folder = f"{target.state}/restore-{run.id}" if chosen.here else chosen.folder
    cold_ones = cold.look(ctx, chosen) if ctx.tools else {}
    parts = plan(ctx, chosen, options, run.id, folder, cold_ones)
    space.refuse_if_short(ctx, chosen, parts, raw)
    run.result["restore"] = describe(ctx, chosen, parts, options).as_json()
    room, copy = safety.steps(ctx, run, parts, list(cold_ones.values()), options)
    return [
        _fetch(chosen, folder), *room, _stop(ctx, parts), *copy, *cold.step(ctx, cold_ones),
        _load(ctx, chosen, options, folder, raw), _swap(ctx), _start(ctx), _clean(ctx),
    ]  # fmt: skip


def preview(target: Target, options: Options) -> Preview:
    """What a restore would overwrite, to be shown before the question. Makes the tools image if it is missing.

    Raises OpsError as `steps`, but does not read the artifacts.
    """
    chosen = locate(target, options)
    ctx = make_context(target, options)
    cold_ones = cold.look(ctx, chosen) if ctx.tools else {}
    return describe(ctx, chosen, plan(ctx, chosen, options, "preview", chosen.folder, cold_ones), options)


def make_context(target: Target, options: Options) -> Context:
    """The machine, its tools image (made if it is missing) and the project. Without a compose file on this machine
    no engine is asked: SQLite files and folders need none."""
    if target.host.is_local and not target.host.compose:
        return Context(target, "", target.host.project or target.root.rsplit("/", 1)[-1])
    from opslib.compose.engine import look_at_engine
    from opslib.compose.recognise import recognise_project
    from opslib.images.tools import ensure_tools

    look_at_engine(target)
    return Context(target, ensure_tools(target, options.here), recognise_project(target, target.host))


def _context(run: Run, memo: Memo) -> Context:
    return Context(run.target, memo["tools"], memo["project"])


def _parts(memo: Memo) -> list[AnyPart]:
    return msgspec.convert(memo["parts"], list[AnyPart])


# -- fetch: files on this machine are sent to a folder of ours there


def _fetch(chosen: Chosen, folder: str) -> AnyStep:
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

    return Step("fetch", look, do, _unfetch, show=lambda memo: f"send {', '.join(memo['files'])} to {memo['folder']}")


def _unfetch(run: Run, memo: Memo) -> None:
    run.target.run(bash('rm -rf -- "$1"', memo["folder"], limit=600))


# -- stop and start


def _stop(ctx: Context, parts: list[AnyPart]) -> AnyStep:
    def look(run: Run) -> Memo | None:
        if not ctx.tools:
            return None
        stopping = services.to_stop(ctx.stack(fresh=True), kept_running(parts))
        run.facts["stopped"] = [one.name for one in stopping]
        if not stopping:
            return None
        return {
            "project": ctx.project, "tools": ctx.tools, "run": run.id, "containers": [one.name for one in stopping],
            "services": sorted({one.service for one in stopping}),
        }  # fmt: skip

    def do(run: Run, memo: Memo) -> str:
        stack = ctx.stack()
        watchdog.arm(run, services.start_script(run.target.host, stack, memo["containers"]), ctx.tools)
        services.stop(run.target, stack, memo["containers"])
        return f"stopped: {', '.join(memo['services'])}"

    return Step("stop services", look, do, _start_again, show=lambda memo: f"stop {', '.join(memo['services'])}")


def _start_again(run: Run, memo: Memo) -> None:
    """The data are wholly old when this is called: every step after it has been undone and proven."""
    ctx = _context(run, memo)
    services.start(run.target, ctx.stack(), memo["containers"])
    watchdog.disarm(run.target, memo["run"])


def _start(ctx: Context) -> AnyStep:
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


def _start_later(run: Run, memo: Memo) -> None:
    """In a later run: what does not start must not keep that run from mending it."""
    try:
        services.start(run.target, _context(run, memo).stack(), memo["containers"])
    except OpsError as error:
        run.note(f"after the restore not every service came up: {error.what}", warning=True)


# -- load and swap


def _load(ctx: Context, chosen: Chosen, options: Options, folder: str, raw: int) -> AnyStep:
    def look(run: Run) -> Memo:
        """Looked at once more: nobody writes any longer, so these are the counts that an undo must find again."""
        parts = plan(ctx, chosen, options, run.id, folder)
        if not run.plan:
            parts = roles(ctx, parts)
        run.facts["parts"] = parts
        return _memo(ctx, run, parts)

    def do(run: Run, memo: Memo) -> str:
        for part in run.facts["parts"]:
            run.target.tell(Progress(run.host, part.title, 0, part.raw_bytes or raw or None))
            part.load(ctx)
            run.target.tell(Progress(run.host, part.title, part.raw_bytes or raw, part.raw_bytes or raw or None))
        return f"{len(memo['parts'])} loaded and proven beside the live data"

    return Step("load", look, do, _unload, show=lambda memo: "; ".join(part["title"] for part in memo["parts"]))


def _memo(ctx: Context, run: Run, parts: list[AnyPart]) -> Memo:
    return {
        "project": ctx.project, "tools": ctx.tools, "run": run.id, "parts": msgspec.to_builtins(parts),
        "stopped": run.facts.get("stopped") or [],
    }  # fmt: skip


def _unload(run: Run, memo: Memo) -> None:
    ctx = _context(run, memo)
    for part in reversed(_parts(memo)):
        part.unload(ctx)


def _swap(ctx: Context) -> AnyStep:
    def look(run: Run) -> Memo:
        return _memo(ctx, run, run.facts["parts"])

    def do(run: Run, memo: Memo) -> str:
        watchdog.disarm(run.target, run.id)
        for part in run.facts["parts"]:
            part.swap(ctx)
        run.result["restored"] = [
            {"part": part.title, "before": part.before, "after": part.counts} for part in run.facts["parts"]
        ]
        if ctx.tools:
            watchdog.arm(run, _forward_script(ctx, run), ctx.tools)
        return f"{len(memo['parts'])} swapped in and compared"

    return Step("swap", look, do, _swap_back, show=lambda memo: f"{len(memo['parts'])} parts, by renames")


def _forward_script(ctx: Context, run: Run) -> str:
    """What the watchdog does when the run ends here, all data being proven new: it commits, starts the services, and
    leaves the rest to the next run."""
    entries = [{"step": REMOVE, "memo": _clean_memo(ctx, run), "final": True}, {"commit": True}]
    text = "".join(f"\n{json.dumps(entry, ensure_ascii=False)}" for entry in entries)
    log = quote(path(run.target))
    names = run.facts.get("stopped") or []
    return f"printf '%s\\n' {quote(text)} >>{log} && sync {log} || exit\n" + services.start_script(
        run.target.host, ctx.stack(), names
    )


def _swap_back(run: Run, memo: Memo) -> None:
    ctx = _context(run, memo)
    watchdog.disarm(run.target, memo["run"])
    if memo["stopped"]:  # after a reboot some may run again
        services.stop(run.target, ctx.stack(), memo["stopped"])
    for part in reversed(_parts(memo)):
        try:
            part.back(ctx)
        except (Cancelled, HostLost):
            raise
        except OpsError as error:
            raise OpsError(
                f"{part.title} is neither wholly old nor wholly new: {error.what}",
                host=run.host,
                left="the services are down, so that nobody works on it",
                next=error.next or f"mend that and run again; the safety copy is named in {run.target.state}/run.log",
            ) from error


def _clean(ctx: Context) -> AnyStep:
    def look(run: Run) -> Memo:
        return _clean_memo(ctx, run)

    return Step(REMOVE, look, _remove, final=True)


def _clean_memo(ctx: Context, run: Run) -> Memo:
    return {**_memo(ctx, run, run.facts["parts"]), "fetched": run.facts.get("fetched", ""), "mark": cold.mark(run)}


def _remove(run: Run, memo: Memo) -> str:
    ctx = _context(run, memo)
    for part in _parts(memo):
        part.clean(ctx)
    cold.forget(run, memo["mark"])
    if memo["fetched"]:
        run.target.run(bash('rm -rf -- "$1"', memo["fetched"], limit=LONG))
    watchdog.disarm(run.target, memo["run"])
    return "what was moved aside"


RECOVERIES: dict[str, Recovery] = {
    "fetch": Recovery(undo=_unfetch),
    "stop services": Recovery(undo=_start_again),
    "new data folder": Recovery(undo=cold.put_back),
    "load": Recovery(undo=_unload),
    "swap": Recovery(undo=_swap_back),
    "start services": Recovery(finish=_start_later),
    REMOVE: Recovery(finish=_remove),
}
"""What the next run does with the steps of a restore that was killed."""
