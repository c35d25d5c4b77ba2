"""Which services can have new containers beside the old ones, and why the others cannot."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opslib.compose.project import COMPLETED, Project
from opslib.compose.stack import Container, Stack
from opslib.deploy.render import Config
from opslib.run.step import Run
from opslib.settings.model import Deploy, Strategy

_KNOWN = "databases"  # a fact of the run: service -> whether a database runs in it


@dataclass(frozen=True, slots=True)
class Split:
    """`doubled`: service -> why it changes. `stopped`: service -> why its old containers go first, "" where nothing
    else was asked for. `left`: what only asks for doubled services, and is told where they are."""

    doubled: Mapping[str, list[str]]
    stopped: Mapping[str, str]
    left: tuple[str, ...] = ()

    def as_json(self, strategy: Strategy) -> dict[str, Any]:
        """For `--json`: what is done with each service."""
        services = {name: {"how": "beside", "why": ""} for name in self.doubled}
        services.update({name: {"how": "stop first", "why": why} for name, why in self.stopped.items()})
        services.update({name: {"how": "left", "why": "only what it asks for is new"} for name in self.left})
        return {"name": strategy, "services": services}


def split(
    run: Run, strategy: Strategy, project: Project, config: Config, stack: Stack, recreate: Mapping[str, list[str]]
) -> Split:
    """What becomes of each service that is to be recreated. One round trip for those that might be doubled, once."""
    if strategy == "recreate":
        return Split({}, dict.fromkeys(recreate, ""))
    spec = run.target.host.deploy
    why = {name: alone(name, project, config, stack, spec, recreate.get(name, ())) for name in project.services}
    found: dict[str, bool] = run.facts.setdefault(_KNOWN, {})
    asked = [name for name in recreate if why[name] is None and name not in found]
    if asked:
        from opslib.engines.find import look_inside

        seen = look_inside(run.target, dataclasses.replace(stack, containers=_running(stack, asked)))
        found.update(dict.fromkeys(asked, False))
        found.update({one.container.service: True for one in seen if one.instance or one.processes})
    why.update({name: "it is a database" for name in recreate if why[name] is None and found[name]})
    return divided(recreate, held(recreate, why, project, stack, spec), spec)


def held(
    recreate: Collection[str], why: Mapping[str, str | None], project: Project, stack: Stack, spec: Deploy
) -> dict[str, str | None]:
    """`why`, and for each service that is to be recreated what depends on it, cannot be doubled itself, and would go on
    asking at the address of a container that is gone. The proxy is told of those behind it."""
    found, running = dict(why), {one.service for one in stack.running}
    told = {(spec.proxy.service, name) for name in spec.proxy.upstreams} if spec.proxy else set()
    todo = [name for name in recreate if found[name] is None]
    while todo:
        name = todo.pop()
        holders = [
            other
            for other, service in project.services.items()
            if service.depends_on.get(name, COMPLETED) != COMPLETED and other in running and found[other] is not None
            and (other, name) not in told
        ]  # fmt: skip
        if holders:
            found[name] = f"{holders[0]}, which stops too or is told nothing, depends on it"
            todo = [one for one in recreate if found[one] is None]
    return found


def divided(recreate: Mapping[str, list[str]], why: Mapping[str, str | None], spec: Deploy) -> Split:
    """`why` says of each service why it cannot be doubled, or None."""
    doubled = {name: words for name, words in recreate.items() if why[name] is None}
    stopped = {name: reason for name in recreate if (reason := why[name]) is not None}
    proxy = spec.proxy.service if spec.proxy else ""
    asks = [word.removeprefix("depends on ") for word in recreate.get(proxy, [])]
    if asks and all(one in doubled for one in asks):
        return Split(doubled, {name: reason for name, reason in stopped.items() if name != proxy}, (proxy,))
    return Split(doubled, stopped)


def alone(
    name: str, project: Project, config: Config, stack: Stack, spec: Deploy, words: Collection[str]
) -> str | None:
    """Why containers of the service's old and new version cannot stand side by side; None where they can. `words` say
    what of it changes."""
    service, entry = project.services[name], config["services"][name]
    containers = stack.service(name)
    needed = service.replicas + sum(one.state == "running" for one in containers)
    ports = [port.published for port in service.ports if port.published and _room(port.published) < needed]
    writes = [mount for mount in service.mounts if mount.type in ("volume", "bind") and not mount.read_only]
    if name in spec.single:
        return "the host file says that there is only one"
    if not any(one.state == "running" for one in containers):
        return "it does not run"
    if service.replicas < 1 or name in project.one_shots():
        return "it is no service that stays"
    if "networks" in words:  # Compose may take the network away from the old ones
        return "its networks change"
    if ports:
        return f"it publishes port {ports[0]}"
    if service.container_name:
        return "its container has a fixed name"
    if writes:
        return f"it writes to {writes[0].source or writes[0].target}"
    if kept := _kept(containers):
        return f"it has data in {kept}"
    return _bound(name, entry, config)


def _room(published: str) -> int:
    """How many containers can have a port of it at once."""
    first, _, last = published.partition("-")
    return int(last) - int(first) + 1 if first.isdigit() and last.isdigit() else 1


def _kept(containers: Iterable[Container]) -> str:
    """Where a container has a volume that no compose file names."""
    found = [mount for one in containers for mount in one.mounts if mount.type == "volume" and not mount.read_only]
    return found[0].destination if found else ""


def _bound(name: str, entry: Mapping[str, Any], config: Config) -> str | None:
    for key in ("network_mode", "ipc", "pid"):
        used = str(entry.get(key) or "")
        if used == "host" or used.startswith(("service:", "container:")):
            return f"its {key} is {used}"
    if entry.get("volumes_from"):
        return "it uses the volumes of another service"
    if any((one or {}).get("ipv4_address") or (one or {}).get("ipv6_address")
           for one in (entry.get("networks") or {}).values()):  # fmt: skip
        return "its address is fixed"
    for other, using in config["services"].items():
        if any(str(using.get(key) or "") == f"service:{name}" for key in ("network_mode", "ipc", "pid")):
            return f"{other} shares its network or processes"
        if any(str(one).split(":")[0] == name for one in using.get("volumes_from") or []):
            return f"{other} uses its volumes"
    return None


def _running(stack: Stack, services: Collection[str]) -> tuple[Container, ...]:
    """One running container of each service."""
    found: dict[str, Container] = {}
    for name in services:
        for one in stack.service(name):
            if one.state == "running":
                found.setdefault(name, one)
    return tuple(found.values())
