"""What every store promises, each against the real thing: a folder, a machine with SFTP, an S3 server, the
emulators of Azure and Google."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opslib.stores.opening import open_store
from opslib.stores.store import Content, Store, StoreFailed
from tests.stores.places import GOOGLE, Clouds, Place, open_place

KEY = "survey.prod/2026-11-22T020000Z-7f3a/files.up%20loads%2F~1.tar.gz"
BIG = os.urandom(20_000_123)
"""Several parts of an upload, several packets of SFTP, the last of them odd."""


@pytest.fixture(params=["folder", "sftp", "s3", GOOGLE, "az"])
def place(request: pytest.FixtureRequest, tmp_path: Path, clouds: Clouds) -> Iterator[Place]:
    """A place of the test's own, empty."""
    with open_place(request.param, tmp_path, clouds) as opened:
        yield opened


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    opened = open_store(place.spec)
    yield opened
    opened.close()


def content(data: bytes) -> Content:
    return Content(len(data), hashlib.sha256(data).hexdigest())


def blocks(data: bytes) -> Iterator[bytes]:
    yield from (data[at : at + 262_144] for at in range(0, len(data), 262_144))


def read(store: Store, key: str) -> bytes:
    got: list[bytes] = []
    store.get(key, got.append)
    return b"".join(got)


def refuses(call: Callable[[], object]) -> str:
    with pytest.raises(StoreFailed) as error:
        call()
    return error.value.what


@pytest.mark.parametrize("data", [b"x", BIG], ids=["small", "big"])
def test_a_file_comes_back_as_it_went(store: Store, data: bytes) -> None:
    assert store.look(KEY) is None
    store.put(KEY, blocks(data), content(data))
    there = store.look(KEY)
    assert there is not None
    assert (there.bytes, there.sha256 in (None, content(data).sha256)) == (len(data), True)
    assert read(store, KEY) == data
    assert store.files("survey.prod") == {KEY.partition("/")[2]: len(data)}


def test_files_of_a_folder_alone(store: Store) -> None:
    assert store.files("a") == {}
    for key in ("a/1/x", "a/1/y", "a/2/x", "ab/1/x"):
        store.put(key, [b"1"], content(b"1"))
    assert store.files("a") == {"1/x": 1, "1/y": 1, "2/x": 1}
    store.delete("a/1/x")
    store.delete("a/1/x")
    assert store.files("a") == {"1/y": 1, "2/x": 1}


@pytest.mark.parametrize("data", [b"half" * 100, BIG], ids=["small", "big"])
def test_what_breaks_off_leaves_nothing(store: Store, data: bytes) -> None:
    def broken() -> Iterator[bytes]:
        yield from blocks(data[:-1])
        raise KeyError("the source broke")

    with pytest.raises(KeyError, match="the source broke"):
        store.put(KEY, broken(), content(data))
    assert store.look(KEY) is None
    assert store.files("survey.prod") == {}
    store.put(KEY, blocks(data), content(data))
    assert read(store, KEY) == data


def test_nothing_is_written_over(store: Store) -> None:
    store.put(KEY, [b"first"], content(b"first"))
    refuses(lambda: store.put(KEY, [b"other"], content(b"other")))
    assert read(store, KEY) == b"first"


def test_what_is_not_there(store: Store) -> None:
    assert "not there" in refuses(lambda: read(store, KEY)) or store.look(KEY) is None
    store.delete(KEY)


def test_a_place_that_is_not_there_is_not_made(place: Place) -> None:
    nowhere = open_store(place.nowhere)
    refuses(lambda: nowhere.put(KEY, [b"x"], content(b"x")))
    nowhere.close()


@pytest.mark.parametrize("place", ["sftp", "s3", GOOGLE, "az"], indirect=True)
def test_who_may_not_log_in_is_told(place: Place) -> None:
    assert place.stranger is not None
    stranger = open_store(place.stranger)
    said = refuses(lambda: stranger.files("survey.prod"))
    assert said
    assert not any(secret in said for secret in ("sesame", "c2VzYW1l", "PRIVATE KEY"))
    stranger.close()


@pytest.mark.parametrize("place", ["sftp"], indirect=True)
def test_one_that_lost_its_line_is_opened_again(place: Place) -> None:
    assert place.cut is not None
    store = open_store(place.spec)
    store.put("a/1/x", [b"1"], content(b"1"))
    place.cut(store)
    try:
        store.look("a/1/x")
    except StoreFailed:
        pass
    assert read(store, "a/1/x") == b"1"
    store.close()
