"""Copies off the host, without an engine: two machines with one store, and copies that are not what the host has."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from opslib.backup import manifest
from opslib.backup.manifest import FILE, Manifest

from .ground import Ground
from .plain import Plain
from .stack import in_folder
from .tally import Bad, Row, attempts

Change = Callable[[Manifest], Manifest]


def run(ground: Ground) -> list[Row]:
    """Both machines' sets arrive; a copy that differs is never written over, and never taken for the host's set."""
    return [_one_store(ground), *_copies(ground)]


def _one_store(ground: Ground) -> Row:
    """Two machines with the same project and the same store, which take their folder there for their own."""
    nas = ground.folder("nas")
    both = [Plain(ground.folder("machine"), 200_000, f"{{url: '{nas}', folder: sets}}") for _ in range(2)]

    def work(place: Plain, number: int, dice: random.Random) -> tuple[bool, int]:
        running = []
        for one in both:
            running.append(one.begin("backup.all", "--wait", "1m"))
            time.sleep(dice.uniform(0, 0.5))  # not a wait: how long after the first
        codes = [one.ended(process) for one, process in zip(both, running, strict=True)]
        if codes != [0, 0]:
            raise Bad(f"they ended with {codes}")
        made = {path.name for one in both for path in (one.root / "backups").iterdir()}
        there = {path.name for path in (nas / "sets").iterdir()}
        if not made & there:
            raise Bad(f"made were {made}, and in the store are {there}")
        return True, sum(one.examine() for one in both) + in_folder(nas / "sets")

    times = 2 if ground.dice.short else max(2, ground.dice.times // 5)
    return attempts(ground.dice, Row("two machines that push to the same folder at once"), both[:1], times, work)


def _copies(ground: Ground) -> list[Row]:
    """A copy of the same id as a set of the host: older, newer, of other data, and damaged."""

    def made(year: str) -> Change:
        return lambda told: msgspec.structs.replace(told, created=f"{year}-01-01T00:00:00.000000Z")

    def other(told: Manifest) -> Manifest:
        first, *rest = told.artifacts
        return msgspec.structs.replace(told, artifacts=(msgspec.structs.replace(first, name="other"), *rest))

    kinds = {"older than": made("2001"), "newer than": made("2041"), "different from": other, "damaged, unlike": None}
    rows = []
    for what, change in kinds.items():
        row = Row(f"a copy off the host that is {what} the host's set of the same id")
        nas = ground.folder("nas")
        place = Plain(ground.folder("copies"), 1000, f"{{url: '{nas}', name: nas, folder: sets}}")
        times = 1 if ground.dice.short else 3
        rows.append(attempts(ground.dice, row, [place], times, _differing(nas / "sets", change)))
    return rows


def _differing(there: Path, change: Change | None) -> Callable[[Plain, int, random.Random], tuple[bool, int]]:
    def work(place: Plain, number: int, dice: random.Random) -> tuple[bool, int]:
        shutil.rmtree(place.root / "backups", ignore_errors=True)
        shutil.rmtree(there, ignore_errors=True)
        if not (made := place.back_up()).ok:
            raise Bad(f"no set was made: {made.hosts[0].error}")
        one = made.hosts[0].result["set"]
        _alter(there / one, change, dice)
        before, mine = _files(there), _files(place.root / "backups")

        push = place.inv("backup.push", codes=(1,))
        if not any(why in push for why in ("another set has its name", "the manifest says", "another digest")):
            raise Bad(f"it does not say what is wrong there: {push}")
        pull = place.inv("backup.pull", "--set", one, codes=(1,))
        if change and "another set of the same name" not in pull:
            raise Bad(f"the pull does not say what is wrong: {pull}")
        if (_files(there), _files(place.root / "backups")) != (before, mine):
            raise Bad("something was written over")

        place.change(number)  # and the host's own set is what is restored
        was = place.expected
        if not place.restore(one).ok:
            raise Bad("the host's own set cannot be restored")
        if (now := place.content()) == was:
            raise Bad("nothing was restored")
        place.expected = now
        made = place.back_up()  # it says that a set lacks its copy; the new one has its own
        new = made.hosts[0].result["set"]
        if _files(there / new) != _files(place.root / "backups" / new):
            raise Bad("the next set did not arrive")
        if {name: data for name, data in _files(there).items() if name.startswith(one)} != before:
            raise Bad("the copy was written over by the next backup")
        return True, place.examine()

    return work


def _alter(folder: Path, change: Change | None, dice: random.Random) -> None:
    told = manifest.decode((folder / FILE).read_bytes(), "it")
    path = folder / (FILE if change else told.artifacts[0].file)
    path.chmod(0o600)
    if change:
        path.write_bytes(manifest.encode(change(told)))
    else:
        path.write_bytes(path.read_bytes()[: dice.randrange(1, path.stat().st_size)])


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
