"""A `pg_dump` that exits with 0 and has left out rows."""

from __future__ import annotations

import random

from .ground import Ground
from .kills import AFTER
from .stack import TABLES, Stack
from .tally import Bad, Row, attempts

# In the place of the real one, which it calls.
_LIAR = """docker exec -u 0 {db} sh -ec 'real=$(command -v pg_dump); mv $real $real.real
printf "#!/bin/sh\\nexec $real.real \\"\\$@\\" --exclude-table-data=public.t{table}\\n" >$real
chmod 755 $real; pg_dump --version'"""
_HONEST = """docker exec -u 0 {db} sh -ec 'real=$(command -v pg_dump); mv $real.real $real'"""


def run(ground: Ground) -> list[Row]:
    """The backup cannot know it; whoever reads the set does, and it counts no more."""
    times = 1 if ground.dice.short else max(1, ground.dice.times // 20)
    row = Row("a `pg_dump` that exits with 0 and leaves out the rows of one table")
    return [attempts(ground.dice, row, [ground.stack("local")], times, _lied)]


def _lied(stack: Stack, number: int, dice: random.Random) -> tuple[bool, int]:
    db = f"{stack.site.name}-db-1"
    stack.inv("backup.postgres", *AFTER)
    good = _newest(stack)
    stack.examine()
    if not stack.site.inside(_LIAR.format(db=db, table=dice.randint(1, TABLES))):
        raise Bad("the liar could not be put there")
    try:
        stack.inv("backup.postgres", *AFTER)
    finally:
        stack.site.inside(_HONEST.format(db=db))
    lie = _newest(stack)
    stack.inv("restore", "--file", lie, "--yes", *AFTER, codes=(1,))
    if stack.content() != stack.expected:
        raise Bad("the lie was restored")
    stack.inv("backup.verify", "--set", lie, codes=(3,))
    if "does not hold what the manifest says" not in stack.said[-1]:
        raise Bad(f"it does not say why: {stack.said[-1]}")
    stack.inv("backup.verify")
    if good not in stack.said[-1]:
        raise Bad("the latest is not the good one")
    stack.site.inside(f"rm -rf {stack.site.folder}/backups/{lie}")  # as the error says: look at it, and make another
    stack.inv("backup.postgres", *AFTER)
    return True, stack.examine()


def _newest(stack: Stack) -> str:
    made = stack.site.inside(f"ls -t {stack.site.folder}/backups | head -1")
    if not made:
        raise Bad("there is no set")
    return made
