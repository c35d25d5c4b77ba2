"""nginx in the stack: which instances of a service it passes requests to, said in files that it includes.

Only while old and new instances stand side by side do these files name instances. Between deploys names lead to the
services again, so that an instance that is started anew is found at its new address.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from opslib.compose.project import Project
from opslib.compose.stack import Container, Stack
from opslib.errors import BadSettings, OpsError
from opslib.events import Note
from opslib.target.docker import docker
from opslib.target.transfer import put_bytes

if TYPE_CHECKING:
    from opslib.command import Command
    from opslib.settings.model import Host, Proxy
    from opslib.target.base import Target

_HEAD = "# Written by opslib at each deploy; changes are lost.\n"

RELOAD = r"""title() { tr '\000' ' ' <"/proc/$1/cmdline"; }
old=
for p in /proc/[0-9]*; do
  case $(title "${p#/proc/}" 2>/dev/null) in "nginx: worker process"*) old="$old ${p#/proc/}" ;; esac
done
[ -n "$old" ] || { echo "no worker process of nginx is seen in its container" >&2; exit 1; }
serving() { for w in $old; do
  case $(title "$w" 2>/dev/null) in "nginx: worker process is"*) ;; "nginx: worker process"*) return 0 ;; esac
done; return 1; }
ending() { for w in $old; do
  case $(title "$w" 2>/dev/null) in "nginx: worker process"*) return 0 ;; esac
done; return 1; }
nginx -s reload || exit
n=0
while serving; do
  [ "$n" -lt 200 ] || { echo "nginx goes on with its old configuration; its log says why" >&2; exit 1; }
  n=$((n + 1)); sleep 0.1
done
n=0
while ending; do
  [ "$n" -lt "$1" ] || { [ "$1" = 0 ] || echo late; exit 0; }
  n=$((n + 1)); sleep 0.1
done"""
"""POSIX sh for inside the container: reload, wait until the new workers have taken over, and then, for `$1` tenths of a
second at most, until the old ones have ended what they had begun; `late` where they had not."""


def file_name(service: str) -> str:
    """The file that says where requests to the service go."""
    return f"opslib-{service}.conf"


def is_ours(path: str, spec: Proxy | None) -> bool:
    """Whether a path below the project's folder is one of these files."""
    if spec is None or posixpath.dirname(path) != posixpath.normpath(spec.folder):
        return False
    return posixpath.basename(path) in {file_name(name) for name in spec.upstreams}


def block(service: str, servers: Iterable[str]) -> str:
    """An upstream that is called like the service."""
    lines = "".join(f"    server {one};\n" for one in servers)
    return f"{_HEAD}upstream {service} {{\n{lines}}}\n"


def between(service: str, port: int) -> str:
    """The file between deploys: the service by its name. "" for port 80, which is what `http://NAME` means without an
    upstream of that name; then nginx may ask Docker's name server again and again (`resolver`)."""
    return "" if port == 80 else block(service, [f"{service}:{port}"])


def addresses(containers: Iterable[Container], port: int, proxy: Container) -> list[str]:
    """Where nginx reaches the containers. Raises OpsError for one in none of its networks."""
    found = []
    for one in containers:
        shared = [address for name, address in one.networks.items() if address and name in proxy.networks]
        if not shared:
            raise OpsError(
                f"{proxy.service} shares no network with {one.name}, so it cannot pass requests to it",
                left="the containers that nginx knows, which go on",
                next=f"give {proxy.service} and {one.service} a network in common; a deploy that moves services to "
                "another network is one with --strategy recreate",
            )  # fmt: skip
        found.append(f"[{shared[0]}]:{port}" if ":" in shared[0] else f"{shared[0]}:{port}")
    return found


def included(project: Project, spec: Proxy, host: str) -> str:
    """The folder inside the container that nginx includes files from. Raises BadSettings for a service that there is
    not, and for a folder that nginx does not mount."""
    for name in (spec.service, *spec.upstreams):
        if name not in project.services:
            raise BadSettings(
                f"`deploy: proxy:` names {name}, and the compose files have no such service", host=host,
                left="everything", next=f"its services are {', '.join(sorted(project.services))}",
            )  # fmt: skip
    wanted = posixpath.normpath(f"{project.root}/{spec.folder}")
    copies = re.compile(rf"{re.escape(project.root)}/\.opslib/releases/[^/]+/compose(?=/)")  # of a rollback in place
    for mount in project.services[spec.service].mounts:
        source = copies.sub(project.root, posixpath.normpath(mount.source)) if mount.source else ""
        if mount.type == "bind" and _holds(wanted, source):
            return posixpath.normpath(mount.target + wanted[len(source) :])
    there = f"/etc/nginx/{posixpath.basename(wanted)}"
    raise BadSettings(
        f"service {spec.service} does not mount {spec.folder}", host=host, left="everything",
        next=f'volumes: ["./{posixpath.normpath(spec.folder)}:{there}:ro"] in the compose file, and '
        f"`include {there}/*.conf;` in the http block of its nginx.conf",
    )  # fmt: skip


