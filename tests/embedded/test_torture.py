"""What `scripts/torture` does without an engine, in its short form."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.conftest import ROOT


def test_nothing_is_left_wrong(tmp_path: Path) -> None:
    words = [str(ROOT / "scripts/torture"), "flips", "copies", "fleet", "--short"]
    done = subprocess.run(
        words, env={**os.environ, "OPSLIB_TORTURE_DIR": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "every truncation" in done.stdout
    assert list(tmp_path.iterdir()) == [], "what it made is gone"
