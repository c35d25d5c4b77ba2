"""Whether a host has what opslib needs: one look, a list of findings, nothing changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from opslib.command import Command, bash, quote
from opslib.compose import swarm
from opslib.compose.engine import look_at_engine
from opslib.compose.recognise import recognise_project
from opslib.compose.script import sections
from opslib.compose.stack import Container, Stack, look
from opslib.errors import OpsError, Unhealthy
from opslib.images.info import images_of
from opslib.images.tools import tools_tag
from opslib.state import freeze
from opslib.state.releases import SWARM

if TYPE_CHECKING:
    from opslib.run.step import Run
    from opslib.settings.model import Host

SKEW = 5.0  # seconds that the clocks may differ: ids of backups and releases sort by time

# What the scripts on a host call, and the package it comes in.
_PROGRAMS = {
    "util-linux": "flock kill setsid",
    "coreutils": "base64 cat chmod cp date df dirname env head id install ln ls mkdir mktemp mv nohup printf readlink "
    "realpath rm rmdir sha256sum sleep sort stat sync tail tee timeout tr uniq wc",
    "tar": "tar",
}
PROGRAMS = {program: package for package, programs in _PROGRAMS.items() for program in programs.split()}

# $1 the project's folder, $2 the folder of the backups (relative to it, or absolute), then programs. The nearest
# folder that exists stands for one that is still to be made.
_PROBE = """cd; root=$1 store=$2; shift 2
[[ $root == /* ]] || root=$PWD/$root
[[ $store == /* ]] || store=$root/$store
printf '# now\\n%s\\n# bash\\n%s\\n# user\\n%s\\n# missing\\n' "$(date +%s.%N)" "${BASH_VERSION}" "$(id -un)"
for p; do type -P "$p" >/dev/null || printf ' %s\\n' "$p"; done
for f in "$root" "$store"; do
  printf '# folder %s\\n' "$f"; at=$f; until [[ -e $at ]]; do at=$(dirname -- "$at"); done
  w=no; [[ -d $at && -w $at && -x $at ]] && w=yes
  read -r _ size _ free _ < <(df -PB1 -- "$at" | tail -n 1)
  printf '%s %s %s %s %s\\n' "$([[ -e $f ]] && echo there || echo absent)" "$w" "$size" "$free" "$at"
done"""

Severity = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `do` is what to do about it where it is not ok."""

    rule: str
    severity: Severity
    what: str
    do: str = ""


def check(run: Run) -> None:
    """Look at the host and put the findings into the run's result. Raises Unhealthy where one is an error."""
    target = run.target
    before = time.time()
    probe = target.run(probe_command(target.host)).text
    skew = _skew(probe, before, time.time())
    findings = [Finding("connection", "ok", str(target.host.address or "this machine"))]
    findings += machine(probe, target.host, skew)
    findings += _docker(run, there=_exists(probe)) if target.host.compose else []
    findings += _frozen(run) if _exists(probe) else []
    run.result["findings"] = [asdict(finding) for finding in findings]
    bad = [finding for finding in findings if finding.severity == "error"]
    if bad:
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise Unhealthy(bad[0].what + more, host=run.host, next=bad[0].do or None)


def probe_command(host: Host) -> Command:
    """The one round trip that looks at the machine itself."""
    return bash(_PROBE, host.path, host.backup.directory, *PROGRAMS)


def machine(probe: str, host: Host, skew: float) -> Iterator[Finding]:
    """What the probe says of programs, clock, folders and disks."""
    parts = sections(probe)
    version = parts["bash"][0]
    if tuple(int(part) for part in version.split(".")[:2]) < (4, 4):
        yield Finding("bash", "error", f"bash is {version}, 4.4 or newer is needed", "install a newer bash")
    missing = [name.strip() for name in parts.get("missing", [])]
    if missing:
        packages = ", ".join(dict.fromkeys(PROGRAMS[name] for name in missing))
        yield Finding("programs", "error", f"missing: {', '.join(missing)}", f"install {packages}")
    else:
        yield Finding("programs", "ok", f"bash {version}, {len(PROGRAMS)} programs")
    if skew > SKEW:
        yield Finding("clock", "warning", f"its clock differs by {skew:.0f} s from the one here", "turn NTP on")
    else:
        yield Finding("clock", "ok", "agrees with the one here")
    user = parts["user"][0]
    folders = [(name.removeprefix("folder "), lines[0]) for name, lines in parts.items() if name.startswith("folder ")]
    for rule, (folder, line) in zip(("folder", "backups"), folders, strict=False):
        yield from _folder(rule, folder, line, user, host if rule == "backups" else None)


def _folder(rule: str, folder: str, line: str, user: str, host: Host | None) -> Iterator[Finding]:
    there, writable, size, free, nearest = line.split(" ", 4)
    state = folder if there == "there" else f"{folder} (made when it is needed)"
    if writable == "no":
        command = "sudo install -d -o" if there == "absent" else "sudo chown"
        yield Finding(
            rule, "error", f"user {user} may not write in {nearest}", f"{command} {quote(user)} {quote(folder)}"
        )
        return
    reserve = host.backup.reserve.of(int(size)) if host is not None else 0
    left = f"{int(free) / 1e9:.1f} GB free"
    if int(free) <= reserve:
        yield Finding(rule, "error", f"{folder}: {left}, and backup.reserve keeps {reserve / 1e9:.1f} GB of them",
                      "free some space, or lower `backup: reserve:`")  # fmt: skip
    else:
        yield Finding(rule, "ok", f"{state}, {left}")


def _docker(run: Run, *, there: bool) -> Iterator[Finding]:
    target, host = run.target, run.target.host
    try:
        engine = look_at_engine(target)
    except OpsError as error:
        yield Finding("docker", "error", error.what, error.next or "")
        return
    yield Finding("docker", "ok", f"Docker {engine.version}, Compose {engine.compose_version}, {engine.arch}")
    yield from _swarm(run) if host.deploy.strategy == SWARM else ()
    image = host.tools_image or tools_tag()
    known = image in images_of(target, [image])
    yield Finding("tools image", "ok", image if known else f"{image} comes with the first backup or deploy")
    if not there:
        yield Finding("project", "ok", "not deployed yet")
        return
    try:
        project = recognise_project(target, host)
        stack = look(target, project)
    except OpsError as error:
        yield Finding("project", "error", error.what, error.next or "")
        return
    yield Finding("project", "ok", f"{project}, {len(stack.running)} of {len(stack.containers)} containers run")
    yield from services(stack, host.name)


def _swarm(run: Run) -> Iterator[Finding]:
    seen = swarm.look(run.target, "")
    if seen.manager:
        yield Finding("swarm", "ok", f"it leads a Swarm: {', '.join(seen.nodes)}")
    else:
        do = "take `live-restore` out of its daemon.json; " if seen.live_restore else ""
        yield Finding("swarm", "error", f"it leads no Swarm ({seen.state})", f"{do}inv host.swarm --host {run.host}")


def _frozen(run: Run) -> Iterator[Finding]:
    found = freeze.read(run.target)
    if found is not None:
        what = f"frozen by {found.by} since {found.at}: {found.why}"
        yield Finding("freeze", "warning", what, f"inv deploy --host {run.host} --unfreeze, when that is over")


def services(stack: Stack, host: str) -> Iterator[Finding]:
    """A finding for each container that is plainly not well."""
    for container in stack.containers:
        if trouble := _trouble(container):
            do = f"inv logs --host {host} --service {container.service}"
            yield Finding("service", "error", f"{container.service}: {trouble}", do)


def _trouble(container: Container) -> str:
    if container.one_off:
        return ""
    if container.state in ("restarting", "dead", "paused"):
        return f"it is {container.state}"
    if container.state == "exited" and container.exit_code:
        return f"it has ended with exit code {container.exit_code}"
    return "its health check fails" if container.health == "unhealthy" else ""


def _skew(probe: str, before: float, after: float) -> float:
    there = float(sections(probe)["now"][0])
    return max(0.0, before - there, there - after)


def _exists(probe: str) -> bool:
    return any(line[0].startswith("there") for name, line in sections(probe).items() if name.startswith("folder "))
