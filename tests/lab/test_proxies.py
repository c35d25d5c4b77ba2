"""Deploys under load behind the other proxies: Traefik in the stack on this machine, and nginx on the server `one` itself,
which runs as the user who deploys. What each of them says to what is wrong is in tests/programs and tests/unit."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import uuid
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from opslib.command import bash
from opslib.images.tools import ensure_tools
from opslib.settings.model import Deploy, Proxy
from opslib.target.transfer import put_bytes
from tests.conftest import missing, need_server
from tests.lab.deploying import wait_for, with_
from tests.lab.test_rolling import DOCKERFILE, SERVE, Rolling

pytestmark = pytest.mark.lab

APP = """
services:
  api:
    build: {context: app, args: {IMAGES: "${IMAGES}"}}
    image: ${NAME}-app
    init: true
    stop_grace_period: 5s
    environment: {NEVER: ""}
    deploy: {replicas: 2}
    healthcheck:
      interval: 1s
      timeout: 5s
      start_period: 20s
      test: [CMD, bash, -c, "exec 3<>/dev/tcp/127.0.0.1/8000 && printf 'GET / HTTP/1.0\\\\r\\\\n\\\\r\\\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
"""
TRAEFIK = """
  traefik:
    image: ${NAME}-traefik
    command: [traefik, --providers.file.directory=/etc/traefik/up, --api.insecure=true, "--entrypoints.web.address=:80",
              --serversTransport.forwardingTimeouts.idleConnTimeout=1s]
    ports: ["${ADDRESS}:${PORT}:80"]
    volumes: ["./up:/etc/traefik/up:ro"]
"""
RANGE = '    ports: ["127.0.0.1:${RANGE}:8000"]\n'
ROUTES = "http: {routers: {all: {rule: PathPrefix(`/`), service: api@file, entryPoints: [web]}}}\n"
NGINX = """pid {folder}/pid; worker_processes 2; error_log {folder}/error.log; events {{}}
http {{ access_log off; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5; include up/*.conf;
server {{ listen {port}; location / {{ {location} }} }} }}
"""
IMAGE = "ARG IMAGES\nFROM ${IMAGES}debian:bookworm-slim\nCOPY traefik /usr/local/bin/\n"


class Behind(Rolling):
    """The stack behind another proxy."""

    compose = APP + TRAEFIK
    proxy = Proxy(kind="traefik", service="traefik", folder="up", upstreams={"api": 8000})

    def behind(self, proxy: Proxy, compose: str) -> None:
        self.compose = compose
        self.change(deploy=Deploy(strategy="rolling", proxy=proxy, timeout=40, stable=1, drain=5))
        self.create()

    def env(self, **values: str) -> None:
        super().env(**{"RANGE": f"{self.port + 1}-{self.port + 4}", **values})

    def create(self) -> None:
        for name, text in {"compose.yml": self.compose, "app/Dockerfile": DOCKERFILE, "app/serve.py": SERVE,
                           "app/version": "1", "up/routes.yml": ROUTES, ".gitignore": ".env\n.opslib/\n"}.items():  # fmt: skip
            self.write(name, text)
        self.env()
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-qm", "first")

    def version(self, text: str) -> None:
        self.write("app/version", text)

    def ask(self) -> str:
        line = HTTPConnection(self.address, self.port, timeout=10)
        try:
            line.request("GET", "/")
            return line.getresponse().read().decode()
        finally:
            line.close()


def smooth(trial: Behind, version: str) -> None:
    """A deploy and its rollback, and no request is lost."""
    before = trial.ask()
    trial.version(version)
    with trial.load() as load:
        trial.good(trial.deploy())
        load.versions.clear()
        wait_for(lambda: load.versions[version] > 20, 20)
        served = set(load.versions)
        trial.good(trial.rollback())
    assert (load.failed, served, trial.ask()) == ({}, {version}, before)
    assert len(trial.of("api")) == 2


@pytest.fixture(scope="module")
def traefik(lab: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    program = Path(sys.executable).with_name("traefik")
    if not program.exists():
        missing("no package brings Traefik for this machine")
    root = tmp_path_factory.mktemp("traefik") / "proj"
    root.mkdir()
    made = Behind(root, "local", f"trk-{uuid.uuid4().hex[:8]}", lab["images_prefix"], "127.0.0.1")
    image = tmp_path_factory.mktemp("image")
    (image / "Dockerfile").write_text(IMAGE)
    os.link(program, image / "traefik")
    words = ["docker", "build", "-q", "-t", f"{made.name}-traefik", "--build-arg", f"IMAGES={made.images}", str(image)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    made.behind(Behind.proxy, APP + TRAEFIK)
    made.good(made.deploy())
    wait_for(lambda: made.ask() == "1", 10)
    yield made
    made.down()
    made.close()


def test_behind_traefik_no_request_is_lost(traefik: Behind) -> None:
    smooth(traefik, "2")
    assert "http://api:8000" in traefik.sh("cat up/opslib-api.yml"), "between deploys by its name"


def test_a_file_that_traefik_cannot_read_ends_the_deploy_before_it_begins(traefik: Behind) -> None:
    trial, before = traefik, traefik.of("api")
    trial.version("never")
    trial.sh("echo 'http: : :' >up/mine.yml")
    try:
        wait_for(lambda: "mine.yml" in trial.docker("logs", f"{trial.name}-traefik-1"), 10)
        record = trial.deploy()
        assert "mine.yml" in trial.bad(record)
        assert (trial.steps(record), trial.of("api")) == ([], before)
    finally:
        trial.sh("rm up/mine.yml")
    assert trial.ask() == "1"


@pytest.fixture(scope="module")
def on_server(
    request: pytest.FixtureRequest, lab: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Behind]:
    need_server(request)
    server = next(one["container"] for one in lab["servers"] if one["name"] == "one")
    found = ["docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", server]
    address = subprocess.run(found, capture_output=True, text=True, check=True).stdout.strip()
    root = tmp_path_factory.mktemp("nginx") / "proj"
    root.mkdir()
    made = Behind(root, "ssh", f"ngx-{uuid.uuid4().hex[:8]}", lab["images_prefix"], address)
    made.port = random.randrange(20000, 30000, 10)
    home = made.target.run(bash("pwd")).text.strip()
    folder = f"{home}/opslib-test-{made.name}/nginx"
    # The server has no nginx; that of the lab's image is Debian's, and so is the server.
    here = tmp_path_factory.mktemp("program")
    run = ["docker", "run", "--rm", "--pull", "never", f"{made.images}nginx:1", "cat", "/usr/sbin/nginx"]
    (here / "nginx").write_bytes(subprocess.run(run, check=True, capture_output=True).stdout)
    made.target.run(bash('mkdir -p -- "$1/up"', folder))
    put_bytes(made.target, (here / "nginx").read_bytes(), f"{folder}/nginx", mode=0o755)
    command = (f"{folder}/nginx", "-p", folder, "-c", f"{folder}/nginx.conf")

    def conf(location: str) -> None:
        text = NGINX.format(folder=folder, port=made.port, location=location)
        put_bytes(made.target, text.encode(), f"{folder}/nginx.conf")

    conf("return 404;")
    made.target.run(bash('"$@"', *command))
    conf("proxy_pass http://api;")
    proxy = Proxy(kind="host-nginx", folder=f"{folder}/up", upstreams={"api": 8000}, command=command)
    made.behind(proxy, APP + RANGE)
    try:
        ensure_tools(made.target, made.here, {"OPSLIB_TOOLS_BASE": f"{made.images}debian:bookworm-slim"})
        made.good(made.deploy())
        yield made
    finally:
        made.target.run(bash('"$@" -s quit', *command), check=False)
        made.down()
        made.close()


def test_behind_nginx_on_the_server_no_request_is_lost(on_server: Behind) -> None:
    """Both versions stand, and the server itself ends the hold."""
    trial, usual = on_server, on_server.host.deploy
    assert trial.ask() == "1", "the first deploy told it, though its configuration already led to the service"
    assert trial.good(trial.deploy(plan=True))["plan"] == []
    trial.version("2")
    try:
        trial.change(deploy=with_(trial.host, strategy="blue-green", hold=2))
        with trial.load() as load:
            trial.good(trial.deploy())
            load.versions.clear()
            wait_for(lambda: len(trial.of("api")) == 2 and load.versions["2"] > 20, 60)
            wait_for(lambda: not trial.sh("ls -d .opslib/rolling 2>/dev/null || true").strip(), 20)
    finally:
        trial.change(deploy=usual)
    assert (load.failed, set(load.versions)) == ({}, {"2"})
    trial.docker("restart", "-t", "1", *trial.of("api"))  # each may have another port of the range now
    wait_for(lambda: _asked(trial) == {"2"}, 30)


def _asked(trial: Behind) -> set[str]:
    try:
        return {trial.ask() for _ in range(10)}
    except OSError:
        return set()
