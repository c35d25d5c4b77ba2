"""Deploys of a new version while requests come without a pause, broken off at random moments. No request may fail, each
service ends all old or all new, nothing else is left, and the next deploy brings a new version whole."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

from tests.lab.load import Load
from tests.lab.site import LABEL, Site, fault, own_server, until

from .breaks import HEALED, TITLES
from .ground import Ground
from .kills import AFTER
from .stack import environment
from .tally import Bad, Row, attempts

PORT = 8080  # of nginx, on the server
WHOLE = {"api": 1, "web": 2, "keep": 1, "nginx": 1}
STRATEGIES = ("rolling", "blue-green")
CUT_IN = ("files", "build", "images", "tag", "record", "roll", "health", "hold", "seal")
COMPOSE = """
x-app: &app
  build: {context: app, args: {IMAGES: "${IMAGES}"}}
  image: PROJECT-app
  init: true
  stop_grace_period: 5s
  environment: {COLOR: "${COLOR}"}
  healthcheck:
    interval: 1s
    timeout: 5s
    retries: 9
    start_period: 30s
    test: [CMD, python, -c, "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/')"]
services:
  api: {<<: *app}
  web: {<<: *app, deploy: {replicas: 2}}
  keep:
    image: ${IMAGES}busybox:1
    init: true
    stop_grace_period: 1s
    command: [sleep, "1000000"]
    volumes: ["data:/data"]
  nginx:
    image: ${IMAGES}nginx:1
    restart: unless-stopped
    ports: ["8080:80"]
    volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro", "./up:/etc/nginx/up:ro"]
volumes: {data: {}}
"""
FILES = {
    "app/Dockerfile": """ARG IMAGES
FROM ${IMAGES}python:3.11-slim
COPY . /srv
CMD ["python", "/srv/serve.py"]
""",
    "app/serve.py": """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
color = os.environ["COLOR"].encode()
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(color)))
        self.end_headers()
        self.wfile.write(color)
    def log_message(self, *words):
        pass
class Server(ThreadingHTTPServer):
    request_queue_size = 128
Server(("", 8000), Handler).serve_forever()
""",
    "nginx.conf": """
