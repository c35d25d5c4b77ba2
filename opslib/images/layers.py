"""What an image's layers are made by, and how big they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslib.command import Command
from opslib.compose.script import docker_script, read_all

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

_HISTORY = """for ref in "$@"; do printf '# image\\n'
  docker history --no-trunc --human=false --format '{{json .}}' -- "$ref" || exit; done"""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an image: its bytes, and the instruction that made it."""

    bytes: int
    instruction: str


def history_command(host: Host, refs: Iterable[str]) -> Command:
    """The one round trip of `layers_of`."""
    return docker_script(host, _HISTORY, *refs)


def layers_of(target: Target, refs: Iterable[str]) -> dict[str, list[Layer]]:
    """The layers of images that are there, the newest first. Build args stand in the instructions: to be masked."""
    refs = list(dict.fromkeys(refs))
    return parse_history(refs, read_all(target, history_command(target.host, refs))) if refs else {}


def parse_history(refs: list[str], text: str) -> dict[str, list[Layer]]:
    """The layers from what `history_command` printed."""
    found: dict[str, list[Layer]] = {}
    for ref, part in zip(refs, text.split("# image\n")[1:], strict=True):
        lines = [json.loads(line) for line in part.splitlines() if line]
        found[ref] = [Layer(int(one["Size"]), instruction(one["CreatedBy"])) for one in lines]
    return found


def instruction(made_by: str) -> str:
    """One line as it stood in the Dockerfile, of what the engine's history says."""
    text = " ".join(made_by.split()).removesuffix("# buildkit").strip()
    text = re.sub(r"^/bin/sh -c #\(nop\) ", "", text)
    text = re.sub(r"^(?:RUN )?(\|\d+ .*?)?/bin/sh -c ", "RUN ", text)
    return text or "an import"
