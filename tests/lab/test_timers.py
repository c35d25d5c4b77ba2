"""A real systemd runs what `inv cron.install` gave it: the manager of a user, in namespaces of its own, where it finds
nothing of the machine's and the user is called 1000. PID 1 may be anything."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing

pytestmark = pytest.mark.lab

INV = str(Path(sys.executable).with_name("inv"))
CRONTAB = '#!/bin/sh\n[ "$1" = -l ] && { cat "$HOME/tab" 2>/dev/null || :; } || cat >"$HOME/tab"\n'
MANAGER = "/usr/lib/systemd/systemd"
# $1: the name of a control group of its own, which it may write to
_ALONE = f"""set -e; mount --make-rprivate /; mount -t tmpfs tmpfs /run
for top in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
  [ -e "$top/cgroup.procs" ] || continue
  mkdir "$top/$1"; chmod 755 "$top/$1"; echo $$ >"$top/$1/cgroup.procs"
done
mkdir -p /run/systemd/system /run/user/1000; chmod 700 /run/user/1000
exec unshare --user --map-user=1000 --map-group=1000 {MANAGER} --user --unit=timers.target"""


class Systemd:
    """The manager, and commands beside it."""

    def __init__(self, home: Path) -> None:
        for program in (MANAGER, "systemctl", "unshare", "nsenter"):
            if shutil.which(program) is None:
                missing(f"no {program} here: apt-get install systemd util-linux")
        if os.getuid() != 0:
            missing("only root can give a systemd a machine of its own")
        (home / "crontab").write_text(CRONTAB)
        (home / "crontab").chmod(0o755)
        self._environ = {
            **os.environ, "HOME": str(home), "USER": "somebody", "XDG_RUNTIME_DIR": "/run/user/1000",
            "PATH": f"{home}:{os.environ['PATH']}",
        }  # fmt: skip
        self._group = f"opslib-test-{os.getpid()}"
        alone = ["unshare", "--mount", "bash", "-c", _ALONE, "opslib", self._group]
        self._manager = subprocess.Popen(alone, env=self._environ)
        try:
            until(lambda: self.run("systemctl", "--user", "is-active", "timers.target").stdout == "active\n", 20)
        except BaseException:
            self.stop()
            raise

    def run(self, *argv: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program where the manager is."""
        spaces = ["--mount", "--user", "--preserve-credentials", f"--target={self._manager.pid}"]
        inside = ["nsenter", *spaces, f"--wdns={cwd or '/'}", *argv]
        return subprocess.run(inside, env=self._environ, capture_output=True, text=True, check=False)

    def stop(self) -> None:
        self._manager.send_signal(signal.SIGTERM)
        self._manager.wait(30)
        for group in Path("/sys/fs/cgroup").glob(f"**/{self._group}"):
            subprocess.run(["find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], check=True)


def until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    (tmp_path / "home").mkdir()
    manager = Systemd(tmp_path / "home")
    yield manager
    manager.stop()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "my 50% $app"
    (root / "hosts").mkdir(parents=True)
    (root / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
    (root / "notes.txt").write_text("keep me\n")
    schedule(root, "0 2 * * *")
    return root


def schedule(root: Path, when: str, more: str = "", scheduler: str = "systemd") -> None:
    text = f'scheduler: {scheduler}, random_delay: 0s, sources: [{{files: {{paths: [notes.txt]}}}}], schedule: "{when}"'
    (root / "hosts/local.yml").write_text(f"backup: {{{text}{more}}}\n")


def test_timers_are_installed_catch_up_and_go(systemd: Systemd, project: Path, tmp_path: Path) -> None:
    def inv(*words: str) -> dict[str, Any]:
        done = systemd.run(INV, *words, "--json", cwd=project)
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)["hosts"][0]
        return found

    def sets() -> int:
        return len(inv("backup.list")["result"]["sets"])

    then = datetime.now().astimezone() - timedelta(hours=3)
    schedule(project, f"{then.minute} {then.hour} * * *")
    assert inv("cron.install", "--plan")["result"]["changed"] is True
    assert inv("cron.show")["result"]["installed"] is False
    first = inv("cron.install")
    (job,) = first["result"]["jobs"]
    assert (first["changed"], first["result"]["scheduler"], first["result"]["catch_up"]) == (True, "systemd", True)
    following = datetime.fromisoformat(job["next"])
    assert following - then == pytest.approx(timedelta(days=1), abs=timedelta(minutes=1))
    assert inv("cron.install")["changed"] is False
    assert sets() == 0, "what is new is not overdue"

    timer = job["unit"]
    (stamp,) = (tmp_path / "home/.local/share/systemd/timers").iterdir()
    assert systemd.run("systemctl", "--user", "stop", timer).returncode == 0
    os.utime(stamp, (time.time() - 2 * 86400,) * 2)  # as a machine that was off for two days
    assert systemd.run("systemctl", "--user", "start", timer).returncode == 0
    until(lambda: sets() == 1, 60)
    service = timer.replace(".timer", ".service")
    until(lambda: systemd.run("systemctl", "--user", "is-active", service).stdout == "inactive\n", 30)
    result = systemd.run("systemctl", "--user", "show", service, "--property=Result,TimeoutStartUSec,KillMode").stdout
    assert set(result.split()) == {"Result=success", "TimeoutStartUSec=1d", "KillMode=mixed"}

    earlier = then - timedelta(hours=1)
    schedule(project, f"{earlier.minute} {earlier.hour} * * *")
    shown = systemd.run(INV, "cron.show", cwd=project).stdout
    assert "the host file says otherwise by now" in shown
    assert re.search(r"backup\.all: \d+ \d+ \* \* \*; next ", shown)
    assert systemd.run("systemctl", "--user", "stop", timer).returncode == 0
    os.utime(stamp, (time.time() - 2 * 86400,) * 2)
    assert inv("cron.install")["changed"] is True
    assert systemd.run("systemctl", "--user", "is-active", timer).stdout == "active\n"
    active = systemd.run("systemctl", "--user", "is-active", service).stdout
    assert (active, sets()) == ("inactive\n", 1), "what is new is not overdue, whatever the old one was"

    units, tab = tmp_path / "home/.config/systemd/user", tmp_path / "home/tab"
    schedule(project, "0 2 * * *", scheduler="crontab")
    assert inv("cron.install")["result"]["scheduler"] == "crontab"
    assert list(units.glob("opslib-*")) == []
    assert "backup.all --host local" in tab.read_text()
    schedule(project, "0 2 * * *", ", catch_up: no")
    assert inv("cron.install")["result"]["scheduler"] == "systemd"
    assert tab.read_text() == ""

    assert inv("cron.remove", "--yes")["changed"] is True
    assert list(stamp.parent.iterdir()) == []
    assert list(units.glob("opslib-*")) == []
    assert inv("cron.show")["result"]["installed"] is False
    assert timer not in systemd.run("systemctl", "--user", "list-timers", "--all").stdout
