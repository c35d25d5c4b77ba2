"""A small change of a large image to a server that has the version before: opslib, `docker save`, a registry."""

from __future__ import annotations

import contextlib
import os
import shlex
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labkit.line import Line

from .measure import MIB, Rounds, Row, Sizes, call, rounds, say, seconds
from .place import BIN, Place

IMAGE = "bench-ship"
CHANGE = 10_000  # bytes
LARGEST = 300 * MIB
LINES = {"loopback": (None, 0.0), "50 Mbit/s, 20 ms": (50e6 / 8, 0.02)}
PEERS = {
    "save": "`docker save \\| gzip \\| ssh docker load`",
    "registry": "push to a registry beside it, pull over `ssh -R`",
}
CLIENT = Path(__file__).with_name("ship_client.py")
TUNNEL = 15000  # on the server: the registry through the connection


@dataclass
class _Trial:
    """What all ways share: the large image, the registry, and the bytes that each way took, round by round."""

    place: Place
    registry: str
    line: Line
    name: str
    took: dict[str, list[int]] = field(default_factory=dict)

    def timed(self, way: str, words: Callable[[str], list[str]]) -> Callable[[], float]:
        """A thing for `rounds`: a new version is built, and then measured on its way."""

        def run() -> float:
            image = f"{IMAGE}-{way}:{time.time_ns()}"
            build(self.place, image)
            before = self.line.passed
            ran = call(words(image), env=self.environment)
            self.took.setdefault(way, []).append(self.line.passed - before)
            named = [image, f"{self.registry}/{image}"] if way == "registry" else [image]
            call([self.place.docker, "image", "rm", *named])
            return ran.seconds

        return run

    @property
    def environment(self) -> dict[str, str]:
        return {**self.place.environment, "XDG_CACHE_HOME": str(self.place.path / "cache"),
                "DOCKER_CONFIG": str(self.place.path / "docker")}  # fmt: skip

    def ssh(self, *options: str) -> str:
        """The words before a command that runs there."""
        return shlex.join(["ssh", "-T", "-F", str(self.place.ssh_config), *options, self.name])

    def log_in(self) -> None:
        """Let the engines use the registry, here and through the connection."""
        facts, secret = self.place.registry, self.place.path / "registry-password"
        secret.touch(mode=0o600)
        secret.write_text(facts["password"])
        login = f"login -u {facts['user']} --password-stdin"
        call([self.place.docker, *login.split(), self.registry], stdin=secret, env=self.environment)
        call(_bash(f"{self.tunnel()} docker {login} 127.0.0.1:{TUNNEL}"), stdin=secret, env=self.environment)

    def tunnel(self) -> str:
        """The words before a command that runs there and finds the registry on its own loopback."""
        return self.ssh("-o", "ExitOnForwardFailure=yes", "-R", f"127.0.0.1:{TUNNEL}:{self.registry}")

    # -- the three ways

    def opslib(self, image: str) -> list[str]:
        return [str(BIN / "python"), str(CLIENT), self.name, str(self.place.path), image]

    def saved(self, image: str) -> list[str]:
        docker = self.place.docker
        return _bash(f"{docker} save {image} | gzip | {self.ssh()} docker load -q")

    def pulled(self, image: str) -> list[str]:
        docker, there = self.place.docker, f"127.0.0.1:{TUNNEL}/{image}"
        return _bash(
            f"{docker} tag {image} {self.registry}/{image} && {docker} push -q {self.registry}/{image} && "
            f"{self.tunnel()} 'docker pull -q {there} && docker tag {there} {image}'"
        )


def measured(place: Place, sizes: Sizes) -> list[Row]:
    """The ways on each of the lines."""
    size = min(sizes.size, LARGEST)
    found = []
    for what, (rate, delay) in LINES.items():
        with _trial(place, size, rate, delay) as trial:
            say(f"a change of {CHANGE // 1000} kB in an image of {size // MIB} MiB, {what}")
            ways = {"opslib": trial.opslib, "save": trial.saved, "registry": trial.pulled}
            took = rounds(sizes.runs, {way: trial.timed(way, words) for way, words in ways.items()})
        found += [row for peer, told in PEERS.items() for row in _rows(what, size, took, trial.took, peer, told)]
    return found


def _rows(what: str, size: int, took: Rounds, bytes: dict[str, list[int]], peer: str, told: str) -> list[Row]:
    runs = len(bytes[peer])
    went = {way: f"{statistics.median(bytes[way]) / 1000:.0f} kB" for way in bytes}
    ratios = tuple(theirs / mine for mine, theirs in zip(bytes["opslib"], bytes[peer], strict=True))
    aim = "≥ 20" if peer == "save" else ""
    return [
        Row(f"{CHANGE // 1000} kB new in {size // MIB} MiB, {what}", seconds(took.median("opslib")),
            f"{told}: {seconds(took.median(peer))}", "≥ 1", took.ratios(peer, "opslib"), runs),
        Row("the same: bytes on the line, both ways", went["opslib"], went[peer], aim, ratios, runs),
    ]  # fmt: skip


def build(place: Place, image: str) -> None:
    """The next version: the large image, and a file that is new each time."""
    folder = place.path / "ship"
    (folder / "change").write_bytes(os.urandom(CHANGE))
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}-large:1\nCOPY change /change\n")
    call([place.docker, "build", "-q", "-t", image, folder])


@contextlib.contextmanager
def _trial(place: Place, size: int, rate: float | None, delay: float) -> Iterator[_Trial]:
    """A server that has the large image as opslib and as a registry bring it, and the line to it."""
    folder, address = place.path / "ship", place.registry["address"]
    folder.mkdir(exist_ok=True)
    large = f"FROM {place.images}debian:bookworm-slim\nRUN head -c {size * 3 // 4} /dev/urandom | base64 >/large\n"
    (folder / "Dockerfile").write_text(large)
    call([place.docker, "build", "-q", "-t", f"{IMAGE}-large:1", folder])
    port = int(place.facts["port"])
    with Line(port) as quick:
        first = _Trial(place, address, quick, place.by_port(quick.port))
        first.log_in()
        # the second of opslib's is the first that is pushed: from the third on only new layers are
        for way, words in (("opslib", first.opslib), ("opslib", first.opslib), ("registry", first.pulled)):
            first.timed(way, words)()
    with Line(port, rate, delay) as line:
        yield _Trial(place, address, line, place.by_port(line.port))


def _bash(text: str) -> list[str]:
    return ["bash", "-c", f"set -o pipefail; {text}"]
