"""`inv env.init`: the env files of a project from the examples beside them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opslib.compose.references import compose_files
from opslib.env.example import Example, Variable
from opslib.env.make import Made, make
from opslib.errors import BadSettings
from opslib.settings.model import Host
from opslib.settings.textfile import read_text
from opslib.target.base import Target
from opslib.target.transfer import put_bytes

Ask = Callable[[str, Variable], str | None]
"""Gives the value of a variable of an env file, None where nobody knows it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An env file and its example, below the project's folder."""

    file: str
    example: str


def pairs(root: Path, host: Host) -> list[Pair]:
    """The env file of the host, and those that services read, as far as there are examples of them. Raises BadSettings
    where there is none at all."""
    own = host.env_file or ".env"
    others = compose_files(root, host.compose).env_files if host.compose else ()
    found = [
        Pair(file, example)
        for file in dict.fromkeys([own, *others])
        if (example := example_of(root, file, own=file == own)) is not None
    ]
    if not found:
        raise BadSettings(
            f"there is no {own}.example here, so nothing says what {own} is made of", left="everything",
            next=f"write {own}.example: NAME=default, and NAME= for a secret or what has to be asked",
        )  # fmt: skip
    return found


def example_of(root: Path, file: str, *, own: bool) -> str | None:
    """The example of an env file: `X.example` is that of X; of the host's `own` also the `.env.example` beside it."""
    names = [f"{file}.example"] + ([os.path.join(os.path.dirname(file), ".env.example")] if own else [])
    return next((name for name in names if (root / name).is_file()), None)


def init(here: Target, root: Path, host: Host, ask: Ask, *, plan: bool = False) -> tuple[bool, dict[str, Any]]:
    """Make or complete each of them, 0600 from its first byte; nothing that is there is changed. Returns whether
    anything was written, and what, with the names of what is new and never a value. Raises BadSettings, OpsError."""
    made = [(pair, _made(root, pair, ask)) for pair in pairs(root, host)]  # all of them, before any is written
    told = []
    for pair, (one, new) in made:
        if one.new and not plan:
            put_bytes(here, one.text.encode(), os.path.realpath(root / pair.file), mode=0o600)
        told.append(
            {"file": pair.file, "example": pair.example, "made": new, "generated": one.generated, "taken": one.taken,
             "derived": one.derived, "asked": one.asked, "unset": one.unset}
        )  # fmt: skip
    changed = not plan and any(one.new for _, (one, _) in made)
    return changed, {"files": told}


def _made(root: Path, pair: Pair, ask: Ask) -> tuple[Made, bool]:
    """What a file becomes, and whether there is none yet."""
    try:
        current: str | None = read_text(root / pair.file, pair.file)
    except FileNotFoundError:
        current = None
    example = Example(read_text(root / pair.example, pair.example), pair.example)
    return make(example, current, pair.file, lambda variable: ask(pair.file, variable)), current is None
