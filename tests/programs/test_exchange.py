"""Swapping files by renames: from whatever state a killed swap left, the way back gives the old."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from opslib.backup.restore import exchange

ID = "v0-run1"
ODD = '-o\'d "d" $x\né'


def bash(script: str, folder: Path, *words: str, stop_at: int = 0) -> subprocess.CompletedProcess[bytes]:
    """Run a script; with `stop_at` it is killed before its n-th program."""
    killer = ""
    if stop_at:
        killer = "n=0; trap 'case $BASH_COMMAND in mv*|find*|mkdir*|rm*|sync*|like*) ((++n == STOP)) && kill -9 $$;; esac' DEBUG; set -T\n"
    env = {**os.environ, "STOP": str(stop_at)}
    return subprocess.run(["bash", "-c", killer + script, "opslib", str(folder), *words], env=env, capture_output=True)


def fill(folder: Path, text: str) -> None:
    (folder / "sub/deep").mkdir(parents=True)
    for name in ("a", ODD, "sub/deep/b", ".hidden"):
        (folder / name).write_text(f"{text} {name}")
    os.symlink("nowhere", folder / "link")


def see(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if ".opslib-" not in name:
            found[name] = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else "folder"
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "da 'ta"
    made.mkdir(mode=0o751)
    fill(made, "old")
    (made / "only old").write_text("x")
    new = made / f".opslib-new-{ID}"
    new.mkdir(mode=0o750)
    fill(new, "new")
    (new / "only new").write_text("y")
    (made / ".opslib-new-s0-run1").mkdir()  # of another part of the same run
    return made


PATHS = ([], ["a", ODD, "sub", "only old", "only new", "neither"], ["sub/deep/b"])


@pytest.mark.parametrize("paths", PATHS, ids=["whole", "paths", "nested"])
def test_there_and_back(folder: Path, paths: list[str]) -> None:
    old = see(folder)
    assert bash(exchange.SWAP, folder, ID, *paths).returncode == 0
    swapped = see(folder)
    assert swapped["sub/deep/b"] == "new sub/deep/b"
    if not paths:
        assert swapped["only new"] == "y"
        assert "only old" not in swapped
        assert folder.stat().st_mode & 0o777 == 0o750
    assert bash(exchange.SWAP, folder, ID, *paths).returncode == 0  # again: nothing more
    assert see(folder) == swapped
    assert bash(exchange.MOVED, folder, ID).stdout == b"moved\n"
    assert bash(exchange.BACK, folder, ID, *paths).stdout == b"moved\n"
    assert see(folder) == old
    assert folder.stat().st_mode & 0o777 == 0o751
    assert bash(exchange.BACK, folder, ID, *paths).stdout == b""
    assert see(folder) == old
    assert bash(exchange.SWAP, folder, ID, *paths).returncode == 0
    assert bash(exchange.CLEAN, folder, ID).returncode == 0
    assert see(folder) == swapped
    assert [name for name in os.listdir(folder) if name.startswith(".opslib-")] == [".opslib-new-s0-run1"]


@pytest.mark.parametrize("paths", PATHS[:2], ids=["whole", "paths"])
@pytest.mark.parametrize("stop", range(1, 13))
def test_killed_anywhere(folder: Path, paths: list[str], stop: int) -> None:
    old = see(folder)
    bash(exchange.SWAP, folder, ID, *paths, stop_at=stop)
    bash(exchange.BACK, folder, ID, *paths, stop_at=stop % 5 + 1)  # the way back is killed too
    assert bash(exchange.BACK, folder, ID, *paths).returncode == 0
    assert see(folder) == old
    assert (folder / f".opslib-new-{ID}/sub/deep/b").read_text() == "new sub/deep/b"
    assert bash(exchange.DISCARD, folder, ID).returncode == 0
    assert not (folder / f".opslib-new-{ID}").exists()
