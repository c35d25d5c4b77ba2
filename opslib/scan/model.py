"""What a scanner has found, whichever it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from opslib.findings import Cost, Finding
from opslib.settings.scanning import SEVERITIES, Severity

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """A known hole in an installed package. `fixed` are the versions without it, "" where there is none yet; `status`
    is the distribution's word for that. `kind` is the package's ("debian", "python-pkg"), `path` the file in the image
    that says it is there, "" for the system's own packages."""

    id: str
    package: str
    installed: str
    fixed: str
    severity: Severity
    title: str = ""
    url: str = ""
    kind: str = ""
    path: str = ""
    purl: str = ""
    status: str = ""

    @property
    def key(self) -> Key:
        """What stays the same when the package is updated and still has it."""
        return self.id, self.package, self.kind


@dataclass(frozen=True, slots=True)
class Report:
    """What one report says. A secret's finding never has the secret; its `file` is a path in the image. `os` is
    "debian 12.5", "" for an image without one, `ended` whether nobody mends it any more, `unlisted` whether the scanner
    does not know this release. `packages`: how many were
    looked at, None where the report does not say. `database`: when what the scanner knows was put together, where the
    report says it."""

    vulnerabilities: tuple[Vulnerability, ...] = ()
    findings: tuple[Finding, ...] = ()
    os: str = ""
    ended: bool = False
    unlisted: bool = False
    packages: int | None = None
    database: datetime | None = None


class Damaged(Exception):
    """A report that cannot be understood; its text says in what. Nothing of it counts."""


def severity(word: str | None) -> Severity:
    """A scanner's own word; what no scanner says today is unknown."""
    lower = (word or "").lower()
    return next((one for one in SEVERITIES if one == lower), "low" if lower == "negligible" else "unknown")


def cost(word: str | None) -> Cost:
    """What a mistake of that severity costs."""
    return "exposes" if severity(word) in ("critical", "high") else "hardening"


def counted(found: Iterable[Severity]) -> dict[str, int]:
    """How many of each severity."""
    counts = dict.fromkeys(SEVERITIES, 0)
    for one in found:
        counts[one] += 1
    return {str(name): count for name, count in counts.items()}


def web(url: str | None) -> str:
    """An address that may be linked to; what comes from a report may be anything."""
    return url if url and url.startswith(("https://", "http://")) else ""


def moment(text: str | None) -> datetime | None:
    """A time as Go writes it, with up to nine digits of a second; None for what is none."""
    head, dot, tail = (text or "").replace("Z", "+00:00").partition(".")
    digits = len(tail) - len(tail.lstrip("0123456789"))
    try:
        found = datetime.fromisoformat(
            f"{head}{dot}{tail[: min(digits, 6)].ljust(6, '0') if dot else ''}{tail[digits:]}"
        )
    except ValueError:
        return None
    return found if found.tzinfo is not None and found.year > 1 else None
