"""Where requests to a service go: addresses, each with a weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd


@dataclass(frozen=True, slots=True)
class Server:
    """HOST:PORT, and how many requests it gets for each that a server of weight 1 gets."""

    address: str
    weight: int = 1


def shared(old: Sequence[str], new: Sequence[str], share: float) -> list[Server]:
    """All of them, with weights that give the new ones together `share` (0 to 1, to a hundredth of a percent) of the
    requests, and the old ones the rest, however many there are of each. Who gets nothing is left out; with one group
    alone it gets all."""
    part = Fraction(share).limit_denominator(10_000)
    if not old or part >= 1:
        return [Server(one) for one in new or old]
    if not new or part <= 0:
        return [Server(one) for one in old]
    # Each old server gets (1 - part) / len(old), each new one part / len(new): in the smallest whole numbers.
    low = (part.denominator - part.numerator) * len(new)
    high = part.numerator * len(old)
    common = gcd(low, high)
    return [*(Server(one, low // common) for one in old), *(Server(one, high // common) for one in new)]


def weighted(servers: Sequence[Server]) -> bool:
    """Whether some get more than others."""
    return len({one.weight for one in servers}) > 1
