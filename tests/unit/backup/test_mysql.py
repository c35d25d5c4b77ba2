"""What is read from a dump of MySQL or MariaDB, how it is made and loaded, and the accounts beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from opslib.backup import mysql_accounts, mysql_count, mysql_dump
from opslib.backup.manifest import Artifact
from opslib.backup.mysql import MysqlAccounts, MysqlDatabase
from opslib.backup.mysql_count import Counter
from opslib.backup.mysql_replace import _LOAD
from opslib.backup.source import Stage
from opslib.command import Secret
from opslib.engines import mysql
from opslib.engines.instance import Instance
from opslib.errors import CommandFailed
from opslib.settings.model import Host
from opslib.target.local import Local

END = b"\n-- Dump completed on 2026-01-02  3:04:05\n"
MARIADB = (
    rb"""/*M!999999\- enable the sandbox mode */
-- Table structure for table `new
-- line`
CREATE TABLE `new
line` (
  `a` text DEFAULT 'INSERT INTO `x` VALUES (1)'
) ENGINE=InnoDB;
INSERT INTO `new
line` VALUES
('),(\n(1);\n',1),
('it\'s ''so''\\',NULL);
INSERT INTO `new
line` VALUES
(0x00FF,3);
CREATE TABLE `we``ird` (
  `id` int(11) NOT NULL
);
CREATE SEQUENCE `s` start with 1;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`event`@`%`*/ /*!50003 trigger tr before insert on m for each row begin
INSERT INTO `new` VALUES (1);
CREATE TABLE `no` (a int);
end */;;
DELIMITER ;
DELIMITER ;;
CREATE DEFINER=`root`@`localhost` PROCEDURE `p`()
begin
select 'a function';
end ;;
DELIMITER ;
/*!50001 VIEW `v` AS select 1 AS `1` */;
"""
    + END
)
MARIADB_COUNTS = {"`new\nline`": 3, "`we``ird`": 0, "sequences": 1, "triggers": 1, "procedures": 1, "views": 1}
MYSQL = (
    rb"""CREATE TABLE `t` (
  `a` int
);
INSERT INTO `t` VALUES (1,'a),(\'b\\',NULL),(2,_binary '(\\\'(',3),(-3,'',0x28);
INSERT INTO `t` (`a`, `b``)(`) VALUES (4,'\\'),(5,'it''s (');
CREATE TABLE `e` (
  `a` int
);
"""
    + END
)


def counted(text: bytes, size: int) -> tuple[dict[str, int], bool]:
    counter = Counter()
    for at in range(0, len(text), size):
        counter.feed(text[at : at + size])
    whole = counter.end()
    return counter.counts, whole


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100_000])
def test_the_rows_of_both_programs_are_counted_however_they_arrive(size: int) -> None:
    assert counted(MARIADB, size) == (MARIADB_COUNTS, True)
    assert counted(MYSQL, size) == ({"`t`": 5, "`e`": 0}, True)


def hashed(text: bytes, size: int = 1 << 20) -> Counter:
    counter = Counter()
    for at in range(0, len(text), size):
        counter.feed(text[at : at + size])
    assert counter.end()
    return counter


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_hashes_are_the_same_however_the_bytes_arrive(size: int) -> None:
    whole, pieces = hashed(MARIADB), hashed(MARIADB, size)
    assert (whole.rows, whole.tables) == (pieces.rows, pieces.tables)
    assert list(whole.rows) == ["`new\nline`"]
    assert list(whole.tables) == ["`new\nline`", "`we``ird`"]


def inserted(*statements: bytes, table: bytes = b"  `a` int\n") -> Counter:
    rows = b"".join(b"INSERT INTO `t` VALUES\n%b;\n" % one for one in statements)
    return hashed(b"CREATE TABLE `t` (\n%b) ENGINE=InnoDB AUTO_INCREMENT=%d;\n%b%b" % (table, len(rows), rows, END))


def test_neither_the_order_of_rows_nor_their_statements_change_a_hash() -> None:
    one = inserted(b"(1,'a'),\n(2,'b'),\n(3,NULL)")
    for other in (inserted(b"(3,NULL),\n(1,'a'),\n(2,'b')"), inserted(b"(2,'b')", b"(1,'a'),\n(3,NULL)")):
        assert (other.rows, other.tables) == (one.rows, one.tables)


def test_whatever_is_other_has_another_hash() -> None:
    one = inserted(b"(1,'a'),\n(2,'b')")
    changed = [b"(1,'a'),\n(2,'c')", b"(1,'a')", b"(1,'a'),\n(1,'a'),\n(2,'b')", b"(1,'b'),\n(2,'a')"]
    assert len({tuple(inserted(each).rows.values()) for each in changed} | {tuple(one.rows.values())}) == 5
    assert inserted(b"(1,'a'),\n(2,'b')", table=b"  `a` int,\n  KEY `k` (`a`)\n").tables != one.tables


def test_a_row_longer_than_what_is_kept_is_hashed_whole() -> None:
    long = [b"('" + filler * 3_000_000 + end + b"')" for filler, end in ((b"x", b""), (b"y", b""), (b"x", b"z"))]
    sums = [next(iter(hashed_in_pieces(row).values())) for row in long]
    assert len(set(sums)) == 3
    assert sums[0] == zlib.crc32(long[0] + b",")


def hashed_in_pieces(row: bytes) -> dict[str, int]:
    text = b"CREATE TABLE `t` (\n);\nINSERT INTO `t` VALUES\n%b;\n%b" % (row, END)
    return hashed(text, 1 << 16).rows


@pytest.mark.parametrize("style", [b"\n", b" "])
def test_a_row_longer_than_what_is_kept_is_one_row(style: bytes) -> None:
    row = b"(1,'" + b"\\\\(\\'" * 1_000_000 + b"')"
    text = (
        b"CREATE TABLE `t` (\n);\nINSERT INTO `t` VALUES"
        + style
        + row
        + b","
        + (style.strip(b" "))
        + b"(2,'');\n"
        + END
    )
    counter = Counter()
    longest = 0
    for at in range(0, len(text), 1 << 16):
        counter.feed(text[at : at + (1 << 16)])
        longest = max(longest, len(counter._rest))
    assert counter.end()
    assert counter.counts == {"`t`": 2}
    assert longest <= 2 << 20


@pytest.mark.parametrize(
    "cut", [b"", b"INSERT INTO `t` VALUES\n(1),\n", b"-- Dump comp", END + b"CREATE TABLE `t` (\n"]
)
def test_a_dump_without_its_last_line_is_not_whole(cut: bytes) -> None:
    assert not counted(MARIADB.removesuffix(END) + cut, 100)[1]


def test_the_program_passes_every_byte_on_and_tells_the_counts_apart(tmp_path: Path) -> None:
    told = tmp_path / "told"
    program = Path(mysql_count.__file__).read_text()
    script = 'exec 4>"$1" 9>"$1.now"; exec "$2" -c "$3" pass'
    dump = MARIADB + b"-- \xff\x00\r\n" * 1000 + END
    done = subprocess.run(["bash", "-c", script, "x", told, sys.executable, program], input=dump, capture_output=True)
    assert (done.returncode, done.stdout) == (0, dump)
    assert '["`new\\nline`", 3]' in told.read_text().splitlines()
    assert (tmp_path / "told.now").read_text() == "begun\n", "once, when the first table was seen"
    cut = subprocess.run([sys.executable, "-c", program, "read"], input=dump[:-80], capture_output=True)
    assert cut.returncode == 1
    assert b"Dump completed" in cut.stderr


def test_accounts_become_sql_and_statements_again() -> None:
    rows = (
        "account 'readers'\nCREATE ROLE 'readers'\nGRANT USAGE ON *.* TO `readers`\n"
        "account 'a\\\\\\\\b'@'%'\nCREATE USER `a\\\\b`@`%` IDENTIFIED BY PASSWORD '*00'\nGRANT `readers` TO `a\\\\b`@`%`\n"
        "account 'br\\\\neak'@'%'\nCREATE USER `br\\neak`@`%`\nend\n"
    )
    program = Path(mysql_accounts.__file__).read_text()
    done = subprocess.run([sys.executable, "-c", program], input=rows.encode(), capture_output=True)
    assert done.returncode == 0
    assert b"is left out" in done.stderr
    assert mysql_accounts.accounts(done.stdout.decode()) == {
        "'readers'": ["CREATE ROLE 'readers';", "GRANT USAGE ON *.* TO `readers`;"],
        "'a\\\\b'@'%'": ["CREATE USER `a\\b`@`%` IDENTIFIED BY PASSWORD '*00';", "GRANT `readers` TO `a\\b`@`%`;"],
    }
    cut = subprocess.run([sys.executable, "-c", program], input=rows.encode()[:-4], capture_output=True)
    assert cut.returncode == 1
    with pytest.raises(ValueError, match="last line"):
        mysql_accounts.accounts("-- account 'a'@'b'\nCREATE USER 'a'@'b';\n")


FAKE = """#!/bin/sh
[ "$1" = --help ] && {{ echo '{help}'; exit; }}
printf '%s\\n' "$@" >"$0.args"; cat >"$0.in"; exit 3
"""


@pytest.mark.parametrize("sandbox", [True, False])
@pytest.mark.parametrize("first", ["/*M!999999\\- enable the sandbox mode */ \n", "-- MySQL dump\n"])
def test_the_line_that_only_new_clients_know_reaches_none(tmp_path: Path, sandbox: bool, first: str) -> None:
    client = tmp_path / "client"
    client.write_text(FAKE.format(help="  --sandbox  Disallow" if sandbox else "  --socket"))
    os.chmod(client, 0o755)
    text = first + "select 'a\\n';\nlast"
    done = subprocess.run(["sh", "-c", _LOAD, "sh", client, "--no-defaults", "-d x"], input=text.encode())
    assert done.returncode == 3
    assert (tmp_path / "client.args").read_text().splitlines() == ["--no-defaults", "-d x", *["--sandbox"] * sandbox]
    assert (tmp_path / "client.in").read_text() == (text if first.startswith("--") else text.removeprefix(first))


def at(client: str) -> Instance:
    return Instance(
        kind="mysql", service="db", container="x-db-1", image="mysql:8", version="8.0.36", data="/var/lib/mysql",
        pid=7, user="999:999", port=3306, id="abc", client=client, network=False,
        env={"PATH": "/bin", "MYSQL_USER": "root", "MYSQL_UNIX_PORT": "/s/x.sock", "MYSQL_PWD": Secret("secret")},
    )  # fmt: skip


STAGE = Stage(Local(Host(name="local", path="/srv/x")), "/s", "tools:1", 1000, lambda what, done: None)


def test_each_dump_program_gets_the_options_that_it_knows() -> None:
    def options(client: str, **given: bool) -> list[str]:
        return list(mysql_dump.command(STAGE, at(client), "-d x", "f.zst", **given).stages[0].argv)

    maria = options("mariadb-dump Ver 10.19 Distrib 10.11.18-MariaDB, for debian-linux-gnu (x86_64)")
    assert maria[-1] == "-d x"
    assert maria[maria.index("mariadb-dump") + 1] == "--no-defaults"
    assert not [one for one in maria if one.startswith(("--set-gtid", "--column"))]
    old = options("mysqldump Ver 10.13 Distrib 5.7.44, for Linux (x86_64)")
    assert "--set-gtid-purged=OFF" in old[old.index("mysqldump") :]
    assert "--column-statistics=0" not in old
    new = options("mysqldump Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)", programs=False)
    assert {"--set-gtid-purged=OFF", "--column-statistics=0", "--triggers", "--single-transaction"} <= set(new)
    assert not {"--routines", "--events", "--force"} & set(new)
    assert not [word for word in maria + old + new if "secret" in word]


def test_no_database_has_the_file_of_the_accounts() -> None:
    assert MysqlAccounts(at("")).file not in {
        MysqlDatabase(at(""), name, 1).file for name in ("accounts", "accounts.zst", "globals")
    }


def test_an_error_is_the_servers_words_without_the_statement() -> None:
    said = "--------------\ncreate user 'a' identified by password '*HASH'\n--------------\n\nERROR 1396 (HY000) at line 1: no\n"
    assert mysql.said(CommandFailed("it failed", stderr=said)) == "ERROR 1396 (HY000) at line 1: no"
    cut = "ta'),\n(2,'secret'),\nError response from daemon: container x is not running\n"
    assert (
        mysql.said(CommandFailed("it failed", stderr=cut)) == "Error response from daemon: container x is not running"
    )
    assert mysql.said(CommandFailed("it failed", stderr="(2,'secret'),\n")) == "the client ended without a word"


def test_names_and_texts_are_themselves() -> None:
    assert mysql.name("a`b") == "`a``b`"
    assert mysql.literal("it's\\") == "_utf8mb4 0x697427735c"
    assert mysql.literal("") == "''"
    assert mysql._unescaped("a\\\\n\\n\\t\\0") == "a\\n\n\t\0"


def test_an_artifact_is_read_by_the_counter() -> None:
    from opslib.backup.databases import DATABASES
    from opslib.command import command

    def read(program: object, options: object) -> object:
        assert isinstance(program, list)
        return command(*program)

    artifact = Artifact(file="a.sql.zst", kind="mysql", name="x", bytes=1, raw_bytes=1, sha256="0")
    reading = DATABASES["mysql"].reading(STAGE.target, None, artifact, read)  # type: ignore[arg-type]
    assert reading is not None
    assert reading.counts is not None
    assert reading.command.stages[0].argv[-1] == "read"
    assert reading.counts(['["`t`", 5]', '["views", 1]']) == {"`t`": 5, "views": 1}
