"""What runs of the project: one entry a container, for `inv ps`."""

from __future__ import annotations

import time
from typing import Any

from opslib.compose.recognise import recognise_project
from opslib.compose.stack import Container, Stack, look
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
    container is there too, in the state "absent"."""
    name, last = project_name(run.target)
    stack = look(run.target, name)
    run.result.update(project=name, release=last.id if last else None, services=rows(stack, last, time.time()))


def rows(stack: Stack, last: Release | None, now: float) -> list[dict[str, Any]]:
    """The entries, by service and number."""
    found = [_row(one, last, now) for one in sorted(stack.containers, key=lambda c: (c.service, c.number)) if
             not one.one_off]  # fmt: skip
    present = {row["service"] for row in found}
    for service, pin in (last.images if last else {}).items():
        if service not in present:
            found.append({"service": service, "container": None, "state": "absent", "health": "", "image": pin.name,
                          "release": None, "ports": [], "uptime": None})  # fmt: skip
    return sorted(found, key=lambda row: str(row["service"]))


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
