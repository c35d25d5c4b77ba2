"""`scripts/torture` in its short form: kills, full disks, cuts, a failing S3 server, on this machine and over SSH."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, missing

pytestmark = pytest.mark.lab
CASES = ("kills", "full", "breaks", "s3", "machines", "lies")


def test_nothing_is_left_wrong(lab: dict[str, Any], tmp_path: Path) -> None:
    if os.geteuid():
        missing("a program in a container is killed by root alone")
    words = [str(ROOT / "scripts/torture"), *CASES, "--short"]
    done = subprocess.run(
        words, env={**os.environ, "OPSLIB_TORTURE_DIR": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("### ") == len(CASES)
    assert list(tmp_path.iterdir()) == [], "what it made is gone"
