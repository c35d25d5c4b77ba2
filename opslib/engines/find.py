"""Which engines run in which containers: by looking for the server's process and its tools inside, so that every image
made on top of one (pgvector, postgis, one's own) counts. One round trip for all containers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opslib.command import Command, Secret
from opslib.compose.script import docker_script, read_all
from opslib.engines.instance import Instance

if TYPE_CHECKING:
    from opslib.compose.stack import Container, Stack
    from opslib.settings.model import Host
    from opslib.target.base import Target

# What a secret's `*_FILE` variable names is read inside, where the file is.
_SECRETS = (
    "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "POSTGRESQL_USERNAME", "POSTGRESQL_PASSWORD",
    "REDIS_PASSWORD", "VALKEY_PASSWORD",
)  # fmt: skip

# POSIX sh, busybox too. A postmaster's working folder is its data folder (root may not see it without SYS_PTRACE, then
# the variable says it), and the first line of postmaster.pid there is its process id; then come folder, start, port,
# socket folder, address. Redis shows its port in its title; where it keeps its data it is asked itself.
_INSIDE = r"""
for p in /proc/[0-9]*; do
  IFS= read -r name <"$p/comm" || continue
  case $name in
  postgres|postmaster) d=$(readlink "$p/cwd") || d=$PGDATA
    [ "$(sed -n 1p "$d/postmaster.pid")" = "${p#/proc/}" ] && command -v pg_dump >&2 && command -v psql >&2 || continue
    printf 'kind postgres\ndata %s\n' "$d"
    printf 'port %s\nsocket %s\naddress %s\n' \
      "$(sed -n 4p "$d/postmaster.pid")" "$(sed -n 5p "$d/postmaster.pid")" "$(sed -n 6p "$d/postmaster.pid")"
    printf 'version %s\nowner %s\nclient %s\n' \
      "$(cat "$d/PG_VERSION")" "$(stat -c %u:%g "$d")" "$(pg_dump --version)" ;;
  redis-server|valkey-server) command -v redis-cli >&2 || continue; d=$(readlink "$p/cwd")
    title=$(tr '\0' ' ' <"$p/cmdline"); case $title in *'[sentinel]'*) continue ;; esac
    printf 'kind redis\ndata %s\ntitle %s\n' "$d" "$title"
    printf 'owner %s:%s\n' "$(sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/\1/p' "$p/status")" \
      "$(sed -n 's/^Gid:[[:space:]]*\([0-9]*\).*/\1/p' "$p/status")"
    cat /usr/local/etc/redis/redis.conf /etc/redis/redis.conf /etc/redis.conf "$d/redis.conf" |
      sed -n 's/^[[:space:]]*requirepass[[:space:]]\{1,\}/conf /p' ;;
  mongod|mysqld|mariadbd|beam.smp|qdrant|java|clickhouse*|influxd|etcd|neo4j|weaviate|milvus|meilisearch|nats-server)
    printf 'process %s\n' "$name"; continue ;;
  *) continue ;;
  esac
  printf 'path %s\n' "$PATH"
  for v in SECRETS; do
    eval "f=\${${v}_FILE:-}"; [ -n "$f" ] && [ -r "$f" ] && printf 'secret %s %s\n' "$v" "$(cat "$f")"
  done
done 2>/dev/null
printf 'looked\n'""".replace("SECRETS", " ".join(_SECRETS))

_LOOK = """text=$1; shift; fds=()
for c; do exec {fd}< <(docker exec "$c" sh -c "$text" </dev/null 2>/dev/null); fds+=("$fd"); done
for fd in "${fds[@]}"; do
  printf '# container\\npid %s\\n' "$(docker inspect --format '{{.State.Pid}}' "$1" 2>/dev/null)"; shift
  while IFS= read -r line <&"$fd"; do printf '%s\\n' "$line"; done
