"""From one release's containers to another's, and back: the only part of a deploy that serves nothing for a while."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from opslib.command import Command
from opslib.compose.checks import Check, check_of
from opslib.compose.health import wait_healthy
from opslib.compose.project import Project
from opslib.compose.script import docker_script
from opslib.compose.services import remove_created_command, up, up_command
from opslib.compose.stack import Container, look
from opslib.compose.wanted import wanted
from opslib.deploy import changes, keep, place
from opslib.errors import OpsError
from opslib.proxy import kinds, site_steps
from opslib.proxy.place import of_project
from opslib.run import watchdog
from opslib.run.step import Run
from opslib.settings.model import Deploy, Host
from opslib.state import releases
from opslib.state.releases import Release
from opslib.target.base import Target
from opslib.target.transfer import read_file

Memo = dict[str, Any]

_REMOVE = """docker stop $1 >/dev/null && docker rm $1 >/dev/null"""
# A first deploy that failed: containers and networks go, volumes stay.
_CLEAR = """l="label=com.docker.compose.project=$1"
ids=$(docker ps -aq --no-trunc --filter "$l") || exit; [ -z "$ids" ] || docker rm -f $ids >/dev/null || exit
ids=$(docker network ls -q --filter "$l") || exit; [ -z "$ids" ] || docker network rm $ids >/dev/null"""


def memo(project: str, release: str, previous: str | None, stage: str | None, stack: str | None) -> Memo:
    """What the way back needs: the project, both releases (None: there was nothing), the run's staging folder (None:
    no file was written), and the stack to go back to."""
    return {"project": project, "release": release, "previous": previous, "stage": stage, "stack": stack}


def released(target: Target, project: str, release: str, stack: str | None = None) -> Project:
    """A release's project as its pinned stack has it."""
    env = f"{releases.folder(target, release)}/env"
    has_env = read_file(target, env) is not None
    return wanted(target, project, [stack or releases.stack_file(target, release)], env if has_env else None)


def arm(run: Run, before: Memo, tools: str | None) -> None:
    """Have the server itself put the previous release back if this machine or the line is gone; nothing to arm where
    there is none."""
    if before["previous"] is None:
        return
    project = released(run.target, before["project"], before["previous"], before["stack"])
    touched = sorted({*before.get("services", ()), *before.get("remove", ())} & project.services.keys())
    watchdog.arm(run, back_script(run.target.host, run.target.root, project, before["stage"], touched), tools)


def back_script(host: Host, root: str, project: Project, stage: str | None, touched: Sequence[str] = ()) -> str:
    """The watchdog's script: the files back, what was only created away, the old containers up (of the services that
    were `touched`, where these are known); once more if that fails, as a killed `up` leaves names behind."""
    created = remove_created_command(host, project.name).masked()
    command = up_command(host, project, touched, dependencies=not touched, orphans=True)
    again = f"{{ {created} && {command.masked()}; }}"
    lines = ["set -u"]
    if stage is not None:
        lines.append(f"{place.back_command(root, stage).masked()} || exit")
    return "\n".join([*lines, f"{again} || {{ sleep 2; {again}; }}", ""])


def forward(
    run: Run,
    project: Project,
    services: Sequence[str],
    orphans: Sequence[Container],
    *,
    before: Memo,
    tools: str | None,
) -> None:
    """Recreate the services and remove those that are no longer wanted. Raises OpsError."""
    proxy = kinds.of(run.target.host.deploy.proxy)
    if proxy and proxy.spec.service in services:
        proxy.refuse_new(run.target, project, look(run.target, project.name), run.id)
    arm(run, before, tools)
    if orphans:
        remove(run.target, orphans)
    if services:
        ready_proxy(run.target, project)
        up(run.target, project, services, recreate=True, dependencies=False)


def ready_proxy(target: Target, project: Project) -> None:
    """Before the proxy starts: what it reads is there."""
    if proxy := kinds.of(target.host.deploy.proxy):
        proxy.check(project, target.host.name)
        proxy.ready(target, project)
        if proxy.spec.sites:
            site_steps.ready(target, of_project(target.host, target.root, project))


