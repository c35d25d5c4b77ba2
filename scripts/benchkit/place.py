"""Where it is measured: a working folder, the lab's server `bench`, and the environment of every call."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from .measure import BenchError, Ran, call, say

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = CHECKOUT / "examples"
BIN = CHECKOUT / ".venv" / "bin"
SERVER = "bench"
DEPLOYED = "bench-nochange"  # the Compose project that is live on the server
PRELOADED = ("postgres:15", "redis:7", "qdrant:v1.15.4", "nginx:1", "python:3.11-slim", "debian:bookworm-slim")
_OWN = shutil.ignore_patterns(".env", ".env.[!e]*", ".git", ".opslib", "backups", "uploads", "__pycache__")
_SSH = """Host {name}
  HostName {address}
  Port {port}
  User {user}
  IdentityFile {key}
  IdentitiesOnly yes
  UserKnownHostsFile {known_hosts}
"""


class Place:
    """The folder that a run of the bench works in, and what it brings up only when something asks for it.

    Raises BenchError where the folder is somebody else's.
    """

    def __init__(self) -> None:
        given = os.environ.get("OPSLIB_BENCH_DIR")
        self.path = Path(os.path.abspath(given)) if given else Path.home() / ".cache" / "opslib-bench"
        mark = self.path / ".opslib-bench"
        if self.path.is_dir() and any(self.path.iterdir()) and not mark.exists():
            raise BenchError(f"{self.path} holds other files: set OPSLIB_BENCH_DIR to a folder that may be removed", 2)
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        mark.touch()
        self.ssh_config = self.path / "ssh_config"
        self.load = os.getloadavg()[0]

    @property
    def environment(self) -> dict[str, str]:
        """Of inv: the caller's OPSLIB_* settings have no part in what is measured."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OPSLIB_")}
        settings = {
            "OPSLIB_SSH_CONFIG": str(self.ssh_config),
            "OPSLIB_TOOLS_BASE": f"{self.images}debian:bookworm-slim",
            "OPSLIB_KEEP_LAST": "1",  # a set is 5 GB, and each restore makes one
        }
        return {**kept, **settings, "PYTHONIOENCODING": "utf-8"}

    @cached_property
    def lab(self) -> dict[str, Any]:
        """What `scripts/lab` says, with the engine and the images there. Raises BenchError where none can be had."""
        say("the lab's engine and images")
        return self._lab("images", "--yes")

    @property
    def images(self) -> str:
        """What stands before the base images' names."""
        return str(self.lab["images_prefix"])

    @property
    def docker(self) -> str:
        return str(self.lab["engine"]["docker"])

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Of a server of the bench's own."""
        names = [name for name in self.lab["images"] if name.removeprefix(self.images) in PRELOADED]
        say(f"the lab's server {SERVER}")
        told = self._lab("server", SERVER, "--images", ",".join(names))
        found: dict[str, Any] = next(server for server in told["servers"] if server["name"] == SERVER)
        return found

    @cached_property
    def server(self) -> str:
        """Its ssh_config name."""
        self.ssh_config.write_text(_SSH.format(**self.facts))
        return SERVER

    def by_port(self, port: int) -> str:
        """The ssh_config name of that server as it is reached through another port of the loopback."""
        name, known = f"{self.server}-{port}", self.path / f"known_hosts-{port}"
        key = Path(self.facts["known_hosts"]).read_text().split(" ", 1)[1]
        known.write_text(f"[{self.facts['address']}]:{port} {key}")
        facts = {**self.facts, "name": name, "port": port, "known_hosts": known}
        with self.ssh_config.open("a") as file:
            file.write(_SSH.format(**facts))
        return name

    @contextlib.contextmanager
    def bare(self, name: str) -> Iterator[list[str]]:
        """A server without anything but systemd, sshd and an engine, for as long as it is measured; the argv of root's
        login there."""
        say(f"the lab's server {name}")
        told = self._lab("server", name, "--bare", "engine")
        facts = next(server for server in told["servers"] if server["name"] == name)
        try:
            before = self.ssh_config.read_text() if self.ssh_config.exists() else ""
            host = _SSH.format(**{**facts, "user": "root"}).replace("  User root\n", "")  # whoever is asked for
            self.ssh_config.write_text(before + host)
            yield ["ssh", "-T", "-F", str(self.ssh_config), f"root@{name}"]
        finally:
            self.ssh_config.write_text(before)
            self._lab("server", name, "--down")

    @cached_property
    def registry(self) -> dict[str, str]:
        """The lab's registry: its address, user and password."""
        found: dict[str, str] = self._lab("registry", "--yes")["registry"]
        return found

    def compose(self, folder: Path) -> list[str]:
        """The argv of `docker compose` for a project of the bench's own; its name is the folder's."""
        return [self.docker, "compose", "--project-directory", str(folder), "-p", folder.name]

    def up(self, name: str, service: Mapping[str, Any], filled: str) -> tuple[Path, bool]:
        """The folder of a project of the bench's own with one service and its volume `data`, running; and whether it
        was filled as `filled` says. Otherwise it is made anew, and whoever fills it then makes that file."""
        folder = self.path / name
        there = (folder / filled).exists()
        if not there:
            self.down(name)
            folder.mkdir(exist_ok=True)
            compose = {"services": {"one": service}, "volumes": {"data": {}}}
            (folder / "docker-compose.yml").write_text(json.dumps(compose))
            (folder / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
        call([*self.compose(folder), "up", "-d", "--wait"])
        return folder, there

    def down(self, name: str) -> None:
        """Remove the project's container and volume."""
        folder = self.path / name
        if (folder / "docker-compose.yml").exists():
            call([*self.compose(folder), "down", "--volumes", "--timeout", "1"])
            for mark in folder.glob("filled-*"):
                mark.unlink()

    @cached_property
    def s3(self) -> str:
        """The program of the lab's S3 server, "" where there is none."""
        return self._lab("s3")["s3"] or ""

    @cached_property
    def scanner(self) -> dict[str, str]:
        """The lab's Trivy, and what writes databases for it. Raises BenchError where they cannot be had."""
        found: dict[str, str] = self._lab("scan")["scan"]
        return found

    def inv(self, cwd: Path, *words: str, environ: Mapping[str, str] = {}) -> Ran:
        """Run a task."""
        return call([BIN / "inv", *words], cwd=cwd, env={**self.environment, **environ})

    def ssh(self, *words: str) -> list[str]:
        """The argv of OpenSSH's client to the server."""
        return ["ssh", "-T", "-F", str(self.ssh_config), self.server, *words]

    def example(self, name: str, of: str = "rag-engine-mini") -> Path:
        """A copy of an example with an .env, as a Compose project `name`."""
        folder = self.path / name
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(EXAMPLES / of, part, ignore=_OWN)
            compose = part / "docker-compose.yml"
            compose.write_text(compose.read_text().replace(f"image: {of}-", f"image: {name}-"))
            text = (part / ".env.example").read_text()
            text = re.sub(r"(?m)=$", lambda _: f"={secrets.token_hex(16)}", text)
            (part / ".env").touch(mode=0o600)
            (part / ".env").write_text(f"{text}\nIMAGES={self.images}\n")
            part.rename(folder)
        return folder

    def clear(self) -> None:
        """Remove the server, the images that were built for it, and the folder."""
        if "lab" in self.__dict__:
            if any(server["name"] == SERVER for server in self._lab("status")["servers"]):
                self._lab("server", SERVER, "--down")
            listed = [
                self.docker,
                "image",
                "ls",
                "--filter",
                "reference=bench-*",
                "--format",
                "{{.Repository}}:{{.Tag}}",
            ]
            if built := call(listed).out.split():
                call([self.docker, "image", "rm", *built])
        shutil.rmtree(self.path)

    def _lab(self, *words: str) -> dict[str, Any]:
        try:
            told: dict[str, Any] = json.loads(call([CHECKOUT / "scripts" / "lab", *words, "--json"]).out)
        except BenchError as error:
            raise BenchError(f"no lab to measure in: {error}") from None
        return told
