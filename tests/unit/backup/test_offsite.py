"""Which sets go to a store, and which set is in which place."""

from __future__ import annotations

from msgspec.structs import replace

from opslib.backup.offsite.look import where_each_is
from opslib.backup.offsite.push import decide
from opslib.backup.sets import SetInfo
from opslib.settings.keep import Keep
from tests.unit.backup.test_manifest import ARTIFACT
from tests.unit.backup.test_sets import info

ALL = Keep(last=9)


def sent(here: list[SetInfo], there: list[SetInfo], keep: Keep = ALL) -> list[str]:
    return [one.id for one in decide(here, there, keep).sets]


def other(one: SetInfo) -> SetInfo:
    """Another set of the same name."""
    assert one.manifest is not None
    return SetInfo(one.id, one.folder, replace(one.manifest, by="somebody else"))


def test_what_is_missing_is_sent_oldest_first() -> None:
    assert sent([info("01"), info("02"), info("03")], [info("02")]) == ["01", "03"]


def test_only_whole_sets_that_are_no_safety_copies() -> None:
    here = [info("01", wrong="cut"), info("02", damaged="flipped"), info("03", safety=True), info("04")]
    assert sent(here, []) == ["04"]


def test_what_has_no_manifest_there_is_finished() -> None:
    half = SetInfo("01", "/s/01", None, "there is no manifest.json")
    assert sent([info("01")], [half]) == ["01"]
    assert sent([info("01"), info("02")], [half], Keep(last=1)) == ["02"], "unless no rule keeps it"


def test_what_the_stores_rules_would_remove_is_not_sent() -> None:
    here = [info("01"), info("02"), info("03")]
    assert sent(here, [], Keep(last=2)) == ["02", "03"]
    assert sent(here, [info("04"), info("05")], Keep(last=2)) == []


def test_a_broken_set_there_does_not_push_a_good_one_out() -> None:
    assert sent([info("01")], [info("02", damaged="flipped")], Keep(last=1)) == ["01"]


def test_what_stands_in_the_place_of_a_set_is_named() -> None:
    there = [info("01", wrong="a is missing"), info("02", damaged="flipped"), other(info("03")), info("04")]
    todo = decide([info("01"), info("02"), info("03"), info("04")], there, ALL)
    assert todo.sets == []
    assert todo.wrong == {
        "01": "a is missing", "02": "it is damaged there: flipped", "03": "another set has its name there",
    }  # fmt: skip


def test_where_each_set_is() -> None:
    here = [info("02"), info("03", damaged="flipped"), info("04")]
    there = {"a": [info("01"), info("02"), info("03")], "b": [other(info("04")), SetInfo("05", "/b/05", None, "half")]}
    places = {one["id"]: one["places"] for one in where_each_is(here, there)}
    assert places == {
        "01": {"a": None}, "02": {"host": None, "a": None}, "03": {"host": "flipped", "a": None},
        "04": {"host": None, "b": "another set has its name there"}, "05": {"b": "half"},
    }  # fmt: skip
    assert ARTIFACT.title in where_each_is([], there)[1]["artifacts"], "a set in a store alone is shown in full"
