"""What happens when the line, the controller or the lock is not there, seen from the command line as a user sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.command import bash
from opslib.settings.model import Host
from opslib.settings.units import Address
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.lock import locked
from tests.conftest import ROOT

pytestmark = pytest.mark.lab
INV = Path(sys.executable).parent / "inv"
MARK = "S3cretMark"
PASSWORD = f"-{MARK} 'q \" $x é"
COMPOSE = """
services:
  web:
    image: ${IMAGES}busybox:1
    init: true
    stop_grace_period: 1s
    command: [sh, -c, 'mkdir -p /www; echo "$$COLOR" >/www/color; exec httpd -f -p 8000 -h /www']
    environment: {COLOR: "${COLOR}"}
    healthcheck: {test: [CMD-SHELL, 'test "$$COLOR" != never'], interval: 1s, timeout: 5s, retries: 100}
  db:
    image: ${IMAGES}postgres:15
    stop_grace_period: 5s
    environment: {POSTGRES_USER: app, POSTGRES_DB: app, POSTGRES_PASSWORD: "${DB_PASSWORD:?}"}
    volumes: ["db:/var/lib/postgresql/data"]
    healthcheck: {test: [CMD, pg_isready, -U, app, -d, app], interval: 1s, timeout: 5s, retries: 30}
