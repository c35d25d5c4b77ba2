"""Asking Redis (and Valkey) and making it save: what its tools print, and what that means."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opslib.command import Command, Secret
from opslib.engines.engine import Engine, Facts, first
from opslib.engines.instance import Instance, Login
from opslib.errors import CommandFailed, OpsError
from opslib.target.process import mask

if TYPE_CHECKING:
    from opslib.compose.stack import Container
    from opslib.settings.model import Host
    from opslib.target.base import Target

Counts = dict[str, dict[str, int]]
_ERRORS = ("ERR", "NOAUTH", "WRONGPASS", "NOPERM", "LOADING", "MISCONF", "(error)", "AUTH failed")
SAVING = 3600.0  # seconds that a background save may take

# Saves and waits until the file of exactly this save is there. LASTSAVE counts whole seconds, so a save in the same
# second as the one before could not be told apart: it waits for the next one. Nothing is begun beside another child.
# $1 the port. Prints the keyspace before and after the save began.
_SAVE = r"""port=$1
info() { redis-cli -p "$port" info persistence | tr -d '\r' | sed -n "s/^$1://p"; }
while :; do
  while [ "$(info rdb_bgsave_in_progress)$(info aof_rewrite_in_progress)" != 00 ]; do sleep 0.2; done
  before=$(redis-cli -p "$port" lastsave)
  while [ "$(redis-cli -p "$port" time | sed -n 1p)" -le "$before" ]; do sleep 0.1; done
  said=$(printf 'info keyspace\nbgsave\ninfo keyspace\n' | redis-cli -p "$port")
  case $said in *'already in progress'*|*'scheduled'*|*'AOF'*) sleep 0.5 ;; *) break ;; esac
