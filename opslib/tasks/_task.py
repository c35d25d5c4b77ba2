"""The decorator that makes a task: the options that all tasks share, and a body that is given a `Call`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Any

from invoke.context import Context
from invoke.parser.argument import Argument
from invoke.tasks import Task

from opslib.tasks._spec import Need, Spec

if TYPE_CHECKING:
    from opslib.run.record import Record

_EVERY = {
    "host": (None, "Where: a host of hosts/, several with commas, @group, or @all"),
    "json": (False, "Print one JSON object; progress goes to stderr"),
    "debug": (False, "Show the commands, and tracebacks"),
}
_CHANGING = {
    "plan": (False, "Say what would be done, and do nothing"),
    "yes": (False, "Answer yes to every question"),
    "wait": (None, "How long to wait for another run to end, like 10m"),
}
_SIGNAL = (False, "Send the host file's signals: ping, notify, metrics")

IDENTITY = {"identity": "The file with the private key of age, for a set that is encrypted"}
"""The help of the option that `opslib.tasks._identity` reads."""


class _Argument(Argument):
    """Invoke copies every argument deeply at each start; the values of ours are immutable."""

    def __deepcopy__(self, memo: object) -> _Argument:
        return copy.copy(self)


class OpsTask(Task[Any]):
    """A task whose copies are itself, and whose options have no short forms: `--host` would take `-h`."""

    def __deepcopy__(self, memo: object) -> OpsTask:
        return self

    # Invoke compares the code of the bodies, which all of ours share: backup.files would equal restore.files.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        return [
            _Argument(
                names=(parameter.name.rstrip("_").replace("_", "-"),),  # `from` is a word of Python's
                attr_name=parameter.name if "_" in parameter.name else None,
                kind=bool if parameter.default is False else str,
                default=parameter.default,
                positional=parameter.name in self.positional,
                help=self.help[parameter.name],
            )
            for parameter in self.argspec(self.body).parameters.values()
        ]


def task(
    name: str,
    *,
    changes: bool = False,
    options: tuple[str, ...] | None = None,
    needs: Need = "stack",
    one_host: bool = False,
    together: bool = False,
    signals: bool = False,
    default: bool = False,
    within: str = "",
    positional: tuple[str, ...] = (),
    settings: dict[str, str] | None = None,
    help: dict[str, str] | None = None,
) -> Callable[[Callable[..., Record]], OpsTask]:
    """Make `body(call, **options) -> Record` the task `name` ("deploy", "backup.all"); `within` is what its namespace
    calls it, where that is not the end of its name.

    Every task takes --host, --json and --debug, one that `changes` something --plan, --yes and --wait as well
    (or those of them that `options` names), one with `signals` --signal. `settings` are options that stand for a key of
    the host file (`FLAGS` of opslib.settings.load), with their help. The body's own parameters are None or False by
    default and explained in `help`; those that are `positional` may be given without
    their names. The task returns the record, or raises an Exit with the record's code.
    """
    shared = dict(_EVERY)
    for option in options if options is not None else _CHANGING if changes else ():
        shared[option] = _CHANGING[option]
    if signals:
        shared["signal"] = _SIGNAL
    shared.update({option: (None, text) for option, text in (settings or {}).items()})

    def decorate(body: Callable[..., Record]) -> OpsTask:
        spec = Spec(name, body, needs, one_host, together)

        def run(c: Context, **given: Any) -> Record:
            from opslib.tasks._perform import perform

            return perform(c, spec, {**defaults, **given})

        own = [p for p in signature(body).parameters.values() if p.name != "call"]
        common = [Parameter(key, Parameter.KEYWORD_ONLY, default=value) for key, (value, _) in shared.items()]
        context = Parameter("c", Parameter.POSITIONAL_OR_KEYWORD)
        defaults = {p.name: p.default for p in (*own, *common)}
        run.__signature__ = Signature(  # type: ignore[attr-defined]
            [context, *(p.replace(kind=Parameter.KEYWORD_ONLY) for p in own), *common]
        )
        run.__doc__, run.__name__, run.__module__ = body.__doc__, body.__name__, body.__module__
        helps = {**(help or {}), **{key: text for key, (_, text) in shared.items()}}
        return OpsTask(
            run,
            name=within or name.rsplit(".", 1)[-1],
            positional=positional,
            default=default,
            auto_shortflags=False,
            help=helps,
        )

    return decorate