events {}
http {
    access_log off;
    include /etc/nginx/up/*.conf;
    server {
        listen 80;
        location / { proxy_pass http://web; }
        location /api { proxy_pass http://api/; }
    }
}
""",
    "up/README": "opslib writes here\n",
}
SETTINGS = """deploy:
  strategy: rolling
  timeout: 120s
  stable: 1s
  drain: 5s
  hold: 2s
  proxy: {service: nginx, folder: up, upstreams: {api: 8000, web: 8000}}
"""


class Roll:
    """The stack on the server."""

    def __init__(self, folder: Path, images: str, server: dict[str, str]) -> None:
        self.site = Site(folder, images, server, compose=COMPOSE.replace("PROJECT", f"roll-{os.getpid()}"),
                         settings=SETTINGS)  # fmt: skip
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        self.address = self.site.here(f"docker inspect -f '{form}' {server['container']}")
        for name, text in FILES.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        self.site.git("add", "-A")
        self.site.git("commit", "-qm", "all of it")
        self.said: list[str] = []
        self.answered, self.version, self.seconds = 0, 0, 0.0

    def up(self) -> None:
        """Start it, and see how long a deploy takes."""
        self.deploy()
        began = time.monotonic()
        self.deploy()
        self.seconds = time.monotonic() - began

    def down(self) -> None:
        """Remove it."""
        self.site.inside(f"rm -f {self.site.folder}/.opslib/armed.*")
        self.site.down()
        for where in (self.site.inside, self.site.here):
            where(f"docker image rm $(docker image ls -q roll-{os.getpid()}-app) -f")

    def next(self) -> str:
        """Another version."""
        self.version += 1
        self.site.env(f"v{self.version}")
        (self.site.root / "app/version").write_text(str(self.version))
        return f"v{self.version}"

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """`inv deploy` of what is here."""
        from tests.lab.site import INV

        return subprocess.Popen(
            [str(INV), "deploy", "--host", "there", "--yes", *words], cwd=self.site.root, text=True,
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment(self.site),
        )  # fmt: skip

    def ended(self, process: subprocess.Popen[str]) -> int:
        """Its exit code."""
        out, _ = process.communicate(timeout=600)
        self.said = [*self.said[-5:], f"{process.args!r}: {process.returncode}\n{out}"]
        if "Traceback" in out:
            raise Bad("it ended with a traceback")
        return process.returncode

    def deploy(self) -> None:
        """A deploy that nobody disturbs, and what there is then."""
        color = self.next()
        if code := self.ended(self.begin(*AFTER)):
            raise Bad(f"the deploy that nobody disturbed ended with {code}:\n{self.said[-1][-1500:]}")
        until(lambda: self.counts() == WHOLE, 60, "not as many containers as there should be")
        served = {urlopen(f"http://{self.address}:{PORT}/", timeout=20).read().decode() for _ in range(8)}
        if served != {color}:
            raise Bad(f"{', '.join(sorted(served))} is served and not {color} alone")
        left = self.site.inside(f"cd {self.site.folder}/.opslib && ls -d rolling armed.* run.log 2>/dev/null; true")
        if left:
            raise Bad(f"left behind: {left.split()}")

    def counts(self) -> dict[str, int]:
        """How many containers of each service there are, running or not."""
        form = f'{{{{.Label "{LABEL}.service"}}}}'
        said = self.site.inside(f"docker ps -a -f label={LABEL}.project={self.site.name} --format '{form}'").split()
        return {name: said.count(name) for name in dict.fromkeys(said)}

    def evidence(self) -> dict[str, str]:
        """What may tell why something is wrong."""
        folder = f"{self.site.folder}/.opslib"
        text = f"docker ps -a; ls -laR {folder} | head -100; cat {folder}/run.log {folder}/watchdog.log; "
        text += f"head -50 {self.site.folder}/up/*"
        return {"runs.txt": "\n".join(self.said), "there.txt": self.site.inside(f"{text}; true"),
                "counts.txt": json.dumps(self.counts())}  # fmt: skip


def run(ground: Ground) -> list[Row]:
    """Kills at random moments with each strategy; in each step the line cut; the server without power."""
    roll = _up(ground)
    kills = 2 if ground.dice.short else max(1, ground.dice.times * 3 // 10)
    rows = []
    for strategy in STRATEGIES:
        row = Row(f"`kill -9` of a deploy with the strategy {strategy}, under load")
        rows.append(attempts(ground.dice, row, [roll], kills, _killed(strategy)))
    steps = ("roll",) if ground.dice.short else CUT_IN
    for step in steps:
        row = Row(f"the line cut in the step `{step}`, under load")
        rows.append(attempts(ground.dice, row, [roll], 1, _away("cut", step)))
    row = Row(f"{TITLES['kill']} in the middle of a deploy")
    rows.append(attempts(ground.dice, row, [roll], 1 if ground.dice.short else 3, _away("kill", "")))
    return rows


def _up(ground: Ground) -> Roll:
    images = ground.lab["images_prefix"]
    server = own_server(ground.server["name"], "busybox,debian,python,nginx")
    roll = Roll(ground.folder("roll"), images, server)
    ground.later(roll.down)
    roll.up()
    return roll


def _killed(strategy: str) -> Callable[[Roll, int, random.Random], tuple[bool, int]]:
    def work(roll: Roll, number: int, dice: random.Random) -> tuple[bool, int]:
        roll.next()
        with Load(PORT, "/", host=roll.address) as web, Load(PORT, "/api", host=roll.address) as api:
            process = roll.begin("--strategy", strategy)
            time.sleep(dice.uniform(0, roll.seconds))  # not a wait: the moment of the kill
            process.kill()
            hit = roll.ended(process) != 0
            roll.deploy()
        return hit, _answered(web, api)

    return work


def _away(kind: str, step: str) -> Callable[[Roll, int, random.Random], tuple[bool, int]]:
    def work(roll: Roll, number: int, dice: random.Random) -> tuple[bool, int]:
        roll.next()
        server, log = str(roll.site.target.host.address), f"{roll.site.folder}/.opslib/run.log"
        strategy = "blue-green" if step == "hold" else "rolling"
        with Load(PORT, "/", host=roll.address) as web, Load(PORT, "/api", host=roll.address) as api:
            process = roll.begin("--strategy", strategy)
            begun = f'grep -q \'"step":"{step}\' {log} && echo yes'
            until(lambda: roll.site.inside(begun) or process.poll() is not None, 90, f"no step {step}")
            if not step:
                time.sleep(dice.uniform(0, roll.seconds / 2))  # not a wait: the moment of the fault
            hit = process.poll() is None
            fault(server, kind)
            try:
                deadline = time.monotonic() + 45
                while process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.2)
            finally:
                fault(server, HEALED[kind])
            roll.ended(process)
            if kind == "cut":
                roll.deploy()
        if kind != "cut":
            until(lambda: roll.counts() == WHOLE, 120, "not as many containers as there should be")
            roll.deploy()
            return hit, 0
        return hit, _answered(web, api)

    return work


def _answered(*loads: Load) -> int:
    """How many requests were answered. Raises Bad where one was not."""
    if failed := [load.failed for load in loads if load.failed]:
        raise Bad(f"requests failed: {failed}")
    return sum(sum(load.found.values()) for load in loads)
