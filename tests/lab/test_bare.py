"""A machine is lost: everything that was on it comes back to one that has nothing, here and over SSH."""

from __future__ import annotations

import pickle
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opslib.backup import keys, manifest, take
from opslib.backup.restore.options import Options
from opslib.command import bash
from opslib.deploy import steps as deploying
from opslib.deploy.bare import steps as bare
from opslib.deploy.bare.options import BareOptions
from opslib.deploy.options import DeployOptions
from opslib.run.fleet import carry_out
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.settings.model import Host
from opslib.state import releases
from opslib.target.connect import connect
from opslib.target.docker import docker
from opslib.target.transfer import get
from opslib.tasks._recovery import Recoveries
from tests.conftest import missing
from tests.lab.restore_stack import COMPOSE, DATABASE, Trial, docker_says

pytestmark = pytest.mark.lab
TOKEN = "t0ken-of-the-app"
KEY, PUBLIC = keys.make()
OWN = COMPOSE.replace(
    '    volumes: ["uploads:', '    env_file: app-settings.txt\n    volumes: ["./conf:/conf:ro", "uploads:'
)

KILLED = """
import os, pickle, signal, sys
from opslib.backup.restore.options import Options
from opslib.deploy.bare import steps as bare
from opslib.deploy.bare.options import BareOptions
from opslib.deploy.options import DeployOptions
from opslib.events import StepStarted
from opslib.run.fleet import carry_out
from opslib.run.task import Task
from opslib.settings.model import Host
from opslib.target.connect import connect
host, root, folder, scratch, when = pickle.loads(bytes.fromhex(sys.argv[1]))
def tell(event):
    if isinstance(event, StepStarted) and event.step == when:
        os.kill(os.getpid(), signal.SIGKILL)
here = connect(Host(name="local", path=str(root)))
restore = Options(str(folder), here=here, root=root, no_safety_copy=True)
options = BareOptions(restore, DeployOptions(root, here), scratch)
carry_out(Task("restore.all", lambda run: bare.steps(run, options)), [connect(host, tell)])
"""


