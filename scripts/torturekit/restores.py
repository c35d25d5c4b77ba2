"""A restore that is killed in each of its steps; then `restore.undo`, and a second restore."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable

from tests.lab.site import until

from .ground import Ground
from .kills import AFTER
from .plain import Plain
from .stack import Stack
from .tally import Bad, Row, attempts


def run(ground: Ground) -> list[Row]:
    """After each the live data are wholly the old or wholly the new ones, and the way back and forth goes on."""
    return [_plain(ground), *_steps(ground)]


def _plain(ground: Ground) -> Row:
    place = Plain(ground.folder("restores"), 300_000)
    place.inv("backup.all")
    (made,) = (path.name for path in (place.root / "backups").iterdir())
    then = place.content()

    def killed(place: Plain, number: int, dice: random.Random) -> tuple[bool, int]:
        now = place.change(number)
        process = place.begin("restore", "--file", made, "--yes", *AFTER)
        time.sleep(dice.uniform(0.2, 1.5))  # not a wait: the moment of the kill
        process.kill()
        hit = place.ended(process) == -signal.SIGKILL
        place.inv("backup.all", *AFTER)
        proven = place.examine(then, now)
        place.inv("restore", "--file", made, "--yes", *AFTER)
        before, place.expected = place.expected, then
        proven += place.examine()
        place.inv("restore.undo", "--yes", *AFTER)
        place.expected = before
        return hit, proven + place.examine()

    place.settings(more="  keep: {last: 1000}\n")
    times = -(-ground.dice.times // 2)
    return attempts(ground.dice, Row("`kill -9` of a restore without an engine"), [place], times, killed)


def _steps(ground: Ground) -> list[Row]:
    stacks = ground.both()
    if ground.dice.short:
        stacks = stacks[1:]
    sets = {}
    for stack in stacks:
        stack.inv("backup.all", *AFTER)
        stack.examine()
        newest = stack.site.inside(f"ls -t {stack.site.folder}/backups | head -1")
        stack.site.inside(f"cp -a {stack.site.folder}/backups/{newest} {stack.site.folder}/kept")
        sets[stack.where] = stack.expected
    names = _names(stacks[0])
    wanted = [name for name in names if name == "swap"] if ground.dice.short else names
    return [
        attempts(ground.dice, Row(f"a restore killed in its step `{name}`"), stacks, len(stacks), _killing(name, sets))
        for name in wanted
    ]


def _names(stack: Stack) -> list[str]:
    """The steps of a restore of the whole set."""
    stack.inv("restore", "--file", "latest", "--yes", "--json", *AFTER)
    said = next(line for line in stack.said[-1].splitlines() if line.startswith("{"))
    return [step["name"] for step in json.loads(said)["hosts"][0]["steps"] if step["status"] == "done"]


def _killing(step: str, sets: dict[str, str]) -> Callable[[Stack, int, random.Random], tuple[bool, int]]:
    def work(stack: Stack, number: int, dice: random.Random) -> tuple[bool, int]:
        then, words = sets[stack.where], ("--file", "./kept", "--yes", *AFTER)
        stack.site.sql(f"insert into mark values ({dice.randrange(1, 1000)})")
        stack.expected = now = stack.content()
        process = stack.begin("restore", *words)
        log = f"{stack.site.folder}/.opslib/run.log"
        seen = f'grep -qF \'"step": "{step}"\' {log} || grep -qF \'"step":"{step}"\' {log}'
        look = f"({seen}) 2>/dev/null && echo yes"
        until(lambda: stack.site.inside(look) or process.poll() is not None, 90, "it did not come so far")
        time.sleep(dice.uniform(0, 0.3))  # not a wait: the moment of the kill
        process.kill()
        hit = stack.ended(process) == -signal.SIGKILL

        stack.inv("restore.undo", "--yes", *AFTER, codes=(0, 2))  # 2: there is no safety copy to go back to
        if stack.content() not in (then, now):
            raise Bad("after the undo the live data are neither the old nor the new ones")
        stack.expected = stack.content()
        proven, before = stack.examine(), stack.expected
        stack.inv("restore", *words)
        stack.expected = then
        proven += stack.examine()
        stack.inv("restore.undo", "--yes", *AFTER)
        stack.expected = before
        return hit, proven + stack.examine()

    return work
