"""What a check has found: one type for all checks, ranked by what it costs whoever does nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Cost = Literal["loses data", "breaks", "exposes", "hardening"]
"""What happens in real life, the worst first."""
COSTS: tuple[Cost, ...] = get_args(Cost)


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule` is its name for good, `what` is wrong and what comes of it, `fix` what to type or write. `file` (below the
    project's folder) and `line` are where a person would mend it, "" and 0 where that is no file. `service`: the one
    that it is about, where there is one. Never a secret."""

    rule: str
    cost: Cost
    what: str
    fix: str
    file: str = ""
    line: int = 0
    service: str = ""

    @property
    def place(self) -> str:
        """`file:line`, as far as there is one."""
        return f"{self.file}:{self.line}" if self.line else self.file


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first; of the same cost in the order of files and lines."""
    return sorted(findings, key=lambda one: (COSTS.index(one.cost), one.file, one.line, one.rule))


def at_least(findings: Iterable[Finding], cost: Cost) -> list[Finding]:
    """Those that cost as much as `cost`, or more."""
    return [one for one in findings if COSTS.index(one.cost) <= COSTS.index(cost)]


def cost_named(word: str) -> Cost | None:
    """The cost that is called so on a command line (`loses-data`), None where none is."""
    return next((one for one in COSTS if one.replace(" ", "-") == word.replace(" ", "-")), None)


def as_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """As they stand in a record."""
    return [asdict(one) for one in findings]
