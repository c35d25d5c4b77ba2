"""The compose files as compose-lint can be given them: it merges a file and its override by itself, and no others."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from opslib.lint.stacks import Files, Stack
from opslib.lint.written import Written
from opslib.settings.load import COMPOSE_FILES, COMPOSE_OVERRIDES


@dataclass(frozen=True, slots=True)
class Group:
    """Compose files to be linted in `folder`, each of them a stack with what is merged into it; `below` is what their
    paths in the project begin with. `listed`: an env file there says which files belong together."""

    below: str
    folder: Path
    files: tuple[str, ...]
    listed: bool = False


@contextmanager
def staged(stacks: Sequence[tuple[Stack, Written]], root: Path) -> Iterator[list[Group]]:
    """Groups of all stacks: where they are, or, where other files belong together than compose-lint would take, copies
    of the compose files with a list of them."""
    plain: list[str] = []
    with ExitStack() as stack:
        groups = []
        for one, written in stacks:
            if one.files.compose == _by_itself(one.files):
                plain.append(f"{one.below}{one.files.compose[0]}")
            else:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="opslib-lint-")))
                _copy(one.files, written, folder)
                groups.append(Group(one.below, folder, one.files.compose[:1], listed=True))
        yield ([Group("", root, tuple(plain))] if plain else []) + groups


def _by_itself(files: Files) -> tuple[str, ...]:
    """What compose-lint takes when it is given the first of these files."""
    first = files.compose[0]
    folder, name = os.path.split(first)
    there = (path for one in COMPOSE_OVERRIDES if (files.root / (path := os.path.join(folder, one))).is_file())
    override = next(there, None) if name in COMPOSE_FILES else None
    return (first,) if override is None else (first, override)


def _copy(files: Files, written: Written, folder: Path) -> None:
    for file in written.documents:
        if not os.path.isabs(file) and not file.startswith(".."):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(files.root / file, folder / file)
    (folder / ".env").write_text(f"COMPOSE_FILE={':'.join(files.compose)}\n")
