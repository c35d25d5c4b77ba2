"""What a case has tried, how it is counted, and what is wrong when something is left wrong."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Protocol, TypeVar


class Bad(Exception):
    """Something is left wrong; `evidence`, by name, may tell why."""

    evidence: dict[str, str] = {}


class Watched(Protocol):
    """A project that is tortured."""

    def evidence(self) -> dict[str, str]:
        """By name, what may tell why something is wrong with it."""


P = TypeVar("P", bound=Watched)


@dataclass
class Row:
    """One line of the table: what was done, how often, how often that fell into a run (and not before or after it),
    and how many sets were read to their end since."""

    what: str
    times: int = 0
    hits: int = 0
    proven: int = 0
    bad: int = 0
    seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, hit: bool, proven: int = 0) -> int:
        """Count an attempt; returns how many there were."""
        with self._lock:
            self.times, self.hits, self.proven = self.times + 1, self.hits + hit, self.proven + proven
            return self.times


@dataclass(frozen=True)
class Dice:
    """Chance that can be had again: each attempt's own, whatever the others do. `times` is how often random faults
    are tried."""

    seed: int
    times: int
    short: bool

    def of(self, what: str, number: int) -> random.Random:
        """The chance of an attempt."""
        return random.Random(f"{self.seed} {what} {number}")


def attempts(
    dice: Dice, row: Row, places: Sequence[P], times: int, work: Callable[[P, int, random.Random], tuple[bool, int]]
) -> Row:
    """Try `times` times, in all places at once and in each in turn. `work` returns whether the fault fell into a run,
    and how many sets were proven. Raises Bad for the first that leaves something wrong."""
    began, stop = time.monotonic(), threading.Event()

    def share(index: int) -> None:
        place = places[index]
        for number in range(index, times, len(places)):
            if stop.is_set():
                return
            try:
                hit, proven = work(place, number, dice.of(row.what, number))
            except Exception as error:
                row.bad += 1
                wrong = Bad(f"{row.what}, attempt {number}: {type(error).__name__}: {error}")
                wrong.evidence = place.evidence()
                raise wrong from error
            done = row.add(hit=hit, proven=proven)
            if done % 10 == 0 or done == times:
                say(f"  {row.what}: {done} of {times}, {row.hits} in a run, {row.proven:,} proven")

    with ThreadPoolExecutor(len(places)) as pool:
        shares = [pool.submit(share, index) for index in range(min(len(places), times))]
        try:
            wait(shares, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
        for one in shares:
            one.result()
    row.seconds = time.monotonic() - began
    return row


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)
