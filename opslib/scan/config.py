"""`inv scan.config`: the project's own files (Dockerfiles, Kubernetes, Terraform, …) looked through by Trivy, and all
files for secrets. Nothing is kept of it."""

from __future__ import annotations

import tempfile
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from opslib.errors import CommandFailed, OpsError, Unhealthy
from opslib.findings import as_json, at_least, ranked
from opslib.run.step import Run
from opslib.scan import ignores, policy, trivy, trivy_report
from opslib.scan.model import Damaged
from opslib.scan.policy import FAILS, Rules
from opslib.scan.scanner import INSTALL, find
from opslib.scan.work import why
from opslib.target.base import Target
from opslib.target.transfer import stream_out


def config(run: Run, here: Target, root: Path) -> None:
    """Put what was found into the run's result. Raises Unhealthy where it is more than hardening, OpsError where the
    files could not be scanned, BadSettings for the list of what is ignored."""
    settings = msgspec.structs.replace(run.target.host.scan, on="local")
    rules = Rules(datetime.now(timezone.utc), ignores=ignores.read(root, settings.ignore_file))
    scanner = find(here, here, settings)
    if scanner.kind != "trivy":
        raise OpsError("scan.config needs Trivy: grype knows images only", next=INSTALL)
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "report.json"
        try:
            with open(part, "wb") as out:
                stream_out(here, scanner.call(*trivy.files(scanner, str(root.resolve()))), out.write)
            report = trivy_report.read(part)
        except CommandFailed as error:
            raise OpsError(f"the files could not be scanned: {why(error)}") from None
        except Damaged as error:
            raise OpsError(f"the files could not be scanned: {error}") from None
    found = [one for one in report.findings if policy.ignoring(one, rules) is None]
    run.result["findings"] = as_json(ranked(found))
    if bad := ranked(at_least(found, FAILS)):
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise Unhealthy(f"{bad[0].place}: {bad[0].what}{more}", host=run.host, next=bad[0].fix or None)
