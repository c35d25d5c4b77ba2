"""The passwords of real servers' users set and tried, hostile ones too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from opslib.command import Secret
from opslib.engines import passwords
from opslib.engines.find import look_inside
from opslib.errors import OpsError
from tests.lab.mongo_stack import CHECK
from tests.lab.project import Project

pytestmark = pytest.mark.lab
FIRST = "first-Secret_1"
SECOND = "-s'e\"c$x\\`ond;é%"
USERS = {"postgres": "o-dd App", "mysql": "it's", "redis": passwords.REDIS_USER, "mongo": "root"}


@pytest.fixture(scope="module")
def project(lab: dict[str, Any]) -> Iterator[Project]:
    made = Project("local", lab["images_prefix"], "pwd")
    images = made.images
    try:
        made.start({
            "postgres": {"image": f"{images}postgres:15", "environment": {"POSTGRES_USER": USERS["postgres"], "POSTGRES_PASSWORD": FIRST}, "healthcheck": made.healthy("CMD", "pg_isready", "-h", "127.0.0.1")},
            "mysql": {"image": f"{images}mariadb:10.11", "environment": {"MARIADB_ROOT_PASSWORD": "of-root", "MARIADB_USER": USERS["mysql"], "MARIADB_PASSWORD": FIRST, "MARIADB_DATABASE": "shop"}, "healthcheck": made.healthy("CMD", "healthcheck.sh", "--connect", "--innodb_initialized")},
            "redis": {"image": f"{images}redis:7", "command": ["redis-server", "--requirepass", FIRST]},
            "mongo": {"image": f"{images}mongo:7", "command": ["mongod", "--auth"], "environment": {"MONGO_INITDB_ROOT_USERNAME": "root", "MONGO_INITDB_ROOT_PASSWORD": FIRST}, "healthcheck": made.healthy(*CHECK)},
        })  # fmt: skip
        yield made
    finally:
        made.remove()


@pytest.mark.parametrize("kind", ["mongo", "mysql", pytest.param("postgres", marks=pytest.mark.full), "redis"])
def test_a_password_is_changed_and_changed_back(project: Project, kind: str) -> None:
    target, user = project.target, USERS[kind]
    (seen,) = [one for one in look_inside(target, project.look()) if one.container.service == kind]
    address = next(iter(seen.container.networks.values()))
    assert seen.instance is not None

    def takes(password: str) -> bool:
        assert seen.instance is not None
        return passwords.takes(target, seen.instance, user, Secret(password), address)

    assert passwords.asks(target, seen.instance, user, address)
    for old, new in ((FIRST, SECOND), (SECOND, FIRST)):
        assert (takes(old), takes(new)) == (True, False)
        at = passwords.admin(target, seen.instance, (Secret(new), Secret(old), *seen.passwords))
        passwords.put(target, at, user, Secret(new))
        assert (takes(old), takes(new)) == (False, True)


def test_a_server_that_takes_none_of_them_is_named_without_any(project: Project) -> None:
    (seen,) = [one for one in look_inside(project.target, project.look()) if one.container.service == "redis"]
    assert seen.instance is not None
    with pytest.raises(OpsError, match="in service redis takes neither") as caught:
        passwords.admin(project.target, seen.instance, (Secret("wr0ng-one"),))
    assert "wr0ng-one" not in str(caught.value)
