"""Paths of a volume's or folder's archive: looked for on whichever machine it lies, before anything is touched."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opslib.backup.manifest import Artifact
from opslib.backup.pack import LONG
from opslib.backup.restore.chosen import Picked
from opslib.backup.restore.context import SET
from opslib.backup.unpack import UNPACK
from opslib.command import Command, bash
from opslib.engines import program
from opslib.target.docker import mount, run_in

if TYPE_CHECKING:
    from opslib.backup.restore.chosen import Chosen
    from opslib.backup.restore.context import Context
    from opslib.target.base import Target

# $1 the archive, $2 the Python, $3 its text, then the paths
_LOOK = f"""set -o pipefail; {UNPACK}file=$1 python=$2 text=$3; shift 3; unpack "$file" | "$python" -c "$text" "$@" """


def look(ctx: Context, chosen: Chosen, artifact: Artifact, paths: Mapping[str, str]) -> dict[str, Picked]:
    """What the archive holds of each path (`paths`: by the name that the user gave). One that leads out of the archive,
    or stands for all of it, is not there."""
    base = str(artifact.facts.get("base") or "")
    known = {name: relative(path, base) for name, path in paths.items()}
    wanted = [path for path in known.values() if path]
    target, cmd = _reading(ctx, chosen, artifact.file, wanted)
    said = [json.loads(line) for line in target.run(cmd).lines] if wanted else []
    found = {path: _picked(one) for path, one in zip(wanted, said, strict=True)}
    return {name: found.get(path, Picked(path)) for name, path in known.items()}


def relative(path: str, base: str = "") -> str:
    """A path as an archive names it, without `./`; "" for one that leads elsewhere, or for all. `base` is the folder
    that an absolute path may begin with."""
    if base and path.startswith(f"{base.rstrip('/')}/"):
        path = path[len(base.rstrip("/")) :]
    words = [word for word in path.split("/") if word not in ("", ".")]
    return "" if ".." in words else "/".join(words)


def _picked(said: dict[str, Any]) -> Picked:
    if "missing" in said:
        return Picked(said["missing"], near=tuple(said["near"]))
    return Picked(said["path"], True, said["counts"], tuple(said["above"]), tuple(said["linked"]))


def _reading(ctx: Context, chosen: Chosen, file: str, paths: list[str]) -> tuple[Target, Command]:
    text = program("tree_pick")
    if not ctx.tools or (chosen.here and ctx.here is not None):
        own = ctx.here if chosen.here and ctx.here is not None else ctx.target
        own_keys = {**ctx.keys, "AGE_PYTHON": sys.executable}
        return own, bash(_LOOK, f"{chosen.folder}/{file}", sys.executable, text, *paths, env=own_keys, limit=LONG)
    target, tools = ctx.target, ctx.tools
    if chosen.origin is not None:
        from opslib.images.tools import ensure_tools

        target = chosen.origin
        tools = ensure_tools(target, ctx.here)
    mounts = [mount("bind", chosen.folder, SET, readonly=True)]
    words = ("bash", "-c", _LOOK, "opslib", f"{SET}/{file}", "python3", text, *paths)
    return target, run_in(target.host, tools, *words, mounts=mounts, env=ctx.keys, limit=LONG)
