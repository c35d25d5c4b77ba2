"""`inv migrate`: the migration of the release that runs, under the project's lock."""

from __future__ import annotations

from typing import Any

from opslib.compose.wanted import wanted
from opslib.errors import BadSettings
from opslib.migrate import run as migration
from opslib.run.step import AnyStep, Recovery, Run, Step
from opslib.settings.model import Migrate
from opslib.state import releases
from opslib.target.transfer import read_file

Memo = dict[str, Any]


def steps(run: Run) -> list[AnyStep]:
    """One step. Raises BadSettings where the host file has no `migrate:` or nothing was deployed."""
    target, spec = run.target, run.target.host.migrate
    if spec is None:
        raise BadSettings("the host file has no `migrate:`", host=run.host, next="see hosts/example.yml")
    last = releases.current(releases.read(target))
    if last is None:
        raise BadSettings("no release is there to run the migration of", host=run.host, next="inv deploy")
    env = f"{releases.folder(target, last.id)}/env"
    has_env = read_file(target, env) is not None
    project = wanted(target, last.project, [releases.stack_file(target, last.id)], env if has_env else None)
    migration.check(project, spec, run.host)

    def look(run: Run) -> Memo | None:
        if run.plan:
            return {"release": last.id, "before": None}
        return {"release": last.id, "before": migration.revision(target, project, spec, run.id)}

    def do(run: Run, memo: Memo) -> str:
        migration.migrate(run, project, spec)
        after = migration.revision(target, project, spec, run.id)
        run.result.update(release=last.id, before=memo["before"], after=after)
        return told(spec, memo["before"], after)

    return [Step("migrate the live release", look, do, show=lambda memo: f"{' '.join(spec.up)} in {spec.service}")]


def told(spec: Migrate, before: str | None, after: str | None) -> str:
    """Where the schema was and is, in a few words."""
    if spec.status is None:
        return ""
    return f"at {after or 'no revision'}" + ("" if before == after else f", before at {before or 'no revision'}")


RECOVERIES: dict[str, Recovery] = {"migrate the live release": Recovery()}
