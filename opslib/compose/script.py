"""Several docker commands in one round trip: a bash text that prints sections, and reading them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.command import Command, bash

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

MOST = 64 * 1024 * 1024  # bytes of a look at an engine; a hundred containers are about 1 MiB
LOOK = 60.0  # seconds a look may take

_DOCKER = 'n=$1; shift; D=("${@:1:n}"); shift "$n"; docker() { command "${D[@]}" "$@"; }'


def docker_script(host: Host, text: str, *args: str, limit: float = LOOK) -> Command:
    """A fixed bash text of our own in which `docker` is what the host file says, with the user's words as `$1`, `$2`.

    A section begins with a line `# NAME`; no line of docker's JSON begins with `#`.
    """
    return bash(f"{_DOCKER}\n{text}", str(len(host.docker)), *host.docker, *args, limit=limit)


def read_all(target: Target, cmd: Command) -> str:
    """Everything the command prints, up to 64 MiB: a look at a big stack is more than `Target.run` keeps.

    Raises CommandFailed when it fails or prints more.
    """
    process = target.start(cmd)
    out = bytearray()
    try:
        while got := process.read():
            out += got
            if len(out) > MOST:
                process.kill(f"printed more than {MOST} bytes")
    finally:
        ended = target.finish(process)
    if not ended.ok:
        raise target.failure(cmd, ended)
    return out.decode("utf-8", "replace")


def sections(text: str) -> dict[str, list[str]]:
    """The lines below each `# NAME`, empty ones left out."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.split("\n"):
        if line.startswith("# "):
            lines = found.setdefault(line[2:].strip(), [])
        elif line:
            lines.append(line)
    return found
