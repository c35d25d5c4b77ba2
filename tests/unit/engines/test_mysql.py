"""How MySQL and MariaDB are found in a container, and as whom they are logged in to."""

from __future__ import annotations

import pytest

from opslib.command import Secret
from opslib.engines.find import parse_seen
from opslib.engines.instance import Instance, Login
from opslib.engines.known import stopped_kind
from opslib.engines.mysql import words
from tests.unit.engines.test_find import container

TEXT = """pid 4711
kind mysql
data /var/lib/mysql
socket /run/my sqld/mysqld.sock
port 3307
client mariadb-dump Ver 10.19 Distrib 10.11.18-MariaDB, for debian-linux-gnu (x86_64)
owner 999:999
path /bin
looked
"""


def seen(env: dict[str, str], text: str = TEXT, login: Login | None = None) -> tuple[Instance, tuple[Secret, ...]]:
    found = parse_seen(container(env=env), text, login or Login())
    assert found.instance is not None
    return found.instance, found.passwords


@pytest.mark.parametrize(
    ("env", "user", "password"),
    [
        ({"MARIADB_ROOT_PASSWORD": "r", "MARIADB_USER": "u", "MARIADB_PASSWORD": "p"}, "root", "r"),
        ({"MYSQL_ROOT_PASSWORD": "r"}, "root", "r"),
        ({"MYSQL_USER": "u", "MYSQL_PASSWORD": "p", "MYSQL_RANDOM_ROOT_PASSWORD": "1"}, "u", "p"),
        ({"MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": "1", "MARIADB_USER": "u", "MARIADB_PASSWORD": "p"}, "root", ""),
        ({"MARIADB_ROOT_USER": "boss", "MARIADB_ROOT_PASSWORD": "r"}, "boss", "r"),
        ({}, "root", ""),
    ],
)
def test_the_user_is_root_where_its_password_is_known(env: dict[str, str], user: str, password: str) -> None:
    at, passwords = seen(env)
    assert at.env["MYSQL_USER"] == user
    assert passwords == ((Secret(password),) if password else ())


def test_the_host_file_goes_first_and_a_secret_file_counts() -> None:
    env = {"MARIADB_ROOT_PASSWORD": "r", "MARIADB_USER": "u", "MARIADB_PASSWORD": "p"}
    at, passwords = seen(env, login=Login("other", Secret("x")))
    assert (at.env["MYSQL_USER"], passwords) == ("other", (Secret("x"),))
    at, passwords = seen(env, login=Login("u", None))
    assert (at.env["MYSQL_USER"], passwords) == ("u", (Secret("p"),))
    assert seen({}, TEXT.replace("looked", "secret MYSQL_ROOT_PASSWORD -p w'\nlooked"))[1] == (Secret("-p w'"),)


def test_the_socket_is_used_where_there_is_one() -> None:
    at, _ = seen({})
    assert at.network is False
    assert words(at, "dump")[:5] == [
        "mariadb-dump", "--no-defaults", "--user=root", "--protocol=socket", "--socket=/run/my sqld/mysqld.sock",
    ]  # fmt: skip
    text = TEXT.replace("socket /run/my sqld/mysqld.sock", "socket ").replace("mariadb-dump", "mysqldump")
    at, _ = seen({}, text)
    assert at.network is True
    assert words(at, "client")[:6] == [
        "mysql", "--no-defaults", "--user=root", "--protocol=tcp", "--host=127.0.0.1", "--port=3307",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        ("mariadb:10.11", "mysql"), ("docker.io/library/mysql:8", "mysql"), ("percona:8", "mysql"),
        ("bitnami/mariadb", "mysql"), ("mysql-router", ""), ("prom/mysqld-exporter", ""), ("phpmyadmin", ""),
    ],
)  # fmt: skip
def test_a_stopped_container_is_known_by_its_image(image: str, kind: str) -> None:
    assert stopped_kind(image) == kind
