"""What answers from outside: looked at from this machine once the firewall is up."""

from __future__ import annotations

import socket

from opslib.host.provision.part import Facts
from opslib.run.step import Run
from opslib.run.workers import each
from opslib.target.ssh_config import resolve

PATIENCE = 2.0  # seconds: what is dropped never answers


def warn_of_open(run: Run, facts: Facts, open: tuple[str, ...]) -> None:
    """Say which published ports of containers can be reached from here though they are not open. Where another machine
    is on the way nothing is tried: what that can reach is another question."""
    settings = resolve(str(run.target.host.address))
    ports = [port for port in facts.get("docker.published", "").split() if f"{port}/tcp" not in open]
    reached: list[str] = []
    run.result["closed"] = []
    if settings.proxy_jump or settings.proxy_command:
        return

    def knock(port: str) -> None:
        try:
            socket.create_connection((settings.hostname, int(port)), timeout=PATIENCE).close()
            reached.append(port)
        except OSError:
            run.result["closed"].append(port)

    each(ports, knock)
    for port in sorted(reached, key=int):
        run.note(f"port {port} of a container answers from here though it should be closed", warning=True)
