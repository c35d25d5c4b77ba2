"""The commands that restore an artifact without opslib, as a person would type them in the set's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.command import quote

if TYPE_CHECKING:
    from opslib.backup.source import Stage

HERE = '-v "$PWD":/set:ro'


def docker_words(stage: Stage, *words: str) -> str:
    """A docker command."""
    return " ".join(quote(word) for word in (*stage.target.host.docker, *words))


def tools(stage: Stage, *mounts: str) -> str:
    """The beginning of a command in the tools image, which has what the server may lack; the set is at /set."""
    flags = " ".join(f"--mount {quote(one)}" for one in mounts)
    head = docker_words(stage, "run", "--rm", "--network", "none")
    return " ".join(part for part in (head, HERE, flags, quote(stage.tools)) if part)


def decompress(stage: Stage, file: str) -> str:
    """The artifact's content on standard output."""
    if not stage.tools:
        return f"gzip -dc {quote(file)}"
    return f"{tools(stage)} zstd -dc {quote(f'/set/{file}')}"


def joined(*commands: str) -> str:
    """Commands joined by pipes."""
    return " | ".join(commands)
