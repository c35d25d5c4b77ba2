"""`--into NAME`: one artifact goes to a place that is not there yet, so nothing live is touched."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from opslib.backup.databases import DATABASES
from opslib.backup.restore import postgres
from opslib.backup.restore.context import Context, Place
from opslib.backup.restore.files import TreePart
from opslib.backup.restore.postgres import PostgresPart
from opslib.backup.restore.redis import RedisPart
from opslib.backup.restore.redis_volume import elsewhere
from opslib.backup.restore.reload import ReloadPart
from opslib.backup.restore.sqlite import SqlitePart
from opslib.command import bash
from opslib.errors import BadSettings, OpsError

if TYPE_CHECKING:
    from opslib.backup.restore.parts import AnyPart

# The nearest folder above a path that is there.
_ABOVE = 'd=${1%/*}; until [ -d "$d/" ]; do d=${d%/*}; done; printf "%s\\n" "${d:-/}"'


def redirect(ctx: Context, parts: Sequence[AnyPart], name: str) -> AnyPart:
    """The only part, on its way to another database, volume, folder or file. Raises BadSettings where several are
    chosen or the kind has no other place, OpsError where something is there already."""
    if len(parts) != 1:
        raise BadSettings(
            f"--into takes one thing, and this is {len(parts)}: {', '.join(part.title for part in parts)}",
            host=ctx.target.host.name,
            left="everything",
            next="name one artifact's file, or choose by restore.KIND, --service, --database",
        )
    part = parts[0]
    title = f"{part.title} as {name}"
    if isinstance(part, PostgresPart):
        _free(ctx, name in {one["name"] for one in postgres.databases(ctx, ctx.instance(part.service))}, name)
        return replace(part, title=title, live=name, old_oid=None, connect=True, before=None)
    if isinstance(part, ReloadPart):
        replacing = DATABASES[part.artifact.kind].replace
        assert replacing is not None
        _free(ctx, name in replacing.names(ctx.target, ctx.instance(part.service)), name)
        return replace(part, title=title, name=name, before=None)
    if isinstance(part, RedisPart):
        _free(ctx, ctx.stack().volume(name) is not None, name)
        return elsewhere(ctx, part, name, title)
    if isinstance(part, TreePart) and part.place.kind == "volume":
        _free(ctx, ctx.stack().volume(name) is not None, name)
        return replace(part, title=title, place=Place(kind="volume", source=name), create={}, before=None)
    if isinstance(part, TreePart | SqlitePart):
        path = posixpath.normpath(posixpath.join(ctx.target.root, name))
        _free(ctx, bool(ctx.target.run(bash('[ ! -e "$1" ] || echo there', path)).text), path)
        if isinstance(part, TreePart):
            return replace(part, title=title, place=Place(kind="folder", source=path), create={}, before=None)
        folder = ctx.target.run(bash(_ABOVE, path)).text
        file = posixpath.relpath(path, folder)
        way = file.partition("/")[0] if "/" in file else ""
        place = Place(kind="folder", source=folder)
        return replace(part, title=title, place=place, path=file, within="", way=way, before=None)
    raise BadSettings(
        f"{part.title} has no other place than its server: --into cannot be used for it",
        host=ctx.target.host.name,
        left="everything",
        next="restore it over the server, and go back with inv restore.undo",
    )


def _free(ctx: Context, taken: bool, name: str) -> None:
    if taken:
        raise OpsError(
            f"{name} is there already, and --into overwrites nothing",
            host=ctx.target.host.name,
            left="everything",
            next="choose another name, or remove it first",
        )
