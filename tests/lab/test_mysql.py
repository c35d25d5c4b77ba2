"""What is special to MariaDB, on this machine and over SSH. What it has in common is in `test_sources.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from opslib.backup.databases import DATABASES
from opslib.command import Secret, bash
from opslib.engines.find import find_instances
from opslib.events import Note
from opslib.settings.kinds import Mysql
from tests.lab.contract import Ground, on_ground
from tests.lab.contract.mysql import QUOTED, SHOP, USER, MysqlSubject
from tests.lab.project import refused, why, worked

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", params=["local", "ssh"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    with on_ground(request, "mysql") as made:
        yield made


@pytest.fixture(scope="module")
def mysql(ground: Ground) -> MysqlSubject:
    (found,) = ground.subjects.values()
    assert isinstance(found, MysqlSubject)
    return found


@pytest.fixture(scope="module")
def made(ground: Ground) -> dict[str, Any]:
    """What a backup says."""
    return worked(ground.backup())


@pytest.fixture(scope="module")
def shop(ground: Ground, made: dict[str, Any]) -> str:
    """The artifact of a database."""
    return ground.file(made["set"], "mysql", SHOP)


def test_what_a_set_says_of_a_database(ground: Ground, made: dict[str, Any]) -> None:
    assert [text for text in made["warnings"] if "no transaction protects old" in text]
    facts = next(one.facts for one in ground.artifacts(made["set"]) if one.name == SHOP)
    assert (facts["charset"], facts["collation"], facts["flavour"]) == ("latin1", "latin1_swedish_ci", "mariadb")
    assert facts["tables"]["old"] == "MyISAM"


def test_accounts_come_back_with_their_databases(ground: Ground, mysql: MysqlSubject, made: dict[str, Any]) -> None:
    good = mysql.seen()
    mysql.sql(f"drop user '{USER.replace(chr(39), chr(39) * 2)}'@'%'; drop role readers; drop database `{QUOTED}`;")
    worked(ground.restore(made["set"]))
    assert mysql.seen() == good
    assert mysql.sql("select * from t;", QUOTED, USER, "it's") == ["1"]
    assert mysql.sql(f"set role readers; select count(*) from `{SHOP}`.parent;", QUOTED, USER, "it's") == ["3000"]
    assert mysql.sql("select nextval(numbers) > 7, answer(), n from seen;", SHOP) == ["1\t42\t3000"]


def test_a_dump_that_is_not_what_the_set_says_is_refused_before_anything_is_overwritten(
    ground: Ground, mysql: MysqlSubject, shop: str
) -> None:
    good = mysql.seen()
    assert "Dump completed" in why(ground.restore(ground.doctored(shop, "head -n -5")))
    assert mysql.seen() == good


def test_a_newer_dump_is_refused_with_both_versions(ground: Ground, shop: str) -> None:
    said = refused(ground.restore(ground.doctored(shop, server="99.1.2-MariaDB")))
    assert "99.1.2" in said
    assert "10.11" in said


def test_a_dump_of_other_hands_is_loaded_and_missing_accounts_are_named(ground: Ground) -> None:
    """As an old mysqldump wrote it, with a view of somebody who is gone."""
    text = (
        "-- MySQL dump 10.13\nCREATE TABLE `t` (`a` int);\nINSERT INTO `t` VALUES (1),(2),(3);\n"
        "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`gone`@`%` SQL SECURITY DEFINER */\n"
        "/*!50001 VIEW `v` AS select 1 AS `1` */;\n-- Dump completed\n"
    )
    (at,) = find_instances(ground.target, ground.look())
    replacing = DATABASES["mysql"].replace
    assert replacing is not None
    replacing.load(ground.target, at, bash('printf %s "$1"', text), "by-hand", {})
    assert replacing.count(ground.target, at, "by-hand") == {"`t`": 3, "views": 1}
    assert any(isinstance(one, Note) and "gone@%" in one.text for one in ground.events)
    replacing.drop(ground.target, at, "by-hand")
    assert replacing.count(ground.target, at, "by-hand") is None


def test_a_user_of_one_database_backs_up_that_and_is_told_what_is_missing(ground: Ground) -> None:
    user = Mysql(service="mysql", user=USER, password=Secret("it's"), database=QUOTED)
    made = worked(ground.backup(ground.way(sources=(user,))))
    assert [one["name"] for one in made["artifacts"]] == [QUOTED]
    assert any(isinstance(one, Note) and "may not read the accounts" in one.text for one in ground.events)
