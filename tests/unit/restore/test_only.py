"""`--only`: how names are written, what of a set they mean, and what is found of them in an archive."""

from __future__ import annotations

import io
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.backup.manifest import Artifact, Kind, Manifest
from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.context import Context
from opslib.backup.restore.only import narrow, split
from opslib.backup.restore.options import Options
from opslib.backup.restore.pick import relative
from opslib.backup.restore.postgres_tables import lost_keys
from opslib.engines import mysql_pick, postgres_tables, sqlite_tables, tree_pick
from opslib.engines.postgres_restore import ident, split_name
from opslib.errors import BadSettings
from opslib.settings.model import Host
from opslib.target.local import Local


def artifact(kind: Kind, name: str, service: str | None = None, counts: tuple[str, ...] = (), **facts: Any) -> Artifact:
    return Artifact(file=f"{kind}.{service}.{name}", kind=kind, name=name, service=service, bytes=1, raw_bytes=1,
                    sha256="0" * 64, counts=dict.fromkeys(counts, 1), facts=facts)  # fmt: skip


ARTIFACTS = (
    artifact("postgres", "globals", "db", part="globals"),
    artifact("postgres", "app", "db", ("public.users", 'public."a,b"', '"S x".users', '"S x"."T ""1"""')),
    artifact("postgres", "other", "db", ("public.users", "public.alone")),
    artifact("mysql", "shop", "my", ("`orders`", "`o``d.d`", "views")),
    artifact("mongo", "all databases", "mo", ("shop.carts", "blog.a.b"), part="server"),
    artifact("mongo", "one", "m2", ("plain",), part="database"),
    artifact("sqlite", "data/x.db", None, ("t a",), path="x.db"),
    artifact("qdrant", "docs", "q"), artifact("qdrant", "faces", "q"), artifact("redis", "cache", "cache"),
)  # fmt: skip
MANIFEST = Manifest(id="x", created="2026-01-01T00:00:00Z", host="h", project="p", by="me", opslib="0", seconds=1.0,
                    artifacts=ARTIFACTS)  # fmt: skip


def meant(name: str, *artifacts: Artifact) -> tuple[str, tuple[str, ...]]:
    ctx = Context(Local(Host(name="h", path="/nowhere")), "", "p")
    chosen = Chosen("/set", False, MANIFEST, artifacts or ARTIFACTS)
    found = narrow(ctx, chosen, Options("x", only=name))
    assert not found.whole
    return found.artifacts[0].title, found.only


@pytest.mark.parametrize(
    "text, names",
    [
        ("a", ("a",)), ("a, b.c ,a", ("a", "b.c")), ('"a,b",c', ('"a,b"', "c")), ('"S x"."a,b"', ('"S x"."a,b"',)),
        ('it"s,x', ('it"s', "x")), (" , ", ()), ('"a""b,c"', ('"a""b,c"',)),
    ],
)  # fmt: skip
def test_names_are_split_at_commas_outside_of_quotes(text: str, names: tuple[str, ...]) -> None:
    assert split(text) == names


@pytest.mark.parametrize(
    "name, title, keys",
    [
        ("alone", "postgres db/other", ("public.alone",)),
        ("S x.users", "postgres db/app", ('"S x".users',)), ('"S x"."T ""1"""', "postgres db/app", ('"S x"."T ""1"""',)),
        ('T "1"', "postgres db/app", ('"S x"."T ""1"""',)), ('"a,b"', "postgres db/app", ('public."a,b"',)),
        ("public.a,b", None, None), ("orders", "mysql my/shop", ("`orders`",)),
        ("shop.orders", "mysql my/shop", ("`orders`",)), ("o`d.d", "mysql my/shop", ("`o``d.d`",)),
        ("`orders`,o`d.d", "mysql my/shop", ("`orders`", "`o``d.d`")),
        ("carts", "mongo mo/all databases", ("shop.carts",)), ("blog.a.b", "mongo mo/all databases", ("blog.a.b",)),
        ("a.b", "mongo mo/all databases", ("blog.a.b",)), ("one.plain", "mongo m2/one", ("plain",)),
        ("t a", "sqlite data/x.db", ("t a",)), ("docs", "qdrant q/docs", ()),
    ],
)  # fmt: skip
def test_what_a_name_means(name: str, title: str | None, keys: tuple[str, ...]) -> None:
    if title is None:
        with pytest.raises(BadSettings):
            meant(name)
    else:
        assert meant(name) == (title, keys)


