"""Backup and restore of MongoDB, on this machine and over SSH. The lab's image is a stand-in: SecantusDB, with tools
written after how MongoDB's behave; OPSLIB_MONGO_TOOLS puts real ones in their place, and these tests stay the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.backup import mongo_replace, sets, verify
from opslib.backup.mongo import WHOLE, MongoDump
from opslib.backup.sources import find
from opslib.command import Secret, bash
from opslib.compose.stack import look
from opslib.engines import mongo
from opslib.engines.instance import Login
from opslib.errors import OpsError
from opslib.run.fleet import look_on
from opslib.run.record import Record
from opslib.settings.model import Mongo as Spec
from opslib.target.docker import docker
from tests.lab.mongo_stack import FILL, ODD, PASSWORD, SHOP, USER, Mongo
from tests.lab.test_backup import Watch

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", params=["local", "ssh"])
def stack(request: pytest.FixtureRequest, lab: dict[str, Any], ssh_config: Path,
          tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:  # fmt: skip
    made = Mongo(request.param, lab["images_prefix"], str(tmp_path_factory.mktemp("mongo") / "a 'b' $c"))
    try:
        made.up()
        made.python(FILL)
        made.python(FILL, "set")
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def saved(stack: Mongo) -> tuple[str, Any]:
    """A set, and what the server held when it was made."""
    held = stack.see()
    with Watch(PASSWORD) as watch:
        made = worked(stack.backup())
    assert watch.looks > 3
    assert not watch.seen
    return made["set"], held


def worked(record: Record) -> dict[str, Any]:
    assert record.ok, record.hosts[0].error
    return record.hosts[0].result


def why(record: Record) -> str:
    assert not record.ok
    assert "undo-failed" not in [step.status for step in record.hosts[0].steps], record.hosts[0].error
    assert record.hosts[0].error
    return str(record.hosts[0].error["what"]) + str(record.hosts[0].error.get("next"))


def artifacts(stack: Mongo, made: str) -> dict[str, Any]:
    manifest = sets.find(stack.target, made).manifest
    assert manifest is not None
    return {f"{one.service}/{one.name}": one for one in manifest.artifacts}


def test_what_a_set_holds_and_that_it_is_read_again(stack: Mongo, saved: tuple[str, Any]) -> None:
    found = artifacts(stack, saved[0])
    assert set(found) == {f"db/{WHOLE}", f"set/{WHOLE}"}
    one, other = found[f"db/{WHOLE}"], found[f"set/{WHOLE}"]
    assert one.counts == {
        "blog.posts": 900, f"{SHOP}.orders": 1500, f"{SHOP}.{ODD}": 7, f"{SHOP}.empty": 0, f"{SHOP}.ring": 1,
    }  # fmt: skip
    assert one.facts["views"] == [f"{SHOP}.few"]
    assert [index["name"] for index in one.facts["indexes"][f"{SHOP}.orders"]] == ["_id_", "at_1", "by 'n'"]
    assert (one.facts["users"], one.facts["replica_set"], one.facts["oplog"]) == (3, None, None)
    assert (other.facts["replica_set"], other.facts["oplog"] is not None) == ("rs0", True)
    record = look_on("backup.verify", [stack.target], lambda run: verify.verify(run, saved[0], tools=stack.tools))
    assert [(each["ok"], each["content"]) for each in worked(record)["artifacts"]] == [(True, "archive")] * 2
    left = stack.target.run(docker(stack.host, "exec", stack.container("db"), "sh", "-c", "ls /dev/shm")).text
    assert left == ""


def test_a_destroyed_server_comes_back_whole_and_the_restore_can_be_undone(
    stack: Mongo, saved: tuple[str, Any]
) -> None:
    made, held = saved
    stack.do("""client.drop_database("blog"); shop.orders.drop(); shop.intruder.insert_one({}); shop.few.drop()
