"""`scripts/torture` in its short form: kills and full disks, on this machine and over SSH; with `--full` a failing S3
server and two machines at once, too. Its breaks of the line and of the server take minutes each; what they do is in
test_faults, too."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, missing

pytestmark = pytest.mark.lab
CASES, MORE = ("kills", "full"), ("s3", "machines")


def test_nothing_is_left_wrong(lab: dict[str, Any], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if os.geteuid():
        missing("a program in a container is killed by root alone")
    cases = (*CASES, *MORE) if request.config.getoption("--full") else CASES
    words = [str(ROOT / "scripts/torture"), *cases, "--short"]
    done = subprocess.run(
        words, env={**os.environ, "OPSLIB_TORTURE_DIR": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("### ") == len(cases)
    assert list(tmp_path.iterdir()) == [], "what it made is gone"
