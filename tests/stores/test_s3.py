"""S3 as it fails: killed while something is sent, errors, wrong keys, and a key that cannot delete."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.settings.stores import StoreSpec
from opslib.stores.flow import Passing, Rate, patiently
from opslib.stores.opening import open_store
from opslib.stores.store import Content, Store, StoreFailed, StoreLost
from tests.stores.gateway import BUCKET, PUSHER, Gateway
from tests.stores.places import PREFIX, bucket

DATA = os.urandom(30_000_000)
CONTENT = Content(len(DATA), hashlib.sha256(DATA).hexdigest())
CONTENT_NO = Content(2, hashlib.sha256(b"no").hexdigest())
KEY = "survey.prod/1/x"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    running = Gateway(tmp_path / "s3")
    yield running
    running.stop()


def blocks(data: bytes = DATA) -> Iterator[bytes]:
    yield from (data[at : at + 262_144] for at in range(0, len(data), 262_144))


def put(spec: StoreSpec, limit: int | None = None, moved: Any = lambda done: None) -> list[StoreLost]:
    """Send the data as a push does; returns what was tried again."""
    store, lost = open_store(spec), []

    def work() -> None:
        if store.look(KEY) is None:
            passing = Passing(Rate(limit, lambda: False), moved)
            store.put(KEY, passing.through(blocks(), CONTENT, KEY), CONTENT)

    patiently(work, lambda: False, lambda error, seconds: lost.append(error))
    return lost


def read(store: Store) -> bytes:
    got: list[bytes] = []
    store.get(KEY, got.append)
    return b"".join(got)


def test_killed_while_it_is_sent_and_back_again(gateway: Gateway) -> None:
    half = threading.Event()

    def moved(done: int) -> None:
        if done > len(DATA) / 2:
            half.set()

    def fall() -> None:
        assert half.wait(60)
        gateway.kill()
        gateway.start()

    thread = threading.Thread(target=fall)
    thread.start()
    put(bucket(gateway), 15_000_000, moved)
    thread.join()
    assert read(open_store(bucket(gateway))) == DATA


def test_one_that_stays_away_is_lost(gateway: Gateway) -> None:
    gateway.kill()
    with pytest.raises(StoreLost, match=f"s3://{BUCKET}/{PREFIX}"):
        open_store(bucket(gateway)).files("survey.prod")
    gateway.start()


def test_a_wrong_region_is_said(gateway: Gateway) -> None:
    with pytest.raises(StoreFailed, match=f"s3://{BUCKET}/{PREFIX}/{KEY}") as error:
        open_store(bucket(gateway, region="eu-north-1")).look(KEY)
    assert "region" in error.value.text()
    assert "&#" not in error.value.text()


def test_a_key_that_cannot_delete_is_enough_and_deletes_nothing(gateway: Gateway) -> None:
    gateway.add_pusher()
    store = open_store(bucket(gateway, key=PUSHER))
    put(bucket(gateway, key=PUSHER))
    store.put("survey.prod/1/manifest.json", [b"{}"], Content(2, hashlib.sha256(b"{}").hexdigest()))
    assert store.files("survey.prod") == {"1/x": len(DATA), "1/manifest.json": 2}
    with pytest.raises(StoreFailed, match="refused"):
        store.delete(KEY)
    with pytest.raises(StoreFailed, match="there already"):
        store.put("survey.prod/1/manifest.json", [b"no"], CONTENT_NO)
    assert read(store) == DATA


def test_what_such_a_key_writes_over_is_kept_as_an_older_version(gateway: Gateway) -> None:
    gateway.add_pusher()
    put(bucket(gateway))
    import obstore

    hacked: Any = open_store(bucket(gateway, key=PUSHER))
    obstore.put(hacked._store, KEY, b"hacked")
    versions = gateway.call("GET", f"/{BUCKET}", "versions=").decode()
    assert sorted(re.findall(r"<Size>(\d+)</Size>", versions)) == sorted([str(len(DATA)), "6"])
