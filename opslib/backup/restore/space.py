"""Whether there is room beside the live data for what is loaded, on each file system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.context import Context
from opslib.backup.restore.files import TreePart
from opslib.backup.restore.parts import AnyPart
from opslib.backup.restore.postgres import PostgresPart
from opslib.backup.restore.preview import size
from opslib.backup.restore.reload import ReloadPart
from opslib.command import bash
from opslib.errors import OpsError
from opslib.target.base import Target

# $1 a folder, or one that will be made in it: the device's number and the free bytes there
FREE = """d=$1; while [ ! -e "$d" ]; do case $d in */*) d=${d%/*} ;; *) d=. ;; esac; [ -n "$d" ] || d=/; done
v=$(stat -c %d -- "$d"); set -- $(df -Pk -- "$d" | tail -n 1); echo "$v $4\""""

MARGIN = 1.1


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes for `what` on a file system (`device`) that has `free` of them."""

    what: str
    device: str
    free: int
    bytes: int


def refuse_if_short(ctx: Context, chosen: Chosen, parts: Sequence[AnyPart]) -> None:
    """Raise OpsError where a file system has less room than everything that goes there needs."""
    looked: dict[str, str] = {}
    needs = []
    for part in parts:
        where = part.service if isinstance(part, PostgresPart | ReloadPart) else part.place.source
        if where not in looked:
            looked[where] = _look(ctx, part)
        device, free = _read(looked[where])
        needs.append(Need(part.title, device, free, part.needs))
    if chosen.sent:
        device, free = _read(ctx.target.run(bash(FREE, ctx.target.state)).text)
        needs.append(Need("what is sent", device, free, _sent(chosen)))
    _refuse(ctx.target, needs)


def refuse_short(target: Target, wanted: Sequence[tuple[str, str, int]]) -> None:
    """The same for (what, folder of the machine, bytes)."""
    looked = {folder: _read(target.run(bash(FREE, folder)).text) for folder in {folder for _, folder, _ in wanted}}
    _refuse(target, [Need(what, *looked[folder], needed) for what, folder, needed in wanted])


def _refuse(target: Target, needs: Sequence[Need]) -> None:
    short = too_short(needs)
    if short:
        raise OpsError(
            "there is not enough room: " + "; ".join(short),
            host=target.host.name,
            left="everything",
            next="make room, then run again: the old data stay there until the new ones are proven",
        )


def _sent(chosen: Chosen) -> int:
    return chosen.seen.size if chosen.seen else sum(artifact.bytes for artifact in chosen.artifacts)


def too_short(needs: Sequence[Need]) -> list[str]:
    """Per file system that is too small: what needs how much of how much."""
    found = []
    for device in dict.fromkeys(need.device for need in needs):
        here = [need for need in needs if need.device == device]
        wanted = sum(int(need.bytes * MARGIN) for need in here)
        free = min(need.free for need in here)
        if wanted > free:
            found.append(f"{', '.join(need.what for need in here)}: {size(wanted)} needed, {size(free)} free")
    return found


def room(ctx: Context, part: AnyPart) -> int:
    """The bytes that may be used beside the live data of a part."""
    return int(_read(_look(ctx, part))[1] / MARGIN)


def _look(ctx: Context, part: AnyPart) -> str:
    """What FREE says of the place that the part goes to."""
    if isinstance(part, PostgresPart | ReloadPart):
        db = ctx.instance(part.service)
        return ctx.target.run(db.tool(ctx.target.host, "sh", "-c", FREE, "sh", db.data)).text
    if part.place.kind == "volume" and ctx.stack().volume(part.place.source) is None:
        return ctx.target.run(bash(FREE, ctx.target.root)).text  # made later, on the engine's disk: mostly the same
    if isinstance(part, TreePart) and part.create is not None and part.place.kind == "folder":
        return ctx.target.run(bash(FREE, part.place.source)).text
    return ctx.target.run(ctx.script(FREE, part.place)).text


def _read(said: str) -> tuple[str, int]:
    device, _, free = said.strip().partition(" ")
    return device, int(free) * 1024
