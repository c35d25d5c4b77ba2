"""The stacks that one call of `inv lint` looks at."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opslib.errors import BadSettings
from opslib.lint.written import Written, read
from opslib.target.base import Target


@dataclass(frozen=True, slots=True)
class Files:
    """A stack's files in the folder `root` of this machine: the compose files, the env file (None: `.env`), its name
    (None: what the files or the folder say)."""

    root: Path
    compose: tuple[str, ...]
    env_file: str | None = None
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that is looked at: its files, and their folder below the project's, ending with a slash or "". `there`:
    the machine where it runs, where it is to be compared with that."""

    files: Files
    below: str = ""
    there: Target | None = None


def stacks_of(root: Path, names: Sequence[str]) -> list[Stack]:
    """A stack for each of these compose files below the project's folder. Raises BadSettings for one that is not
    there."""
    found = []
    for name in names:
        path = os.path.normpath(name)
        if os.path.isabs(path) or path.startswith("..") or not os.path.isfile(root / path):
            raise BadSettings(f"there is no compose file {path} below {root}", left="everything")
        folder, file = os.path.split(path)
        found.append(Stack(Files(root / folder, (file,)), f"{folder}/" if folder else ""))
    return found


def written_of(files: Files) -> Written:
    """The compose files as they are written. Raises BadSettings where one that Compose would be called with is not
    there."""
    written = read(files.root, files.compose)
    for file in written.files:
        if not (files.root / file).is_file():
            raise BadSettings(
                f"there is no compose file {file} in {files.root}", next="see `compose:` in the host file"
            )
    return written
