"""Which engines run in which containers: by looking for the server's process and its tools inside, so that every image
made on top of one (pgvector, postgis, one's own) counts. One round trip for all containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from opslib.command import Command, Secret
from opslib.compose.script import docker_script, read_all
from opslib.engines import others
from opslib.engines.engine import first
from opslib.engines.instance import Instance, Login
from opslib.engines.known import ENGINES

if TYPE_CHECKING:
    from opslib.compose.stack import Container, Stack
    from opslib.settings.model import Host
    from opslib.target.base import Target

# POSIX sh, busybox too. `missing` leaves a server without the tools that opslib needs to be named, not used; `bare`
# says that they may come from another image, if the host file names one. `setup` is said in the first 40 s of a
# container whose server did not take the place of the shell that began it: an image starts it once for itself, to make
# users and databases, and stops it again. One that stays in a shell's care is taken after that time.
_INSIDE = r"""
missing() { printf 'process %s\n' "$name"; }
setting_up() {
  read -r up _ </proc/uptime; IFS= read -r stat </proc/1/stat; set -- ${stat##*) }
  [ $(( ${up%.*} - ${20} / 100 )) -lt 40 ] || return 0
  a=${p#/proc/}
  while IFS= read -r stat <"/proc/$a/stat"; do
    set -- ${stat##*) }; a=$2; IFS= read -r c <"/proc/$a/comm" || return 0
    case $c in sh|ash|bash|dash|docker-entrypoi) printf 'setup\n'; return ;; esac
  done
}
for p in /proc/[0-9]*; do
  IFS= read -r name <"$p/comm" || continue
  case $name in
ARMS  NAMED|clickhouse*) missing; continue ;;
  *) continue ;;
  esac
  printf 'path %s\n' "$PATH"
  for v in SECRETS; do
    eval "f=\${${v}_FILE:-}"; [ -n "$f" ] && [ -r "$f" ] && printf 'secret %s %s\n' "$v" "$(cat "$f")"
  done
done 2>/dev/null
printf 'looked\n'"""


@cache
def _inside() -> str:
    arms = "".join(
        f"  {'|'.join(one.processes)}) {one.inside.strip()}\n    printf 'kind {one.kind}\\n'"
        f"{'; setting_up' if one.sets_up else ''} ;;\n"
        for one in ENGINES.values()
    )
    secrets = dict.fromkeys(name for one in ENGINES.values() for name in one.secrets)
    own = {name for one in ENGINES.values() for name in one.processes}
    named = "|".join(name for name in others.PROCESSES if name not in own)
    return _INSIDE.replace("ARMS", arms).replace("SECRETS", " ".join(secrets)).replace("NAMED", named)


_LOOK = """text=$1; shift; fds=()
for c; do exec {fd}< <(docker exec "$c" sh -c "$text" </dev/null 2>/dev/null); fds+=("$fd"); done
for fd in "${fds[@]}"; do
  printf '# container\\npid %s\\n' "$(docker inspect --format '{{.State.Pid}}' "$1" 2>/dev/null)"; shift
  while IFS= read -r line <&"$fd"; do printf '%s\\n' "$line"; done
done"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found in a container: an engine of ours, or the names of processes that are known to be databases.
    `passwords` are those worth trying, the likeliest first; `looked` is false where there is no shell."""

    container: Container
    instance: Instance | None = None
    passwords: tuple[Secret, ...] = field(default=(), repr=False)
    processes: tuple[str, ...] = ()
    looked: bool = False


def look_command(host: Host, containers: Sequence[str]) -> Command:
    """The one round trip of `look_inside`."""
    return docker_script(host, _LOOK, _inside(), *containers)


def look_inside(target: Target, stack: Stack, logins: Mapping[str, Login] | None = None) -> list[Seen]:
    """What runs in each running container of the stack. `logins` are by service."""
    containers = [one for one in stack.containers if one.state == "running" and not one.one_off]
    if not containers:
        return []
    text = read_all(target, look_command(target.host, [one.id for one in containers]))
    parts = text.split("# container\n")[1:]
    return [
        parse_seen(container, part, (logins or {}).get(container.service, Login()))
        for container, part in zip(containers, parts, strict=True)
    ]


def find_instances(target: Target, stack: Stack, logins: Mapping[str, Login] | None = None) -> list[Instance]:
    """The engines that run in the stack, logged in. Two round trips, and one more for each engine that has to be
    asked which password it takes.

    Raises OpsError where an engine accepts none of the passwords that were found.
    """
    return [
        ENGINES[seen.instance.kind].log_in(target, seen.instance, seen.passwords)
        for seen in look_inside(target, stack, logins)
        if seen.instance is not None
    ]


def parse_seen(container: Container, text: str, login: Login) -> Seen:
    """What the look printed for one container. The first engine found counts."""
    facts: dict[str, list[str]] = {}
    for line in text.split("\n"):
        word, _, rest = line.partition(" ")
        if word:
            facts.setdefault(word, []).append(rest)
    looked, processes = "looked" in facts, tuple(facts.get("process", ()))
    engine = ENGINES.get(first(facts, "kind"))
    if engine is None or ("bare" in facts and not login.tools_image):
        return Seen(container, None, (), processes, looked)
    secrets = dict(line.partition(" ")[::2] for line in reversed(facts.get("secret", ())))
    instance, passwords = engine.instance(container, facts, {**container.env, **secrets}, login)
    instance = replace(instance, setting_up="setup" in facts)
    return Seen(container, instance, tuple(dict.fromkeys(passwords)), processes, looked)
