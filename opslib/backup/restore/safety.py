"""The safety copy of a restore: a backup set of exactly what is overwritten, made while nobody writes any more."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opslib.backup import take
from opslib.backup.manifest import KINDS
from opslib.backup.postgres import PostgresDatabase, PostgresGlobals
from opslib.backup.redis import RedisServer
from opslib.backup.restore.files import TreePart
from opslib.backup.restore.options import Options
from opslib.backup.restore.plan import AnyPart
from opslib.backup.restore.postgres import PostgresPart
from opslib.backup.restore.redis import RedisPart
from opslib.backup.restore.sqlite import SqlitePart
from opslib.backup.sqlite import SqliteFile
from opslib.backup.tree import Files, NamedVolume
from opslib.errors import OpsError
from opslib.run.step import AnyStep, Run, Step

if TYPE_CHECKING:
    from opslib.backup.source import Source


def steps(parts: Sequence[AnyPart], run: Run, options: Options) -> tuple[list[AnyStep], list[AnyStep]]:
    """The steps of the copy: those before services are stopped (everything is found while it runs), and those after.

    None where nothing is overwritten, or no copy is wanted.
    """
    losing = [part for part in parts if part.before is not None]
    if not losing or options.no_safety_copy:
        return [], []
    kinds = tuple(kind for kind in KINDS if any(kind in _kinds(part) for part in losing))
    wanted = take.Options(
        kinds=kinds,
        pick=lambda source: any(overwrites(part, source) for part in losing),
        here=options.here,
        prune=False,
        safety=True,
    )
    prepare, *rest = take.steps(run, wanted)
    return [prepare, _covered(losing)], [*rest, _told()]


def _kinds(part: AnyPart) -> tuple[str, ...]:
    """The kinds of sources that hold what a part overwrites: SQLite files in a volume are sources of their own."""
    if isinstance(part, TreePart):
        return ("volume" if part.place.kind == "volume" else "files", "sqlite")
    if isinstance(part, PostgresPart):
        return ("postgres",)
    return ("redis",) if isinstance(part, RedisPart) else ("sqlite",)


def overwrites(part: AnyPart, source: Source) -> bool:
    """Whether the part overwrites (some of) what the source backs up."""
    if isinstance(part, PostgresPart):
        if isinstance(source, PostgresDatabase):
            return (source.at.service, source.database) == (part.service, part.live)
        return isinstance(source, PostgresGlobals) and source.at.service == part.service
    if isinstance(part, RedisPart):
        return isinstance(source, RedisServer) and source.at.service == part.service
    if isinstance(source, SqliteFile):
        if isinstance(part, SqlitePart):
            return _joined(source.source, source.path) == _joined(part.place.source, part.path)
        return _holds(part, source.source, source.path)
    if isinstance(part, TreePart):
        if isinstance(source, NamedVolume):
            return part.place.kind == "volume" and source.volume == part.place.source
        if isinstance(source, Files):
            return any(_holds(part, source.base, path) for path in source.paths)
    return False


def _holds(part: TreePart, folder: str, path: str) -> bool:
    """Whether a path below a volume or folder is inside what the part swaps, or around it."""
    if part.place.kind == "volume" or not folder.startswith("/"):
        return part.place.kind == "volume" and part.place.source == folder
    full = posixpath.normpath(_joined(folder, path))
    swapped = [posixpath.normpath(_joined(part.place.source, one)) for one in part.paths]
    return any(full == one or full.startswith(f"{one}/") or one.startswith(f"{full}/") for one in swapped)


def _joined(folder: str, path: str) -> str:
    return f"{folder.rstrip('/')}/{path}"


def _covered(losing: Sequence[AnyPart]) -> AnyStep:
    """Nothing is stopped before it is known that all of it can be copied."""

    def look(run: Run) -> dict[str, str] | None:
        if run.plan:
            return None
        sources = take.found(run).sources
        for part in losing:
            if not any(overwrites(part, source) for source in sources):
                raise OpsError(
                    f"no safety copy of {part.title} can be made: the host file leaves it out of the backup",
                    host=run.host,
                    left="everything",
                    next="back it up by hand and run again with --no-safety-copy",
                )
        return None

    return Step("safety copy", look, lambda run, memo: None)


_OF_THE_SET = {"set", "folder", "bytes", "raw_bytes", "seconds", "artifacts", "uncovered", "warnings"}


def _told() -> AnyStep:
    def look(run: Run) -> None:
        if "set" in run.result:
            made = run.result["set"]
            for name in _OF_THE_SET & run.result.keys():
                del run.result[name]
            run.result["safety_copy"] = made
            run.note(f"safety copy: {made}")

    return Step("safety copy made", look, lambda run, memo: None)
