"""Traefik in the stack, by its file provider: it watches a folder, and takes what changes there without a reload.

A service of Traefik is written for each service of the stack, called like it; routers stay the user's and name it
(`api@file`). Its parts have a digest of all of it in their names, so that what Traefik's API shows tells whether it has
taken this very file.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from opslib.compose.project import Project
from opslib.compose.script import docker_script, read_all, sections
from opslib.compose.stack import Container, Stack
from opslib.errors import BadSettings, OpsError
from opslib.proxy import mount
from opslib.proxy.counting import Counting
from opslib.proxy.servers import Server

if TYPE_CHECKING:
    from opslib.settings.model import Proxy
    from opslib.target.base import Target

SUFFIX = ".yml"
API = 8080  # the port of its API, where the host file does not say
YOUNG = 20  # seconds after its start in which it may not have read everything yet
_HEAD = "# Written by opslib at each deploy; changes are lost.\n"


class Traefik:
    """Traefik as a service of the stack; as `ReverseProxy`."""

    def __init__(self, spec: Proxy) -> None:
        self.spec = spec

    def check(self, project: Project, host: str) -> None:
        """Raises BadSettings for a service that there is not, and for a folder that Traefik does not mount."""
        mount.known(project, self.spec, host)
        _inside(project, self.spec, host)

    def told(self, project: Project, stack: Stack, host: str) -> dict[str, Any] | None:
        """As `ReverseProxy`."""
        container = mount.running(stack, self.spec)
        if container is None:
            return None
        folder = mount.outside(container, _inside(project, self.spec, host))
        words = [self.spec.service, str(self.spec.api or API)]
        return {"kind": "traefik", "name": self.spec.service, "folder": folder, "words": words}

    def refuse_broken(self, target: Target, project: Project, stack: Stack) -> None:
        """As `ReverseProxy`; in one round trip, unless it was started just now and has not read everything yet."""
        container = mount.running(stack, self.spec)
        if container is None:
            return
        host, inside = target.host.name, _inside(project, self.spec, target.host.name)
        mount.refuse_other(container, self.spec, inside, host)
        words = [container.id, str(self.spec.api or API), mount.outside(container, inside), container.started_at]
        look = docker_script(target.host, f'{_text()}\nlook_at "$@"', *words, *self.spec.upstreams)
        while True:
            seen = sections(read_all(target, look))
            try:
                wrong(seen, self.spec, container, inside, host)
                return
            except OpsError:
                if int(seen["age"][0]) > YOUNG:
                    raise
            time.sleep(0.5)

    def refuse_new(self, target: Target, project: Project, stack: Stack, run_id: str) -> None:
        """As `ReverseProxy`: nothing, as Traefik has no test of a configuration. What it cannot start with is found by
        its health, and the deploy undone."""

    def addresses(self, stack: Stack, service: str, containers: Iterable[Container]) -> list[str]:
        """As `ReverseProxy`."""
        return mount.addresses(stack, self.spec, service, containers)

    def text(self, service: str, servers: Sequence[Server]) -> str:
        """As `ReverseProxy`."""
        return dynamic(service, servers)

    def between(self, project: Project, stack: Stack) -> Mapping[str, str]:
        """The services by their names, which Traefik looks up for each connection."""
        return {name: dynamic(name, [Server(f"{name}:{port}")]) for name, port in self.spec.upstreams.items()}

    def ready(self, target: Target, project: Project) -> None:
        """As `ReverseProxy`: its routers need the services."""
        folder = mount.wanted(project, self.spec, _inside(project, self.spec, target.host.name))
        texts = self.between(project, Stack(project.name))
        mount.write(target, folder, {f"opslib-{name}{SUFFIX}": text for name, text in texts.items()})

    def refresh(self, target: Target, project: Project, stack: Stack) -> None:
        """As `ReverseProxy`: nothing, as Traefik looks a name up for each connection."""

    def counting(self, target: Target, project: Project, stack: Stack) -> Counting:
        """As `ReverseProxy`: not at all."""
        return Counting()

    def is_ours(self, path: str) -> bool:
        """As `ReverseProxy`."""
        return mount.is_ours(path, self.spec, SUFFIX)


def script() -> str:
    """As `kinds.script`."""
    return _text()


def _text() -> str:
    return resources.files("opslib.proxy").joinpath("traefik.bash").read_text(encoding="utf-8")


def dynamic(service: str, servers: Sequence[Server]) -> str:
    """A service of Traefik that is called like the service: a share for each weight, among whose servers requests are
    passed in turn."""
    import yaml

    digest = hashlib.sha256(repr(servers).encode()).hexdigest()[:12]
    parts, shares = {}, []
    for weight in sorted({one.weight for one in servers}, reverse=True):
        name, urls = f"{service}-opslib-{digest}-{weight}", [one.address for one in servers if one.weight == weight]
        parts[name] = {"loadBalancer": {"servers": [{"url": f"http://{address}"} for address in urls]}}
        shares.append({"name": name, "weight": weight * len(urls)})
    services = {service: {"weighted": {"services": shares}}, **parts}
    return _HEAD + yaml.safe_dump({"http": {"services": services}}, sort_keys=False)


def wrong(seen: Mapping[str, Sequence[str]], spec: Proxy, container: Container, inside: str, host: str) -> None:
    """What `look_at` of traefik.bash saw. Raises OpsError where Traefik would not take a file from the folder `inside`
    its container, BadSettings where it does not watch it or nothing leads to a service."""
    name, port, everything = container.service, spec.api or API, "everything"
    overview, raw = _answer(seen.get("overview", [])), _answer(seen.get("raw", []))
    if overview is None or raw is None:
        raise BadSettings(
            f"the API of {name} does not answer on port {port}, and without it nobody knows what it has taken",
            host=host, left=everything,
            next=f"`--api.insecure=true` in the command of {name} (do not publish port {port}), or `deploy: proxy: "
            "api:` with the port on which a router leads to api@internal",
        )  # fmt: skip
    if "File" not in (overview.get("providers") or []):
        raise BadSettings(
            f"{name} reads no files, so it cannot be told where requests go", host=host, left=everything,
            next=f"`--providers.file.directory={inside}` in the command of {name}",
        )  # fmt: skip
    if said := seen.get("log"):
        raise OpsError(
            f"the configuration of {name} is broken, so it would take nothing:\n    " + "\n    ".join(said),
            host=host, left=f"{everything}: it goes on with what it has read before",
            next=f"mend what is in {inside}; docker logs {container.name} says more",
        )  # fmt: skip
    services = raw.get("services") or {}
    for file in seen.get("files", []):
        service, _, digest = file.partition(" ")
        if digest not in json.dumps(services.get(f"{service}@file")):
            raise OpsError(
                f"{name} has not taken {inside}/opslib-{service}{SUFFIX}", host=host, left=everything,
                next=f"`--providers.file.directory={inside}` in its command; docker logs {container.name} may say more",
            )  # fmt: skip
    for service in spec.upstreams:
        if not _used(service, raw):
            raise BadSettings(
                f"no router of {name} leads to {service}@file", host=host, left=everything,
                next=f"`service: {service}@file` in the router of {service}, or the label "
                f"traefik.http.routers.{service}.service={service}@file",
            )  # fmt: skip


def _used(service: str, raw: Mapping[str, Any]) -> bool:
    """Whether a router, or a service of the user's own, passes requests on to it. Within the file provider its name may
    stand without the provider's."""
    names = {True: {f"{service}@file", service}, False: {f"{service}@file"}}
    routers = raw.get("routers") or {}
    if any(one.get("service") in names[key.endswith("@file")] for key, one in routers.items()):
        return True
    return any(
        key != f"{service}@file" and names[key.endswith("@file")] & _words(one)
        for key, one in (raw.get("services") or {}).items()
    )


def _words(value: Any) -> set[str]:
    """All texts in it."""
    if isinstance(value, Mapping):
        return {word for one in value.values() for word in _words(one)}
    if isinstance(value, list):
        return {word for one in value for word in _words(one)}
    return {value} if isinstance(value, str) else set()


def _answer(lines: Sequence[str]) -> Mapping[str, Any] | None:
    """What the API answered."""
    for line in lines:
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                return None
            return found if isinstance(found, dict) else None
    return None


def _inside(project: Project, spec: Proxy, host: str) -> str:
    """The folder inside the container that it watches. Raises BadSettings where it does not mount it."""
    there = f"/etc/traefik/{posixpath.basename(posixpath.normpath(spec.folder))}"
    return mount.inside(project, spec, host, there, f"`--providers.file.directory={there}` in its command")
