"""The line cut, the server standing still or without power, the database killed: in a backup, a push, a restore."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.lab.site import fault, until

from .ground import Ground
from .kills import AFTER
from .stack import Stack, in_folder
from .tally import Bad, Row, attempts

HEALED = {"cut": "heal", "pause": "unpause", "kill": "start"}
TITLES = {
    "cut": "the line cut",
    "pause": "the server standing still",
    "kill": "the server without power",
    "database": "the database killed",
}
PHASES = {"backup.all": "a backup", "backup.push": "a push", "restore": "a restore"}
LASTS = (3.0, 40.0)  # seconds of a fault, the one or the other: after 30 the line is given up


def run(ground: Ground) -> list[Row]:
    """Each fault in each phase, over SSH. The short form takes one phase of each."""
    stack = ground.stack("ssh")
    stack.inv("backup.all", *AFTER)
    stack.examine()
    rows = []
    rounds = 1 if ground.dice.short else max(1, ground.dice.times // 100)
    tried = [(kind, task) for kind in TITLES for task in PHASES if (kind, task) != ("database", "backup.push")]
    if ground.dice.short:
        tried = [("cut", "backup.all"), ("database", "restore")]
    for kind, task in tried:
        row = Row(f"{TITLES[kind]} in the middle of {PHASES[task]}")
        rows.append(attempts(ground.dice, row, [stack], rounds, _breaking(kind, task)))
    return rows


def _breaking(kind: str, task: str) -> Callable[[Stack, int, random.Random], tuple[bool, int]]:
    def work(stack: Stack, number: int, dice: random.Random) -> tuple[bool, int]:
        before = stack.expected
        if task == "restore":  # the live data are not those of the set
            stack.site.sql(f"insert into mark values ({number + 1})")
            stack.expected = stack.content()
        process = _begun(stack, task)
        time.sleep(dice.uniform(0, 2))  # not a wait: the moment of the fault
        running = process.poll() is None
        if kind == "database":
            stack.site.inside(f"docker kill {stack.site.container('db')}")
            code = stack.ended(process)
            stack.site.inside(f"docker start {stack.site.name}-db-1")
        else:
            code = _away(stack, process, kind, dice.choice(LASTS))
        until(lambda: stack.states().get("db") == "running healthy", 120, "the database does not come back")
        if code not in (0, 1):
            raise Bad(f"it ended with {code}")
        stack.inv("backup.all", *AFTER)
        if task == "backup.push":
            stack.inv("backup.push", *AFTER, host="stored")
            in_folder(stack.store / "sets")
        return running, stack.examine(before)

    return work


def _away(stack: Stack, process: subprocess.Popen[str], kind: str, seconds: float) -> int:
    assert stack.site.server is not None
    name = stack.site.server["name"]
    fault(name, kind)
    try:
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        fault(name, HEALED[kind])
    return stack.ended(process)


def _begun(stack: Stack, task: str) -> subprocess.Popen[str]:
    """The run, once there is something of its doing."""
    begun: Callable[[], object]
    if task == "backup.push":
        before = set(stack.store.rglob("*"))
        stack.inv("backup.volumes", *AFTER)
        process = stack.begin("backup.push", *AFTER, host="stored")
        begun = partial(_new, stack.store, before)
    else:
        words = ("--file", "latest", "--yes") if task == "restore" else ()
        process = stack.begin(task, *words, *AFTER)
        begun = partial(stack.site.inside, f"test -s {stack.site.folder}/.opslib/run.log && echo yes")
    until(lambda: begun() or process.poll() is not None, 60, "it did not begin")
    return process


def _new(folder: Path, before: set[Path]) -> set[Path]:
    return set(folder.rglob("*")) - before
