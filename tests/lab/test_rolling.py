"""The strategies `rolling`, `blue-green` and `canary` under load: old and new containers side by side behind nginx, what goes wrong
in the middle, and `kill -9`. The app is asked by nobody but nginx to end: a SIGTERM ends it at once, whatever it has
begun. The tests share one stack, and each leaves it whole."""

from __future__ import annotations

import random
import socket
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.command import bash
from opslib.deploy.options import DeployOptions
from opslib.deploy.strategies.answer import give
from opslib.deploy.strategies.hold import NOT_KEPT
from opslib.images.tools import ensure_tools, tools_tag
from opslib.run.fleet import look_on
from opslib.run.record import Record
from opslib.settings.model import Deploy, Proxy, Strategy
from opslib.target.connect import connect
from opslib.target.docker import docker
from tests.conftest import need_server
from tests.lab.deploying import Trial, killed_in, wait_for, with_
from tests.lab.load import Load

pytestmark = pytest.mark.lab

COMPOSE = """
x-app: &app
  build: {context: app, args: {IMAGES: "${IMAGES}"}}
  image: ${NAME}-app
  init: true
  stop_grace_period: 5s
  healthcheck:
    interval: 1s
    timeout: 5s
    retries: 3
    start_period: ${PATIENCE}
    test: [CMD, bash, -c, "exec 3<>/dev/tcp/127.0.0.1/8000 && printf 'GET / HTTP/1.0\\\\r\\\\n\\\\r\\\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
services:
  api: {<<: *app, environment: {NEVER: "${NEVER_API}"}}
  web: {<<: *app, environment: {NEVER: "${NEVER_WEB}"}, deploy: {replicas: 2}}
  keep:
    image: ${IMAGES}busybox:1
    init: true
    stop_grace_period: 1s
    command: [sleep, "100000"]
    environment: {COLOR: "${COLOR}"}
    volumes: ["data:/data"]
  nginx:
    image: ${IMAGES}nginx:1
    depends_on: [api, web]
    ports: ["${ADDRESS}:${PORT}:80"]
    volumes: ["./nginx/nginx.conf:/etc/nginx/nginx.conf:ro", "./nginx/up:/etc/nginx/up:ro"]
volumes: {data: {}}
"""
DOCKERFILE = """ARG IMAGES
FROM ${IMAGES}python:3.11-slim
COPY . /srv
CMD ["python", "/srv/serve.py"]
"""
# It is there at once, and answers 503 for a second: who asks it before it is healthy sees that. A broken version passes its
# health check, which does not say for which host it asks.
SERVE = """
import os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
ready = time.monotonic() + (1e9 if os.environ["NEVER"] else 1)
version = open("/srv/version", "rb").read()
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(1)
        broken = version.startswith(b"broken") and self.headers["Host"]
        self.send_response(500 if broken else 200 if time.monotonic() > ready else 503)
        self.send_header("Content-Length", str(len(version)))
        self.end_headers()
        self.wfile.write(version)
    def log_message(self, *words):
        pass
class Server(ThreadingHTTPServer):
    request_queue_size = 128
Server(("", 8000), Handler).serve_forever()
"""
NGINX = """
events {}
http {
    access_log /dev/null;
    include /etc/nginx/up/*.conf;
    server {
        listen 80;
        location / { proxy_pass http://web; }
        location /api {
            access_log /dev/null;
            include /etc/nginx/up/*.log;
            proxy_pass http://api/;
        }
    }
}
"""
PROXY = Proxy(service="nginx", folder="nginx/up", upstreams={"api": 8000, "web": 8000})


