"""What nginx itself says of the servers behind it, counted in an access log of opslib's own.

Only its access log knows which server answered a request, with which status, and how fast. While a new version is tried
two files stand beside the upstreams: `opslib.conf` in the http block that includes them, which adds a log to those that
there are, and `opslib.log` with the same line, for a server block that has logs of its own and so takes over none from
the http block: it asks for it with `include FOLDER/*.log;`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from opslib.compose.script import docker_script
from opslib.proxy.directives import Directive

if TYPE_CHECKING:
    from opslib.command import Command
    from opslib.settings.model import Host

FILES = _HTTP, _SERVER = "opslib.conf", "opslib.log"
"""The two files; no service's file can be called so."""

LOG = "/dev/shm/opslib.log"
"""The log, in nginx's container: memory, which is there and may be written also where the root is read-only."""

_PASSES = ("proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass")
_LINE = f"access_log {LOG} opslib if=$upstream_addr;\n"
_FORMAT = "log_format opslib '$upstream_addr|$upstream_status|$upstream_response_time';\n"

_READ = r"""[ -e "$1" ] || { echo 0; exit 0; }
size=$(wc -c <"$1"); from=$2
[ "$size" -ge "$from" ] || from=0
if [ "$size" -lt 8000000 ]; then echo "$size"; else echo 0; fi
tail -c "+$((from + 1))" "$1" | head -c "$((size - from))"
[ "$size" -lt 8000000 ] || : >"$1"
"""
# POSIX sh for inside the container: $1 the log, $2 how far it was read. Prints how far it is read now, and what came
# since. It is emptied before it fills the memory.
_COUNT = """l=label=com.docker.compose
c=$(docker ps -q --filter "$l.project=$1" --filter "$l.service=$2" --filter "$l.oneoff=False" --filter status=running)
docker exec "${c%%$'\\n'*}" sh -c "$3" sh "$4" "$5" |
  { IFS= read -r now || exit; echo "$now"; LC_ALL=C sort | uniq -c; }"""


@dataclass(frozen=True, slots=True)
class Counted:
    """Whose requests are counted: `blocks` pass requests on and are, `without` are not, as they have logs of their own.
    `default`: the http block says nothing of logs, so that nginx's own default would end with another one."""

    blocks: tuple[str, ...]
    without: tuple[str, ...]
    default: bool


def counted(configuration: Iterable[Directive], folder: str) -> Counted:
    """What a log in the http block would count, and what the file for servers would, where they include it from the
    folder `folder` of the container."""
    blocks: list[str] = []
    without: list[str] = []
    default = True
    for http in configuration:
        if http.name == "http":
            logs = _logs(http)
            default = default and not logs
            for name, seen in _passing(http, "", "off" not in logs, folder):
                (blocks if seen else without).append(name)
    return Counted(tuple(dict.fromkeys(blocks)), tuple(dict.fromkeys(without)), default)


def texts(default: str | None) -> dict[str, str]:
    """The two files by their names. `default`: nginx's own log, which goes on where there is no other."""
    own = f"access_log {default} combined;\n" if default is not None else ""
    return {_HTTP: f"{_FORMAT}{own}{_LINE}", _SERVER: _LINE}


def read_command(host: Host, project: str, words: Sequence[str], start: int) -> Command:
    """As `kinds.counts_command`: equal lines become one."""
    return docker_script(host, _COUNT, project, words[0], _READ, LOG, str(start))


def default_log(version: str) -> str:
    """Where nginx logs requests when nobody says so, from what `nginx -V` prints."""
    built = dict(word[2:].split("=", 1) for word in version.split() if word.startswith("--") and "=" in word)
    return built.get("http-log-path", "logs/access.log")


def _passing(block: Directive, name: str, seen: bool, folder: str) -> Iterator[tuple[str, bool]]:
    """The blocks inside that pass requests on, and whether the log sees these."""
    for one in block.inside:
        if not one.inside:
            continue
        called = f"{name} {_called(one)}".strip()
        logs, asked = _logs(one), _asks(one, folder)
        there = "off" not in logs and asked if logs or asked else seen
        if any(inner.name in _PASSES for inner in one.inside):
            yield called, there
        yield from _passing(one, called, there, folder)


def _logs(block: Directive) -> list[str]:
    return [one.words[1] for one in block.inside if one.name == "access_log" and len(one.words) > 1]


def _asks(block: Directive, folder: str) -> bool:
    """Whether the block includes the file for servers."""
    path = posixpath.join(folder, _SERVER)
    return any(one.name == "include" and fnmatchcase(path, one.words[-1]) for one in block.inside)


def _called(block: Directive) -> str:
    """`server www.example.com`, or by what it listens on; `location /api`."""
    if block.name != "server":
        return " ".join(block.words)
    said = {one.name: " ".join(one.words[1:]) for one in block.inside if one.name in ("server_name", "listen")}
    return f"server {said.get('server_name') or said.get('listen') or ''}".strip()
