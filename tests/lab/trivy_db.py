"""Small vulnerability databases in Trivy's own format: bbolt files that the real Trivy reads."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

SYSTEM = "debian 12"
PYTHON = "pip::GitHub Security Advisory pip"


def hole(id: str, package: str, fixed: str, severity: str, *, of: str = SYSTEM) -> list[dict[str, Any]]:
    """The entries of one vulnerability. Of Debian `package` is the source package, and `fixed` "" for no fix; of Python
    every version below `fixed` has it."""
    advice: dict[str, Any] = {"FixedVersion": fixed}
    if of == PYTHON:
        advice = {"PatchedVersions": [fixed], "VulnerableVersions": [f"<{fixed}"]}
    return [
        {"path": [of, package, id], "value": advice},
        {"path": ["vulnerability", id], "value": {"Title": f"a hole in {package}", "Severity": severity,
                                                  "References": [f"https://example.com/{id}"]}},
    ]  # fmt: skip


def write(program: str | None, folder: Path, holes: Sequence[list[dict[str, Any]]], *, days: float = 0) -> Path:
    """A folder for `--cache-dir` whose database was made so many days ago; returns it. `program` writes it; None: for
    the stand-in, which reads JSON."""
    (folder / "db").mkdir(parents=True)
    sources = {SYSTEM: ("debian", "Debian Security Tracker"), PYTHON: ("ghsa", "GitHub Security Advisory pip")}
    entries = [
        {"path": ["data-source", bucket], "value": {"ID": name, "Name": title, "URL": "https://example.com"}}
        for bucket, (name, title) in sources.items()
    ]
    entries += [entry for one in holes for entry in one]
    if program is None:
        (folder / "db/trivy.db").write_text(json.dumps(entries))
    else:
        subprocess.run([program, folder / "db/trivy.db"], input=json.dumps(entries), text=True, check=True)
    made = datetime.now(timezone.utc) - timedelta(days=days)
    times = {"UpdatedAt": made, "DownloadedAt": made, "NextUpdate": made + timedelta(days=1)}
    document = {"Version": 2, **{key: time.isoformat().replace("+00:00", "Z") for key, time in times.items()}}
    (folder / "db/metadata.json").write_text(json.dumps(document))
    return folder
