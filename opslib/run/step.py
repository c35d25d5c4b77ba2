"""One named part of a run: it looks, does, and can be undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from opslib.events import Note
from opslib.target.base import Target

M = TypeVar("M")


class NotYet(Exception):
    """Raised by a look under `--plan` for what only an earlier step will make known; its text says what."""


@dataclass(slots=True)
class Run:
    """One task on one host: what its steps share.

    `result` becomes the record's `result`, `changed` says whether anything was done. `facts` are what one step
    learnt for the next; nothing of them survives the process, so an undo relies on its memo alone. `journal` is what
    the journal's line says beside how it ended.
    """

    id: str
    task: str
    target: Target
    hosts: tuple[str, ...]
    plan: bool = False
    result: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    journal: dict[str, Any] = field(default_factory=dict)
    changed: bool = False

    @property
    def host(self) -> str:
        """The host's name."""
        return self.target.host.name

    def note(self, text: str, *, warning: bool = False) -> None:
        """Tell the user something."""
        self.target.tell(Note(self.host, text, warning))


@dataclass(frozen=True, slots=True)
class Step(Generic[M]):
    """`look` reads only and returns what is to be done as a memo, or None when there is nothing to do.

    The memo is JSON without secrets, on the target's disk before `do` begins: `undo` is given nothing else, must be
    idempotent, and must hold for a `do` that had not begun, was half done, or was done. A `final` step runs only
    after every host of the run has committed, and is repeated by the next run when it was interrupted. Where a step
    `stays`, which is asked when it is done, it outlives the run that committed, and the next run, whatever it is, ends
    it. From the first step on that `switches`, the hosts of a fleet take turns. `show` says what the memo means, for
    `--plan`. `name` is stable: recovery finds the undo by it.
    """

    name: str
    look: Callable[[Run], M | None]
    do: Callable[[Run, M], object]
    undo: Callable[[Run, M], None] | None = None
    final: bool = False
    stays: Callable[[Run], bool] | None = None
    switches: bool = False
    show: Callable[[M], str] | None = None


@dataclass(frozen=True, slots=True)
class Recovery:
    """What the next run needs of a step that an earlier process left behind: how to undo it, or, for a final step,
    how to do it again, or, for one that stays, how to end it. `take_over`, for one that stays: the memo with which the
    run goes on with it instead, and by which it is then undone or ended; None where it does not."""

    undo: Callable[[Run, Any], None] | None = None
    finish: Callable[[Run, Any], object] | None = None
    take_over: Callable[[Run, Any], Any | None] | None = None


AnyStep = Step[Any]


def recoveries(*steps: AnyStep) -> dict[str, Recovery]:
    """The recoveries of steps whose undo and do need nothing but the run and the memo."""
    return {step.name: Recovery(step.undo, step.do if step.final else None) for step in steps}
