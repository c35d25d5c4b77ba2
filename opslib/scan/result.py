"""What a scan comes to: the one value that is shown, printed as JSON, kept, compared and made a page of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from opslib.errors import OpsError, Unhealthy
from opslib.findings import Finding, as_json, at_least, ranked
from opslib.scan import policy
from opslib.scan.model import Key, Report, counted
from opslib.scan.policy import FAILS, Judged, Rules
from opslib.scan.scanner import Scanner
from opslib.scan.work import Outcome

FORMAT = 1


def result(
    outcomes: Sequence[Outcome], scanner: Scanner, rules: Rules, first: Mapping[Key, datetime], *, whole: bool
) -> dict[str, Any]:
    """`images`, `vulnerabilities`, `findings`, `counts` by severity, how many things fail it (`failing`), and how many
    images could not be scanned (`failed`). `whole`: of the whole stack."""
    reports = {one.subject.name: one.report for one in outcomes if one.report is not None}
    merged = policy.merged(reports)
    judged = policy.judge(merged, rules, first)
    every = [*_findings(reports), *policy.systems(reports)]
    findings = [
        *(one for one in every if policy.ignoring(one, rules) is None),
        *policy.stale(rules, [*(one for one, _ in merged), *every], whole=whole and len(reports) == len(outcomes)),
    ]
    return {
        "format": FORMAT,
        "at": stamp(rules.now),
        "whole": whole,
        "scanner": {
            "name": scanner.kind, "version": scanner.version, "on": scanner.at.host.name,
            "database": stamp(scanner.database) if scanner.database else None,
        },
        "images": [_image(one) for one in outcomes],
        "vulnerabilities": [_vulnerability(one) for one in judged],
        "findings": as_json(ranked(findings)),
        "counts": counted(one.vulnerability.severity for one in judged if one.verdict != "ignored"),
        "failing": policy.failing(judged, findings),
        "failed": sum(bool(one.error) for one in outcomes),
    }  # fmt: skip


def stamp(time: datetime) -> str:
    """As times stand in records."""
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def _findings(reports: Mapping[str, Report]) -> list[Finding]:
    return [
        replace(one, what=f"{image}: {one.what}") for image, report in reports.items() for one in report.findings
    ]  # fmt: skip


def _image(one: Outcome) -> dict[str, Any]:
    report, subject = one.report, one.subject
    return {
        "image": subject.name, "services": list(subject.services), "wanted": subject.wanted,
        "id": subject.info.id if subject.info else None, "os": report.os if report else "",
        "ended": bool(report and report.ended), "packages": report.packages if report else None,
        "counts": counted(found.severity for found in report.vulnerabilities) if report else None,
        "report": one.file, "error": one.error or None, "seconds": one.seconds,
    }  # fmt: skip


def _vulnerability(one: Judged) -> dict[str, Any]:
    found = one.vulnerability
    return {
        "id": found.id, "package": found.package, "installed": found.installed, "fixed": found.fixed,
        "severity": found.severity, "title": found.title, "url": found.url, "kind": found.kind, "path": found.path,
        "purl": found.purl, "status": found.status, "images": list(one.images), "first": stamp(one.first),
        "verdict": one.verdict, "due": stamp(one.due) if one.due else None, "reason": one.reason,
    }  # fmt: skip


def unrecognised(result: Mapping[str, Any]) -> list[str]:
    """Images in which the scanner knew no system and no package: that nothing was found there says nothing."""
    return [one["image"] for one in result["images"] if one["error"] is None and not (one["os"] or one["packages"])]


def refuse_old(scanner: Scanner, database: datetime | None, now: datetime, host: str) -> None:
    """Raises OpsError for a database that is too old to believe what was not found, and for one of which nobody knows
    its age. A server's is the server's own."""
    if database is None:
        if scanner.settings.server is None:
            raise OpsError(f"{scanner.kind} does not say how old its database is, so nothing is proven", host=host)
        return
    days, most = (now - database).total_seconds() / 86400, scanner.settings.db_age / 86400
    if days > most:
        raise OpsError(
            f"the database of {scanner.kind} is {days:.0f} days old, more than {most:g}: what has become known since "
            "then was not found", host=host, left="the reports",
            next="inv scan.db --save FILE where there is internet, inv scan.db --load FILE here; or `scan: db_age:`",
        )  # fmt: skip


def refuse(result: Mapping[str, Any], host: str) -> None:
    """Raises Unhealthy where something fails the scan, naming the worst."""
    told = [*_failing(result["vulnerabilities"]), *(one["what"] for one in _bad(result["findings"]))]
    if not told:
        return
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    raise Unhealthy(
        told[0] + more, host=host,
        next="update what has a fix; what you can live with goes into .trivyignore.yaml, with a reason and an end",
    )  # fmt: skip


def _failing(vulnerabilities: Iterable[Mapping[str, Any]]) -> list[str]:
    return [
        f"{one['id']} ({one['severity']}) in {one['package']} {one['installed']} of {', '.join(one['images'])}"
        + (f", fixed in {one['fixed']}" if one["fixed"] else ", with no fix yet")
        for one in vulnerabilities
        if one["verdict"] == "fails"
    ]


def _bad(findings: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in findings if at_least([Finding(**one)], FAILS)]
