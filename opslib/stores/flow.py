"""What is the same on the way to and from every store: the digest of what passes, its rate, another try, an end."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from opslib.errors import Cancelled
from opslib.stores.store import Content, StoreFailed, StoreLost

T = TypeVar("T")
Stop = Callable[[], bool]
PAUSES = (1.0, 4.0, 16.0)  # seconds before another try
_TURN = 0.1  # seconds between two looks at an interruption


class Rate:
    """Keeps what passes to so many bytes a second (None: as fast as it goes)."""

    def __init__(self, limit: int | None, stop: Stop) -> None:
        self._limit, self._stop, self._free = limit, stop, 0.0

    def passed(self, count: int) -> None:
        """Wait until so many bytes more were allowed to pass. Raises Cancelled."""
        if self._limit is not None:
            self._free = max(self._free, time.monotonic()) + count / self._limit
            pause(self._free - time.monotonic(), self._stop)


class Passing:
    """Bytes on their way: digested, slowed down to the rate, told to `moved`."""

    def __init__(self, rate: Rate, moved: Callable[[int], None]) -> None:
        self._sha, self._rate, self._moved = hashlib.sha256(), rate, moved
        self.bytes = 0

    def take(self, block: bytes) -> None:
        """Some more of them."""
        self._rate.passed(len(block))
        self._sha.update(block)
        self.bytes += len(block)
        self._moved(self.bytes)

    def check(self, content: Content, what: str) -> None:
        """Raise StoreFailed unless it was this content; `what` names in the error whose bytes they were."""
        if (self.bytes, self._sha.hexdigest()) != (content.bytes, content.sha256):
            raise StoreFailed(f"{what} is not what the manifest says: {self.bytes} bytes of {content.bytes} came")

    def through(self, blocks: Iterable[bytes], content: Content, what: str) -> Iterator[bytes]:
        """The blocks; at their end `check`, so that a store never takes what is not right for whole."""
        for block in blocks:
            self.take(block)
            yield block
        self.check(content, what)


def pause(seconds: float, stop: Stop) -> None:
    """Wait. Raises Cancelled."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if stop():
            raise Cancelled("interrupted")
        time.sleep(min(left, _TURN))


def patiently(
    work: Callable[[], T], stop: Stop, told: Callable[[StoreLost, float], None], pauses: Sequence[float] = PAUSES
) -> T:
    """What `work` returns, tried again after each of the pauses where the store is lost; `told` hears of it.

    It runs in a thread of its own: an interruption is not to wait for a store that does not answer. Raises Cancelled,
    and what `work` raises.
    """
    for seconds in (*pauses, None):
        try:
            return _beside(work, stop)
        except StoreLost as error:
            if seconds is None:
                raise
            told(error, seconds)
            pause(seconds, stop)
    raise AssertionError("the last try returns or raises")


def _beside(work: Callable[[], T], stop: Stop) -> T:
    done: list[T] = []
    wrong: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_TURN)
        if stop() and thread.is_alive():
            raise Cancelled("interrupted")
    if wrong:
        raise wrong[0]
    return done[0]
