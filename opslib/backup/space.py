"""Free space where the sets are kept: what must stay, and whether a backup fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opslib.backup.sets import SetInfo, directory
from opslib.command import bash
from opslib.errors import CommandFailed, OpsError

if TYPE_CHECKING:
    from opslib.backup.source import Source
    from opslib.target.base import Target

# For the whole group: another operator may have to prune. $1 the folder. Prints the disk's bytes and the free ones.
_ROOM = """umask 007; mkdir -p -- "$1" && chmod g+s -- "$1"; [ -w "$1" ] || { echo "cannot write to $1" >&2; exit 1; }
read -r _ size _ free _ < <(df -PB1 -- "$1" | tail -n 1); echo "$size $free\""""
GROWTH = 1.5  # a new artifact may be so much bigger than the last one


def check_room(target: Target, sources: Sequence[Source], sets: Sequence[SetInfo]) -> int:
    """`make_room` for a backup of the sources; `sets` are those that are there."""
    return make_room(target, estimate(sources, sets))


def make_room(target: Target, needed: int) -> int:
    """Make the folder of the sets, and return the bytes of its disk that must stay free.

    Raises OpsError when `needed` bytes more would eat into them.
    """
    folder = directory(target)
    try:
        disk, free = map(int, target.run(bash(_ROOM, folder)).text.split())
    except CommandFailed as error:
        raise OpsError(
            f"the folder of the backup sets cannot be used: {error.stderr or error.what}",
            host=target.host.name,
            left="everything",
            next="set `backup: directory:` in the host file to a folder that this user may write",
        ) from None
    reserve = target.host.backup.reserve.of(disk)
    if free - needed < reserve:
        raise OpsError(
            f"too little space: {needed} bytes may be needed, {free} are free in {folder}, and {reserve} have to stay "
            "free",
            host=target.host.name,
            left="everything: no set was made, nothing was pruned",
            next="make room there, or change `backup: directory:` or `reserve:` in the host file",
        )
    return reserve


def estimate(sources: Sequence[Source], sets: Sequence[SetInfo]) -> int:
    """Bytes that the artifacts may take: by their size in the newest set that has them, else what the source says."""
    known = {one.title: one.bytes for info in sets if info.manifest and info.whole for one in info.manifest.artifacts}
    return sum(int(known[one.title] * GROWTH) if one.title in known else one.size for one in sources)
