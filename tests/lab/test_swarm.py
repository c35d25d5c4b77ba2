"""The strategy `swarm` on a server of its own, which is made a Swarm of one node: a stack with nginx in front of two
tasks, a service with a volume, a secret, and a migration that needs the stack's network. The tests share the stack, and
each leaves it whole. The app goes on for two seconds when it is told to end, as Swarm takes its name away first."""

from __future__ import annotations

import json
import os
import random
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opslib.backup import take
from opslib.compose import swarm
from opslib.deploy import drift, ps
from opslib.deploy.logs import logs
from opslib.errors import OpsError
from opslib.host.swarm import RECOVERIES as SWARM_RECOVERIES
from opslib.host.swarm import steps as swarm_steps
from opslib.images.tools import ensure_tools
from opslib.run.fleet import carry_out
from opslib.run.record import Record
from opslib.run.step import Run
from opslib.run.task import Task
from opslib.settings.health import HealthSpec
from opslib.settings.model import Deploy, Migrate
from opslib.settings.units import Address
from tests.conftest import ROOT, missing
from tests.lab.deploying import Trial, killed_in, wait_for
from tests.lab.load import Load

pytestmark = pytest.mark.lab
SERVER, PORT = "swarm", 8080

COMPOSE = """
services:
  api:
    build: {context: app, args: {IMAGES: "${IMAGES}"}}
    image: ${NAME}-api
    init: true
    stop_grace_period: 10s
    environment: {NEVER: "${NEVER}"}
    secrets: [word]
    depends_on: [keep]
    privileged: true
    healthcheck:
      interval: 1s
      timeout: 5s
      retries: 3
      start_period: ${PATIENCE}
      test: [CMD, bash, -c, "exec 3<>/dev/tcp/127.0.0.1/8000 && printf 'GET / HTTP/1.0\\\\r\\\\n\\\\r\\\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
    deploy:
      replicas: 2
      endpoint_mode: dnsrr
      update_config: {order: start-first, failure_action: rollback, monitor: 2s}
  keep:
    image: ${IMAGES}busybox:1
    init: true
    stop_grace_period: 1s
    command: [httpd, -f, -p, "8000", -h, /data]
    volumes: ["data:/data"]
    deploy: {endpoint_mode: dnsrr}
  nginx:
    image: ${IMAGES}nginx:1
    ports: [{target: 80, published: "8080", mode: host}]
    configs: [{source: nginx, target: /etc/nginx/nginx.conf}]
    deploy: {endpoint_mode: dnsrr}
secrets: {word: {environment: WORD}}
configs: {nginx: {file: ./nginx.conf}}
volumes: {data: {}}
"""
DOCKERFILE = """ARG IMAGES
FROM ${IMAGES}python:3.11-slim
COPY . /srv
CMD ["python", "/srv/serve.py"]
"""
SERVE = """
import os, signal, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
signal.signal(signal.SIGTERM, lambda *_: threading.Timer(2, os._exit, [0]).start())
ready = time.monotonic() + (1e9 if os.environ["NEVER"] else 1)
answer = (open("/srv/version").read() + " " + open("/run/secrets/word").read()).encode()
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if time.monotonic() > ready else 503)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *words):
        pass
class Server(ThreadingHTTPServer):
    request_queue_size = 128
print("serving", flush=True)
Server(("", 8000), Handler).serve_forever()
"""
# It reaches the service with the volume by its name, and has the secret.
MIGRATE = """
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen("http://keep:8000/none", timeout=20)
except urllib.error.HTTPError as error:
    assert error.code == 404
assert open("/run/secrets/word").read()
print("has migrated", *sys.argv[1:])
"""
NGINX = """
events {}
http {
    access_log off;
    resolver 127.0.0.11 valid=1s ipv6=off;
    server {
        listen 80;
        location / {
            set $api api;
            proxy_pass http://$api:8000;
            proxy_connect_timeout 1s;
            proxy_next_upstream error timeout http_503;
        }
    }
}
"""


