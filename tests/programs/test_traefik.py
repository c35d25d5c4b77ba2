"""traefik.bash with the real Traefik as a process of this machine, and a stand-in for `docker` that says where it is."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from opslib.compose.project import parse_project
from opslib.compose.script import docker_script
from opslib.compose.stack import Stack, parse_container
from opslib.errors import BadSettings, OpsError
from opslib.proxy import traefik
from opslib.proxy.servers import Server, shared
from opslib.settings.model import Host, Proxy
from opslib.target.base import Target
from opslib.target.connect import connect
from tests.conftest import missing
from tests.lab.deploying import wait_for
from tests.lab.test_rolling import free_port

PROGRAM = Path(sys.executable).with_name("traefik")
DOCKER = """#!/usr/bin/env bash
cd -- "$(dirname -- "$0")" || exit
case $1 in
  ps) echo t ;;
  inspect) if [[ $3 = *Pid* ]]; then cat pid; else echo 127.0.0.1; fi ;;
  logs) cat log ;;
esac
"""
ROUTES = "http: {routers: {all: {rule: PathPrefix(`/`), service: %s, entryPoints: [web]}}}"


BUSY: Counter[str] = Counter()


def serve(name: str) -> ThreadingHTTPServer:
    """A server that answers with its name; /slow after four seconds, in which BUSY counts it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/slow":
                BUSY[name] += 1
                time.sleep(4)
                BUSY[name] -= 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(name)))
            self.end_headers()
            self.wfile.write(name.encode())

        def log_message(self, *words: Any) -> None:
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made


