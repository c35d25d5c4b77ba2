"""What `inv lint` has found, in one value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from opslib.errors import OpsError
from opslib.findings import Finding, as_json
from opslib.lint import baseline
from opslib.lint.baseline import Compared
from opslib.lint.ignores import Ignore
from opslib.lint.rules import RULES

OWN = {
    "compose-refused": "Docker Compose refuses the files",
    "compose-unread": "a compose file that only Docker Compose can read",
    "variable-unset": "a variable is used and not set",
    "ignore-over": "a comment was to ignore something until a date that is past",
    "ignore-unused": "a comment ignores what is not there",
    "ignore-unclear": "a comment that ignores nothing, because it cannot be understood",
}
"""The rules that are not in `RULES`, and their titles: those of the linter itself."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in these compose files; `ignored` with the comment that does it. `missing`: the error that kept
    opslib's own rules from being asked, where other linters could. `compared`: with a baseline."""

    files: tuple[str, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    ignored: list[tuple[Finding, Ignore]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: OpsError | None = None
    compared: Compared | None = None

    def beside(self, known: Counter[tuple[str, str, str]]) -> Report:
        """The same without what a baseline has."""
        compared = baseline.compare(self.findings, known)
        return replace(self, findings=compared.new, compared=compared)

    def as_result(self) -> dict[str, Any]:
        """As it stands in a record."""
        compared = {"known": self.compared.known, "gone": self.compared.gone} if self.compared else None
        ends = [{"until": one.until.isoformat(), "reason": one.reason} for _, one in self.ignored]
        ignored = [{**one, **end} for one, end in zip(told(one for one, _ in self.ignored), ends, strict=True)]
        return {"files": list(self.files), "findings": told(self.findings), "ignored": ignored, "notes": self.notes,
                "baseline": compared}  # fmt: skip


def told(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as they stand in a record, each with the page that explains its rule."""
    return [{**one, "page": page(one["rule"])} for one in as_json(findings)]


def page(rule: str) -> str:
    """Where a rule is explained: a page of opslib's, or how to find that of another linter."""
    if rule.startswith("CL-"):
        return f"compose-lint --explain {rule}"
    if rule.startswith(("DL", "SC")):
        return f"hadolint's wiki, {rule}"
    return "docs/lint.md" if rule in OWN else f"docs/rules/{rule}.md"


def titles() -> dict[str, str]:
    """The one-liner of each of opslib's rules."""
    return {**{rule.id: rule.title for rule in RULES}, **OWN}


def together(reports: Sequence[Report]) -> Report:
    """The reports of several hosts as one: what two have found is found once."""
    findings = dict.fromkeys(one for report in reports for one in report.findings)
    ignored = dict.fromkeys(one for report in reports for one in report.ignored)
    return Report(findings=list(findings), ignored=list(ignored))
