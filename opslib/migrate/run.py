"""The project's own migration commands in a release's image, and the schema's revision before and after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.command import Command, bash
from opslib.compose.project import Project
from opslib.errors import CommandFailed, OpsError
from opslib.events import Output
from opslib.migrate.job import job_command
from opslib.migrate.tools import State, Words, commands
from opslib.run.step import Run
from opslib.target.docker import docker

if TYPE_CHECKING:
    from opslib.settings.model import Host, Migrate
    from opslib.target.base import Target

_KEPT = 20  # of a failed migration's lines
_STATUS = 120.0  # seconds for asking the revision


def migrate_command(host: Host, project: Project, spec: Migrate, name: str, words: Words) -> Command:
    """The migration in a container of its own beside the running stack, its errors among its output. Broken off, the
    container is ended first: it would outlive its client."""
    if project.swarm is not None:
        return job_command(host, project, spec.service, name, words, merged=True, limit=spec.timeout)
    argv = _run(host, project, spec.service, name, words).stages[0].argv
    gone = docker(host, "rm", "-f", name)
    return bash('exec "$@" 2>&1', *argv, limit=spec.timeout, on_break=gone)


def status_command(host: Host, project: Project, spec: Migrate, name: str) -> Command:
    """The command that prints where the schema is."""
    if project.swarm is not None:
        words = commands(spec).status or ()
        return job_command(host, project, spec.service, name, words, merged=False, limit=_STATUS)
    return _run(host, project, spec.service, name, commands(spec).status or ()).with_(
        limit=_STATUS, on_break=docker(host, "rm", "-f", name)
    )


def _run(host: Host, project: Project, service: str, name: str, words: Words) -> Command:
    flags = ["--ansi", "never", "run", "--rm", "--no-deps", "--no-TTY", "--name", name]
    return project.compose(host, *flags, "--", service, *words)


def check(project: Project, spec: Migrate, host: str) -> None:
    """Raises OpsError where the host file names a service that the project does not have."""
    if spec.service not in project.services:
        raise OpsError(
            f"`migrate:` names the service {spec.service}, and the compose files have {', '.join(project.services)}",
            host=host,
            left="everything",
            next="correct `migrate: {service: …}` in the host file",
        )


def state(target: Target, project: Project, spec: Migrate, run_id: str) -> State:
    """Where the schema is; nothing is known where there is no such command, or it does not say."""
    found = commands(spec)
    if found.status is None:
        return State()
    result = target.run(status_command(target.host, project, spec, _name(project, run_id, "status")), check=False)
    if not result.ended.ok and spec.tool != "prisma":  # which ends with 1 where something is pending
        return State()
    return found.read([project.masked(line) for line in result.lines])


def revision(target: Target, project: Project, spec: Migrate, run_id: str) -> str | None:
    """The schema's revision; None where it is not known."""
    return state(target, project, spec, run_id).revision


def migrate(run: Run, project: Project, spec: Migrate, before: str | None, words: Words | None = None) -> None:
    """Run the migration (`words`: another command in its place); its lines are told as they come.

    Raises OpsError with the last of them, and with what became of the schema, which was at `before`.
    """
    last: list[str] = []
    command = migrate_command(
        run.target.host, project, spec, _name(project, run.id, "migrate"), words or commands(spec).up
    )
    try:
        for line in run.target.lines(command):
            text = project.masked(line)
            run.target.tell(Output(run.host, text))
            last = [*last[1 - _KEPT :], text]
    except CommandFailed as error:
        shown = "".join(f"\n    | {line[:300]}" for line in last)
        late = error.what.startswith("not done after")
        how = f"was ended, as it took longer than {spec.timeout:g} s" if late else f"ended with {error.codes[-1]}"
        raise OpsError(
            f"the migration {how}; {_became(run, project, spec, before)}:{shown}",
            host=run.host,
            next=f"mend the migration; `inv migrate --host {run.host}` runs that of the release that is live",
        ) from None


def _became(run: Run, project: Project, spec: Migrate, before: str | None) -> str:
    """What a migration that failed has made of the schema, in words."""
    if commands(spec).status is None:
        return "whether it has changed the schema nobody can say, as there is no `migrate: {status: …}`"
    after = revision(run.target, project, spec, run.id)
    if after == before:
        return f"the schema is as it was, at {before or 'no revision'}, unless it failed in the middle of a step"
    return f"the schema was at {before or 'no revision'} and is now at {after or 'an unknown one'}"


def _name(project: Project, run_id: str, what: str) -> str:
    if project.swarm is not None:  # which puts the project's name before it
        return f"{what}-{run_id.lower()}"
    return f"{project.name}-{what}-{run_id.lower()}"
