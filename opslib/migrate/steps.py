"""`inv migrate` and its like: commands of the release that runs, under the project's lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from opslib.compose.project import Project
from opslib.compose.wanted import wanted
from opslib.errors import BadSettings
from opslib.migrate import run as migration
from opslib.migrate.job import with_job
from opslib.migrate.tools import Words, commands, going_down, suggestion
from opslib.run.step import AnyStep, Recovery, Run, Step
from opslib.settings.model import Migrate
from opslib.state import releases
from opslib.state.releases import Release
from opslib.target.base import Target
from opslib.target.transfer import read_file

Memo = dict[str, Any]
Kind = Literal["up", "down", "seed"]


@dataclass(frozen=True, slots=True)
class Options:
    """`kind` of command; `to` where `down` goes, `release` whose image runs it (None: the live one's). `backup` gives
    the steps of a backup, for `backup_first`; `confirm` asks a person. `root`: the project's folder here."""

    root: Path
    kind: Kind = "up"
    to: str | None = None
    release: str | None = None
    backup: Callable[[Run], list[AnyStep]] | None = None
    confirm: Callable[[str, Target], None] | None = None


def steps(run: Run, options: Options) -> list[AnyStep]:
    """The backup where the host file asks for one, and the command. Raises BadSettings where the host file has no such
    command or nothing was deployed, OpsError where it names a service that is not there."""
    target = run.target
    spec, live, release = _chosen(run, options)
    words = _words(run, spec, options)
    project = _project(target, release)
    migration.check(project, spec, run.host)
    if options.kind == "down" and options.confirm is not None and not run.plan:
        now = migration.revision(target, project, spec, run.id)
        question = (
            f"The schema of {run.host} is at {now or 'an unknown revision'}. Turn it back with {' '.join(words)}?"
        )
        options.confirm(question, target)

    def look(run: Run) -> Memo | None:
        before = None if run.plan else migration.revision(target, project, spec, run.id)
        return {"release": release.id, "before": before}

    def do(run: Run, memo: Memo) -> str:
        before = memo["before"]
        try:
            migration.migrate(run, project, spec, before, words)
        finally:
            after = None if target.lost or target.cancelled else migration.revision(target, project, spec, run.id)
            if options.kind != "seed" and (after is None or after != before):
                _record(target, live, before, after)
        run.result.update(release=release.id, before=before, after=after)
        return told(spec, before, after)

    first = options.backup(run) if options.backup is not None and target.host.deploy.backup_first else []
    name = STEPS[options.kind]
    return [*first, Step(name, look, do, switches=True, show=lambda memo: f"{' '.join(words)} in {spec.service}")]


def status(run: Run, options: Options) -> None:
    """Fill the run's result: `release`, `revision`, `pending` (a list, None where nobody can say) and `recorded`, the
    revision after the live release's own migration. Raises as `steps`."""
    spec, live, release = _chosen(run, options)
    if commands(spec).status is None:
        raise _lacks(run, "status")
    project = _project(run.target, release)
    migration.check(project, spec, run.host)
    found = migration.state(run.target, project, spec, run.id)
    run.result.update(release=release.id, revision=found.revision, recorded=live.revision,
                      pending=None if found.pending is None else list(found.pending))  # fmt: skip


def _chosen(run: Run, options: Options) -> tuple[Migrate, Release, Release]:
    spec = run.target.host.migrate
    if spec is None:
        seen = suggestion(options.root)
        raise BadSettings("the host file has no `migrate:`", host=run.host, next=seen or "see hosts/example.yml")
    known = releases.read(run.target)
    live = releases.current(known)
    if live is None:
        raise BadSettings("no release is there to run the migration of", host=run.host, next="inv deploy")
    return spec, live, releases.find(known, options.release, run.host) if options.release else live


def _words(run: Run, spec: Migrate, options: Options) -> Words:
    found = commands(spec)
    if options.kind == "up":
        return found.up
    if options.kind == "seed":
        if found.seed is None:
            raise _lacks(run, "seed")
        return found.seed
    if found.down is None:
        raise _lacks(run, "down")
    words = going_down(found, options.to)
    if words is None:
        raise BadSettings("migrate.down needs --to: where to go back to", host=run.host, left="everything",
                          next=f"inv migrate.status --host {run.host}")  # fmt: skip
    return words


def _lacks(run: Run, what: str) -> BadSettings:
    return BadSettings(
        f"the host file has no `migrate: {{{what}: …}}`", host=run.host, left="everything", next="see hosts/example.yml"
    )


def _project(target: Target, release: Release) -> Project:
    env = f"{releases.folder(target, release.id)}/env"
    has_env = read_file(target, env) is not None
    project = wanted(target, release.project, [releases.stack_file(target, release.id)], env if has_env else None)
    return with_job(target, project, release.id) if release.strategy == releases.SWARM else project


def _record(target: Target, live: Release, before: str | None, after: str | None) -> None:
    """The live release knows where the schema is, also when a person has moved it since."""
    first = live.migration["before"] if live.migration else before
    releases.write(target, msgspec.structs.replace(live, revision=after, migration={"before": first, "after": after}))


def told(spec: Migrate, before: str | None, after: str | None) -> str:
    """Where the schema was and is, in a few words."""
    if commands(spec).status is None:
        return ""
    return f"at {after or 'no revision'}" + ("" if before == after else f", before at {before or 'no revision'}")


STEPS: dict[Kind, str] = {"up": "migrate the live release", "down": "turn the schema back", "seed": "seed"}
RECOVERIES: dict[str, Recovery] = {name: Recovery() for name in STEPS.values()}
