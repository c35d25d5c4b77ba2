"""grype's JSON reports, as its documentation describes them (`grype -o json`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from opslib.scan.model import Damaged, Report, Vulnerability, moment, severity, web
from opslib.scan.reading import read_report


class _Fix(msgspec.Struct):
    versions: list[str] | None = None
    state: str | None = None


class _Vulnerability(msgspec.Struct, rename={"url": "dataSource"}):
    id: str | None = None
    url: str | None = None
    severity: str | None = None
    fix: _Fix | None = None


class _Location(msgspec.Struct):
    path: str | None = None


class _Artifact(msgspec.Struct):
    name: str | None = None
    version: str | None = None
    type: str | None = None
    purl: str | None = None
    locations: list[_Location] | None = None


class _Match(msgspec.Struct):
    vulnerability: _Vulnerability
    artifact: _Artifact


class _Distro(msgspec.Struct):
    name: str | None = None
    version: str | None = None


class _Descriptor(msgspec.Struct):
    name: str | None = None
    db: Any = None


class _Document(msgspec.Struct):
    matches: list[_Match] | None = None
    distro: _Distro | None = None
    descriptor: _Descriptor | None = None


_SYSTEM = ("deb", "rpm", "apk", "alpm", "portage")


def read(path: Path) -> Report:
    """A report of an image. Raises Damaged, also for JSON that is no report of grype's."""
    document: _Document = read_report(path, _Document)
    if document.descriptor is None or document.descriptor.name != "grype":
        raise Damaged("the report is not understood: its descriptor does not say grype")
    distro = document.distro or _Distro()
    return Report(
        tuple(_vulnerability(one) for one in document.matches or ()),
        os=" ".join(word for word in (distro.name, distro.version) if word),
        database=_built(document.descriptor.db),
    )


def _built(db: Any) -> Any:
    """Its database's age: below `status` since schema 6."""
    found = db.get("status", db) if isinstance(db, dict) else None
    text = found.get("built") if isinstance(found, dict) else None
    return moment(text) if isinstance(text, str) else None


def _vulnerability(match: _Match) -> Vulnerability:
    one, artifact = match.vulnerability, match.artifact
    if not one.id:
        raise Damaged("the report is not understood: a match without the vulnerability's id")
    fix = one.fix or _Fix()
    system = artifact.type in _SYSTEM
    paths = [place.path for place in artifact.locations or () if place.path]
    return Vulnerability(
        id=one.id, package=artifact.name or "", installed=artifact.version or "",
        fixed=", ".join(fix.versions or ()) if fix.state in (None, "", "fixed") else "",
        severity=severity(one.severity), url=web(one.url), kind=artifact.type or "",
        path=paths[0] if paths and not system else "", purl=artifact.purl or "", status=fix.state or "",
    )  # fmt: skip
