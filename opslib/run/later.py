"""Two looks at once: each is a round trip that mostly waits for the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Later(Generic[T]):
    """Work on a daemon thread of its own, and its result or its exception when asked for."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:
            self._error = error

    def get(self) -> T:
        """Wait for the work; returns what it returned or raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result[0]
