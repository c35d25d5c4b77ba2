"""Speaking with MySQL and MariaDB: how they are found and logged in to, how they are asked and answer.

Both understand the same options of their clients; whose client it is says its name, whose server it is its version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from opslib.command import Command, Secret
from opslib.engines.engine import Engine, Facts, first
from opslib.engines.instance import Instance, Login
from opslib.errors import CommandFailed, OpsError

if TYPE_CHECKING:
    from opslib.compose.stack import Container
    from opslib.settings.model import Host
    from opslib.target.base import Target

Row = list[str]
OWN = ("information_schema", "performance_schema", "sys", "mysql")
"""Databases that every server has."""
_COMPLAINT = re.compile(r"ERROR |Error |[\w./-]{1,40}: ")
_ROOTS = ("MARIADB_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD")
_EMPTY = ("MARIADB_ALLOW_EMPTY_ROOT_PASSWORD", "MYSQL_ALLOW_EMPTY_PASSWORD", "MARIADB_ALLOW_EMPTY_PASSWORD")
_USERS = (("MARIADB_USER", "MARIADB_PASSWORD"), ("MYSQL_USER", "MYSQL_PASSWORD"))


class ServerSaid(OpsError):
    """The server refused what it was asked; `what` has its words."""


def words(at: Instance, program: str) -> list[str]:
    """One of the server's own clients, logged in: `program` is "client" or "dump". No option file is read, since a
    password there would go before the one from the environment."""
    maria = at.client.startswith("mariadb-dump")
    name = {"client": "mariadb" if maria else "mysql", "dump": "mariadb-dump" if maria else "mysqldump"}[program]
    socket = at.env.get("MYSQL_UNIX_PORT")
    way = ["--protocol=socket", f"--socket={socket}"] if socket else ["--protocol=tcp", "--host=127.0.0.1"]
    return [
        name, "--no-defaults", f"--user={at.env['MYSQL_USER']}", *way, *([] if socket else [f"--port={at.port}"]),
        "--default-character-set=utf8mb4", "--max-allowed-packet=1G",
    ]  # fmt: skip


def client(host: Host, at: Instance, script: str | Secret, database: str = "", limit: float = 120.0) -> Command:
    """The client in a database with a script on its standard input. In binary mode no line of it is a command of the
    client's own."""
    options = ["--binary-mode", "--batch", "--skip-column-names", *([f"--database={database}"] if database else [])]
    feed = script if isinstance(script, Secret) else script.encode()
    return at.tool(host, *words(at, "client"), *options, feed=feed, limit=limit)


def ask(
    target: Target, at: Instance, script: str | Secret, database: str = "", *, limit: float = 120.0, left: str = ""
) -> list[Row]:
    """The rows that the SQL answers with, NULL as "NULL". Raises ServerSaid naming the service, with the server's own
    words and never the statement, which may hold a password's hash."""
    try:
        lines = target.run(client(target.host, at, script, database, limit)).lines
    except CommandFailed as error:
        raise refused(target, at, said(error), left=left) from None
    return [[_unescaped(field) for field in line.split("\t")] for line in lines]


def said(error: CommandFailed) -> str:
    """What a client complained of, without the statement that it prints too: there are people's data in that."""
    lines = [line for line in (error.stderr or error.what).splitlines() if _COMPLAINT.match(line)]
    return "\n".join(lines[-3:])[-2000:] or "the client ended without a word"


def refused(target: Target, at: Instance, why: str, *, left: str = "") -> ServerSaid:
    """The error for a server that did not do what it was asked."""
    return ServerSaid(
        f"{title(at)} in service {at.service}: {why}",
        host=target.host.name,
        left=left or "everything: no backup set was made",
        next=f"docker logs --tail 50 {at.container}; user and password can stand under `backup: sources:`",
    )


def logged_in(target: Target, at: Instance, passwords: Sequence[Secret]) -> Instance:
    """The instance with the password that it takes, its version and its data folder. Raises OpsError where it takes
    none of them."""
    denied = ""
    for password in [*passwords, None]:
        tried = at if password is None else replace(at, env={**at.env, "MYSQL_PWD": password})
        try:
            ((version, comment, data),) = ask(target, tried, "select version(), @@version_comment, @@datadir;")
        except ServerSaid as error:
            denied = denied or error.what
            continue
        maria = "mariadb" in f"{version} {comment}".lower() and "mariadb" not in version.lower()
        return replace(tried, version=f"{version}-MariaDB" if maria else version, data=data.rstrip("/") or at.data)
    raise OpsError(
        denied, host=target.host.name, left="everything: no backup set was made",
        next=f'put `- mysql: {{service: {at.service}, user: root, password: "${{MARIADB_ROOT_PASSWORD}}"}}` under '
             "`backup: sources:`",
    )  # fmt: skip


