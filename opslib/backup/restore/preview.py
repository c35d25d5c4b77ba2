"""What a restore will overwrite, in words with counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opslib.backup import services
from opslib.backup.manifest import Kind
from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.context import Context
from opslib.backup.restore.files import TreePart
from opslib.backup.restore.options import Item, Options, Preview
from opslib.backup.restore.parts import AnyPart, ColdPart
from opslib.backup.restore.postgres import PostgresPart
from opslib.backup.restore.redis import RedisPart
from opslib.backup.restore.reload import ReloadPart
from opslib.engines.postgres import LARGE


def describe(ctx: Context, chosen: Chosen, parts: Sequence[AnyPart], options: Options) -> Preview:
    """The preview of these parts."""
    items = tuple(
        Item(part.what, _now(part), (words(part, part.counts) or _file(part)) + made_by(chosen, part.file))
        for part in parts
    )
    stopping = services.to_stop(ctx.stack(), kept_running(parts)) if ctx.tools else []
    return Preview(
        source=chosen.title,
        items=items,
        stops=tuple(sorted({one.service for one in stopping})),
        safety=_safety(parts, options),
        warnings=tuple(_warnings(chosen, parts)),
    )


def kept_running(parts: Sequence[AnyPart]) -> set[str]:
    """The services of the engines that are restored: their own tools are needed."""
    return {part.service for part in parts if isinstance(part, PostgresPart | RedisPart | ReloadPart)}


def words(part: AnyPart, counts: dict[str, Any] | None) -> str | None:
    """Counts as a person says them; None where there is nothing or nothing is known."""
    if counts is None:
        return None
    if isinstance(part, TreePart):
        return counted("volume", counts)
    return counted(part.artifact.kind if isinstance(part, ReloadPart) else "postgres", counts)


def counted(kind: Kind, counts: dict[str, Any]) -> str:
    """The counts of an artifact of that kind as a person says them."""
    if counts and all(isinstance(entry, dict) for entry in counts.values()):
        return f"{sum(int(entry.get('keys', 0)) for entry in counts.values()):,} keys"
    if kind in ("volume", "files"):
        return f"{counts.get('files', 0):,} files, {size(int(counts.get('bytes', 0)))}"
    if kind == "mysql":  # beside tables there are views, routines, …
        counts = {name: rows for name, rows in counts.items() if name.startswith("`")}
    if kind == "postgres":
        counts = {name: rows for name, rows in counts.items() if name != LARGE}
    return f"{len(counts)} tables, {sum(map(int, counts.values())):,} rows"


def made_by(chosen: Chosen, file: str) -> str:
    """What a database was dumped from: its server, its image and the machine; "" where nothing says so."""
    manifest = chosen.manifest
    artifact = next((one for one in chosen.artifacts if one.file == file), None)
    if manifest is None or artifact is None or artifact.image is None:
        return ""
    version = str(artifact.facts.get("server") or "").partition(" ")[0]
    server = f"{artifact.facts.get('flavour') or artifact.kind} {version}".rstrip()
    return f", of {server} in {artifact.image}" + (f" on {manifest.engine.arch}" if manifest.engine else "")


def size(count: int) -> str:
    """Bytes as a person reads them."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError


def _now(part: AnyPart) -> str | None:
    if isinstance(part, ColdPart):
        return "unreadable: its engine does not start"
    if part.only:
        return words(part, part.replaced)
    return words(part, part.before) or ("unreadable" if part.overwrites else None)


def _file(part: AnyPart) -> str:
    return f"what {part.file} holds"


def _safety(parts: Sequence[AnyPart], options: Options) -> str:
    if any(isinstance(part, ColdPart) for part in parts):
        return "a backup set of what is overwritten, and of the files of the engines that do not start, made first"
    if not any(part.overwrites for part in parts):
        return "not needed: nothing is overwritten"
    if options.no_safety_copy:
        return "NONE, as asked for: what is there now is lost"
    return "a backup set of what is overwritten, made first"


def _warnings(chosen: Chosen, parts: Sequence[AnyPart]) -> list[str]:
    found = []
    if chosen.manifest is not None and chosen.whole:
        named = {artifact.file for artifact in chosen.artifacts}
        left = [one.title for one in chosen.manifest.artifacts if one.file not in named and one.kind != "project"]
        if left:
            found.append(f"not restored: {', '.join(left)}")
    for part in parts:
        if isinstance(part, TreePart) and part.without:
            own = ", ".join(part.without)
            found.append(f"{part.title} is without {own}: artifacts of their own, they stay unless restored too")
        if isinstance(part, TreePart) and part.exclude:
            found.append(f"{part.title} is without {', '.join(part.exclude)}: what of it is there stays as it is")
        if isinstance(part, TreePart) and part.globs:
            found.append(f"{part.title} is {', '.join(part.globs)} alone: all else there stays as it is")
        found += part.notes
    return found
