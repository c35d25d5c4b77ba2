"""A project of one's own, and `inv` run in it as a person would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

INV = [sys.executable, "-m", "invoke"]
TASKS = "import opslib\n\nns = opslib.namespace()\n"


class Done:
    """How a call of `inv` ended."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        assert "Traceback" not in self.err or "--debug" in done.args, self.err

    @property
    def json(self) -> dict[str, Any]:
        """The one object on standard output."""
        assert self.out.count("\n") == 1, (self.code, self.out, self.err)
        record: dict[str, Any] = json.loads(self.out)
        return record


class Project:
    """A folder with a tasks.py, a compose file, and hosts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("tasks.py", TASKS)
        self.write("compose.yml", "services: {}\n")
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("OPSLIB_")}
        self.environ["PYTHONPATH"] = str(Path(__file__).parents[2])

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def inv(self, *args: str, cwd: str = ".", **environ: str) -> Done:
        """Call `inv` without a terminal."""
        done = subprocess.run(
            [*INV, *args], cwd=self.root / cwd, env={**self.environ, **environ}, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=60, check=False,
        )  # fmt: skip
        return Done(done)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "my survey"
    root.mkdir()
    return Project(root)
