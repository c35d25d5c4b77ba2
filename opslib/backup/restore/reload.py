"""A database that is loaded over the live one, for engines that cannot swap two of them by a rename.

The archive is read to its end first. What was live comes back from the safety copy; a mark on the machine tells whether
there is anything to bring back.
"""

from __future__ import annotations

from typing import Any

from opslib.backup import sets
from opslib.backup.database import Accounts, Replace
from opslib.backup.databases import DATABASES
from opslib.backup.manifest import Artifact
from opslib.backup.restore.context import SET, Context, read_artifact
from opslib.backup.restore.part import Part, differing
from opslib.backup.unpack import printing
from opslib.backup.verify import reading_of, wrong_inside
from opslib.command import bash
from opslib.errors import OpsError


class ReloadPart(Part, frozen=True, kw_only=True, tag="reload"):
    """`artifact` is what is loaded over what is live under `name`; `copy` the set that holds the safety copy ("" where
    none is made). `globals` is the artifact with the accounts ("" for none), `new_accounts` those that are made before
    it is loaded, `grants` those that get their rights after it."""

    service: str
    name: str
    artifact: Artifact
    copy: str = ""
    globals: str = ""
    new_accounts: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()

    def load(self, ctx: Context) -> None:
        at = ctx.instance(self.service)
        reading = reading_of(ctx.target, self.folder, self.artifact, ctx.tools, at, ctx.keys)
        wrong = wrong_inside(ctx.target, self.artifact, reading, counted=self.counts is not None)
        if wrong:
            raise OpsError(f"{self.title}: {wrong}", host=ctx.target.host.name,
                           next="inv backup.verify, and restore another set")  # fmt: skip

    def unload(self, ctx: Context) -> None:
        """Nothing was made beside the live data."""

    def begin(self, ctx: Context) -> None:
        """From now on the old data have to be brought back."""
        ctx.target.run(bash(': >"$1" && sync -- "$1"', self._mark(ctx)))

    def swap(self, ctx: Context) -> None:
        self.begin(ctx)
        if self.new_accounts:
            self._accounts.make(ctx.target, ctx.instance(self.service), self._globals(ctx), self.new_accounts)
        self._put(ctx, self.folder, self.artifact, self.counts)
        if self.grants:
            self._accounts.grant(ctx.target, ctx.instance(self.service), self._globals(ctx), self.grants)

    def back(self, ctx: Context) -> None:
        if ctx.target.run(bash('[ -e "$1" ] || echo no', self._mark(ctx))).text:
            return
        replace = self._replace
        if self.before is None:
            replace.drop(ctx.target, ctx.instance(self.service), self.name)
        else:
            folder, old = safety_copy(ctx, self.copy, self.artifact.kind, self.service, self.name, self.title)
            self._put(ctx, folder, old, old.counts)
        if self.new_accounts:
            self._accounts.drop(ctx.target, ctx.instance(self.service), self.new_accounts)
        self.clean(ctx)

    def holds(self, ctx: Context) -> dict[str, Any] | None:
        return self._replace.count(ctx.target, ctx.instance(self.service), self.name)

    def clean(self, ctx: Context) -> None:
        ctx.target.run(bash('rm -f -- "$1"', self._mark(ctx)))

    @property
    def _replace(self) -> Replace:
        found = DATABASES[self.artifact.kind].replace
        assert found is not None
        return found

    @property
    def _accounts(self) -> Accounts:
        found = DATABASES[self.artifact.kind].accounts
        assert found is not None
        return found

    def _globals(self, ctx: Context) -> bytes:
        return read_artifact(ctx, self.folder, self.globals)

    def _mark(self, ctx: Context) -> str:
        return f"{ctx.target.state}/reloading.{self.id}"

    def _put(self, ctx: Context, folder: str, artifact: Artifact, counts: dict[str, Any] | None) -> None:
        at = ctx.instance(self.service, fresh=True)
        raw = ctx.reading(folder, *printing(artifact, f"{SET}/{artifact.file}"))
        self._replace.load(ctx.target, at, raw, self.name, artifact.facts)
        seen = self._replace.count(ctx.target, at, self.name)
        only = artifact.facts.get("only")  # of a server with more databases than the artifact has
        if seen is not None and only is not None:
            seen = {one: number for one, number in seen.items() if one.partition(".")[0] in only}
        moving = set(artifact.facts.get("moving") or ())
        if counts is not None and (seen is None or _without(seen, moving) != _without(counts, moving)):
            raise differing(self.title, counts, seen or {}, ctx.target.host.name)


def safety_copy(ctx: Context, copy: str, kind: str, service: str, name: str, title: str) -> tuple[str, Artifact]:
    """The folder and the artifact of what was live, in the set `copy`. Raises OpsError where none was made."""
    if copy:
        found = sets.find(ctx.target, copy)
        for artifact in found.manifest.artifacts if found.manifest else ():
            if (artifact.kind, artifact.service, artifact.name) == (kind, service, name):
                return found.folder, artifact
    raise OpsError(
        f"{title} was being overwritten, and there is no safety copy of what it was",
        host=ctx.target.host.name,
        next="restore the same file again, or another set: inv backup.list shows them",
    )


def _without(counts: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: number for name, number in counts.items() if name not in names}
