"""`kill -9` at random moments: of the controller, of the dump, of the compressor."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .ground import Ground
from .stack import Stack
from .tally import Bad, Row, attempts

VICTIMS = {"the dump": "pg_dump", "the compressor": "zstd"}
AFTER = ("--wait", "3m")


def run(ground: Ground) -> list[Row]:
    """A third of the attempts for each victim; every one is followed by a run that has to go well by itself."""
    each = -(-ground.dice.times // 3)
    stacks = ground.both()
    took = {stack.where: _seconds(stack) for stack in stacks}

    def controller(stack: Stack, number: int, dice: random.Random) -> tuple[bool, int]:
        process = stack.begin("backup.all", *AFTER)
        time.sleep(dice.uniform(0, took[stack.where]))  # not a wait: the moment of the kill
        process.kill()
        hit = stack.ended(process) == -signal.SIGKILL
        return _went_on(stack, hit=hit, task="backup.all")

    rows = [attempts(ground.dice, Row("`kill -9` of `inv backup.all`"), stacks, each, controller)]
    for what, name in VICTIMS.items():
        row = Row(f"`kill -9` of {what} (`{name}`)")
        lives = {stack.where: _lives(stack, name) for stack in stacks}
        rows.append(attempts(ground.dice, row, stacks, each, _killing(name, lives)))
    return rows


def _killing(name: str, lives: dict[str, list[float]]) -> Callable[[Stack, int, random.Random], tuple[bool, int]]:
    def work(stack: Stack, number: int, dice: random.Random) -> tuple[bool, int]:
        usual = lives[stack.where]
        which = dice.choices(range(len(usual)), usual)[0]  # of the roles, or of the database
        process = stack.begin("backup.postgres", *AFTER)
        mark, seen, pid = Path(stack.site.folder).name, set[int](), 0
        for _ in range(which + 1):
            pid = find(name, mark, lambda: process.poll() is None, seen)
            seen.add(pid)
        time.sleep(dice.uniform(0, usual[which]))  # not a wait: the moment of the kill
        with suppress(ProcessLookupError):
            if pid and belongs(pid, mark):
                os.kill(pid, signal.SIGKILL)
        hit = stack.ended(process) != 0
        return _went_on(stack, hit=hit, task="backup.postgres")

    return work


def _lives(stack: Stack, name: str) -> list[float]:
    """For how many seconds each process of that name lives in a backup that nobody disturbs, in their order."""
    process = stack.begin("backup.postgres", *AFTER)
    mark, seen, lives = Path(stack.site.folder).name, set[int](), list[float]()
    while pid := find(name, mark, lambda: process.poll() is None, seen):
        began = time.monotonic()
        seen.add(pid)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.002)
        lives.append(time.monotonic() - began)
    if stack.ended(process) or not lives:
        raise Bad(f"no {name} was seen in a backup that nobody disturbed")
    return lives


def _went_on(stack: Stack, *, hit: bool, task: str) -> tuple[bool, int]:
    stack.inv(task, *AFTER)
    return hit, stack.examine()


def _seconds(stack: Stack) -> float:
    began = time.monotonic()
    stack.inv("backup.all", *AFTER)
    return time.monotonic() - began


def find(name: str, mark: str, alive: Callable[[], bool], seen: set[int]) -> int:
    """The process of a run that has this name and something of the project mounted, or whose parent has; 0 where none
    came. Servers of the lab and their containers are processes of this machine, too."""
    while alive():
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in seen:
                continue
            with suppress(OSError):
                if (entry / "comm").read_text().startswith(name) and belongs(int(entry.name), mark):
                    return int(entry.name)
        time.sleep(0.003)
    return 0


def belongs(pid: int, mark: str) -> bool:
    """Whether it is of the project: a program that is chrooted sees no mounts, the shell that started it does."""
    with suppress(OSError, ValueError):
        for _ in range(4):
            if mark in Path(f"/proc/{pid}/mountinfo").read_text():
                return True
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False
