"""What a host file says of scans: what fails one, and where the scanner is."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Struct, field

from opslib.command import Secret
from opslib.settings import units
from opslib.settings.keep import Count
from opslib.settings.units import Parse, Scalar

Severity = Literal["critical", "high", "medium", "low", "unknown"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""The worst first. `unknown`: nobody has judged it yet."""

Where = Literal["remote", "local", "container"]
Look = Literal["vuln", "secret", "misconfig"]
Seconds = Annotated[float, Parse(units.seconds)]


def worse(value: Scalar) -> dict[Severity, float]:
    """A severity alone: it and all that is worse, at once."""
    if value not in SEVERITIES:
        raise ValueError(f"expected one of {', '.join(SEVERITIES)}, or {{critical: 0d, high: 14d}}")
    return dict.fromkeys(SEVERITIES[: SEVERITIES.index(value) + 1], 0.0)


class Scan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How images are scanned, and what fails a scan. `fail_on`: of each severity that fails, the seconds that it may
    last since it was first seen. `only_fixed`: what has no fix fails nothing. `ignore_file` None: `.trivyignore.yaml`
    or `.trivyignore`, where there is one. `on`: whose Trivy (or grype) it is; None: the host's where it has one, else
    this machine's. `image` is the scanner's own for `on: container`. `server` scans in its place. `cache` is the
    scanner's folder with its database (None: its own). A database older than `db_age` counts as none. `keep`: so many
    scans stay in security-reports. `gate`: a deploy of images that fail the scan is refused."""

    fail_on: Annotated[dict[Severity, Seconds], Parse(worse)] = field(default_factory=lambda: worse("high"))
    only_fixed: bool = True
    ignore_file: Annotated[str, Parse(units.project_path)] | None = None
    scanners: tuple[Look, ...] = ("vuln", "secret")
    on: Where | None = None
    image: str = "aquasec/trivy:latest"
    server: Annotated[str, Parse(units.url)] | None = None
    token: Secret | None = None
    cache: Annotated[str, Parse(units.absolute_path)] | None = None
    offline: bool = False
    db_age: Seconds = 7 * 86400.0
    timeout: Seconds = 600.0
    keep: Count = 10
    gate: bool = False

    def __post_init__(self) -> None:
        if "vuln" not in self.scanners:
            raise ValueError("`scanners` without vuln would call every image clean")
        if self.token is not None and self.server is None:
            raise ValueError("`token` goes with `server`")
