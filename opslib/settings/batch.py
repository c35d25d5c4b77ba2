"""How many hosts of a fleet switch at once: `3`, or a share of them, `25%`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from opslib.settings.units import Scalar


@dataclass(frozen=True, slots=True)
class Batch:
    """A number of hosts, or so many of a hundred."""

    number: int
    share: bool = False

    def __str__(self) -> str:
        return f"{self.number}%" if self.share else str(self.number)

    def of(self, hosts: int) -> int:
        """The number for so many hosts: never more than the share, but one at least."""
        return max(1, hosts * self.number // 100) if self.share else self.number


def batch(value: Scalar) -> Batch:
    """A number of hosts from 1 on, or a percentage."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    found = re.fullmatch(r"([0-9]{1,6})(%?)", text.strip())
    if not found or int(found[1]) == 0 or (found[2] and int(found[1]) > 100):
        raise ValueError("expected a number of hosts like 2, or a share of them like 25%")
    return Batch(int(found[1]), bool(found[2]))
