"""Asking Redis (and Valkey): what its tools print, and what that means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opslib.command import Command, Secret, quote
from opslib.engines.engine import Engine, Facts, first
from opslib.engines.instance import Instance, Login
from opslib.errors import CommandFailed, OpsError
from opslib.target.process import mask

if TYPE_CHECKING:
    from opslib.compose.stack import Container
    from opslib.target.base import Target

Counts = dict[str, dict[str, int]]
Functions = dict[str, list[str]]
"""By library the names of its functions."""

NO_SET = "everything: no backup set was made"
RIGHTS = "+info +config|get +bgsave +function|list +acl|list +acl|setuser +acl|deluser +acl|save"
"""What the user that opslib logs in as should be allowed: the first three are needed, the others are for functions and
users."""

WRONG = ("NOAUTH", "WRONGPASS", "AUTH failed", "Warning: AUTH failed", "ERR invalid password")
_ERRORS = (*WRONG, "ERR ", "NOPERM ", "LOADING ", "MISCONF ", "(error) ")
_ASKED = ("dir", "dbfilename", "appendonly", "appenddirname", "appendfilename", "databases", "aclfile")
_MERGED = 'exec "$@" 2>&1'  # redis-cli tells only its standard error that it was not let in, and goes on


class Refused(OpsError):
    """Redis answered with an error; `said` is its own text."""

    def __init__(self, what: str, said: str, **more: str | None) -> None:
        self.said = said
        super().__init__(what, **more)


def cli(at: Instance, *words: str) -> tuple[str, ...]:
    """redis-cli as it is called for this server; the password is in its environment."""
    user = str(at.env.get("REDIS_USER", ""))
    return ("redis-cli", "-p", str(at.port), *(["--user", user] if user else []), *words)


def ask(
    target: Target, at: Instance, *words: str, feed: bytes | None = None, limit: float = 30.0, left: str = NO_SET
) -> list[str]:
    """The lines that one command, or those in `feed`, are answered with. Raises Refused: redis-cli exits with 0 on
    errors too."""
    return said(target, at, at.tool(target.host, *cli(at, *words), feed=feed, limit=limit), left=left)


def said(target: Target, at: Instance, cmd: Command, *, left: str = NO_SET) -> list[str]:
    """What a command printed that asks this server. Raises Refused where that is an error."""
    try:
        lines = target.run(cmd).lines
    except CommandFailed as error:
        ended = "redis-cli ended without a word: its container was stopped or started anew"
        wrong = error.stderr.strip() or (ended if 137 in error.codes else error.what)
    else:
        errors = [line for line in lines if line.startswith(_ERRORS)]
        if not errors:
            return lines
        wrong = errors[0]
    what, next_ = _why(at, mask(wrong, cmd.secrets()).strip())
    raise Refused(what, wrong, host=target.host.name, left=left, next=next_)


def _why(at: Instance, wrong: str) -> tuple[str, str]:
    """What an error of the server means, and what to do about it."""
    title, user = f"Redis in service {at.service}", str(at.env.get("REDIS_USER", "default"))
    denied = re.search(r"NOPERM .*?run the '([^']+)'", wrong)
    if denied:
        command = denied[1].replace("|", " ").upper()
        may = f"user {user} of {title} may not run {command}: the right +{denied[1]} is missing"
        return may, f"as a user who may: redis-cli ACL SETUSER {quote(user)} {RIGHTS}"
    unknown = re.search(r"unknown command ['`]?([^'`,]+)", wrong)
    if unknown:
        gone = f"{title} does not know the command {unknown[1].upper()}: it is renamed or switched off there"
        return gone, "take its rename-command out of the configuration, and keep users from it by ACL rules instead"
    return f"{title}: {wrong}", f"docker logs --tail 50 {at.container}"


def logged_in(target: Target, at: Instance, passwords: Sequence[Secret]) -> Instance:
    """The instance with the password that it takes, and its version. Raises OpsError where it takes none of them."""
    user = at.env.get("REDIS_USER")
    for password in (*passwords, Secret("") if user else None):  # a user may need no password, but has to be named
        tried = at if password is None else replace(at, env={**at.env, "REDISCLI_AUTH": password})
        cmd = tried.tool(target.host, "sh", "-c", _MERGED, "sh", *cli(at, "info", "server"), limit=30.0)
        try:
            info = fields(said(target, tried, cmd))
        except Refused as error:
            if error.said.startswith(WRONG):
                continue
            raise
        if "valkey_version" in info:
            return replace(tried, version=f"valkey {info['valkey_version']}")
        if "redis_version" in info:
            return replace(tried, version=info["redis_version"])
    who = f"for user {user} " if user else ""
    raise OpsError(
        f"Redis in service {at.service} takes {who}none of the {len(passwords)} passwords that are known",
        host=target.host.name,
        left="everything: no backup set was made",
        next=f'put `- redis: {{service: {at.service}, password: "${{REDIS_PASSWORD}}"}}` under `backup: sources:`, '
        "with `user: NAME` where users are not let in as `default`",
    )


def config(target: Target, at: Instance, *, left: str = NO_SET) -> dict[str, str]:
    """Where the server keeps what, by the names of its configuration; those that it does not know are "". Before 7.0
    it takes one name at a time."""
    feed = "".join(f"config get {name}\n" for name in _ASKED).encode()
    lines = ask(target, at, feed=feed, left=left)
    found = {name: lines[at + 1] for at, name in enumerate(lines[:-1]) if name in _ASKED}
    return {**dict.fromkeys(_ASKED, ""), **found}


def facts(target: Target, at: Instance) -> dict[str, Any]:
    """Where the server saves, how, and its memory in use (`size`, bytes)."""
    found = config(target, at)
    memory = fields(ask(target, at, "info", "memory"))
    return {
        "server": at.version, "dir": found["dir"] or at.data, "dbfilename": found["dbfilename"] or "dump.rdb",
        "appendonly": found["appendonly"] == "yes", "databases": int(found["databases"] or 16),
        "aclfile": found["aclfile"], "size": int(memory.get("used_memory", 0)),
    }  # fmt: skip


def count(target: Target, at: Instance, *, left: str = NO_SET) -> Counts:
    """The keys of each database, now."""
    return keyspace(ask(target, at, "info", "keyspace", left=left))


def keyspace(lines: Sequence[str]) -> Counts:
    """The counts from `INFO keyspace`: `db0:keys=3,expires=1,avg_ttl=0`."""
    found: Counts = {}
    for name, value in fields(lines).items():
        pairs = dict(pair.split("=", 1) for pair in value.split(",") if "=" in pair)
        if name.startswith("db") and "keys" in pairs:
            keys = int(pairs["keys"])
            found[name] = {"keys": keys, "persistent": keys - int(pairs.get("expires", 0))}
    return found


def functions(target: Target, at: Instance) -> Functions | None:
    """The libraries that are loaded; None where the server does not say, or has none of them (before 7.0)."""
    try:
        return functions_of("".join(ask(target, at, "--json", "function", "list")))
    except Refused:
        return None


def functions_of(text: str) -> Functions | None:
    """The same from what `FUNCTION LIST` answers as JSON; None for anything else."""
    try:
        listed = json.loads(text)
    except ValueError:
        return None
    if not isinstance(listed, list):
        return None
    return {one["library_name"]: sorted(each["name"] for each in one["functions"]) for one in listed}


def fields(lines: Sequence[str]) -> dict[str, str]:
    """`name:value` lines as INFO prints them."""
    pairs = (line.rstrip("\r").split(":", 1) for line in lines if ":" in line and not line.startswith("#"))
    return {words[0]: words[1] for words in pairs}


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
        env={"PATH": first(facts, "path"), **({"REDIS_USER": login.user} if login.user else {})},
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
    instance=_instance, ready=lambda at: cli(at, "ping"),
    data=lambda container, facts: str(facts.get("dir") or "/data"), log_in=logged_in,
)  # fmt: skip