@pytest.mark.parametrize(
    "name, why",
    [
        ("public.users", "in several: postgres db/app, postgres db/other"),
        ("orders,carts", "one database or folder at a time"), ("ordres", "no table, collection or path 'ordres'"),
        ("x.db", "an artifact of its own: sqlite data/x.db"), ("views", "no table"), (",", "needs the name"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_refused(name: str, why: str) -> None:
    with pytest.raises(BadSettings, match=why):
        meant(name)


def test_help_in_the_refusal() -> None:
    with pytest.raises(BadSettings) as caught:
        meant("ordres")
    assert "orders" in str(caught.value.next)
    with pytest.raises(BadSettings, match=r'public.users or "S x".users'):
        meant("users", ARTIFACTS[1])
    with pytest.raises(BadSettings, match="loads its file whole"):
        meant("session:1", ARTIFACTS[-1])
    ctx = Context(Local(Host(name="h", path="/nowhere")), "", "p")
    with pytest.raises(BadSettings, match=r"dump\.sql is none"):
        narrow(ctx, Chosen("/x", False, single="dump.sql"), Options("dump.sql", only="a"))


def test_the_roles_of_its_server_come_along() -> None:
    ctx = Context(Local(Host(name="h", path="/nowhere")), "", "p")
    found = narrow(ctx, Chosen("/set", False, MANIFEST, ARTIFACTS), Options("x", only="alone"))
    assert [one.name for one in found.artifacts] == ["other", "globals"]


@given(st.text(min_size=1), st.text(min_size=1))
def test_quoted_names_are_taken_apart(schema: str, table: str) -> None:
    assert split_name(f"{ident(schema)}.{ident(table)}") == (schema, table)
    assert split_name("pub_1.ta") == ("pub_1", "ta")


@pytest.mark.parametrize(
    "path, inside",
    [("a/b", "a/b"), ("./a//b/", "a/b"), ("/base dir/a", "a"), ("/a", "a"), ("..", ""), ("a/../b", ""), (".", "")],
)
def test_paths(path: str, inside: str) -> None:
    assert relative(path, "/base dir") == inside


def test_paths_in_an_archive() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, size, link in (
            ("./", tarfile.DIRTYPE, 0, ""), ("./first", tarfile.REGTYPE, 7, ""), ("./a/", tarfile.DIRTYPE, 0, ""),
            ("./a/b", tarfile.REGTYPE, 5, ""), ("./a/link", tarfile.SYMTYPE, 0, "b"),
            ("./a/hard", tarfile.LNKTYPE, 0, "./a/b"), ("./a/far", tarfile.LNKTYPE, 0, "./first"),
            ("./ab", tarfile.REGTYPE, 1, ""),
        ):  # fmt: skip
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.linkname = kind, size, link
            archive.addfile(entry, io.BytesIO(b"x" * size))

    def found(*paths: str) -> list[dict[str, Any]]:
        return tree_pick.find(io.BytesIO(out.getvalue()), list(paths))

    whole, file, none = found("a", "a/far", "a/bb")
    assert whole == {
        "path": "a",
        "counts": {"files": 3, "dirs": 1, "links": 1, "bytes": 12},
        "above": [],
        "linked": ["first"],
    }
    assert file == {
        "path": "a/far",
        "counts": {"files": 1, "dirs": 0, "links": 0, "bytes": 7},
        "above": ["a"],
        "linked": ["first"],
    }
    assert none == {"missing": "a/bb", "near": ["a/b"]}
    assert found("frst")[0]["near"] == ["first"]


def test_tables_of_a_sqlite_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = """pragma journal_mode = wal; create table p (id integer primary key autoincrement, x, y as (x || '!'));
        create table c (id references p (id)); create table "o ""d" (a); create table k (a primary key) without rowid;
        create index p_x on p (x); create table log (a); create view v as select * from P;
        create trigger noted after insert on p begin insert into log values (new.id); end;"""
    files = {name: str(tmp_path / name) for name in ("live", "set", "new", "bad")}
    for name, text in (
        ("set", """insert into p (x) values ('a'), ('b'), ('c'); delete from p where id = 2; insert into c values (3);
                   insert into "o ""d" values (1), (2); delete from "o ""d" where a = 1; insert into k values (1);"""),
        ("live", "insert into p (x) values ('z'); insert into c values (1); delete from log; drop table k;"),
    ):  # fmt: skip
        base = sqlite3.connect(files[name])
        base.executescript(schema + text)
        base.close()
    assert sqlite_tables.main("put", files["live"], files["set"], files["new"], "p", 'o "d', "k") == 0
    assert '{"t": "p", "n": 2}' in capsys.readouterr().out
    base = sqlite3.connect(files["new"])
    assert base.execute("select * from p").fetchall() == [(1, "a", "a!"), (3, "c", "c!")]
    assert base.execute('select rowid, a from "o ""d"').fetchall() == [(2, 2)]
    assert base.execute("select * from log").fetchall() == []  # its trigger came back, and did not fire
    assert base.execute("insert into p (x) values ('d') returning id").fetchall() == [(4,)]
    assert base.execute("select * from log").fetchall() == [(4,)]
    base.close()
    assert sqlite_tables.main("put", files["live"], files["set"], files["bad"], "c") == 1
    assert "1 rows of c would point at rows of p that are not there" in capsys.readouterr().err
    assert list(sqlite_tables.hang(files["live"], "p")) == [["foreign key", "c"], ["view", "v"]]


DUMP = b"""/*M!999999\\- enable the sandbox mode */
-- MariaDB dump
/*!40014 SET FOREIGN_KEY_CHECKS=0 */;

--
-- Sequence structure for `s`
--
CREATE SEQUENCE `s`;
--
-- Table structure for table `a`
--
CREATE TABLE `a` (x text);
--
-- Dumping data for table `a`
--
INSERT INTO `a` VALUES
('LONG');
DELIMITER ;;
/*!50003 CREATE trigger t after insert on a for each row begin
-- Table structure for table `b`
end */;;
DELIMITER ;
--
-- Table structure for table `b`
--
CREATE TABLE `b` (x int);
--
-- Table structure for table `c ``
-- d`
--
CREATE TABLE `c ``
d` (x int);
--
-- Dumping events for database 'x'
--
CREATE EVENT e;
-- Dump completed
"""


def test_tables_of_a_mysqldump() -> None:
    dump = DUMP.replace(b"LONG", b"-- Table structure for table `b`, " * 5000)

    def picked(*names: bytes) -> bytes:
        out = io.BytesIO()
        mysql_pick.pick(io.BytesIO(dump), out, names)
        return out.getvalue()

    head = dump[: dump.index(b"--\n-- Sequence")]
    a = dump[dump.index(b"-- Table structure for table `a`") : dump.index(b"-- Table structure for table `b`\n--")]
    assert picked(b"`a`") == head + b"--\n" + a
    assert picked(b"`c ``\nd`").endswith(b"--\nCREATE TABLE `c ``\nd` (x int);\n--\n")
    assert picked(b"`b`").count(b"CREATE") == 1
    assert picked() == head + b"--\n"


def test_definitions_of_a_postgres_table_are_compared_without_what_differs_by_chance() -> None:
    one = ["-- made today", "\\restrict abc", "", "CREATE TABLE a (b int);", "\\unrestrict abc"]
    other = ["-- made then", "\\restrict xyz", "CREATE TABLE a (b int);", "", "\\unrestrict xyz"]
    assert postgres_tables.same_text(one, other)
    assert not postgres_tables.same_text(one, [*other, "GRANT SELECT ON TABLE a TO x;"])


def test_only_foreign_keys_that_went_with_a_table_come_back() -> None:
    def key(on: str, to: str, name: str) -> dict[str, Any]:
        return {"on": ["s", on], "to": ["s", to], "name": name}

    given = {"there": [{"name": ["s", "t"], "columns": []}],
             "keys": [key("child", "t", "a"), key("gone", "t", "b"), key("t", "other", "c"), key("t", "t", "d")]}  # fmt: skip
    live: dict[str, Any] = {"there": None, "tables": [["s", "child"], ["s", "other"]]}
    assert [one["name"] for one in lost_keys(live, given)] == ["a"]
    live["there"] = given["there"]
    assert lost_keys(live, given) == []
