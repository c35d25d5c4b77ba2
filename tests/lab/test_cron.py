"""A real cron daemon runs what `inv cron.install` put into a real crontab.

The daemon and `inv` run in a mount namespace of their own, where the folder of the crontabs is empty: those of the
machine are neither seen nor touched.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from opslib.target.transfer import put_bytes
from tests.conftest import Place, missing
from tests.listener import Listener

pytestmark = pytest.mark.lab

INV = str(Path(sys.executable).with_name("inv"))
OTHERS = '# somebody else\'s\nMAILTO=""\n17 3 * * 0 true 100\\% "quoted"\n'

# Debian's own jobs stay out as well; the pid file of a cron of the machine is covered.
_ALONE = """set -e; mount --make-rprivate /
for d in /var/spool/cron/crontabs /etc/cron.d; do mount -t tmpfs -o mode=1730 tmpfs "$d"; done
chgrp crontab /var/spool/cron/crontabs; [ ! -e /etc/crontab ] || mount --bind /dev/null /etc/crontab
mount -t tmpfs tmpfs /run/lock; touch /run/lock/crond.pid; mount --bind /run/lock/crond.pid /run/crond.pid
exec cron -f"""


class Cron:
    """The daemon, and commands in its namespace."""

    def __init__(self, home: Path) -> None:
        for program in ("cron", "crontab", "unshare", "nsenter"):
            if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
                missing(f"no {program} here: apt-get install cron util-linux")
        if os.getuid() != 0:
            missing("only root can run a cron of its own")
        self._pid_file = None if Path("/run/crond.pid").exists() else Path("/run/crond.pid")
        Path("/run/crond.pid").touch()
        self.home = home
        self._daemon = subprocess.Popen(["unshare", "--mount", "bash", "-c", _ALONE], env=self._environ())
        deadline = time.monotonic() + 10
        while self._comm() != "cron" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self._comm() == "cron"

    @property
    def inside(self) -> tuple[str, ...]:
        """What starts a program where the daemon is."""
        return ("nsenter", f"--mount=/proc/{self._daemon.pid}/ns/mnt")

    def run(self, *argv: str, feed: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program where the daemon is."""
        inside = [*self.inside, f"--wdns={cwd or '/'}", *argv]
        return subprocess.run(inside, input=feed, env=self._environ(), capture_output=True, text=True, check=False)

    def stop(self) -> None:
        self._daemon.send_signal(signal.SIGTERM)
        self._daemon.wait(10)
        if self._pid_file is not None:
            self._pid_file.unlink(missing_ok=True)

    def _environ(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.home), "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}

    def _comm(self) -> str:
        assert self._daemon.poll() is None, "cron has ended"
        return Path(f"/proc/{self._daemon.pid}/comm").read_text().strip()


@pytest.fixture
def cron(tmp_path: Path) -> Iterator[Cron]:
    home = tmp_path / "home"
    home.mkdir()
    daemon = Cron(home)
    yield daemon
    daemon.stop()


