"""What MongoDB's tools and containers say, and what is made of it."""

from __future__ import annotations

import json

import pytest

from opslib.command import Secret
from opslib.engines.find import parse_seen
from opslib.engines.instance import Login
from opslib.engines.known import stopped_kind
from opslib.engines.mongo import with_password
from opslib.engines.mongo_inventory import (
    Contents,
    Inventory,
    contents,
    counted,
    differences,
    dumped,
    plain,
    witnesses_differ,
)  # fmt: skip
from tests.unit.engines.test_find import container

LOOKED = "pid 7\npath /usr/bin\nowner 999:999\nkind mongo\nlooked\n"


def test_a_server_is_logged_in_to_by_what_its_container_knows():
    env = {"MONGO_INITDB_ROOT_USERNAME": "root", "MONGO_INITDB_ROOT_PASSWORD": 'p"\\é'}
    at = parse_seen(container(env=env), "arg mongod\narg --port\narg 27099\n" + LOOKED, Login()).instance
    assert at is not None
    assert (at.kind, at.port, at.data, at.user) == ("mongo", 27099, "/data/db", "999:999")
    assert (at.env["MONGO_USER"], at.env["MONGO_AUTH_DATABASE"]) == ("root", "admin")
    config = at.env["MONGO_CONFIG"]
    assert isinstance(config, Secret)
    assert config.reveal() == 'password: "p\\"\\\\é"'
    assert "--username=root" in with_password(at, "mongodump")
    assert not any('p"' in word for word in with_password(at, "mongodump"))


def test_the_host_file_goes_before_the_container_and_a_secret_file_before_its_variables():
    env = {"MONGO_INITDB_ROOT_USERNAME": "root", "MONGO_INITDB_ROOT_PASSWORD": "old"}
    told = "secret MONGO_INITDB_ROOT_PASSWORD of the file\n" + LOOKED
    at = parse_seen(container(env=env), told, Login()).instance
    assert at is not None
    assert at.env["MONGO_PASSWORD"] == Secret("of the file")
    at = parse_seen(container(env=env), told, Login("app", Secret("x"), "shop")).instance
    assert at is not None
    assert (at.env["MONGO_USER"], at.env["MONGO_PASSWORD"], at.env["MONGO_AUTH_DATABASE"]) == (
        "app",
        Secret("x"),
        "shop",
    )


def test_without_accounts_nobody_logs_in_and_the_configuration_file_says_port_and_folder():
    conf = "arg mongod\nconf storage:\nconf   dbPath: /bitnami/db\nconf net:\nconf   port: 28000\n"
    at = parse_seen(container(), conf + LOOKED, Login()).instance
    assert at is not None
    assert (at.port, at.data) == (28000, "/bitnami/db")
    assert "MONGO_USER" not in at.env
    assert with_password(at, "mongodump", "--archive")[-4:] == [
        "mongodump",
        "--host=127.0.0.1",
        "--port=28000",
        "--archive",
    ]


def test_a_server_without_tools_is_named_unless_an_image_has_them():
    text = "process mongod\nbare\n" + LOOKED
    seen = parse_seen(container(), text, Login())
    assert (seen.instance, seen.processes) == (None, ("mongod",))
    at = parse_seen(container(), text, Login(tools_image="mongo:7")).instance
    assert at is not None
    assert at.tools_image == "mongo:7"
    at = parse_seen(container(), LOOKED, Login(tools_image="mongo:7")).instance
    assert at is not None
    assert at.tools_image == ""


@pytest.mark.parametrize(
    ("image", "kind"),
    [("mongo:7", "mongo"), ("docker.io/bitnami/mongodb:7", "mongo"), ("percona/percona-server-mongodb:7", "mongo"),
     ("mongo-express", ""), ("percona/mongodb_exporter", ""), ("me/mongolian-api", "")],
)  # fmt: skip
def test_a_stopped_server_is_known_by_its_image(image: str, kind: str):
    assert stopped_kind(image) == kind


LOG = """2026-01-02T03:04:05.000+0000\twriting `shop.orders` to archive on stdout
2026-01-02T03:04:05.000+0000\tdone dumping `shop.orders` (4527 documents)
2026-01-02T03:04:05.000+0000\tdone dumping shop.old (spelling) (1 document)
2026-01-02T03:04:05.000+0000\tdone dumping `shop.a
b` (0 documents)"""


