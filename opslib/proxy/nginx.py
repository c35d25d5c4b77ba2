"""nginx in the stack: which instances of a service it passes requests to, said in files that it includes.

Only while old and new instances stand side by side do these files name instances. Between deploys names lead to the
services again, so that an instance that is started anew is found at its new address.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from opslib.compose.project import Project
from opslib.compose.script import read_all
from opslib.compose.stack import Container, Stack
from opslib.errors import BadSettings, CommandFailed, OpsError
from opslib.events import Note
from opslib.proxy import mount, nginx_log
from opslib.proxy.counting import Counting
from opslib.proxy.directives import parse
from opslib.proxy.servers import Server, weighted
from opslib.target.docker import docker

if TYPE_CHECKING:
    from opslib.command import Command
    from opslib.settings.model import Host, Proxy
    from opslib.target.base import Target

SUFFIX = ".conf"
_HEAD = "# Written by opslib at each deploy; changes are lost.\n"

RELOAD = r"""limit=$1 master=$2; shift 2
title() { tr '\000' ' ' <"/proc/$1/cmdline"; }
child() { while read -r key value; do [ "$key" != PPid: ] || { [ "$value" = "$master" ]; return; }; done <"$1/status"; }
old=
for p in /proc/[0-9]*; do
  [ -z "$master" ] || child "$p" 2>/dev/null || continue
  case $(title "${p#/proc/}" 2>/dev/null) in "nginx: worker process"*) old="$old ${p#/proc/}" ;; esac
done
[ -n "$old" ] || { echo "no worker process of nginx is seen" >&2; exit 1; }
serving() { for w in $old; do
  case $(title "$w" 2>/dev/null) in "nginx: worker process is"*) ;; "nginx: worker process"*) return 0 ;; esac
done; return 1; }
ending() { for w in $old; do
  case $(title "$w" 2>/dev/null) in "nginx: worker process"*) return 0 ;; esac
done; return 1; }
"$@" -s reload || exit
n=0
while serving; do
  [ "$n" -lt 200 ] || { echo "nginx goes on with its old configuration; its log says why" >&2; exit 1; }
  n=$((n + 1)); sleep 0.1
done
n=0
while ending; do
  [ "$n" -lt "$limit" ] || { [ "$limit" = 0 ] || echo late; exit 0; }
  n=$((n + 1)); sleep 0.1
