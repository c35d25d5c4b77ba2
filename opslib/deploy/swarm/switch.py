"""From one version of a stack to another, and back. The Swarm itself replaces the tasks, as `update_config` says."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import msgspec

from opslib.command import Command
from opslib.compose import swarm
from opslib.compose.health import wait_healthy
from opslib.compose.project import Project
from opslib.compose.script import docker_script
from opslib.compose.stack import STACK, look
from opslib.compose.swarm import Service, Swarm
from opslib.deploy import place, switch
from opslib.deploy.keep import read_one
from opslib.errors import CommandFailed, OpsError
from opslib.run import watchdog
from opslib.run.step import Run
from opslib.settings.model import Host
from opslib.state import releases
from opslib.target.base import Target
from opslib.target.docker import docker
from opslib.target.process import mask

Memo = dict[str, Any]

DEPLOY = 300.0  # seconds for the client, which only tells the Swarm
GONE = 120.0  # seconds for tasks and networks of a stack that was removed
_FIRST, _LAST = 0.3, 1.0  # seconds between two looks

# Newer clients would wait, and end with 0 where the Swarm has taken an update back.
_DEPLOY = """d=(); [[ $(docker stack deploy --help) != *--detach* ]] || d=(--detach=true)
docker stack deploy "${d[@]}" "$@\""""
# A folder that a service writes to is made by Compose; a Swarm refuses the task.
_FOLDERS = """for p; do [[ -e $p ]] || mkdir -p -- "$p" || exit; done"""
# $1 the stack, $2 seconds. A first deploy that failed: services and networks go, volumes stay.
_AWAY = """docker stack rm "$1" >/dev/null 2>&1; l="label=@STACK@=$1"
for ((i = 0; i < $2 * 2; i++)); do
  [[ $(docker ps -aq --filter "$l"; docker network ls -q --filter "$l"; docker service ls -q --filter "$l") ]] || exit 0
  sleep 0.5; ((i % 10 != 9)) || docker stack rm "$1" >/dev/null 2>&1
done
echo "tasks or networks of the stack are still there" >&2; exit 1""".replace("@STACK@", STACK)
# $1 the stack, then "NAME VERSION" of each service as it was. What somebody else had started goes back to the version
# that the Swarm has kept of it; one that has none any more is back already.
_UNDO = """s=$1; shift
docker service ls --filter "label=@STACK@=$s" --format '{{.Name}}' | while IFS= read -r name; do
  now="$name $(docker service inspect --format '{{.Version.Index}}' "$name")"; was=''
  for one; do [[ ${one% *} != "$name" ]] || was=$one; done
  if [[ -z $was ]]; then docker service rm "$name" >/dev/null
  elif [[ $was != "$now" ]]; then docker service rollback --detach "$name" >/dev/null 2>&1; fi
done; true""".replace("@STACK@", STACK)


def memo(run: Run, project: str, previous: str | None, stage: str | None, before: Swarm) -> Memo:
    """What the way back needs. `previous`: a release of this stack, None where there is none. What ran before is there
    by the services' whole names, with the version of each."""
    known = {f"{project}_{name}": one.version for name, one in before.services.items()}
    return {**switch.memo(project, run.id, previous, stage, None), "swarm": True, "versions": known}


def deploy_command(host: Host, project: str, file: str, *, prune: bool = False, feed: bytes | None = None) -> Command:
    """`docker stack deploy`, which asks no registry: the images are here. `file`: "-" for standard input. `prune`
    removes the services that it does not have."""
    flags = ["--compose-file", file, "--resolve-image", "never", *(["--prune"] if prune else [])]
    return docker_script(host, _DEPLOY, *flags, project, limit=DEPLOY).with_(feed=feed)


