"""A small project of a test's own that is deployed on both kinds of target, and what the tests ask of it."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from opslib.command import bash
from opslib.compose.stack import Stack, look
from opslib.deploy.options import DeployOptions, RollbackOptions
from opslib.deploy.rollback import instead
from opslib.deploy.rollback import steps as rollback_steps
from opslib.deploy.steps import RECOVERIES, steps
from opslib.errors import OpsError
from opslib.events import Event, Note
from opslib.run.fleet import carry_out
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.settings.model import Deploy, Host
from opslib.settings.units import Address
from opslib.state import releases
from opslib.state.releases import Release
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.docker import docker

COMPOSE = """
services:
  web:
    build: {context: web app, args: {IMAGES: "${IMAGES}"}}
    init: true
    stop_grace_period: 1s
    environment: {COLOR: "${COLOR}", SECRET: "${SECRET}"}
    volumes: ["./conf $x/site.conf:/srv/site.conf:ro", "./uploads:/srv/uploads"]
    healthcheck: {test: [CMD, test, -e, /srv/healthy], interval: 1s, timeout: 5s, retries: 2}
  side:
    image: ${IMAGES}busybox:1
    env_file: .env
    init: true
    stop_grace_period: 1s
    command: [sleep, "100000"]
    volumes: ["data:/data"]
