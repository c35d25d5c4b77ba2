"""The proxies there are, and what the strategies ask of each.

The file that says where requests to a service go is written on the machine by settle.bash, also when nobody is there
but the watchdog. So what it needs to know is JSON that stays in the recovery log, and a text of bash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from opslib.command import Command
from opslib.compose.project import Project
from opslib.compose.stack import Container, Stack
from opslib.proxy import host_nginx, nginx, nginx_log, traefik
from opslib.proxy.counting import Counting
from opslib.proxy.servers import Server
from opslib.settings.model import Host, Proxy, ProxyKind
from opslib.target.base import Target


class ReverseProxy(Protocol):
    """One that is told where requests go. `told` and `is_ours` aside its methods raise OpsError, and BadSettings where
    host file and compose files do not fit."""

    spec: Proxy

    def check(self, project: Project, host: str) -> None:
        """Refuse what the host file names and the compose files do not have. Nothing is asked of the machine."""

    def told(self, project: Project, stack: Stack, host: str) -> dict[str, Any] | None:
        """How the one that runs is told, for `script`, as JSON; None where it does not run. `name`: what messages call
        it, `kind`, `folder`: where its files are on the machine, `words`: what else its script has to know."""

    def refuse_broken(self, target: Target, project: Project, stack: Stack) -> None:
        """Refuse one that runs and could not be told anything, because its own configuration is broken or does not
        include what it is told. Nothing is changed."""

    def refuse_new(self, target: Target, project: Project, stack: Stack, run_id: str) -> None:
        """Where it runs and is about to be recreated: refuse a configuration that it would not start with."""

    def addresses(self, stack: Stack, service: str, containers: Iterable[Container]) -> list[str]:
        """HOST:PORT at which the one that runs reaches the service's containers."""

    def text(self, service: str, servers: Sequence[Server]) -> str:
        """The file while it is told which containers serve."""

    def between(self, project: Project, stack: Stack) -> Mapping[str, str]:
        """For each service behind it the file between deploys, when containers may come and go; "" for none. `stack`:
        those that are there now."""

    def ready(self, target: Target, project: Project) -> None:
        """Before it starts for the first time: have the files between deploys there, where it cannot do without."""

    def refresh(self, target: Target, project: Project, stack: Stack) -> None:
        """What it passes requests to was recreated: have it look again. It may say no, with a warning."""

    def counting(self, target: Target, project: Project, stack: Stack) -> Counting:
        """How the answers of servers are counted while it is told of old and new ones. Nothing is changed."""

    def is_ours(self, path: str) -> bool:
        """Whether a path below the project's folder is one of its files."""


def of(spec: Proxy | None) -> ReverseProxy | None:
    """The proxy of a host file."""
    return _KINDS[spec.kind](spec) if spec else None


def script(told: Mapping[str, Any] | None) -> str:
    """For settle.bash: `$suffix` of the files, and `tell TENTHS SERVICE…`, which has it take the files of these
    services, or fails with it going on as before. Then it waits, so many tenths of a second at most, until what was
    passed on before has ended, and prints `late` where that was not enough. It is given `$folder` and the array
    `words`. The array `counts`: the names of the files by which answers are counted."""
    return _SCRIPTS[told["kind"]]() if told else ""


def counts_command(host: Host, project: str, told: Mapping[str, Any], start: int) -> Command:
    """What was counted since it was read up to `start`, where something is. It prints how far it is read now, then
    lines: how often, a blank, and `ADDRESS|STATUS|SECONDS`."""
    return _COUNTS[told["kind"]](host, project, told["words"], start)


_KINDS: Mapping[ProxyKind, Callable[[Proxy], ReverseProxy]] = {
    "nginx": nginx.Nginx, "traefik": traefik.Traefik, "host-nginx": host_nginx.HostNginx,
}  # fmt: skip
_SCRIPTS: Mapping[ProxyKind, Callable[[], str]] = {
    "nginx": nginx.script, "traefik": traefik.script, "host-nginx": host_nginx.script,
}  # fmt: skip
_COUNTS: Mapping[ProxyKind, Callable[[Host, str, Sequence[str], int], Command]] = {"nginx": nginx_log.read_command}
