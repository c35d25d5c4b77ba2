"""Questions to whoever sits at the terminal. They are always on standard error: standard output may be a pipe."""

from __future__ import annotations

import select
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opslib.errors import Cancelled
from opslib.ui.text import clean

Stop = Callable[[], bool]
_TURN = 0.2  # seconds between two looks at whether an answer is still wanted


def _never() -> bool:
    return False


class Person:
    """Asked one question at a time, from whichever thread. `quiet` takes away what is shown live: it is called in front
    of a question."""

    def __init__(self, quiet: Callable[[], None]) -> None:
        self._quiet = quiet
        self._busy = threading.Lock()

    @property
    def there(self) -> bool:
        """Whether there is a person at a terminal."""
        return sys.stdin is not None and sys.stdin.isatty()

    @property
    def asked(self) -> bool:
        """Whether a question stands: nothing may be drawn over it."""
        return self._busy.locked()

    def dismissed(self) -> None:
        """Wait until no question stands any more, so that the terminal is as it was."""
        with self._busy:
            pass

    def agrees(self, question: str, *, stop: Stop = _never) -> bool:
        """Ask and wait for yes or no. Raises Cancelled as soon as `stop` says so: in a thread no Ctrl-C ends it."""
        with self._turn(stop):
            termios.tcflush(sys.stdin, termios.TCIFLUSH)  # what was typed before the question is no answer to it
            print(f"{clean(question)} [y/N] ", end="", file=sys.stderr, flush=True)
            return _typed(stop).lower() in ("y", "yes")

    def text(self, question: str, *, stop: Stop = _never) -> str:
        """Ask for a line of text, "" for none. Raises Cancelled as `agrees`."""
        with self._turn(stop):
            print(f"{clean(question)}: ", end="", file=sys.stderr, flush=True)
            return _typed(stop)

    def secret(self, question: str, *, stop: Stop = _never) -> str:
        """Ask for a text that is not shown while it is typed. Raises Cancelled as `agrees`."""
        with self._turn(stop):
            shown = termios.tcgetattr(sys.stdin)
            hidden = [*shown[:3], shown[3] & ~termios.ECHO, *shown[4:]]
            termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, hidden)
            print(f"{clean(question).rstrip(' :')}: ", end="", file=sys.stderr, flush=True)
            try:
                return _typed(stop)
            finally:
                termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, shown)
                print(file=sys.stderr)

    @contextmanager
    def _turn(self, stop: Stop) -> Iterator[None]:
        """Wait until no other question stands."""
        while not self._busy.acquire(timeout=_TURN):
            if stop():
                raise Cancelled("interrupted", left="everything")
        try:
            self._quiet()
            yield
        finally:
            self._busy.release()


def _typed(stop: Stop) -> str:
    """A line from the terminal. Raises Cancelled as soon as `stop` says so."""
    while not select.select([sys.stdin], [], [], _TURN)[0]:
        if stop():
            print(file=sys.stderr)
            raise Cancelled("interrupted", left="everything")
    return sys.stdin.readline().strip()