@pytest.fixture
def project(tmp_path: Path, place: Place, listener: Listener, request: pytest.FixtureRequest) -> Path:
    """A project with a file to back up, on the machine that `place` is on, and with signals."""
    root = tmp_path / "my 50% app"
    (root / "hosts").mkdir(parents=True)
    (root / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
    where = f"address: one\npath: {json.dumps(place.host.path)}\n" if place.kind == "ssh" else ""
    (tmp_path / "metrics").mkdir()
    (root / "hosts/there.yml").write_text(
        f"{where}backup:\n  sources: [{{files: {{paths: [notes.txt]}}}}]\n"
        '  schedule: {all: "* * * * *", verify: "@yearly"}\n  random_delay: 2s\n'
        f"  signals: {{ping: '${{PING}}', metrics: {json.dumps(str(tmp_path / 'metrics'))}}}\n"
    )
    env = [f"PING=http://{listener.address}/ping"]
    if place.kind == "ssh":
        prefix = request.getfixturevalue("lab")["images_prefix"]
        (root / "compose.yml").write_text(f"services: {{idle: {{image: {prefix}busybox:1}}}}\n")
        env.append(f"OPSLIB_TOOLS_BASE={prefix}debian:bookworm-slim")
    (root / ".env").write_text("\n".join([*env, ""]))
    target = place.connect()
    folder = str(root) if place.kind == "local" else target.root
    put_bytes(target, b"keep me\n", f"{folder}/notes.txt", mode=0o644)
    target.close()
    return root


def test_cron_makes_a_backup_set_and_tells(cron: Cron, project: Path, listener: Listener, tmp_path: Path) -> None:
    assert cron.run("crontab", "-", feed=OTHERS).returncode == 0
    second = int(time.time())  # cron sees no change that comes in the same second as the one before
    while int(time.time()) == second:
        time.sleep(0.05)
    for _ in range(2):
        done = cron.run(INV, "cron.install", "--host", "there", cwd=project)
        assert done.returncode == 0, done.stderr
    assert "no cron daemon" not in done.stdout
    assert cron.run("crontab", "-l").stdout.count("backup.all --host there") == 1
    deadline = time.monotonic() + 75
    sets = ""
    while "files" not in sets and time.monotonic() < deadline:
        time.sleep(1)
        sets = cron.run(INV, "backup.list", "--host", "there", cwd=project).stdout
    (log,) = (cron.home / ".local/state/opslib").glob("*.log")
    assert "files" in sets, log.read_text()
    shown = cron.run(INV, "cron.show", cwd=project).stdout
    assert "backup.all: * * * * *" in shown
    assert "backup.verify: @yearly" in shown
    assert cron.run(INV, "cron.remove", "--host", "there", "--yes", cwd=project).returncode == 0
    assert cron.run("crontab", "-l").stdout == OTHERS
    deadline = time.monotonic() + 30
    while "/ping" not in listener.paths and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "backup.all on there: done" in log.read_text()
    assert listener.paths[:2] == ["/ping/start", "/ping"]
    assert "backup.all on there: done" in listener.heard[1][1]
    deadline = time.monotonic() + 10
    while not list((tmp_path / "metrics").glob("*.prom")) and time.monotonic() < deadline:
        time.sleep(0.1)
    (file,) = (tmp_path / "metrics").glob("*.prom")
    found = {one.name: one.samples for one in text_string_to_metric_families(file.read_text())}
    assert [sample.value for sample in found["opslib_task_last_run_exit_code"]] == [0]
    assert [sample.labels["source"] for sample in found["opslib_backup_size_bytes"]] == ["notes.txt"]


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_what_was_missed_is_caught_up_once(cron: Cron, project: Path) -> None:
    """The crontab as it would be had it been installed two days ago, on a machine that was off three hours ago."""
    now = datetime.now().astimezone()
    then, installed = now - timedelta(hours=3), now - timedelta(days=2)
    file = project / "hosts/there.yml"
    file.write_text(
        file.read_text().replace('{all: "* * * * *", verify: "@yearly"}', f'"{then.minute} {then.hour} * * *"')
    )
    assert cron.run(INV, "cron.install", "--host", "there", cwd=project).returncode == 0
    lines = cron.run("crontab", "-l").stdout
    lines = re.sub(r"(?m)^[0-9,]+ (\* \* \* \* .* cron\.catchup )", r"* \1", lines)
    lines = re.sub(
        r"(?m)^# what is due after \S+", f"# what is due after {installed.isoformat(timespec='seconds')}", lines
    )
    assert cron.run("crontab", "-", feed=lines).returncode == 0
    shown = cron.run(INV, "cron.catchup", "--host", "there", "--plan", cwd=project).stdout
    assert "backup.all was due at" in shown
    deadline = time.monotonic() + 200  # up to a minute until cron comes, and one in which it waits for others
    sets = ""
    while "files" not in sets and time.monotonic() < deadline:
        time.sleep(2)
        sets = cron.run(INV, "backup.list", "--host", "there", cwd=project).stdout
    (log,) = (cron.home / ".local/state/opslib").glob("*.log")
    assert "files" in sets, log.read_text()
    assert "nothing was missed" in cron.run(INV, "cron.catchup", "--host", "there", "--plan", cwd=project).stdout


@pytest.mark.parametrize("place", ["ssh"], indirect=True)
def test_a_server_without_python_keeps_no_schedule(cron: Cron, project: Path) -> None:
    done = cron.run(INV, "cron.install", "--host", "there", "--there", cwd=project)
    assert done.returncode == 1, done.stdout
    assert "there is no Python 3.10 or newer there, and opslib needs it" in done.stderr
    assert "python3-venv" in done.stderr
    assert "nothing is installed there" in cron.run(INV, "cron.show", "--host", "there", "--there", cwd=project).stdout


@pytest.mark.parametrize("place", ["ssh"], indirect=True)
def test_a_key_that_needs_a_person_is_refused(
    cron: Cron, project: Path, tmp_path: Path, ssh_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", str(key)], check=True)
    config = tmp_path / "ssh_config"
    lines = [line for line in ssh_config.read_text().split("\n") if "IdentityFile" not in line]
    config.write_text("\n".join(lines).replace("Host one", f"Host one\n  IdentityFile {key}", 1))
    monkeypatch.setenv("OPSLIB_SSH_CONFIG", str(config))
    done = cron.run(INV, "cron.install", "--host", "there", cwd=project)
    assert done.returncode == 1, done.stdout
    assert "cron could not log in" in done.stderr
    assert "IdentityFile" in done.stderr
    assert cron.run("crontab", "-l").stdout == ""
