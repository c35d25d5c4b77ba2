"""What counts as protected: decided of what a backup makes of each thing, and of the sets that are there."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from opslib.backup.coverage import Known, Row, drills, due_by_kind, judge, places_by_set
from opslib.backup.found import Decision
from opslib.backup.manifest import KINDS, file_name
from opslib.backup.sets import SetInfo
from opslib.backup.sqlite import SqliteFile
from opslib.backup.tree import NamedVolume
from tests.unit.backup.test_manifest import ARTIFACT, MANIFEST

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
VOLUME = NamedVolume("p_data", "data", {}, "local")
SQLITE = SqliteFile(True, "p_data", "a b.db", {"place": "volume", "volume": "p_data", "key": "data"})
TAR, BASE = "volume.data.tar.zst", "sqlite.data.a%20b%2Edb.db.zst"
BACKUP = "inv backup.all --host prod"
DRILLS = {VOLUME.stem: NOW - timedelta(hours=2)}
PLACES = {"good": ("host", "nas"), "a": ("host", "nas", "s3"), "b": ("host", "s3")}


def made(id: str, hours: float, *files: str, safety: bool = False, **more: str) -> SetInfo:
    """A set that was made so many hours ago."""
    facts: dict[str, Any] = {"safety": True} if safety else {}
    artifacts = tuple(msgspec.structs.replace(ARTIFACT, file=file, facts=facts) for file in files)
    when = (NOW - timedelta(hours=hours)).isoformat().replace("+00:00", "Z")
    return SetInfo(id, f"/b/{id}", msgspec.structs.replace(MANIFEST, id=id, created=when, artifacts=artifacts), **more)


def judged(one: Decision, *sets: SetInfo, due: float | None = 34) -> Row:
    """The only row; the schedule came round twice in the last `due` hours."""
    since = {} if due is None else dict.fromkeys(KINDS, NOW - timedelta(hours=due))
    (row,) = judge([one], Known("prod", NOW, sets, since, DRILLS, PLACES))
    return row


def copied(*sources: NamedVolume | SqliteFile, empty: bool = False) -> Decision:
    return Decision("volume data", ("app",), "copied", sources, empty)


def test_the_files_are_called_as_they_are_in_a_set() -> None:
    assert TAR == VOLUME.file == f"{VOLUME.stem}.zst"
    assert BASE == file_name("sqlite", "data", "a b.db", suffix=".db.zst") == f"{SQLITE.stem}.zst"


def test_the_newest_whole_set_that_holds_it_protects_it() -> None:
    sets = [
        made("old", 40, TAR), made("good", 10, TAR), made("other", 9, BASE), made("hurt", 8, TAR, damaged="x"),
        made("half", 7, TAR, wrong="x"), made("copy", 6, TAR, safety=True), SetInfo("none", "/b/none"),
    ]  # fmt: skip
    row = judged(copied(VOLUME), *sets)
    assert (row.state, row.set, row.age, row.sources) == ("protected", "good", 36000, ("volume data",))
    assert row.as_json() == {
        "what": "volume data", "services": ["app"], "state": "protected", "sources": ["volume data"], "set": "good",
        "age": 36000, "places": ["host", "nas"], "drill": 7200, "why": None, "do": None,
    }  # fmt: skip


def test_it_is_the_same_thing_however_a_set_has_it_compressed() -> None:
    assert judged(copied(VOLUME), made("python", 1, "volume.data.tar.gz")).set == "python"
    assert judged(copied(VOLUME), made("another", 1, "volume.data2.tar.zst")).set == ""


def test_a_source_alone_is_no_copy() -> None:
    row = judged(copied(VOLUME), made("other", 1, BASE))
    assert (row.state, row.set, row.age, row.do) == ("unprotected", "", None, BACKUP)
    assert row.why == "it is in no set yet"


def test_what_several_sources_copy_is_as_old_as_the_oldest_of_them() -> None:
    both = copied(VOLUME, SQLITE)
    row = judged(both, made("a", 20, BASE), made("b", 1, TAR))
    assert (row.set, row.places, row.drill) == ("a", ("host", "s3"), None), (
        "in the places of both, and drilled with both"
    )
    row = judged(both, made("b", 1, TAR))
    assert (row.state, row.why) == ("unprotected", "sqlite data/a b.db: in no set yet")


@pytest.mark.parametrize(
    ("hours", "due", "state"),
    [(33.9, 34, "protected"), (34.1, 34, "unprotected"), (9999, None, "protected"), (-1, 34, "protected")],
)
def test_what_the_schedule_has_passed_by_twice_is_too_old(hours: float, due: float | None, state: str) -> None:
    row = judged(copied(VOLUME), made("one", hours, TAR), due=due)
    assert (row.state, row.set) == (state, "one")
    assert row.age == max(0, hours * 3600)
    assert bool(row.do) is (state == "unprotected")


def test_a_kind_is_due_by_the_task_that_copies_it_oftener() -> None:
    schedule = {"all": "0 2 * * *", "postgres": "@hourly", "volumes": "0 0 1 * *", "verify": "* * * * *"}
    due = due_by_kind(schedule, datetime(2026, 11, 29, 12, 30, tzinfo=timezone.utc))
    assert due["postgres"] == datetime(2026, 11, 29, 11, tzinfo=timezone.utc)
    assert due["volume"] == due["redis"] == datetime(2026, 11, 28, 2, tzinfo=timezone.utc)
    assert due_by_kind({"volumes": "@hourly"}, NOW).keys() == {"volume"}
    late = judge([copied(VOLUME)], Known("prod", NOW, [made("one", 3, TAR)], {"postgres": NOW}))[0]
    assert late.state == "protected", "what no task copies is due at no time"


def test_an_encrypted_set_holds_the_same() -> None:
    assert judged(copied(VOLUME), made("one", 3, f"{TAR}.age")).set == "one"


def test_what_holds_nothing_needs_no_set_and_may_be_in_one() -> None:
    assert judged(copied(VOLUME, empty=True)).state == "empty"
    assert judged(copied(empty=True)).state == "empty"
    assert judged(copied(VOLUME, empty=True), made("one", 1, TAR)).state == "protected"


def test_what_a_backup_leaves_out() -> None:
    """Knowingly, or because it is no data: no finding. Otherwise it is one, with what to do."""
    states = {}
    for becomes in ("uncovered", "refused", "excluded", "no data"):
        row = judged(Decision("volume x", (), becomes, why="so", do="this"), made("one", 1, TAR))
        states[becomes] = (row.state, row.why, row.do)
    assert states == {
        "uncovered": ("unprotected", "so", "this"),
        "refused": ("unprotected", "so: until then no set is made at all", "this"),
        "excluded": ("excluded", "so", ""),
        "no data": ("no data", "so", ""),
    }


def test_what_needs_a_person_stands_first() -> None:
    becomes = ("no data", "excluded", "copied", "uncovered")
    decisions = [Decision(one, (), one, (VOLUME,) if one == "copied" else ()) for one in becomes]
    empty = Decision("empty", (), "copied", (), empty=True)
    rows = judge([*decisions, empty], Known("prod", NOW, [made("one", 1, TAR)]))
    assert [one.what for one in rows] == ["uncovered", "copied", "excluded", "empty", "no data"]


def test_a_drill_counts_for_what_it_restored_and_only_when_it_went_well() -> None:
    journal = [
        {"at": "2026-11-01T00:00:00Z", "ok": True, "drill": {"files": [TAR, f"{BASE}.age"]}},
        {"at": "2026-11-02T00:00:00Z", "ok": True, "drill": {"files": [TAR]}},
        {"at": "2026-11-03T00:00:00Z", "ok": False, "drill": {"files": [TAR]}},
        {"at": "2026-11-04T00:00:00Z", "ok": True, "drill": {"set": "one"}},
    ]
    days = {name: when.day for name, when in drills(journal).items()}
    assert days == {VOLUME.stem: 2, SQLITE.stem: 1}


def test_a_set_is_in_the_places_where_it_is_whole() -> None:
    one, two = made("one", 2, TAR), made("two", 1, TAR)
    hurt = made("one", 2, TAR, damaged="x")
    assert places_by_set([one, two], {"nas": [hurt], "s3": [one]}) == {"one": ("host", "s3"), "two": ("host",)}
