"""What a server has for opslib: Python, and the environments that are there already."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opslib.command import bash, command
from opslib.errors import BadSettings, OpsError
from opslib.target.base import Target

OLDEST = (3, 10)
INSTALL = 600.0  # seconds for a task there that changes the schedule; it may log in to nothing

# $1: the folder. An environment is whole when it holds the file `ready`. The system's own python3 goes first: it stays
# when others come and go.
_LOOK = """for p in python3 python3.1{4,3,2,1,0}; do
  f=$(type -P "$p") || continue
  "$f" -c 'import sys; print("python", sys.executable, *sys.version_info[:2])' 2>/dev/null || continue
  "$f" -c 'import venv, ensurepip' 2>/dev/null && echo venv
done
ls -td -- "$1"/env-*/ 2>/dev/null | while IFS= read -r d; do
  [ ! -e "$d/ready" ] || printf 'env %s\\n' "$(basename -- "$d")"
done
exit 0"""


@dataclass(frozen=True, slots=True)
class Server:
    """The machine behind `target`. `folder` holds what is opslib's there, `envs` are the environments that are whole,
    the newest first. `python` is a program of version `version`; None where there is none that will do, for the reason
    `why`."""

    target: Target
    folder: str
    envs: tuple[str, ...]
    python: str | None
    version: tuple[int, int]
    why: str

    def need_python(self) -> str:
        """The Python. Raises OpsError."""
        if self.python is None:
            raise OpsError(
                f"{self.why}, and opslib needs it to run there", host=self.target.host.name, left="everything",
                next="sudo apt-get install python3-venv there (Debian, Ubuntu), or leave --there out: this machine's "
                "schedule needs no Python there",
            )  # fmt: skip
        return self.python

    def inv(self, env: str, root: str, *words: str) -> dict[str, Any]:
        """Run `inv` of an environment there in the folder `root`; the record of its host. Raises OpsError."""
        name = self.target.host.name
        asked = command(f"{self.folder}/{env}/bin/inv", *words, "--host", name, "--json", cwd=root, limit=INSTALL)
        ended = self.target.run(asked, check=False)
        try:
            found: dict[str, Any] = json.loads(ended.text)["hosts"][0]
        except (ValueError, LookupError):
            said = (ended.ended.stderr.strip() or ended.text).splitlines()[-5:]
            raise OpsError(
                f"inv {words[0]} does not run there:\n    " + "\n    ".join(said), host=name, left="the schedule",
                next="tasks.py there has opslib and nothing else of this project: import what only you need inside "
                "the tasks",
            ) from None  # fmt: skip
        if error := found["error"]:
            kind = BadSettings if ended.ended.code == BadSettings.exit_code else OpsError
            raise kind(error["what"], host=name, left=error["left"], next=error["next"])
        return found


def look(target: Target) -> Server:
    """What is there; changes nothing but that the project's folder is made. Raises BadSettings for this machine."""
    if target.host.is_local:
        raise BadSettings(f"{target.host.name} is this machine: leave --there out", left="everything")
    folder = f"{target.state}/there"
    lines = target.run(bash(_LOOK, folder)).lines
    envs = tuple(line.removeprefix("env ") for line in lines if line.startswith("env "))
    return Server(target, folder, envs, *choose(lines))


def choose(lines: Sequence[str]) -> tuple[str | None, tuple[int, int], str]:
    """The first Python that will do, its version, and why there is none."""
    why = "there is no Python 3.10 or newer there"
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        if not line.startswith("python "):
            continue
        program, major, minor = line.removeprefix("python ").rsplit(" ", 2)
        version = int(major), int(minor)
        if version >= OLDEST and following == "venv":
            return program, version, ""
        if version >= OLDEST:
            why = f"{program} ({major}.{minor}) has no module venv with ensurepip"
    return None, (0, 0), why