def test_what_mongodump_says_in_both_spellings():
    assert dumped(LOG) == {"shop.orders": 4527, "shop.old (spelling)": 1, "shop.a\nb": 0}


def lines(**documents: int) -> list[str]:
    series = {"options": {"timeseries": {"timeField": "t"}}, "indexes": []}
    index = {"v": {"$numberInt": "2"}, "key": {"b": {"$numberInt": "1"}, "a": -1}, "name": "x", "unique": True}
    said = [
        {"archive": {"server": "7.0", "tool": "100.9"}},
        {"collection": ["shop", "orders", "collection", json.dumps({"options": {"capped": True}, "indexes": [index]})]},
        {"collection": ["shop", "t", "timeseries", json.dumps(series)]},
        {"collection": ["shop", "few", "view", json.dumps({"options": {"viewOn": "orders"}})]},
        {"collection": ["admin", "system.users", "", ""]},
        *({"documents": ["shop" if name != "users" else "admin", name.replace("users", "system.users"), number]}
          for name, number in documents.items()),
        {"whole": True},
    ]  # fmt: skip
    return [json.dumps(one) for one in said]


def test_what_an_archive_holds():
    found = contents(lines(**{"orders": 3, "system.buckets.t": 2, "users": 1}))
    assert found.inventory.counts == {"shop.orders": 3, "shop.system.buckets.t": 2}
    assert found.inventory.facts() == {
        "indexes": {"shop.orders": [{"key": [["b", 1], ["a", -1]], "name": "x", "unique": True}], "shop.t": []},
        "options": {"shop.orders": {"capped": True}, "shop.t": {"timeseries": {"timeField": "t"}},
                    "shop.few": {"viewOn": "orders"}},
        "views": ["shop.few"], "timeseries": ["shop.t"],
    }  # fmt: skip
    assert found.inventory.within("shop").counts == {"orders": 3, "system.buckets.t": 2}
    assert found.raw["admin", "system.users"] == 1
    assert found.whole


@pytest.mark.parametrize(
    ("said", "differs"),
    [
        ("orders (3 documents)|system.buckets.t (2 documents)", ""),
        ("orders (3 documents)|t (2 documents)", ""),
        ("orders (3 documents)|t (2 documents)|few (0 documents)", ""),
        ("orders (4 documents)|t (2 documents)", "mongodump said 4 documents of shop.orders, and the archive holds 3"),
        ("t (2 documents)", "mongodump said None documents of shop.orders"),
        ("orders (3 documents)|t (2 documents)|more (1 document)", "the archive holds None"),
    ],
)
def test_mongodump_and_the_archive_must_agree(said: str, differs: str):
    log = "\n".join(f"now\tdone dumping `shop.{one.replace(' (', '` (', 1)}" for one in said.split("|"))
    found = witnesses_differ(log, contents(lines(**{"orders": 3, "system.buckets.t": 2})))
    assert (differs in found) and bool(differs) == bool(found)


def test_a_name_with_backticks_is_compared_in_both_spellings():
    seen = Contents(Inventory(), {("shop", "`odd`"): 2})
    assert witnesses_differ("now\tdone dumping `shop.`odd`` (2 documents)", seen) == ""
    assert witnesses_differ("now\tdone dumping shop.`odd` (2 documents)", seen) == ""


def test_what_belongs_to_the_users_of_a_server():
    assert [counted("shop", name) for name in ("a", "system.js", "system.buckets.a", "system.views")] == [
        True, True, True, False,
    ]  # fmt: skip
    assert not any(counted(*one) for one in (("local", "a"), ("config", "a"), ("", "oplog"), ("admin", "system.users")))
    assert not counted("shop", "$admin.system.users")


def test_extended_json_in_its_two_spellings_is_one_value():
    canonical = {"a": {"$numberLong": "5"}, "b": {"$numberDouble": "1.0"}, "d": {"$date": {"$numberLong": "1500"}}}
    assert plain(canonical) == plain({"a": 5, "b": 1, "d": {"$date": "1970-01-01T00:00:01.500Z"}})


def test_differences_are_said():
    one = Inventory(indexes={"a": [{"name": "x", "key": [["b", 1], ["c", 1]]}]}, views=["v"]).facts()
    other = Inventory(
        indexes={"a": [{"name": "x", "key": [["c", 1], ["b", 1]]}]}, options={"a": {"capped": True}}
    ).facts()
    assert differences(one, one) == []
    assert len(differences(one, other)) == 3