def back(run: Run, before: Memo) -> None:
    """Put the previous release back and prove it healthy; idempotent. Data and volumes are not touched.

    Raises OpsError when it does not become healthy: the watchdog stays armed and the run stays open.
    """
    target = run.target
    if before["stage"] is not None:
        place.back(target, before["stage"])
    if before["previous"] is None:
        target.run(docker_script(target.host, _CLEAR, before["project"], limit=300))
    else:
        project = previous(target, before)
        record = keep.read_one(target, before["previous"])
        _put_back(target, project, record, moved=before["stack"] is not None)
        healthy(target, project)
        if record is not None:
            _record(target, project, record)
        if proxy := kinds.of(target.host.deploy.proxy):
            proxy.refresh(target, project, look(target, project.name))
        run.note(f"release {before['previous']} is back and healthy")
    watchdog.disarm(target, run.id)


def _put_back(target: Target, project: Project, record: Release | None, *, moved: bool) -> None:
    """Have the release's containers up, and leave alone those that are. Compose alone would not: its digest of a
    service that was brought up without what it depends on is another one. `moved`: what they mount is elsewhere now."""
    if record is None or moved:
        up(target, project, orphans=True)
        return
    stack, one_shots = look(target, project.name), project.one_shots()
    if extra := changes.orphans(project, stack.containers):
        remove(target, extra)
    wrong = [
        name for name, service in project.services.items()
        if changes.drifted(stack.service(name), service.replicas, record.hashes.get(name), one_shot=name in one_shots)
    ]  # fmt: skip
    if wrong:
        up(target, project, wrong, dependencies=False)


def _record(target: Target, project: Project, record: Release) -> None:
    """What runs is the release again: the next run must not take it for somebody else's work."""
    stack = look(target, project.name)
    hashes = {name: one.config_hash for name in project.services for one in stack.service(name)}
    if hashes != record.hashes:
        releases.write(target, msgspec.structs.replace(record, hashes=hashes))


def previous(target: Target, before: Memo) -> Project:
    """The project of the release to go back to."""
    # Killed before `up` began, that stack was not written, and nothing needs it.
    stack = before["stack"] if before["stack"] and read_file(target, before["stack"]) else None
    return released(target, before["project"], before["previous"], stack)


def healthy(target: Target, project: Project, without: Collection[str] = (), settled: float = 0.0) -> None:
    """Wait until every service is healthy, its containers `without` apart, and has run for `settled` seconds. Raises
    OpsError as `wait_healthy`."""
    deploy = target.host.deploy
    wait_healthy(
        target, project, list(project.services), checks=checks(target.host, project.services), stable=deploy.stable,
        timeout=patience(deploy, project), without=without, settled=settled,
    )  # fmt: skip


def patience(deploy: Deploy, project: Project) -> float:
    """How long services may take: what the host file says, else the usual time, or what their own health checks give
    them (start_period, and interval times retries) where that is longer."""
    own = max((service.patience for service in project.services.values() if service.healthcheck), default=0.0)
    return max(deploy.timeout, own) if deploy.timeout == Deploy().timeout else deploy.timeout


def checks(host: Host, services: Mapping[str, object]) -> dict[str, Check]:
    """The checks of the host file, for the services that there are."""
    return {name: check_of(one) for name, one in host.deploy.health.items() if name in services}


def remove_command(host: Host, containers: Sequence[Container]) -> Command:
    """Stop and remove containers."""
    limit = max(one.stop_timeout for one in containers) * len(containers) + 60.0
    return docker_script(host, _REMOVE, " ".join(one.id for one in containers), limit=limit)


def remove(target: Target, containers: Sequence[Container]) -> None:
    """Stop and remove containers. Raises CommandFailed."""
    target.run(remove_command(target.host, containers))


def verified(target: Target, project: Project, without: Collection[str] = ()) -> dict[str, str]:
    """Compose's own digests of what runs now, by service; the containers `without` are another release's.

    Raises OpsError for a service that does not run what the release says.
    """
    stack = look(target, project.name)
    found: dict[str, str] = {}
    for name, service in project.services.items():
        for container in stack.service(name):
            if container.id in without:
                continue
            if container.image != service.image:
                raise OpsError(
                    f"service {name} runs {container.image}, and the release has {service.image}",
                    host=target.host.name,
                    next=f"inv logs --service {name} --host {target.host.name}",
                )
            found[name] = container.config_hash
    return found
