"""nginx on the machine itself: services are where they publish a range of ports on it.

The addresses of containers are no use here. Docker gives them anew at each start, so that after a reboot the file would
lead to another service, and the host cannot ask Docker's name server. A published range stays: each container has one
port of it, which the file names while old and new stand side by side. Between deploys it names them first, and the rest
of the range after them.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from opslib.command import bash
from opslib.compose.project import Port, Project
from opslib.compose.script import sections
from opslib.compose.stack import Container, Stack
from opslib.errors import BadSettings, OpsError
from opslib.events import Note
from opslib.proxy import mount
from opslib.proxy.counting import Counting
from opslib.proxy.nginx import RELOAD, SUFFIX, block
from opslib.proxy.servers import Server

if TYPE_CHECKING:
    from opslib.settings.model import Proxy
    from opslib.target.base import Target


class HostNginx:
    """nginx outside of the stack; as `ReverseProxy`."""

    def __init__(self, spec: Proxy) -> None:
        self.spec = spec
        self.command = spec.command or ("nginx",)

    def check(self, project: Project, host: str) -> None:
        """Raises BadSettings for a service that there is not, and for one that publishes no port."""
        mount.known(project, self.spec, host)
        for name, port in self.spec.upstreams.items():
            if not published(project.services[name].ports, port):
                raise BadSettings(
                    f"service {name} publishes no ports for {port}, so nginx on the server cannot reach it", host=host,
                    left="everything",
                    next=f'ports: ["127.0.0.1:{port}-{port + 3}:{port}"] in the compose file: old and new containers '
                    "have one each",
                )  # fmt: skip

    def told(self, project: Project, stack: Stack, host: str) -> dict[str, Any] | None:
        """As `ReverseProxy`."""
        folder = posixpath.normpath(self.spec.folder)
        return {"kind": "host-nginx", "name": "nginx", "folder": folder, "words": [*self.command]}

    def refuse_broken(self, target: Target, project: Project, stack: Stack) -> None:
        """As `ReverseProxy`; in one round trip."""
        look = bash(f'{script()}\nlook_at "$@"', posixpath.normpath(self.spec.folder), *self.command, limit=60)
        wrong(sections(target.run(look).text), self.spec, self.command, target.host.name)

    def refuse_new(self, target: Target, project: Project, stack: Stack, run_id: str) -> None:
        """As `ReverseProxy`: nothing, as no deploy recreates it."""

    def addresses(self, stack: Stack, service: str, containers: Iterable[Container]) -> list[str]:
        """As `ReverseProxy`."""
        port, found = self.spec.upstreams[service], []
        for one in containers:
            own = published(one.ports, port)
            if not own:
                raise OpsError(
                    f"{one.name} publishes no port for {port}, so nginx on the server cannot reach it",
                    left="the containers that it knows, which go on",
                    next="a deploy that changes the ports of a service is one with --strategy recreate",
                )  # fmt: skip
            found.append(own[0])
        return found

    def text(self, service: str, servers: Sequence[Server]) -> str:
        """As `ReverseProxy`."""
        return block(service, servers)

    def between(self, project: Project, stack: Stack) -> Mapping[str, str]:
        """Where the containers are now, and then the other ports of the range: each may be there after a restart."""
        found = {}
        for name, port in self.spec.upstreams.items():
            every = published(project.services[name].ports, port)
            now = [own[0] for one in stack.service(name) if (own := published(one.ports, port))]
            there = [one for one in now if one in every]
            rest = [one for one in every if one not in there] if there else []
            found[name] = block(name, [Server(one) for one in there or every], rest)
        return found

    def ready(self, target: Target, project: Project) -> None:
        """As `ReverseProxy`: nothing, as it runs already."""

    def refresh(self, target: Target, project: Project, stack: Stack) -> None:
        """As `ReverseProxy`: the ports may be others of the range."""
        texts = self.between(project, stack)
        folder = posixpath.normpath(self.spec.folder)
        mount.write(target, folder, {f"opslib-{name}{SUFFIX}": text for name, text in texts.items()})
        done = target.run(bash(f'{script()}\nwords=("$@"); tell 0', *self.command, limit=60), check=False)
        if not done.ended.ok:
            said = (done.ended.stderr.strip().splitlines() or ["it does not say why"])[-1]
            target.tell(Note(target.host.name, f"nginx could not be reloaded: {said}", warning=True))

    def counting(self, target: Target, project: Project, stack: Stack) -> Counting:
        """As `ReverseProxy`: not at all."""
        return Counting()

    def is_ours(self, path: str) -> bool:
        """As `ReverseProxy`: they are not in the project."""
        return False


def published(ports: Iterable[Port], port: int) -> list[str]:
    """HOST:PORT on the machine of everything that leads to that port of a container, in order."""
    found: dict[int, str] = {}
    for one in ports:
        first, _, last = one.published.partition("-")
        if one.target != port or one.protocol != "tcp" or not first.isdigit():
            continue
        host = "127.0.0.1" if one.host_ip in ("", "0.0.0.0", "::") else one.host_ip
        host = f"[{host}]" if ":" in host else host
        for number in range(int(first), int(last or first) + 1):
            found.setdefault(number, f"{host}:{number}")
    return [found[number] for number in sorted(found)]


def script() -> str:
    """As `kinds.script`."""
    text = resources.files("opslib.proxy").joinpath("host_nginx.bash").read_text(encoding="utf-8")
    return f"inside={shlex.quote(RELOAD)}\n{text}"


def wrong(seen: Mapping[str, Sequence[str]], spec: Proxy, command: Sequence[str], host: str) -> None:
    """What `look_at` of host_nginx.bash saw. Raises BadSettings for a folder that is not there, may not be written to
    or is not included, OpsError where nginx does not run, may not be asked, or would not take its own configuration."""
    user, nginx = seen["user"][0], shlex.join(command)
    if seen["folder"] != ["there", "ours"]:
        how = "may not be written to by" if seen["folder"] else "is not there, and has to belong to"
        raise BadSettings(
            f"{spec.folder} on the server {how} {user}", host=host, left="everything",
            next=f"sudo install -d -o {user} {shlex.quote(spec.folder)} there, and `include {spec.folder}/*.conf;` in "
            "the http block of its nginx.conf",
        )  # fmt: skip
    said, dump = seen.get("said", []), [line[1:] for line in seen.get("dump", [])]
    if seen["code"] != ["0"]:
        if _awaits(said, spec, seen.get("files", [])):  # until then it does not say what it includes, and where it runs
            return
        denied = any(re.search(r"denied|not permitted|password|not found|sudo:", line) for line in said)
        raise OpsError(
            f"{nginx} -t on the server fails:\n    " + "\n    ".join(line[1:] for line in said[-3:]), host=host,
            left="everything: it goes on with what it has read before",
            next=f"`deploy: proxy: {{command: [sudo, -n, nginx]}}`, and in /etc/sudoers.d/opslib the line `{user} "
            "ALL=(root) NOPASSWD: /usr/sbin/nginx`" if denied else f"mend it, until {nginx} -t is content",
        )  # fmt: skip
    if not included(dump, spec.folder):
        raise BadSettings(
            f"the configuration of nginx on the server includes nothing from {spec.folder}", host=host,
            left="everything", next=f"`include {spec.folder}/*.conf;` in the http block of its nginx.conf",
        )  # fmt: skip
    if not seen.get("master"):
        raise OpsError("nginx does not run on the server", host=host, left="everything",
                       next="sudo systemctl start nginx there")  # fmt: skip


def _awaits(said: Sequence[str], spec: Proxy, files: Sequence[str]) -> bool:
    """Whether all that nginx misses is a file that no deploy has written yet."""
    missed = re.findall(r'host not found in upstream "([^":/]+)', "\n".join(said))
    return bool(missed) and all(name in spec.upstreams and name not in files for name in missed)


def included(dump: Sequence[str], folder: str) -> bool:
    """Whether what `nginx -T` printed includes files from the folder, by its whole path or from where nginx.conf is."""
    main = next((line.split()[3].rstrip(":") for line in dump if line.startswith("# configuration file ")), "/")
    folder = posixpath.normpath(folder)
    names = "|".join(re.escape(one) for one in (folder, posixpath.relpath(folder, posixpath.dirname(main))))
    return any(re.search(rf"^[^#]*\binclude\s+[\"']?({names})/", line) for line in dump)
