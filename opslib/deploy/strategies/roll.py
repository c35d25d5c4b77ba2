"""New containers beside the old ones: healthy, into the proxy, and only then the old ones drained and removed.

At each moment a whole set of containers of each service serves. So when the run is gone nothing has to be put back at
once: the watchdog only clears away what is too much, service by service, and what has been taken over stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from opslib.command import Command, bash
from opslib.compose.health import wait_healthy
from opslib.compose.project import Project
from opslib.compose.script import docker_script
from opslib.compose.services import start_order, up
from opslib.compose.stack import Container, Stack, look
from opslib.deploy import keep, place, switch
from opslib.proxy import nginx
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


def memo(target: Target, stack: Stack, services: Sequence[str], inside: str, at_once: bool) -> Memo:
    """What a roll is about: the containers that there are of each service, and where nginx takes its upstreams from
    ("" where it does not run). `inside` is that folder in its container. `at_once`: all services at once."""
    spec = target.host.deploy.proxy
    proxy = nginx.running(stack, spec) if spec else None
    return {
        "old": {name: [one.id for one in stack.service(name) if one.state == "running"] for name in services},
        "proxy": spec.service if spec and proxy else "",
        "pins": nginx.folder_of(proxy, inside) if proxy else "",
        "at once": at_once,
    }


def settle_command(host: Host, state: str, what: str, project: str, roll: Mapping[str, Any], *services: str) -> Command:
    """`begin`, `settle`, `switch`, `back`, `turn`, `end` or `close` of settle.bash; `turn` and `end` do not drain."""
    text = resources.files("opslib.deploy.strategies").joinpath("settle.bash").read_text(encoding="utf-8")
    drain = host.deploy.drain if what in ("settle", "switch", "back") else 0
    return docker_script(
        host, text, what, state, project, roll["proxy"], roll["pins"], str(round(drain * 10)), nginx.RELOAD, *services,
        limit=900 + 4 * drain,
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


def forward(run: Run, project: Project, roll: Mapping[str, Any], *, keep: bool = False) -> None:
    """Have containers of this project in place of the old ones, one service after the other, or all at once. `keep`:
    the old ones behind nginx stay for now. Raises OpsError with the old ones of the service in question still
    serving."""
    target, old = run.target, roll["old"]
    order = [one for step in start_order(project) for one in step if one in old]
    target.run(bash('rm -rf -- "$1"', folder(target)))
    note(target, _before(target, look(target, project.name), roll))
    settle(target, "begin", project.name, roll, *old)
    for names in [order] if roll["at once"] else [[name] for name in order]:
        _beside(run, project, names, old)
        found = look(target, project.name)
        for name in names:
            note(target, _after(target, found, name, [one for one in found.service(name) if one.id not in old[name]]))
        said = settle(target, "switch" if keep else "settle", project.name, roll, *names)
        if "late" in said.split():
            run.note(f"{', '.join(names)}: requests to the old version took longer than "
                     f"{target.host.deploy.drain:.0f} s (`drain:`) and were cut off", warning=True)  # fmt: skip
    if not keep:
        settle(target, "close", project.name, roll)


def _beside(run: Run, project: Project, names: Sequence[str], old: Mapping[str, Sequence[str]]) -> None:
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


def _before(target: Target, stack: Stack, roll: Mapping[str, Any]) -> dict[str, str]:
    """The notes that a roll begins with."""
    spec, notes = target.host.deploy.proxy, {}
    for name, ids in roll["old"].items():
        notes[f"{name}/old"] = " ".join(ids)
        if spec and roll["proxy"] and name in spec.upstreams:
            containers = [one for one in stack.service(name) if one.id in ids]
            notes[f"{name}/old.conf"] = _block(stack, target, name, containers)
    if spec and roll["proxy"]:
        notes.update({f"{name}/between.conf": text for name, text in nginx.texts(spec).items()})
    return notes


def _after(target: Target, stack: Stack, name: str, new: Sequence[Container]) -> dict[str, str]:
    """What is noted when a service's new containers are healthy; `new` last, for it is what counts."""
    spec = target.host.deploy.proxy
    behind = spec is not None and nginx.running(stack, spec) is not None and name in spec.upstreams
    conf = {f"{name}/new.conf": _block(stack, target, name, new)} if behind else {}
    return {**conf, f"{name}/new": " ".join(one.id for one in new)}


def _block(stack: Stack, target: Target, name: str, containers: Sequence[Container]) -> str:
    spec = target.host.deploy.proxy
    assert spec is not None
    proxy = nginx.running(stack, spec)
    assert proxy is not None
    return nginx.block(name, nginx.addresses(containers, spec.upstreams[name], proxy))


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
        forward(run, switch.previous(target, memo), {**memo["roll"], "old": old, "at once": False})
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