class Rolling(Trial):
    """A stack with nginx in front of two services; a third one has a volume. `address`: where nginx is asked."""

    def __init__(self, root: Path, kind: str, name: str, images: str, address: str) -> None:
        super().__init__(root, kind, name, images)
        self.address, self.port = address, free_port()
        self.change(deploy=Deploy(strategy="rolling", proxy=PROXY, timeout=40, stable=1, drain=5))

    def env(self, **values: str) -> None:
        given = {"NAME": self.name, "PORT": str(self.port), "NEVER_API": "", "NEVER_WEB": "", "PATIENCE": "20s",
                 "ADDRESS": "127.0.0.1" if self.kind == "local" else "0.0.0.0", **values}  # fmt: skip
        super().env(**given)

    def load(self, path: str = "/", **more: int) -> Load:
        return Load(self.port, path, host=self.address, **more)

    def create(self) -> None:
        self.write("compose.yml", COMPOSE)
        self.write("app/Dockerfile", DOCKERFILE)
        self.write("app/serve.py", SERVE)
        self.write("app/version", "1")
        self.write("nginx/nginx.conf", NGINX)
        self.write("nginx/up/README", "opslib writes here")
        self.write(".gitignore", ".env\n.opslib/\nbackups/\n")
        self.env()
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-qm", "first")

    def of(self, service: str) -> set[str]:
        return {one.id for one in self.look().service(service)}

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(self.of(name)) for name in ("api", "web", "keep", "nginx")}

    def remains(self) -> str:
        """What a person would look at where a roll does not come to its end."""
        listing = self.sh("ls -d .opslib/* .opslib/rolling/* 2>/dev/null; cat nginx/up/*.conf .opslib/run.log; true")
        return f"{self.counts}\n{listing}\n{self.docker('ps', '-a')}"

    def settled(self) -> bool:
        """Whether no service stands between two versions, and nginx follows the services' names."""
        left = self.sh("ls -d .opslib/rolling nginx/up/opslib.* 2>/dev/null || true; cat nginx/up/*.conf")
        return "/" not in left and "server web:8000;" in left and "server api:8000;" in left

    def clean(self) -> bool:
        """Whether nothing of a roll is left."""
        return self.settled() and not self.sh("ls -d .opslib/armed.* 2>/dev/null || true")


WHOLE = {"api": 1, "web": 2, "keep": 1, "nginx": 1}
BOTH = {"api": 2, "web": 4, "keep": 1, "nginx": 1}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module", params=["local", "ssh"])
def trial(
    request: pytest.FixtureRequest, lab: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rolling]:
    address = "127.0.0.1"
    if request.param == "ssh":
        need_server(request)
        server = next(one["container"] for one in lab["servers"] if one["name"] == "one")
        found = ["docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", server]
        address = subprocess.run(found, capture_output=True, text=True, check=True).stdout.strip()
    root = tmp_path_factory.mktemp("rolling") / "proj"
    root.mkdir()
    made = Rolling(root, request.param, f"rol-{uuid.uuid4().hex[:8]}", lab["images_prefix"], address)
    made.create()
    ensure_tools(made.target, made.here, {"OPSLIB_TOOLS_BASE": f"{made.images}debian:bookworm-slim"})
    made.good(made.deploy())
    yield made
    made.down()
    made.close()


def version(trial: Rolling, text: str) -> None:
    trial.write("app/version", text)
    trial.env()


def test_no_request_is_lost_by_a_deploy_and_by_its_rollback(trial: Rolling) -> None:
    assert (trial.counts, trial.clean()) == (WHOLE, True)
    before = {name: trial.of(name) for name in WHOLE}
    version(trial, "2")
    plan = trial.good(trial.deploy(plan=True))
    said = {one["step"]: one["what"] for one in plan["plan"]}
    assert plan["strategy"]["services"] == {
        "api": {"how": "beside", "why": ""}, "web": {"how": "beside", "why": ""},
        "nginx": {"how": "left", "why": "only what it asks for is new"},
    }  # fmt: skip
    assert "web (image: known after the build): 2 beside 2" in said["roll"]
    assert "up" not in said
    with trial.load() as load, trial.load("/slow", kept=1, fresh=2) as slow, trial.load("/api") as api:
        record = trial.deploy()
    result = trial.good(record)
    print(load.found, load.again, api.found, api.again, slow.found)
    assert (load.failed, slow.failed, api.failed) == ({}, {}, {})
    assert set(load.versions) == set(api.versions) == {"1", "2"}
    assert (result["gap_seconds"], trial.releases()[-1].strategy) == (0.0, "rolling")
    assert not any(trial.of(name) & before[name] for name in ("api", "web"))
    assert {name: trial.of(name) for name in ("keep", "nginx")} == {name: before[name] for name in ("keep", "nginx")}
    assert (trial.counts, trial.clean()) == (WHOLE, True)
    assert trial.steps(trial.deploy()) == []
    with trial.load() as load, trial.load("/api") as api:
        trial.good(trial.rollback())
    assert (load.failed, api.failed) == ({}, {})
    assert set(load.versions) == {"1", "2"}
    assert (trial.counts, trial.clean()) == (WHOLE, True)


