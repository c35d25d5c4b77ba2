"""What a rule of `inv lint` is, and what it says: pure functions of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from opslib.findings import Cost
from opslib.lint.model import Model, Place


class _Remove:
    def __repr__(self) -> str:
        return "REMOVE"


REMOVE: Final = _Remove()
"""As an edit's value: takes the key away."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that is safe to make without asking: set `value` at `path` in the compose file `file` (below the
    project's folder). Where the parents are not there they are made."""

    file: str
    path: tuple[str | int, ...]
    value: Any


@dataclass(frozen=True, slots=True)
class Found:
    """One place where a rule is broken: `what` is wrong and what happens in real life, `fix` what to type or write (a
    compose snippet has several lines). Never a secret."""

    what: str
    fix: str
    place: Place
    service: str = ""
    edit: Edit | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """`id` is its name for good, in kebab case, and that of its page in docs/rules/. `running`: it compares with what
    runs, so it is asked only with --running."""

    id: str
    cost: Cost
    title: str
    check: Callable[[Model], Iterator[Found]] = field(repr=False)
    running: bool = False
