"""The lab's stores: a real S3 server, and emulators of Azure's and Google's. Each is got once, at a fixed version; the
tests start it on the loopback themselves.
"""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .shell import LabError, attempt, say, state_dir

_LIMIT = 1800.0  # seconds


@dataclass(frozen=True, slots=True)
class Program:
    """`name` is that of its subcommand and of its key in the lab's facts; `source` what `tool` gets it from."""

    name: str
    what: str
    tool: str
    source: str
    called: str
    version: str
    seconds: int

    @property
    def variable(self) -> str:
        """The environment variable that names one which is there already."""
        return f"OPSLIB_{self.name.upper()}_SERVER"

    def path(self) -> Path | None:
        """Where it is, when it is there. Raises LabError for a variable that names no program."""
        if named := os.environ.get(self.variable):
            if not os.access(named, os.X_OK):
                raise LabError(f"{self.variable}: there is no program at {named}", 2)
            return Path(named)
        own = self._kept / "node_modules/.bin" / self.called if self.tool == "npm" else self._kept
        return own if own.exists() else None

    def ensure(self) -> None:
        """Get it when it is not there. Without its tool the tests that need it have no server, and say so."""
        if self.path() is not None:
            return
        tool = shutil.which(self.tool) or shutil.which(self.tool, path="/usr/local/go/bin")
        if tool is None:
            say(f"no {self.what}: {self.tool} is not installed, which gets {self.called} {self.version}")
            return
        began = time.monotonic()
        say(f"get {self.called} {self.version} ({self.what}) with {self.tool}, about {self.seconds} s")
        part = state_dir(self.name, "part")
        shutil.rmtree(part)
        done = attempt(self._install(tool, part), limit=_LIMIT)
        if done.returncode != 0:
            raise LabError(f"{self.called} cannot be had:\n{done.stderr.strip()[-2000:]}")
        shutil.rmtree(self._kept, ignore_errors=True)
        (part if self.tool == "npm" else part / self.called).rename(self._kept)
        say(f"got {self.called} in {time.monotonic() - began:.0f} s")

    def _install(self, tool: str, folder: Path) -> list[str]:
        if self.tool == "npm":
            quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts", "--omit=dev"]
            return [tool, "install", "--prefix", str(folder), *quiet, f"{self.source}@{self.version}"]
        return ["env", f"GOBIN={folder}", tool, "install", f"{self.source}@{self.version}"]

    @property
    def _kept(self) -> Path:
        """Go makes a program, npm a folder of them."""
        return state_dir(self.name) / f"{self.called}-{self.version}"


S3 = Program("s3", "S3 server", "go", "github.com/versity/versitygw/cmd/versitygw", "versitygw", "v1.8.0", 120)
# The newest that runs with the Node.js of Debian 12.
AZURE = Program("azure", "emulator of Azure's Blob Storage", "npm", "azurite", "azurite-blob", "3.35.0", 180)
GCS = Program(
    "gcs",
    "emulator of Google Cloud Storage",
    "go",
    "github.com/fsouza/fake-gcs-server",
    "fake-gcs-server",
    "v1.56.1",
    240,
)
PROGRAMS = (S3, AZURE, GCS)


def ensure() -> None:
    """Get what every run of the tests needs, at once. Google's is built for minutes, for a few tests with `--full`."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(Program.ensure, (S3, AZURE)))
