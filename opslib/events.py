"""What the lower layers have to say while they work. They emit these; only the user interface prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Status = Literal["done", "skipped", "failed", "undone", "undo-failed"]


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step of a run has begun to act on `host`."""

    host: str
    step: str


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step has ended; `note` is a few words about its result."""

    host: str
    step: str
    status: Status
    seconds: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` bytes of `what` (`total` is None where it is not known)."""

    host: str
    what: str
    done: int
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How `what` stands, in a line that takes the place of the one before."""

    host: str
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """One line that a command on `host` printed, shown as it comes (logs, a migration, a build)."""

    host: str
    line: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something the user should know; `warning` when it asks for attention."""

    host: str
    text: str
    warning: bool = False


Event = StepStarted | StepEnded | Progress | Standing | Output | Note
Tell = Callable[[Event], None]


def silent(event: Event) -> None:
    """A listener that drops everything."""