done
case $said in *'saving started'*) ;; *) printf '%s\n' "$said" >&2; exit 1 ;; esac
while [ "$(info rdb_bgsave_in_progress)" != 0 ]; do sleep 0.1; done
[ "$(info rdb_last_bgsave_status)" = ok ] || { echo "the background save failed, see the log of Redis" >&2; exit 1; }
[ "$(redis-cli -p "$port" lastsave)" -gt "$before" ] || { echo "Redis did not save" >&2; exit 1; }
printf '%s\n' "$said" """


def ask(target: Target, at: Instance, *words: str, limit: float = 30.0) -> list[str]:
    """The lines that one command is answered with. Raises OpsError: redis-cli exits with 0 on errors too."""
    return _said(target, at, at.tool(target.host, "redis-cli", "-p", str(at.port), *words, limit=limit))


def logged_in(target: Target, at: Instance, passwords: Sequence[Secret]) -> Instance:
    """The instance with the password that it takes, and its version. Raises OpsError where it takes none of them."""
    for password in [*passwords, None]:
        tried = at if password is None else replace(at, env={**at.env, "REDISCLI_AUTH": password})
        try:
            info = fields(ask(target, tried, "info", "server"))
        except OpsError:
            continue
        version = info.get("valkey_version") or info.get("redis_version")
        if version:
            return replace(tried, version=version)
    raise OpsError(
        f"Redis in service {at.service} takes none of the {len(passwords)} passwords that its container knows",
        host=target.host.name,
        left="everything: no backup set was made",
        next=f'put `- redis: {{service: {at.service}, password: "${{REDIS_PASSWORD}}"}}` under `backup: sources:`',
    )


def facts(target: Target, at: Instance) -> dict[str, Any]:
    """Where the server saves, how, and its memory in use (`size`, bytes)."""
    asked = ("dir", "dbfilename", "appendonly", "databases")
    script = "info memory\n" + "".join(f"config get {name}\n" for name in asked)
    lines = _said(target, at, at.tool(target.host, "redis-cli", "-p", str(at.port), feed=script.encode(), limit=30.0))
    found = dict.fromkeys(asked, "")
    for name, value in itertools.pairwise(lines):
        if name in found and not found[name]:
            found[name] = value
    memory = fields(lines)
    return {
        "server": at.version, "dir": found["dir"] or at.data, "dbfilename": found["dbfilename"] or "dump.rdb",
        "appendonly": found["appendonly"] == "yes", "databases": int(found["databases"] or 16),
        "size": int(memory.get("used_memory", 0)),
    }  # fmt: skip


def save_command(host: Host, at: Instance) -> Command:
    """Make the server save in the background, and wait for the file."""
    return at.tool(host, "sh", "-c", _SAVE, "sh", str(at.port), limit=SAVING)


def save(target: Target, at: Instance) -> tuple[Counts, Counts]:
    """Save; the keyspace before and after the save began. Raises OpsError when Redis could not save."""
    lines = _said(target, at, save_command(target.host, at))
    at_save = next(number for number, line in enumerate(lines) if "saving started" in line)
    return keyspace(lines[:at_save]), keyspace(lines[at_save:])


def count(target: Target, at: Instance) -> Counts:
    """The keys of each database, now."""
    return keyspace(ask(target, at, "info", "keyspace"))


def keyspace(lines: Sequence[str]) -> Counts:
    """The counts from `INFO keyspace`: `db0:keys=3,expires=1,avg_ttl=0`."""
    found: Counts = {}
    for name, value in fields(lines).items():
        pairs = dict(pair.split("=", 1) for pair in value.split(",") if "=" in pair)
        if name.startswith("db") and "keys" in pairs:
            keys = int(pairs["keys"])
            found[name] = {"keys": keys, "persistent": keys - int(pairs.get("expires", 0))}
    return found


def counts_of_file(checked: Sequence[str], before: Counts, after: Counts) -> Counts:
    """The counts of a saved file. redis-check-rdb knows the sums; the server's own figures by database count where
    they add up to the same."""
    keys, expires = _sum(checked, "keys read"), _sum(checked, "expires")
    total = {"keys": keys, "persistent": keys - expires}
    for seen in (before, after):
        if seen and {name: sum(one[name] for one in seen.values()) for name in total} == total:
            return seen
    return {"all": total} if keys else {}


def fields(lines: Sequence[str]) -> dict[str, str]:
    """`name:value` lines as INFO prints them."""
    pairs = (line.rstrip("\r").split(":", 1) for line in lines if ":" in line and not line.startswith("#"))
    return {words[0]: words[1] for words in pairs}


def _sum(checked: Sequence[str], what: str) -> int:
    for line in checked:
        words = line.replace("[info]", "").split()
        if words[1:] == what.split() and words[0].isdigit():
            return int(words[0])
    raise OpsError(f"redis-check-rdb does not say how many {what}")


def _said(target: Target, at: Instance, cmd: Command) -> list[str]:
    try:
        lines = target.run(cmd).lines
    except CommandFailed as error:
        said = error.stderr or error.what
    else:
        said = lines[0] if lines else ""
        if not said.startswith(_ERRORS):
            return lines
    raise OpsError(
        f"Redis in service {at.service}: {mask(said, cmd.secrets()).strip()}",
        host=target.host.name,
        left="everything: no backup set was made",
        next=f"docker logs --tail 50 {at.container}",
    )


# Redis shows its port in its title; where it keeps its data it is asked itself.
_INSIDE = r"""
    title=$(tr '\0' ' ' <"$p/cmdline"); case $title in *'[sentinel]'*) continue ;; esac
    command -v redis-cli >&2 || { missing; continue; }
    d=$(readlink "$p/cwd"); printf 'data %s\ntitle %s\n' "$d" "$title"
    printf 'owner %s:%s\n' "$(sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/\1/p' "$p/status")" \
      "$(sed -n 's/^Gid:[[:space:]]*\([0-9]*\).*/\1/p' "$p/status")"
    cat /usr/local/etc/redis/redis.conf /etc/redis/redis.conf /etc/redis.conf "$d/redis.conf" |
      sed -n 's/^[[:space:]]*requirepass[[:space:]]\{1,\}/conf /p'
"""


def _instance(
    container: Container, facts: Facts, env: Mapping[str, str], login: Login
) -> tuple[Instance, tuple[Secret, ...]]:
    port = re.search(r":(\d+)(?: \[\w+\])?\s*$", first(facts, "title"))
    at = Instance(
        kind="redis", service=container.service, container=container.name, image=container.image, version="",
        data=first(facts, "data"), pid=int(first(facts, "pid") or 0), user=first(facts, "owner"),
        port=int(port[1]) if port and port[1] != "0" else 6379, id=container.id, network=False,
        env={"PATH": first(facts, "path")},
    )  # fmt: skip
    if login.password is not None:
        return at, (login.password,)
    words = [*container.entrypoint, *container.command]
    given = [env.get(name) for name in ("REDIS_PASSWORD", "VALKEY_PASSWORD", "REDISCLI_AUTH")]
    given += [words[number + 1] for number, word in enumerate(words[:-1]) if word == "--requirepass"]
    given += [_unquoted(line) for line in facts.get("conf", ())]
    return at, tuple(Secret(password) for password in given if password)


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == "'" else value


ENGINE = Engine(
    kind="redis", images="redis|valkey", processes=("redis-server", "valkey-server"), inside=_INSIDE,
    marks=("appendonlydir", "dump.rdb", "appendonly.aof"), secrets=("REDIS_PASSWORD", "VALKEY_PASSWORD"),
    instance=_instance, ready=lambda at: ("redis-cli", "-p", str(at.port), "ping"),
    data=lambda container, facts: str(facts.get("dir") or "/data"), log_in=logged_in,
)  # fmt: skip
