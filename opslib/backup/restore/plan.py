"""From artifacts to parts: where each of them goes on this machine, and what is there now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from msgspec.structs import replace

from opslib.backup.databases import DATABASES
from opslib.backup.keys import SUFFIX
from opslib.backup.manifest import FILE, Artifact
from opslib.backup.redis_users import Accounts
from opslib.backup.restore import files, old, only, places, postgres, postgres_way, redis, sqlite
from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.context import Context, Place, read_artifact
from opslib.backup.restore.elsewhere import redirect
from opslib.backup.restore.files import TreePart
from opslib.backup.restore.options import Options
from opslib.backup.restore.parts import AnyPart, ColdPart
from opslib.backup.restore.postgres import PostgresPart
from opslib.backup.restore.redis import RedisPart
from opslib.backup.restore.reload import ReloadPart
from opslib.backup.restore.sqlite import SqlitePart
from opslib.errors import OpsError


def plan(
    ctx: Context, chosen: Chosen, options: Options, run_id: str, folder: str, cold: Mapping[str, Place] = {}
) -> list[AnyPart]:
    """The parts, in the order in which they are swapped. `folder` is where the artifacts are, or will be, there;
    `cold` the services whose engine does not start, and where it keeps its data.

    Looks at what is there now, and counts it. Raises OpsError where a part has no place to go to.
    """
    if not ctx.tools:
        _need_engine(ctx, chosen)
    short = "".join(char for char in run_id if char.isalnum())
    makers: dict[str, Callable[[Context, Chosen, Artifact, str, str], AnyPart]] = {
        "volume": _volume, "files": _files, "sqlite": _sqlite, "postgres": _postgres, "redis": _redis,
        **{one.kind: partial(_reload, options, run_id) for one in DATABASES.values() if one.replace is not None},
    }  # fmt: skip
    if options.into is not None:
        makers["volume"] = _volume_elsewhere
    if chosen.single:
        ident = f"o0-{short}"
        part = cast(AnyPart, old.part(ctx, chosen, options, ident, folder, lambda one: makers[one.kind](
            ctx, chosen, one, ident, folder)))  # fmt: skip
        (part,) = postgres_way.settle(ctx, [part], chosen, options, run_id)
        return [part if options.into is None else redirect(ctx, [part], options.into)]
    parts: list[AnyPart] = []
    for kind, make in makers.items():
        wanted = [a for a in chosen.artifacts if a.kind == kind and a.facts.get("part") != "globals"]
        for number, artifact in enumerate(wanted):
            ident = f"{kind[:2]}{number}-{short}"
            service = artifact.service or ""
            if service in cold and kind in DATABASES:
                cold_base = _base(chosen, artifact, ident, folder)
                parts.append(ColdPart(**cold_base, service=service, place=cold[service]))
                continue
            if kind in DATABASES:
                at = ctx.instance(places.service(ctx, artifact))
                places.refuse_newer(ctx, at, str(artifact.facts.get("server") or ""))
            parts.append(make(ctx, chosen, artifact, ident, folder))
    settle = only.settle if chosen.some else postgres_way.settle
    parts = settle(ctx, parts, chosen, options, run_id)
    if options.into is not None:
        return [redirect(ctx, parts, options.into)]
    trees = [part for part in parts if isinstance(part, TreePart)]
    return [sqlite.nested(part, trees) if isinstance(part, SqlitePart) else part for part in parts]


def _need_engine(ctx: Context, chosen: Chosen) -> None:
    """Without an engine only what was made without one can be restored. Raises OpsError."""
    own = (".gz", f".gz{SUFFIX}")
    other = [one for one in chosen.artifacts if one.kind not in ("sqlite", "files") or not one.file.endswith(own)]
    if chosen.single:
        raise OpsError(
            f"no {FILE} is with {chosen.single}, and what it is cannot be found out without a Docker engine",
            host=ctx.target.host.name,
            left="everything",
            next="set `compose:` in the host file",
        )
    if other:
        raise OpsError(
            f"{other[0].title} needs a Docker engine, and this project has no compose file",
            host=ctx.target.host.name,
            left="everything",
            next="set `compose:` in the host file, or take the set by hand: inv backup.show says how",
        )


def roles(ctx: Context, parts: list[AnyPart]) -> list[AnyPart]:
    """The same parts with the roles that their servers lack, each role with the first part that needs it. To be asked
    once the artifacts are there."""
    done: set[str] = set()
    found: list[AnyPart] = []
    for part in parts:
        if isinstance(part, PostgresPart) and part.globals and part.service not in done:
            done.add(part.service)
            missing = postgres.missing_roles(ctx, ctx.instance(part.service), part.folder, part.globals)
            part = replace(part, new_roles=missing)
        elif isinstance(part, RedisPart) and part.globals:
            text = read_artifact(ctx, part.folder, part.globals)
            missing = tuple(Accounts().missing(ctx.target, ctx.instance(part.service), text))
            part = replace(part, new_accounts=missing)
        found.append(part)
    return _accounts(ctx, found)


def _accounts(ctx: Context, parts: list[AnyPart]) -> list[AnyPart]:
    """The same for databases that are loaded over: accounts are made with the first of a server, and get their rights
    with the last, because these may name what is in any."""
    found = list(parts)
    servers: dict[str, list[int]] = {}
    for number, part in enumerate(parts):
        if isinstance(part, ReloadPart) and part.globals:
            servers.setdefault(part.service, []).append(number)
    for service, numbers in servers.items():
        part = found[numbers[0]]
        assert isinstance(part, ReloadPart)
        accounts = DATABASES[part.artifact.kind].accounts
        assert accounts is not None
        text = read_artifact(ctx, part.folder, part.globals)
        missing = tuple(accounts.missing(ctx.target, ctx.instance(service), text))
        found[numbers[0]] = replace(part, new_accounts=missing)
        found[numbers[-1]] = replace(found[numbers[-1]], grants=missing)
    return found


def _globals(chosen: Chosen, artifact: Artifact) -> str | None:
    """The file of the artifact with the accounts of the same server."""
    return next((a.file for a in chosen.artifacts if a.facts.get("part") == "globals"
                 and (a.kind, a.service) == (artifact.kind, artifact.service)), None)  # fmt: skip


def _base(chosen: Chosen, artifact: Artifact, ident: str, folder: str) -> dict[str, Any]:
    return {
        "title": artifact.title, "folder": folder, "file": artifact.file, "id": ident,
        "raw_bytes": artifact.raw_bytes, "counts": artifact.counts,
        "needs": max(artifact.raw_bytes, int(artifact.facts.get("size") or 0)),
    }  # fmt: skip


# -- postgres


def _postgres(ctx: Context, chosen: Chosen, artifact: Artifact, ident: str, folder: str) -> PostgresPart:
    service = places.service(ctx, artifact)
    database = str(artifact.facts.get("database") or artifact.name)
    present, before = postgres.database_now(ctx, ctx.instance(service), database)
    return PostgresPart(
        **_base(chosen, artifact, ident, folder), service=service, live=database, globals=_globals(chosen, artifact),
        properties=dict(artifact.facts.get("properties") or {}), settings=tuple(artifact.facts.get("settings") or ()),
        before=before, **present,
    )  # fmt: skip


# -- databases that are loaded over


def _reload(
    options: Options, run_id: str, ctx: Context, chosen: Chosen, artifact: Artifact, ident: str, folder: str
) -> ReloadPart:
    service = places.service(ctx, artifact)
    replacing = DATABASES[artifact.kind].replace
    assert replacing is not None
    db = ctx.instance(service)
    before = replacing.count(ctx.target, db, artifact.name)
    copy = "" if options.no_safety_copy else run_id
    return ReloadPart(
        **_base(chosen, artifact, ident, folder), service=service, name=artifact.name, artifact=artifact, copy=copy,
        before=before, globals=_globals(chosen, artifact) or "",
    )  # fmt: skip


# -- redis


def _redis(ctx: Context, chosen: Chosen, artifact: Artifact, ident: str, folder: str) -> RedisPart:
    base = _base(chosen, artifact, ident, folder)
    return redis.part(ctx, places.service(ctx, artifact), artifact, _globals(chosen, artifact) or "", base)


# -- volumes, files, sqlite


def _volume(ctx: Context, chosen: Chosen, artifact: Artifact, ident: str, folder: str) -> TreePart:
    name, create = places.volume_name(ctx, artifact)
    place = Place(kind="volume", source=name)
    return TreePart(
        **_base(chosen, artifact, ident, folder), place=place, **_left_out(artifact),
        create=create, driver=str(artifact.facts.get("driver") or "local"),
        before=None if create is not None else dict(files.count(ctx, place)),
    )  # fmt: skip


def _volume_elsewhere(ctx: Context, chosen: Chosen, artifact: Artifact, ident: str, folder: str) -> TreePart:
    """Wherever it came from need not be there, and may be in use."""
    place = Place(kind="volume", source=str(artifact.facts["volume"]))
    return TreePart(**_base(chosen, artifact, ident, folder), place=place, **_left_out(artifact))


def _left_out(artifact: Artifact) -> dict[str, Any]:
    return {name: tuple(artifact.facts.get(name) or ()) for name in ("without", "exclude")}


def _files(ctx: Context, chosen: Chosen, artifact: Artifact, ident: str, folder: str) -> TreePart:
    paths = tuple(str(path).strip("/") for path in artifact.facts.get("paths") or ())
    place = Place(kind="folder", source=places.folder(ctx, chosen, str(artifact.facts["base"])))
    left_out, patterns = _left_out(artifact), tuple(artifact.facts.get("globs") or ())
    paths = (*paths, *files.more(ctx, place, paths, patterns, left_out["exclude"]))
    before = dict(files.count(ctx, place, paths))
    return TreePart(
        **_base(chosen, artifact, ident, folder), place=place, paths=paths, globs=patterns, **left_out,
        before=before if any(before.values()) else None,
    )  # fmt: skip


def _sqlite(ctx: Context, chosen: Chosen, artifact: Artifact, ident: str, folder: str) -> SqlitePart:
    facts = artifact.facts
    if facts.get("place") == "volume":
        name, create = places.volume_name(ctx, artifact)
        in_set = any(a.kind == "volume" and a.facts.get("volume") == facts["volume"] for a in chosen.artifacts)
        if create is not None and not in_set:
            raise OpsError(
                f"volume {name} is not there", host=ctx.target.host.name, left="everything", next="inv deploy"
            )
        place = Place(kind="volume", source=name)
        before = sqlite.count_now(ctx, place, facts["path"]) if create is None else None
    else:
        recorded = str(facts.get("folder") or ctx.target.root)
        place = Place(kind="folder", source=places.folder(ctx, chosen, recorded))
        before = sqlite.count_now(ctx, place, facts["path"])
    return SqlitePart(
        **_base(chosen, artifact, ident, folder), place=place, path=str(facts["path"]),
        owner=str(facts.get("owner") or "0:0"), mode=str(facts.get("mode") or "640"), before=before,
    )  # fmt: skip
