"""The demo's working folder: a copy of examples/rag-engine-mini with its .env, hosts and ssh_config."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import socket
from pathlib import Path
from typing import Any

from .place import PROJECT
from .screen import CHECKOUT, DemoError, Screen

EXAMPLE = CHECKOUT / "examples" / "rag-engine-mini"
_OWN = shutil.ignore_patterns(".env", ".env.[!e]*", ".git", ".opslib", "backups", "uploads", "__pycache__")
SERVER_HOST = """# The lab's server, reached over SSH; ssh_config says how.
address: server
path: rag-engine-mini                # below the home of the login user
env_file: .env.server
"""


def demo_folder() -> Path:
    """OPSLIB_DEMO_DIR, by default ~/.cache/opslib-demo."""
    given = os.environ.get("OPSLIB_DEMO_DIR")
    return Path(os.path.abspath(given)) if given else Path.home() / ".cache" / "opslib-demo"


class Folder:
    """What the demo keeps: the project, and what it must know to take everything down again."""

    def __init__(self, path: Path) -> None:
        self.path, self.project, self.embedded = path, path / "rag-engine-mini", path / "embedded"
        self._state = path / "state.json"

    @property
    def ours(self) -> bool:
        """Whether a demo has been here."""
        return self._state.exists()

    def command(self) -> str:
        """What a person types for this demo, in front of its options."""
        given = f"OPSLIB_DEMO_DIR={shlex.quote(str(self.path))} " if os.environ.get("OPSLIB_DEMO_DIR") else ""
        return f"{given}{shlex.quote(str(CHECKOUT / 'scripts' / 'demo'))}"

    def claim(self) -> None:
        """Make the folder. Raises DemoError where somebody else's files are."""
        if not self.ours:
            if self.path.is_dir() and any(self.path.iterdir()):
                raise DemoError(
                    f"{self.path} is not empty and not of the demo: set OPSLIB_DEMO_DIR to another folder", 2
                )
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.note()

    @property
    def state(self) -> dict[str, Any]:
        """What earlier runs noted; empty where there was none."""
        try:
            found: dict[str, Any] = json.loads(self._state.read_text())
        except FileNotFoundError:
            return {}
        return found

    def note(self, **more: object) -> None:
        """Add to the state."""
        part = self._state.with_suffix(".part")
        part.write_text(json.dumps({**self.state, **more}, indent=1))
        part.replace(self._state)

    def fill(self, screen: Screen, lab: dict[str, Any]) -> None:
        """Copy the example, and write what the copy needs; secrets that are there stay."""
        shutil.copytree(EXAMPLE, self.project, ignore=_OWN, dirs_exist_ok=True)
        compose = self.project / "docker-compose.yml"
        # an image name of its own: another copy of the example may run on this machine
        compose.write_text(compose.read_text().replace("rag-engine-mini-api", f"{PROJECT}-api"))
        server = next(server for server in lab["servers"] if server["name"] == "demo")
        (self.project / "hosts/server.yml").write_text(SERVER_HOST)
        (self.project / "ssh_config").write_text(
            f"Host server\n  HostName {server['address']}\n  Port {server['port']}\n  User {server['user']}\n"
            f'  IdentityFile "{server["key"]}"\n  IdentitiesOnly yes\n  UserKnownHostsFile "{server["known_hosts"]}"\n'
        )
        images = lab["images_prefix"]
        settings = (
            f"\n# The lab's images, and a project name of the demo's own, for docker compose and for opslib.\n"
            f"IMAGES={images}\nCOMPOSE_PROJECT_NAME={PROJECT}\nOPSLIB_PROJECT={PROJECT}\n"
            f"OPSLIB_TOOLS_BASE={images}debian:bookworm-slim\nOPSLIB_SSH_CONFIG=ssh_config\n"
        )
        self._env(".env", free_port(8080), settings)
        self._env(".env.server", 8080, f"\nIMAGES={images}\n")
        self._commit(screen)

    def _env(self, name: str, port: int, settings: str) -> None:
        path = self.project / name
        text = re.sub(r"(?m)=$", lambda _: f"={secrets.token_urlsafe(32)}", (EXAMPLE / ".env.example").read_text())
        if path.exists():  # of an earlier version of the example, perhaps: it lacks what is new
            there = path.read_text()
            names = re.findall(r"(?m)^(\w+)=", there)
            new = [line for line in text.splitlines() if re.match(r"\w+=", line) and line.split("=")[0] not in names]
            path.write_text("".join(f"{line}\n" for line in [there.rstrip("\n"), *new]))
            return
        text = re.sub(r"(?m)^(HTTP_PORT)=.*", rf"\1={port}", text)
        text = re.sub(r"(?m)^(APP_VERSION)=.*", r"\1=1", text)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text + settings)

    def next_version(self) -> str:
        """Count APP_VERSION up in both env files; returns the new one."""
        version = str(int(self.setting("APP_VERSION")) + 1)
        for name in (".env", ".env.server"):
            path = self.project / name
            path.write_text(re.sub(r"(?m)^APP_VERSION=.*", f"APP_VERSION={version}", path.read_text()))
        return version

    def setting(self, name: str) -> str:
        """A value of .env. Raises DemoError where it is not set."""
        found = re.search(rf"(?m)^{name}=(.*)$", (self.project / ".env").read_text())
        if not found:
            raise DemoError(f"{self.project}/.env does not set {name}")
        return found[1]

    def _commit(self, screen: Screen) -> None:
        """A repository of its own, where there is git: releases name the commit that they were made from."""
        if not shutil.which("git"):
            return
        git = ["git", "-C", str(self.project), "-c", "user.name=demo", "-c", "user.email=demo@localhost"]
        if not (self.project / ".git").exists():
            screen.run([*git, "init", "-q", "-b", "main"])
        screen.run([*git, "add", "-A"])
        if screen.run([*git, "status", "--porcelain"]):
            screen.run([*git, "commit", "-q", "-m", "rag-engine-mini"])


def free_port(first: int) -> int:
    """The first port from `first` on that nothing on this machine listens on."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise DemoError(f"no free port from {first} on")
