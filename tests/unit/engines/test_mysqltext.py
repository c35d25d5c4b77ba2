"""Reading a mysqldump: what leaves its database, and what only looks like it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opslib.engines.mysqltext import _only_rows, _Reader, leaves_its_database, statements

SAMPLES = Path(__file__).parents[2] / "programs/formats/samples"


def lines(text: str) -> list[bytes]:
    return text.encode("utf-8", "surrogateescape").splitlines(keepends=True)


def leaves(text: str) -> str | None:
    return leaves_its_database(lines(text))


@pytest.mark.parametrize(
    "text",
    [
        "USE `other`;\n",
        "  use other\n",
        "select 1; use other;\n",
        "select 1\\u other\n",
        "\\. file.sql\n",
        "\\! rm -rf x\n",
        "source file.sql\n",
        "system ls\n",
        "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `app` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;\n",
        "/*!40000 DROP DATABASE IF EXISTS `app`*/;\n",
        "/*M!100000 create schema x */;\n",
        "/*! DROP DATABASE x */;\n",
        "ALTER DATABASE `app` CHARACTER SET latin1 COLLATE latin1_swedish_ci ;\n",
        "create /* why */ -- and\n # how\n database x;\n",
        "INSERT INTO `other`.`t` VALUES (1);\n",
        "INSERT INTO other.t (a) VALUES (1);\n",
        "insert ignore into `a b` . `c` values (1);\n",
        "REPLACE INTO other.t VALUES (1);\n",
        "UPDATE other.t SET a = 1;\n",
        "delete from other.t;\n",
        "truncate table other.t;\n",
        "call other.p();\n",
        "CREATE TABLE IF NOT EXISTS `other`.`t` (a int);\n",
        "create temporary table other.t (a int);\n",
        "DROP TABLE IF EXISTS other.t;\n",
        "ALTER TABLE other.t add b int;\n",
        "LOCK TABLES `other`.`t` WRITE;\n",
        "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */\n"
        "/*!50001 VIEW `other`.`v` AS select 1 */;\n",
        "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`%`*/ /*!50003 TRIGGER other.t BEFORE INSERT ON x FOR EACH ROW BEGIN END */;\n",
        "DELIMITER ;;\ncreate procedure p() begin select 1; end ;;\nuse other ;;\n",
        "DELIMITER $$\nselect 1$$ drop database x$$\n",
        "delimiter ;;\nselect 1;;\ndelimiter ;\ndrop database x;\n",
        "insert into t values ('a\\\\'); drop database x; -- ')\n",
        "insert into t values ('it''s'); drop database x;\n",
        "insert into t values\n(1,'a'),\n(2,'b');\nuse other;\n",
        "insert into t values\n(1,'a')\n; use other;\n",
        "insert into t values ('two\nlines'); drop database x;\n",
        "insert into t values (1) -- '\n; drop database x; -- '\n",
        "insert into t values (1) /* ' */; drop database x; /* ' */\n",
        "insert into t values (1) # '\n; drop database x; # '\n",
        "select `a'b`; drop database x; select `c'd`;\n",
        'select "a\'b"; drop database x; select "c\'d";\n',
        'insert into t values ("it\'s"); drop database x; insert into t values ("it\'s");\n',
        "/*M!999999\\- enable the sandbox mode */ \nDROP DATABASE x;\n",
        "insert into t values (1); insert into t -- values (1)\n; drop database x;\n",
        "insert into t /* values (1);\n*/ values (1); drop database x;\n",
        "select 5--1; drop database x;\n",
        "drop database x",
    ],
)
def test_what_leaves_its_database(text: str) -> None:
    assert leaves(text)


@pytest.mark.parametrize(
    "text",
    [
        "-- USE other;\n# USE other;\n/* USE other; */\n/*\nUSE other;\n*/\n",
        "/*+ USE other; */ select 1;\n",
        "/*M!999999\\- enable the sandbox mode */ \nselect 1;\n",
        "INSERT INTO `t` VALUES (1,'; USE other;','x\\'; DROP DATABASE y; --'),(2,NULL,'\\\\');\n",
        "INSERT INTO `t` VALUES\n(1,'\nUSE other;\nDROP DATABASE x;\n'),\n(2,'x');\n",
        "INSERT INTO t (`a`,`b`) VALUES (1,'other.t');\n",
        'insert into t values ("; use other; ", "\\"; drop database x");\n',
        "create table `use` (`create database` int);\n",
        "create table `a.b` (c decimal(1.2));\n",
        "create table t (a int comment 'drop database x');\n",
        "CREATE VIEW v AS select `other`.`t`.`a` from `other`.`t`;\n",
        "CREATE DEFINER=`a`@`b.c` PROCEDURE `p`()\nbegin\n  use_it();\nend;\n",
        "DELIMITER ;;\nCREATE PROCEDURE p()\nBEGIN\nINSERT INTO other.t VALUES (1);\nDROP DATABASE x;\nEND ;;\nDELIMITER ;\n",
        "select 1 as useful;\nuseful();\n",
        "select '\\'; use x; -- ';\n",
        "alter table t add index (a);\nunlock tables;\nset names utf8mb4;\n",
        "",
    ],
)
def test_what_only_looks_like_it(text: str) -> None:
    assert leaves(text) is None


def test_what_is_found_is_shown_on_one_line() -> None:
    assert leaves("create\n  database `caf\udce9`\n;\n") == "create database `caf\ufffd`"


@pytest.mark.parametrize(
    "name, found",
    [("mariadb-app.sql", None), ("mariadb-compact.sql", None), ("mariadb-databases.sql", "CREATE DATABASE")],
)
def test_dumps_of_mariadb(name: str, found: str | None) -> None:
    with open(SAMPLES / name, "rb") as file:
        said = leaves_its_database(file)
    assert said is None if found is None else said and said.startswith(found)


def test_a_long_statement_is_not_kept() -> None:
    rows = [b"INSERT INTO t VALUES\n", *[b"(1,'" + b"x" * 1000 + b"'),\n"] * 1000, b"(2,'y');\n", b"select 1;\n"]
    found = list(statements(rows))
    assert len(found[0]) < 5000 and found[1] == b"select 1"


class _Slow(_Reader):
    """Without the way round the rows: what it finds is what they must not hide."""

    def _data(self, line: bytes) -> int | None:
        return None


PIECES = st.lists(
    st.sampled_from(
        ["insert into t values ", "INSERT INTO `t` (`a`) VALUES\n", "(1,'a')", "('", "')", "'", '"', "`", "\\", "\\'", "''", ",", ";",
         "\n", ";\n", "use x;\n", " -- ", "#", "/*", "*/", "/*!40000 ", "drop database x", "1", " ", "null", "\\\\"]
    ),
    max_size=14,
)  # fmt: skip


@settings(deadline=None, max_examples=5 * settings().max_examples)
@given(st.sampled_from(["", "insert into t values ", "insert into t values\n(1,"]), PIECES)
def test_the_way_round_the_rows_changes_nothing(start: str, pieces: list[str]) -> None:
    text = lines(start + "".join(pieces))

    def heads(reader: _Reader) -> list[bytes]:
        found = [statement for line in text for statement in reader.line(line)] + list(reader.rest())
        return [b"insert" if statement.lower().startswith(b"insert into") else statement for statement in found]

    assert heads(_Reader()) == heads(_Slow())


@settings(deadline=None)
@given(st.binary())
def test_random_bytes_never_raise(data: bytes) -> None:
    leaves_its_database(data.splitlines(keepends=True))
    _only_rows(data)
