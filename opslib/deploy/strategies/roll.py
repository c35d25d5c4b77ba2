"""New containers beside the old ones: healthy, into the proxy, and only then the old ones drained and removed.

At each moment a whole set of containers of each service serves. So when the run is gone nothing has to be put back at
once: the watchdog only clears away what is too much, service by service, and what has been taken over stays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from importlib import resources
from typing import Any

from opslib.command import Command, bash
from opslib.compose.health import wait_healthy
from opslib.compose.project import Project
from opslib.compose.script import docker_script
from opslib.compose.services import start_order, up
from opslib.compose.stack import Container, Stack, look
from opslib.deploy import keep, place, switch
from opslib.proxy import kinds
from opslib.proxy.servers import Server
from opslib.run import watchdog
from opslib.run.step import Run
from opslib.settings.model import Host
from opslib.target.base import Target

Memo = dict[str, Any]

# $1 the folder, then pairs of a path in it and a text: each whole or not there, one after the other.
_WRITE = """set -eu; umask 027; d=$1; shift; mkdir -p -- "$d"
while (($#)); do
  mkdir -p -- "$d/$(dirname -- "$1")"; printf %s "$2" >"$d/$1.part"; mv -fT -- "$d/$1.part" "$d/$1"; shift 2
done; sync"""


def folder(target: Target) -> str:
    """Where a run notes which containers are old and which are new."""
    return f"{target.state}/rolling"


def memo(target: Target, project: Project, stack: Stack, services: Sequence[str], at_once: bool) -> Memo:
    """What a roll is about: the containers that there are of each service, and how the proxy is told (None where it
    does not run). `at_once`: all services at once."""
    proxy = kinds.of(target.host.deploy.proxy)
    return {
        "old": {name: [one.id for one in stack.service(name) if one.state == "running"] for name in services},
        "proxy": proxy.told(project, stack, target.host.name) if proxy else None,
        "at once": at_once,
    }


def settle_command(host: Host, state: str, what: str, project: str, roll: Mapping[str, Any], *services: str) -> Command:
    """What settle.bash takes as its first word, from `begin` to `close`; `settle`, `switch` and `back` drain."""
    text = resources.files("opslib.deploy.strategies").joinpath("settle.bash").read_text(encoding="utf-8")
    drain = host.deploy.drain if what in ("settle", "switch", "back") else 0
    told = roll["proxy"] or {"folder": "", "words": []}
    return docker_script(
        host, f"{kinds.script(roll['proxy'])}\n{text}", what, state, project, told["folder"], str(round(drain * 10)),
        str(len(told["words"])), *told["words"], *services, limit=900 + 4 * drain,
    )  # fmt: skip


def arm(run: Run, project: str, roll: Mapping[str, Any], tools: str | None) -> bool:
    """Have the server itself clear up when this machine or the line is gone. Returns whether a container watches."""
    return watchdog.arm(run, script(run.target, project, roll, _way_back(roll)), tools)


def _way_back(roll: Mapping[str, Any]) -> str:
    """Where all of them change at once, none of them has: what counted before does again."""
    return "back" if roll["at once"] else "settle"


def script(target: Target, project: str, roll: Mapping[str, Any], what: str) -> str:
    """What the server does by itself: `what`, and then `close`."""
    first, then = (settle_command(target.host, folder(target), one, project, roll).masked() for one in (what, "close"))
    return f"{first} && {then}\n"


def begin(run: Run, project: Project, roll: Mapping[str, Any]) -> None:
    """Before anything new starts: note what there is, and pin the proxy to it."""
    target = run.target
    target.run(bash('rm -rf -- "$1"', folder(target)))
    note(target, _before(target, project, look(target, project.name), roll))
    settle(target, "begin", project.name, roll, *roll["old"])


def forward(run: Run, project: Project, roll: Mapping[str, Any], *, keep: bool = False) -> None:
    """When it has begun: have containers of this project in place of the old ones, one service after the other, or all
    at once. `keep`: the old ones behind the proxy stay for now. Raises OpsError with the old ones of the service in
    question still serving."""
    target, old = run.target, roll["old"]
    order = in_order(project, old)
    for names in [order] if roll["at once"] else [[name] for name in order]:
        beside(run, project, names, old)
        found = look(target, project.name)
        for name in names:
            new = [one for one in found.service(name) if one.id not in old[name]]
            note(target, _after(target, project, found, roll, name, new))
        said = settle(target, "switch" if keep else "settle", project.name, roll, *names)
        if "late" in said.split():
            run.note(f"{', '.join(names)}: requests to the old version took longer than "
                     f"{target.host.deploy.drain:.0f} s (`drain:`) and were cut off", warning=True)  # fmt: skip
    if not keep:
        settle(target, "close", project.name, roll)


def in_order(project: Project, services: Collection[str]) -> list[str]:
    """The services, what others need first."""
    return [one for step in start_order(project) for one in step if one in services]


def beside(run: Run, project: Project, names: Sequence[str], old: Mapping[str, Sequence[str]]) -> None:
    """Have as many containers of the services as the project wants beside the old ones, and wait until they are
    healthy. Those that are there already are left alone."""
    target, deploy = run.target, run.target.host.deploy
    for name in names:
        new = project.services[name].replicas
        run.note(f"{name}: {new} new beside {len(old[name])} old")
        up(target, project, [name], dependencies=False, beside=len(old[name]) + new)
    wait_healthy(
        target, project, names, checks=switch.checks(target.host, dict.fromkeys(names)), stable=deploy.stable,
        timeout=switch.patience(deploy, project), settled=deploy.stable,
        without=frozenset(id for name in names for id in old[name]),
    )  # fmt: skip


def _before(target: Target, project: Project, stack: Stack, roll: Mapping[str, Any]) -> dict[str, str]:
    """The notes that a roll begins with."""
    proxy, notes = kinds.of(target.host.deploy.proxy), {}
    for name, ids in roll["old"].items():
        notes[f"{name}/old"] = " ".join(ids)
        notes.update(_pin(target, stack, roll, name, "old", [one for one in stack.service(name) if one.id in ids]))
    if proxy and roll["proxy"]:
        notes.update({f"{name}/between.conf": text for name, text in proxy.between(project, stack).items()})
    return notes


def _after(
    target: Target, project: Project, stack: Stack, roll: Mapping[str, Any], name: str, new: Sequence[Container]
) -> dict[str, str]:
    """What is noted when a service's new containers are healthy; `new` last, for it is what counts."""
    notes, proxy = _pin(target, stack, roll, name, "new", new), kinds.of(target.host.deploy.proxy)
    if notes and proxy:
        alone = dataclasses.replace(stack, containers=tuple(new))
        notes[f"{name}/between.conf"] = proxy.between(project, alone)[name]
    return {**notes, f"{name}/new": " ".join(one.id for one in new)}


def _pin(
    target: Target, stack: Stack, roll: Mapping[str, Any], name: str, which: str, containers: Sequence[Container]
) -> dict[str, str]:
    """What the proxy reads when these containers serve, as a note; none of a service that it is not told of."""
    proxy = kinds.of(target.host.deploy.proxy)
    if proxy is None or not roll["proxy"] or name not in proxy.spec.upstreams:
        return {}
    servers = [Server(one) for one in proxy.addresses(stack, name, containers)]
    return {f"{name}/{which}.conf": proxy.text(name, servers)}


def note(target: Target, notes: Mapping[str, str]) -> None:
    """Write into the run's folder, one after the other, each whole or not there."""
    target.run(bash(_WRITE, folder(target), *(word for pair in notes.items() for word in pair)))


def settle(target: Target, what: str, project: str, roll: Mapping[str, Any], *services: str) -> str:
    """Do it there; returns what it says (`late`)."""
    return target.run(settle_command(target.host, folder(target), what, project, roll, *services)).text


def back(run: Run, memo: Memo) -> None:
    """Undo a roll wherever it stands, and prove that the previous release runs; idempotent. Services that were taken
    over go back as they came: beside, healthy, into the proxy."""
    target, name = run.target, memo["project"]
    if memo["stage"] is not None:
        place.back(target, memo["stage"])
    for what in (_way_back(memo["roll"]), "close"):
        settle(target, what, name, memo["roll"])
    stack = look(target, name)
    if wrong := _taken_over(target, memo, stack):
        old = {one: [c.id for c in stack.service(one) if c.state == "running"] for one in wrong}
        previous, again = switch.previous(target, memo), {**memo["roll"], "old": old, "at once": False}
        begin(run, previous, again)
        forward(run, previous, again)
    switch.back(run, memo)


def _taken_over(target: Target, memo: Memo, stack: Stack) -> list[str]:
    """The services whose containers are not the previous release's."""
    record = keep.read_one(target, memo["previous"]) if memo["roll"]["old"] else None
    if record is None:
        return []
    return [
        service
        for service in memo["roll"]["old"]
        if any(one.config_hash != record.hashes.get(service) for one in stack.service(service))
    ]
