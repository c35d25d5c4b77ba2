"""Whose password a variable is, and which releases a rotation is newer than."""

from __future__ import annotations

from typing import Any

import msgspec

from opslib.deploy.rollback_look import rotated_since
from opslib.deploy.rotate.accounts import Account, accounts
from opslib.state import rotated
from opslib.state.releases import Release
from opslib.state.rotated import Former, Intent

KINDS = {"db": "postgres", "sql": "mysql", "docs": "mongo", "cache": "redis", "vectors": "qdrant"}


def stack(value: str) -> dict[str, Any]:
    return {
        "services": {
            "db": {"environment": {"POSTGRES_PASSWORD": value, "POSTGRES_USER": "app", "MODE": "a"}},
            "sql": {"environment": {"MYSQL_ROOT_PASSWORD": "other", "MYSQL_PASSWORD": value, "MYSQL_USER": "shop"}},
            "docs": {"environment": {"MONGO_INITDB_ROOT_PASSWORD": value, "MONGO_INITDB_ROOT_USERNAME": "admin"}},
            "cache": {"command": ["redis-server", "--requirepass", value]},
            "vectors": {"environment": {"QDRANT__SERVICE__API_KEY": value}},
            "api": {"environment": {"DATABASE_URL": f"postgres://reader:{value}@db:5432/app", "JWT": value, "N": None}},
        }
    }


def found(**kinds: str) -> set[str]:
    return set(map(str, accounts(stack("was"), stack("now"), kinds or KINDS, "now")))


def test_a_password_is_found_by_the_database_itself_and_by_those_who_log_in() -> None:
    assert found() == {"user app of db", "user reader of db", "user shop of sql", "user admin of docs",
                                "user default of cache"}  # fmt: skip


def test_a_value_that_is_no_databases_password_is_nobodys() -> None:
    assert found(api="postgres") == set(), "no service of the stack is a database"
    same = accounts(stack("now"), stack("now"), KINDS, "now")
    assert same == []
    other = {"services": {"db": {"environment": {"POSTGRES_PASSWORD": "w", "POSTGRES_USER": "now"}}}}
    assert accounts(other, {"services": {"db": {"environment": {"POSTGRES_PASSWORD": "w", "POSTGRES_USER": "then"}}}},
                    KINDS, "then") == []  # fmt: skip


def test_users_have_their_images_defaults() -> None:
    old, new = ({"services": {"db": {"environment": {"POSTGRES_PASSWORD": one}}}} for one in ("a", "b"))
    assert accounts(old, new, KINDS, "b") == [Account("db", "postgres", "postgres")]
    old, new = ({"services": {"sql": {"environment": {"MARIADB_ROOT_PASSWORD": one}}}} for one in ("a", "b"))
    assert accounts(old, new, KINDS, "b") == [Account("sql", "mysql", "root")]
    old, new = ({"services": {"w": {"environment": {"URL": f"redis://:{one}@cache:6379/0"}}}} for one in ("a", "b"))
    assert accounts(old, new, KINDS, "b") == [Account("cache", "redis", "default")]


def test_no_rollback_goes_behind_a_rotation() -> None:
    plain = Release(id="R1", at="", by="", project="p", outcome="good")
    later = msgspec.structs.replace(plain, id="R2", rotated=("KEY", "URL"))
    failed = msgspec.structs.replace(plain, id="R3", rotated=("OTHER",), outcome="failed")
    assert rotated_since([plain, later, failed], plain) == ["KEY", "URL"]
    assert rotated_since([plain, later, failed], later) == []


def test_a_value_from_before_a_rotation_is_known_until_it_is_back() -> None:
    values = {"KEY": [Former(was="first", run="a", at="1", by="x"), Former(was="second", run="b", at="2", by="x")]}
    assert rotated.last(values, "KEY") == "second"
    assert set(rotated.stale(values, {"KEY": "first"})) == {"KEY"}
    assert rotated.stale(values, {"KEY": "third", "OTHER": "first"}) == {}
    back = {"KEY": [msgspec.structs.replace(values["KEY"][0], back="c"), values["KEY"][1]]}
    assert rotated.stale(back, {"KEY": "first"}) == {}


def test_nothing_that_is_kept_shows_itself() -> None:
    shown = repr([Intent(run="r", key="K", old="S3cret", new="N3w"), Former(was="S3cret", run="r", at="", by="")])
    assert "S3cret" not in shown and "N3w" not in shown