class Swarmed(Trial):
    """`address`: where nginx is asked."""

    def __init__(self, root: Path, name: str, images: str, address: str) -> None:
        super().__init__(root, "ssh", name, images)
        self.address, self.word, self.live = address, "'one$two'", "1"
        self.change(
            name=SERVER, address=Address(SERVER),
            deploy=Deploy(strategy="swarm", timeout=40, stable=1, health={"api": HealthSpec(url="http://localhost:8000/")}),
            migrate=Migrate(service="api", up=("python", "/srv/migrate.py", "up"), status=("echo", "r1")),
        )  # fmt: skip

    def env(self, **values: str) -> None:
        super().env(**{"NAME": self.name, "NEVER": "", "PATIENCE": "20s", "WORD": self.word, **values})

    def create(self) -> None:
        self.write("compose.yml", COMPOSE)
        self.write("app/Dockerfile", DOCKERFILE)
        self.write("app/serve.py", SERVE)
        self.write("app/migrate.py", MIGRATE)
        self.write("app/version", "1")
        self.write("nginx.conf", NGINX)
        self.write(".gitignore", ".env\n.opslib/\nbackups/\n")
        self.env()
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-qm", "first")

    @property
    def answer(self) -> str:
        """What the live version says."""
        return f"{self.live} {self.word.strip(chr(39))}"

    def load(self) -> Load:
        return Load(PORT, host=self.address)

    def swarm(self) -> swarm.Swarm:
        return swarm.look(self.target, self.name)

    @property
    def tasks(self) -> dict[str, frozenset[str]]:
        """The tasks that run, by service."""
        return {name: frozenset(task.id for task in one.tasks if (task.state, task.wanted) == ("running", "running"))
                for name, one in self.swarm().services.items()}  # fmt: skip

    def clean(self) -> bool:
        """Whether nothing of a run is left."""
        return not self.sh("ls -d .opslib/armed.* 2>/dev/null || true") and set(self.tasks) == {"api", "keep", "nginx"}

    def secret(self) -> str:
        found = json.loads(self.sh('cat ".opslib/releases/$1/swarm.yml"', self.releases()[-1].id))
        name: str = found["secrets"]["word"]["name"]
        return name

    def run(self) -> Run:
        return Run("look", "look", self.target, (SERVER,))

    def down(self) -> None:
        self.docker("stack", "rm", self.name)
        wait_for(lambda: not self.look().containers and not self.docker("network", "ls", "-q", "--filter",
                 f"label=com.docker.stack.namespace={self.name}"), 60)  # fmt: skip
        super().down()