def folder_of(container: Container, inside: str) -> str:
    """Where on the machine the container has that folder from; "" where it has it not."""
    for mount in container.mounts:
        if mount.source and _holds(inside, mount.destination):
            return mount.source + inside[len(mount.destination) :]
    return ""


def running(stack: Stack, spec: Proxy) -> Container | None:
    """nginx's container, if it runs."""
    return next((one for one in stack.service(spec.service) if one.state == "running"), None)


def refuse_broken(target: Target, container: Container, inside: str) -> None:
    """Raises OpsError where nginx would not take its own configuration, BadSettings where that includes nothing from
    the folder `inside`. Nothing is changed."""
    said = target.run(docker(target.host, "exec", container.id, "nginx", "-T"), check=False)
    host, again = target.host.name, f"docker exec {container.name} nginx -t"
    if not said.ended.ok:
        why = "\n    ".join(said.ended.stderr.strip().splitlines()[-3:])
        raise OpsError(
            f"the configuration of {container.service} is broken, so it could not be reloaded:\n    {why}",
            host=host, left="everything: it goes on with what it has read before",
            next=f"mend it, until {again} is content",
        )  # fmt: skip
    if not re.search(rf"(?m)^[^#\n]*\binclude\s+[\"']?{re.escape(inside)}/", said.text):
        raise BadSettings(
            f"the configuration of {container.service} includes nothing from {inside}", host=host, left="everything",
            next=f"`include {inside}/*.conf;` in the http block of its nginx.conf",
        )  # fmt: skip


def try_command(host: Host, project: Project, spec: Proxy, name: str) -> Command:
    """nginx's own test, in a container of its own made as the project says."""
    flags = ["--ansi", "never", "run", "--rm", "--no-deps", "--no-TTY", "--name", name, "--entrypoint", "nginx"]
    command = project.compose(host, *flags, "--", spec.service, "-t", limit=120)
    return command.with_(on_break=docker(host, "rm", "-f", name))


def refuse_new(target: Target, project: Project, spec: Proxy, run_id: str) -> None:
    """Raises OpsError where nginx would not start with what the project gives it, before the one that runs is stopped.
    What it cannot find yet may still be started."""
    command = try_command(target.host, project, spec, f"{project.name}-nginx-{run_id.lower()}")
    said = target.run(command, check=False)
    if said.ended.ok or "host not found in upstream" in said.ended.stderr:
        return
    lines = [line.strip() for line in said.ended.stderr.splitlines() if "nginx:" in line or "[emerg]" in line]
    lines = lines or [said.ended.stderr.strip()]
    raise OpsError(
        "the new configuration of {} is broken:\n    {}".format(spec.service, "\n    ".join(lines[-3:])),
        host=target.host.name, left=f"{spec.service}, which goes on with the old one", next="mend it and deploy again",
    )  # fmt: skip


def write_between(target: Target, project: Project, spec: Proxy) -> None:
    """Have the files there before nginx starts for the first time: its configuration may need the upstreams."""
    inside = included(project, spec, target.host.name)
    mount = next(one for one in project.services[spec.service].mounts if _holds(inside, one.target))
    for name, text in texts(spec).items():
        if text:
            path = f"{mount.source}{inside[len(mount.target) :]}/{file_name(name)}"
            put_bytes(target, text.encode(), path, mode=0o644)


def refresh(target: Target, stack: Stack, spec: Proxy) -> None:
    """Have nginx look up names again, because what they lead to was recreated. It may say no: then it is told."""
    container = running(stack, spec)
    if container is None:
        return
    done = target.run(docker(target.host, "exec", container.id, "sh", "-c", RELOAD, "sh", "0"), check=False)
    if not done.ended.ok:
        said = (done.ended.stderr.strip().splitlines() or ["it does not say why"])[-1]
        target.tell(Note(target.host.name, f"{spec.service} could not be reloaded: {said}", warning=True))


def texts(spec: Proxy) -> Mapping[str, str]:
    """The file between deploys for each service that nginx passes requests to."""
    return {name: between(name, port) for name, port in spec.upstreams.items()}


def _holds(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
