from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.cron.clock import coming, part_of, zone
from opslib.settings.schedule import cron

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(text):
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("schedule", "delay", "now", "then"),
    [
        ("0 2 * * *", 0, "2026-11-29T18:00", "2026-11-30T02:00:00+01:00"),
        ("0 2 * * *", 0, "2026-11-29T02:00", "2026-11-30T02:00:00+01:00"),
        ("@daily", 0, "2026-11-29T18:00", "2026-11-30T00:00:00+01:00"),
        ("@hourly", 90, "2026-11-29T18:00:30", "2026-11-29T18:01:30+01:00"),  # it sleeps now
        ("30 6 * * sun", 0, "2026-11-29T18:00", "2026-12-06T06:30:00+01:00"),
        ("0 0 29 2 *", 0, "2026-11-29T18:00", "2028-02-29T00:00:00+01:00"),
        ("0 2 13 * fri", 0, "2026-11-29T18:00", "2026-12-04T02:00:00+01:00"),  # either of both
        ("0 2 * * *", 0, "2027-03-27T18:00", "2027-03-28T03:00:00+02:00"),  # there is no 2 o'clock that day
        ("0 2 * * *", 7200, "2027-03-27T18:00", "2027-03-28T05:00:00+02:00"),
        ("30 2 * * *", 0, "2026-10-24T18:00", "2026-10-25T02:30:00+02:00"),  # and two of them: the first counts
    ],
)
def test_the_next_time(schedule, delay, now, then):
    found = coming(schedule, delay, berlin(now))
    assert found is not None
    assert found.isoformat() == then


@pytest.mark.parametrize("schedule", ["0 2 31 2 *", "0 0 30 feb *"])
def test_what_never_comes(schedule):
    assert coming(schedule) is None


numbers = [st.integers(low, high) for low, high in ((0, 59), (0, 23), (1, 28), (1, 12), (0, 7))]
fields = [
    st.one_of(st.just("*"), number.map(str), st.tuples(number, number).map(lambda two: f"{min(two)}-{max(two)}/2"),
              st.lists(number.map(str), min_size=1, max_size=3).map(",".join))
    for number in numbers
]  # fmt: skip


@given(st.tuples(*fields))
def test_every_schedule_that_a_host_file_may_hold_is_understood(parts):
    now = berlin("2026-11-29T18:00")
    found = coming(cron(" ".join(parts)), 0, now)
    assert found is not None
    assert now < found


def test_a_part_of_a_delay_is_the_same_each_time_and_spreads():
    drawn = [part_of(1800, "/srv/app", f"host{n}", "backup.all") for n in range(200)]
    assert drawn == [part_of(1800, "/srv/app", f"host{n}", "backup.all") for n in range(200)]
    assert 0 <= min(drawn) < 200
    assert 1600 < max(drawn) <= 1800
    assert part_of(0, "x") == 0


def test_the_zone_is_the_machines_and_not_the_shells(monkeypatch, tmp_path):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    (tmp_path / "zoneinfo").mkdir()
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    name, found = zone(str(link))
    assert name == "Europe/Berlin"
    assert datetime(2026, 7, 1, tzinfo=found).utcoffset() == timedelta(hours=2)
    link.unlink()
    link.write_bytes(Path("/usr/share/zoneinfo/Europe/Berlin").read_bytes())
    name, found = zone(str(link))
    assert (name, datetime(2026, 7, 1, tzinfo=found).utcoffset()) == ("local time", timedelta(hours=2))
    link.unlink()
    assert zone(str(link))[0] == "UTC"
