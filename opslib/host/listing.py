"""What a host is, in one line: as its file describes it, and as the machine says itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opslib.command import bash
from opslib.host.look import os_release

if TYPE_CHECKING:
    from opslib.run.step import Run
    from opslib.settings.model import Host

# $1 the project's folder
_LOOK = """cd; printf '%s\\n' "$(uname -m)"; read -r up _ </proc/uptime; printf '%s\\n' "${up%.*}"
[[ -d $1/.opslib/releases ]] && echo deployed || echo new
while IFS= read -r line || [[ $line ]]; do printf '%s\\n' "$line"; done </etc/os-release"""


def described(host: Host) -> dict[str, Any]:
    """What its file says."""
    jump = None if host.jump is None else [str(hop) for hop in host.jump]
    return {
        "address": str(host.address) if host.address else None, "jump": jump, "groups": list(host.groups),
        "path": host.path, "project": host.project, "strategy": host.deploy.strategy,
    }  # fmt: skip


def look(run: Run) -> None:
    """What the machine says. One round trip."""
    arch, up, state, *release = run.target.run(bash(_LOOK, run.target.host.path)).lines
    system = os_release(release).get("PRETTY_NAME", "unknown")
    run.result.update(system=system, arch=arch, up=int(up), deployed=state == "deployed")
