"""Reading plain SQL: what leaves its database, and what only looks like it."""

import pytest

from opslib.engines.sqltext import leaves_its_database, role_statements, roles_created, statements


def read(text: str) -> list[bytes]:
    return list(statements(text.encode().splitlines(keepends=True)))


def leaves(text: str) -> "str | None":
    return leaves_its_database(text.encode().splitlines(keepends=True))


@pytest.mark.parametrize(
    "text",
    [
        "\\connect other\n",
        "\\c other\n",
        "select 1 \\c other\n",
        "\\connect -reuse-previous=on \"dbname='x'\"\n",
        "CREATE DATABASE x;\n",
        "create\n  database x;\n",
        "CREATE /* a /* nested */ comment */ DATABASE x;\n",
        "CREATE -- why\nDATABASE x;\n",
        "drop database if exists x;\n",
        "ALTER DATABASE app SET work_mem TO '1GB';\n",
        "select E'a\\'b'; DROP DATABASE x;\n",
        "select 'a\\'; DROP DATABASE x;\n",
        "select $$a$$; drop database x;\n",
        "select '\n-- PostgreSQL database dump\n'; create database x;\n",
        "COPY t (a) FROM stdin;\n1\n\\.\n\\connect other\n",
        "create table a$b$ (c int); drop database x;\n",
        "drop database x",
    ],
)
def test_what_leaves_its_database(text: str) -> None:
    assert leaves(text)


@pytest.mark.parametrize(
    "text",
    [
        "--\n-- PostgreSQL database dump\n--\n\\restrict abc\nSELECT 1;\n\\unrestrict abc\n",
        "-- CREATE DATABASE x;\n",
        "/* \\connect y\n CREATE DATABASE x; */\n",
        "COPY public.t (a) FROM stdin;\n\\connect other\nCREATE DATABASE x;\n\\c\n\\.\nSELECT 1;\n",
        "insert into t values ('\n\\connect other\nDROP DATABASE x;\n');\n",
        "insert into t values (E'it\\'s\n\\connect other\n');\n",
        "create function f() returns text language sql as $f$\nselect 'x'; -- drop database x;\nDROP DATABASE x;\n$f$;\n",
        'select 1 as "\n\\connect x\n";\n',
        "\\copy t from x\n",
        "\\connection\n",
        "comment on table database is 'create database';\n",
        "select 'it''s'; select 1;\n",
    ],
)
def test_what_only_looks_like_it(text: str) -> None:
    assert leaves(text) is None


def test_statements_are_told_apart() -> None:
    assert read("select ';' ; -- no;\nselect 2;\\g out\nselect $x$ ; $y$ $x$;") == [
        b"select ';'", b"select 2", b"\\g out", b"select $x$ ; $y$ $x$",
    ]  # fmt: skip


GLOBALS = b"""--
-- PostgreSQL database cluster dump
--
\\restrict abc
SET standard_conforming_strings = on;
CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:a;b$c';
ALTER ROLE app SET search_path TO 'a', 'B';
CREATE ROLE "we ""ird; $role";
ALTER ROLE "we ""ird; $role" WITH LOGIN;
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER;
GRANT app TO "we ""ird; $role" GRANTED BY postgres;
GRANT app TO reader GRANTED BY postgres;
"""


def test_only_missing_roles_are_made() -> None:
    assert roles_created(GLOBALS) == ["app", 'we "ird; $role', "postgres"]
    assert role_statements(GLOBALS, ['we "ird; $role']) == (
        'CREATE ROLE "we ""ird; $role";\n'
        'ALTER ROLE "we ""ird; $role" WITH LOGIN;\n'
        'GRANT app TO "we ""ird; $role" GRANTED BY postgres;\n'
    )
    assert role_statements(GLOBALS, []) == ""
