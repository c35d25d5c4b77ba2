"""A file that is no artifact of a set, on its way to a part. Where it goes is said by the options, else by there being
only one place for it, else it is asked for; what it is, its bytes said."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from opslib.backup.databases import DATABASES
from opslib.backup.formats.recognise import Format
from opslib.backup.manifest import Artifact, Kind
from opslib.backup.restore import old_mongo, places, postgres, single
from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.context import Context
from opslib.backup.restore.files import TreePart
from opslib.backup.restore.options import Options
from opslib.backup.restore.part import Part
from opslib.backup.restore.postgres import PostgresPart
from opslib.engines import mysqltext, sqltext
from opslib.engines import postgres_restore as pg
from opslib.errors import BadSettings, OpsError

if TYPE_CHECKING:
    from opslib.engines.instance import Instance

Make = Callable[[Artifact], Part]
"""The part of an artifact of a set."""

PACKED = 6  # times longer than its file is what a packed file holds, at the most that is usual


def part(ctx: Context, chosen: Chosen, options: Options, ident: str, folder: str, make: Make) -> Part:
    """The part of the file. Raises BadSettings where nothing says where it goes, OpsError where it cannot go there."""
    seen = chosen.seen
    assert seen is not None
    if options.kinds and seen.kind not in (*options.kinds, "sql"):
        raise BadSettings(f"{chosen.single} is no backup of {options.kinds[0]}: it is of {seen.kind}",
                          host=ctx.target.host.name)  # fmt: skip
    size = seen.size * (PACKED if seen.compression else 1)
    if seen.kind == "volume":
        return _volume(ctx, chosen, options, size, make)
    if seen.kind == "sqlite":
        return _sqlite(ctx, chosen, options, size, make)
    at = _engine(ctx, options, chosen, (seen.kind,) if seen.kind != "sql" else ("postgres", "mysql"))
    places.refuse_newer(ctx, at, seen.facts.get("rdb") or seen.facts.get("server_version") or "")
    if at.kind == "postgres":
        return _postgres(ctx, chosen, options, at, ident, folder, size)
    if seen.form == "full":
        raise BadSettings(f"{chosen.single} is a snapshot of all collections of Qdrant", host=ctx.target.host.name,
                          left="everything", next="unpack it, and restore the snapshots in it one by one")  # fmt: skip
    section = ""
    if chosen.sql is not None:
        size, section = chosen.sql.bytes, _section(ctx, chosen, options, chosen.sql.holds)
        single.refuse_leaving(ctx, chosen, mysqltext.leaves_its_database, section)
    artifact = _artifact(chosen, at.kind, at.service, size, section=section)
    replacing = DATABASES[at.kind].replace
    if at.kind == "mongo":
        name, counts, facts = old_mongo.place(ctx, at, chosen, options)
        return make(replace(artifact, name=name, counts=counts, facts={**artifact.facts, **facts}))
    if replacing is not None:
        known = replacing.names(ctx.target, at)
        own = section or seen.facts.get("database")
        artifact = replace(artifact, name=_database(ctx, at, options, known, own))
    return replace(make(artifact), counts=None)


def _artifact(chosen: Chosen, kind: str, service: str | None, size: int, **facts: Any) -> Artifact:
    seen = chosen.seen
    assert seen is not None
    known: Kind = kind  # type: ignore[assignment]
    return Artifact(
        file=chosen.single, kind=known, name=service or chosen.single, service=service, bytes=seen.size,
        raw_bytes=size, sha256="", facts={**_told(seen), **facts},
    )  # fmt: skip


def _told(seen: Format) -> dict[str, Any]:
    return {
        "old": seen.form,
        "ended": seen.complete is True,
        **({"server": seen.facts["server_version"]} if "server_version" in seen.facts else {}),
    }


# -- databases


def _engine(ctx: Context, options: Options, chosen: Chosen, kinds: Collection[str]) -> Instance:
    from opslib.backup.found import logins
    from opslib.engines.find import find_instances

    what = " or ".join(kinds)
    if options.service is not None:
        at = ctx.instance(options.service)
        if at.kind not in kinds:
            raise BadSettings(f"service {at.service} is {at.kind}, and {chosen.single} is for {what}",
                              host=ctx.target.host.name)  # fmt: skip
        return at
    found = find_instances(ctx.target, ctx.stack(), logins(ctx.target.host))
    fitting = {one.service: one for one in found if one.kind in kinds}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    raise BadSettings(
        f"{chosen.single} needs one server of {what}: {', '.join(sorted(fitting)) or 'none'} runs here",
        host=ctx.target.host.name,
        next="name it with --service" if fitting else "start the stack: inv deploy",
    )


def _database(ctx: Context, at: Instance, options: Options, known: Collection[str], own: str | None) -> str:
    """The database that is meant: the one named, the one that the file names if it is there, the only one."""
    if options.database or options.into:
        return str(options.database or options.into)
    if own in known:
        return str(own)
    if len(known) == 1:
        return next(iter(known))
    raise BadSettings(
        f"service {at.service} has {', '.join(known) or 'no database'}, and the file does not say which it is for",
        host=ctx.target.host.name,
        next="name the database that it belongs to with --database",
    )


def _section(ctx: Context, chosen: Chosen, options: Options, holds: Collection[str]) -> str:
    """The database that is taken out of a mysqldump of several; "" for one that names none."""
    if not holds or options.database in holds:
        return str(options.database) if holds else ""
    if len(holds) == 1:
        return next(iter(holds))
    raise BadSettings(
        f"{chosen.single} holds the databases {', '.join(holds)}"
        + (f", and not {options.database}" if options.database else ""),
        host=ctx.target.host.name, left="everything", next="name the one that is wanted with --database",
    )  # fmt: skip


def _postgres(
    ctx: Context, chosen: Chosen, options: Options, at: Instance, ident: str, folder: str, size: int
) -> PostgresPart:
    seen = chosen.seen
    assert seen is not None
    form = "plain" if seen.kind == "sql" else seen.form
    if form == "globals":
        raise BadSettings(f"{chosen.single} holds the roles of a server", host=ctx.target.host.name,
                          next=f"docker exec -i {at.container} psql -U postgres <{chosen.single}")  # fmt: skip
    if form == "plain":
        assert chosen.sql is not None
        size = chosen.sql.bytes
        single.refuse_leaving(ctx, chosen, sqltext.leaves_its_database)
        if chosen.sql.restrict:
            _refuse_old_psql(ctx, chosen, at)
    names = [one["name"] for one in postgres.databases(ctx, at) if one["connect"] and not one["template"]]
    known = [name for name in names if name != "postgres"] or names
    database = _database(ctx, at, options, known, seen.facts.get("database"))
    present, before = postgres.database_now(ctx, at, database)
    facts = postgres.facts_now(ctx, at, database) if present["old_oid"] else {}
    return PostgresPart(
        title=f"postgres {at.service}/{database}", folder=folder, file=chosen.single, id=ident, service=at.service,
        live=database, form=form, raw_bytes=size, needs=size, properties=facts.get("properties") or {},
        settings=tuple(facts.get("settings") or ()), before=before, **present,
    )  # fmt: skip


def _refuse_old_psql(ctx: Context, chosen: Chosen, at: Instance) -> None:
    version = ctx.target.run(at.tool(ctx.target.host, "psql", "--version")).text
    if not pg.knows_restrict(version):
        raise OpsError(
            f"{chosen.single} contains \\restrict, which the psql of service {at.service} does not know ({version})",
            host=ctx.target.host.name,
            left="everything",
            next="update the database's image to its last minor version, or take out \\restrict and \\unrestrict",
        )


# -- files


def _volume(ctx: Context, chosen: Chosen, options: Options, size: int, make: Make) -> Part:
    seen = chosen.seen
    assert seen is not None
    own = {one.key: one.name for one in ctx.stack().volumes if one.key}
    name = own.get(options.volume or "", options.volume or options.into or "")
    if not name:
        raise BadSettings(
            f"{chosen.single} is an archive of files, and does not say of which volume", host=ctx.target.host.name,
            next=f"name it with --volume (there are {', '.join(sorted(own)) or 'none'}), or a new one with --into",
        )  # fmt: skip
    if options.into is None and ctx.stack().volume(name) is None:
        raise BadSettings(f"there is no volume {name!r}", host=ctx.target.host.name, next="--into makes a new one")
    made = make(_artifact(chosen, "volume", None, size, volume=name, key=options.volume or "", driver="local"))
    assert isinstance(made, TreePart)
    top = around(seen.names)
    title = f"volume {name}" + (f" (what is in {top}/ of the archive)" if top else "")
    return replace(made, title=title, counts=None, strip=1 if top else 0)


def around(names: Collection[str]) -> str:
    """The folder that an archive was packed with rather than in: `tar czf x.tgz /data` holds data/…, and `tar -C /data
    .` holds ./…; "" for the second."""
    tops = {name.split("/", 1)[0] for name in names}
    top = next(iter(tops), "")
    return top if len(tops) == 1 and top != "." and any(name.startswith(f"{top}/") for name in names) else ""


def _sqlite(ctx: Context, chosen: Chosen, options: Options, size: int, make: Make) -> Part:
    artifact = _artifact(chosen, "sqlite", None, size)
    if options.into is not None:
        where = {"place": "project", "path": options.into}
        return replace(make(replace(artifact, name=options.into, facts=where)), counts=None)
    base = re.sub(r"\.(gz|zst)$", "", chosen.single)
    there = [one for one in ctx.sqlite_files() if posixpath.basename(one.path) == base]
    if len(there) != 1:
        raise BadSettings(
            f"{chosen.single} is a SQLite file, and {len(there) or 'none'} of the project's is called {base}",
            host=ctx.target.host.name,
            next="name a new path for it with --into, or rename it to what the one to overwrite is called",
        )
    facts = {**there[0].place, "path": there[0].path}
    return replace(make(replace(artifact, name=there[0].path, facts=facts)), counts=None)
