"""A watchdog on the server: it puts stopped services back by itself when the run that stopped them is gone.

It waits for the project's lock. When the lock comes free while it is still armed, the run has died with its controller
or its line, and the watchdog does what it was told, under the lock, so that a returning controller and it never act at
once. As a container with the restart policy `unless-stopped` it survives a reboot of the server; without the tools
image it is a detached shell.
"""

from __future__ import annotations

import zlib
from importlib import resources

from opslib.command import bash
from opslib.errors import OpsError
from opslib.run.step import Run
from opslib.target.base import Target
from opslib.target.docker import docker
from opslib.target.transfer import put_bytes

# setsid and closed descriptors: neither the end of the command nor of the session may reach it, and it must not hold
# the run's own lock.
_DETACH = 'setsid nohup bash "$@" </dev/null >/dev/null 2>&1 3<&- 4>&- 5>&- 6>&- 8>&- 9>&- &'
_REFUSED = "no container watches here"  # a fact of the run: it is not tried a second time


def arm(run: Run, script: str, image: str | None = None, after: float = 0, id: str = "") -> bool:
    """Leave `script` (bash text without secrets, docker commands with absolute paths) to be run by the server itself.

    Call it before the first service is stopped; `image` is the tools image if it is there. Armed again it replaces
    the script. The script is run again when it fails, up to 30 times; TRY counts from 0. `after`: it is not run before
    so many seconds, unless the machine or its engine is started anew. `id` in place of the run's, for one that goes on
    when the run has ended. Returns whether a container watches.
    """
    target, folder, id = run.target, run.target.state, id or run.id
    put_bytes(target, _text().encode(), f"{folder}/watchdog.bash", mode=0o640)
    put_bytes(target, script.encode("utf-8", "surrogateescape"), f"{folder}/armed.{id}", mode=0o660)
    words = [f"{folder}/watchdog.bash", folder, id, str(round(after))]
    contained = image is not None and not run.facts.get(_REFUSED) and _in_container(target, id, image, words)
    if not contained:
        run.facts[_REFUSED] = image is not None
        target.run(bash(_DETACH, *words))
        if not _watching(target, id):
            raise OpsError(
                "the watchdog did not start: nothing would bring the services back if this machine were gone",
                host=run.host,
                left="everything: no service was stopped",
                next=f"look at {folder}/watchdog.log and whether setsid, nohup and flock are there",
            )
    return contained


def armed(target: Target, run_id: str) -> bool:
    """Whether the watchdog of a run would still act: it was neither called off nor has it done its work."""
    return target.run(bash('[ -e "$1/armed.$2" ]', target.state, run_id), check=False).ended.ok


def fired(target: Target, run_id: str) -> bool:
    """Whether the watchdog of a run has done its work."""
    return target.run(bash('[ -e "$1/fired.$2" ]', target.state, run_id), check=False).ended.ok


def disarm(target: Target, run_id: str) -> None:
    """Call the watchdog of a run off; nothing happens when there is none."""
    target.run(
        bash(
            'rm -f -- "$1/armed.$2" "$1/fired.$2" "$1/watching.$2"; shift 2; "$@" >/dev/null 2>&1; true',
            target.state,
            run_id,
            *target.host.docker,
            "rm",
            "-f",
            _name(target, run_id),
        )
    )


def _in_container(target: Target, run_id: str, image: str, words: list[str]) -> bool:
    """Start it as a container that runs in the machine's own namespaces; False where that is refused (rootless)."""
    removal = [*target.host.docker, "rm", "-f", _name(target, run_id)]
    target.run(docker(target.host, "rm", "-f", _name(target, run_id)), check=False)
    started = target.run(
        docker(
            target.host, "run", "-d", "--name", _name(target, run_id), "--restart", "unless-stopped", "--pull", "never",
            "--privileged", "--pid", "host", "--network", "none", "--user", "0:0", "--label", "opslib=1",
            image, "nsenter", "-t", "1", "-m", "-n", "--", "bash", *words, *removal,
        ),
        check=False,
    )  # fmt: skip
    if started.ended.ok and _watching(target, run_id, _name(target, run_id)):
        return True
    target.run(docker(target.host, "rm", "-f", _name(target, run_id)), check=False)
    return False


# $1 the file that it makes, then the command that says how its container is, if it has one: `running` or worse
_WATCHING = """file=$1; shift
for ((i = 0; i < 50; i++)); do
  [[ -e $file ]] && exit 0
  (($# == 0)) || [[ $("$@" 2>/dev/null) == @(created|running) ]] || exit 1
  sleep .1
done; exit 1"""


def _watching(target: Target, run_id: str, container: str = "") -> bool:
    """Whether the watchdog says, within a few seconds, that it is up; a container that has ended never will."""
    state = [*target.host.docker, "inspect", "--format", "{{.State.Status}}", container] if container else []
    return target.run(bash(_WATCHING, f"{target.state}/watching.{run_id}", *state), check=False).ended.ok


def _name(target: Target, run_id: str) -> str:
    """The container's name: of one run there may be several on an engine, each of another project."""
    return f"opslib-watchdog-{run_id}-{zlib.crc32(target.state.encode(errors='surrogateescape')):08x}"


def _text() -> str:
    return resources.files("opslib.run").joinpath("watchdog.bash").read_text(encoding="utf-8")
