"""The line in the crontab that renews certificates: the rest of it stays, whatever happens."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from opslib.certbot.renewal import _CRON, renew_text
from opslib.settings.model import Host
from opslib.settings.sites import Certbot

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


@pytest.fixture
def renew(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    script = tmp_path / "renew"
    (tmp_path / "folder/reload").write_text(": >>reloaded\n")
    certbot = tmp_path / "certbot"  # none that could ask for something
    certbot.write_text('#!/bin/sh\necho "$@" >>"${0%/*}/asked"\n')
    certbot.chmod(0o755)
    host = Host(name="local", path=str(tmp_path), certbot=Certbot(command=(str(certbot),)))
    script.write_text(renew_text(host, str(tmp_path), f"{tmp_path}/folder"))
    return script


def renewed(script: Path) -> tuple[int, bool]:
    """The exit code, and whether certbot was asked and the proxy had to reload."""
    done = subprocess.run(["bash", str(script)], cwd=script.parent, capture_output=True, text=True)
    did = {name: (script.parent / name).exists() for name in ("asked", "reloaded")}
    assert did["asked"] == did["reloaded"]
    return done.returncode, did["asked"]


def test_while_another_one_renews_nothing_is_done(renew: Path) -> None:
    with subprocess.Popen(
        ["flock", f"{renew.parent}/folder/renew.lock", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin and other.stdout
        other.stdin.write(b"x\n")
        other.stdin.flush()
        assert other.stdout.read(1) == b"x"  # it has the lock
        assert renewed(renew) == (0, False)
        other.stdin.close()
    assert renewed(renew) == (0, True)


def test_a_lock_that_cannot_be_had_is_no_success(renew: Path) -> None:
    (renew.parent / "folder/renew.lock").mkdir()
    assert renewed(renew) == (1, False)
