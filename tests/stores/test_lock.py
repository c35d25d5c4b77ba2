"""A hacked server must not delete its own history: a bucket with versions and object lock, and a key that may only put."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest

from opslib.backup.sets import DAMAGED
from opslib.settings.keep import Keep
from opslib.stores import versions
from opslib.stores.opening import open_store
from opslib.stores.store import StoreFailed
from tests.stores.gateway import BUCKET, LOCK, PUSHER, ROOT, Gateway
from tests.stores.places import PREFIX, bucket
from tests.stores.runs import Project, error, result


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    running = Gateway(tmp_path / "s3", locked=True)
    running.add_pusher(versioned=False)
    yield running
    running.stop()


@pytest.fixture
def project(tmp_path: Path, gateway: Gateway) -> Project:
    return Project(tmp_path, bucket(gateway, key=PUSHER), append_only=True)


def all_versions(gateway: Gateway) -> list[tuple[str, str]]:
    """Key and version of everything that was ever put there."""
    text = gateway.call("GET", f"/{BUCKET}", "versions=").decode()
    found = re.findall("<Version>(.*?)</Version>", text)
    return [(re.findall("<Key>(.*?)<", one)[0], re.findall("<VersionId>(.*?)<", one)[0]) for one in found]


def spoil(gateway: Gateway, sets: list[str]) -> None:
    """All that can be done with the server's key: nothing goes, everything is written over and called damaged."""
    hacked: Any = open_store(bucket(gateway, key=PUSHER))
    for file in hacked.files("survey"):
        with pytest.raises(StoreFailed, match="refused"):
            hacked.delete(f"survey/{file}")
        obstore.put(hacked._store, f"survey/{file}", b"hacked")
    for set_id in sets:
        obstore.put(hacked._store, f"survey/{set_id}/{DAMAGED}", b"all of it\n")
    for query, body in (("object-lock=", LOCK.replace(b"COMPLIANCE", b"GOVERNANCE")),
                        ("versioning=", b"<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"),
                        ("policy=", b"{}")):  # fmt: skip
        with pytest.raises(RuntimeError, match=" 403 "):
            gateway.call("PUT", f"/{BUCKET}", query, body, PUSHER)


def test_history_outlasts_the_servers_own_key(gateway: Gateway, project: Project) -> None:
    made = [project.back_up(), project.back_up()]
    before = {set_id: project.files(set_id) for set_id in made}
    spoil(gateway, made)
    put = all_versions(gateway)
    assert len(put) == 2 * (3 + 3) + 2
    for key, version in put:
        for who in (PUSHER, ROOT):  # compliance: not even the owner
            with pytest.raises(RuntimeError, match=" 403 "):
                gateway.call("DELETE", f"/{BUCKET}/{key}", f"versionId={version}", b"", who)
    project.forget()
    owner = bucket(gateway)
    assert "is no whole set" in error(project.pull(made[0], owner))
    for set_id in ("latest", made[0]):
        result(project.pull(set_id, owner, hidden=True))
    assert project.whole() == made
    assert {set_id: project.files(set_id) for set_id in made} == before


def test_what_another_machine_removed_is_hidden(
    gateway: Gateway, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [project.back_up(), project.back_up()]
    before, owner = project.files(made[0]), bucket(gateway)
    assert result(project.prune(Keep(last=1), owner))["pruned"] == made[:1]
    project.forget()
    assert project.listed() == {made[1]: {"offsite": None}}
    monkeypatch.setattr(versions, "_PAGE", 2)  # several answers
    brought = result(project.pull(made[0], owner, hidden=True))
    assert brought["set"] == made[0]
    assert project.files(made[0]) == before


def test_who_may_not_see_versions_is_told(gateway: Gateway, project: Project) -> None:
    set_id = project.back_up()
    project.forget()
    said = error(project.pull(set_id, hidden=True))
    assert f"s3://{BUCKET}/{PREFIX}: its versions are refused" in said
    assert PUSHER[1] not in said
    with pytest.raises(StoreFailed, match="left alone"):
        open_store(bucket(gateway), hidden=True).delete("survey/x")
