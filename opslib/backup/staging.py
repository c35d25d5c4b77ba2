"""A set while it is being made: under another name beside the others, until all of it is on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.backup.pack import remove_command
from opslib.backup.sets import directory
from opslib.command import bash

if TYPE_CHECKING:
    from opslib.target.base import Target

# What an earlier run left half done goes: under the lock, nobody else is writing here. $3: but this.
_MAKE = """set -eu; umask 007; cd -- "$1"
for d in .*.part; do [ ! -d "$d" ] || [ "$d" = "$3" ] || rm -rf -- "$d"; done; [ -d "$2" ] || mkdir -- "$2\""""
_RENAME = 'sync -- "$1"/* "$1" && mv -T -- "$1" "$2" && sync -- "$(dirname -- "$2")"'


def stage_folder(target: Target, set_id: str) -> str:
    """Where the set is made; readers take it for none."""
    return f"{directory(target)}/.{set_id}.part"


def make(target: Target, stage: str) -> None:
    """An empty stage, in the folder of the sets, which is there."""
    target.run(bash(_MAKE, directory(target), stage, ""))


def go_on(target: Target, stage: str) -> None:
    """The same with what an earlier run has left in it."""
    target.run(bash(_MAKE, directory(target), stage, stage.rpartition("/")[2]))


def publish(target: Target, stage: str, set_id: str) -> str:
    """Give the set its name, with everything in it on the disk; returns its folder."""
    folder = f"{directory(target)}/{set_id}"
    target.run(bash(_RENAME, stage, folder, limit=600))
    return folder


def remove(target: Target, stage: str) -> None:
    """Undo."""
    target.run(remove_command(stage))
