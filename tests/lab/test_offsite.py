"""A stack on a server, its sets in a bucket: sent with a key that cannot delete, lost there, brought back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opslib.backup import sets, take, verify
from opslib.backup.offsite import look, pull, remove
from opslib.command import bash
from opslib.errors import OpsError
from opslib.run.fleet import carry_out, look_on
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.settings.keep import Keep
from opslib.settings.model import Backup, Host
from opslib.settings.stores import StoreSpec
from opslib.settings.units import Address
from opslib.target.base import Target
from opslib.target.connect import connect
from tests.lab.stacks import PASSWORD, Small, small_host
from tests.lab.watch import Watch
from tests.stores.gateway import PUSHER, ROOT, Gateway
from tests.stores.places import bucket

pytestmark = pytest.mark.lab


@pytest.fixture
def small(lab: dict[str, Any], ssh_config: Path) -> Iterator[Small]:
    host = Host(name="one", path=f"opslib-test-{uuid.uuid4().hex[:8]}/a 'b' $c", address=Address("one"))
    target = connect(small_host(host))
    stack = Small(target, lab["images_prefix"])
    try:
        stack.start()
        yield stack
    finally:
        stack.destroy()
        target.close()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    running = Gateway(tmp_path / "s3")
    running.add_pusher()
    yield running
    running.stop()


def result(record: Record) -> dict[str, Any]:
    assert record.ok, record.as_json()
    return record.hosts[0].result


def test_lost_on_the_server_and_back_from_the_bucket(small: Small, gateway: Gateway) -> None:
    def way(*stores: StoreSpec) -> Target:
        settings = Backup(keep=Keep(last=1), stores=stores)
        return connect(msgspec.structs.replace(small.host, backup=settings))

    pusher = way(bucket(gateway, key=PUSHER, name="offsite", append_only=True))
    with Watch(PASSWORD, PUSHER[1]) as watch:
        made = [result(carry_out(Task("backup.all", take.steps, take.RECOVERIES), [pusher])) for _ in range(2)]
    assert not watch.seen
    assert PUSHER[1] not in str(made)
    ids = [one["set"] for one in made]
    listed = result(look_on("backup.list", [pusher], look.show_list))["sets"]
    assert {one["id"]: one["places"] for one in listed} == {
        ids[0]: {"offsite": None}, ids[1]: {"host": None, "offsite": None},
    }  # fmt: skip

    small.target.run(bash('rm -rf -- "$1"', sets.directory(small.target)))
    with pytest.raises(OpsError) as gone:
        sets.find(pusher, "latest")
    assert gone.value.next == "inv backup.pull --set latest --host one"
    back = Task("backup.pull", lambda run: pull.steps(run, "latest", None), pull.RECOVERIES)
    assert result(carry_out(back, [pusher]))["set"] == ids[1]
    checked = result(look_on("v", [pusher], lambda run: verify.verify(run, ids[1], tools=small.tools)))
    assert all(one["ok"] and one["content"] for one in checked["artifacts"])

    keeper = way(bucket(gateway, key=ROOT, name="offsite"))
    pruned = Task("backup.prune", lambda run: remove.steps(run, "offsite"))
    assert result(carry_out(pruned, [keeper]))["pruned"] == ids[:1]
    for target in (pusher, keeper):
        target.close()
