"""The project's own tasks, called before and after the steps of a deploy or rollback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from invoke.context import Context
from invoke.exceptions import Exit, UnexpectedExit

from opslib.errors import BadSettings, OpsError
from opslib.run.step import AnyStep, Run, Step
from opslib.settings.decode import nearest

if TYPE_CHECKING:
    from opslib.run.task import Steps
    from opslib.tasks._call import Call

Hook = Callable[..., object]
ALL = "all"


def hooked(call: Call, steps: Steps, stages: Collection[str]) -> Steps:
    """The same steps with the project's hooks around them. Raises BadSettings for a hook of a step that is not one of
    `stages`."""
    hooks = _of(call.context, stages)
    if not hooks:
        return steps
    context = Context(call.context.config.clone())
    if call.json:  # standard output is for the one object
        context.config.run.out_stream = sys.stderr
    return lambda run: _around(context, steps(run), hooks)


def _of(c: Context, stages: Collection[str]) -> dict[str, tuple[Hook, ...]]:
    found: dict[str, tuple[Hook, ...]] = {}
    for key, tasks in c.config.opslib.hooks:
        when, _, stage = key.partition(" ")
        if when not in ("before", "after") or stage not in (ALL, *stages):
            raise BadSettings(
                f"tasks.py has a hook {key!r}: expected before or after, and a step{nearest(stage, [ALL, *stages])}",
                left="everything",
            )
        found[key] = tuple(tasks) if isinstance(tasks, Sequence) else (tasks,)
    return found


def _around(c: Context, steps: list[AnyStep], hooks: Mapping[str, tuple[Hook, ...]]) -> list[AnyStep]:
    if not steps:
        return steps
    found = [_hooked(c, step, hooks.get(f"before {step.name}", ()), hooks.get(f"after {step.name}", ())) for step in
             steps]  # fmt: skip
    first, last = hooks.get(f"before {ALL}", ()), hooks.get(f"after {ALL}", ())
    return [
        *([_alone(c, f"before {ALL}", first)] if first else []),
        *found,
        *([_alone(c, f"after {ALL}", last, final=True)] if last else []),
    ]


def _hooked(c: Context, step: AnyStep, before: tuple[Hook, ...], after: tuple[Hook, ...]) -> AnyStep:
    if not before and not after:
        return step

    def do(run: Run, memo: Any) -> object:
        _call(c, run, before, f"before {step.name}", fatal=not step.final)
        done = step.do(run, memo)
        _call(c, run, after, f"after {step.name}", fatal=not step.final)
        return done

    def show(memo: Any) -> str:
        words = [step.show(memo) if step.show else "", f"before it: {_names(before)}" if before else "",
                 f"after it: {_names(after)}" if after else ""]  # fmt: skip
        return "; ".join(word for word in words if word)

    return replace(step, do=do, show=show)


def _alone(c: Context, name: str, hooks: tuple[Hook, ...], *, final: bool = False) -> AnyStep:
    """A step of nothing but hooks. Nothing of it can be undone, and the next run does not repeat it."""

    def do(run: Run, memo: Any) -> None:
        _call(c, run, hooks, name, fatal=not final)

    return Step(name, lambda run: {"hooks": _names(hooks)}, do, final=final, show=lambda memo: memo["hooks"])


def _call(c: Context, run: Run, hooks: tuple[Hook, ...], when: str, *, fatal: bool) -> None:
    """Call them in order, each with what it asks for of `host`, `stage`, `task` and `release`.

    Raises OpsError for one that fails; where every host has committed already that is a warning.
    """
    known = {"host": run.host, "stage": when, "task": run.task, "release": run.id}
    for hook in hooks:
        body = getattr(hook, "body", hook)
        asked = signature(body).parameters
        every = any(one.kind is Parameter.VAR_KEYWORD for one in asked.values())
        given = {name: value for name, value in known.items() if every or name in asked}
        try:
            body(Context(c.config.clone()), **given)
        except OpsError:
            raise
        except (Exception, SystemExit) as error:
            what = f"the hook {_name(hook)} ({when}) failed: {_said(error)}"
            if fatal:
                raise OpsError(what, host=run.host, next="mend it in tasks.py, or take it out of the hooks") from error
            run.note(what, warning=True)


def _said(error: BaseException) -> str:
    if isinstance(error, UnexpectedExit):
        lines = (error.result.stderr or error.result.stdout or "").strip().splitlines()
        return f"{error.result.command!r} ended with {error.result.exited}{': ' + lines[-1] if lines else ''}"
    if isinstance(error, Exit):
        return error.message or f"exit code {error.code}"
    return f"{type(error).__name__}: {error}"


def _name(hook: Hook) -> str:
    return str(getattr(hook, "name", "") or getattr(hook, "__name__", "of no name"))


def _names(hooks: tuple[Hook, ...]) -> str:
    return ", ".join(map(_name, hooks))
