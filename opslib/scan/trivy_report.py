"""Trivy's JSON reports: those of today (schema 2), and the bare list of versions before 0.20.

Almost everything in one may be absent or null, `Results` too (seen with 0.74). Everything that is not named here is
passed over: packages, descriptions, references.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from opslib.findings import Finding
from opslib.scan.model import Damaged, Report, Vulnerability, cost, severity, web
from opslib.scan.reading import read_report

_SCHEMA = 2


def _named(**fields: str) -> dict[str, str]:
    return fields


class _Identifier(msgspec.Struct, rename={"purl": "PURL"}):
    purl: str | None = None


class _Vulnerability(
    msgspec.Struct,
    rename=_named(
        id="VulnerabilityID", package="PkgName", installed="InstalledVersion", fixed="FixedVersion", status="Status",
        severity="Severity", title="Title", url="PrimaryURL", path="PkgPath", identifier="PkgIdentifier",
    ),
):  # fmt: skip
    id: str | None = None
    package: str | None = None
    installed: str | None = None
    fixed: str | None = None
    status: str | None = None
    severity: str | None = None
    title: str | None = None
    url: str | None = None
    path: str | None = None
    identifier: _Identifier | None = None


class _Lines(msgspec.Struct, rename={"start": "StartLine"}):
    start: int | None = None


class _Misconfiguration(
    msgspec.Struct,
    rename=_named(
        id="ID", title="Title", message="Message", resolution="Resolution", severity="Severity", status="Status",
        cause="CauseMetadata",
    ),
):  # fmt: skip
    id: str | None = None
    title: str | None = None
    message: str | None = None
    resolution: str | None = None
    severity: str | None = None
    status: str | None = None
    cause: _Lines | None = None


class _Secret(msgspec.Struct, rename={"id": "RuleID", "title": "Title", "severity": "Severity", "start": "StartLine"}):
    id: str | None = None
    title: str | None = None
    severity: str | None = None
    start: int | None = None


class _Package(msgspec.Struct):
    """It is only counted."""


class _Result(
    msgspec.Struct,
    rename=_named(
        target="Target", kind="Class", type="Type", packages="Packages", vulnerabilities="Vulnerabilities",
        misconfigurations="Misconfigurations", secrets="Secrets",
    ),
):  # fmt: skip
    target: str | None = None
    kind: str | None = None
    type: str | None = None
    packages: list[_Package] | None = None
    vulnerabilities: list[_Vulnerability] | None = None
    misconfigurations: list[_Misconfiguration] | None = None
    secrets: list[_Secret] | None = None


class _System(msgspec.Struct, rename={"family": "Family", "name": "Name", "ended": "EOSL"}):
    family: str | None = None
    name: str | None = None
    ended: bool | None = None


class _Metadata(msgspec.Struct, rename={"system": "OS"}):
    system: _System | None = None


class _Document(
    msgspec.Struct, rename={"schema": "SchemaVersion", "metadata": "Metadata", "results": "Results"}
):  # fmt: skip
    schema: int | None = None
    metadata: _Metadata | None = None
    results: list[_Result] | None = None


def read(path: Path) -> Report:
    """A report of an image or of files. Raises Damaged, also for JSON that is no report of Trivy's: it would be taken
    for one that found nothing."""
    document: _Document | list[_Result] = read_report(path, _Document | list[_Result])
    if isinstance(document, list):
        if not document or any(one.target is None for one in document):
            raise Damaged("the report is not understood: a list that is none of Trivy's")
        return _report(document, _System())
    if document.schema is None:
        raise Damaged("the report is not understood: it has no SchemaVersion, so it is none of Trivy's")
    if document.schema != _SCHEMA:
        raise Damaged(f"the report has Trivy's schema {document.schema}, and opslib knows {_SCHEMA}")
    return _report(document.results or [], (document.metadata or _Metadata()).system or _System())


def _report(results: list[_Result], system: _System) -> Report:
    packages = [len(one.packages) for one in results if one.packages is not None]
    return Report(
        tuple(vulnerability for one in results for vulnerability in _vulnerabilities(one)),
        tuple(finding for one in results for finding in (*_secrets(one), *_mistakes(one))),
        os=" ".join(word for word in (system.family, system.name) if word),
        ended=bool(system.ended),
        packages=sum(packages) if packages else None,
    )


def _vulnerabilities(result: _Result) -> Iterator[Vulnerability]:
    system = result.kind == "os-pkgs"
    for one in result.vulnerabilities or ():
        if not one.id:
            raise Damaged(f"the report is not understood: {result.target or 'a result'} has a vulnerability without id")
        yield Vulnerability(
            id=one.id, package=one.package or "", installed=one.installed or "", fixed=one.fixed or "",
            severity=severity(one.severity), title=one.title or "", url=web(one.url), kind=result.type or "",
            path=one.path or ("" if system else result.target or ""),
            purl=(one.identifier.purl if one.identifier else None) or "", status=one.status or "",
        )  # fmt: skip


def _secrets(result: _Result) -> Iterator[Finding]:
    for one in result.secrets or ():
        yield Finding(
            f"secret-{one.id or 'unknown'}", cost(one.severity),
            f"a secret: {one.title or one.id or 'of a known form'}",
            "take it out of every layer, and give the service a new one: whoever has the image has it",
            result.target or "", one.start or 0,
        )  # fmt: skip


def _mistakes(result: _Result) -> Iterator[Finding]:
    for one in _failed(result.misconfigurations or ()):
        yield Finding(
            one.id or "misconfiguration", cost(one.severity), one.message or one.title or one.id or "",
            one.resolution or "", result.target or "", (one.cause.start if one.cause else None) or 0,
        )  # fmt: skip


def _failed(found: Iterable[_Misconfiguration]) -> Iterator[_Misconfiguration]:
    """Older versions also list what has passed."""
    return (one for one in found if one.status in (None, "", "FAIL"))