volumes: {db: {}}
"""


class Site:
    """A project with its host `there`, used through `inv`."""

    def __init__(self, root: Path, server: dict[str, Any], images: str) -> None:
        self.root, self.images = root, images
        self.name = f"flt{uuid.uuid4().hex[:8]}"
        self.config = root / "ssh_config"
        self.config.write_text(
            f"Host faults\n HostName {server['address']}\n Port {server['port']}\n User {server['user']}\n"
            f" IdentityFile {server['key']}\n IdentitiesOnly yes\n UserKnownHostsFile {server['known_hosts']}\n"
        )
        (root / "hosts").mkdir()
        (root / "hosts/there.yml").write_text(
            f"address: faults\npath: {self.name}\nproject: {self.name}\nenv_file: .env\n"
            "deploy: {timeout: 120s, stable: 1s}\n"
        )
        (root / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
        (root / "compose.yml").write_text(COMPOSE)
        (root / ".gitignore").write_text(".env\nssh_config\n")
        self.env("blue")
        git = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.com"]
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
            subprocess.run([*git, *words], check=True)
        os.environ["OPSLIB_SSH_CONFIG"] = str(self.config)
        self.target: Target = connect(Host(name="there", path=self.name, address=Address("faults")))

    def env(self, color: str) -> None:
        quoted = PASSWORD.replace("'", "\\'")
        (self.root / ".env").write_text(
            f"IMAGES={self.images}\nCOLOR={color}\nDB_PASSWORD='{quoted}'\nOPSLIB_SSH_CONFIG={self.config}\n"
            f"OPSLIB_TOOLS_BASE={self.images}debian:bookworm-slim\n"
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(INV), *words], cwd=self.root, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def inv(self, *words: str, code: int = 0, seconds: float = 200) -> str:
        process = self.start(*words)
        out, _ = process.communicate(timeout=seconds)
        assert process.returncode == code, out
        return out

    def served(self) -> str:
        """What the web service answers, asked inside the server, whatever the state of the line."""
        return inside(
            f"c=$(docker ps -q -f label=com.docker.compose.project={self.name} "
            "-f label=com.docker.compose.service=web) && docker exec $c wget -qO- http://127.0.0.1:8000/color"
        )

    def down(self) -> None:
        label = f"label=com.docker.compose.project={self.name}"
        script = "for k in container volume network; do "
        script += f"f=$(docker $k ls -q $([ $k = container ] && echo -a) -f {label}); "
        script += '[ -z "$f" ] || docker $k rm $([ $k = container ] && echo -fv) $f; done; '
        inside(script + f"rm -rf /home/deploy/{self.name}")


def inside(script: str) -> str:
    """A shell text run in the server's container, not over the line; empty when it fails."""
    done = subprocess.run(
        ["docker", "exec", "opslib-lab-faults", "bash", "-c", script], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def fault(kind: str) -> None:
    subprocess.run([str(ROOT / "scripts/lab"), "fault", "faults", kind], check=True, capture_output=True)


def until(what: Any, seconds: float, why: str) -> float:
    """Wait for a condition; the seconds that it took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, why
        time.sleep(0.5)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def server(lab: dict[str, Any]) -> dict[str, Any]:
    """A server of these tests' own: what they do to it would disturb the others."""
    done = subprocess.run(
        [str(ROOT / "scripts/lab"), "server", "faults", "--images", "busybox,postgres,debian", "--yes", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = next(one for one in json.loads(done.stdout)["servers"] if one["name"] == "faults")
    return found


@pytest.fixture
def site(server: dict[str, Any], lab: dict[str, Any], tmp_path: Path) -> Iterator[Site]:
    before = os.environ.get("OPSLIB_SSH_CONFIG")
    made = Site(tmp_path, server, lab["images_prefix"])
    yield made
    made.target.close()
    fault("heal")
    made.down()
    if before is not None:
        os.environ["OPSLIB_SSH_CONFIG"] = before


def test_the_line_is_cut_in_the_middle_of_a_deploy(site: Site) -> None:
    site.inv("deploy", "--host", "there")
    assert site.served() == "blue"
    site.env("never")  # its check never passes: the deploy waits, the old containers are gone
    deploy = site.start("deploy", "--host", "there", "--yes")
    until(lambda: site.served() == "never", 90, "the new version did not start")
    fault("cut")
    took = until(lambda: site.served() == "blue", 75, "nobody brought the old release back")
    assert took < 60
    fault("heal")
    deploy.communicate(timeout=180)
    assert deploy.returncode == 1
    site.env("green")
    site.inv("deploy", "--host", "there", "--wait", "2m", "--yes")
    assert site.served() == "green"


def test_the_controller_is_killed_in_the_middle_of_a_deploy(site: Site) -> None:
    site.inv("deploy", "--host", "there")
    site.env("never")
    deploy = site.start("deploy", "--host", "there", "--yes")
    until(lambda: site.served() == "never", 90, "the new version did not start")
    deploy.kill()
    deploy.communicate()
    until(lambda: site.served() == "blue", 60, "nobody brought the old release back")
    site.env("green")
    said = site.inv("deploy", "--host", "there", "--wait", "2m", "--yes")
    assert "left half done" in said
    assert site.served() == "green"
    assert inside(f"docker ps -aq -f label=com.docker.compose.project={site.name} | wc -l") == "2"


def test_two_at_once_the_second_names_the_first(site: Site) -> None:
    site.inv("deploy", "--host", "there")
    with locked(site.target, run="other", holder="anna@desk: deploy, since noon"):
        said = site.inv("backup.all", "--host", "there", code=4)
        assert "anna@desk: deploy, since noon" in said
        waiting = site.start("backup.all", "--host", "there", "--wait", "60s")
        line = ""
        assert waiting.stdout is not None
        while "waiting" not in line:
            line = waiting.stdout.readline()
            assert line, "it did not say that it waits"
        assert "anna@desk" in line
    out, _ = waiting.communicate(timeout=100)
    assert waiting.returncode == 0, out


class Watch(threading.Thread):
    """Reads every command line of this machine; those of the lab's servers and their containers are among them."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[str] = set()
        self.rounds = 0
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.005):
            self.rounds += 1
            for pid in os.listdir("/proc"):
                if pid.isdigit():
                    try:
                        self.seen.add(Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace"))
                    except OSError:
                        continue

    def end(self) -> set[str]:
        self._over.set()
        self.join()
        return self.seen


def test_no_password_in_any_argv_log_journal_or_error(site: Site) -> None:
    watch = Watch()
    watch.start()
    said = [site.inv("deploy", "--host", "there"), site.inv("backup.all", "--host", "there", "--json")]
    said.append(site.inv("restore", "--host", "there", "--file", "latest", "--yes", seconds=300))
    said += [site.inv("ps", "--host", "there", "--json"), site.inv("releases", "--host", "there", "--json")]
    said.append(site.inv("deploy", "--host", "there", "--plan", "--debug"))
    web = f"docker ps -q -f label=com.docker.compose.project={site.name} -f label=com.docker.compose.service=db"
    site.target.run(bash(f'docker stop -t 1 "$({web})"'))
    said.append(site.inv("backup.postgres", "--host", "there", code=1))
    seen = watch.end()
    assert watch.rounds > 50
    assert any("pg_dump" in line for line in seen)
    assert [line for line in seen if MARK in line] == []
    assert [text for text in said if MARK in text] == []
    kept = site.target.run(bash('grep -rlF -- "$2" "$1"/.opslib "$1"/backups || true', site.target.root, MARK)).lines
    assert [name for name in kept if not name.endswith(("/env", "/stack.yml"))] == [], (
        "only a release's own files hold it"
    )
    modes = site.target.run(
        bash('find "$1" -name env -o -name .env -o -name stack.yml | xargs stat -c %a', site.target.root)
    ).lines
    assert set(modes) == {"600"}
