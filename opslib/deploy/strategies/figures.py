"""Whether a new version answers worse than the old one beside it: decided from what was counted, without looking.

Of two equally good versions the one is now and then a little worse, by chance. So what is worse must also be more than
chance allows: less likely than one in 500 where both were the same.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opslib.settings.model import Tolerance

CHANCE = 0.002
FEWEST = 3  # answers of 5xx
SAMPLES = 100  # answers of each version whose time counts
SOONEST = 0.1  # seconds by which an answer must be later at least, to be called slower
_PERCENTILE = 0.95


@dataclass(slots=True)
class Figures:
    """The answers of one version of a service: how many, how many of them 5xx, and of the others the seconds that each
    took, with how many took so long."""

    requests: int = 0
    errors: int = 0
    times: Counter[float] = field(default_factory=Counter)

    def add(self, status: int, seconds: float | None, count: int) -> None:
        """So many answers with this status that took so long; an error's time says nothing."""
        self.requests += count
        if status >= 500:
            self.errors += count
        elif seconds is not None:
            self.times[seconds] += count

    def __add__(self, other: Figures) -> Figures:
        return Figures(self.requests + other.requests, self.errors + other.errors, self.times + other.times)

    @property
    def share(self) -> float:
        """The share of 5xx."""
        return self.errors / self.requests if self.requests else 0.0

    @property
    def latency(self) -> float | None:
        """The seconds within which 95 of 100 answers came."""
        left = math.ceil(self.times.total() * _PERCENTILE)
        for seconds, count in sorted(self.times.items()):
            left -= count
            if left <= 0:
                return seconds
        return None

    def text(self) -> str:
        """`412 requests, 4.1 % 5xx, p95 0.12 s`."""
        words = [f"{self.requests} request{'' if self.requests == 1 else 's'}"]
        words += [f"{_share(self)} 5xx"] if self.requests else []
        words += [f"p95 {self.latency:.3f} s"] if self.latency is not None else []
        return ", ".join(words)

    def short(self) -> str:
        """`412: 4.1 % 5xx, 0.120 s`."""
        late = f", {self.latency:.3f} s" if self.latency is not None else ""
        return f"{self.requests}: {_share(self)} 5xx{late}" if self.requests else "0"

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"requests": self.requests, "errors": self.errors, "p95_seconds": self.latency}


@dataclass(frozen=True, slots=True)
class Pair:
    """Both versions of a service."""

    old: Figures = field(default_factory=Figures)
    new: Figures = field(default_factory=Figures)

    def __add__(self, other: Pair) -> Pair:
        return Pair(self.old + other.old, self.new + other.new)


def count(lines: Iterable[str], servers: Mapping[str, Figures]) -> None:
    """Add what nginx says to the figures of each server, by its address. A line: how often, and, with bars between, the
    servers that were asked, their statuses, and their times. Where one that failed was followed by another each counts
    for itself; one that was not waited for has no status, and does not count."""
    for line in lines:
        often, _, rest = line.strip().partition(" ")
        fields = [part.replace(" : ", ", ").split(", ") for part in rest.split("|")]
        if len(fields) != 3 or not often.isdecimal():
            continue
        for address, status, seconds in zip(*fields, strict=False):
            if address in servers and status.isdecimal():
                servers[address].add(int(status), _seconds(seconds), int(often))


def fails_more(pair: Pair, tolerance: Tolerance) -> str | None:
    """Why the new version is worse by its 5xx; None where it is not, or nobody can know yet."""
    old, new = pair.old, pair.new
    if new.errors < FEWEST or new.share <= old.share + tolerance.errors:
        return None
    both = new.requests + old.requests
    # Equally good versions would share what fails as they share the requests.
    if at_least(new.errors, new.errors + old.errors, new.requests / both) > CHANCE:
        return None
    return f"new 5xx {_share(new)} of {new.requests} requests against {_share(old)} of {old.requests}"


def is_slower(pair: Pair, tolerance: Tolerance) -> str | None:
    """Why the new version is worse by its latency; None where it is not, or nobody can know yet."""
    old, new = pair.old, pair.new
    before, now = old.latency, new.latency
    if before is None or now is None or min(old.times.total(), new.times.total()) < SAMPLES:
        return None
    limit = max(before * tolerance.latency, before + SOONEST)
    slow = sum(often for seconds, often in new.times.items() if seconds > limit)
    if at_least(slow, new.times.total(), 1 - _PERCENTILE) > CHANCE:
        return None
    return (f"p95 of the new {now:.3f} s in {new.times.total()} answers against {before:.3f} s in "
            f"{old.times.total()}")  # fmt: skip


def at_least(hits: int, tries: int, likely: float) -> float:
    """How likely so many hits or more are by chance, when each try is one with the probability `likely` (0 < `likely`);
    1 for no more than are to be expected."""
    if hits <= tries * likely or likely >= 1:
        return 1.0
    term = math.exp(
        math.lgamma(tries + 1) - math.lgamma(hits + 1) - math.lgamma(tries - hits + 1)
        + hits * math.log(likely) + (tries - hits) * math.log1p(-likely)
    )  # fmt: skip
    total, odds = 0.0, likely / (1 - likely)
    for hit in range(hits, tries + 1):
        total += term
        term *= (tries - hit) / (hit + 1) * odds
        if term < total * 1e-9:
            break
    return min(1.0, total)


def _share(figures: Figures) -> str:
    return f"{figures.share * 100:.1f} %"


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