def arm(run: Run, before: Memo, tools: str | None) -> None:
    """Have the server itself deploy the previous release if this machine or the line is gone."""
    if before["previous"] is None:
        return
    target = run.target
    lines = ["set -u"]
    if before["stage"] is not None:
        lines.append(f"{place.back_command(target.root, before['stage']).masked()} || exit")
    back = deploy_command(target.host, before["project"], releases.swarm_file(target, before["previous"]), prune=True)
    watchdog.arm(run, "\n".join([*lines, back.masked(), ""]), tools)


def deploy(target: Target, project: str, file: str, *, prune: bool = False, feed: bytes | None = None) -> None:
    """Tell the Swarm. Raises OpsError with what it refuses."""
    try:
        target.run(deploy_command(target.host, project, file, prune=prune, feed=feed))
    except CommandFailed as error:
        said = "\n    ".join(error.stderr.strip().splitlines()[-3:]) or error.what
        raise OpsError(f"docker stack deploy failed:\n    {said}", host=target.host.name) from None


def folders(target: Target, project: Project) -> None:
    """Make the folders that services write to and that are not there."""
    paths = [one.source for each in project.services.values() for one in each.mounts
             if one.type == "bind" and not one.read_only]  # fmt: skip
    if paths:
        target.run(docker_script(target.host, _FOLDERS, *dict.fromkeys(paths)))


def remove(target: Target, project: str, services: Collection[str]) -> None:
    """Remove services that are no longer wanted."""
    if services:
        target.run(docker(target.host, "service", "rm", *(f"{project}_{name}" for name in sorted(services)), limit=60))


def back(run: Run, before: Memo) -> None:
    """Put the previous release back and prove it healthy; idempotent. Data and volumes are not touched. A stack that
    somebody else had started goes back to what the Swarm remembers of it.

    Raises OpsError when it does not become healthy: the watchdog stays armed and the run stays open.
    """
    target, project = run.target, before["project"]
    if before["stage"] is not None:
        place.back(target, before["stage"])
    seen = swarm.look(target, project)
    if before["previous"] is None and not before["versions"]:
        target.run(docker_script(target.host, _AWAY, project, str(round(GONE)), limit=GONE + 60))
    elif before["previous"] is None:
        words = [f"{name} {version}" for name, version in before["versions"].items()]
        target.run(docker_script(target.host, _UNDO, project, *words, limit=DEPLOY))
        names = [name.removeprefix(f"{project}_") for name in before["versions"]]
        wait(target, Project(project, {}), names, seen, back=True)
        run.note("the services are as they were before")
    else:
        released = switch.released(target, project, before["previous"])
        deploy(target, project, releases.swarm_file(target, before["previous"]), prune=True)
        healthy(target, released, seen, back=True)
        _same(target, released)
        record(target, before["previous"])
        run.note(f"release {before['previous']} is back and healthy")
    watchdog.disarm(target, run.id)


def _same(target: Target, released: Project) -> None:
    """Raises OpsError where the Swarm has gone on to another version by itself."""
    seen = swarm.look(target, released.name).services
    for name, service in released.services.items():
        if name not in seen or seen[name].image != service.image:
            raise OpsError(f"service {name} did not go back to {service.image}", host=target.host.name,
                           next=f"docker service ps {released.name}_{name} there")  # fmt: skip


def record(target: Target, release: str) -> None:
    """What runs is the release again, by the Swarm's own count too."""
    known = read_one(target, release)
    if known is not None:
        hashes = digests(swarm.look(target, known.project))
        releases.write(target, msgspec.structs.replace(known, hashes=hashes))


def digests(seen: Swarm) -> dict[str, str]:
    """What each service is made from, as a digest."""
    return {name: one.digest for name, one in seen.services.items()}


# -- waiting


