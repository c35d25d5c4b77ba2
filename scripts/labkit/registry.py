"""The lab's image registry: a real one, on a loopback port of this machine and on the same port of each server."""

from __future__ import annotations

import secrets
import socket
import time

from . import engine, images, servers
from .shell import LABEL, LabError, attempt, run, say, state_dir

CONTAINER = "opslib-lab-registry"
USER = "lab"
# $1 the port, $2 the registry's address behind it. Engines take a registry on the loopback without TLS.
_REACH = """set -e; sysctl -qw net.ipv4.conf.all.route_localnet=1
iptables -w -t nat -N LAB 2>/dev/null || iptables -w -t nat -F LAB
iptables -w -t nat -A LAB -d 127.0.0.1 -p tcp --dport "$1" -j DNAT --to-destination "$2:5000"
for rule in "OUTPUT -j LAB" "POSTROUTING -s 127.0.0.0/8 -d $2 -j MASQUERADE"; do
  iptables -w -t nat -C $rule 2>/dev/null || iptables -w -t nat -A $rule
done"""


def facts() -> dict[str, str] | None:
    """Where it is and who may use it, while it runs."""
    # Not `docker port` alone: it goes on naming the port of a container that an engine's end took along.
    docker = engine.client()
    running = attempt([docker, "inspect", "-f", "{{.State.Running}}", CONTAINER]).stdout.strip()
    address = attempt([docker, "port", CONTAINER, "5000/tcp"]).stdout.split() if running == "true" else []
    return {"address": address[0], "user": USER, "password": _password()} if address else None


def ensure() -> None:
    """Start it when it does not run, and let every server that runs reach it."""
    images.ensure([images.DEBIAN, images.REGISTRY])
    docker = engine.client()
    if facts() is None:
        attempt([docker, "rm", "-f", "-v", CONTAINER])
        say("start the registry")
        where = ["--name", CONTAINER, "--init", "--label", LABEL, "-p", "127.0.0.1::5000"]
        login = ["-e", f"LAB_USER={USER}", "-e", f"LAB_PASSWORD={_password()}"]
        run([docker, "run", "-d", *where, *login, images.REGISTRY.ref], limit=60)
    found = facts()
    if found is None:
        raise LabError(f"the registry did not start: docker logs {CONTAINER}")
    host, port = found["address"].split(":")
    _wait(host, int(port))
    inside = run([docker, "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", CONTAINER])
    for server in servers.listed():
        if server.state == "running":
            run([docker, "exec", server.container, "bash", "-c", _REACH, "bash", port, inside.strip()])


def _wait(host: str, port: int) -> None:
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        try:
            with socket.create_connection((host, port), timeout=5) as line:
                line.sendall(b"GET / HTTP/1.0\r\n\r\n")
                if line.recv(5) == b"HTTP/":
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise LabError(f"the registry does not answer: docker logs {CONTAINER}")


def _password() -> str:
    path = state_dir("registry-login") / "password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(18))
    return path.read_text()
