"""The line in the crontab that renews certificates: the rest of it stays, whatever happens."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from opslib.certbot.renewal import _CRON

CRONTAB = """#!/bin/bash
tab=TAB
case $1 in
  -l) [[ ! -e $tab.broken ]] || { echo 'crontab: cannot open the spool' >&2; exit 1; }
      [[ -e $tab ]] && exec cat "$tab"; echo 'no crontab for me' >&2; exit 1 ;;
  *) cp "$1" "$tab" ;;
esac
"""
MINE = "0 1,13 * * * bash x/renew # opslib-certbot shop"
END = "# opslib-certbot shop"


@pytest.fixture
def tab(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/crontab"
    program.write_text(CRONTAB.replace("TAB", str(tmp_path / "tab")))
    program.chmod(0o755)
    return tmp_path / "tab"


def set_line(tab: Path, line: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PATH": f"{tab.parent}/bin:{os.environ['PATH']}"}
    return subprocess.run(["bash", "-c", _CRON, "opslib", END, line], env=environ, capture_output=True, text=True)


def test_the_line_is_put_there_replaced_and_taken_away(tab: Path) -> None:
    assert set_line(tab, MINE).returncode == 0
    assert tab.read_text() == f"{MINE}\n"
    theirs = "# a comment\n\n*/5 * * * *  echo 100\\% \\n  \n@reboot other # opslib-certbot shop2\n"
    tab.write_text(f"{theirs}0 2 * * * old {END}\n")
    assert set_line(tab, MINE).returncode == 0
    assert tab.read_text() == f"{theirs}{MINE}\n"
    assert set_line(tab, "").returncode == 0
    assert tab.read_text() == theirs


def test_a_crontab_that_cannot_be_read_is_not_replaced(tab: Path) -> None:
    tab.write_text("0 3 * * * backup\n")
    Path(f"{tab}.broken").touch()
    done = set_line(tab, MINE)
    assert (done.returncode, "cannot open the spool" in done.stderr) == (1, True)
    assert tab.read_text() == "0 3 * * * backup\n"
