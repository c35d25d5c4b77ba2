"""`inv scan.report`: one page of the newest scan that needs nothing beside it: no network, no other file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from opslib.errors import OpsError
from opslib.scan import kept
from opslib.scan.result import unrecognised
from opslib.scan.versions import best
from opslib.settings.scanning import SEVERITIES

SCANS = 60  # of the history that are drawn


def report(host: str, root: Path, out: str | None) -> dict[str, Any]:
    """Write the page into the scan's folder, or to `out`; the result has its path. Raises BadSettings where there is no
    scan, OpsError where the page cannot be written."""
    place = kept.newest(root, host)
    path = root / out if out is not None else place / "report.html"
    try:
        kept.write(path, page(host, kept.load(place), kept.history(root, host)))
    except OSError as error:
        raise OpsError(f"{path} cannot be written: {error.strerror}", host=host) from None
    return {"scan": place.name, "report": str(path)}


def page(host: str, scan: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> str:
    """The page's text. What came from reports is escaped; addresses are links only where they are web addresses."""
    try:
        import jinja2
    except ImportError:
        raise OpsError("the page needs Jinja2", next='pip install "opslib[report]"') from None

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("opslib.scan", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    return environment.get_template("report.html").render(
        host=host, scan=scan, severities=SEVERITIES, packages=packages(scan["vulnerabilities"]),
        history=drawn(history), unrecognised=unrecognised(scan),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Package:
    """A package in one or several images, with what is known of it, and the version that mends most of that."""

    name: str
    kind: str
    installed: tuple[str, ...]
    images: tuple[str, ...]
    counts: Mapping[str, int]
    total: int
    version: str
    mends: int


def packages(vulnerabilities: Sequence[Mapping[str, Any]]) -> list[Package]:
    """Each package that has something, the worst first. What is ignored does not count."""
    by_name: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for one in vulnerabilities:
        if one["verdict"] != "ignored":
            by_name[one["package"], one["kind"]].append(one)
    found = [_package(name, kind, entries) for (name, kind), entries in by_name.items()]
    return sorted(found, key=lambda one: ([-count for count in one.counts.values()], one.name))


def _package(name: str, kind: str, entries: Sequence[Mapping[str, Any]]) -> Package:
    once = list({one["id"]: one for one in entries}.values())
    version, mends = best(once)
    counts = {str(word): sum(one["severity"] == word for one in once) for word in SEVERITIES}
    installed = tuple(sorted({one["installed"] for one in entries}))
    images = tuple(sorted({image for one in entries for image in one["images"]}))
    return Package(name, kind, installed, images, counts, len(once), version, mends)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One line of the history: the points of an SVG of 600 by 120, and its last number."""

    severity: str
    points: str
    last: int


def drawn(history: Sequence[Mapping[str, Any]]) -> list[Drawn]:
    """The numbers of critical and high ones in the scans of the whole stack, by time; nothing for fewer than two."""
    scans = [one for one in history if one.get("whole")][-SCANS:]
    if len(scans) < 2:
        return []
    times = [datetime.fromisoformat(one["at"].replace("Z", "+00:00")).timestamp() for one in scans]
    span = (times[-1] - times[0]) or 1.0
    words = ("critical", "high", "medium")
    top = max(1, *(int(one["counts"].get(word, 0)) for one in scans for word in words))
    lines = []
    for word in words:
        counts = [int(one["counts"].get(word, 0)) for one in scans]
        points = " ".join(
            f"{600 * (time - times[0]) / span:.1f},{115 - 110 * count / top:.1f}"
            for time, count in zip(times, counts, strict=True)
        )
        lines.append(Drawn(word, points, counts[-1]))
    return lines
