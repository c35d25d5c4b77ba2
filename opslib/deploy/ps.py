"""What runs of the project: one entry a container, for `inv ps`."""

from __future__ import annotations

import time
from typing import Any

from opslib.compose import swarm
from opslib.compose.recognise import recognise_project
from opslib.compose.stack import Container, Stack, look
from opslib.compose.swarm import Swarm
from opslib.compose.verdict import unix
from opslib.run.step import Run
from opslib.state import releases
from opslib.state.releases import Release
from opslib.target.base import Target


def project_name(target: Target) -> tuple[str, Release | None]:
    """The project's name on the target, and the release that is live there."""
    known = releases.read(target)
    last = releases.current(known)
    if target.host.project:
        last = releases.current([one for one in known if one.project == target.host.project])
        return target.host.project, last
    return (last.project, last) if last else (recognise_project(target, target.host), None)


def ps(run: Run) -> None:
    """Fill the run's result: `project`, `release`, and `services`, a list with service, container, state, health,
    image, release, ports and uptime in seconds (None while it does not run). A service of the release without a
    container is there too, in the state "absent". Of a stack of a Swarm each task is one, with its `node`."""
    name, last = project_name(run.target)
    stack, now = look(run.target, name), time.time()
    if (last.strategy if last else run.target.host.deploy.strategy) == releases.SWARM:
        services = task_rows(swarm.look(run.target, name), stack, last, now)
    else:
        services = rows(stack, last, now)
    run.result.update(project=name, release=last.id if last else None, services=services)


def task_rows(seen: Swarm, stack: Stack, last: Release | None, now: float) -> list[dict[str, Any]]:
    """An entry for each task that the Swarm wants, and for the last try of one that does not come up."""
    known = {row["container"].rsplit(".", 1)[-1]: row for row in rows(stack, last, now) if row["container"]}
    found = []
    for name, one in seen.services.items():
        ports = sorted(f"0.0.0.0:{number}/{protocol}" for number, protocol in one.ports)
        tasks = [task for task in one.tasks if task.wanted in ("running", "ready")] or list(one.tasks[:1])
        for task in tasks:
            row = known.get(task.id) or {"service": name, "health": "", "image": one.image, "release": None,
                                         "ports": [], "uptime": None}  # fmt: skip
            state = f"{task.state}: {task.error}" if task.error else task.state
            found.append({**row, "container": task.name, "state": state, "ports": row["ports"] or ports,
                          "node": task.node})  # fmt: skip
    return sorted([*found, *_absent(found, last)], key=lambda row: str(row["service"]))


def rows(stack: Stack, last: Release | None, now: float) -> list[dict[str, Any]]:
    """The entries, by service and number."""
    found = [_row(one, last, now) for one in sorted(stack.containers, key=lambda c: (c.service, c.number)) if
             not one.one_off]  # fmt: skip
    return sorted([*found, *_absent(found, last)], key=lambda row: str(row["service"]))


def _absent(found: list[dict[str, Any]], last: Release | None) -> list[dict[str, Any]]:
    present = {row["service"] for row in found}
    return [
        {"service": service, "container": None, "state": "absent", "health": "", "image": pin.name,
         "release": None, "ports": [], "uptime": None}
        for service, pin in (last.images if last else {}).items() if service not in present
    ]  # fmt: skip


def _row(one: Container, last: Release | None, now: float) -> dict[str, Any]:
    pin = last.images.get(one.service) if last else None
    ours = pin is not None and pin.tag == one.image
    ports = sorted(
        {f"{port.host_ip or '0.0.0.0'}:{port.published}->{port.target}/{port.protocol}" for port in one.ports}
    )
    return {
        "service": one.service, "container": one.name, "state": _state(one), "health": one.health,
        "image": pin.name if pin is not None and ours else one.image,
        "release": last.id if last is not None and ours else None,
        "ports": ports, "uptime": max(0, round(now - unix(one.started_at))) if one.running else None,
    }  # fmt: skip


def _state(one: Container) -> str:
    return f"exited ({one.exit_code})" if one.state == "exited" else one.state