def test_what_is_never_healthy_is_never_asked_and_what_was_taken_over_goes_back(trial: Rolling) -> None:
    version(trial, "bad")
    trial.env(NEVER_WEB="yes", PATIENCE="3s")
    web = trial.of("web")
    with trial.load() as load, trial.load("/api") as api:
        what = trial.bad(trial.deploy())
    assert "service web is not healthy" in what
    assert (load.failed, api.failed) == ({}, {})
    assert "bad" not in load.versions
    assert "bad" in api.versions, "it was healthy and had its turn before web"
    assert trial.of("web") == web, "the old ones never stopped"
    assert (trial.counts, trial.clean()) == (WHOLE, True)
    trial.env()
    assert trial.releases()[-1].outcome == "failed"


def test_killed_in_the_middle_of_a_roll(trial: Rolling) -> None:
    """Anywhere, with either strategy, by chance: what it was is printed."""
    strategy: Strategy = random.choice(["rolling", "blue-green"])
    after, usual = random.uniform(0, 12), trial.host.deploy
    print(f"{strategy}, killed after {after:.1f} s")
    version(trial, f"killed after {after}")
    try:
        trial.change(deploy=with_(trial.host, strategy=strategy, hold=3))
        with trial.load() as load, trial.load("/api") as api:
            killed_in(trial, "roll", after)
            # killed while its watchdog was being set up, it has left that file, and nothing to put back
            wait_for(lambda: trial.counts == WHOLE and trial.settled(), 120, trial.remains)
            trial.change(deploy=usual)
            trial.good(trial.deploy())
    finally:
        trial.change(deploy=usual)
    assert (load.failed, api.failed) == ({}, {})
    assert (trial.counts, trial.clean()) == (WHOLE, True)
    assert trial.steps(trial.deploy()) == []


def test_a_proxy_that_somebody_broke_by_hand_is_found_before_anything_changes(trial: Rolling) -> None:
    before = {name: trial.of(name) for name in WHOLE}
    version(trial, "never")
    trial.sh("cp nginx/nginx.conf good; echo 'nonsense;' >>nginx/nginx.conf")
    try:
        record = trial.deploy()
        assert "nonsense" in trial.bad(record)
        assert trial.steps(record) == []
        assert "nginx -t" in record.hosts[0].error["next"]  # type: ignore[index]
    finally:
        trial.sh("cat good >nginx/nginx.conf; rm good")
    assert {name: trial.of(name) for name in WHOLE} == before


def test_what_cannot_be_doubled_stops_first_and_says_why(trial: Rolling) -> None:
    trial.env(COLOR="green")
    trial.write("nginx/nginx.conf", NGINX.replace("listen 80;", "listen 80; server_tokens off;"))
    plan = trial.good(trial.deploy(plan=True))
    what = next(one["what"] for one in plan["plan"] if one["step"] == "up")
    assert "recreate keep (environment COLOR), the old one stops first: it writes to data" in what
    assert f"recreate nginx (mounted files), the old one stops first: it publishes port {trial.port}" in what
    trial.good(trial.deploy())
    assert (trial.counts, trial.clean()) == (WHOLE, True)


def test_a_proxy_that_the_deploy_would_break_goes_on(trial: Rolling) -> None:
    nginx = trial.of("nginx")
    good = (trial.root / "nginx/nginx.conf").read_text()
    trial.write("nginx/nginx.conf", good.replace("listen 80;", "listen 80; no_such_word on;"))
    try:
        with trial.load() as load:
            what = trial.bad(trial.deploy())
    finally:
        trial.write("nginx/nginx.conf", good)
    assert 'unknown directive "no_such_word"' in what
    assert (load.failed, trial.of("nginx")) == ({}, nginx)
    assert trial.counts == WHOLE


