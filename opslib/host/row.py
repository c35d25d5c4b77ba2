"""One line of a check: what was looked at, how it is, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from opslib.findings import Cost, Finding


@dataclass(frozen=True, slots=True)
class Row:
    """`name` is that of the rule, too, for what is wrong with it."""

    name: str
    text: str
    findings: tuple[Finding, ...] = ()

    def wrong(self, cost: Cost, what: str, fix: str, *, service: str = "") -> Row:
        """The row with one thing more that is wrong."""
        return Row(self.name, self.text, (*self.findings, Finding(self.name, cost, what, fix, service=service)))


def size(count: float) -> str:
    """Bytes for a person."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
