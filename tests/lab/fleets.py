"""A fleet: one project whose hosts are as many tiny stacks on the lab's servers, used through `inv`."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab.site import INV, LABEL, ended, inside, ssh_config

COMPOSE = """
services:
  web:
    image: ${IMAGES}busybox:1
    init: true
    stop_grace_period: 1s
    command: [sh, -c, 'test "$$COLOR" != dies || exit 3; exec sleep 1000000']
    environment: {COLOR: "${COLOR}"}
    labels: {color: "${COLOR}"}
    healthcheck:
      {test: [CMD-SHELL, 'test "$$COLOR" != never'], interval: 30s, start_period: 99s, start_interval: 500ms}
"""
_SEEN = f'docker ps --format \'{{{{.Label "{LABEL}.project"}}}} {{{{.Label "color"}}}} {{{{.Status}}}}\''
# Servers of tests have neither grep nor xargs. $1 the fleet's id, then the hosts' folders, or the user
_LEFT = """shopt -s nullglob; shift; for p; do printf '%s\\n' "$p"/.opslib/{run.log*,armed.*,staging/*}; done
docker ps -a --format '{{.Names}}'"""
_GONE = """docker ps -a --format '{{.ID}} {{.Names}}' | while read -r id name; do
  [[ $name != "$1"* ]] || docker rm -f "$id"; done
docker network ls --format '{{.ID}} {{.Name}}' | while read -r id name; do
  [[ $name != "$1"* ]] || docker network rm "$id"; done
rm -rf "/home/$2/$1\""""


class Fleet:
    """The project. Its hosts are h01, h02, …, on the servers in turn; `more` are lines of every host file."""

    def __init__(
        self, root: Path, images: str, servers: Sequence[Mapping[str, Any]], count: int, more: str = ""
    ) -> None:
        self.root, self.images, self.id = root, images, f"fl{uuid.uuid4().hex[:6]}"
        self.on = {f"h{number + 1:02}": servers[number % len(servers)] for number in range(count)}
        self.config = root / "ssh_config"
        self.config.write_text("".join(map(ssh_config, servers)))
        (root / "hosts").mkdir()
        deploy = more or "deploy: {timeout: 120s, stable: 1s}"
        (root / "hosts/_defaults.yml").write_text(f"{deploy}\n")
        for name, server in self.on.items():
            (root / f"hosts/{name}.yml").write_text(
                f"address: {server['name']}\npath: {self.id}/{name}\nproject: {self.id}{name}\nenv_file: .env.{name}\n"
                "groups: [web]\n"
            )
        (root / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
        (root / "compose.yml").write_text(COMPOSE)
        (root / ".gitignore").write_text(".env*\nssh_config\n")
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
            who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
            subprocess.run(["git", "-C", str(root), *who, *words], check=True)
        self.paint("blue")

    def paint(self, color: str, **others: str) -> None:
        """The color of all hosts, and of some another one: what is deployed next."""
        for name in self.on:
            self._env(self.root, name, others.get(name, color))

    def _env(self, root: Path, name: str, color: str) -> None:
        (root / f".env.{name}").write_text(f"IMAGES={self.images}\nCOLOR={color}\n")

    def elsewhere(self, folder: Path, color: str) -> Path:
        """Another machine's copy of the project, with another color."""
        shutil.copytree(self.root, folder)
        for name in self.on:
            self._env(folder, name, color)
        return folder

    # -- through the command line

    def start(self, *words: str, root: Path | None = None, hosts: str = "@web") -> subprocess.Popen[str]:
        """`inv WORDS --host @web`, in a process group of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OPSLIB_")}
        environ = {**kept, "OPSLIB_SSH_CONFIG": str(self.config), "PYTHONIOENCODING": "utf-8",
                   "OPSLIB_TOOLS_BASE": f"{self.images}debian:bookworm-slim"}  # fmt: skip
        return subprocess.Popen(
            [str(INV), *words, "--host", hosts], cwd=root or self.root, env=environ, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def inv(self, *words: str, code: int = 0, hosts: str = "@web", seconds: float = 300) -> str:
        """The same to its end; all that it printed."""
        return ended(self.start(*words, hosts=hosts), code, seconds)

    def record(self, *words: str, code: int = 0, hosts: str = "@web") -> dict[str, dict[str, Any]]:
        """The same with --json: each host's part, by name."""
        said = self.inv(*words, "--json", code=code, hosts=hosts)
        line = next(line for line in said.splitlines() if line.startswith('{"task"'))
        return {one["host"]: one for one in json.loads(line)["hosts"]}

    # -- looked at on the servers themselves

    def served(self) -> dict[str, str]:
        """The color of each host whose container is healthy."""
        found = {}
        for server in self.servers:
            for line in inside(dict(server), _SEEN).splitlines():
                project, color, *status = line.split()
                if project.startswith(self.id) and "(healthy)" in status:
                    found[project.removeprefix(self.id)] = color
        return found

    def all(self, color: str) -> bool:
        """Whether every host serves this color."""
        return self.served() == dict.fromkeys(self.on, color)

    def color(self) -> str:
        """The one color that every host serves."""
        found = set(self.served().values())
        assert len(found) == 1, found
        return found.pop()

    def left(self) -> list[str]:
        """What a run has left behind."""
        found: list[str] = []
        for server in self.servers:
            folders = [f"/home/{server['user']}/{self.id}/{name}" for name, one in self.on.items()
                       if one["name"] == server["name"]]  # fmt: skip
            ends = tuple(f"-{zlib.crc32(f'{folder}/.opslib'.encode()):08x}" for folder in folders)
            seen = self._inside(server, _LEFT, *folders).split()
            found += [name for name in seen if "/.opslib/" in name or name.endswith(ends)]
        return found

    def _inside(self, server: Mapping[str, Any], script: str, *words: str) -> str:
        return inside(dict(server), f"set -- {shlex.join([self.id, *words])}; {script}")

    @property
    def servers(self) -> list[Mapping[str, Any]]:
        return list({server["name"]: server for server in self.on.values()}.values())

    def down(self) -> None:
        """Remove all of it."""
        for server in self.servers:
            self._inside(server, _GONE, server["user"])


@contextmanager
def fleet_on(
    root: Path, images: str, servers: Sequence[Mapping[str, Any]], count: int, more: str = ""
) -> Iterator[Fleet]:
    """A fleet, removed at the end."""
    made = Fleet(root, images, servers, count, more)
    try:
        yield made
    finally:
        made.down()
