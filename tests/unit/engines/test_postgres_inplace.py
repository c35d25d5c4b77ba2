"""What decides how a PostgreSQL database is replaced, and the texts of the way in place."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.backup.restore.postgres import same
from opslib.engines import postgres
from opslib.engines import postgres_inplace as place
from opslib.engines.instance import Instance

ADMIN: dict[str, Any] = {
    "user": "boss", "superuser": True, "createdb": True, "owner": "boss", "owns": True, "size": 1000,
    "extensions": ["plpgsql"], "subscriptions": [], "slots": [], "foreign": [],
}  # fmt: skip
APP = {**ADMIN, "user": "app", "superuser": False, "owner": "app"}


@pytest.mark.parametrize(
    ("seen", "wanted", "room", "why"),
    [
        (ADMIN, ["plpgsql", "hstore"], True, ""),
        (APP, [], True, ""),
        ({**APP, "createdb": False}, [], True, "user app lacks CREATEDB"),
        ({**APP, "owns": False}, [], True, "user app does not own it"),
        ({**ADMIN, "extensions": ["pg_cron"]}, [], True, "extension pg_cron is bound to its database by name"),
        (ADMIN, ["pg_cron"], True, "extension pg_cron is bound to its database by name"),
        ({**ADMIN, "subscriptions": ["s"]}, [], True, "subscription s belongs to it"),
        ({**ADMIN, "slots": ["x"]}, [], True, "replication slot x belongs to it"),
        (ADMIN, [], False, "there is no room on the disk for a second copy"),
    ],
)
def test_why_a_database_is_loaded_in_place(seen: dict[str, Any], wanted: list[str], room: bool, why: str) -> None:
    assert place.reason(seen, wanted, room=room) == why


def test_who_may_not_empty_a_database() -> None:
    assert place.forbids({**ADMIN, "owns": False, "foreign": ["schema x"]}) == ""
    assert place.forbids(APP) == ""
    assert place.forbids({**APP, "owns": False, "owner": "boss"}) == "user app does not own it: boss does"
    many = [f"schema s{i}" for i in range(7)]
    assert place.forbids({**APP, "foreign": many}) == (
        "user app does not own schema s0, schema s1, schema s2, schema s3, schema s4, … in it"
    )


def test_extensions_are_compared_by_name_and_version() -> None:
    here = {"hstore": "1.8", "vector": "0.5.1"}
    assert place.lacking({"vector": "0.7.0", "postgis": "3.3", "age": "1"}, here) == ["age 1", "postgis 3.3"]
    assert place.older({"vector": "0.7.0", "hstore": "1.8", "age": "1"}, here) == [
        "extension vector is 0.5.1 here, and was 0.7.0"
    ]


def test_a_database_is_emptied_in_the_transaction_that_fills_it_unless_its_room_is_needed() -> None:
    atomic, freed = (place.begin('ma"rk', atomic=one) for one in (True, False))
    assert atomic.startswith("begin;\nset local lock_timeout = '5min';\ndo $opslib$")
    assert atomic.endswith('create schema "ma""rk";\nset local lock_timeout = 0;\n')
    assert "commit" not in atomic
    assert freed == atomic + "commit;\nbegin;\n"


def test_only_what_was_read_to_its_end_is_committed() -> None:
    for form, read in (("custom", "pg_restore -1 -f -"), ("tar", "pg_restore -1 -f -"), ("plain", "cat")):
        sh, c, script, name, begin = place.loader(form, "m", atomic=True)
        assert (sh, c, name) == ("sh", "-c", "sh")
        assert f'"$1"; {read}; }}' in script
        assert begin == place.begin("m", atomic=True)
    assert place.reader("plain") is None
    assert place.reader("custom") == ("sh", "-c", "pg_restore -1 -f - >/dev/null")


def test_what_a_database_has_is_taken_away_before_it_gets_the_recorded() -> None:
    now = {"acl": ['"a b"=c/own', "=Tc/own", "own=CTc/own"], "owner": "own"}
    settings = [{"role": None, "config": ["x=1"]}, {"role": "a b", "config": ["y=2"]}]
    assert place.reset_properties("d-b", now, settings).split("\n") == [
        'alter database "d-b" reset all;',
        'alter role "a b" in database "d-b" reset all;',
        'revoke all on database "d-b" from public cascade;',
        'revoke all on database "d-b" from "a b" cascade;',
        'revoke all on database "d-b" from "own" cascade;',
        'grant all on database "d-b" to "own";',
        'grant connect, temporary on database "d-b" to public;',
        'comment on database "d-b" is null;',
        'alter database "d-b" connection limit -1 is_template false;',
    ]


def test_sets_that_know_nothing_of_large_objects_are_compared_without() -> None:
    assert same({"public.t": 1}, {"public.t": 1, "large objects": 2})
    assert same({"public.t": 1, "large objects": 2}, {"public.t": 1, "large objects": 2})
    assert not same({"public.t": 1, "large objects": 2}, {"public.t": 1})
    assert not same({"public.t": 1}, {"public.t": 2})


def test_sessions_end_with_their_client_where_the_server_can_see_that() -> None:
    at = Instance("postgres", "db", "c", "i", "15", "/d", 1, "1:1", 5432)
    check = "client_connection_check_interval"
    assert check in str(postgres.session(at)["PGOPTIONS"])
    older = Instance("postgres", "db", "c", "i", "13", "/d", 1, "1:1", 5432)
    assert check not in str(postgres.session(older)["PGOPTIONS"])