volumes: {data: {}}
"""
DOCKERFILE = """ARG IMAGES
FROM ${IMAGES}busybox:1
COPY . /srv
CMD ["httpd", "-f", "-p", "8000", "-h", "/srv"]
"""
SECRET = "s3cret-of-the-test"


class Trial:
    """The project here, and the host that it is deployed to. `in_place`: this machine, in the project's folder."""

    def __init__(self, root: Path, kind: str, name: str, images: str) -> None:
        self.root, self.kind, self.name, self.images = root, kind, name, images
        address = Address("one") if kind == "ssh" else None
        path = {"ssh": f"opslib-test-{name}/a 'b' $c", "in place": str(root), "local": str(root.parent / "live $d")}
        self.host = Host(
            name="one" if kind == "ssh" else "local", path=path[kind], address=address, project=name,
            compose=("compose.yml",), env_file=".env", deploy=Deploy(timeout=30, stable=1),
        )  # fmt: skip
        self.here = connect(Host(name="local", path=str(root)))
        self.events: list[Event] = []
        self._target: Target | None = None

    # -- the project here

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def env(self, **values: str) -> None:
        found = {"IMAGES": self.images, "COLOR": "blue", "SECRET": SECRET, **values}
        self.write(".env", "".join(f"{key}={value}\n" for key, value in found.items()))

    def create(self) -> None:
        self.write("compose.yml", COMPOSE.replace("$x", "$$x"))
        self.write("web app/Dockerfile", DOCKERFILE)
        self.write("web app/healthy", "yes")
        self.write("web app/version", "1")
        self.write("conf $x/site.conf", "one")
        self.write("gone.txt", "soon")
        self.write(".gitignore", ".env\nuploads/\n.opslib/\nbackups/\n")
        self.env()
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-qm", "first")

    def git(self, *words: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", "-C", str(self.root), *who, *words], check=True)

    def change(self, **settings: Any) -> None:
        """Other settings of the host."""
        self.host = msgspec.structs.replace(self.host, **settings)
        self.close()

    # -- there

    @property
    def target(self) -> Target:
        if self._target is None:
            self._target = connect(self.host, self.events.append)
        return self._target

    def close(self) -> None:
        if self._target is not None:
            self._target.close()
            self._target = None

    def sh(self, script: str, *words: str) -> str:
        return self.target.run(bash('cd -- "$1"; shift; ' + script, self.target.root, *words)).text

    def docker(self, *words: str, check: bool = True) -> str:
        return self.target.run(docker(self.target.host, *words), check=check).text

    def look(self) -> Stack:
        return look(self.target, self.name)

    def ids(self) -> dict[str, str]:
        return {one.service: one.id for one in self.look().containers}

    def page(self, path: str, service: str = "web") -> str:
        container = self.look().service(service)[0]
        return self.docker("exec", container.id, "cat", f"/srv/{path}")

    def releases(self) -> list[Release]:
        return releases.read(self.target)

    def notes(self) -> str:
        return "\n".join(one.text for one in self.events if isinstance(one, Note))

    # -- runs

    def deploy(self, *, plan: bool = False, **options: Any) -> Record:
        self.events.clear()
        given = DeployOptions(self.root, self.here, **options)
        return carry_out(
            Task("deploy", lambda run: steps(run, given), known=RECOVERIES, plan=plan, wait=60), [self.target]
        )

    def rollback(self, *, plan: bool = False, **options: Any) -> Record:
        self.events.clear()
        given = RollbackOptions(self.root, **options)
        known = {**RECOVERIES, **instead(given)}
        task = Task("rollback", lambda run: rollback_steps(run, given), known=known, plan=plan, wait=60)
        return carry_out(task, [self.target])

    def good(self, record: Record) -> dict[str, Any]:
        """The result of a run that went well."""
        assert record.ok, record.hosts[0].error
        return record.hosts[0].result

    def bad(self, record: Record, exit_code: int = 1) -> str:
        """What was wrong with one that did not."""
        error = record.hosts[0].error
        assert record.exit == exit_code, (record.exit, error)
        assert error is not None
        return str(error["what"])

    def steps(self, record: Record) -> list[str]:
        return [step.name for step in record.hosts[0].steps if step.status == "done"]

    def down(self) -> None:
        label = f"label=com.docker.compose.project={self.name}"
        for kind, listing, remove in (
            ("container", ["ps", "-aq"], ["rm", "-f", "-v"]), ("network", ["ls", "-q"], ["rm"]),
            ("volume", ["ls", "-q"], ["rm"]),
        ):  # fmt: skip
            if found := self.docker(kind, *listing, "--filter", label).split():
                self.docker(kind, *remove, *found)
        for place in (self.target, self.here):
            listed = place.run(docker(place.host, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}")).lines
            mine = [one for one in listed if one.startswith(f"{self.name}-")]
            for one in self.releases() if place is self.target else []:
                mine += [pin.tag for pin in one.images.values() if pin.tag in listed]
            if mine:
                place.run(docker(place.host, "image", "rm", *dict.fromkeys(mine)), check=False)
        if self.kind == "ssh":
            self.target.run(bash('cd && rm -rf -- "${1%%/*}"', self.host.path))


def with_(host: Host, **deploy: Any) -> Deploy:
    """A host's deploy section with other values."""
    return msgspec.structs.replace(host.deploy, **deploy)


def wait_for(true: Callable[[], bool], seconds: float, seen: Callable[[], object] = lambda: "") -> None:
    """Until it is so; fails after that many seconds, and says what is `seen`."""
    deadline = time.monotonic() + seconds
    while not _quietly(true):
        assert time.monotonic() < deadline, f"it did not come: {seen()}"
        time.sleep(0.2)


def _quietly(true: Callable[[], bool]) -> bool:
    try:
        return true()
    except OpsError:
        return False


_DEPLOY = """
import pickle, sys
from pathlib import Path
from opslib.deploy.options import DeployOptions
from opslib.deploy.steps import RECOVERIES, steps
from opslib.run.fleet import carry_out
from opslib.run.task import Task
from opslib.settings.model import Host
from opslib.target.connect import connect
host, root = pickle.loads(bytes.fromhex(sys.argv[1]))
here = connect(Host(name="local", path=root))
options = DeployOptions(Path(root), here)
carry_out(Task("deploy", lambda run: steps(run, options), known=RECOVERIES), [connect(host)])
"""
_BEGUN = """until [[ -e $1/run.log && $(<"$1/run.log") == *"\\"step\\":\\"$2\\""* && -e $1/$3 ]]; do sleep .01; done"""


def killed_in(trial: Trial, step: str, after: float = 0, there: str = "run.log") -> None:
    """Deploy in a process of its own, which is killed when the recovery log says that this step has begun and a file is
    `there` in `.opslib`, and so many seconds later, unless it has ended by then."""
    given = pickle.dumps((trial.host, str(trial.root))).hex()
    deploy = subprocess.Popen([sys.executable, "-c", _DEPLOY, given], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    ended = None
    try:
        trial.target.run(bash(_BEGUN, trial.target.state, step, there, limit=300))
        if after:
            time.sleep(after)
            ended = deploy.poll()
    finally:
        deploy.kill()
        said = deploy.communicate()[0]
    assert ended == 0 or deploy.returncode == -signal.SIGKILL, (deploy.returncode, said)