def healthy(target: Target, project: Project, before: Swarm, *, back: bool = False) -> None:
    """Wait until the Swarm has all services at their new version, then ask what the host file asks of them. Raises
    OpsError as `wait`."""
    wait(target, project, list(project.services), before, back=back)
    checks = switch.checks(target.host, project.services)
    if not checks:
        return
    deploy, seen = target.host.deploy, swarm.look(target, project.name)
    wanted = {task.id for one in seen.services.values() for task in one.tasks if task.wanted == "running"}
    ending = [one.id for one in look(target, project.name).containers if one.task not in wanted]
    wait_healthy(
        target, project, sorted(checks), checks=checks, stable=deploy.stable,
        timeout=switch.patience(deploy, project), without=ending,
    )  # fmt: skip


def wait(target: Target, project: Project, services: Collection[str], before: Swarm, *, back: bool = False) -> None:
    """Wait until each service's update has come to its end and all of its tasks run, which of those with a health check
    means healthy; without one they have run for `deploy.stable` seconds. `before` was seen before the Swarm was told:
    an update that is there already says nothing. `back`: it goes back, which the Swarm may be doing itself meanwhile.

    Raises OpsError with the Swarm's own words and the last log lines: at once where an update has failed, else when
    nothing has come forward for as long as a service may take.
    """
    deploy = target.host.deploy
    began: dict[str, float] = {}
    last: tuple[object, ...] = ()
    moved, pause = time.monotonic(), _FIRST
    while True:
        seen, now = swarm.look(target, project.name), time.monotonic()
        found = {name: seen.services.get(name) for name in services}
        progress = tuple((one.good, one.update) if one else None for one in found.values())
        if progress != last:
            last, moved = progress, now
        waiting = []
        for name, one in found.items():
            if one is not None and _failed(one, before) and not back:
                raise failure(target, project, one, "the Swarm has given it up")
            if one is None or one.good < one.wanted or one.update in ("updating", "rollback_started"):
                began.pop(name, None)
                waiting.append(name)
            elif now - began.setdefault(name, now) < _settling(project, one, deploy.stable):
                waiting.append(name)
        if not waiting:
            return
        patience = switch.patience(deploy, project)
        patience += max((one.monitor for one in found.values() if one), default=0.0)
        if now - moved > patience:
            one = next((found[name] for name in waiting), None)
            if one is None:
                raise OpsError(f"the Swarm has no service {waiting[0]}", host=target.host.name)
            raise failure(target, project, one, f"{one.good} of {one.wanted} tasks run after {patience:.0f} s")
        time.sleep(pause)
        pause = min(_LAST, pause * 1.3)


def _failed(one: Service, before: Swarm) -> bool:
    was = before.services.get(one.name)
    return one.update in swarm.FAILED and (was is None or was.began != one.began or was.update != one.update)


def _settling(project: Project, one: Service, stable: float) -> float:
    """How long a service must be whole: an update was watched by the Swarm, and a health check says it."""
    service = project.services.get(one.name)
    return 0.0 if one.update == "completed" or one.job or (service and service.healthcheck) else stable


# $1 a service. The newest task that did not end well says why.
_WHY = """docker service ps --no-trunc --format '{{.ID}}|{{.Error}}' "$1" | while IFS='|' read -r task error; do
  [[ $error ]] || continue
  printf '%s\\n' "$error"; docker service logs --raw --tail 10 "$task" 2>&1 | tail -n 10; break
done"""


def failure(target: Target, project: Project, one: Service, why: str) -> OpsError:
    """The error for a service that does not come up: the task's own error, and the last lines of its log."""
    result = target.run(docker_script(target.host, _WHY, f"{project.name}_{one.name}", limit=30), check=False)
    said = mask(result.text, project.secrets()).splitlines()
    error = f": {said[0][:300]}" if said else ""
    about = f" ({one.message})" if one.message and one.update in swarm.FAILED else ""
    lines = "".join(f"\n    | {line[:300]}" for line in said[1:])
    return OpsError(
        f"service {one.name} is not healthy: {why}{about}{error}{lines}",
        host=target.host.name,
        next=f"inv logs --service {one.name} --host {target.host.name}",
    )
