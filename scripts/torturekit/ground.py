"""Where it is done: a working folder, the lab, and what a run has brought up and takes away again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.lab.site import own_server

from .stack import Stack
from .tally import Dice, say


class NoLab(Exception):
    """There is nothing here to do it on; `code` is the exit code."""

    code = 1


class Ground:
    """A folder of this run's own. What is brought up in it goes when it is closed."""

    def __init__(self, dice: Dice, server: str) -> None:
        self.dice, self._server = dice, server
        above = Path(os.environ.get("OPSLIB_TORTURE_DIR") or Path.home() / ".cache" / "opslib-torture")
        above.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = Path(tempfile.mkdtemp(prefix="run-", dir=above))
        self.kept = above / f"evidence-{self.path.name[4:]}"
        self._open = ExitStack()
        self._stacks: dict[str, Stack] = {}

    def close(self) -> None:
        """Take it all away."""
        self._open.close()
        shutil.rmtree(self.path, ignore_errors=True)

    def later(self, undo: Callable[..., object], *args: object) -> None:
        """What is done when it is closed."""
        self._open.callback(undo, *args)

    @cached_property
    def lab(self) -> dict[str, Any]:
        """What the lab says, with the engine and the images there. Raises NoLab."""
        say("the lab's engine and images")
        done = subprocess.run([str(ROOT / "scripts/lab"), "images", "--yes", "--json"], capture_output=True, text=True)
        if done.returncode:
            raise NoLab(f"no lab to do it in: {done.stderr.strip()}")
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    @cached_property
    def server(self) -> dict[str, Any]:
        """A server of its own: what is done to it would disturb the others."""
        assert self.lab
        say(f"the lab's server {self._server}")
        return own_server(self._server)

    def stack(self, where: str) -> Stack:
        """The small stack on this machine (`local`) or on the server (`ssh`), with its data in it and one good set."""
        if where not in self._stacks:
            say(f"a stack {'on this machine' if where == 'local' else 'on the server'}")
            made = Stack(self.folder(where), self.lab["images_prefix"], self.server if where == "ssh" else None)
            self.later(made.down)
            made.up()
            self._stacks[where] = made
            if "ssh" in self._stacks:  # what its server is called, this process has to know
                self._stacks["ssh"].site.use()
        return self._stacks[where]

    def both(self) -> list[Stack]:
        """The stack on this machine and over SSH."""
        return [self.stack("local"), self.stack("ssh")]

    def folder(self, name: str) -> Path:
        """A new folder."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.path))

    def keep(self, evidence: dict[str, str]) -> Path:
        """Write evidence where it stays; returns the folder."""
        self.kept.mkdir(exist_ok=True)
        for name, text in evidence.items():
            (self.kept / name).write_text(text)
        return self.kept
