"""The commands that restore an artifact without opslib, as a person would type them in the set's folder.

What is encrypted needs the file with the identity: `$KEY` in these commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.command import quote

if TYPE_CHECKING:
    from opslib.backup.source import Stage

HERE = '-v "$PWD":/set:ro'
_KEY = ' <"$KEY"'
KEY = "KEY=~/opslib-key.txt   # the file with the line AGE-SECRET-KEY-1…"


def docker_words(stage: Stage, *words: str) -> str:
    """A docker command."""
    return " ".join(quote(word) for word in (*stage.target.host.docker, *words))


def in_tools(stage: Stage, file: str, then: str, *words: str, mounts: tuple[str, ...] = ()) -> str:
    """Bash text in the tools image, which has what the server may lack, with the artifact's content on its standard
    input and words from `$1` on."""
    flags = " ".join(f"--mount {quote(one)}" for one in mounts)
    head = docker_words(stage, "run", "--rm", *(["-i"] if stage.recipients else []), "--network", "none")
    reading = 'age -d -i - "/set/$0" | zstd -dc' if stage.recipients else 'zstd -dc "/set/$0"'
    program = f"bash -o pipefail -c {quote(f'{reading} {then}'.rstrip())}"
    parts = (head, HERE, flags, quote(stage.tools), program, *(quote(word) for word in (stage.named(file), *words)))
    return " ".join(part for part in parts if part) + (_KEY if stage.recipients else "")


def decompress(stage: Stage, file: str, tool: str = "") -> str:
    """The artifact's content on standard output; `tool`: what it is compressed with, where it is not as usual."""
    name = quote(stage.named(file))
    tool = tool or ("zstd" if stage.tools else "gzip")
    if not stage.recipients:
        return f"{_tools(stage)} zstd -dc {quote(f'/set/{file}')}" if tool == "zstd" else f"gzip -dc {name}"
    return in_tools(stage, file, "") if tool == "zstd" else f'age -d -i "$KEY" {name} | gzip -dc'


def _tools(stage: Stage) -> str:
    return " ".join((docker_words(stage, "run", "--rm", "--network", "none"), HERE, quote(stage.tools)))


def joined(*commands: str) -> str:
    """Commands joined by pipes."""
    return " | ".join(commands)
