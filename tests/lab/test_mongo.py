"""What is special to MongoDB, on this machine and over SSH: whole servers, replica sets, accounts. What it has in common
with others is in `test_sources.py`. The lab's image is a stand-in: SecantusDB, with tools written after how MongoDB's
behave; OPSLIB_MONGO_TOOLS puts real ones in their place, and these tests stay the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.backup import sets, verify
from opslib.backup.mongo import WHOLE, MongoDump
from opslib.backup.sources import find
from opslib.command import Secret, bash
from opslib.engines import mongo
from opslib.engines.instance import Login
from opslib.errors import OpsError
from opslib.run.fleet import look_on
from opslib.settings.kinds import Mongo as Spec
from opslib.target.docker import docker
from tests.lab.mongo_stack import ODD, PASSWORD, SHOP, Mongo
from tests.lab.project import why, worked
from tests.lab.watch import Watch

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", params=["local", "ssh"])
def stack(request: pytest.FixtureRequest, lab: dict[str, Any], ssh_config: Path) -> Iterator[Mongo]:
    made = Mongo(request.param, lab["images_prefix"])
    try:
        made.begin()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def saved(stack: Mongo) -> tuple[str, Any]:
    """A set, and what the server held when it was made."""
    held = stack.see()
    return worked(stack.backup())["set"], held


def artifacts(stack: Mongo, made: str) -> dict[str, Any]:
    return {f"{one.service}/{one.name}": one for one in stack.artifacts(made)}


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


def test_a_destroyed_server_comes_back_whole(stack: Mongo, saved: tuple[str, Any]) -> None:
    """Databases, users and indexes; what was not there goes."""
    made, held = saved
    stack.do("""client.drop_database("blog"); shop.orders.drop(); shop.intruder.insert_one({}); shop.few.drop()
client.other.x.insert_one({}); client.blog.command("dropUser", "reader"); shop.ring.drop_indexes()""")
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


def test_a_database_that_is_not_there_is_no_backup(stack: Mongo, saved: tuple[str, Any]) -> None:
    """mongodump exits with 0 for it."""
    before = [one.id for one in sets.list_sets(stack.target)]
    assert "no database 'nope'" in why(stack.backup(stack.way(sources=(Spec(service="db", database="nope"),))))
    gone = MongoDump(stack.instance("db"), "nope", 1)
    assert "wrote nothing" in why(stack.backup(safety=(gone,), prune=False))
    assert [one.id for one in sets.list_sets(stack.target)] == before


def test_the_right_that_a_user_lacks_is_named(stack: Mongo, saved: tuple[str, Any]) -> None:
    reader = Spec(service="db", user="reader", password=Secret("x"), auth_database="blog")
    assert "'reader' may not run" in why(stack.backup(stack.way(sources=(reader,))))


def test_users_stay_where_the_account_would_lose_its_password(stack: Mongo, saved: tuple[str, Any]) -> None:
    made, held = saved
    target = stack.way(sources=(Spec(service="db", password=Secret("new one")),))
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
    assert stack.see() == held


def test_tools_of_another_image(stack: Mongo, saved: tuple[str, Any]) -> None:
    """For a container that has none: here it has them, and they are hidden."""
    hide = "cd /usr/local/bin && mkdir -p /hidden && mv mongodump mongorestore mongosh /hidden"
    spec = Spec(service="db", tools_image=f"{stack.images}mongo:7")
    target = stack.way(sources=(spec,))
    held = stack.see()
    stack.target.run(docker(stack.host, "exec", stack.container("db"), "sh", "-c", hide))
    try:
        plain = find(stack.target, stack.look(), stack.tools, ("mongo",))
        assert [one.what for one in plain.uncovered] == ["mongo in service db"]
        with Watch(PASSWORD) as watch:
            made = worked(stack.backup(target))["set"]
            stack.do('client.drop_database("blog")')
            worked(stack.restore(made, target, kinds=("mongo",), service="db"))
        assert not watch.seen
        assert stack.see() == held
    finally:
        stack.target.run(docker(stack.host, "exec", stack.container("db"), "sh", "-c", "mv /hidden/* /usr/local/bin/"))


def test_the_shell_says_what_is_wrong(stack: Mongo) -> None:
    with pytest.raises(OpsError, match="MongoDB in service db"):
        mongo.ask(stack.target, stack.instance("db"), mongo.command("admin", nonsense=1))
