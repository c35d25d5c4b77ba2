"""A PostgreSQL database that is loaded over the live one, where two of them cannot be exchanged by a rename."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opslib.backup.manifest import Artifact
from opslib.backup.restore import postgres
from opslib.backup.restore.context import Context
from opslib.backup.restore.part import differing
from opslib.backup.restore.postgres import PostgresPart
from opslib.backup.restore.reload import safety_copy
from opslib.engines import postgres_inplace as place
from opslib.engines import postgres_restore as pg
from opslib.engines.instance import Instance
from opslib.errors import CommandFailed, OpsError
from opslib.events import Note

if TYPE_CHECKING:
    pass


class PostgresInPlace(PostgresPart, frozen=True, kw_only=True, tag="postgres-in-place"):
    """`copy` is the set that holds the safety copy ("" where none is made); `atomic`: emptied and filled in one
    transaction."""

    copy: str = ""
    atomic: bool = True

    @property
    def mark(self) -> str:
        """The schema that tells that something was overwritten."""
        return f"opslib_{self.id}"

    def load(self, ctx: Context) -> None:
        """Read it to its end: nothing is made beside the live data."""
        program = place.reader(self.form)
        if program is not None:
            ctx.target.run(postgres.load_command(ctx, ctx.instance(self.service), self.folder, self.file, program))

    def unload(self, ctx: Context) -> None:
        """Nothing was made beside the live data."""

    def swap(self, ctx: Context) -> None:
        db = ctx.instance(self.service)
        if postgres.oids(ctx, db).get(self.live) != self.old_oid:
            raise OpsError(f"{self.title} is no longer what was looked at", host=ctx.target.host.name)
        self.make_roles(ctx, db, self.live)
        self._put(ctx, db, self.folder, self.file, self.form, self.counts, self.properties, self.settings)

    def back(self, ctx: Context) -> None:
        self.bring_back(ctx)
        self.drop_roles(ctx, ctx.instance(self.service), self.live)
        self.clean(ctx)

    def bring_back(self, ctx: Context) -> None:
        """Load the safety copy, where something was overwritten."""
        db = ctx.instance(self.service, fresh=True)
        if self._marked(ctx, db):
            folder, old = safety_copy(ctx, self.copy, "postgres", self.service, self.live, self.title)
            self._put(ctx, db, folder, old.file, "custom", old.counts, *_recorded(old))

    def clean(self, ctx: Context) -> None:
        postgres.run_sql(ctx, ctx.instance(self.service), self.live, place.unmark(self.mark))

    def _marked(self, ctx: Context, db: Instance) -> bool:
        return postgres.run_sql(ctx, db, self.live, place.is_marked(self.mark)) == ["t"]

    def _put(self, ctx: Context, db: Instance, folder: str, file: str, form: str, counts: dict[str, Any] | None,
             properties: Mapping[str, Any], settings: Sequence[Mapping[str, Any]]) -> None:  # fmt: skip
        program, end = place.loader(form, self.mark, atomic=self.atomic), place.END if form == "plain" else ""
        try:
            done = ctx.target.run(postgres.load_command(ctx, db, folder, file, program, database=self.live, end=end))
        except CommandFailed as error:
            said = error.stderr or error.what
        else:
            said = "" if self._marked(ctx, db) else f"the dump was not read to its end: {done.ended.stderr}"
        if said:
            raise OpsError(f"{self.title} could not be loaded: {said.strip()}", host=ctx.target.host.name)
        seen = postgres.count_tables(ctx, db, self.live)
        if counts is not None and not postgres.same(counts, seen):
            raise differing(self.title, counts, seen, ctx.target.host.name)
        postgres.run_sql(ctx, db, self.live, "analyze;")
        self._apply(ctx, db, properties, settings)

    def _apply(self, ctx: Context, db: Instance, properties: Mapping[str, Any],
               settings: Sequence[Mapping[str, Any]]) -> None:  # fmt: skip
        """Settings, rights and comment. Who is no superuser may set only some of them, which is no reason to leave the
        data out."""
        now = postgres.facts_now(ctx, db, self.live)
        roles, _ = postgres.names(ctx, db, self.live)
        script = place.reset_properties(self.live, now["properties"], now["settings"])
        if properties.get("owner") in roles:
            script += f"\nalter database {pg.ident(self.live)} owner to {pg.ident(properties['owner'])};"
        script += "\n" + pg.apply_properties(self.live, properties, settings, roles)
        try:
            postgres.run_sql(ctx, db, self.live, f"begin;\n{script}\ncommit;")
        except CommandFailed as error:
            if "permission denied" not in error.stderr and "must be" not in error.stderr:
                raise
            text = f"{self.title}: its settings and rights are as they were: {error.stderr.strip()}"
            ctx.target.tell(Note(ctx.target.host.name, text, warning=True))


def _recorded(artifact: Artifact) -> tuple[dict[str, Any], tuple[dict[str, Any], ...]]:
    return dict(artifact.facts.get("properties") or {}), tuple(artifact.facts.get("settings") or ())