class Machine:
    """Traefik with a folder `up` that it watches, its log, and where its API and its entry point are."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder, self.port, self.api = folder, free_port(), free_port()
        (folder / "docker").write_text(DOCKER)
        (folder / "docker").chmod(0o755)
        (folder / "up").mkdir()
        (folder / "dir/api").mkdir(parents=True)
        self.put("routes.yml", ROUTES % "api@file")
        self.target: Target = connect(Host(name="local", path=str(folder), docker=(str(folder / "docker"),)))
        self.spec = Proxy(kind="traefik", service="traefik", folder="up", upstreams={"api": 8000}, api=self.api)
        self.flags = flags or ("--api.insecure=true", f"--providers.file.directory={folder}/up")

    def start(self) -> None:
        words = [f"--entrypoints.web.address=127.0.0.1:{self.port}", f"--entrypoints.traefik.address=127.0.0.1:{self.api}",
                 "--serversTransport.forwardingTimeouts.idleConnTimeout=100ms", *self.flags]  # fmt: skip
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen([PROGRAM, *words], stdout=log, stderr=log)
        # As of a container that was started long ago, where nothing is waited for.
        self.started = time.strftime("%Y-%m-%dT%H:%M:%S.1Z", time.gmtime(time.time() - 2 * traefik.YOUNG))
        (self.folder / "pid").write_text(str(self.process.pid))

    def put(self, name: str, text: str) -> None:
        (self.folder / "up" / f"{name}.part").write_text(text)
        (self.folder / "up" / f"{name}.part").rename(self.folder / "up" / name)

    def tell(self, servers: list[Server], tenths: int = 0) -> Any:
        """As settle.bash does it: what was there is kept, the file is written, and Traefik is waited for."""
        file = self.folder / "up/opslib-api.yml"
        if file.exists():
            (self.folder / "dir/api/was").write_text(file.read_text())
        self.put(file.name, traefik.dynamic("api", servers))
        text = f'{traefik.script()}\ncontainers() {{ docker ps; }}; label=l dir=$1 folder=$2 words=(traefik "$3")\ntell "$4" api'
        words = [str(self.folder / "dir"), str(self.folder / "up"), str(self.api), str(tenths)]
        return self.target.run(docker_script(self.target.host, text, *words), check=False)

    def ask(self, path: str = "/") -> str:
        to = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            to.request("GET", path)
            return to.getresponse().read().decode()
        finally:
            to.close()

    def refuse(self) -> None:
        """What is looked at before a deploy."""
        mount = {"type": "bind", "source": f"{self.folder}/up", "target": "/etc/traefik/up"}
        project = parse_project({"name": "p", "services": {"traefik": {"image": "t", "volumes": [mount]}, "api": {}}},
                                root=str(self.folder))  # fmt: skip
        container = parse_container({
            "Id": "t", "Name": "/p-traefik-1", "Image": "i", "HostConfig": {},
            "Config": {"Labels": {"com.docker.compose.service": "traefik"}},
            "State": {"Status": "running", "StartedAt": self.started},
            "Mounts": [{"Type": "bind", "Source": mount["source"], "Destination": mount["target"], "RW": False}],
        })  # fmt: skip
        proxy = traefik.Traefik(self.spec)
        proxy.check(project, "h")
        proxy.refuse_broken(self.target, project, Stack("p", (container,)))


@pytest.fixture
def machine(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Machine]:
    if not PROGRAM.exists():
        missing("no package brings Traefik for this machine")
    made = Machine(tmp_path, *getattr(request, "param", ()))
    made.start()
    yield made
    made.process.terminate()
    made.process.wait()


def at(server: ThreadingHTTPServer) -> str:
    return f"127.0.0.1:{server.server_port}"


def test_requests_go_where_it_is_told_and_as_many(machine: Machine) -> None:
    old, new = [at(serve("old")) for _ in range(3)], [at(serve("new"))]
    assert machine.tell([Server(one) for one in old]).ended.ok
    assert Counter(machine.ask() for _ in range(10)) == {"old": 10}
    machine.refuse()
    assert machine.tell(shared(old, new, 0.1)).ended.ok
    assert Counter(machine.ask() for _ in range(200)) == {"old": 180, "new": 20}
    machine.refuse()
    slow: list[str] = []
    asking = [threading.Thread(target=lambda: slow.append(machine.ask("/slow"))) for _ in range(2)]
    for one in asking:
        one.start()
    wait_for(lambda: BUSY.total() == 2, 10)  # one of ten goes to the new one, so at most one of two
    began = time.monotonic()
    assert machine.tell([Server(one) for one in new], tenths=300).ended.ok
    asked = time.monotonic() - began
    assert BUSY["old"] == 0, "it has waited for them"
    assert asked < 20, "and not longer"
    for one in asking:
        one.join()
    assert "old" in slow
    assert machine.ask() == "new"


def test_what_is_broken_is_said_in_its_own_words(machine: Machine) -> None:
    assert machine.tell([Server(at(serve("old")))]).ended.ok
    machine.put("mine.yml", "http: : :")
    said = machine.tell([Server(at(serve("new")))])
    assert not said.ended.ok
    assert "has not taken opslib-api.yml" in said.ended.stderr
    assert "mine.yml" in said.ended.stderr
    assert machine.ask() == "old"
    with pytest.raises(OpsError, match=r"is broken, so it would take nothing:\n.*mine\.yml"):
        machine.refuse()


def test_one_that_was_started_with_it_broken(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.put("mine.yml", "http: : :")
    machine.start()
    try:
        with pytest.raises(OpsError, match=r"is broken, so it would take nothing:\n.*mine\.yml"):
            ready(machine)
    finally:
        machine.process.terminate()
        machine.process.wait()


def ready(machine: Machine) -> None:
    """`refuse`, when its API answers."""
    until = time.monotonic() + 20
    while True:
        try:
            machine.refuse()
            return
        except BadSettings as error:
            if "the API of traefik does not answer" not in error.what or time.monotonic() > until:
                raise
        time.sleep(0.1)


@pytest.mark.parametrize(
    "machine", [("--api.insecure=true", "--providers.http.endpoint=http://127.0.0.1:9/")], indirect=True
)
def test_one_that_reads_no_files(machine: Machine) -> None:
    with pytest.raises(BadSettings, match="reads no files") as raised:
        ready(machine)
    assert raised.value.next == "`--providers.file.directory=/etc/traefik/up` in the command of traefik"


@pytest.mark.parametrize("machine", [("--api.insecure=true", "--providers.file.filename=/dev/null")], indirect=True)
def test_one_that_watches_something_else(machine: Machine) -> None:
    machine.put("opslib-api.yml", traefik.dynamic("api", [Server("api:8000")]))
    with pytest.raises(OpsError, match=r"has not taken /etc/traefik/up/opslib-api\.yml"):
        ready(machine)


@pytest.mark.parametrize("machine", [("--api=false",)], indirect=True)
def test_one_without_its_api(machine: Machine) -> None:
    with pytest.raises(BadSettings, match="the API of traefik does not answer") as raised:
        machine.refuse()
    assert "--api.insecure=true" in str(raised.value.next)


def test_nothing_leads_to_the_service(machine: Machine) -> None:
    machine.put("routes.yml", ROUTES % "other")
    with pytest.raises(BadSettings, match="no router of traefik leads to api@file") as raised:
        ready(machine)
    assert "`service: api@file`" in str(raised.value.next)
    machine.put("routes.yml", ROUTES % "api")
    machine.started = time.strftime("%Y-%m-%dT%H:%M:%S.1Z", time.gmtime())
    machine.refuse()  # within the file provider its name alone will do; one that was just started is waited for
