"""Deploys of a new version while wrk asks without a pause, and the way back, with each strategy."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .measure import BenchError, Row, Sizes, call, say, seconds
from .others import wrk
from .place import Place

NAME = "bench-strategies"
SERVICE = "embedding-service"  # what gets a new version; it has two replicas
PORT = 8080
CONNECTIONS = 25  # of each kind: as many again are closed after each answer
QUIET = 10  # seconds of load before each deploy
HOST = """address: {server}
path: {name}
project: {name}
env_file: .env
deploy:
  hold: {hold}
  keep_releases: 3
"""
STRATEGIES = {"rolling": "0s", "blue-green": "10m", "canary": "15s"}  # how long the old are kept, the new watched
KINDS = {"kept": ("on kept connections", ()), "fresh": ("each on a fresh one", ("-H", "Connection: close"))}
# Not its health: that is 503 by itself when the machine is too busy.
ASK = f"""request = function()
  return wrk.format("GET", "/{SERVICE}/version")
end
"""


@dataclass
class _Asked:
    """What wrk saw: how many requests there were, how many failed, and the 99th percentile of their latency, by run.
    `closed`: kept connections that were closed between two requests when wrk had sent the next already, as happens with
    each reload of nginx. A client asks again then (RFC 9112, 9.3.1); wrk calls it an error of reading."""

    kept: bool
    requests: int = 0
    failed: int = 0
    closed: int = 0
    p99: list[float] = field(default_factory=list)

    def add(self, said: str) -> None:
        self.requests += int(_one(r"(\d+) requests in", said))
        if bad := re.search(r"Non-2xx or 3xx responses: (\d+)", said):
            self.failed += int(bad[1])
        if errors := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said):
            connect, read, write, late = map(int, errors.groups())
            self.failed += connect + late + (0 if self.kept else read + write)
            self.closed += read + write if self.kept else 0
        value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", said).groups()  # type: ignore[union-attr]
        self.p99.append(float(value) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}[unit])


@dataclass
class _Trial:
    """The stack on the server, and what has been seen of it."""

    place: Place
    folder: Path
    address: str
    version: int = 0

    def inv(self, *words: str) -> dict[str, Any]:
        ran = self.place.inv(self.folder, *words, "--host", self.place.server, "--yes", "--json")
        (host,) = json.loads(ran.out)["hosts"]
        return {**host, "took": ran.seconds}

    def next(self) -> None:
        """Another version of the service, which has two replicas."""
        self.version += 1
        env = self.folder / ".env"
        env.write_text(re.sub(r"(?m)^APP_VERSION=.*", f"APP_VERSION=v{self.version}", env.read_text()))

    def strategy(self, name: str) -> None:
        text = HOST.format(server=self.place.server, name=NAME, hold=STRATEGIES.get(name, "0s"))
        (self.folder / "hosts" / f"{self.place.server}.yml").write_text(text)

    @contextlib.contextmanager
    def load(self, found: dict[str, _Asked]) -> Iterator[None]:
        """Ask in both ways until it is left."""
        program, environ = wrk(self.place)
        script = self.folder.parent / "ask.lua"
        script.write_text(ASK)
        asking = {
            kind: subprocess.Popen(
                [program, "-t", "1", "-c", str(CONNECTIONS), "-d", "3600", "--timeout", "20", "--latency", "-s", script,
                 *words, f"http://{self.address}:{PORT}"],
                env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            for kind, (_, words) in KINDS.items()
        }  # fmt: skip
        try:
            yield
        finally:
            for process in asking.values():
                process.send_signal(signal.SIGINT)
            said = {kind: process.communicate(timeout=60)[0] for kind, process in asking.items()}
        for kind, text in said.items():
            found[kind].add(text)


def measured(place: Place, sizes: Sizes) -> list[Row]:
    """`sizes.runs` deploys of a new version with each strategy, one after the other."""
    trial, rows = _up(place), []
    for name in STRATEGIES:
        trial.strategy(name)
        before, during = ({kind: _Asked(kind == "kept") for kind in KINDS} for _ in range(2))
        deploys, back = [], []
        for number in range(sizes.runs):
            trial.next()
            with trial.load(before):
                time.sleep(QUIET)
            with trial.load(during):
                deploys.append(trial.inv("deploy", "--strategy", name))
            bad = sum(asked.failed for asked in during.values())
            say(f"  {name} {number + 1}/{sizes.runs}: {deploys[-1]['took']:.1f} s, failed {bad}")
        with trial.load(during):
            back.append(trial.inv("rollback"))
        rows += _rows(name, deploys, back, before, during)
    return rows


def _rows(
    name: str,
    deploys: Sequence[dict[str, Any]],
    back: Sequence[dict[str, Any]],
    before: dict[str, _Asked],
    during: dict[str, _Asked],
) -> list[Row]:
    runs = len(deploys)
    rows = []
    for kind, (told, _) in KINDS.items():
        asked, usual = during[kind], before[kind]
        closed = f", {asked.closed} connections closed between two" if asked.closed else ""
        p99 = seconds(statistics.median(asked.p99))
        rows.append(
            Row(f"`{name}`, {CONNECTIONS} ask without a pause, {told}",
                f"{asked.failed} of {asked.requests:,} requests failed{closed}; p99 {p99}",
                f"before: {usual.failed} of {usual.requests:,}; p99 {seconds(statistics.median(usual.p99))}", "0",
                tuple(mine / theirs for mine, theirs in zip(asked.p99, usual.p99, strict=False)), runs)
        )  # fmt: skip
    trips = statistics.median(one["round_trips"] for one in deploys)
    took = statistics.median(one["took"] for one in deploys)
    watched = f", {STRATEGIES[name]} of them watching" if name == "canary" else ""
    rows.append(Row("such a deploy", f"{seconds(took)}{watched}, {trips:.0f} round trips", "", runs=runs))
    (gone,) = back
    switched = gone["result"].get("switch_seconds")
    first = f"served again after {seconds(switched)}; " if switched is not None else ""
    aim = "≤ 2 s" if switched is not None else ""
    rows.append(Row("and `inv rollback`", f"{first}{seconds(gone['took'])} in all", "", aim))
    return rows


def _up(place: Place) -> _Trial:
    """The example on the server, live."""
    folder = place.example(NAME, "productdemo")
    compose = folder / "docker-compose.yml"
    text = compose.read_text().replace('"127.0.0.1:${HTTP_PORT', '"0.0.0.0:${HTTP_PORT')
    head, service, rest = text.partition(f"{SERVICE}:${{APP_VERSION:-dev}}")
    # the others stay at one version
    rest = rest.replace("${APP_VERSION:-dev}", "v0")
    head = head.replace("APP_VERSION: ${APP_VERSION:-dev}", "APP_VERSION: v0")
    own = f"target: {SERVICE}, args: {{<<: *args, APP_VERSION: '${{APP_VERSION:-dev}}'}}"
    compose.write_text(head + service + rest.replace(f"target: {SERVICE}", own))
    say(f"productdemo on the server {place.server}, about 2 minutes the first time")
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    address = call([place.docker, "inspect", "-f", form, place.facts["container"]]).out.strip()
    trial = _Trial(place, folder, address)
    trial.strategy("rolling")
    trial.next()
    if not trial.inv("deploy")["ok"]:
        raise BenchError("productdemo was not deployed")
    return trial


def _one(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise BenchError(f"wrk did not say {pattern}:\n{text}")
    return found[1]