done"""
"""POSIX sh where nginx runs: reload, wait until the new workers have taken over, and then, for `$1` tenths of a second
at most, until the old ones have ended what they had begun; `late` where they had not. `$2` is the master process whose
workers are meant ("": all that are seen), then the command that is nginx."""


class Nginx:
    """nginx as a service of the stack; as `ReverseProxy`."""

    def __init__(self, spec: Proxy) -> None:
        self.spec = spec

    def check(self, project: Project, host: str) -> None:
        """Raises BadSettings for a service that there is not, and for a folder that nginx does not mount."""
        mount.known(project, self.spec, host)
        _inside(project, self.spec, host)

    def told(self, project: Project, stack: Stack, host: str) -> dict[str, Any] | None:
        """As `ReverseProxy`."""
        container = mount.running(stack, self.spec)
        if container is None:
            return None
        folder = mount.outside(container, _inside(project, self.spec, host))
        return {"kind": "nginx", "name": self.spec.service, "folder": folder, "words": [self.spec.service]}

    def refuse_broken(self, target: Target, project: Project, stack: Stack) -> None:
        """As `ReverseProxy`."""
        if container := mount.running(stack, self.spec):
            inside = _inside(project, self.spec, target.host.name)
            mount.refuse_other(container, self.spec, inside, target.host.name)
            _refuse_broken(target, container, inside)

    def refuse_new(self, target: Target, project: Project, stack: Stack, run_id: str) -> None:
        """As `ReverseProxy`. What it cannot find yet may still be started."""
        if mount.running(stack, self.spec) is None:
            return
        command = try_command(target.host, project, self.spec, f"{project.name}-nginx-{run_id.lower()}")
        said = target.run(command, check=False)
        if said.ended.ok or "host not found in upstream" in said.ended.stderr:
            return
        lines = [line.strip() for line in said.ended.stderr.splitlines() if "nginx:" in line or "[emerg]" in line]
        lines = lines or [said.ended.stderr.strip()]
        raise OpsError(
            "the new configuration of {} is broken:\n    {}".format(self.spec.service, "\n    ".join(lines[-3:])),
            host=target.host.name, left=f"{self.spec.service}, which goes on with the old one",
            next="mend it and deploy again",
        )  # fmt: skip

    def addresses(self, stack: Stack, service: str, containers: Iterable[Container]) -> list[str]:
        """As `ReverseProxy`."""
        return mount.addresses(stack, self.spec, service, containers)

    def text(self, service: str, servers: Sequence[Server]) -> str:
        """As `ReverseProxy`."""
        return block(service, servers)

    def between(self, project: Project, stack: Stack) -> Mapping[str, str]:
        """The services by their names. "" for port 80, which is what `http://NAME` means without an upstream of that
        name; then nginx may ask Docker's name server again and again (`resolver`)."""
        return {
            name: "" if port == 80 else block(name, [Server(f"{name}:{port}")])
            for name, port in self.spec.upstreams.items()
        }

    def ready(self, target: Target, project: Project) -> None:
        """As `ReverseProxy`: its configuration may need the upstreams."""
        folder = mount.wanted(project, self.spec, _inside(project, self.spec, target.host.name))
        texts = self.between(project, Stack(project.name))
        mount.write(target, folder, {f"opslib-{name}{SUFFIX}": text for name, text in texts.items()})

    def refresh(self, target: Target, project: Project, stack: Stack) -> None:
        """As `ReverseProxy`: names are looked up anew."""
        container = mount.running(stack, self.spec)
        if container is None:
            return
        words = ["exec", container.id, "sh", "-c", RELOAD, "sh", "0", "", "nginx"]
        done = target.run(docker(target.host, *words), check=False)
        if not done.ended.ok:
            said = (done.ended.stderr.strip().splitlines() or ["it does not say why"])[-1]
            target.tell(Note(target.host.name, f"{self.spec.service} could not be reloaded: {said}", warning=True))

    def counting(self, target: Target, project: Project, stack: Stack) -> Counting:
        """As `ReverseProxy`: by an access log of opslib's own, where the configuration leaves room for one."""
        container = mount.running(stack, self.spec)
        if container is None:
            return Counting()
        try:
            shown = read_all(target, docker(target.host, "exec", container.id, "nginx", "-T"))
        except CommandFailed:  # it is broken, and about to be recreated: then it is asked again
            return Counting()
        found = nginx_log.counted(parse(shown), _inside(project, self.spec, target.host.name))
        if not found.blocks:
            return Counting(without=found.without)
        default = None
        if found.default:
            built = docker(target.host, "exec", container.id, "nginx", "-V")
            default = nginx_log.default_log(target.run(built).ended.stderr)
        return Counting(nginx_log.texts(default), found.without)

    def is_ours(self, path: str) -> bool:
        """As `ReverseProxy`."""
        ours = mount.is_ours(path, self.spec, SUFFIX) or mount.is_site(path, self.spec)
        return ours or mount.is_one_of(path, self.spec, nginx_log.FILES)


def script() -> str:
    """As `kinds.script`."""
    text = resources.files("opslib.proxy").joinpath("nginx.bash").read_text(encoding="utf-8")
    log = f"counts=({' '.join(nginx_log.FILES)}) log={nginx_log.LOG}"
    return f"inside={shlex.quote(RELOAD)}\n{log}\n{text}"


def block(service: str, servers: Sequence[Server], others: Sequence[str] = ()) -> str:
    """An upstream that is called like the service; `others` are asked where nobody answers at its servers. Where
    weights differ the worker processes take turns together (`zone`): each for itself would give the first requests of
    every worker to the heaviest server. Where some may not be there they learn that together."""
    zone = f"    zone opslib-{service} 256k;\n" if weighted(servers) or others else ""
    lines = "".join(f"    server {one.address}{_weight(one)};\n" for one in servers)
    more = "".join(f"    server {one} backup;\n" for one in others)
    return f"{_HEAD}upstream {service} {{\n{zone}{lines}{more}}}\n"


def _weight(server: Server) -> str:
    return f" weight={server.weight}" if server.weight != 1 else ""


def _inside(project: Project, spec: Proxy, host: str) -> str:
    """The folder inside the container that nginx includes files from. Raises BadSettings where it does not mount it."""
    there = f"/etc/nginx/{posixpath.basename(posixpath.normpath(spec.folder))}"
    return mount.inside(project, spec, host, there, f"`include {there}/*.conf;` in the http block of its nginx.conf")


def _refuse_broken(target: Target, container: Container, inside: str) -> None:
    """Raises OpsError where nginx would not take its own configuration, BadSettings where that includes nothing from
    the folder `inside`."""
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
