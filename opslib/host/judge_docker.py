"""What a look says of Docker and of the stack: the engine, Compose, the project, its containers. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from opslib.compose.engine import engine_from
from opslib.compose.recognise import choose, gathered
from opslib.compose.script import sections
from opslib.errors import BadSettings, OpsError
from opslib.host.look import Machine
from opslib.host.row import Row
from opslib.settings.model import Host
from opslib.state import freeze
from opslib.state.releases import SWARM


def docker(seen: Machine, host: Host, tools: str) -> Iterator[Row]:
    """In the order in which it is shown. A host of no stack needs no engine."""
    try:
        engine = engine_from(seen.docker_text)
    except OpsError as error:
        row = Row("docker", error.what)
        yield row.wrong("breaks", error.what, error.next or "") if host.compose else row
    else:
        stores = {"containerd": "containerd's image store"}
        yield Row("docker", f"Docker {engine.version}, Compose {engine.compose_version}, {engine.arch}, "
                  f"{stores.get(engine.store, engine.store)}")  # fmt: skip
        if host.deploy.strategy == SWARM:
            yield _swarm(seen, host)
        yield Row("tools image", tools if seen.tools else f"{tools} comes with the first backup or deploy")
        if host.compose:
            yield _project(seen, host)
    yield from _frozen(seen, host)


def info_of(text: str) -> dict[str, Any]:
    """What `docker info` has said, empty where no engine did."""
    lines = sections(text).get("info", [])
    found: dict[str, Any] = next((json.loads(line) for line in lines if line.startswith("{")), {})
    return found


def _swarm(seen: Machine, host: Host) -> Row:
    info = info_of(seen.docker_text)
    swarm = info.get("Swarm") or {}
    if swarm.get("ControlAvailable"):
        return Row("swarm", f"it leads a Swarm of {swarm.get('Nodes', 1)} node(s)")
    do = "take `live-restore` out of its daemon.json; " if info.get("LiveRestoreEnabled") else ""
    what = f"it leads no Swarm ({swarm.get('LocalNodeState') or 'inactive'})"
    return Row("swarm", what).wrong("breaks", what, f"{do}inv host.swarm --host {host.name}")


def _project(seen: Machine, host: Host) -> Row:
    if not seen.root.there:
        return Row("project", "not deployed yet")
    try:
        name = host.project or choose(
            gathered(((one.state, one.project, one.folder, one.files) for one in seen.containers if one.project),
                     seen.real_folders),
            seen.root.path,
        )  # fmt: skip
    except BadSettings as error:
        return Row("project", error.what).wrong("breaks", error.what, error.next or "")
    mine = [one for one in seen.containers if one.project == name and not one.one_off]
    row = Row("project", f"{name}, {sum(one.state == 'running' for one in mine)} of {len(mine)} containers run")
    for one in mine:
        if one.trouble:
            row = row.wrong("breaks", f"{one.service}: {one.trouble}",
                            f"inv logs --host {host.name} --service {one.service}", service=one.service)  # fmt: skip
    return row


def _frozen(seen: Machine, host: Host) -> Iterator[Row]:
    if seen.frozen is None:
        return
    thaw = f"inv deploy --host {host.name} --unfreeze, when that is over"
    try:
        found = freeze.decode(seen.frozen.encode("utf-8", "surrogateescape"))
        what = f"frozen by {found.by} since {found.at}: {found.why}"
    except ValueError:  # msgspec's errors are of it
        what = "frozen, by whom cannot be read"
    yield Row("freeze", what).wrong("hardening", f"{what}; no deploy changes it", thaw)
