"""The password of a database's user: set, and tried. It is never in an argument, nor in the server's own log where the
server can be told a digest instead."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opslib.command import Secret
from opslib.engines import mongo, mysql, postgres, redis
from opslib.engines.redis_acl import word
from opslib.errors import CommandFailed, OpsError

if TYPE_CHECKING:
    from opslib.engines.instance import Instance
    from opslib.target.base import Target

_ITERATIONS = 4096  # PostgreSQL's own
REDIS_USER = "default"
"""The one whose password `requirepass` is."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a kind of server is asked: whether it lets us in as we are, to set a user's password, and whether it lets
    that user in from the network at an address."""

    enters: Callable[[Target, Instance], bool]
    put: Callable[[Target, Instance, str, str], object]
    takes: Callable[[Target, Instance, str, str, str], bool]


def admin(target: Target, at: Instance, passwords: Sequence[Secret]) -> Instance:
    """The instance, logged in as its container says, or with the first of these passwords that it takes. Raises
    OpsError where it takes none."""
    for password in (None, *passwords):
        tried = at if password is None else _as(at, password.reveal())
        if _KINDS[at.kind].enters(target, tried):
            return tried
    raise OpsError(
        f"the {at.kind} server in service {at.service} takes neither the old nor the new password of its administrator",
        host=target.host.name, left="its passwords as they are", next=f"docker logs --tail 50 {at.container}",
    )  # fmt: skip


def put(target: Target, at: Instance, user: str, password: Secret) -> None:
    """Give the user this password. Raises OpsError with the server's own words."""
    _KINDS[at.kind].put(target, at, user, password.reveal())


def takes(target: Target, at: Instance, user: str, password: Secret, address: str) -> bool:
    """Whether the user may log in with it as other containers do. `address`: the container's own in its network, "" for
    none. Raises OpsError for an answer that says neither."""
    return _KINDS[at.kind].takes(target, at, user, password.reveal(), address)


def asks(target: Target, at: Instance, user: str, address: str) -> bool:
    """Whether it asks for a password at all: it refuses one that nobody has."""
    return not takes(target, at, user, Secret(secrets.token_hex(16)), address)


def _login(at: Instance, password: str) -> dict[str, Secret]:
    """The variables that log in with another password."""
    if at.kind == "mongo":
        return {"MONGO_PASSWORD": Secret(password),
                "MONGO_CONFIG": Secret(f"password: {json.dumps(password, ensure_ascii=False)}")}  # fmt: skip
    return {{"postgres": "PGPASSWORD", "mysql": "MYSQL_PWD", "redis": "REDISCLI_AUTH"}[at.kind]: Secret(password)}


def _as(at: Instance, password: str, **others: str) -> Instance:
    return replace(at, env={**at.env, **others, **_login(at, password)})


# -- PostgreSQL


def _postgres_asked(target: Target, at: Instance, sql: str) -> list[str]:
    cmd = postgres.psql(target.host, at, postgres.DOOR, b"", limit=60).with_(feed=Secret(sql))
    try:
        return target.run(cmd).lines
    except CommandFailed as error:
        raise postgres.refused(target, at, postgres.DOOR, error.stderr or error.what) from None


def _postgres_enters(target: Target, at: Instance) -> bool:
    try:
        return _postgres_asked(target, at, "select 1;") == ["1"]
    except OpsError as error:
        if "authentication failed" in error.what or "no password supplied" in error.what:
            return False
        raise


def _postgres_put(target: Target, at: Instance, user: str, password: str) -> None:
    (how,) = _postgres_asked(target, at, "show password_encryption;")
    digest = md5(user, password) if how in ("md5", "on") else scram(password)
    name = user.replace('"', '""')
    _postgres_asked(target, at, f"alter role \"{name}\" password '{digest}';")


