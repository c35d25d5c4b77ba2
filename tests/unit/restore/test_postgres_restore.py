"""The SQL of a restore as exact text."""

import pytest

from opslib.engines import postgres_restore as pg

WEIRD = """a"b'c $d \\e"""


def test_names_and_texts_are_quoted() -> None:
    assert pg.ident(WEIRD) == '''"a""b'c $d \\e"'''
    assert pg.literal("it's") == "'it''s'"
    assert pg.literal("a\\b'c") == " E'a\\\\b''c'"
    assert pg.conninfo("a=b 'c' \\d") == "dbname='a=b \\'c\\' \\\\d'"


def test_a_database_is_made_as_it_was() -> None:
    properties = {
        "owner": "o'w", "encoding": "UTF8", "collate": "de_DE.utf8", "ctype": "C", "provider": "i", "locale": "de",
        "tablespace": "fast",
    }  # fmt: skip
    assert pg.create_database("new", properties, major=15, roles=["o'w"], tablespaces=["fast"]) == (
        """create database "new" template template0 owner "o'w" encoding 'UTF8' lc_collate 'de_DE.utf8' lc_ctype 'C' """
        """locale_provider icu icu_locale 'de' tablespace "fast";"""
    )
    assert pg.create_database("new", {"owner": "x", "tablespace": "y"}, major=14, roles=[], tablespaces=[]) == (
        'create database "new" template template0;'
    )


def test_what_is_in_no_archive_is_put_back() -> None:
    properties = {
        "owner": "own", "acl": ["=Tc/own", "own=CTc/own", '"re""ad er"=c*/own', "gone=c/own"], "comment": "it's",
        "connection_limit": 7, "is_template": False,
    }  # fmt: skip
    settings = [
        {"role": None, "config": ['search_path="Sch""ema", public', "app.x=a'b"]},
        {"role": 're"ad er', "config": ["work_mem=7MB"]},
        {"role": "gone", "config": ["work_mem=1MB"]},
    ]
    assert pg.apply_properties("new", properties, settings, ["own", 're"ad er']).split("\n") == [
        """alter database "new" set "search_path" to 'Sch"ema', 'public';""",
        """alter database "new" set "app"."x" to 'a''b';""",
        """alter role "re""ad er" in database "new" set "work_mem" to '7MB';""",
        'revoke all on database "new" from public;',
        'revoke all on database "new" from "own";',
        'grant connect on database "new" to public;',
        'grant temporary on database "new" to public;',
        'grant create on database "new" to "own";',
        'grant connect on database "new" to "own";',
        'grant temporary on database "new" to "own";',
        'grant connect on database "new" to "re""ad er" with grant option;',
        """comment on database "new" is 'it''s';""",
        'alter database "new" connection limit 7;',
    ]
    assert pg.apply_properties("new", {}, [], []) == ""


@pytest.mark.parametrize(
    ("value", "items"),
    [("", []), ("a", ["a"]), ('"$user", public', ["$user", "public"]), ('"a, b",c', ["a, b", "c"]), ('""', [""])],
)
def test_lists_of_names(value: str, items: list[str]) -> None:
    assert pg.split_list(value) == items


def test_the_swap() -> None:
    text = pg.swap("li've", "new", "old")
    assert text.startswith('alter database "li\'ve" allow_connections false;\nselect count(pg_terminate_backend(pid))')
    assert "where datname in ('li''ve', 'new') and pid <> pg_backend_pid();" in text
    assert text.endswith(
        'begin;\nalter database "li\'ve" rename to "old";\nalter database "new" rename to "li\'ve";\ncommit;'
    )
    assert pg.swap("live", "new", None).endswith('alter database "new" rename to "live";')


def back(oids: dict[str, str], old_is: "str | None" = "1", connect: bool = True) -> list[str]:
    lines = pg.swap_back("live", "new", "old", old_is=old_is, oids=oids, connect=connect).split("\n")
    return [line for line in lines if line.startswith(("alter", "begin"))]


def test_the_way_back_from_every_state() -> None:
    take_connections = 'alter database "live" allow_connections true;'
    assert back({"live": "1", "new": "2"}) == [take_connections]
    assert back({"live": "1", "new": "2"}, connect=False) == []
    assert back({"live": "2", "old": "1"}) == [
        'alter database "live" allow_connections false;',
        'begin; alter database "live" rename to "new"; alter database "old" rename to "live"; commit;',
        take_connections,
    ]
    assert back({"new": "2", "old": "1"}) == ['begin; alter database "old" rename to "live"; commit;', take_connections]
    assert back({"live": "2"}, old_is=None) == [
        'alter database "live" allow_connections false;', 'begin; alter database "live" rename to "new"; commit;',
    ]  # fmt: skip
    assert back({"new": "2"}, old_is=None) == []


def test_one_is_never_connected_to_what_is_renamed() -> None:
    assert pg.maintenance("app", ["app", "postgres", "template0", "template1"]) == "postgres"
    assert pg.maintenance("postgres", ["app", "postgres", "template0", "template1"]) == "template1"
    assert pg.maintenance("app", ["app", "other", "template0"]) == "other"
