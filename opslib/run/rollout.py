"""In which order the hosts of a fleet switch, and how many of them may fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rollout:
    """`batch` hosts switch at once, when one has gone well alone (None: all at once). As many as `failures` may fail
    without ending the others; None: any number, and then each host commits for itself."""

    batch: int | None = None
    failures: int | None = 0

    @property
    def apart(self) -> bool:
        """Whether each host ends for itself, and not all of them the same."""
        return self.failures is None

    def bears(self, failed: int) -> bool:
        """Whether the others go on when so many have failed."""
        return self.failures is None or failed <= self.failures

    def after(self, failed: int) -> Rollout:
        """The same for the others, when so many have failed before it began."""
        return self if self.failures is None else Rollout(self.batch, max(self.failures - failed, 0))

    def turn(self, waiting: Sequence[T], *, proven: bool) -> Sequence[T]:
        """Those that switch next: one alone as long as none has `proven` that it can be done."""
        return waiting if self.batch is None else waiting[: self.batch if proven else 1]

    def turns(self, hosts: Sequence[T]) -> list[Sequence[T]]:
        """All turns, when everything goes well."""
        found: list[Sequence[T]] = []
        while hosts:
            found.append(self.turn(hosts, proven=bool(found)))
            hosts = hosts[len(found[-1]) :]
        return found
