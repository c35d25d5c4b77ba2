"""Trivy, and what writes vulnerability databases for it: its own may be out of reach, so tests make small ones by the
documented format. Both are built with Go; Trivy takes so long that only `scripts/lab scan` does it, never `up`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from .shell import LabError, attempt, say, state_dir

TRIVY = "github.com/aquasecurity/trivy/cmd/trivy"
VERSION = "v0.74.0"
SOURCE = Path(__file__).parent / "trivydb"
_LIMIT = 3600.0  # seconds


def trivy() -> Path | None:
    """The real one: that of OPSLIB_TRIVY, or the lab's. Raises LabError for a variable that names no program."""
    if named := os.environ.get("OPSLIB_TRIVY"):
        if not os.access(named, os.X_OK):
            raise LabError(f"OPSLIB_TRIVY: there is no program at {named}", 2)
        return Path(named)
    own = _kept() / "trivy"
    return own if own.exists() else None


def _kept() -> Path:
    return state_dir("scan", f"trivy-{VERSION}")


def _writer() -> Path:
    digest = hashlib.sha256()
    for path in sorted(SOURCE.iterdir()):
        digest.update(path.read_bytes())
    return state_dir("scan") / f"trivydb-{digest.hexdigest()[:16]}"


def ensure() -> None:
    """Build what is not there."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise LabError("go is not installed, which builds Trivy; OPSLIB_TRIVY=FILE names one that is there", 3)
    if not _writer().exists():
        _build("trivydb, about 10 s", [go, "build", "-C", SOURCE, "-o", _writer(), "."])
    if trivy() is None:
        number = f"-s -w -X github.com/aquasecurity/trivy/pkg/version/app.ver={VERSION[1:]}"
        words = [go, "install", "-ldflags", number, f"{TRIVY}@{VERSION}"]
        _build(f"Trivy {VERSION}, about 20 minutes", ["env", f"GOBIN={_kept()}", "GOEXPERIMENT=jsonv2", *words])


def _build(what: str, words: Sequence[str | Path]) -> None:
    began = time.monotonic()
    say(f"build {what}")
    done = attempt(words, limit=_LIMIT)
    if done.returncode != 0:
        raise LabError(f"it cannot be built:\n{done.stderr.strip()[-2000:]}")
    say(f"built in {time.monotonic() - began:.0f} s")


def facts() -> dict[str, str | None]:
    """The programs, for the tests."""
    found, made = trivy(), _writer()
    return {"trivy": str(found) if found else None, "trivydb": str(made) if made.exists() else None}
