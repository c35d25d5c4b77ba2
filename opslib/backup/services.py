"""Services that stand still while their data are copied or replaced, and in which order they come back: read from the
containers' labels, so that no compose file is needed."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from opslib.command import bash
from opslib.compose import services
from opslib.compose.health import wait_healthy
from opslib.compose.project import Project, Service
from opslib.compose.script import docker_script
from opslib.compose.stack import LABEL, Container, Stack
from opslib.run import watchdog

if TYPE_CHECKING:
    from opslib.run.step import Run
    from opslib.settings.model import Host
    from opslib.target.base import Target


# A container that starts programs all the time cannot always be frozen at the first try (cgroup v1).
_PAUSE = """for c in "$@"; do
  for i in 1 2 3 4 5 6 7 8 9; do docker pause "$c" >/dev/null 2>&1 && continue 2; sleep 0.2; done
  docker pause "$c" >/dev/null || exit
done"""
LIMIT = 120.0  # seconds that pausing, or going on, may take


def project_of(stack: Stack) -> Project:
    """The project as the labels of its containers tell it: services and what they wait for."""
    found: dict[str, Service] = {}
    for container in stack.containers:
        if container.service and not container.one_off:
            label = container.labels.get(f"{LABEL}depends_on", "")
            found[container.service] = Service(container.service, container.image, depends_on=_depends_on(label))
    counted = {name: len(stack.service(name)) for name in found}
    known = {
        name: Service(name, one.image, replicas=counted[name],
                      depends_on={on: how for on, how in one.depends_on.items() if on in found})
        for name, one in found.items()
    }  # fmt: skip
    return Project(stack.project, known)


def _depends_on(label: str) -> dict[str, str]:
    """`db:service_healthy:false,cache:service_started:false`"""
    pairs = (entry.split(":") for entry in label.split(",") if entry)
    return {parts[0]: parts[1] if len(parts) > 1 else "service_started" for parts in pairs}


def to_stop(stack: Stack, keep: Iterable[str]) -> list[Container]:
    """The running containers but those of the services to keep."""
    kept = set(keep)
    return [one for one in stack.running if one.service not in kept]


def stop(target: Target, stack: Stack, names: Sequence[str]) -> None:
    """Stop the named containers, those that need others first."""
    services.stop(target, project_of(stack), [one for one in stack.containers if one.name in names])


def hold(run: Run, stack: Stack, tools: str, stopping: Sequence[str], pausing: Sequence[str] = ()) -> float:
    """Have the named containers stand still: those to stop, dependents before what they need, then those to pause. A
    watchdog on the server, armed first, would let them go on if this machine or the line were gone. Returns when the
    first was told to, by the monotonic clock."""
    target = run.target
    services.refuse_tasks(run.host, stack.project, [one for one in stack.containers if one.name in stopping])
    watchdog.arm(run, start_script(target.host, stack, stopping, pausing), tools)
    began = time.monotonic()
    stop(target, stack, stopping)
    if pausing:
        target.run(docker_script(target.host, _PAUSE, *pausing, limit=LIMIT))
    return began


def release(target: Target, run_id: str, stack: Stack, stopped: Sequence[str], paused: Sequence[str] = ()) -> float:
    """Let them go on, and call the watchdog of the run that held them off. Idempotent. Returns when the last went on,
    by the monotonic clock. Raises OpsError as `start`."""
    if paused:
        target.run(bash(start_script(target.host, stack, (), paused), limit=LIMIT))
    start(target, stack, stopped)
    ended = time.monotonic()
    watchdog.disarm(target, run_id)
    return ended


def let_go(target: Target, run_id: str, stack: Stack, stopped: Sequence[str], paused: Sequence[str] = ()) -> None:
    """The same for a hold that was broken off wherever it was: the engine goes on with a stop when its client is gone,
    and a container that is started before that has ended would end all the same. Nothing is left to do where the
    watchdog has been here."""
    if not watchdog.fired(target, run_id):
        stop(target, stack, stopped)
        release(target, run_id, stack, stopped, paused)


def start(target: Target, stack: Stack, names: Sequence[str]) -> list[str]:
    """Start the named containers, as far as they are still there, after what they need; returns their services."""
    chosen = [one for one in stack.containers if one.name in names]
    services.start(target, project_of(stack), chosen)
    return sorted({one.service for one in chosen})


def start_anyway(target: Target, stack: Stack, stopped: Sequence[str], paused: Sequence[str] = ()) -> None:
    """Let them go on in their order, as the watchdog would: also those that need what does not become healthy. What
    does not start stays as it is."""
    target.run(bash(f"TRY=1\n{start_script(target.host, stack, stopped, paused)}", limit=LIMIT), check=False)


def healthy(target: Target, stack: Stack, names: Sequence[str]) -> None:
    """Wait until the named containers' services are healthy. Raises OpsError as `wait_healthy`."""
    project = project_of(stack)
    wanted = sorted({one.service for one in stack.containers if one.name in names and one.service in project.services})
    deploy = target.host.deploy
    wait_healthy(target, project, wanted, checks={}, stable=deploy.stable, timeout=deploy.timeout)


def start_script(host: Host, stack: Stack, stopped: Sequence[str], paused: Sequence[str] = ()) -> str:
    """Bash text that starts the named containers in their order, and lets the paused ones go on, whatever fails. As in
    `let_go`, a stop that may still be under way is waited for first, at the first try."""
    steps = services.in_order(project_of(stack), [one for one in stack.containers if one.name in stopped])
    names = [[one.name for one in step] for step in steps]
    lines = [f'[ "${{TRY:-0}}" -gt 0 ] || {shlex.join([*host.docker, "stop", *step])}' for step in names[::-1]]
    lines += [shlex.join([*host.docker, "start", *step]) for step in names]
    lines += [_go_on(host, name) for name in paused]
    return "e=0\n" + "".join(f"{line} || e=1\n" for line in lines) + "exit $e\n"


def _go_on(host: Host, name: str) -> str:
    """Bash text that unpauses a container; one that is not paused any more is well."""
    paused = shlex.join([*host.docker, "inspect", "--format", "{{.State.Paused}}", name])
    return f'{{ {shlex.join([*host.docker, "unpause", name])} || [ "$({paused})" = false ]; }}'
