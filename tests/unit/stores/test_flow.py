"""What is the same on the way to and from every store."""

from __future__ import annotations

import hashlib
import threading
import time

import pytest

from opslib.errors import Cancelled
from opslib.stores.flow import Passing, Rate, patiently
from opslib.stores.store import Content, StoreFailed, StoreLost

DATA = b"x" * 1000
CONTENT = Content(1000, hashlib.sha256(DATA).hexdigest())


def go_on() -> bool:
    return False


def passing(limit: int | None = None) -> Passing:
    return Passing(Rate(limit, go_on), lambda done: None)


def test_what_passes_is_what_was_promised() -> None:
    assert b"".join(passing().through([DATA[:400], DATA[400:]], CONTENT, "a file")) == DATA


@pytest.mark.parametrize("data", [DATA[:-1], DATA + b"x", DATA[:-1] + b"y", b""])
def test_other_bytes_raise_before_a_store_takes_them_for_whole(data: bytes) -> None:
    blocks = passing().through([data], CONTENT, "a file")
    with pytest.raises(StoreFailed, match="a file is not what the manifest says"):
        list(blocks)


def test_the_rate() -> None:
    began = time.monotonic()
    list(passing(4000).through([DATA[:500], DATA[500:]], CONTENT, "a file"))
    assert time.monotonic() - began > 0.24


def test_waiting_for_the_rate_ends_at_an_interruption() -> None:
    with pytest.raises(Cancelled):
        Passing(Rate(1, lambda: True), lambda done: None).take(DATA)


def test_a_lost_store_is_tried_again() -> None:
    tries: list[int] = []
    told: list[str] = []

    def work() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise StoreLost(f"try {len(tries)}")
        return "done"

    assert patiently(work, go_on, lambda error, seconds: told.append(error.what), (0.0, 0.0)) == "done"
    assert told == ["try 1", "try 2"]


@pytest.mark.parametrize("error, tries", [(StoreLost("gone"), 4), (StoreFailed("denied"), 1)])
def test_it_ends_at_last(error: StoreFailed, tries: int) -> None:
    tried: list[int] = []

    def work() -> None:
        tried.append(1)
        raise error

    with pytest.raises(type(error), match=error.what):
        patiently(work, go_on, lambda error, seconds: None, (0.0, 0.0, 0.0))
    assert len(tried) == tries


def test_an_interruption_does_not_wait_for_a_store_that_does_not_answer() -> None:
    hangs, asked = threading.Event(), threading.Event()

    def work() -> None:
        asked.set()
        hangs.wait(60)

    with pytest.raises(Cancelled):
        patiently(work, asked.is_set, lambda error, seconds: None)
    hangs.set()
