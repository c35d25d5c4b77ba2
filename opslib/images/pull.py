"""Images that an engine lacks, pulled by it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from opslib.errors import CommandFailed, OpsError
from opslib.events import Note
from opslib.images.info import images_of
from opslib.target.docker import docker

if TYPE_CHECKING:
    from opslib.target.base import Target

PULL = 1800.0  # seconds


def ensure_pulled(target: Target, images: Iterable[str], called: str, *, next: str) -> None:
    """Pull the images that are not there. Raises OpsError for one that cannot be had; `called` says what it is, and
    `next` what to do ("{}": the image)."""
    wanted = list(dict.fromkeys(images))
    there = images_of(target, wanted)
    for image in wanted:
        if image in there:
            continue
        target.tell(Note(target.host.name, f"pulling {image}"))
        try:
            target.run(docker(target.host, "pull", "--quiet", image, limit=PULL))
        except CommandFailed as error:
            raise OpsError(
                f"{called} {image} is not there and cannot be pulled: {error.stderr}",
                host=target.host.name,
                left="everything: nothing has been stopped",
                next=next.format(image),
            ) from None
