"""Faults to order: a server whose line is cut, that stands still, or that is gone."""

from __future__ import annotations

from . import engine, servers
from .shell import LabError, run, say

# In pairs, so that neither a new connection nor an answer on an old one gets through.
_RULES = (("INPUT", "--dport"), ("OUTPUT", "--sport"))
_DOCKER = {"pause": "pause", "unpause": "unpause", "kill": "kill", "start": "start"}
FAULTS = ("cut", "heal", *_DOCKER)


def apply(name: str, fault: str) -> None:
    """Do one fault or undo one; doing it twice is the same as once. `start` waits until the server answers."""
    server = servers.find(name)
    if server is None:
        raise LabError(f"there is no server {name}")
    say(f"{fault} server {name}")
    if fault in ("cut", "heal"):
        script = "; ".join(_rule(fault, chain, port) for chain, port in _RULES)
        run([engine.client(), "exec", server.container, "bash", "-c", f"set -e; {script}"])
    elif fault == "start":
        servers.ensure(name, store=server.store)
    elif (server.state, fault) not in (("paused", "pause"), ("running", "unpause"), ("exited", "kill")):
        run([engine.client(), _DOCKER[fault], server.container])


def _rule(fault: str, chain: str, port: str) -> str:
    rule = f"{chain} -p tcp {port} 22 -j DROP"
    if fault == "cut":
        return f"iptables -w -C {rule} 2>/dev/null || iptables -w -A {rule}"
    return f"while iptables -w -C {rule} 2>/dev/null; do iptables -w -D {rule}; done"
