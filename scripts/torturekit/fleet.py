"""`kill -9` of a run over five hosts: folders of this machine at every command, and stacks at random moments."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.lab.fleets import Fleet, fleet_on
from tests.lab.site import ended

from .ground import Ground
from .tally import Bad, Row, attempts

INV = Path(sys.executable).parent / "inv"
NAMES = tuple("abcde")
TASKS = '''"""Writes a word into two files on each host, one ahead and one in turn; dies where DIE says."""
import itertools
import os
import signal

import opslib
from opslib.command import bash
from opslib.run.step import Step, recoveries
from opslib.target.base import Target
from opslib.tasks._rollout import rollout
from opslib.tasks._task import task

ns = opslib.namespace()
WRITE = 'cat "$1" 2>/dev/null; printf %s "$2" >"$1"'
start, counted = Target.start, itertools.count(1)


def dying(self, command):
    if next(counted) == int(os.environ.get("DIE", "0")):
        os.kill(os.getpid(), signal.SIGKILL)
    return start(self, command)


Target.start = dying


def step(name, word, **more):
    def write(run, word):
        run.target.run(bash(WRITE, f"{run.target.root}/{name}", word))

    def look(run):
        was = run.target.run(bash('cat "$1"', f"{run.target.root}/{name}")).text
        return {"was": was, "word": word} if was != word else None

    def do(run, memo):
        write(run, memo["word"])  # of a final step it may be another process that does it

    return Step(name, look, do, lambda run, memo: write(run, memo["was"]), **more)


@task("work", changes=True, together=True, needs="nothing", help={"word": "What is written; none: nothing"})
def work(call, word=None):
    """Write."""
    steps = [step("ahead", word), step("switch", word, switches=True), step("last", word, final=True)]
    given, order = steps if word else [], rollout(call, "2", None, False, turns=True)
    return call.carry_out(lambda run: given, instead=recoveries(*steps), rollout=order)


ns.add_task(work)
'''


class Folders:
    """Five hosts that are folders of this machine."""

    def __init__(self, folder: Path) -> None:
        self.root, self.said = folder, list[str]()
        (folder / "hosts").mkdir()
        (folder / "tasks.py").write_text(TASKS)
        for name in NAMES:
            (folder / name).mkdir()
            (folder / f"hosts/{name}.yml").write_text(f"path: {folder / name}\ngroups: [web]\n")
            for file in ("ahead", "switch", "last"):
                (folder / name / file).write_text("first")

    def inv(self, *words: str, die: int = 0, hosts: str = "@web") -> tuple[int, str]:
        """A run over some of them, that is killed when it begins its `die`-th command."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OPSLIB_")}
        done = subprocess.run(
            [str(INV), "work", *words, "--host", hosts, "--wait", "2m", "--json"], cwd=self.root, text=True,
            env={**kept, "DIE": str(die)}, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=300,
        )  # fmt: skip
        self.said = [*self.said[-8:], f"{words} {hosts} {die}: {done.returncode}\n{done.stdout}{done.stderr}"]
        return done.returncode, done.stdout

    def words(self) -> set[tuple[str, str]]:
        """What stands in the files of each host, each pair once."""
        return {((self.root / name / "ahead").read_text(), (self.root / name / "switch").read_text()) for name in NAMES}

    def left(self) -> list[str]:
        return [name for name in NAMES if (self.root / name / ".opslib/run.log").exists()]

    def evidence(self) -> dict[str, str]:
        """What may tell why something is wrong."""
        logs = [f"{one}\n{one.read_text()}" for one in sorted(self.root.glob("*/.opslib/*.*l*")) if one.is_file()]
        return {"fleet-runs.txt": "\n\n".join(self.said), "fleet-logs.txt": "\n\n".join(logs)}


def run(ground: Ground) -> list[Row]:
    """Folders as often as is wanted; stacks a tenth of that, twice at least."""
    folders = Folders(ground.folder("fleet"))
    row = Row("`kill -9` of a run over five folders, when it begins a command")
    rows = [attempts(ground.dice, row, [folders], ground.dice.times, _folders)]
    if ground.dice.short:
        return rows
    root = ground.folder("stacks")
    made = fleet_on(root, ground.lab["images_prefix"], [ground.server], len(NAMES))
    fleet = made.__enter__()
    ground.later(made.__exit__, None, None, None)
    fleet.inv("deploy")
    stacks = Stacks(fleet)
    row = Row("`kill -9` of `inv deploy` to five stacks on a server")
    return [*rows, attempts(ground.dice, row, [stacks], max(2, ground.dice.times // 10), _stacks)]


def _folders(place: Folders, number: int, dice: random.Random) -> tuple[bool, int]:
    old = {one for pair in place.words() for one in pair}
    new = f"word{number}"
    code, _ = place.inv("--word", new, die=dice.randint(1, 110))
    if code not in (0, -signal.SIGKILL):
        raise Bad(f"it ended with {code}")
    names = list(NAMES)
    dice.shuffle(names)
    at_once = dice.random() < 0.3
    for hosts in ["@web"] if at_once else names:  # the next runs come in any order
        code, said = place.inv(hosts=hosts)
        if code:
            raise Bad(f"the next run ended with {code}: {json.loads(said)}")
    if (now := place.words()) not in ({(new, new)}, {(one, one) for one in old}):
        raise Bad(f"neither all old nor all new: {now}")
    if place.left():
        raise Bad(f"left open: {place.left()}")
    return True, 0


class Stacks:
    """The fleet of stacks, and how long a deploy of it takes."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.said = fleet, list[str]()
        fleet.paint("measured")
        began = time.monotonic()
        fleet.inv("deploy", "--batch", "2")
        self.seconds, self.color = time.monotonic() - began, "measured"

    def evidence(self) -> dict[str, str]:
        """What may tell why something is wrong."""
        return {"fleet-stacks.txt": "\n\n".join([*self.said, str(self.fleet.served()), str(self.fleet.left())])}


def _stacks(place: Stacks, number: int, dice: random.Random) -> tuple[bool, int]:
    fleet, new = place.fleet, f"color{number}"
    fleet.paint(new)
    process = fleet.start("deploy", "--batch", "2")
    time.sleep(dice.uniform(0, place.seconds))  # not a wait: the moment of the kill
    process.kill()
    out, _ = process.communicate()
    hit = process.returncode == -signal.SIGKILL
    wanted = dice.choice((place.color, new))  # back to what served before, or once more
    fleet.paint(wanted)
    said = ended(fleet.start("deploy", "--wait", "3m"), seconds=600)
    place.said, place.color = [*place.said[-6:], out, said], wanted
    if not fleet.all(wanted) or fleet.left():
        raise Bad(f"not all serve {wanted}: {fleet.served()}, or something is left: {fleet.left()}")
    return hit, 0
