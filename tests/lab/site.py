"""A small project used through `inv` as a person uses it, with a host on a server of the lab or on this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opslib.settings.model import Host
from opslib.settings.units import Address
from opslib.target.base import Target
from opslib.target.connect import connect
from tests.conftest import ROOT

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
    healthcheck:
      {test: [CMD-SHELL, 'test "$$COLOR" != never'], interval: 30s, start_period: 99s, start_interval: 500ms}
  db:
    image: ${IMAGES}postgres:15
    stop_grace_period: 5s
    environment: {POSTGRES_USER: app, POSTGRES_DB: app, POSTGRES_PASSWORD: "${DB_PASSWORD:?}"}
    volumes: ["db:/var/lib/postgresql/data"]
    healthcheck: {test: [CMD, pg_isready, -h, 127.0.0.1, -U, app, -d, app], interval: 30s, start_period: 99s, start_interval: 500ms}
volumes: {db: {}}
"""


# The new web is made and the old one gone, and it waits for the gate: between stop and start for as long as is wanted.
GATED = COMPOSE.replace(
    "services:",
    """services:
  gate:
    image: ${IMAGES}busybox:1
    init: true
    stop_grace_period: 1s
    command: [sleep, "100000"]
    environment: {COLOR: "${COLOR}"}
    healthcheck:
      {test: [CMD-SHELL, 'test "$$COLOR" != shut'], interval: 30s, start_period: 99s, start_interval: 500ms}""",
).replace("  web:\n", "  web:\n    depends_on: {gate: {condition: service_healthy}}\n")


LABEL = "com.docker.compose"
HOLDER = "pg_sleep(3600)"
"""In the SQL of a test that holds a lock."""


