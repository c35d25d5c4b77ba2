"""A project, and a crontab program that keeps its text in a file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

CRONTAB = """#!/bin/bash
file=$HOME/spool
case $1 in
  -l) [ -e "$file" ] || { echo "no crontab for $USER" >&2; exit 1; }; cat "$file" ;;
  -) cat >"$file" ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root, bin_folder = tmp_path / "my app", tmp_path / "bin"
    (root / "hosts").mkdir(parents=True)
    (root / "compose.yml").write_text("services: {}\n")
    bin_folder.mkdir()
    program(bin_folder / "crontab", CRONTAB)
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("OPSLIB_")]:
        monkeypatch.delenv(name)
    return root


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
