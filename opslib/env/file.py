"""An env file on the disk of this machine: who may read it, whether git has it, and whether it is text at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from opslib.command import bash
from opslib.errors import BadSettings
from opslib.findings import Finding
from opslib.settings.dotenv import EnvFile
from opslib.settings.textfile import read_text
from opslib.target.base import Target

# $1 the folder, then files. Prints `tracked` or `history` and the file for those that git has, or has had.
_GIT = """cd -- "$1" && command -v git >/dev/null && git rev-parse --is-inside-work-tree >/dev/null 2>&1 || exit 0
shift; for f; do
  if git ls-files --error-unmatch -- "$f" >/dev/null 2>&1; then printf 'tracked %s\\n' "$f"
  elif [ -n "$(git log --all --max-count=1 --format=%h -- "$f" 2>/dev/null)" ]; then printf 'history %s\\n' "$f"; fi
done"""


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A file as it is there: its bytes, and its permission bits."""

    name: str
    content: bytes = field(repr=False)
    mode: int


def on_disk(root: Path, name: str) -> OnDisk | None:
    """The file, None where there is none. Raises BadSettings for one that cannot be read."""
    path = root / name
    try:
        with open(path, "rb") as file:
            return OnDisk(name, file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadSettings(f"{name}: cannot be read: {error.strerror}") from None


def in_git(here: Target, root: Path, names: list[str]) -> dict[str, str]:
    """Of each file that git knows, `tracked` or `history`."""
    lines = here.run(bash(_GIT, str(root), *names, limit=60)).lines
    return {name: how for how, _, name in (line.partition(" ") for line in lines)}


def outside(found: OnDisk, git: str = "") -> Iterator[Finding]:
    """What is wrong with it whatever its variables are."""
    name = found.name
    if found.mode & 0o077:
        yield Finding("env-mode", "exposes", f"others on this machine may read {name} ({found.mode:04o})",
                      f"chmod 600 {name}", name)  # fmt: skip
    if git == "tracked":
        yield Finding("env-tracked", "exposes", f"git tracks {name}: everybody with the repository has its secrets",
                      f"git rm --cached {name}, add it to .gitignore, and renew every secret in it",
                      name)  # fmt: skip
    if git == "history":
        yield Finding("env-tracked", "exposes", f"{name} is in git's history, with the secrets of that time",
                      "renew every secret that was in it", name)  # fmt: skip
    if found.content.startswith(b"\xef\xbb\xbf"):
        yield Finding("env-bom", "breaks", f"{name} begins with a byte order mark, which some readers take for a part "
                      "of the first name", f"sed -i '1s/^\\xef\\xbb\\xbf//' {name}", name, 1)  # fmt: skip
    if b"\r\n" in found.content:
        line = found.content[: found.content.index(b"\r\n")].count(b"\n") + 1
        yield Finding("env-crlf", "breaks", f"{name} has the line ends of Windows, which some readers take for a part "
                      "of the values", f"sed -i 's/\\r$//' {name}", name, line)  # fmt: skip


def readable(root: Path, name: str) -> EnvFile | Finding:
    """Its assignments, or why there are none to be had."""
    try:
        return EnvFile(read_text(root / name, name), name)
    except BadSettings as error:
        place, _, why = error.what.partition(": ")
        _, _, line = place.rpartition(":")
        return Finding("env-unreadable", "breaks", why or error.what, error.next or f"mend that line of {name}", name,
                       int(line) if line.isdecimal() else 0)  # fmt: skip
