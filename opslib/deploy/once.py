"""What all hosts of a run ask this machine, and it answers once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar

T = TypeVar("T")


class Once:
    """Answers by question. One is found at a time; what fails is asked again."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._answers: dict[Hashable, object] = {}

    def ask(self, question: Hashable, find: Callable[[], T]) -> T:
        """The answer to a question, which always has the same type. Raises as `find`."""
        with self._turn:
            if question not in self._answers:
                self._answers[question] = find()
            return self._answers[question]  # type: ignore[return-value]
