"""Whose password a variable is: found in what the stack becomes of another value, not configured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from opslib.deploy.render import Config
from opslib.engines.passwords import REDIS_USER

_POSTGRES = {"POSTGRES_PASSWORD": "POSTGRES_USER", "POSTGRESQL_PASSWORD": "POSTGRESQL_USERNAME"}
_MYSQL = {"MYSQL_PASSWORD": "MYSQL_USER", "MARIADB_PASSWORD": "MARIADB_USER"}
_MYSQL_ROOT = ("MYSQL_ROOT_PASSWORD", "MARIADB_ROOT_PASSWORD")
_MONGO = {"MONGO_INITDB_ROOT_PASSWORD": "MONGO_INITDB_ROOT_USERNAME", "MONGODB_ROOT_PASSWORD": "MONGODB_ROOT_USER"}
_REDIS = ("REDIS_PASSWORD", "VALKEY_PASSWORD", "REDISCLI_AUTH")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the database in a service."""

    service: str
    kind: str
    user: str

    def __str__(self) -> str:
        return f"user {self.user} of {self.service}"


def accounts(old: Config, new: Config, kinds: Mapping[str, str], now: str) -> list[Account]:
    """The users whose password differs between both stacks, and is `now` in the new one. `kinds`: the engine in each
    service that is a database. Told by the variables and the command of the database itself, and by the addresses with
    which other services log in to it."""
    found = dict[Account, None]()
    for name, service in new.get("services", {}).items():
        was: Mapping[str, Any] = old.get("services", {}).get(name, {})
        before, after = _variables(was), _variables(service)
        changed = {key: value for key, value in after.items() if value != before.get(key)}
        if name in kinds:
            mine = {key for key, value in changed.items() if value == now}
            users = _USERS[kinds[name]](mine, after) if kinds[name] in _USERS else iter(())
            found.update((Account(name, kinds[name], user), None) for user in users)
            if kinds[name] == "redis" and _requires(was) != _requires(service) == now:
                found[Account(name, "redis", REDIS_USER)] = None
        found.update((account, None) for value in changed.values() for account in _in_address(value, kinds, now))
    return list(found)


def _variables(service: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in (service.get("environment") or {}).items() if value is not None}


def _postgres(mine: set[str], env: Mapping[str, str]) -> Iterator[str]:
    yield from (env.get(user) or "postgres" for key, user in _POSTGRES.items() if key in mine)


def _mysql(mine: set[str], env: Mapping[str, str]) -> Iterator[str]:
    yield from ("root" for key in _MYSQL_ROOT if key in mine)
    yield from (env[user] for key, user in _MYSQL.items() if key in mine and env.get(user))


def _mongo(mine: set[str], env: Mapping[str, str]) -> Iterator[str]:
    yield from (env.get(user) or "root" for key, user in _MONGO.items() if key in mine)


def _redis(mine: set[str], env: Mapping[str, str]) -> Iterator[str]:
    yield from (REDIS_USER for key in _REDIS if key in mine)


_USERS = {"postgres": _postgres, "mysql": _mysql, "mongo": _mongo, "redis": _redis}


def _requires(service: Mapping[str, Any]) -> str | None:
    """The password that Redis is started with."""
    words = [*(service.get("entrypoint") or ()), *(service.get("command") or ())]
    return next((words[at + 1] for at, word in enumerate(words[:-1]) if word == "--requirepass"), None)


def _in_address(value: str, kinds: Mapping[str, str], now: str) -> Iterator[Account]:
    """Who logs in where with an address like postgres://app:secret@db/app."""
    try:
        parts = urlsplit(value)
        password, user, place = unquote(parts.password or ""), unquote(parts.username or ""), parts.hostname or ""
    except ValueError:
        return
    if password != now or place not in kinds or kinds[place] not in _USERS:
        return
    if user or kinds[place] == "redis":
        yield Account(place, kinds[place], user or REDIS_USER)
