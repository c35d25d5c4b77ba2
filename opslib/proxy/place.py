"""Where the sites of a host are: the folder on the machine, and the same things as its nginx sees them."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from opslib.command import Command
from opslib.compose.project import Project
from opslib.compose.script import docker_script
from opslib.errors import BadSettings
from opslib.proxy import kinds, mount
from opslib.proxy.site import Paths, certificate_of, files, text

if TYPE_CHECKING:
    from opslib.compose.stack import Stack
    from opslib.settings.model import Host, Proxy
    from opslib.settings.sites import Site

Pairs = tuple[tuple[str, str], ...]
"""Folders of the machine, and where the container has them."""


@dataclass(frozen=True, slots=True)
class Place:
    """`folder` has the files; `pairs` are what nginx's container mounts, None where it is no container. `root` is the
    project's folder there."""

    host: Host
    spec: Proxy
    project: str
    root: str
    folder: str
    pairs: Pairs | None

    def inside(self, path: str, read_by: str) -> str:
        """What nginx calls a path of the machine. Raises BadSettings where its container has it not."""
        if self.pairs is None:
            return path
        for source, target in sorted(self.pairs, key=lambda pair: -len(pair[0])):
            if path == source or path.startswith(f"{source.rstrip('/')}/"):
                return posixpath.normpath(target + path[len(source) :])
        shown = posixpath.relpath(path, self.root) if path.startswith(f"{self.root}/") else path
        shown = shown if shown.startswith("/") else f"./{shown}"
        raise BadSettings(
            f"service {self.spec.service} does not mount {shown}, {read_by}", host=self.host.name, left="everything",
            next=f'volumes: ["{shown}:{path}:ro"] in the compose file, and inv deploy --host {self.host.name}',
        )  # fmt: skip

    def paths(self, site: Site, live: bool) -> Paths:
        """The certificate that nginx is to show, the one of the ACME server where it is `live`."""
        spec = self.host.certbot
        _, certificate, key = files(site)
        folder = self.inside(spec.directory, "where its certificates are")
        own = self.inside(self.folder, "where its site is")
        webroot = self.inside(webroot_of(self.host, self.root), "where the ACME server's answers are")
        pair = (f"{folder}/live/{site.name}/fullchain.pem", f"{folder}/live/{site.name}/privkey.pem") if live else (
            f"{own}/{certificate}", f"{own}/{key}")  # fmt: skip
        return Paths(*pair, webroot, ipv6=self.pairs is None)

    def serves_live(self, site: Site, found: str | None) -> bool:
        """Whether a site that is there shows the ACME server's certificate."""
        return certificate_of(found) == self.paths(site, True).certificate

    def text(self, site: Site, live: bool) -> str:
        """The site as it is to be."""
        return text(site, self.paths(site, live), self.spec.upstreams, real=live)

    def script(self, body: str, limit: float = 60) -> Command:
        """A bash text with `look_at`, `nginx_is` and `tell`."""
        words = [self.spec.service] if self.spec.kind == "nginx" else [*(self.spec.command or ("nginx",))]
        return docker_script(self.host, f"{shell(self.spec, self.project, self.folder, words)}\n{body}", limit=limit)


def shell(spec: Proxy, project: str, folder: str, words: Iterable[str]) -> str:
    """What `site.bash` needs before it, and itself."""
    own = resources.files("opslib.proxy").joinpath("site.bash").read_text(encoding="utf-8")
    told: Mapping[str, str] = {"kind": spec.kind}
    facts = f"kind={spec.kind} project={shlex.quote(project)} folder={shlex.quote(folder)}\nwords=({shlex.join(words)})"
    return f"{facts}\n{kinds.script(told)}\n{own}"


def of_stack(host: Host, root: str, stack: Stack, project: str) -> Place | None:
    """The nginx that runs; None where it does not."""
    spec = host.deploy.proxy
    assert spec is not None
    if spec.kind == "host-nginx":
        return Place(host, spec, project, root, posixpath.normpath(spec.folder), None)
    container = mount.running(stack, spec)
    if container is None:
        return None
    pairs = tuple((one.source, one.destination) for one in container.mounts if one.type == "bind" and one.source)
    return Place(host, spec, project, root, posixpath.normpath(f"{root}/{spec.folder}"), pairs)


def of_project(host: Host, root: str, project: Project) -> Place:
    """The nginx that is about to be started."""
    spec = host.deploy.proxy
    assert spec is not None
    if spec.kind == "host-nginx":
        return Place(host, spec, project.name, root, posixpath.normpath(spec.folder), None)
    pairs = tuple((mount.moved(project, one.source, root), posixpath.normpath(one.target))
                  for one in project.services[spec.service].mounts if one.type == "bind" and one.source)  # fmt: skip
    return Place(host, spec, project.name, root, posixpath.normpath(f"{root}/{spec.folder}"), pairs)


def webroot_of(host: Host, root: str) -> str:
    """The folder on the machine in which the ACME server's questions are answered."""
    return posixpath.normpath(posixpath.join(root, host.certbot.webroot))