def _postgres_takes(target: Target, at: Instance, user: str, password: str, address: str) -> bool:
    """From the network: the images let everybody in who comes by the socket or from 127.0.0.1."""
    return _postgres_enters(target, _as(at, password, PGUSER=user, **({"PGHOST": address} if address else {})))


def scram(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL keeps of a password (RFC 5803), as its own clients send it: the server never sees more."""
    salt = secrets.token_bytes(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    texts = [base64.b64encode(one).decode() for one in (salt, stored, hmac.digest(salted, b"Server Key", "sha256"))]
    return f"SCRAM-SHA-256${_ITERATIONS}:{texts[0]}${texts[1]}:{texts[2]}"


def md5(user: str, password: str) -> str:
    """The same of a server that is set to its older way."""
    return "md5" + hashlib.md5(f"{password}{user}".encode(), usedforsecurity=False).hexdigest()


# -- MySQL and MariaDB


def _mysql_enters(target: Target, at: Instance) -> bool:
    try:
        return mysql.ask(target, at, "select 1;") == [["1"]]
    except mysql.ServerSaid as error:
        if "Access denied" in error.what:
            return False
        raise


def _mysql_put(target: Target, at: Instance, user: str, password: str) -> None:
    """Each account of that name: one for every place that it may come from."""
    hosts = mysql.ask(target, at, f"select host from mysql.user where {mysql.same('user', user)};")
    if not hosts:
        raise mysql.refused(target, at, f"there is no user {user}", left="its passwords as they are")
    wanted = [f"alter user {_quoted(user)}@{_quoted(host)} identified by {_quoted(password)};" for (host,) in hosts]
    mysql.ask(target, at, Secret("\n".join(["set session sql_mode = '';", *wanted])))


def _quoted(text: str) -> str:
    """A string under the empty SQL mode; accounts and passwords cannot be written otherwise."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _mysql_takes(target: Target, at: Instance, user: str, password: str, address: str) -> bool:
    return _mysql_enters(target, _as(at, password, MYSQL_USER=user))


# -- Redis


def _redis_enters(target: Target, at: Instance) -> bool:
    try:
        redis.ask(target, at, "info", "server")
    except redis.Refused as error:
        if error.said.startswith(redis.WRONG):
            return False
        raise
    return True


def _redis_put(target: Target, at: Instance, user: str, password: str) -> None:
    redis.ask(target, at, feed=f"config set requirepass {word(password.encode())}\n".encode())


def _redis_takes(target: Target, at: Instance, user: str, password: str, address: str) -> bool:
    return _redis_enters(target, _as(at, password))


# -- MongoDB


def _mongo_enters(target: Target, at: Instance) -> bool:
    try:
        mongo.ask(target, at, mongo.command("admin", hello=1))
    except OpsError as error:
        if "does not take the password" in error.what:
            return False
        raise
    return True


def _mongo_put(target: Target, at: Instance, user: str, password: str) -> None:
    database = json.dumps(str(at.env.get("MONGO_AUTH_DATABASE") or "admin"))
    call = f"{{updateUser: {json.dumps(user)}, pwd: process.env.OPSLIB_PASSWORD}}"
    named = replace(at, env={**at.env, "OPSLIB_PASSWORD": Secret(password)})
    mongo.ask(target, named, f"db.getSiblingDB({database}).runCommand({call})")


def _mongo_takes(target: Target, at: Instance, user: str, password: str, address: str) -> bool:
    return _mongo_enters(target, _as(at, password, MONGO_USER=user))


_KINDS = {
    "postgres": _Kind(_postgres_enters, _postgres_put, _postgres_takes),
    "mysql": _Kind(_mysql_enters, _mysql_put, _mysql_takes),
    "redis": _Kind(_redis_enters, _redis_put, _redis_takes),
    "mongo": _Kind(_mongo_enters, _mongo_put, _mongo_takes),
}
KINDS = frozenset(_KINDS)
"""The engines whose users' passwords can be set."""