@pytest.fixture
def canary(trial: Rolling) -> Iterator[Rolling]:
    """Deployed by canary, and watched for six seconds."""
    usual = trial.host.deploy
    trial.change(deploy=with_(trial.host, strategy="canary", weight=20, hold=6))
    yield trial
    trial.change(deploy=usual)


def test_a_good_canary_goes_on(canary: Rolling) -> None:
    trial = canary
    version(trial, "canary")
    plan = {one["step"]: one["what"] for one in trial.good(trial.deploy(plan=True))["plan"]}
    assert "first 1 of api and 1 of web get 20 % of the requests for 6 s, watched for health, and 5xx" in plan["roll"]
    with trial.load() as load, trial.load("/api") as api:
        found = trial.good(trial.deploy())["canary"]
    print(found, load.found, api.found)
    assert (load.failed, api.failed) == ({}, {})
    assert (found["ended"], found["weight"], trial.releases()[-1].strategy) == ("over", 20, "canary")
    for figures in found["services"].values():
        old, new = figures["old"], figures["new"]
        assert (old["errors"], new["errors"]) == (0, 0)
        assert new["requests"] == pytest.approx((old["requests"] + new["requests"]) / 5, rel=0.1, abs=4)
    assert (trial.counts, trial.clean()) == (WHOLE, True)
    assert "opslib.log" not in trial.docker("exec", *trial.of("nginx"), "ls", "/dev/shm")


def test_a_version_that_passes_health_and_then_fails_goes_back(canary: Rolling) -> None:
    trial = canary
    trial.change(deploy=with_(trial.host, hold=120))
    before = {name: trial.of(name) for name in WHOLE}
    version(trial, "broken")
    with trial.load() as load, trial.load("/api") as api:
        record = trial.deploy()
    what = trial.bad(record)
    print(what, load.found, api.found)
    assert "the new version goes back, after " in what
    assert "new 5xx 100.0 % of " in what
    assert record.hosts[0].result["canary"]["ended"] == "worse"
    for one in (load, api):
        assert set(one.found) <= {"200", "500"}
        assert one.found["500"] <= 0.2 * one.found.total() + 4, "no more than their share"
    assert {name: trial.of(name) for name in WHOLE} == before
    assert trial.clean()
    assert trial.releases()[-1].outcome == "failed"


def test_somebody_else_says_how_it_ends(canary: Rolling) -> None:
    trial = canary
    trial.change(deploy=with_(trial.host, hold=300))
    other = connect(trial.host)
    try:
        for word, outcome in (("abort", "failed"), ("promote", "good")):
            version(trial, f"to {word}")
            before, records = trial.of("web"), list[Record]()
            deploy = threading.Thread(target=lambda found=records: found.append(trial.deploy()), daemon=True)
            deploy.start()
            wait_for(lambda: other.run(bash('[ -e "$1/rolling/watched" ]', other.state), check=False).ended.ok, 300)
            both = len(trial.of("web")), len(trial.of("api"))
            said = look_on(f"deploy.{word}", [other], lambda run, word=word: give(run, word))
            deploy.join(300)
            assert said.ok, said.hosts[0].error
            assert both == (3, 2), "one of each beside the old ones"
            result, error = records[0].hosts[0].result["canary"], records[0].hosts[0].error
            assert (result["ended"], records[0].ok) == (
                {"abort": "aborted", "promote": "promoted"}[word],
                word == "promote",
            )
            assert word == "promote" or (error is not None and "has said to go back" in str(error["what"]))
            assert (trial.counts, trial.clean(), trial.releases()[-1].outcome) == (WHOLE, True, outcome)
            assert (trial.of("web") == before) == (word == "abort")
        nobody = look_on("deploy.abort", [other], lambda run: give(run, "abort"))
        assert (nobody.exit, nobody.hosts[0].error["what"]) == (1, "no canary is being watched")  # type: ignore[index]
    finally:
        other.close()
    with trial.load() as load:
        trial.good(trial.rollback())
    assert (load.failed, trial.releases()[-1].strategy) == ({}, "rolling")
    assert (trial.counts, trial.clean()) == (WHOLE, True)


