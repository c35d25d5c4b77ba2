"""The migration command in a release's image, and the schema's revision before and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.command import Command, bash
from opslib.compose.project import Project
from opslib.errors import CommandFailed, OpsError
from opslib.events import Output
from opslib.run.step import Run
from opslib.target.docker import docker

if TYPE_CHECKING:
    from opslib.settings.model import Host, Migrate
    from opslib.target.base import Target

_KEPT = 20  # of a failed migration's lines
_STATUS = 120.0  # seconds for asking the revision


def migrate_command(host: Host, project: Project, spec: Migrate, name: str) -> Command:
    """The migration in a container of its own beside the running stack, its errors among its output. Broken off, the
    container is ended first: it would outlive its client."""
    words = _run(host, project, spec.service, name, spec.up).stages[0].argv
    gone = docker(host, "rm", "-f", name)
    return bash('exec "$@" 2>&1', *words, limit=spec.timeout, on_break=gone)


def status_command(host: Host, project: Project, spec: Migrate, name: str) -> Command:
    """The command that prints the schema's revision."""
    return _run(host, project, spec.service, name, spec.status or ()).with_(
        limit=_STATUS, on_break=docker(host, "rm", "-f", name)
    )


def _run(host: Host, project: Project, service: str, name: str, words: tuple[str, ...]) -> Command:
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


def revision(target: Target, project: Project, spec: Migrate, run_id: str) -> str | None:
    """The schema's revision: the last line that the host file's `status` prints; None where there is no such command
    or it does not say."""
    if spec.status is None:
        return None
    result = target.run(status_command(target.host, project, spec, _name(project, run_id, "status")), check=False)
    if not result.ended.ok:
        return None
    lines = [line.strip() for line in result.lines if line.strip()]
    return project.masked(lines[-1])[:200] if lines else None


def migrate(run: Run, project: Project, spec: Migrate) -> None:
    """Run the migration; its lines are told as they come. Raises OpsError with the last of them."""
    last: list[str] = []
    command = migrate_command(run.target.host, project, spec, _name(project, run.id, "migrate"))
    try:
        for line in run.target.lines(command):
            text = project.masked(line)
            run.target.tell(Output(run.host, text))
            last = [*last[1 - _KEPT :], text]
    except CommandFailed as error:
        shown = "".join(f"\n    | {line[:300]}" for line in last)
        raise OpsError(
            f"the migration ended with {' '.join(map(str, error.codes))}:{shown}",
            host=run.host,
            next=f"mend the migration; `inv migrate --host {run.host}` runs that of the release that is live",
        ) from None


def _name(project: Project, run_id: str, what: str) -> str:
    return f"{project.name}-{what}-{run_id.lower()}"