client.other.x.insert_one({}); client.blog.command("dropUser", "reader"); shop.ring.drop_indexes()""")
    ruined = stack.see()
    result = worked(stack.restore(made, kinds=("mongo",), service="db"))
    assert stack.see() == held
    copy = result["safety_copy"]
    worked(stack.restore(copy, kinds=("mongo",), service="db"))
    assert stack.see() == ruined
    worked(stack.restore(made, kinds=("mongo",), service="db"))
    assert stack.see() == held


def test_by_hand_as_the_manifest_says(stack: Mongo, saved: tuple[str, Any]) -> None:
    made, held = saved
    stack.do('client.drop_database("blog"); shop.orders.delete_many({"n": {"$lt": 700}})')
    folder = sets.find(stack.target, made).folder
    for line in artifacts(stack, made)[f"db/{WHOLE}"].by_hand:
        stack.target.run(bash('cd -- "$1" && eval "$2"', folder, line, limit=120))
    assert stack.see() == held


def test_a_replica_set_comes_back(stack: Mongo, saved: tuple[str, Any]) -> None:
    held = stack.see("set")
    stack.do('client.drop_database("blog"); shop.orders.delete_many({"n": {"$lt": 700}})', "set")
    worked(stack.restore(saved[0], kinds=("mongo",), service="set"))
    assert stack.see("set") == held


def test_a_failing_load_is_undone(stack: Mongo, saved: tuple[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The data are in, and an index is not what the set says."""
    stack.do('shop.orders.insert_one({"n": -5}); client.other.x.insert_one({"a": 1})')
    now = stack.see()
    calls = iter([["orders: another index"], []])
    monkeypatch.setattr(mongo_replace, "differences", lambda wanted, seen: next(calls))
    assert "another index" in why(stack.restore(saved[0], kinds=("mongo",), service="db"))
    monkeypatch.undo()
    assert stack.see() == now
    worked(stack.restore(saved[0], kinds=("mongo",), service="db"))
    assert stack.see() == saved[1]


def test_one_database_named_in_the_host_file_goes_back_and_elsewhere(stack: Mongo, saved: tuple[str, Any]) -> None:
    held = stack.see()
    target = stack.with_(sources=(Spec(service="db", database=SHOP), Spec(service="set", database="blog")))
    try:
        made = worked(stack.backup(target))["set"]
        one = artifacts(stack, made)[f"db/{SHOP}"]
        assert (one.counts, one.facts["users"]) == ({"orders": 1500, ODD: 7, "empty": 0, "ring": 1}, 1)
        stack.do('shop.orders.drop(); shop.intruder.insert_one({}); shop.command("dropUser", "writer")')
        worked(stack.restore(made, target, kinds=("mongo",), service="db"))
        assert stack.see() == held
        worked(stack.restore(made, target, kinds=("mongo",), service="db", into="sh'op2"))
        found, users = stack.see()
        assert users == held[1]
        assert {name: value for name, value in found.items() if not name.startswith("sh'op2.")} == held[0]
        copied = {name.removeprefix("sh'op2."): value for name, value in found.items() if name.startswith("sh'op2.")}
        assert copied == {k.removeprefix(f"{SHOP}."): v for k, v in held[0].items() if k.startswith(f"{SHOP}.")}
        stack.do('client.drop_database("sh\'op2")')
    finally:
        target.close()


def test_a_database_that_is_not_there_is_no_backup(stack: Mongo, saved: tuple[str, Any]) -> None:
    """mongodump exits with 0 for it."""
    target = stack.with_(sources=(Spec(service="db", database="nope"),))
    before = [one.id for one in sets.list_sets(stack.target)]
    try:
        assert "no database 'nope'" in why(stack.backup(target))
        gone = MongoDump(stack.instance("db"), "nope", 1)
        assert "wrote nothing" in why(stack.backup(safety=(gone,), prune=False))
    finally:
        target.close()
    assert [one.id for one in sets.list_sets(stack.target)] == before


