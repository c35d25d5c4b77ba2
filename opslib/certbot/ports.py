"""Who has a port of a host."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from opslib.certbot.run import shell
from opslib.target.docker import docker

if TYPE_CHECKING:
    from opslib.target.base import Target


def holder(target: Target, port: int) -> str:
    """The container that publishes it, else the program that listens there; "" where nobody is seen."""
    listed = docker(target.host, "ps", "--filter", f"publish={port}", "--format", "{{.Names}} ({{.Image}})")
    if found := target.run(listed, check=False).lines:
        return f"container {found[0]}"
    text = resources.files("opslib.certbot").joinpath("ports.sh").read_text(encoding="utf-8")
    done = target.run(shell(target.host, text, f"{port:04X}", all_processes=True), check=False)
    return done.lines[0] if done.ended.ok and done.lines else ""