done"""


@dataclass(frozen=True, slots=True)
class Login:
    """What the host file says about logging in to the engine of a service."""

    user: str | None = None
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found in a container: an engine of ours, or the names of processes that are known to be databases.
    `passwords` are those worth trying with Redis, the likeliest first; `looked` is false where there is no shell."""

    container: Container
    instance: Instance | None = None
    passwords: tuple[Secret, ...] = field(default=(), repr=False)
    processes: tuple[str, ...] = ()
    looked: bool = False


def look_command(host: Host, containers: Sequence[str]) -> Command:
    """The one round trip of `look_inside`."""
    return docker_script(host, _LOOK, _INSIDE, *containers)


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
    """The engines that run in the stack, logged in. Two round trips, and one more for each Redis with a password.

    Raises OpsError where an engine accepts none of the passwords that were found.
    """
    from opslib.engines import redis

    found = []
    for seen in look_inside(target, stack, logins):
        if seen.instance is not None:
            redis_at = seen.instance.kind == "redis"
            found.append(redis.logged_in(target, seen.instance, seen.passwords) if redis_at else seen.instance)
    return found


def parse_seen(container: Container, text: str, login: Login) -> Seen:
    """What the look printed for one container. The first engine found counts."""
    facts: dict[str, str] = {}
    secrets: dict[str, str] = {}
    processes: list[str] = []
    configured: list[str] = []
    for line in text.split("\n"):
        word, _, rest = line.partition(" ")
        if word == "process":
            processes.append(rest)
        elif word == "secret":
            name, _, value = rest.partition(" ")
            secrets.setdefault(name, value)
        elif word == "conf":
            configured.append(_unquoted(rest))
        elif word:
            facts.setdefault(word, rest)
    looked = "looked" in facts
    values = {**container.env, **secrets}
    if facts.get("kind") == "postgres":
        return Seen(container, _postgres(container, facts, values, login), (), tuple(processes), looked)
    if facts.get("kind") == "redis":
        words = [*container.entrypoint, *container.command]
        given = [values.get(name) for name in ("REDIS_PASSWORD", "VALKEY_PASSWORD", "REDISCLI_AUTH")]
        given += [words[at + 1] for at, word in enumerate(words[:-1]) if word == "--requirepass"]
        tried = [login.password] if login.password is not None else [Secret(p) for p in [*given, *configured] if p]
        return Seen(container, _redis(container, facts), tuple(dict.fromkeys(tried)), tuple(processes), looked)
    return Seen(container, None, (), tuple(processes), looked)


def _postgres(container: Container, facts: Mapping[str, str], env: Mapping[str, str], login: Login) -> Instance:
    user = login.user or env.get("POSTGRES_USER") or env.get("POSTGRESQL_USERNAME") or "postgres"
    password = login.password or Secret(env.get("POSTGRES_PASSWORD") or env.get("POSTGRESQL_PASSWORD") or "")
    variables: dict[str, str | Secret] = {"PATH": facts["path"], "PGUSER": user, "PGPORT": facts["port"]}
    address = facts.get("address", "").split(",")[0].strip()
    variables["PGHOST"] = facts.get("socket") or ("127.0.0.1" if address in ("*", "0.0.0.0", "") else address)
    if password:
        variables["PGPASSWORD"] = password
    return Instance(
        kind="postgres", service=container.service, container=container.name, image=container.image,
        version=facts.get("version", ""), data=facts["data"], pid=int(facts["pid"] or 0), user=facts["owner"],
        port=int(facts["port"]), id=container.id, client=facts.get("client", ""), env=variables,
    )  # fmt: skip


def _redis(container: Container, facts: Mapping[str, str]) -> Instance:
    port = re.search(r":(\d+)(?: \[\w+\])?\s*$", facts.get("title", ""))
    return Instance(
        kind="redis", service=container.service, container=container.name, image=container.image, version="",
        data=facts["data"], pid=int(facts["pid"] or 0), user=facts["owner"],
        port=int(port[1]) if port and port[1] != "0" else 6379, id=container.id, env={"PATH": facts["path"]},
    )  # fmt: skip


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == "'" else value
