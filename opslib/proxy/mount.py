"""A proxy that is a service of the stack: the folder of the project that it mounts, and its way to the others."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from opslib.compose.project import Project
from opslib.compose.stack import Container, Stack
from opslib.errors import BadSettings, OpsError
from opslib.proxy.site import files
from opslib.target.transfer import put_bytes

if TYPE_CHECKING:
    from opslib.settings.model import Proxy
    from opslib.target.base import Target


def known(project: Project, spec: Proxy, host: str) -> None:
    """Raises BadSettings for a service that there is not."""
    for name in (spec.service, *spec.upstreams):
        if name and name not in project.services:
            raise BadSettings(
                f"`deploy: proxy:` names {name}, and the compose files have no such service", host=host,
                left="everything", next=f"its services are {', '.join(sorted(project.services))}",
            )  # fmt: skip


def running(stack: Stack, spec: Proxy) -> Container | None:
    """The proxy's container, if it runs."""
    return next((one for one in stack.service(spec.service) if one.state == "running"), None)


def inside(project: Project, spec: Proxy, host: str, there: str, reads: str) -> str:
    """The folder inside the container. Raises BadSettings where the proxy does not mount it: then it is to be `there`,
    and `reads` says how it is read."""
    folder = posixpath.normpath(f"{project.root}/{spec.folder}")
    for mount in project.services[spec.service].mounts:
        source = moved(project, mount.source, project.root) if mount.source else ""
        if mount.type == "bind" and _holds(folder, source):
            return posixpath.normpath(mount.target + folder[len(source) :])
    raise BadSettings(
        f"service {spec.service} does not mount {spec.folder}", host=host, left="everything",
        next=f'volumes: ["./{posixpath.normpath(spec.folder)}:{there}:ro"] in the compose file, and {reads}',
    )  # fmt: skip


def moved(project: Project, source: str, root: str) -> str:
    """A folder that a service mounts, as it is called where the project's folder is `root`: the project may have been
    read elsewhere, and of a rollback in place parts are in the folder of its release."""
    copies = re.compile(rf"{re.escape(project.root)}/\.opslib/releases/[^/]+/compose(?=/)")
    plain = copies.sub(project.root, posixpath.normpath(source))
    return f"{root}{plain[len(project.root) :]}" if plain.startswith(f"{project.root}/") else plain


def outside(container: Container, inside: str) -> str:
    """Where on the machine the container has that folder from; "" where it has it not."""
    for mount in container.mounts:
        if mount.source and _holds(inside, mount.destination):
            return mount.source + inside[len(mount.destination) :]
    return ""


def refuse_other(container: Container, spec: Proxy, inside: str, host: str) -> None:
    """Raises OpsError where the container was made without the folder."""
    if not outside(container, inside):
        raise OpsError(
            f"{container.name} runs without {spec.folder} at {inside}, so it cannot be told anything", host=host,
            left="everything", next=f"docker compose up -d --no-deps {container.service} there, and then deploy",
        )  # fmt: skip


def wanted(project: Project, spec: Proxy, inside: str) -> str:
    """The same, as the project has it before there is a container."""
    mounts = [(one.source, posixpath.normpath(one.target)) for one in project.services[spec.service].mounts]
    source, target = next(one for one in mounts if _holds(inside, one[1]))
    return source + inside[len(target) :]


def addresses(stack: Stack, spec: Proxy, service: str, containers: Iterable[Container]) -> list[str]:
    """Where the proxy reaches the service's containers. Raises OpsError for one in none of its networks, and where it
    does not run."""
    proxy, port, found = running(stack, spec), spec.upstreams[service], []
    if proxy is None:
        raise OpsError(f"{spec.service} does not run any more, so it cannot be told where {service} is",
                       left="the containers that it knows", next=f"inv logs --service {spec.service}")  # fmt: skip
    for one in containers:
        shared = [address for name, address in one.networks.items() if address and name in proxy.networks]
        if not shared:
            raise OpsError(
                f"{proxy.service} shares no network with {one.name}, so it cannot pass requests to it",
                left=f"the containers that {proxy.service} knows, which go on",
                next=f"give {proxy.service} and {one.service} a network in common; a deploy that moves services to "
                "another network is one with --strategy recreate",
            )  # fmt: skip
        found.append(f"[{shared[0]}]:{port}" if ":" in shared[0] else f"{shared[0]}:{port}")
    return found


def write(target: Target, folder: str, texts: Mapping[str, str]) -> None:
    """Have the files there, by their names; those that are empty are not."""
    for name, text in texts.items():
        if text:
            put_bytes(target, text.encode(), f"{folder}/{name}", mode=0o644)


def is_ours(path: str, spec: Proxy, suffix: str) -> bool:
    """Whether a path below the project's folder is a file that the proxy is told by."""
    return is_one_of(path, spec, {f"opslib-{name}{suffix}" for name in spec.upstreams})


def is_site(path: str, spec: Proxy) -> bool:
    """Whether a path below the project's folder is one of the files of a site."""
    return is_one_of(path, spec, {name for site in spec.sites for name in files(site)})


def is_one_of(path: str, spec: Proxy, names: Collection[str]) -> bool:
    """Whether a path below the project's folder is a file of the proxy's folder with one of these names."""
    return posixpath.dirname(path) == posixpath.normpath(spec.folder) and posixpath.basename(path) in names


def _holds(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
