"""Encrypted sets, here and over SSH: made, read, restored, undone, and undone by themselves. Of every kind of source in
the full form; each goes through the same pipe, so that otherwise those will do that go through it in ways of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from opslib.backup import keys, sets, verify
from opslib.command import Secret, bash
from opslib.run.fleet import look_on
from opslib.target.base import Target
from opslib.target.docker import mount
from tests.lab.contract import OVER, SUBJECTS, Ground, on_ground
from tests.lab.contract.subject import Subject
from tests.lab.project import refused, why, worked
from tests.lab.watch import Watch

pytestmark = pytest.mark.lab
MINE, PUBLIC = keys.make()
_, SECOND = keys.make()
NAMES = {kind: one.name for kind, one in SUBJECTS.items()}
SHORT = ("postgres", "redis", "mongo", "sqlite", "volume")


def identity(recipients: Sequence[str], what: str) -> Secret:
    return keys.fitting([MINE], recipients, what)


@dataclass
class Sealed:
    """All kinds in one project, the way on which its sets are encrypted, a set, what there was when it was made, and a
    set in clear."""

    ground: Ground
    way: Target
    made: str
    good: dict[str, Any]
    clear: str


@pytest.fixture(scope="module", params=["local", "ssh"])
def sealed(request: pytest.FixtureRequest) -> Iterator[Sealed]:
    with on_ground(request, *(SUBJECTS if request.config.getoption("--full") else SHORT)) as ground:
        settings = msgspec.structs.asdict(ground.host.backup)
        way = ground.way(**{**settings, "encrypt_to": (PUBLIC, SECOND)})
        good = ground.seen()
        clear = worked(ground.backup())["set"]
        yield Sealed(ground, way, worked(ground.backup(way))["set"], good, clear)


def test_nothing_of_it_is_in_clear(sealed: Sealed) -> None:
    """Each artifact is encrypted to each key; nothing else is in the folder but the manifest."""
    ground = sealed.ground
    folder = f"{sets.directory(ground.target)}/{sealed.made}"
    look = 'cd /v; for f in *.age; do printf "%s " "$f"; sed "/^--- /q" "$f" | grep -ac "^-> X25519 "; done'
    found = dict(line.split() for line in ground.inside(mount("bind", folder, "/v"), "sh", "-c", look).splitlines())
    assert found == {one.file: "2" for one in ground.artifacts(sealed.made)}
    listed = ground.target.run(bash('ls -A -- "$1"', folder)).lines
    assert sorted(listed) == sorted([*found, "manifest.json"])
    assert all(one.by_hand[0].startswith("KEY=") for one in ground.artifacts(sealed.made))
    manifest = sets.find(ground.target, sealed.made).manifest
    assert manifest is not None
    assert manifest.recipients == (PUBLIC, SECOND)


def test_each_is_read_to_its_end_with_the_key(sealed: Sealed) -> None:
    ground = sealed.ground

    def verified(**options: Any) -> dict[str, str]:
        record = look_on(
            "verify", [ground.target], lambda run: verify.verify(run, sealed.made, tools=ground.tools, **options)
        )
        return {one["file"]: one["content"] for one in worked(record)["artifacts"]}

    read = verified(identity=identity)
    mine = {one.kind: one.file for one in ground.artifacts(sealed.made) if one.name == NAMES.get(one.kind)}
    assert {kind: read[file] for kind, file in mine.items()} == {kind: SUBJECTS[kind].read for kind in ground.subjects}
    assert set(verified().values()) == {""}


def test_all_of_it_comes_back_and_the_restore_is_undone(sealed: Sealed) -> None:
    ground = sealed.ground
    for one in ground.subjects.values():
        one.ruin()
    ruined = ground.seen()
    assert "no identity is there" in refused(ground.restore(sealed.made, sealed.way))
    with Watch(MINE.reveal()) as watch:
        worked(ground.restore(sealed.made, sealed.way, identity=identity))
    assert watch.looks > 3 and not watch.seen
    assert MINE.reveal() not in str(ground.events)
    assert ground.seen() == sealed.good
    worked(ground.restore(None, sealed.way, identity=identity))
    assert ground.seen() == ruined
    worked(ground.restore(None, sealed.way, identity=identity))
    assert ground.seen() == sealed.good
    left = ground.target.run(bash('ls -A -- "$1" | grep -e "key$" -e restore- -e run.log || true', ground.target.state))
    assert left.lines == []


@pytest.mark.parametrize(
    "kind", [kind if kind in SHORT else pytest.param(kind, marks=pytest.mark.full) for kind in OVER]
)
def test_a_failed_restore_goes_back_by_itself(sealed: Sealed, kind: str) -> None:
    """Its safety copy is encrypted, and nobody is there who has a key."""
    ground = sealed.ground
    subject: Subject = ground.subjects[kind]
    before, running = subject.seen(), ground.running
    spoilt = ground.doctored(ground.file(sealed.clear, kind, subject.name), subject.spoil, **subject.lies())
    record = ground.restore(spoilt, sealed.way)
    assert why(record)
    assert "safety key" in [step.name for step in record.hosts[0].steps]
    assert subject.seen() == before
    assert ground.running == running
    copy = sets.list_sets(ground.target)[-1]
    assert copy.safety and copy.manifest is not None
    assert copy.manifest.recipients == (PUBLIC, SECOND)
    left = ground.target.run(bash('ls -A -- "$1" | grep "key$" || true', ground.target.state))
    assert left.lines == []


def test_a_bit_flipped_anywhere_is_refused_before_anything_is_touched(sealed: Sealed) -> None:
    ground = sealed.ground
    file = ground.file(sealed.made, "volume", NAMES["volume"])
    folder, name = file.rsplit("/", 1)
    place = mount("bind", folder, "/v")
    flip = 'b=$(od -An -tu1 -j 500 -N 1 "/v/$1"); printf "\\\\$(printf %o $(( b ^ 1 )))" | dd of="/v/$1" bs=1 seek=500 conv=notrunc status=none'
    ground.inside(place, "bash", "-euc", flip, "x", name)
    try:
        assert "SHA-256" in refused(ground.restore(file, sealed.way, identity=identity))
    finally:
        ground.inside(place, "bash", "-euc", flip, "x", name)