def flavour(at: Instance) -> str:
    """`mariadb` or `mysql`."""
    return "mariadb" if "mariadb" in at.version.lower() else "mysql"


def title(at: Instance) -> str:
    """What the server is called in front of people; before it answered, by its client."""
    maria = "mariadb" in (at.version or at.client).lower()
    return "MariaDB" if maria else "MySQL"


def name(text: str) -> str:
    """An identifier as SQL writes it."""
    return "`" + text.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A string that means itself under every SQL mode."""
    return f"_utf8mb4 0x{text.encode().hex()}" if text else "''"


def same(column: str, text: str) -> str:
    """A condition that holds for exactly this text: a server compares names without their case."""
    return f"{column} = {literal(text)} and cast({column} as binary) = 0x{text.encode().hex()}"


_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "0": "\0"}


def _unescaped(field: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), field)


# Root in a container may not see where another user's process works: its folder is a guess until the server says it.
# The images' first start runs a server that goes away again: what is loaded into that would be lost.
_INSIDE = r"""
    args=$(tr '\0' '\n' <"$p/cmdline")
    given() { printf '%s\n' "$args" | sed -n -e "s/^--$1=//p" -e "/^--$1\$/{n;p;}" | tail -n 1; }
    parent=$(sed -n 's/^PPid:[[:space:]]*//p' "$p/status")
    case $args in *--skip-networking*) case $(cat "/proc/$parent/comm") in docker-entrypoi*) continue ;; esac ;; esac
    if command -v mariadb >&2 && command -v mariadb-dump >&2; then dump=mariadb-dump
    elif command -v mysql >&2 && command -v mysqldump >&2; then dump=mysqldump
    else missing; continue; fi
    d=$(readlink "$p/cwd") || d=$(given datadir)
    s=$(given socket)
    [ -S "$s" ] || s=$(while read -r _ _ _ flags _ _ _ path; do
      case $flags${path##*/} in
      00010000mysqlx*) ;;
      00010000*mysql*|00010000*maria*) [ -S "$path" ] && printf '%s\n' "$path" && break ;;
      esac; done </proc/net/unix)
    printf 'data %s\nsocket %s\nport %s\n' "${d:-/var/lib/mysql}" "$s" "$(given port)"
    printf 'client %s %s\n' "$dump" "$("$dump" --version | sed 's/^[^ ]* *//')"
    printf 'owner %s:%s\n' "$(sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/\1/p' "$p/status")" \
      "$(sed -n 's/^Gid:[[:space:]]*\([0-9]*\).*/\1/p' "$p/status")"
"""


def _instance(
    container: Container, facts: Facts, env: Mapping[str, str], login: Login
) -> tuple[Instance, tuple[Secret, ...]]:
    roots = [env[name] for name in _ROOTS if env.get(name)]
    others = {env[user]: env.get(password, "") for user, password in _USERS if env.get(user)}
    as_root = roots or not others or any(env.get(name) for name in _EMPTY)
    user = login.user or (env.get("MARIADB_ROOT_USER") or "root" if as_root else next(iter(others)))
    given = [others[user]] if user in others else roots
    passwords = [login.password] if login.password is not None else [Secret(one) for one in given if one]
    socket, port = first(facts, "socket"), first(facts, "port")
    variables: dict[str, str | Secret] = {"PATH": first(facts, "path"), "MYSQL_USER": user}
    if socket:
        variables["MYSQL_UNIX_PORT"] = socket
    return Instance(
        kind="mysql", service=container.service, container=container.name, image=container.image, version="",
        data=first(facts, "data"), pid=int(first(facts, "pid") or 0), user=first(facts, "owner"),
        port=int(port) if port.isdigit() else 3306, id=container.id, client=first(facts, "client"),
        network=not socket, env=variables,
    ), tuple(passwords)  # fmt: skip


ENGINE = Engine(
    kind="mysql", images=r"mysql(?!-router)|mariadb|percona(?!.*(?:mongo|postgres))", processes=("mariadbd", "mysqld"),
    inside=_INSIDE, marks=("ibdata1", "aria_log_control"),
    secrets=(*_ROOTS, *(name for pair in _USERS for name in pair), "MARIADB_ROOT_USER"),
    instance=_instance, ready=lambda at: (*words(at, "client"), "--execute=select 1"),
    data=lambda container, facts: str(facts.get("datadir") or "/var/lib/mysql"), log_in=logged_in, sets_up=True,
    passwords=("MARIADB_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD"),
)  # fmt: skip
