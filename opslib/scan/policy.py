"""What of all that was found fails a scan, and since when the rest has been known: decided from what was read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from opslib.findings import Cost, Finding, at_least
from opslib.scan.ignores import Ignore
from opslib.scan.model import Key, Report, Vulnerability
from opslib.settings.scanning import SEVERITIES, Severity

FAILS: Cost = "exposes"
"""What of secrets and mistakes fails a scan."""

Verdict = Literal["fails", "due", "no fix", "ignored", "minor"]
"""`due`: it fails later, when it is older. `minor`: of a severity that fails nothing."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What fails (`fail_on`: seconds since it was first seen, by severity), what is ignored, and what time it is."""

    now: datetime
    fail_on: Mapping[Severity, float] = field(default_factory=dict)
    only_fixed: bool = False
    ignores: Sequence[Ignore] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """A vulnerability, the images that have it, when it was first seen, and what that means. `due`: when it fails.
    `reason`: why it is ignored."""

    vulnerability: Vulnerability
    images: tuple[str, ...]
    first: datetime
    verdict: Verdict
    due: datetime | None = None
    reason: str = ""


def merged(reports: Mapping[str, Report]) -> list[tuple[Vulnerability, tuple[str, ...]]]:
    """Each vulnerability of an installed version once, with the images that have it; the worst first."""
    images: dict[tuple[Key, str], list[str]] = defaultdict(list)
    first: dict[tuple[Key, str], Vulnerability] = {}
    for image, report in reports.items():
        for one in report.vulnerabilities:
            place = (one.key, one.installed)
            first.setdefault(place, one)
            if image not in images[place]:
                images[place].append(image)
    found = [(first[place], tuple(names)) for place, names in images.items()]
    return sorted(found, key=lambda pair: (SEVERITIES.index(pair[0].severity), pair[0].package, pair[0].id))


def judge(
    found: Iterable[tuple[Vulnerability, tuple[str, ...]]], rules: Rules, first: Mapping[Key, datetime]
) -> list[Judged]:
    """What each one means; `first` says when those known before were first seen."""
    return [_judge(one, images, rules, first.get(one.key, rules.now)) for one, images in found]


def _judge(one: Vulnerability, images: tuple[str, ...], rules: Rules, first: datetime) -> Judged:
    ignore = ignoring(one, rules)
    if ignore is not None:
        return Judged(one, images, first, "ignored", reason=f"{ignore.reason} (until {ignore.until})")
    if one.severity not in rules.fail_on:
        return Judged(one, images, first, "minor")
    if rules.only_fixed and not one.fixed:
        return Judged(one, images, first, "no fix")
    due = first + timedelta(seconds=rules.fail_on[one.severity])
    return Judged(one, images, first, "fails" if due <= rules.now else "due", due)


def ignoring(one: Vulnerability | Finding, rules: Rules) -> Ignore | None:
    """The entry that ignores it today."""
    today = rules.now.date()
    return next((entry for entry in rules.ignores if today < entry.until and entry.covers(one)), None)


def failing(judged: Iterable[Judged], findings: Iterable[Finding]) -> int:
    """How many things fail the scan."""
    return sum(one.verdict == "fails" for one in judged) + len(at_least(findings, FAILS))


def stale(rules: Rules, found: Sequence[Vulnerability | Finding], *, whole: bool) -> list[Finding]:
    """The entries that do nothing any more: over, or (where the whole stack was scanned) of what nothing has."""
    today, told = rules.now.date(), []
    for entry in rules.ignores:
        covers = any(entry.covers(one) for one in found)
        if today >= entry.until and covers:
            told.append(_of(entry, "ignore-over", f"{entry.id} was ignored until {entry.until}, and counts again",
                            "mend it, or decide anew: a reason and a later end"))  # fmt: skip
        elif not covers and whole:
            told.append(_of(entry, "ignore-obsolete", f"nothing has {entry.id} any more", "remove the entry"))
    return told


def _of(entry: Ignore, rule: str, what: str, fix: str) -> Finding:
    return Finding(rule, "hardening", what, fix, entry.file, entry.line)


def systems(reports: Mapping[str, Report]) -> list[Finding]:
    """Images on a system that nobody mends any more, and on one of which the scanner may know nothing at all."""
    found = []
    for image, report in reports.items():
        if report.ended:
            what = f"{image}: {report.os} has reached its end of life, nobody mends it any more"
            found.append(Finding("base-ended", "exposes", what, "build on a release that is maintained"))
        if report.unlisted:
            what = f"{image}: the scanner does not know {report.os}, so nothing may be found there"
            found.append(Finding("base-unknown", "exposes", what, "a newer scanner, or a release that it knows"))
    return found
