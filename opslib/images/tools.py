"""The tools image: GNU tar, zstd, OpenSSL, Python, age, sqlite3, flock: the same on every server whatever that has."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from opslib.command import Command
from opslib.errors import CommandFailed, OpsError
from opslib.events import Note
from opslib.images.info import ImageInfo, images_of
from opslib.images.pull import ensure_pulled
from opslib.images.ship import same_engine, ship
from opslib.target.docker import docker

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

BASE = "debian:bookworm-slim"
BUILD = 1800.0  # seconds


@cache
def recipe() -> str:
    """The Dockerfile."""
    return resources.files("opslib.images").joinpath("tools/Dockerfile").read_text(encoding="utf-8")


def tools_tag() -> str:
    """The tag that stands for exactly this recipe."""
    return f"opslib-tools:{hashlib.sha256(recipe().encode()).hexdigest()[:12]}"


def build_command(host: Host, base: str) -> Command:
    """Build the tools image from the recipe on standard input, with no folder around it."""
    args = ["build", "--quiet", "--tag", tools_tag(), "--build-arg", f"BASE={base}", "-"]
    return docker(host, *args, feed=recipe().encode(), limit=BUILD)


def ensure_tools(target: Target, here: Target | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """The reference of the tools image, which is on the target's engine when this returns.

    The host file's `tools_image` is used as it is. Otherwise the image is built on this machine's engine (`here`)
    and sent, or built on the server where this machine has no engine or is of another architecture. To be called
    before anything is stopped. Raises OpsError where no way works, with what each of them said.
    """
    host = target.host
    if host.tools_image:
        again = "remove `tools_image:` from the host file to have one built"
        ensure_pulled(target, [host.tools_image], "the host file's tools_image", next=again)
        return host.tools_image
    tag, base = tools_tag(), environ.get("OPSLIB_TOOLS_BASE") or BASE
    there = images_of(target, [tag])
    if tag in there and there[tag].listed:
        return tag
    said = []
    if here is not None and not same_engine(here, target):
        try:
            _send(here, target, tag, base)
            return tag
        except OpsError as error:
            said.append(f"on this machine: {error.what}")
            target.tell(Note(host.name, "the tools image cannot come from this machine, so it is built there"))
    try:
        _build(target, base)
        return tag
    except OpsError as error:
        said.append(f"on {host.name}: {error.what}")
    raise OpsError(
        "the tools image could not be made: " + "\n    ".join(said),
        host=host.name,
        left="everything: nothing has been stopped",
        next=f"docker pull {base} on one of them, or set `tools_image:` in the host file",
    )


def _send(here: Target, target: Target, tag: str, base: str) -> None:
    mine = images_of(here, [tag])
    image = mine[tag] if tag in mine else _build(here, base)
    theirs = target.run(docker(target.host, "version", "--format", "{{.Server.Arch}}")).text.strip()
    if image.arch != theirs:
        raise OpsError(f"its architecture is {image.arch}, the server's is {theirs}")
    ship(here, target, [tag])


def _build(target: Target, base: str) -> ImageInfo:
    tag = tools_tag()
    target.tell(Note(target.host.name, f"building the tools image {tag} from {base} (once)"))
    try:
        target.run(build_command(target.host, base))
    except CommandFailed as error:
        lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
        raise OpsError("docker build failed: " + "\n    ".join(lines[-5:]), host=target.host.name) from None
    return images_of(target, [tag])[tag]
