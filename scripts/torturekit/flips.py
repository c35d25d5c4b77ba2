"""A small set with a byte changed or with its end cut off, at every place; and restores of some of them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from opslib.backup import sets, verify
from opslib.backup.manifest import FILE
from opslib.backup.restore import check
from opslib.backup.restore.chosen import Chosen
from opslib.errors import OpsError
from opslib.target.base import Target

from .ground import Ground
from .plain import Plain
from .tally import Bad, Row, attempts

Harm = tuple[Path, bytes, str]
"""A file, what it holds now, and how that came."""


def run(ground: Ground) -> list[Row]:
    """Every one is refused by what a restore asks before it touches anything; some go the whole way, at each depth."""
    place = Plain(ground.folder("flips"))
    made = place.back_up()
    if not made.ok:
        raise Bad(f"no set was made: {made.hosts[0].error}")
    place.examine()
    folder = Path(made.hosts[0].result["folder"])
    for path in folder.iterdir():
        path.chmod(0o600)
    place.change(1)
    bits = 1 if ground.dice.short else 8
    rows = [_every(place, folder, bits)]
    harms = [*flipped(folder, 1), *cut(folder)]

    def whole(place: Plain, number: int, dice: random.Random) -> tuple[bool, int]:
        path, data, how = dice.choice(harms)
        good = path.read_bytes()
        path.write_bytes(data)
        try:
            record = place.restore(folder.name)
            if record.ok or record.hosts[0].steps:
                raise Bad(f"{how}: the restore began: {record.as_json()}")
            seen = place.asked(lambda target: depths(target, folder.name))
            if seen["digest"] or seen["content"]:
                raise Bad(f"{how}: depths that took it for whole: {seen}")
        finally:
            path.write_bytes(good)
        if place.left() or place.content() != place.expected:
            raise Bad(f"{how}: refused, and something is left: {place.left()}")
        return True, 0

    row = Row("such a set, restored and verified at each depth")
    return [*rows, attempts(ground.dice, row, [place], ground.dice.times, whole)]


def depths(target: Target, wanted: str) -> dict[str, bool]:
    """By depth, whether the set is taken for whole."""
    one = sets.find(target, wanted)
    known: tuple[verify.Depth, ...] = ("digest", "content")
    return {
        depth: one.whole and not any(each.wrong for each in verify.check(target, one, depth=depth)) for depth in known
    }


def _every(place: Plain, folder: Path, bits: int) -> Row:
    row = Row(f"every byte of a set of {_size(folder)} bytes changed in {bits} of its bits, and every truncation")
    name, began = folder.name, time.monotonic()
    with closing(place.target()) as target:
        for path, data, how in [*flipped(folder, bits), *cut(folder)]:
            good = path.read_bytes()
            path.write_bytes(data)
            try:
                if not refused(target, folder):
                    raise Bad(f"{how}: the set {name} is taken for whole")
            finally:
                path.write_bytes(good)
            row.add(hit=True)
        if refused(target, folder):
            raise Bad("the set itself is refused")
    row.seconds = time.monotonic() - began
    return row


def refused(target: Target, folder: Path) -> bool:
    """Whether the set is, by what `inv restore` asks first: its manifest, the lengths, the digests."""
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    one = sets.as_found(folder.name, str(folder), (folder / FILE).read_bytes(), sizes, "")
    if one.manifest is None:
        return True
    try:
        check.verify(target, Chosen(str(folder), True, one.manifest, one.manifest.artifacts))
    except OpsError:
        return True
    return not one.whole


def flipped(folder: Path, bits: int) -> Iterator[Harm]:
    """Each byte of each file, with each of so many bits changed."""
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        for at in range(len(data)):
            for bit in range(bits):
                changed = data[at] ^ 1 << (bit if bits > 1 else at % 8)
                yield path, bytes([*data[:at], changed, *data[at + 1 :]]), f"{path.name}, byte {at}"


def cut(folder: Path) -> Iterator[Harm]:
    """Each beginning of each file."""
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        yield from ((path, data[:length], f"{path.name}, cut to {length}") for length in range(len(data)))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
