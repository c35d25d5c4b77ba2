"""How each PostgreSQL database of a restore comes back: exchanged by a rename, or loaded in place where it must be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from opslib.backup.restore import postgres, space
from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.context import Context
from opslib.backup.restore.options import Options
from opslib.backup.restore.parts import AnyPart
from opslib.backup.restore.postgres import PostgresPart
from opslib.backup.restore.postgres_inplace import PostgresInPlace
from opslib.engines import postgres_inplace as place
from opslib.errors import OpsError


def settle(ctx: Context, parts: Sequence[AnyPart], chosen: Chosen, options: Options, copy: str) -> list[AnyPart]:
    """The same parts; a database that cannot be exchanged by a rename is loaded in place, with the reason among its
    notes.

    Raises OpsError where a server lacks an extension, or the user can do neither.
    """
    extensions = {one.file: dict(one.facts.get("extensions") or {}) for one in chosen.artifacts}
    rooms: dict[str, int] = {}
    found: list[AnyPart] = []
    for part in parts:
        if isinstance(part, PostgresPart):
            wanted = {} if chosen.single else extensions.get(part.file, {})
            part = _with_extensions(ctx, part, wanted) if wanted else part
            if options.into is None and part.old_oid is not None and part.connect:
                if part.service not in rooms:
                    rooms[part.service] = space.room(ctx, part)
                part = _settle(ctx, part, "" if options.no_safety_copy else copy, rooms[part.service], wanted)
                rooms[part.service] -= part.needs
        found.append(part)
    return found


def _settle(ctx: Context, part: PostgresPart, copy: str, room: int, wanted: Mapping[str, str]) -> PostgresPart:
    db = ctx.instance(part.service)
    seen = json.loads("".join(postgres.run_sql(ctx, db, part.live, place.LOOK)))
    atomic = part.needs <= room
    why = place.reason(seen, wanted, room=atomic)
    if not why:
        return part
    forbidden = place.forbids(seen)
    if forbidden:
        raise OpsError(
            f"{part.title} can be neither exchanged ({why}) nor emptied: {forbidden}", host=ctx.target.host.name,
            left="everything", next=f"name a superuser of service {part.service} under `backup: sources:`",
        )  # fmt: skip
    how = "in one transaction" if atomic else "emptied first, then filled"
    kept = {name: getattr(part, name) for name in part.__struct_fields__}
    kept["notes"] = (*part.notes, f"{part.title} is loaded in place, {how}: {why}")
    kept["needs"] = part.needs if atomic else max(0, part.needs - int(seen["size"]))
    return PostgresInPlace(**kept, copy=copy, atomic=atomic)


def _with_extensions(ctx: Context, part: PostgresPart, wanted: Mapping[str, str]) -> PostgresPart:
    db = ctx.instance(part.service)
    available = json.loads("".join(postgres.run_sql(ctx, db, "template1", place.AVAILABLE)))
    missing = place.lacking(wanted, available)
    if missing:
        raise OpsError(
            f"{part.title} needs what service {part.service} does not have: extension {', '.join(missing)}",
            host=ctx.target.host.name, left="everything",
            next=f"give service {part.service} an image that has it, and deploy",
        )  # fmt: skip
    return replace(part, notes=(*part.notes, *place.older(wanted, available)))
