"""What every bucket promises: S3, Google's, Azure's; alone, and in whole runs of backup, push, pull, verify and prune."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from msgspec.structs import replace

from opslib.command import Secret
from opslib.settings.keep import Keep
from opslib.settings.stores import StoreSpec
from opslib.stores.flow import Passing, Rate, patiently
from opslib.stores.opening import open_store
from opslib.stores.store import Content, StoreFailed, StoreLost
from tests.stores.places import GOOGLE, Clouds, Place, open_place
from tests.stores.runs import Project, error, interrupted_at, result
from tests.stores.way import Way

DATA = os.urandom(9_000_123)
CONTENT = Content(len(DATA), hashlib.sha256(DATA).hexdigest())
KEY = "survey.prod/1/x"


@pytest.fixture(params=["s3", GOOGLE, "az"])
def place(request: pytest.FixtureRequest, tmp_path: Path, clouds: Clouds) -> Iterator[Place]:
    """A bucket of the test's own, empty."""
    with open_place(request.param, tmp_path, clouds) as opened:
        yield opened


def put(spec: StoreSpec) -> list[StoreLost]:
    """Send the data as a push does; returns what was tried again."""
    store, lost = open_store(spec), []

    def work() -> None:
        if store.look(KEY) is None:
            passing = Passing(Rate(None, lambda: False), lambda done: None)
            parts = (DATA[at : at + 262_144] for at in range(0, len(DATA), 262_144))
            store.put(KEY, passing.through(parts, CONTENT, KEY), CONTENT)

    patiently(work, lambda: False, lambda error, seconds: lost.append(error), (0.2, 0.2, 0.2))
    return lost


def is_there(spec: StoreSpec) -> bool:
    """All of the data, with their digest."""
    store = open_store(spec)
    got: list[bytes] = []
    store.get(KEY, got.append)
    return store.look(KEY) == CONTENT and b"".join(got) == DATA


def test_errors_and_cut_lines_are_gone_over(place: Place) -> None:
    with Way(place.port, errors=3, cuts=2) as port:
        put(place.by_way_of(port))
    assert is_there(place.spec)
    assert open_store(place.spec).files("survey.prod") == {"1/x": len(DATA)}


def test_a_wrong_key_is_said_without_it(place: Place) -> None:
    assert place.stranger is not None
    with pytest.raises(StoreFailed, match="refused") as found:
        put(place.stranger)
    assert not isinstance(found.value, StoreLost)
    assert "credentials" in found.value.text()
    assert not any(secret in found.value.text() for secret in ("sesame", "c2VzYW1l", "PRIVATE"))


@pytest.mark.parametrize("place", [GOOGLE, "az"], indirect=True)
def test_a_key_that_is_none_is_said_without_it(place: Place) -> None:
    with pytest.raises(StoreFailed) as found:
        open_store(replace(place.spec, secret_key=Secret("open-sesame!"))).files("survey.prod")
    assert not isinstance(found.value, StoreLost)
    assert "sesame" not in found.value.text()


def test_a_bucket_that_is_not_there_is_no_empty_one(place: Place) -> None:
    with pytest.raises(StoreFailed) as found:
        open_store(place.nowhere).files("survey.prod")
    assert not isinstance(found.value, StoreLost)


def test_a_set_goes_and_comes_back(tmp_path: Path, place: Place) -> None:
    project = Project(tmp_path, place.spec)
    first, second = project.back_up(), project.back_up()
    both = {"host": None, "offsite": None}
    assert project.listed() == {first: both, second: both}
    before = project.files(second)
    project.forget()
    result(project.pull("latest"))
    assert project.files(second) == before
    assert project.whole() == [second]
    assert result(project.prune(Keep(last=1)))["pruned"] == [first]
    assert project.listed() == {second: both}
    assert result(project.verify())["set"] == second
    artifact = next(name for name in before if name.startswith("files.up"))
    other: Any = open_store(place.spec)
    obstore.put(other._store, f"survey/{second}/{artifact}", before[artifact][:-1] + b"?")
    assert "is damaged" in error(project.verify())
    assert "another SHA-256" in str(project.listed()[second]["offsite"])


def test_what_was_interrupted_goes_on(tmp_path: Path, place: Place) -> None:
    slow = replace(place.spec, limit=6_000_000)
    project = Project(tmp_path, slow)
    target = project.target()
    interrupted_at(target, 2_000_000)
    record = project.back_up_to(target)
    assert record.exit == 130, record.as_json()
    (set_id,) = project.whole()
    small = next(name for name in project.files(set_id) if name.startswith("files.first"))
    assert set(open_store(place.spec).files("survey")) == {f"{set_id}/{small}"}
    began = time.monotonic()
    sent = result(project.push())["stores"][0]
    took = time.monotonic() - began
    assert sent["sent"] == [set_id]
    rest = sum(len(data) for name, data in project.files(set_id).items() if name != small)
    assert sent["bytes"] == rest, "what has arrived is not sent again"
    assert took > rest / 6_000_000 * 0.9, "no faster than the host file says"
    assert project.listed() == {set_id: {"host": None, "offsite": None}}
