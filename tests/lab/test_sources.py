"""What is true of every kind of source, on this machine and over SSH: each test is written once and runs for each kind
against the real engine. `tests/lab/contract` says what a kind's data are. Chosen with `-k`, a kind runs alone: only the
engines of the chosen tests are started."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from opslib.backup import sets, sources, staging, verify
from opslib.backup.source import Snapshots, Stage, finished
from opslib.command import bash
from opslib.run.fleet import look_on
from opslib.run.record import Record
from opslib.settings.model import Keep
from opslib.target.docker import docker
from tests.lab.contract import ELSEWHERE, ENGINES, GROWING, OVER, SUBJECTS, Ground, on_ground
from tests.lab.contract.subject import Subject
from tests.lab.project import refused, why, worked
from tests.lab.watch import Watch

pytestmark = pytest.mark.lab
each_kind = pytest.mark.parametrize("subject", SUBJECTS, indirect=True)
each_engine = pytest.mark.parametrize("subject", ENGINES, indirect=True)

# One bit of the middle of $1 is another.
_FLIP = """n=$(( $(stat -c %s -- "$1") / 2 )); b=$(od -An -tu1 -j "$n" -N 1 -- "$1")
printf "\\\\$(printf %o $(( b ^ 1 )))" | dd of="$1" bs=1 seek="$n" conv=notrunc status=none"""


@pytest.fixture(scope="module", params=["local", "ssh"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """All kinds that are tested now in one project."""
    chosen = {item.callspec.params.get("subject") for item in request.session.items if item.path == request.path}
    with on_ground(request, *(kind for kind in SUBJECTS if kind in chosen)) as made:
        yield made


@pytest.fixture
def subject(request: pytest.FixtureRequest, ground: Ground) -> Subject:
    """One kind on the ground."""
    return ground.subjects[request.param]


@dataclass
class Saved:
    """A set of everything, and by kind what there was when it was made."""

    id: str
    good: dict[str, Any]


@pytest.fixture(scope="module")
def saved(ground: Ground) -> Saved:
    good = ground.seen()
    secrets = {one.secret for one in ground.subjects.values()}
    with Watch(*secrets) as watch:
        made = worked(ground.backup())
    assert watch.looks > 3
    assert not watch.seen
    assert not [secret for secret in secrets if secret in str(made) + str(ground.events)]
    return Saved(str(made["set"]), good)


@dataclass
class Story:
    """What there was by kind, one after the other, and what the restore says that it restored."""

    ruined: dict[str, Any]
    restored: dict[str, Any]
    undone: dict[str, Any]
    again: dict[str, Any]
    after: dict[str, Any]


@pytest.fixture(scope="module")
def story(ground: Ground, saved: Saved) -> Story:
    """Everything is ruined and restored; that is undone, and the undoing is."""
    before = ground.running
    for one in ground.subjects.values():
        one.ruin()
    ruined = ground.seen()
    result = worked(ground.restore(saved.id))
    restored = ground.seen()
    assert ground.running == before
    worked(ground.restore(None))
    undone = ground.seen()
    worked(ground.restore(None))
    after = {one["part"]: one["after"] for one in result["restored"]}
    return Story(ruined, restored, undone, ground.seen(), after)


@pytest.fixture(scope="module")
def verified(ground: Ground, saved: Saved) -> dict[str, tuple[bool, str]]:
    """By file, whether it is whole, and by what its inside was read."""
    record = look_on("backup.verify", [ground.target], lambda run: verify.verify(run, saved.id, tools=ground.tools))
    return {one["file"]: (one["ok"], one["content"]) for one in worked(record)["artifacts"]}


@each_kind
def test_a_set_holds_all_of_it_and_is_read_to_its_end(
    ground: Ground, subject: Subject, saved: Saved, verified: dict[str, tuple[bool, str]]
) -> None:
    """Every hostile name is there, with its count; each artifact is read by its own format."""
    mine = {one.name: one for one in ground.artifacts(saved.id) if one.kind == subject.kind}
    assert {name: one.counts for name, one in mine.items() if name in subject.counts} == subject.counts
    assert verified[mine[subject.name].file] == (True, subject.read)
    assert all(verified[one.file][0] for one in mine.values())


@each_kind
def test_what_was_destroyed_comes_back(ground: Ground, subject: Subject, saved: Saved, story: Story) -> None:
    """All data are as they were, and counted as the set says."""
    assert story.ruined[subject.kind] != saved.good[subject.kind]
    assert story.restored[subject.kind] == saved.good[subject.kind]
    mine = {one.title: one.counts for one in ground.artifacts(saved.id)
            if one.kind == subject.kind and one.name in subject.counts and one.facts.get("part") != "globals"}  # fmt: skip
    assert {title: story.after[title] for title in mine} == mine


@each_kind
def test_a_restore_is_undone_and_done_again(subject: Subject, saved: Saved, story: Story) -> None:
    assert story.undone[subject.kind] == story.ruined[subject.kind]
    assert story.again[subject.kind] == saved.good[subject.kind]


@pytest.mark.parametrize("subject", OVER, indirect=True)
def test_a_load_over_the_live_data_that_fails_is_undone(ground: Ground, subject: Subject, saved: Saved) -> None:
    """The artifact is what its manifest says, and cannot be loaded, or is not what it should be when it is."""
    before = ground.running
    record = ground.restore(spoilt(ground, subject, saved))
    assert why(record)
    assert "swap" in [step.name for step in record.hosts[0].steps]
    assert subject.seen() == saved.good[subject.kind]
    assert ground.running == before
    beside = 'ls -A -- "$1" "$1/.opslib" | grep -e restore- -e opslib-new -e run.log || true'
    assert not ground.target.run(bash(beside, ground.target.root)).lines


def spoilt(ground: Ground, subject: Subject, saved: Saved) -> str:
    """Its artifact, whose loading fails."""
    return ground.doctored(ground.file(saved.id, subject.kind, subject.name), subject.spoil, **subject.lies())


@pytest.mark.parametrize("subject", ELSEWHERE, indirect=True)
def test_it_goes_to_another_place(ground: Ground, subject: Subject, saved: Saved) -> None:
    """Whole or not at all: what a load that fails has made is removed. Nothing that is there is touched, and no service
    stops."""
    began = {one.name: one.started_at for one in ground.look().containers}
    file = ground.file(saved.id, subject.kind, subject.name)
    record = ground.restore(spoilt(ground, subject, saved), into=subject.into)
    assert why(record)
    assert record.hosts[0].steps
    worked(ground.restore(file, into=subject.into))
    try:
        assert subject.content(subject.into) == subject.content(subject.name)
        assert "is there already" in refused(ground.restore(file, into=subject.into))
    finally:
        subject.forget(subject.into)
    assert {one.name: one.started_at for one in ground.look().containers} == began
    assert subject.seen() == saved.good[subject.kind]


@pytest.mark.parametrize("subject", GROWING, indirect=True)
def test_what_is_written_once_a_copy_has_begun_is_not_in_it(ground: Ground, subject: Subject, saved: Saved) -> None:
    """And nobody has to wait for its end to write."""
    found = sources.find(ground.target, ground.look(), ground.tools, (subject.kind,)).sources
    by_name = {one.title.rpartition("/")[2]: one for one in found if isinstance(one, Snapshots)}
    folder = staging.stage_folder(ground.target, "began")
    staging.make(ground.target, folder)
    try:
        before = subject.more()
        begun = by_name[subject.grows].begin(Stage(ground.target, folder, ground.tools, 0, lambda what, bytes: None))
        subject.more()
        (artifact,) = finished(begun)
    finally:
        staging.remove(ground.target, folder)
        subject.less()
    assert sum(artifact.counts.values()) == sum(subject.counts[subject.grows].values()) + before
    assert subject.seen() == saved.good[subject.kind]


@each_kind
def test_an_artifact_that_is_cut_or_has_another_bit_is_refused(ground: Ground, subject: Subject, saved: Saved) -> None:
    """Before anything is touched."""
    for harm in ('truncate -s -1 -- "$1"', _FLIP):
        file = ground.doctored(ground.file(saved.id, subject.kind, subject.name))
        ground.harm(file, harm)
        said = refused(ground.restore(file))
        assert "SHA-256" in said or "bytes, the manifest says" in said


@each_engine
def test_a_wrong_password_makes_no_set_and_prunes_nothing(ground: Ground, subject: Subject, saved: Saved) -> None:
    before = sets.list_sets(ground.target)
    target = ground.way(sources=(subject.wrong,), keep=Keep(last=1))
    with Watch("not the one") as watch:
        record = ground.backup(target, kinds=(subject.kind,))
    ground.assert_no_set(before, record)
    assert subject.denied in why(record)
    assert not watch.seen
    assert "not the one" not in str(record.as_json()) + str(ground.events)


@each_engine
def test_an_engine_killed_while_it_dumps_makes_no_set(ground: Ground, subject: Subject, saved: Saved) -> None:
    before, container = sets.list_sets(ground.target), subject.container
    target = ground.way(sources=subject.sources, keep=Keep(last=1))
    records: list[Record] = []
    thread = threading.Thread(target=lambda: records.append(ground.backup(target, kinds=(subject.kind,))))
    try:
        with subject.dumping() as dumping:
            thread.start()
            dumping()
            ground.target.run(docker(ground.host, "kill", container))
    finally:
        thread.join(120)
        ground.up()
    assert records, "the backup never ended"
    ground.assert_no_set(before, records[0])
    subject.tidy()
    assert subject.seen() == saved.good[subject.kind]
