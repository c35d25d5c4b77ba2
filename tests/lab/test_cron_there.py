"""`inv cron.install --there` over a real sshd: opslib gets an environment of its own there, and a real cron runs it. That
machine is this one, with a home, a crontab and a project's folder of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.test_cron import OTHERS, Cron
from tests.listener import Listener
from tests.target.sshd import Sshd, new_key

pytestmark = pytest.mark.lab

INV = str(Path(sys.executable).with_name("inv"))


class There:
    """The project here, and the machine that it backs up."""

    def __init__(self, folder: Path, sshd: Sshd) -> None:
        self.root, self.path, self.home = folder / "here/my 50% app", folder / "srv/my app", folder / "there"
        config = folder / "ssh_config"
        (folder / "known_hosts").write_text(sshd.known_line())
        config.write_text(
            f"Host prod\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User {sshd.user}\n  IdentityFile {folder}/key\n"
            f"  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known_hosts\n"
        )
        self.environ = {**os.environ, "OPSLIB_SSH_CONFIG": str(config), "PING": "set in the shell"}
        (self.root / "hosts").mkdir(parents=True)
        (self.root / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
        self.path.mkdir(parents=True)
        (self.path / "notes.txt").write_text("keep me\n")

    def inv(self, *words: str, code: int = 0) -> dict[str, Any]:
        done = subprocess.run(
            [INV, *words, "--host", "prod", "--there", "--json"], cwd=self.root, env=self.environ,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)["hosts"][0]
        return {**found, "said": done.stderr}


@pytest.fixture
def cron(tmp_path: Path) -> Iterator[Cron]:
    home = tmp_path / "there"
    home.mkdir()
    daemon = Cron(home)
    yield daemon
    daemon.stop()


@pytest.fixture
def there(cron: Cron, tmp_path: Path) -> Iterator[There]:
    key = new_key(tmp_path / "key")
    sshd = Sshd(tmp_path / "sshd", [key], lines=f"SetEnv HOME={cron.home}", inside=cron.inside)
    yield There(tmp_path, sshd)
    sshd.stop()


def test_it_is_installed_there_and_needs_nothing_of_here(cron: Cron, there: There, listener: Listener) -> None:
    assert cron.run("crontab", "-", feed=OTHERS).returncode == 0
    host = there.root / "hosts/prod.yml"
    host.write_text(
        f"address: prod\npath: {json.dumps(str(there.path))}\nbackup:\n  sources: [{{files: {{paths: [notes.txt]}}}}]\n"
        "  schedule: '* * * * *'\n  signals: {ping: '${PING}'}\n"
    )
    there.environ["PING"] = f"http://{listener.address}/ping"
    planned = there.inv("cron.install", "--plan")["result"]
    assert (planned["installed"], planned["changed"], planned["variables"]) == (False, True, ["PING"])
    assert planned["files"] == ["tasks.py", "hosts/prod.yml", ".env"]
    assert not Path(planned["there"]).exists()

    first = there.inv("cron.install")
    env = Path(first["result"]["there"], first["result"]["environment"])
    assert first["changed"]
    assert "PING: their values go to" in first["said"]
    assert f"{env.name}/bin/inv' backup.all --host prod --yes" in first["result"]["line"]
    secrets = env.parent / there.root.name / ".env"
    assert secrets.stat().st_mode & 0o777 == 0o600
    assert listener.address in secrets.read_text()
    again = there.inv("cron.install")
    assert (again["changed"], again["result"]["files"]) == (False, [])
    assert there.inv("cron.show")["result"]["jobs"][0]["task"] == "backup.all"

    gone = there.root.parent.rename(there.root.parent.with_name("gone"))
    deadline = time.monotonic() + 90
    while "/ping" not in listener.paths and time.monotonic() < deadline:
        time.sleep(0.5)
    (log,) = (cron.home / ".local/state/opslib").glob("*.log")
    assert listener.paths[:2] == ["/ping/start", "/ping"], log.read_text()
    assert "backup.all on prod: done" in listener.heard[1][1]
    assert len(list(there.path.glob("backups/*/manifest.json"))) >= 1
    gone.rename(there.root.parent)

    host.write_text(host.read_text().replace("* * * * *", "0 2 * * *"))
    changed = there.inv("cron.install")["result"]
    assert (changed["files"], changed["new_environment"]) == (["hosts/prod.yml"], False)
    assert changed["schedule"] == "0 2 * * *"
    (there.root / "tasks.py").write_text("import opslib\nimport only_here\n\nns = opslib.namespace()\n")
    (there.root / "only_here.py").write_text("")
    refused = there.inv("cron.install", code=1)["error"]
    assert "only_here" in refused["what"]
    assert re.search(r"inside the tasks", refused["next"])
    (there.root / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
    assert there.inv("cron.show")["result"]["schedule"] == "0 2 * * *", "what was there goes on"
    removed = there.inv("cron.remove", "--yes")
    assert (removed["changed"], removed["result"]["left"]) == (True, [str(env.parent)])
    assert cron.run("crontab", "-l").stdout == OTHERS