@pytest.fixture(scope="module")
def trial(lab: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swarmed]:
    words = [str(ROOT / "scripts/lab"), "server", SERVER]
    made = subprocess.run(
        [*words, "--images", "python,nginx,busybox", "--json"], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        missing(f"no server of the tests' own: {made.stderr}")
    server = next(one for one in json.loads(made.stdout)["servers"] if one["name"] == SERVER)
    root, before = tmp_path_factory.mktemp("swarm") / "proj", os.environ.get("OPSLIB_SSH_CONFIG")
    root.mkdir()
    config = root.parent / "ssh_config"
    config.write_text(
        f"Host {SERVER}\n HostName {server['address']}\n Port {server['port']}\n User {server['user']}\n"
        f" IdentityFile {server['key']}\n IdentitiesOnly yes\n UserKnownHostsFile {server['known_hosts']}\n"
    )
    os.environ["OPSLIB_SSH_CONFIG"] = str(config)
    found = ["docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", server["container"]]
    address = subprocess.run(found, capture_output=True, text=True, check=True).stdout.strip()
    trial = Swarmed(root, f"sw-{uuid.uuid4().hex[:8]}", lab["images_prefix"], address)
    trial.create()
    ensure_tools(trial.target, trial.here, {"OPSLIB_TOOLS_BASE": f"{trial.images}debian:bookworm-slim"})
    yield trial
    trial.down()
    trial.close()
    subprocess.run([*words, "--down"], check=True)
    if before is None:
        del os.environ["OPSLIB_SSH_CONFIG"]
    else:
        os.environ["OPSLIB_SSH_CONFIG"] = before


def form(trial: Swarmed, *, plan: bool = False, address: str | None = None) -> Record:
    task = Task("host.swarm", lambda run: swarm_steps(run, address), known=SWARM_RECOVERIES, plan=plan, wait=60)
    return carry_out(task, [trial.target])


def test_a_swarm_is_formed_once_and_the_stack_comes_up_in_it(trial: Swarmed) -> None:
    assert "in no Swarm" in trial.bad(trial.deploy())
    trial.good(form(trial, plan=True))
    assert trial.swarm().state == "inactive"
    assert trial.good(form(trial))["address"] == "127.0.0.1"
    again = form(trial)
    assert (trial.good(again)["nodes"], trial.steps(again)) == ([SERVER], [])
    assert "announced at 127.0.0.1" in trial.bad(form(trial, address="192.0.2.1"), 2)

    record = trial.deploy()
    result = trial.good(record)
    assert trial.steps(record) == [
        "files", "build", "images", "tag", "record", "secrets", "databases", "migrate", "stack", "seal", "prune",
        "unused",
    ]  # fmt: skip
    assert "api: a Swarm has no privileged" in trial.notes()
    assert result["migration"] == {"before": "r1", "after": "r1"}
    assert {name: len(ids) for name, ids in trial.tasks.items()} == {"api": 2, "keep": 1, "nginx": 1}
    assert trial.steps(trial.deploy()) == []

    run = trial.run()
    ps.ps(run)
    rows = run.result["services"]
    assert [(one["service"], one["state"], one["release"]) for one in rows] == [
        (name, "running", result["release"]) for name in ("api", "api", "keep", "nginx")
    ]
    assert sum("serving" in line for line in logs(trial.target, service="api")) == 2
    drift.check(trial.run())


def version(trial: Swarmed, text: str, **env: str) -> None:
    trial.write("app/version", text)
    trial.env(**env)


def live(trial: Swarmed, text: str) -> str:
    """Bring a version up that is good, and say what it answers."""
    version(trial, text)
    trial.good(trial.deploy())
    trial.live = text
    return trial.answer


def test_no_request_is_lost_by_a_deploy_and_by_its_rollback(trial: Swarmed) -> None:
    before, said = trial.tasks, trial.answer
    version(trial, "2")
    plan = trial.good(trial.deploy(plan=True))
    steps = {one["step"]: one["what"] for one in plan["plan"]}
    assert steps["stack"] == "api (image: known after the build): start-first, 1 at a time, rollback where it fails"
    assert plan["strategy"] == {
        "name": "swarm",
        "services": {"api": {"how": "beside", "why": "start-first, 1 at a time, rollback where it fails"}},
    }
    with trial.load() as load:
        new = live(trial, "2")
    print(load.found, load.again)
    assert (load.failed, set(load.versions)) == ({}, {said, new})
    after = trial.tasks
    assert not after["api"] & before["api"]
    assert {name: after[name] for name in ("keep", "nginx")} == {name: before[name] for name in ("keep", "nginx")}
    with trial.load() as load:
        trial.good(trial.rollback())
    trial.live = "1"
    assert (load.failed, set(load.versions)) == ({}, {said, new})
    assert trial.clean()
    version(trial, "1")
    assert "stack" not in trial.steps(trial.deploy()), "it runs already"


def test_another_word_is_another_secret_and_another_configuration_another_config(trial: Swarmed) -> None:
    old, trial.word = trial.secret(), "three"
    trial.env()
    trial.write("nginx.conf", NGINX.replace("access_log off;", "access_log off; server_tokens off;"))
    said = trial.good(trial.deploy(plan=True))["diff"]["services"]
    assert {name: one["why"] for name, one in said.items()} == {"api": "secrets", "nginx": "configs"}
    trial.good(trial.deploy())
    assert "three" not in trial.sh("cat .opslib/journal.jsonl .opslib/releases/*/*.yml")
    assert old != trial.secret()
    assert {old, trial.secret()} <= trial.swarm().secrets, "the old one is of a release that is kept"
    trial.change(deploy=msgspec.structs.replace(trial.host.deploy, keep_releases=1))
    before = trial.answer
    with trial.load() as load:
        new = live(trial, "3")
    assert (load.failed, set(load.versions)) == ({}, {before, new})
    assert old not in trial.swarm().secrets


def test_what_is_never_healthy_goes_back_by_itself(trial: Swarmed) -> None:
    before = trial.tasks
    version(trial, "bad", NEVER="yes", PATIENCE="2s")
    with trial.load() as load:
        what = trial.bad(trial.deploy())
    assert "service api is not healthy: the Swarm has given it up" in what
    assert (load.failed, set(load.versions)) == ({}, {trial.answer})
    after = trial.tasks
    assert {name: after[name] for name in ("keep", "nginx")} == {name: before[name] for name in ("keep", "nginx")}
    assert (len(after["api"]), trial.clean(), trial.releases()[-1].outcome) == (2, True, "failed")
    drift.check(trial.run())
    version(trial, trial.live)
    assert trial.steps(trial.deploy()) == []


def test_killed_in_the_middle(trial: Swarmed) -> None:
    after = random.uniform(0, 12)
    print(f"killed after {after:.1f} s")
    version(trial, f"killed after {after}")
    with trial.load() as load:
        killed_in(trial, "stack", after)
        wait_for(trial.clean, 60)
        live(trial, f"killed after {after}")
    assert load.failed == {}
    assert trial.steps(trial.deploy()) == []
    assert trial.clean()


def test_what_somebody_has_scaled_shows_and_a_deploy_puts_it_right(trial: Swarmed) -> None:
    trial.docker("service", "scale", f"{trial.name}_api=1")
    with pytest.raises(OpsError, match="api changed by somebody else since"):
        drift.check(trial.run())
    trial.good(trial.deploy())
    assert len(trial.tasks["api"]) == 2


def test_its_volume_is_backed_up_and_what_would_have_to_stop_is_refused(trial: Swarmed) -> None:
    trial.docker("exec", trial.look().service("keep")[0].id, "sh", "-c", "echo kept >/data/file")
    task = Task("backup.all", lambda run: take.steps(run, take.Options(here=trial.here)), known=take.RECOVERIES)
    result = trial.good(carry_out(task, [trial.target]))
    assert "volume" in json.dumps(result)
    whole = take.Options(here=trial.here, consistent=True)
    task = Task("backup.all", lambda run: take.steps(run, whole), known=take.RECOVERIES)
    assert "docker service scale" in str(carry_out(task, [trial.target]).hosts[0].error)
    assert trial.clean()
