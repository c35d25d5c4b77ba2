"""The safety copy of a restore: a backup set of exactly what is overwritten, made while nobody writes any more."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from opslib.backup import take
from opslib.backup.databases import DATABASES
from opslib.backup.manifest import KINDS
from opslib.backup.postgres import PostgresDatabase, PostgresGlobals
from opslib.backup.redis import RedisServer
from opslib.backup.restore import postgres, runkey
from opslib.backup.restore.context import Context, Place
from opslib.backup.restore.files import TreePart, present, used
from opslib.backup.restore.options import Options
from opslib.backup.restore.parts import AnyPart
from opslib.backup.restore.postgres import PostgresPart
from opslib.backup.restore.redis import RedisPart
from opslib.backup.restore.reload import ReloadPart
from opslib.backup.restore.sqlite import SqlitePart
from opslib.backup.sqlite import SqliteFile
from opslib.backup.tree import Files, NamedVolume
from opslib.engines import redis as redis_engine
from opslib.engines.sqlite import BESIDE
from opslib.run.step import AnyStep, Run, Step

if TYPE_CHECKING:
    from opslib.backup.source import Source


def steps(
    ctx: Context, run: Run, parts: Sequence[AnyPart], cold: Sequence[Place], options: Options
) -> tuple[list[AnyStep], list[AnyStep]]:
    """The steps of the copy: those before services are stopped (is there room for it?), and those after.

    Engines that do not start are copied as files (`cold`), whatever the options say: undoing needs it. None where
    nothing is overwritten, or no copy is wanted.
    """
    losing = [part for part in parts if part.overwrites and not options.no_safety_copy]
    sources = [source for part in losing for source in sources_of(ctx, part)]
    sources += [folder_source(ctx, place) for place in cold]
    unique = tuple({source.title: source for source in sources}.values())
    if not unique:
        return [], []
    kinds = tuple(kind for kind in KINDS if any(source.kind == kind for source in unique))
    prepare, *rest = take.steps(run, take.Options(kinds=kinds, here=options.here, prune=False, safety=unique))
    key = [runkey.step(ctx.identities)] if ctx.target.host.backup.encrypt_to else []
    return [*key, prepare], [*rest, _told()]


def sources_of(ctx: Context, part: AnyPart) -> Iterator[Source]:
    """What has to be backed up before the part overwrites it. A volume or folder is copied whole, SQLite files and all:
    nobody writes meanwhile."""
    if isinstance(part, PostgresPart):
        db = ctx.instance(part.service)
        yield PostgresGlobals(db, db.client)
        yield PostgresDatabase(db, part.live, int(postgres.facts_now(ctx, db, part.live)["size"]) // 2, db.client)
    elif isinstance(part, RedisPart):
        db = ctx.instance(part.service)
        facts = redis_engine.facts(ctx.target, db)
        yield RedisServer(db, facts, int(facts.pop("size")))
    elif isinstance(part, ReloadPart):
        replacing = DATABASES[part.artifact.kind].replace
        assert replacing is not None
        yield replacing.source(ctx.target, ctx.instance(part.service), part.name)
    elif isinstance(part, TreePart):
        yield _tree(ctx, part.place, part.paths, part.title, used(ctx, part.place, part.paths))
    elif isinstance(part, SqlitePart) and not part.within:
        yield _sqlite(ctx, part)


def folder_source(ctx: Context, place: Place) -> Source:
    """The whole of a place as files."""
    if place.kind == "volume":
        return _tree(ctx, place, (), "", 0)
    base, name = posixpath.split(place.source.rstrip("/"))
    return _tree(ctx, Place(kind="folder", source=base), (name,), f"files {place.source}", 0)


def _tree(ctx: Context, place: Place, paths: Sequence[str], title: str, size: int) -> Source:
    if place.kind == "volume":
        seen = ctx.stack().volume(place.source)
        labels, key = (dict(seen.labels), seen.key) if seen else ({}, "")
        return NamedVolume(place.source, key, labels, seen.driver if seen else "local", (), size)
    there = tuple(path.removeprefix("./") for path in present(ctx, place, paths))
    return Files(place.source, there, (), title.partition(" ")[2], size)


def _sqlite(ctx: Context, part: SqlitePart) -> Source:
    volume = part.place.kind == "volume"
    if part.before:
        seen = ctx.stack().volume(part.place.source) if volume else None
        if volume:
            facts = {"place": "volume", "volume": part.place.source, "key": seen.key if seen else ""}
        else:
            facts = {"place": "bind", "folder": part.place.source}
        return SqliteFile(volume, part.place.source, part.path, facts, None, part.needs)
    # It is empty, or damaged so that SQLite cannot read it: as it is, byte for byte.
    paths = [part.path, *(f"{part.path}{end}" for end in BESIDE)]
    return _tree(ctx, part.place, paths, part.title, part.needs)


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