def test_passwords_and_rights_that_are_wrong_are_named(stack: Mongo, saved: tuple[str, Any]) -> None:
    before = [one.id for one in sets.list_sets(stack.target)]
    for spec, words in (
        (Spec(service="db", password=Secret("wrong one")), f"does not take the password of user {USER!r}"),
        (Spec(service="db", user="reader", password=Secret("x"), auth_database="blog"), "'reader' may not run"),
    ):
        target = stack.with_(sources=(spec,))
        try:
            said = why(stack.backup(target))
            assert words in said.replace("\\\\", "\\")
            assert PASSWORD not in said + str(stack.events)
            assert "wrong one" not in said + str(stack.events)
        finally:
            target.close()
    assert [one.id for one in sets.list_sets(stack.target)] == before


def test_users_stay_where_the_account_would_lose_its_password(stack: Mongo, saved: tuple[str, Any]) -> None:
    made, held = saved
    target = stack.with_(sources=(Spec(service="db", password=Secret("new one")),))
    change = 'client.admin.command("updateUser", words["user"], pwd={})'
    stack.do(f'client.drop_database("blog"); {change.format(repr("new one"))}')
    try:
        worked(stack.restore(made, target, kinds=("mongo",), service="db"))
        assert "users and roles stay as they are now" in str(stack.events)
        assert stack.instance("db", Login(password=Secret("new one"))).version
    finally:
        stack.python(
            f"""import json, sys, pymongo; words = json.load(sys.stdin)
client = pymongo.MongoClient("127.0.0.1", username=words["user"], password="new one", directConnection=True)
{change.format('words["password"]')}"""
        )
        target.close()
    assert stack.see() == held


def test_an_engine_that_is_killed_while_it_dumps_makes_no_set(stack: Mongo, saved: tuple[str, Any]) -> None:
    before = [one.id for one in sets.list_sets(stack.target)]
    fill = 'import os\nclient.big.x.insert_many([{"b": os.urandom(1000000)} for _ in range(60)])'
    for _ in range(3):
        stack.do(fill, "set")
    kill = 'until [ -s "$1"/backups/.*.part/mongo.set.archive.zst ]; do sleep 0.02; done; docker kill "$2"'
    other = stack.with_()
    name = stack.container("set")
    killer = threading.Thread(target=lambda: other.run(bash(kill, stack.target.root, name, limit=120)))
    killer.start()
    try:
        said = why(stack.backup())
    finally:
        killer.join()
        other.close()
        stack.target.run(docker(stack.host, "start", name))
    assert "mongo set/all databases could not be backed up" in said
    assert [one.id for one in sets.list_sets(stack.target)] == before
    stack.compose("up", "-d", "--wait", "--wait-timeout", "60")
    stack.do('client.drop_database("big")', "set")


def test_tools_of_another_image(stack: Mongo, saved: tuple[str, Any]) -> None:
    """For a container that has none: here it has them, and they are hidden."""
    hide = "cd /usr/local/bin && mkdir -p /hidden && mv mongodump mongorestore mongosh /hidden"
    spec = Spec(service="db", tools_image=f"{stack.images}mongo:7")
    target = stack.with_(sources=(spec,))
    held = stack.see()
    stack.target.run(docker(stack.host, "exec", stack.container("db"), "sh", "-c", hide))
    try:
        plain = find(stack.target, look(stack.target, stack.name), stack.tools, ("mongo",))
        assert [one.what for one in plain.uncovered] == ["mongo in service db"]
        with Watch(PASSWORD) as watch:
            made = worked(stack.backup(target))["set"]
            stack.do('client.drop_database("blog")')
            worked(stack.restore(made, target, kinds=("mongo",), service="db"))
        assert not watch.seen
        assert stack.see() == held
    finally:
        stack.target.run(docker(stack.host, "exec", stack.container("db"), "sh", "-c", "mv /hidden/* /usr/local/bin/"))
        target.close()


def test_the_shell_says_what_is_wrong(stack: Mongo) -> None:
    with pytest.raises(OpsError, match="MongoDB in service db"):
        mongo.ask(stack.target, stack.instance("db"), mongo.command("admin", nonsense=1))
