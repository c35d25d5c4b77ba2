"""Which sets stay, over thousands of histories."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta, timezone
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from opslib.backup.retention import PERIODS, verdicts
from opslib.backup.sets import SetInfo
from opslib.backup.shrink import NOISE, shrunk
from opslib.settings.model import Keep
from tests.unit.backup.test_manifest import ARTIFACT, MANIFEST

FILES = ("db", "uploads", "cache")
MANY = settings(max_examples=4 * settings().max_examples)  # thoroughly 400 of each of five properties


def outdated(sets: Sequence[SetInfo], keep: Keep, named: Collection[str] = ()) -> list[SetInfo]:
    """The sets that go, oldest first; those in `named` stay in any case."""
    return [one.set for one in verdicts(sets, keep, dict.fromkeys(named, "named")) if not one.keep]


def made(at: datetime, files: Sequence[str], number: int = 0, size: int = 100, **facts: object) -> SetInfo:
    artifacts = tuple(msgspec.structs.replace(ARTIFACT, file=one, raw_bytes=size, facts=facts) for one in files)
    created = at.isoformat().replace("+00:00", "Z")
    ident = f"{at:%Y-%m-%dT%H%M%SZ}-{number:04x}"
    manifest = msgspec.structs.replace(MANIFEST, id=ident, created=created, artifacts=artifacts)
    return SetInfo(ident, f"/b/{ident}", manifest)


def at(text: str, files: Sequence[str] = ("db",), number: int = 0) -> SetInfo:
    return made(datetime.fromisoformat(text).replace(tzinfo=timezone.utc), files, number)


# As backups happen: mostly at one time of the day, some missed, some by hand, over years, leap days among them; and
# clocks that are set back or jump, so that two are of the same second, or in the wrong order.
_GAPS = (
    lambda chance: timedelta(days=chance.randint(0, 40)),
    lambda chance: timedelta(minutes=chance.randint(0, 5000)),
    lambda chance: timedelta(days=chance.randint(-400, 400)),
)
_FIRST, _LAST = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (1990, 2150))


def history(length: int, seed: int) -> list[SetInfo]:
    """Sets as `list_sets` gives them: the oldest first by what their manifests say. The same seed always gives the
    same ones, and a shorter history is the beginning of a longer one."""
    chance, found = Random(seed), []
    now = datetime(2019, 12, 1, tzinfo=timezone.utc) + timedelta(minutes=chance.randrange(9 * 366 * 24 * 60))
    for number in range(length):
        now = min(max(now + chance.choice(_GAPS)(chance), _FIRST), _LAST)
        files = chance.sample(FILES, chance.randint(0, len(FILES)))
        one = made(now, files, number, safety=chance.random() < 0.25)
        found.append(SetInfo(one.id, one.folder, one.manifest, "cut" if chance.random() < 0.2 else ""))
    return sorted(found, key=lambda one: (one.manifest.created if one.manifest else "", one.id))


HISTORIES = st.builds(
    history, st.integers(0, 60), st.integers(0, 2**32)
)  # drawing each set apart takes ten times as long
_COUNT = st.one_of(st.none(), st.integers(1, 12))
_RULES = st.builds(
    Keep, last=_COUNT, hourly=_COUNT, daily=_COUNT, weekly=_COUNT, monthly=_COUNT, yearly=_COUNT,
    within=st.one_of(st.none(), st.floats(0, 1e8)),
)  # fmt: skip


def files_of(one: SetInfo) -> set[str]:
    return {artifact.file for artifact in one.manifest.artifacts} if one.manifest else set()


@MANY
@given(HISTORIES, _RULES)
def test_the_newest_whole_set_of_every_artifact_stays(sets: list[SetInfo], keep: Keep) -> None:
    stay = [one.set for one in verdicts(sets, keep) if one.keep]
    for safety in (False, True):
        for file in FILES:
            having = [one for one in sets if one.whole and one.safety is safety and file in files_of(one)]
            assert not having or having[-1] in stay


@MANY
@given(HISTORIES, _RULES)
def test_nothing_broken_is_removed_or_counted(sets: list[SetInfo], keep: Keep) -> None:
    gone = {one.id for one in outdated(sets, keep)}
    assert all(one.whole for one in sets if one.id in gone)
    assert gone == {one.id for one in outdated([one for one in sets if one.whole], keep)}


@MANY
@given(HISTORIES, _RULES)
def test_pruning_twice_is_pruning_once(sets: list[SetInfo], keep: Keep) -> None:
    gone = outdated(sets, keep)
    assert outdated([one for one in sets if one not in gone], keep) == []


@MANY
@given(HISTORIES, _RULES, st.sampled_from(FILES))
def test_a_rule_keeps_the_newest_of_as_many_periods_as_it_says(sets: list[SetInfo], keep: Keep, file: str) -> None:
    stay = [one.set for one in verdicts(sets, keep) if one.keep]
    having = [one for one in reversed(sets) if one.whole and not one.safety and file in files_of(one)]
    for rule, count in keep.rules.items():
        if rule in PERIODS:
            periods: dict[str, SetInfo] = {}
            for one in having:
                assert one.manifest
                created = datetime.fromisoformat(one.manifest.created.replace("Z", "+00:00"))
                periods.setdefault(created.strftime(PERIODS[rule]), one)
            assert all(periods[name] in stay for name in sorted(periods, reverse=True)[: int(count)])
        elif rule == "last":
            assert all(one in stay for one in having[: int(count)])


@MANY
@given(HISTORIES, _RULES)
def test_more_is_kept_by_more_rules_and_whatever_is_named(sets: list[SetInfo], keep: Keep) -> None:
    more = msgspec.structs.replace(keep, last=50) if keep.last is not None or keep.rules == {"last": 7} else keep
    assert {one.id for one in outdated(sets, more)} <= {one.id for one in outdated(sets, keep)}
    names = [one.id for one in sets[::3]]
    assert not {one.id for one in outdated(sets, keep, names)} & set(names)


def test_grandfather_father_son() -> None:
    sets = [at(f"2024-{month:02}-{day:02}T02:00:00") for month in (1, 2, 3) for day in range(1, 29)]
    keep = Keep(daily=3, weekly=2, monthly=3)
    stay = {one.set.id[:10]: one.why for one in verdicts(sets, keep) if one.keep}
    assert list(stay) == ["2024-01-28", "2024-02-28", "2024-03-24", "2024-03-26", "2024-03-27", "2024-03-28"]
    assert stay["2024-01-28"] == "monthly, the newest of 2024-01"
    assert stay["2024-03-24"] == "weekly, the newest of 2024-W12"
    assert stay["2024-03-28"] == "it is the newest"


def test_a_leap_day_and_the_end_of_a_year_in_iso_weeks() -> None:
    sets = [at("2024-02-29T02:00:00"), at("2024-12-29T02:00:00"), at("2024-12-31T02:00:00"), at("2025-01-01T02:00:00")]
    assert [one.id[:10] for one in outdated(sets, Keep(weekly=2))] == ["2024-02-29", "2024-12-31"]
    assert [one.id[:10] for one in outdated(sets, Keep(yearly=2))] == ["2024-02-29", "2024-12-29"]


def test_clocks_that_change_leave_every_day_its_set() -> None:
    """Made at two in the night of Berlin: in March there is no such hour, in October there are two."""
    nights = ["2026-03-28T01:00", "2026-03-29T01:00", "2026-03-30T00:00", "2026-10-24T00:00", "2026-10-25T00:00",
              "2026-10-25T01:00", "2026-10-26T01:00"]  # fmt: skip
    sets = [at(one, number=number) for number, one in enumerate(nights)]
    assert [one.id[:15] for one in outdated(sets, Keep(daily=6))] == ["2026-10-25T0000"]
    assert outdated(sets, Keep(hourly=7)) == []


def test_a_set_from_the_future_pushes_out_nothing_of_today() -> None:
    """A clock that was wrong for a day."""
    sets = [*(at(f"2026-11-{day:02}T02:00:00") for day in range(1, 8)), at("2038-01-19T03:14:07")]
    assert [one.id[:10] for one in outdated(sets, Keep(daily=7))] == ["2026-11-01"]


def test_what_shrank_is_named_until_it_is_agreed_to() -> None:
    big, small = 100 * NOISE, 10 * NOISE
    start = datetime(2026, 11, 1, tzinfo=timezone.utc)
    sets = [made(start + timedelta(days=day), ["db"], day, size=size) for day, size in enumerate((big, big, small))]
    (one,) = shrunk(sets, 0.5, {})
    assert (one.stem, one.was, one.now, one.now_in, one.was_in) == ("db", big, small, sets[2].id, sets[0].id)
    later = [*sets, made(start + timedelta(days=9), ["db"], 9, size=small)]
    assert [one.was for one in shrunk(later, 0.5, {})] == [big], "the next small one does not make it right"
    assert shrunk(later, 0.95, {}) == []
    assert shrunk(later, 0.5, {"db": sets[2].id}) == []
    tiny = [*later, made(start + timedelta(days=10), ["db"], 10, size=NOISE)]
    assert [one.was for one in shrunk(tiny, 0.5, {"db": sets[2].id})] == [small]


def test_what_is_small_may_shrink_and_safety_copies_and_broken_sets_do_not_count() -> None:
    start = datetime(2026, 11, 1, tzinfo=timezone.utc)
    assert shrunk([made(start, ["db"], 0, size=NOISE), made(start, ["db"], 1, size=1)], 0.5, {}) == []
    big, small = made(start, ["db"], 0, size=99 * NOISE), made(start, ["db"], 1, size=1, safety=True)
    assert shrunk([big, small], 0.5, {}) == []
    whole = made(start, ["db"], 2, size=1)
    assert shrunk([big, SetInfo(whole.id, whole.folder, whole.manifest, "cut")], 0.5, {}) == []
