"""Docker commands as values: what to run in a container, and what to end there when it is broken off.

Children of `docker exec` and `docker run` survive their client in every fault (measured with Engine 26.1), and a
client that is killed first gives the program inside an end of file, which a loader commits. So each command here
carries an `on_break` that ends the inside first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from opslib.command import Command, Secret, command
from opslib.errors import OpsError
from opslib.target.process import new_nonce

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

Env = Mapping[str, str | Secret]

# STOP first: a parent shell would carry on with its next line when its child is killed.
END_INSIDE = (
    "for s in STOP KILL; do for p in /proc/[0-9]*; do "
    'tr "\\0" "\\n" <"$p/environ" 2>/dev/null | grep -qx "OPSLIB=$1" && kill -$s "${p#/proc/}"; done; done'
)


def docker(
    host: Host,
    *args: str,
    env: Env | None = None,
    limit: float | None = None,
    feed: bytes | Secret | None = None,
    streams: bool = False,
    on_break: Command | None = None,
    cwd: str | None = None,
    to: str | None = None,
) -> Command:
    """`docker ARGS` as the host file says it is called there; `env` is the client's own environment."""
    prefix = list(host.docker)
    if env and prefix[0] == "sudo":  # sudo drops the environment unless each name is asked for
        prefix.insert(1, f"--preserve-env={','.join(env)}")
    return command(*prefix, *args, env=env, limit=limit, feed=feed, streams=streams, on_break=on_break, cwd=cwd, to=to)


def exec_in(
    host: Host,
    container: str,
    *argv: str,
    user: str | None = None,
    env: Env | None = None,
    limit: float | None = None,
    feed: bytes | Secret | None = None,
    streams: bool = False,
    to: str | None = None,
) -> Command:
    """`docker exec` of a program in a running container. Its standard input is open only with `feed` or `streams`:
    a dump would drink what is there. `env` reaches the program, by name only on the command line."""
    mark = new_nonce()
    options = ["-i"] if feed is not None or streams else []
    options += ["-u", user] if user is not None else []
    options += ["-e", f"OPSLIB={mark}"]
    for name in env or {}:
        options += ["-e", name]
    as_user = ["-u", user] if user is not None else []
    return docker(
        host, "exec", *options, container, *argv, env=env, limit=limit, feed=feed, streams=streams, to=to,
        on_break=docker(host, "exec", *as_user, container, "sh", "-c", END_INSIDE, "sh", mark),
    )  # fmt: skip


def run_in(
    host: Host,
    image: str,
    *argv: str,
    mounts: Sequence[str] = (),
    options: Sequence[str] = (),
    env: Env | None = None,
    limit: float | None = None,
    feed: bytes | Secret | None = None,
    streams: bool = False,
    to: str | None = None,
    name: str = "",
) -> Command:
    """`docker run --rm` of a program in a fresh container without a network, as root, never pulled.

    `mounts` are `--mount` specifications (`mount(...)` makes one): `-v` would create what does not exist. `options`
    come last and may ask for a network (`--network container:X`).
    """
    name = name or f"opslib-{new_nonce()}"
    flags = ["--rm", "--init", "--name", name, "--pull", "never", "--user", "0:0"]
    flags += [] if "--network" in options else ["--network", "none"]  # two would mean both
    flags += ["--label", "opslib=1", "--log-driver", "none"]
    flags += ["-i"] if feed is not None or streams else []
    for one in mounts:
        flags += ["--mount", one]
    for variable in env or {}:
        flags += ["-e", variable]
    return docker(
        host, "run", *flags, *options, image, *argv, env=env, limit=limit, feed=feed, streams=streams, to=to,
        on_break=docker(host, "rm", "-f", name),  # made and not started, it would stay for ever
    )  # fmt: skip


def whole(target: Target, lines: Sequence[str]) -> Sequence[str]:
    """The lines of an answer without its last one, `end`.

    For answers of which a part would be taken for all of it: `docker run` may lose the end of what its program printed,
    or all of it, and still exit with 0 (docker/cli 28.0: moby/moby issue 49655; seen here with 26.1 on a busy machine).
    Raises OpsError where it is not there.
    """
    if lines and lines[-1] == "end":
        return lines[:-1]
    what = "an answer broke off before its end (docker run may lose what its program prints), so it is not believed"
    raise OpsError(what, host=target.host.name, next="run it again")


def mount(kind: str, source: str, destination: str, *, readonly: bool = False) -> str:
    """A `--mount` specification, quoted as CSV so that any path or name is itself."""
    fields = [f"type={kind}", f"src={source}", f"dst={destination}"]
    if readonly:
        fields.append("readonly")
    return csv(*fields)


def csv(*fields: str) -> str:
    """Fields joined by commas as docker's options take them, quoted where they have to be."""
    return ",".join('"' + field.replace('"', '""') + '"' if _odd(field) else field for field in fields)


def _odd(field: str) -> bool:
    return any(character in field for character in ',"\n\r ')
