"""The demo's part that needs no engine, as a person runs it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

DEMO = Path(__file__).parents[2] / "scripts" / "demo"


def demo(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "OPSLIB_DEMO_DIR": str(folder), "OPSLIB_HOST": "nowhere"}
    return subprocess.run(
        [str(DEMO), *args], env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


def test_embedded_twice_and_down(tmp_path: Path) -> None:
    folder = tmp_path / "the demo's $folder"
    for _ in range(2):
        done = demo(folder, "--embedded")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "not as before: papers (200 -> 0)" in done.stdout
        assert "not as before: sqlite notes.db (5004 -> file is not a database)" in done.stdout
        assert "equal: " in done.stdout
        assert "inv restore --file latest" in done.stdout
    down = demo(folder, "--down")
    assert down.returncode == 0, down.stderr
    assert not folder.exists()


def test_what_was_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    for args in (["--embedded"], ["--down"]):
        demo(tmp_path, *args)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert demo(tmp_path, "--embedded").returncode == 2
