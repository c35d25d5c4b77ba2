"""What stays of a scan with the release that is live, on the host: `releases/ID/scan.json`, which later scans are
compared with, and a bill of materials (SBOM) of each service's image in `releases/ID/sbom/`.

Each is written once, by the first scan in which the release is live, and goes with the release.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from opslib.command import bash
from opslib.compose.script import read_all
from opslib.errors import CommandFailed, OpsError
from opslib.run.step import Run
from opslib.scan import grype, kept
from opslib.scan.images import Subject
from opslib.scan.scanner import Scanner
from opslib.scan.trivy import BILLS
from opslib.scan.work import Outcome, brought, write
from opslib.state import releases
from opslib.state.releases import Pin, Release
from opslib.target.base import Target
from opslib.target.transfer import put, put_bytes

_SCAN = "scan.json"
# $1 a release's folder. The files that are there, or nothing where the release has gone.
_THERE = (
    '[ -e "$1/release.json" ] && cd -- "$1" && umask 007 && mkdir -p sbom && ls -d scan.json sbom/* 2>/dev/null; true'
)


def keep(run: Run, scanner: Scanner, outcomes: Sequence[Outcome], told: Mapping[str, Any], place: Path) -> str | None:
    """Keep with the live release what it does not have yet; returns its id, None where nothing is live. Bills of
    materials that cannot be made are a warning: the scan itself is whole."""
    release = releases.current(releases.read(run.target))
    if release is None:
        return None
    folder = releases.folder(run.target, release.id)
    there = set(run.target.run(bash(_THERE, folder)).lines)
    mine = {service: one for one in outcomes for service in _services(one, release)}
    if told["whole"] and _SCAN not in there and mine.keys() == release.images.keys():
        text = json.dumps(of_images(told, {one.subject.name for one in mine.values()}))
        put_bytes(run.target, text.encode(), f"{folder}/{_SCAN}", mode=0o660)
    try:
        _bills(run.target, scanner, mine, folder, there, place)
    except CommandFailed as error:
        run.note(f"no bill of materials with release {release.id}: {error.what}", warning=True)
    return release.id


def _services(one: Outcome, release: Release) -> list[str]:
    """The services whose image in the release this is."""
    if one.report is None or one.subject.info is None:
        return []
    return [service for service, pin in release.images.items() if _same(one.subject, pin)]


def _same(subject: Subject, pin: Pin) -> bool:
    info = subject.info
    return info is not None and (pin.id == info.id or (bool(pin.diff_ids) and pin.diff_ids == info.diff_ids))


def of_images(told: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """The part of a kept scan that is about these images."""
    return {
        **told,
        "images": [one for one in told["images"] if one["image"] in names],
        "vulnerabilities": [one for one in told["vulnerabilities"] if names.intersection(one["images"])],
    }


def _bills(
    target: Target, scanner: Scanner, mine: Mapping[str, Outcome], folder: str, there: set[str], place: Path
) -> None:
    forms = grype.forms() if scanner.kind == "grype" else list(BILLS)
    for service, outcome in sorted(mine.items()):
        lacking = [form for form in forms if f"sbom/{service}.{BILLS[form]}" not in there]
        if not lacking:
            continue
        with brought(scanner, outcome.subject) as archive:
            for form in lacking:
                file = place / f"{service}.{BILLS[form]}"
                try:
                    write(scanner, outcome.subject, archive, file, form)
                    put(target, file, f"{folder}/sbom/{file.name}", mode=0o660)
                finally:
                    file.unlink(missing_ok=True)


def scan_of(target: Target, release: Release) -> dict[str, Any]:
    """What was found in a release when it was first scanned. Raises OpsError where it never was."""
    path = f"{releases.folder(target, release.id)}/{_SCAN}"
    text = read_all(target, bash('[ ! -e "$1" ] || cat -- "$1"', path, limit=60))
    if not text:
        raise OpsError(
            f"release {release.id} was not scanned while it was live", host=target.host.name,
            next="inv scan, whenever it is; or compare with a scan: inv scan.diff --since ID",
        )  # fmt: skip
    return kept.understood(text, path)