class Site:
    """A project with its host `there`: on a server of the lab, or on this machine (`server` None), in its own folder.

    `settings` are more lines of the host file.
    """

    def __init__(
        self, root: Path, images: str, server: dict[str, Any] | None, *, compose: str = COMPOSE, settings: str = ""
    ) -> None:
        self.root, self.images, self.server = root, images, server
        self.name = f"flt{uuid.uuid4().hex[:8]}"
        self.config = root / "ssh_config"
        self.config.write_text(ssh_config(server) if server else "")
        where = f"address: {server['name']}\npath: {self.name}\n" if server else ""
        (root / "hosts").mkdir()
        (root / "hosts/there.yml").write_text(
            f"{where}project: {self.name}\nenv_file: .env\n{settings or 'deploy: {timeout: 120s, stable: 1s}'}\n"
        )
        (root / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
        (root / "compose.yml").write_text(compose)
        (root / ".gitignore").write_text(".env\nssh_config\n.opslib/\nbackups/\n")
        self.env("blue")
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
            self.git(*words)
        self.use()
        path, address = (self.name, Address(server["name"])) if server else (str(root), None)
        self.target: Target = connect(Host(name="there", path=path, address=address))

    def use(self) -> None:
        """Make its server the one that names are looked up for."""
        os.environ["OPSLIB_SSH_CONFIG"] = str(self.config)

    def env(self, color: str) -> None:
        """Write the env file."""
        quoted = PASSWORD.replace("'", "\\'")
        (self.root / ".env").write_text(
            f"IMAGES={self.images}\nCOLOR={color}\nDB_PASSWORD='{quoted}'\nOPSLIB_SSH_CONFIG={self.config}\n"
            f"OPSLIB_TOOLS_BASE={self.images}debian:bookworm-slim\n"
        )

    def git(self, *words: str) -> None:
        """A git command in the project."""
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", "-C", str(self.root), *who, *words], check=True)

    # -- through the command line

    def start(self, *words: str) -> subprocess.Popen[str]:
        """`inv WORDS --host there`, in a process group of its own as a terminal gives it one."""
        return subprocess.Popen(
            [str(INV), *words, "--host", "there"], cwd=self.root, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def inv(self, *words: str, code: int = 0, seconds: float = 200) -> str:
        """The same to its end; all that it printed."""
        return ended(self.start(*words), code, seconds)

    # -- looked at on the machine itself, whatever the state of the line

    def inside(self, script: str) -> str:
        """What a shell text prints there; empty when it fails."""
        return inside(self.server, script) if self.server else _said([], script)

    def here(self, script: str) -> str:
        """The same on this machine."""
        return _said([], script)

    @property
    def folder(self) -> str:
        """The project's folder there."""
        return f"/home/{self.server['user']}/{self.name}" if self.server else str(self.root)

    def container(self, service: str) -> str:
        """The id of the running container of a service."""
        return self.inside(f"docker ps -q -f label={LABEL}.project={self.name} -f label={LABEL}.service={service}")

    def served(self) -> str:
        """What the web service answers."""
        script = "wget -qO- http://127.0.0.1:8000/color"
        found = self.container("web")
        return self.inside(f"docker exec {found} {script}") if found else ""

    def sql(self, text: str) -> str:
        """The answer of the database."""
        command = f"docker exec -i {self.container('db')} psql -qAtXU app app"
        return self.inside(f"{command} <<'END'\n{text}\nEND")

    def left(self) -> list[str]:
        """What a run has left behind: files of the state folder, staging folders, containers that have something of
        the project mounted, programs in the database's container."""
        found = self.inside(
            f"cd {self.folder} && ls -d .opslib/run.log .opslib/armed.* .opslib/restore-* .opslib/procs/* "
            "backups/.*.part .opslib-new-* 2>/dev/null; true"
        ).split()
        return found + self.programs()

    def programs(self) -> list[str]:
        """Dumps, loads and the like that run there."""
        mounted = "{{.Name}} {{range .Mounts}}{{.Source}} {{end}}"
        tools = self.inside(f"for c in $(docker ps -aq -f label=opslib=1); do docker inspect -f '{mounted}' $c; done")
        found = [line for line in tools.splitlines() if self.name in line or self.folder in line]
        programs = self.inside(f"docker top {self.container('db')} -o pid,args")
        return found + [
            line for line in programs.splitlines() if HOLDER not in line and re.search("psql|pg_(dump|rest)", line)
        ]

    def sets(self) -> list[str]:
        """The backup sets there."""
        return self.inside(f"ls {self.folder}/backups").split()

    def down(self) -> None:
        """Remove all of it."""
        self.target.close()
        label = f"label={LABEL}.project={self.name}"
        script = "for k in container volume network; do "
        script += f"f=$(docker $k ls -q $([ $k = container ] && echo -a) -f {label}); "
        script += '[ -z "$f" ] || docker $k rm $([ $k = container ] && echo -fv) $f; done; '
        self.inside(script + (f"rm -rf {self.folder}" if self.server else ""))


def inside(server: dict[str, Any], script: str) -> str:
    """What a shell text prints, run by root in the server's container and not over the line; empty when it fails."""
    return _said(["docker", "exec", f"opslib-lab-{server['name']}"], script)


def _said(where: list[str], script: str) -> str:
    done = subprocess.run([*where, "bash", "-c", script], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def ssh_config(server: Mapping[str, Any]) -> str:
    return (
        f"Host {server['name']}\n HostName {server['address']}\n Port {server['port']}\n User {server['user']}\n"
        f" IdentityFile {server['key']}\n IdentitiesOnly yes\n UserKnownHostsFile {server['known_hosts']}\n"
    )


@contextmanager
def site_on(root: Path, images: str, server: dict[str, Any] | None, **more: str) -> Iterator[Site]:
    """A site, removed at the end."""
    before = os.environ.get("OPSLIB_SSH_CONFIG")
    site = Site(root, images, server, **more)
    try:
        yield site
    finally:
        site.down()
        os.environ.pop("OPSLIB_SSH_CONFIG")
        if before is not None:
            os.environ["OPSLIB_SSH_CONFIG"] = before


def ended(process: subprocess.Popen[str], code: int = 0, seconds: float = 200) -> str:
    """Wait for the end of a started `inv` and for its exit code; all that it printed."""
    out, _ = process.communicate(timeout=seconds)
    assert process.returncode == code, out
    return out


def own_server(name: str, images: str = "busybox,postgres,debian", *options: str) -> dict[str, Any]:
    """A server of the tests' own: what they do to it would disturb the others."""
    done = subprocess.run(
        [str(ROOT / "scripts/lab"), "server", name, "--images", images, "--yes", "--json", *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = next(one for one in json.loads(done.stdout)["servers"] if one["name"] == name)
    return found


def fault(server: str, kind: str) -> None:
    """Break a server, or mend it."""
    subprocess.run([str(ROOT / "scripts/lab"), "fault", server, kind], check=True, capture_output=True)


def until(what: Callable[[], object], seconds: float, why: str) -> float:
    """Wait for a condition; the seconds that it took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, why
        time.sleep(0.2)
    return time.monotonic() - began
