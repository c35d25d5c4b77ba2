"""`--only NAME`: tables, collections or paths of one artifact. Which artifact is meant, and what of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opslib.backup.manifest import Artifact
from opslib.backup.restore import files, pick, postgres_tables, reload_some, sqlite
from opslib.backup.restore.chosen import Chosen, Picked, is_globals
from opslib.backup.restore.files import TreePart
from opslib.backup.restore.postgres import PostgresPart
from opslib.backup.restore.reload import ReloadPart
from opslib.backup.restore.sqlite import SqlitePart
from opslib.engines.postgres import LARGE
from opslib.engines.postgres_restore import split_name
from opslib.errors import BadSettings, OpsError

if TYPE_CHECKING:
    from opslib.backup.restore.context import Context
    from opslib.backup.restore.options import Options
    from opslib.backup.restore.parts import AnyPart

TREES = ("volume", "files")
_WHOLE = {
    "redis": "a Redis server loads its file whole; with --into it goes to a new volume, from which keys can be taken",
    "qdrant": "a collection of Qdrant is put back whole: --only takes its name",
}


def split(text: str) -> tuple[str, ...]:
    """The names of `a, b.c,"d,e"`: a comma inside of double quotes is part of a name."""
    found, name, quoted = [], "", False
    for char in text if text.count('"') % 2 == 0 else text.replace('"', "\0"):
        quoted ^= char == '"'
        if char == "," and not quoted:
            found.append(name)
            name = ""
        else:
            name += char
    names = (one.strip().replace("\0", '"') for one in (*found, name))
    return tuple(dict.fromkeys(one for one in names if one))


def unquoted(name: str) -> str:
    """What stands inside the double quotes around a name."""
    return name[1:-1].replace('""', '"') if len(name) > 2 and name[0] == name[-1] == '"' else name


def parts_of(artifact: Artifact) -> dict[str, tuple[str, ...]]:
    """The tables or collections that an artifact holds, as its counts name them, and how each may be called."""
    found: dict[str, tuple[str, ...]] = {}
    for key in artifact.counts:
        if artifact.kind == "postgres" and key != LARGE:
            schema, table = split_name(key)
            found[key] = (key, f"{schema}.{table}", table)
        elif artifact.kind == "mysql" and key.startswith("`"):
            table = key[1:-1].replace("``", "`")
            found[key] = (key, table, f"{artifact.name}.{table}")
        elif artifact.kind == "mongo" and artifact.facts.get("part") == "database":
            found[key] = (key, f"{artifact.name}.{key}")
        elif artifact.kind == "mongo":
            found[key] = (key, key.partition(".")[2])
        elif artifact.kind == "sqlite":
            found[key] = (key,)
    if artifact.kind == "qdrant":
        found[""] = (artifact.name,)
    return found


@dataclass(frozen=True, slots=True)
class Fit:
    """A name that is meant, and the artifact (or several) in which something has it."""

    name: str
    keys: Mapping[str, tuple[str, ...]]  # by the artifact's file

    @property
    def files(self) -> set[str]:
        """The artifacts."""
        return set(self.keys)


def fit(name: str, artifacts: Sequence[Artifact]) -> Fit:
    """Where a table or collection of that name is. A name as it stands goes before the same without its quotes, and
    one way to call it before the next: `a.b` is a table `b` of the schema `a` before it is a table `a.b`."""
    found: dict[str, tuple[str, ...]] = {}
    for artifact in artifacts:
        called = parts_of(artifact)
        longest = max((len(names) for names in called.values()), default=0)
        for wanted in dict.fromkeys((name, unquoted(name))):
            for place in range(longest):
                keys = [key for key, names in called.items() if names[place : place + 1] == (wanted,)]
                if keys and artifact.file not in found:
                    found[artifact.file] = tuple(keys)
    return Fit(name, found)


def narrow(ctx: Context, chosen: Chosen, options: Options) -> Chosen:
    """The one artifact that holds what `--only` names. Raises BadSettings where it is in none, or in several."""
    host = ctx.target.host.name
    if chosen.manifest is None:
        raise BadSettings(
            f"--only takes a part of a set that lies in its folder, and {chosen.single} is none", host=host,
            left="everything", next="restore it whole, or with --into to another place, and take the part from there",
        )  # fmt: skip
    wanted = split(options.only or "")
    if not wanted:
        raise BadSettings("--only needs the name of a table, a collection, a file or a folder", host=host,
                          left="everything")  # fmt: skip
    there = [one for one in chosen.artifacts if not is_globals(one)]
    if options.volume is not None:
        there = [one for one in there if one.kind == "volume" and options.volume in (one.name, one.facts["volume"])]
    fits = [fit(name, there) for name in wanted]
    trees = [one for one in there if one.kind in TREES]
    picked: dict[str, dict[str, Picked]] = {}
    if trees and not any(one.files for one in fits):
        paths = {name: unquoted(name) for name in wanted}
        picked = {one.file: pick.look(ctx, chosen, one, paths) for one in trees}
        fits = [Fit(name, {file: (name,) for file, found in picked.items() if found[name].there}) for name in wanted]
    artifact = _the_one(there, fits, picked, host)
    own = [one for one in chosen.artifacts if is_globals(one)
           and (one.kind, one.service) == (artifact.kind, artifact.service)]  # fmt: skip
    found = replace(chosen, artifacts=(artifact, *own), whole=False)
    if artifact.kind in TREES:
        return replace(found, picked=tuple(picked[artifact.file][name] for name in wanted))
    return replace(found, only=tuple(key for key in _keys(artifact, fits, host) if key))


def _the_one(there: Sequence[Artifact], fits: Sequence[Fit], picked: Mapping[str, Mapping[str, Picked]],
             host: str) -> Artifact:  # fmt: skip
    for one in fits:
        if not one.files:
            raise _unknown(one.name, there, [near for found in picked.values() for near in found[one.name].near], host)
    titles = {artifact.file: artifact.title for artifact in there}
    common = set.intersection(*(one.files for one in fits))
    if not common:
        where = "; ".join(f"{one.name} is in {', '.join(sorted(titles[file] for file in one.files))}" for one in fits)
        raise BadSettings(f"--only takes parts of one database or folder at a time: {where}", host=host,
                          left="everything", next="restore them one after the other")  # fmt: skip
    if len(common) > 1:
        names = ", ".join(one.name for one in fits)
        raise BadSettings(
            f"{names} is in several: {', '.join(sorted(titles[file] for file in common))}", host=host,
            left="everything", next="choose by --database, --service, --volume, restore.KIND, or one artifact's file",
        )  # fmt: skip
    return next(artifact for artifact in there if artifact.file in common)


def _keys(artifact: Artifact, fits: Sequence[Fit], host: str) -> Iterator[str]:
    for one in fits:
        keys = one.keys[artifact.file]
        if len(keys) > 1:
            raise BadSettings(f"{one.name} of {artifact.title} may be {' or '.join(keys)}", host=host,
                              left="everything", next=f"name one of them in full: --only {keys[0]}")  # fmt: skip
        yield keys[0]


def _unknown(name: str, there: Sequence[Artifact], near: Sequence[str], host: str) -> BadSettings:
    called = {spelled: one.title for one in there for names in parts_of(one).values() for spelled in names}
    like = [*near, *difflib.get_close_matches(name, called, 5), *difflib.get_close_matches(unquoted(name), called, 5)]
    for kind, why in _WHOLE.items():
        if any(one.kind == kind for one in there) and all(one.kind in (kind, *TREES) for one in there) and not like:
            return BadSettings(f"{name!r} is nothing that can be restored alone: {why}", host=host, left="everything",
                               next="restore the whole artifact, and go back with inv restore.undo")  # fmt: skip
    files = [one.title for one in there if one.kind == "sqlite" and name in (one.name, one.facts.get("path"))]
    if files:
        return BadSettings(f"{name!r} is an artifact of its own: {files[0]}", host=host, left="everything",
                           next="name its file in the set as --file, without --only")  # fmt: skip
    held = ", ".join(one.title for one in there) or "nothing"
    return BadSettings(f"no table, collection or path {name!r} is in {held}", host=host, left="everything",
                       next=f"did you mean {', '.join(dict.fromkeys(like))}?" if like else "inv backup.show"
                       )  # fmt: skip


def settle(ctx: Context, parts: Sequence[AnyPart], chosen: Chosen, options: Options, copy: str) -> list[AnyPart]:
    """The same parts for what `--only` names of them; `copy` is the set that will hold the safety copy. Raises
    BadSettings or OpsError where that has no place to go to."""
    copy = "" if options.no_safety_copy else copy
    return [_some(ctx, part, chosen, options, copy) for part in parts]


def _some(ctx: Context, part: AnyPart, chosen: Chosen, options: Options, copy: str) -> AnyPart:
    if chosen.picked and isinstance(part, TreePart):
        return files.picked(ctx, part, chosen.picked, elsewhere=options.into is not None)
    if options.into is not None:
        raise BadSettings(
            f"a table or collection of {part.title} cannot go elsewhere alone", host=ctx.target.host.name,
            left="everything", next="restore the whole artifact with --into, and take from it what is needed",
        )  # fmt: skip
    if isinstance(part, SqlitePart):
        return sqlite.some(ctx, part, chosen.only)
    if isinstance(part, PostgresPart):
        return postgres_tables.some(ctx, part, chosen.only, copy)
    if isinstance(part, ReloadPart):
        return reload_some.some(ctx, part, chosen.only)
    raise OpsError(f"{part.title} has no place for a part of it: its engine does not start", left="everything",
                   host=ctx.target.host.name, next="restore the whole artifact, without --only")  # fmt: skip
