"""Two machines that back up the same host at once."""

from __future__ import annotations

import random
import shutil
import time

from .ground import Ground
from .stack import Stack
from .tally import Bad, Row, attempts


def run(ground: Ground) -> list[Row]:
    """The runs take turns, or the second says who is at work."""
    stack = ground.stack("ssh")
    other = ground.folder("other") / "project"
    shutil.copytree(stack.site.root, other, ignore=shutil.ignore_patterns(".opslib", "backups"))

    def both(stack: Stack, number: int, dice: random.Random) -> tuple[bool, int]:
        waits = ("--wait", "3m") if number % 2 else ()
        first = stack.begin("backup.all", *waits)
        time.sleep(dice.uniform(0, 2))  # not a wait: how long after the first
        second = stack.begin("backup.all", *waits, cwd=other)
        codes = sorted([stack.ended(first), stack.ended(second)])
        if codes not in ([[0, 0]] if waits else [[0, 0], [0, 4]]):
            raise Bad(f"they ended with {codes}")
        proven = stack.examine()
        if proven != codes.count(0):
            raise Bad(f"{codes.count(0)} of them said that they made a set, and there are {proven} new ones")
        return True, proven

    times = 1 if ground.dice.short else max(2, ground.dice.times // 8)
    return [attempts(ground.dice, Row("two machines that back up the same host at once"), [stack], times, both)]