def test_killed_while_a_canary_is_watched(canary: Rolling) -> None:
    trial = canary
    trial.change(deploy=with_(trial.host, hold=300))
    before = {name: trial.of(name) for name in WHOLE}
    version(trial, "killed")
    with trial.load() as load, trial.load("/api") as api:
        killed_in(trial, "roll", there="rolling/watched")
        wait_for(lambda: trial.counts == WHOLE and trial.clean(), 60)
    assert (load.failed, api.failed) == ({}, {})
    assert {name: trial.of(name) for name in WHOLE} == before, "by itself, and before anybody comes"


@pytest.fixture(scope="module")
def watched(trial: Rolling) -> Rolling:
    """Where a container of the tools image can watch over a hold. On this machine that depends on what it is."""
    words = ["--pull", "never", "--privileged", "--pid", "host", tools_tag(),
             "nsenter", "-t", "1", "-m", "-n", "--", "true"]  # fmt: skip
    if (
        trial.kind == "local"
        and not trial.target.run(docker(trial.target.host, "run", "--rm", *words), check=False).ended.ok
    ):
        version(trial, "not kept")
        trial.good(trial.deploy(strategy="blue-green"))
        assert NOT_KEPT in trial.notes()
        assert (trial.counts, trial.clean()) == (WHOLE, True)
        pytest.skip("no container can watch over this machine: it may not enter the namespaces of process 1")
    return trial


def test_both_colours_stand_and_a_rollback_is_a_reload(watched: Rolling) -> None:
    trial = watched
    held = [name for name in WHOLE if name != "keep"]  # which stops first, if a test before this one has changed it
    old = {name: trial.of(name) for name in held}
    version(trial, "green")
    with trial.load() as load, trial.load("/api") as api:
        trial.good(trial.deploy(strategy="blue-green"))
        both = trial.counts
        plan = trial.good(trial.deploy(plan=True))
        load.versions.clear()
        wait_for(lambda: load.versions["green"] > 20, 20)
        served = set(load.versions)
        trial.bad(trial.rollback(to="nonsense"), 2)
        assert trial.counts == both, "what is refused leaves the hold"
        back = {one["step"]: one["what"] for one in trial.good(trial.rollback(plan=True))["plan"]}
        result = trial.good(trial.rollback())
    print(f"the old version answered again after {result['switch_seconds']} s")
    assert (load.failed, api.failed) == ({}, {})
    assert (both, served, plan["plan"]) == (BOTH, {"green"}, []), "what stays on hold is no reason to do anything"
    assert "nginx is told" in back["switch"]
    assert "beside" not in back.get("roll", ""), "nothing is doubled: at most nginx is told of what was recreated"
    assert result["switch_seconds"] < 2
    assert {name: trial.of(name) for name in held} == old, "the old ones never stopped"
    assert (trial.counts, trial.clean()) == (WHOLE, True)
    last = trial.releases()[-1]
    assert (last.outcome, last.strategy) == ("good", "rolling")


def test_a_hold_ends_with_the_next_run_and_by_itself(watched: Rolling) -> None:
    trial = watched
    usual = trial.host.deploy
    try:
        version(trial, "red")
        with trial.load() as load, trial.load("/api") as api:
            trial.good(trial.deploy(strategy="blue-green"))
            red = trial.of("web")
            version(trial, "white")
            trial.change(deploy=with_(trial.host, hold=12))
            trial.good(trial.deploy(strategy="blue-green"))
            assert (trial.counts, len(red & trial.of("web"))) == (BOTH, 2), "of each service the last two versions"
            wait_for(lambda: trial.counts == WHOLE and trial.clean(), 60)
        assert (load.failed, api.failed) == ({}, {})
        assert trial.steps(trial.deploy()) == []
    finally:
        trial.change(deploy=usual)


def test_the_strategy_of_one_deploy(trial: Rolling) -> None:
    version(trial, "5")
    given = DeployOptions(trial.root, trial.here, strategy="recreate")
    plan = trial.good(trial.deploy(plan=True, strategy=given.strategy))
    assert {one["how"] for one in plan["strategy"]["services"].values()} == {"stop first"}
