"""Whether a host has what opslib needs, and what else ails it: one look, one round trip, nothing changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from opslib.compose.script import read_all
from opslib.errors import Unhealthy
from opslib.findings import Cost, as_json, at_least, ranked
from opslib.host import judge, judge_docker, judge_network
from opslib.host.look import Machine, look_command, machine_from
from opslib.host.row import Row
from opslib.images.tools import tools_tag
from opslib.target.known_hosts import fingerprint
from opslib.target.ssh import Ssh

if TYPE_CHECKING:
    from opslib.run.step import Run
    from opslib.target.base import Target


def check(run: Run, fail_on: Cost) -> None:
    """Look at the host; what was looked at and what was found go into the run's result. Raises Unhealthy where
    something found costs as much as `fail_on`."""
    target, tools = run.target, run.target.host.tools_image or tools_tag()
    before = time.time()
    seen = machine_from(read_all(target, look_command(target.host, tools)))
    skew = max(0.0, before - seen.now, seen.now - time.time())
    rows = [_connection(target), *judged(seen, target, tools, skew)]
    findings = ranked(finding for row in rows for finding in row.findings)
    run.result["looked_at"] = [{"name": row.name, "text": row.text} for row in rows]
    run.result["machine"] = _as_json(seen)
    run.result["findings"] = as_json(findings)
    bad = at_least(findings, fail_on)
    if bad:
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise Unhealthy(bad[0].what + more, host=run.host, next=bad[0].fix or None)


def judged(seen: Machine, target: Target, tools: str, skew: float) -> Iterator[Row]:
    """Everything that one look tells."""
    yield from judge.machine(seen, target.host, skew)
    yield from judge_network.network(seen, target.settings.port if isinstance(target, Ssh) else 22)
    yield from judge_docker.docker(seen, target.host, tools)


def _connection(target: Target) -> Row:
    """How the machine was reached, and with which key of its own."""
    if not isinstance(target, Ssh):
        return Row("connection", "this machine")
    kind, blob = target.host_key
    hops = [f"{hop.user}@{hop.hostname} port {hop.port}" for hop in target.settings.proxy_jump]
    way = f" by way of {', '.join(hops)}" if hops else ""
    at = f"{target.settings.user}@{target.settings.hostname} port {target.settings.port}"
    return Row("connection", f"{at}{way}; its key {kind} {fingerprint(blob)} is known")


def _as_json(seen: Machine) -> dict[str, object]:
    """What programs may want to know of the machine."""
    return {
        "os": seen.os.get("ID", ""), "version": seen.os.get("VERSION_ID", ""), "name": seen.os.get("PRETTY_NAME", ""),
        "kernel": seen.kernel, "arch": seen.arch, "cpus": seen.cpus, "load": seen.load, "up": seen.up,
        "memory": seen.memory, "available": seen.available, "swap": seen.swap, "user": seen.user,
        "groups": list(seen.groups), "sudo": seen.sudo, "disks": [asdict(disk) for disk in seen.disks],
        "ports": [asdict(socket) for socket in seen.sockets], "updates": seen.updates, "security": seen.security,
        "reboot": bool(seen.reboot),
    }  # fmt: skip
