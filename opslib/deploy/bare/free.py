"""That nothing is overwritten: volumes and folders that data would go to hold none yet."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from opslib.backup.restore import places
from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.context import Context, Place
from opslib.compose.stack import SeenVolume
from opslib.deploy.files import relative
from opslib.deploy.seen import Seen
from opslib.engines.tree import inside
from opslib.errors import OpsError
from opslib.target.base import Target
from opslib.target.docker import docker

_SOME = 'cd -- "$1" && find . -mindepth 1 -print -quit'
# $1 the folder, then paths in it. Some of the files below them.
_FILES = """cd -- "$1" || exit; shift
{ find "$@" \\( -type f -o -type l \\) -print0 2>/dev/null || :; } | head -zn 10000"""


def refuse_outside(target: Target, seen: Seen) -> None:
    """Raise OpsError for volumes and networks that the compose files call external and that are not there: nobody
    but a person knows how they are made."""
    for kind, there in (("volume", {one.name for one in seen.stack.all_volumes}), ("network", None)):
        entries = (seen.config.get(f"{kind}s") or {}).values()
        names = [str(one["name"]) for one in entries if isinstance(one, dict) and one.get("external")]
        if not names:
            continue
        if there is None:
            there = set(target.run(docker(target.host, "network", "ls", "--format", "{{.Name}}")).lines)
        gone = [name for name in names if name not in there]
        if gone:
            raise OpsError(
                f"the compose files call {kind} {', '.join(gone)} external, and it is not there",
                host=target.host.name,
                left="everything",
                next="; ".join(f"docker {kind} create {name}" for name in gone),
            )


def refuse_data(ctx: Context, chosen: Chosen, seen: Seen) -> tuple[str, ...]:
    """Raise OpsError where volumes or folders hold data already; returns the volumes that are there and empty."""
    empty: list[str] = []
    full: list[str] = []
    for volume in _volumes(ctx, chosen, seen):
        place = Place(kind="volume", source=volume.name)
        (full if ctx.answer(_SOME, place) else empty).append(volume.name)
    if full:
        raise _there(ctx, f"volume {', '.join(full)}", f"docker volume rm {' '.join(full)}")
    for base, paths in _folders(ctx, chosen):
        place = Place(kind="folder", source=base)
        for name in ctx.answer(_FILES, place, *(inside(path) for path in paths)).split("\0"):
            full_path = posixpath.normpath(posixpath.join(base, name))
            if name and relative(full_path, ctx.target.root) not in seen.sources:
                raise _there(ctx, full_path, f"mv {', '.join(paths)} elsewhere")
    return tuple(empty)


def _there(ctx: Context, what: str, away: str) -> OpsError:
    host = ctx.target.host.name
    return OpsError(
        f"there are data in {what} already: --bare overwrites nothing",
        host=host,
        left="everything",
        next=f"inv deploy --host {host}, then inv restore --file SET --host {host}, which keeps a copy of what it "
        f"overwrites; or, where nobody needs them any more, {away}",
    )


def _volumes(ctx: Context, chosen: Chosen, seen: Seen) -> Iterator[SeenVolume]:
    """The volumes that are there and that data would go to, or that are the project's. One that belongs to others is
    left alone where the set has nothing for it."""
    ctx.stack()
    goes = {places.volume_name(ctx, one)[0] for one in chosen.artifacts if one.facts.get("volume")}
    goes |= {one.name for one in seen.project.volumes.values() if not one.external}
    for volume in ctx.stack().all_volumes:
        if volume.name in goes or volume.project == seen.name:
            yield volume


def _folders(ctx: Context, chosen: Chosen) -> Iterator[tuple[str, list[str]]]:
    """Folders that are there, and the paths in them that data would go to."""
    for base, paths in destinations(ctx, chosen):
        if places.is_folder(ctx, base):
            yield base, paths


def destinations(ctx: Context, chosen: Chosen) -> Iterator[tuple[str, list[str]]]:
    """The folders outside of volumes that data go to, and the paths in them. Those of the project need not be there.
    Raises OpsError for another one that is not there."""
    for one in chosen.artifacts:
        if one.kind == "files":
            recorded, paths = str(one.facts["base"]), [str(path).strip("/") for path in one.facts.get("paths") or ()]
        elif one.kind == "sqlite" and one.facts.get("place") != "volume":
            recorded, paths = str(one.facts.get("folder") or ctx.target.root), [str(one.facts["path"])]
        else:
            continue
        base = places.relocated(chosen, recorded, ctx.target.root)
        ours = relative(base, ctx.target.root) is not None
        yield base if ours else places.folder(ctx, chosen, recorded), paths
