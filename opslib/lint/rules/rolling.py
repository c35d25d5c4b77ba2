"""What keeps a second container from standing beside the first, and a proxy from knowing both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from opslib.compose.project import Service
from opslib.lint import known
from opslib.lint.model import Model, Place
from opslib.lint.rule import Found, Rule
from opslib.lint.rules._stack import kind, services, staying
from opslib.proxy.directives import Directive, parse

_PROXY = re.compile(r"(^|[/_-])(nginx|openresty|traefik|caddy|haproxy|envoy|swag|proxy)")
_OF_A_SWARM = {"update_config", "rollback_config", "placement", "endpoint_mode"}  # Compose reads over them
_DEEPEST = 50  # blocks in each other


def _fixed(service: Service) -> list[str]:
    """The published ports that a second container cannot have too."""
    found = []
    for port in service.ports:
        first, _, last = port.published.partition("-")
        room = int(last) - int(first) + 1 if first.isdigit() and last.isdigit() else 1
        if port.published and room < service.replicas:
            found.append(port.published)
    return found


def _replicas(model: Model) -> Iterator[Found]:
    for name, service, entry in services(model):
        shared = model.project.swarm or _OF_A_SWARM & (entry.get("deploy") or {}).keys()  # each node has the port once
        ports = _fixed(service) if service.replicas > 1 and not shared else []
        if ports:
            yield Found(
                f"{name} is to have {service.replicas} containers, and all of them port {ports[0]} of the machine: "
                "the second does not start (port is already allocated)",
                "take `ports:` away and let a proxy in the stack pass requests to them, or\n"
                f"ports:\n  - \"8001-80{service.replicas:02d}:{service.ports[0].target}\"",
                model.place("services", name, "ports"), name,
            )  # fmt: skip


def _rolls(model: Model, service: Service) -> bool:
    """Whether nothing but a name or a port keeps a second container from standing beside the first."""
    writes = any(mount.type in ("volume", "bind") and not mount.read_only for mount in service.mounts)
    proxy = _PROXY.search(known.named(service.image))
    return not writes and not proxy and not kind(model, service)


def _container_name(model: Model) -> Iterator[Found]:
    stay = staying(model)
    for name, service, _ in services(model):
        if service.container_name:
            cannot = "it cannot be replaced without a gap, " if name in stay and _rolls(model, service) else ""
            yield Found(
                f"the container of {name} is always called {service.container_name}: {cannot}nor can two copies of "
                "the stack "
                "be on one machine" if cannot else
                f"the container of {name} is always called {service.container_name}: two copies of the stack cannot "
                "be on one machine",
                f"take the line away; docker compose exec {name} needs no name",
                model.place("services", name, "container_name"), name,
            )  # fmt: skip


def _host_port(model: Model) -> Iterator[Found]:
    stay = staying(model)
    for name, service, _ in services(model):
        ports = [port for port in service.ports if port.published and "-" not in port.published]
        if ports and name in stay and service.replicas == 1 and service.build is not None and _rolls(model, service):
            yield Found(
                f"{name} has port {ports[0].published} of the machine to itself: its new version cannot stand beside "
                "the old one, so each deploy is a gap",
                "publish the port of a proxy in the stack instead, and name it in the host file\n"
                f"expose: [{ports[0].target}]",
                model.place("services", name, "ports"), name,
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Upstream:
    """An `upstream` of nginx that names the same server several times."""

    name: str
    server: str
    times: int


def upstreams(text: str) -> list[Upstream]:
    """Those in a configuration file."""
    found = []
    if max(accumulate({"{": 1, "}": -1}[brace] for brace in re.findall("[{}]", text)), default=0) > _DEEPEST:
        return []
    for block in _blocks(parse(f"# configuration file /x:\n{text}")):
        servers = [one.words[1] for one in block.inside if one.name == "server" and len(one.words) > 1]
        for server in dict.fromkeys(servers):
            if servers.count(server) > 1:
                found.append(Upstream(" ".join(block.words[1:2]), server, servers.count(server)))
    return found


def _blocks(directives: Iterable[Directive]) -> Iterator[Directive]:
    for one in directives:
        if one.name == "upstream":
            yield one
        else:
            yield from _blocks(one.inside)


def _upstreams(model: Model) -> Iterator[Found]:
    for file, text in model.facts.files.items():
        for one in upstreams(text) if "upstream" in text else ():
            lines = (number for number, line in enumerate(text.splitlines(), 1) if one.server in line)
            yield Found(
                f"upstream {one.name} names the server {one.server} {one.times} times: that is one server, nothing "
                "is shared out, and when it is gone there is no other",
                f"one line `server {one.server};`, and `deploy: {{proxy: {{kind: nginx}}}}` in the host file: inv "
                "deploy writes the instances that there really are",
                Place(file, next(lines, 0)),
            )  # fmt: skip


RULES = (
    Rule("replicas-host-port", "breaks", "several containers are to have one port of the machine", _replicas),
    Rule("identical-upstreams", "breaks", "an upstream of nginx names one server several times", _upstreams),
    Rule("container-name", "hardening", "a fixed name keeps a second container away", _container_name),
    Rule("host-port", "hardening", "a port of the machine keeps a second container away", _host_port),
)
