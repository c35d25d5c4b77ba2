"""At most eight hosts at once, on daemon threads, while the main thread stays free for Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TypeVar

from opslib.target.base import Target

AT_ONCE = 8
T = TypeVar("T")


class Interrupt:
    """Whether the user has interrupted; the first signal cancels what runs on the targets."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._targets: list[Target] = []

    def watch(self, targets: Sequence[Target]) -> None:
        """Cancel these when the signal comes."""
        self._targets = list(targets)

    def happened(self) -> bool:
        """Whether a signal came."""
        return self._event.is_set()

    def clear(self) -> None:
        """Let the targets work again: what was interrupted is to be undone."""
        for target in self._targets:
            target.resume()

    def _signal(self, number: int, frame: FrameType | None) -> None:
        self._event.set()
        for target in self._targets:
            threading.Thread(target=target.cancel, daemon=True).start()


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Turn SIGINT, SIGTERM and SIGHUP into a cancellation of the targets that the yielded value watches."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt._signal) for number in numbers]
    try:
        yield interrupt
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def each(items: Sequence[T], work: Callable[[T], object]) -> list[BaseException | None]:
    """Do the work for each item, at most eight at once; the exceptions in the items' order (None where it went well).

    The caller's thread only waits, in short turns, so that signals reach it.
    """
    results: list[BaseException | None] = [None] * len(items)
    todo: SimpleQueue[int] = SimpleQueue()
    for index in range(len(items)):
        todo.put(index)

    def worker() -> None:
        while True:
            try:
                index = todo.get_nowait()
            except Empty:
                return
            try:
                work(items[index])
            except BaseException as error:
                results[index] = error

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(min(AT_ONCE, len(items)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.1)
    return results
