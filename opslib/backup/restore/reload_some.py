"""Single tables or collections of a database that is loaded over: everything else in it stays as it is."""

from __future__ import annotations

from typing import Any

from opslib.backup.database import Some
from opslib.backup.databases import DATABASES
from opslib.backup.restore.context import Context, unpacked
from opslib.backup.restore.part import differing
from opslib.backup.restore.reload import ReloadPart
from opslib.errors import BadSettings, OpsError


class ReloadSome(ReloadPart, frozen=True, kw_only=True, tag="reload-some"):
    """`before` counts all of the database: what is no part of `only` must be the same afterwards."""

    @property
    def scratch(self) -> str:
        """The database that they are proven in, where the kind needs one."""
        return f"opslib_new_{self.id}"

    def load(self, ctx: Context) -> None:
        ReloadPart.load(self, ctx)
        raw = unpacked(ctx, self.folder, self.artifact.file)
        at = ctx.instance(self.service)
        self._some.stage(ctx.target, at, raw, self.name, self.artifact, self.only, self.scratch)

    def unload(self, ctx: Context) -> None:
        self._some.discard(ctx.target, ctx.instance(self.service), self.scratch)

    def swap(self, ctx: Context) -> None:
        self.begin(ctx)
        at = ctx.instance(self.service, fresh=True)
        raw = unpacked(ctx, self.folder, self.artifact.file)
        self._some.put(ctx.target, at, raw, self.name, self.artifact, self.only)
        moving = set(self.artifact.facts.get("moving") or ())
        wanted = self._tables({**(self.before or {}), **(self.counts or {})}, moving)
        seen = self._tables(self._replace.count(ctx.target, at, self.name) or {}, moving)
        if seen != wanted:
            raise differing(self.what, wanted, seen, ctx.target.host.name)

    def clean(self, ctx: Context) -> None:
        self.unload(ctx)
        ReloadPart.clean(self, ctx)

    def _tables(self, counts: dict[str, Any], moving: set[str]) -> dict[str, Any]:
        """Without what is no table: triggers come and go with their tables."""
        mysql = self.artifact.kind == "mysql"
        return {one: rows for one, rows in counts.items() if one not in moving and (one.startswith("`") or not mysql)}

    @property
    def _some(self) -> Some:
        found = DATABASES[self.artifact.kind].some
        assert found is not None
        return found


def some(ctx: Context, part: ReloadPart, only: tuple[str, ...]) -> ReloadSome:
    """The same part for some of it. Raises OpsError where there is no database that they could go to, BadSettings for a
    kind that cannot do that."""
    able = DATABASES[part.artifact.kind].some
    if able is None:
        raise BadSettings(f"{part.title} can only be put back whole", host=ctx.target.host.name, left="everything")
    if part.before is None:
        raise OpsError(f"{part.title} is not there: it has no place for a part of it", host=ctx.target.host.name,
                       left="everything", next="restore it whole, without --only")  # fmt: skip
    counts = {name: number for name, number in (part.counts or {}).items() if name in only}
    share = part.needs * sum(counts.values()) // max(1, sum((part.counts or {}).values()))
    kept = {name: getattr(part, name) for name in part.__struct_fields__}
    notes = tuple(able.hanging(ctx.target, ctx.instance(part.service), part.name, only))
    return ReloadSome(**{**kept, "only": only, "counts": counts, "notes": notes, "globals": "", "needs": 2 * share})
