"""Several hosts at once, on daemon threads, while the main thread stays free for Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TypeVar

from opslib.events import Note
from opslib.target.base import Target

AT_ONCE = 8  # where each makes a connection (sshd, or a machine on the way, refuses more than 10), or is for itself
MANY = 64  # where they only wait for what the hosts do
T = TypeVar("T")


class Interrupt:
    """Whether the user has interrupted those who work together on `targets`. A signal cancels what runs there, unless
    it is held back."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._event = threading.Event()
        self._guard = threading.RLock()  # the handler may come upon a thread that is in here
        self._targets: Sequence[Target] = targets
        self._cancelling: list[threading.Thread] = []
        self._held = ""

    def happened(self) -> bool:
        """Whether a signal came."""
        return self._event.is_set()

    def hold(self, why: str) -> None:
        """From now on a signal is answered with `why` and remembered: what is done now must not stop half way. What
        was cancelled is over when this returns, and the targets work again."""
        with self._guard:
            self._held = why
        for thread in self._cancelling:
            thread.join()
        for target in self._targets:
            target.resume()

    def release(self) -> None:
        """A signal counts again, also one that came meanwhile."""
        with self._guard:
            self._held = ""
            if self._event.is_set():
                self._cancel()

    def spare(self, target: Target) -> None:
        """From now on a signal does not reach this target: what is done there must not stop half way. What was
        cancelled on it is over when this returns."""
        with self._guard:
            self._targets = [one for one in self._targets if one is not target]
        for thread in list(self._cancelling):
            thread.join()
        target.resume()

    def end(self) -> None:
        """They are done: nothing is left to be interrupted."""
        with self._guard:
            self._targets = ()

    def signal(self) -> None:
        """It came: to be called by the handler."""
        with self._guard:
            self._event.set()
            if self._held:
                # In a thread: what the main thread was doing may hold the lock of the screen.
                threading.Thread(target=self._answer, args=(self._held,), daemon=True).start()
            else:
                self._cancel()

    def _cancel(self) -> None:
        for target in self._targets:
            thread = threading.Thread(target=target.cancel, daemon=True)
            self._cancelling.append(thread)
            thread.start()

    def _answer(self, why: str) -> None:
        for target in self._targets[:1]:
            target.tell(Note(target.host.name, why, warning=True))


@contextmanager
def interruptible(interrupts: Sequence[Interrupt]) -> Iterator[None]:
    """Hand SIGINT, SIGTERM and SIGHUP on to each of these."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(number: int, frame: FrameType | None) -> None:
        for interrupt in interrupts:
            interrupt.signal()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, old in zip(numbers, before, strict=True):
            signal.signal(number, old)


def each(items: Sequence[T], work: Callable[[T], object], at_once: int = AT_ONCE) -> list[BaseException | None]:
    """Do the work for each item, so many at once; the exceptions in the items' order (None where it went well).

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

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(min(at_once, len(items)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.1)
    return results