class Site(Trial):
    """The stack with its folder on this machine, as a person has it: on this machine it runs in that folder."""

    def __init__(self, kind: str, images: str, folder: Path) -> None:
        super().__init__(kind, images)
        self.folder = folder
        self.root = Path(self.target.root) if kind == "local" else folder / "checkout"
        self.checkout()

    def checkout(self, *, compose: bool = True, env: bool = True) -> None:
        """What a person has after the fire: the repository (or its host file alone), and the env files."""
        shutil.rmtree(self.root, ignore_errors=True)
        files = {"compose.yml": OWN, "conf/site.conf": "server {}\n", ".gitignore": ".env\n.opslib/\nbackups/\nup*\n"}
        secrets = {".env": self.env, "app-settings.txt": f"TOKEN={TOKEN}\n"}
        for name, text in {**(files if compose else {}), **(secrets if env else {})}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.root.mkdir(parents=True, exist_ok=True)
        if compose:
            who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
            for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
                subprocess.run(["git", "-C", str(self.root), *who, *words], check=True)

    def task(self, name: str, steps: Any, *, plan: bool = False) -> Record:
        return carry_out(Task(name, steps, known=Recoveries(), plan=plan, wait=60), [self.target])

    def deploy(self) -> Record:
        options = DeployOptions(self.root, self.here)
        return self.task("deploy", lambda run: deploying.steps(run, options))

    def bare(self, folder: Path, files: Any = None, *, plan: bool = False, identity: Any = None) -> Record:
        self.events.clear()
        scratch = self.folder / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        restore = Options(str(folder), here=self.here, root=self.root, no_safety_copy=True, identity=identity)
        options = BareOptions(restore, DeployOptions(self.root, self.here), scratch, files)
        return self.task("restore.all", lambda run: bare.steps(run, options), plan=plan)

    def sealed(self) -> str:
        """An encrypted set."""
        settings = msgspec.structs.replace(self.host.backup, encrypt_to=(PUBLIC,))
        way = connect(msgspec.structs.replace(self.host, backup=settings))
        record = self.carry_out("backup.all", lambda run: take.steps(run, take.Options(here=self.here)), way)
        way.close()
        return str(worked(record)["set"])

    def taken_away(self, made: str) -> Path:
        """A set's copy on this machine."""
        copy = self.folder / made
        copy.mkdir()
        for name in self.target.run(bash('ls -- "$1"', self.path(made))).lines:
            get(self.target, self.path(made, name), copy / name)
        return copy

    def killed(self, folder: Path, step: str) -> None:
        """The same in a process of its own, which is killed when that step begins."""
        self.target.close()
        scratch = self.folder / "killed"
        scratch.mkdir(mode=0o700)
        given = pickle.dumps((self.host, self.root, folder, scratch, step)).hex()
        done = subprocess.run([sys.executable, "-c", KILLED, given], capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, (done.returncode, done.stdout, done.stderr)
        self.target = self.connect()

    def there(self) -> dict[str, list[str]]:
        """All that the engine and the project's folder have of it."""
        label = f"label=com.docker.compose.project={self.name}"
        found = {kind: sorted(docker_says(self, kind, "ls", *(["-a"] if kind == "container" else []), "-q",
                                          "--filter", label).split())
                 for kind in ("container", "network", "volume")}  # fmt: skip
        listed = 'cd -- "$1" && find . -mindepth 1 -not -path "./.opslib*" -not -path "./.git*" | sort'
        return {**found, "files": self.target.run(bash(listed, self.target.root)).lines}

    def burn(self) -> None:
        """Lose the machine: containers, volumes, networks, and the project's folder."""
        label = f"label=com.docker.compose.project={self.name}"
        script = """ids() { docker "$@" --filter "$l"; }; l=$1
ids ps -aq | xargs -r docker rm -fv; ids volume ls -q | xargs -r docker volume rm; ids network ls -q | xargs -r docker network rm"""
        self.target.run(bash(script, label, limit=120))
        self.python("import os, shutil, sys\nfor one in os.scandir(sys.argv[1]):\n"
                    "    shutil.rmtree(one) if one.is_dir(follow_symlinks=False) else os.unlink(one)",
                    folder=self.target.root)  # fmt: skip


@dataclass
class Lost:
    """A site whose machine is lost, what it held, and its sets on this machine, one in clear and one encrypted."""

    site: Site
    good: dict[str, Any]
    set: Path
    sealed: Path


@pytest.fixture(scope="module", params=["local", "ssh"])
def lost(
    request: pytest.FixtureRequest, lab: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lost]:
    if request.param == "ssh":
        request.getfixturevalue("ssh_config")
        if not any(server["name"] == "one" for server in lab["servers"]):
            missing("the lab has no server `one`: run scripts/lab up")
    folder = tmp_path_factory.mktemp("bare")
    site = Site(request.param, lab["images_prefix"], folder)
    try:
        worked(site.deploy())
        site.fill()
        good, copy, sealed = site.seen(), site.taken_away(site.backup()), site.taken_away(site.sealed())
        site.burn()
        site.checkout()
        yield Lost(site, good, copy, sealed)
    finally:
        site.down()


def worked(record: Record) -> dict[str, Any]:
    assert record.ok, record.hosts[0].error
    return record.hosts[0].result


def refused(record: Record) -> tuple[str, str]:
    """What was refused before anything was done, and what is to be done next."""
    error = record.hosts[0].error
    assert error is not None
    assert record.hosts[0].steps == [], record.hosts[0].steps
    return str(error["what"]), str(error["next"])


def test_the_set_holds_the_project_and_none_of_its_passwords(lost: Lost) -> None:
    made = manifest.decode((lost.set / "manifest.json").read_bytes(), "it")
    (held,) = made.of("project")
    with tarfile.open(lost.set / held.file) as tar:
        files = {one.name: file.read() for one in tar if (file := tar.extractfile(one))}
    assert files == {
        "./compose.yml": OWN.encode(),
        "./conf/site.conf": b"server {}\n",
        "./.gitignore": files["./.gitignore"],
    }
    assert (held.facts["env_file"], held.facts["left_out"]) == (".env", ["app-settings.txt"])
    assert held.facts["variables"] == ["IMAGES", "PASSWORD"]
    text = (lost.set / "manifest.json").read_text()
    assert TOKEN not in text
    assert "s$s w" not in text
    assert {one.image for one in made.of("postgres")} == {f"{lost.site.images}postgres:15"}
    assert made.engine is not None
    assert made.engine.arch in ("amd64", "arm64")


def test_refused_before_anything_is_touched(lost: Lost) -> None:
    site = lost.site
    before = site.there()
    (site.root / ".env").unlink()
    what, todo = refused(site.bare(lost.set))
    assert "the compose files use IMAGES, PASSWORD" in what
    assert f"put the old machine's env file at {site.root}/.env" in todo
    (site.root / ".env").write_text(f"IMAGES={site.images}\n")
    what, _ = refused(site.bare(lost.set))
    assert "use PASSWORD, which is not set" in what
    site.checkout()
    (site.root / "compose.yml").unlink()
    (site.root / "app-settings.txt").unlink()
    what, todo = refused(site.bare(lost.set))
    assert "needs app-settings.txt" in what
    assert str(site.root) in todo
    site.checkout()
    docker_says(site, "volume", "create", f"{site.name}_uploads")
    site.python("open('/x/mine', 'w')", volume=f"{site.name}_uploads")
    what, _ = refused(site.bare(lost.set))
    assert f"there are data in volume {site.name}_uploads" in what
    docker_says(site, "volume", "rm", f"{site.name}_uploads")
    site.python("import os; os.makedirs('/x/up load\\'s/a'); open('/x/up load\\'s/a/b', 'w')", folder=site.target.root)
    what, _ = refused(site.bare(lost.set))
    assert "up load's/a/b already" in what
    site.python("import shutil; shutil.rmtree('/x/up load\\'s')", folder=site.target.root)
    assert site.there() == before


def liar(lost: Lost, change: Callable[[manifest.Artifact], manifest.Artifact]) -> Path:
    """The set with a manifest that says something else."""
    folder = lost.site.folder / "liar"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(lost.set, folder)
    told = manifest.decode((folder / "manifest.json").read_bytes(), "it")
    (folder / "manifest.json").chmod(0o600)
    artifacts = tuple(change(one) for one in told.artifacts)
    (folder / "manifest.json").write_bytes(manifest.encode(msgspec.structs.replace(told, artifacts=artifacts)))
    return folder


def one_row_more(artifact: manifest.Artifact) -> manifest.Artifact:
    if artifact.name != DATABASE:
        return artifact
    return msgspec.structs.replace(artifact, counts={**artifact.counts, "public.empty": 1})


def test_what_does_not_get_to_the_end_is_taken_away(lost: Lost) -> None:
    """Here a load fails; over SSH the controller is killed when all is loaded, and the next run takes it away."""
    site, mine = lost.site, f"{lost.site.name}_plain"
    docker_says(site, "volume", "create", mine)
    before = site.there()
    if site.kind == "local":
        record = site.bare(liar(lost, one_row_more))
        error = record.hosts[0].error
        assert error is not None
        assert "public.empty: 1 in the set, 0 restored" in error["what"]
        statuses = {step.name: step.status for step in record.hosts[0].steps}
        assert "undo-failed" not in statuses.values()
        assert statuses["create"] == "undone"
    else:
        site.killed(lost.set, "put in place")
        assert len(site.there()["container"]) == 3, "the databases alone"
        assert len(site.there()["volume"]) == 3
        site.events.clear()
        worked(site.task("build", lambda run: []))
    told = str(site.events)
    assert "taken away again" in told
    assert f"{site.name}_pg" in told
    assert site.there() == before
    assert site.python("import os; print(os.listdir('/x'))", volume=mine) == "[]", "it was there and empty before"
    docker_says(site, "volume", "rm", mine)
    assert [one.outcome for one in releases.read(site.target)] == ["failed"]


def test_everything_comes_back_and_goes_on_as_usual(lost: Lost) -> None:
    site = lost.site
    if site.kind == "ssh":  # nothing is left of the project here but what no set holds
        site.checkout(compose=False)
    planned = worked(site.bare(lost.set, plan=True))
    names = [one["step"] for one in planned["plan"]]
    assert names[-6:] == ["start databases", "load the set", "put in place", "remove the old", "go live", "prune"]
    assert any("postgres:15" in one["then"] for one in planned["restore"]["items"])
    assert (site.there()["container"], site.there()["volume"]) == ([], [])
    result = worked(site.bare(lost.set))
    assert site.seen() == lost.good
    assert site.running() == ["app", "cache", "db", "plain"]
    known = releases.read(site.target)
    assert (known[-1].id, known[-1].outcome) == (result["release"], "good")
    labels = docker_says(site, "volume", "inspect", "--format", "{{json .Labels}}", f"{site.name}_uploads")
    assert '"com.docker.compose.volume":"uploads"' in labels
    assert '"owner":"th\'em"' in labels
    modes = site.target.run(bash('cd -- "$1" && stat -c "%a %n" .env conf/site.conf', site.target.root)).lines
    assert modes == ["600 .env", "644 conf/site.conf"] or site.kind == "local"
    assert not site.target.run(bash('ls -d "$1"/restore-* "$1"/run.log 2>/dev/null; true', site.target.state)).lines

    if site.kind == "ssh":
        site.checkout()
    record = site.deploy()
    assert worked(record)["release"] == result["release"]
    assert [step.name for step in record.hosts[0].steps if step.status == "done"] == [], "nothing has changed"
    assert "postgres" in str(site.target.run(bash('ls -- "$1"', site.path(site.backup()))).lines)


def test_a_set_of_another_host_brings_data_and_nothing_else(lost: Lost) -> None:
    site, prod = lost.site, lost.site.folder / "prod"
    shutil.copytree(lost.set, prod / "backups" / lost.set.name)
    (prod / ".env").write_text("PASSWORD=of-prod\n")
    origin = connect(Host(name="prod", path=str(prod)))
    own = 'cd -- "$1"; echo STAGING=own >>.env; echo "# own" >>conf/site.conf'
    site.target.run(bash(own, site.target.root))
    look = 'cd -- "$1"; cat .env conf/site.conf app-settings.txt compose.yml'
    before = site.target.run(bash(look, site.target.root)).text
    site.redis("plain", "flushall\n")
    worked(site.restore("latest", origin=origin, kinds=("redis", "volume", "files"), no_safety_copy=True))
    origin.close()
    assert site.seen() == lost.good
    assert site.target.run(bash(look, site.target.root)).text == before
    assert "of-prod" not in before
    site.target.run(bash('cd -- "$1"; sed -i /STAGING=own/d .env; sed -i "/# own/d" conf/site.conf', site.target.root))


def test_never_over_a_stack_that_is_there(lost: Lost) -> None:
    site = lost.site
    before = site.there()
    what, todo = refused(site.bare(lost.set))
    assert f"the project {site.name} is there (app, cache, db, plain)" in what
    assert "inv restore --file SET" in todo
    assert site.there() == before
    ids = site.there()["container"]
    site.target.run(docker(site.host, "rm", "-f", *ids))
    what, todo = refused(site.bare(lost.set))
    assert f"volume {site.name}_cache" in what
    assert "docker volume rm" in todo
    assert site.there()["volume"] == before["volume"]


def test_an_encrypted_set_brings_the_passwords_too(lost: Lost) -> None:
    """Nothing of the project is here but its host file and the keys, those of a store in a new env file."""
    site = lost.site
    site.burn()
    site.checkout(compose=False, env=False)
    (site.root / ".env").write_text("STORE_KEY=own\n")
    what, _ = refused(site.bare(lost.sealed))
    assert "no identity is there to read it" in what
    worked(site.bare(lost.sealed, identity=lambda recipients, what: keys.fitting([KEY], recipients, what)))
    assert site.seen() == lost.good
    assert site.running() == ["app", "cache", "db", "plain"]
    look = 'cd -- "$1"; stat -c %a .env; cat .env app-settings.txt'
    assert site.target.run(bash(look, site.target.root)).text == f"600\nSTORE_KEY=own\n\n{site.env}TOKEN={TOKEN}"
